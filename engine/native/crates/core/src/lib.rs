//! The engine's core: tensors, kernels, cells, layers, training. No JavaScript, no user interface.

pub mod error;
pub mod spec;

pub use error::EngineError;
