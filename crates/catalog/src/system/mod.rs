//! The system relations: `pg_catalog`, `information_schema`, `rw_catalog` and `headwater_catalog`.
//!
//! They are relations of the one engine like any other: a query reads their rows, all of them, as constants of the
//! moment. Their shapes are PostgreSQL 15's, with its oids (`data/relations.tsv`); those of the last two are in [`rw_catalog`]
//! and [`headwater_catalog`].
//! A relation's rows come from one entry in its family's `RELATIONS`, or from a file of `data/`, or it is empty.

mod classes;
pub(crate) mod data;
mod headwater_catalog;
mod information_schema;
mod instance;
mod rw_catalog;
mod views;
mod writer;

use crate::{Catalog, Parameters};
use headwater_types::{Batch, DataType, Datum, Field, RelationId, Result, Schema, SessionSettings};
use std::collections::HashMap;
use std::sync::OnceLock;
use writer::Writer;

pub(crate) use instance::DATABASE_ID;

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

/// What system relations and catalog functions show besides the catalog.
#[derive(Clone, Copy)]
pub struct SystemContext<'a> {
    /// The session's settings: those of the view that asks, if one does.
    pub settings: &'a SessionSettings,
    /// The session's values of all settings.
    pub parameters: &'a Parameters,
    /// All sessions.
    pub sessions: &'a [SessionInfo],
    /// The views that are being built.
    pub builds: &'a [BuildInfo],
    /// The asking session's number.
    pub backend_pid: i32,
    /// When the server started, microseconds since 1970.
    pub server_start_micros: i64,
    /// How large the stored relations are.
    pub sizes: &'a dyn RelationSizes,
    /// What the views' operators keep, for whoever asks for it.
    pub operators: &'a [OperatorInfo],
    /// What functions may do.
    pub control: &'a dyn SessionControl,
}

/// How large the stored relations are: tables, materialized views, shared relations.
pub trait RelationSizes: Sync {
    /// The number of rows.
    fn row_count(&self, relation: RelationId) -> u64;
    /// The bytes that the rows occupy.
    fn byte_count(&self, relation: RelationId) -> u64;
    /// The bytes by part; `None` if nothing is stored. Walks all of the relation.
    fn memory(&self, relation: RelationId) -> Option<MemoryInfo>;
}

/// What a stored relation occupies, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryInfo {
    /// By column; a materialized view's last may be the rows' weights.
    pub columns: Vec<u64>,
    /// About how much of that is deleted rows'.
    pub dead: u64,
    /// Its index.
    pub index: u64,
}

/// What an operator of a view keeps on one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorInfo {
    /// The view, or the shared relation.
    pub relation: RelationId,
    /// The worker.
    pub worker: u64,
    /// The operator's place in the plan.
    pub node: u64,
    /// What it is called.
    pub operator: &'static str,
    /// About how much, in bytes.
    pub bytes: u64,
}

impl SystemContext<'_> {
    /// A setting's value: as the running statement has set it, else the session's; `None` if there is no such setting.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        self.control.setting(name).or_else(|| self.parameters.show(name))
    }
}

/// Views that are being built, before their DDL is committed.
#[derive(Debug, Clone)]
pub struct BuildInfo {
    /// A number of its own, until the server stops.
    pub id: u64,
    /// What was asked for.
    pub statement: String,
    /// When it began, microseconds since 1970.
    pub begun_micros: i64,
    /// Input rows that have been fed to the views.
    pub rows_done: u64,
    /// How many there are.
    pub rows_total: u64,
    /// Bytes of changes that have come meanwhile and are not fed yet.
    pub held_bytes: u64,
}

/// What functions may do besides reading: to the session that calls them, and to others.
pub trait SessionControl: Sync {
    /// Whether the statement may go on.
    ///
    /// # Errors
    ///
    /// 57014 and 57P01: it is to stop.
    fn check_interrupt(&self) -> Result<()>;
    /// `set_config`: changes a setting, for good when the statement has succeeded. `parameters` is what the statement
    /// began with; a `value` of `None` is the default. Returns the setting's value.
    ///
    /// # Errors
    ///
    /// Those of SET.
    fn set_config(&self, parameters: &Parameters, name: &str, value: Option<&str>, local: bool) -> Result<String>;
    /// A setting that the statement has changed.
    fn setting(&self, name: &str) -> Option<String>;
    /// Stops what a session does, or ends the session; whether there is such a session.
    fn signal(&self, pid: i32, end: bool) -> bool;
    /// The number of the open transaction; transactions that begin later have greater ones.
    fn transaction_id(&self) -> i64;
}

/// Writes a relation's rows.
type Generator = fn(&mut Writer<'_>, &Catalog, &SystemContext<'_>);

#[derive(Debug)]
enum Source {
    /// PostgreSQL's own rows, read once.
    Static { file: &'static str, rows: OnceLock<Vec<Vec<Datum>>>, batch: OnceLock<Batch> },
    /// Made anew at each read.
    Live(Generator),
    /// Features that Headwater has not: no rows.
    Empty,
}

/// One system relation.
#[derive(Debug)]
pub struct SystemRelation {
    /// PostgreSQL's oid of it; of what is not PostgreSQL's, one that PostgreSQL does not use.
    pub id: RelationId,
    /// `pg_catalog`, `information_schema`, `rw_catalog` or `headwater_catalog`.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// A view in PostgreSQL.
    pub is_view: bool,
    /// Its columns.
    pub columns: Schema,
    /// Which of them are NOT NULL.
    pub(crate) not_null: Vec<bool>,
    source: Source,
}

impl SystemRelation {
    /// Its rows at this moment. Costs what the relation holds; nothing is kept but PostgreSQL's own rows.
    #[must_use]
    pub fn rows(&self, catalog: &Catalog, context: &SystemContext<'_>) -> Vec<Vec<Datum>> {
        match &self.source {
            Source::Static { .. } => self.static_rows().to_vec(),
            Source::Live(generate) => {
                let mut writer = Writer::new(self);
                generate(&mut writer, catalog, context);
                writer.finish()
            }
            Source::Empty => Vec::new(),
        }
    }

    /// Its rows at this moment, as columns.
    #[must_use]
    pub fn batch(&self, catalog: &Catalog, context: &SystemContext<'_>) -> Batch {
        let types = self.types();
        match &self.source {
            Source::Static { batch, .. } => batch.get_or_init(|| Batch::from_rows(&types, self.static_rows())).clone(),
            Source::Live(_) => Batch::from_rows(&types, &self.rows(catalog, context)),
            Source::Empty => Batch::empty(&types),
        }
    }

    /// Its columns' types.
    #[must_use]
    pub fn types(&self) -> Vec<DataType> {
        self.columns.iter().map(|field| field.data_type.clone()).collect()
    }

    /// PostgreSQL's own rows, of a relation that has only those.
    pub(crate) fn static_rows(&self) -> &[Vec<Datum>] {
        match &self.source {
            Source::Static { file, rows, .. } => rows.get_or_init(|| file_rows(file, &self.columns)),
            Source::Live(_) | Source::Empty => &[],
        }
    }

    /// The ordinal of a column.
    pub(crate) fn column(&self, name: &str) -> usize {
        self.columns.iter().position(|field| field.name == name).expect("callers name columns that exist")
    }
}

/// A file's rows as these columns.
pub(crate) fn file_rows(file: &str, columns: &[Field]) -> Vec<Vec<Datum>> {
    let columns: Vec<_> = columns.iter().map(|field| (field.name.clone(), field.data_type.clone())).collect();
    data::file(file).map(|file| file.datums(&columns)).unwrap_or_default()
}

/// All system relations: `pg_catalog` and `information_schema` by name, then `rw_catalog` and `headwater_catalog`.
#[must_use]
pub fn system_relations() -> &'static [SystemRelation] {
    static RELATIONS: OnceLock<Vec<SystemRelation>> = OnceLock::new();
    RELATIONS.get_or_init(|| {
        let mut all: Vec<SystemRelation> = data::shapes().filter_map(from_shape).collect();
        all.extend(rw_catalog::relations());
        all.extend(headwater_catalog::relations());
        all
    })
}

/// A relation of a schema that PostgreSQL has not.
struct Entry {
    name: &'static str,
    columns: fn() -> Vec<(&'static str, DataType)>,
    rows: Option<Generator>,
}

/// The relations of such a schema; their oids count from `first_id`.
fn entry_relations(
    schema: &'static str,
    first_id: u32,
    entries: &'static [Entry],
) -> impl Iterator<Item = SystemRelation> {
    (first_id..).zip(entries).map(move |(id, entry)| {
        let columns = (entry.columns)();
        SystemRelation {
            id: RelationId(id),
            schema,
            name: entry.name,
            is_view: true,
            not_null: vec![false; columns.len()],
            columns: columns.into_iter().map(|(name, data_type)| Field::new(name, data_type)).collect(),
            source: entry.rows.map_or(Source::Empty, Source::Live),
        }
    })
}

struct Directory {
    by_id: HashMap<RelationId, usize>,
    by_name: HashMap<(&'static str, &'static str), usize>,
}

fn directory() -> &'static Directory {
    static DIRECTORY: OnceLock<Directory> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let all = system_relations().iter().enumerate();
        Directory {
            by_id: all.clone().map(|(index, relation)| (relation.id, index)).collect(),
            by_name: all.map(|(index, relation)| ((relation.schema, relation.name), index)).collect(),
        }
    })
}

/// The system relation of this oid.
#[must_use]
pub fn system_relation(id: RelationId) -> Option<&'static SystemRelation> {
    system_relations().get(*directory().by_id.get(&id)?)
}

/// Whether reading the relation asks for what the views' operators keep.
#[must_use]
pub fn shows_operators(relation: &SystemRelation) -> bool {
    relation.schema == "headwater_catalog" && relation.name == "operator_memory"
}

/// The system relation of this name.
pub(crate) fn named(schema: &str, name: &str) -> Option<&'static SystemRelation> {
    let index = *directory().by_name.get(&(schema, name))?;
    system_relations().get(index)
}

/// A relation of `pg_catalog` that has only PostgreSQL's own rows.
pub(crate) fn static_relation(name: &str) -> &'static SystemRelation {
    named("pg_catalog", name).expect("callers name relations that exist")
}

fn from_shape([schema, name, oid, kind, columns]: [&'static str; 5]) -> Option<SystemRelation> {
    let mut fields = Schema::new();
    let mut not_null = Vec::new();
    for column in columns.split(',') {
        let (name, data_type) = column.split_once(' ')?;
        not_null.push(data_type.ends_with(" !"));
        fields.push(Field::new(name, column_type(data_type.trim_end_matches(" !"))));
    }
    let families = [classes::RELATIONS, instance::RELATIONS, views::RELATIONS, information_schema::RELATIONS];
    let live = families.into_iter().flatten().find(|(entry, _)| {
        entry
            .strip_prefix("information_schema.")
            .map_or((schema, *entry) == ("pg_catalog", name), |entry| schema == "information_schema" && entry == name)
    });
    let source = match live {
        Some((_, generate)) => Source::Live(*generate),
        None if data::file(name).is_some() => {
            Source::Static { file: name, rows: OnceLock::new(), batch: OnceLock::new() }
        }
        None => Source::Empty,
    };
    let id = RelationId(oid.parse().ok()?);
    Some(SystemRelation { id, schema, name, is_view: kind == "v", columns: fields, not_null, source })
}

/// A column's type. The domains of `information_schema` are given as what they are over; types that Headwater does not
/// have (`inet`, `pg_lsn`) as text, their columns being NULL or text anyway.
fn column_type(name: &str) -> DataType {
    match name {
        "information_schema.sql_identifier" => DataType::Name,
        "information_schema.character_data" => DataType::Varchar(None),
        "information_schema.cardinal_number" => DataType::Int4,
        "information_schema.yes_or_no" => DataType::Varchar(Some(3)),
        "information_schema.time_stamp" => DataType::Timestamptz,
        _ => DataType::from_sql_name(name).unwrap_or(DataType::Text),
    }
}
