//! Rows ahead of their commit: a long COPY is applied while its rows still come.
//!
//! ```text
//! session   parse a batch ─▶ parse the next ─▶ …                                 ─▶ COMMIT
//!                └─▶ engine  tables, a piece for the views ─▶ the next ─▶ …           └─▶ the rest, the log, a mark
//!                               └─ another commit comes: all of it is taken back, and applied whole at COMMIT
//! ```
//!
//! What is ahead is in the engine's tables and in the views' operators. It is not in the log, and not in any state that
//! reads get: those are made at marks, and there is no mark while rows are ahead.
//!
//! # Invariants
//!
//! 1. One transaction at most is ahead, and nothing is committed meanwhile: what else would be takes it back first.
//! 2. The step of what was committed before is closed before the first row is ahead.
//! 3. Taking back is a change like any other, batch by batch from the last: what came goes, what went comes. Tables and
//!    views then hold the rows that they held before.
//! 4. The transaction keeps its operations; it commits the same whether or not some of them were ahead.
//!
//! Being taken back costs as much as getting ahead did, so that after it some transactions do not try, twice as many each
//! time.

use crate::change::{KeyedRows, NetChange, TableOp, overwrite};
use crate::commit::{CommitRequest, Committer, Request};
use crate::record::{CommitBody, TableWrite};
use crossbeam_channel::Sender;
use headwater_types::{Batch, Equality, RelationId, Result, hash_keys};

/// Batches that may be ahead: what taking back costs at most.
const AHEAD_BATCHES_MAX: usize = 128;
/// Being taken back keeps at most two to this power of transactions from trying.
const PAUSE_BITS_MAX: u32 = 6;

/// A transaction's first inserts into a table, one of them.
pub(crate) struct AheadBatch {
    /// The transaction.
    pub transaction: i64,
    /// The place of the operation among the transaction's operations on the table.
    pub place: usize,
    pub table: RelationId,
    pub rows: Batch,
    /// Whether a key that exists is an error.
    pub unique: bool,
}

/// A session's side: its transaction's rows that were given to the engine. Dropped, it takes them back.
#[derive(Debug)]
pub(crate) struct AheadRows {
    transaction: i64,
    table: RelationId,
    batches: usize,
    requests: Sender<Request>,
}

/// What is ahead.
pub(crate) struct Ahead {
    transaction: i64,
    table: RelationId,
    written: Vec<TableWrite>,
    done: Vec<Done>,
}

/// One batch that is ahead.
struct Done {
    /// The keys of the rows that came.
    keys: Batch,
    /// The rows that went, whole.
    gone: Batch,
}

/// Whether it pays to get ahead.
#[derive(Default)]
pub(crate) struct Pause {
    /// How often in a row transactions were taken back, as a power of two.
    bits: u32,
    /// Transactions that are not to try.
    left: u32,
}

impl AheadRows {
    /// Before the first batch.
    pub fn new(transaction: i64, table: RelationId, requests: Sender<Request>) -> Self {
        Self { transaction, table, batches: 0, requests }
    }

    /// The transaction's name towards the engine.
    pub fn transaction(&self) -> i64 {
        self.transaction
    }

    /// Gives the engine the operation that is at `place` among those on `table`, if all before it were given.
    pub fn give(&mut self, place: usize, table: RelationId, rows: &Batch, unique: bool) {
        if table == self.table && place == self.batches {
            self.batches += 1;
            let batch = AheadBatch { transaction: self.transaction, place, table, rows: rows.clone(), unique };
            // An engine that has stopped says so at COMMIT.
            let _ = self.requests.send(Request::Ahead(batch));
        }
    }
}

impl Drop for AheadRows {
    fn drop(&mut self) {
        // Nothing is left to take back where the engine has stopped.
        let _ = self.requests.send(Request::TakeBack(self.transaction));
    }
}

impl Pause {
    /// Whether a transaction that would begin to get ahead may.
    fn is_over(&mut self) -> bool {
        let over = self.left == 0;
        self.left = self.left.saturating_sub(1);
        over
    }

    fn lengthen(&mut self) {
        self.bits = (self.bits + 1).min(PAUSE_BITS_MAX);
        self.left = 1 << self.bits;
    }
}

impl Committer {
    /// Whether this transaction is ahead.
    pub fn is_ahead(&self, transaction: i64) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.transaction == transaction)
    }

    /// Applies a batch, if its transaction is the one that is ahead or may be.
    ///
    /// # Errors
    ///
    /// Those of a change that no table has room for.
    pub fn get_ahead(&mut self, batch: AheadBatch) -> Result<()> {
        if batch.place == 0 && self.ahead.is_none() && self.tables.contains_key(&batch.table) && self.pause.is_over() {
            self.queue.close(&self.tables);
            let AheadBatch { transaction, table, .. } = batch;
            self.ahead = Some(Ahead { transaction, table, written: vec![], done: vec![] });
        }
        let next = self.ahead.as_ref().map(|ahead| (ahead.transaction, ahead.table, ahead.done.len()));
        if next != Some((batch.transaction, batch.table, batch.place)) || batch.place >= AHEAD_BATCHES_MAX {
            return Ok(());
        }
        let shape = &self.shapes[&batch.table];
        let table = &self.tables[&batch.table];
        let change = overwrite(shape, &batch.rows, table)?;
        if batch.unique && (!change.deleted.is_empty() || change.inserted.rows < batch.rows.rows) {
            // COMMIT will say which key it is.
            return self.take_back();
        }
        let done = Done { keys: change.inserted.project(&shape.key), gone: table.gather_rows(&change.deleted)? };
        let (epoch, now_micros) = self.next_epoch();
        let mut written = vec![];
        self.apply_change(epoch, now_micros, batch.table, change, &mut written)?;
        let ahead = self.ahead.as_mut().expect("just seen");
        ahead.written.extend(written);
        ahead.done.push(done);
        self.send_complete_pieces();
        Ok(())
    }

    /// Makes way for another commit.
    ///
    /// # Errors
    ///
    /// As [`Committer::take_back`].
    pub fn make_way(&mut self) -> Result<()> {
        if self.ahead.is_some() {
            self.pause.lengthen();
        }
        self.take_back()
    }

    /// Undoes what is ahead.
    ///
    /// # Errors
    ///
    /// Those of a change that no table has room for: the database cannot go on.
    pub fn take_back(&mut self) -> Result<()> {
        let Some(ahead) = self.ahead.take() else { return Ok(()) };
        let (epoch, now_micros) = self.next_epoch();
        for done in ahead.done.into_iter().rev() {
            let shape = &self.shapes[&ahead.table];
            let hashes = hash_keys(&done.keys.columns, &shape.key_types, done.keys.rows, Equality::Sql);
            let came = self.tables[&ahead.table].find_rows(&done.keys.columns, &hashes)?;
            let change = NetChange { deleted: came.into_iter().flatten().collect(), inserted: done.gone };
            self.apply_change(epoch, now_micros, ahead.table, change, &mut vec![])?;
            self.send_complete_pieces();
        }
        // If nothing follows, the step ends where the last commit left the rows.
        self.queue.build(self.epoch, self.now_micros);
        Ok(())
    }

    /// Commits the transaction that is ahead, as a group of its own.
    ///
    /// # Errors
    ///
    /// As for any group.
    pub fn commit_ahead(&mut self, request: CommitRequest) -> Result<()> {
        let ahead = self.ahead.as_ref().expect("the caller has looked");
        let (table, applied) = (ahead.table, ahead.done.len());
        let left = |(id, ops): &(RelationId, Vec<TableOp>)| {
            let ops = if *id == table { &ops[applied..] } else { ops };
            (*id, ops.to_vec())
        };
        let left: Vec<_> = request.changes.writes.iter().map(left).filter(|(_, ops)| !ops.is_empty()).collect();
        let planned = match self.plan_writes(&left) {
            Ok(planned) => planned,
            Err(error) => {
                self.take_back()?;
                request.refuse(error);
                return Ok(());
            }
        };
        let Some(ahead) = self.ahead.take() else { return Ok(()) };
        self.pause = Pause::default();
        let (epoch, now_micros) = self.next_epoch();
        self.queue.build(epoch, now_micros);
        let mut body = CommitBody { changes: vec![], writes: ahead.written };
        body.writes.extend(self.apply(epoch, now_micros, planned)?);
        let acknowledgement = request.acknowledgement(epoch);
        self.log(epoch, now_micros, &mut body)?;
        self.acknowledge(epoch, true, vec![acknowledgement]);
        Ok(())
    }
}
