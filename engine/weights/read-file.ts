import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { readNpz } from '../arrays';
import { SluiceError } from '../contracts';
import { readError } from '../workspace';
import { readKerasFile } from './hdf5';
import { decodeSafetensors } from './safetensors';
import { naturally, type SourceTensor, type TensorFile } from './tensors';

/** Larger files hold more weights than any model here may have. */
const largestFileBytes = 2 ** 31 - 1;

/** What to do with files that cannot be read as they are: they can hold programs, or need their framework. */
const advice: Record<string, string> = {
  pickle: 'it is a pickle of PyTorch, which may run programs when it is opened. Save it as safetensors: safetensors.torch.save_file(model.state_dict(), "weights.safetensors")',
  keras: 'it is a whole Keras model. Save its weights alone: model.save_weights("weights.weights.h5")',
};
const unreadable: Record<string, string> = { '.pt': 'pickle', '.pth': 'pickle', '.bin': 'pickle', '.ckpt': 'pickle', '.pkl': 'pickle', '.keras': 'keras' };

/**
 * Every tensor of a file of weights: .safetensors (PyTorch, Sluice, Keras), .npz (Keras), .weights.h5 and .h5 (Keras).
 * @throws SluiceError FILE_NOT_FOUND, FILE_UNREADABLE with the reason, INPUT_INVALID for another kind of file.
 */
export async function readTensorFile(path: string): Promise<TensorFile> {
  const extension = extname(path).toLowerCase();
  const refused = unreadable[extension];
  if (refused !== undefined) throw new SluiceError({ code: 'INPUT_INVALID', message: `${path} cannot be read: ${advice[refused]}.`, where: path, details: { reason: refused } });
  if (!['.safetensors', '.npz', '.h5', '.hdf5'].includes(extension)) {
    throw new SluiceError({ code: 'INPUT_INVALID', message: `${path} is no file of weights: give a .safetensors, .npz or .weights.h5 file.`, where: path });
  }
  try {
    const { size } = await stat(path);
    if (size > largestFileBytes) throw new RangeError(`it is larger than 2 GiB`);
    if (extension === '.h5' || extension === '.hdf5') {
      return { path, tensors: await readKerasFile(path), metadata: {}, isKeras: true };
    }
    const bytes = await readFile(path);
    if (extension === '.safetensors') return { path, ...decodeSafetensors(bytes), isKeras: false };
    return { path, tensors: await npzTensors(bytes), metadata: {}, isKeras: false };
  } catch (error) {
    if (error instanceof RangeError) throw new SluiceError({ code: 'FILE_UNREADABLE', message: `${basename(path)} cannot be read: ${error.message}. Save it again.`, where: path }, { cause: error });
    throw readError(error, path);
  }
}

/** Arrays of a NumPy archive by counting names: `arr_2` before `arr_10`. */
async function npzTensors(bytes: Uint8Array): Promise<SourceTensor[]> {
  const arrays = await readNpz(bytes);
  return Object.entries(arrays)
    .map(([name, { shape, data, type = '' }]): SourceTensor => ({ name, dtype: type.replace(/^([a-z])(\d)$/, (_, kind: string, width: string) => `${kind === 'i' ? 'I' : kind.toUpperCase()}${Number(width) * 8}`), shape, data: type.startsWith('f') ? Float32Array.from(data) : null }))
    .sort((a, b) => naturally(a.name, b.name));
}
