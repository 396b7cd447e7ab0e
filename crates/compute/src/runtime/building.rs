//! One worker's share of a build: views on their way from nothing to the present.
//!
//! ```text
//!  view 1  ███ inputs as of the beginning ███
//!  view 2                                    ███ inputs, view 1 among them ███
//!  all                                                                        ▒ held ▒ held ▒
//!          └──────────────── what changes meanwhile is held ──────────────────┘
//! ```
//!
//! # Invariants
//!
//! 1. Until the last view is filled all are as of the beginning; then held changes bring them on, in order, together.
//! 2. What is fed does not depend on how fast workers are: each piece is a command to all.
//! 3. A view that is to replace a live one is not read here: the live one is, whose rows will stay.

use crate::node::Sources;
use crate::runtime::backfill::{Backfill, Feed};
use crate::runtime::hosted::{HostedView, sources_of};
use crate::runtime::network::{Host, Network, Stepped};
use crate::runtime::{Build, BuildProgress};
use headwater_arrange::{RelationSnapshot, batch_bytes};
use headwater_types::{RelationId, Result, SqlError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A relation that is read and not built here, as of the beginning.
struct Outside {
    rows: RelationSnapshot,
    is_view: bool,
}

/// A change that waits until the views are filled.
struct Held {
    now_micros: i64,
    affected: BTreeSet<RelationId>,
    changes: Sources,
    bytes: usize,
}

/// See the module.
pub(crate) struct Building {
    views: Network,
    outside: BTreeMap<RelationId, Outside>,
    /// Views to fill, with the time that their expressions see.
    unfilled: VecDeque<(RelationId, i64)>,
    backfill: Option<Backfill>,
    held: VecDeque<Held>,
    progress: Arc<BuildProgress>,
    rows_touched: u64,
    /// Why it cannot be attached.
    failure: Option<SqlError>,
}

impl Building {
    /// Builds the dataflows; on every worker at the same place among its commands.
    ///
    /// # Errors
    ///
    /// A view reads what is not there: the same on every worker, and nothing is left.
    pub(crate) fn new(host: &mut Host<'_>, build: &Build, live: &Network) -> Result<Self> {
        let outside = outside_of(build, live)?;
        let mut views = Network::default();
        let mut unfilled = VecDeque::new();
        for install in &build.views {
            let read = sources_of(&install.plan).into_iter().filter_map(|source| outside.get(&source));
            // What all workers see is counted once.
            let counted = read.filter(|relation| relation.is_view || host.worker() == 0);
            build.progress.expect_rows(counted.map(|relation| relation.rows.live_rows()).sum());
            let replaces = live.view(install.id).is_some();
            let is_view = |id| outside.get(&id).is_none_or(|relation| relation.is_view);
            views.insert(HostedView::new(host, install, replaces, &is_view));
            unfilled.push_back((install.id, install.now_micros));
        }
        Ok(Self {
            views,
            outside,
            unfilled,
            backfill: None,
            held: VecDeque::new(),
            progress: Arc::clone(&build.progress),
            rows_touched: 0,
            failure: None,
        })
    }

    /// Whether a change of the relation would be held.
    pub(crate) fn reads(&self, id: RelationId) -> bool {
        self.outside.contains_key(&id)
    }

    /// Why it cannot be attached.
    pub(crate) fn failure(&self) -> Option<&SqlError> {
        self.failure.as_ref()
    }

    /// Whether nothing is left to feed.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.unfilled.is_empty() && self.held.is_empty()
    }

    /// Keeps a step's changes for later, if they concern the build.
    pub(crate) fn hold(&mut self, now_micros: i64, stepped: &Stepped) {
        let affected: BTreeSet<RelationId> =
            stepped.affected.iter().copied().filter(|id| self.outside.contains_key(id)).collect();
        if affected.is_empty() {
            return;
        }
        let read = stepped.changes.iter().filter(|(id, _)| affected.contains(id));
        let changes: Sources = read.map(|(id, change)| (*id, Arc::clone(change))).collect();
        let batches = changes.values().flat_map(|change| &change.batches);
        let bytes = batches.map(|batch| batch_bytes(&batch.rows)).sum();
        self.progress.hold(bytes);
        self.held.push_back(Held { now_micros, affected, changes, bytes });
    }

    /// Feeds the next piece, of about so many rows, or the oldest held change.
    ///
    /// # Errors
    ///
    /// Another worker has failed.
    pub(crate) fn advance(&mut self, host: &mut Host<'_>, rows_max: usize) -> Result<(), String> {
        if let Some(&(id, now_micros)) = self.unfilled.front() {
            let mut backfill = self.backfill.take().unwrap_or_else(|| self.begin_backfill(host, id));
            let piece = backfill.next(rows_max);
            if piece.is_some() {
                self.backfill = Some(backfill);
            } else {
                self.unfilled.pop_front();
            }
            let filled = self.views.fill(host, id, now_micros, piece.as_ref())?;
            self.progress.feed_rows(piece.iter().flat_map(Sources::values).map(|change| change.rows()).sum());
            match filled {
                Ok(rows_touched) => self.rows_touched += rows_touched,
                Err(error) => self.fail(error),
            }
        } else if let Some(held) = self.held.pop_front() {
            let stepped = self.views.step(host, held.now_micros, held.affected, held.changes)?;
            self.progress.release(held.bytes);
            self.rows_touched += stepped.rows_touched;
            if let Some((_, error)) = stepped.failure {
                self.fail(error);
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: SqlError) {
        self.failure.get_or_insert(error);
    }

    fn begin_backfill(&self, host: &Host<'_>, id: RelationId) -> Backfill {
        let view = self.views.view(id).expect("the view is built here");
        let feeds = view.sources.iter().map(|&source| {
            let (rows, is_part) = match self.outside.get(&source) {
                Some(outside) => (&outside.rows, outside.is_view),
                None => {
                    let rows = self.views.view(source).expect("built before those that read it").snapshot();
                    self.progress.expect_rows(rows.live_rows());
                    (rows, true)
                }
            };
            Feed::new(view, source, rows.clone(), is_part, host.workers())
        });
        Backfill::new(feeds.collect(), host.worker(), host.workers(), view.is_divisible())
    }

    /// The views, each after those that it reads, and what building them has cost.
    pub(crate) fn into_views(self) -> (Vec<HostedView>, u64) {
        (self.views.into_views(), self.rows_touched)
    }
}

/// What is read from outside. A view that is replaced is.
fn outside_of(build: &Build, live: &Network) -> Result<BTreeMap<RelationId, Outside>> {
    let mut outside = BTreeMap::new();
    let mut built = BTreeSet::new();
    for install in &build.views {
        for source in sources_of(&install.plan) {
            if built.contains(&source) || outside.contains_key(&source) {
                continue;
            }
            let table = || install.inputs.iter().find(|(id, _)| *id == source).map(|(_, rows)| rows);
            let relation = match live.view(source) {
                Some(view) => Outside { rows: view.snapshot().clone(), is_view: true },
                None => Outside { rows: table().ok_or_else(|| missing(install.id, source))?.clone(), is_view: false },
            };
            outside.insert(source, relation);
        }
        if live.view(install.id).is_none() {
            built.insert(install.id);
        }
    }
    Ok(outside)
}

fn missing(view: RelationId, source: RelationId) -> SqlError {
    SqlError::internal(format!("the view with id {view} reads relation {source}, which is not there"))
}
