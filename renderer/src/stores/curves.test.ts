import { describe, expect, it } from 'vitest';
import type { StepRecord } from '../../../engine/contracts';
import { bestValidation, curvesOf } from './curves';
import { addRecord, emptyLog } from './metrics-log';

const step = (n: number, loss = 1 / n): StepRecord => ({ kind: 'step', step: n, epoch: 0, loss, gradientNorm: n, learningRate: 0.01, elapsedMs: n * 10, tokensPerSecond: 1000 });
const evaluation = (n: number, loss: number) => ({ kind: 'evaluation' as const, step: n, split: 'validation' as const, metrics: { loss, bitsPerCharacter: loss / Math.LN2, perplexity: Math.exp(loss), tokens: 10 }, best: true });

describe('curvesOf', () => {
  it('gives columns by step and the best validation', () => {
    const log = emptyLog();
    for (const record of [step(1), step(2), evaluation(2, 1.9), evaluation(4, 2.1)]) addRecord(log, record);
    const curves = curvesOf(log);
    expect(curves.step).toEqual([1, 2]);
    expect(curves.loss).toEqual([1, 0.5]);
    expect(curves.evaluations.validation.step).toEqual([2, 4]);
    expect(bestValidation(curves)).toBe(1.9);
    expect(bestValidation(curvesOf(null))).toBeNull();
  });

  it('follows a log that grows in place, and one that is cut back and computed again', () => {
    const log = emptyLog();
    for (let n = 1; n <= 5; n++) addRecord(log, step(n));
    const curves = curvesOf(log);
    addRecord(log, step(6));
    expect(curvesOf(log)).toBe(curves);
    expect(curves.step).toEqual([1, 2, 3, 4, 5, 6]);
    addRecord(log, step(3, 9));
    addRecord(log, step(4, 8));
    expect(curvesOf(log).step).toEqual([1, 2, 3, 4]);
    expect(curves.loss.slice(2)).toEqual([9, 8]);
    expect(curves.gradientNorm).toHaveLength(4);
  });
});
