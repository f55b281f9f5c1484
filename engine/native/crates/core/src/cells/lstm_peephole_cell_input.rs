//! LSTM whose gates see the cell state through a full matrix in place of h (the "peephole LSTM" of Wikipedia's LSTM
//! article and of study texts after it; Gers & Schmidhuber 2001 name the idea): f, i, o = sigmoid(W x + U c + b),
//! g = tanh(W x + b), c_t = f c + i g, h_t = s(o c_t). The candidate sees x only, and h never feeds back. The option
//! `outputActivation` says what s is: the identity or tanh, of the whole product.

use super::lstm::{C, H, cell_states};
use super::*;

pub struct LstmPeepholeCellInput<const OUTPUT: u8>;

pub(super) const IDENTITY: u8 = 0;
const TANH: u8 = 1;
const CHOICES: &[&str] = &["identity", "tanh"];

const F: usize = 0;
const I: usize = 1;
const O: usize = 2;
const G: usize = 3;

impl<const OUTPUT: u8> Cell for LstmPeepholeCellInput<OUTPUT> {
    const INFO: CellInfo = CellInfo {
        name: "lstm-peephole-cell-input",
        signals: if OUTPUT == TANH {
            &[gate("f", F), gate("i", I), signed("g", G), gate("o", O), unbounded("c", C), state("h", H)]
        } else {
            &[gate("f", F), gate("i", I), signed("g", G), gate("o", O), unbounded("c", C), unbounded("h", H)]
        },
        gate_order: &["f", "i", "o", "g"],
        input_only: &["g"],
        states: &["h", "c"],
        recurrent_state: "c",
        equations: if OUTPUT == TANH {
            &[
                equation("f", "σ(W_{xf}x_{t} + W_{cf}c_{t−1} + b_{f})", "forgetPeephole"),
                equation("i", "σ(W_{xi}x_{t} + W_{ci}c_{t−1} + b_{i})", "inputPeephole"),
                equation("g", "tanh(W_{xg}x_{t} + b_{g})", "candidateInput"),
                equation("o", "σ(W_{xo}x_{t} + W_{co}c_{t−1} + b_{o})", "outputOldState"),
                equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell"),
                equation("h", "tanh(o_{t} ⊙ c_{t})", "hidden"),
            ]
        } else {
            &[
                equation("f", "σ(W_{xf}x_{t} + W_{cf}c_{t−1} + b_{f})", "forgetPeephole"),
                equation("i", "σ(W_{xi}x_{t} + W_{ci}c_{t−1} + b_{i})", "inputPeephole"),
                equation("g", "tanh(W_{xg}x_{t} + b_{g})", "candidateInput"),
                equation("o", "σ(W_{xo}x_{t} + W_{co}c_{t−1} + b_{o})", "outputOldState"),
                equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell"),
                equation("h", "o_{t} ⊙ c_{t}", "hidden"),
            ]
        },
        options: &[CellOption::choice("outputActivation", CHOICES)],
        choice: &[("outputActivation", CHOICES[OUTPUT as usize])],
        step: &[
            op("f", "Sigmoid", &["a.f"]),
            op("i", "Sigmoid", &["a.i"]),
            op("o", "Sigmoid", &["a.o"]),
            op("g", "Tanh", &["a.g"]),
            op("kept", "Mul", &["f", "c_before"]),
            op("added", "Mul", &["i", "g"]),
            op("c", "Add", &["kept", "added"]),
            op("shown", "Mul", &["o", "c"]),
            op("h", if OUTPUT == TANH { "Tanh" } else { "Identity" }, &["shown"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 4,
        input: Feed { first: 0, gates: &[F, I, O, G] },
        recurrent: Feed { first: 0, gates: &[F, I, O] },
        states: 2,
        reads: C,
        ..Layout::BASE
    };

    const VARIANTS: &'static [&'static dyn CellEntry] =
        &[&Entry::<LstmPeepholeCellInput<IDENTITY>>(PhantomData), &Entry::<LstmPeepholeCellInput<TANH>>(PhantomData)];

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        let f = gates[F].sigmoid();
        let i = gates[I].sigmoid();
        let o = gates[O].sigmoid();
        let g = gates[G].tanh();
        let c = f.mul_add(states[C], i.mul(g));
        let shown = o.mul(c);
        *gates = slots([f, i, o, g]);
        states[C] = c;
        states[H] = if OUTPUT == TANH { shown.tanh() } else { shown };
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let [f, i, o, g, ..] = recorded.gates;
        let dh = reaching[H];
        let d_shown = if OUTPUT == TANH { dh.mul(tanh_slope(recorded.state[H])) } else { dh };
        let dc = d_shown.mul_add(o, reaching[C]);
        let df = dc.mul(recorded.previous[C]).mul(gate_slope(f));
        let di = dc.mul(g).mul(gate_slope(i));
        let d_o = d_shown.mul(recorded.state[C]).mul(gate_slope(o));
        let dg = dc.mul(i).mul(tanh_slope(g));
        Derivatives { gates: slots([df, di, d_o, dg]), total: cell_states(dh, dc), carry: cell_states(zero, dc.mul(f)) }
    }
}
