//! What is known of a relation: keys, functional dependencies, columns that are never NULL.
//!
//! A *strict* key is a set of columns that no two rows share, NULL equal to NULL; a relation that has one has no
//! duplicate rows, and a relation with the empty key has at most one. A *weak* key is unique among rows in which none
//! of its columns is NULL. Uniqueness, and the values of a functional dependency, are meant up to SQL equality.
//!
//! Unenforced constraints (FOREIGN KEY) prove nothing here.

use crate::PlanInfo;
use crate::columns::ColumnSet;
use crate::mir::{JoinKind, Mir};
use crate::scalars::{Equation, columns_of, equal_is_identical, is_never_null, null_rejected, strip_relabels};
use headwater_expr::registry::Volatility;
use headwater_expr::{AggregateFunction, Expr, Scalar};
use headwater_types::{DataType, Datum};
use std::collections::HashMap;

/// What is known of each `Let`'s value.
pub(crate) type Bindings = HashMap<usize, Properties>;

/// More keys than these are forgotten.
const KEYS_MAX: usize = 8;

/// More functional dependencies than these are forgotten.
const DEPENDENCIES_MAX: usize = 128;

/// What is known of a relation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Properties {
    /// The number of columns.
    pub(crate) arity: usize,
    /// Strict keys, minimal.
    pub(crate) keys: Vec<ColumnSet>,
    /// Weak keys that are not strict.
    pub(crate) weak_keys: Vec<ColumnSet>,
    /// Columns that are never NULL.
    pub(crate) not_null: ColumnSet,
    /// The first set determines the second.
    dependencies: Vec<(ColumnSet, ColumnSet)>,
}

/// What is known of `mir`.
pub(crate) fn of(mir: &Mir, info: &dyn PlanInfo, bindings: &mut Bindings) -> Properties {
    if let Mir::Let { id, value, body } = mir {
        let known = of(value, info, bindings);
        bindings.insert(*id, known);
        return of(body, info, bindings);
    }
    let inputs: Vec<Properties> = mir.children().into_iter().map(|input| of(input, info, bindings)).collect();
    derive(mir, inputs, info, bindings)
}

/// What is known of `mir`, given what is known of its inputs (not of a `Let`: of its body).
pub(crate) fn derive(mir: &Mir, inputs: Vec<Properties>, info: &dyn PlanInfo, bindings: &Bindings) -> Properties {
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().unwrap_or_default();
    match mir {
        Mir::Constant { rows, types } => of_constant(rows, types),
        Mir::Get { relation, types } => Properties {
            arity: types.len(),
            // A stored relation without a key may say so by an empty one.
            keys: info
                .keys(*relation)
                .into_iter()
                .filter(|key| !key.is_empty())
                .map(ColumnSet::from_iter)
                .take(KEYS_MAX)
                .collect(),
            not_null: info.not_null(*relation).into_iter().collect(),
            ..Properties::default()
        },
        Mir::Let { .. } => {
            next();
            next()
        }
        Mir::LocalGet { id, types } => {
            bindings.get(id).cloned().unwrap_or(Properties { arity: types.len(), ..Properties::default() })
        }
        Mir::Project { columns, .. } => next().projected(columns),
        Mir::Map { scalars, .. } => next().mapped(scalars),
        Mir::Filter { predicates, .. } => next().filtered(predicates),
        Mir::Join { kind, on, .. } => {
            let left = next();
            let right = next();
            match kind {
                JoinKind::Inner => left.joined(right).filtered(on),
                JoinKind::Left => left.left_joined(right, on),
                JoinKind::Right | JoinKind::Full => {
                    Properties { arity: left.arity + right.arity, ..Properties::default() }
                }
                JoinKind::Semi => {
                    let rejected = on.iter().map(null_rejected);
                    let arity = left.arity;
                    rejected.fold(left, |mut left, columns| {
                        left.not_null.union_with(&columns.slice(0..arity));
                        left
                    })
                }
                JoinKind::Anti => left,
            }
        }
        Mir::Aggregate { group_key, aggregates, .. } => {
            let mut known = next().projected(group_key);
            let g = group_key.len();
            known.arity = g + aggregates.len();
            known.keys.retain(|key| key.len() < g);
            known.keys.push(ColumnSet::range(0..g));
            known.weak_keys.clear();
            for (i, aggregate) in aggregates.iter().enumerate() {
                if matches!(aggregate.function, AggregateFunction::CountStar | AggregateFunction::Count) {
                    known.not_null.insert(g + i);
                }
            }
            known.minimized()
        }
        Mir::Distinct { .. } => {
            let mut known = next();
            known.keys.push(ColumnSet::range(0..known.arity));
            known.minimized()
        }
        Mir::TopK { group_key, limit, .. } => {
            let mut known = next();
            if *limit == Some(1) {
                known.keys.push(group_key.iter().copied().collect());
            }
            known.minimized()
        }
        Mir::Union { inputs: list, types } => {
            let mut known = next();
            if list.len() != 1 {
                let not_null = list.iter().skip(1).fold(known.not_null, |set, _| set.intersection(&next().not_null));
                known = Properties { arity: types.len(), not_null, ..Properties::default() };
            }
            known
        }
        Mir::Negate { .. } => {
            let known = next();
            Properties { arity: known.arity, not_null: known.not_null, ..Properties::default() }
        }
        Mir::Threshold { .. } => {
            let known = next();
            Properties { arity: known.arity, not_null: known.not_null, ..Properties::default() }
        }
        Mir::FlatMap { types, ordinality, .. } => {
            let mut known = next();
            let position = known.arity + types.len();
            known.arity = position + usize::from(*ordinality);
            known.weak_keys.clear();
            if *ordinality {
                known.not_null.insert(position);
                known.keys.iter_mut().for_each(|key| {
                    key.insert(position);
                });
            } else {
                known.keys.clear();
            }
            known
        }
        Mir::AtMostOne { key, .. } => {
            let mut known = next();
            known.keys.push(key.iter().copied().collect());
            known.minimized()
        }
    }
}

fn of_constant(rows: &[(Vec<Datum>, i64)], types: &[DataType]) -> Properties {
    const ROWS_EXAMINED_MAX: usize = 64;
    let mut known = Properties { arity: types.len(), ..Properties::default() };
    if matches!(rows, [] | [(_, 1)]) {
        known.keys.push(ColumnSet::new());
    }
    if rows.len() <= ROWS_EXAMINED_MAX {
        known.not_null = (0..types.len()).filter(|&c| rows.iter().all(|(row, _)| !row[c].is_null())).collect();
    }
    known
}

impl Properties {
    /// Whether some strict key lies within `columns`, or is determined by them.
    pub(crate) fn has_key_within(&self, columns: &ColumnSet) -> bool {
        if self.keys.is_empty() {
            return false;
        }
        let closure = self.closure(columns.clone());
        self.keys.iter().any(|key| key.is_subset(&closure))
    }

    /// Whether no row is there twice.
    pub(crate) fn is_set(&self) -> bool {
        !self.keys.is_empty()
    }

    /// All columns that these determine.
    pub(crate) fn closure(&self, mut columns: ColumnSet) -> ColumnSet {
        loop {
            let mut grown = false;
            for (determinant, determined) in &self.dependencies {
                if determinant.is_subset(&columns) {
                    grown |= columns.union_with(determined);
                }
            }
            if self.keys.iter().any(|key| key.is_subset(&columns)) {
                grown |= columns.union_with(&ColumnSet::range(0..self.arity));
            }
            if !grown {
                return columns;
            }
        }
    }

    fn depends(&mut self, determinant: ColumnSet, determined: ColumnSet) {
        if self.dependencies.len() < DEPENDENCIES_MAX && !determined.is_subset(&determinant) {
            self.dependencies.push((determinant, determined));
        }
    }

    fn equal(&mut self, a: usize, b: usize) {
        self.depends([a].into_iter().collect(), [b].into_iter().collect());
        self.depends([b].into_iter().collect(), [a].into_iter().collect());
    }

    /// Takes out of each key what the rest of it determines, and keys that contain others.
    fn minimized(mut self) -> Self {
        let mut minimal: Vec<ColumnSet> = Vec::new();
        for key in &self.keys {
            let mut key = key.clone();
            for column in key.clone().iter() {
                let mut rest = key.clone();
                rest.remove(column);
                if self.closure_without_keys(rest.clone()).contains(column) {
                    key = rest;
                }
            }
            if !minimal.iter().any(|k| k.is_subset(&key)) {
                minimal.retain(|k| !key.is_subset(k));
                minimal.push(key);
            }
        }
        minimal.truncate(KEYS_MAX);
        self.keys = minimal;
        self
    }

    /// As [`Self::closure`], by dependencies alone.
    fn closure_without_keys(&self, mut columns: ColumnSet) -> ColumnSet {
        loop {
            let mut grown = false;
            for (determinant, determined) in &self.dependencies {
                if determinant.is_subset(&columns) {
                    grown |= columns.union_with(determined);
                }
            }
            if !grown {
                return columns;
            }
        }
    }

    fn projected(self, columns: &[usize]) -> Self {
        let mut place: Vec<Option<usize>> = vec![None; self.arity];
        let mut known = Self { arity: columns.len(), ..Self::default() };
        for (i, &column) in columns.iter().enumerate() {
            match place[column] {
                None => place[column] = Some(i),
                Some(first) => known.equal(first, i),
            }
            if self.not_null.contains(column) {
                known.not_null.insert(i);
            }
        }
        let kept: ColumnSet = columns.iter().copied().collect();
        for key in &self.keys {
            // A column that is gone may be determined by others that are not.
            let mut lost: Vec<usize> = key.iter().filter(|&c| place[c].is_none()).collect();
            let mut key = key.clone();
            lost.retain(|&c| {
                let stand_in = self.dependencies.iter().find(|(d, r)| r.contains(c) && d.is_subset(&kept));
                if let Some((determinant, _)) = stand_in {
                    key.remove(c);
                    key.union_with(determinant);
                }
                stand_in.is_none()
            });
            if lost.is_empty() {
                known.keys.extend(key.try_map(|c| place[c]));
            }
        }
        known.weak_keys.extend(self.weak_keys.iter().filter_map(|key| key.try_map(|c| place[c])));
        for (determinant, determined) in &self.dependencies {
            if let Some(determinant) = determinant.try_map(|c| place[c]) {
                let determined = determined.iter().filter_map(|c| place[c]).collect();
                known.depends(determinant, determined);
            }
        }
        known
    }

    fn mapped(mut self, scalars: &[Scalar]) -> Self {
        let arity = self.arity;
        let not_null = self.not_null.clone();
        self.arity += scalars.len();
        for (i, scalar) in scalars.iter().enumerate() {
            let new = arity + i;
            if is_never_null(scalar, &not_null) {
                self.not_null.insert(new);
            }
            if let Some(column) = strip_relabels(scalar).as_column() {
                self.equal(column, new);
                continue;
            }
            let mut identical = scalar.volatility() != Volatility::Volatile;
            scalar.for_each_leaf(&mut |c| identical &= equal_is_identical(&c.data_type));
            if identical {
                self.depends(columns_of(scalar), [new].into_iter().collect());
            }
        }
        // A key determines the new columns too: keys stay keys.
        self
    }

    fn filtered(mut self, predicates: &[Scalar]) -> Self {
        let mut equations = false;
        for predicate in predicates {
            self.not_null.union_with(&null_rejected(predicate));
            let Some(equation) = Equation::of(predicate) else { continue };
            equations = true;
            match (&equation.left, &equation.right) {
                (Expr::Leaf(a), Expr::Leaf(b)) => self.equal(a.index, b.index),
                (Expr::Leaf(a), Expr::Literal(..)) | (Expr::Literal(..), Expr::Leaf(a)) => {
                    self.depends(ColumnSet::new(), [a.index].into_iter().collect());
                }
                (Expr::Leaf(a), other) | (other, Expr::Leaf(a)) if !other.is_fallible() => {
                    let mut identical = other.volatility() != Volatility::Volatile;
                    other.for_each_leaf(&mut |c| identical &= equal_is_identical(&c.data_type));
                    if identical {
                        self.depends(columns_of(other), [a.index].into_iter().collect());
                    }
                }
                _ => {}
            }
        }
        let not_null = self.not_null.clone();
        let (strict, weak) = std::mem::take(&mut self.weak_keys).into_iter().partition(|k| k.is_subset(&not_null));
        self.weak_keys = weak;
        self.keys.extend::<Vec<_>>(strict);
        if equations { self.minimized() } else { self }
    }

    /// Side by side, without any condition yet.
    fn joined(self, right: Self) -> Self {
        let (l, r) = (self.arity, right.arity);
        let mut known = Self { arity: l + r, not_null: self.not_null.clone(), ..Self::default() };
        known.not_null.union_with(&right.not_null.shifted(l));
        for a in &self.keys {
            known.depends(a.clone(), ColumnSet::range(0..l));
            for b in &right.keys {
                let mut key = a.clone();
                key.union_with(&b.shifted(l));
                known.keys.push(key);
            }
        }
        known.keys.truncate(KEYS_MAX);
        for b in &right.keys {
            known.depends(b.shifted(l), ColumnSet::range(l..l + r));
        }
        known.dependencies.extend(self.dependencies);
        known.dependencies.extend(right.dependencies.iter().map(|(d, r)| (d.shifted(l), r.shifted(l))));
        known.dependencies.truncate(DEPENDENCIES_MAX);
        known
    }

    /// Whether each row of `self` matches at most one row of `right`.
    pub(crate) fn matches_at_most_one(&self, right: &Self, on: &[Scalar]) -> bool {
        if right.keys.is_empty() {
            return false;
        }
        let l = self.arity;
        let inner = self.clone().joined(right.clone()).filtered(on);
        let from_left = inner.closure_without_keys(ColumnSet::range(0..l));
        right.keys.iter().any(|key| key.shifted(l).is_subset(&from_left))
    }

    /// What is known of the distinct values of these columns.
    pub(crate) fn distinct_values_of(&self, columns: &[usize]) -> Self {
        let mut known = self.clone().projected(columns);
        known.keys.push(ColumnSet::range(0..columns.len()));
        known.minimized()
    }

    fn left_joined(self, right: Self, on: &[Scalar]) -> Self {
        let (l, r) = (self.arity, right.arity);
        let one_match = self.matches_at_most_one(&right, on);
        let inner = self.clone().joined(right.clone()).filtered(on);
        let from_right = inner.closure_without_keys(ColumnSet::range(l..l + r));
        let one_left = self.keys.iter().any(|key| key.is_subset(&from_right));
        let mut known = Self {
            arity: l + r,
            not_null: self.not_null.clone(),
            dependencies: self.dependencies.clone(),
            ..Self::default()
        };
        // A row of NULLs may contradict what holds among real rows, unless those are told apart: by columns that are
        // never NULL, or not in a match.
        let mut told_apart = right.not_null.clone();
        on.iter().map(null_rejected).for_each(|columns| {
            told_apart.union_with(&columns.slice(l..l + r));
        });
        for (determinant, determined) in &right.dependencies {
            if determinant.intersects(&told_apart) {
                known.depends(determinant.shifted(l), determined.shifted(l));
            }
        }
        // Whether a left row has a match depends on the columns that the conditions use; and so does what is determined
        // by these in a match, and is NULL otherwise.
        let mut identical = true;
        let mut used = ColumnSet::new();
        for condition in on {
            identical &= condition.volatility() != Volatility::Volatile;
            condition.for_each_leaf(&mut |column| {
                if column.index < l {
                    identical &= equal_is_identical(&column.data_type);
                    used.insert(column.index);
                }
            });
        }
        if identical {
            let determined = inner.closure(used.clone()).slice(l..l + r).shifted(l);
            known.depends(used, determined);
        }
        for a in &self.keys {
            known.depends(a.clone(), ColumnSet::range(0..l));
            if one_match {
                known.keys.push(a.clone());
                continue;
            }
            for b in right.keys.iter().filter(|b| b.intersects(&told_apart)) {
                let mut key = a.clone();
                key.union_with(&b.shifted(l));
                known.keys.push(key);
            }
        }
        if one_match {
            known.weak_keys.extend(self.weak_keys.iter().cloned());
        }
        if one_left {
            known.weak_keys.extend(right.keys.iter().filter(|k| !k.is_empty()).map(|k| k.shifted(l)));
        }
        for b in right.keys.iter().filter(|b| b.intersects(&told_apart)) {
            known.depends(b.shifted(l), ColumnSet::range(l..l + r));
        }
        known.minimized()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tables, column, equal, get};

    fn known(mir: &Mir) -> Properties {
        of(mir, &Tables::marketing(), &mut Bindings::new())
    }

    fn keys(known: &Properties) -> Vec<Vec<usize>> {
        known.keys.iter().map(|key| key.iter().collect()).collect()
    }

    #[test]
    fn a_join_on_a_key_keeps_the_other_sides_key() {
        // events(event_id key, user, campaign_id, …) ⋈ campaigns(campaign_id key, …)
        let joined = get(1).join(get(2), JoinKind::Inner, vec![equal(column(&get(1), 2), shifted(get(2), 0, 4))]);
        assert_eq!(keys(&known(&joined)), [vec![0]]);
        let left = get(1).join(get(2), JoinKind::Left, vec![equal(column(&get(1), 2), shifted(get(2), 0, 4))]);
        assert_eq!(keys(&known(&left)), [vec![0]]);
        assert!(!known(&left).not_null.contains(4));
    }

    #[test]
    fn a_left_joins_conditions_determine_what_they_equate() {
        // events ⟕ variants grouped by campaign_id and variant_name: a match has the event's campaign, else there is none.
        let variants = get(3).aggregate(vec![1, 2], vec![]);
        let events = get(1).aggregate(vec![2, 3], vec![]);
        let on = vec![equal(column(&events, 0), shifted(variants.clone(), 0, 2))];
        let left = known(&events.clone().join(variants.clone(), JoinKind::Left, on.clone()));
        assert_eq!(keys(&left), [vec![0, 1, 3]]);
        // A condition on another column of the left side decides too whether there is a match.
        let more = equal(column(&events, 1), shifted(variants.clone(), 1, 2));
        let left = known(&events.join(variants, JoinKind::Left, [on, vec![more]].concat()));
        assert!(left.has_key_within(&[0, 1].into_iter().collect()));
        assert!(!left.has_key_within(&[0].into_iter().collect()));
    }

    #[test]
    fn a_join_on_no_key_has_both_keys() {
        let joined = get(1).join(get(3), JoinKind::Inner, vec![equal(column(&get(1), 2), shifted(get(3), 1, 4))]);
        assert_eq!(keys(&known(&joined)), [vec![0, 4]]);
    }

    #[test]
    fn grouping_and_projection() {
        let grouped = get(1).aggregate(vec![2, 3], vec![]);
        assert_eq!(keys(&known(&grouped)), [vec![0, 1]]);
        assert!(keys(&known(&get(1).project(vec![1, 2]))).is_empty());
        assert_eq!(keys(&known(&get(1).project(vec![1, 2]).distinct())), [vec![0, 1]]);
        assert_eq!(keys(&known(&get(1).aggregate(vec![], vec![]))), [Vec::<usize>::new()]);
    }

    fn shifted(mir: Mir, c: usize, by: usize) -> Scalar {
        column(&mir, c).remap(&mut |i| i + by)
    }
}
