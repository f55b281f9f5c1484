//! LSTM with diagonal peepholes (Gers & Schmidhuber 2000; Graves 2013; ONNX `LSTM` with `P`):
//! i, f = sigmoid(W x + U h + p c + b), g = tanh(W x + U h + b), c_t = f c + i g, o = sigmoid(W x + U h + p_o c_t + b),
//! h_t = o tanh(c_t). The output gate sees the new cell state.

use super::*;

pub struct LstmPeephole;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
const H: usize = 0;
const C: usize = 1;
const TANH_C: usize = 0;
const P_I: usize = 0;
const P_F: usize = 1;
const P_O: usize = 2;

impl Cell for LstmPeephole {
    const INFO: CellInfo = CellInfo {
        name: "lstm-peephole",
        signals: &[
            Signal { name: "f", kind: SignalKind::Openness, source: Source::Slot(F) },
            Signal { name: "i", kind: SignalKind::Openness, source: Source::Slot(I) },
            Signal { name: "g", kind: SignalKind::Signed, source: Source::Slot(G) },
            Signal { name: "o", kind: SignalKind::Openness, source: Source::Slot(O) },
            Signal { name: "c", kind: SignalKind::Signed, source: Source::State(C) },
            Signal { name: "h", kind: SignalKind::Signed, source: Source::State(H) },
        ],
        internals: &[],
        gate_order: &["i", "f", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        vectors: &["p_i", "p_f", "p_o"],
        equations: &[
            equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + p_{f} ⊙ c_{t−1} + b_{f})", "forgetPeephole"),
            equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + p_{i} ⊙ c_{t−1} + b_{i})", "inputPeephole"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + p_{o} ⊙ c_{t} + b_{o})", "outputPeephole"),
            equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell"),
            equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
        ],
        onnx: Some(OnnxRecipe {
            operator: "LSTM",
            rows: &[OnnxRows::Gate("i"), OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
            activations: &[],
            attributes: &[],
            peepholes: &["p_i", "p_o", "p_f"],
        }),
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
    };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        vectors: &[V; MAX_VECTORS],
    ) {
        let before = states[C];
        let i = vectors[P_I].mul_add(before, gates[I]).sigmoid();
        let f = vectors[P_F].mul_add(before, gates[F]).sigmoid();
        let g = gates[G].tanh();
        let c = f.mul_add(before, i.mul(g));
        let o = vectors[P_O].mul_add(c, gates[O]).sigmoid();
        let tanh_c = c.tanh();
        *gates = [i, f, g, o];
        states[C] = c;
        states[H] = o.mul(tanh_c);
        saved[TANH_C] = tanh_c;
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let one = V::splat(E::ONE);
        let zero = V::splat(E::ZERO);
        let [i, f, g, o] = recorded.gates;
        let [p_i, p_f, p_o] = recorded.vectors;
        let tanh_c = recorded.saved[TANH_C];
        let dh = reaching[H];
        let d_o = dh.mul(tanh_c).mul(o.mul(one.sub(o)));
        // dc = dc from later steps + dh o (1 - tanh(c)^2) + what the output gate saw of it
        let dc = p_o.mul_add(d_o, dh.mul(o).mul_add(one.sub(tanh_c.mul(tanh_c)), reaching[C]));
        let di = dc.mul(g).mul(i.mul(one.sub(i)));
        let df = dc.mul(recorded.previous[C]).mul(f.mul(one.sub(f)));
        let dg = dc.mul(i).mul(one.sub(g.mul(g)));
        let carry = p_f.mul_add(df, p_i.mul_add(di, dc.mul(f)));
        Derivatives { gates: [di, df, dg, d_o], total: [dh, dc], carry: [zero, carry] }
    }
}
