import { mkdir, open, rm, symlink, copyFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, extname, join, resolve } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { SluiceError } from '../contracts';
import { writeError } from '../workspace';
import { detectDialect } from './csv-dialect';
import { readHead, readText, resolveEncoding, TextDecoding, type Encoding } from './encoding';
import { isTimeName, timeFormats, type TimeFormat } from './time-column';

/** Texts that mean "no value" in a column of numbers; compared in lower case without blanks around. */
const missingTexts = ['', 'na', 'n/a', '#n/a', 'nan', 'null', 'none', 'missing', '-', '--', '?', '.'];

export type NumberStyle = 'plain' | 'decimal comma' | 'thousands comma';

/** A column as the file holds it, before roles are given. */
export interface SourceColumn {
  name: string;
  kind: 'time' | 'number' | 'text';
  /** Values that are neither numbers nor missing, in a column that mostly holds numbers. */
  textValues: { count: number; row: number; value: string } | null;
  /** Texts read as missing, e.g. `n/a`. */
  markers: { count: number; row: number; value: string } | null;
  /** How the column's times are written; null where they cannot be read as times. */
  timeFormat: TimeFormat | null;
  /** SQL over table `source`: DOUBLE or NULL, TIMESTAMP or NULL, VARCHAR or NULL. */
  number: string;
  time: string | null;
  text: string;
}

export interface TableSource {
  connection: DuckDBConnection;
  /** Row number in the file of the table's first row: 2 below a header, 1 otherwise. */
  firstRow: number;
  rows: number;
  columns: SourceColumn[];
  encoding: Encoding | null;
  delimiter: string | null;
  close(): void;
}

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
  let reason: string;
  if (ragged) reason = `${ragged[2]} columns found, ${ragged[1]} expected`;
  else if (/unterminated quote/i.test(message)) reason = 'a quote is opened and never closed';
  else if (/Malformed JSON/i.test(message)) reason = 'not valid JSON';
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

/** Writes a UTF-16 file again as UTF-8, or only checks that a UTF-8 file is text all through. */
async function asUtf8(file: string, encoding: Encoding, bomBytes: number, folder: string, signal: AbortSignal): Promise<string> {
  const target = encoding === 'utf-8' ? null : join(folder, 'source.utf8');
  const output = target === null ? null : await open(target, 'w');
  try {
    for await (const { text } of readText(file, { encoding, bomBytes }, signal)) await output?.write(text);
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
  const { head, isWhole } = await readHead(file);
  await mkdir(join(folder, 'spill'), { recursive: true });
  let encoding: Encoding | null = null;
  let delimiter: string | null = null;
  let firstRow = 1;
  let read: string;
  let names: string[] | null = null;
  if (format === 'csv') {
    const detected = resolveEncoding(head, isWhole, file, options.encoding);
    encoding = detected.encoding;
    const headText = new TextDecoding(file, encoding, detected.bomBytes).decode(head.subarray(detected.bomBytes), isWhole);
    const dialect = detectDialect(headText, isWhole, file, options.delimiter);
    delimiter = dialect.delimiter;
    firstRow = dialect.hasHeader ? 2 : 1;
    names = dialect.names;
    // A preview of a long file does not wait for all of it.
    const isChecked = limit === null || encoding !== 'utf-8';
    const path = isChecked ? await asUtf8(file, encoding, detected.bomBytes, folder, signal) : file;
    const columns = names.map((_, index) => `'c${index}': 'VARCHAR'`).join(', ');
    read =
      `read_csv(${quoteText(await plainPath(path, folder))}, delim=${quoteText(delimiter)}, quote='"', escape='"', header=${dialect.hasHeader}, ` +
      `auto_detect=false, columns={${columns}}, strict_mode=true, null_padding=false, ignore_errors=false, nullstr='')`;
  } else {
    if (format === 'json') encoding = 'utf-8';
    const path = quoteText(await plainPath(file, folder));
    read = format === 'parquet' ? `read_parquet(${path})` : `read_json(${path}, format='auto', sample_size=20480)`;
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
    const aliases = described.map(({ column_name: name }, index) => `${quoteName(name)} AS c${index}`).join(', ');
    await connection.run(`CREATE TABLE source AS SELECT ${aliases} FROM ${read} ${limit === null ? '' : `LIMIT ${limit}`}`);
    const counted = (await connection.runAndReadAll('SELECT count(*)::DOUBLE AS n FROM source')).getRowObjectsJson() as { n: number }[];
    const rows = counted[0]?.n ?? 0;
    if (rows === 0) {
      throw new SluiceError({ code: 'DATASET_PARSE_FAILED', message: `${basename(file)} has no data rows${format === 'csv' ? ', only a header' : ''}. Choose a file with values.`, where: `${basename(file)}, row 2`, details: { file: basename(file), row: 2 } });
    }
    const columns: SourceColumn[] = [];
    for (const [index, { column_name: name, column_type: type }] of described.entries()) {
      signal.throwIfAborted();
      columns.push(await inspectColumn(connection, `c${index}`, names?.[index] ?? name, type, index, delimiter));
    }
    return { connection, firstRow, rows, columns, encoding, delimiter, close: database.close };
  } catch (error) {
    database.close();
    throw databaseError(error, file);
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', interrupt);
  }
}

const plainNumber = "'[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?'";
/** Values beyond float32 cannot be trained on and count as missing. */
const finite = (expression: string) => `CASE WHEN abs(${expression}) <= 3.4e38 THEN ${expression} END`;

async function inspectColumn(connection: DuckDBConnection, id: string, name: string, type: string, index: number, delimiter: string | null): Promise<SourceColumn> {
  const base = { name, textValues: null, markers: null, timeFormat: null, text: `CAST(${id} AS VARCHAR)` };
  if (/^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|U\w+INT|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN)$/.test(type)) {
    const time = await findTimeFormat(connection, base.text, name, index, true);
    return { ...base, kind: time?.isCertain ? 'time' : 'number', timeFormat: time?.format ?? null, number: finite(`CAST(${id} AS DOUBLE)`), time: time?.format.expression(base.text) ?? null };
  }
  if (/^(DATE|TIMESTAMP.*)$/.test(type)) return { ...base, kind: 'time', number: 'CAST(NULL AS DOUBLE)', time: `CAST(${id} AS TIMESTAMP)` };
  if (type !== 'VARCHAR') return { ...base, kind: 'text', number: 'CAST(NULL AS DOUBLE)', time: null };

  const v = `trim(${id})`;
  const isMissing = `(${id} IS NULL OR lower(${v}) IN (${missingTexts.map(quoteText).join(', ')}))`;
  const isPlain = `regexp_full_match(${v}, ${plainNumber})`;
  const isDecimalComma = `regexp_full_match(${v}, '[+-]?\\d+,\\d+')`;
  const isThousands = `regexp_full_match(${v}, '[+-]?\\d{1,3}(,\\d{3})+(\\.\\d+)?')`;
  const isText = `NOT ${isMissing} AND NOT ${isPlain}`;
  const result = await connection.runAndReadAll(`SELECT
    count(*) FILTER (NOT ${isMissing} AND ${isPlain})::DOUBLE AS plain,
    count(*) FILTER (${isText})::DOUBLE AS texts,
    count(*) FILTER (NOT ${isMissing} AND ${isDecimalComma})::DOUBLE AS commas,
    count(*) FILTER (NOT ${isMissing} AND ${isThousands})::DOUBLE AS thousands,
    min(rowid) FILTER (${isText})::DOUBLE AS textRow, arg_min(${id}, rowid) FILTER (${isText}) AS textValue,
    count(*) FILTER (${isMissing} AND ${v} <> '')::DOUBLE AS markers,
    min(rowid) FILTER (${isMissing} AND ${v} <> '')::DOUBLE AS markerRow,
    arg_min(${id}, rowid) FILTER (${isMissing} AND ${v} <> '') AS marker
    FROM source`);
  const facts = result.getRowObjectsJson()[0] as Record<'plain' | 'texts' | 'commas' | 'thousands' | 'textRow' | 'markers' | 'markerRow', number> & { textValue: string; marker: string };
  let style: NumberStyle = 'plain';
  if (facts.texts > 0 && delimiter !== ',' && facts.commas === facts.texts) style = 'decimal comma';
  else if (facts.texts > 0 && facts.thousands === facts.texts) style = 'thousands comma';
  const texts = style === 'plain' ? facts.texts : 0;
  const plain = style === 'plain' ? facts.plain : facts.plain + facts.texts;
  const cleaned = style === 'decimal comma' ? `replace(${v}, ',', '.')` : style === 'thousands comma' ? `replace(${v}, ',', '')` : v;
  // What is no number, missing texts among it, gives an empty match and so NULL.
  const number = finite(`try_cast(regexp_extract(${cleaned}, '^' || ${plainNumber} || '$') AS DOUBLE)`);
  const time = await findTimeFormat(connection, v, name, index, texts === 0 && plain > 0);
  const markers = facts.markers > 0 ? { count: facts.markers, row: facts.markerRow, value: facts.marker } : null;
  const isNumber = plain > 0 && plain >= texts;
  return {
    ...base,
    kind: time?.isCertain ? 'time' : isNumber ? 'number' : 'text',
    textValues: isNumber && texts > 0 ? { count: texts, row: facts.textRow, value: facts.textValue } : null,
    markers: isNumber && !time?.isCertain ? markers : null,
    timeFormat: time?.format ?? null,
    number,
    time: time?.format.expression(v) ?? null,
  };
}

/**
 * The format in which every value of a column is a time. Whole numbers are times for certain only under a
 * telling name, or as a first column that only rises. Of several formats (3/4/2024) the one in time order wins.
 */
async function findTimeFormat(
  connection: DuckDBConnection,
  v: string,
  name: string,
  index: number,
  isNumber: boolean,
): Promise<{ format: TimeFormat; isCertain: boolean } | null> {
  const possible = timeFormats.filter((format) => format.isNumeric === isNumber);
  const counts = (where: string, formats: readonly TimeFormat[]) =>
    `SELECT count(*)::DOUBLE AS n, ${formats.map((format, at) => `count(${format.expression(v)})::DOUBLE AS f${at}`).join(', ')} FROM source ${where}`;
  // Most columns fail on their first rows; only what is left is counted over all.
  const first = (await connection.runAndReadAll(counts('WHERE rowid < 200', possible))).getRowObjectsJson()[0] as Record<string, number>;
  const left = possible.filter((_, at) => first[`f${at}`] === first['n']);
  if (left.length === 0) return null;
  const all = (await connection.runAndReadAll(counts('', left))).getRowObjectsJson()[0] as Record<string, number>;
  const whole = left.filter((_, at) => all[`f${at}`] === all['n']);
  let best: { format: TimeFormat; falls: number } | null = null;
  for (const format of whole) {
    const t = format.expression(v);
    const result = await connection.runAndReadAll(`SELECT count(*) FILTER (t <= before)::DOUBLE AS falls FROM (SELECT ${t} AS t, lag(${t}) OVER (ORDER BY rowid) AS before FROM source)`);
    const { falls } = result.getRowObjectsJson()[0] as { falls: number };
    if (!best || falls < best.falls) best = { format, falls };
  }
  if (!best) return null;
  return { format: best.format, isCertain: !isNumber || isTimeName(name) || (index === 0 && best.falls === 0 && (all['n'] as number) > 2) };
}

/** Columns that one query converts. Every step of an expression takes memory, and those of a thousand columns more than there is. */
const columnsAtOnce = 32;

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
 * Runs a query and hands over its first column as numbers, NULL as NaN. One pass, bounded memory. The
 * connection must run nothing else meanwhile: another query ends the stream early. Throws DATASET_DAMAGED at
 * `where` unless the query gives exactly `rows` rows.
 */
export async function streamNumbers(connection: DuckDBConnection, sql: string, rows: number, where: string, signal: AbortSignal): Promise<Float64Array> {
  const result = await connection.stream(sql);
  const values = new Float64Array(rows);
  let at = 0;
  for (;;) {
    signal.throwIfAborted();
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    const column = chunk.getColumnVector(0);
    for (let row = 0; row < chunk.rowCount; row += 1, at += 1) {
      const value = column.getItem(row);
      values[at] = typeof value === 'number' ? value : NaN;
    }
  }
  if (at !== rows) {
    throw new SluiceError({ code: 'DATASET_DAMAGED', message: `${where}: ${at} rows were read where there should be ${rows}. Import the file again.`, where, details: { expected: rows, found: at } });
  }
  return values;
}

export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => undefined);
}
