//! Steps: the epochs' changes, gathered for the views.
//!
//! While the views work on a step, further epochs accumulate into the next; so an idle system steps every epoch and a
//! busy one many epochs at once. DDL is a step of its own.
//!
//! # Invariants
//!
//! 1. Steps are sent in epoch order, at most [`STEPS_IN_FLIGHT_MAX`] at a time.
//! 2. Within a step a row id is inserted or deleted, not both: a row that came and went is left out.
//! 3. A relation whose rows have moved gets no further change in the same step.

use headwater_arrange::{KeyedRelation, Moves, RelationSnapshot};
use headwater_catalog::Catalog;
use headwater_compute::runtime::ViewInstall;
use headwater_dataflow::SourceDelta;
use headwater_types::{DeltaBatch, Epoch, RelationId};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Steps that the views may have before them, so that they need not wait for the engine's next turn.
pub(crate) const STEPS_IN_FLIGHT_MAX: usize = 2;

/// One table's changes in a step.
#[derive(Debug)]
struct TableChange {
    before: RelationSnapshot,
    batches: Vec<DeltaBatch>,
    moves: Option<Moves>,
}

/// A step in the making.
#[derive(Debug)]
pub(crate) struct StepBuilder {
    pub epoch: Epoch,
    pub now_micros: i64,
    tables: BTreeMap<RelationId, TableChange>,
    bytes: usize,
    /// DDL: the catalog after it, the views it makes, the relations it drops.
    pub catalog: Option<Arc<Catalog>>,
    pub installs: Vec<ViewInstall>,
    pub dropped: Vec<RelationId>,
    /// New tables and their rows, which no view can read before this step.
    pub created: Vec<RelationId>,
}

/// A finished step: what the views get, and the snapshots that reads get.
#[derive(Debug)]
pub(crate) struct FinishedStep {
    pub epoch: Epoch,
    pub now_micros: i64,
    pub deltas: Vec<(RelationId, SourceDelta)>,
    pub tables: Vec<(RelationId, RelationSnapshot)>,
    pub catalog: Option<Arc<Catalog>>,
    pub installs: Vec<ViewInstall>,
    pub dropped: Vec<RelationId>,
    pub bytes: usize,
}

impl StepBuilder {
    pub fn new(epoch: Epoch, now_micros: i64) -> Self {
        Self {
            epoch,
            now_micros,
            tables: BTreeMap::new(),
            bytes: 0,
            catalog: None,
            installs: vec![],
            dropped: vec![],
            created: vec![],
        }
    }

    /// Whether this table's rows have moved, so that its next change belongs to another step.
    pub fn is_closed_for(&self, table: RelationId) -> bool {
        self.tables.get(&table).is_some_and(|change| change.moves.is_some())
    }

    /// Adds one commit's change of a table, whose snapshot was `before`.
    pub fn add(&mut self, table: RelationId, before: RelationSnapshot, delta: DeltaBatch, moves: Option<Moves>) {
        self.bytes += delta.rows.columns.iter().map(|c| c.get_array_memory_size()).sum::<usize>();
        let change = self.tables.entry(table).or_insert_with(|| TableChange { before, batches: vec![], moves: None });
        debug_assert!(change.moves.is_none(), "rows that have moved change in the next step");
        change.batches.push(delta);
        change.moves = moves;
    }

    /// Memory held by the changes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Closes the step; the tables are as of its last epoch.
    pub fn finish(self, tables: &BTreeMap<RelationId, KeyedRelation>) -> FinishedStep {
        let mut deltas = vec![];
        let mut snapshots = vec![];
        for (table, change) in self.tables {
            let Some(relation) = tables.get(&table) else { continue };
            let after = relation.snapshot();
            snapshots.push((table, after.clone()));
            let delta = net(change.batches);
            if !delta.is_empty() || change.moves.is_some() {
                deltas.push((table, SourceDelta { delta, moves: change.moves, before: change.before, after }));
            }
        }
        for table in self.created {
            if let Some(relation) = tables.get(&table)
                && !snapshots.iter().any(|(id, _)| *id == table)
            {
                snapshots.push((table, relation.snapshot()));
            }
        }
        FinishedStep {
            epoch: self.epoch,
            now_micros: self.now_micros,
            deltas,
            tables: snapshots,
            catalog: self.catalog,
            installs: self.installs,
            dropped: self.dropped,
            bytes: self.bytes,
        }
    }
}

/// One batch of several, without the rows that came and went in between.
fn net(mut batches: Vec<DeltaBatch>) -> DeltaBatch {
    if batches.len() == 1 {
        return batches.remove(0);
    }
    let all = DeltaBatch::concat(&batches);
    let ids = all.row_ids.as_ref().expect("a table's changes carry row ids");
    let deleted: HashSet<u32> =
        ids.iter().zip(&all.weights).filter(|(_, weight)| **weight < 0).map(|(id, _)| *id).collect();
    if deleted.is_empty() {
        return all;
    }
    let passed: HashSet<u32> = ids
        .iter()
        .zip(&all.weights)
        .filter(|(id, weight)| **weight > 0 && deleted.contains(id))
        .map(|(id, _)| *id)
        .collect();
    if passed.is_empty() {
        return all;
    }
    let kept: Vec<u32> = (0u32..).zip(ids).filter(|(_, id)| !passed.contains(id)).map(|(i, _)| i).collect();
    all.take(&kept)
}
