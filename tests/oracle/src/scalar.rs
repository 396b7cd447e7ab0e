//! Scalars: subqueries are run where evaluation reaches them.

use crate::{Interpreter, Row, Scope, compare};
use headwater_expr::{Expr, Scalar, evaluate_constant};
use headwater_plan::hir::{HirLeaf, HirScalar};
use headwater_types::{ArrayDatum, DataType, Datum, Result, SqlError, SqlState};
use std::sync::Arc;

fn has_subquery(scalar: &HirScalar) -> bool {
    let mut found = false;
    scalar.for_each_leaf(&mut |leaf| {
        found |= !matches!(leaf, HirLeaf::Column { .. } | HirLeaf::Parameter { .. });
    });
    found
}

impl Interpreter<'_> {
    /// The scalar's value for a row.
    pub(crate) fn scalar<'q>(&self, scalar: &'q HirScalar, row: &[Datum], scope: &Scope<'q>) -> Result<Datum> {
        if !has_subquery(scalar) {
            let constant = scalar.clone().try_map_leaves(&mut |leaf| column(&leaf, row, scope))?;
            return evaluate_constant(&constant, self.eval);
        }
        match scalar {
            Expr::Leaf(leaf) => self.subquery(leaf, row, scope),
            Expr::Case { branches, otherwise } => {
                for (condition, result) in branches {
                    if is_true(&self.scalar(condition, row, scope)?) {
                        return self.scalar(result, row, scope);
                    }
                }
                self.scalar(otherwise, row, scope)
            }
            Expr::Coalesce(args) => {
                for arg in args {
                    let value = self.scalar(arg, row, scope)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Datum::Null)
            }
            Expr::And(operands) => self.connective(operands, false, row, scope),
            Expr::Or(operands) => self.connective(operands, true, row, scope),
            _ => {
                // The operands first, then the operator over their values.
                let mut shell = scalar.clone();
                for (slot, operand) in shell.children_mut().into_iter().zip(scalar.children()) {
                    let value = self.scalar(operand, row, scope)?;
                    *slot = Expr::Literal(value, operand.data_type());
                }
                let constant = shell.try_map_leaves(&mut |leaf| column(&leaf, row, scope))?;
                evaluate_constant(&constant, self.eval)
            }
        }
    }

    /// AND (decided by false) or OR (by true): an operand that decides drops the errors of the others.
    fn connective<'q>(
        &self,
        operands: &'q [HirScalar],
        decisive: bool,
        row: &[Datum],
        scope: &Scope<'q>,
    ) -> Result<Datum> {
        let mut result = Ok(Datum::Bool(!decisive));
        for operand in operands {
            match self.scalar(operand, row, scope) {
                Ok(Datum::Bool(value)) if value == decisive => return Ok(Datum::Bool(decisive)),
                Ok(Datum::Null) if result.is_ok() => result = Ok(Datum::Null),
                Ok(_) => {}
                Err(error) => result = Err(error),
            }
        }
        result
    }

    fn subquery<'q>(&self, leaf: &'q HirLeaf, row: &[Datum], scope: &Scope<'q>) -> Result<Datum> {
        let inner = scope.inside(row);
        match leaf {
            HirLeaf::Column { .. } | HirLeaf::Parameter { .. } => {
                evaluate_constant(&column(leaf, row, scope)?, self.eval)
            }
            HirLeaf::Exists(relation) => Ok(Datum::Bool(!self.relation(relation, &inner)?.is_empty())),
            HirLeaf::ScalarSubquery(relation, _) => {
                let mut rows = self.relation(relation, &inner)?;
                match (rows.len(), rows.pop()) {
                    (0 | 1, row) => Ok(row.map_or(Datum::Null, |mut row| row.swap_remove(0))),
                    _ => Err(SqlError::new(
                        SqlState::CardinalityViolation,
                        "more than one row returned by a subquery used as an expression",
                    )),
                }
            }
            HirLeaf::ArraySubquery { relation, order_by, element } => {
                let mut rows = self.relation(relation, &inner)?;
                rows.sort_by(|a, b| compare(a, b, order_by));
                let values = rows.into_iter().map(|mut row| row.swap_remove(0)).collect();
                Ok(Datum::Array(Arc::new(ArrayDatum { element: element.clone(), values })))
            }
            HirLeaf::AnySubquery { relation, predicate } => {
                let mut result = Datum::Bool(false);
                for row in self.relation(relation, &inner)? {
                    match self.scalar(predicate, &row, &inner)? {
                        Datum::Bool(true) => return Ok(Datum::Bool(true)),
                        Datum::Null => result = Datum::Null,
                        _ => {}
                    }
                }
                Ok(result)
            }
        }
    }

    /// A LIMIT or OFFSET.
    pub(crate) fn count(&self, scalar: Option<&HirScalar>) -> Result<Option<usize>> {
        let Some(scalar) = scalar else { return Ok(None) };
        let constant = scalar.clone().try_map_leaves(&mut |leaf| column(&leaf, &[], &Scope::default()))?;
        match evaluate_constant(&constant, self.eval)? {
            Datum::Null => Ok(None),
            Datum::Int8(count) => usize::try_from(count)
                .map(Some)
                .map_err(|_| SqlError::new(SqlState::InvalidRowCountInLimitClause, "LIMIT must not be negative")),
            other => Err(SqlError::internal(format!("a LIMIT of {other:?}"))),
        }
    }
}

pub(crate) fn is_true(value: &Datum) -> bool {
    matches!(value, Datum::Bool(true))
}

fn column(leaf: &HirLeaf, row: &[Datum], scope: &Scope<'_>) -> Result<Scalar> {
    let missing = || SqlError::internal(format!("no column {leaf:?}"));
    let literal = |row: &Row, index: usize, data_type: &DataType| {
        row.get(index).map(|value| Expr::Literal(value.clone(), data_type.clone())).ok_or_else(missing)
    };
    match leaf {
        HirLeaf::Column { level: 0, index, data_type } => literal(&row.to_vec(), *index, data_type),
        HirLeaf::Column { level, index, data_type } => {
            let at = scope.rows.len().checked_sub(*level).ok_or_else(missing)?;
            literal(scope.rows.get(at).ok_or_else(missing)?, *index, data_type)
        }
        _ => Err(missing()),
    }
}
