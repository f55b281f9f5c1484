import { expect, it } from 'vitest';
import { forecastSpec } from './forecast-chart';

const words = { forecast: 'forecast', actual: 'actual', last: 'last', seasonal: 'seasonal' };
const colors = { forecast: 'a', actual: 'b', baseline: 'c' };
const prediction = { value: 5, lower: 4, upper: 6, actual: 5.5, last: 3, seasonal: null };

it('joins the forecast and the naive ones to the last known value', () => {
  const spec = forecastSpec({ name: 'flow', lookback: [1, null, 3], predictions: [prediction, { ...prediction, value: 6 }] }, words, colors);
  const line = (id: string) => spec.lines.find((one) => one.id === id)!;
  expect([line('actual').x, line('actual').y]).toEqual([[-2, -1, 0, 1, 2], [1, NaN, 3, 5.5, 5.5]]);
  expect([line('forecast').x, line('forecast').y]).toEqual([[0, 1, 2], [3, 5, 6]]);
  expect(line('last').y).toEqual([3, 3, 3]);
  expect(spec.lines.map(({ id }) => id)).toEqual(['last', 'actual', 'forecast']);
  expect(spec.bands).toEqual([{ x: [1, 2], lower: [4, 4], upper: [6, 6], color: 'a' }]);
  expect(spec.x).toEqual({ min: -2, max: 2 });
});

it('draws the last season where there is one and no interval where a bound is missing', () => {
  const spec = forecastSpec({ name: 'flow', lookback: [1], predictions: [{ ...prediction, seasonal: 2, upper: null }] }, words, colors);
  expect(spec.lines.map(({ id }) => id)).toContain('seasonal');
  expect(spec.bands).toBeUndefined();
});
