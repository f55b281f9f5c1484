import { describe, expect, it } from 'vitest';
import { orderByIndex, orderByLikeness, orderByResponse } from './order';

/** `[time, units]` from one function per unit. */
function trace(time: number, units: ((t: number) => number)[]): Float32Array {
  const values = new Float32Array(time * units.length);
  for (let t = 0; t < time; t++) units.forEach((f, unit) => (values[t * units.length + unit] = f(t)));
  return values;
}

describe('orderByLikeness', () => {
  it('puts units that behave alike beside each other', () => {
    const high = (t: number) => 0.9 + 0.01 * Math.sin(t);
    const low = (t: number) => -0.9 + 0.01 * Math.cos(t);
    const order = orderByLikeness(trace(40, [high, low, high, low, high, low]), 40, 6);
    expect([...order].map((unit) => unit % 2)).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('gives an odd unit a place beside the one it is most like, not one at the end', () => {
    // Three groups; the greedy chain starts in the first and would leave the straggler of it for the end.
    const level = (value: number) => () => value;
    const values = [0.9, -0.9, 0.88, 0.1, -0.88, 0.12, 0.86, 0.5, -0.5];
    const order = [...orderByLikeness(trace(8, values.map(level)), 8, values.length)].map((unit) => values[unit]!);
    const jumps = order.slice(1).reduce((sum, value, index) => sum + Math.abs(value - order[index]!), 0);
    expect(jumps).toBeCloseTo(1.8);
  });

  it('is a permutation for any size, also with non-finite values', () => {
    for (const units of [0, 1, 2, 7, 300, 1100]) {
      const values = Float32Array.from({ length: units * 30 }, (_, i) => (i % 97 === 0 ? NaN : Math.sin(i * 12.9898) * 3));
      expect([...orderByLikeness(values, 30, units)].sort((a, b) => a - b)).toEqual([...orderByIndex(units)]);
    }
  });
});

describe('orderByResponse', () => {
  it('puts the unit that moves most first and keeps equal ones by index', () => {
    const order = orderByResponse(trace(10, [() => 0.5, (t) => t / 10, (t) => (t % 2) * 2, () => 0.5]), 10, 4);
    expect([...order]).toEqual([2, 1, 0, 3]);
  });
});
