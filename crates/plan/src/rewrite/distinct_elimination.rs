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
