//! Partial aggregates of which a final group is several: an aggregate above the new join merges them.
//!
//! ```text
//! Before: γ g; count(*), sum x, min x (S ⋈ R)                        g does not contain a key of the new join
//! After:  π g, c, sum_of_state(s, 1), m  (γ g; c = sum(c · n), s = sum_state(state_of_copies(s, n)), m = min m
//!                                           ((γ k; c = count(*), s = sum_state x, m = min x (S))  ⋈  …))
//! ```
//! In a query that is read once only: a view's upper aggregate would be passed two rows for each change of a partial one.
//! A GROUP BY without columns is one of these, and its count is 0 where there is nothing to merge.
//!
//! Sound iff, further,
//! 1. no call has DISTINCT, unless it may as well not have it (MIN, MAX, bool_and, bool_or): a value may be in several
//!    partial groups;
//! 2. no sum is of floats: its state is rounded, and a sum of rounded sums is another number.
//!
//! Worth it iff S has far more rows than partial groups. How many these are a sample tells, where k is columns of a stored
//! relation. Where it is not, a column that is equal to one of a small input is taken to have as many values as that has
//! rows, as those of a fact table have that join it to its dimensions. Booleans have three.
//!
//! The other inputs must not drop most rows, by conditions of their own or as semi and anti joins may: a join that does is
//! cheaper than to group them first.

use super::{Push, finished, int8, is_of_floats, partial, product, times};
use crate::columns::ColumnSet;
use crate::mir::{JoinKind, Mir, MirAggregate};
use crate::rewrite::{Purpose, estimate};
use crate::scalars::{Equation, coalesce};
use headwater_expr::registry::function_by_signature;
use headwater_expr::{Aggregate, AggregateFunction, Expr, Scalar};
use headwater_types::DataType;

/// So many rows of a side are to share a group.
const ROWS_PER_GROUP_MIN: f64 = 16.0;

/// The values of a boolean, with NULL.
const BOOLEANS: f64 = 3.0;

/// The share of a side's rows that the others' conditions are to keep.
const KEPT_SHARE_MIN: f64 = 0.25;

impl Push<'_> {
    /// Whether partial aggregates of this side may be merged, and are few.
    pub(super) fn merges(&self, side: &ColumnSet, own: &[&Scalar], across: &[&Scalar]) -> bool {
        self.context.purpose == Purpose::Query
            && self.calls.iter().all(is_mergeable)
            && self.has_few_groups(side, own, across).unwrap_or(false)
    }

    fn has_few_groups(&self, side: &ColumnSet, own: &[&Scalar], across: &[&Scalar]) -> Option<bool> {
        let rows = estimate::rows(&self.inputs_joined(side, own)?, self.context.info);
        if !self.keeps_enough_rows(side, own)? {
            return Some(false);
        }
        let (booleans, keys): (Vec<Scalar>, Vec<Scalar>) =
            self.keys_of(side, across).into_iter().partition(|key| key.data_type() == DataType::Bool);
        let groups = self.sampled_groups(side, &keys).or_else(|| self.matched_groups(side, across, &keys))?;
        let groups = booleans.iter().fold(groups, |groups, _| groups * BOOLEANS);
        Some(groups * ROWS_PER_GROUP_MIN <= rows)
    }

    /// The groups of these columns of a stored relation.
    fn sampled_groups(&self, side: &ColumnSet, keys: &[Scalar]) -> Option<f64> {
        let input = &self.tree.inputs[side.iter().next().filter(|_| side.len() == 1)?];
        let mut columns = keys.iter().map(|key| Some(key.as_column()? - input.start)).collect::<Option<Vec<_>>>()?;
        let mut mir = input.mir;
        let relation = loop {
            mir = match mir {
                Mir::Get { relation, .. } => break *relation,
                Mir::Filter { input, .. } => input,
                Mir::Map { input, .. } if columns.iter().all(|&c| c < input.arity()) => input,
                Mir::Project { input, columns: from } => {
                    columns.iter_mut().for_each(|c| *c = from[*c]);
                    input
                }
                _ => return None,
            };
        };
        let groups = u32::try_from(self.context.info.distinct(relation, &columns)?).unwrap_or(u32::MAX);
        Some(f64::from(groups))
    }

    /// The groups that the inputs have which join columns of their own to these.
    fn matched_groups(&self, side: &ColumnSet, across: &[&Scalar], keys: &[Scalar]) -> Option<f64> {
        let mut groups = 1.0;
        let mut counted = ColumnSet::new();
        for key in keys {
            let (rows, input) = self.smallest_equal(side, across, key)?;
            if counted.insert(input) {
                groups *= rows;
            }
        }
        Some(groups)
    }

    /// Whether the other inputs leave enough rows of the side; `None` if nobody knows.
    fn keeps_enough_rows(&self, side: &ColumnSet, own: &[&Scalar]) -> Option<bool> {
        let mut kept = 1.0;
        let info = self.context.info;
        for input in (0..self.tree.inputs.len()).filter(|i| !side.contains(*i)) {
            match self.tree.inputs[input].kind {
                JoinKind::Inner => {
                    let mir = self.inputs_joined(&[input].into_iter().collect(), own)?;
                    kept *= estimate::kept_share(&mir, info);
                }
                JoinKind::Left => {}
                _ => return None,
            }
        }
        Some(kept >= KEPT_SHARE_MIN)
    }

    /// The rows of the smallest input that joins a column of its own to this key, and which one it is.
    fn smallest_equal(&self, side: &ColumnSet, across: &[&Scalar], key: &Scalar) -> Option<(f64, usize)> {
        let on = self.tree.inputs.iter().flat_map(|input| &input.on);
        let equations = across.iter().copied().chain(on).filter_map(Equation::of);
        let equal = equations.filter_map(|equation| {
            let other = match equation {
                Equation { left, right, .. } if left == *key => right,
                Equation { left, right, .. } if right == *key => left,
                _ => return None,
            };
            let input = self.tree.input_of(other.as_column()?);
            let rows = estimate::rows_unfiltered(self.tree.inputs[input].mir, self.context.info);
            (!side.contains(input)).then_some((rows, input))
        });
        equal.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
    }

    /// The final groups, merged of the rows of the new join, each of which stands for so many copies. `groups` are over its
    /// columns, where the partial values begin at `first`.
    pub(super) fn merged(
        &self,
        side: &ColumnSet,
        joined: Mir,
        groups: Vec<Scalar>,
        first: usize,
        copies: &[Scalar],
    ) -> Option<Mir> {
        let partials = self.canonical_calls(side);
        let (arity, grouped) = (joined.arity(), groups.len());
        let mut computed = groups;
        let mut merging = Vec::with_capacity(partials.len());
        for (i, partial) in partials.iter().enumerate() {
            let data_type = partial.data_type.clone();
            let (function, value) = multiplied(partial, Scalar::column(first + i, data_type.clone()), copies)?;
            let args = vec![Scalar::column(arity + grouped + i, data_type)];
            merging.push(Aggregate { function, args, distinct: false, filter: None, ..partial.clone() });
            computed.push(value);
        }
        let mut results = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            let place = partials.iter().position(|p| *p == partial(call))?;
            let result = finished(call, Scalar::column(grouped + place, partials[place].data_type.clone()), &[])?;
            let counts = matches!(call.function, AggregateFunction::CountStar | AggregateFunction::Count);
            results.push(if counts && grouped == 0 { coalesce(result, int8(0)) } else { result });
        }
        let aggregate = joined.map(computed).aggregate((arity..arity + grouped).collect(), merging);
        let merged = aggregate.arity();
        let columns = (0..grouped).chain(merged..merged + results.len()).collect();
        Some(aggregate.map(results).project(columns))
    }
}

/// Whether the call over a group's rows follows from the same over parts of them.
fn is_mergeable(call: &MirAggregate) -> bool {
    match call.function {
        AggregateFunction::CountStar | AggregateFunction::Count => !call.distinct,
        AggregateFunction::Sum | AggregateFunction::Avg => !call.distinct && !is_of_floats(call),
        _ => true,
    }
}

/// What a partial value counts for that stands for so many copies, and how such are merged.
fn multiplied(partial: &MirAggregate, value: Scalar, copies: &[Scalar]) -> Option<(AggregateFunction, Scalar)> {
    Some(match partial.function {
        AggregateFunction::CountStar | AggregateFunction::Count if copies.is_empty() => (AggregateFunction::Sum, value),
        AggregateFunction::CountStar | AggregateFunction::Count => {
            (AggregateFunction::Sum, times(value, product(copies)?)?)
        }
        AggregateFunction::SumState if !copies.is_empty() => {
            let function = function_by_signature("state_of_copies(bytea,int8)")?;
            let (args, data_type) = (vec![value, product(copies)?], DataType::Bytea);
            (AggregateFunction::SumState, Expr::Call { function, args, data_type })
        }
        function => (function, value),
    })
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir, MirAggregate};
    use crate::rewrite::Purpose;
    use crate::testing::{Tables, call, column, equal, get, golden_of, text};
    use headwater_expr::{AggregateFunction, Cast, CastContext, Expr};
    use headwater_types::DataType;

    const ONLY: RewriteOptions = RewriteOptions { eager_aggregation: true, ..RewriteOptions::none() };

    /// A million events, and tables of which all but the last are far smaller.
    fn tables() -> Tables {
        let mut tables = Tables::marketing();
        for (table, rows) in tables.0.iter_mut().zip([1_000_000, 100, 100, 100_000]) {
            table.rows = Some(rows);
        }
        tables
    }

    /// `events(0..4)`, and another table of which a column is `campaign_id`.
    fn events(kind: JoinKind, other: u32, campaign_id: usize) -> Mir {
        let both = get(1).join(get(other), JoinKind::Inner, vec![]);
        get(1).join(get(other), kind, vec![equal(column(&both, 2), column(&both, 4 + campaign_id))])
    }

    fn campaigns(kind: JoinKind) -> Mir {
        events(kind, 2, 0)
    }

    fn count() -> MirAggregate {
        call(AggregateFunction::CountStar, None, false, DataType::Int8)
    }

    fn of_user(function: AggregateFunction, distinct: bool, data_type: DataType) -> MirAggregate {
        call(function, Some(column(&get(1), 1)), distinct, data_type)
    }

    fn calls() -> Vec<MirAggregate> {
        use AggregateFunction as F;
        vec![
            count(),
            of_user(F::Sum, false, DataType::Int8),
            of_user(F::Avg, false, DataType::Numeric(None)),
            of_user(F::Min, false, DataType::Int4),
            of_user(F::Max, true, DataType::Int4),
        ]
    }

    fn golden(name: &str, purpose: Purpose, cases: Vec<(&str, Mir)>) {
        golden_of(name, &tables(), ONLY, purpose, cases);
    }

    #[test]
    fn golden_plans() {
        let both = campaigns(JoinKind::Inner);
        let repeated = events(JoinKind::Inner, 3, 1);
        let clicks = both.clone().map(vec![equal(column(&both, 3), text("click"))]);
        let named = Expr::Not(Box::new(equal(column(&both, 3), column(&both, 5))));
        let star = {
            let all = both.clone().join(get(3), JoinKind::Inner, vec![]);
            both.clone().join(get(3), JoinKind::Inner, vec![equal(column(&all, 2), column(&all, 8))])
        };
        golden(
            "eager_aggregation_merge",
            Purpose::Query,
            vec![
                ("a dimension's column", both.clone().aggregate(vec![6], calls())),
                ("no group columns: a row of no rows", both.clone().aggregate(vec![], calls())),
                ("the other side repeats", repeated.aggregate(vec![6], calls())),
                ("a final group of the side", clicks.aggregate(vec![6, 7], vec![count()])),
                ("an outer join", campaigns(JoinKind::Left).aggregate(vec![6], vec![count()])),
                ("two inputs equal to one column", star.aggregate(vec![6, 9], vec![count()])),
                ("a column of few values", both.clone().filter(vec![named]).aggregate(vec![6], vec![count()])),
                ("a condition that keeps half of the campaigns", {
                    let one_type = equal(column(&both, 6), text("email"));
                    both.clone().filter(vec![one_type]).aggregate(vec![5], vec![count()])
                }),
                ("DISTINCT", both.clone().project(vec![3, 6]).distinct()),
                ("nothing to merge", both.clone().aggregate(vec![4], vec![count()])),
            ],
        );
    }

    #[test]
    fn golden_plans_that_stay() {
        let both = campaigns(JoinKind::Inner);
        let plain = {
            let all = get(1).join(get(4), JoinKind::Inner, vec![]);
            get(1).join(get(4), JoinKind::Inner, vec![equal(column(&all, 1), column(&all, 4))])
        };
        let float = Cast { to: DataType::Float8, context: CastContext::Explicit };
        let float = Expr::Cast(Box::new(column(&both, 1)), float);
        let floats = call(AggregateFunction::Sum, Some(float), false, DataType::Float8);
        let one = |column_index, value| equal(column(&both, column_index), text(value));
        let few = both.clone().filter(vec![one(5, "spring")]);
        let distinct = |function| of_user(function, true, DataType::Int8);
        golden(
            "eager_aggregation_merge_stays",
            Purpose::Query,
            vec![
                (
                    "a value may be in several groups",
                    both.clone().aggregate(vec![6], vec![distinct(AggregateFunction::Count)]),
                ),
                ("sums are rounded", both.clone().aggregate(vec![6], vec![floats])),
                ("the other input is not small", plain.aggregate(vec![5], vec![count()])),
                ("a final group of many values", both.clone().aggregate(vec![1, 6], vec![count()])),
                ("a final group of which nothing is known", both.clone().aggregate(vec![1, 3, 6], vec![count()])),
                ("the join drops most rows", few.aggregate(vec![6], vec![count()])),
                ("so may a semi join", {
                    let on = vec![equal(column(&both, 2), column(&both, 4))];
                    get(1).join(get(2), JoinKind::Semi, on).aggregate(vec![3], vec![count()])
                }),
            ],
        );
        golden("eager_aggregation_merge_view", Purpose::View, vec![("a view", both.aggregate(vec![6], calls()))]);
    }
}
