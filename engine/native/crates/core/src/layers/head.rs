//! The linear head: outputs = W h + b, at every step or at the last; with attention, of what that makes of the states.

use super::attention::{Attended, AttendedGradients, Attention};
use super::bfloat16::{PairDense, pack_panels, round_rows, transpose_pairs};
use super::dense::{Inputs, RowBlocks, dense};
use super::stack::{Layer, Pass, Stack, Strided};
use crate::buffer::Buffer;
use crate::cells::MAX_STATES;
use crate::element::Element;
use crate::kernels::bfloat16::{PairKernels, PairLeft, PairStart};
use crate::kernels::outer::Outer;
use crate::kernels::product::{Product, Start};
use crate::kernels::stored::{MOST_ROWS, StoredProduct, store_pairs};
use crate::kernels::tile::Left;
use crate::params::{CHUNK_COLUMNS, Inner, Packing, Parameters, padded, transpose};
use crate::pool::Worker;
use crate::simd::LANES;
use crate::spec::{HeadMode, HeadSpec};

/// N rows: T * B with `EveryStep`, B with `LastStep`.
pub struct Head<E: Element> {
    pub mode: HeadMode,
    pub outputs: usize,
    /// Padded number of outputs.
    pub width: usize,
    /// Padded columns of W.
    inner: usize,
    /// The same of what the stack gives; differs with attention.
    reads: usize,
    pub attention: Option<Attention<E>>,
    weight: usize,
    bias: usize,
    /// `[N][width]`: outputs, later dL/d(outputs).
    pub values: Buffer<E>,
    /// `[N][reads]`: final states, only with `LastStep`; derivatives of final states or queries.
    input: Buffer<E>,
    above: Buffer<E>,
    transposed: Buffer<E>,
    /// The weights in bfloat16, and those transposed, where products take them so.
    pairs: Buffer<u16>,
    pairs_transposed: Buffer<u16>,
}

impl<E: Element> Head<E> {
    /// `top`: what the stack gives.
    pub fn new(spec: HeadSpec, top: Inner, attention: Option<Attention<E>>, parameters: &mut Parameters) -> Self {
        let inner = attention.as_ref().map_or(top, Attention::output_inner);
        let mut add = |name: &str, packing| {
            let tensor = parameters.add(name.into(), packing);
            parameters.tensors[tensor].offset
        };
        let outputs = spec.output_size;
        let weight = add("head.weight", Packing::Columns { outputs, inner });
        let bias = add("head.bias", Packing::Vector { size: outputs });
        Head {
            mode: spec.mode,
            outputs,
            width: padded(outputs),
            inner: inner.padded(),
            reads: top.padded(),
            attention,
            weight,
            bias,
            values: Buffer::new(0),
            input: Buffer::new(0),
            above: Buffer::new(0),
            transposed: Buffer::new(0),
            pairs: Buffer::new(0),
            pairs_transposed: Buffer::new(0),
        }
    }

    /// Number of rows for a batch.
    pub fn rows(&self, time: usize, batch: usize) -> usize {
        match self.mode {
            HeadMode::EveryStep => time * batch,
            HeadMode::LastStep => batch,
        }
    }

    pub fn reserve(&mut self, time: usize, batch: usize, backward: bool, workers: usize) {
        self.values.reserve(self.rows(time, batch) * self.width);
        let rows = self.rows(time, batch);
        if self.mode == HeadMode::LastStep {
            self.input.reserve(batch * self.reads);
        }
        if self.mode == HeadMode::LastStep || (self.attention.is_some() && backward) {
            self.above.reserve(rows * self.reads);
        }
        if let Some(attention) = &mut self.attention {
            let shared = Attention::<E>::is_shared(batch, workers);
            attention.reserve(rows / batch, time, batch, backward, false, shared);
        }
        if backward {
            self.transposed.reserve(self.width * self.inner);
        }
    }

    /// Padded outputs, and columns of W.
    pub fn widths(&self) -> (usize, usize) {
        (self.width, self.inner)
    }

    /// Makes room for a training step with rounded operands.
    pub fn reserve_pairs(&mut self) {
        self.pairs.reserve(self.width * self.inner);
        self.pairs_transposed.reserve(self.width * self.inner);
    }

    /// Stores a copy of the weights, which are rounded already, for steps with few rows.
    pub fn store_pairs(&mut self, weights: &[E]) {
        self.pairs.reserve(self.width * self.inner);
        let chunks: Vec<_> = self.chunks().collect();
        let to = self.pairs.slice_mut(self.width * self.inner);
        for (first, columns) in chunks {
            let numbers = first * self.inner..(first + columns) * self.inner;
            store_pairs(&weights[self.weight..][numbers.clone()], columns, &mut to[numbers]);
        }
    }

    /// Rows of the head's values that belong to the worker.
    pub fn blocks(&self, stack: &Stack<E>, pass: &Pass<E>, worker: &Worker) -> RowBlocks {
        let shares = stack.shares_time(pass, worker) || self.shares_sequences(pass, worker);
        if self.mode == HeadMode::EveryStep && shares {
            let rows = pass.time * pass.batch;
            let own = worker.share(rows);
            return RowBlocks { time: 1, batch: rows, first: own.start, count: own.len() };
        }
        let own = worker.share(pass.batch);
        let time = if self.mode == HeadMode::EveryStep { pass.time } else { 1 };
        RowBlocks { time, batch: pass.batch, first: own.start, count: own.len() }
    }

    /// Whether workers divide every sequence of the batch for its attention, and with that the head's rows.
    fn shares_sequences(&self, pass: &Pass<E>, worker: &Worker) -> bool {
        self.attention.is_some() && Attention::<E>::is_shared(pass.batch, worker.count)
    }

    /// Column chunks as `(first output, outputs)`.
    fn chunks(&self) -> impl Iterator<Item = (usize, usize)> {
        let width = self.width;
        (0..width).step_by(CHUNK_COLUMNS).map(move |first| (first, (width - first).min(CHUNK_COLUMNS)))
    }

    /// Transposes the weights for the backward pass. A barrier must follow.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn prepare(&self, pass: &Pass<E>, worker: &Worker) {
        if let Some(attention) = &self.attention {
            unsafe { attention.prepare(pass.weights, worker) };
        }
        let panels: Vec<_> = self.chunks().map(|(first, columns)| (first * self.inner, columns)).collect();
        let own = worker.share(panels.len());
        if let Some(kernels) = &pass.pairs {
            let weights = pass.weights.wrapping_add(self.weight);
            unsafe {
                pack_panels(kernels, weights, &panels[own.clone()], self.inner, self.pairs.at(0));
                transpose_pairs(kernels, weights, &panels, own, self.inner, self.pairs_transposed.at(0));
            }
            return;
        }
        unsafe { transpose(pass.weights.add(self.weight), &panels, own, self.inner, self.transposed.at(0)) };
    }

    /// What the stack gives: the last layer's output, or the final states copied side by side.
    fn states(&self, stack: &Stack<E>, pass: &Pass<E>) -> Strided<E> {
        match self.mode {
            HeadMode::EveryStep => stack.output(stack.layers.len() - 1, pass),
            HeadMode::LastStep => Strided { first: self.input.at(0), row: self.reads },
        }
    }

    /// What W multiplies.
    fn input(&self, stack: &Stack<E>, pass: &Pass<E>) -> Strided<E> {
        match &self.attention {
            Some(attention) => Strided { first: attention.output.at(0), row: self.inner },
            None => self.states(stack, pass),
        }
    }

    /// The states are the queries, the last layer's outputs the keys. At every step only those before it are seen.
    fn attended<'p>(&self, stack: &Stack<E>, pass: &Pass<'p, E>, worker: &Worker) -> Attended<'p, E> {
        Attended {
            queries: self.states(stack, pass),
            keys: stack.output(stack.layers.len() - 1, pass),
            query_steps: self.rows(pass.time, pass.batch) / pass.batch,
            key_steps: pass.time,
            batch: pass.batch,
            lengths: pass.lengths,
            causal: self.mode == HeadMode::EveryStep,
            shared: self.shares_sequences(pass, worker),
        }
    }

    /// Outputs of the worker's rows.
    ///
    /// # Safety
    /// As in `layers`; the stack's `forward` must be done for these rows.
    pub unsafe fn forward(&self, stack: &Stack<E>, pass: &Pass<E>, worker: &Worker) {
        let blocks = self.blocks(stack, pass, worker);
        unsafe {
            self.read_states(stack, pass, blocks);
            if let Some(attention) = &self.attention {
                let of = self.attended(stack, pass, worker);
                attention.forward(&stack.kernels, pass.weights, &of, false, worker);
                if stack.shares_time(pass, worker) {
                    worker.barrier();
                }
            }
            if let Some(kernels) = &pass.pairs {
                return self.forward_pairs(kernels, stack, pass, blocks, worker);
            }
            for chunk in self.chunks() {
                self.multiply(stack, pass, blocks, chunk);
            }
        }
    }

    unsafe fn forward_pairs(
        &self,
        kernels: &PairKernels<E>,
        stack: &Stack<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        worker: &Worker,
    ) {
        let left = stack.pair_left(worker);
        unsafe {
            round_rows(kernels, blocks, self.input(stack, pass), self.inner, left);
            for (first, columns) in self.chunks() {
                PairDense {
                    left: PairLeft { first: left, row: self.inner, run: self.inner, runs: 1, next_run: 0 },
                    right: self.pairs.at(first * self.inner),
                    columns: columns / LANES,
                    start: PairStart::rows(pass.weights.add(self.bias + first), 0),
                    out: self.values.at(first),
                    out_row: self.width,
                }
                .run(kernels, blocks);
            }
        }
    }

    /// The worker's share of the outputs of all rows, for a batch with few of them.
    ///
    /// # Safety
    /// As in `layers`; all states must be there.
    pub unsafe fn forward_columns(&self, stack: &Stack<E>, pass: &Pass<E>, worker: &Worker) {
        let time = if self.mode == HeadMode::EveryStep { pass.time } else { 1 };
        let all = RowBlocks { time, batch: pass.batch, first: 0, count: pass.batch };
        let chunks: Vec<_> = self.chunks().collect();
        for &chunk in &chunks[worker.share(chunks.len())] {
            unsafe { self.multiply(stack, pass, all, chunk) };
        }
    }

    /// With `LastStep`, copies the final states of some rows side by side.
    ///
    /// # Safety
    /// As `forward`.
    pub(super) unsafe fn read_states(&self, stack: &Stack<E>, pass: &Pass<E>, blocks: RowBlocks) {
        if self.mode == HeadMode::EveryStep {
            return;
        }
        for b in blocks.first..blocks.first + blocks.count {
            let mut column = b * self.reads;
            let top = stack.layers.last().expect("at least one layer");
            for (d, direction) in top.directions.iter().enumerate() {
                let h = if top.between.is_some() {
                    top.output.at(last_output(top, d, pass, b))
                } else {
                    let block = direction.final_block(pass.time);
                    direction.states[0].at((block * pass.batch + b) * direction.output_width)
                };
                unsafe { self.input.at(column).copy_from_nonoverlapping(h, direction.output_width) };
                column += direction.output_width;
            }
        }
    }

    /// One column chunk `(first output, outputs)` of the outputs of some rows.
    unsafe fn multiply(&self, stack: &Stack<E>, pass: &Pass<E>, blocks: RowBlocks, chunk: (usize, usize)) {
        let (first, columns) = chunk;
        let input = self.input(stack, pass);
        if pass.stored && blocks.time * blocks.batch <= MOST_ROWS {
            let product = |row: usize, rows: usize| StoredProduct {
                rows,
                columns: columns / LANES,
                left: input.first.wrapping_add(row * input.row),
                left_row: input.row,
                inner: self.inner,
                right: self.pairs.at(first * self.inner),
                start: PairStart::rows(pass.weights.wrapping_add(self.bias + first), 0),
                out: self.values.at(row * self.width + first),
                out_row: self.width,
            };
            for (row, rows) in blocks.stretches() {
                unsafe { (stack.kernels.stored_product)(product(row, rows)) };
            }
            return;
        }
        unsafe {
            let product = Product {
                rows: 0,
                columns: columns / LANES,
                left: Left::rows(input.first, input.row, self.inner),
                right: pass.weights.add(self.weight + first * self.inner),
                start: Start::Same(pass.weights.add(self.bias + first)),
                out: self.values.at(first),
                out_row: self.width,
            };
            dense(&stack.kernels, blocks, product);
        }
    }

    /// Derivative of what the head reads, from dL/d(outputs) in `values`: into the last layer's `above`, or into this
    /// head's own rows, which `final_gradient` then names.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn backward(&self, stack: &Stack<E>, pass: &Pass<E>, worker: &Worker) {
        let blocks = self.blocks(stack, pass, worker);
        let left = stack.pair_left(worker);
        if let Some(kernels) = &pass.pairs {
            let values = Strided { first: self.values.at(0).cast_const(), row: self.width };
            unsafe { round_rows(kernels, blocks, values, self.width, left) };
        }
        let out = match (&self.attention, self.mode) {
            (Some(attention), _) => attention.output_gradient.at(0),
            (None, HeadMode::EveryStep) => stack.layers[stack.layers.len() - 1].above.at(0),
            (None, HeadMode::LastStep) => self.above.at(0),
        };
        for chunk in (0..self.inner).step_by(CHUNK_COLUMNS) {
            if let Some(kernels) = &pass.pairs {
                let product = PairDense {
                    left: PairLeft { first: left, row: self.width, run: self.width, runs: 1, next_run: 0 },
                    right: self.pairs_transposed.at(chunk * self.width),
                    columns: (self.inner - chunk).min(CHUNK_COLUMNS) / LANES,
                    start: PairStart::zero(),
                    out: unsafe { out.add(chunk) },
                    out_row: self.inner,
                };
                unsafe { product.run(kernels, blocks) };
                continue;
            }
            unsafe {
                let product = Product {
                    rows: 0,
                    columns: (self.inner - chunk).min(CHUNK_COLUMNS) / LANES,
                    left: Left::rows(self.values.at(0), self.width, self.width),
                    right: self.transposed.at(chunk * self.width),
                    start: Start::Zero,
                    out: out.add(chunk),
                    out_row: self.inner,
                };
                dense(&stack.kernels, blocks, product);
            }
        }
        if let Some(attention) = &self.attention {
            if stack.shares_time(pass, worker) {
                worker.barrier();
            }
            unsafe { self.attend_back(attention, stack, pass, worker) };
            return;
        }
        let top = &stack.layers[stack.layers.len() - 1];
        if self.mode == HeadMode::LastStep && top.between.is_some() {
            unsafe { self.spread(top, pass, blocks) };
        }
    }

    /// Derivatives of the last layer's outputs for the worker's sequences: as keys, and those that were queries.
    unsafe fn attend_back(&self, attention: &Attention<E>, stack: &Stack<E>, pass: &Pass<E>, worker: &Worker) {
        let top = &stack.layers[stack.layers.len() - 1];
        let to = AttendedGradients {
            queries: self.above.at(0),
            query_row: self.reads,
            keys: top.above.at(0),
            key_row: self.reads,
        };
        let of = self.attended(stack, pass, worker);
        unsafe { attention.backward(&stack.kernels, pass.weights, &of, to, worker) };
        if of.shared {
            worker.barrier();
        }
        for b in worker.share(pass.batch) {
            for step in 0..self.rows(pass.time, pass.batch) / pass.batch {
                let mut column = 0;
                for (d, direction) in top.directions.iter().enumerate() {
                    let from = (step * pass.batch + b) * self.reads + column;
                    let place = match self.mode {
                        HeadMode::EveryStep => from,
                        HeadMode::LastStep => last_output(top, d, pass, b),
                    };
                    for k in 0..direction.output_width {
                        let to = top.above.at(place + k);
                        unsafe { *to = *to + *self.above.at(from + k) };
                    }
                    column += direction.output_width;
                }
            }
        }
    }

    /// Puts the derivative of what the head read where it read it: into the layer's `above`, 0 elsewhere.
    unsafe fn spread(&self, top: &Layer<E>, pass: &Pass<E>, blocks: RowBlocks) {
        for b in blocks.first..blocks.first + blocks.count {
            for step in 0..pass.time {
                unsafe { top.above.at((step * pass.batch + b) * self.reads).write_bytes(0, self.reads) };
            }
            for (d, direction) in top.directions.iter().enumerate() {
                let from = self.above.at(b * self.reads + d * direction.output_width);
                let to = top.above.at(last_output(top, d, pass, b));
                unsafe { to.copy_from_nonoverlapping(from, direction.output_width) };
            }
        }
    }

    /// True when dL/d(output) of the last layer is in its `above`: the head or attention reads every step, or the head
    /// reads past the final states.
    pub fn reads_outputs(&self, stack: &Stack<E>) -> bool {
        let between = stack.layers.last().is_some_and(|layer| layer.between.is_some());
        self.mode == HeadMode::EveryStep || self.attention.is_some() || between
    }

    /// With `LastStep`, where each direction of the last layer finds the derivative of its final h.
    pub fn final_gradients(&self, stack: &Stack<E>) -> Vec<[Option<Strided<E>>; MAX_STATES]> {
        let mut entries = Vec::new();
        if self.reads_outputs(stack) {
            return entries;
        }
        for (index, layer) in stack.layers.iter().enumerate() {
            let mut column = 0;
            for direction in &layer.directions {
                let mut states = [None; MAX_STATES];
                if index + 1 == stack.layers.len() {
                    states[0] = Some(Strided { first: self.above.at(column).cast_const(), row: self.reads });
                    column += direction.output_width;
                }
                entries.push(states);
            }
        }
        entries
    }

    /// Gradients of the worker's share of the weights. Barriers must precede and follow.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn weight_gradients(&self, stack: &Stack<E>, pass: &Pass<E>, worker: &Worker) {
        if let Some(attention) = &self.attention {
            let (of, pack) = (self.attended(stack, pass, worker), stack.pack(worker));
            unsafe { attention.weight_gradients(&stack.kernels, pass.gradients, &of, pack, worker) };
        }
        let input = self.input(stack, pass);
        let rows = self.rows(pass.time, pass.batch);
        let inputs = Inputs { first: input.first, row: input.row, columns: self.inner };
        let chunks: Vec<_> = self.chunks().collect();
        let own = &chunks[worker.share(chunks.len())];
        let outers = stack.outers(pass, worker, true);
        // Full chunks and the narrow last one are packed for different tiles.
        for vectors in 1..=CHUNK_COLUMNS / LANES {
            if !own.iter().any(|chunk| chunk.1 / LANES == vectors) {
                continue;
            }
            unsafe {
                outers.blocks(inputs, rows, vectors, |row, outer| {
                    for &(first, columns) in own.iter().filter(|chunk| chunk.1 / LANES == vectors) {
                        let right = self.values.at(row * self.width + first).cast_const();
                        outers.run(Outer {
                            right,
                            right_row: self.width,
                            out: pass.gradients.add(self.weight + first * self.inner),
                            out_row: columns,
                            ..outer
                        });
                        (stack.kernels.outer)(Outer {
                            inputs: 1,
                            packed: stack.ones(),
                            right,
                            right_row: self.width,
                            out: pass.gradients.add(self.bias + first),
                            out_row: columns,
                            ..outer
                        });
                    }
                });
            }
        }
    }
}

/// Where the last output of direction `d` of sequence `b` begins in the layer's `output`: at the last valid step, of
/// the reverse direction at the first.
fn last_output<E: Element>(layer: &Layer<E>, d: usize, pass: &Pass<E>, b: usize) -> usize {
    let direction = &layer.directions[d];
    let last = pass.lengths.map_or(pass.time, |lengths| lengths[b]) - 1;
    let step = if direction.reverse { 0 } else { last };
    (step * pass.batch + b) * layer.output_width() + d * direction.output_width
}
