import { basename } from 'node:path';
import { SluiceError, type ImportRequest } from '../../contracts';
import { defaultShares, splitRanges } from '../split';
import { isInput, numericColumn } from '../table-analysis';
import { databaseError, openTable, streamColumns, type TableFormat, type TableSource } from '../table-source';
import type { Sequences } from './write';

export interface LongTable {
  sequences: Sequences;
  encoding: string | null;
  delimiter: string | null;
}

/**
 * Reads a long table: one row per step, a column that tells the sequences apart, columns of inputs, and one value of
 * each target per sequence (on every row of it, or on one and empty on the others). The order of steps is that of
 * `timeColumn`, else that of the file; sequences come in the order in which they begin.
 */
export async function readLongTable(file: string, format: TableFormat, request: ImportRequest, folder: string, signal: AbortSignal, limit: number | null = null): Promise<LongTable> {
  const source = await openTable(file, format, { encoding: request.encoding, delimiter: request.delimiter, limit, folder, signal });
  try {
    return { sequences: await gather(source, basename(file), request, signal), encoding: source.encoding, delimiter: source.delimiter };
  } catch (error) {
    throw databaseError(error, file);
  } finally {
    source.close();
  }
}

/** Which columns are what. Throws CONFIG_INVALID at the option, COLUMN_NOT_FOUND, COLUMN_NOT_NUMERIC. */
function rolesOf(source: TableSource, file: string, request: ImportRequest) {
  const names = source.columns.map(({ name }) => name);
  const missing = (where: string, what: string): SluiceError => new SluiceError({ code: 'CONFIG_INVALID', message: `${where}: ${what} Columns of ${file}: ${names.join(', ')}.`, where });
  if (request.sequence === null) throw missing('sequence', 'name the column that tells the sequences apart.');
  if (request.targets.length === 0) throw missing('targets', 'name the column of the value to learn, one value per sequence.');
  const sequence = source.columns.find(({ name }) => name === request.sequence);
  if (!sequence) throw missing('sequence', `there is no column "${request.sequence}".`);
  const order = request.timeColumn === null || request.timeColumn === '' ? null : source.columns.find(({ name }) => name === request.timeColumn);
  if (order === undefined) throw missing('timeColumn', `there is no column "${request.timeColumn}".`);
  if (order !== null && order.kind !== 'time') numericColumn(order.name, source, file, 'timeColumn');
  const targets = request.targets.map((name) => numericColumn(name, source, file, 'targets'));
  const taken = new Set([request.sequence, request.timeColumn, ...request.targets]);
  const inputs =
    request.inputs.length > 0
      ? request.inputs.map((name) => numericColumn(name, source, file, 'inputs'))
      : source.columns.filter((column) => !taken.has(column.name) && isInput(column));
  if (inputs.length === 0) throw missing('inputs', 'no column of numbers is left for the inputs.');
  for (const { name } of inputs) if (taken.has(name)) throw missing('inputs', `column "${name}" has another role already.`);
  return { sequence, order, inputs, targets };
}

async function gather(source: TableSource, file: string, request: ImportRequest, signal: AbortSignal): Promise<Sequences> {
  const { sequence, order, inputs, targets } = rolesOf(source, file, request);
  // Sequences are numbered where they begin; an empty id is one that is missing.
  const orderBy = order === null ? 'rowid' : `${order.kind === 'time' ? (order.time ?? order.number) : order.number}, rowid`;
  const columns = [
    `(MIN(rowid) OVER (PARTITION BY ${sequence.text}))::DOUBLE AS first`,
    `rowid::DOUBLE AS file_row`,
    `(${sequence.text} IS NULL)::INTEGER::DOUBLE AS no_id`,
    ...inputs.map((column, index) => `${column.number} AS i${index}`),
    ...targets.map((column, index) => `${column.number} AS t${index}`),
  ];
  const sql = `SELECT ${columns.join(', ')} FROM source ORDER BY 1, ${orderBy}`;
  const read = await streamColumns(source.connection, sql, columns.length, source.rows, file, signal);
  const [first, fileRow, noId] = read as [Float64Array, Float64Array, Float64Array];
  const rowOf = (at: number): number => (fileRow[at] as number) + source.firstRow;
  const refused = (at: number, column: string, reason: string): SluiceError => {
    const where = `${file}, row ${rowOf(at)}, column ${column}`;
    return new SluiceError({ code: 'DATASET_PARSE_FAILED', message: `${where}: ${reason}`, where, details: { file, row: rowOf(at), column, reason } });
  };
  const lengths: number[] = [];
  const values = new Float32Array(source.rows * inputs.length);
  const wanted: number[] = [];
  let begun = 0;
  for (let at = 0; at < source.rows; at += 1) {
    if (noId[at] === 1) throw refused(at, sequence.name, 'the row belongs to no sequence. Fill the cell, or leave the row out.');
    inputs.forEach((column, index) => {
      const value = (read[3 + index] as Float64Array)[at] as number;
      if (Number.isNaN(value)) throw refused(at, column.name, 'a value is missing. Fill it in, or leave the sequence out.');
      values[at * inputs.length + index] = value;
    });
    if (at + 1 < source.rows && first[at + 1] === first[at]) continue;
    targets.forEach((column, index) => {
      const cells = read[3 + inputs.length + index] as Float64Array;
      let found = -1;
      for (let row = begun; row <= at; row += 1) {
        if (Number.isNaN(cells[row] as number)) continue;
        if (found >= 0 && cells[row] !== cells[found]) throw refused(row, column.name, `a sequence has one value to learn, but this row says ${cells[row]} and row ${rowOf(found)} says ${cells[found]}.`);
        found = row;
      }
      if (found < 0) throw refused(begun, column.name, 'the sequence that begins here has no value to learn. Fill in one of its rows.');
      wanted.push(cells[found] as number);
    });
    lengths.push(at + 1 - begun);
    begun = at + 1;
  }
  return {
    lengths: Uint32Array.from(lengths),
    split: splitRanges(request.split ?? { shares: [...defaultShares.table] }, lengths.length),
    body: { kind: 'values', columns: inputs.map(({ name }) => name), values, targetColumns: targets.map(({ name }) => name), targets: Float32Array.from(wanted) },
  };
}
