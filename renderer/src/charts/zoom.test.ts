import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zoomAt, zoomTo } from './zoom';

describe('zoom', () => {
  it('keeps what lies under the pointer where it is', () => {
    const part = zoomAt([0, 100], null, 25, 0.5, 1)!;
    expect(part).toEqual([12.5, 62.5]);
    expect((25 - part[0]) / (part[1] - part[0])).toBeCloseTo(0.25);
    expect(zoomAt([0, 100], part, 25, 2, 1)).toBeNull();
  });

  it('stays inside the range, whatever is asked for', () => {
    const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(number, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), number, number, (first, width, low, high) => {
        const range = [first, first + width] as const;
        const part = zoomTo(range, low, high, width / 5000);
        if (part === null) return;
        expect(part[0]).toBeGreaterThanOrEqual(range[0]);
        expect(part[1]).toBeLessThanOrEqual(range[1] + width * 1e-9);
        expect(part[1] - part[0]).toBeGreaterThan(0);
      }),
    );
  });
});
