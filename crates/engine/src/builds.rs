//! DDL: what it does to the catalog; and the views that it makes, which are built before it is committed.
//!
//! ```text
//! request ─▶ waiting ─▶ build: the workers fill the views while others commit ─▶ caught up ─▶ commit, attach
//!                          └─ cancelled, failed, or the catalog has changed: dropped, and nothing is left
//! ```
//!
//! # Invariants
//!
//! 1. Nothing of a build is in the log, the catalog or a state before its request is committed.
//! 2. One build runs at a time: those that wait behind it are of an old catalog when it is committed, so that their
//!    statements are bound again before anything is built for them.
//! 3. A request is committed or withdrawn, never both: whoever comes first settles it.

use crate::commit::{CommitRequest, Committer, PlannedWrites, Queued, plan_write, table_is_gone};
use crate::record::CommitBody;
use crate::session::transaction::Changes;
use crate::step::StepBuilder;
use crate::table::TableShape;
use crate::views::view_install;
use headwater_arrange::RelationSnapshot;
use headwater_catalog::{BuildInfo, Catalog, CatalogChange, quote_identifier};
use headwater_compute::runtime::{Build, BuildId, BuildProgress, ViewInstall};
use headwater_types::{Epoch, RelationId, Result, SqlError, SqlState};
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Who settles a request that takes long: the engine by committing it, or the session by withdrawing it.
#[derive(Debug, Default)]
pub(crate) struct Claim(AtomicU8);

const OPEN: u8 = 0;
const COMMITTED: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Claim {
    /// Whether the request may be committed: it cannot be withdrawn any more.
    fn commit(&self) -> bool {
        self.settle(COMMITTED)
    }

    /// Whether the request is withdrawn: it will not be committed.
    pub fn withdraw(&self) -> bool {
        self.settle(WITHDRAWN)
    }

    fn is_withdrawn(&self) -> bool {
        self.0.load(Ordering::Acquire) == WITHDRAWN
    }

    fn settle(&self, to: u8) -> bool {
        self.0.compare_exchange(OPEN, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// A build that runs, as others see it.
#[derive(Debug, Clone)]
pub(crate) struct ShownBuild {
    pub id: BuildId,
    pub statement: String,
    pub begun_micros: i64,
    pub progress: Arc<BuildProgress>,
}

impl ShownBuild {
    pub fn info(&self) -> BuildInfo {
        BuildInfo {
            id: self.id.0,
            statement: self.statement.clone(),
            begun_micros: self.begun_micros,
            rows_done: self.progress.rows_done(),
            rows_total: self.progress.rows_total(),
            held_bytes: u64::try_from(self.progress.held_bytes()).unwrap_or(u64::MAX),
        }
    }
}

/// The build that runs, for whoever wants to see it.
pub(crate) type Shown = Arc<Mutex<Option<ShownBuild>>>;

struct Running {
    id: BuildId,
    request: CommitRequest,
    progress: Arc<BuildProgress>,
}

/// Requests that need views built.
#[derive(Default)]
pub(crate) struct Builds {
    running: Option<Running>,
    waiting: VecDeque<CommitRequest>,
    /// How many were begun.
    begun: u64,
    pub shown: Shown,
}

impl Builds {
    /// Bytes of changes that wait for a build.
    pub fn held_bytes(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.progress.held_bytes())
    }
}

impl CommitRequest {
    fn is_withdrawn(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.is_withdrawn())
    }
}

impl Changes {
    /// Whether views are to be built for it.
    pub fn makes_views(&self) -> bool {
        self.changes.iter().any(|change| made_view(change).is_some())
    }
}

/// The relation that a change has the workers keep, or keep by another plan.
fn made_view(change: &CatalogChange) -> Option<RelationId> {
    match change {
        CatalogChange::CreateMaterializedView(view) => Some(view.id),
        CatalogChange::CreateSharedRelation(shared) => Some(shared.id),
        CatalogChange::ReplacePlan(replacement) => Some(replacement.view),
        _ => None,
    }
}

fn statement_of(changes: &Changes) -> String {
    let statements = changes.changes.iter().filter_map(|change| match change {
        CatalogChange::CreateMaterializedView(view) => {
            let sql = view.sql.trim().trim_end_matches(';');
            Some(format!("CREATE MATERIALIZED VIEW {} AS {sql}", quote_identifier(&view.name)))
        }
        _ => None,
    });
    statements.collect::<Vec<_>>().join("; ")
}

impl Committer {
    /// Commits a request with DDL, or begins to build the views that it makes.
    pub fn serve_ddl(&mut self, request: CommitRequest) -> Result<()> {
        if !request.changes.makes_views() {
            return self.commit_ddl(request, None);
        }
        self.builds.waiting.push_back(request);
        self.begin_build()
    }

    /// The workers have built what they were asked to, or cannot.
    pub fn end_build(&mut self, id: BuildId, outcome: Result<()>) -> Result<()> {
        // It may have been withdrawn.
        let Some(Running { request, .. }) = self.builds.running.take_if(|running| running.id == id) else {
            return Ok(());
        };
        *self.builds.shown.lock() = None;
        match outcome {
            Ok(()) if request.claim.as_ref().is_none_or(|claim| claim.commit()) => {
                self.make_way()?;
                self.commit_ddl(request, Some(id))?;
            }
            Ok(()) => self.cancel_build(id),
            Err(error) => {
                self.cancel_build(id);
                request.refuse(error);
            }
        }
        self.begin_build()
    }

    /// Forgets the requests that were withdrawn.
    pub fn drop_withdrawn(&mut self) -> Result<()> {
        self.builds.waiting.retain(|request| !request.is_withdrawn());
        if let Some(running) = self.builds.running.take_if(|running| running.request.is_withdrawn()) {
            *self.builds.shown.lock() = None;
            self.cancel_build(running.id);
        }
        self.begin_build()
    }

    fn cancel_build(&mut self, id: BuildId) {
        self.queue.forget_build(id);
        self.runtime.cancel_build(id);
    }

    /// Begins the oldest build that waits, if none runs.
    fn begin_build(&mut self) -> Result<()> {
        while self.builds.running.is_none()
            && let Some(request) = self.builds.waiting.pop_front()
        {
            self.make_way()?;
            match self.views_of(&request.changes) {
                Err(error) => request.refuse(error),
                Ok(views) => self.start_build(request, views),
            }
        }
        self.send_steps();
        Ok(())
    }

    fn start_build(&mut self, request: CommitRequest, views: Vec<ViewInstall>) {
        // The snapshots are of this moment: what was applied before is sent before.
        self.queue.close(&self.tables);
        self.builds.begun += 1;
        let (id, progress) = (BuildId(self.builds.begun), Arc::new(BuildProgress::default()));
        self.queue.push(Queued::Build(Build { id, views, progress: Arc::clone(&progress) }));
        *self.builds.shown.lock() = Some(ShownBuild {
            id,
            statement: statement_of(&request.changes),
            begun_micros: (self.clock)(),
            progress: Arc::clone(&progress),
        });
        self.builds.running = Some(Running { id, request, progress });
    }

    /// The views that a request makes, over the tables as they are. What else it asks for is checked too: better now
    /// than when they are built.
    fn views_of(&self, changes: &Changes) -> Result<Vec<ViewInstall>> {
        let (catalog, ..) = self.prepare_ddl(changes, self.epoch, self.now_micros)?;
        let made: BTreeSet<RelationId> = changes.changes.iter().filter_map(made_view).collect();
        let made = catalog.all_hosted().into_iter().filter(|hosted| made.contains(&hosted.id()));
        let install = |hosted| {
            let rows = |id| self.snapshot_or_empty(id, &catalog);
            view_install(hosted, self.epoch, self.now_micros, &catalog, &rows)
        };
        made.map(install).collect()
    }

    /// Commits a request with DDL; the views that it makes, if any, are built.
    fn commit_ddl(&mut self, request: CommitRequest, build: Option<BuildId>) -> Result<()> {
        self.queue.close(&self.tables);
        let (epoch, now_micros) = self.next_epoch();
        let (catalog, planned, mut step) = match self.prepare_ddl(&request.changes, epoch, now_micros) {
            Ok(prepared) => prepared,
            Err(error) => {
                if let Some(id) = build {
                    self.cancel_build(id);
                }
                request.refuse(error);
                return Ok(());
            }
        };
        step.attach = build;
        for created in &step.created {
            let table = catalog.table(*created).expect("a created table is in the catalog");
            let shape = TableShape::new(table);
            self.tables.insert(*created, shape.empty_rows());
            self.shapes.insert(*created, Arc::new(shape));
        }
        let dropped = step.dropped.clone();
        self.catalog = Arc::new(catalog);
        self.queue.begin(step);
        let writes = self.apply(epoch, now_micros, planned)?;
        self.queue.close(&self.tables);
        for table in dropped {
            self.tables.remove(&table);
            self.shapes.remove(&table);
        }
        let acknowledgement = request.acknowledgement(epoch);
        self.log(epoch, now_micros, &mut CommitBody { changes: request.changes.changes, writes })?;
        self.acknowledge(epoch, true, vec![acknowledgement]);
        Ok(())
    }

    /// Everything about a DDL request that can fail.
    fn prepare_ddl(
        &self,
        changes: &Changes,
        epoch: Epoch,
        now_micros: i64,
    ) -> Result<(Catalog, PlannedWrites, StepBuilder)> {
        if changes.base_version.is_some_and(|version| version != self.catalog.version()) {
            return Err(SqlError::new(
                SqlState::SerializationFailure,
                "could not serialize access due to a concurrent change of the catalog",
            ));
        }
        let mut catalog = Catalog::clone(&self.catalog);
        let mut step = StepBuilder::new(epoch, now_micros);
        for change in &changes.changes {
            catalog = catalog.apply(change)?;
            match change {
                CatalogChange::CreateTable(table) => step.created.push(table.id),
                CatalogChange::Drop { ids } => step.dropped.extend(ids),
                _ => {}
            }
        }
        step.created.retain(|id| catalog.table(*id).is_some());
        let mut planned = vec![];
        for (table, ops) in &changes.writes {
            let plan = match self.tables.get(table) {
                Some(rows) => plan_write(&self.shapes[table], ops, rows)?,
                None => {
                    let table = catalog.table(*table).ok_or_else(|| table_is_gone(*table))?;
                    let shape = TableShape::new(table);
                    plan_write(&shape, ops, &shape.empty_rows())?
                }
            };
            planned.push((*table, plan));
        }
        step.catalog = Some(Arc::new(catalog.clone()));
        Ok((catalog, planned, step))
    }

    fn snapshot_or_empty(&self, id: RelationId, catalog: &Catalog) -> Option<RelationSnapshot> {
        if let Some(relation) = self.tables.get(&id) {
            return Some(relation.snapshot());
        }
        let table = catalog.table(id)?;
        let shape = TableShape::new(table);
        Some(shape.empty_rows().snapshot())
    }
}
