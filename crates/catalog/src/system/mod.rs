//! The system relations: `pg_catalog`, `information_schema` and `rw_catalog`.

use crate::Catalog;
use headwater_types::{Datum, RelationId, Schema, SessionSettings};

/// A session, as `pg_stat_activity` shows it.
#[derive(Debug, Clone, Default)]
pub struct SessionInfo {
    /// The backend's number.
    pub pid: i32,
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// `application_name`
    pub application_name: String,
    /// The client's address, if it came over TCP.
    pub client_address: Option<String>,
    /// The client's port.
    pub client_port: Option<i32>,
    /// When it connected, microseconds since 1970.
    pub backend_start: i64,
    /// When its transaction began.
    pub transaction_start: Option<i64>,
    /// When its statement began.
    pub query_start: Option<i64>,
    /// `active`, `idle`, `idle in transaction`, …
    pub state: String,
    /// The statement that runs, or the last one.
    pub query: String,
}

/// What system relations show besides the catalog.
pub struct SystemContext<'a> {
    /// The session's settings.
    pub settings: &'a SessionSettings,
    /// All sessions.
    pub sessions: &'a [SessionInfo],
    /// The settings by name, with the session's values: see [`crate::parameters`].
    pub parameters: &'a dyn Fn(&str) -> Option<String>,
    /// The number of rows of a table or materialized view.
    pub row_count: &'a dyn Fn(RelationId) -> u64,
}

/// One system relation.
#[derive(Debug)]
pub struct SystemRelation {
    /// PostgreSQL's oid of it, or one below 16384 that PostgreSQL does not use.
    pub id: RelationId,
    /// `pg_catalog`, `information_schema` or `rw_catalog`.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// A view, as far as clients can tell.
    pub is_view: bool,
    /// Its columns.
    pub columns: Schema,
    rows: fn(&Catalog, &SystemContext<'_>) -> Vec<Vec<Datum>>,
}

impl SystemRelation {
    /// Its rows at this moment.
    #[must_use]
    pub fn rows(&self, catalog: &Catalog, context: &SystemContext<'_>) -> Vec<Vec<Datum>> {
        (self.rows)(catalog, context)
    }
}

/// All system relations.
#[must_use]
pub fn system_relations() -> &'static [SystemRelation] {
    &[]
}

/// The system relation of this oid.
#[must_use]
pub fn system_relation(id: RelationId) -> Option<&'static SystemRelation> {
    system_relations().iter().find(|relation| relation.id == id)
}

/// The system relation of this name.
pub(crate) fn named(schema: &str, name: &str) -> Option<&'static SystemRelation> {
    system_relations().iter().find(|relation| relation.schema == schema && relation.name == name)
}
