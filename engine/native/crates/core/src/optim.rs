//! Clipping and the optimisers' updates, in the forms of `torch.optim`.

use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::elementwise::{AdamBlock, SgdBlock};
use crate::spec::{Optimizer, Update};

/// What an optimiser keeps between steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moments {
    Nothing,
    /// `momentum.<name>`
    Momentum,
    /// `exp_avg.<name>`, `exp_avg_sq.<name>`
    Adam,
}

impl Optimizer {
    pub fn moments(&self) -> Moments {
        match *self {
            Optimizer::Sgd { momentum: 0.0, .. } => Moments::Nothing,
            Optimizer::Sgd { .. } => Moments::Momentum,
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } => Moments::Adam,
        }
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
    /// Means of squares; null but for Adam.
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
        }
    }
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
        second_scale: e(1.0 / (1.0 - beta2.powf(power)).sqrt()),
        decay_gradient: e(decay_gradient),
        keep_weight: e(keep_weight),
    }
}
