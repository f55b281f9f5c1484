//! Losses, optimisers, clipping and a short run against `training.json`.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use sluice_core::buffer::Buffer;
use sluice_core::element::Element;
use sluice_core::kernels::{KernelKind, Kernels};
use sluice_core::loss::{Rows, Scope, ValueLoss, row_losses, smoothed_row_losses};
use sluice_core::optim::{Stretch, clip_factor, update_stretch};
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelOptions, ModelSpec, NamedTensor, Optimizer, Target,
    Update,
};
use sluice_core::step::{Decay, StepOptions};
use sluice_core::{Model, Pool};

fn fixture() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/fixtures/reference/training.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn close(what: &str, values: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(values.len(), wanted.len(), "{what}");
    for (i, (value, want)) in values.iter().zip(wanted).enumerate() {
        let error = (value - want).abs();
        assert!(error <= tolerance * (1.0 + want.abs()), "{what}[{i}]: {value}, not {want}");
    }
}

/// Loss and gradient of the fixture's predictions by the engine.
fn smoothed_loss<E: Element>(kind: KernelKind, fixture: &Value, target: &Target<E>, smoothing: f64) -> (f64, Vec<f64>) {
    loss(kind, fixture, target, smoothing, ValueLoss::default())
}

fn loss<E: Element>(
    kind: KernelKind,
    fixture: &Value,
    target: &Target<E>,
    smoothing: f64,
    of_values: ValueLoss,
) -> (f64, Vec<f64>) {
    let lengths: Vec<usize> = flat(&fixture["losses_input"]["lengths"]).iter().map(|&n| n as usize).collect();
    let predictions = flat(&fixture["losses_input"]["predictions"]);
    let (rows, outputs, width) = (8, 5, 16);
    let mut values = Buffer::<E>::new(rows * width);
    for (row, from) in values.slice_mut(rows * width).chunks_exact_mut(width).zip(predictions.chunks_exact(outputs)) {
        for (to, &value) in row.iter_mut().zip(from) {
            *to = E::from_f64(value);
        }
    }
    let scope = Scope { batch: 2, lengths: Some(&lengths), outputs, values: of_values };
    let count = scope.count(target, rows);
    let mut losses = Buffer::<f64>::new(rows);
    let scale = Some(1.0 / count as f64);
    let kernels = Kernels::of(kind);
    let out = Rows { values: values.at(0), width, losses: losses.at(0) };
    unsafe { smoothed_row_losses(&kernels, scope, target, 0..rows, out, scale, smoothing) };
    let gradient =
        values.slice(rows * width).chunks_exact(width).flat_map(|row| row[..outputs].to_vec()).map(E::to_f64).collect();
    (losses.slice_mut(rows).iter().sum::<f64>() / count as f64, gradient)
}

fn check_losses<E: Element>(tolerance: f64) {
    let fixture = fixture();
    for kind in KernelKind::available() {
        let mut seen = 0;
        for case in fixture["losses"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let wanted = flat(&case["target"]);
            let (value, gradient) = match name {
                "softmax-cross-entropy" => {
                    let tokens: Vec<u32> = wanted.iter().map(|&t| t as u32).collect();
                    smoothed_loss::<E>(kind, &fixture, &Target::Tokens(&tokens), 0.0)
                }
                "mse" | "mae" | "huber" => {
                    let values: Vec<E> = wanted.iter().map(|&t| E::from_f64(t)).collect();
                    let of_values = match name {
                        "mse" => ValueLoss::Mse {},
                        "mae" => ValueLoss::Mae {},
                        _ => ValueLoss::Huber { delta: 1.0 },
                    };
                    loss::<E>(kind, &fixture, &Target::Values(&values), 0.0, of_values)
                }
                "binary-cross-entropy" => {
                    let bits: Vec<E> = wanted.iter().map(|&t| E::from_f64(t)).collect();
                    smoothed_loss::<E>(kind, &fixture, &Target::Bits(&bits), 0.0)
                }
                other => panic!("the engine has no loss {other}"),
            };
            close(name, &[value], &[case["loss"].as_f64().unwrap()], tolerance);
            close(name, &gradient, &flat(&case["grad"]), tolerance);
            seen += 1;
        }
        assert_eq!(seen, 5);
    }
}

#[test]
fn losses_and_their_gradients() {
    check_losses::<f64>(1e-9);
    check_losses::<f32>(1e-6);
}

/// `torch.nn.functional.cross_entropy(label_smoothing=0.1)` 2.15 in float64 on the fixture's predictions.
fn check_smoothing<E: Element>(tolerance: f64) {
    let fixture = fixture();
    let wanted = 3.3041898218652053;
    let wanted_gradient = [
        0.00928917003,
        -0.14846692478,
        0.00642058127,
        0.12922777077,
        0.00352940271,
        0.04752548199,
        0.01356966406,
        0.00913015537,
        -0.14324009259,
        0.07301479116,
        0.07247202062,
        -0.00145035184,
        0.00211525429,
        0.00012999968,
        -0.07326692274,
        0.0749374466,
        -0.15238579525,
        0.07679358465,
        0.00242587114,
        -0.00177110714,
        -8.737012e-05,
        0.08647920909,
        -0.15149823212,
        0.00117324029,
        0.06393315286,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        -0.14868729634,
        -0.00247390291,
        0.02942441738,
        0.02258018036,
        0.0991566015,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ];
    let case =
        fixture["losses"].as_array().unwrap().iter().find(|case| case["name"] == "softmax-cross-entropy").unwrap();
    let tokens: Vec<u32> = flat(&case["target"]).iter().map(|&t| t as u32).collect();
    for kind in KernelKind::available() {
        let (value, gradient) = smoothed_loss::<E>(kind, &fixture, &Target::Tokens(&tokens), 0.1);
        close("smoothed", &[value], &[wanted], tolerance);
        close("smoothed gradient", &gradient, &wanted_gradient, tolerance);
    }
}

#[test]
fn label_smoothing_follows_torch() {
    check_smoothing::<f64>(1e-9);
    check_smoothing::<f32>(1e-6);
}

/// A model of tokens, one batch, and the gradients of that batch.
fn small_model() -> (Model<f64>, Vec<u32>, Vec<u32>) {
    let spec = ModelSpec {
        input: InputSpec::Tokens { vocabulary_size: 7, embedding_size: 3 },
        layers: vec![LayerSpec { cell: "lstm-peephole".into(), hidden_size: 5, ..LayerSpec::default() }],
        head: HeadSpec { output_size: 7, mode: HeadMode::EveryStep },
        options: ModelOptions::default(),
    };
    let tokens: Vec<u32> = (0..24u32).map(|i| (i * i + 3) % 7).collect();
    let targets: Vec<u32> = (0..24u32).map(|i| (i * i + 5) % 7).collect();
    (Model::new(spec, 4, Arc::new(Pool::new(2))).unwrap(), tokens, targets)
}

fn plain_update(weight_decay: f64) -> Update {
    let optimizer = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay };
    Update { optimizer, learning_rate: 0.01, clip_norm: None, seed: 0 }
}

/// Weights before and after some steps, by name.
fn steps_with(update: &Update, options: StepOptions, count: u64) -> Vec<(String, usize, Vec<f64>, Vec<f64>)> {
    let (mut model, tokens, targets) = small_model();
    let before = model.parameters();
    let mut states = model.zero_states(4);
    for step in 0..count {
        let batch = Batch { time: 6, batch: 4, input: Input::Tokens(&tokens), lengths: None };
        model.train_step_with(&batch, &Target::Tokens(&targets), &mut states, step, update, &options).unwrap();
    }
    let after = model.parameters();
    before.into_iter().zip(after).map(|(b, a)| (b.name, b.shape.len(), b.data, a.data)).collect()
}

#[test]
fn decay_leaves_biases_peepholes_and_the_embedding_alone_where_told() {
    let run =
        |decay, weight_decay| steps_with(&plain_update(weight_decay), StepOptions { decay, ..Default::default() }, 1);
    let (none, all) = (run(Decay::All, 0.0), run(Decay::All, 0.5));
    for (decay, spares_embedding) in [(Decay::Weights, false), (Decay::WeightsWithoutEmbedding, true)] {
        for ((tensor, none), all) in run(decay, 0.5).iter().zip(&none).zip(&all) {
            let spared = tensor.1 == 1 || (spares_embedding && tensor.0 == "embedding.weight");
            assert_eq!(tensor.3 == none.3, spared, "{decay:?} {}", tensor.0);
            assert_eq!(tensor.3 == all.3, !spared, "{decay:?} {}", tensor.0);
        }
    }
}

#[test]
fn clipping_by_value_cuts_each_gradient_after_the_norm() {
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let plain = Update { optimizer: sgd, learning_rate: 1.0, clip_norm: None, seed: 0 };
    let moved = |update: &Update, options| -> Vec<f64> {
        let steps = steps_with(update, options, 1);
        steps.iter().flat_map(|(_, _, before, after)| before.iter().zip(after).map(|(b, a)| b - a)).collect()
    };
    let gradient = moved(&plain, StepOptions::default());
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let limit = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs())) / 3.0;
    let options = StepOptions { clip_value: Some(limit), ..Default::default() };
    for (update, factor) in
        [(plain, 1.0), (Update { clip_norm: Some(norm / 2.0), ..plain }, clip_factor(norm, Some(norm / 2.0)))]
    {
        let cut = moved(&update, options);
        let wanted: Vec<f64> = gradient.iter().map(|g| (g * factor).clamp(-limit, limit)).collect();
        close("cut", &cut, &wanted, 1e-10);
        assert!(cut.iter().any(|g| (g.abs() - limit).abs() < 1e-12) && cut.iter().any(|g| g.abs() < 0.9 * limit));
    }
}

#[test]
fn an_average_follows_its_definition() {
    let (mut model, tokens, targets) = small_model();
    model.keep_average();
    let mut states = model.zero_states(4);
    let mut wanted: Vec<f64> = Vec::new();
    let flat_weights = |model: &Model<f64>| model.parameters().into_iter().flat_map(|t| t.data).collect::<Vec<_>>();
    for step in 0..5 {
        let share = if step == 0 { 1.0 } else { 0.2 };
        let options = StepOptions { average: Some(share), ..Default::default() };
        let batch = Batch { time: 6, batch: 4, input: Input::Tokens(&tokens), lengths: None };
        model
            .train_step_with(&batch, &Target::Tokens(&targets), &mut states, step, &plain_update(0.0), &options)
            .unwrap();
        let weights = flat_weights(&model);
        wanted =
            if step == 0 { weights } else { wanted.iter().zip(&weights).map(|(a, w)| 0.8 * a + 0.2 * w).collect() };
    }
    let raw = flat_weights(&model);
    model.swap_average();
    close("average", &flat_weights(&model), &wanted, 1e-12);
    model.swap_average();
    assert_eq!(flat_weights(&model), raw);
}

#[test]
fn states_are_carried_from_inside_a_batch() {
    let (mut model, tokens, targets) = small_model();
    let update = Update { learning_rate: 0.0, ..plain_update(0.0) };
    let run = |model: &mut Model<f64>, time: usize, carry_after| {
        let mut states = model.zero_states(4);
        let batch = Batch { time, batch: 4, input: Input::Tokens(&tokens[..time * 4]), lengths: None };
        let options = StepOptions { carry_after, ..Default::default() };
        let target = Target::Tokens(&targets[..time * 4]);
        model.train_step_with(&batch, &target, &mut states, 0, &update, &options).unwrap();
        states
    };
    let zero = model.zero_states(4);
    assert_eq!(run(&mut model, 6, Some(4)), run(&mut model, 4, None));
    assert_eq!(run(&mut model, 6, Some(0)), zero);
    assert_ne!(run(&mut model, 6, None), zero);
}

#[test]
fn targets_that_are_not_known_do_not_count() {
    let fixture = fixture();
    let case = fixture["losses"].as_array().unwrap().iter().find(|case| case["name"] == "mse").unwrap();
    let mut values = flat(&case["target"]);
    let (whole, _) = smoothed_loss::<f64>(KernelKind::Portable, &fixture, &Target::Values(&values), 0.0);
    // Row 0 of 6 valid rows goes: the mean over the rest times 25 and the row's squares make the whole times 30.
    let predictions = flat(&fixture["losses_input"]["predictions"]);
    let row: f64 = (0..5).map(|k| (predictions[k] - values[k]).powi(2)).sum();
    values[..5].fill(f64::NAN);
    let (rest, gradient) = smoothed_loss::<f64>(KernelKind::Portable, &fixture, &Target::Values(&values), 0.0);
    assert!((rest * 25.0 + row - whole * 30.0).abs() < 1e-9);
    assert!(gradient[..5].iter().all(|&g| g == 0.0));
    assert!(gradient[5..10].iter().all(|&g| g != 0.0));
}

fn check_optimisers<E: Element>(tolerance: f64) {
    let fixture = fixture();
    let start = flat(&fixture["optimisers_input"]["start"]);
    let gradients: Vec<Vec<f64>> =
        fixture["optimisers_input"]["gradients"].as_array().unwrap().iter().map(flat).collect();
    let mut seen = 0;
    for case in fixture["optimisers"].as_array().unwrap() {
        let settings = &case["settings"];
        let number = |name: &str| settings[name].as_f64().unwrap_or(0.0);
        let weight_decay = number("weight_decay");
        let betas = settings["betas"].as_array().map(|_| flat(&settings["betas"])).unwrap_or(vec![0.0, 0.0]);
        let (beta1, beta2, eps) = (betas[0], betas[1], number("eps"));
        let optimizer = match case["kind"].as_str().unwrap() {
            "sgd" => Optimizer::Sgd {
                momentum: number("momentum"),
                nesterov: settings["nesterov"].as_bool().unwrap_or(false),
                weight_decay,
            },
            "adam" => Optimizer::Adam { beta1, beta2, eps, weight_decay },
            "adamw" => Optimizer::AdamW { beta1, beta2, eps, weight_decay },
            "rmsprop" => Optimizer::RmsProp { alpha: number("alpha"), eps, momentum: 0.0, weight_decay },
            "adagrad" => Optimizer::Adagrad { eps, weight_decay },
            other => panic!("no optimiser {other}"),
        };
        let wanted: Vec<_> = (0..gradients.len()).map(|step| flat(&case["after_each_step"][step])).collect();
        follow::<E>(optimizer, number("lr"), [&start, &gradients.concat()], &wanted, tolerance);
        seen += 1;
    }
    assert_eq!(seen, 9);
}

/// Six weights through an optimiser's steps, with every instruction set; `given` = start and all gradients.
fn follow<E: Element>(optimizer: Optimizer, rate: f64, given: [&[f64]; 2], wanted: &[Vec<f64>], tolerance: f64) {
    let [start, gradients] = given;
    for kind in KernelKind::available() {
        let kernels = Kernels::<E>::of(kind);
        let (mut weights, mut gradient) = (Buffer::<E>::new(16), Buffer::<E>::new(16));
        let (first, second) = (Buffer::<E>::new(16), Buffer::<E>::new(16));
        for (to, &value) in weights.slice_mut(16).iter_mut().zip(start) {
            *to = E::from_f64(value);
        }
        let update = Update { optimizer, learning_rate: rate, clip_norm: None, seed: 0 };
        for (step, values) in gradients.chunks_exact(start.len()).enumerate() {
            for (to, &value) in gradient.slice_mut(16).iter_mut().zip(values) {
                *to = E::from_f64(value);
            }
            let place = |kept: Option<&str>, buffer: &Buffer<E>| {
                if kept.is_some() { buffer.at(0) } else { std::ptr::null_mut() }
            };
            let stretch = Stretch {
                weights: weights.at(0),
                gradients: gradient.at(0),
                first: place(optimizer.moments().first, &first),
                second: place(optimizer.moments().second, &second),
                count: 16,
            };
            unsafe { update_stretch(&kernels, stretch, &update, step as u64, 1.0) };
            let values: Vec<f64> = weights.slice(start.len()).iter().map(|v| v.to_f64()).collect();
            close(&format!("{optimizer:?} step {step}"), &values, &wanted[step], tolerance);
        }
        assert!(weights.slice(16)[start.len()..].iter().all(|&v| v == E::ZERO), "padding must stay zero");
    }
}

/// `torch.optim` 2.15 in float64 on the fixture's start and gradients; the fixture itself has neither.
fn check_more_optimisers<E: Element>(tolerance: f64) {
    let fixture = fixture();
    let start = flat(&fixture["optimisers_input"]["start"]);
    let gradients = flat(&fixture["optimisers_input"]["gradients"]);
    // NAdam(lr=0.01, weight_decay=0.1)
    let nadam = [
        vec![-0.010564517672, 0.39337701766, -0.72381048237, 0.39337701776, -0.50506048235, -0.61212701757],
        vec![-0.018628402194, 0.40195834529, -0.71591248801, 0.39142431417, -0.51018368118, -0.61727600154],
        vec![-0.02362670204, 0.40305435348, -0.70848064044, 0.39038281258, -0.50418686945, -0.62668708616],
        vec![-0.015831675525, 0.40160299904, -0.70717662102, 0.38964542752, -0.50900459524, -0.63428784628],
        vec![-0.022489381809, 0.39237686859, -0.69727088103, 0.38700221826, -0.51799530319, -0.63040823471],
    ];
    let optimizer = Optimizer::NAdam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 };
    follow::<E>(optimizer, 0.01, [&start, &gradients], &nadam, tolerance);
    // RMSprop(lr=0.01, momentum=0.9, weight_decay=0.01)
    let rmsprop = [
        vec![-0.099999977143, 0.48281247774, -0.63437503205, 0.48281248601, -0.41562502866, -0.70156247231],
        vec![-0.26320373175, 0.65083737011, -0.47272953601, 0.5538153079, -0.39107599226, -0.8409156569],
        vec![-0.44634768768, 0.80772687344, -0.26807426836, 0.60939262568, -0.32273753935, -1.04253476],
        vec![-0.54059386652, 0.93470584041, -0.096165417831, 0.65531285311, -0.31288583543, -1.2770902252],
        vec![-0.67315783084, 0.97987626855, 0.12715039267, 0.67962929813, -0.37488868068, -1.459314185],
    ];
    let optimizer = Optimizer::RmsProp { alpha: 0.99, eps: 1e-8, momentum: 0.9, weight_decay: 0.01 };
    follow::<E>(optimizer, 0.01, [&start, &gradients], &rmsprop, tolerance);
    // Lion by its three lines, one scalar at a time.
    let (beta1, beta2, rate, weight_decay) = (0.9, 0.99, 0.01, 0.1);
    let (mut weights, mut means) = (start.clone(), vec![0.0; start.len()]);
    let mut lion = Vec::new();
    for step in gradients.chunks_exact(start.len()) {
        for ((w, m), g) in weights.iter_mut().zip(&mut means).zip(step) {
            let along: f64 = beta1 * *m + (1.0 - beta1) * g;
            let sign = if along == 0.0 { 0.0 } else { along.signum() };
            *w = *w * (1.0 - rate * weight_decay) - rate * sign;
            *m = beta2 * *m + (1.0 - beta2) * g;
        }
        lion.push(weights.clone());
    }
    let optimizer = Optimizer::Lion { beta1, beta2, weight_decay };
    follow::<E>(optimizer, rate, [&start, &gradients], &lion, tolerance);
}

#[test]
fn optimisers_follow_torch() {
    check_optimisers::<f64>(1e-9);
    check_more_optimisers::<f64>(1e-9);
    check_optimisers::<f32>(1e-6);
    check_more_optimisers::<f32>(1e-6);
}

#[test]
fn clipping_follows_torch() {
    let clipping = &fixture()["clipping"];
    let gradients = flat(&clipping["gradients"]);
    let norm = gradients.iter().map(|g| g * g).sum::<f64>().sqrt();
    close("norm", &[norm], &[clipping["global_norm"].as_f64().unwrap()], 1e-10);
    let factor = clip_factor(norm, clipping["max_norm"].as_f64());
    let clipped: Vec<f64> = gradients.iter().map(|g| g * factor).collect();
    close("clipped", &clipped, &flat(&clipping["clipped"]), 1e-10);
    assert_eq!(clip_factor(0.1, Some(0.5)), 1.0);
    assert_eq!(clip_factor(1e9, None), 1.0);
}

/// Twelve steps of a character LSTM with carried state, clipping and Adam.
fn check_run<E: Element>(kind: KernelKind, threads: usize, loss_tolerance: f64, end_tolerance: f64) {
    let fixture = fixture();
    let run = &fixture["run"];
    let (classes, hidden, batch, time) = (4, 5, 2, 6);
    let spec = ModelSpec {
        input: InputSpec::Series { input_size: classes },
        layers: vec![LayerSpec { cell: "lstm".into(), hidden_size: hidden, ..LayerSpec::default() }],
        head: HeadSpec { output_size: classes, mode: HeadMode::EveryStep },
        options: Default::default(),
    };
    let mut model = Model::<E>::with_kernel(spec, 1, Arc::new(Pool::new(threads)), kind).unwrap();
    let file_name = |name: &str| match name {
        "head.weight" => "head_weight".to_string(),
        "head.bias" => "head_bias".to_string(),
        other => other.trim_start_matches("recurrent.").to_string(),
    };
    let start: Vec<NamedTensor<E>> = model
        .parameters()
        .into_iter()
        .map(|tensor| {
            let data = flat(&run["start"][file_name(&tensor.name)]).into_iter().map(E::from_f64).collect();
            NamedTensor { data, ..tensor }
        })
        .collect();
    model.load_parameters(&start).unwrap();
    let rows: Vec<Vec<f64>> = run["rows"].as_array().unwrap().iter().map(flat).collect();
    let update = Update {
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 },
        learning_rate: run["adam"]["lr"].as_f64().unwrap(),
        clip_norm: Some(0.3),
        seed: 0,
    };
    let mut states = model.zero_states(batch);
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for step in 0..12 {
        let window = step % 4;
        if window == 0 {
            states.clear();
        }
        let mut series = vec![E::ZERO; time * batch * classes];
        let mut targets = vec![0u32; time * batch];
        for t in 0..time {
            for (b, row) in rows.iter().enumerate() {
                series[(t * batch + b) * classes + row[window * time + t] as usize] = E::ONE;
                targets[t * batch + b] = row[window * time + t + 1] as u32;
            }
        }
        let input = Batch { time, batch, input: Input::Series(&series), lengths: None };
        let outcome = model.train_step(&input, &Target::Tokens(&targets), &mut states, step as u64, &update).unwrap();
        assert_eq!(outcome.non_finite, None);
        losses.push(outcome.loss);
        norms.push(outcome.grad_norm);
    }
    close("loss", &losses, &flat(&run["loss_each_step"]), loss_tolerance);
    close("norm", &norms, &flat(&run["norm_each_step"]), end_tolerance);
    for tensor in model.parameters() {
        let values: Vec<f64> = tensor.data.iter().map(|v| v.to_f64()).collect();
        close(&tensor.name, &values, &flat(&run["end"][file_name(&tensor.name)]), end_tolerance);
    }
}

#[test]
fn twelve_steps_follow_the_reference_run() {
    for kind in KernelKind::available() {
        for threads in [1, 2] {
            check_run::<f64>(kind, threads, 1e-9, 1e-8);
            check_run::<f32>(kind, threads, 1e-5, 1e-4);
        }
    }
}

#[test]
fn far_logits_of_bits_cost_their_distance() {
    for kind in KernelKind::available() {
        let kernels = Kernels::<f32>::of(kind);
        for (logit, bit, wanted) in [(200.0, 0.0, 200.0), (-200.0, 1.0, 200.0), (200.0, 1.0, 0.0), (-1e30, 0.0, 0.0)] {
            let mut values = Buffer::<f32>::new(16);
            values.slice_mut(16)[0] = logit;
            let mut losses = Buffer::<f64>::new(1);
            let out = Rows { values: values.at(0), width: 16, losses: losses.at(0) };
            let scope = Scope { batch: 1, lengths: None, outputs: 1, values: ValueLoss::default() };
            unsafe { row_losses(&kernels, scope, &Target::Bits(&[bit]), 0..1, out, Some(1.0)) };
            close("far", losses.slice_mut(1), &[wanted], 1e-7);
            assert!(values.slice(16).iter().all(|slope| slope.is_finite()));
        }
    }
}
