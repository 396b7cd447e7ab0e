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
    /// What was scanned and is not all fed.
    round: Option<Round>,
}

/// Batches of a scan, one for each worker.
struct Round {
    /// This worker's.
    share: Option<DeltaBatch>,
    /// The rows of the largest.
    rows: usize,
    /// How many of them have been fed.
    fed: usize,
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
        Self { id, rows, scan, demand, is_part, round: None }
    }

    /// This worker's share of the next piece, of so many rows on the worker that has most; `None` after the last.
    fn next(&mut self, worker: usize, workers: usize, rows_max: usize) -> Option<Vec<DeltaBatch>> {
        if workers > 1 && self.is_part {
            return self.rest();
        }
        let (mut share, mut rows) = (vec![], 0);
        while rows < rows_max {
            let Some(round) = self.round.take().or_else(|| self.next_round(worker, workers)) else { break };
            let (from, to) = (round.fed, round.rows.min(round.fed.saturating_add(rows_max - rows)));
            rows += to - from;
            if let Some(batch) = &round.share {
                let (from, to) = (from.min(batch.rows.rows), to.min(batch.rows.rows));
                if from < to {
                    share.push(batch.slice(from, to - from));
                }
            }
            if to < round.rows {
                self.round = Some(Round { fed: to, ..round });
            }
        }
        (rows > 0).then_some(share)
    }

    /// One batch for each worker, the last round perhaps not for all.
    fn next_round(&mut self, worker: usize, workers: usize) -> Option<Round> {
        let mut round = Round { share: None, rows: 0, fed: 0 };
        for (place, batch) in self.scan.by_ref().take(workers).enumerate() {
            round.rows = round.rows.max(batch.rows.rows);
            if place == worker {
                round.share = Some(widened(&self.demand, batch));
            }
        }
        (round.rows > 0).then_some(round)
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
