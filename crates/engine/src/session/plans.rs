//! Plans that are kept from one run of a statement to the next: of prepared statements, and of statements of one shape.
//!
//! ```text
//! text ─▶ shape ─▶ slot ─┬─ kept, and still right ──────────▶ values put in ─▶ run
//! prepared ──────▶ slot ─┤
//!                        └─ else bound and planned with parameters in the place of values, and kept
//! ```
//!
//! # Invariants
//!
//! 1. A plan is used under the catalog and the settings that it was made under, and no others.
//! 2. What cannot be kept, or fails on this way, is bound and planned for its run alone, which raises its errors.
//! 3. A plan was made without values: it is right for all.

use super::extended::describe_columns;
use super::{ColumnDescription, Execution, Session};
use crate::views::plan_inputs;
use crate::visible::State;
use headwater_catalog::{Catalog, Parameters, RelationSizes};
use headwater_expr::Expr;
use headwater_plan::hir::{HirLeaf, HirQuery, HirScalar};
use headwater_plan::hir_visit::{HirVisitorMut, walk_query_mut, walk_scalar_mut};
use headwater_plan::lir::{Finishing, Plan};
use headwater_plan::{PlanOptions, plan_prepared};
use headwater_sql::{
    BindContext, BoundStatement, Delete, Insert, Returning, SeenStatement, Shape, Statement, StatementKind, Update,
    bind,
};
use headwater_types::{DataType, Datum, RelationId, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Shapes that a session remembers.
const SHAPES_MAX: usize = 256;

/// By how much a relation of a join may grow or shrink before the join is planned again.
const GROWTH_MAX: u64 = 4;

/// A statement to run, and where its plan is kept.
#[derive(Clone)]
pub struct Runnable {
    pub(super) statement: Statement,
    pub(super) slot: Option<Arc<PlanSlot>>,
}

impl Runnable {
    /// A statement that is run once.
    pub(super) fn once(statement: Statement) -> Self {
        Self { statement, slot: None }
    }

    /// A statement that may be run often.
    pub(super) fn often(statement: Statement) -> Self {
        use StatementKind as Kind;
        let is_planned = matches!(statement.kind(), Kind::Select | Kind::Insert | Kind::Update | Kind::Delete);
        Self { statement, slot: is_planned.then(Arc::default) }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> StatementKind {
        self.statement.kind()
    }
}

/// Where a statement's plan is kept.
#[derive(Default)]
pub(super) struct PlanSlot(Mutex<Option<Arc<Kept>>>);

/// What is known of a statement under one catalog and one session's settings.
struct Kept {
    catalog_version: u64,
    parameters: Arc<Parameters>,
    /// `None`: it has to be bound each time.
    plan: Option<KeptPlan>,
}

struct KeptPlan {
    parameter_types: Vec<DataType>,
    work: Work,
}

enum Work {
    Query {
        columns: Arc<[ColumnDescription]>,
        query: PlannedQuery,
        is_streamed: bool,
    },
    Update {
        update: Update,
        query: PlannedQuery,
    },
    Delete {
        delete: Delete,
        query: PlannedQuery,
    },
    /// Its values have parameters.
    Insert(Insert),
}

/// A query's plan, and what it depends on besides the catalog.
struct PlannedQuery {
    plan: Arc<Plan>,
    finishing: Arc<Finishing>,
    /// What it reads, and of a plan that reads several relations how many rows there were.
    reads: Vec<(RelationId, Option<u64>)>,
    /// Whether it reads nothing but tables and system relations: a transaction's own changes are put over those.
    reads_tables_only: bool,
}

/// The shapes of a session's statements.
#[derive(Default)]
pub(super) struct Shapes {
    known: HashMap<Box<[u8]>, KnownShape>,
    /// Counts uses.
    clock: u64,
    /// Whether every statement is to be taken for the first of its shape.
    pub off: bool,
}

struct KnownShape {
    seen: SeenStatement,
    slot: Arc<PlanSlot>,
    used: u64,
}

impl Shapes {
    /// The statements of a script. One whose shape was seen is not parsed.
    pub fn parse(&mut self, script: &str) -> Result<Vec<Runnable>> {
        let shape = if self.off { None } else { Shape::of(script) };
        let Some(shape) = shape else {
            return Ok(headwater_sql::parse_script(script)?.into_iter().map(Runnable::once).collect());
        };
        self.clock += 1;
        if let Some(known) = self.known.get_mut(shape.key()) {
            known.used = self.clock;
            let slot = Some(Arc::clone(&known.slot));
            return Ok(vec![Runnable { statement: Statement::of_shape(script, shape, known.seen), slot }]);
        }
        let mut statements: Vec<Runnable> =
            headwater_sql::parse_script(script)?.into_iter().map(Runnable::often).collect();
        if let [Runnable { statement, slot: Some(slot) }] = &mut statements[..] {
            self.forget_oldest();
            let known = KnownShape { seen: statement.seen(), slot: Arc::clone(slot), used: self.clock };
            self.known.insert(shape.key().into(), known);
            *statement = statement.clone().with_shape(shape);
        }
        Ok(statements)
    }

    /// Makes room for one more.
    fn forget_oldest(&mut self) {
        if self.known.len() >= SHAPES_MAX
            && let Some(oldest) = self.known.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| key.clone())
        {
            self.known.remove(&oldest);
        }
    }
}

impl Kept {
    fn is_right(&self, catalog: &Catalog, parameters: &Arc<Parameters>, state: &State) -> bool {
        let same_settings =
            Arc::ptr_eq(&self.parameters, parameters) || self.parameters.settings() == parameters.settings();
        let grown = |query: &PlannedQuery| query.has_grown(state);
        self.catalog_version == catalog.version()
            && same_settings
            && !self.plan.as_ref().and_then(KeptPlan::query).is_some_and(grown)
    }
}

impl KeptPlan {
    fn query(&self) -> Option<&PlannedQuery> {
        match &self.work {
            Work::Query { query, .. } | Work::Update { query, .. } | Work::Delete { query, .. } => Some(query),
            Work::Insert(_) => None,
        }
    }
}

impl PlannedQuery {
    /// Whether the join order may have been chosen for other sizes.
    fn has_grown(&self, state: &State) -> bool {
        self.reads.iter().any(|(relation, rows)| {
            let Some(rows) = *rows else { return false };
            let now = state.row_count(*relation);
            now / GROWTH_MAX > rows.max(1) || rows / GROWTH_MAX > now.max(1)
        })
    }

    /// Whether all that it reads is there, and in no error.
    fn is_readable(&self, state: &State) -> bool {
        self.reads.iter().all(|(relation, _)| {
            headwater_catalog::system_relation(*relation).is_some()
                || state.relations.get(relation).is_some_and(|found| found.error.is_none())
        })
    }

    fn with_values(&self, values: &[Datum]) -> Arc<Plan> {
        if values.is_empty() { Arc::clone(&self.plan) } else { Arc::new(self.plan.with_parameters(values)) }
    }
}

impl Session {
    /// Runs a statement by a plan that is kept, or is now; `None` if it has to be bound for itself.
    pub(super) fn run_by_plan(
        &mut self,
        runnable: &Runnable,
        parameters: &[(Datum, DataType)],
    ) -> Result<Option<Execution>> {
        let Some(slot) = runnable.slot.clone() else { return Ok(None) };
        let statement = &runnable.statement;
        let transaction = self.transaction();
        if transaction.has_catalog() {
            return Ok(None);
        }
        let writes = transaction.written_tables().next().is_some();
        let reads = statement.kind() != StatementKind::Insert;
        let state = if reads { self.state()? } else { self.state_without_waiting() };
        let kept = self.kept(&slot, statement, parameters, &state);
        let Some(plan) = &kept.plan else { return Ok(None) };
        if plan.query().is_some_and(|query| !query.is_readable(&state) || writes && !query.reads_tables_only) {
            return Ok(None);
        }
        let values = match statement.shape() {
            Some(_) => {
                let settings = self.parameters.settings();
                match statement.literal_values(&plan.parameter_types, settings, self.now_micros()) {
                    Some(values) => values,
                    None => return Ok(None),
                }
            }
            None => parameters.iter().map(|(value, _)| value.clone()).collect(),
        };
        self.transaction().started = true;
        self.control.forget();
        let execution = self.run_kept(&plan.work, state, &values)?;
        self.apply_asked();
        Ok(Some(execution))
    }

    fn run_kept(&mut self, work: &Work, state: Arc<State>, values: &[Datum]) -> Result<Execution> {
        let run = |session: &mut Self, query: &PlannedQuery| {
            let catalog = Arc::clone(&state.catalog);
            session.collect(query.with_values(values), Arc::clone(&query.finishing), Arc::clone(&state), catalog)
        };
        match work {
            Work::Query { columns, query, is_streamed } => {
                let run = run(self, query)?;
                Ok(Execution::Rows(run.rows(Arc::clone(columns), *is_streamed)?))
            }
            Work::Update { update, query } => {
                let run = run(self, query)?;
                self.update_rows(update, &run)
            }
            Work::Delete { delete, query } => {
                let run = run(self, query)?;
                self.delete_rows(delete, &run)
            }
            Work::Insert(insert) => self.insert(insert.clone(), values),
        }
    }

    /// What is kept in a slot, made anew if it is not right any more.
    fn kept(
        &self,
        slot: &PlanSlot,
        statement: &Statement,
        parameters: &[(Datum, DataType)],
        state: &Arc<State>,
    ) -> Arc<Kept> {
        let mut kept = slot.0.lock();
        if let Some(kept) = &*kept
            && kept.is_right(&state.catalog, &self.parameters, state)
        {
            return Arc::clone(kept);
        }
        let made = Arc::new(Kept {
            catalog_version: state.catalog.version(),
            parameters: Arc::clone(&self.parameters),
            // Whatever is wrong, binding the statement itself says so.
            plan: self.keep(statement, parameters, state).ok().flatten(),
        });
        *kept = Some(Arc::clone(&made));
        made
    }

    /// Binds and plans a statement with parameters; `None` if its plan cannot be kept.
    fn keep(
        &self,
        statement: &Statement,
        parameters: &[(Datum, DataType)],
        state: &Arc<State>,
    ) -> Result<Option<KeptPlan>> {
        let of_shape = statement.generic()?;
        let is_shape = of_shape.is_some();
        let (generic, given) = of_shape.unwrap_or_else(|| {
            (statement.clone(), parameters.iter().map(|(_, data_type)| Some(data_type.clone())).collect())
        });
        let context = BindContext {
            catalog: &state.catalog,
            settings: self.parameters.settings(),
            parameter_types: &given,
            now_micros: self.now_micros(),
        };
        let mut bound = bind(&generic, &context)?;
        if bound.reads_clock || bound.parameter_types.len() != given.len() {
            return Ok(None);
        }
        let query = match &mut bound.statement {
            BoundStatement::Query(query) => Some(query),
            BoundStatement::Update(update) => Some(&mut update.query),
            BoundStatement::Delete(delete) => Some(&mut delete.query),
            _ => None,
        };
        // A literal would be cut to a length when the statement is bound, a parameter when it is run.
        if is_shape && query.is_none_or(|query| casts_untyped(query, &given)) {
            return Ok(None);
        }
        let planned = |query: &HirQuery| self.planned(query, state);
        let work = match bound.statement {
            BoundStatement::Query(mut query) => {
                let is_streamed = !super::control::sets_parameters(&mut query);
                let columns = describe_columns(&query.schema, &query.origins).into();
                Work::Query { columns, query: planned(&query)?, is_streamed }
            }
            BoundStatement::Update(update) if answers_plainly(&update.returning) => {
                Work::Update { query: planned(&update.query)?, update }
            }
            BoundStatement::Delete(delete) if answers_plainly(&delete.returning) => {
                Work::Delete { query: planned(&delete.query)?, delete }
            }
            BoundStatement::Insert(insert) => Work::Insert(insert),
            _ => return Ok(None),
        };
        Ok(Some(KeptPlan { parameter_types: bound.parameter_types, work }))
    }

    fn planned(&self, query: &HirQuery, state: &Arc<State>) -> Result<PlannedQuery> {
        let catalog = &state.catalog;
        let info = self.info(catalog, state, self.query_sharing());
        let (plan, finishing) = plan_prepared(query, &info, &PlanOptions::default())?;
        let inputs = plan_inputs(&plan);
        let is_table =
            |id: &RelationId| catalog.table(*id).is_some() || headwater_catalog::system_relation(*id).is_some();
        let is_join = inputs.len() > 1;
        Ok(PlannedQuery {
            reads_tables_only: inputs.iter().all(is_table),
            reads: inputs.into_iter().map(|id| (id, is_join.then(|| state.row_count(id)))).collect(),
            plan: Arc::new(plan),
            finishing: Arc::new(finishing),
        })
    }
}

/// Whether RETURNING has no parameters.
fn answers_plainly(returning: &Option<Returning>) -> bool {
    returning.iter().flat_map(|returning| &returning.scalars).all(super::rows::is_plain)
}

/// Whether a parameter that has no type by itself is cast.
fn casts_untyped(query: &mut HirQuery, given: &[Option<DataType>]) -> bool {
    struct Search<'a>(&'a [Option<DataType>], bool);
    impl HirVisitorMut for Search<'_> {
        fn scalar(&mut self, scalar: &mut HirScalar) {
            if let Expr::Cast(input, _) = scalar
                && let Expr::Leaf(HirLeaf::Parameter { index, .. }) = &**input
            {
                self.1 |= self.0.get(*index).is_none_or(Option::is_none);
            }
            walk_scalar_mut(self, scalar);
        }
    }
    let mut search = Search(given, false);
    walk_query_mut(&mut search, query);
    search.1
}
