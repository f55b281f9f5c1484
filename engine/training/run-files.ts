import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { TrainingData } from '../binding/types';
import { range, runConfig, runStatus, split, SluiceError, type RunConfig, type RunStatus } from '../contracts';
import { ensureFolder, isMissing, readJson, removeStaleTemporaries, syncFolder, temporaryPath, writeAtomic, writeError, writeJson, type WorkspacePaths } from '../workspace';
import { acquireLock, type RunLock } from './run-lock';

const columnScaler = z.strictObject({ mean: z.array(z.number()), deviation: z.array(z.number()) });

const sequenceContent = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('values'), columns: z.int(), inputs: z.array(z.int()), scaler: columnScaler, targetColumns: z.int(), targets: z.array(z.int()), targetScaler: columnScaler }),
  z.strictObject({ kind: z.literal('bits'), columns: z.int() }),
  z.strictObject({ kind: z.literal('labels'), vocabularySize: z.int(), labelCount: z.int() }),
]);

/** `data.json` of a run: the data as they were when it began; its scaler and windows belong to the run. */
const runData = z.strictObject({
  format: z.literal('sluice-run-data/1'),
  sourceSha256: z.string(),
  data: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('tokens'),
      path: z.string(),
      bytesPerToken: z.union([z.literal(2), z.literal(4)]),
      vocabularySize: z.int(),
      split,
    }),
    z.strictObject({
      kind: z.literal('series'),
      path: z.string(),
      rows: z.int(),
      columns: z.int(),
      inputs: z.array(z.int()),
      targetCount: z.int(),
      scaler: z.strictObject({ mean: z.array(z.number()), deviation: z.array(z.number()) }),
      lookback: z.int(),
      horizon: z.int(),
      subtractLast: z.boolean(),
      season: z.int(),
      windows: z.strictObject({ train: z.array(range), validation: z.array(range), test: z.array(range) }),
    }),
    z.strictObject({ kind: z.literal('sequences'), path: z.string(), sequences: z.int(), steps: z.int(), content: sequenceContent, split }),
  ]),
});

export interface RunData {
  sourceSha256: string;
  data: TrainingData;
}

export const runFile = {
  config: (directory: string): string => join(directory, 'config.json'),
  status: (directory: string): string => join(directory, 'status.json'),
  data: (directory: string): string => join(directory, 'data.json'),
  /** Weights of another program that the run started from. */
  initialWeights: (directory: string): string => join(directory, 'initial.safetensors'),
  changes: (directory: string): string => join(directory, 'changes.json'),
  metrics: (directory: string): string => join(directory, 'metrics.jsonl'),
  checkpoints: (directory: string): string => join(directory, 'checkpoints'),
  checkpoint: (directory: string, step: number): string => join(directory, 'checkpoints', `step-${step}`),
  traces: (directory: string): string => join(directory, 'traces'),
  trace: (directory: string, step: number): string => join(directory, 'traces', `step-${step}.safetensors`),
};

/** The folder's name is the id: one that was copied or renamed by hand is a run of its own, and its label is no longer another's. */
export async function readStatus(directory: string): Promise<RunStatus> {
  const status = await readJson(runStatus, runFile.status(directory));
  const id = basename(directory);
  return status.id === id ? status : { ...status, id, name: id };
}

/** A part of a run that nothing else can stand in for. */
async function readPart<S extends z.ZodType>(schema: S, path: string): Promise<z.output<S>> {
  try {
    return await readJson(schema, path);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { code, message, where } = error;
    const fault = code === 'FILE_NOT_FOUND' ? `${path} is missing.` : message;
    throw new SluiceError({ code, message: `${fault} The run cannot be used without it: put back a copy, or train anew.`, ...(where !== undefined && { where }) }, { cause: error });
  }
}

export async function readConfig(directory: string): Promise<RunConfig> {
  return readPart(runConfig, runFile.config(directory));
}

/** Only the file's name is kept: the folder is that of the run's dataset, which may move with the workspace. */
export async function writeRunData(directory: string, { sourceSha256, data }: RunData): Promise<void> {
  await writeJson(runFile.data(directory), { format: 'sluice-run-data/1', sourceSha256, data: { ...data, path: basename(data.path) } });
}

export async function readRunData(directory: string, datasetFolder: string): Promise<RunData> {
  const { sourceSha256, data } = await readPart(runData, runFile.data(directory));
  return { sourceSha256, data: { ...data, path: join(datasetFolder, data.path) } };
}

/** Ids of the runs of a workspace; a missing folder holds none. */
export async function runIds(workspace: WorkspacePaths): Promise<string[]> {
  try {
    const entries = await readdir(workspace.runs, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function numbered(folder: string, pattern: RegExp): Promise<number[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return names
    .map((name) => pattern.exec(name))
    .filter((match) => match !== null)
    .map((match) => Number(match[1]))
    .sort((a, b) => a - b);
}

export async function checkpointSteps(directory: string): Promise<number[]> {
  return numbered(runFile.checkpoints(directory), /^step-(\d+)$/);
}

export async function traceSteps(directory: string): Promise<number[]> {
  return numbered(runFile.traces(directory), /^step-(\d+)\.safetensors$/);
}

/**
 * Makes a run's folder under a free name, whole and already locked: it is written aside and renamed. `name`
 * null takes `<base>-1`, `<base>-2` …. Throws NAME_TAKEN, DISK_FULL, WORKSPACE_READ_ONLY; nothing is left then.
 */
export async function createRun(
  workspace: WorkspacePaths,
  name: string | null,
  base: string,
  content: (id: string) => { config: RunConfig; status: RunStatus; data: RunData; initialWeights: Uint8Array | null },
): Promise<{ id: string; directory: string; lock: RunLock }> {
  await ensureFolder(workspace.runs);
  const taken = await runIds(workspace);
  for (let number = 1; ; number += 1) {
    const id = name ?? `${base}-${number}`;
    const directory = workspace.run(id);
    if (taken.includes(id) || (await exists(directory))) {
      if (name !== null) throw nameTakenError(id);
      continue;
    }
    const temporary = temporaryPath(directory);
    try {
      await ensureFolder(temporary);
      const { config, status, data, initialWeights } = content(id);
      const lock = await acquireLock(temporary);
      await writeJson(runFile.config(temporary), config);
      await writeRunData(temporary, data);
      if (initialWeights) await writeAtomic(runFile.initialWeights(temporary), initialWeights);
      await writeJson(runFile.status(temporary), status);
      await rename(temporary, directory);
      await syncFolder(workspace.runs);
      return { id, directory, lock };
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      const code = (error as NodeJS.ErrnoException).code;
      // Another process took the name in between.
      if (code === 'ENOTEMPTY' || code === 'EEXIST') {
        if (name !== null) throw nameTakenError(id);
        continue;
      }
      throw writeError(error, directory);
    }
  }
}

function nameTakenError(id: string): SluiceError {
  return new SluiceError({ code: 'NAME_TAKEN', message: `there is a run ${id} already; choose another name`, where: 'name', details: { name: id } });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
}

/** Bytes of a recorded trace. Throws FILE_NOT_FOUND with the steps that are there. */
export async function readTrace(directory: string, step: number): Promise<Uint8Array> {
  try {
    return await readFile(runFile.trace(directory, step));
  } catch (error) {
    if (!isMissing(error)) throw error;
    const steps = await traceSteps(directory);
    throw new SluiceError({
      code: 'FILE_NOT_FOUND',
      message: `no trace was recorded at step ${step}; there are ${steps.length === 0 ? 'none' : `those of steps ${steps.join(', ')}`}`,
      where: runFile.trace(directory, step),
    });
  }
}

/**
 * Removes what killed processes left: half-written files, and claims on a lock that is this process's now. Only for the
 * owner of the run's lock. A living process that still tries to take the lock keeps its own file, so that it hears who has it.
 */
export async function removeLeftovers(directory: string, now: Date): Promise<void> {
  await removeStaleTemporaries(directory, now);
  for (const folder of [directory, runFile.checkpoints(directory), runFile.traces(directory)]) {
    const names = await readdir(folder).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    const left = names.filter((name) => (name.endsWith('.tmp') && !name.startsWith('.run.lock.')) || (folder === directory && name.startsWith('run.lock.')));
    for (const name of left) await rm(join(folder, name), { recursive: true, force: true });
  }
}
