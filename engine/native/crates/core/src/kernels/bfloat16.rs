//! Products of bfloat16 operands with float32 sums, for processors that multiply pairs of them in one instruction
//! (AVX-512 BF16: two products and two additions per 32-bit lane).
//!
//! bfloat16 is the upper half of a float32: its range, 8 bits of precision. A number is rounded to nearest, ties to
//! even; the products are exact in float32 and the instruction rounds both additions, denormal numbers count as 0.
//!
//! Operands lie in pairs along the inner index k: a left operand is a row-major matrix of bfloat16 as it is, a right one
//! `[k / 2][columns][2]`.

use super::KernelKind;
use crate::element::Element;

/// Row pairs that one block of a weight gradient sums over: a packed panel of 64 columns takes 28 KB.
pub const PAIR_BLOCK: usize = 112;

/// Most vectors of 16 columns that one call takes.
pub const MOST_VECTORS: usize = 4;

/// The left operand: as `tile::Left`, with an even number of contiguous numbers in a run.
#[derive(Clone, Copy)]
pub struct PairLeft {
    pub first: *const u16,
    pub row: usize,
    pub run: usize,
    pub runs: usize,
    pub next_run: usize,
}

/// Where the sums of each vector of columns begin: row r at `first + at(r) * row`, where `at` is the identity or an index.
#[derive(Clone, Copy)]
pub struct PairStart<E> {
    /// Null for zero.
    pub first: [*const E; MOST_VECTORS],
    pub row: [usize; MOST_VECTORS],
    pub index: *const u32,
}

impl<E> PairStart<E> {
    pub fn zero() -> Self {
        PairStart { first: [std::ptr::null(); MOST_VECTORS], row: [0; MOST_VECTORS], index: std::ptr::null() }
    }

    /// Rows of consecutive vectors, `row` apart; 0 for one row that serves all (a bias).
    pub fn rows(first: *const E, row: usize) -> Self {
        let first = std::array::from_fn(|v| first.wrapping_add(v * crate::simd::LANES));
        PairStart { first, row: [row; MOST_VECTORS], index: std::ptr::null() }
    }
}

/// `out = start + left · right`; each element is summed over k in ascending order, whatever the tiling.
#[derive(Clone, Copy)]
pub struct PairProduct<E> {
    pub rows: usize,
    /// Vectors of 16 columns, 1 to 4.
    pub columns: usize,
    pub left: PairLeft,
    /// `[k / 2][columns * 16][2]`
    pub right: *const u16,
    pub start: PairStart<E>,
    pub out: *mut E,
    pub out_row: usize,
}

/// One block of a weight gradient, `out (+)= Xᵀ · D` over `pairs` pairs of rows.
#[derive(Clone, Copy)]
pub struct PairOuter<E> {
    /// Columns of X = rows of the gradient.
    pub inputs: usize,
    /// Vectors of 16 in a row of D, 1 to 4.
    pub columns: usize,
    pub pairs: usize,
    /// X: `[inputs / 16][pairs][16][2]`
    pub packed: *const u16,
    /// D: `[pairs][columns * 16][2]`
    pub right: *const u16,
    pub out: *mut E,
    pub out_row: usize,
    /// Add to what `out` holds; otherwise it is overwritten.
    pub add: bool,
}

/// Rounds `count` consecutive numbers, a multiple of 16.
#[derive(Clone, Copy)]
pub struct Round<E> {
    pub from: *const E,
    pub to: *mut u16,
    pub count: usize,
}

/// Rounds a matrix and puts the numbers of two rows that follow each other side by side; a missing last row counts as 0,
/// and so do the columns that the last vector of 16 lacks.
#[derive(Clone, Copy)]
pub struct PackPairs<E> {
    pub from: *const E,
    /// Distance between rows.
    pub row: usize,
    pub rows: usize,
    pub columns: usize,
    pub to: *mut u16,
    /// Distances between pairs of rows, and between vectors of 16 columns.
    pub to_pair: usize,
    pub to_vector: usize,
}

/// Rounds and transposes 16 rows of an even number of columns: `to[column / 2][row][2]`, pairs of columns `to_pair`
/// apart; rows from `known` on count as 0.
#[derive(Clone, Copy)]
pub struct TransposePairs<E> {
    pub from: *const E,
    pub row: usize,
    pub known: usize,
    pub columns: usize,
    pub to: *mut u16,
    pub to_pair: usize,
}

/// The compiled kernels.
#[derive(Clone, Copy)]
pub struct PairKernels<E> {
    pub product: unsafe fn(PairProduct<E>),
    pub outer: unsafe fn(PairOuter<E>),
    pub round: unsafe fn(Round<E>),
    pub pack: unsafe fn(PackPairs<E>),
    pub transpose: unsafe fn(TransposePairs<E>),
}

impl<E: Element> PairKernels<E> {
    /// Those of this processor for E: only float32 has some, and only with AVX-512 BF16.
    pub fn available() -> Option<Self> {
        E::pair_kernels()
    }
}

/// Why products of bfloat16 operands cannot be made, as a part of a sentence; none where they can.
pub fn pairs_problem(kind: KernelKind, precision: &str) -> Option<String> {
    if precision != "float32" {
        Some(format!("their sums are in float32 and these are in {precision}"))
    } else if !processor_has_pairs() {
        Some("this processor has no AVX-512 BF16".to_string())
    } else if kind != KernelKind::Avx512 {
        Some(format!("the instruction set {} is in use, by SLUICE_KERNEL, and they need avx512", kind.name()))
    } else {
        None
    }
}

/// Whether this processor multiplies pairs of bfloat16.
fn processor_has_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        crate::simd::Avx512::available() && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// The kernels of float32.
pub fn pair_kernels() -> Option<PairKernels<f32>> {
    #[cfg(target_arch = "x86_64")]
    {
        processor_has_pairs().then_some(PairKernels {
            product: x86::product,
            outer: x86::outer,
            round: x86::round,
            pack: x86::pack,
            transpose: x86::transpose,
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;
    use crate::kernels::tile::even_tiles;
    use crate::simd::LANES;

    /// Sums that a tile keeps in registers.
    const TILE: usize = 24;

    /// Runs `$self.$method::<M, N>` for the tile with `$rows` rows and N vectors.
    macro_rules! with_rows {
        ($rows:expr, $n:ident, $call:ident($($argument:expr),*)) => {
            match $rows {
                1 => $call::<1, $n>($($argument),*),
                2 => $call::<2, $n>($($argument),*),
                3 => $call::<3, $n>($($argument),*),
                4 => $call::<4, $n>($($argument),*),
                5 => $call::<5, $n>($($argument),*),
                6 => $call::<6, $n>($($argument),*),
                7 if const { $n <= 3 } => $call::<7, $n>($($argument),*),
                8 if const { $n <= 3 } => $call::<8, $n>($($argument),*),
                rows => unreachable!("a tile of {rows} rows"),
            }
        };
    }

    const fn most_rows(columns: usize) -> usize {
        if TILE / columns > 8 { 8 } else { TILE / columns }
    }

    #[inline(always)]
    unsafe fn pairs(from: *const u16) -> __m512bh {
        unsafe { std::mem::transmute(_mm512_loadu_si512(from.cast())) }
    }

    /// One pair in every lane.
    #[inline(always)]
    unsafe fn everywhere(from: *const u16) -> __m512bh {
        unsafe { std::mem::transmute(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
    pub unsafe fn product(product: PairProduct<f32>) {
        unsafe {
            match product.columns {
                1 => all_rows::<1>(&product),
                2 => all_rows::<2>(&product),
                3 => all_rows::<3>(&product),
                4 => all_rows::<4>(&product),
                columns => unreachable!("a product of {columns} vectors"),
            }
        }
    }

    #[inline(always)]
    unsafe fn all_rows<const N: usize>(product: &PairProduct<f32>) {
        if product.rows == 0 {
            return;
        }
        for (first, rows) in even_tiles(product.rows, most_rows(N)) {
            unsafe { with_rows!(rows, N, product_tile(product, first)) }
        }
    }

    #[inline(always)]
    unsafe fn product_tile<const M: usize, const N: usize>(product: &PairProduct<f32>, first: usize) {
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); N]; M];
            let start = &product.start;
            if !start.first[0].is_null() {
                for (i, row) in sums.iter_mut().enumerate() {
                    let row_of = first + i;
                    let at = if start.index.is_null() { row_of } else { *start.index.add(row_of) as usize };
                    for (v, sum) in row.iter_mut().enumerate() {
                        *sum = _mm512_loadu_ps(start.first[v].add(at * start.row[v]));
                    }
                }
            }
            let left = product.left;
            let mut right = product.right;
            let mut run = left.first.add(first * left.row);
            for _ in 0..left.runs {
                let mut a = run;
                for _ in 0..left.run / 2 {
                    let mut b = [_mm512_setzero_ps(); N];
                    for (v, vector) in b.iter_mut().enumerate() {
                        *vector = std::mem::transmute::<__m512bh, __m512>(pairs(right.add(v * 2 * LANES)));
                    }
                    for (i, row) in sums.iter_mut().enumerate() {
                        let x = everywhere(a.add(i * left.row));
                        for v in 0..N {
                            row[v] = _mm512_dpbf16_ps(row[v], x, std::mem::transmute::<__m512, __m512bh>(b[v]));
                        }
                    }
                    a = a.add(2);
                    right = right.add(N * 2 * LANES);
                }
                run = run.wrapping_add(left.next_run);
            }
            for (i, row) in sums.iter().enumerate() {
                for (v, &sum) in row.iter().enumerate() {
                    _mm512_storeu_ps(product.out.add((first + i) * product.out_row + v * LANES), sum);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
    pub unsafe fn outer(outer: PairOuter<f32>) {
        unsafe {
            match outer.columns {
                1 => all_inputs::<1>(&outer),
                2 => all_inputs::<2>(&outer),
                3 => all_inputs::<3>(&outer),
                4 => all_inputs::<4>(&outer),
                columns => unreachable!("an outer product of {columns} vectors"),
            }
        }
    }

    #[inline(always)]
    unsafe fn all_inputs<const N: usize>(outer: &PairOuter<f32>) {
        for group in (0..outer.inputs).step_by(LANES) {
            for (first, rows) in even_tiles((outer.inputs - group).min(LANES), most_rows(N)) {
                unsafe { with_rows!(rows, N, outer_tile(outer, group, first)) }
            }
        }
    }

    #[inline(always)]
    unsafe fn outer_tile<const M: usize, const N: usize>(outer: &PairOuter<f32>, group: usize, first: usize) {
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); N]; M];
            let out = outer.out.add((group + first) * outer.out_row);
            if outer.add {
                for (i, row) in sums.iter_mut().enumerate() {
                    for (v, sum) in row.iter_mut().enumerate() {
                        *sum = _mm512_loadu_ps(out.add(i * outer.out_row + v * LANES));
                    }
                }
            }
            let mut a = outer.packed.add(group * outer.pairs * 2 + first * 2);
            let mut right = outer.right;
            for _ in 0..outer.pairs {
                let mut b = [_mm512_setzero_ps(); N];
                for (v, vector) in b.iter_mut().enumerate() {
                    *vector = std::mem::transmute::<__m512bh, __m512>(pairs(right.add(v * 2 * LANES)));
                }
                for (i, row) in sums.iter_mut().enumerate() {
                    let x = everywhere(a.add(2 * i));
                    for v in 0..N {
                        row[v] = _mm512_dpbf16_ps(row[v], x, std::mem::transmute::<__m512, __m512bh>(b[v]));
                    }
                }
                a = a.add(2 * LANES);
                right = right.add(N * 2 * LANES);
            }
            for (i, row) in sums.iter().enumerate() {
                for (v, &sum) in row.iter().enumerate() {
                    _mm512_storeu_ps(out.add(i * outer.out_row + v * LANES), sum);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
    pub unsafe fn round(round: Round<f32>) {
        for at in (0..round.count).step_by(LANES) {
            unsafe {
                let rounded: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(_mm512_loadu_ps(round.from.add(at))));
                _mm256_storeu_si256(round.to.add(at).cast(), rounded);
            }
        }
    }

    /// `low` and `high` rounded, side by side in each lane.
    #[inline(always)]
    unsafe fn beside(low: __m512, high: __m512) -> __m512i {
        unsafe {
            let low: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(low));
            let high: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(high));
            _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(high)))
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
    pub unsafe fn pack(pack: PackPairs<f32>) {
        for (vector, column) in (0..pack.columns).step_by(LANES).enumerate() {
            let mask = (1u32 << (pack.columns - column).min(LANES)) - 1;
            for pair in 0..pack.rows.div_ceil(2) {
                let row = 2 * pair;
                let present = if row + 1 < pack.rows { mask } else { 0 };
                unsafe {
                    let from = pack.from.add(row * pack.row + column);
                    let low = _mm512_maskz_loadu_ps(mask as __mmask16, from);
                    let high = _mm512_maskz_loadu_ps(present as __mmask16, from.wrapping_add(pack.row));
                    let to = pack.to.add(pair * pack.to_pair + vector * pack.to_vector);
                    _mm512_storeu_si512(to.cast(), beside(low, high));
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
    pub unsafe fn transpose(transpose: TransposePairs<f32>) {
        for first in (0..transpose.columns).step_by(LANES) {
            let words = (transpose.columns - first).min(LANES) / 2;
            let mask = (1u32 << (2 * words)) - 1;
            let mut rows = [[0u32; LANES / 2]; LANES];
            for (i, row) in rows.iter_mut().enumerate().take(transpose.known) {
                unsafe {
                    let from = _mm512_maskz_loadu_ps(mask as __mmask16, transpose.from.add(i * transpose.row + first));
                    let rounded: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(from));
                    _mm256_storeu_si256(row.as_mut_ptr().cast(), rounded);
                }
            }
            for word in 0..words {
                let to = unsafe { transpose.to.add((first / 2 + word) * transpose.to_pair) };
                let column: [u32; LANES] = std::array::from_fn(|i| rows[i][word]);
                unsafe { to.cast::<[u32; LANES]>().write_unaligned(column) };
            }
        }
    }
}

/// The nearest bfloat16, ties to even; a NaN stays one.
pub fn to_bfloat16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

pub fn from_bfloat16(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}
