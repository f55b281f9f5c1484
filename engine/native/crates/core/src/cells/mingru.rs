//! minGRU (Feng et al. 2024): z = sigmoid(W_z x + b_z), n = g(W_h x + b_h), h_t = (1 - z) h + z n. The gates look at the
//! input alone. g is the identity or `log` (`scan::positive`).

use super::scan::{ScanCell, positive, positive_slope};
use super::*;

pub struct MinGru<const LOG: bool>;

const Z: usize = 0;
const N: usize = 1;
const H: usize = 0;

impl<const LOG: bool> ScanCell for MinGru<LOG> {
    const INFO: CellInfo = CellInfo {
        name: "mingru",
        signals: &[gate("z", Z), unbounded_slot("n", N), unbounded("h", H)],
        internals: &[],
        gate_order: &["z", "h"],
        states: &["h"],
        names: TensorNames::INPUT_ONLY,
        vectors: &[],
        equations: &[
            equation("z", "σ(W_{z}x_{t} + b_{z})", "updateNew"),
            equation("n", "g(W_{h}x_{t} + b_{h})", "candidate"),
            equation("h", "(1 − z_{t}) ⊙ h_{t−1} + z_{t} ⊙ n_{t}", "blend"),
        ],
        onnx: None,
    };

    const LAYOUT: Layout = Layout::scanned(2, Feed { first: Z, gates: &[0, 1] });

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
