//! Queries: planned against a state, run once, answered as a stream of batches.

use super::control::{Control, sets_parameters};
use super::extended::describe_columns;
use super::sources::Sources;
use super::{ColumnDescription, Session};
use crate::builds::ShownBuild;
use crate::views::plan_inputs;
use crate::visible::State;
use crossbeam_channel::Receiver;
use headwater_arrange::batch_bytes;
use headwater_catalog::{
    BuildInfo, Catalog, CatalogFunctions, Grouping, MaterializedView, Parameters, RelationRef, RelationSizes,
    SessionInfo, SharedRelation, SystemContext,
};
use headwater_compute::Interrupt;
use headwater_compute::local::{self, NodeProfile, Profile, SourceInput, SourceProvider};
use headwater_expr::{EvalContext, Expr};
use headwater_plan::hir::{HirLeaf, HirQuery, HirRelation, HirScalar};
use headwater_plan::hir_visit::{HirVisitorMut, walk_query_mut, walk_scalar_mut};
use headwater_plan::lir::{Finishing, Operator, Plan};
use headwater_plan::{PlanInfo, PlanOptions, plan_query};
use headwater_types::{Batch, DataType, Datum, RelationId, Result, Schema, SessionSettings, SqlError, SqlState};
use std::collections::HashMap;
use std::sync::Arc;

/// Stored rows that a query reads, beyond which its answer is streamed from a thread of its own.
const STREAMED_ROWS_MIN: u64 = 50_000;
/// Rows that an UPDATE, a DELETE or a cursor holds at once, in bytes.
const STATEMENT_BYTES_MAX: usize = 1 << 30;
/// Batches that such a thread is ahead of the client.
const STREAMED_BATCHES_MAX: usize = 4;

/// The rows of an answer.
pub struct RowStream {
    /// Their columns.
    pub columns: Arc<[ColumnDescription]>,
    rows: Rows,
    tag: Option<String>,
}

enum Rows {
    Ready(std::vec::IntoIter<Batch>),
    /// From a thread that waits while the client is slow, and ends when the stream is dropped.
    /// `None` is the end.
    Streamed {
        batches: Receiver<Result<Option<Batch>>>,
        ended: bool,
    },
}

impl RowStream {
    pub(super) fn of_batches(schema: &Schema, batches: Vec<Batch>) -> Self {
        Self::described(describe_columns(schema, &[]), batches)
    }

    pub(super) fn described(columns: impl Into<Arc<[ColumnDescription]>>, batches: Vec<Batch>) -> Self {
        Self { columns: columns.into(), rows: Rows::Ready(batches.into_iter()), tag: None }
    }

    pub(super) fn set_tag(&mut self, tag: &str) {
        self.tag = Some(tag.to_owned());
    }

    pub(super) fn set_origins(&mut self, origins: &[Option<(RelationId, i16)>]) {
        for (column, origin) in Arc::make_mut(&mut self.columns).iter_mut().zip(origins) {
            column.table = origin.map(|(relation, attribute)| (relation.0, attribute));
        }
    }

    /// The next rows; `None` when there are no more. A batch may be empty.
    ///
    /// # Errors
    ///
    /// What the query raises on the way.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        match &mut self.rows {
            Rows::Ready(batches) => Ok(batches.next()),
            Rows::Streamed { ended: true, .. } => Ok(None),
            Rows::Streamed { batches, ended } => {
                let next = batches.recv().unwrap_or_else(|_| Err(SqlError::internal("the query's thread has ended")));
                *ended = !matches!(next, Ok(Some(_)));
                next
            }
        }
    }

    /// The command tag after `rows` rows were sent.
    #[must_use]
    pub fn tag(&self, rows: u64) -> String {
        self.tag.clone().unwrap_or_else(|| format!("SELECT {rows}"))
    }

    pub(super) fn all_rows(&mut self) -> Result<Batch> {
        let mut batches = vec![];
        while let Some(batch) = self.next_batch()? {
            batches.push(batch);
        }
        let types: Vec<_> = self.columns.iter().map(|column| column.data_type.clone()).collect();
        together(batches, &types)
    }
}

/// Rows as one batch.
///
/// # Errors
///
/// 54000 if they are more than one statement may hold at once.
fn together(batches: Vec<Batch>, types: &[DataType]) -> Result<Batch> {
    if batches.is_empty() {
        return Ok(Batch::empty(types));
    }
    if batches.iter().map(batch_bytes).sum::<usize>() > STATEMENT_BYTES_MAX {
        let message = format!("the rows of a statement are larger than {STATEMENT_BYTES_MAX} bytes");
        return Err(
            SqlError::new(SqlState::ProgramLimitExceeded, message).with_hint("Change the rows in smaller parts.")
        );
    }
    Ok(Batch::concat(&batches))
}

/// What planning may know of the stored relations.
pub(super) struct Info<'a> {
    pub catalog: &'a Catalog,
    pub state: &'a State,
    /// What the plan is to be run under.
    pub settings: &'a SessionSettings,
    pub sharing: Sharing,
}

/// Which shared relations a plan may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// A view's: all.
    View,
    /// That of a query: those that are in the state, and not in error.
    Query,
    /// That of a query whose transaction has changed what they may be made of: none.
    None,
}

impl Info<'_> {
    /// Whether what is computed under these settings is what the plan computes.
    fn agrees(&self, grouping: &Grouping, settings: &SessionSettings) -> bool {
        !grouping.uses_settings || settings == self.settings
    }
}

impl PlanInfo for Info<'_> {
    fn name(&self, relation: RelationId) -> String {
        match self.catalog.relation(relation) {
            Some(found) => found.name().to_owned(),
            None if self.catalog.shared_relation(relation).is_some() => format!("shared relation {relation}"),
            None => relation.to_string(),
        }
    }

    fn column_name(&self, relation: RelationId, column: usize) -> String {
        let fields = self.catalog.relation(relation).map(|found| found.fields());
        let shared = || Some(self.catalog.shared_relation(relation)?.columns.clone());
        let fields = fields.or_else(shared).unwrap_or_default();
        fields.get(column).map_or_else(|| format!("#{column}"), |field| field.name.clone())
    }

    fn keys(&self, relation: RelationId) -> Vec<Vec<usize>> {
        match self.catalog.relation(relation) {
            Some(RelationRef::Table(table)) => vec![table.primary_key.clone()],
            Some(RelationRef::MaterializedView(view)) => view.key.iter().cloned().collect(),
            _ => vec![],
        }
    }

    fn not_null(&self, relation: RelationId) -> Vec<usize> {
        let Some(RelationRef::Table(table)) = self.catalog.relation(relation) else { return vec![] };
        let never_null = |&c: &usize| table.columns[c].not_null || table.primary_key.contains(&c);
        (0..table.columns.len()).filter(never_null).collect()
    }

    fn rows(&self, relation: RelationId) -> Option<u64> {
        self.state.relations.contains_key(&relation).then(|| self.state.row_count(relation))
    }

    fn distinct(&self, relation: RelationId, columns: &[usize]) -> Option<u64> {
        let state = self.state.relations.get(&relation)?;
        let parts = state.parts.iter().map(|part| part.distinct_estimate(columns));
        u64::try_from(parts.sum::<Result<usize>>().ok()?).ok()
    }

    fn shared_over(&self, relation: RelationId) -> Vec<Arc<SharedRelation>> {
        let healthy = |id| self.state.relations.get(&id).is_some_and(|state| state.error.is_none());
        let usable = |shared: &SharedRelation| match self.sharing {
            Sharing::View => true,
            Sharing::Query => healthy(shared.id),
            Sharing::None => false,
        };
        let over = self.catalog.shared_relations().filter(|shared| shared.grouping.reads == relation);
        over.filter(|shared| usable(shared) && self.agrees(&shared.grouping, &shared.settings)).cloned().collect()
    }

    fn groupings_over(&self, relation: RelationId) -> Vec<Grouping> {
        let of_view = |view: &Arc<MaterializedView>| {
            let over = view.groupings.iter().filter(|grouping| grouping.reads == relation);
            over.filter(|grouping| self.agrees(grouping, &view.settings)).cloned().collect::<Vec<_>>()
        };
        self.catalog.materialized_views().flat_map(of_view).collect()
    }

    fn shared_details(&self, relation: RelationId) -> Option<String> {
        let shared = self.catalog.shared_relation(relation)?;
        let readers = self.catalog.shared_reader_names(relation, &self.settings.search_path);
        Some(format!("{}; read by {}", shared.definition, readers.join(", ")))
    }
}

impl Session {
    /// Runs a query.
    pub(super) fn query(&mut self, mut query: HirQuery) -> Result<RowStream> {
        let columns = describe_columns(&query.schema, &query.origins).into();
        let run = self.plan(&mut query)?;
        run.rows(columns, !sets_parameters(&mut query))
    }

    /// All rows of a query, as one batch.
    pub(super) fn query_rows(&mut self, mut query: HirQuery) -> Result<Batch> {
        self.plan(&mut query)?.all_rows(&query)
    }

    /// All rows of a query.
    pub(super) fn query_batches(&mut self, mut query: HirQuery) -> Result<Vec<Batch>> {
        self.plan(&mut query)?.batches()
    }

    /// Plans a query against the state that it must see, and collects what it reads.
    pub(super) fn plan(&mut self, query: &mut HirQuery) -> Result<QueryRun> {
        let state = self.state()?;
        let catalog = self.catalog(&state);
        self.expand_changed_views(query, &state, &catalog)?;
        let info = self.info(&catalog, &state, self.query_sharing());
        let (plan, finishing) = plan_query(query, &info, &PlanOptions::default())?;
        self.collect(Arc::new(plan), Arc::new(finishing), state, catalog)
    }

    /// A plan with everything that it reads.
    pub(super) fn collect(
        &mut self,
        plan: Arc<Plan>,
        finishing: Arc<Finishing>,
        state: Arc<State>,
        catalog: Arc<Catalog>,
    ) -> Result<QueryRun> {
        let relations = plan_inputs(&plan);
        let (mut sessions, mut builds): (Vec<SessionInfo>, Vec<BuildInfo>) = (vec![], vec![]);
        let mut operators = vec![];
        let system = || relations.iter().filter_map(|id| headwater_catalog::system_relation(*id));
        if system().any(headwater_catalog::shows_operators) {
            operators = self.shared.operators(&self.interrupt)?;
        }
        if system().next().is_some() {
            sessions.extend(self.shared.sessions.lock().values().map(|s| s.info.clone()));
            builds.extend(self.shared.build.lock().as_ref().map(ShownBuild::info));
        }
        let sources = Sources {
            state: &state,
            catalog: &catalog,
            transaction: self.transaction.as_ref(),
            system: SystemContext {
                settings: self.parameters.settings(),
                parameters: &self.parameters,
                sessions: &sessions,
                builds: &builds,
                backend_pid: self.pid,
                server_start_micros: self.shared.started_micros,
                sizes: &*state,
                operators: &operators,
                control: &*self.control,
            },
        };
        let inputs = relations.into_iter().map(|id| Ok((id, sources.source(id)?))).collect::<Result<_>>()?;
        Ok(QueryRun {
            plan,
            finishing,
            inputs,
            state,
            catalog,
            parameters: Arc::clone(&self.parameters),
            now_micros: self.now_micros(),
            pid: self.pid,
            started_micros: self.shared.started_micros,
            interrupt: self.interrupt.clone(),
            control: self.control.clone(),
        })
    }

    /// Which shared relations a query may read now.
    pub(super) fn query_sharing(&self) -> Sharing {
        let writes = self.transaction.as_ref().is_some_and(|transaction| transaction.written_tables().next().is_some());
        if writes { Sharing::None } else { Sharing::Query }
    }

    /// What a plan for this session may know.
    pub(super) fn info<'a>(&'a self, catalog: &'a Catalog, state: &'a State, sharing: Sharing) -> Info<'a> {
        Info { catalog, state, settings: self.parameters.settings(), sharing }
    }
}

struct Substitution<'a>(&'a [Datum]);

impl HirVisitorMut for Substitution<'_> {
    fn scalar(&mut self, scalar: &mut HirScalar) {
        if let Expr::Leaf(HirLeaf::Parameter { index, data_type }) = scalar
            && let Some(value) = self.0.get(*index)
        {
            *scalar = Expr::Literal(value.clone(), data_type.clone());
            return;
        }
        walk_scalar_mut(self, scalar);
    }
}

/// Puts parameters' values in their places.
pub(super) fn set_parameters(query: &mut HirQuery, values: &[Datum]) {
    if !values.is_empty() {
        walk_query_mut(&mut Substitution(values), query);
    }
}

/// [`set_parameters`] for one scalar.
pub(super) fn set_scalar_parameters(scalar: &mut HirScalar, values: &[Datum]) {
    if !values.is_empty() {
        Substitution(values).scalar(scalar);
    }
}

/// A scan of all of a relation's columns, as a query.
pub(super) fn scan(relation: RelationId, schema: Schema) -> HirQuery {
    let arity = schema.len();
    HirQuery {
        relation: HirRelation::Get { relation, types: schema.iter().map(|field| field.data_type.clone()).collect() },
        order_by: vec![],
        limit: None,
        offset: None,
        projection: (0..arity).collect(),
        origins: vec![None; arity],
        schema,
    }
}

/// A planned query with everything that it reads.
pub(super) struct QueryRun {
    plan: Arc<Plan>,
    finishing: Arc<Finishing>,
    inputs: HashMap<RelationId, SourceInput>,
    state: Arc<State>,
    catalog: Arc<Catalog>,
    parameters: Arc<Parameters>,
    now_micros: i64,
    pid: i32,
    started_micros: i64,
    interrupt: Interrupt,
    control: Arc<Control>,
}

impl SourceProvider for QueryRun {
    fn source(&self, relation: RelationId) -> Result<SourceInput> {
        let input = self.inputs.get(&relation).cloned();
        input.ok_or_else(|| SqlError::internal(format!("relation {relation} was not collected")))
    }
}

impl QueryRun {
    /// Whether its answer may be too large to compute before its first row is sent.
    fn is_large(&self) -> bool {
        let stored = self.inputs.values().map(|input| match input {
            SourceInput::Stored { parts, .. } => parts.iter().map(|part| part.live_rows() as u64).sum(),
            SourceInput::Rows(rows) => rows.rows as u64,
        });
        let multiplies = |operator: &Operator| match operator {
            Operator::FlatMap(_) => true,
            Operator::Join(join) => join.left_key.is_empty(),
            _ => false,
        };
        stored.sum::<u64>() > STREAMED_ROWS_MIN || self.plan.nodes.iter().any(|node| multiplies(&node.operator))
    }

    fn run(&self, take: &mut dyn FnMut(Batch) -> bool, profile: Option<&Profile>) -> Result<()> {
        let functions = CatalogFunctions {
            catalog: &self.catalog,
            context: SystemContext {
                settings: self.parameters.settings(),
                parameters: &self.parameters,
                sessions: &[],
                builds: &[],
                backend_pid: self.pid,
                server_start_micros: self.started_micros,
                sizes: &*self.state,
                operators: &[],
                control: &*self.control,
            },
        };
        let eval = EvalContext {
            settings: self.parameters.settings(),
            now_micros: self.now_micros,
            catalog: Some(&functions),
        };
        let (plan, finishing, interrupt) = (&self.plan, &self.finishing, &self.interrupt);
        let rows = match profile {
            Some(profile) => local::execute_profiled(plan, finishing, self, eval, interrupt, profile)?,
            None => local::execute(plan, finishing, self, eval, interrupt)?,
        };
        for batch in rows {
            if !take(batch?) {
                break;
            }
        }
        Ok(())
    }

    /// Its rows: from a thread of its own, if they may be many and `is_streamed` allows it.
    pub(super) fn rows(self, columns: Arc<[ColumnDescription]>, is_streamed: bool) -> Result<RowStream> {
        let rows = if is_streamed && self.is_large() {
            Rows::Streamed { batches: self.stream()?, ended: false }
        } else {
            Rows::Ready(self.batches()?.into_iter())
        };
        Ok(RowStream { columns, rows, tag: None })
    }

    /// All its rows, which `query` describes, as one batch.
    pub(super) fn all_rows(&self, query: &HirQuery) -> Result<Batch> {
        let types: Vec<DataType> = query.schema.iter().map(|field| field.data_type.clone()).collect();
        together(self.batches()?, &types)
    }

    fn batches(&self) -> Result<Vec<Batch>> {
        let mut batches = vec![];
        let take = &mut |batch| {
            batches.push(batch);
            true
        };
        self.run(take, None)?;
        Ok(batches)
    }

    /// Runs it for what its nodes do, and shows the plan with that.
    pub(super) fn analyze(&self, info: &Info<'_>) -> Result<String> {
        let profile = Profile::new(self.plan.nodes.len());
        self.run(&mut |_| true, Some(&profile))?;
        let note = |id| {
            let NodeProfile { rows, time } = profile.node(id);
            Some(format!("actual time={:.3} ms rows={rows}", time.as_secs_f64() * 1000.0))
        };
        Ok(headwater_plan::explain_plan_with(&self.plan, Some(&self.finishing), info, &note))
    }

    /// Runs on a thread of its own.
    fn stream(self) -> Result<Receiver<Result<Option<Batch>>>> {
        let (sender, receiver) = crossbeam_channel::bounded(STREAMED_BATCHES_MAX);
        std::thread::Builder::new()
            .name("query".to_owned())
            .spawn(move || {
                let result = self.run(&mut |batch| sender.send(Ok(Some(batch))).is_ok(), None);
                // The session may have dropped the stream.
                let _ = sender.send(result.map(|()| None));
            })
            .map_err(|e| SqlError::new(SqlState::InsufficientResources, format!("cannot start a thread: {e}")))?;
        Ok(receiver)
    }
}
