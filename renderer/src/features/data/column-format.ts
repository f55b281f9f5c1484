import { fixed, integer } from '../../locales/format';

/** Decimals that show a column's values without noise: as many as they have, three at most, none for large ones. */
export function decimalsFor(values: readonly (number | null)[]): number {
  let most = 0;
  let largest = 0;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    largest = Math.max(largest, Math.abs(value));
    const text = String(Number(value.toPrecision(7)));
    most = Math.max(most, text.includes('e-') ? 6 : (text.split('.')[1]?.length ?? 0));
  }
  const cap = largest >= 1e5 ? 0 : largest >= 1e4 ? 1 : largest >= 1e3 ? 2 : largest >= 0.1 ? 3 : 6;
  return Math.min(most, cap);
}

export function cellText(value: string | number | null, decimals: number): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  return decimals === 0 ? integer(value) : fixed(value, decimals);
}
