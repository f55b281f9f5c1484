//! What is measured of a model, and the lines of `metrics.jsonl` (`engine/contracts/run.ts`).

use serde::Serialize;

use crate::config::SplitName;
use crate::model::Movement;
use crate::train::{Change, GateSaturation, LagNorms};

/// Of a language model. The state is carried in one stream over all measured tokens: the numbers are those of
/// reading the text once from its start, exactly. A measurement may be bounded to the first tokens of a long
/// split; `tokens` says how many counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LanguageModelMetrics {
    /// Nats per token.
    pub loss: f64,
    pub bits_per_character: f64,
    pub perplexity: f64,
    pub tokens: u64,
}

impl LanguageModelMetrics {
    pub fn new(loss: f64, tokens: u64) -> Self {
        LanguageModelMetrics {
            loss,
            bits_per_character: loss / std::f64::consts::LN_2,
            // JSON knows no infinity.
            perplexity: loss.exp().min(f64::MAX),
            tokens,
        }
    }
}

/// Mean squared and mean absolute error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    pub mse: f64,
    pub mae: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeasonalErrors {
    pub mse: f64,
    pub mae: f64,
    pub season: usize,
}

/// Standardized errors of naive forecasts on the same windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Baselines {
    /// Repeats the window's last value.
    pub last: Errors,
    /// Repeats the value one season before (the last value where the table has none there); null without a season.
    pub seasonal: Option<SeasonalErrors>,
}

/// Of a forecast; `loss` as trained, `loss`, `mse`, `mae` standardized.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ForecastMetrics {
    pub loss: f64,
    pub mse: f64,
    pub mae: f64,
    pub raw: Errors,
    pub baselines: Baselines,
    pub windows: u64,
}

/// Of a value from a sequence; `loss` as trained (scaled), the errors in the targets' own units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RegressMetrics {
    pub loss: f64,
    pub mse: f64,
    pub mae: f64,
    /// Coefficient of determination: 1 - squared errors / squared distances from the split's own mean, averaged over
    /// the targets; null where a target does not vary.
    pub r2: Option<f64>,
    /// Always answering the mean of the training targets.
    pub baseline: Errors,
    pub sequences: u64,
}

/// Of vectors of zeros and ones, each vector from those before it in its own sequence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BinaryVectorMetrics {
    /// Nats per vector, summed over its entries: the literature's negative log-likelihood per frame.
    pub loss: f64,
    /// The same for always giving each entry its share of ones in training ((n + 1) / (N + 2)).
    pub baseline: f64,
    /// Predicted vectors: all but the first of each sequence.
    pub frames: u64,
    pub sequences: u64,
}

/// Loss and share of right answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LabelScores {
    pub loss: f64,
    pub accuracy: f64,
}

/// Of labels in a sequence; only steps with a label count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelMetrics {
    /// Nats per label.
    pub loss: f64,
    pub accuracy: f64,
    /// Share of sequences whose labels are all right.
    pub sequences_right: f64,
    /// Answering by the frequencies of the labels in training, blind to the input.
    pub baseline: LabelScores,
    pub labels: u64,
    pub sequences: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    LanguageModel(LanguageModelMetrics),
    Forecast(ForecastMetrics),
    Regress(RegressMetrics),
    BinaryVectors(BinaryVectorMetrics),
    Label(LabelMetrics),
}

impl Metrics {
    pub fn loss(&self) -> f64 {
        match self {
            Metrics::LanguageModel(metrics) => metrics.loss,
            Metrics::Forecast(metrics) => metrics.loss,
            Metrics::Regress(metrics) => metrics.loss,
            Metrics::BinaryVectors(metrics) => metrics.loss,
            Metrics::Label(metrics) => metrics.loss,
        }
    }
}

/// One finished step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    pub step: u64,
    /// Epoch of the step's batch, from 1.
    pub epoch: u64,
    pub loss: f64,
    /// Before clipping.
    pub gradient_norm: f64,
    pub learning_rate: f64,
    pub elapsed_ms: f64,
    pub tokens_per_second: f64,
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum MetricsRecord {
    Step(StepRecord),
    Evaluation {
        step: u64,
        split: SplitName,
        metrics: Metrics,
        best: bool,
    },
    Sample {
        step: u64,
        tokens: Vec<u32>,
    },
    /// How far one update moved the weights of each part of the model.
    Movement {
        step: u64,
        groups: Vec<GroupMovement>,
    },
    /// Gates over the probe that are stuck at an end.
    Saturation {
        step: u64,
        gates: Vec<GateSaturation>,
    },
    /// How far back a gradient reaches over the probe.
    Lags {
        step: u64,
        layers: Vec<LagNorms>,
    },
    /// A setting changed while the run trained.
    Change(Change),
}

/// ‖Δw‖ / ‖w‖ of one part of the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupMovement {
    pub name: String,
    pub ratio: f64,
}

impl MetricsRecord {
    pub fn movement(step: u64, movements: Vec<Movement>) -> Self {
        let groups = movements.into_iter().map(|Movement { group, ratio }| GroupMovement { name: group, ratio });
        MetricsRecord::Movement { step, groups: groups.collect() }
    }
}
