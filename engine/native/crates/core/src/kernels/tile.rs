//! The micro-kernel that all products share: M rows times N vectors of 16 columns, sums in registers.

use crate::element::Element;
use crate::simd::{LANES, Lanes};

/// Most rows of a tile with `columns` vectors when `tile` sums fit into the registers. One or two vectors, what is left
/// over of a layer, have fewer than would fit: every tile is compiled for every cell.
pub const fn most_rows(tile: usize, columns: usize) -> usize {
    let most = if columns < 3 { 6 } else { 8 };
    let rows = tile / columns;
    if rows > most {
        most
    } else if rows == 0 {
        1
    } else {
        rows
    }
}

/// Cuts `rows` into the fewest tiles of at most `most` rows, sizes differing by one at most (20 = 5+5+5+5, not
/// 6+6+6+2), and gives `(first row, rows)` of each.
pub fn even_tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = rows.div_ceil(most).max(1);
    let (small, larger) = (rows / tiles, rows % tiles);
    (0..tiles).map(move |i| (i * small + i.min(larger), small + usize::from(i < larger)))
}

/// The left operand of a product: rows of `runs` stretches with `run` contiguous numbers each. A row-major matrix has
/// one run; gate panels have one run per panel.
#[derive(Clone, Copy)]
pub struct Left<E> {
    pub first: *const E,
    /// Distance between rows.
    pub row: usize,
    /// Contiguous numbers in one run.
    pub run: usize,
    pub runs: usize,
    /// Distance between the runs of a row.
    pub next_run: usize,
}

impl<E> Left<E> {
    /// A row-major matrix with `inner` columns and rows `row` apart.
    pub fn rows(first: *const E, row: usize, inner: usize) -> Self {
        Left { first, row, run: inner, runs: 1, next_run: 0 }
    }

    /// The same matrix from row `rows` on.
    ///
    /// # Safety
    /// The row must exist.
    #[inline(always)]
    pub unsafe fn from_row(self, rows: usize) -> Self {
        Left { first: unsafe { self.first.add(rows * self.row) }, ..self }
    }
}

/// `sums += left · right`, `right` being `[runs * run][N * 16]`.
///
/// # Safety
/// `left` must be readable for M rows, `right` for `runs * run * N` vectors.
#[inline(always)]
pub unsafe fn multiply<E: Element, V: Lanes<E>, const M: usize, const N: usize>(
    sums: &mut [[V; N]; M],
    left: Left<E>,
    right: *const E,
) {
    unsafe {
        let mut right = right;
        let mut run_first = left.first;
        let mut acc = *sums;
        for _ in 0..left.runs {
            let mut a = run_first;
            for _ in 0..left.run {
                let mut b = [V::splat(E::ZERO); N];
                for (v, vector) in b.iter_mut().enumerate() {
                    *vector = V::load(right.add(v * LANES));
                }
                for (i, row) in acc.iter_mut().enumerate() {
                    let x = V::splat(*a.add(i * left.row));
                    for v in 0..N {
                        row[v] = x.mul_add(b[v], row[v]);
                    }
                }
                a = a.add(1);
                right = right.add(N * LANES);
            }
            run_first = run_first.wrapping_add(left.next_run);
        }
        *sums = acc;
    }
}

/// Runs `$call::<V, M, N>` for the tile with `$rows` rows; only tiles that fit into V's registers are compiled.
macro_rules! with_tile_rows {
    ($rows:expr, $vector:ident, $columns:ident, $self:ident.$method:ident($($argument:expr),*)) => {
        crate::kernels::tile::with_tile_rows!(@arms $rows, $vector, $columns, $self, $method, ($($argument),*),
            1 2 3 4 5 6 7 8)
    };
    (@arms $rows:expr, $vector:ident, $columns:ident, $self:ident, $method:ident, $arguments:tt, $($m:literal)*) => {
        match $rows {
            $($m if const { $m <= crate::kernels::tile::most_rows(<$vector as Lanes<E>>::TILE, $columns) } =>
                crate::kernels::tile::with_tile_rows!(@call $vector, $m, $columns, $self, $method, $arguments),)*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
    (@call $vector:ident, $m:literal, $columns:ident, $self:ident, $method:ident, ($($argument:expr),*)) => {
        $self.$method::<$vector, $m, $columns>($($argument),*)
    };
}
pub(crate) use with_tile_rows;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_rows_evenly() {
        for rows in 1..80 {
            for most in 1..17 {
                let tiles: Vec<_> = even_tiles(rows, most).collect();
                let mut next = 0;
                for &(first, count) in &tiles {
                    assert_eq!(first, next);
                    assert!(count >= 1 && count <= most);
                    next += count;
                }
                assert_eq!(next, rows);
                let sizes: Vec<_> = tiles.iter().map(|t| t.1).collect();
                assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            }
        }
    }
}
