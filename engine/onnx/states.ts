import { outputSize, type CellForm } from '../contracts';
import type { StatePairs } from '../inference';
import type { GraphBuilder } from './graph';
import { signalSize, type RecurrentLayer } from './layer';
import { namesRead } from './step';
import type { ExportModel } from './weights';

/** What goes from step to step and from call to call: the layers' states, where sequences begin, and the number of the time step. */

export interface StatePair {
  state: string;
  layer: number;
  /** What a stateful file takes, and what it gives for the next call: `[directions, batch, width]`. */
  input: string;
  output: string;
  /** The engine's name of the forward half. */
  engine: string;
  /** Where sequences begin, `[directions × width]`; null = at zero. */
  start: Float32Array | null;
}

/** The layers' states in the order of the file's inputs. */
export function statePairs(model: ExportModel): StatePair[] {
  return model.spec.layers.flatMap((_, layer) =>
    model.cells[layer]!.states.map((state) => ({
      state,
      layer,
      input: `${state}0_l${layer}`,
      output: `${state}n_l${layer}`,
      engine: `${state}_l${layer}`,
      start: learnedStart(model, layer, state),
    })),
  );
}

/** Time steps that each sequence has been through before the call and after it, int64 `[batch]`: for cells that count them. */
export const clock = { input: 'clock0', output: 'clockn' } as const;

/** True for a cell whose step looks at the number of the time step. */
export function countsSteps({ step }: Pick<CellForm, 'step'>): boolean {
  return namesRead(step).includes('t');
}

/** What a file says of its states, and what runs it with them: input, output, and the learned start where there is one. */
export function pairsOf(model: ExportModel): StatePairs {
  const states: StatePairs = statePairs(model).map(({ input, output, start }) => (start ? [input, output, Array.from(start)] : [input, output]));
  return model.cells.some(countsSteps) ? [...states, [clock.input, clock.output]] : states;
}

/** A learned initial state, `[directions × width]`, forward before reverse; null where sequences begin at zero. */
function learnedStart(model: ExportModel, layer: number, state: string): Float32Array | null {
  if (model.spec.options?.initialState !== 'learned') return null;
  const suffixes = model.spec.layers[layer]!.bidirectional ? ['', '_reverse'] : [''];
  return Float32Array.from(
    suffixes.flatMap((suffix) => {
      const name = `initial.${state}_l${layer}${suffix}`;
      const tensor = model.tensors[name];
      if (!tensor) throw new RangeError(`the weights have no ${name}`);
      return Array.from(tensor.data);
    }),
  );
}

/** A layer's states before the first step, `[directions, batch, width]` by name: inputs of the file, or what was learned; null = zero. `input` is `[time, batch, …]`. */
export function addInitialStates(g: GraphBuilder, model: ExportModel, index: number, stateful: boolean, input: string): Record<string, string> | null {
  const spec = model.spec.layers[index]!;
  const cell = model.cells[index]!;
  const directions = spec.bidirectional ? 2 : 1;
  const sizes = { hiddenSize: spec.hiddenSize, outputSize: outputSize(spec, cell) };
  if (stateful) return Object.fromEntries(cell.states.map((state) => [state, g.input(`${state}0_l${index}`, 'float32', [directions, 'batch', signalSize(sizes, state)])]));
  if (model.spec.options?.initialState !== 'learned') return null;
  return Object.fromEntries(cell.states.map((state) => [state, addLearnedStart(g, `layer.${index}.${state}0`, learnedStart(model, index, state)!, directions, input)]));
}

/** The same learned start for every sequence of the batch. */
function addLearnedStart(g: GraphBuilder, name: string, start: Float32Array, directions: number, input: string): string {
  const width = start.length / directions;
  const size = g.node('Concat', `${name}.size`, [g.integers(directions), addBatchSize(g, name, input), g.integers(width)], { axis: 0 });
  return g.node('Expand', name, [g.constant(`${name}.learned`, [directions, 1, width], start), size]);
}

/** One direction's state before its first step, `[batch, width]`: out of what is given for all directions, or zeros for the batch of `input` `[time, batch, …]`. */
export function addStart(g: GraphBuilder, name: string, given: string | undefined, direction: number, input: string, width: number): string {
  if (given !== undefined) return g.node('Gather', name, [given, g.index(direction)], { axis: 0 });
  return g.node('ConstantOfShape', name, [g.node('Concat', `${name}.size`, [addBatchSize(g, name, input), g.integers(width)], { axis: 0 })]);
}

/** Number of sequences in `[time, batch, …]`, as a list of one. */
function addBatchSize(g: GraphBuilder, name: string, input: string): string {
  return g.node('Slice', `${name}.batch`, [g.node('Shape', `${name}.shape`, [input]), g.integers(1), g.integers(2)]);
}

/** The file's final states as outputs for the next call. */
export function addFinalStates(g: GraphBuilder, model: ExportModel, layers: readonly RecurrentLayer[]): void {
  for (const { output, state, layer: index } of statePairs(model)) {
    const layer = layers[index]!;
    g.node('Identity', output, [layer.final[state]!]);
    g.output(output, 'float32', [layer.directions, 'batch', signalSize(layer, state)]);
  }
}

/**
 * The number of each time step of `input` `[time, batch, …]`, int64 `[time, batch, 1]`: from 0 on (`[time, 1, 1]`), or, in a
 * stateful file, from where each sequence's call before ended. Whole numbers count exactly however long it runs.
 */
export function addClock(g: GraphBuilder, stateful: boolean, input: string): string {
  const time = g.node('Gather', 'clock.time', [g.node('Shape', 'clock.shape', [input]), g.index(0)], { axis: 0 });
  const steps = g.node('Unsqueeze', 'clock.steps', [g.node('Range', 'clock.range', [g.index(0), time, g.index(1)]), g.integers(1, 2)]);
  if (!stateful) return steps;
  const before = g.input(clock.input, 'int64', ['batch']);
  g.node('Add', clock.output, [before, time]);
  g.output(clock.output, 'int64', ['batch']);
  return g.node('Add', 'clock', [steps, g.node('Unsqueeze', 'clock.before', [before, g.integers(0, 2)])]);
}
