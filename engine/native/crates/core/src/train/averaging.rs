//! When the weights are averaged and how much the newest count.

use serde::{Deserialize, Serialize};

use crate::config::AverageConfig;

/// What a checkpoint carries on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AverageState {
    /// Step after which the averaging began (`asgd`).
    pub began: Option<u64>,
    /// Updates whose weights are in the average.
    pub count: u64,
    /// Validation losses before it began (`asgd` without a start of its own).
    pub losses: Vec<f64>,
}

pub struct Averaging {
    config: AverageConfig,
    pub state: AverageState,
}

impl Averaging {
    pub fn new(config: &AverageConfig, state: Option<AverageState>) -> Self {
        Averaging { config: config.clone(), state: state.unwrap_or_default() }
    }

    pub fn is_on(&self) -> bool {
        self.config != AverageConfig::None {}
    }

    /// Whether there is an average to use.
    pub fn holds(&self) -> bool {
        self.state.count > 0
    }

    /// Share of the weights of the update that follows `done` finished ones; none while nothing is averaged.
    ///
    /// The first weights are taken whole, as `torch.optim.swa_utils.AveragedModel` does; `asgd` is the plain mean of all since.
    pub fn share(&mut self, done: u64) -> Option<f64> {
        match self.config {
            AverageConfig::None {} => None,
            AverageConfig::Ema { decay } => Some(if self.state.count == 0 { 1.0 } else { 1.0 - decay }),
            AverageConfig::Asgd { start_step, .. } => {
                if self.state.began.is_none() && start_step.is_some_and(|start| done >= start) {
                    self.state.began = Some(done);
                }
                self.state.began.map(|_| 1.0 / (self.state.count + 1) as f64)
            }
        }
    }

    /// The update is done.
    pub fn updated(&mut self, share: Option<f64>) {
        self.state.count += u64::from(share.is_some());
    }

    /// The non-monotone trigger of Merity, Keskar & Socher 2018 (algorithm 1): averaging begins at the first validation that is
    /// worse than the best of those more than `interval` validations ago.
    pub fn validated(&mut self, step: u64, loss: f64) {
        let AverageConfig::Asgd { start_step: None, interval } = self.config else { return };
        if self.state.began.is_some() {
            return;
        }
        let known = self.state.losses.len();
        if known > interval && self.state.losses[..known - interval].iter().any(|&earlier| loss > earlier) {
            self.state.began = Some(step);
            self.state.losses = Vec::new();
            return;
        }
        self.state.losses.push(loss);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asgd(start_step: Option<u64>, interval: usize) -> Averaging {
        Averaging::new(&AverageConfig::Asgd { start_step, interval }, None)
    }

    #[test]
    fn averaging_begins_at_the_non_monotone_trigger() {
        let mut averaging = asgd(None, 2);
        for (step, loss) in [(10, 5.0), (20, 4.0), (30, 4.5), (40, 4.6)] {
            averaging.validated(step, loss);
            // 4.5 and 4.6 are worse than 4.0, but that is not more than two validations ago; they beat 5.0.
            assert_eq!(averaging.share(step), None, "step {step}");
        }
        averaging.validated(50, 4.1);
        assert_eq!(averaging.state.began, Some(50));
        assert_eq!(averaging.share(50), Some(1.0));
        averaging.updated(Some(1.0));
        assert_eq!(averaging.share(51), Some(0.5));
    }

    #[test]
    fn averaging_begins_at_its_step() {
        let mut averaging = asgd(Some(3), 1);
        assert_eq!((averaging.share(2), averaging.share(3)), (None, Some(1.0)));
        assert!(!averaging.holds());
        let mut ema = Averaging::new(&AverageConfig::Ema { decay: 0.75 }, None);
        assert_eq!(ema.share(0), Some(1.0));
        ema.updated(Some(1.0));
        assert_eq!(ema.share(1), Some(0.25));
    }
}
