/** Consonants a Korean syllable can begin with, so that `ㅎㅅ` finds 학습. */
const initials = 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ';

function initialOf(character: string): string {
  const code = character.charCodeAt(0) - 0xac00;
  return code >= 0 && code < 11_172 ? initials[Math.floor(code / 588)]! : character;
}

/**
 * How well `query` fits `text`: 0 = not at all. Every character of the query has to come in order; whole words,
 * word beginnings and neighbours count more.
 */
export function matchScore(query: string, text: string): number {
  const wanted = [...query.toLowerCase().replace(/\s+/g, '')];
  const letters = [...text.toLowerCase()];
  if (!wanted.length) return 1;
  const whole = letters.join('').indexOf(query.trim().toLowerCase());
  if (whole >= 0) return 1000 - whole + (whole === 0 || letters[whole - 1] === ' ' ? 500 : 0) - letters.length * 0.1;
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
  return score - letters.length * 0.01;
}
