//! Whole trainings on tiny data, run on the test's own thread: the listener hears every event in its place, so
//! that its commands arrive at exact steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::changes::Setting;
use super::events::{Event, FrameSlot, Listener};
use super::mailbox::{Command, Mailbox};
use super::rate_test::{RateTestJob, rate_test};
use super::trainer::run;
use crate::checkpoint;
use crate::config::{DataConfig, Probe, SplitName, TrainJob};
use crate::evaluate::{Limit, Measured, Source, measure};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::pool::Pool;
use crate::spec::{Batch, Input, NamedTensor, Target};
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
    ["model.safetensors", "raw.safetensors", "optimizer.safetensors", "states.safetensors"]
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
    let refined = json!({
        "clip": { "norm": 1.0, "value": 0.02 }, "decay": "weights", "labelSmoothing": 0.1, "accumulate": 3, "backwardLength": 17,
        "average": { "kind": "ema", "decay": 0.9 }
    });
    let averaged = json!({ "accumulate": 2, "average": { "kind": "asgd", "startStep": 12, "interval": 5 } });
    let triggered = json!({ "average": { "kind": "asgd", "startStep": null, "interval": 1 } });
    let cases = [
        ("language-model", json!({}), 10),
        ("forecast", json!({}), 10),
        ("language-model", plateau, 2),
        ("language-model", refined, 10),
        ("forecast", averaged, 10),
        ("language-model", triggered, 1),
    ];
    for (task, training, validate) in cases {
        let folder = TempFolder::new();
        let mut whole = job(&folder.path().join("whole"), task, training.clone());
        whole.config.evaluation.every_steps = Some(validate);
        assert!(finished(&play(&whole, &[], |_, _| {})));
        let rates: Vec<_> = history(&whole.directory).iter().filter_map(|line| line["learningRate"].as_f64()).collect();
        assert!(rates.last().unwrap() < &rates[3], "the rate must fall: {rates:?}");
        // Interrupted before and after the first step, before and after a validation, around an epoch's end (12 steps of text,
        // 17 of windows) and before the last validation.
        let everywhere: &[u64] = &[0, 1, 10, 11, 12, 13, 17, 18, 30];
        let is_plain = training == json!({});
        for &at in if is_plain { everywhere } else { &[1, 11, 18] } {
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

/// The time steps that a cell counts run through all slices of an epoch, which begin and end beside its periods.
#[test]
fn a_resumed_training_of_a_clock_reaches_the_same_bits() {
    let folder = TempFolder::new();
    for (name, training) in [
        ("plain", json!({ "sequenceLength": 5 })),
        ("reaching", json!({ "sequenceLength": 5, "backwardLength": 13, "accumulate": 2 })),
    ] {
        let clocked = |directory: String| {
            let mut job = job(&folder.path().join(directory), "language-model", training.clone());
            let layer = &mut job.config.model.layers[0];
            (layer.cell, layer.hidden_size) = ("clockwork".into(), 8);
            job
        };
        let whole = clocked(format!("{name}-whole"));
        assert!(finished(&play(&whole, &[], |_, _| {})));
        for at in [1u64, 3, 4, 9, 16, 17, 18, 26] {
            let mut part = clocked(format!("{name}-{at}"));
            part.config.checkpoint.every_steps = at.saturating_sub(1).max(1);
            let events = play(&part, &[], move |event, mailbox| {
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
            assert!(finished(&play(&part, &[], |_, _| {})));
            assert_eq!(bits(&part.directory, 30), bits(&whole.directory, 30), "{name}, resumed at {at}");
        }
    }
}

#[test]
fn starts_from_given_weights_and_may_stop_there() {
    let folder = TempFolder::new();
    let drawn = job(&folder.path().join("drawn"), "language-model", json!({ "maxSteps": 0 }));
    let events = play(&drawn, &[], |_, _| {});
    let Some(Event::Finished { steps: 0, best_step: None, metrics, .. }) = events.last() else { panic!("{events:?}") };
    assert!(metrics.validation.is_some() && metrics.test.is_some());
    let file = checkpoint::directory_of(&drawn.directory, 0).join("model.safetensors");
    // Another seed draws other weights, but the given ones win: same measurements, same bits.
    let mut given = job(&folder.path().join("given"), "language-model", json!({ "maxSteps": 0, "seed": 6 }));
    given.initial_weights = Some(file.clone());
    let again = play(&given, &[], |_, _| {});
    assert_eq!(bits(&given.directory, 0)[0], bits(&drawn.directory, 0)[0]);
    let Some(Event::Finished { metrics: measured, .. }) = again.last() else { panic!("{again:?}") };
    assert_eq!(measured.test.unwrap().loss(), metrics.test.unwrap().loss());
    // From there a training goes on as if it had drawn them, also one that was killed before its first checkpoint.
    let whole = job(&folder.path().join("whole"), "language-model", json!({}));
    assert!(finished(&play(&whole, &[], |_, _| {})));
    let mut part = job(&folder.path().join("part"), "language-model", json!({}));
    part.initial_weights = Some(file);
    assert!(finished(&play(&part, &[], |_, _| {})));
    assert_eq!(bits(&part.directory, 30), bits(&whole.directory, 30));
}

#[test]
fn given_weights_that_do_not_fit_end_it_before_anything_is_written() {
    let folder = TempFolder::new();
    let mut wrong = job(&folder.path().join("wrong"), "forecast", json!({}));
    let path = folder.path().join("weights.safetensors");
    let stranger = NamedTensor { name: "head.bias".into(), shape: vec![2], data: vec![0.0f32; 2] };
    fs::write(&path, crate::tensor_file::encode(&[stranger], &[]).unwrap()).unwrap();
    wrong.initial_weights = Some(path.clone());
    let events = play(&wrong, &[], |_, _| {});
    let Some(Event::Failed { step: 0, error }) = events.last() else { panic!("{events:?}") };
    assert_eq!((error.code.as_str(), error.location.as_deref()), ("PARAMETER_SHAPE", Some("recurrent.weight_ih_l0")));
    assert!(!wrong.directory.join("checkpoints").exists());
    fs::write(&path, "torn").unwrap();
    let events = play(&wrong, &[], |_, _| {});
    let Some(Event::Failed { error, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(error.code, "CHECKPOINT_DAMAGED");
}

/// The average that a checkpoint holds beside the weights in training.
fn holds_average(directory: &Path, step: u64) -> bool {
    let folder = checkpoint::directory_of(directory, step);
    let [model, raw] = ["model.safetensors", "raw.safetensors"].map(|name| fs::read(folder.join(name)).ok());
    raw.is_some() && model != raw
}

#[test]
fn an_average_is_what_is_measured_and_kept() {
    let folder = TempFolder::new();
    for (average, is_held) in [
        (json!({ "kind": "none" }), false),
        (json!({ "kind": "ema", "decay": 0.9 }), true),
        (json!({ "kind": "asgd", "startStep": 10, "interval": 5 }), true),
        (json!({ "kind": "asgd", "startStep": 30, "interval": 5 }), false),
    ] {
        let name = average.to_string().replace(['"', '{', '}', ':', ','], "");
        let job = job(&folder.path().join(name), "language-model", json!({ "average": average }));
        let events = play(&job, &[], |_, _| {});
        assert_eq!(holds_average(&job.directory, 30), is_held, "{average}");
        // The checkpoint's model measured again gives the validation that was told.
        let told = events.iter().rev().find_map(|event| match event {
            Event::Evaluated { step: 30, split: SplitName::Validation, metrics, .. } => Some(*metrics),
            _ => None,
        });
        let (_, weights) = checkpoint::load_model(&checkpoint::directory_of(&job.directory, 30)).unwrap();
        let mut model = Model::new(job.config.model_spec(&job.data).unwrap(), 3, Arc::new(Pool::new(1))).unwrap();
        model.load_parameters(&weights).unwrap();
        let source = Source::open(&job.data).unwrap();
        let again = measure(&mut model, &source, SplitName::Validation, Limit::default(), &mut || true).unwrap();
        assert_eq!(again, Measured::Metrics(told.unwrap()), "{average}");
    }
}

#[test]
fn batches_of_one_update_count_as_one_large_batch() {
    let folder = TempFolder::new();
    let run = |name: &str, batch: u64, accumulate: u64| {
        let mut job = job(
            &folder.path().join(name),
            "forecast",
            json!({ "batchSize": batch, "accumulate": accumulate, "maxSteps": 6, "schedule": { "kind": "constant" } }),
        );
        job.config.model.layers[0].dropout = 0.0;
        play(&job, &[], |_, _| {});
        let steps: Vec<_> = history(&job.directory).into_iter().filter(|line| line["kind"] == "step").collect();
        steps
            .iter()
            .map(|line| (line["loss"].as_f64().unwrap(), line["gradientNorm"].as_f64().unwrap()))
            .collect::<Vec<_>>()
    };
    // 50 windows an epoch.
    let (whole, parts) = (run("whole", 10, 1), run("parts", 5, 2));
    assert_eq!(whole.len(), 6);
    for (one, other) in whole.iter().zip(&parts) {
        assert!(
            (one.0 - other.0).abs() < 1e-5 * one.0 && (one.1 - other.1).abs() < 1e-4 * one.1,
            "{whole:?} {parts:?}"
        );
    }
    // The last update of an epoch has 2 windows only.
    let (whole, parts) = (run("uneven", 12, 1), run("uneven-parts", 4, 3));
    for (one, other) in whole.iter().zip(&parts) {
        assert!(
            (one.0 - other.0).abs() < 1e-5 * one.0 && (one.1 - other.1).abs() < 1e-4 * one.1,
            "{whole:?} {parts:?}"
        );
    }
}

#[test]
fn a_rate_test_grows_the_rate_until_the_loss_runs_away_and_writes_nothing() {
    let folder = TempFolder::new();
    let TrainJob { config, data, directory, .. } =
        job(folder.path(), "language-model", json!({ "clip": { "norm": null } }));
    let before = fs::read_dir(&directory).unwrap().count();
    let test = RateTestJob { config, data, threads: 1, from: 1e-5, to: 1e4, steps: 60 };
    let mut told = Vec::new();
    let result = rate_test(&test, &|| true, &mut |point| told.push(point)).unwrap();
    assert_eq!(told, result.points);
    assert!((result.points[1].rate / result.points[0].rate - 1e9f64.powf(1.0 / 59.0)).abs() < 1e-9);
    let diverged = result.diverged.expect("a rate of 10,000 is too much");
    let suggestion = result.suggestion.expect("the loss falls at first");
    assert!(
        suggestion > 1e-4 && suggestion < result.lowest.unwrap() && result.lowest.unwrap() < diverged,
        "{result:?}"
    );
    assert_eq!(rate_test(&test, &|| true, &mut |_| {}).unwrap(), result);

    let count = std::cell::Cell::new(0);
    let cancelled = rate_test(&test, &|| count.replace(count.get() + 1) < 3, &mut |_| {}).unwrap_err();
    assert_eq!((cancelled.code.as_str(), count.get()), ("CANCELLED", 4));
    for (from, to, steps, field) in [(0.0, 1.0, 9, "from"), (0.1, 0.1, 9, "to"), (0.1, 1.0, 1, "steps")] {
        let wrong = RateTestJob { from, to, steps, ..test.clone() };
        assert_eq!(rate_test(&wrong, &|| true, &mut |_| {}).unwrap_err().location.as_deref(), Some(field));
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), before);
}

fn setting(field: &str, to: Option<f64>) -> Setting {
    Setting { field: field.into(), to }
}

#[test]
fn a_change_is_recorded_and_a_killed_run_makes_it_again() {
    let folder = TempFolder::new();
    let changes = vec![
        setting("training.optimizer.learningRate", Some(0.003)),
        setting("training.clip.norm", None),
        setting("training.clip.value", Some(0.01)),
        setting("training.maxSteps", Some(24.0)),
    ];
    let whole = job(&folder.path().join("whole"), "language-model", json!({}));
    let left = folder.path().join("left");
    let (from, to, posted) = (whole.directory.clone(), left.clone(), changes.clone());
    let events = play(&whole, &[], move |event, mailbox| match event {
        Event::Checkpoint { step: 12, .. } => mailbox.post(Command::Change(posted.clone())),
        // As a kill would leave it: changed after step 13, and the last checkpoint is that of step 12.
        Event::Changed { change, .. } if change.field == "training.maxSteps" => copy_folder(&from, &to),
        _ => {}
    });
    let Some(Event::Finished { steps: 24, .. }) = events.last() else { panic!("{:?}", events.last()) };
    let lines = history(&whole.directory);
    let recorded: Vec<_> = lines.iter().filter(|line| line["kind"] == "change").collect();
    assert_eq!(recorded.len(), 4);
    assert_eq!(
        recorded[0],
        &json!({ "kind": "change", "step": 13, "field": "training.optimizer.learningRate", "from": 0.01, "to": 0.003 })
    );
    assert_eq!(
        recorded[3],
        &json!({ "kind": "change", "step": 13, "field": "training.maxSteps", "from": 30.0, "to": 24.0 })
    );
    let rate = |step: u64| {
        lines.iter().find(|line| line["kind"] == "step" && line["step"] == step).unwrap()["learningRate"]
            .as_f64()
            .unwrap()
    };
    assert!(rate(14) < 0.4 * rate(13), "{} {}", rate(13), rate(14));

    let mut resumed = job(&left, "language-model", json!({}));
    resumed.resume_from = Some(checkpoint::directory_of(&left, 12));
    assert!(finished(&play(&resumed, &[], |_, _| {})));
    assert_eq!(bits(&left, 24), bits(&whole.directory, 24));
    assert_eq!(history(&left), lines);
}

#[test]
fn a_run_changed_and_stopped_goes_on_changed() {
    let folder = TempFolder::new();
    let play_to = |name: &str, stops: bool| {
        let mut job = job(&folder.path().join(name), "forecast", json!({ "schedule": { "kind": "constant" } }));
        let change = vec![setting("training.optimizer.learningRate", Some(0.002))];
        play(&job, &[], move |event, mailbox| match event {
            Event::Checkpoint { step: 8, .. } => mailbox.post(Command::Change(change.clone())),
            Event::Checkpoint { step: 16, .. } if stops => mailbox.post(Command::Stop),
            _ => {}
        });
        if stops {
            job.resume_from = Some(checkpoint::newest(&job.directory).unwrap().directory);
            assert!(finished(&play(&job, &[], |_, _| {})));
        }
        (bits(&job.directory, 30), history(&job.directory))
    };
    let (whole, stopped) = (play_to("whole", false), play_to("stopped", true));
    assert_eq!(whole.0, stopped.0);
    let rates: Vec<_> = stopped.1.iter().filter_map(|line| line["learningRate"].as_f64()).collect();
    assert_eq!((rates[8], rates[9], rates[29]), (0.01, 0.002, 0.002));
}

#[test]
fn what_cannot_be_changed_is_told_and_changes_nothing() {
    let folder = TempFolder::new();
    let job = job(&folder.path().join("run"), "language-model", json!({}));
    let bad = [
        vec![setting("training.batchSize", Some(4.0))],
        vec![setting("training.clip.norm", Some(3.0)), setting("training.maxSteps", Some(2.5))],
        vec![setting("training.optimizer.learningRate", None)],
    ];
    let events = play(&job, &bad.map(Command::Change), |_, _| {});
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Refused { step: 0, .. })).count(), 3);
    assert!(finished(&events) && !job.directory.join("changes.json").exists());
    assert!(history(&job.directory).iter().all(|line| line["kind"] != "change"));
}

#[test]
fn the_log_tells_movement_saturation_and_lags() {
    let folder = TempFolder::new();
    let job = job(&folder.path().join("run"), "language-model", json!({}));
    play(&job, &[], |_, _| {});
    let lines = history(&job.directory);
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).cloned().collect::<Vec<_>>();
    let movement = of("movement");
    assert_eq!(movement.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [10, 20, 30]);
    let groups = movement[0]["groups"].as_array().unwrap();
    assert_eq!(
        groups.iter().map(|g| g["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["embedding", "l0", "l1", "head"]
    );
    assert!(groups.iter().all(|group| (1e-5..1.0).contains(&group["ratio"].as_f64().unwrap())), "{groups:?}");
    let gates = of("saturation")[0]["gates"].as_array().unwrap().clone();
    let names: Vec<_> =
        gates.iter().map(|g| format!("{}.{}", g["layer"].as_str().unwrap(), g["gate"].as_str().unwrap())).collect();
    assert_eq!(names, ["l0.f", "l0.i", "l0.o", "l1.r", "l1.z"]);
    let lags = of("lags");
    assert_eq!(lags.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [10, 20, 30]);
    // The probe has three characters, so two steps with a loss at the second.
    assert_eq!(lags[0]["layers"][0]["lags"], json!([0, 1]));
    assert!(lags[0]["layers"][1]["norms"][0].as_f64().unwrap() > 0.0);
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
    // The best and the last both stay.
    let kept = checkpoint::steps(folder.path());
    assert!(kept.contains(&best.0) && kept.contains(&(best.0 + 15)), "{kept:?}");
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
