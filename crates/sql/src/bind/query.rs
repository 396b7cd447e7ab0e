//! Whole queries: WITH, set operations, VALUES, LIMIT.

use super::call::order;
use super::columns::has_subquery;
use super::expr::{Clause, Context};
use super::parts::{Output, Parts, SortKey, SortTarget, Unique, into_relation};
use super::scope::{Cte, Env, Namespace, Scope, column};
use super::{Binder, at, error, unsupported};
use crate::ast::{self, ExprKind, OrderItem, Pos, Query, QueryBody, SetOperator};
use headwater_expr::{Expr, registry};
use headwater_plan::hir::{HirQuery, HirRelation, HirScalar};
use headwater_types::{DataType, Result, SqlState};
use std::rc::Rc;

impl Binder<'_> {
    /// Binds a query whose columns all have types.
    ///
    /// # Errors
    ///
    /// Those of PostgreSQL's parse analysis.
    pub(crate) fn query(&self, query: &Query, env: &Env<'_>) -> Result<HirQuery> {
        let parts = self.query_parts(query, env)?;
        self.finish(parts)
    }

    /// Binds a query; its columns may be untyped literals still.
    pub(crate) fn query_parts(&self, query: &Query, env: &Env<'_>) -> Result<Parts> {
        self.deeper(|| {
            let mut env = env.clone();
            let ctes = match &query.with {
                Some(with) => self.with(with, &mut env)?,
                None => vec![],
            };
            if let Some(pos) = query.lock {
                return Err(unsupported("SELECT … FOR UPDATE", pos));
            }
            if let Some(pos) = query.with_ties {
                if query.order_by.is_empty() {
                    return Err(headwater_types::SqlError::new(
                        SqlState::SyntaxError,
                        "WITH TIES cannot be specified without ORDER BY clause",
                    ));
                }
                return Err(unsupported("WITH TIES", pos));
            }
            let mut parts = match &query.body {
                QueryBody::Select(select) => self.select(select, &query.order_by, &env)?,
                body => {
                    let mut parts = self.body(body, &env)?;
                    parts.order = self.order_by_outputs(&query.order_by, &parts, body)?;
                    parts
                }
            };
            let context = Context::new(None, &env.ctes, Clause::Limit);
            if let Some(limit) = &query.limit {
                parts.limit = Some(self.limit(limit, "LIMIT", context)?);
            }
            if let Some(offset) = &query.offset {
                parts.offset = Some(self.limit(offset, "OFFSET", context.with_clause(Clause::Offset))?);
            }
            parts.ctes.splice(0..0, ctes);
            Ok(parts)
        })
    }

    /// Binds the CTEs and puts them into `env`.
    pub(crate) fn with(&self, with: &ast::With, env: &mut Env<'_>) -> Result<Vec<(usize, HirRelation)>> {
        let mut bound = Vec::new();
        for (index, cte) in with.ctes.iter().enumerate() {
            if with.ctes[..index].iter().any(|earlier| earlier.name.name == cte.name.name) {
                return Err(error(
                    SqlState::DuplicateAlias,
                    format!("WITH query name \"{}\" specified more than once", cte.name.name),
                    cte.name.pos,
                ));
            }
        }
        if let Some(pos) = with.recursive {
            // Without a reference to itself, RECURSIVE changes nothing.
            if with.ctes.iter().any(|cte| names_relation(&cte.query, &cte.name.name)) {
                return Err(unsupported("WITH RECURSIVE", pos));
            }
        }
        for cte in &with.ctes {
            let query = self.query(&cte.query, env)?;
            if cte.columns.len() > query.schema.len() {
                return Err(error(
                    SqlState::InvalidColumnReference,
                    format!(
                        "WITH query \"{}\" has {} columns available but {} columns specified",
                        cte.name.name,
                        query.schema.len(),
                        cte.columns.len()
                    ),
                    cte.name.pos,
                ));
            }
            let mut columns: Vec<(String, DataType)> =
                query.schema.iter().map(|field| (field.name.clone(), field.data_type.clone())).collect();
            for (column, name) in columns.iter_mut().zip(&cte.columns) {
                column.0.clone_from(&name.name);
            }
            let id = self.cte_id();
            bound.push((id, into_relation(query)));
            env.ctes = Some(Rc::new(Cte { name: cte.name.name.clone(), id, columns, next: env.ctes.take() }));
        }
        Ok(bound)
    }

    fn limit(&self, expr: &ast::Expr, clause: &str, context: Context<'_>) -> Result<HirScalar> {
        let scalar = self.expr(expr, context).map_err(|e| match e.state {
            // There is nothing in scope here: PostgreSQL says it in other words.
            SqlState::UndefinedColumn => error(
                SqlState::InvalidColumnReference,
                format!("argument of {clause} must not contain variables"),
                expr.start,
            ),
            _ => e,
        })?;
        if has_subquery(&scalar) {
            return Err(unsupported(&format!("a subquery in {clause}"), expr.start));
        }
        self.specific(scalar, &DataType::Int8, clause, expr.start)
    }

    fn body(&self, body: &QueryBody, env: &Env<'_>) -> Result<Parts> {
        match body {
            QueryBody::Select(select) => self.select(select, &[], env),
            QueryBody::Values(rows) => self.values(rows, env),
            QueryBody::Nested(query) => {
                let parts = self.query_parts(query, env)?;
                let plain = parts.order.is_empty() && parts.limit.is_none() && parts.offset.is_none();
                if plain && matches!(parts.unique, Unique::No) {
                    return Ok(parts);
                }
                self.as_relation(parts)
            }
            QueryBody::Set { op, all, left, right } => self.set_operation(*op, *all, left, right, env),
        }
    }

    /// The query as a relation whose columns are its outputs.
    fn as_relation(&self, parts: Parts) -> Result<Parts> {
        let positions: Vec<Pos> = parts.outputs.iter().map(|output| output.pos).collect();
        let query = self.finish(parts)?;
        let outputs = query
            .schema
            .iter()
            .zip(&query.origins)
            .zip(positions)
            .enumerate()
            .map(|(index, ((field, origin), pos))| Output {
                scalar: column(0, index, field.data_type.clone()),
                name: field.name.clone(),
                pos,
                origin: *origin,
            })
            .collect();
        Ok(Parts::of_relation(into_relation(query), outputs))
    }

    fn values(&self, rows: &[Vec<ast::Expr>], env: &Env<'_>) -> Result<Parts> {
        // The rows are computed over a row without columns.
        let nothing = Namespace::default();
        let scope = Scope::new(&nothing, env.outer);
        let context = Context::new(Some(&scope), &env.ctes, Clause::Values);
        let width = rows[0].len();
        let mut columns: Vec<Vec<(HirScalar, Pos)>> = vec![Vec::with_capacity(rows.len()); width];
        for row in rows {
            if row.len() != width {
                return Err(error(SqlState::SyntaxError, "VALUES lists must all be the same length", row[0].start));
            }
            for (column, value) in columns.iter_mut().zip(row) {
                column.push((self.expr(value, context)?, value.start));
            }
        }
        let name = |index: usize| format!("column{}", index + 1);
        if rows.len() == 1 {
            // As `SELECT …`: its literals may yet get their types from outside.
            let outputs = columns
                .into_iter()
                .enumerate()
                .map(|(index, mut column)| {
                    let (scalar, pos) = column.remove(0);
                    Output { scalar, name: name(index), pos, origin: None }
                })
                .collect();
            let mut parts = Parts::of_relation(super::scope::one_row(), outputs);
            parts.width = 0;
            return Ok(parts);
        }
        let mut unified = Vec::with_capacity(width);
        let mut types = Vec::with_capacity(width);
        for column in columns {
            let (scalars, data_type) = self.unify("VALUES", column)?;
            unified.push(scalars.into_iter());
            types.push(data_type);
        }
        let scalar_rows: Vec<Vec<HirScalar>> = (0..rows.len())
            .map(|_| unified.iter_mut().map(|column| column.next().expect("as many values as rows")).collect())
            .collect();
        let outputs = types
            .iter()
            .enumerate()
            .map(|(index, data_type)| Output {
                scalar: column(0, index, data_type.clone()),
                name: name(index),
                pos: rows[0][index].start,
                origin: None,
            })
            .collect();
        Ok(Parts::of_relation(rows_relation(scalar_rows, types), outputs))
    }

    fn set_operation(&self, op: SetOperator, all: bool, left: &Query, right: &Query, env: &Env<'_>) -> Result<Parts> {
        let mut left_parts = self.query_parts(left, env)?;
        let mut right_parts = self.query_parts(right, env)?;
        if left_parts.outputs.len() != right_parts.outputs.len() {
            let pos = right_parts.outputs.first().map_or(right.pos, |output| output.pos);
            return Err(error(
                SqlState::SyntaxError,
                format!("each {} query must have the same number of columns", op.name()),
                pos,
            ));
        }
        let mut outputs = Vec::new();
        let width = left_parts.outputs.len();
        for index in 0..width {
            let (a, b) = (&mut left_parts.outputs[index], &mut right_parts.outputs[index]);
            let types = [a.scalar.data_type(), b.scalar.data_type()];
            let common = registry::common_type_in(op.name(), &types).map_err(|e| at(e, b.pos))?;
            for output in [&mut *a, b] {
                let scalar = std::mem::replace(&mut output.scalar, super::coerce::truth());
                output.scalar = self.coerce(scalar, &common, output.pos)?;
            }
            outputs.push(Output { scalar: column(0, index, common), name: a.name.clone(), pos: a.pos, origin: None });
        }
        let left = into_relation(self.finish(left_parts)?);
        let right = into_relation(self.finish(right_parts)?);
        let relation = combine(op, all, left, right);
        Ok(Parts::of_relation(relation, outputs))
    }

    /// ORDER BY of a query that is no plain SELECT: its columns by name or position.
    fn order_by_outputs(&self, items: &[OrderItem], parts: &Parts, body: &QueryBody) -> Result<Vec<SortKey>> {
        let mut keys = Vec::new();
        for item in items {
            let pos = item.expr.start;
            let target = match &item.expr.kind {
                ExprKind::Number(digits) => Some(output_position(digits, parts.outputs.len(), "ORDER BY", pos)?),
                ExprKind::Column(names) if names.len() == 1 => output_named(&parts.outputs, &names[0].name, pos)?,
                _ => None,
            };
            let Some(index) = target else {
                if matches!(body, QueryBody::Set { .. }) {
                    if let ExprKind::Column(names) = &item.expr.kind
                        && names.len() == 1
                    {
                        return Err(error(
                            SqlState::UndefinedColumn,
                            format!("column \"{}\" does not exist", names[0].name),
                            pos,
                        ));
                    }
                    return Err(error(
                        SqlState::FeatureNotSupported,
                        "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                        pos,
                    )
                    .with_detail("Only result column names can be used, not expressions or functions.")
                    .with_hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause."));
                }
                return Err(unsupported("ORDER BY an expression over VALUES", pos));
            };
            keys.push(SortKey { target: SortTarget::Output(index), order: order(item, 0), pos });
        }
        Ok(keys)
    }
}

/// The output that a number in ORDER BY or GROUP BY means.
pub(crate) fn output_position(digits: &str, outputs: usize, clause: &str, pos: Pos) -> Result<usize> {
    let Ok(position) = digits.parse::<i64>() else {
        return Err(error(SqlState::SyntaxError, format!("non-integer constant in {clause}"), pos));
    };
    usize::try_from(position).ok().and_then(|p| p.checked_sub(1)).filter(|index| *index < outputs).ok_or_else(|| {
        error(SqlState::InvalidColumnReference, format!("{clause} position {position} is not in select list"), pos)
    })
}

/// The output of this name.
pub(crate) fn output_named(outputs: &[Output], name: &str, pos: Pos) -> Result<Option<usize>> {
    let mut matches = outputs.iter().enumerate().filter(|(_, output)| output.name == name);
    let Some((first, output)) = matches.next() else { return Ok(None) };
    if matches.any(|(_, other)| other.scalar != output.scalar) {
        return Err(error(SqlState::AmbiguousColumn, format!("ORDER BY \"{name}\" is ambiguous"), pos));
    }
    Ok(Some(first))
}

/// Rows of scalars as a relation: literal rows as they are, others computed.
fn rows_relation(rows: Vec<Vec<HirScalar>>, types: Vec<DataType>) -> HirRelation {
    let literal = rows.iter().flatten().all(|scalar| matches!(scalar, Expr::Literal(..)));
    if literal {
        let rows = rows
            .into_iter()
            .map(|row| {
                row.into_iter()
                    .filter_map(|scalar| match scalar {
                        Expr::Literal(value, _) => Some(value),
                        _ => None,
                    })
                    .collect()
            })
            .collect();
        return HirRelation::Constant { rows, types };
    }
    let one_row = || Box::new(super::scope::one_row());
    HirRelation::Union(rows.into_iter().map(|scalars| HirRelation::Map { input: one_row(), scalars }).collect())
}

fn combine(op: SetOperator, all: bool, left: HirRelation, right: HirRelation) -> HirRelation {
    let distinct = |relation| HirRelation::Distinct(Box::new(relation));
    let except = |left, right| HirRelation::Except(Box::new(left), Box::new(right));
    match (op, all) {
        (SetOperator::Union, _) => {
            let mut inputs = Vec::new();
            // A chain of UNION ALL is one n-ary union.
            match left {
                HirRelation::Union(more) if all => inputs.extend(more),
                HirRelation::Project { input, columns } => match *input {
                    HirRelation::Union(more) if all && columns.iter().enumerate().all(|(i, c)| i == *c) => {
                        inputs.extend(more);
                    }
                    input => inputs.push(HirRelation::Project { input: Box::new(input), columns }),
                },
                other => inputs.push(other),
            }
            inputs.push(right);
            let union = HirRelation::Union(inputs);
            if all { union } else { distinct(union) }
        }
        (SetOperator::Except, true) => except(left, right),
        (SetOperator::Except, false) => except(distinct(left), distinct(right)),
        (SetOperator::Intersect, all) => {
            let (left, right) = if all { (left, right) } else { (distinct(left), distinct(right)) };
            // A ∩ B = A − (A − B).
            except(left.clone(), except(left, right))
        }
    }
}

/// Whether a query names this relation in FROM: a recursion, if it is its own name.
fn names_relation(query: &Query, name: &str) -> bool {
    fn item(from: &ast::FromItem, name: &str) -> bool {
        match from {
            ast::FromItem::Table { name: table, .. } => table.parts.len() == 1 && table.parts[0].name == name,
            ast::FromItem::Subquery { query, .. } => names_relation(query, name),
            ast::FromItem::Join { left, right, .. } => item(left, name) || item(right, name),
            ast::FromItem::Function { .. } | ast::FromItem::Unsupported(..) => false,
        }
    }
    match &query.body {
        QueryBody::Select(select) => select.from.iter().any(|from| item(from, name)),
        QueryBody::Values(_) => false,
        QueryBody::Nested(query) => names_relation(query, name),
        QueryBody::Set { left, right, .. } => names_relation(left, name) || names_relation(right, name),
    }
}
