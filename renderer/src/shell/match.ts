/** Consonants a Korean syllable can begin with, so that `ㅎㅅ` finds 학습. */
const initials = 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ';

function initialOf(character: string): string {
  const code = character.charCodeAt(0) - 0xac00;
  return code >= 0 && code < 11_172 ? initials[Math.floor(code / 588)]! : character;
}

/**
 * How well `query` fits `text`: 0 = not at all. Every word of the query has to be found, in any order; whole words,
 * word beginnings and neighbours count more.
 */
export function matchScore(query: string, text: string): number {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const letters = [...text.toLowerCase()];
  let total = 1;
  for (const word of words) {
    const score = wordScore([...word], letters);
    if (score === 0) return 0;
    total += score;
  }
  return total - letters.length * 0.01;
}

function wordScore(wanted: string[], letters: string[]): number {
  const whole = letters.join('').indexOf(wanted.join(''));
  if (whole >= 0) return 1000 - whole + (whole === 0 || letters[whole - 1] === ' ' ? 500 : 0);
  let score = 0;
  let from = 0;
  let last = -2;
  for (const character of wanted) {
    const index = letters.findIndex((letter, place) => place >= from && (letter === character || initialOf(letter) === character));
    if (index < 0) return 0;
    score += 1 + (index === last + 1 ? 4 : 0) + (index === 0 || letters[index - 1] === ' ' ? 6 : 0);
    last = index;
    from = index + 1;
  }
  return score;
}
