/** Reads a number as people type it: spaces, thousands commas, the real minus sign, `1e-3`; null where it is none. */
export function parseNumber(text: string): number | null {
  const plain = text.trim().replace(/[\u2212\u2013]/g, '-').replace(/[\s\u00a0\u202f_]/g, '').replace(/,(?=\d{3}(\D|$))/g, '');
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
  return Number(plain);
}

/** As short as it can be without losing anything: `0.0001` → `1e−4`, `0.1` → `0.1`. */
export function numberText(value: number): string {
  const text = Math.abs(value) > 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value);
  return text.replace(/-/g, '−');
}

/** One step of a scrub or an arrow key. Learning rates and the like move by factors, counts by ones. */
export function nudge(value: number, steps: number, options: { step?: number | undefined; scale?: 'linear' | 'log' | undefined; integer?: boolean | undefined; min?: number | undefined; max?: number | undefined }): number {
  const step = options.step ?? 1;
  const moved = options.scale === 'log' ? Number((value * 10 ** (steps / 20)).toPrecision(2)) : Number((value + steps * step).toPrecision(12));
  const whole = options.integer ? Math.round(moved) : moved;
  return Math.min(options.max ?? Infinity, Math.max(options.min ?? -Infinity, whole));
}
