//! LSTM with a projected output (Sak, Senior & Beaufays 2014; `torch.nn.LSTM(proj_size)`):
//! i, f, o = sigmoid(W x + b_ih + U h + b_hh), g = tanh(…), c_t = f c + i g, h_t = W_hr (o tanh(c_t)).
//! h has the projection size, c the hidden size.
//!
//! The equations are those of `lstm`; what is its h there is what the projection reads here.

use super::phase::{Back, Phase, Projected};
use super::*;

type Lstm = lstm::Lstm<{ lstm::WHOLE }>;

pub struct LstmProjection;

impl Projected for LstmProjection {
    const INFO: CellInfo = CellInfo {
        name: "lstm-projection",
        equations: &[
            equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f})", "forget"),
            equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + b_{i})", "input"),
            equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate"),
            equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output"),
            equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell"),
            equation("h", "W_{hr}(o_{t} ⊙ tanh(c_{t}))", "projected"),
        ],
        options: &[],
        choice: &[],
        onnx: None,
        step: &[
            op("i", "Sigmoid", &["a.i"]),
            op("f", "Sigmoid", &["a.f"]),
            op("g", "Tanh", &["a.g"]),
            op("o", "Sigmoid", &["a.o"]),
            op("kept", "Mul", &["f", "c_before"]),
            op("added", "Mul", &["i", "g"]),
            op("c", "Add", &["kept", "added"]),
            op("shown", "Tanh", &["c"]),
            op("units", "Mul", &["o", "shown"]),
            op("h", "MatMul", &["units", "weight_hr"]),
        ],
        ..<Lstm as Cell>::INFO
    };
    const MATRIX: &'static str = "weight_hr";
}

impl Phase for LstmProjection {
    const LAYOUT: Layout = <Lstm as Cell>::LAYOUT;
    const BACK: Back = Back { slots: 1, read: Feed { first: 0, gates: &[0] } };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        vectors: &[V; MAX_VECTORS],
    ) {
        <Lstm as Cell>::forward::<E, V>(gates, states, saved, vectors);
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        <Lstm as Cell>::backward::<E, V>(recorded, reaching)
    }
}
