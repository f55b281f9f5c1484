import { open, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { SluiceError } from '../contracts';

const blockBytes = 4 * 1024 * 1024;

/** CRC-32 of bytes that come block by block, as `dataset.json` holds it. */
export class Checksum {
  private value = 0;
  add(bytes: Uint8Array): void {
    this.value = crc32(bytes, this.value);
  }
  get text(): string {
    return this.value.toString(16).padStart(8, '0');
  }
}

async function checksumOfFile(path: string): Promise<string> {
  const checksum = new Checksum();
  const file = await open(path, 'r');
  try {
    const block = new Uint8Array(blockBytes);
    for (;;) {
      const { bytesRead } = await file.read(block, 0, blockBytes, null);
      if (bytesRead === 0) return checksum.text;
      checksum.add(block.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Files that were found whole, as they stood then: reading hundreds of MB again before every request would be felt. */
const whole = new Map<string, string>();

/**
 * Throws DATASET_DAMAGED where a file that the engine maps is not the one that the import wrote: of another size, or of
 * other content (`checksum`; a dataset of an earlier version has none). `what` is to be imported again.
 */
export async function checkFile(path: string, bytes: number, checksum: string | undefined, what: 'file' | 'text'): Promise<void> {
  const damaged = (reason: string, cause?: unknown) => new SluiceError({ code: 'DATASET_DAMAGED', message: `${path} is damaged: ${reason}. Import the ${what} again.`, where: path }, { cause });
  const unreadable = (error: unknown): never => {
    throw damaged(error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'it is missing' : 'it cannot be read', error);
  };
  const { size, mtimeMs, ino } = await stat(path).catch(unreadable);
  if (size !== bytes) throw damaged(`${size} bytes, not ${bytes}`);
  if (checksum === undefined) return;
  const state = [size, mtimeMs, ino, checksum].join(' ');
  if (whole.get(path) === state) return;
  const found = await checksumOfFile(path).catch(unreadable);
  if (found !== checksum) throw damaged('its content is not what the import wrote');
  whole.set(path, state);
}
