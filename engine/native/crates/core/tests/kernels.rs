//! Every instruction set this processor has against the judge, the portable code in f64, on arbitrary shapes.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use sluice_core::cells::find_cell;
use sluice_core::element::Element;
use sluice_core::kernels::product::{Product, Start};
use sluice_core::kernels::tile::Left;
use sluice_core::kernels::{KernelKind, Kernels};
use sluice_core::rng::{Purpose, Rng};
use sluice_core::simd::LANES;
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
    let cell = all_variants()[shape.cell];
    let spec = ModelSpec {
        input: InputSpec::Series { input_size: shape.width },
        layers: shape
            .hidden
            .iter()
            .map(|&hidden_size| LayerSpec {
                cell: cell.name.into(),
                options: cell.chosen(),
                // A cell that adds a state of the layer below has its size.
                hidden_size: if find_cell(cell.name).unwrap().lower().is_some() {
                    shape.hidden[0]
                } else {
                    hidden_size
                },
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
        let state = entry.name.split('0').next().unwrap_or_default();
        if all_variants().iter().any(|cell| cell.positive_states.contains(&state)) {
            entry.data.iter_mut().for_each(|v| *v = E::from_f64(0.5 + v.to_f64().abs()));
        }
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

/// Each worker's product of the two numbers.
fn products<E: Element>(kind: KernelKind, threads: usize, left: f64, right: f64) -> Vec<f64> {
    let results = Mutex::new(Vec::new());
    let (left, right) = (E::from_f64(left), [E::from_f64(right); LANES]);
    Pool::new(threads).run(|_| {
        let mut out = [E::ONE; LANES];
        let product = Product {
            rows: 1,
            columns: 1,
            left: Left::rows(&left, 1, 1),
            right: right.as_ptr(),
            start: Start::Zero,
            out: out.as_mut_ptr(),
            out_row: LANES,
        };
        unsafe { (Kernels::<E>::of(kind).product)(product) };
        results.lock().unwrap().extend(out.map(E::to_f64));
    });
    results.into_inner().unwrap()
}

#[test]
fn denormal_numbers_count_as_zero_in_every_kernel() {
    for kind in KernelKind::available() {
        for threads in [1, 3] {
            // A denormal result, then a denormal operand.
            for (left, right) in [(1e-30, 1e-12), (1e-40, 1e30)] {
                assert_eq!(products::<f32>(kind, threads, left, right), vec![0.0; threads * LANES], "{kind:?} f32");
            }
            for (left, right) in [(1e-200, 1e-115), (1e-310, 1e300)] {
                assert_eq!(products::<f64>(kind, threads, left, right), vec![0.0; threads * LANES], "{kind:?} f64");
            }
            assert!(products::<f64>(kind, threads, 1e-150, 1e-150).iter().all(|&v| v > 0.0));
        }
    }
}
