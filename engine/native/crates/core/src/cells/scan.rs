//! Cells whose step is linear in the state, h_t = a_t h_{t-1} + b_t with a and b from the input alone: no product runs
//! from step to step, so the layer runner computes the gates of all steps at once and scans (`kernels/scan.rs`).

use super::*;
use crate::kernels::scan::{Backward, ChainChunk, Forward, ScanBackward, ScanForward};

/// The equations of such a cell on vectors of 16 units. Its only state is h, and nothing is fed by a recurrent product.
pub trait ScanCell: Send + Sync + 'static {
    const INFO: CellInfo;
    const LAYOUT: Layout;
    /// As `Cell::VARIANTS`.
    const VARIANTS: &'static [&'static dyn CellEntry];

    /// `gates` holds the sums of each slot and becomes the activations.
    fn activate<E: Element, V: Lanes<E>>(gates: &mut [V; MAX_SLOTS]);

    /// a and b from the activations.
    fn kept<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS]) -> V;
    fn added<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS]) -> V;

    /// Derivatives of the sums from the activations, h before the step, and dL/dh after it.
    fn backward<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS], before: V, dh: V) -> [V; MAX_SLOTS];
}

/// The compiled passes over a chunk of time.
#[derive(Clone, Copy)]
pub struct ScanKernels<E> {
    pub forward: unsafe fn(ScanForward<E>),
    pub backward: unsafe fn(ScanBackward<E>),
    pub chain: unsafe fn(ChainChunk<E>),
}

/// A line of the registry for a cell that is scanned.
pub(super) struct ScanEntry<C>(pub PhantomData<fn() -> C>);

impl<C: ScanCell> CellEntry for ScanEntry<C> {
    fn info(&self) -> &'static CellInfo {
        &C::INFO
    }

    fn layout(&self) -> &'static Layout {
        &C::LAYOUT
    }

    fn variants(&self) -> &'static [&'static dyn CellEntry] {
        C::VARIANTS
    }

    fn kernels_f32(&self, kind: KernelKind) -> CellKernels<f32> {
        compiled::<f32, C>(kind)
    }

    fn kernels_f64(&self, kind: KernelKind) -> CellKernels<f64> {
        compiled::<f64, C>(kind)
    }
}

fn compiled<E: Element, C: ScanCell>(kind: KernelKind) -> CellKernels<E> {
    CellKernels::Scan(match kind {
        KernelKind::Avx512 => with::<E, C, Avx512>(),
        KernelKind::Avx2 => with::<E, C, Avx2>(),
        KernelKind::Neon => with::<E, C, Neon>(),
        KernelKind::Portable => with::<E, C, Portable>(),
    })
}

fn with<E: Element, C: ScanCell, I: Isa<E>>() -> ScanKernels<E> {
    ScanKernels { forward: forward::<E, C, I>, backward: backward::<E, C, I>, chain: I::call::<ChainChunk<E>> }
}

/// # Safety
/// As `ScanForward` describes its pointers, and the processor must have I's instructions.
unsafe fn forward<E: Element, C: ScanCell, I: Isa<E>>(scan: ScanForward<E>) {
    unsafe { I::call(Forward::<E, C>(scan, PhantomData)) }
}

/// # Safety
/// As `ScanBackward` describes its pointers, and the processor must have I's instructions.
unsafe fn backward<E: Element, C: ScanCell, I: Isa<E>>(scan: ScanBackward<E>) {
    unsafe { I::call(Backward::<E, C>(scan, PhantomData)) }
}

/// The option `g` of the minimal cells (Feng et al. 2024): what is done to the candidate's sum.
pub(super) const OPTIONS: &[CellOption] = &[CellOption::choice("g", &["identity", "log"])];

pub(super) const fn choice(log: bool) -> &'static [(&'static str, &'static str)] {
    if log { &[("g", "log")] } else { &[("g", "identity")] }
}

pub(super) const fn candidate(log: bool) -> Equation {
    if log {
        equation("n", "g(W_{h}x_{t} + b_{h}), g(v) = v + ½ (v ≥ 0), σ(v) (v < 0)", "candidatePositive")
    } else {
        equation("n", "W_{h}x_{t} + b_{h}", "candidate")
    }
}

/// `log`: g(v) = v + 1/2 for v >= 0, else sigmoid(v); positive everywhere, so that h can be scanned in logarithms.
#[inline(always)]
pub(super) fn positive<E: Element, V: Lanes<E>>(v: V) -> V {
    let above = v.max(V::splat(E::ZERO));
    above.add(v.sub(above).sigmoid())
}

/// Derivative of `positive` where it has the value `n`.
#[inline(always)]
pub(super) fn positive_slope<E: Element, V: Lanes<E>>(n: V) -> V {
    let one = V::splat(E::ONE);
    let below = V::splat(E::from_f64(0.5)).sub(n);
    gate_slope(n).where_positive(below).add(one.sub(one.where_positive(below)))
}
