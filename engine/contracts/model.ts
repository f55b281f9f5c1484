/** What a cell says of itself; listed by the engine's registry, never enumerated elsewhere. */
export interface CellInfo {
  name: string;
  /** Rows of the trace in the order they are drawn, e.g. f i g o c h. */
  signals: { name: string; kind: 'openness' | 'signed' }[];
  /** Gates in the order of the stacked weight rows, e.g. i f g o. */
  gateOrder: string[];
  states: string[];
  /** ONNX operator that holds it; null = needs a Scan. */
  onnxOperator: 'RNN' | 'LSTM' | 'GRU' | null;
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
  onnx: { layer: number; operator: string | null; cpu: boolean; cuda: boolean; reason: string | null }[];
}
