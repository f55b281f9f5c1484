import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { modelNotes, readFeeds } from './inputs';
import { cudaObstacle } from './providers';
import { OnnxRuntime, runtimeVersion } from './runtime';

const fixture = (name: string): string => join(import.meta.dirname, '..', '..', 'tests', 'fixtures', 'onnx-node-tests', `${name}.onnx`);
const runtime = new OnnxRuntime();
afterAll(() => runtime.dispose());

const constant = (value: number, ...shape: number[]): unknown => (shape.length === 0 ? value : Array.from({ length: shape[0]! }, () => constant(value, ...shape.slice(1))));

describe('a foreign model', () => {
  it('runs with named inputs from a JSON file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-infer-'));
    const file = join(folder, 'inputs.json');
    const session = await runtime.open(fixture('lstm_defaults'));
    await writeFile(file, JSON.stringify({ X: [[[1, 2], [3, 4], [5, 6]]], W: constant(0.1, 1, 12, 2), R: { shape: [1, 12, 3], data: Array(36).fill(0.1) } }));
    const { outputs } = await session.run(await readFeeds({ file }, session, modelNotes({})));
    expect(outputs['Y_h']!.shape).toEqual([1, 3, 3]);
    // The project's own expected output.
    expect(outputs['Y_h']!.data[0]).toBeCloseTo(0.0952412, 6);
    expect(outputs['Y_h']!.data[3]).toBeCloseTo(0.25606447, 6);
    await writeFile(file, JSON.stringify({ X: [[[1, 2], [3, 4], [5, 6]]] }));
    await expect(readFeeds({ file }, session, modelNotes({}))).rejects.toThrow('also takes W (float32 [1, 12, 2]), R (float32 [1, 12, 3])');
    await expect(readFeeds({ file: `${file}.gone.json` }, session, modelNotes({}))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(readFeeds({ text: 'a' }, session, modelNotes({}))).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await session.close();
    await rm(folder, { recursive: true });
  });

  it('is refused with the runtime\'s reason', async () => {
    await expect(runtime.open(fixture('lstm_batchwise'))).rejects.toMatchObject({ code: 'ONNX_INVALID', where: fixture('lstm_batchwise') });
  });

  it('runs on the CPU where CUDA cannot, and says why', async () => {
    const session = await runtime.open(fixture('lstm_defaults'), { device: 'cuda' });
    if (session.provider === 'cuda') expect(session.fallbackReason).toBeNull();
    else expect(session.fallbackReason).toMatch(/^[A-Z].*\.$/);
    await session.close();
  });

  it('names the CUDA provider\'s missing file', async () => {
    expect(await cudaObstacle('/nowhere')).toMatchObject({ code: process.platform === 'darwin' ? 'PLATFORM' : 'PROVIDER_MISSING' });
  });
});

it('goes on after its thread ended', async () => {
  const own = new OnnxRuntime();
  const session = await own.open(fixture('lstm_defaults'));
  const lost = session.run({});
  await Promise.all([own.dispose(), expect(lost).rejects.toThrow()]);
  const again = await own.open(fixture('lstm_defaults'));
  expect(again.inputs.map(({ name }) => name)).toEqual(['X', 'W', 'R']);
  await own.dispose();
});

it('knows its version', () => {
  expect(runtimeVersion()).toMatch(/^\d+\.\d+\.\d+$/);
});
