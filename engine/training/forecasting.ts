import type { NativeModel, SeriesData } from '../binding/types';
import { SluiceError, type ForecastResult, type SplitName } from '../contracts';
import { windowStart } from './probe';

/** Values `[rows, columns]` of a table with what is known of the time of each row. */
export interface TableValues {
  data: Float32Array;
  rows: number;
  /** Rows before which time jumps; in order. */
  breaks: readonly number[];
  /** Milliseconds since 1970 as the table writes them; null without a time column or beyond the table. */
  instant: (row: number) => number | null;
  /** Time `steps` after a row: that of a row of the table, or what follows by the frequency where `steps` is given. */
  times: (row: number, steps?: number) => string | null;
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

/** The first row between `start` and `end`, neither of them, before which time jumps; null = none. */
function breakWithin(table: TableValues, start: number, end: number): number | null {
  return table.breaks.find((row) => row > start && row < end) ?? null;
}

/** A row as its user finds it: its time, else its number. */
function placeOf(table: TableValues, row: number): string {
  return table.times(row) ?? `row ${row + 1}`;
}

/** What a forecast reads, `[lookback, inputs]` from row `start` on. Throws INPUT_INVALID where a value is missing or time jumps. */
function checkedLookback(series: SeriesData, table: TableValues, start: number, where: string): Float32Array {
  const end = start + series.lookback;
  const refused = (reason: string) => new SluiceError({ code: 'INPUT_INVALID', message: `the ${series.lookback} rows that this forecast reads ${reason}`, where });
  if (start < 0 || end > table.rows) throw refused(`are more than the table has (${table.rows})`);
  const jump = breakWithin(table, start, end);
  if (jump !== null) {
    const next = table.breaks.find((row) => row > jump) ?? table.rows;
    const first = jump + series.lookback - 1;
    const advice = first < next ? `the earliest time after it is ${placeOf(table, first)}` : 'choose a time before it';
    throw refused(`reach across a jump in time, from ${placeOf(table, jump - 1)} to ${placeOf(table, jump)}; ${advice}`);
  }
  const raw = rawLookback(series, table, start);
  if (raw) return raw;
  const row = Array.from({ length: series.lookback }, (_, step) => start + step).find((at) => series.inputs.some((column) => Number.isNaN(table.data[at * series.columns + column])));
  throw refused(`hold a missing value at ${placeOf(table, row ?? start)}; choose another ${where === 'at' ? 'time' : 'window'}`);
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
): { start: number; window: number; windows: number; where: string } {
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
    return { start, window: 0, windows: 1, where: 'at' };
  }
  if (request.split === 'end') return { start: series.rows - series.lookback, window: 0, windows: 1, where: 'split' };
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
  return { start, window: request.window, windows, where: 'window' };
}

/** Milliseconds since 1970 of a time as tables are shown, `1949`, `1949-01`, `2016-07-01`, `2016-07-01 13:00:00`; null = none of these. */
function instantOf(text: string): number | null {
  const match = /^(\d{1,6})(?:-(\d\d?)(?:-(\d\d?)(?:[T ](\d\d?):(\d\d)(?::(\d\d(?:\.\d+)?))?Z?)?)?)?$/.exec(text.trim());
  if (!match) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, 0, Math.round(second * 1000)));
  // Date.UTC itself would take a year below 100 for one of the twentieth century.
  date.setUTCFullYear(year);
  // 30 February and 25 o'clock would roll over into another time.
  return date.getUTCDate() === day && date.getUTCHours() === hour && date.getUTCMinutes() === minute ? date.getTime() : null;
}

/** Row of a time: as the table is shown, or any writing of the same moment. Nothing between two rows is taken for one of them. */
function rowOfTime(table: TableValues, at: string): number {
  const first = table.times(0);
  const refused = (message: string) => new SluiceError({ code: 'INPUT_INVALID', message, where: 'at' });
  if (first === null) throw refused('the table has no time column; choose a window by --split and --window');
  const asked = instantOf(at);
  let before = -1;
  for (let row = 0; row < table.rows; row += 1) {
    const instant = table.instant(row);
    if (table.times(row) === at || (asked !== null && instant === asked)) return row;
    if (asked !== null && instant !== null && instant < asked) before = row;
  }
  const span = `which runs from ${first} to ${placeOf(table, table.rows - 1)}`;
  if (asked === null) throw refused(`${at} is not a time of this table, ${span}; write it as ${first}`);
  if (before < 0 || before === table.rows - 1) throw refused(`${at} is not a time of this table, ${span}`);
  throw refused(`${at} is not a time of this table; the nearest are ${placeOf(table, before)} and ${placeOf(table, before + 1)}`);
}

/**
 * The steps of a horizon from row `firstRow` on: their times, and which row of the table holds what came. Where time
 * jumps, the times go on by the frequency, and most of them have no row.
 */
function horizonRows(series: SeriesData, table: TableValues, firstRow: number): { time: string | null; row: number | null }[] {
  const jump = breakWithin(table, firstRow - 1, firstRow + series.horizon);
  return Array.from({ length: series.horizon }, (_, step) => {
    const row = firstRow + step;
    if (jump === null || row < jump) {
      const isRow = row < table.rows;
      return { time: isRow ? table.times(row) : table.times(table.rows - 1, row - table.rows + 1), row: isRow ? row : null };
    }
    const time = table.times(jump - 1, row - jump + 1);
    const end = Math.min(table.rows, jump + series.horizon);
    const found = Array.from({ length: end - jump }, (_, index) => jump + index).find((candidate) => time !== null && table.times(candidate) === time);
    return { time, row: found ?? null };
  });
}

/** A forecast beside what came and beside two naive ones: the last value, and the value a season before. `place.where` is the field that chose it. */
export async function forecastWindow(
  model: NativeModel,
  series: SeriesData,
  table: TableValues,
  targetNames: readonly string[],
  place: { start: number; window: number; windows: number; where: string },
  quantiles: { lower: Float32Array; upper: Float32Array } | null,
  checkpoint: number,
): Promise<ForecastResult> {
  const { start } = place;
  const raw = checkedLookback(series, table, start, place.where);
  const predictions = await predict(model, series, raw);
  const firstRow = start + series.lookback;
  const valueAt = (row: number | null, target: number): number | null => {
    if (row === null || row < 0 || row >= table.rows) return null;
    const value = table.data[row * series.columns + (series.inputs[target] ?? 0)];
    return value === undefined || Number.isNaN(value) ? null : value;
  };
  const ahead = horizonRows(series, table, firstRow);
  const times = [...Array.from({ length: series.lookback }, (_, step) => table.times(start + step)), ...ahead.map(({ time }) => time)];
  // Rows count as steps back to the last jump only.
  const seasonalAt = (row: number, target: number): number | null => (series.season > 1 && breakWithin(table, row, firstRow) === null ? valueAt(row, target) : null);
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
          actual: valueAt(ahead[step]?.row ?? null, target),
          last: valueAt(firstRow - 1, target) ?? NaN,
          seasonal: seasonalAt(firstRow + step - seasonsBack * series.season, target),
        };
      }),
    })),
    level: quantiles ? intervalLevel : null,
    windows: place.windows,
    window: place.window,
    checkpoint,
  };
}
