import { outputSize, usualOption, type CellForm } from '../contracts';
import type { GraphBuilder, Shape } from './graph';
import { directionName, layerTensor, layerTensorOrNull, signalSize, type LayerRequest, type RecurrentLayer } from './layer';
import { addLoop, type Loop } from './loop';
import { addStart } from './states';
import { addLines, linesFor, namesRead } from './step';
import { transposed, type ExportModel } from './weights';

/** Suffix of the layer below's states in a step. */
const below = '_below';

/** States of the layer below that a cell reads: `c` of `c_below`. */
export function readsBelow({ step }: Pick<CellForm, 'step'>): string[] {
  return namesRead(step).filter((name) => name.endsWith(below)).map((name) => name.slice(0, -below.length));
}

/**
 * Adds one layer as a `Scan` over its time step, a direction at a time: for cells that no operator of ONNX holds, and for
 * layers whose states are mixed by zoneout. The product of the input over all steps stands before the loop.
 */
export function addScanLayer(g: GraphBuilder, request: LayerRequest): RecurrentLayer {
  const { model, index, input, initial, wanted } = request;
  const spec = model.spec.layers[index]!;
  const cell = model.cells[index]!;
  const directions = spec.bidirectional ? 2 : 1;
  const outputs = [...new Set(['h', ...wanted])];
  const halves = [...Array(directions).keys()].map((direction) => addDirection(g, request, direction, outputs));
  const together = (name: string, values: string[], axis: number): string => {
    const apart = values.map((value, direction) => g.node('Unsqueeze', `${name}.${direction}`, [value, g.integers(axis)]));
    return g.node('Concat', name, apart, { axis });
  };
  const prefix = `layer.${index}`;
  return {
    index,
    cell,
    hiddenSize: spec.hiddenSize,
    outputSize: outputSize(spec, cell),
    directions,
    input,
    initial,
    sequence: together(`${prefix}.sequence`, halves.map(({ sequences }) => sequences['h']!), 1),
    final: Object.fromEntries(cell.states.map((state) => [state, together(`${prefix}.${state}_last`, halves.map(({ last }) => last[state]!), 0)])),
    signals: (direction) => halves[direction]!.sequences,
  };
}

function addDirection(g: GraphBuilder, request: LayerRequest, direction: number, outputs: string[]): { last: Record<string, string>; sequences: Record<string, string> } {
  const { model, index, input, initial } = request;
  const spec = model.spec.layers[index]!;
  const cell = model.cells[index]!;
  const sizes = { hiddenSize: spec.hiddenSize, outputSize: outputSize(spec, cell) };
  const prefix = directionName(index, direction);
  const lines = linesFor(cell.step, [...cell.states, ...outputs]);
  const constant = layerConstants(g, model, index, direction);
  const sized = (name: string): { name: string; shape: Shape } => ({ name, shape: ['batch', signalSize(sizes, name)] });
  return addLoop(g, {
    prefix,
    direction,
    states: cell.states.map((state) => ({ ...sized(state), start: addStart(g, `${prefix}/${state}0`, initial?.[state], direction, input, signalSize(sizes, state)) })),
    sequences: enteringSequences(g, request, direction, namesRead(lines), constant),
    outputs: outputs.map(sized),
    step(body, entering) {
      const inside = (part: string): string => `${prefix}/step.${part}`;
      const made = new Map<string, string>();
      const once = (part: string, make: () => string): string => {
        if (!made.has(part)) made.set(part, make());
        return made.get(part)!;
      };
      const { names, inputOnly, recurrentState } = cell;
      /** Sums and weights by the names that lines use (`cells/step.rs`). */
      const given = (part: string, get: (part: string) => string): string | null => {
        const known = entering.get(part);
        if (known !== undefined) return known;
        if (part === 'Uh') return once(part, () => body.node('MatMul', inside('Uh'), [entering.get(`${recurrentState}_before`)!, constant(names.recurrent!)!]));
        if (part === 'u') return once(part, () => (names.recurrentBias === null ? get('Uh') : body.node('Add', inside('u'), [get('Uh'), constant(names.recurrentBias)!])));
        if (part === 'a' && inputOnly.length === 0) return once(part, () => body.node('Add', inside('a'), [get('x'), get('u')]));
        if (part.startsWith('a.') && inputOnly.length > 0) {
          const gate = part.slice(2);
          if (inputOnly.includes(gate)) return get(`x.${gate}`);
          return once(part, () => body.node('Add', inside(part), [get(`x.${gate}`), get(`u.${gate}`)]));
        }
        return constant(part);
      };
      const get = addLines({ nodes: body, constants: g, prefix: inside(''), given }, cell, spec.hiddenSize, lines);
      const kept = keptShares(spec, cell);
      return (name) => {
        const share = kept.get(name);
        return share === undefined ? get(name) : once(`${name}.mixed`, () => addMixture(g, body, inside(name), share, entering.get(`${name}_before`)!, get(name)));
      };
    },
  });
}

/** The layer's tensors (matrices turned for `MatMul`) and its options' lists as constants by name, each written once; null for an unknown one. */
function layerConstants(g: GraphBuilder, model: ExportModel, index: number, direction: number): (name: string) => string | null {
  const { hiddenSize, options } = model.spec.layers[index]!;
  const written = new Map<string, string>();
  const write = (name: string): string | null => {
    const title = `${directionName(index, direction)}/${name}`;
    const tensor = layerTensorOrNull(model, index, name, direction);
    if (tensor) {
      const [rows, columns] = tensor.shape as [number, number | undefined];
      return columns === undefined ? g.constant(title, tensor.shape, tensor.data) : g.constant(title, [columns, rows], transposed(tensor.data, rows, columns));
    }
    const option = model.cells[index]!.options.find((one) => one.name === name);
    const list = options?.[name] ?? (option && usualOption(option, hiddenSize));
    if (!Array.isArray(list)) return null;
    const perUnit = BigInt64Array.from({ length: hiddenSize }, (_, unit) => BigInt(list[Math.floor((unit * list.length) / hiddenSize)]!));
    return g.constant(title, [hiddenSize], perUnit);
  };
  return (name) => {
    const known = written.get(name) ?? write(name);
    if (known !== null) written.set(name, known);
    return known;
  };
}

/** What the step reads of `read` that comes in from outside of the loop, step by step. */
function enteringSequences(g: GraphBuilder, { model, index, input, lower, clock }: LayerRequest, direction: number, read: readonly string[], constant: (name: string) => string | null): Loop['sequences'] {
  const cell = model.cells[index]!;
  const name = (part: string): string => `${directionName(index, direction)}/${part}`;
  const [rows, columns] = layerTensor(model, index, cell.names.input, direction).shape as [number, number];
  const found: Loop['sequences'] = [];
  const add = (part: string, width: number, value: string): void => void found.push({ name: part, shape: ['batch', width], type: 'float32', value });
  const reads = (part: string): boolean => read.some((one) => one === part || one.startsWith(`${part}.`));
  if (reads('Wx') || reads('x') || reads('a')) {
    const product = g.node('MatMul', name('Wx'), [input, constant(cell.names.input)!]);
    if (reads('Wx')) add('Wx', rows, product);
    if (reads('x') || reads('a')) add('x', rows, g.node('Add', name('x'), [product, constant(cell.names.bias)!]));
  }
  if (reads('input')) add('input', columns, input);
  // One number for all sequences, or one for each.
  if (reads('t')) found.push({ name: 't', shape: ['clocks', 1], type: 'int64', value: clock! });
  for (const state of readsBelow(cell)) {
    if (!lower) throw new RangeError(`${cell.name} reads the layer below, and there is none`);
    add(`${state}${below}`, signalSize(lower, state), lower.signals(Math.min(direction, lower.directions - 1), [state])[state]!);
  }
  return found;
}

/** Share of each state that zoneout keeps from the step before (Krueger et al. 2017): of h, and of the other states. */
export function keptShares({ zoneoutHidden = 0, zoneoutCell = 0 }: ExportModel['spec']['layers'][number], { states }: Pick<CellForm, 'states'>): Map<string, number> {
  const shares = states.map((state): [string, number] => [state, state === 'h' ? zoneoutHidden : zoneoutCell]);
  return new Map(shares.filter(([, share]) => share > 0));
}

/** `share` of the state before and the rest of the new one, which is what zoneout is in use. */
function addMixture(g: GraphBuilder, body: GraphBuilder, name: string, share: number, before: string, proposed: string): string {
  const kept = Math.fround(share);
  const old = body.node('Mul', `${name}.kept`, [g.number(kept), before]);
  return body.node('Add', `${name}.mixed`, [old, body.node('Mul', `${name}.changed`, [g.number(Math.fround(1 - kept)), proposed])]);
}
