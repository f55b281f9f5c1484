import { toErrorShape, type ErrorShape } from '../contracts';

/** Where a command writes: results on standard output, progress and messages on standard error. */
export interface Output {
  readonly json: boolean;
  /** One JSON object on a line of its own; nothing without `--json`. */
  object(value: Record<string, unknown>): void;
  /** A line for people on standard output; nothing with `--json`. */
  line(text: string): void;
  /** A line on standard error. */
  message(text: string): void;
  /** A line on a terminal's standard error that the next one overwrites; nothing where it is no terminal. */
  progress(text: string): void;
  error(error: unknown, debug: boolean): ErrorShape;
}

export interface Streams {
  out: { write(text: string): unknown };
  err: { write(text: string): unknown; isTTY?: boolean; columns?: number };
}

/** Fields of a request as the command line calls them. Fields of a configuration have paths and keep them. */
const options = new Set(['at', 'delimiter', 'device', 'encoding', 'from', 'horizon', 'input', 'lookback', 'name', 'opset', 'out', 'preset', 'prompt', 'split', 'steps', 'text', 'time', 'to', 'window']);
const otherOptions: Record<string, string> = { targets: '--target', covariates: '--covariate', timeColumn: '--time', topK: '--top-k', topP: '--top-p' };

function asOption(where: string): string {
  return options.has(where) ? `--${where}` : (otherOptions[where] ?? where);
}

/** Whether a message names a place already: each part (`data.csv, row 12`) as a word of its own, a file by its name alone. */
function saysPlace(message: string, where: string): boolean {
  return where.split(', ').every((part) => {
    const name = /[^/\\]+$/.exec(part)?.[0] ?? part;
    const word = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return new RegExp(`(?<![\\p{L}\\p{N}_])${word}(?![\\p{L}\\p{N}_])`, 'u').test(message);
  });
}

export function createOutput(json: boolean, streams: Streams = { out: process.stdout, err: process.stderr }): Output {
  const { out, err } = streams;
  let isOpen = false;
  const close = (): void => {
    if (isOpen) err.write('\r\u001b[2K');
    isOpen = false;
  };
  return {
    json,
    object(value) {
      if (!json) return;
      close();
      out.write(`${JSON.stringify(value)}\n`);
    },
    line(text) {
      if (json) return;
      close();
      out.write(`${text}\n`);
    },
    message(text) {
      close();
      err.write(`${text}\n`);
    },
    progress(text) {
      if (err.isTTY !== true) return;
      const width = (err.columns ?? 80) - 1;
      err.write(`\r\u001b[2K${text.slice(0, width)}`);
      isOpen = true;
    },
    error(error, debug) {
      close();
      const coded = toErrorShape(error);
      const shape = { ...coded, message: coded.message.replace(/\s*\n\s*/g, ' '), ...(coded.where !== undefined && { where: asOption(coded.where) }) };
      if (json) out.write(`${JSON.stringify({ event: 'error', ...shape })}\n`);
      const where = shape.where === undefined || saysPlace(shape.message, shape.where) ? '' : `${shape.where}: `;
      err.write(`error: ${where}${shape.message}\n`);
      if (debug && error instanceof Error) {
        for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) err.write(`${cause.stack ?? cause.message}\n`);
      }
      return shape;
    },
  };
}

/** `1,234,567`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Three or four significant digits, without an exponent where it can be read. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(3);
  return value.toFixed(size >= 100 ? 1 : 4);
}

/** `1:02:03`, `4:05`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Columns of equal width; numbers (all but the first column) end at the same place. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd());
}
