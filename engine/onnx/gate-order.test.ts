import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgedCells } from '../../tests/kit/float64-judge';
import { onnxGateOrder, operatorRows, type ExportCell } from './gate-order';

const cell = (name: string): ExportCell => judgedCells.find((one) => one.name === name) as ExportCell;

describe.each(['rnn-tanh', 'lstm', 'gru'])('the gates of %s', (name) => {
  it('come back after the way to ONNX and home', () => {
    const there = cell(name);
    const back = { gateOrder: onnxGateOrder[there.onnx.operator] as readonly string[] as string[], onnx: { ...there.onnx, rows: there.gateOrder.map((gate) => ({ gate })) } };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }), (hiddenSize, columns) => {
        const rows = Float32Array.from({ length: there.gateOrder.length * hiddenSize * columns }, (_, k) => k);
        expect(operatorRows(operatorRows(rows, there, hiddenSize), back, hiddenSize)).toEqual(rows);
      }),
    );
  });
});

it('LSTM rows i f g o become i o f c, GRU rows r z n become z r h', () => {
  expect([...operatorRows(Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4), cell('lstm'), 2)]).toEqual([1, 1, 4, 4, 2, 2, 3, 3]);
  expect([...operatorRows(Float32Array.of(1, 2, 3), cell('gru'), 1)]).toEqual([2, 1, 3]);
});

it('a gate that is one minus another has its rows negated, one that is always 1 has none and a bias', () => {
  const coupled = { gateOrder: ['f', 'g', 'o'], onnx: { ...cell('lstm').onnx, rows: [{ inverse: 'f' }, { gate: 'o' }, 'open' as const, { gate: 'g' }] } };
  expect([...operatorRows(Float32Array.of(1, 2, 3), coupled, 1)]).toEqual([-1, 3, 0, 2]);
  expect([...operatorRows(Float32Array.of(1, 2, 3), coupled, 1, 100)]).toEqual([-1, 3, 100, 2]);
});

it('rows that are no whole blocks are refused', () => {
  expect(() => operatorRows(new Float32Array(7), cell('gru'), 2)).toThrow('no 3 blocks');
});
