//! The contents of a new view's inputs, in bounded pieces.
//!
//! Every worker gives the same number of pieces, as each is a tick; which is why a view's parts, whose sizes differ
//! from worker to worker, come whole. Small inputs come first: an outer join then finds most matches at once.

use crate::node::Sources;
use headwater_arrange::{RelationScan, RelationSnapshot};
use headwater_dataflow::SourceDelta;
use headwater_types::{DeltaBatch, RelationId};
use std::collections::VecDeque;
use std::sync::Arc;

/// One input.
pub(crate) struct Feed {
    id: RelationId,
    rows: RelationSnapshot,
    scan: RelationScan,
    /// Whether `rows` are this worker's own part, rather than what all workers see.
    is_part: bool,
}

/// See the module. Each item is what changes in one tick.
pub(crate) struct Backfill {
    feeds: VecDeque<Feed>,
    worker: usize,
    workers: usize,
    /// Whether there may be several pieces.
    divisible: bool,
    begun: bool,
}

/// No change of a relation.
pub(crate) fn unchanged(rows: &RelationSnapshot) -> SourceDelta {
    let delta = DeltaBatch { row_ids: Some(vec![]), ..DeltaBatch::empty(rows.types()) };
    SourceDelta { delta, moves: None, before: rows.clone(), after: rows.clone() }
}

impl Feed {
    pub(crate) fn new(id: RelationId, rows: RelationSnapshot, is_part: bool) -> Self {
        let all: Vec<usize> = (0..rows.types().len()).collect();
        let scan = rows.scan(&all);
        Self { id, rows, scan, is_part }
    }

    /// This worker's share of the next piece; `None` after the last.
    fn next(&mut self, worker: usize, workers: usize) -> Option<SourceDelta> {
        let piece = if workers > 1 && self.is_part {
            self.rest()?
        } else {
            // One batch for each worker, the last piece perhaps not for all.
            let mut batches: Vec<DeltaBatch> = self.scan.by_ref().take(workers).collect();
            match batches.len() {
                0 => return None,
                count if worker < count => batches.swap_remove(worker),
                _ => unchanged(&self.rows).delta,
            }
        };
        Some(SourceDelta { delta: piece, ..unchanged(&self.rows) })
    }

    /// All that is left, once.
    fn rest(&mut self) -> Option<DeltaBatch> {
        if !std::mem::take(&mut self.is_part) {
            return None;
        }
        let batches: Vec<DeltaBatch> = self.scan.by_ref().collect();
        Some(if batches.is_empty() { unchanged(&self.rows).delta } else { DeltaBatch::concat(&batches) })
    }

    /// This worker's share of all pieces.
    fn whole(mut self, worker: usize, workers: usize) -> (RelationId, Arc<SourceDelta>) {
        let rows = self.rows.clone();
        let mut batches = vec![];
        while let Some(piece) = self.next(worker, workers) {
            batches.push(piece.delta);
        }
        let delta = if batches.is_empty() { unchanged(&rows).delta } else { DeltaBatch::concat(&batches) };
        (self.id, Arc::new(SourceDelta { delta, ..unchanged(&rows) }))
    }
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
}

impl Iterator for Backfill {
    type Item = Sources;

    fn next(&mut self) -> Option<Sources> {
        let (worker, workers) = (self.worker, self.workers);
        let first = !std::mem::replace(&mut self.begun, true);
        if !self.divisible {
            return first.then(|| self.feeds.drain(..).map(|feed| feed.whole(worker, workers)).collect());
        }
        while let Some(feed) = self.feeds.front_mut() {
            if let Some(piece) = feed.next(worker, workers) {
                return Some(Sources::from([(feed.id, Arc::new(piece))]));
            }
            self.feeds.pop_front();
        }
        // A view of nothing may still have a row: that of an aggregate without GROUP BY.
        first.then(Sources::new)
    }
}
