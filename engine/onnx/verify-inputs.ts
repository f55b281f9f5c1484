import type { ForwardRequest } from '../binding/types';
import { outputSize } from '../contracts';
import type { RuntimeTensor } from '../inference';
import type { ForecastScaling } from './build';
import { signalSize } from './layer';
import { drawVectors, type SequenceBorder } from './sequence-border';
import { clock, countsSteps, statePairs } from './states';
import type { ExportModel } from './weights';

/** What a verification runs through the file and the engine: text or random values, and states. */

/** How raw values become what the engine sees. */
export interface Borders {
  forecast: ForecastScaling | null;
  /** Of a model of sequences. */
  sequences?: SequenceBorder | null;
}

export interface Inputs {
  /** What the engine is given. */
  request: ForwardRequest;
  /** What the file is given. */
  feeds: Record<string, RuntimeTensor>;
  /** Scaled last value of each target that the engine does not see, `[batch × targets]`. */
  last: Float64Array | null;
}

export function drawInputs({ forecast, sequences }: Borders, model: ExportModel, tokens: Uint32Array | null, batch: number, time: number, draw: () => number): Inputs {
  if (forecast) return drawSeries(forecast, batch, time, draw);
  if (sequences?.kind === 'values') return { ...drawSeries({ ...sequences.inputs, horizon: 1, targetCount: 0, subtractLast: false }, batch, time, draw), last: null };
  if (sequences?.kind === 'bits') {
    const { series, feed } = drawVectors(sequences.entries, batch, time, draw);
    return { request: { time, batch, tokens: null, series, states: {} }, feeds: { series: feed }, last: null };
  }
  return drawTokens(model, tokens, batch, time, draw);
}

/** Stretches of the given text, or random tokens; time first for the engine and batch first for the file. */
function drawTokens(model: ExportModel, text: Uint32Array | null, batch: number, time: number, draw: () => number): Inputs {
  const tokens = new Uint32Array(batch * time);
  const vocabularySize = model.tensors['embedding.weight']!.shape[0]!;
  for (let b = 0; b < batch; b++) {
    const start = text ? Math.floor(draw() * text.length) : 0;
    for (let t = 0; t < time; t++) tokens[t * batch + b] = text && text.length > 0 ? text[(start + t) % text.length]! : Math.floor(draw() * vocabularySize);
  }
  const batchFirst = BigInt64Array.from({ length: batch * time }, (_, k) => BigInt(tokens[(k % time) * batch + Math.floor(k / time)]!));
  return {
    request: { time, batch, tokens, series: null, states: {} },
    feeds: { tokens: { type: 'int64', shape: [batch, time], data: batchFirst } },
    last: null,
  };
}

/** Raw values for the file, about two deviations around the mean; scaled ones without the last for the engine. */
function drawSeries(forecast: ForecastScaling, batch: number, time: number, draw: () => number): Inputs {
  const { mean, deviation } = forecast.scaler;
  const size = forecast.columns.length;
  const raw = Float32Array.from({ length: batch * time * size }, (_, k) => mean[k % size]! + deviation[k % size]! * (4 * draw() - 2));
  const scaled = (b: number, t: number, column: number): number => (raw[(b * time + t) * size + column]! - mean[column]!) / deviation[column]!;
  const taken = (b: number, column: number): number => (forecast.subtractLast ? scaled(b, time - 1, column) : 0);
  const series = Float32Array.from({ length: raw.length }, (_, k) => {
    const [t, b, column] = [Math.floor(k / (batch * size)), Math.floor(k / size) % batch, k % size];
    return scaled(b, t, column) - taken(b, column);
  });
  return {
    request: { time, batch, tokens: null, series, states: {} },
    feeds: { series: { type: 'float32', shape: [batch, time, size], data: raw } },
    last: Float64Array.from({ length: batch * forecast.targetCount }, (_, k) => taken(Math.floor(k / forecast.targetCount), k % forecast.targetCount)),
  };
}

/** Where the sequences of a call begin: as the model says, at random, or at states that the engine gave, by its names. */
export type Begin = 'start' | { random: () => number } | { engine: Record<string, Float32Array> };

/**
 * The states of a stateful file, forward half before reverse half, and of the engine. Random ones are in ±1, those that
 * are never below 0 between a half and one and a half. Time steps are counted from 0: the engine's call counts no others.
 */
export function addStates(inputs: Inputs, model: ExportModel, batch: number, begin: Begin): void {
  for (const { state, input, engine, layer, start } of statePairs(model)) {
    const spec = model.spec.layers[layer]!;
    const { hiddenSize, bidirectional } = spec;
    const width = signalSize({ hiddenSize, outputSize: outputSize(spec, model.cells[layer]) }, state);
    const isPositive = model.cells[layer]!.positiveStates.includes(state);
    const half = batch * width;
    const value = (k: number): number => {
      if (begin === 'start') return start?.[Math.floor(k / half) * width + (k % width)] ?? 0;
      if ('random' in begin) return isPositive ? begin.random() + 0.5 : 2 * begin.random() - 1;
      return k < half ? begin.engine[engine]![k]! : begin.engine[`${engine}_reverse`]![k - half]!;
    };
    const directions = bidirectional ? 2 : 1;
    const data = Float32Array.from({ length: directions * half }, (_, k) => value(k));
    inputs.feeds[input] = { type: 'float32', shape: [directions, batch, width], data };
    inputs.request.states[engine] = data.slice(0, half);
    if (bidirectional) inputs.request.states[`${engine}_reverse`] = data.slice(half);
  }
  if (model.cells.some(countsSteps)) inputs.feeds[clock.input] = { type: 'int64', shape: [batch], data: new BigInt64Array(batch) };
}
