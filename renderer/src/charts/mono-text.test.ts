import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fittingText, monoWidth } from './mono-text';

describe('text in the monospaced face', () => {
  it('fits its room, a Korean letter as wide as it is drawn', () => {
    expect(fittingText('thee', 30, 9)).toBe('thee');
    expect(fittingText('대한민국', 30, 9)).toBe('대한…');
    expect(fittingText('대한민국', 36, 9)).toBe('대한민국');
    expect(fittingText('대한', 12, 9)).toBe('');
  });

  it('is a beginning of the text, and the whole where that fits', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', ' ', '글'), { maxLength: 60 }), fc.double({ min: 0, max: 300, noNaN: true }), fc.constantFrom(9, 10, 12), (letters, room, size) => {
        const text = fittingText(letters, room, size);
        expect(monoWidth(text, size)).toBeLessThanOrEqual(room + 1e-9);
        expect(letters.join('').startsWith(text.replace('…', ''))).toBe(true);
        if (monoWidth(letters, size) <= room) expect(text).toBe(letters.join(''));
      }),
    );
  });
});
