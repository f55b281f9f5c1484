//! What a training step may do besides forward, backward, clipping by norm and update.

use serde::{Deserialize, Serialize};

use crate::params::Tensor;

/// Which weights the optimiser's decay pulls towards 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Every number, as `torch.optim` does with one group of parameters.
    #[default]
    All,
    /// Matrices alone: no biases, no gains of a norm, no peepholes.
    Weights,
    /// The same without the embedding, whose rows only move in steps that read them.
    WeightsWithoutEmbedding,
}

impl Decay {
    pub fn reaches(self, tensor: &Tensor) -> bool {
        match self {
            Decay::All => true,
            Decay::Weights => tensor.shape.len() > 1,
            Decay::WeightsWithoutEmbedding => tensor.shape.len() > 1 && !tensor.name.starts_with("embedding."),
        }
    }
}

/// Place of a batch among those whose gradients make one update together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub number: usize,
    /// The update follows this one.
    pub is_last: bool,
}

impl Part {
    pub const WHOLE: Self = Part { number: 0, is_last: true };
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOptions {
    /// Largest absolute value of a gradient, cut after the scaling by norm.
    pub clip_value: Option<f64>,
    pub decay: Decay,
    /// Share of the target's probability that is spread evenly over all classes (tokens only).
    pub label_smoothing: f64,
    /// The stored states are those after so many steps of the batch; none: after all of them. One direction only.
    pub carry_after: Option<usize>,
    pub part: Part,
    /// Counter of the dropout masks where it is not the step.
    pub draw: Option<u64>,
    /// Share of the new weights in their running average after the update; none: the average stays.
    pub average: Option<f64>,
}

impl Default for StepOptions {
    fn default() -> Self {
        StepOptions {
            clip_value: None,
            decay: Decay::All,
            label_smoothing: 0.0,
            carry_after: None,
            part: Part::WHOLE,
            draw: None,
            average: None,
        }
    }
}
