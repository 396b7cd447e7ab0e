//! Where a one-shot plan's rows come from.

use headwater_arrange::RelationSnapshot;
use headwater_types::{Batch, DeltaBatch, RelationId, Result};

/// The relations as of the statement's mark.
pub trait SourceProvider {
    /// A relation's rows. Called at most once per relation and execution.
    ///
    /// # Errors
    ///
    /// What reading the relation raises: the errors of a view, 57P03 while it is not ready.
    fn source(&self, relation: RelationId) -> Result<SourceInput>;
}

/// A relation's rows.
#[derive(Debug, Clone)]
pub enum SourceInput {
    /// A table, or a view with one part per worker; and what the transaction has done to it so far.
    Stored {
        /// The committed rows.
        parts: Vec<RelationSnapshot>,
        /// The transaction's own writes: deletions at −1, insertions at +1. Deletions with `row_ids` (of the only part)
        /// are left out of the scan; the row ids of insertions have no meaning.
        overlay: Option<DeltaBatch>,
    },
    /// Rows made for this statement: a system relation.
    Rows(Batch),
}

impl From<RelationSnapshot> for SourceInput {
    fn from(rows: RelationSnapshot) -> Self {
        Self::Stored { parts: vec![rows], overlay: None }
    }
}

/// What a scan of an input has to give besides the stored rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Overlay {
    /// Row ids that are not there any more, ascending.
    pub(super) deleted: Vec<u32>,
    /// Rows in addition.
    pub(super) extra: Option<DeltaBatch>,
    /// Whether `extra` has negative weights.
    pub(super) signed: bool,
}

impl Overlay {
    pub(super) fn new(overlay: Option<DeltaBatch>) -> Self {
        let Some(delta) = overlay.filter(|delta| !delta.is_empty()) else { return Self::default() };
        if delta.row_ids.is_none() {
            let signed = delta.weights.iter().any(|&weight| weight < 0);
            return Self { deleted: vec![], extra: Some(delta), signed };
        }
        let ids = delta.row_ids.as_deref().unwrap_or_default();
        let mut deleted: Vec<u32> =
            ids.iter().zip(&delta.weights).filter(|(_, weight)| **weight < 0).map(|(&id, _)| id).collect();
        deleted.sort_unstable();
        let inserted: Vec<u32> =
            (0_u32..).zip(&delta.weights).filter(|(_, weight)| **weight > 0).map(|(row, _)| row).collect();
        let mut extra = delta.take(&inserted);
        extra.row_ids = None;
        Self { deleted, extra: Some(extra).filter(|extra| !extra.is_empty()), signed: false }
    }

    /// A scanned batch without the deleted rows.
    pub(super) fn strip(&self, batch: DeltaBatch) -> DeltaBatch {
        let Some(ids) = batch.row_ids.as_ref().filter(|_| !self.deleted.is_empty()) else { return batch };
        let kept: Vec<u32> =
            (0_u32..).zip(ids).filter(|(_, id)| self.deleted.binary_search(id).is_err()).map(|(row, _)| row).collect();
        if kept.len() == ids.len() { batch } else { batch.take(&kept) }
    }
}
