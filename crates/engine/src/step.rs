//! Steps: the epochs' changes, gathered for the views.
//!
//! ```text
//! changes of a table, in order ──▶ pieces: [small ones put together] [large one] … ──▶ the views, one piece at a time
//!                                  only the last piece of a step is a mark
//! ```
//!
//! While the views work on a step, further epochs accumulate into the next; so an idle system steps every epoch and a
//! busy one many epochs at once. DDL is a step of its own. A large step reaches the views in pieces, so that what they
//! work on fits the cache; nobody can read between the pieces.
//!
//! A step costs the views an update of every group that it touches, so that many small steps cost several times what one
//! does. A step is therefore held back for what follows, as long as nobody waits to read it and for [`HELD_MILLIS_MAX`] at
//! most: [`is_held`].
//!
//! # Invariants
//!
//! 1. Steps are sent in epoch order, at most [`STEPS_IN_FLIGHT_MAX`] at a time.
//! 2. Within a piece a row id is inserted or deleted, not both: a row that came and went is left out.
//! 3. A change whose rows have moved ends its piece.
//! 4. Each piece takes the table from where the one before left it.

use headwater_arrange::{AppliedDelta, KeyedRelation, Moves, RelationSnapshot, batch_bytes};
use headwater_catalog::Catalog;
use headwater_compute::runtime::BuildId;
use headwater_dataflow::SourceDelta;
use headwater_types::{DeltaBatch, Epoch, RelationId};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

/// Steps that the views may have before them, so that they need not wait for the engine's next turn.
pub(crate) const STEPS_IN_FLIGHT_MAX: usize = 2;

/// Rows of a step, below which it is held back only among commits that nobody reads: else it is somebody's single commit,
/// which the views show by the time that it is read.
const HELD_ROWS_MIN: usize = 256;
/// Rows of a step, from which on it is not held back: what a reader may have to wait for.
const HELD_ROWS_MAX: usize = 8192;
/// Marks that nobody has waited for, after which commits count as not read.
const UNREAD_MARKS_MIN: u32 = 16;
/// Rows of a step among commits that nobody reads, from which on it is not held back.
const UNREAD_ROWS_MAX: usize = 65_536;
/// How long a step that nobody waits for is held back.
pub(crate) const HELD_MILLIS_MAX: u64 = 100;

/// Whether a step of so many rows is held back, when nobody has waited for the last `unread` marks.
pub(crate) fn is_held(rows: usize, unread: u32) -> bool {
    match unread {
        UNREAD_MARKS_MIN.. => (1..UNREAD_ROWS_MAX).contains(&rows),
        _ => (HELD_ROWS_MIN..HELD_ROWS_MAX).contains(&rows),
    }
}

/// Rows in a piece, from which on it is not put together with what follows. A piece costs the views an update of every
/// group that it touches, so that it should not be small; nor should it be out of proportion to the cache.
const PIECE_ROWS_MIN: usize = 65_536;

/// Bytes of the changes that are put together into a piece.
const PIECE_BYTES_MAX: usize = 256 << 20;

/// One table's change in a piece.
#[derive(Debug)]
struct Piece {
    after: RelationSnapshot,
    batches: Vec<DeltaBatch>,
    rows: usize,
    bytes: usize,
    moves: Option<Moves>,
}

/// The relations' changes that the views take at once.
pub(crate) type Deltas = Vec<(RelationId, SourceDelta)>;

/// A step in the making.
#[derive(Debug)]
pub(crate) struct StepBuilder {
    pub epoch: Epoch,
    pub now_micros: i64,
    tables: BTreeMap<RelationId, VecDeque<Piece>>,
    /// Tables that have changed, those included whose changes the views have already.
    changed: BTreeSet<RelationId>,
    bytes: usize,
    /// DDL: the catalog after it, the views it makes, the relations it drops.
    pub catalog: Option<Arc<Catalog>>,
    pub attach: Option<BuildId>,
    pub dropped: Vec<RelationId>,
    /// New tables.
    pub created: Vec<RelationId>,
}

/// A finished step: what the views get, and the snapshots that reads get.
#[derive(Debug)]
pub(crate) struct FinishedStep {
    pub epoch: Epoch,
    pub now_micros: i64,
    /// At least one; the last is the mark.
    pub pieces: Vec<Deltas>,
    pub tables: Vec<(RelationId, RelationSnapshot)>,
    pub catalog: Option<Arc<Catalog>>,
    pub attach: Option<BuildId>,
    pub dropped: Vec<RelationId>,
    pub bytes: usize,
}

impl StepBuilder {
    pub fn new(epoch: Epoch, now_micros: i64) -> Self {
        Self {
            epoch,
            now_micros,
            tables: BTreeMap::new(),
            changed: BTreeSet::new(),
            bytes: 0,
            catalog: None,
            attach: None,
            dropped: vec![],
            created: vec![],
        }
    }

    /// Adds a change that took a table to this snapshot.
    pub fn add(&mut self, table: RelationId, applied: AppliedDelta, after: RelationSnapshot) {
        let AppliedDelta { delta, moves, .. } = applied;
        let bytes = batch_bytes(&delta.rows);
        self.bytes += bytes;
        self.changed.insert(table);
        let pieces = self.tables.entry(table).or_default();
        let rows = delta.rows.rows;
        match pieces.back_mut() {
            Some(piece)
                if piece.moves.is_none()
                    && piece.rows + rows < PIECE_ROWS_MIN
                    && piece.bytes + bytes <= PIECE_BYTES_MAX =>
            {
                piece.batches.push(delta);
                piece.rows += rows;
                piece.bytes += bytes;
                piece.after = after;
                piece.moves = moves;
            }
            _ => pieces.push_back(Piece { after, batches: vec![delta], rows, bytes, moves }),
        }
    }

    /// Rows of the changes that the views do not have yet.
    pub fn rows(&self) -> usize {
        self.tables.values().flatten().map(|piece| piece.rows).sum()
    }

    /// Memory held by the changes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The pieces that are complete before the step is: the views may begin with them.
    pub fn take_complete_pieces(&mut self) -> Vec<Deltas> {
        if self.catalog.is_some() {
            return vec![];
        }
        let mut complete = vec![];
        for (&table, pieces) in &mut self.tables {
            while pieces.len() > 1 || pieces.front().is_some_and(|piece| piece.rows >= PIECE_ROWS_MIN) {
                let piece = pieces.pop_front().expect("there is one");
                complete.push(vec![(table, piece.finish())]);
            }
        }
        if !complete.is_empty() {
            self.bytes = self.tables.values().flatten().flat_map(|p| &p.batches).map(|b| batch_bytes(&b.rows)).sum();
        }
        complete
    }

    /// Closes the step; the tables are as of its last epoch.
    pub fn finish(mut self, tables: &BTreeMap<RelationId, KeyedRelation>) -> FinishedStep {
        let mut pieces = vec![];
        loop {
            let next =
                self.tables.iter_mut().filter_map(|(&table, pieces)| Some((table, pieces.pop_front()?.finish())));
            let deltas: Deltas = next.collect();
            if deltas.is_empty() {
                break;
            }
            pieces.push(deltas);
        }
        if pieces.is_empty() {
            pieces.push(vec![]);
        }
        let readable = self.changed.iter().chain(&self.created).copied().collect::<BTreeSet<_>>();
        let snapshots = readable.into_iter().filter_map(|table| Some((table, tables.get(&table)?.snapshot())));
        FinishedStep {
            epoch: self.epoch,
            now_micros: self.now_micros,
            pieces,
            tables: snapshots.collect(),
            catalog: self.catalog,
            attach: self.attach,
            dropped: self.dropped,
            bytes: self.bytes,
        }
    }
}

impl Piece {
    fn finish(self) -> SourceDelta {
        SourceDelta { batches: vec![net(self.batches)], moves: self.moves, after: self.after }
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
