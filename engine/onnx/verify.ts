import { setImmediate } from 'node:timers/promises';
import type { NativeModel } from '../binding/types';
import { float32Tensor, readSafetensors, SluiceError, type ExportReport, type VerificationCase } from '../contracts';
import { generateTokens, initialStates, randomNumbers, runtimeVersion, type OnnxRuntime, type OnnxSession, type RuntimeTensor } from '../inference';
import { attentionOf } from './attention';
import { bound, type Pair } from './compare';
import { judge, type Judged, type Where } from './judge';
import { RoundingTwins } from './rounding';
import { pairsOf } from './states';
import { addStates, drawInputs, type Begin, type Borders, type Inputs } from './verify-inputs';
import { answerPairs, gateNames, scaleOf, stateOutputPairs } from './verify-outputs';
import type { ExportModel } from './weights';

/** A call that rounding decides is compared in calls of so many steps, each begun where the engine's call before ended. */
const shortSteps = 2;
const shortCalls = 50;

export const batchSizes = [1, 3, 17];
export const lengths = [1, shortSteps, 7, 100];
const greedyCharacters = 200;

export interface VerifyRequest extends Borders {
  runtime: OnnxRuntime;
  threads: number;
  /** The written file. */
  path: string;
  stateful: boolean;
  gates: boolean;
  model: ExportModel;
  engine: NativeModel;
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
    const trained = sessions.under(model, request.engine, { stateful, gates, file: request.path });
    const random = sessions.under(request.random.model, request.random.engine, { stateful, gates });
    const rounds: Round[] = [
      { weights: 'trained', subject: trained, begin: () => 'start', tokens: request.tokens },
      { weights: 'trained, random states', subject: stateful ? { ...trained, gates: false } : trained.stateful(), begin: (draw) => ({ random: draw }), tokens: request.tokens },
      { weights: 'random', subject: random, begin: () => 'start', tokens: null },
    ];
    const cases: VerificationCase[] = [];
    /** What rounding leaves open in the logits of one sequence. */
    let textRounding = 0;
    const total = rounds.length * batchSizes.length * lengths.length;
    for (const round of rounds) {
      for (const batch of batchSizes) {
        for (const time of lengths) {
          request.throwIfAborted();
          const { difference, rounding, outputs } = await compareShape(round, request, batch, time, cases.length + 1);
          cases.push({ batch, time, weights: round.weights, maxAbsoluteError: difference.maxAbsoluteError, boundShare: difference.boundShare, rounding: Math.max(...outputs.map(rounding)), passed: true });
          if (round.subject.model === model && batch === 1) textRounding = Math.max(textRounding, rounding('logits'));
          request.progress(cases.length / (total + 6));
        }
      }
    }
    request.throwIfAborted();
    const splitEqual = await compareSplit(request, trained);
    const greedyEqual = request.forecast || request.sequences ? null : await compareGreedy(request, await trained.session(), textRounding);
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

/** A file and the engine with the same weights. */
interface Subject {
  model: ExportModel;
  engine: NativeModel;
  /** Whether the file takes states, and gives gates that are compared. */
  isStateful: boolean;
  gates: boolean;
  session(): Promise<OnnxSession>;
  twins: RoundingTwins;
  /** The same as a file that takes states. */
  stateful(): Subject;
}

/** Every session of one verification: opened when it is first needed, closed together. */
class Sessions {
  private readonly opened: OnnxSession[] = [];

  constructor(private readonly request: Pick<VerifyRequest, 'runtime' | 'threads' | 'build'>) {}

  /** `file` is where it was written; else its bytes are built. */
  under(model: ExportModel, engine: NativeModel, { stateful, gates, file }: { stateful: boolean; gates: boolean; file?: string }): Subject {
    const { build } = this.request;
    const open = (weights: ExportModel): Promise<OnnxSession> => this.open(build(weights, stateful, gates));
    let session: Promise<OnnxSession> | null = null;
    const plain = {
      model,
      engine,
      isStateful: stateful,
      gates,
      session: () => (session ??= file === undefined ? open(model) : this.open(file)),
      twins: new RoundingTwins(model, open),
    };
    if (stateful) {
      const subject: Subject = { ...plain, stateful: () => subject };
      return subject;
    }
    let other: Subject | null = null;
    return { ...plain, stateful: () => (other ??= this.under(model, engine, { stateful: true, gates: false })) };
  }

  async close(): Promise<void> {
    for (const session of this.opened) await session.close();
  }

  private async open(source: string | Uint8Array): Promise<OnnxSession> {
    const session = await this.request.runtime.open(source, { threads: this.request.threads });
    this.opened.push(session);
    return session;
  }
}

interface Round {
  weights: VerificationCase['weights'];
  subject: Subject;
  begin(draw: () => number): Begin;
  tokens: Uint32Array | null;
}

/** One shape of a round. @throws SluiceError ONNX_MISMATCH */
async function compareShape({ weights, subject, begin, tokens }: Round, borders: Borders, batch: number, time: number, seed: number): Promise<Judged & { outputs: string[] }> {
  const draw = randomNumbers(seed);
  const where = { weights, batch, time };
  const inputs = drawInputs(borders, subject.model, tokens, batch, time, draw);
  if (subject.isStateful) addStates(inputs, subject.model, batch, begin(draw));
  const { outputs, pairs } = await runBoth(subject, borders, inputs);
  const instead = time > shortSteps ? () => compareShortCalls(subject.stateful(), borders, tokens, where) : null;
  const judged = await judge({ pairs, feeds: inputs.feeds, outputs, where, twins: subject.twins, borders }, instead);
  return { ...judged, outputs: pairs.map(({ output }) => output) };
}

/** One call through the file and the engine. */
async function runBoth(subject: Subject, borders: Borders, inputs: Inputs): Promise<{ outputs: Record<string, RuntimeTensor>; pairs: Pair[]; states: Record<string, Float32Array> }> {
  const { model, engine } = subject;
  const session = await subject.session();
  const expected = await engine.forward(inputs.request);
  const { outputs } = await session.run(inputs.feeds);
  const pairs = answerPairs(borders, outputs, expected.output, inputs.last);
  if (subject.isStateful) pairs.push(...stateOutputPairs(model, outputs, expected.states));
  if (subject.gates) {
    const { time, batch, tokens, series } = inputs.request;
    const trace = readSafetensors(await engine.trace({ time, batch, tokens, series, gradients: false, target: null }));
    for (const name of gateNames(session)) {
      const recorded = float32Tensor(trace, name)!.data;
      pairs.push({ output: name, actual: outputs[name]!.data as Float32Array, expected: (k) => recorded[k]! });
    }
  }
  return { outputs, pairs, states: expected.states };
}

/** Short calls one after another, each begun at the engine's states. @throws SluiceError ONNX_MISMATCH */
async function compareShortCalls(subject: Subject, borders: Borders, tokens: Uint32Array | null, where: Where): Promise<void> {
  const { weights, batch } = where;
  const draw = randomNumbers(batch);
  let begin: Begin = 'start';
  for (let call = 0; call < shortCalls; call++) {
    const inputs = drawInputs(borders, subject.model, tokens, batch, shortSteps, draw);
    addStates(inputs, subject.model, batch, begin);
    const { outputs, pairs, states } = await runBoth({ ...subject, gates: false }, borders, inputs);
    await judge({ pairs, feeds: inputs.feeds, outputs, where: { weights: `${weights}, short calls`, batch, time: shortSteps }, twins: subject.twins, borders }, null);
    begin = { engine: states };
  }
}

/** 100 steps in one call against 40 and 60 with the states handed on; null where no state can be carried. */
async function compareSplit({ stateful, model, forecast, sequences = null, tokens }: VerifyRequest, { session: opened, twins }: Subject): Promise<boolean | null> {
  // Attention sees the states of one call only.
  if (!stateful || attentionOf(model) !== 'none' || forecast?.subtractLast || model.spec.layers.some(({ bidirectional }) => bidirectional)) return null;
  const session = await opened();
  const borders = { forecast, sequences };
  const { feeds } = drawInputs(borders, model, tokens, 1, 100, randomNumbers(77));
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
    const [early, late, expected] = [first, second, whole].map((outputs) => outputs[name]!.data as ArrayLike<number | bigint>) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>];
    const joined = (k: number): number => Number(!stepwise ? late[k]! : k < early.length ? early[k]! : late[k - early.length]!);
    const scale = scaleOf(borders, name);
    compared.push({ output: name, actual: Float64Array.from({ length: expected.length }, (_, k) => joined(k) / scale(k)), expected: (k) => Number(expected[k]!) / scale(k) });
    await setImmediate();
  }
  const where = { weights: '40 + 60 steps with the states handed on', batch: 1, time: 100 };
  // The same steps through the engine were compared before.
  await judge({ pairs: compared, feeds: { ...part(0, 100), ...start }, outputs: whole, where, twins, borders }, () => Promise.resolve());
  return true;
}

/**
 * 200 characters by always taking the likeliest, in the engine and through the file. Two characters whose
 * logits are equal within the bound, and what rounding leaves open, are equally right, so the engine's choice is followed there.
 */
async function compareGreedy({ engine, model, stateful, tokens, throwIfAborted }: VerifyRequest, session: OnnxSession, rounding: number): Promise<boolean> {
  const prompt = tokens && tokens.length > 0 ? tokens.slice(0, 8) : Uint32Array.of(0);
  const expected = await engine.sample({ prompt, length: greedyCharacters, temperature: 0, topK: 0, topP: 1, seed: 1 });
  const choose = (logits: Float32Array, place: number): number => {
    const wanted = expected[place]!;
    const highest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
    if (highest - logits[wanted]! <= 2 * (bound.absolute + rounding + bound.relative * Math.abs(highest))) return wanted;
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
