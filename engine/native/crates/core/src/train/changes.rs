//! Settings changed while a run trains: `changes.json` of its folder. Together with `config.json` it says what the run is,
//! so that a killed and continued one applies each change at its step again and reaches the same bits.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::error::EngineError;
use crate::files::{io_error, write_atomic};

const FORMAT: &str = "sluice-changes/1";

/// A setting and its new value; none = without a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// Path in the configuration, as `training.clip.norm`.
    pub field: String,
    pub to: Option<f64>,
}

/// A setting changed between two steps: after `step` finished ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    pub step: u64,
    pub field: String,
    pub from: Option<f64>,
    pub to: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    changes: Vec<Change>,
}

/// Sets one field and gives its value before.
///
/// Errors: `CONFIG_INVALID` for a field that cannot be changed while a run trains, or a value it cannot have.
fn set(config: &mut RunConfig, field: &str, to: Option<f64>) -> Result<Option<f64>, EngineError> {
    let invalid = |message: String| EngineError::at("CONFIG_INVALID", field, message);
    let whole = |value: Option<f64>| match value {
        Some(value) if value < 1.0 || value.fract() != 0.0 => Err(invalid(format!("{field} must be a whole number"))),
        value => Ok(value.map(|value| value as u64)),
    };
    if to.is_some_and(|value| !value.is_finite() || value <= 0.0) {
        return Err(invalid(format!("{field} must be above 0")));
    }
    let number = |value: Option<u64>| value.map(|value| value as f64);
    Ok(match field {
        "training.optimizer.learningRate" => {
            let rate = to.ok_or_else(|| invalid(format!("{field} needs a number")))?;
            let before = config.training.base_rate();
            config.training.set_base_rate(rate);
            Some(before)
        }
        "training.clip.norm" => std::mem::replace(&mut config.training.clip.norm, to),
        "training.clip.value" => std::mem::replace(&mut config.training.clip.value, to),
        "training.maxSteps" => number(std::mem::replace(&mut config.training.max_steps, whole(to)?)),
        "training.maxEpochs" => number(std::mem::replace(&mut config.training.max_epochs, whole(to)?)),
        "earlyStopping.patience" => number(std::mem::replace(&mut config.early_stopping.patience, whole(to)?)),
        _ => return Err(invalid(format!("{field} cannot be changed while a run trains"))),
    })
}

/// The changes of a run by rising step, and how many of them are in force.
pub struct Changes {
    path: PathBuf,
    list: Vec<Change>,
    applied: usize,
}

impl Changes {
    /// Reads the changes of a run that goes on from a checkpoint of `step` and brings `config` to that step; a run that
    /// begins has none behind it.
    ///
    /// Errors: `CHECKPOINT_DAMAGED` for a file that is not one of changes; those of reading.
    pub fn open(run_directory: &Path, step: Option<u64>, config: &mut RunConfig) -> Result<Self, EngineError> {
        let path = run_directory.join("changes.json");
        let damaged = |reason: String| {
            EngineError::at(
                "CHECKPOINT_DAMAGED",
                path.display().to_string(),
                format!("the changes cannot be read: {reason}"),
            )
        };
        let list = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error("read", &path, &error)),
            Ok(bytes) => {
                let file: File = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
                if file.format != FORMAT {
                    return Err(damaged(format!("its format is {}, not {FORMAT}", file.format)));
                }
                file.changes
            }
        };
        let mut changes = Changes { path, list, applied: 0 };
        while let Some(change) = changes.list.get(changes.applied).filter(|change| Some(change.step) <= step) {
            set(config, &change.field, change.to)?;
            changes.applied += 1;
        }
        Ok(changes)
    }

    /// Applies the next recorded change where it belongs to this step.
    pub fn replay(&mut self, step: u64, config: &mut RunConfig) -> Result<Option<Change>, EngineError> {
        let Some(change) = self.list.get(self.applied).filter(|change| change.step <= step).cloned() else {
            return Ok(None);
        };
        set(config, &change.field, change.to)?;
        self.applied += 1;
        Ok(Some(change))
    }

    /// Changes settings now. What is changed is in the file before it takes effect; a setting that is there already is
    /// no change. On an error nothing has changed.
    pub fn make(
        &mut self,
        step: u64,
        settings: &[Setting],
        config: &mut RunConfig,
    ) -> Result<Vec<Change>, EngineError> {
        let mut next = config.clone();
        let mut made = Vec::new();
        for Setting { field, to } in settings {
            let from = set(&mut next, field, *to)?;
            if from != *to {
                made.push(Change { step, field: field.clone(), from, to: *to });
            }
        }
        if made.is_empty() {
            return Ok(made);
        }
        let mut list = self.list.clone();
        list.splice(self.applied..self.applied, made.iter().cloned());
        let file = File { format: FORMAT.into(), changes: list };
        let bytes =
            serde_json::to_vec_pretty(&file).map_err(|error| EngineError::new("INTERNAL", error.to_string()))?;
        write_atomic(&self.path, &bytes)?;
        self.list = file.changes;
        self.applied += made.len();
        *config = next;
        Ok(made)
    }
}
