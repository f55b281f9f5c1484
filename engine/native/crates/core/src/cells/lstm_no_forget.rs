//! The first LSTM (Hochreiter & Schmidhuber 1997; NFG of Greff et al. 2017), without a forget gate and with the full
//! gradient: i, o = sigmoid(W x + U h + b), g = tanh(…), c_t = c + i g, h_t = o tanh(c_t).

use super::*;

pub struct LstmNoForget;

const I: usize = 0;
const G: usize = 1;
const O: usize = 2;
const H: usize = 0;
const C: usize = 1;
const TANH_C: usize = 0;

impl Cell for LstmNoForget {
    const INFO: CellInfo = CellInfo {
        name: "lstm-no-forget",
        signals: &[
            Signal { name: "i", kind: SignalKind::Openness, source: Source::Slot(I) },
            Signal { name: "g", kind: SignalKind::Signed, source: Source::Slot(G) },
            Signal { name: "o", kind: SignalKind::Openness, source: Source::Slot(O) },
            Signal { name: "c", kind: SignalKind::Signed, source: Source::State(C) },
            Signal { name: "h", kind: SignalKind::Signed, source: Source::State(H) },
        ],
        internals: &[],
        gate_order: &["i", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        vectors: &[],
        equations: &[
            equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + b_{i})", "input"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output"),
            equation("c", "c_{t−1} + i_{t} ⊙ g_{t}", "cellNeverForgets"),
            equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
        ],
        onnx: Some(OnnxRecipe {
            operator: "LSTM",
            rows: &[OnnxRows::Gate("i"), OnnxRows::Gate("o"), OnnxRows::Open, OnnxRows::Gate("g")],
            activations: &[],
            attributes: &[],
            peepholes: &[],
        }),
    };

    const LAYOUT: Layout = Layout {
        slots: 3,
        input: Feed { first: 0, gates: &[I, G, O] },
        recurrent: Feed { first: 0, gates: &[I, G, O] },
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
        let g = gates[G].tanh();
        let o = gates[O].sigmoid();
        let c = i.mul_add(g, states[C]);
        let tanh_c = c.tanh();
        gates[I] = i;
        gates[G] = g;
        gates[O] = o;
        states[C] = c;
        states[H] = o.mul(tanh_c);
        saved[TANH_C] = tanh_c;
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let one = V::splat(E::ONE);
        let zero = V::splat(E::ZERO);
        let [i, g, o, _] = recorded.gates;
        let tanh_c = recorded.saved[TANH_C];
        let dh = reaching[H];
        let dc = dh.mul(o).mul_add(one.sub(tanh_c.mul(tanh_c)), reaching[C]);
        let di = dc.mul(g).mul(i.mul(one.sub(i)));
        let dg = dc.mul(i).mul(one.sub(g.mul(g)));
        let d_o = dh.mul(tanh_c).mul(o.mul(one.sub(o)));
        Derivatives { gates: [di, dg, d_o, zero], total: [dh, dc], carry: [zero, dc] }
    }
}
