//! The catalog as a value: lookup by name and by id.
//!
//! # Invariants
//!
//! 1. `names` holds every relation and every index that has a name, once. Shared relations have none.
//! 2. `next_id` is greater than every id ever given out; ids are never used again.
//! 3. Cloning is O(1); a change copies the maps of `Arc`s, not the objects.

use crate::{Index, MaterializedView, Namespace, RelationRef, SharedRelation, Table, View, system};
use headwater_types::{RelationId, SqlError, SqlState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The role that owns the system relations.
pub const SYSTEM_OWNER: &str = "postgres";

/// The oid of `pg_catalog`.
pub(crate) const PG_CATALOG: RelationId = RelationId(11);
/// The oid of `public`.
pub(crate) const PUBLIC: RelationId = RelationId(2200);
/// The oid of `information_schema`: as in the copied PostgreSQL rows.
pub(crate) const INFORMATION_SCHEMA: RelationId = RelationId(13207);
/// The oid of `pg_toast`, which is always empty.
pub(crate) const PG_TOAST: RelationId = RelationId(99);
/// The oid of `rw_catalog`; PostgreSQL does not use it.
pub(crate) const RW_CATALOG: RelationId = RelationId(15000);
/// The oid of `headwater_catalog`; PostgreSQL does not use it.
pub(crate) const HEADWATER_CATALOG: RelationId = RelationId(15500);

/// All objects of the database at one version. Cheap to clone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Catalog {
    pub(crate) contents: Arc<Contents>,
}

/// What a catalog holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contents {
    pub(crate) version: u64,
    pub(crate) next_id: u32,
    pub(crate) namespaces: BTreeMap<RelationId, Arc<Namespace>>,
    pub(crate) tables: BTreeMap<RelationId, Arc<Table>>,
    pub(crate) views: BTreeMap<RelationId, Arc<View>>,
    pub(crate) materialized_views: BTreeMap<RelationId, Arc<MaterializedView>>,
    pub(crate) shared_relations: BTreeMap<RelationId, Arc<SharedRelation>>,
    pub(crate) indexes: BTreeMap<RelationId, Arc<Index>>,
    pub(crate) names: BTreeMap<(String, String), RelationId>,
}

/// Gives out ids for the objects of one change. Dropping it without applying that change gives them back.
#[derive(Debug, Clone)]
pub struct IdAllocator {
    next: u32,
}

impl IdAllocator {
    /// The next unused id.
    ///
    /// # Panics
    ///
    /// After 2³² objects.
    pub fn next_id(&mut self) -> RelationId {
        let id = RelationId(self.next);
        self.next = self.next.checked_add(1).expect("2^32 objects are out of reach");
        id
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalog {
    /// The catalog of an empty database.
    #[must_use]
    pub fn new() -> Self {
        let namespaces = [
            (PG_TOAST, "pg_toast", SYSTEM_OWNER, Some("reserved schema for TOAST tables")),
            (PG_CATALOG, "pg_catalog", SYSTEM_OWNER, Some("system catalog schema")),
            (PUBLIC, "public", "pg_database_owner", Some("standard public schema")),
            (INFORMATION_SCHEMA, "information_schema", SYSTEM_OWNER, None),
            (RW_CATALOG, "rw_catalog", SYSTEM_OWNER, Some("RisingWave's system relations")),
            (HEADWATER_CATALOG, "headwater_catalog", SYSTEM_OWNER, Some("Headwater's own system relations")),
        ];
        let namespaces = namespaces.into_iter().map(|(id, name, owner, comment)| {
            let comment = comment.map(str::to_owned);
            (id, Arc::new(Namespace { id, name: name.to_owned(), owner: owner.to_owned(), comment }))
        });
        Self {
            contents: Arc::new(Contents {
                version: 0,
                next_id: RelationId::FIRST_USER.0,
                namespaces: namespaces.collect(),
                tables: BTreeMap::new(),
                views: BTreeMap::new(),
                materialized_views: BTreeMap::new(),
                shared_relations: BTreeMap::new(),
                indexes: BTreeMap::new(),
                names: BTreeMap::new(),
            }),
        }
    }

    /// Grows by one with each change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.contents.version
    }

    /// Ids for the objects of the next change.
    #[must_use]
    pub fn ids(&self) -> IdAllocator {
        IdAllocator { next: self.contents.next_id }
    }

    /// All schemas, by id.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.contents.namespaces.values()
    }

    /// All tables, by id.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.contents.tables.values()
    }

    /// All views, by id.
    pub fn views(&self) -> impl Iterator<Item = &Arc<View>> {
        self.contents.views.values()
    }

    /// All materialized views, by id.
    pub fn materialized_views(&self) -> impl Iterator<Item = &Arc<MaterializedView>> {
        self.contents.materialized_views.values()
    }

    /// The user's relations, by id. System relations are [`crate::system_relations`].
    pub fn relations(&self) -> impl Iterator<Item = RelationRef> + '_ {
        let mut all: Vec<RelationRef> = self.tables().cloned().map(RelationRef::Table).collect();
        all.extend(self.views().cloned().map(RelationRef::View));
        all.extend(self.materialized_views().cloned().map(RelationRef::MaterializedView));
        all.sort_by_key(RelationRef::id);
        all.into_iter()
    }

    /// The schema of this name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.namespaces().find(|namespace| namespace.name == name)
    }

    /// The schema of this name.
    ///
    /// # Errors
    ///
    /// 3F000 if there is none.
    pub fn require_namespace(&self, name: &str) -> Result<&Arc<Namespace>, SqlError> {
        self.namespace(name)
            .ok_or_else(|| SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist")))
    }

    /// The table of this id.
    #[must_use]
    pub fn table(&self, id: RelationId) -> Option<&Arc<Table>> {
        self.contents.tables.get(&id)
    }

    /// The materialized view of this id.
    #[must_use]
    pub fn materialized_view(&self, id: RelationId) -> Option<&Arc<MaterializedView>> {
        self.contents.materialized_views.get(&id)
    }

    /// The relation of this id, system relations included; not indexes.
    #[must_use]
    pub fn relation(&self, id: RelationId) -> Option<RelationRef> {
        let contents = &self.contents;
        (contents.tables.get(&id).cloned().map(RelationRef::Table))
            .or_else(|| contents.views.get(&id).cloned().map(RelationRef::View))
            .or_else(|| contents.materialized_views.get(&id).cloned().map(RelationRef::MaterializedView))
            .or_else(|| system::system_relation(id).map(RelationRef::System))
    }

    /// The relation of this name. Without a schema: in `pg_catalog`, then along the search path, then in `rw_catalog`.
    #[must_use]
    pub fn resolve(&self, schema: Option<&str>, name: &str, search_path: &[String]) -> Option<RelationRef> {
        if let Some(schema) = schema {
            return self.resolve_in(schema, name);
        }
        effective_path(search_path).find_map(|schema| self.resolve_in(schema, name))
    }

    fn resolve_in(&self, schema: &str, name: &str) -> Option<RelationRef> {
        if is_system_schema(schema) {
            return system::named(schema, name).map(RelationRef::System);
        }
        // An index has a name but is no relation to select from.
        self.relation(self.name_id(schema, name)?)
    }

    /// The id of the relation or index of this name in a user's schema.
    pub(crate) fn name_id(&self, schema: &str, name: &str) -> Option<RelationId> {
        self.contents.names.get(&(schema.to_owned(), name.to_owned())).copied()
    }

    /// Whether a relation or index of this name exists in the schema: what a CREATE checks.
    #[must_use]
    pub fn is_taken(&self, schema: &str, name: &str) -> bool {
        self.name_id(schema, name).is_some() || system::named(schema, name).is_some()
    }

    /// The indexes made by CREATE INDEX, by id. Those of keys and UNIQUE belong to their table.
    pub fn indexes(&self) -> impl Iterator<Item = &Arc<Index>> {
        self.contents.indexes.values()
    }

    /// The index of this id, made by CREATE INDEX.
    #[must_use]
    pub fn index(&self, id: RelationId) -> Option<&Arc<Index>> {
        self.contents.indexes.get(&id)
    }

    /// The index of this name, made by CREATE INDEX.
    #[must_use]
    pub fn resolve_index(&self, schema: Option<&str>, name: &str, search_path: &[String]) -> Option<&Arc<Index>> {
        let find = |schema: &str| self.index(self.name_id(schema, name)?);
        schema.map_or_else(|| effective_path(search_path).find_map(find), find)
    }

    /// The table whose key's or UNIQUE constraint's index this is.
    #[must_use]
    pub fn index_table(&self, index: RelationId) -> Option<&Arc<Table>> {
        self.tables().find(|table| table.indexes().any(|(id, ..)| id == index))
    }

    /// A name for an index or constraint of a table that is not taken: `base_suffix`, `base_suffix1`, … within 63 bytes.
    #[must_use]
    pub fn choose_name(&self, schema: &str, base: &str, suffix: &str, reserved: &[String]) -> String {
        let candidate = |number: usize| {
            let tail = if number == 0 { format!("_{suffix}") } else { format!("_{suffix}{number}") };
            let mut end = base.len().min(IDENTIFIER_BYTES_MAX.saturating_sub(tail.len()));
            while !base.is_char_boundary(end) {
                end -= 1;
            }
            format!("{}{tail}", &base[..end])
        };
        (0..)
            .map(candidate)
            .find(|name| !self.is_taken(schema, name) && !reserved.contains(name))
            .expect("numbers do not run out")
    }

    /// The schema that unqualified CREATEs go to: the first of the search path that exists.
    #[must_use]
    pub fn creation_schema(&self, search_path: &[String]) -> Option<&Arc<Namespace>> {
        search_path.iter().find_map(|schema| self.namespace(schema))
    }

    /// Whether a relation is found by its bare name.
    #[must_use]
    pub fn is_visible(&self, relation: &RelationRef, search_path: &[String]) -> bool {
        // Not listed: `\d` would show all of `rw_catalog` otherwise, which is found without qualification.
        !is_unlisted_schema(relation.schema())
            && self.resolve(None, relation.name(), search_path).is_some_and(|found| found.id() == relation.id())
    }
}

/// PostgreSQL's NAMEDATALEN − 1.
pub const IDENTIFIER_BYTES_MAX: usize = 63;

/// Where unqualified names are looked for.
pub(crate) fn effective_path(search_path: &[String]) -> impl Iterator<Item = &str> {
    let implicit = !search_path.iter().any(|schema| schema == "pg_catalog");
    implicit.then_some("pg_catalog").into_iter().chain(search_path.iter().map(String::as_str)).chain(["rw_catalog"])
}

pub(crate) fn is_system_schema(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "pg_toast") || is_unlisted_schema(schema)
}

/// The system schemas that PostgreSQL has not: they show themselves to those who know of them, and would be foreign
/// tables among the user's own to everybody else, in `\dn` and in every tool's list.
pub(crate) fn is_unlisted_schema(schema: &str) -> bool {
    matches!(schema, "rw_catalog" | "headwater_catalog")
}
