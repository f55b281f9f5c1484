//! Learned initial states: a vector per layer, direction and state, where a sequence begins; 0 before training.

use super::direction::Direction;
use super::stack::{Pass, Stack};
use crate::cells::MAX_STATES;
use crate::element::Element;
use crate::params::{Packing, Parameters};
use crate::pool::Worker;
use crate::spec::StateEntry;

/// The learned vectors of one direction, and which sequences of the batch at hand begin with them.
#[derive(Default)]
pub struct InitialStates {
    /// Place of each state's vector in the flat arrays; empty where states begin at 0.
    offsets: Vec<usize>,
    begins: [Vec<bool>; MAX_STATES],
}

impl InitialStates {
    pub fn is_learned(&self) -> bool {
        !self.offsets.is_empty()
    }

    /// Places in the flat arrays.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Takes note of which rows begin, and writes the learned vector over those rows, `[B][width]`.
    pub fn fill<E: Element>(&mut self, state: usize, entry: &StateEntry<E>, weights: &[E], rows: &mut [E]) {
        let Some(&offset) = self.offsets.get(state) else { return };
        self.begins[state].clone_from(&entry.begins);
        let width = rows.len() / entry.begins.len();
        for (row, _) in rows.chunks_exact_mut(width).zip(&entry.begins).filter(|(_, begins)| **begins) {
            row[..entry.hidden_size].copy_from_slice(&weights[offset..offset + entry.hidden_size]);
        }
    }
}

impl<E: Element> Stack<E> {
    /// Adds a vector for every state to `parameters`: `initial.h_l0`, `initial.c_l0_reverse`, …
    pub fn learn_initial_states(&mut self, parameters: &mut Parameters) {
        for direction in self.layers.iter_mut().flat_map(|layer| &mut layer.directions) {
            for (s, state) in direction.cell.info().states.iter().enumerate() {
                let name = format!("initial.{state}_{}", direction.name);
                let tensor = parameters.add(name, Packing::Vector { size: direction.state_size(s) });
                direction.initial.offsets.push(parameters.tensors[tensor].offset);
            }
        }
    }

    /// Gradients of the learned vectors: the derivatives of the initial states of the sequences that begin, summed in
    /// the order of the rows. The first worker does it.
    ///
    /// # Safety
    /// As in `layers`, after the barrier that follows `backward`.
    pub(super) unsafe fn initial_state_gradients(&self, direction: &Direction<E>, pass: &Pass<E>, worker: &Worker) {
        if worker.index > 0 {
            return;
        }
        for (s, &offset) in direction.initial.offsets.iter().enumerate() {
            let width = direction.state_width(s);
            for unit in 0..width {
                let rows = (0..pass.batch).filter(|&b| direction.initial.begins[s][b]);
                let sum: f64 = rows.map(|b| unsafe { *direction.carry[s].at(b * width + unit) }.to_f64()).sum();
                let known = unit < direction.state_size(s);
                unsafe { *pass.gradients.add(offset + unit) = E::from_f64(if known { sum } else { 0.0 }) };
            }
        }
    }
}
