import type { LanguageModelMetrics, ForecastMetrics, Metrics, MetricsRecord, StepRecord } from '../../../engine/contracts';

export type EvaluationRecord = Extract<MetricsRecord, { kind: 'evaluation' }>;

export interface SampleText {
  step: number;
  text: string;
}

/** All a run said so far, oldest first. Plain arrays: watch `version` of the store that holds them, not these. */
export interface MetricsLog {
  steps: StepRecord[];
  evaluations: EvaluationRecord[];
  samples: SampleText[];
}

export function emptyLog(): MetricsLog {
  return { steps: [], evaluations: [], samples: [] };
}

/**
 * Adds a record in place. After a restart steps are computed again: what the log holds from this step on gives
 * way, so that a curve never runs backwards..
 */
export function addRecord(log: MetricsLog, record: StepRecord | EvaluationRecord | (SampleText & { kind: 'sample' })): void {
  if (record.kind === 'step') addInOrder(log.steps, record, () => true);
  else if (record.kind === 'evaluation') addInOrder(log.evaluations, record, (other) => other.split === record.split);
  else addInOrder(log.samples, { step: record.step, text: record.text }, () => true);
}

/**
 * Fills what live events left out: a fast training says more than travels, the file holds it all. `records` are
 * those after step `after`; what came live behind their last step stays.
 */
export function fillSteps(log: MetricsLog, records: StepRecord[], after: number): void {
  const last = records.at(-1);
  if (!last) return;
  log.steps = [...log.steps.filter((record) => record.step <= after), ...records, ...log.steps.filter((record) => record.step > last.step)];
}

function addInOrder<T extends { step: number }>(list: T[], item: T, same: (other: T) => boolean): void {
  while (list.length && list.at(-1)!.step > item.step) list.pop();
  for (let index = list.length - 1; index >= 0 && list[index]!.step === item.step; index--) {
    if (same(list[index]!)) {
      list[index] = item;
      return;
    }
  }
  list.push(item);
}

export function isForecast(metrics: Metrics): metrics is ForecastMetrics {
  return 'mse' in metrics;
}

/** The figure a run is judged by: bits per character, or the standardized squared error. */
export function headline(metrics: Metrics | null): number | null {
  if (!metrics) return null;
  return isForecast(metrics) ? metrics.mse : (metrics as LanguageModelMetrics).bitsPerCharacter;
}
