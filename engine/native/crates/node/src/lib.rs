//! Native binding of the training engine: conversion, handles, and a guard against panics. No logic of its own.
//! The facade in `engine/binding` is the only importer.

mod benches;
mod errors;
mod model;
mod rate_test;
mod tasks;
mod training;

use std::path::Path;

use napi::bindgen_prelude::{AsyncTask, Float32Array, Result};
use napi_derive::napi;
use serde::de::DeserializeOwned;
use sluice_core::EngineError;
use sluice_core::config::EvaluationJob;
use sluice_core::config::SplitName;
use sluice_core::evaluate::{Limit, Measured, Source, measure, residual_quantiles};
use sluice_core::spec::ModelSpec;
use sluice_core::{checkpoint, describe, parity};

use crate::errors::{guarded, json_error, to_json};
use crate::model::loaded_for;
use crate::tasks::Work;

/// Reads what the facade wrote as JSON.
fn from_json<T: DeserializeOwned>(what: &str, json: &str) -> std::result::Result<T, EngineError> {
    serde_json::from_str(json).map_err(|error| json_error(what, &error))
}

#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Instruction set of the kernels in use.
#[napi]
pub fn kernel() -> &'static str {
    sluice_core::kernel_name()
}

/// What is wrong with the environment's `SLUICE_KERNEL`; nothing where the engine follows it.
#[napi]
pub fn kernel_problem() -> Option<String> {
    sluice_core::kernel_problem()
}

/// Why products of bfloat16 operands are not possible here, as a part of a sentence; nothing where they are.
#[napi]
pub fn bfloat16_problem() -> Option<String> {
    sluice_core::bfloat16_problem()
}

/// Physical cores that this process may use.
#[napi]
pub fn physical_cores() -> u32 {
    num_cpus::get_physical().min(num_cpus::get()).max(1) as u32
}

/// The registry of cells, as JSON.
#[napi]
pub fn cells() -> Result<String> {
    guarded(|| to_json(&sluice_core::describe_cells()))
}

/// A `Description`, as JSON. `time` and `batch` 0 = without activations.
#[napi]
pub fn describe_model(spec_json: String, time: u32, batch: u32) -> Result<String> {
    guarded(|| {
        let spec: ModelSpec = from_json("model", &spec_json)?;
        let work = (time > 0 && batch > 0).then_some((time as usize, batch as usize));
        to_json(&describe::describe(&spec, work)?)
    })
}

/// The newest whole checkpoint of a run as JSON, or `null`.
#[napi]
pub fn newest_checkpoint(run_directory: String) -> Result<String> {
    guarded(|| to_json(&checkpoint::newest(Path::new(&run_directory))))
}

/// Metrics of a checkpoint on a whole split, as JSON.
#[napi(ts_return_type = "Promise<string>")]
pub fn evaluate(job_json: String, checkpoint_directory: String, split: String) -> AsyncTask<Work<String>> {
    Work::start(move || {
        let job: EvaluationJob = from_json("job", &job_json)?;
        let split: SplitName =
            serde_json::from_value(serde_json::Value::String(split)).map_err(|error| json_error("split", &error))?;
        let mut model = loaded_for(&job, Path::new(&checkpoint_directory))?;
        match measure(&mut model, &Source::open(&job.data)?, split, Limit::default(), &mut || true)? {
            Measured::Metrics(metrics) => to_json(&metrics),
            _ => Err(EngineError::at(
                "DATASET_TOO_SHORT",
                "split",
                format!("the {} part holds nothing to evaluate", split.name()),
            )),
        }
    })
}

/// Lower and upper residual quantiles, `[horizon * targets]` each.
#[napi(object, object_from_js = false)]
pub struct Quantiles {
    pub lower: Float32Array,
    pub upper: Float32Array,
}

#[napi(ts_return_type = "Promise<Quantiles>")]
pub fn residuals(job_json: String, checkpoint_directory: String, level: f64) -> AsyncTask<Work<Quantiles>> {
    Work::start(move || {
        let job: EvaluationJob = from_json("job", &job_json)?;
        let mut model = loaded_for(&job, Path::new(&checkpoint_directory))?;
        let (lower, upper) = residual_quantiles(&mut model, &Source::open(&job.data)?, level)?;
        Ok(Quantiles { lower: lower.into(), upper: upper.into() })
    })
}

/// Comparison with a reference fixture, as JSON.
#[napi]
pub fn run_parity(fixture_json: String) -> Result<String> {
    guarded(|| to_json(&parity::run_fixture(&fixture_json)?))
}

/// A measured bench object, as JSON.
#[napi(ts_return_type = "Promise<string>")]
pub fn run_bench(case_json: String) -> AsyncTask<Work<String>> {
    Work::start(move || to_json(&benches::run(&case_json)?))
}
