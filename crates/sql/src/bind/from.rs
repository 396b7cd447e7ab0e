//! FROM: tables, views, subqueries, functions, joins, time windows.

use super::columns::{is_correlated, shift_out};
use super::expr::{Clause, Context};
use super::parts::into_relation;
use super::scope::{Env, Namespace, Scope, ScopeColumn, ScopeItem, column, one_row};
use super::{Binder, at, error, unsupported};
use crate::ast::{self, Alias, ExprKind, FromItem, FunctionCall, Ident, JoinCondition, Name, Pos};
use headwater_catalog::{RelationRef, View};
use headwater_expr::{Expr, registry};
use headwater_plan::hir::{HirRelation, HirScalar, JoinKind};
use headwater_types::{DataType, Field, Result, SqlState};

/// A bound item of FROM.
pub(crate) type Bound = (HirRelation, Namespace);

impl Binder<'_> {
    /// The relation of a whole FROM, and what its names mean.
    pub(crate) fn from(&self, items: &[FromItem], env: &Env<'_>) -> Result<Bound> {
        let Some((first, rest)) = items.split_first() else { return Ok((one_row(), Namespace::default())) };
        let mut left = self.item_bound(first, env)?;
        for item in rest {
            left = self.cross(left, item, env)?;
        }
        Ok(left)
    }

    /// `left, item`.
    pub(crate) fn cross(&self, left: Bound, item: &FromItem, env: &Env<'_>) -> Result<Bound> {
        let (left_relation, mut namespace) = left;
        let (right_relation, right_namespace, lateral) = self.right_side(item, &namespace, env)?;
        namespace.append(right_namespace)?;
        let relation = HirRelation::Join {
            left: Box::new(left_relation),
            right: Box::new(right_relation),
            on: Box::new(super::coerce::truth()),
            kind: JoinKind::Inner,
            lateral,
        };
        Ok((relation, namespace))
    }

    /// An item to the right of others: whether it uses their columns.
    fn right_side(&self, item: &FromItem, left: &Namespace, env: &Env<'_>) -> Result<(HirRelation, Namespace, bool)> {
        if !may_be_lateral(item) {
            let (relation, namespace) = self.item_bound(item, env)?;
            return Ok((relation, namespace, false));
        }
        let scope = Scope::new(left, env.outer);
        let inner = Env { outer: Some(&scope), ctes: env.ctes.clone() };
        let (mut relation, namespace) = self.item_bound(item, &inner)?;
        if is_correlated(&mut relation) {
            return Ok((relation, namespace, true));
        }
        shift_out(&mut relation);
        Ok((relation, namespace, false))
    }

    fn item_bound(&self, item: &FromItem, env: &Env<'_>) -> Result<Bound> {
        self.deeper(|| match item {
            FromItem::Table { name, alias } => self.table(name, alias.as_ref(), env),
            FromItem::Subquery { query, alias, .. } => {
                let query = self.query(query, env)?;
                let fields = query.schema.clone();
                let origins = query.origins.clone();
                let relation = into_relation(query);
                let pos = alias.as_ref().map_or(0, |alias| alias.name.pos);
                let mut scope_item = item_of(None, &fields, pos);
                for (column, origin) in scope_item.columns.iter_mut().zip(origins) {
                    column.origin = origin;
                }
                Ok((relation, self.aliased(scope_item, alias.as_ref())?))
            }
            FromItem::Function { call, ordinality, alias } => self.function(call, *ordinality, alias.as_ref(), env),
            FromItem::Join { left, right, kind, condition, alias, pos } => {
                let bound = self.join(left, right, *kind, condition, *pos, env)?;
                match alias {
                    None => Ok(bound),
                    Some(alias) => self.aliased_join(bound, alias),
                }
            }
            FromItem::Unsupported(what, pos) => Err(unsupported(what, *pos)),
        })
    }

    /// The relation of a name.
    ///
    /// # Errors
    ///
    /// 42P01 `relation "x" does not exist`.
    pub(crate) fn relation(&self, name: &Name) -> Result<RelationRef> {
        let missing =
            || error(SqlState::UndefinedTable, format!("relation \"{}\" does not exist", name.display()), name.pos());
        let (schema, last) = self.split_name(name)?;
        let relation = self.catalog.resolve(schema, last, &self.settings.search_path).ok_or_else(missing)?;
        self.name_relation(relation.id());
        Ok(relation)
    }

    /// A relation's name: schema and name.
    ///
    /// # Errors
    ///
    /// 0A000 for another database's; 42601 for too many parts.
    pub(crate) fn split_name<'n>(&self, name: &'n Name) -> Result<(Option<&'n str>, &'n str)> {
        match name.parts.as_slice() {
            [last] => Ok((None, &last.name)),
            [schema, last] => Ok((Some(&schema.name), &last.name)),
            [database, schema, last] if database.name == self.settings.database => Ok((Some(&schema.name), &last.name)),
            [_, _, _] => Err(error(
                SqlState::FeatureNotSupported,
                format!("cross-database references are not implemented: \"{}\"", name.display()),
                name.pos(),
            )),
            _ => Err(error(
                SqlState::SyntaxError,
                format!("improper relation name (too many dotted names): {}", name.display()),
                name.pos(),
            )),
        }
    }

    fn table(&self, name: &Name, alias: Option<&Alias>, env: &Env<'_>) -> Result<Bound> {
        if let [only] = name.parts.as_slice()
            && let Some(cte) = env.cte(&only.name)
        {
            let fields: Vec<Field> = cte.columns.iter().map(|(n, t)| Field::new(n, t.clone())).collect();
            let types = fields.iter().map(|field| field.data_type.clone()).collect();
            let item = item_of(Some(&only.name), &fields, only.pos);
            return Ok((HirRelation::LocalGet { id: cte.id, types }, self.aliased(item, alias)?));
        }
        let relation = self.relation(name)?;
        let (hir, item) = self.relation_item(&relation, name.pos())?;
        Ok((hir, self.aliased(item, alias)?))
    }

    /// A relation of the catalog as an item of FROM, under its own name.
    pub(crate) fn relation_item(&self, relation: &RelationRef, pos: Pos) -> Result<(HirRelation, ScopeItem)> {
        let fields = relation.fields();
        let mut item = item_of(Some(relation.name()), &fields, pos);
        item.schema = Some(relation.schema().to_owned());
        item.relation = Some(relation.id());
        for (index, column) in item.columns.iter_mut().enumerate() {
            column.hidden = relation.is_hidden(index);
            column.origin = i16::try_from(index + 1).ok().map(|number| (relation.id(), number));
        }
        let hir = match relation {
            RelationRef::View(view) => self.view(view, pos)?,
            _ => HirRelation::Get {
                relation: relation.id(),
                types: fields.into_iter().map(|field| field.data_type).collect(),
            },
        };
        Ok((hir, item))
    }

    /// A view is its query, under the settings of its creation.
    fn view(&self, view: &View, pos: Pos) -> Result<HirRelation> {
        let within = |e| at(super::coerce::without_position(e), pos);
        let binder = self.for_view(&view.settings).map_err(within)?;
        let statements = crate::parse_script(&view.sql).map_err(within)?;
        let query = match statements.first().map(crate::Statement::ast).transpose()? {
            Some(ast::Statement::Query(query)) => binder.query(query, &Env::default()).map_err(within)?,
            _ => return Err(headwater_types::SqlError::internal(format!("view {} has no query", view.name))),
        };
        let types: Vec<DataType> = query.schema.iter().map(|field| field.data_type.clone()).collect();
        let expected: Vec<DataType> = view.columns.iter().map(|field| field.data_type.clone()).collect();
        if types != expected {
            return Err(headwater_types::SqlError::internal(format!(
                "the columns of view {} have changed since its creation",
                view.name
            )));
        }
        Ok(into_relation(query))
    }

    /// The namespace of one item, renamed by its alias.
    fn aliased(&self, mut item: ScopeItem, alias: Option<&Alias>) -> Result<Namespace> {
        let width = item.columns.len();
        if let Some(alias) = alias {
            let available = item.columns.iter().filter(|column| !column.hidden).count();
            if alias.columns.len() > available {
                return Err(headwater_types::SqlError::new(
                    SqlState::InvalidColumnReference,
                    format!(
                        "table \"{}\" has {available} columns available but {} columns specified",
                        alias.name.name,
                        alias.columns.len()
                    ),
                ));
            }
            for (column, name) in item.columns.iter_mut().filter(|column| !column.hidden).zip(&alias.columns) {
                column.name.clone_from(&name.name);
            }
            item.hidden_name = item.name.take().filter(|name| *name != alias.name.name);
            item.name = Some(alias.name.name.clone());
            item.schema = None;
            item.pos = alias.name.pos;
        }
        Ok(Namespace { items: vec![item], width })
    }

    /// `(a JOIN b …) AS j`: the join's columns under one name.
    fn aliased_join(&self, (relation, namespace): Bound, alias: &Alias) -> Result<Bound> {
        let mut columns: Vec<ScopeColumn> = namespace.bare_columns().filter(|column| !column.hidden).cloned().collect();
        for (column, name) in columns.iter_mut().zip(&alias.columns) {
            column.name.clone_from(&name.name);
        }
        let item = ScopeItem {
            name: Some(alias.name.name.clone()),
            schema: None,
            hidden_name: None,
            relation: None,
            columns,
            bare: true,
            pos: alias.name.pos,
        };
        Ok((relation, Namespace { items: vec![item], width: namespace.width }))
    }

    fn function(&self, call: &ast::Expr, ordinality: bool, alias: Option<&Alias>, env: &Env<'_>) -> Result<Bound> {
        let pos = call.start;
        if let ExprKind::Function(function) = &call.kind {
            let name = &function.name;
            if name.parts.len() == 1 && matches!(name.parts[0].name.as_str(), "tumble" | "hop") {
                return self.window_function(function, alias, env);
            }
            if let Some(position) = function.over {
                return Err(error(
                    SqlState::WindowingError,
                    "window functions are not allowed in functions in FROM",
                    position,
                ));
            }
        }
        let context = Context::new(env.outer, &env.ctes, Clause::FromFunction);
        let (name, mut fields, relation) = self.function_relation(call, ordinality, context)?;
        if let (Some(alias), [only]) = (alias, fields.as_mut_slice()) {
            // A function of one column is called as its alias.
            only.name.clone_from(&alias.name.name);
        }
        if ordinality {
            fields.push(Field::new("ordinality", DataType::Int8));
        }
        let item = item_of(Some(&name), &fields, pos);
        Ok((relation, self.aliased(item, alias)?))
    }

    /// A function's name, its own columns, and the relation.
    fn function_relation(
        &self,
        call: &ast::Expr,
        ordinality: bool,
        context: Context<'_>,
    ) -> Result<(String, Vec<Field>, HirRelation)> {
        let scalar_relation = |name: String, scalar: HirScalar| {
            let data_type = scalar.data_type();
            let mut scalars = vec![scalar];
            if ordinality {
                scalars.push(Expr::Literal(headwater_types::Datum::Int8(1), DataType::Int8));
            }
            // The function is computed one scope further in than a column of the relation would be.
            let relation = HirRelation::Map { input: Box::new(one_row()), scalars };
            Ok((name.clone(), vec![Field::new(name, data_type)], relation))
        };
        let inner_scope = Namespace::default();
        let scope = Scope::new(&inner_scope, context.scope);
        let inner = Context { scope: Some(&scope), ..context };
        let ExprKind::Function(function) = &call.kind else {
            let name = super::names::column_name(&ast::SelectItem { expr: call.clone(), alias: None });
            return scalar_relation(name, self.typed_expr(call, inner)?);
        };
        let name = function.name.last().name.clone();
        if name == "_pg_expandarray" && function.args.len() == 1 {
            let (expanded, fields) = self.expand_array(function, inner)?;
            let relation = HirRelation::TableFunction {
                function: expanded.function,
                args: expanded.args,
                types: expanded.types,
                ordinality: true,
            };
            return Ok((name, fields, relation));
        }
        let args = function.args.iter().map(|arg| self.expr(arg, inner)).collect::<Result<Vec<_>>>()?;
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type()).collect();
        match registry::resolve_table_function(&name, &types) {
            Some(resolved) => {
                let resolved = resolved.map_err(|e| at(e, call.pos))?;
                let args = args
                    .into_iter()
                    .zip(&resolved.arg_types)
                    .zip(&function.args)
                    .map(|((arg, to), source)| self.argument(arg, to, source.start))
                    .collect::<Result<_>>()?;
                let types = resolved.columns.iter().map(|field| field.data_type.clone()).collect();
                let relation = HirRelation::TableFunction { function: resolved.function, args, types, ordinality };
                Ok((name, resolved.columns, relation))
            }
            None => scalar_relation(name, self.typed_expr(call, inner)?),
        }
    }

    /// `TUMBLE(relation, column, size [, offset])`: the relation's columns, then `window_start` and `window_end`.
    fn window_function(&self, call: &FunctionCall, alias: Option<&Alias>, env: &Env<'_>) -> Result<Bound> {
        let pos = call.name.pos();
        if call.name.parts[0].name == "hop" {
            return Err(unsupported("HOP", pos));
        }
        let (table, time, size, offset) = match call.args.as_slice() {
            [table, time, size] => (table, time, size, None),
            [table, time, size, offset] => (table, time, size, Some(offset)),
            _ => {
                return Err(error(
                    SqlState::SyntaxError,
                    "TUMBLE takes a relation, a time column, a size and perhaps an offset",
                    pos,
                ));
            }
        };
        let ExprKind::Column(parts) = &table.kind else {
            return Err(error(SqlState::SyntaxError, "the first argument of TUMBLE must be a relation", table.start));
        };
        let (input, mut namespace) = self.table(&Name { parts: parts.clone() }, None, env)?;
        let scope = Scope::new(&namespace, env.outer);
        let context = Context::new(Some(&scope), &env.ctes, Clause::FromFunction);
        if !matches!(time.kind, ExprKind::Column(_)) {
            return Err(error(SqlState::SyntaxError, "the second argument of TUMBLE must be a column", time.start));
        }
        let mut time_scalar = self.expr(time, context)?;
        if time_scalar.data_type() == DataType::Date {
            time_scalar = self.coerce(time_scalar, &DataType::Timestamp, time.start)?;
        }
        let window_type = time_scalar.data_type();
        if !matches!(window_type, DataType::Timestamp | DataType::Timestamptz) {
            return Err(error(
                SqlState::DatatypeMismatch,
                format!(
                    "the second argument of TUMBLE must be a date, timestamp or timestamp with time zone, not type {}",
                    window_type.sql_name()
                ),
                time.start,
            ));
        }
        let interval = |expr: &ast::Expr| -> Result<HirScalar> {
            let scalar = self.expr(expr, context)?;
            self.specific(scalar, &DataType::Interval, "TUMBLE", expr.start)
        };
        let size_scalar = interval(size)?;
        let mut args = vec![time_scalar, size_scalar.clone()];
        if let Some(offset) = offset {
            args.push(interval(offset)?);
        }
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type()).collect();
        let resolved = registry::resolve_function("tumble_start", &types).map_err(|e| at(e, pos))?;
        let start = Expr::Call { function: resolved.function, args, data_type: resolved.data_type };
        let width = namespace.width;
        let with_start = HirRelation::Map { input: Box::new(input), scalars: vec![start] };
        let end = self.operator("+", (column(0, width, window_type.clone()), pos), (size_scalar, size.start), pos)?;
        let relation = HirRelation::Map { input: Box::new(with_start), scalars: vec![end] };
        let mut item = namespace.items.pop().expect("a table is one item");
        for (offset, name) in ["window_start", "window_end"].into_iter().enumerate() {
            item.columns.push(ScopeColumn {
                name: name.to_owned(),
                index: width + offset,
                data_type: window_type.clone(),
                hidden: false,
                origin: None,
            });
        }
        // The key of the table is not that of the windows' relation as PostgreSQL would see it, but still determines it.
        Ok((relation, self.aliased(item, alias)?))
    }

    fn join(
        &self,
        left: &FromItem,
        right: &FromItem,
        kind: ast::JoinKind,
        condition: &JoinCondition,
        pos: Pos,
        env: &Env<'_>,
    ) -> Result<Bound> {
        let (left_relation, left_namespace) = self.item_bound(left, env)?;
        let (right_relation, right_namespace, lateral) = self.right_side(right, &left_namespace, env)?;
        let hir_kind = match kind {
            ast::JoinKind::Inner => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            ast::JoinKind::Right => JoinKind::Right,
            ast::JoinKind::Full => JoinKind::Full,
        };
        if lateral && matches!(hir_kind, JoinKind::Right | JoinKind::Full) {
            return Err(error(
                SqlState::InvalidColumnReference,
                "invalid reference to FROM-clause entry: the combining JOIN type must be INNER or LEFT for a LATERAL reference",
                pos,
            ));
        }
        let join = |on: HirScalar| HirRelation::Join {
            left: Box::new(left_relation),
            right: Box::new(right_relation),
            on: Box::new(on),
            kind: hir_kind,
            lateral,
        };
        let using: Vec<Ident> = match condition {
            JoinCondition::Cross | JoinCondition::On(_) => {
                let mut namespace = left_namespace;
                namespace.append(right_namespace)?;
                let on = match condition {
                    JoinCondition::On(expr) => {
                        let scope = Scope::new(&namespace, env.outer);
                        let context = Context::new(Some(&scope), &env.ctes, Clause::JoinOn);
                        let scalar = self.expr(expr, context)?;
                        self.condition(scalar, "JOIN/ON", expr.start)?
                    }
                    _ => super::coerce::truth(),
                };
                return Ok((join(on), namespace));
            }
            JoinCondition::Using(_, Some(alias)) => return Err(unsupported("USING … AS", alias.pos)),
            JoinCondition::Using(columns, None) => columns.clone(),
            JoinCondition::Natural => left_namespace
                .bare_columns()
                .filter(|column| !column.hidden)
                .filter(|column| right_namespace.bare_columns().any(|other| !other.hidden && other.name == column.name))
                .map(|column| Ident { name: column.name.clone(), pos })
                .collect(),
        };
        self.join_using(left_namespace, right_namespace, &using, kind, join)
    }

    fn join_using(
        &self,
        left: Namespace,
        right: Namespace,
        using: &[Ident],
        kind: ast::JoinKind,
        join: impl FnOnce(HirScalar) -> HirRelation,
    ) -> Result<Bound> {
        let shift = left.width;
        let mut conditions = Vec::new();
        let mut merged = Vec::new();
        let mut computed = Vec::new();
        let width = left.width + right.width;
        for name in using {
            let mine = side_column(&left, name, "left")?;
            let other = side_column(&right, name, "right")?;
            let left_scalar = column(0, mine.index, mine.data_type.clone());
            let right_scalar = column(0, other.index + shift, other.data_type.clone());
            conditions.push(self.operator(
                "=",
                (left_scalar.clone(), name.pos),
                (right_scalar.clone(), name.pos),
                name.pos,
            )?);
            let (index, data_type, origin) = match kind {
                ast::JoinKind::Right => (other.index + shift, other.data_type.clone(), other.origin),
                ast::JoinKind::Full => {
                    let (args, common) =
                        self.unify("JOIN/USING", vec![(left_scalar, name.pos), (right_scalar, name.pos)])?;
                    computed.push(Expr::Coalesce(args));
                    (width + computed.len() - 1, common, None)
                }
                _ => (mine.index, mine.data_type.clone(), mine.origin),
            };
            merged.push(ScopeColumn { name: name.name.clone(), index, data_type, hidden: false, origin });
        }
        let rest = |namespace: &Namespace, shift: usize| -> Vec<ScopeColumn> {
            namespace
                .bare_columns()
                .filter(|column| !using.iter().any(|name| name.name == column.name))
                .map(|column| ScopeColumn { index: column.index + shift, ..column.clone() })
                .collect()
        };
        let mut columns = merged;
        columns.extend(rest(&left, 0));
        columns.extend(rest(&right, shift));
        let mut relation = join(super::coerce::all_of(conditions));
        let mut namespace = left;
        namespace.append(right)?;
        if !computed.is_empty() {
            namespace.width += computed.len();
            relation = HirRelation::Map { input: Box::new(relation), scalars: computed };
        }
        namespace.items.iter_mut().for_each(|item| item.bare = false);
        namespace.items.push(ScopeItem {
            name: None,
            schema: None,
            hidden_name: None,
            relation: None,
            columns,
            bare: true,
            pos: 0,
        });
        Ok((relation, namespace))
    }
}

/// Subqueries marked so and functions may use the columns to their left.
fn may_be_lateral(item: &FromItem) -> bool {
    match item {
        FromItem::Subquery { lateral, .. } => *lateral,
        FromItem::Function { .. } => true,
        FromItem::Join { left, right, .. } => may_be_lateral(left) || may_be_lateral(right),
        FromItem::Table { .. } | FromItem::Unsupported(..) => false,
    }
}

fn side_column<'n>(namespace: &'n Namespace, name: &Ident, side: &str) -> Result<&'n ScopeColumn> {
    let mut matches = namespace.bare_columns().filter(|column| column.name == name.name);
    let first = matches.next().ok_or_else(|| {
        error(
            SqlState::UndefinedColumn,
            format!("column \"{}\" specified in USING clause does not exist in {side} table", name.name),
            name.pos,
        )
    })?;
    if matches.next().is_some() {
        return Err(error(
            SqlState::AmbiguousColumn,
            format!("common column name \"{}\" appears more than once in {side} table", name.name),
            name.pos,
        ));
    }
    Ok(first)
}

/// An item of these columns.
fn item_of(name: Option<&str>, fields: &[Field], pos: Pos) -> ScopeItem {
    let columns = fields
        .iter()
        .enumerate()
        .map(|(index, field)| ScopeColumn {
            name: field.name.clone(),
            index,
            data_type: field.data_type.clone(),
            hidden: false,
            origin: None,
        })
        .collect();
    ScopeItem {
        name: name.map(str::to_owned),
        schema: None,
        hidden_name: None,
        relation: None,
        columns,
        bare: true,
        pos,
    }
}
