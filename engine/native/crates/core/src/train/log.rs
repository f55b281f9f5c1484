//! `metrics.jsonl`: one line per step, evaluation and sample, append-only.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::EngineError;
use crate::files::io_error;
use crate::metrics::MetricsRecord;

/// Lines waiting beyond this are written without being asked.
const MOST_WAITING: usize = 64 * 1024;

pub struct MetricsLog {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines in the file.
    written: u64,
    waiting: Vec<u8>,
}

impl MetricsLog {
    /// Opens the log of a run that stands at `step` and cuts off what came later: lines of later steps, a torn
    /// last line, and the final measurements of train and test, which the run's new end will make again.
    pub fn open(path: &Path, step: u64) -> Result<Self, EngineError> {
        let failed = |error: std::io::Error| io_error("write", path, &error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(failed)?;
        let mut written = 0;
        for line in content.split_inclusive(|&byte| byte == b'\n') {
            if !line.ends_with(b"\n") || !belongs(line, step) {
                break;
            }
            written += line.len() as u64;
        }
        if written < content.len() as u64 {
            file.set_len(written).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(written)).map_err(failed)?;
        Ok(MetricsLog { path: path.to_path_buf(), file, written, waiting: Vec::new() })
    }

    pub fn append(&mut self, record: &MetricsRecord) -> Result<(), EngineError> {
        serde_json::to_writer(&mut self.waiting, record)
            .map_err(|error| EngineError::new("INTERNAL", error.to_string()))?;
        self.waiting.push(b'\n');
        if self.waiting.len() > MOST_WAITING { self.flush() } else { Ok(()) }
    }

    /// Hands all lines to the operating system, so that readers see them and a killed process loses none.
    pub fn flush(&mut self) -> Result<(), EngineError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let result = self.file.write_all(&self.waiting);
        if let Err(error) = result {
            // Half a line may have been written; whole lines stay. The write's error is the one to tell.
            let _ = self.file.set_len(self.written);
            let _ = self.file.seek(SeekFrom::Start(self.written));
            return Err(io_error("write", &self.path, &error));
        }
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// `flush`, and to the disk itself.
    pub fn sync(&mut self) -> Result<(), EngineError> {
        self.flush()?;
        self.file.sync_data().map_err(|error| io_error("write", &self.path, &error))
    }
}

/// Whether a line belongs to a run that stands at `step`.
fn belongs(line: &[u8], step: u64) -> bool {
    let Ok(record) = serde_json::from_slice::<Value>(line) else { return false };
    let is_final = record["kind"] == "evaluation" && record["split"] != "validation";
    record["step"].as_u64().is_some_and(|at| at <= step) && !is_final
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SplitName;
    use crate::metrics::{LanguageModelMetrics, Metrics, StepRecord};
    use crate::testing::TempFolder;

    fn step(step: u64) -> MetricsRecord {
        MetricsRecord::Step(StepRecord {
            step,
            epoch: 1,
            loss: 1.5,
            gradient_norm: 0.1,
            learning_rate: 0.01,
            elapsed_ms: 1.0,
            tokens_per_second: 2.0,
        })
    }

    fn evaluation(step: u64, split: SplitName) -> MetricsRecord {
        MetricsRecord::Evaluation {
            step,
            split,
            metrics: Metrics::LanguageModel(LanguageModelMetrics::new(1.0, 9)),
            best: true,
        }
    }

    #[test]
    fn a_resume_cuts_back_to_its_step() {
        let folder = TempFolder::new();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(&path, 0).unwrap();
        for record in
            [step(1), step(2), evaluation(2, SplitName::Validation), step(3), step(4), evaluation(2, SplitName::Test)]
        {
            log.append(&record).unwrap();
        }
        log.sync().unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"kind\":\"st")).unwrap();

        drop(MetricsLog::open(&path, 4).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 5);
        let mut log = MetricsLog::open(&path, 2).unwrap();
        log.append(&step(3)).unwrap();
        log.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let steps: Vec<u64> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [1, 2, 2, 3]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let folder = TempFolder::new();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(&path, 0).unwrap();
        log.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        log.append(&step(1)).unwrap();
        let error = log.flush().unwrap_err();
        assert_eq!((error.code.as_str(), error.location.as_deref()), ("DISK_FULL", path.to_str()));
    }
}
