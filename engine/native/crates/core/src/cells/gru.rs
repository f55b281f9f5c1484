//! GRU with the reset after the product (cuDNN; `torch.nn.GRU`; ONNX `linear_before_reset = 1`):
//! r, z = sigmoid(W x + b_ih + U h + b_hh), n = tanh(W_n x + b_in + r (U_n h + b_hn)), h_t = (1 - z) n + z h.
//!
//! n's input and recurrent parts meet only after r, so they have a slot each. Slots: n's input part (then n), r, z,
//! n's recurrent part; so both products feed consecutive slots, and backward the slots hold dn, dr, dz and dn r.

use super::blend::{blend, blend_backward};
use super::*;

pub struct Gru;

const R: usize = 0;
const Z: usize = 1;
const N: usize = 2;
const SLOT_N: usize = 0;
const SLOT_R: usize = 1;
const SLOT_Z: usize = 2;
const SLOT_HN: usize = 3;
const H: usize = 0;

/// What it has in common with `gru-reset-before`.
pub(super) const RESET: Equation = equation("r", "σ(W_{xr}x_{t} + W_{hr}h_{t−1} + b_{r})", "reset");
pub(super) const UPDATE: Equation = equation("z", "σ(W_{xz}x_{t} + W_{hz}h_{t−1} + b_{z})", "update");
pub(super) const BLEND: Equation = equation("h", "(1 − z_{t}) ⊙ n_{t} + z_{t} ⊙ h_{t−1}", "blend");
pub(super) const ONNX: OnnxRecipe =
    OnnxRecipe::plain("GRU", &[OnnxRows::Gate("z"), OnnxRows::Gate("r"), OnnxRows::Gate("n")]);

impl Cell for Gru {
    const INFO: CellInfo = CellInfo {
        name: "gru",
        signals: &[gate("r", SLOT_R), gate("z", SLOT_Z), signed("n", SLOT_N), state("h", H)],
        gate_order: &["r", "z", "n"],
        states: &["h"],
        names: TensorNames::TORCH,
        equations: &[
            RESET,
            UPDATE,
            equation("n", "tanh(W_{xn}x_{t} + b_{xn} + r_{t} ⊙ (W_{hn}h_{t−1} + b_{hn}))", "candidate"),
            BLEND,
        ],
        onnx: Some(OnnxRecipe { attributes: &[("linear_before_reset", 1)], ..ONNX }),
        step: &[
            op("r", "Sigmoid", &["a.r"]),
            op("z", "Sigmoid", &["a.z"]),
            op("reset", "Mul", &["r", "u.n"]),
            op("n_sum", "Add", &["x.n", "reset"]),
            op("n", "Tanh", &["n_sum"]),
            op("old", "Sub", &["h_before", "n"]),
            op("kept", "Mul", &["z", "old"]),
            op("h", "Add", &["n", "kept"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 4,
        input: Feed { first: SLOT_N, gates: &[N, R, Z] },
        recurrent: Feed { first: SLOT_R, gates: &[R, Z, N] },
        states: 1,
        ..Layout::BASE
    };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        let r = gates[SLOT_R].sigmoid();
        let z = gates[SLOT_Z].sigmoid();
        let n = r.mul_add(gates[SLOT_HN], gates[SLOT_N]).tanh();
        gates[SLOT_N] = n;
        gates[SLOT_R] = r;
        gates[SLOT_Z] = z;
        states[H] = blend(z, states[H], n);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let [n, r, z, hn, ..] = recorded.gates;
        let [d_gate, d_old, d_new] = blend_backward(z, recorded.previous[H], n, reaching[H]);
        let dn = d_new.mul(tanh_slope(n));
        let dz = d_gate.mul(gate_slope(z));
        let dr = dn.mul(hn).mul(gate_slope(r));
        let mut carry = *reaching;
        carry[H] = d_old;
        Derivatives { gates: slots([dn, dr, dz, dn.mul(r)]), total: *reaching, carry }
    }
}
