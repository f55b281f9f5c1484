import type { SeriesData } from '../binding/types';
import { SluiceError, type MethodInput } from '../contracts';
import type { DatasetService } from '../ports';
import { findWindow, rawLookback, scaleInputs } from './forecasting';

/**
 * The scaled sequence `[T, inputs]` that a trace of a series reads, and where it is a window of the dataset also
 * what came after it, `[horizon × targets]` scaled with the last value taken off.
 */
export async function seriesToTrace(
  datasets: Pick<DatasetService, 'values' | 'readTable'>,
  dataset: string,
  names: string[],
  series: SeriesData,
  input: MethodInput<'runs.record'>['input'],
): Promise<{ time: number; series: Float32Array; target: Float32Array | null }> {
  if ('text' in input) throw new SluiceError({ code: 'INPUT_INVALID', message: 'a forecast traces a series: give a table with --input, or a window', where: 'text' });
  if ('file' in input) {
    const { data, rows } = await datasets.readTable(input.file, names);
    if (rows === 0) throw new SluiceError({ code: 'FILE_EMPTY', message: 'the table has no rows', where: input.file });
    const missing = data.findIndex(Number.isNaN);
    if (missing >= 0) {
      const column = names[missing % names.length] ?? '';
      throw new SluiceError({
        code: 'INPUT_INVALID',
        message: `row ${Math.floor(missing / names.length) + 2}, column ${column}: a value is missing; fill it in first`,
        where: `${input.file}, row ${Math.floor(missing / names.length) + 2}, column ${column}`,
      });
    }
    return { time: rows, series: scaleInputs(series, data).scaled, target: null };
  }
  const table = await datasets.values(dataset);
  const { start } = findWindow(series, table, { ...input, at: null });
  const raw = rawLookback(series, table, start);
  if (!raw) throw new SluiceError({ code: 'INTERNAL', message: 'a window of the dataset holds a missing value' });
  const { scaled, last } = scaleInputs(series, raw);
  const target = new Float32Array(series.horizon * series.targetCount);
  for (let index = 0; index < target.length; index += 1) {
    const column = index % series.targetCount;
    const row = start + series.lookback + Math.floor(index / series.targetCount);
    const value = table.data[row * series.columns + (series.inputs[column] ?? 0)] ?? NaN;
    target[index] = (value - (series.scaler.mean[column] ?? 0)) / (series.scaler.deviation[column] ?? 1) - (series.subtractLast ? (last[column] ?? 0) : 0);
  }
  return { time: series.lookback, series: scaled, target };
}
