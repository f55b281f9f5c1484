//! When the next live frame is made: not more often than asked, and seldom enough to cost at most 3 % of the time.

use std::time::{Duration, Instant};

/// Largest share of the time spent on frames.
const SHARE: f64 = 0.03;
/// However dear a frame is, one comes after this time.
const LONGEST: Duration = Duration::from_secs(2);

pub struct LivePace {
    pub is_on: bool,
    shortest: Duration,
    /// Smoothed cost of a frame.
    cost: Duration,
    last: Option<Instant>,
}

impl LivePace {
    pub fn new(every_ms: u64) -> Self {
        LivePace { is_on: false, shortest: Duration::from_millis(every_ms), cost: Duration::ZERO, last: None }
    }

    pub fn set_shortest(&mut self, every_ms: u64) {
        self.shortest = Duration::from_millis(every_ms);
    }

    /// The next frame is due at once.
    pub fn hurry(&mut self) {
        self.last = None;
    }

    /// Time between the starts of two frames.
    pub fn interval(&self) -> Duration {
        self.shortest.max(self.cost.div_f64(SHARE).min(LONGEST))
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.is_on && self.last.is_none_or(|last| now.duration_since(last) >= self.interval())
    }

    pub fn made(&mut self, start: Instant, cost: Duration) {
        self.last = Some(start);
        self.cost = if self.cost.is_zero() { cost } else { self.cost.mul_f64(0.7) + cost.mul_f64(0.3) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_frames_come_seldom() {
        let mut pace = LivePace::new(100);
        let start = Instant::now();
        assert!(!pace.is_due(start));
        pace.is_on = true;
        assert!(pace.is_due(start));
        pace.made(start, Duration::from_millis(1));
        assert_eq!(pace.interval(), Duration::from_millis(100));
        for _ in 0..50 {
            pace.made(start, Duration::from_millis(30));
        }
        assert!((pace.interval().as_secs_f64() - 1.0).abs() < 0.01, "{:?}", pace.interval());
        assert!(!pace.is_due(start + Duration::from_millis(900)));
        assert!(pace.is_due(start + Duration::from_millis(1100)));
        for _ in 0..50 {
            pace.made(start, Duration::from_secs(1));
        }
        assert_eq!(pace.interval(), LONGEST);
        pace.hurry();
        assert!(pace.is_due(start));
    }
}
