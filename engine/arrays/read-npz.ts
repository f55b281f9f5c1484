import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { fromHalf } from './half';

const inflate = promisify(inflateRaw);

export interface NumberArray {
  shape: number[];
  /** Row-major. */
  data: ArrayLike<number>;
  /** NumPy's letters for what the file held, such as `f4`. */
  type?: string;
}

const largestArrayBytes = 2 ** 31;

/**
 * Arrays of a NumPy archive by name (numpy.savez, savez_compressed): a zip folder of `.npy` files.
 * @throws RangeError with the reason where it is damaged or holds what is no number.
 */
export async function readNpz(bytes: Uint8Array): Promise<Record<string, NumberArray>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const arrays: [string, NumberArray][] = [];
  for (const entry of zipEntries(bytes, view)) {
    const packed = bytes.subarray(entry.start, entry.start + entry.packedBytes);
    if (entry.method !== 0 && entry.method !== 8) throw new RangeError(`${entry.name} is packed in an unknown way (${entry.method})`);
    const content = entry.method === 0 ? packed : await unpacked(packed, entry.name);
    arrays.push([entry.name.replace(/\.npy$/, ''), readNpy(content, entry.name)]);
  }
  return Object.fromEntries(arrays);
}

async function unpacked(packed: Uint8Array, name: string): Promise<Uint8Array> {
  try {
    return await inflate(packed, { maxOutputLength: largestArrayBytes });
  } catch (error) {
    throw new RangeError(`${name} cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
}

interface ZipEntry {
  name: string;
  method: number;
  start: number;
  packedBytes: number;
}

/** Entries of the archive's directory at its end (APPNOTE.TXT 4.3.12 and 4.3.16). */
function zipEntries(bytes: Uint8Array, view: DataView): ZipEntry[] {
  const endSignature = 0x06054b50;
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== endSignature) end -= 1;
  if (end < 0) throw new RangeError('it is no zip archive');
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const entries: ZipEntry[] = [];
  for (let k = 0; k < count; k++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) throw new RangeError('its directory is damaged');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((place) => view.getUint16(at + place, true)) as [number, number, number];
    const packedBytes = view.getUint32(at + 20, true);
    const header = view.getUint32(at + 42, true);
    if (packedBytes === 0xffffffff || header === 0xffffffff) throw new RangeError('it is larger than 4 GiB');
    if (header + 30 > bytes.length) throw new RangeError('its directory is damaged');
    const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
    if (start + packedBytes > bytes.length) throw new RangeError('it is cut off');
    entries.push({ name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes)), method: view.getUint16(at + 10, true), start, packedBytes });
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return entries;
}

/** One array in NumPy's format 1.0 to 3.0 (numpy.lib.format), either byte order, row- or column-major. */
export function readNpy(bytes: Uint8Array, name: string): NumberArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || new TextDecoder('latin1').decode(bytes.subarray(1, 6)) !== 'NUMPY') throw new RangeError(`${name} is no NumPy array`);
  const isFirstVersion = bytes[6] === 1;
  const headerStart = isFirstVersion ? 10 : 12;
  const dataStart = headerStart + (isFirstVersion ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataStart > bytes.length) throw new RangeError(`${name} is cut off`);
  const header = new TextDecoder().decode(bytes.subarray(headerStart, dataStart));
  const [, order, kind, width] = /'descr': '([<>|=])([fiub])(\d+)'/.exec(header) ?? [];
  const [, sizes] = /'shape': \(([^)]*)\)/.exec(header) ?? [];
  if (kind === undefined || sizes === undefined) throw new RangeError(`${name} holds what is no plain number`);
  const shape = sizes.split(',').map((size) => size.trim()).filter(Boolean).map(Number);
  const length = shape.reduce((product, size) => product * size, 1);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(length)) throw new RangeError(`${name} has no shape that can be read`);
  const isLittle = order !== '>';
  const read = numberReader(view, kind, Number(width), isLittle);
  if (!read) throw new RangeError(`${name} has the type ${kind}${width}, which is not supported`);
  if (dataStart + length * Number(width) > bytes.length) throw new RangeError(`${name} is cut off`);
  const flat = Float64Array.from({ length }, (_, k) => read(dataStart + k * Number(width)));
  return { shape, data: header.includes("'fortran_order': True") ? rowMajor(flat, shape) : flat, type: `${kind}${width}` };
}

function numberReader(view: DataView, kind: string, width: number, little: boolean): ((at: number) => number) | null {
  switch (`${kind}${width}`) {
    case 'f8':
      return (at) => view.getFloat64(at, little);
    case 'f4':
      return (at) => view.getFloat32(at, little);
    case 'f2':
      return (at) => fromHalf(view.getUint16(at, little));
    case 'i8':
      return (at) => Number(view.getBigInt64(at, little));
    case 'u8':
      return (at) => Number(view.getBigUint64(at, little));
    case 'i4':
      return (at) => view.getInt32(at, little);
    case 'u4':
      return (at) => view.getUint32(at, little);
    case 'i2':
      return (at) => view.getInt16(at, little);
    case 'u2':
      return (at) => view.getUint16(at, little);
    case 'i1':
      return (at) => view.getInt8(at);
    case 'u1':
    case 'b1':
      return (at) => view.getUint8(at);
    default:
      return null;
  }
}

/** Column-major to row-major. */
function rowMajor(data: Float64Array, shape: number[]): Float64Array {
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1));
  return data.map((_, k) => {
    let rest = k;
    let source = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return data[source]!;
  });
}
