import { basename } from 'node:path';
import { SluiceError, type ColumnRole, type ImportRequest, type Problem } from '../contracts';
import { defaultWindow } from './defaults';
import { insertAbsent } from './absent-rows';
import { calendarSeason, frequencyName, type Frequency } from './frequency';
import { nearest } from './nearest';
import { seasonFromValues } from './series';
import { defaultShares, length, splitRanges } from './split';
import type { Found, SourceColumn } from './column-inspection';
import { streamNumbers, type TableSource } from './table-source';
import { isTimeName } from './time-column';
import { timeFacts, type TimeFacts } from './time-facts';

export interface TableAnalysis {
  time: SourceColumn | null;
  targets: SourceColumn[];
  covariates: SourceColumn[];
  frequency: Frequency | null;
  frequencyText: string | null;
  season: number;
  /** Rows of the table: those of the file and the absent ones that were put between them. */
  rows: number;
  inserted: { row: number; count: number }[];
  /** Rows before which time jumps: no window crosses them. */
  breaks: number[];
  /** ORDER BY clause that brings the rows into time order. */
  order: string;
  lookback: number;
  horizon: number;
  problems: Problem[];
}

function columnNotFound(name: string, columns: SourceColumn[], file: string, field: string): SluiceError {
  const suggestion = nearest(name, columns.map((column) => column.name));
  return new SluiceError({
    code: 'COLUMN_NOT_FOUND',
    message: `${file} has no column "${name}"${suggestion ? `; did you mean "${suggestion}"?` : '.'} Its columns are ${columns.map((column) => column.name).join(', ')}.`,
    where: `${file}, ${field}`,
    details: { file, column: name, field, suggestion: suggestion ?? null },
  });
}

/** The column as input of a model. Throws COLUMN_NOT_FOUND, COLUMN_NOT_NUMERIC with row and value. */
export function numericColumn(name: string, source: Pick<TableSource, 'columns' | 'firstRow'>, file: string, field: string): SourceColumn {
  const column = source.columns.find((candidate) => candidate.name === name);
  if (!column) throw columnNotFound(name, source.columns, file, field);
  if (column.textValues) {
    const row = column.textValues.row + source.firstRow;
    throw new SluiceError({
      code: 'COLUMN_NOT_NUMERIC',
      message: `${file}, row ${row}, column ${name}: "${column.textValues.value}" is not a number. Correct it, empty the cell, or choose another column.`,
      where: `${file}, row ${row}, column ${name}`,
      details: { file, row, column: name, value: column.textValues.value, count: column.textValues.count },
    });
  }
  if (column.tooLarge) {
    const row = column.tooLarge.row + source.firstRow;
    throw new SluiceError({
      code: 'COLUMN_NOT_NUMERIC',
      message: `${file}, row ${row}, column ${name}: ${column.tooLarge.value} is beyond what training can hold (32-bit numbers end at 3.4e38). Correct it, empty the cell, or choose another column.`,
      where: `${file}, row ${row}, column ${name}`,
      details: { file, row, column: name, value: column.tooLarge.value, count: column.tooLarge.count },
    });
  }
  if (column.kind === 'text') {
    throw new SluiceError({
      code: 'COLUMN_NOT_NUMERIC',
      message: `${file}, column ${name} holds no numbers. Choose a column of numbers.`,
      where: `${file}, column ${name}`,
      details: { file, row: null, column: name, value: null, count: null },
    });
  }
  return column;
}

/**
 * Recognises time column, frequency and season, and settles roles, lookback and horizon that the request
 * leaves open. A preview must show a column that cannot be imported as it is, so `isPreview` keeps an input
 * with text in it (its problem is among `problems`) and may end without any target.
 */
export async function analyseTable(source: TableSource, request: ImportRequest, signal: AbortSignal, isPreview = false): Promise<TableAnalysis> {
  const file = basename(request.files[0] ?? '');
  const problems: Problem[] = [];
  const { columns, connection, firstRow } = source;
  const fileRow = (row: number) => row + firstRow;

  let time: SourceColumn | null = null;
  if (request.timeColumn === null) {
    const times = columns.filter((column) => column.kind === 'time' && column.time !== null);
    time = times.find((column) => column.noTimes === null) ?? times[0] ?? null;
  }
  else if (request.timeColumn !== '') {
    time = columns.find((column) => column.name === request.timeColumn) ?? null;
    if (!time) throw columnNotFound(request.timeColumn, columns, file, 'timeColumn');
    if (time.time === null) {
      throw new SluiceError({
        code: 'DATASET_PARSE_FAILED',
        message: `${file}, column ${time.name}: its values cannot be read as times, for example 2024-03-01 13:00. Choose another time column, or none.`,
        where: `${file}, column ${time.name}`,
        details: { file, column: time.name, row: null },
      });
    }
  }

  if (time?.noTimes) {
    const { row, value, count } = time.noTimes;
    const place = { row: fileRow(row), column: time.name, count };
    const reason = value === '' ? 'the time is missing' : `"${value}" is not a time like the others`;
    if (!isPreview) {
      throw new SluiceError({
        code: 'DATASET_PARSE_FAILED',
        message: `${file}, row ${place.row}, column ${time.name}: ${reason}. Correct it, or choose another time column, or none.`,
        where: `${file}, row ${place.row}, column ${time.name}`,
        details: { file, row: place.row, column: time.name },
      });
    }
    problems.push({ severity: 'error', code: 'TIME_UNREADABLE', message: `Row ${place.row}, column ${time.name}: ${reason}.`, ...place });
    time = null;
  }

  let order = 'rowid';
  const breaks: number[] = [];
  let frequency: Frequency | null = null;
  const inserted: { row: number; count: number }[] = [];
  let rows = source.rows;
  if (time?.time) {
    const inFile = await streamNumbers(connection, `SELECT epoch_ms(${time.time})::DOUBLE FROM source ORDER BY rowid`, rows, file, signal);
    const without = inFile.findIndex(Number.isNaN);
    if (without >= 0) {
      throw new SluiceError({
        code: 'DATASET_PARSE_FAILED',
        message: `${file}, row ${fileRow(without)}, column ${time.name}: the time is missing. Fill it in, or choose another time column.`,
        where: `${file}, row ${fileRow(without)}, column ${time.name}`,
        details: { file, row: fileRow(without), column: time.name },
      });
    }
    const facts = timeFacts(inFile);
    ({ frequency } = facts);
    order = { file: 'rowid', reversed: 'rowid DESC', sorted: `${time.time}, rowid` }[facts.order];
    problems.push(...timeProblems(facts, time.name, fileRow));
    if (facts.absences.length > 0) order = await insertAbsent(connection, time, order, facts.absences);
    let next = 0;
    const passAbsences = (before: number) => {
      for (let absence = facts.absences[next]; absence && absence.row < before; absence = facts.absences[(next += 1)]) {
        inserted.push({ row: absence.row + rows - source.rows, count: absence.times.length });
        rows += absence.times.length;
      }
    };
    for (const row of facts.breaks) {
      passAbsences(row);
      breaks.push(row + rows - source.rows);
    }
    passAbsences(Infinity);
  }

  const unread = time || request.timeColumn !== null || problems.length > 0 ? undefined : columns.find((column) => column.kind === 'text' && isTimeName(column.name));
  if (unread) {
    problems.push({ severity: 'warning', code: 'TIME_UNREADABLE', message: `Column ${unread.name} is not written as times in a form that is known, for example 2024-03-01 13:00; rows are taken as they follow.`, row: null, column: unread.name, count: source.rows });
  }

  for (const column of columns) {
    if (column === time) continue;
    if (column.markers) {
      problems.push({
        severity: 'warning',
        code: 'TEXT_IN_NUMBER_COLUMN',
        message: `Row ${fileRow(column.markers.row)}, column ${column.name}: "${column.markers.value}" is read as missing.`,
        row: fileRow(column.markers.row),
        column: column.name,
        count: column.markers.count,
      });
    }
  }

  const asked = request.targets.length > 0 ? request.targets : defaultTarget(columns, time, file, isPreview);
  const input = (name: string, field: string) => {
    if (time && name === time.name) throw timeNotInput(name, columns, file, field);
    const column = isPreview ? columns.find((candidate) => candidate.name === name) : undefined;
    return column ?? numericColumn(name, source, file, field);
  };
  const targets = asked.map((name) => input(name, 'targets'));
  const covariates = request.covariates.map((name) => input(name, 'covariates'));
  const inputs = [...asked, ...request.covariates];
  const twice = inputs.find((name, index) => inputs.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new SluiceError({ code: 'CONFIG_INVALID', message: `Column "${twice}" is named twice. Give it one role.`, where: 'covariates', details: { column: twice } });
  }

  for (const column of columns) if (column !== time) problems.push(...numberProblems(column, inputs.includes(column.name), fileRow));

  const split = splitRanges(request.split ?? { shares: [...defaultShares.table] }, rows);
  let season = frequency ? calendarSeason(frequency) : 1;
  const main = targets[0];
  if (season === 1 && main) {
    const values = await streamNumbers(connection, `SELECT ${main.number} FROM source ORDER BY ${order} LIMIT ${split.train[1]}`, split.train[1], file, signal);
    season = seasonFromValues(values);
  }
  const wish = defaultWindow(frequency, season, { train: length(split.train), validation: length(split.validation), test: length(split.test) });
  return {
    time,
    targets,
    covariates,
    frequency,
    frequencyText: frequency && frequencyName(frequency),
    season,
    rows,
    inserted,
    breaks,
    order,
    lookback: request.lookback ?? wish.lookback,
    horizon: request.horizon ?? wish.horizon,
    problems,
  };
}

/** A column with at least this share of numbers was meant to be one of numbers. */
const nearlyAll = 0.9;

/** What keeps a column from being read as numbers: an error where it is an input, else why it is left out. */
function numberProblems(column: SourceColumn, isUsed: boolean, fileRow: (row: number) => number): Problem[] {
  const problems: Problem[] = [];
  const { textValues, tooLarge } = column;
  if (isUsed) {
    const refuse = (code: Problem['code'], { row, count }: Found, reason: string) =>
      problems.push({ severity: 'error', code, message: `Row ${fileRow(row)}, column ${column.name}: ${reason}.`, row: fileRow(row), column: column.name, count });
    if (textValues) refuse('TEXT_IN_NUMBER_COLUMN', textValues, `"${textValues.value}" is not a number`);
    if (tooLarge) refuse('VALUE_TOO_LARGE', tooLarge, `${tooLarge.value} is beyond what training can hold`);
    return problems;
  }
  const first = textValues ?? tooLarge;
  if (!first) return problems;
  const count = (textValues?.count ?? 0) + (tooLarge?.count ?? 0);
  const reason = textValues ? `"${first.value}" is not a number` : `${first.value} is beyond what training can hold`;
  const [others, cells] = count === 1 ? ['', 'the cell'] : [` (the first of ${count} such cells)`, 'the cells'];
  const row = fileRow(first.row);
  problems.push({
    severity: 1 - count / column.values >= nearlyAll ? 'warning' : 'info',
    code: 'COLUMN_LEFT_OUT',
    message: `Row ${row}, column ${column.name}: ${reason}${others}, so the column is left out. Correct or empty ${cells} and import again to use it.`,
    row,
    column: column.name,
    count,
    value: first.value,
  });
  return problems;
}

/** What there is to know about the times; `fileRow` gives the number that the file has for a row. */
function timeProblems(facts: TimeFacts, column: string, fileRow: (row: number) => number): Problem[] {
  const problems: Problem[] = [];
  const warn = (code: Problem['code'], found: { row: number; count: number } | null, say: (row: number, count: number) => string) => {
    if (found) problems.push({ severity: 'warning', code, message: say(fileRow(found.row), found.count), row: fileRow(found.row), column, count: found.count });
  };
  const step = facts.frequency ? ` (${frequencyName(facts.frequency)})` : '';
  const [firstAbsent] = facts.absences;
  const [firstBreak] = facts.breaks;
  warn('TIME_UNSORTED', facts.unsorted, (row) => `Row ${row} is earlier than the row above it; all rows were put in time order.`);
  warn('TIME_REPEATED', facts.repeated, (row, count) => `${count} rows repeat the time of the row before, the first in row ${row}. Several series in one table should be imported one by one.`);
  warn(
    'TIME_ABSENT_FILLED',
    firstAbsent ? { row: firstAbsent.row, count: facts.absences.reduce((sum, { times }) => sum + times.length, 0) } : null,
    (row, count) => `Rows absent in short gaps in time${step}: ${count}, the first before row ${row}; they were put in and their values are interpolated.`,
  );
  warn('TIME_ABSENT_SPLITS', firstBreak === undefined ? null : { row: firstBreak, count: facts.breaks.length }, (row, count) => `Time jumps too far or too unevenly to fill${step} ${count === 1 ? `before row ${row}` : `before ${count} rows, the first is row ${row}`}; no window crosses that.`);
  warn('TIME_IRREGULAR', facts.irregular, (row, count) => `${count} rows do not follow at the usual distance${step}, the first is row ${row}.`);
  if (facts.clockChanges) {
    const row = fileRow(facts.clockChanges.row);
    problems.push({ severity: 'info', code: 'TIME_CLOCK_CHANGE', message: `Clocks change ${facts.clockChanges.count} times, first at row ${row}; rows follow on there, nothing is absent or repeated.`, row, column, count: facts.clockChanges.count });
  }
  return problems;
}

function timeNotInput(name: string, columns: SourceColumn[], file: string, field: string): SluiceError {
  const numbers = columns.filter((column) => isInput(column) && column.name !== name).map((column) => column.name);
  const suggestion = nearest(name, numbers) ?? numbers.at(-1) ?? null;
  return new SluiceError({
    code: 'CONFIG_INVALID',
    message: `${field}: column "${name}" of ${file} holds the times.${suggestion === null ? '' : ` Name a column of numbers, for example "${suggestion}".`}`,
    where: `${file}, ${field}`,
    details: { file, column: name, field, suggestion },
  });
}

/** Whether a column holds numbers that a model can read. */
export function isInput(column: SourceColumn): boolean {
  return column.kind === 'number' && !column.textValues && !column.tooLarge;
}

/** The last column of numbers: tables by habit end with what they are about. */
function defaultTarget(columns: SourceColumn[], time: SourceColumn | null, file: string, isPreview: boolean): string[] {
  const last = columns.filter((column) => column !== time && column.kind === 'number').at(-1);
  if (last) return [last.name];
  if (isPreview) return [];
  throw new SluiceError({
    code: 'COLUMN_NOT_NUMERIC',
    message: `${file} has no column of numbers besides its time. A forecast needs one; check the delimiter, or import the file as text.`,
    where: file,
    details: { file, row: null, column: null, value: null, count: null },
  });
}

export function roleOf(column: SourceColumn, analysis: Pick<TableAnalysis, 'time' | 'targets' | 'covariates'>): ColumnRole {
  if (column === analysis.time) return 'time';
  if (analysis.targets.includes(column)) return 'target';
  return analysis.covariates.includes(column) ? 'covariate' : 'ignored';
}
