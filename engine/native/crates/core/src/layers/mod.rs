//! The recurrent stack: workspaces, and the products and steps that make a pass over a batch.
//!
//! Every function here that takes a `Worker` is run by all workers of the pool together; each writes only its own part
//! (rows of the batch, or unit panels) between two barriers.

mod attention;
mod dense;
mod direction;
mod embedding;
mod head;
mod linear;
mod scan;
mod stack;

pub use attention::{Attended, AttendedGradients, Attention};
pub use direction::Direction;
pub use embedding::Embedding;
pub use head::Head;
pub use stack::{Layer, Pass, Source, Stack, Strided};
