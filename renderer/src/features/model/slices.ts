import type { TrainingConfig } from '../../../../engine/contracts';
import { isWide } from '../../charts/signals';

/** One update of truncated backpropagation on the text, in characters from the epoch's start. */
export interface Slice {
  /** What the update reads for the first time. */
  from: number;
  to: number;
  /** Where its gradient ends. */
  back: number;
}

/** The first updates of an epoch: each goes on by k1 = sequenceLength, its gradient runs back over k2 = backwardLength. */
export function slicesOf({ sequenceLength, backwardLength }: Pick<TrainingConfig, 'sequenceLength' | 'backwardLength'>, count: number): Slice[] {
  const beyond = Math.max(0, (backwardLength ?? sequenceLength) - sequenceLength);
  return Array.from({ length: count }, (_, index) => {
    const from = index * sequenceLength;
    return { from, to: from + sequenceLength, back: Math.max(0, from - beyond) };
  });
}

/** Advance of a letter and of one as wide as two, in the picture's units at its 9 px. */
const letterAdvance = 5.4;
const wideAdvance = 9;

/** As many of the letters, from the first, as fit into `room`; three dots take the place of the rest, and one letter is at least needed beside them. */
export function fittingText(letters: readonly string[], room: number): string {
  const advance = (letter: string): number => (isWide(letter) ? wideAdvance : letterAdvance);
  let used = 0;
  let cut = 0;
  for (const [index, letter] of letters.entries()) {
    used += advance(letter);
    if (used > room) return cut > 0 ? `${letters.slice(0, cut).join('')}…` : '';
    if (used + wideAdvance <= room) cut = index + 1;
  }
  return letters.join('');
}
