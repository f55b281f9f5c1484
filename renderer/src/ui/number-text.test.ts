import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { nudge, numberText, parseNumber } from './number-text';

describe('numbers as typed', () => {
  it('are read with separators and signs of people', () => {
    expect(parseNumber(' 17,420 ')).toBe(17420);
    expect(parseNumber('−0.5')).toBe(-0.5);
    expect(parseNumber('1e-3')).toBe(0.001);
    expect(parseNumber('.25')).toBe(0.25);
    expect(parseNumber('1,5')).toBeNull();
    expect(parseNumber('')).toBeNull();
    expect(parseNumber('0x10')).toBeNull();
    expect(parseNumber('12 px')).toBeNull();
  });

  it('come back from their own text', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(parseNumber(numberText(value))).toBe(value === 0 ? 0 : value);
      }),
    );
  });

  it('move by ones or by factors and stay inside their limits', () => {
    expect(nudge(0.1, 1, { step: 0.05 })).toBe(0.15);
    expect(nudge(128, -200, { integer: true, min: 1 })).toBe(1);
    expect(nudge(0.001, 20, { scale: 'log' })).toBe(0.01);
    expect(nudge(0.3, 3, { step: 0.1, max: 0.5 })).toBe(0.5);
  });
});
