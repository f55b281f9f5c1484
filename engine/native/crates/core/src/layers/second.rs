//! The second product inside a step (`cells::Second`): its part of a direction's workspace, and what it adds to a step
//! forward and backward and to the weights' gradients. The runner of `stack` goes over the time steps.

use super::dense::{Inputs, outer_blocks};
use super::direction::Direction;
use super::stack::Pass;
use crate::buffer::Buffer;
use crate::cells::{Feed, MAX_STATES, Second, SecondKernels};
use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::outer::Outer;
use crate::kernels::product::{Product, Start};
use crate::kernels::recurrent::{BackwardStep, ForwardStep};
use crate::kernels::tile::Left;
use crate::params::transpose;
use crate::pool::Worker;
use crate::simd::LANES;

/// Shapes: R = T * B rows, W = padded hidden size, Q panels that the second product feeds, S its vectors in each.
pub struct SecondPart<E: Element> {
    kind: Kind<E>,
    /// Where its weights `[Q][W][S * 16]` begin in the flat arrays, and those transposed.
    weights: usize,
    transposed: Buffer<E>,
    panels: usize,
    line: usize,
    /// `[R][W]`: what it reads.
    middle: Buffer<E>,
    /// `[B][W]`: what reaches that from later steps, always 0.
    nothing: Buffer<E>,
}

enum Kind<E: Element> {
    /// Slots of the gate tensor, with the equations behind them.
    Gates { feed: Feed, kernels: SecondKernels<E> },
    /// h itself: `[Q][R][16]` its derivative, and `[R][W]` a place for the whole derivative of what was projected.
    Projection { derivative: Buffer<E>, unseen: Buffer<E> },
}

impl<E: Element> SecondPart<E> {
    /// `weights` is their place, `width` the padded hidden size, `output` the padded size of h.
    pub fn new(second: Second, kernels: Option<SecondKernels<E>>, weights: usize, width: usize, output: usize) -> Self {
        let (kind, panels, slots) = match second {
            Second::Gates(feed) => {
                let kernels = kernels.expect("gates of a second product have a second phase");
                (Kind::Gates { feed, kernels }, width / LANES, feed.gates.len())
            }
            Second::Projection(_) => {
                (Kind::Projection { derivative: Buffer::new(0), unseen: Buffer::new(0) }, output / LANES, 1)
            }
        };
        let line = slots * LANES;
        SecondPart {
            kind,
            weights,
            transposed: Buffer::new(panels * line * width),
            panels,
            line,
            middle: Buffer::new(0),
            nothing: Buffer::new(0),
        }
    }

    /// Makes room for `rows` = T * B.
    pub fn reserve(&mut self, rows: usize, batch: usize, width: usize, traced: bool) {
        self.middle.reserve(rows * width);
        self.nothing.reserve(batch * width);
        if let Kind::Projection { derivative, unseen } = &mut self.kind {
            derivative.reserve(rows * self.panels * LANES);
            if traced {
                unseen.reserve(rows * width);
            }
        }
    }

    /// Transposes the worker's share of the weights. A barrier must follow.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn prepare(&self, direction: &Direction<E>, pass: &Pass<E>, worker: &Worker) {
        let width = direction.width;
        let panels: Vec<_> = (0..self.panels).map(|p| (p * width * self.line, self.line)).collect();
        let own = worker.share(self.panels);
        unsafe { transpose(self.weights(direction, pass), &panels, own, width, self.transposed.at(0)) };
    }

    /// The weights as the pass multiplies with them.
    fn weights(&self, direction: &Direction<E>, pass: &Pass<E>) -> *const E {
        match &self.kind {
            Kind::Gates { .. } => direction.recurrent_weights(pass).wrapping_add(self.weights - direction.weight_hh),
            Kind::Projection { .. } => pass.weights.wrapping_add(self.weights),
        }
    }

    /// One step; `step` is that of a cell without a second product, `row` its first row.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn forward(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        row: usize,
        step: ForwardStep<E>,
    ) {
        let width = step.width;
        let middle = self.middle.at(row * width);
        let weights = self.weights(direction, pass);
        let mut first = step;
        match &self.kind {
            Kind::Gates { kernels: then, .. } => {
                // The first phase's states: what the second product reads, then the cell's own. The first of them has
                // no value before the step; any numbers serve.
                for s in 1..MAX_STATES {
                    first.previous[s] = step.previous[s - 1];
                    first.next[s] = step.next[s - 1];
                }
                first.next[0] = middle;
                unsafe {
                    (direction.kernels.steps().forward)(first);
                    (then.forward)(ForwardStep {
                        start: step.gates,
                        start_panel: step.gates_panel,
                        start_index: std::ptr::null(),
                        left: middle,
                        left_width: width,
                        weights,
                        multiply: true,
                        summed: false,
                        ..step
                    });
                }
            }
            Kind::Projection { .. } => {
                first.previous[0] = step.previous[1];
                first.next[0] = middle;
                let output = direction.output_width;
                unsafe {
                    (direction.kernels.steps().forward)(first);
                    for panel in 0..self.panels {
                        (kernels.product)(Product {
                            rows: step.rows,
                            columns: 1,
                            left: Left::rows(middle, width, width),
                            right: weights.add(panel * width * LANES),
                            start: Start::Zero,
                            out: step.next[0].add(panel * LANES),
                            out_row: output,
                        });
                    }
                    for row in (0..step.rows).filter(|&row| !step.valid.row(row)) {
                        let carried = step.previous[0].add(row * output);
                        step.next[0].add(row * output).copy_from_nonoverlapping(carried, output);
                    }
                }
            }
        }
    }

    /// One step back; `step` is that of a cell without a second product, `row` its first row and `sequence` the first
    /// row of the batch.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn backward(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        row: usize,
        sequence: usize,
        step: BackwardStep<E>,
    ) {
        let width = step.width;
        let mut first = BackwardStep {
            above: std::ptr::null(),
            weights_transposed: self.transposed.at(0),
            following_panels: self.panels,
            ..step
        };
        first.carry[0] = self.nothing.at(sequence * width);
        unsafe {
            match &self.kind {
                Kind::Gates { kernels: then, .. } => {
                    (then.backward)(step);
                    first.following = step.gates;
                    for s in 1..MAX_STATES {
                        first.carry[s] = step.carry[s - 1];
                        first.previous[s] = step.previous[s - 1];
                        first.state[s] = step.state[s - 1];
                    }
                    first.total = [std::ptr::null_mut(); MAX_STATES];
                }
                Kind::Projection { derivative, unseen } => {
                    // The gate tensor has as many rows per panel as this one.
                    let rows = step.gates_panel / direction.line();
                    let derivative = derivative.at(row * LANES);
                    self.projected_back(kernels, direction, derivative, rows * LANES, step);
                    first.following = derivative;
                    first.following_panel = rows * LANES;
                    first.previous[0] = self.middle.at(row * width);
                    first.state[0] = first.previous[0];
                    if !step.total[0].is_null() {
                        first.total[0] = unseen.at(row * width);
                    }
                }
            }
            (direction.kernels.steps().backward)(first);
        }
    }

    /// The whole derivative of a projected h, panel by panel; none of it goes on to the step before past the products,
    /// except at padded steps, where all of it does.
    unsafe fn projected_back(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        derivative: *mut E,
        derivative_panel: usize,
        step: BackwardStep<E>,
    ) {
        let (output, carry) = (direction.output_width, step.carry[0]);
        unsafe {
            direction.reach_through_product(kernels, &step);
            for row in 0..step.rows {
                let carry = std::slice::from_raw_parts_mut(carry.add(row * output), output);
                let valid = step.valid.row(row);
                if valid && !step.above.is_null() {
                    let above = std::slice::from_raw_parts(step.above.add(row * step.above_row), output);
                    carry.iter_mut().zip(above).for_each(|(sum, &more)| *sum = *sum + more);
                }
                for (panel, part) in carry.chunks_exact(LANES).enumerate() {
                    let to = derivative.add(panel * derivative_panel + row * LANES);
                    if valid { to.copy_from_nonoverlapping(part.as_ptr(), LANES) } else { to.write_bytes(0, LANES) }
                }
                if valid {
                    if !step.total[0].is_null() {
                        step.total[0].add(row * output).copy_from_nonoverlapping(carry.as_ptr(), output);
                    }
                    carry.fill(E::ZERO);
                }
            }
        }
    }

    /// Gradient of the worker's share of the weights. Barriers must precede and follow.
    ///
    /// # Safety
    /// As in `layers`; `backward` must be done for all rows.
    pub unsafe fn weight_gradient(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        worker: &Worker,
        pack: *mut E,
    ) {
        let own = worker.share(self.panels);
        if own.is_empty() {
            return;
        }
        let (rows, width) = (pass.rows(), direction.width);
        let (right, right_row) = match &self.kind {
            Kind::Gates { feed, .. } => (direction.gates.at(feed.first * LANES), direction.line()),
            Kind::Projection { derivative, .. } => (derivative.at(0), LANES),
        };
        let inputs = Inputs { first: self.middle.at(0).cast_const(), row: width, columns: width };
        unsafe {
            outer_blocks(kernels, inputs, rows, self.line / LANES, pack, |row, outer| {
                for panel in own.clone() {
                    (kernels.outer)(Outer {
                        right: right.add((panel * rows + row) * right_row).cast_const(),
                        right_row,
                        out: pass.gradients.add(self.weights + panel * width * self.line),
                        ..outer
                    });
                }
            });
        }
    }
}
