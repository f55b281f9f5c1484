//! Whole trainings on tiny data, run on the test's own thread: the listener hears every event in its place, so
//! that its commands arrive at exact steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::events::{Event, FrameSlot, Listener};
use super::mailbox::{Command, Mailbox};
use super::trainer::run;
use crate::checkpoint;
use crate::config::{DataConfig, Probe, SplitName, TrainJob};
use crate::evaluate::{Limit, Measured, Source, measure};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::pool::Pool;
use crate::spec::{Batch, Input, Target};
use crate::testing::TempFolder;

type Act = Box<dyn Fn(&Event, &Mailbox) + Send + Sync>;

/// Hears events and may answer with commands. What is posted at a checkpoint is read after the step that follows it.
struct Script {
    mailbox: Arc<Mailbox>,
    events: Mutex<Vec<Event>>,
    act: Act,
}

impl Listener for Script {
    fn event(&self, event: Event) {
        (self.act)(&event, &self.mailbox);
        self.events.lock().unwrap().push(event);
    }

    fn frame(&self) {}

    fn ended(&self) {}
}

/// Trains to the end with commands that wait from the start, and gives all events.
pub(super) fn play(
    job: &TrainJob,
    before: &[Command],
    act: impl Fn(&Event, &Mailbox) + Send + Sync + 'static,
) -> Vec<Event> {
    let mailbox = Arc::new(Mailbox::default());
    for command in before {
        mailbox.post(command.clone());
    }
    let script = Script { mailbox: mailbox.clone(), events: Mutex::new(Vec::new()), act: Box::new(act) };
    run(job, &script, &mailbox, &FrameSlot::default());
    script.events.into_inner().unwrap()
}

pub(super) fn job(directory: &Path, task: &str, training: serde_json::Value) -> TrainJob {
    let mut whole = json!({
        "optimizer": { "kind": "adam", "learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.0 },
        "schedule": { "kind": "cosine", "warmupSteps": 3, "minimum": 0.1 },
        "clip": { "norm": 1.0 },
        "batchSize": 3, "sequenceLength": 7, "maxSteps": 30, "maxEpochs": null, "seed": 5, "threads": null, "precision": "float32"
    });
    for (key, value) in training.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let layers = json!([
        { "cell": "lstm", "hiddenSize": 6, "bidirectional": false, "dropout": 0.2 },
        { "cell": "gru", "hiddenSize": 5, "bidirectional": false, "dropout": 0.0 }
    ]);
    fs::create_dir_all(directory).unwrap();
    let (task, data, probe) = if task == "language-model" {
        let path = directory.join("tokens.bin");
        fs::write(&path, (0..400u32).flat_map(|i| ((i * i + i / 7) as u16 % 9).to_le_bytes()).collect::<Vec<u8>>())
            .unwrap();
        (
            json!({ "kind": "language-model" }),
            json!({ "kind": "tokens", "path": path, "bytesPerToken": 2, "vocabularySize": 9,
                    "split": { "train": [0, 250], "validation": [250, 320], "test": [320, 400] } }),
            json!({ "kind": "tokens", "tokens": [1, 2, 3], "everyMs": 20 }),
        )
    } else {
        let path = directory.join("values.bin");
        fs::write(&path, (0..120).flat_map(|i| (i as f32 * 0.4).sin().to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        (
            json!({ "kind": "forecast", "lookback": 8, "horizon": 2, "targets": ["a"], "covariates": [], "scaling": "standard", "subtractLast": true }),
            json!({ "kind": "series", "path": path, "rows": 120, "columns": 1, "inputs": [0], "targetCount": 1,
                    "scaler": { "mean": [0.1], "deviation": [0.7] }, "lookback": 8, "horizon": 2, "subtractLast": true, "season": 1,
                    "windows": { "train": [[0, 50]], "validation": [[60, 75]], "test": [[90, 110]] } }),
            json!({ "kind": "window", "start": 60, "everyMs": 20 }),
        )
    };
    serde_json::from_value(json!({
        "run": "r", "directory": directory, "data": data, "probe": probe, "samplePrompt": [], "threads": 1, "resumeFrom": null,
        "config": {
            "dataset": "d", "task": task, "training": whole,
            "model": { "embeddingSize": 4, "layers": layers, "head": { "kind": "linear" } },
            "evaluation": { "everySteps": 10 },
            "checkpoint": { "everySteps": 4, "everySeconds": 1e6, "keep": 3 },
            "earlyStopping": { "patience": null },
            "probe": { "text": null, "split": "validation", "window": 0, "everyMs": 250 }
        }
    }))
    .unwrap()
}

/// Weights, moments and carried states, as bytes.
pub(super) fn bits(directory: &Path, step: u64) -> Vec<Vec<u8>> {
    let folder = checkpoint::directory_of(directory, step);
    ["model.safetensors", "optimizer.safetensors", "states.safetensors"]
        .iter()
        .map(|name| fs::read(folder.join(name)).unwrap_or_default())
        .collect()
}

/// Lines of the metrics without times.
pub(super) fn history(directory: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(directory.join("metrics.jsonl"))
        .unwrap()
        .lines()
        .map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            for key in ["elapsedMs", "tokensPerSecond"] {
                record.as_object_mut().unwrap().remove(key);
            }
            record
        })
        .collect()
}

pub(super) fn finished(events: &[Event]) -> bool {
    matches!(events.last(), Some(Event::Finished { .. }))
}

#[test]
fn a_resumed_training_reaches_the_same_bits() {
    let plateau = json!({
        "optimizer": { "kind": "rmsprop", "learningRate": 0.3, "alpha": 0.9, "epsilon": 1e-8, "momentum": 0.5, "weightDecay": 0.0 },
        "schedule": { "kind": "plateau", "patience": 1, "factor": 0.5, "minimum": 0.01 }
    });
    let cases = [("language-model", json!({}), 10), ("forecast", json!({}), 10), ("language-model", plateau, 2)];
    for (task, training, validate) in cases {
        let folder = TempFolder::new();
        let mut whole = job(&folder.path().join("whole"), task, training.clone());
        whole.config.evaluation.every_steps = Some(validate);
        assert!(finished(&play(&whole, &[], |_, _| {})));
        let rates: Vec<_> = history(&whole.directory).iter().filter_map(|line| line["learningRate"].as_f64()).collect();
        assert!(rates.last().unwrap() < &rates[3], "the rate must fall: {rates:?}");
        // Interrupted before and after the first step, before and after a validation, around an epoch's end (12 steps of text,
        // 17 of windows) and before the last validation.
        for at in [0u64, 1, 10, 11, 12, 13, 17, 18, 30] {
            let mut part = job(&folder.path().join(format!("part-{at}")), task, training.clone());
            part.config.evaluation.every_steps = Some(validate);
            part.config.checkpoint.every_steps = at.saturating_sub(1).max(1);
            let before: &[Command] = if at == 0 { &[Command::Interrupt] } else { &[] };
            let events = play(&part, before, move |event, mailbox| {
                let is_there = match event {
                    Event::Checkpoint { step, .. } => step + 1 == at,
                    Event::Trace { step: 0 } => at == 1,
                    _ => false,
                };
                if is_there {
                    mailbox.post(Command::Interrupt);
                }
            });
            assert!(!finished(&events));
            let newest = checkpoint::newest(&part.directory).unwrap();
            assert_eq!(newest.step, at);
            part.resume_from = Some(newest.directory);
            part.threads = 2;
            assert!(finished(&play(&part, &[], |_, _| {})));
            assert_eq!(bits(&part.directory, 30), bits(&whole.directory, 30), "{task}, resumed at {at}");
            assert_eq!(history(&part.directory), history(&whole.directory), "{task}, resumed at {at}");
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_killed_training_loses_only_the_steps_since_its_checkpoint() {
    let folder = TempFolder::new();
    let whole = job(&folder.path().join("whole"), "language-model", json!({}));
    assert!(finished(&play(&whole, &[], |_, _| {})));
    // The folder as a kill would leave it: taken when step 20 has been validated and its checkpoint is not there yet.
    let victim = job(&folder.path().join("victim"), "language-model", json!({}));
    let left: PathBuf = folder.path().join("left");
    let (from, to) = (victim.directory.clone(), left.clone());
    play(&victim, &[], move |event, _| {
        if matches!(event, Event::Sample { step: 20, .. }) {
            copy_folder(&from, &to);
            fs::create_dir(to.join("checkpoints/step-20.tmp")).unwrap();
        }
    });
    let newest = checkpoint::newest(&left).unwrap();
    assert_eq!(newest.step, 16);
    let mut resumed = job(&left, "language-model", json!({}));
    resumed.resume_from = Some(newest.directory);
    let events = play(&resumed, &[], |_, _| {});
    assert!(matches!(events[0], Event::Started { step: 16, .. }));
    assert!(finished(&events));
    assert_eq!(bits(&left, 30), bits(&whole.directory, 30));
    assert_eq!(history(&left), history(&whole.directory));
    assert!(!left.join("checkpoints/step-20.tmp").exists());
}

#[test]
fn frames_pauses_and_stops_leave_no_mark_on_the_weights() {
    let folder = TempFolder::new();
    let whole = job(&folder.path().join("whole"), "language-model", json!({}));
    play(&whole, &[], |_, _| {});
    let mut watched = job(&folder.path().join("watched"), "language-model", json!({}));
    let probe = Probe::Tokens { tokens: vec![4; 20], every_ms: 0 };
    let events = play(
        &watched,
        &[Command::SetLive(true), Command::SetProbe(probe), Command::Pause, Command::Resume],
        |event, mailbox| {
            if matches!(event, Event::Checkpoint { step: 12, .. }) {
                mailbox.post(Command::Stop);
            }
        },
    );
    let Some(Event::Finished { status, steps: 13, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(json!(status), "stopped");
    watched.resume_from = Some(checkpoint::newest(&watched.directory).unwrap().directory);
    assert!(finished(&play(&watched, &[], |_, _| {})));
    assert_eq!(bits(&watched.directory, 30), bits(&whole.directory, 30));
}

#[test]
fn early_stopping_keeps_the_best_and_tests_it() {
    let folder = TempFolder::new();
    let mut job = job(folder.path(), "forecast", json!({ "maxSteps": null, "schedule": { "kind": "constant" } }));
    job.config.evaluation.every_steps = Some(5);
    job.config.early_stopping.patience = Some(3);
    // A rate at which the loss soon wanders.
    job.config.training.optimizer = serde_json::from_value(
        json!({ "kind": "sgd", "learningRate": 1.0, "momentum": 0.9, "nesterov": true, "weightDecay": 0.0 }),
    )
    .unwrap();
    let events = play(&job, &[], |_, _| {});
    let validations: Vec<(u64, f64)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Evaluated { step, split: SplitName::Validation, metrics, .. } => Some((*step, metrics.loss())),
            _ => None,
        })
        .collect();
    let best = validations.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let Some(Event::Finished { best_step, stopped_early, steps, metrics, .. }) = events.last() else {
        panic!("{:?}", events.last())
    };
    assert_eq!((*best_step, *stopped_early, *steps), (Some(best.0), true, best.0 + 15));
    assert_eq!(metrics.validation.unwrap().loss(), best.1);
    assert!(checkpoint::steps(folder.path()).contains(&best.0));
}

#[test]
fn a_loss_that_is_not_finite_is_placed_and_the_last_checkpoint_stays() {
    let folder = TempFolder::new();
    let mut job = job(folder.path(), "forecast", json!({}));
    job.config.checkpoint.every_steps = 2;
    // Row 40 of the table holds an infinity: it is met in the first epoch.
    let DataConfig::Series(series) = &job.data else { unreachable!() };
    let mut bytes = fs::read(&series.path).unwrap();
    bytes[160..164].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&series.path, bytes).unwrap();
    let events = play(&job, &[], |_, _| {});
    let Some(Event::Failed { step, error }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(error.code, "LOSS_NOT_FINITE");
    let failed_at = step + 1;
    assert!(error.location.as_ref().unwrap().contains(&format!("step {failed_at}")), "{error:?}");
    assert_eq!(error.details["step"], json!(failed_at));
    let newest = checkpoint::newest(folder.path()).map(|newest| newest.step);
    assert_eq!(error.details["lastGoodStep"], json!(newest));
    assert!(newest.is_some_and(|newest| newest == step / 2 * 2));
}

#[test]
fn weights_that_run_away_are_placed_at_a_gate_or_state() {
    let folder = TempFolder::new();
    let mut job = job(
        folder.path(),
        "language-model",
        json!({ "clip": { "norm": null }, "schedule": { "kind": "constant" }, "maxSteps": 500 }),
    );
    job.config.training.optimizer = serde_json::from_value(
        json!({ "kind": "sgd", "learningRate": 90.0, "momentum": 0.0, "nesterov": false, "weightDecay": 5.0 }),
    )
    .unwrap();
    let events = play(&job, &[], |_, _| {});
    let Some(Event::Failed { step, error }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(error.code, "LOSS_NOT_FINITE");
    assert!(error.location.as_ref().unwrap().contains(&format!("step {}", step + 1)), "{error:?}");
    for key in ["layer", "gate", "time", "unit", "step", "lastGoodStep"] {
        assert!(error.details.contains_key(key), "{error:?}");
    }
}

#[test]
fn what_cannot_be_written_is_named_with_its_path() {
    let folder = TempFolder::new();
    let job = job(&folder.path().join("run"), "language-model", json!({}));
    // A file where the folder of the checkpoints should be.
    fs::write(job.directory.join("checkpoints"), "").unwrap();
    let events = play(&job, &[], |_, _| {});
    let Some(Event::Failed { step: 4, error }) = events.last() else { panic!("{:?}", events.last()) };
    assert!(error.location.as_ref().unwrap().ends_with("checkpoints"), "{error:?}");
    assert_eq!(fs::read(job.directory.join("checkpoints")).unwrap(), b"");
}

#[test]
fn a_text_is_measured_as_if_read_once() {
    let folder = TempFolder::new();
    let job = job(folder.path(), "language-model", json!({}));
    let DataConfig::Tokens(mut data) = job.data.clone() else { unreachable!() };
    // Longer than a chunk of 2,048 steps.
    let count = 5000u32;
    fs::write(&data.path, (0..count).flat_map(|i| ((i * i + i / 7) as u16 % 9).to_le_bytes()).collect::<Vec<u8>>())
        .unwrap();
    data.split.test = (100, count as u64);
    let data = DataConfig::Tokens(data);
    let mut model = Model::new(job.config.model_spec(&data).unwrap(), 3, Arc::new(Pool::new(1))).unwrap();
    let source = Source::open(&data).unwrap();
    let Measured::Metrics(Metrics::LanguageModel(measured)) =
        measure(&mut model, &source, SplitName::Test, Limit::default(), &mut || true).unwrap()
    else {
        panic!()
    };
    let tokens: Vec<u32> = (100..count).map(|i| (i * i + i / 7) as u16 as u32 % 9).collect();
    let time = tokens.len() - 1;
    let mut states = model.zero_states(1);
    let batch = Batch { time, batch: 1, input: Input::Tokens(&tokens[..time]), lengths: None };
    let once = model.loss(&batch, &Target::Tokens(&tokens[1..]), &mut states).unwrap();
    assert_eq!(measured.tokens, time as u64);
    assert!((measured.loss - once.mean()).abs() < 1e-9, "{} {}", measured.loss, once.mean());
    let limited =
        measure(&mut model, &source, SplitName::Test, Limit { tokens: Some(10), windows: None }, &mut || true).unwrap();
    assert!(matches!(limited, Measured::Metrics(Metrics::LanguageModel(metrics)) if metrics.tokens == 10));
    assert_eq!(
        measure(&mut model, &source, SplitName::Test, Limit::default(), &mut || false).unwrap(),
        Measured::Interrupted
    );
}
