import { compactNumber, fixed } from '../../locales/format';

/** A loss or error with fixed decimals; shortened where a run went astray and the number would burst its column. */
export function metricText(value: number, decimals: number): string {
  return Math.abs(value) >= 1000 ? compactNumber(value, 3) : fixed(value, decimals);
}
