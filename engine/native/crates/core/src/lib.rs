//! The engine's core: tensors, kernels, cells, layers, training. No JavaScript, no user interface.

pub mod cells;
pub mod element;
pub mod error;
pub mod kernels;
pub mod simd;
pub mod spec;

pub use error::EngineError;
