import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { SluiceError, type DatasetPage, type TableDataset, type TableProfile } from '../contracts';
import { formatTime, parseFrequency } from './frequency';
import { checkFile } from './integrity';
import { autocorrelation, meanDeviation, overview } from './series';
import { quoteName, quoteText } from './table-source';
import { columnWithinParts, planWindows, rowMarks, type TableValues } from './table-windows';
import { countWindows } from './windows';

/** Points of an overview: more than any time line has pixels for. */
const overviewBuckets = 1200;

/** The path of a whole `values.bin`. Throws DATASET_DAMAGED. */
export async function checkValues(folder: string, dataset: TableDataset): Promise<string> {
  const path = join(folder, 'values.bin');
  await checkFile(path, dataset.rows * dataset.valueColumns.length * 4, dataset.checksum, 'file');
  return path;
}

/** Reads `values.bin`. Throws DATASET_DAMAGED. */
export async function readValues(folder: string, dataset: TableDataset): Promise<TableValues> {
  const bytes = await readFile(await checkValues(folder, dataset));
  const buffer = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(bytes);
  return { data: new Float32Array(buffer.buffer, buffer.byteOffset, bytes.byteLength / 4), rows: dataset.rows, columns: dataset.valueColumns };
}

/** One column of row-major values. */
export function columnOf({ data, rows, columns }: TableValues, name: string): Float32Array {
  const offset = columns.indexOf(name);
  return Float32Array.from({ length: rows }, (_, row) => data[row * columns.length + offset] as number);
}

function parquet(folder: string): string {
  return `read_parquet(${quoteText(join(folder, 'table.parquet'))}, file_row_number=true)`;
}

/**
 * Times of all rows in milliseconds, null without a time column. The result is read whole: a streamed one
 * ends early, and silently, when another request runs on the same connection meanwhile.
 */
export async function readTimes(connection: DuckDBConnection, folder: string, dataset: TableDataset): Promise<Float64Array | null> {
  if (dataset.timeColumn === null) return null;
  const result = await connection.runAndReadAll(`SELECT epoch_ms(${quoteName(dataset.timeColumn)})::DOUBLE FROM ${parquet(folder)} ORDER BY file_row_number`);
  const times = Float64Array.from(result.getColumns()[0] ?? [], (value) => (typeof value === 'number' ? value : NaN));
  if (times.length === dataset.rows) return times;
  const path = join(folder, 'table.parquet');
  throw new SluiceError({ code: 'DATASET_DAMAGED', message: `${path} is damaged: ${times.length} rows, not ${dataset.rows}. Import the file again.`, where: path });
}

/** Rows `[offset, offset + limit)` as their user knows them: times as text, missing values null. */
export async function readRows(connection: DuckDBConnection, folder: string, dataset: TableDataset, offset: number, limit: number): Promise<DatasetPage> {
  const frequency = parseFrequency(dataset.frequency);
  const expressions = dataset.columns.map(({ name, kind }) => (kind === 'time' ? `epoch_ms(${quoteName(name)})::DOUBLE` : quoteName(name)));
  const result = await connection.runAndReadAll(
    `SELECT ${expressions.map((expression, index) => `${expression} AS c${index}`).join(', ')} FROM ${parquet(folder)} ` +
      `WHERE file_row_number >= ${offset} AND file_row_number < ${offset + limit} ORDER BY file_row_number`,
  );
  const rows = result.getRowsJson() as (string | number | null)[][];
  dataset.columns.forEach(({ kind }, index) => {
    if (kind !== 'time') return;
    for (const row of rows) if (typeof row[index] === 'number') row[index] = formatTime(row[index], frequency);
  });
  return { kind: 'table', total: dataset.rows, offset, rows };
}

/** Columns that a profile describes: more than that nobody looks at, and they would take seconds and a hundred MB. */
const mostProfiled = 64;

/** All columns of numbers, of a wide table only those that a model reads. */
function profiledColumns(dataset: TableDataset): string[] {
  if (dataset.valueColumns.length <= mostProfiled) return dataset.valueColumns;
  return [...dataset.task.targets, ...dataset.task.covariates].slice(0, mostProfiled);
}

/** What the Data screen draws of a table. Works column by column and lets other work go on between. */
export async function profileTable(connection: DuckDBConnection, folder: string, dataset: TableDataset): Promise<TableProfile> {
  const values = await readValues(folder, dataset);
  const times = await readTimes(connection, folder, dataset);
  const frequency = parseFrequency(dataset.frequency);
  const rowsPerBucket = Math.max(1, Math.ceil(dataset.rows / overviewBuckets));
  const lags = Math.min(400, Math.max(24, 4 * dataset.season), Math.floor(dataset.rows / 2));
  const profile: TableProfile = {
    kind: 'table',
    autocorrelation: {},
    overview: {},
    rowsPerBucket,
    times: times && Array.from({ length: Math.ceil(dataset.rows / rowsPerBucket) }, (_, bucket) => formatTime(times[bucket * rowsPerBucket] as number, frequency)),
    scale: {},
    windows: { train: 0, validation: 0, test: 0 },
  };
  for (const name of profiledColumns(dataset)) {
    const column = columnOf(values, name);
    profile.autocorrelation[name] = autocorrelation(column, lags);
    profile.overview[name] = overview(column, rowsPerBucket);
    const scale = meanDeviation(columnWithinParts(values, dataset, name), dataset.split.train);
    if (scale) profile.scale[name] = scale;
    await nextTurn();
  }
  const windows = planWindows(dataset, dataset.task, rowMarks(values, dataset, dataset.task));
  profile.windows = { train: countWindows(windows.train), validation: countWindows(windows.validation), test: countWindows(windows.test) };
  return profile;
}
