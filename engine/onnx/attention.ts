import type { AttentionKind } from '../contracts';
import type { GraphBuilder } from './graph';
import { transposed, type ExportModel, type NamedTensor } from './weights';

/** Attention in operators that every runtime has: `layers/attention.rs` says what it computes. */

export function attentionOf(model: Pick<ExportModel, 'spec'>): AttentionKind {
  return model.spec.options?.attention ?? 'none';
}

/**
 * From `queries` `[batch, queries, size]` over `states` `[batch, time, size]` to `[batch, queries, size]`. With `causal`
 * there is a query per state, and it sees the states up to its own.
 */
export function addAttention(g: GraphBuilder, model: ExportModel, queries: string, states: string, causal: boolean): { output: string; weights: string } {
  const kind = attentionOf(model);
  const name = (part: string): string => `attention/${part}`;
  const tensor = (stem: string): NamedTensor => {
    const found = model.tensors[`attention.${stem}`];
    if (!found) throw new RangeError(`the weights have no attention.${stem}`);
    return found;
  };
  /** `value · Wᵀ` with the columns `from` to `to` of a matrix. */
  const times = (part: string, value: string, stem: string, from?: number, to?: number): string => {
    const { shape, data } = tensor(stem);
    const [rows, columns] = shape as [number, number];
    const turned = transposed(data, rows, columns).slice((from ?? 0) * rows, (to ?? columns) * rows);
    return g.node('MatMul', name(part), [value, g.constant(name(`${part}.weight`), [turned.length / rows, rows], turned)]);
  };
  const against = (query: string, keys: string): string => g.node('MatMul', name('scores'), [query, g.node('Transpose', name('keys.turned'), [keys], { perm: [0, 2, 1] })]);
  const bent = (query: string, key: string): string => {
    const size = tensor('v').data.length;
    const sum = g.node('Add', name('pairs'), [g.node('Unsqueeze', name('query.apart'), [query, g.integers(2)]), g.node('Unsqueeze', name('key.apart'), [key, g.integers(1)])]);
    const product = g.node('MatMul', name('scores.column'), [g.node('Tanh', name('pairs.bent'), [sum]), g.constant(name('v'), [size, 1], tensor('v').data)]);
    return g.node('Squeeze', name('scores'), [product, g.integers(3)]);
  };
  const score = (): string => {
    const size = tensor('W_c').shape[1]! / 2;
    switch (kind) {
      case 'additive':
        return bent(times('query', queries, 'W_s'), times('key', states, 'W_h'));
      case 'concat':
        return bent(times('query', queries, 'W_a', 0, size), times('key', states, 'W_a', size));
      case 'general':
        return against(queries, times('key', states, 'W_a'));
      case 'scaled-dot':
        return g.node('Mul', name('scores.scaled'), [against(queries, states), g.constant(name('scale'), [], Float32Array.of(1 / Math.sqrt(size)))]);
      case 'dot':
        return against(queries, states);
      case 'none':
        throw new RangeError('the model has no attention');
    }
  };
  const scores = causal ? addMask(g, score(), states, name) : score();
  const weights = g.node('Softmax', name('weights'), [scores], { axis: -1 });
  const context = g.node('MatMul', name('context'), [weights, states]);
  const both = g.node('Concat', name('both'), [context, queries], { axis: -1 });
  return { output: g.node('Tanh', 'attention', [times('sum', both, 'W_c')]), weights };
}

/** Scores of the states behind a query so low that their weight is 0. */
function addMask(g: GraphBuilder, scores: string, states: string, name: (part: string) => string): string {
  const time = g.node('Gather', name('time'), [g.node('Shape', name('shape'), [states]), g.index(1)], { axis: 0 });
  const steps = g.node('Range', name('steps'), [g.index(0), time, g.index(1)]);
  const seen = g.node('LessOrEqual', name('seen'), [g.node('Unsqueeze', name('steps.key'), [steps, g.integers(0)]), g.node('Unsqueeze', name('steps.query'), [steps, g.integers(1)])]);
  return g.node('Where', name('scores.seen'), [seen, scores, g.constant(name('unseen'), [], Float32Array.of(-1e30))]);
}

/** The weights as an output `attention.weights`: a row per query, a column per state. */
export function addAttentionOutput(g: GraphBuilder, weights: string, perStep: boolean): void {
  g.node('Identity', 'attention.weights', [weights]);
  g.output('attention.weights', 'float32', ['batch', perStep ? 'time' : 1, 'time']);
}
