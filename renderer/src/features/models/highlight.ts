export type Piece = { text: string; kind: 'plain' | 'keyword' | 'string' | 'comment' };

const keywords = {
  python: ['import', 'as', 'for', 'in', 'if', 'else', 'not', 'from'],
  javascript: ['import', 'from', 'const', 'let', 'for', 'of', 'if', 'else', 'continue', 'function', 'return', 'new', 'await', 'while'],
};

/** A program in pieces to be coloured: comments, strings and keywords; joined they are the program again. */
export function highlight(program: string, language: keyof typeof keywords): Piece[] {
  const comment = language === 'python' ? '#[^\\n]*' : '//[^\\n]*|/\\*[\\s\\S]*?\\*/';
  const pattern = new RegExp(`(${comment})|("(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*')|\\b(${keywords[language].join('|')})\\b`, 'g');
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of program.matchAll(pattern)) {
    if (match.index > end) pieces.push({ text: program.slice(end, match.index), kind: 'plain' });
    pieces.push({ text: match[0], kind: match[1] !== undefined ? 'comment' : match[2] !== undefined ? 'string' : 'keyword' });
    end = match.index + match[0].length;
  }
  if (end < program.length) pieces.push({ text: program.slice(end), kind: 'plain' });
  return pieces;
}
