import type { SeriesData } from '../binding/types';
import { outputSize, type TaskConfig, type TensorInfo } from '../contracts';
import type { StatePairs } from '../inference';
import { addInitialState, addLastOutput, addOutput, hasBetween, initialState } from './between';
import { GraphBuilder } from './graph';
import { encodeModel, type GraphProto } from './proto';
import { signalSize, type RecurrentLayer } from './layer';
import { addPrediction, addProbabilities, addVectors, borderMetadata, type SequenceBorder } from './sequence-border';
import { addGateOutputs, addLayer } from './recurrent';
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
  /** null for a language model and for sequences. */
  forecast: ForecastScaling | null;
  /** Of a model of sequences. */
  sequences?: SequenceBorder | null;
  metadata: Record<string, string>;
  producerVersion: string;
}

export interface BuiltModel {
  bytes: Uint8Array;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  nodes: { operator: string; name: string; outputs: string[] }[];
}

/** Names of a stateful model's states: what goes in, what comes out for the next call, and where sequences begin (null = zero). */
export function statePairs(model: ExportModel): { state: string; input: string; output: string; engine: string; layer: number; start: Float32Array | null }[] {
  return model.spec.layers.flatMap((_, layer) =>
    model.cells[layer]!.states.map((state) => ({
      state,
      input: `${state}0_l${layer}`,
      output: `${state}n_l${layer}`,
      engine: `${state}_l${layer}`,
      layer,
      start: initialState(model, layer, state),
    })),
  );
}

/** What a file says of its states, and what runs it with them: input, output, and the learned start where there is one. */
export function pairsOf(model: ExportModel): StatePairs {
  return statePairs(model).map(({ input, output, start }) => (start ? [input, output, Array.from(start)] : [input, output]));
}

/**
 * A model as an ONNX file's bytes: `tokens` int64 `[batch, time]` → `logits` `[batch, time, vocabulary]`,
 * or `series` float32 `[batch, time, inputs]` → `forecast` `[batch, horizon, targets]` in raw units.
 * Sequences: see `SequenceBorder`. Batch and time are free; dropout leaves no trace.
 */
export function buildModel(request: BuildRequest): BuiltModel {
  const { model, forecast, sequences = null } = request;
  const g = new GraphBuilder('sluice', request.opset);
  const enter = addEntry(g, model, forecast, sequences);
  const layers = addStack(g, model, enter.value, request);
  const top = layers[layers.length - 1]!;
  if (forecast) addForecast(g, model, forecast, addHeadInput(g, model, top, request.opset), enter.last);
  else if (sequences?.kind === 'values') addPrediction(g, model, sequences.targets, addHeadInput(g, model, top, request.opset));
  else addLogits(g, model, addOutput(g, model, top, request.opset));
  if (sequences?.kind === 'bits') addProbabilities(g, sequences.entries);
  if (request.stateful) addFinalStates(g, model, layers);
  if (request.gates) for (const layer of layers) addGateOutputs(g, layer);
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

function addEntry(g: GraphBuilder, model: ExportModel, forecast: ForecastScaling | null, sequences: SequenceBorder | null): { value: string; last: string | null } {
  if (forecast) return addSeries(g, forecast);
  if (sequences?.kind === 'values') return addSeries(g, { ...sequences.inputs, subtractLast: false });
  return { value: sequences?.kind === 'bits' ? addVectors(g, sequences.entries) : addTokens(g, model), last: null };
}

/** Metadata of an exported file, all values JSON except the format's name. */
export function modelMetadata(options: { task: TaskConfig; vocabulary: string[] | null; forecast: ForecastScaling | null; sequences?: SequenceBorder | null; pairs: StatePairs; run: string; step: number }): Record<string, string> {
  const { task, vocabulary, forecast, sequences, pairs } = options;
  return {
    'sluice.format': 'sluice-onnx/1',
    'sluice.task': JSON.stringify(task),
    ...(vocabulary && { 'sluice.vocabulary': JSON.stringify(vocabulary) }),
    ...(forecast && { 'sluice.scaler': JSON.stringify({ columns: forecast.columns, ...forecast.scaler }) }),
    ...(sequences && borderMetadata(sequences)),
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
function addSeries(g: GraphBuilder, forecast: Pick<ForecastScaling, 'columns' | 'scaler' | 'subtractLast'>): { value: string; last: string | null } {
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

function addStack(g: GraphBuilder, model: ExportModel, input: string, { stateful, gates, opset }: Pick<BuildRequest, 'stateful' | 'gates' | 'opset'>): RecurrentLayer[] {
  const layers: RecurrentLayer[] = [];
  let value = input;
  for (const [index, spec] of model.spec.layers.entries()) {
    const { hiddenSize, bidirectional } = spec;
    const sizes = { hiddenSize, outputSize: outputSize(spec, model.cells[index]) };
    const { signals, states } = model.cells[index]!;
    const learned = model.spec.options?.initialState === 'learned';
    const begin = (state: string): string => (stateful ? g.input(`${state}0_l${index}`, 'float32', [bidirectional ? 2 : 1, 'batch', signalSize(sizes, state)]) : addInitialState(g, model, index, state, value));
    const initial = stateful || learned ? Object.fromEntries(states.map((state) => [state, begin(state)])) : null;
    const above = model.cells[index + 1];
    const wanted = [...new Set([...(gates ? signals.map(({ name }) => name) : []), ...(above ? readsBelow(above) : [])])];
    const layer = addLayer(g, model, index, value, initial, wanted, layers.at(-1) ?? null);
    layers.push(layer);
    if (index + 1 < model.spec.layers.length) value = addOutput(g, model, layer, opset);
  }
  return layers;
}

/** The head at every step: `[time, batch, hidden]` to `logits` `[batch, time, vocabulary]`. */
function addLogits(g: GraphBuilder, model: ExportModel, hidden: string): void {
  const tied = model.spec.options?.tieWeights === true;
  const weight = tensor(model, tied ? 'embedding.weight' : 'head.weight');
  const bias = tensor(model, 'head.bias');
  const [outputSize, width] = weight.shape as [number, number];
  const batchFirst = g.node('Transpose', 'hidden.batch_first', [hidden], { perm: [1, 0, 2] });
  // Tied weights are in the file once.
  const matrix = tied
    ? g.node('Transpose', 'head.weight', ['embedding.weight'], { perm: [1, 0] })
    : g.constant('head.weight', [width, outputSize], transposed(weight.data, outputSize, width));
  const product = g.node('MatMul', 'head', [batchFirst, matrix]);
  g.node('Add', 'logits', [product, g.constant('head.bias', bias.shape, bias.data)]);
  g.output('logits', 'float32', ['batch', 'time', outputSize]);
}

/**
 * What the head reads at the last step, `[batch, directions × hiddenSize]`: the forward half's state after the last
 * step beside the reverse half's after the first, which is what the operator gives as its final state.
 */
function addHeadInput(g: GraphBuilder, model: ExportModel, top: RecurrentLayer, opset: number): string {
  if (hasBetween(model, top.index)) return addLastOutput(g, top, addOutput(g, model, top, opset));
  const batchFirst = g.node('Transpose', 'hidden.batch_first', [top.final['h']!], { perm: [1, 0, 2] });
  return g.node('Reshape', 'hidden', [batchFirst, g.integers(-1, top.directions * top.outputSize)]);
}

/** The head on the last step. */
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
    const layer = layers[index]!;
    const { final, directions } = layer;
    g.node('Identity', output, [final[state]!]);
    g.output(output, 'float32', [directions, 'batch', signalSize(layer, state)]);
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
