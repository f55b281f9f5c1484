import type { RunConfig } from '../../../../engine/contracts';
import type { ChartLine, ChartSpec } from '../../charts/line-option';
import { smoothed, smoothedRatios } from '../../charts/series';
import type { RunCurves } from '../../stores/curves';

/** Colours and words a chart needs beside the numbers. */
export interface ChartWords {
  train: string;
  validation: string;
  gradientNorm: string;
  learningRate: string;
  throughput: string;
  smoothed: string;
  clip: (norm: number) => string;
}
export interface ChartColors {
  run: string;
  text: string;
  text3: string;
  accent: string;
  warn: string;
  warnText: string;
}

/** A run drawn for comparison over the chosen one. */
export interface OtherRun {
  id: string;
  name: string;
  color: string;
  curves: RunCurves;
}

/** Weight of what came before, chosen so that the smoothing spans about one part in eighty of the steps so far. */
export function automaticWeight(points: number): number {
  return points < 10 ? 0 : 1 - 1 / Math.max(2, Math.min(200, points / 80));
}

/** Last step the x axis shows: the plan where there is one, else what was done. */
export function lastStep(curves: RunCurves, totalSteps: number | null): number {
  return Math.max(1, totalSteps ?? 0, curves.step[curves.step.length - 1] ?? 0);
}

function stepAxis(curves: RunCurves, totalSteps: number | null): Pick<ChartSpec, 'x' | 'futureFrom'> {
  const done = curves.step[curves.step.length - 1] ?? 0;
  return { x: { min: 0, max: lastStep(curves, totalSteps) }, futureFrom: totalSteps !== null && done < totalSteps ? done : null };
}

/**
 * Loss of every step (thin) with its smoothed line, validation as points, other runs thin with their names.
 * @param weight smoothing in [0, 1); null = automatic
 */
export function lossSpec(curves: RunCurves, totalSteps: number | null, others: readonly OtherRun[], log: boolean, weight: number | null, words: ChartWords, colors: ChartColors): ChartSpec {
  const lines: ChartLine[] = [];
  for (const other of others) {
    lines.push({
      id: `other-${other.id}`,
      name: other.name,
      x: other.curves.step,
      y: smoothedRatios(other.curves.loss, weight ?? automaticWeight(other.curves.loss.length)),
      color: other.color,
      look: 'other',
      // The end of a name tells runs of one dataset apart.
      endLabel: other.name.length > 14 ? `…${other.name.slice(-9)}` : other.name,
    });
  }
  lines.push(
    { id: 'raw', name: words.train, x: curves.step, y: curves.loss, color: colors.run, look: 'raw', silent: true },
    { id: 'train', name: words.train, x: curves.step, y: smoothedRatios(curves.loss, weight ?? automaticWeight(curves.loss.length)), color: colors.run, look: 'main', column: `${words.train} (${words.smoothed})` },
    { id: 'validation', name: words.validation, x: curves.evaluations.validation.step, y: curves.evaluations.validation.loss, color: colors.text, look: 'dotted' },
  );
  return { lines, log, ...stepAxis(curves, totalSteps), ticks: { x: 5, y: 5 }, margins: { left: 34, right: others.length > 0 ? 62 : 12 } };
}

export function gradientSpec(curves: RunCurves, totalSteps: number | null, clipNorm: number | null, words: ChartWords, colors: ChartColors): ChartSpec {
  const weight = automaticWeight(curves.gradientNorm.length);
  return {
    lines: [
      { id: 'raw', name: words.gradientNorm, x: curves.step, y: curves.gradientNorm, color: colors.text3, look: 'raw', silent: true },
      { id: 'norm', name: words.gradientNorm, x: curves.step, y: smoothedRatios(curves.gradientNorm, weight), color: colors.text, look: 'main', column: `${words.gradientNorm} (${words.smoothed})` },
    ],
    log: true,
    ...stepAxis(curves, totalSteps),
    futureFrom: null,
    ticks: { x: 3, y: 4 },
    ...(clipNorm !== null && { marks: [{ y: clipNorm, label: words.clip(clipNorm), color: colors.warn, labelColor: colors.warnText }] }),
    margins: { left: 32, right: 8 },
  };
}

/** Learning rate after `step` steps by the plan of the configuration (`train/schedule.rs` computes the same); a plateau has no plan, its rate is `present`. */
export function plannedRate(training: Pick<RunConfig['training'], 'optimizer' | 'schedule'>, step: number, totalSteps: number | null, present: number = training.optimizer.learningRate): number {
  const rate = training.optimizer.learningRate;
  const { schedule } = training;
  if (schedule.kind === 'plateau') return present;
  if (schedule.kind === 'step') return rate * schedule.factor ** Math.floor(step / schedule.everySteps);
  if (schedule.kind === 'cosine' && totalSteps !== null) {
    if (step < schedule.warmupSteps) return (rate * (step + 1)) / schedule.warmupSteps;
    const last = totalSteps - 1 - schedule.warmupSteps;
    const share = last <= 0 ? 1 : Math.min(1, (step - schedule.warmupSteps) / last);
    return rate * (schedule.minimum + (1 - schedule.minimum) * 0.5 * (1 + Math.cos(Math.PI * share)));
  }
  if (schedule.kind === 'one-cycle' && totalSteps !== null) {
    const last = totalSteps - 1;
    const top = Math.max(0, schedule.rise * totalSteps - 1);
    const between = (from: number, to: number, share: number): number => to + (from - to) * 0.5 * (1 + Math.cos(Math.PI * share));
    if (step <= top) return rate * between(schedule.start, 1, top === 0 ? 1 : step / top);
    return rate * between(1, schedule.end, last <= top ? 1 : Math.min(1, (step - top) / (last - top)));
  }
  return rate;
}

export function learningRateSpec(curves: RunCurves, totalSteps: number | null, training: Pick<RunConfig['training'], 'optimizer' | 'schedule'>, words: ChartWords, colors: ChartColors): ChartSpec {
  const from = curves.step[curves.step.length - 1] ?? 0;
  const to = lastStep(curves, totalSteps);
  const plan = Array.from({ length: 81 }, (_, index) => from + ((to - from) * index) / 80);
  return {
    lines: [
      { id: 'plan', name: words.learningRate, x: plan, y: plan.map((step) => plannedRate(training, step, totalSteps, curves.learningRate[curves.learningRate.length - 1])), color: colors.text3, look: 'planned', silent: true },
      { id: 'rate', name: words.learningRate, x: curves.step, y: curves.learningRate, color: colors.text, look: 'main' },
    ],
    ...stepAxis(curves, totalSteps),
    y: { min: 0 },
    ticks: { x: 0, y: 2 },
    margins: { left: 32, right: 8, top: 6, bottom: 6 },
  };
}

export function throughputSpec(curves: RunCurves, totalSteps: number | null, words: ChartWords, colors: ChartColors): ChartSpec {
  return {
    lines: [{ id: 'rate', name: words.throughput, x: curves.step, y: smoothed(curves.tokensPerSecond, 0.6), color: colors.accent, look: 'filled' }],
    ...stepAxis(curves, totalSteps),
    futureFrom: null,
    y: { min: 0 },
    ticks: { x: 3, y: 2 },
    margins: { left: 32, right: 8, top: 6 },
  };
}

/** Median of the last steps: one slow step does not shake the number that is shown. */
export function recentThroughput(curves: RunCurves): number | null {
  const recent = curves.tokensPerSecond.slice(-15).filter(Number.isFinite).sort((a, b) => a - b);
  return recent.length > 0 ? recent[recent.length >> 1]! : null;
}
