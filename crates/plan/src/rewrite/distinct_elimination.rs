//! COUNT(DISTINCT x) becomes COUNT(x) where no value of x repeats in a group; no set of values is then kept.
//!
//! ```text
//! Before: γ g; COUNT(DISTINCT CASE WHEN p THEN k END)   (R, k a key)
//! After:  γ g; COUNT(CASE WHEN p THEN k END)            (R)
//! ```
//! Sound iff the group's columns and `x` together contain a strict key of the input, or `x` is a weak key (COUNT does
//! not look at NULLs). A CASE counts as `x` if it has one branch, whose result is `x` itself, no ELSE but NULL, no cast
//! that changes values, and no volatile condition. MIN, MAX, bool_and and bool_or do not mind duplicates at all.

use super::Context;
use crate::mir::{Mir, MirAggregate};
use crate::properties::Properties;
use crate::scalars::strip_relabels;
use headwater_expr::registry::Volatility;
use headwater_expr::{AggregateFunction, Expr, Scalar};
use headwater_types::Datum;

pub(super) fn apply(mir: &mut Mir, inputs: &[Properties], context: &mut Context<'_>) {
    let (Mir::Aggregate { group_key, aggregates, .. }, [input]) = (mir, inputs) else { return };
    for aggregate in aggregates.iter_mut().filter(|a| a.distinct) {
        if is_superfluous(aggregate, group_key, input) {
            aggregate.distinct = false;
            context.fired("distinct elimination");
        }
    }
}

fn is_superfluous(aggregate: &MirAggregate, group_key: &[usize], input: &Properties) -> bool {
    match aggregate.function {
        AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::BoolAnd | AggregateFunction::BoolOr => {
            true
        }
        AggregateFunction::CountStar => false,
        AggregateFunction::Count
        | AggregateFunction::Sum
        | AggregateFunction::Avg
        | AggregateFunction::SumState
        | AggregateFunction::ArrayAgg
        | AggregateFunction::StringAgg => {
            let [arg, ..] = aggregate.args.as_slice() else { return false };
            let Some((column, may_be_null_otherwise)) = counted_column(arg) else { return false };
            // array_agg keeps NULLs: a CASE would give it more than one.
            if may_be_null_otherwise && aggregate.function == AggregateFunction::ArrayAgg {
                return false;
            }
            // DISTINCT sorts the values; without it an array_agg or string_agg would not.
            let ordered = matches!(aggregate.function, AggregateFunction::ArrayAgg | AggregateFunction::StringAgg);
            if ordered && aggregate.order_by.is_empty() {
                return false;
            }
            let mut columns: crate::columns::ColumnSet = group_key.iter().copied().collect();
            columns.insert(column);
            let alone = [column].into_iter().collect();
            input.has_key_within(&columns) || !ordered && input.weak_keys.iter().any(|key| key.is_subset(&alone))
        }
    }
}

/// The column whose values these are, and whether there may be NULLs besides.
fn counted_column(arg: &Scalar) -> Option<(usize, bool)> {
    let arg = strip_relabels(arg);
    if let Some(column) = arg.as_column() {
        return Some((column, false));
    }
    let Expr::Case { branches, otherwise } = arg else { return None };
    let [(condition, result)] = branches.as_slice() else { return None };
    if !matches!(**otherwise, Expr::Literal(Datum::Null, _)) || condition.volatility() == Volatility::Volatile {
        return None;
    }
    strip_relabels(result).as_column().map(|column| (column, true))
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{call, column, equal, get, golden, text};
    use headwater_expr::{AggregateFunction, Cast, CastContext, Expr, Scalar};
    use headwater_types::{DataType, Datum};

    const ONLY: RewriteOptions = RewriteOptions { distinct_elimination: true, ..RewriteOptions::none() };

    fn count(arg: Scalar) -> crate::mir::MirAggregate {
        call(AggregateFunction::Count, Some(arg), true, DataType::Int8)
    }

    fn when(condition: Scalar, result: Scalar, otherwise: Option<Scalar>) -> Scalar {
        let null = Expr::Literal(Datum::Null, result.data_type());
        Expr::Case { branches: vec![(condition, result)], otherwise: Box::new(otherwise.unwrap_or(null)) }
    }

    fn joined(right: u32, column_of_right: usize) -> Mir {
        let both = get(1).join(get(right), JoinKind::Inner, vec![]);
        get(1).join(get(right), JoinKind::Inner, vec![equal(column(&both, 2), column(&both, 4 + column_of_right))])
    }

    #[test]
    fn golden_plans() {
        let events = get(1);
        let is_click = || equal(column(&events, 3), text("click"));
        let id = || column(&events, 0);
        let cast = Expr::Cast(Box::new(id()), Cast { to: DataType::Char(Some(3)), context: CastContext::Explicit });
        golden(
            "distinct_elimination",
            ONLY,
            vec![
                ("a key", get(1).aggregate(vec![2], vec![count(id())])),
                ("a key or NULL", get(1).aggregate(vec![2], vec![count(when(is_click(), id(), None))])),
                ("no key", get(1).aggregate(vec![2], vec![count(column(&events, 1))])),
                ("an ELSE", get(1).aggregate(vec![2], vec![count(when(is_click(), id(), Some(text("x"))))])),
                ("a cast that merges values", get(1).aggregate(vec![2], vec![count(cast)])),
                (
                    "joined with a key: still a key",
                    joined(2, 0).aggregate(vec![2], vec![count(when(is_click(), id(), None))]),
                ),
                (
                    "joined with no key: it repeats",
                    joined(3, 1).aggregate(vec![2], vec![count(when(is_click(), id(), None))]),
                ),
                ("the group makes it a key", joined(3, 1).aggregate(vec![4], vec![count(id())])),
                (
                    "a maximum does not care",
                    get(4).aggregate(
                        vec![],
                        vec![call(AggregateFunction::Max, Some(column(&get(4), 0)), true, DataType::Int4)],
                    ),
                ),
            ],
        );
    }
}
