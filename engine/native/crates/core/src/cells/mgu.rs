//! Minimal gated unit (Zhou, Wu, Zhang & Zhou 2016):
//! f = sigmoid(W_f x + U_f h + b_f), n = tanh(W_n x + U_n (f h) + b_n), h_t = (1 - f) h + f n.
//!
//! The first product gives f, the second reads f h and gives n.

use super::blend::{blend, blend_backward};
use super::phase::{Back, Phase, TwoPhase};
use super::*;

pub struct Mgu;
pub struct Forget;
pub struct Blend;

const F: usize = 0;
const N: usize = 1;
/// Backward only: the part of f's derivative that does not come through the product.
const PART: usize = 2;
const ONLY_F: Feed = Feed { first: F, gates: &[F] };
const ONLY_N: Feed = Feed { first: N, gates: &[N] };
const LAYOUT: Layout = Layout {
    slots: 3,
    input: Feed { first: 0, gates: &[F, N] },
    recurrent: Feed { first: 0, gates: &[F, N] },
    ..Layout::BASE
};

impl TwoPhase for Mgu {
    const INFO: CellInfo = CellInfo {
        name: "mgu",
        signals: &[gate("f", F), signed("n", N), state("h", 0)],
        gate_order: &["f", "n"],
        states: &["h"],
        names: TensorNames::PLAIN,
        equations: &[
            equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f})", "forgetAndUpdate"),
            equation("n", "tanh(W_{xn}x_{t} + W_{hn}(f_{t} ⊙ h_{t−1}) + b_{n})", "candidateForgetBefore"),
            equation("h", "(1 − f_{t}) ⊙ h_{t−1} + f_{t} ⊙ n_{t}", "blendForget"),
        ],
        step: &[
            op("f", "Sigmoid", &["a.f"]),
            op("let_through", "Mul", &["f", "h_before"]),
            op("product", "MatMul", &["let_through", "U.n"]),
            op("sum", "Add", &["x.n", "product"]),
            op("n", "Tanh", &["sum"]),
            op("change", "Sub", &["n", "h_before"]),
            op("added", "Mul", &["f", "change"]),
            op("h", "Add", &["h_before", "added"]),
        ],
        ..CellInfo::BASE
    };
    const LAYOUT: Layout = LAYOUT;
    const SECOND: Feed = ONLY_N;
    type First = Forget;
    type Then = Blend;
}

/// f, and f h as the state in front of h.
impl Phase for Forget {
    const LAYOUT: Layout = Layout { recurrent: ONLY_F, states: 2, ..LAYOUT };
    const BACK: Back = Back { slots: 3, read: ONLY_N };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        gates[F] = gates[F].sigmoid();
        states[0] = gates[F].mul(states[1]);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let mut gates = recorded.gates;
        let (f, h, d_fh) = (gates[F], recorded.previous[1], reaching[0]);
        gates[F] = d_fh.mul_add(h, gates[PART]).mul(gate_slope(f));
        let mut carry = [V::splat(E::ZERO); MAX_STATES];
        carry[1] = d_fh.mul_add(f, reaching[1]);
        Derivatives { gates, total: *reaching, carry }
    }
}

/// n and h. Backward, f stays as it is for the other phase.
impl Phase for Blend {
    const LAYOUT: Layout = Layout { recurrent: ONLY_N, ..LAYOUT };
    const BACK: Back = Back { slots: 3, read: ONLY_F };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        let n = gates[N].tanh();
        gates[N] = n;
        states[0] = blend(gates[F], n, states[0]);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let mut gates = recorded.gates;
        let n = gates[N];
        let [d_gate, d_new, d_old] = blend_backward(gates[F], n, recorded.previous[0], reaching[0]);
        gates[PART] = d_gate;
        gates[N] = d_new.mul(tanh_slope(n));
        let mut carry = *reaching;
        carry[0] = d_old;
        Derivatives { gates, total: *reaching, carry }
    }
}
