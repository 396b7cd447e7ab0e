//! The bound on a query's depth: everything after this recurses.

use crate::hir::{HirLeaf, HirQuery, HirRelation, HirScalar};
use headwater_types::{Result, SqlError, SqlState};

/// Levels of nesting, of relations and scalars together, on any path through a query.
pub const QUERY_DEPTH_MAX: usize = 600;

/// Stack bytes per level that every pass of planning can do with, unoptimised builds included.
const LEVEL_STACK_BYTES: usize = 64 << 10;

/// Queries this shallow need no thought.
const SHALLOW_DEPTH_MAX: usize = 24;

/// Runs `plan` for a query, on a stack that is large enough for its depth.
///
/// # Errors
///
/// 54001 for a query that is nested too deeply; what `plan` raises.
pub(crate) fn with_stack<T>(query: &HirQuery, plan: impl FnOnce() -> Result<T>) -> Result<T> {
    let bytes = |depth: usize| depth * LEVEL_STACK_BYTES;
    let depth = stacker::maybe_grow(bytes(4), bytes(QUERY_DEPTH_MAX / 4), || relation(&query.relation, 0))?;
    if depth <= SHALLOW_DEPTH_MAX {
        return plan();
    }
    stacker::maybe_grow(bytes(depth), bytes(depth + 4), plan)
}

fn deeper(depth: usize) -> Result<usize> {
    if depth >= QUERY_DEPTH_MAX {
        return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
            .with_hint("Split the query into views, or nest it less deeply."));
    }
    Ok(depth + 1)
}

/// The deepest of some parts.
fn deepest<T>(parts: impl IntoIterator<Item = T>, depth: usize, of: impl Fn(T) -> Result<usize>) -> Result<usize> {
    parts.into_iter().try_fold(depth, |deepest, part| Ok(deepest.max(of(part)?)))
}

fn scalar(expr: &HirScalar, depth: usize) -> Result<usize> {
    let depth = deeper(depth)?;
    if let HirScalar::Leaf(leaf) = expr {
        return match leaf {
            HirLeaf::Column { .. } | HirLeaf::Parameter { .. } => Ok(depth),
            HirLeaf::Exists(inner) | HirLeaf::ScalarSubquery(inner, _) => relation(inner, depth),
            HirLeaf::ArraySubquery { relation: inner, .. } => relation(inner, depth),
            HirLeaf::AnySubquery { relation: inner, predicate } => {
                Ok(relation(inner, depth)?.max(scalar(predicate, depth)?))
            }
        };
    }
    deepest(expr.children(), depth, |child| scalar(child, depth))
}

fn relation(rel: &HirRelation, depth: usize) -> Result<usize> {
    let depth = deeper(depth)?;
    let mut scalars = Vec::new();
    rel.for_each_scalar(&mut |s| scalars.push(s));
    let of_scalars = deepest(scalars, depth, |s| scalar(s, depth))?;
    deepest(rel.children(), of_scalars, |child| relation(child, depth))
}
