//! Views that are kept up to date, on Timely Dataflow.
//!
//! ```text
//! engine ── build, attach, step, drop_views ──▶ each worker's command queue, in one order
//!                                                  worker: its share of every view
//!           on_mark, on_build ◀── the workers' reports, in that order ──┘
//! ```
//!
//! A new view is *built* beside the live ones: its inputs' contents as of the build's beginning are fed to it in pieces,
//! and what changes meanwhile is held and fed behind them. Then it is *attached*: from there on steps reach it.
//!
//! ```text
//! Build ─ Advance ─ Step ─ Advance ─ Step ─ Advance …  ─▶ on_build ─▶ Attach ─ Step
//!          piece    live    piece    live    held change               now live
//! ```
//!
//! # Invariants
//!
//! 1. Every worker gets every command, in the order of the calls. Timely's channels are numbered by that order.
//! 2. Every `attach` and every `step` gives exactly one [`MarkReport`], in the order of the calls.
//! 3. A report's snapshots are the views as of its epoch, all of them, and never change.
//! 4. A view that does not depend on what a step changes costs nothing in that step.
//! 5. A worker that panics or finds a broken invariant calls `on_fatal`, and nothing is reported ever after.
//! 6. While something is built, one `Advance` is among the commands: a step waits for one piece of it at most, and a
//!    build for the steps that came before its turn.
//! 7. A build that fails or is cancelled leaves nothing.
//!
//! A build reads tables from the snapshots that come with it and other views from the workers' own stores.

mod assemble;
mod backfill;
mod building;
mod dataflow;
mod exchange;
mod hosted;
mod network;
mod queues;
#[cfg(test)]
mod tests;
mod worker;

use crate::runtime::assemble::Assembler;
use crate::runtime::queues::{Command, CommandQueues};
use crate::runtime::worker::Worker;
use crossbeam_channel::Sender;
use headwater_arrange::RelationSnapshot;
use headwater_dataflow::SourceDelta;
use headwater_plan::lir::{NodeId, Plan};
use headwater_types::{DataType, Epoch, RelationId, SessionSettings, SqlError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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
    /// The view. If it is hosted already, its dataflow is replaced when the build is attached, and its rows stay.
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
    /// The epoch that `inputs` are of.
    pub epoch: Epoch,
    /// The timestamp of the epoch that `inputs` are of, microseconds since 1970 UTC.
    pub now_micros: i64,
}

/// Names a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(pub u64);

/// Views to make, to be attached together when they have caught up.
#[derive(Debug, Clone)]
pub struct Build {
    /// Its name.
    pub id: BuildId,
    /// The views; each comes after those of the build that it reads. All `inputs` are of one moment: after the steps
    /// that were sent before the build, and before those that are sent after it.
    pub views: Vec<ViewInstall>,
    /// How far it is.
    pub progress: Arc<BuildProgress>,
}

/// How far a build is: the workers write it, anybody may look.
#[derive(Debug, Default)]
pub struct BuildProgress {
    rows_total: AtomicU64,
    rows_done: AtomicU64,
    held_bytes: AtomicUsize,
}

impl BuildProgress {
    /// The input rows known to be fed, one view after the other.
    pub fn rows_total(&self) -> u64 {
        self.rows_total.load(Ordering::Relaxed)
    }

    /// How many of them have been.
    pub fn rows_done(&self) -> u64 {
        self.rows_done.load(Ordering::Relaxed)
    }

    /// Bytes of the changes that have come since the beginning and are not fed yet.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    fn expect_rows(&self, rows: usize) {
        self.rows_total.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn feed_rows(&self, rows: usize) {
        self.rows_done.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn hold(&self, bytes: usize) {
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn release(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
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

/// What a step or an attached build did.
#[derive(Debug, Clone)]
pub struct MarkReport {
    /// The mark.
    pub epoch: Epoch,
    /// The views that may have changed, with their whole contents: one snapshot per worker.
    pub changed: Vec<(RelationId, Vec<ViewSnapshot>)>,
    /// Rows that went in and out of operators, summed over views and workers: what the step cost.
    pub rows_touched: u64,
}

/// What an operator of a view keeps on one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorMemory {
    /// The view.
    pub relation: RelationId,
    /// The worker.
    pub worker: usize,
    /// The operator's place in the view's plan.
    pub node: NodeId,
    /// What it is called.
    pub operator: &'static str,
    /// About how much.
    pub bytes: usize,
}

/// What the workers call, on their threads: none may wait for them.
pub struct Callbacks {
    /// Called with every mark.
    pub on_mark: Box<dyn Fn(MarkReport) + Send + Sync>,
    /// Called when a build has caught up, or why it cannot: it is then to be cancelled. May be called again with a
    /// failure.
    pub on_build: Box<dyn Fn(BuildId, Result<(), SqlError>) + Send + Sync>,
    /// Called once, when views can no longer be trusted; the process should say so and end.
    pub on_fatal: Box<dyn Fn(String) + Send + Sync>,
}

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

/// The worker threads.
pub struct Runtime {
    queues: Arc<CommandQueues>,
    guards: Option<timely::communication::WorkerGuards<()>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("queues", &self.queues).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// Any [`RuntimeError`].
    pub fn start(config: RuntimeConfig, callbacks: Callbacks) -> Result<Self, RuntimeError> {
        let communication = match config.workers {
            1 => timely::CommunicationConfig::Thread,
            workers => timely::CommunicationConfig::Process(workers),
        };
        Self::start_with(config, communication, callbacks)
    }

    fn start_with(
        config: RuntimeConfig,
        communication: timely::CommunicationConfig,
        callbacks: Callbacks,
    ) -> Result<Self, RuntimeError> {
        let workers = config.workers;
        if !(1..=WORKERS_MAX).contains(&workers) {
            return Err(RuntimeError::Workers { workers });
        }
        let (queues, receivers) = CommandQueues::new(workers);
        let queues = Arc::new(queues);
        let assembler = Arc::new(Assembler::new(workers, callbacks));
        let timely_config = timely::Config { communication, worker: timely::WorkerConfig::default() };
        let guards = timely::execute(timely_config, {
            let queues = Arc::clone(&queues);
            move |timely| {
                let commands = receivers[timely.index()].clone();
                Worker::new(timely, Arc::clone(&assembler), Arc::clone(&queues)).run(timely, &commands);
            }
        })
        .map_err(|reason| RuntimeError::Start { reason })?;
        queues.serve(guards.guards().iter().map(|guard| guard.thread().clone()).collect());
        Ok(Self { queues, guards: Some(guards) })
    }

    /// Begins a build. `on_build` tells when it has caught up.
    pub fn build(&self, build: Build) {
        self.queues.send(&Command::Build(Arc::new(build)));
    }

    /// Makes a build's views live, with what is still missing. Their contents come with the [`MarkReport`] of `epoch`.
    pub fn attach(&self, build: BuildId, epoch: Epoch) {
        self.queues.send(&Command::Attach(build, epoch));
    }

    /// Forgets a build, if it is there.
    pub fn cancel_build(&self, build: BuildId) {
        self.queues.send(&Command::Cancel(build));
    }

    /// Forgets views. Those that read them must go with them or before. Not reported.
    pub fn drop_views(&self, views: Vec<RelationId>) {
        self.queues.send(&Command::Drop(Arc::new(views)));
    }

    /// Brings the views up to a mark.
    pub fn step(&self, step: Step) {
        self.queues.send(&Command::Step(Arc::new(step)));
    }

    /// Tells what the views' operators keep, on all workers; the channel ends with the last.
    pub fn describe(&self, reply: Sender<OperatorMemory>) {
        self.queues.send(&Command::Describe(reply));
    }

    /// Stops the workers when they have done what was asked, and waits for it.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(guards) = self.guards.take() {
            self.queues.send(&Command::Shutdown);
            drop(guards.join());
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop();
    }
}
