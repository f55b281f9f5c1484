//! What must hold for every model: bits, lengths, states, dropout, names, errors.

use std::sync::Arc;

use sluice_core::cells::find_cell;
use sluice_core::kernels::KernelKind;
use sluice_core::rng::{Purpose, Rng};
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, IGNORED, InitialWeights, Input, InputSpec, LayerSpec, ModelSpec, Optimizer, Taps,
    Target, Update,
};
use sluice_core::step::StepOptions;
use sluice_core::{Model, Pool, cells};

fn pool(threads: usize) -> Arc<Pool> {
    Arc::new(Pool::new(threads))
}

fn layer(cell: &str, hidden_size: usize, bidirectional: bool, dropout: f32) -> LayerSpec {
    LayerSpec { cell: cell.into(), hidden_size, bidirectional, dropout, ..LayerSpec::default() }
}

/// Two layers of a cell; the upper one has the lower one's size where it adds a state of it.
fn two_layers(cell: &str, [lower, upper]: [usize; 2], bidirectional: bool) -> Vec<LayerSpec> {
    let upper = if find_cell(cell).unwrap().lower().is_some() { lower } else { upper };
    vec![layer(cell, lower, bidirectional, 0.0), layer(cell, upper, bidirectional, 0.0)]
}

fn language(layers: Vec<LayerSpec>) -> ModelSpec {
    ModelSpec {
        input: InputSpec::Tokens { vocabulary_size: 19, embedding_size: 7 },
        layers,
        head: HeadSpec { output_size: 19, mode: HeadMode::EveryStep },
        options: Default::default(),
    }
}

fn forecast(layers: Vec<LayerSpec>, input_size: usize, output_size: usize) -> ModelSpec {
    ModelSpec {
        input: InputSpec::Series { input_size },
        layers,
        head: HeadSpec { output_size, mode: HeadMode::LastStep },
        options: Default::default(),
    }
}

fn tokens(count: usize, seed: u64) -> Vec<u32> {
    let rng = Rng::new(seed, Purpose::Sample, 1);
    (0..count as u64).map(|i| (rng.uniform(i) * 19.0) as u32).collect()
}

fn normals(count: usize, seed: u64) -> Vec<f32> {
    let rng = Rng::new(seed, Purpose::Sample, 2);
    (0..count as u64).map(|i| rng.normal(i) as f32).collect()
}

fn adam() -> Update {
    Update {
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 },
        learning_rate: 0.01,
        clip_norm: Some(0.5),
        seed: 11,
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let stacks = [
        vec![layer("lstm", 33, false, 0.4), layer("gru", 21, true, 0.2), layer("rnn-tanh", 16, false, 0.0)],
        vec![layer("gru", 40, true, 0.1), layer("lstm", 5, false, 0.0)],
    ];
    for (kind, stack) in KernelKind::available().into_iter().flat_map(|kind| stacks.iter().map(move |s| (kind, s))) {
        let run = |threads: usize| {
            let spec = language(stack.clone());
            let mut model = Model::<f32>::with_kernel(spec, 3, pool(threads), kind).unwrap();
            let mut states = model.zero_states(5);
            let mut outcomes = Vec::new();
            for step in 0..10 {
                let (inputs, targets) = (tokens(5 * 9, step), tokens(5 * 9, step + 100));
                let batch = Batch { time: 9, batch: 5, input: Input::Tokens(&inputs), lengths: Some(&[9, 3, 8, 1, 9]) };
                let target = Target::Tokens(&targets);
                outcomes.push(model.train_step(&batch, &target, &mut states, step, &adam()).unwrap());
            }
            (model.parameters(), model.optimizer_state(), states, outcomes)
        };
        let one = run(1);
        for threads in [2, 3, 7] {
            let other = run(threads);
            assert!(one == other, "{kind:?}: {threads} threads give other bits");
        }
        assert!(one.3.iter().all(|outcome| outcome.loss.is_finite() && outcome.grad_norm > 0.0));
    }
}

#[test]
fn a_long_series_has_the_same_bits_with_any_threads() {
    // More rows than one block of the weight gradients, and more inner columns than one block of a product.
    let run = |kind: KernelKind, threads: usize| {
        let spec = forecast(vec![layer("lstm", 150, false, 0.0), layer("gru", 64, false, 0.0)], 3, 4);
        let mut model = Model::<f32>::with_kernel(spec, 3, pool(threads), kind).unwrap();
        let mut states = model.zero_states(6);
        for step in 0..3 {
            let (series, values) = (normals(6 * 40 * 3, step), normals(6 * 4, step + 50));
            let batch = Batch { time: 40, batch: 6, input: Input::Series(&series), lengths: None };
            model.train_step(&batch, &Target::Values(&values), &mut states, step, &adam()).unwrap();
        }
        model.parameters()
    };
    for kind in KernelKind::available() {
        let one = run(kind, 1);
        assert!(one == run(kind, 2), "{kind:?}");
        assert!(one == run(kind, 3), "{kind:?}");
    }
}

#[test]
fn padding_changes_nothing() {
    for cell in cells() {
        let stack = two_layers(cell.name, [9, 6], true);
        let mut model = Model::<f32>::new(forecast(stack, 2, 3), 4, pool(2)).unwrap();
        let lengths = [6usize, 2, 4];
        let series = normals(6 * 3 * 2, 5);
        let mut padded = series.clone();
        for t in 0..6 {
            for b in 0..3 {
                if t >= lengths[b] {
                    // Whatever stands in the padding must not matter.
                    padded[(t * 3 + b) * 2..(t * 3 + b) * 2 + 2].fill(1e6);
                }
            }
        }
        let mut states = model.zero_states(3);
        let batch = Batch { time: 6, batch: 3, input: Input::Series(&padded), lengths: Some(&lengths) };
        let mut taps = Taps::new();
        let together = model.forward(&batch, &mut states, Some(&mut taps)).unwrap();
        for (b, &length) in lengths.iter().enumerate() {
            let alone: Vec<f32> =
                (0..length).flat_map(|t| series[(t * 3 + b) * 2..(t * 3 + b) * 2 + 2].to_vec()).collect();
            let mut own = model.zero_states(1);
            let batch = Batch { time: length, batch: 1, input: Input::Series(&alone), lengths: None };
            let outputs = model.forward(&batch, &mut own, None).unwrap();
            assert_eq!(outputs, together[b * 3..(b + 1) * 3], "{}", cell.name);
            for (all, one) in states.entries.iter().zip(&own.entries) {
                assert_eq!(all.data[b * all.hidden_size..(b + 1) * all.hidden_size], one.data);
            }
        }
        let h = taps.get("l1_reverse.h").unwrap();
        let width = h.shape[2];
        assert_eq!(h.shape[..2], [3, 6]);
        assert!(h.data[(6 + 2) * width..2 * 6 * width].iter().all(|&v| v == 0.0), "padded steps are 0 in traces");
    }
}

#[test]
fn a_carried_state_continues_the_sequence() {
    for cell in cells() {
        let stack = two_layers(cell.name, [20, 11], false);
        let mut model = Model::<f32>::new(language(stack), 4, pool(2)).unwrap();
        let inputs = tokens(10 * 2, 3);
        let whole = Batch { time: 10, batch: 2, input: Input::Tokens(&inputs), lengths: None };
        let mut states = model.zero_states(2);
        let at_once = model.forward(&whole, &mut states, None).unwrap();
        let mut carried = model.zero_states(2);
        let mut in_parts = Vec::new();
        for part in inputs.chunks(4) {
            let batch = Batch { time: part.len() / 2, batch: 2, input: Input::Tokens(part), lengths: None };
            in_parts.extend(model.forward(&batch, &mut carried, None).unwrap());
        }
        if cell.names.recurrent.is_some() {
            assert_eq!(at_once, in_parts, "{}", cell.name);
            assert_eq!(states, carried);
        } else {
            // A scan's chunks begin elsewhere in the parts, which rounds differently.
            assert!(at_once.iter().zip(&in_parts).all(|(a, b)| (a - b).abs() < 1e-6), "{}", cell.name);
        }
        carried.clear_row(1);
        let h = carried.get("h0_l1").unwrap();
        let (first, second) = h.split_at(h.len() / 2);
        assert!(second.iter().all(|&v| v == 0.0) && first.iter().any(|&v| v != 0.0));
    }
}

#[test]
fn loading_weights_and_moments_resumes_to_the_same_bits() {
    let stack = vec![layer("lstm", 18, false, 0.5), layer("gru", 9, false, 0.0)];
    let optimizers = [
        adam().optimizer,
        Optimizer::AdamW { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1 },
        Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-3 },
        Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 },
        Optimizer::NAdam { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1 },
        Optimizer::RmsProp { alpha: 0.9, eps: 1e-8, momentum: 0.0, weight_decay: 0.0 },
        Optimizer::RmsProp { alpha: 0.9, eps: 1e-8, momentum: 0.5, weight_decay: 1e-3 },
        Optimizer::Adagrad { eps: 1e-10, weight_decay: 0.0 },
        Optimizer::Lion { beta1: 0.9, beta2: 0.99, weight_decay: 0.1 },
    ];
    for optimizer in optimizers {
        let update = Update { optimizer, ..adam() };
        let step = |model: &mut Model<f32>, states: &mut _, step: u64| {
            let (inputs, targets) = (tokens(12, step), tokens(12, step + 7));
            let batch = Batch { time: 4, batch: 3, input: Input::Tokens(&inputs), lengths: None };
            model.train_step(&batch, &Target::Tokens(&targets), states, step, &update).unwrap();
        };
        let mut whole = Model::<f32>::new(language(stack.clone()), 8, pool(1)).unwrap();
        let mut states = whole.zero_states(3);
        for n in 0..3 {
            step(&mut whole, &mut states, n);
        }
        let mut resumed = Model::<f32>::new(language(stack.clone()), 99, pool(2)).unwrap();
        resumed.load_parameters(&whole.parameters()).unwrap();
        resumed.load_optimizer_state(&whole.optimizer_state()).unwrap();
        let mut carried = states.clone();
        for n in 3..6 {
            step(&mut whole, &mut states, n);
            step(&mut resumed, &mut carried, n);
        }
        assert!(whole.parameters() == resumed.parameters());
        assert!(whole.optimizer_state() == resumed.optimizer_state());
        assert_eq!(states, carried);
    }
}

#[test]
fn embedding_gradients_of_absent_tokens_are_zero() {
    let mut model = Model::<f32>::new(language(vec![layer("gru", 6, false, 0.0)]), 2, pool(2)).unwrap();
    let mut states = model.zero_states(1);
    for (step, inputs) in [[1u32, 2, 3], [3, 4, 4]].iter().enumerate() {
        let batch = Batch { time: 3, batch: 1, input: Input::Tokens(inputs), lengths: None };
        model.train_step(&batch, &Target::Tokens(&[0, 1, 2]), &mut states, step as u64, &adam()).unwrap();
    }
    let gradients = model.gradients();
    let embedding = &gradients[0];
    assert_eq!((embedding.name.as_str(), embedding.shape.as_slice()), ("embedding.weight", [19, 7].as_slice()));
    for (token, row) in embedding.data.chunks(7).enumerate() {
        assert_eq!(row.iter().any(|&v| v != 0.0), token == 3 || token == 4, "token {token}");
    }
}

#[test]
fn dropout_keeps_the_mean_and_is_off_in_evaluation() {
    let stack = vec![layer("rnn-tanh", 64, false, 0.25), layer("rnn-tanh", 8, false, 0.9)];
    let mut model = Model::<f32>::new(language(stack.clone()), 2, pool(2)).unwrap();
    let mut plain = stack;
    plain.iter_mut().for_each(|layer| layer.dropout = 0.0);
    let mut same = Model::<f32>::new(language(plain), 2, pool(2)).unwrap();
    let inputs = tokens(40, 4);
    let batch = Batch { time: 10, batch: 4, input: Input::Tokens(&inputs), lengths: None };
    let outputs = model.forward(&batch, &mut model.zero_states(4), None).unwrap();
    assert_eq!(outputs, same.forward(&batch, &mut same.zero_states(4), None).unwrap());

    // In training the loss differs from step to step by the masks, and is the same for the same step.
    let still = Update { learning_rate: 0.0, ..adam() };
    let loss = |model: &mut Model<f32>, step| {
        let mut states = model.zero_states(4);
        model.train_step(&batch, &Target::Tokens(&inputs), &mut states, step, &still).unwrap().loss
    };
    let (first, second, again) = (loss(&mut model, 0), loss(&mut model, 1), loss(&mut model, 0));
    assert!(first != second);
    assert_eq!(first, again);
    assert_eq!(loss(&mut same, 0), loss(&mut same, 1));
}

#[test]
fn ignored_targets_and_padded_steps_do_not_count() {
    let mut model = Model::<f32>::new(language(vec![layer("lstm", 6, false, 0.0)]), 2, pool(2)).unwrap();
    let (inputs, mut targets) = (tokens(8, 1), tokens(8, 2));
    let batch = Batch { time: 4, batch: 2, input: Input::Tokens(&inputs), lengths: Some(&[4, 3]) };
    let mut states = model.zero_states(2);
    assert_eq!(model.loss(&batch, &Target::Tokens(&targets), &mut states).unwrap().count, 7);
    targets[0] = IGNORED;
    let mut states = model.zero_states(2);
    assert_eq!(model.loss(&batch, &Target::Tokens(&targets), &mut states).unwrap().count, 6);
}

#[test]
fn names_shapes_and_counts_are_those_of_pytorch() {
    let stack = vec![layer("lstm", 4, true, 0.0), layer("gru", 3, false, 0.0)];
    let model = Model::<f32>::new(language(stack), 1, pool(1)).unwrap();
    let listed: Vec<_> = model.parameters().into_iter().map(|t| format!("{} {:?}", t.name, t.shape)).collect();
    assert_eq!(
        listed,
        [
            "embedding.weight [19, 7]",
            "recurrent.weight_ih_l0 [16, 7]",
            "recurrent.weight_hh_l0 [16, 4]",
            "recurrent.bias_ih_l0 [16]",
            "recurrent.bias_hh_l0 [16]",
            "recurrent.weight_ih_l0_reverse [16, 7]",
            "recurrent.weight_hh_l0_reverse [16, 4]",
            "recurrent.bias_ih_l0_reverse [16]",
            "recurrent.bias_hh_l0_reverse [16]",
            "recurrent.weight_ih_l1 [9, 8]",
            "recurrent.weight_hh_l1 [9, 3]",
            "recurrent.bias_ih_l1 [9]",
            "recurrent.bias_hh_l1 [9]",
            "head.weight [19, 3]",
            "head.bias [19]",
        ]
    );
    let total: usize = model.parameters().iter().map(|t| t.data.len()).sum();
    assert_eq!(model.parameter_count(), total);
    let of = |cell: &str, inputs, hidden| {
        let cell = cells().into_iter().find(|info| info.name == cell).unwrap();
        cell.tensors(inputs, hidden, hidden).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>()
    };
    assert_eq!(total, 19 * 7 + 2 * of("lstm", 7, 4) + of("gru", 8, 3) + 19 * 3 + 19);
    let states: Vec<_> = model.zero_states(1).entries.into_iter().map(|e| e.name).collect();
    assert_eq!(states, ["h0_l0", "c0_l0", "h0_l0_reverse", "c0_l0_reverse", "h0_l1"]);
}

#[test]
fn a_projected_layer_has_pytorchs_tensors_and_a_narrow_h() {
    let spec = |projection_size| LayerSpec { projection_size, ..layer("lstm-projection", 5, true, 0.0) };
    for (given, size) in [(None, 3), (Some(1), 1), (Some(5), 5)] {
        let model = Model::<f32>::new(language(vec![spec(given), layer("lstm", 4, false, 0.0)]), 1, pool(1)).unwrap();
        let shapes: Vec<_> = model.parameters().into_iter().map(|t| (t.name, t.shape)).collect();
        for (name, shape) in [
            ("weight_ih_l0", vec![20, 7]),
            ("weight_hh_l0_reverse", vec![20, size]),
            ("weight_hr_l0", vec![size, 5]),
            ("weight_ih_l1", vec![16, 2 * size]),
        ] {
            assert!(shapes.contains(&(format!("recurrent.{name}"), shape)), "{name} in {shapes:?}");
        }
        let widths: Vec<_> = model.zero_states(1).entries.into_iter().map(|e| (e.name, e.hidden_size)).collect();
        assert_eq!(widths[..2], [("h0_l0".to_string(), size), ("c0_l0".to_string(), 5)]);
    }
}

#[test]
fn gains_start_at_one_and_their_biases_at_zero() {
    let model = Model::<f32>::new(language(vec![layer("lstm-layernorm", 5, false, 0.0)]), 1, pool(1)).unwrap();
    for tensor in model.parameters() {
        let start = if tensor.name.contains("_gain_") {
            1.0
        } else if tensor.name.contains("ln_") {
            0.0
        } else {
            continue;
        };
        assert!(tensor.data.iter().all(|&v| v == start), "{}", tensor.name);
    }
}

#[test]
fn initial_weights_lie_within_pytorchs_bounds() {
    let model = Model::<f32>::new(language(vec![layer("lstm", 100, false, 0.0)]), 1, pool(1)).unwrap();
    for tensor in model.parameters() {
        let largest = tensor.data.iter().fold(0f32, |m, v| m.max(v.abs()));
        if tensor.name == "embedding.weight" {
            assert!(largest > 2.0 && largest < 6.0);
        } else {
            assert!(largest <= 0.1 && largest > 0.08, "{} {largest}", tensor.name);
        }
    }
}

#[test]
fn a_value_that_is_not_finite_is_found_and_nothing_is_changed() {
    let stack = vec![layer("lstm", 20, false, 0.0), layer("gru", 5, false, 0.0)];
    let spec = ModelSpec { head: HeadSpec { output_size: 2, mode: HeadMode::EveryStep }, ..forecast(stack, 3, 2) };
    let mut model = Model::<f32>::new(spec, 1, pool(2)).unwrap();
    let mut series = normals(4 * 2 * 3, 1);
    let values = normals(4 * 2 * 2, 2);
    let mut states = model.zero_states(2);
    let before = model.parameters();
    series[(2 * 2 + 1) * 3 + 1] = f32::NAN;
    let batch = Batch { time: 4, batch: 2, input: Input::Series(&series), lengths: None };
    let outcome = model.train_step(&batch, &Target::Values(&values), &mut states, 0, &adam()).unwrap();
    let place = outcome.non_finite.unwrap();
    assert_eq!((place.layer.as_str(), place.time_step, place.row, place.unit), ("input", Some(2), Some(1), Some(1)));
    assert_eq!(model.parameters(), before);
    assert_eq!(states, model.zero_states(2));

    // An infinite state makes c infinite in the first step and NaN nowhere before.
    series[(2 * 2 + 1) * 3 + 1] = 0.0;
    states.get_mut("c0_l0").unwrap()[20 + 17] = f32::INFINITY;
    let batch = Batch { time: 4, batch: 2, input: Input::Series(&series), lengths: None };
    let outcome = model.train_step(&batch, &Target::Values(&values), &mut states, 0, &adam()).unwrap();
    let place = outcome.non_finite.unwrap();
    assert_eq!(
        (place.layer.as_str(), place.tensor.as_str(), place.time_step, place.row, place.unit),
        ("l0", "c", Some(0), Some(1), Some(17))
    );
    assert_eq!(model.parameters(), before);

    // Finite states, but a loss beyond f32: found in the outputs.
    let mut weights = before.clone();
    let head = weights.iter_mut().find(|t| t.name == "head.weight").unwrap();
    head.data.fill(3e38);
    model.load_parameters(&weights).unwrap();
    states.clear();
    let outcome = model.train_step(&batch, &Target::Values(&values), &mut states, 0, &adam()).unwrap();
    assert_eq!(outcome.non_finite.unwrap().layer, "head");
}

#[test]
fn wrong_specs_batches_and_states_are_refused_with_a_place() {
    let refused = |spec: ModelSpec| {
        let error = Model::<f32>::new(spec, 1, pool(1)).err().unwrap();
        (error.code, error.location.unwrap_or_default())
    };
    let good = language(vec![layer("lstm", 4, false, 0.0)]);
    assert_eq!(refused(language(vec![])).1, "layers");
    assert_eq!(refused(language(vec![layer("lstm", 0, false, 0.0)])).1, "layers.0.hiddenSize");
    assert_eq!(refused(language(vec![layer("lstm", 4, false, 1.0)])).1, "layers.0.dropout");
    let unknown = refused(language(vec![layer("lstm", 4, false, 0.0), layer("lstn", 4, false, 0.0)]));
    assert_eq!((unknown.0.as_str(), unknown.1.as_str()), ("CELL_UNKNOWN", "layers.1.cell"));
    for (below, size, field) in [("gru", 4, "layers.1.cell"), ("lstm", 5, "layers.1.hiddenSize")] {
        let error = refused(language(vec![layer(below, size, false, 0.0), layer("dglstm", 4, false, 0.0)]));
        assert_eq!((error.0.as_str(), error.1.as_str()), ("MODEL_INVALID", field));
    }
    let wide = LayerSpec { projection_size: Some(5), ..layer("lstm-projection", 4, false, 0.0) };
    assert_eq!(refused(language(vec![wide])).1, "layers.0.projectionSize");
    let empty = ModelSpec { input: InputSpec::Series { input_size: 0 }, ..good.clone() };
    assert_eq!(refused(empty).1, "input.inputSize");

    let mut model = Model::<f32>::new(good, 1, pool(1)).unwrap();
    let mut states = model.zero_states(2);
    let mut code = |inputs: &[u32], time: usize, size: usize, lengths: Option<&[usize]>| {
        let batch = Batch { time, batch: size, input: Input::Tokens(inputs), lengths };
        model.forward(&batch, &mut states, None).err().map(|error| error.code)
    };
    assert_eq!(code(&[1, 2, 3], 2, 2, None).as_deref(), Some("BATCH_INVALID"));
    assert_eq!(code(&[1, 2, 3, 19], 2, 2, None).as_deref(), Some("BATCH_INVALID"));
    assert_eq!(code(&[1, 2, 3, 4], 2, 2, Some(&[2, 3])).as_deref(), Some("BATCH_INVALID"));
    assert_eq!(code(&[1, 2, 3], 1, 3, None).as_deref(), Some("STATES_INVALID"));
    assert_eq!(code(&[1, 2, 3, 4], 2, 2, Some(&[2, 1])), None);
}

#[test]
fn a_small_language_is_learnt() {
    // A cycle of tokens is predictable: the loss must fall close to 0.
    for cell in cells() {
        let mut model = Model::<f32>::new(language(vec![layer(cell.name, 16, false, 0.0)]), 1, pool(2)).unwrap();
        let mut states = model.zero_states(2);
        let mut last = f64::NAN;
        // Of a clockwork network only some units compute at a step.
        let steps = if cell.counts_steps() { 200 } else { 150 };
        for step in 0..steps {
            let at = |t: usize, b: usize| ((step as usize * 8 + t + b * 5) % 19) as u32;
            let inputs: Vec<u32> = (0..8).flat_map(|t| [at(t, 0), at(t, 1)]).collect();
            let targets: Vec<u32> = (0..8).flat_map(|t| [at(t + 1, 0), at(t + 1, 1)]).collect();
            let batch = Batch { time: 8, batch: 2, input: Input::Tokens(&inputs), lengths: None };
            last = model.train_step(&batch, &Target::Tokens(&targets), &mut states, step, &adam()).unwrap().loss;
        }
        assert!(last < 0.3, "{} ends at {last}", cell.name);
    }
}

/// Few rows are computed with the units split over the workers, and unchanged weights keep their sums of the vocabulary:
/// neither may change a bit.
#[test]
fn one_token_at_a_time_gives_the_bits_of_the_whole_text() {
    let stacks = [
        vec![layer("lstm", 150, false, 0.3), layer("gru", 70, false, 0.0)],
        vec![layer("gru", 131, true, 0.0), layer("lstm-peephole", 90, false, 0.0)],
    ];
    for stack in stacks {
        let bidirectional = stack[0].bidirectional;
        let text = tokens(30, 5);
        let whole = |model: &mut Model<f32>| {
            let mut states = model.zero_states(1);
            let batch = Batch { time: 30, batch: 1, input: Input::Tokens(&text), lengths: None };
            (model.forward(&batch, &mut states, None).unwrap(), states)
        };
        let mut judge = Model::<f32>::new(language(stack.clone()), 3, pool(1)).unwrap();
        for threads in [1, 2, 5] {
            let mut model = Model::<f32>::new(language(stack.clone()), 3, pool(threads)).unwrap();
            for update in 0..3 {
                judge.load_parameters(&model.parameters()).unwrap();
                let expected = whole(&mut judge);
                assert!(whole(&mut model) == expected, "{threads} threads give other bits");
                if !bidirectional {
                    let mut states = model.zero_states(1);
                    let mut outputs = Vec::new();
                    for token in &text {
                        let input = Input::Tokens(std::slice::from_ref(token));
                        let batch = Batch { time: 1, batch: 1, input, lengths: None };
                        outputs.extend(model.forward(&batch, &mut states, None).unwrap());
                    }
                    assert!((outputs, states) == expected, "{threads} threads give other bits step by step");
                }
                for _ in 0..12 {
                    assert!(whole(&mut model) == expected, "a repeated pass gives other bits");
                }
                let batch = Batch { time: 10, batch: 3, input: Input::Tokens(&text), lengths: None };
                let mut states = model.zero_states(3);
                model.train_step(&batch, &Target::Tokens(&text), &mut states, update, &adam()).unwrap();
            }
        }
    }
}

#[test]
fn a_clock_goes_on_with_the_carried_states_and_starts_with_a_sequence() {
    let still = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let still = Update { optimizer: still, learning_rate: 0.0, clip_norm: None, seed: 1 };
    for cell in cells().into_iter().filter(|cell| cell.counts_steps()) {
        let mut model = Model::<f32>::new(language(vec![layer(cell.name, 20, false, 0.0)]), 4, pool(1)).unwrap();
        let inputs = tokens(10, 3);
        let batch = |part| Batch { time: <[u32]>::len(part), batch: 1, input: Input::Tokens(part), lengths: None };
        let mut whole = model.zero_states(1);
        let at_once = model.forward(&batch(&inputs), &mut whole, None).unwrap();
        // Slices of 3 steps of which each but the first begins 2 steps before the end of the one before (k1 = 1, k2 = 3).
        let mut carried = model.zero_states(1);
        for first in 0..=7 {
            let part = &inputs[first..first + 3];
            let options = StepOptions { carry_after: Some(if first < 7 { 1 } else { 3 }), ..StepOptions::default() };
            model.train_step_with(&batch(part), &Target::Tokens(part), &mut carried, 0, &still, &options).unwrap();
        }
        assert_eq!(carried, whole, "{}", cell.name);
        // The same states without the steps behind them are another thing, and a new sequence begins at 0.
        let mut late = model.zero_states(1);
        model.forward(&batch(&inputs[..3]), &mut late, None).unwrap();
        late.steps = 0;
        assert_ne!(model.forward(&batch(&inputs[3..]), &mut late, None).unwrap(), at_once[3 * at_once.len() / 10..]);
        late.clear();
        assert_eq!(model.forward(&batch(&inputs), &mut late, None).unwrap(), at_once);
        assert_eq!(late, whole);
    }
}

#[test]
fn absent_blocks_stay_zero_under_every_optimizer() {
    let spec = |weights| {
        let mut spec = language(vec![layer("clockwork", 20, false, 0.0)]);
        spec.options.initialization.weights = weights;
        spec
    };
    let inputs = tokens(8 * 2, 3);
    let targets = tokens(8 * 2, 4);
    let batch = Batch { time: 8, batch: 2, input: Input::Tokens(&inputs), lengths: None };
    let adam = |weight_decay| Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay };
    for optimizer in [
        Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.1 },
        adam(0.1),
        Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 },
        Optimizer::NAdam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 },
        Optimizer::RmsProp { alpha: 0.99, eps: 1e-8, momentum: 0.9, weight_decay: 0.1 },
        Optimizer::Adagrad { eps: 1e-10, weight_decay: 0.1 },
        Optimizer::Lion { beta1: 0.9, beta2: 0.99, weight_decay: 0.1 },
    ] {
        let drawn = if matches!(optimizer, Optimizer::Sgd { .. }) {
            InitialWeights::GlorotOrthogonal
        } else {
            InitialWeights::default()
        };
        let mut model = Model::<f32>::new(spec(drawn), 4, pool(2)).unwrap();
        let mut states = model.zero_states(2);
        let update = Update { optimizer, learning_rate: 0.01, clip_norm: Some(1.0), seed: 1 };
        for step in 0..5 {
            model.train_step(&batch, &Target::Tokens(&targets), &mut states, step, &update).unwrap();
        }
        let u = model.parameters().into_iter().find(|tensor| tensor.name.contains(".U_l0")).unwrap();
        for (index, value) in u.data.iter().enumerate() {
            let absent = index / 20 / 5 > index % 20 / 5;
            assert_eq!(*value == 0.0, absent, "{optimizer:?} at {index}");
        }
    }
}
