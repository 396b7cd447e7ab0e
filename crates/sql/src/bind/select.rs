//! SELECT.

use super::call::order;
use super::expr::{Clause, Collector, Context, SET_RETURNING_BASE, SET_RETURNING_STRIDE, SetReturning};
use super::group::{Grouping, is_groupable};
use super::names::column_name;
use super::parts::{Output, Parts, SortKey, SortTarget, Unique};
use super::query::{output_named, output_position};
use super::scope::{Env, Scope, column};
use super::{Binder, error, unsupported};
use crate::ast::{self, ExprKind, Ident, OrderItem, Pos, Select, SelectItem};
use headwater_expr::Expr;
use headwater_plan::hir::{HirLeaf, HirRelation, HirScalar, JoinKind};
use headwater_types::{DataType, Result, SqlState};
use std::cell::RefCell;

impl Binder<'_> {
    /// Binds a SELECT with its ORDER BY.
    pub(crate) fn select(&self, select: &Select, order_by: &[OrderItem], env: &Env<'_>) -> Result<Parts> {
        let (mut relation, namespace) = self.from(&select.from, env)?;
        let scope = Scope::new(&namespace, env.outer);
        let collector = RefCell::new(Collector::default());
        let context = Context::new(Some(&scope), &env.ctes, Clause::Select);
        if let Some(filter) = &select.filter {
            relation = self.filter(relation, filter, context.with_clause(Clause::Where))?;
            scope.uses.borrow_mut().clear();
        }
        let collecting = context.collecting(&collector);
        let mut outputs = self.select_items(&select.items, collecting)?;
        let uses = scope.uses.borrow().clone();
        let groups = match &select.group_by {
            Some(items) => Some(self.group_keys(items, &outputs, context.with_clause(Clause::GroupBy))?),
            None => None,
        };
        // Errors about ungrouped columns point into the select list, not into GROUP BY.
        *scope.uses.borrow_mut() = uses;
        let mut having = match &select.having {
            Some(having) => {
                let scalar = self.expr(having, collecting.with_clause(Clause::Having))?;
                Some(self.condition(scalar, "HAVING", having.start)?)
            }
            None => None,
        };
        let mut unique = self.unique(select, &outputs, collecting)?;
        let mut order = self.order_by(order_by, &outputs, &unique, collecting)?;
        if let Some(pos) = select.window {
            return Err(unsupported("WINDOW", pos));
        }
        let mut width = namespace.width;
        let Collector { aggregates, mut set_returning } = collector.take();
        if groups.is_some() || having.is_some() || !aggregates.is_empty() {
            let mut grouping = Grouping::new(groups.unwrap_or_default());
            grouping.add_determined(self, &namespace);
            let outputs = outputs.iter_mut().map(|output| &mut output.scalar);
            let keys = order.iter_mut().filter_map(|key| match &mut key.target {
                SortTarget::Scalar(scalar) => Some(scalar),
                SortTarget::Output(_) => None,
            });
            let ons = match &mut unique {
                Unique::On(scalars) => scalars.as_mut_slice(),
                _ => &mut [],
            };
            let functions = set_returning.iter_mut().flat_map(|function| &mut function.args);
            let scalars = outputs.chain(keys).chain(ons).chain(functions).chain(&mut having);
            grouping.rewrite_all(scalars, &scope)?;
            (relation, width) = grouping.aggregate(relation, width, aggregates);
        }
        if let Some(having) = having {
            relation = HirRelation::Filter { input: Box::new(relation), predicates: vec![having] };
        }
        if !set_returning.is_empty() {
            let (right, starts, columns) = self.side_by_side(set_returning)?;
            let base = width;
            width += columns;
            relation = HirRelation::Join {
                left: Box::new(relation),
                right: Box::new(right),
                on: Box::new(super::coerce::truth()),
                kind: JoinKind::Inner,
                lateral: true,
            };
            let place = |scalar: &mut HirScalar| {
                super::columns::visit_scalar(scalar, |leaf, depth| {
                    if let Expr::Leaf(HirLeaf::Column { level, index, .. }) = leaf
                        && *level == depth
                        && *index >= SET_RETURNING_BASE
                    {
                        let function = (*index - SET_RETURNING_BASE) / SET_RETURNING_STRIDE;
                        let result = (*index - SET_RETURNING_BASE) % SET_RETURNING_STRIDE;
                        *index = base + starts[function] + result;
                    }
                });
            };
            outputs.iter_mut().for_each(|output| place(&mut output.scalar));
            for key in &mut order {
                if let SortTarget::Scalar(scalar) = &mut key.target {
                    place(scalar);
                }
            }
        }
        self.check_groupable(&outputs, &unique)?;
        Ok(Parts { relation, width, outputs, order, unique, limit: None, offset: None, ctes: vec![] })
    }

    fn check_groupable(&self, outputs: &[Output], unique: &Unique) -> Result<()> {
        if !matches!(unique, Unique::Rows) {
            return Ok(());
        }
        match outputs.iter().find(|output| !is_groupable(&output.scalar.data_type())) {
            Some(output) => Err(no_equality(&output.scalar.data_type(), output.pos)),
            None => Ok(()),
        }
    }

    /// WHERE: its conjuncts as predicates.
    pub(crate) fn filter(
        &self,
        relation: HirRelation,
        filter: &ast::Expr,
        context: Context<'_>,
    ) -> Result<HirRelation> {
        let scalar = self.expr(filter, context)?;
        let predicate = self.condition(scalar, context.clause.name(), filter.start)?;
        let predicates = match predicate {
            Expr::And(predicates) => predicates,
            other => vec![other],
        };
        Ok(HirRelation::Filter { input: Box::new(relation), predicates })
    }

    /// The outputs of a select list; RETURNING's too.
    pub(crate) fn select_items(&self, items: &[SelectItem], context: Context<'_>) -> Result<Vec<Output>> {
        let mut outputs = Vec::with_capacity(items.len());
        for item in items {
            match &item.expr.kind {
                ExprKind::Star(qualifier) => self.star(qualifier, item.expr.pos, context, &mut outputs)?,
                ExprKind::Column(parts) => {
                    let found = self.column(parts, context.scope)?;
                    outputs.push(Output {
                        scalar: found.scalar,
                        name: column_name(item),
                        pos: item.expr.start,
                        origin: found.origin,
                    });
                }
                _ => {
                    let scalar = self.expr(&item.expr, context)?;
                    outputs.push(Output { scalar, name: column_name(item), pos: item.expr.start, origin: None });
                }
            }
        }
        Ok(outputs)
    }

    /// `*` and `t.*`.
    fn star(&self, qualifier: &[Ident], pos: Pos, context: Context<'_>, outputs: &mut Vec<Output>) -> Result<()> {
        let mut add = |scope: &Scope<'_>, level: usize, columns: &[super::scope::ScopeColumn]| {
            for found in columns.iter().filter(|column| !column.hidden) {
                scope.uses.borrow_mut().push(super::scope::Use { index: found.index, pos });
                outputs.push(Output {
                    scalar: column(level, found.index, found.data_type.clone()),
                    name: found.name.clone(),
                    pos,
                    origin: found.origin,
                });
            }
        };
        match qualifier {
            [] => {
                let scope = context.scope.filter(|scope| !scope.namespace.items.is_empty()).ok_or_else(|| {
                    error(SqlState::SyntaxError, "SELECT * with no tables specified is not valid", pos)
                })?;
                for item in scope.namespace.items.iter().filter(|item| item.bare) {
                    add(scope, 0, &item.columns);
                }
            }
            [.., table] => {
                let schema = qualifier.len().checked_sub(2).map(|index| &qualifier[index]);
                let (scope, item, level) = self.item(schema, table, context.scope)?;
                add(scope, level, &item.columns);
            }
        }
        Ok(())
    }

    /// The group expressions: positions, columns of FROM, else outputs by name.
    fn group_keys(&self, items: &[ast::Expr], outputs: &[Output], context: Context<'_>) -> Result<Vec<HirScalar>> {
        let mut keys = Vec::new();
        for item in items {
            self.group_key(item, outputs, context, &mut keys)?;
        }
        Ok(keys)
    }

    fn group_key(
        &self,
        item: &ast::Expr,
        outputs: &[Output],
        context: Context<'_>,
        keys: &mut Vec<HirScalar>,
    ) -> Result<()> {
        let pos = item.start;
        let scalar = match &item.kind {
            ExprKind::Row(items) => {
                return items.iter().try_for_each(|item| self.group_key(item, outputs, context, keys));
            }
            ExprKind::Number(digits) => {
                outputs[output_position(digits, outputs.len(), "GROUP BY", pos)?].scalar.clone()
            }
            ExprKind::String(_) | ExprKind::Null | ExprKind::Bool(_) => {
                return Err(error(SqlState::SyntaxError, "non-integer constant in GROUP BY", pos));
            }
            ExprKind::Column(parts) if parts.len() == 1 => {
                // An output's name where FROM has no such column, or several (RisingWave).
                let name = &parts[0].name;
                let columns = context
                    .scope
                    .map_or(0, |scope| scope.namespace.bare_columns().filter(|column| column.name == *name).count());
                let named = outputs.iter().find(|output| output.name == *name);
                match named {
                    Some(output) if columns != 1 => output.scalar.clone(),
                    _ => self.typed_expr(item, context)?,
                }
            }
            _ => self.typed_expr(item, context)?,
        };
        let mut aggregated = false;
        let mut set_returning = false;
        super::columns::visit_scalar(&mut scalar.clone(), |leaf, depth| {
            if let Expr::Leaf(HirLeaf::Column { level, index, .. }) = leaf {
                set_returning |= *level == depth && *index >= SET_RETURNING_BASE;
                aggregated |= *level == depth && (super::expr::AGGREGATE_BASE..SET_RETURNING_BASE).contains(index);
            }
        });
        if aggregated {
            return Err(error(SqlState::GroupingError, "aggregate functions are not allowed in GROUP BY", pos));
        }
        if set_returning {
            return Err(unsupported("GROUP BY a set-returning function", pos));
        }
        let scalar = self.typed(scalar, pos)?;
        if !is_groupable(&scalar.data_type()) {
            return Err(no_equality(&scalar.data_type(), pos));
        }
        keys.push(scalar);
        Ok(())
    }

    /// Set-returning functions of one select list, in step: row n has each one's n-th result, NULLs where it has no more.
    /// The relation, where each function's columns start, and how many columns there are.
    fn side_by_side(&self, functions: Vec<SetReturning>) -> Result<(HirRelation, Vec<usize>, usize)> {
        let several = functions.len() > 1;
        let mut starts = Vec::with_capacity(functions.len());
        let mut columns = 0;
        // The relation so far, and the column of its row numbers.
        let mut sides: Option<(HirRelation, usize)> = None;
        for function in functions {
            starts.push(columns);
            let ordinality = function.ordinality || several;
            let number = columns + function.types.len();
            let width = function.types.len() + usize::from(ordinality);
            let right = HirRelation::TableFunction {
                function: function.function,
                args: function.args.into_iter().map(super::columns::shift_in).collect(),
                types: function.types,
                ordinality,
            };
            columns += width;
            sides = Some(match sides {
                None => (right, number),
                Some((left, left_number)) => {
                    let numbers = || [column(0, left_number, DataType::Int8), column(0, number, DataType::Int8)];
                    let [a, b] = numbers();
                    let same_row = self.operator("=", (a, function.pos), (b, function.pos), function.pos)?;
                    let joined = HirRelation::Join {
                        left: Box::new(left),
                        right: Box::new(right),
                        on: Box::new(same_row),
                        kind: JoinKind::Full,
                        lateral: false,
                    };
                    let scalars = vec![Expr::Coalesce(numbers().into())];
                    columns += 1;
                    (HirRelation::Map { input: Box::new(joined), scalars }, columns - 1)
                }
            });
        }
        let relation = sides.map_or_else(super::scope::one_row, |(relation, _)| relation);
        Ok((relation, starts, columns))
    }

    fn unique(&self, select: &Select, outputs: &[Output], context: Context<'_>) -> Result<Unique> {
        Ok(match &select.distinct {
            None => Unique::No,
            Some(ast::Distinct::Rows) => Unique::Rows,
            Some(ast::Distinct::On(items)) => {
                let context = context.with_clause(Clause::DistinctOn);
                let scalars = items
                    .iter()
                    .map(|item| match self.output_of(item, outputs, "DISTINCT ON")? {
                        Some(index) => self.typed(outputs[index].scalar.clone(), item.start),
                        None => self.typed_expr(item, context),
                    })
                    .collect::<Result<_>>()?;
                Unique::On(scalars)
            }
        })
    }

    /// The output that an item of ORDER BY or DISTINCT ON names.
    fn output_of(&self, item: &ast::Expr, outputs: &[Output], clause: &str) -> Result<Option<usize>> {
        match &item.kind {
            ExprKind::Number(digits) => output_position(digits, outputs.len(), clause, item.start).map(Some),
            ExprKind::String(_) | ExprKind::Null | ExprKind::Bool(_) => {
                Err(error(SqlState::SyntaxError, format!("non-integer constant in {clause}"), item.start))
            }
            ExprKind::Column(parts) if parts.len() == 1 => output_named(outputs, &parts[0].name, item.start),
            _ => Ok(None),
        }
    }

    fn order_by(
        &self,
        items: &[OrderItem],
        outputs: &[Output],
        unique: &Unique,
        context: Context<'_>,
    ) -> Result<Vec<SortKey>> {
        let context = context.with_clause(Clause::OrderBy);
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let pos = item.expr.start;
            let target = match self.output_of(&item.expr, outputs, "ORDER BY")? {
                Some(index) => SortTarget::Output(index),
                None => {
                    let scalar = self.typed_expr(&item.expr, context)?;
                    match outputs.iter().position(|output| output.scalar == scalar) {
                        Some(index) => SortTarget::Output(index),
                        None if matches!(unique, Unique::Rows) => {
                            return Err(error(
                                SqlState::InvalidColumnReference,
                                "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                                pos,
                            ));
                        }
                        None => SortTarget::Scalar(scalar),
                    }
                }
            };
            let data_type = match &target {
                SortTarget::Output(index) => outputs[*index].scalar.data_type(),
                SortTarget::Scalar(scalar) => scalar.data_type(),
            };
            if !is_groupable(&data_type) {
                return Err(error(
                    SqlState::UndefinedFunction,
                    format!("could not identify an ordering operator for type {}", data_type.sql_name()),
                    pos,
                )
                .with_hint("Use an explicit ordering operator or modify the query."));
            }
            keys.push(SortKey { target, order: order(item, 0), pos });
        }
        Ok(keys)
    }
}

fn no_equality(data_type: &DataType, pos: Pos) -> headwater_types::SqlError {
    error(
        SqlState::UndefinedFunction,
        format!("could not identify an equality operator for type {}", data_type.sql_name()),
        pos,
    )
}
