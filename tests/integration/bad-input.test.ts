import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, fixtures, runCli, samples, succeed, temporaryFolder } from '../kit/cli';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;

const isRoot = process.getuid?.() === 0;
/** Mounting needs root on Linux, and containers may refuse it even then. */
const canMount = ((): boolean => {
  if (process.platform !== 'linux' || !isRoot) return false;
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const table = (rows: number, delimiter = ','): string =>
  [['day', 'flow', 'note'], ...Array.from({ length: rows }, (_, row) => [new Date(Date.UTC(2024, 0, 1) + row * 86_400_000).toISOString().slice(0, 10), String(Math.sin(row / 5) + row / 100), 'x'])]
    .map((cells) => cells.join(delimiter))
    .join('\n');

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  const write = (name: string, content: string | Uint8Array): Promise<void> => writeFile(join(folder.path, name), content);
  await write('good.csv', table(200));
  await write('good.txt', (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 20_000));
  await write('empty.txt', '');
  await write('empty.csv', '');
  await write('binary.txt', Uint8Array.from({ length: 4000 }, (_, index) => (index * 197 + 0x80) % 256));
  await write('ragged.csv', 'a,b,c\n1,2,3\n4,5\n6,7,8,9\n');
  await write('semicolons.csv', table(200, ';'));
  await write('text-in-target.csv', table(200).replace(/(2024-01-03),[^,]+/, '$1,closed'));
  await succeed(['import', join(folder.path, 'good.csv'), '--target', 'flow', '--lookback', '10', '--horizon', '3', '--name', 'river'], workspace);
  await succeed(['import', join(folder.path, 'good.txt'), '--name', 'play'], workspace);
  await succeed(['train', '--preset', 'forecast-lstm', '--dataset', 'river', '--name', 'before', '--set', 'training.maxEpochs=2', '--set', 'model.layers.0.hiddenSize=8'], workspace);
});
afterAll(() => folder.remove());

/** Runs what must fail: one line, the code, the status; everything there before is untouched and nothing is left. */
async function refuse(args: string[], expected: { code: string; status: 1 | 2; says: RegExp; where?: string | RegExp }): Promise<void> {
  const before = await fingerprint(workspace);
  const result = await runCli(args, workspace);
  expect(result.status).toBe(expected.status);
  expect(result.last).toMatchObject({ event: 'error', code: expected.code });
  expect(result.last['message']).toMatch(expected.says);
  if (expected.where !== undefined) expect(result.last['where']).toMatch(expected.where);
  expect(result.stderr.trim().split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
  expect(result.stderr).not.toContain('    at ');
  expect(await fingerprint(workspace)).toEqual(before);
}

describe('files that cannot become a dataset', () => {
  const importing = (name: string, ...options: string[]): string[] => ['import', join(folder.path, name), '--name', 'new', ...options];

  it('an empty file', async () => {
    await refuse(importing('empty.txt'), { code: 'FILE_EMPTY', status: 1, says: /empty/, where: /empty\.txt/ });
    await refuse(importing('empty.csv', '--task', 'forecast'), { code: 'FILE_EMPTY', status: 1, says: /empty/ });
  });
  it('a binary file named .txt, with the byte', () => refuse(importing('binary.txt'), { code: 'FILE_NOT_TEXT', status: 1, says: /not text/, where: /byte \d+/ }));
  it('a ragged table, with the row', () => refuse(importing('ragged.csv'), { code: 'DATASET_PARSE_FAILED', status: 1, says: /row 3/, where: /row 3/ }));
  it('the wrong delimiter, with the one that would fit', () => refuse(importing('semicolons.csv', '--delimiter', ',', '--target', 'flow'), { code: 'DATASET_PARSE_FAILED', status: 1, says: /semicolon/ }));
  it('text in the target column, with row and value', () => refuse(importing('text-in-target.csv', '--target', 'flow'), { code: 'COLUMN_NOT_NUMERIC', status: 1, says: /closed/, where: /row 4, column flow/ }));
  it('a column that one cell keeps from being numbers, left out with a warning on row and cell, and refused as target', async () => {
    const lines = Array.from({ length: 200 }, (_, row) => `{"flow":${row === 120 ? '"hello"' : row / 2},"level":${row}}`);
    await writeFile(join(folder.path, 'word.jsonl'), lines.join('\n'));
    const result = await runCli(['import', join(folder.path, 'word.jsonl'), '--name', 'word'], workspace);
    expect(result.status).toBe(0);
    expect(result.stderr).toContain('warning: Row 121, column flow: "hello" is not a number, so the column is left out.');
    expect(result.last).toMatchObject({ task: { targets: ['level'] }, warnings: [{ code: 'COLUMN_LEFT_OUT', row: 121, column: 'flow', value: 'hello' }] });
    await refuse(importing('word.jsonl', '--target', 'flow'), { code: 'COLUMN_NOT_NUMERIC', status: 1, says: /hello/, where: /row 121, column flow/ });
  });
  it('a horizon longer than the data, with one that works', () => refuse(importing('good.csv', '--target', 'flow', '--horizon', '5000'), { code: 'DATASET_TOO_SHORT', status: 2, says: /5000.* \d+ works/ }));
  it('a file that is not there', () => refuse(importing('missing.csv'), { code: 'FILE_NOT_FOUND', status: 1, says: /does not exist/ }));
  it('a column that is not there', () => refuse(importing('good.csv', '--target', 'flwo'), { code: 'COLUMN_NOT_FOUND', status: 2, says: /flow/ }));
  it('a name that is taken, and one that cannot be', async () => {
    await refuse(['import', join(folder.path, 'good.csv'), '--name', 'river'], { code: 'NAME_TAKEN', status: 2, says: /river/ });
    await refuse(['import', join(folder.path, 'good.csv'), '--name', '../out'], { code: 'NAME_INVALID', status: 2, says: /letter or digit/ });
  });
});

describe('configurations that cannot be trained', () => {
  const training = (...set: string[]): string[] => ['train', '--preset', 'char-lstm', '--dataset', 'play', ...set.flatMap((one) => ['--set', one])];

  it('an unknown field, with the nearest known one', () =>
    refuse(training('model.layers.0.hidenSize=3'), { code: 'CONFIG_INVALID', status: 2, says: /nearest is model\.layers\.0\.hiddenSize/, where: 'model.layers.0.hidenSize' }));
  it('a hidden size of zero, with one that works', () =>
    refuse(training('model.layers.0.hiddenSize=0'), { code: 'CONFIG_INVALID', status: 2, says: /at least 1, for example 128/, where: 'model.layers.0.hiddenSize' }));
  it('both directions in a language model, with the reason', () =>
    refuse(training('model.layers.0.bidirectional=true'), { code: 'CONFIG_INVALID', status: 2, says: /would see the tokens/, where: 'model.layers.0.bidirectional' }));
  it('an unknown cell, preset, dataset, run', async () => {
    await refuse(training('model.layers.0.cell=lstmm'), { code: 'CONFIG_INVALID', status: 2, says: /nearest is lstm/ });
    await refuse(['train', '--preset', 'char-lstmm', '--dataset', 'play'], { code: 'CONFIG_INVALID', status: 2, says: /nearest is char-lstm/ });
    await refuse(['train', '--preset', 'char-lstm', '--dataset', 'plays'], { code: 'DATASET_NOT_FOUND', status: 2, says: /play/ });
    await refuse(['train', '--preset', 'char-lstm', '--dataset', 'river'], { code: 'CONFIG_INVALID', status: 2, says: /forecast-lstm/ });
    await refuse(['evaluate', 'befour'], { code: 'RUN_NOT_FOUND', status: 2, says: /nearest is before/ });
  });
  it('a horizon that no window has room for', () =>
    refuse(['train', '--preset', 'forecast-lstm', '--dataset', 'river', '--set', 'task.horizon=1000'], { code: 'DATASET_TOO_SHORT', status: 2, says: /1000/, where: 'task.horizon' }));
  it('a configuration file that is not JSON or not there', async () => {
    await writeFile(join(folder.path, 'torn.json'), '{"dataset": ');
    await refuse(['train', join(folder.path, 'torn.json')], { code: 'CONFIG_INVALID', status: 2, says: /not JSON/, where: /torn\.json/ });
    await refuse(['train', join(folder.path, 'none.json')], { code: 'FILE_NOT_FOUND', status: 1, says: /none\.json/ });
  });
  it('a command, an option or a value that does not exist', async () => {
    await refuse(['trian'], { code: 'USAGE', status: 2, says: /train/ });
    await refuse(['train', '--presett', 'x'], { code: 'USAGE', status: 2, says: /--preset/ });
    await refuse(['sample', 'before', '--length', 'many'], { code: 'USAGE', status: 2, says: /whole number/ });
    await refuse(['sample', 'before'], { code: 'INPUT_INVALID', status: 2, says: /forecasts/ });
  });
});

describe('a damaged checkpoint', () => {
  it('is named, the best of the others stands in, and with none left the run says so', async () => {
    await succeed(['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', 'hurt', '--set', 'training.maxSteps=12', '--set', 'evaluation.everySteps=4', '--set', 'checkpoint.everySteps=4', '--set', 'model.layers.0.hiddenSize=8', '--set', 'model.layers.1.hiddenSize=8', '--set', 'training.batchSize=4'], workspace);
    const whole = await succeed(['evaluate', 'hurt'], workspace);
    const best = whole['checkpoint'] as number;
    const file = join(workspace, 'runs/hurt/checkpoints', `step-${best}`, 'model.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 0x40;
    await writeFile(file, bytes);
    const fallback = await runCli(['evaluate', 'hurt'], workspace);
    expect(fallback.status).toBe(0);
    expect(fallback.last['checkpoint']).not.toBe(best);
    expect(fallback.stderr).toMatch(new RegExp(`step-${best} cannot be used.*model\\.safetensors`));
    const { checkpoints } = { checkpoints: join(workspace, 'runs/hurt/checkpoints') };
    for (const step of [4, 8, 12]) await writeFile(join(checkpoints, `step-${step}`, 'model.safetensors'), 'torn').catch(() => undefined);
    await refuse(['evaluate', 'hurt'], { code: 'CHECKPOINT_DAMAGED', status: 1, says: /no checkpoint of run hurt is whole/ });
  });
});

describe.skipIf(!canMount)('a disk that is full or may not be written (mounted for the test)', () => {
  let mount: string;
  let small: string;
  const everything = async () => fingerprint(small);
  beforeAll(async () => {
    mount = join(folder.path, 'mount');
    small = join(mount, 'workspace');
    await mkdir(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount]);
    await succeed(['import', join(folder.path, 'good.txt'), '--name', 'play'], small);
    await succeed(['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', 'before', '--set', 'training.maxSteps=2', '--set', 'model.layers.0.hiddenSize=4', '--set', 'model.layers.1.hiddenSize=4', '--set', 'model.embeddingSize=4', '--set', 'probe.text=A'], small);
  });
  afterAll(() => execFileSync('umount', [mount]));

  it('an import ends with DISK_FULL and leaves nothing', async () => {
    const before = await everything();
    const result = await runCli(['import', join(samples, 'korean-novels/novels.txt'), '--name', 'novels'], small);
    expect(result).toMatchObject({ status: 1, last: { code: 'DISK_FULL' } });
    const csv = await runCli(['import', join(samples, 'etth1/ETTh1.csv'), '--name', 'etth1'], small);
    expect(csv).toMatchObject({ status: 1, last: { code: 'DISK_FULL' } });
    expect(await everything()).toEqual(before);
  });

  it('a training ends with DISK_FULL, keeps its whole checkpoints, and hurts no other run', async () => {
    const others = await fingerprint(join(small, 'runs/before'));
    const result = await runCli(['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', 'big', '--set', 'training.maxSteps=60', '--set', 'checkpoint.everySteps=2', '--set', 'checkpoint.keep=100', '--set', 'model.layers.0.hiddenSize=32', '--set', 'model.layers.1.hiddenSize=32', '--set', 'training.batchSize=4', '--set', 'probe.text=A'], small);
    expect(result).toMatchObject({ status: 1, last: { code: 'DISK_FULL' } });
    expect(await fingerprint(join(small, 'runs/before'))).toEqual(others);
    const left = Object.keys(await fingerprint(join(small, 'runs/big')));
    expect(left.filter((path) => path.includes('.tmp'))).toEqual([]);
    const evaluated = await succeed(['evaluate', 'big'], small);
    expect(evaluated['checkpoint']).toBeGreaterThan(0);
    // With room again the run goes on from there.
    await rm(join(small, 'runs/big/traces'), { recursive: true });
    execFileSync('mount', ['-o', 'remount,size=60m', mount]);
    expect(await succeed(['train', '--resume', 'big'], small)).toMatchObject({ event: 'finished', steps: 60 });
  });

  it('a read-only workspace is read, and refused for writing', async () => {
    const before = await everything();
    execFileSync('mount', ['-o', 'remount,ro', mount]);
    try {
      for (const args of [
        ['import', join(folder.path, 'good.txt'), '--name', 'new'],
        ['train', '--preset', 'char-lstm', '--dataset', 'play'],
        ['export', 'before'],
      ]) {
        const result = await runCli(args, small);
        expect(result).toMatchObject({ status: 1, last: { code: 'WORKSPACE_READ_ONLY' } });
        expect(result.stderr).not.toContain('    at ');
      }
      await succeed(['evaluate', 'before'], small);
    } finally {
      execFileSync('mount', ['-o', 'remount,rw', mount]);
    }
    expect(await everything()).toEqual(before);
  });
});

describe.skipIf(isRoot || process.platform === 'win32')('a folder without permission to write', () => {
  it('is refused with its path', async () => {
    const locked = join(folder.path, 'locked');
    await mkdir(locked);
    await chmod(locked, 0o500);
    const result = await runCli(['import', join(folder.path, 'good.txt'), '--name', 'new'], join(locked, 'workspace'));
    expect(result).toMatchObject({ status: 1, last: { code: 'WORKSPACE_READ_ONLY' } });
    expect(result.last['where']).toContain(locked);
  });
});

describe('parity and bench', () => {
  it('parity passes on every reference file, in both precisions', async () => {
    const files = ['rnn-tanh', 'lstm', 'gru'].flatMap((cell) => ['tiny', 'small', 'small-bi2'].map((size) => join(fixtures, 'reference', `${cell}.${size}.json`)));
    const result = await runCli(['parity', ...files], workspace);
    expect(result.status).toBe(0);
    expect(result.lines).toHaveLength(18);
    for (const line of result.lines) expect(line).toMatchObject({ event: 'parity', passed: true });
    expect(result.lines.filter((line) => line['precision'] === 'float64').every((line) => (line['maxAbsoluteError'] as number) < 1e-9)).toBe(true);
  });

  it('parity fails on a wrong number', async () => {
    const fixture = JSON.parse(await readFile(join(fixtures, 'reference/lstm.tiny.json'), 'utf8')) as { y: number[][][] };
    const first = fixture.y[0]?.[0];
    if (first) first[0] = (first[0] ?? 0) + 1e-3;
    const wrong = join(folder.path, 'wrong.json');
    await writeFile(wrong, JSON.stringify(fixture));
    const result = await runCli(['parity', wrong], workspace);
    expect(result.status).toBe(1);
    expect(result.lines.some((line) => line['passed'] === false)).toBe(true);
  });

  it('bench answers every shape of its input, and --serve line by line, an error included', async () => {
    const shape = { name: 'small', mode: 'train', cell: 'lstm', layers: 1, inputSize: 3, outputSize: 2, hiddenSize: 8, batchSize: 4, sequenceLength: 5, threads: 1, steps: 3 };
    const once = await runCli(['bench', '-'], workspace, { input: JSON.stringify([shape, { ...shape, name: 'gru', cell: 'gru', mode: 'infer' }]) });
    expect(once.status).toBe(0);
    expect(once.lines.map((line) => line['name'])).toEqual(['small', 'gru']);
    for (const line of once.lines) {
      expect(line['tokensPerSecond']).toBeGreaterThan(0);
      expect(line['stepMilliseconds']).toMatchObject({ min: expect.any(Number) as number, median: expect.any(Number) as number, p95: expect.any(Number) as number });
      expect(line['kernel']).toEqual(expect.any(String));
    }
    const served = await runCli(['bench', '--serve'], workspace, { input: `${JSON.stringify(shape)}\nnonsense\n${JSON.stringify({ ...shape, name: 'again' })}\n` });
    expect(served.status).toBe(0);
    expect(served.lines.map((line) => line['name'] ?? line['code'])).toEqual(['small', 'USAGE', 'again']);
  });

  it('makes no workspace where none is needed', async () => {
    const nowhere = join(folder.path, 'nowhere');
    await runCli(['parity', join(fixtures, 'reference/lstm.tiny.json')], nowhere);
    await expect(stat(nowhere)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
