import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { SluiceError } from '../contracts';
import { isMissing, writeError } from '../workspace';

/** `run.lock`: the process that trains a run. A process number alone is used again; with its start time it is not. */
const owner = z.strictObject({ pid: z.int().min(1), startedAt: z.string() });
export type Owner = z.infer<typeof owner>;

const lockName = 'run.lock';

/** Proof of having taken a run; for `releaseLock`. */
export interface RunLock {
  text: string;
}

/**
 * When a process began, as the system tells it; null where no such process runs. Opaque: only equality counts.
 * Linux: field 22 of /proc/<pid>/stat (clock ticks since boot) with the boot's id. macOS: `ps`. Elsewhere a
 * living process of that number is taken for the owner.
 */
export async function processStart(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    try {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      // The command's name is in brackets and may hold anything; fields count from the last bracket on.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A zombie still has its number but works no more.
      if (fields[0] === 'Z' || fields[0] === 'X') return null;
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
      return `${boot.trim()} ${fields[19] ?? ''}`;
    } catch (error) {
      if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ESRCH') return null;
      throw error;
    }
  }
  if (process.platform === 'darwin') {
    return promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).then(
      ({ stdout }) => stdout.trim() || null,
      () => null,
    );
  }
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'alive' : null;
  }
}

async function readLock(path: string): Promise<{ text: string; owner: Owner | null } | null> {
  try {
    const text = await readFile(path, 'utf8');
    try {
      return { text, owner: owner.parse(JSON.parse(text)) };
    } catch {
      return { text, owner: null };
    }
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** The living process that trains a run, null where there is none. */
export async function lockOwner(runDirectory: string): Promise<Owner | null> {
  const lock = await readLock(join(runDirectory, lockName));
  if (!lock?.owner) return null;
  return (await processStart(lock.owner.pid)) === lock.owner.startedAt ? lock.owner : null;
}

function lockedError(runDirectory: string, pid: number): SluiceError {
  return new SluiceError({
    code: 'RUN_LOCKED',
    message: `this run is being trained by process ${pid}; stop it there first`,
    where: runDirectory,
    details: { pid },
  });
}

/**
 * Takes a run for this process. The lock appears whole (written aside, then linked), and that of a dead owner
 * is moved away by name, so that of two processes that take over at once one wins and the other is told.
 * Throws RUN_LOCKED, DISK_FULL, WORKSPACE_READ_ONLY.
 */
export async function acquireLock(runDirectory: string): Promise<RunLock> {
  const path = join(runDirectory, lockName);
  const suffix = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const own = join(runDirectory, `.${lockName}.${suffix}.tmp`);
  const aside = join(runDirectory, `.${lockName}.dead.${suffix}.tmp`);
  const text = JSON.stringify({ pid: process.pid, startedAt: (await processStart(process.pid)) ?? '' } satisfies Owner);
  try {
    await writeFile(own, text, { flag: 'wx' });
    for (;;) {
      try {
        await link(own, path);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const present = await readLock(path);
      if (!present) continue;
      const living = await lockOwner(runDirectory);
      if (living) throw lockedError(runDirectory, living.pid);
      try {
        await rename(path, aside);
      } catch (error) {
        if (isMissing(error)) continue;
        throw error;
      }
      // Between reading and moving another process may have taken over: give its lock back.
      const moved = await readLock(aside);
      if (moved && moved.text !== present.text) {
        await link(aside, path).catch(() => undefined);
        await rm(aside, { force: true });
        throw lockedError(runDirectory, moved.owner?.pid ?? 0);
      }
      await rm(aside, { force: true });
    }
  } catch (error) {
    throw writeError(error, path);
  } finally {
    await rm(own, { force: true }).catch(() => undefined);
  }
  return { text };
}

/** Gives a run back; the folder may have got its final name since the lock was taken. */
export async function releaseLock(runDirectory: string, lock: RunLock): Promise<void> {
  const path = join(runDirectory, lockName);
  const present = await readLock(path);
  if (present?.text === lock.text) await rm(path, { force: true });
}
