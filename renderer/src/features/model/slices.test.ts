import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fittingText, slicesOf } from './slices';

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

describe('the text of a slice', () => {
  it('fits its room, a Korean letter as wide as it is drawn', () => {
    expect(fittingText([...'thee'], 30)).toBe('thee');
    expect(fittingText([...'대한민국'], 30)).toBe('대한…');
    expect(fittingText([...'대한민국'], 36)).toBe('대한민국');
    expect(fittingText([...'대한'], 12)).toBe('');
    const width = (text: string) => [...text].reduce((sum, letter) => sum + (/[가-힣…]/.test(letter) ? 9 : 5.4), 0);
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', ' ', '글'), { maxLength: 60 }), fc.double({ min: 0, max: 300, noNaN: true }), (letters, room) => {
        const text = fittingText(letters, room);
        expect(width(text)).toBeLessThanOrEqual(room + 1e-9);
        expect(letters.join('').startsWith(text.replace('…', ''))).toBe(true);
      }),
    );
  });
});
