/**
 * How times are written in tables, as DuckDB expressions over a trimmed text `v`. Each gives a TIMESTAMP or
 * NULL. A format either reads every value of a column or is not that column's format.
 */
export interface TimeFormat {
  id: string;
  expression(v: string): string;
  /** Also reads plain whole numbers, so a column needs a telling name or place to count as time. */
  isNumeric: boolean;
}

const strptime = (format: string, isNumeric = false): TimeFormat => ({
  id: format,
  expression: (v) => `try_strptime(${v}, '${format}')`,
  isNumeric,
});

const dates = ['%Y/%m/%d', '%Y.%m.%d', '%m/%d/%Y', '%d/%m/%Y', '%d.%m.%Y', '%m-%d-%Y', '%d-%m-%Y'];
const clocks = ['', ' %H:%M', ' %H:%M:%S'];

export const timeFormats: readonly TimeFormat[] = [
  {
    id: 'iso',
    expression: (v) => `CASE WHEN regexp_matches(${v}, '^\\d{4}-\\d{1,2}-\\d{1,2}([T ].*)?$') THEN try_cast(${v} AS TIMESTAMP) END`,
    isNumeric: false,
  },
  strptime('%Y-%m'),
  strptime('%Y/%m'),
  strptime('%Y.%m'),
  ...dates.flatMap((date) => clocks.map((clock) => strptime(date + clock))),
  strptime('%Y년 %m월 %d일'),
  strptime('%Y년 %m월'),
  strptime('%b %Y'),
  strptime('%B %Y'),
  strptime('%b %d, %Y'),
  strptime('%d %b %Y'),
  strptime('%d-%b-%Y'),
  {
    id: 'quarter',
    expression: (v) =>
      `CASE WHEN regexp_matches(${v}, '^\\d{4}[- ]?[Qq][1-4]$') THEN make_timestamp(CAST(left(${v}, 4) AS BIGINT), 3 * CAST(right(${v}, 1) AS BIGINT) - 2, 1, 0, 0, 0) END`,
    isNumeric: false,
  },
  {
    id: 'year',
    expression: (v) => `CASE WHEN regexp_matches(${v}, '^[12]\\d{3}$') THEN make_timestamp(CAST(${v} AS BIGINT), 1, 1, 0, 0, 0) END`,
    isNumeric: true,
  },
  {
    id: 'yyyymm',
    expression: (v) => `CASE WHEN regexp_matches(${v}, '^[12]\\d{3}(0[1-9]|1[0-2])$') THEN try_strptime(${v}, '%Y%m') END`,
    isNumeric: true,
  },
  {
    id: 'yyyymmdd',
    expression: (v) => `CASE WHEN regexp_matches(${v}, '^[12]\\d{7}$') THEN try_strptime(${v}, '%Y%m%d') END`,
    isNumeric: true,
  },
  {
    id: 'unix seconds',
    expression: (v) => `CASE WHEN regexp_matches(${v}, '^\\d{9,10}$') THEN make_timestamp(CAST(${v} AS BIGINT) * 1000000) END`,
    isNumeric: true,
  },
  {
    id: 'unix milliseconds',
    expression: (v) => `CASE WHEN regexp_matches(${v}, '^\\d{12,13}$') THEN make_timestamp(CAST(${v} AS BIGINT) * 1000) END`,
    isNumeric: true,
  },
];

/** Names that say "this column is time" even where its values are plain numbers. */
export function isTimeName(name: string): boolean {
  return /^(date|time|timestamp|datetime|ts|ds|year|yr|month|day|hour|week|period|quarter|epoch|unix)(_?(id|utc|local|time))?$|날짜|일자|일시|시각|시간|연도|년도|년월|^월$|^년$/i.test(
    name.trim(),
  );
}
