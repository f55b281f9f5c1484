import type { EngineBinding, ModelSpec, TrainingData } from './binding/types';
import type { CheckpointChoice, Dataset, JobProgress, LogLine, MethodInput, MethodOutput, RunConfig, RunDetails, Split, WorkbenchEvent } from './contracts';

/**
 * What services need from outside, and what they offer each other. `workbench.ts` composes them; a test
 * may put its own in place of any.
 */
export interface Clock {
  now(): Date;
}

export interface Log {
  (level: LogLine['level'], message: string): void;
}

export interface Events {
  emit(event: WorkbenchEvent): void;
}

/** Cancels a long job; `throwIfAborted` is called at every natural pause of the work. */
export interface JobContext {
  signal: AbortSignal;
  progress(update: Omit<JobProgress, 'job' | 'kind' | 'title'>): void;
}

export interface Ports {
  /** Absolute path of the workspace's folder. */
  workspace: string;
  /** Absolute path of the folder with the shipped samples. */
  samples: string;
  clock: Clock;
  log: Log;
  events: Events;
  engine: EngineBinding;
  /** Threads of a run whose configuration says null. */
  defaultThreads(): number;
}

type Methods<Prefix extends string, Names extends string> = {
  [N in Names]: (
    input: MethodInput<Extract<keyof import('./contracts').MethodOutputs & keyof typeof import('./contracts').methodInputs, `${Prefix}.${N}`>>,
  ) => Promise<MethodOutput<Extract<keyof import('./contracts').MethodOutputs & keyof typeof import('./contracts').methodInputs, `${Prefix}.${N}`>>>;
};

/** Characters ↔ tokens of one dataset. */
export interface Tokenizer {
  size: number;
  /** Token of `<unk>`, null where every character of the data is known. */
  unknown: number | null;
  /** Entry `i` is the text of token `i`. */
  vocabulary: string[];
  encode(text: string): Uint32Array;
  decode(tokens: ArrayLike<number>): string;
}

/** `engine/dataset/index.ts` exports `createDatasetService(ports): DatasetService`. */
export interface DatasetService extends Methods<'datasets', 'list' | 'get' | 'samples' | 'preview' | 'page' | 'profile' | 'change' | 'rename' | 'delete' | 'restore'> {
  import(request: MethodInput<'datasets.import'>['request'], job: JobContext): Promise<Dataset>;
  generate(request: MethodInput<'datasets.generate'>['request'], job: JobContext): Promise<Dataset>;
  importText(input: { name: string | null; text: string }, job: JobContext): Promise<Dataset>;
  importSample(sample: string, job: JobContext): Promise<Dataset>;
  tokenizer(id: string): Promise<Tokenizer>;
  /** Throws DATASET_DAMAGED where the numbers or tokens on disk are not those that the import wrote. Read once, later only looked at for changes. */
  check(id: string): Promise<void>;
  /** What the engine needs to train this configuration: files, windows, scaler fitted on training rows. Throws CONFIG_INVALID / DATASET_TOO_SHORT with the field. */
  trainingData(config: Pick<RunConfig, 'dataset' | 'task'>): Promise<TrainingData>;
  /** A whole text file decoded as an import would (encoding detected, line breaks unified). Throws FILE_NOT_FOUND, FILE_NOT_TEXT, FILE_EMPTY. */
  readText(file: string): Promise<string>;
  /** Named numeric columns of any table file, `[rows, columns.length]` row-major, NaN = missing. Throws COLUMN_NOT_FOUND, COLUMN_NOT_NUMERIC, DATASET_PARSE_FAILED. */
  readTable(file: string, columns: string[]): Promise<{ data: Float32Array; rows: number }>;
  /**
   * Values `[rows, columns]` of a table as they are on disk, for forecasts, with the rows before which time jumps. `instant`: milliseconds
   * since 1970. `times`: as shown, `steps` after a row by the frequency; null without a time column, beyond the table, or without a frequency.
   */
  values(id: string): Promise<{
    data: Float32Array;
    rows: number;
    columns: string[];
    split: Split;
    breaks: readonly number[];
    instant: (row: number) => number | null;
    times: (row: number, steps?: number) => string | null;
  }>;
}

/** `engine/training/index.ts` exports `createRunService(ports, datasets): RunService`. */
export interface RunService
  extends Methods<'runs', 'list' | 'get' | 'start' | 'pause' | 'resume' | 'stop' | 'tune' | 'continue' | 'rename' | 'delete' | 'restore' | 'metrics' | 'trace' | 'probe' | 'sample' | 'forecast' | 'record' | 'predict' | 'weights' | 'evaluate'> {
  /**
   * Which checkpoint stands for a run (best, else newest whole; or the one asked for), its folder, the complete configuration, the
   * data as the run saw them when it began (its scaler and windows), and the model to load.
   */
  checkpoint(id: string, which?: CheckpointChoice): Promise<{ run: RunDetails; directory: string; step: number; data: TrainingData; model: ModelSpec }>;
  /** Runs name their dataset: called after one was renamed. */
  datasetRenamed(from: string, to: string): Promise<void>;
  onFrame(listener: (run: string) => void): () => void;
  takeFrame(run: string): Uint8Array | null;
  setLive(run: string, live: boolean): void;
  /** Checkpoints and ends every training (application quits). */
  shutdown(): Promise<void>;
}

/** `engine/onnx/index.ts` exports `createExportService(ports, datasets, runs): ExportService`. */
export interface ExportService extends Methods<'exports', 'list' | 'delete' | 'restore' | 'sample' | 'forecast' | 'open'> {
  create(request: MethodInput<'exports.create'>['request'], job: JobContext): Promise<MethodOutput<'exports.create'>>;
  infer(request: MethodInput<'exports.infer'>['request'], job: JobContext): Promise<MethodOutput<'exports.infer'>>;
  latency(input: MethodInput<'exports.latency'>, job: JobContext): Promise<MethodOutput<'exports.latency'>>;
  providers(): Promise<MethodOutput<'system.providers'>>;
}
