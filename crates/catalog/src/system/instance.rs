//! The server itself: schemas, databases, roles, settings, sessions.

use super::writer::{Value, Writer};
use super::{Generator, SystemContext};
use crate::Namespace;
use crate::catalog::{Catalog, INFORMATION_SCHEMA, PG_CATALOG, PUBLIC, is_unlisted_schema};
use crate::parameters::{ParameterKind, parameters};
use crate::roles::{self, ROLES, Role};
use headwater_types::Datum;
use std::sync::Arc;

pub(super) const RELATIONS: &[(&str, Generator)] = &[
    ("pg_auth_members", auth_members),
    ("pg_authid", authid),
    ("pg_database", database),
    ("pg_group", group),
    ("pg_namespace", namespace),
    ("pg_roles", roles_view),
    ("pg_settings", settings),
    ("pg_shadow", shadow),
    ("pg_stat_activity", stat_activity),
    ("pg_user", user),
];

/// The oid of the one database.
pub(crate) const DATABASE_ID: u32 = 15999;
/// The default tablespace.
const DEFAULT_TABLESPACE: u32 = 1663;
/// UTF8, as `pg_encoding_to_char` knows it.
pub(crate) const UTF8_ENCODING: i32 = 6;

fn database(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    out.row([
        ("oid", DATABASE_ID.into()),
        ("datname", (&context.settings.database).into()),
        ("datdba", roles::owner_id("root").into()),
        ("encoding", UTF8_ENCODING.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", Value::Int(-1)),
        ("dattablespace", DEFAULT_TABLESPACE.into()),
        ("datcollate", "C.UTF-8".into()),
        ("datctype", "C.UTF-8".into()),
    ]);
}

/// The schemas that PostgreSQL's catalogs show: see [`super::classes::all_relations`].
pub(super) fn shown_namespaces(catalog: &Catalog) -> impl Iterator<Item = &Arc<Namespace>> {
    catalog.namespaces().filter(|namespace| !is_unlisted_schema(&namespace.name))
}

fn namespace(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for namespace in shown_namespaces(catalog) {
        let grants: Option<Vec<&str>> = match namespace.id {
            PG_CATALOG | INFORMATION_SCHEMA => Some(vec!["postgres=UC/postgres", "=U/postgres"]),
            PUBLIC => Some(vec!["pg_database_owner=UC/pg_database_owner", "=U/pg_database_owner"]),
            _ => None,
        };
        out.row([
            ("oid", namespace.id.into()),
            ("nspname", (&namespace.name).into()),
            ("nspowner", roles::owner_id(&namespace.owner).into()),
            ("nspacl", grants.into()),
        ]);
    }
}

/// The columns that `pg_authid` and `pg_roles` share.
fn role_columns(role: &Role) -> Vec<(&'static str, Value)> {
    let all = role.superuser;
    vec![
        ("oid", role.id.into()),
        ("rolname", role.name.into()),
        ("rolsuper", all.into()),
        ("rolinherit", true.into()),
        ("rolcreaterole", all.into()),
        ("rolcreatedb", all.into()),
        ("rolcanlogin", all.into()),
        ("rolreplication", all.into()),
        ("rolbypassrls", all.into()),
        ("rolconnlimit", Value::Int(-1)),
    ]
}

fn authid(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in ROLES {
        out.row(role_columns(role));
    }
}

fn roles_view(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in ROLES {
        let mut row = role_columns(role);
        row.push(("rolpassword", "********".into()));
        out.row(row);
    }
}

fn group(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in ROLES.iter().filter(|role| !role.superuser) {
        out.row([("groname", role.name.into()), ("grosysid", role.id.into()), ("grolist", Vec::<u32>::new().into())]);
    }
}

/// `pg_monitor` is a member of three roles, as after PostgreSQL's initdb.
fn auth_members(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in [3374_u32, 3375, 3377] {
        out.row([("roleid", role.into()), ("member", 3373_u32.into()), ("grantor", 10_u32.into())]);
    }
}

fn user_columns(role: &Role) -> Vec<(&'static str, Value)> {
    vec![
        ("usename", role.name.into()),
        ("usesysid", role.id.into()),
        ("usecreatedb", true.into()),
        ("usesuper", true.into()),
        ("userepl", true.into()),
        ("usebypassrls", true.into()),
    ]
}

fn user(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in ROLES.iter().filter(|role| role.superuser) {
        let mut row = user_columns(role);
        row.push(("passwd", "********".into()));
        out.row(row);
    }
}

fn shadow(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in ROLES.iter().filter(|role| role.superuser) {
        out.row(user_columns(role));
    }
}

fn settings(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    for parameter in parameters().iter().filter(|parameter| !parameter.unlisted) {
        let (min, max, values) = match &parameter.kind {
            ParameterKind::Integer { min, max } => (Some(min.to_string()), Some(max.to_string()), None),
            ParameterKind::Real { min, max } => (Some(min.to_string()), Some(max.to_string()), None),
            ParameterKind::Enum(values) => (None, None, Some(values.clone())),
            ParameterKind::Bool | ParameterKind::Text => (None, None, None),
        };
        out.row([
            ("name", parameter.name.into()),
            ("setting", context.parameters.value(parameter).into()),
            ("unit", parameter.unit.into()),
            ("category", parameter.category.into()),
            ("short_desc", parameter.description.into()),
            ("extra_desc", parameter.extra_description.into()),
            ("context", parameter.context.into()),
            ("vartype", parameter.value_type.into()),
            ("source", context.parameters.source(parameter).into()),
            ("min_val", min.into()),
            ("max_val", max.into()),
            ("enumvals", values.into()),
            ("boot_val", (&parameter.default).into()),
            ("reset_val", context.parameters.reset_value(parameter).into()),
            ("pending_restart", false.into()),
        ]);
    }
}

fn stat_activity(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    let time = |micros: i64| Value::Datum(Datum::Timestamp(micros));
    for session in context.sessions {
        let waits = session.state != "active";
        out.row([
            ("datid", DATABASE_ID.into()),
            ("datname", (&session.database).into()),
            ("pid", session.pid.into()),
            ("usesysid", roles::owner_id(&session.user).into()),
            ("usename", (&session.user).into()),
            ("application_name", (&session.application_name).into()),
            ("client_addr", session.client_address.clone().into()),
            ("client_port", session.client_port.into()),
            ("backend_start", time(session.backend_start)),
            ("xact_start", session.transaction_start.map_or(Value::Null, time)),
            ("query_start", session.query_start.map_or(Value::Null, time)),
            ("state_change", session.query_start.map_or(Value::Null, time)),
            ("wait_event_type", waits.then_some("Client").into()),
            ("wait_event", waits.then_some("ClientRead").into()),
            ("state", (&session.state).into()),
            ("query", (&session.query).into()),
            ("backend_type", "client backend".into()),
        ]);
    }
}
