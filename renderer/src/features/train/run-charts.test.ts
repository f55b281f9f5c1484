import { describe, expect, it } from 'vitest';
import { emptyCurves, type RunCurves } from '../../stores/curves';
import { automaticWeight, gradientSpec, learningRateSpec, lossSpec, plannedRate, recentThroughput, throughputSpec } from './run-charts';

const words = { train: 'train', validation: 'validation', gradientNorm: 'norm', learningRate: 'rate', throughput: 'throughput', smoothed: 'smoothed', clip: (norm: number) => `clip ${norm}` };
const colors = { run: '#1', text: '#2', text3: '#3', accent: '#4', warn: '#5', warnText: '#6' };

function curves(steps: number): RunCurves {
  const made = emptyCurves();
  for (let step = 1; step <= steps; step++) {
    made.step.push(step);
    made.loss.push(4 / step);
    made.gradientNorm.push(step);
    made.learningRate.push(0.01);
    made.tokensPerSecond.push(step === steps ? 1 : 1000);
  }
  made.evaluations.validation.step.push(steps);
  made.evaluations.validation.loss.push(2);
  return made;
}
const adam = { kind: 'adam' as const, learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

describe('charts of a run', () => {
  it('show the raw loss, its smoothed line, validation and the other runs, up to the planned end', () => {
    const spec = lossSpec(curves(50), 200, [{ id: 'b', name: 'a-run-with-a-long-name', color: '#9', curves: curves(20) }], true, null, words, colors);
    expect(spec.lines.map((line) => [line.id, line.look])).toEqual([['other-b', 'other'], ['raw', 'raw'], ['train', 'main'], ['validation', 'dotted']]);
    expect(spec.lines[0]!.endLabel).toBe('…long-name');
    expect(spec.x).toEqual({ min: 0, max: 200 });
    expect(spec.futureFrom).toBe(50);
    expect(lossSpec(curves(50), 50, [], false, 0, words, colors).futureFrom).toBeNull();
  });

  it('leave the loss as it is without smoothing', () => {
    const spec = lossSpec(curves(30), null, [], false, 0, words, colors);
    expect([...(spec.lines[1]!.y as Float64Array)]).toEqual(curves(30).loss);
    expect(automaticWeight(5)).toBe(0);
    expect(automaticWeight(4000)).toBeCloseTo(0.98);
  });

  it('mark the clipping norm where there is one', () => {
    expect(gradientSpec(curves(3), null, 5, words, colors).marks).toMatchObject([{ y: 5, label: 'clip 5' }]);
    expect(gradientSpec(curves(3), null, null, words, colors).marks).toBeUndefined();
    expect(throughputSpec(curves(3), 9, words, colors).lines[0]!.look).toBe('filled');
  });

  it('draw the learning rate still to come', () => {
    expect(plannedRate({ optimizer: adam, schedule: { kind: 'constant' } }, 70, 100)).toBe(0.01);
    expect(plannedRate({ optimizer: adam, schedule: { kind: 'step', everySteps: 10, factor: 0.5 } }, 25, 100)).toBeCloseTo(0.0025);
    const cosine = { optimizer: adam, schedule: { kind: 'cosine' as const, warmupSteps: 10, minimum: 0.1 } };
    expect(plannedRate(cosine, 4, 100)).toBeCloseTo(0.005);
    expect(plannedRate(cosine, 99, 100)).toBeCloseTo(0.001);
    expect(plannedRate(cosine, 54.5, 100)).toBeCloseTo(0.0055);
    const cycle = { optimizer: adam, schedule: { kind: 'one-cycle' as const, rise: 0.3, start: 0.04, end: 1e-4 } };
    expect([0, 14, 15, 30, 49].map((step) => plannedRate(cycle, step, 50) / 0.01)).toEqual([0.04, 1, 0.9979873482833198, 0.5671599212455369, 1e-4].map((share) => expect.closeTo(share, 9) as number));
    const plateau = { optimizer: adam, schedule: { kind: 'plateau' as const, patience: 3, factor: 0.5, minimum: 0 } };
    expect(plannedRate(plateau, 60, 100, 0.0025)).toBe(0.0025);
    const spec = learningRateSpec(curves(20), 100, cosine, words, colors);
    expect(spec.lines[0]!.x[0]).toBe(20);
    expect(spec.lines[0]!.x[80]).toBe(100);
  });

  it('do not let one slow step shake the throughput', () => {
    expect(recentThroughput(curves(30))).toBe(1000);
    expect(recentThroughput(emptyCurves())).toBeNull();
  });
});
