import { z } from 'zod';
import type { RunConfig } from './run-config';

/** Whose names and layout a file of weights has. */
export const weightsKind = z.enum(['sluice', 'torch', 'keras']);
export type WeightsKind = z.infer<typeof weightsKind>;

/** A file that its user names: weights to start from. */
export const weightsSource = z.strictObject({
  /** Absolute path: .safetensors, .npz, .weights.h5 or .h5. */
  path: z.string().min(1),
  /** Which framework's layout it has; null = told by its names. Gate orders cannot be told from shapes. */
  from: weightsKind.nullable().default(null),
  /** Absolute path of a JSON file that says which character each token is: `["a", "b"]` or `{"a": 0, "b": 1}`. Null = the file's own metadata, else the dataset's order. */
  vocabulary: z.string().min(1).nullable().default(null),
});
export type WeightsSource = z.output<typeof weightsSource>;

/** Which checkpoint's weights: the best validation's, the newest, or that of a step. */
export const checkpointChoice = z.union([z.enum(['best', 'last']), z.int().min(0)]);
export type CheckpointChoice = z.infer<typeof checkpointChoice>;

export const weightsExport = z.strictObject({
  run: z.string(),
  as: weightsKind,
  checkpoint: checkpointChoice.default('best'),
  /** Absolute path; its extension says the form: .safetensors, or .npz. */
  out: z.string().min(1),
});

/** Something about a file of weights, in English and as values for the window's own words. */
export interface WeightsRemark {
  code:
    | 'MISSING'
    | 'SURPLUS'
    | 'SHAPE'
    | 'DTYPE'
    | 'NOT_FINITE'
    | 'LAYER'
    | 'LAYERS'
    | 'AMBIGUOUS'
    | 'VOCABULARY'
    | 'CONVERTED'
    | 'NO_BIAS'
    | 'MERGED_BIAS'
    | 'ROW_ORDER'
    | 'BY_CHARACTER';
  message: string;
  details: Record<string, string | number>;
}

/** What a file of weights holds, and how it fits a model. */
export interface WeightsReport {
  path: string;
  kind: WeightsKind;
  /** Tensors of the file. */
  tensors: { name: string; dtype: string; shape: number[] }[];
  /** Which of them fill which tensor of the model. */
  matched: { target: string; shape: number[]; source: string }[];
  /** Why they cannot be used; empty when they can. */
  problems: WeightsRemark[];
  /** What was changed on the way. */
  notes: WeightsRemark[];
  /** The configuration with the model that the file holds in place of its own, null where it is the same or cannot be told. */
  proposed: RunConfig | null;
}

export interface WeightsExported {
  path: string;
  as: WeightsKind;
  checkpoint: number;
  sizeBytes: number;
  tensors: { name: string; shape: number[] }[];
  /** How the modules that take them are made in the framework, one line each, e.g. `recurrent = nn.LSTM(128, 128, num_layers=2)`. */
  modules: string[];
}
