//! Normalised cells (`cells::Normalised`): their part of a direction's workspace, and what a step forward and backward
//! and the weights' gradients need besides the plain products. The runner of `stack` goes over the time steps.

use super::dense::RowBlocks;
use super::direction::Direction;
use super::stack::Pass;
use crate::buffer::Buffer;
use crate::cells::normalised::{GATE_SLOT, GATES, INPUT_SLOT, NormalisedNames, RECURRENT_SLOT};
use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::elementwise::PairSum;
use crate::kernels::normalised::{NORMALISED_LINE, Normalisation, NormaliseInputs, SCALES};
use crate::kernels::product::{Product, Start};
use crate::kernels::recurrent::{BackwardStep, ForwardStep};
use crate::kernels::tile::Left;
use crate::params::{Packing, padded};
use crate::simd::LANES;

/// Shapes: R = T * B rows, P unit panels, W = padded hidden size.
pub struct NormalisedPart<E: Element> {
    hidden: usize,
    /// Places of the gains (both sums, c) and of c's bias in the flat arrays; the other biases are the direction's.
    gains: [usize; 3],
    cell_bias: usize,
    mask: Buffer<E>,
    /// As `Normalisation` describes them, for all rows.
    sums: Buffer<E>,
    cell: Buffer<E>,
    scales: Buffer<E>,
    /// A vector of ones, what a bias multiplies.
    ones: Buffer<E>,
}

impl<E: Element> NormalisedPart<E> {
    /// Adds the gains, which start at 1, and biases, which start at 0; also gives the places of the biases that go into
    /// the gates' sums. `add` takes a stem, a packing and the initial value.
    pub fn new(
        names: NormalisedNames,
        hidden: usize,
        slots: &'static [usize],
        mut add: impl FnMut(&str, Packing, Option<f64>) -> usize,
    ) -> (Self, [usize; 2]) {
        let mut pair = |[gain, bias]: [&str; 2], packing: Packing| {
            (add(gain, packing.clone(), Some(1.0)), add(bias, packing, Some(0.0)))
        };
        let (input_gain, input_bias) = pair(names.input, Packing::GateBias { hidden, slots });
        let (recurrent_gain, recurrent_bias) = pair(names.recurrent, Packing::GateBias { hidden, slots });
        let (cell_gain, cell_bias) = pair(names.cell, Packing::Vector { size: hidden });
        let mut mask = Buffer::new(padded(hidden));
        mask.slice_mut(hidden).fill(E::ONE);
        let mut ones = Buffer::new(LANES);
        ones.slice_mut(LANES).fill(E::ONE);
        let empty = || Buffer::new(0);
        let gains = [input_gain, recurrent_gain, cell_gain];
        let part =
            NormalisedPart { hidden, gains, cell_bias, mask, sums: empty(), cell: empty(), scales: empty(), ones };
        (part, [input_bias, recurrent_bias])
    }

    /// Makes room for `rows` = T * B.
    pub fn reserve(&mut self, rows: usize) {
        let width = padded(self.hidden);
        self.sums.reserve(rows * width / LANES * NORMALISED_LINE);
        self.cell.reserve(rows * width);
        self.scales.reserve(rows * SCALES);
    }

    /// Pointers for the rows from `row` on, of `rows` in all.
    fn at(&self, weights: *const E, row: usize, rows: usize) -> Normalisation<E> {
        let weight = |offset: usize| weights.wrapping_add(offset);
        Normalisation {
            hidden: self.hidden,
            mask: self.mask.at(0),
            sums: self.sums.at(row * NORMALISED_LINE),
            sums_panel: rows * NORMALISED_LINE,
            cell: self.cell.at(row * padded(self.hidden)),
            scales: self.scales.at(row * SCALES),
            input_gain: weight(self.gains[0]),
            recurrent_gain: weight(self.gains[1]),
            cell_gain: weight(self.gains[2]),
            cell_bias: weight(self.cell_bias),
        }
    }

    /// Normalises the input's sums of all time steps; with `tokens`, those of the distinct tokens are copied to the
    /// rows first.
    ///
    /// # Safety
    /// As in `layers`; the sums must be there.
    pub unsafe fn inputs(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        tokens: Option<(usize, *const u32)>,
    ) {
        let (rows, line) = (pass.rows(), direction.line());
        for (row, count) in blocks.stretches() {
            unsafe {
                if let Some((distinct, index)) = tokens {
                    let slot = INPUT_SLOT * LANES;
                    for panel in 0..direction.panels {
                        for row in row..row + count {
                            let token = *index.add(row) as usize;
                            let from = direction.table.at((panel * distinct + token) * line + slot);
                            let to = direction.gates.at((panel * rows + row) * line + slot);
                            to.copy_from_nonoverlapping(from, GATES * LANES);
                        }
                    }
                }
                (kernels.normalise_inputs)(NormaliseInputs {
                    rows: count,
                    panels: direction.panels,
                    gates: direction.gates.at(row * line),
                    gates_panel: rows * line,
                    bias: direction.bias.at(0),
                    more: self.at(pass.weights, row, rows),
                });
            }
        }
    }

    /// One step; `row` is its first row.
    ///
    /// # Safety
    /// As in `layers`; `inputs` must be done.
    pub unsafe fn forward(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        row: usize,
        step: ForwardStep<E>,
    ) {
        let width = step.width;
        unsafe {
            for panel in 0..if step.summed { 0 } else { step.end_panel } {
                (kernels.product)(Product {
                    rows: step.rows,
                    columns: GATES,
                    left: Left::rows(step.left, width, width),
                    right: step.weights.add(panel * width * direction.recurrent_line()),
                    start: Start::Zero,
                    out: step.gates.add(panel * step.gates_panel + RECURRENT_SLOT * LANES),
                    out_row: direction.line(),
                });
            }
            let normalisation = self.at(pass.weights, row, pass.rows());
            (direction.kernels.steps().forward)(ForwardStep { normalisation: &normalisation, ..step });
        }
    }

    /// One step back; `row` is its first row.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn backward(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        row: usize,
        step: BackwardStep<E>,
    ) {
        unsafe {
            direction.reach_through_product(kernels, &step);
            let normalisation = self.at(pass.weights, row, pass.rows());
            (direction.kernels.steps().backward)(BackwardStep { normalisation: &normalisation, ..step });
        }
    }

    /// Gradients of the gains and of c's bias for the unit panels `own`; those of the other biases are the direction's.
    ///
    /// # Safety
    /// As in `layers`; `backward` must be done for all rows.
    pub unsafe fn gradients(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        own: std::ops::Range<usize>,
    ) {
        let (rows, line, width) = (pass.rows(), direction.line(), direction.width);
        for panel in own {
            for (part, &gain) in self.gains[..2].iter().enumerate() {
                for k in 0..GATES {
                    let normal = (panel * rows * NORMALISED_LINE) + (part * GATES + k) * LANES;
                    unsafe {
                        (kernels.pair_sum)(PairSum {
                            rows,
                            left: direction.gates.at(panel * rows * line + (GATE_SLOT + k) * LANES),
                            left_row: line,
                            right: self.sums.at(normal),
                            right_row: NORMALISED_LINE,
                            out: pass.gradients.add(gain + (panel * GATES + k) * LANES),
                        });
                    }
                }
            }
            let unit = panel * LANES;
            let normal = (self.cell.at(unit).cast_const(), width);
            for (tensor, (right, right_row)) in [(self.gains[2], normal), (self.cell_bias, (self.ones.at(0), 0))] {
                unsafe {
                    (kernels.pair_sum)(PairSum {
                        rows,
                        left: direction.saved[0].at(unit),
                        left_row: width,
                        right,
                        right_row,
                        out: pass.gradients.add(tensor + unit),
                    });
                }
            }
        }
    }
}
