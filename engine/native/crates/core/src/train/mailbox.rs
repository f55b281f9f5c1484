//! Commands to a training thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::config::Probe;

use super::changes::Setting;

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Pause,
    Resume,
    Stop,
    Interrupt,
    /// Settings that take effect before the next step.
    Change(Vec<Setting>),
    SetProbe(Probe),
    SetLive(bool),
}

#[derive(Default)]
pub struct Mailbox {
    queue: Mutex<VecDeque<Command>>,
    bell: Condvar,
}

impl Mailbox {
    pub fn post(&self, command: Command) {
        self.lock().push_back(command);
        self.bell.notify_one();
    }

    pub fn take(&self) -> Option<Command> {
        self.lock().pop_front()
    }

    /// Waits for the next command.
    pub fn wait(&self) -> Command {
        let mut queue = self.lock();
        loop {
            if let Some(command) = queue.pop_front() {
                return command;
            }
            queue = self.bell.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Whether the work at hand should be dropped: the application quits.
    pub fn is_interrupted(&self) -> bool {
        self.lock().contains(&Command::Interrupt)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
