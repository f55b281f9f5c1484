//! Depth-gated LSTM (Yao, Cohn, Vylomova, Duh & Dyer 2015): `lstm-peephole` with a further gate through which the cell
//! state c_low of the layer below enters at the same step:
//! d = sigmoid(W_d x + w_cd c + w_ld c_low + b_d), c_t = d c_low + f c + i g. The lowest layer is `lstm-peephole`.

use super::lower::{BELOW, Lower, ReadsLower};
use super::lstm::{C, H, cell_states, show};
use super::lstm_peephole::{CANDIDATE, F, FORGET, G, HIDDEN, I, INPUT, O, OUTPUT, output, renew, renew_backward};
use super::*;

pub struct DgLstm;

const D: usize = 4;
const LOW: usize = 5;
const W_CD: usize = 3;
const W_LD: usize = 4;

impl ReadsLower for DgLstm {
    const LOWER: Lower =
        Lower { slot: LOW, gate: Feed { first: D, gates: &[0] }, weight: "W_d", bias: "b_d", bottom: "lstm-peephole" };
}

impl Cell for DgLstm {
    const INFO: CellInfo = CellInfo {
        name: "dglstm",
        signals: &[
            gate("f", F),
            gate("i", I),
            signed("g", G),
            gate("d", D),
            gate("o", O),
            unbounded("c", C),
            state("h", H),
        ],
        gate_order: &["i", "f", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        vectors: &["p_i", "p_f", "p_o", "w_cd", "w_ld"],
        equations: &[
            FORGET,
            INPUT,
            CANDIDATE,
            equation("d", "σ(W_{xd}x_{t} + w_{cd} ⊙ c_{t−1} + w_{ld} ⊙ c_{low,t} + b_{d})", "depth"),
            OUTPUT,
            equation("c", "d_{t} ⊙ c_{low,t} + f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cellDepth"),
            HIDDEN,
        ],
        step: &[
            op("i_seen", "Mul", &["p_i", "c_before"]),
            op("i_sum", "Add", &["a.i", "i_seen"]),
            op("i", "Sigmoid", &["i_sum"]),
            op("f_seen", "Mul", &["p_f", "c_before"]),
            op("f_sum", "Add", &["a.f", "f_seen"]),
            op("f", "Sigmoid", &["f_sum"]),
            op("g", "Tanh", &["a.g"]),
            op("d_input", "MatMul", &["input", "W_d"]),
            op("d_biased", "Add", &["d_input", "b_d"]),
            op("d_old", "Mul", &["w_cd", "c_before"]),
            op("d_with_old", "Add", &["d_biased", "d_old"]),
            op("d_low", "Mul", &["w_ld", "c_below"]),
            op("d_sum", "Add", &["d_with_old", "d_low"]),
            op("d", "Sigmoid", &["d_sum"]),
            op("from_below", "Mul", &["d", "c_below"]),
            op("kept", "Mul", &["f", "c_before"]),
            op("added", "Mul", &["i", "g"]),
            op("own", "Add", &["kept", "added"]),
            op("c", "Add", &["from_below", "own"]),
            op("o_seen", "Mul", &["p_o", "c"]),
            op("o_sum", "Add", &["a.o", "o_seen"]),
            op("o", "Sigmoid", &["o_sum"]),
            op("shown", "Tanh", &["c"]),
            op("h", "Mul", &["o", "shown"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 6,
        input: Feed { first: 0, gates: &[I, F, G, O] },
        recurrent: Feed { first: 0, gates: &[I, F, G, O] },
        states: 2,
        saved: 1,
        vectors: &[
            Peephole { slot: I, state: C, after: false },
            Peephole { slot: F, state: C, after: false },
            Peephole { slot: O, state: C, after: true },
            Peephole { slot: D, state: C, after: false },
            Peephole { slot: D, state: BELOW, after: true },
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
        let (before, low) = (states[C], gates[LOW]);
        let ([i, f, g], own) = renew(gates, before, vectors);
        let d = vectors[W_LD].mul_add(low, vectors[W_CD].mul_add(before, gates[D])).sigmoid();
        let c = d.mul_add(low, own);
        let o = output(gates[O], c, vectors);
        *gates = slots([i, f, g, o, d, low]);
        show(c, o, states, saved);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let [.., d, low] = recorded.gates;
        let [.., w_cd, w_ld] = recorded.vectors;
        let (dc, [di, df, dg, d_o], carry) = renew_backward(recorded, reaching);
        let dd = dc.mul(low).mul(gate_slope(d));
        let d_low = w_ld.mul_add(dd, dc.mul(d));
        Derivatives {
            gates: slots([di, df, dg, d_o, dd, d_low]),
            total: cell_states(reaching[H], dc),
            carry: cell_states(V::splat(E::ZERO), w_cd.mul_add(dd, carry)),
        }
    }
}
