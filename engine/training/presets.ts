import { presetNames, SluiceError, type Dataset, type PresetName, type RunConfigInput } from '../contracts';
import { nearestName } from './nearest-name';

/** What a preset says; the rest are the schema's defaults. Dataset and task come from the dataset. */
export type PresetConfig = Omit<RunConfigInput, 'dataset' | 'task'>;

function character(cell: string, learningRate: number): PresetConfig {
  return {
    model: { embeddingSize: 128, layers: [{ cell, hiddenSize: 128 }, { cell, hiddenSize: 128 }] },
    training: { optimizer: { kind: 'adam', learningRate }, batchSize: 50, sequenceLength: 50, maxSteps: 3000 },
  };
}

function forecast(cell: string): PresetConfig {
  return {
    model: { layers: [{ cell, hiddenSize: 64 }] },
    training: { optimizer: { kind: 'adam', learningRate: 0.001 }, batchSize: 32, maxSteps: null, maxEpochs: 50 },
    evaluation: { everySteps: null },
    // In validations, of which there is one per epoch.
    earlyStopping: { patience: 10 },
  };
}

const presets: Record<PresetName, { task: 'language-model' | 'forecast'; config: PresetConfig }> = {
  'char-lstm': { task: 'language-model', config: character('lstm', 0.01) },
  'char-gru': { task: 'language-model', config: character('gru', 0.005) },
  // A plain recurrent network loses its way at the rates that gated cells bear.
  'char-rnn': { task: 'language-model', config: character('rnn-tanh', 0.002) },
  'forecast-lstm': { task: 'forecast', config: forecast('lstm') },
  'forecast-gru': { task: 'forecast', config: forecast('gru') },
};

export function defaultPreset(task: 'language-model' | 'forecast'): PresetName {
  return task === 'forecast' ? 'forecast-lstm' : 'char-lstm';
}

export function presetTask(preset: PresetName): 'language-model' | 'forecast' {
  return presets[preset].task;
}

export function presetConfig(preset: PresetName): PresetConfig {
  return structuredClone(presets[preset].config);
}

export function presetsFor(task: 'language-model' | 'forecast' | null): PresetName[] {
  return presetNames.filter((preset) => task === null || presets[preset].task === task);
}

/** Throws CONFIG_INVALID for a name that is none of the presets or one that does not fit the dataset. */
export function presetNamed(value: string, dataset: Dataset | null): PresetName {
  const found = presetNames.find((preset) => preset === value);
  if (!found) {
    const nearest = nearestName(value, presetNames);
    throw new SluiceError({
      code: 'CONFIG_INVALID',
      message: `there is no preset ${value}; the nearest is ${nearest} (all: ${presetNames.join(', ')})`,
      where: 'preset',
      details: { value, nearest },
    });
  }
  if (dataset && presets[found].task !== dataset.task.kind) {
    const fitting = presetsFor(dataset.task.kind);
    throw new SluiceError({
      code: 'CONFIG_INVALID',
      message: `preset ${found} is for ${presets[found].task}, but dataset ${dataset.id} is for ${dataset.task.kind}; use ${fitting.join(' or ')}`,
      where: 'preset',
      details: { value: found, nearest: fitting[0] ?? null },
    });
  }
  return found;
}
