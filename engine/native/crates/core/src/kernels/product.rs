//! C = start + A · B for a block of rows and up to four vectors of columns.

use super::tile::{Left, even_tiles, most_rows, multiply, with_tile_rows};
use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Where the sums of a product begin.
#[derive(Clone, Copy)]
pub enum Start<E> {
    Zero,
    /// One row for all (a bias).
    Same(*const E),
    /// A row of its own for each, that far apart; may be C itself, to add to it.
    Rows(*const E, usize),
}

/// One product; each element is summed over the inner index in ascending order, whatever the tiling.
#[derive(Clone, Copy)]
pub struct Product<E> {
    pub rows: usize,
    /// Vectors of 16 columns, 1 to 4.
    pub columns: usize,
    pub left: Left<E>,
    /// `[inner][columns * 16]`
    pub right: *const E,
    pub start: Start<E>,
    pub out: *mut E,
    /// Distance between the rows of `out`.
    pub out_row: usize,
}

impl<E: Element> Product<E> {
    #[inline(always)]
    unsafe fn all_rows<V: Lanes<E>, const N: usize>(self) {
        for (first, rows) in even_tiles(self.rows, most_rows(V::TILE, N)) {
            unsafe { with_tile_rows!(rows, V, N, self.tile(first)) }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const M: usize, const N: usize>(self, first: usize) {
        unsafe {
            let mut sums = [[V::splat(E::ZERO); N]; M];
            match self.start {
                Start::Zero => {}
                Start::Same(row) => {
                    for (v, sum) in sums[0].iter_mut().enumerate() {
                        *sum = V::load(row.add(v * LANES));
                    }
                    sums = [sums[0]; M];
                }
                Start::Rows(rows, distance) => {
                    for (i, row) in sums.iter_mut().enumerate() {
                        for (v, sum) in row.iter_mut().enumerate() {
                            *sum = V::load(rows.add((first + i) * distance + v * LANES));
                        }
                    }
                }
            }
            multiply(&mut sums, self.left.from_row(first), self.right);
            for (i, row) in sums.iter().enumerate() {
                for (v, sum) in row.iter().enumerate() {
                    sum.store(self.out.add((first + i) * self.out_row + v * LANES));
                }
            }
        }
    }
}

impl<E: Element> Body<E> for Product<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        if self.rows == 0 {
            return;
        }
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
