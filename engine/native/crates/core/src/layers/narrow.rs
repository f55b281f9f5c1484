//! The forward pass of a batch with fewer rows than there are workers: the units are split instead of the rows, with
//! a barrier after every time step of a layer. Every sum is made as in `Stack::forward`, so the bits are the same.

use super::dense::RowBlocks;
use super::direction::Direction;
use super::head::Head;
use super::scan::Part;
use super::stack::{Pass, Source, Stack};
use crate::element::Element;
use crate::pool::Worker;

/// Least recurrent weights of the widest layer for which a barrier per step costs less than the work it divides.
const LEAST_WEIGHTS: usize = 64 * 64 * 4;

impl<E: Element> Stack<E> {
    /// Whether `batch` rows are so few that the workers had better share the units.
    pub fn is_narrow(&self, batch: usize, workers: usize) -> bool {
        let weights = |layer: &super::Layer<E>| {
            layer.directions.iter().map(|d| d.panels * d.width * d.recurrent_line()).max().unwrap_or(0)
        };
        // Zoneout mixes whole rows of states; a step with several phases reads all units between them; a scan has no
        // steps.
        let whole = |d: &Direction<E>| {
            let phases = d.second.is_some() || d.normalised.is_some() || d.lower.is_some();
            phases || d.zoneout.is_some() || d.kernels.is_scanned()
        };
        let mixes = self.layers.iter().flat_map(|layer| &layer.directions).any(whole);
        batch < workers && !mixes && self.layers.iter().any(|layer| weights(layer) >= LEAST_WEIGHTS)
    }

    /// All layers and the head for the whole batch; ends with a barrier.
    ///
    /// # Safety
    /// As `forward`, and run by all workers.
    pub unsafe fn forward_narrow(&self, head: &Head<E>, pass: &Pass<E>, worker: &Worker) {
        let all = RowBlocks { time: pass.time, batch: pass.batch, first: 0, count: pass.batch };
        for index in 0..self.layers.len() {
            for direction in &self.layers[index].directions {
                let own = worker.share(direction.panels);
                let tokens = index == 0 && matches!(pass.source, Source::Tokens { .. });
                unsafe {
                    if !tokens {
                        self.project(index, direction, pass, all, own.clone());
                    }
                    for step in direction.steps(pass.time) {
                        let mut forward = self.forward_step(direction, pass, all, tokens, step);
                        (forward.first_panel, forward.end_panel) = (own.start, own.end);
                        if pass.stored {
                            self.stored_sums(direction, &mut forward);
                        }
                        (direction.kernels.steps().forward)(forward);
                        worker.barrier();
                    }
                }
            }
            if self.copies_output(index, pass) {
                if worker.index == 0 {
                    unsafe { self.copy_output(index, pass, &Part::rows(all)) };
                }
                worker.barrier();
            }
        }
        unsafe {
            if worker.index == 0 {
                head.read_states(self, pass, all);
            }
            worker.barrier();
            head.forward_columns(self, pass, worker);
        }
        worker.barrier();
    }
}
