//! Changes of the catalog: what DDL commits, logs and replays.

use crate::catalog::{Catalog, Contents};
use crate::{Grouping, Index, MaterializedView, Namespace, SharedRelation, Table, View};
use headwater_types::{RelationId, Result, SqlError, SqlState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One change. Ids inside come from [`Catalog::ids`] of the catalog it is applied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CatalogChange {
    /// CREATE SCHEMA.
    CreateSchema(Namespace),
    /// CREATE TABLE.
    CreateTable(Table),
    /// CREATE VIEW.
    CreateView(View),
    /// CREATE OR REPLACE VIEW of an existing view: same id, schema and name.
    ReplaceView(View),
    /// A shared relation, which the materialized view of the change that follows is the first to read.
    CreateSharedRelation(SharedRelation),
    /// CREATE MATERIALIZED VIEW.
    CreateMaterializedView(MaterializedView),
    /// A materialized view reads from now on what it shares with the one of the change that follows.
    ReplacePlan(PlanReplacement),
    /// CREATE INDEX.
    CreateIndex(Index),
    /// Removes relations, shared ones too, indexes, schemas and foreign keys: a [`crate::DropPlan`]'s ids. Everything that depends on them is
    /// among them.
    Drop {
        /// What to remove, dependents first.
        ids: Vec<RelationId>,
    },
    /// COMMENT ON a relation, a schema, or (with `column`) a relation's column. `None` removes the comment.
    Comment {
        /// The relation or schema.
        object: RelationId,
        /// The column's ordinal.
        column: Option<usize>,
        /// The comment.
        text: Option<String>,
    },
    /// ALTER … RENAME TO: relations and schemas.
    Rename {
        /// The relation or schema.
        object: RelationId,
        /// Its new name.
        name: String,
    },
    /// ALTER TABLE … RENAME COLUMN.
    RenameColumn {
        /// The table.
        table: RelationId,
        /// The column's ordinal.
        column: usize,
        /// Its new name.
        name: String,
    },
}

/// Another plan of a materialized view, of the same rows. Its fields are those of [`MaterializedView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReplacement {
    /// The view.
    pub view: RelationId,
    /// The shared relations that the plan reads.
    pub shared: Vec<RelationId>,
    /// What the plan computes by itself.
    pub groupings: Vec<Grouping>,
    /// Columns that are unique in the result.
    pub key: Option<Vec<usize>>,
    /// The plan.
    pub plan: Vec<u8>,
}

impl Catalog {
    /// A view is made only of what is there.
    fn require_relations(&self, ids: &[RelationId]) -> Result<()> {
        match ids.iter().find(|id| self.relation(**id).is_none()) {
            None => Ok(()),
            Some(id) => Err(SqlError::new(SqlState::UndefinedTable, format!("relation with OID {id} does not exist"))),
        }
    }

    /// A plan reads only what is there.
    fn require_shared(&self, ids: &[RelationId]) -> Result<()> {
        match ids.iter().find(|id| self.shared_relation(**id).is_none()) {
            None => Ok(()),
            Some(id) => Err(missing(*id)),
        }
    }

    /// The catalog after `change`, one version on.
    ///
    /// # Errors
    ///
    /// 42P07, 42P06, 3F000, 42P01, 42704, 2BP01: the change does not fit this catalog. `self` is unchanged, as always.
    pub fn apply(&self, change: &CatalogChange) -> Result<Self> {
        let mut next = self.contents.as_ref().clone();
        match change {
            CatalogChange::CreateSchema(namespace) => next.create_schema(namespace)?,
            CatalogChange::CreateTable(table) => next.create_table(table)?,
            CatalogChange::CreateView(view) => {
                self.require_relations(&view.depends_on)?;
                next.claim_name(&view.schema, &view.name, view.id)?;
                next.views.insert(view.id, Arc::new(view.clone()));
                next.advance_ids([view.id]);
            }
            CatalogChange::ReplaceView(view) => self.replace_view(&mut next, view)?,
            CatalogChange::CreateSharedRelation(shared) => {
                self.require_relations(&[shared.grouping.reads])?;
                next.shared_relations.insert(shared.id, Arc::new(shared.clone()));
                next.advance_ids([shared.id]);
            }
            CatalogChange::CreateMaterializedView(view) => {
                self.require_relations(&view.depends_on)?;
                self.require_shared(&view.shared)?;
                next.claim_name(&view.schema, &view.name, view.id)?;
                next.materialized_views.insert(view.id, Arc::new(view.clone()));
                next.advance_ids([view.id]);
            }
            CatalogChange::ReplacePlan(replacement) => {
                self.require_shared(&replacement.shared)?;
                next.replace_plan(replacement)?;
            }
            CatalogChange::CreateIndex(index) => {
                if self.relation(index.relation).is_none() {
                    return Err(missing(index.relation));
                }
                next.claim_name(&index.schema, &index.name, index.id)?;
                next.indexes.insert(index.id, Arc::new(index.clone()));
                next.advance_ids([index.id]);
            }
            CatalogChange::Drop { ids } => next.drop_all(ids)?,
            CatalogChange::Comment { object, column, text } => next.comment(*object, *column, text.as_ref())?,
            CatalogChange::Rename { object, name } => self.rename(&mut next, *object, name)?,
            CatalogChange::RenameColumn { table, column, name } => {
                self.rename_column(&mut next, *table, *column, name)?
            }
        }
        next.version += 1;
        Ok(Self { contents: Arc::new(next) })
    }

    /// The comments stay. What depends on the view reads the new query, if it is read at all when it is used.
    fn replace_view(&self, next: &mut Contents, view: &View) -> Result<()> {
        let old = self.contents.views.get(&view.id).ok_or_else(|| missing(view.id))?;
        let plan = self.drop_plan(&[view.id], true, &[])?;
        if view.depends_on.iter().any(|on| plan.ids.contains(on)) {
            let message = format!("infinite recursion detected in rules for relation \"{}\"", view.name);
            return Err(SqlError::new(SqlState::InvalidObjectDefinition, message));
        }
        if plan.ids.iter().any(|id| self.materialized_view(*id).is_some()) {
            return Err(SqlError::unsupported("replacing a view that materialized views depend on"));
        }
        let view = View { comment: old.comment.clone(), column_comments: old.column_comments.clone(), ..view.clone() };
        next.views.insert(view.id, Arc::new(view));
        Ok(())
    }

    /// Views keep their query as text, in which a renamed object would no longer be found.
    fn refuse_if_used(&self, id: RelationId, what: &str) -> Result<()> {
        if self.dependents(id).is_empty() {
            return Ok(());
        }
        Err(SqlError::unsupported(format_args!("renaming {what} that views depend on")))
    }

    fn rename(&self, next: &mut Contents, object: RelationId, name: &str) -> Result<()> {
        if let Some(namespace) = next.namespaces.get(&object).cloned() {
            if next.namespaces.values().any(|other| other.name == name) {
                return Err(duplicate_schema(name));
            }
            if self.relations().any(|relation| relation.schema() == namespace.name) {
                return Err(SqlError::unsupported("renaming a schema that is not empty"));
            }
            next.namespaces.insert(object, Arc::new(Namespace { name: name.to_owned(), ..(*namespace).clone() }));
            return Ok(());
        }
        let relation = self.relation(object).ok_or_else(|| missing(object))?;
        self.refuse_if_used(object, "a relation")?;
        next.names.remove(&(relation.schema().to_owned(), relation.name().to_owned()));
        next.claim_name(relation.schema(), name, object)?;
        if let Some(table) = next.tables.get_mut(&object) {
            name.clone_into(&mut Arc::make_mut(table).name);
        } else if let Some(view) = next.views.get_mut(&object) {
            name.clone_into(&mut Arc::make_mut(view).name);
        } else if let Some(view) = next.materialized_views.get_mut(&object) {
            name.clone_into(&mut Arc::make_mut(view).name);
        }
        Ok(())
    }

    fn rename_column(&self, next: &mut Contents, table: RelationId, column: usize, name: &str) -> Result<()> {
        self.refuse_if_used(table, "a column of a table")?;
        let table = next.tables.get_mut(&table).ok_or_else(|| missing(table))?;
        if !table.checks.is_empty() {
            return Err(SqlError::unsupported("renaming a column of a table with CHECK constraints"));
        }
        if table.column(name).is_some() {
            return Err(SqlError::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" of relation \"{}\" already exists", table.name),
            ));
        }
        match Arc::make_mut(table).columns.get_mut(column) {
            Some(column) => name.clone_into(&mut column.name),
            None => return Err(SqlError::internal(format!("no column {column} to rename"))),
        }
        Ok(())
    }
}

impl Contents {
    fn create_schema(&mut self, namespace: &Namespace) -> Result<()> {
        if namespace.name.starts_with("pg_") {
            return Err(SqlError::new(
                SqlState::ReservedName,
                format!("unacceptable schema name \"{}\"", namespace.name),
            )
            .with_detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.namespaces.values().any(|other| other.name == namespace.name) {
            return Err(duplicate_schema(&namespace.name));
        }
        self.namespaces.insert(namespace.id, Arc::new(namespace.clone()));
        self.advance_ids([namespace.id]);
        Ok(())
    }

    fn create_table(&mut self, table: &Table) -> Result<()> {
        if table.primary_key.is_empty() || table.primary_key.iter().any(|&column| column >= table.columns.len()) {
            return Err(SqlError::internal(format!("table \"{}\" has no valid key", table.name)));
        }
        self.claim_name(&table.schema, &table.name, table.id)?;
        for (id, name, ..) in table.indexes() {
            self.claim_name(&table.schema, name, id)?;
        }
        self.advance_ids(table.ids());
        self.tables.insert(table.id, Arc::new(table.clone()));
        Ok(())
    }

    fn replace_plan(&mut self, replacement: &PlanReplacement) -> Result<()> {
        let PlanReplacement { view, shared, groupings, key, plan } = replacement.clone();
        let view = Arc::make_mut(self.materialized_views.get_mut(&view).ok_or_else(|| missing(view))?);
        (view.shared, view.groupings, view.key, view.plan) = (shared, groupings, key, plan);
        Ok(())
    }

    /// Tables, views and indexes of a schema share one set of names.
    fn claim_name(&mut self, schema: &str, name: &str, id: RelationId) -> Result<()> {
        if !self.namespaces.values().any(|namespace| namespace.name == schema) {
            return Err(SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{schema}\" does not exist")));
        }
        if crate::catalog::is_system_schema(schema) {
            return Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied to create \"{schema}.{name}\""),
            )
            .with_detail("System catalog modifications are currently disallowed."));
        }
        match self.names.entry((schema.to_owned(), name.to_owned())) {
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(SqlError::new(SqlState::DuplicateTable, format!("relation \"{name}\" already exists")))
            }
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(id);
                Ok(())
            }
        }
    }

    fn advance_ids(&mut self, ids: impl IntoIterator<Item = RelationId>) {
        for id in ids {
            self.next_id = self.next_id.max(id.0.saturating_add(1));
        }
    }

    fn drop_all(&mut self, ids: &[RelationId]) -> Result<()> {
        for id in ids {
            if let Some(table) = self.tables.remove(id) {
                self.names.remove(&(table.schema.clone(), table.name.clone()));
                for (_, name, ..) in table.indexes() {
                    self.names.remove(&(table.schema.clone(), name.to_owned()));
                }
            } else if let Some(view) = self.views.remove(id) {
                self.names.remove(&(view.schema.clone(), view.name.clone()));
            } else if let Some(view) = self.materialized_views.remove(id) {
                self.names.remove(&(view.schema.clone(), view.name.clone()));
            } else if let Some(index) = self.indexes.remove(id) {
                self.names.remove(&(index.schema.clone(), index.name.clone()));
            } else if self.shared_relations.remove(id).is_none()
                && self.namespaces.remove(id).is_none()
                && !self.drop_foreign_key(*id)
            {
                return Err(missing(*id));
            }
            // Indexes go with their relation, unasked.
            let orphans: Vec<_> = self.indexes.values().filter(|index| index.relation == *id).cloned().collect();
            for index in orphans {
                self.indexes.remove(&index.id);
                self.names.remove(&(index.schema.clone(), index.name.clone()));
            }
        }
        Ok(())
    }

    /// Whether there was such a constraint.
    fn drop_foreign_key(&mut self, id: RelationId) -> bool {
        let Some(table) = self.tables.values_mut().find(|table| table.foreign_keys.iter().any(|key| key.id == id))
        else {
            return false;
        };
        Arc::make_mut(table).foreign_keys.retain(|key| key.id != id);
        true
    }

    fn comment(&mut self, object: RelationId, column: Option<usize>, text: Option<&String>) -> Result<()> {
        let (comment, columns) = if let Some(table) = self.tables.get_mut(&object) {
            let table = Arc::make_mut(table);
            (&mut table.comment, &mut table.column_comments)
        } else if let Some(view) = self.views.get_mut(&object) {
            let view = Arc::make_mut(view);
            (&mut view.comment, &mut view.column_comments)
        } else if let Some(view) = self.materialized_views.get_mut(&object) {
            let view = Arc::make_mut(view);
            (&mut view.comment, &mut view.column_comments)
        } else if let Some(namespace) = self.namespaces.get_mut(&object) {
            Arc::make_mut(namespace).comment = text.cloned();
            return Ok(());
        } else {
            return Err(missing(object));
        };
        match (column, text) {
            (None, text) => *comment = text.cloned(),
            (Some(column), Some(text)) => {
                columns.insert(column, text.clone());
            }
            (Some(column), None) => {
                columns.remove(&column);
            }
        }
        Ok(())
    }
}

fn duplicate_schema(name: &str) -> SqlError {
    SqlError::new(SqlState::DuplicateSchema, format!("schema \"{name}\" already exists"))
}

/// The object went away between planning and applying.
fn missing(id: RelationId) -> SqlError {
    SqlError::new(SqlState::UndefinedObject, format!("object with OID {id} does not exist"))
}
