import type { GraphBuilder } from './graph';
import type { LayerCell } from './gate-order';
import type { ExportModel, NamedTensor } from './weights';

/** What a layer is added to the graph from. */
export interface LayerRequest {
  model: ExportModel;
  index: number;
  /** Value `[time, batch, inputSize]` that enters. */
  input: string;
  /** Values `[directions, batch, width]` by state, all of them or null = zero. */
  initial: Record<string, string> | null;
  /** Value `[time, batch, 1]` or `[time, 1, 1]`, int64: the number of each time step. null where no cell asks for it. */
  clock: string | null;
  /** Gates and states that will be asked of the layer. */
  wanted: readonly string[];
  /** The layer below. */
  lower: RecurrentLayer | null;
}

/** A layer in the graph, whatever computes it. Values by state or signal are of one direction where a list stands. */
export interface RecurrentLayer extends Pick<LayerRequest, 'index' | 'input' | 'initial'> {
  cell: LayerCell;
  hiddenSize: number;
  /** Size of h, and of the layer's output in each direction: the hidden size, except behind a projection. */
  outputSize: number;
  directions: 1 | 2;
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

/** The layer's output as the next layer takes it: `[time, batch, directions × outputSize]`, forward half first. */
export function addLayerOutput(g: GraphBuilder, layer: RecurrentLayer): string {
  const prefix = `layer.${layer.index}`;
  if (layer.directions === 1) return g.node('Squeeze', `${prefix}.output`, [layer.sequence, g.integers(1)]);
  const together = g.node('Transpose', `${prefix}.directions`, [layer.sequence], { perm: [0, 2, 1, 3] });
  return g.node('Reshape', `${prefix}.output`, [together, g.integers(0, 0, -1)]);
}

/** Adds the layer's gates and states as graph outputs `l0.i`, `l0_reverse.h` … `[batch, time, width]`, after activation. */
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
