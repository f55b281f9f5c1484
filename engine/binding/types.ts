import type { AttentionKind, CellInfo, CellOptions, ErrorShape, InsightRecord, Metrics, LayerConfig, MetricsRecord, ModelConfig, Range, RatePoint, RateTest, RunChange, RunConfig, Split, SplitName, TrainingConfig, TunableField } from '../contracts';

/**
 * What the native engine is given and gives: the same JSON is read by serde on the other side
 * (`crates/core/src/config.rs`), and a test holds the two together.
 */
export interface TokenData {
  kind: 'tokens';
  path: string;
  bytesPerToken: 2 | 4;
  vocabularySize: number;
  split: Split;
}

export interface SeriesData {
  kind: 'series';
  /** Little-endian float32 `[rows, columns]`, unscaled, NaN = missing. */
  path: string;
  rows: number;
  columns: number;
  /** Columns fed to the model, targets first. */
  inputs: number[];
  targetCount: number;
  /** Per input: `(value − mean) / deviation`; fitted on training rows. */
  scaler: { mean: number[]; deviation: number[] };
  lookback: number;
  horizon: number;
  subtractLast: boolean;
  season: number;
  /** Half-open ranges of window starts (row of the first lookback step) that hold no missing value. */
  windows: Record<SplitName, Range[]>;
}

/** Sequences of their own lengths: `lengths.bin` and `targets.bin` lie beside `values.bin` (see contracts/dataset.ts). */
export interface SequenceData {
  kind: 'sequences';
  path: string;
  sequences: number;
  steps: number;
  content: SequenceContent;
  /** Ranges of sequences. */
  split: Split;
}

interface ColumnScaler {
  mean: number[];
  deviation: number[];
}

export type SequenceContent =
  | { kind: 'values'; columns: number; inputs: number[]; scaler: ColumnScaler; targetColumns: number; targets: number[]; targetScaler: ColumnScaler }
  | { kind: 'bits'; columns: number }
  | { kind: 'labels'; vocabularySize: number; labelCount: number };

export type TrainingData = TokenData | SeriesData | SequenceData;

/** Of sequences, `start` is the number of one. */
export type Probe = { kind: 'tokens'; tokens: number[] } | { kind: 'window'; start: number };

export interface TrainJob {
  run: string;
  /** Absolute path of the run's folder; the engine writes metrics.jsonl, checkpoints/ and traces/ there. */
  directory: string;
  config: RunConfig;
  data: TrainingData;
  probe: Probe & { everyMs: number };
  /** Tokens a sample starts with at every validation (language model), empty = none. */
  samplePrompt: number[];
  threads: number;
  /** Absolute path of a checkpoint folder. */
  resumeFrom: string | null;
  /** Absolute path of a safetensors file with every weight by name; a new training starts from them. */
  initialWeights?: string | null;
}

/** Events of a training thread, as JSON. Same names as `RunEvent`; text is not decoded yet. */
export type NativeEvent =
  | { event: 'started'; step: number; parameters: number; threads: number; kernel: string; totalSteps: number | null }
  | ({ event: 'step'; totalSteps: number | null } & Omit<Extract<MetricsRecord, { kind: 'step' }>, 'kind'>)
  | { event: 'evaluated'; step: number; split: SplitName; metrics: Metrics; best: boolean }
  | { event: 'sample'; step: number; tokens: number[] }
  | { event: 'checkpoint'; step: number; best: boolean }
  | { event: 'trace'; step: number }
  | { event: 'insight'; record: InsightRecord }
  | ({ event: 'changed'; totalSteps: number | null } & RunChange)
  /** Settings that could not be changed so; nothing was. */
  | { event: 'refused'; step: number; error: ErrorShape }
  | { event: 'paused' | 'resumed'; step: number }
  | { event: 'failed'; step: number; error: ErrorShape }
  | {
      event: 'finished';
      status: 'finished' | 'stopped';
      steps: number;
      bestStep: number | null;
      stoppedEarly: boolean;
      metrics: Record<SplitName, Metrics | null>;
      tokensPerSecond: number;
    };

/** A training on threads of its own. Ending it is final; calls on an ended one do nothing. */
export interface TrainingHandle {
  pause(): void;
  resume(): void;
  /** Ends after the current step: checkpoint, evaluation of the best, `finished` with status stopped. */
  stop(): void;
  /** Ends at once after the current step with a checkpoint and no evaluation (application quits). */
  interrupt(): void;
  setProbe(probe: Probe & { everyMs: number }): void;
  /** Changes settings before the next step; answered by `changed` events (none for what is so already) or `refused`. */
  change(settings: Setting[]): void;
  /** While off, no live frames are made; recorded traces go on. */
  setLive(live: boolean): void;
  /** The newest trace not yet taken (a safetensors buffer), or null. */
  takeFrame(): Uint8Array | null;
  /** Resolves when the thread has ended, whatever the reason. */
  wait(): Promise<void>;
}

export interface Setting {
  field: TunableField;
  to: number | null;
}

export interface RateTestJob extends Pick<TrainJob, 'config' | 'data' | 'threads'> {
  from: number;
  to: number;
  steps: number;
}

export interface StateTensor {
  /** `[layersOfThatName…]`: batch × hidden, row-major. */
  data: Float32Array;
  batch: number;
  size: number;
}

export interface ForwardRequest {
  time: number;
  batch: number;
  /** Time-major `[T, B]`, or null for series. */
  tokens: Uint32Array | null;
  /** Time-major `[T, B, inputs]`, scaled, or null for tokens. */
  series: Float32Array | null;
  /** Keys `h_l0`, `c_l0`, `h_l0_reverse` …; missing = zero. */
  states: Record<string, Float32Array>;
}

export interface ForwardResult {
  /** `[T, B, vocabulary]` (language model, time-major) or `[B, horizon × targets]` (forecast, horizon-major, scaled, last value not added). */
  output: Float32Array;
  states: Record<string, Float32Array>;
}

export interface TraceRequest extends Omit<ForwardRequest, 'states'> {
  /** Also `grad.*` of the mean loss over the traced steps (next token; or the given target). */
  gradients: boolean;
  /** Forecast: `[B, horizon × targets]` scaled; null = no loss. */
  target: Float32Array | null;
}

/** A checkpoint's weights, ready to run. Work happens on pool threads. */
export interface NativeModel {
  parameters(): number;
  /** Rounds every matrix to bfloat16 and reads it so at each step; everything else stays float32. */
  storeWeights(): void;
  forward(request: ForwardRequest): Promise<ForwardResult>;
  /** Tokens after the prompt. `temperature` 0 = greedy; `topK` 0 and `topP` 1 = off. */
  sample(request: { prompt: Uint32Array; length: number; temperature: number; topK: number; topP: number; seed: number }): Promise<Uint32Array>;
  /** A safetensors trace buffer (see contracts/trace.ts). */
  trace(request: TraceRequest): Promise<Uint8Array>;
  /** The trace of one sequence of a dataset, by its number in the file. */
  traceSequence(data: SequenceData, number: number, gradients: boolean): Promise<Uint8Array>;
}

export interface EngineBinding {
  version(): string;
  /** Instruction set in use: `avx512`, `avx2`, `neon` or `portable`. */
  kernel(): string;
  /** Why SLUICE_KERNEL is not followed, as a sentence; null where it is, or is not set. */
  kernelProblem(): string | null;
  /** Why a training cannot round the operands of its products to bfloat16 here, as a part of a sentence; null where it can. */
  bfloat16Problem(): string | null;
  physicalCores(): number;
  cells(): CellInfo[];
  /**
   * Parameters by PyTorch name with shapes for a model, without building it; throws MODEL_INVALID with `where`.
   * `trainingBytes` counts weights, gradients, moments, and the activations of a step of `work` where given.
   */
  describe(model: ModelSpec, work?: { time: number; batch: number }): { parameters: number; tensors: { name: string; shape: number[] }[]; trainingBytes: number };
  train(job: TrainJob, onEvent: (event: NativeEvent) => void, onFrame: () => void): TrainingHandle;
  /** Rejects with CANCELLED where the signal says so. */
  rateTest(job: RateTestJob, onPoint: (point: RatePoint) => void, signal: AbortSignal): Promise<RateTest>;
  loadModel(checkpointDirectory: string, model: ModelSpec): Promise<NativeModel>;
  /** A model with freshly drawn weights, for verification. */
  randomModel(model: ModelSpec, seed: number): Promise<NativeModel & { tensors(): Record<string, { shape: number[]; data: Float32Array }> }>;
  evaluate(job: Pick<TrainJob, 'config' | 'data' | 'threads'>, checkpointDirectory: string, split: SplitName): Promise<Metrics>;
  /** Standardized residual quantiles `[horizon × targets]` of the validation windows, for intervals at `level`. */
  residualQuantiles(job: Pick<TrainJob, 'config' | 'data' | 'threads'>, checkpointDirectory: string, level: number): Promise<{ lower: Float32Array; upper: Float32Array }>;
  parity(fixtureJson: string): ParityResult[];
  bench(specJson: string): Promise<Record<string, unknown>>;
  /** Newest whole checkpoint of a run: names what is damaged and falls back to the one before. */
  newestCheckpoint(runDirectory: string): { directory: string; step: number; damaged: { directory: string; reason: string }[] } | null;
}

export interface ModelSpec {
  input: { kind: 'tokens'; vocabularySize: number; embeddingSize: number } | { kind: 'series'; inputSize: number };
  layers: LayerSpec[];
  head: { outputSize: number; mode: 'everyStep' | 'lastStep' };
  /** What concerns the whole model; missing ones are off. */
  options?: { attention?: AttentionKind } & Partial<Pick<ModelConfig, 'tieWeights' | 'embeddingDropout' | 'initialState' | 'initialization'> & Pick<TrainingConfig, 'loss'>>;
}

/** `output = x + dropout(norm(h))`, of which only h is always there. */
export interface LayerSpec extends Pick<LayerConfig, 'cell' | 'hiddenSize' | 'bidirectional' | 'dropout'>, Partial<Pick<LayerConfig, 'projectionSize' | 'weightDrop' | 'zoneoutHidden' | 'zoneoutCell' | 'layerNorm' | 'residual'>> {
  options?: CellOptions;
  variational?: boolean;
}

export interface ParityResult {
  cell: string;
  precision: 'float32' | 'float64';
  maxAbsoluteError: number;
  maxRelativeError: number;
  passed: boolean;
  /** Tensor with the largest error. */
  worst: string;
  /** What the fixture holds and the engine does not have. */
  leftOut?: string[];
}
