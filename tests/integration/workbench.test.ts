import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { float32Tensor, layerConfig, presetNames, readSafetensors, type RunConfig, type RunEvent, type WorkbenchEvent } from '../../engine/contracts';
import { createWorkbench, type LocalWorkbench } from '../../engine/workbench';
import { samples, temporaryFolder } from '../kit/cli';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
let workbench: LocalWorkbench;
let events: WorkbenchEvent[] = [];

/** The first event that fits, from now or before. */
function event(matches: (event: RunEvent) => boolean): Promise<RunEvent> {
  return new Promise((resolve) => {
    const known = events.find((one) => one.type === 'run' && matches(one.event));
    if (known?.type === 'run') return resolve(known.event);
    const stop = workbench.on((one) => {
      if (one.type !== 'run' || !matches(one.event)) return;
      stop();
      resolve(one.event);
    });
  });
}
const of = (run: string, name: RunEvent['event']) => event((one) => one.run === run && one.event === name);

/** Small and endless enough to be stopped. */
async function config(changes: Partial<RunConfig['training']> = {}): Promise<RunConfig> {
  const preset = await workbench.call('models.preset', { preset: 'char-lstm', dataset: 'play' });
  return {
    ...preset.config,
    model: { ...preset.config.model, embeddingSize: 8, layers: [layerConfig.parse({ hiddenSize: 12 })] },
    training: { ...preset.config.training, batchSize: 8, sequenceLength: 20, maxSteps: 1_000_000, threads: 1, ...changes },
    evaluation: { everySteps: 50 },
    checkpoint: { everySteps: 25, everySeconds: 1000, keep: 2 },
    probe: { text: 'ROMEO: hello', split: 'validation', window: 0, everyMs: 20 },
  };
}

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  workbench = createWorkbench({ workspace, samples });
  workbench.on((one) => events.push(one));
  const text = (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 20_000);
  await workbench.call('datasets.importText', { job: 'i', name: 'play', text });
});
afterEach(() => {
  events = [];
});
afterAll(async () => {
  await workbench.shutdown();
  await folder.remove();
});

describe('requests', () => {
  it('are checked before anything is done, with the field', async () => {
    await expect(workbench.call('runs.sample', { id: 'x', prompt: 'a', length: 0 })).rejects.toMatchObject({ code: 'INPUT_INVALID', where: 'length' });
    await expect(workbench.call('runs.get', { id: '../x' })).rejects.toMatchObject({ code: 'NAME_INVALID' });
    await expect(workbench.call('runs.get', { id: 'x', more: 1 } as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(workbench.call('nothing.such' as never, {} as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(workbench.call('toString' as never, {} as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('say what the machine is', async () => {
    const info = await workbench.call('system.info', {});
    expect(info.workspace).toBe(workspace);
    expect(info.cores).toBeGreaterThan(0);
    expect(info.freeDiskBytes).toBeGreaterThan(0);
    expect((await workbench.call('system.log', {})).some((line) => line.message.includes(info.kernel))).toBe(true);
  });

  it('tell progress of an import and cancel it without a trace', async () => {
    const big = join(folder.path, 'big.txt');
    await writeFile(big, 'Every river finds its own way. '.repeat(1_000_000));
    const seen: string[] = [];
    const stop = workbench.on((one) => {
      if (one.type !== 'progress' || one.progress.job !== 'big') return;
      seen.push(one.progress.phase);
      void workbench.call('jobs.cancel', { job: 'big' });
    });
    await expect(workbench.call('datasets.import', { job: 'big', request: { files: [big], name: 'big' } })).rejects.toMatchObject({ code: 'CANCELLED' });
    stop();
    expect(seen.length).toBeGreaterThan(0);
    expect((await workbench.call('datasets.list', {})).map((one) => one.id)).toEqual(['play']);
    expect(await workbench.call('jobs.cancel', { job: 'big' })).toEqual({ cancelled: false });
  });
});

describe('models', () => {
  it('are described with shapes, parameters, memory and problems at their fields', async () => {
    const { description } = await workbench.call('models.describe', { config: await config() });
    expect(description.problems).toEqual([]);
    const vocabulary = (await workbench.call('datasets.vocabulary', { id: 'play' })).tokens.length;
    const expected = vocabulary * 8 + 4 * 12 * (8 + 12 + 2) + vocabulary * 12 + vocabulary;
    expect(description.parameters).toBe(expected);
    expect(description.blocks.map((block) => [block.kind, block.inputShape, block.outputShape])).toEqual([
      ['embedding', ['B', 'T'], ['B', 'T', 8]],
      ['recurrent', ['B', 'T', 8], ['B', 'T', 12]],
      ['head', ['B', 'T', 12], ['B', 'T', vocabulary]],
    ]);
    expect(description.blocks.reduce((sum, block) => sum + block.parameters, 0)).toBe(expected);
    expect(description.trainingBytes).toBeGreaterThan(expected * 16);
    expect(description.tokensPerStep).toBe(160);
    expect(description.onnx).toMatchObject([{ operator: 'LSTM', cpu: true, cuda: true }]);
    const wrong = await workbench.call('models.describe', { config: { dataset: 'play', model: { layers: [{ hiddenSize: 0 }] } } });
    expect(wrong.config).toBeNull();
    expect(wrong.description.problems).toMatchObject([{ path: 'model.layers.0.hiddenSize' }]);
  });

  it('come as presets before there is a dataset', async () => {
    const { presets, config: sketch } = await workbench.call('models.preset', { preset: 'forecast-gru', dataset: null });
    expect(presets.map(({ name }) => name)).toEqual(presetNames);
    expect(sketch.model.layers[0]?.cell).toBe('gru');
  });
});

describe('runs', () => {
  it('wait for each other, and a waiting one can be stopped', async () => {
    const first = await workbench.call('runs.start', { config: await config(), name: 'first' });
    const second = await workbench.call('runs.start', { config: await config({ maxSteps: 5 }), name: 'second' });
    const third = await workbench.call('runs.start', { config: await config(), name: 'third' });
    expect([first.state, second.state, third.state]).toEqual(['running', 'queued', 'queued']);
    await workbench.call('runs.stop', { id: 'third' });
    expect((await workbench.call('runs.get', { id: 'third' })).state).toBe('stopped');
    await of('first', 'checkpoint');
    await workbench.call('runs.stop', { id: 'first' });
    expect(await workbench.call('runs.get', { id: 'first' })).toMatchObject({ state: 'stopped', error: null });
    await of('second', 'finished');
    expect((await workbench.call('runs.get', { id: 'second' })).state).toBe('finished');
    await expect(workbench.call('runs.continue', { id: 'second' })).rejects.toMatchObject({ code: 'RUN_NOT_ACTIVE' });
    await expect(workbench.call('runs.start', { config: await config(), name: 'first' })).rejects.toMatchObject({ code: 'NAME_TAKEN' });
  });

  it('that only waited when the workbench ended say so, and begin when continued', async () => {
    const place = join(folder.path, 'closing');
    const open = (): LocalWorkbench => createWorkbench({ workspace: place, samples });
    const before = open();
    await before.call('datasets.importText', { job: 'i', name: 'play', text: 'to be or not to be, that is the question. '.repeat(50) });
    const long = { dataset: 'play', model: { layers: [{ hiddenSize: 8 }] }, training: { maxSteps: 1_000_000, batchSize: 2 } };
    await before.call('runs.start', { config: long, name: 'first' });
    await before.call('runs.start', { config: { ...long, training: { ...long.training, maxSteps: 2 } }, name: 'waiting' });
    await before.shutdown();
    const after = open();
    expect(await after.call('runs.get', { id: 'first' })).toMatchObject({ state: 'interrupted', error: null });
    expect(await after.call('runs.get', { id: 'waiting' })).toMatchObject({ state: 'interrupted', startedAt: null, error: { message: expect.stringContaining('waited in the queue') as string } });
    const finished = new Promise((resolve) => after.on((one) => one.type === 'run' && one.event.event === 'finished' && resolve(one.event.run)));
    await after.call('runs.continue', { id: 'waiting' });
    expect(await finished).toBe('waiting');
    expect(await after.call('runs.get', { id: 'waiting' })).toMatchObject({ state: 'finished', error: null });
    await after.shutdown();
  });

  it('pause and resume, and stop while paused', async () => {
    await workbench.call('runs.start', { config: await config(), name: 'pausing' });
    await of('pausing', 'step');
    const { step } = await workbench.call('runs.pause', { id: 'pausing' });
    expect((await workbench.call('runs.get', { id: 'pausing' })).state).toBe('paused');
    await expect(workbench.call('runs.pause', { id: 'pausing' })).rejects.toMatchObject({ code: 'RUN_NOT_ACTIVE' });
    events = [];
    await workbench.call('runs.resume', { id: 'pausing' });
    const later = await event((one) => one.run === 'pausing' && one.event === 'step');
    expect(later.event === 'step' && later.step).toBeGreaterThan(step);
    await workbench.call('runs.pause', { id: 'pausing' });
    await workbench.call('runs.stop', { id: 'pausing' });
    expect((await workbench.call('runs.get', { id: 'pausing' })).state).toBe('stopped');
  });

  it('give live frames only to who watches, of the probe that was asked for, and never twice', async () => {
    await workbench.call('runs.start', { config: await config(), name: 'live' });
    await of('live', 'step');
    expect(workbench.takeFrame('live')).toBeNull();
    const framed = new Promise<void>((resolve) => {
      const stop = workbench.onFrame((run) => {
        if (run === 'live') {
          stop();
          resolve();
        }
      });
    });
    workbench.setLive('live', true);
    await framed;
    const bytes = workbench.takeFrame('live');
    const frame = readSafetensors(bytes ?? new Uint8Array());
    expect(float32Tensor(frame, 'l0.f')?.shape).toEqual([1, 12, 12]);
    const { tokens } = await workbench.call('runs.probe', { id: 'live', probe: { text: 'JULIET', everyMs: 20 } });
    expect(tokens).toBe(6);
    await new Promise<void>((resolve) => {
      const stop = workbench.onFrame(() => {
        const next = workbench.takeFrame('live');
        if (!next || float32Tensor(readSafetensors(next), 'l0.f')?.shape[1] !== 6) return;
        stop();
        resolve();
      });
    });
    await workbench.call('runs.stop', { id: 'live' });
    const details = await workbench.call('runs.get', { id: 'live' });
    expect(details.config.probe.text).toBe('JULIET');
    expect(details.traceSteps.length).toBeGreaterThan(1);
    const recorded = readSafetensors(await workbench.call('runs.trace', { id: 'live', step: details.traceSteps.at(-1) ?? -1 }));
    expect(recorded.metadata['format']).toBe('sluice-trace/1');
    await expect(workbench.call('runs.trace', { id: 'live', step: 999_999_999 })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('keep every step in the log, and events count the time left', async () => {
    await workbench.call('runs.start', { config: await config({ maxSteps: 120 }), name: 'logged' });
    await of('logged', 'finished');
    const records = await workbench.call('runs.metrics', { id: 'logged' });
    expect(records.filter((record) => record.kind === 'step').map((record) => record.step)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    expect((await workbench.call('runs.metrics', { id: 'logged', after: 100 })).every((record) => record.step > 100)).toBe(true);
    const sample = await workbench.call('runs.sample', { id: 'logged', prompt: 'ROMEO', length: 30, temperature: 0 });
    expect(sample.text).toHaveLength(30);
    await expect(workbench.call('runs.sample', { id: 'logged', prompt: 'ROMEO ☃', length: 3 })).rejects.toMatchObject({ where: 'prompt' });
  });

  it('are renamed, deleted and brought back; an active one is not deleted', async () => {
    await workbench.call('runs.start', { config: await config({ maxSteps: 3 }), name: 'short' });
    await of('short', 'finished');
    expect(await workbench.call('runs.rename', { id: 'short', name: 'Kurz 짧다' })).toMatchObject({ id: 'short', name: 'Kurz 짧다' });
    expect((await workbench.call('runs.get', { id: 'Kurz 짧다' })).id).toBe('short');
    await expect(workbench.call('runs.rename', { id: 'short', name: 'logged' })).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    const before = await workbench.call('runs.get', { id: 'short' });
    const { trashed } = await workbench.call('runs.delete', { id: 'short' });
    await expect(workbench.call('runs.get', { id: 'short' })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    expect(await workbench.call('runs.restore', { trashed })).toEqual({ id: 'short' });
    expect(await workbench.call('runs.get', { id: 'short' })).toEqual(before);

    await workbench.call('runs.start', { config: await config(), name: 'busy' });
    await of('busy', 'step');
    await expect(workbench.call('runs.delete', { id: 'busy' })).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    await expect(workbench.call('datasets.delete', { id: 'play' })).rejects.toMatchObject({ code: 'DATASET_IN_USE', details: { run: 'busy' } });
    await workbench.call('runs.stop', { id: 'busy' });
  });

  it('that go on do not show the test of the end before', async () => {
    await workbench.call('runs.start', { config: await config({ maxSteps: 100_000 }), name: 'further' });
    await of('further', 'evaluated');
    await workbench.call('runs.stop', { id: 'further' });
    const stopped = await workbench.call('runs.get', { id: 'further' });
    expect(stopped.metrics.test?.loss).toBeGreaterThan(0);
    const { metrics } = await workbench.call('runs.continue', { id: 'further' });
    expect([metrics.train, metrics.test]).toEqual([null, null]);
    expect(metrics.validation).toEqual(stopped.metrics.validation);
    await workbench.call('runs.stop', { id: 'further' });
    expect((await workbench.call('runs.get', { id: 'further' })).metrics.test?.loss).toBeGreaterThan(0);
  });

  it('follow their dataset when it is renamed', async () => {
    await workbench.call('datasets.rename', { id: 'play', name: 'drama' });
    expect((await workbench.call('runs.get', { id: 'logged' })).dataset).toBe('drama');
    expect((await workbench.call('runs.evaluate', { id: 'logged' })).metrics.loss).toBeGreaterThan(0);
    await workbench.call('datasets.rename', { id: 'drama', name: 'play' });
  });

  it('leave a list readable where one of them is damaged', async () => {
    await mkdir(join(workspace, 'runs', 'broken'), { recursive: true });
    await writeFile(join(workspace, 'runs', 'broken', 'status.json'), '{"for');
    const list = await workbench.call('runs.list', {});
    expect(list.map((run) => run.id)).toContain('logged');
    expect(list.map((run) => run.id)).not.toContain('broken');
    expect((await workbench.call('system.log', {})).some((line) => line.level === 'warning' && line.message.includes('broken'))).toBe(true);
  });

  it('are checkpointed when the workbench ends, read as interrupted, and go on in the next one', async () => {
    await workbench.call('runs.start', { config: await config(), name: 'lasting' });
    await workbench.call('runs.start', { config: await config({ maxSteps: 5 }), name: 'waiting' });
    await of('lasting', 'step');
    await workbench.shutdown();
    workbench = createWorkbench({ workspace, samples });
    workbench.on((one) => events.push(one));
    events = [];
    const lasting = await workbench.call('runs.get', { id: 'lasting' });
    expect(lasting.state).toBe('interrupted');
    expect(lasting.lastCheckpoint).toBe(lasting.step);
    expect((await workbench.call('runs.get', { id: 'waiting' })).state).toBe('interrupted');
    await workbench.call('runs.continue', { id: 'waiting' });
    await of('waiting', 'finished');
    const continued = await workbench.call('runs.continue', { id: 'lasting' });
    expect(continued.state).toBe('running');
    expect(await of('lasting', 'started')).toMatchObject({ step: lasting.step, resumed: true });
    await workbench.call('runs.stop', { id: 'lasting' });
  });

  it('that diverge stop at the last good checkpoint and say where it began', async () => {
    const wild = await config();
    const diverging: RunConfig = { ...wild, training: { ...wild.training, optimizer: { kind: 'sgd', learningRate: 100, momentum: 0.99, nesterov: false, weightDecay: 10 }, clip: { norm: null, value: null } } };
    await workbench.call('runs.start', { config: diverging, name: 'wild' });
    const failed = await of('wild', 'failed');
    expect(failed.event === 'failed' && failed.error.code).toBe('LOSS_NOT_FINITE');
    const details = await workbench.call('runs.get', { id: 'wild' });
    expect(details).toMatchObject({ state: 'failed', error: { code: 'LOSS_NOT_FINITE' } });
    expect(details.error?.where).toMatch(/step \d+/);
  });
});
