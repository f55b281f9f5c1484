import { describe, expect, it } from 'vitest';
import type { InsightRecord } from '../../../../engine/contracts';
import { lagSpec, movementSpec, saturationSpec } from './insight-charts';

const name = (text: string) => `<${text}>`;
const color = (index: number) => `c${index}`;
const insights: InsightRecord[] = [
  { kind: 'movement', step: 10, groups: [{ name: 'embedding', ratio: 0.01 }, { name: 'l0', ratio: 0.002 }] },
  { kind: 'saturation', step: 10, gates: [{ layer: 'l0', gate: 'i', shut: 0.2, open: 0.1 }, { layer: 'l0', gate: 'f', shut: 0, open: 0.5 }, { layer: 'l1', gate: 'z', shut: 0.25, open: 0 }] },
  { kind: 'lags', step: 10, layers: [{ layer: 'l0', lags: [0, 1], norms: [0.5, 0.25] }] },
  { kind: 'movement', step: 20, groups: [{ name: 'embedding', ratio: 0.02 }, { name: 'l0', ratio: 0.001 }] },
  { kind: 'lags', step: 20, layers: [{ layer: 'l0', lags: [0, 1, 2], norms: [0.4, 0.2, 0.1] }] },
];

describe('charts of what is inside', () => {
  it('draw one line per part of the model over the steps', () => {
    const { lines, log } = movementSpec(insights, { min: 0, max: 30 }, name, color);
    expect(log).toBe(true);
    expect(lines).toMatchObject([
      { name: '<embedding>', x: [10, 20], y: [0.01, 0.02], color: 'c0' },
      { name: '<l0>', x: [10, 20], y: [0.002, 0.001], color: 'c1' },
    ]);
  });
  it('take the mean saturation of a layer over its gates', () => {
    const { lines } = saturationSpec(insights, undefined, name, color);
    expect(lines.map(({ name: of, y }) => [of, [...(y as number[])]])).toEqual([['<l0>', [0.4]], ['<l1>', [0.25]]]);
  });
  it('show the newest lags', () => {
    const spec = lagSpec(insights, name, color);
    expect(spec.step).toBe(20);
    expect(spec.lines).toMatchObject([{ x: [0, 1, 2], y: [0.4, 0.2, 0.1] }]);
    expect(lagSpec([], name, color)).toMatchObject({ lines: [], step: null });
  });
});
