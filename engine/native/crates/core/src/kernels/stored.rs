//! Products with weights stored as bfloat16, for passes with so few rows that reading the weights is all the work: half
//! of the memory traffic. A weight is widened by a shift, so inputs, products and sums are float32.

use super::bfloat16::{PairStart, to_bfloat16};
use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Most rows for which reading less outweighs the widening.
pub const MOST_ROWS: usize = 4;

/// Rows of a tile: each has two sums per vector, of even and of odd k.
const TILE_ROWS: usize = 2;

/// `out = start + left · right`.
#[derive(Clone, Copy)]
pub struct StoredProduct<E> {
    pub rows: usize,
    /// Vectors of 16 columns, 1 to 4.
    pub columns: usize,
    /// `[rows][inner]`, rows `left_row` apart; an even inner size.
    pub left: *const E,
    pub left_row: usize,
    pub inner: usize,
    /// `[inner / 2][columns * 16][2]`
    pub right: *const u16,
    pub start: PairStart<E>,
    pub out: *mut E,
    pub out_row: usize,
}

impl<E: Element> StoredProduct<E> {
    #[inline(always)]
    unsafe fn all_rows<V: Lanes<E>, const N: usize>(self) {
        for first in (0..self.rows).step_by(TILE_ROWS) {
            unsafe {
                if first + 1 < self.rows {
                    self.tile::<V, TILE_ROWS, N>(first);
                } else {
                    self.tile::<V, 1, N>(first);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const M: usize, const N: usize>(self, first: usize) {
        unsafe {
            let zero = V::splat(E::ZERO);
            let (mut even, mut odd) = ([[zero; N]; M], [[zero; N]; M]);
            for (i, row) in even.iter_mut().enumerate() {
                let row_of = first + i;
                let at = if self.start.index.is_null() { row_of } else { *self.start.index.add(row_of) as usize };
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = V::load(self.start.first[v].add(at * self.start.row[v]));
                }
            }
            let mut a = self.left.add(first * self.left_row);
            let mut right = self.right;
            for _ in 0..self.inner / 2 {
                for v in 0..N {
                    let (low, high) = V::load_pairs(right.add(v * 2 * LANES));
                    for i in 0..M {
                        let x = a.add(i * self.left_row);
                        even[i][v] = V::splat(*x).mul_add(low, even[i][v]);
                        odd[i][v] = V::splat(*x.add(1)).mul_add(high, odd[i][v]);
                    }
                }
                a = a.add(2);
                right = right.add(N * 2 * LANES);
            }
            for i in 0..M {
                for v in 0..N {
                    even[i][v].add(odd[i][v]).store(self.out.add((first + i) * self.out_row + v * LANES));
                }
            }
        }
    }
}

impl<E: Element> Body<E> for StoredProduct<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            match self.columns {
                1 => self.all_rows::<V, 1>(),
                2 => self.all_rows::<V, 2>(),
                3 => self.all_rows::<V, 3>(),
                4 => self.all_rows::<V, 4>(),
                columns => unreachable!("a product of {columns} vectors"),
            }
        }
    }
}

/// Rounds a matrix `[rows][columns]`, an even number of rows, into `[rows / 2][columns][2]`.
pub fn store_pairs<E: Element>(from: &[E], columns: usize, to: &mut [u16]) {
    for (pair, to) in from.chunks_exact(2 * columns).zip(to.chunks_exact_mut(2 * columns)) {
        for column in 0..columns {
            to[2 * column] = to_bfloat16(pair[column].to_f64() as f32);
            to[2 * column + 1] = to_bfloat16(pair[columns + column].to_f64() as f32);
        }
    }
}
