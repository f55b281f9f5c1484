import type { SignalScale } from './colors';
import { isWide } from './mono-text';

/** One gate or state of a layer over one traced sequence. */
export interface TraceSignal {
  /** Its letter: f, i, g, o, c, h, r, z, n. */
  name: string;
  scale: SignalScale;
  /** `[time, units]`, row-major, after activation. */
  values: Float32Array;
  /** The value that is drawn as fully open, where that is not 1. */
  top?: number;
}

/** What stands under the plates: the characters or words of a text, or the series itself. */
export type Ruler =
  | { kind: 'text'; texts: readonly string[] }
  | { kind: 'series'; name: string; values: ArrayLike<number>; times: readonly string[] | null };

/** True for a token that stands for what the vocabulary does not hold: its name is in angle brackets. */
export function isUnknown(text: string): boolean {
  return /^<[^<>]+>$/.test(text);
}

/** A token as the ruler shows it: one glyph for white space and what the vocabulary lacks, else as it is. */
export function shownToken(text: string): string {
  if (isUnknown(text)) return '□';
  return text === '\n' ? '↵' : text === ' ' ? '·' : text === '\t' ? '→' : text;
}

/** True where tokens are words: they stand in rows below each other, so that each has the room of several columns. */
export function hasWords(ruler: Ruler): boolean {
  return ruler.kind === 'text' && ruler.texts.some((text) => !isUnknown(text) && [...text].length > 1);
}

/** Rows over which words are spread in turn, and the size they are written in. */
export const wordRows = 3;
export const wordSize = 10;

/** Narrowest column in which every character of the ruler is readable at 12 px, or a word of seven letters over its columns. */
export function minimumColumn(ruler: Ruler): number {
  if (ruler.kind === 'series') return 1;
  if (hasWords(ruler)) return 15;
  return ruler.texts.some(isWide) ? 13 : 8;
}

/** The signal as it is drawn: its own values over their `top`. */
export function drawnSignal(signal: TraceSignal): TraceSignal {
  const { top } = signal;
  return top === undefined || !(top > 0) ? signal : { ...signal, values: signal.values.map((value) => value / top) };
}

/** A step in words: its number, and the token or the time and series that stand there. */
export function stepName(ruler: Ruler, step: number): string {
  const what = ruler.kind === 'text' ? shownToken(ruler.texts[step] ?? '') : [ruler.times?.[step], ruler.name].filter(Boolean).join(', ');
  return what ? `t ${step} (${what})` : `t ${step}`;
}

/** Key of a signal's name; a letter of two meanings is told apart by how it is drawn. */
export function signalKey({ name, scale }: Pick<TraceSignal, 'name' | 'scale'>): string {
  if (name === 'z' && scale === 'signed') return 'g';
  return name === 'n' && scale === 'tanh' ? 'normalizer' : name;
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

/** The number of a signal for a unit at a step: its own value, also where tanh of it is drawn. */
export function readValue(signal: TraceSignal, units: number, unit: number, step: number): number {
  return signal.values[step * units + unit] ?? NaN;
}

/** Where a signal is drawn for a unit at a step: at the value, at tanh of it for a state without bounds. */
export function shownValue(signal: TraceSignal, units: number, unit: number, step: number): number {
  const value = readValue(signal, units, unit, step);
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
