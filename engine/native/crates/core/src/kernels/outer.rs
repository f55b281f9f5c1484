//! Weight gradients: C += Xᵀ · D summed over rows, X being a layer's input and D the derivative of its sums.

use super::tile::{even_tiles, most_rows, with_tile_rows};
use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Rows of X and D handled at a time, so that a panel of D (rows x 64 numbers) stays in the first-level cache.
pub const OUTER_BLOCK: usize = 112;

/// Most vectors in a row of D that one call takes.
pub const MOST_COLUMNS: usize = 4;

/// One block of a weight gradient.
#[derive(Clone, Copy)]
pub struct Outer<E> {
    /// Columns of X = rows of the gradient.
    pub inputs: usize,
    /// Vectors of 16 in a row of D, 1 to 4.
    pub columns: usize,
    /// Rows summed over.
    pub rows: usize,
    /// X's block as `pack_inputs` wrote it.
    pub packed: *const E,
    pub right: *const E,
    /// Distance between the rows of D.
    pub right_row: usize,
    pub out: *mut E,
    /// Distance between the rows of the gradient.
    pub out_row: usize,
    /// Add to what `out` holds; otherwise it is overwritten.
    pub add: bool,
}

impl<E: Element> Outer<E> {
    #[inline(always)]
    unsafe fn all_rows<V: Lanes<E>, const N: usize>(self) {
        for (first, rows) in even_tiles(self.inputs, most_rows(V::TILE, N)) {
            unsafe { with_tile_rows!(rows, V, N, self.tile(first)) }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const M: usize, const N: usize>(self, first: usize) {
        unsafe {
            let mut sums = [[V::splat(E::ZERO); N]; M];
            if self.add {
                for (i, row) in sums.iter_mut().enumerate() {
                    for (v, sum) in row.iter_mut().enumerate() {
                        *sum = V::load(self.out.add((first + i) * self.out_row + v * LANES));
                    }
                }
            }
            let mut a = self.packed.add(first * self.rows);
            let mut right = self.right;
            for _ in 0..self.rows {
                let mut b = [V::splat(E::ZERO); N];
                for (v, vector) in b.iter_mut().enumerate() {
                    *vector = V::load(right.add(v * LANES));
                }
                for (i, row) in sums.iter_mut().enumerate() {
                    let x = V::splat(*a.add(i));
                    for v in 0..N {
                        row[v] = x.mul_add(b[v], row[v]);
                    }
                }
                a = a.add(M);
                right = right.add(self.right_row);
            }
            for (i, row) in sums.iter().enumerate() {
                for (v, sum) in row.iter().enumerate() {
                    sum.store(self.out.add((first + i) * self.out_row + v * LANES));
                }
            }
        }
    }
}

impl<E: Element> Body<E> for Outer<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            match self.columns {
                1 => self.all_rows::<V, 1>(),
                2 => self.all_rows::<V, 2>(),
                3 => self.all_rows::<V, 3>(),
                4 => self.all_rows::<V, 4>(),
                columns => unreachable!("an outer product of {columns} vectors"),
            }
        }
    }
}

/// Writes `rows` rows of X (`inputs` columns, rows `row` apart) tile by tile as `[tile][row][columns of the tile]`,
/// the order in which `Outer` with this `tile` and `columns` reads them. `packed` takes `rows * inputs` numbers.
///
/// # Safety
/// `x` must be readable and `packed` writable for those numbers.
pub unsafe fn pack_inputs<E: Element>(
    x: *const E,
    row: usize,
    rows: usize,
    inputs: usize,
    most: usize,
    packed: *mut E,
) {
    for (first, width) in even_tiles(inputs, most) {
        unsafe {
            let from = x.add(first);
            let to = packed.add(first * rows);
            // Fixed sizes, so that each copy is a few moves and not a call.
            match width {
                1 => copy_columns::<E, 1>(from, row, rows, to),
                2 => copy_columns::<E, 2>(from, row, rows, to),
                3 => copy_columns::<E, 3>(from, row, rows, to),
                4 => copy_columns::<E, 4>(from, row, rows, to),
                5 => copy_columns::<E, 5>(from, row, rows, to),
                6 => copy_columns::<E, 6>(from, row, rows, to),
                7 => copy_columns::<E, 7>(from, row, rows, to),
                8 => copy_columns::<E, 8>(from, row, rows, to),
                _ => {
                    for r in 0..rows {
                        for i in 0..width {
                            *to.add(r * width + i) = *from.add(r * row + i);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn copy_columns<E: Element, const M: usize>(from: *const E, row: usize, rows: usize, to: *mut E) {
    for r in 0..rows {
        unsafe { *to.add(r * M).cast::<[E; M]>() = *from.add(r * row).cast::<[E; M]>() }
    }
}
