//! Only columns that are used are carried.
//!
//! ```text
//! Before: π a (r ⋈ k = k s)                    After: π a (π a, k (r) ⋈ k = k π k (s))
//! Before: γ g; sum x, sum x, count y, unused   After: γ g; sum x, count y
//! ```
//! Sound where an operator does not look at whole rows: DISTINCT, EXCEPT and TopK (whose ties are broken by identity)
//! need all of theirs. An expression that nobody uses is not evaluated, and its error not raised.

use super::{Context, group_key, unused_join};
use crate::columns::ColumnSet;
use crate::mir::{JoinKind, Mir};
use crate::properties::{self, Bindings};
use crate::scalars::columns_of;
use headwater_expr::Scalar;
use std::collections::HashMap;

pub(super) fn rewrite(mir: Mir, context: &mut Context<'_>) -> Mir {
    let arity = mir.arity();
    let mut demand = Demand { context, bindings: Bindings::new(), of_bindings: HashMap::new(), narrowed: false };
    let mir = demand.prune(mir, &ColumnSet::range(0..arity));
    if demand.narrowed {
        demand.context.fired("projection pushdown");
    }
    mir
}

struct Demand<'c, 'i> {
    context: &'c mut Context<'i>,
    /// What is known of each `Let`'s value.
    bindings: Bindings,
    /// The columns of each `Let` that its body uses.
    of_bindings: HashMap<usize, ColumnSet>,
    narrowed: bool,
}

/// Where the columns of `set` are among themselves.
fn rank(set: &ColumnSet) -> HashMap<usize, usize> {
    set.iter().enumerate().map(|(i, c)| (c, i)).collect()
}

/// A pruned relation's columns `needed`, of which it has `all`.
fn narrow(mir: Mir, all: &ColumnSet, needed: &ColumnSet) -> Mir {
    let place = rank(all);
    mir.project(needed.iter().map(|c| place[&c]).collect())
}

impl Demand<'_, '_> {
    /// `mir` with exactly the columns `needed`, in order.
    fn prune(&mut self, mir: Mir, needed: &ColumnSet) -> Mir {
        match mir {
            Mir::Constant { .. } | Mir::Get { .. } => {
                let arity = mir.arity();
                self.narrowed |= needed.len() < arity;
                mir.project(needed.iter().collect())
            }
            Mir::LocalGet { id, types } => {
                self.of_bindings.entry(id).or_default().union_with(needed);
                // Always a projection, so that its ordinals can be changed when the whole demand is known.
                Mir::Project { input: Box::new(Mir::LocalGet { id, types }), columns: needed.iter().collect() }
            }
            Mir::Let { id, value, body } => {
                let known = properties::of(&value, self.context.info, &mut self.bindings);
                self.bindings.insert(id, known);
                let mut body = self.prune(*body, needed);
                let used = self.of_bindings.remove(&id).unwrap_or_default();
                let value = self.prune(*value, &used);
                renumber(&mut body, id, &value.types(), &rank(&used));
                Mir::Let { id, value: Box::new(value), body: Box::new(body) }
            }
            Mir::Project { input, columns } => {
                let used: ColumnSet = needed.iter().map(|c| columns[c]).collect();
                let place = rank(&used);
                let columns = needed.iter().map(|c| place[&columns[c]]).collect();
                self.prune(*input, &used).project(columns)
            }
            Mir::Map { input, scalars } => self.map(*input, scalars, needed),
            Mir::Filter { input, predicates } => {
                let used = with_columns(needed, &predicates);
                let input = self.prune(*input, &used);
                let place = rank(&used);
                narrow(input.filter(remapped(predicates, &place)), &used, needed)
            }
            Mir::Join { left, right, kind, on } => self.join(*left, *right, kind, on, needed),
            Mir::Aggregate { input, group_key, aggregates } => self.aggregate(*input, &group_key, aggregates, needed),
            Mir::Distinct { input } => {
                let all = ColumnSet::range(0..input.arity());
                narrow(self.prune(*input, &all).distinct(), &all, needed)
            }
            Mir::TopK { input, group_key, order_by, limit, offset } => {
                let all = ColumnSet::range(0..input.arity());
                let input = Box::new(self.prune(*input, &all));
                narrow(Mir::TopK { input, group_key, order_by, limit, offset }, &all, needed)
            }
            Mir::Union { inputs, types } => {
                let inputs = inputs.into_iter().map(|input| self.prune(input, needed)).collect();
                Mir::Union { inputs, types: needed.iter().map(|c| types[c].clone()).collect() }
            }
            Mir::Negate { input } => Mir::Negate { input: Box::new(self.prune(*input, needed)) },
            Mir::Threshold { input } => {
                let all = ColumnSet::range(0..input.arity());
                narrow(Mir::Threshold { input: Box::new(self.prune(*input, &all)) }, &all, needed)
            }
            Mir::FlatMap { input, function, args, types, ordinality } => {
                let (arity, more) = (input.arity(), types.len() + usize::from(ordinality));
                let used = with_columns(&needed.slice(0..arity), &args);
                let input = Box::new(self.prune(*input, &used));
                let place = rank(&used);
                let flat_map = Mir::FlatMap { input, function, args: remapped(args, &place), types, ordinality };
                let mut all = used;
                all.union_with(&ColumnSet::range(arity..arity + more));
                narrow(flat_map, &all, needed)
            }
            Mir::AtMostOne { input, key } => {
                let mut used = needed.clone();
                used.union_with(&key.iter().copied().collect());
                let input = Box::new(self.prune(*input, &used));
                let place = rank(&used);
                let key = key.into_iter().map(|c| place[&c]).collect();
                narrow(Mir::AtMostOne { input, key }, &used, needed)
            }
        }
    }

    fn map(&mut self, input: Mir, scalars: Vec<Scalar>, needed: &ColumnSet) -> Mir {
        let arity = input.arity();
        let wanted: Vec<(usize, Scalar)> =
            scalars.into_iter().enumerate().map(|(i, s)| (arity + i, s)).filter(|(c, _)| needed.contains(*c)).collect();
        let mut used = needed.slice(0..arity);
        wanted.iter().for_each(|(_, scalar)| {
            used.union_with(&columns_of(scalar));
        });
        let input = self.prune(input, &used);
        let place = rank(&used);
        let mut all = used;
        all.union_with(&wanted.iter().map(|(c, _)| *c).collect());
        narrow(input.map(remapped(wanted.into_iter().map(|(_, s)| s).collect(), &place)), &all, needed)
    }

    fn join(&mut self, left: Mir, right: Mir, kind: JoinKind, on: Vec<Scalar>, needed: &ColumnSet) -> Mir {
        let (l, r) = (left.arity(), right.arity());
        if self.is_unused(&left, &right, kind, &on, needed) {
            self.context.fired("unused outer join");
            return self.prune(left, needed);
        }
        let used = with_columns(needed, &on);
        let (of_left, of_right) = (used.slice(0..l), used.slice(l..l + r));
        let left = self.prune(left, &of_left);
        let right = self.prune(right, &of_right);
        let on = remapped(on, &rank(&used));
        let joined = left.join(right, kind, on);
        match kind {
            JoinKind::Semi | JoinKind::Anti => narrow(joined, &of_left, needed),
            JoinKind::Inner | JoinKind::Left | JoinKind::Right | JoinKind::Full => narrow(joined, &used, needed),
        }
    }

    /// Whether a join gives no more than its left side.
    fn is_unused(&mut self, left: &Mir, right: &Mir, kind: JoinKind, on: &[Scalar], needed: &ColumnSet) -> bool {
        let (l, r) = (left.arity(), right.arity());
        if !self.context.options.unused_join || kind != JoinKind::Left || !needed.slice(l..l + r).is_empty() {
            return false;
        }
        let info = self.context.info;
        let (left, right) =
            (properties::of(left, info, &mut self.bindings), properties::of(right, info, &mut self.bindings));
        unused_join::is_unused(&left, &right, on)
    }

    /// The ordinals of the group columns that are kept.
    fn group_key(&mut self, input: &Mir, group_key: &[usize], needed: &ColumnSet) -> Vec<usize> {
        let all = || (0..group_key.len()).collect();
        if !self.context.options.group_key || ColumnSet::range(0..group_key.len()).is_subset(needed) {
            return all();
        }
        let known = properties::of(input, self.context.info, &mut self.bindings);
        let kept = group_key::shortened(group_key, needed, &known);
        if kept.len() < group_key.len() {
            self.context.fired("shorter group keys");
        }
        kept
    }

    fn aggregate(
        &mut self,
        input: Mir,
        group_key: &[usize],
        aggregates: Vec<crate::mir::MirAggregate>,
        needed: &ColumnSet,
    ) -> Mir {
        let g = group_key.len();
        let kept_keys = self.group_key(&input, group_key, needed);
        let group_key: Vec<usize> = kept_keys.iter().map(|&i| group_key[i]).collect();
        let shift = g - group_key.len();
        let mut kept = Vec::with_capacity(aggregates.len());
        // The place of each needed column in the result.
        let place_of_key = |c: usize| kept_keys.iter().position(|&i| i == c);
        let mut columns: Vec<usize> = needed.iter().filter(|&c| c < g).filter_map(place_of_key).collect();
        for (i, aggregate) in aggregates.into_iter().enumerate() {
            if !needed.contains(g + i) {
                self.narrowed = true;
                continue;
            }
            let place = kept.iter().position(|k| *k == aggregate).unwrap_or_else(|| {
                kept.push(aggregate);
                kept.len() - 1
            });
            columns.push(g - shift + place);
        }
        let used_by = Mir::unit().aggregate(vec![], kept);
        let mut used: ColumnSet = group_key.iter().copied().collect();
        used_by.for_each_scalar(&mut |scalar| {
            used.union_with(&columns_of(scalar));
        });
        let place = rank(&used);
        let input = self.prune(input, &used);
        let mut result = used_by;
        result.for_each_scalar_mut(&mut |scalar| {
            let taken = std::mem::replace(scalar, crate::scalars::bool_literal(true));
            *scalar = taken.remap(&mut |c| place[&c]);
        });
        if let Mir::Aggregate { input: slot, group_key: key, .. } = &mut result {
            **slot = input;
            *key = group_key.iter().map(|c| place[c]).collect();
        }
        result.project(columns)
    }
}

fn with_columns(needed: &ColumnSet, scalars: &[Scalar]) -> ColumnSet {
    let mut used = needed.clone();
    for scalar in scalars {
        used.union_with(&columns_of(scalar));
    }
    used
}

fn remapped(scalars: Vec<Scalar>, place: &HashMap<usize, usize>) -> Vec<Scalar> {
    scalars.into_iter().map(|s| s.remap(&mut |c| place[&c])).collect()
}

/// Changes the uses of a binding to its narrower value.
fn renumber(mir: &mut Mir, id: usize, types: &[headwater_types::DataType], place: &HashMap<usize, usize>) {
    if let Mir::Project { input, columns } = mir
        && let Mir::LocalGet { id: used, types: old } = &mut **input
    {
        if *used == id {
            *old = types.to_vec();
            columns.iter_mut().for_each(|c| *c = place[c]);
        }
        return;
    }
    mir.children_mut().into_iter().for_each(|child| renumber(child, id, types, place));
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{call, column, equal, get, golden, int, operator};
    use headwater_expr::AggregateFunction;
    use headwater_types::DataType;

    const ONLY: RewriteOptions = RewriteOptions { demand: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let both = get(1).join(get(2), JoinKind::Inner, vec![]);
        let join = get(1).join(get(2), JoinKind::Inner, vec![equal(column(&both, 2), column(&both, 4))]);
        let plain = get(4);
        let sum = || call(AggregateFunction::Sum, Some(column(&plain, 1)), false, DataType::Int8);
        let max = || call(AggregateFunction::Max, Some(column(&plain, 0)), false, DataType::Int4);
        let bound = get(1).aggregate(vec![1, 2, 3], vec![]);
        let use_of = |columns: Vec<usize>| Mir::LocalGet { id: 1, types: bound.types() }.project(columns);
        golden(
            "demand",
            ONLY,
            vec![
                ("a join", join.project(vec![5])),
                (
                    "equal aggregates once, others not at all",
                    get(4).aggregate(vec![], vec![sum(), max(), sum()]).project(vec![0, 2]),
                ),
                ("an unused expression", get(4).map(vec![operator("/", int(1), column(&plain, 0))]).project(vec![1])),
                ("a DISTINCT needs all", get(1).distinct().project(vec![1])),
                ("a top-k needs all", {
                    let input = Box::new(get(1));
                    Mir::TopK { input, group_key: vec![], order_by: vec![], limit: Some(1), offset: 0 }.project(vec![1])
                }),
                (
                    "a binding: what any use needs",
                    Mir::Let {
                        id: 1,
                        value: Box::new(bound.clone()),
                        body: Box::new(use_of(vec![2]).join(use_of(vec![0]), JoinKind::Inner, vec![])),
                    },
                ),
            ],
        );
    }
}
