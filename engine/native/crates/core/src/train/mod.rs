//! One training: a thread of its own that takes commands from a mailbox and tells a listener what happens.

mod averaging;
mod changes;
mod events;
mod feed;
mod insight;
mod live;
mod log;
mod mailbox;
mod rate_test;
mod recorder;
mod schedule;
mod stopwatch;
mod trainer;

#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::config::TrainJob;
use crate::error::EngineError;

use events::FrameSlot;
use mailbox::Mailbox;

pub use averaging::AverageState;
pub use changes::{Change, Setting};
pub use events::{EndStatus, Event, Failure, Listener};
pub use insight::{GateSaturation, LagNorms};
pub use mailbox::Command;
pub use rate_test::{RatePoint, RateTestJob, RateTestResult, guarded_rate_test, rate_test};

/// A running training. Commands to one that has ended do nothing; dropping the handle does not end it.
pub struct Training {
    mailbox: Arc<Mailbox>,
    frames: Arc<FrameSlot>,
}

impl Training {
    /// Starts the thread at once; all errors come as `Event::Failed`. After the last event `ended` is called.
    ///
    /// Errors: `ENGINE_FAILED` where the system gives no thread.
    pub fn start(job: TrainJob, listener: impl Listener) -> Result<Self, EngineError> {
        let mailbox = Arc::new(Mailbox::default());
        let frames = Arc::new(FrameSlot::default());
        let (commands, slot) = (mailbox.clone(), frames.clone());
        std::thread::Builder::new()
            .name("sluice-training".into())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| trainer::run(&job, &listener, &commands, &slot)));
                if let Err(panic) = outcome {
                    let error = EngineError::new(
                        "INTERNAL",
                        format!("the training ended by a fault in the engine: {}", panic_message(&*panic)),
                    );
                    listener.event(Event::Failed { step: 0, error: error.into() });
                }
                listener.ended();
            })
            .map_err(|error| {
                EngineError::new("ENGINE_FAILED", format!("the system gives no thread to train on: {error}"))
            })?;
        Ok(Training { mailbox, frames })
    }

    pub fn post(&self, command: Command) {
        self.mailbox.post(command);
    }

    /// The newest frame that was not taken yet.
    pub fn take_frame(&self) -> Option<Vec<u8>> {
        self.frames.take()
    }
}

/// What a panic said.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap_or_else(|| "no message".into())
}
