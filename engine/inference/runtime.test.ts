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

  /** Tensors of several types in one file; `pad` blanks make the header as long as wanted. */
  function safetensors(pad: number): Buffer {
    const X = Float64Array.from([1, 2, 3, 4, 5, 6]);
    const W = new Float32Array(24).fill(0.1);
    const R = BigInt64Array.from(Array.from({ length: 36 }, (_, k) => BigInt(k % 2)));
    const header: Record<string, unknown> = {};
    let offset = 0;
    for (const [name, dtype, shape, data] of [['X', 'F64', [1, 3, 2], X], ['W', 'F32', [1, 12, 2], W], ['R', 'I64', [1, 12, 3], R]] as const) {
      header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
      offset += data.byteLength;
    }
    const text = Buffer.from(JSON.stringify(header) + ' '.repeat(pad));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, ...[X, W, R].map((data) => Buffer.from(data.buffer))]);
  }

  it.each([0, 1, 2, 3, 4, 5, 6, 7])('reads tensors of several types from a safetensors file whose header is %d longer', async (pad) => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-infer-'));
    const file = join(folder, 'inputs.safetensors');
    const session = await runtime.open(fixture('lstm_defaults'));
    await writeFile(file, safetensors(pad));
    const feeds = await readFeeds({ file }, session, modelNotes({}));
    expect(Array.from(feeds['X']!.data as Float32Array)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(Array.from(feeds['W']!.data as Float32Array)).toEqual(Array(24).fill(Math.fround(0.1)));
    expect(Array.from(feeds['R']!.data as Float32Array)).toEqual(Array.from({ length: 36 }, (_, k) => k % 2));
    const cut = Buffer.from(safetensors(pad).toString('latin1').replace('[1,3,2]', '[1,3,3]'), 'latin1');
    await writeFile(file, cut);
    await expect(readFeeds({ file }, session, modelNotes({}))).rejects.toThrow(/tensor X has 48 bytes, its shape \[1, 3, 3\] and type F64 need 72/);
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
