import type { AttentionKind, CellForm } from '../../../engine/contracts';

type Line = CellForm['equations'][number];

const scores: Record<Exclude<AttentionKind, 'none'>, string> = {
  additive: 'v · tanh(W_{s}h_{t} + W_{h}h_{j})',
  dot: 'h_{t} · h_{j}',
  general: 'h_{t} · W_{a}h_{j}',
  concat: 'v · tanh(W_{a}[h_{t}; h_{j}])',
  'scaled-dot': 'h_{t} · h_{j} / √n',
};

/**
 * What attention computes, as the engine does (`layers/attention.rs`): the score of every state j that t may see, its
 * share, their sum, and what the head reads.
 */
export function attentionEquations(kind: AttentionKind): Line[] {
  if (kind === 'none') return [];
  return [
    { signal: 'e_{tj}', right: scores[kind], meaning: 'attentionScore' },
    { signal: 'α_{tj}', right: 'softmax_{j}(e_{tj})', meaning: 'attentionWeight' },
    { signal: 'c_{t}', right: 'Σ_{j} α_{tj}h_{j}', meaning: 'attentionContext' },
    { signal: 'y_{t}', right: 'tanh(W_{c}[c_{t}; h_{t}])', meaning: 'attentionOutput' },
  ];
}
