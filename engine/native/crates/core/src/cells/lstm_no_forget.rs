//! The first LSTM (Hochreiter & Schmidhuber 1997; NFG of Greff et al. 2017), without a forget gate and with the full
//! gradient: i, o = sigmoid(W x + U h + b), g = tanh(…), c_t = c + i g, h_t = o tanh(c_t).

use super::lstm::{C, H, cell_states, show, show_backward};
use super::*;

pub struct LstmNoForget;

const I: usize = 0;
const G: usize = 1;
const O: usize = 2;

impl Cell for LstmNoForget {
    const INFO: CellInfo = CellInfo {
        name: "lstm-no-forget",
        signals: &[gate("i", I), signed("g", G), gate("o", O), unbounded("c", C), state("h", H)],
        gate_order: &["i", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        equations: &[
            equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + b_{i})", "input"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output"),
            equation("c", "c_{t−1} + i_{t} ⊙ g_{t}", "cellNeverForgets"),
            equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
        ],
        onnx: Some(OnnxRecipe::plain(
            "LSTM",
            &[OnnxRows::Gate("i"), OnnxRows::Gate("o"), OnnxRows::Open, OnnxRows::Gate("g")],
        )),
        step: &[
            op("i", "Sigmoid", &["a.i"]),
            op("g", "Tanh", &["a.g"]),
            op("o", "Sigmoid", &["a.o"]),
            op("added", "Mul", &["i", "g"]),
            op("c", "Add", &["c_before", "added"]),
            op("squashed", "Tanh", &["c"]),
            op("h", "Mul", &["o", "squashed"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 3,
        input: Feed { first: 0, gates: &[I, G, O] },
        recurrent: Feed { first: 0, gates: &[I, G, O] },
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
        let i = gates[I].sigmoid();
        let g = gates[G].tanh();
        let o = gates[O].sigmoid();
        let c = i.mul_add(g, states[C]);
        gates[I] = i;
        gates[G] = g;
        gates[O] = o;
        show(c, o, states, saved);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let [i, g, o, ..] = recorded.gates;
        let (dc, d_o) = show_backward(recorded, o, reaching);
        let di = dc.mul(g).mul(gate_slope(i));
        let dg = dc.mul(i).mul(tanh_slope(g));
        Derivatives { gates: slots([di, dg, d_o]), total: cell_states(reaching[H], dc), carry: cell_states(zero, dc) }
    }
}
