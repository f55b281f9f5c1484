import { expect, it } from 'vitest';
import type { ModelSpec } from '../binding/types';
import { drawTensors, judgedCells } from '../../tests/kit/float64-judge';
import { nudged } from './rounding';
import { exportModel } from './weights';

const spec: ModelSpec = { input: { kind: 'tokens', vocabularySize: 5, embeddingSize: 3 }, layers: [{ cell: 'gru', hiddenSize: 4, bidirectional: true, dropout: 0 }], head: { outputSize: 5, mode: 'everyStep' } };

it('moves every weight to a neighbour, some up and some down, differently for every seed, and leaves 0 alone', () => {
  const tensors = drawTensors(spec, 3);
  tensors['head.bias'] = { shape: [5], data: Float32Array.of(0, 1, -1, 2 ** -126, -0) };
  const model = exportModel(spec, tensors, judgedCells);
  const bits = (data: Float32Array): Int32Array => new Int32Array(data.slice().buffer);
  const ways = new Set<number>();
  for (const [name, { shape, data }] of Object.entries(nudged(model, 1).tensors)) {
    expect(shape).toEqual(tensors[name]!.shape);
    const before = tensors[name]!.data;
    bits(data).forEach((moved, k) => {
      const by = moved - bits(before)[k]!;
      expect(Math.abs(by)).toBe(before[k] === 0 ? 0 : 1);
      ways.add(by);
    });
  }
  expect([...ways].sort()).toEqual([-1, 0, 1]);
  expect(nudged(model, 2).tensors).not.toEqual(nudged(model, 1).tensors);
  expect(nudged(model, 1).tensors).toEqual(nudged(model, 1).tensors);
});
