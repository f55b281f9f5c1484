import { open } from 'node:fs/promises';
import { writeError } from '../workspace';
import { Checksum } from './integrity';

const blockBytes = 4 * 1024 * 1024;

/**
 * Writes the numbers to a new file, which is on the disk at the end, and gives its checksum. Little-endian, as on all
 * platforms that Node 20 runs on. Throws where the file is there already or cannot be written.
 */
export async function writeBinary(path: string, data: Float32Array | Uint32Array | Uint16Array | Uint8Array, signal: AbortSignal): Promise<string> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const checksum = new Checksum();
  try {
    const file = await open(path, 'wx');
    try {
      for (let start = 0; start < bytes.length; start += blockBytes) {
        signal.throwIfAborted();
        const block = bytes.subarray(start, start + blockBytes);
        checksum.add(block);
        await file.writeFile(block);
      }
      await file.sync();
      return checksum.text;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw writeError(error, path);
  }
}
