//! minGRU (Feng et al. 2024): z = sigmoid(W_z x + b_z), n = g(W_h x + b_h), h_t = (1 - z) h + z n. The gates look at the
//! input alone. g is the identity or `log` (`scan::positive`).

use super::scan::{ScanCell, ScanEntry, positive, positive_slope};
use super::*;

pub struct MinGru<const LOG: bool>;

const Z: usize = 0;
const N: usize = 1;
const H: usize = 0;

impl<const LOG: bool> ScanCell for MinGru<LOG> {
    const INFO: CellInfo = CellInfo {
        name: "mingru",
        signals: &[gate("z", Z), unbounded_slot("n", N), unbounded("h", H)],
        gate_order: &["z", "h"],
        input_only: &["z", "h"],
        states: &["h"],
        names: TensorNames::INPUT_ONLY,
        equations: &[
            equation("z", "σ(W_{z}x_{t} + b_{z})", "updateNew"),
            scan::candidate(LOG),
            equation("h", "(1 − z_{t}) ⊙ h_{t−1} + z_{t} ⊙ n_{t}", "blend"),
        ],
        options: scan::OPTIONS,
        choice: scan::choice(LOG),
        // A GRU without recurrent weights, whose z is what is kept.
        onnx: if LOG {
            None
        } else {
            Some(OnnxRecipe {
                activations: &["Sigmoid", "Affine"],
                ..OnnxRecipe::plain("GRU", &[OnnxRows::Inverse("z"), OnnxRows::Open, OnnxRows::Gate("h")])
            })
        },
        step: if LOG {
            &[
                op("z", "Sigmoid", &["x.z"]),
                op("above", "Relu", &["x.h"]),
                op("below", "Sub", &["x.h", "above"]),
                op("soft", "Sigmoid", &["below"]),
                op("n", "Add", &["above", "soft"]),
                op("rest", "Sub", &["1", "z"]),
                op("kept", "Mul", &["rest", "h_before"]),
                op("added", "Mul", &["z", "n"]),
                op("h", "Add", &["kept", "added"]),
            ]
        } else {
            &[
                op("z", "Sigmoid", &["x.z"]),
                op("n", "Identity", &["x.h"]),
                op("rest", "Sub", &["1", "z"]),
                op("kept", "Mul", &["rest", "h_before"]),
                op("added", "Mul", &["z", "n"]),
                op("h", "Add", &["kept", "added"]),
            ]
        },
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout::scanned(2, Feed { first: Z, gates: &[0, 1] });

    const VARIANTS: &'static [&'static dyn CellEntry] =
        &[&ScanEntry::<MinGru<false>>(PhantomData), &ScanEntry::<MinGru<true>>(PhantomData)];

    #[inline(always)]
    fn activate<E: Element, V: Lanes<E>>(gates: &mut [V; MAX_SLOTS]) {
        gates[Z] = gates[Z].sigmoid();
        if LOG {
            gates[N] = positive(gates[N]);
        }
    }

    #[inline(always)]
    fn kept<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS]) -> V {
        V::splat(E::ONE).sub(gates[Z])
    }

    #[inline(always)]
    fn added<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS]) -> V {
        gates[Z].mul(gates[N])
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS], before: V, dh: V) -> [V; MAX_SLOTS] {
        let [z, n, ..] = *gates;
        let mut sums = [V::splat(E::ZERO); MAX_SLOTS];
        sums[Z] = dh.mul(n.sub(before)).mul(gate_slope(z));
        sums[N] = dh.mul(z);
        if LOG {
            sums[N] = sums[N].mul(positive_slope(n));
        }
        sums
    }
}
