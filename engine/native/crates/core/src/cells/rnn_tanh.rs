//! Elman network (Elman 1990; `torch.nn.RNN`): a = W x + b_ih + U h + b_hh, h_t = tanh(a).

use super::*;

pub struct RnnTanh;

/// The slot keeps the sum a; h is the state.
const A: usize = 0;
const H: usize = 0;

impl Cell for RnnTanh {
    const INFO: CellInfo = CellInfo {
        name: "rnn-tanh",
        signals: &[state("h", H)],
        internals: &[signed("a", A)],
        gate_order: &["h"],
        states: &["h"],
        names: TensorNames::TORCH,
        equations: &[equation("h", "tanh(W_{x}x_{t} + W_{h}h_{t−1} + b)", "simple")],
        onnx: Some(OnnxRecipe::plain("RNN", &[OnnxRows::Gate("h")])),
        step: &[op("h", "Tanh", &["a.h"])],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 1,
        input: Feed { first: 0, gates: &[0] },
        recurrent: Feed { first: 0, gates: &[0] },
        states: 1,
        ..Layout::BASE
    };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        _vectors: &[V; MAX_VECTORS],
    ) {
        states[H] = gates[A].tanh();
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let h = recorded.state[H];
        let mut gates = [zero; MAX_SLOTS];
        gates[A] = reaching[H].mul(tanh_slope(h));
        Derivatives { gates, total: *reaching, carry: [zero; MAX_STATES] }
    }
}
