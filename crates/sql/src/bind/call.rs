//! Function calls: scalar functions, aggregates, set-returning functions, casts in the form of calls.

use super::expr::{AGGREGATE_BASE, Clause, Collector, Context, SET_RETURNING_BASE, SET_RETURNING_STRIDE, SetReturning};
use super::scope::column;
use super::{Binder, at, columns, error, unsupported};
use crate::ast::{self, ExprKind, FunctionCall, Ident, Pos};
use headwater_expr::{Aggregate, AggregateFunction, CastContext, ColumnOrder, Expr, TableFunction, registry};
use headwater_plan::hir::HirScalar;
use headwater_types::{DataType, Field, Result, SqlError, SqlState};
use std::cell::RefCell;

/// PostgreSQL's ordered-set, window and other aggregates that are to come: errors name them.
const FUTURE_AGGREGATES: [&str; 32] = [
    "bit_and",
    "bit_or",
    "bit_xor",
    "corr",
    "covar_pop",
    "covar_samp",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "range_agg",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "var_pop",
    "var_samp",
    "variance",
    "xmlagg",
    "approx_count_distinct",
    "first_value",
];

/// Functions that exist as window functions only.
const WINDOW_FUNCTIONS: [&str; 10] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "last_value",
    "nth_value",
];

impl Binder<'_> {
    /// A function's name without its schema.
    ///
    /// # Errors
    ///
    /// 3F000 and 42883 for functions of schemas that have none.
    fn function_name<'n>(&self, call: &'n FunctionCall, types: &[DataType]) -> Result<&'n str> {
        let parts = &call.name.parts;
        let name = call.name.last().name.as_str();
        let schema = match parts.as_slice() {
            [_] => return Ok(name),
            [schema, _] => schema,
            [database, schema, _] if database.name == self.settings.database => schema,
            _ => {
                return Err(error(
                    SqlState::FeatureNotSupported,
                    format!("cross-database references are not implemented: {}", call.name.display()),
                    call.name.pos(),
                ));
            }
        };
        if matches!(schema.name.as_str(), "pg_catalog" | "information_schema" | "rw_catalog") {
            return Ok(name);
        }
        self.catalog.require_namespace(&schema.name).map_err(|e| at(e, schema.pos))?;
        Err(undefined_function(&call.name.display(), types, call.name.pos()))
    }

    pub(crate) fn call(&self, call: &FunctionCall, pos: Pos, context: Context<'_>) -> Result<HirScalar> {
        let name = call.name.last().name.as_str();
        if let Some(position) = call.special_argument {
            return Err(unsupported("a VARIADIC or named argument", position));
        }
        if let Some(over) = call.over {
            return Err(match context.clause {
                Clause::Select | Clause::OrderBy | Clause::DistinctOn => unsupported("a window function", over),
                clause => error(
                    SqlState::WindowingError,
                    format!("window functions are not allowed in {}", clause.name()),
                    over,
                ),
            });
        }
        if registry::has_aggregate(name) {
            return self.aggregate(call, name, pos, context);
        }
        if let Some(position) = call.within_group {
            return Err(unsupported("WITHIN GROUP", position));
        }
        if FUTURE_AGGREGATES.contains(&name) {
            return Err(unsupported(&format!("the aggregate {name}"), pos));
        }
        if WINDOW_FUNCTIONS.contains(&name) {
            return Err(error(
                SqlState::WrongObjectType,
                format!("window function {name} requires an OVER clause"),
                pos,
            ));
        }
        self.not_an_aggregate(call, name, pos)?;
        let args = call.args.iter().map(|arg| self.expr(arg, context)).collect::<Result<Vec<_>>>()?;
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type()).collect();
        let name = self.function_name(call, &types)?;
        if let Some(resolved) = registry::resolve_table_function(name, &types) {
            let resolved = resolved.map_err(|e| at(e, pos))?;
            let args = self.arguments(args, &resolved.arg_types, call)?;
            let types: Vec<DataType> = resolved.columns.iter().map(|field| field.data_type.clone()).collect();
            if types.len() > 1 {
                return Err(unsupported("a function of several columns outside of FROM", pos));
            }
            let function = SetReturning { function: resolved.function, args, types, ordinality: false, pos };
            return self.set_returning(function, 0, name, context);
        }
        match registry::resolve_function(name, &types) {
            Ok(resolved) => {
                let args = self.arguments(args, &resolved.arg_types, call)?;
                Ok(Expr::Call { function: resolved.function, args, data_type: resolved.data_type })
            }
            Err(undefined) => self.cast_call(name, args, call, undefined, pos),
        }
    }

    fn arguments(&self, args: Vec<HirScalar>, types: &[DataType], call: &FunctionCall) -> Result<Vec<HirScalar>> {
        args.into_iter()
            .zip(types)
            .zip(&call.args)
            .map(|((arg, to), source)| self.argument(arg, to, source.start))
            .collect()
    }

    /// `int4(x)`, `date(x)`: a type's name as a function is a cast.
    fn cast_call(
        &self,
        name: &str,
        mut args: Vec<HirScalar>,
        call: &FunctionCall,
        undefined: SqlError,
        pos: Pos,
    ) -> Result<HirScalar> {
        let to = DataType::from_internal_name(name).or(match name {
            "text" => Some(DataType::Text),
            _ => None,
        });
        match to {
            Some(to) if args.len() == 1 && undefined.state == SqlState::UndefinedFunction => {
                let arg = args.remove(0);
                let from = arg.data_type();
                if from == DataType::Unknown || registry::can_cast(&from, &to, CastContext::Explicit) {
                    return self.coerce_as(arg, &to, CastContext::Explicit, call.args[0].start);
                }
                Err(at(undefined, pos))
            }
            _ => Err(at(undefined, pos)),
        }
    }

    fn not_an_aggregate(&self, call: &FunctionCall, name: &str, pos: Pos) -> Result<()> {
        let what = if call.star {
            return Err(error(
                SqlState::WrongObjectType,
                format!("{name}(*) specified, but {name} is not an aggregate function"),
                pos,
            ));
        } else if call.distinct {
            "DISTINCT"
        } else if !call.order_by.is_empty() {
            "ORDER BY"
        } else if call.filter.is_some() {
            "FILTER"
        } else {
            return Ok(());
        };
        Err(error(SqlState::WrongObjectType, format!("{what} specified, but {name} is not an aggregate function"), pos))
    }

    fn aggregate(&self, call: &FunctionCall, name: &str, pos: Pos, context: Context<'_>) -> Result<HirScalar> {
        if context.in_aggregate {
            return Err(error(SqlState::GroupingError, "aggregate function calls cannot be nested", pos));
        }
        let Some(collector) = context.collector else {
            return Err(error(
                SqlState::GroupingError,
                format!("aggregate functions are not allowed in {}", context.clause.name()),
                pos,
            ));
        };
        if let Some(position) = call.within_group {
            return Err(error(
                SqlState::WrongObjectType,
                format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"),
                position,
            ));
        }
        let uses = context.scope.map(|scope| scope.uses.borrow().len());
        let aggregate = self.aggregate_call(call, name, pos, Context { in_aggregate: true, ..context })?;
        // Columns inside of an aggregate need not be grouped.
        if let (Some(scope), Some(uses)) = (context.scope, uses) {
            scope.uses.borrow_mut().truncate(uses);
        }
        let scalars =
            aggregate.args.iter().chain(&aggregate.filter).chain(aggregate.order_by.iter().map(|(key, _)| key));
        let (own, outer) = scalars.map(columns::scopes_used).fold((false, false), |a, b| (a.0 | b.0, a.1 | b.1));
        if outer && !own {
            return Err(unsupported("an aggregate of an outer query's columns", pos));
        }
        let mut collector = collector.borrow_mut();
        let data_type = aggregate.data_type.clone();
        let index = match collector.aggregates.iter().position(|known| *known == aggregate) {
            Some(index) => index,
            None => {
                collector.aggregates.push(aggregate);
                collector.aggregates.len() - 1
            }
        };
        Ok(column(0, AGGREGATE_BASE + index, data_type))
    }

    fn aggregate_call(
        &self,
        call: &FunctionCall,
        name: &str,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<headwater_plan::hir::HirAggregate> {
        let mut args = call.args.iter().map(|arg| self.expr(arg, context)).collect::<Result<Vec<_>>>()?;
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type()).collect();
        self.function_name(call, &types)?;
        if !call.star && args.is_empty() {
            return Err(if name == "count" {
                error(
                    SqlState::WrongObjectType,
                    "count(*) must be used to call a parameterless aggregate function",
                    pos,
                )
            } else {
                undefined_function(name, &types, pos)
            });
        }
        if call.star && name != "count" {
            return Err(undefined_function(name, &types, pos));
        }
        let (function, arg_types, data_type) = registry::resolve_aggregate(name, &types)
            .unwrap_or_else(|| Err(undefined_function(name, &types, pos)))
            .map_err(|e| at(e, pos))?;
        // array_agg and min of an untyped literal: as text.
        args = args
            .into_iter()
            .zip(&arg_types)
            .zip(&call.args)
            .map(|((arg, to), source)| {
                let arg = if *to == DataType::Unknown { self.typed(arg, source.start)? } else { arg };
                self.argument(arg, to, source.start)
            })
            .collect::<Result<_>>()?;
        let filter = match &call.filter {
            Some(filter) => {
                let scalar = self.expr(filter, context.with_clause(Clause::Filter))?;
                Some(self.condition(scalar, "FILTER", filter.start)?)
            }
            None => None,
        };
        let order_by = self.aggregate_order(call, &args, context)?;
        // An order does not change these.
        let ordered = matches!(function, AggregateFunction::ArrayAgg | AggregateFunction::StringAgg);
        Ok(Aggregate {
            function,
            args,
            distinct: call.distinct,
            filter,
            order_by: if ordered { order_by } else { vec![] },
            data_type,
        })
    }

    fn aggregate_order(
        &self,
        call: &FunctionCall,
        args: &[HirScalar],
        context: Context<'_>,
    ) -> Result<Vec<(HirScalar, ColumnOrder)>> {
        let mut keys = Vec::new();
        for (index, item) in call.order_by.iter().enumerate() {
            let key = self.typed_expr(&item.expr, context)?;
            if call.distinct && !args.contains(&key) {
                return Err(error(
                    SqlState::InvalidColumnReference,
                    "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
                    item.expr.start,
                ));
            }
            keys.push((key, order(item, index)));
        }
        Ok(keys)
    }

    /// A set-returning function's column as a value of a select list.
    pub(crate) fn set_returning(
        &self,
        function: SetReturning,
        result: usize,
        name: &str,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        let allowed = matches!(context.clause, Clause::Select | Clause::OrderBy | Clause::GroupBy);
        let collector: &RefCell<Collector> = match context.collector {
            Some(collector) if allowed && !context.in_aggregate => collector,
            _ => {
                let place = if context.in_aggregate { "aggregate function calls" } else { context.clause.name() };
                let message = if context.in_aggregate {
                    "aggregate function calls cannot contain set-returning function calls".to_owned()
                } else {
                    format!("set-returning functions are not allowed in {place}")
                };
                return Err(error(SqlState::FeatureNotSupported, message, function.pos));
            }
        };
        let nested = function.args.iter().any(|arg| {
            let mut found = false;
            columns::visit_scalar(&mut arg.clone(), |leaf, _| {
                found |= matches!(leaf, Expr::Leaf(headwater_plan::hir::HirLeaf::Column { index, .. }) if *index >= SET_RETURNING_BASE);
            });
            found
        });
        if nested {
            return Err(unsupported(
                &format!("the set-returning function {name} of another one's result"),
                function.pos,
            ));
        }
        let mut types = function.types.clone();
        if function.ordinality {
            types.push(DataType::Int8);
        }
        let data_type = types[result].clone();
        let mut collector = collector.borrow_mut();
        let same = |known: &SetReturning| {
            known.function == function.function
                && known.args == function.args
                && known.ordinality == function.ordinality
        };
        let index = match collector.set_returning.iter().position(same) {
            Some(index) => index,
            None => {
                collector.set_returning.push(function);
                collector.set_returning.len() - 1
            }
        };
        Ok(column(0, SET_RETURNING_BASE + index * SET_RETURNING_STRIDE + result, data_type))
    }

    /// `(expression).field`: only of `information_schema._pg_expandarray`, which clients use.
    pub(crate) fn field(
        &self,
        base: &ast::Expr,
        field: Option<&Ident>,
        pos: Pos,
        context: Context<'_>,
    ) -> Result<HirScalar> {
        let (ExprKind::Function(call), Some(field)) = (&base.kind, field) else {
            return Err(unsupported("a composite type", pos));
        };
        if call.name.last().name != "_pg_expandarray" || call.args.len() != 1 {
            return Err(unsupported("a composite type", pos));
        }
        let result = match field.name.as_str() {
            "x" => 0,
            "n" => 1,
            other => {
                return Err(error(
                    SqlState::UndefinedColumn,
                    format!("could not identify column \"{other}\" in record data type"),
                    pos,
                ));
            }
        };
        let (function, _) = self.expand_array(call, context)?;
        let scalar = self.set_returning(function, result, "_pg_expandarray", context)?;
        Ok(if result == 1 { super::coerce::cast(scalar, &DataType::Int4, CastContext::Explicit) } else { scalar })
    }

    /// `_pg_expandarray(array)`: its elements and their numbers from 1.
    pub(crate) fn expand_array(&self, call: &FunctionCall, context: Context<'_>) -> Result<(SetReturning, Vec<Field>)> {
        let pos = call.name.pos();
        let arg = self.typed_expr(&call.args[0], context)?;
        let from = arg.data_type();
        let Some(element) = from.element() else {
            return Err(undefined_function(&call.name.display(), &[from], pos));
        };
        let array = DataType::Array(Box::new(element.clone()));
        let args = vec![self.coerce_as(arg, &array, CastContext::Explicit, pos)?];
        let fields = vec![Field::new("x", element.clone()), Field::new("n", DataType::Int8)];
        let function =
            SetReturning { function: TableFunction::Unnest, args, types: vec![element], ordinality: true, pos };
        Ok((function, fields))
    }
}

/// 42883.
pub(crate) fn undefined_function(name: &str, types: &[DataType], pos: Pos) -> SqlError {
    let types: Vec<String> = types
        .iter()
        .map(|t| if *t == DataType::Unknown { "unknown".to_owned() } else { t.without_modifier().sql_name() })
        .collect();
    error(SqlState::UndefinedFunction, format!("function {name}({}) does not exist", types.join(", ")), pos)
        .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// A sort key's direction; `column` is the key's ordinal.
pub(crate) fn order(item: &ast::OrderItem, column: usize) -> ColumnOrder {
    ColumnOrder { column, descending: item.descending, nulls_first: item.nulls_first.unwrap_or(item.descending) }
}
