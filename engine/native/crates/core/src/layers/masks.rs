//! Masks of dropout and its kin. Every factor is a function of seed, update and place, so that none depends on threads,
//! on padding or on a resume.

use crate::element::Element;
use crate::rng::{Purpose, Rng};

/// A family of masks for one update.
#[derive(Debug, Clone, Copy)]
pub struct Masks {
    rng: Rng,
    step: u32,
    limit: u32,
}

impl Masks {
    /// Factors that are 0 with probability `share`, for `purpose` and what `index` stands for (layer and direction).
    pub fn new(purpose: Purpose, index: u32, share: f32, (seed, step): (u64, u64)) -> Self {
        let rng = Rng::new(seed, purpose, index ^ ((step >> 32) as u32).rotate_left(16));
        Masks { rng, step: step as u32, limit: (share as f64 * 4_294_967_296.0) as u32 }
    }

    /// Sets `mask` to 0 where dropped and to `kept` elsewhere; `place` tells rows of one update apart.
    pub fn fill<E: Element>(&self, mask: &mut [E], kept: E, place: [u32; 2]) {
        for (block, factors) in mask.chunks_mut(4).enumerate() {
            let draws = self.rng.block([block as u32, place[1], place[0], self.step]);
            for (factor, draw) in factors.iter_mut().zip(draws) {
                *factor = if draw < self.limit { E::ZERO } else { kept };
            }
        }
    }
}

/// What inverted dropout multiplies the rest with, so that the expected value stays: 1 / (1 - share).
pub fn kept<E: Element>(share: f32) -> E {
    E::from_f64(1.0 / (1.0 - share as f64))
}

/// The step that variational dropout draws for, whatever the step: the mask is that of the whole sequence.
pub const EVERY_STEP: u32 = u32::MAX;
