//! The interpolation by which gated units without a cell state renew h (Cho et al. 2014): b + gate (a − b). In `gru` and
//! `gru-reset-before` a is the old h and b the candidate under z, in `mgu` the other way round under f.

use crate::element::Element;
use crate::simd::Lanes;

#[inline(always)]
pub(super) fn blend<E: Element, V: Lanes<E>>(gate: V, a: V, b: V) -> V {
    gate.mul_add(a.sub(b), b)
}

/// Derivatives of gate, a and b from that of the interpolation.
#[inline(always)]
pub(super) fn blend_backward<E: Element, V: Lanes<E>>(gate: V, a: V, b: V, d: V) -> [V; 3] {
    [d.mul(a.sub(b)), d.mul(gate), d.mul(V::splat(E::ONE).sub(gate))]
}
