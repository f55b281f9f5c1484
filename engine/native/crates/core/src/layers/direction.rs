//! One direction of one recurrent layer: its place in the weights and its workspace.

use super::scan::ScanChunks;
use crate::buffer::Buffer;
use crate::cells::{CellEntry, CellKernels, Chosen, Feed, Layout, MAX_SAVED, MAX_STATES};
use crate::element::Element;
use crate::kernels::KernelKind;
use crate::params::{Inner, Packing, Parameters, padded};
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
    /// Input columns, padded.
    pub inputs: usize,
    /// Offsets of the tensors in the flat arrays; `weight_hh` only counts where the recurrent product feeds a slot,
    /// `bias_hh` only where the cell keeps the two apart.
    pub weight_ih: usize,
    pub weight_hh: usize,
    pub bias_ih: usize,
    pub bias_hh: Option<usize>,
    /// One per weight of one number per unit.
    pub vectors: Vec<usize>,
    /// `[P][R][S * 16]`: activations after the forward pass, derivatives of the sums after the backward pass.
    pub gates: Buffer<E>,
    /// `[(T + 1) * B][W]`, h first; see `initial_block`.
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
    /// `[P][distinct tokens][S * 16]`: sums of the distinct tokens of a batch (first layer behind an embedding), and
    /// `[P][distinct tokens][slots fed * 16]`: their derivatives.
    pub table: Buffer<E>,
    pub table_gradient: Buffer<E>,
    /// Of a cell that is scanned.
    pub chunks: ScanChunks<E>,
    /// All initial states of this batch are zero.
    pub starts_at_zero: bool,
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
        let mut add = |what: &str, packing| {
            let tensor = parameters.add(format!("recurrent.{what}_{name}"), packing);
            parameters.tensors[tensor].offset
        };
        let (ih, hh) = (layout.input.gates, layout.recurrent.gates);
        let names = cell.info().names;
        let weight_ih = add(names.input, Packing::Gates { hidden, slots: ih, inner: input });
        let recurrent = Packing::Gates { hidden, slots: hh, inner: Inner::panels(hidden, 1) };
        let weight_hh = names.recurrent.map_or(0, |name| add(name, recurrent));
        let bias_ih = add(names.bias, Packing::GateBias { hidden, slots: ih });
        let bias_hh = names.recurrent_bias.map(|name| add(name, Packing::GateBias { hidden, slots: hh }));
        let vectors = cell.info().vectors.iter().map(|name| add(name, Packing::Vector { size: hidden })).collect();
        let periods = if layout.clocked { chosen.numbers[0].clone() } else { Vec::new() };
        if layout.clocked {
            let last = parameters.tensors.iter_mut().rfind(|tensor| tensor.offset == weight_hh);
            last.expect("added above").blocks = periods.len();
        }
        let width = padded(hidden);
        let panels = width / LANES;
        let empty = || Buffer::new(0);
        Direction {
            reverse,
            cell,
            layout,
            kernels: E::cell_kernels(cell, kind),
            hidden,
            width,
            panels,
            inputs: input.padded(),
            weight_ih,
            weight_hh,
            bias_ih,
            bias_hh,
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
            hh_transposed: Buffer::new(width * width * hh.len()),
            ih_transposed: empty(),
            table: empty(),
            table_gradient: empty(),
            chunks: ScanChunks::new(),
            starts_at_zero: true,
            name,
        }
    }

    /// Makes room for a batch; `traced` also for the derivatives of the states.
    pub fn reserve(&mut self, time: usize, batch: usize, traced: bool) {
        let rows = time * batch;
        self.gates.reserve(rows * self.width * self.layout.slots);
        if matches!(self.kernels, CellKernels::Scan(_)) {
            self.chunks.reserve(time, batch * self.width);
        }
        for s in 0..self.layout.states {
            self.states[s].reserve((rows + batch) * self.width);
            self.carry[s].reserve(batch * self.width);
            if traced {
                self.totals[s].reserve(rows * self.width);
            }
        }
        for s in 0..self.layout.saved {
            self.saved[s].reserve(rows * self.width);
        }
        if self.layout.clocked {
            self.clock.reserve(time * self.width);
            for (step, units) in self.clock.slice_mut(time * self.width).chunks_exact_mut(self.width).enumerate() {
                for (unit, active) in units.iter_mut().enumerate().take(self.hidden) {
                    let period = self.periods[unit * self.periods.len() / self.hidden];
                    *active = if step.is_multiple_of(period) { E::ONE } else { E::ZERO };
                }
            }
        }
    }

    /// The products' feeds with the offset of each one's bias.
    pub fn biases(&self) -> impl Iterator<Item = (&'static Feed, usize)> {
        let recurrent = self.bias_hh.map(|offset| (&self.layout.recurrent, offset));
        std::iter::once((&self.layout.input, self.bias_ih)).chain(recurrent)
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
        self.layout.recurrent.gates.len() * LANES
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
