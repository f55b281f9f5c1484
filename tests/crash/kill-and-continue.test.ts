import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeEvents } from '../../engine/training/tensorboard';
import { fingerprint, runCli, samples, startCli, succeed, temporaryFolder, type Line } from '../kit/cli';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
const steps = 400;

/** Checkpoints by steps alone, so that both runs write them at the same ones. */
const settings = [
  `training.maxSteps=${steps}`, 'training.batchSize=16', 'training.sequenceLength=30', 'model.embeddingSize=16', 'model.layers.0.hiddenSize=48',
  'model.layers.0.dropout=0.1', 'model.layers.1.cell=gru', 'model.layers.1.hiddenSize=32', 'evaluation.everySteps=100', 'checkpoint.everySteps=20',
  'checkpoint.everySeconds=100000', 'training.threads=1',
].flatMap((one) => ['--set', one]);
const train = (name: string): string[] => ['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', name, ...settings];

const runFolder = (name: string): string => join(workspace, 'runs', name);
const status = async (name: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(join(runFolder(name), 'status.json'), 'utf8')) as Record<string, unknown>;
const bestModel = async (name: string): Promise<Record<string, string>> => {
  const files = await fingerprint(join(runFolder(name), 'checkpoints'));
  return Object.fromEntries(Object.entries(files).filter(([path]) => path.endsWith('.safetensors')));
};
/** Everything of the log that does not tell the time. */
const losses = async (name: string): Promise<unknown[]> =>
  (await readFile(join(runFolder(name), 'metrics.jsonl'), 'utf8')).trim().split('\n').map((line) => {
    const { elapsedMs: _elapsed, tokensPerSecond: _speed, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return rest;
  });

/** Steps and tags of the file for TensorBoard, all that does not tell the time. */
const eventSteps = async (name: string): Promise<unknown[]> => {
  const [file, ...others] = (await readdir(runFolder(name))).filter((one) => one.startsWith('events.out.tfevents.'));
  expect(others).toEqual([]);
  return [...decodeEvents(await readFile(join(runFolder(name), file ?? '')))].map(({ record }) => [record.step, record.summary?.value.map(({ tag }) => tag)]);
};

async function killAt(running: ReturnType<typeof startCli>, matches: (line: Line) => boolean): Promise<Line> {
  const line = await running.until(matches);
  running.process.kill('SIGKILL');
  expect((await running.ended).signal).toBe('SIGKILL');
  return line;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  const text = (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 30_000);
  await writeFile(join(folder.path, 'play.txt'), text);
  await succeed(['import', join(folder.path, 'play.txt'), '--name', 'play'], workspace);
  await succeed(train('undisturbed'), workspace);
});
afterAll(() => folder.remove());

describe('a training killed with SIGKILL', () => {
  it('goes on to the same bits, log and metrics as an undisturbed one, however often', async () => {
    const first = startCli(train('killed'), workspace);
    await killAt(first, (line) => line.event === 'checkpoint' && (line['step'] as number) >= 60);
    expect((await status('killed'))['state']).toBe('running');
    // What a kill in the middle of a checkpoint leaves.
    await mkdir(join(runFolder('killed'), 'checkpoints/step-999.tmp'));
    // And a kill while a dead owner's lock was taken over: a claim, and a lock that was not put in place yet.
    for (const name of ['run.lock.0123456789abcdef', '.run.lock.4194999-0a1b2c3d.tmp']) await writeFile(join(runFolder('killed'), name), '{"pid":4194999,"startedAt":"long ago"}');

    const second = startCli(['train', '--resume', 'killed'], workspace);
    const started = await second.until((line) => line.event === 'started');
    expect(started).toMatchObject({ resumed: true, damaged: [] });
    expect(started['step']).toBeGreaterThanOrEqual(60);
    await killAt(second, (line) => line.event === 'checkpoint' && (line['step'] as number) >= 200);

    const last = await succeed(['train', '--resume', 'killed'], workspace);
    expect(last).toMatchObject({ event: 'finished', status: 'finished', steps });
    expect(await bestModel('killed')).toEqual(await bestModel('undisturbed'));
    expect(Object.keys(await bestModel('killed'))).toContain(`step-${steps}/model.safetensors`);
    expect(await losses('killed')).toEqual(await losses('undisturbed'));
    expect(Object.keys(await fingerprint(runFolder('killed'))).filter((path) => path.includes('.tmp'))).toEqual([]);
    expect(await readdir(join(runFolder('killed'), 'checkpoints'))).not.toContain('step-999.tmp');
    expect((await readdir(runFolder('killed'))).filter((name) => name.includes('lock'))).toEqual([]);
    expect(await eventSteps('killed')).toEqual(await eventSteps('undisturbed'));
    expect(await status('killed')).toMatchObject({ state: 'finished', step: steps, metrics: (await status('undisturbed'))['metrics'] });
  });

  it('before its first checkpoint begins anew', async () => {
    const running = startCli(train('early'), workspace);
    await killAt(running, (line) => line.event === 'started');
    await rm(join(runFolder('early'), 'checkpoints'), { recursive: true, force: true });
    await succeed(['train', '--resume', 'early'], workspace);
    expect(await bestModel('early')).toEqual(await bestModel('undisturbed'));
    expect(await losses('early')).toEqual(await losses('undisturbed'));
  });

  it('with its newest checkpoint torn goes on from the one before and names the torn one', async () => {
    const running = startCli(train('torn'), workspace);
    await killAt(running, (line) => line.event === 'checkpoint' && (line['step'] as number) >= 80);
    const checkpoints = join(runFolder('torn'), 'checkpoints');
    const newest = (await readdir(checkpoints)).filter((name) => /^step-\d+$/.test(name)).map((name) => Number(name.slice(5))).sort((a, b) => a - b).at(-1) ?? 0;
    const model = join(checkpoints, `step-${newest}`, 'optimizer.safetensors');
    await writeFile(model, (await readFile(model)).subarray(0, 100));
    const resumed = await runCli(['train', '--resume', 'torn'], workspace);
    expect(resumed.status).toBe(0);
    const started = resumed.lines.find((line) => line.event === 'started');
    expect(started).toMatchObject({ step: newest - 20, damaged: [{ checkpoint: expect.stringContaining(`step-${newest}`) as string }] });
    expect(resumed.stderr).toContain(`step-${newest}`);
    expect(await bestModel('torn')).toEqual(await bestModel('undisturbed'));
  });
});

describe('Ctrl-C', () => {
  it('stops with a checkpoint and status 0, and the run goes on to the same bits', async () => {
    const running = startCli(train('stopped'), workspace);
    await running.until((line) => line.event === 'checkpoint');
    running.process.kill('SIGINT');
    const result = await running.ended;
    expect(result.status).toBe(0);
    expect(result.last).toMatchObject({ event: 'finished', status: 'stopped' });
    const stoppedAt = result.last['steps'] as number;
    expect(stoppedAt).toBeLessThan(steps);
    expect(await status('stopped')).toMatchObject({ state: 'stopped', step: stoppedAt });
    expect(await readdir(join(runFolder('stopped'), 'checkpoints'))).toContain(`step-${stoppedAt}`);
    await succeed(['train', '--resume', 'stopped'], workspace);
    expect((await bestModel('stopped'))[`step-${steps}/model.safetensors`]).toBe((await bestModel('undisturbed'))[`step-${steps}/model.safetensors`]);
  });

  it('SIGTERM leaves a checkpoint and an interrupted run', async () => {
    const running = startCli(train('terminated'), workspace);
    await running.until((line) => line.event === 'checkpoint');
    running.process.kill('SIGTERM');
    const result = await running.ended;
    expect(result).toMatchObject({ status: 1, last: { event: 'error', code: 'CANCELLED' } });
    expect(await status('terminated')).toMatchObject({ state: 'interrupted' });
    await succeed(['train', '--resume', 'terminated'], workspace);
    expect((await bestModel('terminated'))[`step-${steps}/model.safetensors`]).toBe((await bestModel('undisturbed'))[`step-${steps}/model.safetensors`]);
  });
});

describe('an import that is ended', () => {
  const big = (): string => join(folder.path, 'big.txt');
  const temporaries = async (): Promise<string[]> => (await readdir(join(workspace, 'datasets'))).filter((name) => name.includes('.tmp'));
  const begun = async (running: ReturnType<typeof startCli>): Promise<void> => {
    // The work has begun when its temporary folder is there; watching the folder would be another race.
    while ((await temporaries()).length === 0 && running.process.exitCode === null) await new Promise((resolve) => setImmediate(resolve));
  };
  beforeAll(() => writeFile(big(), 'Every river finds its own way to the sea. '.repeat(2_000_000)));

  it('by Ctrl-C leaves nothing', async () => {
    const running = startCli(['import', big(), '--name', 'big'], workspace);
    await begun(running);
    running.process.kill('SIGINT');
    expect(await running.ended).toMatchObject({ status: 1, last: { event: 'error', code: 'CANCELLED' } });
    expect(await temporaries()).toEqual([]);
  });

  it('by SIGKILL is no dataset, and the name is free', async () => {
    const running = startCli(['import', big(), '--name', 'big'], workspace);
    await begun(running);
    running.process.kill('SIGKILL');
    expect((await running.ended).signal).toBe('SIGKILL');
    expect(await readdir(join(workspace, 'datasets'))).not.toContain('big');
    expect(await succeed(['import', join(folder.path, 'play.txt'), '--name', 'big'], workspace)).toMatchObject({ dataset: 'big', tokens: 30_000 });
  });
});

describe('several processes in one workspace', () => {
  it('train side by side under names of their own, and a run belongs to one of them', async () => {
    const unnamed = train('x').filter((part, index, all) => part !== '--name' && all[index - 1] !== '--name');
    const both = [startCli(unnamed, workspace), startCli(unnamed, workspace)];
    const started = await Promise.all(both.map((running) => running.until((line) => line.event === 'started')));
    const names = started.map((line) => line['run'] as string);
    expect(new Set(names).size).toBe(2);

    const taken = await runCli(['train', '--resume', names[0] ?? ''], workspace);
    expect(taken).toMatchObject({ status: 1, last: { event: 'error', code: expect.stringMatching(/RUN_LOCKED|RUN_NOT_ACTIVE/) as string } });

    const results = await Promise.all(both.map((running) => running.ended));
    for (const result of results) expect(result.last).toMatchObject({ event: 'finished', status: 'finished', steps });
    for (const name of names) expect(await bestModel(name)).toEqual(await bestModel('undisturbed'));
  });

  it('of two that go on with one run at once, one trains and the other is told', async () => {
    const running = startCli(train('contested'), workspace);
    await killAt(running, (line) => line.event === 'checkpoint');
    const results = await Promise.all([runCli(['train', '--resume', 'contested'], workspace), runCli(['train', '--resume', 'contested'], workspace)]);
    expect(results.map((result) => result.status).sort()).toEqual([0, 1]);
    expect(results.find((result) => result.status === 1)?.last['code']).toMatch(/RUN_LOCKED|RUN_NOT_ACTIVE/);
    expect(await bestModel('contested')).toEqual(await bestModel('undisturbed'));
    expect(await losses('contested')).toEqual(await losses('undisturbed'));
  });

  it('importing the same name at once, one makes the dataset and the other is told', async () => {
    const args = ['import', join(folder.path, 'play.txt'), '--name', 'twice'];
    const results = await Promise.all([runCli(args, workspace), runCli(args, workspace)]);
    expect(results.map((result) => result.status).sort()).toEqual([0, 2]);
    expect(results.find((result) => result.status === 2)?.last['code']).toBe('NAME_TAKEN');
    expect((await readdir(join(workspace, 'datasets'))).filter((name) => name.startsWith('.twice'))).toEqual([]);
  });
});
