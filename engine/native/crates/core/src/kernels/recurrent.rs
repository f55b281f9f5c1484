//! One time step of a recurrent layer: the recurrent product with the cell's equations on its sums, while they are
//! still in registers. A cell whose step needs two products has two such phases.

// Slots and states index several arrays at once; constant bounds let the compiler keep all of them in registers.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::normalised::Normalisation;
use super::tile::{Left, even_tiles, most_rows, multiply, with_tile_rows};
use crate::cells::{MAX_SAVED, MAX_SLOTS, MAX_STATES, MAX_VECTORS, Phase};
use crate::element::Element;
use crate::simd::{Body, LANES, Lanes};

/// Unit panels per column chunk of the backward product: 4 vectors of 16 units.
pub const CHUNK: usize = 4;

/// Which rows still belong to their sequence at a step.
#[derive(Clone, Copy)]
pub struct Valid {
    /// Length of each row's sequence, from the first row on; null when all rows are valid.
    pub lengths: *const usize,
    pub step: usize,
}

impl Valid {
    #[inline(always)]
    pub(crate) unsafe fn row(self, row: usize) -> bool {
        self.lengths.is_null() || self.step < unsafe { *self.lengths.add(row) }
    }
}

/// Forward step for some rows of the batch. Pointers are those of the first row.
#[derive(Clone, Copy)]
pub struct ForwardStep<E> {
    pub rows: usize,
    /// Unit panels to compute: all P, or a worker's share where the units are split.
    pub first_panel: usize,
    pub end_panel: usize,
    pub valid: Valid,
    /// Input part of the sums with bias, `[P][start rows][S * 16]`; may be `gates` itself.
    pub start: *const E,
    pub start_panel: usize,
    /// Row of `start` for each row; null when they are the same.
    pub start_index: *const u32,
    /// Bias of the slots that the input does not feed, `[P][S * 16]`.
    pub bias: *const E,
    /// Out: gates after activation, `[P][..][S * 16]`.
    pub gates: *mut E,
    /// Distance between the panels of `gates`.
    pub gates_panel: usize,
    /// What the product reads, `[rows][left width]`: the previous state that `Layout::reads` names, or in a second phase
    /// what the first one gave.
    pub left: *const E,
    pub left_width: usize,
    /// `[P][left width][slots fed * 16]`
    pub weights: *const E,
    /// False when the left operand is zero and the product can be left out.
    pub multiply: bool,
    /// The product was made before: the sums of the slots it feeds are in `gates`.
    pub summed: bool,
    /// States before this step, `[rows][width]`, h first.
    pub previous: [*const E; MAX_STATES],
    /// Out: states after it.
    pub next: [*mut E; MAX_STATES],
    /// Out: further values that the backward pass needs.
    pub saved: [*mut E; MAX_SAVED],
    /// Weights of one number per unit, `[width]` each.
    pub vectors: [*const E; MAX_VECTORS],
    /// Padded hidden size.
    pub width: usize,
    /// What a normalised cell reads besides; null for others.
    pub normalisation: *const Normalisation<E>,
}

/// A forward step of cell C.
pub struct Forward<E, C>(pub ForwardStep<E>, pub PhantomData<C>);

impl<E: Element, C: Phase> Forward<E, C> {
    #[inline(always)]
    unsafe fn all_rows<V: Lanes<E>, const N: usize>(&self) {
        for panel in self.0.first_panel..self.0.end_panel {
            for (first, rows) in even_tiles(self.0.rows, most_rows(V::TILE, N)) {
                unsafe { with_tile_rows!(rows, V, N, self.tile(panel, first)) }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const M: usize, const N: usize>(&self, panel: usize, first: usize) {
        let step = &self.0;
        let slots = C::LAYOUT.slots;
        let fed = &C::LAYOUT.recurrent;
        let input = &C::LAYOUT.input;
        unsafe {
            let bias = step.bias.add(panel * slots * LANES);
            let start = step.start.add(panel * step.start_panel);
            let gates = step.gates.add(panel * step.gates_panel);
            let start_row = |row: usize| {
                let at = if step.start_index.is_null() { row } else { *step.start_index.add(row) as usize };
                start.add(at * slots * LANES)
            };
            let mut sums = [[V::splat(E::ZERO); N]; M];
            if step.summed {
                for (i, row) in sums.iter_mut().enumerate() {
                    let made = gates.add(((first + i) * slots + fed.first) * LANES);
                    for (v, sum) in row.iter_mut().enumerate() {
                        *sum = V::load(made.add(v * LANES));
                    }
                }
            } else {
                for (i, row) in sums.iter_mut().enumerate() {
                    let start = start_row(first + i);
                    for (v, sum) in row.iter_mut().enumerate() {
                        let slot = fed.first + v;
                        let from = if input.has(slot) { start } else { bias };
                        *sum = V::load(from.add(slot * LANES));
                    }
                }
            }
            if step.multiply {
                let left = Left::rows(step.left, step.left_width, step.left_width).from_row(first);
                multiply(&mut sums, left, step.weights.add(panel * step.left_width * N * LANES));
            }
            // The loop below is not unrolled; a copy keeps the sums of the product in registers.
            let finished = sums;
            let mut vectors = [V::splat(E::ZERO); MAX_VECTORS];
            for v in 0..C::LAYOUT.unit_vectors() {
                vectors[v] = V::load(step.vectors[v].add(panel * LANES));
            }
            for (i, sums) in finished.iter().enumerate() {
                let row = first + i;
                let mut values = [V::splat(E::ZERO); MAX_SLOTS];
                for slot in 0..slots {
                    values[slot] =
                        if fed.has(slot) { sums[slot - fed.first] } else { V::load(start_row(row).add(slot * LANES)) };
                }
                let at = row * step.width + panel * LANES;
                let mut states = [V::splat(E::ZERO); MAX_STATES];
                for s in 0..C::LAYOUT.states {
                    states[s] = V::load(step.previous[s].add(at));
                }
                let mut saved = [V::splat(E::ZERO); MAX_SAVED];
                if step.valid.row(row) {
                    C::forward::<E, V>(&mut values, &mut states, &mut saved, &vectors);
                } else {
                    values = [V::splat(E::ZERO); MAX_SLOTS];
                }
                for slot in 0..slots {
                    values[slot].store(gates.add((row * slots + slot) * LANES));
                }
                for s in 0..C::LAYOUT.states {
                    states[s].store(step.next[s].add(at));
                }
                for s in 0..C::LAYOUT.saved {
                    saved[s].store(step.saved[s].add(at));
                }
            }
        }
    }
}

impl<E: Element, C: Phase> Body<E> for Forward<E, C> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        unsafe {
            match C::LAYOUT.recurrent.gates.len() {
                1 if const { C::LAYOUT.recurrent.gates.len() == 1 } => self.all_rows::<V, 1>(),
                2 if const { C::LAYOUT.recurrent.gates.len() == 2 } => self.all_rows::<V, 2>(),
                3 if const { C::LAYOUT.recurrent.gates.len() == 3 } => self.all_rows::<V, 3>(),
                4 if const { C::LAYOUT.recurrent.gates.len() == 4 } => self.all_rows::<V, 4>(),
                fed => unreachable!("a recurrent product of {fed} vectors"),
            }
        }
    }
}

/// Backward step for some rows of the batch. Pointers are those of the first row.
#[derive(Clone, Copy)]
pub struct BackwardStep<E> {
    pub rows: usize,
    pub panels: usize,
    pub valid: Valid,
    /// Derivatives that the product reads, laid out as the cell's `Phase::BACK` says: those of the sums of the step
    /// after this one, or of a later phase of this step; null at the last step.
    pub following: *const E,
    /// Panels of `following`, and their distance.
    pub following_panels: usize,
    pub following_panel: usize,
    /// In: gates after activation. Out: derivatives of the sums before activation. `[P][..][S * 16]`
    pub gates: *mut E,
    pub gates_panel: usize,
    /// Transposed weights of that product, chunk by chunk `[panels * slots read * 16][units of the chunk]`.
    pub weights_transposed: *const E,
    /// Derivative of this step's h from the layer above, rows `above_row` apart; null without one.
    pub above: *const E,
    pub above_row: usize,
    /// In and out: derivative that reaches the states past the products, `[rows][width]` for each state.
    pub carry: [*mut E; MAX_STATES],
    /// States before and after this step.
    pub previous: [*const E; MAX_STATES],
    pub state: [*const E; MAX_STATES],
    pub saved: [*const E; MAX_SAVED],
    /// Weights of one number per unit, `[width]` each.
    pub vectors: [*const E; MAX_VECTORS],
    /// Out: whole derivative of each state, for traces; null when not wanted.
    pub total: [*mut E; MAX_STATES],
    pub width: usize,
    /// What a normalised cell reads besides; null for others.
    pub normalisation: *const Normalisation<E>,
}

/// A backward step of cell C.
pub struct Backward<E, C>(pub BackwardStep<E>, pub PhantomData<C>);

/// What a cell's backward equations may read.
pub struct Recorded<V> {
    /// Gates after activation, in slot order.
    pub gates: [V; MAX_SLOTS],
    /// States before and after the step.
    pub previous: [V; MAX_STATES],
    pub state: [V; MAX_STATES],
    pub saved: [V; MAX_SAVED],
    /// The weights of one number per unit.
    pub vectors: [V; MAX_VECTORS],
}

/// What they give.
pub struct Derivatives<V> {
    /// Derivatives of the sums, in slot order.
    pub gates: [V; MAX_SLOTS],
    /// Whole derivative of each state at this step.
    pub total: [V; MAX_STATES],
    /// Derivative that reaches the previous states past the products.
    pub carry: [V; MAX_STATES],
}

impl<E: Element, C: Phase> Backward<E, C> {
    #[inline(always)]
    unsafe fn chunk<V: Lanes<E>, const N: usize>(&self, panel: usize) {
        for (first, rows) in even_tiles(self.0.rows, most_rows(V::TILE, N)) {
            unsafe { with_tile_rows!(rows, V, N, self.tile(panel, first)) }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const M: usize, const N: usize>(&self, panel: usize, first: usize) {
        let step = &self.0;
        let slots = C::LAYOUT.slots;
        unsafe {
            let mut sums = [[V::splat(E::ZERO); N]; M];
            if !step.following.is_null() {
                let run = C::BACK.read.gates.len() * LANES;
                let left = Left {
                    first: step.following.add(C::BACK.read.first * LANES),
                    row: C::BACK.slots * LANES,
                    run,
                    runs: step.following_panels,
                    next_run: step.following_panel,
                };
                let right = step.weights_transposed.add(panel * LANES * step.following_panels * run);
                multiply(&mut sums, left.from_row(first), right);
            }
            let finished = sums;
            for (i, sums) in finished.iter().enumerate() {
                let row = first + i;
                let valid = step.valid.row(row);
                for (v, &product) in sums.iter().enumerate() {
                    let unit = (panel + v) * LANES;
                    let at = row * step.width + unit;
                    let gates = step.gates.add((panel + v) * step.gates_panel + row * slots * LANES);
                    let mut reaching = [V::splat(E::ZERO); MAX_STATES];
                    for s in 0..C::LAYOUT.states {
                        reaching[s] = V::load(step.carry[s].add(at));
                    }
                    reaching[C::LAYOUT.reads] = reaching[C::LAYOUT.reads].add(product);
                    let result = if valid {
                        if !step.above.is_null() {
                            reaching[0] = reaching[0].add(V::load(step.above.add(row * step.above_row + unit)));
                        }
                        let mut recorded = Recorded {
                            gates: [V::splat(E::ZERO); MAX_SLOTS],
                            previous: [V::splat(E::ZERO); MAX_STATES],
                            state: [V::splat(E::ZERO); MAX_STATES],
                            saved: [V::splat(E::ZERO); MAX_SAVED],
                            vectors: [V::splat(E::ZERO); MAX_VECTORS],
                        };
                        for slot in 0..slots {
                            recorded.gates[slot] = V::load(gates.add(slot * LANES));
                        }
                        for s in 0..C::LAYOUT.states {
                            recorded.previous[s] = V::load(step.previous[s].add(at));
                            recorded.state[s] = V::load(step.state[s].add(at));
                        }
                        for s in 0..C::LAYOUT.saved {
                            recorded.saved[s] = V::load(step.saved[s].add(at));
                        }
                        for v in 0..C::LAYOUT.unit_vectors() {
                            recorded.vectors[v] = V::load(step.vectors[v].add(unit));
                        }
                        C::backward::<E, V>(&recorded, &reaching)
                    } else {
                        // A padded step: the state was carried on unchanged, and so is its derivative.
                        Derivatives {
                            gates: [V::splat(E::ZERO); MAX_SLOTS],
                            total: [V::splat(E::ZERO); MAX_STATES],
                            carry: reaching,
                        }
                    };
                    for slot in 0..slots {
                        result.gates[slot].store(gates.add(slot * LANES));
                    }
                    for s in 0..C::LAYOUT.states {
                        result.carry[s].store(step.carry[s].add(at));
                    }
                    if !step.total[0].is_null() {
                        for s in 0..C::LAYOUT.states {
                            result.total[s].store(step.total[s].add(at));
                        }
                    }
                }
            }
        }
    }
}

impl<E: Element, C: Phase> Body<E> for Backward<E, C> {
    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for panel in (0..self.0.panels).step_by(CHUNK) {
            unsafe {
                match (self.0.panels - panel).min(CHUNK) {
                    1 => self.chunk::<V, 1>(panel),
                    2 => self.chunk::<V, 2>(panel),
                    3 => self.chunk::<V, 3>(panel),
                    _ => self.chunk::<V, 4>(panel),
                }
            }
        }
    }
}
