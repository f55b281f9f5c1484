//! Gradients of every registered cell against central finite differences in f64.

use std::sync::Arc;

use sluice_core::cells::find_cell;
use sluice_core::loss::ValueLoss;
use sluice_core::rng::{Purpose, Rng};
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelOptions, ModelSpec, NamedTensor, States, Target,
};
use sluice_core::{CellInfo, all_variants};
use sluice_core::{Model, Pool};

const TIME: usize = 4;
const BATCH: usize = 3;
const LENGTHS: [usize; BATCH] = [4, 2, 3];
const CHANGE: f64 = 1e-5;
/// Finite differences of this size carry about 1e-10 of truncation (see `compare`) and 1e-11 of rounding.
const TOLERANCE: f64 = 2e-8;

struct Case {
    model: Model<f64>,
    series: Vec<f64>,
    tokens: Vec<u32>,
    values: Vec<f64>,
    classes: Vec<u32>,
    states: States<f64>,
    lengths: Option<&'static [usize]>,
    /// Sigmoid cross-entropy in place of the squared error: `values` are then 0 or 1.
    bits: bool,
}

impl Case {
    fn new(spec: ModelSpec, with_lengths: bool, seed: u64) -> Self {
        let rng = Rng::new(seed, Purpose::Sample, 9);
        let mut next = 0;
        let mut draw = || {
            next += 1;
            rng.normal(next)
        };
        let width = spec.input.width();
        let rows = TIME * BATCH;
        let outputs = spec.head.output_size;
        let vocabulary = match spec.input {
            InputSpec::Tokens { vocabulary_size, .. } => vocabulary_size,
            InputSpec::Series { .. } => 0,
        };
        let head_rows = if spec.head.mode == HeadMode::EveryStep { rows } else { BATCH };
        let model = Model::new(spec, seed, Arc::new(Pool::new(1))).unwrap();
        let mut states = model.zero_states(BATCH);
        for entry in &mut states.entries {
            let state = entry.name.split('0').next().unwrap_or_default();
            let positive = all_variants().iter().any(|cell| cell.positive_states.contains(&state));
            entry.data.fill_with(|| if positive { 0.5 + draw().abs() } else { 0.5 * draw() });
        }
        let mut index = 0;
        let tokens = (0..rows)
            .map(|_| {
                index += 1;
                (rng.uniform(1000 + index) * vocabulary as f64) as u32
            })
            .collect();
        Case {
            model,
            series: (0..rows * width).map(|_| draw()).collect(),
            tokens,
            values: (0..head_rows * outputs).map(|_| draw()).collect(),
            classes: (0..head_rows as u64).map(|i| (rng.uniform(2000 + i) * outputs as f64) as u32).collect(),
            states,
            lengths: with_lengths.then_some(&LENGTHS),
            bits: false,
        }
    }

    fn with_bits(mut self) -> Self {
        self.values.iter_mut().for_each(|value| *value = f64::from(u8::from(*value > 0.0)));
        self.bits = true;
        self
    }

    fn is_language(&self) -> bool {
        matches!(self.model.spec().input, InputSpec::Tokens { .. })
    }

    /// Loss of the data at hand with other series and states.
    fn loss(&mut self, series: &[f64], states: &States<f64>) -> f64 {
        let tokens = self.tokens.clone();
        let input = if self.is_language() { Input::Tokens(&tokens) } else { Input::Series(series) };
        let batch = Batch { time: TIME, batch: BATCH, input, lengths: self.lengths };
        let (values, classes) = (self.values.clone(), self.classes.clone());
        let target = goal(self.is_language(), self.bits, &classes, &values);
        self.model.loss(&batch, &target, &mut states.clone()).unwrap().mean()
    }

    fn check(&mut self, what: &str) {
        let (series, states) = (self.series.clone(), self.states.clone());
        let (tokens, values, classes) = (self.tokens.clone(), self.values.clone(), self.classes.clone());
        let language = self.is_language();
        let input = if language { Input::Tokens(&tokens) } else { Input::Series(&series) };
        let target = goal(language, self.bits, &classes, &values);
        let batch = Batch { time: TIME, batch: BATCH, input, lengths: self.lengths };
        let traced = self.model.backward_traced(&batch, &target, &states).unwrap();
        let gradients = self.model.gradients();

        let compare = |name: &str, index: usize, given: f64, at: &mut dyn FnMut(f64) -> f64| {
            let near = |difference: f64| (given - difference).abs() <= TOLERANCE * (1.0 + difference.abs());
            let inner = (at(CHANGE) - at(-CHANGE)) / (2.0 * CHANGE);
            if near(inner) {
                return;
            }
            // A normalisation of very few units bends so sharply that the next term of the expansion shows; with a wider
            // difference it cancels.
            let outer = (at(2.0 * CHANGE) - at(-2.0 * CHANGE)) / (4.0 * CHANGE);
            let difference = (4.0 * inner - outer) / 3.0;
            assert!(near(difference), "{what}: dL/d {name}[{index}] = {given}, finite difference {difference}");
        };
        let parameters = self.model.parameters();
        for (t, gradient) in gradients.iter().enumerate() {
            for index in 0..gradient.data.len() {
                let mut at = |change: f64| {
                    let mut changed: Vec<NamedTensor<f64>> = parameters.clone();
                    changed[t].data[index] += change;
                    self.model.load_parameters(&changed).unwrap();
                    self.loss(&series, &states)
                };
                compare(&gradient.name, index, gradient.data[index], &mut at);
            }
        }
        self.model.load_parameters(&parameters).unwrap();
        for (index, &given) in traced.input.iter().enumerate() {
            let mut at = |change: f64| {
                let mut changed = series.clone();
                changed[index] += change;
                self.loss(&changed, &states)
            };
            compare("series", index, given, &mut at);
        }
        for (e, entry) in traced.initial.entries.iter().enumerate() {
            for (index, &given) in entry.data.iter().enumerate() {
                let mut at = |change: f64| {
                    let mut changed = states.clone();
                    changed.entries[e].data[index] += change;
                    self.loss(&series, &changed)
                };
                compare(&entry.name, index, given, &mut at);
            }
        }
    }
}

/// Sizes of two layers of a cell: different, unless the upper one adds a state of the lower.
fn two_sizes(cell: &str) -> [usize; 2] {
    if find_cell(cell).unwrap().lower().is_some() { [3, 3] } else { [3, 2] }
}

fn goal<'a>(language: bool, bits: bool, classes: &'a [u32], values: &'a [f64]) -> Target<'a, f64> {
    match (language, bits) {
        (true, _) => Target::Tokens(classes),
        (false, true) => Target::Bits(values),
        (false, false) => Target::Values(values),
    }
}

fn layers(cell: &CellInfo, sizes: &[usize], bidirectional: bool) -> Vec<LayerSpec> {
    let layer = |&hidden_size: &usize| LayerSpec {
        cell: cell.name.into(),
        options: cell.chosen(),
        hidden_size,
        bidirectional,
        dropout: 0.3,
        ..LayerSpec::default()
    };
    sizes.iter().map(layer).collect()
}

/// A cell and what its options are, for messages.
fn said(cell: &CellInfo) -> String {
    format!("{} {:?}", cell.name, cell.choice)
}

#[test]
fn every_cell_alone_and_stacked() {
    for cell in all_variants() {
        for (bidirectional, with_lengths, mode) in [
            (false, false, HeadMode::EveryStep),
            (false, true, HeadMode::LastStep),
            (true, true, HeadMode::EveryStep),
            (true, false, HeadMode::LastStep),
            (true, true, HeadMode::LastStep),
        ] {
            let spec = ModelSpec {
                input: InputSpec::Series { input_size: 2 },
                layers: layers(cell, &two_sizes(cell.name), bidirectional),
                head: HeadSpec { output_size: 2, mode },
                options: Default::default(),
            };
            Case::new(spec, with_lengths, 5)
                .check(&format!("{} bidirectional {bidirectional} lengths {with_lengths} {mode:?}", said(cell)));
        }
    }
}

#[test]
fn embeddings_of_every_cell() {
    for cell in all_variants() {
        for bidirectional in [false, true] {
            let spec = ModelSpec {
                input: InputSpec::Tokens { vocabulary_size: 5, embedding_size: 3 },
                layers: layers(cell, &[2], bidirectional),
                head: HeadSpec { output_size: 3, mode: HeadMode::EveryStep },
                options: Default::default(),
            };
            Case::new(spec, true, 6).check(&format!("{} tokens, bidirectional {bidirectional}", said(cell)));
        }
    }
}

#[test]
fn different_cells_in_one_stack_and_more_than_one_panel() {
    let mut stack = Vec::new();
    for (index, cell) in all_variants().into_iter().enumerate() {
        let size = [17, 3, 4][index % 3];
        if find_cell(cell.name).unwrap().lower().is_some() {
            stack.extend(layers(find_cell("lstm").unwrap().info(), &[size], index % 2 == 1));
        }
        stack.extend(layers(cell, &[size], index % 2 == 0));
    }
    let spec = ModelSpec {
        input: InputSpec::Series { input_size: 1 },
        layers: stack,
        head: HeadSpec { output_size: 1, mode: HeadMode::EveryStep },
        options: Default::default(),
    };
    Case::new(spec, false, 7).check("mixed stack");
}

#[test]
fn vectors_of_zeros_and_ones_through_every_mask() {
    let lstm = all_variants().into_iter().find(|cell| cell.name == "lstm").unwrap();
    // 17 outputs reach beyond one vector, whose padding must stay silent.
    for output_size in [1, 3, 17] {
        for (bidirectional, with_lengths, mode) in
            [(false, false, HeadMode::EveryStep), (false, true, HeadMode::EveryStep), (true, true, HeadMode::LastStep)]
        {
            let spec = ModelSpec {
                input: InputSpec::Series { input_size: 2 },
                layers: layers(lstm, &[3], bidirectional),
                head: HeadSpec { output_size, mode },
                options: ModelOptions::default(),
            };
            let what = format!("{output_size} bits, bidirectional {bidirectional} lengths {with_lengths} {mode:?}");
            Case::new(spec, with_lengths, 8).with_bits().check(&what);
        }
    }
}

#[test]
fn values_under_every_loss() {
    let lstm = all_variants().into_iter().find(|cell| cell.name == "lstm").unwrap();
    for loss in [ValueLoss::Mae {}, ValueLoss::Huber { delta: 1.0 }, ValueLoss::Huber { delta: 0.3 }] {
        for (bidirectional, with_lengths, mode) in
            [(false, false, HeadMode::EveryStep), (false, true, HeadMode::EveryStep), (true, true, HeadMode::LastStep)]
        {
            let spec = ModelSpec {
                input: InputSpec::Series { input_size: 2 },
                layers: layers(lstm, &[3], bidirectional),
                head: HeadSpec { output_size: 3, mode },
                options: ModelOptions { loss, ..ModelOptions::default() },
            };
            let what = format!("{loss:?}, bidirectional {bidirectional} lengths {with_lengths} {mode:?}");
            Case::new(spec, with_lengths, 8).check(&what);
        }
    }
}
