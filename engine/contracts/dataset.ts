import { z } from 'zod';
import { binaryVectorsTask, forecastTask, labelTask, languageModelTask, regressTask } from './run-config';

/** Half-open range of rows or tokens: `[start, end)`. */
export const range = z.tuple([z.int().min(0), z.int().min(0)]);
export type Range = z.infer<typeof range>;

export const split = z.strictObject({ train: range, validation: range, test: range });
export type Split = z.infer<typeof split>;
export type SplitName = keyof Split;

/** A `--split` as given: three integers = rows, three numbers with a fraction = shares. */
export const splitRequest = z.union([
  z.strictObject({ rows: z.tuple([z.int().min(1), z.int().min(1), z.int().min(1)]) }),
  z.strictObject({ shares: z.tuple([z.number().gt(0), z.number().gt(0), z.number().gt(0)]) }),
]);
export type SplitRequest = z.infer<typeof splitRequest>;

export const columnKind = z.enum(['time', 'number', 'text']);
export const columnRole = z.enum(['time', 'target', 'covariate', 'ignored']);
export type ColumnRole = z.infer<typeof columnRole>;

export const columnInfo = z.strictObject({
  name: z.string(),
  kind: columnKind,
  role: columnRole,
  /** Column of `values.bin` (row-major), null where the column is not numeric. */
  offset: z.int().min(0).nullable(),
  missing: z.int().min(0),
  /** Over all rows, NaN left out; null for columns that are not numeric. */
  statistics: z
    .strictObject({ min: z.number(), max: z.number(), mean: z.number(), deviation: z.number(), histogram: z.array(z.int()) })
    .nullable(),
});
export type ColumnInfo = z.infer<typeof columnInfo>;

/** Something found in the data that its user should know; `code` lets the window say it in any language. */
export const problem = z.strictObject({
  severity: z.enum(['info', 'warning', 'error']),
  code: z.enum([
    'MISSING_INTERPOLATED',
    'MISSING_SPLITS_SERIES',
    'TEXT_IN_NUMBER_COLUMN',
    'VALUE_TOO_LARGE',
    'COLUMN_LEFT_OUT',
    'TIME_UNREADABLE',
    'TIME_ABSENT_FILLED',
    'TIME_ABSENT_SPLITS',
    'TIME_CLOCK_CHANGE',
    'TIME_REPEATED',
    'TIME_IRREGULAR',
    'TIME_UNSORTED',
    'UNKNOWN_CHARACTERS',
    'CONSTANT_COLUMN',
    'SHORT_DATA',
    'ROWS_UNUSED',
  ]),
  message: z.string(),
  row: z.int().nullable(),
  column: z.string().nullable(),
  count: z.int().nullable(),
  /** The cell that is wrong, where one is. */
  value: z.string().optional(),
});
export type Problem = z.infer<typeof problem>;

/** A run of missing values in one column: `count` rows from `row` on. */
export const gap = z.strictObject({ column: z.string(), row: z.int(), count: z.int(), filled: z.boolean() });
export type Gap = z.infer<typeof gap>;

const datasetBase = {
  format: z.literal('sluice-dataset/1'),
  /** The name; also the folder's name. */
  id: z.string(),
  createdAt: z.string(),
  source: z.strictObject({
    /** File name without folder. */
    name: z.string(),
    sizeBytes: z.int(),
    sha256: z.string(),
    encoding: z.string().nullable(),
    delimiter: z.string().nullable(),
    sample: z.string().nullable(),
  }),
  split,
  warnings: z.array(problem),
  /** CRC-32 of `values.bin` or `tokens.bin`, eight hexadecimal digits. */
  checksum: z.string().optional(),
};

export const textDataset = z.strictObject({
  ...datasetBase,
  kind: z.literal('text'),
  task: languageModelTask,
  tokens: z.int(),
  /** Bytes per entry of `tokens.bin`, little-endian. */
  bytesPerToken: z.union([z.literal(2), z.literal(4)]),
  vocabularySize: z.int(),
  characters: z.int(),
  words: z.int(),
  lines: z.int(),
  /** Tokens of validation and test that training never sees. */
  unknownTokens: z.int(),
});
export type TextDataset = z.infer<typeof textDataset>;

export const tableDataset = z.strictObject({
  ...datasetBase,
  kind: z.literal('table'),
  task: forecastTask,
  rows: z.int(),
  /** Row number in the source file of row 0: 2 below a header. Problems name rows of the file. */
  firstRow: z.int().min(1).default(2),
  columns: z.array(columnInfo),
  /** Columns of `values.bin`: little-endian float32 `[rows, valueColumns]`, unscaled; short gaps are filled, NaN = still missing. */
  valueColumns: z.array(z.string()),
  timeColumn: z.string().nullable(),
  /** e.g. `hour`, `day`, `week`, `month`, `year`, `15 minutes`; null = no time column or irregular. */
  frequency: z.string().nullable(),
  /** Steps in one season (24 for hours, 12 for months …); 1 = none known. */
  season: z.int().min(1),
  gaps: z.array(gap),
  /** Rows before which time jumps so far that no window crosses. */
  breaks: z.array(z.int().min(1)).optional(),
  /** Rows that the file does not have: their times were absent, their values are gaps. In order. */
  inserted: z.array(z.strictObject({ row: z.int().min(1), count: z.int().min(1) })).optional(),
});
export type TableDataset = z.infer<typeof tableDataset>;

/** The number that the source file has for a row of the table; for a row it does not have, that of the next one. */
export function rowInFile({ firstRow, inserted = [] }: Pick<TableDataset, 'firstRow' | 'inserted'>, row: number): { row: number; isInserted: boolean } {
  let absent = 0;
  for (const stretch of inserted) {
    if (stretch.row > row) break;
    absent += Math.min(stretch.count, row - stretch.row);
    if (row < stretch.row + stretch.count) return { row: row - absent + firstRow, isInserted: true };
  }
  return { row: row - absent + firstRow, isInserted: false };
}

/** The row of the table that has this number in the source file. */
export function rowInTable({ firstRow, inserted = [] }: Pick<TableDataset, 'firstRow' | 'inserted'>, fileRow: number): number {
  let row = fileRow - firstRow;
  for (const stretch of inserted) if (stretch.row <= row) row += stretch.count;
  return row;
}

/** What `generate` made a dataset of, and what a model should beat. */
export const generatedFrom = z.strictObject({
  task: z.enum(['adding', 'copy', 'anbn', 'recall-name']),
  length: z.int(),
  count: z.int(),
  seed: z.int(),
  /** What an answer that remembers nothing reaches on the test part. */
  baseline: z.strictObject({ metric: z.enum(['mse', 'loss', 'accuracy', 'sequencesRight']), value: z.number() }),
});
export type GeneratedFrom = z.infer<typeof generatedFrom>;

const sequenceColumn = z.strictObject({ name: z.string(), min: z.number(), max: z.number() });

/** Sequences one behind the other: `values.bin`, `lengths.bin` (uint32 per sequence), and `targets.bin` where the task has one. */
export const sequenceDataset = z.strictObject({
  ...datasetBase,
  kind: z.literal('sequences'),
  /** `split` counts sequences. */
  task: z.discriminatedUnion('kind', [regressTask, binaryVectorsTask, labelTask]),
  sequences: z.int(),
  /** Of all sequences together. */
  steps: z.int(),
  shortest: z.int(),
  longest: z.int(),
  /** Columns of `values.bin`: float32 `[steps, columns]` (regress), bytes 0 or 1 (binary-vectors); empty for symbols, uint16 `[steps]`. */
  columns: z.array(sequenceColumn),
  /** Columns of `targets.bin`, float32 `[sequences, columns]` (regress). */
  targetColumns: z.array(sequenceColumn),
  /** Number of the first entry of a vector, as the file counts: the lowest note of a piano roll. */
  lowest: z.int().nullable(),
  symbols: z.array(z.string()),
  /** `targets.bin` is uint16 `[steps]` of these, 65535 = none (label). */
  labels: z.array(z.string()),
  generated: generatedFrom.nullable(),
  /** CRC-32 of `lengths.bin` and `targets.bin`. */
  checksums: z.strictObject({ lengths: z.string(), targets: z.string().nullable() }),
});
export type SequenceDataset = z.infer<typeof sequenceDataset>;

export const dataset = z.discriminatedUnion('kind', [textDataset, tableDataset, sequenceDataset]);
export type Dataset = z.infer<typeof dataset>;

/** Encodings of text that can be read; `euc-kr` includes Microsoft's extension CP949. */
export const textEncoding = z.enum(['utf-8', 'utf-16le', 'utf-16be', 'euc-kr']);
export type TextEncoding = z.infer<typeof textEncoding>;

export const importRequest = z.strictObject({
  /** Absolute paths; one file for now. */
  files: z.array(z.string()).min(1),
  name: z.string().nullable().default(null),
  /** null = recognised from the file. */
  task: z.enum(['language-model', 'forecast', 'regress', 'binary-vectors']).nullable().default(null),
  targets: z.array(z.string()).default([]),
  /** regress: column that tells the sequences apart. */
  sequence: z.string().nullable().default(null),
  /** regress: columns of a step; empty = all other columns of numbers. */
  inputs: z.array(z.string()).default([]),
  /** binary-vectors: numbers of the first and the last entry; null = those of the 88 piano keys, 21 and 108. */
  lowest: z.int().min(0).max(100_000).nullable().default(null),
  highest: z.int().min(0).max(100_000).nullable().default(null),
  covariates: z.array(z.string()).default([]),
  /** null = recognised from the file, empty = none. */
  timeColumn: z.string().nullable().default(null),
  lookback: z.int().min(1).nullable().default(null),
  horizon: z.int().min(1).nullable().default(null),
  split: splitRequest.nullable().default(null),
  subtractLast: z.boolean().default(true),
  scaling: z.enum(['standard', 'none']).default('standard'),
  encoding: textEncoding.nullable().default(null),
  delimiter: z.string().length(1).nullable().default(null),
  /** Id of the shipped sample that the files belong to. */
  sample: z.string().nullable().default(null),
});
export type ImportRequest = z.infer<typeof importRequest>;
export type ImportRequestInput = z.input<typeof importRequest>;

/** A task to be made up; `length` and `count` null = the task's usual ones. */
export const generateRequest = z.strictObject({
  task: generatedFrom.shape.task,
  name: z.string().nullable().default(null),
  /** Steps (adding), steps of delay (copy), longest n in training (anbn), words before the question (recall-name). */
  length: z.int().min(2).max(10_000).nullable().default(null),
  /** Training sequences; validation and test get a twentieth each. */
  count: z.int().min(20).max(1_000_000).nullable().default(null),
  seed: z.int().min(0).max(2 ** 48).default(1),
});
export type GenerateRequest = z.infer<typeof generateRequest>;

/** One sequence as its user sees it; which fields are there depends on the task. */
export interface SequenceRow {
  number: number;
  split: SplitName | null;
  length: number;
  /** regress: `[steps][columns]`. */
  values?: number[][];
  targets?: number[];
  /** binary-vectors: which entries are 1 at each step. */
  ones?: number[][];
  /** label. */
  symbols?: string[];
  labels?: (string | null)[];
}

/** What a file holds, seen before it is imported. */
export type FilePreview =
  | { kind: 'sequences'; name: string; sizeBytes: number; sequences: Record<SplitName, number>; steps: number; shortest: number; longest: number; entries: number; first: SequenceRow; suggested: ImportRequest }
  | {
      kind: 'text';
      name: string;
      sizeBytes: number;
      encoding: string;
      /** The first lines, at most 20,000 characters. */
      head: string;
      characters: number | null;
      suggested: ImportRequest;
    }
  | {
      kind: 'table';
      name: string;
      sizeBytes: number;
      encoding: string | null;
      delimiter: string | null;
      rowsRead: number;
      /** The file is longer than what was read. */
      isCut: boolean;
      columns: { name: string; kind: z.infer<typeof columnKind>; role: ColumnRole }[];
      rows: (string | number | null)[][];
      problems: Problem[];
      suggested: ImportRequest;
    };

/** One page of a dataset as its user sees it. */
export type DatasetPage =
  | { kind: 'text'; total: number; offset: number; text: string }
  | { kind: 'sequences'; total: number; offset: number; sequences: SequenceRow[] }
  | { kind: 'table'; total: number; offset: number; rows: (string | number | null)[][] };

export interface TextProfile {
  kind: 'text';
  /** Most frequent first. */
  tokens: { text: string; count: number; split: SplitName | 'all' }[];
  /** Longest lines etc. are not kept: only what the screen shows. */
  lineLengths: { from: number; to: number; count: number }[];
}

export interface TableProfile {
  kind: 'table';
  /** Autocorrelation per numeric column at lags 0…n; NaN pairs left out. */
  autocorrelation: Record<string, number[]>;
  /** min/max per bucket for the split time line: `[min0, max0, min1, max1, …]`, NaN = no value. */
  overview: Record<string, number[]>;
  /** Number of rows in one overview bucket. */
  rowsPerBucket: number;
  /** Labels of the time axis at the start of every bucket, null without a time column. */
  times: string[] | null;
  /** Mean and deviation of the training part, what a run scales with. */
  scale: Record<string, { mean: number; deviation: number; min: number; max: number }>;
  windows: Record<SplitName, number>;
}
export interface SequenceProfile {
  kind: 'sequences';
  /** Sequences by length. */
  lengths: { from: number; to: number; count: number }[];
  /** binary-vectors: share of ones per entry; label: count per label. */
  ones: number[];
  labels: number[];
  /** regress: histogram of the first target. */
  target: { min: number; max: number; mean: number; counts: number[] } | null;
}
export type DatasetProfile = TextProfile | TableProfile | SequenceProfile;

/** A change to a table dataset's task, roles or split. */
export const datasetChange = z.strictObject({
  lookback: z.int().min(1).optional(),
  horizon: z.int().min(1).optional(),
  targets: z.array(z.string()).min(1).optional(),
  covariates: z.array(z.string()).optional(),
  subtractLast: z.boolean().optional(),
  scaling: z.enum(['standard', 'none']).optional(),
  split: splitRequest.optional(),
});
export type DatasetChange = z.infer<typeof datasetChange>;

/** A dataset that ships with the application. */
export interface SampleInfo {
  id: string;
  kind: 'text' | 'table';
  title: { en: string; ko: string };
  description: { en: string; ko: string };
  language: 'en' | 'ko' | null;
  sizeBytes: number;
  licence: string;
  attribution: string;
  preset: string;
}
