//! All recurrent layers of a model and a pass over them.

use super::between::Between;
use super::bfloat16::{PAIR_ROWS, PairScratch};
use super::dense::{Inputs, RowBlocks, dense};
use super::direction::Direction;
use super::lower::{C, LowerPart, source};
use super::masks::{EVERY_STEP, Masks, kept};
use super::scan::Part;
use crate::buffer::Buffer;
use crate::cells::{BELOW, CellKernels, MAX_SAVED, MAX_STATES, MAX_VECTORS, choose_cell, lower_problem, name_in_layer};
use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::Kernels;
use crate::kernels::bfloat16::PairKernels;
use crate::kernels::elementwise::{PairSum, ScatterRows};
use crate::kernels::outer::{MOST_COLUMNS, OUTER_BLOCK, Outer};
use crate::kernels::product::{Product, Start};
use crate::kernels::recurrent::{BackwardStep, ForwardStep, Valid};
use crate::kernels::tile::Left;
use crate::params::{CHUNK_COLUMNS, Inner, Parameters, transpose};
use crate::pool::Worker;
use crate::rng::Purpose;
use crate::simd::LANES;
use crate::spec::LayerSpec;

/// One recurrent layer with its one or two directions.
pub struct Layer<E: Element> {
    pub directions: Vec<Direction<E>>,
    pub dropout: f32,
    /// One mask for all steps.
    pub variational: bool,
    pub between: Option<Between<E>>,
    /// `[R][directions * W]`: outputs, 0 at padded steps, with dropout; unused where h itself serves.
    pub output: Buffer<E>,
    /// Same shape: factors of the dropout.
    pub mask: Buffer<E>,
    /// Same shape: dL/d(output).
    pub above: Buffer<E>,
}

impl<E: Element> Layer<E> {
    /// Padded width of the output.
    pub fn output_width(&self) -> usize {
        self.directions.iter().map(|direction| direction.output_width).sum()
    }

    /// `[R][directions * W]`: dL/dh, after `Between::backward` where there is one.
    pub(super) fn above_states(&self) -> &Buffer<E> {
        self.between.as_ref().map_or(&self.above, |between| &between.above)
    }

    /// What the layer above reads: its columns come in one part per direction.
    pub fn output_inner(&self) -> Inner {
        Inner::panels(self.directions[0].output, self.directions.len())
    }
}

/// A matrix given by its first number and the distance between rows.
#[derive(Clone, Copy)]
pub struct Strided<E> {
    pub first: *const E,
    pub row: usize,
}

/// What the first layer reads.
#[derive(Clone, Copy)]
pub enum Source<E> {
    /// `[R][I]`
    Series(*const E),
    /// The distinct tokens' embeddings `[distinct][W]`, and the distinct token's index of each row.
    Tokens { embedded: *const E, width: usize, distinct: usize, index: *const u32 },
}

/// Everything the workers of one pass share.
pub struct Pass<'a, E> {
    pub time: usize,
    pub batch: usize,
    pub lengths: Option<&'a [usize]>,
    pub weights: *const E,
    pub gradients: *mut E,
    pub source: Source<E>,
    /// Seed and step of the dropout masks; none outside training.
    pub dropout: Option<(u64, u64)>,
    /// The last layer's dL/d(output) is in its `above`.
    pub output_gradient: bool,
    /// Derivatives of the final states: layer by layer, direction by direction, one entry per state; missing ones are 0.
    pub final_gradients: Vec<[Option<Strided<E>>; MAX_STATES]>,
    /// Also give the derivatives of the initial states, of a series, and of the states at every step.
    pub traced: bool,
    /// dL/d(series), `[R][padded I]`, when traced.
    pub input_gradient: *mut E,
    /// What earlier passes over the same weights left ready.
    pub kept: Kept,
    /// The source's tokens are those of the vocabulary itself, not of a batch's distinct ones.
    pub whole_vocabulary: bool,
    /// The batch has so few rows that the workers share the units (evaluation only).
    pub narrow: bool,
    /// Products round their operands to bfloat16 (training only).
    pub pairs: Option<PairKernels<E>>,
    /// The weights are stored as bfloat16 too (evaluation only).
    pub stored: bool,
}

/// What passes over unchanged weights need not compute again: stepping through a text one token at a time would
/// otherwise spend more time on it than on the step.
#[derive(Clone, Copy, Default)]
pub struct Kept {
    /// Both biases are packed.
    pub biases: bool,
    /// The first layer's table holds the sums of the whole vocabulary.
    pub table: bool,
    /// Evaluations since the weights changed.
    pub passes: usize,
}

unsafe impl<E> Sync for Pass<'_, E> {}

impl<E> Pass<'_, E> {
    pub(super) fn rows(&self) -> usize {
        self.time * self.batch
    }

    pub(super) fn blocks(&self, worker: &Worker) -> RowBlocks {
        let own = worker.share(self.batch);
        RowBlocks { time: self.time, batch: self.batch, first: own.start, count: own.len() }
    }

    pub(super) fn is_valid(&self, step: usize, b: usize) -> bool {
        self.lengths.is_none_or(|lengths| step < lengths[b])
    }

    fn valid(&self, step: usize, first: usize) -> Valid {
        let lengths = self.lengths.map_or(std::ptr::null(), |lengths| unsafe { lengths.as_ptr().add(first) });
        Valid { lengths, step }
    }
}

/// The layers, from the input up.
pub struct Stack<E: Element> {
    pub layers: Vec<Layer<E>>,
    pub kernels: Kernels<E>,
    /// Number of the batch's first time step, for cells that count them.
    pub first_step: usize,
    /// One per worker: packed inputs of a block for weight gradients.
    packs: Vec<Buffer<E>>,
    /// A block of ones, the "input" of biases.
    ones: Buffer<E>,
    /// One per worker: operands rounded to bfloat16.
    pub(super) pair_scratch: Vec<PairScratch>,
}

impl<E: Element> Stack<E> {
    /// Adds the layers' tensors to `parameters`.
    pub fn new(
        specs: &[LayerSpec],
        input: Inner,
        parameters: &mut Parameters,
        kernels: Kernels<E>,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let mut layers: Vec<Layer<E>> = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            let field = |name: &str| format!("layers.{index}.{name}");
            if spec.hidden_size == 0 {
                let message = format!("Layer {} needs a hidden size of at least 1.", index + 1);
                return Err(EngineError::at("MODEL_INVALID", field("hiddenSize"), message));
            }
            if !(0.0..1.0).contains(&spec.dropout) {
                let message = format!("The dropout of layer {} must lie in [0, 1).", index + 1);
                return Err(EngineError::at("MODEL_INVALID", field("dropout"), message));
            }
            let chosen = choose_cell(name_in_layer(&spec.cell, index), &spec.options, spec.hidden_size)
                .map_err(|error| EngineError { location: error.location.as_deref().map(&field), ..error })?;
            if let Some(message) = spec.projection_problem(chosen.cell) {
                return Err(EngineError::at("MODEL_INVALID", field("projectionSize"), message));
            }
            if let Some(below) = layers.last().map(|layer| &layer.directions[0])
                && let Some((name, message)) = lower_problem(chosen.cell, spec.hidden_size, (below.cell, below.hidden))
            {
                return Err(EngineError::at("MODEL_INVALID", field(name), message));
            }
            let input = layers.last().map_or(input, Layer::output_inner);
            let directions: Vec<_> = (0..spec.directions())
                .map(|d| Direction::new(spec, &chosen, index, d == 1, input, parameters, kernels.kind))
                .collect();
            let output = Inner::panels(directions[0].output, directions.len());
            let between = Between::new(spec, index, input, output, parameters);
            let last = index + 1 == specs.len();
            layers.push(Layer {
                directions,
                dropout: if last { 0.0 } else { spec.dropout },
                variational: spec.variational,
                between,
                output: Buffer::new(0),
                mask: Buffer::new(0),
                above: Buffer::new(0),
            });
        }
        let mut ones = Buffer::new(PAIR_ROWS);
        ones.slice_mut(PAIR_ROWS).fill(E::ONE);
        let packs = (0..threads).map(|_| Buffer::new(0)).collect();
        let pair_scratch = (0..threads).map(|_| PairScratch::new()).collect();
        Ok(Stack { layers, kernels, first_step: 0, packs, ones, pair_scratch })
    }

    /// Makes room for a batch. `distinct`: number of distinct tokens, 0 for a series.
    pub fn reserve(&mut self, time: usize, batch: usize, distinct: usize, dropout: bool, backward: bool, traced: bool) {
        let rows = time * batch;
        let mut widest = 0;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let width = layer.output_width();
            layer.output.reserve(rows * width);
            if let Some(between) = &mut layer.between {
                between.reserve(rows, backward);
            }
            if dropout && layer.dropout > 0.0 {
                layer.mask.reserve(rows * width);
            }
            if backward {
                layer.above.reserve(rows * width);
            }
            for direction in &mut layer.directions {
                direction.reserve(time, batch, traced);
                direction.set_clock(self.first_step, time);
                widest = widest.max(direction.inputs).max(direction.width).max(width);
                if index == 0 && distinct > 0 {
                    direction.table.reserve(direction.panels * distinct * direction.line());
                    direction.table_gradient.reserve(direction.panels * distinct * direction.input_line());
                }
                if backward {
                    let lines = direction.panels * direction.input_line();
                    direction.ih_transposed.reserve(lines * direction.inputs.next_multiple_of(LANES));
                }
            }
        }
        for pack in &mut self.packs {
            pack.reserve(OUTER_BLOCK * widest);
        }
    }

    /// The pack buffer of a worker, for products outside the stack as well.
    pub fn pack(&self, worker: &Worker) -> *mut E {
        self.packs[worker.index].at(0)
    }

    pub fn ones(&self) -> *const E {
        self.ones.at(0)
    }

    /// True when the layer's output is a copy of h and not h itself.
    pub(super) fn copies_output(&self, layer: usize, pass: &Pass<E>) -> bool {
        let layer = &self.layers[layer];
        let is_dropped = pass.dropout.is_some() && layer.dropout > 0.0;
        layer.directions.len() > 1 || pass.lengths.is_some() || is_dropped || layer.between.is_some()
    }

    /// The layer's output, rows t * B + b.
    pub fn output(&self, layer: usize, pass: &Pass<E>) -> Strided<E> {
        let width = self.layers[layer].output_width();
        let first = if self.copies_output(layer, pass) {
            self.layers[layer].output.at(0)
        } else {
            self.layers[layer].directions[0].states[0].at(pass.batch * width)
        };
        Strided { first, row: width }
    }

    /// Packs biases where the weights changed, and for a backward pass the transposed weights. A barrier must follow.
    ///
    /// # Safety
    /// As the module says; `pass.weights` must cover all tensors.
    pub unsafe fn prepare(&self, pass: &Pass<E>, worker: &Worker, backward: bool) {
        for (index, layer) in self.layers.iter().enumerate() {
            for direction in &layer.directions {
                let own = worker.share(direction.panels);
                unsafe {
                    if !pass.kept.biases {
                        self.pack_bias(direction, pass, own.clone());
                    }
                    direction.drop_weights(pass, own.clone());
                    if let Some(kernels) = &pass.pairs {
                        direction.prepare_pairs(kernels, pass, own.clone(), backward);
                    }
                    let whole = pass.pairs.is_none();
                    // The derivative of an initial state is made in full precision.
                    if backward && (whole || direction.initial.is_learned()) {
                        let line = direction.recurrent_line();
                        let panels: Vec<_> =
                            (0..direction.panels).map(|p| (p * direction.output_width * line, line)).collect();
                        let weights = direction.recurrent_weights(pass);
                        transpose(weights, &panels, own.clone(), direction.output_width, direction.hh_transposed.at(0));
                    }
                    if backward {
                        if let Some(second) = &direction.second {
                            second.prepare(direction, pass, worker);
                        }
                        let tokens = matches!(pass.source, Source::Tokens { .. });
                        if whole && (index > 0 || tokens || pass.traced) {
                            let line = direction.input_line();
                            let panels: Vec<_> =
                                (0..direction.panels).map(|p| (p * direction.inputs * line, line)).collect();
                            let weights = pass.weights.add(direction.weight_ih);
                            transpose(weights, &panels, own.clone(), direction.inputs, direction.ih_transposed.at(0));
                        }
                        if let Some(lower) = &direction.lower {
                            lower.prepare(direction, pass.weights, own);
                        }
                    }
                }
            }
        }
    }

    /// Both biases as the sums' start: those of the input, plus those of the recurrent product where both feed a slot.
    unsafe fn pack_bias(&self, direction: &Direction<E>, pass: &Pass<E>, panels: std::ops::Range<usize>) {
        let layout = direction.layout;
        for panel in panels {
            for slot in 0..layout.slots {
                for lane in 0..LANES {
                    let mut sum = E::ZERO;
                    for &(feed, tensor) in &direction.biases {
                        if feed.has(slot) {
                            let place = (panel * feed.gates.len() + slot - feed.first) * LANES + lane;
                            sum = sum + unsafe { *pass.weights.add(tensor + place) };
                        }
                    }
                    unsafe { *direction.bias.at((panel * layout.slots + slot) * LANES + lane) = sum };
                }
            }
        }
    }

    /// Sums of the distinct tokens, instead of those of every row. Barriers must precede and follow.
    ///
    /// # Safety
    /// As the module says.
    pub unsafe fn token_tables(&self, pass: &Pass<E>, worker: &Worker) {
        let Source::Tokens { embedded, width, distinct, .. } = pass.source else {
            return;
        };
        if let Some(kernels) = &pass.pairs {
            return unsafe { self.token_tables_pairs(kernels, pass, worker) };
        }
        for direction in &self.layers[0].directions {
            for panel in worker.share(direction.panels) {
                unsafe {
                    let slot = direction.layout.input.first * LANES;
                    let product = Product {
                        rows: distinct,
                        columns: direction.layout.input.gates.len(),
                        left: Left::rows(embedded, width, width),
                        right: pass
                            .weights
                            .add(direction.weight_ih + panel * direction.inputs * direction.input_line()),
                        start: Start::Same(direction.bias.at(panel * direction.line() + slot)),
                        out: direction.table.at(panel * distinct * direction.line() + slot),
                        out_row: direction.line(),
                    };
                    dense(&self.kernels, RowBlocks { time: 1, batch: distinct, first: 0, count: distinct }, product);
                }
            }
        }
    }

    /// The forward pass of all layers for the worker's rows of the batch; no barrier inside unless workers share time.
    ///
    /// # Safety
    /// As the module says; `prepare` (and `token_tables`) must be done, initial states must be in place.
    pub unsafe fn forward(&self, pass: &Pass<E>, worker: &Worker) {
        let shared = self.shares_time(pass, worker);
        for index in 0..self.layers.len() {
            let part = self.part(index, pass, worker);
            unsafe {
                for (d, direction) in self.layers[index].directions.iter().enumerate() {
                    let tokens = index == 0 && matches!(pass.source, Source::Tokens { .. });
                    match &pass.pairs {
                        _ if tokens => {}
                        Some(kernels) if direction.pairs_input() => {
                            self.project_pairs(kernels, index, direction, pass, part.blocks, worker);
                        }
                        _ => self.project(index, direction, pass, part.blocks, 0..direction.panels),
                    }
                    if let (Some(lower), Some(below)) = (&direction.lower, self.source_below(index, d)) {
                        let input = self.layer_input(index, pass);
                        lower.inputs(&self.kernels, direction, below, pass, part.blocks, input);
                    }
                    if let Some(normalised) = &direction.normalised {
                        let tokens = match pass.source {
                            Source::Tokens { distinct, index, .. } if tokens => Some((distinct, index)),
                            _ => None,
                        };
                        normalised.inputs(&self.kernels, direction, pass, part.blocks, tokens);
                    }
                    match &direction.kernels {
                        CellKernels::Steps(_) if part.count == 0 => {}
                        CellKernels::Steps(_) => self.recur(direction, pass, part.blocks, tokens, worker),
                        CellKernels::Scan(scan) => self.scan(direction, scan, pass, worker, &part, tokens),
                    }
                }
                if self.copies_output(index, pass) {
                    self.copy_output(index, pass, &part);
                }
            }
            if shared {
                worker.barrier();
            }
        }
    }

    /// The direction of the layer below that direction d of layer `index` reads a state of.
    fn source_below(&self, index: usize, d: usize) -> Option<&Direction<E>> {
        self.layers[index].directions[d].lower.as_ref()?;
        let below = &self.layers[index.checked_sub(1)?].directions;
        Some(&below[source(below.len(), d)])
    }

    /// The directions of the layer above that read a state of direction d of layer `index`.
    fn readers_above(&self, index: usize, d: usize) -> impl Iterator<Item = (&LowerPart<E>, &Direction<E>)> {
        let below = self.layers[index].directions.len();
        let above = self.layers.get(index + 1).into_iter().flat_map(|layer| layer.directions.iter().enumerate());
        above.filter(move |(u, _)| source(below, *u) == d).filter_map(|(_, u)| Some((u.lower.as_ref()?, u)))
    }

    /// What layer `index` reads.
    pub(super) fn layer_input(&self, index: usize, pass: &Pass<E>) -> Strided<E> {
        match (index, pass.source) {
            (0, Source::Series(first)) => Strided { first, row: self.layers[0].directions[0].inputs },
            (0, Source::Tokens { embedded, width, .. }) => Strided { first: embedded, row: width },
            _ => self.output(index - 1, pass),
        }
    }

    /// Input sums of all time steps for some unit panels, into the gate tensor.
    pub(super) unsafe fn project(
        &self,
        index: usize,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        panels: std::ops::Range<usize>,
    ) {
        if unsafe { self.project_stored(index, direction, pass, blocks, panels.clone()) } {
            return;
        }
        let input = self.layer_input(index, pass);
        let slot = direction.layout.input.first * LANES;
        for panel in panels {
            unsafe {
                let product = Product {
                    rows: 0,
                    columns: direction.layout.input.gates.len(),
                    left: Left::rows(input.first, input.row, direction.inputs),
                    right: pass.weights.add(direction.weight_ih + panel * direction.inputs * direction.input_line()),
                    start: Start::Same(direction.bias.at(panel * direction.line() + slot)),
                    out: direction.gates.at(panel * pass.rows() * direction.line() + slot),
                    out_row: direction.line(),
                };
                dense(&self.kernels, blocks, product);
            }
        }
    }

    unsafe fn recur(&self, direction: &Direction<E>, pass: &Pass<E>, blocks: RowBlocks, tokens: bool, worker: &Worker) {
        for step in direction.steps(pass.time) {
            unsafe {
                let mut forward = self.forward_step(direction, pass, blocks, tokens, step);
                if let Some(kernels) = &pass.pairs {
                    self.pair_sums(kernels, direction, worker, &mut forward);
                } else if pass.stored {
                    self.stored_sums(direction, &mut forward);
                }
                self.step(direction, pass, step * pass.batch + blocks.first, forward);
                direction.mix_states(pass, blocks, step);
            }
        }
    }

    /// Runs a step whose first row is `row`, all its phases.
    ///
    /// # Safety
    /// As the kernel.
    unsafe fn step(&self, direction: &Direction<E>, pass: &Pass<E>, row: usize, forward: ForwardStep<E>) {
        unsafe {
            match (&direction.second, &direction.normalised) {
                (Some(second), _) => second.forward(&self.kernels, direction, pass, row, forward),
                (_, Some(normalised)) => normalised.forward(&self.kernels, direction, pass, row, forward),
                _ => (direction.kernels.steps().forward)(forward),
            }
        }
    }

    /// Runs a step back whose first row is `row`, all its phases; `sequence` is the first row of the batch.
    ///
    /// # Safety
    /// As the kernel.
    pub(super) unsafe fn step_back(
        &self,
        direction: &Direction<E>,
        pass: &Pass<E>,
        row: usize,
        sequence: usize,
        backward: BackwardStep<E>,
    ) {
        unsafe {
            match (&direction.second, &direction.normalised) {
                (Some(second), _) => second.backward(&self.kernels, direction, row, sequence, backward),
                (_, Some(normalised)) => normalised.backward(&self.kernels, direction, pass, row, backward),
                _ => (direction.kernels.steps().backward)(backward),
            }
        }
    }

    /// Step `step` of the recurrence for all units of some rows.
    pub(super) unsafe fn forward_step(
        &self,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        tokens: bool,
        step: usize,
    ) -> ForwardStep<E> {
        let (batch, width, line) = (pass.batch, direction.width, direction.line());
        let row = step * batch + blocks.first;
        let before = direction.block_before(step) * batch + blocks.first;
        let after = direction.block_after(step) * batch + blocks.first;
        let gates = direction.gates.at(row * line);
        let (start, start_panel, start_index) = match pass.source {
            Source::Tokens { index, distinct, .. } if tokens => {
                (direction.table.at(0), distinct * line, unsafe { index.add(row) })
            }
            _ => (gates, pass.rows() * line, std::ptr::null()),
        };
        let mut previous = [std::ptr::null(); MAX_STATES];
        let mut next = [std::ptr::null_mut(); MAX_STATES];
        for s in 0..direction.layout.states {
            let width = direction.state_width(s);
            previous[s] = direction.states[s].at(before * width).cast_const();
            next[s] = match &direction.zoneout {
                None => direction.states[s].at(after * width),
                Some(zoneout) => zoneout.proposed[s].at(row * width),
            };
        }
        let mut saved = [std::ptr::null_mut(); MAX_SAVED];
        for s in 0..direction.layout.saved {
            saved[s] = direction.saved[s].at(row * width);
        }
        let first_step = direction.steps(pass.time).next() == Some(step);
        ForwardStep {
            rows: blocks.count,
            first_panel: 0,
            end_panel: direction.panels,
            valid: pass.valid(step, blocks.first),
            start,
            start_panel,
            start_index,
            bias: direction.bias.at(0),
            gates,
            gates_panel: pass.rows() * line,
            left: previous[direction.layout.reads],
            left_width: direction.output_width,
            weights: direction.recurrent_weights(pass),
            multiply: !(first_step && direction.starts_at_zero),
            summed: false,
            previous,
            next,
            saved,
            vectors: unit_weights(direction, pass, step),
            width,
            normalisation: std::ptr::null(),
        }
    }

    /// Joins the directions, zeroes padded steps, applies norm, dropout and residual connection.
    pub(super) unsafe fn copy_output(&self, index: usize, pass: &Pass<E>, part: &Part) {
        let layer = &self.layers[index];
        let total = layer.output_width();
        let dropout = pass.dropout.filter(|_| layer.dropout > 0.0);
        for step in part.steps.clone() {
            for b in part.first..part.first + part.count {
                let row = step * pass.batch + b;
                let valid = pass.lengths.is_none_or(|lengths| step < lengths[b]);
                let mut offset = row * total;
                for direction in &layer.directions {
                    let h =
                        direction.states[0].at((direction.block_after(step) * pass.batch + b) * direction.output_width);
                    let out = layer.output.at(offset);
                    unsafe {
                        if !valid {
                            out.write_bytes(0, direction.output_width);
                        } else {
                            out.copy_from_nonoverlapping(h, direction.output_width);
                        }
                    }
                    offset += direction.output_width;
                }
                let out = layer.output.at(row * total);
                let between = layer.between.as_ref().filter(|_| valid);
                if let Some(between) = between {
                    unsafe { between.normalize(pass, row, out) };
                }
                let mut offset = row * total;
                for (d, direction) in layer.directions.iter().enumerate() {
                    let Some(update) = dropout else { break };
                    let (out, mask) = (layer.output.at(offset), layer.mask.at(offset));
                    let masks = Masks::new(Purpose::Dropout, (index * 2 + d) as u32, layer.dropout, update);
                    let time = if layer.variational { EVERY_STEP } else { step as u32 };
                    unsafe {
                        let mask = std::slice::from_raw_parts_mut(mask, direction.output_width);
                        masks.fill(&mut mask[..direction.output], kept(layer.dropout), [time, b as u32]);
                        mask[direction.output..].fill(E::ZERO);
                        for k in 0..direction.output {
                            *out.add(k) = *out.add(k) * mask[k];
                        }
                    }
                    offset += direction.output_width;
                }
                if let Some(between) = between {
                    unsafe { between.add_input(self.input_row(index, pass, row), out) };
                }
            }
        }
    }

    /// The backward pass of all layers for the worker's rows; no barrier inside unless workers share time. Leaves the
    /// derivatives of the sums in the gate tensors for `weight_gradients`.
    ///
    /// # Safety
    /// As the module says; `forward` must be done for these rows.
    pub unsafe fn backward(&self, pass: &Pass<E>, worker: &Worker) {
        let shared = self.shares_time(pass, worker);
        if shared {
            worker.barrier();
        }
        let last = self.layers.len() - 1;
        let mut entry: usize = self.layers.iter().map(|layer| layer.directions.len()).sum();
        for index in (0..self.layers.len()).rev() {
            let layer = &self.layers[index];
            let above = index < last || pass.output_gradient;
            let part = self.part(index, pass, worker);
            let blocks = part.blocks;
            if let Some(between) = layer.between.as_ref().filter(|_| above) {
                unsafe { between.backward(layer, pass, blocks) };
            }
            for (d, direction) in layer.directions.iter().enumerate().rev() {
                entry -= 1;
                unsafe {
                    self.start_carry(direction, pass, pass.blocks(worker), pass.final_gradients.get(entry));
                    match &direction.kernels {
                        CellKernels::Steps(_) if part.count == 0 => {}
                        CellKernels::Steps(_) => {
                            self.recur_back(index, d, pass, blocks, above, worker);
                            if pass.traced || direction.initial.is_learned() {
                                self.initial_gradient(direction, pass, blocks);
                            }
                        }
                        CellKernels::Scan(scan) => self.scan_back(index, d, scan, pass, worker, &part, above),
                    }
                }
            }
            unsafe {
                if index > 0 {
                    let below = &self.layers[index - 1];
                    let width = below.output_width();
                    self.input_gradient(index, pass, blocks, below.above.at(0), width, worker);
                    if let Some(between) = &layer.between {
                        between.add_input_gradient(layer, pass, blocks, below.above.at(0), width);
                    }
                    if pass.dropout.is_some() && below.dropout > 0.0 && below.between.is_none() {
                        for (row, rows) in blocks.stretches() {
                            for k in row * width..(row + rows) * width {
                                *below.above.at(k) = *below.above.at(k) * *below.mask.at(k);
                            }
                        }
                    }
                } else if pass.traced && matches!(pass.source, Source::Series(_)) {
                    let width = self.layers[0].directions[0].inputs.next_multiple_of(LANES);
                    self.input_gradient(0, pass, blocks, pass.input_gradient, width, worker);
                    if let Some(between) = &layer.between {
                        between.add_input_gradient(layer, pass, blocks, pass.input_gradient, width);
                    }
                }
            }
            if shared {
                worker.barrier();
            }
        }
    }

    unsafe fn start_carry(
        &self,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        given: Option<&[Option<Strided<E>>; MAX_STATES]>,
    ) {
        debug_assert!(blocks.first + blocks.count <= pass.batch);
        for s in 0..direction.layout.states {
            for b in blocks.first..blocks.first + blocks.count {
                let width = direction.state_width(s);
                let carry = direction.carry[s].at(b * width);
                unsafe {
                    match given.and_then(|states| states[s]) {
                        Some(from) => carry.copy_from_nonoverlapping(from.first.add(b * from.row), width),
                        None => carry.write_bytes(0, width),
                    }
                }
            }
        }
    }

    unsafe fn recur_back(
        &self,
        index: usize,
        d: usize,
        pass: &Pass<E>,
        blocks: RowBlocks,
        has_above: bool,
        worker: &Worker,
    ) {
        let layer = &self.layers[index];
        let direction = &layer.directions[d];
        let (batch, width, line) = (pass.batch, direction.width, direction.line());
        let total_width = layer.output_width();
        let from_above = layer.above_states();
        let mut following = std::ptr::null();
        // Place of the rows of `following` among the worker's own.
        let (mut own, own_rows) = (0, pass.time * blocks.count);
        for step in direction.steps(pass.time).rev() {
            let row = step * batch + blocks.first;
            let before = direction.block_before(step) * batch + blocks.first;
            let after = direction.block_after(step) * batch + blocks.first;
            let gates = direction.gates.at(row * line);
            let mut backward = BackwardStep {
                rows: blocks.count,
                panels: direction.panels,
                valid: pass.valid(step, blocks.first),
                following,
                following_panels: direction.panels,
                following_panel: pass.rows() * line,
                gates,
                gates_panel: pass.rows() * line,
                weights_transposed: direction.hh_transposed.at(0),
                above: if has_above {
                    from_above.at(row * total_width + d * direction.output_width).cast_const()
                } else {
                    std::ptr::null()
                },
                above_row: total_width,
                carry: [std::ptr::null_mut(); MAX_STATES],
                previous: [std::ptr::null(); MAX_STATES],
                state: [std::ptr::null(); MAX_STATES],
                saved: [std::ptr::null(); MAX_SAVED],
                vectors: unit_weights(direction, pass, step),
                total: [std::ptr::null_mut(); MAX_STATES],
                width,
                normalisation: std::ptr::null(),
            };
            for s in 0..direction.layout.states {
                let width = direction.state_width(s);
                backward.carry[s] = direction.carry[s].at(blocks.first * width);
                backward.previous[s] = direction.states[s].at(before * width);
                backward.state[s] = direction.states[s].at(after * width);
                if pass.traced {
                    backward.total[s] = direction.totals[s].at(row * width);
                }
            }
            for s in 0..direction.layout.saved {
                backward.saved[s] = direction.saved[s].at(row * width);
            }
            unsafe {
                for (lower, reader) in self.readers_above(index, d) {
                    lower.reach(reader, row, pass.rows(), blocks.count, backward.carry[C]);
                }
                if let Some(kernels) = &pass.pairs {
                    self.pair_reach(kernels, d, direction, (own, own_rows), worker, &mut backward);
                }
                match &direction.zoneout {
                    None => self.step_back(direction, pass, row, blocks.first, backward),
                    Some(_) => self.zoned_backward(direction, pass, blocks, step, backward),
                }
                if let Some(kernels) = &pass.pairs {
                    own = step * blocks.count;
                    self.round_gates(kernels, d, direction, pass, (row, blocks.count), (own, own_rows), worker);
                }
            }
            following = gates;
        }
    }

    /// Completes the derivative of the initial state that the recurrent product reads: the recurrent product of the first step's derivatives.
    unsafe fn initial_gradient(&self, direction: &Direction<E>, pass: &Pass<E>, blocks: RowBlocks) {
        let first_step = direction.steps(pass.time).next().expect("at least one step");
        let line = direction.line();
        let rows = RowBlocks { time: 1, ..blocks };
        for chunk in (0..direction.output_width).step_by(CHUNK_COLUMNS) {
            let columns = (direction.output_width - chunk).min(CHUNK_COLUMNS) / LANES;
            unsafe {
                let slot = direction.fed.first * LANES;
                let carry = direction.carry[direction.layout.reads].at(chunk);
                let product = Product {
                    rows: 0,
                    columns,
                    left: Left {
                        first: direction.gates.at(first_step * pass.batch * line + slot),
                        row: line,
                        run: direction.recurrent_line(),
                        runs: direction.panels,
                        next_run: pass.rows() * line,
                    },
                    right: direction.hh_transposed.at(chunk * direction.panels * direction.recurrent_line()),
                    start: Start::Rows(carry, direction.output_width),
                    out: carry,
                    out_row: direction.output_width,
                };
                dense(&self.kernels, rows, product);
            }
        }
    }

    /// dL/d(input) of layer `index` for some rows, summed over its directions.
    unsafe fn input_gradient(
        &self,
        index: usize,
        pass: &Pass<E>,
        blocks: RowBlocks,
        out: *mut E,
        out_row: usize,
        worker: &Worker,
    ) {
        for (d, direction) in self.layers[index].directions.iter().enumerate() {
            let line = direction.line();
            let slot = direction.layout.input.first * LANES;
            let left = Left {
                first: direction.gates.at(slot).cast_const(),
                row: line,
                run: direction.input_line(),
                runs: direction.panels,
                next_run: pass.rows() * line,
            };
            unsafe {
                match &pass.pairs {
                    Some(kernels) => {
                        self.input_gradient_pairs(kernels, d, direction, pass, blocks, worker, (out, out_row));
                    }
                    None => self.times_input_weights(direction, left, blocks, d > 0, out, out_row),
                }
                if let Some(lower) = &direction.lower {
                    lower.input_gradient(&self.kernels, direction, pass, blocks, (out, out_row));
                }
            }
        }
    }

    /// `out (+)= left · W_ih` column chunk by column chunk.
    unsafe fn times_input_weights(
        &self,
        direction: &Direction<E>,
        left: Left<E>,
        blocks: RowBlocks,
        add: bool,
        out: *mut E,
        out_row: usize,
    ) {
        let width = direction.inputs.next_multiple_of(LANES);
        for chunk in (0..width).step_by(CHUNK_COLUMNS) {
            unsafe {
                let out = out.add(chunk);
                let product = Product {
                    rows: 0,
                    columns: (width - chunk).min(CHUNK_COLUMNS) / LANES,
                    left,
                    right: direction.ih_transposed.at(chunk * direction.panels * direction.input_line()),
                    start: if add { Start::Rows(out, out_row) } else { Start::Zero },
                    out,
                    out_row,
                };
                dense(&self.kernels, blocks, product);
            }
        }
    }

    /// Gradients of all weights and biases for the worker's unit panels. Barriers must precede and follow.
    ///
    /// # Safety
    /// As the module says; `backward` must be done for all rows.
    pub unsafe fn weight_gradients(&self, pass: &Pass<E>, worker: &Worker) {
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(between) = &layer.between {
                unsafe { between.weight_gradients(layer, pass, worker) };
            }
            for (d, direction) in layer.directions.iter().enumerate() {
                unsafe { self.initial_state_gradients(direction, pass, worker) };
                if let Some(second) = &direction.second {
                    unsafe { second.weight_gradient(&self.kernels, direction, pass, worker, self.pack(worker)) };
                }
                let own = worker.share(direction.panels);
                if own.is_empty() {
                    continue;
                }
                unsafe {
                    match direction.kernels {
                        CellKernels::Steps(_) => {
                            let below = self.source_below(index, d);
                            self.recurrent_gradient(direction, below, pass, worker, own.clone());
                        }
                        CellKernels::Scan(_) => self.scan_bias_gradient(direction, pass, own.clone()),
                    }
                    if let Some(lower) = &direction.lower {
                        let input = self.layer_input(index, pass);
                        let pack = self.pack(worker);
                        lower.weight_gradient(&self.kernels, direction, pass, own.clone(), input, pack);
                    }
                    direction.drop_gradient(pass, own.clone());
                    match pass.source {
                        Source::Tokens { embedded, width, distinct, index: rows } if index == 0 => {
                            self.scatter_tables(direction, pass, distinct, rows, own.clone());
                            let input = Inputs { first: embedded, row: width, columns: direction.inputs };
                            let right = Strided {
                                first: direction.table_gradient.at(0).cast_const(),
                                row: direction.input_line(),
                            };
                            self.input_weight_gradient(direction, pass, worker, own, input, right, distinct);
                        }
                        _ => {
                            let from = self.layer_input(index, pass);
                            let input = Inputs { first: from.first, row: from.row, columns: direction.inputs };
                            let slot = direction.layout.input.first * LANES;
                            let right = Strided { first: direction.gates.at(slot).cast_const(), row: direction.line() };
                            self.input_weight_gradient(direction, pass, worker, own, input, right, pass.rows());
                        }
                    }
                }
            }
        }
    }

    /// Recurrent weights, biases and weights per unit.
    unsafe fn recurrent_gradient(
        &self,
        direction: &Direction<E>,
        below: Option<&Direction<E>>,
        pass: &Pass<E>,
        worker: &Worker,
        own: std::ops::Range<usize>,
    ) {
        let (line, width) = (direction.line(), direction.width);
        let (layout, fed, left_width) = (direction.layout, direction.fed, direction.output_width);
        // The state before step t of row b, as one matrix: block t (forward) or t + 1 (reverse).
        let before = direction.states[layout.reads].at(direction.block_before(0) * pass.batch * left_width);
        let inputs = Inputs { first: before.cast_const(), row: left_width, columns: left_width };
        let outers = self.outers(pass, worker, true);
        unsafe {
            outers.blocks(inputs, pass.rows(), fed.gates.len(), |row, outer| {
                for panel in own.clone() {
                    let derivatives = direction.gates.at((panel * pass.rows() + row) * line);
                    outers.run(Outer {
                        right: derivatives.add(fed.first * LANES),
                        right_row: line,
                        out: pass.gradients.add(direction.weight_hh + panel * left_width * direction.recurrent_line()),
                        ..outer
                    });
                    for slot in (0..layout.slots).step_by(MOST_COLUMNS) {
                        (self.kernels.outer)(Outer {
                            inputs: 1,
                            columns: (layout.slots - slot).min(MOST_COLUMNS),
                            packed: self.ones(),
                            right: derivatives.add(slot * LANES),
                            right_row: line,
                            out: direction.bias_gradient.at(panel * line + slot * LANES),
                            ..outer
                        });
                    }
                }
            });
            if let Some(normalised) = &direction.normalised {
                normalised.gradients(&self.kernels, direction, pass, own.clone());
            }
            for panel in own {
                let recurrent =
                    pass.gradients.add(direction.weight_hh + panel * left_width * direction.recurrent_line());
                for place in direction.absent(panel) {
                    *recurrent.add(place) = E::ZERO;
                }
                for (&offset, peephole) in direction.vectors.iter().zip(layout.vectors) {
                    let (of, state) = match below {
                        Some(below) if peephole.state == BELOW => (below, C),
                        _ => (direction, peephole.state),
                    };
                    let seen = if peephole.after { of.block_after(0) } else { of.block_before(0) };
                    let states = match &direction.zoneout {
                        // The cell looked at its own new state, before it was mixed.
                        Some(zoneout) if peephole.after && peephole.state != BELOW => zoneout.proposed[state].at(0),
                        _ => of.states[state].at(seen * pass.batch * width),
                    };
                    (self.kernels.pair_sum)(PairSum {
                        rows: pass.rows(),
                        left: direction.gates.at(panel * pass.rows() * line + peephole.slot * LANES),
                        left_row: line,
                        right: states.add(panel * LANES),
                        right_row: width,
                        out: pass.gradients.add(offset + panel * LANES),
                    });
                }
                for &(feed, tensor) in &direction.biases {
                    let from = direction.bias_gradient.at(panel * line + feed.first * LANES);
                    let numbers = feed.gates.len() * LANES;
                    pass.gradients.add(tensor + panel * numbers).copy_from_nonoverlapping(from, numbers);
                }
            }
        }
    }

    /// `out` = sums of `vectors` vectors over `rows` rows that are `row` apart, in ascending order.
    pub(super) unsafe fn column_sums(&self, first: *const E, rows: usize, vectors: usize, row: usize, out: *mut E) {
        for start in (0..rows).step_by(OUTER_BLOCK) {
            unsafe {
                (self.kernels.outer)(Outer {
                    inputs: 1,
                    columns: vectors,
                    rows: (rows - start).min(OUTER_BLOCK),
                    packed: self.ones(),
                    right: first.add(start * row),
                    right_row: row,
                    out,
                    out_row: vectors * LANES,
                    add: start > 0,
                });
            }
        }
    }

    /// Input weights; `right` is the derivative of the sums, panels `rows * right.row` apart.
    #[allow(clippy::too_many_arguments)]
    unsafe fn input_weight_gradient(
        &self,
        direction: &Direction<E>,
        pass: &Pass<E>,
        worker: &Worker,
        own: std::ops::Range<usize>,
        input: Inputs<E>,
        right: Strided<E>,
        rows: usize,
    ) {
        let fed = direction.layout.input;
        let line = direction.input_line();
        let outers = self.outers(pass, worker, direction.pairs_input());
        unsafe {
            outers.blocks(input, rows, fed.gates.len(), |row, outer| {
                for panel in own.clone() {
                    outers.run(Outer {
                        right: right.first.add((panel * rows + row) * right.row),
                        right_row: right.row,
                        out: pass.gradients.add(direction.weight_ih + panel * direction.inputs * line),
                        ..outer
                    });
                }
            });
        }
    }

    /// Derivatives of the distinct tokens' sums: those of their rows added up in the order of the rows.
    unsafe fn scatter_tables(
        &self,
        direction: &Direction<E>,
        pass: &Pass<E>,
        distinct: usize,
        index: *const u32,
        own: std::ops::Range<usize>,
    ) {
        let (line, input_line) = (direction.line(), direction.input_line());
        for panel in own {
            let to = direction.table_gradient.at(panel * distinct * input_line);
            unsafe {
                to.write_bytes(0, distinct * input_line);
                let slot = direction.layout.input.first * LANES;
                (self.kernels.scatter_rows)(ScatterRows {
                    from: direction.gates.at(panel * pass.rows() * line + slot),
                    from_row: line,
                    index,
                    rows: pass.rows(),
                    columns: direction.layout.input.gates.len(),
                    to,
                    to_row: input_line,
                });
            }
        }
    }

    /// dL/d(embedding) of the distinct tokens `own`, `[distinct][width]`. A barrier must precede.
    ///
    /// # Safety
    /// As the module says; `weight_gradients` must be done by all workers.
    pub unsafe fn embedding_gradient(&self, pass: &Pass<E>, worker: &Worker, out: *mut E) {
        let Source::Tokens { width, distinct, .. } = pass.source else {
            return;
        };
        let own = worker.share(distinct);
        let blocks = RowBlocks { time: 1, batch: distinct, first: own.start, count: own.len() };
        for (d, direction) in self.layers[0].directions.iter().enumerate() {
            let line = direction.input_line();
            let left = Left {
                first: direction.table_gradient.at(0).cast_const(),
                row: line,
                run: line,
                runs: direction.panels,
                next_run: distinct * line,
            };
            unsafe {
                match &pass.pairs {
                    Some(kernels) => {
                        self.embedding_gradient_pairs(kernels, d, direction, blocks, worker, (out, width));
                    }
                    None => self.times_input_weights(direction, left, blocks, d > 0, out, width),
                }
            }
        }
        if let Some(between) = &self.layers[0].between {
            unsafe { between.add_token_gradient(&self.layers[0], pass, worker, out) };
        }
    }
}

/// Where the weights of one number per unit of `direction` begin, and behind them its clock at a time step.
fn unit_weights<E: Element>(direction: &Direction<E>, pass: &Pass<E>, step: usize) -> [*const E; MAX_VECTORS] {
    let mut vectors = [std::ptr::null(); MAX_VECTORS];
    for (vector, &offset) in vectors.iter_mut().zip(&direction.vectors) {
        *vector = pass.weights.wrapping_add(offset);
    }
    if direction.layout.clocked {
        vectors[direction.vectors.len()] = direction.clock.at(step * direction.width);
    }
    vectors
}
