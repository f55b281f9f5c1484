import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { SluiceError } from '../contracts';
import { isMissing, temporaryPath, writeError } from '../workspace';

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

interface LockFile {
  text: string;
  /** Null where the text is damaged. */
  owner: Owner | null;
}

async function readLock(path: string): Promise<LockFile | null> {
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
  return livingOwner(await readLock(join(runDirectory, lockName)));
}

async function livingOwner(lock: LockFile | null): Promise<Owner | null> {
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
 * Puts `text` at `path`, whole: written aside, then linked, which fails where a lock is there already. The lock of a
 * dead owner is replaced under a claim, a second lock named after the dead one's content and taken the same way. Only
 * the claim's holder may replace that content, so what it reads before the rename still stands at the rename. A claim whose
 * holder died is a dead lock like any other.
 */
async function takeLock(path: string, text: string, runDirectory: string): Promise<void> {
  const own = temporaryPath(path);
  try {
    await writeFile(own, text, { flag: 'wx' });
    for (;;) {
      try {
        await link(own, path);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const present = await readLock(path);
      if (!present) continue;
      const living = await livingOwner(present);
      if (living) throw lockedError(runDirectory, living.pid);
      const claim = `${path}.${createHash('sha256').update(present.text).digest('hex').slice(0, 16)}`;
      await takeLock(claim, text, runDirectory);
      try {
        if ((await readLock(path))?.text === present.text) {
          await rename(own, path);
          return;
        }
      } finally {
        await rm(claim, { force: true });
      }
    }
  } finally {
    await rm(own, { force: true }).catch(() => undefined);
  }
}

/**
 * Takes a run for this process; of many that take over from a dead owner at once exactly one gets it, the others are
 * told. Throws RUN_LOCKED, DISK_FULL, WORKSPACE_READ_ONLY.
 */
export async function acquireLock(runDirectory: string): Promise<RunLock> {
  const path = join(runDirectory, lockName);
  const text = JSON.stringify({ pid: process.pid, startedAt: (await processStart(process.pid)) ?? '' } satisfies Owner);
  try {
    await takeLock(path, text, runDirectory);
  } catch (error) {
    throw writeError(error, path);
  }
  return { text };
}

/** Gives a run back; the folder may have got its final name since the lock was taken. */
export async function releaseLock(runDirectory: string, lock: RunLock): Promise<void> {
  const path = join(runDirectory, lockName);
  const present = await readLock(path);
  if (present?.text === lock.text) await rm(path, { force: true });
}
