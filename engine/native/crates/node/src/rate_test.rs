//! A learning-rate range test on a thread of its own: points come out by a thread-safe function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::Status;
use napi::bindgen_prelude::Result;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use sluice_core::EngineError;
use sluice_core::train::{Failure, RateTestJob, guarded_rate_test};

use crate::errors::{guarded, json_error};

type EventFunction = ThreadsafeFunction<String, (), String, Status, false, false, 0>;

#[napi]
pub struct EngineRateTest {
    is_cancelled: Arc<AtomicBool>,
}

#[napi]
impl EngineRateTest {
    /// Ends it before its next step.
    #[napi]
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }
}

/// Starts a test; its last event is `done` or `failed`.
#[napi(ts_args_type = "jobJson: string, onEvent: (event: string) => void")]
pub fn rate_test(job_json: String, on_event: EventFunction) -> Result<EngineRateTest> {
    guarded(|| {
        let job: RateTestJob = serde_json::from_str(&job_json).map_err(|error| json_error("job", &error))?;
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let stop = is_cancelled.clone();
        let say = move |event: serde_json::Value| {
            // A closing environment takes no more calls.
            let _ = on_event.call(event.to_string(), ThreadsafeFunctionCallMode::NonBlocking);
        };
        std::thread::Builder::new()
            .name("sluice-rate-test".into())
            .spawn(move || {
                let keep_going = || !stop.load(Ordering::Relaxed);
                let mut on_point = |point| say(serde_json::json!({ "event": "point", "point": point }));
                match guarded_rate_test(&job, &keep_going, &mut on_point) {
                    Ok(result) => say(serde_json::json!({ "event": "done", "result": result })),
                    Err(error) => say(serde_json::json!({ "event": "failed", "error": Failure::from(error) })),
                }
            })
            .map_err(|error| {
                EngineError::new("ENGINE_FAILED", format!("the system gives no thread to test on: {error}"))
            })?;
        Ok(EngineRateTest { is_cancelled })
    })
}
