import { zipSync, type Zippable } from 'fflate';

/** A NumPy archive (`numpy.savez`) of float32 arrays: `.files` has them in this order. The same arrays give the same bytes. */
export function encodeNpz(arrays: readonly { name: string; shape: readonly number[]; data: Float32Array }[]): Uint8Array {
  const files: Zippable = {};
  for (const { name, shape, data } of arrays) files[`${name}.npy`] = [npy(shape, data), { level: 0, mtime: new Date(1980, 0, 1) }];
  return zipSync(files);
}

/** One array in NumPy's format 1.0 (numpy.lib.format): the data begin at a multiple of 64. */
function npy(shape: readonly number[], data: Float32Array): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  const length = Math.ceil((10 + description.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length + data.byteLength);
  const header = `\x93NUMPY\x01\x00${String.fromCharCode((length - 10) & 255, (length - 10) >> 8)}${description.padEnd(length - 11)}\n`;
  for (let k = 0; k < length; k += 1) bytes[k] = header.charCodeAt(k);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), length);
  return bytes;
}
