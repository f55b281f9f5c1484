import type { OnnxSession, RuntimeTensor } from '../inference';
import type { ForecastScaling } from './build';
import type { Pair } from './compare';
import { statePairs } from './states';
import type { Borders } from './verify-inputs';
import type { ExportModel } from './weights';

/** What a file gave beside what the engine gave, in the same order and scale. */

/** What a value of an output is divided by: the scale of its target, where it has one. */
export function scaleOf({ forecast, sequences }: Borders, output: string): (k: number) => number {
  const deviations = output === 'forecast' ? forecast?.scaler.deviation.slice(0, forecast.targetCount) : output === 'prediction' && sequences?.kind === 'values' ? sequences.targets.scaler.deviation : undefined;
  return deviations ? (k) => deviations[k % deviations.length]! : () => 1;
}

export function answerPairs(borders: Borders, outputs: Record<string, RuntimeTensor>, expected: Float32Array, last: Float64Array | null): Pair[] {
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

export function gateNames(session: OnnxSession): string[] {
  return session.outputs.map(({ name }) => name).filter((name) => /^(l\d+(_reverse)?|attention)\./.test(name));
}

/** Final states, forward half before reverse half in the file. */
export function stateOutputPairs(model: ExportModel, outputs: Record<string, RuntimeTensor>, states: Record<string, Float32Array>): Pair[] {
  return statePairs(model).flatMap(({ output, engine: name, layer }) => {
    const both = outputs[output]!.data as Float32Array;
    const forward = states[name]!;
    const pair: Pair = { output, actual: both.subarray(0, forward.length), expected: (k) => forward[k]! };
    if (!model.spec.layers[layer]!.bidirectional) return [pair];
    const reverse = states[`${name}_reverse`]!;
    return [pair, { output, actual: both.subarray(forward.length), expected: (k) => reverse[k]! }];
  });
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

