import { open } from 'node:fs/promises';
import type { SeriesData, TokenData } from '../binding/types';
import { SluiceError, type RunConfig } from '../contracts';
import type { RuntimeTensor } from '../inference';
import type { DatasetService, RunService } from '../ports';
import type { ForecastScaling } from './build';

/** What an export takes from its run and dataset. */

/** Symbols and labels of a dataset of labelled sequences; none of another. */
export async function symbolsOf(datasets: DatasetService, id: string): Promise<{ symbols: string[]; labels: string[] }> {
  const dataset = await datasets.get({ id });
  return dataset.kind === 'sequences' ? dataset : { symbols: [], labels: [] };
}

/** How a forecast's raw values are scaled, as its run's data say. */
export function scalingOf({ task }: RunConfig, data: SeriesData): ForecastScaling {
  const columns = task.kind === 'forecast' ? [...task.targets, ...task.covariates] : [];
  return { horizon: data.horizon, columns, targetCount: data.targetCount, scaler: data.scaler, subtractLast: data.subtractLast };
}

/** Raw values of a test window's lookback, `[1, lookback, inputs]`. */
export async function windowOf(datasets: DatasetService, data: SeriesData, run: string, window: number, runs: RunService): Promise<RuntimeTensor> {
  const { config } = await runs.get({ id: run });
  const { data: values } = await datasets.values(config.dataset);
  let left = window;
  const range = data.windows.test.find(([start, end]) => {
    if (left < end - start) return true;
    left -= end - start;
    return false;
  });
  if (!range) throw new SluiceError({ code: 'INPUT_INVALID', message: `The test part has no window ${window}.`, where: 'window' });
  const first = range[0] + left;
  const size = data.inputs.length;
  const rows = Float32Array.from({ length: data.lookback * size }, (_, k) => values[(first + Math.floor(k / size)) * data.columns + data.inputs[k % size]!]!);
  return { type: 'float32', shape: [1, data.lookback, size], data: rows };
}

/** The first tokens of the validation part: what the file will be used on, and what training never saw. */
export async function validationTokens({ path, bytesPerToken, split }: TokenData): Promise<Uint32Array> {
  const [start, end] = split.validation;
  const count = Math.min(end - start, 50_000);
  const bytes = new Uint8Array(count * bytesPerToken);
  const file = await open(path, 'r');
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start * bytesPerToken);
    const tokens = bytesPerToken === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
    return Uint32Array.from(tokens.subarray(0, Math.floor(bytesRead / bytesPerToken)));
  } finally {
    await file.close();
  }
}

/** What a text begins with in the example programs: a line of the probe, or a character that the vocabulary has. */
export function examplePrompt(config: RunConfig, vocabulary: string[] | null): string {
  const probe = config.probe.text?.split('\n').find((line) => line.trim() !== '');
  if (probe) return Array.from(probe).slice(0, 40).join('');
  return vocabulary?.includes('\n') ? '\n' : (vocabulary?.[0] ?? '');
}
