//! What the steps are made of: the batches of a dataset in the order of a training, and the state carried between them.

use crate::config::{DataConfig, SplitName, TrainingConfig};
use crate::data::{SequenceBatch, TokenWindows, WindowBatch, shuffle};
use crate::error::EngineError;
use crate::evaluate::Source;
use crate::model::Model;
use crate::spec::{Batch, Input, States, StepOutcome, Target};
use crate::step::{Part, StepOptions};

enum Batches {
    Tokens { windows: TokenWindows, inputs: Vec<u32>, targets: Vec<u32> },
    Series { batch_size: usize, order: Vec<u32>, order_epoch: Option<u64>, gathered: WindowBatch },
    Sequences { batch_size: usize, order: Vec<u32>, order_epoch: Option<u64>, gathered: SequenceBatch },
}

/// A position is a number of finished updates alone: epoch, batches and random draws follow from it.
pub struct Feed {
    batches: Batches,
    /// Carried between windows (language model).
    pub states: States<f32>,
    batches_per_epoch: u64,
    /// Batches of one update.
    accumulate: u64,
    seed: u64,
}

/// Batches of one pass over the training part.
///
/// Errors: `DATASET_TOO_SHORT` where there is none.
fn batches_per_epoch(data: &DataConfig, batch_size: usize, sequence_length: usize) -> Result<u64, EngineError> {
    match data {
        DataConfig::Tokens(tokens) => {
            Ok(TokenWindows::new(tokens.split.train, batch_size, sequence_length)?.steps_per_epoch())
        }
        DataConfig::Series(series) => {
            let count: u64 = series.windows.train.iter().map(|&(start, end)| end.saturating_sub(start)).sum();
            if count == 0 {
                return Err(EngineError::at(
                    "DATASET_TOO_SHORT",
                    "task.lookback",
                    format!(
                        "no training window of {} + {} rows fits the data; lower task.lookback or task.horizon",
                        series.lookback, series.horizon
                    ),
                ));
            }
            Ok(count.div_ceil(batch_size as u64))
        }
        DataConfig::Sequences(sequences) => {
            let (start, end) = sequences.split.train;
            match end.saturating_sub(start) {
                0 => Err(EngineError::at("DATASET_TOO_SHORT", "split", "the training part holds no sequence")),
                count => Ok(count.div_ceil(batch_size as u64)),
            }
        }
    }
}

impl Feed {
    /// Errors: `DATASET_TOO_SHORT` where the training part holds no batch.
    pub fn open(data: &DataConfig, training: &TrainingConfig, model: &Model<f32>) -> Result<Self, EngineError> {
        let batches = match data {
            DataConfig::Tokens(tokens) => Batches::Tokens {
                windows: TokenWindows::new(tokens.split.train, training.batch_size, training.sequence_length)?
                    .reaching(training.reach()),
                inputs: Vec::new(),
                targets: Vec::new(),
            },
            DataConfig::Series(_) => Batches::Series {
                batch_size: training.batch_size,
                order: Vec::new(),
                order_epoch: None,
                gathered: WindowBatch::default(),
            },
            DataConfig::Sequences(_) => Batches::Sequences {
                batch_size: training.batch_size,
                order: Vec::new(),
                order_epoch: None,
                gathered: SequenceBatch::default(),
            },
        };
        Ok(Feed {
            batches,
            states: model.zero_states(training.batch_size),
            batches_per_epoch: batches_per_epoch(data, training.batch_size, training.sequence_length)?,
            accumulate: training.accumulate.max(1) as u64,
            seed: training.seed,
        })
    }

    /// Updates of one epoch; the last one has fewer batches where the number does not divide.
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches_per_epoch.div_ceil(self.accumulate)
    }

    /// Whether a state is carried from batch to batch.
    pub fn carries_state(&self) -> bool {
        matches!(self.batches, Batches::Tokens { .. })
    }

    /// Batches that are behind after `done` updates: which epoch, and how many of it.
    pub fn position(&self, done: u64) -> (u64, u64) {
        let steps = self.steps_per_epoch();
        (done / steps, done % steps * self.accumulate)
    }

    /// Says that the carried states are those after `done` updates: cells that count time steps go on from there.
    pub fn go_on_from(&mut self, done: u64) {
        let (_, batch) = self.position(done);
        if let Batches::Tokens { windows, .. } = &self.batches {
            self.states.steps = windows.first(batch) as usize;
        }
    }

    /// One update, the one after `done`. Gives its outcome, which stops at the first batch that is not finite, and the
    /// number of tokens or values trained on.
    pub fn step(
        &mut self,
        model: &mut Model<f32>,
        source: &Source,
        training: &TrainingConfig,
        done: u64,
        rate: f64,
        average: Option<f64>,
    ) -> Result<(StepOutcome, usize), EngineError> {
        let (epoch, first) = self.position(done);
        let update = training.update(rate);
        let last = (first + self.accumulate).min(self.batches_per_epoch) - 1;
        let mut tokens = 0;
        for index in first..=last {
            let number = (index - first) as usize;
            let options = StepOptions {
                part: Part { number, is_last: index == last },
                // As many draws apart as there are batches, so that no two share a mask.
                draw: Some(done * self.accumulate + number as u64),
                average,
                ..training.step_options()
            };
            let (outcome, used) = match (&mut self.batches, source) {
                (Batches::Tokens { windows, inputs, targets }, Source::Tokens { reader, .. }) => {
                    if index == 0 {
                        self.states.clear();
                    }
                    let shape = windows.read(reader, index, inputs, targets)?;
                    let batch =
                        Batch { time: shape.time, batch: windows.batch, input: Input::Tokens(inputs), lengths: None };
                    let options = StepOptions { carry_after: Some(shape.carry_after), ..options };
                    let target = Target::Tokens(targets);
                    let outcome = model.train_step_with(&batch, &target, &mut self.states, done, &update, &options)?;
                    (outcome, shape.fresh * windows.batch)
                }
                (Batches::Series { batch_size, order, order_epoch, gathered }, Source::Series(reader)) => {
                    if *order_epoch != Some(epoch) {
                        *order = shuffle::permutation(reader.count(SplitName::Train), self.seed, epoch);
                        *order_epoch = Some(epoch);
                    }
                    let first = index as usize * *batch_size;
                    let chosen = &order[first..order.len().min(first + *batch_size)];
                    let starts: Vec<usize> =
                        chosen.iter().map(|&window| reader.start(SplitName::Train, window as usize)).collect();
                    reader.gather(&starts, gathered);
                    let time = reader.data().lookback;
                    let batch =
                        Batch { time, batch: starts.len(), input: Input::Series(&gathered.inputs), lengths: None };
                    // Windows begin with zero states.
                    let mut states = model.zero_states(starts.len());
                    let target = Target::Values(&gathered.targets);
                    let outcome = model.train_step_with(&batch, &target, &mut states, done, &update, &options)?;
                    (outcome, time * starts.len())
                }
                (Batches::Sequences { batch_size, order, order_epoch, gathered }, Source::Sequences(reader)) => {
                    if *order_epoch != Some(epoch) {
                        *order = shuffle::permutation(reader.count(SplitName::Train), self.seed, epoch);
                        *order_epoch = Some(epoch);
                    }
                    let first = index as usize * *batch_size;
                    let chosen = &order[first..order.len().min(first + *batch_size)];
                    let numbers: Vec<usize> =
                        chosen.iter().map(|&at| reader.number(SplitName::Train, at as usize)).collect();
                    reader.gather(&numbers, gathered)?;
                    // Sequences begin with zero states.
                    let mut states = model.zero_states(numbers.len());
                    let (batch, target) = (gathered.batch(), gathered.target());
                    let outcome = model.train_step_with(&batch, &target, &mut states, done, &update, &options)?;
                    (outcome, gathered.steps())
                }
                _ => unreachable!("batches and source are made from the same data"),
            };
            tokens += used;
            let failed = outcome.non_finite.is_some() || !outcome.loss.is_finite() || !outcome.grad_norm.is_finite();
            if index == last || failed {
                return Ok((outcome, tokens));
            }
        }
        unreachable!("an update has at least one batch")
    }
}
