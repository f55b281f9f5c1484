//! The learning rate of every step.

use crate::config::{ScheduleConfig, TrainingConfig};

/// Learning rate of the update that follows `done` finished steps.
///
/// `total` is the number of steps the run can take at most; a cosine without an end stays at the full rate
/// once it is warm, and so does one cycle. Warm-up grows linearly and reaches the full rate at its last step.
/// `reductions`: how often a plateau has lowered the rate.
pub fn learning_rate(training: &TrainingConfig, done: u64, total: Option<u64>, reductions: u32) -> f64 {
    let rate = training.base_rate();
    match training.schedule {
        ScheduleConfig::Constant {} => rate,
        ScheduleConfig::Step { every_steps, factor } => rate * factor.powf((done / every_steps.max(1)) as f64),
        ScheduleConfig::Cosine { warmup_steps, minimum } => {
            if done < warmup_steps {
                return rate * (done + 1) as f64 / warmup_steps as f64;
            }
            let Some(total) = total else { return rate };
            let last = total.saturating_sub(1).saturating_sub(warmup_steps);
            let share = if last == 0 { 1.0 } else { ((done - warmup_steps) as f64 / last as f64).min(1.0) };
            rate * between(1.0, minimum, share)
        }
        // Smith & Topin 2018 in the form of `torch.optim.lr_scheduler.OneCycleLR`: two half cosines.
        ScheduleConfig::OneCycle { rise, start, end } => {
            let Some(total) = total else { return rate };
            let last = total.saturating_sub(1) as f64;
            let top = (rise * total as f64 - 1.0).max(0.0);
            let now = done as f64;
            if now <= top {
                rate * between(start, 1.0, if top == 0.0 { 1.0 } else { now / top })
            } else {
                rate * between(1.0, end, if last <= top { 1.0 } else { ((now - top) / (last - top)).min(1.0) })
            }
        }
        ScheduleConfig::Plateau { factor, minimum, .. } => rate * factor.powi(reductions as i32).max(minimum),
    }
}

/// Half a cosine from `from` to `to`.
fn between(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClipConfig, OptimizerConfig, Precision};
    use crate::loss::ValueLoss;

    fn training(schedule: ScheduleConfig) -> TrainingConfig {
        TrainingConfig {
            loss: ValueLoss::default(),
            optimizer: OptimizerConfig::Sgd { learning_rate: 0.5, momentum: 0.0, nesterov: false, weight_decay: 0.0 },
            schedule,
            clip: ClipConfig { norm: None, value: None },
            decay: Default::default(),
            average: Default::default(),
            label_smoothing: 0.0,
            batch_size: 1,
            sequence_length: 1,
            backward_length: None,
            accumulate: 1,
            max_steps: None,
            max_epochs: None,
            seed: 1,
            threads: None,
            precision: Precision::Float32,
            products: Default::default(),
        }
    }

    #[test]
    fn constant_stays() {
        assert_eq!(learning_rate(&training(ScheduleConfig::Constant {}), 1_000_000, None, 0), 0.5);
    }

    #[test]
    fn step_halves_at_its_border() {
        let t = training(ScheduleConfig::Step { every_steps: 10, factor: 0.5 });
        assert_eq!(learning_rate(&t, 9, None, 0), 0.5);
        assert_eq!(learning_rate(&t, 10, None, 0), 0.25);
        assert_eq!(learning_rate(&t, 29, None, 0), 0.125);
    }

    #[test]
    fn cosine_warms_up_and_ends_at_its_minimum() {
        let t = training(ScheduleConfig::Cosine { warmup_steps: 4, minimum: 0.1 });
        assert_eq!(learning_rate(&t, 0, Some(100), 0), 0.125);
        assert_eq!(learning_rate(&t, 3, Some(100), 0), 0.5);
        assert_eq!(learning_rate(&t, 4, Some(100), 0), 0.5);
        assert!((learning_rate(&t, 99, Some(100), 0) - 0.05).abs() < 1e-12);
        let middle = learning_rate(&t, 4 + 95 / 2, Some(100), 0);
        assert!((middle - 0.275).abs() < 0.01, "{middle}");
    }

    #[test]
    fn one_cycle_follows_torch() {
        // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.5, total_steps=50, pct_start=0.3, div_factor=25,
        // final_div_factor=400), rates before these steps.
        let t = training(ScheduleConfig::OneCycle { rise: 0.3, start: 0.04, end: 1e-4 });
        let wanted = [
            (0, 0.02),
            (5, 0.15586790261178607),
            (14, 0.5),
            (15, 0.4989936741414599),
            (30, 0.2835799606227684),
            (49, 5e-5),
        ];
        for (step, rate) in wanted {
            let got = learning_rate(&t, step, Some(50), 0);
            assert!((got - rate).abs() < 1e-12, "step {step}: {got}, not {rate}");
        }
        for total in 1..4 {
            assert!((0..total).all(|step| learning_rate(&t, step, Some(total), 0).is_finite()));
        }
    }

    #[test]
    fn a_plateau_lowers_to_its_minimum() {
        let t = training(ScheduleConfig::Plateau { patience: 2, factor: 0.5, minimum: 0.2 });
        assert_eq!(learning_rate(&t, 7, None, 0), 0.5);
        assert_eq!(learning_rate(&t, 7, None, 2), 0.125);
        assert_eq!(learning_rate(&t, 7, None, 9), 0.1);
    }

    #[test]
    fn cosine_without_an_end_stays_at_the_full_rate() {
        let t = training(ScheduleConfig::Cosine { warmup_steps: 2, minimum: 0.0 });
        assert_eq!(learning_rate(&t, 5000, None, 0), 0.5);
    }
}
