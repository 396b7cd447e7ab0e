//! Scalar expressions.

use super::coerce::cast;
use super::columns::scopes_used;
use super::scope::{Cte, Env, Scope};
use super::{Binder, at, error, unsupported};
use crate::ast::{self, ExprKind, IsTest, Pos, QuantifiedRight, ValueFunction};
use headwater_expr::{CastContext, Expr, Quantifier, registry};
use headwater_plan::hir::{HirAggregate, HirLeaf, HirScalar};
use headwater_types::{DataType, Datum, Numeric, Result, SqlState, TextContext, parse_text};
use std::cell::RefCell;
use std::rc::Rc;

/// Where an expression stands: what it may hold, and what errors call the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clause {
    Select,
    Where,
    Having,
    GroupBy,
    OrderBy,
    DistinctOn,
    JoinOn,
    FromFunction,
    Values,
    Limit,
    Offset,
    Filter,
    Update,
    Returning,
    Default,
    Check,
    Execute,
}

impl Clause {
    /// As in `aggregate functions are not allowed in WHERE`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Where => "WHERE",
            Self::Having => "HAVING",
            Self::GroupBy => "GROUP BY",
            Self::OrderBy => "ORDER BY",
            Self::DistinctOn => "DISTINCT ON",
            Self::JoinOn => "JOIN conditions",
            Self::FromFunction => "functions in FROM",
            Self::Values => "VALUES",
            Self::Limit => "LIMIT",
            Self::Offset => "OFFSET",
            Self::Filter => "FILTER",
            Self::Update => "UPDATE",
            Self::Returning => "RETURNING",
            Self::Default => "DEFAULT expressions",
            Self::Check => "check constraints",
            Self::Execute => "EXECUTE parameters",
        }
    }
}

/// A set-returning function of a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetReturning {
    pub(crate) function: headwater_expr::TableFunction,
    pub(crate) args: Vec<HirScalar>,
    pub(crate) types: Vec<DataType>,
    pub(crate) ordinality: bool,
    pub(crate) pos: Pos,
}

/// What a select list's expressions bring besides their values. They refer to them by columns from
/// [`AGGREGATE_BASE`] and [`SET_RETURNING_BASE`] on, until the query is put together.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) aggregates: Vec<HirAggregate>,
    pub(crate) set_returning: Vec<SetReturning>,
}

/// The first stand-in for an aggregate.
pub(crate) const AGGREGATE_BASE: usize = 1 << 40;
/// The first stand-in for a column of a set-returning function: a thousand for each.
pub(crate) const SET_RETURNING_BASE: usize = 1 << 41;
/// Columns that a set-returning function may have.
pub(crate) const SET_RETURNING_STRIDE: usize = 1000;

/// What surrounds an expression.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) scope: Option<&'c Scope<'c>>,
    pub(crate) ctes: &'c Option<Rc<Cte>>,
    pub(crate) clause: Clause,
    pub(crate) collector: Option<&'c RefCell<Collector>>,
    pub(crate) in_aggregate: bool,
}

impl<'c> Context<'c> {
    pub(crate) fn new(scope: Option<&'c Scope<'c>>, ctes: &'c Option<Rc<Cte>>, clause: Clause) -> Self {
        Self { scope, ctes, clause, collector: None, in_aggregate: false }
    }

    pub(crate) fn collecting(self, collector: &'c RefCell<Collector>) -> Self {
        Self { collector: Some(collector), ..self }
    }

    pub(crate) fn with_clause(self, clause: Clause) -> Self {
        Self { clause, ..self }
    }

    /// What surrounds a subquery here.
    pub(crate) fn env(&self) -> Env<'c> {
        Env { outer: self.scope, ctes: self.ctes.clone() }
    }
}

/// A NULL without a type.
pub(crate) fn untyped_null() -> HirScalar {
    Expr::Literal(Datum::Null, DataType::Unknown)
}

fn int4(value: i32) -> HirScalar {
    Expr::Literal(Datum::Int4(value), DataType::Int4)
}

impl Binder<'_> {
    /// Binds an expression. Its type is unknown if it is a literal or parameter that nothing gave one.
    ///
    /// # Errors
    ///
    /// Those of PostgreSQL's parse analysis.
    pub(crate) fn expr(&self, expr: &ast::Expr, context: Context<'_>) -> Result<HirScalar> {
        let scalar = self.deeper(|| self.expr_inner(expr, context))?;
        if self.materialized.get() {
            self.check_kept(&scalar, expr.pos)?;
        }
        Ok(scalar)
    }

    /// Fails for a call that a materialized view may not have. Its operands have been checked, but for those that it was
    /// given here: `current_date` is a cast of `now()`.
    fn check_kept(&self, scalar: &HirScalar, pos: Pos) -> Result<()> {
        let mut own = std::iter::once(scalar).chain(scalar.children());
        own.try_for_each(headwater_plan::check_kept).map_err(|e| at(e, pos))
    }

    /// Binds an expression and gives it a type.
    pub(crate) fn typed_expr(&self, expr: &ast::Expr, context: Context<'_>) -> Result<HirScalar> {
        let scalar = self.expr(expr, context)?;
        self.typed(scalar, expr.start)
    }

    fn expr_inner(&self, expr: &ast::Expr, context: Context<'_>) -> Result<HirScalar> {
        let pos = expr.pos;
        match &expr.kind {
            ExprKind::Null => Ok(untyped_null()),
            ExprKind::Bool(value) => Ok(Expr::Literal(Datum::Bool(*value), DataType::Bool)),
            ExprKind::Number(digits) => self.number(digits, pos),
            ExprKind::String(text) => Ok(Expr::Literal(Datum::Text(text.clone()), DataType::Unknown)),
            ExprKind::Unsupported(what) => Err(unsupported(what, pos)),
            ExprKind::Param(index) => {
                let data_type = self.parameters.borrow_mut().reference(*index);
                Ok(Expr::Leaf(HirLeaf::Parameter { index: *index, data_type }))
            }
            ExprKind::Column(parts) => Ok(self.column(parts, context.scope)?.scalar),
            ExprKind::Star(qualifier) if !qualifier.is_empty() => Err(unsupported("a reference to a whole row", pos)),
            ExprKind::Star(_) => {
                Err(error(SqlState::SyntaxError, "row expansion via \"*\" is not supported here", pos))
            }
            ExprKind::Default => Err(error(SqlState::SyntaxError, "DEFAULT is not allowed in this context", pos)),
            ExprKind::Cast { expr: inner, to } => {
                let to = self.data_type(to)?;
                if let (ExprKind::Array(items), DataType::Array(element)) = (&inner.kind, &to) {
                    // The elements adopt the type: `ARRAY[]::int[]`, `ARRAY['a']::name[]`.
                    let items = items
                        .iter()
                        .map(|item| {
                            let scalar = self.expr(item, context)?;
                            self.coerce_as(scalar, element, CastContext::Explicit, item.start)
                        })
                        .collect::<Result<_>>()?;
                    return Ok(Expr::Array(items, (**element).clone()));
                }
                if let (ExprKind::Number(digits), DataType::Float4 | DataType::Float8) = (&inner.kind, &to) {
                    // A float reaches further than a numeric.
                    return Ok(Expr::Literal(self.literal(digits, &to, CastContext::Explicit, inner.start)?, to));
                }
                let scalar = self.expr(inner, context)?;
                let untyped = scalar.data_type() == DataType::Unknown;
                self.coerce_as(scalar, &to, CastContext::Explicit, if untyped { inner.start } else { pos })
            }
            ExprKind::Unary { op, expr: operand } => {
                let scalar = self.expr(operand, context)?;
                let resolved = registry::resolve_operator(op, None, scalar.data_type()).map_err(|e| at(e, pos))?;
                let args = vec![self.argument(scalar, &resolved.arg_types[0], operand.start)?];
                Ok(Expr::Call { function: resolved.function, args, data_type: resolved.data_type })
            }
            ExprKind::Binary { op, left, right } => self.binary(op, left, right, pos, context),
            ExprKind::And(operands) => Ok(Expr::And(self.conditions(operands, "AND", context)?)),
            ExprKind::Or(operands) => Ok(Expr::Or(self.conditions(operands, "OR", context)?)),
            ExprKind::Not(operand) => {
                let scalar = self.expr(operand, context)?;
                Ok(not(self.condition(scalar, "NOT", operand.start)?))
            }
            ExprKind::Is { expr: operand, test, negated } => self.is_test(operand, *test, *negated, context),
            ExprKind::IsDistinct { left, right, negated } => self.is_distinct(left, right, *negated, pos, context),
            ExprKind::Between { expr: operand, low, high, negated, symmetric } => {
                let within = |low: &ast::Expr, high: &ast::Expr| -> Result<HirScalar> {
                    Ok(Expr::And(vec![
                        self.binary(">=", operand, low, pos, context)?,
                        self.binary("<=", operand, high, pos, context)?,
                    ]))
                };
                let mut scalar = within(low, high)?;
                if *symmetric {
                    scalar = Expr::Or(vec![scalar, within(high, low)?]);
                }
                Ok(if *negated { not(scalar) } else { scalar })
            }
            ExprKind::InList { expr: operand, list, negated } => {
                let scalar = self.in_list(operand, list, pos, context)?;
                Ok(if *negated { not(scalar) } else { scalar })
            }
            ExprKind::InQuery { expr: operand, query, negated } => {
                let scalar = self.any_query(operand, "=", query, pos, context)?;
                Ok(if *negated { not(scalar) } else { scalar })
            }
            ExprKind::Like { expr: operand, pattern, escape, negated, insensitive } => {
                self.like(operand, pattern, escape.as_deref(), (*negated, *insensitive), pos, context)
            }
            ExprKind::Quantified { left, op, all, right } => match right {
                QuantifiedRight::Query(query) if *all => self.all_query(left, op, query, pos, context),
                QuantifiedRight::Query(query) => self.any_query(left, op, query, pos, context),
                QuantifiedRight::Array(array) => {
                    let quantifier = if *all { Quantifier::All } else { Quantifier::Any };
                    self.quantified(left, op, array, quantifier, pos, context)
                }
            },
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), pos, context)
            }
            ExprKind::Function(call) => self.call(call, pos, context),
            ExprKind::Value(function) => self.value_function(*function, pos),
            ExprKind::Coalesce(args) => Ok(Expr::Coalesce(self.unified("COALESCE", args, context)?.0)),
            ExprKind::Extreme(greatest, args) => {
                let (name, construct) = if *greatest { ("greatest", "GREATEST") } else { ("least", "LEAST") };
                let (args, common) = self.unified(construct, args, context)?;
                let types = vec![common.clone(); args.len()];
                let resolved = registry::resolve_function(name, &types).map_err(|e| at(e, pos))?;
                Ok(Expr::Call { function: resolved.function, args, data_type: common })
            }
            ExprKind::NullIf(left, right) => {
                let first = self.expr(left, context)?;
                let second = self.expr(right, context)?;
                let equal = self.operator("=", (first.clone(), left.start), (second, right.start), pos)?;
                let value = self.typed(first, left.start)?;
                let null = Expr::Literal(Datum::Null, value.data_type());
                Ok(Expr::Case { branches: vec![(equal, null)], otherwise: Box::new(value) })
            }
            ExprKind::Exists(query) => self.exists(query, context),
            ExprKind::Subquery(query) => self.scalar_query(query, pos, context),
            ExprKind::ArrayQuery(query) => self.array_query(query, pos, context),
            ExprKind::Array(items) => {
                if items.is_empty() {
                    return Err(error(SqlState::IndeterminateDatatype, "cannot determine type of empty array", pos)
                        .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
                }
                let (items, element) = self.unified("ARRAY", items, context)?;
                if matches!(element, DataType::Array(_)) {
                    return Err(unsupported("a multidimensional array", pos));
                }
                Ok(Expr::Array(items, element))
            }
            ExprKind::Row(_) => Err(unsupported("a row value", pos)),
            ExprKind::Subscript { expr: base, index } => self.subscript(base, index, context),
            ExprKind::Field { expr: base, field } => self.field(base, field.as_ref(), pos, context),
            ExprKind::Collate { expr: operand, collation } => {
                let name = &collation.last().name;
                if !matches!(name.as_str(), "default" | "C" | "c" | "POSIX" | "ucs_basic") {
                    return Err(unsupported("a collation other than \"C\"", collation.pos()));
                }
                let scalar = self.typed_expr(operand, context)?;
                let data_type = scalar.data_type();
                if registry::category(&data_type) != registry::TypeCategory::String
                    && !matches!(data_type, DataType::Array(_))
                {
                    return Err(error(
                        SqlState::DatatypeMismatch,
                        format!("collations are not supported by type {}", data_type.sql_name()),
                        pos,
                    ));
                }
                Ok(scalar)
            }
        }
    }

    fn number(&self, digits: &str, pos: Pos) -> Result<HirScalar> {
        if let Ok(value) = digits.parse::<i32>() {
            return Ok(int4(value));
        }
        if let Ok(value) = digits.parse::<i64>() {
            return Ok(Expr::Literal(Datum::Int8(value), DataType::Int8));
        }
        let context = TextContext { settings: self.settings, now_micros: self.now_micros };
        let value = parse_text(digits, &DataType::Numeric(None), &context).map_err(|e| at(e, pos))?;
        debug_assert!(matches!(value, Datum::Numeric(Numeric::Finite(_))), "a number is finite");
        Ok(Expr::Literal(value, DataType::Numeric(None)))
    }

    fn conditions(&self, operands: &[ast::Expr], clause: &str, context: Context<'_>) -> Result<Vec<HirScalar>> {
        operands
            .iter()
            .map(|operand| {
                let scalar = self.expr(operand, context)?;
                self.condition(scalar, clause, operand.start)
            })
            .collect()
    }

    fn unified(&self, construct: &str, args: &[ast::Expr], context: Context<'_>) -> Result<(Vec<HirScalar>, DataType)> {
        let scalars = args.iter().map(|arg| Ok((self.expr(arg, context)?, arg.start))).collect::<Result<Vec<_>>>()?;
        self.unify(construct, scalars)
    }

    /// `left op right` of bound operands.
    pub(crate) fn operator(
        &self,
        op: &str,
        left: (HirScalar, Pos),
        right: (HirScalar, Pos),
        pos: Pos,
    ) -> Result<HirScalar> {
        let resolved =
            registry::resolve_operator(op, Some(left.0.data_type()), right.0.data_type()).map_err(|e| at(e, pos))?;
        let args = vec![
            self.argument(left.0, &resolved.arg_types[0], left.1)?,
            self.argument(right.0, &resolved.arg_types[1], right.1)?,
        ];
        Ok(Expr::Call { function: resolved.function, args, data_type: resolved.data_type })
    }

    pub(crate) fn binary(
        &self,
        op: &str,
        left: &ast::Expr,
        right: &ast::Expr,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        match (&left.kind, &right.kind) {
            (ExprKind::Row(a), ExprKind::Row(b)) => return self.row_comparison(op, a, b, pos, context),
            (ExprKind::Row(a), ExprKind::Subquery(query)) if op == "=" => {
                return self.row_equals_query(a, query, pos, context);
            }
            _ => {}
        }
        let first = self.expr(left, context)?;
        let second = self.expr(right, context)?;
        self.operator(op, (first, left.start), (second, right.start), pos)
    }

    /// `(a, b) < (c, d)`, column by column.
    fn row_comparison(
        &self,
        op: &str,
        left: &[ast::Expr],
        right: &[ast::Expr],
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        if left.len() != right.len() {
            return Err(error(SqlState::SyntaxError, "unequal number of entries in row expressions", pos));
        }
        let pairs = |op: &str| -> Result<Vec<HirScalar>> {
            left.iter().zip(right).map(|(a, b)| self.binary(op, a, b, pos, context)).collect()
        };
        match op {
            "=" => Ok(super::coerce::all_of(pairs("=")?)),
            "<>" => Ok(not(super::coerce::all_of(pairs("=")?))),
            "<" | "<=" | ">" | ">=" => {
                let strict = &op[..1];
                let equal = pairs("=")?;
                let before = pairs(strict)?;
                let last = pairs(op)?.pop().expect("a row has a column");
                let count = left.len();
                // a < c OR a = c AND (b < d OR …), from the last column to the first.
                Ok((0..count - 1).rev().fold(last, |rest, column| {
                    Expr::Or(vec![before[column].clone(), Expr::And(vec![equal[column].clone(), rest])])
                }))
            }
            _ => Err(unsupported("this comparison of rows", pos)),
        }
    }

    fn is_test(&self, operand: &ast::Expr, test: IsTest, negated: bool, context: Context<'_>) -> Result<HirScalar> {
        if let (ExprKind::Row(items), IsTest::Null) = (&operand.kind, test) {
            // Every column is NULL; IS NOT NULL: none is.
            let tests = items
                .iter()
                .map(|item| {
                    let is_null = Expr::IsNull(Box::new(self.expr(item, context)?));
                    Ok(if negated { not(is_null) } else { is_null })
                })
                .collect::<Result<_>>()?;
            return Ok(super::coerce::all_of(tests));
        }
        let scalar = self.expr(operand, context)?;
        if test == IsTest::Null {
            let scalar = match scalar {
                // A parameter stays without a type here, which is an error in the end, as in PostgreSQL.
                Expr::Literal(value, DataType::Unknown) => Expr::Literal(value, DataType::Text),
                other => other,
            };
            let is_null = Expr::IsNull(Box::new(scalar));
            return Ok(if negated { not(is_null) } else { is_null });
        }
        let name = match (test, negated) {
            (IsTest::True, false) => "IS TRUE",
            (IsTest::True, true) => "IS NOT TRUE",
            (IsTest::False, false) => "IS FALSE",
            (IsTest::False, true) => "IS NOT FALSE",
            (_, false) => "IS UNKNOWN",
            (_, true) => "IS NOT UNKNOWN",
        };
        let scalar = self.condition(scalar, name, operand.start)?;
        let false_if_null = |scalar| Expr::Coalesce(vec![scalar, Expr::Literal(Datum::Bool(false), DataType::Bool)]);
        let result = match test {
            IsTest::True => false_if_null(scalar),
            IsTest::False => false_if_null(not(scalar)),
            IsTest::Null | IsTest::Unknown => Expr::IsNull(Box::new(scalar)),
        };
        Ok(if negated { not(result) } else { result })
    }

    fn is_distinct(
        &self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        let first = self.expr(left, context)?;
        let second = self.expr(right, context)?;
        let untyped = |scalar: &HirScalar| scalar.data_type() == DataType::Unknown;
        let target = if untyped(&first) && untyped(&second) {
            [DataType::Text, DataType::Text]
        } else {
            let resolved =
                registry::resolve_operator("=", Some(first.data_type()), second.data_type()).map_err(|e| at(e, pos))?;
            [resolved.arg_types[0].clone(), resolved.arg_types[1].clone()]
        };
        let (common_left, common_right) = if target[0] == target[1] {
            (target[0].clone(), target[1].clone())
        } else {
            // `int4 = int8` compares across types; identity does not.
            let common = registry::common_type(&target).map_err(|e| at(e, pos))?;
            (common.clone(), common)
        };
        let first = self.coerce(first, &common_left, left.start)?;
        let second = self.coerce(second, &common_right, right.start)?;
        let same = Expr::IsNotDistinct(Box::new(first), Box::new(second));
        Ok(if negated { same } else { not(same) })
    }

    fn in_list(&self, operand: &ast::Expr, list: &[ast::Expr], pos: Pos, context: Context<'_>) -> Result<HirScalar> {
        let is_row = |expr: &ast::Expr| matches!(expr.kind, ExprKind::Row(_));
        if !is_row(operand) && !list.iter().any(is_row) {
            let scalar = self.expr(operand, context)?;
            let items = list.iter().map(|item| self.expr(item, context)).collect::<Result<Vec<_>>>()?;
            // As PostgreSQL: constants of a common type are one array.
            let constant =
                items.iter().all(|item| scopes_used(item) == (false, false) && !super::columns::has_subquery(item));
            let types: Vec<_> = [scalar.data_type()].into_iter().chain(items.iter().map(|i| i.data_type())).collect();
            if constant
                && items.len() > 1
                && let Ok(common) = registry::common_type(&types)
            {
                let resolved = registry::resolve_operator("=", Some(scalar.data_type()), common.clone())
                    .map_err(|e| at(e, pos))?;
                let element = resolved.arg_types[1].clone();
                let items = items
                    .into_iter()
                    .zip(list)
                    .map(|(item, source)| {
                        let item = self.coerce(item, &common, source.start)?;
                        self.coerce(item, &element, source.start)
                    })
                    .collect::<Result<_>>()?;
                let left = self.argument(scalar, &resolved.arg_types[0], operand.start)?;
                return Ok(Expr::Quantified {
                    function: resolved.function,
                    left: Box::new(left),
                    array: Box::new(Expr::Array(items, element)),
                    quantifier: Quantifier::Any,
                });
            }
            let mut tests = items
                .into_iter()
                .zip(list)
                .map(|(item, source)| self.operator("=", (scalar.clone(), operand.start), (item, source.start), pos))
                .collect::<Result<Vec<_>>>()?;
            return Ok(if tests.len() == 1 { tests.remove(0) } else { Expr::Or(tests) });
        }
        let mut tests =
            list.iter().map(|item| self.binary("=", operand, item, pos, context)).collect::<Result<Vec<_>>>()?;
        Ok(if tests.len() == 1 { tests.remove(0) } else { Expr::Or(tests) })
    }

    fn like(
        &self,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        (negated, insensitive): (bool, bool),
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        let op = match (negated, insensitive) {
            (false, false) => "~~",
            (false, true) => "~~*",
            (true, false) => "!~~",
            (true, true) => "!~~*",
        };
        let left = self.expr(operand, context)?;
        let mut right = self.expr(pattern, context)?;
        if let Some(escape) = escape {
            let escape_scalar = self.expr(escape, context)?;
            let types = [right.data_type(), escape_scalar.data_type()];
            let resolved = registry::resolve_function("like_escape", &types).map_err(|e| at(e, pos))?;
            let args = vec![
                self.argument(right, &resolved.arg_types[0], pattern.start)?,
                self.argument(escape_scalar, &resolved.arg_types[1], escape.start)?,
            ];
            right = Expr::Call { function: resolved.function, args, data_type: resolved.data_type };
        }
        self.operator(op, (left, operand.start), (right, pattern.start), pos)
    }

    fn quantified(
        &self,
        left: &ast::Expr,
        op: &str,
        array: &ast::Expr,
        quantifier: Quantifier,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        let scalar = self.expr(left, context)?;
        let array_scalar = self.expr(array, context)?;
        let array_type = array_scalar.data_type();
        let element = match &array_type {
            // A literal or parameter is an array of what it is compared with.
            DataType::Unknown => match scalar.data_type() {
                DataType::Unknown => DataType::Text,
                known => known.without_modifier(),
            },
            other => other.element().ok_or_else(|| {
                error(SqlState::WrongObjectType, "op ANY/ALL (array) requires array on right side", pos)
            })?,
        };
        let resolved = registry::resolve_operator(op, Some(scalar.data_type()), element).map_err(|e| at(e, pos))?;
        if resolved.data_type != DataType::Bool {
            return Err(error(SqlState::WrongObjectType, "op ANY/ALL (array) requires operator to yield boolean", pos));
        }
        let target = DataType::Array(Box::new(resolved.arg_types[1].clone()));
        let array_scalar = if array_type.element().is_some_and(|element| element.same_base(&resolved.arg_types[1])) {
            array_scalar
        } else {
            self.argument(array_scalar, &target, array.start)?
        };
        Ok(Expr::Quantified {
            function: resolved.function,
            left: Box::new(self.argument(scalar, &resolved.arg_types[0], left.start)?),
            array: Box::new(array_scalar),
            quantifier,
        })
    }

    fn case(
        &self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        let operand = match operand {
            Some(operand) => Some((self.typed_expr(operand, context)?, operand.start)),
            None => None,
        };
        let mut conditions = Vec::with_capacity(branches.len());
        for (when, _) in branches {
            let scalar = self.expr(when, context)?;
            conditions.push(match &operand {
                Some(operand) => self.operator("=", operand.clone(), (scalar, when.start), when.start)?,
                None => self.condition(scalar, "CASE/WHEN", when.start)?,
            });
        }
        // As PostgreSQL, ELSE comes first: a type is chosen in that order.
        let mut results = vec![match otherwise {
            Some(otherwise) => (self.expr(otherwise, context)?, otherwise.start),
            None => (untyped_null(), pos),
        }];
        for (_, then) in branches {
            results.push((self.expr(then, context)?, then.start));
        }
        let (mut results, _) = self.unify("CASE", results)?;
        let otherwise = Box::new(results.remove(0));
        Ok(Expr::Case { branches: conditions.into_iter().zip(results).collect(), otherwise })
    }

    fn value_function(&self, function: ValueFunction, pos: Pos) -> Result<HirScalar> {
        let call = |name: &str| -> Result<HirScalar> {
            let resolved = registry::resolve_function(name, &[]).map_err(|e| at(e, pos))?;
            Ok(Expr::Call { function: resolved.function, args: vec![], data_type: resolved.data_type })
        };
        let now_as = |to: DataType| Ok(cast(call("now")?, &to, CastContext::Explicit));
        match function {
            ValueFunction::CurrentTimestamp => call("now"),
            ValueFunction::CurrentDate => now_as(DataType::Date),
            ValueFunction::LocalTimestamp => now_as(DataType::Timestamp),
            ValueFunction::LocalTime => now_as(DataType::Time),
            ValueFunction::CurrentTime => Err(unsupported("time with time zone", pos)),
            ValueFunction::CurrentRole | ValueFunction::CurrentUser | ValueFunction::User => call("current_user"),
            ValueFunction::SessionUser => call("session_user"),
            ValueFunction::CurrentCatalog => call("current_database"),
            ValueFunction::CurrentSchema => call("current_schema"),
        }
    }

    fn subscript(&self, base: &ast::Expr, index: &ast::Expr, context: Context<'_>) -> Result<HirScalar> {
        let scalar = self.typed_expr(base, context)?;
        let data_type = scalar.data_type();
        if data_type.element().is_none() {
            let name = data_type.without_modifier().sql_name();
            return Err(if data_type == DataType::Jsonb {
                unsupported("a subscript of jsonb", base.start)
            } else {
                error(
                    SqlState::DatatypeMismatch,
                    format!("cannot subscript type {name} because it does not support subscripting"),
                    base.start,
                )
            });
        }
        let position = self.expr(index, context)?;
        if position.data_type() != DataType::Unknown
            && !registry::can_cast(&position.data_type(), &DataType::Int4, CastContext::Assignment)
        {
            return Err(error(SqlState::DatatypeMismatch, "array subscript must have type integer", index.start));
        }
        let position = self.coerce_as(position, &DataType::Int4, CastContext::Assignment, index.start)?;
        Ok(Expr::Subscript(Box::new(scalar), Box::new(position)))
    }
}

/// NOT of a condition.
pub(crate) fn not(scalar: HirScalar) -> HirScalar {
    Expr::Not(Box::new(scalar))
}
