//! An open database: its threads, its recovery, its sessions.

use crate::ahead::{AheadRows, Pause};
use crate::builds::{Builds, Claim, Shown};
use crate::commit::{CommitRequest, Committer, Event, Queued, Request, StepQueue};
use crate::record::CommitBody;
use crate::session::Session;
use crate::session::transaction::Changes;
use crate::step::StepBuilder;
use crate::table::TableShape;
use crate::views::view_install;
use crate::visible::{INTERRUPT_POLL, RelationState, State, Visible};
use crate::{Config, ConnectOptions, OpenError};
use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};
use headwater_arrange::KeyedRelation;
use headwater_catalog::{Catalog, CatalogChange, OperatorInfo, SessionInfo};
use headwater_compute::Interrupt;
use headwater_compute::runtime::{
    Build, BuildId, BuildProgress, Callbacks, MarkReport, OperatorMemory, Runtime, RuntimeConfig,
};
use headwater_storage::{DataDir, Log, OsVfs, Vfs};
use headwater_types::{Epoch, Equality, RelationId, Result, SqlError, SqlState, hash_keys};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

/// An open database. Clones share it; the last one to go does not stop it: [`Database::shutdown`] does.
#[derive(Clone)]
pub struct Database {
    pub(crate) shared: Arc<Shared>,
}

/// What sessions share.
pub(crate) struct Shared {
    pub config: Config,
    pub visible: Arc<Visible>,
    pub sessions: Mutex<HashMap<i32, Connected>>,
    pub started_micros: i64,
    /// The build that runs.
    pub build: Shown,
    requests: Sender<Request>,
    events: Sender<Event>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    next_pid: AtomicI32,
    next_row_id: AtomicI64,
    next_transaction_id: AtomicI64,
}

/// A session as others see it.
pub(crate) struct Connected {
    pub secret: i32,
    pub interrupt: Interrupt,
    /// Tells whoever holds the session that it has been ended.
    pub on_terminate: Option<Box<dyn Fn() + Send + Sync>>,
    pub info: SessionInfo,
}

/// Microseconds since 1970, by the system's clock.
pub(crate) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The database as the log gives it.
struct Recovered {
    tables: BTreeMap<RelationId, KeyedRelation>,
    shapes: BTreeMap<RelationId, Arc<TableShape>>,
    catalog: Catalog,
    epoch: Epoch,
    now_micros: i64,
    next_row_id: i64,
}

impl Database {
    /// Opens (or creates) the database in the configured directory, replays its log, rebuilds its views.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: one line that says what is wrong.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(OsVfs), config)
    }

    /// [`Database::open`] on another file system: tests simulate crashes on one that forgets what was not synced.
    ///
    /// # Errors
    ///
    /// As [`Database::open`].
    pub fn open_on(vfs: Arc<dyn Vfs>, config: Config) -> Result<Self, OpenError> {
        let directory = DataDir::open(vfs, &config.data_dir)?;
        let (log, records) = Log::open(&directory)?;
        let mut recovered = Recovered::empty();
        for record in records {
            let record = record?;
            let body = CommitBody::decode(&record.body)?;
            recovered.replay(record.epoch, record.timestamp_micros, &body)?;
        }
        Ok(Self::start(config, log, recovered)?)
    }

    fn start(config: Config, log: Log, recovered: Recovered) -> Result<Self> {
        let (requests, request_queue) = unbounded();
        let (events, event_queue) = unbounded();
        let (sync, sync_queue) = unbounded();
        let relaxed = Arc::new(AtomicBool::new(false));
        let relations = recovered
            .tables
            .iter()
            .map(|(id, table)| (*id, Arc::new(RelationState { parts: vec![table.snapshot()], error: None })));
        let state = State {
            mark: recovered.epoch,
            now_micros: recovered.now_micros,
            catalog: Arc::new(recovered.catalog.clone()),
            relations: relations.collect(),
        };
        let visible = Arc::new(Visible::new(state, events.clone()));
        let runtime = Runtime::start(
            RuntimeConfig { workers: config.workers },
            Callbacks {
                on_mark: on_mark(visible.clone(), events.clone()),
                on_build: on_build(events.clone()),
                on_fatal: on_fatal(visible.clone(), events.clone(), config.on_fatal.clone()),
            },
        )
        .map_err(|e| SqlError::new(SqlState::InsufficientResources, e.to_string()))?;
        let queue = recovered_views(&recovered)?;
        let builds = Builds::default();
        let shown = builds.shown.clone();
        let (writer, syncer) = log.split();
        let mut committer = Committer {
            tables: recovered.tables,
            shapes: recovered.shapes,
            catalog: Arc::new(recovered.catalog),
            epoch: recovered.epoch,
            now_micros: recovered.now_micros,
            log: writer,
            runtime,
            visible: visible.clone(),
            sync,
            relaxed: relaxed.clone(),
            clock: wall_clock,
            queue,
            ahead: None,
            pause: Pause::default(),
            builds,
        };
        committer.send_steps();
        let shared = Arc::new(Shared {
            visible: visible.clone(),
            sessions: Mutex::new(HashMap::new()),
            started_micros: wall_clock(),
            build: shown,
            requests,
            events,
            threads: Mutex::new(vec![]),
            next_pid: AtomicI32::new(1),
            next_row_id: AtomicI64::new(recovered.next_row_id),
            // Greater than those before a restart: nobody begins a transaction in every microsecond.
            next_transaction_id: AtomicI64::new(wall_clock()),
            config,
        });
        let failed = shared.config.on_fatal.clone();
        let threads = vec![
            spawn("engine", {
                let (visible, failed) = (visible.clone(), failed.clone());
                move || {
                    guarded(&visible, "engine", || committer.run(&request_queue, &event_queue));
                    report_fatal(&visible, &failed);
                }
            })?,
            spawn("log-sync", move || {
                guarded(&visible, "log-sync", || crate::sync::run(syncer, &sync_queue, &relaxed, &visible));
                report_fatal(&visible, &failed);
            })?,
        ];
        *shared.threads.lock() = threads;
        let database = Self { shared };
        // Views are ready before anybody can connect.
        database.shared.visible.wait_until_idle()?;
        Ok(database)
    }

    /// Opens a session.
    ///
    /// # Errors
    ///
    /// 28000 for an unknown role, 3D000 for an unknown database, 22023 and the like for a bad startup parameter, 53300
    /// for too many.
    pub fn connect(&self, options: ConnectOptions) -> Result<Session> {
        Session::open(self.shared.clone(), options)
    }

    /// Interrupts what the session is doing, if the secret is right.
    pub fn cancel(&self, pid: i32, secret: i32) {
        if let Some(session) = self.shared.sessions.lock().get(&pid)
            && session.secret == secret
        {
            session.interrupt.raise();
        }
    }

    /// The objects there are.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.visible.current().catalog.clone()
    }

    /// Why the database cannot go on, if so.
    #[must_use]
    pub fn fatal(&self) -> Option<String> {
        self.shared.visible.fatal()
    }

    /// Rows that have gone through the views' operators since the start: what keeping them up to date has cost.
    #[must_use]
    pub fn rows_touched(&self) -> u64 {
        self.shared.visible.rows_touched()
    }

    /// Commits what has been asked for, syncs the log, ends the threads.
    pub fn shutdown(&self) {
        // The engine thread may have ended by itself.
        let _ = self.shared.events.send(Event::Shutdown);
        for thread in std::mem::take(&mut *self.shared.threads.lock()) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        self.shared.visible.stop();
    }
}

impl Shared {
    /// Commits, and waits until the commit is durable (or, by the session's wish, only logged) and, for DDL, live.
    ///
    /// # Errors
    ///
    /// What validation says; 08007 and 57P02 when the database fails; when interrupted while views are built, why.
    pub fn commit(&self, changes: Changes, synchronous: bool, interrupt: &Interrupt) -> Result<()> {
        let is_ddl = !changes.changes.is_empty();
        let claim = changes.makes_views().then(Arc::<Claim>::default);
        let (reply, answer) = crossbeam_channel::bounded(1);
        let stopped = || self.visible.fatal().map_or_else(crate::visible::stopped, |why| crate::visible::crashed(&why));
        self.requests
            .send(Request::Commit(CommitRequest { changes, synchronous, reply, claim: claim.clone() }))
            .map_err(|_| stopped())?;
        let epoch = loop {
            let Some(claim) = &claim else { break answer.recv().map_err(|_| stopped())?? };
            match answer.recv_timeout(INTERRUPT_POLL) {
                Ok(epoch) => break epoch?,
                Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
                Err(RecvTimeoutError::Timeout) => {
                    let interrupted = interrupt.check();
                    if interrupted.is_err() && claim.withdraw() {
                        // The engine thread may have ended by itself.
                        let _ = self.events.send(Event::Withdrawn);
                        interrupted?;
                    }
                }
            }
        };
        if is_ddl {
            self.visible.wait(epoch, &Interrupt::default())?;
        }
        Ok(())
    }

    /// What the views' operators keep.
    ///
    /// # Errors
    ///
    /// 57014 when interrupted.
    pub fn operators(&self, interrupt: &Interrupt) -> Result<Vec<OperatorInfo>> {
        let (reply, answers) = unbounded();
        // The engine thread may have ended; then there is no answer.
        let _ = self.events.send(Event::Describe(reply));
        let mut operators = vec![];
        loop {
            match answers.recv_timeout(INTERRUPT_POLL) {
                Ok(OperatorMemory { relation, worker, node, operator, bytes }) => operators.push(OperatorInfo {
                    relation,
                    worker: worker as u64,
                    node: node as u64,
                    operator,
                    bytes: bytes as u64,
                }),
                Err(RecvTimeoutError::Timeout) => interrupt.check()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        operators.sort_by_key(|operator| (operator.relation, operator.worker, operator.node));
        Ok(operators)
    }

    /// A transaction's rows that get ahead of its commit: none yet.
    pub fn ahead(&self, table: RelationId) -> AheadRows {
        AheadRows::new(self.next_transaction_id(), table, self.requests.clone())
    }

    /// `count` fresh row ids for tables without a key, the first of them.
    pub fn row_ids(&self, count: usize) -> i64 {
        let count = i64::try_from(count).expect("a batch has fewer than 2^63 rows");
        self.next_row_id.fetch_add(count, Ordering::Relaxed)
    }

    pub fn next_transaction_id(&self) -> i64 {
        self.next_transaction_id.fetch_add(1, Ordering::Relaxed)
    }

    pub fn next_pid(&self) -> i32 {
        self.next_pid.fetch_add(1, Ordering::Relaxed)
    }
}

impl Recovered {
    fn empty() -> Self {
        Self {
            tables: BTreeMap::new(),
            shapes: BTreeMap::new(),
            catalog: Catalog::new(),
            epoch: Epoch(0),
            now_micros: 0,
            next_row_id: 1,
        }
    }

    fn replay(&mut self, epoch: Epoch, now_micros: i64, body: &CommitBody) -> Result<()> {
        for change in &body.changes {
            self.catalog = self.catalog.apply(change)?;
            match change {
                CatalogChange::CreateTable(table) => {
                    let shape = TableShape::new(table);
                    self.tables.insert(table.id, shape.empty_rows());
                    self.shapes.insert(table.id, Arc::new(shape));
                }
                CatalogChange::Drop { ids } => {
                    for id in ids {
                        self.tables.remove(id);
                        self.shapes.remove(id);
                    }
                }
                _ => {}
            }
        }
        for write in &body.writes {
            let missing =
                || SqlError::internal(format!("the log writes to relation {}, which is not a table", write.table));
            let shape = self.shapes.get(&write.table).ok_or_else(missing)?;
            let table = self.tables.get_mut(&write.table).ok_or_else(missing)?;
            let keys = write.deleted_keys.load(&shape.key_types)?;
            let inserted = write.inserted.load(&shape.types)?;
            let hashes = hash_keys(&keys.columns, &shape.key_types, keys.rows, Equality::Sql);
            let deleted: Vec<u32> = table.find(&keys.columns, &hashes)?.into_iter().flatten().collect();
            if deleted.len() != keys.rows {
                return Err(SqlError::internal(format!(
                    "the log deletes rows that table \"{}\" does not have",
                    shape.name
                )));
            }
            if let Some(largest) = crate::session::rows::largest_row_id(shape, &inserted) {
                self.next_row_id = self.next_row_id.max(largest + 1);
            }
            table.apply(&deleted, &inserted)?;
        }
        self.epoch = epoch;
        self.now_micros = now_micros;
        Ok(())
    }
}

/// Builds every view, and what views share, from the recovered tables.
fn recovered_views(recovered: &Recovered) -> Result<StepQueue> {
    let install = |hosted| {
        view_install(hosted, recovered.epoch, recovered.now_micros, &recovered.catalog, &|id| {
            recovered.tables.get(&id).map(KeyedRelation::snapshot)
        })
    };
    let views = recovered.catalog.all_hosted().into_iter().map(install).collect::<Result<Vec<_>>>()?;
    let mut queue = StepQueue::default();
    if !views.is_empty() {
        let id = BuildId(0);
        queue.push(Queued::Build(Build { id, views, progress: Arc::new(BuildProgress::default()) }));
        let mut step = StepBuilder::new(recovered.epoch, recovered.now_micros);
        step.attach = Some(id);
        queue.begin(step);
    }
    Ok(queue)
}

fn on_build(events: Sender<Event>) -> Box<dyn Fn(BuildId, Result<()>) + Send + Sync> {
    Box::new(move |build, outcome| {
        // The engine thread may have been shut down.
        let _ = events.send(Event::Built(build, outcome));
    })
}

fn on_mark(visible: Arc<Visible>, events: Sender<Event>) -> Box<dyn Fn(MarkReport) + Send + Sync> {
    Box::new(move |report| {
        let views = report.changed.into_iter().map(|(id, parts)| {
            let error = parts.iter().filter_map(|part| part.error.clone()).min();
            (id, Arc::new(RelationState { parts: parts.into_iter().map(|part| part.rows).collect(), error }))
        });
        if visible.reach(report.epoch, views.collect(), report.rows_touched) {
            // The engine thread may have been shut down.
            let _ = events.send(Event::Mark);
        }
    })
}

fn on_fatal(
    visible: Arc<Visible>,
    events: Sender<Event>,
    report: Arc<dyn Fn(&str) + Send + Sync>,
) -> Box<dyn Fn(String) + Send + Sync> {
    Box::new(move |why| {
        visible.fail(&why);
        // The engine thread may have ended by itself.
        let _ = events.send(Event::Shutdown);
        report(&why);
    })
}

/// A panic is a broken invariant: the database ends, and whoever waits is told.
fn guarded(visible: &Visible, thread: &str, body: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(body)).is_err() {
        visible.fail(&format!("the {thread} thread panicked"));
    }
}

fn report_fatal(visible: &Visible, report: &Arc<dyn Fn(&str) + Send + Sync>) {
    if let Some(why) = visible.fatal() {
        report(&why);
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|e| SqlError::new(SqlState::InsufficientResources, format!("cannot start the {name} thread: {e}")))
}
