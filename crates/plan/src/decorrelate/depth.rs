//! The bound on a query's depth: everything after this recurses.

use crate::hir::{HirLeaf, HirQuery, HirRelation, HirScalar};
use headwater_types::{Result, SqlError, SqlState};

/// Levels of nesting, of relations and scalars together, on any path through a query.
pub const QUERY_DEPTH_MAX: usize = 600;

/// Fails for a query that is nested too deeply.
///
/// # Errors
///
/// 54001.
pub(crate) fn check_depth(query: &HirQuery) -> Result<()> {
    relation(&query.relation, 0)
}

fn deeper(depth: usize) -> Result<usize> {
    if depth >= QUERY_DEPTH_MAX {
        return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
            .with_hint("Split the query into views, or nest it less deeply."));
    }
    Ok(depth + 1)
}

fn scalar(expr: &HirScalar, depth: usize) -> Result<()> {
    let depth = deeper(depth)?;
    if let HirScalar::Leaf(leaf) = expr {
        return match leaf {
            HirLeaf::Column { .. } | HirLeaf::Parameter { .. } => Ok(()),
            HirLeaf::Exists(inner) | HirLeaf::ScalarSubquery(inner, _) => relation(inner, depth),
            HirLeaf::ArraySubquery { relation: inner, .. } => relation(inner, depth),
            HirLeaf::AnySubquery { relation: inner, predicate } => {
                relation(inner, depth)?;
                scalar(predicate, depth)
            }
        };
    }
    expr.children().into_iter().try_for_each(|child| scalar(child, depth))
}

fn relation(rel: &HirRelation, depth: usize) -> Result<()> {
    let depth = deeper(depth)?;
    let mut scalars = Vec::new();
    rel.for_each_scalar(&mut |s| scalars.push(s));
    scalars.into_iter().try_for_each(|s| scalar(s, depth))?;
    rel.children().into_iter().try_for_each(|child| relation(child, depth))
}
