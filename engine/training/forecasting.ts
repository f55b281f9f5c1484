import type { NativeModel, SeriesData } from '../binding/types';
import { SluiceError, type ForecastResult, type SplitName } from '../contracts';
import { windowStart } from './probe';

/** Values `[rows, columns]` of a table with the time of each row. */
export interface TableValues {
  data: Float32Array;
  rows: number;
  times: (row: number) => string | null;
}

/** Share of outcomes that an interval is meant to hold. */
export const intervalLevel = 0.8;

/** Raw lookback `[lookback, inputs]` from row `start` on; null where a value is missing. */
export function rawLookback(series: SeriesData, table: TableValues, start: number): Float32Array | null {
  const width = series.inputs.length;
  const raw = new Float32Array(series.lookback * width);
  for (let t = 0; t < series.lookback; t += 1) {
    for (let d = 0; d < width; d += 1) {
      const value = table.data[(start + t) * series.columns + (series.inputs[d] ?? 0)];
      if (value === undefined || Number.isNaN(value)) return null;
      raw[t * width + d] = value;
    }
  }
  return raw;
}

/** Scales raw inputs `[T, inputs]` and takes off the last row where the task says so. `last` is that row, scaled. */
export function scaleInputs(series: SeriesData, raw: Float32Array): { scaled: Float32Array; last: Float32Array } {
  const width = series.inputs.length;
  const scaled = new Float32Array(raw.length);
  for (let index = 0; index < raw.length; index += 1) {
    const d = index % width;
    scaled[index] = ((raw[index] ?? 0) - (series.scaler.mean[d] ?? 0)) / (series.scaler.deviation[d] ?? 1);
  }
  const last = scaled.slice(scaled.length - width);
  if (series.subtractLast) for (let index = 0; index < scaled.length; index += 1) scaled[index] = (scaled[index] ?? 0) - (last[index % width] ?? 0);
  return { scaled, last };
}

/** Raw predictions `[horizon, targets]` for one window's raw lookback. */
export async function predict(model: NativeModel, series: SeriesData, raw: Float32Array): Promise<Float32Array> {
  const { scaled, last } = scaleInputs(series, raw);
  const { output } = await model.forward({ time: series.lookback, batch: 1, tokens: null, series: scaled, states: {} });
  return output.map((value, index) => {
    const target = index % series.targetCount;
    const standardized = value + (series.subtractLast ? (last[target] ?? 0) : 0);
    return standardized * (series.scaler.deviation[target] ?? 1) + (series.scaler.mean[target] ?? 0);
  });
}

/**
 * Which window a request means: its number in a split, the one after the table's end, or the one whose
 * lookback ends at a given time. `start` is the row of its first lookback step.
 */
export function findWindow(
  series: SeriesData,
  table: TableValues,
  request: { split: SplitName | 'end'; window: number; at: string | null },
): { start: number; window: number; windows: number } {
  if (request.at !== null) {
    const row = rowOfTime(table, request.at);
    const start = row - series.lookback + 1;
    if (start < 0) {
      throw new SluiceError({
        code: 'INPUT_INVALID',
        message: `${request.at} is row ${row + 1} of the table; a forecast reads ${series.lookback} rows up to it, so the earliest time is ${table.times(series.lookback - 1) ?? series.lookback}`,
        where: 'at',
      });
    }
    return { start, window: 0, windows: 1 };
  }
  if (request.split === 'end') return { start: series.rows - series.lookback, window: 0, windows: 1 };
  const windows = series.windows[request.split].reduce((sum, [from, to]) => sum + to - from, 0);
  const start = windowStart(series, request.split, request.window);
  if (start === null) {
    throw new SluiceError({
      code: 'INPUT_INVALID',
      message: `the ${request.split} part has ${windows} windows; window ${request.window} is not among them`,
      where: 'window',
      details: { windows },
    });
  }
  return { start, window: request.window, windows };
}

/** Row of a time as the table writes it, or of the last row not later than it. */
function rowOfTime(table: TableValues, at: string): number {
  const asked = Date.parse(at);
  let found = -1;
  for (let row = 0; row < table.rows; row += 1) {
    const time = table.times(row);
    if (time === null) break;
    if (time === at) return row;
    if (!Number.isNaN(asked) && Date.parse(time) <= asked) found = row;
  }
  if (found >= 0) return found;
  const first = table.times(0);
  throw new SluiceError({
    code: 'INPUT_INVALID',
    message:
      first === null
        ? 'the table has no time column; choose a window by --split and --window'
        : `${at} is not a time of this table, which runs from ${first} to ${table.times(table.rows - 1) ?? ''}`,
    where: 'at',
  });
}

/** A forecast beside what came and beside two naive ones: the last value, and the value a season before. */
export async function forecastWindow(
  model: NativeModel,
  series: SeriesData,
  table: TableValues,
  targetNames: readonly string[],
  place: { start: number; window: number; windows: number },
  quantiles: { lower: Float32Array; upper: Float32Array } | null,
  checkpoint: number,
): Promise<ForecastResult> {
  const { start } = place;
  const raw = rawLookback(series, table, start);
  if (!raw) {
    throw new SluiceError({
      code: 'INPUT_INVALID',
      message: `a value is missing in the ${series.lookback} rows that this forecast reads; choose another window`,
      where: 'window',
    });
  }
  const predictions = await predict(model, series, raw);
  const firstRow = start + series.lookback;
  const valueAt = (row: number, target: number): number | null => {
    if (row < 0 || row >= table.rows) return null;
    const value = table.data[row * series.columns + (series.inputs[target] ?? 0)];
    return value === undefined || Number.isNaN(value) ? null : value;
  };
  const times = Array.from({ length: series.lookback + series.horizon }, (_, step) => table.times(start + step));
  const hasTimes = times.some((time) => time !== null);
  return {
    times: hasTimes ? times.map((time) => time ?? '') : null,
    targets: targetNames.map((name, target) => ({
      name,
      lookback: Array.from({ length: series.lookback }, (_, step) => valueAt(start + step, target)),
      predictions: Array.from({ length: series.horizon }, (_, step) => {
        const value = predictions[step * series.targetCount + target] ?? NaN;
        const deviation = series.scaler.deviation[target] ?? 1;
        const bound = (values: Float32Array | undefined): number | null =>
          values === undefined ? null : value + (values[step * series.targetCount + target] ?? 0) * deviation;
        // The latest whole season before the forecast begins: nothing of the horizon itself is known.
        const seasonsBack = Math.ceil((step + 1) / series.season);
        return {
          value,
          lower: bound(quantiles?.lower),
          upper: bound(quantiles?.upper),
          actual: valueAt(firstRow + step, target),
          last: valueAt(firstRow - 1, target) ?? NaN,
          seasonal: series.season > 1 ? valueAt(firstRow + step - seasonsBack * series.season, target) : null,
        };
      }),
    })),
    level: quantiles ? intervalLevel : null,
    windows: place.windows,
    window: place.window,
    checkpoint,
  };
}
