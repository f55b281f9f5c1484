/** Widths in the monospaced face, told without measuring: whatever is drawn many times a second, or without a canvas, needs them. */

/** True for characters that fill two cells of a monospaced face (Hangul, kana, ideographs, full-width forms). */
export function isWide(text: string): boolean {
  return /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uff60]/.test(text);
}

/** Width in px of one character at a font size; wide ones come from another face, which is as wide as it is high. */
function advance(letter: string, size: number): number {
  return isWide(letter) || letter === '…' ? size : 0.6 * size;
}

export function monoWidth(text: Iterable<string>, size: number): number {
  let width = 0;
  for (const letter of text) width += advance(letter, size);
  return width;
}

/** As much of a text, from its first letter, as fits into `room` px; where it is cut, an ellipsis with at least one letter before it, else nothing. */
export function fittingText(text: Iterable<string>, room: number, size: number): string {
  const letters = [...text];
  let used = 0;
  let cut = 0;
  for (const [index, letter] of letters.entries()) {
    used += advance(letter, size);
    if (used > room) return cut > 0 ? `${letters.slice(0, cut).join('')}…` : '';
    if (used + advance('…', size) <= room) cut = index + 1;
  }
  return letters.join('');
}
