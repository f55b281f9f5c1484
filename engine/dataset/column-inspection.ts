import type { DuckDBConnection } from '@duckdb/node-api';
import { isTimeName, timeFormats, type TimeFormat } from './time-column';

/** Texts that mean "no value" in a column of numbers; compared in lower case without blanks around. */
const missingTexts = ['na', 'n/a', '#n/a', 'nan', 'null', 'none', 'missing', '-', '--', '?', '.'];

/** `european` is a decimal comma with dots between thousands: 1.234,5. */
type NumberStyle = 'plain' | 'decimal comma' | 'thousands comma' | 'european';

/** Values of one sort in a column: how many, and the first with its row (0 = the table's first). */
export interface Found {
  count: number;
  row: number;
  value: string;
}

/** A column as the file holds it, before roles are given. */
export interface SourceColumn {
  name: string;
  kind: 'time' | 'number' | 'text';
  /** Cells that hold something: neither empty nor a text that means so. */
  values: number;
  /** Values that are neither numbers nor missing, in a column that mostly holds numbers. */
  textValues: Found | null;
  /** Numbers beyond what float32 holds, infinity among them. */
  tooLarge: Found | null;
  /** Texts read as missing, e.g. `n/a`. */
  markers: Found | null;
  /** Values that are no time, in a column whose other values are times. */
  noTimes: Found | null;
  /** How the column's times are written; null where they cannot be read as times. */
  timeFormat: TimeFormat | null;
  /** SQL over table `source`: DOUBLE or NULL, TIMESTAMP or NULL, VARCHAR or NULL. */
  number: string;
  time: string | null;
  text: string;
}

/** Columns that one query looks at or converts. Every step of an expression takes memory, and those of a thousand columns more than there is. */
export const columnsAtOnce = 32;

const plainNumber = "'[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?'";
const largest = '3.4028234e38';
/** Values beyond float32 cannot be trained on; in a column that nobody uses they count as missing. */
const finite = (expression: string) => `CASE WHEN abs(${expression}) <= ${largest} THEN ${expression} END`;
/** Whole numbers that may be years, months, days or clocks of a computer: see `timeFormats`. */
const timeDigits = "'\\d{4}|\\d{6}|\\d{8,10}|\\d{12,13}'";

const quoteText = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** What a value is; the numbers stand in queries. */
const kinds = { empty: 0, marker: 1, number: 2, fraction: 3, timeNumber: 4, tooLarge: 5, decimalComma: 6, thousands: 7, commaEither: 8, european: 9, text: 10 } as const;
type ValueKind = keyof typeof kinds;

/** SQL that gives the kind of a text value `v`. */
const kindOfText = `CASE
  WHEN v IS NULL OR v = '' THEN ${kinds.empty}
  WHEN regexp_full_match(v, ${plainNumber}) THEN CASE
    WHEN regexp_full_match(v, ${timeDigits}) THEN ${kinds.timeNumber}
    WHEN NOT coalesce(abs(try_cast(v AS DOUBLE)) <= ${largest}, false) THEN ${kinds.tooLarge}
    WHEN regexp_matches(v, '[.eE]') AND NOT regexp_full_match(v, '[+-]?\\d{1,3}(\\.\\d{3})+') THEN ${kinds.fraction}
    ELSE ${kinds.number} END
  WHEN lower(v) IN (${missingTexts.map(quoteText).join(', ')}) THEN ${kinds.marker}
  WHEN regexp_full_match(v, '[+-]?\\d{1,3}(,\\d{3})+(\\.\\d+)?') THEN
    CASE WHEN regexp_full_match(v, '[+-]?\\d+,\\d+') THEN ${kinds.commaEither} ELSE ${kinds.thousands} END
  WHEN regexp_full_match(v, '[+-]?\\d+,\\d+') THEN ${kinds.decimalComma}
  WHEN regexp_full_match(v, '[+-]?\\d{1,3}(\\.\\d{3})+,\\d+') THEN ${kinds.european}
  ELSE ${kinds.text} END`;

/** The same for the text of a value that the file itself calls a number or a truth. */
const kindOfNumber = `CASE
  WHEN v IS NULL OR v = 'nan' THEN ${kinds.empty}
  WHEN regexp_full_match(v, ${timeDigits}) THEN ${kinds.timeNumber}
  WHEN abs(try_cast(v AS DOUBLE)) > ${largest} THEN ${kinds.tooLarge}
  ELSE ${kinds.number} END`;

type Sort = 'text' | 'number' | 'time' | 'other';

function sortOf(type: string): Sort {
  if (type === 'VARCHAR') return 'text';
  if (/^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|U\w+INT|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN)$/.test(type)) return 'number';
  return /^(DATE|TIMESTAMP.*)$/.test(type) ? 'time' : 'other';
}

/** How many values of each kind a column holds, and the first of several kinds. */
interface Counts {
  of(...kinds: readonly ValueKind[]): number;
  first(kinds: readonly ValueKind[]): Found | null;
}

/**
 * One query for a group of columns, their values below each other: a query for each would plan the whole table
 * again every time, and one with all counts of all columns side by side takes a minute to plan.
 */
async function countKinds(connection: DuckDBConnection, columns: string[], kind: string): Promise<Counts[]> {
  const result = await connection.runAndReadAll(`SELECT place, kind, count(*)::DOUBLE AS n, min(r)::DOUBLE AS first_row, arg_min(v, r) AS first_value FROM (
    SELECT r, place, v, ${kind} AS kind FROM (
      SELECT rowid AS r, unnest(range(${columns.length})) AS place, trim(unnest([${columns.map((id) => `CAST(${id} AS VARCHAR)`).join(', ')}])) AS v FROM source
    )) GROUP BY place, kind`);
  const groups = result.getRowsJson() as [string | number, number, number, number, string | null][];
  return columns.map((_, index) => {
    const found = new Map(groups.filter(([at]) => Number(at) === index).map(([, code, count, row, value]) => [code, { count, row, value: value ?? '' }]));
    const present = (wanted: readonly ValueKind[]) => wanted.flatMap((name) => found.get(kinds[name]) ?? []);
    const sum = (wanted: readonly ValueKind[]) => present(wanted).reduce((total, { count }) => total + count, 0);
    return {
      of: (...wanted) => sum(wanted),
      first: (wanted) => {
        const [earliest] = present(wanted).sort((a, b) => a.row - b.row);
        return earliest ? { ...earliest, count: sum(wanted) } : null;
      },
    };
  });
}

/** What each column of table `source` (columns `c0` …) holds. `names` and `types` in the order of the file. */
export async function inspectColumns(connection: DuckDBConnection, columns: { name: string; type: string }[], delimiter: string | null, signal: AbortSignal): Promise<SourceColumn[]> {
  const found: SourceColumn[] = [];
  for (let start = 0; start < columns.length; start += columnsAtOnce) {
    signal.throwIfAborted();
    const group = columns.slice(start, start + columnsAtOnce).map(({ name, type }, at) => ({ name, index: start + at, id: `c${start + at}`, type, sort: sortOf(type) }));
    const counts = new Map<string, Counts>();
    for (const sort of ['text', 'number'] as const) {
      const ids = group.filter((column) => column.sort === sort).map(({ id }) => id);
      if (ids.length === 0) continue;
      const counted = await countKinds(connection, ids, sort === 'text' ? kindOfText : kindOfNumber);
      ids.forEach((id, index) => counts.set(id, counted[index] as Counts));
    }
    for (const column of group) found.push(await describeColumn(connection, column, counts.get(column.id), delimiter));
  }
  return found;
}

/** How the commas of a column are to be read, where all of them can be read one way. */
function numberStyle(counts: Counts, delimiter: string | null): NumberStyle {
  if (delimiter !== ',' && counts.of('thousands') === 0) {
    if (counts.of('european') === 0) return 'decimal comma';
    // A dot is either between thousands or before a fraction.
    return counts.of('fraction') === 0 ? 'european' : 'plain';
  }
  return counts.of('decimalComma') === 0 && counts.of('european') === 0 ? 'thousands comma' : 'plain';
}

async function describeColumn(
  connection: DuckDBConnection,
  { name, index, id, type, sort }: { name: string; index: number; id: string; type: string; sort: Sort },
  counts: Counts | undefined,
  delimiter: string | null,
): Promise<SourceColumn> {
  const base = { name, values: 0, textValues: null, tooLarge: null, markers: null, noTimes: null, timeFormat: null, text: `CAST(${id} AS VARCHAR)` };
  if (!counts) {
    // A time with a zone counts from 1970 in UTC; DuckDB's own cast would need an extension.
    const time = sort === 'time' ? (type === 'TIMESTAMP WITH TIME ZONE' ? `make_timestamp(epoch_us(${id}))` : `CAST(${id} AS TIMESTAMP)`) : null;
    return { ...base, kind: time === null ? 'text' : 'time', number: 'CAST(NULL AS DOUBLE)', time };
  }
  const tooLarge = counts.first(['tooLarge']);
  const values = counts.of('number', 'fraction', 'timeNumber', 'tooLarge', 'decimalComma', 'thousands', 'commaEither', 'european', 'text');
  if (sort === 'number') {
    const isPossible = counts.of('number', 'tooLarge') === 0 && counts.of('timeNumber') > 0;
    const time = isPossible ? await findTimeFormat(connection, base.text, name, index, true) : null;
    // A column without any value offers nothing to learn from, as in a text file.
    const hasNumbers = counts.of('number', 'timeNumber', 'tooLarge') > 0;
    return { ...base, values, tooLarge, kind: time?.isCertain ? 'time' : hasNumbers ? 'number' : 'text', noTimes: time?.noTimes ?? null, timeFormat: time?.format ?? null, number: finite(`CAST(${id} AS DOUBLE)`), time: time?.format.expression(base.text) ?? null };
  }

  const v = `trim(${id})`;
  const commas = counts.of('decimalComma', 'thousands', 'commaEither', 'european');
  const style = counts.of('text') > 0 || commas === 0 ? 'plain' : numberStyle(counts, delimiter);
  const textKinds: ValueKind[] = style === 'plain' ? ['text', 'decimalComma', 'thousands', 'commaEither', 'european'] : [];
  const texts = counts.of(...textKinds);
  const fractions = counts.of('number', 'fraction', 'tooLarge');
  const numbers = fractions + counts.of('timeNumber') + (style === 'plain' ? 0 : commas);
  const cleaned = { plain: v, 'decimal comma': `replace(${v}, ',', '.')`, 'thousands comma': `replace(${v}, ',', '')`, european: `replace(replace(${v}, '.', ''), ',', '.')` }[style];
  // What is no number, missing texts among it, gives an empty match and so NULL.
  const number = finite(`try_cast(regexp_extract(${cleaned}, '^' || ${plainNumber} || '$') AS DOUBLE)`);
  // Numbers with a fraction are no times, and in a wide table they are most of it; nor are they in a column with one typing error.
  const isNumeric = texts === 0 && numbers > 0;
  const isPossible = isNumeric ? fractions === 0 && commas === 0 : texts >= numbers;
  const time = isPossible ? await findTimeFormat(connection, v, name, index, isNumeric) : null;
  const isNumber = numbers > 0 && numbers >= texts;
  const isTime = time?.isCertain === true;
  return {
    ...base,
    values,
    kind: isTime ? 'time' : isNumber ? 'number' : 'text',
    textValues: isNumber && !isTime ? counts.first(textKinds) : null,
    tooLarge: isNumber && !isTime ? tooLarge : null,
    markers: isNumber && !isTime ? counts.first(['marker']) : null,
    noTimes: time?.noTimes ?? null,
    timeFormat: time?.format ?? null,
    number,
    time: time?.format.expression(v) ?? null,
  };
}

/** A format must read this share of a column for the rest to be called mistakes. */
const tellingShare = 0.5;

/**
 * The format in which the values of a column are times; values that it does not read are `noTimes`. Whole numbers
 * are times for certain only under a telling name, or as a first column that only rises. Of several formats
 * (3/4/2024) the one in time order wins.
 */
async function findTimeFormat(
  connection: DuckDBConnection,
  v: string,
  name: string,
  index: number,
  isNumber: boolean,
): Promise<{ format: TimeFormat; isCertain: boolean; noTimes: Found | null } | null> {
  const possible = timeFormats.filter((format) => format.isNumeric === isNumber);
  const counts = async (where: string, formats: readonly TimeFormat[]) => {
    const result = await connection.runAndReadAll(`SELECT count(*)::DOUBLE AS n, ${formats.map((format, at) => `count(${format.expression(v)})::DOUBLE AS f${at}`).join(', ')} FROM source ${where}`);
    const row = result.getRowObjectsJson()[0] as Record<string, number>;
    return formats.map((format, at) => ({ format, share: (row[`f${at}`] as number) / Math.max(1, row['n'] as number), rows: row['n'] as number }));
  };
  // Most columns fail on their first rows; only what is left is counted over all.
  const first = (await counts('WHERE rowid < 200', possible)).filter(({ share }) => share >= tellingShare);
  if (first.length === 0) return null;
  const all = (await counts('', first.map(({ format }) => format))).filter(({ share }) => share >= tellingShare);
  const most = Math.max(0, ...all.map(({ share }) => share));
  let best: { format: TimeFormat; falls: number; rows: number } | null = null;
  for (const { format, rows } of all.filter(({ share }) => share === most)) {
    const t = format.expression(v);
    const result = await connection.runAndReadAll(`SELECT count(*) FILTER (t <= before)::DOUBLE AS falls FROM (SELECT ${t} AS t, lag(${t}) OVER (ORDER BY rowid) AS before FROM source)`);
    const { falls } = result.getRowObjectsJson()[0] as { falls: number };
    if (!best || falls < best.falls) best = { format, falls, rows };
  }
  if (!best) return null;
  const isCertain = !isNumber || isTimeName(name) || (index === 0 && best.falls === 0 && best.rows > 2 && most === 1);
  if (most === 1) return { format: best.format, isCertain, noTimes: null };
  const t = best.format.expression(v);
  const result = await connection.runAndReadAll(`SELECT count(*)::DOUBLE AS n, min(rowid)::DOUBLE AS at, arg_min(${v}, rowid) AS value FROM source WHERE ${t} IS NULL`);
  const { n, at, value } = result.getRowObjectsJson()[0] as { n: number; at: number; value: string | null };
  return { format: best.format, isCertain, noTimes: { count: n, row: at, value: value ?? '' } };
}
