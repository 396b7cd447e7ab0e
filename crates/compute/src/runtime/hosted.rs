//! One worker's share of one view: its dataflow, its result, its errors.

use crate::runtime::dataflow::{Tick, ViewDataflow};
use crate::runtime::{ViewInstall, ViewSnapshot};
use headwater_arrange::{RelationSnapshot, ZSetRelation};
use headwater_dataflow::{Delta, SourceDelta};
use headwater_plan::lir::{Operator, Plan};
use headwater_types::{DataType, RelationId, SqlError};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module.
pub(crate) struct HostedView {
    pub(crate) id: RelationId,
    /// The relations that it reads.
    pub(crate) sources: Vec<RelationId>,
    /// 0 if it reads tables only, else one more than the deepest view that it reads.
    pub(crate) depth: usize,
    pub(crate) dataflow: ViewDataflow,
    /// Whether backfill may be cut into several ticks.
    pub(crate) divisible: bool,
    types: Arc<[DataType]>,
    store: ZSetRelation,
    snapshot: RelationSnapshot,
    /// The errors of its own operators, with their weights.
    errors: BTreeMap<SqlError, i64>,
    /// What reading it raises: the least of its errors and of those of the views that it reads.
    pub(crate) error: Option<SqlError>,
}

/// What a tick did to a view.
pub(crate) struct ViewChange {
    /// As views that read it see it: nothing if its rows stayed, and more than one, one after the other, if the change
    /// is too large for a batch.
    pub(crate) deltas: Vec<SourceDelta>,
    pub(crate) rows_touched: u64,
}

/// The relations that a plan reads, each once.
pub(crate) fn sources_of(plan: &Plan) -> Vec<RelationId> {
    let read = plan.nodes.iter().filter_map(|node| match node.operator {
        Operator::Source { relation, .. } => Some(relation),
        _ => None,
    });
    read.collect::<BTreeSet<_>>().into_iter().collect()
}

impl HostedView {
    pub(crate) fn new(install: &ViewInstall, depth: usize, dataflow: ViewDataflow) -> Self {
        let types: Arc<[DataType]> = install.types.clone().into();
        let store = ZSetRelation::new(Arc::clone(&types), install.key.clone());
        let snapshot = store.snapshot();
        // In the middle of a backfill a negated input may outweigh what it will be taken from.
        let divisible = !install.plan.nodes.iter().any(|node| matches!(node.operator, Operator::Negate));
        Self {
            id: install.id,
            sources: sources_of(&install.plan),
            depth,
            dataflow,
            divisible,
            types,
            store,
            snapshot,
            errors: BTreeMap::new(),
            error: None,
        }
    }

    /// The result as of the last tick.
    pub(crate) fn snapshot(&self) -> &RelationSnapshot {
        &self.snapshot
    }

    /// The result as of the last tick, for readers.
    pub(crate) fn report(&self) -> ViewSnapshot {
        ViewSnapshot { rows: self.snapshot.clone(), error: self.error.clone() }
    }

    /// The least of the view's own errors.
    pub(crate) fn own_error(&self) -> Option<&SqlError> {
        self.errors.keys().next()
    }

    /// Applies what the tick, which is through, has made.
    pub(crate) fn finish_tick(&mut self) -> Result<ViewChange, String> {
        let Tick { mut result, rows_touched, failure, .. } = self.dataflow.take_tick();
        if let Some(failure) = failure {
            return Err(self.broken(&failure));
        }
        for (error, weight) in std::mem::take(&mut result.errors) {
            self.add_error(error, weight);
        }
        let deltas = self.apply(result)?;
        let produced: usize = deltas.iter().map(|change| change.delta.rows.rows).sum();
        let produced = u64::try_from(produced).expect("usize fits u64");
        Ok(ViewChange { deltas, rows_touched: rows_touched + produced })
    }

    fn apply(&mut self, result: Delta) -> Result<Vec<SourceDelta>, String> {
        if result.is_empty() {
            return Ok(vec![]);
        }
        let parts = result.consolidated_parts(&self.types).map_err(|error| self.broken(&error.to_string()))?;
        let mut changes = vec![];
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let (delta, moves) = self.store.apply(&part).map_err(|error| self.broken(&error.to_string()))?;
            let after = self.store.snapshot();
            let before = std::mem::replace(&mut self.snapshot, after.clone());
            changes.push(SourceDelta { delta, moves, before, after });
        }
        Ok(changes)
    }

    fn add_error(&mut self, error: SqlError, weight: i64) {
        match self.errors.entry(error) {
            Entry::Vacant(entry) if weight != 0 => {
                entry.insert(weight);
            }
            Entry::Vacant(_) => {}
            Entry::Occupied(mut entry) => {
                *entry.get_mut() = entry.get().saturating_add(weight);
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    fn broken(&self, problem: &str) -> String {
        format!("the view with id {} cannot be maintained: {problem}", self.id)
    }
}
