//! Comparison with reference fixtures (`recurrent-fixture/1`; `attention-fixture/1` in `parity_attention`): outputs,
//! gates, states, gradients and their norms.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::buffer::Buffer;
use crate::cells::{OptionValues, Source as SignalSource, find_cell};
use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::{KernelKind, Kernels};
use crate::layers::{Kept, Pass, Source, Stack, Strided};
use crate::params::{Inner, Parameters};
use crate::parity_attention;
use crate::parity_training;
use crate::pool::Pool;
use crate::simd::LANES;
use crate::spec::{LayerSpec, NamedTensor};

/// Absolute and relative tolerances: `|value - reference| <= absolute + relative * |reference|`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub absolute: f64,
    pub relative: f64,
}

/// f64 differs by rounding and by the fixtures' 11 digits; f32 by the rounding of a few hundred operations, which
/// gradients add up over time. A wrong gate order shows as a difference above 1e-3.
pub(crate) fn tolerances(precision: &str) -> (Tolerance, Tolerance) {
    match precision {
        "float64" => (Tolerance { absolute: 1e-9, relative: 0.0 }, Tolerance { absolute: 1e-9, relative: 1e-9 }),
        _ => (Tolerance { absolute: 2e-6, relative: 1e-5 }, Tolerance { absolute: 1e-5, relative: 5e-5 }),
    }
}

/// Relative errors are taken over at least this, so that values near zero do not blow them up.
const RELATIVE_FLOOR: f64 = 1e-3;

/// One precision's comparison with one fixture.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParityResult {
    /// `float32` or `float64`
    pub precision: &'static str,
    pub cell: String,
    pub max_absolute_error: f64,
    pub max_relative_error: f64,
    pub passed: bool,
    /// The tensor nearest to its tolerance, or furthest beyond it.
    pub worst_tensor: String,
    /// What the fixture holds and the engine has not, so that it was not compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A comparison under way.
pub(crate) struct Comparison {
    pub result: ParityResult,
    /// Largest error as a share of its tolerance.
    worst: f64,
}

impl Comparison {
    pub fn new(precision: &'static str, cell: &str) -> Self {
        let result = ParityResult {
            precision,
            cell: cell.to_string(),
            max_absolute_error: 0.0,
            max_relative_error: 0.0,
            passed: true,
            worst_tensor: String::new(),
            left_out: Vec::new(),
        };
        Comparison { result, worst: -1.0 }
    }

    /// Compares one tensor; one that is missing or of another size does not pass.
    pub fn check(&mut self, name: String, reference: &[f64], values: Option<&[f64]>, tolerance: Tolerance) {
        let result = &mut self.result;
        let Some(values) = values.filter(|values| values.len() == reference.len()) else {
            result.passed = false;
            self.worst = f64::INFINITY;
            result.worst_tensor = name;
            return;
        };
        for (&value, &want) in values.iter().zip(reference) {
            let error = (value - want).abs();
            let share = error / (tolerance.absolute + tolerance.relative * want.abs());
            result.max_absolute_error = result.max_absolute_error.max(error);
            result.max_relative_error = result.max_relative_error.max(error / want.abs().max(RELATIVE_FLOOR));
            if share > self.worst || share.is_nan() {
                self.worst = if share.is_nan() { f64::INFINITY } else { share };
                result.worst_tensor.clone_from(&name);
            }
            if share.is_nan() || share > 1.0 {
                result.passed = false;
            }
        }
    }

    pub fn leave_out(&mut self, what: String) {
        self.result.left_out.push(what);
    }
}

/// Nested JSON arrays of any depth, read in row-major order.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Nested {
    Number(f64),
    List(Vec<Nested>),
}

impl Nested {
    pub fn flat(&self) -> Vec<f64> {
        match self {
            Nested::Number(value) => vec![*value],
            Nested::List(items) => items.iter().flat_map(Nested::flat).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Header {
    schema: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
struct Fixture {
    cell: String,
    sizes: Sizes,
    lengths: Vec<usize>,
    options: Options,
    params: BTreeMap<String, Nested>,
    x: Nested,
    initial: BTreeMap<String, Nested>,
    loss_coefficients: BTreeMap<String, Nested>,
    y: Nested,
    r#final: BTreeMap<String, Nested>,
    trace: BTreeMap<String, BTreeMap<String, Nested>>,
    loss: f64,
    grad: Gradients,
    grad_norms: BTreeMap<String, BTreeMap<String, Nested>>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case)]
struct Sizes {
    T: usize,
    B: usize,
    I: usize,
    H: usize,
}

#[derive(Debug, Deserialize)]
struct Options {
    layers: usize,
    bidirectional: bool,
    /// Size of a projected h.
    #[serde(default)]
    proj: Option<usize>,
    /// Settings of the cell.
    #[serde(flatten)]
    cell: BTreeMap<String, serde_json::Value>,
}

/// Names of fixtures' options where the engine's are others.
const OPTION_NAMES: [(&str, &str); 1] = [("sigma_h", "outputActivation")];

/// The fixture's settings that are options of its cell; others say what the cell always is.
fn cell_options(fixture: &Fixture) -> Result<OptionValues, EngineError> {
    let known = find_cell(&fixture.cell)?.info().options;
    let mut options = OptionValues::new();
    for (given, value) in &fixture.options.cell {
        let name = OPTION_NAMES.iter().find(|(theirs, _)| theirs == given).map_or(given.as_str(), |(_, ours)| ours);
        if known.iter().any(|option| option.name == name) {
            let value = serde_json::from_value(value.clone()).map_err(|error| {
                EngineError::new(
                    "FIXTURE_INVALID",
                    format!("The fixture's option \"{given}\" cannot be read: {error}."),
                )
            })?;
            options.insert(name.to_string(), value);
        }
    }
    Ok(options)
}

#[derive(Debug, Deserialize)]
struct Gradients {
    params: BTreeMap<String, Nested>,
    x: Nested,
    initial: BTreeMap<String, Nested>,
}

/// The engine's numbers under the fixture's names.
struct Computed {
    outputs: BTreeMap<String, Vec<f64>>,
    gradients: BTreeMap<String, Vec<f64>>,
}

/// Runs the engine on a fixture in both precisions. Errors: `FIXTURE_INVALID`, `CELL_UNKNOWN`.
pub fn run_fixture(json: &str) -> Result<Vec<ParityResult>, EngineError> {
    let kind = KernelKind::picked();
    run_fixture_with(json, kind)
}

/// The same with a given instruction set.
pub fn run_fixture_with(json: &str, kind: KernelKind) -> Result<Vec<ParityResult>, EngineError> {
    let invalid = |message: String| EngineError::new("FIXTURE_INVALID", message);
    let unreadable = |error: serde_json::Error| invalid(format!("The fixture cannot be read: {error}."));
    // What another kind of fixture lacks is not what is wrong with it.
    let Header { schema } = serde_json::from_str(json).map_err(unreadable)?;
    if schema == parity_attention::SCHEMA {
        return parity_attention::run(json, kind);
    }
    if schema == "training-fixture/1" {
        let fixture = serde_json::from_str(json).map_err(unreadable)?;
        let single = parity_training::compare::<f32>(&fixture, kind)?;
        return Ok(vec![single.result, parity_training::compare::<f64>(&fixture, kind)?.result]);
    }
    if schema != "recurrent-fixture/1" {
        return Err(invalid(format!(
            "This is no fixture of a cell, of attention or of training: its schema is \"{schema}\"."
        )));
    }
    let fixture: Fixture = serde_json::from_str(json).map_err(unreadable)?;
    Ok(vec![compare::<f32>(&fixture, kind)?, compare::<f64>(&fixture, kind)?])
}

fn compare<E: Element>(fixture: &Fixture, kind: KernelKind) -> Result<ParityResult, EngineError> {
    let computed = compute::<E>(fixture, kind)?;
    let (for_outputs, for_gradients) = tolerances(E::PRECISION);
    let mut comparison = Comparison::new(E::PRECISION, &fixture.cell);
    let mut check = |name: String, reference: Vec<f64>, values: Option<&Vec<f64>>, tolerance: Tolerance| {
        comparison.check(name, &reference, values.map(Vec::as_slice), tolerance);
    };
    let outputs = &computed.outputs;
    check("y".into(), fixture.y.flat(), outputs.get("y"), for_outputs);
    check("loss".into(), vec![fixture.loss], outputs.get("loss"), for_gradients);
    for (state, want) in &fixture.r#final {
        let name = format!("final.{state}");
        check(name.clone(), want.flat(), outputs.get(&name), for_outputs);
    }
    for (direction, signals) in &fixture.trace {
        for (signal, want) in signals {
            let name = format!("trace.{direction}.{signal}");
            check(name.clone(), want.flat(), outputs.get(&name), for_outputs);
        }
    }
    let gradients = &computed.gradients;
    check("grad.x".into(), fixture.grad.x.flat(), gradients.get("x"), for_gradients);
    for (parameter, want) in &fixture.grad.params {
        check(format!("grad.{parameter}"), want.flat(), gradients.get(parameter), for_gradients);
    }
    for (state, want) in &fixture.grad.initial {
        let name = format!("initial.{state}");
        check(format!("grad.{name}"), want.flat(), gradients.get(&name), for_gradients);
    }
    for (direction, states) in &fixture.grad_norms {
        for (state, want) in states {
            let name = format!("norm.{direction}.{state}");
            check(name.clone(), want.flat(), gradients.get(&name), for_gradients);
        }
    }
    Ok(comparison.result)
}

/// One forward and backward pass of the stack on one thread, with the fixture's loss.
fn compute<E: Element>(fixture: &Fixture, kind: KernelKind) -> Result<Computed, EngineError> {
    let Sizes { T: time, B: batch, I: input, H: hidden } = fixture.sizes;
    let rows = time * batch;
    let layer = LayerSpec {
        cell: fixture.cell.clone(),
        options: cell_options(fixture)?,
        hidden_size: hidden,
        bidirectional: fixture.options.bidirectional,
        projection_size: fixture.options.proj,
        ..LayerSpec::default()
    };
    let mut parameters = Parameters::default();
    let specs = vec![layer; fixture.options.layers];
    let mut stack = Stack::<E>::new(&specs, Inner::plain(input), &mut parameters, Kernels::of(kind), 1)?;
    let mut weights = Buffer::<E>::new(parameters.length);
    let gradients = Buffer::<E>::new(parameters.length);
    let named: Vec<NamedTensor<E>> = fixture
        .params
        .iter()
        .map(|(name, values)| {
            let name = format!("recurrent.{name}");
            let shape = parameters.tensors.iter().find(|t| t.name == name).map_or(Vec::new(), |t| t.shape.clone());
            NamedTensor { name, shape, data: values.flat().into_iter().map(E::from_f64).collect() }
        })
        .collect();
    for tensor in named.iter().filter(|tensor| !tensor.shape.is_empty()) {
        let needed: usize = tensor.shape.iter().product();
        if tensor.data.len() != needed {
            let name = tensor.name.trim_start_matches("recurrent.");
            return Err(EngineError::new(
                "FIXTURE_INVALID",
                format!(
                    "The fixture's \"{name}\" holds {} numbers; the cell {} of these sizes needs {needed}. Check \"cell\" and \"sizes\".",
                    tensor.data.len(),
                    fixture.cell,
                ),
            ));
        }
    }
    parameters.write(weights.slice_mut(parameters.length), "", &named)?;

    let x: Vec<E> = fixture.x.flat().into_iter().map(E::from_f64).collect();
    let missing = |what: &str| EngineError::new("FIXTURE_INVALID", format!("The fixture has no \"{what}\"."));
    stack.reserve(time, batch, 0, false, true, true);
    let mut final_coefficients = Vec::new();
    let mut number = 0;
    for layer in &mut stack.layers {
        for direction in &mut layer.directions {
            let mut coefficients = Vec::new();
            for (s, state) in direction.cell.info().states.iter().enumerate() {
                let (size, width) = (direction.state_size(s), direction.state_width(s));
                let first = direction.initial_block(time) * batch * width;
                let part = number * batch * size..(number + 1) * batch * size;
                let initial = fixture.initial.get(*state).ok_or_else(|| missing(state))?.flat();
                let end = first + batch * width;
                let rows = direction.states[s].slice_mut(end)[first..].chunks_exact_mut(width);
                for (row, from) in rows.zip(initial[part.clone()].chunks_exact(size)) {
                    for (to, &value) in row.iter_mut().zip(from) {
                        *to = E::from_f64(value);
                    }
                }
                // A state without coefficients takes no part in the loss.
                let wanted = fixture.loss_coefficients.get(*state).map_or_else(|| vec![0.0; part.end], Nested::flat);
                let mut padded = Buffer::<E>::new(batch * width);
                let buffer = padded.slice_mut(batch * width);
                for (row, from) in buffer.chunks_exact_mut(width).zip(wanted[part].chunks_exact(size)) {
                    for (to, &value) in row.iter_mut().zip(from) {
                        *to = E::from_f64(value);
                    }
                }
                coefficients.push((padded, width));
            }
            direction.starts_at_zero = false;
            final_coefficients.push(coefficients);
            number += 1;
        }
    }
    let mut input_gradient = Buffer::<E>::new(rows * input.next_multiple_of(LANES));
    let all_full = fixture.lengths.iter().all(|&length| length == time);
    let pass = Pass {
        time,
        batch,
        lengths: if all_full { None } else { Some(&fixture.lengths) },
        weights: weights.at(0),
        gradients: gradients.at(0),
        source: Source::Series(x.as_ptr()),
        dropout: None,
        output_gradient: true,
        final_gradients: final_coefficients
            .iter()
            .map(|states| {
                std::array::from_fn(|s| {
                    states.get(s).map(|(buffer, width)| Strided { first: buffer.at(0).cast_const(), row: *width })
                })
            })
            .collect(),
        traced: true,
        input_gradient: input_gradient.at(0),
        kept: Kept::default(),
        whole_vocabulary: false,
        narrow: false,
        pairs: None,
        stored: false,
    };
    let pool = Arc::new(Pool::new(1));
    pool.run(|worker| unsafe {
        stack.prepare(&pass, worker, true);
        stack.forward(&pass, worker);
    });

    let mut computed = Computed { outputs: BTreeMap::new(), gradients: BTreeMap::new() };
    let directions = || stack.layers.iter().flat_map(|layer| &layer.directions);
    let valid = |row: usize| row / batch < fixture.lengths[row % batch];

    // L = sum over valid rows of (Ry y + y^2 / 2) + sum over final states of Rs s
    let last = stack.layers.len() - 1;
    let output = stack.output(last, &pass);
    let top = &stack.layers[last];
    let coefficients = fixture.loss_coefficients.get("y").ok_or_else(|| missing("y"))?.flat();
    let outputs_per_row: usize = top.directions.iter().map(|direction| direction.output).sum();
    let mut loss = 0.0;
    let mut y = Vec::with_capacity(coefficients.len());
    for row in 0..rows {
        for (d, direction) in top.directions.iter().enumerate() {
            for unit in 0..direction.output {
                let place = row * output.row + d * direction.output_width + unit;
                let value = unsafe { *output.first.add(place) }.to_f64();
                let factor = coefficients[row * outputs_per_row + d * direction.output + unit];
                y.push(value);
                if valid(row) {
                    loss += factor * value + value * value / 2.0;
                    unsafe { *top.above.at(place) = E::from_f64(factor + value) };
                }
            }
        }
    }
    computed.outputs.insert("y".into(), y);
    for (number, direction) in directions().enumerate() {
        for (s, state) in direction.cell.info().states.iter().enumerate() {
            let (factors, width) = &final_coefficients[number][s];
            let first = direction.final_block(time) * batch * width;
            let factors = factors.slice(batch * width);
            let values = computed.outputs.entry(format!("final.{state}")).or_default();
            for b in 0..batch {
                for unit in 0..direction.state_size(s) {
                    let value = unsafe { *direction.states[s].at(first + b * width + unit) }.to_f64();
                    loss += value * factors[b * width + unit].to_f64();
                    values.push(value);
                }
            }
        }
        let line = direction.line();
        let info = direction.cell.info();
        for signal in info.signals.iter().chain(info.internals) {
            let size = direction.signal_size(signal);
            let mut values = Vec::with_capacity(rows * size);
            for row in 0..rows {
                for unit in 0..size {
                    let value = match signal.source {
                        SignalSource::Slot(slot) => unsafe {
                            *direction.gates.at((unit / LANES * rows + row) * line + slot * LANES + unit % LANES)
                        },
                        SignalSource::Share(slot, other) => unsafe {
                            let at = (unit / LANES * rows + row) * line + unit % LANES;
                            let own = *direction.gates.at(at + slot * LANES);
                            own / (own + *direction.gates.at(at + other * LANES))
                        },
                        SignalSource::State(s) => unsafe {
                            *direction.states[s]
                                .at((direction.block_after(0) * batch + row) * direction.state_width(s) + unit)
                        },
                    };
                    values.push(if valid(row) { value.to_f64() } else { 0.0 });
                }
            }
            computed.outputs.insert(format!("trace.{}.{}", direction.name, signal.name), values);
        }
    }
    computed.outputs.insert("loss".into(), vec![loss]);

    pool.run(|worker| unsafe {
        stack.backward(&pass, worker);
        stack.weight_gradients(&pass, worker);
    });
    for tensor in parameters.read(gradients.slice(parameters.length), "") {
        let name = tensor.name.trim_start_matches("recurrent.").to_string();
        computed.gradients.insert(name, tensor.data.into_iter().map(Element::to_f64).collect());
    }
    let width = input.next_multiple_of(LANES);
    let dx = input_gradient.slice_mut(rows * width).chunks_exact(width).flat_map(|row| row[..input].to_vec());
    computed.gradients.insert("x".into(), dx.map(Element::to_f64).collect());
    for direction in directions() {
        for (s, state) in direction.cell.info().states.iter().enumerate() {
            let (size, width) = (direction.state_size(s), direction.state_width(s));
            let carry = direction.carry[s].slice(batch * width).chunks_exact(width);
            let values = carry.flat_map(|row| row[..size].to_vec()).map(Element::to_f64);
            computed.gradients.entry(format!("initial.{state}")).or_default().extend(values);

            let totals = direction.totals[s].slice(rows * width).chunks_exact(width);
            let squares: Vec<f64> =
                totals.map(|row| row[..size].iter().map(|v| v.to_f64() * v.to_f64()).sum()).collect();
            let over_batch = squares.chunks_exact(batch).map(|row| row.iter().sum::<f64>().sqrt()).collect();
            let name = format!("norm.{}.{state}", direction.name);
            computed.gradients.insert(format!("{name}_batch"), over_batch);
            computed.gradients.insert(name, squares.into_iter().map(f64::sqrt).collect());
        }
    }
    Ok(computed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LSTM: &str = include_str!("../../../../../tests/fixtures/reference/lstm.tiny.json");

    fn refusal(json: &str) -> String {
        run_fixture(json).expect_err("must be refused").message
    }

    #[test]
    fn says_what_is_wrong_with_a_fixture() {
        assert!(run_fixture(LSTM).is_ok());
        let wrong_cell = refusal(&LSTM.replacen("\"cell\": \"lstm\"", "\"cell\": \"gru\"", 1));
        assert!(wrong_cell.contains("numbers; the cell gru of these sizes needs"), "{wrong_cell}");
        let another = refusal(r#"{"schema": "other-fixture/1", "losses": {}}"#);
        assert!(another.contains("no fixture") && another.contains("other-fixture/1"), "{another}");
    }
}
