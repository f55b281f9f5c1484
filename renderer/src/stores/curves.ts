import type { Metrics, MetricsRecord, RunEvent, SplitName } from '../../../engine/contracts';

/** Columns of a run's metrics, append-only and by rising step, ready to be drawn. */
export interface RunCurves {
  step: number[];
  loss: number[];
  gradientNorm: number[];
  learningRate: number[];
  tokensPerSecond: number[];
  elapsedMs: number[];
  epoch: number[];
  evaluations: Record<SplitName, { step: number[]; loss: number[]; metrics: Metrics[]; best: boolean[] }>;
  samples: { step: number; text: string }[];
}

export function emptyCurves(): RunCurves {
  const evaluation = () => ({ step: [], loss: [], metrics: [], best: [] });
  return {
    step: [],
    loss: [],
    gradientNorm: [],
    learningRate: [],
    tokensPerSecond: [],
    elapsedMs: [],
    epoch: [],
    evaluations: { train: evaluation(), validation: evaluation(), test: evaluation() },
    samples: [],
  };
}

/** Everything recorded so far; `decode` makes text of a sample's tokens. */
export function curvesFromRecords(records: readonly MetricsRecord[], decode: (tokens: number[]) => string): RunCurves {
  const curves = emptyCurves();
  for (const record of records) {
    if (record.kind === 'step') addStep(curves, record);
    else if (record.kind === 'evaluation') addEvaluation(curves, record);
    else addSample(curves, record.step, decode(record.tokens));
  }
  return curves;
}

/** Takes one event of a running training in; true where something to draw changed. */
export function addEvent(curves: RunCurves, event: RunEvent): boolean {
  switch (event.event) {
    case 'step':
      return addStep(curves, event);
    case 'evaluated':
      return addEvaluation(curves, event);
    case 'sample':
      return addSample(curves, event.step, event.text);
    case 'started':
      return cutAfter(curves, event.step);
    default:
      return false;
  }
}

type Step = Pick<Extract<MetricsRecord, { kind: 'step' }>, 'step' | 'loss' | 'gradientNorm' | 'learningRate' | 'tokensPerSecond' | 'elapsedMs' | 'epoch'>;

function addStep(curves: RunCurves, record: Step): boolean {
  if (curves.step.length > 0 && record.step <= curves.step[curves.step.length - 1]!) return false;
  curves.step.push(record.step);
  curves.loss.push(record.loss);
  curves.gradientNorm.push(record.gradientNorm);
  curves.learningRate.push(record.learningRate);
  curves.tokensPerSecond.push(record.tokensPerSecond);
  curves.elapsedMs.push(record.elapsedMs);
  curves.epoch.push(record.epoch);
  return true;
}

function addEvaluation(curves: RunCurves, record: { step: number; split: SplitName; metrics: Metrics; best: boolean }): boolean {
  const column = curves.evaluations[record.split];
  if (column.step.length > 0 && record.step <= column.step[column.step.length - 1]!) return false;
  column.step.push(record.step);
  column.loss.push(record.metrics.loss);
  column.metrics.push(record.metrics);
  column.best.push(record.best);
  return true;
}

function addSample(curves: RunCurves, step: number, text: string): boolean {
  const last = curves.samples[curves.samples.length - 1];
  if (last && last.step >= step) return false;
  curves.samples.push({ step, text });
  return true;
}

/** A run that goes on from a checkpoint computes the steps after it again: what was recorded of them goes. */
function cutAfter(curves: RunCurves, step: number): boolean {
  const keep = countUpTo(curves.step, step);
  if (keep === curves.step.length) return false;
  for (const column of [curves.step, curves.loss, curves.gradientNorm, curves.learningRate, curves.tokensPerSecond, curves.elapsedMs, curves.epoch]) column.length = keep;
  for (const column of Object.values(curves.evaluations)) {
    const kept = countUpTo(column.step, step);
    for (const values of [column.step, column.loss, column.metrics, column.best]) values.length = kept;
  }
  curves.samples = curves.samples.filter((sample) => sample.step <= step);
  return true;
}

function countUpTo(steps: readonly number[], step: number): number {
  let count = steps.length;
  while (count > 0 && steps[count - 1]! > step) count--;
  return count;
}

/** Best (lowest) validation loss so far, null before the first validation. */
export function bestValidation(curves: RunCurves): number | null {
  const losses = curves.evaluations.validation.loss.filter(Number.isFinite);
  return losses.length > 0 ? Math.min(...losses) : null;
}
