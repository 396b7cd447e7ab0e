//! Conditions move towards the rows.
//!
//! ```text
//! Before: σ a.x = 1 ∧ a.k = b.k (a × b)        After: (σ x = 1 (a)) ⋈ k = k (b)
//! Before: σ g > 5 (γ g; sum (R))               After: γ g; sum (σ g > 5 (R))
//! Before: a ⟕ (b.y = 2 ∧ a.k = b.k) b          After: a ⟕ k = k (σ y = 2 (b))
//! ```
//! A constant that a join's equality carries over to the other side is applied there too.
//!
//! Sound for a condition that raises nothing and is not volatile. It does not pass an operator that would show it other
//! rows: the null-supplied side of an outer join, the aggregates of a GROUP BY, a TopK but for its groups; nor a
//! grouping by SQL equality, if it can tell equal values apart. Outer joins that a condition makes inner are noticed on
//! the way.

use super::{Context, outer_to_inner};
use crate::columns::ColumnSet;
use crate::mir::{JoinKind, Mir};
use crate::scalars::{Equation, columns_of, flatten_and, is_movable, null_rejected, respects_equality, uses_only};
use headwater_expr::{Expr, Scalar};

const NAME: &str = "predicate pushdown";

/// Among more conjuncts than these, equal ones are not looked for: the search is quadratic.
const CONJUNCTS_SOUGHT_MAX: usize = 64;

pub(super) fn rewrite(mir: Mir, context: &mut Context<'_>) -> Mir {
    Pushdown { context }.push(mir, vec![], &ColumnSet::new())
}

struct Pushdown<'c, 'i> {
    context: &'c mut Context<'i>,
}

impl Pushdown<'_, '_> {
    /// `mir` with the movable `predicates` applied as low as can be. Rows with NULL in one of `not_null` are dropped
    /// above.
    fn push(&mut self, mir: Mir, predicates: Vec<Scalar>, not_null: &ColumnSet) -> Mir {
        let mut not_null = not_null.clone();
        predicates.iter().for_each(|p| {
            not_null.union_with(&null_rejected(p));
        });
        let not_null = &not_null;
        match mir {
            Mir::Filter { input, predicates: own } => self.filter(*input, own, predicates, not_null),
            Mir::Project { input, columns } => {
                let predicates = predicates.into_iter().map(|p| p.remap(&mut |c| columns[c])).collect();
                let not_null = not_null.iter().map(|c| columns[c]).collect();
                Mir::Project { input: Box::new(self.push(*input, predicates, &not_null)), columns }
            }
            Mir::Map { input, scalars } => {
                let arity = input.arity();
                let column = |c: usize| {
                    if c < arity { Some(c) } else { scalars[c - arity].as_column() }
                };
                let (below, above): (Vec<_>, Vec<_>) =
                    predicates.into_iter().partition(|p| uses_only(p, |c| column(c).is_some()));
                if !below.is_empty() {
                    self.context.fired(NAME);
                }
                let below = below.into_iter().map(|p| p.remap(&mut |c| column(c).unwrap_or(c))).collect();
                let not_null = not_null.iter().filter_map(column).collect();
                let below_any = self.push(*input, below, &not_null);
                below_any.map(scalars).filter(above)
            }
            Mir::Join { left, right, kind, on } => self.join(*left, *right, kind, on, predicates, not_null),
            Mir::Aggregate { input, group_key, aggregates } => {
                let g = group_key.len();
                let (below, above) = self.split(predicates, g > 0, |c| c < g);
                let below = below.into_iter().map(|p| p.remap(&mut |c| group_key[c])).collect();
                let input = self.push(*input, below, &ColumnSet::new());
                input.aggregate(group_key, aggregates).filter(above)
            }
            Mir::Distinct { input } => {
                let (below, above) = self.split(predicates, true, |_| true);
                Mir::Distinct { input: Box::new(self.push(*input, below, not_null)) }.filter(above)
            }
            Mir::TopK { input, group_key, order_by, limit, offset } => {
                let (below, above) = self.split(predicates, !group_key.is_empty(), |c| group_key.contains(&c));
                let input = Box::new(self.push(*input, below, &ColumnSet::new()));
                Mir::TopK { input, group_key, order_by, limit, offset }.filter(above)
            }
            Mir::Union { inputs, types } => {
                let inputs = inputs.into_iter().map(|input| self.push(input, predicates.clone(), not_null)).collect();
                Mir::Union { inputs, types }
            }
            Mir::Negate { input } => Mir::Negate { input: Box::new(self.push(*input, predicates, not_null)) },
            Mir::Threshold { input } => {
                let (below, above) = self.split(predicates, true, |_| true);
                Mir::Threshold { input: Box::new(self.push(*input, below, &ColumnSet::new())) }.filter(above)
            }
            Mir::FlatMap { input, function, args, types, ordinality } => {
                let arity = input.arity();
                let (below, above): (Vec<_>, Vec<_>) =
                    predicates.into_iter().partition(|p| uses_only(p, |c| c < arity));
                let not_null = not_null.slice(0..arity);
                let input = Box::new(self.push(*input, below, &not_null));
                Mir::FlatMap { input, function, args, types, ordinality }.filter(above)
            }
            Mir::AtMostOne { input, key } => {
                let (below, above) = self.split(predicates, !key.is_empty(), |c| key.contains(&c));
                let input = Box::new(self.push(*input, below, &ColumnSet::new()));
                Mir::AtMostOne { input, key }.filter(above)
            }
            Mir::Let { id, value, body } => {
                let value = Box::new(self.push(*value, vec![], &ColumnSet::new()));
                let body = Box::new(self.push(*body, predicates, not_null));
                Mir::Let { id, value, body }
            }
            Mir::Constant { .. } | Mir::Get { .. } | Mir::LocalGet { .. } => mir.filter(predicates),
        }
    }

    /// Those of `predicates` that say the same of a whole group, whose columns are those of `inside`; and the others.
    fn split(
        &mut self,
        predicates: Vec<Scalar>,
        grouped: bool,
        mut inside: impl FnMut(usize) -> bool,
    ) -> (Vec<Scalar>, Vec<Scalar>) {
        let (below, above): (Vec<_>, Vec<_>) =
            predicates.into_iter().partition(|p| grouped && uses_only(p, &mut inside) && respects_equality(p));
        if !below.is_empty() {
            self.context.fired(NAME);
        }
        (below, above)
    }

    fn filter(&mut self, input: Mir, own: Vec<Scalar>, mut all: Vec<Scalar>, not_null: &ColumnSet) -> Mir {
        let mut fallible = Vec::new();
        let mut conjuncts = Vec::new();
        own.into_iter().for_each(|p| flatten_and(p, &mut conjuncts));
        let mut not_null = not_null.clone();
        for conjunct in conjuncts {
            not_null.union_with(&null_rejected(&conjunct));
            if !is_movable(&conjunct) {
                fallible.push(conjunct);
            } else if all.len() > CONJUNCTS_SOUGHT_MAX || !all.contains(&conjunct) {
                all.push(conjunct);
            }
        }
        self.push(input, all, &not_null).filter(fallible)
    }

    fn join(
        &mut self,
        left: Mir,
        right: Mir,
        kind: JoinKind,
        on: Vec<Scalar>,
        mut predicates: Vec<Scalar>,
        not_null: &ColumnSet,
    ) -> Mir {
        let (l, r) = (left.arity(), right.arity());
        let mut kind = kind;
        if self.context.options.outer_to_inner {
            let simplified = outer_to_inner::simplified(kind, not_null, l, r);
            if simplified != kind {
                self.context.fired("outer join to inner join");
                kind = simplified;
            }
        }
        let mut conjuncts = Vec::with_capacity(on.len());
        on.into_iter().for_each(|p| flatten_and(p, &mut conjuncts));
        if kind == JoinKind::Inner {
            if !predicates.is_empty() {
                self.context.fired(NAME);
            }
            predicates.into_iter().for_each(|p| flatten_and(p, &mut conjuncts));
            predicates = vec![];
            infer_constants(&mut conjuncts);
        }
        let of_left = |p: &Scalar| uses_only(p, |c| c < l);
        let of_right = |p: &Scalar| uses_only(p, |c| c >= l);
        // Rows of a side whose columns a condition needs not to be NULL, where rows without a match are dropped.
        let matched: ColumnSet = {
            let mut set = ColumnSet::new();
            conjuncts.iter().for_each(|p| {
                set.union_with(&null_rejected(p));
            });
            set
        };
        let (from_above_left, above): (Vec<_>, Vec<_>) = match kind {
            JoinKind::Left | JoinKind::Semi | JoinKind::Anti => predicates.into_iter().partition(of_left),
            JoinKind::Inner | JoinKind::Right | JoinKind::Full => (vec![], predicates),
        };
        let (from_above_right, above): (Vec<_>, Vec<_>) = match kind {
            JoinKind::Right => above.into_iter().partition(of_right),
            _ => (vec![], above),
        };
        let (mut to_left, mut to_right, mut on) = (from_above_left, from_above_right, Vec::new());
        for conjunct in conjuncts {
            let movable = is_movable(&conjunct);
            let left_too = matches!(kind, JoinKind::Inner | JoinKind::Semi | JoinKind::Right);
            let right_too = matches!(kind, JoinKind::Inner | JoinKind::Semi | JoinKind::Anti | JoinKind::Left);
            let constant = columns_of(&conjunct).is_empty();
            if movable && !constant && left_too && of_left(&conjunct) {
                to_left.push(conjunct);
            } else if movable && !constant && right_too && of_right(&conjunct) {
                to_right.push(conjunct);
            } else {
                on.push(conjunct);
            }
        }
        if !to_left.is_empty() || !to_right.is_empty() {
            self.context.fired(NAME);
        }
        let left_not_null = match kind {
            JoinKind::Inner | JoinKind::Semi => {
                let mut set = not_null.slice(0..l);
                set.union_with(&matched.slice(0..l));
                set
            }
            JoinKind::Left | JoinKind::Anti => not_null.slice(0..l),
            JoinKind::Right => matched.slice(0..l),
            JoinKind::Full => ColumnSet::new(),
        };
        let right_not_null = match kind {
            JoinKind::Inner => {
                let mut set = not_null.slice(l..l + r);
                set.union_with(&matched.slice(l..l + r));
                set
            }
            JoinKind::Left | JoinKind::Semi | JoinKind::Anti => matched.slice(l..l + r),
            JoinKind::Right => not_null.slice(l..l + r),
            JoinKind::Full => ColumnSet::new(),
        };
        let to_right = to_right.into_iter().map(|p| p.remap(&mut |c| c - l)).collect();
        let left = self.push(left, to_left, &left_not_null);
        let right = self.push(right, to_right, &right_not_null);
        left.join(right, kind, on).filter(above)
    }
}

/// `a = 5 ∧ a = b` gives `b = 5`.
fn infer_constants(conjuncts: &mut Vec<Scalar>) {
    let mut constants: Vec<(usize, Equation)> = Vec::new();
    let mut equal: Vec<Equation> = Vec::new();
    for equation in conjuncts.iter().filter_map(Equation::of) {
        match (&equation.left, &equation.right) {
            (Expr::Leaf(c), Expr::Literal(..) | Expr::Parameter(..)) => constants.push((c.index, equation)),
            (Expr::Literal(..) | Expr::Parameter(..), Expr::Leaf(c)) => constants.push((c.index, equation.swapped())),
            (Expr::Leaf(_), Expr::Leaf(_)) if !equation.null_safe() => equal.push(equation),
            _ => {}
        }
    }
    let mut next = 0;
    while let Some((column, constant)) = constants.get(next).cloned() {
        next += 1;
        for equation in &equal {
            let (Expr::Leaf(a), Expr::Leaf(b)) = (&equation.left, &equation.right) else { continue };
            let other = if a.index == column {
                b
            } else if b.index == column {
                a
            } else {
                continue;
            };
            if equation.function != constant.function
                || a.data_type != b.data_type
                || constants.iter().any(|(c, _)| *c == other.index)
            {
                continue;
            }
            let inferred = Equation { left: Expr::Leaf(other.clone()), ..constant.clone() };
            constants.push((other.index, inferred.clone()));
            conjuncts.push(inferred.into_scalar());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{column, equal, fallible, get, golden, int, operator, text};
    use headwater_expr::Expr;

    const ONLY: RewriteOptions = RewriteOptions { pushdown: true, ..RewriteOptions::none() };

    fn comma_join() -> Mir {
        get(1).join(get(2), JoinKind::Inner, vec![])
    }

    fn left_join() -> Mir {
        let both = comma_join();
        get(1).join(
            get(2),
            JoinKind::Left,
            vec![equal(column(&both, 2), column(&both, 4)), equal(column(&both, 6), text("x"))],
        )
    }

    #[test]
    fn golden_plans() {
        let both = comma_join();
        let key = equal(column(&both, 2), column(&both, 4));
        let kind = equal(column(&both, 6), text("ab_test"));
        let grouped = get(1).aggregate(vec![1], vec![]);
        let plain = get(4);
        let mapped = plain.clone().map(vec![operator("+", column(&plain, 0), int(1))]);
        golden(
            "pushdown",
            ONLY,
            vec![
                ("a comma join with conditions", comma_join().filter(vec![key.clone(), kind.clone()])),
                ("a constant crosses an equality", comma_join().filter(vec![key, equal(column(&both, 2), text("c1"))])),
                ("below a grouping", grouped.clone().filter(vec![operator(">", column(&grouped, 0), int(5))])),
                ("not on what is computed", mapped.clone().filter(vec![equal(column(&mapped, 2), int(5))])),
                ("on what is not", mapped.clone().filter(vec![equal(column(&mapped, 0), int(5))])),
                ("left join: its condition on the right side", left_join()),
                (
                    "left join: conditions above stay above, of the right side",
                    left_join()
                        .filter(vec![Expr::IsNull(Box::new(column(&both, 4))), equal(column(&both, 3), text("x"))]),
                ),
                ("what may fail does not pass a join", comma_join().filter(vec![fallible(&both, 1), kind])),
                (
                    "not below a top-k",
                    Mir::TopK {
                        input: Box::new(plain.clone()),
                        group_key: vec![0],
                        order_by: vec![],
                        limit: Some(1),
                        offset: 0,
                    }
                    .filter(vec![equal(column(&plain, 0), int(1)), equal(column(&plain, 1), int(2))]),
                ),
            ],
        );
    }
}
