//! GRU with the reset before the product (Cho et al. 2014; ONNX `linear_before_reset = 0`):
//! r, z = sigmoid(W x + b_ih + U h + b_hh), n = tanh(W_n x + b_in + U_n (r h) + b_hn), h_t = (1 - z) n + z h.
//!
//! The first product gives r and z, the second reads r h and gives n.

use super::blend::{blend, blend_backward};
use super::gru::{BLEND, ONNX, RESET, UPDATE};
use super::phase::{Back, Phase, TwoPhase};
use super::*;

pub struct GruResetBefore;
pub struct Gates;
pub struct Blend;

const R: usize = 0;
const Z: usize = 1;
const N: usize = 2;
const RZ: Feed = Feed { first: R, gates: &[R, Z] };
const ONLY_N: Feed = Feed { first: N, gates: &[N] };
const LAYOUT: Layout = Layout {
    slots: 3,
    input: Feed { first: 0, gates: &[R, Z, N] },
    recurrent: Feed { first: 0, gates: &[R, Z, N] },
    ..Layout::BASE
};

impl TwoPhase for GruResetBefore {
    const INFO: CellInfo = CellInfo {
        name: "gru-reset-before",
        signals: &[gate("r", R), gate("z", Z), signed("n", N), state("h", 0)],
        gate_order: &["r", "z", "n"],
        states: &["h"],
        names: TensorNames::TORCH,
        equations: &[
            RESET,
            UPDATE,
            equation("n", "tanh(W_{xn}x_{t} + W_{hn}(r_{t} ⊙ h_{t−1}) + b_{n})", "candidateResetBefore"),
            BLEND,
        ],
        onnx: Some(OnnxRecipe { attributes: &[("linear_before_reset", 0)], ..ONNX }),
        step: &[
            op("r", "Sigmoid", &["a.r"]),
            op("z", "Sigmoid", &["a.z"]),
            op("let_through", "Mul", &["r", "h_before"]),
            op("product", "MatMul", &["let_through", "weight_hh.n"]),
            op("recurrent", "Add", &["product", "bias_hh.n"]),
            op("sum", "Add", &["x.n", "recurrent"]),
            op("n", "Tanh", &["sum"]),
            op("open", "Sub", &["1", "z"]),
            op("new", "Mul", &["open", "n"]),
            op("kept", "Mul", &["z", "h_before"]),
            op("h", "Add", &["new", "kept"]),
        ],
        ..CellInfo::BASE
    };
    const LAYOUT: Layout = LAYOUT;
    const SECOND: Feed = ONLY_N;
    type First = Gates;
    type Then = Blend;
}

/// r, z, and r h as the state in front of h.
impl Phase for Gates {
    const LAYOUT: Layout = Layout { recurrent: RZ, states: 2, ..LAYOUT };
    const BACK: Back = Back { slots: 3, read: ONLY_N };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        gates[R] = gates[R].sigmoid();
        gates[Z] = gates[Z].sigmoid();
        states[0] = gates[R].mul(states[1]);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let mut gates = recorded.gates;
        let (r, h, d_rh) = (gates[R], recorded.previous[1], reaching[0]);
        gates[R] = d_rh.mul(h).mul(gate_slope(r));
        let mut carry = [V::splat(E::ZERO); MAX_STATES];
        carry[1] = d_rh.mul_add(r, reaching[1]);
        Derivatives { gates, total: *reaching, carry }
    }
}

/// n and h. Backward, r stays as it is for the other phase.
impl Phase for Blend {
    const LAYOUT: Layout = Layout { recurrent: ONLY_N, ..LAYOUT };
    const BACK: Back = Back { slots: 3, read: RZ };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        let n = gates[N].tanh();
        gates[N] = n;
        states[0] = blend(gates[Z], states[0], n);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let mut gates = recorded.gates;
        let (z, n) = (gates[Z], gates[N]);
        let [d_gate, d_old, d_new] = blend_backward(z, recorded.previous[0], n, reaching[0]);
        gates[Z] = d_gate.mul(gate_slope(z));
        gates[N] = d_new.mul(tanh_slope(n));
        let mut carry = *reaching;
        carry[0] = d_old;
        Derivatives { gates, total: *reaching, carry }
    }
}
