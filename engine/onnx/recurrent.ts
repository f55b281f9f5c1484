import { GraphBuilder } from './graph';
import { onnxGateOrder, reorderGates, type RecurrentOperator } from './gate-order';
import type { GraphProto } from './proto';
import type { ExportModel, NamedTensor } from './weights';

/** Gates and states of each operator in the order of a trace. */
export const traceSignals = {
  RNN: ['h'],
  LSTM: ['i', 'f', 'g', 'o', 'c', 'h'],
  GRU: ['r', 'z', 'n', 'h'],
} as const satisfies Record<RecurrentOperator, readonly string[]>;

/** States an operator carries from step to step. */
export function statesOf(operator: RecurrentOperator): ('h' | 'c')[] {
  return operator === 'LSTM' ? ['h', 'c'] : ['h'];
}

/**
 * What the exporter says of an operator beside its size. A GRU here resets after the product
 * (PyTorch, cuDNN); the operator's default is the other form.
 */
const operatorAttributes: Record<RecurrentOperator, Record<string, number>> = {
  RNN: {},
  LSTM: {},
  GRU: { linear_before_reset: 1 },
};

export interface RecurrentLayer {
  index: number;
  operator: RecurrentOperator;
  hiddenSize: number;
  directions: 1 | 2;
  /** Value `[time, batch, inputSize]` that enters. */
  input: string;
  /** Values `[directions, batch, hiddenSize]` by state, null = zero. */
  initial: { h: string; c: string | null } | null;
  /** Names of W, R and B in the graph. */
  weights: { w: string; r: string; b: string };
  /** Value `[time, directions, batch, hiddenSize]`. */
  sequence: string;
  /** Values `[directions, batch, hiddenSize]`. */
  final: { h: string; c: string | null };
}

/**
 * Adds one layer as an ONNX operator. `layout` stays 0 (time first): ONNX Runtime refuses 1.
 * `initial` gives both states of an LSTM or none.
 */
export function addLayer(g: GraphBuilder, model: ExportModel, index: number, input: string, initial: RecurrentLayer['initial']): RecurrentLayer {
  const { hiddenSize, bidirectional } = model.spec.layers[index]!;
  const { operator, gateOrder } = model.cells[index]!;
  const directions = bidirectional ? 2 : 1;
  const prefix = `layer.${index}`;
  const suffixes = bidirectional ? ['', '_reverse'] : [''];
  const tensor = (name: string, suffix: string): NamedTensor => {
    const found = model.tensors[`recurrent.${name}_l${index}${suffix}`];
    if (!found) throw new RangeError(`the weights have no recurrent.${name}_l${index}${suffix}`);
    return found;
  };
  const stacked = (name: string): Float32Array =>
    concatenate(suffixes.map((suffix) => reorderGates(tensor(name, suffix).data, gateOrder, onnxGateOrder[operator], hiddenSize)));
  const biases = suffixes.flatMap((suffix) =>
    ['bias_ih', 'bias_hh'].map((name) => reorderGates(tensor(name, suffix).data, gateOrder, onnxGateOrder[operator], hiddenSize)),
  );
  const rows = onnxGateOrder[operator].length * hiddenSize;
  const inputSize = tensor('weight_ih', '').shape[1]!;
  const weights = {
    w: g.constant(`${prefix}.W`, [directions, rows, inputSize], stacked('weight_ih')),
    r: g.constant(`${prefix}.R`, [directions, rows, hiddenSize], stacked('weight_hh')),
    b: g.constant(`${prefix}.B`, [directions, 2 * rows], concatenate(biases)),
  };
  const hasCell = operator === 'LSTM';
  const final = { h: `${prefix}.h_last`, c: hasCell ? `${prefix}.c_last` : null };
  const sequence = g.node(
    operator,
    prefix,
    // The empty name is sequence_lens: every sequence of a batch is as long as the batch.
    [input, weights.w, weights.r, weights.b, ...(initial ? ['', initial.h, ...(initial.c === null ? [] : [initial.c])] : [])],
    { hidden_size: hiddenSize, direction: bidirectional ? 'bidirectional' : 'forward', ...operatorAttributes[operator] },
    [`${prefix}.sequence`, final.h, ...(final.c === null ? [] : [final.c])],
  );
  return { index, operator, hiddenSize, directions, input, initial, weights, sequence, final };
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
 * its hidden states moved by one step; only c needs a loop of its own, a Scan over f, i and g.
 */
export function addGateOutputs(g: GraphBuilder, layer: RecurrentLayer): void {
  for (let direction = 0; direction < layer.directions; direction++) {
    const trace = `l${layer.index}${direction === 1 ? '_reverse' : ''}`;
    const signals = gatesOf(g, layer, direction, trace);
    for (const signal of traceSignals[layer.operator]) {
      g.node('Transpose', `${trace}.${signal}`, [signals[signal]!], { perm: [1, 0, 2] });
      g.output(`${trace}.${signal}`, 'float32', ['batch', 'time', layer.hiddenSize]);
    }
  }
}

/** Gates and states of one direction, `[time, batch, hiddenSize]` in time order, by name. */
function gatesOf(g: GraphBuilder, layer: RecurrentLayer, direction: number, trace: string): Record<string, string> {
  const { operator, hiddenSize } = layer;
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
  const [i, f, o] = [open('i'), open('f'), open('o')];
  const candidate = g.node('Tanh', name('g'), [both('g')]);
  g.node(
    'Scan',
    name('c.scan'),
    [initial('c'), f, i, candidate],
    { num_scan_inputs: 3, body: cellStateStep(trace, hiddenSize), scan_input_directions: [direction, direction, direction], scan_output_directions: [direction] },
    [name('c.last'), name('c')],
  );
  return { i, f, g: candidate, o, c: name('c'), h };
}

/** One step of `c_t = f * c + i * g`, `[batch, hiddenSize]`, as the body of a Scan. */
function cellStateStep(trace: string, hiddenSize: number): GraphProto {
  const body = new GraphBuilder(`${trace}/c.step`);
  const shape = ['batch', hiddenSize];
  const [c, f, i, candidate] = ['c', 'f', 'i', 'g'].map((part) => body.input(`${trace}/step.${part}`, 'float32', shape)) as [string, string, string, string];
  const kept = body.node('Mul', `${trace}/step.kept`, [f, c]);
  const added = body.node('Mul', `${trace}/step.added`, [i, candidate]);
  const next = body.node('Add', `${trace}/step.next`, [kept, added]);
  body.output(next, 'float32', shape);
  body.output(body.node('Identity', `${trace}/step.seen`, [next]), 'float32', shape);
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
