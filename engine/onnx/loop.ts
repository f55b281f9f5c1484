import { GraphBuilder, type Shape } from './graph';
import type { DataType } from './proto';

/** A loop over time steps: what it carries, what enters and leaves it step by step. Shapes are those at one step. */
export interface Loop {
  /** Names of its nodes begin with it: `l0`, `l0_reverse`. */
  prefix: string;
  /** 1 = from the last step to the first; what leaves stands in the order of the steps all the same. */
  direction: number;
  /** `start` is the value before the first step. */
  states: { name: string; shape: Shape; start: string }[];
  /** `value` has the time as its first axis. */
  sequences: { name: string; shape: Shape; type: DataType; value: string }[];
  outputs: { name: string; shape: Shape }[];
  /**
   * Writes one step into `body`. `entering` has the values of the step by name, states as `h_before`; the answer finds
   * each state after the step and each output. The body reads constants of the graph around it.
   */
  step(body: GraphBuilder, entering: ReadonlyMap<string, string>): (name: string) => string;
}

/** Adds the loop as a `Scan`: the states after the last step, and the outputs over time, `[time, …]`, by name. */
export function addLoop(g: GraphBuilder, { prefix, direction, states, sequences, outputs, step }: Loop): { last: Record<string, string>; sequences: Record<string, string> } {
  const name = (part: string): string => `${prefix}/${part}`;
  const inside = (part: string): string => name(`step.${part}`);
  const body = new GraphBuilder(name('step'), g.opset);
  const entering = new Map<string, string>();
  for (const state of states) entering.set(`${state.name}_before`, body.input(inside(`${state.name}_before`), 'float32', state.shape));
  for (const sequence of sequences) entering.set(sequence.name, body.input(inside(`${sequence.name}_t`), sequence.type, sequence.shape));
  const find = step(body, entering);
  const leave = (suffix: string, { name: part, shape }: { name: string; shape: Shape }): void => body.output(body.node('Identity', inside(`${part}_${suffix}`), [find(part)]), 'float32', shape);
  for (const state of states) leave('after', state);
  for (const output of outputs) leave('out', output);
  g.node(
    'Scan',
    name('scan'),
    [...states.map(({ start }) => start), ...sequences.map(({ value }) => value)],
    { num_scan_inputs: sequences.length, body: body.build(), scan_input_directions: sequences.map(() => direction), scan_output_directions: outputs.map(() => direction) },
    [...states.map((state) => name(`${state.name}.last`)), ...outputs.map((output) => name(`${output.name}.sequence`))],
  );
  return {
    last: Object.fromEntries(states.map((state) => [state.name, name(`${state.name}.last`)])),
    sequences: Object.fromEntries(outputs.map((output) => [output.name, name(`${output.name}.sequence`)])),
  };
}
