//! LSTM (Gers, Schmidhuber & Cummins 2000; `torch.nn.LSTM`):
//! i, f, o = sigmoid(W x + b_ih + U h + b_hh), g = tanh(…), c_t = f c + i g, h_t = o tanh(c_t).
//!
//! The option `without` leaves one part out, as Greff et al. 2017 did (NIG, NOG, NIAF, NOAF; their NFG is
//! `lstm-no-forget`): a gate that is left out is 1 and has no weights, a function that is left out is the identity.

use super::*;

/// `WITHOUT` is one of the constants below.
pub struct Lstm<const WITHOUT: u8>;

pub(super) const WHOLE: u8 = 0;
const INPUT_GATE: u8 = 1;
const OUTPUT_GATE: u8 = 2;
const INPUT_ACTIVATION: u8 = 3;
const OUTPUT_ACTIVATION: u8 = 4;
const CHOICES: &[&str] = &["none", "input-gate", "output-gate", "input-activation", "output-activation"];

const I: usize = 0;
pub(super) const H: usize = 0;
pub(super) const C: usize = 1;
/// What an LSTM keeps for the backward pass.
pub(super) const TANH_C: usize = 0;

/// h_t = o tanh(c_t), which most LSTMs share: sets both states and keeps tanh(c_t).
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

/// h and c in the order of the states.
#[inline(always)]
pub(super) fn cell_states<V: Copy>(h: V, c: V) -> [V; MAX_STATES] {
    let mut states = [h; MAX_STATES];
    states[C] = c;
    states
}

impl<const WITHOUT: u8> Lstm<WITHOUT> {
    const HAS_I: bool = WITHOUT != INPUT_GATE;
    const HAS_O: bool = WITHOUT != OUTPUT_GATE;
    const F: usize = if Self::HAS_I { 1 } else { 0 };
    const G: usize = Self::F + 1;
    /// Where there is an output gate.
    const O: usize = Self::G + 1;
    const GATES: &'static [usize] = if Self::HAS_I && Self::HAS_O { &[0, 1, 2, 3] } else { &[0, 1, 2] };

    const SIGNAL_F: Signal = gate("f", Self::F);
    const SIGNAL_I: Signal = gate("i", I);
    const SIGNAL_G: Signal =
        if WITHOUT == INPUT_ACTIVATION { unbounded_slot("g", Self::G) } else { signed("g", Self::G) };
    const SIGNAL_O: Signal = gate("o", Self::O);
    const SIGNAL_C: Signal = unbounded("c", C);
    const SIGNAL_H: Signal = if WITHOUT == OUTPUT_ACTIVATION { unbounded("h", H) } else { state("h", H) };

    const EQUATION_I: Equation = equation("i", "σ(W_{xi}x_{t} + W_{hi}h_{t−1} + b_{i})", "input");
    const EQUATION_F: Equation = equation("f", "σ(W_{xf}x_{t} + W_{hf}h_{t−1} + b_{f})", "forget");
    const EQUATION_G: Equation = if WITHOUT == INPUT_ACTIVATION {
        equation("g", "W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g}", "candidate")
    } else {
        equation("g", "tanh(W_{xg}x_{t} + W_{hg}h_{t−1} + b_{g})", "candidate")
    };
    const EQUATION_O: Equation = equation("o", "σ(W_{xo}x_{t} + W_{ho}h_{t−1} + b_{o})", "output");
    const EQUATION_C: Equation = if Self::HAS_I {
        equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell")
    } else {
        equation("c", "f_{t} ⊙ c_{t−1} + g_{t}", "cell")
    };
    const EQUATION_H: Equation = match WITHOUT {
        OUTPUT_GATE => equation("h", "tanh(c_{t})", "hidden"),
        OUTPUT_ACTIVATION => equation("h", "o_{t} ⊙ c_{t}", "hidden"),
        _ => equation("h", "o_{t} ⊙ tanh(c_{t})", "hidden"),
    };

    const STEP_F: Op = op("f", "Sigmoid", &["a.f"]);
    const STEP_I: Op = op("i", "Sigmoid", &["a.i"]);
    const STEP_G: Op = op("g", if WITHOUT == INPUT_ACTIVATION { "Identity" } else { "Tanh" }, &["a.g"]);
    const STEP_O: Op = op("o", "Sigmoid", &["a.o"]);
    const STEP_KEPT: Op = op("kept", "Mul", &["f", "c_before"]);
    const STEP_SHOWN: Op = op("shown", if WITHOUT == OUTPUT_ACTIVATION { "Identity" } else { "Tanh" }, &["c"]);
}

impl<const WITHOUT: u8> Cell for Lstm<WITHOUT> {
    const INFO: CellInfo = CellInfo {
        name: "lstm",
        signals: match WITHOUT {
            INPUT_GATE => &[Self::SIGNAL_F, Self::SIGNAL_G, Self::SIGNAL_O, Self::SIGNAL_C, Self::SIGNAL_H],
            OUTPUT_GATE => &[Self::SIGNAL_F, Self::SIGNAL_I, Self::SIGNAL_G, Self::SIGNAL_C, Self::SIGNAL_H],
            _ => &[Self::SIGNAL_F, Self::SIGNAL_I, Self::SIGNAL_G, Self::SIGNAL_O, Self::SIGNAL_C, Self::SIGNAL_H],
        },
        gate_order: match WITHOUT {
            INPUT_GATE => &["f", "g", "o"],
            OUTPUT_GATE => &["i", "f", "g"],
            _ => &["i", "f", "g", "o"],
        },
        states: &["h", "c"],
        names: TensorNames::TORCH,
        equations: match WITHOUT {
            INPUT_GATE => &[Self::EQUATION_F, Self::EQUATION_G, Self::EQUATION_O, Self::EQUATION_C, Self::EQUATION_H],
            OUTPUT_GATE => &[Self::EQUATION_F, Self::EQUATION_I, Self::EQUATION_G, Self::EQUATION_C, Self::EQUATION_H],
            _ => &[
                Self::EQUATION_F,
                Self::EQUATION_I,
                Self::EQUATION_G,
                Self::EQUATION_O,
                Self::EQUATION_C,
                Self::EQUATION_H,
            ],
        },
        options: &[CellOption::choice("without", CHOICES)],
        choice: &[("without", CHOICES[WITHOUT as usize])],
        onnx: Some(OnnxRecipe {
            activations: match WITHOUT {
                INPUT_ACTIVATION => &["Sigmoid", "Affine", "Tanh"],
                OUTPUT_ACTIVATION => &["Sigmoid", "Tanh", "Affine"],
                _ => &[],
            },
            ..OnnxRecipe::plain(
                "LSTM",
                match WITHOUT {
                    INPUT_GATE => &[OnnxRows::Open, OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
                    OUTPUT_GATE => &[OnnxRows::Gate("i"), OnnxRows::Open, OnnxRows::Gate("f"), OnnxRows::Gate("g")],
                    _ => &[OnnxRows::Gate("i"), OnnxRows::Gate("o"), OnnxRows::Gate("f"), OnnxRows::Gate("g")],
                },
            )
        }),
        step: match WITHOUT {
            INPUT_GATE => &[
                Self::STEP_F,
                Self::STEP_G,
                Self::STEP_O,
                Self::STEP_KEPT,
                op("c", "Add", &["kept", "g"]),
                Self::STEP_SHOWN,
                op("h", "Mul", &["o", "shown"]),
            ],
            OUTPUT_GATE => &[
                Self::STEP_I,
                Self::STEP_F,
                Self::STEP_G,
                Self::STEP_KEPT,
                op("added", "Mul", &["i", "g"]),
                op("c", "Add", &["kept", "added"]),
                op("h", "Tanh", &["c"]),
            ],
            _ => &[
                Self::STEP_I,
                Self::STEP_F,
                Self::STEP_G,
                Self::STEP_O,
                Self::STEP_KEPT,
                op("added", "Mul", &["i", "g"]),
                op("c", "Add", &["kept", "added"]),
                Self::STEP_SHOWN,
                op("h", "Mul", &["o", "shown"]),
            ],
        },
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: Self::GATES.len(),
        input: Feed { first: 0, gates: Self::GATES },
        recurrent: Feed { first: 0, gates: Self::GATES },
        states: 2,
        saved: 1,
        ..Layout::BASE
    };

    const VARIANTS: &'static [&'static dyn CellEntry] = &[
        &Entry::<Lstm<WHOLE>>(PhantomData),
        &Entry::<Lstm<INPUT_GATE>>(PhantomData),
        &Entry::<Lstm<OUTPUT_GATE>>(PhantomData),
        &Entry::<Lstm<INPUT_ACTIVATION>>(PhantomData),
        &Entry::<Lstm<OUTPUT_ACTIVATION>>(PhantomData),
    ];

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        let f = gates[Self::F].sigmoid();
        let g = if WITHOUT == INPUT_ACTIVATION { gates[Self::G] } else { gates[Self::G].tanh() };
        let added = if Self::HAS_I {
            gates[I] = gates[I].sigmoid();
            gates[I].mul(g)
        } else {
            g
        };
        gates[Self::F] = f;
        gates[Self::G] = g;
        let c = f.mul_add(states[C], added);
        let shown = if WITHOUT == OUTPUT_ACTIVATION { c } else { c.tanh() };
        states[C] = c;
        saved[TANH_C] = shown;
        states[H] = if Self::HAS_O {
            gates[Self::O] = gates[Self::O].sigmoid();
            gates[Self::O].mul(shown)
        } else {
            shown
        };
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let (f, g) = (recorded.gates[Self::F], recorded.gates[Self::G]);
        let shown = recorded.saved[TANH_C];
        let dh = reaching[H];
        let mut gates = [zero; MAX_SLOTS];
        let d_shown = if Self::HAS_O {
            let o = recorded.gates[Self::O];
            gates[Self::O] = dh.mul(shown).mul(gate_slope(o));
            dh.mul(o)
        } else {
            dh
        };
        let dc = if WITHOUT == OUTPUT_ACTIVATION {
            d_shown.add(reaching[C])
        } else {
            d_shown.mul_add(tanh_slope(shown), reaching[C])
        };
        let dg = if Self::HAS_I {
            let i = recorded.gates[I];
            gates[I] = dc.mul(g).mul(gate_slope(i));
            dc.mul(i)
        } else {
            dc
        };
        gates[Self::F] = dc.mul(recorded.previous[C]).mul(gate_slope(f));
        gates[Self::G] = if WITHOUT == INPUT_ACTIVATION { dg } else { dg.mul(tanh_slope(g)) };
        Derivatives { gates, total: cell_states(dh, dc), carry: cell_states(zero, dc.mul(f)) }
    }
}
