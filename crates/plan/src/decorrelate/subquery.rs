//! A subquery in a scalar: one more column of the input.
//!
//! ```text
//!  input I, subquery S over I's columns K      Let I
//!                                              Let keys = Distinct(π K (σ guard I))
//!                                              I ⟕ (K ≐ K) result(apply(keys, S))
//!
//!  EXISTS            π K, Distinct, true                                 absent: false
//!  scalar            AtMostOne(K), unless K is a key of it               absent: NULL
//!  ARRAY             γ K; array_agg                                      absent: {}
//!  = ANY             γ K; bool_or(m), bool_or(m IS NULL), not false m    absent: false
//! ```
//! Without K there is nothing to be applied to, and S is computed once; but if it may fail and stands behind a guard, it
//! is applied to the row without columns that `keys` has if any row passes the guard.

use super::{Lowerer, Outer, Scope, free};
use crate::hir::{HirLeaf, HirRelation, HirScalar};
use crate::mir::{JoinKind, Mir, MirAggregate};
use crate::properties;
use crate::scalars::{
    bool_literal, coalesce, columns_of, equal_is_identical, is_equality, is_movable, is_never_null, null_literal,
    null_safe_equal,
};
use headwater_expr::{Aggregate, AggregateFunction, Cast, CastContext, ColumnOrder, Expr, Scalar};
use headwater_types::{ArrayDatum, DataType, Datum, Result, SqlError};
use std::sync::Arc;

/// The input of a scalar, bound so that it can be used twice, and the keys to which a subquery is applied.
pub(super) struct Applied {
    /// The input's binding and its value; `None` if the subquery uses none of its columns.
    binding: Option<(usize, Mir)>,
    /// The keys' binding and its value.
    keys: Option<(usize, Mir)>,
    /// The input's columns that are the keys, with their types.
    pub(super) columns: Vec<(usize, DataType)>,
    /// What the subquery is applied to.
    pub(super) outer: Outer,
    /// The input, to be joined with the result. Columns may have been appended to it.
    pub(super) input: Mir,
}

/// Added to a column's ordinal: its text, as a key beside it.
const TEXT_OF: usize = 1 << 62;

fn text_of(column: Scalar) -> Scalar {
    Expr::Cast(Box::new(column), Cast { to: DataType::Text, context: CastContext::Explicit })
}

impl Applied {
    /// The join condition between the input, of `arity` columns by now, and a relation that starts with the keys.
    pub(super) fn on(&self, arity: usize) -> Vec<Scalar> {
        self.columns.iter().enumerate().map(|(i, (c, data_type))| null_safe_equal(*c, arity + i, data_type)).collect()
    }

    /// `body` inside the bindings.
    pub(super) fn bind(self, body: Mir) -> Mir {
        let mut result = body;
        for (id, value) in [self.keys, self.binding].into_iter().flatten() {
            result = Mir::Let { id, value: Box::new(value), body: Box::new(result) };
        }
        result
    }
}

impl Lowerer<'_> {
    /// Readies `input` for a subquery that uses the columns `free`.
    pub(super) fn apply_to(
        &mut self,
        input: Mir,
        free: &free::Free,
        scope: &Scope,
        guard: &[Scalar],
    ) -> Result<Applied> {
        if free.is_empty() && guard.is_empty() {
            return Ok(Applied { binding: None, keys: None, columns: vec![], outer: Outer::unit(), input });
        }
        let mut outer = Outer::unit();
        let mut columns = Vec::with_capacity(free.len());
        let mut add = |column: (usize, usize), position: usize, data_type: DataType| {
            outer.columns.insert(column, columns.len());
            outer.types.push(data_type.clone());
            columns.push((position, data_type));
        };
        let types = input.types();
        let mut texts = Vec::new();
        for (&(at, index), &by_identity) in free {
            let position = if at == scope.depth { scope.own.get(index) } else { scope.outer.get(&(at, index)) };
            let position = *position.ok_or_else(|| super::missing((at, index)))?;
            let data_type = types[position].clone();
            // DISTINCT takes 1.0 for 1.00; with their texts as keys too, it does not.
            if by_identity && !equal_is_identical(&data_type) {
                add((at, index | TEXT_OF), types.len() + texts.len(), DataType::Text);
                texts.push(text_of(Scalar::column(position, data_type.clone())));
            }
            add((at, index), position, data_type);
        }
        let input = input.map(texts);
        let id = self.bind(&input);
        let get = Mir::LocalGet { id, types: input.types() };
        let reached = match Self::guard_filter(guard) {
            Some(guard) => get.clone().filter(vec![guard]),
            None => get.clone(),
        };
        let keys = reached.project(columns.iter().map(|(c, _)| *c).collect()).distinct();
        let keys_id = self.bind(&keys);
        outer.gate = columns.is_empty();
        outer.relation = Mir::LocalGet { id: keys_id, types: outer.types.clone() };
        Ok(Applied { binding: Some((id, input)), keys: Some((keys_id, keys)), columns, outer, input: get })
    }

    /// The columns that a relation inside a subquery of an operator in `scope` uses.
    pub(super) fn free_of(&self, relation: &HirRelation, scope: &Scope) -> free::Free {
        free::of_relation(relation, scope.depth + 1, scope.depth + 1, &self.cte_free)
    }

    /// Appends the subquery's value to `input` as a column.
    pub(super) fn subquery(
        &mut self,
        leaf: &HirLeaf,
        input: &mut Mir,
        scope: &Scope,
        guard: &[Scalar],
    ) -> Result<Scalar> {
        let (relation, free) = match leaf {
            HirLeaf::Column { .. } | HirLeaf::Parameter { .. } => return super::scalar::leaf_column(leaf, scope),
            HirLeaf::Exists(relation) | HirLeaf::ScalarSubquery(relation, _) => {
                (relation, self.free_of(relation, scope))
            }
            HirLeaf::ArraySubquery { relation, .. } => (relation, self.free_of(relation, scope)),
            HirLeaf::AnySubquery { relation, predicate } => {
                let mut free = self.free_of(relation, scope);
                free::merge(&mut free, self.free_in_subquery(predicate, scope));
                (relation, free)
            }
        };
        let guard = if may_fail(relation) || matches!(leaf, HirLeaf::ScalarSubquery(..)) { guard } else { &[] };
        let arity = input.arity();
        let applied = self.apply_to(input.take(), &free, scope, guard)?;
        let k = applied.columns.len();
        let wide = applied.input.arity();
        let rows = self.relation(relation, applied.outer.clone(), scope.depth + 1)?;
        let (result, kind, value) = match leaf {
            HirLeaf::Exists(_) => {
                let found = rows.project((0..k).collect()).distinct().map(vec![bool_literal(true)]);
                (found, JoinKind::Left, coalesce(Scalar::column(wide + k, DataType::Bool), bool_literal(false)))
            }
            HirLeaf::ScalarSubquery(_, data_type) => {
                let known = properties::of(&rows, self.info, &mut self.properties);
                let at_most_one = known.has_key_within(&(0..k).collect());
                let kind = if k == 0 && gives_one_row(&rows) { JoinKind::Inner } else { JoinKind::Left };
                let rows =
                    if at_most_one { rows } else { Mir::AtMostOne { input: Box::new(rows), key: (0..k).collect() } };
                (rows, kind, Scalar::column(wide + k, data_type.clone()))
            }
            HirLeaf::ArraySubquery { order_by, element, .. } => {
                let array = DataType::Array(Box::new(element.clone()));
                let aggregated =
                    rows.clone().aggregate((0..k).collect(), vec![array_agg(&rows, k, order_by, element)?]);
                let kind = if k == 0 { JoinKind::Inner } else { JoinKind::Left };
                let empty = Datum::Array(Arc::new(ArrayDatum { element: element.clone(), values: vec![] }));
                let value = coalesce(Scalar::column(wide + k, array.clone()), Expr::Literal(empty, array));
                (aggregated, kind, value)
            }
            HirLeaf::AnySubquery { predicate, .. } => {
                let result = self.any(rows, predicate, &applied, scope)?;
                let flag = |i: usize| coalesce(Scalar::column(wide + k + i, DataType::Bool), bool_literal(false));
                let value = Expr::Case {
                    branches: vec![(flag(0), bool_literal(true)), (flag(1), null_literal(DataType::Bool))],
                    otherwise: Box::new(bool_literal(false)),
                };
                (result, if k == 0 { JoinKind::Inner } else { JoinKind::Left }, value)
            }
            HirLeaf::Column { .. } | HirLeaf::Parameter { .. } => {
                return Err(SqlError::internal("a column was taken for a subquery"));
            }
        };
        let on = applied.on(wide);
        let width = wide + result.arity();
        let data_type = value.data_type();
        let joined = applied.input.clone().join(result, kind, on).map(vec![value]);
        *input = applied.bind(joined.project((0..arity).chain([width]).collect()));
        Ok(Scalar::column(arity, data_type))
    }

    /// Per key, whether the predicate is true for some row, and whether it is NULL for some row.
    fn any(&mut self, rows: Mir, predicate: &HirScalar, applied: &Applied, scope: &Scope) -> Result<Mir> {
        let k = applied.columns.len();
        let arity = rows.arity();
        let inner = Scope { depth: scope.depth + 1, outer: applied.outer.columns.clone(), own: (k..arity).collect() };
        let mut rows = rows;
        let condition = self.scalar(predicate, &mut rows, &inner, &[])?;
        let known = properties::of(&rows, self.info, &mut self.properties);
        let keys: Vec<usize> = (0..k).collect();
        let flagged = |rows: Mir, condition: Scalar, kept: Scalar| {
            let width = rows.arity();
            let columns = keys.iter().copied().chain([width]).collect();
            rows.filter(vec![kept]).map(vec![condition]).project(columns)
        };
        let flags = match null_test(&condition) {
            Some(_) if is_never_null(&condition, &known.not_null) => flagged(rows, bool_literal(true), condition),
            Some(is_null) => {
                let id = self.bind(&rows);
                let get = Mir::LocalGet { id, types: rows.types() };
                let hits = flagged(get.clone(), bool_literal(true), condition);
                let nulls = flagged(get, null_literal(DataType::Bool), is_null);
                let types = hits.types();
                Mir::Let { id, value: Box::new(rows), body: Box::new(Mir::Union { inputs: vec![hits, nulls], types }) }
            }
            None => {
                let kept = coalesce(condition.clone(), bool_literal(true));
                flagged(rows, condition, kept)
            }
        };
        let condition = Scalar::column(k, DataType::Bool);
        let is_null = Expr::IsNull(Box::new(condition.clone()));
        Ok(flags.aggregate(keys, vec![bool_or(condition), bool_or(is_null)]))
    }
}

/// Whether evaluating the relation may raise an error.
pub(super) fn may_fail(relation: &HirRelation) -> bool {
    let mut fallible = matches!(relation, HirRelation::TableFunction { .. });
    relation.for_each_scalar(&mut |scalar| {
        fallible |= scalar.is_fallible();
        scalar.for_each_leaf(&mut |leaf| {
            fallible |= match leaf {
                HirLeaf::Column { .. } | HirLeaf::Parameter { .. } => false,
                HirLeaf::ScalarSubquery(..) => true,
                HirLeaf::Exists(inner) => may_fail(inner),
                HirLeaf::ArraySubquery { relation: inner, .. } => may_fail(inner),
                HirLeaf::AnySubquery { relation: inner, predicate } => predicate.is_fallible() || may_fail(inner),
            };
        });
    });
    fallible || relation.children().into_iter().any(may_fail)
}

/// For an equality: when it is NULL. Both its parts serve joins, where "not false" would not.
fn null_test(condition: &Scalar) -> Option<Scalar> {
    match condition {
        Expr::Call { function, args, .. } if is_equality(*function) && !condition.is_fallible() => Some(Expr::Or(
            args.iter()
                .filter(|a| !columns_of(a).is_empty() || matches!(a, Expr::Literal(Datum::Null, _)))
                .map(|a| Expr::IsNull(Box::new(a.clone())))
                .chain([bool_literal(false)])
                .collect(),
        )),
        _ => None,
    }
}

fn bool_or(arg: Scalar) -> MirAggregate {
    Aggregate {
        function: AggregateFunction::BoolOr,
        args: vec![arg],
        distinct: false,
        filter: None,
        order_by: vec![],
        data_type: DataType::Bool,
    }
}

fn array_agg(rows: &Mir, k: usize, order_by: &[ColumnOrder], element: &DataType) -> Result<MirAggregate> {
    let types = rows.types();
    if types.len() <= k {
        return Err(SqlError::internal("an ARRAY subquery has no column"));
    }
    let order_by = order_by
        .iter()
        .enumerate()
        .map(|(i, order)| {
            let key = Scalar::column(k + order.column, types[k + order.column].clone());
            (key, ColumnOrder { column: i, ..*order })
        })
        .collect();
    Ok(Aggregate {
        function: AggregateFunction::ArrayAgg,
        args: vec![Scalar::column(k, element.clone())],
        distinct: false,
        filter: None,
        order_by,
        data_type: DataType::Array(Box::new(element.clone())),
    })
}

/// Whether the relation has exactly one row.
fn gives_one_row(mir: &Mir) -> bool {
    match mir {
        Mir::Aggregate { group_key, .. } => group_key.is_empty(),
        Mir::Constant { rows, .. } => matches!(rows.as_slice(), [(_, 1)]),
        Mir::Project { input, .. } => gives_one_row(input),
        Mir::Map { input, scalars } => gives_one_row(input) && scalars.iter().all(is_movable),
        _ => false,
    }
}
