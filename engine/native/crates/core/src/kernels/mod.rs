//! The products and element-wise passes that the layer runner is made of.
//!
//! Letters: T time steps, B batch, H hidden size padded to a multiple of 16, P = H / 16 unit panels, S slots (vectors
//! per unit panel in the gate tensor), r = t * B + b.

pub mod attention;
pub mod bfloat16;
pub mod blend;
pub mod elementwise;
pub mod logistic;
pub mod normalised;
pub mod outer;
pub mod peak;
pub mod product;
pub mod recurrent;
pub mod scan;
pub mod stored;
pub mod tile;

use crate::element::Element;
use crate::simd::{Avx2, Avx512, Isa, Lanes, Neon, Portable};
use blend::{Blend, Clamp};
use elementwise::{AdamBlock, LionBlock, PairSum, RmsBlock, ScatterRows, SgdBlock, SoftmaxRow, SquareSum};
use logistic::LogisticRow;
use normalised::NormaliseInputs;
use outer::Outer;
use peak::Peak;
use product::Product;
use stored::StoredProduct;

/// The instruction sets the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelKind {
    Avx512,
    Avx2,
    Neon,
    Portable,
}

/// Every instruction set, whatever this processor has.
const ALL: [KernelKind; 4] = [KernelKind::Avx512, KernelKind::Avx2, KernelKind::Neon, KernelKind::Portable];

/// What the environment asks for; empty for nothing.
fn wish() -> String {
    std::env::var_os("SLUICE_KERNEL").unwrap_or_default().to_string_lossy().into_owned()
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
        if Neon::available() {
            kinds.push(KernelKind::Neon);
        }
        kinds.push(KernelKind::Portable);
        kinds
    }

    /// The fastest; `SLUICE_KERNEL` with the name of another that the processor has forces that one. What it cannot
    /// follow, `kernel_problem` tells.
    pub fn picked() -> Self {
        Self::forced_by(&wish()).unwrap_or_else(|_| Self::available()[0])
    }

    /// The instruction set of that name, the fastest for an empty one; otherwise what is wrong with it.
    fn forced_by(wish: &str) -> Result<Self, String> {
        let available = Self::available();
        if wish.is_empty() {
            return Ok(available[0]);
        }
        available.iter().copied().find(|kind| kind.name() == wish).ok_or_else(|| {
            let reason = if ALL.iter().any(|kind| kind.name() == wish) {
                "which this processor does not have"
            } else {
                "which is no instruction set of the engine"
            };
            let names: Vec<_> = available.iter().map(|kind| kind.name()).collect();
            format!("SLUICE_KERNEL is \"{wish}\", {reason}. Set it to one of {}, or unset it", names.join(", "))
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            KernelKind::Avx512 => "avx512",
            KernelKind::Avx2 => "avx2",
            KernelKind::Neon => "neon",
            KernelKind::Portable => "portable",
        }
    }
}

/// Name of the instruction set in use, as shown in logs and reports.
pub fn kernel_name() -> &'static str {
    KernelKind::picked().name()
}

/// What is wrong with `SLUICE_KERNEL`, as a sentence for people; `kernel_name` is used in its place.
pub fn kernel_problem() -> Option<String> {
    KernelKind::forced_by(&wish()).err()
}

/// Why a training cannot round the operands of its products to bfloat16 here, as a part of a sentence; none where it can.
pub fn bfloat16_problem() -> Option<String> {
    bfloat16::pairs_problem(KernelKind::picked(), "float32")
}

/// One instruction set's kernels: the table behind which everything else is the same.
#[derive(Clone, Copy)]
pub struct Kernels<E: Element> {
    pub kind: KernelKind,
    /// Sums a tile may keep; packing for `outer` follows it.
    pub tile: usize,
    pub product: unsafe fn(Product<E>),
    pub outer: unsafe fn(Outer<E>),
    pub stored_product: unsafe fn(StoredProduct<E>),
    pub softmax_row: unsafe fn(SoftmaxRow<E>),
    pub logistic_row: unsafe fn(LogisticRow<E>),
    pub adam: unsafe fn(AdamBlock<E>),
    pub sgd: unsafe fn(SgdBlock<E>),
    pub rms: unsafe fn(RmsBlock<E>),
    pub lion: unsafe fn(LionBlock<E>),
    pub square_sum: unsafe fn(SquareSum<E>),
    pub blend: unsafe fn(Blend<E>),
    pub clamp: unsafe fn(Clamp<E>),
    pub scatter_rows: unsafe fn(ScatterRows<E>),
    pub pair_sum: unsafe fn(PairSum<E>),
    pub normalise_inputs: unsafe fn(NormaliseInputs<E>),
    pub peak: unsafe fn(Peak<E>),
}

impl<E: Element> Kernels<E> {
    pub fn of(kind: KernelKind) -> Self {
        match kind {
            KernelKind::Avx512 => Self::with::<Avx512>(kind),
            KernelKind::Avx2 => Self::with::<Avx2>(kind),
            KernelKind::Neon => Self::with::<Neon>(kind),
            KernelKind::Portable => Self::with::<Portable>(kind),
        }
    }

    fn with<I: Isa<E>>(kind: KernelKind) -> Self {
        Kernels {
            kind,
            tile: <I::Vector as Lanes<E>>::TILE,
            product: I::call::<Product<E>>,
            outer: I::call::<Outer<E>>,
            stored_product: I::call::<StoredProduct<E>>,
            softmax_row: I::call::<SoftmaxRow<E>>,
            logistic_row: I::call::<LogisticRow<E>>,
            adam: I::call::<AdamBlock<E>>,
            sgd: I::call::<SgdBlock<E>>,
            rms: I::call::<RmsBlock<E>>,
            lion: I::call::<LionBlock<E>>,
            square_sum: I::call::<SquareSum<E>>,
            blend: I::call::<Blend<E>>,
            clamp: I::call::<Clamp<E>>,
            scatter_rows: I::call::<ScatterRows<E>>,
            pair_sum: I::call::<PairSum<E>>,
            normalise_inputs: I::call::<NormaliseInputs<E>>,
            peak: I::call::<Peak<E>>,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_of_this_processor_can_be_forced() {
        for kind in KernelKind::available() {
            assert!(ALL.contains(&kind));
            assert_eq!(KernelKind::forced_by(kind.name()), Ok(kind));
        }
        assert_eq!(KernelKind::forced_by(""), Ok(KernelKind::available()[0]));
    }

    #[test]
    fn a_wish_that_cannot_be_followed_is_told() {
        let unknown = KernelKind::forced_by("sse").unwrap_err();
        assert!(unknown.contains("\"sse\", which is no instruction set of the engine"), "{unknown}");
        assert!(unknown.contains("portable, or unset it"), "{unknown}");
        let missing = ALL.into_iter().find(|kind| !KernelKind::available().contains(kind)).unwrap();
        let told = KernelKind::forced_by(missing.name()).unwrap_err();
        assert!(told.contains("which this processor does not have"), "{told}");
    }
}
