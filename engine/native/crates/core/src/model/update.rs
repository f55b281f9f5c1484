//! The end of a training step: gradients summed over batches, clipping, update, running average; and how far the
//! weights moved.

use super::{BLOCK, Model, Work};
use crate::buffer::Buffer;
use crate::element::Element;
use crate::kernels::blend::{Blend, Clamp};
use crate::kernels::elementwise::SquareSum;
use crate::layers::Kept;
use crate::optim::{Stretch, clip_factor, update_stretch};
use crate::pool::Worker;
use crate::spec::{LossSum, NamedTensor, Update};
use crate::step::{Decay, Part, StepOptions};

/// Gradients and loss of the batches of an update so far.
pub(super) struct Summed<E: Element> {
    /// Their mean over the valid targets so far; only where an update has several batches.
    gradients: Buffer<E>,
    pub loss: LossSum,
}

impl<E: Element> Default for Summed<E> {
    fn default() -> Self {
        Summed { gradients: Buffer::new(0), loss: LossSum::default() }
    }
}

impl<E: Element> Summed<E> {
    pub fn prepare(&mut self, part: Part, length: usize) {
        if part.number == 0 {
            self.loss = LossSum::default();
        }
        if part != Part::WHOLE {
            self.gradients.reserve(length);
        }
    }

    pub fn add(&mut self, loss: LossSum) {
        self.loss = LossSum { sum: self.loss.sum + loss.sum, count: self.loss.count + loss.count };
    }
}

/// How much the weights of one part of the model moved in one update.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// `embedding`, `l0`, `l1`, …, `head`
    pub group: String,
    /// ‖Δw‖ / ‖w‖ over all tensors of the group, w before the update; 0 where w is 0.
    pub ratio: f64,
}

impl<E: Element> Model<E> {
    /// Whatever follows a finite batch: adds its gradient to those before, and at the last one clips, updates and
    /// averages. Gives the norm of the update's gradient.
    ///
    /// # Safety
    /// To be run by all workers together, after a barrier that follows `gradient_norm`.
    pub(super) unsafe fn finish_batch(
        &self,
        work: &Work<E>,
        (update, step): (&Update, u64),
        count: usize,
        batch_norm: f64,
        worker: &Worker,
    ) -> f64 {
        let options = &work.options;
        let (mut gradients, mut norm) = (self.gradients.at(0), batch_norm);
        let (first, length) = self.own_stretch(worker);
        unsafe {
            if options.part != Part::WHOLE {
                let before = self.summed.loss.count;
                let total = before + count;
                let add = if options.part.number == 0 || total == 0 { 1.0 } else { count as f64 / total as f64 };
                (self.stack.kernels.blend)(Blend {
                    from: gradients.add(first),
                    to: self.summed.gradients.at(first),
                    count: length,
                    keep: E::from_f64(1.0 - add),
                    add: E::from_f64(add),
                });
                gradients = self.summed.gradients.at(0);
                if options.part.is_last {
                    // The sums of squares of this batch are still being read.
                    worker.barrier();
                    norm = self.gradient_norm(gradients, worker);
                }
            }
            if options.part.is_last && norm.is_finite() {
                let mut clip = clip_factor(norm, update.clip_norm);
                if let Some(limit) = options.clip_value {
                    (self.stack.kernels.clamp)(Clamp {
                        values: gradients.add(first),
                        count: length,
                        scale: E::from_f64(clip),
                        limit: E::from_f64(limit),
                    });
                    clip = 1.0;
                }
                self.update_own(gradients, (first, length), (update, step), clip, options);
            }
        }
        norm
    }

    /// The worker's share of the flat arrays: first number and count.
    fn own_stretch(&self, worker: &Worker) -> (usize, usize) {
        let length = self.parameters.length;
        let own = worker.share(length.div_ceil(BLOCK));
        let first = own.start * BLOCK;
        (first.min(length), (own.end * BLOCK).min(length).saturating_sub(first))
    }

    /// Global L2 norm, the same sum in every worker; a barrier is inside.
    ///
    /// # Safety
    /// To be run by all workers together.
    pub(super) unsafe fn gradient_norm(&self, gradients: *const E, worker: &Worker) -> f64 {
        let length = self.parameters.length;
        let blocks = length.div_ceil(BLOCK);
        for block in worker.share(blocks) {
            unsafe {
                (self.stack.kernels.square_sum)(SquareSum {
                    values: gradients.add(block * BLOCK),
                    count: (length - block * BLOCK).min(BLOCK),
                    out: self.squares.at(block),
                });
            }
        }
        worker.barrier();
        self.squares.slice(blocks).iter().sum::<f64>().sqrt()
    }

    unsafe fn update_own(
        &self,
        gradients: *const E,
        (first, count): (usize, usize),
        (update, step): (&Update, u64),
        clip: f64,
        options: &StepOptions,
    ) {
        let moment =
            |buffer: &Buffer<E>, used: bool, at: usize| if used { buffer.at(at) } else { std::ptr::null_mut() };
        let end = first + count;
        for (from, to, decays) in self.decay_stretches(options.decay) {
            let (from, to) = (from.max(first), to.min(end));
            if from >= to {
                continue;
            }
            let stretch = Stretch {
                weights: self.weights.at(from),
                gradients: unsafe { gradients.add(from) },
                first: moment(&self.first_moments, self.moments.first.is_some(), from),
                second: moment(&self.second_moments, self.moments.second.is_some(), from),
                count: to - from,
            };
            let update =
                if decays { *update } else { Update { optimizer: update.optimizer.without_decay(), ..*update } };
            unsafe { update_stretch(&self.stack.kernels, stretch, &update, step, clip) };
        }
        if let Some(share) = options.average {
            unsafe {
                (self.stack.kernels.blend)(Blend {
                    from: self.weights.at(first),
                    to: self.average.at(first),
                    count,
                    keep: E::from_f64(1.0 - share),
                    add: E::from_f64(share),
                });
            }
        }
    }

    /// Stretches of the flat arrays, in order, and whether the decay reaches them.
    fn decay_stretches(&self, decay: Decay) -> Vec<(usize, usize, bool)> {
        let length = self.parameters.length;
        if decay == Decay::All {
            return vec![(0, length, true)];
        }
        let mut stretches: Vec<(usize, usize, bool)> = Vec::new();
        let tensors = &self.parameters.tensors;
        for (index, tensor) in tensors.iter().enumerate() {
            let end = tensors.get(index + 1).map_or(length, |next| next.offset);
            let decays = decay.reaches(tensor);
            match stretches.last_mut() {
                Some(last) if last.2 == decays => last.1 = end,
                _ => stretches.push((tensor.offset, end, decays)),
            }
        }
        stretches
    }

    /// Makes room for a running average; its values count from the first step with a share of 1.
    pub fn keep_average(&mut self) {
        self.average.reserve(self.parameters.length);
    }

    /// Exchanges weights and average, so that the average is what is run, measured and read; calling it again
    /// takes it back. `keep_average` must have been called.
    pub fn swap_average(&mut self) {
        std::mem::swap(&mut self.weights, &mut self.average);
        self.kept = Kept::default();
    }

    /// Sets the average; errors as `load_parameters`.
    pub fn load_average(&mut self, tensors: &[NamedTensor<E>]) -> Result<(), crate::error::EngineError> {
        self.keep_average();
        self.parameters.write(self.average.slice_mut(self.parameters.length), "", tensors)
    }

    /// Remembers the weights as they are before an update.
    pub fn remember_weights(&mut self) {
        let length = self.parameters.length;
        self.before.reserve(length);
        self.before.slice_mut(length).copy_from_slice(self.weights.slice(length));
    }

    /// How far the weights are from what `remember_weights` saw, group by group in the order of the model.
    pub fn movements(&self) -> Vec<Movement> {
        let length = self.parameters.length;
        let (now, before) = (self.weights.slice(length), self.before.slice(length));
        let mut sums: Vec<(String, f64, f64)> = Vec::new();
        for tensor in &self.parameters.tensors {
            let place = tensor.offset..tensor.offset + tensor.length;
            let (moved, size) = square_sums(&now[place.clone()], &before[place]);
            let group = group_of(&tensor.name);
            match sums.iter_mut().find(|sum| sum.0 == group) {
                Some(sum) => (sum.1, sum.2) = (sum.1 + moved, sum.2 + size),
                None => sums.push((group, moved, size)),
            }
        }
        let ratio = |moved: f64, size: f64| if size > 0.0 { (moved / size).sqrt() } else { 0.0 };
        sums.into_iter().map(|(group, moved, size)| Movement { group, ratio: ratio(moved, size) }).collect()
    }
}

/// The part of the model that a tensor belongs to: `l0` for `recurrent.weight_ih_l0_reverse`, else the first word.
fn group_of(name: &str) -> String {
    let stem = name.strip_suffix("_reverse").unwrap_or(name);
    let layer = stem.rsplit(['_', '.']).next().filter(|end| {
        end.strip_prefix('l').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    });
    layer.unwrap_or_else(|| name.split('.').next().unwrap_or(name)).to_string()
}

/// Sums of (now - before)^2 and before^2, in sixteen lanes that the compiler can keep in registers.
fn square_sums<E: Element>(now: &[E], before: &[E]) -> (f64, f64) {
    const LANES: usize = 16;
    let (mut moved, mut size) = ([0.0f64; LANES], [0.0f64; LANES]);
    for (now, before) in now.chunks_exact(LANES).zip(before.chunks_exact(LANES)) {
        for k in 0..LANES {
            let (new, old) = (now[k].to_f64(), before[k].to_f64());
            moved[k] += (new - old) * (new - old);
            size[k] += old * old;
        }
    }
    (moved.iter().sum(), size.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_grouped_by_layer() {
        for (name, group) in [
            ("embedding.weight", "embedding"),
            ("recurrent.weight_ih_l0", "l0"),
            ("recurrent.W_l11_reverse", "l11"),
            ("head.bias", "head"),
            ("recurrent.p_i_l2", "l2"),
        ] {
            assert_eq!(group_of(name), group, "{name}");
        }
    }
}
