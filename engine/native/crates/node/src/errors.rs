//! Errors cross as JSON in the message of a JavaScript error; panics become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{Error, Result, Status};
use serde::Serialize;
use sluice_core::EngineError;
use sluice_core::train::{Failure, panic_message};

/// An engine error as the facade reads it: `ErrorShape` as JSON.
pub fn to_napi(error: EngineError) -> Error {
    let shape = Failure::from(error);
    let json = serde_json::to_string(&shape).unwrap_or_else(|_| shape.message.clone());
    Error::new(Status::GenericFailure, json)
}

/// What is wrong with JSON that the facade gave.
pub fn json_error(what: &str, error: &serde_json::Error) -> EngineError {
    EngineError::at("CONFIG_INVALID", what, format!("the engine does not understand this: {error}"))
}

pub fn to_json<T: Serialize>(value: &T) -> std::result::Result<String, EngineError> {
    serde_json::to_string(value).map_err(|error| EngineError::new("INTERNAL", error.to_string()))
}

/// Runs engine code; a panic comes out as `INTERNAL`.
pub fn caught<T>(work: impl FnOnce() -> std::result::Result<T, EngineError>) -> std::result::Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(EngineError::new("INTERNAL", format!("a fault in the engine: {}", panic_message(&*panic))))
    })
}

pub fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, EngineError>) -> Result<T> {
    caught(work).map_err(to_napi)
}
