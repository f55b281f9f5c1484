//! Every instruction set this processor has against the judge, the portable code in f64, on arbitrary shapes.

use std::sync::Arc;

use proptest::prelude::*;
use sluice_core::element::Element;
use sluice_core::kernels::KernelKind;
use sluice_core::rng::{Purpose, Rng};
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelSpec, NamedTensor, Target, Traced,
};
use sluice_core::{Model, Pool, all_variants};

#[derive(Debug, Clone)]
struct Shape {
    cell: usize,
    time: usize,
    batch: usize,
    width: usize,
    hidden: Vec<usize>,
    outputs: usize,
    bidirectional: bool,
    every_step: bool,
    lengths: Option<Vec<usize>>,
    threads: usize,
}

/// Sizes around the borders of vectors (16), column chunks (64) and row tiles (6, 8, 12, 16), and 1.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1..=20usize, 30..=34usize, 62..=66usize, 127..=130usize]
}

fn shape() -> impl Strategy<Value = Shape> {
    let sizes = (1..=6usize, 1..=27usize, size(), prop::collection::vec(size(), 1..=2), size());
    (0..all_variants().len(), sizes, any::<bool>(), any::<bool>(), any::<bool>(), 1..=3usize, any::<u64>()).prop_map(
        |(cell, (time, batch, width, hidden, outputs), bidirectional, every_step, ragged, threads, seed)| {
            let rng = Rng::new(seed, Purpose::Sample, 0);
            let lengths =
                ragged.then(|| (0..batch).map(|b| 1 + (rng.uniform(b as u64) * time as f64) as usize).collect());
            Shape { cell, time, batch, width, hidden, outputs, bidirectional, every_step, lengths, threads }
        },
    )
}

/// Everything a backward pass gives for this shape.
fn run<E: Element>(shape: &Shape, kind: KernelKind) -> (Traced<E>, Vec<NamedTensor<E>>) {
    let spec = ModelSpec {
        input: InputSpec::Series { input_size: shape.width },
        layers: shape
            .hidden
            .iter()
            .map(|&hidden_size| LayerSpec {
                cell: all_variants()[shape.cell].name.into(),
                options: all_variants()[shape.cell].chosen(),
                hidden_size,
                bidirectional: shape.bidirectional,
                ..LayerSpec::default()
            })
            .collect(),
        head: HeadSpec {
            output_size: shape.outputs,
            mode: if shape.every_step { HeadMode::EveryStep } else { HeadMode::LastStep },
        },
        options: Default::default(),
    };
    let normals = |count: usize, purpose: u32| -> Vec<E> {
        let rng = Rng::new(1, Purpose::Sample, purpose);
        // Drawn as f32, so that both precisions get the same numbers.
        (0..count as u64).map(|i| E::from_f64(rng.normal(i) as f32 as f64)).collect()
    };
    let mut model = Model::<E>::with_kernel(spec, 1, Arc::new(Pool::new(shape.threads)), kind).unwrap();
    let rounded: Vec<NamedTensor<E>> = model
        .parameters()
        .into_iter()
        .map(|t| NamedTensor { data: t.data.iter().map(|v| E::from_f64(v.to_f64() as f32 as f64)).collect(), ..t })
        .collect();
    model.load_parameters(&rounded).unwrap();
    let mut states = model.zero_states(shape.batch);
    for (number, entry) in states.entries.iter_mut().enumerate() {
        entry.data = normals(entry.data.len(), 10 + number as u32);
    }
    let rows = if shape.every_step { shape.time * shape.batch } else { shape.batch };
    let (series, values) = (normals(shape.time * shape.batch * shape.width, 2), normals(rows * shape.outputs, 3));
    let batch = Batch {
        time: shape.time,
        batch: shape.batch,
        input: Input::Series(&series),
        lengths: shape.lengths.as_deref(),
    };
    let traced = model.backward_traced(&batch, &Target::Values(&values), &states).unwrap();
    (traced, model.gradients())
}

/// Differences are measured against the largest entry of each tensor: sums over time and units round in f32.
fn compare(what: &str, values: &[f32], wanted: &[f64]) -> Result<(), TestCaseError> {
    let largest = wanted.iter().fold(0f64, |most, v| most.max(v.abs()));
    for (&value, &want) in values.iter().zip(wanted) {
        let error = (value as f64 - want).abs();
        prop_assert!(error <= 1e-5 * largest + 1e-7, "{what}: {value}, not {want} (largest {largest})");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn all_kernels_agree_with_the_judge(shape in shape()) {
        let (judge, judge_gradients) = run::<f64>(&shape, KernelKind::Portable);
        for kind in KernelKind::available() {
            let (traced, gradients) = run::<f32>(&shape, kind);
            compare(&format!("{kind:?} outputs"), &traced.outputs, &judge.outputs)?;
            compare(&format!("{kind:?} dx"), &traced.input, &judge.input)?;
            for (tap, want) in traced.taps.entries.iter().zip(&judge.taps.entries) {
                compare(&format!("{kind:?} {}", tap.name), &tap.data, &want.data)?;
            }
            for (tap, want) in traced.gradients.entries.iter().zip(&judge.gradients.entries) {
                compare(&format!("{kind:?} grad {}", tap.name), &tap.data, &want.data)?;
            }
            for (state, want) in traced.initial.entries.iter().zip(&judge.initial.entries) {
                compare(&format!("{kind:?} grad {}", state.name), &state.data, &want.data)?;
            }
            for (tensor, want) in gradients.iter().zip(&judge_gradients) {
                compare(&format!("{kind:?} grad {}", tensor.name), &tensor.data, &want.data)?;
            }
            // The wide f64 code of the same instruction set is the judge to rounding.
            let (wide, _) = run::<f64>(&shape, kind);
            for (&value, &want) in wide.outputs.iter().zip(&judge.outputs) {
                prop_assert!((value - want).abs() <= 1e-12 * (1.0 + want.abs()));
            }
        }
    }
}
