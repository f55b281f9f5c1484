import { basename } from 'node:path';
import { SluiceError, type ColumnRole, type ImportRequest, type Problem } from '../contracts';
import { defaultWindow } from './defaults';
import { calendarSeason, frequencyName, timeFacts, type Frequency } from './frequency';
import { nearest } from './nearest';
import { seasonFromValues } from './series';
import { defaultShares, length, splitRanges } from './split';
import type { SourceColumn } from './column-inspection';
import { streamNumbers, type TableSource } from './table-source';

export interface TableAnalysis {
  time: SourceColumn | null;
  targets: SourceColumn[];
  covariates: SourceColumn[];
  frequency: Frequency | null;
  frequencyText: string | null;
  season: number;
  /** Times of the rows in the order of `order`; null without a time column. */
  times: Float64Array | null;
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
  const { columns, connection, firstRow, rows } = source;
  const fileRow = (row: number) => row + firstRow;

  let time: SourceColumn | null = null;
  if (request.timeColumn === null) time = columns.find((column) => column.kind === 'time' && column.time !== null) ?? null;
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

  let times: Float64Array | null = null;
  let order = 'rowid';
  let breaks: number[] = [];
  let frequency: Frequency | null = null;
  if (time?.time) {
    times = await streamNumbers(connection, `SELECT epoch_ms(${time.time})::DOUBLE FROM source ORDER BY rowid`, rows, file, signal);
    const without = times.findIndex(Number.isNaN);
    if (without >= 0) {
      throw new SluiceError({
        code: 'DATASET_PARSE_FAILED',
        message: `${file}, row ${fileRow(without)}, column ${time.name}: the time is missing. Fill it in, or choose another time column.`,
        where: `${file}, row ${fileRow(without)}, column ${time.name}`,
        details: { file, row: fileRow(without), column: time.name },
      });
    }
    const facts = timeFacts(times);
    ({ frequency, breaks } = facts);
    const place = (found: { row: number; count: number }) => ({ row: fileRow(found.row), column: time.name, count: found.count });
    if (facts.unsorted) {
      order = `${time.time}, rowid`;
      times.sort();
      problems.push({ severity: 'warning', code: 'TIME_UNSORTED', message: `Row ${fileRow(facts.unsorted.row)} is earlier than the row above it; all rows were put in time order.`, ...place(facts.unsorted) });
    }
    if (facts.repeated) {
      problems.push({ severity: 'warning', code: 'TIME_REPEATED', message: `${facts.repeated.count} rows repeat the time of the row before, the first in row ${fileRow(facts.repeated.row)}. Several series in one table should be imported one by one.`, ...place(facts.repeated) });
    }
    if (facts.irregular) {
      problems.push({
        severity: 'warning',
        code: 'TIME_IRREGULAR',
        message: `${facts.irregular.count} rows do not follow at the usual distance${frequency ? ` (${frequencyName(frequency)})` : ''}, the first is row ${fileRow(facts.irregular.row)}.${breaks.length > 0 ? ` No window crosses the ${breaks.length} longest jumps.` : ''}`,
        ...place(facts.irregular),
      });
    }
  }

  for (const column of columns) {
    if (column === time) continue;
    if (column.textValues) {
      problems.push({
        severity: 'error',
        code: 'TEXT_IN_NUMBER_COLUMN',
        message: `Row ${fileRow(column.textValues.row)}, column ${column.name}: "${column.textValues.value}" is not a number.`,
        row: fileRow(column.textValues.row),
        column: column.name,
        count: column.textValues.count,
      });
    }
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
    times,
    breaks,
    order,
    lookback: request.lookback ?? wish.lookback,
    horizon: request.horizon ?? wish.horizon,
    problems,
  };
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
