//! Files that survive a kill: written under a temporary name, flushed, renamed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::EngineError;

/// The error of a failed file operation, with the path it belongs to. `doing` is `read` or `write`.
pub fn io_error(doing: &str, path: &Path, error: &io::Error) -> EngineError {
    let place = path.display().to_string();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => EngineError::at(
            "DISK_FULL",
            place,
            "the disk is full; free some space, then continue from the last checkpoint",
        ),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied if doing == "write" => EngineError::at(
            "WORKSPACE_READ_ONLY",
            place,
            "this folder cannot be written; change its permissions or choose another workspace",
        ),
        ErrorKind::NotFound if doing == "read" => EngineError::at("FILE_NOT_FOUND", place, "the file is not there"),
        _ if doing == "read" => EngineError::at("FILE_UNREADABLE", place, format!("the file cannot be read: {error}")),
        _ => EngineError::at("INTERNAL", place, format!("the file cannot be written: {error}")),
    }
}

/// Flushes a folder's entries to disk; a no-op where the platform cannot open folders.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Writes a new file and flushes it to disk.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let mut file = File::create(path).map_err(|error| io_error("write", path, &error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| io_error("write", path, &error))
}

/// Writes a file under a temporary name beside it and renames it; nothing is left behind on failure. It survives
/// a killed process; it is not forced to the disk, so after a power cut it may be missing.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let temporary = with_suffix(path, ".tmp");
    let result = fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| io_error("write", path, &error));
    if result.is_err() {
        // The first error is the one worth telling; a leftover that cannot be removed is ignored by every reader.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// `path` with `suffix` added to its last part.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_become_codes() {
        let path = Path::new("/x/y");
        let full = io_error("write", path, &io::Error::from(ErrorKind::StorageFull));
        assert_eq!((full.code.as_str(), full.location.as_deref()), ("DISK_FULL", Some("/x/y")));
        assert_eq!(
            io_error("write", path, &io::Error::from(ErrorKind::ReadOnlyFilesystem)).code,
            "WORKSPACE_READ_ONLY"
        );
        assert_eq!(io_error("write", path, &io::Error::from(ErrorKind::PermissionDenied)).code, "WORKSPACE_READ_ONLY");
        assert_eq!(io_error("read", path, &io::Error::from(ErrorKind::PermissionDenied)).code, "FILE_UNREADABLE");
        assert_eq!(io_error("read", path, &io::Error::from(ErrorKind::NotFound)).code, "FILE_NOT_FOUND");
    }
}
