import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setLanguage } from '../../locales';
import { cellText, decimalsFor } from './column-format';
import { frequencyText, stepsText } from './frequency-text';
import { endsOf, movePost, rowsOf, setRows, snap } from './split-posts';
import { blockCharacters, blockRequest, cutBlock } from './text-blocks';
import { windowProblem } from './window-problem';

describe('split posts', () => {
  const ends = endsOf({ train: [0, 70], validation: [70, 80], test: [80, 100] });
  it('stay in order and inside the data, wherever they are dragged', () => {
    fc.assert(
      fc.property(fc.constantFrom('train', 'validation', 'test'), fc.integer({ min: -50, max: 300 }), (post, row) => {
        const moved = movePost(ends, post as 'train', row, 120);
        return rowsOf(moved).every((rows) => rows >= 1) && moved.test <= 120;
      }),
    );
    expect(movePost(ends, 'train', 75, 100)).toEqual({ train: 75, validation: 80, test: 100 });
    expect(movePost(ends, 'train', 95, 100)).toEqual({ train: 78, validation: 80, test: 100 });
  });

  it('take row counts from fields', () => {
    expect(setRows(ends, 'train', 60, 100)).toEqual({ train: 60, validation: 70, test: 90 });
    fc.assert(
      fc.property(fc.constantFrom('train', 'validation', 'test'), fc.integer({ min: 0, max: 500 }), (part, rows) => {
        const next = setRows(ends, part as 'train', rows, 100);
        return rowsOf(next).every((count) => count >= 1) && next.test <= 100;
      }),
    );
  });

  it('snap to whole seasons', () => {
    expect(snap(8645, 24)).toBe(8640);
    expect(snap(13.4, 1)).toBe(13);
  });
});

describe('words for time', () => {
  it('say a stretch in the largest whole unit', () => {
    expect(stepsText(96, 'hour')).toBe('4 days');
    expect(stepsText(36, '15 minutes')).toBe('9 h');
    expect(stepsText(17, 'year')).toBe('17 years');
    expect(stepsText(25, 'month')).toBe('25 months');
    expect(stepsText(17, null)).toBe('17 steps');
    expect(frequencyText('15 minutes')).toBe('15 min');
    expect(frequencyText(null)).toBeNull();
    setLanguage('ko');
    expect(stepsText(336, 'hour')).toBe('14일');
    expect(frequencyText('business day')).toBe('영업일');
    setLanguage('en');
  });
});

describe('cells', () => {
  it('of one column have the same decimals', () => {
    expect(decimalsFor([1, 2, null])).toBe(0);
    expect(decimalsFor([5.827000141143799, 2.5])).toBe(3);
    expect(decimalsFor([112_000.5])).toBe(0);
    expect(cellText(-0.067, 3)).toBe('−0.067');
    expect(cellText(null, 3)).toBe('');
    expect(cellText('2016-07-01', 3)).toBe('2016-07-01');
  });
});

describe('text blocks', () => {
  it('put together give the whole text, whatever its lines', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(900), fc.constantFrom('a', '가', '😀')), { minLength: 1, maxLength: 40 }), (lines) => {
        const text = lines.map(([length, character]) => character.repeat(length)).join('\n');
        const characters = [...text];
        let joined = '';
        for (let index = 0; index * blockCharacters < characters.length; index += 1) {
          const { offset, limit } = blockRequest(index, characters.length);
          const block = cutBlock(characters.slice(offset, offset + limit).join(''), index, characters.length);
          expect(block.offset).toBe([...joined].length);
          joined += block.text;
        }
        expect(joined).toBe(text);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a window that does not fit', () => {
  it('is answered with a value that works', () => {
    const error = { code: 'DATASET_TOO_SHORT', message: '', details: { part: 'validation', rows: 10, largestHorizon: 7, largestLookback: null } } as const;
    expect(windowProblem(error)).toBe('The validation part has 10 rows. A horizon of at most 7 works.');
    setLanguage('ko');
    expect(windowProblem(error)).toContain('7 이하');
    setLanguage('en');
  });
});
