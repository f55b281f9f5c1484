import type { EngineBinding, ModelSpec } from '../binding/types';
import type { CellInfo } from '../contracts';
import { foreignCell, type ForeignCell } from './foreign';

export interface TensorShape {
  name: string;
  shape: number[];
}

export interface TargetLayer {
  index: number;
  cell: CellInfo;
  foreign: ForeignCell | null;
  hiddenSize: number;
  inputSize: number;
  /** Width of h. */
  outputSize: number;
  bidirectional: boolean;
}

/** A model of ours as weights see it: what its tensors are called and which of them belong together. */
export interface TargetModel {
  spec: ModelSpec;
  tensors: TensorShape[];
  embedding: TensorShape | null;
  layers: TargetLayer[];
  head: { weight: TensorShape; bias: TensorShape | null } | null;
  /** Tensors of neither: normalisations and whatever else a model may have. */
  others: TensorShape[];
}

export function layerTensor(stem: string, layer: number, reverse: boolean): string {
  return `recurrent.${stem}_l${layer}${reverse ? '_reverse' : ''}`;
}

/** Names of a layer's own tensors in one direction, by their part. */
export function cellTensors({ cell }: Pick<TargetLayer, 'cell'>): { input: string; recurrent: string; bias: string; recurrentBias: string | null; projection: string } {
  return { ...cell.names, projection: 'weight_hr' };
}

export function targetModel(spec: ModelSpec, engine: Pick<EngineBinding, 'cells' | 'describe'>): TargetModel {
  const { tensors } = engine.describe(spec);
  const cells = engine.cells();
  const named = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const layers = spec.layers.map(({ cell: name, hiddenSize, bidirectional }, index): TargetLayer => {
    const cell = cells.find((each) => each.name === name)!;
    const input = named.get(layerTensor(cell.names.input, index, false));
    const recurrent = named.get(layerTensor(cell.names.recurrent, index, false));
    return { index, cell, foreign: foreignCell(cell), hiddenSize, inputSize: input?.shape[1] ?? 0, outputSize: recurrent?.shape[1] ?? hiddenSize, bidirectional };
  });
  const known = new Set(['embedding.weight', 'head.weight', 'head.bias']);
  for (const { index, cell, bidirectional } of layers) {
    const { input, recurrent, bias, recurrentBias, projection } = cellTensors({ cell });
    for (const stem of [input, recurrent, bias, projection, ...(recurrentBias === null ? [] : [recurrentBias]), ...cell.vectors]) for (const reverse of bidirectional ? [false, true] : [false]) known.add(layerTensor(stem, index, reverse));
  }
  const weight = named.get('head.weight');
  return {
    spec,
    tensors,
    embedding: named.get('embedding.weight') ?? null,
    layers,
    head: weight ? { weight, bias: named.get('head.bias') ?? null } : null,
    others: tensors.filter(({ name }) => !known.has(name)),
  };
}

/** A layer in signs that need no translation: `lstm [65 → 128]`, in both directions `lstm [65 → 2 × 128]`, projected `[65 → 128 → 64]`. */
export function layerText({ cell, hiddenSize, inputSize, outputSize, bidirectional }: Pick<TargetLayer, 'hiddenSize' | 'inputSize' | 'outputSize' | 'bidirectional'> & { cell: { name: string } }): string {
  const twice = bidirectional ? '2 × ' : '';
  return `${cell.name} [${inputSize} → ${outputSize === hiddenSize ? '' : `${hiddenSize} → `}${twice}${outputSize}]`;
}
