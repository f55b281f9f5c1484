import { describe, expect, it } from 'vitest';
import type { VerificationCase } from '../../../../engine/contracts';
import { differenceGrid, gateOutputs, portRows, recurrentSummary, scientific, shareTone, statePairText } from './report';

const one = (batch: number, time: number, weights: VerificationCase['weights'], maxAbsoluteError: number): VerificationCase => ({ batch, time, weights, maxAbsoluteError, boundShare: maxAbsoluteError / 1e-5, rounding: 0, passed: true });

describe('the table of differences', () => {
  const cases = [one(3, 1, 'trained', 1e-7), one(1, 1, 'trained', 2e-8), one(1, 100, 'trained', 3.4e-7), one(1, 1, 'random', 9e-8)];

  it('holds the largest of every shape, shapes in order', () => {
    const grid = differenceGrid(cases, 'all');
    expect([grid.batches, grid.times, grid.exponent]).toEqual([[1, 3], [1, 100], -7]);
    expect(grid.cells.map((row) => row.map((cell) => cell?.error ?? null))).toEqual([
      [9e-8, 3.4e-7],
      [1e-7, null],
    ]);
  });

  it('can be narrowed to one kind of weights', () => {
    expect(differenceGrid(cases, 'trained').cells[0]![0]!.error).toBe(2e-8);
    expect(differenceGrid(cases, 'random').cells).toEqual([[expect.objectContaining({ error: 9e-8 })]]);
  });

  it('brightens with the share of the limit', () => {
    expect([shareTone(0), shareTone(1e-4), shareTone(1e-2), shareTone(1), shareTone(20)]).toEqual([0, 0, 0.5, 1, 1]);
  });
});

it('writes powers of ten', () => {
  expect(scientific(3.44e-7)).toEqual({ mantissa: '3.4', exponent: '⁻⁷' });
  expect(scientific(0)).toEqual({ mantissa: '0', exponent: '⁰' });
  expect(scientific(2.5e12)).toEqual({ mantissa: '2.5', exponent: '¹²' });
});

describe('inputs and outputs', () => {
  const float = (name: string, ...shape: (string | number)[]) => ({ name, type: 'float32' as const, shape });

  it('share a row where type and shape are the same', () => {
    expect(portRows([float('h0_l0', 1, 'batch', 8), float('c0_l0', 1, 'batch', 8), float('h0_l1', 1, 'batch', 4)])).toEqual([
      { names: 'h0_l0, c0_l0', type: 'float32', shape: '[1, B, 8]' },
      { names: 'h0_l1', type: 'float32', shape: '[1, B, 4]' },
    ]);
  });

  it('keep the gates of a layer together', () => {
    const gates = ['l0.i', 'l0.f', 'l0.h', 'l1.r', 'l1.h'].map((name) => float(name, 'batch', 'time', 8));
    expect(portRows(gates).map(({ names }) => names)).toEqual(['l0.i … l0.h', 'l1.r, l1.h']);
    expect(gateOutputs([...gates, float('logits'), float('hn_l0')])).toHaveLength(5);
  });

  it('name the pairs of states', () => {
    expect(statePairText({ inputs: [float('tokens'), float('h0_l0'), float('c0_l0')], outputs: [float('logits'), float('hn_l0'), float('cn_l0')] })).toBe('h0 c0 → hn cn');
    expect(statePairText({ inputs: [float('tokens')], outputs: [float('logits')] })).toBeNull();
  });
});

it('counts recurrent operators in order', () => {
  expect(recurrentSummary(['Gather', 'LSTM', 'LSTM', 'MatMul', 'GRU'].map((operator) => ({ operator })))).toBe('LSTM × 2 · GRU');
});
