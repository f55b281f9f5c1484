//! LSTM (Gers, Schmidhuber & Cummins 2000; `torch.nn.LSTM`):
//! i, f, o = sigmoid(W x + b_ih + U h + b_hh), g = tanh(…), c_t = f c + i g, h_t = o tanh(c_t).

use super::*;

pub struct Lstm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
const H: usize = 0;
const C: usize = 1;
const TANH_C: usize = 0;

impl Cell for Lstm {
    const INFO: CellInfo = CellInfo {
        name: "lstm",
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
        names: TensorNames::TORCH,
        vectors: &[],
        equations: &[
            equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f})", "forget"),
            equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + b_{i})", "input"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output"),
            equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell"),
            equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
        ],
        onnx: Some(OnnxRecipe {
            operator: "LSTM",
            rows: &[OnnxRows::Gate("i"), OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
            activations: &[],
            attributes: &[],
            peepholes: &[],
        }),
    };

    const LAYOUT: Layout = Layout {
        slots: 4,
        input: Feed { first: 0, gates: &[I, F, G, O] },
        recurrent: Feed { first: 0, gates: &[I, F, G, O] },
        states: 2,
        saved: 1,
        vectors: &[],
    };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        let i = gates[I].sigmoid();
        let f = gates[F].sigmoid();
        let g = gates[G].tanh();
        let o = gates[O].sigmoid();
        let c = f.mul_add(states[C], i.mul(g));
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
        let tanh_c = recorded.saved[TANH_C];
        let dh = reaching[H];
        // dc = dc from later steps + dh o (1 - tanh(c)^2)
        let dc = dh.mul(o).mul_add(one.sub(tanh_c.mul(tanh_c)), reaching[C]);
        let di = dc.mul(g).mul(i.mul(one.sub(i)));
        let df = dc.mul(recorded.previous[C]).mul(f.mul(one.sub(f)));
        let dg = dc.mul(i).mul(one.sub(g.mul(g)));
        let d_o = dh.mul(tanh_c).mul(o.mul(one.sub(o)));
        Derivatives { gates: [di, df, dg, d_o], total: [dh, dc], carry: [zero, dc.mul(f)] }
    }
}
