import { describe, expect, it } from 'vitest';
import { loadEngine } from '../binding';
import { memoryProblem, trainingPeakBytes } from './memory';

const gibibyte = 2 ** 30;
const engine = loadEngine();

function peak(hiddenSize: number, layers: number): number {
  const layer = { cell: 'lstm', hiddenSize, bidirectional: false, dropout: 0 };
  return trainingPeakBytes(
    engine.describe({ input: { kind: 'tokens', vocabularySize: 60, embeddingSize: 128 }, layers: Array.from({ length: layers }, () => layer), head: { outputSize: 60, mode: 'everyStep' } }, { time: 50, batch: 50 }),
  );
}

describe('memory of a training', () => {
  it('counts the checkpoint, which holds weights and moments twice more', () => {
    expect(memoryProblem('model.layers.0.hiddenSize', peak(8192, 2), 24 * gibibyte)).toMatchObject({ code: 'MEMORY', path: 'model.layers.0.hiddenSize', message: expect.stringMatching(/about 3\d(\.\d)? GiB/) as string });
    // Weights, gradients, two moments; copies of weights and moments; the bytes of the moments' file.
    const parameters = 1e9;
    expect(trainingPeakBytes({ parameters, trainingBytes: 16 * parameters })).toBeGreaterThan(4 * parameters * (4 + 3 + 2));
  });

  it('says nothing of models of the usual sizes', () => {
    for (const [hiddenSize, layers] of [[128, 2], [512, 2], [1024, 3]] as const) expect(memoryProblem('x', peak(hiddenSize, layers), 2 * gibibyte)).toBeNull();
  });
});
