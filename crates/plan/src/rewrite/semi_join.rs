//! A semi join becomes an inner join where no row can have two matches.
//!
//! ```text
//! Before: a ⋉ a.k = b.k b, k a key of b                After: π a (a ⋈ a.k = b.k b)
//! Before: a ⋉ a.x = b.y b                              After: π a (a ⋈ a.x = b.y δ π y (b))
//! ```
//! A semi join counts the matches of each left row; an inner join counts nothing, can be ordered with others, and lets an
//! aggregate through. δ keeps a number per value where the semi join would keep each right row.
//!
//! Sound if a left row matches at most one right row: the right side has a key that the left side's columns determine,
//! by itself or once its rows are reduced to the columns that the conditions use. Those must all be equated then.

use super::Context;
use crate::columns::ColumnSet;
use crate::mir::{JoinKind, Mir};
use crate::properties::Properties;
use crate::scalars::{columns_of, equal_is_identical, is_movable};
use headwater_expr::Scalar;

/// Whether the operator has been replaced.
pub(super) fn apply(mir: &mut Mir, inputs: &[Properties], context: &mut Context<'_>) -> bool {
    let (Mir::Join { left, right, kind: JoinKind::Semi, on }, [of_left, of_right]) = (&mut *mir, inputs) else {
        return false;
    };
    let l = left.arity();
    let (right, on) = if of_left.matches_at_most_one(of_right, on) {
        (right.take(), std::mem::take(on))
    } else {
        let Some((columns, on)) = reduced(right, on, l) else { return false };
        if !of_left.matches_at_most_one(&of_right.distinct_values_of(&columns), &on) {
            return false;
        }
        (right.take().project(columns).distinct(), on)
    };
    *mir = left.take().join(right, JoinKind::Inner, on).project((0..l).collect());
    context.fired("semi join to inner join");
    true
}

/// The columns of the right side that the conditions use, and the conditions over the right side with these only; `None`
/// if the conditions may tell rows apart that are equal in these columns.
fn reduced(right: &Mir, on: &[Scalar], l: usize) -> Option<(Vec<usize>, Vec<Scalar>)> {
    let types = right.types();
    let mut used = ColumnSet::new();
    on.iter().for_each(|condition| {
        used.union_with(&columns_of(condition).slice(l..l + types.len()));
    });
    let columns: Vec<usize> = used.iter().collect();
    if columns.is_empty() || !columns.iter().all(|&c| equal_is_identical(&types[c])) || !on.iter().all(is_movable) {
        return None;
    }
    let place = |c: usize| c.checked_sub(l).and_then(|c| columns.iter().position(|&u| u == c)).map_or(c, |i| l + i);
    let on = on.iter().map(|condition| condition.clone().remap(&mut |c| place(c))).collect();
    Some((columns, on))
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{column, equal, get, golden, operator, text};

    const ONLY: RewriteOptions = RewriteOptions { semi_join: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let both = get(1).join(get(2), JoinKind::Inner, vec![]);
        let more = get(1).join(get(3), JoinKind::Inner, vec![]);
        let by_key = || equal(column(&both, 2), column(&both, 4));
        let by_other = || equal(column(&more, 2), column(&more, 5));
        let semi = |left: Mir, right: Mir, on| left.join(right, JoinKind::Semi, on);
        golden(
            "semi_join",
            ONLY,
            vec![
                ("on a key", semi(get(1), get(2), vec![by_key(), equal(column(&both, 6), text("x"))])),
                ("on no key", semi(get(1), get(3), vec![by_other()])),
                ("on a constant too", semi(get(1), get(3), vec![by_other(), equal(column(&more, 6), text("x"))])),
                (
                    "a comparison besides, of a column that is not equated",
                    semi(get(1), get(3), vec![by_other(), operator("<", column(&more, 3), column(&more, 6))]),
                ),
                ("no equality", semi(get(1), get(3), vec![operator("<", column(&more, 2), column(&more, 5))])),
                ("no condition", semi(get(1), get(3), vec![])),
                ("an anti join", get(1).join(get(2), JoinKind::Anti, vec![by_key()])),
            ],
        );
    }
}
