import type { ForecastResult } from '../../../../engine/contracts';
import type { ChartLine, ChartSpec } from '../../charts/line-option';

export interface ForecastWords {
  truth: string;
  model: string;
  last: string;
  seasonal: string;
}
export interface ForecastColors {
  text: string;
  text3: string;
  run: string;
  last: string;
  seasonal: string;
}

/**
 * One window of one target: what was seen, what the model says (with its interval), and two naive forecasts.
 * x counts steps from the forecast's first one; the lookback lies at negative x.
 * @param live newest values of the model while it trains, `[horizon, targets]`, in place of the checkpoint's
 */
export function forecastSpec(result: ForecastResult, target: number, live: Float32Array | null, words: ForecastWords, colors: ForecastColors): ChartSpec {
  const { lookback, predictions } = result.targets[target]!;
  const targets = result.targets.length;
  const horizon = predictions.length;
  const shownLookback = lookback.slice(-Math.max(horizon * 3, 12));
  const past = shownLookback.map((_, index) => index - shownLookback.length);
  const future = predictions.map((_, index) => index);
  const number = (value: number | null | undefined) => value ?? NaN;
  const lastSeen = number(shownLookback.at(-1));
  const model = live ? future.map((step) => number(live[step * targets + target])) : predictions.map((one) => one.value);
  const lines: ChartLine[] = [
    { id: 'truth', name: words.truth, x: [...past, ...future], y: [...shownLookback.map(number), ...predictions.map((one) => number(one.actual))], color: colors.text, look: 'main' },
    { id: 'last', name: words.last, x: [-1, ...future], y: [lastSeen, ...predictions.map((one) => one.last)], color: colors.last, look: 'other' },
    { id: 'model', name: words.model, x: [-1, ...future], y: [lastSeen, ...model], color: colors.run, look: 'main' },
  ];
  if (predictions.some((one) => one.seasonal !== null)) {
    lines.splice(1, 0, { id: 'seasonal', name: words.seasonal, x: future, y: predictions.map((one) => number(one.seasonal)), color: colors.seasonal, look: 'other' });
  }
  const hasInterval = !live && predictions.every((one) => one.lower !== null && one.upper !== null);
  return {
    lines,
    bands: hasInterval ? [{ x: future, lower: predictions.map((one) => one.lower!), upper: predictions.map((one) => one.upper!), color: colors.run }] : [],
    futureFrom: -0.5,
    ticks: { x: 3, y: 4 },
    margins: { left: 38, right: 8 },
  };
}

/** Mean absolute error of one window, over the steps whose truth is known: the model's and the naive ones'. */
export function windowErrors(result: ForecastResult, target: number, live: Float32Array | null): { model: number; last: number; seasonal: number | null } | null {
  const { predictions } = result.targets[target]!;
  const targets = result.targets.length;
  const known = predictions.map((one, step) => ({ ...one, value: live ? (live[step * targets + target] ?? NaN) : one.value })).filter((one) => one.actual !== null);
  if (known.length === 0) return null;
  const mean = (pick: (one: (typeof known)[number]) => number | null) => known.reduce((sum, one) => sum + Math.abs((pick(one) ?? NaN) - one.actual!), 0) / known.length;
  const seasonal = mean((one) => one.seasonal);
  return { model: mean((one) => one.value), last: mean((one) => one.last), seasonal: Number.isFinite(seasonal) ? seasonal : null };
}
