import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, existsSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { averageKinds, float32Tensor, lossConfig, lossKinds, metricsRecord, readSafetensors, runConfig, type RunConfigInput, type SluiceError } from '../contracts';
import { loadEngine } from './index';
import type { ModelSpec, NativeEvent, SeriesData, TokenData, TrainJob, TrainingHandle } from './types';

const engine = loadEngine();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-binding-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A text of 11 tokens with a pattern that a small model learns. */
function tokenData(tokens = 6000): TokenData {
  const file = path.join(folder, 'tokens.bin');
  writeFileSync(file, Uint16Array.from({ length: tokens }, (_, i) => (i * i + (i >> 3)) % 11));
  const [a, b] = [Math.floor(tokens * 0.8), Math.floor(tokens * 0.9)];
  return { kind: 'tokens', path: file, bytesPerToken: 2, vocabularySize: 11, split: { train: [0, a], validation: [a, b], test: [b, tokens] } };
}

/** A sine of 24 rows a period with a slow drift, and a second column half a period off. */
function seriesData(): SeriesData {
  const rows = 600;
  const file = path.join(folder, 'values.bin');
  const values = Array.from({ length: rows }, (_, row) => [Math.sin((row * Math.PI) / 12) + row / 300, Math.cos((row * Math.PI) / 12)]);
  writeFileSync(file, Float32Array.from(values.flat()));
  return {
    kind: 'series', path: file, rows, columns: 2, inputs: [0, 1], targetCount: 1,
    scaler: { mean: [1, 0], deviation: [0.9, 0.7] },
    lookback: 24, horizon: 6, subtractLast: true, season: 24,
    windows: { train: [[0, 371]], validation: [[376, 455]], test: [[456, 571]] },
  };
}

function textJob(overrides: Partial<RunConfigInput> = {}, directory = path.join(folder, 'run')): TrainJob {
  const config = runConfig.parse({
    dataset: 'd',
    task: { kind: 'language-model' },
    model: { embeddingSize: 6, layers: [{ cell: 'lstm', hiddenSize: 10, dropout: 0.1 }, { cell: 'gru', hiddenSize: 9 }] },
    training: { batchSize: 4, sequenceLength: 10, maxSteps: 60, ...overrides.training },
    evaluation: { everySteps: 20 },
    checkpoint: { everySteps: 10, keep: 2 },
    ...overrides,
  } satisfies RunConfigInput);
  return {
    run: 'r', directory, config, data: tokenData(), probe: { kind: 'tokens', tokens: [1, 2, 3, 4, 5], everyMs: 20 },
    samplePrompt: [1, 2], threads: 1, resumeFrom: null,
  };
}

function forecastJob(directory = path.join(folder, 'forecast')): TrainJob {
  const config = runConfig.parse({
    dataset: 'd',
    task: { kind: 'forecast', lookback: 24, horizon: 6, targets: ['a'], covariates: ['b'] },
    model: { layers: [{ cell: 'lstm', hiddenSize: 16 }] },
    training: { batchSize: 32, maxSteps: null, maxEpochs: 25, optimizer: { kind: 'adam', learningRate: 0.01 } },
    evaluation: { everySteps: null },
    earlyStopping: { patience: 20 },
  });
  return { run: 'f', directory, config, data: seriesData(), probe: { kind: 'window', start: 376, everyMs: 20 }, samplePrompt: [], threads: 2, resumeFrom: null };
}

interface Watched {
  training: TrainingHandle;
  events: NativeEvent[];
  /** Resolves with the first event of that name, past or to come. */
  next<N extends NativeEvent['event']>(name: N, matches?: (event: Extract<NativeEvent, { event: N }>) => boolean): Promise<Extract<NativeEvent, { event: N }>>;
  frame(): Promise<void>;
}

function watch(job: TrainJob, onEvent: (event: NativeEvent, training: () => TrainingHandle) => void = () => {}): Watched {
  const events: NativeEvent[] = [];
  const waiting: (() => void)[] = [];
  let rings = 0;
  const frames: (() => void)[] = [];
  const training = engine.train(
    job,
    (event) => {
      events.push(event);
      onEvent(event, () => training);
      for (const wake of waiting.splice(0)) wake();
    },
    () => {
      rings += 1;
      for (const wake of frames.splice(0)) wake();
    },
  );
  return {
    training,
    events,
    async next(name, matches = () => true) {
      for (;;) {
        const found = events.find((event): event is Extract<NativeEvent, { event: typeof name }> => event.event === name && matches(event as never));
        if (found) return found;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    frame: () => (rings > 0 ? Promise.resolve() : new Promise<void>((resolve) => frames.push(resolve))),
  };
}

async function trained(job: TrainJob): Promise<NativeEvent[]> {
  const { training, events } = watch(job);
  await training.wait();
  expect(events.filter((event) => event.event === 'failed')).toEqual([]);
  return events;
}

const weights = (directory: string, step: number) => readFileSync(path.join(directory, 'checkpoints', `step-${step}`, 'model.safetensors'));
const optimizer = (directory: string, step: number) => readFileSync(path.join(directory, 'checkpoints', `step-${step}`, 'optimizer.safetensors'));

const specOf = (job: TrainJob): ModelSpec => {
  const data = job.data;
  if (data.kind === 'sequences') throw new RangeError('no job of this file has sequences');
  return {
    input: data.kind === 'tokens' ? { kind: 'tokens', vocabularySize: data.vocabularySize, embeddingSize: job.config.model.embeddingSize } : { kind: 'series', inputSize: data.inputs.length },
    layers: job.config.model.layers,
    head: data.kind === 'tokens' ? { outputSize: data.vocabularySize, mode: 'everyStep' } : { outputSize: data.horizon * data.targetCount, mode: 'lastStep' },
  };
};

describe('what the engine says of itself', () => {
  it('names version, kernel, cores and cells', () => {
    expect(engine.version()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(['avx512', 'avx2', 'neon', 'portable']).toContain(engine.kernel());
    expect(engine.kernelProblem()).toBeNull();
    expect(engine.physicalCores()).toBeGreaterThan(0);
    const cells = engine.cells();
    expect(new Set(cells.map((cell) => cell.name)).size).toBe(cells.length);
    expect(cells.map((cell) => cell.name)).toEqual(expect.arrayContaining(['rnn-tanh', 'rnn-relu', 'lstm', 'lstm-peephole', 'lstm-coupled', 'lstm-no-forget', 'gru']));
    for (const cell of cells) expect(cell.equations.map(({ signal }) => signal)).toEqual(cell.signals.map(({ name }) => name));
    expect(cells.find(({ name }) => name === 'lstm')).toMatchObject({ gateOrder: ['i', 'f', 'g', 'o'], onnx: { operator: 'LSTM', rows: [{ gate: 'i' }, { gate: 'o' }, { gate: 'f' }, { gate: 'g' }] } });
    expect(cells.find(({ name }) => name === 'lstm')?.signals).toContainEqual({ name: 'f', kind: 'openness' });
  });

  it('describes a model and refuses one at its field', () => {
    const spec = specOf(textJob());
    const described = engine.describe(spec, { time: 10, batch: 4 });
    expect(described.tensors).toContainEqual({ name: 'recurrent.weight_ih_l1', shape: [27, 10] });
    expect(described.parameters).toBe(described.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0));
    expect(described.trainingBytes).toBeGreaterThan(engine.describe(spec).trainingBytes);
    spec.layers[1]!.hiddenSize = 0;
    expect(() => engine.describe(spec)).toThrowError(expect.objectContaining({ name: 'SluiceError', code: 'MODEL_INVALID', where: 'layers.1.hiddenSize' }));
  });
});

describe('a configuration', { timeout: 60_000 }, () => {
  it.each([
    ['adam', 'constant'],
    ['adamw', 'cosine'],
    ['sgd', 'step'],
    ['nadam', 'one-cycle'],
    ['rmsprop', 'plateau'],
    ['adagrad', 'constant'],
    ['lion', 'constant'],
  ] as const)('with every default is understood (%s, %s)', async (kind, schedule) => {
    const job = textJob({ training: { optimizer: { kind }, schedule: { kind: schedule }, batchSize: 4, sequenceLength: 10, maxSteps: 2 } });
    const events = await trained(job);
    expect(events.at(-1)).toMatchObject({ event: 'finished', steps: 2, status: 'finished' });
  });

  it.each(averageKinds)('with weights averaged by %s is understood', async (kind) => {
    const job = textJob({ training: { average: { kind }, accumulate: 2, backwardLength: 15, labelSmoothing: 0.1, decay: 'weights-without-embedding', clip: { norm: 1, value: 0.5 }, batchSize: 4, sequenceLength: 10, maxSteps: 2 } });
    expect((await trained(job)).at(-1)).toMatchObject({ event: 'finished', steps: 2 });
    expect(existsSync(path.join(job.directory, 'checkpoints', 'step-2', 'raw.safetensors'))).toBe(kind === 'ema');
  });

  it.each(lossKinds)('with values learned under the loss %s is understood', async (kind) => {
    const job = forecastJob(path.join(folder, `loss-${kind}`));
    job.config.training = { ...job.config.training, loss: lossConfig.parse({ kind }), maxEpochs: 2 };
    const events = await trained(job);
    expect(events.at(-1)).toMatchObject({ event: 'finished', status: 'finished' });
    const { metrics } = events.find((event) => event.event === 'evaluated')!;
    if (!('raw' in metrics)) throw new Error('these are no metrics of a forecast');
    if (kind !== 'huber') expect(metrics.loss).toBeCloseTo(metrics[kind], 12);
    else expect(metrics.loss).toBeLessThan(metrics.mse / 2);
  });

  it('with products of bfloat16 is understood where the processor has them, and refused in one line elsewhere', async () => {
    const { training, events } = watch(textJob({ training: { products: 'bfloat16', batchSize: 4, sequenceLength: 10, maxSteps: 2 } }));
    await training.wait();
    const reason = engine.bfloat16Problem();
    expect(events.at(-1)).toMatchObject(reason === null ? { event: 'finished', steps: 2 } : { event: 'failed', error: { code: 'CONFIG_INVALID', where: 'training.products' } });
    if (reason !== null) expect(JSON.stringify(events.at(-1))).toContain(reason);
  });

  it('with every option of the layers is understood', async () => {
    const layer = { hiddenSize: 10, dropout: 0.2, dropoutKind: 'variational', weightDrop: 0.3, zoneoutHidden: 0.1, zoneoutCell: 0.2, layerNorm: true, residual: true } as const;
    const model: RunConfigInput['model'] = {
      embeddingSize: 10, tieWeights: true, embeddingDropout: 0.1, initialState: 'learned', initialization: { weights: 'glorot-orthogonal', chrono: 20 },
      layers: [{ ...layer, cell: 'lstm' }, { ...layer, cell: 'gru' }],
    };
    const events = await trained(textJob({ model, training: { batchSize: 4, sequenceLength: 10, maxSteps: 2 } }));
    expect(events.at(-1)).toMatchObject({ event: 'finished', steps: 2, status: 'finished' });
  });

  it('with an unknown field is refused, wherever the field is', () => {
    const paths = ['', 'task', 'model', 'model.layers.0', 'model.head', 'model.initialization', 'training', 'training.loss', 'training.optimizer', 'training.schedule', 'training.clip', 'training.average', 'evaluation', 'checkpoint', 'earlyStopping', 'probe'];
    for (const place of paths) {
      const job = structuredClone(textJob());
      let target = job.config as unknown as Record<string, unknown>;
      for (const key of place.split('.').filter(Boolean)) target = target[key] as Record<string, unknown>;
      target.surprise = 1;
      let error: SluiceError | null = null;
      try {
        engine.train(job, () => {}, () => {});
      } catch (thrown) {
        error = thrown as SluiceError;
      }
      expect(error, place).toMatchObject({ code: 'CONFIG_INVALID' });
      expect(error?.message).toContain('surprise');
    }
  });
});

describe('a language model', { timeout: 60_000 }, () => {
  it('learns, writes its files and says so', async () => {
    const job = textJob();
    const events = await trained(job);
    expect(events[0]).toMatchObject({ event: 'started', step: 0, totalSteps: 60, kernel: engine.kernel() });
    const finished = events.at(-1);
    expect(finished).toMatchObject({ event: 'finished', status: 'finished', steps: 60, stoppedEarly: false });
    if (finished?.event !== 'finished') return;
    const { train, validation, test } = finished.metrics;
    for (const metrics of [train, validation, test]) {
      if (!metrics || !('perplexity' in metrics)) throw new Error('no language-model metrics');
      expect(metrics.loss).toBeLessThan(2.2);
      expect(metrics.bitsPerCharacter).toBeCloseTo(metrics.loss / Math.LN2, 12);
      expect(metrics.perplexity).toBeCloseTo(Math.exp(metrics.loss), 10);
    }
    expect(validation).toMatchObject({ tokens: 599 });

    const records = readFileSync(path.join(job.directory, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').map((line) => metricsRecord.parse(JSON.parse(line)));
    expect(records.filter((record) => record.kind === 'step').map((record) => record.step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(records.filter((record) => record.kind === 'evaluation' && record.split === 'validation').map((record) => record.step)).toEqual([20, 40, 60]);
    expect(records.filter((record) => record.kind === 'sample').every((record) => record.tokens.length === 200 && record.tokens.every((token) => token < 11))).toBe(true);

    const trace = readSafetensors(readFileSync(path.join(job.directory, 'traces', 'step-20.safetensors')));
    expect(trace.metadata).toMatchObject({ format: 'sluice-trace/1', run: 'r', step: '20', cells: '["lstm","gru"]' });
    expect(float32Tensor(trace, 'l0.f')?.shape).toEqual([1, 5, 10]);
    expect(float32Tensor(trace, 'l1.z')?.shape).toEqual([1, 5, 9]);
    expect([...(float32Tensor(trace, 'input')?.data ?? [])]).toEqual([1, 2, 3, 4, 5]);
    expect(existsSync(path.join(job.directory, 'traces', 'step-0.safetensors'))).toBe(true);

    const kept = readdirSync(path.join(job.directory, 'checkpoints'));
    expect(kept).toContain('step-60');
    expect(kept).toContain(`step-${finished.bestStep}`);
    expect(kept.length).toBeLessThanOrEqual(3);
    expect(engine.newestCheckpoint(job.directory)).toMatchObject({ step: 60, damaged: [] });
  });

  it('pauses, gives a frame of a new probe, goes on, stops and continues to the same bits', async () => {
    const whole = textJob({}, path.join(folder, 'whole'));
    await trained(whole);

    const job = textJob();
    const watched = watch(job);
    watched.training.pause();
    await watched.next('paused');
    watched.training.setLive(true);
    watched.training.setProbe({ kind: 'tokens', tokens: [7, 8, 9], everyMs: 20 });
    await watched.frame();
    let frame = watched.training.takeFrame();
    while (!frame || float32Tensor(readSafetensors(frame), 'input')?.shape[1] !== 3) {
      await new Promise((resolve) => setImmediate(resolve));
      frame = watched.training.takeFrame() ?? frame;
    }
    expect([...(float32Tensor(readSafetensors(frame), 'input')?.data ?? [])]).toEqual([7, 8, 9]);
    watched.training.resume();
    watched.training.stop();
    await watched.training.wait();
    const finished = watched.events.at(-1);
    expect(finished).toMatchObject({ event: 'finished', status: 'stopped' });

    const newest = engine.newestCheckpoint(job.directory);
    expect(newest).not.toBeNull();
    if (newest) await trained({ ...job, threads: 2, resumeFrom: newest.directory });
    expect(weights(job.directory, 60)).toEqual(weights(whole.directory, 60));
    expect(optimizer(job.directory, 60)).toEqual(optimizer(whole.directory, 60));
  });

  it('is interrupted without a last word and continues to the same bits, past a damaged checkpoint', async () => {
    const whole = textJob({}, path.join(folder, 'whole'));
    await trained(whole);
    const job = textJob();
    const watched = watch(job, (event, training) => {
      if (event.event === 'checkpoint' && event.step === 30) training().interrupt();
    });
    await watched.training.wait();
    expect(watched.events.some((event) => event.event === 'failed')).toBe(false);
    const newest = engine.newestCheckpoint(job.directory);
    if (!newest) throw new Error('no checkpoint');
    truncateSync(path.join(newest.directory, 'model.safetensors'), 100);
    const older = engine.newestCheckpoint(job.directory);
    expect(older?.damaged).toHaveLength(1);
    expect(older?.damaged[0]?.reason).toContain('model.safetensors');
    expect(older?.step).toBeLessThan(newest.step);
    await trained({ ...job, resumeFrom: older?.directory ?? null });
    expect(weights(job.directory, 60)).toEqual(weights(whole.directory, 60));
    const steps = (directory: string) =>
      readFileSync(path.join(directory, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').map((line) => metricsRecord.parse(JSON.parse(line))).map((record) =>
        record.kind === 'step' ? [record.step, record.loss] : [record.kind, record.step],
      );
    expect(steps(job.directory)).toEqual(steps(whole.directory));
  });

  it('changes settings while it is paused, and says what it refuses', async () => {
    const job = textJob();
    const watched = watch(job);
    watched.training.pause();
    const { step } = await watched.next('paused');
    watched.training.change([{ field: 'training.optimizer.learningRate', to: 0.002 }, { field: 'training.maxSteps', to: null }]);
    expect(await watched.next('changed', ({ field }) => field === 'training.maxSteps')).toEqual({ event: 'changed', step, field: 'training.maxSteps', from: 60, to: null, totalSteps: null });
    watched.training.change([{ field: 'training.optimizer.learningRate', to: -1 }]);
    expect(await watched.next('refused')).toMatchObject({ step, error: { code: 'CONFIG_INVALID', where: 'training.optimizer.learningRate' } });
    watched.training.change([{ field: 'training.maxSteps', to: 62 }]);
    watched.training.resume();
    await watched.training.wait();
    expect(watched.events.at(-1)).toMatchObject({ event: 'finished', steps: 62 });
    const records = readFileSync(path.join(job.directory, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').map((line) => metricsRecord.parse(JSON.parse(line)));
    expect(records.filter((record) => record.kind === 'change')).toHaveLength(3);
    expect(records.find((record) => record.kind === 'step' && record.step === 62)).toMatchObject({ learningRate: 0.002 });
    for (const kind of ['movement', 'saturation', 'lags']) expect(records.some((record) => record.kind === kind), kind).toBe(true);
  });

  it('tries learning rates without a run, and stops when told', async () => {
    const { config, data, threads } = textJob();
    const points: number[] = [];
    const result = await engine.rateTest({ config, data, threads, from: 1e-5, to: 10, steps: 40 }, (point) => points.push(point.rate), new AbortController().signal);
    expect(points).toEqual(result.points.map(({ rate }) => rate));
    expect(points[0]).toBeCloseTo(1e-5, 12);
    const controller = new AbortController();
    const cancelled = engine.rateTest({ config, data, threads, from: 1e-5, to: 10, steps: 100_000 }, () => controller.abort(), controller.signal);
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(folder)).toEqual(['tokens.bin']);
  });

  it('that looks ahead is refused with the reason', async () => {
    const job = textJob({ model: { layers: [{ bidirectional: true }] } });
    const watched = watch(job);
    await watched.training.wait();
    expect(watched.events).toMatchObject([{ event: 'failed', error: { code: 'CONFIG_INVALID', where: 'model.layers.0.bidirectional' } }]);
  });

  it('whose loss explodes stops, says where, and keeps the last good checkpoint', async () => {
    const job = textJob({
      training: { optimizer: { kind: 'sgd', learningRate: 100, momentum: 0 }, schedule: { kind: 'step', everySteps: 1, factor: 1 }, clip: { norm: null }, batchSize: 4, sequenceLength: 10, maxSteps: 3000 },
      checkpoint: { everySteps: 1 },
      evaluation: { everySteps: 3000 },
    });
    // Weight decay far above 1 makes the weights grow without bound.
    job.config.training.optimizer = { kind: 'sgd', learningRate: 100, momentum: 0, nesterov: false, weightDecay: 10 };
    const watched = watch(job);
    await watched.training.wait();
    const failed = watched.events.at(-1);
    expect(failed).toMatchObject({ event: 'failed', error: { code: 'LOSS_NOT_FINITE' } });
    if (failed?.event !== 'failed') return;
    expect(failed.error.where).toMatch(/step \d+/);
    const newest = engine.newestCheckpoint(job.directory);
    expect(failed.error.details).toMatchObject({ lastGoodStep: newest?.step });
    expect(newest?.damaged).toEqual([]);
  });

  it('samples the same text for the same seed and traces gradients', async () => {
    const job = textJob();
    await trained(job);
    const model = await engine.loadModel(engine.newestCheckpoint(job.directory)!.directory, specOf(job));
    const request = { prompt: Uint32Array.of(1, 2, 3), length: 50, temperature: 1, topK: 0, topP: 1, seed: 5 };
    const text = await model.sample(request);
    expect(text).toHaveLength(50);
    expect(await model.sample(request)).toEqual(text);
    expect(await model.sample({ ...request, seed: 6 })).not.toEqual(text);
    expect(await model.sample({ ...request, temperature: 0 })).toEqual(await model.sample({ ...request, temperature: 0, seed: 9 }));

    const trace = readSafetensors(await model.trace({ time: 3, batch: 2, tokens: Uint32Array.of(1, 2, 3, 4, 5, 6), series: null, gradients: true, target: null }));
    expect(float32Tensor(trace, 'input')).toMatchObject({ shape: [2, 3], data: Float32Array.of(1, 3, 5, 2, 4, 6) });
    expect(float32Tensor(trace, 'grad.l0.c')?.shape).toEqual([2, 3, 10]);
    expect(float32Tensor(trace, 'grad.l0.c')?.data.some((value) => value !== 0)).toBe(true);

    // The state carried over two calls equals one call.
    const once = await model.forward({ time: 3, batch: 1, tokens: Uint32Array.of(1, 2, 3), series: null, states: {} });
    const first = await model.forward({ time: 2, batch: 1, tokens: Uint32Array.of(1, 2), series: null, states: {} });
    const second = await model.forward({ time: 1, batch: 1, tokens: Uint32Array.of(3), series: null, states: first.states });
    expect(Object.keys(once.states).sort()).toEqual(['c_l0', 'h_l0', 'h_l1']);
    expect([...second.output]).toEqual([...once.output.subarray(22)].map((value) => expect.closeTo(value, 5)));
    await expect(model.forward({ time: 1, batch: 1, tokens: Uint32Array.of(99), series: null, states: {} })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(engine.loadModel(path.join(folder, 'nothing'), specOf(job))).rejects.toMatchObject({ code: 'CHECKPOINT_MISSING' });
  });
});

describe('a forecast', { timeout: 60_000 }, () => {
  it('beats its baselines, traces raw values and gives intervals', async () => {
    const job = forecastJob();
    const events = await trained(job);
    const finished = events.at(-1);
    if (finished?.event !== 'finished') throw new Error('not finished');
    const { test } = finished.metrics;
    if (!test || !('baselines' in test)) throw new Error('no forecast metrics');
    expect(test.windows).toBe(115);
    expect(test.mse).toBeLessThan(test.baselines.last.mse / 4);
    expect(test.raw.mse).toBeCloseTo(test.mse * 0.81, 10);
    // One season before, the series was one drift of 24 / 300 lower.
    expect(test.baselines.seasonal).toMatchObject({ season: 24 });
    expect(test.baselines.seasonal?.mae).toBeCloseTo(24 / 300 / 0.9, 5);

    const directory = engine.newestCheckpoint(job.directory)!.directory;
    const best = path.join(job.directory, 'checkpoints', `step-${finished.bestStep}`);
    expect(await engine.evaluate(job, best, 'test')).toEqual(test);
    const { lower, upper } = await engine.residualQuantiles(job, best, 0.9);
    expect(lower).toHaveLength(6);
    expect(lower.every((value, i) => value < upper[i]!)).toBe(true);

    const trace = readSafetensors(readFileSync(path.join(job.directory, 'traces', 'step-0.safetensors')));
    const values = new Float32Array(readFileSync(job.data.path).buffer.slice(0));
    const target = float32Tensor(trace, 'target');
    expect(target?.shape).toEqual([1, 6, 1]);
    target?.data.forEach((value, h) => expect(value).toBeCloseTo(values[(376 + 24 + h) * 2]!, 5));
    expect(float32Tensor(trace, 'forecast')?.shape).toEqual([1, 6, 1]);
    expect(float32Tensor(trace, 'l0.h')?.shape).toEqual([1, 24, 16]);

    // The model by itself: scaled inputs with the last value off, horizon-major outputs.
    const model = await engine.loadModel(directory, specOf(job));
    const { output } = await model.forward({ time: 24, batch: 3, tokens: null, series: new Float32Array(24 * 3 * 2), states: {} });
    expect(output).toHaveLength(18);
    expect(output.subarray(0, 6)).toEqual(output.subarray(6, 12));
  });

  it('gives the same bits whatever the threads', async () => {
    const one = { ...forecastJob(path.join(folder, 'one')), threads: 1 };
    const two = { ...forecastJob(path.join(folder, 'two')), threads: 2 };
    for (const job of [one, two]) {
      job.config = { ...job.config, training: { ...job.config.training, maxEpochs: 3 } };
      await trained(job);
    }
    expect(weights(one.directory, 36)).toEqual(weights(two.directory, 36));
  });
});

describe('verification', { timeout: 60_000 }, () => {
  it('draws random models whose tensors are those that run', async () => {
    const spec = specOf(forecastJob());
    const model = await engine.randomModel(spec, 3);
    const tensors = model.tensors();
    expect(Object.keys(tensors).sort()).toEqual(engine.describe(spec).tensors.map(({ name }) => name).sort());
    expect(model.parameters()).toBe(engine.describe(spec).parameters);
    expect(tensors['recurrent.weight_hh_l0']?.data.every((value) => Math.abs(value) <= 0.25)).toBe(true);
  });

  it('measures a bench case', async () => {
    const result = await engine.bench(JSON.stringify({ name: 'x', mode: 'train', cell: 'gru', layers: 1, inputSize: 2, outputSize: 1, hiddenSize: 8, batchSize: 4, sequenceLength: 5, threads: 1, steps: 3 }));
    expect(result).toMatchObject({ name: 'x', kernel: engine.kernel() });
    await expect(engine.bench('{"name":"x"}')).rejects.toMatchObject({ name: 'SluiceError' });
  });
});
