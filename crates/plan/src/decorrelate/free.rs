//! Which columns of enclosing scopes a bound relation uses.
//!
//! A relation at depth `d` lies inside `d` scopes, numbered from the outermost, 0. Its own scalars say level `l` for
//! scope `d − l`; level 0 is the operator's own input.

use crate::hir::{HirAggregate, HirLeaf, HirRelation, HirScalar};
use headwater_expr::Expr;
use headwater_expr::registry::Kernel;
use std::collections::{BTreeMap, HashMap};

/// Columns of enclosing scopes, by `(scope, column)`; and whether equal values that are not identical (1.0 and 1.00) must
/// be told apart, the column being used for more than comparisons.
pub(super) type Free = BTreeMap<(usize, usize), bool>;

/// Adds the uses of `more` to those of `free`.
pub(super) fn merge(free: &mut Free, more: Free) {
    for (column, by_identity) in more {
        *free.entry(column).or_default() |= by_identity;
    }
}

/// The columns that a common table expression needs from outside, by its id.
pub(super) type CteFree = HashMap<usize, Free>;

/// Collects columns of scopes below `base`.
pub(super) struct FreeColumns<'a> {
    base: usize,
    ctes: &'a CteFree,
    found: Free,
}

/// The columns of scopes below `base` that `relation`, at `depth`, uses.
pub(super) fn of_relation(relation: &HirRelation, depth: usize, base: usize, ctes: &CteFree) -> Free {
    let mut walk = FreeColumns { base, ctes, found: Free::new() };
    walk.relation(relation, depth);
    walk.found
}

/// The columns of scopes below `base` that `scalar`, of an operator at `depth`, uses.
pub(super) fn of_scalar(scalar: &HirScalar, depth: usize, base: usize, ctes: &CteFree) -> Free {
    let mut walk = FreeColumns { base, ctes, found: Free::new() };
    walk.scalar(scalar, depth);
    walk.found
}

impl FreeColumns<'_> {
    fn scalar(&mut self, scalar: &HirScalar, depth: usize) {
        let compares = match scalar {
            Expr::Call { function, .. } => matches!(function.0.kernel, Kernel::Compare(_)),
            Expr::IsNull(_) | Expr::IsNotDistinct(..) => true,
            _ => false,
        };
        if let Expr::Leaf(leaf) = scalar {
            return self.leaf(leaf, depth, true);
        }
        for operand in scalar.children() {
            match operand {
                Expr::Leaf(leaf) => self.leaf(leaf, depth, !compares),
                operand => self.scalar(operand, depth),
            }
        }
    }

    fn leaf(&mut self, leaf: &HirLeaf, depth: usize, by_identity: bool) {
        match leaf {
            HirLeaf::Column { level: 0, .. } | HirLeaf::Parameter { .. } => {}
            HirLeaf::Column { level, index, .. } => {
                if let Some(scope) = depth.checked_sub(*level) {
                    self.found((scope, *index), by_identity);
                }
            }
            HirLeaf::Exists(relation) | HirLeaf::ScalarSubquery(relation, _) => self.subquery(relation, depth),
            HirLeaf::ArraySubquery { relation, .. } => self.subquery(relation, depth),
            HirLeaf::AnySubquery { relation, predicate } => {
                self.subquery(relation, depth);
                self.inner_scalar(predicate, depth);
            }
        }
    }

    fn found(&mut self, column: (usize, usize), by_identity: bool) {
        if column.0 < self.base {
            *self.found.entry(column).or_default() |= by_identity;
        }
    }

    /// The operator's own input is the scope `depth` of what is inside a subquery.
    fn subquery(&mut self, relation: &HirRelation, depth: usize) {
        self.relation(relation, depth + 1);
    }

    fn inner_scalar(&mut self, scalar: &HirScalar, depth: usize) {
        self.scalar(scalar, depth + 1);
    }

    fn aggregate(&mut self, aggregate: &HirAggregate, depth: usize) {
        aggregate.args.iter().chain(&aggregate.filter).for_each(|s| self.scalar(s, depth));
        aggregate.order_by.iter().for_each(|(s, _)| self.scalar(s, depth));
    }

    fn relation(&mut self, relation: &HirRelation, depth: usize) {
        match relation {
            HirRelation::Constant { .. } | HirRelation::Get { .. } => {}
            HirRelation::LocalGet { id, .. } => {
                for (column, by_identity) in self.ctes.get(id).into_iter().flatten() {
                    self.found(*column, *by_identity);
                }
            }
            HirRelation::Let { value, body, .. } => {
                self.relation(value, depth);
                self.relation(body, depth);
            }
            HirRelation::Project { input, .. } | HirRelation::Distinct(input) => self.relation(input, depth),
            HirRelation::Map { input, scalars: list } | HirRelation::Filter { input, predicates: list } => {
                self.relation(input, depth);
                list.iter().for_each(|s| self.scalar(s, depth));
            }
            HirRelation::Join { left, right, on, lateral, .. } => {
                self.relation(left, depth);
                self.relation(right, depth + usize::from(*lateral));
                self.scalar(on, depth);
            }
            HirRelation::Aggregate { input, aggregates, .. } => {
                self.relation(input, depth);
                aggregates.iter().for_each(|a| self.aggregate(a, depth));
            }
            HirRelation::TopK { input, .. } => self.relation(input, depth),
            HirRelation::Union(inputs) => inputs.iter().for_each(|r| self.relation(r, depth)),
            HirRelation::Except(left, right) => {
                self.relation(left, depth);
                self.relation(right, depth);
            }
            HirRelation::TableFunction { args, .. } => args.iter().for_each(|s| self.scalar(s, depth)),
        }
    }
}
