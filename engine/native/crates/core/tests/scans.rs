//! Layers that are scanned over time: the same bits however the work is divided, the recurrence itself, and gradients
//! over the borders of chunks.

use std::sync::Arc;

use proptest::prelude::*;
use sluice_core::kernels::scan::SCAN_CHUNK;
use sluice_core::rng::{Purpose, Rng};
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelSpec, NamedTensor, Optimizer, Taps, Target, Update,
};
use sluice_core::{Model, Pool};

fn layer(cell: &str, hidden_size: usize, bidirectional: bool, dropout: f32) -> LayerSpec {
    LayerSpec { cell: cell.into(), hidden_size, bidirectional, dropout, ..LayerSpec::default() }
}

fn spec(input: InputSpec, layers: Vec<LayerSpec>, output_size: usize, mode: HeadMode) -> ModelSpec {
    ModelSpec { input, layers, head: HeadSpec { output_size, mode }, options: Default::default() }
}

fn normals(count: usize, seed: u64) -> Vec<f64> {
    let rng = Rng::new(seed, Purpose::Sample, 2);
    (0..count as u64).map(|i| rng.normal(i)).collect()
}

fn adam() -> Update {
    Update {
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 },
        learning_rate: 0.01,
        clip_norm: Some(0.5),
        seed: 11,
    }
}

/// Two steps of training with carried states: everything they leave behind.
fn trained(spec: &ModelSpec, threads: usize, batch: usize, time: usize, lengths: Option<&[usize]>) -> impl PartialEq {
    let mut model = Model::<f32>::new(spec.clone(), 3, Arc::new(Pool::new(threads))).unwrap();
    let mut states = model.zero_states(batch);
    let mut outcomes = Vec::new();
    let outputs = spec.head.output_size;
    let rows = if spec.head.mode == HeadMode::EveryStep { time * batch } else { batch };
    for step in 0..2 {
        let draw = |count: usize, seed: u64| normals(count, seed).into_iter().map(|v| v as f32).collect::<Vec<_>>();
        let series = draw(batch * time * spec.input.width(), step);
        let rng = Rng::new(step, Purpose::Sample, 1);
        let tokens = |count: usize, first: u64, limit: usize| -> Vec<u32> {
            (0..count as u64).map(|i| (rng.uniform(first + i) * limit as f64) as u32).collect()
        };
        let inputs = tokens(batch * time, 0, 19);
        let (classes, values) = (tokens(rows, 100_000, outputs), draw(rows * outputs, step + 50));
        let (input, target) = match spec.input {
            InputSpec::Tokens { .. } => (Input::Tokens(&inputs), Target::Tokens(&classes)),
            InputSpec::Series { .. } => (Input::Series(&series), Target::Values(&values)),
        };
        let batch = Batch { time, batch, input, lengths };
        outcomes.push(model.train_step(&batch, &target, &mut states, step, &adam()).unwrap());
    }
    assert!(outcomes.iter().all(|outcome| outcome.loss.is_finite() && outcome.grad_norm > 0.0));
    (model.parameters(), model.optimizer_state(), states, outcomes)
}

#[test]
fn threads_do_not_change_a_bit() {
    let tokens = InputSpec::Tokens { vocabulary_size: 19, embedding_size: 7 };
    let series = InputSpec::Series { input_size: 3 };
    let alone = vec![layer("mingru", 37, false, 0.3), layer("minlstm", 20, true, 0.2), layer("mingru", 16, false, 0.0)];
    let mixed = vec![layer("lstm", 9, true, 0.2), layer("minlstm", 33, true, 0.1), layer("gru", 5, false, 0.0)];
    let between = |cell, residual| LayerSpec { layer_norm: true, residual, ..layer(cell, 16, false, 0.2) };
    let between =
        vec![between("mingru", false), between("minlstm", true), between("lstm", true), between("mingru", true)];
    let long = 4 * SCAN_CHUNK + 3;
    for (input, layers, mode, batch, time, lengths) in [
        (tokens, alone.clone(), HeadMode::EveryStep, 1, long, None),
        (tokens, alone.clone(), HeadMode::EveryStep, 5, long, Some(vec![long, 1, 40, SCAN_CHUNK, long - 1])),
        (series, alone, HeadMode::LastStep, 1, SCAN_CHUNK + 1, None),
        (series, mixed.clone(), HeadMode::EveryStep, 2, long, Some(vec![long - 5, long])),
        (tokens, mixed, HeadMode::LastStep, 3, 2 * SCAN_CHUNK, Some(vec![7, 64, 33])),
        (tokens, between.clone(), HeadMode::EveryStep, 1, long, None),
        (series, between, HeadMode::LastStep, 2, long, Some(vec![long - 5, long])),
    ] {
        let spec = spec(input, layers, 19, mode);
        let one = trained(&spec, 1, batch, time, lengths.as_deref());
        for threads in [2, 3, 7] {
            let other = trained(&spec, threads, batch, time, lengths.as_deref());
            assert!(one == other, "{threads} threads give other bits: batch {batch}, time {time}, {mode:?}");
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The recurrence as the paper writes it, from the gates that the model recorded.
fn step(cell: &str, gate: impl Fn(&str) -> f64, before: f64) -> f64 {
    match cell {
        "mingru" => (1.0 - gate("z")) * before + gate("z") * gate("n"),
        _ => (gate("f") * before + gate("i") * gate("n")) / (gate("f") + gate("i")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_state_follows_from_the_one_before(
        cell in prop::sample::select(vec!["mingru", "minlstm"]),
        reverse in any::<bool>(),
        time in 1usize..3 * SCAN_CHUNK,
        batch in 1usize..4,
        hidden in 1usize..36,
        threads in 1usize..4,
        seed in 0u64..1000,
    ) {
        let spec = spec(InputSpec::Series { input_size: 2 }, vec![layer(cell, hidden, reverse, 0.0)], 1, HeadMode::LastStep);
        let mut model = Model::<f64>::new(spec, seed, Arc::new(Pool::new(threads))).unwrap();
        let series = normals(time * batch * 2, seed);
        let lengths: Vec<usize> = (0..batch).map(|b| (seed as usize + b * 17) % time + 1).collect();
        let mut states = model.zero_states(batch);
        for entry in &mut states.entries {
            entry.data.copy_from_slice(&normals(batch * hidden, seed + 1));
        }
        let initial = states.clone();
        let mut taps = Taps::new();
        let input = Batch { time, batch, input: Input::Series(&series), lengths: Some(&lengths) };
        model.forward(&input, &mut states, Some(&mut taps)).unwrap();
        let weights = model.parameters();
        let name = if reverse { "l0_reverse" } else { "l0" };
        let find = |what: &str| weights.iter().find(|t| t.name == format!("recurrent.{what}_{name}")).unwrap();
        let gate_rows = ["z", "f", "i"];
        for b in 0..batch {
            for unit in 0..hidden {
                let mut h = initial.get(&format!("h0_{name}")).unwrap()[b * hidden + unit];
                let steps: Vec<usize> = if reverse { (0..lengths[b]).rev().collect() } else { (0..lengths[b]).collect() };
                for t in steps {
                    let tap = |signal: &str| taps.get(&format!("{name}.{signal}")).unwrap().data[(b * time + t) * hidden + unit];
                    let want = step(cell, tap, h);
                    prop_assert!((tap("h") - want).abs() < 1e-12 * (1.0 + want.abs()), "h {} at {t}, not {want}", tap("h"));
                    h = tap("h");
                    // The first gate of the stacked rows, from the input alone.
                    let first = gate_rows.iter().find(|gate| taps.get(&format!("{name}.{gate}")).is_some()).unwrap();
                    let (w, bias): (&NamedTensor<f64>, _) = (find("W"), find("b").data[unit]);
                    let x = &series[(t * batch + b) * 2..][..2];
                    let sum = bias + w.data[unit * 2] * x[0] + w.data[unit * 2 + 1] * x[1];
                    prop_assert!((tap(first) - sigmoid(sum)).abs() < 1e-12);
                }
                prop_assert_eq!(states.get(&format!("h0_{name}")).unwrap()[b * hidden + unit], h);
            }
        }
    }
}

#[test]
fn gradients_cross_the_borders_of_chunks() {
    let (time, batch) = (2 * SCAN_CHUNK + 5, 2);
    for (cell, threads, lengths, between) in [
        ("mingru", 1, None, false),
        ("mingru", 3, Some([time - 1, SCAN_CHUNK + 2]), false),
        ("minlstm", 3, Some([time, 9]), false),
        ("mingru", 3, Some([time, 9]), true),
    ] {
        let mut layers = vec![layer(cell, 2, true, 0.0)];
        if between {
            layers.push(LayerSpec { layer_norm: true, residual: true, ..layers[0].clone() });
        }
        let spec = spec(InputSpec::Series { input_size: 1 }, layers, 1, HeadMode::EveryStep);
        let mut model = Model::<f64>::new(spec, 4, Arc::new(Pool::new(threads))).unwrap();
        // Gates that keep much, so that derivatives reach far.
        let mut weights = model.parameters();
        for tensor in weights.iter_mut().filter(|tensor| tensor.name.starts_with("recurrent.b")) {
            for (gate, bias) in tensor.data.iter_mut().enumerate() {
                *bias += [[-3.0, 0.0, 0.0], [2.0, -2.0, 0.0]][usize::from(cell == "minlstm")][gate / 2];
            }
        }
        model.load_parameters(&weights).unwrap();
        let (series, values) = (normals(time * batch, 1), normals(time * batch, 2));
        let input =
            Batch { time, batch, input: Input::Series(&series), lengths: lengths.as_ref().map(|l| l.as_slice()) };
        let target = Target::Values(&values);
        let mut states = model.zero_states(batch);
        for (e, entry) in states.entries.iter_mut().enumerate() {
            entry.data.copy_from_slice(&normals(batch * 2, 3 + e as u64));
        }
        let traced = model.backward_traced(&input, &target, &states).unwrap();
        let gradients = model.gradients();
        let change = 1e-5;
        let compare = |what: String, given: f64, above: f64, below: f64| {
            let difference = (above - below) / (2.0 * change);
            assert!(
                (given - difference).abs() <= 2e-8 * (1.0 + difference.abs()),
                "{cell} {what}: {given}, {difference}"
            );
        };
        for (t, gradient) in gradients.iter().enumerate() {
            for index in 0..gradient.data.len() {
                let mut at = |by: f64| {
                    let mut changed = weights.clone();
                    changed[t].data[index] += by;
                    model.load_parameters(&changed).unwrap();
                    model.loss(&input, &target, &mut states.clone()).unwrap().mean()
                };
                let (above, below) = (at(change), at(-change));
                compare(gradient.name.clone(), gradient.data[index], above, below);
            }
        }
        model.load_parameters(&weights).unwrap();
        for (e, entry) in traced.initial.entries.iter().enumerate() {
            for (index, &given) in entry.data.iter().enumerate() {
                let mut at = |by: f64| {
                    let mut changed = states.clone();
                    changed.entries[e].data[index] += by;
                    model.loss(&input, &target, &mut changed).unwrap().mean()
                };
                let (above, below) = (at(change), at(-change));
                compare(entry.name.clone(), given, above, below);
            }
        }
        for (index, &given) in traced.input.iter().enumerate().step_by(5) {
            let mut at = |by: f64| {
                let mut changed = series.clone();
                changed[index] += by;
                let input = Batch { input: Input::Series(&changed), ..input };
                model.loss(&input, &target, &mut states.clone()).unwrap().mean()
            };
            let (above, below) = (at(change), at(-change));
            compare(format!("series[{index}]"), given, above, below);
        }
        // dL/dh of the first step must not have died out on the way, or the test says nothing.
        assert!(traced.initial.entries.iter().all(|entry| entry.data.iter().any(|g| g.abs() > 1e-7)));
    }
}

#[test]
fn what_needs_steps_or_recurrent_weights_is_refused_at_its_field() {
    let plain = layer("mingru", 4, false, 0.0);
    for (field, layer) in [
        ("weightDrop", LayerSpec { weight_drop: 0.1, ..plain.clone() }),
        ("zoneoutHidden", LayerSpec { zoneout_hidden: 0.1, ..plain.clone() }),
        ("zoneoutCell", LayerSpec { zoneout_cell: 0.1, ..plain }),
    ] {
        let spec = spec(InputSpec::Series { input_size: 2 }, vec![layer], 1, HeadMode::LastStep);
        let error = Model::<f32>::new(spec, 1, Arc::new(Pool::new(1))).err().expect("refused");
        assert_eq!(error.location, Some(format!("layers.0.{field}")), "{error:?}");
    }
}

/// Workers share the units of a batch with few rows, but not where a layer is scanned.
#[test]
fn a_batch_with_fewer_rows_than_workers_is_evaluated_alike() {
    let series = normals(50 * 2, 1);
    let run = |threads: usize| {
        let layers = vec![layer("lstm", 128, false, 0.0), layer("minlstm", 128, false, 0.0)];
        let spec = spec(InputSpec::Series { input_size: 2 }, layers, 1, HeadMode::EveryStep);
        let mut model = Model::<f64>::new(spec, 2, Arc::new(Pool::new(threads))).unwrap();
        let input = Batch { time: 50, batch: 1, input: Input::Series(&series), lengths: None };
        model.forward(&input, &mut model.zero_states(1), None).unwrap()
    };
    assert_eq!(run(1), run(3));
}
