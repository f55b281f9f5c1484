import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { rowInFile, type ColumnInfo, type FilePreview, type Gap, type ImportRequest, type Problem, type TableDataset } from '../contracts';
import type { JobContext } from '../ports';
import { ensureFolder, nameFromFile } from '../workspace';
import { readBlocks, readHead } from './encoding';
import { columnStatistics, fillGaps, longestFilledGap } from './series';
import { defaultShares, splitRanges } from './split';
import { columnsAtOnce } from './column-inspection';
import { analyseTable, isInput, roleOf, type TableAnalysis } from './table-analysis';
import { convertColumns, databaseError, openTable, quoteName, quoteText, removeFolder, streamColumns, type TableFormat, type TableSource } from './table-source';
import { planWindows, rowMarks } from './table-windows';
import { writeBinary } from './write-binary';

/** Rows that a preview reads; a longer file is only guessed at until it is imported. */
const previewRows = 50_000;
/** Rows that a preview shows. */
const shownRows = 200;

/** Reads the start of a table and says what an import would make of it. `folder` is empty and may be filled. */
export async function previewTable(file: string, format: TableFormat, request: ImportRequest, folder: string, signal: AbortSignal): Promise<FilePreview> {
  const { sizeBytes } = await readHead(file, 4);
  const source = await openTable(file, format, { encoding: request.encoding, delimiter: request.delimiter, limit: previewRows, folder, signal });
  try {
    const analysis = await analyseTable(source, request, signal, true);
    const shown = source.columns.map((column) => (isInput(column) && column !== analysis.time ? column.number : column.text));
    const converted = await convertColumns(source.connection, shown, 'rowid', Math.min(shownRows, source.rows), signal);
    const result = await source.connection.runAndReadAll(`SELECT * FROM ${converted}`);
    return {
      kind: 'table',
      name: basename(file),
      sizeBytes,
      encoding: source.encoding,
      delimiter: source.delimiter,
      rowsRead: source.rows,
      isCut: source.isCut,
      columns: source.columns.map((column) => ({ name: column.name, kind: column === analysis.time ? 'time' : column.kind, role: roleOf(column, analysis) })),
      rows: result.getRowsJson() as (string | number | null)[][],
      problems: [...analysis.problems, ...(await readProblems(source, analysis, basename(file), signal))],
      suggested: {
        ...request,
        task: 'forecast',
        name: request.name ?? nameFromFile(file, 'data'),
        targets: analysis.targets.map((column) => column.name),
        covariates: analysis.covariates.map((column) => column.name),
        timeColumn: analysis.time?.name ?? (request.timeColumn === '' ? '' : null),
        lookback: analysis.lookback,
        horizon: analysis.horizon,
        split: request.split ?? { shares: [...defaultShares.table] },
        encoding: source.encoding,
        delimiter: source.delimiter,
      },
    };
  } catch (error) {
    throw databaseError(error, file);
  } finally {
    source.close();
  }
}

/** What the rows that a preview read say of its targets and covariates, as the import will find it in the whole file. */
async function readProblems(source: TableSource, analysis: TableAnalysis, file: string, signal: AbortSignal): Promise<Problem[]> {
  const { rows } = analysis;
  const isInserted = insertedRows(analysis);
  const problems: Problem[] = [];
  // A column that has to be corrected first has its problem already.
  const columns = [...analysis.targets, ...analysis.covariates].filter((column) => isInput(column) && !column.textValues && !column.tooLarge);
  for (let start = 0; start < columns.length; start += columnsAtOnce) {
    const group = columns.slice(start, start + columnsAtOnce);
    const expressions = group.map((column, index) => `${column.number} AS n${index}`).join(', ');
    const read = await streamColumns(source.connection, `SELECT ${expressions} FROM source ORDER BY ${analysis.order}`, group.length, rows, file, signal);
    for (const [index, column] of group.entries()) {
      const values = read[index] as Float64Array;
      // Nothing is known of what follows the rows that were read: not how long their last gap is, nor whether a column changes.
      const statistics = source.isCut ? null : columnStatistics(values);
      const gaps = fillGaps(values, column.name, longestFilledGap(analysis.season)).filter((gap) => !source.isCut || gap.row + gap.count < rows);
      problems.push(...columnProblems({ name: column.name, statistics }, gaps, isInserted, fileRowOf(source, analysis)));
    }
  }
  return problems;
}

function insertedRows({ rows, inserted }: TableAnalysis): Uint8Array {
  const isInserted = new Uint8Array(rows);
  for (const { row, count } of inserted) isInserted.fill(1, row, row + count);
  return isInserted;
}

/** The number that the file has for a row of the dataset. */
const fileRowOf = ({ firstRow }: TableSource, { inserted }: TableAnalysis) => (row: number) => rowInFile({ firstRow, inserted }, row).row;

async function hashFile(file: string, signal: AbortSignal): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const { bytes } of readBlocks(file, 0, signal)) {
    hash.update(bytes);
    sizeBytes += bytes.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/**
 * Imports a table into `folder` (empty; it becomes the dataset's): table.parquet with typed columns,
 * values.bin with the numbers, and the dataset's description, which the caller writes last.
 */
export async function importTable(
  file: string,
  format: TableFormat,
  request: ImportRequest,
  id: string,
  createdAt: string,
  folder: string,
  job: JobContext,
): Promise<TableDataset> {
  const { signal, progress } = job;
  const report = (phase: string, share: number | null) => progress({ phase, share, rate: null, secondsLeft: null });
  report('reading', 0);
  const { sha256, sizeBytes } = await hashFile(file, signal);
  const scratch = join(folder, 'scratch');
  await ensureFolder(scratch);
  const source = await openTable(file, format, {
    encoding: request.encoding,
    delimiter: request.delimiter,
    limit: null,
    folder: scratch,
    signal,
    progress: (share) => report('reading', 0.5 * share),
  });
  try {
    report('checking', 0.5);
    const analysis = await analyseTable(source, request, signal);
    const { connection, firstRow } = source;
    const { rows, inserted } = analysis;
    const fileRow = fileRowOf(source, analysis);
    const isInserted = insertedRows(analysis);
    const problems: Problem[] = analysis.problems.filter((problem) => problem.severity !== 'error');
    const numeric = source.columns.filter((column) => column !== analysis.time && isInput(column));
    const split = splitRanges(request.split ?? { shares: [...defaultShares.table] }, rows);

    // A few columns at a time: the only whole copy of the table in memory is the one that is written.
    const data = new Float32Array(rows * numeric.length);
    const gaps: Gap[] = [];
    const columns: ColumnInfo[] = source.columns.map((column) => ({
      name: column.name,
      kind: column === analysis.time ? 'time' : numeric.includes(column) ? 'number' : 'text',
      role: roleOf(column, analysis),
      offset: numeric.includes(column) ? numeric.indexOf(column) : null,
      missing: 0,
      statistics: null,
    }));
    for (let start = 0; start < numeric.length; start += columnsAtOnce) {
      const group = numeric.slice(start, start + columnsAtOnce);
      const expressions = group.map((column, index) => `${column.number} AS n${index}`).join(', ');
      const read = await streamColumns(connection, `SELECT ${expressions} FROM source ORDER BY ${analysis.order}`, group.length, rows, basename(file), signal);
      for (const [index, column] of group.entries()) {
        const values = read[index] as Float64Array;
        const offset = start + index;
        const info = columns[source.columns.indexOf(column)] as ColumnInfo;
        info.statistics = columnStatistics(values);
        const found = fillGaps(values, column.name, longestFilledGap(analysis.season));
        info.missing = found.reduce((sum, gap) => sum + gap.count, 0);
        for (const gap of found) gaps.push(gap);
        for (let row = 0; row < rows; row += 1) data[row * numeric.length + offset] = values[row] as number;
        if (info.role !== 'ignored') problems.push(...columnProblems(info, found, isInserted, fileRow));
      }
      report('checking', 0.5 + (0.3 * (start + group.length)) / numeric.length);
      await nextTurn();
    }

    const unused = rows - split.test[1];
    if (unused > 0) {
      problems.push({ severity: 'info', code: 'ROWS_UNUSED', message: `${unused} rows behind the split are not used.`, row: fileRow(split.test[1]), column: null, count: unused });
    }
    const valueColumns = numeric.map((column) => column.name);
    const task: TableDataset['task'] = {
      kind: 'forecast',
      lookback: analysis.lookback,
      horizon: analysis.horizon,
      targets: analysis.targets.map((column) => column.name),
      covariates: analysis.covariates.map((column) => column.name),
      scaling: request.scaling,
      subtractLast: request.subtractLast,
    };
    const dataset: TableDataset = {
      format: 'sluice-dataset/1',
      id,
      createdAt,
      source: { name: basename(file), sizeBytes, sha256, encoding: source.encoding, delimiter: source.delimiter, sample: request.sample },
      split,
      warnings: problems,
      kind: 'table',
      task,
      rows,
      firstRow,
      columns,
      valueColumns,
      timeColumn: analysis.time?.name ?? null,
      frequency: analysis.frequencyText,
      season: analysis.season,
      gaps,
      ...(analysis.breaks.length > 0 && { breaks: analysis.breaks }),
      ...(inserted.length > 0 && { inserted }),
    };
    const marks = rowMarks({ data, rows, columns: valueColumns }, dataset, task);
    if (request.lookback === null) shortenLookback(dataset, marks);
    const windows = planWindows(dataset, dataset.task, marks);
    const inTraining = windows.train.reduce((sum, [start, end]) => sum + end - start, 0);
    if (inTraining < 50) {
      problems.push({ severity: 'info', code: 'SHORT_DATA', message: `Training has only ${inTraining} windows; expect a rough model.`, row: null, column: null, count: inTraining });
    }

    report('writing', 0.85);
    dataset.checksum = await writeBinary(join(folder, 'values.bin'), data, signal);
    const typed = source.columns.map((column, index) => {
      const kind = columns[index]?.kind;
      return (kind === 'time' ? column.time : kind === 'number' ? column.number : column.text) ?? 'NULL';
    });
    const converted = await convertColumns(connection, typed, analysis.order, null, signal);
    const named = source.columns.map((column, index) => `c${index} AS ${quoteName(column.name)}`);
    await connection.run(`COPY (SELECT ${named.join(', ')} FROM ${converted}) TO ${quoteText(join(folder, 'table.parquet'))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)`);
    report('writing', 1);
    return dataset;
  } catch (error) {
    throw databaseError(error, file);
  } finally {
    source.close();
    await removeFolder(scratch);
  }
}

/** A default lookback that no stretch between long gaps can hold is halved until training has windows. */
function shortenLookback(dataset: TableDataset, marks: ReturnType<typeof rowMarks>): void {
  for (let lookback = dataset.task.lookback; lookback >= 1; lookback = Math.floor(lookback / 2)) {
    try {
      planWindows(dataset, { ...dataset.task, lookback }, marks);
    } catch {
      continue;
    }
    dataset.task.lookback = lookback;
    return;
  }
}

/** Problems name rows of the file. Gaps that are only rows absent from it (`isInserted`) are said once for all columns. */
function columnProblems(column: Pick<ColumnInfo, 'name' | 'statistics'>, gaps: Gap[], isInserted: Uint8Array, fileRow: (row: number) => number): Problem[] {
  const problems: Problem[] = [];
  const sum = (list: Gap[]) => list.reduce((total, gap) => total + gap.count, 0);
  const own = gaps.filter((gap) => !gap.filled || isInserted.subarray(gap.row, gap.row + gap.count).includes(0));
  const filled = own.filter((gap) => gap.filled);
  const open = own.filter((gap) => !gap.filled);
  const [first] = filled;
  if (first) {
    const count = sum(filled);
    const row = fileRow(first.row);
    problems.push({ severity: 'warning', code: 'MISSING_INTERPOLATED', message: `Column ${column.name}: ${count} missing values in ${filled.length} short gaps are interpolated, the first in row ${row}.`, row, column: column.name, count });
  }
  for (const gap of open.slice(0, 20)) {
    problems.push({ severity: 'warning', code: 'MISSING_SPLITS_SERIES', message: `Column ${column.name}: ${gap.count} values are missing from row ${fileRow(gap.row)} on; no window crosses them.`, row: fileRow(gap.row), column: column.name, count: gap.count });
  }
  if (open.length > 20) {
    const rest = open.slice(20);
    problems.push({ severity: 'warning', code: 'MISSING_SPLITS_SERIES', message: `Column ${column.name}: ${rest.length} more long gaps (${sum(rest)} values).`, row: fileRow((rest[0] as Gap).row), column: column.name, count: sum(rest) });
  }
  if (column.statistics && column.statistics.deviation === 0) {
    problems.push({ severity: 'warning', code: 'CONSTANT_COLUMN', message: `Column ${column.name} never changes; nothing can be learned from it.`, row: null, column: column.name, count: null });
  }
  return problems;
}
