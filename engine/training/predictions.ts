import type { NativeModel, SequenceData } from '../binding/types';
import type { PredictedSequence, SequenceRow } from '../contracts';

type Values = Extract<SequenceData['content'], { kind: 'values' }>;

/** What a model answers about sequences, in the targets' own units, beside the truth. Sequences of one length go through together. */
export async function predictSequences(model: NativeModel, content: Values, rows: readonly SequenceRow[]): Promise<PredictedSequence[]> {
  const byLength = new Map<number, SequenceRow[]>();
  for (const row of rows) byLength.set(row.length, [...(byLength.get(row.length) ?? []), row]);
  const predicted = new Map<number, number[]>();
  const { inputs, scaler, targets, targetScaler } = content;
  for (const [time, group] of byLength) {
    const batch = group.length;
    const series = new Float32Array(time * batch * inputs.length);
    group.forEach((row, b) => {
      for (let t = 0; t < time; t += 1) {
        inputs.forEach((column, i) => {
          series[(t * batch + b) * inputs.length + i] = ((row.values?.[t]?.[column] ?? 0) - (scaler.mean[i] ?? 0)) / (scaler.deviation[i] ?? 1);
        });
      }
    });
    const { output } = await model.forward({ time, batch, tokens: null, series, states: {} });
    group.forEach((row, b) => {
      predicted.set(
        row.number,
        targets.map((_, k) => (output[b * targets.length + k] ?? NaN) * (targetScaler.deviation[k] ?? 1) + (targetScaler.mean[k] ?? 0)),
      );
    });
  }
  return rows.map((row) => ({ number: row.number, length: row.length, prediction: predicted.get(row.number) ?? [], target: targets.map((column) => row.targets?.[column] ?? NaN) }));
}
