import { SluiceError, type Range, type Split, type SplitName, type SplitRequest } from '../contracts';

export const splitNames: readonly SplitName[] = ['train', 'validation', 'test'];

/** Chronological shares by default; text gives training more because its parts are long anyway. */
export const defaultShares = { table: [0.7, 0.1, 0.2], text: [0.9, 0.05, 0.05] } as const;

/**
 * Half-open ranges in time order. Rows behind the last part stay unused. Shares are cut at cumulative
 * floors, so that no row is counted twice or lost. Throws CONFIG_INVALID at `split` where the request
 * does not fit `total` rows (or tokens), or where a part would be empty.
 */
export function splitRanges(request: SplitRequest, total: number): Split {
  let ends: [number, number, number];
  if ('rows' in request) {
    const [train, validation, test] = request.rows;
    ends = [train, train + validation, train + validation + test];
    if (ends[2] > total) {
      throw new SluiceError({
        code: 'CONFIG_INVALID',
        message: `A split of ${request.rows.join(' + ')} = ${ends[2]} rows does not fit: the data has ${total}. Ask for at most ${total} rows together.`,
        where: 'split',
        details: { asked: ends[2], rows: total },
      });
    }
  } else {
    const [train, validation, test] = request.shares;
    const sum = train + validation + test;
    if (sum > 1 + 1e-9) {
      throw new SluiceError({
        code: 'CONFIG_INVALID',
        message: `The shares ${request.shares.join(' + ')} make ${sum.toFixed(3)}, more than the whole. Use shares that sum to at most 1, for example 0.7, 0.1, 0.2.`,
        where: 'split',
        details: { sum },
      });
    }
    // 0.7 + 0.1 + 0.2 is a little below 1 in binary.
    const at = (share: number) => Math.min(total, Math.floor(share * total + 1e-6));
    ends = [at(train), at(train + validation), at(sum)];
  }
  const split: Split = { train: [0, ends[0]], validation: [ends[0], ends[1]], test: [ends[1], ends[2]] };
  const empty = splitNames.find((name) => length(split[name]) === 0);
  if (empty) {
    throw new SluiceError({
      code: 'DATASET_TOO_SHORT',
      message: `${total} rows are too few for this split: the ${empty} part would be empty. Bring more data or choose other shares.`,
      where: 'split',
      details: { rows: total, part: empty },
    });
  }
  return split;
}

export function length([start, end]: Range): number {
  return end - start;
}
