import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readNpy, readNpz } from './read-npz';

function npy(descr: string, shape: number[], data: Uint8Array, fortran = false): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([1, 0]), length, Buffer.from(header), data]);
}

/** A zip folder as numpy.savez writes it; the fields it does not need are 0. */
function zip(files: Record<string, Uint8Array>, method: 0 | 8): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const local = Buffer.alloc(30 + name.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30);
    const entry = Buffer.alloc(46 + name.length);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    entry.write(name, 46);
    parts.push(local, packed);
    directory.push(entry);
    offset += local.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

const bytesOf = (values: Float32Array | Float64Array | BigInt64Array): Uint8Array => new Uint8Array(values.buffer);

describe('a NumPy archive', () => {
  it.each([0, 8] as const)('gives its arrays by name, packing %i', async (method) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 24 }), async (values) => {
        const files = { 'x.npy': npy('<f4', [1, values.length], bytesOf(Float32Array.from(values))), 'n.npy': npy('<i8', [2], bytesOf(BigInt64Array.of(-5n, 7n))) };
        const arrays = await readNpz(zip(files, method));
        expect(arrays['x']!.shape).toEqual([1, values.length]);
        expect(Array.from(arrays['x']!.data)).toEqual(Array.from(Float32Array.from(values)));
        expect(arrays['n']).toEqual({ shape: [2], data: Float64Array.of(-5, 7), type: 'i8' });
      }),
      { numRuns: 25 },
    );
  });

  it('turns column-major arrays', () => {
    const stored = npy('<f8', [2, 3], bytesOf(Float64Array.of(1, 4, 2, 5, 3, 6)), true);
    expect(Array.from(readNpy(stored, 'a').data)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('names what is damaged', async () => {
    const whole = zip({ 'x.npy': npy('<f8', [4], bytesOf(Float64Array.of(1, 2, 3, 4))) }, 0);
    await expect(readNpz(whole.subarray(0, whole.length - 30))).rejects.toThrow('no zip archive');
    await expect(readNpz(zip({ 'x.npy': npy('<f8', [9], bytesOf(Float64Array.of(1))) }, 0))).rejects.toThrow('x.npy is cut off');
    await expect(readNpz(zip({ 'x.npy': npy('|O', [1], new Uint8Array(8)) }, 0))).rejects.toThrow('no plain number');
  });
});
