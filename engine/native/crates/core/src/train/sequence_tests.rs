//! Trainings on sequences of their own lengths: the same bits after a kill, and figures that can be told by hand.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::events::Event;
use super::mailbox::Command;
use super::tests::{bits, finished, history, job, play};
use crate::checkpoint;
use crate::config::{SplitName, TrainJob};
use crate::evaluate::{Limit, Measured, Source, measure};
use crate::loss::ValueLoss;
use crate::metrics::Metrics;
use crate::model::Model;
use crate::pool::Pool;
use crate::testing::TempFolder;

const LENGTHS: [u32; 14] = [5, 9, 3, 7, 7, 2, 8, 4, 6, 9, 5, 3, 8, 6];

fn write(directory: &Path, name: &str, bytes: Vec<u8>) {
    fs::write(directory.join(name), bytes).unwrap();
}

/// A job on fourteen sequences of one kind: ten to learn from, two each to validate and to test.
fn sequence_job(directory: &Path, task: &str) -> TrainJob {
    let mut job = job(directory, "forecast", json!({}));
    let steps = LENGTHS.iter().sum::<u32>();
    write(directory, "lengths.bin", LENGTHS.iter().flat_map(|n| n.to_le_bytes()).collect());
    let noise = |i: u32| (i * i + i / 7) % 9;
    let (task, content) = match task {
        "regress" => {
            write(directory, "values.bin", (0..steps * 2).flat_map(|i| (noise(i) as f32).to_le_bytes()).collect());
            write(directory, "targets.bin", LENGTHS.iter().flat_map(|&n| (n as f32 * 0.5).to_le_bytes()).collect());
            (
                json!({ "kind": "regress", "inputs": ["a", "b"], "targets": ["y"], "scaling": "standard" }),
                json!({ "kind": "values", "columns": 2, "inputs": [1, 0], "scaler": { "mean": [4.0, 4.0], "deviation": [2.0, 2.0] },
                        "targetColumns": 1, "targets": [0], "targetScaler": { "mean": [3.0], "deviation": [0.5] } }),
            )
        }
        "binary-vectors" => {
            write(directory, "values.bin", (0..steps * 3).map(|i| u8::from(noise(i) > 4)).collect());
            (json!({ "kind": "binary-vectors" }), json!({ "kind": "bits", "columns": 3 }))
        }
        _ => {
            write(directory, "values.bin", (0..steps).flat_map(|i| (noise(i) as u16).to_le_bytes()).collect());
            let label = |i: u32| if i % 3 == 0 { u16::MAX } else { noise(i) as u16 / 5 };
            write(directory, "targets.bin", (0..steps).flat_map(|i| label(i).to_le_bytes()).collect());
            (json!({ "kind": "label" }), json!({ "kind": "labels", "vocabularySize": 9, "labelCount": 2 }))
        }
    };
    job.config.task = serde_json::from_value(task).unwrap();
    job.data = serde_json::from_value(json!({
        "kind": "sequences", "path": directory.join("values.bin"), "sequences": LENGTHS.len(), "steps": steps, "content": content,
        "split": { "train": [0, 10], "validation": [10, 12], "test": [12, 14] }
    }))
    .unwrap();
    job.probe = serde_json::from_value(json!({ "kind": "window", "start": 11, "everyMs": 20 })).unwrap();
    job
}

#[test]
fn a_resumed_training_on_sequences_reaches_the_same_bits() {
    for task in ["regress", "binary-vectors", "label"] {
        let folder = TempFolder::new();
        let whole = sequence_job(&folder.path().join("whole"), task);
        let events = play(&whole, &[], |_, _| {});
        assert!(finished(&events), "{:?}", events.last());
        // Around an epoch's end (4 steps) and a validation (10).
        for at in [1u64, 4, 5, 10, 11] {
            let mut part = sequence_job(&folder.path().join(format!("part-{at}")), task);
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
            part.threads = 2;
            assert!(finished(&play(&part, &[], |_, _| {})));
            assert_eq!(bits(&part.directory, 30), bits(&whole.directory, 30), "{task}, resumed at {at}");
            assert_eq!(history(&part.directory), history(&whole.directory), "{task}, resumed at {at}");
        }
    }
}

fn measured(job: &TrainJob, split: SplitName, zero: bool) -> Metrics {
    let mut model = Model::new(job.config.model_spec(&job.data).unwrap(), 3, Arc::new(Pool::new(1))).unwrap();
    if zero {
        let mut weights = model.parameters();
        weights.iter_mut().for_each(|tensor| tensor.data.fill(0.0));
        model.load_parameters(&weights).unwrap();
    }
    let source = Source::open(&job.data).unwrap();
    match measure(&mut model, &source, split, Limit::default(), &mut || true).unwrap() {
        Measured::Metrics(metrics) => metrics,
        other => panic!("{other:?}"),
    }
}

fn close(value: f64, wanted: f64) {
    assert!((value - wanted).abs() < 1e-6, "{value}, not {wanted}");
}

#[test]
fn a_model_that_knows_nothing_costs_what_chance_costs() {
    let folder = TempFolder::new();
    let Metrics::Regress(regress) = measured(&sequence_job(&folder.path().join("r"), "regress"), SplitName::Test, true)
    else {
        panic!()
    };
    // Answer 0 is the mean 3.0 of the scaler; the truths are 4.0 and 3.0, the training mean is 3.0 too.
    close(regress.mse, 0.5);
    close(regress.mae, 0.5);
    close(regress.loss, 2.0);
    close(regress.r2.unwrap(), -1.0);
    close(regress.baseline.mse, 0.5);
    assert_eq!(regress.sequences, 2);

    let vectors = sequence_job(&folder.path().join("b"), "binary-vectors");
    let Metrics::BinaryVectors(vectors) = measured(&vectors, SplitName::Test, true) else { panic!() };
    close(vectors.loss, 3.0 * std::f64::consts::LN_2);
    assert_eq!((vectors.frames, vectors.sequences), (8 + 6 - 2, 2));

    let Metrics::Label(labels) = measured(&sequence_job(&folder.path().join("l"), "label"), SplitName::Test, true)
    else {
        panic!()
    };
    close(labels.loss, std::f64::consts::LN_2);
    let first = (LENGTHS.iter().sum::<u32>() - 14) as usize;
    assert_eq!(labels.labels as usize, (first..first + 14).filter(|i| i % 3 != 0).count());
}

/// The loss is the one that is trained with; the errors beside it stay what they are called.
#[test]
fn values_are_measured_by_their_loss() {
    let folder = TempFolder::new();
    for (loss, regressed, name) in [
        (ValueLoss::Mse {}, 2.0, "mse"),
        // Errors of -2 and 0 in scale.
        (ValueLoss::Mae {}, 1.0, "mae"),
        (ValueLoss::Huber { delta: 1.0 }, 0.75, "huber"),
        (ValueLoss::Huber { delta: 4.0 }, 1.0, "wide"),
    ] {
        let mut regress = sequence_job(&folder.path().join(format!("r-{name}")), "regress");
        regress.config.training.loss = loss;
        let Metrics::Regress(metrics) = measured(&regress, SplitName::Test, true) else { panic!() };
        close(metrics.loss, regressed);
        close(metrics.mse, 0.5);
        close(metrics.mae, 0.5);
        let mut forecast = job(&folder.path().join(format!("f-{name}")), "forecast", json!({}));
        forecast.config.training.loss = loss;
        let Metrics::Forecast(metrics) = measured(&forecast, SplitName::Test, false) else { panic!() };
        match loss {
            ValueLoss::Mse {} => close(metrics.loss, metrics.mse),
            ValueLoss::Mae {} => close(metrics.loss, metrics.mae),
            // No error of this forecast reaches 4: half a squared error.
            ValueLoss::Huber { delta } if delta > 1.0 => close(metrics.loss, 0.5 * metrics.mse),
            ValueLoss::Huber { .. } => assert!(metrics.loss < 0.5 * metrics.mse && metrics.loss < metrics.mae),
        }
    }
    let mut wrong = sequence_job(&folder.path().join("wrong"), "regress");
    wrong.config.training.loss = ValueLoss::Huber { delta: 0.0 };
    let events = play(&wrong, &[], |_, _| {});
    let Some(Event::Failed { error, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((error.code.as_str(), error.location.as_deref()), ("MODEL_INVALID", Some("options.loss.delta")));
}

/// Training under another loss changes the weights and what is told of the steps.
#[test]
fn a_loss_of_values_reaches_the_training() {
    let folder = TempFolder::new();
    let run = |name: &str, loss: serde_json::Value| {
        let job = job(&folder.path().join(name), "forecast", json!({ "loss": loss }));
        assert!(finished(&play(&job, &[], |_, _| {})));
        (bits(&job.directory, 30), history(&job.directory))
    };
    let usual = run("usual", json!({ "kind": "mse" }));
    // Beyond every error of the data: half of the squared error, so half its gradient too.
    let wide = run("wide", json!({ "kind": "huber", "delta": 100.0 }));
    let narrow = run("narrow", json!({ "kind": "huber", "delta": 0.5 }));
    let absolute = run("absolute", json!({ "kind": "mae" }));
    let first = |run: &(Vec<Vec<u8>>, Vec<serde_json::Value>), what: &str| {
        run.1.iter().find_map(|line| line[what].as_f64()).unwrap()
    };
    for what in ["loss", "gradientNorm"] {
        assert!((first(&wide, what) / first(&usual, what) - 0.5).abs() < 1e-5, "{what}");
    }
    assert!(first(&narrow, "loss") < first(&wide, "loss") && first(&wide, "loss") < first(&absolute, "loss"));
    assert!(usual.0 != wide.0 && wide.0 != narrow.0 && narrow.0 != absolute.0);
}

#[test]
fn what_is_measured_does_not_depend_on_the_padding() {
    for task in ["regress", "binary-vectors", "label"] {
        let folder = TempFolder::new();
        let mut job = sequence_job(folder.path(), task);
        let together = measured(&job, SplitName::Train, false).loss();
        // The same sequences one by one: none is padded.
        let crate::config::DataConfig::Sequences(data) = &mut job.data else { unreachable!() };
        let mut parts = Vec::new();
        for number in 0..10 {
            data.split.test = (number, number + 1);
            parts.push(data.clone());
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for data in parts {
            let mut one = job.clone();
            one.data = crate::config::DataConfig::Sequences(data);
            let metrics = measured(&one, SplitName::Test, false);
            let weight = match metrics {
                Metrics::BinaryVectors(metrics) => metrics.frames as f64,
                Metrics::Label(metrics) => metrics.labels as f64,
                _ => 1.0,
            };
            sum += weight * metrics.loss();
            count += weight;
        }
        close(together, sum / count);
    }
}
