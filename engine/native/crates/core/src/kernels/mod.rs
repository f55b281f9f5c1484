//! The products and element-wise passes that the layer runner is made of.
//!
//! Letters: T time steps, B batch, H hidden size padded to a multiple of 16, P = H / 16 unit panels, S slots (vectors
//! per unit panel in the gate tensor), r = t * B + b.

pub mod elementwise;
pub mod outer;
pub mod product;
pub mod recurrent;
pub mod tile;

use crate::element::Element;
use crate::simd::{Avx512, Isa, Lanes, Portable};
use elementwise::{AdamBlock, ScatterRows, SgdBlock, SoftmaxRow, SquareSum};
use outer::Outer;
use product::Product;

/// The instruction sets the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelKind {
    Avx512,
    Portable,
}

impl KernelKind {
    /// The fastest that this processor has; `SLUICE_KERNEL=portable` forces the other.
    pub fn picked() -> Self {
        let forced = std::env::var("SLUICE_KERNEL").is_ok_and(|name| name == "portable");
        if !forced && Avx512::available() { KernelKind::Avx512 } else { KernelKind::Portable }
    }

    pub fn name(self) -> &'static str {
        match self {
            KernelKind::Avx512 => "avx512",
            KernelKind::Portable => "portable",
        }
    }
}

/// Name of the instruction set in use, as shown in logs and reports.
pub fn kernel_name() -> &'static str {
    KernelKind::picked().name()
}

/// One instruction set's kernels: the table behind which everything else is the same.
#[derive(Clone, Copy)]
pub struct Kernels<E: Element> {
    pub kind: KernelKind,
    /// Sums a tile may keep; packing for `outer` follows it.
    pub tile: usize,
    pub product: unsafe fn(Product<E>),
    pub outer: unsafe fn(Outer<E>),
    pub softmax_row: unsafe fn(SoftmaxRow<E>),
    pub adam: unsafe fn(AdamBlock<E>),
    pub sgd: unsafe fn(SgdBlock<E>),
    pub square_sum: unsafe fn(SquareSum<E>),
    pub scatter_rows: unsafe fn(ScatterRows<E>),
}

impl<E: Element> Kernels<E> {
    pub fn of(kind: KernelKind) -> Self {
        match kind {
            KernelKind::Avx512 => Self::with::<Avx512>(kind),
            KernelKind::Portable => Self::with::<Portable>(kind),
        }
    }

    fn with<I: Isa<E>>(kind: KernelKind) -> Self {
        Kernels {
            kind,
            tile: <I::Vector as Lanes<E>>::TILE,
            product: I::call::<Product<E>>,
            outer: I::call::<Outer<E>>,
            softmax_row: I::call::<SoftmaxRow<E>>,
            adam: I::call::<AdamBlock<E>>,
            sgd: I::call::<SgdBlock<E>>,
            square_sum: I::call::<SquareSum<E>>,
            scatter_rows: I::call::<ScatterRows<E>>,
        }
    }
}
