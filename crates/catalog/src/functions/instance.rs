//! What functions say of the server, the session and sizes.

use super::{Call, Function, optional};
use crate::catalog::effective_path;
use crate::parameters::{unrecognized, version_text};
use crate::system::DATABASE_ID;
use crate::{RelationKind, RelationRef};
use headwater_types::{ArrayDatum, DataType, Datum, RegKind, RelationId, Result, SqlError, SqlState};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("current_schema", |call| Ok(optional(call.catalog.creation_schema(call.search_path()).map(|s| s.name.clone())))),
    ("current_schemas", |call| Ok(current_schemas(call))),
    ("current_setting", current_setting),
    ("getdatabaseencoding", |_| Ok(Datum::text("UTF8"))),
    ("inet_client_addr", |call| Ok(own_session(call, |s| optional(s.client_address.clone())))),
    ("inet_client_port", |call| Ok(own_session(call, |s| s.client_port.map_or(Datum::Null, Datum::Int4)))),
    ("inet_server_addr", |_| Ok(Datum::Null)),
    ("inet_server_port", |_| Ok(Datum::Null)),
    ("pg_backend_pid", |call| Ok(Datum::Int4(call.context.backend_pid))),
    ("pg_char_to_encoding", |call| Ok(char_to_encoding(call))),
    ("pg_column_is_updatable", |call| Ok(Datum::Bool(is_table(call)))),
    ("pg_conf_load_time", |call| Ok(Datum::Timestamp(call.context.server_start_micros))),
    ("pg_database_size", database_size),
    ("pg_encoding_to_char", |call| Ok(encoding_to_char(call))),
    ("pg_indexes_size", |call| Ok(call.id(0).map_or(Datum::Null, |_| Datum::Int8(0)))),
    ("pg_is_in_recovery", |_| Ok(Datum::Bool(false))),
    ("pg_is_other_temp_schema", |_| Ok(Datum::Bool(false))),
    ("pg_my_temp_schema", |_| Ok(Datum::Oid(0))),
    ("pg_postmaster_start_time", |call| Ok(Datum::Timestamp(call.context.server_start_micros))),
    ("pg_relation_filenode", |call| Ok(call.oid(0).map_or(Datum::Null, Datum::Oid))),
    ("pg_relation_is_publishable", |call| Ok(Datum::Bool(is_table(call)))),
    // INSERT, UPDATE and DELETE: PostgreSQL's bits of them.
    ("pg_relation_is_updatable", |call| Ok(Datum::Int4(if is_table(call) { 8 | 4 | 16 } else { 0 }))),
    ("pg_relation_size", relation_size),
    ("pg_stat_get_numscans", |_| Ok(Datum::Int8(0))),
    ("pg_table_size", relation_size),
    ("pg_tablespace_location", |_| Ok(Datum::text(""))),
    ("pg_tablespace_size", |call| Ok(Datum::Int8(total_bytes(call)))),
    ("pg_total_relation_size", relation_size),
    ("pg_cancel_backend", |call| Ok(signal(call, false))),
    ("pg_terminate_backend", |call| Ok(signal(call, true))),
    ("set_config", set_config),
    ("txid_current", |call| Ok(Datum::Int8(call.context.control.transaction_id()))),
    ("version", |_| Ok(Datum::text(version_text()))),
];

fn own_session(call: &Call<'_>, read: impl Fn(&crate::SessionInfo) -> Datum) -> Datum {
    let own = call.context.sessions.iter().find(|session| session.pid == call.context.backend_pid);
    own.map_or(Datum::Null, read)
}

fn current_schemas(call: &Call<'_>) -> Datum {
    let implicit = call.flag(0);
    let given = call.search_path();
    let names = effective_path(given).filter(|name| {
        let listed = given.iter().any(|schema| schema == name);
        // `rw_catalog` is searched, but no client expects it here.
        (listed || (implicit && *name == "pg_catalog")) && call.catalog.namespace(name).is_some()
    });
    let mut values: Vec<Datum> = Vec::new();
    for name in names.map(Datum::text) {
        if !values.contains(&name) {
            values.push(name);
        }
    }
    Datum::Array(Arc::new(ArrayDatum { element: DataType::Name, values }))
}

fn current_setting(call: &Call<'_>) -> Result<Datum> {
    let Some(name) = call.text(0) else { return Ok(Datum::Null) };
    match call.context.setting(name) {
        Some(value) => Ok(Datum::text(value)),
        None if call.flag(1) => Ok(Datum::Null),
        None => Err(unrecognized(name)),
    }
}

/// Not strict: a NULL value is the setting's default, a NULL third argument is false.
fn set_config(call: &Call<'_>) -> Result<Datum> {
    let Some(name) = call.text(0) else {
        return Err(SqlError::new(SqlState::NullValueNotAllowed, "SET requires parameter name"));
    };
    call.context.control.set_config(call.context.parameters, name, call.text(1), call.flag(2)).map(Datum::text)
}

fn signal(call: &Call<'_>, end: bool) -> Datum {
    let pid = call.integer(0).and_then(|pid| i32::try_from(pid).ok());
    pid.map_or(Datum::Null, |pid| Datum::Bool(call.context.control.signal(pid, end)))
}

/// PostgreSQL's encodings that a client may ask about, by number.
const ENCODINGS: &[(i32, &str)] = &[
    (0, "SQL_ASCII"),
    (1, "EUC_JP"),
    (2, "EUC_CN"),
    (3, "EUC_KR"),
    (4, "EUC_TW"),
    (5, "EUC_JIS_2004"),
    (6, "UTF8"),
    (7, "MULE_INTERNAL"),
    (8, "LATIN1"),
    (9, "LATIN2"),
    (10, "LATIN3"),
    (11, "LATIN4"),
    (12, "LATIN5"),
    (13, "LATIN6"),
    (14, "LATIN7"),
    (15, "LATIN8"),
    (16, "LATIN9"),
    (17, "LATIN10"),
    (18, "WIN1256"),
    (19, "WIN1258"),
    (20, "WIN866"),
    (21, "WIN874"),
    (22, "KOI8R"),
    (23, "WIN1251"),
    (24, "WIN1252"),
    (25, "ISO_8859_5"),
    (26, "ISO_8859_6"),
    (27, "ISO_8859_7"),
    (28, "ISO_8859_8"),
    (29, "WIN1250"),
    (30, "WIN1253"),
    (31, "WIN1254"),
    (32, "WIN1255"),
    (33, "WIN1257"),
    (34, "KOI8U"),
];

fn encoding_to_char(call: &Call<'_>) -> Datum {
    let Some(number) = call.integer(0) else { return Datum::Null };
    let found = ENCODINGS.iter().find(|(own, _)| i64::from(*own) == number);
    Datum::text(found.map_or("", |(_, name)| name))
}

fn char_to_encoding(call: &Call<'_>) -> Datum {
    let Some(name) = call.text(0) else { return Datum::Null };
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = plain(name);
    let wanted = if wanted == "unicode" { "utf8".to_owned() } else { wanted };
    let found = ENCODINGS.iter().find(|(_, name)| plain(name) == wanted);
    Datum::Int4(found.map_or(-1, |(number, _)| *number))
}

fn is_table(call: &Call<'_>) -> bool {
    call.id(0).is_some_and(|id| call.catalog.table(id).is_some())
}

fn bytes(call: &Call<'_>, id: RelationId) -> i64 {
    i64::try_from(call.context.sizes.byte_count(id)).unwrap_or(i64::MAX)
}

/// Tables and materialized views; indexes and what is not stored are 0; NULL if there is no such relation.
fn relation_size(call: &Call<'_>) -> Result<Datum> {
    let Some(oid) = call.object(0, RegKind::Class)? else { return Ok(Datum::Null) };
    let id = RelationId(oid);
    Ok(match call.catalog.relation(id) {
        Some(RelationRef::Table(_) | RelationRef::MaterializedView(_)) => Datum::Int8(bytes(call, id)),
        Some(RelationRef::View(_) | RelationRef::System(_)) => Datum::Int8(0),
        None if call.catalog.index(id).is_some() || call.catalog.index_table(id).is_some() => Datum::Int8(0),
        None => Datum::Null,
    })
}

fn total_bytes(call: &Call<'_>) -> i64 {
    let stored = call.catalog.relations().filter(|relation| relation.kind() != RelationKind::View);
    stored.map(|relation| bytes(call, relation.id())).fold(0, i64::saturating_add)
}

fn database_size(call: &Call<'_>) -> Result<Datum> {
    match call.arg(0) {
        Some(Datum::Text(name)) if **name != *call.settings.database => {
            Err(SqlError::new(SqlState::InvalidCatalogName, format!("database \"{name}\" does not exist")))
        }
        Some(Datum::Text(_)) => Ok(Datum::Int8(total_bytes(call))),
        _ if call.oid(0) == Some(DATABASE_ID) => Ok(Datum::Int8(total_bytes(call))),
        _ => Ok(Datum::Null),
    }
}
