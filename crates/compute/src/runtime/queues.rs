//! The workers' command queues.
//!
//! Whoever sends a command sends it to all workers, under one lock, so that all see the same order: the engine does, and
//! worker 0, which asks for the next piece of a build.

use crate::runtime::{Build, BuildId, OperatorMemory, Step};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headwater_types::{Epoch, RelationId};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

/// A message to every worker.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Build(Arc<Build>),
    /// Do a piece of a build, of about so many rows on each worker.
    Advance(BuildId, usize),
    Attach(BuildId, Epoch),
    Cancel(BuildId),
    Drop(Arc<Vec<RelationId>>),
    Step(Arc<Step>),
    /// Tell what the live views' operators keep.
    Describe(Sender<OperatorMemory>),
    Shutdown,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CommandQueues {
    senders: Mutex<Vec<Sender<Command>>>,
    /// The workers' threads, once all are there.
    threads: OnceLock<Vec<Thread>>,
}

impl CommandQueues {
    /// Queues for so many workers, and the workers' ends.
    pub(crate) fn new(workers: usize) -> (Self, Vec<Receiver<Command>>) {
        let (senders, receivers) = (0..workers).map(|_| unbounded()).unzip();
        (Self { senders: Mutex::new(senders), threads: OnceLock::new() }, receivers)
    }

    /// Tells which threads take the commands; before the first is sent.
    pub(crate) fn serve(&self, threads: Vec<Thread>) {
        self.threads.set(threads).expect("the workers are started once");
    }

    pub(crate) fn send(&self, command: &Command) {
        let threads = self.threads.get().expect("commands are sent when the workers have started");
        let senders = self.senders.lock();
        for (sender, thread) in senders.iter().zip(threads) {
            // A worker that is gone has said so through `on_fatal`.
            let _ = sender.send(command.clone());
            thread.unpark();
        }
    }
}
