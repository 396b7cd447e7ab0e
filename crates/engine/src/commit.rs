//! The engine thread: the one writer of tables, catalog and log.
//!
//! ```text
//! sessions ─ requests ─▶ engine thread ─ record ─▶ log file ─▶ sync thread ─▶ acknowledged
//!                          │ one epoch per group
//!                          └─ steps ─▶ views (compute) ─▶ marks ─▶ visible
//! ```
//!
//! Requests that wait are committed as one group under one epoch; a request with DDL is a group of its own, and so is one
//! whose rows are ahead of it ([`crate::ahead`]).
//!
//! # Invariants
//!
//! 1. A request is checked whole before any of it is applied; one that fails changes nothing.
//! 2. What is applied is logged before the next group; a log that cannot be written ends the database.
//! 3. The views' lag is bounded: beyond [`VIEW_LAG_BYTES_MAX`] commits wait.

use crate::ahead::{Ahead, AheadBatch, Pause};
use crate::builds::{Builds, Claim};
use crate::change::{NetChange, TableOp, net_change, overwrite, overwriting_batches};
use crate::record::{CommitBody, StoredBatch, TableWrite};
use crate::session::transaction::Changes;
use crate::step::{FinishedStep, HELD_MILLIS_MAX, STEPS_IN_FLIGHT_MAX, StepBuilder};
use crate::sync::{Acknowledgement, SyncRequest};
use crate::table::TableShape;
use crate::visible::{PendingMark, Visible};
use crossbeam_channel::{Receiver, Sender, select_biased};
use headwater_arrange::KeyedRelation;
use headwater_catalog::Catalog;
use headwater_compute::runtime::{Build, BuildId, OperatorMemory, Runtime, Step};
use headwater_storage::LogWriter;
use headwater_types::{Batch, Epoch, RelationId, Result, SqlError, SqlState};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Requests committed as one group at most.
const GROUP_REQUESTS_MAX: usize = 256;
/// Memory of the changes that the views have not taken yet, in bytes, beyond which commits wait.
pub(crate) const VIEW_LAG_BYTES_MAX: usize = 512 << 20;

/// What sessions ask of the engine thread.
pub(crate) enum Request {
    Commit(CommitRequest),
    /// Rows of a transaction that is not yet to be committed.
    Ahead(AheadBatch),
    /// The transaction of this name will not be committed, or has been.
    TakeBack(i64),
}

/// A transaction to commit.
pub(crate) struct CommitRequest {
    pub changes: Changes,
    /// `synchronous_commit`: answer after the log is synced.
    pub synchronous: bool,
    pub reply: Sender<Result<Epoch>>,
    /// For a request that takes long: it can be withdrawn.
    pub claim: Option<Arc<Claim>>,
}

/// A checked change of one table.
pub(crate) enum Planned {
    /// Computed whole.
    Net(NetChange),
    /// Insertions that overwrite: batch by batch, each over what the one before left.
    Overwrite(Vec<Batch>),
}

/// A request's checked changes, by table.
pub(crate) type PlannedWrites = Vec<(RelationId, Planned)>;

pub(crate) fn plan_write(shape: &TableShape, ops: &[TableOp], rows: &KeyedRelation) -> Result<Planned> {
    Ok(match overwriting_batches(ops) {
        Some(batches) => Planned::Overwrite(batches),
        None => Planned::Net(net_change(shape, ops, rows)?),
    })
}

/// What the engine thread hears from elsewhere than sessions.
pub(crate) enum Event {
    /// The views have reached a mark.
    Mark,
    /// Somebody waits for what is held back.
    Wanted,
    /// Somebody wants to know what the views' operators keep.
    Describe(Sender<OperatorMemory>),
    /// New views have caught up, or why they cannot.
    Built(BuildId, Result<()>),
    /// A session does not wait any more for a request.
    Withdrawn,
    /// Stop after what has been received.
    Shutdown,
}

/// The engine thread's own state.
pub(crate) struct Committer {
    pub tables: BTreeMap<RelationId, KeyedRelation>,
    pub shapes: BTreeMap<RelationId, Arc<TableShape>>,
    pub catalog: Arc<Catalog>,
    pub epoch: Epoch,
    pub now_micros: i64,
    pub log: LogWriter,
    pub runtime: Runtime,
    pub visible: Arc<Visible>,
    pub sync: Sender<SyncRequest>,
    /// The sync thread has been asked to write what nobody waits for, and has not begun.
    pub relaxed: Arc<AtomicBool>,
    pub clock: fn() -> i64,
    pub queue: StepQueue,
    pub ahead: Option<Ahead>,
    pub pause: Pause,
    pub builds: Builds,
}

/// What waits for the views.
pub(crate) enum Queued {
    /// Views to build over the tables as the step before has left them.
    Build(Build),
    Step(FinishedStep),
}

/// What waits for the views, in order.
#[derive(Default)]
pub(crate) struct StepQueue {
    building: Option<StepBuilder>,
    finished: VecDeque<Queued>,
    in_flight: usize,
    /// Until when the step in the making is held back.
    held_until: Option<Instant>,
    /// It is not held back any longer.
    hurried: bool,
}

impl Committer {
    /// Serves until shutdown or until the log fails.
    pub fn run(mut self, requests: &Receiver<Request>, events: &Receiver<Event>) {
        let never = crossbeam_channel::never();
        loop {
            let lag = self.queue.bytes() + self.builds.held_bytes();
            let open = if lag > VIEW_LAG_BYTES_MAX { &never } else { requests };
            let due = self.queue.held_until.map_or_else(crossbeam_channel::never, crossbeam_channel::at);
            let outcome = select_biased! {
                recv(events) -> event => match event {
                    Ok(Event::Mark) => {
                        self.queue.in_flight -= 1;
                        self.send_steps();
                        Ok(())
                    }
                    Ok(Event::Wanted) => {
                        self.hurry();
                        Ok(())
                    }
                    Ok(Event::Describe(reply)) => {
                        self.runtime.describe(reply);
                        Ok(())
                    }
                    Ok(Event::Built(build, outcome)) => self.end_build(build, outcome),
                    Ok(Event::Withdrawn) => self.drop_withdrawn(),
                    Ok(Event::Shutdown) | Err(_) => {
                        if self.visible.fatal().is_none() {
                            self.commit_rest(requests);
                        }
                        return;
                    }
                },
                recv(due) -> _ => {
                    self.hurry();
                    Ok(())
                }
                recv(open) -> request => match request {
                    Ok(first) => self.serve(first, requests),
                    Err(_) => return,
                },
            };
            if let Err(error) = outcome {
                self.visible.fail(&error.message);
                return;
            }
        }
    }

    /// Commits what was asked for before the shutdown.
    fn commit_rest(&mut self, requests: &Receiver<Request>) {
        while let Ok(request) = requests.try_recv() {
            if let Err(error) = self.serve(request, requests) {
                self.visible.fail(&error.message);
                return;
            }
        }
    }

    /// Does what is asked, and commits those that wait behind it.
    fn serve(&mut self, first: Request, requests: &Receiver<Request>) -> Result<()> {
        let mut group = vec![];
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Commit(request) if !self.is_alone(&request) => {
                    self.make_way()?;
                    group.push(request);
                    next = if group.len() < GROUP_REQUESTS_MAX { requests.try_recv().ok() } else { None };
                }
                other => {
                    self.commit_group(std::mem::take(&mut group))?;
                    self.serve_alone(other)?;
                    next = None;
                }
            }
        }
        self.commit_group(group)?;
        self.send_steps();
        Ok(())
    }

    /// Whether a request is a group of its own.
    fn is_alone(&self, request: &CommitRequest) -> bool {
        let is_ahead = request.changes.ahead.as_ref().is_some_and(|rows| self.is_ahead(rows.transaction()));
        is_ahead || !request.changes.changes.is_empty()
    }

    fn serve_alone(&mut self, request: Request) -> Result<()> {
        match request {
            Request::Ahead(batch) => self.get_ahead(batch),
            Request::TakeBack(transaction) if self.is_ahead(transaction) => self.take_back(),
            Request::TakeBack(_) => Ok(()),
            Request::Commit(request) if request.changes.changes.is_empty() => self.commit_ahead(request),
            Request::Commit(request) => {
                self.make_way()?;
                self.serve_ddl(request)
            }
        }
    }

    fn commit_group(&mut self, group: Vec<CommitRequest>) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let mut body = CommitBody::default();
        let mut acknowledgements = vec![];
        let (epoch, now_micros) = self.next_epoch();
        for request in group {
            match self.plan_writes(&request.changes.writes) {
                Err(error) => request.refuse(error),
                Ok(planned) => {
                    let written = self.apply(epoch, now_micros, planned)?;
                    let epoch = if written.is_empty() { self.epoch } else { epoch };
                    body.writes.extend(written);
                    acknowledgements.push(request.acknowledgement(epoch));
                }
            }
        }
        if body.writes.is_empty() {
            self.acknowledge(self.epoch, false, acknowledgements);
            return Ok(());
        }
        self.log(epoch, now_micros, &mut body)?;
        self.acknowledge(epoch, true, acknowledgements);
        Ok(())
    }

    /// What a request comes to, if all of it can be applied.
    pub fn plan_writes(&self, writes: &[(RelationId, Vec<TableOp>)]) -> Result<PlannedWrites> {
        let plan = |(table, ops): &(RelationId, Vec<TableOp>)| {
            let rows = self.tables.get(table).ok_or_else(|| table_is_gone(*table))?;
            Ok((*table, plan_write(&self.shapes[table], ops, rows)?))
        };
        writes.iter().map(plan).collect()
    }

    /// Applies a request to the tables and to the step in the making; returns what to log.
    pub fn apply(&mut self, epoch: Epoch, now_micros: i64, planned: PlannedWrites) -> Result<Vec<TableWrite>> {
        let mut written = vec![];
        for (table, plan) in planned {
            match plan {
                Planned::Net(change) => self.apply_change(epoch, now_micros, table, change, &mut written)?,
                Planned::Overwrite(batches) => {
                    for batch in batches {
                        let change = overwrite(&self.shapes[&table], &batch, &self.tables[&table])?;
                        self.apply_change(epoch, now_micros, table, change, &mut written)?;
                        self.send_complete_pieces();
                    }
                }
            }
        }
        Ok(written)
    }

    /// Applies a change, in parts where it is too large for one batch.
    pub fn apply_change(
        &mut self,
        epoch: Epoch,
        now_micros: i64,
        table: RelationId,
        change: NetChange,
        written: &mut Vec<TableWrite>,
    ) -> Result<()> {
        let mut parts = vec![change];
        while let Some(part) = parts.pop() {
            match self.apply_part(epoch, now_micros, table, &part, written) {
                Err(error) if error.state == SqlState::ProgramLimitExceeded => {
                    let (first, second) = part.halves().ok_or(error)?;
                    parts.extend([second, first]);
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn apply_part(
        &mut self,
        epoch: Epoch,
        now_micros: i64,
        table: RelationId,
        change: &NetChange,
        written: &mut Vec<TableWrite>,
    ) -> Result<()> {
        if change.deleted.is_empty() && change.inserted.is_empty() {
            return Ok(());
        }
        let shape = &self.shapes[&table];
        let relation = self.tables.get_mut(&table).expect("the table was checked");
        let deleted_keys = Batch::new(relation.gather(&change.deleted, &shape.key)?, change.deleted.len());
        let applied = relation.apply(&change.deleted, &change.inserted)?;
        let after = relation.rows_snapshot();
        written.push(TableWrite {
            table,
            deleted_keys: StoredBatch::store(&deleted_keys),
            inserted: StoredBatch::store(&change.inserted),
        });
        self.queue.build(epoch, now_micros).add(table, applied, after);
        Ok(())
    }

    pub fn next_epoch(&self) -> (Epoch, i64) {
        (self.epoch.next(), (self.clock)().max(self.now_micros + 1))
    }

    pub fn log(&mut self, epoch: Epoch, now_micros: i64, body: &mut CommitBody) -> Result<()> {
        let body = body.encode()?;
        self.log
            .append(epoch, now_micros, body)
            .map_err(|error| SqlError::new(SqlState::IoError, format!("the log cannot be written: {error}")))?;
        self.epoch = epoch;
        self.now_micros = now_micros;
        Ok(())
    }

    pub fn acknowledge(&self, epoch: Epoch, wrote: bool, acknowledgements: Vec<Acknowledgement>) {
        let (strict, relaxed): (Vec<_>, Vec<_>) = acknowledgements.into_iter().partition(|a| a.synchronous);
        if wrote && strict.is_empty() {
            self.visible.relax(epoch);
        }
        let told = !relaxed.is_empty();
        for acknowledgement in relaxed {
            acknowledgement.tell(&self.visible);
        }
        // One request writes all that is logged before it is served.
        if !strict.is_empty() || (told && wrote && !self.relaxed.swap(true, Ordering::SeqCst)) {
            // The sync thread ends only after this one, or when the log has failed and sessions are told so anyway.
            let _ = self.sync.send(SyncRequest { epoch, waiting: strict });
        }
    }

    /// Sends the views what of a large commit is complete, so that they work on it while the rest is applied. It is not
    /// yet logged, nor can it be read before the mark; and after it was applied only a failure that ends the database
    /// can keep it from being logged.
    pub fn send_complete_pieces(&mut self) {
        if !self.queue.finished.is_empty() {
            return;
        }
        let Some(step) = &mut self.queue.building else { return };
        let (epoch, now_micros) = (step.epoch, step.now_micros);
        for deltas in step.take_complete_pieces() {
            self.visible.expect_part();
            self.runtime.step(Step { epoch, now_micros, deltas });
        }
    }

    /// Sends the views as many steps as they may have, and what is ahead of the next.
    pub fn send_steps(&mut self) {
        self.send_closed_steps();
        if self.ahead.is_some() {
            self.send_complete_pieces();
        }
    }

    /// Sends what is held back.
    fn hurry(&mut self) {
        self.queue.hurried = true;
        self.queue.held_until = None;
        self.send_steps();
    }

    /// Whether the step in the making is held back for what follows.
    fn holds(&mut self) -> bool {
        let rows = self.queue.building.as_ref().map_or(0, StepBuilder::rows);
        let holds = !self.queue.hurried && self.visible.hold(rows);
        if holds {
            self.queue.held_until.get_or_insert_with(|| Instant::now() + Duration::from_millis(HELD_MILLIS_MAX));
        }
        holds
    }

    fn send_closed_steps(&mut self) {
        while self.queue.in_flight < STEPS_IN_FLIGHT_MAX {
            if self.queue.finished.is_empty() && self.ahead.is_none() {
                if self.holds() {
                    return;
                }
                self.queue.close(&self.tables);
            }
            let step = match self.queue.finished.pop_front() {
                None => return,
                Some(Queued::Build(build)) => {
                    self.runtime.build(build);
                    continue;
                }
                Some(Queued::Step(step)) => step,
            };
            self.queue.in_flight += 1;
            if let Some(build) = step.attach {
                self.visible.expect_part();
                self.runtime.attach(build, step.epoch);
            }
            if !step.dropped.is_empty() {
                self.runtime.drop_views(step.dropped.clone());
            }
            let mut pieces = step.pieces;
            let last = pieces.pop().expect("a step has a piece");
            for deltas in pieces {
                self.visible.expect_part();
                self.runtime.step(Step { epoch: step.epoch, now_micros: step.now_micros, deltas });
            }
            self.visible.expect_mark(PendingMark {
                epoch: step.epoch,
                now_micros: step.now_micros,
                catalog: step.catalog,
                tables: step.tables,
                dropped: step.dropped,
            });
            self.runtime.step(Step { epoch: step.epoch, now_micros: step.now_micros, deltas: last });
        }
    }
}

impl StepQueue {
    /// The next step begins as this one.
    pub fn begin(&mut self, step: StepBuilder) {
        debug_assert!(self.building.is_none(), "the step before is closed");
        self.building = Some(step);
    }

    /// Sends this behind what waits.
    pub fn push(&mut self, queued: Queued) {
        self.finished.push_back(queued);
    }

    /// Does not send a build that waits.
    pub fn forget_build(&mut self, id: BuildId) {
        self.finished.retain(|queued| !matches!(queued, Queued::Build(build) if build.id == id));
    }

    /// The step in the making, which now ends with this epoch.
    pub fn build(&mut self, epoch: Epoch, now_micros: i64) -> &mut StepBuilder {
        let step = self.building.get_or_insert_with(|| StepBuilder::new(epoch, now_micros));
        step.epoch = epoch;
        step.now_micros = now_micros;
        step
    }

    pub fn close(&mut self, tables: &BTreeMap<RelationId, KeyedRelation>) {
        self.hurried = false;
        self.held_until = None;
        if let Some(step) = self.building.take() {
            self.finished.push_back(Queued::Step(step.finish(tables)));
        }
    }

    fn bytes(&self) -> usize {
        self.building.as_ref().map_or(0, StepBuilder::bytes) + self.finished.iter().map(Queued::bytes).sum::<usize>()
    }
}

impl Queued {
    fn bytes(&self) -> usize {
        match self {
            Self::Build(_) => 0,
            Self::Step(step) => step.bytes,
        }
    }
}

impl CommitRequest {
    pub fn refuse(self, error: SqlError) {
        // The session may be gone.
        let _ = self.reply.send(Err(error));
    }

    pub fn acknowledgement(&self, epoch: Epoch) -> Acknowledgement {
        Acknowledgement { epoch, reply: self.reply.clone(), synchronous: self.synchronous }
    }
}

pub(crate) fn table_is_gone(table: RelationId) -> SqlError {
    SqlError::new(
        SqlState::SerializationFailure,
        format!("could not serialize access: relation with OID {table} was dropped"),
    )
}
