//! What a training is told: the serde side of `engine/contracts/run-config.ts` and `engine/binding/types.ts`.
//! A test in `engine/binding` holds the two definitions together; unknown fields are refused here too.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cells::OptionValues;
use crate::error::EngineError;
use crate::loss::ValueLoss;
use crate::spec::{
    AttentionKind, HeadMode, HeadSpec, InitialState, Initialization, InputSpec, LayerSpec, ModelOptions, ModelSpec,
    NumberFormat, Optimizer, Update,
};
use crate::step::{Decay, StepOptions};

/// One recurrent layer of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerConfig {
    pub cell: String,
    #[serde(default)]
    pub options: OptionValues,
    pub hidden_size: usize,
    pub bidirectional: bool,
    pub dropout: f32,
    #[serde(default)]
    pub projection_size: Option<usize>,
    #[serde(default)]
    pub dropout_kind: DropoutKind,
    #[serde(default)]
    pub weight_drop: f32,
    #[serde(default)]
    pub zoneout_hidden: f32,
    #[serde(default)]
    pub zoneout_cell: f32,
    #[serde(default)]
    pub layer_norm: bool,
    #[serde(default)]
    pub residual: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropoutKind {
    #[default]
    Independent,
    Variational,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum HeadConfig {
    Linear {},
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelConfig {
    pub embedding_size: usize,
    pub layers: Vec<LayerConfig>,
    pub head: HeadConfig,
    #[serde(default)]
    pub attention: AttentionConfig,
    #[serde(default)]
    pub tie_weights: bool,
    #[serde(default)]
    pub embedding_dropout: f32,
    #[serde(default)]
    pub initial_state: InitialState,
    #[serde(default)]
    pub initialization: Initialization,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionConfig {
    pub kind: AttentionKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scaling {
    Standard,
    None,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum TaskConfig {
    LanguageModel {},
    Forecast {
        lookback: usize,
        horizon: usize,
        targets: Vec<String>,
        covariates: Vec<String>,
        scaling: Scaling,
        subtract_last: bool,
    },
    /// A value from a sequence.
    Regress {
        inputs: Vec<String>,
        targets: Vec<String>,
        scaling: Scaling,
    },
    /// The next vector of zeros and ones.
    BinaryVectors {},
    /// A label at every step of a sequence of symbols.
    Label {},
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum OptimizerConfig {
    Sgd { learning_rate: f64, momentum: f64, nesterov: bool, weight_decay: f64 },
    Adam { learning_rate: f64, beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64 },
    AdamW { learning_rate: f64, beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64 },
    NAdam { learning_rate: f64, beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64 },
    RmsProp { learning_rate: f64, alpha: f64, epsilon: f64, momentum: f64, weight_decay: f64 },
    Adagrad { learning_rate: f64, epsilon: f64, weight_decay: f64 },
    Lion { learning_rate: f64, beta1: f64, beta2: f64, weight_decay: f64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ScheduleConfig {
    Constant {},
    Step { every_steps: u64, factor: f64 },
    Cosine { warmup_steps: u64, minimum: f64 },
    OneCycle { rise: f64, start: f64, end: f64 },
    Plateau { patience: u64, factor: f64, minimum: f64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipConfig {
    pub norm: Option<f64>,
    #[serde(default)]
    pub value: Option<f64>,
}

/// A running average of the weights, which then is what is measured and exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum AverageConfig {
    None {},
    /// Exponential moving average.
    Ema {
        decay: f64,
    },
    /// Mean of all weights since `start_step`, or since the validation loss stopped falling.
    Asgd {
        start_step: Option<u64>,
        interval: usize,
    },
}

impl Default for AverageConfig {
    fn default() -> Self {
        AverageConfig::None {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precision {
    Float32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainingConfig {
    /// Of values (forecast, regress); the other tasks have their cross-entropies.
    #[serde(default)]
    pub loss: ValueLoss,
    pub optimizer: OptimizerConfig,
    pub schedule: ScheduleConfig,
    pub clip: ClipConfig,
    #[serde(default)]
    pub decay: Decay,
    #[serde(default)]
    pub average: AverageConfig,
    #[serde(default)]
    pub label_smoothing: f64,
    pub batch_size: usize,
    pub sequence_length: usize,
    /// Tokens that a gradient reaches back over; none: as many as a step goes forward.
    #[serde(default)]
    pub backward_length: Option<usize>,
    /// Batches whose gradients make one update.
    #[serde(default = "one")]
    pub accumulate: usize,
    pub max_steps: Option<u64>,
    pub max_epochs: Option<u64>,
    pub seed: u64,
    pub threads: Option<usize>,
    pub precision: Precision,
    /// What products round their operands to.
    #[serde(default)]
    pub products: NumberFormat,
}

fn one() -> usize {
    1
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluationConfig {
    pub every_steps: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointConfig {
    pub every_steps: u64,
    pub every_seconds: f64,
    pub keep: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    pub patience: Option<u64>,
}

/// The probe as a person configures it; the trainer gets a resolved `Probe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeConfig {
    pub text: Option<String>,
    pub split: SplitName,
    pub window: u64,
    pub every_ms: u64,
}

/// A whole `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunConfig {
    pub dataset: String,
    pub task: TaskConfig,
    pub model: ModelConfig,
    pub training: TrainingConfig,
    pub evaluation: EvaluationConfig,
    pub checkpoint: CheckpointConfig,
    pub early_stopping: EarlyStoppingConfig,
    pub probe: ProbeConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SplitName {
    Train,
    Validation,
    Test,
}

impl SplitName {
    pub const ALL: [SplitName; 3] = [SplitName::Train, SplitName::Validation, SplitName::Test];

    pub fn name(self) -> &'static str {
        match self {
            SplitName::Train => "train",
            SplitName::Validation => "validation",
            SplitName::Test => "test",
        }
    }
}

/// One value per split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Splits<T> {
    pub train: T,
    pub validation: T,
    pub test: T,
}

impl<T> Splits<T> {
    pub fn get(&self, split: SplitName) -> &T {
        match split {
            SplitName::Train => &self.train,
            SplitName::Validation => &self.validation,
            SplitName::Test => &self.test,
        }
    }

    pub fn get_mut(&mut self, split: SplitName) -> &mut T {
        match split {
            SplitName::Train => &mut self.train,
            SplitName::Validation => &mut self.validation,
            SplitName::Test => &mut self.test,
        }
    }
}

/// Half-open `[start, end)`.
pub type Span = (u64, u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    pub mean: Vec<f64>,
    pub deviation: Vec<f64>,
}

/// A text on disk: unsigned little-endian tokens, two or four bytes each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenData {
    pub path: PathBuf,
    pub bytes_per_token: u8,
    pub vocabulary_size: usize,
    pub split: Splits<Span>,
}

/// A table on disk: little-endian float32 `[rows, columns]`, NaN where a value is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeriesData {
    pub path: PathBuf,
    pub rows: usize,
    pub columns: usize,
    /// Columns fed to the model, targets first.
    pub inputs: Vec<usize>,
    pub target_count: usize,
    pub scaler: Scaler,
    pub lookback: usize,
    pub horizon: usize,
    pub subtract_last: bool,
    pub season: usize,
    /// Ranges of window starts; a window reads rows `start .. start + lookback + horizon`.
    pub windows: Splits<Vec<Span>>,
}

/// What the steps of a sequence hold, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum SequenceContent {
    /// float32 `[steps, columns]`, and float32 `[sequences, targetColumns]` in `targets.bin`.
    Values {
        columns: usize,
        /// Columns fed to the model.
        inputs: Vec<usize>,
        scaler: Scaler,
        target_columns: usize,
        /// Columns of the targets that are learned.
        targets: Vec<usize>,
        target_scaler: Scaler,
    },
    /// Bytes 0 or 1 `[steps, columns]`; the target of a step is the step after it.
    Bits { columns: usize },
    /// uint16 `[steps]`, and uint16 `[steps]` in `targets.bin`: 65535 = no label is asked for here.
    Labels { vocabulary_size: usize, label_count: usize },
}

/// Sequences on disk, one behind the other: `values.bin`, beside it `lengths.bin` (uint32 per sequence) and, where the
/// content says so, `targets.bin`; all little-endian.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SequenceData {
    pub path: PathBuf,
    pub sequences: usize,
    /// Of all sequences together.
    pub steps: usize,
    pub content: SequenceContent,
    /// Ranges of sequences.
    pub split: Splits<Span>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum DataConfig {
    Tokens(TokenData),
    Series(SeriesData),
    Sequences(SequenceData),
}

/// The sequence whose gates are recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Probe {
    Tokens { tokens: Vec<u32>, every_ms: u64 },
    Window { start: u64, every_ms: u64 },
}

impl Probe {
    pub fn every_ms(&self) -> u64 {
        match self {
            Probe::Tokens { every_ms, .. } | Probe::Window { every_ms, .. } => *every_ms,
        }
    }
}

/// Everything one training needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainJob {
    pub run: String,
    pub directory: PathBuf,
    pub config: RunConfig,
    pub data: DataConfig,
    pub probe: Probe,
    pub sample_prompt: Vec<u32>,
    pub threads: usize,
    pub resume_from: Option<PathBuf>,
    /// A safetensors file with every weight under its own name: a new training starts from them, not from drawn ones.
    #[serde(default)]
    pub initial_weights: Option<PathBuf>,
}

/// The part of a job that an evaluation needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluationJob {
    pub config: RunConfig,
    pub data: DataConfig,
    pub threads: usize,
}

impl RunConfig {
    /// The model of this configuration on this data.
    ///
    /// Errors: `CONFIG_INVALID` where task and data do not belong together or a language model looks ahead.
    pub fn model_spec(&self, data: &DataConfig) -> Result<ModelSpec, EngineError> {
        let layers: Vec<LayerSpec> = self
            .model
            .layers
            .iter()
            .map(|layer| LayerSpec {
                cell: layer.cell.clone(),
                options: layer.options.clone(),
                hidden_size: layer.hidden_size,
                bidirectional: layer.bidirectional,
                dropout: layer.dropout,
                projection_size: layer.projection_size,
                variational: layer.dropout_kind == DropoutKind::Variational,
                residual: layer.residual,
                layer_norm: layer.layer_norm,
                weight_drop: layer.weight_drop,
                zoneout_hidden: layer.zoneout_hidden,
                zoneout_cell: layer.zoneout_cell,
            })
            .collect();
        let options = ModelOptions {
            attention: self.model.attention.kind,
            initialization: self.model.initialization,
            tie_weights: self.model.tie_weights,
            initial_state: self.model.initial_state,
            embedding_dropout: self.model.embedding_dropout,
            loss: self.training.loss,
        };
        match (&self.task, data) {
            (TaskConfig::LanguageModel {}, DataConfig::Tokens(tokens)) => {
                if let Some(layer) = layers.iter().position(|layer| layer.bidirectional) {
                    return Err(EngineError::at(
                        "CONFIG_INVALID",
                        format!("model.layers.{layer}.bidirectional"),
                        "a language model cannot read in both directions: it would see the tokens it is to predict; set bidirectional to false",
                    ));
                }
                Ok(ModelSpec {
                    input: InputSpec::Tokens {
                        vocabulary_size: tokens.vocabulary_size,
                        embedding_size: self.model.embedding_size,
                    },
                    layers,
                    head: HeadSpec { output_size: tokens.vocabulary_size, mode: HeadMode::EveryStep },
                    options,
                })
            }
            (TaskConfig::Forecast { .. }, DataConfig::Series(series)) => Ok(ModelSpec {
                input: InputSpec::Series { input_size: series.inputs.len() },
                layers,
                head: HeadSpec { output_size: series.horizon * series.target_count, mode: HeadMode::LastStep },
                options,
            }),
            (task, DataConfig::Sequences(data)) => {
                sequence_spec(task, data, layers, self.model.embedding_size, options)
            }
            _ => Err(unfitting()),
        }
    }
}

fn unfitting() -> EngineError {
    EngineError::at(
        "CONFIG_INVALID",
        "task.kind",
        "the task does not fit the dataset: a language model needs a text, a forecast a table, the other tasks sequences",
    )
}

/// The model of a task on sequences.
fn sequence_spec(
    task: &TaskConfig,
    data: &SequenceData,
    layers: Vec<LayerSpec>,
    embedding_size: usize,
    options: ModelOptions,
) -> Result<ModelSpec, EngineError> {
    let (input, output_size, mode) = match (task, &data.content) {
        (TaskConfig::Regress { .. }, SequenceContent::Values { inputs, targets, .. }) => {
            (InputSpec::Series { input_size: inputs.len() }, targets.len(), HeadMode::LastStep)
        }
        (TaskConfig::BinaryVectors {}, &SequenceContent::Bits { columns }) => {
            if let Some(layer) = layers.iter().position(|layer| layer.bidirectional) {
                return Err(EngineError::at(
                    "CONFIG_INVALID",
                    format!("model.layers.{layer}.bidirectional"),
                    "a model of the next vector cannot read in both directions: it would see what it is to predict; set bidirectional to false",
                ));
            }
            (InputSpec::Series { input_size: columns }, columns, HeadMode::EveryStep)
        }
        (TaskConfig::Label {}, &SequenceContent::Labels { vocabulary_size, label_count }) => {
            (InputSpec::Tokens { vocabulary_size, embedding_size }, label_count, HeadMode::EveryStep)
        }
        _ => return Err(unfitting()),
    };
    Ok(ModelSpec { input, layers, head: HeadSpec { output_size, mode }, options })
}

impl ScheduleConfig {
    /// Validations without a new best after which the rate is lowered; none for the schedules that know their way.
    pub fn patience(&self) -> Option<u64> {
        match *self {
            ScheduleConfig::Plateau { patience, .. } => Some(patience.max(1)),
            _ => None,
        }
    }
}

impl TrainingConfig {
    /// The update rule at a learning rate.
    pub fn update(&self, learning_rate: f64) -> Update {
        let optimizer = match self.optimizer {
            OptimizerConfig::Sgd { momentum, nesterov, weight_decay, .. } => {
                Optimizer::Sgd { momentum, nesterov, weight_decay }
            }
            OptimizerConfig::Adam { beta1, beta2, epsilon, weight_decay, .. } => {
                Optimizer::Adam { beta1, beta2, eps: epsilon, weight_decay }
            }
            OptimizerConfig::AdamW { beta1, beta2, epsilon, weight_decay, .. } => {
                Optimizer::AdamW { beta1, beta2, eps: epsilon, weight_decay }
            }
            OptimizerConfig::NAdam { beta1, beta2, epsilon, weight_decay, .. } => {
                Optimizer::NAdam { beta1, beta2, eps: epsilon, weight_decay }
            }
            OptimizerConfig::RmsProp { alpha, epsilon, momentum, weight_decay, .. } => {
                Optimizer::RmsProp { alpha, eps: epsilon, momentum, weight_decay }
            }
            OptimizerConfig::Adagrad { epsilon, weight_decay, .. } => Optimizer::Adagrad { eps: epsilon, weight_decay },
            OptimizerConfig::Lion { beta1, beta2, weight_decay, .. } => Optimizer::Lion { beta1, beta2, weight_decay },
        };
        Update { optimizer, learning_rate, clip_norm: self.clip.norm, seed: self.seed }
    }

    /// What a step of it does besides, as far as it is the same at every step.
    pub fn step_options(&self) -> StepOptions {
        StepOptions {
            clip_value: self.clip.value,
            decay: self.decay,
            label_smoothing: self.label_smoothing,
            ..StepOptions::default()
        }
    }

    /// Tokens that a gradient reaches back over.
    pub fn reach(&self) -> usize {
        self.backward_length.unwrap_or(0).max(self.sequence_length)
    }

    pub fn set_base_rate(&mut self, rate: f64) {
        match &mut self.optimizer {
            OptimizerConfig::Sgd { learning_rate, .. }
            | OptimizerConfig::Adam { learning_rate, .. }
            | OptimizerConfig::AdamW { learning_rate, .. }
            | OptimizerConfig::NAdam { learning_rate, .. }
            | OptimizerConfig::RmsProp { learning_rate, .. }
            | OptimizerConfig::Adagrad { learning_rate, .. }
            | OptimizerConfig::Lion { learning_rate, .. } => *learning_rate = rate,
        }
    }

    /// Learning rate before any schedule.
    pub fn base_rate(&self) -> f64 {
        match self.optimizer {
            OptimizerConfig::Sgd { learning_rate, .. }
            | OptimizerConfig::Adam { learning_rate, .. }
            | OptimizerConfig::AdamW { learning_rate, .. }
            | OptimizerConfig::NAdam { learning_rate, .. }
            | OptimizerConfig::RmsProp { learning_rate, .. }
            | OptimizerConfig::Adagrad { learning_rate, .. }
            | OptimizerConfig::Lion { learning_rate, .. } => learning_rate,
        }
    }
}
