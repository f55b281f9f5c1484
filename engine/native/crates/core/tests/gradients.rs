//! Gradients of every registered cell against central finite differences in f64.

use std::sync::Arc;

use sluice_core::rng::{Purpose, Rng};
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelSpec, NamedTensor, States, Target,
};
use sluice_core::{CellInfo, all_variants};
use sluice_core::{Model, Pool};

const TIME: usize = 4;
const BATCH: usize = 3;
const LENGTHS: [usize; BATCH] = [4, 2, 3];
const CHANGE: f64 = 1e-5;
/// Finite differences of this size carry about 1e-10 of truncation and 1e-11 of rounding.
const TOLERANCE: f64 = 2e-8;

struct Case {
    model: Model<f64>,
    series: Vec<f64>,
    tokens: Vec<u32>,
    values: Vec<f64>,
    classes: Vec<u32>,
    states: States<f64>,
    lengths: Option<&'static [usize]>,
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
        }
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
        let target = if self.is_language() { Target::Tokens(&classes) } else { Target::Values(&values) };
        self.model.loss(&batch, &target, &mut states.clone()).unwrap().mean()
    }

    fn check(&mut self, what: &str) {
        let (series, states) = (self.series.clone(), self.states.clone());
        let (tokens, values, classes) = (self.tokens.clone(), self.values.clone(), self.classes.clone());
        let language = self.is_language();
        let input = if language { Input::Tokens(&tokens) } else { Input::Series(&series) };
        let target = if language { Target::Tokens(&classes) } else { Target::Values(&values) };
        let batch = Batch { time: TIME, batch: BATCH, input, lengths: self.lengths };
        let traced = self.model.backward_traced(&batch, &target, &states).unwrap();
        let gradients = self.model.gradients();

        let compare = |name: String, index: usize, given: f64, above: f64, below: f64| {
            let difference = (above - below) / (2.0 * CHANGE);
            let error = (given - difference).abs();
            assert!(
                error <= TOLERANCE * (1.0 + difference.abs()),
                "{what}: dL/d {name}[{index}] = {given}, finite difference {difference}"
            );
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
                let (above, below) = (at(CHANGE), at(-CHANGE));
                compare(gradient.name.clone(), index, gradient.data[index], above, below);
            }
        }
        self.model.load_parameters(&parameters).unwrap();
        for (index, &given) in traced.input.iter().enumerate() {
            let mut at = |change: f64| {
                let mut changed = series.clone();
                changed[index] += change;
                self.loss(&changed, &states)
            };
            let (above, below) = (at(CHANGE), at(-CHANGE));
            compare("series".into(), index, given, above, below);
        }
        for (e, entry) in traced.initial.entries.iter().enumerate() {
            for (index, &given) in entry.data.iter().enumerate() {
                let mut at = |change: f64| {
                    let mut changed = states.clone();
                    changed.entries[e].data[index] += change;
                    self.loss(&series, &changed)
                };
                let (above, below) = (at(CHANGE), at(-CHANGE));
                compare(entry.name.clone(), index, given, above, below);
            }
        }
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
                layers: layers(cell, &[3, 2], bidirectional),
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
        stack.extend(layers(cell, &[[17, 3, 4][index % 3]], index % 2 == 0));
    }
    let spec = ModelSpec {
        input: InputSpec::Series { input_size: 1 },
        layers: stack,
        head: HeadSpec { output_size: 1, mode: HeadMode::EveryStep },
        options: Default::default(),
    };
    Case::new(spec, false, 7).check("mixed stack");
}
