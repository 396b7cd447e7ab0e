//! From a bound query to a dataflow plan: HIR → MIR → LIR, and the rewrites in between.
//!
//! ```text
//!  HirQuery ──decorrelate──▶ Mir ──rewrite──▶ Mir ──lower──▶ lir::Plan (+ Finishing of a one-shot query)
//! ```
//! One type per stage, each consuming the last: [`hir`] is what binding produces, [`mir`] is relational algebra without
//! subqueries, [`lir`] is what rendering obeys. A view and a query go the same way.

mod columns;
mod decorrelate;
mod explain;
pub mod hir;
pub mod hir_visit;
pub mod lir;
mod lower;
mod mfp;
pub mod mir;
mod properties;
mod rejected;
mod rewrite;
mod scalars;
mod share;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod typecheck;

pub use decorrelate::QUERY_DEPTH_MAX;
pub use explain::{ExplainStage, explain, explain_plan, explain_plan_with};
pub use rejected::check_kept;
pub use rewrite::RewriteOptions;

use headwater_catalog::{Grouping, SharedRelation};
use headwater_expr::ColumnOrder;
use headwater_types::{RelationId, Result, Schema};
use hir::HirQuery;
use lir::Finishing;
use mir::Mir;
use rewrite::Purpose;
use std::sync::Arc;

/// What planning may know of stored relations.
pub trait PlanInfo {
    /// The relation's name, for EXPLAIN.
    fn name(&self, relation: RelationId) -> String;
    /// A column's name, for EXPLAIN.
    fn column_name(&self, relation: RelationId, column: usize) -> String;
    /// Its strict keys: sets of columns that no two rows share, NULL equal to NULL. The primary key, and UNIQUE
    /// constraints over columns that are NOT NULL; of a view, its plan's key.
    fn keys(&self, relation: RelationId) -> Vec<Vec<usize>>;
    /// The columns that are never NULL.
    fn not_null(&self, relation: RelationId) -> Vec<usize>;
    /// About how many rows it has, if that is known.
    fn rows(&self, relation: RelationId) -> Option<u64>;
    /// About how many of its rows differ in these columns, if that is known.
    fn distinct(&self, relation: RelationId, columns: &[usize]) -> Option<u64>;
    /// The shared relations made of this relation's rows that the plan may read.
    fn shared_over(&self, relation: RelationId) -> Vec<Arc<SharedRelation>>;
    /// What materialized views compute of this relation's rows by themselves, and would share with the plan.
    fn groupings_over(&self, relation: RelationId) -> Vec<Grouping>;
    /// What a shared relation computes and who reads it, for EXPLAIN; `None` of any other relation.
    fn shared_details(&self, relation: RelationId) -> Option<String>;
}

/// How to plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanOptions {
    /// Which rewrites may be used.
    pub rewrites: RewriteOptions,
    /// The id of the first shared relation that a view's plan may ask for, the ids after it being free too; `None` if it
    /// may ask for none.
    pub share_from: Option<RelationId>,
}

/// A materialized view's plan, and what is to be made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewPlan {
    /// The plan.
    pub plan: lir::Plan,
    /// Shared relations that it reads and that are not there yet.
    pub shared: Vec<SharedPlan>,
    /// What it computes by itself of stored relations.
    pub groupings: Vec<Grouping>,
}

/// A shared relation to make. Its fields are those of [`SharedRelation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPlan {
    /// Its id: [`PlanOptions::share_from`] or one that follows.
    pub id: RelationId,
    /// What it computes.
    pub grouping: Grouping,
    /// The same as text.
    pub definition: String,
    /// Its columns.
    pub columns: Schema,
    /// Its plan.
    pub plan: lir::Plan,
}

/// The plan of a materialized view. Its ORDER BY counts only with LIMIT or OFFSET.
///
/// # Errors
///
/// 0A000 for what is not supported, volatile functions and `now()` among it; 54001 for a query nested too deeply.
pub fn plan_view(query: &HirQuery, info: &dyn PlanInfo, options: &PlanOptions) -> Result<ViewPlan> {
    decorrelate::with_stack(query, || {
        let mir = view_relation(query, info)?;
        rejected::check_parameters(&mir)?;
        rejected::check_view(&mir)?;
        finish(mir, info, options, Purpose::View, |mir| share::share(mir, info, options.share_from))
    })
}

/// The plan of a query that is read once, and how its rows are presented.
///
/// # Errors
///
/// 0A000 for what is not supported; 54001 for a query nested too deeply; 42P02 for a parameter.
pub fn plan_query(query: &HirQuery, info: &dyn PlanInfo, options: &PlanOptions) -> Result<(lir::Plan, Finishing)> {
    plan_read(query, info, options, rejected::check_parameters)
}

/// [`plan_query`] for one that is read more than once, its parameters being set for each run: see
/// [`lir::Plan::with_parameters`].
///
/// # Errors
///
/// As [`plan_query`]; 0A000 for a parameter where planning needs a value.
pub fn plan_prepared(query: &HirQuery, info: &dyn PlanInfo, options: &PlanOptions) -> Result<(lir::Plan, Finishing)> {
    plan_read(query, info, options, |_| Ok(()))
}

fn plan_read(
    query: &HirQuery,
    info: &dyn PlanInfo,
    options: &PlanOptions,
    check: impl FnOnce(&Mir) -> Result<()>,
) -> Result<(lir::Plan, Finishing)> {
    decorrelate::with_stack(query, || {
        let (mir, finishing) = query_relation(query, info)?;
        check(&mir)?;
        let planned = finish(mir, info, options, Purpose::Query, |mir| share::reuse(mir, info))?;
        Ok((planned.plan, finishing))
    })
}

/// A view's relation before any rewrite.
fn view_relation(query: &HirQuery, info: &dyn PlanInfo) -> Result<Mir> {
    let (mir, finishing) = query_relation(query, info)?;
    let Finishing { order_by, limit, offset, projection } = finishing;
    let mir = match (limit, offset) {
        (None, 0) => mir,
        (limit, offset) => Mir::TopK { input: Box::new(mir), group_key: vec![], order_by, limit, offset },
    };
    Ok(mir.project(projection))
}

/// A query's relation before any rewrite: the presented columns, each once, and then those that only order them.
fn query_relation(query: &HirQuery, info: &dyn PlanInfo) -> Result<(Mir, Finishing)> {
    let mir = decorrelate::lower(&query.relation, info)?;
    let (limit, offset) = decorrelate::row_range(query.limit.as_ref(), query.offset.as_ref())?;
    let mut columns: Vec<usize> = Vec::with_capacity(query.projection.len());
    let mut place = |column: usize| {
        columns.iter().position(|&c| c == column).unwrap_or_else(|| {
            columns.push(column);
            columns.len() - 1
        })
    };
    let projection = query.projection.iter().map(|&c| place(c)).collect();
    let order_by = query.order_by.iter().map(|order| ColumnOrder { column: place(order.column), ..*order }).collect();
    let finishing = Finishing { order_by, limit, offset, projection };
    Ok((mir.project(columns), finishing))
}

/// Rewrites, shares and lowers.
fn finish(
    mir: Mir,
    info: &dyn PlanInfo,
    options: &PlanOptions,
    purpose: Purpose,
    share: impl FnOnce(&mut Mir) -> Result<share::Shared>,
) -> Result<ViewPlan> {
    if cfg!(debug_assertions) {
        typecheck::check(&mir).map_err(|problem| {
            headwater_types::SqlError::internal(format!("decorrelation made an ill-formed plan: {problem}"))
        })?;
    }
    let (mut mir, mut fired) = rewrite::optimize(mir, info, options.rewrites, purpose)?;
    let known = properties::of(&mir, info, &mut properties::Bindings::new());
    let key = known.keys.iter().min_by_key(|key| key.len()).map(|key| key.iter().collect());
    // Last: the rewrites know of an aggregate what they do not know of a stored relation.
    let shared = share(&mut mir)?;
    if shared.fired {
        fired.push("shared relations");
    }
    let lower::Lowered { nodes, root } = lower::lower(&mir)?;
    let rewrites = fired.into_iter().map(str::to_owned).collect();
    let plan = lir::Plan { nodes, root, key, rewrites };
    Ok(ViewPlan { plan, shared: shared.made, groupings: shared.own })
}
