//! What stands around the cells: norms, residual connections, masks, learned states, tied weights, initial weights.

use std::sync::Arc;

use proptest::prelude::*;
use sluice_core::cells::find_cell;
use sluice_core::rng::{Purpose, Rng};
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, InitialState, InitialWeights, Initialization, Input, InputSpec, LayerSpec, ModelOptions,
    ModelSpec, NamedTensor, Optimizer, States, Target, Update,
};
use sluice_core::{Model, Pool, cells};

/// Plain descent that moves nothing: a training step then only gives loss and gradients, with the masks of its step.
const STILL: Update = Update {
    optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 },
    learning_rate: 0.0,
    clip_norm: None,
    seed: 5,
};

/// Whether the state of which the name begins with `n0_` or `n_` must be positive: another's divisor.
fn is_positive(name: &str) -> bool {
    let state = name.split(['0', '_']).next().unwrap_or_default();
    cells().iter().any(|cell| cell.positive_states.contains(&state))
}

/// A state that cells may begin with. A divisor stays away from 0, about which no difference is fine enough.
fn state_value(positive: bool, normal: f64) -> f64 {
    if positive { 0.5 + 0.5 * normal.abs() } else { 0.5 * normal }
}

#[derive(Debug, Clone)]
struct Case {
    spec: ModelSpec,
    time: usize,
    batch: usize,
    lengths: Option<Vec<usize>>,
    seed: u64,
}

impl Case {
    fn is_language(&self) -> bool {
        matches!(self.spec.input, InputSpec::Tokens { .. })
    }

    fn draw<T>(&self, stream: u64, count: usize, number: impl Fn(&Rng, u64) -> T) -> Vec<T> {
        let rng = Rng::new(self.seed, Purpose::Sample, stream as u32);
        (0..count as u64).map(|i| number(&rng, i)).collect()
    }

    fn tokens(&self, stream: u64, limit: usize, count: usize) -> Vec<u32> {
        self.draw(stream, count, |rng, i| (rng.uniform(i) * limit as f64) as u32)
    }

    /// A model whose norms and learned states are not at the values they begin with.
    fn model(&self, threads: usize) -> Model<f64> {
        let mut model = Model::new(self.spec.clone(), self.seed, Arc::new(Pool::new(threads))).unwrap();
        let mut tensors = model.parameters();
        for (t, tensor) in tensors.iter_mut().enumerate() {
            if tensor.name.starts_with("norm.") || tensor.name.starts_with("initial.") {
                let positive = tensor.name.strip_prefix("initial.").is_some_and(is_positive);
                let drawn = self.draw(100 + t as u64, tensor.data.len(), |rng, i| state_value(positive, rng.normal(i)));
                tensor.data.iter_mut().zip(drawn).for_each(|(value, more)| *value += more);
            }
        }
        model.load_parameters(&tensors).unwrap();
        model
    }

    /// States of which every second sequence begins.
    fn states(&self, model: &Model<f64>) -> States<f64> {
        let mut states = model.zero_states(self.batch);
        for (e, entry) in states.entries.iter_mut().enumerate() {
            let positive = is_positive(&entry.name);
            entry.give(&self.draw(10 + e as u64, entry.data.len(), |rng, i| state_value(positive, rng.normal(i))));
            for b in (0..self.batch).step_by(2) {
                entry.begins[b] = true;
            }
        }
        states
    }

    fn with_batch<R>(&self, run: impl FnOnce(&Batch<f64>, &Target<f64>) -> R) -> R {
        let rows = self.time * self.batch;
        let outputs = self.spec.head.output_size;
        let head_rows = if self.spec.head.mode == HeadMode::EveryStep { rows } else { self.batch };
        let series = self.draw(1, rows * self.spec.input.width(), |rng, i| rng.normal(i));
        let values = self.draw(2, head_rows * outputs, |rng, i| rng.normal(i));
        let tokens = self.tokens(3, outputs, rows);
        let classes = self.tokens(4, outputs, head_rows);
        let input = if self.is_language() { Input::Tokens(&tokens) } else { Input::Series(&series) };
        let target = if self.is_language() { Target::Tokens(&classes) } else { Target::Values(&values) };
        run(&Batch { time: self.time, batch: self.batch, input, lengths: self.lengths.as_deref() }, &target)
    }

    /// Loss of the training step `step` at `parameters`.
    fn loss(&self, model: &mut Model<f64>, parameters: &[NamedTensor<f64>], step: u64) -> f64 {
        model.load_parameters(parameters).unwrap();
        let mut states = self.states(model);
        self.with_batch(|batch, target| model.train_step(batch, target, &mut states, step, &STILL).unwrap().loss)
    }

    /// Every tensor's gradient against the central difference along a random direction, with the masks held.
    fn check_gradients(&self) {
        let mut model = self.model(1);
        let parameters = model.parameters();
        let step = 3;
        self.loss(&mut model, &parameters, step);
        for (t, gradient) in model.gradients().into_iter().enumerate() {
            let direction = self.draw(200 + t as u64, gradient.data.len(), |rng, i| rng.normal(i));
            let given: f64 = gradient.data.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let change = 1e-5 / (direction.len() as f64).sqrt();
            let mut at = |change: f64| {
                let mut moved = parameters.clone();
                moved[t].data.iter_mut().zip(&direction).for_each(|(value, d)| *value += change * d);
                self.loss(&mut model, &moved, step)
            };
            let difference = (at(change) - at(-change)) / (2.0 * change);
            let scale = (direction.len() as f64).sqrt() * (1.0 + difference.abs());
            assert!(
                (given - difference).abs() <= 1e-7 * scale,
                "dL/d {} = {given}, finite difference {difference} in {self:?}",
                gradient.name
            );
        }
    }
}

/// Sizes about the edges of vectors (16) and chunks (64).
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1..6usize, 15..18usize, 63..67usize]
}

/// A share, more often 0 than not.
fn share() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0f32), Just(0.3f32)]
}

fn layer() -> impl Strategy<Value = LayerSpec> {
    // The rectifier has a kink. `gradients.rs` has it at sizes where that does not show.
    let smooth = |name: &String| name != "rnn-relu";
    let names: Vec<String> = cells().iter().map(|cell| cell.name.to_string()).filter(smooth).collect();
    let shares = (share(), any::<bool>(), share(), share(), share());
    (proptest::sample::select(names), size(), any::<bool>(), shares, any::<bool>(), any::<bool>()).prop_map(
        |(cell, hidden_size, bidirectional, shares, layer_norm, residual)| LayerSpec {
            cell,
            hidden_size,
            bidirectional,
            dropout: shares.0,
            variational: shares.1,
            weight_drop: shares.2,
            zoneout_hidden: shares.3,
            zoneout_cell: shares.4,
            // A norm over one or two units is almost a step function.
            layer_norm: layer_norm && hidden_size > 2,
            residual,
            ..LayerSpec::default()
        },
    )
}

/// Gives a cell what it asks for: one that adds a state of the layer below an LSTM of its size there, and one that
/// normalises more than a few units, over which its norm is almost a step function.
fn fit_cells(layers: &mut [LayerSpec]) {
    for index in 0..layers.len() {
        if find_cell(&layers[index].cell).unwrap().normalised().is_some() {
            layers[index].hidden_size = layers[index].hidden_size.max(5);
        }
        if index > 0 && find_cell(&layers[index].cell).unwrap().lower().is_some() {
            if find_cell(&layers[index - 1].cell).unwrap().info().states.get(1) != Some(&"c") {
                layers[index - 1].cell = "lstm".into();
            }
            layers[index].hidden_size = layers[index - 1].hidden_size;
        }
    }
    for layer in layers {
        let info = find_cell(&layer.cell).unwrap().info();
        // Without a product from step to step a layer is scanned: there is nothing to drop and no step to keep a state at.
        if info.names.recurrent.is_none() {
            (layer.weight_drop, layer.zoneout_hidden, layer.zoneout_cell) = (0.0, 0.0, 0.0);
        }
        // States that are shares of one another belong together: a unit cannot keep some of them.
        if info.states.len() > 2 {
            (layer.zoneout_hidden, layer.zoneout_cell) = (0.0, 0.0);
        }
    }
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1..7usize, 1..6usize, any::<bool>(), any::<u64>());
    let kinds = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), share());
    (proptest::collection::vec(layer(), 1..4), size(), shape, kinds).prop_map(
        |(mut layers, input, (time, batch, masked, seed), (language, every, tied, learned, embedding_dropout))| {
            let tied = tied && language;
            fit_cells(&mut layers);
            let output = |layer: &LayerSpec| layer.output_size(find_cell(&layer.cell).unwrap()) * layer.directions();
            let mut width = input;
            let input_size = if tied { output(layers.last().expect("one at least")) } else { input };
            for (index, layer) in layers.iter_mut().enumerate() {
                if index == 0 {
                    width = input_size;
                }
                layer.residual &= width == output(layer);
                width = output(layer);
            }
            let output_size = 1 + (seed % 5) as usize;
            let spec = ModelSpec {
                input: if language {
                    InputSpec::Tokens { vocabulary_size: output_size, embedding_size: input_size }
                } else {
                    InputSpec::Series { input_size }
                },
                layers,
                head: HeadSpec {
                    output_size,
                    mode: if every || language { HeadMode::EveryStep } else { HeadMode::LastStep },
                },
                options: ModelOptions {
                    tie_weights: tied,
                    initial_state: if learned { InitialState::Learned } else { InitialState::Zero },
                    embedding_dropout,
                    ..ModelOptions::default()
                },
            };
            let lengths =
                masked.then(|| (0..batch).map(|b| 1 + (seed as usize / 7 + 3 * b) % time).collect::<Vec<_>>());
            Case { spec, time, batch, lengths, seed: seed % 1000 }
        },
    )
}

/// Stacks in which every layer is as wide as its input, in one or both directions.
fn residual_case() -> impl Strategy<Value = Case> {
    (case(), size()).prop_map(|(mut case, half)| {
        let layers = &mut case.spec.layers;
        for index in 0..layers.len() {
            let below = index.checked_sub(1).map(|below| layers[below].hidden_size);
            let layer = &mut layers[index];
            layer.hidden_size = if layer.bidirectional { half } else { 2 * half };
            layer.residual = true;
            layer.layer_norm &= half > 1;
            let cell = find_cell(&layer.cell).unwrap();
            layer.projection_size = Some(layer.hidden_size);
            // See `fit_cells`; here the sizes are given.
            let too_narrow = cell.normalised().is_some() && layer.hidden_size < 5;
            if too_narrow || (cell.lower().is_some() && below.is_some_and(|below| below != layer.hidden_size)) {
                layer.cell = "lstm".into();
            }
        }
        case.spec.input = match case.spec.input {
            InputSpec::Tokens { vocabulary_size, .. } => {
                InputSpec::Tokens { vocabulary_size, embedding_size: 2 * half }
            }
            InputSpec::Series { .. } => InputSpec::Series { input_size: 2 * half },
        };
        case
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn gradients_are_the_finite_differences(case in case()) {
        case.check_gradients();
    }

    #[test]
    fn gradients_of_residual_stacks(case in residual_case()) {
        case.check_gradients();
    }

    /// The same numbers, to the bit, with any threads; and alone as beside longer sequences.
    #[test]
    fn threads_and_padding_change_nothing(case in prop_oneof![case(), residual_case()]) {
        let run = |threads: usize| {
            let mut model = case.model(threads);
            let mut states = case.states(&model);
            let update = Update { learning_rate: 0.1, ..STILL };
            for step in 0..2 {
                case.with_batch(|batch, target| model.train_step(batch, target, &mut states, step, &update).unwrap());
            }
            (model.parameters(), states)
        };
        prop_assert!(run(1) == run(3), "threads change bits");
        let Some(lengths) = case.lengths.clone() else { return Ok(()) };
        let mut model = case.model(1);
        let mut states = case.states(&model);
        let outputs = case.with_batch(|batch, _| model.forward(batch, &mut states, None).unwrap());
        let shorter = lengths.iter().copied().max().unwrap_or(1);
        let cut = Case { time: shorter, ..case.clone() };
        // The head's rows of the steps that are left are the first ones.
        let mut own = case.states(&model);
        let again = case.with_batch(|batch, _| {
            let rows = shorter * case.batch;
            let input = match batch.input {
                Input::Tokens(tokens) => Input::Tokens(&tokens[..rows]),
                Input::Series(values) => Input::Series(&values[..rows * case.spec.input.width()]),
            };
            let batch = Batch { time: cut.time, batch: case.batch, input, lengths: Some(&lengths) };
            model.forward(&batch, &mut own, None).unwrap()
        });
        prop_assert!(outputs[..again.len()] == again[..]);
        prop_assert!(states == own);
    }
}

fn text(layers: Vec<LayerSpec>, embedding_size: usize, options: ModelOptions) -> ModelSpec {
    ModelSpec {
        input: InputSpec::Tokens { vocabulary_size: 30, embedding_size },
        layers,
        head: HeadSpec { output_size: 30, mode: HeadMode::EveryStep },
        options,
    }
}

fn plain(cell: &str, hidden_size: usize) -> LayerSpec {
    LayerSpec { cell: cell.into(), hidden_size, ..LayerSpec::default() }
}

fn model(spec: ModelSpec, seed: u64) -> Model<f64> {
    Model::new(spec, seed, Arc::new(Pool::new(1))).unwrap()
}

fn tensor<'a>(tensors: &'a [NamedTensor<f64>], name: &str) -> &'a NamedTensor<f64> {
    tensors.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_gates_that_keep_the_memory_do_keep_it() {
    for cell in cells() {
        let initialization = Initialization { forget_bias: Some(40.0), ..Initialization::default() };
        let options = ModelOptions { initialization, ..ModelOptions::default() };
        let spec = text(vec![plain(cell.name, 5)], 4, options);
        let Ok(mut keeping) = Model::<f64>::new(spec, 1, Arc::new(Pool::new(1))) else {
            assert!(!cell.gate_order.contains(&"f") && !cell.gate_order.contains(&"z"), "{} has a gate", cell.name);
            continue;
        };
        let mut tensors = keeping.parameters();
        // The input gate, where the cell has one, is shut, so that only what was there is left.
        let bias = tensors.iter_mut().find(|t| t.name == format!("recurrent.{}_l0", cell.names.bias)).unwrap();
        if let Some(i) = cell.gate_order.iter().position(|&gate| gate == "i") {
            bias.data[i * 5..(i + 1) * 5].fill(-40.0);
        }
        keeping.load_parameters(&tensors).unwrap();
        let mut states = keeping.zero_states(1);
        let memory = states.entries.len() - 1;
        let name = states.entries[memory.min(1)].name.clone();
        states.get_mut(&name).unwrap().copy_from_slice(&[0.5, -0.25, 0.75, 0.1, -0.9]);
        for state in cell.positive_states {
            states.get_mut(&format!("{state}0_l0")).unwrap().fill(1.0);
        }
        let before = states.get(&name).unwrap().to_vec();
        let batch = Batch { time: 3, batch: 1, input: Input::Tokens(&[1, 2, 3]), lengths: None };
        keeping.forward(&batch, &mut states, None).unwrap();
        for (after, before) in states.get(&name).unwrap().iter().zip(before) {
            assert!((after - before).abs() < 1e-9, "{}: {name} went from {before} to {after}", cell.name);
        }
    }
}

#[test]
fn initial_weights_are_what_they_are_called() {
    let initialization =
        Initialization { weights: InitialWeights::GlorotOrthogonal, forget_bias: Some(1.0), chrono: None };
    let options = ModelOptions { initialization, ..ModelOptions::default() };
    let tensors = model(text(vec![plain("lstm", 33)], 20, options), 4).parameters();
    let recurrent = tensor(&tensors, "recurrent.weight_hh_l0");
    for block in recurrent.data.chunks_exact(33 * 33) {
        for (a, row) in block.chunks_exact(33).enumerate() {
            for (b, other) in block.chunks_exact(33).enumerate() {
                let product: f64 = row.iter().zip(other).map(|(x, y)| x * y).sum();
                assert!((product - if a == b { 1.0 } else { 0.0 }).abs() < 1e-12);
            }
        }
    }
    let bound = (6.0f64 / 53.0).sqrt();
    let input = &tensor(&tensors, "recurrent.weight_ih_l0").data;
    assert!(input.iter().all(|w| w.abs() <= bound) && input.iter().any(|w| w.abs() > 0.95 * bound));
    let bias = &tensor(&tensors, "recurrent.bias_ih_l0").data;
    assert!(bias[33..66].iter().all(|&b| b == 1.0) && bias[..33].iter().chain(&bias[66..]).all(|&b| b == 0.0));
    assert!(tensor(&tensors, "recurrent.bias_hh_l0").data.iter().all(|&b| b == 0.0));

    let chrono = Initialization { chrono: Some(100), ..Initialization::default() };
    let options = ModelOptions { initialization: chrono, ..ModelOptions::default() };
    let spec = text(vec![plain("lstm", 200), plain("gru", 50)], 20, options);
    let tensors = model(spec, 4).parameters();
    let bias = &tensor(&tensors, "recurrent.bias_ih_l0").data;
    let (i, f) = (&bias[..200], &bias[200..400]);
    assert!(f.iter().all(|&b| (0.0..=99f64.ln()).contains(&b)));
    assert!(f.iter().filter(|&&b| b > 50f64.ln()).count() > 60, "half of the lags are above the middle");
    assert!(i.iter().zip(f).all(|(i, f)| *i == -f));
    let update = &tensor(&tensors, "recurrent.bias_ih_l1").data[50..100];
    assert!(update.iter().all(|&b| (0.0..=99f64.ln()).contains(&b)));
    // What chrono does not name is as PyTorch draws it.
    let usual = model(text(vec![plain("lstm", 200), plain("gru", 50)], 20, ModelOptions::default()), 4).parameters();
    assert_eq!(tensor(&usual, "recurrent.weight_ih_l0"), tensor(&tensors, "recurrent.weight_ih_l0"));
    assert_eq!(tensor(&usual, "recurrent.bias_ih_l0").data[400..], bias[400..]);
}

#[test]
fn a_tied_head_is_the_embedding() {
    let options = ModelOptions { tie_weights: true, ..ModelOptions::default() };
    let spec = text(vec![plain("gru", 24), plain("lstm", 18)], 18, options);
    let mut tied = model(spec.clone(), 2);
    let weights = tied.parameters();
    assert!(weights.iter().all(|tensor| tensor.name != "head.weight"));
    let mut free = model(ModelSpec { options: ModelOptions::default(), ..spec }, 2);
    let mut copied = weights.clone();
    copied.push(NamedTensor { name: "head.weight".into(), ..tensor(&weights, "embedding.weight").clone() });
    free.load_parameters(&copied).unwrap();
    let (tokens, next) = ([1, 7, 7, 3, 29, 0], [7, 7, 3, 29, 0, 1]);
    let batch = Batch { time: 3, batch: 2, input: Input::Tokens(&tokens), lengths: None };
    let losses = [&mut tied, &mut free].map(|model| {
        let mut states = model.zero_states(2);
        model.train_step(&batch, &Target::Tokens(&next), &mut states, 0, &STILL).unwrap().loss
    });
    assert_eq!(losses[0], losses[1]);
    let (one, two) = (tied.gradients(), free.gradients());
    let shared = &tensor(&one, "embedding.weight").data;
    let apart = tensor(&two, "embedding.weight").data.iter().zip(&tensor(&two, "head.weight").data);
    for (sum, (a, b)) in shared.iter().zip(apart) {
        assert!((sum - (a + b)).abs() < 1e-15);
    }
    // Also once a table of the whole vocabulary would serve further evaluations.
    let mut outputs = || tied.forward(&batch, &mut tied.zero_states(2), None).unwrap();
    let first = outputs();
    assert!((0..12).all(|_| outputs() == first));
}

#[test]
fn masks_are_those_of_their_kind() {
    // Variational: a unit is dropped at all steps or none; other updates draw other masks.
    let first = LayerSpec { dropout: 0.5, variational: true, ..plain("rnn-tanh", 40) };
    let spec = text(vec![first, plain("rnn-tanh", 3)], 8, ModelOptions::default());
    let mut varied = model(spec, 2);
    let tokens: Vec<u32> = (0..12).collect();
    let batch = Batch { time: 6, batch: 2, input: Input::Tokens(&tokens), lengths: None };
    let mut gradient = |step: u64| {
        let mut states = varied.zero_states(2);
        varied.train_step(&batch, &Target::Tokens(&tokens), &mut states, step, &STILL).unwrap();
        tensor(&varied.gradients(), "recurrent.weight_ih_l1").data.clone()
    };
    // A column of the next layer's input weights has no gradient where its unit is dropped in both sequences.
    let dropped = |gradient: &[f64]| (0..40).map(|unit| gradient[unit] == 0.0).collect::<Vec<_>>();
    let (one, two) = (dropped(&gradient(0)), dropped(&gradient(1)));
    assert!((3..20).contains(&one.iter().filter(|&&d| d).count()), "{one:?}");
    assert!(one != two && one == dropped(&gradient(0)));

    // Zoneout of everything but a whisker keeps the states; in evaluation it keeps that share of them.
    let still = LayerSpec { zoneout_hidden: 0.5, zoneout_cell: 0.5, ..plain("lstm", 3) };
    let mut zoned = model(text(vec![still], 8, ModelOptions::default()), 2);
    let mut plainly = model(text(vec![plain("lstm", 3)], 8, ModelOptions::default()), 2);
    let one = Batch { time: 1, batch: 1, input: Input::Tokens(&[4]), lengths: None };
    let start = |model: &Model<f64>| {
        let mut states = model.zero_states(1);
        states.get_mut("h0_l0").unwrap().copy_from_slice(&[0.1, 0.2, 0.3]);
        states.get_mut("c0_l0").unwrap().copy_from_slice(&[-1.0, 0.5, 2.0]);
        states
    };
    let (mut mixed, mut whole, before) = (start(&zoned), start(&plainly), start(&plainly));
    zoned.forward(&one, &mut mixed, None).unwrap();
    plainly.forward(&one, &mut whole, None).unwrap();
    for ((mixed, whole), before) in mixed.entries.iter().zip(&whole.entries).zip(&before.entries) {
        for ((mixed, whole), before) in mixed.data.iter().zip(&whole.data).zip(&before.data) {
            assert!((mixed - (0.5 * whole + 0.5 * before)).abs() < 1e-15);
        }
    }
}

#[test]
fn learned_states_stand_only_where_a_sequence_begins() {
    let options = ModelOptions { initial_state: InitialState::Learned, ..ModelOptions::default() };
    let mut learned = model(text(vec![plain("lstm", 4)], 8, options), 2);
    let mut tensors = learned.parameters();
    for tensor in tensors.iter_mut().filter(|tensor| tensor.name.starts_with("initial.")) {
        tensor.data.fill(0.5);
    }
    learned.load_parameters(&tensors).unwrap();
    let tokens = [4u32, 5, 6, 7];
    let whole = Batch { time: 4, batch: 1, input: Input::Tokens(&tokens), lengths: None };
    let mut states = learned.zero_states(1);
    let at_once = learned.forward(&whole, &mut states, None).unwrap();
    let mut carried = learned.zero_states(1);
    let mut parts = Vec::new();
    for part in tokens.chunks(2) {
        let batch = Batch { time: 2, batch: 1, input: Input::Tokens(part), lengths: None };
        parts.extend(learned.forward(&batch, &mut carried, None).unwrap());
    }
    assert_eq!(at_once, parts);
    let mut given = learned.zero_states(1);
    for entry in &mut given.entries {
        let half = vec![0.5; entry.data.len()];
        entry.give(&half);
    }
    assert_eq!(at_once, learned.forward(&whole, &mut given, None).unwrap());
    carried.clear();
    assert_eq!(at_once, learned.forward(&whole, &mut carried, None).unwrap());
    for entry in &mut given.entries {
        let zeros = vec![0.0; entry.data.len()];
        entry.give(&zeros);
    }
    assert!(at_once != learned.forward(&whole, &mut given, None).unwrap());
}

#[test]
fn options_that_do_not_fit_are_refused_at_their_field() {
    let refused = |spec: ModelSpec| {
        let error = Model::<f64>::new(spec.clone(), 1, Arc::new(Pool::new(1))).err().expect("refused");
        let said = sluice_core::describe::describe(&spec, None).unwrap_err();
        assert_eq!(error.location, said.location);
        error.location.unwrap()
    };
    let tied = ModelOptions { tie_weights: true, ..ModelOptions::default() };
    assert_eq!(refused(text(vec![plain("lstm", 4)], 5, tied)), "input.embeddingSize");
    let series = ModelSpec { input: InputSpec::Series { input_size: 4 }, ..text(vec![plain("lstm", 4)], 4, tied) };
    assert_eq!(refused(series), "options.tieWeights");
    let residual = LayerSpec { residual: true, ..plain("lstm", 4) };
    assert_eq!(refused(text(vec![plain("gru", 5), residual], 5, ModelOptions::default())), "layers.1.residual");
    let both = Initialization { forget_bias: Some(1.0), chrono: Some(10), ..Initialization::default() };
    let options = ModelOptions { initialization: both, ..ModelOptions::default() };
    assert_eq!(refused(text(vec![plain("lstm", 4)], 5, options)), "options.initialization.forgetBias");
    let chrono = Initialization { chrono: Some(10), ..Initialization::default() };
    let options = ModelOptions { initialization: chrono, ..ModelOptions::default() };
    assert_eq!(refused(text(vec![plain("rnn-tanh", 4)], 5, options)), "options.initialization.chrono");
    let zoned = LayerSpec { zoneout_cell: 1.0, ..plain("lstm", 4) };
    assert_eq!(refused(text(vec![zoned], 5, ModelOptions::default())), "layers.0.zoneoutCell");
}
