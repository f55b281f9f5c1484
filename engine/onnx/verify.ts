import { setImmediate } from 'node:timers/promises';
import type { ForwardRequest, NativeModel } from '../binding/types';
import { float32Tensor, readSafetensors, SluiceError, type ExportReport, type VerificationCase } from '../contracts';
import { generateTokens, randomNumbers, runtimeVersion, zeroStates, type OnnxRuntime, type OnnxSession, type RuntimeTensor, type StatePairs } from '../inference';
import { statePairs, type ForecastScaling } from './build';
import type { ExportModel } from './weights';

/** What counts as equal: |onnx − engine| ≤ 1e-5 + 1e-5·|engine|, forecasts divided by the target's scale. */
export const bound = { absolute: 1e-5, relative: 1e-5, text: '1e-5 + 1e-5·|engine|' } as const;

export const batchSizes = [1, 3, 17];
export const lengths = [1, 2, 7, 100];
const greedyCharacters = 200;

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
  /** The same weights with states as inputs and outputs. */
  statefulBytes(): Uint8Array;
  /** Freshly drawn weights in the engine and in a file of the same kind. */
  random: { engine: NativeModel; bytes: Uint8Array };
  progress(share: number): void;
  throwIfAborted(): void;
}

/**
 * Compares a written file with the engine in ONNX Runtime.
 * @throws SluiceError ONNX_MISMATCH at the first shape where they differ by more than the bound.
 */
export async function verifyExport(request: VerifyRequest): Promise<ExportReport['verification']> {
  const { runtime, model, threads } = request;
  const open = (source: string | Uint8Array): Promise<OnnxSession> => runtime.open(source, { threads });
  const file = await open(request.path);
  const sessions = [file];
  try {
    const withStates = request.stateful ? file : await open(request.statefulBytes());
    const drawn = await open(request.random.bytes);
    sessions.push(withStates, drawn);
    const rounds = [
      { weights: 'trained', session: file, engine: request.engine, stateful: request.stateful, gates: request.gates, randomStates: false },
      { weights: 'trained, random states', session: withStates, engine: request.engine, stateful: true, gates: false, randomStates: true },
      { weights: 'random', session: drawn, engine: request.random.engine, stateful: request.stateful, gates: request.gates, randomStates: false },
    ] as const;
    const cases: VerificationCase[] = [];
    const total = rounds.length * batchSizes.length * lengths.length;
    for (const round of rounds) {
      for (const batch of batchSizes) {
        for (const time of lengths) {
          request.throwIfAborted();
          const difference = await compareOnce({ ...round, model, forecast: request.forecast, batch, time, seed: cases.length + 1 });
          const passed = difference.boundShare <= 1;
          if (!passed) throw mismatch(round.weights, batch, time, difference);
          cases.push({ batch, time, weights: round.weights, maxAbsoluteError: difference.maxAbsoluteError, boundShare: difference.boundShare, passed });
          request.progress(cases.length / (total + 6));
        }
      }
    }
    request.throwIfAborted();
    const splitEqual = await compareSplit(request, file);
    const greedyEqual = request.forecast ? null : await compareGreedy(request, file);
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
    for (const session of new Set(sessions)) await session.close();
  }
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

interface CompareRequest {
  model: ExportModel;
  forecast: ForecastScaling | null;
  session: OnnxSession;
  engine: NativeModel;
  stateful: boolean;
  gates: boolean;
  randomStates: boolean;
  batch: number;
  time: number;
  seed: number;
}

async function compareOnce(request: CompareRequest): Promise<Difference> {
  const { model, forecast, session, engine, batch, time } = request;
  const draw = randomNumbers(request.seed);
  const inputs = forecast ? drawSeries(forecast, batch, time, draw) : drawTokens(model, batch, time, draw);
  if (request.stateful) addStates(inputs, model, batch, request.randomStates ? draw : () => 0.5);
  const expected = await engine.forward(inputs.request);
  const { outputs } = await session.run(inputs.feeds);
  const meter = new DifferenceMeter();
  if (forecast) await compareForecast(meter, outputs['forecast']!, expected.output, forecast, inputs.last);
  else await compareLogits(meter, outputs['logits']!, expected.output);
  if (request.stateful) {
    for (const { output, engine: name, layer } of statePairs(model)) {
      const forward = expected.states[name]!;
      const half = outputs[output]!.data as Float32Array;
      await meter.add(output, half.subarray(0, forward.length), (k) => forward[k]!);
      if (!model.spec.layers[layer]!.bidirectional) continue;
      const reverse = expected.states[`${name}_reverse`]!;
      await meter.add(output, half.subarray(forward.length), (k) => reverse[k]!);
    }
  }
  if (request.gates) {
    const { tokens, series } = inputs.request;
    const trace = readSafetensors(await engine.trace({ time, batch, tokens, series, gradients: false, target: null }));
    for (const { name } of session.outputs.filter((output) => /^l\d+(_reverse)?\./.test(output.name))) {
      const recorded = float32Tensor(trace, name)!.data;
      await meter.add(name, outputs[name]!.data as Float32Array, (k) => recorded[k]!);
    }
  }
  return meter.result;
}

/** Random tokens, time first for the engine and batch first for the file. */
function drawTokens(model: ExportModel, batch: number, time: number, draw: () => number): Inputs {
  const tokens = Uint32Array.from({ length: batch * time }, () => Math.floor(draw() * model.spec.head.outputSize));
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

/** States in ±1 (all 0 where `draw` gives a half), forward half before reverse half in the file. */
function addStates(inputs: Inputs, model: ExportModel, batch: number, draw: () => number): void {
  for (const { input, engine, layer } of statePairs(model)) {
    const { hiddenSize, bidirectional } = model.spec.layers[layer]!;
    const directions = bidirectional ? 2 : 1;
    const half = batch * hiddenSize;
    const data = Float32Array.from({ length: directions * half }, () => 2 * draw() - 1);
    inputs.feeds[input] = { type: 'float32', shape: [directions, batch, hiddenSize], data };
    inputs.request.states[engine] = data.slice(0, half);
    if (bidirectional) inputs.request.states[`${engine}_reverse`] = data.slice(half);
  }
}

/** File `[batch, time, vocabulary]`, engine `[time, batch, vocabulary]`. */
async function compareLogits(meter: DifferenceMeter, logits: RuntimeTensor, expected: Float32Array): Promise<void> {
  const [batch, time, size] = logits.shape as [number, number, number];
  await meter.add('logits', logits.data as Float32Array, (k) => {
    const row = Math.floor(k / size);
    return expected[((row % time) * batch + Math.floor(row / time)) * size + (k - row * size)]!;
  });
}

/** File in raw units; engine scaled and without the last value. Both are compared in the target's scale. */
async function compareForecast(meter: DifferenceMeter, forecast: RuntimeTensor, expected: Float32Array, scaling: ForecastScaling, last: Float64Array | null): Promise<void> {
  const { targetCount, horizon, scaler } = scaling;
  const scale = (k: number): number => scaler.deviation[k % targetCount]!;
  const inScale = Float64Array.from(forecast.data as Float32Array, (value, k) => value / scale(k));
  await meter.add('forecast', inScale, (k) => {
    const row = Math.floor(k / (horizon * targetCount));
    const target = k % targetCount;
    return expected[k]! + (last ? last[row * targetCount + target]! : 0) + scaler.mean[target]! / scale(k);
  });
}

/** 100 steps in one call against 40 and 60 with the states handed on; null where no state can be carried. */
async function compareSplit({ stateful, model, forecast }: VerifyRequest, session: OnnxSession): Promise<boolean | null> {
  if (!stateful || forecast?.subtractLast || model.spec.layers.some(({ bidirectional }) => bidirectional)) return null;
  const draw = randomNumbers(77);
  const { feeds } = forecast ? drawSeries(forecast, 1, 100, draw) : drawTokens(model, 1, 100, draw);
  const input = forecast ? 'series' : 'tokens';
  const { type, shape, data } = feeds[input]!;
  const width = data.length / 100;
  const part = (from: number, to: number): Record<string, RuntimeTensor> => ({
    [input]: { type, shape: [1, to - from, ...shape.slice(2)], data: data.slice(from * width, to * width) },
  });
  const pairs = pairsOf(model);
  const zero = zeroStates(session, pairs, 1);
  const whole = (await session.run({ ...part(0, 100), ...zero })).outputs;
  const first = (await session.run({ ...part(0, 40), ...zero })).outputs;
  const handed = Object.fromEntries(pairs.map(([name, output]) => [name, first[output]!]));
  const second = (await session.run({ ...part(40, 100), ...handed })).outputs;
  const meter = new DifferenceMeter();
  for (const { name, shape: axes } of session.outputs) {
    // What has a step for each step of the input is laid end to end; states and forecasts are those of the last call.
    const stepwise = axes[1] === 'time';
    const joined = stepwise ? [...(first[name]!.data as Float32Array), ...(second[name]!.data as Float32Array)] : (second[name]!.data as Float32Array);
    const scale = name === 'forecast' ? (k: number): number => forecast!.scaler.deviation[k % forecast!.targetCount]! : (): number => 1;
    const expected = whole[name]!.data as Float32Array;
    await meter.add(name, Float64Array.from(joined, (value, k) => value / scale(k)), (k) => expected[k]! / scale(k));
  }
  if (meter.result.boundShare > 1) throw mismatch('40 + 60 steps with the states handed on', 1, 100, meter.result);
  return true;
}

/** 200 characters by always taking the likeliest, in the engine and through the file. */
async function compareGreedy({ engine, model, stateful, throwIfAborted }: VerifyRequest, session: OnnxSession): Promise<boolean> {
  const prompt = Uint32Array.from({ length: 8 }, (_, k) => k % model.spec.head.outputSize);
  const greedy = { length: greedyCharacters, temperature: 0, topK: 0, topP: 1, seed: 1 };
  const expected = await engine.sample({ prompt, ...greedy });
  const { tokens } = await generateTokens(session, prompt, stateful ? pairsOf(model) : [], greedy, throwIfAborted);
  const place = tokens.findIndex((token, k) => token !== expected[k]);
  if (place >= 0) {
    throw new SluiceError({
      code: 'ONNX_MISMATCH',
      message: `The exported file writes another text than the engine from character ${place + 1} on. No file was kept.`,
      where: 'logits',
      details: { output: 'logits', character: place + 1 },
    });
  }
  return true;
}

function pairsOf(model: ExportModel): StatePairs {
  return statePairs(model).map(({ input, output }) => [input, output]);
}

/** Largest difference over everything added; gives the event loop a turn between slices. */
class DifferenceMeter {
  readonly result: Difference = { maxAbsoluteError: 0, boundShare: 0, output: '' };

  async add(output: string, actual: Float32Array | Float64Array, expected: (k: number) => number): Promise<void> {
    const slice = 100_000;
    for (let start = 0; start < actual.length; start += slice) {
      if (start > 0) await setImmediate();
      const end = Math.min(start + slice, actual.length);
      for (let k = start; k < end; k++) {
        const reference = expected(k);
        const error = Math.abs(actual[k]! - reference);
        const share = error / (bound.absolute + bound.relative * Math.abs(reference));
        // A comparison with NaN is never true, so that anything not finite counts as unlimited.
        if (!(share <= this.result.boundShare)) {
          this.result.boundShare = Number.isNaN(share) ? Infinity : share;
          this.result.output = output;
        }
        if (!(error <= this.result.maxAbsoluteError)) this.result.maxAbsoluteError = Number.isNaN(error) ? Infinity : error;
      }
    }
  }
}
