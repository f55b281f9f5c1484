import type { Split } from '../../../../engine/contracts';

export type Post = 'train' | 'validation' | 'test';
export const posts: readonly Post[] = ['train', 'validation', 'test'];

/** Ends of the three parts; the last is `total` unless rows behind it stay unused. */
export type Ends = Record<Post, number>;

export function endsOf(split: Split): Ends {
  return { train: split.train[1], validation: split.validation[1], test: split.test[1] };
}

export function rowsOf(ends: Ends): [number, number, number] {
  return [ends.train, ends.validation - ends.train, ends.test - ends.validation];
}

/** Moves one end; the others stay, and every part keeps two rows or half a percent of all. */
export function movePost(ends: Ends, post: Post, row: number, total: number): Ends {
  const least = Math.max(2, Math.floor(total / 200));
  const low = (post === 'train' ? 0 : post === 'validation' ? ends.train : ends.validation) + least;
  const high = post === 'train' ? ends.validation - least : post === 'validation' ? ends.test - least : total;
  if (low > high) return ends;
  return { ...ends, [post]: Math.max(low, Math.min(high, Math.round(row))) };
}

/** The nearest multiple of a season, so that parts begin where a day or a year does. */
export function snap(row: number, season: number): number {
  return season > 1 ? Math.round(row / season) * season : Math.round(row);
}

/** A part given as a number of rows: the ends behind it move along, never beyond `total`. */
export function setRows(ends: Ends, part: Post, rows: number, total: number): Ends {
  const counts = rowsOf(ends);
  counts[posts.indexOf(part)] = Math.max(1, Math.round(rows));
  const [train, validation, test] = counts;
  const rest = Math.max(3, total);
  const trainEnd = Math.min(train, rest - 2);
  const validationEnd = Math.min(trainEnd + validation, rest - 1);
  return { train: trainEnd, validation: validationEnd, test: Math.min(validationEnd + test, rest) };
}
