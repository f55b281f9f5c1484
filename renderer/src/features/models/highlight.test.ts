import { expect, it } from 'vitest';
import { highlight } from './highlight';

it('colours comments, strings and keywords and loses nothing', () => {
  const python = 'import json  # for reading\nfor a in "in # x":\n    pass\n';
  const pieces = highlight(python, 'python');
  expect(pieces.map(({ text }) => text).join('')).toBe(python);
  expect(pieces.filter(({ kind }) => kind !== 'plain')).toEqual([
    { text: 'import', kind: 'keyword' },
    { text: '# for reading', kind: 'comment' },
    { text: 'for', kind: 'keyword' },
    { text: 'in', kind: 'keyword' },
    { text: '"in # x"', kind: 'string' },
  ]);
  const javascript = "const a = 'it\\'s'; // let\n/** new */ formula";
  expect(highlight(javascript, 'javascript').filter(({ kind }) => kind !== 'plain')).toEqual([
    { text: 'const', kind: 'keyword' },
    { text: "'it\\'s'", kind: 'string' },
    { text: '// let', kind: 'comment' },
    { text: '/** new */', kind: 'comment' },
  ]);
});
