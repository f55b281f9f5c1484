import { expect, it } from 'vitest';
import { latencyScale } from './latency-scale';

it('covers the values with whole decades', () => {
  const scale = latencyScale([0.11, 2.9]);
  expect(scale.ticks).toEqual([0.1, 0.5, 1, 5, 10]);
  expect([scale.at(0.1), scale.at(1), scale.at(10)]).toEqual([0, 0.5, 1]);
  expect(latencyScale([3, 3]).ticks).toEqual([1, 5, 10]);
});

it('keeps values off its ends', () => {
  for (const values of [[1, 1], [0.1, 10], [0.0995, 9.95]]) {
    const scale = latencyScale(values);
    for (const value of values) expect(scale.at(value) > 0 && scale.at(value) < 1).toBe(true);
  }
});
