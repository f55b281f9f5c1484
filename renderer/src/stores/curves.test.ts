import { describe, expect, it } from 'vitest';
import type { MetricsRecord, RunEvent } from '../../../engine/contracts';
import { addEvent, bestValidation, curvesFromRecords } from './curves';

const step = (n: number, loss = 1 / n): Extract<MetricsRecord, { kind: 'step' }> => ({
  kind: 'step', step: n, epoch: 0, loss, gradientNorm: n, learningRate: 0.01, elapsedMs: n * 10, tokensPerSecond: 1000,
});
const metrics = (loss: number) => ({ loss, bitsPerCharacter: loss / Math.LN2, perplexity: Math.exp(loss), tokens: 10 });
const evaluation = (n: number, loss: number): MetricsRecord => ({ kind: 'evaluation', step: n, split: 'validation', metrics: metrics(loss), best: true });

describe('curves', () => {
  it('are columns of the records, with samples as text', () => {
    const curves = curvesFromRecords([step(1), step(2), evaluation(2, 1.9), { kind: 'sample', step: 2, tokens: [7, 8] }], (tokens) => tokens.join('-'));
    expect(curves.step).toEqual([1, 2]);
    expect(curves.loss).toEqual([1, 0.5]);
    expect(curves.evaluations.validation.loss).toEqual([1.9]);
    expect(curves.samples).toEqual([{ step: 2, text: '7-8' }]);
    expect(bestValidation(curves)).toBe(1.9);
    expect(bestValidation(curvesFromRecords([], String))).toBeNull();
  });

  it('grow with events and take nothing twice', () => {
    const curves = curvesFromRecords([step(1), step(2)], String);
    const event = (n: number) => ({ ...step(n), event: 'step', run: 'a', totalSteps: null, secondsLeft: null }) as unknown as RunEvent;
    expect(addEvent(curves, event(2))).toBe(false);
    expect(addEvent(curves, event(5))).toBe(true);
    expect(curves.step).toEqual([1, 2, 5]);
    expect(addEvent(curves, { event: 'checkpoint', run: 'a', step: 5, best: false })).toBe(false);
  });

  it('forget the steps that a continued run computes again', () => {
    const curves = curvesFromRecords([step(1), step(2), evaluation(2, 2), step(3), evaluation(3, 1.5), { kind: 'sample', step: 3, tokens: [] }], () => 'x');
    addEvent(curves, { event: 'started', run: 'a', step: 2, parameters: 1, threads: 1, kernel: 'portable', totalSteps: 9, resumed: true });
    expect(curves.step).toEqual([1, 2]);
    expect(curves.loss).toHaveLength(2);
    expect(curves.evaluations.validation.step).toEqual([2]);
    expect(curves.samples).toEqual([]);
  });
});
