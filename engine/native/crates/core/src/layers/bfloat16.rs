//! Operands in bfloat16: the copies of weights that a pass multiplies with, what its workers round as they go, and the
//! stack's products made with them. Everything that is not an operand of a product stays as it is.
//!
//! Two uses share the copies. A training may round both operands of its products (`PairKernels`, sums in float32); and
//! a model that only runs may store its weights so (`kernels::stored`), its inputs being float32.

use super::dense::{Inputs, RowBlocks, outer_blocks};
use super::direction::Direction;
use super::stack::{Pass, Source, Stack, Strided};
use crate::buffer::Buffer;
use crate::cells::CellKernels;
use crate::element::Element;
use crate::kernels::Kernels;
use crate::kernels::bfloat16::{
    MOST_VECTORS, PAIR_BLOCK, PackPairs, PairKernels, PairLeft, PairOuter, PairProduct, PairStart, Round,
    TransposePairs,
};
use crate::kernels::outer::Outer;
use crate::kernels::recurrent::{BackwardStep, ForwardStep};
use crate::kernels::stored::{MOST_ROWS, StoredProduct, store_pairs};
use crate::params::CHUNK_COLUMNS;
use crate::pool::Worker;
use crate::simd::LANES;

/// Rows that a block of a weight gradient sums over.
pub const PAIR_ROWS: usize = 2 * PAIR_BLOCK;

/// Inner size of one piece of a product: 256 rows of 64 columns are 32 KB.
const INNER_BLOCK: usize = 256;

/// A direction's weights as right operands, panel by panel in the order of the flat array; empty where not in use.
pub struct PairWeights {
    pub hh: Buffer<u16>,
    pub ih: Buffer<u16>,
    pub hh_transposed: Buffer<u16>,
    pub ih_transposed: Buffer<u16>,
}

impl PairWeights {
    pub fn new() -> Self {
        let empty = || Buffer::new(0);
        PairWeights { hh: empty(), ih: empty(), hh_transposed: empty(), ih_transposed: empty() }
    }
}

/// What a worker rounds as it goes.
pub struct PairScratch {
    /// `[rows][columns]`: a left operand of its own rows.
    left: Buffer<u16>,
    /// `[P][own rows][S * 16]`: the derivatives of a layer's sums, for each direction.
    gates: [Buffer<u16>; 2],
    /// A block of a weight gradient's two operands.
    packed: Buffer<u16>,
    right: Buffer<u16>,
}

impl PairScratch {
    pub fn new() -> Self {
        let empty = || Buffer::new(0);
        PairScratch { left: empty(), gates: [empty(), empty()], packed: empty(), right: empty() }
    }
}

/// A product over many rows; the left operand holds the worker's own rows, everything else all of them.
pub struct PairDense<E> {
    pub left: PairLeft,
    pub right: *const u16,
    /// Vectors of 16 columns.
    pub columns: usize,
    /// Rows as they are, without an index.
    pub start: PairStart<E>,
    pub out: *mut E,
    pub out_row: usize,
}

impl<E: Element> PairDense<E> {
    /// # Safety
    /// As `dense`.
    pub unsafe fn run(self, kernels: &PairKernels<E>, blocks: RowBlocks) {
        let whole = self.left;
        let mut done = 0;
        while done < whole.run * whole.runs {
            let piece = if whole.runs > 1 {
                let run = done / whole.run;
                let runs = (INNER_BLOCK / whole.run).max(1).min(whole.runs - run);
                PairLeft { first: whole.first.wrapping_add(run * whole.next_run), runs, ..whole }
            } else {
                let run = (whole.run - done).min(INNER_BLOCK);
                PairLeft { first: whole.first.wrapping_add(done), run, ..whole }
            };
            let mut own = 0;
            for (row, rows) in blocks.stretches() {
                unsafe {
                    let out = self.out.add(row * self.out_row);
                    let start = if done > 0 {
                        PairStart::rows(out.cast_const(), self.out_row)
                    } else {
                        let first = |v: usize| self.start.first[v].wrapping_add(row * self.start.row[v]);
                        PairStart { first: std::array::from_fn(first), ..self.start }
                    };
                    (kernels.product)(PairProduct {
                        rows,
                        columns: self.columns,
                        left: PairLeft { first: piece.first.add(own * piece.row), ..piece },
                        right: self.right.add(done * self.columns * LANES),
                        start,
                        out,
                        out_row: self.out_row,
                    });
                }
                own += rows;
            }
            done += piece.run * piece.runs;
        }
    }
}

/// Rounds the rows of `blocks` of a row-major matrix with `columns` columns, a multiple of 16.
///
/// # Safety
/// The matrix must cover the rows, and `to` have room for them.
pub unsafe fn round_rows<E: Element>(
    kernels: &PairKernels<E>,
    blocks: RowBlocks,
    from: Strided<E>,
    columns: usize,
    to: *mut u16,
) {
    let mut own = 0;
    for (row, rows) in blocks.stretches() {
        // Rows without a gap are one stretch of numbers.
        let (times, count) = if from.row == columns { (1, rows * columns) } else { (rows, columns) };
        for i in 0..times {
            unsafe {
                let from = from.first.add((row + i) * from.row);
                (kernels.round)(Round { from, to: to.add((own + i) * columns), count });
            }
        }
        own += rows;
    }
}

/// Packs the panels of a matrix, each `[inner][line]`, as right operands to the same places.
///
/// # Safety
/// `weights` and `to` must cover the panels; each belongs to one worker.
pub unsafe fn pack_panels<E: Element>(
    kernels: &PairKernels<E>,
    weights: *const E,
    panels: &[(usize, usize)],
    inner: usize,
    to: *mut u16,
) {
    for &(first, line) in panels {
        unsafe {
            (kernels.pack)(PackPairs {
                from: weights.add(first),
                row: line,
                rows: inner,
                columns: line,
                to: to.add(first),
                to_pair: 2 * line,
                to_vector: 2 * LANES,
            });
        }
    }
}

/// As `params::transpose`, into pairs of lines.
///
/// # Safety
/// As there.
pub unsafe fn transpose_pairs<E: Element>(
    kernels: &PairKernels<E>,
    weights: *const E,
    panels: &[(usize, usize)],
    range: std::ops::Range<usize>,
    inner: usize,
    out: *mut u16,
) {
    let lines: usize = panels.iter().map(|panel| panel.1).sum();
    let inner_padded = inner.next_multiple_of(LANES);
    for chunk in (0..inner_padded).step_by(CHUNK_COLUMNS) {
        let width = (inner_padded - chunk).min(CHUNK_COLUMNS);
        let mut first_line = panels[..range.start].iter().map(|panel| panel.1).sum::<usize>();
        for &(offset, line) in &panels[range.clone()] {
            for block in (0..width).step_by(LANES) {
                let k = chunk + block;
                unsafe {
                    (kernels.transpose)(TransposePairs {
                        from: weights.add(offset + k * line),
                        row: line,
                        known: inner.saturating_sub(k).min(LANES),
                        columns: line,
                        to: out.add(chunk * lines + first_line * width + 2 * block),
                        to_pair: 2 * width,
                    });
                }
            }
            first_line += line;
        }
    }
}

/// Weight gradients block by block, with operands as the pass takes them.
pub struct Outers<'a, E: Element> {
    kernels: &'a Kernels<E>,
    pairs: Option<(PairKernels<E>, &'a PairScratch)>,
    pack: *mut E,
}

impl<E: Element> Outers<'_, E> {
    /// As `outer_blocks`; `run` makes the products of a block.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn blocks(
        &self,
        inputs: Inputs<E>,
        rows: usize,
        vectors: usize,
        mut each_block: impl FnMut(usize, Outer<E>),
    ) {
        let Some((kernels, scratch)) = &self.pairs else {
            return unsafe { outer_blocks(self.kernels, inputs, rows, vectors, self.pack, each_block) };
        };
        for first in (0..rows).step_by(PAIR_ROWS) {
            let block = (rows - first).min(PAIR_ROWS);
            unsafe {
                (kernels.pack)(PackPairs {
                    from: inputs.first.add(first * inputs.row),
                    row: inputs.row,
                    rows: block,
                    columns: inputs.columns,
                    to: scratch.packed.at(0),
                    to_pair: 2 * LANES,
                    to_vector: block.div_ceil(2) * 2 * LANES,
                });
            }
            each_block(
                first,
                Outer {
                    inputs: inputs.columns,
                    columns: vectors,
                    rows: block,
                    packed: std::ptr::null(),
                    right: std::ptr::null(),
                    right_row: 0,
                    out: std::ptr::null_mut(),
                    out_row: vectors * LANES,
                    add: first > 0,
                },
            );
        }
    }

    /// A product of a block that `blocks` gave.
    ///
    /// # Safety
    /// As the kernel.
    pub unsafe fn run(&self, outer: Outer<E>) {
        let Some((kernels, scratch)) = &self.pairs else {
            return unsafe { (self.kernels.outer)(outer) };
        };
        let right = scratch.right.at(0);
        unsafe {
            (kernels.pack)(PackPairs {
                from: outer.right,
                row: outer.right_row,
                rows: outer.rows,
                columns: outer.columns * LANES,
                to: right,
                to_pair: outer.columns * 2 * LANES,
                to_vector: 2 * LANES,
            });
            (kernels.outer)(PairOuter {
                inputs: outer.inputs,
                columns: outer.columns,
                pairs: outer.rows.div_ceil(2),
                packed: scratch.packed.at(0),
                right,
                out: outer.out,
                out_row: outer.out_row,
                add: outer.add,
            });
        }
    }
}

impl<E: Element> Direction<E> {
    /// Whether the input's products can be made with pairs: all but those of a table whose columns do not fill vectors.
    pub(super) fn pairs_input(&self) -> bool {
        self.inputs.is_multiple_of(LANES)
    }

    fn recurrent_panels(&self) -> Vec<(usize, usize)> {
        let line = self.recurrent_line();
        (0..self.panels).map(|p| (p * self.output_width * line, line)).collect()
    }

    fn input_panels(&self) -> Vec<(usize, usize)> {
        let line = self.input_line();
        (0..self.panels).map(|p| (p * self.inputs * line, line)).collect()
    }

    /// Makes room for the copies that a training multiplies with.
    pub(super) fn reserve_pairs(&mut self) {
        let recurrent = self.width * self.output_width * self.fed.gates.len();
        let lines = self.panels * self.input_line();
        self.pairs.hh.reserve(recurrent);
        self.pairs.hh_transposed.reserve(recurrent);
        if self.pairs_input() {
            self.pairs.ih.reserve(lines * self.inputs);
            self.pairs.ih_transposed.reserve(lines * self.inputs);
        }
    }

    /// Rounds and packs the worker's panels of the weights, also transposed where the pass goes back.
    ///
    /// # Safety
    /// As `Stack::prepare`.
    pub(super) unsafe fn prepare_pairs(
        &self,
        kernels: &PairKernels<E>,
        pass: &Pass<E>,
        own: std::ops::Range<usize>,
        backward: bool,
    ) {
        unsafe {
            if self.recurrent_line() > 0 {
                let (panels, inner) = (self.recurrent_panels(), self.output_width);
                let weights = self.recurrent_weights(pass);
                pack_panels(kernels, weights, &panels[own.clone()], inner, self.pairs.hh.at(0));
                if backward {
                    transpose_pairs(kernels, weights, &panels, own.clone(), inner, self.pairs.hh_transposed.at(0));
                }
            }
            if self.pairs_input() {
                let (panels, weights) = (self.input_panels(), pass.weights.add(self.weight_ih));
                pack_panels(kernels, weights, &panels[own.clone()], self.inputs, self.pairs.ih.at(0));
                if backward {
                    transpose_pairs(kernels, weights, &panels, own, self.inputs, self.pairs.ih_transposed.at(0));
                }
            }
        }
    }

    /// Stores copies of the weights, which are rounded already, for steps with few rows.
    pub fn store_pairs(&mut self, weights: &[E]) {
        let store = |offset: usize, numbers: usize, line: usize, to: &mut Buffer<u16>| {
            if numbers > 0 {
                to.reserve(numbers);
                store_pairs(&weights[offset..offset + numbers], line, to.slice_mut(numbers));
            }
        };
        let (recurrent, input) = (self.recurrent_line(), self.input_line());
        store(self.weight_hh, self.panels * self.output_width * recurrent, recurrent, &mut self.pairs.hh);
        if self.inputs.is_multiple_of(2) {
            store(self.weight_ih, self.panels * self.inputs * input, input, &mut self.pairs.ih);
        }
    }

    /// Where the sums of a panel's slots begin that the recurrent product feeds.
    unsafe fn sums_start(&self, step: &ForwardStep<E>, panel: usize) -> PairStart<E> {
        let line = self.line();
        let mut start = PairStart::zero();
        if self.normalised.is_some() {
            return start;
        }
        start.index = step.start_index;
        for v in 0..self.fed.gates.len().min(MOST_VECTORS) {
            let slot = self.fed.first + v;
            (start.first[v], start.row[v]) = unsafe {
                if self.layout.input.has(slot) {
                    (step.start.add(panel * step.start_panel + slot * LANES), line)
                } else {
                    (step.bias.add(panel * line + slot * LANES), 0)
                }
            };
        }
        start
    }
}

impl<E: Element> Stack<E> {
    /// Makes room for a training step with rounded operands. `head`: its padded outputs and columns.
    pub fn reserve_pairs(&mut self, time: usize, batch: usize, distinct: usize, head: (usize, usize)) {
        let workers = self.pair_scratch.len();
        let scanned = self.layers.iter().any(|layer| layer.directions[0].kernels.is_scanned());
        let rows = if scanned { time * batch } else { time * batch.div_ceil(workers) };
        let (mut columns, mut gates) = (head.0.max(head.1), 0);
        let mut widest = head.1;
        for layer in &mut self.layers {
            widest = widest.max(layer.output_width());
            for direction in &mut layer.directions {
                direction.reserve_pairs();
                widest = widest.max(direction.inputs).max(direction.width);
                gates = gates.max(direction.panels * direction.line());
            }
        }
        columns = columns.max(widest);
        let bidirectional = self.layers.iter().any(|layer| layer.directions.len() > 1);
        let tokens = distinct * self.layers[0].directions[0].inputs;
        for scratch in &mut self.pair_scratch {
            scratch.left.reserve((rows * columns).max(tokens));
            for buffer in &mut scratch.gates[..1 + usize::from(bidirectional)] {
                buffer.reserve(rows * gates);
            }
            scratch.packed.reserve(PAIR_ROWS * widest.next_multiple_of(LANES));
            scratch.right.reserve(PAIR_ROWS * CHUNK_COLUMNS);
        }
    }

    /// The worker's room for a left operand.
    pub(super) fn pair_left(&self, worker: &Worker) -> *mut u16 {
        self.pair_scratch[worker.index].left.at(0)
    }

    /// Weight gradients of this pass; with `rounded` false in the numbers' own precision.
    pub(super) fn outers<'a>(&'a self, pass: &Pass<E>, worker: &Worker, rounded: bool) -> Outers<'a, E> {
        let pairs = pass.pairs.filter(|_| rounded).map(|kernels| (kernels, &self.pair_scratch[worker.index]));
        Outers { kernels: &self.kernels, pairs, pack: self.pack(worker) }
    }

    /// As `project`, for all panels.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn project_pairs(
        &self,
        kernels: &PairKernels<E>,
        index: usize,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        worker: &Worker,
    ) {
        let left = self.pair_left(worker);
        unsafe { round_rows(kernels, blocks, self.layer_input(index, pass), direction.inputs, left) };
        let (out, rows) = (direction.gates.at(0), pass.rows());
        unsafe { self.input_sums(kernels, direction, blocks, left, 0..direction.panels, (out, rows)) };
    }

    /// As `token_tables`.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn token_tables_pairs(&self, kernels: &PairKernels<E>, pass: &Pass<E>, worker: &Worker) {
        let Source::Tokens { embedded, width, distinct, .. } = pass.source else { return };
        let blocks = RowBlocks { time: 1, batch: distinct, first: 0, count: distinct };
        let left = self.pair_left(worker);
        unsafe {
            round_rows(kernels, blocks, Strided { first: embedded, row: width }, width, left);
            for direction in &self.layers[0].directions {
                let own = worker.share(direction.panels);
                self.input_sums(kernels, direction, blocks, left, own, (direction.table.at(0), distinct));
            }
        }
    }

    /// Sums of the input with bias for some panels; `out` and the rows of its panels.
    unsafe fn input_sums(
        &self,
        kernels: &PairKernels<E>,
        direction: &Direction<E>,
        blocks: RowBlocks,
        left: *const u16,
        panels: std::ops::Range<usize>,
        (out, rows): (*mut E, usize),
    ) {
        let (line, input_line) = (direction.line(), direction.input_line());
        let slot = direction.layout.input.first * LANES;
        for panel in panels {
            unsafe {
                PairDense {
                    left: PairLeft { first: left, row: direction.inputs, run: direction.inputs, runs: 1, next_run: 0 },
                    right: direction.pairs.ih.at(panel * direction.inputs * input_line),
                    columns: direction.layout.input.gates.len(),
                    start: PairStart::rows(direction.bias.at(panel * line + slot), 0),
                    out: out.add(panel * rows * line + slot),
                    out_row: line,
                }
                .run(kernels, blocks);
            }
        }
    }

    /// Makes the recurrent product of a step with rounded operands, so that the cell's kernel finds the sums.
    ///
    /// # Safety
    /// As the kernel.
    pub(super) unsafe fn pair_sums(
        &self,
        kernels: &PairKernels<E>,
        direction: &Direction<E>,
        worker: &Worker,
        step: &mut ForwardStep<E>,
    ) {
        if !step.multiply || step.rows == 0 {
            return;
        }
        let (width, line) = (step.left_width, direction.line());
        let left = self.pair_left(worker);
        unsafe {
            (kernels.round)(Round { from: step.left, to: left, count: step.rows * width });
            for panel in step.first_panel..step.end_panel {
                (kernels.product)(PairProduct {
                    rows: step.rows,
                    columns: direction.fed.gates.len(),
                    left: PairLeft { first: left, row: width, run: width, runs: 1, next_run: 0 },
                    right: direction.pairs.hh.at(panel * width * direction.recurrent_line()),
                    start: direction.sums_start(step, panel),
                    out: step.gates.add(panel * step.gates_panel + direction.fed.first * LANES),
                    out_row: line,
                });
            }
        }
        (step.multiply, step.summed) = (false, true);
    }

    /// The same with the stored weights, where there are few rows.
    ///
    /// # Safety
    /// As the kernel.
    pub(super) unsafe fn stored_sums(&self, direction: &Direction<E>, step: &mut ForwardStep<E>) {
        if !step.multiply || step.rows > MOST_ROWS || direction.normalised.is_some() {
            return;
        }
        let width = step.left_width;
        for panel in step.first_panel..step.end_panel {
            unsafe {
                (self.kernels.stored_product)(StoredProduct {
                    rows: step.rows,
                    columns: direction.fed.gates.len(),
                    left: step.left,
                    left_row: width,
                    inner: width,
                    right: direction.pairs.hh.at(panel * width * direction.recurrent_line()),
                    start: direction.sums_start(step, panel),
                    out: step.gates.add(panel * step.gates_panel + direction.fed.first * LANES),
                    out_row: direction.line(),
                });
            }
        }
        (step.multiply, step.summed) = (false, true);
    }

    /// As `project` with the stored weights; says whether it was done.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn project_stored(
        &self,
        index: usize,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        panels: std::ops::Range<usize>,
    ) -> bool {
        if !pass.stored || pass.rows() > MOST_ROWS || !direction.inputs.is_multiple_of(2) {
            return false;
        }
        let input = self.layer_input(index, pass);
        let (line, slot) = (direction.line(), direction.layout.input.first * LANES);
        for panel in panels {
            for (row, rows) in blocks.stretches() {
                unsafe {
                    (self.kernels.stored_product)(StoredProduct {
                        rows,
                        columns: direction.layout.input.gates.len(),
                        left: input.first.add(row * input.row),
                        left_row: input.row,
                        inner: direction.inputs,
                        right: direction.pairs.ih.at(panel * direction.inputs * direction.input_line()),
                        start: PairStart::rows(direction.bias.at(panel * line + slot), 0),
                        out: direction.gates.at((panel * pass.rows() + row) * line + slot),
                        out_row: line,
                    });
                }
            }
        }
        true
    }

    /// Rounds the derivatives of some rows' sums: `row` is the first, `own` its place among the worker's `own_rows`.
    ///
    /// # Safety
    /// As in `layers`.
    // Places on both sides of a copy: a struct for two calls would only name them twice.
    #[allow(clippy::too_many_arguments)]
    pub(super) unsafe fn round_gates(
        &self,
        kernels: &PairKernels<E>,
        d: usize,
        direction: &Direction<E>,
        pass: &Pass<E>,
        (row, rows): (usize, usize),
        (own, own_rows): (usize, usize),
        worker: &Worker,
    ) {
        let line = direction.line();
        let to = self.pair_scratch[worker.index].gates[d].at(0);
        for panel in 0..direction.panels {
            unsafe {
                (kernels.round)(Round {
                    from: direction.gates.at((panel * pass.rows() + row) * line),
                    to: to.add((panel * own_rows + own) * line),
                    count: rows * line,
                });
            }
        }
    }

    /// Adds what reaches the state through the recurrent product of the step after this one, whose derivatives are the
    /// worker's rows from `own` on, so that the cell's kernel need not.
    ///
    /// # Safety
    /// As `Direction::reach_through_product`; `round_gates` must be done for those rows.
    pub(super) unsafe fn pair_reach(
        &self,
        kernels: &PairKernels<E>,
        d: usize,
        direction: &Direction<E>,
        (own, own_rows): (usize, usize),
        worker: &Worker,
        step: &mut BackwardStep<E>,
    ) {
        if step.following.is_null() {
            return;
        }
        let read = direction.layout.reads;
        let (width, run, line) = (direction.state_width(read), direction.recurrent_line(), direction.line());
        let gates = self.pair_scratch[worker.index].gates[d].at(own * line + direction.fed.first * LANES);
        let blocks = RowBlocks { time: 1, batch: step.rows, first: 0, count: step.rows };
        for chunk in (0..width).step_by(CHUNK_COLUMNS) {
            unsafe {
                let carry = step.carry[read].add(chunk);
                PairDense {
                    left: PairLeft { first: gates, row: line, run, runs: direction.panels, next_run: own_rows * line },
                    right: direction.pairs.hh_transposed.at(chunk * direction.panels * run),
                    columns: (width - chunk).min(CHUNK_COLUMNS) / LANES,
                    start: PairStart::rows(carry.cast_const(), width),
                    out: carry,
                    out_row: width,
                }
                .run(kernels, blocks);
            }
        }
        step.following = std::ptr::null();
    }

    /// dL/d(input) through the input weights of direction d, from the rounded derivatives of the worker's rows.
    ///
    /// # Safety
    /// As `input_gradient`.
    // What the product reads and writes: a struct for one call would only name it twice.
    #[allow(clippy::too_many_arguments)]
    pub(super) unsafe fn input_gradient_pairs(
        &self,
        kernels: &PairKernels<E>,
        d: usize,
        direction: &Direction<E>,
        pass: &Pass<E>,
        blocks: RowBlocks,
        worker: &Worker,
        (out, out_row): (*mut E, usize),
    ) {
        let own_rows = blocks.time * blocks.count;
        if let CellKernels::Scan(_) = direction.kernels {
            let mut own = 0;
            for (row, rows) in blocks.stretches() {
                unsafe { self.round_gates(kernels, d, direction, pass, (row, rows), (own, own_rows), worker) };
                own += rows;
            }
        }
        let (line, slot) = (direction.line(), direction.layout.input.first * LANES);
        let left = PairLeft {
            first: self.pair_scratch[worker.index].gates[d].at(slot),
            row: line,
            run: direction.input_line(),
            runs: direction.panels,
            next_run: own_rows * line,
        };
        unsafe { self.times_input_pairs(kernels, direction, left, blocks, d > 0, (out, out_row)) };
    }

    /// `out (+)= left · W_ih`, as `times_input_weights`.
    unsafe fn times_input_pairs(
        &self,
        kernels: &PairKernels<E>,
        direction: &Direction<E>,
        left: PairLeft,
        blocks: RowBlocks,
        add: bool,
        (out, out_row): (*mut E, usize),
    ) {
        for chunk in (0..direction.inputs).step_by(CHUNK_COLUMNS) {
            unsafe {
                let out = out.add(chunk);
                PairDense {
                    left,
                    right: direction.pairs.ih_transposed.at(chunk * direction.panels * direction.input_line()),
                    columns: (direction.inputs - chunk).min(CHUNK_COLUMNS) / LANES,
                    start: if add { PairStart::rows(out.cast_const(), out_row) } else { PairStart::zero() },
                    out,
                    out_row,
                }
                .run(kernels, blocks);
            }
        }
    }

    /// dL/d(embedding) of the distinct tokens of `blocks` through direction d.
    ///
    /// # Safety
    /// As `embedding_gradient`.
    pub(super) unsafe fn embedding_gradient_pairs(
        &self,
        kernels: &PairKernels<E>,
        d: usize,
        direction: &Direction<E>,
        blocks: RowBlocks,
        worker: &Worker,
        (out, out_row): (*mut E, usize),
    ) {
        let (line, own) = (direction.input_line(), blocks.count);
        let gates = self.pair_scratch[worker.index].gates[0].at(0);
        for panel in 0..direction.panels {
            let from = direction.table_gradient.at((panel * blocks.batch + blocks.first) * line);
            unsafe {
                (kernels.round)(Round { from, to: gates.add(panel * own * line), count: own * line });
            }
        }
        let left = PairLeft { first: gates, row: line, run: line, runs: direction.panels, next_run: own * line };
        unsafe { self.times_input_pairs(kernels, direction, left, blocks, d > 0, (out, out_row)) };
    }
}
