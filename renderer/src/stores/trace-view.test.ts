import { describe, expect, it } from 'vitest';
import { decodeTrace, drawnState, meanOpenness, stateSignal } from './trace-view';

/** A safetensors buffer of float32 tensors. */
function trace(metadata: Record<string, string>, tensors: Record<string, { shape: number[]; data: number[] }>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape: tensor.shape, data_offsets: [offset, offset + tensor.data.length * 4] };
    offset += tensor.data.length * 4;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(new Uint8Array(Float32Array.from(Object.values(tensors).flatMap((tensor) => tensor.data)).buffer), 8 + json.length);
  return bytes;
}

const cells = [
  { name: 'lstm', signals: ['f', 'i', 'g', 'o', 'c', 'h'].map((name) => ({ name, kind: 'fio'.includes(name) ? ('openness' as const) : name === 'c' ? ('unbounded' as const) : ('signed' as const) })), gateOrder: [], states: [], names: { input: 'W', recurrent: 'U', bias: 'b', recurrentBias: null }, vectors: [], equations: [], inputOnly: [], recurrentState: 'h', positiveStates: [], options: [], choice: [], step: [], variants: [], onnx: null },
];
const one = (value: number) => ({ shape: [1, 2, 1], data: [value, value / 2] });

describe('decodeTrace', () => {
  it('puts signals in the order the cell says, with their scales', () => {
    const view = decodeTrace(
      trace({ run: 'a', step: '120', cells: '["lstm"]' }, { 'l0.h': one(0.1), 'l0.c': one(2), 'l0.i': one(0.2), 'l0.f': one(0.3), 'l0.g': one(0.4), 'l0.o': one(0.5), input: { shape: [1, 2], data: [7, 9] } }),
      cells,
    );
    expect([view.run, view.step, view.time]).toEqual(['a', 120, 2]);
    expect(view.layers[0]!.signals.map((signal) => signal.name).join('')).toBe('figoch');
    expect(view.layers[0]!.signals.map((signal) => signal.scale)).toEqual(['openness', 'openness', 'signed', 'openness', 'tanh', 'signed']);
    expect([...view.tokens!]).toEqual([7, 9]);
    expect(stateSignal(view.layers[0]!).name).toBe('c');
    expect(drawnState(view.layers[0]!)[0]).toBeCloseTo(Math.tanh(2));
  });

  it('knows directions, series and forecasts, also of a cell the registry does not name', () => {
    const view = decodeTrace(
      trace({ step: '5', cells: '["gru"]' }, { 'l0_reverse.h': one(1), 'l0.h': one(1), 'l0.z': one(1), 'l0.r': one(1), 'l0.n': one(1), input: { shape: [1, 2, 2], data: [1, 2, 3, 4] }, forecast: { shape: [1, 2, 1], data: [5, 6] }, target: { shape: [1, 2, 1], data: [7, 8] } }),
      cells,
    );
    expect(view.layers.map((layer) => layer.key)).toEqual(['l0', 'l0_reverse']);
    expect(view.layers[0]!.signals.map((signal) => signal.name).join('')).toBe('rznh');
    expect(view.layers[0]!.signals.map((signal) => signal.scale)).toEqual(['openness', 'openness', 'signed', 'signed']);
    expect(view.tokens).toBeNull();
    expect(view.series).toEqual({ size: 2, values: Float32Array.of(1, 2, 3, 4) });
    expect([...view.forecast!, ...view.target!]).toEqual([5, 6, 7, 8]);
  });

  it('shows the weights of attention as a layer of their own, over the steps where only the last one looks', () => {
    const tensors = { 'l0.h': one(1), input: { shape: [1, 2], data: [7, 9] } };
    const steps = decodeTrace(trace({ cells: '["gru"]' }, { ...tensors, 'attention.weights': { shape: [2, 2, 2], data: [1, 0, 0.25, 0.75, 9, 9, 9, 9] } }), cells);
    expect(steps.layers.map(({ key, units }) => [key, units])).toEqual([['l0', 1], ['attention', 2]]);
    expect(steps.layers[1]!.signals.map(({ name, scale, values }) => [name, scale, ...values])).toEqual([['α', 'openness', 1, 0, 0.25, 0.75]]);
    const last = decodeTrace(trace({ cells: '["gru"]' }, { ...tensors, 'attention.weights': { shape: [1, 1, 2], data: [0.5, 0.25] } }), cells);
    expect(last.layers[1]).toMatchObject({ key: 'attention', units: 1 });
  });

  it('gives the mean openness of a layer’s gates, without its signed values and what is not finite', () => {
    const view = decodeTrace(trace({ cells: '["lstm"]' }, { 'l0.f': one(0.8), 'l0.i': { shape: [1, 2, 1], data: [NaN, 0.5] }, 'l0.g': one(-1), 'l0.c': one(3), 'l0.h': one(0.1) }), cells);
    const means = meanOpenness(view.layers[0]!);
    expect(Object.keys(means).sort()).toEqual(['f', 'i']);
    expect(means['f']).toBeCloseTo(0.6);
    expect(means['i']).toBeCloseTo(0.5);
  });

  it('leaves units empty that a projected h does not have', () => {
    const wide = { shape: [1, 2, 3], data: [1, 2, 3, 4, 5, 6] };
    const view = decodeTrace(trace({ cells: '["lstm"]' }, { 'l0.h': { shape: [1, 2, 2], data: [7, 8, 9, 10] }, 'l0.c': wide, 'l0.f': wide }), cells);
    expect(view.layers[0]!.units).toBe(3);
    expect([...view.layers[0]!.signals.find(({ name }) => name === 'h')!.values]).toEqual([7, 8, NaN, 9, 10, NaN]);
  });

  it('says that a buffer is damaged', () => {
    expect(() => decodeTrace(new Uint8Array(4), cells)).toThrow(RangeError);
  });
});
