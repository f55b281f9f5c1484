import { mkdir, open, rm, symlink, copyFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, extname, join, resolve } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { SluiceError } from '../contracts';
import { writeError } from '../workspace';
import { columnsAtOnce, inspectColumns, type SourceColumn } from './column-inspection';
import { detectDialect } from './csv-dialect';
import { readHead, readText, resolveEncoding, TextDecoding, type Encoding } from './encoding';

export interface TableSource {
  connection: DuckDBConnection;
  /** Row number in the file of the table's first row: 2 below a header, 1 otherwise. */
  firstRow: number;
  rows: number;
  /** Not all rows were read: `rows` is where it stopped. */
  isCut: boolean;
  columns: SourceColumn[];
  encoding: Encoding | null;
  delimiter: string | null;
  close(): void;
}

/** Columns of the widest table: memory grows with them, and this many still fit into about one GB. */
const mostColumns = 5000;
/** From here on a table is read by one thread. */
const wideColumns = 500;
/** Cells that a preview reads of a wide table. */
const mostPreviewCells = 1_000_000;
/** Bytes in which delimiter and header are looked for; DuckDB takes no longer line either. */
const dialectBytes = 2_000_000;

export type TableFormat = 'csv' | 'parquet' | 'json';

export function tableFormat(file: string, head: Uint8Array): TableFormat | null {
  const extension = extname(file).toLowerCase();
  if (Buffer.from(head.subarray(0, 4)).toString('latin1') === 'PAR1' || extension === '.parquet') return 'parquet';
  if (['.jsonl', '.ndjson', '.json'].includes(extension)) return 'json';
  if (['.csv', '.tsv', '.tab'].includes(extension)) return 'csv';
  return null;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A DuckDB with its files in `folder` (null: in memory), bounded in memory, that never loads anything from outside. */
export function openInstance(folder: string | null): Promise<DuckDBInstance> {
  return DuckDBInstance.create(folder === null ? ':memory:' : join(folder, 'import.duckdb'), {
    memory_limit: '1GB',
    threads: String(Math.max(1, Math.min(4, cpus().length))),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    ...(folder !== null && { temp_directory: join(folder, 'spill') }),
  });
}

/** A database of one connection, for work that runs one query after another. */
async function openDatabase(folder: string): Promise<{ connection: DuckDBConnection; close(): void }> {
  const instance = await openInstance(folder);
  const connection = await instance.connect();
  // The file is thrown away: putting it in order first would take seconds for a wide table.
  await connection.run('PRAGMA disable_checkpoint_on_shutdown');
  return {
    connection,
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** What DuckDB says, as a coded error with the row where it names one. */
export function databaseError(error: unknown, file: string): unknown {
  if (error instanceof SluiceError || !(error instanceof Error)) return error;
  const { message } = error;
  const name = basename(file);
  if (/No space left|ENOSPC|not enough (disk )?space/i.test(message)) return writeError(Object.assign(new Error(message), { code: 'ENOSPC' }), file);
  if (/INTERRUPT/i.test(message)) return new SluiceError({ code: 'CANCELLED', message: 'The import was cancelled.' });
  const line = /(?:on Line: |in line )(\d+)/i.exec(message)?.[1];
  const row = line === undefined ? null : Number(line);
  const ragged = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  if (/No magic bytes found|too small to be a Parquet file|not a parquet file/i.test(message)) {
    return new SluiceError({ code: 'DATASET_PARSE_FAILED', message: `${name} is not a Parquet file, or only a part of one. Choose another file.`, where: name, details: { file: name, row: null } }, { cause: error });
  }
  if (/out of memory|failed to allocate/i.test(message)) {
    return new SluiceError({ code: 'DATASET_PARSE_FAILED', message: `${name} needs more than the 1 GB of memory that an import may use. Leave out columns, or import it in parts.`, where: name, details: { file: name, row: null } }, { cause: error });
  }
  let reason: string;
  if (ragged) reason = `${ragged[2]} columns found, ${ragged[1]} expected`;
  else if (/unterminated quote/i.test(message)) reason = 'a quote is opened and never closed';
  else if (/Maximum line size/i.test(message)) reason = 'the row is longer than 2 MB (a quote may be left open)';
  else if (/Malformed JSON/i.test(message)) reason = 'not valid JSON';
  else if (/Failed to cast value/i.test(message)) reason = `${/Failed to cast value[^"]*("[^"]*")/i.exec(message)?.[1] ?? 'a value'} is not like the values above it`;
  else reason = (message.split('\n')[0] ?? message).replace(/^\w[\w ]*Error: /, '');
  const where = row === null ? name : `${name}, row ${row}`;
  return new SluiceError(
    {
      code: 'DATASET_PARSE_FAILED',
      message: `${where}: ${reason}. Correct the file, or choose another delimiter.`,
      where,
      details: { file: name, row, ...(ragged && { expected: Number(ragged[1]), found: Number(ragged[2]) }), reason },
    },
    { cause: error },
  );
}

/** DuckDB reads `*`, `?` and `[` in a path as a pattern: such a file gets a plain name beside the database. */
async function plainPath(file: string, folder: string): Promise<string> {
  if (!/[*?[\]{}]/.test(file)) return file;
  const plain = join(folder, `source${extname(file).replace(/[^.\w]/g, '')}`);
  await symlink(resolve(file), plain).catch(() => copyFile(file, plain));
  return plain;
}

/** Very old programs end lines by a return alone. */
function plainLines(text: string): string {
  return text.includes('\n') ? text : text.replaceAll('\r', '\n');
}

function checkWidth(columns: number, file: string): void {
  if (columns <= mostColumns) return;
  const name = basename(file);
  throw new SluiceError({
    code: 'DATASET_PARSE_FAILED',
    message: `${name} has ${columns} columns; a table may have at most ${mostColumns}. Leave out columns, or turn the table so that its rows are times.`,
    where: name,
    details: { file: name, row: null, columns, limit: mostColumns },
  });
}

/** Writes a file of another encoding again as UTF-8, or only checks that a UTF-8 file is text all through. */
async function asUtf8(file: string, encoding: Encoding, bomBytes: number, folder: string, signal: AbortSignal): Promise<string> {
  const target = encoding === 'utf-8' ? null : join(folder, 'source.utf8');
  const output = target === null ? null : await open(target, 'w');
  try {
    for await (const { text } of readText(file, { encoding, bomBytes }, signal)) await output?.writeFile(text);
  } catch (error) {
    throw writeError(error, file);
  } finally {
    await output?.close();
  }
  return target ?? file;
}

export interface OpenTableOptions {
  encoding: Encoding | null;
  delimiter: string | null;
  /** Rows to read; null = all. */
  limit: number | null;
  /** An existing empty folder for the database and for what it spills. */
  folder: string;
  signal: AbortSignal;
  progress?: (share: number) => void;
}

/**
 * Reads a table into a database with one table `source` of columns `c0` …, in file order (`rowid`), and
 * says what each column holds. Throws FILE_* and DATASET_PARSE_FAILED with the row.
 */
export async function openTable(file: string, format: TableFormat, options: OpenTableOptions): Promise<TableSource> {
  const { signal, folder, limit } = options;
  const { head, isWhole } = await readHead(file, dialectBytes);
  await mkdir(join(folder, 'spill'), { recursive: true });
  let encoding: Encoding | null = null;
  let delimiter: string | null = null;
  let firstRow = 1;
  let read: string;
  let names: string[] | null = null;
  if (format === 'csv') {
    const detected = await resolveEncoding(head, isWhole, file, options.encoding, signal);
    encoding = detected.encoding;
    const headText = plainLines(new TextDecoding(file, encoding, detected.bomBytes).decode(head.subarray(detected.bomBytes), isWhole));
    const dialect = detectDialect(headText, isWhole, file, options.delimiter);
    delimiter = dialect.delimiter;
    firstRow = dialect.hasHeader ? 2 : 1;
    names = dialect.names;
    checkWidth(names.length, file);
    // A preview of a long file does not wait for all of it.
    const isChecked = limit === null || encoding !== 'utf-8';
    const path = isChecked ? await asUtf8(file, encoding, detected.bomBytes, folder, signal) : file;
    const columns = names.map((_, index) => `'c${index}': 'VARCHAR'`).join(', ');
    read =
      `read_csv(${quoteText(await plainPath(path, folder))}, delim=${quoteText(delimiter)}, quote='"', escape='"', header=${dialect.hasHeader}, ` +
      `auto_detect=false, columns={${columns}}, strict_mode=true, null_padding=false, ignore_errors=false, nullstr='')`;
  } else {
    if (format === 'json') encoding = 'utf-8';
    // A column's type is settled by all rows that are read: a word behind the ones looked at would end the reading.
    const path = quoteText(await plainPath(file, folder));
    read = format === 'parquet' ? `read_parquet(${path})` : `read_json(${path}, format='auto', sample_size=${limit === null ? -1 : limit})`;
  }

  const database = await openDatabase(folder);
  const { connection } = database;
  const interrupt = () => connection.interrupt();
  signal.addEventListener('abort', interrupt);
  const timer = setInterval(() => {
    const { percentage } = connection.progress;
    if (percentage > 0) options.progress?.(percentage / 100);
  }, 200);
  try {
    signal.throwIfAborted();
    const described = (await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${read}`)).getRowObjectsJson() as { column_name: string; column_type: string }[];
    checkWidth(described.length, file);
    // Every thread holds a block of all columns.
    if (described.length > wideColumns) await connection.run('SET threads = 1');
    const most = limit === null ? null : Math.min(limit, Math.max(200, Math.floor(mostPreviewCells / described.length)));
    // A column of JSON lines that holds numbers and words is JSON to DuckDB: its texts are read as those of a CSV are.
    const isMixed = (type: string) => type === 'JSON';
    const aliases = described.map(({ column_name: name, column_type: type }, index) => `${quoteName(name)}${isMixed(type) ? " ->> '$'" : ''} AS c${index}`).join(', ');
    await connection.run(`CREATE TABLE source AS SELECT ${aliases} FROM ${read} ${most === null ? '' : `LIMIT ${most}`}`);
    const counted = (await connection.runAndReadAll('SELECT count(*)::DOUBLE AS n FROM source')).getRowObjectsJson() as { n: number }[];
    const rows = counted[0]?.n ?? 0;
    if (rows === 0) {
      throw new SluiceError({ code: 'DATASET_PARSE_FAILED', message: `${basename(file)} has no data rows${format === 'csv' ? ', only a header' : ''}. Choose a file with values.`, where: `${basename(file)}, row 2`, details: { file: basename(file), row: 2 } });
    }
    const columns = await inspectColumns(connection, described.map(({ column_name: name, column_type: type }, index) => ({ name: names?.[index] ?? name, type: isMixed(type) ? 'VARCHAR' : type })), delimiter, signal);
    return { connection, firstRow, rows, isCut: rows === most, columns, encoding, delimiter, close: database.close };
  } catch (error) {
    database.close();
    throw databaseError(error, file);
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', interrupt);
  }
}

/**
 * Expressions over table `source` as something to select from, with columns `c0` … in the given order of rows.
 * Those of a wide table are converted part by part into tables of their own. To be called once per database.
 */
export async function convertColumns(connection: DuckDBConnection, expressions: string[], order: string, limit: number | null, signal: AbortSignal): Promise<string> {
  const select = (start: number) =>
    `SELECT ${expressions
      .slice(start, start + columnsAtOnce)
      .map((expression, index) => `${expression} AS c${start + index}`)
      .join(', ')} FROM source ORDER BY ${order}${limit === null ? '' : ` LIMIT ${limit}`}`;
  if (expressions.length <= columnsAtOnce) return `(${select(0)})`;
  const parts: string[] = [];
  for (let start = 0; start < expressions.length; start += columnsAtOnce) {
    signal.throwIfAborted();
    parts.push(`part${start}`);
    await connection.run(`CREATE TABLE part${start} AS ${select(start)}`);
  }
  return parts.join(' POSITIONAL JOIN ');
}

/**
 * Runs a query and hands over its columns as numbers, NULL as NaN. One pass, bounded memory besides the result. The
 * connection must run nothing else meanwhile: another query ends the stream early. Throws DATASET_DAMAGED at
 * `where` unless the query gives exactly `rows` rows.
 */
export async function streamColumns(connection: DuckDBConnection, sql: string, columns: number, rows: number, where: string, signal: AbortSignal): Promise<Float64Array[]> {
  const result = await connection.stream(sql);
  const values = Array.from({ length: columns }, () => new Float64Array(rows));
  let at = 0;
  for (;;) {
    signal.throwIfAborted();
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    for (const [index, into] of values.entries()) {
      const column = chunk.getColumnVector(index);
      for (let row = 0; row < chunk.rowCount; row += 1) {
        const value = column.getItem(row);
        into[at + row] = typeof value === 'number' ? value : NaN;
      }
    }
    at += chunk.rowCount;
  }
  if (at !== rows) {
    throw new SluiceError({ code: 'DATASET_DAMAGED', message: `${where}: ${at} rows were read where there should be ${rows}. Import the file again.`, where, details: { expected: rows, found: at } });
  }
  return values;
}

/** The one column of a query: see `streamColumns`. */
export async function streamNumbers(connection: DuckDBConnection, sql: string, rows: number, where: string, signal: AbortSignal): Promise<Float64Array> {
  const [values] = await streamColumns(connection, sql, 1, rows, where, signal);
  return values as Float64Array;
}

export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => undefined);
}
