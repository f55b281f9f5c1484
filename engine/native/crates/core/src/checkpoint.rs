//! Checkpoints of a run: `checkpoints/step-<n>/` with `model.safetensors`, `optimizer.safetensors`,
//! `states.safetensors` (the carried states of a language model's streams), `raw.safetensors` (the weights in training
//! where `model.safetensors` holds their average) and, last, `state.json` with the
//! SHA-256 of the others. A folder is made as `step-<n>.tmp` and renamed, so that it is whole or not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Scaler;
use crate::error::EngineError;
use crate::files::{io_error, sync_folder, with_suffix, write_synced};
use crate::spec::NamedTensor;
use crate::tensor_file;
use crate::train::AverageState;

pub const FORMAT: &str = "sluice-checkpoint/1";
const MODEL: &str = "model.safetensors";
/// Weights in training where `MODEL` holds their average.
const RAW: &str = "raw.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATES: &str = "states.safetensors";
const STATE: &str = "state.json";

/// The best validation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub step: u64,
    pub loss: f64,
}

/// Where the random numbers stand: every draw is a function of the seed and of counters made of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomState {
    pub seed: u64,
    /// Step whose draws come next.
    pub counter: u64,
}

/// Where the data stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPosition {
    /// Epoch of the next batch, from 0.
    pub epoch: u64,
    /// The next batch within it.
    pub batch: u64,
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointState {
    pub format: String,
    /// SHA-256 of the files beside it, hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Finished steps.
    pub step: u64,
    pub epoch: u64,
    pub data_position: DataPosition,
    pub rng: RandomState,
    /// Where the average of the weights stands; none where there is to be none.
    #[serde(default)]
    pub average: Option<AverageState>,
    pub best: Option<Best>,
    /// Validations without a new best.
    pub stale_validations: u64,
    /// How often a plateau has lowered the learning rate.
    #[serde(default)]
    pub rate_reductions: u32,
    /// Step of the last validation that counted.
    pub evaluated_step: Option<u64>,
    pub scaler: Option<Scaler>,
    pub kernel: String,
    pub threads: usize,
    /// Since the run's first step, pauses left out.
    pub elapsed_ms: f64,
    /// Time spent in steps alone, and the tokens trained on in it.
    pub step_ms: f64,
    pub tokens_seen: u64,
}

/// The tensors of a checkpoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckpointTensors {
    /// What is measured and exported: the weights, or their average where there is one.
    pub model: Vec<NamedTensor<f32>>,
    /// The weights that training goes on with where `model` is their average, else empty.
    pub raw: Vec<NamedTensor<f32>>,
    pub optimizer: Vec<NamedTensor<f32>>,
    /// Empty where no state is carried.
    pub states: Vec<NamedTensor<f32>>,
}

/// A checkpoint that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    pub directory: PathBuf,
    pub reason: String,
}

/// The newest whole checkpoint of a run, and the newer ones that are damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Newest {
    pub directory: PathBuf,
    pub step: u64,
    pub damaged: Vec<Damaged>,
}

/// The folder of the checkpoints of a run.
pub fn folder(run_directory: &Path) -> PathBuf {
    run_directory.join("checkpoints")
}

pub fn directory_of(run_directory: &Path, step: u64) -> PathBuf {
    folder(run_directory).join(format!("step-{step}"))
}

/// Steps of the checkpoints that are there, ascending; temporary folders are not counted.
pub fn steps(run_directory: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(folder(run_directory)) else { return Vec::new() };
    let mut steps: Vec<u64> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("step-")?.parse().ok()).collect();
    steps.sort_unstable();
    steps
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a checkpoint; `state.files` is filled in here. On an error nothing is left and older ones are untouched.
///
/// Errors: `DISK_FULL`, `WORKSPACE_READ_ONLY` with the path.
pub fn save(
    run_directory: &Path,
    mut state: CheckpointState,
    tensors: &CheckpointTensors,
) -> Result<PathBuf, EngineError> {
    let folder = folder(run_directory);
    let target = directory_of(run_directory, state.step);
    let temporary = with_suffix(&target, ".tmp");
    let mut write = || -> Result<(), EngineError> {
        fs::create_dir_all(&folder).map_err(|error| io_error("write", &folder, &error))?;
        remove_folder(&temporary)?;
        fs::create_dir(&temporary).map_err(|error| io_error("write", &temporary, &error))?;
        let mut files = vec![(MODEL, &tensors.model), (OPTIMIZER, &tensors.optimizer)];
        let others = [(RAW, &tensors.raw), (STATES, &tensors.states)];
        files.extend(others.into_iter().filter(|(_, tensors)| !tensors.is_empty()));
        for (name, content) in files {
            let bytes = tensor_file::encode(content, &[("format", "pt".into())])?;
            write_synced(&temporary.join(name), &bytes)?;
            state.files.insert(name.to_string(), hash(&bytes));
        }
        let json =
            serde_json::to_vec_pretty(&state).map_err(|error| EngineError::new("INTERNAL", error.to_string()))?;
        write_synced(&temporary.join(STATE), &json)?;
        sync_folder(&temporary).map_err(|error| io_error("write", &temporary, &error))?;
        // A folder of that step can be there already: one that was damaged, or one from before a resume.
        let old = with_suffix(&target, ".old.tmp");
        remove_folder(&old)?;
        if target.exists() {
            fs::rename(&target, &old).map_err(|error| io_error("write", &target, &error))?;
        }
        fs::rename(&temporary, &target).map_err(|error| io_error("write", &target, &error))?;
        sync_folder(&folder).map_err(|error| io_error("write", &folder, &error))?;
        remove_folder(&old)
    };
    let result = write();
    if result.is_err() {
        // The first error is the one worth telling; readers ignore temporary folders.
        let _ = fs::remove_dir_all(&temporary);
    }
    result.map(|()| target)
}

fn remove_folder(path: &Path) -> Result<(), EngineError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("write", path, &error)),
    }
}

/// Removes all checkpoints but the newest `keep` and the best. Half-made folders of a killed process go too.
pub fn prune(run_directory: &Path, keep: usize, best: Option<u64>) -> Result<(), EngineError> {
    let steps = steps(run_directory);
    let old = steps.len().saturating_sub(keep);
    for &step in steps[..old].iter().filter(|&&step| Some(step) != best) {
        remove_folder(&directory_of(run_directory, step))?;
    }
    if let Ok(entries) = fs::read_dir(folder(run_directory)) {
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|extension| extension == "tmp") {
                remove_folder(&path)?;
            }
        }
    }
    Ok(())
}

/// Removes the checkpoints of steps after `step`: a resume computes them again.
pub fn remove_after(run_directory: &Path, step: u64) -> Result<(), EngineError> {
    for later in steps(run_directory).into_iter().filter(|&later| later > step) {
        remove_folder(&directory_of(run_directory, later))?;
    }
    Ok(())
}

/// Reads `state.json` and the named files, and checks every file's hash.
fn read_checked(
    directory: &Path,
    wanted: &[&str],
) -> Result<(CheckpointState, BTreeMap<String, Vec<u8>>), EngineError> {
    let damaged = |path: &Path, reason: String| {
        EngineError::at(
            "CHECKPOINT_DAMAGED",
            path.display().to_string(),
            format!("the checkpoint is damaged: {reason}"),
        )
    };
    let path = directory.join(STATE);
    if !directory.is_dir() {
        return Err(EngineError::at(
            "CHECKPOINT_MISSING",
            directory.display().to_string(),
            "there is no checkpoint in this folder",
        ));
    }
    let json = fs::read(&path).map_err(|error| damaged(&path, format!("{STATE} cannot be read ({error})")))?;
    let state: CheckpointState =
        serde_json::from_slice(&json).map_err(|error| damaged(&path, format!("{STATE} is not valid ({error})")))?;
    if state.format != FORMAT {
        return Err(damaged(&path, format!("its format is {}, not {FORMAT}", state.format)));
    }
    for needed in [MODEL, OPTIMIZER] {
        if !state.files.contains_key(needed) {
            return Err(damaged(&path, format!("{STATE} does not name {needed}")));
        }
    }
    let mut contents = BTreeMap::new();
    for (name, expected) in &state.files {
        if ![MODEL, RAW, OPTIMIZER, STATES].contains(&name.as_str()) {
            return Err(damaged(&path, format!("{STATE} names the unknown file {name}")));
        }
        if !wanted.contains(&name.as_str()) {
            continue;
        }
        let path = directory.join(name);
        let bytes = fs::read(&path).map_err(|error| damaged(&path, format!("{name} cannot be read ({error})")))?;
        if hash(&bytes) != *expected {
            return Err(damaged(&path, format!("{name} is not what was written (its SHA-256 differs)")));
        }
        contents.insert(name.clone(), bytes);
    }
    Ok((state, contents))
}

/// Reads a whole checkpoint.
///
/// Errors: `CHECKPOINT_MISSING`, `CHECKPOINT_DAMAGED` with the file.
pub fn load(directory: &Path) -> Result<(CheckpointState, CheckpointTensors), EngineError> {
    let (state, mut contents) = read_checked(directory, &[MODEL, RAW, OPTIMIZER, STATES])?;
    let mut tensors = |name: &str| match contents.remove(name) {
        Some(bytes) => tensor_file::decode(&bytes, &directory.join(name)),
        None => Ok(Vec::new()),
    };
    Ok((
        state,
        CheckpointTensors {
            model: tensors(MODEL)?,
            raw: tensors(RAW)?,
            optimizer: tensors(OPTIMIZER)?,
            states: tensors(STATES)?,
        },
    ))
}

/// Reads the weights alone.
///
/// Errors: as `load`.
pub fn load_model(directory: &Path) -> Result<(CheckpointState, Vec<NamedTensor<f32>>), EngineError> {
    let (state, contents) = read_checked(directory, &[MODEL])?;
    let model = tensor_file::decode(&contents[MODEL], &directory.join(MODEL))?;
    Ok((state, model))
}

/// Checks every file of a checkpoint.
///
/// Errors: as `load`.
pub fn verify(directory: &Path) -> Result<CheckpointState, EngineError> {
    read_checked(directory, &[MODEL, RAW, OPTIMIZER, STATES]).map(|(state, _)| state)
}

/// The newest checkpoint whose files are what was written; `None` when there is none.
pub fn newest(run_directory: &Path) -> Option<Newest> {
    let mut damaged = Vec::new();
    for step in steps(run_directory).into_iter().rev() {
        let directory = directory_of(run_directory, step);
        match verify(&directory) {
            Ok(state) if state.step == step => return Some(Newest { directory, step, damaged }),
            Ok(state) => damaged.push(Damaged {
                directory,
                reason: format!("the checkpoint is damaged: {STATE} says step {}", state.step),
            }),
            Err(error) => damaged.push(Damaged { directory, reason: error.message }),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempFolder;

    fn state(step: u64) -> CheckpointState {
        CheckpointState {
            format: FORMAT.into(),
            files: BTreeMap::new(),
            step,
            epoch: 0,
            data_position: DataPosition { epoch: 0, batch: step },
            rng: RandomState { seed: 1, counter: step },
            average: None,
            best: Some(Best { step: 1, loss: 0.1 + 0.2 }),
            stale_validations: 2,
            rate_reductions: 1,
            evaluated_step: None,
            scaler: Some(Scaler { mean: vec![1.0 / 3.0], deviation: vec![2.0] }),
            kernel: "portable".into(),
            threads: 1,
            elapsed_ms: 12.5,
            step_ms: 12.0,
            tokens_seen: 7,
        }
    }

    fn tensors(value: f32) -> CheckpointTensors {
        let one = |name: &str| {
            vec![NamedTensor { name: name.into(), shape: vec![2], data: vec![value, f32::MIN_POSITIVE / 8.0] }]
        };
        CheckpointTensors {
            model: one("head.bias"),
            raw: one("head.bias"),
            optimizer: one("exp_avg.head.bias"),
            states: one("h0_l0"),
        }
    }

    #[test]
    fn comes_back_to_the_bit() {
        let folder = TempFolder::new();
        let directory = save(folder.path(), state(5), &tensors(1.5)).unwrap();
        let (back, read) = load(&directory).unwrap();
        assert_eq!(read, tensors(1.5));
        assert_eq!(CheckpointState { files: BTreeMap::new(), ..back.clone() }, state(5));
        assert_eq!(back.files.len(), 4);
        assert_eq!(back.best.unwrap().loss.to_bits(), (0.1f64 + 0.2).to_bits());
    }

    #[test]
    fn a_damaged_one_is_named_and_the_one_before_is_used() {
        let folder = TempFolder::new();
        for step in [10, 20, 30] {
            save(folder.path(), state(step), &tensors(step as f32)).unwrap();
        }
        assert_eq!(newest(folder.path()).unwrap().step, 30);
        // One bit of the weights.
        let path = directory_of(folder.path(), 30).join(MODEL);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let found = newest(folder.path()).unwrap();
        assert_eq!((found.step, found.damaged.len()), (20, 1));
        assert!(found.damaged[0].reason.contains(MODEL), "{}", found.damaged[0].reason);
        assert_eq!(load(&directory_of(folder.path(), 30)).unwrap_err().code, "CHECKPOINT_DAMAGED");
        // A manifest cut off, a file gone.
        fs::write(directory_of(folder.path(), 20).join(STATE), "{").unwrap();
        assert_eq!(newest(folder.path()).unwrap().step, 10);
        fs::remove_file(directory_of(folder.path(), 10).join(OPTIMIZER)).unwrap();
        assert_eq!(newest(folder.path()), None);
    }

    #[test]
    fn the_newest_and_the_best_are_kept() {
        let folder = TempFolder::new();
        for step in [1, 2, 3, 10, 20] {
            save(folder.path(), state(step), &tensors(0.0)).unwrap();
        }
        fs::create_dir(super::folder(folder.path()).join("step-30.tmp")).unwrap();
        prune(folder.path(), 2, Some(2)).unwrap();
        assert_eq!(steps(folder.path()), [2, 10, 20]);
        assert!(!super::folder(folder.path()).join("step-30.tmp").exists());
        remove_after(folder.path(), 10).unwrap();
        assert_eq!(steps(folder.path()), [2, 10]);
    }

    #[test]
    fn the_same_step_can_be_written_again() {
        let folder = TempFolder::new();
        save(folder.path(), state(5), &tensors(1.0)).unwrap();
        save(folder.path(), state(5), &tensors(2.0)).unwrap();
        assert_eq!(load(&directory_of(folder.path(), 5)).unwrap().1, tensors(2.0));
        assert_eq!(fs::read_dir(super::folder(folder.path())).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_leaves_nothing() {
        let folder = TempFolder::new();
        // A file where the folder should be: creation fails whoever runs the test.
        fs::write(super::folder(folder.path()), "").unwrap();
        let error = save(folder.path(), state(5), &tensors(1.0)).unwrap_err();
        assert!(error.location.unwrap().contains("checkpoints"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
