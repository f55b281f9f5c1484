import { describe, expect, it } from 'vitest';
import type { InsightRecord } from '../../../../engine/contracts';
import { lagVerdict, movementVerdict, saturationVerdict } from './insight-verdict';

const movement = (...ratios: number[]): InsightRecord => ({ kind: 'movement', step: 1, groups: ratios.map((ratio, index) => ({ name: `l${index}`, ratio })) });
const lags = (...norms: number[][]): InsightRecord => ({ kind: 'lags', step: 7, layers: norms.map((one, index) => ({ layer: `l${index}`, lags: one.map((_, lag) => lag * 10), norms: one })) });

describe('what a chart of what is inside comes to', () => {
  it('is nothing without records', () => {
    expect([movementVerdict([]), saturationVerdict([]), lagVerdict([])]).toEqual([null, null, null]);
    expect(lagVerdict([lags([0, 1])])).toBeNull();
  });
  it('judges the newest update by its largest part', () => {
    expect(movementVerdict([movement(0.5), movement(0.0002, 0.002)])).toEqual({ kind: 'movement', low: 0.0002, high: 0.002, tone: 'plain' });
    expect(movementVerdict([movement(0.001, 0.02)])).toMatchObject({ tone: 'fast' });
    expect(movementVerdict([movement(1e-6, 2e-5)])).toMatchObject({ tone: 'slow' });
  });
  it('names gates that stand at an end', () => {
    expect(saturationVerdict([0.2, 0.5])).toMatchObject({ high: 0.5, tone: 'plain' });
    expect(saturationVerdict([0.9, NaN])).toMatchObject({ tone: 'stuck' });
  });
  it('sees gradients vanish in one layer and explode in another', () => {
    expect(lagVerdict([lags([1, 0.5, 0.1])])).toEqual({ kind: 'lags', left: 0.1, lag: 20, step: 7, tone: 'plain' });
    expect(lagVerdict([lags([1, 0.5], [2, 1e-4])])).toMatchObject({ left: 5e-5, tone: 'vanishes' });
    expect(lagVerdict([lags([1, 1e-9], [1, 1e4])])).toMatchObject({ left: 1e4, tone: 'explodes' });
  });
});
