import type { OnnxSession, RuntimeTensor } from './runtime';
import { toTensor } from './tensors';

/**
 * Pairs of a stateful model: what goes in, and the output that is the next call's input; with learned initial states
 * also where every sequence begins, `[directions × width]`.
 */
export type StatePairs = [input: string, output: string, start?: number[]][];

export interface SamplingOptions {
  /** 0 = always the likeliest token. */
  temperature: number;
  /** 0 = off. */
  topK: number;
  /** 1 = off. */
  topP: number;
  seed: number;
}

/** Picks a token from a row of logits; `place` counts the tokens produced so far. */
export type Choose = (logits: Float32Array, place: number) => number;

export function sampler(options: SamplingOptions): Choose {
  const draw = randomNumbers(options.seed);
  return (logits) => chooseToken(logits, options, draw);
}

/** A stateless file reads its last tokens again for every new one; more than this many it does not. */
export const statelessContext = 1024;

/** Where sequences begin, as the session's inputs ask for it: zero, or what the model has learned. */
export function initialStates(session: OnnxSession, pairs: StatePairs, batch: number): Record<string, RuntimeTensor> {
  return Object.fromEntries(
    pairs.map(([input, , start]) => {
      const described = session.inputs.find(({ name }) => name === input) ?? { name: input, type: 'float32', shape: [] };
      const shape = described.shape.map((size) => (typeof size === 'number' ? size : batch));
      const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
      // `[directions, batch, width]`: every sequence of a direction begins alike.
      const width = shape.at(-1) ?? 1;
      if (start) for (let k = 0; k < data.length; k++) data[k] = start[Math.floor(k / (batch * width)) * width + (k % width)] ?? 0;
      return [input, toTensor({ shape, data }, described)];
    }),
  );
}

/**
 * Tokens that go on from a prompt, by running the file: with its states carried on where it has them,
 * otherwise with the last `statelessContext` tokens read again at each step. `throwIfAborted` runs between calls.
 */
export async function generateTokens(session: OnnxSession, prompt: ArrayLike<number>, pairs: StatePairs, options: { length: number; choose: Choose }, throwIfAborted: () => void = () => undefined): Promise<{ tokens: number[]; milliseconds: number }> {
  const produced: number[] = [];
  const history = Array.from(prompt);
  let states = initialStates(session, pairs, 1);
  let unread = history;
  let milliseconds = 0;
  while (produced.length < options.length) {
    throwIfAborted();
    const tokens = BigInt64Array.from(unread, BigInt);
    const feeds = { tokens: { type: 'int64', shape: [1, tokens.length], data: tokens }, ...states };
    const result = await session.run(feeds, ['logits', ...pairs.map(([, output]) => output)]);
    milliseconds += result.milliseconds;
    const logits = result.outputs['logits']!;
    const next = options.choose((logits.data as Float32Array).subarray(-logits.shape[2]!), produced.length);
    produced.push(next);
    history.push(next);
    states = Object.fromEntries(pairs.map(([input, output]) => [input, result.outputs[output]!]));
    unread = pairs.length > 0 ? [next] : history.slice(-statelessContext);
  }
  return { tokens: produced, milliseconds };
}

/** One token of a row of logits. `draw` gives numbers in [0, 1). */
export function chooseToken(logits: Float32Array, options: Pick<SamplingOptions, 'temperature' | 'topK' | 'topP'>, draw: () => number): number {
  if (options.temperature === 0) return likeliest(logits);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
  const kept = options.topK > 0 ? order.slice(0, options.topK) : order;
  const highest = logits[kept[0]!]!;
  const weights = kept.map((token) => Math.exp((logits[token]! - highest) / options.temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let count = 0;
  let mass = 0;
  while (count < kept.length && (count === 0 || mass < options.topP * total)) {
    mass += weights[count]!;
    count += 1;
  }
  let point = draw() * mass;
  for (let place = 0; place < count; place++) {
    point -= weights[place]!;
    if (point < 0) return kept[place]!;
  }
  return kept[count - 1]!;
}

/** The first of the largest, as the engine chooses. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[best]!) best = token;
  return best;
}

/** Reproducible numbers in [0, 1): mulberry32 (Tommy Ettinger, public domain). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
