import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadEngine } from '../binding';
import { runConfig, type RunConfigInput } from '../contracts';
import { layerProblems } from './layer-problems';

const engine = loadEngine();
const cells = engine.cells();
const problems = (model: RunConfigInput['model'], task: RunConfigInput['task'] = { kind: 'language-model' }) =>
  layerProblems(runConfig.parse({ dataset: 'd', task, model }), cells).map(({ path, code }) => `${path} ${code}`);

describe('options of the layers', () => {
  it('fit by default', () => {
    expect(problems({})).toEqual([]);
  });

  it('are refused at the field to change', () => {
    const forecast: RunConfigInput['task'] = { kind: 'forecast', lookback: 4, horizon: 1, targets: ['a'], covariates: ['b'] };
    expect(problems({ tieWeights: true, embeddingSize: 8, layers: [{ hiddenSize: 9 }] })).toEqual(['model.embeddingSize TIE_WIDTH']);
    expect(problems({ tieWeights: true }, forecast)).toEqual(['model.tieWeights TIE_WITHOUT_EMBEDDING']);
    expect(problems({ embeddingSize: 8, layers: [{ hiddenSize: 8, residual: true }, { hiddenSize: 9, residual: true }] })).toEqual(['model.layers.1.residual RESIDUAL_WIDTH']);
    expect(problems({ layers: [{ hiddenSize: 1, bidirectional: true, residual: true }] }, forecast)).toEqual([]);
    const regress: RunConfigInput['task'] = { kind: 'regress', inputs: ['value', 'mark'], targets: ['sum'] };
    expect(problems({ embeddingSize: 8, layers: [{ hiddenSize: 2, residual: true }] }, regress)).toEqual([]);
    expect(problems({ embeddingSize: 8, layers: [{ hiddenSize: 8, residual: true }] }, regress)).toEqual(['model.layers.0.residual RESIDUAL_WIDTH']);
    const vectors = runConfig.parse({ dataset: 'd', task: { kind: 'binary-vectors' }, model: { layers: [{ hiddenSize: 88, residual: true }] } });
    expect(layerProblems(vectors, cells, 88)).toEqual([]);
    expect(problems({ initialization: { forgetBias: 1, chrono: 9 } })).toEqual(['model.initialization.forgetBias TWO_GATE_BIASES']);
    expect(problems({ layers: [{ cell: 'rnn-tanh' }], initialization: { chrono: 9 } })).toEqual(['model.initialization.chrono NO_MEMORY_GATE']);
    expect(problems({ layers: [{ cell: 'slstm', zoneoutHidden: 0.1, zoneoutCell: 0.1 }] })).toEqual(['model.layers.0.zoneoutHidden SCALED_ZONEOUT', 'model.layers.0.zoneoutCell SCALED_ZONEOUT']);
    expect(problems({ layers: [{ cell: 'mingru', weightDrop: 0.1, zoneoutHidden: 0.1, zoneoutCell: 0.1 }] })).toEqual(['model.layers.0.weightDrop SCAN_WEIGHT_DROP', 'model.layers.0.zoneoutHidden SCAN_ZONEOUT', 'model.layers.0.zoneoutCell SCAN_ZONEOUT']);
  });

  it('are refused where the engine refuses them', () => {
    // What a cell asks of the layer below it is said with the cell, not with the options.
    const free = cells.filter(({ further }) => !further?.bottom);
    const layer = fc.record({ cell: fc.constantFrom(...free.map(({ name }) => name)), hiddenSize: fc.integer({ min: 1, max: 3 }), residual: fc.boolean(), bidirectional: fc.boolean() });
    const model = fc.record({
      embeddingSize: fc.integer({ min: 1, max: 3 }), tieWeights: fc.boolean(), layers: fc.array(layer, { minLength: 1, maxLength: 3 }),
      initialization: fc.record({ forgetBias: fc.constantFrom(null, 1), chrono: fc.constantFrom(null, 10) }),
    });
    fc.assert(
      fc.property(model, ({ layers, embeddingSize, ...options }) => {
        const refused = (): boolean => {
          try {
            engine.describe({ input: { kind: 'tokens', vocabularySize: 5, embeddingSize }, layers: layers.map((one) => ({ ...one, dropout: 0 })), head: { outputSize: 5, mode: 'everyStep' }, options: { ...options, initialization: { weights: 'pytorch', ...options.initialization } } });
            return false;
          } catch {
            return true;
          }
        };
        expect(problems({ layers, embeddingSize, ...options }).length > 0).toBe(refused());
      }),
    );
  });
});
