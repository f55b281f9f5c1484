import { z } from 'zod';
import { datasetChange, generateRequest, importRequest, type Dataset, type DatasetPage, type DatasetProfile, type FilePreview, type SampleInfo } from './dataset';
import type { CellInfo, ModelDescription, RatePoint, RateTest } from './model';
import { exportRequest, inferRequest, type DeviceObstacle, type ExportReport, type InferResult, type LatencyResult, type OpenedModel, type ProviderInfo } from './onnx';
import { numberFormats, probeConfig, type PresetName, type RunConfig } from './run-config';
import type { MetricsRecord, Metrics, RunChange, RunDetails, RunEvent, RunSummary } from './run';
import type { JobProgress, LogLine, SystemInfo } from './system';
import { weightsExport, weightsSource, type WeightsExported, type WeightsReport } from './weights';

/** Name of a dataset or run: one folder name on every platform, Korean letters allowed. */
export const name = z
  .string()
  .min(1)
  .max(80)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u)
  .refine((value) => !/[. ]$/.test(value) && !/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(value));

const byId = z.strictObject({ id: name });
const nothing = z.strictObject({});

const sampling = {
  temperature: z.number().min(0).max(10).default(0.8),
  topK: z.int().min(0).default(0),
  topP: z.number().min(0).max(1).default(1),
  seed: z.int().min(0).default(1),
};

/**
 * Every request a window or command may make of the workbench: the input's schema. A job id in the
 * input names the work for `jobs.cancel` and its `progress` events.
 */
export const methodInputs = {
  'system.info': nothing,
  'system.providers': nothing,
  'system.log': nothing,
  'jobs.cancel': z.strictObject({ job: z.string() }),

  'datasets.list': nothing,
  'datasets.get': byId,
  'datasets.samples': nothing,
  'datasets.preview': importRequest,
  'datasets.import': z.strictObject({ job: z.string(), request: importRequest }),
  'datasets.importText': z.strictObject({ job: z.string(), name: name.nullable(), text: z.string().max(50_000_000) }),
  'datasets.importSample': z.strictObject({ job: z.string(), sample: z.string() }),
  /** Makes up the sequences of a synthetic task. */
  'datasets.generate': z.strictObject({ job: z.string(), request: generateRequest }),
  'datasets.page': z.strictObject({ id: name, offset: z.int().min(0), limit: z.int().min(1).max(5000) }),
  'datasets.profile': byId,
  /** Entry `i` is the text of token `i`; a trace holds tokens, the window shows characters. Text datasets only. */
  'datasets.vocabulary': byId,
  'datasets.change': z.strictObject({ id: name, change: datasetChange }),
  'datasets.rename': z.strictObject({ id: name, name }),
  'datasets.delete': byId,
  'datasets.restore': z.strictObject({ trashed: z.string() }),

  'models.cells': nothing,
  'models.preset': z.strictObject({ preset: z.string(), dataset: name.nullable() }),
  /** Any JSON: problems come back as data, at their fields. */
  'models.describe': z.strictObject({ config: z.unknown() }),
  /** How a file of weights fits a configuration's model; nothing is kept. */
  'models.weights': z.strictObject({ source: weightsSource, config: z.unknown() }),
  /** Trains for a moment with a growing learning rate (Smith 2017); nothing is kept. Points come as `rateTest` events. */
  'models.rateTest': z.strictObject({
    job: z.string(),
    config: z.unknown(),
    from: z.number().positive().max(1000).default(1e-6),
    to: z.number().positive().max(1000).default(10),
    steps: z.int().min(10).max(10_000).default(100),
  }),

  'runs.list': nothing,
  'runs.get': byId,
  'runs.start': z.strictObject({ config: z.unknown(), name: name.nullable(), /** Weights to start from; null = drawn ones. */ weights: weightsSource.nullable().default(null) }),
  'runs.pause': byId,
  'runs.resume': byId,
  /** Ends training, keeps the checkpoint, evaluates the best. */
  'runs.stop': byId,
  /** Goes on from the last checkpoint (interrupted, stopped, failed). */
  'runs.continue': byId,
  /** Changes settings of a training between two of its steps, wherever it is trained; `path=value` of `tunableFields`. */
  'runs.tune': z.strictObject({ id: name, set: z.array(z.string().max(200)).min(1).max(20) }),
  'runs.rename': z.strictObject({ id: name, name }),
  'runs.delete': byId,
  'runs.restore': z.strictObject({ trashed: z.string() }),
  /** Records whose step is above `after`. */
  'runs.metrics': z.strictObject({ id: name, after: z.int().min(-1).default(-1) }),
  'runs.trace': z.strictObject({ id: name, step: z.int().min(0) }),
  'runs.probe': z.strictObject({ id: name, probe: probeConfig }),
  'runs.sample': z.strictObject({ id: name, prompt: z.string().max(100_000), length: z.int().min(1).max(100_000), weights: z.enum(numberFormats).default('float32'), ...sampling }),
  'runs.forecast': z.strictObject({ id: name, split: z.enum(['train', 'validation', 'test', 'end']).default('test'), window: z.int().min(0).default(0), /** Last known time, as the table writes it; wins over split and window. */ at: z.string().nullable().default(null) }),
  /** Writes gates and states of a given sequence to a trace file. */
  'runs.record': z.strictObject({
    id: name,
    /** Text (language model), or a table file with the run's input columns (forecast), or one of the dataset's own windows. */
    input: z.union([
      z.strictObject({ text: z.string().min(1).max(100_000) }),
      z.strictObject({ file: z.string() }),
      z.strictObject({ split: z.enum(['train', 'validation', 'test']), window: z.int().min(0) }),
    ]),
    /** Absolute path of the safetensors file. */
    out: z.string(),
    gradients: z.boolean().default(false),
  }),
  /** Writes a checkpoint's weights for other programs. */
  'runs.weights': weightsExport,
  /** What a model of values from sequences answers about those of a part. */
  'runs.predict': z.strictObject({ id: name, split: z.enum(['train', 'validation', 'test']).default('test'), offset: z.int().min(0).default(0), limit: z.int().min(1).max(2000).default(200) }),
  'runs.evaluate': z.strictObject({ id: name, split: z.enum(['train', 'validation', 'test']).default('test') }),

  'exports.list': nothing,
  'exports.create': z.strictObject({ job: z.string(), request: exportRequest }),
  'exports.delete': z.strictObject({ id: z.string() }),
  'exports.restore': z.strictObject({ trashed: z.string() }),
  /** Reads any ONNX file without running it. */
  'exports.open': z.strictObject({ path: z.string() }),
  /** Times calls of an ONNX file with `time` steps over batch sizes 1 and 64. */
  'exports.latency': z.strictObject({ job: z.string(), path: z.string(), device: z.enum(['cpu', 'cuda']), time: z.int().min(1).max(1000).default(50) }),
  'exports.infer': z.strictObject({ job: z.string(), request: inferRequest }),
  /** Runs the exported file on the dataset it came from: text that goes on, or a forecast beside the truth. */
  'exports.sample': z.strictObject({ id: z.string(), prompt: z.string().max(100_000), length: z.int().min(1).max(5000), device: z.enum(['cpu', 'cuda']), ...sampling }),
  'exports.forecast': z.strictObject({ id: z.string(), window: z.int().min(0), device: z.enum(['cpu', 'cuda']) }),
} as const;

export interface ForecastResult {
  /** Raw values of the lookback per target, then what is predicted beside what came (null where unknown). */
  times: string[] | null;
  targets: {
    name: string;
    lookback: (number | null)[];
    predictions: { value: number; lower: number | null; upper: number | null; actual: number | null; last: number; seasonal: number | null }[];
  }[];
  level: number | null;
  windows: number;
  window: number;
  checkpoint: number;
}

/** One sequence's answer beside the truth, in the targets' own units. */
export interface PredictedSequence {
  number: number;
  length: number;
  prediction: number[];
  target: number[];
}

export interface MethodOutputs {
  'system.info': SystemInfo;
  'system.providers': ProviderInfo;
  'system.log': LogLine[];
  'jobs.cancel': { cancelled: boolean };

  'datasets.list': Dataset[];
  'datasets.get': Dataset;
  'datasets.samples': SampleInfo[];
  'datasets.preview': FilePreview;
  'datasets.import': Dataset;
  'datasets.importText': Dataset;
  'datasets.importSample': Dataset;
  'datasets.generate': Dataset;
  'datasets.page': DatasetPage;
  'datasets.profile': DatasetProfile;
  'datasets.vocabulary': { tokens: string[] };
  'datasets.change': Dataset;
  'datasets.rename': Dataset;
  'datasets.delete': { trashed: string };
  'datasets.restore': { id: string };

  'models.cells': CellInfo[];
  'models.preset': { preset: PresetName; presets: { name: PresetName; layers: string; parameters: number | null }[]; config: RunConfig };
  'models.describe': { config: RunConfig | null; description: ModelDescription };
  'models.weights': WeightsReport;

  'models.rateTest': RateTest;

  'runs.list': RunSummary[];
  'runs.get': RunDetails;
  'runs.start': RunDetails;
  'runs.pause': { step: number };
  'runs.resume': { step: number };
  'runs.stop': { step: number };
  'runs.continue': RunDetails;
  'runs.tune': { changes: RunChange[] };
  'runs.rename': RunSummary;
  'runs.delete': { trashed: string };
  'runs.restore': { id: string };
  'runs.metrics': MetricsRecord[];
  'runs.trace': Uint8Array;
  'runs.probe': { tokens: number | null };
  'runs.sample': { text: string; checkpoint: number; seed: number };
  'runs.forecast': ForecastResult;
  'runs.record': { path: string; checkpoint: number; tensors: { name: string; shape: number[] }[] };
  'runs.weights': WeightsExported;
  'runs.predict': { targets: string[]; total: number; sequences: PredictedSequence[]; checkpoint: number };
  'runs.evaluate': { metrics: Metrics; checkpoint: number };

  'exports.list': ExportReport[];
  'exports.create': ExportReport;
  'exports.delete': { trashed: string };
  'exports.restore': { id: string };
  'exports.open': OpenedModel;
  'exports.latency': LatencyResult;
  'exports.infer': InferResult;
  'exports.sample': { text: string; provider: 'cpu' | 'cuda'; fallbackReason: string | null; obstacle: DeviceObstacle | null; milliseconds: number };
  'exports.forecast': ForecastResult & { provider: 'cpu' | 'cuda'; fallbackReason: string | null; obstacle: DeviceObstacle | null; milliseconds: number };
}

export type Method = keyof typeof methodInputs & keyof MethodOutputs;
export type MethodInput<M extends Method> = z.input<(typeof methodInputs)[M]>;
export type MethodParsed<M extends Method> = z.output<(typeof methodInputs)[M]>;
export type MethodOutput<M extends Method> = MethodOutputs[M];

/** The workbench as its callers see it: the same over a port, in a test, or in one process. */
export interface Workbench {
  call<M extends Method>(method: M, input: MethodInput<M>): Promise<MethodOutput<M>>;
  on(listener: (event: WorkbenchEvent) => void): () => void;
}

/** What the workbench says without being asked. */
export type WorkbenchEvent =
  | { type: 'run'; event: RunEvent }
  /** The state of a run, dataset or export changed: read the list again. */
  | { type: 'runsChanged' }
  | { type: 'datasetsChanged' }
  | { type: 'exportsChanged' }
  | { type: 'rateTest'; job: string; points: RatePoint[] }
  | { type: 'progress'; progress: JobProgress }
  | { type: 'log'; line: LogLine };
