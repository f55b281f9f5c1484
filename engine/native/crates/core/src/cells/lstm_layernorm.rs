//! LSTM with layer normalisation (Ba, Kiros & Hinton 2016, supplement): with a = LN(W x) + LN(U h) + b,
//! i, f, o = sigmoid(a), g = tanh(a), c_t = f c + i g, h_t = o tanh(LN(c_t)). The c that is carried on is not normalised.

use super::normalised::{GATE_SLOT, GATES, INPUT_SLOT, Normalised, NormalisedNames, RECURRENT_SLOT};
use super::*;

pub struct LstmLayerNorm;

const I: usize = 0;
const F: usize = 1;
const G: usize = 2;
const O: usize = 3;

impl Normalised for LstmLayerNorm {
    const INFO: CellInfo = CellInfo {
        name: "lstm-layernorm",
        signals: &[
            gate("f", GATE_SLOT + F),
            gate("i", GATE_SLOT + I),
            signed("g", GATE_SLOT + G),
            gate("o", GATE_SLOT + O),
            unbounded("c", 1),
            state("h", 0),
        ],
        gate_order: &["i", "f", "g", "o"],
        states: &["h", "c"],
        names: TensorNames::PLAIN,
        equations: &[
            equation("f", "σ(LN(W_{x}x_{t})_{f} + LN(W_{h}h_{t−1})_{f} + b_{f})", "forgetNormalised"),
            equation("i", "σ(LN(W_{x}x_{t})_{i} + LN(W_{h}h_{t−1})_{i} + b_{i})", "inputNormalised"),
            equation("g", "tanh(LN(W_{x}x_{t})_{g} + LN(W_{h}h_{t−1})_{g} + b_{g})", "candidateNormalised"),
            equation("o", "σ(LN(W_{x}x_{t})_{o} + LN(W_{h}h_{t−1})_{o} + b_{o})", "outputNormalised"),
            equation("c", "f_{t} ⊙ c_{t−1} + i_{t} ⊙ g_{t}", "cell"),
            equation("h", "o_{t} ⊙ tanh(LN(c_{t}))", "hiddenNormalised"),
        ],
        step: &[
            op("input_mean", "ReduceMean", &["Wx"]),
            op("input_centred", "Sub", &["Wx", "input_mean"]),
            op("input_squares", "Mul", &["input_centred", "input_centred"]),
            op("input_variance", "ReduceMean", &["input_squares"]),
            op("input_shifted", "Add", &["input_variance", "0.00001"]),
            op("input_deviation", "Sqrt", &["input_shifted"]),
            op("input_normal", "Div", &["input_centred", "input_deviation"]),
            op("input_scaled", "Mul", &["input_normal", "ln_ih_gain"]),
            op("from_input", "Add", &["input_scaled", "ln_ih_bias"]),
            op("recurrent_mean", "ReduceMean", &["Uh"]),
            op("recurrent_centred", "Sub", &["Uh", "recurrent_mean"]),
            op("recurrent_squares", "Mul", &["recurrent_centred", "recurrent_centred"]),
            op("recurrent_variance", "ReduceMean", &["recurrent_squares"]),
            op("recurrent_shifted", "Add", &["recurrent_variance", "0.00001"]),
            op("recurrent_deviation", "Sqrt", &["recurrent_shifted"]),
            op("recurrent_normal", "Div", &["recurrent_centred", "recurrent_deviation"]),
            op("recurrent_scaled", "Mul", &["recurrent_normal", "ln_hh_gain"]),
            op("from_state", "Add", &["recurrent_scaled", "ln_hh_bias"]),
            op("both", "Add", &["from_input", "from_state"]),
            op("sums", "Add", &["both", "b"]),
            op("i", "Sigmoid", &["sums.i"]),
            op("f", "Sigmoid", &["sums.f"]),
            op("g", "Tanh", &["sums.g"]),
            op("o", "Sigmoid", &["sums.o"]),
            op("kept", "Mul", &["f", "c_before"]),
            op("added", "Mul", &["i", "g"]),
            op("c", "Add", &["kept", "added"]),
            op("cell_mean", "ReduceMean", &["c"]),
            op("cell_centred", "Sub", &["c", "cell_mean"]),
            op("cell_squares", "Mul", &["cell_centred", "cell_centred"]),
            op("cell_variance", "ReduceMean", &["cell_squares"]),
            op("cell_shifted", "Add", &["cell_variance", "0.00001"]),
            op("cell_deviation", "Sqrt", &["cell_shifted"]),
            op("cell_normal", "Div", &["cell_centred", "cell_deviation"]),
            op("cell_scaled", "Mul", &["cell_normal", "ln_c_gain"]),
            op("seen", "Add", &["cell_scaled", "ln_c_bias"]),
            op("shown", "Tanh", &["seen"]),
            op("h", "Mul", &["o", "shown"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 3 * GATES,
        input: Feed { first: INPUT_SLOT, gates: &[I, F, G, O] },
        recurrent: Feed { first: RECURRENT_SLOT, gates: &[I, F, G, O] },
        states: 2,
        saved: 1,
        ..Layout::BASE
    };

    const NAMES: NormalisedNames = NormalisedNames {
        input: ["ln_ih_gain", "ln_ih_bias"],
        recurrent: ["ln_hh_gain", "ln_hh_bias"],
        cell: ["ln_c_gain", "ln_c_bias"],
    };

    #[inline(always)]
    fn gates<E: Element, V: Lanes<E>>(gates: &mut [V; GATES], c: V) -> V {
        let [i, f, g, o] = [gates[I].sigmoid(), gates[F].sigmoid(), gates[G].tanh(), gates[O].sigmoid()];
        *gates = [i, f, g, o];
        f.mul_add(c, i.mul(g))
    }

    #[inline(always)]
    fn show<E: Element, V: Lanes<E>>(gates: &[V; GATES], seen: V) -> (V, V) {
        let tanh = seen.tanh();
        (gates[O].mul(tanh), tanh)
    }

    #[inline(always)]
    fn show_backward<E: Element, V: Lanes<E>>(gates: &mut [V; GATES], tanh: V, dh: V) -> V {
        let o = gates[O];
        gates[O] = dh.mul(tanh).mul(gate_slope(o));
        dh.mul(o).mul(tanh_slope(tanh))
    }

    #[inline(always)]
    fn gates_backward<E: Element, V: Lanes<E>>(gates: &mut [V; GATES], c: V, dc: V) -> V {
        let [i, f, g, d_o] = *gates;
        *gates = [dc.mul(g).mul(gate_slope(i)), dc.mul(c).mul(gate_slope(f)), dc.mul(i).mul(tanh_slope(g)), d_o];
        dc.mul(f)
    }
}
