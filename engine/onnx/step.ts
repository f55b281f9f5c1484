import type { CellForm, StepLine } from '../contracts';
import type { AttributeValue, GraphBuilder } from './graph';
import { dataTypes } from './proto';

/**
 * A cell's time step as its file in the engine states it (the names that a line may read: `cells/step.rs`), written as
 * nodes. Nothing here knows a cell.
 */

/** The lines that give `wanted`, in their order; a line that nobody reads is left out. */
export function linesFor(step: readonly StepLine[], wanted: readonly string[]): StepLine[] {
  const needed = new Set(wanted);
  const kept: StepLine[] = [];
  for (const line of [...step].reverse()) {
    if (!needed.has(line.output)) continue;
    kept.unshift(line);
    for (const input of line.inputs) needed.add(input.split('.')[0]!).add(input);
  }
  return kept;
}

/** What lines read and do not make themselves: parts of sums, states, weights. Numbers are left out. */
export function namesRead(lines: readonly StepLine[]): string[] {
  const made = new Set(lines.map(({ output }) => output));
  const read = lines.flatMap(({ inputs }) => inputs).filter((name) => !isNumber(name) && !made.has(name) && !made.has(name.split('.')[0]!));
  return [...new Set(read)];
}

function isNumber(name: string): boolean {
  return name !== '' && Number.isFinite(Number(name));
}

/** The gates that a value has side by side: a recurrent product leaves out those that only the input feeds. */
export function gatesOf(cell: Pick<CellForm, 'gateOrder' | 'inputOnly' | 'names'>, name: string): string[] {
  const recurrent = ['u', 'Uh', cell.names.recurrent, cell.names.recurrentBias].includes(name);
  return recurrent ? cell.gateOrder.filter((gate) => !cell.inputOnly.includes(gate)) : cell.gateOrder;
}

export interface StepPlace {
  /** Where the nodes go. */
  nodes: GraphBuilder;
  /** Where constants go: a loop's body reads those of the graph around it. */
  constants: GraphBuilder;
  /** Names of the nodes begin with it. */
  prefix: string;
  /** Values that are at hand by the names that lines use, `get` finds others; null for an unknown one. */
  given(name: string, get: (name: string) => string): string | null;
}

/** Writes `lines` and returns where each name that was met stands in the graph. */
export function addLines(place: StepPlace, cell: CellForm, hiddenSize: number, lines: readonly StepLine[]): (name: string) => string {
  const { nodes, constants, prefix } = place;
  const values = new Map<string, string>();
  const split = (name: string): string | null => {
    const [whole, gate] = name.split('.') as [string, string | undefined];
    const from = gate === undefined ? null : find(whole);
    if (from === null) return null;
    const gates = gatesOf(cell, whole);
    nodes.node('Split', `${prefix}${whole}.gates`, [from, constants.integers(...gates.map(() => hiddenSize))], { axis: -1 }, gates.map((one) => `${prefix}${whole}.${one}`));
    for (const one of gates) values.set(`${whole}.${one}`, `${prefix}${whole}.${one}`);
    return values.get(name) ?? null;
  };
  const find = (name: string): string | null => {
    const known = values.get(name) ?? (isNumber(name) ? constants.number(Number(name)) : (place.given(name, get) ?? split(name)));
    if (known !== null) values.set(name, known);
    return known;
  };
  const get = (name: string): string => {
    const found = find(name);
    if (found === null) throw new RangeError(`the step of ${cell.name} reads ${name}, which nothing gives`);
    return found;
  };
  for (const { output, operator, inputs } of lines) {
    const { attributes, further } = settings(operator, nodes.opset, constants);
    values.set(output, nodes.node(operator, `${prefix}${output}`, [...inputs.map(get), ...further], attributes));
  }
  return get;
}

/** What an operator needs besides its inputs, as the step means it. */
function settings(operator: string, opset: number, constants: GraphBuilder): { attributes: Record<string, AttributeValue>; further: string[] } {
  if (operator === 'Cast') return { attributes: { to: dataTypes.bool }, further: [] };
  // The axes moved from an attribute to an input with operator set 18.
  if (operator === 'ReduceMean') return opset < 18 ? { attributes: { axes: [-1] }, further: [] } : { attributes: {}, further: [constants.integers(-1)] };
  return { attributes: {}, further: [] };
}
