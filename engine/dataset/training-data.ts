import { join } from 'node:path';
import type { SeriesData, TokenData, TrainingData } from '../binding/types';
import { SluiceError, type Dataset, type ForecastTask, type RunConfig, type TableDataset, type TextDataset } from '../contracts';
import { nearest } from './nearest';
import { sequenceData } from './sequences';
import { meanDeviation } from './series';
import { readValues } from './table-reader';
import { checkTokens } from './token-reader';
import { columnWithinParts, planWindows, rowMarks } from './table-windows';

/** What the engine trains on. Throws CONFIG_INVALID or DATASET_TOO_SHORT at the field, DATASET_DAMAGED. */
export async function trainingData(folder: string, dataset: Dataset, task: RunConfig['task']): Promise<TrainingData> {
  if (dataset.kind === 'text') {
    if (task.kind !== 'language-model') {
      throw new SluiceError({ code: 'CONFIG_INVALID', message: `task.kind: the dataset "${dataset.id}" is text; use "language-model".`, where: 'task.kind', details: { dataset: dataset.id, kind: task.kind } });
    }
    return tokenData(folder, dataset);
  }
  if (dataset.kind === 'sequences') {
    if (task.kind !== dataset.task.kind) {
      throw new SluiceError({ code: 'CONFIG_INVALID', message: `task.kind: the dataset "${dataset.id}" is for ${dataset.task.kind}; use that.`, where: 'task.kind', details: { dataset: dataset.id, kind: task.kind } });
    }
    return sequenceData(folder, dataset, task);
  }
  if (task.kind !== 'forecast') {
    throw new SluiceError({ code: 'CONFIG_INVALID', message: `task.kind: the dataset "${dataset.id}" is a table; use "forecast".`, where: 'task.kind', details: { dataset: dataset.id, kind: task.kind } });
  }
  return seriesData(folder, dataset, task);
}

async function tokenData(folder: string, dataset: TextDataset): Promise<TokenData> {
  const path = await checkTokens(folder, dataset);
  return { kind: 'tokens', path, bytesPerToken: dataset.bytesPerToken, vocabularySize: dataset.vocabularySize, split: dataset.split };
}

/** Throws CONFIG_INVALID where a role names no column of numbers, or one column twice. */
export function checkRoles(dataset: TableDataset, task: Pick<ForecastTask, 'targets' | 'covariates'>): void {
  const seen = new Set<string>();
  for (const field of ['targets', 'covariates'] as const) {
    task[field].forEach((name, index) => {
      const where = `task.${field}.${index}`;
      if (!dataset.valueColumns.includes(name)) {
        const suggestion = nearest(name, dataset.valueColumns);
        const reason = dataset.columns.some((column) => column.name === name) ? 'holds no numbers' : `is not in "${dataset.id}"`;
        throw new SluiceError({
          code: 'CONFIG_INVALID',
          message: `${where}: column "${name}" ${reason}${suggestion ? `; did you mean "${suggestion}"?` : `. Columns of numbers: ${dataset.valueColumns.join(', ')}.`}`,
          where,
          details: { column: name, suggestion },
        });
      }
      if (seen.has(name)) throw new SluiceError({ code: 'CONFIG_INVALID', message: `${where}: column "${name}" is named twice. Give it one role.`, where, details: { column: name } });
      seen.add(name);
    });
  }
}

async function seriesData(folder: string, dataset: TableDataset, task: ForecastTask): Promise<SeriesData> {
  checkRoles(dataset, task);
  const values = await readValues(folder, dataset);
  const windows = planWindows(dataset, task, rowMarks(values, dataset, task));
  const inputs = [...task.targets, ...task.covariates];
  const scaler = { mean: [] as number[], deviation: [] as number[] };
  for (const name of inputs) {
    const fitted = task.scaling === 'standard' ? meanDeviation(columnWithinParts(values, dataset, name), dataset.split.train) : null;
    scaler.mean.push(fitted?.mean ?? 0);
    // A column that is constant in training has no scale of its own.
    scaler.deviation.push(fitted && fitted.deviation > 0 ? fitted.deviation : 1);
  }
  return {
    kind: 'series',
    path: join(folder, 'values.bin'),
    rows: dataset.rows,
    columns: dataset.valueColumns.length,
    inputs: inputs.map((name) => dataset.valueColumns.indexOf(name)),
    targetCount: task.targets.length,
    scaler,
    lookback: task.lookback,
    horizon: task.horizon,
    subtractLast: task.subtractLast,
    season: dataset.season,
    windows,
  };
}
