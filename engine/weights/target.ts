import type { EngineBinding, ModelSpec } from '../binding/types';
import { cellForm, type CellForm } from '../contracts';
import { foreignCell, type ForeignCell } from './foreign';

export interface TensorShape {
  name: string;
  shape: number[];
}

export interface TargetLayer {
  index: number;
  cell: CellForm;
  foreign: ForeignCell | null;
  hiddenSize: number;
  inputSize: number;
  /** Width of h. */
  outputSize: number;
  bidirectional: boolean;
  /** Its input is added to its output. */
  residual: boolean;
  /** Its normalisation: tensors `norm.<index>.weight` and `.bias`. */
  norm: { gain: TensorShape; bias: TensorShape } | null;
  /** Its states in use are a mixture of old and new. */
  hasZoneout: boolean;
}

/** A model of ours as weights see it: what its tensors are called and which of them belong together. */
export interface TargetModel {
  spec: ModelSpec;
  tensors: TensorShape[];
  embedding: TensorShape | null;
  layers: TargetLayer[];
  head: { weight: TensorShape; bias: TensorShape | null };
  /** Whether the head's matrix is the embedding's and has no tensor of its own. */
  isTied: boolean;
  /** Of attention over the last layer's states, which no other framework computes alike. */
  attention: TensorShape[];
  /** Trained initial states, which no other framework's layer has. */
  initial: TensorShape[];
}

export function layerTensor(stem: string, layer: number, reverse: boolean): string {
  return `recurrent.${stem}_l${layer}${reverse ? '_reverse' : ''}`;
}

/** Names of a layer's own tensors in one direction, by their part; of a cell that other frameworks have, which all have a recurrent product. */
export function cellTensors({ cell }: Pick<TargetLayer, 'cell'>): { input: string; recurrent: string; bias: string; recurrentBias: string | null; projection: string } {
  return { ...cell.names, recurrent: cell.names.recurrent!, projection: 'weight_hr' };
}

export function targetModel(spec: ModelSpec, engine: Pick<EngineBinding, 'cells' | 'describe'>): TargetModel {
  const { tensors } = engine.describe(spec);
  const cells = engine.cells();
  const named = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const layers = spec.layers.map((layer, index): TargetLayer => {
    const { hiddenSize, bidirectional, residual = false, zoneoutHidden = 0, zoneoutCell = 0 } = layer;
    const cell = cellForm(cells, layer)!;
    const [gain, normBias] = [named.get(`norm.${index}.weight`), named.get(`norm.${index}.bias`)];
    const input = named.get(layerTensor(cell.names.input, index, false));
    const recurrent = cell.names.recurrent === null ? undefined : named.get(layerTensor(cell.names.recurrent, index, false));
    return { index, cell, foreign: foreignCell(cell), hiddenSize, inputSize: input?.shape[1] ?? 0, outputSize: recurrent?.shape[1] ?? hiddenSize, bidirectional, residual, norm: gain && normBias ? { gain, bias: normBias } : null, hasZoneout: zoneoutHidden > 0 || zoneoutCell > 0 };
  });
  const embedding = named.get('embedding.weight') ?? null;
  const isTied = !named.has('head.weight');
  const weight = named.get('head.weight') ?? { name: 'head.weight', shape: embedding?.shape ?? [] };
  return { spec, tensors, embedding, layers, head: { weight, bias: named.get('head.bias') ?? null }, isTied, attention: tensors.filter(({ name }) => name.startsWith('attention.')), initial: tensors.filter(({ name }) => name.startsWith('initial.')) };
}

/** A layer in signs that need no translation: `lstm [65 → 128]`, in both directions `lstm [65 → 2 × 128]`, projected `[65 → 128 → 64]`. */
export function layerText({ cell, hiddenSize, inputSize, outputSize, bidirectional }: Pick<TargetLayer, 'hiddenSize' | 'inputSize' | 'outputSize' | 'bidirectional'> & { cell: { name: string } }): string {
  const twice = bidirectional ? '2 × ' : '';
  return `${cell.name} [${inputSize} → ${outputSize === hiddenSize ? '' : `${hiddenSize} → `}${twice}${outputSize}]`;
}
