import type { WeightsRemark } from '../contracts';
import type { Matrix } from './tensors';

/**
 * What a file of weights holds, in one form for all frameworks: matrices as PyTorch has them (`[outputs, inputs]`), gate rows
 * stacked i f g o (LSTM), r z n (GRU) or as they are (RNN).
 */
export type Module = RecurrentModule | MatrixModule | NormModule;

export type Family = 'rnn' | 'lstm' | 'gru';

/** Gates of one family in PyTorch's order. */
export const torchGates: Record<Family, readonly string[]> = { rnn: ['h'], lstm: ['i', 'f', 'g', 'o'], gru: ['r', 'z', 'n'] };

export interface RecurrentDirection {
  /** `[gates × H, inputs]` */
  input: Matrix;
  /** `[gates × H, outputs]` */
  recurrent: Matrix;
  /** `[gates × H]`; null = none. */
  bias: Float32Array | null;
  recurrentBias: Float32Array | null;
  /** `[P, H]` of a projected LSTM. */
  projection: Matrix | null;
  /** Names in the file, as far as they are there. */
  names: { input: string; recurrent: string; bias: string | null; recurrentBias: string | null; projection: string | null };
}

/** One layer, in one direction or both. */
export interface RecurrentModule {
  kind: 'recurrent';
  name: string;
  family: Family;
  /** Whether the GRU's reset acts after the product; null where the file does not tell. */
  resetAfter: boolean | null;
  inputSize: number;
  hiddenSize: number;
  /** Width of h: the hidden size, or that of the projection. */
  outputSize: number;
  /** Forward first. A list of arrays without names gives every direction as a layer of its own. */
  directions: RecurrentDirection[];
  isUnnamed: boolean;
}

/** An embedding `[entries, width]`, or a linear map `[outputs, inputs]` with or without bias. */
export interface MatrixModule {
  kind: 'embedding' | 'linear' | 'matrix';
  name: string;
  weight: Matrix;
  /** Of the file's own array: Keras's kernels are `[inputs, outputs]`. */
  shape: number[];
  bias: Float32Array | null;
  names: { weight: string; bias: string | null };
}

/** Gain and bias of a normalisation. */
export interface NormModule {
  kind: 'norm';
  name: string;
  gain: Float32Array;
  bias: Float32Array | null;
  names: { gain: string; bias: string | null };
}

/** What was read, and what could not be. */
export interface ParsedWeights {
  modules: Module[];
  problems: WeightsRemark[];
}

/** The family whose gates fill this many rows for these units, null where none does. */
export function familyOf(rows: number, hiddenSize: number): Family | null {
  const found = { 1: 'rnn', 3: 'gru', 4: 'lstm' } as const;
  return found[(rows / hiddenSize) as 1 | 3 | 4] ?? null;
}
