import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SequenceData } from '../../binding/types';
import { SluiceError, type Range, type RegressTask, type SequenceDataset, type TaskConfig } from '../../contracts';
import { nearest } from '../nearest';
import { checkSequences, sequenceStarts } from './read';

/** What the engine trains on; the scaler is fitted on the training sequences. Throws CONFIG_INVALID at a column, DATASET_DAMAGED. */
export async function sequenceData(folder: string, dataset: SequenceDataset, task: TaskConfig): Promise<SequenceData> {
  const path = await checkSequences(folder, dataset);
  return { kind: 'sequences', path, sequences: dataset.sequences, steps: dataset.steps, content: await contentOf(folder, path, dataset, task), split: dataset.split };
}

async function contentOf(folder: string, path: string, dataset: SequenceDataset, task: TaskConfig): Promise<SequenceData['content']> {
  if (task.kind !== 'regress') {
    return dataset.task.kind === 'label'
      ? { kind: 'labels', vocabularySize: dataset.symbols.length, labelCount: dataset.labels.length }
      : { kind: 'bits', columns: dataset.columns.length };
  }
  const inputs = placesOf(task, 'inputs', dataset.columns.map(({ name }) => name), dataset.id);
  const targets = placesOf(task, 'targets', dataset.targetColumns.map(({ name }) => name), dataset.id);
  const [first, end] = dataset.split.train;
  const starts = await sequenceStarts(folder);
  const columns = dataset.columns.length;
  const targetColumns = dataset.targetColumns.length;
  const isScaled = task.scaling === 'standard';
  return {
    kind: 'values',
    columns,
    inputs,
    scaler: isScaled ? await fitted(path, columns, inputs, [starts[first] as number, starts[end] as number]) : unscaled(inputs.length),
    targetColumns,
    targets,
    targetScaler: isScaled ? await fitted(join(folder, 'targets.bin'), targetColumns, targets, [first, end]) : unscaled(targets.length),
  };
}

const unscaled = (count: number): { mean: number[]; deviation: number[] } => ({ mean: new Array<number>(count).fill(0), deviation: new Array<number>(count).fill(1) });

/** Mean and deviation of columns of a float32 file over rows `[start, end)`. */
async function fitted(path: string, width: number, columns: number[], [start, end]: Range): Promise<{ mean: number[]; deviation: number[] }> {
  const bytes = await readFile(path);
  const at = (row: number, column: number): number => bytes.readFloatLE((row * width + column) * 4);
  const scaler = { mean: [] as number[], deviation: [] as number[] };
  for (const column of columns) {
    let sum = 0;
    for (let row = start; row < end; row += 1) sum += at(row, column);
    const mean = sum / (end - start);
    let squares = 0;
    for (let row = start; row < end; row += 1) squares += (at(row, column) - mean) ** 2;
    const deviation = Math.sqrt(squares / (end - start));
    scaler.mean.push(mean);
    // A column that is constant in training has no scale of its own.
    scaler.deviation.push(deviation > 0 ? deviation : 1);
  }
  return scaler;
}

/** Places of the named columns. Throws CONFIG_INVALID where one is not there or named twice. */
function placesOf(task: RegressTask, field: 'inputs' | 'targets', names: string[], id: string): number[] {
  return task[field].map((name, index) => {
    const where = `task.${field}.${index}`;
    const place = names.indexOf(name);
    if (place < 0) {
      const suggestion = nearest(name, names);
      throw new SluiceError({ code: 'CONFIG_INVALID', message: `${where}: column "${name}" is not among the ${field} of "${id}"${suggestion ? `; did you mean "${suggestion}"?` : `. There are ${names.join(', ')}.`}`, where, details: { column: name, suggestion } });
    }
    if (task[field].indexOf(name) < index) throw new SluiceError({ code: 'CONFIG_INVALID', message: `${where}: column "${name}" is named twice. Name it once.`, where, details: { column: name } });
    return place;
  });
}
