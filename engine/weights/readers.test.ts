import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeNpz, readNpz } from '../arrays';
import { readTensorFile } from './read-file';
import { decodeSafetensors, encodeSafetensors } from './safetensors';
import { naturally } from './tensors';

const folder = await mkdtemp(join(tmpdir(), 'sluice-readers-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const fixture = (name: string): Promise<Buffer> => readFile(resolve(import.meta.dirname, '../../tests/fixtures/weights', name));

const tensors = fc
  .uniqueArray(fc.record({ name: fc.string({ minLength: 1, maxLength: 12 }).filter((name) => name !== '__metadata__'), shape: fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }) }), { selector: ({ name }) => name, maxLength: 6 })
  .chain((list) =>
    fc.tuple(...list.map(({ name, shape }) => fc.float32Array({ minLength: shape.reduce((a, b) => a * b, 1), maxLength: shape.reduce((a, b) => a * b, 1), noNaN: true }).map((data) => ({ name, shape, data })))),
  );

describe('safetensors', () => {
  it('come back as they went, with their texts', () => {
    fc.assert(
      fc.property(tensors, fc.dictionary(fc.string({ minLength: 1 }), fc.string()), (list, metadata) => {
        const read = decodeSafetensors(encodeSafetensors(list, metadata));
        expect(read.metadata).toEqual(metadata);
        const byName = new Map(read.tensors.map((tensor) => [tensor.name, tensor]));
        expect(byName.size).toBe(list.length);
        for (const { name, shape, data } of list) expect(byName.get(name)).toEqual({ name, dtype: 'F32', shape, data });
      }),
    );
  });

  it('of any other form are refused with a reason and nothing else', () => {
    const isHonest = (bytes: Uint8Array): void => {
      try {
        for (const { shape, data } of decodeSafetensors(bytes).tensors) if (data) expect(data).toHaveLength(shape.reduce((a, b) => a * b, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    };
    const headed = (header: string): Uint8Array => {
      const text = new TextEncoder().encode(header);
      const bytes = new Uint8Array(8 + text.length + 64);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
      bytes.set(text, 8);
      return bytes;
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), isHonest));
    fc.assert(fc.property(fc.json(), (json) => isHonest(headed(json))));
    const odd = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null), fc.array(fc.integer({ min: -3, max: 70 }), { maxLength: 3 }), fc.bigInt().map(Number));
    const entry = fc.record({ dtype: fc.oneof(fc.constantFrom('F32', 'F64', 'BF16', 'I64'), odd), shape: fc.oneof(fc.constant([2, 2]), odd), data_offsets: fc.oneof(fc.constant([0, 16]), odd) }, { requiredKeys: [] });
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.oneof(entry, odd)), (header) => isHonest(headed(JSON.stringify(header)))), { numRuns: 500 });
    expect(() => decodeSafetensors(headed('{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,17]}}'))).toThrow('shape says otherwise');
    expect(() => decodeSafetensors(headed('{"a":{"dtype":"F32","shape":[1e30],"data_offsets":[0,4]}}'))).toThrow('no type, shape or place');
    expect(() => decodeSafetensors(Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127, 123, 125))).toThrow('does not fit');
  });
});

describe('NumPy archives', () => {
  it('come back as they went, in their order', async () => {
    await fc.assert(
      fc.asyncProperty(tensors, async (list) => {
        const named = list.map((tensor, k) => ({ ...tensor, name: `${String(k).padStart(3, '0')}.kernel` }));
        const read = await readNpz(encodeNpz(named));
        expect(Object.keys(read)).toEqual(named.map(({ name }) => name));
        for (const { name, shape, data } of named) expect(read[name]).toEqual({ shape, data: Float64Array.from(data), type: 'f4' });
      }),
    );
  });

  it('that are cut or changed are refused with a reason', async () => {
    const whole = await fixture('keras-lstm-list.npz');
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), async (place, value, cut) => {
        const bytes = Uint8Array.from(cut ? whole.subarray(0, place) : whole);
        if (!cut) bytes[place] = value;
        await readNpz(bytes).catch((error: unknown) => expect(error).toBeInstanceOf(RangeError));
      }),
      { numRuns: 300 },
    );
  });
});

it('counts names as people do', () => {
  expect(['lstm_10', 'lstm', 'lstm_2', 'layers.10.a', 'layers.9.a'].sort(naturally)).toEqual(['layers.9.a', 'layers.10.a', 'lstm', 'lstm_2', 'lstm_10']);
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => void expect(Math.sign(naturally(a, b)) + Math.sign(naturally(b, a))).toBe(0)));
});

describe('files', () => {
  const put = async (name: string, bytes: Uint8Array | string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  };

  it('of other programs are refused with what to do', async () => {
    await expect(readTensorFile(await put('a.pt', 'PK'))).rejects.toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('save_file(model.state_dict()') as string });
    await expect(readTensorFile(await put('a.keras', 'PK'))).rejects.toMatchObject({ message: expect.stringContaining('save_weights') as string });
    await expect(readTensorFile(await put('a.txt', 'x'))).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(readTensorFile(join(folder, 'nothing.npz'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('that are damaged are named, also those of HDF5', async () => {
    for (const [name, bytes] of [['a.safetensors', 'torn'], ['a.npz', 'torn'], ['a.h5', 'torn']] as const) await expect(readTensorFile(await put(name, bytes))).rejects.toMatchObject({ code: 'FILE_UNREADABLE', where: join(folder, name) });
    const whole = await fixture('keras-gru.weights.h5');
    for (const cut of [9, 100, 3000, whole.length - 1]) await expect(readTensorFile(await put('b.h5', whole.subarray(0, cut)))).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    // After damaged ones a whole one is read as ever.
    expect((await readTensorFile(await put('b.h5', whole))).tensors.map(({ name, shape }) => [name, shape])).toContainEqual(['layers/gru/cell/vars/1', [3, 9]]);
  });

  it('of HDF5 with changed bytes give numbers or a reason', async () => {
    const whole = await fixture('keras-gru.weights.h5');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(whole.length - 9), fc.nat(255)), { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [place, value] of changes) bytes[8 + place] = value;
        await readTensorFile(await put('c.h5', bytes)).catch((error: unknown) => expect(error).toMatchObject({ code: 'FILE_UNREADABLE' }));
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
