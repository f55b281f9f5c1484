import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slicesOf } from './slices';

describe('slices of truncated backpropagation', () => {
  it('follow each other without a gap and reach back over k2', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.option(fc.integer({ min: 1, max: 900 })), fc.integer({ min: 1, max: 12 }), (k1, k2, count) => {
        const slices = slicesOf({ sequenceLength: k1, backwardLength: k2 }, count);
        slices.forEach((slice, index) => {
          expect(slice.from).toBe(index === 0 ? 0 : slices[index - 1]!.to);
          expect(slice.to - slice.from).toBe(k1);
          expect(slice.to - slice.back).toBe(Math.min(slice.to, Math.max(k1, k2 ?? k1)));
        });
      }),
    );
  });
});
