import { z } from 'zod';
import { taskKinds } from './run-config';

export const exportRequest = z.strictObject({
  run: z.string(),
  /** Absolute path of the file; null = `<run>/exports/<name>.onnx`. */
  out: z.string().nullable().default(null),
  /** File name without `.onnx` inside the run's exports; null = the run's name with what was asked for, a free one. */
  name: z.string().min(1).max(80).nullable().default(null),
  /** States as named inputs and outputs. */
  stateful: z.boolean().default(false),
  /** Gates as extra outputs. */
  gates: z.boolean().default(false),
  opset: z.int().min(14).max(22).default(17),
});
export type ExportRequest = z.infer<typeof exportRequest>;

export const tensorInfo = z.strictObject({
  name: z.string(),
  type: z.enum(['float32', 'int64']),
  /** Letters for free sizes. */
  shape: z.array(z.union([z.string(), z.number()])),
});
export type TensorInfo = z.infer<typeof tensorInfo>;

export const verificationCase = z.strictObject({
  batch: z.int(),
  time: z.int(),
  weights: z.enum(['trained', 'trained, random states', 'random']),
  maxAbsoluteError: z.number(),
  /** Largest |onnx − engine| / (1e-5 + 1e-5·|engine| + rounding): at most 1 passes. */
  boundShare: z.number(),
  /** What float32 leaves open at this shape: measured, and added to the bound, only where the bound alone is exceeded; else 0. */
  rounding: z.number().default(0),
  passed: z.boolean(),
});
export type VerificationCase = z.infer<typeof verificationCase>;

/** `<name>.onnx.report.json` beside the file. */
export const exportReport = z.strictObject({
  format: z.literal('sluice-export/1'),
  id: z.string(),
  /** Absolute path of the file. */
  path: z.string(),
  run: z.string(),
  step: z.int(),
  dataset: z.string(),
  task: z.enum(taskKinds),
  createdAt: z.string(),
  sizeBytes: z.int(),
  sha256: z.string(),
  opset: z.int(),
  stateful: z.boolean(),
  gates: z.boolean(),
  inputs: z.array(tensorInfo),
  outputs: z.array(tensorInfo),
  nodes: z.array(z.strictObject({ operator: z.string(), name: z.string(), outputs: z.array(z.string()) })),
  verification: z.strictObject({
    maxAbsoluteError: z.number(),
    bound: z.string(),
    cases: z.array(verificationCase),
    passed: z.boolean(),
    runtime: z.string(),
    /** Text of 200 greedy characters equal in engine and runtime, or null where the task has none. */
    greedyEqual: z.boolean().nullable(),
    /** 100 steps in one call = 40 + 60 with the states handed on; null where no states can be carried (stateless, both directions, last value taken off). */
    splitEqual: z.boolean().nullable(),
  }),
  snippets: z.strictObject({ python: z.string(), javascript: z.string() }),
});
export type ExportReport = z.infer<typeof exportReport>;

export const inferRequest = z.strictObject({
  /** Absolute path of an ONNX file. */
  path: z.string(),
  /** Absolute path of the data, or named tensors. */
  input: z.union([
    z.strictObject({ file: z.string() }),
    z.strictObject({ text: z.string() }),
    z.strictObject({ tensors: z.record(z.string(), z.strictObject({ shape: z.array(z.int()), data: z.array(z.number()) })) }),
  ]),
  device: z.enum(['cpu', 'cuda']).default('cpu'),
});
export type InferRequest = z.infer<typeof inferRequest>;

/** What keeps a model off CUDA; `code` lets the window say it in its user's language, `detail` names file, libraries or message. */
export interface DeviceObstacle {
  code: 'PLATFORM' | 'PROVIDER_MISSING' | 'DRIVER_MISSING' | 'LIBRARIES_MISSING' | 'NO_DEVICE' | 'DRIVER_OLD' | 'OTHER';
  detail: string;
}

export interface InferResult {
  outputs: Record<string, { shape: number[]; data: number[] }>;
  /** Execution provider that ran. */
  provider: 'cpu' | 'cuda';
  /** Why the asked device did not run, null when it did. */
  fallbackReason: string | null;
  /** The same as a code. */
  obstacle: DeviceObstacle | null;
  milliseconds: number;
}

export interface ProviderInfo {
  runtimeVersion: string;
  cpu: true;
  cuda: boolean;
  /** Plain statement of what is missing for CUDA, null when it runs. */
  cudaReason: string | null;
  /** The same as a code. */
  obstacle: DeviceObstacle | null;
}

/** Any ONNX file as it is opened: what it takes, gives and holds. */
export interface OpenedModel {
  /** Absolute path. */
  path: string;
  sizeBytes: number;
  opset: number | null;
  producer: string;
  metadata: Record<string, string>;
  /** Types as ONNX Runtime names them (`float32`, `int64`, `float16`, …); letters for free sizes. */
  inputs: { name: string; type: string; shape: (string | number)[] }[];
  outputs: { name: string; type: string; shape: (string | number)[] }[];
  nodes: { operator: string; name: string; outputs: string[] }[];
  /** Why ONNX Runtime cannot run it, null when it can. */
  refusal: string | null;
}

/** Time of one call, after a warm-up call, over several calls. */
export interface LatencyResult {
  provider: 'cpu' | 'cuda';
  fallbackReason: string | null;
  obstacle: DeviceObstacle | null;
  time: number;
  rows: { batch: number; minMs: number; medianMs: number; p95Ms: number; calls: number }[];
}
