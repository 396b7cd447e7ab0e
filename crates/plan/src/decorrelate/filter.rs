//! WHERE: subqueries that are conjuncts of their own become semi and anti joins.
//!
//! ```text
//!  Filter(I, EXISTS S)        I ⋉ S              Filter(I, NOT EXISTS S)      I ▷ S
//!  Filter(I, x = ANY S)       I ⋉ (x = y) S      Filter(I, NOT (m = ANY S))   I ▷ (m is not false) S
//! ```
//! `x NOT IN (y …)` keeps a row unless some `m` is true or NULL. For an equality that is three anti joins, each with a
//! key or with a side that is nearly always empty, rather than one whose condition is no equality:
//! `((I ▷ x = y S) ▷ σ y IS NULL S) ▷ x IS NULL S`; the last two vanish where `y` and `x` are never NULL.
//!
//! Sound: a WHERE drops what is false and what is NULL alike, and an EXISTS is never NULL. Conjuncts that may fail come
//! last, so that a row that another conjunct drops raises nothing.

use super::pull_up::{Pulled, pull_up};
use super::scalar::{has_subquery, leaf_column};
use super::{Lowerer, Outer, Scope, free};
use crate::hir::{HirLeaf, HirRelation, HirScalar};
use crate::mir::{JoinKind, Mir};
use crate::properties;
use crate::scalars::{bool_literal, coalesce, flatten_and, is_equality, is_never_null, uses_only};
use headwater_expr::{Expr, Scalar};
use headwater_types::Result;

/// A conjunct that is a subquery, or the negation of one.
struct Quantified<'q> {
    relation: &'q HirRelation,
    /// Of IN and ANY.
    predicate: Option<&'q HirScalar>,
    negated: bool,
}

impl<'q> Quantified<'q> {
    fn of(conjunct: &'q HirScalar) -> Option<Self> {
        match conjunct {
            Expr::Leaf(HirLeaf::Exists(relation)) => Some(Self { relation, predicate: None, negated: false }),
            Expr::Leaf(HirLeaf::AnySubquery { relation, predicate }) => {
                Some(Self { relation, predicate: Some(predicate), negated: false })
            }
            Expr::Not(input) => Self::of(input).map(|inner| Self { negated: !inner.negated, ..inner }),
            _ => None,
        }
    }
}

impl Lowerer<'_> {
    /// The rows of `input` for which all predicates are true.
    pub(super) fn filter(&mut self, input: Mir, predicates: Vec<HirScalar>, scope: &Scope) -> Result<Mir> {
        let mut conjuncts = Vec::with_capacity(predicates.len());
        predicates.into_iter().for_each(|p| flatten_and(p, &mut conjuncts));
        let arity = input.arity();
        let (quantified, others): (Vec<_>, Vec<_>) = conjuncts.into_iter().partition(|c| Quantified::of(c).is_some());
        let (plain, nested): (Vec<_>, Vec<_>) = others.into_iter().partition(|c| !has_subquery(c));
        let mut input = input;
        let mut certain = Vec::new();
        let mut fallible = Vec::new();
        for conjunct in plain {
            let lowered = self.scalar(&conjunct, &mut input, scope, &[])?;
            if lowered.is_fallible() { fallible.push(lowered) } else { certain.push(lowered) }
        }
        input = input.filter(certain);
        for conjunct in &quantified {
            if let Some(quantified) = Quantified::of(conjunct) {
                input = self.semi_join(input, &quantified, scope)?;
            }
        }
        let mut last = Vec::with_capacity(nested.len() + fallible.len());
        for conjunct in nested {
            last.push(self.scalar(&conjunct, &mut input, scope, &[])?);
        }
        last.extend(fallible);
        Ok(input.filter(last).project((0..arity).collect()))
    }

    fn semi_join(&mut self, input: Mir, quantified: &Quantified<'_>, scope: &Scope) -> Result<Mir> {
        match pull_up(quantified.relation, quantified.predicate) {
            Some(pulled) if !self.is_correlated(pulled.base, scope.depth + 1) => {
                self.simple_semi_join(input, &pulled, quantified, scope)
            }
            _ => self.general_semi_join(input, quantified, scope),
        }
    }

    /// The subquery's own columns meet the input's in conditions only: they are the join's conditions.
    fn simple_semi_join(
        &mut self,
        input: Mir,
        pulled: &Pulled<'_>,
        quantified: &Quantified<'_>,
        scope: &Scope,
    ) -> Result<Mir> {
        let base = self.relation(pulled.base, Outer::unit(), scope.depth + 1)?;
        let arity = input.arity();
        let mut outer = scope.outer.clone();
        outer.extend(scope.own.iter().enumerate().map(|(i, &position)| ((scope.depth, i), position)));
        let inner = Scope { depth: scope.depth + 1, outer, own: (arity..arity + base.arity()).collect() };
        let lower = |scalar: &HirScalar| scalar.clone().try_map_leaves(&mut |leaf| leaf_column(&leaf, &inner));
        let mut on = Vec::new();
        for condition in &pulled.conditions {
            flatten_and(lower(condition)?, &mut on);
        }
        let predicate = pulled.predicate.as_ref().map(lower).transpose()?;
        Ok(match (predicate, quantified.negated) {
            (None, negated) => input.join(base, if negated { JoinKind::Anti } else { JoinKind::Semi }, on),
            (Some(predicate), false) => {
                flatten_and(predicate, &mut on);
                input.join(base, JoinKind::Semi, on)
            }
            (Some(predicate), true) => self.null_aware_anti_join(input, base, on, predicate),
        })
    }

    /// Rows of `input` without a row of `base` for which `on` is true and `predicate` is true or NULL.
    fn null_aware_anti_join(&mut self, input: Mir, base: Mir, on: Vec<Scalar>, predicate: Scalar) -> Mir {
        let arity = input.arity();
        let mut not_null = properties::of(&input, self.info, &mut self.properties).not_null;
        not_null.union_with(&properties::of(&base, self.info, &mut self.properties).not_null.shifted(arity));
        let with = |on: &[Scalar], more: Scalar| {
            let mut all = on.to_vec();
            flatten_and(more, &mut all);
            all
        };
        if is_never_null(&predicate, &not_null) {
            return input.join(base, JoinKind::Anti, with(&on, predicate));
        }
        let Some((outer, inner)) = sides(&predicate, arity) else {
            return input.join(base, JoinKind::Anti, with(&on, coalesce(predicate, bool_literal(true))));
        };
        let id = self.bind(&base);
        let get = Mir::LocalGet { id, types: base.types() };
        let mut result = input.join(get.clone(), JoinKind::Anti, with(&on, predicate));
        if !is_never_null(&inner, &not_null) {
            result = result.join(get.clone(), JoinKind::Anti, with(&on, Expr::IsNull(Box::new(inner))));
        }
        if !is_never_null(&outer, &not_null) {
            let some = if on.is_empty() { get.project(vec![]).distinct() } else { get };
            result = result.join(some, JoinKind::Anti, with(&on, Expr::IsNull(Box::new(outer))));
        }
        Mir::Let { id, value: Box::new(base), body: Box::new(result) }
    }

    /// The subquery is applied to the keys it uses; the input is then joined with the keys that have a row.
    fn general_semi_join(&mut self, input: Mir, quantified: &Quantified<'_>, scope: &Scope) -> Result<Mir> {
        let mut free = self.free_of(quantified.relation, scope);
        if let Some(predicate) = quantified.predicate {
            free::merge(&mut free, self.free_in_subquery(predicate, scope));
        }
        let arity = input.arity();
        let applied = self.apply_to(input, &free, scope, &[])?;
        let k = applied.columns.len();
        let mut rows = self.relation(quantified.relation, applied.outer.clone(), scope.depth + 1)?;
        if let Some(predicate) = quantified.predicate {
            let width = rows.arity();
            let inner =
                Scope { depth: scope.depth + 1, outer: applied.outer.columns.clone(), own: (k..width).collect() };
            rows = if quantified.negated {
                let condition = self.scalar(predicate, &mut rows, &inner, &[])?;
                rows.filter(vec![coalesce(condition, bool_literal(true))])
            } else {
                self.filter(rows, vec![predicate.clone()], &inner)?
            };
        }
        let on = applied.on(applied.input.arity());
        let kind = if quantified.negated { JoinKind::Anti } else { JoinKind::Semi };
        let joined = applied.input.clone().join(rows.project((0..k).collect()), kind, on);
        Ok(applied.bind(joined.project((0..arity).collect())))
    }
}

/// The operands of an equality between something of the first `arity` columns and something of the others.
fn sides(predicate: &Scalar, arity: usize) -> Option<(Scalar, Scalar)> {
    match predicate {
        Expr::Call { function, args, .. } if is_equality(*function) && !predicate.is_fallible() => {
            let [a, b] = args.as_slice() else { return None };
            let outer = |s: &Scalar| uses_only(s, |c| c < arity);
            let inner = |s: &Scalar| uses_only(s, |c| c >= arity);
            if outer(a) && inner(b) {
                Some((a.clone(), b.clone()))
            } else if outer(b) && inner(a) {
                Some((b.clone(), a.clone()))
            } else {
                None
            }
        }
        _ => None,
    }
}
