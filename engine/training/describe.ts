import type { EngineBinding, ModelSpec, TrainingData } from '../binding/types';
import { layerForm, outputSize, SluiceError, type CellInfo, type ModelDescription, type OnnxRecipe, type RunConfig, type StackBlock } from '../contracts';
import { reach, windowCount, type CompletedConfig } from './config';
import { besideBytes } from './memory';
import { dataSizes, modelSpec } from './model-spec';

function product(shape: readonly number[]): number {
  return shape.reduce((size, factor) => size * factor, 1);
}

function layerOfTensor(name: string): number | null {
  const match = /^(?:recurrent|initial)\..*_l(\d+)(?:_reverse)?$/.exec(name) ?? /^norm\.(\d+)\./.exec(name);
  return match ? Number(match[1]) : null;
}

function stackBlocks(config: RunConfig, spec: ModelSpec, cells: readonly CellInfo[], tensors: readonly { name: string; shape: number[] }[]): StackBlock[] {
  const block = (kind: StackBlock['kind'], title: string, inputShape: (string | number)[], outputShape: (string | number)[], weights: typeof tensors): StackBlock => ({
    kind,
    title,
    inputShape,
    outputShape,
    parameters: weights.reduce((sum, { shape }) => sum + product(shape), 0),
    weights: weights.map(({ name, shape }) => ({ name, shape: [...shape] })),
  });
  const blocks: StackBlock[] = [];
  let width: number;
  if (spec.input.kind === 'tokens') {
    width = spec.input.embeddingSize;
    blocks.push(block('embedding', 'embedding', ['B', 'T'], ['B', 'T', width], tensors.filter(({ name }) => name.startsWith('embedding.'))));
  } else {
    width = spec.input.inputSize;
  }
  spec.layers.forEach((layer, index) => {
    const output = outputSize(layer, layerForm(cells, layer, index)) * (layer.bidirectional ? 2 : 1);
    blocks.push(block('recurrent', layer.cell, ['B', 'T', width], ['B', 'T', output], tensors.filter(({ name }) => layerOfTensor(name) === index)));
    width = output;
  });
  const outputShape = config.task.kind === 'forecast' ? ['B', config.task.horizon, config.task.targets.length] : config.task.kind === 'regress' ? ['B', config.task.targets.length] : ['B', 'T', spec.head.outputSize];
  const inputShape = config.task.kind === 'forecast' || config.task.kind === 'regress' ? ['B', width] : ['B', 'T', width];
  if (config.model.attention.kind !== 'none') {
    blocks.push(block('attention', config.model.attention.kind, ['B', 'T', width], inputShape, tensors.filter(({ name }) => name.startsWith('attention.'))));
  }
  blocks.push(block('head', config.model.head.kind, inputShape, outputShape, tensors.filter(({ name }) => name.startsWith('head.'))));
  return blocks;
}

/**
 * Whether ONNX Runtime's CUDA kernels take the operator: cuDNN's cells have no peepholes, no coupled gates and only
 * the usual activations; such a layer then runs on the CPU.
 */
function runsOnCuda({ activations, attributes, peepholes }: OnnxRecipe): boolean {
  return activations.length === 0 && peepholes.length === 0 && !attributes.some(([name]) => name === 'input_forget');
}

/** Operators of ONNX Runtime that hold each layer: what none does is written out as a `Scan`. */
function onnxVerdicts(config: RunConfig, cells: readonly CellInfo[]): ModelDescription['onnx'] {
  return config.model.layers.map((layer, index) => {
    const recipe = layerForm(cells, layer, index)?.onnx ?? null;
    // In use the states of a layer with zoneout are mixed after each step, which no operator does.
    const zoned = layer.zoneoutHidden > 0 || layer.zoneoutCell > 0;
    if (recipe !== null && zoned) return { layer: index, operator: 'Scan', cpu: true, cuda: false, reason: 'zoneout' };
    const cuda = recipe !== null && runsOnCuda(recipe);
    return {
      layer: index,
      operator: recipe?.operator ?? 'Scan',
      cpu: true,
      cuda,
      reason: recipe === null ? 'scan' : cuda ? null : 'cpuOnly',
    };
  });
}

function stepSizes(config: RunConfig, data: TrainingData): { stepsPerEpoch: number; tokensPerStep: number; time: number } {
  const { batchSize, sequenceLength, accumulate } = config.training;
  if (data.kind === 'tokens') {
    const length = Math.floor(Math.max(0, data.split.train[1] - data.split.train[0] - 1) / batchSize);
    const time = Math.max(1, Math.min(sequenceLength, length));
    return { stepsPerEpoch: Math.ceil(Math.ceil(length / time) / accumulate), tokensPerStep: batchSize * time * accumulate, time: Math.max(time, Math.min(reach(config.training), length)) };
  }
  if (data.kind === 'sequences') {
    const sequences = data.split.train[1] - data.split.train[0];
    const time = Math.max(1, Math.round(data.steps / data.sequences));
    return { stepsPerEpoch: Math.ceil(sequences / batchSize), tokensPerStep: Math.min(batchSize, sequences) * time, time };
  }
  const windows = windowCount(data.windows.train);
  return { stepsPerEpoch: Math.ceil(Math.ceil(windows / batchSize) / accumulate), tokensPerStep: Math.min(batchSize * accumulate, windows) * data.lookback, time: data.lookback };
}

/** What a configuration would build: shapes, parameters, memory, length of an epoch, and what is wrong at which field. */
export function describeModel(completed: CompletedConfig, engine: Pick<EngineBinding, 'cells' | 'describe'>): ModelDescription {
  const { config, data, problems } = completed;
  const empty: ModelDescription = { blocks: [], parameters: 0, trainingBytes: 0, stepsPerEpoch: 0, tokensPerStep: 0, problems: [...problems], onnx: [] };
  if (!config || !data) return empty;
  const cells = engine.cells();
  // The engine cannot size a cell it does not know or options it does not have; everything else it can still say.
  if (problems.some(({ code, path }) => code === 'UNKNOWN_CELL' || path.includes('.options.'))) return empty;
  const spec = modelSpec(config, dataSizes(data));
  const { stepsPerEpoch, tokensPerStep, time } = stepSizes(config, data);
  let built: ReturnType<EngineBinding['describe']>;
  try {
    built = engine.describe(spec, { time, batch: config.training.batchSize });
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    // What the engine refuses has been said already where the configuration's own rules found it, in any language.
    if (problems.some(({ path }) => path.startsWith('model.'))) return empty;
    return { ...empty, problems: [...problems, { path: error.where ?? 'model', code: error.code, message: error.message, details: {} }] };
  }
  return {
    blocks: stackBlocks(config, spec, cells, built.tensors),
    parameters: built.parameters,
    trainingBytes: built.trainingBytes + besideBytes(config.training, built.parameters),
    stepsPerEpoch,
    tokensPerStep,
    problems: [...problems],
    onnx: onnxVerdicts(config, cells),
  };
}
