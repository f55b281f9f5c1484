//! A whole model: embedding or series, recurrent layers, head; training steps, evaluation, traces.

mod bfloat16;
mod update;

use std::sync::Arc;

use crate::buffer::Buffer;
use crate::cells::Source as SignalSource;
use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::bfloat16::PairKernels;
use crate::kernels::{KernelKind, Kernels};
use crate::layers::{Attention, Direction, Embedding, Head, Kept, Pass, Source, Stack, initialize};
use crate::loss::{Rows, Scope, smoothed_row_losses};
use crate::optim::Moments;
use crate::options::check_options;
use crate::params::{Inner, Parameters};
use crate::pool::{Pool, Worker};
use crate::rng::{Purpose, Rng};
use crate::simd::LANES;
use crate::spec::{
    Batch, HeadMode, InitialState, Input, InputSpec, LossSum, ModelSpec, NamedTensor, NonFinite, StateEntry, States,
    StepOutcome, Tap, Taps, Target, Traced, Update,
};
use crate::step::StepOptions;

pub use update::Movement;
use update::Summed;

/// Numbers per block of the gradient norm and the update: fixed, so that sums do not depend on threads.
const BLOCK: usize = 4096;
/// A vocabulary's sums of the first layer are kept while they are at most this many numbers and the weights stay the
/// same for that many evaluations.
const MOST_KEPT: usize = 16 << 20;
const PASSES_BEFORE_KEEPING: usize = 8;

/// Weights, gradients, optimiser state and workspace of one model.
pub struct Model<E: Element> {
    spec: ModelSpec,
    pool: Arc<Pool>,
    parameters: Parameters,
    weights: Buffer<E>,
    gradients: Buffer<E>,
    first_moments: Buffer<E>,
    second_moments: Buffer<E>,
    moments: Moments,
    embedding: Option<Embedding<E>>,
    stack: Stack<E>,
    head: Head<E>,
    /// Loss of each row of the head, and squared norm of each block of the gradients.
    losses: Buffer<f64>,
    squares: Buffer<f64>,
    /// dL/d(series) of a traced pass, `[T * B][padded I]`.
    input_gradient: Buffer<E>,
    /// Forgotten whenever the weights change.
    kept: Kept,
    summed: Summed<E>,
    /// Running average of the weights, and the weights before an update that is measured; both only where asked for.
    average: Buffer<E>,
    before: Buffer<E>,
    /// Training steps round the operands of their products.
    pairs: Option<PairKernels<E>>,
    /// The weights are rounded and copied for steps with few rows.
    stored: bool,
}

/// What a pass does after the forward part.
#[derive(Clone, Copy, Default)]
struct Work<'a, E> {
    target: Option<Target<'a, E>>,
    backward: bool,
    /// Also update the weights: the rule and the number of updates before.
    update: Option<(Update, u64)>,
    dropout: Option<(u64, u64)>,
    traced: bool,
    pairs: Option<PairKernels<E>>,
    options: StepOptions,
}

/// What a pass gives.
struct Done {
    loss: LossSum,
    norm: f64,
}

impl<E: Element> Model<E> {
    /// A model with weights drawn from `seed`, by default as PyTorch draws them (uniform within 1/sqrt(H) in recurrent
    /// layers and within 1/sqrt(fan-in) in head and attention, normal in the embedding).
    pub fn new(spec: ModelSpec, seed: u64, pool: Arc<Pool>) -> Result<Self, EngineError> {
        Self::with_kernel(spec, seed, pool, KernelKind::picked())
    }

    /// The same with the kernels of a given instruction set, which this processor must have.
    pub fn with_kernel(spec: ModelSpec, seed: u64, pool: Arc<Pool>, kind: KernelKind) -> Result<Self, EngineError> {
        let invalid = |field: &str, message: &str| Err(EngineError::at("MODEL_INVALID", field, message));
        if spec.layers.is_empty() {
            return invalid("layers", "The model needs at least one recurrent layer.");
        }
        if spec.head.output_size == 0 {
            return invalid("head.outputSize", "The head needs at least one output.");
        }
        let kernels = Kernels::of(kind);
        let mut parameters = Parameters::default();
        check_options(&spec)?;
        let (mut embedding, input) = match spec.input {
            InputSpec::Tokens { vocabulary_size: 0, .. } => {
                return invalid("input.vocabularySize", "The vocabulary is empty.");
            }
            InputSpec::Tokens { embedding_size: 0, .. } => {
                return invalid("input.embeddingSize", "The embedding size must be at least 1.");
            }
            InputSpec::Series { input_size: 0 } => {
                return invalid("input.inputSize", "The series needs at least one column.");
            }
            InputSpec::Tokens { vocabulary_size, embedding_size } => {
                let mut embedding = if spec.options.tie_weights {
                    Embedding::without_table(vocabulary_size, embedding_size)
                } else {
                    Embedding::new(vocabulary_size, embedding_size, &mut parameters)
                };
                embedding.dropout = spec.options.embedding_dropout;
                (Some(embedding), Inner::panels(embedding_size, 1))
            }
            InputSpec::Series { input_size } => (None, Inner::plain(input_size)),
        };
        let mut stack = Stack::new(&spec.layers, input, &mut parameters, kernels, pool.threads())?;
        let top = stack.layers.last().expect("checked above").output_inner();
        let attention = Attention::new(spec.options.attention, top, top, top.size(), &mut parameters, kind);
        let head = Head::new(spec.head, top, attention, &mut parameters);
        if let Some(embedding) = embedding.as_mut().filter(|_| spec.options.tie_weights) {
            embedding.share(&mut parameters);
        }
        if spec.options.initial_state == InitialState::Learned {
            stack.learn_initial_states(&mut parameters);
        }
        let length = parameters.length;
        let mut model = Model {
            pool,
            weights: Buffer::new(length),
            gradients: Buffer::new(length),
            first_moments: Buffer::new(0),
            second_moments: Buffer::new(0),
            moments: Moments::default(),
            embedding,
            stack,
            head,
            losses: Buffer::new(0),
            squares: Buffer::new(length.div_ceil(BLOCK)),
            input_gradient: Buffer::new(0),
            kept: Kept::default(),
            summed: Summed::default(),
            average: Buffer::new(0),
            before: Buffer::new(0),
            pairs: None,
            stored: false,
            parameters,
            spec,
        };
        model.draw_weights(seed);
        Ok(model)
    }

    fn draw_weights(&mut self, seed: u64) {
        let fan_in = self.stack.layers.last().expect("at least one layer").output_inner().size();
        let flat = self.weights.slice_mut(self.parameters.length);
        for (number, tensor) in self.parameters.tensors.iter().enumerate() {
            let rng = Rng::new(seed, Purpose::Initial, number as u32);
            let tied = self.spec.options.tie_weights && tensor.name == "embedding.weight";
            let bound = if tensor.name.starts_with("head.") || tied {
                1.0 / (fan_in as f64).sqrt()
            } else if tensor.name.starts_with("attention.") {
                1.0 / (*tensor.shape.last().expect("tensors have a shape") as f64).sqrt()
            } else {
                let layer = self.stack.layers.iter().flat_map(|layer| &layer.directions);
                let hidden = layer.filter(|d| tensor.name.ends_with(&format!("_{}", d.name))).map(|d| d.hidden).next();
                1.0 / (hidden.unwrap_or(1) as f64).sqrt()
            };
            // The head's scale: logits of a table drawn as an embedding would be far too large.
            let normal = tensor.name == "embedding.weight" && !tied;
            tensor.each(|index, place| {
                let index = index as u64;
                let drawn = || if normal { rng.normal(index) } else { bound * (2.0 * rng.uniform(index) - 1.0) };
                let value = tensor.start.unwrap_or_else(drawn);
                flat[place] = E::from_f64(if tensor.has(index as usize) { value } else { 0.0 });
            });
        }
        for (gain, bias) in self.stack.layers.iter().filter_map(|layer| layer.between.as_ref()?.norm_tensors()) {
            for tensor in self.parameters.tensors.iter().filter(|t| t.offset == gain || t.offset == bias) {
                let value = if tensor.offset == gain { E::ONE } else { E::ZERO };
                tensor.each(|_, place| flat[place] = value);
            }
        }
        for tensor in self.parameters.tensors.iter().filter(|tensor| tensor.name.starts_with("initial.")) {
            tensor.each(|_, place| flat[place] = E::ZERO);
        }
        let directions = self.stack.layers.iter().flat_map(|layer| &layer.directions);
        initialize(&self.spec.options.initialization, directions, &self.parameters, flat, seed);
    }

    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Instruction set in use.
    pub fn kernel(&self) -> KernelKind {
        self.stack.kernels.kind
    }

    /// Number of trainable numbers.
    pub fn parameter_count(&self) -> usize {
        self.parameters.count()
    }

    /// All weights under PyTorch's names and in its layout.
    pub fn parameters(&self) -> Vec<NamedTensor<E>> {
        self.parameters.read(self.weights.slice(self.parameters.length), "")
    }

    /// Sets all weights; `PARAMETER_MISSING` or `PARAMETER_SHAPE` names the tensor, and then nothing has changed.
    pub fn load_parameters(&mut self, tensors: &[NamedTensor<E>]) -> Result<(), EngineError> {
        self.kept = Kept::default();
        self.stored = false;
        self.parameters.write(self.weights.slice_mut(self.parameters.length), "", tensors)
    }

    /// Gradients of the last training step, before clipping.
    pub fn gradients(&self) -> Vec<NamedTensor<E>> {
        self.parameters.read(self.gradients.slice(self.parameters.length), "")
    }

    /// What the optimiser keeps, each weight's under the prefix that `Moments` names; nothing before the first step or
    /// for plain SGD.
    pub fn optimizer_state(&self) -> Vec<NamedTensor<E>> {
        let moments = [(&self.first_moments, self.moments.first), (&self.second_moments, self.moments.second)];
        let length = self.parameters.length;
        let kept = moments.into_iter().filter_map(|(buffer, prefix)| Some((buffer, prefix?)));
        kept.flat_map(|(buffer, prefix)| self.parameters.read(buffer.slice(length), prefix)).collect()
    }

    /// Sets the optimiser's state from what `optimizer_state` gave; the names say which optimiser it belongs to.
    pub fn load_optimizer_state(&mut self, tensors: &[NamedTensor<E>]) -> Result<(), EngineError> {
        let moments = Moments::of_names(tensors.iter().map(|tensor| tensor.name.as_str()));
        self.use_moments(moments);
        let length = self.parameters.length;
        if let Some(prefix) = moments.first {
            self.parameters.write(self.first_moments.slice_mut(length), prefix, tensors)?;
        }
        if let Some(prefix) = moments.second {
            self.parameters.write(self.second_moments.slice_mut(length), prefix, tensors)?;
        }
        Ok(())
    }

    /// Makes room for that kind of state; it starts at zero when the kind changes.
    fn use_moments(&mut self, moments: Moments) {
        if self.moments == moments {
            return;
        }
        let length = self.parameters.length;
        for (buffer, prefix) in [(&mut self.first_moments, moments.first), (&mut self.second_moments, moments.second)] {
            if prefix.is_some() {
                buffer.reserve(length);
                buffer.slice_mut(length).fill(E::ZERO);
            }
        }
        self.moments = moments;
    }

    /// States for a batch whose sequences all begin: zero, and marked so for learned initial states.
    pub fn zero_states(&self, batch: usize) -> States<E> {
        let mut entries = Vec::new();
        for direction in self.directions() {
            for (s, state) in direction.cell.info().states.iter().enumerate() {
                let size = direction.state_size(s);
                entries.push(StateEntry {
                    name: format!("{state}0_{}", direction.name),
                    hidden_size: size,
                    data: vec![E::ZERO; batch * size],
                    begins: vec![true; batch],
                });
            }
        }
        States { batch, steps: 0, entries }
    }

    fn directions(&self) -> impl Iterator<Item = &Direction<E>> {
        self.stack.layers.iter().flat_map(|layer| &layer.directions)
    }

    /// Forward, loss, backward, clipping and update. `states` holds the initial states and receives the final ones,
    /// cut off from the past. `step` counts the updates done before (Adam's correction and the dropout masks use it).
    /// When the loss or the gradient norm is not finite, weights, optimiser state and `states` stay as they were.
    pub fn train_step(
        &mut self,
        batch: &Batch<E>,
        target: &Target<E>,
        states: &mut States<E>,
        step: u64,
        update: &Update,
    ) -> Result<StepOutcome, EngineError> {
        self.train_step_with(batch, target, states, step, update, &StepOptions::default())
    }

    /// The same with options. A batch that is a part of an update gives its own norm, the last part that of the whole
    /// update's gradient and the mean loss over all valid targets of the update.
    pub fn train_step_with(
        &mut self,
        batch: &Batch<E>,
        target: &Target<E>,
        states: &mut States<E>,
        step: u64,
        update: &Update,
        options: &StepOptions,
    ) -> Result<StepOutcome, EngineError> {
        self.check_target(batch, target)?;
        self.use_moments(update.optimizer.moments());
        self.summed.prepare(options.part, self.parameters.length);
        let work = Work {
            target: Some(*target),
            backward: true,
            update: Some((*update, step)),
            dropout: Some((update.seed, options.draw.unwrap_or(step))),
            traced: false,
            pairs: self.pairs,
            options: *options,
        };
        self.stored = false;
        let done = self.pass(batch, states, work)?;
        let grad_norm = done.norm;
        let non_finite = if done.loss.sum.is_finite() && grad_norm.is_finite() {
            // Carried from before the first step, the states stay as they are, also those that sequences begin with.
            if options.carry_after != Some(0) {
                self.store_states(states, batch, options.carry_after.unwrap_or(batch.time));
            }
            None
        } else {
            Some(self.find_non_finite(batch, states, Work { backward: false, update: None, ..work })?)
        };
        self.summed.add(done.loss);
        Ok(StepOutcome { loss: self.summed.loss.mean(), grad_norm, non_finite })
    }

    /// Evaluation: outputs `[T*B*out]` (or `[B*out]` with `LastStep`); `states` receives the final states; `taps`
    /// receives gates and states when given.
    pub fn forward(
        &mut self,
        batch: &Batch<E>,
        states: &mut States<E>,
        taps: Option<&mut Taps<E>>,
    ) -> Result<Vec<E>, EngineError> {
        self.pass(batch, states, Work::default())?;
        if let Some(taps) = taps {
            *taps = self.read_taps(batch);
        }
        self.store_states(states, batch, batch.time);
        Ok(self.outputs(batch))
    }

    /// Evaluation: the loss, not yet divided; `states` receives the final states.
    pub fn loss(
        &mut self,
        batch: &Batch<E>,
        target: &Target<E>,
        states: &mut States<E>,
    ) -> Result<LossSum, EngineError> {
        self.check_target(batch, target)?;
        let done = self.pass(batch, states, Work { target: Some(*target), ..Work::default() })?;
        self.store_states(states, batch, batch.time);
        Ok(done.loss)
    }

    /// Gates, states and dL/d(everything) of one batch in evaluation mode; `gradients()` then holds those of the
    /// weights. `states` is left as it is.
    pub fn backward_traced(
        &mut self,
        batch: &Batch<E>,
        target: &Target<E>,
        states: &States<E>,
    ) -> Result<Traced<E>, EngineError> {
        self.check_target(batch, target)?;
        // The backward pass overwrites the gates and the loss overwrites the outputs, so these are read first.
        self.pass(batch, states, Work::default())?;
        let taps = self.read_taps(batch);
        let outputs = self.outputs(batch);
        let work = Work { target: Some(*target), backward: true, traced: true, ..Work::default() };
        let done = self.pass(batch, states, work)?;
        Ok(Traced {
            loss: done.loss.mean(),
            outputs,
            taps,
            gradients: self.read_state_gradients(batch),
            initial: self.read_initial_gradients(batch.batch),
            input: self.read_input_gradient(batch),
        })
    }

    fn check_target(&self, batch: &Batch<E>, target: &Target<E>) -> Result<(), EngineError> {
        let rows = self.head.rows(batch.time, batch.batch);
        let (given, wanted) = match target {
            Target::Tokens(tokens) => (tokens.len(), rows),
            Target::Values(values) | Target::Bits(values) => (values.len(), rows * self.head.outputs),
        };
        if given != wanted {
            return Err(EngineError::new("BATCH_INVALID", format!("The target has {given} entries, not {wanted}.")));
        }
        if let Target::Tokens(tokens) = target {
            let limit = self.head.outputs as u32;
            if let Some(token) = tokens.iter().find(|&&t| t >= limit && t != crate::spec::IGNORED) {
                let message = format!("The target token {token} is not below the head's {limit} outputs.");
                return Err(EngineError::new("BATCH_INVALID", message));
            }
        }
        Ok(())
    }

    fn check_batch(&self, batch: &Batch<E>) -> Result<(), EngineError> {
        let invalid = |message: String| Err(EngineError::new("BATCH_INVALID", message));
        let rows = batch.time * batch.batch;
        if rows == 0 {
            return invalid("The batch is empty.".into());
        }
        match (self.spec.input, batch.input) {
            (InputSpec::Tokens { vocabulary_size, .. }, Input::Tokens(tokens)) => {
                if tokens.len() != rows {
                    return invalid(format!("The batch has {} tokens, not {rows}.", tokens.len()));
                }
                if let Some(token) = tokens.iter().find(|&&t| t as usize >= vocabulary_size) {
                    return invalid(format!("The token {token} is not in the vocabulary of {vocabulary_size}."));
                }
            }
            (InputSpec::Series { input_size }, Input::Series(values)) => {
                if values.len() != rows * input_size {
                    return invalid(format!("The batch has {} values, not {}.", values.len(), rows * input_size));
                }
            }
            _ => return invalid("Tokens were given to a model of series, or the reverse.".into()),
        }
        let fits =
            |lengths: &[usize]| lengths.len() == batch.batch && lengths.iter().all(|&n| n >= 1 && n <= batch.time);
        if !batch.lengths.is_none_or(fits) {
            return invalid(format!("There must be {} lengths from 1 to {}.", batch.batch, batch.time));
        }
        Ok(())
    }

    /// One pass over a batch: all workers run `work_through` together.
    fn pass(&mut self, batch: &Batch<E>, states: &States<E>, work: Work<E>) -> Result<Done, EngineError> {
        self.check_batch(batch)?;
        let (time, size) = (batch.time, batch.batch);
        let rows = time * size;
        let whole_vocabulary = self.uses_whole_vocabulary(&work);
        let distinct = match (&mut self.embedding, batch.input) {
            (Some(embedding), Input::Tokens(_)) if whole_vocabulary => embedding.vocabulary,
            (Some(embedding), Input::Tokens(tokens)) => {
                embedding.read(tokens);
                embedding.distinct.len()
            }
            _ => 0,
        };
        self.stack.first_step = states.steps;
        self.stack.reserve(time, size, distinct, work.dropout.is_some(), work.backward, work.traced);
        self.head.reserve(time, size, work.backward, self.pool.threads());
        if work.pairs.is_some() {
            self.stack.reserve_pairs(time, size, distinct, self.head.widths());
            self.head.reserve_pairs();
        }
        self.losses.reserve(self.head.rows(time, size));
        self.load_states(states, time, size)?;
        let input_gradient = match (work.traced, self.spec.input) {
            (true, InputSpec::Series { input_size }) => {
                self.input_gradient.reserve(rows * input_size.next_multiple_of(LANES));
                self.input_gradient.at(0)
            }
            _ => std::ptr::null_mut(),
        };
        let source = match (batch.input, &self.embedding) {
            (Input::Series(values), _) => Source::Series(values.as_ptr()),
            (Input::Tokens(tokens), Some(embedding)) if whole_vocabulary => Source::Tokens {
                embedded: self.weights.at(embedding.weight),
                width: embedding.width,
                distinct,
                index: tokens.as_ptr(),
            },
            (Input::Tokens(_), Some(embedding)) => Source::Tokens {
                embedded: embedding.rows.at(0),
                width: embedding.width,
                distinct,
                index: embedding.index.as_ptr(),
            },
            (Input::Tokens(_), None) => unreachable!("check_batch compares input and model"),
        };
        let last_step = self.head.mode == HeadMode::LastStep;
        let scope = Scope {
            batch: size,
            lengths: if last_step { None } else { batch.lengths },
            outputs: self.head.outputs,
            values: self.spec.options.loss,
        };
        let count = work.target.map_or(0, |target| scope.count(&target, self.head.rows(time, size)));
        let pass = Pass {
            time,
            batch: size,
            lengths: batch.lengths,
            weights: self.weights.at(0),
            gradients: self.gradients.at(0),
            source,
            dropout: work.dropout,
            output_gradient: self.head.reads_outputs(&self.stack),
            final_gradients: if work.backward { self.head.final_gradients(&self.stack) } else { Vec::new() },
            traced: work.traced,
            input_gradient,
            kept: self.kept,
            whole_vocabulary,
            pairs: work.pairs,
            stored: self.stored && !work.backward && work.dropout.is_none(),
            narrow: !work.backward && self.head.attention.is_none() && self.stack.is_narrow(size, self.pool.threads()),
        };
        let result = std::sync::Mutex::new(Done { loss: LossSum::default(), norm: 0.0 });
        let this = &*self;
        let pool = &this.pool;
        pool.run(|worker| {
            let done = unsafe { this.work_through(&pass, &work, scope, count, worker) };
            if worker.index == 0 {
                *result.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = done;
            }
        });
        if let Some(embedding) = self.embedding.as_mut().filter(|_| work.backward) {
            embedding.remember();
        }
        self.kept = match work.update {
            Some(_) => Kept::default(),
            None => Kept { biases: true, table: whole_vocabulary, passes: self.kept.passes + 1 },
        };
        Ok(result.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Whether a pass takes the first layer's sums from a table of the whole vocabulary, which then serves further
    /// passes over the same weights.
    fn uses_whole_vocabulary(&self, work: &Work<E>) -> bool {
        let Some(embedding) = self.embedding.as_ref().filter(|embedding| !embedding.is_shared()) else { return false };
        let sums = |d: &Direction<E>| d.panels * d.line() * embedding.vocabulary;
        let fits = self.stack.layers[0].directions.iter().map(sums).sum::<usize>() <= MOST_KEPT;
        fits && !work.backward && work.dropout.is_none() && self.kept.passes >= PASSES_BEFORE_KEEPING
    }

    /// A worker's way through a pass. Barriers stand where one worker reads what others wrote.
    ///
    /// # Safety
    /// To be run by all workers of the pool together, with the workspace reserved and the initial states loaded.
    unsafe fn work_through(&self, pass: &Pass<E>, work: &Work<E>, scope: Scope, count: usize, worker: &Worker) -> Done {
        let (stack, head) = (&self.stack, &self.head);
        let mut done = Done { loss: LossSum { sum: 0.0, count }, norm: 0.0 };
        unsafe {
            stack.prepare(pass, worker, work.backward);
            if work.backward {
                head.prepare(pass, worker);
            }
            if let Some(embedding) = &self.embedding {
                if !pass.whole_vocabulary {
                    embedding.gather(pass.weights, pass.dropout, worker);
                }
                if work.backward {
                    embedding.forget(pass.gradients, worker);
                }
            }
            worker.barrier();
            if self.embedding.is_some() && !(pass.whole_vocabulary && pass.kept.table) {
                stack.token_tables(pass, worker);
                worker.barrier();
            }
            if pass.narrow {
                stack.forward_narrow(head, pass, worker);
            } else {
                stack.forward(pass, worker);
                head.forward(stack, pass, worker);
            }
            let Some(target) = work.target else { return done };
            let scale = (work.backward && count > 0).then(|| 1.0 / count as f64);
            // Without a valid target there is no gradient; a factor of 0 then makes all of them 0.
            let scale = if work.backward { Some(scale.unwrap_or(0.0)) } else { None };
            for (first, rows) in head.blocks(stack, pass, worker).stretches() {
                let out = Rows { values: head.values.at(0), width: head.width, losses: self.losses.at(0) };
                let smoothing = work.options.label_smoothing;
                smoothed_row_losses(&stack.kernels, scope, &target, first..first + rows, out, scale, smoothing);
            }
            if work.backward {
                head.backward(stack, pass, worker);
                stack.backward(pass, worker);
                worker.barrier();
                stack.weight_gradients(pass, worker);
                head.weight_gradients(stack, pass, worker);
                if let Some(embedding) = &self.embedding {
                    worker.barrier();
                    stack.embedding_gradient(pass, worker, embedding.gradient.at(0));
                    embedding.spread(pass.gradients, pass.dropout, worker);
                }
            }
            worker.barrier();
            done.loss.sum = self.losses.slice(head.rows(pass.time, pass.batch)).iter().sum();
            if let Some((update, step)) = &work.update {
                done.norm = self.gradient_norm(pass.gradients, worker);
                if done.loss.sum.is_finite() && done.norm.is_finite() {
                    done.norm = self.finish_batch(work, (update, *step), count, done.norm, worker);
                }
            }
        }
        done
    }

    fn load_states(&mut self, states: &States<E>, time: usize, batch: usize) -> Result<(), EngineError> {
        let mut entries = states.entries.iter();
        for layer in &mut self.stack.layers {
            for direction in &mut layer.directions {
                for s in 0..direction.layout.states {
                    let (size, width) = (direction.state_size(s), direction.state_width(s));
                    let first = direction.initial_block(time) * batch * width;
                    let name = format!("{}0_{}", direction.cell.info().states[s], direction.name);
                    let entry = entries
                        .next()
                        .filter(|entry| entry.name == name && entry.data.len() == batch * size)
                        .ok_or_else(|| {
                        let message =
                            format!("The states need \"{name}\" for a batch of {batch} here, and nothing else.");
                        EngineError::at("STATES_INVALID", &name, message)
                    })?;
                    let buffer = &mut direction.states[s];
                    let end = first + batch * width;
                    let rows = buffer.slice_mut(end)[first..].chunks_exact_mut(width);
                    for (row, from) in rows.zip(entry.data.chunks_exact(size)) {
                        row[..size].copy_from_slice(from);
                        row[size..].fill(E::ZERO);
                    }
                    let weights = self.weights.slice(self.parameters.length);
                    direction.initial.fill(s, entry, weights, &mut buffer.slice_mut(end)[first..]);
                    if s == direction.layout.reads {
                        direction.starts_at_zero = buffer.slice(end)[first..].iter().all(|&value| value == E::ZERO);
                    }
                }
            }
        }
        Ok(())
    }

    /// The states after `time` steps of the batch; padding is no step.
    fn store_states(&self, states: &mut States<E>, of: &Batch<E>, time: usize) {
        let batch = states.batch;
        let longest = of.lengths.and_then(|lengths| lengths.iter().copied().max());
        states.steps += longest.map_or(time, |longest| longest.min(time));
        let mut entries = states.entries.iter_mut();
        for direction in self.directions() {
            for s in 0..direction.layout.states {
                let width = direction.state_width(s);
                let first = direction.final_block(time) * batch * width;
                let entry = entries.next().expect("load_states has compared them");
                let rows = direction.states[s].slice(first + batch * width);
                copy_rows(&rows[first..], width, direction.state_size(s), &mut entry.data);
                entry.begins.fill(false);
            }
        }
    }

    /// The head's outputs, without padding.
    fn outputs(&self, batch: &Batch<E>) -> Vec<E> {
        let rows = self.head.rows(batch.time, batch.batch);
        let mut data = vec![E::ZERO; rows * self.head.outputs];
        copy_rows(self.head.values.slice(rows * self.head.width), self.head.width, self.head.outputs, &mut data);
        data
    }

    fn read_taps(&self, batch: &Batch<E>) -> Taps<E> {
        let mut taps = Taps::new();
        let rows = batch.time * batch.batch;
        for direction in self.directions() {
            let line = direction.line();
            for signal in direction.cell.info().signals {
                let size = direction.signal_size(signal);
                let data = match signal.source {
                    SignalSource::Slot(slot) => {
                        let gates = direction.gates.slice(rows * line * direction.panels);
                        self.batch_first(batch, size, |row, unit| {
                            gates[(unit / LANES * rows + row) * line + slot * LANES + unit % LANES]
                        })
                    }
                    SignalSource::Share(slot, other) => {
                        let gates = direction.gates.slice(rows * line * direction.panels);
                        self.batch_first(batch, direction.hidden, |row, unit| {
                            let at = (unit / LANES * rows + row) * line + unit % LANES;
                            let (own, rest) = (gates[at + slot * LANES], gates[at + other * LANES]);
                            own / (own + rest)
                        })
                    }
                    SignalSource::State(s) => {
                        let width = direction.state_width(s);
                        let first = direction.block_after(0) * batch.batch;
                        let states = direction.states[s].slice((rows + batch.batch) * width);
                        self.batch_first(batch, size, |row, unit| states[(first + row) * width + unit])
                    }
                };
                taps.entries.push(Tap {
                    name: format!("{}.{}", direction.name, signal.name),
                    shape: [batch.batch, batch.time, size],
                    data,
                });
            }
        }
        taps.entries.extend(self.attention_tap(batch));
        taps
    }

    /// `attention.weights` `[B, Tq, Tk]`, where the model has attention.
    fn attention_tap(&self, batch: &Batch<E>) -> Option<Tap<E>> {
        let attention = self.head.attention.as_ref()?;
        let queries = self.head.rows(batch.time, batch.batch) / batch.batch;
        let data = attention.read(&attention.weights, queries, batch.time, batch.batch);
        Some(Tap { name: "attention.weights".into(), shape: [batch.batch, queries, batch.time], data })
    }

    fn read_state_gradients(&self, batch: &Batch<E>) -> Taps<E> {
        let mut taps = Taps::new();
        let rows = batch.time * batch.batch;
        for direction in self.directions() {
            for (s, state) in direction.cell.info().states.iter().enumerate() {
                let (size, width) = (direction.state_size(s), direction.state_width(s));
                let totals = direction.totals[s].slice(rows * width);
                taps.entries.push(Tap {
                    name: format!("{}.{state}", direction.name),
                    shape: [batch.batch, batch.time, size],
                    data: self.batch_first(batch, size, |row, unit| totals[row * width + unit]),
                });
            }
        }
        taps
    }

    /// `[B, T, H]` from a value per row t * B + b and unit; 0 at padded steps.
    fn batch_first(&self, batch: &Batch<E>, hidden: usize, value: impl Fn(usize, usize) -> E) -> Vec<E> {
        let mut data = Vec::with_capacity(batch.batch * batch.time * hidden);
        for b in 0..batch.batch {
            let valid = batch.lengths.map_or(batch.time, |lengths| lengths[b]);
            for t in 0..batch.time {
                let row = t * batch.batch + b;
                data.extend((0..hidden).map(|unit| if t < valid { value(row, unit) } else { E::ZERO }));
            }
        }
        data
    }

    fn read_initial_gradients(&self, batch: usize) -> States<E> {
        let mut states = self.zero_states(batch);
        let mut entries = states.entries.iter_mut();
        for direction in self.directions() {
            for s in 0..direction.layout.states {
                let entry = entries.next().expect("one entry per state");
                let width = direction.state_width(s);
                copy_rows(direction.carry[s].slice(batch * width), width, direction.state_size(s), &mut entry.data);
            }
        }
        states
    }

    fn read_input_gradient(&self, batch: &Batch<E>) -> Vec<E> {
        let InputSpec::Series { input_size } = self.spec.input else { return Vec::new() };
        let rows = batch.time * batch.batch;
        let width = input_size.next_multiple_of(LANES);
        let mut data = vec![E::ZERO; rows * input_size];
        copy_rows(self.input_gradient.slice(rows * width), width, input_size, &mut data);
        data
    }

    /// Runs the forward pass again and looks for the first value that is not finite: in the input, then layer by layer
    /// in the order of the recurrence, then in the outputs, at last in the gradients of the step before.
    fn find_non_finite(
        &mut self,
        batch: &Batch<E>,
        states: &States<E>,
        work: Work<E>,
    ) -> Result<NonFinite, EngineError> {
        let found = |layer: &str, tensor: &str, time_step, row, unit| NonFinite {
            layer: layer.into(),
            tensor: tensor.into(),
            time_step,
            row,
            unit,
        };
        if let Input::Series(values) = batch.input
            && let Some(at) = values.iter().position(|v| !v.finite())
        {
            let input_size = self.spec.input.width();
            let row = at / input_size;
            let place = (Some(row / batch.batch), Some(row % batch.batch), Some(at % input_size));
            return Ok(found("input", "series", place.0, place.1, place.2));
        }
        let gradient = self.parameters.read(self.gradients.slice(self.parameters.length), "");
        for tensor in self.parameters() {
            if tensor.data.iter().any(|v| !v.finite()) {
                return Ok(found("weights", &tensor.name, None, None, None));
            }
        }
        self.pass(batch, states, Work { target: None, ..work })?;
        let rows = batch.time * batch.batch;
        for direction in self.directions() {
            let line = direction.line();
            let gates = direction.gates.slice(rows * line * direction.panels);
            for step in direction.steps(batch.time) {
                for b in 0..batch.batch {
                    let row = step * batch.batch + b;
                    for signal in direction.cell.info().signals {
                        let unit = (0..direction.signal_size(signal)).find(|&unit| {
                            let value = match signal.source {
                                SignalSource::Slot(slot) => {
                                    gates[(unit / LANES * rows + row) * line + slot * LANES + unit % LANES]
                                }
                                SignalSource::Share(slot, other) => {
                                    let at = (unit / LANES * rows + row) * line + unit % LANES;
                                    gates[at + slot * LANES] + gates[at + other * LANES]
                                }
                                SignalSource::State(s) => {
                                    let width = direction.state_width(s);
                                    let after = (direction.block_after(step) * batch.batch + b) * width;
                                    direction.states[s].slice(after + width)[after + unit]
                                }
                            };
                            !value.finite()
                        });
                        if unit.is_some() {
                            return Ok(found(&direction.name, signal.name, Some(step), Some(b), unit));
                        }
                    }
                }
            }
        }
        if let Some(at) = self.outputs(batch).iter().position(|v| !v.finite()) {
            let row = at / self.head.outputs;
            let step = (self.head.mode == HeadMode::EveryStep).then_some(row / batch.batch);
            return Ok(found("head", "output", step, Some(row % batch.batch), Some(at % self.head.outputs)));
        }
        for tensor in gradient {
            if tensor.data.iter().any(|v| !v.finite()) {
                return Ok(found("gradient", &tensor.name, None, None, None));
            }
        }
        Ok(found("loss", "loss", None, None, None))
    }
}

/// Rows of `width` numbers, the first `kept` of each.
fn copy_rows<E: Copy>(rows: &[E], width: usize, kept: usize, out: &mut [E]) {
    for (from, to) in rows.chunks_exact(width).zip(out.chunks_exact_mut(kept)) {
        to.copy_from_slice(&from[..kept]);
    }
}
