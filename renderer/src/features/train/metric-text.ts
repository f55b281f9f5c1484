import { compactNumber, fixed } from '../../locales/format';

/**
 * A loss or error with fixed decimals, more of them where a small value would show fewer than three significant digits;
 * shortened where a run went astray and the number would burst its column.
 */
export function metricText(value: number, decimals: number): string {
  const size = Math.abs(value);
  if (size >= 1000 || (size > 0 && size < 1e-4)) return compactNumber(value, 3);
  return fixed(value, size > 0 && size < 1 ? Math.max(decimals, 2 - Math.floor(Math.log10(size))) : decimals);
}
