import type { SequenceData } from '../binding/types';
import type { RunConfig } from '../contracts';
import type { RuntimeTensor } from '../inference';
import type { GraphBuilder } from './graph';
import type { ExportModel } from './weights';

/** Values as a file takes or gives them: names and how they are scaled. */
export interface ScaledColumns {
  columns: string[];
  scaler: { mean: number[]; deviation: number[] };
}

/**
 * What stands at the two ends of a model of sequences. All sequences of one call have the same length: the graph has
 * no mask, so sequences of other lengths go through by themselves.
 */
export type SequenceBorder =
  /** `series` `[batch, time, inputs]` raw → `prediction` `[batch, targets]` raw. */
  | { kind: 'values'; inputs: ScaledColumns; targets: ScaledColumns }
  /** `series` `[batch, time, entries]` of 0 and 1 → `logits` and `probabilities` of the next vector, same shape. */
  | { kind: 'bits'; entries: number }
  /** `tokens` int64 `[batch, time]` → `logits` `[batch, time, labels]`. */
  | { kind: 'labels'; symbols: string[]; labels: string[] };

export function borderOf({ task }: Pick<RunConfig, 'task'>, { content }: SequenceData, names: { symbols: string[]; labels: string[] }): SequenceBorder {
  if (content.kind === 'bits') return { kind: 'bits', entries: content.columns };
  if (content.kind === 'labels') return { kind: 'labels', symbols: names.symbols, labels: names.labels };
  const columns = task.kind === 'regress' ? task : { inputs: [], targets: [] };
  return { kind: 'values', inputs: { columns: columns.inputs, scaler: content.scaler }, targets: { columns: columns.targets, scaler: content.targetScaler } };
}

/** Metadata beside the task: what the numbers mean. */
export function borderMetadata(border: SequenceBorder): Record<string, string> {
  if (border.kind === 'bits') return {};
  if (border.kind === 'labels') return { 'sluice.vocabulary': JSON.stringify(border.symbols), 'sluice.labels': JSON.stringify(border.labels) };
  return { 'sluice.scaler': JSON.stringify({ columns: border.inputs.columns, ...border.inputs.scaler }), 'sluice.target_scaler': JSON.stringify({ columns: border.targets.columns, ...border.targets.scaler }) };
}

/** Vectors as they are, `[time, batch, entries]`. */
export function addVectors(g: GraphBuilder, entries: number): string {
  const series = g.input('series', 'float32', ['batch', 'time', entries]);
  return g.node('Transpose', 'series.time_first', [series], { perm: [1, 0, 2] });
}

/** The chance of a 1 in each place of the next vector. */
export function addProbabilities(g: GraphBuilder, entries: number): void {
  g.node('Sigmoid', 'probabilities', ['logits']);
  g.output('probabilities', 'float32', ['batch', 'time', entries]);
}

/** The head on the last step (`hidden` as `[batch, width]`), back in the targets' own units. */
export function addPrediction(g: GraphBuilder, model: ExportModel, { columns, scaler }: ScaledColumns, hidden: string): void {
  const weight = model.tensors['head.weight'];
  const bias = model.tensors['head.bias'];
  if (!weight || !bias) throw new RangeError('the weights have no head');
  const head = g.node('Gemm', 'head', [hidden, g.constant('head.weight', weight.shape, weight.data), g.constant('head.bias', bias.shape, bias.data)], { transB: 1 });
  const exact = g.node('Cast', 'prediction.exact', [head], { to: 11 });
  const spread = g.node('Mul', 'prediction.spread', [exact, g.constant('target_scaler.deviation', [columns.length], Float64Array.from(scaler.deviation))]);
  const raw = g.node('Add', 'prediction.raw', [spread, g.constant('target_scaler.mean', [columns.length], Float64Array.from(scaler.mean))]);
  g.node('Cast', 'prediction', [raw], { to: 1 });
  g.output('prediction', 'float32', ['batch', columns.length]);
}

/** Vectors of 0 and 1 for a comparison: `[time, batch, entries]` for the engine, batch first for the file. */
export function drawVectors(entries: number, batch: number, time: number, draw: () => number): { series: Float32Array; feed: RuntimeTensor } {
  const data = Float32Array.from({ length: batch * time * entries }, () => (draw() < 0.1 ? 1 : 0));
  const series = new Float32Array(data.length);
  for (let b = 0; b < batch; b += 1) for (let t = 0; t < time; t += 1) series.set(data.subarray((b * time + t) * entries, (b * time + t + 1) * entries), (t * batch + b) * entries);
  return { series, feed: { type: 'float32', shape: [batch, time, entries], data } };
}
