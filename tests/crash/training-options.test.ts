import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../engine/binding';
import { decodeEvents } from '../../engine/training/tensorboard';
import { fingerprint, fixtures, runCli, samples, startCli, succeed, temporaryFolder, type Line } from '../kit/cli';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;

const set = (assignments: string[]): string[] => assignments.flatMap((one) => ['--set', one]);
const small = [
  'training.batchSize=8', 'training.sequenceLength=12', 'model.embeddingSize=8', 'model.layers.0.hiddenSize=16', 'model.layers.0.dropout=0.1', 'model.layers.1.hiddenSize=16',
  'checkpoint.everySteps=20', 'checkpoint.everySeconds=100000', 'training.threads=1',
];
const train = (name: string, settings: string[]): string[] => ['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', name, ...set([...small, ...settings])];

const runFolder = (name: string): string => join(workspace, 'runs', name);
const weights = async (name: string): Promise<Record<string, string>> => {
  const files = await fingerprint(join(runFolder(name), 'checkpoints'));
  return Object.fromEntries(Object.entries(files).filter(([path]) => path.endsWith('.safetensors')));
};
/** Everything of the log that does not tell the time. */
const log = async (name: string): Promise<Record<string, unknown>[]> =>
  (await readFile(join(runFolder(name), 'metrics.jsonl'), 'utf8')).trim().split('\n').map((line) => {
    const { elapsedMs: _elapsed, tokensPerSecond: _speed, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return rest;
  });
const boardTags = async (name: string): Promise<string[]> => {
  const file = (await readdir(runFolder(name))).find((one) => one.startsWith('events.out.tfevents.')) ?? '';
  return [...decodeEvents(await readFile(join(runFolder(name), file)))].map(({ record }) => `${record.step} ${record.summary?.value.map(({ tag }) => tag).join() ?? ''}`);
};

async function kill(running: ReturnType<typeof startCli>, matches: (line: Line) => boolean): Promise<void> {
  await running.until(matches);
  running.process.kill('SIGKILL');
  await running.ended;
}
const checkpointFrom = (step: number) => (line: Line): boolean => line.event === 'checkpoint' && (line['step'] as number) >= step;

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  const text = (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 30_000);
  await writeFile(join(folder.path, 'play.txt'), text);
  await succeed(['import', join(folder.path, 'play.txt'), '--name', 'play'], workspace);
});
afterAll(() => folder.remove());

describe('a training with everything that keeps state', () => {
  const options: Record<string, string[]> = {
    ema: ['training.average.kind=ema', 'training.average.decay=0.95', 'training.accumulate=3', 'training.backwardLength=30', 'training.labelSmoothing=0.1', 'training.clip.value=0.05', 'training.decay=weights', 'training.optimizer.kind=adamw'],
    asgd: ['training.average.kind=asgd', 'training.average.interval=1', 'training.optimizer.kind=sgd', 'training.optimizer.learningRate=1'],
  };
  it.each(Object.keys(options))('killed and continued reaches the same bits (%s)', async (kind) => {
    const settings = [...(options[kind] ?? []), 'training.maxSteps=160', 'evaluation.everySteps=20'];
    await succeed(train(`${kind}-whole`, settings), workspace);
    await kill(startCli(train(`${kind}-killed`, settings), workspace), checkpointFrom(40));
    await kill(startCli(['train', '--resume', `${kind}-killed`], workspace), checkpointFrom(100));
    await succeed(['train', '--resume', `${kind}-killed`], workspace);
    const whole = await weights(`${kind}-whole`);
    expect(await weights(`${kind}-killed`)).toEqual(whole);
    if (kind === 'ema') expect(whole['step-160/raw.safetensors']).not.toBe(whole['step-160/model.safetensors']);
    expect(await log(`${kind}-killed`)).toEqual(await log(`${kind}-whole`));
    expect(await boardTags(`${kind}-killed`)).toEqual(await boardTags(`${kind}-whole`));
    expect((await boardTags(`${kind}-whole`)).some((line) => line.includes('update/l0'))).toBe(true);
  });
});

describe('a training with products of bfloat16', () => {
  it.skipIf(loadEngine().bfloat16Problem() !== null)('killed and continued, and on any number of threads, reaches the same bits', async () => {
    const settings = ['training.products=bfloat16', 'training.maxSteps=120', 'evaluation.everySteps=40'];
    await succeed(train('bf16-whole', settings), workspace);
    await succeed(train('bf16-three', [...settings, 'training.threads=3']), workspace);
    await kill(startCli(train('bf16-killed', settings), workspace), checkpointFrom(40));
    await succeed(['train', '--resume', 'bf16-killed'], workspace);
    const whole = await weights('bf16-whole');
    expect(await weights('bf16-three')).toEqual(whole);
    expect(await weights('bf16-killed')).toEqual(whole);
    await succeed(train('bf16-plain', settings.slice(1)), workspace);
    expect(await weights('bf16-plain')).not.toEqual(whole);
  });
});

describe('a training that another process changes', () => {
  it('says what changed, refuses what cannot be, and reaches the same bits when killed and when trained anew with the same changes', async () => {
    const first = startCli(train('tuned', ['training.maxSteps=1000000', 'evaluation.everySteps=200']), workspace);
    await first.until(checkpointFrom(40));
    const refused = await runCli(['tune', 'tuned', '--set', 'training.batchSize=4'], workspace);
    expect(refused).toMatchObject({ status: 2, last: { event: 'error', code: 'CONFIG_INVALID', where: 'training.batchSize' } });
    const wrong = await runCli(['tune', 'tuned', '--set', 'training.clip.norm=-1'], workspace);
    expect(wrong).toMatchObject({ status: 2, last: { code: 'CONFIG_INVALID', where: 'training.clip.norm' } });
    const tuned = await succeed(['tune', 'tuned', ...set(['training.optimizer.learningRate=0.002', 'training.clip.norm=null'])], workspace);
    const changes = tuned['changes'] as { step: number; field: string }[];
    expect(changes).toMatchObject([{ field: 'training.optimizer.learningRate', from: 0.01, to: 0.002 }, { field: 'training.clip.norm', from: 5, to: null }]);
    const at = changes[0]?.step ?? 0;
    // Killed before a checkpoint after the change may be there: it is made again at its step.
    await kill(first, (line) => line.event === 'changed');

    const second = startCli(['train', '--resume', 'tuned'], workspace);
    await second.until(checkpointFrom(at + 20));
    const now = JSON.parse(await readFile(join(runFolder('tuned'), 'status.json'), 'utf8')) as { step: number };
    const ended = await succeed(['tune', 'tuned', '--set', `training.maxSteps=${now.step + 50}`], workspace);
    expect(ended['changes']).toHaveLength(1);
    expect((await second.ended).last).toMatchObject({ event: 'finished', status: 'finished' });
    expect((await log('tuned')).filter((line) => line['kind'] === 'change').map((line) => line['field'])).toEqual(['training.optimizer.learningRate', 'training.clip.norm', 'training.maxSteps']);
    expect(await runCli(['tune', 'tuned', '--set', 'training.maxSteps=9'], workspace)).toMatchObject({ status: 1, last: { code: 'RUN_NOT_ACTIVE' } });
    expect(await readdir(join(runFolder('tuned'), 'requests')).catch(() => [])).toEqual([]);

    // The same run anew: its configuration and its changes are all there is to it.
    await mkdir(join(workspace, 'runs/anew'), { recursive: true });
    for (const file of ['config.json', 'data.json', 'changes.json']) await copyFile(join(runFolder('tuned'), file), join(runFolder('anew'), file));
    const status = JSON.parse(await readFile(join(runFolder('tuned'), 'status.json'), 'utf8')) as object;
    await writeFile(join(runFolder('anew'), 'status.json'), JSON.stringify({ ...status, id: 'anew', name: 'anew', state: 'interrupted', step: 0 }));
    await succeed(['train', '--resume', 'anew'], workspace);
    expect(await weights('anew')).toEqual(await weights('tuned'));
    expect(await log('anew')).toEqual(await log('tuned'));
  });
});

describe('a learning-rate test', () => {
  it('prints its points and a suggestion, and leaves no run behind', async () => {
    const before = await readdir(join(workspace, 'runs'));
    const result = await runCli(['lr-test', '--preset', 'char-lstm', '--dataset', 'play', ...set(small), '--steps', '60'], workspace);
    expect(result.status).toBe(0);
    const points = result.lines.filter((line) => line.event === 'point');
    expect(result.last).toMatchObject({ event: 'rateTested', steps: points.length });
    expect(result.last['suggestion']).toBeGreaterThan(1e-5);
    expect(result.last['suggestion']).toBeLessThan(result.last['lowest'] as number);
    expect(await readdir(join(workspace, 'runs'))).toEqual(before);
    expect(await runCli(['lr-test', '--preset', 'char-lstm', '--dataset', 'play', '--from', '1', '--to', '0.1'], workspace)).toMatchObject({ status: 2, last: { code: 'INPUT_INVALID', where: '--to' } });
  });

  it('is cancelled by Ctrl-C', async () => {
    const before = await readdir(join(workspace, 'runs'));
    const running = startCli(['lr-test', '--preset', 'char-lstm', '--dataset', 'play', '--steps', '10000'], workspace);
    await running.until((line) => line.event === 'point');
    running.process.kill('SIGINT');
    expect(await running.ended).toMatchObject({ status: 1, last: { event: 'error', code: 'CANCELLED' } });
    expect(await readdir(join(workspace, 'runs'))).toEqual(before);
  });
});

it('parity takes the training fixture', async () => {
  const result = await runCli(['parity', join(fixtures, 'reference/training.json')], workspace);
  expect(result.lines).toMatchObject([{ cell: 'training', precision: 'float32', passed: true }, { cell: 'training', precision: 'float64', passed: true }]);
});
