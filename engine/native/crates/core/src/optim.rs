//! Clipping and the optimisers' updates, in the forms of `torch.optim`.

use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::elementwise::{AdamBlock, LionBlock, RmsBlock, SgdBlock};
use crate::spec::{Optimizer, Update};

/// What an optimiser keeps between steps: prefixes of its tensors' names in files, none where it keeps nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Running mean of the gradients, or momentum.
    pub first: Option<&'static str>,
    /// Running mean or sum of their squares.
    pub second: Option<&'static str>,
}

const MEAN: &str = "exp_avg.";
const MOMENTUM: &str = "momentum.";
const MEAN_OF_SQUARES: &str = "exp_avg_sq.";
const SQUARES: &str = "square_avg.";
const SUM: &str = "sum.";

impl Moments {
    /// What an optimiser kept that wrote tensors of these names.
    pub fn of_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let found = |prefixes: &[&'static str]| {
            prefixes.iter().copied().find(|prefix| names.clone().any(|name| name.starts_with(prefix)))
        };
        Moments { first: found(&[MEAN, MOMENTUM]), second: found(&[MEAN_OF_SQUARES, SQUARES, SUM]) }
    }
}

impl Optimizer {
    pub fn moments(&self) -> Moments {
        let momentum = |factor: f64| (factor != 0.0).then_some(MOMENTUM);
        let (first, second) = match *self {
            Optimizer::Sgd { momentum: factor, .. } => (momentum(factor), None),
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } | Optimizer::NAdam { .. } => {
                (Some(MEAN), Some(MEAN_OF_SQUARES))
            }
            Optimizer::RmsProp { momentum: factor, .. } => (momentum(factor), Some(SQUARES)),
            Optimizer::Adagrad { .. } => (None, Some(SUM)),
            Optimizer::Lion { .. } => (Some(MEAN), None),
        };
        Moments { first, second }
    }

    /// The same rule for weights that the decay leaves alone.
    pub fn without_decay(mut self) -> Self {
        match &mut self {
            Optimizer::Sgd { weight_decay, .. }
            | Optimizer::Adam { weight_decay, .. }
            | Optimizer::AdamW { weight_decay, .. }
            | Optimizer::NAdam { weight_decay, .. }
            | Optimizer::RmsProp { weight_decay, .. }
            | Optimizer::Adagrad { weight_decay, .. }
            | Optimizer::Lion { weight_decay, .. } => *weight_decay = 0.0,
        }
        self
    }
}

/// Factor of all gradients that brings their global norm down to `most`.
pub fn clip_factor(norm: f64, most: Option<f64>) -> f64 {
    most.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0))
}

/// A stretch of the flat arrays; `count` is a multiple of 16.
#[derive(Clone, Copy)]
pub struct Stretch<E> {
    pub weights: *mut E,
    pub gradients: *const E,
    /// Means of gradients, or momentum; null where the optimiser keeps nothing.
    pub first: *mut E,
    /// Means or sums of squares; null where the optimiser keeps none.
    pub second: *mut E,
    pub count: usize,
}

/// Updates one stretch. `step` counts finished updates, so the first update has step 0.
///
/// # Safety
/// The stretch must be readable and writable, and nobody else may touch it.
pub unsafe fn update_stretch<E: Element>(
    kernels: &Kernels<E>,
    stretch: Stretch<E>,
    update: &Update,
    step: u64,
    clip: f64,
) {
    let rate = update.learning_rate;
    let e = E::from_f64;
    unsafe {
        match update.optimizer {
            Optimizer::Sgd { momentum, nesterov, weight_decay } => (kernels.sgd)(SgdBlock {
                weights: stretch.weights,
                gradients: stretch.gradients,
                velocity: stretch.first,
                count: stretch.count,
                clip: e(clip),
                learning_rate: e(rate),
                momentum: e(momentum),
                nesterov,
                decay_gradient: e(weight_decay),
            }),
            Optimizer::Adam { beta1, beta2, eps, weight_decay } => {
                (kernels.adam)(adam(stretch, [beta1, beta2, eps], rate, step, clip, weight_decay, 1.0))
            }
            Optimizer::AdamW { beta1, beta2, eps, weight_decay } => {
                (kernels.adam)(adam(stretch, [beta1, beta2, eps], rate, step, clip, 0.0, 1.0 - rate * weight_decay))
            }
            Optimizer::NAdam { beta1, beta2, eps, weight_decay } => {
                let block = adam(stretch, [beta1, beta2, eps], rate, step, clip, weight_decay, 1.0);
                let (of_mean, of_gradient) = nadam_shares(beta1, step);
                (kernels.adam)(AdamBlock {
                    step_size: e(rate * of_mean),
                    gradient_size: e(rate * of_gradient),
                    ..block
                });
            }
            Optimizer::RmsProp { alpha, eps, momentum, weight_decay } => (kernels.rms)(RmsBlock {
                weights: stretch.weights,
                gradients: stretch.gradients,
                velocity: stretch.first,
                squares: stretch.second,
                count: stretch.count,
                clip: e(clip),
                learning_rate: e(rate),
                keep: e(alpha),
                add: e(1.0 - alpha),
                eps: e(eps),
                momentum: e(momentum),
                decay_gradient: e(weight_decay),
            }),
            Optimizer::Adagrad { eps, weight_decay } => (kernels.rms)(RmsBlock {
                weights: stretch.weights,
                gradients: stretch.gradients,
                velocity: std::ptr::null_mut(),
                squares: stretch.second,
                count: stretch.count,
                clip: e(clip),
                learning_rate: e(rate),
                keep: E::ONE,
                add: E::ONE,
                eps: e(eps),
                momentum: E::ZERO,
                decay_gradient: e(weight_decay),
            }),
            Optimizer::Lion { beta1, beta2, weight_decay } => (kernels.lion)(LionBlock {
                weights: stretch.weights,
                gradients: stretch.gradients,
                mean: stretch.first,
                count: stretch.count,
                clip: e(clip),
                learning_rate: e(rate),
                beta1: e(beta1),
                beta2: e(beta2),
                rest1: e(1.0 - beta1),
                rest2: e(1.0 - beta2),
                keep_weight: e(1.0 - rate * weight_decay),
            }),
        }
    }
}

/// Shares of the mean and of the gradient itself in NAdam's update number `step` (from 0), corrected for the start
/// (`torch.optim.NAdam` with its usual momentum decay of 0.004).
fn nadam_shares(beta1: f64, step: u64) -> (f64, f64) {
    let momentum = |t: u64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * 0.004));
    let now = step + 1;
    // Each factor is below beta1, so that the product soon is nothing beside 1.
    let mut product = 1.0;
    for t in 1..=now {
        product *= momentum(t);
        if product < 1e-20 {
            product = 0.0;
            break;
        }
    }
    let next = momentum(now + 1);
    (next / (1.0 - product * next), (1.0 - momentum(now)) / (1.0 - product))
}

fn adam<E: Element>(
    stretch: Stretch<E>,
    [beta1, beta2, eps]: [f64; 3],
    rate: f64,
    step: u64,
    clip: f64,
    decay_gradient: f64,
    keep_weight: f64,
) -> AdamBlock<E> {
    let e = E::from_f64;
    let power = (step + 1) as f64;
    AdamBlock {
        weights: stretch.weights,
        gradients: stretch.gradients,
        first: stretch.first,
        second: stretch.second,
        count: stretch.count,
        clip: e(clip),
        beta1: e(beta1),
        beta2: e(beta2),
        rest1: e(1.0 - beta1),
        rest2: e(1.0 - beta2),
        eps: e(eps),
        step_size: e(rate / (1.0 - beta1.powf(power))),
        gradient_size: E::ZERO,
        second_scale: e(1.0 / (1.0 - beta2.powf(power)).sqrt()),
        decay_gradient: e(decay_gradient),
        keep_weight: e(keep_weight),
    }
}
