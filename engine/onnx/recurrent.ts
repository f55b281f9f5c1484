import type { GraphBuilder } from './graph';
import { onnxGateOrder, operatorRows, type ExportCell } from './gate-order';
import { directionName, layerTensor, layerTensorOrNull, type LayerRequest, type RecurrentLayer } from './layer';
import { addLoop } from './loop';
import { addScanLayer, keptShares } from './scan';
import { addStart } from './states';
import { addLines, linesFor, namesRead } from './step';
import { transposed } from './weights';

/** The logistic function of it is 1 in float32: a gate that is always open. */
const openBias = 100;

/** Adds one recurrent layer: as ONNX's own operator where one computes exactly this, else step by step. */
export function addLayer(g: GraphBuilder, request: LayerRequest): RecurrentLayer {
  const { model, index } = request;
  const cell = model.cells[index]!;
  const { onnx } = cell;
  return onnx === null || keptShares(model.spec.layers[index]!, cell).size > 0 ? addScanLayer(g, request) : addOperatorLayer(g, request, { ...cell, onnx });
}

/**
 * Adds one layer as an ONNX operator. `layout` stays 0 (time first): ONNX Runtime refuses 1.
 * What of `wanted` is asked for is computed once, by whoever asks first.
 */
function addOperatorLayer(g: GraphBuilder, { model, index, input, initial, wanted }: LayerRequest, cell: ExportCell): RecurrentLayer {
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

/**
 * Gates and states of one direction of an operator, which gives none of them: they are computed again from the file's
 * own weights, the layer's input and the hidden states moved by one step, by the cell's own step. Where it carries
 * more than h, that is a `Scan` over the sums; else it holds for all time steps at once.
 */
function operatorSignals(g: GraphBuilder, model: LayerRequest['model'], layer: Omit<RecurrentLayer, 'signals'>, cell: ExportCell, weights: OperatorWeights, direction: number, wanted: readonly string[]): Record<string, string> {
  const { hiddenSize, input } = layer;
  const { onnx } = cell;
  const prefix = directionName(layer.index, direction);
  const name = (part: string): string => `${prefix}/${part}`;
  const h = g.node('Gather', name('h'), [layer.sequence, g.index(direction)], { axis: 1 });
  const carried = cell.states.filter((state) => state !== 'h');
  const lines = linesFor(cell.step, [...carried, ...wanted.filter((signal) => signal !== 'h')]);
  if (lines.length === 0) return { h };

  const initial = (state: string): string => addStart(g, name(`${state}0`), layer.initial?.[state], direction, input, hiddenSize);
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
  const shape = ['batch', hiddenSize];
  const { sequences } = addLoop(g, {
    prefix,
    direction,
    states: carried.map((state) => ({ name: state, shape, start: initial(state) })),
    sequences: namesRead(lines).flatMap((part) => (given.has(part) ? [{ name: part, shape, type: 'float32' as const, value: given.get(part)! }] : [])),
    outputs: wanted.filter((signal) => signal !== 'h').map((signal) => ({ name: signal, shape })),
    step: (body, entering) => addLines({ nodes: body, constants: g, prefix: name('step.'), given: (part) => entering.get(part) ?? vectors.get(part) ?? null }, cell, hiddenSize, lines),
  });
  return { ...sequences, ...(wanted.includes('h') && { h }) };
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
