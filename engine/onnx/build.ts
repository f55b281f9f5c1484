import type { SeriesData } from '../binding/types';
import type { TaskConfig, TensorInfo } from '../contracts';
import type { StatePairs } from '../inference';
import { addAttention, addAttentionOutput, attentionOf } from './attention';
import { addLastOutput, addOutput, hasBetween } from './between';
import { GraphBuilder } from './graph';
import { dataTypes, encodeModel, type GraphProto } from './proto';
import { addGateOutputs, type RecurrentLayer } from './layer';
import { addPrediction, addProbabilities, addVectors, borderMetadata, type SequenceBorder } from './sequence-border';
import { addLayer } from './recurrent';
import { readsBelow } from './scan';
import { addClock, addFinalStates, addInitialStates, countsSteps } from './states';
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
  const isLast = forecast !== null || sequences?.kind === 'values';
  const { hidden, weights } = addTop(g, model, top, isLast, request.opset);
  if (forecast) addForecast(g, model, forecast, hidden, enter.last);
  else if (sequences?.kind === 'values') addPrediction(g, model, sequences.targets, hidden);
  else addLogits(g, model, hidden);
  if (sequences?.kind === 'bits') addProbabilities(g, sequences.entries);
  if (request.stateful) addFinalStates(g, model, layers);
  if (request.gates) for (const layer of layers) addGateOutputs(g, layer);
  if (request.gates && weights !== null) addAttentionOutput(g, weights, !isLast);
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
  const exact = g.node('Cast', 'series.exact', [series], { to: dataTypes.float64 });
  const centred = g.node('Sub', 'series.centred', [exact, g.constant('scaler.mean', [size], Float64Array.from(mean))]);
  let scaled = g.node('Div', 'series.scaled', [centred, g.constant('scaler.deviation', [size], Float64Array.from(deviation))]);
  let last: string | null = null;
  if (forecast.subtractLast) {
    last = g.node('Slice', 'series.last', [scaled, g.integers(-1), g.integers(Number.MAX_SAFE_INTEGER), g.integers(1)]);
    scaled = g.node('Sub', 'series.without_last', [scaled, last]);
  }
  const single = g.node('Cast', 'series.single', [scaled], { to: dataTypes.float32 });
  return { value: g.node('Transpose', 'series.time_first', [single], { perm: [1, 0, 2] }), last };
}

function addStack(g: GraphBuilder, model: ExportModel, input: string, { stateful, gates, opset }: Pick<BuildRequest, 'stateful' | 'gates' | 'opset'>): RecurrentLayer[] {
  const layers: RecurrentLayer[] = [];
  const clock = model.cells.some(countsSteps) ? addClock(g, stateful, input) : null;
  let value = input;
  for (const [index, { signals }] of model.cells.entries()) {
    const above = model.cells[index + 1];
    const layer = addLayer(g, {
      model,
      index,
      input: value,
      initial: addInitialStates(g, model, index, stateful, value),
      clock,
      wanted: [...new Set([...(gates ? signals.map(({ name }) => name) : []), ...(above ? readsBelow(above) : [])])],
      lower: layers.at(-1) ?? null,
    });
    layers.push(layer);
    if (above) value = addOutput(g, model, layer, opset);
  }
  return layers;
}

/**
 * What the head reads: every step `[batch, time, width]`, or the last one `[batch, width]`: the forward half's state after
 * the last step beside the reverse half's after the first, which is what the operator gives as its final state. With
 * attention, what that makes of them, and its weights.
 */
function addTop(g: GraphBuilder, model: ExportModel, top: RecurrentLayer, isLast: boolean, opset: number): { hidden: string; weights: string | null } {
  const attends = attentionOf(model) !== 'none';
  const between = hasBetween(model, top.index);
  // Only where something reads it.
  const output = attends || between || !isLast ? addOutput(g, model, top, opset) : '';
  const every = (name: string): string => g.node('Transpose', name, [output], { perm: [1, 0, 2] });
  if (!isLast) {
    const states = every('hidden.batch_first');
    if (!attends) return { hidden: states, weights: null };
    const { output: hidden, weights } = addAttention(g, model, states, states, true);
    return { hidden, weights };
  }
  const last = between ? addLastOutput(g, top, output) : addFinalHidden(g, top);
  if (!attends) return { hidden: last, weights: null };
  const { output: attended, weights } = addAttention(g, model, g.node('Unsqueeze', 'hidden.query', [last, g.integers(1)]), every('states.batch_first'), false);
  return { hidden: g.node('Squeeze', 'hidden.attended', [attended, g.integers(1)]), weights };
}

/** The final states of both halves side by side. */
function addFinalHidden(g: GraphBuilder, top: RecurrentLayer): string {
  const batchFirst = g.node('Transpose', 'hidden.batch_first', [top.final['h']!], { perm: [1, 0, 2] });
  return g.node('Reshape', 'hidden', [batchFirst, g.integers(-1, top.directions * top.outputSize)]);
}

/** The head at every step: `[batch, time, hidden]` to `logits` `[batch, time, vocabulary]`. */
function addLogits(g: GraphBuilder, model: ExportModel, hidden: string): void {
  const tied = model.spec.options?.tieWeights === true;
  const weight = tensor(model, tied ? 'embedding.weight' : 'head.weight');
  const bias = tensor(model, 'head.bias');
  const [outputSize, width] = weight.shape as [number, number];
  // Tied weights are in the file once.
  const matrix = tied
    ? g.node('Transpose', 'head.weight', ['embedding.weight'], { perm: [1, 0] })
    : g.constant('head.weight', [width, outputSize], transposed(weight.data, outputSize, width));
  const product = g.node('MatMul', 'head', [hidden, matrix]);
  g.node('Add', 'logits', [product, g.constant('head.bias', bias.shape, bias.data)]);
  g.output('logits', 'float32', ['batch', 'time', outputSize]);
}

/** The head on the last step: `[batch, hidden]` to `forecast` `[batch, horizon, targets]` in raw units. */
function addForecast(g: GraphBuilder, model: ExportModel, forecast: ForecastScaling, hidden: string, last: string | null): void {
  const { horizon, targetCount, scaler } = forecast;
  const weight = tensor(model, 'head.weight');
  const bias = tensor(model, 'head.bias');
  const head = g.node('Gemm', 'head', [hidden, g.constant('head.weight', weight.shape, weight.data), g.constant('head.bias', bias.shape, bias.data)], { transB: 1 });
  const exact = g.node('Cast', 'forecast.exact', [head], { to: dataTypes.float64 });
  let scaled = g.node('Reshape', 'forecast.scaled', [exact, g.integers(-1, horizon, targetCount)]);
  if (last !== null) {
    const lastTargets = g.node('Slice', 'forecast.last', [last, g.integers(0), g.integers(targetCount), g.integers(2)]);
    scaled = g.node('Add', 'forecast.with_last', [scaled, lastTargets]);
  }
  const deviation = g.constant('scaler.target_deviation', [targetCount], Float64Array.from(scaler.deviation.slice(0, targetCount)));
  const mean = g.constant('scaler.target_mean', [targetCount], Float64Array.from(scaler.mean.slice(0, targetCount)));
  const raw = g.node('Add', 'forecast.raw', [g.node('Mul', 'forecast.spread', [scaled, deviation]), mean]);
  g.node('Cast', 'forecast', [raw], { to: dataTypes.float32 });
  g.output('forecast', 'float32', ['batch', horizon, targetCount]);
}

function describeGraph(graph: GraphProto): { inputs: TensorInfo[]; outputs: TensorInfo[] } {
  const describe = (values: GraphProto['input']): TensorInfo[] =>
    values.map(({ name, type: { tensorType } }) => ({
      name,
      type: tensorType.elemType === dataTypes.int64 ? 'int64' : 'float32',
      shape: tensorType.shape.dim.map((dimension) => ('dimParam' in dimension ? dimension.dimParam : dimension.dimValue)),
    }));
  return { inputs: describe(graph.input), outputs: describe(graph.output) };
}

function tensor(model: ExportModel, name: string): { shape: number[]; data: Float32Array } {
  const found = model.tensors[name];
  if (!found) throw new RangeError(`the weights have no ${name}`);
  return found;
}
