//! The training loop. Between two steps, in this order: commands, recorded trace, validation, checkpoint. All of
//! it depends on the number of finished steps alone, so a resumed run does what an undisturbed one does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cells::find_cell;
use crate::checkpoint::{self, Best, CheckpointState, CheckpointTensors, DataPosition, RandomState};
use crate::config::{DataConfig, Probe, RunConfig, SequenceContent, SequenceData, SplitName, Splits, TrainJob};
use crate::error::EngineError;
use crate::evaluate::{Limit, Measured, Source, measure};
use crate::generate::{self, SampleRequest};
use crate::kernels::kernel_name;
use crate::metrics::{Metrics, MetricsRecord, StepRecord};
use crate::model::Model;
use crate::pool::Pool;
use crate::rng::{Purpose, Rng};
use crate::spec::{InputSpec, ModelSpec, NamedTensor, NonFinite, NumberFormat, States};
use crate::tensor_file;
use crate::trace::{self, TraceLabel};

use super::averaging::Averaging;
use super::changes::{Change, Changes, Setting};
use super::events::{EndStatus, Event, Failure, FrameSlot, Listener};
use super::feed::Feed;
use super::insight;
use super::live::LivePace;
use super::log::MetricsLog;
use super::mailbox::{Command, Mailbox};
use super::recorder::Recorder;
use super::schedule::learning_rate;
use super::stopwatch::Stopwatch;

/// Most tokens of a validation during training, from the split's start.
const VALIDATION_TOKENS: u64 = 1 << 17;
/// Most tokens of the measurements at the end, some seconds of work; the train split is bounded by
/// `VALIDATION_TOKENS`. `evaluate` measures whole splits.
const FINAL_TOKENS: u64 = 1 << 19;
/// Most training windows measured at the end.
const FINAL_TRAIN_WINDOWS: usize = 4096;
/// Tokens and temperature of the samples at validations.
const SAMPLE_LENGTH: usize = 200;
const SAMPLE_TEMPERATURE: f64 = 0.7;
/// Shortest time between two step events.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);
/// Weight of the newest step in the shown speed.
const SPEED_WEIGHT: f64 = 0.1;

/// Steps between two measurements of how far the weights move.
const MOVEMENT_EVERY: u64 = 10;

/// How the loop ended.
enum End {
    /// Nothing more to say: the process is about to go.
    Interrupted,
    Done(EndStatus),
}

/// What to do after the mailbox was emptied.
enum Verdict {
    GoOn,
    Stop,
    Interrupt,
}

/// Numbers that a checkpoint carries on.
#[derive(Default)]
struct Progress {
    step: u64,
    best: Option<Best>,
    stale_validations: u64,
    rate_reductions: u32,
    evaluated_step: Option<u64>,
    step_ms: f64,
    tokens_seen: u64,
}

struct Trainer<'a> {
    job: &'a TrainJob,
    listener: &'a dyn Listener,
    mailbox: &'a Mailbox,
    frames: &'a FrameSlot,
    spec: ModelSpec,
    model: Model<f32>,
    source: Source,
    feed: Feed,
    /// The job's, with the changes made since.
    config: RunConfig,
    changes: Changes,
    averaging: Averaging,
    steps_per_epoch: u64,
    total_steps: Option<u64>,
    progress: Progress,
    saved_step: Option<u64>,
    last_saved: Instant,
    clock: Stopwatch,
    log: MetricsLog,
    recorder: Recorder,
    probe: Probe,
    live: LivePace,
    speed: Option<f64>,
    last_event: Option<Instant>,
    last_insight: Option<Instant>,
}

/// Steps that a configuration allows at most.
fn total_steps(config: &RunConfig, steps_per_epoch: u64) -> Option<u64> {
    let epochs_end = config.training.max_epochs.map(|epochs| epochs * steps_per_epoch);
    config.training.max_steps.into_iter().chain(epochs_end).min()
}

/// Trains until the end, telling the listener.
pub(super) fn run(job: &TrainJob, listener: &dyn Listener, mailbox: &Mailbox, frames: &FrameSlot) {
    let mut trainer = match Trainer::open(job, listener, mailbox, frames) {
        Ok(trainer) => trainer,
        Err(error) => return listener.event(Event::Failed { step: 0, error: error.into() }),
    };
    let outcome = trainer.train();
    let flushed = trainer.log.flush();
    let outcome = outcome.and_then(|()| flushed.map_err(Failure::from));
    if let Err(error) = outcome {
        listener.event(Event::Failed { step: trainer.progress.step, error });
    }
}

impl<'a> Trainer<'a> {
    fn open(
        job: &'a TrainJob,
        listener: &'a dyn Listener,
        mailbox: &'a Mailbox,
        frames: &'a FrameSlot,
    ) -> Result<Self, EngineError> {
        let training = &job.config.training;
        let spec = job.config.model_spec(&job.data)?;
        let source = Source::open(&job.data)?;
        let mut model = Model::new(spec.clone(), training.seed, Arc::new(Pool::new(job.threads)))?;
        if training.products == NumberFormat::Bfloat16 {
            model.round_products()?;
        }
        let mut feed = Feed::open(&job.data, training, &model)?;
        let steps_per_epoch = feed.steps_per_epoch();
        let mut average_state = None;
        let mut progress = Progress::default();
        let mut elapsed_ms = 0.0;
        let mut saved_step = None;
        if let Some(directory) = &job.resume_from {
            let (state, tensors) = checkpoint::load(directory)?;
            if tensors.raw.is_empty() {
                model.load_parameters(&tensors.model)?;
            } else {
                model.load_parameters(&tensors.raw)?;
                model.load_average(&tensors.model)?;
            }
            model.load_optimizer_state(&tensors.optimizer)?;
            load_states(&mut feed.states, &tensors.states, directory)?;
            feed.go_on_from(state.step);
            average_state = state.average;
            checkpoint::remove_after(&job.directory, state.step)?;
            elapsed_ms = state.elapsed_ms;
            saved_step = Some(state.step);
            // A best checkpoint that is gone or damaged cannot be tested at the end: the next validation sets a new one.
            let best = state.best.filter(|best| {
                best.step == state.step
                    || checkpoint::verify(&checkpoint::directory_of(&job.directory, best.step)).is_ok()
            });
            progress = Progress {
                step: state.step,
                best,
                stale_validations: state.stale_validations,
                rate_reductions: state.rate_reductions,
                evaluated_step: state.evaluated_step,
                step_ms: state.step_ms,
                tokens_seen: state.tokens_seen,
            };
        } else if let Some(path) = &job.initial_weights {
            let bytes = std::fs::read(path).map_err(|error| crate::files::io_error("read", path, &error))?;
            model.load_parameters(&tensor_file::decode(&bytes, path)?)?;
        }
        std::fs::create_dir_all(&job.directory)
            .map_err(|error| crate::files::io_error("write", &job.directory, &error))?;
        let averaging = Averaging::new(&training.average, average_state);
        if averaging.is_on() && !averaging.holds() {
            model.keep_average();
        }
        // Traces are spread over the length the run began with, so that a continued one records the same.
        let planned = total_steps(&job.config, steps_per_epoch);
        let mut config = job.config.clone();
        let changes = Changes::open(&job.directory, saved_step, &mut config)?;
        Ok(Trainer {
            log: MetricsLog::open(&job.directory.join("metrics.jsonl"), progress.step)?,
            recorder: Recorder::open(&job.directory, progress.step, planned)?,
            probe: job.probe.clone(),
            live: LivePace::new(job.probe.every_ms()),
            clock: Stopwatch::started(elapsed_ms),
            last_saved: Instant::now(),
            speed: None,
            last_event: None,
            last_insight: None,
            job,
            listener,
            mailbox,
            frames,
            spec,
            model,
            source,
            feed,
            total_steps: total_steps(&config, steps_per_epoch),
            config,
            changes,
            averaging,
            steps_per_epoch,
            progress,
            saved_step,
        })
    }

    fn train(&mut self) -> Result<(), Failure> {
        self.listener.event(Event::Started {
            step: self.progress.step,
            parameters: self.model.parameter_count(),
            threads: self.job.threads,
            kernel: kernel_name().to_string(),
            total_steps: self.total_steps,
        });
        match self.steps()? {
            End::Interrupted => {
                self.checkpoint(false)?;
                Ok(())
            }
            End::Done(status) => self.finish(status),
        }
    }

    fn steps(&mut self) -> Result<End, Failure> {
        loop {
            match self.obey()? {
                Verdict::Interrupt => return Ok(End::Interrupted),
                Verdict::Stop => {
                    self.checkpoint(false)?;
                    return Ok(End::Done(EndStatus::Stopped));
                }
                Verdict::GoOn => {}
            }
            let step = self.progress.step;
            let evaluation_is_due = self.evaluation_is_due();
            if (evaluation_is_due || self.recorder.is_due(step)) && !self.recorder.holds(step) {
                self.record_trace()?;
            }
            let mut is_best = false;
            if evaluation_is_due {
                match self.validate()? {
                    Some(best) => is_best = best,
                    None => return Ok(End::Interrupted),
                }
            }
            let is_over = self.is_over();
            if is_best || is_over || self.checkpoint_is_due() {
                self.checkpoint(is_best)?;
            }
            if is_over {
                return Ok(End::Done(EndStatus::Finished));
            }
            self.step()?;
            self.live_frame()?;
        }
    }

    fn stopped_early(&self) -> bool {
        self.config.early_stopping.patience.is_some_and(|patience| self.progress.stale_validations >= patience)
    }

    fn is_last_step(&self) -> bool {
        self.total_steps.is_some_and(|total| self.progress.step >= total)
    }

    fn is_over(&self) -> bool {
        self.is_last_step() || self.stopped_early()
    }

    fn evaluation_is_due(&self) -> bool {
        let step = self.progress.step;
        let every = self.job.config.evaluation.every_steps.unwrap_or(self.steps_per_epoch);
        step > 0 && self.progress.evaluated_step != Some(step) && (step.is_multiple_of(every) || self.is_last_step())
    }

    fn checkpoint_is_due(&self) -> bool {
        let config = &self.job.config.checkpoint;
        let step = self.progress.step;
        let by_time = self.last_saved.elapsed().as_secs_f64() >= config.every_seconds;
        step > 0 && self.saved_step != Some(step) && (step.is_multiple_of(config.every_steps) || by_time)
    }

    /// Carries out the commands that wait; a pause lasts inside.
    fn obey(&mut self) -> Result<Verdict, Failure> {
        while let Some(change) = self.changes.replay(self.progress.step, &mut self.config)? {
            self.tell_change(change)?;
        }
        let mut is_paused = false;
        loop {
            let command = if is_paused { Some(self.mailbox.wait()) } else { self.mailbox.take() };
            match command {
                None => return Ok(Verdict::GoOn),
                Some(Command::Pause) if !is_paused => {
                    is_paused = true;
                    self.clock.pause();
                    self.log.flush()?;
                    self.listener.event(Event::Paused { step: self.progress.step });
                }
                Some(Command::Resume) if is_paused => {
                    is_paused = false;
                    self.clock.resume();
                    self.listener.event(Event::Resumed { step: self.progress.step });
                }
                Some(Command::Pause | Command::Resume) => {}
                Some(Command::Stop) => {
                    self.clock.resume();
                    return Ok(Verdict::Stop);
                }
                Some(Command::Interrupt) => return Ok(Verdict::Interrupt),
                Some(Command::Change(settings)) => self.change(&settings)?,
                Some(Command::SetProbe(probe)) => {
                    self.live.set_shortest(probe.every_ms());
                    self.probe = probe;
                    self.live.hurry();
                }
                Some(Command::SetLive(is_on)) => {
                    self.live.is_on = is_on;
                    self.live.hurry();
                }
            }
            if is_paused {
                self.live_frame()?;
            }
        }
    }

    /// Settings changed between two steps. What cannot be changed is told and changes nothing.
    fn change(&mut self, settings: &[Setting]) -> Result<(), Failure> {
        match self.changes.make(self.progress.step, settings, &mut self.config) {
            Ok(made) => made.into_iter().try_for_each(|change| self.tell_change(change)),
            Err(error) => {
                self.listener.event(Event::Refused { step: self.progress.step, error: error.into() });
                Ok(())
            }
        }
    }

    fn tell_change(&mut self, change: Change) -> Result<(), Failure> {
        self.total_steps = total_steps(&self.config, self.steps_per_epoch);
        self.log.append(&MetricsRecord::Change(change.clone()))?;
        self.log.flush()?;
        self.listener.event(Event::Changed { change, total_steps: self.total_steps });
        Ok(())
    }

    /// A line of the log that the window draws as well.
    fn tell_insight(&mut self, record: MetricsRecord) -> Result<(), Failure> {
        self.log.append(&record)?;
        self.listener.event(Event::Insight { record });
        Ok(())
    }

    fn step(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        let done = self.progress.step;
        let epoch = done / self.steps_per_epoch;
        let rate = learning_rate(&self.config.training, done, self.total_steps, self.progress.rate_reductions);
        let share = self.averaging.share(done);
        let measures_movement = (done + 1).is_multiple_of(MOVEMENT_EVERY);
        if measures_movement {
            self.model.remember_weights();
        }
        let (outcome, tokens) =
            self.feed.step(&mut self.model, &self.source, &self.config.training, done, rate, share)?;
        if outcome.non_finite.is_some() || !outcome.loss.is_finite() || !outcome.grad_norm.is_finite() {
            return Err(self.not_finite(done + 1, outcome.non_finite));
        }
        self.averaging.updated(share);
        let seconds = start.elapsed().as_secs_f64();
        self.progress.step += 1;
        self.progress.step_ms += seconds * 1e3;
        self.progress.tokens_seen += tokens as u64;
        let newest = tokens as f64 / seconds.max(1e-9);
        let speed = self.speed.map_or(newest, |speed| speed + SPEED_WEIGHT * (newest - speed));
        self.speed = Some(speed);
        let record = StepRecord {
            step: self.progress.step,
            epoch: epoch + 1,
            loss: outcome.loss,
            gradient_norm: outcome.grad_norm,
            learning_rate: rate,
            elapsed_ms: self.clock.elapsed_ms(),
            tokens_per_second: speed,
        };
        self.log.append(&MetricsRecord::Step(record))?;
        let now = Instant::now();
        if measures_movement {
            let record = MetricsRecord::movement(record.step, self.model.movements());
            let is_told = self.last_insight.is_none_or(|last| now.duration_since(last) >= EVENT_INTERVAL);
            if is_told {
                self.last_insight = Some(now);
                self.tell_insight(record)?;
            } else {
                self.log.append(&record)?;
            }
        }
        if self.is_last_step() || self.last_event.is_none_or(|last| now.duration_since(last) >= EVENT_INTERVAL) {
            self.last_event = Some(now);
            self.log.flush()?;
            self.listener.event(Event::Step { record, total_steps: self.total_steps });
        }
        Ok(())
    }

    /// The failure of a step whose loss or gradient is not finite; the weights are still those before it.
    fn not_finite(&self, step: u64, place: Option<NonFinite>) -> Failure {
        let mut details =
            BTreeMap::from([("step".to_string(), json!(step)), ("lastGoodStep".to_string(), json!(self.saved_step))]);
        let mut location = Vec::new();
        if let Some(place) = place {
            location.push(spoken_layer(&place.layer));
            location.push(self.spoken_tensor(&place));
            details.insert("layer".into(), json!(place.layer));
            details.insert("gate".into(), json!(place.tensor));
            details.insert("time".into(), json!(place.time_step));
            details.insert("unit".into(), json!(place.unit));
            location.push(format!("step {step}"));
            location.extend(place.time_step.map(|time| format!("time {time}")));
            location.extend(place.unit.map(|unit| format!("unit {unit}")));
        } else {
            location.push(format!("step {step}"));
        }
        let kept = match self.saved_step {
            Some(saved) => format!("the checkpoint of step {saved} is kept"),
            None => "there is no checkpoint yet".to_string(),
        };
        Failure {
            code: "LOSS_NOT_FINITE".into(),
            message: format!(
                "the loss is no longer a finite number at step {step}; {kept}; lower the learning rate or the clipping norm and train again"
            ),
            location: Some(location.join(", ")),
            details,
        }
    }

    /// `gate f` or `state c` of a recurrent layer; other tensors by their name.
    fn spoken_tensor(&self, place: &NonFinite) -> String {
        let index = layer_index(&place.layer);
        let cell = index.and_then(|index| self.spec.layers.get(index)).and_then(|layer| find_cell(&layer.cell).ok());
        match cell.map(|cell| cell.info()) {
            Some(info) if info.gate_order.contains(&place.tensor.as_str()) => format!("gate {}", place.tensor),
            Some(info) if info.states.contains(&place.tensor.as_str()) => format!("state {}", place.tensor),
            _ => place.tensor.clone(),
        }
    }

    fn label(&self) -> TraceLabel<'a> {
        TraceLabel { run: &self.job.run, step: self.progress.step, elapsed_ms: self.clock.elapsed_ms() }
    }

    fn record_trace(&mut self) -> Result<(), Failure> {
        let label = self.label();
        let tensors = trace::probe_tensors(&mut self.model, &self.spec, &self.source, &self.probe)?;
        let bytes = trace::encode(&self.spec, &label, &tensors)?;
        self.recorder.write(self.progress.step, &bytes)?;
        self.listener.event(Event::Trace { step: self.progress.step });
        let step = self.progress.step;
        let gates = insight::saturation(&self.spec, &tensors);
        if gates.is_empty() {
            return Ok(());
        }
        self.tell_insight(MetricsRecord::Saturation { step, gates })
    }

    /// Weights in training and their average change places, where there is an average.
    fn swap_average(&mut self) {
        if self.averaging.holds() {
            self.model.swap_average();
        }
    }

    fn live_frame(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        if !self.live.is_due(start) {
            return Ok(());
        }
        let label = self.label();
        let bytes = trace::probe(&mut self.model, &self.spec, &self.source, &self.probe, &label)?;
        self.frames.put(bytes);
        self.listener.frame();
        self.live.made(start, start.elapsed());
        Ok(())
    }

    /// Measures a split; `None` when interrupted.
    fn measured(&mut self, split: SplitName, limit: Limit) -> Result<Option<Option<Metrics>>, Failure> {
        let mailbox = self.mailbox;
        let measured = measure(&mut self.model, &self.source, split, limit, &mut || !mailbox.is_interrupted())?;
        let metrics = match measured {
            Measured::Interrupted => return Ok(None),
            Measured::Empty => None,
            Measured::Metrics(metrics) => Some(metrics),
        };
        if metrics.is_some_and(|metrics| !metrics.loss().is_finite()) {
            let mut failure = self.not_finite(self.progress.step, None);
            failure.location = Some(format!("{} split, step {}", split.name(), self.progress.step));
            return Err(failure);
        }
        Ok(Some(metrics))
    }

    /// A validation that counts: best, patience, log, sample. Says whether it is the best; `None` when interrupted.
    fn validate(&mut self) -> Result<Option<bool>, Failure> {
        let step = self.progress.step;
        let limit = Limit { tokens: Some(VALIDATION_TOKENS), windows: None };
        self.swap_average();
        let measured = self.measured(SplitName::Validation, limit);
        self.swap_average();
        let Some(metrics) = measured? else { return Ok(None) };
        self.progress.evaluated_step = Some(step);
        let mut is_best = false;
        if let Some(metrics) = metrics {
            is_best = self.is_better(metrics.loss());
            if is_best {
                self.progress.best = Some(Best { step, loss: metrics.loss() });
                self.progress.stale_validations = 0;
            } else {
                self.progress.stale_validations += 1;
                let plateau = self.config.training.schedule.patience();
                if plateau.is_some_and(|patience| self.progress.stale_validations.is_multiple_of(patience)) {
                    self.progress.rate_reductions += 1;
                }
            }
            self.tell_evaluation(step, SplitName::Validation, metrics, is_best)?;
            self.swap_average();
            let sampled = self.sample();
            self.swap_average();
            sampled?;
            self.averaging.validated(step, metrics.loss());
        } else {
            self.sample()?;
        }
        let layers = insight::lag_norms(&mut self.model, &self.source, &self.probe)?;
        if !layers.is_empty() {
            self.tell_insight(MetricsRecord::Lags { step, layers })?;
        }
        Ok(Some(is_best))
    }

    fn is_better(&self, loss: f64) -> bool {
        self.progress.best.is_none_or(|best| loss < best.loss)
    }

    fn tell_evaluation(&mut self, step: u64, split: SplitName, metrics: Metrics, best: bool) -> Result<(), Failure> {
        self.log.append(&MetricsRecord::Evaluation { step, split, metrics, best })?;
        self.log.flush()?;
        self.listener.event(Event::Evaluated { step, split, metrics, best });
        Ok(())
    }

    fn sample(&mut self) -> Result<(), Failure> {
        // Labels of symbols are no text.
        let (InputSpec::Tokens { vocabulary_size, .. }, Source::Tokens { .. }) = (self.spec.input, &self.source) else {
            return Ok(());
        };
        let step = self.progress.step;
        let request = SampleRequest {
            prompt: self.job.sample_prompt.clone(),
            length: SAMPLE_LENGTH,
            temperature: SAMPLE_TEMPERATURE,
            top_k: 0,
            top_p: 1.0,
            seed: Rng::new(self.job.config.training.seed, Purpose::Sample, 1).bits(step),
        };
        let tokens = generate::sample(&mut self.model, vocabulary_size, &request)?;
        self.log.append(&MetricsRecord::Sample { step, tokens: tokens.clone() })?;
        self.log.flush()?;
        self.listener.event(Event::Sample { step, tokens });
        Ok(())
    }

    /// Writes a checkpoint of the present step where there is none yet, and removes old ones.
    fn checkpoint(&mut self, is_best: bool) -> Result<(), Failure> {
        let step = self.progress.step;
        self.log.sync()?;
        if self.saved_step == Some(step) && !is_best {
            return Ok(());
        }
        let (epoch, batch) = self.feed.position(step);
        let state = CheckpointState {
            format: checkpoint::FORMAT.into(),
            files: BTreeMap::new(),
            step,
            epoch,
            data_position: DataPosition { epoch, batch },
            average: self.averaging.is_on().then(|| self.averaging.state.clone()),
            rng: RandomState { seed: self.job.config.training.seed, counter: step },
            best: self.progress.best,
            stale_validations: self.progress.stale_validations,
            rate_reductions: self.progress.rate_reductions,
            evaluated_step: self.progress.evaluated_step,
            scaler: match &self.job.data {
                DataConfig::Series(series) => Some(series.scaler.clone()),
                DataConfig::Sequences(SequenceData { content: SequenceContent::Values { scaler, .. }, .. }) => {
                    Some(scaler.clone())
                }
                DataConfig::Tokens(_) | DataConfig::Sequences(_) => None,
            },
            kernel: kernel_name().to_string(),
            threads: self.job.threads,
            elapsed_ms: self.clock.elapsed_ms(),
            step_ms: self.progress.step_ms,
            tokens_seen: self.progress.tokens_seen,
        };
        let states = if self.feed.carries_state() { named_states(&self.feed.states) } else { Vec::new() };
        let (model, raw) = if self.averaging.holds() {
            let raw = self.model.parameters();
            self.model.swap_average();
            let average = self.model.parameters();
            self.model.swap_average();
            (average, raw)
        } else {
            (self.model.parameters(), Vec::new())
        };
        let tensors = CheckpointTensors { model, raw, optimizer: self.model.optimizer_state(), states };
        checkpoint::save(&self.job.directory, state, &tensors)?;
        self.saved_step = Some(step);
        self.last_saved = Instant::now();
        checkpoint::prune(
            &self.job.directory,
            self.job.config.checkpoint.keep,
            self.progress.best.map(|best| best.step),
        )?;
        self.listener.event(Event::Checkpoint { step, best: is_best });
        Ok(())
    }

    /// Measures the best weights on all splits and says the last word.
    fn finish(&mut self, status: EndStatus) -> Result<(), Failure> {
        let step = self.progress.step;
        // Nothing is trained any more: the average is the model from here on.
        self.swap_average();
        let mut best_step = self.progress.best.map(|best| best.step);
        // A stop outside the rhythm of validations: the present weights may be the best ones. This is no part of the
        // run's history (the checkpoint was written before), so a continued run still equals an undisturbed one.
        if self.progress.evaluated_step != Some(step) && step > 0 {
            let limit = Limit { tokens: Some(VALIDATION_TOKENS), windows: None };
            let Some(metrics) = self.measured(SplitName::Validation, limit)? else { return Ok(()) };
            if let Some(metrics) = metrics {
                let is_best = self.is_better(metrics.loss());
                if is_best {
                    best_step = Some(step);
                }
                self.tell_evaluation(step, SplitName::Validation, metrics, is_best)?;
            }
        }
        if let Some(best) = best_step.filter(|&best| best != step) {
            let (_, weights) = checkpoint::load_model(&checkpoint::directory_of(&self.job.directory, best))?;
            self.model.load_parameters(&weights)?;
        }
        let measured_step = best_step.unwrap_or(step);
        let mut metrics = Splits::default();
        for split in SplitName::ALL {
            let limit = match split {
                SplitName::Train => Limit { tokens: Some(VALIDATION_TOKENS), windows: Some(FINAL_TRAIN_WINDOWS) },
                _ => Limit { tokens: Some(FINAL_TOKENS), windows: None },
            };
            let Some(measured) = self.measured(split, limit)? else { return Ok(()) };
            *metrics.get_mut(split) = measured;
            if let Some(measured) = measured.filter(|_| split != SplitName::Validation) {
                self.tell_evaluation(measured_step, split, measured, true)?;
            }
        }
        self.log.sync()?;
        let seconds = self.progress.step_ms / 1e3;
        self.listener.event(Event::Finished {
            status,
            steps: step,
            best_step,
            stopped_early: status == EndStatus::Finished && !self.is_last_step(),
            metrics,
            tokens_per_second: if seconds > 0.0 { self.progress.tokens_seen as f64 / seconds } else { 0.0 },
        });
        Ok(())
    }
}

/// Index of the layer that is called `l0`, `l0_reverse`, ….
fn layer_index(name: &str) -> Option<usize> {
    name.strip_suffix("_reverse").unwrap_or(name).strip_prefix('l')?.parse().ok()
}

/// `l0_reverse` as people say it: `layer 1 (reverse)`.
fn spoken_layer(name: &str) -> String {
    let direction = if name.ends_with("_reverse") { " (reverse)" } else { "" };
    match layer_index(name) {
        Some(index) => format!("layer {}{direction}", index + 1),
        None => name.to_string(),
    }
}

fn named_states(states: &States<f32>) -> Vec<NamedTensor<f32>> {
    states
        .entries
        .iter()
        .map(|entry| NamedTensor {
            name: entry.name.clone(),
            shape: vec![states.batch, entry.hidden_size],
            data: entry.data.clone(),
        })
        .collect()
}

/// Errors: `CHECKPOINT_DAMAGED` where a carried state is missing or has another shape. No file = zero states (forecast).
fn load_states(
    states: &mut States<f32>,
    tensors: &[NamedTensor<f32>],
    directory: &std::path::Path,
) -> Result<(), EngineError> {
    if tensors.is_empty() {
        return Ok(());
    }
    for entry in &mut states.entries {
        let found = tensors.iter().find(|tensor| tensor.name == entry.name && tensor.data.len() == entry.data.len());
        let Some(found) = found else {
            return Err(EngineError::at(
                "CHECKPOINT_DAMAGED",
                directory.display().to_string(),
                format!("the carried state {} does not fit the model", entry.name),
            ));
        };
        entry.give(&found.data);
    }
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn layers_are_counted_from_one() {
        assert_eq!(spoken_layer("l0"), "layer 1");
        assert_eq!(spoken_layer("l11_reverse"), "layer 12 (reverse)");
        assert_eq!(spoken_layer("loss"), "loss");
        assert_eq!(spoken_layer("head"), "head");
    }
}
