//! Cells that read the cell state of the layer below (`cells::Lower`): the product of their further gate, and that
//! state's way in and its derivative's way out.

use super::dense::{Inputs, RowBlocks, dense, outer_blocks};
use super::direction::Direction;
use super::stack::{Pass, Strided};
use crate::buffer::Buffer;
use crate::cells::Lower;
use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::outer::Outer;
use crate::kernels::product::{Product, Start};
use crate::kernels::tile::Left;
use crate::params::{CHUNK_COLUMNS, padded, transpose};
use crate::simd::LANES;

/// The cell state among the states of the layer below.
pub const C: usize = 1;

/// Which of the `below` directions of the layer below direction d reads a state of: the same, or the only one.
pub fn source(below: usize, d: usize) -> usize {
    d.min(below - 1)
}

/// What a direction of such a cell has besides. Shapes as in `Direction`.
pub struct LowerPart<E: Element> {
    lower: Lower,
    /// Place of the gate's matrix in the flat arrays, and that transposed.
    weight: usize,
    transposed: Buffer<E>,
}

impl<E: Element> LowerPart<E> {
    /// `inputs` is the padded size of the input, `width` the padded hidden size.
    pub fn new(lower: Lower, weight: usize, inputs: usize, width: usize) -> Self {
        LowerPart { lower, weight, transposed: Buffer::new(padded(inputs) * width) }
    }

    /// Transposes the panels `own` of the gate's matrix. A barrier must follow.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn prepare(&self, direction: &Direction<E>, weights: *const E, own: std::ops::Range<usize>) {
        let panels: Vec<_> = (0..direction.panels).map(|p| (p * direction.inputs * LANES, LANES)).collect();
        unsafe { transpose(weights.add(self.weight), &panels, own, direction.inputs, self.transposed.at(0)) };
    }

    /// The gate's sums of all time steps, and the lower c into its slot.
    ///
    /// # Safety
    /// As in `layers`; the layer below must be done for these rows.
    pub unsafe fn inputs(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        below: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        input: Strided<E>,
    ) {
        let (rows, line, width) = (pass.rows(), direction.line(), direction.width);
        let slot = self.lower.gate.first * LANES;
        let low = below.states[C].at(below.block_after(0) * pass.batch * width);
        for panel in 0..direction.panels {
            unsafe {
                let product = Product {
                    rows: 0,
                    columns: 1,
                    left: Left::rows(input.first, input.row, direction.inputs),
                    right: pass.weights.add(self.weight + panel * direction.inputs * LANES),
                    start: Start::Same(direction.bias.at(panel * line + slot)),
                    out: direction.gates.at(panel * rows * line + slot),
                    out_row: line,
                };
                dense(kernels, blocks, product);
                for (first, count) in blocks.stretches() {
                    for row in first..first + count {
                        let to = direction.gates.at((panel * rows + row) * line + self.lower.slot * LANES);
                        to.copy_from_nonoverlapping(low.add(row * width + panel * LANES), LANES);
                    }
                }
            }
        }
    }

    /// Adds the derivative of the lower c at one step to what reaches it; `row` is the step's first row of `rows`.
    ///
    /// # Safety
    /// As in `layers`; this layer's steps back must be done.
    pub unsafe fn reach(&self, direction: &Direction<E>, row: usize, rows: usize, count: usize, carry: *mut E) {
        let (line, width) = (direction.line(), direction.width);
        for panel in 0..direction.panels {
            let from = direction.gates.at((panel * rows + row) * line + self.lower.slot * LANES);
            for r in 0..count {
                unsafe {
                    let to = std::slice::from_raw_parts_mut(carry.add(r * width + panel * LANES), LANES);
                    let from = std::slice::from_raw_parts(from.add(r * line), LANES);
                    to.iter_mut().zip(from).for_each(|(sum, &more)| *sum = *sum + more);
                }
            }
        }
    }

    /// Adds dL/d(input) through the gate to `out`.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn input_gradient(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        (out, out_row): (*mut E, usize),
    ) {
        let line = direction.line();
        let width = padded(direction.inputs);
        let left = Left {
            first: direction.gates.at(self.lower.gate.first * LANES).cast_const(),
            row: line,
            run: LANES,
            runs: direction.panels,
            next_run: pass.rows() * line,
        };
        for chunk in (0..width).step_by(CHUNK_COLUMNS) {
            unsafe {
                let out = out.add(chunk);
                let product = Product {
                    rows: 0,
                    columns: (width - chunk).min(CHUNK_COLUMNS) / LANES,
                    left,
                    right: self.transposed.at(chunk * direction.panels * LANES),
                    start: Start::Rows(out, out_row),
                    out,
                    out_row,
                };
                dense(kernels, blocks, product);
            }
        }
    }

    /// Gradients of the gate's matrix for the unit panels `own`.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn weight_gradient(
        &self,
        kernels: &Kernels<E>,
        direction: &Direction<E>,
        pass: &Pass<E>,
        own: std::ops::Range<usize>,
        input: Strided<E>,
        pack: *mut E,
    ) {
        let (rows, line) = (pass.rows(), direction.line());
        let inputs = Inputs { first: input.first, row: input.row, columns: direction.inputs };
        let right = direction.gates.at(self.lower.gate.first * LANES).cast_const();
        unsafe {
            outer_blocks(kernels, inputs, rows, 1, pack, |row, outer| {
                for panel in own.clone() {
                    (kernels.outer)(Outer {
                        right: right.add((panel * rows + row) * line),
                        right_row: line,
                        out: pass.gradients.add(self.weight + panel * direction.inputs * LANES),
                        ..outer
                    });
                }
            });
        }
    }
}
