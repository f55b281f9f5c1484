import { describe, expect, it } from 'vitest';
import type { ModelDescription, RunConfig, StackBlock } from '../../../../engine/contracts';
import { setLanguage } from '../../locales';
import { problemText } from './problem-text';
import { blockOf, parameterShares, shapeText, weightLabel, widthText } from './shapes';

const block = (kind: StackBlock['kind'], from: (string | number)[], to: (string | number)[], parameters: number, weights: StackBlock['weights'] = []): StackBlock => ({ kind, title: kind, inputShape: from, outputShape: to, parameters, weights });
const description = {
  parameters: 100,
  blocks: [
    block('embedding', ['B', 'T'], ['B', 'T', 8], 10, [{ name: 'embedding.weight', shape: [65, 8] }]),
    block('recurrent', ['B', 'T', 8], ['B', 'T', 16], 40),
    block('recurrent', ['B', 'T', 16], ['B', 'T', 16], 40),
    block('head', ['B', 'T', 16], ['B', 'T', 65], 10),
  ],
} as unknown as ModelDescription;
const text = { task: { kind: 'language-model' }, training: { batchSize: 50, sequenceLength: 40 } } as unknown as RunConfig;
const series = { task: { kind: 'forecast', lookback: 96 }, training: { batchSize: 32, sequenceLength: 40 } } as unknown as RunConfig;

describe('shapes', () => {
  it('carry the batch and the length of the task', () => {
    expect(shapeText(['B', 'T', 128], text)).toBe('[50, 40, 128]');
    expect(shapeText(['B', 'T', 7], series)).toBe('[32, 96, 7]');
  });

  it('say what a block makes of its input, the vocabulary for an embedding', () => {
    expect(widthText(description.blocks[0]!)).toBe('65 → 8');
    expect(widthText(description.blocks[1]!)).toBe('8 → 16');
    expect(widthText(block('head', ['B', 64], ['B', 24, 2], 0, [{ name: 'head.weight', shape: [48, 64] }]))).toBe('64 → 48');
  });

  it('find the second layer behind the embedding', () => {
    expect(blockOf(description, 1)).toBe(description.blocks[2]);
    expect(blockOf(description, 2), 'a layer not described yet').toBe(description.blocks[2]);
  });

  it('share the parameters among the blocks', () => {
    expect(parameterShares(description).map((part) => part.share)).toEqual([0.1, 0.4, 0.4, 0.1]);
  });

  it('name weights as the equations do', () => {
    expect(weightLabel('recurrent.weight_ih_l0_reverse')).toEqual({ symbol: 'W_{x}', reverse: true, gates: true });
    expect(weightLabel('recurrent.U_l3')).toEqual({ symbol: 'W_{h}', reverse: false, gates: true });
    expect(weightLabel('recurrent.b_l0')).toMatchObject({ symbol: 'b', gates: true });
    expect(weightLabel('recurrent.p_i_l0')).toEqual({ symbol: 'p_{i}', reverse: false, gates: false });
    expect(weightLabel('head.bias')).toEqual({ symbol: 'b', reverse: false, gates: false });
  });
});

describe('problems at fields', () => {
  const problem = (code: string, path: string, details: Record<string, string | number | null>) => ({ code, path, message: `engine says ${code}`, details });

  it('name the rule and a value that works', () => {
    expect(problemText(problem('TOO_SMALL', 'model.layers.0.hiddenSize', { minimum: 1, usual: 128 }))).toBe('Must be at least 1. 128 works.');
    expect(problemText(problem('TOO_SMALL', 'training.optimizer.learningRate', { minimum: 0, usual: 0.01 }))).toBe('Must be above 0. 0.01 works.');
    expect(problemText(problem('TOO_SMALL', 'training.seed', { minimum: 0, usual: null }))).toBe('Must be at least 0.');
    setLanguage('ko');
    expect(problemText(problem('TOO_BIG', 'training.batchSize', { maximum: 4096, usual: 50 }))).toBe('4096 이하여야 합니다. 예: 50');
    expect(problemText(problem('TOO_BIG', 'training.batchSize', { maximum: 4096, usual: null }))).toBe('4096 이하여야 합니다.');
    setLanguage('en');
  });

  it('keep the engine’s sentence for a rule that is new', () => {
    expect(problemText(problem('SOMETHING_NEW', 'x', {}))).toBe('engine says SOMETHING_NEW');
  });
});
