//! All recurrent layers of a model and a pass over them.

use super::dense::{Inputs, RowBlocks, dense, outer_blocks};
use super::direction::Direction;
use super::scan::Part;
use crate::buffer::Buffer;
use crate::cells::{CellKernels, MAX_SAVED, MAX_STATES, MAX_VECTORS, StepKernels, choose_cell};
use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::Kernels;
use crate::kernels::elementwise::{PairSum, ScatterRows};
use crate::kernels::outer::{OUTER_BLOCK, Outer};
use crate::kernels::product::{Product, Start};
use crate::kernels::recurrent::{BackwardStep, ForwardStep, Valid};
use crate::kernels::tile::Left;
use crate::params::{CHUNK_COLUMNS, Inner, Parameters, transpose};
use crate::pool::Worker;
use crate::rng::{Purpose, Rng};
use crate::simd::LANES;
use crate::spec::LayerSpec;

/// One recurrent layer with its one or two directions.
pub struct Layer<E: Element> {
    pub directions: Vec<Direction<E>>,
    pub dropout: f32,
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
        self.directions.iter().map(|direction| direction.width).sum()
    }

    /// What the layer above reads: its columns come in one part per direction.
    pub fn output_inner(&self) -> Inner {
        Inner::panels(self.directions[0].hidden, self.directions.len())
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
}

unsafe impl<E> Sync for Pass<'_, E> {}

impl<E> Pass<'_, E> {
    fn rows(&self) -> usize {
        self.time * self.batch
    }

    pub(super) fn blocks(&self, worker: &Worker) -> RowBlocks {
        let own = worker.share(self.batch);
        RowBlocks { time: self.time, batch: self.batch, first: own.start, count: own.len() }
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
    /// One per worker: packed inputs of a block for weight gradients.
    packs: Vec<Buffer<E>>,
    /// A block of ones, the "input" of biases.
    ones: Buffer<E>,
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
            let chosen = choose_cell(&spec.cell, &spec.options, spec.hidden_size)
                .map_err(|error| EngineError { location: error.location.as_deref().map(&field), ..error })?;
            let input = layers.last().map_or(input, Layer::output_inner);
            let directions = (0..spec.directions())
                .map(|d| Direction::new(spec, &chosen, index, d == 1, input, parameters, kernels.kind))
                .collect();
            let last = index + 1 == specs.len();
            layers.push(Layer {
                directions,
                dropout: if last { 0.0 } else { spec.dropout },
                output: Buffer::new(0),
                mask: Buffer::new(0),
                above: Buffer::new(0),
            });
        }
        let mut ones = Buffer::new(OUTER_BLOCK);
        ones.slice_mut(OUTER_BLOCK).fill(E::ONE);
        Ok(Stack { layers, kernels, packs: (0..threads).map(|_| Buffer::new(0)).collect(), ones })
    }

    /// Makes room for a batch. `distinct`: number of distinct tokens, 0 for a series.
    pub fn reserve(&mut self, time: usize, batch: usize, distinct: usize, dropout: bool, backward: bool, traced: bool) {
        let rows = time * batch;
        let mut widest = 0;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let width = layer.output_width();
            layer.output.reserve(rows * width);
            if dropout && layer.dropout > 0.0 {
                layer.mask.reserve(rows * width);
            }
            if backward {
                layer.above.reserve(rows * width);
            }
            for direction in &mut layer.directions {
                direction.reserve(time, batch, traced);
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
    fn copies_output(&self, layer: usize, pass: &Pass<E>) -> bool {
        let layer = &self.layers[layer];
        layer.directions.len() > 1 || pass.lengths.is_some() || (pass.dropout.is_some() && layer.dropout > 0.0)
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

    /// Packs biases, and for a backward pass the transposed weights. A barrier must follow.
    ///
    /// # Safety
    /// As the module says; `pass.weights` must cover all tensors.
    pub unsafe fn prepare(&self, pass: &Pass<E>, worker: &Worker, backward: bool) {
        for (index, layer) in self.layers.iter().enumerate() {
            for direction in &layer.directions {
                let own = worker.share(direction.panels);
                unsafe {
                    self.pack_bias(direction, pass, own.clone());
                    if backward {
                        let line = direction.recurrent_line();
                        let panels: Vec<_> =
                            (0..direction.panels).map(|p| (p * direction.width * line, line)).collect();
                        let weights = pass.weights.add(direction.weight_hh);
                        transpose(weights, &panels, own.clone(), direction.width, direction.hh_transposed.at(0));
                        let tokens = matches!(pass.source, Source::Tokens { .. });
                        if index > 0 || tokens || pass.traced {
                            let line = direction.input_line();
                            let panels: Vec<_> =
                                (0..direction.panels).map(|p| (p * direction.inputs * line, line)).collect();
                            let weights = pass.weights.add(direction.weight_ih);
                            transpose(weights, &panels, own, direction.inputs, direction.ih_transposed.at(0));
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
                    for (feed, tensor) in direction.biases() {
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
                for direction in &self.layers[index].directions {
                    let tokens = index == 0 && matches!(pass.source, Source::Tokens { .. });
                    if !tokens {
                        self.project(index, direction, pass, part.blocks);
                    }
                    match &direction.kernels {
                        CellKernels::Steps(_) if part.count == 0 => {}
                        CellKernels::Steps(steps) => self.recur(direction, steps, pass, part.blocks, tokens),
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

    /// What layer `index` reads.
    fn layer_input(&self, index: usize, pass: &Pass<E>) -> Strided<E> {
        match (index, pass.source) {
            (0, Source::Series(first)) => Strided { first, row: self.layers[0].directions[0].inputs },
            (0, Source::Tokens { embedded, width, .. }) => Strided { first: embedded, row: width },
            _ => self.output(index - 1, pass),
        }
    }

    /// Input sums of all time steps, into the gate tensor.
    unsafe fn project(&self, index: usize, direction: &Direction<E>, pass: &Pass<E>, blocks: RowBlocks) {
        let input = self.layer_input(index, pass);
        let slot = direction.layout.input.first * LANES;
        for panel in 0..direction.panels {
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

    unsafe fn recur(
        &self,
        direction: &Direction<E>,
        kernels: &StepKernels<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        tokens: bool,
    ) {
        let (batch, width, line) = (pass.batch, direction.width, direction.line());
        for (order, step) in direction.steps(pass.time).enumerate() {
            let row = step * batch + blocks.first;
            let before = (direction.block_before(step) * batch + blocks.first) * width;
            let after = (direction.block_after(step) * batch + blocks.first) * width;
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
                previous[s] = direction.states[s].at(before).cast_const();
                next[s] = direction.states[s].at(after);
            }
            let mut saved = [std::ptr::null_mut(); MAX_SAVED];
            for s in 0..direction.layout.saved {
                saved[s] = direction.saved[s].at(row * width);
            }
            unsafe {
                (kernels.forward)(ForwardStep {
                    rows: blocks.count,
                    panels: direction.panels,
                    valid: pass.valid(step, blocks.first),
                    start,
                    start_panel,
                    start_index,
                    bias: direction.bias.at(0),
                    gates,
                    gates_panel: pass.rows() * line,
                    weights: pass.weights.add(direction.weight_hh),
                    multiply: !(order == 0 && direction.starts_at_zero),
                    previous,
                    next,
                    saved,
                    vectors: unit_weights(direction, pass, step),
                    width,
                });
            }
        }
    }

    /// Joins the directions, zeroes padded steps, applies dropout.
    unsafe fn copy_output(&self, index: usize, pass: &Pass<E>, part: &Part) {
        let layer = &self.layers[index];
        let total = layer.output_width();
        let dropout = pass.dropout.filter(|_| layer.dropout > 0.0);
        for step in part.steps.clone() {
            for b in part.first..part.first + part.count {
                let row = step * pass.batch + b;
                let valid = pass.lengths.is_none_or(|lengths| step < lengths[b]);
                let mut offset = row * total;
                for (d, direction) in layer.directions.iter().enumerate() {
                    let h = direction.states[0].at((direction.block_after(step) * pass.batch + b) * direction.width);
                    let out = layer.output.at(offset);
                    unsafe {
                        if !valid {
                            out.write_bytes(0, direction.width);
                        } else {
                            out.copy_from_nonoverlapping(h, direction.width);
                        }
                        if let Some((seed, at_step)) = dropout {
                            let mask = layer.mask.at(offset);
                            fill_mask(
                                std::slice::from_raw_parts_mut(mask, direction.width),
                                direction.hidden,
                                layer.dropout,
                                seed,
                                at_step,
                                [(index * 2 + d) as u32, step as u32, b as u32],
                            );
                            for k in 0..direction.hidden {
                                *out.add(k) = *out.add(k) * *mask.add(k);
                            }
                        }
                    }
                    offset += direction.width;
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
            let above = index < last || pass.output_gradient;
            let part = self.part(index, pass, worker);
            let blocks = part.blocks;
            for (d, direction) in self.layers[index].directions.iter().enumerate().rev() {
                entry -= 1;
                unsafe {
                    self.start_carry(direction, pass, pass.blocks(worker), pass.final_gradients.get(entry));
                    match &direction.kernels {
                        CellKernels::Steps(_) if part.count == 0 => {}
                        CellKernels::Steps(steps) => {
                            self.recur_back(index, d, steps, pass, blocks, above);
                            if pass.traced {
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
                    self.input_gradient(index, pass, blocks, below.above.at(0), width);
                    if pass.dropout.is_some() && below.dropout > 0.0 {
                        for (row, rows) in blocks.stretches() {
                            for k in row * width..(row + rows) * width {
                                *below.above.at(k) = *below.above.at(k) * *below.mask.at(k);
                            }
                        }
                    }
                } else if pass.traced && matches!(pass.source, Source::Series(_)) {
                    let width = self.layers[0].directions[0].inputs.next_multiple_of(LANES);
                    self.input_gradient(0, pass, blocks, pass.input_gradient, width);
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
                let carry = direction.carry[s].at(b * direction.width);
                unsafe {
                    match given.and_then(|states| states[s]) {
                        Some(from) => carry.copy_from_nonoverlapping(from.first.add(b * from.row), direction.width),
                        None => carry.write_bytes(0, direction.width),
                    }
                }
            }
        }
    }

    unsafe fn recur_back(
        &self,
        index: usize,
        d: usize,
        kernels: &StepKernels<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        has_above: bool,
    ) {
        let layer = &self.layers[index];
        let direction = &layer.directions[d];
        let (batch, width, line) = (pass.batch, direction.width, direction.line());
        let total_width = layer.output_width();
        let mut following = std::ptr::null();
        for step in direction.steps(pass.time).rev() {
            let row = step * batch + blocks.first;
            let before = (direction.block_before(step) * batch + blocks.first) * width;
            let after = (direction.block_after(step) * batch + blocks.first) * width;
            let gates = direction.gates.at(row * line);
            let mut backward = BackwardStep {
                rows: blocks.count,
                panels: direction.panels,
                valid: pass.valid(step, blocks.first),
                following,
                gates,
                gates_panel: pass.rows() * line,
                weights_transposed: direction.hh_transposed.at(0),
                above: if has_above {
                    layer.above.at(row * total_width + d * width).cast_const()
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
            };
            for s in 0..direction.layout.states {
                backward.carry[s] = direction.carry[s].at(blocks.first * width);
                backward.previous[s] = direction.states[s].at(before);
                backward.state[s] = direction.states[s].at(after);
                if pass.traced {
                    backward.total[s] = direction.totals[s].at(row * width);
                }
            }
            for s in 0..direction.layout.saved {
                backward.saved[s] = direction.saved[s].at(row * width);
            }
            unsafe { (kernels.backward)(backward) };
            following = gates;
        }
    }

    /// Completes the derivative of the initial state that the recurrent product reads: the recurrent product of the first step's derivatives.
    unsafe fn initial_gradient(&self, direction: &Direction<E>, pass: &Pass<E>, blocks: RowBlocks) {
        let first_step = direction.steps(pass.time).next().expect("at least one step");
        let line = direction.line();
        let rows = RowBlocks { time: 1, ..blocks };
        for chunk in (0..direction.width).step_by(CHUNK_COLUMNS) {
            let columns = (direction.width - chunk).min(CHUNK_COLUMNS) / LANES;
            unsafe {
                let slot = direction.layout.recurrent.first * LANES;
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
                    start: Start::Rows(carry, direction.width),
                    out: carry,
                    out_row: direction.width,
                };
                dense(&self.kernels, rows, product);
            }
        }
    }

    /// dL/d(input) of layer `index` for some rows, summed over its directions.
    unsafe fn input_gradient(&self, index: usize, pass: &Pass<E>, blocks: RowBlocks, out: *mut E, out_row: usize) {
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
            unsafe { self.times_input_weights(direction, left, blocks, d > 0, out, out_row) };
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
            for direction in &layer.directions {
                let own = worker.share(direction.panels);
                if own.is_empty() {
                    continue;
                }
                unsafe {
                    match direction.kernels {
                        CellKernels::Steps(_) => self.recurrent_gradient(direction, pass, worker, own.clone()),
                        CellKernels::Scan(_) => self.scan_bias_gradient(direction, pass, own.clone()),
                    }
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
        pass: &Pass<E>,
        worker: &Worker,
        own: std::ops::Range<usize>,
    ) {
        let (line, width) = (direction.line(), direction.width);
        let layout = direction.layout;
        let fed = layout.recurrent;
        // The state before step t of row b, as one matrix: block t (forward) or t + 1 (reverse).
        let before = direction.states[layout.reads].at(direction.block_before(0) * pass.batch * width);
        let inputs = Inputs { first: before.cast_const(), row: width, columns: width };
        unsafe {
            outer_blocks(&self.kernels, inputs, pass.rows(), fed.gates.len(), self.pack(worker), |row, outer| {
                for panel in own.clone() {
                    let derivatives = direction.gates.at((panel * pass.rows() + row) * line);
                    (self.kernels.outer)(Outer {
                        right: derivatives.add(fed.first * LANES),
                        right_row: line,
                        out: pass.gradients.add(direction.weight_hh + panel * width * direction.recurrent_line()),
                        ..outer
                    });
                    (self.kernels.outer)(Outer {
                        inputs: 1,
                        columns: layout.slots,
                        packed: self.ones(),
                        right: derivatives,
                        right_row: line,
                        out: direction.bias_gradient.at(panel * line),
                        ..outer
                    });
                }
            });
            for panel in own {
                let recurrent = pass.gradients.add(direction.weight_hh + panel * width * direction.recurrent_line());
                for place in direction.absent(panel) {
                    *recurrent.add(place) = E::ZERO;
                }
                for (&offset, peephole) in direction.vectors.iter().zip(layout.vectors) {
                    let seen = if peephole.after { direction.block_after(0) } else { direction.block_before(0) };
                    (self.kernels.pair_sum)(PairSum {
                        rows: pass.rows(),
                        left: direction.gates.at(panel * pass.rows() * line + peephole.slot * LANES),
                        left_row: line,
                        right: direction.states[peephole.state].at(seen * pass.batch * width + panel * LANES),
                        right_row: width,
                        out: pass.gradients.add(offset + panel * LANES),
                    });
                }
                for (feed, tensor) in direction.biases() {
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
        unsafe {
            outer_blocks(&self.kernels, input, rows, fed.gates.len(), self.pack(worker), |row, outer| {
                for panel in own.clone() {
                    (self.kernels.outer)(Outer {
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
            unsafe { self.times_input_weights(direction, left, blocks, d > 0, out, width) };
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

/// Factors of inverted dropout for the units of one output row: 0 with probability `share`, else 1 / (1 - share).
/// `place` is direction, time step and row of the batch.
fn fill_mask<E: Element>(mask: &mut [E], hidden: usize, share: f32, seed: u64, step: u64, place: [u32; 3]) {
    let rng = Rng::new(seed, Purpose::Dropout, place[0] ^ ((step >> 32) as u32).rotate_left(16));
    let kept = E::from_f64(1.0 / (1.0 - share as f64));
    let limit = (share as f64 * 4_294_967_296.0) as u32;
    for first in (0..hidden).step_by(4) {
        let draws = rng.block([first as u32 / 4, place[2], place[1], step as u32]);
        for (k, draw) in draws.into_iter().enumerate().take(hidden - first) {
            mask[first + k] = if draw < limit { E::ZERO } else { kept };
        }
    }
    mask[hidden..].fill(E::ZERO);
}
