//! Where a query's relations come from: a state, the transaction's own changes over it, the system relations.

use super::transaction::Transaction;
use crate::change::{KeyedRows, NetChange, net_change};
use crate::table::TableShape;
use crate::visible::State;
use headwater_arrange::RelationSnapshot;
use headwater_catalog::{Catalog, SystemContext};
use headwater_compute::local::{SourceInput, SourceProvider};
use headwater_types::{Batch, DeltaBatch, RelationId, Result, SqlError, SqlState};

/// The relations as one statement sees them.
pub(crate) struct Sources<'a> {
    pub state: &'a State,
    pub catalog: &'a Catalog,
    pub transaction: Option<&'a Transaction>,
    pub system: SystemContext<'a>,
}

impl SourceProvider for Sources<'_> {
    fn source(&self, relation: RelationId) -> Result<SourceInput> {
        if let Some(system) = headwater_catalog::system_relation(relation) {
            return Ok(SourceInput::Rows(system.batch(self.catalog, &self.system)));
        }
        let state = self.state.relations.get(&relation);
        if let Some(error) = state.and_then(|state| state.error.clone()) {
            return Err(error);
        }
        let ops = self.transaction.map_or(&[][..], |transaction| transaction.writes(relation));
        if ops.is_empty()
            && let Some(state) = state
        {
            return Ok(SourceInput::Stored { parts: state.parts.clone(), overlay: None });
        }
        let table = self.catalog.table(relation).ok_or_else(|| {
            SqlError::new(SqlState::UndefinedTable, format!("relation with OID {relation} does not exist"))
        })?;
        let shape = TableShape::new(table);
        let net = overlay(&shape, ops, self.state)?;
        let snapshot = state.and_then(|state| state.parts.first().cloned());
        let snapshot = snapshot.unwrap_or_else(|| RelationSnapshot::empty(shape.types.clone()));
        let overlay = overlay_delta(&snapshot, net)?;
        Ok(SourceInput::Stored { parts: vec![snapshot], overlay: Some(overlay) })
    }
}

/// A net change as the change of the snapshot that it is over: deletions carry their row ids.
fn overlay_delta(snapshot: &RelationSnapshot, net: NetChange) -> Result<DeltaBatch> {
    let deleted = snapshot.gather_rows(&net.deleted)?;
    let mut weights = vec![-1; deleted.rows];
    weights.resize(deleted.rows + net.inserted.rows, 1);
    let mut row_ids = net.deleted;
    // An insertion has no place in the snapshot; its id is not looked at.
    row_ids.resize(weights.len(), u32::MAX);
    let mut delta = DeltaBatch::new(Batch::concat(&[deleted, net.inserted]), weights);
    delta.row_ids = Some(row_ids);
    Ok(delta)
}

/// What a transaction's operations come to over a state.
///
/// # Errors
///
/// 40001 if another transaction has changed a row that this one has.
pub(crate) fn overlay(shape: &TableShape, ops: &[crate::change::TableOp], state: &State) -> Result<NetChange> {
    match state.relations.get(&shape.id).and_then(|state| state.parts.first()) {
        Some(snapshot) => net_change(shape, ops, snapshot),
        None => net_change(shape, ops, &shape.empty_rows()),
    }
}
