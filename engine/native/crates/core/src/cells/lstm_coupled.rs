//! LSTM with coupled input and forget gate (CIFG of Greff et al. 2017): f, o = sigmoid(W x + U h + b), i = 1 - f,
//! g = tanh(…), c_t = f c + (1 - f) g, h_t = o tanh(c_t).

use super::lstm::{C, H, cell_states, show, show_backward};
use super::*;

pub struct LstmCoupled;

const F: usize = 0;
const G: usize = 1;
const O: usize = 2;

impl Cell for LstmCoupled {
    const INFO: CellInfo = CellInfo {
        name: "lstm-coupled",
        signals: &[gate("f", F), signed("g", G), gate("o", O), unbounded("c", C), state("h", H)],
        gate_order: &["f", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        equations: &[
            equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f})", "forgetCoupled"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output"),
            equation("c", "f_{t} ⊙ c_{t−1} + (1 − f_{t}) ⊙ g_{t}", "cell"),
            equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
        ],
        // `input_forget` of the operator keeps i and takes f = 1 - i: i's rows are f's with the other sign.
        onnx: Some(OnnxRecipe {
            attributes: &[("input_forget", 1)],
            ..OnnxRecipe::plain(
                "LSTM",
                &[OnnxRows::Inverse("f"), OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
            )
        }),
        step: &[
            op("f", "Sigmoid", &["a.f"]),
            op("g", "Tanh", &["a.g"]),
            op("o", "Sigmoid", &["a.o"]),
            op("i", "Sub", &["1", "f"]),
            op("kept", "Mul", &["f", "c_before"]),
            op("added", "Mul", &["i", "g"]),
            op("c", "Add", &["kept", "added"]),
            op("squashed", "Tanh", &["c"]),
            op("h", "Mul", &["o", "squashed"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 3,
        input: Feed { first: 0, gates: &[F, G, O] },
        recurrent: Feed { first: 0, gates: &[F, G, O] },
        states: 2,
        saved: 1,
        ..Layout::BASE
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
        gates[F] = f;
        gates[G] = g;
        gates[O] = o;
        show(c, o, states, saved);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let one = V::splat(E::ONE);
        let zero = V::splat(E::ZERO);
        let [f, g, o, ..] = recorded.gates;
        let (dc, d_o) = show_backward(recorded, o, reaching);
        let df = dc.mul(recorded.previous[C].sub(g)).mul(gate_slope(f));
        let dg = dc.mul(one.sub(f)).mul(tanh_slope(g));
        Derivatives {
            gates: slots([df, dg, d_o]),
            total: cell_states(reaching[H], dc),
            carry: cell_states(zero, dc.mul(f)),
        }
    }
}
