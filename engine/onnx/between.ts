import type { GraphBuilder } from './graph';
import { addLayerOutput, type RecurrentLayer } from './layer';
import type { ExportModel, NamedTensor } from './weights';

/** From this operator set on ONNX has LayerNormalization, whose usual axis and epsilon (the last, 1e-5) are the engine's. */
const layerNormalizationSince = 17;
const epsilon = 1e-5;

/** What is read of a layer: `[time, batch, directions × hiddenSize]`, `x + norm(h)`; dropout leaves no trace. */
export function addOutput(g: GraphBuilder, model: ExportModel, layer: RecurrentLayer, opset: number): string {
  const { layerNorm, residual } = model.spec.layers[layer.index]!;
  const prefix = `layer.${layer.index}`;
  let value = addLayerOutput(g, layer);
  if (layerNorm) {
    const [gain, bias] = ['weight', 'bias'].map((part) => constantOf(g, model, `norm.${layer.index}.${part}`)) as [string, string];
    value = opset >= layerNormalizationSince ? g.node('LayerNormalization', `${prefix}.norm`, [value, gain, bias]) : addNorm(g, `${prefix}.norm`, value, gain, bias);
  }
  return residual ? g.node('Add', `${prefix}.residual`, [layer.input, value]) : value;
}

/** True where `addOutput` is more than the hidden states, so that the final states are not what the head reads. */
export function hasBetween(model: ExportModel, index: number): boolean {
  const { layerNorm, residual } = model.spec.layers[index]!;
  return Boolean(layerNorm) || Boolean(residual);
}

/** The last output of every sequence, `[batch, directions × hiddenSize]`: the reverse half is that of the first step. */
export function addLastOutput(g: GraphBuilder, layer: RecurrentLayer, output: string): string {
  const last = g.node('Gather', 'hidden.last', [output, g.index(-1)], { axis: 0 });
  if (layer.directions === 1) return last;
  const first = g.node('Gather', 'hidden.first', [output, g.index(0)], { axis: 0 });
  const half = (name: string, value: string, from: number): string => g.node('Slice', name, [value, g.integers(from), g.integers(from + layer.outputSize), g.integers(1)]);
  return g.node('Concat', 'hidden', [half('hidden.forward', last, 0), half('hidden.reverse', first, layer.outputSize)], { axis: 1 });
}

/** The same as LayerNormalization, from older operators. */
function addNorm(g: GraphBuilder, name: string, value: string, gain: string, bias: string): string {
  const mean = g.node('ReduceMean', `${name}.mean`, [value], { axes: [-1] });
  const centred = g.node('Sub', `${name}.centred`, [value, mean]);
  const variance = g.node('ReduceMean', `${name}.variance`, [g.node('Mul', `${name}.squared`, [centred, centred])], { axes: [-1] });
  const safe = g.node('Add', `${name}.safe`, [variance, g.constant(`${name}.epsilon`, [], Float32Array.of(epsilon))]);
  const normed = g.node('Div', `${name}.normed`, [centred, g.node('Sqrt', `${name}.deviation`, [safe])]);
  return g.node('Add', name, [g.node('Mul', `${name}.scaled`, [normed, gain]), bias]);
}

function constantOf(g: GraphBuilder, model: ExportModel, name: string): string {
  const { shape, data } = tensorOf(model, name);
  return g.constant(name, shape, data);
}

function tensorOf(model: ExportModel, name: string): NamedTensor {
  const found = model.tensors[name];
  if (!found) throw new RangeError(`the weights have no ${name}`);
  return found;
}
