//! Bounded work on the task pool of Node.

use napi::bindgen_prelude::{AsyncTask, Env, Error, Result, Task, ToNapiValue, TypeName};
use sluice_core::EngineError;

use crate::errors::guarded;

type Job<T> = Box<dyn FnOnce() -> std::result::Result<T, EngineError> + Send>;

/// A closure that runs off the JavaScript thread; its value becomes the promise's.
pub struct Work<T>(Option<Job<T>>);

impl<T: Send + ToNapiValue + TypeName + 'static> Work<T> {
    pub fn start(job: impl FnOnce() -> std::result::Result<T, EngineError> + Send + 'static) -> AsyncTask<Self> {
        AsyncTask::new(Work(Some(Box::new(job))))
    }
}

impl<T: Send + ToNapiValue + TypeName + 'static> Task for Work<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> Result<T> {
        match self.0.take() {
            Some(job) => guarded(job),
            None => Err(Error::from_reason("a task runs once")),
        }
    }

    fn resolve(&mut self, _env: Env, output: T) -> Result<T> {
        Ok(output)
    }
}
