import { randomBytes } from 'node:crypto';
import { realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SluiceError, systemReasons } from '../../engine/contracts';

/** The system's refusal to write as an error with a code, in words. */
function writeError(error: unknown, path: string): SluiceError {
  if (error instanceof SluiceError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOSPC' || code === 'EDQUOT') return new SluiceError({ code: 'DISK_FULL', message: 'The disk is full; make room and save again.', where: path }, { cause: error });
  const isForbidden = ['EACCES', 'EPERM', 'EROFS'].includes(code);
  const reason = isForbidden ? 'you may not write there' : (systemReasons[code] ?? 'the system refused');
  return new SluiceError({ code: 'FILE_UNREADABLE', message: `The file could not be written: ${reason}. Choose another place.`, where: path }, { cause: error });
}

/**
 * Puts a file where its user said, whole or not at all: `write` fills a temporary name beside it. Where a link
 * leads to a file, that file is replaced and the link stays; a device, pipe or folder is refused.
 */
export async function saveFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  let temporary: string | null = null;
  try {
    const entry = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (entry && !entry.isFile()) throw new SluiceError({ code: 'INPUT_INVALID', message: 'What is there is a folder or device, not a file; choose another name.', where: path });
    const place = entry ? await realpath(path) : path;
    temporary = join(dirname(place), `.${basename(place)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
    await write(temporary);
    await rename(temporary, place);
  } catch (error) {
    if (temporary !== null) await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(error, path);
  }
}
