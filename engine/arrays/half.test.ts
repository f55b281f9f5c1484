import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHalf, toHalf } from './half';

describe('half precision', () => {
  it('survives the way there and back for every bit pattern', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromHalf(bits);
      if (!Number.isNaN(value)) expect(toHalf(value)).toBe(bits);
    }
  });

  it('rounds to the nearest', () => {
    fc.assert(
      fc.property(fc.double({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const half = fromHalf(toHalf(value));
        const step = Math.max(2 ** -24, 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -14))) - 10));
        expect(Math.abs(half - value)).toBeLessThanOrEqual(step / 2);
      }),
    );
  });

  it('is what the standard says', () => {
    expect([0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555, 0x7c00, 0xfc00].map(fromHalf)).toEqual([0, -0, 1, -2, 65504, 2 ** -24, 0.333251953125, Infinity, -Infinity]);
    expect(fromHalf(0x7e00)).toBeNaN();
  });
});
