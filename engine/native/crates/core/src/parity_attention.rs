//! Comparison with reference fixtures of attention (`attention-fixture/1`): scores, weights, contexts, outputs, gradients.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::buffer::Buffer;
use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::outer::OUTER_BLOCK;
use crate::kernels::{KernelKind, Kernels};
use crate::layers::{Attended, AttendedGradients, Attention, Strided};
use crate::params::{Inner, Parameters, padded};
use crate::parity::{Comparison, Nested, ParityResult, tolerances};
use crate::pool::Pool;
use crate::spec::{AttentionKind, NamedTensor};

pub const SCHEMA: &str = "attention-fixture/1";

#[derive(Debug, Deserialize)]
struct Fixture {
    cell: Kind,
    sizes: Sizes,
    key_lengths: Vec<usize>,
    params: BTreeMap<String, Nested>,
    queries: Nested,
    keys: Nested,
    loss_coefficients: BTreeMap<String, Nested>,
    scores: Nested,
    weights: Nested,
    context: Nested,
    y: Nested,
    loss: f64,
    grad: Gradients,
}

/// The names that fixtures give to the kinds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    AttentionBahdanau,
    AttentionLuongDot,
    AttentionLuongGeneral,
    AttentionLuongConcat,
    AttentionScaledDot,
}

impl Kind {
    fn kind(self) -> (AttentionKind, &'static str) {
        match self {
            Kind::AttentionBahdanau => (AttentionKind::Additive, "attention-bahdanau"),
            Kind::AttentionLuongDot => (AttentionKind::Dot, "attention-luong-dot"),
            Kind::AttentionLuongGeneral => (AttentionKind::General, "attention-luong-general"),
            Kind::AttentionLuongConcat => (AttentionKind::Concat, "attention-luong-concat"),
            Kind::AttentionScaledDot => (AttentionKind::ScaledDot, "attention-scaled-dot"),
        }
    }
}

#[derive(Debug, Deserialize)]
// The letters are those of the fixture's file.
#[allow(non_snake_case)]
struct Sizes {
    Tq: usize,
    Tk: usize,
    B: usize,
    Hq: usize,
    Hk: usize,
    A: usize,
}

#[derive(Debug, Deserialize)]
struct Gradients {
    params: BTreeMap<String, Nested>,
    queries: Nested,
    keys: Nested,
}

/// Runs the engine on a fixture in both precisions. Errors: `FIXTURE_INVALID`.
pub fn run(json: &str, kind: KernelKind) -> Result<Vec<ParityResult>, EngineError> {
    let invalid = |message: String| EngineError::new("FIXTURE_INVALID", message);
    let fixture: Fixture =
        serde_json::from_str(json).map_err(|error| invalid(format!("The fixture cannot be read: {error}.")))?;
    let Sizes { Tq, Tk, B, Hq, Hk, .. } = fixture.sizes;
    for (name, values, needed) in [
        ("queries", &fixture.queries, Tq * B * Hq),
        ("keys", &fixture.keys, Tk * B * Hk),
        ("loss_coefficients.y", fixture.loss_coefficients.get("y").unwrap_or(&fixture.queries), Tq * B * Hq),
    ] {
        let given = values.flat().len();
        if given != needed || needed == 0 {
            return Err(invalid(format!("The fixture's \"{name}\" holds {given} numbers; its sizes need {needed}.")));
        }
    }
    if fixture.key_lengths.len() != B || fixture.key_lengths.iter().any(|&length| length == 0 || length > Tk) {
        return Err(invalid(format!("The fixture needs {B} key_lengths from 1 to {Tk}.")));
    }
    Ok(vec![compare::<f32>(&fixture, kind)?, compare::<f64>(&fixture, kind)?])
}

/// `[rows][width]` with padded columns.
fn padded_rows<E: Element>(values: &[f64], width: usize) -> Buffer<E> {
    let rows = values.len() / width;
    let mut buffer = Buffer::new(rows * padded(width));
    for (row, from) in buffer.slice_mut(rows * padded(width)).chunks_exact_mut(padded(width)).zip(values.chunks(width))
    {
        for (to, &value) in row.iter_mut().zip(from) {
            *to = E::from_f64(value);
        }
    }
    buffer
}

/// The columns without padding.
fn read_rows<E: Element>(buffer: &Buffer<E>, rows: usize, width: usize) -> Vec<f64> {
    let all = buffer.slice(rows * padded(width));
    all.chunks_exact(padded(width)).flat_map(|row| row[..width].iter().map(|v| v.to_f64())).collect()
}

fn compare<E: Element>(fixture: &Fixture, kind: KernelKind) -> Result<ParityResult, EngineError> {
    let Sizes { Tq: query_steps, Tk: key_steps, B: batch, Hq, Hk, A } = fixture.sizes;
    let (attention_kind, name) = fixture.cell.kind();
    let (for_outputs, for_gradients) = tolerances(E::PRECISION);
    let mut comparison = Comparison::new(E::PRECISION, name);
    let mut parameters = Parameters::default();
    let (query, key) = (Inner::panels(Hq, 1), Inner::panels(Hk, 1));
    let mut attention = Attention::<E>::new(attention_kind, query, key, A, &mut parameters, kind)
        .expect("fixtures have a kind of attention");
    let mut weights = Buffer::<E>::new(parameters.length);
    let gradients = Buffer::<E>::new(parameters.length);
    let named: Vec<NamedTensor<E>> = fixture
        .params
        .iter()
        .map(|(name, values)| {
            let name = format!("attention.{name}");
            let shape = parameters.tensors.iter().find(|t| t.name == name).map_or(Vec::new(), |t| t.shape.clone());
            NamedTensor { name, shape, data: values.flat().into_iter().map(E::from_f64).collect() }
        })
        .collect();
    parameters
        .write(weights.slice_mut(parameters.length), "", &named)
        .map_err(|error| EngineError::new("FIXTURE_INVALID", error.message))?;
    let queries = padded_rows::<E>(&fixture.queries.flat(), Hq);
    let keys = padded_rows::<E>(&fixture.keys.flat(), Hk);
    let (query_gradient, key_gradient) =
        (Buffer::<E>::new(query_steps * batch * padded(Hq)), Buffer::<E>::new(key_steps * batch * padded(Hk)));
    let of = Attended {
        queries: Strided { first: queries.at(0).cast_const(), row: padded(Hq) },
        keys: Strided { first: keys.at(0).cast_const(), row: padded(Hk) },
        query_steps,
        key_steps,
        batch,
        lengths: Some(&fixture.key_lengths),
        causal: false,
        shared: false,
    };
    let to = AttendedGradients {
        queries: query_gradient.at(0),
        query_row: padded(Hq),
        keys: key_gradient.at(0),
        key_row: padded(Hk),
    };
    let kernels = Kernels::of(kind);
    let pack = Buffer::<E>::new(OUTER_BLOCK * padded(Hq).max(padded(Hk)));
    attention.reserve(query_steps, key_steps, batch, true, true, false);
    let pool = Pool::new(1);
    let shared = (SendAll(&of), SendAll(&to));
    pool.run(|worker| unsafe {
        attention.prepare(weights.at(0), worker);
        attention.forward(&kernels, weights.at(0), shared.0.get(), true, worker);
    });
    let y = read_rows(&attention.output, query_steps * batch, Hq);
    let coefficients = fixture.loss_coefficients.get("y").map_or(Vec::new(), Nested::flat);
    let mut loss = 0.0;
    for (at, (value, factor)) in y.iter().zip(&coefficients).enumerate() {
        loss += factor * value + value * value / 2.0;
        let place = at / Hq * padded(Hq) + at % Hq;
        unsafe { *attention.output_gradient.at(place) = E::from_f64(factor + value) };
    }
    // Recorded before the backward pass; the fixture has queries before sequences.
    let time_first = |rows: Vec<E>, masked: bool| -> Vec<f64> {
        let mut values = vec![0.0; rows.len()];
        for (at, value) in rows.into_iter().enumerate() {
            let (b, i, j) = (at / key_steps / query_steps, at / key_steps % query_steps, at % key_steps);
            if !(masked && j >= fixture.key_lengths[b]) {
                values[(i * batch + b) * key_steps + j] = value.to_f64();
            }
        }
        values
    };
    let scores = time_first(attention.read(&attention.scores, query_steps, key_steps, batch), true);
    let shares = time_first(attention.read(&attention.weights, query_steps, key_steps, batch), false);
    let context = read_rows(&attention.context, query_steps * batch, Hk);
    comparison.check("scores".into(), &fixture.scores.flat(), Some(&scores), for_outputs);
    comparison.check("weights".into(), &fixture.weights.flat(), Some(&shares), for_outputs);
    comparison.check("context".into(), &fixture.context.flat(), Some(&context), for_outputs);
    comparison.check("y".into(), &fixture.y.flat(), Some(&y), for_outputs);
    comparison.check("loss".into(), &[fixture.loss], Some(&[loss]), for_gradients);
    pool.run(|worker| unsafe {
        attention.backward(&kernels, weights.at(0), shared.0.get(), *shared.1.get(), worker);
        attention.weight_gradients(&kernels, gradients.at(0), shared.0.get(), pack.at(0), worker);
    });
    let computed = parameters.read(gradients.slice(parameters.length), "");
    for (name, want) in &fixture.grad.params {
        let found = computed.iter().find(|tensor| tensor.name == format!("attention.{name}"));
        let values: Option<Vec<f64>> = found.map(|tensor| tensor.data.iter().map(|v| v.to_f64()).collect());
        comparison.check(format!("grad.{name}"), &want.flat(), values.as_deref(), for_gradients);
    }
    let queries = read_rows(&query_gradient, query_steps * batch, Hq);
    let keys = read_rows(&key_gradient, key_steps * batch, Hk);
    comparison.check("grad.queries".into(), &fixture.grad.queries.flat(), Some(&queries), for_gradients);
    comparison.check("grad.keys".into(), &fixture.grad.keys.flat(), Some(&keys), for_gradients);
    Ok(comparison.result)
}

/// Lets the one worker see what holds pointers.
struct SendAll<'a, T>(&'a T);

unsafe impl<T> Sync for SendAll<'_, T> {}

impl<T> SendAll<'_, T> {
    fn get(&self) -> &T {
        self.0
    }
}
