//! A matrix without a bias, whose inputs may come in two parts that lie apart: y = A a + B b with one tensor [A B].

use std::ops::Range;

use super::dense::{Inputs, RowBlocks, dense, outer_blocks};
use super::stack::Strided;
use crate::buffer::Buffer;
use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::outer::Outer;
use crate::kernels::product::{Product, Start};
use crate::kernels::tile::Left;
use crate::params::{CHUNK_COLUMNS, Inner, Packing, Parameters, transpose};
use crate::simd::LANES;

/// The packed matrix `[outputs, inputs of all parts]`.
pub struct Linear<E: Element> {
    offset: usize,
    /// Padded outputs, and padded inputs of each part.
    pub width: usize,
    parts: Vec<usize>,
    /// One per part, for the backward products.
    transposed: Vec<Buffer<E>>,
}

impl<E: Element> Linear<E> {
    /// `parts`: one or two.
    pub fn new(name: String, outputs: Inner, parts: &[Inner], parameters: &mut Parameters) -> Self {
        let packing = Packing::Joined { outputs, first: parts[0], second: parts.get(1).copied() };
        let tensor = parameters.add(name, packing);
        Linear {
            offset: parameters.tensors[tensor].offset,
            width: outputs.padded(),
            parts: parts.iter().map(|part| part.padded()).collect(),
            transposed: parts.iter().map(|_| Buffer::new(0)).collect(),
        }
    }

    pub fn reserve(&mut self, backward: bool) {
        for (part, buffer) in self.parts.iter().zip(&mut self.transposed) {
            if backward {
                buffer.reserve(self.width * part.next_multiple_of(LANES));
            }
        }
    }

    fn inner(&self) -> usize {
        self.parts.iter().sum()
    }

    /// Inputs before part `part`.
    fn before(&self, part: usize) -> usize {
        self.parts[..part].iter().sum()
    }

    /// Column chunks as `(first output, outputs)`.
    fn chunks(&self) -> Vec<(usize, usize)> {
        let width = self.width;
        (0..width).step_by(CHUNK_COLUMNS).map(|first| (first, (width - first).min(CHUNK_COLUMNS))).collect()
    }

    /// Number of chunks that the workers share in `transpose` and `gradient`.
    pub fn shares(&self) -> usize {
        self.width.div_ceil(CHUNK_COLUMNS)
    }

    /// Transposes the chunks `own` for the backward pass. A barrier must follow.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn transpose(&self, weights: *const E, own: Range<usize>) {
        for (part, &columns) in self.parts.iter().enumerate() {
            let place = |(first, width): (usize, usize)| (first * self.inner() + self.before(part) * width, width);
            let panels: Vec<_> = self.chunks().into_iter().map(place).collect();
            unsafe {
                transpose(weights.add(self.offset), &panels, own.clone(), columns, self.transposed[part].at(0));
            }
        }
    }

    /// `out (+)= W_part · left` for some rows.
    ///
    /// # Safety
    /// As `dense`.
    // Operands and places of a product: a struct for one call each would only name them twice.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn multiply(
        &self,
        kernels: &Kernels<E>,
        weights: *const E,
        part: usize,
        left: Strided<E>,
        blocks: RowBlocks,
        out: *mut E,
        add: bool,
    ) {
        for (first, columns) in self.chunks() {
            unsafe {
                let out = out.add(first);
                let product = Product {
                    rows: 0,
                    columns: columns / LANES,
                    left: Left::rows(left.first, left.row, self.parts[part]),
                    right: weights.add(self.offset + first * self.inner() + self.before(part) * columns),
                    start: if add { Start::Rows(out, self.width) } else { Start::Zero },
                    out,
                    out_row: self.width,
                };
                dense(kernels, blocks, product);
            }
        }
    }

    /// `out (+)= W_partᵀ · gradient` for some rows; `transpose` must be done.
    ///
    /// # Safety
    /// As `dense`.
    // Operands and places of a product: a struct for one call each would only name them twice.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn multiply_back(
        &self,
        kernels: &Kernels<E>,
        part: usize,
        gradient: *const E,
        blocks: RowBlocks,
        out: *mut E,
        out_row: usize,
        add: bool,
    ) {
        let width = self.parts[part].next_multiple_of(LANES);
        for chunk in (0..width).step_by(CHUNK_COLUMNS) {
            unsafe {
                let out = out.add(chunk);
                let product = Product {
                    rows: 0,
                    columns: (width - chunk).min(CHUNK_COLUMNS) / LANES,
                    left: Left::rows(gradient, self.width, self.width),
                    right: self.transposed[part].at(chunk * self.width),
                    start: if add { Start::Rows(out, out_row) } else { Start::Zero },
                    out,
                    out_row,
                };
                dense(kernels, blocks, product);
            }
        }
    }

    /// dL/dW_part for the chunks `own`, summed over the rows in ascending order.
    ///
    /// # Safety
    /// As `outer_blocks`.
    // Operands and places of a product: a struct for one call each would only name them twice.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn gradient(
        &self,
        kernels: &Kernels<E>,
        gradients: *mut E,
        part: usize,
        left: Strided<E>,
        right: *const E,
        rows: usize,
        own: Range<usize>,
        pack: *mut E,
    ) {
        let inputs = Inputs { first: left.first, row: left.row, columns: self.parts[part] };
        let chunks = self.chunks();
        let own = &chunks[own];
        // Full chunks and the narrow last one are packed for different tiles.
        for vectors in 1..=CHUNK_COLUMNS / LANES {
            if !own.iter().any(|chunk| chunk.1 / LANES == vectors) {
                continue;
            }
            unsafe {
                outer_blocks(kernels, inputs, rows, vectors, pack, |row, outer| {
                    for &(first, columns) in own.iter().filter(|chunk| chunk.1 / LANES == vectors) {
                        (kernels.outer)(Outer {
                            right: right.add(row * self.width + first),
                            right_row: self.width,
                            out: gradients.add(self.offset + first * self.inner() + self.before(part) * columns),
                            out_row: columns,
                            ..outer
                        });
                    }
                });
            }
        }
    }
}
