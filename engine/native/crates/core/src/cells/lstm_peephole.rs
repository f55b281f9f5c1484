//! LSTM with diagonal peepholes (Gers & Schmidhuber 2000; Graves 2013; ONNX `LSTM` with `P`):
//! i, f = sigmoid(W x + U h + p c + b), g = tanh(W x + U h + b), c_t = f c + i g, o = sigmoid(W x + U h + p_o c_t + b),
//! h_t = o tanh(c_t). The output gate sees the new cell state.

use super::lstm::{C, H, cell_states, show, show_backward};
use super::*;

pub struct LstmPeephole;

pub(super) const I: usize = 0;
pub(super) const F: usize = 1;
pub(super) const G: usize = 2;
pub(super) const O: usize = 3;
const P_I: usize = 0;
const P_F: usize = 1;
const P_O: usize = 2;

/// What it has in common with `dglstm`.
pub(super) const FORGET: Equation =
    equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + p_{f} ⊙ c_{t−1} + b_{f})", "forgetPeephole");
pub(super) const INPUT: Equation =
    equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + p_{i} ⊙ c_{t−1} + b_{i})", "inputPeephole");
pub(super) const CANDIDATE: Equation = equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate");
pub(super) const OUTPUT: Equation =
    equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + p_{o} ⊙ c_{t} + b_{o})", "outputPeephole");
pub(super) const HIDDEN: Equation = equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden");

/// i, f and g from their sums, and what they make of the old c: f c + i g.
#[inline(always)]
pub(super) fn renew<E: Element, V: Lanes<E>>(
    sums: &[V; MAX_SLOTS],
    before: V,
    vectors: &[V; MAX_VECTORS],
) -> ([V; 3], V) {
    let i = vectors[P_I].mul_add(before, sums[I]).sigmoid();
    let f = vectors[P_F].mul_add(before, sums[F]).sigmoid();
    let g = sums[G].tanh();
    ([i, f, g], f.mul_add(before, i.mul(g)))
}

/// o from its sum and the new c.
#[inline(always)]
pub(super) fn output<E: Element, V: Lanes<E>>(sum: V, c: V, vectors: &[V; MAX_VECTORS]) -> V {
    vectors[P_O].mul_add(c, sum).sigmoid()
}

/// Derivatives of the new c, of the sums of i, f, g, o, and of the old c.
#[inline(always)]
pub(super) fn renew_backward<E: Element, V: Lanes<E>>(
    recorded: &Recorded<V>,
    reaching: &[V; MAX_STATES],
) -> (V, [V; 4], V) {
    let [i, f, g, o, ..] = recorded.gates;
    let [p_i, p_f, p_o, ..] = recorded.vectors;
    let (dc, d_o) = show_backward(recorded, o, reaching);
    // The output gate saw c_t as well.
    let dc = p_o.mul_add(d_o, dc);
    let di = dc.mul(g).mul(gate_slope(i));
    let df = dc.mul(recorded.previous[C]).mul(gate_slope(f));
    let dg = dc.mul(i).mul(tanh_slope(g));
    let carry = p_f.mul_add(df, p_i.mul_add(di, dc.mul(f)));
    (dc, [di, df, dg, d_o], carry)
}

impl Cell for LstmPeephole {
    const INFO: CellInfo = CellInfo {
        name: "lstm-peephole",
        signals: &[gate("f", F), gate("i", I), signed("g", G), gate("o", O), unbounded("c", C), state("h", H)],
        gate_order: &["i", "f", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        vectors: &["p_i", "p_f", "p_o"],
        equations: &[
            FORGET,
            INPUT,
            CANDIDATE,
            OUTPUT,
            equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell"),
            HIDDEN,
        ],
        onnx: Some(OnnxRecipe {
            peepholes: &["p_i", "p_o", "p_f"],
            ..OnnxRecipe::plain(
                "LSTM",
                &[OnnxRows::Gate("i"), OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
            )
        }),
        step: &[
            op("i_seen", "Mul", &["p_i", "c_before"]),
            op("i_sum", "Add", &["a.i", "i_seen"]),
            op("i", "Sigmoid", &["i_sum"]),
            op("f_seen", "Mul", &["p_f", "c_before"]),
            op("f_sum", "Add", &["a.f", "f_seen"]),
            op("f", "Sigmoid", &["f_sum"]),
            op("g", "Tanh", &["a.g"]),
            op("kept", "Mul", &["f", "c_before"]),
            op("added", "Mul", &["i", "g"]),
            op("c", "Add", &["kept", "added"]),
            op("o_seen", "Mul", &["p_o", "c"]),
            op("o_sum", "Add", &["a.o", "o_seen"]),
            op("o", "Sigmoid", &["o_sum"]),
            op("squashed", "Tanh", &["c"]),
            op("h", "Mul", &["o", "squashed"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 4,
        input: Feed { first: 0, gates: &[I, F, G, O] },
        recurrent: Feed { first: 0, gates: &[I, F, G, O] },
        states: 2,
        saved: 1,
        vectors: &[
            Peephole { slot: I, state: C, after: false },
            Peephole { slot: F, state: C, after: false },
            Peephole { slot: O, state: C, after: true },
        ],
        ..Layout::BASE
    };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        vectors: &[V; MAX_VECTORS],
    ) {
        let ([i, f, g], c) = renew(gates, states[C], vectors);
        let o = output(gates[O], c, vectors);
        *gates = slots([i, f, g, o]);
        show(c, o, states, saved);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let (dc, sums, carry) = renew_backward(recorded, reaching);
        Derivatives {
            gates: slots(sums),
            total: cell_states(reaching[H], dc),
            carry: cell_states(V::splat(E::ZERO), carry),
        }
    }
}
