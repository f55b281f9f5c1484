//! Zoneout (Krueger et al. 2017): s_t = z s_{t-1} + (1 - z) s~_t, where s~_t is what the cell makes of the step. In
//! training z is 1 for a random share of units, steps and sequences; in evaluation it is that share. The cell's own
//! equations see s~: an LSTM's h~ comes from its c~, and the mixed states go to the next step and to the layer above.

use super::dense::RowBlocks;
use super::direction::Direction;
use super::masks::Masks;
use super::stack::{Pass, Stack};
use crate::buffer::Buffer;
use crate::cells::MAX_STATES;
use crate::element::Element;
use crate::kernels::recurrent::BackwardStep;
use crate::rng::Purpose;

/// Shares and workspace of one direction.
pub struct Zoneout<E: Element> {
    /// For each state: h, then the others.
    shares: [f32; MAX_STATES],
    /// Layer and direction.
    index: u32,
    /// `[R][W]`: what the cell made of each step.
    pub proposed: [Buffer<E>; MAX_STATES],
    /// `[B][W]`: derivative of the mixed states of the step at hand.
    mixed: [Buffer<E>; MAX_STATES],
    /// `[B][W]`: z of the step at hand.
    kept: Buffer<E>,
}

impl<E: Element> Zoneout<E> {
    /// None where no state is kept.
    pub fn new(hidden: f32, others: f32, states: usize, index: u32) -> Option<Self> {
        let shares = std::array::from_fn(|s| if s == 0 { hidden } else { others });
        (shares[..states].iter().any(|&share| share > 0.0)).then(|| Zoneout {
            shares,
            index,
            proposed: std::array::from_fn(|_| Buffer::new(0)),
            mixed: std::array::from_fn(|_| Buffer::new(0)),
            kept: Buffer::new(0),
        })
    }

    /// `widths` are the padded sizes of h and of the other states.
    pub fn reserve(&mut self, states: usize, rows: usize, batch: usize, widths: [usize; 2]) {
        for s in 0..states {
            let width = widths[s.min(1)];
            self.proposed[s].reserve(rows * width);
            self.mixed[s].reserve(batch * width);
        }
        self.kept.reserve(batch * widths[0].max(widths[1]));
    }

    /// z of state `s` for row `b` at a step, `[W]`.
    unsafe fn keep(&self, s: usize, pass: &Pass<E>, step: usize, b: usize, width: usize) -> &[E] {
        let kept = unsafe { std::slice::from_raw_parts_mut(self.kept.at(b * width), width) };
        match pass.dropout {
            // `fill` gives 0 to the share that is dropped, which here is the share that changes.
            Some(update) => {
                let masks = Masks::new(
                    Purpose::Zoneout,
                    self.index * MAX_STATES as u32 + s as u32,
                    1.0 - self.shares[s],
                    update,
                );
                masks.fill(kept, E::ONE, [step as u32, b as u32]);
            }
            None => kept.fill(E::from_f64(self.shares[s] as f64)),
        }
        kept
    }
}

impl<E: Element> Direction<E> {
    /// Mixes what the cell proposed at a step with the states before it.
    ///
    /// # Safety
    /// As in `layers`; the step's forward kernel must have run for these rows.
    pub(super) unsafe fn mix_states(&self, pass: &Pass<E>, blocks: RowBlocks, step: usize) {
        let Some(zoneout) = &self.zoneout else { return };
        for s in 0..self.layout.states {
            let width = self.state_width(s);
            for b in blocks.first..blocks.first + blocks.count {
                unsafe {
                    let before = self.states[s].at((self.block_before(step) * pass.batch + b) * width);
                    let after = self.states[s].at((self.block_after(step) * pass.batch + b) * width);
                    let proposed = zoneout.proposed[s].at((step * pass.batch + b) * width);
                    // A padded step carries the state on as it is.
                    if zoneout.shares[s] == 0.0 || !pass.is_valid(step, b) {
                        after.copy_from_nonoverlapping(proposed, width);
                        continue;
                    }
                    for (k, &z) in zoneout.keep(s, pass, step, b, width).iter().enumerate() {
                        *after.add(k) = z * *before.add(k) + (E::ONE - z) * *proposed.add(k);
                    }
                }
            }
        }
    }
}

impl<E: Element> Stack<E> {
    /// The backward step of a direction with zoneout. The derivative of the mixed states is made here, so that the
    /// kernel has the part of the proposed ones as all that reaches it; what the kept part carries is added after.
    ///
    /// # Safety
    /// As the kernel; `step` is the time step.
    pub(super) unsafe fn zoned_backward(
        &self,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        step: usize,
        mut backward: BackwardStep<E>,
    ) {
        let zoneout = direction.zoneout.as_ref().expect("called for directions with zoneout");
        unsafe {
            // The recurrent product of the step after this one is still to be added, and to h what comes from above.
            direction.reach_through_product(&self.kernels, &backward);
            for row in 0..blocks.count {
                let b = blocks.first + row;
                let valid = pass.is_valid(step, b);
                for s in 0..direction.layout.states {
                    let width = direction.state_width(s);
                    let carry = std::slice::from_raw_parts_mut(backward.carry[s].add(row * width), width);
                    if s == 0 && valid && !backward.above.is_null() {
                        let above = std::slice::from_raw_parts(backward.above.add(row * backward.above_row), width);
                        carry.iter_mut().zip(above).for_each(|(sum, &value)| *sum = *sum + value);
                    }
                    let mixed = zoneout.mixed[s].at(b * width);
                    mixed.copy_from_nonoverlapping(carry.as_ptr(), width);
                    if valid && zoneout.shares[s] > 0.0 {
                        let kept = zoneout.keep(s, pass, step, b, width);
                        carry.iter_mut().zip(kept).for_each(|(value, &z)| *value = *value * (E::ONE - z));
                    }
                }
            }
            backward.following = std::ptr::null();
            backward.above = std::ptr::null();
            for s in 0..direction.layout.states {
                backward.state[s] =
                    zoneout.proposed[s].at((step * pass.batch + blocks.first) * direction.state_width(s));
            }
            self.step_back(direction, pass, step * pass.batch + blocks.first, blocks.first, backward);
            for row in (0..blocks.count).filter(|row| pass.is_valid(step, blocks.first + row)) {
                let b = blocks.first + row;
                for s in (0..direction.layout.states).filter(|&s| zoneout.shares[s] > 0.0) {
                    let width = direction.state_width(s);
                    let mixed = std::slice::from_raw_parts(zoneout.mixed[s].at(b * width), width);
                    let kept = zoneout.keep(s, pass, step, b, width);
                    for k in 0..width {
                        let carry = backward.carry[s].add(row * width + k);
                        *carry = *carry + kept[k] * mixed[k];
                        if !backward.total[s].is_null() {
                            *backward.total[s].add(row * width + k) = mixed[k];
                        }
                    }
                }
            }
        }
    }
}
