import type { SeriesData } from '../binding/types';
import type { TaskConfig, TensorInfo } from '../contracts';
import { addAttention, addAttentionOutput, attentionOf } from './attention';
import { GraphBuilder } from './graph';
import { encodeModel, type GraphProto } from './proto';
import type { RecurrentLayer } from './layer';
import { addGateOutputs, addLayer, addLayerOutput } from './recurrent';
import { readsBelow } from './scan';
import { transposed, type ExportModel } from './weights';

/** How a forecast's raw values become the model's inputs and its outputs raw values again. */
export interface ForecastScaling {
  horizon: number;
  /** Names of the inputs, targets first. */
  columns: string[];
  targetCount: number;
  scaler: SeriesData['scaler'];
  subtractLast: boolean;
}

export interface BuildRequest {
  model: ExportModel;
  stateful: boolean;
  gates: boolean;
  opset: number;
  /** null for a language model. */
  forecast: ForecastScaling | null;
  metadata: Record<string, string>;
  producerVersion: string;
}

export interface BuiltModel {
  bytes: Uint8Array;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  nodes: { operator: string; name: string; outputs: string[] }[];
}

/** Names of a stateful model's states: what goes in, and what comes out for the next call. */
export function statePairs(model: ExportModel): { state: string; input: string; output: string; engine: string; layer: number }[] {
  return model.spec.layers.flatMap((_, layer) =>
    model.cells[layer]!.states.map((state) => ({
      state,
      input: `${state}0_l${layer}`,
      output: `${state}n_l${layer}`,
      engine: `${state}_l${layer}`,
      layer,
    })),
  );
}

/**
 * A model as an ONNX file's bytes: `tokens` int64 `[batch, time]` → `logits` `[batch, time, vocabulary]`,
 * or `series` float32 `[batch, time, inputs]` → `forecast` `[batch, horizon, targets]` in raw units.
 * Batch and time are free; dropout leaves no trace.
 */
export function buildModel(request: BuildRequest): BuiltModel {
  const { model, forecast } = request;
  const g = new GraphBuilder('sluice', request.opset);
  const enter = forecast ? addSeries(g, forecast) : { value: addTokens(g, model), last: null };
  const layers = addStack(g, model, enter.value, request.stateful, request.gates);
  const top = layers[layers.length - 1]!;
  const attention = addTop(g, model, top, forecast !== null);
  if (forecast) addForecast(g, model, forecast, attention.hidden, enter.last);
  else addLogits(g, model, attention.hidden);
  if (request.stateful) addFinalStates(g, model, layers);
  if (request.gates) for (const layer of layers) addGateOutputs(g, layer);
  if (request.gates && attention.weights !== null) addAttentionOutput(g, attention.weights, forecast === null);
  const graph = g.build();
  const bytes = encodeModel({
    irVersion: irVersion(request.opset),
    producerName: 'Sluice',
    producerVersion: request.producerVersion,
    graph,
    opsetImport: [{ domain: '', version: request.opset }],
    metadataProps: Object.entries(request.metadata).map(([key, value]) => ({ key, value })),
  });
  return {
    bytes,
    ...describeGraph(graph),
    nodes: graph.node.map(({ opType, name, output }) => ({ operator: opType, name, outputs: output })),
  };
}

/** Metadata of an exported file, all values JSON except the format's name. */
export function modelMetadata(options: { task: TaskConfig; vocabulary: string[] | null; forecast: ForecastScaling | null; pairs: [string, string][]; run: string; step: number }): Record<string, string> {
  const { task, vocabulary, forecast, pairs } = options;
  return {
    'sluice.format': 'sluice-onnx/1',
    'sluice.task': JSON.stringify(task),
    ...(vocabulary && { 'sluice.vocabulary': JSON.stringify(vocabulary) }),
    ...(forecast && { 'sluice.scaler': JSON.stringify({ columns: forecast.columns, ...forecast.scaler }) }),
    ...(pairs.length > 0 && { 'sluice.states': JSON.stringify(pairs) }),
    'sluice.run': options.run,
    'sluice.step': String(options.step),
  };
}

/** The format's version that came with an operator set (ONNX's docs/Versioning.md). */
function irVersion(opset: number): number {
  if (opset >= 21) return 10;
  return opset >= 19 ? 9 : 8;
}

/** Tokens to `[time, batch, embeddingSize]`. */
function addTokens(g: GraphBuilder, model: ExportModel): string {
  const tokens = g.input('tokens', 'int64', ['batch', 'time']);
  const weight = tensor(model, 'embedding.weight');
  const timeFirst = g.node('Transpose', 'tokens.time_first', [tokens], { perm: [1, 0] });
  return g.node('Gather', 'embedding', [g.constant('embedding.weight', weight.shape, weight.data), timeFirst], { axis: 0 });
}

/**
 * Raw series to scaled `[time, batch, inputs]`; `last` is the scaled last step `[batch, 1, inputs]` that was
 * taken off. The arithmetic is float64: a series of large values with small changes keeps its digits.
 */
function addSeries(g: GraphBuilder, forecast: ForecastScaling): { value: string; last: string | null } {
  const { mean, deviation } = forecast.scaler;
  const size = forecast.columns.length;
  const series = g.input('series', 'float32', ['batch', 'time', size]);
  const exact = g.node('Cast', 'series.exact', [series], { to: 11 });
  const centred = g.node('Sub', 'series.centred', [exact, g.constant('scaler.mean', [size], Float64Array.from(mean))]);
  let scaled = g.node('Div', 'series.scaled', [centred, g.constant('scaler.deviation', [size], Float64Array.from(deviation))]);
  let last: string | null = null;
  if (forecast.subtractLast) {
    last = g.node('Slice', 'series.last', [scaled, g.integers(-1), g.integers(Number.MAX_SAFE_INTEGER), g.integers(1)]);
    scaled = g.node('Sub', 'series.without_last', [scaled, last]);
  }
  const single = g.node('Cast', 'series.single', [scaled], { to: 1 });
  return { value: g.node('Transpose', 'series.time_first', [single], { perm: [1, 0, 2] }), last };
}

function addStack(g: GraphBuilder, model: ExportModel, input: string, stateful: boolean, gates: boolean): RecurrentLayer[] {
  const layers: RecurrentLayer[] = [];
  let value = input;
  for (const [index, { hiddenSize, bidirectional }] of model.spec.layers.entries()) {
    const shape = [bidirectional ? 2 : 1, 'batch', hiddenSize];
    const { signals, states } = model.cells[index]!;
    const initial = Object.fromEntries(states.map((state) => [state, `${state}0_l${index}`]));
    if (stateful) for (const name of Object.values(initial)) g.input(name, 'float32', shape);
    const above = model.cells[index + 1];
    const wanted = [...(gates ? signals.map(({ name }) => name) : []), ...(above ? readsBelow(above) : [])];
    const layer = addLayer(g, model, index, value, stateful ? initial : null, wanted, layers.at(-1) ?? null);
    layers.push(layer);
    if (index + 1 < model.spec.layers.length) value = addLayerOutput(g, layer);
  }
  return layers;
}

/**
 * What the head reads: all states `[batch, time, hidden]`, or for a forecast the last `[batch, hidden]`: the forward
 * half's after the last step beside the reverse half's after the first, which is what the operator gives as its final
 * state. With attention, what that makes of them, and its weights.
 */
function addTop(g: GraphBuilder, model: ExportModel, top: RecurrentLayer, last: boolean): { hidden: string; weights: string | null } {
  const attends = attentionOf(model) !== 'none';
  const sequence = (): string => g.node('Transpose', last ? 'states.batch_first' : 'hidden.batch_first', [addLayerOutput(g, top)], { perm: [1, 0, 2] });
  if (!last) {
    const states = sequence();
    if (!attends) return { hidden: states, weights: null };
    const { output, weights } = addAttention(g, model, states, states, true);
    return { hidden: output, weights };
  }
  const batchFirst = g.node('Transpose', 'hidden.batch_first', [top.final['h']!], { perm: [1, 0, 2] });
  const hidden = g.node('Reshape', 'hidden', [batchFirst, g.integers(-1, top.directions * top.hiddenSize)]);
  if (!attends) return { hidden, weights: null };
  const { output, weights } = addAttention(g, model, g.node('Unsqueeze', 'hidden.query', [hidden, g.integers(1)]), sequence(), false);
  return { hidden: g.node('Squeeze', 'hidden.attended', [output, g.integers(1)]), weights };
}

/** The head at every step: `[batch, time, hidden]` to `logits` `[batch, time, vocabulary]`. */
function addLogits(g: GraphBuilder, model: ExportModel, hidden: string): void {
  const weight = tensor(model, 'head.weight');
  const bias = tensor(model, 'head.bias');
  const [outputSize, width] = weight.shape as [number, number];
  const product = g.node('MatMul', 'head', [hidden, g.constant('head.weight', [width, outputSize], transposed(weight.data, outputSize, width))]);
  g.node('Add', 'logits', [product, g.constant('head.bias', bias.shape, bias.data)]);
  g.output('logits', 'float32', ['batch', 'time', outputSize]);
}

/** The head on the last step: `[batch, hidden]` to `forecast` `[batch, horizon, targets]` in raw units. */
function addForecast(g: GraphBuilder, model: ExportModel, forecast: ForecastScaling, hidden: string, last: string | null): void {
  const { horizon, targetCount, scaler } = forecast;
  const weight = tensor(model, 'head.weight');
  const bias = tensor(model, 'head.bias');
  const head = g.node('Gemm', 'head', [hidden, g.constant('head.weight', weight.shape, weight.data), g.constant('head.bias', bias.shape, bias.data)], { transB: 1 });
  const exact = g.node('Cast', 'forecast.exact', [head], { to: 11 });
  let scaled = g.node('Reshape', 'forecast.scaled', [exact, g.integers(-1, horizon, targetCount)]);
  if (last !== null) {
    const lastTargets = g.node('Slice', 'forecast.last', [last, g.integers(0), g.integers(targetCount), g.integers(2)]);
    scaled = g.node('Add', 'forecast.with_last', [scaled, lastTargets]);
  }
  const deviation = g.constant('scaler.target_deviation', [targetCount], Float64Array.from(scaler.deviation.slice(0, targetCount)));
  const mean = g.constant('scaler.target_mean', [targetCount], Float64Array.from(scaler.mean.slice(0, targetCount)));
  const raw = g.node('Add', 'forecast.raw', [g.node('Mul', 'forecast.spread', [scaled, deviation]), mean]);
  g.node('Cast', 'forecast', [raw], { to: 1 });
  g.output('forecast', 'float32', ['batch', horizon, targetCount]);
}

function addFinalStates(g: GraphBuilder, model: ExportModel, layers: RecurrentLayer[]): void {
  for (const { output, state, layer: index } of statePairs(model)) {
    const { final, directions, hiddenSize } = layers[index]!;
    g.node('Identity', output, [final[state]!]);
    g.output(output, 'float32', [directions, 'batch', hiddenSize]);
  }
}

function describeGraph(graph: GraphProto): { inputs: TensorInfo[]; outputs: TensorInfo[] } {
  const describe = (values: GraphProto['input']): TensorInfo[] =>
    values.map(({ name, type: { tensorType } }) => ({
      name,
      type: tensorType.elemType === 7 ? 'int64' : 'float32',
      shape: tensorType.shape.dim.map((dimension) => ('dimParam' in dimension ? dimension.dimParam : dimension.dimValue)),
    }));
  return { inputs: describe(graph.input), outputs: describe(graph.output) };
}

function tensor(model: ExportModel, name: string): { shape: number[]; data: Float32Array } {
  const found = model.tensors[name];
  if (!found) throw new RangeError(`the weights have no ${name}`);
  return found;
}
