//! What the probe says of the model's health: gates that are stuck, and how far back a gradient reaches.

use serde::Serialize;

use crate::cells::{SignalKind, find_cell};
use crate::config::Probe;
use crate::data::{SequenceBatch, WindowBatch};
use crate::error::EngineError;
use crate::evaluate::Source;
use crate::model::Model;
use crate::spec::{Batch, IGNORED, Input, ModelSpec, NamedTensor, Taps, Target};

/// A gate counts as shut below the one and as open above the other (Karpathy, Johnson & Fei-Fei 2015).
const SHUT: f32 = 0.1;
const OPEN: f32 = 0.9;
/// Most lags kept of each layer: all of a short probe, later ones evenly spread over the logarithm.
const MOST_LAGS: usize = 64;

/// How many of a gate's values over the probe are stuck at an end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateSaturation {
    /// `l0`, `l0_reverse`, …
    pub layer: String,
    pub gate: String,
    /// Shares of all its values.
    pub shut: f64,
    pub open: f64,
}

/// ‖dL/dh‖ at steps before the last one, L the loss at the last step of the probe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LagNorms {
    pub layer: String,
    /// Steps before the last, rising from 0.
    pub lags: Vec<usize>,
    pub norms: Vec<f64>,
}

/// Saturation of every gate of a trace.
pub fn saturation(spec: &ModelSpec, trace: &[NamedTensor<f32>]) -> Vec<GateSaturation> {
    let mut found = Vec::new();
    for tensor in trace {
        let Some((layer, gate)) = tensor.name.split_once('.') else { continue };
        let index = layer.strip_suffix("_reverse").unwrap_or(layer).strip_prefix('l').and_then(|at| at.parse().ok());
        let Some(cell) = index.and_then(|at: usize| spec.layers.get(at)).and_then(|l| find_cell(&l.cell).ok()) else {
            continue;
        };
        let signals = cell.info().signals;
        if !signals.iter().any(|signal| signal.name == gate && signal.kind == SignalKind::Openness) {
            continue;
        }
        let count = tensor.data.len().max(1) as f64;
        let share = |test: &dyn Fn(f32) -> bool| tensor.data.iter().filter(|&&v| test(v)).count() as f64 / count;
        found.push(GateSaturation {
            layer: layer.into(),
            gate: gate.into(),
            shut: share(&|value| value < SHUT),
            open: share(&|value| value > OPEN),
        });
    }
    found
}

/// Gradient norms over the lag, from one backward pass over the probe in evaluation mode; empty where the probe has no
/// target (one character, or a window at the table's end).
///
/// Errors: those of the model.
pub fn lag_norms(model: &mut Model<f32>, source: &Source, probe: &Probe) -> Result<Vec<LagNorms>, EngineError> {
    let states = model.zero_states(1);
    match (probe, source) {
        (Probe::Tokens { tokens, .. }, Source::Tokens { data, .. }) => {
            let known = tokens.iter().all(|&token| (token as usize) < data.vocabulary_size);
            if tokens.len() < 2 || !known {
                return Ok(Vec::new());
            }
            let time = tokens.len() - 1;
            let mut next = vec![IGNORED; time];
            next[time - 1] = tokens[time];
            let batch = Batch { time, batch: 1, input: Input::Tokens(&tokens[..time]), lengths: None };
            Ok(norms(&model.backward_traced(&batch, &Target::Tokens(&next), &states)?.gradients))
        }
        (Probe::Window { start, .. }, Source::Series(reader)) => {
            let (start, data) = (*start as usize, reader.data());
            if start + data.lookback + data.horizon > data.rows {
                return Ok(Vec::new());
            }
            let mut gathered = WindowBatch::default();
            reader.gather(&[start], &mut gathered);
            let batch = Batch { time: data.lookback, batch: 1, input: Input::Series(&gathered.inputs), lengths: None };
            Ok(norms(&model.backward_traced(&batch, &Target::Values(&gathered.targets), &states)?.gradients))
        }
        (Probe::Window { start, .. }, Source::Sequences(reader)) => {
            let number = *start as usize;
            if number >= reader.data().sequences {
                return Ok(Vec::new());
            }
            let mut gathered = SequenceBatch::default();
            reader.gather(&[number], &mut gathered)?;
            let batch = gathered.batch();
            // Of targets at every step only the last one counts: the lag is the distance from it.
            let traced = match gathered.target() {
                Target::Values(values) => model.backward_traced(&batch, &Target::Values(values), &states)?,
                Target::Tokens(labels) => {
                    let Some(last) = labels.iter().rposition(|&label| label != IGNORED) else { return Ok(Vec::new()) };
                    let mut only = vec![IGNORED; labels.len()];
                    only[last] = labels[last];
                    model.backward_traced(&batch, &Target::Tokens(&only), &states)?
                }
                Target::Bits(_) => return Ok(Vec::new()),
            };
            Ok(norms(&traced.gradients))
        }
        _ => Ok(Vec::new()),
    }
}

fn norms(gradients: &Taps<f32>) -> Vec<LagNorms> {
    let hidden = gradients.entries.iter().filter_map(|tap| Some((tap.name.strip_suffix(".h")?, tap)));
    hidden
        .map(|(layer, tap)| {
            let [_, time, width] = tap.shape;
            let lags = spread(time);
            let norm = |lag: usize| {
                // The reverse direction ends at the first step.
                let at = if layer.ends_with("_reverse") { lag } else { time - 1 - lag };
                let row = &tap.data[at * width..(at + 1) * width];
                row.iter().map(|&v| v as f64 * v as f64).sum::<f64>().sqrt()
            };
            LagNorms { layer: layer.into(), norms: lags.iter().map(|&lag| norm(lag)).collect(), lags }
        })
        .collect()
}

/// Lags below `time`: all, or `MOST_LAGS` whose distances grow.
fn spread(time: usize) -> Vec<usize> {
    if time <= MOST_LAGS {
        return (0..time).collect();
    }
    let last = (time as f64).ln();
    let mut lags: Vec<usize> = (0..MOST_LAGS)
        .map(|k| ((last * k as f64 / (MOST_LAGS - 1) as f64).exp().round() as usize - 1).min(time - 1))
        .collect();
    lags.dedup();
    lags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_rise_from_none_to_the_first_step() {
        for time in [1, 5, 64, 65, 1000, 5000] {
            let lags = spread(time);
            assert_eq!((lags[0], *lags.last().unwrap()), (0, time - 1), "{time}");
            assert!(lags.windows(2).all(|pair| pair[0] < pair[1]) && lags.len() <= MOST_LAGS);
        }
    }
}
