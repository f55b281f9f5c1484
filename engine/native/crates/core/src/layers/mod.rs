//! The recurrent stack: workspaces, and the products and steps that make a pass over a batch.
//!
//! Every function here that takes a `Worker` is run by all workers of the pool together; each writes only its own part
//! (rows of the batch, or unit panels) between two barriers.

mod attention;
mod between;
mod bfloat16;
mod dense;
mod direction;
mod embedding;
mod head;
mod init;
mod initial;
mod linear;
mod lower;
mod masks;
mod narrow;
mod normalised;
mod scan;
mod second;
mod stack;
mod weight_drop;
mod zoneout;

pub use attention::{Attended, AttendedGradients, Attention};
pub use between::Between;
pub use direction::Direction;
pub use embedding::Embedding;
pub use head::Head;
pub use init::initialize;
pub use stack::{Kept, Layer, Pass, Source, Stack, Strided};
