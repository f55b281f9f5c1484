import type { EngineBinding, TrainingData } from '../binding/types';
import { runConfig, SluiceError, taskKinds, type CellInfo, type Dataset, type PresetName, type RunConfig } from '../contracts';
import { issueProblems, problem, valueAt, type FieldProblem } from './field-problems';
import { layerProblems } from './layer-problems';
import { besideBytes, memoryProblem, trainingPeakBytes } from './memory';
import { dataSizes, modelSpec } from './model-spec';
import { nearestName, editDistance } from './nearest-name';
import { defaultPreset, presetConfig } from './presets';
import { optionProblems, withUsualOptions } from './cell-options';
import { isRecord, type Path } from './schema-paths';

export interface ConfigContext {
  /** Throws DATASET_NOT_FOUND. */
  dataset(id: string): Promise<Dataset>;
  datasetNames(): Promise<string[]>;
  cells(): CellInfo[];
  describe: EngineBinding['describe'];
  bfloat16Problem: EngineBinding['bfloat16Problem'];
  /** What a training may take on this machine. */
  memoryBytes(): number;
  /** What the engine trains on; throws a coded error with the field. */
  trainingData(config: Pick<RunConfig, 'dataset' | 'task'>): Promise<TrainingData>;
}

export interface CompletedConfig {
  /** Null where a problem leaves no complete configuration. */
  config: RunConfig | null;
  data: TrainingData | null;
  problems: FieldProblem[];
}

/**
 * Lays a configuration over its defaults. Lists replace lists, and an object of another `kind` replaces the
 * default as a whole: the fields of two kinds do not mix.
 */
function overlay(base: unknown, given: unknown): unknown {
  if (given === undefined) return base;
  if (!isRecord(base) || !isRecord(given)) return given;
  if (given['kind'] !== undefined && base['kind'] !== undefined && given['kind'] !== base['kind']) return given;
  const laid = Object.entries(given).map(([key, value]) => [key, overlay(Object.hasOwn(base, key) ? base[key] : undefined, value)] as const);
  return Object.fromEntries([...Object.entries(base), ...laid]);
}

/** Samples a shipped default batch would take from a small dataset: at least this many steps an epoch are left. */
const stepsWorthAnEpoch = 4;

/** Batch and slice that a text of this many training tokens can fill. */
export function textBatch(trainTokens: number, batchSize: number, sequenceLength: number): { batchSize: number; sequenceLength: number } {
  const length = Math.max(1, Math.min(sequenceLength, Math.floor((trainTokens - 1) / stepsWorthAnEpoch)));
  const batch = Math.floor((trainTokens - 1) / (stepsWorthAnEpoch * length));
  return { batchSize: Math.max(1, Math.min(batchSize, batch)), sequenceLength: length };
}

/** Batch and number of epochs for a table with this many training windows: few windows need more epochs. */
export function forecastBatch(trainWindows: number, batchSize: number, maxEpochs: number): { batchSize: number; maxEpochs: number } {
  const batch = Math.max(1, Math.min(batchSize, Math.max(4, Math.floor(trainWindows / 8)), trainWindows));
  const stepsPerEpoch = Math.max(1, Math.ceil(trainWindows / batch));
  return { batchSize: batch, maxEpochs: Math.max(maxEpochs, Math.min(300, Math.ceil(2000 / stepsPerEpoch))) };
}

export function windowCount(ranges: readonly (readonly [number, number])[]): number {
  return ranges.reduce((sum, [start, end]) => sum + Math.max(0, end - start), 0);
}

function errorProblem(error: unknown, fallback: string): FieldProblem {
  if (!(error instanceof SluiceError)) throw error;
  const details: FieldProblem['details'] = {};
  for (const [key, value] of Object.entries(error.details ?? {})) details[key] = typeof value === 'boolean' ? String(value) : value;
  return problem(error.where ?? fallback, error.code, error.message, details);
}

/**
 * Completes a configuration as a person writes it: missing fields take the defaults of its task, the task
 * those of its dataset, sizes shrink to what a small dataset can fill unless they were given. All problems
 * come back as data, at their fields; only faults of the machine are thrown.
 */
export async function completeConfig(input: unknown, context: ConfigContext, preset: PresetName | null = null): Promise<CompletedConfig> {
  const nothing = (problems: FieldProblem[]): CompletedConfig => ({ config: null, data: null, problems });
  if (!isRecord(input)) return nothing([problem('', 'WRONG_TYPE', 'a configuration must be an object', { expected: 'object' })]);

  const id = input['dataset'];
  if (typeof id !== 'string' || id === '') {
    const nearest = Object.keys(input).find((key) => editDistance(key, 'dataset') <= 2 && key !== 'dataset');
    if (nearest !== undefined) return nothing([problem(nearest, 'UNKNOWN_FIELD', `there is no field ${nearest}; the nearest is dataset`, { nearest: 'dataset' })]);
    return nothing([problem('dataset', 'MISSING', 'dataset is missing: name the dataset to train on', {})]);
  }
  let dataset: Dataset;
  try {
    dataset = await context.dataset(id);
  } catch (error) {
    if (!(error instanceof SluiceError) || (error.code !== 'DATASET_NOT_FOUND' && error.code !== 'NAME_INVALID')) throw error;
    const nearest = nearestName(id, await context.datasetNames());
    const hint = nearest === null ? 'import one first' : `the nearest is ${nearest}`;
    return nothing([problem('dataset', 'DATASET_NOT_FOUND', `there is no dataset ${id}; ${hint}`, { value: id, nearest })]);
  }

  const givenTask = input['task'];
  if (isRecord(givenTask) && givenTask['kind'] !== undefined && givenTask['kind'] !== dataset.task.kind) {
    const kinds: string[] = [...taskKinds];
    const kind = String(givenTask['kind']);
    return nothing([
      kinds.includes(kind)
        ? problem('task.kind', 'TASK_MISMATCH', `task.kind is ${kind}, but dataset ${id} is for ${dataset.task.kind}; import the file again with --task ${kind} or choose another dataset`, { value: kind, expected: dataset.task.kind })
        : problem('task.kind', 'NOT_ALLOWED', `task.kind is ${kind}; it must be one of ${kinds.join(', ')}`, { value: kind, allowed: kinds.join(', '), nearest: nearestName(kind, kinds) }),
    ]);
  }

  const defaults = { dataset: id, task: dataset.task, ...presetConfig(preset ?? defaultPreset(dataset.task.kind)) };
  const first = runConfig.safeParse(overlay(defaults, input));
  if (!first.success) {
    const merged = overlay(defaults, input);
    // With the schema's own defaults filled in, so that a message can name a value that works.
    const usual = runConfig.parse(defaults);
    return nothing(first.error.issues.flatMap((issue) => issueProblems(runConfig, issue, merged, usual)));
  }

  const cells = context.cells();
  const problems = [...cellProblems(first.data, cells), ...optionProblems(first.data, cells), ...layerProblems(first.data, cells, dataset.kind === 'sequences' ? dataset.columns.length : 0), ...columnProblems(first.data, dataset)];
  problems.push(...trainingProblems(first.data, context));
  if (first.data.training.maxSteps === null && first.data.training.maxEpochs === null && first.data.earlyStopping.patience === null) {
    problems.push(problem('training.maxSteps', 'NO_END', 'the training would never end: give training.maxSteps, training.maxEpochs or earlyStopping.patience', {}));
  }
  if (problems.some(({ path }) => path.startsWith('task.'))) return { config: first.data, data: null, problems };

  let data: TrainingData;
  try {
    data = await context.trainingData({ dataset: id, task: first.data.task });
  } catch (error) {
    return { config: first.data, data: null, problems: [...problems, errorProblem(error, 'task')] };
  }
  const given = (path: Path): boolean => valueAt(input, path) !== undefined;
  const { config, sizeProblems } = fitSizes(withUsualOptions(first.data, cells), data, given);
  problems.push(...sizeProblems);
  // Only a model without other faults can be sized.
  return { config, data, problems: problems.length > 0 ? problems : sizeOnMachine(config, data, context) };
}

/** Whether the training fits into memory, said at the largest layer's size. */
function sizeOnMachine(config: RunConfig, data: TrainingData, { describe, memoryBytes }: ConfigContext): FieldProblem[] {
  const { batchSize } = config.training;
  const described = describe(modelSpec(config, dataSizes(data)), { time: data.kind === 'series' ? data.lookback : data.kind === 'sequences' ? Math.ceil(data.steps / data.sequences) : reach(config.training), batch: batchSize });
  const sizes = config.model.layers.map(({ hiddenSize }) => hiddenSize);
  const needed = trainingPeakBytes(described) + besideBytes(config.training, described.parameters);
  const found = memoryProblem(`model.layers.${sizes.indexOf(Math.max(...sizes))}.hiddenSize`, needed, memoryBytes());
  return found ? [found] : [];
}

/** Shrinks the sizes that were not given to what the data can fill, and names the given ones that cannot work. */
function fitSizes(config: RunConfig, data: TrainingData, given: (path: Path) => boolean): { config: RunConfig; sizeProblems: FieldProblem[] } {
  const training = { ...config.training };
  const sizeProblems: FieldProblem[] = [];
  if (data.kind === 'tokens') {
    const tokens = data.split.train[1] - data.split.train[0];
    const fitting = textBatch(tokens, training.batchSize, training.sequenceLength);
    if (!given(['training', 'sequenceLength'])) training.sequenceLength = fitting.sequenceLength;
    if (!given(['training', 'batchSize'])) training.batchSize = textBatch(tokens, training.batchSize, training.sequenceLength).batchSize;
    if (training.batchSize >= tokens) {
      sizeProblems.push(
        problem('training.batchSize', 'TOO_BIG', `training.batchSize is ${training.batchSize}, but the training part has only ${tokens} tokens; ${fitting.batchSize} works`, {
          value: training.batchSize,
          maximum: Math.max(1, tokens - 1),
          usual: fitting.batchSize,
        }),
      );
    }
  } else if (data.kind === 'sequences') {
    const sequences = data.split.train[1] - data.split.train[0];
    if (!given(['training', 'batchSize'])) training.batchSize = Math.max(1, Math.min(training.batchSize, Math.floor(sequences / stepsWorthAnEpoch)));
  } else {
    const windows = windowCount(data.windows.train);
    const fitting = forecastBatch(windows, training.batchSize, training.maxEpochs ?? 50);
    if (!given(['training', 'batchSize'])) training.batchSize = fitting.batchSize;
    if (!given(['training', 'maxEpochs']) && !given(['training', 'maxSteps'])) training.maxEpochs = fitting.maxEpochs;
  }
  return { config: { ...config, training }, sizeProblems };
}

/** Time steps of a gradient. */
export function reach({ sequenceLength, backwardLength }: Pick<RunConfig['training'], 'sequenceLength' | 'backwardLength'>): number {
  return Math.max(sequenceLength, backwardLength ?? 0);
}

function trainingProblems({ task, training }: RunConfig, { bfloat16Problem }: ConfigContext): FieldProblem[] {
  const found: FieldProblem[] = [];
  const textOnly = (path: string, off: string) =>
    problem(path, 'LANGUAGE_MODEL_ONLY', `${path} belongs to language models; the task ${task.kind} has no use for it, leave it at ${off}`, { usual: off });
  const { sequenceLength, backwardLength, labelSmoothing, products } = training;
  const reason = products === 'bfloat16' ? bfloat16Problem() : null;
  if (reason !== null) found.push(problem('training.products', 'NO_BFLOAT16', `training.products is bfloat16, which is not possible here: ${reason}. Set it to float32`, { reason }));
  if (task.kind !== 'language-model') {
    if (labelSmoothing > 0) found.push(textOnly('training.labelSmoothing', '0'));
    if (backwardLength !== null) found.push(textOnly('training.backwardLength', 'null'));
  } else if (backwardLength !== null && backwardLength < sequenceLength) {
    const path = 'training.backwardLength';
    found.push(problem(path, 'TOO_SMALL', `${path} is ${backwardLength}; it must be at least training.sequenceLength, which is ${sequenceLength}`, { value: backwardLength, minimum: sequenceLength, usual: sequenceLength }));
  }
  if (task.kind !== 'forecast' && task.kind !== 'regress' && training.loss.kind !== 'mse') {
    const path = 'training.loss.kind';
    found.push(problem(path, 'VALUES_ONLY', `${path} is ${training.loss.kind}; only forecast and regress learn values, the task ${task.kind} has a cross-entropy. Leave it at mse`, { value: training.loss.kind, usual: 'mse' }));
  }
  return found;
}

function cellProblems(config: RunConfig, cells: readonly CellInfo[]): FieldProblem[] {
  const names = cells.map((cell) => cell.name);
  return config.model.layers.flatMap((layer, index) => {
    const found: FieldProblem[] = [];
    if (!names.includes(layer.cell)) {
      const nearest = nearestName(layer.cell, names);
      const path = `model.layers.${index}.cell`;
      found.push(problem(path, 'UNKNOWN_CELL', `${path} is ${layer.cell}; there is no such cell, the nearest is ${nearest} (all: ${names.join(', ')})`, { value: layer.cell, nearest, allowed: names.join(', ') }));
    }
    found.push(...lowerProblems(config, index, cells), ...projectionProblems(config, index, cells));
    if (layer.bidirectional && config.task.kind === 'binary-vectors') {
      const path = `model.layers.${index}.bidirectional`;
      found.push(problem(path, 'BIDIRECTIONAL_VECTORS', `${path} is true; a model of the next vector cannot read in both directions: it would see what it is to predict. Set it to false`, {}));
    }
    if (layer.bidirectional && config.task.kind === 'language-model') {
      const path = `model.layers.${index}.bidirectional`;
      found.push(problem(path, 'BIDIRECTIONAL_LANGUAGE_MODEL', `${path} is true; a language model cannot read in both directions: it would see the tokens it is to predict. Set it to false`, {}));
    }
    return found;
  });
}

/** A cell that adds the cell state of the layer below needs one there, of its own size. */
function lowerProblems(config: RunConfig, index: number, cells: readonly CellInfo[]): FieldProblem[] {
  const layer = config.model.layers[index]!;
  const below = config.model.layers[index - 1];
  const cell = cells.find(({ name }) => name === layer.cell);
  if (!below || !cell?.further?.bottom) return [];
  const lower = cells.find(({ name }) => name === below.cell);
  if (lower && !lower.states.includes('c')) {
    const path = `model.layers.${index}.cell`;
    return [problem(path, 'NO_CELL_STATE_BELOW', `${path} is ${layer.cell}, which adds the cell state of the layer below, and ${below.cell} has none; put an LSTM below it`, { value: layer.cell, below: below.cell })];
  }
  if (layer.hiddenSize === below.hiddenSize) return [];
  const path = `model.layers.${index}.hiddenSize`;
  return [problem(path, 'SIZE_BELOW', `${path} is ${layer.hiddenSize}; ${layer.cell} adds the cell state of the layer below, so it must be ${below.hiddenSize} as there`, { value: String(layer.hiddenSize), expected: below.hiddenSize })];
}

function projectionProblems(config: RunConfig, index: number, cells: readonly CellInfo[]): FieldProblem[] {
  const { cell, hiddenSize, projectionSize } = config.model.layers[index]!;
  if (projectionSize === null || projectionSize <= hiddenSize || !cells.find(({ name }) => name === cell)?.further?.projected) return [];
  const path = `model.layers.${index}.projectionSize`;
  return [problem(path, 'TOO_BIG', `${path} is ${projectionSize}; it must be at most the hidden size ${hiddenSize}`, { value: String(projectionSize), maximum: hiddenSize })];
}

function columnProblems(config: RunConfig, dataset: Dataset): FieldProblem[] {
  if (config.task.kind !== 'forecast' || dataset.kind !== 'table') return [];
  const { targets, covariates } = config.task;
  const columns = dataset.columns;
  const usable = columns.filter((column) => column.offset !== null).map((column) => column.name);
  const named = [...targets.map((name, index) => ({ name, path: `task.targets.${index}` })), ...covariates.map((name, index) => ({ name, path: `task.covariates.${index}` }))];
  return named.flatMap(({ name, path }, position) => {
    const column = columns.find((candidate) => candidate.name === name);
    if (!column) {
      const nearest = nearestName(name, usable);
      return [problem(path, 'COLUMN_NOT_FOUND', `${path}: dataset ${dataset.id} has no column ${name}; the nearest is ${nearest}`, { value: name, nearest })];
    }
    if (column.offset === null) return [problem(path, 'COLUMN_NOT_NUMERIC', `${path}: column ${name} is not numeric; numeric columns are ${usable.join(', ')}`, { value: name, allowed: usable.join(', ') })];
    if (named.findIndex((other) => other.name === name) < position) return [problem(path, 'COLUMN_REPEATED', `${path}: column ${name} is named twice; name each column once`, { value: name })];
    return [];
  });
}

/** The complete configuration, or CONFIG_INVALID (or the code of the data's fault) at the first problem's field. */
export async function requireConfig(input: unknown, context: ConfigContext, preset: PresetName | null = null): Promise<{ config: RunConfig; data: TrainingData }> {
  const { config, data, problems } = await completeConfig(input, context, preset);
  const [first, ...others] = problems;
  if (first) {
    const otherFields = new Set(others.map(({ path }) => path));
    otherFields.delete(first.path);
    const more = otherFields.size > 0 ? ` (also: ${[...otherFields].join(', ')})` : '';
    const dataCodes = ['DATASET_NOT_FOUND', 'DATASET_TOO_SHORT', 'DATASET_DAMAGED'] as const;
    throw new SluiceError({
      code: dataCodes.find((code) => code === first.code) ?? 'CONFIG_INVALID',
      message: first.message + more,
      where: first.path,
      details: first.details,
    });
  }
  if (!config || !data) throw new SluiceError({ code: 'INTERNAL', message: 'a configuration without problems was not completed' });
  return { config, data };
}
