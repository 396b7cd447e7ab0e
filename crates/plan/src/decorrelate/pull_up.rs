//! A subquery's conditions, taken out of it.
//!
//! ```text
//!  Project(Map(Filter(S, p(S, outer))))      S, and p and the subquery's columns as scalars over S
//! ```
//! Sound for EXISTS and ANY, which ask only whether some row satisfies a condition: DISTINCT changes nothing, and of
//! computed columns only those count that the condition uses.

use crate::decorrelate::scalar::has_subquery;
use crate::hir::{HirLeaf, HirRelation, HirScalar};

/// A subquery in parts.
pub(super) struct Pulled<'q> {
    /// What remains of it.
    pub(super) base: &'q HirRelation,
    /// Its conditions over `base` and the scopes around.
    pub(super) conditions: Vec<HirScalar>,
    /// The ANY's condition over `base` and the scopes around.
    pub(super) predicate: Option<HirScalar>,
}

/// The subquery in parts; `None` if it is not of this form.
pub(super) fn pull_up<'q>(relation: &'q HirRelation, predicate: Option<&HirScalar>) -> Option<Pulled<'q>> {
    let mut pulled = Pulled { base: relation, conditions: vec![], predicate: predicate.cloned() };
    if pulled.predicate.as_ref().is_some_and(has_subquery) {
        return None;
    }
    let mut maps = 0;
    loop {
        match pulled.base {
            HirRelation::Project { input, columns } => {
                pulled.substitute(&|index, leaf| match leaf {
                    HirLeaf::Column { level, data_type, .. } => {
                        HirScalar::Leaf(HirLeaf::Column { level, index: columns[index], data_type })
                    }
                    other => HirScalar::Leaf(other),
                });
                pulled.base = input;
            }
            HirRelation::Map { input, scalars } => {
                let arity = input.arity();
                // Substituting again and again could double the conditions each time.
                maps += usize::from(scalars.iter().any(|s| !matches!(s, HirScalar::Leaf(_) | HirScalar::Literal(..))));
                if maps > 1 || scalars.iter().any(has_subquery) {
                    return Some(pulled);
                }
                pulled.substitute(&|index, leaf| match index.checked_sub(arity) {
                    Some(i) => scalars[i].clone(),
                    None => HirScalar::Leaf(leaf),
                });
                pulled.base = input;
            }
            HirRelation::Filter { input, predicates } => {
                if predicates.iter().any(has_subquery) {
                    return Some(pulled);
                }
                pulled.conditions.extend(predicates.iter().cloned());
                pulled.base = input;
            }
            HirRelation::Distinct(input) => pulled.base = input,
            _ => return Some(pulled),
        }
    }
}

impl Pulled<'_> {
    /// Replaces the columns of `base` in all conditions.
    fn substitute(&mut self, replace: &dyn Fn(usize, HirLeaf) -> HirScalar) {
        for condition in self.conditions.iter_mut().chain(&mut self.predicate) {
            let taken = std::mem::replace(condition, crate::scalars::bool_literal(true));
            *condition = taken.map_leaves(&mut |leaf| match leaf {
                HirLeaf::Column { level: 0, index, .. } => replace(index, leaf),
                leaf => HirScalar::Leaf(leaf),
            });
        }
    }
}
