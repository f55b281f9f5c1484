import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { MetricsRecord, RunConfig, RunStatus } from '../contracts';
import type { Log } from '../ports';
import { checkpointFault, readCheckpointState } from './checkpoints';
import { readMetrics } from './metrics-log';
import { checkpointSteps, readConfig, readStatus, runFile } from './run-files';

type Evaluation = Extract<MetricsRecord, { kind: 'evaluation' }>;

/**
 * What `status.json` must have said, from the rest of a run's folder: its configuration, checkpoints and log. Only the
 * run's label, its number of parameters and what ended it are lost. Nothing is written: a reader may have no right to.
 */
export async function rebuildStatus(directory: string, id: string, config: RunConfig): Promise<RunStatus> {
  const records = await readMetrics(runFile.metrics(directory), -1);
  const steps = records.filter((record) => record.kind === 'step');
  const evaluations = records.filter((record): record is Evaluation => record.kind === 'evaluation');
  const last = steps.at(-1);
  const newest = await newestWhole(directory);
  const step = Math.max(last?.step ?? 0, newest?.step ?? 0);
  const lastOf = (split: Evaluation['split']): Evaluation | undefined => evaluations.findLast((one) => one.split === split && (one.best || split !== 'validation'));
  const hasEnded = lastOf('test') !== undefined || lastOf('train') !== undefined;
  const createdAt = (await stat(runFile.config(directory))).mtime.toISOString();
  const { maxSteps } = config.training;
  return {
    format: 'sluice-run/1',
    id,
    name: id,
    // Train and test are measured only at an end, be it the last step or a stop.
    state: !hasEnded ? 'interrupted' : maxSteps !== null && step >= maxSteps ? 'finished' : 'stopped',
    createdAt,
    startedAt: createdAt,
    endedAt: null,
    step,
    totalSteps: maxSteps,
    epoch: Math.floor(last?.epoch ?? 0),
    bestStep: lastOf('validation')?.step ?? newest?.bestStep ?? null,
    parameters: 0,
    stoppedEarly: false,
    metrics: { train: lastOf('train')?.metrics ?? null, validation: lastOf('validation')?.metrics ?? null, test: lastOf('test')?.metrics ?? null },
    tokensPerSecond: last?.tokensPerSecond ?? null,
    threads: null,
    kernel: null,
    error: null,
  };
}

async function newestWhole(directory: string): Promise<{ step: number; bestStep: number | null } | null> {
  for (const step of (await checkpointSteps(directory)).reverse()) {
    const checkpoint = runFile.checkpoint(directory, step);
    if ((await checkpointFault(checkpoint)) !== null) continue;
    return { step, bestStep: (await readCheckpointState(checkpoint)).best?.step ?? null };
  }
  return null;
}

/** Reads the status of a run's folder. One that is missing or damaged is rebuilt, which the log says once. */
export function createStatusReader(log: Log): (directory: string) => Promise<RunStatus> {
  const rebuilt = new Map<string, RunStatus>();
  return async (directory) => {
    try {
      const status = await readStatus(directory);
      rebuilt.delete(directory);
      return status;
    } catch (error) {
      const known = rebuilt.get(directory);
      if (known) return known;
      const id = basename(directory);
      const status = await rebuildStatus(directory, id, await readConfig(directory));
      log('warning', `run ${id}: ${error instanceof Error ? error.message : String(error)} Its state was worked out from its checkpoints and log: ${status.state} at step ${status.step}.`);
      rebuilt.set(directory, status);
      return status;
    }
  };
}
