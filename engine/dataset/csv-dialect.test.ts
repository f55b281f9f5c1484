import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnNames, detectDialect, guessDelimiter, looksLikeTable, splitRecords } from './csv-dialect';
import { nearest } from './nearest';

describe('dialect of a table', () => {
  it('gives back the cells that were written, whatever they hold', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '1', ',', ';', '"', ' ', '가', '\n') });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), fc.constantFrom(',', ';', '\t'), (rows, delimiter) => {
        const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const text = rows.map((row) => row.map(quoted).join(delimiter)).join('\n');
        expect(splitRecords(text, delimiter, true)).toEqual(rows);
      }),
    );
  });

  it('finds the delimiter that cuts evenly', () => {
    expect(guessDelimiter('a;b\n1,5;2\n2,5;3\n', true)?.delimiter).toBe(';');
    expect(guessDelimiter('date;x\n2020-01-01;0,5\n2020-01-02;0,75\n', true)).toMatchObject({ delimiter: ';', columns: 2 });
    expect(guessDelimiter(`date;x\n${'2020-01-01;0,5\n'.repeat(150)}`, true)?.delimiter).toBe(';');
    expect(guessDelimiter('1,5;2,5\n2,5;-1.003,25\n', true)?.delimiter).toBe(';');
    expect(guessDelimiter('a,b\nx;1,2\ny;2,3\n', true)?.delimiter).toBe(',');
    expect(guessDelimiter('a,"x;y",c\n1,2,3\n', true)?.delimiter).toBe(',');
    expect(guessDelimiter('one column\n1\n2\n', true)).toBeNull();
    expect(detectDialect('1,2\n3,4\n', true, 'x.csv', null)).toEqual({ delimiter: ',', hasHeader: false, names: ['column 1', 'column 2'] });
    expect(detectDialect('date,1st\n2024-01-01,4\n', true, 'x.csv', null)).toMatchObject({ hasHeader: true, names: ['date', '1st'] });
    expect(columnNames(['a', '', 'a'])).toEqual(['a', 'column 2', 'a 2']);
  });

  it('takes prose for prose', () => {
    expect(looksLikeTable('To be, or not to be,\nthat is the question:\nWhether it is nobler, in the mind,\n', true)).toBe(false);
    expect(looksLikeTable('day\tx\n1\t2\n2\t3\n3\t4\n', true)).toBe(true);
  });

  it('suggests a name that is meant', () => {
    expect(nearest('vol', ['year', 'volume'])).toBe('volume');
    expect(nearest('OTT', ['HUFL', 'OT'])).toBe('OT');
    expect(nearest('price', ['x', 'y'])).toBeNull();
  });
});
