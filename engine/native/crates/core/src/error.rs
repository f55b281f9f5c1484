//! The one error type of the engine.

use serde::Serialize;

/// An error with a stable code, a sentence for people, and the place it belongs to (a field, tensor or file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// Stable upper-case code, for example `MODEL_INVALID`.
    pub code: String,
    /// One sentence that says what is wrong.
    pub message: String,
    /// The field, tensor or file concerned, where there is one.
    #[serde(rename = "where")]
    pub location: Option<String>,
}

impl EngineError {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        EngineError { code: code.to_string(), message: message.into(), location: None }
    }

    pub fn at(code: &str, location: impl Into<String>, message: impl Into<String>) -> Self {
        EngineError { code: code.to_string(), message: message.into(), location: Some(location.into()) }
    }
}
