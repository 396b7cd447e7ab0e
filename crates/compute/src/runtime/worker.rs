//! A worker thread: takes commands one at a time, and steps the dataflows that they concern.
//!
//! ```text
//! Step: tables' changes ─▶ views of depth 0 ─ their changes ─▶ views of depth 1 ─▶ … ─▶ report
//! ```
//!
//! A view's depth is known when it is installed, as those that it reads are there already. All views of one depth go
//! through their tick together.

use crate::node::Sources;
use crate::runtime::assemble::{Assembler, WorkerReport};
use crate::runtime::backfill::{Backfill, Feed, unchanged};
use crate::runtime::dataflow::ViewDataflow;
use crate::runtime::hosted::{HostedView, ViewChange, sources_of};
use crate::runtime::{Command, Step, ViewInstall};
use crossbeam_channel::{Receiver, TryRecvError};
use headwater_arrange::RelationSnapshot;
use headwater_dataflow::SourceDelta;
use headwater_types::{Epoch, RelationId};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use timely::worker::Worker as Timely;

/// How long a worker that waits for others sleeps before it looks whether one of them has failed.
const FAILURE_CHECK: Duration = Duration::from_millis(50);
/// A change of fewer rows is taken by one worker.
const SHARE_ROWS_MIN: usize = 256;

/// See the module.
pub(crate) struct Worker {
    index: usize,
    workers: usize,
    assembler: Arc<Assembler>,
    /// In the order of their installation, so that each comes after those that it reads.
    views: Vec<HostedView>,
    /// The tables that views read, as of the last command.
    tables: BTreeMap<RelationId, RelationSnapshot>,
}

impl Worker {
    pub(crate) fn new(index: usize, workers: usize, assembler: Arc<Assembler>) -> Self {
        Self { index, workers, assembler, views: vec![], tables: BTreeMap::new() }
    }

    /// Serves until it is told to stop, or something is broken beyond repair.
    pub(crate) fn run(mut self, timely: &mut Timely, commands: &Receiver<Command>) {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.serve(timely, commands))) {
            Ok(Ok(())) => None,
            Ok(Err(message)) => Some(message),
            Err(panic) => Some(format!("a view worker panicked: {}", panic_message(&*panic))),
        };
        if let Some(message) = failure {
            self.assembler.fail(message);
        }
        // Timely serves on as long as there are dataflows.
        for dataflow in timely.installed_dataflows() {
            timely.drop_dataflow(dataflow);
        }
    }

    fn serve(&mut self, timely: &mut Timely, commands: &Receiver<Command>) -> Result<(), String> {
        loop {
            match commands.try_recv() {
                Ok(Command::Install(install)) => self.install(timely, &install)?,
                Ok(Command::Drop(ids)) => self.drop_views(timely, &ids),
                Ok(Command::Step(step)) => self.step(timely, &step)?,
                Ok(Command::Shutdown) | Err(TryRecvError::Disconnected) => return Ok(()),
                // Whoever sends a command unparks this thread afterwards.
                Err(TryRecvError::Empty) => {
                    timely.step_or_park(None);
                }
            }
        }
    }

    fn install(&mut self, timely: &mut Timely, install: &ViewInstall) -> Result<(), String> {
        let sources = sources_of(&install.plan);
        let upstream = self.views.iter().filter(|view| sources.contains(&view.id));
        let depth = upstream.map(|view| view.depth + 1).max().unwrap_or(0);
        for (id, snapshot) in install.inputs.iter().filter(|(id, _)| sources.contains(id)) {
            self.tables.insert(*id, snapshot.clone());
        }
        if let Some(missing) = sources.iter().find(|&&id| self.contents(id).is_none()) {
            return Err(format!("the view with id {} reads relation {missing}, which is not there", install.id));
        }
        let (plan, settings) = (Arc::clone(&install.plan), Arc::clone(&install.settings));
        let dataflow = ViewDataflow::build(timely, plan, settings, &|id| self.view(id).is_some());
        let place = self.views.len();
        self.views.push(HostedView::new(install, depth, dataflow));
        let mut rows_touched = 0;
        for fed in self.backfill(place) {
            let sources = self.sources_of_tick(place, &fed);
            self.views[place].dataflow.begin(install.now_micros, sources);
            self.wait(timely, &[place])?;
            rows_touched += self.views[place].finish_tick()?.rows_touched;
        }
        self.refresh_error(place);
        self.report(install.epoch, &[place], rows_touched);
        Ok(())
    }

    fn drop_views(&mut self, timely: &mut Timely, ids: &[RelationId]) {
        let (dropped, kept) = std::mem::take(&mut self.views).into_iter().partition(|view| ids.contains(&view.id));
        self.views = kept;
        let dropped: Vec<HostedView> = dropped;
        for view in dropped {
            view.dataflow.remove(timely);
        }
        let read: BTreeSet<RelationId> = self.views.iter().flat_map(|view| view.sources.iter().copied()).collect();
        self.tables.retain(|id, _| read.contains(id));
    }

    fn step(&mut self, timely: &mut Timely, step: &Step) -> Result<(), String> {
        let mut changes = Sources::new();
        for (id, change) in &step.deltas {
            if let Some(table) = self.tables.get_mut(id) {
                *table = change.after.clone();
                changes.insert(*id, Arc::new(self.share(change)));
            }
        }
        let mut affected_ids: BTreeSet<RelationId> = changes.keys().copied().collect();
        let (mut changed, mut rows_touched) = (vec![], 0);
        let depths = self.views.iter().map(|view| view.depth + 1).max().unwrap_or(0);
        for depth in 0..depths {
            let affected: Vec<usize> = (0..self.views.len())
                .filter(|&place| {
                    let view = &self.views[place];
                    view.depth == depth && view.sources.iter().any(|id| affected_ids.contains(id))
                })
                .collect();
            for &place in &affected {
                let sources = self.sources_of_tick(place, &changes);
                self.views[place].dataflow.begin(step.now_micros, sources);
            }
            self.wait(timely, &affected)?;
            for &place in &affected {
                let ViewChange { mut deltas, rows_touched: touched } = self.views[place].finish_tick()?;
                rows_touched += touched;
                let error_changed = self.refresh_error(place);
                // Whether a share of a view changed is for its worker to know; all workers must step the same views.
                if !deltas.is_empty() || error_changed || self.workers > 1 {
                    changed.push(place);
                    affected_ids.insert(self.views[place].id);
                }
                let id = self.views[place].id;
                if deltas.len() > 1 && self.views.iter().any(|view| view.sources.contains(&id)) {
                    return Err(format!("a change of the view with id {id} is too large for the views that read it"));
                }
                changes.extend(deltas.pop().map(|delta| (id, Arc::new(delta))));
            }
        }
        self.report(step.epoch, &changed, rows_touched);
        Ok(())
    }

    /// What this worker takes of a table's change. (Of a view's change every worker has its own.)
    fn share(&self, change: &SourceDelta) -> SourceDelta {
        let rows = change.delta.rows.rows;
        let (from, to) = match self.workers {
            1 => return change.clone(),
            _ if rows < SHARE_ROWS_MIN => (0, if self.index == 0 { rows } else { 0 }),
            workers => (rows * self.index / workers, rows * (self.index + 1) / workers),
        };
        SourceDelta { delta: change.delta.slice(from, to - from), ..change.clone() }
    }

    /// The change of every relation that a view reads: those given, and nothing for the others.
    fn sources_of_tick(&self, place: usize, changes: &Sources) -> Sources {
        let sources = self.views[place].sources.iter().map(|&id| {
            let change = changes.get(&id).map_or_else(
                || Arc::new(unchanged(self.contents(id).expect("checked when the view was installed"))),
                Arc::clone,
            );
            (id, change)
        });
        sources.collect()
    }

    /// What a new view is fed first.
    fn backfill(&self, place: usize) -> Backfill {
        let view = &self.views[place];
        let feeds = view.sources.iter().map(|&id| {
            let rows = self.contents(id).expect("checked when the view was installed").clone();
            Feed::new(id, rows, self.view(id).is_some())
        });
        Backfill::new(feeds.collect(), self.index, self.workers, view.divisible)
    }

    /// A relation's rows as this worker has them.
    fn contents(&self, id: RelationId) -> Option<&RelationSnapshot> {
        self.view(id).map(HostedView::snapshot).or_else(|| self.tables.get(&id))
    }

    fn view(&self, id: RelationId) -> Option<&HostedView> {
        self.views.iter().find(|view| view.id == id)
    }

    /// Steps until these views' ticks are through.
    fn wait(&self, timely: &mut Timely, places: &[usize]) -> Result<(), String> {
        while !places.iter().all(|&place| self.views[place].dataflow.is_through()) {
            if self.assembler.has_failed() {
                return Err("another worker failed".to_owned());
            }
            timely.step_or_park(Some(FAILURE_CHECK));
        }
        Ok(())
    }

    /// Sets what reading a view raises, and tells whether that has changed.
    fn refresh_error(&mut self, place: usize) -> bool {
        let view = &self.views[place];
        let upstream = view.sources.iter().filter_map(|&id| self.view(id)?.error.as_ref());
        let error = upstream.chain(view.own_error()).min().cloned();
        let changed = error != view.error;
        self.views[place].error = error;
        changed
    }

    fn report(&self, epoch: Epoch, changed: &[usize], rows_touched: u64) {
        let changed = changed.iter().map(|&place| (self.views[place].id, self.views[place].report())).collect();
        self.assembler.report(self.index, WorkerReport { epoch, changed, rows_touched });
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
