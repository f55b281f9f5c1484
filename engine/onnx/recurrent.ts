import { GraphBuilder } from './graph';
import { onnxGateOrder, operatorRows, type ExportCell } from './gate-order';
import type { GraphProto } from './proto';
import type { ExportModel, NamedTensor } from './weights';

export interface RecurrentLayer {
  index: number;
  cell: ExportCell;
  hiddenSize: number;
  directions: 1 | 2;
  /** Value `[time, batch, inputSize]` that enters. */
  input: string;
  /** Values `[directions, batch, hiddenSize]` by state, null = zero. */
  initial: { h: string; c: string | null } | null;
  /** Names of W, R, B and, with peepholes, P in the graph. */
  weights: { w: string; r: string; b: string; p: string | null };
  /** Value `[time, directions, batch, hiddenSize]`. */
  sequence: string;
  /** Values `[directions, batch, hiddenSize]`. */
  final: { h: string; c: string | null };
}

/** The logistic function of it is 1 in float32: a gate that is always open. */
const openBias = 100;

/**
 * Adds one layer as an ONNX operator. `layout` stays 0 (time first): ONNX Runtime refuses 1.
 * `initial` gives both states of an LSTM or none.
 */
export function addLayer(g: GraphBuilder, model: ExportModel, index: number, input: string, initial: RecurrentLayer['initial']): RecurrentLayer {
  const { hiddenSize, bidirectional } = model.spec.layers[index]!;
  const cell = model.cells[index]!;
  const { names, onnx } = cell;
  const directions = bidirectional ? 2 : 1;
  const prefix = `layer.${index}`;
  const suffixes = bidirectional ? ['', '_reverse'] : [''];
  const tensor = (name: string, suffix: string): NamedTensor => {
    const found = model.tensors[`recurrent.${name}_l${index}${suffix}`];
    if (!found) throw new RangeError(`the weights have no recurrent.${name}_l${index}${suffix}`);
    return found;
  };
  const stacked = (name: string): Float32Array => concatenate(suffixes.map((suffix) => operatorRows(tensor(name, suffix).data, cell, hiddenSize)));
  const rows = onnx.rows.length * hiddenSize;
  const biases = suffixes.flatMap((suffix) => [
    operatorRows(tensor(names.bias, suffix).data, cell, hiddenSize, openBias),
    names.recurrentBias === null ? new Float32Array(rows) : operatorRows(tensor(names.recurrentBias, suffix).data, cell, hiddenSize),
  ]);
  const inputSize = tensor(names.input, '').shape[1]!;
  const weights = {
    w: g.constant(`${prefix}.W`, [directions, rows, inputSize], stacked(names.input)),
    r: g.constant(`${prefix}.R`, [directions, rows, hiddenSize], names.recurrent === null ? new Float32Array(directions * rows * hiddenSize) : stacked(names.recurrent)),
    b: g.constant(`${prefix}.B`, [directions, 2 * rows], concatenate(biases)),
    p:
      onnx.peepholes.length === 0
        ? null
        : g.constant(`${prefix}.P`, [directions, onnx.peepholes.length * hiddenSize], concatenate(suffixes.flatMap((suffix) => onnx.peepholes.map((name) => tensor(name, suffix).data)))),
  };
  const hasCell = cell.states.includes('c');
  const final = { h: `${prefix}.h_last`, c: hasCell ? `${prefix}.c_last` : null };
  // An empty name is an absent input; the first is sequence_lens: every sequence of a batch is as long as the batch.
  const further = ['', initial?.h ?? '', initial?.c ?? '', weights.p ?? ''];
  while (further.at(-1) === '') further.pop();
  const sequence = g.node(
    onnx.operator,
    prefix,
    [input, weights.w, weights.r, weights.b, ...further],
    {
      hidden_size: hiddenSize,
      direction: bidirectional ? 'bidirectional' : 'forward',
      ...Object.fromEntries(onnx.attributes),
      ...(onnx.activations.length > 0 && { activations: suffixes.flatMap(() => onnx.activations) }),
    },
    [`${prefix}.sequence`, final.h, ...(final.c === null ? [] : [final.c])],
  );
  return { index, cell, hiddenSize, directions, input, initial, weights, sequence, final };
}

/** The layer's output as the next layer takes it: `[time, batch, directions × hiddenSize]`, forward half first. */
export function addLayerOutput(g: GraphBuilder, layer: RecurrentLayer): string {
  const prefix = `layer.${layer.index}`;
  if (layer.directions === 1) return g.node('Squeeze', `${prefix}.output`, [layer.sequence, g.integers(1)]);
  const together = g.node('Transpose', `${prefix}.directions`, [layer.sequence], { perm: [0, 2, 1, 3] });
  return g.node('Reshape', `${prefix}.output`, [together, g.integers(0, 0, -1)]);
}

/**
 * Adds the layer's gates and states as graph outputs `l0.i`, `l0_reverse.h` … `[batch, time, hiddenSize]`,
 * after activation. The operators give none, so they are computed again from the layer's input and from
 * its hidden states moved by one step; only c needs a loop of its own, a Scan over f, i and g
 * (with peepholes over their sums: there the gates look at c).
 */
export function addGateOutputs(g: GraphBuilder, layer: RecurrentLayer): void {
  for (let direction = 0; direction < layer.directions; direction++) {
    const trace = `l${layer.index}${direction === 1 ? '_reverse' : ''}`;
    const signals = gatesOf(g, layer, direction, trace);
    for (const { name } of layer.cell.signals) {
      g.node('Transpose', `${trace}.${name}`, [signals[name]!], { perm: [1, 0, 2] });
      g.output(`${trace}.${name}`, 'float32', ['batch', 'time', layer.hiddenSize]);
    }
  }
}

/** Gates and states of one direction, `[time, batch, hiddenSize]` in time order, by name: at least those the cell has. */
function gatesOf(g: GraphBuilder, layer: RecurrentLayer, direction: number, trace: string): Record<string, string> {
  const { cell, hiddenSize } = layer;
  const { operator } = cell.onnx;
  const name = (part: string): string => `${trace}/${part}`;
  const h = g.node('Gather', name('h'), [layer.sequence, g.index(direction)], { axis: 1 });
  if (operator === 'RNN') return { h };

  const initial = (state: 'h' | 'c'): string => {
    const given = layer.initial?.[state];
    if (given) return g.node('Gather', name(`${state}0`), [given, g.index(direction)], { axis: 0 });
    const shape = g.node('Shape', name(`${state}0.shape`), [layer.input]);
    const batch = g.node('Slice', name(`${state}0.batch`), [shape, g.integers(1), g.integers(2)]);
    const size = g.node('Concat', name(`${state}0.size`), [batch, g.integers(hiddenSize)], { axis: 0 });
    return g.node('ConstantOfShape', name(`${state}0`), [size]);
  };
  const first = g.node('Unsqueeze', name('h0.step'), [initial('h'), g.integers(0)]);
  const shifted =
    direction === 0
      ? [first, g.node('Slice', name('h.before'), [h, g.integers(0), g.integers(-1), g.integers(0)])]
      : [g.node('Slice', name('h.before'), [h, g.integers(1), g.integers(Number.MAX_SAFE_INTEGER), g.integers(0)]), first];
  const previous = g.node('Concat', name('h.previous'), shifted, { axis: 0 });

  const gates = onnxGateOrder[operator];
  const rows = gates.length * hiddenSize;
  const weight = (part: 'w' | 'r'): string =>
    g.node('Transpose', name(`${part}.columns`), [g.node('Gather', name(`${part}.rows`), [layer.weights[part], g.index(direction)], { axis: 0 })], { perm: [1, 0] });
  const bias = g.node('Gather', name('b'), [layer.weights.b, g.index(direction)], { axis: 0 });
  g.node('Split', name('b.parts'), [bias, g.integers(rows, rows)], { axis: 0 }, [name('b.input'), name('b.recurrent')]);
  const sum = (part: string, value: string, matrix: string, offset: string): string =>
    g.node('Add', name(`${part}.sum`), [g.node('MatMul', name(`${part}.product`), [value, matrix]), offset]);
  const split = (part: string, value: string): string[] => {
    const outputs = gates.map((gate) => name(`${part}.${gate}`));
    g.node('Split', name(`${part}.gates`), [value, g.integers(...gates.map(() => hiddenSize))], { axis: 2 }, outputs);
    return outputs;
  };
  const ofInput = split('input', sum('input', layer.input, weight('w'), name('b.input')));
  const ofState = split('state', sum('state', previous, weight('r'), name('b.recurrent')));
  const both = (gate: string): string => {
    const place = (gates as readonly string[]).indexOf(gate);
    return g.node('Add', name(`${gate}.both`), [ofInput[place]!, ofState[place]!]);
  };
  const open = (gate: string): string => g.node('Sigmoid', name(gate), [both(gate)]);

  if (operator === 'GRU') {
    // n = tanh(W x + b_in + r * (U h + b_hn)): the reset gate acts after the product.
    const r = open('r');
    const n = (gates as readonly string[]).indexOf('n');
    const reset = g.node('Mul', name('n.reset'), [r, ofState[n]!]);
    return { r, z: open('z'), n: g.node('Tanh', name('n'), [g.node('Add', name('n.both'), [ofInput[n]!, reset])]), h };
  }
  const candidate = g.node('Tanh', name('g'), [both('g')]);
  const loop = (gates: string[], body: GraphProto, outputs: string[]): void => {
    const inputs = [...gates, candidate];
    const directions = inputs.map(() => direction);
    g.node(
      'Scan',
      name('c.scan'),
      [initial('c'), ...inputs],
      { num_scan_inputs: inputs.length, body, scan_input_directions: directions, scan_output_directions: outputs.map(() => direction) },
      [name('c.last'), ...outputs.map(name)],
    );
  };
  if (layer.weights.p !== null) {
    // The gates look at c, so they are made inside the loop; o looks at the new c, so it can wait.
    const vectors = [name('p.i'), name('p.o'), name('p.f')];
    const ofDirection = g.node('Gather', name('p'), [layer.weights.p, g.index(direction)], { axis: 0 });
    g.node('Split', name('p.parts'), [ofDirection, g.integers(hiddenSize, hiddenSize, hiddenSize)], { axis: 0 }, vectors);
    const peephole = cellStateStep(trace, hiddenSize, { i: vectors[0]!, f: vectors[2]! });
    loop([both('f'), both('i')], peephole, ['c', 'f', 'i']);
    const seen = g.node('Add', name('o.seen'), [both('o'), g.node('Mul', name('o.peephole'), [vectors[1]!, name('c')])]);
    return { i: name('i'), f: name('f'), g: candidate, o: g.node('Sigmoid', name('o'), [seen]), c: name('c'), h };
  }
  const coupled = cell.onnx.attributes.some(([attribute, value]) => attribute === 'input_forget' && value === 1);
  const i = open('i');
  const f = coupled ? g.node('Sub', name('f'), [g.constant(name('one'), [], Float32Array.of(1)), i]) : open('f');
  const o = open('o');
  loop([f, i], cellStateStep(trace, hiddenSize, null), ['c']);
  return { i, f, g: candidate, o, c: name('c'), h };
}

/**
 * One step of `c_t = f * c + i * g`, `[batch, hiddenSize]`, as the body of a Scan. `peepholes` names vectors of the
 * outer graph: then f and i come in as sums, become gates here, and leave as further outputs.
 */
function cellStateStep(trace: string, hiddenSize: number, peepholes: { f: string; i: string } | null): GraphProto {
  const body = new GraphBuilder(`${trace}/c.step`);
  const name = (part: string): string => `${trace}/step.${part}`;
  const shape = ['batch', hiddenSize];
  const [c, first, second, candidate] = ['c', 'f', 'i', 'g'].map((part) => body.input(name(part), 'float32', shape)) as [string, string, string, string];
  const gate = (part: 'f' | 'i', value: string): string => {
    if (!peepholes) return value;
    const seen = body.node('Mul', name(`${part}.peephole`), [peepholes[part], c]);
    return body.node('Sigmoid', name(`${part}.open`), [body.node('Add', name(`${part}.sum`), [value, seen])]);
  };
  const f = gate('f', first);
  const i = gate('i', second);
  const next = body.node('Add', name('next'), [body.node('Mul', name('kept'), [f, c]), body.node('Mul', name('added'), [i, candidate])]);
  body.output(next, 'float32', shape);
  body.output(body.node('Identity', name('seen'), [next]), 'float32', shape);
  if (peepholes) for (const value of [f, i]) body.output(value, 'float32', shape);
  return body.build();
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
