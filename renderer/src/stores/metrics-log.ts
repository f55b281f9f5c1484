import type { ChangeRecord, ForecastMetrics, InsightRecord, Metrics, MetricsRecord, StepRecord } from '../../../engine/contracts';

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
  /** Movements, saturations and lags. */
  insights: InsightRecord[];
  changes: ChangeRecord[];
}

export function emptyLog(): MetricsLog {
  return { steps: [], evaluations: [], samples: [], insights: [], changes: [] };
}

/**
 * Adds a record in place. After a restart steps are computed again: what the log holds from this step on gives
 * way, so that a curve never runs backwards. Evaluations and samples find their place instead: the last ones of a
 * run are those of its best checkpoint and carry that earlier step.
 */
export function addRecord(log: MetricsLog, record: StepRecord | EvaluationRecord | InsightRecord | ChangeRecord | (SampleText & { kind: 'sample' })): void {
  if (record.kind === 'step') {
    while (log.steps.length && log.steps.at(-1)!.step >= record.step) log.steps.pop();
    log.steps.push(record);
  } else if (record.kind === 'evaluation') {
    place(log.evaluations, record, (other) => other.split === record.split);
  } else if (record.kind === 'change') {
    place(log.changes, record, (other) => other.field === record.field && other.to === record.to);
  } else if (record.kind !== 'sample') {
    place(log.insights, record, (other) => other.kind === record.kind);
  } else {
    place(log.samples, { step: record.step, text: record.text }, () => true);
  }
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

/** Puts an item in the order of steps; one of the same step that is the `same` gives way. */
function place<T extends { step: number }>(list: T[], item: T, same: (other: T) => boolean): void {
  let index = list.length;
  while (index > 0 && list[index - 1]!.step > item.step) index -= 1;
  for (let before = index - 1; before >= 0 && list[before]!.step === item.step; before--) {
    if (same(list[before]!)) {
      list[before] = item;
      return;
    }
  }
  list.splice(index, 0, item);
}

export function isForecast(metrics: Metrics): metrics is ForecastMetrics {
  return 'baselines' in metrics;
}

/** The figure a run is judged by: bits per character, the squared error (of a forecast standardized), or nats. */
export function headline(metrics: Metrics | null): number | null {
  if (!metrics) return null;
  if ('bitsPerCharacter' in metrics) return metrics.bitsPerCharacter;
  return 'mse' in metrics ? metrics.mse : metrics.loss;
}
