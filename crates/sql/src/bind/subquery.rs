//! Subqueries in expressions.

use super::columns::shift_in;
use super::expr::{Context, not};
use super::parts::into_relation;
use super::scope::column;
use super::{Binder, error, unsupported};
use crate::ast::{self, ExprKind, Pos, Query};
use headwater_expr::Expr;
use headwater_plan::hir::{HirLeaf, HirQuery, HirScalar};
use headwater_types::{DataType, Result, SqlState};

impl Binder<'_> {
    fn subquery(&self, query: &Query, context: Context<'_>) -> Result<HirQuery> {
        if crate::statement::selects_into(query) {
            return Err(error(SqlState::SyntaxError, "SELECT ... INTO is not allowed here", query.pos));
        }
        self.query(query, &context.env())
    }

    pub(crate) fn exists(&self, query: &Query, context: Context<'_>) -> Result<HirScalar> {
        let relation = into_relation(self.subquery(query, context)?);
        Ok(Expr::Leaf(HirLeaf::Exists(Box::new(relation))))
    }

    pub(crate) fn scalar_query(&self, query: &Query, pos: Pos, context: Context<'_>) -> Result<HirScalar> {
        let query = self.subquery(query, context)?;
        let [field] = query.schema.as_slice() else { return Err(one_column(pos)) };
        let data_type = field.data_type.clone();
        Ok(Expr::Leaf(HirLeaf::ScalarSubquery(Box::new(into_relation(query)), data_type)))
    }

    pub(crate) fn array_query(&self, query: &Query, pos: Pos, context: Context<'_>) -> Result<HirScalar> {
        let query = self.subquery(query, context)?;
        let [field] = query.schema.as_slice() else { return Err(one_column(pos)) };
        let element = field.data_type.clone();
        if matches!(element, DataType::Array(_)) {
            return Err(unsupported("a multidimensional array", pos));
        }
        // The element first, then the sort keys.
        let mut columns = vec![query.projection[0]];
        let mut order_by = query.order_by.clone();
        for key in &mut order_by {
            let place = columns.iter().position(|c| *c == key.column).unwrap_or_else(|| {
                columns.push(key.column);
                columns.len() - 1
            });
            key.column = place;
        }
        let relation = into_relation(HirQuery { projection: columns, ..query });
        Ok(Expr::Leaf(HirLeaf::ArraySubquery { relation: Box::new(relation), order_by, element }))
    }

    /// `left op ANY (query)`; `left` may be a row.
    pub(crate) fn any_query(
        &self,
        left: &ast::Expr,
        op: &str,
        query: &Query,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        self.quantified_query(left, op, query, pos, context, false)
    }

    /// `left op ALL (query)`: no row for which the comparison does not hold.
    pub(crate) fn all_query(
        &self,
        left: &ast::Expr,
        op: &str,
        query: &Query,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        Ok(not(self.quantified_query(left, op, query, pos, context, true)?))
    }

    fn quantified_query(
        &self,
        left: &ast::Expr,
        op: &str,
        query: &Query,
        pos: Pos,
        context: Context<'_>,
        negate: bool,
    ) -> Result<HirScalar> {
        let operands: Vec<&ast::Expr> = match &left.kind {
            ExprKind::Row(items) => items.iter().collect(),
            _ => vec![left],
        };
        let scalars = operands.iter().map(|operand| self.expr(operand, context)).collect::<Result<Vec<_>>>()?;
        let query = self.subquery(query, context)?;
        if query.schema.len() != operands.len() {
            let few = if query.schema.len() < operands.len() { "few" } else { "many" };
            return Err(error(SqlState::SyntaxError, format!("subquery has too {few} columns"), pos));
        }
        if operands.len() > 1 && op != "=" && op != "<>" {
            return Err(unsupported("this comparison of a row with a subquery", pos));
        }
        let mut tests = Vec::new();
        for (index, (scalar, operand)) in scalars.into_iter().zip(&operands).enumerate() {
            let value = column(0, index, query.schema[index].data_type.clone());
            let test_op = if operands.len() > 1 { "=" } else { op };
            let test = self.operator(test_op, (shift_in(scalar), operand.start), (value, pos), pos)?;
            if test.data_type() != DataType::Bool {
                return Err(error(SqlState::DatatypeMismatch, format!("operator {op} does not yield boolean"), pos));
            }
            tests.push(test);
        }
        let mut predicate = super::coerce::all_of(tests);
        if operands.len() > 1 && op == "<>" {
            predicate = not(predicate);
        }
        if negate {
            predicate = not(predicate);
        }
        let relation = Box::new(into_relation(query));
        Ok(Expr::Leaf(HirLeaf::AnySubquery { relation, predicate: Box::new(predicate) }))
    }

    /// `(a, b) = (SELECT …)`.
    pub(crate) fn row_equals_query(
        &self,
        left: &[ast::Expr],
        query: &Query,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        let bound = self.subquery(query, context)?;
        if bound.schema.len() != left.len() {
            let few = if bound.schema.len() < left.len() { "few" } else { "many" };
            return Err(error(SqlState::SyntaxError, format!("subquery has too {few} columns"), pos));
        }
        let mut tests = Vec::new();
        for (index, item) in left.iter().enumerate() {
            let one = HirQuery {
                projection: vec![bound.projection[index]],
                schema: vec![bound.schema[index].clone()],
                origins: vec![None],
                ..bound.clone()
            };
            let data_type = one.schema[0].data_type.clone();
            let value = Expr::Leaf(HirLeaf::ScalarSubquery(Box::new(into_relation(one)), data_type));
            let scalar = self.expr(item, context)?;
            tests.push(self.operator("=", (scalar, item.start), (value, pos), pos)?);
        }
        Ok(super::coerce::all_of(tests))
    }
}

fn one_column(pos: Pos) -> headwater_types::SqlError {
    error(SqlState::SyntaxError, "subquery must return only one column", pos)
}
