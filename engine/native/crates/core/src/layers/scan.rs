//! Layers that are scanned over time, and the split of time between workers where a batch has too few rows for them.

use std::ops::Range;

use super::dense::RowBlocks;
use super::direction::Direction;
use super::stack::{Pass, Source, Stack};
use crate::buffer::Buffer;
use crate::cells::ScanKernels;
use crate::element::Element;
use crate::kernels::scan::{ChainChunk, Chunk, Passes, SCAN_CHUNK, ScanBackward, ScanForward};
use crate::pool::Worker;
use crate::simd::LANES;

/// Summaries of a direction's chunks of time, C chunks in the order of time, and what each begins with.
pub struct ScanChunks<E> {
    /// `[C][B][W]`
    product: Buffer<E>,
    end: Buffer<E>,
    /// `[C + 1][B][W]`: what is carried from chunk c - 1 to chunk c, or backwards in time the other way.
    edge: Buffer<E>,
}

impl<E: Element> ScanChunks<E> {
    pub fn new() -> Self {
        ScanChunks { product: Buffer::new(0), end: Buffer::new(0), edge: Buffer::new(0) }
    }

    /// `numbers`: B * W.
    pub fn reserve(&mut self, time: usize, numbers: usize) {
        let chunks = time.div_ceil(SCAN_CHUNK);
        self.product.reserve(chunks * numbers);
        self.end.reserve(chunks * numbers);
        self.edge.reserve((chunks + 1) * numbers);
    }
}

/// The rows of a layer that one worker computes.
#[derive(Debug, Clone)]
pub struct Part {
    pub steps: Range<usize>,
    /// Rows of the batch.
    pub first: usize,
    pub count: usize,
    /// The same rows as products take them.
    pub blocks: RowBlocks,
    /// Other workers have other steps of the same sequences.
    pub shared: bool,
}

impl Part {
    /// All steps of some rows of the batch.
    pub fn rows(blocks: RowBlocks) -> Self {
        Part { steps: 0..blocks.time, first: blocks.first, count: blocks.count, blocks, shared: false }
    }
}

impl<E: Element> Stack<E> {
    /// Whether workers divide time where they can, and meet at a barrier after every layer, because that leaves the
    /// busiest of them less to do than dividing the batch. The same answer in every worker; no number depends on it.
    pub fn shares_time(&self, pass: &Pass<E>, worker: &Worker) -> bool {
        let steps = pass.time.div_ceil(SCAN_CHUNK).div_ceil(worker.count) * SCAN_CHUNK;
        let scanned = |index: usize| self.layers[index].directions[0].kernels.is_scanned();
        (0..self.layers.len()).any(scanned) && steps * pass.batch < pass.time * pass.batch.div_ceil(worker.count)
    }

    /// The worker's part of layer `index`.
    pub(super) fn part(&self, index: usize, pass: &Pass<E>, worker: &Worker) -> Part {
        let scanned = self.layers[index].directions[0].kernels.is_scanned();
        if !scanned || !self.shares_time(pass, worker) {
            return Part::rows(pass.blocks(worker));
        }
        let own = worker.share(pass.time.div_ceil(SCAN_CHUNK));
        let steps = (own.start * SCAN_CHUNK).min(pass.time)..(own.end * SCAN_CHUNK).min(pass.time);
        let (first, count) = (steps.start * pass.batch, steps.len() * pass.batch);
        let blocks = RowBlocks { time: 1, batch: pass.time * pass.batch, first, count };
        Part { steps, first: 0, count: pass.batch, blocks, shared: true }
    }

    /// The forward scan; with a shared part two barriers are inside. The sums must be there for the part's rows.
    ///
    /// # Safety
    /// As in `layers`.
    pub(super) unsafe fn scan(
        &self,
        direction: &Direction<E>,
        kernels: &ScanKernels<E>,
        pass: &Pass<E>,
        worker: &Worker,
        part: &Part,
        tokens: bool,
    ) {
        let line = direction.line();
        let (start, start_panel, start_index) = match pass.source {
            Source::Tokens { index, distinct, .. } if tokens => {
                (direction.table.at(0), distinct * line, unsafe { index.add(part.first) })
            }
            _ => (direction.gates.at(part.first * line), pass.time * pass.batch * line, std::ptr::null()),
        };
        let block = pass.batch * direction.width;
        let initial = direction.states[0].at(direction.initial_block(pass.time) * block);
        let walk = Walk { direction, pass, worker, part, descending: direction.reverse, chain: kernels.chain };
        let run = |chunk: Chunk<E>| unsafe {
            (kernels.forward)(ScanForward {
                chunk,
                start,
                start_panel,
                start_index,
                after: direction.states[0].at((direction.block_after(0) * pass.batch + part.first) * direction.width),
            });
        };
        unsafe { walk.all(initial, std::ptr::null_mut(), run) };
    }

    /// The backward scan; leaves the derivatives of the sums in the gate tensor and that of the initial state in the
    /// carry, which holds that of the final state. With a shared part two barriers are inside.
    ///
    /// # Safety
    /// As in `layers`; the forward scan must be done.
    pub(super) unsafe fn scan_back(
        &self,
        index: usize,
        d: usize,
        kernels: &ScanKernels<E>,
        pass: &Pass<E>,
        worker: &Worker,
        part: &Part,
        has_above: bool,
    ) {
        let layer = &self.layers[index];
        let direction = &layer.directions[d];
        let width = direction.width;
        let above_row = layer.output_width();
        let walk = Walk { direction, pass, worker, part, descending: !direction.reverse, chain: kernels.chain };
        let above = if has_above {
            layer.above_states().at(part.first * above_row + d * width).cast_const()
        } else {
            std::ptr::null()
        };
        let run = |chunk: Chunk<E>| unsafe {
            (kernels.backward)(ScanBackward {
                chunk,
                above,
                above_row,
                before: direction.states[0].at((direction.block_before(0) * pass.batch + part.first) * width),
                total: if pass.traced { direction.totals[0].at(part.first * width) } else { std::ptr::null_mut() },
            });
        };
        let carry = direction.carry[0].at(0);
        unsafe { walk.all(carry, carry, run) };
    }

    /// Gradients of the biases for the worker's unit panels: sums over rows in ascending order.
    ///
    /// # Safety
    /// As in `layers`; the backward scan must be done for all rows.
    pub(super) unsafe fn scan_bias_gradient(&self, direction: &Direction<E>, pass: &Pass<E>, own: Range<usize>) {
        let line = direction.line();
        for panel in own {
            let derivatives = direction.gates.at(panel * pass.time * pass.batch * line);
            let out = unsafe { pass.gradients.add(direction.biases[0].1 + panel * line) };
            unsafe { self.column_sums(derivatives, pass.time * pass.batch, direction.layout.slots, line, out) };
        }
    }
}

/// A way through the chunks of one direction.
struct Walk<'a, 'p, E: Element> {
    direction: &'a Direction<E>,
    pass: &'a Pass<'p, E>,
    worker: &'a Worker<'a>,
    part: &'a Part,
    /// From the last chunk to the first.
    descending: bool,
    chain: unsafe fn(ChainChunk<E>),
}

impl<E: Element> Walk<'_, '_, E> {
    /// Runs both passes over the part's chunks, the first of all chunks beginning with `initial`, `[B][W]`; what is
    /// carried beyond the last one goes to `last` unless that is null.
    unsafe fn all(&self, initial: *const E, last: *mut E, run: impl Fn(Chunk<E>)) {
        let chunks = self.pass.time.div_ceil(SCAN_CHUNK);
        let (both, panels) = (Passes { summarise: true, fill: true }, 0..self.direction.panels);
        unsafe {
            if !self.part.shared {
                let rows = self.part.first..self.part.first + self.part.count;
                self.copy(initial, self.edge(self.first_edge(chunks)), &rows, &panels);
                for c in self.ordered(0..chunks) {
                    run(self.chunk(c, both));
                    self.chain(c, &rows, &panels);
                }
                self.leave(chunks, last, &rows, &panels);
                return;
            }
            let own = self.worker.share(chunks);
            for c in own.clone() {
                run(self.chunk(c, Passes { fill: false, ..both }));
            }
            self.worker.barrier();
            let (rows, panels) = (0..self.pass.batch, self.worker.share(self.direction.panels));
            self.copy(initial, self.edge(self.first_edge(chunks)), &rows, &panels);
            for c in self.ordered(0..chunks) {
                self.chain(c, &rows, &panels);
            }
            self.leave(chunks, last, &rows, &panels);
            self.worker.barrier();
            for c in own {
                run(self.chunk(c, Passes { summarise: false, ..both }));
            }
        }
    }

    fn ordered(&self, chunks: Range<usize>) -> impl Iterator<Item = usize> {
        let (descending, Range { start, end }) = (self.descending, chunks);
        (start..end).map(move |c| if descending { start + end - 1 - c } else { c })
    }

    fn first_edge(&self, chunks: usize) -> usize {
        if self.descending { chunks } else { 0 }
    }

    /// Edges at which chunk `c` begins and ends.
    fn edges(&self, c: usize) -> (usize, usize) {
        if self.descending { (c + 1, c) } else { (c, c + 1) }
    }

    fn block(&self) -> usize {
        self.pass.batch * self.direction.width
    }

    fn edge(&self, edge: usize) -> *mut E {
        self.direction.chunks.edge.at(edge * self.block())
    }

    fn chunk(&self, c: usize, passes: Passes) -> Chunk<E> {
        let Walk { direction, pass, part, .. } = self;
        let (line, block, first) = (direction.line(), self.block(), part.first * direction.width);
        Chunk {
            passes,
            rows: part.count,
            panels: direction.panels,
            batch: pass.batch,
            steps: c * SCAN_CHUNK..((c + 1) * SCAN_CHUNK).min(pass.time),
            descending: self.descending,
            lengths: pass.lengths.map_or(std::ptr::null(), |lengths| lengths[part.first..].as_ptr()),
            hidden: direction.hidden,
            width: direction.width,
            gates: direction.gates.at(part.first * line),
            gates_panel: pass.time * pass.batch * line,
            product: direction.chunks.product.at(c * block + first),
            end: direction.chunks.end.at(c * block + first),
            begin: self.edge(self.edges(c).0).wrapping_add(first).cast_const(),
        }
    }

    /// Carries over chunk `c` for some rows and panels.
    unsafe fn chain(&self, c: usize, rows: &Range<usize>, panels: &Range<usize>) {
        let (begin, next) = self.edges(c);
        for row in rows.clone() {
            let at = row * self.direction.width + panels.start * LANES;
            unsafe {
                (self.chain)(ChainChunk {
                    count: panels.len() * LANES,
                    product: self.direction.chunks.product.at(c * self.block() + at),
                    end: self.direction.chunks.end.at(c * self.block() + at),
                    begin: self.edge(begin).add(at),
                    next: self.edge(next).add(at),
                });
            }
        }
    }

    unsafe fn leave(&self, chunks: usize, last: *mut E, rows: &Range<usize>, panels: &Range<usize>) {
        if !last.is_null() {
            let edge = self.edge(chunks - self.first_edge(chunks));
            unsafe { self.copy(edge, last, rows, panels) };
        }
    }

    unsafe fn copy(&self, from: *const E, to: *mut E, rows: &Range<usize>, panels: &Range<usize>) {
        for row in rows.clone() {
            let at = row * self.direction.width + panels.start * LANES;
            unsafe { to.add(at).copy_from_nonoverlapping(from.add(at), panels.len() * LANES) };
        }
    }
}
