//! DropConnect on the recurrent weights (Wan et al. 2013; Merity, Keskar & Socher 2018): in training every update draws
//! which of them are 0, the same for all steps of its sequences, and divides the others by the share that is left.

use super::direction::Direction;
use super::masks::{Masks, kept};
use super::stack::Pass;
use crate::buffer::Buffer;
use crate::element::Element;
use crate::rng::Purpose;
use crate::simd::LANES;

/// The weights of this update and the factors they were made with, packed as the weights are.
pub struct WeightDrop<E: Element> {
    share: f32,
    /// Layer and direction.
    index: u32,
    weights: Buffer<E>,
    mask: Buffer<E>,
}

impl<E: Element> WeightDrop<E> {
    /// None where nothing is dropped.
    pub fn new(share: f32, index: u32) -> Option<Self> {
        (share > 0.0).then(|| WeightDrop { share, index, weights: Buffer::new(0), mask: Buffer::new(0) })
    }

    pub fn reserve(&mut self, numbers: usize) {
        self.weights.reserve(numbers);
        self.mask.reserve(numbers);
    }
}

impl<E: Element> Direction<E> {
    /// Recurrent weights as the pass multiplies with them.
    pub(super) fn recurrent_weights(&self, pass: &Pass<E>) -> *const E {
        match &self.weight_drop {
            Some(drop) if pass.dropout.is_some() => drop.weights.at(0),
            _ => pass.weights.wrapping_add(self.weight_hh),
        }
    }

    /// Where a panel's recurrent weights begin behind `weight_hh`, with the numbers per row: one block, and a second
    /// one where some gates belong to a second product.
    fn recurrent_blocks(&self, panel: usize) -> impl Iterator<Item = (usize, usize)> + use<E> {
        let (first, all) = (self.recurrent_line(), self.layout.recurrent.gates.len() * LANES);
        let (panels, inner) = (self.panels, self.output_width);
        let second = (panels * inner * first + panel * inner * (all - first), all - first);
        [(panel * inner * first, first), second].into_iter().filter(|block| block.1 > 0)
    }

    /// Makes the weights of this update for some unit panels.
    ///
    /// # Safety
    /// As in `layers`; each panel belongs to one worker.
    pub(super) unsafe fn drop_weights(&self, pass: &Pass<E>, panels: std::ops::Range<usize>) {
        let (Some(drop), Some(update)) = (&self.weight_drop, pass.dropout) else { return };
        let masks = Masks::new(Purpose::WeightDrop, drop.index, drop.share, update);
        for panel in panels {
            for (block, (first, line)) in self.recurrent_blocks(panel).enumerate() {
                for k in 0..self.output_width {
                    let at = first + k * line;
                    unsafe {
                        let mask = std::slice::from_raw_parts_mut(drop.mask.at(at), line);
                        masks.fill(mask, kept(drop.share), [(block * self.panels + panel) as u32, k as u32]);
                        for (i, &factor) in mask.iter().enumerate() {
                            *drop.weights.at(at + i) = *pass.weights.add(self.weight_hh + at + i) * factor;
                        }
                    }
                }
            }
        }
    }

    /// Turns the gradient of the dropped weights into that of the weights, for some unit panels.
    ///
    /// # Safety
    /// As `drop_weights`.
    pub(super) unsafe fn drop_gradient(&self, pass: &Pass<E>, panels: std::ops::Range<usize>) {
        let (Some(drop), Some(_)) = (&self.weight_drop, pass.dropout) else { return };
        for (first, line) in panels.flat_map(|panel| self.recurrent_blocks(panel)) {
            for at in first..first + self.output_width * line {
                unsafe {
                    let gradient = pass.gradients.add(self.weight_hh + at);
                    *gradient = *gradient * *drop.mask.at(at);
                }
            }
        }
    }
}
