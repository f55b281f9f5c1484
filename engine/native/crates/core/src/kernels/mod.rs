//! The products and element-wise passes that the layer runner is made of.
//!
//! Letters: T time steps, B batch, H hidden size padded to a multiple of 16, P = H / 16 unit panels, S slots (vectors
//! per unit panel in the gate tensor), r = t * B + b.

pub mod attention;
pub mod elementwise;
pub mod outer;
pub mod product;
pub mod recurrent;
pub mod scan;
pub mod tile;

use crate::element::Element;
use crate::simd::{Avx2, Avx512, Isa, Lanes, Portable};
use elementwise::{AdamBlock, LionBlock, PairSum, RmsBlock, ScatterRows, SgdBlock, SoftmaxRow, SquareSum};
use outer::Outer;
use product::Product;

/// The instruction sets the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelKind {
    Avx512,
    Avx2,
    Portable,
}

impl KernelKind {
    /// Those that this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut kinds = Vec::new();
        if Avx512::available() {
            kinds.push(KernelKind::Avx512);
        }
        if Avx2::available() {
            kinds.push(KernelKind::Avx2);
        }
        kinds.push(KernelKind::Portable);
        kinds
    }

    /// The fastest; `SLUICE_KERNEL=avx2` or `=portable` forces another that the processor has.
    pub fn picked() -> Self {
        let available = Self::available();
        let forced = std::env::var("SLUICE_KERNEL").unwrap_or_default();
        available.iter().copied().find(|kind| kind.name() == forced).unwrap_or(available[0])
    }

    pub fn name(self) -> &'static str {
        match self {
            KernelKind::Avx512 => "avx512",
            KernelKind::Avx2 => "avx2",
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
    pub rms: unsafe fn(RmsBlock<E>),
    pub lion: unsafe fn(LionBlock<E>),
    pub square_sum: unsafe fn(SquareSum<E>),
    pub scatter_rows: unsafe fn(ScatterRows<E>),
    pub pair_sum: unsafe fn(PairSum<E>),
}

impl<E: Element> Kernels<E> {
    pub fn of(kind: KernelKind) -> Self {
        match kind {
            KernelKind::Avx512 => Self::with::<Avx512>(kind),
            KernelKind::Avx2 => Self::with::<Avx2>(kind),
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
            rms: I::call::<RmsBlock<E>>,
            lion: I::call::<LionBlock<E>>,
            square_sum: I::call::<SquareSum<E>>,
            scatter_rows: I::call::<ScatterRows<E>>,
            pair_sum: I::call::<PairSum<E>>,
        }
    }
}
