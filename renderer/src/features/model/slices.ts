import type { TrainingConfig } from '../../../../engine/contracts';

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
