//! Readers of datasets on disk. Files are mapped, so that their size costs no anonymous memory.

mod mapped;
pub mod sequences;
pub mod series;
pub mod shuffle;
pub mod tokens;

pub use sequences::{SequenceBatch, SequenceReader};
pub use series::{SeriesReader, WindowBatch};
pub use tokens::{TokenReader, TokenWindows};
