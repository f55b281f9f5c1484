import type { CellOptions, LayerConfig } from './run-config';

/** What a cell says of itself; listed by the engine's registry, never enumerated elsewhere. The fields are those of its usual form. */
export interface CellInfo extends CellForm {
  /** Every form that its options give it, the usual one included; none without options. */
  variants: CellForm[];
}

/** A cell under one choice of its options. */
export interface CellForm {
  name: string;
  /** Rows of the trace in the order they are drawn, e.g. f i g o c h. */
  signals: { name: string; kind: 'openness' | 'signed' | 'unbounded' }[];
  /** Gates in the order of the stacked weight rows, e.g. i f g o. */
  gateOrder: string[];
  /** Those of them that the recurrent product leaves out; they come last. */
  inputOnly: string[];
  states: string[];
  /** The state that the recurrent product reads. */
  recurrentState: string;
  /** States that are never below 0, as a given initial state must not be either. */
  positiveStates: string[];
  /** Stems of its tensors' names in files; `recurrent` is null where no product runs from step to step, `recurrentBias` where one bias serves both products. */
  names: { input: string; recurrent: string | null; bias: string; recurrentBias: string | null };
  /** Weights of one number per unit (peepholes), by stem. */
  vectors: string[];
  /** What it computes, a line per signal: `signal`_t = `right` (`_{…}` is a subscript), and the key of what it means. */
  equations: { signal: string; right: string; meaning: string }[];
  /** Settings of the cell. */
  options: CellOption[];
  /** What the options with words are in this form. */
  choice: [option: string, value: string][];
  /** How an ONNX operator computes it; null = none does. */
  onnx: OnnxRecipe | null;
  /** One time step in ONNX's operators; what the lines may read stands in `cells/step.rs`. */
  step: StepLine[];
  /** What few cells have; absent from the others. */
  further?: CellFurther;
}

/** A size of a layer: of its input, its units, all gates of all units, or its h. */
export type Extent = 'input' | 'hidden' | 'gates' | 'output';

export interface CellFurther {
  /** Tensors besides the usual ones, by stem; without columns a vector. */
  tensors: { name: string; rows: Extent; columns: Extent | null }[];
  /** h has a size of its own, the layer's projection size. */
  projected: boolean;
  /** A cell that reads the cell state of the layer below: what the lowest layer is instead. Others null. */
  bottom: string | null;
}

/** The form of a layer's cell; in the lowest layer that of what the cell is without a layer below it. */
export function layerForm(cells: readonly CellInfo[], layer: Parameters<typeof cellForm>[1], index: number): CellForm | undefined {
  const bottom = index === 0 ? cells.find(({ name }) => name === layer.cell)?.further?.bottom : null;
  return cellForm(cells, bottom ? { cell: bottom } : layer);
}

/** Options around a cell that some cells cannot have, and why they cannot. */
export type RefusableOption = 'weightDrop' | 'zoneoutHidden' | 'zoneoutCell';
export type Refusal = 'SCAN_WEIGHT_DROP' | 'SCAN_ZONEOUT' | 'SCALED_ZONEOUT';

/**
 * Which of them a cell refuses. A cell without a product from step to step is
 * scanned: it has no weights to drop there, and no step at which to keep a state. States that are scaled by one
 * another, as those of sLSTM, cannot be kept one by one.
 */
export function refusedOptions(form: Pick<CellForm, 'names' | 'states'> | undefined): Partial<Record<RefusableOption, Refusal>> {
  if (!form) return {};
  if (form.states.length > 2) return { zoneoutHidden: 'SCALED_ZONEOUT', zoneoutCell: 'SCALED_ZONEOUT' };
  if (form.names.recurrent === null) return { weightDrop: 'SCAN_WEIGHT_DROP', zoneoutHidden: 'SCAN_ZONEOUT', zoneoutCell: 'SCAN_ZONEOUT' };
  return {};
}

/** Whether a cell has a gate that keeps the memory, whose bias can be set. The engine knows which; here its name is enough. */
export function keepsMemory({ gateOrder }: Pick<CellForm, 'gateOrder'>): boolean {
  return gateOrder.includes('f') || gateOrder.includes('z');
}

/** Size of a layer's h in each direction. */
export function outputSize({ hiddenSize, projectionSize }: { hiddenSize: number; projectionSize?: number | null | undefined }, cell: Pick<CellForm, 'further'> | undefined): number {
  return cell?.further?.projected ? (projectionSize ?? Math.ceil(hiddenSize / 2)) : hiddenSize;
}

/** A setting of a cell: one of some words, or a list of rising whole numbers, each for an equal share of the units. */
export interface CellOption {
  name: string;
  /** The words it may be, the usual one first; empty for a list. */
  values: string[];
  /** The usual list. */
  numbers: number[];
}

/** `output = operator(inputs)` */
export interface StepLine {
  output: string;
  operator: string;
  inputs: string[];
}

/** The value of an option that is not given; of a list as much as can share the units equally. */
export function usualOption({ values, numbers }: CellOption, hiddenSize: number): string | number[] {
  if (values.length > 0) return values[0]!;
  return numbers.slice(0, numbers.findLastIndex((_, last) => hiddenSize % (last + 1) === 0) + 1);
}

/** The form of a cell that a layer's options choose; undefined for an unknown cell. */
export function cellForm(cells: readonly CellInfo[], layer: Pick<LayerConfig, 'cell'> & { options?: CellOptions | undefined }): CellForm | undefined {
  const cell = cells.find(({ name }) => name === layer.cell);
  const chosen = (name: string): string | number[] | undefined => layer.options?.[name] ?? cell?.options.find((option) => option.name === name)?.values[0];
  return cell?.variants.find(({ choice }) => choice.every(([name, value]) => chosen(name) === value)) ?? cell;
}

/** What stands in the rows of one gate of an operator: a gate's own rows, the same negated (1 − gate), or a gate that is always 1. */
export type OnnxRows = { gate: string } | { inverse: string } | 'open';

export interface OnnxRecipe {
  operator: 'RNN' | 'LSTM' | 'GRU';
  /** One entry per gate of the operator, in its order. */
  rows: OnnxRows[];
  /** `activations` of one direction, empty where the operator's own are meant; `Affine` is meant as the identity. */
  activations: string[];
  attributes: [name: string, value: number][];
  /** `P`: vectors in the operator's order (i o f), empty without peepholes. */
  peepholes: string[];
}

/** One block of the stack as the Model screen draws it. */
export interface StackBlock {
  kind: 'embedding' | 'recurrent' | 'attention' | 'head';
  title: string;
  /** Shape of what enters, letters for free sizes: `['B','T',128]`. */
  inputShape: (string | number)[];
  outputShape: (string | number)[];
  parameters: number;
  weights: { name: string; shape: number[] }[];
}

export interface ModelDescription {
  blocks: StackBlock[];
  parameters: number;
  /** Weights, gradients, moments and activations while training. */
  trainingBytes: number;
  stepsPerEpoch: number;
  tokensPerStep: number;
  /** Problems at fields of the configuration, empty when it can be trained. */
  problems: { path: string; code: string; message: string; details: Record<string, string | number | null> }[];
  onnx: { layer: number; operator: string; cpu: boolean; cuda: boolean; reason: 'scan' | 'cpuOnly' | 'zoneout' | null }[];
}

/** One step of a learning-rate range test. */
export interface RatePoint {
  step: number;
  rate: number;
  loss: number;
  smoothed: number;
}

export interface RateTest {
  points: RatePoint[];
  /** Where the smoothed loss falls fastest; null where it never fell. */
  suggestion: number | null;
  /** Rate at the least smoothed loss. */
  lowest: number | null;
  /** Rate at which the loss had run away. */
  diverged: number | null;
}
