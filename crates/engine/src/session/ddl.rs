//! CREATE, DROP, ALTER, COMMENT: each makes catalog changes in the open transaction.

use super::{Execution, Session};
use crate::change::{InsertMode, TableOp};
use crate::table::TableShape;
use crate::visible::State;
use headwater_catalog::{
    Catalog, CatalogChange, Check, ForeignKey, IdAllocator, Index, Namespace, OnConflict, RelationKind as Kind, Table,
    TableColumn, View,
};
use headwater_sql::{
    BoundStatement, Comment, CommentTarget, ConflictAction, CreateTable, CreateView, Drop, RelationKind,
};
use headwater_types::{DataType, Datum, Field, RelationId, Result, Schema, SqlError, SqlState};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Session {
    pub(super) fn run_ddl(&mut self, bound: BoundStatement, parameters: &[Datum]) -> Result<Execution> {
        let tag = match bound {
            BoundStatement::CreateTable(table) => {
                self.create_table(table)?;
                "CREATE TABLE".to_owned()
            }
            BoundStatement::CreateTableAs { table, mut query, with_data } => {
                let Some(shape) = self.create_table(table)? else {
                    return Ok(Execution::Command { tag: "CREATE TABLE AS".to_owned() });
                };
                if !with_data {
                    return Ok(Execution::Command { tag: "CREATE TABLE AS".to_owned() });
                }
                super::query::set_parameters(&mut query, parameters);
                let mut rows = self.query_rows(query)?;
                if let Some(hidden) = super::rows::hidden_key(&shape) {
                    let first = self.shared.row_ids(rows.rows);
                    rows = super::rows::with_row_ids(rows, hidden, first);
                }
                let count = rows.rows;
                if count > 0 {
                    self.write(&shape, TableOp::Insert { rows, mode: InsertMode::Overwrite })?;
                }
                format!("SELECT {count}")
            }
            BoundStatement::CreateView(view) => {
                self.create_view(view)?;
                "CREATE VIEW".to_owned()
            }
            BoundStatement::CreateMaterializedView(view) => {
                self.create_materialized_view(view)?;
                "CREATE MATERIALIZED VIEW".to_owned()
            }
            BoundStatement::CreateIndex { schema, name, relation, columns, if_not_exists } => {
                let id = RelationId(0);
                self.create_index(Index { id, schema, name, relation, columns, unique: false }, if_not_exists)?;
                "CREATE INDEX".to_owned()
            }
            BoundStatement::Drop(drop) => self.drop_relations(&drop)?,
            BoundStatement::CreateSchema { name, if_not_exists } => {
                self.create_schema(name, if_not_exists)?;
                "CREATE SCHEMA".to_owned()
            }
            BoundStatement::DropSchema { names, notices, cascade } => {
                self.missing(notices);
                let (_, catalog) = self.ddl_catalog();
                let ids =
                    names.iter().map(|name| Ok(catalog.require_namespace(name)?.id)).collect::<Result<Vec<_>>>()?;
                self.drop_objects(&ids, cascade)?;
                "DROP SCHEMA".to_owned()
            }
            BoundStatement::Rename { relation, name } => {
                let (state, catalog) = self.ddl_catalog();
                let kind = catalog.relation(relation).map_or(Kind::Table, |found| found.kind());
                self.transaction().change_catalog(&state, CatalogChange::Rename { object: relation, name })?;
                format!("ALTER {}", kind.description().to_uppercase())
            }
            BoundStatement::Comment(comment) => {
                self.comment(comment)?;
                "COMMENT".to_owned()
            }
            _ => return Err(SqlError::unsupported("this statement")),
        };
        Ok(Execution::Command { tag })
    }

    /// The catalog that the statement was bound to: if another has come since, the commit is refused and the statement
    /// bound again.
    pub(super) fn ddl_catalog(&mut self) -> (Arc<State>, Arc<Catalog>) {
        let state = self.bound_state.clone().unwrap_or_else(|| self.state_without_waiting());
        let catalog = self.catalog(&state);
        (state, catalog)
    }

    /// Whether `IF NOT EXISTS` lets an existing relation be, with a NOTICE.
    pub(super) fn exists_already(
        &mut self,
        catalog: &Catalog,
        schema: &str,
        name: &str,
        if_not_exists: bool,
    ) -> Result<bool> {
        if !catalog.is_taken(schema, name) {
            return Ok(false);
        }
        let message = format!("relation \"{name}\" already exists");
        if !if_not_exists {
            return Err(SqlError::new(SqlState::DuplicateTable, message));
        }
        self.notice("NOTICE", SqlState::DuplicateTable, format!("{message}, skipping"));
        Ok(true)
    }

    fn create_table(&mut self, new: CreateTable) -> Result<Option<TableShape>> {
        let (state, catalog) = self.ddl_catalog();
        if self.exists_already(&catalog, &new.schema, &new.name, new.if_not_exists)? {
            return Ok(None);
        }
        for text in &new.notices {
            self.notice("NOTICE", SqlState::SuccessfulCompletion, text.clone());
        }
        let table = self.table_object(new, &mut catalog.ids());
        let shape = TableShape::new(&table);
        self.transaction().change_catalog(&state, CatalogChange::CreateTable(table))?;
        Ok(Some(shape))
    }

    fn table_object(&self, new: CreateTable, ids: &mut IdAllocator) -> Table {
        let id = ids.next_id();
        let hidden = new.columns.iter().position(|column| column.hidden);
        let (key, key_name) = match new.primary_key {
            Some(key) => (key.columns, Some(key.name)),
            None => (vec![hidden.expect("a table without a key has the hidden one")], None),
        };
        let column = |c: headwater_sql::NewColumn| TableColumn {
            name: c.name,
            data_type: c.data_type,
            not_null: c.not_null,
            default: c.default,
            hidden: c.hidden,
        };
        Table {
            id,
            schema: new.schema,
            name: new.name,
            columns: new.columns.into_iter().map(column).collect(),
            primary_key: key,
            hidden_key: key_name.is_none(),
            primary_key_name: key_name,
            primary_key_index: ids.next_id(),
            on_conflict: match new.on_conflict {
                ConflictAction::Overwrite => OnConflict::Overwrite,
                ConflictAction::Ignore => OnConflict::DoNothing,
                ConflictAction::UpdateIfNotNull => OnConflict::DoUpdateIfNotNull,
                ConflictAction::Error => OnConflict::Error,
            },
            checks: new
                .checks
                .into_iter()
                .map(|check| Check { id: ids.next_id(), name: check.name, sql: check.expression })
                .collect(),
            unique: vec![],
            foreign_keys: new
                .foreign_keys
                .into_iter()
                .map(|key| ForeignKey {
                    id: ids.next_id(),
                    name: key.name,
                    columns: key.columns,
                    referenced: key.referenced.unwrap_or(id),
                    referenced_columns: key.referenced_columns,
                })
                .collect(),
            owner: self.settings().user.clone(),
            comment: None,
            column_comments: BTreeMap::new(),
        }
    }

    fn create_view(&mut self, new: CreateView) -> Result<()> {
        let (state, catalog) = self.ddl_catalog();
        let columns = view_columns(&new);
        let replaced = catalog.resolve(Some(&new.schema), &new.name, &[]).filter(|_| new.or_replace);
        let change = match replaced {
            Some(found) if found.kind() == Kind::View => {
                let old = found.fields();
                if columns.len() < old.len() || old.iter().zip(&columns).any(|(a, b)| a != b) {
                    return Err(SqlError::new(
                        SqlState::InvalidTableDefinition,
                        "cannot drop, rename or retype columns of a view by replacing it",
                    ));
                }
                CatalogChange::ReplaceView(self.view_object(found.id(), new, columns))
            }
            Some(_) => {
                let message = format!("\"{}\" is not a view", new.name);
                return Err(SqlError::new(SqlState::WrongObjectType, message));
            }
            None => {
                if self.exists_already(&catalog, &new.schema, &new.name, new.if_not_exists)? {
                    return Ok(());
                }
                CatalogChange::CreateView(self.view_object(catalog.ids().next_id(), new, columns))
            }
        };
        self.transaction().change_catalog(&state, change)
    }

    fn view_object(&self, id: RelationId, new: CreateView, columns: Schema) -> View {
        View {
            id,
            schema: new.schema,
            name: new.name,
            columns,
            sql: new.sql,
            depends_on: new.depends_on,
            settings: self.settings().clone(),
            owner: self.settings().user.clone(),
            comment: None,
            column_comments: BTreeMap::new(),
        }
    }

    /// An index is a name: what plans look rows up by is made as they need it.
    fn create_index(&mut self, mut index: Index, if_not_exists: bool) -> Result<()> {
        let (state, catalog) = self.ddl_catalog();
        if self.exists_already(&catalog, &index.schema, &index.name, if_not_exists)? {
            return Ok(());
        }
        index.id = catalog.ids().next_id();
        self.transaction().change_catalog(&state, CatalogChange::CreateIndex(index))
    }

    fn drop_indexes(&mut self, ids: &[RelationId]) -> Result<()> {
        let (state, catalog) = self.ddl_catalog();
        for &id in ids {
            let Some(table) = catalog.index_table(id) else { continue };
            let name = table.indexes().find(|(index, ..)| *index == id).map_or("", |(_, name, ..)| name);
            return Err(SqlError::new(
                SqlState::DependentObjectsStillExist,
                format!(
                    "cannot drop index {name} because constraint {name} on table {} requires it",
                    headwater_catalog::quote_identifier(&table.name)
                ),
            )
            .with_hint(format!("You can drop constraint {name} on table {} instead.", table.name)));
        }
        if ids.is_empty() {
            return Ok(());
        }
        self.transaction().change_catalog(&state, CatalogChange::Drop { ids: ids.to_vec() })
    }

    fn create_schema(&mut self, name: String, if_not_exists: bool) -> Result<()> {
        let (state, catalog) = self.ddl_catalog();
        if catalog.namespace(&name).is_some() {
            let message = format!("schema \"{name}\" already exists");
            if !if_not_exists {
                return Err(SqlError::new(SqlState::DuplicateSchema, message));
            }
            self.notice("NOTICE", SqlState::DuplicateSchema, format!("{message}, skipping"));
            return Ok(());
        }
        let namespace =
            Namespace { id: catalog.ids().next_id(), name, owner: self.settings().user.clone(), comment: None };
        self.transaction().change_catalog(&state, CatalogChange::CreateSchema(namespace))
    }

    fn drop_relations(&mut self, drop: &Drop) -> Result<String> {
        self.missing(drop.notices.clone());
        let what = match drop.kind {
            RelationKind::Table => "TABLE",
            RelationKind::View => "VIEW",
            RelationKind::MaterializedView => "MATERIALIZED VIEW",
            RelationKind::Index => {
                self.drop_indexes(&drop.relations)?;
                return Ok("DROP INDEX".to_owned());
            }
        };
        self.drop_objects(&drop.relations, drop.cascade)?;
        Ok(format!("DROP {what}"))
    }

    fn drop_objects(&mut self, ids: &[RelationId], cascade: bool) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let (state, catalog) = self.ddl_catalog();
        let plan = catalog.drop_plan(ids, cascade, &self.settings().search_path)?;
        if let Some((message, detail)) = plan.notice {
            let mut error = SqlError::new(SqlState::SuccessfulCompletion, message);
            error.detail = detail;
            self.notices.push(super::Notice { severity: "NOTICE", error });
        }
        self.transaction().change_catalog(&state, CatalogChange::Drop { ids: plan.ids })
    }

    fn missing(&mut self, notices: Vec<String>) {
        for text in notices {
            self.notice("NOTICE", SqlState::SuccessfulCompletion, text);
        }
    }

    fn comment(&mut self, comment: Comment) -> Result<()> {
        let (state, catalog) = self.ddl_catalog();
        let (object, column) = match comment.target {
            CommentTarget::Relation(id) => (id, None),
            CommentTarget::Column(id, column) => (id, Some(column)),
            CommentTarget::Schema(name) => (catalog.require_namespace(&name)?.id, None),
        };
        self.transaction().change_catalog(&state, CatalogChange::Comment { object, column, text: comment.text })
    }
}

/// A view's columns: the query's types under the view's names.
pub(super) fn view_columns(view: &CreateView) -> Schema {
    let settled = |data_type: &DataType| match data_type {
        DataType::Unknown => DataType::Text,
        other => other.clone(),
    };
    let fields = view.query.schema.iter().zip(&view.column_names);
    fields.map(|(field, name)| Field::new(name.as_str(), settled(&field.data_type))).collect()
}
