import type { Metrics, SplitName, StepRecord } from '../../../engine/contracts';
import type { MetricsLog } from './metrics-log';

/** Columns of a run's log by rising step, ready to be drawn. */
export interface RunCurves {
  step: number[];
  loss: number[];
  gradientNorm: number[];
  learningRate: number[];
  tokensPerSecond: number[];
  evaluations: Record<SplitName, { step: number[]; loss: number[]; metrics: Metrics[] }>;
  /** Record of every step, to see where a log that was cut back begins to differ. */
  records: StepRecord[];
}

export function emptyCurves(): RunCurves {
  const evaluation = () => ({ step: [], loss: [], metrics: [] });
  return {
    step: [],
    loss: [],
    gradientNorm: [],
    learningRate: [],
    tokensPerSecond: [],
    evaluations: { train: evaluation(), validation: evaluation(), test: evaluation() },
    records: [],
  };
}

const made = new WeakMap<MetricsLog, RunCurves>();

/**
 * The columns of a log. The log grows in place while a run trains; only what is new since the last call is
 * added, and what was cut back after a restart is taken off.
 */
export function curvesOf(log: MetricsLog | null): RunCurves {
  if (!log) return emptyCurves();
  let curves = made.get(log);
  if (!curves) made.set(log, (curves = emptyCurves()));
  let kept = Math.min(curves.records.length, log.steps.length);
  while (kept > 0 && curves.records[kept - 1] !== log.steps[kept - 1]) kept--;
  for (const column of [curves.step, curves.loss, curves.gradientNorm, curves.learningRate, curves.tokensPerSecond, curves.records]) column.length = kept;
  for (let index = kept; index < log.steps.length; index++) {
    const record = log.steps[index]!;
    curves.step.push(record.step);
    curves.loss.push(record.loss);
    curves.gradientNorm.push(record.gradientNorm);
    curves.learningRate.push(record.learningRate);
    curves.tokensPerSecond.push(record.tokensPerSecond);
    curves.records.push(record);
  }
  for (const split of ['train', 'validation', 'test'] as const) {
    const found = log.evaluations.filter((record) => record.split === split);
    curves.evaluations[split] = { step: found.map((record) => record.step), loss: found.map((record) => record.metrics.loss), metrics: found.map((record) => record.metrics) };
  }
  return curves;
}

/** Best (lowest) validation loss so far, null before the first validation. */
export function bestValidation(curves: RunCurves): number | null {
  const losses = curves.evaluations.validation.loss.filter(Number.isFinite);
  return losses.length > 0 ? Math.min(...losses) : null;
}
