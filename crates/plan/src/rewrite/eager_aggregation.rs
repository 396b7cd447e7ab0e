//! GROUP BY is pushed below joins (Yan & Larson, *Eager Aggregation and Lazy Aggregation*, 1995).
//!
//! ```text
//! Before: γ g; sum x, count(DISTINCT y) (S ⋈ R)
//! After:  π g, sum_of_state(s, n), d  ( (γ k; s = sum_state x, d = count(DISTINCT y) (S))  ⋈  (γ r; n = count(*) (R)) )
//!              k: the columns of S in g and in conditions        r: those of R; no γ where they contain a key of R
//! ```
//! S is the least set of the joined inputs that holds all arguments. A row of S then costs one update of its group in a
//! partial aggregate, instead of its matches in R and an update of theirs; only groups that change are joined. Views
//! over one fact table that differ in their dimensions get equal partial aggregates: keys and calls are put in order.
//!
//! Sound iff
//! 1. the final groups' columns contain a strict key of the new join: each final group is one row of it, and nothing is
//!    left to merge. So DISTINCT need not merge either. Else, and for a GROUP BY without columns, which has a row even of no
//!    rows, see [`merge`]. Ordered aggregates stay where they are;
//! 2. arguments and FILTERs use S only, raise nothing and are not volatile; S is not on a null-supplying side;
//! 3. k and r contain all columns that conditions use. Their types are such that equal values are identical: a
//!    condition, or an output, must not depend on which of a group's values stands for it;
//! 4. what is sensitive to duplicates (COUNT, SUM, AVG without DISTINCT) is multiplied by the copies that the other
//!    inputs make of a group, the product of their counts, or 1 where an outer join has no match. The others
//!    (MIN, MAX, bool_and, bool_or, DISTINCT) are taken as they are;
//! 5. a partial aggregate raises nothing, as its group may join nothing: sums below the join are exact states, which are
//!    multiplied, rounded and checked above. A float's is rounded, so that it is pushed only if nothing multiplies it. A
//!    sum of intervals is not pushed.
//!
//! DISTINCT is a GROUP BY of all columns, if there are any, without aggregates.
//!
//! Worth it iff k does not contain a key of S: else no two rows share a group.

mod merge;

use super::join_tree::{JoinInput, JoinTree, substituted};
use super::{Context, Purpose, estimate};
use crate::columns::ColumnSet;
use crate::explain;
use crate::mir::{JoinKind, Mir, MirAggregate};
use crate::properties::{self, Bindings};
use crate::scalars::{coalesce, columns_of, equal_is_identical, is_movable, uses_only};
use headwater_expr::registry::{function_by_signature, resolve_operator};
use headwater_expr::{Aggregate, AggregateFunction, Expr, Scalar};
use headwater_types::{DataType, Datum};

pub(super) fn rewrite(mut mir: Mir, context: &mut Context<'_>) -> Mir {
    visit(&mut mir, context, &mut Bindings::new());
    mir
}

fn visit(mir: &mut Mir, context: &mut Context<'_>, bindings: &mut Bindings) {
    if let Mir::Let { id, value, body } = mir {
        visit(value, context, bindings);
        let known = properties::of(value, context.info, bindings);
        bindings.insert(*id, known);
        return visit(body, context, bindings);
    }
    mir.children_mut().into_iter().for_each(|child| visit(child, context, bindings));
    let pushed = match &*mir {
        Mir::Aggregate { input, group_key, aggregates } => pushed(input, group_key, aggregates, context, bindings),
        // Without columns it has no row of no rows, unlike a GROUP BY without columns.
        Mir::Distinct { input } if input.arity() > 0 => {
            let group_key: Vec<usize> = (0..input.arity()).collect();
            pushed(input, &group_key, &[], context, bindings)
        }
        _ => None,
    };
    if let Some(pushed) = pushed {
        *mir = pushed;
        context.fired("eager aggregation");
    }
}

/// The aggregate pushed below the joins of its input, if that is sound and worth it.
fn pushed(
    input: &Mir,
    group_key: &[usize],
    aggregates: &[MirAggregate],
    context: &Context<'_>,
    bindings: &mut Bindings,
) -> Option<Mir> {
    if (group_key.is_empty() && context.purpose == Purpose::View) || !aggregates.iter().all(is_pushable) {
        return None;
    }
    let tree = JoinTree::of(input)?;
    let calls: Vec<MirAggregate> = aggregates.iter().map(|call| over(call, &tree.output)).collect::<Option<_>>()?;
    let scalars = || calls.iter().flat_map(|call| call.args.iter().chain(&call.filter));
    if !scalars().all(is_movable) {
        return None;
    }
    let mut arguments = ColumnSet::new();
    scalars().for_each(|s| {
        arguments.union_with(&tree.inputs_of(s));
    });
    let groups = group_key.iter().map(|&c| tree.output[c].clone()).collect();
    let sides = if arguments.is_empty() { by_size(&tree, context) } else { vec![arguments] };
    let push = Push { tree: &tree, groups, calls, context };
    sides.into_iter().find_map(|side| push.side_or_larger(side, bindings))
}

/// Each input that is not attached, the largest first.
fn by_size(tree: &JoinTree<'_>, context: &Context<'_>) -> Vec<ColumnSet> {
    let preserved = tree.inputs.iter().enumerate().filter(|(_, input)| !input.is_attached());
    let mut sized: Vec<(f64, usize)> =
        preserved.map(|(i, input)| (estimate::rows(input.mir, context.info), i)).collect();
    sized.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    sized.into_iter().map(|(_, i)| [i].into_iter().collect()).collect()
}

/// Whether the aggregate can be finished from a partial result that raises nothing.
fn is_pushable(call: &MirAggregate) -> bool {
    call.order_by.is_empty()
        && match call.function {
            AggregateFunction::CountStar
            | AggregateFunction::Count
            | AggregateFunction::Min
            | AggregateFunction::Max
            | AggregateFunction::BoolAnd
            | AggregateFunction::BoolOr => true,
            AggregateFunction::Sum | AggregateFunction::Avg => matches!(
                call.args.first().map(Expr::data_type),
                Some(
                    DataType::Int2
                        | DataType::Int4
                        | DataType::Int8
                        | DataType::Numeric(_)
                        | DataType::Float4
                        | DataType::Float8
                )
            ),
            AggregateFunction::ArrayAgg | AggregateFunction::StringAgg | AggregateFunction::SumState => false,
        }
}

/// The call with its input's columns replaced.
fn over(call: &MirAggregate, columns: &[Scalar]) -> Option<MirAggregate> {
    let args = call.args.iter().map(|arg| substituted(arg, columns)).collect::<Option<_>>()?;
    let filter = match &call.filter {
        Some(filter) => Some(substituted(filter, columns)?),
        None => None,
    };
    Some(Aggregate { args, filter, ..call.clone() })
}

/// What the call is below the join.
fn partial(call: &MirAggregate) -> MirAggregate {
    match call.function {
        AggregateFunction::Sum | AggregateFunction::Avg => {
            Aggregate { function: AggregateFunction::SumState, data_type: DataType::Bytea, ..call.clone() }
        }
        _ => call.clone(),
    }
}

/// What stands in the new join for an expression over the tree's columns.
type Place = (Scalar, Scalar);

/// An input of the new join.
struct Part {
    mir: Mir,
    /// Where its columns start among those of all parts.
    start: usize,
    arity: usize,
    kind: JoinKind,
    /// The conditions of an attached part.
    on: Vec<Scalar>,
}

/// Why a side cannot be aggregated by itself: the inputs with which it perhaps could, if any.
struct TooSmall(ColumnSet);

struct Push<'a> {
    tree: &'a JoinTree<'a>,
    /// The final groups, over the tree's columns.
    groups: Vec<Scalar>,
    /// The calls, over the tree's columns.
    calls: Vec<MirAggregate>,
    context: &'a Context<'a>,
}

/// Parts and places as they are collected, side by side.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    places: Vec<Place>,
    /// How many rows of the tree a row of the parts stands for: a product.
    copies: Vec<Scalar>,
    arity: usize,
}

impl Push<'_> {
    /// Aggregates this side, or one that is larger by what turns out to be needed.
    fn side_or_larger(&self, mut side: ColumnSet, bindings: &mut Bindings) -> Option<Mir> {
        while side.len() < self.tree.inputs.len() {
            match self.attempt(&side, bindings)? {
                Ok(mir) => return Some(mir),
                Err(TooSmall(more)) if side.union_with(&more) => {}
                Err(_) => return None,
            }
        }
        None
    }

    fn attempt(&self, side: &ColumnSet, bindings: &mut Bindings) -> Option<Result<Mir, TooSmall>> {
        if side.iter().any(|i| self.tree.inputs[i].is_attached()) {
            return None;
        }
        let is_own = |c: &&Scalar| {
            let inputs = self.tree.inputs_of(c);
            is_movable(c) && !inputs.is_empty() && (inputs.is_subset(side) || self.is_of_one(&inputs))
        };
        let (own, across): (Vec<&Scalar>, Vec<&Scalar>) = self.tree.conditions.iter().partition(is_own);
        let mut parts = Parts::default();
        self.add_side(side, &own, &across, &mut parts, bindings)?;
        let mut others: Vec<usize> = (0..self.tree.inputs.len()).filter(|&i| !side.contains(i)).collect();
        others.sort_by_key(|&i| matches!(self.tree.inputs[i].kind, JoinKind::Semi | JoinKind::Anti));
        for i in others {
            self.add_other(i, &own, &across, &mut parts, bindings)?;
        }
        let Parts { mut parts, places, copies, .. } = parts;
        for part in &mut parts {
            part.on = part.on.iter().map(|c| placed(c, &places)).collect::<Option<_>>()?;
        }
        let conditions = across.iter().map(|c| placed(c, &places)).collect::<Option<_>>()?;
        let groups: Vec<Scalar> = self.groups.iter().map(|g| placed(g, &places)).collect::<Option<_>>()?;
        let (keys, joined) = (parts[0].arity - self.canonical_calls(side).len(), join(parts, conditions)?);
        let known = properties::of(&joined, self.context.info, bindings);
        let plain: ColumnSet = groups.iter().filter_map(Scalar::as_column).collect();
        if groups.is_empty() || !known.has_key_within(&plain) {
            if self.merges(side, &own, &across) {
                return self.merged(side, joined, groups, keys, &copies).map(Ok);
            }
            let determined = known.closure(plain);
            let open = places
                .iter()
                .filter(|(_, place)| place.as_column().is_some_and(|c| c < known.arity && !determined.contains(c)));
            return Some(Err(self.needed_for(side, open)));
        }
        let mut results = groups;
        let calls = self.canonical_calls(side);
        for call in &self.calls {
            let place = keys + calls.iter().position(|c| *c == partial(call))?;
            results.push(finished(call, Scalar::column(place, partial(call).data_type), &copies)?);
        }
        let arity = joined.arity();
        let columns = (arity..arity + results.len()).collect();
        Some(Ok(joined.map(results).project(columns)))
    }

    /// Whether this is a single input that is not attached.
    fn is_of_one(&self, inputs: &ColumnSet) -> bool {
        inputs.len() == 1 && inputs.iter().all(|i| !self.tree.inputs[i].is_attached())
    }

    /// The partial calls, each once, in an order that does not depend on the query's.
    fn canonical_calls(&self, side: &ColumnSet) -> Vec<MirAggregate> {
        let mut calls: Vec<MirAggregate> = Vec::new();
        for call in &self.calls {
            let call = partial(call);
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
        calls.sort_by_cached_key(|call| explain::mir_call_text(&self.local_call(side, call.clone())));
        calls
    }

    /// What a grouped set of inputs is to be grouped by: what the groups' columns compute from it alone, and all columns
    /// that are used otherwise.
    fn keys_of(&self, side: &ColumnSet, across: &[&Scalar]) -> Vec<Scalar> {
        let mut keys: Vec<Scalar> = Vec::new();
        let mut add = |key: &Scalar| {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        };
        let within = |c: usize| side.contains(self.tree.input_of(c));
        let attached = side.iter().any(|i| self.tree.inputs[i].is_attached());
        for group in &self.groups {
            let columns = columns_of(group);
            if !attached && !columns.is_empty() && uses_only(group, within) && is_movable(group) {
                add(group);
            } else {
                group.for_each_leaf(&mut |c| {
                    if within(c.index) {
                        add(&Expr::Leaf(c.clone()))
                    }
                });
            }
        }
        let on = self.tree.inputs.iter().flat_map(|input| &input.on);
        for condition in across.iter().copied().chain(on) {
            condition.for_each_leaf(&mut |c| {
                if within(c.index) {
                    add(&Expr::Leaf(c.clone()))
                }
            });
        }
        // Columns first, in order; then expressions, in order.
        let text = |key: &Scalar| explain::mir_scalar_text(&self.localized(key.clone(), side));
        keys.sort_by_cached_key(|key| (key.as_column().unwrap_or(usize::MAX), text(key)));
        keys
    }

    /// The partial aggregate; `None` if it is not sound or not worth it.
    fn add_side(
        &self,
        side: &ColumnSet,
        own: &[&Scalar],
        across: &[&Scalar],
        parts: &mut Parts,
        bindings: &mut Bindings,
    ) -> Option<()> {
        let keys = self.keys_of(side, across);
        let calls = self.canonical_calls(side);
        let input = self.inputs_joined(side, own)?;
        let (grouped, key_columns) = self.with_keys(side, input, &keys);
        let known = properties::of(&grouped, self.context.info, bindings);
        if keys.is_empty() || known.has_key_within(&key_columns.iter().copied().collect()) {
            return None;
        }
        if !keys.iter().all(|key| equal_is_identical(&key.data_type())) {
            return None;
        }
        let calls = calls.into_iter().map(|call| self.local_call(side, call)).collect();
        parts.add_grouped(grouped.aggregate(key_columns, calls), keys, None);
        Some(())
    }

    /// Another input: as it is if it has a key among the columns that are used, else grouped by these and counted.
    fn add_other(
        &self,
        i: usize,
        own: &[&Scalar],
        across: &[&Scalar],
        parts: &mut Parts,
        bindings: &mut Bindings,
    ) -> Option<()> {
        let input = &self.tree.inputs[i];
        let side: ColumnSet = [i].into_iter().collect();
        let keys = self.keys_of(&side, across);
        let mir = self.inputs_joined(&side, own)?;
        let columns = keys.iter().map(columns_of).fold(ColumnSet::new(), |mut all, columns| {
            all.union_with(&columns.slice(input.start..input.start + input.arity));
            all
        });
        let adds_columns = matches!(input.kind, JoinKind::Inner | JoinKind::Left);
        if !adds_columns || properties::of(&mir, self.context.info, bindings).has_key_within(&columns) {
            parts.add_whole(mir, input);
            return Some(());
        }
        if keys.is_empty() || !keys.iter().all(|key| equal_is_identical(&key.data_type())) {
            return None;
        }
        let (mir, key_columns) = self.with_keys(&side, mir, &keys);
        let count = Aggregate {
            function: AggregateFunction::CountStar,
            args: vec![],
            distinct: false,
            filter: None,
            order_by: vec![],
            data_type: DataType::Int8,
        };
        let place = parts.arity + keys.len();
        parts.add_grouped(mir.aggregate(key_columns, vec![count]), keys, Some(input));
        let count = Scalar::column(place, DataType::Int8);
        parts.copies.push(if input.is_attached() { coalesce(count, int8(1)) } else { count });
        Some(())
    }

    /// The inputs of a side, joined, with the conditions that concern them alone.
    fn inputs_joined(&self, side: &ColumnSet, own: &[&Scalar]) -> Option<Mir> {
        let mut parts = Vec::with_capacity(side.len());
        let mut start = 0;
        for i in side.iter() {
            let input = &self.tree.inputs[i];
            parts.push(Part { mir: input.mir.clone(), start, arity: input.arity, kind: JoinKind::Inner, on: vec![] });
            start += input.arity;
        }
        let own = own.iter().filter(|c| self.tree.inputs_of(c).is_subset(side));
        join(parts, own.map(|c| self.localized((*c).clone(), side)).collect())
    }

    /// A scalar of a side, over the side's columns.
    fn localized(&self, scalar: Scalar, side: &ColumnSet) -> Scalar {
        scalar.remap(&mut |c| {
            let of = self.tree.input_of(c);
            let before: usize = side.iter().take_while(|&i| i < of).map(|i| self.tree.inputs[i].arity).sum();
            before + c - self.tree.inputs[of].start
        })
    }

    fn local_call(&self, side: &ColumnSet, call: MirAggregate) -> MirAggregate {
        let args = call.args.into_iter().map(|arg| self.localized(arg, side)).collect();
        let filter = call.filter.map(|filter| self.localized(filter, side));
        Aggregate { args, filter, ..call }
    }

    /// The side with a column for each key.
    fn with_keys(&self, side: &ColumnSet, mir: Mir, keys: &[Scalar]) -> (Mir, Vec<usize>) {
        let arity = mir.arity();
        let mut computed: Vec<Scalar> = Vec::new();
        let columns = keys
            .iter()
            .map(|key| {
                let key = self.localized(key.clone(), side);
                key.as_column().unwrap_or_else(|| {
                    computed.push(key);
                    arity + computed.len() - 1
                })
            })
            .collect();
        (mir.map(computed), columns)
    }

    /// The inputs that conditions connect to the side's keys that the groups do not determine; else the other inputs of
    /// which columns are not determined.
    fn needed_for<'p>(&self, side: &ColumnSet, open: impl Iterator<Item = &'p Place>) -> TooSmall {
        let mut connected = ColumnSet::new();
        let mut others = ColumnSet::new();
        for (key, _) in open {
            let inputs = self.tree.inputs_of(key);
            if !inputs.is_subset(side) {
                others.union_with(&inputs);
                continue;
            }
            let used = columns_of(key);
            for condition in self.tree.conditions.iter().filter(|c| columns_of(c).intersects(&used)) {
                connected.union_with(&self.tree.inputs_of(condition));
            }
        }
        let adds = connected.iter().any(|i| !side.contains(i));
        TooSmall(if adds { connected } else { others })
    }
}

impl Parts {
    /// An input as it is.
    fn add_whole(&mut self, mir: Mir, input: &JoinInput<'_>) {
        for (i, data_type) in mir.types().into_iter().enumerate() {
            let from = Scalar::column(input.start + i, data_type.clone());
            self.places.push((from, Scalar::column(self.arity + i, data_type)));
        }
        self.add(mir, Some(input));
    }

    /// A grouped part, whose first columns are the keys.
    fn add_grouped(&mut self, mir: Mir, keys: Vec<Scalar>, input: Option<&JoinInput<'_>>) {
        for (i, key) in keys.into_iter().enumerate() {
            let data_type = key.data_type();
            self.places.push((key, Scalar::column(self.arity + i, data_type)));
        }
        self.add(mir, input);
    }

    fn add(&mut self, mir: Mir, input: Option<&JoinInput<'_>>) {
        let arity = mir.arity();
        let (kind, on) = input.map_or((JoinKind::Inner, vec![]), |input| (input.kind, input.on.clone()));
        self.parts.push(Part { mir, start: self.arity, arity, kind, on });
        self.arity += arity;
    }
}

/// A scalar over the tree's columns as one over the parts'.
fn placed(scalar: &Scalar, places: &[Place]) -> Option<Scalar> {
    if let Some((_, place)) = places.iter().find(|(from, _)| from == scalar) {
        return Some(place.clone());
    }
    if matches!(scalar, Expr::Leaf(_)) {
        return None;
    }
    let mut result = scalar.clone();
    for child in result.children_mut() {
        *child = placed(child, places)?;
    }
    Some(result)
}

/// The parts joined one after the other, each to those before it, and the columns of all but semi and anti joins' side
/// by side (theirs must be the last); `None` if some part is not connected. Conditions that may fail come last.
fn join(parts: Vec<Part>, conditions: Vec<Scalar>) -> Option<Mir> {
    let arity = parts.iter().map(|part| part.arity).sum();
    let (mut waiting, mut attached): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| part.kind == JoinKind::Inner);
    let mut conditions = conditions;
    let mut place = vec![usize::MAX; arity];
    let mut joined: Option<Mir> = None;
    while !waiting.is_empty() {
        let within = |part: &Part, c: usize| (part.start..part.start + part.arity).contains(&c);
        let usable =
            |part: &Part, s: &Scalar| is_movable(s) && uses_only(s, |c| place[c] != usize::MAX || within(part, c));
        let connects = |part: &Part, s: &Scalar| {
            let columns = columns_of(s);
            usable(part, s) && columns.iter().any(|c| within(part, c)) && columns.iter().any(|c| !within(part, c))
        };
        let next = match &joined {
            None => 0,
            Some(_) => waiting.iter().position(|part| conditions.iter().any(|s| connects(part, s)))?,
        };
        let mut part = waiting.remove(next);
        let (on, rest): (Vec<Scalar>, Vec<Scalar>) = conditions.into_iter().partition(|s| usable(&part, s));
        (part.on, conditions) = (on, rest);
        joined = Some(append(joined, part, &mut place));
    }
    // Outer joins first: what the others look at may be theirs.
    attached.sort_by_key(|part| part.kind != JoinKind::Left);
    for part in attached {
        joined = Some(append(joined, part, &mut place));
    }
    let joined = joined?;
    let conditions = conditions.into_iter().map(|s| s.remap(&mut |c| place[c])).collect();
    place.truncate(joined.arity());
    Some(joined.filter(conditions).project(place))
}

/// Joins one more part, whose columns are then at `place`.
fn append(joined: Option<Mir>, part: Part, place: &mut [usize]) -> Mir {
    let before = joined.as_ref().map_or(0, Mir::arity);
    for i in 0..part.arity {
        place[part.start + i] = before + i;
    }
    let on: Vec<Scalar> = part.on.into_iter().map(|s| s.remap(&mut |c| place[c])).collect();
    match joined {
        Some(joined) => joined.join(part.mir, part.kind, on),
        None => part.mir.filter(on),
    }
}

fn int8(value: i64) -> Scalar {
    Expr::Literal(Datum::Int8(value), DataType::Int8)
}

fn is_of_floats(call: &MirAggregate) -> bool {
    matches!(call.args.first().map(Expr::data_type), Some(DataType::Float4 | DataType::Float8))
}

fn times(left: Scalar, right: Scalar) -> Option<Scalar> {
    let resolved = resolve_operator("*", Some(DataType::Int8), DataType::Int8).ok()?;
    Some(Expr::Call { function: resolved.function, args: vec![left, right], data_type: resolved.data_type })
}

fn product(factors: &[Scalar]) -> Option<Scalar> {
    let mut factors = factors.iter().cloned();
    let first = factors.next()?;
    factors.try_fold(first, times)
}

/// The call's value of a row of the new join, from the partial value and the copies of the row.
fn finished(call: &MirAggregate, partial: Scalar, copies: &[Scalar]) -> Option<Scalar> {
    let once = call.distinct || copies.is_empty();
    let of_floats = is_of_floats(call);
    let signature = match (call.function, &call.data_type) {
        (AggregateFunction::CountStar | AggregateFunction::Count, _) if !once => {
            return times(partial, product(copies)?);
        }
        (AggregateFunction::Sum | AggregateFunction::Avg, _) if of_floats && !once => return None,
        (AggregateFunction::Avg, _) if of_floats => "float8_avg_of_state(bytea)",
        (AggregateFunction::Avg, _) => "avg_of_state(bytea,int8)",
        (AggregateFunction::Sum, DataType::Float4) => "float4_sum_of_state(bytea)",
        (AggregateFunction::Sum, DataType::Float8) => "float8_sum_of_state(bytea)",
        (AggregateFunction::Sum, DataType::Int8) => "int8_sum_of_state(bytea,int8)",
        (AggregateFunction::Sum, _) => "sum_of_state(bytea,int8)",
        _ => return Some(partial),
    };
    let mut args = vec![partial];
    if !of_floats {
        args.push(if once { int8(1) } else { product(copies)? });
    }
    let function = function_by_signature(signature)?;
    Some(Expr::Call { function, args, data_type: call.data_type.clone() })
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir, MirAggregate};
    use crate::testing::{call, column, equal, fallible, get, golden, int, operator, text};
    use headwater_expr::{AggregateFunction, Cast, CastContext, Expr, Scalar};
    use headwater_types::{DataType, Datum};

    const ONLY: RewriteOptions = RewriteOptions { eager_aggregation: true, ..RewriteOptions::none() };

    fn count() -> MirAggregate {
        call(AggregateFunction::CountStar, None, false, DataType::Int8)
    }

    fn count_of(arg: Scalar, distinct: bool) -> MirAggregate {
        call(AggregateFunction::Count, Some(arg), distinct, DataType::Int8)
    }

    fn sum(arg: Scalar) -> MirAggregate {
        call(AggregateFunction::Sum, Some(arg), false, DataType::Int8)
    }

    /// `events(0..4)` and `campaigns(4..7)`.
    fn campaigns(kind: JoinKind) -> Mir {
        let both = get(1).join(get(2), kind, vec![]);
        get(1).join(get(2), kind, vec![equal(column(&both, 2), column(&both, 4))])
    }

    /// `events(0..4)`, `campaigns(4..7)`, `variants(7..10)`.
    fn variants() -> Mir {
        let all = campaigns(JoinKind::Inner).join(get(3), JoinKind::Inner, vec![]);
        campaigns(JoinKind::Inner).join(get(3), JoinKind::Inner, vec![equal(column(&all, 4), column(&all, 8))])
    }

    /// `events(0..4)` and `variants(4..7)`.
    fn variants_only(kind: JoinKind) -> Mir {
        let both = get(1).join(get(3), kind, vec![]);
        get(1).join(get(3), kind, vec![equal(column(&both, 2), column(&both, 5))])
    }

    fn sum_of_floats(input: &Mir) -> MirAggregate {
        let float = Cast { to: DataType::Float8, context: CastContext::Explicit };
        let float = Expr::Cast(Box::new(column(input, 1)), float);
        call(AggregateFunction::Sum, Some(float), false, DataType::Float8)
    }

    fn clicks(input: &Mir) -> Scalar {
        let null = Box::new(Expr::Literal(Datum::Null, DataType::Text));
        Expr::Case { branches: vec![(equal(column(input, 3), text("click")), column(input, 0))], otherwise: null }
    }

    #[test]
    fn the_tutorials_plans_share_their_partial_aggregate() {
        let (first, second) = (campaigns(JoinKind::Inner), variants());
        let kind = equal(column(&second, 6), text("ab_test"));
        let performance =
            first.clone().aggregate(vec![1, 4, 5, 6], vec![count_of(clicks(&first), true), sum(column(&first, 1))]);
        let results = second
            .clone()
            .filter(vec![kind])
            .aggregate(vec![1, 4, 5, 9], vec![sum(column(&second, 1)), count_of(clicks(&second), true)]);
        golden(
            "eager_aggregation_tutorial",
            RewriteOptions::all(),
            vec![("per campaign", performance), ("per variant, the calls in another order", results)],
        );
    }

    #[test]
    fn golden_plans() {
        let both = campaigns(JoinKind::Inner);
        let repeated = variants_only(JoinKind::Inner);
        let optional = variants_only(JoinKind::Left);
        let other_way = variants_only(JoinKind::Right);
        let max = call(AggregateFunction::Max, Some(column(&both, 1)), false, DataType::Int4);
        let avg = call(AggregateFunction::Avg, Some(column(&both, 1)), false, DataType::Numeric(None));
        let computed = both.clone().map(vec![equal(column(&both, 3), text("click"))]);
        let star = {
            let all = both.clone().join(get(4), JoinKind::Inner, vec![]);
            both.clone().join(get(4), JoinKind::Inner, vec![equal(column(&all, 1), column(&all, 7))])
        };
        let bridge = {
            // plain(0..2), events(2..6) on a = user_id, campaigns(6..9): campaign_id is in events.
            let two = get(4).join(get(1), JoinKind::Inner, vec![]);
            let two = get(4).join(get(1), JoinKind::Inner, vec![equal(column(&two, 0), column(&two, 3))]);
            let all = two.clone().join(get(2), JoinKind::Inner, vec![]);
            two.join(get(2), JoinKind::Inner, vec![equal(column(&all, 4), column(&all, 6))])
        };
        golden(
            "eager_aggregation",
            ONLY,
            vec![
                ("the other side has a key", both.clone().aggregate(vec![4, 5], vec![count(), max, avg])),
                (
                    "it repeats: counts and sums are multiplied",
                    repeated.clone().aggregate(
                        vec![2, 6],
                        vec![count(), sum(column(&repeated, 1)), count_of(clicks(&repeated), true)],
                    ),
                ),
                ("a computed group", computed.clone().aggregate(vec![4, 7], vec![sum(column(&both, 1))])),
                (
                    "two dimensions, one of them repeating",
                    star.clone().aggregate(vec![1, 2, 8], vec![count_of(column(&star, 3), false)]),
                ),
                (
                    "the least side that can be aggregated is of two inputs",
                    bridge.clone().aggregate(vec![6, 7], vec![sum(column(&bridge, 1))]),
                ),
                ("a row count: of the input that is not unique", both.clone().aggregate(vec![4], vec![count()])),
                ("below an outer join's preserved side", optional.clone().aggregate(vec![2, 6], vec![count()])),
                ("a sum of floats", both.clone().aggregate(vec![4], vec![sum_of_floats(&both)])),
                ("DISTINCT", both.clone().project(vec![3, 4, 5]).distinct()),
                ("below a semi join", {
                    let on = vec![equal(column(&repeated, 2), column(&repeated, 5))];
                    get(1).join(get(3), JoinKind::Semi, on).aggregate(vec![2], vec![sum(column(&both, 1))])
                }),
                ("below an anti join and a join", {
                    let all = both.clone().join(get(3), JoinKind::Inner, vec![]);
                    let on = vec![equal(column(&all, 4), column(&all, 8))];
                    both.clone().join(get(3), JoinKind::Anti, on).aggregate(vec![4, 5], vec![sum(column(&both, 1))])
                }),
                (
                    "which may be the right one",
                    other_way.clone().aggregate(vec![5], vec![count_of(column(&other_way, 6), false)]),
                ),
            ],
        );
    }

    #[test]
    fn golden_plans_that_stay() {
        let both = campaigns(JoinKind::Inner);
        let repeated = variants_only(JoinKind::Inner);
        let optional = campaigns(JoinKind::Left);
        let sum_of_floats = sum_of_floats(&both);
        let divided = both.clone().map(vec![operator("/", int(1), column(&both, 1))]);
        let array = DataType::Array(Box::new(DataType::Int4));
        let floats = || {
            get(4).map(vec![Expr::Cast(
                Box::new(column(&get(4), 0)),
                Cast { to: DataType::Float8, context: CastContext::Explicit },
            )])
        };
        let by_float = {
            let all = floats().join(floats(), JoinKind::Inner, vec![]);
            floats().join(floats(), JoinKind::Inner, vec![equal(column(&all, 2), column(&all, 5))])
        };
        golden(
            "eager_aggregation_stays",
            ONLY,
            vec![
                ("the groups do not determine the join's key", both.clone().aggregate(vec![6], vec![count()])),
                ("no group columns: a row of no rows", both.clone().aggregate(vec![], vec![count()])),
                ("DISTINCT of what does not determine the join's key", both.clone().project(vec![3, 5]).distinct()),
                (
                    "an ordered aggregate",
                    both.clone().aggregate(
                        vec![4],
                        vec![call(AggregateFunction::ArrayAgg, Some(column(&both, 1)), false, array)],
                    ),
                ),
                (
                    "a sum of floats that is multiplied",
                    repeated.clone().aggregate(vec![2, 6], vec![sum_of_floats.clone()]),
                ),
                (
                    "an argument of both sides",
                    both.clone()
                        .aggregate(vec![4], vec![count_of(operator("||", column(&both, 3), column(&both, 5)), false)]),
                ),
                ("an argument that may fail", divided.clone().aggregate(vec![4], vec![sum(column(&divided, 7))])),
                (
                    "a condition that may fail keeps its pairs",
                    repeated.clone().filter(vec![fallible(&repeated, 1)]).aggregate(vec![2, 6], vec![count()]),
                ),
                (
                    "of the side that has the key: no two rows share a group",
                    repeated.clone().aggregate(vec![0, 6], vec![sum(column(&repeated, 1))]),
                ),
                ("a semi join whose key is not grouped by", {
                    let on = vec![equal(column(&repeated, 2), column(&repeated, 5))];
                    get(1).join(get(3), JoinKind::Semi, on).aggregate(vec![3], vec![count()])
                }),
                (
                    "of the null-supplied side",
                    optional.clone().aggregate(vec![2], vec![count_of(column(&optional, 5), false)]),
                ),
                ("equal keys that may differ", by_float.clone().aggregate(vec![2], vec![sum(column(&by_float, 1))])),
            ],
        );
    }
}
