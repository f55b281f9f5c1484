import { z } from 'zod';
import type { RunConfig } from './run-config';
import type { ErrorShape } from './errors';

export const runState = z.enum(['queued', 'running', 'paused', 'finished', 'stopped', 'failed', 'interrupted']);
export type RunState = z.infer<typeof runState>;

const languageModelMetrics = z.object({
  loss: z.number(),
  bitsPerCharacter: z.number(),
  perplexity: z.number(),
  tokens: z.number(),
});
const forecastMetrics = z.object({
  loss: z.number(),
  /** Standardized. */
  mse: z.number(),
  mae: z.number(),
  raw: z.object({ mse: z.number(), mae: z.number() }),
  /** Standardized errors of naive forecasts on the same windows; null where a season is unknown. */
  baselines: z.object({
    last: z.object({ mse: z.number(), mae: z.number() }),
    seasonal: z.object({ mse: z.number(), mae: z.number(), season: z.number() }).nullable(),
  }),
  windows: z.number(),
});
const regressMetrics = z.object({
  /** Scaled as trained; the errors are in the targets' own units. */
  loss: z.number(),
  mse: z.number(),
  mae: z.number(),
  /** Coefficient of determination; null where a target of the split does not vary. */
  r2: z.number().nullable(),
  /** Always answering the mean of the training targets. */
  baseline: z.object({ mse: z.number(), mae: z.number() }),
  sequences: z.number(),
});
const binaryVectorMetrics = z.object({
  /** Nats per vector, summed over its entries. */
  loss: z.number(),
  /** The same for always giving each entry its share of ones in training. */
  baseline: z.number(),
  frames: z.number(),
  sequences: z.number(),
});
const labelMetrics = z.object({
  /** Nats per label. */
  loss: z.number(),
  accuracy: z.number(),
  /** Share of sequences whose labels are all right. */
  sequencesRight: z.number(),
  /** Answering by the frequencies of the labels in training. */
  baseline: z.object({ loss: z.number(), accuracy: z.number() }),
  labels: z.number(),
  sequences: z.number(),
});
export const metrics = z.union([forecastMetrics, languageModelMetrics, regressMetrics, labelMetrics, binaryVectorMetrics]);
export type RegressMetrics = z.infer<typeof regressMetrics>;
export type BinaryVectorMetrics = z.infer<typeof binaryVectorMetrics>;
export type LabelMetrics = z.infer<typeof labelMetrics>;
export type LanguageModelMetrics = z.infer<typeof languageModelMetrics>;
export type ForecastMetrics = z.infer<typeof forecastMetrics>;
export type Metrics = z.infer<typeof metrics>;

/** A line of `metrics.jsonl`. The engine appends and flushes it before any checkpoint of a later step. */
export const metricsRecord = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('step'),
    step: z.number(),
    /** Epoch of the step's batch, from 1. */
    epoch: z.number(),
    /** Mean loss of the step's batch. */
    loss: z.number(),
    /** Global norm before clipping. */
    gradientNorm: z.number(),
    learningRate: z.number(),
    /** Since the run's first step, pauses left out. */
    elapsedMs: z.number(),
    tokensPerSecond: z.number(),
  }),
  z.object({
    kind: z.literal('evaluation'),
    step: z.number(),
    split: z.enum(['train', 'validation', 'test']),
    metrics,
    best: z.boolean(),
  }),
  z.object({ kind: z.literal('sample'), step: z.number(), tokens: z.array(z.number()) }),
  /** ‖Δw‖ / ‖w‖ of one update for `embedding`, `l0`, …, `head`; every tenth step. */
  z.object({ kind: z.literal('movement'), step: z.number(), groups: z.array(z.object({ name: z.string(), ratio: z.number() })) }),
  /** Shares of each gate's values over the probe below 0.1 and above 0.9; at every recorded trace. */
  z.object({ kind: z.literal('saturation'), step: z.number(), gates: z.array(z.object({ layer: z.string(), gate: z.string(), shut: z.number(), open: z.number() })) }),
  /** ‖dL/dh‖ of each layer so many steps before the last one of the probe, L the loss there; at every validation. */
  z.object({ kind: z.literal('lags'), step: z.number(), layers: z.array(z.object({ layer: z.string(), lags: z.array(z.number()), norms: z.array(z.number()) })) }),
  /** A setting changed after that step; null = without a limit. */
  z.object({ kind: z.literal('change'), step: z.number(), field: z.string(), from: z.number().nullable(), to: z.number().nullable() }),
]);
export type MetricsRecord = z.infer<typeof metricsRecord>;
export type StepRecord = Extract<MetricsRecord, { kind: 'step' }>;
export type InsightRecord = Extract<MetricsRecord, { kind: 'movement' | 'saturation' | 'lags' }>;
export type ChangeRecord = Extract<MetricsRecord, { kind: 'change' }>;
export type RunChange = Omit<ChangeRecord, 'kind'>;

/** `status.json` of a run. */
export const runStatus = z.strictObject({
  format: z.literal('sluice-run/1'),
  id: z.string(),
  name: z.string(),
  state: runState,
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  step: z.int(),
  /** Steps the run will take at most; null when only epochs or early stopping end it and the number is unknown. */
  totalSteps: z.int().nullable(),
  epoch: z.int(),
  bestStep: z.int().nullable(),
  parameters: z.int(),
  stoppedEarly: z.boolean(),
  metrics: z.strictObject({
    train: metrics.nullable(),
    validation: metrics.nullable(),
    test: metrics.nullable(),
  }),
  tokensPerSecond: z.number().nullable(),
  threads: z.int().nullable(),
  kernel: z.string().nullable(),
  error: z
    .object({ code: z.string(), message: z.string(), where: z.string().optional(), details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional() })
    .nullable(),
});
export type RunStatus = z.infer<typeof runStatus>;

export interface RunSummary extends RunStatus {
  dataset: string;
  taskKind: RunConfig['task']['kind'];
  /** Cells and sizes, e.g. `lstm 128 · lstm 128`. */
  architecture: string;
  lastCheckpoint: number | null;
  /** From 1; null for a run that does not wait in this process. */
  queuePlace: number | null;
}

export interface RunDetails extends RunSummary {
  config: RunConfig;
  checkpoints: number[];
  traceSteps: number[];
  /** The file of weights it started from, by its name and whose layout that had; null = drawn ones. */
  startedFrom: { file: string; kind: string } | null;
  /** Settings changed while it trained, by rising step; `config` is as it began. */
  changes: RunChange[];
}

/** What a training says while it runs; printed as JSON lines by `sluice train --json` and sent to the window. */
export type RunEvent =
  | { event: 'started'; run: string; step: number; parameters: number; threads: number; kernel: string; totalSteps: number | null; resumed: boolean; /** Newer checkpoints that could not be used, and why. */ damaged: { checkpoint: string; reason: string }[] }
  | ({ event: 'step'; run: string; totalSteps: number | null; secondsLeft: number | null } & Omit<StepRecord, 'kind'>)
  | { event: 'evaluated'; run: string; step: number; split: 'train' | 'validation' | 'test'; metrics: Metrics; best: boolean }
  | { event: 'sample'; run: string; step: number; text: string }
  | { event: 'checkpoint'; run: string; step: number; best: boolean }
  | { event: 'trace'; run: string; step: number }
  | { event: 'insight'; run: string; record: InsightRecord }
  | ({ event: 'changed'; run: string; totalSteps: number | null } & RunChange)
  | { event: 'paused' | 'resumed'; run: string; step: number }
  | { event: 'failed'; run: string; step: number; error: ErrorShape }
  | {
      event: 'finished';
      run: string;
      status: 'finished' | 'stopped';
      steps: number;
      bestStep: number | null;
      stoppedEarly: boolean;
      metrics: RunStatus['metrics'];
      tokensPerSecond: number;
    };
