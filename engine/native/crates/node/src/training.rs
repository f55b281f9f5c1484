//! A training's handle: commands go in by a mailbox, events come out by thread-safe functions.

use napi::Status;
use napi::bindgen_prelude::{Buffer, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use sluice_core::config::{Probe, TrainJob};
use sluice_core::train::{Command, Event, Listener, Setting, Training};

use crate::errors::{guarded, json_error};

/// Events wait without bound: each must arrive, and the trainer throttles the frequent ones.
type EventFunction = ThreadsafeFunction<String, (), String, Status, false, false, 0>;
/// A doorbell: one ring waits at most, since the frame itself lies in a slot where the newest wins.
type FrameFunction = ThreadsafeFunction<(), (), (), Status, false, false, 1>;

struct JavaScript {
    events: EventFunction,
    frames: FrameFunction,
}

impl Listener for JavaScript {
    fn event(&self, event: Event) {
        let json = serde_json::to_string(&event).unwrap_or_else(|error| {
            serde_json::json!({ "event": "failed", "step": 0, "error": { "code": "INTERNAL", "message": error.to_string() } }).to_string()
        });
        // A closing environment takes no more calls; the training then has nobody to tell.
        let _ = self.events.call(json, ThreadsafeFunctionCallMode::NonBlocking);
    }

    fn frame(&self) {
        let _ = self.frames.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }

    fn ended(&self) {
        let _ = self.events.call(r#"{"event":"ended"}"#.to_string(), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

#[napi]
pub struct EngineTraining {
    training: Training,
}

#[napi]
impl EngineTraining {
    #[napi]
    pub fn pause(&self) {
        self.training.post(Command::Pause);
    }

    #[napi]
    pub fn resume(&self) {
        self.training.post(Command::Resume);
    }

    #[napi]
    pub fn stop(&self) {
        self.training.post(Command::Stop);
    }

    #[napi]
    pub fn interrupt(&self) {
        self.training.post(Command::Interrupt);
    }

    #[napi]
    pub fn set_probe(&self, probe_json: String) -> Result<()> {
        guarded(|| {
            let probe: Probe = serde_json::from_str(&probe_json).map_err(|error| json_error("probe", &error))?;
            self.training.post(Command::SetProbe(probe));
            Ok(())
        })
    }

    /// Settings `[{ field, to }]` that take effect before the next step.
    #[napi]
    pub fn change(&self, settings_json: String) -> Result<()> {
        guarded(|| {
            let settings: Vec<Setting> =
                serde_json::from_str(&settings_json).map_err(|error| json_error("settings", &error))?;
            self.training.post(Command::Change(settings));
            Ok(())
        })
    }

    #[napi]
    pub fn set_live(&self, live: bool) {
        self.training.post(Command::SetLive(live));
    }

    /// The newest frame, a copy that JavaScript owns.
    #[napi]
    pub fn take_frame(&self) -> Option<Buffer> {
        self.training.take_frame().map(Buffer::from)
    }
}

/// Starts a training; its last event is `ended`.
#[napi(ts_args_type = "jobJson: string, onEvent: (event: string) => void, onFrame: () => void")]
pub fn train(job_json: String, on_event: EventFunction, on_frame: FrameFunction) -> Result<EngineTraining> {
    guarded(|| {
        let job: TrainJob = serde_json::from_str(&job_json).map_err(|error| json_error("job", &error))?;
        let training = Training::start(job, JavaScript { events: on_event, frames: on_frame })?;
        Ok(EngineTraining { training })
    })
}
