//! LSTM (Gers, Schmidhuber & Cummins 2000; `torch.nn.LSTM`):
//! i, f, o = sigmoid(W x + b_ih + U h + b_hh), g = tanh(…), c_t = f c + i g, h_t = o tanh(c_t).

use super::*;

pub struct Lstm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;
pub(super) const H: usize = 0;
pub(super) const C: usize = 1;
/// What an LSTM keeps for the backward pass.
pub(super) const TANH_C: usize = 0;

/// h_t = o tanh(c_t), which all LSTMs share: sets both states and keeps tanh(c_t).
#[inline(always)]
pub(super) fn show<E: Element, V: Lanes<E>>(c: V, o: V, states: &mut [V; MAX_STATES], saved: &mut [V; MAX_SAVED]) {
    let tanh_c = c.tanh();
    states[C] = c;
    states[H] = o.mul(tanh_c);
    saved[TANH_C] = tanh_c;
}

/// Its derivatives: of c_t, with what comes from later steps, and of o's sum.
#[inline(always)]
pub(super) fn show_backward<E: Element, V: Lanes<E>>(
    recorded: &Recorded<V>,
    o: V,
    reaching: &[V; MAX_STATES],
) -> (V, V) {
    let tanh_c = recorded.saved[TANH_C];
    let dh = reaching[H];
    let dc = dh.mul(o).mul_add(tanh_slope(tanh_c), reaching[C]);
    (dc, dh.mul(tanh_c).mul(gate_slope(o)))
}

impl Cell for Lstm {
    const INFO: CellInfo = CellInfo {
        name: "lstm",
        signals: &[gate("f", F), gate("i", I), signed("g", G), gate("o", O), unbounded("c", C), state("h", H)],
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
        onnx: Some(OnnxRecipe::plain(
            "LSTM",
            &[OnnxRows::Gate("i"), OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
        )),
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
        *gates = slots([i, f, g, o]);
        show(c, o, states, saved);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let [i, f, g, o, ..] = recorded.gates;
        let (dc, d_o) = show_backward(recorded, o, reaching);
        let di = dc.mul(g).mul(gate_slope(i));
        let df = dc.mul(recorded.previous[C]).mul(gate_slope(f));
        let dg = dc.mul(i).mul(tanh_slope(g));
        Derivatives { gates: slots([di, df, dg, d_o]), total: [reaching[H], dc], carry: [zero, dc.mul(f)] }
    }
}
