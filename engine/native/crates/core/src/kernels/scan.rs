//! Linear scans: h_t = a_t h_{t-1} + b_t, cut into chunks of time.
//!
//! A chunk is first summarised as one such step (the product of its a, and the h it ends with when it begins at 0); the
//! summaries chained in order give what each chunk begins with, and then it is filled. A chunk's numbers come out the
//! same whether its two passes are run apart by different workers or together by one.

use std::marker::PhantomData;
use std::ops::Range;

use crate::cells::{MAX_SLOTS, ScanCell};
use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Time steps of a chunk: fixed, so that the numbers do not depend on threads. Summaries of three numbers per unit and
/// chunk are then a tenth of the states.
pub const SCAN_CHUNK: usize = 32;

/// Which passes over a chunk a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passes {
    pub summarise: bool,
    pub fill: bool,
}

/// Some rows of the batch over one chunk. Pointers are those of time step 0 and of the first of these rows.
#[derive(Clone)]
pub struct Chunk<E> {
    pub passes: Passes,
    pub rows: usize,
    pub panels: usize,
    /// Rows of the whole batch: the distance between time steps.
    pub batch: usize,
    pub steps: Range<usize>,
    /// The scan runs from the last step of the chunk to the first.
    pub descending: bool,
    /// Length of each row's sequence; null when all are full.
    pub lengths: *const usize,
    /// Hidden size, and padded.
    pub hidden: usize,
    pub width: usize,
    /// Gate tensor `[P][..][S * 16]`, and the distance between its panels.
    pub gates: *mut E,
    pub gates_panel: usize,
    /// The chunk's summary and what it begins with, `[rows][width]` each.
    pub product: *mut E,
    pub end: *mut E,
    pub begin: *const E,
}

impl<E: Element> Chunk<E> {
    /// 1 for units, 0 for the padding of a panel: its states must stay 0 whatever the cell makes of sums that are 0.
    #[inline(always)]
    unsafe fn real<V: Lanes<E>>(&self, panel: usize) -> V {
        let lanes: [E; LANES] =
            std::array::from_fn(|lane| if panel * LANES + lane < self.hidden { E::ONE } else { E::ZERO });
        unsafe { V::load(lanes.as_ptr()) }
    }

    /// What the chunk begins with; 0 while it is only summarised.
    #[inline(always)]
    unsafe fn begin<V: Lanes<E>>(&self, place: usize) -> V {
        if self.passes.fill { unsafe { V::load(self.begin.add(place)) } } else { V::splat(E::ZERO) }
    }

    #[inline(always)]
    unsafe fn summarise<V: Lanes<E>>(&self, place: usize, product: V, end: V) {
        if self.passes.summarise {
            unsafe {
                product.store(self.product.add(place));
                end.store(self.end.add(place));
            }
        }
    }

    /// The k-th step of the scan.
    #[inline(always)]
    fn step(&self, k: usize) -> usize {
        if self.descending { self.steps.end - 1 - k } else { self.steps.start + k }
    }

    /// The row's last valid step in the order of the scan.
    #[inline(always)]
    unsafe fn closing(&self, row: usize) -> usize {
        let end = if self.lengths.is_null() { self.steps.end } else { unsafe { *self.lengths.add(row) } };
        if self.descending { self.steps.start } else { end.min(self.steps.end).wrapping_sub(1) }
    }

    #[inline(always)]
    unsafe fn valid(&self, step: usize, row: usize) -> bool {
        self.lengths.is_null() || step < unsafe { *self.lengths.add(row) }
    }
}

/// The first `slots` vectors at `from`; the rest are 0.
#[inline(always)]
unsafe fn load_slots<E: Element, V: Lanes<E>>(from: *const E, slots: usize) -> [V; MAX_SLOTS] {
    let mut values = [V::splat(E::ZERO); MAX_SLOTS];
    for (slot, value) in values.iter_mut().enumerate().take(slots) {
        *value = unsafe { V::load(from.add(slot * LANES)) };
    }
    values
}

#[inline(always)]
unsafe fn store_slots<E: Element, V: Lanes<E>>(values: &[V; MAX_SLOTS], to: *mut E, slots: usize) {
    for (slot, value) in values.iter().enumerate().take(slots) {
        unsafe { value.store(to.add(slot * LANES)) };
    }
}

/// Forward over a chunk.
#[derive(Clone)]
pub struct ScanForward<E> {
    pub chunk: Chunk<E>,
    /// Sums with bias, `[P][start rows][S * 16]`; may be the gate tensor itself.
    pub start: *const E,
    pub start_panel: usize,
    /// Row of `start` for each row of the gate tensor; null when they are the same.
    pub start_index: *const u32,
    /// Out: h after step t, `[..][width]`.
    pub after: *mut E,
}

/// `ScanForward` for cell C.
pub struct Forward<E, C>(pub ScanForward<E>, pub PhantomData<C>);

impl<E: Element, C: ScanCell> Body<E> for Forward<E, C> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let scan = &self.0;
        let chunk = &scan.chunk;
        let slots = C::LAYOUT.slots;
        for panel in 0..chunk.panels {
            for row in 0..chunk.rows {
                unsafe {
                    let place = row * chunk.width + panel * LANES;
                    let begin = chunk.begin::<V>(place);
                    let mut h = begin;
                    let closing = chunk.closing(row);
                    let real = chunk.real::<V>(panel);
                    let (mut product, mut end) = (V::splat(E::ONE), V::splat(E::ZERO));
                    for k in 0..chunk.steps.len() {
                        let step = chunk.step(k);
                        let at = step * chunk.batch + row;
                        let gates = chunk.gates.add(panel * chunk.gates_panel + at * slots * LANES);
                        if !chunk.valid(step, row) {
                            store_slots(&[V::splat(E::ZERO); MAX_SLOTS], gates, slots);
                        } else {
                            let values = if chunk.passes.summarise {
                                let from =
                                    if scan.start_index.is_null() { at } else { *scan.start_index.add(at) as usize };
                                let start = scan.start.add(panel * scan.start_panel + from * slots * LANES);
                                let mut values = load_slots::<E, V>(start, slots);
                                C::activate::<E, V>(&mut values);
                                store_slots(&values, gates, slots);
                                values
                            } else {
                                load_slots::<E, V>(gates, slots)
                            };
                            let kept = C::kept::<E, V>(&values);
                            let added = C::added::<E, V>(&values).mul(real);
                            product = product.mul(kept);
                            end = kept.mul_add(end, added);
                            h = kept.mul_add(h, added);
                            if step == closing {
                                // The very number that the next chunk begins with, so that a state carried on over
                                // padding stays what it is.
                                h = product.mul_add(begin, end);
                            }
                        }
                        if chunk.passes.fill {
                            h.store(scan.after.add(at * chunk.width + panel * LANES));
                        }
                    }
                    chunk.summarise(place, product, end);
                }
            }
        }
    }
}

/// Backward over a chunk: D_t = dL/dh_t = above_t + a_{t+1} D_{t+1}, a scan in the other order. Its `begin` is the
/// derivative that reaches the chunk's last state from later steps, its `end` the one that reaches the state before
/// the chunk.
#[derive(Clone)]
pub struct ScanBackward<E> {
    pub chunk: Chunk<E>,
    /// dL/dh_t from the layer above, rows `above_row` apart; null without one.
    pub above: *const E,
    pub above_row: usize,
    /// h before step t.
    pub before: *const E,
    /// Out: dL/dh_t, for traces; null when not wanted.
    pub total: *mut E,
}

/// `ScanBackward` for cell C. The gate tensor then holds the derivatives of the sums.
pub struct Backward<E, C>(pub ScanBackward<E>, pub PhantomData<C>);

impl<E: Element, C: ScanCell> Body<E> for Backward<E, C> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let scan = &self.0;
        let chunk = &scan.chunk;
        let slots = C::LAYOUT.slots;
        for panel in 0..chunk.panels {
            for row in 0..chunk.rows {
                unsafe {
                    let place = row * chunk.width + panel * LANES;
                    let zero = V::splat(E::ZERO);
                    let mut carry = chunk.begin::<V>(place);
                    let (mut product, mut end) = (V::splat(E::ONE), zero);
                    for k in 0..chunk.steps.len() {
                        let step = chunk.step(k);
                        let at = step * chunk.batch + row;
                        let unit = at * chunk.width + panel * LANES;
                        let valid = chunk.valid(step, row);
                        let mut total = zero;
                        // At a padded step the state was carried on unchanged, and so is its derivative; its gates
                        // are 0 already.
                        if valid {
                            let gates = chunk.gates.add(panel * chunk.gates_panel + at * slots * LANES);
                            let values = load_slots::<E, V>(gates, slots);
                            let mut above = zero;
                            if !scan.above.is_null() {
                                above = V::load(scan.above.add(at * scan.above_row + panel * LANES));
                            }
                            let kept = C::kept::<E, V>(&values);
                            product = product.mul(kept);
                            end = end.add(above).mul(kept);
                            total = carry.add(above);
                            carry = total.mul(kept);
                            if chunk.passes.fill {
                                let before = V::load(scan.before.add(unit));
                                store_slots(&C::backward::<E, V>(&values, before, total), gates, slots);
                            }
                        }
                        if chunk.passes.fill && !scan.total.is_null() {
                            total.store(scan.total.add(unit));
                        }
                    }
                    chunk.summarise(place, product, end);
                }
            }
        }
    }
}

/// What the chunk after this one begins with: `next = product * begin + end` for `count` numbers (a multiple of 16).
#[derive(Clone, Copy)]
pub struct ChainChunk<E> {
    pub count: usize,
    pub product: *const E,
    pub end: *const E,
    pub begin: *const E,
    pub next: *mut E,
}

impl<E: Element> Body<E> for ChainChunk<E> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for k in (0..self.count).step_by(LANES) {
            unsafe {
                let product = V::load(self.product.add(k));
                product.mul_add(V::load(self.begin.add(k)), V::load(self.end.add(k))).store(self.next.add(k));
            }
        }
    }
}
