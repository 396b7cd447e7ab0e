//! Sub-plans that views have in common become *shared relations*: hidden, kept once, stored once.
//!
//! ```text
//! Before: view a = Aggregate [k; s] (T) ⋈ D          After: r = Aggregate [k; s, n] (T)
//!         view b = Aggregate [k; s, n] (T) ⋈ E              view a = Project [k, s] (r) ⋈ D
//!                                                           view b = r ⋈ E
//! ```
//! The plan is cut at an aggregate whose input is a stored relation, mapped and filtered. Such an aggregate is known by
//! its input and its groups, written in terms of the stored relation's columns (the *fingerprint*), so that it does not
//! matter which columns the input carries, in which order, or which of its maps a filter is above.
//!
//! Where a view's plan has such an aggregate
//! - and a shared relation has the same fingerprint and at least its aggregates, the plan reads that;
//! - or else it feeds a join, it becomes a shared relation. That costs nothing: the join keeps row ids of the shared
//!   relation where it would keep rows of its own;
//! - or else another view computes the same by itself, it becomes a shared relation, and the other view is planned again
//!   so that it reads it too.
//!
//! Elsewhere the groups would be stored twice for nothing, so they are left where they are, and noted as the view's own.
//!
//! A query that is read once makes no shared relations, but reads them: all relations move together, so that its rows are
//! those that it would compute. It may also ask for some of the groups:
//!
//! ```text
//! Before: Aggregate [k; s] (σ k = 1 (T))             After: σ k = 1 (r)
//! ```
//! if the condition is over the group columns alone, gives the same for equal values, and cannot fail.
//!
//! *Errors.* A relation raises the errors of all its aggregates. So a view reads one with more aggregates than it needs
//! only if the others cannot fail; a query is told only of relations that stand in no error.

use crate::mir::{Mir, MirAggregate};
use crate::scalars::{flatten_and, is_movable, respects_equality};
use crate::{PlanInfo, SharedPlan, explain, lower};
use headwater_catalog::{Grouping, GroupingAggregate};
use headwater_expr::registry::Volatility;
use headwater_expr::{Aggregate, AggregateFunction, Column, Scalar};
use headwater_types::{Field, RelationId, Result, Schema, SqlError};
use serde::Serialize;

/// Expressions that come to more nodes than this, once they are written in terms of stored columns, are not compared:
/// each map over a map can multiply them.
const EXPRESSION_NODES_MAX: usize = 4096;
/// Longer texts of columns give way to a number.
const NAME_CHARS_MAX: usize = 60;

/// What sharing did to a plan.
pub(crate) struct Shared {
    /// The relations to make.
    pub(crate) made: Vec<SharedPlan>,
    /// What the plan computes by itself.
    pub(crate) own: Vec<Grouping>,
    /// Whether the plan has changed.
    pub(crate) fired: bool,
}

/// Puts shared relations in the place of aggregates, in a view's plan: those that there are, or new ones, whose ids count
/// from `next`.
///
/// # Errors
///
/// XX000 if an aggregate cannot be lowered or encoded.
pub(crate) fn share(mir: &mut Mir, info: &dyn PlanInfo, next: Option<RelationId>) -> Result<Shared> {
    run(mir, Sharing { info, next, kept: true, made: vec![], own: vec![], fired: false })
}

/// Puts the shared relations that there are in the place of aggregates, in the plan of a query that is read once.
///
/// # Errors
///
/// As [`share`].
pub(crate) fn reuse(mir: &mut Mir, info: &dyn PlanInfo) -> Result<Shared> {
    run(mir, Sharing { info, next: None, kept: false, made: vec![], own: vec![], fired: false })
}

fn run(mir: &mut Mir, mut sharing: Sharing<'_>) -> Result<Shared> {
    sharing.visit(mir, false)?;
    Ok(Shared { made: sharing.made, own: sharing.own, fired: sharing.fired })
}

struct Sharing<'a> {
    info: &'a dyn PlanInfo,
    /// The id of the next relation to make; `None` if none is to be made.
    next: Option<RelationId>,
    /// Whether the plan is a view's.
    kept: bool,
    made: Vec<SharedPlan>,
    own: Vec<Grouping>,
    fired: bool,
}

impl Sharing<'_> {
    /// `joined`: what the rows go into keeps them.
    fn visit(&mut self, mir: &mut Mir, joined: bool) -> Result<()> {
        if let Mir::Aggregate { input, group_key, aggregates } = mir
            && let Some(cut) = Cut::of(input, group_key, aggregates)?
        {
            match self.relation(&cut, mir, joined)? {
                Some(relation) => {
                    *mir = relation;
                    self.fired = true;
                }
                None => self.own.push(cut.grouping),
            }
            return Ok(());
        }
        if let Mir::Let { value, body, .. } = mir {
            // It is used more than once, mostly by joins.
            self.visit(value, true)?;
            return self.visit(body, joined);
        }
        let joined = match mir {
            Mir::Join { .. } => true,
            Mir::Project { .. } | Mir::Map { .. } | Mir::Filter { .. } => joined,
            _ => false,
        };
        mir.children_mut().into_iter().try_for_each(|child| self.visit(child, joined))
    }

    /// A shared relation that gives the aggregate's columns, if there is or may be one.
    fn relation(&mut self, cut: &Cut, mir: &Mir, joined: bool) -> Result<Option<Mir>> {
        if let Some(found) = self.find(cut, &cut.grouping, &[]) {
            return Ok(Some(found));
        }
        if !self.kept
            && let Some((all, conditions)) = cut.of_all_groups()?
        {
            return Ok(self.find(cut, &all, &conditions));
        }
        let Some(id) = self.next.filter(|_| joined || self.is_computed_elsewhere(cut)) else { return Ok(None) };
        self.next = id.0.checked_add(1).map(RelationId);
        let plan = cut.plan(id, mir, self.info)?;
        let columns = cut.columns_in(&plan.grouping, &cut.grouping, self.kept);
        let relation = columns.map(|columns| get(id, &plan.columns, &[], columns));
        self.made.push(plan);
        Ok(relation)
    }

    /// Whether a view computes by itself what it could read from a relation made of this.
    fn is_computed_elsewhere(&self, cut: &Cut) -> bool {
        let others = self.info.groupings_over(cut.grouping.reads);
        others.iter().any(|other| cut.grouping.safe_places_of(other).is_some())
    }

    /// One that there is and computes `wanted`, its groups for which these are true; the smallest, if there are several.
    fn find(&self, cut: &Cut, wanted: &Grouping, conditions: &[Scalar]) -> Option<Mir> {
        let existing = self.info.shared_over(wanted.reads);
        let existing = existing.iter().map(|shared| (shared.id, &shared.grouping, &shared.columns));
        let made = self.made.iter().map(|shared| (shared.id, &shared.grouping, &shared.columns));
        let fitting = existing.chain(made).filter_map(|(id, grouping, columns)| {
            let places = cut.columns_in(grouping, wanted, self.kept)?;
            Some((grouping.aggregates.len(), get(id, columns, conditions, places)))
        });
        fitting.min_by_key(|(size, _)| *size).map(|(_, relation)| relation)
    }
}

/// These columns of a shared relation's rows for which these are true.
fn get(relation: RelationId, columns: &Schema, conditions: &[Scalar], wanted: Vec<usize>) -> Mir {
    let types = columns.iter().map(|field| field.data_type.clone()).collect();
    Mir::Get { relation, types }.filter(conditions.to_vec()).project(wanted)
}

/// A stored relation's rows, mapped and filtered.
struct Linear {
    relation: RelationId,
    /// The columns, over those of the stored relation.
    columns: Vec<Scalar>,
    /// What holds for the rows, over the columns of the stored relation.
    predicates: Vec<Scalar>,
}

impl Linear {
    fn of(mir: &Mir) -> Option<Self> {
        match mir {
            Mir::Get { relation, types } => {
                let columns = types.iter().enumerate().map(|(c, t)| Scalar::column(c, t.clone())).collect();
                Some(Self { relation: *relation, columns, predicates: vec![] })
            }
            Mir::Project { input, columns } => {
                let input = Self::of(input)?;
                Some(Self { columns: columns.iter().map(|&c| input.columns[c].clone()).collect(), ..input })
            }
            Mir::Map { input, scalars } => {
                let mut input = Self::of(input)?;
                let computed: Vec<Scalar> = scalars.iter().map(|s| input.inlined(s)).collect();
                input.columns.extend(computed);
                input.is_small().then_some(input)
            }
            Mir::Filter { input, predicates } => {
                let mut input = Self::of(input)?;
                for predicate in predicates {
                    let predicate = input.inlined(predicate);
                    flatten_and(predicate, &mut input.predicates);
                }
                input.is_small().then_some(input)
            }
            _ => None,
        }
    }

    /// The scalar over the stored relation's columns.
    fn inlined(&self, scalar: &Scalar) -> Scalar {
        scalar.clone().map_leaves(&mut |column| self.columns[column.index].clone())
    }

    fn is_small(&self) -> bool {
        self.columns.iter().chain(&self.predicates).map(nodes).sum::<usize>() <= EXPRESSION_NODES_MAX
    }
}

fn nodes(scalar: &Scalar) -> usize {
    1 + scalar.children().into_iter().map(nodes).sum::<usize>()
}

/// An aggregate in terms of a stored relation's columns.
struct Cut {
    /// Its aggregates in the plan's order, which may repeat one.
    grouping: Grouping,
    predicates: Vec<Scalar>,
    /// The shared relation's group columns, in the fingerprint's order, with the ordinal in the plan's group key of each.
    groups: Vec<(Scalar, usize)>,
    /// Per entry of the plan's group key: its place among `groups`.
    places: Vec<usize>,
    /// The aggregates, in the plan's order.
    aggregates: Vec<MirAggregate>,
}

impl Cut {
    /// `None` if the input is not a stored relation's rows.
    fn of(input: &Mir, group_key: &[usize], aggregates: &[MirAggregate]) -> Result<Option<Self>> {
        let Some(mut input) = Linear::of(input) else { return Ok(None) };
        let predicates = in_order(std::mem::take(&mut input.predicates))?;
        let keys = in_order(group_key.iter().map(|&column| input.columns[column].clone()).collect())?;
        let place = |&column: &usize| keys.iter().position(|(_, key)| *key == input.columns[column]);
        let places: Vec<usize> = group_key.iter().filter_map(place).collect();
        let aggregates: Vec<MirAggregate> = aggregates.iter().map(|call| inlined(call, &input)).collect();
        let known = |call| Ok(GroupingAggregate { fingerprint: encode(call)?, fallible: is_fallible(call) });
        let scalars = keys.iter().chain(&predicates).map(|(_, scalar)| scalar);
        let is_stable = |scalar: &Scalar| scalar.volatility() != Volatility::Immutable;
        let grouping = Grouping {
            reads: input.relation,
            fingerprint: fingerprint(input.relation, predicates.iter().map(|(_, p)| p), keys.iter().map(|(_, k)| k))?,
            aggregates: aggregates.iter().map(known).collect::<Result<_>>()?,
            uses_settings: scalars.chain(aggregates.iter().flat_map(scalars_of)).any(is_stable),
        };
        let first = |key: usize| places.iter().position(|&place| place == key).expect("every key is in the group key");
        let groups = keys.into_iter().enumerate().map(|(i, (_, key))| (key, first(i))).collect();
        let predicates = predicates.into_iter().map(|(_, predicate)| predicate).collect();
        Ok(Some(Self { grouping, predicates, groups, places, aggregates }))
    }

    /// The same without the conditions that hold for whole groups, and those, over the group columns; `None` if there
    /// are none.
    fn of_all_groups(&self) -> Result<Option<(Grouping, Vec<Scalar>)>> {
        let (mut of_rows, mut of_groups) = (vec![], vec![]);
        for predicate in &self.predicates {
            let usable = |condition: &Scalar| is_movable(condition) && respects_equality(condition);
            match self.over_groups(predicate.clone()).filter(usable) {
                Some(condition) => of_groups.push(condition),
                None => of_rows.push(predicate),
            }
        }
        // Without groups there is one row, whatever holds.
        if of_groups.is_empty() || self.groups.is_empty() {
            return Ok(None);
        }
        let keys = self.groups.iter().map(|(key, _)| key);
        let fingerprint = fingerprint(self.grouping.reads, of_rows.into_iter(), keys)?;
        Ok(Some((Grouping { fingerprint, ..self.grouping.clone() }, of_groups)))
    }

    /// The scalar over the shared relation's group columns, if it uses nothing else.
    fn over_groups(&self, mut scalar: Scalar) -> Option<Scalar> {
        if let Some(group) = self.groups.iter().position(|(key, _)| *key == scalar) {
            return Some(Scalar::column(group, scalar.data_type()));
        }
        if scalar.as_column().is_some() {
            return None;
        }
        for part in scalar.children_mut() {
            *part = self.over_groups(part.clone())?;
        }
        Some(scalar)
    }

    /// The plan's columns among those of a relation, if it has what is wanted.
    fn columns_in(&self, shared: &Grouping, wanted: &Grouping, kept: bool) -> Option<Vec<usize>> {
        let aggregates = if kept { shared.safe_places_of(wanted)? } else { shared.places_of(wanted)? };
        Some(self.places.iter().copied().chain(aggregates.into_iter().map(|i| self.groups.len() + i)).collect())
    }

    /// The relation to make: the aggregate `mir` with its columns in order, each once.
    fn plan(&self, id: RelationId, mir: &Mir, info: &dyn PlanInfo) -> Result<SharedPlan> {
        let Mir::Aggregate { input, group_key, aggregates } = mir else {
            return Err(SqlError::internal("what is shared is not an aggregate"));
        };
        let groups = self.groups.iter().map(|&(_, place)| group_key[place]).collect();
        let known = &self.grouping.aggregates;
        let first: Vec<usize> = (0..known.len()).filter(|&i| !known[..i].contains(&known[i])).collect();
        let calls = first.iter().map(|&i| aggregates[i].clone()).collect();
        let shared = Mir::Aggregate { input: input.clone(), group_key: groups, aggregates: calls };
        let grouping =
            Grouping { aggregates: first.iter().map(|&i| known[i].clone()).collect(), ..self.grouping.clone() };
        let names = self.names(&first, info);
        let columns = names.iter().zip(shared.types()).enumerate();
        let columns = columns.map(|(i, (name, data_type))| Field::new(short(name, i), data_type)).collect();
        let lower::Lowered { nodes, root } = lower::lower(&shared)?;
        let key = Some((0..self.groups.len()).collect());
        Ok(SharedPlan {
            id,
            grouping,
            definition: self.definition(&names, info),
            columns,
            plan: crate::lir::Plan { nodes, root, key, rewrites: vec![] },
        })
    }

    /// The group columns and these aggregates as text.
    fn names(&self, aggregates: &[usize], info: &dyn PlanInfo) -> Vec<String> {
        let column = |c: &Column| info.column_name(self.grouping.reads, c.index);
        let groups = self.groups.iter().map(|(scalar, _)| explain::scalar_text(scalar, &column));
        let calls = aggregates.iter().map(|&i| explain::aggregate_text(&self.aggregates[i], &column));
        groups.chain(calls).collect()
    }

    /// As a query, nearly.
    fn definition(&self, names: &[String], info: &dyn PlanInfo) -> String {
        let column = |c: &Column| info.column_name(self.grouping.reads, c.index);
        let mut text = format!("SELECT {} FROM {}", names.join(", "), info.name(self.grouping.reads));
        let conditions: Vec<String> = self.predicates.iter().map(|p| explain::scalar_text(p, &column)).collect();
        if !conditions.is_empty() {
            text += &format!(" WHERE {}", conditions.join(" AND "));
        }
        if !self.groups.is_empty() {
            text += &format!(" GROUP BY {}", names[..self.groups.len()].join(", "));
        }
        text
    }
}

/// The name of a column, whose text may be too long for one.
fn short(text: &str, column: usize) -> String {
    if text.chars().count() <= NAME_CHARS_MAX { text.to_owned() } else { format!("column{}", column + 1) }
}

/// What the call evaluates for each row.
fn scalars_of(call: &MirAggregate) -> impl Iterator<Item = &Scalar> {
    call.args.iter().chain(&call.filter).chain(call.order_by.iter().map(|(key, _)| key))
}

fn inlined(call: &MirAggregate, input: &Linear) -> MirAggregate {
    Aggregate {
        function: call.function,
        args: call.args.iter().map(|arg| input.inlined(arg)).collect(),
        distinct: call.distinct,
        filter: call.filter.as_ref().map(|filter| input.inlined(filter)),
        order_by: call.order_by.iter().map(|(key, order)| (input.inlined(key), *order)).collect(),
        data_type: call.data_type.clone(),
    }
}

/// Whether the aggregate can raise an error, by its arguments or because its result is out of range.
fn is_fallible(call: &MirAggregate) -> bool {
    use AggregateFunction as F;
    let ranged =
        !matches!(call.function, F::CountStar | F::Count | F::Min | F::Max | F::BoolAnd | F::BoolOr | F::SumState);
    ranged || scalars_of(call).any(Scalar::is_fallible)
}

/// What identifies the rows of a relation for which these are true, and their groups; both in [`in_order`].
fn fingerprint<'a>(
    relation: RelationId,
    predicates: impl Iterator<Item = &'a Scalar>,
    keys: impl Iterator<Item = &'a Scalar>,
) -> Result<Vec<u8>> {
    encode(&(relation, predicates.collect::<Vec<_>>(), keys.collect::<Vec<_>>()))
}

/// Each once, in an order that does not depend on the one given, with its bytes.
fn in_order(scalars: Vec<Scalar>) -> Result<Vec<(Vec<u8>, Scalar)>> {
    let mut encoded = scalars.into_iter().map(|s| Ok((encode(&s)?, s))).collect::<Result<Vec<_>>>()?;
    encoded.sort_by(|a, b| a.0.cmp(&b.0));
    encoded.dedup_by(|a, b| a.0 == b.0);
    Ok(encoded)
}

/// Equal values have equal bytes.
fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|e| SqlError::internal(format!("cannot encode a part of a plan: {e}")))
}

#[cfg(test)]
mod tests;
