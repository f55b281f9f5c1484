//! The two number types the engine computes in.

use std::ops::{Add, Div, Mul, Sub};

use crate::cells::{CellEntry, CellKernels};
use crate::kernels::KernelKind;
use crate::kernels::bfloat16::{PairKernels, pair_kernels};
use crate::simd::{Avx2Lanes, Avx512Lanes, NeonLanes, PortableLanes};

/// f32 for training and inference, f64 for gradient checks and as the judge.
pub trait Element:
    Copy
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + PortableLanes
    + Avx2Lanes
    + Avx512Lanes
    + NeonLanes
    + 'static
{
    /// `float32` or `float64`, as in reports.
    const PRECISION: &'static str;
    const ZERO: Self;
    const ONE: Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// Neither infinite nor NaN.
    fn finite(self) -> bool;
    /// The compiled equations of a cell for this type.
    fn cell_kernels(cell: &dyn CellEntry, kind: KernelKind) -> CellKernels<Self>;
    /// Products of bfloat16 operands with sums of this type, where type and processor have them.
    fn pair_kernels() -> Option<PairKernels<Self>>;
}

macro_rules! element {
    ($type:ty, $precision:literal, $kernels:ident, $pairs:expr) => {
        impl Element for $type {
            const PRECISION: &'static str = $precision;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }

            fn cell_kernels(cell: &dyn CellEntry, kind: KernelKind) -> CellKernels<Self> {
                cell.$kernels(kind)
            }

            fn pair_kernels() -> Option<PairKernels<Self>> {
                $pairs
            }
        }
    };
}

element!(f32, "float32", kernels_f32, pair_kernels());
element!(f64, "float64", kernels_f64, None);
