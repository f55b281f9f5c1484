//! Time since a run's first step, pauses left out, carried over resumes.

use std::time::Instant;

pub struct Stopwatch {
    /// Milliseconds before the present stretch.
    before: f64,
    since: Option<Instant>,
}

impl Stopwatch {
    pub fn started(before_ms: f64) -> Self {
        Stopwatch { before: before_ms, since: Some(Instant::now()) }
    }

    pub fn elapsed_ms(&self) -> f64 {
        self.before + self.since.map_or(0.0, |since| since.elapsed().as_secs_f64() * 1e3)
    }

    pub fn pause(&mut self) {
        self.before = self.elapsed_ms();
        self.since = None;
    }

    pub fn resume(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}
