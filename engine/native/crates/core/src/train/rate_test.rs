//! Learning-rate range test (Smith 2017): a short training whose rate grows exponentially from step to step. Where the loss
//! falls fastest is a good rate; where it rises again is too much. Nothing is written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{DataConfig, RunConfig};
use crate::error::EngineError;
use crate::evaluate::Source;
use crate::model::Model;
use crate::pool::Pool;
use crate::spec::NumberFormat;

use super::feed::Feed;

/// The smoothed loss is a mean over about this share of all steps.
const SMOOTHED_SHARE: f64 = 1.0 / 20.0;
/// The test ends where the smoothed loss is this many times its least.
const DIVERGED: f64 = 4.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateTestJob {
    pub config: RunConfig,
    pub data: DataConfig,
    pub threads: usize,
    /// First and last learning rate; both count.
    pub from: f64,
    pub to: f64,
    pub steps: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RatePoint {
    /// From 1.
    pub step: u64,
    pub rate: f64,
    /// Of the step's batch, before its update.
    pub loss: f64,
    /// Running mean of the losses, corrected for its start.
    pub smoothed: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RateTestResult {
    pub points: Vec<RatePoint>,
    /// Where the smoothed loss falls fastest over the logarithm of the rate; none where it never fell.
    pub suggestion: Option<f64>,
    /// Rate at the least smoothed loss.
    pub lowest: Option<f64>,
    /// Rate at which the loss had run away and the test ended.
    pub diverged: Option<f64>,
}

/// Runs the test. `keep_going` is asked before every step.
///
/// Errors: `INPUT_INVALID` with the field; `CANCELLED`; those of data and model.
pub fn rate_test(
    job: &RateTestJob,
    keep_going: &dyn Fn() -> bool,
    on_point: &mut dyn FnMut(RatePoint),
) -> Result<RateTestResult, EngineError> {
    let invalid = |field: &str, message: &str| Err(EngineError::at("INPUT_INVALID", field, message));
    if !(job.from > 0.0 && job.from.is_finite()) {
        return invalid("from", "the first learning rate must be above 0");
    }
    if !(job.to > job.from && job.to.is_finite()) {
        return invalid("to", "the last learning rate must be above the first");
    }
    if job.steps < 2 {
        return invalid("steps", "a test takes at least two steps");
    }
    let training = &job.config.training;
    let source = Source::open(&job.data)?;
    let mut model = Model::new(job.config.model_spec(&job.data)?, training.seed, Arc::new(Pool::new(job.threads)))?;
    if training.products == NumberFormat::Bfloat16 {
        model.round_products()?;
    }
    let mut feed = Feed::open(&job.data, training, &model)?;
    let keep = 1.0 - 1.0 / (job.steps as f64 * SMOOTHED_SHARE).max(1.0);
    let (mut mean, mut least) = (0.0, f64::INFINITY);
    let mut points: Vec<RatePoint> = Vec::new();
    let mut diverged = None;
    for done in 0..job.steps {
        if !keep_going() {
            return Err(EngineError::new("CANCELLED", "the learning-rate test was cancelled"));
        }
        let rate = job.from * (job.to / job.from).powf(done as f64 / (job.steps - 1) as f64);
        let (outcome, _) = feed.step(&mut model, &source, training, done, rate, None)?;
        if !outcome.loss.is_finite() || !outcome.grad_norm.is_finite() {
            diverged = Some(rate);
            break;
        }
        mean = keep * mean + (1.0 - keep) * outcome.loss;
        let smoothed = mean / (1.0 - keep.powf((done + 1) as f64));
        let point = RatePoint { step: done + 1, rate, loss: outcome.loss, smoothed };
        points.push(point);
        on_point(point);
        least = least.min(smoothed);
        if smoothed > DIVERGED * least {
            diverged = Some(rate);
            break;
        }
    }
    let (suggestion, lowest) = read_off(&points);
    Ok(RateTestResult { points, suggestion, lowest, diverged })
}

/// The same, with a fault of the engine told as an error.
pub fn guarded_rate_test(
    job: &RateTestJob,
    keep_going: &dyn Fn() -> bool,
    on_point: &mut dyn FnMut(RatePoint),
) -> Result<RateTestResult, EngineError> {
    catch_unwind(AssertUnwindSafe(|| rate_test(job, keep_going, on_point))).unwrap_or_else(|panic| {
        let message = format!("the test ended by a fault in the engine: {}", super::panic_message(&*panic));
        Err(EngineError::new("INTERNAL", message))
    })
}

/// Rates of the steepest fall and of the least smoothed loss. A slope is taken over the width of the smoothing, and the
/// steps before that width, where the mean still finds its level, do not count.
fn read_off(points: &[RatePoint]) -> (Option<f64>, Option<f64>) {
    let half = ((points.len() as f64 * SMOOTHED_SHARE / 2.0).round() as usize).max(1);
    let least = points.iter().enumerate().min_by(|a, b| a.1.smoothed.total_cmp(&b.1.smoothed)).map(|(at, _)| at);
    let Some(least) = least else { return (None, None) };
    let slope = |at: usize| {
        let (before, after) = (points[at - half], points[at + half]);
        (after.smoothed - before.smoothed) / (after.rate / before.rate).ln()
    };
    let end = (least + 1).min(points.len().saturating_sub(half));
    let steepest = (2 * half..end).map(|at| (at, slope(at))).min_by(|a, b| a.1.total_cmp(&b.1));
    let suggestion = steepest.filter(|&(_, slope)| slope < 0.0).map(|(at, _)| points[at].rate);
    (suggestion, Some(points[least].rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls around one rate and rises beyond a larger one.
    fn curve(steps: u64, falls_at: f64) -> Vec<RatePoint> {
        (0..steps)
            .map(|k| {
                let rate = 1e-6 * 1e7f64.powf(k as f64 / (steps - 1) as f64);
                let along = (rate / falls_at).ln();
                let loss = 4.0 - 2.0 / (1.0 + (-2.0 * along).exp()) + (along - 4.0).max(0.0);
                RatePoint { step: k + 1, rate, loss, smoothed: loss }
            })
            .collect()
    }

    #[test]
    fn the_suggestion_is_where_the_loss_falls_fastest() {
        for falls_at in [1e-4, 3e-3, 0.02] {
            let (suggestion, lowest) = read_off(&curve(100, falls_at));
            let suggestion = suggestion.unwrap();
            assert!((suggestion / falls_at).ln().abs() < 0.3, "{suggestion} for {falls_at}");
            assert!(lowest.unwrap() > 3.0 * suggestion);
        }
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let rising: Vec<RatePoint> = curve(50, 1e-4).into_iter().map(|p| RatePoint { smoothed: p.rate, ..p }).collect();
        assert_eq!(read_off(&rising).0, None);
        assert_eq!(read_off(&[]), (None, None));
        assert_eq!(read_off(&curve(2, 1e-3)).0, None);
    }
}
