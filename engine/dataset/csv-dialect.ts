import { basename } from 'node:path';
import { SluiceError } from '../contracts';

export interface CsvDialect {
  delimiter: string;
  hasHeader: boolean;
  names: string[];
}

const candidates = [',', '\t', ';', '|'];
/** Lines looked at. */
const sampleLines = 200;
/** Of long lines this many characters are enough, once there are a few lines. */
const sampleCharacters = 300_000;
const fewLines = 20;

const number = /^[+-]?(\d+([.,]\d*)*|\.\d+)([eE][+-]?\d+)?$/;

/** Records of the first lines, quotes respected; an unfinished last record is left out unless the text is whole. */
export function splitRecords(text: string, delimiter: string, isWhole: boolean, limit = sampleLines): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let cell = '';
  let isQuoted = false;
  const isEnough = (index: number) => records.length >= limit || (index >= sampleCharacters && records.length >= fewLines);
  let index = 0;
  for (; index < text.length && !isEnough(index); index += 1) {
    const character = text[index] as string;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[index + 1] === '"') {
        cell += '"';
        index += 1;
      } else isQuoted = false;
    } else if (character === '"' && cell === '') isQuoted = true;
    else if (character === delimiter) {
      record.push(cell);
      cell = '';
    } else if (character === '\n') {
      record.push(cell);
      if (record.length > 1 || cell !== '') records.push(record);
      record = [];
      cell = '';
    } else cell += character;
  }
  if (isWhole && index >= text.length && (cell !== '' || record.length > 0)) records.push([...record, cell]);
  return records;
}

/** Most common number of cells and the share of records that have it. */
function consistency(records: string[][]): { columns: number; share: number } {
  const counts = new Map<number, number>();
  for (const { length } of records) counts.set(length, (counts.get(length) ?? 0) + 1);
  let columns = 1;
  let best = 0;
  for (const [length, count] of counts) {
    if (count > best || (count === best && length > columns)) {
      columns = length;
      best = count;
    }
  }
  return { columns, share: best / Math.max(1, records.length) };
}

/** Whether every comma in these cells stands inside a number: `0,5`, `1.234,5`. */
function isDecimalComma(records: string[][]): boolean {
  const cells = records.flat().filter((cell) => cell.includes(','));
  return cells.length > 0 && cells.every((cell) => /^[+-]?\d[\d.]*,\d+$/.test(cell.trim()));
}

/** The delimiter that cuts most records alike; `null` where none occurs. */
export function guessDelimiter(text: string, isWhole: boolean): { delimiter: string; columns: number; share: number } | null {
  let best: { delimiter: string; columns: number; share: number } | null = null;
  for (const delimiter of candidates) {
    const records = splitRecords(text, delimiter, isWhole);
    const { columns, share } = consistency(records);
    if (columns < 2) continue;
    // `2020-01-01;0,5`: the comma cuts these lines as evenly, but through its numbers.
    const isCutByComma = best?.delimiter === ',' && share > best.share - 0.05 && isDecimalComma(records);
    if (!best || isCutByComma || share > best.share + 0.05 || (share > best.share - 0.05 && columns > best.columns)) best = { delimiter, columns, share };
  }
  return best;
}

/** Names without repeats and blanks: `a`, `a 2`, `column 3`. */
export function columnNames(cells: string[]): string[] {
  const used = new Set<string>();
  return cells.map((cell, index) => {
    const base = cell.trim() || `column ${index + 1}`;
    let name = base;
    for (let count = 2; used.has(name); count += 1) name = `${base} ${count}`;
    used.add(name);
    return name;
  });
}

/**
 * Delimiter, header and column names from the first text of a file. Throws DATASET_PARSE_FAILED where a
 * chosen delimiter does not occur in the first row.
 */
export function detectDialect(text: string, isWhole: boolean, file: string, chosen: string | null): CsvDialect {
  const name = basename(file);
  const guess = guessDelimiter(text, isWhole);
  const delimiter = chosen ?? guess?.delimiter ?? ',';
  const records = splitRecords(text, delimiter, isWhole);
  const first = records[0];
  if (!first && !isWhole) {
    throw new SluiceError({
      code: 'DATASET_PARSE_FAILED',
      message: `${name}, row 1: the row does not end within ${(text.length / 1e6).toFixed(1)} million characters. Is a quote left open, or is this no table?`,
      where: `${name}, row 1`,
      details: { file: name, row: 1 },
    });
  }
  if (!first) {
    throw new SluiceError({ code: 'DATASET_PARSE_FAILED', message: `${name} has no rows. Choose a file with a header and rows of values.`, where: `${name}, row 1` });
  }
  if (chosen !== null && first.length < 2 && guess) {
    throw new SluiceError({
      code: 'DATASET_PARSE_FAILED',
      message: `${name}, row 1: the delimiter ${delimiterName(chosen)} does not occur. This file is cut by ${delimiterName(guess.delimiter)}.`,
      where: `${name}, row 1`,
      details: { file: name, row: 1, delimiter: chosen, guess: guess.delimiter },
    });
  }
  const isValue = (cell: string) => number.test(cell.trim()) || /^\d{4}[-/.]\d{1,2}/.test(cell.trim());
  const hasHeader = first.some((cell) => cell.trim() !== '') && !first.some(isValue);
  return { delimiter, hasHeader, names: columnNames(hasHeader ? first : first.map(() => '')) };
}

export function delimiterName(delimiter: string): string {
  return { ',': 'comma', '\t': 'tab', ';': 'semicolon', '|': 'bar', ' ': 'space' }[delimiter] ?? `"${delimiter}"`;
}

/** Whether text (pasted, or a file without a telling extension) is a table of numbers rather than prose. */
export function looksLikeTable(text: string, isWhole: boolean): boolean {
  const guess = guessDelimiter(text, isWhole);
  if (!guess || guess.share < 0.95) return false;
  const records = splitRecords(text, guess.delimiter, isWhole);
  if (records.length < 3) return false;
  const rows = records.slice(1);
  return Array.from({ length: guess.columns }, (_, column) => column).some(
    (column) => rows.filter((row) => number.test((row[column] ?? '').trim())).length >= 0.8 * rows.length,
  );
}
