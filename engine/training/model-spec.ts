import type { ModelSpec, TrainingData } from '../binding/types';
import { SluiceError, type RunConfig } from '../contracts';

/** Sizes of the data that a model's borders depend on. */
export type DataSizes = { kind: 'tokens'; vocabularySize: number } | { kind: 'series'; inputSize: number; outputSize: number } | { kind: 'sequences'; input: { kind: 'tokens'; vocabularySize: number } | { kind: 'series'; inputSize: number }; outputSize: number };

export function dataSizes(data: TrainingData): DataSizes {
  if (data.kind === 'sequences') {
    const { content } = data;
    if (content.kind === 'labels') return { kind: 'sequences', input: { kind: 'tokens', vocabularySize: content.vocabularySize }, outputSize: content.labelCount };
    if (content.kind === 'bits') return { kind: 'sequences', input: { kind: 'series', inputSize: content.columns }, outputSize: content.columns };
    return { kind: 'sequences', input: { kind: 'series', inputSize: content.inputs.length }, outputSize: content.targets.length };
  }
  return data.kind === 'tokens'
    ? { kind: 'tokens', vocabularySize: data.vocabularySize }
    : { kind: 'series', inputSize: data.inputs.length, outputSize: data.horizon * data.targetCount };
}

/** The model of a configuration on its data; throws CONFIG_INVALID where the two do not belong together. */
export function modelSpec(config: Pick<RunConfig, 'model' | 'task' | 'training'>, sizes: DataSizes): ModelSpec {
  const layers = config.model.layers.map(({ dropoutKind, ...layer }) => ({ ...layer, variational: dropoutKind === 'variational' }));
  const { tieWeights, embeddingDropout, initialState, initialization } = config.model;
  const options = { attention: config.model.attention.kind, tieWeights, embeddingDropout, initialState, initialization, loss: config.training.loss };
  if (config.task.kind === 'language-model' && sizes.kind === 'tokens') {
    return {
      input: { kind: 'tokens', vocabularySize: sizes.vocabularySize, embeddingSize: config.model.embeddingSize },
      layers,
      head: { outputSize: sizes.vocabularySize, mode: 'everyStep' },
      options,
    };
  }
  if (config.task.kind === 'forecast' && sizes.kind === 'series') {
    return {
      input: { kind: 'series', inputSize: sizes.inputSize },
      layers,
      head: { outputSize: sizes.outputSize, mode: 'lastStep' },
      options,
    };
  }
  if (sizes.kind === 'sequences') {
    const { input, outputSize } = sizes;
    return {
      input: input.kind === 'tokens' ? { ...input, embeddingSize: config.model.embeddingSize } : input,
      layers,
      head: { outputSize, mode: config.task.kind === 'regress' ? 'lastStep' : 'everyStep' },
      options,
    };
  }
  throw new SluiceError({
    code: 'CONFIG_INVALID',
    message: 'the task does not fit the dataset: a language model needs a text, a forecast a table, the other tasks sequences',
    where: 'task.kind',
  });
}

/** The stack in a few words: `lstm 128 · lstm 128`. */
export function architecture(config: Pick<RunConfig, 'model'>): string {
  return config.model.layers.map((layer) => `${layer.bidirectional ? 'bi-' : ''}${layer.cell} ${layer.hiddenSize}`).join(' · ');
}
