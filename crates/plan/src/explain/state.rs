//! What a node keeps between steps, in words: the state that its operator's module describes.

use crate::lir::{JoinKind, JoinPlan, Operator, ReducePlan, SideState};
use crate::mir::MirAggregate;
use headwater_expr::AggregateFunction;

/// The parts of the node's state; none of an operator without any. `source` names the relation that a join's left (0) or
/// right (1) input reads.
pub(super) fn kept(operator: &Operator, source: impl Fn(usize) -> String) -> Vec<String> {
    match operator {
        Operator::Join(join) => of_join(join, source),
        Operator::Reduce(reduce) => of_reduce(reduce),
        Operator::Distinct | Operator::Threshold => vec!["a weight per row".to_owned()],
        Operator::TopK(top_k) if top_k.key.is_empty() => vec!["all rows in order".to_owned()],
        Operator::TopK(_) => vec!["the rows of each group in order".to_owned()],
        Operator::AtMostOne { .. } => vec!["the number of rows of each group".to_owned()],
        Operator::Constant(_)
        | Operator::Source { .. }
        | Operator::Mfp(_)
        | Operator::Union
        | Operator::Negate
        | Operator::FlatMap(_) => vec![],
    }
}

fn of_join(join: &JoinPlan, source: impl Fn(usize) -> String) -> Vec<String> {
    let mut parts = Vec::new();
    for (i, (state, side)) in [(&join.left_state, "left"), (&join.right_state, "right")].into_iter().enumerate() {
        parts.push(match state {
            SideState::Shared => format!("row ids of {}", source(i)),
            SideState::Owned => format!("{side} rows"),
        });
    }
    let counted: &[&str] = match join.kind {
        JoinKind::Inner => &[],
        JoinKind::Left | JoinKind::Semi | JoinKind::Anti => &["left"],
        JoinKind::Right => &["right"],
        JoinKind::Full => &["left", "right"],
    };
    parts.extend(counted.iter().map(|side| format!("the number of matches of each {side} row")));
    parts
}

fn of_reduce(reduce: &ReducePlan) -> Vec<String> {
    use AggregateFunction::{ArrayAgg, BoolAnd, BoolOr, Max, Min, StringAgg};
    let calls = |test: &dyn Fn(&MirAggregate) -> bool| reduce.aggregates.iter().filter(|call| test(call)).count();
    // Of these, duplicates do not matter.
    let idempotent = [Min, Max, BoolAnd, BoolOr];
    let distinct = calls(&|call| call.distinct && !idempotent.contains(&call.function));
    let ordered = calls(&|call| matches!(call.function, Min | Max | ArrayAgg | StringAgg));
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let groups = if reduce.key.is_empty() { "one group" } else { "groups" };
    let sets = counted(distinct, "distinct set", "distinct sets");
    let lists = counted(ordered, "ordered list of values", "ordered lists of values");
    [Some(groups.to_owned()), sets, lists].into_iter().flatten().collect()
}
