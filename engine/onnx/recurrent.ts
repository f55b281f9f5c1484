import { GraphBuilder } from './graph';
import { onnxGateOrder, operatorRows, type ExportCell } from './gate-order';
import { addInitialState, directionName, layerTensor, layerTensorOrNull, signalSize, type RecurrentLayer } from './layer';
import { addScanLayer } from './scan';
import { addLines, linesFor, namesRead } from './step';
import { transposed, type ExportModel } from './weights';

/** The logistic function of it is 1 in float32: a gate that is always open. */
const openBias = 100;

/** Adds one layer; `wanted` names the gates and states that will be asked of it, `lower` is the layer below. */
export function addLayer(g: GraphBuilder, model: ExportModel, index: number, input: string, initial: RecurrentLayer['initial'], wanted: readonly string[], lower: RecurrentLayer | null): RecurrentLayer {
  const { onnx } = model.cells[index]!;
  return onnx === null ? addScanLayer(g, model, index, input, initial, wanted, lower) : addOperatorLayer(g, model, index, { ...model.cells[index]!, onnx }, input, initial, wanted);
}

/**
 * Adds one layer as an ONNX operator. `layout` stays 0 (time first): ONNX Runtime refuses 1.
 * `initial` gives all states or none. What of `wanted` is asked for is computed once, by whoever asks first.
 */
function addOperatorLayer(g: GraphBuilder, model: ExportModel, index: number, cell: ExportCell, input: string, initial: RecurrentLayer['initial'], wanted: readonly string[]): RecurrentLayer {
  const { hiddenSize, bidirectional } = model.spec.layers[index]!;
  const { names, onnx, states } = cell;
  const directions = bidirectional ? 2 : 1;
  const both = [...Array(directions).keys()];
  const prefix = `layer.${index}`;
  const data = (name: string, direction: number): Float32Array => layerTensor(model, index, name, direction).data;
  const stacked = (name: string): Float32Array => concatenate(both.map((direction) => operatorRows(data(name, direction), cell, hiddenSize)));
  const rows = onnx.rows.length * hiddenSize;
  const biases = both.flatMap((direction) => [
    operatorRows(data(names.bias, direction), cell, hiddenSize, openBias),
    names.recurrentBias === null ? new Float32Array(rows) : operatorRows(data(names.recurrentBias, direction), cell, hiddenSize),
  ]);
  const inputSize = layerTensor(model, index, names.input, 0).shape[1]!;
  const weights: OperatorWeights = {
    w: g.constant(`${prefix}.W`, [directions, rows, inputSize], stacked(names.input)),
    r: g.constant(`${prefix}.R`, [directions, rows, hiddenSize], names.recurrent === null ? new Float32Array(directions * rows * hiddenSize) : stacked(names.recurrent)),
    b: g.constant(`${prefix}.B`, [directions, 2 * rows], concatenate(biases)),
    p:
      onnx.peepholes.length === 0
        ? null
        : g.constant(`${prefix}.P`, [directions, onnx.peepholes.length * hiddenSize], concatenate(both.flatMap((direction) => onnx.peepholes.map((name) => data(name, direction))))),
  };
  const final = Object.fromEntries(states.map((state) => [state, `${prefix}.${state}_last`]));
  // An empty name is an absent input; the first is sequence_lens: every sequence of a batch is as long as the batch.
  const further = ['', initial?.['h'] ?? '', initial?.['c'] ?? '', weights.p ?? ''];
  while (further.at(-1) === '') further.pop();
  // The identity among the activations is Affine with these factors; only activations that take factors have any.
  const affine = both.flatMap(() => onnx.activations.filter((activation) => activation === 'Affine'));
  const sequence = g.node(
    onnx.operator,
    prefix,
    [input, weights.w, weights.r, weights.b, ...further],
    {
      hidden_size: hiddenSize,
      direction: bidirectional ? 'bidirectional' : 'forward',
      ...Object.fromEntries(onnx.attributes),
      ...(onnx.activations.length > 0 && { activations: both.flatMap(() => onnx.activations) }),
      ...(affine.length > 0 && { activation_alpha: Float32Array.from(affine, () => 1), activation_beta: Float32Array.from(affine, () => 0) }),
    },
    [`${prefix}.sequence`, ...states.map((state) => final[state]!)],
  );
  const layer = { index, cell, hiddenSize, outputSize: hiddenSize, directions, input, initial, sequence, final } as const;
  const computed = new Map<number, Record<string, string>>();
  const signals = (direction: number): Record<string, string> => {
    const known = computed.get(direction) ?? operatorSignals(g, model, layer, cell, weights, direction, wanted);
    computed.set(direction, known);
    return known;
  };
  return { ...layer, signals };
}

/** Names of W, R, B and, with peepholes, P in the graph. */
interface OperatorWeights {
  w: string;
  r: string;
  b: string;
  p: string | null;
}

/** The layer's output as the next layer takes it: `[time, batch, directions × hiddenSize]`, forward half first. */
export function addLayerOutput(g: GraphBuilder, layer: RecurrentLayer): string {
  const prefix = `layer.${layer.index}`;
  if (layer.directions === 1) return g.node('Squeeze', `${prefix}.output`, [layer.sequence, g.integers(1)]);
  const together = g.node('Transpose', `${prefix}.directions`, [layer.sequence], { perm: [0, 2, 1, 3] });
  return g.node('Reshape', `${prefix}.output`, [together, g.integers(0, 0, -1)]);
}

/** Adds the layer's gates and states as graph outputs `l0.i`, `l0_reverse.h` … `[batch, time, hiddenSize]`, after activation. */
export function addGateOutputs(g: GraphBuilder, layer: RecurrentLayer): void {
  const names = layer.cell.signals.map(({ name }) => name);
  for (let direction = 0; direction < layer.directions; direction++) {
    const trace = directionName(layer.index, direction);
    const signals = layer.signals(direction, names);
    for (const name of names) {
      g.node('Transpose', `${trace}.${name}`, [signals[name]!], { perm: [1, 0, 2] });
      g.output(`${trace}.${name}`, 'float32', ['batch', 'time', signalSize(layer, name)]);
    }
  }
}

/**
 * Gates and states of one direction of an operator, which gives none of them: they are computed again from the file's
 * own weights, the layer's input and the hidden states moved by one step, by the cell's own step. Where it carries
 * more than h, that is a `Scan` over the sums; else it holds for all time steps at once.
 */
function operatorSignals(g: GraphBuilder, model: ExportModel, layer: Omit<RecurrentLayer, 'signals'>, cell: ExportCell, weights: OperatorWeights, direction: number, wanted: readonly string[]): Record<string, string> {
  const { hiddenSize, input } = layer;
  const { onnx } = cell;
  const prefix = directionName(layer.index, direction);
  const name = (part: string): string => `${prefix}/${part}`;
  const h = g.node('Gather', name('h'), [layer.sequence, g.index(direction)], { axis: 1 });
  const carried = cell.states.filter((state) => state !== 'h');
  const lines = linesFor(cell.step, [...carried, ...wanted.filter((signal) => signal !== 'h')]);
  if (lines.length === 0) return { h };

  const initial = (state: string): string => addInitialState(g, prefix, state, layer.initial?.[state], direction, input, hiddenSize);
  const first = g.node('Unsqueeze', name('h0.step'), [initial('h'), g.integers(0)]);
  const shifted =
    direction === 0
      ? [first, g.node('Slice', name('h.before'), [h, g.integers(0), g.integers(-1), g.integers(0)])]
      : [g.node('Slice', name('h.before'), [h, g.integers(1), g.integers(Number.MAX_SAFE_INTEGER), g.integers(0)]), first];
  const previous = g.node('Concat', name('h.previous'), shifted, { axis: 0 });
  const gates = onnxGateOrder[onnx.operator];
  const rows = gates.length * hiddenSize;
  const weight = (part: 'w' | 'r'): string =>
    g.node('Transpose', name(`${part}.columns`), [g.node('Gather', name(`${part}.rows`), [weights[part], g.index(direction)], { axis: 0 })], { perm: [1, 0] });
  const bias = g.node('Gather', name('b'), [weights.b, g.index(direction)], { axis: 0 });
  g.node('Split', name('b.parts'), [bias, g.integers(rows, rows)], { axis: 0 }, [name('b.input'), name('b.recurrent')]);

  // The sums of the cell's own gates: an operator's gate that is another's opposite or always open is none of them.
  const given = new Map<string, string>([['h_before', previous]]);
  const split = (part: 'x' | 'u', value: string, matrix: string, offset: string): void => {
    const sum = g.node('Add', name(`${part}.sum`), [g.node('MatMul', name(`${part}.product`), [value, matrix]), offset]);
    const outputs = gates.map((gate) => name(`${part}.rows.${gate}`));
    g.node('Split', name(`${part}.gates`), [sum, g.integers(...gates.map(() => hiddenSize))], { axis: 2 }, outputs);
    onnx.rows.forEach((source, place) => {
      if (source !== 'open' && 'gate' in source) given.set(`${part}.${source.gate}`, outputs[place]!);
    });
    onnx.rows.forEach((source, place) => {
      if (source === 'open' || !('inverse' in source) || given.has(`${part}.${source.inverse}`)) return;
      given.set(`${part}.${source.inverse}`, g.node('Neg', name(`${part}.inverse.${source.inverse}`), [outputs[place]!]));
    });
  };
  split('x', input, weight('w'), name('b.input'));
  split('u', previous, weight('r'), name('b.recurrent'));
  for (const gate of cell.gateOrder) given.set(`a.${gate}`, g.node('Add', name(`a.${gate}`), [given.get(`x.${gate}`)!, given.get(`u.${gate}`)!]));
  const vectors = new Map<string, string>();
  if (weights.p !== null) {
    const ofDirection = g.node('Gather', name('p'), [weights.p, g.index(direction)], { axis: 0 });
    g.node('Split', name('p.parts'), [ofDirection, g.integers(...onnx.peepholes.map(() => hiddenSize))], { axis: 0 }, onnx.peepholes.map((vector) => name(`p.${vector}`)));
    for (const vector of onnx.peepholes) vectors.set(vector, name(`p.${vector}`));
  }

  // A tensor that a line names by its stem: a product that is no part of the sums.
  const constants = new Map<string, string>();
  const constant = (stem: string): string | null => {
    const tensor = layerTensorOrNull(model, layer.index, stem, direction);
    if (!tensor) return null;
    const [height, width] = tensor.shape as [number, number | undefined];
    const value = constants.get(stem) ?? (width === undefined ? g.constant(name(stem), tensor.shape, tensor.data) : g.constant(name(stem), [width, height], transposed(tensor.data, height, width)));
    constants.set(stem, value);
    return value;
  };
  if (carried.length === 0) {
    const get = addLines({ nodes: g, constants: g, prefix: name(''), given: (part) => given.get(part) ?? vectors.get(part) ?? constant(part) }, cell, hiddenSize, lines);
    return Object.fromEntries(wanted.map((signal) => [signal, signal === 'h' ? h : get(signal)]));
  }
  const body = new GraphBuilder(name('step'), g.opset);
  const inside = (part: string): string => `${prefix}/step.${part}`;
  const shape = ['batch', hiddenSize];
  const entering = new Map(carried.map((state) => [`${state}_before`, body.input(inside(`${state}_before`), 'float32', shape)]));
  const sequences = namesRead(lines).filter((part) => given.has(part));
  for (const part of sequences) entering.set(part, body.input(inside(`${part}_t`), 'float32', shape));
  const outputs = wanted.filter((signal) => signal !== 'h');
  const get = addLines({ nodes: body, constants: g, prefix: inside(''), given: (part) => entering.get(part) ?? vectors.get(part) ?? null }, cell, hiddenSize, lines);
  for (const state of carried) body.output(body.node('Identity', inside(`${state}_after`), [get(state)]), 'float32', shape);
  for (const signal of outputs) body.output(body.node('Identity', inside(`${signal}_out`), [get(signal)]), 'float32', shape);
  g.node(
    'Scan',
    name('scan'),
    [...carried.map(initial), ...sequences.map((part) => given.get(part)!)],
    { num_scan_inputs: sequences.length, body: body.build(), scan_input_directions: sequences.map(() => direction), scan_output_directions: outputs.map(() => direction) },
    [...carried.map((state) => name(`${state}.last`)), ...outputs.map((signal) => name(`${signal}.sequence`))],
  );
  return { ...Object.fromEntries(outputs.map((signal) => [signal, name(`${signal}.sequence`)])), ...(wanted.includes('h') && { h }) };
}

function concatenate(parts: Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}
