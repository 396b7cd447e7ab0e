//! Puts the workers' reports of each command together.
//!
//! Every worker reports the same commands in the same order, at its own pace. A command's mark is complete when all
//! have reported it; marks leave in order, because each worker's reports come in order.

use crate::runtime::{BuildId, Callbacks, MarkReport, ViewSnapshot};
use headwater_types::{Epoch, RelationId, SqlError};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

/// One worker's report of one command.
pub(crate) struct WorkerReport {
    pub(crate) epoch: Epoch,
    pub(crate) changed: Vec<(RelationId, ViewSnapshot)>,
    pub(crate) rows_touched: u64,
}

/// See the module.
pub(crate) struct Assembler {
    callbacks: Callbacks,
    failed: AtomicBool,
    /// Per worker, its reports of commands not yet complete, oldest first.
    waiting: Mutex<Vec<VecDeque<WorkerReport>>>,
}

impl Assembler {
    pub(crate) fn new(workers: usize, callbacks: Callbacks) -> Self {
        let waiting = Mutex::new((0..workers).map(|_| VecDeque::new()).collect());
        Self { callbacks, failed: AtomicBool::new(false), waiting }
    }

    /// Takes a worker's next report, and hands on the mark that it completes.
    pub(crate) fn report(&self, worker: usize, report: WorkerReport) {
        // Held during the call, so that marks leave in order.
        let mut waiting = self.waiting.lock();
        waiting[worker].push_back(report);
        if self.has_failed() || waiting.iter().any(VecDeque::is_empty) {
            return;
        }
        let mut reports = waiting.iter_mut().filter_map(VecDeque::pop_front);
        let first = reports.next().expect("there is at least one worker");
        let mut mark = MarkReport {
            epoch: first.epoch,
            changed: first.changed.into_iter().map(|(id, snapshot)| (id, vec![snapshot])).collect(),
            rows_touched: first.rows_touched,
        };
        for report in reports {
            assert_eq!(report.epoch, mark.epoch, "workers take the same commands");
            mark.rows_touched += report.rows_touched;
            for ((id, snapshots), (other, snapshot)) in mark.changed.iter_mut().zip(report.changed) {
                assert_eq!(*id, other, "workers step the same views");
                snapshots.push(snapshot);
            }
        }
        (self.callbacks.on_mark)(mark);
    }

    /// Tells that a build has caught up, or why it cannot.
    pub(crate) fn report_build(&self, build: BuildId, outcome: Result<(), SqlError>) {
        if !self.has_failed() {
            (self.callbacks.on_build)(build, outcome);
        }
    }

    /// Ends it all: the first call is passed on, and nothing is reported from now on.
    pub(crate) fn fail(&self, message: String) {
        if !self.failed.swap(true, Ordering::SeqCst) {
            (self.callbacks.on_fatal)(message);
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}
