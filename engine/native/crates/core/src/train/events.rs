//! What a training says while it runs (`NativeEvent` in `engine/binding/types.ts`).

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;
use serde_json::Value;

use crate::config::{SplitName, Splits};
use crate::error::EngineError;
use crate::metrics::{Metrics, MetricsRecord, StepRecord};

use super::changes::Change;

/// An error as it crosses the border (`ErrorShape` of the contracts).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    pub code: String,
    pub message: String,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, Value>,
}

/// The engine's finer codes under the names of the contracts.
fn border_code(code: &str) -> &str {
    match code {
        "CELL_UNKNOWN" => "MODEL_INVALID",
        "PARAMETER_MISSING" => "PARAMETER_SHAPE",
        "BATCH_INVALID" | "BENCH_INVALID" | "FIXTURE_INVALID" | "STATES_INVALID" => "INPUT_INVALID",
        other => other,
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure {
            code: border_code(&error.code).to_string(),
            message: error.message,
            location: error.location,
            details: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EndStatus {
    Finished,
    Stopped,
}

// `Finished` is the large one; it is made once.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    Started {
        step: u64,
        parameters: usize,
        threads: usize,
        kernel: String,
        total_steps: Option<u64>,
    },
    Step {
        #[serde(flatten)]
        record: StepRecord,
        total_steps: Option<u64>,
    },
    Evaluated {
        step: u64,
        split: SplitName,
        metrics: Metrics,
        best: bool,
    },
    Sample {
        step: u64,
        tokens: Vec<u32>,
    },
    Checkpoint {
        step: u64,
        best: bool,
    },
    Trace {
        step: u64,
    },
    /// A line of the log beside steps, evaluations and samples.
    Insight {
        record: MetricsRecord,
    },
    Changed {
        #[serde(flatten)]
        change: Change,
        total_steps: Option<u64>,
    },
    /// Settings that cannot be changed so; nothing was changed.
    Refused {
        step: u64,
        error: Failure,
    },
    Paused {
        step: u64,
    },
    Resumed {
        step: u64,
    },
    Failed {
        step: u64,
        error: Failure,
    },
    Finished {
        status: EndStatus,
        steps: u64,
        best_step: Option<u64>,
        stopped_early: bool,
        metrics: Splits<Option<Metrics>>,
        tokens_per_second: f64,
    },
}

/// Who is told. Called on the training's thread; must not block.
pub trait Listener: Send + 'static {
    fn event(&self, event: Event);
    /// A new frame lies in the slot.
    fn frame(&self);
    /// The thread is about to end, whatever the reason; nothing follows.
    fn ended(&self);
}

/// One live frame: the newest overwrites one that was not taken.
#[derive(Default)]
pub struct FrameSlot(Mutex<Option<Vec<u8>>>);

impl FrameSlot {
    pub fn put(&self, frame: Vec<u8>) {
        *self.lock() = Some(frame);
    }

    pub fn take(&self) -> Option<Vec<u8>> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
