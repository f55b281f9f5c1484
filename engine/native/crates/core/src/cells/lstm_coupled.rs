//! LSTM with coupled input and forget gate (CIFG of Greff et al. 2017): f, o = sigmoid(W x + U h + b), i = 1 - f,
//! g = tanh(…), c_t = f c + (1 - f) g, h_t = o tanh(c_t).

use super::*;

pub struct LstmCoupled;

const F: usize = 0;
const G: usize = 1;
const O: usize = 2;
const H: usize = 0;
const C: usize = 1;
const TANH_C: usize = 0;

impl Cell for LstmCoupled {
    const INFO: CellInfo = CellInfo {
        name: "lstm-coupled",
        signals: &[
            Signal { name: "f", kind: SignalKind::Openness, source: Source::Slot(F) },
            Signal { name: "g", kind: SignalKind::Signed, source: Source::Slot(G) },
            Signal { name: "o", kind: SignalKind::Openness, source: Source::Slot(O) },
            Signal { name: "c", kind: SignalKind::Signed, source: Source::State(C) },
            Signal { name: "h", kind: SignalKind::Signed, source: Source::State(H) },
        ],
        internals: &[],
        gate_order: &["f", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        vectors: &[],
        equations: &[
            equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f})", "forgetCoupled"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output"),
            equation("c", "f_{t} ⊙ c_{t−1} + (1 − f_{t}) ⊙ g_{t}", "cell"),
            equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
        ],
        // `input_forget` of the operator keeps i and takes f = 1 - i: i's rows are f's with the other sign.
        onnx: Some(OnnxRecipe {
            operator: "LSTM",
            rows: &[OnnxRows::Inverse("f"), OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
            activations: &[],
            attributes: &[("input_forget", 1)],
            peepholes: &[],
        }),
    };

    const LAYOUT: Layout = Layout {
        slots: 3,
        input: Feed { first: 0, gates: &[F, G, O] },
        recurrent: Feed { first: 0, gates: &[F, G, O] },
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
        let f = gates[F].sigmoid();
        let g = gates[G].tanh();
        let o = gates[O].sigmoid();
        let c = f.mul_add(states[C].sub(g), g);
        let tanh_c = c.tanh();
        gates[F] = f;
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
        let [f, g, o, _] = recorded.gates;
        let tanh_c = recorded.saved[TANH_C];
        let dh = reaching[H];
        let dc = dh.mul(o).mul_add(one.sub(tanh_c.mul(tanh_c)), reaching[C]);
        let df = dc.mul(recorded.previous[C].sub(g)).mul(f.mul(one.sub(f)));
        let dg = dc.mul(one.sub(f)).mul(one.sub(g.mul(g)));
        let d_o = dh.mul(tanh_c).mul(o.mul(one.sub(o)));
        Derivatives { gates: [df, dg, d_o, zero], total: [dh, dc], carry: [zero, dc.mul(f)] }
    }
}
