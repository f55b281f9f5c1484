import { cellForm, float32Tensor, readSafetensors, type CellForm, type CellInfo, type CellOptions, type Safetensors } from '../../../engine/contracts';
import type { SignalScale } from '../charts/colors';
import type { TraceSignal } from '../charts/signals';

/** Key of what attention leaves in a trace: in place of units it has the states that are looked at. */
export const attentionKey = 'attention';

/** One recurrent layer (and direction) of a trace, signals in the order they are drawn. */
export interface TraceLayer {
  /** `l0`, `l1_reverse`, or `attentionKey`, which comes last. */
  key: string;
  index: number;
  reverse: boolean;
  cell: string;
  units: number;
  signals: TraceSignal[];
}

/** A trace as the screens draw it: the first sequence of the batch. */
export interface TraceView {
  run: string;
  step: number;
  time: number;
  layers: TraceLayer[];
  /** Tokens of a language model's probe, null for a series. */
  tokens: Float32Array | null;
  /** Scaled inputs `[time, size]` of a series, null for tokens. */
  series: { size: number; values: Float32Array } | null;
  /** Raw values `[horizon, targets]` predicted and seen, null for tokens. */
  forecast: Float32Array | null;
  target: Float32Array | null;
  /** Of a sequence: logits `[time, outputs]`, or the scaled answer `[targets]`. */
  output: Float32Array | null;
}

/** Letters of the cells known when this was written; the engine's own list wins where it is at hand. */
const fallbackOrder = ['f', 'i', 'g', 'o', 'r', 'z', 'n', 'c', 'h'];

function scaleOf(name: string, cell: CellForm | undefined): SignalScale {
  const kind = cell?.signals.find((signal) => signal.name === name)?.kind;
  if (kind) return kind === 'unbounded' ? 'tanh' : kind;
  return 'fiorz'.includes(name) ? 'openness' : name === 'c' ? 'tanh' : 'signed';
}

/**
 * Reads a trace buffer (a live frame or a recorded file). Throws `RangeError` where it is damaged.
 * @param cells the engine's registry, which gives the order of rows and tells gates from signed values.
 */
export function decodeTrace(bytes: Uint8Array, cells: readonly CellInfo[]): TraceView {
  const file = readSafetensors(bytes);
  const names = JSON.parse(file.metadata['cells'] ?? '[]') as string[];
  // Traces of older runs have none: their cells had no options.
  const options = JSON.parse(file.metadata['options'] ?? '[]') as CellOptions[];
  const formOf = (layer: TraceLayer): CellForm | undefined => cellForm(cells, { cell: layer.cell, options: options[layer.index] });
  const layers = new Map<string, TraceLayer>();
  let time = 0;
  for (const entry of file.entries) {
    const match = /^(l(\d+)(_reverse)?)\.(\w+)$/.exec(entry.name);
    if (!match) continue;
    const [, key, index, reverse, name] = match as unknown as [string, string, string, string | undefined, string];
    const [, steps, units] = entry.shape as [number, number, number];
    const data = float32Tensor(file, entry.name)!.data;
    time = Math.max(time, steps);
    let layer = layers.get(key);
    if (!layer) {
      layer = { key, index: Number(index), reverse: reverse !== undefined, cell: names[Number(index)] ?? '', units, signals: [] };
      layers.set(key, layer);
    }
    layer.units = Math.max(layer.units, units);
    layer.signals.push({ name, scale: scaleOf(name, formOf(layer)), values: data.subarray(0, steps * units) });
  }
  for (const layer of layers.values()) {
    for (const signal of layer.signals) signal.values = widened(signal.values, layer.units, time);
    const order = formOf(layer)?.signals.map((signal) => signal.name) ?? fallbackOrder;
    const place = (signal: TraceSignal) => (order.indexOf(signal.name) + order.length + 1) % (order.length + 1);
    layer.signals.sort((a, b) => place(a) - place(b));
  }
  const attention = readAttention(file);
  if (attention) layers.set(attentionKey, attention);
  const input = float32Tensor(file, 'input');
  const isSeries = input !== null && input.shape.length === 3;
  return {
    run: file.metadata['run'] ?? '',
    step: Number(file.metadata['step'] ?? 0),
    time,
    layers: [...layers.values()].sort((a, b) => a.index - b.index || Number(a.reverse) - Number(b.reverse)),
    tokens: input && !isSeries ? input.data.subarray(0, input.shape[1]) : null,
    series: input && isSeries ? { size: input.shape[2]!, values: input.data.subarray(0, input.shape[1]! * input.shape[2]!) } : null,
    forecast: float32Tensor(file, 'forecast')?.data ?? null,
    target: float32Tensor(file, 'target')?.data ?? null,
    output: float32Tensor(file, 'output')?.data ?? null,
  };
}

/**
 * The weights of the first sequence: a row per state that is looked at, a column per step that looks. Where only the
 * last step looks, its one row of weights runs over the steps.
 */
function readAttention(file: Safetensors): TraceLayer | null {
  const weights = float32Tensor(file, 'attention.weights');
  if (!weights) return null;
  const [, queries, states] = weights.shape as [number, number, number];
  const values = weights.data.subarray(0, queries * states);
  return { key: attentionKey, index: Number.MAX_SAFE_INTEGER, reverse: false, cell: '', units: queries === 1 ? 1 : states, signals: [{ name: 'α', scale: 'openness', values, top: values.reduce((most, value) => Math.max(most, value), 0) }] };
}

/** A projected h has fewer units than its gates: those it lacks hold no number. */
function widened(values: Float32Array, units: number, time: number): Float32Array {
  const width = time > 0 ? values.length / time : units;
  if (width === units) return values;
  const wide = new Float32Array(time * units).fill(NaN);
  for (let step = 0; step < time; step++) wide.set(values.subarray(step * width, (step + 1) * width), step * units);
  return wide;
}

/** How far each gate of a layer stands open on average, over all units and steps of the probe. */
export function meanOpenness(layer: TraceLayer): Record<string, number> {
  const means: Record<string, number> = {};
  for (const { name, scale, values } of layer.signals) {
    if (scale !== 'openness') continue;
    let sum = 0;
    let count = 0;
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      sum += value;
      count += 1;
    }
    if (count > 0) means[name] = sum / count;
  }
  return means;
}

/** The signal that says how a unit behaves as a whole: its cell state, else its hidden state. */
export function stateSignal(layer: TraceLayer): TraceSignal {
  return layer.signals.find((signal) => signal.name === 'c') ?? layer.signals.find((signal) => signal.name === 'h') ?? layer.signals[0]!;
}

/** The state on the scale it is drawn at, for comparing units. */
export function drawnState(layer: TraceLayer): Float32Array {
  const signal = stateSignal(layer);
  return signal.scale === 'tanh' ? signal.values.map(Math.tanh) : signal.values;
}
