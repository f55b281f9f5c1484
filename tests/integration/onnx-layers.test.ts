import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../engine/binding';
import type { SeriesData, TokenData, TrainJob } from '../../engine/binding/types';
import { runConfig, type RunConfigInput } from '../../engine/contracts';
import { OnnxRuntime } from '../../engine/inference';
import { buildModel, type ForecastScaling } from '../../engine/onnx/build';
import { verifyExport } from '../../engine/onnx/verify';
import { exportModel, readWeights } from '../../engine/onnx/weights';
import { dataSizes, modelSpec } from '../../engine/training/model-spec';

/** What stands between layers and where sequences begin, trained for some steps so that nothing is at its start value, exported and compared. */
const engine = loadEngine();
const runtime = new OnnxRuntime();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-layers-'));
});
afterAll(async () => {
  await runtime.dispose();
  rmSync(folder, { recursive: true, force: true });
});

function text(): TokenData {
  const path = join(folder, 'tokens.bin');
  writeFileSync(path, Uint16Array.from({ length: 2000 }, (_, k) => (k * k + Math.floor(k / 7)) % 11));
  return { kind: 'tokens', path, bytesPerToken: 2, vocabularySize: 11, split: { train: [0, 1600], validation: [1600, 1800], test: [1800, 2000] } };
}

function table(): SeriesData {
  const path = join(folder, 'values.bin');
  writeFileSync(path, Float32Array.from({ length: 800 }, (_, k) => Math.sin(k / 5) + (k % 2)));
  return {
    kind: 'series', path, rows: 400, columns: 2, inputs: [0, 1], targetCount: 1, scaler: { mean: [0.5, 0], deviation: [0.9, 0.7] },
    lookback: 12, horizon: 3, subtractLast: true, season: 1, windows: { train: [[0, 300]], validation: [[300, 340]], test: [[340, 380]] },
  };
}

const tasks = { tokens: { kind: 'language-model' }, series: { kind: 'forecast', lookback: 12, horizon: 3, targets: ['a'], covariates: ['b'] } } as const;
let runs = 0;

async function train(data: TokenData | SeriesData, model: RunConfigInput['model'], resumeFrom: string | null = null, threads = 1) {
  const directory = join(folder, `run-${++runs}`);
  const config = runConfig.parse({
    dataset: 'd', task: tasks[data.kind], model,
    training: { batchSize: 8, sequenceLength: 12, maxSteps: 12, optimizer: { kind: 'adam', learningRate: 0.05 } },
    evaluation: { everySteps: 100 },
    checkpoint: { everySteps: 6 },
  });
  const job: TrainJob = {
    run: 'r', directory, config, data, probe: data.kind === 'tokens' ? { kind: 'tokens', tokens: [1, 2], everyMs: 1000 } : { kind: 'window', start: 300, everyMs: 1000 },
    samplePrompt: [], threads, resumeFrom,
  };
  await engine.train(job, () => undefined, () => undefined).wait();
  return { directory, config };
}

async function trained(data: TokenData | SeriesData, model: RunConfigInput['model']) {
  const { directory, config } = await train(data, model);
  const spec = modelSpec(config, dataSizes(data));
  const checkpoint = engine.newestCheckpoint(directory)!.directory;
  return { spec, model: exportModel(spec, await readWeights(checkpoint), engine.cells()), engine: await engine.loadModel(checkpoint, spec) };
}

async function verified(data: TokenData | SeriesData, model: RunConfigInput['model'], stateful: boolean, gates: boolean, opset = 17) {
  const run = await trained(data, model);
  const drawn = await engine.randomModel(run.spec, 1);
  const forecast: ForecastScaling | null = data.kind === 'series' ? { horizon: 3, columns: ['a', 'b'], targetCount: 1, scaler: data.scaler, subtractLast: true } : null;
  const build = { model: run.model, stateful, gates, opset, forecast, metadata: {}, producerVersion: 'test' };
  const path = join(folder, `model-${runs}.onnx`);
  writeFileSync(path, buildModel(build).bytes);
  return verifyExport({
    runtime, threads: 1, path, stateful, gates, model: run.model, engine: run.engine, forecast, tokens: null,
    random: { engine: drawn, model: exportModel(run.spec, drawn.tensors(), engine.cells()) },
    build: (weights, withStates, withGates) => buildModel({ ...build, model: weights, stateful: withStates, gates: withGates }).bytes,
    progress: () => undefined,
    throwIfAborted: () => undefined,
  });
}

const everything: RunConfigInput['model'] = {
  embeddingSize: 18, tieWeights: true, embeddingDropout: 0.1, initialState: 'learned', initialization: { weights: 'glorot-orthogonal', forgetBias: 1 },
  layers: [
    { cell: 'lstm', hiddenSize: 18, layerNorm: true, residual: true, dropout: 0.2, dropoutKind: 'variational', weightDrop: 0.2 },
    { cell: 'gru', hiddenSize: 18, residual: true, dropout: 0.2 },
    { cell: 'rnn-tanh', hiddenSize: 18, layerNorm: true, weightDrop: 0.1 },
  ],
};

describe('an export holds', { timeout: 120_000 }, () => {
  it.each([
    [false, false, 17],
    [true, true, 17],
    [false, true, 15],
  ])('norms, residual connections, learned states and tied weights (stateful %s, gates %s, operator set %i)', async (stateful, gates, opset) => {
    const { passed, greedyEqual } = await verified(text(), everything, stateful, gates, opset);
    expect([passed, greedyEqual]).toEqual([true, true]);
  });

  it.each([false, true])('a forecast of both directions whose last layer has a norm and a residual connection (stateful %s)', async (stateful) => {
    const model: RunConfigInput['model'] = {
      initialState: 'learned',
      layers: [
        { cell: 'gru', hiddenSize: 10 },
        { cell: 'lstm', hiddenSize: 5, bidirectional: true, layerNorm: true, residual: true },
      ],
    };
    expect((await verified(table(), model, stateful, true)).passed).toBe(true);
  });

  const zoned = { zoneoutHidden: 0.15, zoneoutCell: 0.25 };

  it.each([
    [false, false, 17],
    [true, true, 17],
    [true, true, 15],
  ])('zoneout in every layer of a text (stateful %s, gates %s, operator set %i)', async (stateful, gates, opset) => {
    const model: RunConfigInput['model'] = {
      ...everything,
      layers: [...everything.layers!, { cell: 'lstm-projection', hiddenSize: 20, projectionSize: 18 }].map((layer) => ({ ...layer, ...zoned })),
    };
    const { passed, greedyEqual, splitEqual } = await verified(text(), model, stateful, gates, opset);
    expect([passed, greedyEqual, splitEqual]).toEqual([true, true, stateful ? true : null]);
  });

  it.each([false, true])('zoneout in both directions of a forecast, below a cell that reads the mixed c (stateful %s)', async (stateful) => {
    const layer = { hiddenSize: 6, bidirectional: true };
    const model: RunConfigInput['model'] = { initialState: 'learned', layers: [{ cell: 'lstm-peephole', ...layer, ...zoned }, { cell: 'dglstm', ...layer, zoneoutCell: 0.4 }, { cell: 'gru', ...layer, zoneoutHidden: 0.4 }] };
    expect((await verified(table(), model, stateful, true)).passed).toBe(true);
  });
});

it('a training goes on from a checkpoint to the same bits, with other threads', async () => {
  const zoned = { ...everything, layers: everything.layers!.map((layer) => ({ ...layer, zoneoutHidden: 0.1, zoneoutCell: 0.2 })) };
  const file = (directory: string, name: string) => readFileSync(join(directory, 'checkpoints', 'step-12', `${name}.safetensors`));
  const whole = await train(text(), zoned);
  const again = await train(text(), zoned, join(whole.directory, 'checkpoints', 'step-6'), 2);
  for (const name of ['model', 'optimizer', 'states']) expect(file(again.directory, name).equals(file(whole.directory, name)), name).toBe(true);
});
