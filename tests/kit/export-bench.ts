import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineBinding, ModelSpec, SeriesData, TokenData } from '../../engine/binding/types';
import { runConfig, type RunConfig, type WorkbenchEvent } from '../../engine/contracts';
import { createExportService } from '../../engine/onnx';
import type { DatasetService, JobContext, Ports, RunService } from '../../engine/ports';
import { drawTensors, judgedEngine, judgedModel } from './float64-judge';
import { writeSafetensors } from './safetensors';

export const vocabulary = ['\n', ' ', 'a', 'b', '강', '🙂', '<unk>'];

type Layers = ModelSpec['layers'];
export const layer = (cell: string, hiddenSize: number, bidirectional = false): Layers[number] => ({ cell, hiddenSize, bidirectional, dropout: 0 });

export interface Trained {
  spec: ModelSpec;
  config: RunConfig;
  data: TokenData | SeriesData;
}

export function languageModel(...layers: Layers): Trained {
  return {
    spec: { input: { kind: 'tokens', vocabularySize: vocabulary.length, embeddingSize: 3 }, layers, head: { outputSize: vocabulary.length, mode: 'everyStep' } },
    config: runConfig.parse({ dataset: 'letters', task: { kind: 'language-model' }, model: { embeddingSize: 3, layers } }),
    data: { kind: 'tokens', path: '', bytesPerToken: 2, vocabularySize: vocabulary.length, split: { train: [0, 200], validation: [200, 250], test: [250, 300] } },
  };
}

/** Two targets and a covariate that stands before them in the table. */
export function forecastModel(subtractLast: boolean, ...layers: Layers): Trained {
  return {
    spec: { input: { kind: 'series', inputSize: 3 }, layers, head: { outputSize: 8, mode: 'lastStep' } },
    config: runConfig.parse({
      dataset: 'river',
      task: { kind: 'forecast', lookback: 6, horizon: 4, targets: ['flow', 'level'], covariates: ['rain'], subtractLast },
      model: { layers },
    }),
    data: {
      kind: 'series',
      path: '',
      rows: 40,
      columns: 3,
      inputs: [1, 2, 0],
      targetCount: 2,
      scaler: { mean: [1000, -3, 0.5], deviation: [20, 0.25, 4] },
      lookback: 6,
      horizon: 4,
      subtractLast,
      season: 1,
      windows: { train: [[0, 10]], validation: [[10, 14]], test: [[14, 16], [20, 24]] },
    },
  };
}

/** Row-major `[40, 3]`: rain, flow, level. */
export const riverValues = Float32Array.from({ length: 120 }, (_, k) => [0.5 + Math.sin(k), 1000 + 20 * Math.sin(k / 7), -3 + 0.2 * Math.cos(k / 5)][k % 3]!);

/**
 * The export service over one trained run in a folder of its own, with the float64 judge as its engine.
 * `engineSeed` other than 5 gives the engine other weights than the checkpoint has.
 */
export async function exportBench(trained: Trained, options: { engineSeed?: number } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-exports-'));
  const workspace = join(folder, 'workspace');
  const directory = join(workspace, 'runs', 'run-1', 'checkpoints', 'step-7');
  await mkdir(directory, { recursive: true });
  // Snippets are run where they lie and must find the runtime.
  await symlink(join(import.meta.dirname, '..', '..', 'node_modules'), join(folder, 'node_modules'), 'junction');
  const tensors = drawTensors(trained.spec, 5);
  const text = Uint16Array.from({ length: 300 }, (_, k) => (k * k + 3 * k) % vocabulary.length);
  await writeFile(join(folder, 'tokens.bin'), text);
  const data = { ...trained.data, path: join(folder, 'tokens.bin') };
  await writeFile(join(directory, 'model.safetensors'), writeSafetensors(tensors));
  const engineTensors = drawTensors(trained.spec, options.engineSeed ?? 5);
  const events: WorkbenchEvent[] = [];
  const ports: Ports = {
    workspace,
    samples: folder,
    clock: { now: () => new Date('2026-03-01T12:00:00Z') },
    log: () => undefined,
    events: { emit: (event) => events.push(event) },
    engine: judgedEngine(() => engineTensors) as EngineBinding,
    defaultThreads: () => 1,
  };
  const known: Partial<DatasetService> = {
    tokenizer: () => Promise.resolve({ vocabulary, size: vocabulary.length, unknown: 6, encode: () => new Uint32Array(), decode: () => '' }),
    values: () => Promise.resolve({ data: riverValues, rows: 40, columns: ['rain', 'flow', 'level'], split: { train: [0, 20], validation: [20, 25], test: [25, 40] }, breaks: [], instant: () => null, times: () => null }),
  };
  const run = { id: 'run-1', config: trained.config } as Awaited<ReturnType<RunService['get']>>;
  const prediction = { value: 0, lower: null, upper: null, actual: 1, last: 2, seasonal: null };
  const runs: Partial<RunService> = {
    get: () => Promise.resolve(run),
    checkpoint: () => Promise.resolve({ run, directory, step: 7, data, model: trained.spec }),
    forecast: ({ window = 0 }) =>
      Promise.resolve({
        times: null,
        targets: ['flow', 'level'].map((name) => ({ name, lookback: [], predictions: Array.from({ length: 4 }, () => ({ ...prediction })) })),
        level: null,
        windows: 6,
        window,
        checkpoint: 7,
      }),
  };
  const job: JobContext = { signal: new AbortController().signal, progress: () => undefined };
  const service = createExportService(ports, known as DatasetService, runs as RunService);
  return {
    service,
    ports,
    workspace,
    exports: join(workspace, 'runs', 'run-1', 'exports'),
    folder,
    events,
    job,
    engine: judgedModel(trained.spec, engineTensors),
    async close(): Promise<void> {
      await service.shutdown();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
