import { fromHalf } from '../arrays';
import { readSafetensors, tensorBytes } from '../contracts';
import type { SourceTensor } from './tensors';

/** Bytes of one number by type; of other types the bytes stay unread. */
const widths: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 };

/**
 * The tensors of a safetensors buffer in the order of their bytes, floating point numbers as float32.
 * @throws RangeError with the reason where it is damaged.
 */
export function decodeSafetensors(bytes: Uint8Array): { tensors: SourceTensor[]; metadata: Record<string, string> } {
  const file = readSafetensors(bytes);
  const tensors = file.entries
    .toSorted((a, b) => a.start - b.start)
    .map((entry): SourceTensor => {
      const { name, dtype, shape } = entry;
      const width = widths[dtype];
      const length = shape.reduce((product, size) => product * size, 1);
      if (width !== undefined && entry.end - entry.start !== length * width) throw new RangeError(`tensor ${name} has ${entry.end - entry.start} bytes, its shape says otherwise`);
      return { name, dtype, shape, data: /^(F|BF)\d/.test(dtype) && width !== undefined ? floats(tensorBytes(file, entry), dtype) : null };
    });
  return { tensors, metadata: file.metadata };
}

function floats(bytes: ArrayBuffer, dtype: string): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(bytes));
  const halves = new Uint16Array(bytes);
  if (dtype === 'F16') return Float32Array.from(halves, fromHalf);
  // The upper half of a float32.
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

/** A safetensors buffer of float32 tensors in the given order; the same tensors give the same bytes. */
export function encodeSafetensors(tensors: readonly { name: string; shape: readonly number[]; data: Float32Array }[], metadata: Record<string, string>): Uint8Array {
  let offset = 0;
  const entries = tensors.map(({ name, shape, data }): [string, unknown] => {
    const start = offset;
    offset += data.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [start, offset] }];
  });
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries([['__metadata__', metadata], ...entries])));
  const header = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + header + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header), true);
  bytes.fill(0x20, 8, 8 + header);
  bytes.set(text, 8);
  let place = 8 + header;
  for (const { data } of tensors) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), place);
    place += data.byteLength;
  }
  return bytes;
}
