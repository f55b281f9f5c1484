import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Split } from '../contracts';
import { defaultWindow } from './defaults';
import { calendarSeason, formatTime } from './frequency';
import { autocorrelation, columnStatistics, fillGaps, meanDeviation, overview, seasonFromValues } from './series';
import { splitRanges } from './split';
import { countWindows, windowRanges } from './windows';


describe('split', () => {
  it('is chronological, whole and without overlap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 1_000_000 }), fc.double({ min: 0.1, max: 0.8, noNaN: true }), fc.double({ min: 0.05, max: 0.1, noNaN: true }), (rows, train, validation) => {
        const { train: a, validation: b, test: c } = splitRanges({ shares: [train, validation, 1 - train - validation] }, rows);
        return a[0] === 0 && a[1] === b[0] && b[1] === c[0] && c[1] === rows && a[1] > 0 && b[1] > b[0] && c[1] > c[0];
      }),
    );
  });

  it('leaves the rest unused and says what does not fit', () => {
    expect(splitRanges({ rows: [8640, 2880, 2880] }, 17420)).toEqual({ train: [0, 8640], validation: [8640, 11520], test: [11520, 14400] });
    expect(splitRanges({ shares: [0.7, 0.1, 0.2] }, 100)).toEqual({ train: [0, 70], validation: [70, 80], test: [80, 100] });
    expect(() => splitRanges({ rows: [80, 20, 20] }, 100)).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID', where: 'split' }));
    expect(() => splitRanges({ shares: [0.7, 0.3, 0.2] }, 100)).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => splitRanges({ shares: [0.9, 0.05, 0.05] }, 4)).toThrowError(expect.objectContaining({ code: 'DATASET_TOO_SHORT' }));
  });
});

describe('windows', () => {
  const shape = fc.record({
    rows: fc.integer({ min: 12, max: 80 }),
    lookback: fc.integer({ min: 1, max: 12 }),
    horizon: fc.integer({ min: 1, max: 6 }),
    missing: fc.array(fc.nat(79), { maxLength: 5 }),
    filled: fc.array(fc.nat(79), { maxLength: 3 }),
    broken: fc.array(fc.integer({ min: 1, max: 79 }), { maxLength: 2 }),
  });

  it('are exactly those whose targets stay in their split and which touch no missing value', () => {
    fc.assert(
      fc.property(shape, ({ rows, lookback, horizon, missing, filled, broken }) => {
        const split = splitRanges({ shares: [0.6, 0.2, 0.15] }, rows);
        const mark = (list: number[]) => Uint8Array.from({ length: rows }, (_, row) => (list.includes(row) ? 1 : 0));
        const marks = { inputMissing: mark(missing), targetMissing: mark(missing.slice(0, 2)), filled: mark(filled), broken: mark(broken) };
        const ranges = windowRanges(rows, split, { lookback, horizon }, marks);
        for (const name of ['train', 'validation', 'test'] as const) {
          const expected: number[] = [];
          for (let start = 0; start + lookback + horizon <= rows; start += 1) {
            const targets = Array.from({ length: horizon }, (_, step) => start + lookback + step);
            const inputs = Array.from({ length: lookback }, (_, step) => start + step);
            const isInside = targets.every((row) => row >= split[name][0] && row < split[name][1]);
            const isClean = inputs.every((row) => !missing.includes(row)) && targets.every((row) => !missing.slice(0, 2).includes(row));
            const crosses = broken.some((row) => row < rows && row > start && row < start + lookback + horizon);
            if (isInside && isClean && !crosses && !filled.includes(start + lookback - 1)) expected.push(start);
          }
          const found = ranges[name].flatMap(([start, end]) => Array.from({ length: end - start }, (_, index) => start + index));
          expect(found).toEqual(expected);
        }
      }),
    );
  });

  it('counts as the common benchmark does', () => {
    const none = new Uint8Array(17420);
    const split: Split = { train: [0, 8640], validation: [8640, 11520], test: [11520, 14400] };
    const ranges = windowRanges(17420, split, { lookback: 96, horizon: 24 }, { inputMissing: none, targetMissing: none, filled: none, broken: none });
    expect(countWindows(ranges.train)).toBe(8521);
    expect(countWindows(ranges.validation)).toBe(2857);
    expect(ranges.test).toEqual([[11424, 14281]]);
  });
});

describe('missing values', () => {
  it('fills short gaps with a straight line and leaves long ones and the ends', () => {
    const values = Float64Array.from([NaN, 1, NaN, NaN, 4, NaN, NaN, NaN, 8, NaN]);
    expect(fillGaps(values, 'a', 2)).toEqual([
      { column: 'a', row: 0, count: 1, filled: false },
      { column: 'a', row: 2, count: 2, filled: true },
      { column: 'a', row: 5, count: 3, filled: false },
      { column: 'a', row: 9, count: 1, filled: false },
    ]);
    expect([...values]).toEqual([NaN, 1, 2, 3, 4, NaN, NaN, NaN, 8, NaN]);
  });
});

describe('statistics', () => {
  it('mean and deviation hold far from zero and without missing values', () => {
    const result = meanDeviation(Float64Array.from([1e9, NaN, 1e9 + 2, 1e9 + 4]), [0, 4]);
    expect(result?.mean).toBeCloseTo(1e9 + 2, 6);
    expect(result?.deviation).toBeCloseTo(Math.sqrt(8 / 3), 6);
    expect(meanDeviation([NaN, NaN], [0, 2])).toBeNull();
    expect(columnStatistics([5, 5, 5])?.histogram.reduce((a, b) => a + b)).toBe(3);
  });

  it('a scale fitted on training rows does not see the others', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 10, maxLength: 50 }), fc.double({ min: -1e9, max: 1e9, noNaN: true }), (values, later) => {
        const changed = values.map((value, row) => (row >= 7 ? later : value));
        expect(meanDeviation(changed, [0, 7])).toEqual(meanDeviation(values, [0, 7]));
      }),
    );
  });

  it('finds the season of a wave and none in a slope', () => {
    const wave = Array.from({ length: 300 }, (_, row) => Math.sin((2 * Math.PI * row) / 11) + 0.2 * Math.sin(row * 12.9898));
    expect(seasonFromValues(wave)).toBe(11);
    expect(seasonFromValues(Array.from({ length: 200 }, (_, row) => row))).toBe(1);
    expect(seasonFromValues([1, 1, 1])).toBe(1);
    expect(autocorrelation(wave, 11)[0]).toBeCloseTo(1, 9);
  });

  it('keeps the peaks of every bucket', () => {
    expect(overview([1, 5, NaN, NaN, 2], 2)).toEqual([1, 5, NaN, NaN, 2, 2]);
  });
});

describe('times', () => {
  it('writes a time as its frequency needs it', () => {
    const ms = Date.UTC(2016, 6, 1, 13, 5);
    expect(formatTime(ms, { unit: 'hour', count: 1 })).toBe('2016-07-01 13:05');
    expect(formatTime(ms, { unit: 'week', count: 1 })).toBe('2016-07-01');
    expect(formatTime(ms, { unit: 'month', count: 1 })).toBe('2016-07');
    expect(formatTime(Date.UTC(1871, 0), { unit: 'year', count: 1 })).toBe('1871');
    expect(formatTime(ms + 7500, null)).toBe('2016-07-01 13:05:07.500');
    expect(formatTime(Date.UTC(2016, 6, 1), null)).toBe('2016-07-01');
  });
});

describe('default window', () => {
  it('leaves windows in every part, down to short series', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 12, max: 3000 }),
        fc.constantFrom(null, ...(['minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const)),
        (rows, unit) => {
          const frequency = unit && { unit, count: 1 };
          const split = splitRanges({ shares: [0.7, 0.1, 0.2] }, rows);
          const parts = { train: split.train[1], validation: split.validation[1] - split.validation[0], test: split.test[1] - split.test[0] };
          const { lookback, horizon } = defaultWindow(frequency, frequency ? calendarSeason(frequency) : 1, parts);
          const none = new Uint8Array(rows);
          const ranges = windowRanges(rows, split, { lookback, horizon }, { inputMissing: none, targetMissing: none, filled: none, broken: none });
          return Object.values(ranges).every((list) => countWindows(list) > 0);
        },
      ),
    );
  });

  it('suits what ships', () => {
    expect(defaultWindow({ unit: 'year', count: 1 }, 1, { train: 70, validation: 10, test: 20 })).toEqual({ lookback: 17, horizon: 5 });
    expect(defaultWindow({ unit: 'hour', count: 1 }, 24, { train: 12194, validation: 1742, test: 3484 })).toEqual({ lookback: 96, horizon: 24 });
    expect(defaultWindow({ unit: 'month', count: 1 }, 12, { train: 100, validation: 15, test: 29 })).toEqual({ lookback: 24, horizon: 12 });
  });
});
