//! Clockwork network (Koutnik et al. 2014): modules of equal width, module m with the period T_m. At time step t, counted
//! from 0 in the sequence, a module is active when t mod T_m = 0 and computes h_t = tanh(W x + U h + b); otherwise it
//! keeps its h. U is block upper triangular: a module reads itself and slower ones, and the other blocks do not exist.
//! The option `periods` lists the periods, rising.

use super::*;

pub struct Clockwork;

const A: usize = 0;
const H: usize = 0;
/// 1 for a unit that is active at this time step, else 0; the runner gives it.
const ACTIVE: usize = 0;

impl Cell for Clockwork {
    const INFO: CellInfo = CellInfo {
        name: "clockwork",
        signals: &[state("h", H)],
        // What the slot holds after the step: h itself has the value where the unit is active.
        internals: &[gate("active", A)],
        gate_order: &["h"],
        states: &["h"],
        equations: &[equation(
            "h",
            "tanh(W_{x}x_{t} + W_{h}h_{t−1} + b) · [t mod T = 0] + h_{t−1} · [t mod T ≠ 0]",
            "clockwork",
        )],
        options: &[CellOption::list("periods", &[1, 2, 4, 8])],
        step: &[
            op("phase", "Mod", &["t", "periods"]),
            op("rests", "Cast", &["phase"]),
            op("computed", "Tanh", &["a.h"]),
            op("h", "Where", &["rests", "h_before", "computed"]),
        ],
        ..CellInfo::BASE
    };

    const LAYOUT: Layout = Layout {
        slots: 1,
        input: Feed { first: 0, gates: &[0] },
        recurrent: Feed { first: 0, gates: &[0] },
        clocked: true,
        ..Layout::BASE
    };

    #[inline(always)]
    fn forward<E: Element, V: Lanes<E>>(
        gates: &mut [V; MAX_SLOTS],
        states: &mut [V; MAX_STATES],
        _saved: &mut [V; MAX_SAVED],
        vectors: &[V; MAX_VECTORS],
    ) {
        let active = vectors[ACTIVE];
        let resting = V::splat(E::ONE).sub(active);
        let computed = gates[A].tanh();
        states[H] = computed.where_positive(active).add(states[H].where_positive(resting));
        gates[A] = active;
    }

    #[inline(always)]
    fn backward<E: Element, V: Lanes<E>>(recorded: &Recorded<V>, reaching: &[V; MAX_STATES]) -> Derivatives<V> {
        let zero = V::splat(E::ZERO);
        let active = recorded.gates[A];
        let dh = reaching[H];
        let mut gates = [zero; MAX_SLOTS];
        gates[A] = dh.mul(tanh_slope(recorded.state[H])).where_positive(active);
        let mut carry = [zero; MAX_STATES];
        carry[H] = dh.where_positive(V::splat(E::ONE).sub(active));
        Derivatives { gates, total: *reaching, carry }
    }
}
