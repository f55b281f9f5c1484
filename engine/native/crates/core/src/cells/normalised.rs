//! Cells whose sums are normalised over all units before their equations (layer normalisation, Ba, Kiros & Hinton 2016):
//! the sums of the input and of the recurrent product each over all gates at once, and the cell state before it is
//! seen. `LN(v) = (v - mean) / sqrt(var + eps) * gain + bias`.
//!
//! A cell has its elementwise equations only; `kernels::normalised` has the normalisation and its derivatives.

use std::marker::PhantomData;

use super::{CellEntry, CellInfo, CellKernels, Layout, StepKernels};
use crate::element::Element;
use crate::kernels::KernelKind;
use crate::kernels::normalised::{NormalisedBackward, NormalisedForward};
use crate::kernels::recurrent::{BackwardStep, ForwardStep};
use crate::simd::{Avx2, Avx512, Isa, Lanes, Neon, Portable};

/// Gates of such a cell; its gate tensor has three such groups of slots: the input's sums, the recurrent sums (backward
/// their derivatives), and the gates (backward the derivatives of what stands inside them).
pub const GATES: usize = 4;
pub const INPUT_SLOT: usize = 0;
pub const RECURRENT_SLOT: usize = GATES;
pub const GATE_SLOT: usize = 2 * GATES;

/// Added to the variance.
pub const EPSILON: f64 = 1e-5;

/// Names of the gains and biases: of the input's sums, of the recurrent sums, of the cell state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormalisedNames {
    pub input: [&'static str; 2],
    pub recurrent: [&'static str; 2],
    pub cell: [&'static str; 2],
}

/// The elementwise equations of a cell with two states, h and c, on vectors of 16 units.
pub trait Normalised: Send + Sync + 'static {
    const INFO: CellInfo;
    const LAYOUT: Layout;
    const NAMES: NormalisedNames;

    /// The gates from their sums, in place, and c_t from c.
    fn gates<E: Element, V: Lanes<E>>(gates: &mut [V; GATES], c: V) -> V;

    /// h_t from the gates and the normalised c_t, and what `show_backward` needs of it.
    fn show<E: Element, V: Lanes<E>>(gates: &[V; GATES], seen: V) -> (V, V);

    /// The derivative of the normalised c_t; in `gates`, those that `show` read become derivatives of their sums.
    fn show_backward<E: Element, V: Lanes<E>>(gates: &mut [V; GATES], kept: V, dh: V) -> V;

    /// The derivative of c past the products; in `gates`, the others become derivatives of their sums.
    fn gates_backward<E: Element, V: Lanes<E>>(gates: &mut [V; GATES], c: V, dc: V) -> V;
}

pub(super) struct NormalisedEntry<C>(pub PhantomData<fn() -> C>);

impl<C: Normalised> CellEntry for NormalisedEntry<C> {
    fn info(&self) -> &'static CellInfo {
        &C::INFO
    }

    fn layout(&self) -> &'static Layout {
        &C::LAYOUT
    }

    fn normalised(&self) -> Option<NormalisedNames> {
        Some(C::NAMES)
    }

    fn kernels_f32(&self, kind: KernelKind) -> CellKernels<f32> {
        compiled::<f32, C>(kind)
    }

    fn kernels_f64(&self, kind: KernelKind) -> CellKernels<f64> {
        compiled::<f64, C>(kind)
    }
}

fn compiled<E: Element, C: Normalised>(kind: KernelKind) -> CellKernels<E> {
    let (forward, backward): (unsafe fn(ForwardStep<E>), unsafe fn(BackwardStep<E>)) = match kind {
        KernelKind::Avx512 => (forward::<E, C, Avx512>, backward::<E, C, Avx512>),
        KernelKind::Avx2 => (forward::<E, C, Avx2>, backward::<E, C, Avx2>),
        KernelKind::Neon => (forward::<E, C, Neon>, backward::<E, C, Neon>),
        KernelKind::Portable => (forward::<E, C, Portable>, backward::<E, C, Portable>),
    };
    CellKernels::Steps(StepKernels { forward, backward, second: None })
}

/// # Safety
/// As `NormalisedForward` describes its pointers, and the processor must have I's instructions.
unsafe fn forward<E: Element, C: Normalised, I: Isa<E>>(step: ForwardStep<E>) {
    unsafe { I::call(NormalisedForward::<E, C>(step, PhantomData)) }
}

/// # Safety
/// As `NormalisedBackward` describes its pointers, and the processor must have I's instructions.
unsafe fn backward<E: Element, C: Normalised, I: Isa<E>>(step: BackwardStep<E>) {
    unsafe { I::call(NormalisedBackward::<E, C>(step, PhantomData)) }
}
