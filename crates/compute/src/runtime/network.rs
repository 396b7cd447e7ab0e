//! Views that are stepped together, and who reads whom.
//!
//! ```text
//! tables' changes ─▶ views of depth 0 ─ their changes ─▶ views of depth 1 ─▶ …
//! ```
//!
//! All views of one depth go through their tick together. A step finds the views that it concerns by the relations that
//! changed, so that the others cost it nothing.

use crate::node::Sources;
use crate::runtime::ViewSnapshot;
use crate::runtime::assemble::Assembler;
use crate::runtime::hosted::{HostedView, ViewChange};
use headwater_types::{RelationId, SqlError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use timely::worker::Worker as Timely;

/// How long a worker that waits for others sleeps before it looks whether one of them has failed.
const FAILURE_CHECK: Duration = Duration::from_millis(50);

/// What views run on.
pub(crate) struct Host<'a> {
    pub(crate) timely: &'a mut Timely,
    pub(crate) assembler: &'a Assembler,
}

impl Host<'_> {
    pub(crate) fn worker(&self) -> usize {
        self.timely.index()
    }

    pub(crate) fn workers(&self) -> usize {
        self.timely.peers()
    }

    /// Steps until this is so.
    ///
    /// # Errors
    ///
    /// Another worker has failed, and it will not be.
    fn wait(&mut self, is_so: impl Fn() -> bool) -> Result<(), String> {
        while !is_so() {
            if self.assembler.has_failed() {
                return Err("another worker failed".to_owned());
            }
            self.timely.step_or_park(Some(FAILURE_CHECK));
        }
        Ok(())
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Network {
    views: BTreeMap<RelationId, HostedView>,
    /// The views that read a relation.
    readers: BTreeMap<RelationId, BTreeSet<RelationId>>,
}

/// What a step did.
pub(crate) struct Stepped {
    /// What changed, or may have: the relations given, and views. The same on every worker.
    pub(crate) affected: BTreeSet<RelationId>,
    /// This worker's part of their changes.
    pub(crate) changes: Sources,
    pub(crate) rows_touched: u64,
    /// The first view that could not be maintained, and why.
    pub(crate) failure: Option<(RelationId, SqlError)>,
}

impl Network {
    pub(crate) fn view(&self, id: RelationId) -> Option<&HostedView> {
        self.views.get(&id)
    }

    /// The views.
    pub(crate) fn views(&self) -> impl Iterator<Item = &HostedView> {
        self.views.values()
    }

    /// Whether any view reads the relation.
    pub(crate) fn is_read(&self, id: RelationId) -> bool {
        self.readers.contains_key(&id)
    }

    /// Adds a view. What it reads is there already, or comes from outside.
    pub(crate) fn insert(&mut self, view: HostedView) {
        for &source in &view.sources {
            self.readers.entry(source).or_default().insert(view.id);
        }
        let before = self.views.insert(view.id, view);
        debug_assert!(before.is_none(), "a view is taken out before another comes in its place");
        self.settle_depths();
    }

    pub(crate) fn remove(&mut self, id: RelationId) -> Option<HostedView> {
        let view = self.views.remove(&id)?;
        for source in &view.sources {
            if let Some(readers) = self.readers.get_mut(source) {
                readers.remove(&id);
                if readers.is_empty() {
                    self.readers.remove(source);
                }
            }
        }
        Some(view)
    }

    /// The views, each after those that it reads.
    pub(crate) fn into_views(self) -> Vec<HostedView> {
        let mut views: Vec<HostedView> = self.views.into_values().collect();
        views.sort_by_key(|view| (view.depth, view.id));
        views
    }

    /// A view's depth is one more than the deepest that it reads here.
    fn settle_depths(&mut self) {
        let ids: Vec<RelationId> = self.views.keys().copied().collect();
        let mut settled = false;
        while !settled {
            settled = true;
            for id in &ids {
                let view = &self.views[id];
                let upstream = view.sources.iter().filter_map(|id| self.views.get(id)).filter(|view| !view.replaces);
                let depth = upstream.map(|view| view.depth + 1).max().unwrap_or(0);
                if depth != view.depth {
                    self.view_mut(*id).depth = depth;
                    settled = false;
                }
            }
        }
    }

    fn view_mut(&mut self, id: RelationId) -> &mut HostedView {
        self.views.get_mut(&id).expect("the view is hosted")
    }

    /// One tick of one view alone; what it cost. `None` ends those with a piece of the view's inputs.
    pub(crate) fn fill(
        &mut self,
        host: &mut Host<'_>,
        id: RelationId,
        now_micros: i64,
        piece: Option<&Sources>,
    ) -> Result<Result<u64, SqlError>, String> {
        self.view_mut(id).begin(now_micros, piece.unwrap_or(&Sources::new()), piece.is_some());
        let view = &self.views[&id];
        host.wait(|| view.is_through())?;
        Ok(self.view_mut(id).finish_tick().map(|change| change.rows_touched))
    }

    /// Brings the views up to a change of relations, of which this worker takes `changes`.
    ///
    /// # Errors
    ///
    /// Another worker has failed.
    pub(crate) fn step(
        &mut self,
        host: &mut Host<'_>,
        now_micros: i64,
        affected: BTreeSet<RelationId>,
        changes: Sources,
    ) -> Result<Stepped, String> {
        let mut due: BTreeSet<(usize, RelationId)> = BTreeSet::new();
        for id in &affected {
            self.expect_readers(*id, &mut due);
        }
        let mut stepped = Stepped { affected, changes, rows_touched: 0, failure: None };
        while let Some(&(depth, _)) = due.first() {
            let deeper = due.split_off(&(depth + 1, RelationId(0)));
            let level: Vec<RelationId> = std::mem::replace(&mut due, deeper).into_iter().map(|(_, id)| id).collect();
            for &id in &level {
                self.view_mut(id).begin(now_micros, &stepped.changes, false);
            }
            host.wait(|| level.iter().all(|id| self.views[id].is_through()))?;
            for id in level {
                // Whether a share of a view changed is for its worker to know; all workers must step the same views.
                // A view that is to be replaced is read until its replacement is attached.
                let changed = self.finish(id, &mut stepped) || host.workers() > 1;
                if changed && !self.views[&id].replaces {
                    stepped.affected.insert(id);
                    self.expect_readers(id, &mut due);
                }
            }
        }
        Ok(stepped)
    }

    fn expect_readers(&self, id: RelationId, due: &mut BTreeSet<(usize, RelationId)>) {
        for reader in self.readers.get(&id).into_iter().flatten() {
            due.insert((self.views[reader].depth, *reader));
        }
    }

    /// Ends a view's tick; whether the view changed.
    fn finish(&mut self, id: RelationId, stepped: &mut Stepped) -> bool {
        let view = self.view_mut(id);
        let (replaces, finished) = (view.replaces, view.finish_tick());
        let ViewChange { change, rows_touched } = match finished {
            Ok(change) => change,
            Err(error) => {
                stepped.failure.get_or_insert((id, error));
                return false;
            }
        };
        stepped.rows_touched += rows_touched;
        let error_changed = self.refresh_error(id);
        let changed = change.is_some();
        if !replaces {
            stepped.changes.extend(change.map(|change| (id, change)));
        }
        changed || error_changed
    }

    /// Sets what reading a view raises, and tells whether that has changed.
    fn refresh_error(&mut self, id: RelationId) -> bool {
        let view = &self.views[&id];
        let upstream = view.sources.iter().filter_map(|source| self.view(*source)?.error.as_ref());
        let error = upstream.chain(view.own_error()).min().cloned();
        let changed = error != view.error;
        self.view_mut(id).error = error;
        changed
    }

    /// Takes over views that were built elsewhere, each after those that it reads. Of one that is here already the
    /// dataflow is replaced; should its contents differ, those that read it are brought up to that.
    pub(crate) fn adopt(&mut self, host: &mut Host<'_>, views: Vec<HostedView>) -> Result<Stepped, String> {
        let adopted: Vec<RelationId> = views.iter().map(|view| view.id).collect();
        let (mut affected, mut changes) = (BTreeSet::new(), Sources::new());
        for mut view in views {
            let id = view.id;
            if let Some(old) = self.remove(id) {
                let change = view.take_over(old, host).map_err(|error| cannot_be_maintained(id, &error))?;
                if change.is_some() || host.workers() > 1 {
                    affected.insert(id);
                }
                changes.extend(change.map(|change| (id, change)));
            }
            self.insert(view);
        }
        let mut by_depth = adopted.clone();
        by_depth.sort_by_key(|id| (self.views[id].depth, *id));
        for id in by_depth {
            if self.refresh_error(id) && self.is_read(id) {
                affected.insert(id);
            }
        }
        let mut stepped = self.step(host, 0, affected, changes)?;
        stepped.affected.extend(adopted);
        Ok(stepped)
    }

    /// The views among these, as of the last tick, for readers.
    pub(crate) fn report(&self, ids: &BTreeSet<RelationId>) -> Vec<(RelationId, ViewSnapshot)> {
        ids.iter().filter_map(|id| Some((*id, self.views.get(id)?.report()))).collect()
    }
}

/// What a view that has failed means for the views that are live.
pub(crate) fn cannot_be_maintained(id: RelationId, error: &SqlError) -> String {
    format!("the view with id {id} cannot be maintained: {}", error.message)
}
