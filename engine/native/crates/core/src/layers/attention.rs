//! Attention over the states of a recurrent encoder: weights = softmax of the scores of a query against all keys it
//! may see, context = sum of the keys under these weights, y = tanh(W_c [context; query]).
//!
//! | kind | score | source |
//! | --- | --- | --- |
//! | additive | v · tanh(W_s q + W_h k) | Bahdanau, Cho & Bengio 2015 |
//! | dot, general, concat | q · k; q · W_a k; v · tanh(W_a [q; k]) | Luong, Pham & Manning 2015 |
//! | scaled-dot | q · k / sqrt(size of k) | Vaswani et al. 2017 |
//!
//! The products of whole matrices are those of all layers; what is between a query and a key is `kernels/attention.rs`,
//! one sequence after the other. Workers divide the sequences or, where there are fewer of them, every sequence: the
//! rows of products, the queries, and backward, where the queries' parts of a key's derivative are added up, the
//! columns. Either way each sum is made by one worker in the same order, so that no bit depends on their number.

use std::ops::Range;

use super::dense::RowBlocks;
use super::linear::Linear;
use super::stack::Strided;
use crate::buffer::Buffer;
use crate::element::Element;
use crate::kernels::attention::{
    Attend, AttendBack, AttentionKernels, Bend, BendBack, Queries, Rows, ScoresBack, Sequence,
};
use crate::kernels::{KernelKind, Kernels};
use crate::params::{Inner, Packing, Parameters, padded};
use crate::pool::Worker;
use crate::simd::LANES;
use crate::spec::AttentionKind;

/// Queries and keys of a batch: rows t * B + b.
#[derive(Clone, Copy)]
pub struct Attended<'a, E> {
    pub queries: Strided<E>,
    pub keys: Strided<E>,
    pub query_steps: usize,
    pub key_steps: usize,
    pub batch: usize,
    /// Keys of each sequence that are not padding.
    pub lengths: Option<&'a [usize]>,
    /// Query t sees only the keys up to t.
    pub causal: bool,
    /// Workers divide every sequence, and meet at barriers inside, instead of the sequences.
    pub shared: bool,
}

impl<E> Attended<'_, E> {
    /// The worker's rows `t * B + b` of `steps` steps.
    fn rows(&self, steps: usize, worker: &Worker) -> RowBlocks {
        if !self.shared {
            let own = worker.share(self.batch);
            return RowBlocks { time: steps, batch: self.batch, first: own.start, count: own.len() };
        }
        let own = worker.share(steps * self.batch);
        RowBlocks { time: 1, batch: steps * self.batch, first: own.start, count: own.len() }
    }

    /// The sequences that the worker takes part in.
    fn sequences(&self, worker: &Worker) -> Range<usize> {
        if self.shared { 0..self.batch } else { worker.share(self.batch) }
    }

    /// The worker's queries of sequence `b`: shared ones are dealt out in turn, as later ones may see more keys.
    fn dealt(&self, b: usize, worker: &Worker) -> Queries {
        let (end, step) = (self.query_steps, if self.shared { worker.count } else { 1 });
        let before = b * self.query_steps % step;
        Queries { first: if self.shared { (worker.index + step - before) % step } else { 0 }, end, step }
    }

    /// Waits for all workers where each reads what others wrote.
    fn meet(&self, worker: &Worker) {
        if self.shared {
            worker.barrier();
        }
    }
}

/// Where the derivatives of queries and keys go, rows as the queries and keys themselves. Both are overwritten.
#[derive(Clone, Copy)]
pub struct AttendedGradients<E> {
    pub queries: *mut E,
    pub query_row: usize,
    pub keys: *mut E,
    pub key_row: usize,
}

/// Weights and workspace. Letters: Q and K padded sizes of query and key, A of what is compared.
pub struct Attention<E: Element> {
    kernels: AttentionKernels<E>,
    kind: AttentionKind,
    query: Inner,
    key: Inner,
    /// W_s and W_h, or both parts of W_a (concat), or W_a alone on the key (general).
    compare: Vec<Linear<E>>,
    vector: Option<usize>,
    combine: Linear<E>,
    /// Numbers that are compared.
    width: usize,
    /// `[Tq * B][A]`, `[Tk * B][A]` where they are made by a matrix, and their derivatives.
    compared_query: Buffer<E>,
    compared_key: Buffer<E>,
    compared_query_gradient: Buffer<E>,
    compared_key_gradient: Buffer<E>,
    /// `[B][Tq][Tk padded]`, and for fixtures the scores.
    pub weights: Buffer<E>,
    pub scores: Buffer<E>,
    /// `[Tq * B][K]`
    pub context: Buffer<E>,
    context_gradient: Buffer<E>,
    /// `[Tq * B][Q]`: what comes out, and dL/d of it, which becomes that of the sum before tanh.
    pub output: Buffer<E>,
    pub output_gradient: Buffer<E>,
    /// `[B][A]`
    vector_gradient: Buffer<E>,
    /// Derivatives of the scores: `[B][Tk padded]` of one query after the other, or `[B][Tq][Tk padded]` where workers
    /// share the sequences.
    score_gradient: Buffer<E>,
}

impl<E: Element> Attention<E> {
    /// Adds the tensors to `parameters` as `attention.NAME`; none for `AttentionKind::None`. `size`: numbers that are
    /// compared where a matrix makes them (additive, concat).
    pub fn new(
        kind: AttentionKind,
        query: Inner,
        key: Inner,
        size: usize,
        parameters: &mut Parameters,
        kernel: KernelKind,
    ) -> Option<Self> {
        let mut linear = |name: &str, outputs: Inner, parts: &[Inner]| {
            Linear::new(format!("attention.{name}"), outputs, parts, parameters)
        };
        let compared = Inner::panels(size, 1);
        let compare = match kind {
            AttentionKind::None => return None,
            AttentionKind::Additive => vec![linear("W_s", compared, &[query]), linear("W_h", compared, &[key])],
            AttentionKind::Concat => vec![linear("W_a", compared, &[query, key])],
            // Compared with the query as it lies, so its rows come in the query's parts.
            AttentionKind::General => vec![linear("W_a", query, &[key])],
            AttentionKind::Dot | AttentionKind::ScaledDot => vec![],
        };
        let vector = kind.has_vector().then(|| {
            let tensor = parameters.add("attention.v".into(), Packing::Vector { size });
            parameters.tensors[tensor].offset
        });
        let combine = Linear::new("attention.W_c".into(), Inner::panels(query.size(), 1), &[key, query], parameters);
        let empty = || Buffer::new(0);
        Some(Attention {
            kernels: AttentionKernels::of(kernel),
            kind,
            query,
            key,
            compare,
            vector,
            combine,
            width: if kind.has_vector() { padded(size) } else { query.padded() },
            compared_query: empty(),
            compared_key: empty(),
            compared_query_gradient: empty(),
            compared_key_gradient: empty(),
            weights: empty(),
            scores: empty(),
            context: empty(),
            context_gradient: empty(),
            output: empty(),
            output_gradient: empty(),
            vector_gradient: empty(),
            score_gradient: empty(),
        })
    }

    /// What the head reads.
    pub fn output_inner(&self) -> Inner {
        Inner::panels(self.query.size(), 1)
    }

    /// Whether workers had better divide every sequence of a batch than the sequences.
    pub fn is_shared(batch: usize, workers: usize) -> bool {
        batch < workers
    }

    /// Makes room for a batch; `scored` also for the scores. `shared` as in `Attended`.
    pub fn reserve(
        &mut self,
        query_steps: usize,
        key_steps: usize,
        batch: usize,
        backward: bool,
        scored: bool,
        shared: bool,
    ) {
        let (queries, keys) = (query_steps * batch, key_steps * batch);
        let (line, width) = (key_steps.next_multiple_of(LANES), self.width);
        self.weights.reserve(queries * line);
        if scored {
            self.scores.reserve(queries * line);
        }
        let (makes_query, makes_key) = (self.makes_query(), self.makes_key());
        for (buffer, gradient, rows, made) in [
            (&mut self.compared_query, &mut self.compared_query_gradient, queries, makes_query),
            (&mut self.compared_key, &mut self.compared_key_gradient, keys, makes_key),
        ] {
            buffer.reserve(if made { rows * width } else { 0 });
            gradient.reserve(if made && backward { rows * width } else { 0 });
        }
        self.context.reserve(queries * self.key.padded());
        self.output.reserve(queries * self.combine.width);
        for linear in self.compare.iter_mut().chain([&mut self.combine]) {
            linear.reserve(backward);
        }
        if backward {
            self.context_gradient.reserve(queries * self.key.padded());
            self.output_gradient.reserve(queries * self.combine.width);
            self.vector_gradient.reserve(batch * width);
            self.score_gradient.reserve(if shared { queries * line } else { batch * line });
        }
    }

    /// Which matrix makes what is compared with the keys from a query, and which from a key.
    fn query_matrix(&self) -> Option<(&Linear<E>, usize)> {
        self.makes_query().then(|| (&self.compare[0], 0))
    }

    fn key_matrix(&self) -> Option<(&Linear<E>, usize)> {
        match self.kind {
            AttentionKind::Additive => Some((&self.compare[1], 0)),
            AttentionKind::Concat => Some((&self.compare[0], 1)),
            AttentionKind::General => Some((&self.compare[0], 0)),
            _ => None,
        }
    }

    fn makes_query(&self) -> bool {
        self.kind.has_vector()
    }

    fn makes_key(&self) -> bool {
        !self.compare.is_empty()
    }

    fn scale(&self) -> E {
        let size = self.key.size() as f64;
        E::from_f64(if self.kind == AttentionKind::ScaledDot { 1.0 / size.sqrt() } else { 1.0 })
    }

    /// Transposes the weights for the backward pass. A barrier must follow.
    ///
    /// # Safety
    /// As in `layers`.
    pub unsafe fn prepare(&self, weights: *const E, worker: &Worker) {
        for linear in self.compare.iter().chain([&self.combine]) {
            unsafe { linear.transpose(weights, worker.share(linear.shares())) };
        }
    }

    /// What the kernels read of sequence `b`.
    fn sequence(&self, of: &Attended<E>, weights: *const E, b: usize) -> Sequence<E> {
        let own = |buffer: &Buffer<E>, given: Strided<E>, made: bool| {
            let (first, row) = if made { (buffer.at(0), self.width) } else { (given.first.cast_mut(), given.row) };
            Rows { first: first.wrapping_add(b * row), row: of.batch * row }
        };
        let line = of.key_steps.next_multiple_of(LANES);
        Sequence {
            queries: of.query_steps,
            keys: of.lengths.map_or(of.key_steps, |lengths| lengths[b]),
            causal: of.causal,
            query: own(&self.compared_query, of.queries, self.makes_query()),
            key: own(&self.compared_key, of.keys, self.makes_key()),
            width: self.width,
            scale: self.scale(),
            vector: self.vector.map_or(std::ptr::null(), |offset| weights.wrapping_add(offset)),
            value: own(&self.compared_key, of.keys, false),
            value_width: self.key.padded(),
            weights: Rows { first: self.weights.at(b * of.query_steps * line), row: line },
        }
    }

    /// The outputs of the worker's rows; barriers inside where it is shared. `scored` also keeps the scores.
    ///
    /// # Safety
    /// As in `layers`; queries and keys must be there, of the worker's own sequences at least.
    pub unsafe fn forward(
        &self,
        kernels: &Kernels<E>,
        weights: *const E,
        of: &Attended<E>,
        scored: bool,
        worker: &Worker,
    ) {
        let (queries, keys) = (of.rows(of.query_steps, worker), of.rows(of.key_steps, worker));
        let context = Strided { first: self.context.at(0).cast_const(), row: self.key.padded() };
        of.meet(worker);
        unsafe {
            if let Some((linear, part)) = self.query_matrix() {
                linear.multiply(kernels, weights, part, of.queries, queries, self.compared_query.at(0), false);
            }
            if let Some((linear, part)) = self.key_matrix() {
                linear.multiply(kernels, weights, part, of.keys, keys, self.compared_key.at(0), false);
            }
            of.meet(worker);
            for b in of.sequences(worker) {
                let sequence = self.sequence(of, weights, b);
                let scores = if scored {
                    self.scores.at(b * of.query_steps * sequence.weights.row)
                } else {
                    std::ptr::null_mut()
                };
                let row = self.key.padded();
                let context = Rows { first: self.context.at(b * row), row: of.batch * row };
                (self.kernels.attend)(Attend { of: sequence, queries: of.dealt(b, worker), context, scores });
            }
            of.meet(worker);
            let output = self.output.at(0);
            self.combine.multiply(kernels, weights, 0, context, queries, output, false);
            self.combine.multiply(kernels, weights, 1, of.queries, queries, output, true);
            for (row, rows) in queries.stretches() {
                let width = self.combine.width;
                (self.kernels.bend)(Bend { values: output.add(row * width), count: rows * width });
            }
        }
    }

    /// Derivatives of queries and keys from those in `output_gradient`, where the worker's rows must be; barriers inside
    /// where it is shared, and then the worker has the derivatives of its rows, not of its sequences.
    ///
    /// # Safety
    /// As in `layers`; `forward` must be done for these rows, `prepare` for all workers.
    pub unsafe fn backward(
        &self,
        kernels: &Kernels<E>,
        weights: *const E,
        of: &Attended<E>,
        to: AttendedGradients<E>,
        worker: &Worker,
    ) {
        let (queries, keys) = (of.rows(of.query_steps, worker), of.rows(of.key_steps, worker));
        let (outer, row) = (self.combine.width, self.key.padded());
        unsafe {
            for (first, rows) in queries.stretches() {
                let (values, gradient) = (self.output.at(first * outer), self.output_gradient.at(first * outer));
                (self.kernels.bend_back)(BendBack { values, gradient, count: rows * outer });
            }
            let output = self.output_gradient.at(0).cast_const();
            self.combine.multiply_back(kernels, 0, output, queries, self.context_gradient.at(0), row, false);
            self.combine.multiply_back(kernels, 1, output, queries, to.queries, to.query_row, false);
            let clear = |first: *mut E, row: usize, width: usize, blocks: RowBlocks| {
                for (start, rows) in blocks.stretches() {
                    for r in start..start + rows {
                        first.add(r * row).write_bytes(0, width);
                    }
                }
            };
            clear(to.keys, to.key_row, row, keys);
            if self.makes_query() {
                clear(self.compared_query_gradient.at(0), self.width, self.width, queries);
            }
            if self.makes_key() {
                clear(self.compared_key_gradient.at(0), self.width, self.width, keys);
            }
            if self.vector.is_some() {
                let own = worker.share(of.batch);
                self.vector_gradient.at(own.start * self.width).write_bytes(0, own.len() * self.width);
            }
            of.meet(worker);
            if of.shared {
                for b in of.sequences(worker) {
                    (self.kernels.scores_back)(self.scores_back(of, weights, b, of.dealt(b, worker)));
                }
                worker.barrier();
                for b in of.sequences(worker) {
                    let share = |width: usize| {
                        let own = worker.share(width / LANES);
                        (own.start * LANES, own.end * LANES)
                    };
                    let columns = (share(self.width), share(row));
                    let all = Queries { first: 0, end: of.query_steps, step: 1 };
                    (self.kernels.attend_back)(self.attend_back(of, weights, to, b, all, columns));
                }
                worker.barrier();
            } else {
                for b in of.sequences(worker) {
                    for first in 0..of.query_steps {
                        let query = Queries { first, end: first + 1, step: 1 };
                        (self.kernels.scores_back)(self.scores_back(of, weights, b, query));
                        let columns = ((0, self.width), (0, row));
                        (self.kernels.attend_back)(self.attend_back(of, weights, to, b, query, columns));
                    }
                }
            }
            if let Some((linear, part)) = self.query_matrix() {
                let gradient = self.compared_query_gradient.at(0).cast_const();
                linear.multiply_back(kernels, part, gradient, queries, to.queries, to.query_row, true);
            }
            if let Some((linear, part)) = self.key_matrix() {
                let gradient = self.compared_key_gradient.at(0).cast_const();
                linear.multiply_back(kernels, part, gradient, keys, to.keys, to.key_row, true);
            }
        }
    }

    /// dL/d(context) of sequence `b`, and where the derivatives of its scores lie.
    fn score_places(&self, of: &Attended<E>, b: usize, line: usize) -> (Rows<E>, Rows<E>) {
        let row = self.key.padded();
        let context = Rows { first: self.context_gradient.at(b * row), row: of.batch * row };
        let scores = if of.shared {
            Rows { first: self.score_gradient.at(b * of.query_steps * line), row: line }
        } else {
            // Each query's follow those of the one before.
            Rows { first: self.score_gradient.at(b * line), row: 0 }
        };
        (context, scores)
    }

    fn scores_back(&self, of: &Attended<E>, weights: *const E, b: usize, queries: Queries) -> ScoresBack<E> {
        let of_b = self.sequence(of, weights, b);
        let (context, scores) = self.score_places(of, b, of_b.weights.row);
        ScoresBack { of: of_b, queries, context, scores }
    }

    /// `columns`: those compared and those summed.
    fn attend_back(
        &self,
        of: &Attended<E>,
        weights: *const E,
        to: AttendedGradients<E>,
        b: usize,
        queries: Queries,
        (compared, summed): ((usize, usize), (usize, usize)),
    ) -> AttendBack<E> {
        let of_b = self.sequence(of, weights, b);
        let (context, scores) = self.score_places(of, b, of_b.weights.row);
        let own = |first: *mut E, row: usize| Rows { first: first.wrapping_add(b * row), row: of.batch * row };
        let made = |buffer: &Buffer<E>| own(buffer.at(0), self.width);
        AttendBack {
            of: of_b,
            queries,
            context,
            scores,
            query: if self.makes_query() { made(&self.compared_query_gradient) } else { own(to.queries, to.query_row) },
            key: if self.makes_key() { made(&self.compared_key_gradient) } else { own(to.keys, to.key_row) },
            value: own(to.keys, to.key_row),
            vector: if self.vector.is_some() { self.vector_gradient.at(b * self.width) } else { std::ptr::null_mut() },
            compared,
            summed,
        }
    }

    /// Gradients of the worker's share of the weights. Barriers must precede and follow.
    ///
    /// # Safety
    /// As in `layers`; `backward` must be done by all workers. `pack` as in `outer_blocks`.
    pub unsafe fn weight_gradients(
        &self,
        kernels: &Kernels<E>,
        gradients: *mut E,
        of: &Attended<E>,
        pack: *mut E,
        worker: &Worker,
    ) {
        let (queries, keys) = (of.query_steps * of.batch, of.key_steps * of.batch);
        let context = Strided { first: self.context.at(0).cast_const(), row: self.key.padded() };
        let share = |linear: &Linear<E>| worker.share(linear.shares());
        unsafe {
            let output = self.output_gradient.at(0).cast_const();
            for (part, left) in [context, of.queries].into_iter().enumerate() {
                let own = share(&self.combine);
                self.combine.gradient(kernels, gradients, part, left, output, queries, own, pack);
            }
            if let Some((linear, part)) = self.query_matrix() {
                let right = self.compared_query_gradient.at(0);
                linear.gradient(kernels, gradients, part, of.queries, right, queries, share(linear), pack);
            }
            if let Some((linear, part)) = self.key_matrix() {
                let right = self.compared_key_gradient.at(0);
                linear.gradient(kernels, gradients, part, of.keys, right, keys, share(linear), pack);
            }
            if let Some(offset) = self.vector {
                for unit in worker.share(self.width) {
                    let mut sum = E::ZERO;
                    for b in 0..of.batch {
                        sum = sum + *self.vector_gradient.at(b * self.width + unit);
                    }
                    *gradients.add(offset + unit) = sum;
                }
            }
        }
    }

    /// `[B][Tq][Tk]` without padding.
    pub fn read(&self, rows: &Buffer<E>, query_steps: usize, key_steps: usize, batch: usize) -> Vec<E> {
        let line = key_steps.next_multiple_of(LANES);
        let rows = rows.slice(batch * query_steps * line);
        rows.chunks_exact(line).flat_map(|row| &row[..key_steps]).copied().collect()
    }
}
