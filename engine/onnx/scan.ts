import { outputSize, usualOption, type CellForm } from '../contracts';
import { GraphBuilder } from './graph';
import { addInitialState, directionName, layerTensor, layerTensorOrNull, signalSize, type RecurrentLayer } from './layer';
import { addLines, linesFor, namesRead } from './step';
import { transposed, type ExportModel } from './weights';

/** Suffix of the layer below's states in a step. */
const below = '_below';

/** States of the layer below that a cell reads: `c` of `c_below`. */
export function readsBelow({ step }: Pick<CellForm, 'step'>): string[] {
  return namesRead(step).filter((name) => name.endsWith(below)).map((name) => name.slice(0, -below.length));
}

/**
 * Adds one layer as a `Scan` over its time step, a direction at a time: for cells that no operator of ONNX holds. The
 * product of the input over all steps stands before the loop. `wanted` names the gates and states that leave it.
 */
export function addScanLayer(g: GraphBuilder, model: ExportModel, index: number, input: string, initial: RecurrentLayer['initial'], wanted: readonly string[], lower: RecurrentLayer | null): RecurrentLayer {
  const { hiddenSize, bidirectional } = model.spec.layers[index]!;
  const cell = model.cells[index]!;
  const directions = bidirectional ? 2 : 1;
  const outputs = [...new Set(['h', ...wanted])];
  const halves = [...Array(directions).keys()].map((direction) => addDirection(g, model, index, direction, input, initial, outputs, lower));
  const together = (name: string, values: string[], axis: number): string => {
    const apart = values.map((value, direction) => g.node('Unsqueeze', `${name}.${direction}`, [value, g.integers(axis)]));
    return g.node('Concat', name, apart, { axis });
  };
  const prefix = `layer.${index}`;
  return {
    index,
    cell,
    hiddenSize,
    outputSize: outputSize(model.spec.layers[index]!, cell),
    directions,
    input,
    initial,
    sequence: together(`${prefix}.sequence`, halves.map(({ sequences }) => sequences['h']!), 1),
    final: Object.fromEntries(cell.states.map((state) => [state, together(`${prefix}.${state}_last`, halves.map(({ last }) => last[state]!), 0)])),
    signals: (direction) => halves[direction]!.sequences,
  };
}

function addDirection(g: GraphBuilder, model: ExportModel, index: number, direction: number, input: string, initial: RecurrentLayer['initial'], outputs: string[], lower: RecurrentLayer | null): { last: Record<string, string>; sequences: Record<string, string> } {
  const { hiddenSize, options } = model.spec.layers[index]!;
  const cell = model.cells[index]!;
  const sizes = { hiddenSize, outputSize: outputSize(model.spec.layers[index]!, cell) };
  const shape = (name: string): (string | number)[] => ['batch', signalSize(sizes, name)];
  const { names, states } = cell;
  const prefix = directionName(index, direction);
  const name = (part: string): string => `${prefix}/${part}`;
  const lines = linesFor(cell.step, [...states, ...outputs]);
  const read = namesRead(lines);

  /** The layer's tensors as constants: matrices turned for `MatMul`. */
  const constants = new Map<string, string>();
  const constant = (stem: string): string | null => {
    if (constants.has(stem)) return constants.get(stem)!;
    const tensor = layerTensorOrNull(model, index, stem, direction);
    if (!tensor) return null;
    const [rows, columns] = tensor.shape as [number, number | undefined];
    const value = columns === undefined ? g.constant(name(stem), tensor.shape, tensor.data) : g.constant(name(stem), [columns, rows], transposed(tensor.data, rows, columns));
    constants.set(stem, value);
    return value;
  };
  const perUnit = (option: string): string | null => {
    const known = cell.options.find((one) => one.name === option);
    const list = options?.[option] ?? (known && usualOption(known, hiddenSize));
    if (!Array.isArray(list)) return null;
    if (!constants.has(option)) constants.set(option, g.constant(name(option), [hiddenSize], Float32Array.from({ length: hiddenSize }, (_, unit) => list[Math.floor((unit * list.length) / hiddenSize)]!)));
    return constants.get(option)!;
  };

  // What comes in step by step.
  const sequences: [name: string, value: string, axes: (string | number)[]][] = [];
  const usesInput = (part: string): boolean => read.some((one) => one === part || one.startsWith(`${part}.`));
  if (usesInput('Wx') || usesInput('x') || usesInput('a')) {
    const product = g.node('MatMul', name('Wx'), [input, constant(names.input)!]);
    const rows = layerTensor(model, index, names.input, direction).shape[0]!;
    if (usesInput('Wx')) sequences.push(['Wx', product, ['batch', rows]]);
    if (usesInput('x') || usesInput('a')) sequences.push(['x', g.node('Add', name('x'), [product, constant(names.bias)!]), ['batch', rows]]);
  }
  if (read.includes('input')) sequences.push(['input', input, ['batch', layerTensor(model, index, names.input, direction).shape[1]!]]);
  if (read.includes('t')) {
    const time = g.node('Gather', name('time'), [g.node('Shape', name('shape'), [input]), g.index(0)], { axis: 0 });
    const range = g.node('Range', name('steps'), [g.index(0), time, g.index(1)]);
    sequences.push(['t', g.node('Cast', name('t'), [range], { to: 1 }), []]);
  }
  for (const state of readsBelow(cell)) {
    if (!lower) throw new RangeError(`${cell.name} reads the layer below, and there is none`);
    sequences.push([`${state}${below}`, lower.signals(Math.min(direction, lower.directions - 1), [state])[state]!, ['batch', signalSize(lower, state)]]);
  }

  const body = new GraphBuilder(name('step'), g.opset);
  const inside = (part: string): string => `${prefix}/step.${part}`;
  const before = new Map(states.map((state) => [`${state}_before`, body.input(inside(`${state}_before`), 'float32', shape(state))]));
  const entering = new Map(sequences.map(([part, , axes]) => [part, body.input(inside(`${part}_t`), 'float32', axes)]));
  const made = new Map<string, string>();
  const once = (part: string, make: () => string): string => {
    if (!made.has(part)) made.set(part, make());
    return made.get(part)!;
  };
  const given = (part: string, get: (part: string) => string): string | null => {
    const known = before.get(part) ?? entering.get(part);
    if (known !== undefined) return known;
    if (part === 'Uh') return once(part, () => body.node('MatMul', inside('Uh'), [before.get(`${cell.recurrentState}_before`)!, constant(names.recurrent!)!]));
    if (part === 'u') return once(part, () => (names.recurrentBias === null ? get('Uh') : body.node('Add', inside('u'), [get('Uh'), constant(names.recurrentBias)!])));
    if (part === 'a' && cell.inputOnly.length === 0) return once(part, () => body.node('Add', inside('a'), [get('x'), get('u')]));
    if (part.startsWith('a.') && cell.inputOnly.length > 0) {
      const gate = part.slice(2);
      if (cell.inputOnly.includes(gate)) return get(`x.${gate}`);
      return once(part, () => body.node('Add', inside(part), [get(`x.${gate}`), get(`u.${gate}`)]));
    }
    return constant(part) ?? perUnit(part);
  };
  const place = { nodes: body, constants: g, prefix: `${prefix}/step.`, given };
  const get = addLines(place, cell, hiddenSize, lines);
  for (const state of states) body.output(body.node('Identity', inside(`${state}_after`), [get(state)]), 'float32', shape(state));
  for (const output of outputs) body.output(body.node('Identity', inside(`${output}_out`), [get(output)]), 'float32', shape(output));

  const starts = states.map((state) => addInitialState(g, prefix, state, initial?.[state], direction, input, signalSize(sizes, state)));
  g.node(
    'Scan',
    name('scan'),
    [...starts, ...sequences.map(([, value]) => value)],
    { num_scan_inputs: sequences.length, body: body.build(), scan_input_directions: sequences.map(() => direction), scan_output_directions: outputs.map(() => direction) },
    [...states.map((state) => name(`${state}.last`)), ...outputs.map((output) => name(`${output}.sequence`))],
  );
  return {
    last: Object.fromEntries(states.map((state) => [state, name(`${state}.last`)])),
    sequences: Object.fromEntries(outputs.map((output) => [output, name(`${output}.sequence`)])),
  };
}
