import { describe, expect, it } from 'vitest';
import type { StepRecord } from '../../../engine/contracts';
import { addRecord, emptyLog, fillSteps } from './metrics-log';

const step = (n: number, loss = 1): StepRecord => ({ kind: 'step', step: n, epoch: 0, loss, gradientNorm: 1, learningRate: 0.1, elapsedMs: n, tokensPerSecond: 1 });

describe('metrics log', () => {
  it('grows in order and takes a repeated step once', () => {
    const log = emptyLog();
    for (const record of [step(1), step(2), step(2, 7)]) addRecord(log, record);
    expect(log.steps.map((record) => [record.step, record.loss])).toEqual([[1, 1], [2, 7]]);
  });

  it('gives way to steps that are computed again', () => {
    const log = emptyLog();
    for (let n = 1; n <= 5; n++) addRecord(log, step(n));
    addRecord(log, step(3, 9));
    expect(log.steps.map((record) => record.step)).toEqual([1, 2, 3]);
    expect(log.steps.at(-1)!.loss).toBe(9);
  });

  it('fills what live events left out and keeps what came since', () => {
    const log = emptyLog();
    for (const n of [1, 2, 6, 9]) addRecord(log, step(n));
    fillSteps(log, [3, 4, 5, 6, 7].map((n) => step(n)), 2);
    expect(log.steps.map((record) => record.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 9]);
    fillSteps(log, [], 0);
    expect(log.steps).toHaveLength(8);
  });

  it('keeps the curve of a run whose last evaluation is that of its best step', () => {
    const log = emptyLog();
    const metrics = { loss: 1, bitsPerCharacter: 1.4, perplexity: 2, tokens: 10 };
    for (const n of [10, 20, 30]) addRecord(log, { kind: 'evaluation', step: n, split: 'validation', metrics, best: n === 10 });
    addRecord(log, { kind: 'evaluation', step: 10, split: 'validation', metrics, best: true });
    addRecord(log, { kind: 'evaluation', step: 10, split: 'test', metrics, best: true });
    expect(log.evaluations.map((record) => [record.step, record.split])).toEqual([[10, 'validation'], [10, 'test'], [20, 'validation'], [30, 'validation']]);
  });

  it('keeps evaluations of different splits at one step', () => {
    const log = emptyLog();
    const metrics = { loss: 1, bitsPerCharacter: 1.4, perplexity: 2, tokens: 10 };
    for (const split of ['train', 'validation'] as const) addRecord(log, { kind: 'evaluation', step: 4, split, metrics, best: false });
    expect(log.evaluations.map((record) => record.split)).toEqual(['train', 'validation']);
  });
});
