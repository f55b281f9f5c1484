import type { SignalScale } from './colors';

/** One gate or state of a layer over one traced sequence. */
export interface TraceSignal {
  /** Its letter: f, i, g, o, c, h, r, z, n. */
  name: string;
  scale: SignalScale;
  /** `[time, units]`, row-major, after activation. */
  values: Float32Array;
}

/** What stands under the plates: the characters of a text, or the series itself. */
export type Ruler =
  | { kind: 'text'; texts: readonly string[] }
  | { kind: 'series'; name: string; values: ArrayLike<number>; times: readonly string[] | null };

/** True for a token that stands for what the vocabulary does not hold: its name is in angle brackets. */
export function isUnknown(text: string): boolean {
  return /^<[^<>]+>$/.test(text);
}

/** A character as the ruler shows it: one glyph, of a whole word its first. */
export function shownCharacter(text: string): string {
  if (isUnknown(text)) return '□';
  return text === '\n' ? '↵' : text === ' ' ? '·' : text === '\t' ? '→' : ([...text][0] ?? '');
}

/** True for characters that fill two cells of a monospaced face (Hangul, kana, ideographs, full-width forms). */
export function isWide(text: string): boolean {
  return /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uff60]/.test(text);
}

/** Narrowest column in which every character of the ruler is readable at 12 px. */
export function minimumColumn(ruler: Ruler): number {
  if (ruler.kind === 'series') return 1;
  return ruler.texts.some(isWide) ? 13 : 8;
}

/** Next start of a word from `step` in direction ±1; the end of the text where there is none. */
export function wordStep(texts: readonly string[], step: number, direction: 1 | -1): number {
  const isSpace = (index: number) => /^\s*$/.test(texts[index] ?? ' ');
  let index = step + direction;
  while (index > 0 && index < texts.length - 1) {
    if (!isSpace(index) && isSpace(index - 1)) return index;
    index += direction;
  }
  return Math.max(0, Math.min(texts.length - 1, index));
}

/** What a signal shows for a unit at a step: the value, tanh of it for a state without bounds. */
export function shownValue(signal: TraceSignal, units: number, unit: number, step: number): number {
  const value = signal.values[step * units + unit];
  if (value === undefined) return NaN;
  return signal.scale === 'tanh' && Number.isFinite(value) ? Math.tanh(value) : value;
}

/** Two decimals, a real minus, no sign on zero, `NaN` and `∞` as they are. */
export function signalNumber(value: number, scale: SignalScale): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const text = Math.abs(value).toFixed(2);
  if (value < 0 && Number(text) !== 0) return `−${text}`;
  return scale === 'openness' ? text : Number(text) === 0 ? text : `+${text}`;
}
