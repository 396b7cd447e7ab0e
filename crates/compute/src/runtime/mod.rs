//! Views that are kept up to date, on Timely Dataflow.
//!
//! ```text
//! engine ── install, step, drop_views ──▶ each worker's command queue, in one order
//!                                             worker: its share of every view
//!           on_mark ◀── all workers' reports of a command, in that order ──┘
//! ```
//!
//! # Invariants
//!
//! 1. Every worker gets every command, in the order of the calls. Timely's channels are numbered by that order.
//! 2. Every `install` and every `step` gives exactly one [`MarkReport`], in the order of the calls.
//! 3. A report's snapshots are the views as of its epoch, all of them, and never change.
//! 4. A view that does not depend on what a step changes costs nothing in that step.
//! 5. A worker that panics or finds a broken invariant calls `on_fatal`, and nothing is reported ever after.
//!
//! A view installed reads tables from the snapshots that come with it and other views from the workers' own stores, so
//! that views must be installed after those that they read.

mod assemble;
mod backfill;
mod dataflow;
mod exchange;
mod hosted;
#[cfg(test)]
mod tests;
mod worker;

use crate::runtime::assemble::Assembler;
use crate::runtime::worker::Worker;
use crossbeam_channel::Sender;
use headwater_arrange::RelationSnapshot;
use headwater_dataflow::SourceDelta;
use headwater_plan::lir::Plan;
use headwater_types::{DataType, Epoch, RelationId, SessionSettings, SqlError};
use parking_lot::Mutex;
use std::sync::Arc;

/// How views are hosted.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeConfig {
    /// Worker threads, at least 1.
    pub workers: usize,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self { workers: 1 }
    }
}

/// A view to host.
#[derive(Debug, Clone)]
pub struct ViewInstall {
    /// The view.
    pub id: RelationId,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// The settings of its creation.
    pub settings: Arc<SessionSettings>,
    /// Its columns' types.
    pub types: Vec<DataType>,
    /// Columns that determine a row, if known: what readers can look rows up by.
    pub key: Option<Vec<usize>>,
    /// The tables that it reads, as of `epoch`. Views that it reads are not given.
    pub inputs: Vec<(RelationId, RelationSnapshot)>,
    /// The epoch at which it begins.
    pub epoch: Epoch,
    /// That epoch's timestamp, microseconds since 1970 UTC.
    pub now_micros: i64,
}

/// What changed in the tables up to a mark.
#[derive(Debug, Clone)]
pub struct Step {
    /// The mark.
    pub epoch: Epoch,
    /// Its timestamp, microseconds since 1970 UTC.
    pub now_micros: i64,
    /// The tables that changed, each once.
    pub deltas: Vec<(RelationId, SourceDelta)>,
}

/// One worker's share of a view at a mark.
#[derive(Debug, Clone)]
pub struct ViewSnapshot {
    /// The rows.
    pub rows: RelationSnapshot,
    /// What reading the view raises, if anything: the least of its errors.
    pub error: Option<SqlError>,
}

/// What a step or an install did.
#[derive(Debug, Clone)]
pub struct MarkReport {
    /// The mark.
    pub epoch: Epoch,
    /// The views that may have changed, with their whole contents: one snapshot per worker.
    pub changed: Vec<(RelationId, Vec<ViewSnapshot>)>,
    /// Rows that went in and out of operators, summed over views and workers: what the step cost.
    pub rows_touched: u64,
}

/// Called with every mark.
pub type OnMark = Box<dyn Fn(MarkReport) + Send + Sync>;
/// Called once, when views can no longer be trusted; the process should say so and end.
pub type OnFatal = Box<dyn Fn(String) + Send + Sync>;

/// Why views cannot be hosted.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No workers were asked for, or absurdly many.
    #[error("the number of workers must be between 1 and {WORKERS_MAX}, not {workers}")]
    Workers {
        /// How many.
        workers: usize,
    },
    /// Threads could not be started.
    #[error("could not start the worker threads: {reason}")]
    Start {
        /// What the system said.
        reason: String,
    },
}

/// More workers than this are a typing error.
pub const WORKERS_MAX: usize = 256;

/// A message to every worker.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Install(Arc<ViewInstall>),
    Drop(Arc<Vec<RelationId>>),
    Step(Arc<Step>),
    Shutdown,
}

/// The worker threads.
pub struct Runtime {
    /// Locked while a command is sent, so that all workers see the same order.
    queues: Mutex<Vec<Sender<Command>>>,
    threads: Vec<std::thread::Thread>,
    guards: Option<timely::communication::WorkerGuards<()>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("workers", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Starts the workers. `on_mark` and `on_fatal` are called on their threads and must not wait for them.
    ///
    /// # Errors
    ///
    /// Any [`RuntimeError`].
    pub fn start(config: RuntimeConfig, on_mark: OnMark, on_fatal: OnFatal) -> Result<Self, RuntimeError> {
        let communication = match config.workers {
            1 => timely::CommunicationConfig::Thread,
            workers => timely::CommunicationConfig::Process(workers),
        };
        Self::start_with(config, communication, on_mark, on_fatal)
    }

    fn start_with(
        config: RuntimeConfig,
        communication: timely::CommunicationConfig,
        on_mark: OnMark,
        on_fatal: OnFatal,
    ) -> Result<Self, RuntimeError> {
        let workers = config.workers;
        if !(1..=WORKERS_MAX).contains(&workers) {
            return Err(RuntimeError::Workers { workers });
        }
        let (queues, receivers): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| crossbeam_channel::unbounded::<Command>()).unzip();
        let assembler = Arc::new(Assembler::new(workers, on_mark, on_fatal));
        let timely_config = timely::Config { communication, worker: timely::WorkerConfig::default() };
        let guards = timely::execute(timely_config, move |timely| {
            let commands = receivers[timely.index()].clone();
            Worker::new(timely.index(), timely.peers(), Arc::clone(&assembler)).run(timely, &commands);
        })
        .map_err(|reason| RuntimeError::Start { reason })?;
        let threads = guards.guards().iter().map(|guard| guard.thread().clone()).collect();
        Ok(Self { queues: Mutex::new(queues), threads, guards: Some(guards) })
    }

    /// Hosts a view from now on. Its first contents come with the [`MarkReport`] of its epoch.
    pub fn install(&self, view: ViewInstall) {
        self.send(&Command::Install(Arc::new(view)));
    }

    /// Forgets views. Those that read them must go with them or before. Not reported.
    pub fn drop_views(&self, views: Vec<RelationId>) {
        self.send(&Command::Drop(Arc::new(views)));
    }

    /// Brings the views up to a mark.
    pub fn step(&self, step: Step) {
        self.send(&Command::Step(Arc::new(step)));
    }

    /// Stops the workers when they have done what was asked, and waits for it.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn send(&self, command: &Command) {
        let queues = self.queues.lock();
        for (queue, thread) in queues.iter().zip(&self.threads) {
            // A worker that is gone has said so through `on_fatal`.
            let _ = queue.send(command.clone());
            thread.unpark();
        }
    }

    fn stop(&mut self) {
        if let Some(guards) = self.guards.take() {
            self.send(&Command::Shutdown);
            drop(guards.join());
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop();
    }
}
