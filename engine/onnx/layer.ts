import type { GraphBuilder } from './graph';
import type { LayerCell } from './gate-order';
import type { ExportModel, NamedTensor } from './weights';

/** A layer in the graph, whatever computes it. Values by state or signal are of one direction where a list stands. */
export interface RecurrentLayer {
  index: number;
  cell: LayerCell;
  hiddenSize: number;
  /** Size of h, and of the layer's output in each direction: the hidden size, except behind a projection. */
  outputSize: number;
  directions: 1 | 2;
  /** Value `[time, batch, inputSize]` that enters. */
  input: string;
  /** Values `[directions, batch, width]` by state, null = zero. */
  initial: Record<string, string> | null;
  /** Value `[time, directions, batch, width of h]`. */
  sequence: string;
  /** Values `[directions, batch, width]` by state. */
  final: Record<string, string>;
  /** Gates and states of one direction over time, `[time, batch, width]`, by name: those of `names`. */
  signals(direction: number, names: readonly string[]): Record<string, string>;
}

/** Width of a gate or state of a layer. */
export function signalSize({ hiddenSize, outputSize }: Pick<RecurrentLayer, 'hiddenSize' | 'outputSize'>, name: string): number {
  return name === 'h' ? outputSize : hiddenSize;
}

/** `l0`, `l0_reverse` */
export function directionName(layer: number, direction: number): string {
  return `l${layer}${direction === 1 ? '_reverse' : ''}`;
}

/** A tensor of a layer by its stem. */
export function layerTensor(model: ExportModel, layer: number, stem: string, direction: number): NamedTensor {
  const found = layerTensorOrNull(model, layer, stem, direction);
  if (!found) throw new RangeError(`the weights have no recurrent.${stem}_${directionName(layer, direction)}`);
  return found;
}

export function layerTensorOrNull(model: ExportModel, layer: number, stem: string, direction: number): NamedTensor | null {
  return model.tensors[`recurrent.${stem}_${directionName(layer, direction)}`] ?? null;
}

/** A state before the first step, `[batch, width]`: the given one, or zeros for the batch of `input` `[time, batch, …]`. */
export function addInitialState(g: GraphBuilder, prefix: string, state: string, given: string | undefined, direction: number, input: string, width: number): string {
  const name = (part: string): string => `${prefix}/${part}`;
  if (given !== undefined) return g.node('Gather', name(`${state}0`), [given, g.index(direction)], { axis: 0 });
  const shape = g.node('Shape', name(`${state}0.shape`), [input]);
  const batch = g.node('Slice', name(`${state}0.batch`), [shape, g.integers(1), g.integers(2)]);
  const size = g.node('Concat', name(`${state}0.size`), [batch, g.integers(width)], { axis: 0 });
  return g.node('ConstantOfShape', name(`${state}0`), [size]);
}
