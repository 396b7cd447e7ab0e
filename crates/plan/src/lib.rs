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
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod typecheck;

pub use decorrelate::QUERY_DEPTH_MAX;
pub use explain::{ExplainStage, explain, explain_plan};
pub use rejected::check_kept;
pub use rewrite::RewriteOptions;

use headwater_expr::ColumnOrder;
use headwater_types::{RelationId, Result};
use hir::HirQuery;
use lir::Finishing;
use mir::Mir;

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
}

/// How to plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanOptions {
    /// Which rewrites may be used.
    pub rewrites: RewriteOptions,
}

/// The plan of a materialized view. Its ORDER BY counts only with LIMIT or OFFSET.
///
/// # Errors
///
/// 0A000 for what is not supported, volatile functions and `now()` among it; 54001 for a query nested too deeply.
pub fn plan_view(query: &HirQuery, info: &dyn PlanInfo, options: &PlanOptions) -> Result<lir::Plan> {
    decorrelate::with_stack(query, || {
        let mir = view_relation(query, info)?;
        rejected::check_view(&mir)?;
        finish(mir, info, options)
    })
}

/// The plan of a query that is read once, and how its rows are presented.
///
/// # Errors
///
/// 0A000 for what is not supported; 54001 for a query nested too deeply.
pub fn plan_query(query: &HirQuery, info: &dyn PlanInfo, options: &PlanOptions) -> Result<(lir::Plan, Finishing)> {
    decorrelate::with_stack(query, || {
        let (mir, finishing) = query_relation(query, info)?;
        Ok((finish(mir, info, options)?, finishing))
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

/// Rewrites and lowers.
fn finish(mir: Mir, info: &dyn PlanInfo, options: &PlanOptions) -> Result<lir::Plan> {
    if cfg!(debug_assertions) {
        typecheck::check(&mir).map_err(|problem| {
            headwater_types::SqlError::internal(format!("decorrelation made an ill-formed plan: {problem}"))
        })?;
    }
    let (mir, fired) = rewrite::optimize(mir, info, options.rewrites)?;
    let known = properties::of(&mir, info, &mut properties::Bindings::new());
    let key = known.keys.iter().min_by_key(|key| key.len()).map(|key| key.iter().collect());
    let lower::Lowered { nodes, root } = lower::lower(&mir)?;
    let rewrites = fired.into_iter().map(str::to_owned).collect();
    Ok(lir::Plan { nodes, root, key, rewrites })
}
