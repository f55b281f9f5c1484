//! Traces: gates and states over a sequence as a safetensors buffer (`engine/contracts/trace.ts`), batch-first.

use crate::config::{Probe, SequenceContent};
use crate::data::{SequenceBatch, SequenceReader, WindowBatch};
use crate::error::EngineError;
use crate::evaluate::Source;
use crate::model::Model;
use crate::spec::{Batch, HeadMode, IGNORED, Input, ModelSpec, NamedTensor, States, Taps, Target};
use crate::tensor_file;

pub const FORMAT: &str = "sluice-trace/1";

/// What a trace says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceLabel<'a> {
    pub run: &'a str,
    pub step: u64,
    pub elapsed_ms: f64,
}

/// Logits beyond this many numbers are left out of probe traces (a live frame must stay small).
const MOST_PROBE_LOGITS: usize = 1 << 20;

/// Turns `[T, B, width]` into `[B, T, width]`.
fn batch_first(values: &[f32], time: usize, batch: usize, width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for b in 0..batch {
        for t in 0..time {
            out.extend_from_slice(&values[(t * batch + b) * width..][..width]);
        }
    }
    out
}

pub fn encode(spec: &ModelSpec, label: &TraceLabel, tensors: &[NamedTensor<f32>]) -> Result<Vec<u8>, EngineError> {
    let cells: Vec<&str> = spec.layers.iter().map(|layer| layer.cell.as_str()).collect();
    let cells = serde_json::to_string(&cells).map_err(|error| EngineError::new("INTERNAL", error.to_string()))?;
    let options: Vec<_> = spec.layers.iter().map(|layer| &layer.options).collect();
    let options = serde_json::to_string(&options).map_err(|error| EngineError::new("INTERNAL", error.to_string()))?;
    let metadata = [
        ("format", FORMAT.to_string()),
        ("run", label.run.to_string()),
        ("step", label.step.to_string()),
        ("cells", cells),
        ("options", options),
        ("elapsedMs", label.elapsed_ms.to_string()),
    ];
    tensor_file::encode(tensors, &metadata)
}

fn named(name: &str, shape: Vec<usize>, data: Vec<f32>) -> NamedTensor<f32> {
    NamedTensor { name: name.to_string(), shape, data }
}

fn push_taps(tensors: &mut Vec<NamedTensor<f32>>, prefix: &str, taps: Taps<f32>) {
    tensors.extend(
        taps.entries.into_iter().map(|tap| named(&format!("{prefix}{}", tap.name), tap.shape.to_vec(), tap.data)),
    );
}

fn push_input(tensors: &mut Vec<NamedTensor<f32>>, batch: &Batch<f32>, width: usize) {
    match batch.input {
        Input::Tokens(tokens) => {
            let values: Vec<f32> = tokens.iter().map(|&token| token as f32).collect();
            tensors.push(named(
                "input",
                vec![batch.batch, batch.time],
                batch_first(&values, batch.time, batch.batch, 1),
            ));
        }
        Input::Series(values) => {
            tensors.push(named(
                "input",
                vec![batch.batch, batch.time, width],
                batch_first(values, batch.time, batch.batch, width),
            ));
        }
    }
}

fn push_output(tensors: &mut Vec<NamedTensor<f32>>, spec: &ModelSpec, batch: &Batch<f32>, output: Vec<f32>) {
    let width = spec.head.output_size;
    tensors.push(match spec.head.mode {
        HeadMode::EveryStep => {
            named("output", vec![batch.batch, batch.time, width], batch_first(&output, batch.time, batch.batch, width))
        }
        HeadMode::LastStep => named("output", vec![batch.batch, width], output),
    });
}

/// The trace of a probe in evaluation mode: no dropout, states zero at the start, weights and training untouched.
///
/// A window's trace also has `forecast` and `target` in raw values, `[1, horizon, targets]`. Of a sequence a window's
/// start is its number: a value from it comes as `prediction` and `target` `[1, targets]` in own units, the vectors or
/// labels wanted at each step as `target` `[1, T, …]`, NaN where none is.
/// Errors: `INPUT_INVALID` where the probe does not fit the data.
pub fn probe(
    model: &mut Model<f32>,
    spec: &ModelSpec,
    source: &Source,
    probe: &Probe,
    label: &TraceLabel,
) -> Result<Vec<u8>, EngineError> {
    encode(spec, label, &probe_tensors(model, spec, source, probe)?)
}

/// The tensors of that trace.
pub fn probe_tensors(
    model: &mut Model<f32>,
    spec: &ModelSpec,
    source: &Source,
    probe: &Probe,
) -> Result<Vec<NamedTensor<f32>>, EngineError> {
    let mut tensors = Vec::new();
    let mut taps = Taps::new();
    let mut states = model.zero_states(1);
    match (probe, source) {
        (Probe::Tokens { tokens, .. }, Source::Tokens { data, .. }) => {
            if tokens.is_empty() || tokens.iter().any(|&token| token as usize >= data.vocabulary_size) {
                return Err(EngineError::at(
                    "INPUT_INVALID",
                    "probe.text",
                    "the probe must hold at least one character, all of the vocabulary",
                ));
            }
            let batch = Batch { time: tokens.len(), batch: 1, input: Input::Tokens(tokens), lengths: None };
            let output = model.forward(&batch, &mut states, Some(&mut taps))?;
            push_input(&mut tensors, &batch, 1);
            if output.len() <= MOST_PROBE_LOGITS {
                push_output(&mut tensors, spec, &batch, output);
            }
        }
        (Probe::Window { start, .. }, Source::Series(reader)) => {
            let data = reader.data();
            let start = *start as usize;
            if start + data.lookback > data.rows {
                return Err(EngineError::at(
                    "INPUT_INVALID",
                    "probe.window",
                    "the probe's window reaches beyond the last row",
                ));
            }
            let (horizon, targets, width) = (data.horizon, data.target_count, data.inputs.len());
            let mut gathered = WindowBatch::default();
            // A window at the very end of the table has no future: its targets are unknown (NaN).
            let known = start + data.lookback + horizon <= data.rows;
            if known {
                reader.gather(&[start], &mut gathered);
            } else {
                reader.gather_inputs(start, &mut gathered);
            }
            let batch = Batch { time: data.lookback, batch: 1, input: Input::Series(&gathered.inputs), lengths: None };
            let output = model.forward(&batch, &mut states, Some(&mut taps))?;
            let raw = |scaled: &[f32]| -> Vec<f32> {
                scaled
                    .iter()
                    .enumerate()
                    .map(|(at, &value)| {
                        let target = at % targets;
                        let off = if data.subtract_last { gathered.last[target] } else { 0.0 };
                        reader.unscale(value + off, target)
                    })
                    .collect()
            };
            tensors.push(named("forecast", vec![1, horizon, targets], raw(&output)));
            tensors.push(named(
                "target",
                vec![1, horizon, targets],
                if known { raw(&gathered.targets) } else { vec![f32::NAN; horizon * targets] },
            ));
            push_input(&mut tensors, &batch, width);
            push_output(&mut tensors, spec, &batch, output);
        }
        (Probe::Window { start, .. }, Source::Sequences(reader)) => {
            let gathered = gathered(reader, *start as usize)?;
            let batch = gathered.batch();
            let output = model.forward(&batch, &mut states, Some(&mut taps))?;
            push_input(&mut tensors, &batch, spec.input.width());
            push_goal(&mut tensors, reader, *start as usize, &gathered.target(), &output);
            push_output(&mut tensors, spec, &batch, output);
        }
        _ => {
            return Err(EngineError::at(
                "INPUT_INVALID",
                "probe",
                "the probe does not fit the dataset: a text needs tokens, a table a window, sequences the number of one",
            ));
        }
    }
    push_taps(&mut tensors, "", taps);
    Ok(tensors)
}

/// One sequence by its number.
fn gathered(reader: &SequenceReader, number: usize) -> Result<SequenceBatch, EngineError> {
    let count = reader.data().sequences;
    if number >= count {
        return Err(EngineError::at("INPUT_INVALID", "probe.window", format!("there are only {count} sequences")));
    }
    let mut gathered = SequenceBatch::default();
    reader.gather(&[number], &mut gathered)?;
    Ok(gathered)
}

/// What the model should have answered about a sequence, and its answer where that is one value.
fn push_goal(
    tensors: &mut Vec<NamedTensor<f32>>,
    reader: &SequenceReader,
    number: usize,
    target: &Target<f32>,
    output: &[f32],
) {
    let time = reader.length(number);
    match (target, &reader.data().content) {
        (Target::Values(_), SequenceContent::Values { target_scaler, .. }) => {
            let count = output.len();
            let own = |k: usize| output[k] * target_scaler.deviation[k] as f32 + target_scaler.mean[k] as f32;
            tensors.push(named("prediction", vec![1, count], (0..count).map(own).collect()));
            let truths = (0..count).map(|k| reader.raw_target(number, k)).collect();
            tensors.push(named("target", vec![1, count], truths));
        }
        (Target::Bits(bits), _) => tensors.push(named("target", vec![1, time, bits.len() / time], bits.to_vec())),
        (Target::Tokens(labels), _) => {
            let values = labels.iter().map(|&label| if label == IGNORED { f32::NAN } else { label as f32 });
            tensors.push(named("target", vec![1, time], values.collect()));
        }
        (Target::Values(_), _) => unreachable!("values are gathered from values"),
    }
}

/// The trace of one sequence of the dataset, with `grad.*` of its mean loss where asked.
///
/// Errors: `INPUT_INVALID` where there is no such sequence; those of the model.
pub fn sequence(
    model: &mut Model<f32>,
    spec: &ModelSpec,
    reader: &SequenceReader,
    number: usize,
    gradients: bool,
    label: &TraceLabel,
) -> Result<Vec<u8>, EngineError> {
    let gathered = gathered(reader, number)?;
    let (batch, target) = (gathered.batch(), gathered.target());
    let mut tensors = Vec::new();
    let mut states = model.zero_states(1);
    push_input(&mut tensors, &batch, spec.input.width());
    let (output, taps, gradients) = if gradients {
        let traced = model.backward_traced(&batch, &target, &states)?;
        (traced.outputs, traced.taps, traced.gradients)
    } else {
        let mut taps = Taps::new();
        let output = model.forward(&batch, &mut states, Some(&mut taps))?;
        (output, taps, Taps::new())
    };
    push_goal(&mut tensors, reader, number, &target, &output);
    push_output(&mut tensors, spec, &batch, output);
    push_taps(&mut tensors, "", taps);
    push_taps(&mut tensors, "grad.", gradients);
    encode(spec, label, &tensors)
}

/// The trace of any batch, with `grad.*` of the mean loss over it where asked: the next token for tokens, the given
/// target for series (none = no gradients).
///
/// Errors: those of the model.
pub fn batch(
    model: &mut Model<f32>,
    spec: &ModelSpec,
    batch: &Batch<f32>,
    target: Option<&[f32]>,
    gradients: bool,
    label: &TraceLabel,
) -> Result<Vec<u8>, EngineError> {
    let mut tensors = Vec::new();
    let mut states: States<f32> = model.zero_states(batch.batch);
    push_input(&mut tensors, batch, spec.input.width());
    let next: Vec<u32> = match batch.input {
        // Row t + 1 of the time-major tokens is the target of row t; the last has none.
        Input::Tokens(tokens) => {
            tokens[batch.batch..].iter().copied().chain(std::iter::repeat_n(IGNORED, batch.batch)).collect()
        }
        Input::Series(_) => Vec::new(),
    };
    let goal = match (batch.input, target) {
        (Input::Tokens(_), _) => Some(Target::Tokens(&next)),
        (Input::Series(_), Some(values)) => Some(Target::Values(values)),
        (Input::Series(_), None) => None,
    };
    match goal {
        Some(goal) if gradients => {
            let traced = model.backward_traced(batch, &goal, &states)?;
            push_output(&mut tensors, spec, batch, traced.outputs);
            push_taps(&mut tensors, "", traced.taps);
            push_taps(&mut tensors, "grad.", traced.gradients);
        }
        _ => {
            let mut taps = Taps::new();
            let output = model.forward(batch, &mut states, Some(&mut taps))?;
            push_output(&mut tensors, spec, batch, output);
            push_taps(&mut tensors, "", taps);
        }
    }
    encode(spec, label, &tensors)
}
