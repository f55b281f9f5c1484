//! Products over many rows, cut so that the right operand stays in the first-level cache.

use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::outer::{OUTER_BLOCK, Outer, pack_inputs};
use crate::kernels::product::{Product, Start};
use crate::kernels::tile::{Left, most_rows};
use crate::simd::LANES;

/// Inner size of one piece of a product: 128 rows of 64 columns are 32 KB of f32.
const INNER_BLOCK: usize = 128;

/// Rows `t * batch + b` for `time` steps and some rows of the batch.
#[derive(Debug, Clone, Copy)]
pub struct RowBlocks {
    pub time: usize,
    pub batch: usize,
    /// First row of the batch and number of rows.
    pub first: usize,
    pub count: usize,
}

impl RowBlocks {
    /// Stretches of consecutive rows: `(first, rows)`.
    pub fn stretches(self) -> impl Iterator<Item = (usize, usize)> {
        let whole = self.count == self.batch;
        let (blocks, rows) = if whole { (1, self.time * self.batch) } else { (self.time, self.count) };
        (0..blocks).map(move |t| (t * self.batch + self.first, rows)).filter(|stretch| stretch.1 > 0)
    }
}

/// Runs `product` (its pointers are those of row 0, its `rows` does not matter) over `blocks`.
///
/// # Safety
/// The operands must cover the rows, and no other worker may touch these rows of `out`.
pub unsafe fn dense<E: Element>(kernels: &Kernels<E>, blocks: RowBlocks, product: Product<E>) {
    let whole = product.left;
    let mut done = 0;
    while done < whole.run * whole.runs {
        let piece = if whole.runs > 1 {
            let run = done / whole.run;
            let runs = (INNER_BLOCK / whole.run).max(1).min(whole.runs - run);
            Left { first: whole.first.wrapping_add(run * whole.next_run), runs, ..whole }
        } else {
            let run = (whole.run - done).min(INNER_BLOCK);
            Left { first: whole.first.wrapping_add(done), run, ..whole }
        };
        for (row, rows) in blocks.stretches() {
            unsafe {
                let out = product.out.add(row * product.out_row);
                let start = match product.start {
                    _ if done > 0 => Start::Rows(out.cast_const(), product.out_row),
                    Start::Rows(from, distance) => Start::Rows(from.add(row * distance), distance),
                    other => other,
                };
                (kernels.product)(Product {
                    rows,
                    left: piece.from_row(row),
                    right: product.right.add(done * product.columns * LANES),
                    start,
                    out,
                    ..product
                });
            }
        }
        done += piece.run * piece.runs;
    }
}

/// A left operand of weight gradients: a row-major matrix of a layer's inputs.
#[derive(Clone, Copy)]
pub struct Inputs<E> {
    pub first: *const E,
    /// Distance between rows, and number of columns.
    pub row: usize,
    pub columns: usize,
}

/// Sums X^T · D over `rows` rows in ascending order, block by block. `each_block(first row, packed X, block)` runs the
/// outer products of one block; `packed` holds X for tiles of `vectors` columns.
///
/// # Safety
/// `inputs` must cover the rows; `packed` must have room for a block.
pub unsafe fn outer_blocks<E: Element>(
    kernels: &Kernels<E>,
    inputs: Inputs<E>,
    rows: usize,
    vectors: usize,
    packed: *mut E,
    mut each_block: impl FnMut(usize, Outer<E>),
) {
    for first in (0..rows).step_by(OUTER_BLOCK) {
        let block = (rows - first).min(OUTER_BLOCK);
        unsafe {
            pack_inputs(
                inputs.first.add(first * inputs.row),
                inputs.row,
                block,
                inputs.columns,
                most_rows(kernels.tile, vectors),
                packed,
            );
        }
        let outer = Outer {
            inputs: inputs.columns,
            columns: vectors,
            rows: block,
            packed,
            right: std::ptr::null(),
            right_row: 0,
            out: std::ptr::null_mut(),
            out_row: vectors * LANES,
            add: first > 0,
        };
        each_block(first, outer);
    }
}
