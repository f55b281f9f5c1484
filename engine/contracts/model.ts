/** What a cell says of itself; listed by the engine's registry, never enumerated elsewhere. */
export interface CellInfo {
  name: string;
  /** Rows of the trace in the order they are drawn, e.g. f i g o c h. */
  signals: { name: string; kind: 'openness' | 'signed' | 'unbounded' }[];
  /** Gates in the order of the stacked weight rows, e.g. i f g o. */
  gateOrder: string[];
  states: string[];
  /** Stems of its tensors' names in files; `recurrent` is null where no product runs from step to step, `recurrentBias` where one bias serves both products. */
  names: { input: string; recurrent: string | null; bias: string; recurrentBias: string | null };
  /** Weights of one number per unit (peepholes), by stem. */
  vectors: string[];
  /** What it computes, a line per signal: `signal`_t = `right` (`_{…}` is a subscript), and the key of what it means. */
  equations: { signal: string; right: string; meaning: string }[];
  /** How an ONNX operator computes it; null = none does. */
  onnx: OnnxRecipe | null;
}

/** What stands in the rows of one gate of an operator: a gate's own rows, the same negated (1 − gate), or a gate that is always 1. */
export type OnnxRows = { gate: string } | { inverse: string } | 'open';

export interface OnnxRecipe {
  operator: 'RNN' | 'LSTM' | 'GRU';
  /** One entry per gate of the operator, in its order. */
  rows: OnnxRows[];
  /** `activations` of one direction, empty where the operator's own are meant. */
  activations: string[];
  attributes: [name: string, value: number][];
  /** `P`: vectors in the operator's order (i o f), empty without peepholes. */
  peepholes: string[];
}

/** One block of the stack as the Model screen draws it. */
export interface StackBlock {
  kind: 'embedding' | 'recurrent' | 'head';
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
  onnx: { layer: number; operator: string | null; cpu: boolean; cuda: boolean; reason: 'noOperator' | 'cpuOnly' | null }[];
}
