import { z } from 'zod';

/**
 * The configuration of a run (`config.json`): the one definition from which the form, `--set`, the
 * command line's help and the engine's input are made. Every field has a default that is written back.
 */
/** Settings of a cell by name: a word or a list of whole numbers. Which a cell has, and what they may be, it says itself (`CellInfo.options`). */
export const cellOptions = z.record(z.string(), z.union([z.string(), z.array(z.int().min(1)).min(1)]));
export type CellOptions = z.infer<typeof cellOptions>;

export const layerConfig = z.strictObject({
  cell: z.string().default('lstm'),
  options: cellOptions.default({}),
  hiddenSize: z.int().min(1).max(8192).default(128),
  bidirectional: z.boolean().default(false),
  /** Share of this layer's outputs dropped before the next layer, in training only. */
  dropout: z.number().min(0).max(0.95).default(0),
  /** Size of h of a cell that projects it (lstm-projection), null = half the hidden size; without effect on others. */
  projectionSize: z.int().min(1).max(8192).nullable().default(null),
  /** A new mask at every step, or one for the whole sequence (Gal & Ghahramani 2016). */
  dropoutKind: z.enum(['independent', 'variational']).default('independent'),
  /** Share of the recurrent weights that are zero in an update (DropConnect; Merity et al. 2018). */
  weightDrop: z.number().min(0).max(0.95).default(0),
  /** Share of the units that keep their hidden state, or their other states, from the step before (Krueger et al. 2017). */
  zoneoutHidden: z.number().min(0).max(0.95).default(0),
  zoneoutCell: z.number().min(0).max(0.95).default(0),
  /** Layer normalisation of the outputs: x + dropout(norm(h)). */
  layerNorm: z.boolean().default(false),
  /** The layer's input is added to its output; both have to be equally wide. */
  residual: z.boolean().default(false),
});
export type LayerConfig = z.infer<typeof layerConfig>;

/** How the last recurrent layer's states are looked at again before the head (`layers/attention.rs`); none = not at all. */
export const attentionConfig = z.strictObject({ kind: z.enum(['none', 'additive', 'dot', 'general', 'concat', 'scaled-dot']).default('none') });
export type AttentionKind = z.infer<typeof attentionConfig>['kind'];
export const attentionKinds = attentionConfig.shape.kind.unwrap().options;

export const initializationConfig = z.strictObject({
  /** As `torch.nn` draws them, or Glorot's uniform input matrices with orthogonal recurrent ones and biases of 0. */
  weights: z.enum(['pytorch', 'glorot-orthogonal']).default('pytorch'),
  /** Bias of the gate that keeps the memory (Jozefowicz et al. 2015 take 1); null = as the other biases. */
  forgetBias: z.number().min(-20).max(20).nullable().default(null),
  /** Longest lag in steps that the gates are to bridge from the start (Tallec & Ollivier 2018); null = off. */
  chrono: z.int().min(2).max(10_000_000).nullable().default(null),
});

export const modelConfig = z.strictObject({
  /** Width of the token embedding; unused for series. */
  embeddingSize: z.int().min(1).max(8192).default(128),
  layers: z.array(layerConfig).min(1).max(16).prefault([{}]),
  attention: attentionConfig.prefault({}),
  head: z.strictObject({ kind: z.literal('linear').default('linear') }).prefault({}),
  /** The head's matrix is the embedding's (Press & Wolf 2017); the embedding has to be as wide as the last layer's output. */
  tieWeights: z.boolean().default(false),
  /** Share of the vocabulary whose embeddings are zero in an update (Gal & Ghahramani 2016). */
  embeddingDropout: z.number().min(0).max(0.95).default(0),
  /** Where sequences begin: at zero, or at a trained vector per layer, direction and state. */
  initialState: z.enum(['zero', 'learned']).default('zero'),
  initialization: initializationConfig.prefault({}),
});
export type ModelConfig = z.infer<typeof modelConfig>;

export const languageModelTask = z.strictObject({ kind: z.literal('language-model') });

export const forecastTask = z.strictObject({
  kind: z.literal('forecast'),
  lookback: z.int().min(1).max(100_000),
  horizon: z.int().min(1).max(100_000),
  targets: z.array(z.string()).min(1),
  /** Further input columns; the model's inputs are targets followed by covariates. */
  covariates: z.array(z.string()).default([]),
  scaling: z.enum(['standard', 'none']).default('standard'),
  /** Take each window's last value off every input and add it back to the forecast. */
  subtractLast: z.boolean().default(true),
});
export type ForecastTask = z.infer<typeof forecastTask>;

/** A value from a sequence. */
export const regressTask = z.strictObject({
  kind: z.literal('regress'),
  inputs: z.array(z.string()).min(1),
  /** One value per sequence each. */
  targets: z.array(z.string()).min(1),
  scaling: z.enum(['standard', 'none']).default('standard'),
});
export type RegressTask = z.infer<typeof regressTask>;

/** The next vector of zeros and ones of a sequence. */
export const binaryVectorsTask = z.strictObject({ kind: z.literal('binary-vectors') });

/** A label at every step of a sequence of symbols; steps may have none. */
export const labelTask = z.strictObject({ kind: z.literal('label') });

export const taskConfig = z.discriminatedUnion('kind', [languageModelTask, forecastTask, regressTask, binaryVectorsTask, labelTask]);
export const taskKinds = ['language-model', 'forecast', 'regress', 'binary-vectors', 'label'] as const satisfies readonly TaskConfig['kind'][];
export type TaskKind = (typeof taskKinds)[number];
export type TaskConfig = z.infer<typeof taskConfig>;

const learningRate = (usual: number) => z.number().positive().max(100).default(usual);
const decayRate = (usual: number) => z.number().min(0).lt(1).default(usual);
const weightDecay = (usual: number) => z.number().min(0).max(10).default(usual);
const epsilon = (usual: number) => z.number().positive().default(usual);

/** The forms of `torch.optim`. Weight decay is added to the gradient; adamw and lion shrink the weights directly. */
export const optimizerConfig = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sgd'),
    learningRate: learningRate(0.1),
    momentum: decayRate(0.9),
    nesterov: z.boolean().default(false),
    weightDecay: weightDecay(0),
  }),
  ...(['adam', 'adamw', 'nadam'] as const).map((kind) =>
    z.strictObject({
      kind: z.literal(kind),
      learningRate: learningRate(kind === 'adam' ? 0.01 : kind === 'adamw' ? 0.001 : 0.002),
      beta1: decayRate(0.9),
      beta2: decayRate(0.999),
      epsilon: epsilon(1e-8),
      weightDecay: weightDecay(kind === 'adamw' ? 0.01 : 0),
    }),
  ),
  z.strictObject({
    kind: z.literal('rmsprop'),
    learningRate: learningRate(0.001),
    /** How much of the mean square is kept from step to step. */
    alpha: decayRate(0.99),
    epsilon: epsilon(1e-8),
    momentum: decayRate(0),
    weightDecay: weightDecay(0),
  }),
  z.strictObject({ kind: z.literal('adagrad'), learningRate: learningRate(0.01), epsilon: epsilon(1e-10), weightDecay: weightDecay(0) }),
  z.strictObject({ kind: z.literal('lion'), learningRate: learningRate(0.0003), beta1: decayRate(0.9), beta2: decayRate(0.99), weightDecay: weightDecay(0.01) }),
]);
export const optimizerKinds = ['sgd', 'adam', 'adamw', 'nadam', 'rmsprop', 'adagrad', 'lion'] as const satisfies readonly OptimizerConfig['kind'][];
export type OptimizerConfig = z.infer<typeof optimizerConfig>;

export const scheduleConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant') }),
  /** Multiplies the rate by `factor` every `everySteps` steps. */
  z.strictObject({
    kind: z.literal('step'),
    everySteps: z.int().min(1).default(1000),
    factor: z.number().positive().max(1).default(0.5),
  }),
  /** Linear warm-up, then half a cosine down to `minimum` × the rate at the last step. */
  z.strictObject({
    kind: z.literal('cosine'),
    warmupSteps: z.int().min(0).default(0),
    minimum: z.number().min(0).max(1).default(0),
  }),
  /** One cycle (Smith & Topin 2018): from `start` × the rate up to it over the share `rise` of all steps, then down to `end` × the rate. */
  z.strictObject({
    kind: z.literal('one-cycle'),
    rise: z.number().min(0).max(1).default(0.3),
    start: z.number().min(0).max(1).default(0.04),
    end: z.number().min(0).max(1).default(0.0001),
  }),
  /** Multiplies the rate by `factor` after every `patience` validations without a new best, down to `minimum` × the rate. */
  z.strictObject({
    kind: z.literal('plateau'),
    patience: z.int().min(1).default(3),
    factor: z.number().positive().max(1).default(0.5),
    minimum: z.number().min(0).max(1).default(0.001),
  }),
]);
export const scheduleKinds = ['constant', 'step', 'cosine', 'one-cycle', 'plateau'] as const satisfies readonly ScheduleConfig['kind'][];
export type ScheduleConfig = z.infer<typeof scheduleConfig>;

/** A running average of the weights, which is then what is validated, sampled, exported and kept as the best. */
export const averageConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** Exponential moving average: `decay` of the old average is kept at every step. */
  z.strictObject({ kind: z.literal('ema'), decay: z.number().min(0).lt(1).default(0.999) }),
  /** Mean of the weights of all steps since `startStep`; null = since a validation was worse than the best of those more than `interval` before (Merity et al. 2018). */
  z.strictObject({ kind: z.literal('asgd'), startStep: z.int().min(0).nullable().default(null), interval: z.int().min(1).max(1000).default(5) }),
]);
export const averageKinds = ['none', 'ema', 'asgd'] as const satisfies readonly AverageConfig['kind'][];
export type AverageConfig = z.infer<typeof averageConfig>;

/** What a difference costs where values are learned (forecast, regress): its square, its absolute value, or half its square up to `delta` and a straight line from there on (Huber 1964). */
export const lossConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('mse') }),
  z.strictObject({ kind: z.literal('mae') }),
  z.strictObject({ kind: z.literal('huber'), delta: z.number().positive().max(1e6).default(1) }),
]);
export const lossKinds = ['mse', 'mae', 'huber'] as const satisfies readonly LossConfig['kind'][];
export type LossConfig = z.infer<typeof lossConfig>;

export const numberFormats = ['float32', 'bfloat16'] as const;
export type NumberFormat = (typeof numberFormats)[number];

export const decayTargets = ['all', 'weights', 'weights-without-embedding'] as const;

export const trainingConfig = z.strictObject({
  /** Of values alone; the other tasks have their cross-entropies. */
  loss: lossConfig.prefault({ kind: 'mse' }),
  optimizer: optimizerConfig.prefault({ kind: 'adam' }),
  schedule: scheduleConfig.prefault({ kind: 'constant' }),
  /** Global L2 norm above which gradients are scaled down, then the absolute value to which each is cut; null = never. */
  clip: z.strictObject({ norm: z.number().positive().nullable().default(5), value: z.number().positive().nullable().default(null) }).prefault({}),
  /** What weight decay reaches: everything, matrices alone (no biases, norms, peepholes), or those without the embedding. */
  decay: z.enum(decayTargets).default('all'),
  average: averageConfig.prefault({ kind: 'none' }),
  /** Share of the target's probability spread over all classes in the training loss (language model); validation is without. */
  labelSmoothing: z.number().min(0).lt(1).default(0),
  batchSize: z.int().min(1).max(4096).default(50),
  /** Length of a truncated-BPTT slice (language model); a forecast uses its lookback. */
  sequenceLength: z.int().min(1).max(10_000).default(50),
  /** Tokens over which a gradient runs back, at least `sequenceLength` (k2 beside k1); null = the same. */
  backwardLength: z.int().min(1).max(10_000).nullable().default(null),
  /** Batches whose gradients make one update: their mean over all targets. */
  accumulate: z.int().min(1).max(1024).default(1),
  /** 0 trains nothing and only measures: for weights that are ready when they come. */
  maxSteps: z.int().min(0).nullable().default(3000),
  maxEpochs: z.int().min(1).nullable().default(null),
  seed: z.int().min(0).max(0xffff_ffff).default(1),
  /** null = all physical cores on the command line, physical cores − 1 in the window. */
  threads: z.int().min(1).max(256).nullable().default(null),
  precision: z.literal('float32').default('float32'),
  /** What products round their operands to; sums, weights, moments and states are float32 either way. */
  products: z.enum(numberFormats).default('float32'),
});
export type TrainingConfig = z.infer<typeof trainingConfig>;

export const probeConfig = z.strictObject({
  /** The text whose gates are recorded (language model); null = the start of the validation part. */
  text: z.string().max(2000).nullable().default(null),
  /** The window whose gates are recorded (forecast). */
  split: z.enum(['train', 'validation', 'test']).default('validation'),
  window: z.int().min(0).default(0),
  /** Shortest time between two live frames. */
  everyMs: z.int().min(20).max(60_000).default(250),
});
export type ProbeConfig = z.infer<typeof probeConfig>;

export const runConfig = z.strictObject({
  dataset: z.string(),
  task: taskConfig,
  model: modelConfig.prefault({}),
  training: trainingConfig.prefault({}),
  evaluation: z
    .strictObject({
      /** Steps between two validations; null = once per epoch. */
      everySteps: z.int().min(1).nullable().default(200),
    })
    .prefault({}),
  checkpoint: z
    .strictObject({
      everySteps: z.int().min(1).default(200),
      everySeconds: z.number().positive().default(30),
      keep: z.int().min(1).max(100).default(3),
    })
    .prefault({}),
  earlyStopping: z
    .strictObject({
      /** Validations without a new best before training ends; null = never. */
      patience: z.int().min(1).nullable().default(null),
    })
    .prefault({}),
  probe: probeConfig.prefault({}),
});
export type RunConfig = z.infer<typeof runConfig>;
/** A configuration as a person writes it: every field with a default may be left out. */
export type RunConfigInput = z.input<typeof runConfig>;

/** Fields that may change while a run trains; each takes effect between two steps. */
export const tunableFields = ['training.optimizer.learningRate', 'training.clip.norm', 'training.clip.value', 'training.maxSteps', 'training.maxEpochs', 'earlyStopping.patience'] as const;
export type TunableField = (typeof tunableFields)[number];

export const presetNames = ['char-lstm', 'char-gru', 'char-rnn', 'forecast-lstm', 'forecast-gru', 'adding-lstm', 'adding-gru', 'chorales-lstm', 'label-lstm'] as const;
export type PresetName = (typeof presetNames)[number];
