import { readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Stats } from 'node:fs';
import { isMissing, writeError } from './file-error';

/** As many as Linux follows. */
const mostLinks = 40;

/**
 * Where a file that its user named is to be written. What is there and is no plain file is refused: a rename would
 * put a file in the place of a device. A link is followed, also to what is not there yet, so that the link stays
 * and its target is replaced. A missing folder is said, not made: it is mostly a slip of the pen.
 */
export async function outputPlace(path: string): Promise<string> {
  try {
    return await place(path, mostLinks);
  } catch (error) {
    throw writeError(error, path);
  }
}

async function place(path: string, linksLeft: number): Promise<string> {
  // Asked of the path itself: what `/dev/stdout` leads to has no path of its own.
  const entry = await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (entry) {
    if (!entry.isFile()) throw Object.assign(new Error('not a file'), { code: codeOf(entry) });
    return realpath(path);
  }
  const folder = await realpath(dirname(path));
  if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
  const target = await readlink(path).catch(() => null);
  if (target === null) return join(folder, basename(path));
  if (linksLeft === 0) throw Object.assign(new Error('too many links'), { code: 'ELOOP' });
  return place(resolve(folder, target), linksLeft - 1);
}

/** What the system would say to a writer. */
function codeOf(entry: Stats): string {
  if (entry.isDirectory()) return 'EISDIR';
  return entry.isFIFO() || entry.isSocket() ? 'ESPIPE' : 'ENODEV';
}
