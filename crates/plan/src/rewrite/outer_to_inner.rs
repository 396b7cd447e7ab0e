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

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{column, equal, get, golden, text};
    use headwater_expr::Expr;

    const ONLY: RewriteOptions = RewriteOptions { pushdown: true, outer_to_inner: true, ..RewriteOptions::none() };

    fn join(kind: JoinKind) -> Mir {
        let both = get(1).join(get(2), JoinKind::Inner, vec![]);
        get(1).join(get(2), kind, vec![equal(column(&both, 2), column(&both, 4))])
    }

    #[test]
    fn golden_plans() {
        let both = join(JoinKind::Left);
        let name = equal(column(&both, 5), text("x"));
        let is_null = Expr::IsNull(Box::new(column(&both, 4)));
        let third = both.clone().join(get(3), JoinKind::Inner, vec![]);
        golden(
            "outer_to_inner",
            ONLY,
            vec![
                ("a condition that NULL does not meet", both.clone().filter(vec![name.clone()])),
                ("a condition that NULL meets", both.clone().filter(vec![is_null.clone()])),
                ("one of two", both.clone().filter(vec![Expr::Or(vec![name.clone(), is_null])])),
                (
                    "a join above",
                    both.clone().join(get(3), JoinKind::Inner, vec![equal(column(&third, 4), column(&third, 8))]),
                ),
                ("full to right", join(JoinKind::Full).filter(vec![name])),
                ("full to inner", join(JoinKind::Full).filter(vec![equal(column(&both, 0), column(&both, 5))])),
            ],
        );
    }
}
