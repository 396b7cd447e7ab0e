//! Scalars: columns find their places, subqueries become columns of the input.

use super::{Lowerer, Scope, free, missing};
use crate::hir::{HirLeaf, HirScalar};
use crate::mir::Mir;
use crate::scalars::{and_of, bool_literal, coalesce};
use headwater_expr::{Expr, Scalar};
use headwater_types::{Result, SqlError};

/// Whether the scalar has a subquery.
pub(super) fn has_subquery(scalar: &HirScalar) -> bool {
    let mut found = false;
    scalar.for_each_leaf(&mut |leaf| {
        found |= !matches!(leaf, HirLeaf::Column { .. } | HirLeaf::Parameter { .. });
    });
    found
}

impl Lowerer<'_> {
    /// The scalar over `input`, to which a column is appended for each subquery. A subquery is applied to those rows
    /// of `input` for which all of `guard` is true.
    pub(super) fn scalar(
        &mut self,
        scalar: &HirScalar,
        input: &mut Mir,
        scope: &Scope,
        guard: &[Scalar],
    ) -> Result<Scalar> {
        if has_subquery(scalar) {
            return self.with_subqueries(scalar, input, scope, guard);
        }
        scalar.clone().try_map_leaves(&mut |leaf| leaf_column(&leaf, scope))
    }

    fn with_subqueries(
        &mut self,
        scalar: &HirScalar,
        input: &mut Mir,
        scope: &Scope,
        guard: &[Scalar],
    ) -> Result<Scalar> {
        match scalar {
            Expr::Leaf(leaf) => self.subquery(leaf, input, scope, guard),
            Expr::Case { branches, otherwise } => {
                let mut lowered = Vec::with_capacity(branches.len());
                // What leads past the branches so far.
                let mut passed: Vec<(Scalar, Scalar)> = Vec::new();
                for (condition, result) in branches {
                    let condition = self.guarded(condition, input, scope, guard, &passed, None)?;
                    let result = self.guarded(result, input, scope, guard, &passed, Some(&condition))?;
                    passed.push((condition.clone(), bool_literal(false)));
                    lowered.push((condition, result));
                }
                let otherwise = self.guarded(otherwise, input, scope, guard, &passed, None)?;
                Ok(Expr::Case { branches: lowered, otherwise: Box::new(otherwise) })
            }
            Expr::Coalesce(args) => {
                let mut lowered: Vec<Scalar> = Vec::with_capacity(args.len());
                for arg in args {
                    let null_so_far =
                        (!lowered.is_empty()).then(|| Expr::IsNull(Box::new(Expr::Coalesce(lowered.clone()))));
                    lowered.push(self.guarded(arg, input, scope, guard, &[], null_so_far.as_ref())?);
                }
                Ok(Expr::Coalesce(lowered))
            }
            Expr::And(operands) => {
                let operands = self.operands(operands, input, scope, guard, true)?;
                Ok(Expr::And(operands))
            }
            Expr::Or(operands) => {
                let operands = self.operands(operands, input, scope, guard, false)?;
                Ok(Expr::Or(operands))
            }
            _ => self.strict(scalar, input, scope, guard),
        }
    }

    /// An operand that counts only where none of `passed` and, if given, `condition` is true.
    fn guarded(
        &mut self,
        scalar: &HirScalar,
        input: &mut Mir,
        scope: &Scope,
        guard: &[Scalar],
        passed: &[(Scalar, Scalar)],
        condition: Option<&Scalar>,
    ) -> Result<Scalar> {
        if !has_subquery(scalar) || passed.is_empty() && condition.is_none() {
            return self.scalar(scalar, input, scope, guard);
        }
        let reached = condition.cloned().unwrap_or_else(|| bool_literal(true));
        let reached = if passed.is_empty() {
            reached
        } else {
            Expr::Case { branches: passed.to_vec(), otherwise: Box::new(reached) }
        };
        let mut guard = guard.to_vec();
        guard.push(reached);
        self.scalar(scalar, input, scope, &guard)
    }

    /// The operands of AND or OR. Those without subqueries that raise nothing spare the others their evaluation.
    fn operands(
        &mut self,
        operands: &[HirScalar],
        input: &mut Mir,
        scope: &Scope,
        guard: &[Scalar],
        and: bool,
    ) -> Result<Vec<Scalar>> {
        let mut guard = guard.to_vec();
        let mut lowered: Vec<Option<Scalar>> = vec![None; operands.len()];
        for (slot, operand) in lowered.iter_mut().zip(operands).filter(|(_, o)| !has_subquery(o)) {
            let scalar = self.scalar(operand, input, scope, &[])?;
            if !scalar.is_fallible() {
                let undecided = coalesce(scalar.clone(), bool_literal(and));
                guard.push(if and { undecided } else { Expr::Not(Box::new(undecided)) });
            }
            *slot = Some(scalar);
        }
        lowered
            .into_iter()
            .zip(operands)
            .map(|(done, operand)| done.map_or_else(|| self.scalar(operand, input, scope, &guard), Ok))
            .collect()
    }

    /// Operators that evaluate all their operands.
    fn strict(&mut self, scalar: &HirScalar, input: &mut Mir, scope: &Scope, guard: &[Scalar]) -> Result<Scalar> {
        let mut one = |e: &HirScalar| self.scalar(e, input, scope, guard);
        Ok(match scalar {
            Expr::Leaf(_) | Expr::Case { .. } | Expr::Coalesce(_) | Expr::And(_) | Expr::Or(_) => {
                return Err(SqlError::internal("a lazy operator was taken for a strict one"));
            }
            Expr::Literal(value, data_type) => Expr::Literal(value.clone(), data_type.clone()),
            Expr::Parameter(index, data_type) => Expr::Parameter(*index, data_type.clone()),
            Expr::Call { function, args, data_type } => Expr::Call {
                function: *function,
                args: args.iter().map(one).collect::<Result<_>>()?,
                data_type: data_type.clone(),
            },
            Expr::Cast(operand, cast) => Expr::Cast(Box::new(one(operand)?), cast.clone()),
            Expr::Not(operand) => Expr::Not(Box::new(one(operand)?)),
            Expr::IsNull(operand) => Expr::IsNull(Box::new(one(operand)?)),
            Expr::IsNotDistinct(left, right) => Expr::IsNotDistinct(Box::new(one(left)?), Box::new(one(right)?)),
            Expr::Quantified { function, left, array, quantifier } => Expr::Quantified {
                function: *function,
                left: Box::new(one(left)?),
                array: Box::new(one(array)?),
                quantifier: *quantifier,
            },
            Expr::Array(items, element) => Expr::Array(items.iter().map(one).collect::<Result<_>>()?, element.clone()),
            Expr::Subscript(array, index) => Expr::Subscript(Box::new(one(array)?), Box::new(one(index)?)),
        })
    }

    /// The AND of a guard, over which a subquery's keys are filtered; `None` if it is no restriction.
    pub(super) fn guard_filter(guard: &[Scalar]) -> Option<Scalar> {
        (!guard.is_empty()).then(|| and_of(guard.to_vec()))
    }

    /// The columns of `scope`'s relation and its surroundings that `scalar`, inside a subquery, uses.
    pub(super) fn free_in_subquery(&self, scalar: &HirScalar, scope: &Scope) -> free::Free {
        free::of_scalar(scalar, scope.depth + 1, scope.depth + 1, &self.cte_free)
    }
}

/// A column's place.
pub(super) fn leaf_column(leaf: &HirLeaf, scope: &Scope) -> Result<Scalar> {
    match leaf {
        HirLeaf::Column { level: 0, index, data_type } => {
            let position = scope.own.get(*index).ok_or_else(|| missing((scope.depth, *index)))?;
            Ok(Scalar::column(*position, data_type.clone()))
        }
        HirLeaf::Column { level, index, data_type } => {
            let column = (scope.depth.checked_sub(*level).ok_or_else(|| missing((0, *index)))?, *index);
            let position = scope.outer.get(&column).ok_or_else(|| missing(column))?;
            Ok(Scalar::column(*position, data_type.clone()))
        }
        HirLeaf::Parameter { index, data_type } => Ok(Scalar::Parameter(*index, data_type.clone())),
        HirLeaf::Exists(_)
        | HirLeaf::ScalarSubquery(..)
        | HirLeaf::ArraySubquery { .. }
        | HirLeaf::AnySubquery { .. } => Err(SqlError::internal("a subquery was taken for a column")),
    }
}
