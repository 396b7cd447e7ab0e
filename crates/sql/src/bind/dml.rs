//! INSERT, UPDATE, DELETE.

use super::expr::{Clause, Context};
use super::parts::{Output, into_relation};
use super::scope::{Env, Namespace, Scope, ScopeItem, column};
use super::{Binder, at, error, unsupported};
use crate::ast::{self, Assignment, ConflictTarget, ExprKind, FromItem, Ident, Name, Pos, SelectItem};
use crate::bound::{BoundStatement, Check, Delete, Insert, InsertSource, OnConflict, Returning, Update};
use headwater_catalog::{RelationRef, Table};
use headwater_expr::Expr;
use headwater_plan::hir::{HirLeaf, HirQuery, HirRelation, HirScalar};
use headwater_types::{DataType, Datum, Field, Result, SqlError, SqlState};
use std::sync::Arc;

/// What a statement does to its target, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Insert,
    Update,
    Delete,
    Copy,
    Truncate,
}

impl Binder<'_> {
    /// The table that a change names.
    ///
    /// # Errors
    ///
    /// 42P01; 55000, 42809, 42501 for what is no table.
    pub(crate) fn target(&self, name: &Name, verb: Verb) -> Result<Arc<Table>> {
        match self.relation(name)? {
            RelationRef::Table(table) => Ok(table),
            RelationRef::View(view) => Err(no_view(&view.name, verb)),
            RelationRef::MaterializedView(view) => Err(SqlError::new(
                SqlState::WrongObjectType,
                match verb {
                    Verb::Copy => format!("cannot copy to materialized view \"{}\"", view.name),
                    Verb::Truncate => format!("\"{}\" is not a table", view.name),
                    _ => format!("cannot change materialized view \"{}\"", view.name),
                },
            )),
            RelationRef::System(relation) => Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied: \"{}\" is a system catalog", relation.name),
            )),
        }
    }

    /// A named column of a table, hidden ones apart.
    pub(crate) fn table_column(&self, table: &Table, name: &Ident) -> Result<usize> {
        let found = table.visible_columns().find(|(_, column)| column.name == name.name);
        found.map(|(ordinal, _)| ordinal).ok_or_else(|| {
            error(
                SqlState::UndefinedColumn,
                format!("column \"{}\" of relation \"{}\" does not exist", name.name, table.name),
                name.pos,
            )
        })
    }

    /// The columns that a list names, or all of them.
    pub(crate) fn table_columns(&self, table: &Table, names: &[Ident]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok(table.visible_columns().map(|(ordinal, _)| ordinal).collect());
        }
        let mut ordinals = Vec::with_capacity(names.len());
        for name in names {
            let ordinal = self.table_column(table, name)?;
            if ordinals.contains(&ordinal) {
                return Err(error(
                    SqlState::DuplicateColumn,
                    format!("column \"{}\" specified more than once", name.name),
                    name.pos,
                ));
            }
            ordinals.push(ordinal);
        }
        Ok(ordinals)
    }

    /// A column's default: its expression, else NULL.
    pub(crate) fn default_value(&self, table: &Table, ordinal: usize) -> Result<HirScalar> {
        let column = &table.columns[ordinal];
        match &column.default {
            None => Ok(Expr::Literal(Datum::Null, column.data_type.clone())),
            Some(sql) => {
                let expr = crate::statement::parse_expression(sql)?;
                self.default_expr(&expr, &column.name, &column.data_type).map_err(super::coerce::without_position)
            }
        }
    }

    /// A DEFAULT expression as a value of its column.
    pub(crate) fn default_expr(&self, expr: &ast::Expr, name: &str, data_type: &DataType) -> Result<HirScalar> {
        let context = Context::new(None, &None, Clause::Default);
        let scalar = self.expr(expr, context).map_err(|e| match e.state {
            SqlState::UndefinedColumn | SqlState::UndefinedTable => {
                error(SqlState::FeatureNotSupported, "cannot use column reference in DEFAULT expression", expr.start)
            }
            _ => e,
        })?;
        if super::columns::has_subquery(&scalar) {
            return Err(error(SqlState::FeatureNotSupported, "cannot use subquery in DEFAULT expression", expr.start));
        }
        self.assign(scalar, name, data_type, expr.start)
    }

    /// The table as an item of FROM, its columns from `offset` on.
    pub(crate) fn table_item(&self, table: &Arc<Table>, alias: Option<&Ident>, offset: usize) -> ScopeItem {
        let relation = RelationRef::Table(Arc::clone(table));
        let columns = relation.fields().into_iter().enumerate().map(|(index, field)| super::scope::ScopeColumn {
            name: field.name,
            index: index + offset,
            data_type: field.data_type,
            hidden: relation.is_hidden(index),
            origin: i16::try_from(index + 1).ok().map(|number| (relation.id(), number)),
        });
        ScopeItem {
            name: Some(alias.map_or_else(|| table.name.clone(), |alias| alias.name.clone())),
            schema: alias.is_none().then(|| table.schema.clone()),
            hidden_name: alias.map(|_| table.name.clone()),
            relation: Some(table.id),
            columns: columns.collect(),
            bare: true,
            pos: alias.map_or(0, |alias| alias.pos),
        }
    }

    /// The table's CHECK constraints.
    pub(crate) fn checks(&self, table: &Arc<Table>) -> Result<Vec<Check>> {
        let namespace = Namespace { items: vec![self.table_item(table, None, 0)], width: table.columns.len() };
        table
            .checks
            .iter()
            .map(|check| {
                let expr = crate::statement::parse_expression(&check.sql)?;
                let predicate = self.check_predicate(&expr, &namespace).map_err(super::coerce::without_position)?;
                Ok(Check { name: check.name.clone(), predicate })
            })
            .collect()
    }

    /// A CHECK condition over a table's columns.
    pub(crate) fn check_predicate(&self, expr: &ast::Expr, namespace: &Namespace) -> Result<HirScalar> {
        let scope = Scope::new(namespace, None);
        let scalar = self.expr(expr, Context::new(Some(&scope), &None, Clause::Check))?;
        if super::columns::has_subquery(&scalar) {
            return Err(error(SqlState::FeatureNotSupported, "cannot use subquery in check constraint", expr.start));
        }
        self.condition(scalar, "CHECK", expr.start)
    }

    pub(crate) fn insert(&self, insert: &ast::Insert) -> Result<BoundStatement> {
        let table = self.target(&insert.target.name, Verb::Insert)?;
        let columns = self.table_columns(&table, &insert.columns)?;
        let source = match (&insert.source, &insert.with) {
            (ast::InsertSource::DefaultValues, _) => {
                let row = table.visible_columns().map(|(ordinal, _)| self.default_value(&table, ordinal));
                InsertSource::Values(vec![row.collect::<Result<_>>()?])
            }
            (ast::InsertSource::Values(rows), None) => {
                InsertSource::Values(self.insert_values(&table, &columns, insert, rows)?)
            }
            (ast::InsertSource::Values(rows), Some(_)) => {
                let query = ast::Query {
                    with: None,
                    body: ast::QueryBody::Values(rows.clone()),
                    order_by: vec![],
                    limit: None,
                    offset: None,
                    with_ties: None,
                    lock: None,
                    pos: insert.target.name.pos(),
                };
                InsertSource::Query(self.insert_query(&table, &columns, insert, &query)?)
            }
            (ast::InsertSource::Query(query), _) => {
                InsertSource::Query(self.insert_query(&table, &columns, insert, query)?)
            }
        };
        let on_conflict = match &insert.on_conflict {
            None => OnConflict::TableDefault,
            Some(clause) => self.on_conflict(&table, insert.target.alias.as_ref(), clause)?,
        };
        let namespace = Namespace {
            items: vec![self.table_item(&table, insert.target.alias.as_ref(), 0)],
            width: table.columns.len(),
        };
        let returning = self.returning(insert.returning.as_deref(), &namespace)?;
        Ok(BoundStatement::Insert(Insert {
            table: table.id,
            source,
            hidden_key: hidden_key(&table),
            on_conflict,
            checks: self.checks(&table)?,
            returning,
        }))
    }

    fn insert_values(
        &self,
        table: &Table,
        columns: &[usize],
        insert: &ast::Insert,
        rows: &[Vec<ast::Expr>],
    ) -> Result<Vec<Vec<HirScalar>>> {
        let context = Context::new(None, &None, Clause::Values);
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != rows[0].len() {
                return Err(error(SqlState::SyntaxError, "VALUES lists must all be the same length", row[0].start));
            }
            let positions: Vec<Pos> = row.iter().map(|value| value.start).collect();
            check_count(&positions, columns, insert)?;
            let mut values: Vec<Option<HirScalar>> = vec![None; table.columns.len()];
            for (value, ordinal) in row.iter().zip(columns) {
                values[*ordinal] = Some(self.new_value(table, *ordinal, value, context)?);
            }
            bound.push(self.complete_row(table, values)?);
        }
        Ok(bound)
    }

    /// A written value for a column; DEFAULT is the column's default.
    fn new_value(&self, table: &Table, ordinal: usize, value: &ast::Expr, context: Context<'_>) -> Result<HirScalar> {
        if matches!(value.kind, ExprKind::Default) {
            return self.default_value(table, ordinal);
        }
        let column = &table.columns[ordinal];
        let scalar = self.expr(value, context)?;
        self.assign(scalar, &column.name, &column.data_type, value.start)
    }

    /// The values of all visible columns: those given, and defaults.
    fn complete_row(&self, table: &Table, values: Vec<Option<HirScalar>>) -> Result<Vec<HirScalar>> {
        let visible = values.into_iter().enumerate().filter(|(ordinal, _)| !table.columns[*ordinal].hidden);
        visible
            .map(|(ordinal, value)| match value {
                Some(value) => Ok(value),
                None => self.default_value(table, ordinal),
            })
            .collect()
    }

    fn insert_query(
        &self,
        table: &Table,
        columns: &[usize],
        insert: &ast::Insert,
        query: &ast::Query,
    ) -> Result<HirQuery> {
        let mut env = Env::default();
        let ctes = match &insert.with {
            Some(with) => self.with(with, &mut env)?,
            None => vec![],
        };
        let mut parts = self.query_parts(query, &env)?;
        let positions: Vec<Pos> = parts.outputs.iter().map(|output| output.pos).collect();
        check_count(&positions, columns, insert)?;
        for (output, ordinal) in parts.outputs.iter_mut().zip(columns) {
            if output.scalar.data_type() == DataType::Unknown {
                let column = &table.columns[*ordinal];
                let scalar = std::mem::replace(&mut output.scalar, super::coerce::truth());
                output.scalar = self.assign(scalar, &column.name, &column.data_type, output.pos)?;
            }
        }
        parts.ctes.splice(0..0, ctes);
        let types = parts.types();
        let input = into_relation(self.finish(parts)?);
        let mut values: Vec<Option<HirScalar>> = vec![None; table.columns.len()];
        for (index, ordinal) in columns.iter().enumerate().take(types.len()) {
            let target = &table.columns[*ordinal];
            let scalar = column(0, index, types[index].clone());
            values[*ordinal] = Some(self.assign(scalar, &target.name, &target.data_type, positions[index])?);
        }
        let row = self.complete_row(table, values)?;
        let names = table.visible_columns().map(|(_, column)| column.name.clone());
        Ok(mapped(input, types.len(), names.zip(row).collect()))
    }

    fn on_conflict(&self, table: &Arc<Table>, alias: Option<&Ident>, clause: &ast::OnConflict) -> Result<OnConflict> {
        let no_match = || {
            SqlError::new(
                SqlState::InvalidColumnReference,
                "there is no unique or exclusion constraint matching the ON CONFLICT specification",
            )
        };
        let target = match &clause.target {
            None => None,
            Some(ConflictTarget::Columns(names)) => {
                let column = |name: &Ident| {
                    let found = table.visible_columns().find(|(_, column)| column.name == name.name);
                    found.map(|(ordinal, _)| ordinal).ok_or_else(|| {
                        let message = format!("column \"{}\" does not exist", name.name);
                        error(SqlState::UndefinedColumn, message, name.pos)
                    })
                };
                let mut ordinals = names.iter().map(column).collect::<Result<Vec<_>>>()?;
                ordinals.sort_unstable();
                ordinals.dedup();
                let keys = (!table.hidden_key).then_some(&table.primary_key).into_iter();
                let key = keys.chain(table.unique.iter().map(|unique| &unique.columns)).find(|key| {
                    let mut sorted = (*key).clone();
                    sorted.sort_unstable();
                    sorted == ordinals
                });
                Some(key.ok_or_else(no_match)?.clone())
            }
            Some(ConflictTarget::Constraint(name)) => {
                let primary = table.primary_key_name.as_deref() == Some(name.name.as_str());
                let unique = table.unique.iter().find(|unique| unique.name == name.name);
                Some(match (primary, unique) {
                    (true, _) => table.primary_key.clone(),
                    (false, Some(unique)) => unique.columns.clone(),
                    (false, None) => {
                        return Err(SqlError::new(
                            SqlState::UndefinedObject,
                            format!("constraint \"{}\" for table \"{}\" does not exist", name.name, table.name),
                        ));
                    }
                })
            }
        };
        let Some((assignments, filter)) = &clause.update else { return Ok(OnConflict::DoNothing { target }) };
        let Some(target) = target else { return Err(at(no_match(), clause.pos)) };
        let width = table.columns.len();
        let mut namespace = Namespace { items: vec![self.table_item(table, alias, 0)], width };
        let mut excluded = self.table_item(table, None, 0);
        excluded.name = Some("excluded".to_owned());
        excluded.schema = None;
        // Bare names are the existing row's columns.
        excluded.bare = false;
        namespace.append(Namespace { items: vec![excluded], width })?;
        let scope = Scope::new(&namespace, None);
        let context = Context::new(Some(&scope), &None, Clause::Update);
        let assignments = self.assignments(table, assignments, context)?;
        let filter = match filter {
            Some(filter) => {
                let scalar = self.expr(filter, context.with_clause(Clause::Where))?;
                Some(self.condition(scalar, "WHERE", filter.start)?)
            }
            None => None,
        };
        Ok(OnConflict::DoUpdate { target, assignments, filter })
    }

    fn assignments(
        &self,
        table: &Table,
        assignments: &[Assignment],
        context: Context<'_>,
    ) -> Result<Vec<(usize, HirScalar)>> {
        let mut bound: Vec<(usize, HirScalar)> = Vec::new();
        for assignment in assignments {
            if assignment.columns.len() != assignment.values.len() {
                if matches!(assignment.values.as_slice(), [only] if matches!(only.kind, ExprKind::Subquery(_))) {
                    return Err(unsupported("assigning a subquery to several columns", assignment.pos));
                }
                return Err(error(
                    SqlState::SyntaxError,
                    "number of columns does not match number of values",
                    assignment.pos,
                ));
            }
            for (name, value) in assignment.columns.iter().zip(&assignment.values) {
                let ordinal = self.table_column(table, name)?;
                if bound.iter().any(|(known, _)| *known == ordinal) {
                    return Err(SqlError::new(
                        SqlState::SyntaxError,
                        format!("multiple assignments to same column \"{}\"", name.name),
                    ));
                }
                bound.push((ordinal, self.new_value(table, ordinal, value, context)?));
            }
        }
        Ok(bound)
    }

    /// RETURNING over a namespace.
    fn returning(&self, items: Option<&[SelectItem]>, namespace: &Namespace) -> Result<Option<Returning>> {
        let Some(items) = items else { return Ok(None) };
        let scope = Scope::new(namespace, None);
        let outputs = self.select_items(items, Context::new(Some(&scope), &None, Clause::Returning))?;
        let mut returning = Returning { scalars: vec![], schema: vec![], origins: vec![] };
        for Output { scalar, name, pos, origin } in outputs {
            let scalar = self.typed(scalar, pos)?;
            returning.schema.push(Field::new(name, scalar.data_type()));
            returning.scalars.push(scalar);
            returning.origins.push(origin);
        }
        Ok(Some(returning))
    }

    /// The target with the items of FROM or USING: relation and namespace.
    fn changed_rows(
        &self,
        table: &Arc<Table>,
        alias: Option<&Ident>,
        from: &[FromItem],
        filter: Option<&ast::Expr>,
        env: &Env<'_>,
    ) -> Result<(HirRelation, Namespace)> {
        let get = HirRelation::Get { relation: table.id, types: table.types() };
        let item = self.table_item(table, alias, 0);
        let mut bound = (get, Namespace { items: vec![item], width: table.columns.len() });
        for item in from {
            bound = self.cross(bound, item, env)?;
        }
        let (mut relation, namespace) = bound;
        if let Some(filter) = filter {
            let scope = Scope::new(&namespace, env.outer);
            relation = self.filter(relation, filter, Context::new(Some(&scope), &env.ctes, Clause::Where))?;
        }
        Ok((relation, namespace))
    }

    pub(crate) fn update(&self, update: &ast::Update) -> Result<BoundStatement> {
        let table = self.target(&update.target.name, Verb::Update)?;
        let mut env = Env::default();
        let ctes = match &update.with {
            Some(with) => self.with(with, &mut env)?,
            None => vec![],
        };
        let alias = update.target.alias.as_ref();
        let (relation, mut namespace) = self.changed_rows(&table, alias, &update.from, update.filter.as_ref(), &env)?;
        let scope = Scope::new(&namespace, None);
        let context = Context::new(Some(&scope), &env.ctes, Clause::Update);
        let assignments = self.assignments(&table, &update.assignments, context)?;
        let width = table.columns.len();
        let old = |ordinal: usize| column(0, ordinal, table.columns[ordinal].data_type.clone());
        let mut presented: Vec<(String, HirScalar)> =
            table.columns.iter().enumerate().map(|(i, c)| (c.name.clone(), old(i))).collect();
        for (ordinal, target) in table.columns.iter().enumerate() {
            let assigned = assignments.iter().find(|(column, _)| *column == ordinal);
            let scalar = assigned.map_or_else(|| old(ordinal), |(_, scalar)| scalar.clone());
            presented.push((target.name.clone(), scalar));
        }
        let total = namespace.width;
        presented.extend(other_columns(&namespace, width));
        // RETURNING sees the new row where FROM had the old one, and the others behind it.
        for item in &mut namespace.items {
            for column in &mut item.columns {
                column.index += width;
            }
        }
        let returning = self.returning(update.returning.as_deref(), &namespace)?;
        let query = with_ctes(mapped(relation, total, presented), ctes);
        Ok(BoundStatement::Update(Update {
            table: table.id,
            query,
            assigned: assignments.into_iter().map(|(column, _)| column).collect(),
            checks: self.checks(&table)?,
            returning,
        }))
    }

    pub(crate) fn delete(&self, delete: &ast::Delete) -> Result<BoundStatement> {
        let table = self.target(&delete.target.name, Verb::Delete)?;
        let mut env = Env::default();
        let ctes = match &delete.with {
            Some(with) => self.with(with, &mut env)?,
            None => vec![],
        };
        let alias = delete.target.alias.as_ref();
        let (relation, namespace) = self.changed_rows(&table, alias, &delete.using, delete.filter.as_ref(), &env)?;
        let width = table.columns.len();
        let columns = table.columns.iter().enumerate();
        let mut presented: Vec<(String, HirScalar)> =
            columns.map(|(i, c)| (c.name.clone(), column(0, i, c.data_type.clone()))).collect();
        presented.extend(other_columns(&namespace, width));
        let returning = self.returning(delete.returning.as_deref(), &namespace)?;
        let query = with_ctes(mapped(relation, namespace.width, presented), ctes);
        Ok(BoundStatement::Delete(Delete { table: table.id, query, returning }))
    }
}

/// The columns of a relation behind the target's, every ordinal once and in order. What no name reaches is NULL.
fn other_columns(namespace: &Namespace, width: usize) -> impl Iterator<Item = (String, HirScalar)> + '_ {
    (width..namespace.width).map(|index| {
        let found = namespace.items.iter().flat_map(|item| &item.columns).find(|column| column.index == index);
        match found {
            Some(found) => (found.name.clone(), column(0, index, found.data_type.clone())),
            None => ("?column?".to_owned(), Expr::Literal(Datum::Null, DataType::Text)),
        }
    })
}

/// The ordinal of the hidden key column.
pub(crate) fn hidden_key(table: &Table) -> Option<usize> {
    table.columns.iter().position(|column| column.hidden)
}

/// These scalars over a relation as a query.
fn mapped(input: HirRelation, width: usize, presented: Vec<(String, HirScalar)>) -> HirQuery {
    let mut scalars = Vec::new();
    let mut projection = Vec::with_capacity(presented.len());
    let mut schema = Vec::with_capacity(presented.len());
    for (name, scalar) in presented {
        schema.push(Field::new(name, scalar.data_type()));
        if let Expr::Leaf(HirLeaf::Column { level: 0, index, .. }) = scalar {
            projection.push(index);
        } else {
            projection.push(width + scalars.len());
            scalars.push(scalar);
        }
    }
    let relation = if scalars.is_empty() { input } else { HirRelation::Map { input: Box::new(input), scalars } };
    let origins = vec![None; projection.len()];
    HirQuery { relation, order_by: vec![], limit: None, offset: None, projection, schema, origins }
}

fn with_ctes(mut query: HirQuery, ctes: Vec<(usize, HirRelation)>) -> HirQuery {
    for (id, value) in ctes.into_iter().rev() {
        query.relation = HirRelation::Let { id, value: Box::new(value), body: Box::new(query.relation) };
    }
    query
}

/// 42601 if there are more values than columns, or fewer than were named.
fn check_count(values: &[Pos], columns: &[usize], insert: &ast::Insert) -> Result<()> {
    if let Some(extra) = values.get(columns.len()) {
        return Err(error(SqlState::SyntaxError, "INSERT has more expressions than target columns", *extra));
    }
    if let Some(extra) = insert.columns.get(values.len()) {
        return Err(error(SqlState::SyntaxError, "INSERT has more target columns than expressions", extra.pos));
    }
    Ok(())
}

fn no_view(name: &str, verb: Verb) -> SqlError {
    let (state, message, hint) = match verb {
        Verb::Insert => (
            SqlState::ObjectNotInPrerequisiteState,
            format!("cannot insert into view \"{name}\""),
            "To enable inserting into the view, provide an INSTEAD OF INSERT trigger or an unconditional ON INSERT DO INSTEAD rule.",
        ),
        Verb::Update => (
            SqlState::ObjectNotInPrerequisiteState,
            format!("cannot update view \"{name}\""),
            "To enable updating the view, provide an INSTEAD OF UPDATE trigger or an unconditional ON UPDATE DO INSTEAD rule.",
        ),
        Verb::Delete => (
            SqlState::ObjectNotInPrerequisiteState,
            format!("cannot delete from view \"{name}\""),
            "To enable deleting from the view, provide an INSTEAD OF DELETE trigger or an unconditional ON DELETE DO INSTEAD rule.",
        ),
        Verb::Copy => {
            return SqlError::new(SqlState::WrongObjectType, format!("cannot copy to view \"{name}\""))
                .with_hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger.");
        }
        Verb::Truncate => return SqlError::new(SqlState::WrongObjectType, format!("\"{name}\" is not a table")),
    };
    SqlError::new(state, message)
        .with_detail("Views that do not select from a single table or view are not automatically updatable.")
        .with_hint(hint)
}
