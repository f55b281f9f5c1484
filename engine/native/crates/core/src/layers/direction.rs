//! One direction of one recurrent layer: its place in the weights and its workspace.

use super::bfloat16::PairWeights;
use super::initial::InitialStates;
use super::lower::LowerPart;
use super::normalised::NormalisedPart;
use super::scan::ScanChunks;
use super::second::SecondPart;
use super::weight_drop::WeightDrop;
use super::zoneout::Zoneout;
use crate::buffer::Buffer;
use crate::cells::normalised::GATE_SLOT;
use crate::cells::{CellEntry, CellKernels, Chosen, Feed, Layout, MAX_SAVED, MAX_STATES, Second, Signal, Source};
use crate::element::Element;
use crate::kernels::product::{Product, Start};
use crate::kernels::recurrent::BackwardStep;
use crate::kernels::tile::Left;
use crate::kernels::{KernelKind, Kernels};
use crate::params::{CHUNK_COLUMNS, Inner, Packing, Parameters, padded};
use crate::simd::LANES;
use crate::spec::LayerSpec;

/// Shapes: R = T * B rows, P unit panels, S slots, W = padded hidden size.
pub struct Direction<E: Element> {
    /// `l0`, `l0_reverse`, …
    pub name: String,
    pub reverse: bool,
    pub cell: &'static dyn CellEntry,
    pub layout: &'static Layout,
    pub kernels: CellKernels<E>,
    pub hidden: usize,
    pub width: usize,
    pub panels: usize,
    /// Size of h, and that padded: the hidden size, except behind a projection.
    pub output: usize,
    pub output_width: usize,
    /// What the recurrent product feeds; a second product may feed the other gates of the recurrent weights.
    pub fed: Feed,
    pub second: Option<SecondPart<E>>,
    pub normalised: Option<NormalisedPart<E>>,
    pub lower: Option<LowerPart<E>>,
    /// Input columns, padded.
    pub inputs: usize,
    /// Offsets of the tensors in the flat arrays; `weight_hh` only counts where the recurrent product feeds a slot.
    pub weight_ih: usize,
    pub weight_hh: usize,
    /// The biases: the slots that each is added to, and its offset.
    pub biases: Vec<(Feed, usize)>,
    /// One per weight of one number per unit.
    pub vectors: Vec<usize>,
    /// `[P][R][S * 16]`: activations after the forward pass, derivatives of the sums after the backward pass.
    pub gates: Buffer<E>,
    /// `[(T + 1) * B][W]` (h: its padded size), h first; see `initial_block`.
    pub states: [Buffer<E>; MAX_STATES],
    /// `[R][W]`
    pub saved: [Buffer<E>; MAX_SAVED],
    /// `[B][W]`: derivative on its way to the step before; after the backward pass that of the initial states.
    pub carry: [Buffer<E>; MAX_STATES],
    /// `[R][W]`: whole derivative of each state, only for traces.
    pub totals: [Buffer<E>; MAX_STATES],
    /// Periods of the modules, where the cell has a clock, and `[T][W]`: 1 where a unit computes at a time step.
    pub periods: Vec<usize>,
    pub clock: Buffer<E>,
    /// `[P][S * 16]`: both biases, packed for this step, and the gradient of that.
    pub bias: Buffer<E>,
    pub bias_gradient: Buffer<E>,
    /// Transposed recurrent and input weights for the backward products.
    pub hh_transposed: Buffer<E>,
    pub ih_transposed: Buffer<E>,
    /// The same in bfloat16, and the weights as they are, where products take them so.
    pub pairs: PairWeights,
    /// `[P][distinct tokens][S * 16]`: sums of the distinct tokens of a batch (first layer behind an embedding), and
    /// `[P][distinct tokens][slots fed * 16]`: their derivatives.
    pub table: Buffer<E>,
    pub table_gradient: Buffer<E>,
    /// Of a cell that is scanned.
    pub chunks: ScanChunks<E>,
    /// All initial states of this batch are zero.
    pub starts_at_zero: bool,
    pub initial: InitialStates,
    pub weight_drop: Option<WeightDrop<E>>,
    pub zoneout: Option<Zoneout<E>>,
}

impl<E: Element> Direction<E> {
    /// Adds the direction's tensors to `parameters`; `index` is the layer, `input` what it reads.
    pub fn new(
        spec: &LayerSpec,
        chosen: &Chosen,
        index: usize,
        reverse: bool,
        input: Inner,
        parameters: &mut Parameters,
        kind: KernelKind,
    ) -> Self {
        let cell = chosen.cell;
        let layout = cell.layout();
        let hidden = spec.hidden_size;
        let name = format!("l{index}{}", if reverse { "_reverse" } else { "" });
        let mut add_from = |what: &str, packing, start: Option<f64>| {
            let tensor = parameters.add(format!("recurrent.{what}_{name}"), packing);
            parameters.tensors[tensor].start = start;
            parameters.tensors[tensor].offset
        };
        let mut add = |what: &str, packing| add_from(what, packing, None);
        let (ih, hh) = (layout.input.gates, layout.recurrent.gates);
        let names = cell.info().names;
        let second = cell.second();
        let output = spec.output_size(cell);
        let inner = Inner::panels(output, 1);
        let mut fed = layout.recurrent;
        let packing = match second {
            Some(Second::Gates(last)) => {
                fed.gates = &hh[..hh.len() - last.gates.len()];
                Packing::SplitGates { hidden, first: fed.gates, second: last.gates, inner }
            }
            _ => Packing::Gates { hidden, slots: hh, inner },
        };
        let weight_ih = add(names.input, Packing::Gates { hidden, slots: ih, inner: input });
        let weight_hh = names.recurrent.map_or(0, |name| add(name, packing));
        let mut biases = vec![(layout.input, add(names.bias, Packing::GateBias { hidden, slots: ih }))];
        if let Some(name) = names.recurrent_bias {
            biases.push((layout.recurrent, add(name, Packing::GateBias { hidden, slots: hh })));
        }
        let (width, output_width) = (padded(hidden), padded(output));
        let panels = width / LANES;
        let kernels = E::cell_kernels(cell, kind);
        let second = second.map(|second| {
            let weights = match second {
                Second::Gates(_) => weight_hh + width * output_width * fed.gates.len(),
                Second::Projection(name) => {
                    add(name, Packing::Gates { hidden: output, slots: &[0], inner: Inner::panels(hidden, 1) })
                }
            };
            SecondPart::new(second, kernels.steps().second, weights, width, output_width)
        });
        let normalised = cell.normalised().map(|names| {
            // What is added stands behind the normalisations.
            let gates = Feed { first: GATE_SLOT, gates: ih };
            biases[0].0 = gates;
            let (part, more) = NormalisedPart::new(names, hidden, ih, &mut add_from);
            biases.extend(more.map(|offset| (gates, offset)));
            part
        });
        let vectors =
            cell.info().vectors.iter().map(|name| add_from(name, Packing::Vector { size: hidden }, None)).collect();
        let lower = cell.lower().map(|lower| {
            let slots = lower.gate.gates;
            let weight = add_from(lower.weight, Packing::Gates { hidden, slots, inner: input }, None);
            biases.push((lower.gate, add_from(lower.bias, Packing::GateBias { hidden, slots }, None)));
            LowerPart::new(lower, weight, input.padded(), width)
        });
        let periods = if layout.clocked { chosen.numbers[0].clone() } else { Vec::new() };
        if layout.clocked {
            let last = parameters.tensors.iter_mut().rfind(|tensor| tensor.offset == weight_hh);
            last.expect("added above").blocks = periods.len();
        }
        let empty = || Buffer::new(0);
        let place = (index * 2 + reverse as usize) as u32;
        Direction {
            reverse,
            cell,
            layout,
            kernels,
            hidden,
            width,
            panels,
            output,
            output_width,
            fed,
            second,
            normalised,
            lower,
            inputs: input.padded(),
            weight_ih,
            weight_hh,
            biases,
            vectors,
            periods,
            clock: empty(),
            gates: empty(),
            states: std::array::from_fn(|_| empty()),
            saved: std::array::from_fn(|_| empty()),
            carry: std::array::from_fn(|_| empty()),
            totals: std::array::from_fn(|_| empty()),
            bias: Buffer::new(width * layout.slots),
            bias_gradient: Buffer::new(width * layout.slots),
            hh_transposed: Buffer::new(width * output_width * fed.gates.len()),
            ih_transposed: empty(),
            pairs: PairWeights::new(),
            table: empty(),
            table_gradient: empty(),
            chunks: ScanChunks::new(),
            starts_at_zero: true,
            initial: InitialStates::default(),
            weight_drop: WeightDrop::new(spec.weight_drop, place),
            zoneout: Zoneout::new(spec.zoneout_hidden, spec.zoneout_cell, layout.states, place),
            name,
        }
    }

    /// Makes room for a batch; `traced` also for the derivatives of the states.
    pub fn reserve(&mut self, time: usize, batch: usize, traced: bool) {
        let rows = time * batch;
        self.gates.reserve(rows * self.width * self.layout.slots);
        if self.kernels.is_scanned() {
            self.chunks.reserve(time, batch * self.width);
        }
        for s in 0..self.layout.states {
            let width = self.state_width(s);
            self.states[s].reserve((rows + batch) * width);
            self.carry[s].reserve(batch * width);
            if traced {
                self.totals[s].reserve(rows * width);
            }
        }
        for s in 0..self.layout.saved {
            self.saved[s].reserve(rows * self.width);
        }
        if let Some(second) = &mut self.second {
            second.reserve(rows, batch, self.width, traced);
        }
        if let Some(normalised) = &mut self.normalised {
            normalised.reserve(rows);
        }
        let recurrent = self.width * self.output_width * self.layout.recurrent.gates.len();
        if let Some(drop) = &mut self.weight_drop {
            drop.reserve(recurrent);
        }
        if let Some(zoneout) = &mut self.zoneout {
            zoneout.reserve(self.layout.states, rows, batch, [self.output_width, self.width]);
        }
    }

    /// Says which units compute at each time step, the first of which has the number `first`.
    pub fn set_clock(&mut self, first: usize, time: usize) {
        if !self.layout.clocked {
            return;
        }
        self.clock.reserve(time * self.width);
        for (step, units) in self.clock.slice_mut(time * self.width).chunks_exact_mut(self.width).enumerate() {
            for (unit, active) in units.iter_mut().enumerate().take(self.hidden) {
                let period = self.periods[unit * self.periods.len() / self.hidden];
                *active = if (first + step).is_multiple_of(period) { E::ONE } else { E::ZERO };
            }
        }
    }

    /// Size of state s, and that padded; h comes first.
    pub fn state_size(&self, s: usize) -> usize {
        if s == 0 { self.output } else { self.hidden }
    }

    pub fn state_width(&self, s: usize) -> usize {
        if s == 0 { self.output_width } else { self.width }
    }

    /// Size of what a signal records per step.
    pub fn signal_size(&self, signal: &Signal) -> usize {
        match signal.source {
            Source::Slot(_) | Source::Share(..) => self.hidden,
            Source::State(s) => self.state_size(s),
        }
    }

    /// Adds to the `carry` of the state that the recurrent product reads what reaches it through that product of the
    /// step after this one.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn reach_through_product(&self, kernels: &Kernels<E>, step: &BackwardStep<E>) {
        if step.following.is_null() {
            return;
        }
        let read = self.layout.reads;
        let (width, run) = (self.state_width(read), self.recurrent_line());
        for chunk in (0..width).step_by(CHUNK_COLUMNS) {
            unsafe {
                let carry = step.carry[read].add(chunk);
                (kernels.product)(Product {
                    rows: step.rows,
                    columns: (width - chunk).min(CHUNK_COLUMNS) / LANES,
                    left: Left {
                        first: step.following.add(self.fed.first * LANES),
                        row: self.line(),
                        run,
                        runs: step.following_panels,
                        next_run: step.following_panel,
                    },
                    right: step.weights_transposed.add(chunk * step.following_panels * run),
                    start: Start::Rows(carry, width),
                    out: carry,
                    out_row: width,
                });
            }
        }
    }

    /// Numbers of the recurrent weights of panel `panel` that belong to absent blocks, by their place in the panel.
    pub fn absent(&self, panel: usize) -> impl Iterator<Item = usize> {
        let (blocks, hidden) = (self.periods.len(), self.hidden);
        let units = panel * LANES..((panel + 1) * LANES).min(if blocks > 1 { hidden } else { 0 });
        units.flat_map(move |unit| {
            let first_column = unit * blocks / hidden * (hidden / blocks);
            (0..first_column).map(move |column| column * LANES + unit % LANES)
        })
    }

    /// Numbers in one row of the gate tensor's panel.
    pub fn line(&self) -> usize {
        self.layout.slots * LANES
    }

    /// Numbers that the input feeds in such a row, and those that the recurrent product feeds.
    pub fn input_line(&self) -> usize {
        self.layout.input.gates.len() * LANES
    }

    pub fn recurrent_line(&self) -> usize {
        self.fed.gates.len() * LANES
    }

    /// State blocks of B rows: before the first step, before and after step t. The reverse direction runs from the
    /// last step to the first, so its initial state is the last block.
    pub fn initial_block(&self, time: usize) -> usize {
        if self.reverse { time } else { 0 }
    }

    pub fn final_block(&self, time: usize) -> usize {
        if self.reverse { 0 } else { time }
    }

    pub fn block_before(&self, step: usize) -> usize {
        if self.reverse { step + 1 } else { step }
    }

    pub fn block_after(&self, step: usize) -> usize {
        if self.reverse { step } else { step + 1 }
    }

    /// The time steps in the order of the recurrence.
    pub fn steps(&self, time: usize) -> impl DoubleEndedIterator<Item = usize> {
        let reverse = self.reverse;
        (0..time).map(move |k| if reverse { time - 1 - k } else { k })
    }
}
