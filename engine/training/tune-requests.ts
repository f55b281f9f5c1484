import { randomUUID } from 'node:crypto';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { SluiceError, toErrorShape, type ErrorShape, type RunChange } from '../contracts';
import { ensureFolder, isMissing, readJson, writeJson } from '../workspace';

/**
 * How a process asks the one that trains a run to change settings: a file `requests/<id>.json` in the run's folder, answered
 * by `<id>.answer.json` beside it, which the asking process takes away. The owner looks every half second.
 */
const request = z.strictObject({ format: z.literal('sluice-tune/1'), set: z.array(z.string().max(200)).min(1).max(20) });
const answer = z.union([
  z.strictObject({ changes: z.array(z.strictObject({ step: z.int(), field: z.string(), from: z.number().nullable(), to: z.number().nullable() })) }),
  z.strictObject({ error: z.looseObject({ code: z.string(), message: z.string() }) }),
]);

const lookEveryMs = 500;
const answerPattern = /^([0-9a-f-]{36})\.answer\.json$/;
const requestPattern = /^([0-9a-f-]{36})\.json$/;

const folderOf = (directory: string): string => join(directory, 'requests');

/**
 * Asks the owner of a run and waits for its answer. Throws what the owner refuses with, RUN_NOT_ACTIVE where it ends
 * meanwhile, and RUN_LOCKED where it does not answer in time; the request is then withdrawn.
 */
export async function askOwner(directory: string, run: string, set: readonly string[], isOwned: () => Promise<boolean>, patienceMs = 60_000): Promise<RunChange[]> {
  const folder = folderOf(directory);
  const id = randomUUID();
  const [asked, answered] = [`${id}.json`, `${id}.answer.json`];
  try {
    for (let waited = 0; waited < patienceMs; waited += lookEveryMs / 2) {
      // Asked before the folder is read: an owner that answers and then ends leaves its answer.
      const owned = await isOwned();
      const present = await namesIn(folder);
      if (present.includes(answered)) {
        const given = await readJson(answer, join(folder, answered));
        if ('error' in given) throw new SluiceError(given.error as ErrorShape);
        return given.changes;
      }
      if (!owned) throw new SluiceError({ code: 'RUN_NOT_ACTIVE', message: `run ${run} ended before it could be changed`, where: run });
      // An owner that begins takes away what it finds, this one too if it was just asked.
      if (!present.includes(asked)) {
        await ensureFolder(folder);
        await writeJson(join(folder, asked), { format: 'sluice-tune/1', set });
      }
      await sleep(lookEveryMs / 2);
    }
    throw new SluiceError({ code: 'RUN_LOCKED', message: `the process that trains run ${run} did not answer; it may be suspended. Try again when it goes on`, where: run });
  } finally {
    for (const name of [asked, answered]) await rm(join(folder, name), { force: true });
    // Where the owner has ended, the last one to ask leaves nothing; a folder that still holds something stays.
    if (!(await isOwned())) await rmdir(folder).catch(() => undefined);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

export interface RequestWatch {
  stop(): Promise<void>;
}

/** Answers requests until it is stopped. What lies there from before is removed: its asker asks again if it still waits. */
export function watchRequests(directory: string, tune: (set: string[]) => Promise<RunChange[]>): RequestWatch {
  const folder = folderOf(directory);
  let working: Promise<void> = namesIn(folder).then(async (names) => {
    for (const name of names) await rm(join(folder, name), { force: true });
  });
  const look = async (): Promise<void> => {
    const names = await namesIn(folder);
    const answered = new Set(names.map((name) => answerPattern.exec(name)?.[1]));
    for (const name of names) {
      const id = requestPattern.exec(name)?.[1];
      if (id === undefined || answered.has(id)) continue;
      const outcome = await readJson(request, join(folder, name))
        .then(async ({ set }) => ({ changes: await tune(set) }))
        .catch((error: unknown) => ({ error: toErrorShape(error) }));
      await writeJson(join(folder, `${id}.answer.json`), outcome);
    }
  };
  const timer = setInterval(() => {
    // A folder that cannot be read or written now may be later; the one who asked is told by time.
    working = working.catch(() => undefined).then(look);
    working.catch(() => undefined);
  }, lookEveryMs);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await working.catch(() => undefined);
      // Answers are left for those who asked.
      await rmdir(folder).catch(() => undefined);
    },
  };
}
