//! minLSTM (Feng et al. 2024): f, i = sigmoid(W x + b), n = g(W_h x + b_h), f' = f / (f + i), i' = i / (f + i),
//! h_t = f' h + i' n. The gates look at the input alone. g is the identity or `log` (`scan::positive`).

use super::scan::{ScanCell, ScanEntry, positive, positive_slope};
use super::*;

pub struct MinLstm<const LOG: bool>;

const F: usize = 0;
const I: usize = 1;
const N: usize = 2;
const H: usize = 0;

impl<const LOG: bool> ScanCell for MinLstm<LOG> {
    const INFO: CellInfo = CellInfo {
        name: "minlstm",
        signals: &[gate("f", F), gate("i", I), unbounded_slot("n", N), unbounded("h", H)],
        internals: &[
            Signal { name: "f_norm", kind: SignalKind::Openness, source: Source::Share(F, I) },
            Signal { name: "i_norm", kind: SignalKind::Openness, source: Source::Share(I, F) },
        ],
        gate_order: &["f", "i", "h"],
        input_only: &["f", "i", "h"],
        states: &["h"],
        names: TensorNames::INPUT_ONLY,
        equations: &[
            equation("f", "σ(W_{f}x_{t} + b_{f})", "forget"),
            equation("i", "σ(W_{i}x_{t} + b_{i})", "input"),
            scan::candidate(LOG),
            equation("h", "(f_{t} ⊙ h_{t−1} + i_{t} ⊙ n_{t}) / (f_{t} + i_{t})", "share"),
        ],
        options: scan::OPTIONS,
        choice: scan::choice(LOG),
        // f / (f + i) as the logistic function of log f - log i: ONNX Runtime's logistic function is 0 from some -18 on, and
        // two closed gates would share 0 / 0.
        step: if LOG {
            &[
                op("f", "Sigmoid", &["x.f"]),
                op("i", "Sigmoid", &["x.i"]),
                op("above", "Relu", &["x.h"]),
                op("below", "Sub", &["x.h", "above"]),
                op("soft", "Sigmoid", &["below"]),
                op("n", "Add", &["above", "soft"]),
                op("f_sign", "Neg", &["x.f"]),
                op("i_sign", "Neg", &["x.i"]),
                op("f_closed", "Softplus", &["f_sign"]),
                op("i_closed", "Softplus", &["i_sign"]),
                op("f_lead", "Sub", &["i_closed", "f_closed"]),
                op("i_lead", "Sub", &["f_closed", "i_closed"]),
                op("f_share", "Sigmoid", &["f_lead"]),
                op("i_share", "Sigmoid", &["i_lead"]),
                op("kept", "Mul", &["f_share", "h_before"]),
                op("added", "Mul", &["i_share", "n"]),
                op("h", "Add", &["kept", "added"]),
            ]
        } else {
            &[
                op("f", "Sigmoid", &["x.f"]),
                op("i", "Sigmoid", &["x.i"]),
                op("n", "Identity", &["x.h"]),
                op("f_sign", "Neg", &["x.f"]),
                op("i_sign", "Neg", &["x.i"]),
                op("f_closed", "Softplus", &["f_sign"]),
                op("i_closed", "Softplus", &["i_sign"]),
                op("f_lead", "Sub", &["i_closed", "f_closed"]),
                op("i_lead", "Sub", &["f_closed", "i_closed"]),
                op("f_share", "Sigmoid", &["f_lead"]),
                op("i_share", "Sigmoid", &["i_lead"]),
                op("kept", "Mul", &["f_share", "h_before"]),
                op("added", "Mul", &["i_share", "n"]),
                op("h", "Add", &["kept", "added"]),
            ]
        },
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout::scanned(3, Feed { first: F, gates: &[0, 1, 2] });

    const VARIANTS: &'static [&'static dyn CellEntry] =
        &[&ScanEntry::<MinLstm<false>>(PhantomData), &ScanEntry::<MinLstm<true>>(PhantomData)];

    #[inline(always)]
    fn activate<E: Element, V: Lanes<E>>(gates: &mut [V; MAX_SLOTS]) {
        gates[F] = gates[F].sigmoid();
        gates[I] = gates[I].sigmoid();
        if LOG {
            gates[N] = positive(gates[N]);
        }
    }

    #[inline(always)]
    fn kept<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS]) -> V {
        gates[F].div(gates[F].add(gates[I]))
    }

    #[inline(always)]
    fn added<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS]) -> V {
        gates[I].div(gates[F].add(gates[I])).mul(gates[N])
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(gates: &[V; MAX_SLOTS], before: V, dh: V) -> [V; MAX_SLOTS] {
        let [f, i, n, ..] = *gates;
        let one = V::splat(E::ONE);
        let both = f.add(i);
        let (kept, taken) = (f.div(both), i.div(both));
        // d f' = i' / (f + i) df - f' / (f + i) di, and f times 1 / (f + i) is f' again.
        let along = dh.mul(before.sub(n)).mul(kept).mul(taken);
        let mut sums = [V::splat(E::ZERO); MAX_SLOTS];
        sums[F] = along.mul(one.sub(f));
        sums[I] = V::splat(E::ZERO).sub(along.mul(one.sub(i)));
        sums[N] = dh.mul(taken);
        if LOG {
            sums[N] = sums[N].mul(positive_slope(n));
        }
        sums
    }
}
