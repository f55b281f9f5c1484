//! Comparison with the reference's `training-fixture/1`: losses, optimisers, clipping, and a run of twelve steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::buffer::Buffer;
use crate::element::Element;
use crate::error::EngineError;
use crate::kernels::{KernelKind, Kernels};
use crate::loss::{Rows, Scope, ValueLoss, row_losses};
use crate::model::Model;
use crate::optim::{Stretch, clip_factor, update_stretch};
use crate::params::padded;
use crate::parity::{Comparison, Nested, Tolerance, tolerances};
use crate::pool::Pool;
use crate::simd::LANES;
use crate::spec::{
    Batch, HeadMode, HeadSpec, Input, InputSpec, LayerSpec, ModelOptions, ModelSpec, NamedTensor, Optimizer, Target,
    Update,
};

#[derive(Debug, Deserialize)]
pub(crate) struct TrainingFixture {
    losses_input: LossesInput,
    losses: Vec<LossCase>,
    optimisers_input: OptimisersInput,
    optimisers: Vec<OptimiserCase>,
    clipping: Clipping,
    run: Run,
}

#[derive(Debug, Deserialize)]
struct LossesInput {
    lengths: Vec<usize>,
    /// `[T][B][K]`
    predictions: Vec<Vec<Vec<f64>>>,
}

#[derive(Debug, Deserialize)]
struct LossCase {
    name: String,
    target: Nested,
    loss: f64,
    grad: Nested,
}

#[derive(Debug, Deserialize)]
struct OptimisersInput {
    start: Vec<f64>,
    gradients: Vec<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
struct OptimiserCase {
    kind: String,
    settings: BTreeMap<String, Value>,
    after_each_step: Vec<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
struct Clipping {
    gradients: Nested,
    max_norm: f64,
    global_norm: f64,
    clipped: Nested,
}

#[derive(Debug, Deserialize)]
struct Run {
    rows: Vec<Vec<u32>>,
    sizes: RunSizes,
    adam: Adam,
    start: BTreeMap<String, Nested>,
    loss_each_step: Vec<f64>,
    norm_each_step: Vec<f64>,
    end: BTreeMap<String, Nested>,
}

#[derive(Debug, Deserialize)]
// The letters are those of the fixture's file.
#[allow(non_snake_case)]
struct RunSizes {
    V: usize,
    H: usize,
    B: usize,
    T: usize,
    steps: usize,
}

#[derive(Debug, Deserialize)]
struct Adam {
    lr: f64,
    betas: [f64; 2],
    eps: f64,
}

/// The run's clipping norm; the fixture's text names it, its fields do not.
const RUN_CLIP: f64 = 0.3;

fn invalid(message: String) -> EngineError {
    EngineError::new("FIXTURE_INVALID", message)
}

/// Compares everything the engine has. Losses of the fixture that the engine does not train with are named in the result.
pub(crate) fn compare<E: Element>(fixture: &TrainingFixture, kind: KernelKind) -> Result<Comparison, EngineError> {
    let mut comparison = Comparison::new(E::PRECISION, "training");
    losses::<E>(fixture, kind, &mut comparison)?;
    for case in &fixture.optimisers {
        optimiser::<E>(&fixture.optimisers_input, case, kind, &mut comparison)?;
    }
    clipping::<E>(&fixture.clipping, kind, &mut comparison);
    run::<E>(&fixture.run, kind, &mut comparison)?;
    Ok(comparison)
}

fn losses<E: Element>(fixture: &TrainingFixture, kind: KernelKind, out: &mut Comparison) -> Result<(), EngineError> {
    let LossesInput { lengths, predictions } = &fixture.losses_input;
    let (time, batch) = (predictions.len(), lengths.len());
    let outputs = predictions.first().and_then(|step| step.first()).map_or(0, Vec::len);
    let flat: Vec<f64> = predictions.iter().flatten().flatten().copied().collect();
    let (rows, width) = (time * batch, padded(outputs));
    if outputs == 0 || flat.len() != rows * outputs || lengths.iter().any(|&length| length == 0 || length > time) {
        return Err(invalid("The fixture's predictions are not [T][B][K] with B lengths.".into()));
    }
    let (for_values, for_gradients) = tolerances(E::PRECISION);
    for case in &fixture.losses {
        let wanted = case.target.flat();
        let tokens: Vec<u32> = wanted.iter().map(|&value| value as u32).collect();
        let values: Vec<E> = wanted.iter().map(|&value| E::from_f64(value)).collect();
        let of_values = |loss| (Target::Values(&values), rows * outputs, loss);
        let (target, needed, loss) = match case.name.as_str() {
            "softmax-cross-entropy" => (Target::Tokens(&tokens), rows, ValueLoss::default()),
            "binary-cross-entropy" => (Target::Bits(&values), rows * outputs, ValueLoss::default()),
            "mse" => of_values(ValueLoss::Mse {}),
            "mae" => of_values(ValueLoss::Mae {}),
            "huber" => of_values(ValueLoss::Huber { delta: 1.0 }),
            other => {
                out.leave_out(format!("loss {other}"));
                continue;
            }
        };
        if wanted.len() != needed || (needed == rows && tokens.iter().any(|&token| token as usize >= outputs)) {
            return Err(invalid(format!("The targets of {} do not fit the predictions.", case.name)));
        }
        let mut buffer = Buffer::<E>::new(rows * width);
        for (row, from) in buffer.slice_mut(rows * width).chunks_exact_mut(width).zip(flat.chunks_exact(outputs)) {
            for (to, &value) in row.iter_mut().zip(from) {
                *to = E::from_f64(value);
            }
        }
        let scope = Scope { batch, lengths: Some(lengths), outputs, values: loss };
        let count = scope.count(&target, rows) as f64;
        let losses = Buffer::<f64>::new(rows);
        let places = Rows { values: buffer.at(0), width, losses: losses.at(0) };
        unsafe { row_losses(&Kernels::of(kind), scope, &target, 0..rows, places, Some(1.0 / count)) };
        let gradient = buffer.slice(rows * width).chunks_exact(width).flat_map(|row| row[..outputs].to_vec());
        out.check(
            format!("loss {}", case.name),
            &[case.loss],
            Some(&[losses.slice(rows).iter().sum::<f64>() / count]),
            for_values,
        );
        out.check(
            format!("grad {}", case.name),
            &case.grad.flat(),
            Some(&gradient.map(E::to_f64).collect::<Vec<_>>()),
            for_gradients,
        );
    }
    Ok(())
}

fn optimizer_of(case: &OptimiserCase) -> Result<(Optimizer, f64), EngineError> {
    let number = |name: &str| case.settings.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let flag = |name: &str| case.settings.get(name).and_then(Value::as_bool).unwrap_or(false);
    let beta = |index: usize| case.settings.get("betas").and_then(|v| v.get(index)?.as_f64()).unwrap_or(0.0);
    let (beta1, beta2, eps, weight_decay) = (beta(0), beta(1), number("eps"), number("weight_decay"));
    let optimizer = match case.kind.as_str() {
        "sgd" => Optimizer::Sgd { momentum: number("momentum"), nesterov: flag("nesterov"), weight_decay },
        "adagrad" => Optimizer::Adagrad { eps, weight_decay },
        "rmsprop" => Optimizer::RmsProp { alpha: number("alpha"), eps, momentum: number("momentum"), weight_decay },
        "adam" => Optimizer::Adam { beta1, beta2, eps, weight_decay },
        "adamw" => Optimizer::AdamW { beta1, beta2, eps, weight_decay },
        other => return Err(invalid(format!("There is no optimiser \"{other}\" here."))),
    };
    Ok((optimizer, number("lr")))
}

fn optimiser<E: Element>(
    input: &OptimisersInput,
    case: &OptimiserCase,
    kind: KernelKind,
    out: &mut Comparison,
) -> Result<(), EngineError> {
    let (optimizer, learning_rate) = optimizer_of(case)?;
    let size = input.start.len();
    if input.gradients.iter().any(|gradient| gradient.len() != size) {
        return Err(invalid("The optimisers' gradients are not as long as their start.".into()));
    }
    let length = size.next_multiple_of(LANES);
    let [mut weights, mut gradient, first, second] = std::array::from_fn(|_| Buffer::<E>::new(length));
    for (to, &value) in weights.slice_mut(length).iter_mut().zip(&input.start) {
        *to = E::from_f64(value);
    }
    let update = Update { optimizer, learning_rate, clip_norm: None, seed: 0 };
    let moments = optimizer.moments();
    let place =
        |kept: Option<&str>, buffer: &Buffer<E>| if kept.is_some() { buffer.at(0) } else { std::ptr::null_mut() };
    let (tolerance, _) = tolerances(E::PRECISION);
    for (step, values) in input.gradients.iter().enumerate() {
        for (to, &value) in gradient.slice_mut(length).iter_mut().zip(values) {
            *to = E::from_f64(value);
        }
        let stretch = Stretch {
            weights: weights.at(0),
            gradients: gradient.at(0),
            first: place(moments.first, &first),
            second: place(moments.second, &second),
            count: length,
        };
        unsafe { update_stretch(&Kernels::of(kind), stretch, &update, step as u64, 1.0) };
        let after: Vec<f64> = weights.slice(size).iter().map(|value| value.to_f64()).collect();
        let wanted = case.after_each_step.get(step).map_or(&[][..], Vec::as_slice);
        out.check(format!("{optimizer:?} after step {}", step + 1), wanted, Some(&after), tolerance);
    }
    Ok(())
}

fn clipping<E: Element>(case: &Clipping, kind: KernelKind, out: &mut Comparison) {
    let gradients = case.gradients.flat();
    let length = gradients.len().next_multiple_of(LANES);
    let mut values = Buffer::<E>::new(length);
    for (to, &value) in values.slice_mut(length).iter_mut().zip(&gradients) {
        *to = E::from_f64(value);
    }
    let square = Buffer::<f64>::new(1);
    let sum =
        crate::kernels::elementwise::SquareSum { values: values.at(0).cast_const(), count: length, out: square.at(0) };
    unsafe { (Kernels::of(kind).square_sum)(sum) };
    let norm = square.slice(1)[0].sqrt();
    let factor = E::from_f64(clip_factor(norm, Some(case.max_norm)));
    let clipped: Vec<f64> = values.slice(gradients.len()).iter().map(|&value| (value * factor).to_f64()).collect();
    let (tolerance, _) = tolerances(E::PRECISION);
    out.check("global norm".into(), &[case.global_norm], Some(&[norm]), tolerance);
    out.check("clipped gradient".into(), &case.clipped.flat(), Some(&clipped), tolerance);
}

/// Losses within 1e-5 and end values within 1e-4 in float32, as the fixture's notes ask; float64 as everything else.
fn run<E: Element>(run: &Run, kind: KernelKind, out: &mut Comparison) -> Result<(), EngineError> {
    let RunSizes { V: classes, H: hidden, B: batch, T: time, steps } = run.sizes;
    let windows = run.rows.first().map_or(0, |row| row.len().saturating_sub(1) / time.max(1));
    let fits = |row: &Vec<u32>| row.len() > windows * time && row.iter().all(|&symbol| (symbol as usize) < classes);
    if windows == 0 || run.rows.len() != batch || !run.rows.iter().all(fits) {
        return Err(invalid("The run's rows do not fit its sizes.".into()));
    }
    let spec = ModelSpec {
        input: InputSpec::Series { input_size: classes },
        layers: vec![LayerSpec { cell: "lstm".into(), hidden_size: hidden, ..LayerSpec::default() }],
        head: HeadSpec { output_size: classes, mode: HeadMode::EveryStep },
        options: ModelOptions::default(),
    };
    let mut model = Model::<E>::with_kernel(spec, 1, Arc::new(Pool::new(1)), kind)?;
    let file_name = |name: &str| name.trim_start_matches("recurrent.").replace('.', "_");
    let start: Vec<NamedTensor<E>> = model
        .parameters()
        .into_iter()
        .filter_map(|tensor| {
            let data = run.start.get(&file_name(&tensor.name))?.flat().into_iter().map(E::from_f64).collect();
            Some(NamedTensor { data, ..tensor })
        })
        .collect();
    model.load_parameters(&start)?;
    let [beta1, beta2] = run.adam.betas;
    let update = Update {
        optimizer: Optimizer::Adam { beta1, beta2, eps: run.adam.eps, weight_decay: 0.0 },
        learning_rate: run.adam.lr,
        clip_norm: Some(RUN_CLIP),
        seed: 0,
    };
    let mut states = model.zero_states(batch);
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for step in 0..steps {
        let first = step % windows * time;
        if first == 0 {
            states.clear();
        }
        let mut series = vec![E::ZERO; time * batch * classes];
        let mut targets = vec![0u32; time * batch];
        for t in 0..time {
            for (b, row) in run.rows.iter().enumerate() {
                series[(t * batch + b) * classes + row[first + t] as usize] = E::ONE;
                targets[t * batch + b] = row[first + t + 1];
            }
        }
        let input = Batch { time, batch, input: Input::Series(&series), lengths: None };
        let outcome = model.train_step(&input, &Target::Tokens(&targets), &mut states, step as u64, &update)?;
        losses.push(outcome.loss);
        norms.push(outcome.grad_norm);
    }
    let (for_losses, for_ends) = match E::PRECISION {
        "float64" => (tolerances(E::PRECISION).0, Tolerance { absolute: 1e-8, relative: 1e-8 }),
        _ => (Tolerance { absolute: 1e-5, relative: 0.0 }, Tolerance { absolute: 1e-4, relative: 0.0 }),
    };
    out.check("run: losses".into(), &run.loss_each_step, Some(&losses), for_losses);
    out.check("run: gradient norms".into(), &run.norm_each_step, Some(&norms), for_ends);
    for tensor in model.parameters() {
        let name = file_name(&tensor.name);
        let values: Vec<f64> = tensor.data.iter().map(|value| value.to_f64()).collect();
        let wanted = run.end.get(&name).map_or_else(Vec::new, Nested::flat);
        out.check(format!("run: end of {name}"), &wanted, Some(&values), for_ends);
    }
    Ok(())
}
