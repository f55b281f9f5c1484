import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeriesData, TokenData } from '../binding/types';
import { runConfig, SluiceError, type CellInfo, type Dataset } from '../contracts';
import { applyAssignments } from './assignments';
import { completeConfig, forecastBatch, requireConfig, textBatch, type ConfigContext } from './config';
import { editDistance, nearestName } from './nearest-name';
import { leafPaths } from './schema-paths';

const cells: CellInfo[] = ['rnn-tanh', 'lstm', 'gru'].map((name) => ({ name, signals: [], gateOrder: [], states: ['h'], names: { input: 'W', recurrent: 'U', bias: 'b', recurrentBias: null }, vectors: [], equations: [], inputOnly: [], recurrentState: 'h', positiveStates: [], options: name === 'lstm' ? [{ name: 'without', values: ['none', 'input-gate'], numbers: [] }, { name: 'periods', values: [], numbers: [1, 2, 4] }] : [], choice: [], step: [], variants: [], onnx: null }));

const source = { name: 'x', sizeBytes: 1, sha256: 'a', encoding: null, delimiter: null, sample: null };
const text: Dataset = {
  format: 'sluice-dataset/1', id: 'novel', createdAt: '', source, warnings: [], kind: 'text', task: { kind: 'language-model' },
  split: { train: [0, 9000], validation: [9000, 9500], test: [9500, 10000] },
  tokens: 10000, bytesPerToken: 2, vocabularySize: 60, characters: 10000, words: 2000, lines: 100, unknownTokens: 0,
};
const column = (name: string, offset: number | null) => ({ name, kind: offset === null ? ('text' as const) : ('number' as const), role: 'covariate' as const, offset, missing: 0, statistics: null });
const table: Dataset = {
  format: 'sluice-dataset/1', id: 'river', createdAt: '', source, warnings: [], kind: 'table',
  task: { kind: 'forecast', lookback: 10, horizon: 5, targets: ['flow'], covariates: [], scaling: 'standard', subtractLast: true },
  split: { train: [0, 70], validation: [70, 80], test: [80, 100] },
  rows: 100, firstRow: 2, columns: [column('flow', 0), column('rain', 1), column('note', null)], valueColumns: ['flow', 'rain'], timeColumn: null, frequency: null, season: 1, gaps: [],
};
const tokens: TokenData = { kind: 'tokens', path: '/t', bytesPerToken: 2, vocabularySize: 60, split: text.split };
const series: SeriesData = {
  kind: 'series', path: '/s', rows: 100, columns: 2, inputs: [0], targetCount: 1, scaler: { mean: [0], deviation: [1] }, lookback: 10, horizon: 5,
  subtractLast: true, season: 1, windows: { train: [[0, 56]], validation: [[60, 66]], test: [[70, 86]] },
};

const context: ConfigContext = {
  dataset: (id) => {
    const found = [text, table].find((dataset) => dataset.id === id);
    return found ? Promise.resolve(found) : Promise.reject(new SluiceError({ code: 'DATASET_NOT_FOUND', message: 'no' }));
  },
  datasetNames: () => Promise.resolve(['novel', 'river']),
  cells: () => cells,
  describe: (model) => ({ parameters: 0, tensors: [], trainingBytes: 4 * Math.max(...model.layers.map(({ hiddenSize }) => hiddenSize)) ** 2 }),
  bfloat16Problem: () => 'this processor has no AVX-512 BF16',
  memoryBytes: () => 100_000_000,
  trainingData: ({ dataset }) => Promise.resolve(dataset === 'novel' ? tokens : series),
};

async function problemsOf(input: unknown) {
  return (await completeConfig(input, context)).problems;
}

describe('completing a configuration', () => {
  it('fills every default in and is the same when completed again', async () => {
    const { config, problems } = await completeConfig({ dataset: 'novel' }, context);
    expect(problems).toEqual([]);
    expect(config?.model.layers).toHaveLength(2);
    expect(config?.training.optimizer).toMatchObject({ kind: 'adam', learningRate: 0.01, beta1: 0.9 });
    expect((await completeConfig(config, context)).config).toEqual(config);
  });

  it('takes the task from the dataset and lays given fields over it', async () => {
    const { config, problems } = await completeConfig({ dataset: 'river', task: { horizon: 3 } }, context);
    expect(problems).toEqual([]);
    expect(config?.task).toMatchObject({ kind: 'forecast', lookback: 10, horizon: 3, targets: ['flow'] });
  });

  it('stops a forecast early unless told otherwise', async () => {
    expect((await completeConfig({ dataset: 'river' }, context)).config?.earlyStopping.patience).toBe(10);
    expect((await completeConfig({ dataset: 'river', earlyStopping: { patience: null } }, context)).config?.earlyStopping.patience).toBeNull();
  });

  it('names the nearest field of an unknown one, with both paths', async () => {
    expect(await problemsOf({ dataset: 'novel', training: { learnRate: 1 } })).toMatchObject([
      { path: 'training.learnRate', code: 'UNKNOWN_FIELD', details: { nearest: 'training.optimizer.learningRate' } },
    ]);
    expect(await problemsOf({ dataset: 'novel', model: { layers: [{ hidenSize: 3 }] } })).toMatchObject([
      { path: 'model.layers.0.hidenSize', details: { nearest: 'model.layers.0.hiddenSize' } },
    ]);
    expect(await problemsOf({ dataset: 'novel', traning: {} })).toMatchObject([{ path: 'traning', details: { nearest: 'training' } }]);
    expect(await problemsOf({ datset: 'novel' })).toMatchObject([{ path: 'datset', details: { nearest: 'dataset' } }]);
  });

  it('says at the field what is wrong with a value, and one that works', async () => {
    const [zero] = await problemsOf({ dataset: 'novel', model: { layers: [{ hiddenSize: 0 }] } });
    expect(zero).toMatchObject({ path: 'model.layers.0.hiddenSize', code: 'TOO_SMALL', details: { value: '0', minimum: 1, usual: 128 } });
    expect(zero?.message).toContain('for example 128');
    expect(await problemsOf({ dataset: 'novel', training: { batchSize: 'many' } })).toMatchObject([{ path: 'training.batchSize', code: 'WRONG_TYPE' }]);
    expect(await problemsOf({ dataset: 'novel', training: { optimizer: { kind: 'adm' } } })).toMatchObject([
      { path: 'training.optimizer.kind', code: 'NOT_ALLOWED', details: { nearest: 'adam' } },
    ]);
    expect(await problemsOf({ dataset: 'novel', model: { layers: [] } })).toMatchObject([{ path: 'model.layers', code: 'TOO_SHORT' }]);
  });

  it('refuses unknown cells, looking ahead, and a training without end', async () => {
    expect(await problemsOf({ dataset: 'novel', model: { layers: [{ cell: 'lstn' }] } })).toMatchObject([{ path: 'model.layers.0.cell', details: { nearest: 'lstm' } }]);
    const [both] = await problemsOf({ dataset: 'novel', model: { layers: [{}, { bidirectional: true }] } });
    expect(both).toMatchObject({ path: 'model.layers.1.bidirectional', code: 'BIDIRECTIONAL_LANGUAGE_MODEL' });
    expect(both?.message).toContain('would see the tokens');
    expect(await problemsOf({ dataset: 'river', model: { layers: [{ bidirectional: true }] } })).toEqual([]);
    expect(await problemsOf({ dataset: 'novel', training: { maxSteps: null } })).toMatchObject([{ path: 'training.maxSteps', code: 'NO_END' }]);
    expect(await problemsOf({ dataset: 'river', training: { labelSmoothing: 0.1, backwardLength: 9 } })).toMatchObject([{ path: 'training.labelSmoothing', code: 'LANGUAGE_MODEL_ONLY' }, { path: 'training.backwardLength' }]);
    expect(await problemsOf({ dataset: 'novel', training: { sequenceLength: 5, backwardLength: 4 } })).toMatchObject([{ path: 'training.backwardLength', code: 'TOO_SMALL', details: { minimum: 5 } }]);
    const [products] = await problemsOf({ dataset: 'novel', training: { products: 'bfloat16' } });
    expect(products).toMatchObject({ path: 'training.products', code: 'NO_BFLOAT16' });
    expect(products?.message).toBe('training.products is bfloat16, which is not possible here: this processor has no AVX-512 BF16. Set it to float32');
  });

  it('takes a loss of values where values are learned, and names the field elsewhere', async () => {
    const loss = async (dataset: string, given: unknown) => (await completeConfig({ dataset, training: { loss: given } }, context)).config?.training.loss;
    expect(await loss('river', undefined)).toEqual({ kind: 'mse' });
    expect(await loss('river', { kind: 'huber' })).toEqual({ kind: 'huber', delta: 1 });
    expect(await loss('river', { kind: 'huber', delta: 0.5 })).toEqual({ kind: 'huber', delta: 0.5 });
    expect(await problemsOf({ dataset: 'river', training: { loss: { kind: 'mae' } } })).toEqual([]);
    expect(await problemsOf({ dataset: 'river', training: { loss: { kind: 'hubber' } } })).toMatchObject([{ path: 'training.loss.kind', code: 'NOT_ALLOWED', details: { nearest: 'huber' } }]);
    expect(await problemsOf({ dataset: 'river', training: { loss: { kind: 'huber', delta: 0 } } })).toMatchObject([{ path: 'training.loss.delta' }]);
    expect(await problemsOf({ dataset: 'novel', training: { loss: { kind: 'mae' } } })).toMatchObject([{ path: 'training.loss.kind', code: 'VALUES_ONLY', details: { usual: 'mse' } }]);
  });

  it('writes the usual options of a cell back and says at an option what is wrong with it', async () => {
    const layers = (options: Record<string, unknown>, hiddenSize = 6) => ({ dataset: 'novel', model: { layers: [{ cell: 'lstm', hiddenSize, options }] } });
    expect((await completeConfig(layers({}), context)).config?.model.layers[0]?.options).toEqual({ without: 'none', periods: [1, 2, 4] });
    expect((await completeConfig(layers({}, 10), context)).config?.model.layers[0]?.options).toEqual({ without: 'none', periods: [1, 2] });
    expect((await completeConfig(layers({ without: 'input-gate' }), context)).config?.model.layers[0]?.options['without']).toBe('input-gate');
    expect(await problemsOf(layers({ whithout: 'none' }))).toMatchObject([{ path: 'model.layers.0.options.whithout', code: 'UNKNOWN_OPTION', details: { nearest: 'without' } }]);
    expect(await problemsOf(layers({ without: 'input-gat' }))).toMatchObject([{ path: 'model.layers.0.options.without', code: 'NOT_ALLOWED', details: { nearest: 'input-gate' } }]);
    expect(await problemsOf(layers({ periods: [2, 1] }))).toMatchObject([{ path: 'model.layers.0.options.periods', code: 'NOT_RISING' }]);
    expect(await problemsOf(layers({ periods: [1, 2, 4, 8] }))).toMatchObject([{ path: 'model.layers.0.options.periods', code: 'UNEQUAL_SHARES', details: { fitting: 8 } }]);
    expect(await problemsOf({ dataset: 'novel', model: { layers: [{ cell: 'gru', options: { without: 'none' } }] } })).toMatchObject([{ path: 'model.layers.0.options.without', code: 'UNKNOWN_OPTION' }]);
  });

  it('checks targets and covariates against the columns', async () => {
    expect(await problemsOf({ dataset: 'river', task: { targets: ['flwo'] } })).toMatchObject([{ path: 'task.targets.0', code: 'COLUMN_NOT_FOUND', details: { nearest: 'flow' } }]);
    expect(await problemsOf({ dataset: 'river', task: { covariates: ['note'] } })).toMatchObject([{ path: 'task.covariates.0', code: 'COLUMN_NOT_NUMERIC' }]);
    expect(await problemsOf({ dataset: 'river', task: { covariates: ['flow'] } })).toMatchObject([{ path: 'task.covariates.0', code: 'COLUMN_REPEATED' }]);
  });

  it('names the nearest dataset and the task that a dataset is for', async () => {
    expect(await problemsOf({ dataset: 'nobel' })).toMatchObject([{ path: 'dataset', details: { nearest: 'novel' } }]);
    expect(await problemsOf({ dataset: 'river', task: { kind: 'language-model' } })).toMatchObject([{ path: 'task.kind', code: 'TASK_MISMATCH' }]);
  });

  it('throws the first problem with its field, and wrong use of a dataset as such', async () => {
    await expect(requireConfig({ dataset: 'novel', model: { layers: [{ hiddenSize: 0 }] } }, context)).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'model.layers.0.hiddenSize' });
    await expect(requireConfig({ dataset: 'nobel' }, context)).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
  });

  it('says what a layer needs of the one below, and how wide h can be', async () => {
    const further = { tensors: [], projected: false, bottom: null };
    const known: CellInfo[] = [...cells, { ...cells[1]!, name: 'deep', states: ['h', 'c'], further: { ...further, bottom: 'lstm' } }, { ...cells[1]!, name: 'narrow', further: { ...further, projected: true } }];
    const problems = async (...layers: object[]) => (await completeConfig({ dataset: 'novel', model: { layers } }, { ...context, cells: () => known })).problems;
    expect(await problems({ cell: 'deep' }, { cell: 'deep' })).toEqual([]);
    expect(await problems({ cell: 'gru' }, { cell: 'deep' })).toMatchObject([{ path: 'model.layers.1.cell', code: 'NO_CELL_STATE_BELOW', details: { below: 'gru' } }]);
    expect(await problems({ cell: 'deep', hiddenSize: 6 }, { cell: 'deep', hiddenSize: 7 })).toMatchObject([{ path: 'model.layers.1.hiddenSize', code: 'SIZE_BELOW', details: { expected: 6 } }]);
    expect(await problems({ cell: 'narrow', hiddenSize: 8, projectionSize: 9 })).toMatchObject([{ path: 'model.layers.0.projectionSize', code: 'TOO_BIG', details: { maximum: 8 } }]);
    expect(await problems({ cell: 'lstm', hiddenSize: 8, projectionSize: 9 })).toEqual([]);
  });

  it('names a batch that the text cannot fill, and one that works', async () => {
    const [problem] = await problemsOf({ dataset: 'novel', training: { batchSize: 4096, sequenceLength: 10 } });
    expect(problem).toBeUndefined();
    const short: ConfigContext = { ...context, trainingData: () => Promise.resolve({ ...tokens, split: { ...tokens.split, train: [0, 40] } }) };
    expect((await completeConfig({ dataset: 'novel', training: { batchSize: 50 } }, short)).problems).toMatchObject([{ path: 'training.batchSize', code: 'TOO_BIG' }]);
    expect((await completeConfig({ dataset: 'novel' }, short)).problems).toEqual([]);
  });
});

describe('sizes for small data', () => {
  it('always leaves a stream with something to learn', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 100_000 }), fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 500 }), (tokensOfTraining, batch, length) => {
        const fitting = textBatch(tokensOfTraining, batch, length);
        expect(fitting.batchSize).toBeGreaterThanOrEqual(1);
        expect(fitting.batchSize).toBeLessThanOrEqual(batch);
        expect(fitting.sequenceLength).toBeLessThanOrEqual(length);
        expect(Math.floor((tokensOfTraining - 1) / fitting.batchSize)).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  it('keeps the defaults where there is enough, and trains few windows for more epochs', () => {
    expect(textBatch(1_000_000, 50, 50)).toEqual({ batchSize: 50, sequenceLength: 50 });
    expect(forecastBatch(8000, 32, 50)).toEqual({ batchSize: 32, maxEpochs: 50 });
    expect(forecastBatch(56, 32, 50)).toEqual({ batchSize: 7, maxEpochs: 250 });
    expect(forecastBatch(1, 32, 50).batchSize).toBe(1);
  });
});

describe('--set', () => {
  it('reads values as JSON where they are, as text where the field is one', () => {
    const config = applyAssignments({}, ['training.maxSteps=10', 'training.clip.norm=null', 'model.layers.0.cell=gru', 'dataset=2024', 'task.targets=["a","b"]', 'task.covariates=x,y']);
    expect(config).toEqual({
      training: { maxSteps: 10, clip: { norm: null } },
      model: { layers: [{ cell: 'gru' }] },
      dataset: '2024',
      task: { targets: ['a', 'b'], covariates: ['x', 'y'] },
    });
  });

  it('drops the fields of another kind, whatever the order', () => {
    const base = { training: { optimizer: { kind: 'adam', learningRate: 0.01, beta1: 0.9 } } };
    for (const order of [['training.optimizer.learningRate=0.5', 'training.optimizer.kind=sgd'], ['training.optimizer.kind=sgd', 'training.optimizer.learningRate=0.5']]) {
      expect(applyAssignments(base, order)).toEqual({ training: { optimizer: { kind: 'sgd', learningRate: 0.5 } } });
    }
  });

  it('takes a list of numbers for an option, and drops the options of another cell', () => {
    const config = { model: { layers: [{ cell: 'clockwork', options: { periods: [1] } }] } };
    expect(applyAssignments(config, ['model.layers.0.options.periods=1,2,4'])).toEqual({ model: { layers: [{ cell: 'clockwork', options: { periods: [1, 2, 4] } }] } });
    expect(applyAssignments(config, ['model.layers.0.options.periods=3'])).toEqual({ model: { layers: [{ cell: 'clockwork', options: { periods: [3] } }] } });
    expect(applyAssignments(config, ['model.layers.0.options.forget=exp', 'model.layers.0.cell=slstm'])).toEqual({ model: { layers: [{ cell: 'slstm', options: { forget: 'exp' } }] } });
  });

  it('adds a layer at the end of the stack and no hole', () => {
    expect(applyAssignments({ model: { layers: [{}] } }, ['model.layers.1.cell=gru'])).toEqual({ model: { layers: [{}, { cell: 'gru' }] } });
    expect(() => applyAssignments({ model: { layers: [{}] } }, ['model.layers.3.cell=gru'])).toThrow(/use 0 to 1/);
    expect(() => applyAssignments({}, ['nonsense'])).toThrow(/path=value/);
  });

  it('leaves the given configuration as it was', () => {
    const given = { model: { layers: [{ cell: 'lstm' }] } };
    applyAssignments(given, ['model.layers.0.cell=gru']);
    expect(given).toEqual({ model: { layers: [{ cell: 'lstm' }] } });
  });

  it('reaches every field of the schema', () => {
    for (const path of leafPaths(runConfig)) expect(() => applyAssignments({}, [`${path}=1`])).not.toThrow();
    expect(leafPaths(runConfig)).toContain('training.schedule.warmupSteps');
  });
});

describe('nearest names', () => {
  it('counts edits like a person does', () => {
    expect(editDistance('hidenSize', 'hiddenSize')).toBe(1);
    expect(editDistance('flwo', 'flow')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
  });

  it('is a distance: zero to itself, the same both ways', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(nearestName(a, [b, a])).toBe(editDistance(a, b) === 0 ? b : a);
      }),
    );
  });
});

describe('fields that no configuration has', () => {
  it.each(['__proto__.x', 'constructor.prototype.x', 'training.__proto__.x', '__proto__', 'model.layers.0.constructor.prototype.y'])('%s is refused and changes no object', (path) => {
    expect(() => applyAssignments({ dataset: 'novel', model: { layers: [{}] } }, [`${path}=3`])).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID', where: path }));
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('are refused in a file too', async () => {
    for (const field of ['__proto__', 'constructor', 'toString']) {
      const config = JSON.parse(`{"dataset":"novel","training":{"${field}":{"x":1}}}`) as unknown;
      expect(await problemsOf(config)).toMatchObject([{ path: `training.${field}`, code: 'UNKNOWN_FIELD' }]);
    }
  });
});

describe('a field of another kind', () => {
  const scheduled = (schedule: object) => problemsOf({ dataset: 'novel', training: { schedule } });

  it('is said to be one, with the kind that has it', async () => {
    expect(await scheduled({ kind: 'cosine', patience: 3 })).toMatchObject([
      { path: 'training.schedule.patience', code: 'UNKNOWN_FIELD', message: 'training.schedule.patience is a field of the kind plateau, and training.schedule.kind is cosine; leave it out or set training.schedule.kind=plateau' },
    ]);
  });

  it('is not what a misspelled one is nearest to', async () => {
    const [first] = await scheduled({ kind: 'cosine', warmupStep: 3 });
    expect(first?.message).toContain('the nearest is training.schedule.warmupSteps');
    const [second] = await scheduled({ kind: 'cosine', patienc: 3 });
    expect(second?.details['nearest']).toBe('earlyStopping.patience');
  });
});

it('names a field once, however much is wrong with it', async () => {
  await expect(requireConfig({ dataset: 'novel', training: { seed: 1e30 } }, context)).rejects.toMatchObject({ where: 'training.seed', message: expect.not.stringContaining('also') as string });
});
