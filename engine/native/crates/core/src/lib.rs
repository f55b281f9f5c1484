//! The engine's core: tensors, kernels, cells, layers, training. No JavaScript, no user interface.

pub mod bench;
pub mod buffer;
pub mod cells;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod describe;
pub mod element;
pub mod error;
pub mod evaluate;
pub mod files;
pub mod generate;
pub mod kernels;
pub mod layers;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod options;
pub mod params;
pub mod parity;
mod parity_attention;
mod parity_training;
pub mod pool;
pub mod rng;
pub mod simd;
pub mod spec;
pub mod step;
pub mod tensor_file;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod train;

pub use cells::{CellInfo, all_variants, cells, describe_cells, variants};
pub use error::EngineError;
pub use kernels::bfloat16_problem;
pub use kernels::{kernel_name, kernel_problem};
pub use model::Model;
pub use pool::Pool;
