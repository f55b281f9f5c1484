//! A model ready to run.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use napi::bindgen_prelude::{AsyncTask, Buffer, Float32Array, Uint32Array};
use napi_derive::napi;
use sluice_core::config::{DataConfig, EvaluationJob};
use sluice_core::evaluate::Source;
use sluice_core::generate::{self, SampleRequest};
use sluice_core::spec::{Batch, Input, InputSpec, ModelSpec, States};
use sluice_core::trace::{self, TraceLabel};
use sluice_core::{EngineError, Model, Pool, checkpoint};

use crate::errors::json_error;
use crate::tasks::Work;

/// The model of a checkpoint under a job's configuration.
///
/// Errors: `CHECKPOINT_DAMAGED`, `CHECKPOINT_MISSING`, `PARAMETER_SHAPE`.
pub fn loaded_for(job: &EvaluationJob, directory: &Path) -> Result<Model<f32>, EngineError> {
    loaded(job.config.model_spec(&job.data)?, directory, job.threads).map(|(model, _)| model)
}

fn loaded(spec: ModelSpec, directory: &Path, threads: usize) -> Result<(Model<f32>, u64), EngineError> {
    let (state, weights) = checkpoint::load_model(directory)?;
    let mut model = Model::new(spec, 0, Arc::new(Pool::new(threads)))?;
    model.load_parameters(&weights)?;
    Ok((model, state.step))
}

/// `h0_l0` inside is `h_l0` outside.
fn outer_name(name: &str) -> String {
    name.replacen("0_", "_", 1)
}

/// Copied out of JavaScript's memory before the work leaves its thread.
enum OwnedInput {
    Tokens(Vec<u32>),
    Series(Vec<f32>),
}

/// A batch that came from outside and was checked.
struct OwnedBatch {
    time: usize,
    batch: usize,
    input: OwnedInput,
}

impl OwnedBatch {
    fn new(
        spec: &ModelSpec,
        time: u32,
        batch: u32,
        tokens: Option<Uint32Array>,
        series: Option<Float32Array>,
    ) -> Result<Self, EngineError> {
        let (time, batch) = (time as usize, batch as usize);
        let wrong = |message: String| Err(EngineError::at("INPUT_INVALID", "input", message));
        if time == 0 || batch == 0 {
            return wrong("a batch holds at least one step of one sequence".into());
        }
        let input = match (spec.input, tokens, series) {
            (InputSpec::Tokens { vocabulary_size, .. }, Some(tokens), None) => {
                if tokens.len() != time * batch {
                    return wrong(format!("{} tokens for {time} x {batch}", tokens.len()));
                }
                if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary_size) {
                    return wrong(format!("token {token} is not in the vocabulary of {vocabulary_size}"));
                }
                OwnedInput::Tokens(tokens.to_vec())
            }
            (InputSpec::Series { input_size }, None, Some(series)) => {
                if series.len() != time * batch * input_size {
                    return wrong(format!("{} values for {time} x {batch} x {input_size}", series.len()));
                }
                OwnedInput::Series(series.to_vec())
            }
            _ => return wrong("a language model takes tokens, a forecast takes series".into()),
        };
        Ok(OwnedBatch { time, batch, input })
    }

    fn view(&self) -> Batch<'_, f32> {
        let input = match &self.input {
            OwnedInput::Tokens(tokens) => Input::Tokens(tokens),
            OwnedInput::Series(values) => Input::Series(values),
        };
        Batch { time: self.time, batch: self.batch, input, lengths: None }
    }
}

#[napi(object, object_from_js = false)]
pub struct ForwardResult {
    pub output: Float32Array,
    pub states: HashMap<String, Float32Array>,
}

#[napi(object, object_from_js = false)]
pub struct WeightTensor {
    pub name: String,
    pub shape: Vec<u32>,
    pub data: Float32Array,
}

/// Weights and the room to run them; one call at a time, the others wait.
#[napi]
pub struct EngineModel {
    model: Arc<Mutex<Model<f32>>>,
    spec: ModelSpec,
    step: u64,
    parameters: usize,
}

impl EngineModel {
    fn new(model: Model<f32>, spec: ModelSpec, step: u64) -> Self {
        EngineModel { parameters: model.parameter_count(), model: Arc::new(Mutex::new(model)), spec, step }
    }
}

/// After a panic inside the model its buffers hold nothing that a new call reads before writing.
fn lock(model: &Mutex<Model<f32>>) -> MutexGuard<'_, Model<f32>> {
    model.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn set_states(states: &mut States<f32>, given: &HashMap<String, Vec<f32>>) -> Result<(), EngineError> {
    for (name, values) in given {
        let Some(entry) = states.entries.iter_mut().find(|entry| outer_name(&entry.name) == *name) else {
            return Err(EngineError::at(
                "INPUT_INVALID",
                format!("states.{name}"),
                "the model has no state of this name",
            ));
        };
        if entry.data.len() != values.len() {
            return Err(EngineError::at(
                "INPUT_INVALID",
                format!("states.{name}"),
                format!("{} values where {} are needed", values.len(), entry.data.len()),
            ));
        }
        entry.give(values);
    }
    Ok(())
}

#[napi]
impl EngineModel {
    #[napi]
    pub fn parameters(&self) -> u32 {
        self.parameters as u32
    }

    /// All weights by PyTorch's names; copies.
    #[napi]
    pub fn tensors(&self) -> Vec<WeightTensor> {
        lock(&self.model)
            .parameters()
            .into_iter()
            .map(|tensor| WeightTensor {
                name: tensor.name,
                shape: tensor.shape.iter().map(|&size| size as u32).collect(),
                data: tensor.data.into(),
            })
            .collect()
    }

    /// Rounds every matrix to bfloat16 and reads it so at each step.
    #[napi]
    pub fn store_weights(&self) {
        lock(&self.model).store_weights();
    }

    #[napi(ts_return_type = "Promise<ForwardResult>")]
    pub fn forward(
        &self,
        time: u32,
        batch: u32,
        tokens: Option<Uint32Array>,
        series: Option<Float32Array>,
        states: HashMap<String, Float32Array>,
    ) -> AsyncTask<Work<ForwardResult>> {
        let batch = OwnedBatch::new(&self.spec, time, batch, tokens, series);
        let given: HashMap<String, Vec<f32>> =
            states.into_iter().map(|(name, values)| (name, values.to_vec())).collect();
        let model = self.model.clone();
        Work::start(move || {
            let batch = batch?;
            let mut model = lock(&model);
            let mut states = model.zero_states(batch.batch);
            set_states(&mut states, &given)?;
            let output = model.forward(&batch.view(), &mut states, None)?;
            let states = states.entries.into_iter().map(|entry| (outer_name(&entry.name), entry.data.into())).collect();
            Ok(ForwardResult { output: output.into(), states })
        })
    }

    #[napi(ts_return_type = "Promise<Uint32Array>")]
    pub fn sample(
        &self,
        prompt: Uint32Array,
        length: u32,
        temperature: f64,
        top_k: u32,
        top_p: f64,
        seed: f64,
    ) -> AsyncTask<Work<Uint32Array>> {
        let request = SampleRequest {
            prompt: prompt.to_vec(),
            length: length as usize,
            temperature,
            top_k: top_k as usize,
            top_p,
            seed: seed as u64,
        };
        let (model, input) = (self.model.clone(), self.spec.input);
        Work::start(move || match input {
            InputSpec::Tokens { vocabulary_size, .. } => {
                Ok(generate::sample(&mut lock(&model), vocabulary_size, &request)?.into())
            }
            InputSpec::Series { .. } => Err(EngineError::new("INPUT_INVALID", "only a language model writes text")),
        })
    }

    #[napi(ts_return_type = "Promise<Uint8Array>")]
    pub fn trace(
        &self,
        time: u32,
        batch: u32,
        tokens: Option<Uint32Array>,
        series: Option<Float32Array>,
        target: Option<Float32Array>,
        gradients: bool,
    ) -> AsyncTask<Work<Buffer>> {
        let batch = OwnedBatch::new(&self.spec, time, batch, tokens, series);
        let target = target.map(|values| values.to_vec());
        let (model, spec, step) = (self.model.clone(), self.spec.clone(), self.step);
        Work::start(move || {
            let label = TraceLabel { run: "", step, elapsed_ms: 0.0 };
            let bytes = trace::batch(&mut lock(&model), &spec, &batch?.view(), target.as_deref(), gradients, &label)?;
            Ok(bytes.into())
        })
    }

    /// The trace of one sequence of a dataset, by its number.
    #[napi(ts_return_type = "Promise<Uint8Array>")]
    pub fn trace_sequence(&self, data_json: String, number: u32, gradients: bool) -> AsyncTask<Work<Buffer>> {
        let (model, spec, step) = (self.model.clone(), self.spec.clone(), self.step);
        Work::start(move || {
            let data: DataConfig = serde_json::from_str(&data_json).map_err(|error| json_error("data", &error))?;
            let Source::Sequences(reader) = Source::open(&data)? else {
                return Err(EngineError::new("INPUT_INVALID", "the dataset holds no sequences"));
            };
            let label = TraceLabel { run: "", step, elapsed_ms: 0.0 };
            let number = number as usize;
            Ok(trace::sequence(&mut lock(&model), &spec, &reader, number, gradients, &label)?.into())
        })
    }
}

fn parsed(spec_json: &str) -> Result<ModelSpec, EngineError> {
    serde_json::from_str(spec_json).map_err(|error| json_error("model", &error))
}

/// A checkpoint's weights.
#[napi(ts_return_type = "Promise<EngineModel>")]
pub fn load_model(directory: String, spec_json: String) -> AsyncTask<Work<EngineModel>> {
    Work::start(move || {
        let spec = parsed(&spec_json)?;
        let (model, step) = loaded(spec.clone(), Path::new(&directory), 1)?;
        Ok(EngineModel::new(model, spec, step))
    })
}

/// Freshly drawn weights.
#[napi(ts_return_type = "Promise<EngineModel>")]
pub fn random_model(spec_json: String, seed: f64) -> AsyncTask<Work<EngineModel>> {
    Work::start(move || {
        let spec = parsed(&spec_json)?;
        let model = Model::new(spec.clone(), seed as u64, Arc::new(Pool::new(1)))?;
        Ok(EngineModel::new(model, spec, 0))
    })
}
