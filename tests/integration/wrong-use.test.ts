import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { fingerprint, runCli, samples, succeed, temporaryFolder } from '../kit/cli';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let workspace: string;
const small = ['model.layers.0.hiddenSize=8', 'model.layers.1.hiddenSize=8', 'training.threads=1'].flatMap((one) => ['--set', one]);

beforeAll(async () => {
  folder = await temporaryFolder();
  workspace = join(folder.path, 'workspace');
  await writeFile(join(folder.path, 'play.txt'), (await readFile(join(samples, 'tinyshakespeare/tinyshakespeare.txt'), 'utf8')).slice(0, 20_000));
  await writeFile(join(folder.path, 'none.json'), '[]');
  await mkdir(join(folder.path, 'folder'));
  await symlink('loop', join(folder.path, 'loop'));
  // Through a link of the test's own: were it replaced, it would be the link.
  await symlink('/dev/null', join(folder.path, 'device'));
  execFileSync('mkfifo', [join(folder.path, 'pipe')]);
  await mkdir(join(folder.path, 'reported.report.json'));
  await succeed(['import', join(folder.path, 'play.txt'), '--name', 'play'], workspace);
  await succeed(['train', '--preset', 'char-lstm', '--dataset', 'play', '--name', 'a', '--set', 'training.maxSteps=4', ...small], workspace);
  await succeed(['export', 'a', '--out', join(folder.path, 'a.onnx')], workspace);
  const files = { 'other.json': { x: [[1, 2]] }, 'rank.json': { tokens: [1, 2, 3] }, 'shape.json': { tokens: { shape: 'wide', data: [1] } }, 'halves.json': { tokens: [[0.5]] } };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), JSON.stringify(content));
  await writeFile(join(folder.path, 'empty.csv'), 'a,b\n');
  await writeFile(join(folder.path, 'latin1.txt'), Buffer.from('a\xe9b'.repeat(50), 'latin1'));
  await writeFile(join(folder.path, 'short.txt'), 'abcd');
  await writeFile(join(folder.path, 'nothing.txt'), '');
  await writeFile(join(folder.path, 'junk.safetensors'), 'not tensors at all');
  await writeFile(join(folder.path, 'nameless.json'), '{"mode":"train"}');
  await writeFile(join(folder.path, 'river.csv'), ['day,flow', ...Array.from({ length: 200 }, (_, row) => `${new Date(Date.UTC(2024, 0, 1) + row * 86_400_000).toISOString().slice(0, 10)},${Math.sin(row / 5)}`)].join('\n'));
  await succeed(['import', join(folder.path, 'river.csv'), '--target', 'flow', '--lookback', '10', '--horizon', '3', '--name', 'river'], workspace);
  await succeed([...forecastTraining, '--name', 'f', '--set', 'training.maxSteps=2', '--set', 'model.layers.0.hiddenSize=4'], workspace);
  await writeFile(join(folder.path, 'cut.onnx'), (await readFile(join(folder.path, 'a.onnx'))).subarray(0, 3000));
});
afterAll(() => folder.remove());

const long = 'x'.repeat(100_001);
const forecastTraining = ['train', '--preset', 'forecast-lstm', '--dataset', 'river'];
const train = ['train', '--preset', 'char-lstm', '--dataset', 'play'];

/** Command, status, and what its one line must say. */
const wrong: [string[], 1 | 2, RegExp][] = [
  [['import'], 2, /files/],
  [['import', 'folder'], 1, /folder is a folder, not a file/],
  [['import', 'loop'], 1, /links lead in a circle/],
  [['import', 'none.txt'], 1, /does not exist/],
  [['import', 'y'.repeat(300)], 1, /name is too long/],
  [['import', 'play.txt', 'none.json'], 2, /one file makes a dataset/],
  [['import', 'play.txt', '--name', 'a/b'], 2, /begin with a letter or digit/],
  [['import', 'play.txt', '--name', 'play'], 2, /"play" is taken/],
  [['import', 'play.txt', '--task', 'nothing'], 2, /--task/],
  [['import', 'play.txt', '--lookback', '0'], 2, /--lookback.*1 to 100000/],
  [['import', 'play.txt', '--horizon', '1.5'], 2, /--horizon/],
  [['import', 'play.txt', '--split', '1,2'], 2, /--split takes three/],
  [['import', 'play.txt', '--delimiter', 'ab'], 2, /--delimiter.*one character/],
  [['import', 'play.txt', '--encoding', 'latin'], 2, /--encoding/],
  [['import', 'play.txt', '--scaling', 'none2'], 2, /--scaling/],
  [['train'], 2, /configuration file, or --preset/],
  [['train', '--preset', 'char-lstm'], 2, /--dataset/],
  [['train', '--preset', 'char-lsmt', '--dataset', 'play'], 2, /--preset: .*nearest is char-lstm/],
  [['train', 'folder'], 1, /is a folder/],
  [['train', '--resume', 'nobody'], 2, /nearest is a/],
  [['train', '--resume', 'a', '--set', 'training.seed=2'], 2, /--resume/],
  [[...train, '--name', '../b'], 2, /"\.\.\/b" cannot be a name/],
  [[...train, '--name', 'a'], 2, /run a already/],
  [[...train, '--set', 'nonsense'], 2, /--set takes path=value/],
  [[...train, '--set', 'training.seed=-1'], 2, /training\.seed is -1; it must be at least 0/],
  [[...train, '--set', 'model.layers.0.hiddenSize=1000000'], 2, /at most 8192/],
  [[...train, '--set', 'model.layers.0.hiddenSize=8192', '--set', 'training.batchSize=4096', '--set', 'training.sequenceLength=10000'], 2, /model\.layers\.0\.hiddenSize makes the model too large.*GiB/],
  [['evaluate'], 2, /run/],
  [['evaluate', '../x'], 2, /"\.\.\/x" cannot be a name/],
  [['evaluate', 'a', '--split', 'most'], 2, /--split/],
  [['sample', 'a', '--length', '100001'], 2, /--length.*1 to 100000/],
  [['sample', 'a', '--seed', '1e30'], 2, /--seed/],
  [['sample', 'a', '--seed', '-1'], 2, /--seed/],
  [['sample', 'a', '--top-k', 'x'], 2, /--top-k/],
  [['sample', 'a', '--top-p', '1.5'], 2, /--top-p/],
  [['sample', 'a', '--temperature', 'NaN'], 2, /--temperature/],
  [['sample', 'a', '--prompt', long], 2, /--prompt.*100000/],
  [['sample', 'a', '--prompt', '€'], 2, /--prompt.*€/],
  [['forecast', 'a'], 2, /language model/],
  [['forecast', 'a', '--window', '-1'], 2, /--window/],
  [['trace', 'a'], 2, /--out/],
  [['trace', 'a', '--out', 'x'], 2, /one of --input/],
  [['trace', 'a', '--text', long, '--out', 'x'], 2, /--text.*100000/],
  [['trace', 'a', '--text', 'hi', '--out', 'folder'], 2, /it is a folder, not a file/],
  [['trace', 'a', '--text', 'hi', '--out', 'play.txt/x'], 2, /a file stands where a folder should be/],
  [['trace', 'a', '--text', 'hi', '--out', 'nowhere/x'], 2, /its folder does not exist/],
  [['trace', 'a', '--text', 'hi', '--out', 'device'], 2, /device cannot be written: it is a device, not a file/],
  [['trace', 'a', '--text', 'hi', '--out', 'pipe'], 2, /it is a pipe or socket, not a file/],
  [['export', 'a', '--out', 'device'], 2, /device cannot be written: it is a device, not a file/],
  [['export', 'a', '--out', 'pipe'], 2, /it is a pipe or socket, not a file/],
  [['export', 'a', '--out', 'reported'], 2, /reported\.report\.json cannot be written: it is a folder/],
  [['export', 'a', '--out', 'nowhere/x.onnx'], 2, /its folder does not exist/],
  [['trace', 'a', '--text', '', '--out', 'x'], 2, /--text.*at least one character/],
  [['trace', 'a', '--split', 'test', '--out', 'x'], 2, /traces a text/],
  [['import', 'latin1.txt', '--name', 'new'], 1, /^error: latin1\.txt is not text: [^:]* at byte 1\./],
  [['import', 'short.txt', '--name', 'new'], 2, /^error: \S*short\.txt: This is a text with 4 characters/],
  [['import', 'river.csv', '--target', 'flow', '--horizon', '5000', '--name', 'new'], 2, /--horizon/],
  [['import', 'river.csv', '--target', 'flwo', '--name', 'new'], 2, /flow/],
  [[...forecastTraining, '--set', 'task.horizon=1000'], 2, /task\.horizon/],
  [[...train, '--set', 'training.seed=1e30'], 2, /^error: training\.seed is 1e\+30(?!.*also)/],
  [[...train, '--set', '__proto__.x=3'], 2, /there is no field __proto__\.x/],
  [[...train, '--set', 'training.schedule.kind=cosine', '--set', 'training.schedule.patience=3'], 2, /kind plateau, and training\.schedule\.kind is cosine/],
  [['forecast', 'f', '--at', 'never'], 2, /--at|never is not a time/],
  [['forecast', 'f', '--at', '2024-01-02'], 2, /earliest time/],
  [['forecast', 'f', '--split', 'test', '--window', '5000'], 2, /window 5000/],
  [['trace', 'f', '--split', 'test', '--window', '5000', '--out', 'x'], 2, /window 5000/],
  [['sample', 'f'], 2, /forecasts/],
  [['infer', 'a.onnx', '--input', 'nothing.txt'], 2, /^error: \S*nothing\.txt: The text is empty/],
  [['infer', 'a.onnx', '--input', 'junk.safetensors'], 1, /junk\.safetensors cannot be read: .*header/],
  [['bench', 'nameless.json'], 2, /nameless\.json, name: name is missing/],
  [['bench', 'nameless.json', '--serve'], 2, /not both/],
  [['export', 'a', '--opset', '99'], 2, /--opset.*14 to 22/],
  [['export', 'a', '--opset', '13'], 2, /--opset.*14 to 22/],
  [['export', 'a', '--out', 'folder'], 2, /is a folder/],
  [['infer', 'a.onnx'], 2, /--input/],
  [['infer', 'a.onnx', '--input', 'folder'], 2, /\.json, \.csv/],
  [['infer', 'a.onnx', '--input', 'none.json'], 2, /tokens|empty|array/],
  [['infer', 'a.onnx', '--input', 'play.txt', '--device', 'tpu'], 2, /--device/],
  [['infer', 'a.onnx', '--input', 'other.json'], 2, /takes tokens \(int64 \[batch, time\]\).*only x/],
  [['infer', 'a.onnx', '--input', 'rank.json'], 2, /tokens takes \[batch, time\], the data are \[3\]/],
  [['infer', 'a.onnx', '--input', 'shape.json'], 2, /list of whole numbers/],
  [['infer', 'a.onnx', '--input', 'halves.json'], 2, /whole numbers; 0\.5 is none/],
  [['infer', 'a.onnx', '--input', 'empty.csv'], 2, /no rows/],
  [['infer', 'cut.onnx', '--input', 'play.txt'], 1, /cut\.onnx is not an ONNX model/],
  [['infer', 'play.txt', '--input', 'play.txt'], 1, /not an ONNX model/],
  [['parity'], 2, /fixtures/],
  [['parity', 'folder'], 1, /is a folder/],
  [['bench'], 2, /give a file of shapes/],
  [['bench', 'none.json'], 2, /no shape/],
  [['bench', 'play.txt'], 2, /not JSON/],
  [['--bogus'], 2, /unknown option/],
];

describe('wrong use', () => {
  it.each(wrong)('%j', { timeout: 60_000 }, async (args, status, says) => {
    const before = await fingerprint(workspace);
    const result = await runCli(args, workspace, { cwd: folder.path });
    expect(result.status).toBe(status);
    const lines = result.stderr.trim().split('\n').filter((line) => line.startsWith('error: '));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(says);
    expect(result.last).toMatchObject({ event: 'error', code: expect.any(String) as string });
    // Neither the schemas' words, nor a request's inner names, nor the system's codes.
    expect(result.stderr).not.toMatch(/request\.|expected (number|string|int|object)|Invalid input|\b(runs|exports|datasets|models)\.[a-z]+\b|\bE[A-Z]{4,}\b|    at /);
    expect(await fingerprint(workspace)).toEqual(before);
  });
});

describe('an instruction set that cannot be had', () => {
  const missing = process.arch === 'arm64' ? 'avx2' : 'neon';

  it.each([['sse', /SLUICE_KERNEL is "sse", which is no instruction set of the engine\. Set it to .*portable, or unset it/], [missing, /which this processor does not have\. Set it to/]])('is refused: %s', async (kernel, says) => {
    const result = await runCli(['bench', 'nameless.json'], workspace, { cwd: folder.path, env: { SLUICE_KERNEL: kernel } });
    expect(result).toMatchObject({ status: 2, last: { code: 'USAGE', where: 'SLUICE_KERNEL' } });
    expect(result.stderr.trim().split('\n').filter((line) => line.startsWith('error: '))).toEqual([expect.stringMatching(says) as string]);
  });

  it('is not asked for by an empty name, and portable is there everywhere', async () => {
    const shape = { name: 'a', mode: 'infer', cell: 'lstm', layers: 1, inputSize: 2, outputSize: 1, hiddenSize: 4, batchSize: 1, sequenceLength: 2, threads: 1, steps: 1 };
    const run = (kernel: string) => succeed(['bench', '-'], workspace, { input: JSON.stringify(shape), env: { SLUICE_KERNEL: kernel } });
    expect(await run('portable')).toMatchObject({ kernel: 'portable' });
    expect(await run('')).toMatchObject({ kernel: expect.stringMatching(/^(avx512|avx2|neon|portable)$/) as string });
  });
});

describe('products of bfloat16', () => {
  const env = { SLUICE_KERNEL: 'portable' };

  it('are refused before anything begins where the instruction set in use has none', async () => {
    const before = await fingerprint(workspace);
    const result = await runCli(['train', '--preset', 'char-lstm', '--dataset', 'play', '--set', 'training.products=bfloat16'], workspace, { env });
    expect(result).toMatchObject({ status: 2, last: { code: 'CONFIG_INVALID', where: 'training.products' } });
    expect(result.stderr.trim().split('\n').filter((line) => line.startsWith('error: '))).toEqual([expect.stringMatching(/^error: training\.products is bfloat16, which is not possible here: .*\. Set it to float32$/)]);
    expect(await fingerprint(workspace)).toEqual(before);
  });

  it('are measured in training only, stored weights where nothing is trained', async () => {
    const shape = { name: 'a', mode: 'infer-step', cell: 'lstm', layers: 1, inputSize: 2, outputSize: 1, hiddenSize: 4, batchSize: 1, sequenceLength: 2, threads: 1, steps: 1 };
    const run = (fields: object) => runCli(['bench', '-'], workspace, { input: JSON.stringify({ ...shape, ...fields }), env });
    expect(await run({ weights: 'bfloat16' })).toMatchObject({ status: 0, last: { kernel: 'portable' } });
    expect(await run({ products: 'bfloat16' })).toMatchObject({ last: { code: 'USAGE' } });
    expect(await run({ mode: 'train', weights: 'bfloat16' })).toMatchObject({ last: { code: 'USAGE' } });
    expect(await run({ mode: 'train', products: 'bfloat16' })).not.toMatchObject({ status: 0 });
    expect(await run({ products: 'bfloat' })).toMatchObject({ status: 2, last: { code: 'USAGE' } });
  });
});

describe('a dataset that was hurt', () => {
  it('is named where its tokens are none, not the probe that reads them', async () => {
    await succeed(['import', join(folder.path, 'play.txt'), '--name', 'hurt'], workspace);
    const tokens = join(workspace, 'datasets/hurt/tokens.bin');
    await writeFile(tokens, Buffer.alloc((await readFile(tokens)).length, 0xff));
    const result = await runCli(['train', '--preset', 'char-lstm', '--dataset', 'hurt', ...small], workspace);
    expect(result).toMatchObject({ status: 1, last: { code: 'DATASET_DAMAGED', where: tokens } });
    expect(result.stderr).toMatch(/tokens\.bin is damaged: .*Import the text again/);
  });
});

describe('a link in the place of an output', () => {
  it.each([['export', 'a'], ['trace', 'a', '--text', 'hi']])('stays, and what it leads to is written: %s', async (...args) => {
    const name = args[0] as string;
    await symlink(`${name}-target`, join(folder.path, `${name}-link`));
    await succeed([...args, '--out', `${name}-link`], workspace, { cwd: folder.path });
    await succeed([...args, '--out', `${name}-link`], workspace, { cwd: folder.path });
    expect((await lstat(join(folder.path, `${name}-link`))).isSymbolicLink()).toBe(true);
    expect((await lstat(join(folder.path, `${name}-target`))).isFile()).toBe(true);
    expect((await readdir(folder.path)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('an output that cannot be written', () => {
  async function intoFull(args: string[]): Promise<{ status: number | null; stderr: string }> {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [inject('cliBundle'), ...args, '--workspace', workspace], { stdio: ['ignore', full, 'pipe'], cwd: folder.path });
    closeSync(full);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, stderr };
  }

  it('stops a training with a checkpoint, and says so', async () => {
    const result = await intoFull([...train, '--json', '--name', 'full', '--set', 'training.maxSteps=1000000', ...small]);
    expect(result.status).toBe(1);
    expect(result.stderr.split('\n').filter((line) => line.startsWith('error: '))).toEqual([expect.stringMatching(/disk is full: standard output/) as string]);
    expect(result.stderr).not.toMatch(/    at |ENOSPC/);
    const status = JSON.parse(await readFile(join(workspace, 'runs/full/status.json'), 'utf8')) as { state: string; step: number };
    expect(status.state).toBe('stopped');
    await readFile(join(workspace, 'runs/full/checkpoints', `step-${status.step}`, 'state.json'));
  });

  it.each([['sample', 'a', '--length', '20'], ['evaluate', 'a', '--json'], ['export', 'a'], ['train', '--help'], ['evaluate', 'nobody', '--json']])('ends %s with one line', async (...args) => {
    const result = await intoFull(args);
    expect(result.status).toBe(args[1] === 'nobody' ? 2 : 1);
    expect(result.stderr.trim().split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
    expect(result.stderr).not.toMatch(/    at |ENOSPC/);
  });
});

describe('a reader that goes away', () => {
  /** Reads one line of standard output, then closes the pipe. */
  async function readOne(args: string[]): Promise<{ status: number | null; stderr: string }> {
    const child = spawn(process.execPath, [inject('cliBundle'), ...args, '--workspace', workspace], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder.path });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.once('data', () => child.stdout.destroy());
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, stderr };
  }

  it('stops a training as Ctrl-C does: checkpoint, stopped, status 0', async () => {
    const result = await readOne([...train, '--json', '--name', 'left', '--set', 'training.maxSteps=1000000', ...small]);
    expect(result.status).toBe(0);
    const status = JSON.parse(await readFile(join(workspace, 'runs/left/status.json'), 'utf8')) as { state: string; step: number };
    expect(status.state).toBe('stopped');
    expect(status.step).toBeLessThan(1_000_000);
    await readFile(join(workspace, 'runs/left/checkpoints', `step-${status.step}`, 'state.json'));
  });

  it.each([['evaluate', 'a'], ['sample', 'a', '--length', '5000'], ['train', '--help'], ['export', 'a']])('ends %s quietly', async (...args) => {
    const result = await readOne(args);
    expect(result.status).toBe(0);
    expect(result.stderr).not.toMatch(/EPIPE|    at /);
  });
});
