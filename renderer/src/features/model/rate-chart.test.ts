import { describe, expect, it } from 'vitest';
import { rateSpec, roundedRate } from './rate-chart';

const words = { loss: 'loss', smoothed: 'smoothed' };
const colors = { text: 'a', text3: 'b' };

describe('the curve of a learning-rate test', () => {
  it('lies over the logarithm of the rate and leaves out where the loss runs away', () => {
    const points = [
      { step: 1, rate: 1e-4, loss: 4, smoothed: 4 },
      { step: 2, rate: 1e-2, loss: 2, smoothed: 3 },
      { step: 3, rate: 1, loss: 900, smoothed: 50 },
    ];
    const spec = rateSpec(points, 1e-4, 1, words, colors);
    expect(spec.x).toEqual({ min: -4, max: 0 });
    expect([...(spec.lines[0]!.x as number[])]).toEqual([-4, -2, 0]);
    expect([...(spec.lines[1]!.y as number[])]).toEqual([4, 3, NaN]);
    expect(spec.formatX?.(-2)).toBe('1e-2');
  });
  it('rounds a rate to two digits', () => {
    expect([roundedRate(0.0038612), roundedRate(1.26e-5)]).toEqual([0.0039, 0.000013]);
  });
});
