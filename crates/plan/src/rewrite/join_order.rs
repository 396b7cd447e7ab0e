//! Inner joins are put in an order.
//!
//! ```text
//! Before: ((events ⋈ campaigns) ⋈ variants)     After: events ⋈ (campaigns ⋈ variants)
//!         all on campaign_id
//! Before: σ a.k = b.k ∧ b.j = c.j (a × c × b)   After: (a ⋈ b) ⋈ c
//! ```
//! A tree of inner joins, filters and projections is taken apart into inputs and conditions, and put together again,
//! the pair of least estimated size first, pairs without an equality last. Equal columns form classes, so that any two
//! of a class can serve as a key. What is unknown is taken for equal, and then the inputs named later are joined first:
//! dimensions tend to follow facts, and what is joined late is not kept in an intermediate result.
//!
//! Sound: inner joins are associative and commutative, and equality is transitive within one operator. Conditions that
//! may fail are applied last, unless nothing else connects two inputs; they see no pair that they would not have seen.

use super::{Context, estimate};
use crate::columns::ColumnSet;
use crate::mir::{JoinKind, Mir};
use crate::scalars::{Equation, columns_of, is_movable};
use headwater_expr::Scalar;
use headwater_expr::registry::FunctionRef;

/// Joins of more inputs keep the order they are written in, but for cross joins: looking at all pairs is cubic.
const INPUTS_ORDERED_MAX: usize = 16;

/// Among more conditions than these, equal ones are not looked for: the search is quadratic.
const CONDITIONS_SOUGHT_MAX: usize = 64;

pub(super) fn rewrite(mir: Mir, context: &mut Context<'_>) -> Mir {
    if !is_join_tree(&mir) {
        let mut mir = mir;
        for child in mir.children_mut() {
            *child = rewrite(child.take(), context);
        }
        return mir;
    }
    let mut tree = Tree { inputs: vec![], starts: vec![], conditions: vec![], arity: 0 };
    let output = tree.flatten(mir, context);
    tree.build(&output, context)
}

/// Whether this is an inner join, perhaps under filters and projections.
fn is_join_tree(mir: &Mir) -> bool {
    match mir {
        Mir::Join { kind: JoinKind::Inner, .. } => true,
        Mir::Filter { input, .. } | Mir::Project { input, .. } => is_join_tree(input),
        _ => false,
    }
}

/// Inputs side by side, and conditions over all their columns.
struct Tree {
    inputs: Vec<Mir>,
    /// Where each input's columns start.
    starts: Vec<usize>,
    conditions: Vec<Scalar>,
    arity: usize,
}

/// Columns that an equality makes equal.
struct Class {
    function: FunctionRef,
    /// Column, and its operand in the condition.
    members: Vec<(usize, Scalar)>,
}

/// Inputs that have been joined.
struct Component {
    mir: Mir,
    /// The column of the tree at each position.
    columns: Vec<usize>,
    inputs: ColumnSet,
    rows: f64,
    rows_unfiltered: f64,
}

/// A condition that is not an equality of columns.
struct Edge {
    condition: Scalar,
    inputs: ColumnSet,
    /// Whether it is an equality between two disjoint sets of inputs.
    connects: Option<(ColumnSet, ColumnSet)>,
    applied: bool,
}

impl Tree {
    /// Takes the tree apart; returns the tree's column of each of its output columns.
    fn flatten(&mut self, mir: Mir, context: &mut Context<'_>) -> Vec<usize> {
        match mir {
            Mir::Join { left, right, kind: JoinKind::Inner, on } => {
                let mut columns = self.flatten(*left, context);
                columns.extend(self.flatten(*right, context));
                self.add_conditions(on, &columns);
                columns
            }
            Mir::Filter { input, predicates } if is_join_tree(&input) => {
                let columns = self.flatten(*input, context);
                self.add_conditions(predicates, &columns);
                columns
            }
            Mir::Project { input, columns } if is_join_tree(&input) => {
                let inner = self.flatten(*input, context);
                columns.into_iter().map(|c| inner[c]).collect()
            }
            mir => {
                let input = rewrite(mir, context);
                let start = self.arity;
                self.arity += input.arity();
                self.starts.push(start);
                self.inputs.push(input);
                (start..self.arity).collect()
            }
        }
    }

    fn add_conditions(&mut self, conditions: Vec<Scalar>, columns: &[usize]) {
        for condition in conditions {
            let condition = condition.remap(&mut |c| columns[c]);
            if self.conditions.len() > CONDITIONS_SOUGHT_MAX || !self.conditions.contains(&condition) {
                self.conditions.push(condition);
            }
        }
    }

    fn input_of(&self, column: usize) -> usize {
        self.starts.partition_point(|&start| start <= column).saturating_sub(1)
    }

    fn inputs_of(&self, columns: &ColumnSet) -> ColumnSet {
        columns.iter().map(|c| self.input_of(c)).collect()
    }

    fn build(mut self, output: &[usize], context: &mut Context<'_>) -> Mir {
        let mut classes: Vec<Class> = Vec::new();
        let mut edges: Vec<Edge> = Vec::new();
        let mut last: Vec<Scalar> = Vec::new();
        let mut fallible: Vec<Edge> = Vec::new();
        for condition in std::mem::take(&mut self.conditions) {
            let inputs = self.inputs_of(&columns_of(&condition));
            let equation = Equation::of(&condition);
            if is_movable(&condition)
                && let Some(Equation { left, right, function: Some(function) }) = &equation
                && let (Some(_), Some(_)) = (left.as_column(), right.as_column())
            {
                add_to_classes(&mut classes, *function, left.clone(), right.clone());
                continue;
            }
            let connects = equation.and_then(|e| {
                let (a, b) = (self.inputs_of(&columns_of(&e.left)), self.inputs_of(&columns_of(&e.right)));
                (!a.is_empty() && !b.is_empty() && !a.intersects(&b)).then_some((a, b))
            });
            let edge = Edge { condition, inputs, connects, applied: false };
            match (is_movable(&edge.condition), &edge.connects) {
                (true, _) if !edge.inputs.is_empty() => edges.push(edge),
                (false, Some(_)) => fallible.push(edge),
                _ => last.push(edge.condition),
            }
        }
        let in_order = self.inputs.len() > INPUTS_ORDERED_MAX;
        let mut components = self.components(&classes, &mut edges, context);
        let mut order = Vec::with_capacity(components.len());
        while components.len() > 1 {
            let (a, b) = choose(&components, &classes, &edges, &fallible, in_order);
            let second = components.remove(b);
            let first = components.remove(a);
            order.push(second.inputs.clone());
            // Components stay in the order of their first inputs.
            components.insert(a, merge(first, second, &classes, &mut edges, &mut fallible));
        }
        // Anything but "each next input joined to all before it" is news.
        if order.iter().enumerate().any(|(i, second)| second.len() != 1 || !second.contains(i + 1)) {
            context.fired("join order");
        }
        let Some(whole) = components.pop() else { return Mir::unit() };
        let mut place = vec![usize::MAX; self.arity];
        for (position, &column) in whole.columns.iter().enumerate() {
            place[column] = position;
        }
        last.extend(edges.into_iter().chain(fallible).filter(|e| !e.applied).map(|e| e.condition));
        let last = last.into_iter().map(|p| p.remap(&mut |c| place[c])).collect();
        whole.mir.filter(last).project(output.iter().map(|&c| place[c]).collect())
    }

    /// Each input with the conditions that concern it alone.
    fn components(&mut self, classes: &[Class], edges: &mut [Edge], context: &Context<'_>) -> Vec<Component> {
        let inputs = std::mem::take(&mut self.inputs);
        let starts = std::mem::take(&mut self.starts);
        let mut components = Vec::with_capacity(inputs.len());
        for (i, (input, start)) in inputs.into_iter().zip(&starts).enumerate() {
            let start = *start;
            let arity = input.arity();
            let own: ColumnSet = [i].into_iter().collect();
            let mut predicates: Vec<Scalar> = Vec::new();
            for class in classes {
                let mut members = class.members.iter().filter(|(c, _)| (start..start + arity).contains(c));
                let Some((_, first)) = members.next() else { continue };
                predicates.extend(members.map(|(_, other)| equality(class.function, first, other)));
            }
            for edge in edges.iter_mut().filter(|e| e.inputs == own) {
                edge.applied = true;
                predicates.push(edge.condition.clone());
            }
            let predicates = predicates.into_iter().map(|p| p.remap(&mut |c| c - start)).collect();
            let rows_unfiltered = estimate::rows_unfiltered(&input, context.info);
            let mir = input.filter(predicates);
            let rows = estimate::rows(&mir, context.info);
            let columns = (start..start + arity).collect();
            components.push(Component { mir, columns, inputs: own, rows, rows_unfiltered });
        }
        components
    }
}

fn equality(function: FunctionRef, left: &Scalar, right: &Scalar) -> Scalar {
    Equation { left: left.clone(), right: right.clone(), function: Some(function) }.into_scalar()
}

fn add_to_classes(classes: &mut Vec<Class>, function: FunctionRef, left: Scalar, right: Scalar) {
    let (Some(a), Some(b)) = (left.as_column(), right.as_column()) else { return };
    let find = |classes: &[Class], column: usize| {
        classes.iter().position(|k| k.function == function && k.members.iter().any(|(c, _)| *c == column))
    };
    match (find(classes, a), find(classes, b)) {
        (None, None) => classes.push(Class { function, members: vec![(a, left), (b, right)] }),
        (Some(i), None) => classes[i].members.push((b, right)),
        (None, Some(i)) => classes[i].members.push((a, left)),
        (Some(i), Some(j)) if i != j => {
            let absorbed = classes.remove(i.max(j));
            classes[i.min(j)].members.extend(absorbed.members);
        }
        (Some(_), Some(_)) => {}
    }
}

/// A class's members in two components, if it has some in each.
fn shared<'c>(class: &'c Class, a: &Component, b: &Component) -> Option<(&'c Scalar, &'c Scalar)> {
    let within = |component: &Component| {
        class.members.iter().find(|(c, _)| component.columns.contains(c)).map(|(_, operand)| operand)
    };
    Some((within(a)?, within(b)?))
}

fn connects(edge: &Edge, a: &Component, b: &Component) -> bool {
    edge.connects.as_ref().is_some_and(|(x, y)| {
        x.is_subset(&a.inputs) && y.is_subset(&b.inputs) || x.is_subset(&b.inputs) && y.is_subset(&a.inputs)
    })
}

/// How well a pair is connected, its rows, which inputs: the least is best.
type Rank = (u8, f64, usize, usize);

/// The pair of components to join next.
fn choose(
    components: &[Component],
    classes: &[Class],
    edges: &[Edge],
    fallible: &[Edge],
    in_order: bool,
) -> (usize, usize) {
    let mut best: Option<(Rank, (usize, usize))> = None;
    for (i, a) in components.iter().enumerate() {
        for (j, b) in components.iter().enumerate().skip(i + 1) {
            if in_order && i != 0 {
                continue;
            }
            let keys = classes.iter().filter(|class| shared(class, a, b).is_some()).count()
                + edges.iter().filter(|e| !e.applied && connects(e, a, b)).count();
            let grade = if keys > 0 {
                0
            } else if fallible.iter().any(|e| !e.applied && connects(e, a, b)) {
                1
            } else {
                2
            };
            let rows = match grade {
                2 => a.rows * b.rows,
                _ => a.rows * b.rows / a.rows_unfiltered.max(b.rows_unfiltered).max(1.0),
            };
            let first = |c: &Component| c.inputs.iter().next().unwrap_or(0);
            let (low, high) = (first(a).min(first(b)), first(a).max(first(b)));
            let rank = if in_order { (grade, 0.0, low, high) } else { (grade, rows, usize::MAX - low, high) };
            let better = best.as_ref().is_none_or(|(known, _)| {
                rank.0
                    .cmp(&known.0)
                    .then(rank.1.total_cmp(&known.1))
                    .then(rank.2.cmp(&known.2))
                    .then(rank.3.cmp(&known.3))
                    .is_lt()
            });
            if better {
                best = Some((rank, (i, j)));
            }
        }
    }
    best.map_or((0, 1), |(_, pair)| pair)
}

/// The join of two components with all that connects them.
fn merge(a: Component, b: Component, classes: &[Class], edges: &mut [Edge], fallible: &mut [Edge]) -> Component {
    let mut on: Vec<Scalar> =
        classes.iter().filter_map(|class| shared(class, &a, &b).map(|(l, r)| equality(class.function, l, r))).collect();
    let mut inputs = a.inputs.clone();
    inputs.union_with(&b.inputs);
    let mut keyed = !on.is_empty();
    for edge in edges.iter_mut().filter(|e| !e.applied && e.inputs.is_subset(&inputs)) {
        edge.applied = true;
        keyed |= connects(edge, &a, &b);
        on.push(edge.condition.clone());
    }
    if !keyed && let Some(edge) = fallible.iter_mut().find(|e| !e.applied && connects(e, &a, &b)) {
        edge.applied = true;
        on.push(edge.condition.clone());
        keyed = true;
    }
    let columns: Vec<usize> = a.columns.iter().chain(&b.columns).copied().collect();
    let place = |column: usize| columns.iter().position(|&c| c == column).unwrap_or(column);
    let on = on.into_iter().map(|p| p.remap(&mut |c| place(c))).collect();
    let rows_unfiltered = a.rows_unfiltered.max(b.rows_unfiltered);
    let rows = if keyed { a.rows * b.rows / rows_unfiltered.max(1.0) } else { a.rows * b.rows };
    Component { mir: a.mir.join(b.mir, JoinKind::Inner, on), columns, inputs, rows, rows_unfiltered }
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{column, equal, fallible, get, golden, operator, text};

    const ONLY: RewriteOptions = RewriteOptions { join_order: true, ..RewriteOptions::none() };

    fn comma_joins(ids: &[u32]) -> Mir {
        ids.iter().map(|&id| get(id)).fold(Mir::unit(), |all, next| all.join(next, JoinKind::Inner, vec![]))
    }

    #[test]
    fn golden_plans() {
        // events(0..4), campaigns(4..7), variants(7..10)
        let three = comma_joins(&[1, 2, 3]);
        let campaigns = equal(column(&three, 2), column(&three, 4));
        let variants = equal(column(&three, 2), column(&three, 8));
        let kind = equal(column(&three, 6), text("ab_test"));
        let two = comma_joins(&[4, 4]);
        let bridged = comma_joins(&[1, 3, 2]);
        golden(
            "join_order",
            ONLY,
            vec![
                (
                    "dimensions first, by transitive equality",
                    three.clone().filter(vec![campaigns.clone(), variants.clone(), kind]),
                ),
                (
                    "no cross join if it can be helped",
                    bridged.clone().filter(vec![
                        equal(column(&bridged, 2), column(&bridged, 7)),
                        equal(column(&bridged, 5), column(&bridged, 7)),
                    ]),
                ),
                (
                    "what may fail is applied last",
                    three.clone().filter(vec![campaigns.clone(), variants, fallible(&three, 1)]),
                ),
                (
                    "unless nothing else connects",
                    two.clone().filter(vec![equal(operator("+", column(&two, 0), column(&two, 1)), column(&two, 2))]),
                ),
                ("a cross join that cannot be helped", three.filter(vec![campaigns])),
                ("an outer join is one input", {
                    let left = get(1).join(get(2), JoinKind::Left, vec![]);
                    let all = left.clone().join(get(3), JoinKind::Inner, vec![]);
                    left.join(get(3), JoinKind::Inner, vec![equal(column(&all, 2), column(&all, 8))])
                }),
            ],
        );
    }
}
