import { readFile } from 'node:fs/promises';
import type { Dataset, Group } from 'h5wasm';
import { naturally, type SourceTensor } from './tensors';

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** More of either is no file of Keras. */
const mostDatasets = 10_000;
const deepest = 32;
/** Where the library's own file system, which lies in memory, holds the file. */
const place = '/weights.h5';

/**
 * Weights of a `.weights.h5` (Keras 3) or `.h5` (Keras 2) file, by path: `layers/lstm/cell/vars/0`, `lstm/lstm/lstm_cell/kernel:0`.
 * The library is HDF5's own, compiled to WebAssembly and given a file system of its own: a crafted file, also one that
 * refers to others, reaches nothing outside.
 * @throws RangeError with the reason where it is damaged.
 */
export async function readKerasFile(path: string): Promise<SourceTensor[]> {
  const bytes = await readFile(path);
  if (signature.some((byte, k) => bytes[k] !== byte)) throw new RangeError('it is no HDF5 file');
  // Some megabytes, for those who bring such a file.
  const { default: hdf5 } = await import('h5wasm');
  const library = await hdf5.ready;
  // Errors are thrown, not printed: standard error belongs to the command line.
  library.activate_throwing_error_handler();
  library.FS.writeFile(place, bytes);
  try {
    const file = new hdf5.File(place, 'r');
    try {
      return weightsOf(file);
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const [reason] = /(?<=minor: ).+$/m.exec(error instanceof Error ? error.message : String(error)) ?? ['it is damaged'];
    throw new RangeError(`HDF5 says: ${reason}`, { cause: error });
  } finally {
    library.FS.unlink(place);
  }
}

function weightsOf(file: Group): SourceTensor[] {
  const tensors: SourceTensor[] = [];
  const visit = (group: Group, prefix: string, depth: number): void => {
    if (depth > deepest) throw new RangeError('its groups lie too deep');
    for (const key of group.keys()) {
      const name = prefix === '' ? key : `${prefix}/${key}`;
      // What an optimiser keeps is no weight of the model.
      if (/^(optimizer|optimizer_weights|top_level_model_weights)$/.test(key) && prefix === '') continue;
      const entry = group.get(key);
      // Links and references are passed over.
      if (entry === null || !('type' in entry)) continue;
      if (entry.type === 'Group') visit(entry as Group, name, depth + 1);
      else if (entry.type === 'Dataset') tensors.push(tensorOf(entry as Dataset, name));
      if (tensors.length > mostDatasets) throw new RangeError('it holds too many datasets');
    }
  };
  visit(file, '', 0);
  return tensors.sort((a, b) => naturally(a.name, b.name));
}

function tensorOf(dataset: Dataset, name: string): SourceTensor {
  const { type, size } = dataset.metadata;
  const shape = dataset.shape ?? [];
  const length = shape.reduce((product, each) => product * each, 1);
  // 1 is HDF5's class of floating point numbers.
  const isFloat = type === 1 && [2, 4, 8].includes(size);
  if (!isFloat) return { name, dtype: String(dataset.dtype), shape, data: null };
  if (!Number.isSafeInteger(length) || length * size > 2 ** 31) throw new RangeError(`${name} is larger than 2 GiB`);
  const value: unknown = dataset.value;
  const numbers = ArrayBuffer.isView(value) ? Float32Array.from(value as unknown as ArrayLike<number>) : typeof value === 'number' ? Float32Array.of(value) : null;
  if (numbers?.length !== length) throw new RangeError(`${name} cannot be read`);
  return { name, dtype: `F${8 * size}`, shape, data: numbers };
}
