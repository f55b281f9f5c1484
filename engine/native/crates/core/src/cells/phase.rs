//! Steps in two phases: a product with equations on its sums, then a further product inside the same step.
//!
//! Forward, the first phase reads h and gives, besides gates, what the second product reads: in place of a first state.
//! Backward, the second phase comes first: it leaves the derivatives of its sums, whose product gives the first phase
//! the derivative of what it had given.

use std::marker::PhantomData;

use super::compiled;
use super::{
    Cell, CellEntry, CellInfo, CellKernels, Feed, Layout, MAX_SAVED, MAX_SLOTS, MAX_STATES, MAX_VECTORS, StepKernels,
    compiled_steps,
};
use crate::element::Element;
use crate::kernels::KernelKind;
use crate::kernels::recurrent::{BackwardStep, Derivatives, ForwardStep, Recorded};
use crate::simd::Lanes;

/// What the product in front of a phase's backward equations reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// Vectors per panel and row of the tensor of derivatives, and those of them that the product reads.
    pub slots: usize,
    pub read: Feed,
}

/// Equations that follow a product, on vectors of 16 units: a whole cell, or one phase of a step.
pub trait Phase: Send + Sync + 'static {
    /// `recurrent` is what the product in front of the forward equations feeds, `states` what these equations read
    /// and write.
    const LAYOUT: Layout;
    const BACK: Back;

    /// As `Cell::forward`.
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        vectors: &[V; MAX_VECTORS],
    );

    /// As `Cell::backward`; what the product gave has been added to the derivative of the first state.
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V>;
}

impl<C: Cell> Phase for C {
    const LAYOUT: Layout = C::LAYOUT;
    const BACK: Back = Back { slots: C::LAYOUT.slots, read: C::LAYOUT.recurrent };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        vectors: &[V; MAX_VECTORS],
    ) {
        C::forward::<E, V>(gates, states, saved, vectors);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        C::backward::<E, V>(recorded, reaching)
    }
}

/// What the second product of a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// These last gates of the recurrent weights read what the first phase gave instead of h.
    Gates(Feed),
    /// h is this matrix, a tensor `[projection size, H]`, times what the first phase gave; no equations follow.
    Projection(&'static str),
}

/// A cell whose step has a second product for some of its gates. Its first phase has a state in front of the cell's:
/// what that product reads.
pub trait TwoPhase: Send + Sync + 'static {
    const INFO: CellInfo;
    /// The whole cell; `recurrent` covers the gates of both products.
    const LAYOUT: Layout;
    /// The gates of the second product: the last of `LAYOUT.recurrent`.
    const SECOND: Feed;
    type First: Phase;
    type Then: Phase;
}

/// A cell whose h is a projection of what its equations give in place of a first state.
pub trait Projected: Phase {
    const INFO: CellInfo;
    const MATRIX: &'static str;
}

/// The compiled second phase.
#[derive(Clone, Copy)]
pub struct SecondKernels<E> {
    pub forward: unsafe fn(ForwardStep<E>),
    pub backward: unsafe fn(BackwardStep<E>),
}

pub(super) struct TwoPhaseEntry<C>(pub PhantomData<fn() -> C>);

impl<C: TwoPhase> CellEntry for TwoPhaseEntry<C> {
    fn info(&self) -> &'static CellInfo {
        &C::INFO
    }

    fn layout(&self) -> &'static Layout {
        &C::LAYOUT
    }

    fn second(&self) -> Option<Second> {
        Some(Second::Gates(C::SECOND))
    }

    fn kernels_f32(&self, kind: KernelKind) -> CellKernels<f32> {
        both::<f32, C>(kind)
    }

    fn kernels_f64(&self, kind: KernelKind) -> CellKernels<f64> {
        both::<f64, C>(kind)
    }
}

fn both<E: Element, C: TwoPhase>(kind: KernelKind) -> CellKernels<E> {
    let StepKernels { forward, backward, .. } = compiled_steps::<E, C::Then>(kind);
    let second = Some(SecondKernels { forward, backward });
    CellKernels::Steps(StepKernels { second, ..compiled_steps::<E, C::First>(kind) })
}

pub(super) struct ProjectedEntry<C>(pub PhantomData<fn() -> C>);

impl<C: Projected> CellEntry for ProjectedEntry<C> {
    fn info(&self) -> &'static CellInfo {
        &C::INFO
    }

    fn layout(&self) -> &'static Layout {
        &C::LAYOUT
    }

    fn second(&self) -> Option<Second> {
        Some(Second::Projection(C::MATRIX))
    }

    fn kernels_f32(&self, kind: KernelKind) -> CellKernels<f32> {
        compiled::<f32, C>(kind)
    }

    fn kernels_f64(&self, kind: KernelKind) -> CellKernels<f64> {
        compiled::<f64, C>(kind)
    }
}
