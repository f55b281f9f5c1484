import { expect, it } from 'vitest';
import type { ModelSpec } from '../binding/types';
import { drawTensors, judge, judgedCells } from '../../tests/kit/float64-judge';
import { reverseStates, reverseUnits } from './reverse-units';
import { exportModel } from './weights';

const layer = (cell: string, hiddenSize: number, bidirectional: boolean): ModelSpec['layers'][number] => ({ cell, hiddenSize, bidirectional, dropout: 0 });

it.each([false, true])('a model with its units in reverse order computes the same (both directions %s)', (bidirectional) => {
  const spec: ModelSpec = { input: { kind: 'series', inputSize: 3 }, layers: [layer('lstm', 4, bidirectional), layer('gru', 3, bidirectional), layer('rnn-tanh', 5, bidirectional)], head: { outputSize: 2, mode: 'lastStep' } };
  const model = exportModel(spec, drawTensors(spec, 3), judgedCells);
  const series = Float32Array.from({ length: 2 * 6 * 3 }, (_, k) => Math.sin(k));
  const request = { time: 6, batch: 2, tokens: null, series };
  const h = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8).map((value) => value / 9);
  const turned = reverseStates(model, { h0_l0: { type: 'float32', shape: [1, 2, 4], data: h } })['h0_l0']!.data as Float32Array;
  expect([...turned.subarray(0, 4)]).toEqual([...h.subarray(0, 4)].reverse());
  const plain = judge(spec, model.tensors, { ...request, states: { h_l0: h } });
  const other = judge(spec, reverseUnits(model).tensors, { ...request, states: { h_l0: turned } });
  plain.output.forEach((value, k) => expect(other.output[k]).toBeCloseTo(value, 6));
  const f = plain.trace['l0.f']!.data;
  expect(other.trace['l0.f']!.data[3]).toBeCloseTo(f[0]!, 6);
  expect(reverseUnits(reverseUnits(model)).tensors).toEqual(model.tensors);
});
