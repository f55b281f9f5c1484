/**
 * Numbers as the window writes them: tabular, with a real minus sign, fixed decimals, units after a space.
 * `−` is U+2212, so that a sign is as wide as a plus.
 */
import { language, t, type Language } from '.';

const minus = (text: string): string => text.replace(/-/g, '−');

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** `17420` → `17,420`. */
export function integer(value: number): string {
  return Number.isFinite(value) ? minus(grouped.format(value)) : notFinite(value);
}

/** `fixed(-0.0312, 2)` → `−0.03`; a negative zero loses its sign. */
export function fixed(value: number, decimals = 2): string {
  if (!Number.isFinite(value)) return notFinite(value);
  const text = value.toFixed(decimals);
  return minus(/^-0(\.0*)?$/.test(text) ? text.slice(1) : text);
}

/** Like `fixed`, with a plus before what is not negative. */
export function signed(value: number, decimals = 2): string {
  const text = fixed(value, decimals);
  return Number.isFinite(value) && !text.startsWith('−') ? `+${text}` : text;
}

/** Four significant places at most, powers of ten outside 0.001 … 99,999: `0.00081` → `8.1e−4`. */
export function compactNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return notFinite(value);
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude < 1e-3 || magnitude >= 1e6) {
    const [mantissa, exponent] = value.toExponential(Math.min(digits, 3) - 1).split('e') as [string, string];
    return minus(`${mantissa.replace(/\.?0+$/, '')}e${exponent.replace('+', '')}`);
  }
  if (magnitude >= 1000) return integer(Math.round(value));
  return minus(String(Number(value.toPrecision(digits))));
}

/** `148234` → `148.2k`, `5370000` → `5.37M`. */
export function thousands(value: number): string {
  if (!Number.isFinite(value)) return notFinite(value);
  const magnitude = Math.abs(value);
  if (magnitude >= 999_950) return minus(`${Number((value / 1e6).toPrecision(3))}M`);
  if (magnitude >= 999.5) return minus(`${magnitude >= 99_950 ? (value / 1e3).toFixed(1) : String(Number((value / 1e3).toPrecision(3)))}k`);
  return minus(String(Math.round(value)));
}

/** Decimal units as in file managers: `412000000` → `412 MB`; no space in Korean. */
export function bytes(value: number, lang: Language = language()): string {
  if (!Number.isFinite(value)) return notFinite(value);
  const space = lang === 'ko' ? '' : ' ';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let rest = Math.abs(value);
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const text = unit === 0 || rest >= 99.5 ? String(Math.round(rest)) : String(Number(rest.toPrecision(rest < 10 ? 2 : 3)));
  return `${value < 0 ? '−' : ''}${text}${space}${units[unit]}`;
}

/** `0.5834` → `58%`. */
export function percent(share: number, decimals = 0): string {
  return Number.isFinite(share) ? `${fixed(share * 100, decimals)}%` : notFinite(share);
}

/** Two largest units: `72` → `1 min 12 s` / `1분 12초`; below ten seconds one decimal, below one milliseconds. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  if (seconds > 0 && seconds < 0.95) return t('units.milliseconds', { n: String(Number((seconds * 1000).toPrecision(2))) });
  const whole = Math.round(seconds);
  if (whole < 60) return t('units.seconds', { n: seconds < 9.95 && !Number.isInteger(seconds) ? seconds.toFixed(1) : String(whole) });
  const parts: [string, number][] = [
    ['units.days', Math.floor(whole / 86_400)],
    ['units.hours', Math.floor((whole % 86_400) / 3600)],
    ['units.minutes', Math.floor((whole % 3600) / 60)],
    ['units.seconds', whole % 60],
  ];
  const first = parts.findIndex(([, n]) => n > 0);
  return parts
    .slice(first, first + 2)
    .filter(([, n]) => n > 0)
    .map(([key, n]) => t(key, { n }))
    .join(' ');
}

/** `14:02` in the window's own time zone. */
export function clock(time: string | Date): string {
  const date = typeof time === 'string' ? new Date(time) : time;
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}

/** `2026-03-01 14:02`. */
export function dateTime(time: string | Date): string {
  const date = typeof time === 'string' ? new Date(time) : time;
  const two = (n: number) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(date)}`;
}

/** The instruction set the engine chose, as its makers write it. */
export function kernelName(kernel: string): string {
  const names: Record<string, string> = { avx512: 'AVX-512', avx2: 'AVX2', neon: 'NEON', portable: t('shell.portable') };
  return names[kernel] ?? kernel;
}

function notFinite(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
}
