//! Attention in a model: gradients against finite differences, what a query may see, the same bits with any threads.

use std::sync::Arc;

use proptest::prelude::*;
use sluice_core::rng::{Purpose, Rng};
use sluice_core::spec::{
    AttentionKind, Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelOptions, ModelSpec, Optimizer, Taps,
    Target, Update,
};
use sluice_core::{Model, Pool};

const KINDS: [AttentionKind; 5] = [
    AttentionKind::Additive,
    AttentionKind::Dot,
    AttentionKind::General,
    AttentionKind::Concat,
    AttentionKind::ScaledDot,
];

fn spec(attention: AttentionKind, cell: &str, hidden_size: usize, bidirectional: bool, mode: HeadMode) -> ModelSpec {
    ModelSpec {
        input: InputSpec::Series { input_size: 2 },
        layers: vec![LayerSpec { cell: cell.into(), hidden_size, bidirectional, ..LayerSpec::default() }],
        head: HeadSpec { output_size: 2, mode },
        options: ModelOptions { attention, ..Default::default() },
    }
}

fn normals(count: usize, seed: u64) -> Vec<f64> {
    let rng = Rng::new(seed, Purpose::Sample, 2);
    (0..count as u64).map(|i| rng.normal(i)).collect()
}

fn check_gradients(spec: &ModelSpec, time: usize, batch: usize, lengths: Option<&[usize]>, threads: usize) {
    let what = format!("{:?} {:?} {time} x {batch} {lengths:?}", spec.options.attention, spec.head.mode);
    let mut model = Model::<f64>::new(spec.clone(), 5, Arc::new(Pool::new(threads))).unwrap();
    let rows = if spec.head.mode == HeadMode::EveryStep { time * batch } else { batch };
    let (series, values) = (normals(time * batch * 2, 1), normals(rows * 2, 2));
    let input = Batch { time, batch, input: Input::Series(&series), lengths };
    let target = Target::Values(&values);
    let states = model.zero_states(batch);
    let traced = model.backward_traced(&input, &target, &states).unwrap();
    let gradients = model.gradients();
    let parameters = model.parameters();
    let change = 1e-5;
    let compare = |name: &str, index: usize, given: f64, above: f64, below: f64| {
        let difference = (above - below) / (2.0 * change);
        assert!(
            (given - difference).abs() <= 2e-8 * (1.0 + difference.abs()),
            "{what}: dL/d {name}[{index}] = {given}, finite difference {difference}"
        );
    };
    for (t, gradient) in gradients.iter().enumerate() {
        for index in 0..gradient.data.len() {
            let mut at = |by: f64| {
                let mut changed = parameters.clone();
                changed[t].data[index] += by;
                model.load_parameters(&changed).unwrap();
                model.loss(&input, &target, &mut states.clone()).unwrap().mean()
            };
            let (above, below) = (at(change), at(-change));
            compare(&gradient.name, index, gradient.data[index], above, below);
        }
    }
    model.load_parameters(&parameters).unwrap();
    for (index, &given) in traced.input.iter().enumerate() {
        let mut at = |by: f64| {
            let mut changed = series.clone();
            changed[index] += by;
            let input = Batch { input: Input::Series(&changed), ..input };
            model.loss(&input, &target, &mut states.clone()).unwrap().mean()
        };
        let (above, below) = (at(change), at(-change));
        compare("series", index, given, above, below);
    }
    assert!(gradients.iter().any(|t| t.name == "attention.W_c" && t.data.iter().any(|g| g.abs() > 1e-6)), "{what}");
}

#[test]
fn gradients_of_every_kind() {
    for kind in KINDS {
        for mode in [HeadMode::EveryStep, HeadMode::LastStep] {
            check_gradients(&spec(kind, "gru", 3, false, mode), 4, 2, None, 1);
            check_gradients(&spec(kind, "rnn-tanh", 2, true, mode), 4, 3, Some(&[4, 2, 3]), 2);
        }
    }
}

/// What attention reads is then not h, and the query of a last step not the final state.
#[test]
fn gradients_past_a_norm_and_a_residual_connection() {
    for mode in [HeadMode::EveryStep, HeadMode::LastStep] {
        let mut spec = spec(AttentionKind::General, "gru", 2, true, mode);
        spec.layers.push(LayerSpec { layer_norm: true, residual: true, ..spec.layers[0].clone() });
        check_gradients(&spec, 4, 3, Some(&[4, 2, 3]), 2);
    }
}

#[test]
fn a_batch_with_fewer_rows_than_workers_is_evaluated_alike() {
    let series = normals(12 * 2, 1);
    for kind in [AttentionKind::None, AttentionKind::Dot] {
        let run = |threads: usize| {
            let spec = spec(kind, "lstm", 128, false, HeadMode::EveryStep);
            let mut model = Model::<f64>::new(spec, 2, Arc::new(Pool::new(threads))).unwrap();
            let input = Batch { time: 12, batch: 1, input: Input::Series(&series), lengths: None };
            model.forward(&input, &mut model.zero_states(1), None).unwrap()
        };
        assert_eq!(run(1), run(3), "{kind:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gradients_of_any_size(
        kind in prop::sample::select(KINDS.to_vec()),
        every in any::<bool>(),
        bidirectional in any::<bool>(),
        hidden in prop::sample::select(vec![1usize, 15, 17]),
        time in 1usize..19,
        threads in 1usize..4,
    ) {
        let mode = if every { HeadMode::EveryStep } else { HeadMode::LastStep };
        let lengths = [time, time.div_ceil(2)];
        check_gradients(&spec(kind, "rnn-tanh", hidden, bidirectional, mode), time, 2, Some(&lengths), threads);
    }
}

#[test]
fn queries_see_what_came_before_and_nothing_of_the_padding() {
    for kind in KINDS {
        let (time, batch) = (20, 2);
        let series = normals(time * batch * 2, 3);
        let lengths = [time, 11];
        let run = |mode: HeadMode, changed_from: usize| {
            let mut model = Model::<f64>::new(spec(kind, "lstm", 6, false, mode), 8, Arc::new(Pool::new(1))).unwrap();
            let mut changed = series.clone();
            for t in 0..time {
                for b in 0..batch {
                    if t >= changed_from || t >= lengths[b] {
                        changed[(t * batch + b) * 2] += 1.0 + changed_from as f64;
                    }
                }
            }
            let mut taps = Taps::new();
            let input = Batch { time, batch, input: Input::Series(&changed), lengths: Some(&lengths) };
            let outputs = model.forward(&input, &mut model.zero_states(batch), Some(&mut taps)).unwrap();
            (outputs, taps.get("attention.weights").unwrap().clone())
        };
        let (whole, weights) = run(HeadMode::EveryStep, time);
        let (early, _) = run(HeadMode::EveryStep, 9);
        assert_eq!(whole[..9 * batch * 2], early[..9 * batch * 2], "{kind:?} looks ahead");
        assert_ne!(whole[9 * batch * 2], early[9 * batch * 2]);
        assert_eq!(weights.shape, [batch, time, time]);
        for (row, line) in weights.data.chunks_exact(time).enumerate() {
            let (b, i) = (row / time, row % time);
            let seen = lengths[b].min(i + 1);
            assert!((line.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(
                line[seen..].iter().all(|&w| w == 0.0) && line[..seen].iter().all(|&w| w > 0.0),
                "{kind:?} {b} {i}"
            );
        }
        // What stands in the padding of the second sequence does not matter.
        let (last, weights) = run(HeadMode::LastStep, time);
        let (other, _) = run(HeadMode::LastStep, time + 5);
        assert_eq!(last, other);
        assert_eq!(weights.shape, [batch, 1, time]);
        assert!(weights.data[time + 11..].iter().all(|&w| w == 0.0));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for (cell, mode, batch, time) in [
        ("gru", HeadMode::EveryStep, 5, 21),
        ("mingru", HeadMode::EveryStep, 1, 130),
        ("lstm", HeadMode::LastStep, 3, 18),
        // Fewer sequences than workers: these divide every sequence.
        ("gru", HeadMode::EveryStep, 1, 40),
        ("lstm", HeadMode::EveryStep, 2, 23),
        ("lstm", HeadMode::LastStep, 1, 18),
    ] {
        for kind in KINDS {
            let run = |threads: usize| {
                let spec = spec(kind, cell, 19, mode == HeadMode::LastStep, mode);
                let mut model = Model::<f32>::new(spec, 3, Arc::new(Pool::new(threads))).unwrap();
                let mut states = model.zero_states(batch);
                let optimizer = Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
                let update = Update { optimizer, learning_rate: 0.01, clip_norm: Some(0.5), seed: 11 };
                for step in 0..2 {
                    let draw = |count, seed| normals(count, seed).into_iter().map(|v| v as f32).collect::<Vec<_>>();
                    let rows = if mode == HeadMode::EveryStep { time * batch } else { batch };
                    let (series, values) = (draw(time * batch * 2, step), draw(rows * 2, step + 9));
                    let input = Batch { time, batch, input: Input::Series(&series), lengths: None };
                    let outcome =
                        model.train_step(&input, &Target::Values(&values), &mut states, step, &update).unwrap();
                    assert!(outcome.loss.is_finite() && outcome.grad_norm > 0.0);
                }
                (model.parameters(), states)
            };
            let one = run(1);
            for threads in [2, 4, 7] {
                assert!(one == run(threads), "{threads} threads give other bits: {cell} {kind:?}");
            }
        }
    }
}
