//! Recorded traces of the probe: `traces/step-<n>.safetensors`, at most 200, evenly spread over the run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::EngineError;
use crate::files::{io_error, write_atomic};

pub const MOST_TRACES: usize = 200;

pub struct Recorder {
    folder: PathBuf,
    /// Ascending.
    steps: Vec<u64>,
    /// Steps between two recordings besides the validations.
    every: u64,
}

impl Recorder {
    /// Opens the traces of a run that stands at `step`; later ones are removed, they will be recorded again.
    /// `total` sets the distance: about one in a hundred steps.
    pub fn open(run_directory: &Path, step: u64, total: Option<u64>) -> Result<Self, EngineError> {
        let folder = run_directory.join("traces");
        fs::create_dir_all(&folder).map_err(|error| io_error("write", &folder, &error))?;
        let mut recorder =
            Recorder { folder, steps: Vec::new(), every: total.map_or(100, |total| (total / 100).max(1)) };
        let entries = fs::read_dir(&recorder.folder).map_err(|error| io_error("read", &recorder.folder, &error))?;
        let mut steps: Vec<u64> = entries
            .filter_map(|entry| {
                entry.ok()?.file_name().to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
            })
            .collect();
        steps.sort_unstable();
        for &later in steps.iter().filter(|&&at| at > step) {
            recorder.remove(later)?;
        }
        steps.retain(|&at| at <= step);
        recorder.steps = steps;
        Ok(recorder)
    }

    pub fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.every)
    }

    pub fn holds(&self, step: u64) -> bool {
        self.steps.binary_search(&step).is_ok()
    }

    /// Writes a trace, then thins where there are too many.
    pub fn write(&mut self, step: u64, bytes: &[u8]) -> Result<(), EngineError> {
        write_atomic(&self.path(step), bytes)?;
        if let Err(place) = self.steps.binary_search(&step) {
            self.steps.insert(place, step);
        }
        while self.steps.len() > MOST_TRACES {
            let crowded = most_crowded(&self.steps);
            let removed = self.steps.remove(crowded);
            self.remove(removed)?;
        }
        Ok(())
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step}.safetensors"))
    }

    fn remove(&self, step: u64) -> Result<(), EngineError> {
        let path = self.path(step);
        fs::remove_file(&path).map_err(|error| io_error("write", &path, &error))
    }
}

/// Index of the inner step whose removal leaves the smallest gap; of equal ones the first. At least three steps.
fn most_crowded(steps: &[u64]) -> usize {
    (1..steps.len() - 1).min_by_key(|&i| steps[i + 1] - steps[i - 1]).expect("three steps or more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempFolder;

    #[test]
    fn thinned_evenly_ends_kept() {
        let folder = TempFolder::new();
        let mut recorder = Recorder::open(folder.path(), 0, Some(5000)).unwrap();
        for step in 0..1000u64 {
            recorder.write(step, b"x").unwrap();
        }
        assert_eq!(recorder.steps.len(), MOST_TRACES);
        assert_eq!((recorder.steps[0], *recorder.steps.last().unwrap()), (0, 999));
        let widest = recorder.steps.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(widest <= 8, "a gap of {widest} steps where 5 is even");
        assert_eq!(fs::read_dir(folder.path().join("traces")).unwrap().count(), MOST_TRACES);

        let reopened = Recorder::open(folder.path(), 500, Some(5000)).unwrap();
        assert!(reopened.steps.iter().all(|&step| step <= 500));
        assert!(reopened.is_due(50) && !reopened.is_due(51));
        assert_eq!(fs::read_dir(folder.path().join("traces")).unwrap().count(), reopened.steps.len());
    }
}
