import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { SluiceError, type ErrorCode } from '../contracts';
import { isMissing, readError, writeError } from './file-error';

const temporaryName = /\.(\d+)-[0-9a-f]{8}\.tmp$/;
/** After this age the recorded process number says nothing any more: numbers are used again. */
const forgottenMs = 7 * 24 * 3600_000;

/** A name beside `path` that says which process writes it, so that a later start can tell a dead one. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
}

/**
 * Makes a folder and its parents; errors are coded (DISK_FULL, WORKSPACE_READ_ONLY). Parents are made one by
 * one: Node's own recursive mkdir calls a read-only file system a missing folder.
 */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (isMissing(error) && dirname(path) !== path) {
      await ensureFolder(dirname(path));
      await ensureFolder(path);
    } else {
      const entry = await stat(path).catch(() => null);
      if (entry?.isDirectory()) return;
      // What is there is named, not that something is there.
      throw writeError(entry === null ? error : Object.assign(new Error('not a folder', { cause: error }), { code: 'ENOTDIR' }), path);
    }
  }
}

/** Makes a rename durable. Windows cannot open folders and needs no flush of them. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a whole file so that a reader sees the old or the new one, never half: temporary name, flush,
 * rename, flush of the folder. On any error the temporary file is gone and the old file untouched.
 * `content` may write piece by piece through the handle it is given.
 * Throws DISK_FULL or WORKSPACE_READ_ONLY with the path.
 */
export async function writeAtomic(path: string, content: string | Uint8Array | ((file: FileHandle) => Promise<void>)): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      if (typeof content === 'function') await content(file);
      else await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(error, path);
  }
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Reads and checks a JSON file. Missing → FILE_NOT_FOUND; not JSON or not of this shape → `damaged` with the field. */
export async function readJson<S extends z.ZodType>(schema: S, path: string, damaged: ErrorCode = 'FILE_UNREADABLE'): Promise<z.output<S>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw readError(error, path);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SluiceError({ code: damaged, message: `${path} is damaged: it is not complete JSON.`, where: path }, { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new SluiceError({
    code: damaged,
    message: `${path} is damaged: ${field ? `${field} is missing or holds what does not belong there` : 'it holds something else'}.`,
    where: field ? `${path}, ${field}` : path,
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there, but another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * Removes temporary files and folders directly in `folder` that a process left which no longer runs.
 * Other processes use the workspace at the same time: what a living one made is kept.
 */
export async function removeStaleTemporaries(folder: string, now: Date): Promise<string[]> {
  const removed: string[] = [];
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const match = temporaryName.exec(name);
    if (!match) continue;
    const path = join(folder, name);
    const age = await stat(path).then(
      (entry) => now.getTime() - entry.mtimeMs,
      (error: unknown) => {
        if (isMissing(error)) return 0;
        throw error;
      },
    );
    const isDead = age > forgottenMs || !isAlive(Number(match[1]));
    if (!isDead) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
    removed.push(name);
  }
  return removed;
}
