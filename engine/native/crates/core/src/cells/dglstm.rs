//! Depth-gated LSTM (Yao, Cohn, Vylomova, Duh & Dyer 2015): `lstm-peephole` with a further gate through which the cell
//! state c_low of the layer below enters at the same step:
//! d = sigmoid(W_d x + w_cd c + w_ld c_low + b_d), c_t = d c_low + f c + i g. The lowest layer is `lstm-peephole`.

use super::lower::{BELOW, Lower, ReadsLower};
use super::lstm::{C, H, cell_states, show, show_backward};
use super::*;

pub struct DgLstm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
const D: usize = 4;
const LOW: usize = 5;
const P_I: usize = 0;
const P_F: usize = 1;
const P_O: usize = 2;
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
            equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + p_{f} ⊙ c_{t−1} + b_{f})", "forgetPeephole"),
            equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + p_{i} ⊙ c_{t−1} + b_{i})", "inputPeephole"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("d", "σ(W_{xd}x_{t} + w_{cd} ⊙ c_{t−1} + w_{ld} ⊙ c_{low,t} + b_{d})", "depth"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + p_{o} ⊙ c_{t} + b_{o})", "outputPeephole"),
            equation("c", "d_{t} ⊙ c_{low,t} + f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cellDepth"),
            equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
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
        let i = vectors[P_I].mul_add(before, gates[I]).sigmoid();
        let f = vectors[P_F].mul_add(before, gates[F]).sigmoid();
        let g = gates[G].tanh();
        let d = vectors[W_LD].mul_add(low, vectors[W_CD].mul_add(before, gates[D])).sigmoid();
        let c = d.mul_add(low, f.mul_add(before, i.mul(g)));
        let o = vectors[P_O].mul_add(c, gates[O]).sigmoid();
        *gates = slots([i, f, g, o, d, low]);
        show(c, o, states, saved);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let [i, f, g, o, d, low] = recorded.gates;
        let [p_i, p_f, p_o, w_cd, w_ld] = recorded.vectors;
        let before = recorded.previous[C];
        let (dc, d_o) = show_backward(recorded, o, reaching);
        let dc = p_o.mul_add(d_o, dc);
        let di = dc.mul(g).mul(gate_slope(i));
        let df = dc.mul(before).mul(gate_slope(f));
        let dg = dc.mul(i).mul(tanh_slope(g));
        let dd = dc.mul(low).mul(gate_slope(d));
        let d_low = w_ld.mul_add(dd, dc.mul(d));
        let carry = w_cd.mul_add(dd, p_f.mul_add(df, p_i.mul_add(di, dc.mul(f))));
        Derivatives {
            gates: slots([di, df, dg, d_o, dd, d_low]),
            total: cell_states(reaching[H], dc),
            carry: cell_states(zero, carry),
        }
    }
}
