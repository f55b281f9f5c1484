import type { ForecastResult } from '../../../../engine/contracts';
import type { ChartSpec } from '../../charts/line-option';

export interface ForecastWords {
  forecast: string;
  actual: string;
  last: string;
  seasonal: string;
}

export interface ForecastColors {
  forecast: string;
  actual: string;
  baseline: string;
}

/** One target's window: what was read, what came, the file's forecast with its interval, and the naive ones; step 1 is the first predicted. */
export function forecastSpec(target: ForecastResult['targets'][number], words: ForecastWords, colors: ForecastColors): ChartSpec {
  const { lookback, predictions } = target;
  const known = lookback.map((value) => value ?? NaN);
  const before = known.map((_, k) => k - known.length + 1);
  const ahead = predictions.map((_, k) => k + 1);
  // Lines that begin at the last known value join what was read.
  const joined = (values: (number | null)[]): { x: number[]; y: number[] } => ({ x: [0, ...ahead], y: [known.at(-1) ?? NaN, ...values.map((value) => value ?? NaN)] });
  const lines: ChartSpec['lines'] = [
    { id: 'last', name: words.last, ...joined(predictions.map(({ last }) => last)), color: colors.baseline, look: 'other', endLabel: words.last },
    ...(predictions.some(({ seasonal }) => seasonal !== null)
      ? [{ id: 'seasonal', name: words.seasonal, ...joined(predictions.map(({ seasonal }) => seasonal)), color: colors.baseline, look: 'planned' as const, endLabel: words.seasonal }]
      : []),
    { id: 'actual', name: words.actual, x: [...before, ...ahead], y: [...known, ...predictions.map(({ actual }) => actual ?? NaN)], color: colors.actual, look: 'main', endLabel: words.actual },
    { id: 'forecast', name: words.forecast, ...joined(predictions.map(({ value }) => value)), color: colors.forecast, look: 'dotted', endLabel: words.forecast },
  ];
  const hasInterval = predictions.length > 0 && predictions.every(({ lower, upper }) => lower !== null && upper !== null);
  return {
    lines,
    x: { min: before[0] ?? 0, max: predictions.length },
    futureFrom: 0,
    ...(hasInterval && { bands: [{ x: ahead, lower: predictions.map(({ lower }) => lower!), upper: predictions.map(({ upper }) => upper!), color: colors.forecast }] }),
    ticks: { x: 6, y: 4 },
    margins: { left: 44, right: 76 },
  };
}
