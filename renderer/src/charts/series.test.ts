import { describe, expect, it } from 'vitest';
import { csvTable, linesToCsv } from './csv';
import { bucketMeans, extent, lowerBound, nearestIndex, pointsInView, smoothed, smoothedRatios, valueAt } from './series';
import { axisNumber, axisNumbers, linearTicks, logTicks } from './ticks';

describe('smoothed', () => {
  it('starts at the first value and keeps a constant', () => {
    expect([...smoothed([3, 3, 3], 0.9)].map((v) => Number(v.toFixed(9)))).toEqual([3, 3, 3]);
    expect(smoothed([5, 1], 0.5)[0]).toBe(5);
    expect(smoothed([5, 1], 0.5)[1]).toBeCloseTo((5 * 0.25 + 1 * 0.5) / 0.75);
  });

  it('leaves a gap at a value that is not finite and goes on after it', () => {
    const out = smoothed([1, NaN, 1], 0.5);
    expect(out[1]).toBeNaN();
    expect(out[2]).toBe(1);
  });
});

describe('smoothedRatios', () => {
  it('follows a fall over orders of magnitude that a mean would trail behind', () => {
    const falling = Array.from({ length: 200 }, (_, index) => Math.max(0.03, 1 * 0.9 ** index));
    const [mean, ratios] = [smoothed(falling, 0.98), smoothedRatios(falling, 0.98)].map((line) => line[120]!) as [number, number];
    expect(mean).toBeGreaterThan(0.045);
    expect(ratios).toBeLessThan(mean / 1.2);
    expect(ratios).toBeGreaterThan(0.03);
    expect([...smoothedRatios([2, 2], 0.5)].map((value) => Number(value.toFixed(9)))).toEqual([2, 2]);
    expect([...smoothedRatios([1, 0, 1], 0.5)]).toEqual([...smoothed([1, 0, 1], 0.5)]);
    expect(smoothedRatios([1, NaN, 1], 0.5)[1]).toBeNaN();
  });
});

describe('valueAt', () => {
  it('is the last finite value at or before a place', () => {
    const [x, y] = [[10, 20, 30], [3, NaN, 1]];
    expect([5, 10, 15, 20, 29, 30, 99].map((at) => valueAt(x, y, at))).toEqual([null, 3, 3, 3, 3, 1, 1]);
    expect(valueAt([], [], 1)).toBeNull();
  });
});

describe('bucketMeans', () => {
  it('keeps few points and averages many, without what is not finite', () => {
    expect(bucketMeans({ x: [1, 2, 3], y: [4, NaN, 2] }, 3, 10)).toEqual([[1, 4], [3, 2]]);
    expect(bucketMeans({ x: [1, 2, 3, 4, 5], y: [1, 3, 5, Infinity, 9] }, 5, 2)).toEqual([[2, 2], [4, 5], [5, 9]]);
    expect(bucketMeans({ x: [1, 2, 3], y: [1, 2, 3] }, 2, 10)).toEqual([[1, 1], [2, 2]]);
  });
});

describe('pointsInView', () => {
  const x = Float64Array.from({ length: 50_000 }, (_, i) => i);
  it('keeps a spike of one point among fifty thousand and stays near two points per pixel', () => {
    const y = Float64Array.from(x, () => 1);
    y[31_234] = 99;
    y[31_240] = -7;
    const points = pointsInView({ x, y }, 0, 49_999, 300);
    expect(points.length).toBeLessThanOrEqual(620);
    expect(points).toContainEqual([31_234, 99]);
    expect(points).toContainEqual([31_240, -7]);
    expect(points.every((point, index) => index === 0 || point[0] > points[index - 1]![0])).toBe(true);
  });

  it('keeps gaps and gives every point where they are few', () => {
    expect(pointsInView({ x: [1, 2, 3, 4], y: [1, NaN, 3, 4] }, 2, 3, 100)).toEqual([[1, 1], [2, NaN], [3, 3], [4, 4]]);
  });

  it('finds places by x', () => {
    expect(lowerBound([1, 3, 5], 3)).toBe(1);
    expect(nearestIndex([1, 3, 5], 3.9)).toBe(1);
    expect(nearestIndex([], 3)).toBe(-1);
    expect(extent({ x: [1, 2, 3], y: [5, NaN, -2] }, 2, 3)).toEqual([-2, -2]);
    expect(extent({ x: [1], y: [NaN] }, 0, 3)).toBeNull();
  });
});

describe('ticks', () => {
  it('are round and inside', () => {
    expect(linearTicks(0, 4800, 4)).toEqual([0, 1000, 2000, 3000, 4000]);
    expect(linearTicks(1.6, 3.6, 4)).toEqual([2, 2.5, 3, 3.5]);
    expect(logTicks(0.08, 2, 4)).toEqual([0.1, 0.3, 1]);
    expect(logTicks(1.6, 3.6, 4)).toEqual([2, 2.5, 3, 3.5]);
    // Even steps come closer upwards: those that would touch are left out.
    expect(logTicks(0.03, 0.2, 5)).toEqual([0.04, 0.06, 0.08, 0.12, 0.16]);
    expect(logTicks(1e-8, 10, 4).every((tick) => Number.isInteger(Math.log10(tick)))).toBe(true);
  });

  it('are written short, with a real minus sign', () => {
    expect([0, 1500, 150_000, 2e-3, -0.5, 3e6].map(axisNumber)).toEqual(['0', '1.5k', '150k', '2e−3', '−0.5', '3M']);
    expect(axisNumbers([2, 2.5, 3])).toEqual(['2.0', '2.5', '3.0']);
    expect(axisNumbers([0.1, 0.3, 1])).toEqual(['0.1', '0.3', '1']);
    expect(axisNumbers([0.05, 0.1, 0.2])).toEqual(['0.05', '0.10', '0.20']);
  });
});

describe('CSV', () => {
  it('joins lines by x and leaves missing values empty', () => {
    expect(linesToCsv('step', [{ name: 'train', x: [1, 2], y: [4, 3] }, { name: 'val, best', x: [2, 3], y: [2.5, NaN] }])).toBe(
      'step,train,"val, best"\n1,4,\n2,3,2.5\n3,,\n',
    );
  });
  it('quotes quotes and line breaks', () => {
    expect(csvTable(['character'], [['"'], ['\n']])).toBe('character\n""""\n"\n"\n');
  });
});
