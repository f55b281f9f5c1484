import { SluiceError, type Dataset, type GeneratedFrom, type ImportRequestInput, type SequenceDataset, type SplitRequest, type TextEncoding } from '../contracts';
import { cancellable, type Context } from './context';
import { count, figure, table } from './output';

export interface ImportOptions {
  name?: string;
  task?: 'language-model' | 'forecast' | 'regress' | 'binary-vectors';
  target?: string[];
  covariate?: string[];
  sequence?: string;
  input?: string[];
  lowest?: number;
  highest?: number;
  time?: string;
  lookback?: number;
  horizon?: number;
  split?: string;
  subtractLast: boolean;
  scaling: 'standard' | 'none';
  encoding?: TextEncoding;
  delimiter?: string;
}

/** `8640,2880,2880` = rows, `0.7,0.1,0.2` = shares. */
export function parseSplit(text: string): SplitRequest {
  const parts = text.split(',').map((part) => Number(part.trim()));
  const [train, validation, test] = parts;
  if (parts.length !== 3 || train === undefined || validation === undefined || test === undefined || parts.some((part) => !(part > 0) || !Number.isFinite(part))) {
    throw new SluiceError({ code: 'USAGE', message: `--split takes three numbers above 0, rows (8640,2880,2880) or shares (0.7,0.1,0.2); got "${text}"`, where: '--split' });
  }
  return parts.every(Number.isInteger) ? { rows: [train, validation, test] } : { shares: [train, validation, test] };
}

export async function importFiles(context: Context, files: string[], options: ImportOptions): Promise<void> {
  if (files.length > 1) throw new SluiceError({ code: 'USAGE', message: `one file makes a dataset; got ${files.length}`, where: files[1] });
  const request: ImportRequestInput = {
    files: files.map((file) => context.path(file)),
    name: options.name ?? null,
    task: options.task ?? null,
    targets: options.target ?? [],
    covariates: options.covariate ?? [],
    sequence: options.sequence ?? null,
    inputs: options.input ?? [],
    lowest: options.lowest ?? null,
    highest: options.highest ?? null,
    timeColumn: options.time ?? null,
    lookback: options.lookback ?? null,
    horizon: options.horizon ?? null,
    split: options.split === undefined ? null : parseSplit(options.split),
    subtractLast: options.subtractLast,
    scaling: options.scaling,
    encoding: options.encoding ?? null,
    delimiter: options.delimiter ?? null,
  };
  try {
    report(context, await cancellable(context, () => context.workbench.call('datasets.import', { job: 'cli', request })));
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { code, message, details } = error;
    // Data too short for the usual split are the file's, not an option's that nobody gave.
    const where = error.where === 'split' && options.split === undefined ? files[0] : error.where?.replace(/^task\.(lookback|horizon)$/, '$1');
    throw new SluiceError({ code, message, where, details }, { cause: error });
  }
}

/** How to say what a model should beat. */
function baselineText({ baseline: { metric, value } }: GeneratedFrom): string {
  const texts = { mse: `always answering 1 costs a mean squared error of ${figure(value)}`, loss: `answering without memory costs ${figure(value)} nats a step`, accuracy: `guessing is right in ${figure(100 * value)} %`, sequencesRight: `always answering the likeliest symbol gets ${figure(100 * value)} % of the strings right` };
  return `to beat: ${texts[metric]}`;
}

function reportSequences({ output }: Context, dataset: SequenceDataset): void {
  const { id, sequences, steps, shortest, longest, columns, targetColumns, symbols, labels, task, split, warnings, generated } = dataset;
  const names = columns.map(({ name }) => name);
  output.object({ event: 'imported', dataset: id, rows: steps, sequences, shortest, longest, columns: names, targets: targetColumns.map(({ name }) => name), symbols: symbols.length, labels, task, split, warnings, ...(generated && { generated, baseline: generated.baseline }) });
  const what = task.kind === 'regress' ? `inputs ${task.inputs.join(', ')}, targets ${task.targets.join(', ')}` : task.kind === 'binary-vectors' ? `${columns.length} entries (${names[0]} to ${names.at(-1)})` : `${symbols.length} symbols, labels ${labels.join(' ')}`;
  output.line(`dataset ${id}: ${count(sequences)} sequences of ${shortest === longest ? count(longest) : `${count(shortest)} to ${count(longest)}`} steps, ${what}`);
  if (generated) output.line(baselineText(generated));
}

export interface GenerateOptions {
  name?: string;
  length?: number;
  count?: number;
  seed: number;
}

export async function generate(context: Context, task: GeneratedFrom['task'], options: GenerateOptions): Promise<void> {
  const request = { task, name: options.name ?? null, length: options.length ?? null, count: options.count ?? null, seed: options.seed };
  report(context, await cancellable(context, () => context.workbench.call('datasets.generate', { job: 'cli', request })));
}

function report(context: Context, dataset: Dataset): void {
  const { output } = context;
  if (dataset.kind === 'sequences') {
    reportSequences(context, dataset);
    for (const line of table(Object.entries(dataset.split).map(([name, [start, end]]) => [name, count(start), '…', count(end)]))) output.line(line);
    return;
  }
  const { split, warnings } = dataset;
  const size =
    dataset.kind === 'text'
      ? { tokens: dataset.tokens, columns: [], vocabularySize: dataset.vocabularySize }
      : { rows: dataset.rows, columns: dataset.columns.map(({ name, kind, role, missing }) => ({ name, kind, role, missing })), frequency: dataset.frequency, season: dataset.season };
  output.object({ event: 'imported', dataset: dataset.id, ...size, task: dataset.task, split, warnings });
  for (const warning of warnings) if (warning.severity !== 'info') output.message(`${warning.severity}: ${warning.message}`);
  output.line(
    dataset.kind === 'text'
      ? `dataset ${dataset.id}: ${count(dataset.tokens)} tokens, vocabulary of ${count(dataset.vocabularySize)}`
      : `dataset ${dataset.id}: ${count(dataset.rows)} rows, ${dataset.columns.length} columns${dataset.frequency === null ? '' : `, every ${dataset.frequency}`}, lookback ${dataset.task.lookback}, horizon ${dataset.task.horizon}, targets ${dataset.task.targets.join(', ')}`,
  );
  for (const line of table(Object.entries(split).map(([name, [start, end]]) => [name, count(start), '…', count(end)]))) output.line(line);
}
