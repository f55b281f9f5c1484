//! Products of bfloat16 operands, and weights stored so, against float32 and float64 within what the rounding allows.

use std::sync::Arc;

use proptest::prelude::*;
use sluice_core::kernels::bfloat16::{
    PackPairs, PairKernels, PairLeft, PairOuter, PairProduct, PairStart, Round, TransposePairs, from_bfloat16,
    to_bfloat16,
};
use sluice_core::kernels::stored::{StoredProduct, store_pairs};
use sluice_core::kernels::{KernelKind, Kernels};
use sluice_core::rng::{Purpose, Rng};
use sluice_core::simd::LANES;
use sluice_core::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelSpec, NamedTensor, Optimizer, Target, Update,
};
use sluice_core::{Model, Pool, all_variants};

/// Half a unit in the last of 8 bits, relative: what rounding one number costs at most.
const ROUNDING: f64 = 1.0 / 256.0;

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let rng = Rng::new(seed, Purpose::Sample, 0);
    (0..count as u64).map(|i| rng.normal(i) as f32).collect()
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| from_bfloat16(to_bfloat16(value))).collect()
}

/// `start + left · right`, and the sum of the absolute values of its terms.
fn exact(left: &[f32], right: &[f32], start: f32) -> (f64, f64) {
    let terms = left.iter().zip(right).map(|(&a, &b)| a as f64 * b as f64);
    let (mut sum, mut size) = (start as f64, (start as f64).abs());
    for term in terms {
        (sum, size) = (sum + term, size + term.abs());
    }
    (sum, size)
}

#[test]
fn rounding_is_to_the_nearest_and_ties_to_even() {
    for (value, wanted) in [
        (1.0, 1.0),
        (1.0 + 1.0 / 256.0, 1.0),
        (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
        (-(1.0 + 1.1 / 256.0), -(1.0 + 2.0 / 256.0)),
        (3.4e38, f32::INFINITY),
        (f32::INFINITY, f32::INFINITY),
    ] {
        assert_eq!(from_bfloat16(to_bfloat16(value)), wanted, "{value}");
    }
    assert!(from_bfloat16(to_bfloat16(f32::NAN)).is_nan());
}

#[test]
fn the_processor_rounds_as_the_plain_code() {
    let Some(kernels) = PairKernels::<f32>::available() else { return };
    let mut values = numbers(4096, 1);
    values.extend((0..4096).map(|i| f32::from_bits(0x3f80_0000 + i * 37)));
    let mut to = vec![0; values.len()];
    unsafe { (kernels.round)(Round { from: values.as_ptr(), to: to.as_mut_ptr(), count: values.len() }) };
    let wanted: Vec<u16> = values.iter().map(|&value| to_bfloat16(value)).collect();
    assert_eq!(to, wanted);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_product_is_exact_for_its_rounded_operands(
        rows in 1..30usize, pairs in 1..70usize, runs in 1..3usize, columns in 1..=4usize, start in 0..3usize,
        seed in any::<u64>(),
    ) {
        let Some(kernels) = PairKernels::<f32>::available() else { return Ok(()) };
        let (run, width) = (2 * pairs, columns * LANES);
        let inner = run * runs;
        let (left, right) = (numbers(rows * inner, seed), numbers(inner * width, seed ^ 1));
        let starts = numbers(3 * width, seed ^ 2);
        let index: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
        // Run after run, as gate panels lie.
        let mut left_pairs = vec![0u16; rows * inner];
        for row in 0..rows {
            for k in 0..inner {
                left_pairs[(k / run * rows + row) * run + k % run] = to_bfloat16(left[row * inner + k]);
            }
        }
        let mut right_pairs = vec![0u16; inner * width];
        unsafe {
            (kernels.pack)(PackPairs {
                from: right.as_ptr(), row: width, rows: inner, columns: width, to: right_pairs.as_mut_ptr(),
                to_pair: 2 * width, to_vector: 2 * LANES,
            });
        }
        let begin = match start {
            0 => PairStart::zero(),
            1 => PairStart::rows(starts.as_ptr(), 0),
            _ => PairStart { index: index.as_ptr(), ..PairStart::rows(starts.as_ptr(), width) },
        };
        let mut out = vec![0f32; rows * width];
        unsafe {
            (kernels.product)(PairProduct {
                rows, columns,
                left: PairLeft { first: left_pairs.as_ptr(), row: run, run, runs, next_run: rows * run },
                right: right_pairs.as_ptr(), start: begin, out: out.as_mut_ptr(), out_row: width,
            });
        }
        for row in 0..rows {
            for column in 0..width {
                let a = &left[row * inner..(row + 1) * inner];
                let b: Vec<f32> = (0..inner).map(|k| right[k * width + column]).collect();
                let from = match start { 0 => 0.0, 1 => starts[column], _ => starts[row % 3 * width + column] };
                let got = out[row * width + column] as f64;
                let (sum, size) = exact(&rounded(a), &rounded(&b), from);
                prop_assert!((got - sum).abs() <= 1e-6 * size, "{got}, not {sum} of rounded operands");
                let (sum, size) = exact(a, &b, from);
                prop_assert!((got - sum).abs() <= 2.01 * ROUNDING * size, "{got}, not {sum}");
            }
        }
    }

    #[test]
    fn a_weight_gradient_is_exact_for_its_rounded_operands(
        inputs in 1..40usize, columns in 1..=4usize, rows in 1..30usize, add in any::<bool>(), seed in any::<u64>(),
    ) {
        let Some(kernels) = PairKernels::<f32>::available() else { return Ok(()) };
        let (width, pairs) = (columns * LANES, rows.div_ceil(2));
        let (x, d) = (numbers(rows * inputs, seed), numbers(rows * width, seed ^ 1));
        let before = numbers(inputs * width, seed ^ 2);
        let mut packed = vec![0u16; inputs.next_multiple_of(LANES) * pairs * 2];
        let mut right = vec![0u16; pairs * 2 * width];
        let mut out = before.clone();
        unsafe {
            (kernels.pack)(PackPairs {
                from: x.as_ptr(), row: inputs, rows, columns: inputs, to: packed.as_mut_ptr(), to_pair: 2 * LANES,
                to_vector: pairs * 2 * LANES,
            });
            (kernels.pack)(PackPairs {
                from: d.as_ptr(), row: width, rows, columns: width, to: right.as_mut_ptr(), to_pair: 2 * width,
                to_vector: 2 * LANES,
            });
            (kernels.outer)(PairOuter {
                inputs, columns, pairs, packed: packed.as_ptr(), right: right.as_ptr(), out: out.as_mut_ptr(),
                out_row: width, add,
            });
        }
        for input in 0..inputs {
            for column in 0..width {
                let a: Vec<f32> = (0..rows).map(|row| x[row * inputs + input]).collect();
                let b: Vec<f32> = (0..rows).map(|row| d[row * width + column]).collect();
                let from = if add { before[input * width + column] } else { 0.0 };
                let (sum, size) = exact(&rounded(&a), &rounded(&b), from);
                let got = out[input * width + column] as f64;
                prop_assert!((got - sum).abs() <= 1e-6 * size, "{got}, not {sum}");
            }
        }
    }

    #[test]
    fn transposing_rounds_and_pairs(known in 0..=LANES, pairs in 1..40usize, seed in any::<u64>()) {
        let Some(kernels) = PairKernels::<f32>::available() else { return Ok(()) };
        let columns = 2 * pairs;
        let from = numbers(LANES * columns, seed);
        let mut to = vec![7u16; pairs * 2 * LANES];
        unsafe {
            (kernels.transpose)(TransposePairs {
                from: from.as_ptr(), row: columns, known, columns, to: to.as_mut_ptr(), to_pair: 2 * LANES,
            });
        }
        for column in 0..columns {
            for row in 0..LANES {
                let wanted = if row < known { to_bfloat16(from[row * columns + column]) } else { 0 };
                prop_assert_eq!(to[column / 2 * 2 * LANES + 2 * row + column % 2], wanted);
            }
        }
    }

    #[test]
    fn stored_weights_cost_their_rounding_alone(
        rows in 1..6usize, pairs in 1..70usize, columns in 1..=4usize, seed in any::<u64>(),
    ) {
        let (inner, width) = (2 * pairs, columns * LANES);
        let (left, right) = (numbers(rows * inner, seed), numbers(inner * width, seed ^ 1));
        let bias = numbers(width, seed ^ 2);
        let mut stored = vec![0u16; inner * width];
        store_pairs(&right, width, &mut stored);
        for kind in KernelKind::available() {
            let mut out = vec![0f32; rows * width];
            unsafe {
                (Kernels::<f32>::of(kind).stored_product)(StoredProduct {
                    rows, columns, left: left.as_ptr(), left_row: inner, inner, right: stored.as_ptr(),
                    start: PairStart::rows(bias.as_ptr(), 0), out: out.as_mut_ptr(), out_row: width,
                });
            }
            for row in 0..rows {
                for column in 0..width {
                    let b: Vec<f32> = (0..inner).map(|k| right[k * width + column]).collect();
                    let (sum, size) = exact(&left[row * inner..(row + 1) * inner], &rounded(&b), bias[column]);
                    let got = out[row * width + column] as f64;
                    prop_assert!((got - sum).abs() <= 1e-6 * size, "{kind:?}: {got}, not {sum}");
                }
            }
        }
    }
}

fn model_of(cell: &str, threads: usize, tokens: bool, bidirectional: bool, every_step: bool) -> Model<f32> {
    let info = all_variants().into_iter().find(|info| info.name == cell).unwrap();
    let hidden_size = 37;
    let layer =
        LayerSpec { cell: cell.into(), options: info.chosen(), hidden_size, bidirectional, ..LayerSpec::default() };
    let spec = ModelSpec {
        input: if tokens {
            InputSpec::Tokens { vocabulary_size: 19, embedding_size: 21 }
        } else {
            InputSpec::Series { input_size: 7 }
        },
        layers: vec![layer; 2],
        head: HeadSpec {
            output_size: if tokens { 19 } else { 3 },
            mode: if every_step { HeadMode::EveryStep } else { HeadMode::LastStep },
        },
        options: Default::default(),
    };
    Model::with_kernel(spec, 3, Arc::new(Pool::new(threads)), KernelKind::available()[0]).unwrap()
}

const TIME: usize = 9;
const BATCH: usize = 5;

fn update() -> Update {
    Update {
        // Not Adam, whose first steps have the size of the rate however small and uncertain a gradient is.
        optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 },
        learning_rate: 0.05,
        clip_norm: None,
        seed: 1,
    }
}

/// Losses of some training steps on one batch, the gradients of the first, and the weights at the end.
fn train(model: &mut Model<f32>, tokens: bool, every_step: bool, steps: u64) -> (Vec<f64>, Vec<NamedTensor<f32>>) {
    let rows = TIME * BATCH;
    let symbols: Vec<u32> = (0..2 * rows as u32).map(|i| i * i % 19).collect();
    let series = numbers(rows * 7, 5);
    let values = numbers(rows * 3, 6);
    let outputs = if every_step { rows } else { BATCH };
    let lengths = [9, 3, 1, 9, 6];
    let input = if tokens { Input::Tokens(&symbols[..rows]) } else { Input::Series(&series) };
    let target =
        if tokens { Target::Tokens(&symbols[rows..][..outputs]) } else { Target::Values(&values[..outputs * 3]) };
    let batch = Batch { time: TIME, batch: BATCH, input, lengths: Some(&lengths) };
    let (mut losses, mut gradients) = (Vec::new(), Vec::new());
    for step in 0..steps {
        let mut states = model.zero_states(BATCH);
        let outcome = model.train_step(&batch, &target, &mut states, step, &update()).unwrap();
        assert!(outcome.non_finite.is_none());
        losses.push(outcome.loss);
        if step == 0 {
            gradients = model.gradients();
        }
    }
    (losses, gradients)
}

/// Euclidean length of the difference of two tensors.
fn distance(a: &NamedTensor<f32>, b: &NamedTensor<f32>) -> f64 {
    a.data.iter().zip(&b.data).map(|(&a, &b)| (a as f64 - b as f64).powi(2)).sum::<f64>().sqrt()
}

/// Every cell, over tokens and series, one and two directions: a step's loss and gradients are off by no more than a few
/// times what rounding the weights alone changes in float32 (much for a normalised cell, whose small first states are
/// scaled up), and the bits do not depend on the number of threads.
#[test]
fn a_training_step_of_every_cell_follows_float32() {
    if PairKernels::<f32>::available().is_none() {
        return;
    }
    for info in all_variants() {
        if !info.chosen().is_empty() {
            continue;
        }
        for (tokens, bidirectional, every_step) in
            [(true, false, true), (false, true, true), (false, false, false), (true, true, false)]
        {
            let what = format!("{} tokens {tokens} both {bidirectional} every {every_step}", info.name);
            let model = |threads| model_of(info.name, threads, tokens, bidirectional, every_step);
            let (plain, wanted) = train(&mut model(1), tokens, every_step, 4);
            let mut near = model(1);
            near.store_weights();
            let (near_losses, near) = train(&mut near, tokens, every_step, 4);
            let run = |threads| {
                let mut model = model(threads);
                model.round_products().unwrap();
                let (losses, gradients) = train(&mut model, tokens, every_step, 4);
                (losses, gradients, model.parameters())
            };
            let (losses, gradients, weights) = run(1);
            // Later losses of such a cell are those of another training.
            assert_ne!(losses, plain, "{what}: products were not rounded");
            for ((&loss, &plain), &near) in losses.iter().zip(&plain).zip(&near_losses).take(2) {
                let allowed = 3.0 * (near - plain).abs() + 1e-2 * plain;
                assert!((loss - plain).abs() <= allowed, "{what}: {loss}, not {plain}, allowed {allowed}");
            }
            // A unit whose sum lies near 0 may be on the other side of ReLU's kink.
            let share = if info.name == "rnn-relu" { 0.1 } else { 0.01 };
            for ((got, want), near) in gradients.iter().zip(&wanted).zip(&near) {
                let size = want.data.iter().map(|&v| (v as f64).powi(2)).sum::<f64>().sqrt();
                let (error, allowed) = (distance(got, want), 3.0 * distance(near, want) + share * size + 1e-6);
                assert!(error <= allowed, "{what} {}: off by {error}, size {size}, allowed {allowed}", got.name);
            }
            for threads in [2, 3] {
                let (other_losses, other, other_weights) = run(threads);
                assert_eq!(losses, other_losses, "{what}");
                assert!(gradients == other && weights == other_weights, "{what}: other bits on {threads} threads");
            }
        }
    }
}

#[test]
fn evaluation_is_not_rounded() {
    let mut model = model_of("lstm", 1, true, false, true);
    let before = outputs(&mut model, TIME, BATCH);
    if model.round_products().is_ok() {
        assert_eq!(outputs(&mut model, TIME, BATCH), before);
    }
}

#[test]
fn what_cannot_be_done_is_told() {
    let spec = model_of("lstm", 1, true, false, true).spec().clone();
    let mut model = Model::<f32>::with_kernel(spec.clone(), 1, Arc::new(Pool::new(1)), KernelKind::Portable).unwrap();
    let error = model.round_products().unwrap_err();
    assert_eq!((error.code.as_str(), error.location.as_deref()), ("CONFIG_INVALID", Some("training.products")));
    assert!(error.message.contains("take float32 for training.products"), "{}", error.message);
    let mut wide = Model::<f64>::new(spec, 1, Arc::new(Pool::new(1))).unwrap();
    assert!(wide.round_products().unwrap_err().message.contains("these are in float64"));
}

fn outputs(model: &mut Model<f32>, time: usize, batch: usize) -> Vec<f32> {
    let tokens: Vec<u32> = (0..(time * batch) as u32).map(|i| i * 7 % 19).collect();
    let mut states = model.zero_states(batch);
    model.forward(&Batch { time, batch, input: Input::Tokens(&tokens), lengths: None }, &mut states, None).unwrap()
}

/// Stored weights give what the rounded weights give, step by step on any number of threads and in whole sequences.
#[test]
fn stored_weights_run_every_cell() {
    for info in all_variants() {
        if !info.chosen().is_empty() {
            continue;
        }
        for kind in KernelKind::available() {
            let spec = model_of(info.name, 1, true, false, true).spec().clone();
            let mut plain = Model::<f32>::with_kernel(spec.clone(), 3, Arc::new(Pool::new(1)), kind).unwrap();
            let weights: Vec<NamedTensor<f32>> = plain
                .parameters()
                .into_iter()
                .map(|t| if t.shape.len() == 2 { NamedTensor { data: rounded(&t.data), ..t } } else { t })
                .collect();
            plain.load_parameters(&weights).unwrap();
            let wanted = outputs(&mut plain, TIME, 1);
            for threads in [1, 2, 3] {
                let mut model = Model::<f32>::with_kernel(spec.clone(), 3, Arc::new(Pool::new(threads)), kind).unwrap();
                model.store_weights();
                assert_eq!(model.parameters(), weights, "{}", info.name);
                let mut states = model.zero_states(1);
                let mut steps = Vec::new();
                for t in 0..TIME as u32 {
                    let token = [t * 7 % 19];
                    let batch = Batch { time: 1, batch: 1, input: Input::Tokens(&token), lengths: None };
                    steps.extend(model.forward(&batch, &mut states, None).unwrap());
                }
                for got in [outputs(&mut model, TIME, 1), steps] {
                    for (&value, &want) in got.iter().zip(&wanted) {
                        assert!((value - want).abs() <= 1e-5, "{} {kind:?} {threads}: {value}, not {want}", info.name);
                    }
                }
            }
        }
    }
}
