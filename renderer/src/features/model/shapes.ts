import type { ModelDescription, RunConfig, StackBlock } from '../../../../engine/contracts';

/** `['B', 'T', 128]` with the draft's numbers: `[50, 50, 128]`. */
export function shapeText(shape: (string | number)[], config: RunConfig): string {
  const { task } = config;
  // Sequences have lengths of their own.
  const time = task.kind === 'forecast' ? task.lookback : task.kind === 'language-model' ? config.training.sequenceLength : 'T';
  const sizes: Record<string, number | string> = { B: config.training.batchSize, T: time };
  return `[${shape.map((size) => sizes[size] ?? size).join(', ')}]`;
}

/** `65 → 128`: what one value or vector becomes; a head's answer is all its numbers, horizon × targets. */
export function widthText(block: StackBlock): string {
  const matrix = block.weights.find((weight) => weight.shape.length === 2);
  if (block.kind === 'head' && matrix) return `${matrix.shape[1]} → ${matrix.shape[0]}`;
  const lookup = block.kind === 'embedding' ? block.weights[0]?.shape[0] : block.inputShape.at(-1);
  return `${lookup ?? '?'} → ${block.outputShape.at(-1) ?? '?'}`;
}

/** Block of a layer, the embedding or the head; a layer just added looks like the last one until the engine has described it. */
export function blockOf(description: ModelDescription, place: number | 'embedding' | 'attention' | 'head'): StackBlock | null {
  if (place === 'embedding') return description.blocks.find((block) => block.kind === 'embedding') ?? null;
  if (place === 'attention') return description.blocks.find((block) => block.kind === 'attention') ?? null;
  if (place === 'head') return description.blocks.find((block) => block.kind === 'head') ?? null;
  const layers = description.blocks.filter((block) => block.kind === 'recurrent');
  return layers[place] ?? layers.at(-1) ?? null;
}

const symbols: Record<string, string> = {
  weight_ih: 'W_{x}', weight_hh: 'W_{h}', bias_ih: 'b_{x}', bias_hh: 'b_{h}', W: 'W_{x}', U: 'W_{h}',
  weight_hr: 'W_{hr}', W_d: 'W_{xd}', b_d: 'b_{d}', w_cd: 'w_{cd}', w_ld: 'w_{ld}',
  ln_ih_gain: 'γ_{x}', ln_ih_bias: 'β_{x}', ln_hh_gain: 'γ_{h}', ln_hh_bias: 'β_{h}', ln_c_gain: 'γ_{c}', ln_c_bias: 'β_{c}',
};

/** Tensors with one row per unit, not per unit and gate. */
const perUnit = new Set(['weight_hr', 'W_d', 'b_d', 'w_cd', 'w_ld', 'ln_c_gain', 'ln_c_bias']);

/** `W_{x}` for `recurrent.weight_ih_l0`, `p_{i}` for a peephole, and so on, with `reverse` told apart; `gates`: its rows are stacked by gate. */
export function weightLabel(name: string): { symbol: string; reverse: boolean; gates: boolean } {
  const attention = /^attention\.(\w+?)(?:_(\w))?$/.exec(name);
  if (attention) return { symbol: attention[2] ? `${attention[1]}_{${attention[2]}}` : attention[1]!, reverse: false, gates: false };
  const norm = /^norm\.\d+\.(weight|bias)$/.exec(name);
  if (norm) return { symbol: norm[1] === 'weight' ? 'γ' : 'β', reverse: false, gates: false };
  const initial = /^initial\.(.+)_l\d+(_reverse)?$/.exec(name);
  if (initial) return { symbol: `${initial[1]}_{0}`, reverse: initial[2] !== undefined, gates: false };
  const recurrent = /^recurrent\.(.+)_l\d+(_reverse)?$/.exec(name);
  if (!recurrent) return { symbol: name.startsWith('embedding') ? 'E' : name.endsWith('.bias') ? 'b' : 'W', reverse: false, gates: false };
  const [, stem = '', reverse] = recurrent;
  const vector = /^([a-z])_([a-z])$/.exec(stem);
  return { symbol: symbols[stem] ?? (vector ? `${vector[1]}_{${vector[2]}}` : stem), reverse: reverse !== undefined, gates: !vector && !perUnit.has(stem) };
}

/** Shares of the parameters, largest blocks by name and what is left in one. */
export function parameterShares(description: ModelDescription): { kind: StackBlock['kind']; index: number; share: number }[] {
  const total = description.parameters || 1;
  let layer = 0;
  return description.blocks.map((block) => ({ kind: block.kind, index: block.kind === 'recurrent' ? layer++ : -1, share: block.parameters / total }));
}
