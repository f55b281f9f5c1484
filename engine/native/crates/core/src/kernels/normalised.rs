//! Layer normalisation inside a recurrent layer: the rows' means and variances, and a cell's equations on what is
//! normalised. The products come before and are the plain ones.
//!
//! All passes go row by row over the unit panels, so that a row's numbers stay in the first-level cache. Units of the
//! padding count nowhere: their values are 0 in every sum, and `mask` keeps them 0 behind a normalisation.

// Gates index several arrays at once; constant bounds let the compiler keep all of them in registers.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::recurrent::{BackwardStep, ForwardStep};
use crate::cells::normalised::{EPSILON, GATE_SLOT, GATES, INPUT_SLOT, Normalised, RECURRENT_SLOT};
use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Numbers in a row of the gate tensor's panel, and of the panel of normalised sums.
const LINE: usize = 3 * GATES * LANES;
pub const NORMALISED_LINE: usize = 2 * GATES * LANES;
/// Numbers per row of `Normalisation::scales`: 1 / deviation of the input's sums, of the recurrent sums, of c.
pub const SCALES: usize = 3;

/// What a normalised step has besides; pointers are those of the step's first row.
#[derive(Clone, Copy)]
pub struct Normalisation<E> {
    /// Number of units, without padding.
    pub hidden: usize,
    /// `[P * 16]`: 1 for a unit, 0 for padding.
    pub mask: *const E,
    /// Normalised sums before gain and bias, `[P][..][2 * GATES * 16]`: the input's, then the recurrent ones.
    pub sums: *mut E,
    pub sums_panel: usize,
    /// `[rows][W]`: the normalised c_t before gain and bias.
    pub cell: *mut E,
    /// `[rows][SCALES]`
    pub scales: *mut E,
    /// `[P][GATES * 16]`
    pub input_gain: *const E,
    pub recurrent_gain: *const E,
    /// `[W]`
    pub cell_gain: *const E,
    pub cell_bias: *const E,
}

/// 1 / sqrt(squares / count + eps).
#[inline(always)]
fn scale<E: Element, V: Lanes<E>>(squares: E, count: E) -> E {
    let variance = squares / count + E::from_f64(EPSILON);
    V::splat(E::ONE).div(V::splat(variance).sqrt()).largest()
}

/// The four vectors of a panel from `from` on.
#[inline(always)]
unsafe fn load<E: Element, V: Lanes<E>>(from: *const E) -> [V; GATES] {
    let mut values = [V::splat(E::ZERO); GATES];
    for k in 0..GATES {
        values[k] = unsafe { V::load(from.add(k * LANES)) };
    }
    values
}

#[inline(always)]
unsafe fn store<E: Element, V: Lanes<E>>(values: &[V; GATES], to: *mut E) {
    for k in 0..GATES {
        unsafe { values[k].store(to.add(k * LANES)) };
    }
}

/// Normalises the `GATES` vectors of every panel of one row from `from` to `to`; gives 1 / deviation.
#[inline(always)]
unsafe fn normalise<E: Element, V: Lanes<E>>(
    more: &Normalisation<E>,
    panels: usize,
    from: impl Fn(usize) -> *const E,
    to: impl Fn(usize) -> *mut E,
) -> E {
    unsafe {
        let count = E::from_f64((more.hidden * GATES) as f64);
        let mut sums = [V::splat(E::ZERO); GATES];
        for panel in 0..panels {
            let values = load::<E, V>(from(panel));
            for k in 0..GATES {
                sums[k] = sums[k].add(values[k]);
            }
        }
        let mean = V::splat(sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum() / count);
        let mut squares = [V::splat(E::ZERO); GATES];
        for panel in 0..panels {
            let mask = V::load(more.mask.add(panel * LANES));
            let mut values = load::<E, V>(from(panel));
            for k in 0..GATES {
                values[k] = values[k].sub(mean).mul(mask);
                squares[k] = values[k].mul_add(values[k], squares[k]);
            }
            store(&values, to(panel));
        }
        let squares = squares[0].add(squares[1]).add(squares[2].add(squares[3])).sum();
        let scale = scale::<E, V>(squares, count);
        for panel in 0..panels {
            let mut values = load::<E, V>(to(panel));
            for value in &mut values {
                *value = value.mul(V::splat(scale));
            }
            store(&values, to(panel));
        }
        scale
    }
}

/// Normalises the input's sums of some rows ahead of the steps and puts what the gates start with in their slots:
/// gain and all biases.
pub struct NormaliseInputs<E> {
    pub rows: usize,
    pub panels: usize,
    /// `[P][..][LINE]`
    pub gates: *mut E,
    pub gates_panel: usize,
    /// `[P][LINE]`
    pub bias: *const E,
    pub more: Normalisation<E>,
}

impl<E: Element> Body<E> for NormaliseInputs<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for row in 0..self.rows {
            unsafe {
                let gates = |panel: usize| self.gates.add(panel * self.gates_panel + row * LINE);
                let sums = |panel: usize| self.more.sums.add(panel * self.more.sums_panel + row * NORMALISED_LINE);
                let from = |panel: usize| gates(panel).add(INPUT_SLOT * LANES).cast_const();
                *self.more.scales.add(row * SCALES) = normalise::<E, V>(&self.more, self.panels, from, sums);
                for panel in 0..self.panels {
                    let gain = load::<E, V>(self.more.input_gain.add(panel * GATES * LANES));
                    let bias = load::<E, V>(self.bias.add(panel * LINE + GATE_SLOT * LANES));
                    let mut values = load::<E, V>(sums(panel));
                    for k in 0..GATES {
                        values[k] = values[k].mul_add(gain[k], bias[k]);
                    }
                    store(&values, gates(panel).add(GATE_SLOT * LANES));
                }
            }
        }
    }
}

/// A forward step of cell C; the recurrent sums and what the gates start with are in their slots.
pub struct NormalisedForward<E, C>(pub ForwardStep<E>, pub PhantomData<C>);

impl<E: Element, C: Normalised> NormalisedForward<E, C> {
    #[inline(always)]
    unsafe fn row<V: Lanes<E>>(&self, row: usize) {
        unsafe {
            let step = &self.0;
            let more = &*step.normalisation;
            let gates = |panel: usize| step.gates.add(panel * step.gates_panel + row * LINE);
            let sums = |panel: usize| more.sums.add(panel * more.sums_panel + row * NORMALISED_LINE + GATES * LANES);
            let at = |panel: usize| row * step.width + panel * LANES;
            let scales = more.scales.add(row * SCALES);
            let from = |panel: usize| gates(panel).add(RECURRENT_SLOT * LANES).cast_const();
            *scales.add(1) = normalise::<E, V>(more, step.end_panel, from, sums);

            let count = E::from_f64(more.hidden as f64);
            let mut sum = V::splat(E::ZERO);
            for panel in 0..step.end_panel {
                let slots = gates(panel).add(GATE_SLOT * LANES);
                let gain = load::<E, V>(more.recurrent_gain.add(panel * GATES * LANES));
                let normal = load::<E, V>(sums(panel));
                let mut values = load::<E, V>(slots);
                for k in 0..GATES {
                    values[k] = normal[k].mul_add(gain[k], values[k]);
                }
                let c = C::gates::<E, V>(&mut values, V::load(step.previous[1].add(at(panel))));
                store(&values, slots);
                c.store(step.next[1].add(at(panel)));
                sum = sum.add(c);
            }
            let mean = V::splat(sum.sum() / count);
            let mut squares = V::splat(E::ZERO);
            for panel in 0..step.end_panel {
                let mask = V::load(more.mask.add(panel * LANES));
                let c = V::load(step.next[1].add(at(panel))).sub(mean).mul(mask);
                squares = c.mul_add(c, squares);
            }
            let scale = scale::<E, V>(squares.sum(), count);
            *scales.add(2) = scale;
            for panel in 0..step.end_panel {
                let mask = V::load(more.mask.add(panel * LANES));
                let c = V::load(step.next[1].add(at(panel))).sub(mean).mul(mask).mul(V::splat(scale));
                c.store(more.cell.add(at(panel)));
                let gain = V::load(more.cell_gain.add(panel * LANES));
                let seen = c.mul_add(gain, V::load(more.cell_bias.add(panel * LANES)));
                let (h, kept) = C::show::<E, V>(&load(gates(panel).add(GATE_SLOT * LANES)), seen);
                h.store(step.next[0].add(at(panel)));
                kept.store(step.saved[0].add(at(panel)));
            }
        }
    }

    /// A padded step: the states are carried on, and what the backward pass reads is 0.
    #[inline(always)]
    unsafe fn padded<V: Lanes<E>>(&self, row: usize) {
        unsafe {
            let step = &self.0;
            let more = &*step.normalisation;
            let zero = [V::splat(E::ZERO); GATES];
            for panel in 0..step.end_panel {
                store(&zero, step.gates.add(panel * step.gates_panel + row * LINE + GATE_SLOT * LANES));
                store(&zero, more.sums.add(panel * more.sums_panel + row * NORMALISED_LINE + GATES * LANES));
                let at = row * step.width + panel * LANES;
                zero[0].store(more.cell.add(at));
                for s in 0..2 {
                    V::load(step.previous[s].add(at)).store(step.next[s].add(at));
                }
            }
        }
    }
}

impl<E: Element, C: Normalised> Body<E> for NormalisedForward<E, C> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for row in 0..self.0.rows {
            unsafe { if self.0.valid.row(row) { self.row::<V>(row) } else { self.padded::<V>(row) } }
        }
    }
}

/// A backward step of cell C. In `carry` of h is the derivative that reaches h through the product, added to what
/// reaches it at padded steps. Leaves in `saved` the derivative of the normalised c_t with gain and bias.
pub struct NormalisedBackward<E, C>(pub BackwardStep<E>, pub PhantomData<C>);

impl<E: Element, C: Normalised> NormalisedBackward<E, C> {
    #[inline(always)]
    unsafe fn row<V: Lanes<E>>(&self, row: usize) {
        unsafe {
            let step = &self.0;
            let more = &*step.normalisation;
            let zero = V::splat(E::ZERO);
            let gates = |panel: usize| step.gates.add(panel * step.gates_panel + row * LINE);
            let sums = |panel: usize| more.sums.add(panel * more.sums_panel + row * NORMALISED_LINE).cast_const();
            let at = |panel: usize| row * step.width + panel * LANES;
            let scales = more.scales.add(row * SCALES);
            let count = E::from_f64(more.hidden as f64);

            // What h sees: the derivative y of the normalised c, and the two means that its own derivative needs.
            let (mut first, mut second) = (zero, zero);
            for panel in 0..step.panels {
                let at = at(panel);
                let mut dh = V::load(step.carry[0].add(at));
                if !step.above.is_null() {
                    dh = dh.add(V::load(step.above.add(row * step.above_row + panel * LANES)));
                }
                zero.store(step.carry[0].add(at));
                if !step.total[0].is_null() {
                    dh.store(step.total[0].add(at));
                }
                let slots = gates(panel).add(GATE_SLOT * LANES);
                let mut values = load::<E, V>(slots);
                let kept = step.saved[0].add(at);
                let d_seen = C::show_backward::<E, V>(&mut values, V::load(kept), dh);
                store(&values, slots);
                d_seen.store(kept.cast_mut());
                let y = d_seen.mul(V::load(more.cell_gain.add(panel * LANES)));
                first = first.add(y);
                second = y.mul_add(V::load(more.cell.add(at)), second);
            }
            let (first, second) = (V::splat(first.sum() / count), V::splat(second.sum() / count));
            let scale = V::splat(*scales.add(2));

            // c and the gates, with the means for both sums.
            let mut means = [[zero; 2]; 2];
            for panel in 0..step.panels {
                let at = at(panel);
                let y = V::load(step.saved[0].add(at)).mul(V::load(more.cell_gain.add(panel * LANES)));
                let inner = y.sub(first).sub(V::load(more.cell.add(at)).mul(second)).mul(scale);
                let dc = inner.mul_add(V::load(more.mask.add(panel * LANES)), V::load(step.carry[1].add(at)));
                if !step.total[0].is_null() {
                    dc.store(step.total[1].add(at));
                }
                let slots = gates(panel).add(GATE_SLOT * LANES);
                let mut values = load::<E, V>(slots);
                let carry = C::gates_backward::<E, V>(&mut values, V::load(step.previous[1].add(at)), dc);
                carry.store(step.carry[1].add(at));
                store(&values, slots);
                for (part, gain) in [more.input_gain, more.recurrent_gain].into_iter().enumerate() {
                    let gain = load::<E, V>(gain.add(panel * GATES * LANES));
                    let normal = load::<E, V>(sums(panel).add(part * GATES * LANES));
                    for k in 0..GATES {
                        let y = values[k].mul(gain[k]);
                        means[part][0] = means[part][0].add(y);
                        means[part][1] = y.mul_add(normal[k], means[part][1]);
                    }
                }
            }
            let all = E::from_f64((more.hidden * GATES) as f64);
            for (part, gain) in [more.input_gain, more.recurrent_gain].into_iter().enumerate() {
                let [first, second] = means[part].map(|sum| V::splat(sum.sum() / all));
                let scale = V::splat(*scales.add(part));
                for panel in 0..step.panels {
                    let scale = scale.mul(V::load(more.mask.add(panel * LANES)));
                    let gain = load::<E, V>(gain.add(panel * GATES * LANES));
                    let normal = load::<E, V>(sums(panel).add(part * GATES * LANES));
                    let mut values = load::<E, V>(gates(panel).add(GATE_SLOT * LANES));
                    for k in 0..GATES {
                        let y = values[k].mul(gain[k]);
                        values[k] = y.sub(first).sub(normal[k].mul(second)).mul(scale);
                    }
                    let slot = if part == 0 { INPUT_SLOT } else { RECURRENT_SLOT };
                    store(&values, gates(panel).add(slot * LANES));
                }
            }
        }
    }

    /// A padded step: the derivatives of the states are carried on.
    #[inline(always)]
    unsafe fn padded<V: Lanes<E>>(&self, row: usize) {
        unsafe {
            let step = &self.0;
            let zero = [V::splat(E::ZERO); GATES];
            for panel in 0..step.panels {
                for slot in [INPUT_SLOT, RECURRENT_SLOT, GATE_SLOT] {
                    store(&zero, step.gates.add(panel * step.gates_panel + row * LINE + slot * LANES));
                }
                let at = row * step.width + panel * LANES;
                zero[0].store(step.saved[0].add(at).cast_mut());
                for s in 0..2 {
                    if !step.total[s].is_null() {
                        zero[0].store(step.total[s].add(at));
                    }
                }
            }
        }
    }
}

impl<E: Element, C: Normalised> Body<E> for NormalisedBackward<E, C> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for row in 0..self.0.rows {
            unsafe { if self.0.valid.row(row) { self.row::<V>(row) } else { self.padded::<V>(row) } }
        }
    }
}
