import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutMiddle } from './cut-middle';

const measure = (text: string) => [...text].length;

it('keeps what fits, and cuts the middle of what does not', () => {
  expect(cutMiddle('lstm-1', 6, measure)).toBe('lstm-1');
  expect(cutMiddle('with-a-very-long-name-2', 14, measure)).toBe('with-a…-name-2');
});

it('fills the width as far as a letter does, and never more', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 9, maxLength: 60, unit: fc.constantFrom('a', 'B', '-', '가', '🌊') }), fc.integer({ min: 9, max: 60 }), (text, width) => {
      const shown = cutMiddle(text, width, measure);
      if (measure(text) <= width) expect(shown).toBe(text);
      else expect(measure(shown)).toBe(width);
      expect([...shown].slice(-7)).toEqual([...text].slice(-7));
    }),
  );
});
