import { setImmediate } from 'node:timers/promises';
import type { ForwardRequest, NativeModel } from '../binding/types';
import { float32Tensor, outputSize, readSafetensors, SluiceError, type CellForm, type ExportReport, type VerificationCase } from '../contracts';
import { generateTokens, randomNumbers, runtimeVersion, initialStates, type OnnxRuntime, type OnnxSession, type RuntimeTensor } from '../inference';
import { attentionOf } from './attention';
import { pairsOf, statePairs, type ForecastScaling } from './build';
import { signalSize } from './layer';
import { drawVectors, type SequenceBorder } from './sequence-border';
import { namesRead } from './step';
import { reverseStates, reverseUnits, reversedUnit, signalBlock } from './reverse-units';
import type { ExportModel } from './weights';

/**
 * What counts as equal: |onnx − engine| ≤ 1e-5 + 1e-5·|engine|, forecasts divided by the target's scale.
 *
 * A well-trained model over 100 steps can amplify float32's rounding beyond that: then engine and ONNX Runtime
 * are equally far from the exact value, and from each other. Where a shape exceeds the bound, and only there,
 * the same model with its units in another order (mathematically the same file) is run as well; how far the
 * two runs of ONNX Runtime differ is what float32 leaves open, and four times that is added to the bound.
 * A wrong graph is wrong in both orders, so it is still refused, and so is anything above `largestRounding`:
 * a swapped gate or a missing term shows above 1e-3.
 */
export const bound = { absolute: 1e-5, relative: 1e-5, text: '1e-5 + 1e-5·|engine|' } as const;
const roundingMargin = 4;
const largestRounding = 5e-4;

export const batchSizes = [1, 3, 17];
export const lengths = [1, 2, 7, 100];
const greedyCharacters = 200;

/** The cell looks at the number of the time step, which begins at 0 with every call and is not carried on with the states. */
const hasClock = ({ step }: Pick<CellForm, 'step'>): boolean => namesRead(step).includes('t');

export interface VerifyRequest {
  runtime: OnnxRuntime;
  threads: number;
  /** The written file. */
  path: string;
  stateful: boolean;
  gates: boolean;
  model: ExportModel;
  engine: NativeModel;
  forecast: ForecastScaling | null;
  /** Of a model of sequences. */
  sequences?: SequenceBorder | null;
  /** Text of the dataset to compare on, null for a forecast. */
  tokens: Uint32Array | null;
  /** Freshly drawn weights. */
  random: { engine: NativeModel; model: ExportModel };
  /** Bytes of a file of the same kind with other weights. */
  build(model: ExportModel, stateful: boolean, gates: boolean): Uint8Array;
  progress(share: number): void;
  throwIfAborted(): void;
}

/**
 * Compares a written file with the engine in ONNX Runtime.
 * @throws SluiceError ONNX_MISMATCH at the first shape where they differ by more than the bound.
 */
export async function verifyExport(request: VerifyRequest): Promise<ExportReport['verification']> {
  const { model, stateful, gates } = request;
  const sessions = new Sessions(request);
  try {
    const file = await sessions.open(request.path);
    const rounds: Round[] = [
      { weights: 'trained', model, session: file, engine: request.engine, stateful, gates, randomStates: false, tokens: request.tokens },
      { weights: 'trained, random states', model, session: stateful ? file : await sessions.open(request.build(model, true, gates)), engine: request.engine, stateful: true, gates: false, randomStates: true, tokens: request.tokens },
      { weights: 'random', model: request.random.model, session: await sessions.open(request.build(request.random.model, stateful, gates)), engine: request.random.engine, stateful, gates, randomStates: false, tokens: null },
    ];
    const cases: VerificationCase[] = [];
    const total = rounds.length * batchSizes.length * lengths.length;
    for (const round of rounds) {
      // Opened by the first shape that needs it.
      let turned: Promise<OnnxSession> | null = null;
      const reordered = (): Promise<OnnxSession> => (turned ??= sessions.open(request.build(reverseUnits(round.model), round.stateful, gates)));
      for (const batch of batchSizes) {
        for (const time of lengths) {
          request.throwIfAborted();
          const { difference, rounding } = await compareShape(round, request, batch, time, cases.length + 1, reordered);
          const passed = difference.boundShare <= 1;
          if (!passed) throw mismatch(round.weights, batch, time, difference);
          cases.push({ batch, time, weights: round.weights, maxAbsoluteError: difference.maxAbsoluteError, boundShare: difference.boundShare, rounding, passed });
          request.progress(cases.length / (total + 6));
        }
      }
    }
    request.throwIfAborted();
    const splitEqual = await compareSplit(request, file);
    const greedyEqual = request.forecast || request.sequences || model.cells.some(hasClock) ? null : await compareGreedy(request, file);
    request.progress(1);
    return {
      maxAbsoluteError: cases.reduce((worst, { maxAbsoluteError }) => Math.max(worst, maxAbsoluteError), 0),
      bound: bound.text,
      cases,
      passed: true,
      runtime: `onnxruntime ${runtimeVersion()}, CPU`,
      greedyEqual,
      splitEqual,
    };
  } finally {
    await sessions.close();
  }
}

/** Every session of one verification, closed together. */
class Sessions {
  private readonly opened: OnnxSession[] = [];

  constructor(private readonly request: Pick<VerifyRequest, 'runtime' | 'threads'>) {}

  async open(source: string | Uint8Array): Promise<OnnxSession> {
    const session = await this.request.runtime.open(source, { threads: this.request.threads });
    this.opened.push(session);
    return session;
  }

  async close(): Promise<void> {
    for (const session of this.opened) await session.close();
  }
}

interface Round {
  weights: VerificationCase['weights'];
  model: ExportModel;
  session: OnnxSession;
  engine: NativeModel;
  stateful: boolean;
  gates: boolean;
  randomStates: boolean;
  tokens: Uint32Array | null;
}

interface Difference {
  maxAbsoluteError: number;
  boundShare: number;
  /** Output with the largest share. */
  output: string;
}

function mismatch(weights: string, batch: number, time: number, { maxAbsoluteError, output }: Difference): SluiceError {
  return new SluiceError({
    code: 'ONNX_MISMATCH',
    message: `The exported file does not compute what the engine computes: ${output} differs by ${maxAbsoluteError.toExponential(1)} at batch ${batch}, ${time} steps (${weights}). No file was kept.`,
    where: output,
    details: { output, batch, time, weights, maxAbsoluteError },
  });
}

interface Inputs {
  /** What the engine is given. */
  request: ForwardRequest;
  /** What the file is given. */
  feeds: Record<string, RuntimeTensor>;
  /** Scaled last value of each target that the engine does not see, `[batch × targets]`. */
  last: Float64Array | null;
}

/** An output of the file beside what the engine says of it, value by value, in the target's scale. */
interface Pair {
  output: string;
  actual: Float32Array | Float64Array;
  expected(k: number): number;
}

type Borders = Pick<VerifyRequest, 'forecast' | 'sequences'>;

/** Outputs that hold no units of the model. */
const answers = new Set(['logits', 'forecast', 'prediction', 'probabilities']);

/** What a value of an output is divided by: the scale of its target, where it has one. */
function scaleOf({ forecast, sequences }: Borders, output: string): (k: number) => number {
  const deviations = output === 'forecast' ? forecast?.scaler.deviation.slice(0, forecast.targetCount) : output === 'prediction' && sequences?.kind === 'values' ? sequences.targets.scaler.deviation : undefined;
  return deviations ? (k) => deviations[k % deviations.length]! : () => 1;
}

function drawInputs({ forecast, sequences }: Borders, model: ExportModel, tokens: Uint32Array | null, batch: number, time: number, draw: () => number): Inputs {
  if (forecast) return drawSeries(forecast, batch, time, draw);
  if (sequences?.kind === 'values') return { ...drawSeries({ ...sequences.inputs, horizon: 1, targetCount: 0, subtractLast: false }, batch, time, draw), last: null };
  if (sequences?.kind === 'bits') {
    const { series, feed } = drawVectors(sequences.entries, batch, time, draw);
    return { request: { time, batch, tokens: null, series, states: {} }, feeds: { series: feed }, last: null };
  }
  return drawTokens(model, tokens, batch, time, draw);
}

function answerPairs(borders: Borders, outputs: Record<string, RuntimeTensor>, expected: Float32Array, last: Float64Array | null): Pair[] {
  const { forecast, sequences } = borders;
  if (forecast) return [forecastPair(outputs['forecast']!, expected, forecast, last)];
  if (sequences?.kind === 'values') {
    const scale = scaleOf(borders, 'prediction');
    const { mean } = sequences.targets.scaler;
    return [{ output: 'prediction', actual: Float64Array.from(outputs['prediction']!.data as Float32Array, (value, k) => value / scale(k)), expected: (k) => expected[k]! + mean[k % mean.length]! / scale(k) }];
  }
  const logits = logitsPair(outputs['logits']!, expected);
  if (sequences?.kind !== 'bits') return [logits];
  return [logits, { output: 'probabilities', actual: outputs['probabilities']!.data as Float32Array, expected: (k) => 1 / (1 + Math.exp(-logits.expected(k))) }];
}

async function compareShape(round: Round, borders: Borders, batch: number, time: number, seed: number, reordered: () => Promise<OnnxSession>): Promise<{ difference: Difference; rounding: number }> {
  const { model, session, engine } = round;
  const draw = randomNumbers(seed);
  const inputs = drawInputs(borders, model, round.tokens, batch, time, draw);
  if (round.stateful) addStates(inputs, model, batch, round.randomStates ? draw : null);
  const expected = await engine.forward(inputs.request);
  const { outputs } = await session.run(inputs.feeds);
  const pairs: Pair[] = answerPairs(borders, outputs, expected.output, inputs.last);
  if (round.stateful) pairs.push(...stateOutputPairs(model, outputs, expected.states));
  if (round.gates) {
    const { tokens, series } = inputs.request;
    const trace = readSafetensors(await engine.trace({ time, batch, tokens, series, gradients: false, target: null }));
    for (const name of gateNames(session)) {
      const recorded = float32Tensor(trace, name)!.data;
      pairs.push({ output: name, actual: outputs[name]!.data as Float32Array, expected: (k) => recorded[k]! });
    }
  }
  const difference = await measure(pairs, () => 0);
  if (difference.boundShare <= 1 || !Number.isFinite(difference.boundShare)) return { difference, rounding: 0 };
  const again = await (await reordered()).run(reverseStates(model, inputs.feeds));
  const left = await measureRounding(model, pairs, outputs, again.outputs, borders);
  const allowance = (output: string): number => Math.min(largestRounding, roundingMargin * (left.get(output) ?? 0));
  return { difference: await measure(pairs, allowance), rounding: Math.max(...pairs.map(({ output }) => allowance(output))) };
}

/** Largest difference of each output between the file and its twin with reversed units. */
async function measureRounding(model: ExportModel, pairs: Pair[], outputs: Record<string, RuntimeTensor>, twin: Record<string, RuntimeTensor>, borders: Borders): Promise<Map<string, number>> {
  const left = new Map<string, number>();
  for (const output of new Set(pairs.map((pair) => pair.output))) {
    const values = outputs[output]!.data as Float32Array;
    const other = twin[output]!;
    // A layer's states and gates, `hn_l0` or `l0_reverse.f`.
    const [, state, ofState, ofSignal, signal] = (answers.has(output) ? null : /^(?:(\w+)n_l(\d+)|l(\d+)(?:_reverse)?\.(\w+))$/.exec(output)) ?? [];
    const layer = ofState ?? ofSignal;
    const block = layer === undefined ? null : signalBlock(model, Number(layer), state ?? signal!);
    const same = (k: number): number => (block === null ? k : reversedUnit(k, block));
    const scale = scaleOf(borders, output);
    const data = other.data as Float32Array;
    const { maxAbsoluteError } = await measure([{ output, actual: Float64Array.from(values, (value, k) => value / scale(k)), expected: (k) => data[same(k)]! / scale(k) }], () => 0);
    left.set(output, maxAbsoluteError);
  }
  return left;
}

function gateNames(session: OnnxSession): string[] {
  return session.outputs.map(({ name }) => name).filter((name) => /^(l\d+(_reverse)?|attention)\./.test(name));
}

/** Final states, forward half before reverse half in the file. */
function stateOutputPairs(model: ExportModel, outputs: Record<string, RuntimeTensor>, states: Record<string, Float32Array>): Pair[] {
  return statePairs(model).flatMap(({ output, engine: name, layer }) => {
    const both = outputs[output]!.data as Float32Array;
    const forward = states[name]!;
    const pair: Pair = { output, actual: both.subarray(0, forward.length), expected: (k) => forward[k]! };
    if (!model.spec.layers[layer]!.bidirectional) return [pair];
    const reverse = states[`${name}_reverse`]!;
    return [pair, { output, actual: both.subarray(forward.length), expected: (k) => reverse[k]! }];
  });
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

/** States in ±1, those that are never below 0 between a half and one and a half, or those that sequences begin with where nothing is drawn; forward half before reverse half in the file. */
function addStates(inputs: Inputs, model: ExportModel, batch: number, draw: (() => number) | null): void {
  for (const { state, input, engine, layer, start } of statePairs(model)) {
    const spec = model.spec.layers[layer]!;
    const { hiddenSize, bidirectional } = spec;
    const size = signalSize({ hiddenSize, outputSize: outputSize(spec, model.cells[layer]) }, state);
    const isPositive = model.cells[layer]!.positiveStates.includes(state);
    const directions = bidirectional ? 2 : 1;
    const half = batch * size;
    const begin = (k: number): number => start?.[Math.floor(k / half) * size + (k % size)] ?? 0;
    const data = Float32Array.from({ length: directions * half }, (_, k) => (draw === null ? begin(k) : isPositive ? draw() + 0.5 : 2 * draw() - 1));
    inputs.feeds[input] = { type: 'float32', shape: [directions, batch, size], data };
    inputs.request.states[engine] = data.slice(0, half);
    if (bidirectional) inputs.request.states[`${engine}_reverse`] = data.slice(half);
  }
}

/** File `[batch, time, vocabulary]`, engine `[time, batch, vocabulary]`. */
function logitsPair(logits: RuntimeTensor, expected: Float32Array): Pair {
  const [batch, time, size] = logits.shape as [number, number, number];
  return {
    output: 'logits',
    actual: logits.data as Float32Array,
    expected: (k) => {
      const row = Math.floor(k / size);
      return expected[((row % time) * batch + Math.floor(row / time)) * size + (k - row * size)]!;
    },
  };
}

/** File in raw units; engine scaled and without the last value. */
function forecastPair(forecast: RuntimeTensor, expected: Float32Array, scaling: ForecastScaling, last: Float64Array | null): Pair {
  const { targetCount, horizon, scaler } = scaling;
  const scale = (k: number): number => scaler.deviation[k % targetCount]!;
  return {
    output: 'forecast',
    actual: Float64Array.from(forecast.data as Float32Array, (value, k) => value / scale(k)),
    expected: (k) => {
      const row = Math.floor(k / (horizon * targetCount));
      const target = k % targetCount;
      return expected[k]! + (last ? last[row * targetCount + target]! : 0) + scaler.mean[target]! / scale(k);
    },
  };
}

/** 100 steps in one call against 40 and 60 with the states handed on; null where no state can be carried. */
async function compareSplit({ stateful, model, forecast, sequences = null, tokens }: VerifyRequest, session: OnnxSession): Promise<boolean | null> {
  // Attention sees the states of one call only.
  if (!stateful || attentionOf(model) !== 'none' || forecast?.subtractLast || model.cells.some(hasClock) || model.spec.layers.some(({ bidirectional }) => bidirectional)) return null;
  const draw = randomNumbers(77);
  const { feeds } = drawInputs({ forecast, sequences }, model, tokens, 1, 100, draw);
  const input = feeds['series'] ? 'series' : 'tokens';
  const { type, shape, data } = feeds[input]!;
  const width = data.length / 100;
  const part = (from: number, to: number): Record<string, RuntimeTensor> => ({
    [input]: { type, shape: [1, to - from, ...shape.slice(2)], data: data.slice(from * width, to * width) },
  });
  const pairs = pairsOf(model);
  const start = initialStates(session, pairs, 1);
  const whole = (await session.run({ ...part(0, 100), ...start })).outputs;
  const first = (await session.run({ ...part(0, 40), ...start })).outputs;
  const handed = Object.fromEntries(pairs.map(([name, output]) => [name, first[output]!]));
  const second = (await session.run({ ...part(40, 100), ...handed })).outputs;
  const compared: Pair[] = [];
  for (const { name, shape: axes } of session.outputs) {
    // What has a step for each step of the input is laid end to end; states and forecasts are those of the last call.
    const stepwise = axes[1] === 'time';
    const [early, late] = [first[name]!.data as Float32Array, second[name]!.data as Float32Array];
    const joined = (k: number): number => (!stepwise ? late[k]! : k < early.length ? early[k]! : late[k - early.length]!);
    const scale = scaleOf({ forecast, sequences }, name);
    const expected = whole[name]!.data as Float32Array;
    compared.push({ output: name, actual: Float64Array.from(expected, (_, k) => joined(k) / scale(k)), expected: (k) => expected[k]! / scale(k) });
    await setImmediate();
  }
  const difference = await measure(compared, () => 0);
  if (difference.boundShare > 1) throw mismatch('40 + 60 steps with the states handed on', 1, 100, difference);
  return true;
}

/**
 * 200 characters by always taking the likeliest, in the engine and through the file. Two characters whose
 * logits are equal within the bound are equally right, so the engine's choice is followed there.
 */
async function compareGreedy({ engine, model, stateful, tokens, throwIfAborted }: VerifyRequest, session: OnnxSession): Promise<boolean> {
  const prompt = tokens && tokens.length > 0 ? tokens.slice(0, 8) : Uint32Array.of(0);
  const expected = await engine.sample({ prompt, length: greedyCharacters, temperature: 0, topK: 0, topP: 1, seed: 1 });
  const choose = (logits: Float32Array, place: number): number => {
    const wanted = expected[place]!;
    const highest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
    if (highest - logits[wanted]! <= 2 * (bound.absolute + bound.relative * Math.abs(highest))) return wanted;
    throw new SluiceError({
      code: 'ONNX_MISMATCH',
      message: `The exported file writes another text than the engine from character ${place + 1} on. No file was kept.`,
      where: 'logits',
      details: { output: 'logits', character: place + 1 },
    });
  };
  await generateTokens(session, prompt, stateful ? pairsOf(model) : [], { length: greedyCharacters, choose }, throwIfAborted);
  return true;
}

/** Largest difference over all pairs; gives the event loop a turn between slices. */
async function measure(pairs: Pair[], allowance: (output: string) => number): Promise<Difference> {
  const slice = 50_000;
  const result: Difference = { maxAbsoluteError: 0, boundShare: 0, output: '' };
  for (const { output, actual, expected } of pairs) {
    const extra = bound.absolute + allowance(output);
    for (let start = 0; start < actual.length; start += slice) {
      if (start > 0) await setImmediate();
      const end = Math.min(start + slice, actual.length);
      for (let k = start; k < end; k++) {
        const reference = expected(k);
        const error = Math.abs(actual[k]! - reference);
        const share = error / (extra + bound.relative * Math.abs(reference));
        // A comparison with NaN is never true, so that anything not finite counts as unlimited.
        if (!(share <= result.boundShare)) {
          result.boundShare = Number.isNaN(share) ? Infinity : share;
          result.output = output;
        }
        if (!(error <= result.maxAbsoluteError)) result.maxAbsoluteError = Number.isNaN(error) ? Infinity : error;
      }
    }
  }
  return result;
}
