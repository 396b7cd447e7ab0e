//! An outer join whose added rows are dropped above becomes an inner join.
//!
//! ```text
//! Before: σ b.x = 1 (a ⟕ b)        After: σ b.x = 1 (a ⋈ b)
//! ```
//! Sound if some condition above is not true when a column of the null-supplied side is NULL: the rows that the outer
//! join adds have NULL in all of that side's columns.

use crate::columns::ColumnSet;
use crate::mir::JoinKind;

/// The kind of join that is left, if rows with NULL in one of `not_null` are dropped above; left has `l` columns and
/// right `r`.
pub(super) fn simplified(kind: JoinKind, not_null: &ColumnSet, l: usize, r: usize) -> JoinKind {
    let left = !not_null.slice(0..l).is_empty();
    let right = !not_null.slice(l..l + r).is_empty();
    match (kind, left, right) {
        (JoinKind::Left, _, true) | (JoinKind::Right, true, _) | (JoinKind::Full, true, true) => JoinKind::Inner,
        (JoinKind::Full, true, false) => JoinKind::Left,
        (JoinKind::Full, false, true) => JoinKind::Right,
        (kind, ..) => kind,
    }
}
