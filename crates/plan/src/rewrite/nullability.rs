//! Tests for NULL of what is never NULL.
//!
//! ```text
//! Before: k IS NULL, k a primary key     After: false
//! Before: COALESCE(k, 0)                 After: k
//! Before: COUNT(k)                       After: COUNT(*)
//! Before: COUNT(CASE WHEN p THEN k END)  After: COUNT(*) FILTER (WHERE p)
//! ```
//! Sound if `k` raises nothing and is never NULL in the operator's input. The CASE must have one branch and no ELSE but
//! NULL: it is then not NULL exactly where `p` is true, and `p` is evaluated for the same rows.

use super::Context;
use crate::columns::ColumnSet;
use crate::mir::{Mir, MirAggregate};
use crate::properties::Properties;
use crate::scalars::{bool_literal, is_movable, is_never_null};
use headwater_expr::{AggregateFunction, Expr, Scalar};
use headwater_types::Datum;

const NAME: &str = "null tests";

pub(super) fn apply(mir: &mut Mir, inputs: &[Properties], context: &mut Context<'_>) {
    let not_null = match (&*mir, inputs) {
        // A join's condition sees pairs only, never the NULLs that an outer join adds.
        (Mir::Join { .. }, [left, right]) => {
            let mut set = left.not_null.clone();
            set.union_with(&right.not_null.shifted(left.arity));
            set
        }
        (_, [input]) => input.not_null.clone(),
        _ => return,
    };
    if let Mir::Aggregate { aggregates, .. } = mir {
        for aggregate in aggregates {
            if count_star(aggregate, &not_null) {
                context.fired(NAME);
            }
        }
    }
    mir.for_each_scalar_mut(&mut |scalar| {
        if simplify(scalar, &not_null) {
            context.fired(NAME);
        }
    });
}

fn simplify(scalar: &mut Scalar, not_null: &ColumnSet) -> bool {
    let mut changed = false;
    for child in scalar.children_mut() {
        changed |= simplify(child, not_null);
    }
    match scalar {
        Expr::IsNull(input) if is_never_null(input, not_null) && is_movable(input) => {
            *scalar = bool_literal(false);
            true
        }
        Expr::Coalesce(args) if args.len() > 1 && is_never_null(&args[0], not_null) => {
            *scalar = args.swap_remove(0);
            true
        }
        _ => changed,
    }
}

/// Whether a count of an argument has become a count of rows.
fn count_star(aggregate: &mut MirAggregate, not_null: &ColumnSet) -> bool {
    if aggregate.function != AggregateFunction::Count || aggregate.distinct {
        return false;
    }
    let [arg] = aggregate.args.as_slice() else { return false };
    if is_never_null(arg, not_null) && is_movable(arg) {
        aggregate.function = AggregateFunction::CountStar;
        aggregate.args.clear();
        return true;
    }
    let Expr::Case { branches, otherwise } = arg else { return false };
    let [(condition, result)] = branches.as_slice() else { return false };
    if !matches!(**otherwise, Expr::Literal(Datum::Null, _)) || !is_never_null(result, not_null) || !is_movable(result)
    {
        return false;
    }
    let condition = condition.clone();
    aggregate.filter = Some(match aggregate.filter.take() {
        // As a CASE inside the filter: the condition counts only for rows that pass.
        Some(filter) => Expr::Case { branches: vec![(filter, condition)], otherwise: Box::new(bool_literal(false)) },
        None => condition,
    });
    aggregate.function = AggregateFunction::CountStar;
    aggregate.args.clear();
    true
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::testing::{call, column, equal, get, golden, text};
    use headwater_expr::{AggregateFunction, Expr};
    use headwater_types::{DataType, Datum};

    const ONLY: RewriteOptions = RewriteOptions { nullability: true, fold: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let events = get(1);
        let is_null = |c| Expr::IsNull(Box::new(column(&events, c)));
        let count = |arg| call(AggregateFunction::Count, Some(arg), false, DataType::Int8);
        let clicks = |c| Expr::Case {
            branches: vec![(equal(column(&events, 3), text("click")), column(&events, c))],
            otherwise: Box::new(Expr::Literal(Datum::Null, DataType::Text)),
        };
        golden(
            "nullability",
            ONLY,
            vec![
                ("a key", get(1).filter(vec![is_null(0)])),
                ("another column", get(1).filter(vec![is_null(2)])),
                (
                    "a column that a filter needs",
                    get(1).filter(vec![equal(column(&events, 2), text("c"))]).filter(vec![is_null(2)]),
                ),
                ("counts", get(1).aggregate(vec![], vec![count(column(&events, 0)), count(column(&events, 2))])),
                ("counts of a CASE", get(1).aggregate(vec![], vec![count(clicks(0)), count(clicks(2))])),
            ],
        );
    }
}
