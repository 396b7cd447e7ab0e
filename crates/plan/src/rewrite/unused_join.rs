//! An outer join of which only the preserved side is used goes, where it repeats no row.
//!
//! ```text
//! Before: π a (a ⟕ a.k = b.k b), k a key of b        After: π a (a)
//! ```
//! Sound if a left row matches at most one right row, and no condition can fail: the join then gives each left row once,
//! with a match or with NULLs. Views over many tables leave such joins where a query asks for few of the columns.

use crate::properties::Properties;
use crate::scalars::is_movable;
use headwater_expr::Scalar;

/// Whether a left join adds nothing to its left side's columns.
pub(super) fn is_unused(left: &Properties, right: &Properties, on: &[Scalar]) -> bool {
    on.iter().all(is_movable) && left.matches_at_most_one(right, on)
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{column, equal, fallible, get, golden};

    const ONLY: RewriteOptions = RewriteOptions { demand: true, unused_join: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let join = |right: u32, c: usize, kind: JoinKind| -> Mir {
            let both = get(1).join(get(right), JoinKind::Inner, vec![]);
            get(1).join(get(right), kind, vec![equal(column(&both, 2), column(&both, c))])
        };
        let both = join(2, 4, JoinKind::Left);
        let key = || equal(column(&both, 2), column(&both, 4));
        golden(
            "unused_join",
            ONLY,
            vec![
                ("on a key", join(2, 4, JoinKind::Left).project(vec![0, 3])),
                ("below a grouping", join(2, 4, JoinKind::Left).aggregate(vec![3], vec![])),
                ("a column is used", join(2, 4, JoinKind::Left).project(vec![0, 5])),
                ("on no key: rows are repeated", join(3, 5, JoinKind::Left).project(vec![0])),
                ("an inner join drops rows", join(2, 4, JoinKind::Inner).project(vec![0])),
                (
                    "a condition that may fail",
                    get(1).join(get(2), JoinKind::Left, vec![key(), fallible(&get(1), 1)]).project(vec![0]),
                ),
            ],
        );
    }
}
