import { SluiceError, type ForecastTask, type Range, type SplitName, type TableDataset } from '../contracts';
import { length, splitNames } from './split';
import { countWindows, windowRanges, type RowMarks } from './windows';

/** Values of a table as on disk: `[rows, columns]`, row-major, NaN = missing. */
export interface TableValues {
  data: Float32Array;
  rows: number;
  columns: string[];
}

/** Rows that a filled gap at the end of a part took from a value of the next part: as if they were missing. */
export function rowsFilledAcross(dataset: Pick<TableDataset, 'gaps' | 'split'>, column: string): [number, number][] {
  const borders = splitNames.map((name) => dataset.split[name][1]);
  return dataset.gaps.flatMap((gap) =>
    gap.filled && gap.column === column
      ? borders.filter((border) => gap.row < border && gap.row + gap.count >= border).map((border): [number, number] => [gap.row, Math.min(border, gap.row + gap.count)])
      : [],
  );
}

/** The values of a column with what was filled from the next part taken out again: what a scale is fitted on. */
export function columnWithinParts(values: TableValues, dataset: Pick<TableDataset, 'gaps' | 'split'>, name: string): Float32Array {
  const offset = values.columns.indexOf(name);
  const column = Float32Array.from({ length: values.rows }, (_, row) => values.data[row * values.columns.length + offset] as number);
  for (const [start, end] of rowsFilledAcross(dataset, name)) column.fill(NaN, start, end);
  return column;
}

/** Marks the rows that windows of this task must not touch. Columns must be among those of the values. */
export function rowMarks(values: TableValues, dataset: Pick<TableDataset, 'gaps' | 'split' | 'breaks'>, task: Pick<ForecastTask, 'targets' | 'covariates'>): RowMarks {
  const { data, rows, columns } = values;
  const width = columns.length;
  const marks: RowMarks = { inputMissing: new Uint8Array(rows), targetMissing: new Uint8Array(rows), filled: new Uint8Array(rows), broken: new Uint8Array(rows) };
  for (const row of dataset.breaks ?? []) marks.broken[row] = 1;
  const mark = (name: string, into: Uint8Array[]) => {
    const offset = columns.indexOf(name);
    for (const [start, end] of rowsFilledAcross(dataset, name)) for (const list of into) list.fill(1, start, end);
    for (let row = 0; row < rows; row += 1) if (Number.isNaN(data[row * width + offset])) for (const list of into) list[row] = 1;
  };
  for (const name of task.targets) mark(name, [marks.inputMissing, marks.targetMissing]);
  for (const name of task.covariates) mark(name, [marks.inputMissing]);
  const inputs = new Set([...task.targets, ...task.covariates]);
  for (const gap of dataset.gaps) if (gap.filled && inputs.has(gap.column)) marks.filled.fill(1, gap.row, gap.row + gap.count);
  return marks;
}

/** Largest `n` in `[1, high]` with `works(n)`, where a smaller one works whenever a larger does; 0 = none. */
function largest(high: number, works: (n: number) => boolean): number {
  let low = 0;
  let top = high;
  while (low < top) {
    const middle = Math.ceil((low + top) / 2);
    if (works(middle)) low = middle;
    else top = middle - 1;
  }
  return low;
}

/**
 * Window starts per split. Throws DATASET_TOO_SHORT where a split holds none, with the numbers and with a
 * horizon or lookback that works.
 */
export function planWindows(
  dataset: Pick<TableDataset, 'rows' | 'split' | 'id'>,
  task: Pick<ForecastTask, 'lookback' | 'horizon'>,
  marks: RowMarks,
): Record<SplitName, Range[]> {
  const plan = (lookback: number, horizon: number) => windowRanges(dataset.rows, dataset.split, { lookback, horizon }, marks);
  const works = (lookback: number, horizon: number) => splitNames.every((name) => countWindows(plan(lookback, horizon)[name]) > 0);
  const ranges = plan(task.lookback, task.horizon);
  const short = splitNames.find((name) => countWindows(ranges[name]) === 0);
  if (!short) return ranges;

  const { lookback, horizon } = task;
  const rows = length(dataset.split[short]);
  const bestHorizon = largest(horizon, (value) => works(lookback, value));
  const bestLookback = bestHorizon > 0 ? 0 : largest(lookback, (value) => works(value, horizon));
  let advice: string;
  if (bestHorizon > 0) advice = `A horizon of at most ${bestHorizon} works`;
  else if (bestLookback > 0) advice = `A lookback of at most ${bestLookback} works`;
  else {
    const both = largest(Math.min(lookback, horizon), (value) => works(value, value));
    advice = both > 0 ? `Lookback and horizon of at most ${both} work` : 'Bring more data or another split';
  }
  // The part may be long enough as such: then what is missing in it is the reason.
  const none = new Uint8Array(dataset.rows);
  const unmarked = windowRanges(dataset.rows, dataset.split, task, { inputMissing: none, targetMissing: none, filled: none, broken: none });
  const between = countWindows(unmarked[short]) > 0 ? ' between its missing values and jumps in time' : '';
  const field = bestHorizon > 0 || bestLookback === 0 ? 'horizon' : 'lookback';
  throw new SluiceError({
    code: 'DATASET_TOO_SHORT',
    message: `No window of lookback ${lookback} and horizon ${horizon} fits the ${short} part of ${rows} rows${between}. ${advice}.`,
    where: `task.${field}`,
    details: { part: short, rows, totalRows: dataset.rows, lookback, horizon, largestHorizon: bestHorizon || null, largestLookback: bestLookback || null },
  });
}
