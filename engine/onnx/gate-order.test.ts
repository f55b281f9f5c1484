import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { onnxGateOrder, reorderGates } from './gate-order';

const ours = { RNN: ['h'], LSTM: ['i', 'f', 'g', 'o'], GRU: ['r', 'z', 'n'] } as const;

describe.each(['RNN', 'LSTM', 'GRU'] as const)('the gates of %s', (operator) => {
  it('come back after the way to ONNX and home', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }), (hiddenSize, columns) => {
        const rows = Float32Array.from({ length: ours[operator].length * hiddenSize * columns }, (_, k) => k);
        const there = reorderGates(rows, ours[operator], onnxGateOrder[operator], hiddenSize);
        expect(reorderGates(there, onnxGateOrder[operator], ours[operator], hiddenSize)).toEqual(rows);
      }),
    );
  });
});

it('LSTM rows i f g o become i o f c, GRU rows r z n become z r h', () => {
  expect([...reorderGates(Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4), ours.LSTM, onnxGateOrder.LSTM, 2)]).toEqual([1, 1, 4, 4, 2, 2, 3, 3]);
  expect([...reorderGates(Float32Array.of(1, 2, 3), ours.GRU, onnxGateOrder.GRU, 1)]).toEqual([2, 1, 3]);
});

it('rows that are no whole blocks are refused', () => {
  expect(() => reorderGates(new Float32Array(7), ours.GRU, onnxGateOrder.GRU, 2)).toThrow('no 3 blocks');
});
