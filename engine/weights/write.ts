import { SluiceError, type OnnxRows, type WeightsKind } from '../contracts';
import { kerasBlocks } from './keras';
import type { ForeignCell } from './foreign';
import { cellTensors, layerTensor, type TargetLayer, type TargetModel } from './target';
import { reordered, transposed } from './tensors';

export interface WrittenTensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

/** Tensors as another framework takes them, and how the modules for them are made there. */
export interface WrittenWeights {
  tensors: WrittenTensor[];
  modules: string[];
}

type Weights = Record<string, { shape: number[]; data: Float32Array }>;

/** The logistic function of it is 1 in float32: a gate that is always open. */
const openBias = 100;

/**
 * A model's weights in a framework's names, order and layout.
 * @throws SluiceError INPUT_INVALID where the framework has no module for a part of the model.
 */
export function writtenWeights(target: TargetModel, weights: Weights, as: WeightsKind): WrittenWeights {
  if (as === 'sluice') return { tensors: target.tensors.map(({ name, shape }) => ({ name, shape, data: weights[name]!.data })), modules: [] };
  const framework = as === 'torch' ? 'PyTorch' : 'Keras';
  if (target.initial.length > 0) throw noModule(framework, `trained initial states (${target.initial[0]!.name})`);
  if (target.attention.length > 0) throw noModule(framework, `the attention (${target.spec.options?.attention})`);
  const layers = target.layers.map((layer) => {
    const { foreign, cell } = layer;
    if (layer.hasZoneout) throw noModule(framework, `the zoneout of layer ${layer.index + 1}, whose states in use are a mixture of old and new`);
    if (!foreign || (as === 'torch' && !foreign.resetAfter) || (as === 'keras' && foreign.isProjected)) throw noModule(framework, `the cell ${cell.name} of layer ${layer.index + 1}`);
    return { ...layer, foreign };
  });
  return as === 'torch' ? torch(target, layers, weights) : keras(target, layers, weights);
}

function noModule(framework: string, part: string): SluiceError {
  return new SluiceError({ code: 'INPUT_INVALID', message: `${framework} has no module for ${part}: write the weights as Sluice has them (--as sluice)`, where: 'as', details: { framework, part } });
}

type ForeignLayer = TargetLayer & { foreign: ForeignCell };

/** One direction in PyTorch's order of gates; the bias of the recurrent product is 0 where the cell has one bias for both. */
function torchDirection(layer: ForeignLayer, reverse: boolean, weights: Weights): { input: Float32Array; recurrent: Float32Array; bias: Float32Array; recurrentBias: Float32Array; projection: Float32Array | null } {
  const { cell, foreign, hiddenSize, index } = layer;
  const stems = cellTensors(layer);
  const data = (stem: string): Float32Array => weights[layerTensor(stem, index, reverse)]!.data;
  const rows = (from: Float32Array, open: number): Float32Array => gateRows(from, cell.gateOrder, foreign.rows, open);
  return {
    input: rows(data(stems.input), 0),
    recurrent: rows(data(stems.recurrent), 0),
    bias: rows(data(stems.bias), openBias),
    recurrentBias: stems.recurrentBias === null ? new Float32Array(foreign.rows.length * hiddenSize) : rows(data(stems.recurrentBias), 0),
    projection: foreign.isProjected ? data(stems.projection) : null,
  };
}

/** Gate rows of a cell as an operator's gates want them: as they are, negated (1 − gate), or a gate that is always open. */
function gateRows(from: Float32Array, gateOrder: readonly string[], wanted: readonly OnnxRows[], open: number): Float32Array {
  const block = from.length / gateOrder.length;
  const result = new Float32Array(wanted.length * block).fill(open);
  wanted.forEach((row, place) => {
    if (row === 'open') return;
    const at = gateOrder.indexOf('gate' in row ? row.gate : row.inverse);
    const values = from.subarray(at * block, (at + 1) * block);
    result.set('gate' in row ? values : values.map((value) => -value), place * block);
  });
  return result;
}

/** Equal layers with nothing between them are one `nn.LSTM` with `num_layers`; others are one module each. */
function isUniform(layers: readonly ForeignLayer[]): boolean {
  return layers.every(({ cell, residual, norm, hiddenSize, outputSize, bidirectional }) => !residual && !norm && cell.name === layers[0]!.cell.name && hiddenSize === layers[0]!.hiddenSize && outputSize === layers[0]!.outputSize && bidirectional === layers[0]!.bidirectional);
}

function torchCall({ foreign, inputSize, hiddenSize, outputSize, bidirectional }: ForeignLayer, count: number): string {
  const options = [
    `${inputSize}, ${hiddenSize}`,
    ...(count > 1 ? [`num_layers=${count}`] : []),
    ...(foreign.activation === 'relu' ? ["nonlinearity='relu'"] : []),
    ...(foreign.isProjected ? [`proj_size=${outputSize}`] : []),
    ...(bidirectional ? ['bidirectional=True'] : []),
    'batch_first=True',
  ];
  return `nn.${foreign.family.toUpperCase()}(${options.join(', ')})`;
}

function torch(target: TargetModel, layers: readonly ForeignLayer[], weights: Weights): WrittenWeights {
  const tensors: WrittenTensor[] = [];
  const modules: string[] = [];
  const keep = (name: string): void => {
    const { shape, data } = weights[name]!;
    tensors.push({ name, shape, data });
  };
  if (target.embedding) {
    keep(target.embedding.name);
    modules.push(`embedding = nn.Embedding(${target.embedding.shape.join(', ')})`);
  }
  const uniform = isUniform(layers);
  modules.push(uniform ? `recurrent = ${torchCall(layers[0]!, layers.length)}` : `layers = nn.ModuleList([${layers.map((layer) => torchCall(layer, 1)).join(', ')}])`);
  for (const layer of layers) {
    const height = layer.foreign.rows.length * layer.hiddenSize;
    for (const reverse of layer.bidirectional ? [false, true] : [false]) {
      const { input, recurrent, bias, recurrentBias, projection } = torchDirection(layer, reverse, weights);
      const put = (part: string, shape: number[], data: Float32Array): void => {
        const suffix = `l${uniform ? layer.index : 0}${reverse ? '_reverse' : ''}`;
        tensors.push({ name: `${uniform ? 'recurrent' : `layers.${layer.index}`}.${part}_${suffix}`, shape, data });
      };
      put('weight_ih', [height, layer.inputSize], input);
      put('weight_hh', [height, layer.outputSize], recurrent);
      put('bias_ih', [height], bias);
      put('bias_hh', [height], recurrentBias);
      if (projection) put('weight_hr', [layer.outputSize, layer.hiddenSize], projection);
    }
  }
  const norms = layers.filter(({ norm }) => norm !== null);
  for (const { norm } of norms) for (const { name } of [norm!.gain, norm!.bias]) keep(name);
  // Keys are the layers' numbers: not every layer has one.
  if (norms.length > 0) modules.push(`norm = nn.ModuleDict({${norms.map(({ index, norm }) => `'${index}': nn.LayerNorm(${norm!.gain.shape[0]})`).join(', ')}})`);
  const { weight, bias } = target.head;
  tensors.push({ name: weight.name, shape: weight.shape, data: weights[target.isTied ? target.embedding!.name : weight.name]!.data });
  if (bias) keep(bias.name);
  modules.push(`head = nn.Linear(${weight.shape[1]}, ${weight.shape[0]}${bias ? '' : ', bias=False'})`);
  if (target.isTied) modules.push('head.weight = embedding.weight');
  return { tensors, modules: [...modules, ...residuals(layers)] };
}

/** What weights do not say and a forward pass has to do. */
function residuals(layers: readonly ForeignLayer[]): string[] {
  return layers.filter(({ residual }) => residual).map(({ index, norm }) => `# layer ${index}: its input is added to its ${norm ? 'normalised ' : ''}output`);
}

/** In the order of `model.get_weights()`; names begin with their place, so that sorting them keeps it. */
function keras(target: TargetModel, layers: readonly ForeignLayer[], weights: Weights): WrittenWeights {
  const tensors: WrittenTensor[] = [];
  const modules: string[] = [];
  const put = (name: string, shape: number[], data: Float32Array): void => {
    tensors.push({ name: `${String(tensors.length).padStart(3, '0')}.${name}`, shape, data });
  };
  const turned = (rows: number, columns: number, data: Float32Array): Float32Array => transposed({ rows, columns, data }).data;
  if (target.embedding) {
    put('embedding.embeddings', target.embedding.shape, weights[target.embedding.name]!.data);
    modules.push(`keras.layers.Embedding(${target.embedding.shape.join(', ')})`);
  }
  for (const layer of layers) {
    const { foreign, hiddenSize, inputSize, bidirectional } = layer;
    const order = kerasBlocks[foreign.family];
    const height = foreign.rows.length * hiddenSize;
    const name = { rnn: 'simple_rnn', lstm: 'lstm', gru: 'gru' }[foreign.family];
    for (const reverse of bidirectional ? [false, true] : [false]) {
      const { input, recurrent, bias, recurrentBias } = torchDirection(layer, reverse, weights);
      const path = `${name}_${layer.index}${bidirectional ? (reverse ? '.backward' : '.forward') : ''}`;
      put(`${path}.kernel`, [inputSize, height], turned(height, inputSize, reordered(input, order)));
      put(`${path}.recurrent_kernel`, [hiddenSize, height], turned(height, hiddenSize, reordered(recurrent, order)));
      const [own, second] = [reordered(bias, order), reordered(recurrentBias, order)];
      if (foreign.family === 'gru' && foreign.resetAfter) {
        const both = new Float32Array(2 * height);
        both.set(own);
        both.set(second, height);
        put(`${path}.bias`, [2, height], both);
      } else {
        put(`${path}.bias`, [height], own.map((value, k) => value + second[k]!));
      }
    }
    const isLast = layer.index === layers.length - 1 && target.spec.head.mode === 'lastStep';
    const options = [
      String(hiddenSize),
      ...(foreign.activation === 'relu' ? ["activation='relu'"] : []),
      ...(foreign.family === 'gru' && !foreign.resetAfter ? ['reset_after=False'] : []),
      ...(isLast ? [] : ['return_sequences=True']),
    ];
    const call = `keras.layers.${{ rnn: 'SimpleRNN', lstm: 'LSTM', gru: 'GRU' }[foreign.family]}(${options.join(', ')})`;
    modules.push(bidirectional ? `keras.layers.Bidirectional(${call})` : call);
    if (layer.norm) {
      const { gain, bias } = layer.norm;
      put(`layer_normalization_${layer.index}.gamma`, gain.shape, weights[gain.name]!.data);
      put(`layer_normalization_${layer.index}.beta`, bias.shape, weights[bias.name]!.data);
      modules.push('keras.layers.LayerNormalization(epsilon=1e-5)');
    }
  }
  const { weight, bias } = target.head;
  const [outputs, inputs] = weight.shape as [number, number];
  put('dense.kernel', [inputs, outputs], turned(outputs, inputs, weights[target.isTied ? target.embedding!.name : weight.name]!.data));
  if (bias) put('dense.bias', [outputs], weights[bias.name]!.data);
  modules.push(`keras.layers.Dense(${outputs}${bias ? '' : ', use_bias=False'})`);
  return { tensors, modules: [...modules, ...residuals(layers)] };
}
