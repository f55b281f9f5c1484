//! Losses of a value: what a difference between output and target costs.

use serde::{Deserialize, Serialize};

/// Where values are learned (forecast, regress). The training's loss is its mean over all known values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ValueLoss {
    /// d²
    Mse {},
    /// |d|; its derivative is 0 where d is.
    Mae {},
    /// d² / 2 up to |d| = delta, from there on delta (|d| − delta / 2) (Huber 1964; `torch.nn.HuberLoss`).
    Huber { delta: f64 },
}

impl Default for ValueLoss {
    fn default() -> Self {
        ValueLoss::Mse {}
    }
}

impl ValueLoss {
    /// Of the difference d = output − target.
    pub fn of(self, d: f64) -> f64 {
        match self {
            ValueLoss::Mse {} => d * d,
            ValueLoss::Mae {} => d.abs(),
            ValueLoss::Huber { delta } if d.abs() <= delta => 0.5 * d * d,
            ValueLoss::Huber { delta } => delta * (d.abs() - 0.5 * delta),
        }
    }

    /// Its derivative by d.
    pub fn slope(self, d: f64) -> f64 {
        match self {
            ValueLoss::Mse {} => 2.0 * d,
            ValueLoss::Mae {} if d == 0.0 => 0.0,
            // A difference that is not a number stays one.
            ValueLoss::Mae {} => d / d.abs(),
            ValueLoss::Huber { delta } => d.clamp(-delta, delta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ValueLoss; 4] =
        [ValueLoss::Mse {}, ValueLoss::Mae {}, ValueLoss::Huber { delta: 1.0 }, ValueLoss::Huber { delta: 0.3 }];

    #[test]
    fn slopes_are_the_derivatives() {
        for loss in ALL {
            for d in [-3.7, -1.01, -0.99, -0.4, -1e-3, 2e-3, 0.29, 0.31, 0.98, 1.02, 5.5] {
                let change = 1e-6;
                let difference = (loss.of(d + change) - loss.of(d - change)) / (2.0 * change);
                assert!((loss.slope(d) - difference).abs() < 1e-8, "{loss:?} at {d}: {} {difference}", loss.slope(d));
            }
            assert_eq!((loss.of(0.0), loss.slope(0.0)), (0.0, 0.0), "{loss:?}");
        }
    }

    /// A broken training must not look like a good one.
    #[test]
    fn what_is_no_number_stays_none() {
        for loss in ALL {
            assert!(loss.of(f64::NAN).is_nan() && loss.slope(f64::NAN).is_nan(), "{loss:?}");
            assert!(!loss.of(f64::INFINITY).is_finite(), "{loss:?}");
        }
    }
}
