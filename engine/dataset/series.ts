import type { Gap, Range } from '../contracts';

/** Bars of a column's histogram. */
export const histogramBars = 24;

export interface ColumnStatistics {
  min: number;
  max: number;
  mean: number;
  deviation: number;
  histogram: number[];
}

/** Longest gap that is interpolated: 6 steps, or 1 % of a season where that is more. */
export function longestFilledGap(season: number): number {
  return Math.max(6, Math.floor(season / 100));
}

/**
 * Finds runs of missing values (NaN) and fills the short ones in place by a straight line between their
 * neighbours. A run at the very start or end has no second neighbour and stays missing.
 */
export function fillGaps(values: Float64Array, column: string, longest: number): Gap[] {
  const gaps: Gap[] = [];
  let row = 0;
  while (row < values.length) {
    if (!Number.isNaN(values[row])) {
      row += 1;
      continue;
    }
    const start = row;
    while (row < values.length && Number.isNaN(values[row])) row += 1;
    const count = row - start;
    const isFilled = count <= longest && start > 0 && row < values.length;
    if (isFilled) {
      const before = values[start - 1] as number;
      const after = values[row] as number;
      for (let step = 0; step < count; step += 1) values[start + step] = before + ((after - before) * (step + 1)) / (count + 1);
    }
    gaps.push({ column, row: start, count, filled: isFilled });
  }
  return gaps;
}

/** Mean and population deviation of the values in `range`, NaN left out; null where all are missing. */
export function meanDeviation(values: ArrayLike<number>, [start, end]: Range): { mean: number; deviation: number; min: number; max: number } | null {
  // Welford's update: one pass, no cancellation for series far from zero.
  let count = 0;
  let mean = 0;
  let squares = 0;
  let min = Infinity;
  let max = -Infinity;
  for (let row = start; row < end; row += 1) {
    const value = values[row] as number;
    if (Number.isNaN(value)) continue;
    count += 1;
    const delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return count === 0 ? null : { mean, deviation: Math.sqrt(squares / count), min, max };
}

/** Statistics over all rows; null where every value is missing. */
export function columnStatistics(values: ArrayLike<number>): ColumnStatistics | null {
  const summary = meanDeviation(values, [0, values.length]);
  if (!summary) return null;
  const { min, max } = summary;
  const histogram = new Array<number>(histogramBars).fill(0);
  const scale = max > min ? histogramBars / (max - min) : 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] as number;
    if (Number.isNaN(value)) continue;
    const bar = Math.min(histogramBars - 1, Math.floor((value - min) * scale));
    histogram[bar] = (histogram[bar] as number) + 1;
  }
  return { ...summary, histogram };
}

/**
 * Autocorrelation at lags 0 … `lags`, pairs with a missing value left out. Long series are read in their
 * last 20,000 rows: the shape of a season does not need more.
 */
export function autocorrelation(values: ArrayLike<number>, lags: number): number[] {
  const start = Math.max(0, values.length - 20_000);
  const summary = meanDeviation(values, [start, values.length]);
  const result: number[] = [];
  if (!summary || summary.deviation === 0) return result;
  const variance = summary.deviation ** 2;
  const last = Math.min(lags, values.length - start - 2);
  for (let lag = 0; lag <= last; lag += 1) {
    let sum = 0;
    let pairs = 0;
    for (let row = start; row + lag < values.length; row += 1) {
      const product = ((values[row] as number) - summary.mean) * ((values[row + lag] as number) - summary.mean);
      if (Number.isNaN(product)) continue;
      sum += product;
      pairs += 1;
    }
    // Divided by the full count, not the pairs left at this lag: long lags must not look better than they are.
    result.push(pairs === 0 ? 0 : (sum / (pairs + lag)) / variance);
  }
  return result;
}

/**
 * The season that the values themselves show, for series whose calendar knows none (yearly sunspots: 11):
 * the first clear hill of the autocorrelation, 1 where there is none.
 */
export function seasonFromValues(values: ArrayLike<number>): number {
  const correlation = autocorrelation(values, Math.min(400, Math.floor(values.length / 3)));
  // The hill must stand behind the first valley: small lags correlate for any smooth series.
  let lag = 1;
  while (lag < correlation.length && (correlation[lag] as number) > 0) lag += 1;
  let best = 0;
  for (; lag + 1 < correlation.length; lag += 1) {
    const here = correlation[lag] as number;
    const isHill = here > (correlation[lag - 1] as number) && here >= (correlation[lag + 1] as number);
    if (isHill && here > 0.3 && (best === 0 || here > 1.1 * (correlation[best] as number))) best = lag;
  }
  return best === 0 ? 1 : best;
}

/** `[min, max]` per bucket of `rowsPerBucket` rows, flat; NaN where a bucket holds no value. */
export function overview(values: ArrayLike<number>, rowsPerBucket: number): number[] {
  const result: number[] = [];
  for (let start = 0; start < values.length; start += rowsPerBucket) {
    const summary = meanDeviation(values, [start, Math.min(values.length, start + rowsPerBucket)]);
    result.push(summary?.min ?? NaN, summary?.max ?? NaN);
  }
  return result;
}
