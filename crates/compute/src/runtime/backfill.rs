//! The contents of a new view's inputs, in bounded pieces.
//!
//! Every worker gives the same number of pieces, as each is a tick; which is why a view's parts, whose sizes differ
//! from worker to worker, come whole. Small inputs come first: an outer join then finds most matches at once.

use crate::node::Sources;
use crate::runtime::hosted::HostedView;
use headwater_arrange::{RelationScan, RelationSnapshot, TextForm};
use headwater_dataflow::{MapFilterProject, SourceDelta};
use headwater_types::{DeltaBatch, RelationId};
use std::collections::VecDeque;
use std::sync::Arc;

/// One input.
pub(crate) struct Feed {
    id: RelationId,
    rows: RelationSnapshot,
    scan: RelationScan,
    /// The columns that are read: the others are left out.
    demand: MapFilterProject,
    /// Whether `rows` are this worker's own part, rather than what all workers see.
    is_part: bool,
}

/// See the module.
pub(crate) struct Backfill {
    feeds: VecDeque<Feed>,
    worker: usize,
    workers: usize,
    /// Whether there may be several pieces.
    divisible: bool,
    begun: bool,
}

impl Feed {
    pub(crate) fn new(
        view: &HostedView,
        id: RelationId,
        rows: RelationSnapshot,
        is_part: bool,
        workers: usize,
    ) -> Self {
        let demand = view.demand(id, rows.types().len());
        // What is exchanged is plain.
        let text = if workers == 1 { view.text_form(id) } else { TextForm::Plain };
        let scan = rows.scan_with(demand.required(), text);
        Self { id, rows, scan, demand, is_part }
    }

    /// This worker's share of the next piece, in which every worker has about so many rows; `None` after the last.
    fn next(&mut self, worker: usize, workers: usize, rows_max: usize) -> Option<Vec<DeltaBatch>> {
        if workers > 1 && self.is_part {
            return self.rest();
        }
        let (mut share, mut rows, mut round) = (vec![], 0, 0);
        while rows < rows_max {
            // One batch for each worker, the last round perhaps not for all; the first has the most rows.
            let mut taken = 0;
            for (place, batch) in self.scan.by_ref().take(workers).enumerate() {
                taken += 1;
                rows += if place == 0 { batch.rows.rows } else { 0 };
                if place == worker {
                    share.push(widened(&self.demand, batch));
                }
            }
            round += taken;
            if taken < workers {
                break;
            }
        }
        (round > 0).then_some(share)
    }

    /// All that is left, once.
    fn rest(&mut self) -> Option<Vec<DeltaBatch>> {
        if !std::mem::take(&mut self.is_part) {
            return None;
        }
        Some(self.scan.by_ref().map(|batch| widened(&self.demand, batch)).collect())
    }

    fn change(&self, batches: Vec<DeltaBatch>) -> (RelationId, Arc<SourceDelta>) {
        (self.id, Arc::new(SourceDelta { batches, moves: None, after: self.rows.clone() }))
    }
}

fn widened(demand: &MapFilterProject, batch: DeltaBatch) -> DeltaBatch {
    let rows = batch.rows.rows;
    DeltaBatch { rows: demand.widen(batch.rows.columns, rows), ..batch }
}

impl Backfill {
    pub(crate) fn new(mut feeds: Vec<Feed>, worker: usize, workers: usize, divisible: bool) -> Self {
        // A part's size is known to its worker only, and must not decide when there are several.
        feeds.sort_by_key(|feed| {
            let size = if feed.is_part && workers > 1 { 0 } else { feed.rows.live_rows() };
            (size, feed.id)
        });
        Self { feeds: feeds.into(), worker, workers, divisible, begun: false }
    }

    /// What changes in the next tick, of about so many rows on each worker; `None` after the last.
    pub(crate) fn next(&mut self, rows_max: usize) -> Option<Sources> {
        let (worker, workers) = (self.worker, self.workers);
        let first = !std::mem::replace(&mut self.begun, true);
        if !self.divisible {
            let whole = |mut feed: Feed| {
                let batches = std::iter::from_fn(|| feed.next(worker, workers, usize::MAX)).flatten().collect();
                feed.change(batches)
            };
            return first.then(|| self.feeds.drain(..).map(whole).collect());
        }
        while let Some(feed) = self.feeds.front_mut() {
            if let Some(batches) = feed.next(worker, workers, rows_max) {
                return Some(Sources::from([feed.change(batches)]));
            }
            self.feeds.pop_front();
        }
        // A view of nothing may still have a row: that of an aggregate without GROUP BY.
        first.then(Sources::new)
    }
}
