//! `has_…_privilege`: every user is a superuser so far, so that the answer is yes wherever the object exists.

use super::{Call, Function};
use headwater_types::{Datum, RegKind, RelationId, Result, SqlError, SqlState};

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("has_any_column_privilege", |call| relation_privilege(call, 0)),
    ("has_column_privilege", |call| relation_privilege(call, 1)),
    ("has_database_privilege", database_privilege),
    ("has_foreign_data_wrapper_privilege", yes),
    ("has_function_privilege", |call| object_privilege(call, RegKind::Procedure)),
    ("has_language_privilege", yes),
    ("has_schema_privilege", |call| object_privilege(call, RegKind::Namespace)),
    ("has_sequence_privilege", |call| relation_privilege(call, 0)),
    ("has_server_privilege", yes),
    ("has_table_privilege", |call| relation_privilege(call, 0)),
    ("has_tablespace_privilege", yes),
    ("has_type_privilege", |call| object_privilege(call, RegKind::Type)),
    ("pg_has_role", yes),
    ("row_security_active", |_| Ok(Datum::Bool(false))),
];

fn yes(_: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Bool(true))
}

/// `([user,] relation [, column], privilege)`: `after` arguments stand between the relation and the privilege.
fn relation_privilege(call: &Call<'_>, after: usize) -> Result<Datum> {
    let Some(index) = call.args.len().checked_sub(2 + after) else { return Ok(Datum::Null) };
    let Some(oid) = call.object(index, RegKind::Class)? else { return Ok(Datum::Null) };
    let exists = call.catalog.relation(RelationId(oid)).is_some();
    Ok(if exists { Datum::Bool(true) } else { Datum::Null })
}

/// `([user,] object, privilege)`.
fn object_privilege(call: &Call<'_>, kind: RegKind) -> Result<Datum> {
    let Some(index) = call.args.len().checked_sub(2) else { return Ok(Datum::Null) };
    let Some(oid) = call.object(index, kind)? else { return Ok(Datum::Null) };
    let exists = super::reg::name(call.catalog, kind, oid, call.settings).is_some();
    Ok(if exists { Datum::Bool(true) } else { Datum::Null })
}

fn database_privilege(call: &Call<'_>) -> Result<Datum> {
    let Some(index) = call.args.len().checked_sub(2) else { return Ok(Datum::Null) };
    match call.text(index) {
        Some(name) if name != call.settings.database => {
            Err(SqlError::new(SqlState::InvalidCatalogName, format!("database \"{name}\" does not exist")))
        }
        _ => Ok(Datum::Bool(true)),
    }
}
