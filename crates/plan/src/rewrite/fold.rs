//! Constants are computed, and what is certainly empty disappears.
//!
//! ```text
//! Before: σ (1 = 1 ∧ a = 2 + 3) (R)     After: σ a = 5 (R)
//! Before: σ false (R) ∪ S               After: S
//! Before: Map [1 + 1] (one row)         After: the row (2)
//! Before: R × one row (x, y)            After: Map [x, y] (R)
//! ```
//! Sound for immutable expressions. One that raises an error stays, to raise it for a row, if there is one.

use super::Context;
use crate::mir::{JoinKind, Mir};
use crate::scalars::{is_false_or_null, is_true, null_literal};
use headwater_expr::registry::Volatility;
use headwater_expr::{EvalContext, Expr, Scalar};
use headwater_types::{Datum, SessionSettings};

const NAME: &str = "constant folding";

/// Larger constants are left to the operators.
const CONSTANT_ROWS_MAX: usize = 16;

pub(super) fn rewrite(mir: Mir, context: &mut Context<'_>) -> Mir {
    let settings = SessionSettings::default();
    let eval = EvalContext { settings: &settings, now_micros: 0, catalog: None };
    let mut fold = Fold { eval, changed: false };
    let mir = fold.relation(mir);
    if fold.changed {
        context.fired(NAME);
    }
    mir
}

/// Computes the parts of a scalar that are constant.
pub(crate) fn fold_scalar(scalar: &mut Scalar) {
    let settings = SessionSettings::default();
    let eval = EvalContext { settings: &settings, now_micros: 0, catalog: None };
    Fold { eval, changed: false }.scalar(scalar);
}

struct Fold<'a> {
    eval: EvalContext<'a>,
    changed: bool,
}

impl Fold<'_> {
    fn relation(&mut self, mut mir: Mir) -> Mir {
        for child in mir.children_mut() {
            *child = self.relation(child.take());
        }
        let mut changed = false;
        mir.for_each_scalar_mut(&mut |scalar| changed |= self.scalar(scalar));
        self.changed |= changed;
        match mir {
            Mir::Filter { input, predicates } => self.filter(*input, predicates),
            Mir::Map { input, scalars } => self.map(*input, scalars),
            Mir::Project { input, columns } => match *input {
                Mir::Constant { rows, types } => {
                    let types = columns.iter().map(|&c| types[c].clone()).collect();
                    let project = |row: Vec<Datum>| columns.iter().map(|&c| row[c].clone()).collect();
                    Mir::Constant { rows: rows.into_iter().map(|(row, w)| (project(row), w)).collect(), types }
                }
                input => input.project(columns),
            },
            Mir::Join { left, right, kind, on } => self.join(*left, *right, kind, on),
            Mir::Union { inputs, types } => self.union(inputs, types),
            Mir::Aggregate { input, group_key, aggregates } if input.is_empty() && !group_key.is_empty() => {
                let types = input.aggregate(group_key, aggregates).types();
                self.empty(types)
            }
            Mir::TopK { input, limit, .. } if input.is_empty() || limit == Some(0) => {
                let types = input.types();
                self.empty(types)
            }
            Mir::Distinct { input }
            | Mir::Negate { input }
            | Mir::Threshold { input }
            | Mir::AtMostOne { input, .. }
                if input.is_empty() =>
            {
                *input
            }
            Mir::Distinct { input } if matches!(&*input, Mir::Constant { rows, .. } if matches!(rows.as_slice(), [(_, 1)])) => {
                *input
            }
            Mir::FlatMap { ref input, .. } if input.is_empty() => {
                let types = mir.types();
                self.empty(types)
            }
            mir => mir,
        }
    }

    fn empty(&mut self, types: Vec<headwater_types::DataType>) -> Mir {
        self.changed = true;
        Mir::empty(types)
    }

    fn filter(&mut self, input: Mir, mut predicates: Vec<Scalar>) -> Mir {
        predicates.retain(|p| !is_true(p));
        if input.is_empty() || predicates.iter().any(is_false_or_null) {
            let types = input.types();
            return self.empty(types);
        }
        if let Mir::Constant { rows, .. } = &input
            && rows.len() <= CONSTANT_ROWS_MAX
            && let Some(kept) = self.rows(rows, &predicates)
        {
            let types = input.types();
            let keeps = |values: &Vec<Datum>| values.iter().all(|v| matches!(v, Datum::Bool(true)));
            let rows = rows.iter().zip(&kept).filter(|(_, values)| keeps(values)).map(|(row, _)| row.clone()).collect();
            return Mir::Constant { rows, types };
        }
        input.filter(predicates)
    }

    fn map(&mut self, input: Mir, scalars: Vec<Scalar>) -> Mir {
        if let Mir::Constant { rows, types } = &input
            && rows.len() <= CONSTANT_ROWS_MAX
            && let Some(values) = self.rows(rows, &scalars)
        {
            let types = types.iter().cloned().chain(scalars.iter().map(Scalar::data_type)).collect();
            let extend = |(row, weight): &(Vec<Datum>, i64), more: Vec<Datum>| {
                (row.iter().cloned().chain(more).collect(), *weight)
            };
            return Mir::Constant {
                rows: rows.iter().zip(values).map(|(row, more)| extend(row, more)).collect(),
                types,
            };
        }
        if let (true, Mir::Constant { types, .. }) = (input.is_empty(), &input) {
            let types = types.iter().cloned().chain(scalars.iter().map(Scalar::data_type)).collect();
            return self.empty(types);
        }
        input.map(scalars)
    }

    /// The scalars' values for each row; `None` unless all can be had now.
    fn rows(&self, rows: &[(Vec<Datum>, i64)], scalars: &[Scalar]) -> Option<Vec<Vec<Datum>>> {
        if scalars.iter().any(|s| !matches!(s, Expr::Literal(..)) && s.volatility() != Volatility::Immutable) {
            return None;
        }
        let value = |row: &[Datum], scalar: &Scalar| -> Option<Datum> {
            match scalar {
                Expr::Literal(value, _) => Some(value.clone()),
                Expr::Leaf(column) => Some(row[column.index].clone()),
                _ => {
                    let constant = scalar.clone().map_leaves(&mut |c: headwater_expr::Column| -> Scalar {
                        Expr::Literal(row[c.index].clone(), c.data_type)
                    });
                    headwater_expr::evaluate_constant(&constant, &self.eval).ok()
                }
            }
        };
        rows.iter().map(|(row, _)| scalars.iter().map(|s| value(row, s)).collect()).collect()
    }

    fn join(&mut self, left: Mir, right: Mir, kind: JoinKind, mut on: Vec<Scalar>) -> Mir {
        on.retain(|p| !is_true(p));
        let never = on.iter().any(is_false_or_null);
        let (no_left, no_right) = (left.is_empty(), right.is_empty());
        let gone = match kind {
            JoinKind::Inner | JoinKind::Semi => never || no_left || no_right,
            JoinKind::Left | JoinKind::Anti => no_left,
            JoinKind::Right => no_right,
            JoinKind::Full => no_left && no_right,
        };
        if gone {
            let types = left.join(right, kind, on).types();
            return self.empty(types);
        }
        match kind {
            JoinKind::Left if never || no_right => {
                self.changed = true;
                left.map(right.types().into_iter().map(null_literal).collect())
            }
            JoinKind::Anti if never || no_right => {
                self.changed = true;
                left
            }
            JoinKind::Inner => self.join_with_one_row(left, right, on),
            _ => left.join(right, kind, on),
        }
    }

    /// A join with one constant row is a map.
    fn join_with_one_row(&mut self, left: Mir, right: Mir, on: Vec<Scalar>) -> Mir {
        let one = |mir: &Mir| match mir {
            Mir::Constant { rows, types } => match rows.as_slice() {
                [(row, 1)] => Some(row.iter().cloned().zip(types.iter().cloned()).collect::<Vec<_>>()),
                _ => None,
            },
            _ => None,
        };
        let literals =
            |row: Vec<_>| row.into_iter().map(|(value, data_type)| Expr::Literal(value, data_type)).collect();
        if let Some(row) = one(&right) {
            self.changed = true;
            return self.filter_folded(left.map(literals(row)), on);
        }
        if let Some(row) = one(&left) {
            self.changed = true;
            let (l, r) = (row.len(), right.arity());
            let mapped = right.map(literals(row)).project((r..r + l).chain(0..r).collect());
            return self.filter_folded(mapped, on);
        }
        left.join(right, JoinKind::Inner, on)
    }

    fn filter_folded(&mut self, input: Mir, predicates: Vec<Scalar>) -> Mir {
        if predicates.is_empty() { input } else { self.filter(input, predicates) }
    }

    fn union(&mut self, inputs: Vec<Mir>, types: Vec<headwater_types::DataType>) -> Mir {
        let mut flat: Vec<Mir> = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Mir::Union { inputs, .. } => flat.extend(inputs),
                input => flat.push(input),
            }
        }
        let mut merged: Vec<Mir> = Vec::with_capacity(flat.len());
        let mut constant: Option<usize> = None;
        for input in flat {
            let Mir::Constant { rows, .. } = input else {
                merged.push(input);
                continue;
            };
            self.changed = true;
            match constant.map(|i| &mut merged[i]) {
                Some(Mir::Constant { rows: all, .. }) => all.extend(rows),
                _ if rows.is_empty() => {}
                _ => {
                    constant = Some(merged.len());
                    merged.push(Mir::Constant { rows, types: types.clone() });
                }
            }
        }
        match merged.len() {
            0 => Mir::empty(types),
            1 => merged.remove(0),
            _ => Mir::Union { inputs: merged, types },
        }
    }

    /// Computes what can be computed; tells whether something changed.
    fn scalar(&self, scalar: &mut Scalar) -> bool {
        if matches!(scalar, Expr::Leaf(_) | Expr::Literal(..)) {
            return false;
        }
        let mut changed = false;
        let mut constant = true;
        for child in scalar.children_mut() {
            changed |= self.scalar(child);
            constant &= matches!(child, Expr::Literal(..));
        }
        if constant && is_immutable_itself(scalar) {
            let data_type = scalar.data_type();
            if let Ok(value) = headwater_expr::evaluate_constant(scalar, &self.eval) {
                *scalar = Expr::Literal(value, data_type);
                return true;
            }
        }
        simplify(scalar) || changed
    }
}

fn is_immutable_itself(scalar: &Scalar) -> bool {
    scalar.volatility() == Volatility::Immutable
}

/// Boolean algebra, CASE and COALESCE, of operands that are already simple.
fn simplify(scalar: &mut Scalar) -> bool {
    let replacement = match scalar {
        Expr::And(operands) => connective(operands, false),
        Expr::Or(operands) => connective(operands, true),
        Expr::Not(input) => match &mut **input {
            Expr::Not(inner) => Some(std::mem::replace(&mut **inner, crate::scalars::bool_literal(true))),
            _ => None,
        },
        Expr::Case { branches, otherwise } => case(branches, otherwise),
        Expr::Coalesce(args) => coalesce(args),
        _ => None,
    };
    let changed = replacement.is_some();
    if let Some(replacement) = replacement {
        *scalar = replacement;
    }
    changed
}

/// AND (whose `decisive` operand is false) or OR (true), simplified; `None` if it is as it was, or only shorter.
fn connective(operands: &mut Vec<Scalar>, decisive: bool) -> Option<Scalar> {
    let is = |operand: &Scalar, value: bool| matches!(operand, Expr::Literal(Datum::Bool(v), _) if *v == value);
    if operands.iter().any(|o| is(o, decisive)) {
        return Some(crate::scalars::bool_literal(decisive));
    }
    operands.retain(|o| !is(o, !decisive));
    match operands.len() {
        0 => Some(crate::scalars::bool_literal(!decisive)),
        1 => Some(operands.swap_remove(0)),
        _ => None,
    }
}

fn case(branches: &mut Vec<(Scalar, Scalar)>, otherwise: &mut Box<Scalar>) -> Option<Scalar> {
    branches.retain(|(condition, _)| !is_false_or_null(condition));
    if let Some(first) = branches.iter().position(|(condition, _)| is_true(condition)) {
        branches.truncate(first + 1);
        if let Some((_, result)) = branches.pop() {
            **otherwise = result;
        }
    }
    branches.is_empty().then(|| std::mem::replace(&mut **otherwise, crate::scalars::bool_literal(true)))
}

fn coalesce(args: &mut Vec<Scalar>) -> Option<Scalar> {
    let null = args.iter().find(|a| matches!(a, Expr::Literal(Datum::Null, _))).cloned();
    args.retain(|a| !matches!(a, Expr::Literal(Datum::Null, _)));
    if let Some(first) = args.iter().position(|a| matches!(a, Expr::Literal(..))) {
        args.truncate(first + 1);
    }
    match args.len() {
        0 => null,
        1 => Some(args.swap_remove(0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::RewriteOptions;
    use crate::mir::{JoinKind, Mir};
    use crate::testing::{column, equal, get, golden, int, operator};
    use headwater_expr::Expr;
    use headwater_types::{DataType, Datum};

    const ONLY: RewriteOptions = RewriteOptions { fold: true, ..RewriteOptions::none() };

    #[test]
    fn golden_plans() {
        let plain = get(4);
        let none = || get(4).filter(vec![equal(int(1), int(2))]);
        let row = || Mir::unit().map(vec![operator("+", int(1), int(1))]);
        golden(
            "fold",
            ONLY,
            vec![
                ("arithmetic", get(4).filter(vec![equal(column(&plain, 0), operator("+", int(2), int(3)))])),
                ("SELECT 1 + 1", row()),
                ("division by zero waits for a row", Mir::unit().map(vec![operator("/", int(1), int(0))])),
                ("empty sides", none().join(get(1), JoinKind::Inner, vec![]).project(vec![0])),
                ("an empty right side", get(1).join(none(), JoinKind::Left, vec![])),
                ("an anti join with nothing", get(1).join(none(), JoinKind::Anti, vec![])),
                ("unions", Mir::Union { inputs: vec![none(), get(4)], types: plain.types() }),
                ("constant rows", Mir::Union { inputs: vec![row(), row(), row()], types: vec![DataType::Int4] }),
                ("a join with one row", get(4).join(row(), JoinKind::Inner, vec![])),
                ("an aggregate of nothing is a row", none().aggregate(vec![], vec![])),
                ("a grouping of nothing is nothing", none().aggregate(vec![0], vec![])),
                (
                    "CASE and COALESCE",
                    get(4).map(vec![
                        Expr::Case {
                            branches: vec![(equal(int(1), int(2)), int(7)), (equal(int(1), int(1)), column(&plain, 1))],
                            otherwise: Box::new(int(8)),
                        },
                        Expr::Coalesce(vec![Expr::Literal(Datum::Null, DataType::Int4), int(3), column(&plain, 0)]),
                    ]),
                ),
                (
                    "AND and OR",
                    get(4).filter(vec![Expr::Or(vec![
                        equal(int(1), int(2)),
                        Expr::And(vec![equal(int(1), int(1)), equal(column(&plain, 0), int(1))]),
                    ])]),
                ),
            ],
        );
    }
}
