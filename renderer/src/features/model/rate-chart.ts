import type { RatePoint } from '../../../../engine/contracts';
import type { ChartSpec } from '../../charts/line-option';

export interface RateWords {
  loss: string;
  smoothed: string;
}

const powerOfTen = (exponent: number): string => (Number.isInteger(exponent) ? `1e${exponent}` : (10 ** exponent).toExponential(1));

/** Loss over the learning rate. The axis is the rate's logarithm, drawn as a linear one. */
export function rateSpec(points: readonly RatePoint[], from: number, to: number, words: RateWords, colors: { text: string; text3: string }): ChartSpec {
  const x = points.map(({ rate }) => Math.log10(rate));
  // Where the loss runs away it would flatten everything before it.
  const most = 1.5 * (points[0]?.smoothed ?? Infinity);
  const within = (value: number): number => (value > most ? NaN : value);
  return {
    lines: [
      { id: 'raw', name: words.loss, x, y: points.map(({ loss }) => within(loss)), color: colors.text3, look: 'raw' },
      { id: 'smoothed', name: words.smoothed, x, y: points.map(({ smoothed }) => within(smoothed)), color: colors.text, look: 'main' },
    ],
    x: { min: Math.log10(from), max: Math.log10(to) },
    formatX: powerOfTen,
    ticks: { x: 7, y: 5 },
    margins: { left: 40, right: 16 },
  };
}

/** Two significant digits: a rate is no exact science. */
export function roundedRate(rate: number): number {
  return Number(rate.toPrecision(2));
}
