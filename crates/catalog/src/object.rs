//! What the catalog holds: schemas, tables, views and materialized views.
//!
//! Every object is a plain serialisable value, so that a DDL statement can be logged and replayed. Expressions that belong
//! to objects (defaults, checks, view queries) are kept as SQL text and bound anew when needed; a materialized view also
//! keeps its serialised plan, so that a restart never re-plans.
//!
//! Ids come from one counter for everything that has an oid: schemas, relations, indexes, constraints.

use crate::{Grouping, SystemRelation};
use headwater_types::{DataType, Field, RelationId, Schema, SessionSettings, SqlError, SqlState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of the hidden key column of a table without a declared key.
pub const ROW_ID_COLUMN: &str = "_row_id";

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its oid.
    pub id: RelationId,
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// COMMENT ON SCHEMA.
    pub comment: Option<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// NOT NULL, declared or through the primary key.
    pub not_null: bool,
    /// The DEFAULT expression, as SQL text.
    pub default: Option<String>,
    /// Not shown by `SELECT *` nor by the system catalogs: the row id of a table without a key.
    pub hidden: bool,
}

impl TableColumn {
    /// A nullable column without a default.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, not_null: false, default: None, hidden: false }
    }

    /// The hidden key of a table without a declared one; always its last column.
    #[must_use]
    pub fn row_id() -> Self {
        Self { not_null: true, hidden: true, ..Self::new(ROW_ID_COLUMN, DataType::Int8) }
    }
}

/// What an INSERT or COPY does with a row whose primary key exists, unless the statement says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnConflict {
    /// The new row replaces the old: RisingWave's default.
    #[default]
    Overwrite,
    /// The old row stays.
    DoNothing,
    /// Columns of the new row that are not NULL replace the old ones.
    DoUpdateIfNotNull,
    /// 23505, as in PostgreSQL.
    Error,
}

/// A CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its oid.
    pub id: RelationId,
    /// Its name.
    pub name: String,
    /// The condition, as SQL text.
    pub sql: String,
}

/// A declared UNIQUE constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueConstraint {
    /// The oid of its index, and its own.
    pub id: RelationId,
    /// Its name, and that of its index.
    pub name: String,
    /// Column ordinals.
    pub columns: Vec<usize>,
}

/// A FOREIGN KEY: kept for clients that read it, not enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Its oid.
    pub id: RelationId,
    /// Its name.
    pub name: String,
    /// The referring columns' ordinals.
    pub columns: Vec<usize>,
    /// The table referred to.
    pub referenced: RelationId,
    /// Its columns' ordinals.
    pub referenced_columns: Vec<usize>,
}

/// A table. Every table has a key: one without a declared one has the hidden column [`ROW_ID_COLUMN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its oid.
    pub id: RelationId,
    /// The schema it is in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns, hidden ones last.
    pub columns: Vec<TableColumn>,
    /// The key's column ordinals, in key order. Never empty.
    pub primary_key: Vec<usize>,
    /// The key is the hidden row id.
    pub hidden_key: bool,
    /// The name of the PRIMARY KEY constraint and its index; `None` for a hidden key.
    pub primary_key_name: Option<String>,
    /// The oid of the key's index, and of its constraint. Allocated for hidden keys too, though not shown.
    pub primary_key_index: RelationId,
    /// What happens to rows whose key exists.
    pub on_conflict: OnConflict,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// UNIQUE constraints.
    pub unique: Vec<UniqueConstraint>,
    /// FOREIGN KEY constraints.
    pub foreign_keys: Vec<ForeignKey>,
    /// The role that owns it.
    pub owner: String,
    /// COMMENT ON TABLE.
    pub comment: Option<String>,
    /// COMMENT ON COLUMN, by ordinal.
    pub column_comments: BTreeMap<usize, String>,
}

impl Table {
    /// All columns, hidden ones too.
    #[must_use]
    pub fn fields(&self) -> Schema {
        self.columns.iter().map(|c| Field::new(&*c.name, c.data_type.clone())).collect()
    }

    /// The types of all columns, hidden ones too.
    #[must_use]
    pub fn types(&self) -> Vec<DataType> {
        self.columns.iter().map(|c| c.data_type.clone()).collect()
    }

    /// The columns that `SELECT *` shows, with their ordinals.
    pub fn visible_columns(&self) -> impl Iterator<Item = (usize, &TableColumn)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.hidden)
    }

    /// The ordinal of a column, hidden ones too.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Every oid the table brings: its own, its indexes', its constraints'.
    pub fn ids(&self) -> impl Iterator<Item = RelationId> + '_ {
        [self.id, self.primary_key_index]
            .into_iter()
            .chain(self.checks.iter().map(|c| c.id))
            .chain(self.unique.iter().map(|c| c.id))
            .chain(self.foreign_keys.iter().map(|c| c.id))
    }

    /// The indexes shown to clients: (oid, name, column ordinals, whether it is the primary key).
    pub fn indexes(&self) -> impl Iterator<Item = (RelationId, &str, &[usize], bool)> {
        let primary = self.primary_key_name.iter().map(|n| (self.primary_key_index, &**n, &*self.primary_key, true));
        primary.chain(self.unique.iter().map(|u| (u.id, &*u.name, &*u.columns, false)))
    }
}

/// A view: expanded where it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its oid.
    pub id: RelationId,
    /// The schema it is in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Schema,
    /// The query, as the user wrote it: what follows AS.
    pub sql: String,
    /// The relations its query names, system relations too.
    pub depends_on: Vec<RelationId>,
    /// The settings of its creation, which its query keeps.
    pub settings: SessionSettings,
    /// The role that owns it.
    pub owner: String,
    /// COMMENT ON VIEW.
    pub comment: Option<String>,
    /// COMMENT ON COLUMN, by ordinal.
    pub column_comments: BTreeMap<usize, String>,
}

/// A materialized view: maintained by every commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaterializedView {
    /// Its oid.
    pub id: RelationId,
    /// The schema it is in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Schema,
    /// The query, as the user wrote it: what follows AS.
    pub sql: String,
    /// The relations its query names, views it was expanded from included.
    pub depends_on: Vec<RelationId>,
    /// The settings of its creation, which its query keeps.
    pub settings: SessionSettings,
    /// The role that owns it.
    pub owner: String,
    /// COMMENT ON MATERIALIZED VIEW.
    pub comment: Option<String>,
    /// COMMENT ON COLUMN, by ordinal.
    pub column_comments: BTreeMap<usize, String>,
    /// The shared relations that its plan reads.
    pub shared: Vec<RelationId>,
    /// What its plan computes by itself, and could share.
    pub groupings: Vec<Grouping>,
    /// The serialised plan. Opaque here.
    pub plan: Vec<u8>,
    /// Columns that are unique in the result, where the planner found such.
    pub key: Option<Vec<usize>>,
}

/// An index made by CREATE INDEX, on a table or a materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Its oid.
    pub id: RelationId,
    /// The schema it is in: its relation's.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The relation it is on.
    pub relation: RelationId,
    /// Column ordinals.
    pub columns: Vec<usize>,
    /// UNIQUE.
    pub unique: bool,
}

/// The kinds of relation a statement may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// An index.
    Index,
}

impl RelationKind {
    /// As in messages: `materialized view`.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Index => "index",
        }
    }

    /// With its article, as in messages: `an index`.
    #[must_use]
    pub fn with_article(self) -> String {
        let article = if self == Self::Index { "an" } else { "a" };
        format!("{article} {}", self.description())
    }

    /// 42809: DROP of `wanted` was asked for `name`, which is of this kind.
    #[must_use]
    pub fn wrong_kind_for_drop(self, name: &str, wanted: Self) -> SqlError {
        SqlError::new(SqlState::WrongObjectType, format!("\"{name}\" is not {}", wanted.with_article()))
            .with_hint(format!("Use DROP {} to remove {}.", self.description().to_uppercase(), self.with_article()))
    }

    /// 42P01: there is no relation `name` of this kind (DROP's wording).
    #[must_use]
    pub fn does_not_exist(self, name: &str) -> SqlError {
        SqlError::new(SqlState::UndefinedTable, format!("{} \"{name}\" does not exist", self.description()))
    }
}

/// A relation that can be named in FROM.
#[derive(Debug, Clone)]
pub enum RelationRef {
    /// A table.
    Table(Arc<Table>),
    /// A view.
    View(Arc<View>),
    /// A materialized view.
    MaterializedView(Arc<MaterializedView>),
    /// A relation of `pg_catalog`, `information_schema` or `rw_catalog`.
    System(&'static SystemRelation),
}

impl RelationRef {
    /// Its oid.
    #[must_use]
    pub fn id(&self) -> RelationId {
        match self {
            Self::Table(t) => t.id,
            Self::View(v) => v.id,
            Self::MaterializedView(v) => v.id,
            Self::System(s) => s.id,
        }
    }

    /// The name of the schema it is in.
    #[must_use]
    pub fn schema(&self) -> &str {
        match self {
            Self::Table(t) => &t.schema,
            Self::View(v) => &v.schema,
            Self::MaterializedView(v) => &v.schema,
            Self::System(s) => s.schema,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Table(t) => &t.name,
            Self::View(v) => &v.name,
            Self::MaterializedView(v) => &v.name,
            Self::System(s) => s.name,
        }
    }

    /// What it is; a system relation is a table or a view as in PostgreSQL.
    #[must_use]
    pub fn kind(&self) -> RelationKind {
        match self {
            Self::Table(_) => RelationKind::Table,
            Self::View(_) => RelationKind::View,
            Self::MaterializedView(_) => RelationKind::MaterializedView,
            Self::System(s) if s.is_view => RelationKind::View,
            Self::System(_) => RelationKind::Table,
        }
    }

    /// All columns, hidden ones too.
    #[must_use]
    pub fn fields(&self) -> Schema {
        match self {
            Self::Table(t) => t.fields(),
            Self::View(v) => v.columns.clone(),
            Self::MaterializedView(v) => v.columns.clone(),
            Self::System(s) => s.columns.clone(),
        }
    }

    /// Whether `SELECT *` leaves this column out.
    #[must_use]
    pub fn is_hidden(&self, column: usize) -> bool {
        matches!(self, Self::Table(t) if t.columns.get(column).is_some_and(|c| c.hidden))
    }

    /// The role that owns it.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Self::Table(t) => &t.owner,
            Self::View(v) => &v.owner,
            Self::MaterializedView(v) => &v.owner,
            Self::System(_) => crate::SYSTEM_OWNER,
        }
    }

    /// What its query depends on; nothing for tables.
    #[must_use]
    pub fn depends_on(&self) -> &[RelationId] {
        match self {
            Self::View(v) => &v.depends_on,
            Self::MaterializedView(v) => &v.depends_on,
            Self::Table(_) | Self::System(_) => &[],
        }
    }
}
