import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { isMissing, readJson } from '../workspace';

/** `state.json` of a checkpoint, as far as this side reads it. */
const checkpointState = z.looseObject({
  files: z.record(z.string(), z.string()),
  step: z.int(),
  best: z.object({ step: z.int() }).nullable().optional(),
});
export type CheckpointState = z.infer<typeof checkpointState>;

export async function readCheckpointState(directory: string): Promise<CheckpointState> {
  return readJson(checkpointState, join(directory, 'state.json'), 'CHECKPOINT_DAMAGED');
}

const verified = new Map<string, number>();

/** Why a checkpoint cannot be used, null where it is whole: every file has the hash that `state.json` names. */
export async function checkpointFault(directory: string): Promise<string | null> {
  let changed: number;
  try {
    changed = (await stat(join(directory, 'state.json'))).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 'state.json is missing';
    throw error;
  }
  if (verified.get(directory) === changed) return null;
  let state: CheckpointState;
  try {
    state = await readCheckpointState(directory);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  for (const [name, expected] of Object.entries(state.files)) {
    const hash = createHash('sha256');
    try {
      await pipeline(createReadStream(join(directory, name)), hash);
    } catch (error) {
      if (isMissing(error)) return `${name} is missing`;
      throw error;
    }
    if (hash.digest('hex') !== expected) return `${name} has changed since it was written`;
  }
  verified.set(directory, changed);
  return null;
}
