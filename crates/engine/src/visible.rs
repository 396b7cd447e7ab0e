//! What reads may see: the states of the database at its marks, and which of them is the newest durable one.
//!
//! ```text
//! engine ──▶ pending marks ─(views caught up)─▶ ready ─(log synced)─▶ current ──▶ reads
//! ```
//!
//! # Invariants
//!
//! 1. A state is immutable and whole: catalog, tables and views as of one epoch.
//! 2. `current` only moves forward, and only to a mark whose epoch is durable (or was asked not to be).
//! 3. An epoch is acknowledged only after it is durable (or was asked not to be).

use crate::commit::Event;
use crate::step::is_held;
use crossbeam_channel::Sender;
use headwater_arrange::RelationSnapshot;
use headwater_catalog::{Catalog, MemoryInfo, RelationSizes};
use headwater_compute::Interrupt;
use headwater_types::{Epoch, RelationId, Result, SqlError, SqlState};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long a wait goes before it looks whether it was interrupted.
pub(crate) const INTERRUPT_POLL: Duration = Duration::from_millis(20);

/// One relation's rows at a mark.
#[derive(Debug, Clone)]
pub(crate) struct RelationState {
    /// Its parts: one, or one per worker for a view.
    pub parts: Vec<RelationSnapshot>,
    /// The least error of a view whose SELECT would raise.
    pub error: Option<SqlError>,
}

/// The database at one mark.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub mark: Epoch,
    /// When the mark's epoch was committed.
    pub now_micros: i64,
    pub catalog: Arc<Catalog>,
    /// Shared with the states before and after: a mark makes those new that it changes.
    pub relations: HashMap<RelationId, Arc<RelationState>>,
}

impl RelationSizes for State {
    fn row_count(&self, relation: RelationId) -> u64 {
        self.relations.get(&relation).map_or(0, |state| state.parts.iter().map(|p| p.live_rows() as u64).sum())
    }

    fn byte_count(&self, relation: RelationId) -> u64 {
        self.relations.get(&relation).map_or(0, |state| state.parts.iter().map(|p| p.byte_size() as u64).sum())
    }

    fn memory(&self, relation: RelationId) -> Option<MemoryInfo> {
        let mut all = MemoryInfo::default();
        for part in &self.relations.get(&relation)?.parts {
            let memory = part.memory();
            all.columns.resize(memory.column_bytes.len(), 0);
            all.columns.iter_mut().zip(memory.column_bytes).for_each(|(sum, bytes)| *sum += bytes as u64);
            all.dead += memory.dead_bytes as u64;
            all.index += memory.index_bytes as u64;
        }
        Some(all)
    }
}

/// What a mark adds to the state before it, once the views have reached it.
#[derive(Debug)]
pub(crate) struct PendingMark {
    pub epoch: Epoch,
    pub now_micros: i64,
    /// The catalog, if this mark changes it.
    pub catalog: Option<Arc<Catalog>>,
    /// Tables that changed.
    pub tables: Vec<(RelationId, RelationSnapshot)>,
    /// Relations that went.
    pub dropped: Vec<RelationId>,
}

/// A report that the views owe.
#[derive(Debug)]
enum Pending {
    /// New views' first contents, or a piece of a step: visible with the mark that follows.
    Part,
    Mark(PendingMark),
}

struct Inner {
    pending: VecDeque<Pending>,
    /// What the parts since the last mark have changed.
    parts: HashMap<RelationId, Arc<RelationState>>,
    newest: Arc<State>,
    ready: VecDeque<Arc<State>>,
    current: Arc<State>,
    /// Every epoch up to here may be seen.
    visible: Epoch,
    /// Epochs after `visible` that need no sync of their own to be seen.
    relaxed: Vec<Epoch>,
    acknowledged: Epoch,
    /// Rows that went through the views' operators, over all steps.
    rows_touched: u64,
    /// Who waits for a state.
    waiting: usize,
    /// Marks announced since somebody waited last.
    unread: u32,
    /// The engine holds back a step.
    held: bool,
    fatal: Option<String>,
    stopped: bool,
}

/// The shared side of the commit protocol: the engine and the workers move it forward, sessions wait on it.
pub(crate) struct Visible {
    inner: Mutex<Inner>,
    changed: Condvar,
    events: Sender<Event>,
}

impl Visible {
    /// Starts from this state, which is durable.
    pub fn new(state: State, events: Sender<Event>) -> Self {
        let state = Arc::new(state);
        let inner = Inner {
            pending: VecDeque::new(),
            parts: HashMap::new(),
            newest: state.clone(),
            ready: VecDeque::new(),
            visible: state.mark,
            relaxed: vec![],
            acknowledged: state.mark,
            current: state,
            rows_touched: 0,
            waiting: 0,
            unread: 0,
            held: false,
            fatal: None,
            stopped: false,
        };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), events }
    }

    /// The newest state that may be read, without waiting.
    pub fn current(&self) -> Arc<State> {
        self.inner.lock().current.clone()
    }

    /// The state a read that starts now must see: at least everything acknowledged, and `at_least`.
    ///
    /// # Errors
    ///
    /// 57014 when interrupted; 57P02 when the database has failed.
    pub fn wait(&self, at_least: Epoch, interrupt: &Interrupt) -> Result<Arc<State>> {
        let mut inner = self.inner.lock();
        let target = inner.acknowledged.max(at_least);
        if inner.current.mark >= target {
            return Ok(inner.current.clone());
        }
        inner.waiting += 1;
        inner.unread = 0;
        if std::mem::take(&mut inner.held) {
            // The engine thread may have ended.
            let _ = self.events.send(Event::Wanted);
        }
        let state = self.wait_for(&mut inner, target, interrupt);
        inner.waiting -= 1;
        state
    }

    fn wait_for(&self, inner: &mut MutexGuard<'_, Inner>, target: Epoch, interrupt: &Interrupt) -> Result<Arc<State>> {
        loop {
            if inner.current.mark >= target {
                return Ok(inner.current.clone());
            }
            if let Some(fatal) = &inner.fatal {
                return Err(crashed(fatal));
            }
            if inner.stopped {
                return Err(stopped());
            }
            interrupt.check()?;
            self.changed.wait_for(inner, INTERRUPT_POLL);
        }
    }

    /// Whether a step of so many rows is held back: not while anybody waits. Who comes to wait while it is will say so
    /// ([`Event::Wanted`]).
    pub fn hold(&self, rows: usize) -> bool {
        let mut inner = self.inner.lock();
        inner.held = inner.waiting == 0 && is_held(rows, inner.unread);
        inner.held
    }

    /// Announces a mark that the views are about to reach. Called in epoch order.
    pub fn expect_mark(&self, mark: PendingMark) {
        let mut inner = self.inner.lock();
        inner.unread = inner.unread.saturating_add(1);
        inner.pending.push_back(Pending::Mark(mark));
    }

    /// Announces new views' first contents, or a piece of a step.
    pub fn expect_part(&self) {
        self.inner.lock().pending.push_back(Pending::Part);
    }

    /// Waits until nothing is pending: at the start, before anybody reads.
    ///
    /// # Errors
    ///
    /// 57P02 when the database has failed.
    pub fn wait_until_idle(&self) -> Result<()> {
        let mut inner = self.inner.lock();
        while !inner.pending.is_empty() || !inner.ready.is_empty() {
            if let Some(fatal) = &inner.fatal {
                return Err(crashed(fatal));
            }
            self.changed.wait_for(&mut inner, INTERRUPT_POLL);
        }
        Ok(())
    }

    /// The views have done the oldest pending thing, with these changes; whether it was a mark.
    ///
    /// # Panics
    ///
    /// If nothing, or another mark, is pending: a broken invariant of the step protocol.
    pub fn reach(&self, epoch: Epoch, views: Vec<(RelationId, Arc<RelationState>)>, rows_touched: u64) -> bool {
        let mut inner = self.inner.lock();
        inner.rows_touched = inner.rows_touched.saturating_add(rows_touched);
        let pending = match inner.pending.pop_front().expect("a report was announced") {
            Pending::Part => {
                inner.parts.extend(views);
                return false;
            }
            Pending::Mark(pending) => pending,
        };
        assert_eq!(pending.epoch, epoch, "marks are reached in the order they were announced");
        let parts = std::mem::take(&mut inner.parts);
        let mut state = State::clone(&inner.newest);
        state.mark = epoch;
        state.now_micros = pending.now_micros;
        if let Some(catalog) = pending.catalog {
            state.catalog = catalog;
        }
        for (table, snapshot) in pending.tables {
            state.relations.insert(table, Arc::new(RelationState { parts: vec![snapshot], error: None }));
        }
        state.relations.extend(parts);
        state.relations.extend(views);
        for relation in pending.dropped {
            state.relations.remove(&relation);
        }
        inner.newest = Arc::new(state);
        let newest = inner.newest.clone();
        inner.ready.push_back(newest);
        self.promote(&mut inner);
        true
    }

    /// An epoch was logged whose sessions did not ask for a sync.
    pub fn relax(&self, epoch: Epoch) {
        let mut inner = self.inner.lock();
        inner.relaxed.push(epoch);
        self.promote(&mut inner);
    }

    /// The log is synced up to `epoch`.
    pub fn synced(&self, epoch: Epoch) {
        let mut inner = self.inner.lock();
        inner.visible = inner.visible.max(epoch);
        self.promote(&mut inner);
    }

    /// A session is about to be told that `epoch` is committed.
    pub fn acknowledge(&self, epoch: Epoch) {
        let mut inner = self.inner.lock();
        inner.acknowledged = inner.acknowledged.max(epoch);
    }

    /// The database cannot go on; every wait ends.
    pub fn fail(&self, why: &str) {
        self.inner.lock().fatal.get_or_insert_with(|| why.to_owned());
        self.changed.notify_all();
    }

    /// The database was shut down: no mark follows, every wait ends.
    pub fn stop(&self) {
        self.inner.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Rows that have gone through the views' operators.
    pub fn rows_touched(&self) -> u64 {
        self.inner.lock().rows_touched
    }

    /// Why the database cannot go on.
    pub fn fatal(&self) -> Option<String> {
        self.inner.lock().fatal.clone()
    }

    fn promote(&self, inner: &mut Inner) {
        while let Some(at) = inner.relaxed.iter().position(|&e| e <= inner.visible.next()) {
            let epoch = inner.relaxed.swap_remove(at);
            inner.visible = inner.visible.max(epoch);
        }
        let mut moved = false;
        while inner.ready.front().is_some_and(|state| state.mark <= inner.visible) {
            inner.current = inner.ready.pop_front().expect("there is a front");
            moved = true;
        }
        if moved {
            self.changed.notify_all();
        }
    }
}

/// 57P01.
pub(crate) fn stopped() -> SqlError {
    SqlError::new(SqlState::AdminShutdown, "terminating connection due to administrator command")
}

/// 57P02.
pub(crate) fn crashed(why: &str) -> SqlError {
    SqlError::new(SqlState::CrashShutdown, format!("the database has stopped: {why}"))
}
