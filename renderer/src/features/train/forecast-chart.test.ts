import { describe, expect, it } from 'vitest';
import type { ForecastResult } from '../../../../engine/contracts';
import { forecastSpec, windowErrors } from './forecast-chart';

const words = { truth: 'seen', model: 'forecast', last: 'last', seasonal: 'season' };
const colors = { text: '1', text3: '2', run: '3', last: '4', seasonal: '5' };
const result = (seasonal: number | null): ForecastResult => ({
  times: null,
  level: 0.8,
  windows: 9,
  window: 0,
  checkpoint: 100,
  targets: [
    {
      name: 'OT',
      lookback: [1, null, 3],
      predictions: [
        { value: 4, lower: 3, upper: 5, actual: 5, last: 3, seasonal },
        { value: 6, lower: 5, upper: 7, actual: null, last: 3, seasonal },
      ],
    },
  ],
});

describe('forecast of a window', () => {
  it('has the past left of zero, the interval, and both naive forecasts', () => {
    const spec = forecastSpec(result(2), 0, null, words, colors);
    expect(spec.lines.map((line) => line.id)).toEqual(['truth', 'seasonal', 'last', 'model']);
    expect(Array.from(spec.lines[0]!.x)).toEqual([-3, -2, -1, 0, 1]);
    expect(Array.from(spec.lines[0]!.y)).toEqual([1, NaN, 3, 5, NaN]);
    expect(Array.from(spec.lines[3]!.y)).toEqual([3, 4, 6]);
    expect(spec.bands![0]).toMatchObject({ lower: [3, 5], upper: [5, 7] });
  });

  it('shows live values without an interval that does not belong to them', () => {
    const spec = forecastSpec(result(null), 0, Float32Array.of(7, 8), words, colors);
    expect(spec.lines.map((line) => line.id)).toEqual(['truth', 'last', 'model']);
    expect(Array.from(spec.lines[2]!.y)).toEqual([3, 7, 8]);
    expect(spec.bands).toEqual([]);
  });

  it('measures errors only where the truth is known', () => {
    expect(windowErrors(result(2), 0, null)).toEqual({ model: 1, last: 2, seasonal: 3 });
    expect(windowErrors(result(null), 0, Float32Array.of(5.5, 0))).toEqual({ model: 0.5, last: 2, seasonal: null });
  });
});
