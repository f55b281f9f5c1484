import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CellInfo } from '../contracts';
import { requireBenchCase } from './bench-case';

const cells: CellInfo[] = ['lstm', 'gru'].map((name) => ({ name, signals: [], gateOrder: [], states: ['h'], names: { input: 'W', recurrent: 'U', bias: 'b', recurrentBias: null }, vectors: [], equations: [], inputOnly: [], recurrentState: 'h', positiveStates: [], options: [], choice: [], step: [], variants: [], onnx: null }));
const engine = { cells: () => cells, describe: (model: { layers: { hiddenSize: number }[] }) => ({ parameters: 0, tensors: [], trainingBytes: model.layers.reduce((sum, { hiddenSize }) => sum + hiddenSize ** 2, 0) }) };
const good = { name: 'x', mode: 'train', cell: 'lstm', layers: 1, inputSize: 3, outputSize: 2, hiddenSize: 8, batchSize: 4, sequenceLength: 5 };
const refusal = (shape: unknown): unknown => {
  try {
    return requireBenchCase(shape, engine, 1e6);
  } catch (error) {
    return error;
  }
};

describe('a shape to measure', () => {
  it('passes as it was given', () => {
    expect(requireBenchCase(good, engine, 1e6)).toEqual(good);
    const nulls = { ...good, vocabularySize: null, embeddingSize: null, threads: null, seconds: null, steps: null };
    expect(requireBenchCase(nulls, engine, 1e6)).toEqual(nulls);
    const { inputSize: _i, outputSize: _o, ...rest } = good;
    expect(requireBenchCase({ ...rest, vocabularySize: 9, embeddingSize: 2, seconds: 0.5 }, engine, 1e6)).toMatchObject({ vocabularySize: 9 });
  });

  it.each([
    [{ hiddenSize: 1e6 }, 'hiddenSize', /at most 8192/],
    [{ layers: 1e9 }, 'layers', /at most 64/],
    [{ layers: -1 }, 'layers', /at least 1/],
    [{ batchSize: '4' }, 'batchSize', /must be a number/],
    [{ batchSize: undefined }, 'batchSize', /missing/],
    [{ cell: 'lsmt' }, 'cell', /nearest is lstm/],
    [{ mode: 'trian' }, 'mode', /one of train/],
    [{ seconds: 1e300 }, 'seconds', /at most/],
    [{ inputSize: undefined }, 'vocabularySize', /inputSize and outputSize/],
    [{ hidenSize: 4 }, 'hidenSize', /nearest is hiddenSize/],
    [{ hiddenSize: 1000 }, 'hiddenSize', /GiB/],
  ])('%j is refused at its field', (change, where, says) => {
    expect(refusal({ ...good, ...change })).toMatchObject({ code: 'USAGE', where, message: expect.stringMatching(says) as string });
  });

  it('whatever it is, is a shape or a coded refusal', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...Object.keys(good)), fc.jsonValue()).map((change) => ({ ...good, ...change }))), (shape) => {
        const result = refusal(shape) as { code?: string };
        expect(result.code ?? 'USAGE').toBe('USAGE');
      }),
    );
  });
});
