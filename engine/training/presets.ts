import { presetNames, SluiceError, type Dataset, type PresetName, type RunConfigInput, type TaskKind } from '../contracts';
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

/** Solves the adding problem of 100 steps (below 0.01) within its steps. */
function adding(cell: string): PresetConfig {
  return {
    model: { layers: [{ cell, hiddenSize: 64 }] },
    training: { optimizer: { kind: 'adam', learningRate: 0.005 }, clip: { norm: 1 }, batchSize: 64, maxSteps: 2000 },
    evaluation: { everySteps: 100 },
  };
}

/** The 36 units of Chung et al. 2014. */
const chorales: PresetConfig = {
  model: { layers: [{ cell: 'lstm', hiddenSize: 36 }] },
  training: { optimizer: { kind: 'adam', learningRate: 0.01 }, clip: { norm: 1 }, batchSize: 8, maxSteps: null, maxEpochs: 200 },
  evaluation: { everySteps: null },
  earlyStopping: { patience: 20 },
};

const label: PresetConfig = {
  model: { embeddingSize: 16, layers: [{ cell: 'lstm', hiddenSize: 64 }] },
  training: { optimizer: { kind: 'adam', learningRate: 0.005 }, clip: { norm: 1 }, batchSize: 32, maxSteps: 2000 },
  evaluation: { everySteps: 100 },
};

const presets: Record<PresetName, { task: TaskKind; config: PresetConfig }> = {
  'char-lstm': { task: 'language-model', config: character('lstm', 0.01) },
  'char-gru': { task: 'language-model', config: character('gru', 0.005) },
  // A plain recurrent network loses its way at the rates that gated cells bear.
  'char-rnn': { task: 'language-model', config: character('rnn-tanh', 0.002) },
  'forecast-lstm': { task: 'forecast', config: forecast('lstm') },
  'forecast-gru': { task: 'forecast', config: forecast('gru') },
  'adding-lstm': { task: 'regress', config: adding('lstm') },
  'adding-gru': { task: 'regress', config: adding('gru') },
  'chorales-lstm': { task: 'binary-vectors', config: chorales },
  'label-lstm': { task: 'label', config: label },
};

const usual: Record<TaskKind, PresetName> = { 'language-model': 'char-lstm', forecast: 'forecast-lstm', regress: 'adding-lstm', 'binary-vectors': 'chorales-lstm', label: 'label-lstm' };

export function defaultPreset(task: TaskKind): PresetName {
  return usual[task];
}

export function presetTask(preset: PresetName): TaskKind {
  return presets[preset].task;
}

export function presetConfig(preset: PresetName): PresetConfig {
  return structuredClone(presets[preset].config);
}

export function presetsFor(task: TaskKind | null): PresetName[] {
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
