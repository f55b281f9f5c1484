//! A file mapped read-only.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::error::EngineError;
use crate::files::io_error;

/// A mapped file whose size was checked once.
pub(crate) struct MappedFile {
    map: Mmap,
    path: PathBuf,
}

impl MappedFile {
    /// Maps a file of at least `needed` bytes.
    ///
    /// Errors: `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `DATASET_DAMAGED` where it is shorter than that.
    pub fn open(path: &Path, needed: u64) -> Result<Self, EngineError> {
        let file = File::open(path).map_err(|error| io_error("read", path, &error))?;
        let size = file.metadata().map_err(|error| io_error("read", path, &error))?.len();
        if size < needed {
            return Err(EngineError::at(
                "DATASET_DAMAGED",
                path.display().to_string(),
                format!("the dataset's file has {size} bytes where {needed} are needed; import the dataset again"),
            ));
        }
        // Safety: dataset files are written once under a temporary name and renamed; nobody changes them in place.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| io_error("read", path, &error))?;
        Ok(MappedFile { map, path: path.to_path_buf() })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
