import { afterAll, describe, expect, it } from 'vitest';
import type { ModelSpec } from '../binding/types';
import { OnnxRuntime, type RuntimeTensor } from '../inference';
import { drawTensors, judge, judgedCells } from '../../tests/kit/float64-judge';
import { buildModel, type ForecastScaling } from './build';
import { statePairs } from './states';
import { exportModel } from './weights';

const runtime = new OnnxRuntime();
afterAll(() => runtime.dispose());

const layer = (cell: string, hiddenSize: number, bidirectional = false): ModelSpec['layers'][number] => ({ cell, hiddenSize, bidirectional, dropout: 0.3 });
const language = (...layers: ModelSpec['layers']): ModelSpec => ({
  input: { kind: 'tokens', vocabularySize: 7, embeddingSize: 3 },
  layers,
  head: { outputSize: 7, mode: 'everyStep' },
});
const series = (...layers: ModelSpec['layers']): ModelSpec => ({ input: { kind: 'series', inputSize: 3 }, layers, head: { outputSize: 8, mode: 'lastStep' } });

const scaling: ForecastScaling = {
  horizon: 4,
  columns: ['flow', 'level', 'rain'],
  targetCount: 2,
  scaler: { mean: [1000, -3, 0.5], deviation: [20, 0.25, 4] },
  subtractLast: true,
};

const opsets = [14, 15, 17, 18, 19, 21, 22];
const noise = (length: number, seed: number): Float32Array => drawTensors(language(layer('rnn-tanh', length)), seed)['recurrent.bias_ih_l0']!.data;

function build(spec: ModelSpec, options: { stateful?: boolean; gates?: boolean; opset?: number; forecast?: ForecastScaling } = {}): { model: ReturnType<typeof exportModel>; bytes: Uint8Array; built: ReturnType<typeof buildModel> } {
  const model = exportModel(spec, drawTensors(spec, 5), judgedCells);
  const built = buildModel({ model, stateful: options.stateful ?? false, gates: options.gates ?? false, opset: options.opset ?? 17, forecast: options.forecast ?? null, metadata: {}, producerVersion: 'test' });
  return { model, bytes: built.bytes, built };
}

/** Largest |a − b| / (1e-5 + 1e-5·|b|). */
function boundShare(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let k = 0; k < b.length; k++) worst = Math.max(worst, Math.abs(a[k]! - b[k]!) / (1e-5 + 1e-5 * Math.abs(b[k]!)));
  return worst;
}

const asNumbers = (tensor: RuntimeTensor | undefined): Float32Array => tensor!.data as Float32Array;

const stacks: [string, ModelSpec['layers']][] = [
  ['rnn-tanh', [layer('rnn-tanh', 5)]],
  ['lstm', [layer('lstm', 4)]],
  ['gru', [layer('gru', 4)]],
  ['one unit', [layer('lstm', 1), layer('gru', 1)]],
  ['lstm under gru under rnn', [layer('lstm', 4), layer('gru', 5), layer('rnn-tanh', 3)]],
];

describe.each(stacks)('a language model of %s', (_, layers) => {
  it.each([
    [1, 1],
    [3, 7],
  ])('gives the logits, states and gates of the equations, batch %i, time %i', async (batch, time) => {
    const spec = language(...layers);
    for (const stateful of [false, true]) {
      const { model, bytes } = build(spec, { stateful, gates: true });
      const session = await runtime.open(bytes, { threads: 1 });
      const tokens = Uint32Array.from({ length: batch * time }, (_v, k) => (k * 5 + 2) % 7);
      const pairs = stateful ? statePairs(model) : [];
      const states = Object.fromEntries(pairs.map(({ engine, layer: index }, k) => [engine, noise(batch * layers[index]!.hiddenSize, k + 1)]));
      const expected = judge(spec, model.tensors, { time, batch, tokens, series: null, states });
      const feeds: Record<string, RuntimeTensor> = {
        tokens: { type: 'int64', shape: [batch, time], data: BigInt64Array.from({ length: batch * time }, (_v, k) => BigInt(tokens[(k % time) * batch + Math.floor(k / time)]!)) },
      };
      for (const { input, engine, layer: index } of pairs) feeds[input] = { type: 'float32', shape: [1, batch, layers[index]!.hiddenSize], data: states[engine]! };
      const { outputs } = await session.run(feeds);
      await session.close();
      const batchFirst = Float32Array.from({ length: expected.output.length }, (_v, k) => {
        const [b, t, v] = [Math.floor(k / (time * 7)), Math.floor(k / 7) % time, k % 7];
        return expected.output[(t * batch + b) * 7 + v]!;
      });
      expect(boundShare(asNumbers(outputs['logits']), batchFirst)).toBeLessThan(1);
      for (const { output, engine } of pairs) expect(boundShare(asNumbers(outputs[output]), expected.states[engine]!)).toBeLessThan(1);
      for (const [name, trace] of Object.entries(expected.trace)) {
        expect(outputs[name]?.shape).toEqual(trace.shape);
        expect(boundShare(asNumbers(outputs[name]), trace.data)).toBeLessThan(1);
      }
    }
  });
});

describe.each([
  ['one direction', [layer('lstm', 4), layer('gru', 3)]],
  ['both directions', [layer('gru', 4, true), layer('lstm', 3, true), layer('rnn-tanh', 2, true)]],
  ['one under both', [layer('lstm', 4), layer('lstm', 3, true)]],
] as [string, ModelSpec['layers']][])('a forecast of %s', (_, layers) => {
  it.each([true, false])('takes raw values and gives raw values, last value taken off: %s', async (subtractLast) => {
    const spec = series(...layers);
    const forecast = { ...scaling, subtractLast };
    const { model, bytes } = build(spec, { forecast, gates: true, stateful: true });
    const session = await runtime.open(bytes, { threads: 1 });
    const [batch, time] = [2, 6];
    const { mean, deviation } = scaling.scaler;
    const wave = noise(batch * time * 3, 9);
    const raw = Float32Array.from(wave, (value, k) => mean[k % 3]! + 2 * deviation[k % 3]! * value);
    const last = (b: number, column: number): number => (raw[(b * time + time - 1) * 3 + column]! - mean[column]!) / deviation[column]!;
    const scaled = Float32Array.from({ length: raw.length }, (_v, k) => {
      const [t, b, column] = [Math.floor(k / (batch * 3)), Math.floor(k / 3) % batch, k % 3];
      return (raw[(b * time + t) * 3 + column]! - mean[column]!) / deviation[column]! - (subtractLast ? last(b, column) : 0);
    });
    const sizes = layers.map((one) => one.hiddenSize);
    const pairs = statePairs(model);
    const states: Record<string, Float32Array> = {};
    const feeds: Record<string, RuntimeTensor> = { series: { type: 'float32', shape: [batch, time, 3], data: raw } };
    pairs.forEach(({ input, engine, layer: index }, k) => {
      const directions = layers[index]!.bidirectional ? 2 : 1;
      const data = noise(directions * batch * sizes[index]!, k + 1);
      states[engine] = data.subarray(0, batch * sizes[index]!);
      if (directions === 2) states[`${engine}_reverse`] = data.subarray(batch * sizes[index]!);
      feeds[input] = { type: 'float32', shape: [directions, batch, sizes[index]!], data };
    });
    const expected = judge(spec, model.tensors, { time, batch, tokens: null, series: scaled, states });
    const { outputs } = await session.run(feeds);
    await session.close();
    expect(outputs['forecast']!.shape).toEqual([batch, 4, 2]);
    const inScale = asNumbers(outputs['forecast']).map((value, k) => (value - mean[k % 2]!) / deviation[k % 2]! - (subtractLast ? last(Math.floor(k / 8), k % 2) : 0));
    // The raw value 1000 ± 20 has steps of 6e-5 in float32, 3e-6 of its scale.
    expect(boundShare(inScale, expected.output)).toBeLessThan(1);
    for (const { output, engine, layer: index } of pairs) {
      const whole = [...expected.states[engine]!, ...(layers[index]!.bidirectional ? expected.states[`${engine}_reverse`]! : [])];
      expect(boundShare(asNumbers(outputs[output]), whole)).toBeLessThan(1);
    }
    for (const [name, trace] of Object.entries(expected.trace)) expect(boundShare(asNumbers(outputs[name]), trace.data)).toBeLessThan(1);
  });
});

describe('a cell that no operator holds', () => {
  /** The same cells without their operators: their steps alone must say the same. */
  const withoutOperators = judgedCells.map((cell) => ({ ...cell, onnx: null }));
  it.each(opsets)('is a Scan that gives what the operator gives, operator set %i', async (opset) => {
    for (const layers of [[layer('lstm', 4, true), layer('gru', 5, true), layer('rnn-tanh', 3, true)], [layer('gru', 1), layer('lstm', 1)]]) {
      const spec = series(...layers);
      const tensors = drawTensors(spec, 5);
      const files = [judgedCells, withoutOperators].map((cells) =>
        buildModel({ model: exportModel(spec, tensors, cells), stateful: true, gates: true, opset, forecast: scaling, metadata: {}, producerVersion: 'test' }),
      );
      expect(new Set(files[1]!.nodes.map(({ operator }) => operator).filter((operator) => ['LSTM', 'GRU', 'RNN', 'Scan'].includes(operator)))).toEqual(new Set(['Scan']));
      expect(files[1]!.outputs).toEqual(files[0]!.outputs);
      const feeds: Record<string, RuntimeTensor> = { series: { type: 'float32', shape: [2, 6, 3], data: noise(36, 9).map((value, k) => scaling.scaler.mean[k % 3]! + 40 * value) } };
      for (const { input, layer: index } of statePairs(exportModel(spec, tensors, judgedCells))) {
        const size = [layers[index]!.bidirectional ? 2 : 1, 2, layers[index]!.hiddenSize];
        feeds[input] = { type: 'float32', shape: size, data: noise(size.reduce((a, b) => a * b), index + 1) };
      }
      const [byOperator, byScan] = await Promise.all(
        files.map(async ({ bytes }) => {
          const session = await runtime.open(bytes, { threads: 1 });
          const { outputs } = await session.run(feeds);
          await session.close();
          return outputs;
        }),
      );
      for (const name of Object.keys(byOperator!)) expect(boundShare(asNumbers(byScan![name]), asNumbers(byOperator![name])), name).toBeLessThan(1);
    }
  });
});

describe('the file', () => {
  it.each(opsets)('loads and runs with operator set %i', async (opset) => {
    const { bytes } = build(language(layer('lstm', 3), layer('gru', 2)), { opset, gates: true, stateful: false });
    const session = await runtime.open(bytes, { threads: 1 });
    const { outputs } = await session.run({ tokens: { type: 'int64', shape: [2, 3], data: BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 5n) } });
    expect(outputs['logits']!.shape).toEqual([2, 3, 7]);
    await session.close();
  });

  it('leaves batch and time free and names inputs and outputs as promised', () => {
    const { built } = build(series(layer('lstm', 3)), { stateful: true, gates: true, forecast: scaling });
    expect(built.inputs).toEqual([
      { name: 'series', type: 'float32', shape: ['batch', 'time', 3] },
      { name: 'h0_l0', type: 'float32', shape: [1, 'batch', 3] },
      { name: 'c0_l0', type: 'float32', shape: [1, 'batch', 3] },
    ]);
    expect(built.outputs.map(({ name, shape }) => [name, ...shape])).toEqual([
      ['forecast', 'batch', 4, 2],
      ['hn_l0', 1, 'batch', 3],
      ['cn_l0', 1, 'batch', 3],
      ...['f', 'i', 'g', 'o', 'c', 'h'].map((gate) => [`l0.${gate}`, 'batch', 'time', 3]),
    ]);
  });

  it('refuses a cell that does not say how ONNX computes it', () => {
    const spec = language(layer('lstm', 2));
    expect(() => exportModel(spec, drawTensors(spec, 1), [{ ...judgedCells[1]!, step: [] }])).toThrow('how ONNX computes it');
  });
});
