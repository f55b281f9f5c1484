//! Measures training and inference of given shapes, data already in memory.
//!
//! Training is forward, backward and an Adam update. With a vocabulary the loss is at every step; with series the head
//! and the squared error are on the last step. The state is zero at every step.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::kernels::peak::Peak;
use crate::kernels::{KernelKind, Kernels};
use crate::model::Model;
use crate::pool::Pool;
use crate::rng::{Purpose, Rng};
use crate::simd::LANES;
use crate::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelSpec, NumberFormat, Optimizer, Target, Update,
};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchMode {
    Train,
    /// Forward over whole sequences.
    Infer,
    /// Forward one time step at a time, the state carried on.
    InferStep,
}

/// One shape to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BenchCase {
    pub name: String,
    pub mode: BenchMode,
    pub cell: String,
    pub layers: usize,
    pub hidden_size: usize,
    pub batch_size: usize,
    pub sequence_length: usize,
    /// With `embedding_size`: a language model.
    pub vocabulary_size: Option<usize>,
    pub embedding_size: Option<usize>,
    /// With `output_size`: a series.
    pub input_size: Option<usize>,
    pub output_size: Option<usize>,
    /// Physical cores when not given.
    pub threads: Option<usize>,
    /// How long to measure, or how many steps; 2 seconds when neither is given.
    pub seconds: Option<f64>,
    pub steps: Option<usize>,
    /// What products of a training step round their operands to.
    #[serde(default)]
    pub products: Option<NumberFormat>,
    /// What the weights are stored as where the model only runs.
    #[serde(default)]
    pub weights: Option<NumberFormat>,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchResult {
    pub name: String,
    /// batchSize * sequenceLength per median step.
    pub tokens_per_second: f64,
    pub step_milliseconds: StepMilliseconds,
    /// Billions of floating-point operations per second of the fastest step, counting the textbook's dense products
    /// whether or not they were made.
    pub gigaflops: f64,
    /// The same for multiplying and adding in registers on all the threads at once: the roof.
    pub peak_gigaflops: f64,
    /// Instruction set used.
    pub kernel: &'static str,
    pub threads: usize,
    pub steps: usize,
}

/// Durations of the measured steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepMilliseconds {
    pub min: f64,
    pub median: f64,
    pub p95: f64,
}

/// Steps before the measurement: caches, page faults, branch predictors.
const WARM_UP: usize = 3;
const DEFAULT_SECONDS: f64 = 2.0;

/// A case with its model and data, kept warm between measurements.
pub struct Bench {
    case: BenchCase,
    model: Model<f32>,
    pool: Arc<Pool>,
    tokens: Vec<u32>,
    next_tokens: Vec<u32>,
    series: Vec<f32>,
    values: Vec<f32>,
    threads: usize,
    updates: u64,
}

impl Bench {
    /// Errors: `BENCH_INVALID` names the field.
    pub fn new(case: BenchCase) -> Result<Self, EngineError> {
        let invalid = |field: &str, message: &str| Err(EngineError::at("BENCH_INVALID", field, message));
        for (field, value) in [
            ("layers", case.layers),
            ("batchSize", case.batch_size),
            ("sequenceLength", case.sequence_length),
            ("steps", case.steps.unwrap_or(1)),
            ("threads", case.threads.unwrap_or(1)),
        ] {
            if value == 0 {
                return invalid(field, "A measurement needs at least 1 here.");
            }
        }
        let (input, head) = match (case.vocabulary_size, case.embedding_size, case.input_size, case.output_size) {
            (Some(vocabulary_size), Some(embedding_size), None, None) => (
                InputSpec::Tokens { vocabulary_size, embedding_size },
                HeadSpec { output_size: vocabulary_size, mode: HeadMode::EveryStep },
            ),
            (None, None, Some(input_size), Some(output_size)) => {
                (InputSpec::Series { input_size }, HeadSpec { output_size, mode: HeadMode::LastStep })
            }
            _ => {
                return invalid(
                    "vocabularySize",
                    "A measurement needs vocabularySize and embeddingSize, or inputSize and outputSize.",
                );
            }
        };
        let layer = LayerSpec { cell: case.cell.clone(), hidden_size: case.hidden_size, ..LayerSpec::default() };
        let threads = case.threads.unwrap_or_else(physical_cores);
        let spec = ModelSpec { input, layers: vec![layer; case.layers], head, options: Default::default() };
        let pool = Arc::new(Pool::new(threads));
        let mut model = Model::new(spec, 1, pool.clone())?;
        match (case.mode, case.products.unwrap_or_default(), case.weights.unwrap_or_default()) {
            (_, NumberFormat::Float32, NumberFormat::Float32) => {}
            (BenchMode::Train, _, NumberFormat::Float32) => {
                model.round_products().map_err(|error| EngineError { location: Some("products".into()), ..error })?;
            }
            (BenchMode::Train, ..) => {
                return invalid("weights", "Weights are stored as bfloat16 only where nothing is trained.");
            }
            (_, NumberFormat::Bfloat16, _) => {
                return invalid("products", "Products round their operands only in training.");
            }
            _ => model.store_weights(),
        }
        let rng = Rng::new(1, Purpose::Sample, 0);
        let rows = case.batch_size * case.sequence_length;
        let draw = |count: usize, limit: usize, from: usize| -> Vec<u32> {
            (0..count).map(|i| (rng.uniform((from + i) as u64) * limit as f64) as u32).collect()
        };
        let normal = |count: usize, from: usize| -> Vec<f32> {
            (0..count).map(|i| rng.normal((from + i) as u64) as f32).collect()
        };
        let (tokens, next_tokens, series, values) = match input {
            InputSpec::Tokens { vocabulary_size, .. } => {
                (draw(rows, vocabulary_size, 0), draw(rows, vocabulary_size, rows), Vec::new(), Vec::new())
            }
            InputSpec::Series { input_size } => {
                let series = normal(rows * input_size, 0);
                let values = normal(case.batch_size * head.output_size, rows * input_size);
                (Vec::new(), Vec::new(), series, values)
            }
        };
        Ok(Bench { case, model, pool, tokens, next_tokens, series, values, threads, updates: 0 })
    }

    /// Measures for the case's seconds or steps.
    pub fn measure(&mut self) -> Result<BenchResult, EngineError> {
        for _ in 0..WARM_UP {
            self.step()?;
        }
        let limit = Duration::from_secs_f64(self.case.seconds.unwrap_or(DEFAULT_SECONDS).max(0.0));
        let begin = Instant::now();
        let mut durations = Vec::new();
        loop {
            let start = Instant::now();
            self.step()?;
            durations.push(start.elapsed().as_secs_f64() * 1e3);
            let enough = match self.case.steps {
                Some(steps) => durations.len() >= steps,
                None => begin.elapsed() >= limit,
            };
            if enough {
                break;
            }
        }
        durations.sort_by(f64::total_cmp);
        let at = |share: f64| durations[((durations.len() - 1) as f64 * share).round() as usize];
        let median = at(0.5);
        Ok(BenchResult {
            name: self.case.name.clone(),
            tokens_per_second: (self.case.batch_size * self.case.sequence_length) as f64 / (median * 1e-3),
            step_milliseconds: StepMilliseconds { min: durations[0], median, p95: at(0.95) },
            gigaflops: self.operations() / durations[0] * 1e-6,
            peak_gigaflops: peak_gigaflops(&self.pool, self.model.kernel()),
            kernel: self.model.kernel().name(),
            threads: self.threads,
            steps: durations.len(),
        })
    }

    /// Floating-point operations of the textbook's products in one step: two per weight and row that it meets, and
    /// twice that again in training, for the gradients of the weights and of what they were multiplied with.
    fn operations(&self) -> f64 {
        let rows = (self.case.batch_size * self.case.sequence_length) as f64;
        let head_rows = if self.tokens.is_empty() && self.case.mode != BenchMode::InferStep {
            self.case.batch_size as f64
        } else {
            rows
        };
        let products = self.model.parameters().into_iter().filter(|tensor| tensor.shape.len() == 2);
        let operations = products.map(|tensor| match tensor.name.as_str() {
            "embedding.weight" => 0.0,
            "head.weight" => 2.0 * head_rows * tensor.data.len() as f64,
            _ => 2.0 * rows * tensor.data.len() as f64,
        });
        operations.sum::<f64>() * if self.case.mode == BenchMode::Train { 3.0 } else { 1.0 }
    }

    /// One training step, one sequence, or one sequence step by step.
    fn step(&mut self) -> Result<(), EngineError> {
        let (time, size) = (self.case.sequence_length, self.case.batch_size);
        let language = !self.tokens.is_empty();
        let width = self.case.input_size.unwrap_or(0);
        let mut states = self.model.zero_states(size);
        match self.case.mode {
            BenchMode::Train => {
                let input = if language { Input::Tokens(&self.tokens) } else { Input::Series(&self.series) };
                let target = if language { Target::Tokens(&self.next_tokens) } else { Target::Values(&self.values) };
                let update = Update {
                    optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 },
                    learning_rate: 1e-3,
                    clip_norm: None,
                    seed: 1,
                };
                let batch = Batch { time, batch: size, input, lengths: None };
                self.model.train_step(&batch, &target, &mut states, self.updates, &update)?;
                self.updates += 1;
            }
            BenchMode::Infer => {
                let input = if language { Input::Tokens(&self.tokens) } else { Input::Series(&self.series) };
                self.model.forward(&Batch { time, batch: size, input, lengths: None }, &mut states, None)?;
            }
            BenchMode::InferStep => {
                for t in 0..time {
                    let input = if language {
                        Input::Tokens(&self.tokens[t * size..(t + 1) * size])
                    } else {
                        Input::Series(&self.series[t * size * width..(t + 1) * size * width])
                    };
                    self.model.forward(&Batch { time: 1, batch: size, input, lengths: None }, &mut states, None)?;
                }
            }
        }
        Ok(())
    }
}

/// The best of some short bursts on all threads of the pool.
fn peak_gigaflops(pool: &Pool, kind: KernelKind) -> f64 {
    const ROUNDS: usize = 100_000;
    let peak = Kernels::<f32>::of(kind).peak;
    let burst = || {
        let operations = Mutex::new(0.0);
        let start = Instant::now();
        pool.run(|_| {
            let (mut out, mut own) = ([0f32; LANES], 0.0);
            unsafe { peak(Peak { rounds: ROUNDS, out: out.as_mut_ptr(), operations: &mut own }) };
            *operations.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) += own;
        });
        let seconds = start.elapsed().as_secs_f64();
        operations.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) / seconds * 1e-9
    };
    (0..10).map(|_| burst()).fold(0.0, f64::max)
}

/// Cores that can compute at once; a spinning worker on a second hardware thread of a core only slows the first.
pub fn physical_cores() -> usize {
    let logical = std::thread::available_parallelism().map_or(1, usize::from);
    let siblings = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
        .map_or(1, |list| count_of_list(list.trim()).max(1));
    (logical / siblings).max(1)
}

/// Number of entries in a list such as `0,32` or `0-1`.
fn count_of_list(list: &str) -> usize {
    list.split(',')
        .map(|part| match part.split_once('-') {
            Some((first, last)) => match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) => last.saturating_sub(first) + 1,
                _ => 0,
            },
            None => usize::from(part.parse::<usize>().is_ok()),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(mode: BenchMode) -> BenchCase {
        BenchCase {
            name: "small".into(),
            mode,
            cell: "gru".into(),
            layers: 2,
            hidden_size: 20,
            batch_size: 3,
            sequence_length: 4,
            vocabulary_size: Some(11),
            embedding_size: Some(5),
            input_size: None,
            output_size: None,
            threads: Some(2),
            seconds: None,
            steps: Some(5),
            products: None,
            weights: None,
        }
    }

    #[test]
    fn all_modes_are_measured() {
        for mode in [BenchMode::Train, BenchMode::Infer, BenchMode::InferStep] {
            let result = Bench::new(case(mode)).unwrap().measure().unwrap();
            let StepMilliseconds { min, median, p95 } = result.step_milliseconds;
            assert!(result.steps == 5 && min > 0.0 && min <= median && median <= p95);
            assert!((result.tokens_per_second * median * 1e-3 - 12.0).abs() < 1e-6);
            assert!(result.gigaflops > 0.0 && result.gigaflops.is_finite() && result.peak_gigaflops > 0.0);
        }
        let series = BenchCase {
            vocabulary_size: None,
            embedding_size: None,
            input_size: Some(7),
            output_size: Some(24),
            ..case(BenchMode::Train)
        };
        assert_eq!(Bench::new(series).unwrap().measure().unwrap().steps, 5);
    }

    #[test]
    fn a_case_without_a_task_or_with_a_misspelt_field_is_refused() {
        let error = Bench::new(BenchCase { embedding_size: None, ..case(BenchMode::Train) }).err().unwrap();
        assert_eq!(error.code, "BENCH_INVALID");
        assert!(serde_json::from_str::<BenchCase>(r#"{"name":"x","mode":"train","cel":"lstm"}"#).is_err());
    }

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!([count_of_list("0"), count_of_list("0,32"), count_of_list("0-3,8")], [1, 2, 5]);
    }
}
