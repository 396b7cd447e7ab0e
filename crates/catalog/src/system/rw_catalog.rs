//! `rw_catalog`: the relations that RisingWave's clients (dbt-risingwave, its console's queries) read.
//!
//! One entry each: name, columns, rows. Oids start at [`FIRST_ID`], in a range that PostgreSQL does not use.

use super::writer::{Value, Writer};
use super::{Entry, SystemContext, SystemRelation, entry_relations};
use crate::catalog::Catalog;
use crate::definition::{all_indexes, index_statement};
use crate::system::classes::namespace_id;
use crate::system::instance::DATABASE_ID;
use crate::{RelationRef, quote_identifier, roles, table_definition};
use headwater_types::{DataType, Datum};

/// The oid of the first of them.
const FIRST_ID: u32 = 15001;

const ENTRIES: &[Entry] = &[
    Entry { name: "rw_columns", columns: column_columns, rows: Some(columns) },
    Entry { name: "rw_connections", columns: object_columns, rows: None },
    Entry { name: "rw_databases", columns: database_columns, rows: Some(databases) },
    Entry { name: "rw_ddl_progress", columns: ddl_progress_columns, rows: Some(ddl_progress) },
    Entry { name: "rw_depend", columns: depend_columns, rows: Some(depend) },
    Entry { name: "rw_functions", columns: object_columns, rows: None },
    Entry { name: "rw_indexes", columns: index_columns, rows: Some(indexes) },
    Entry { name: "rw_materialized_views", columns: relation_columns, rows: Some(materialized_views) },
    Entry { name: "rw_relations", columns: all_columns, rows: Some(relations_rows) },
    Entry { name: "rw_schemas", columns: schema_columns, rows: Some(schemas) },
    Entry { name: "rw_secrets", columns: object_columns, rows: None },
    Entry { name: "rw_sinks", columns: relation_columns, rows: None },
    Entry { name: "rw_sources", columns: relation_columns, rows: None },
    Entry { name: "rw_subscriptions", columns: relation_columns, rows: None },
    Entry { name: "rw_system_tables", columns: relation_columns, rows: Some(system_tables) },
    Entry { name: "rw_tables", columns: relation_columns, rows: Some(tables) },
    Entry { name: "rw_users", columns: user_columns, rows: Some(users) },
    Entry { name: "rw_views", columns: relation_columns, rows: Some(views) },
];

/// The relations of `rw_catalog`.
pub(super) fn relations() -> impl Iterator<Item = SystemRelation> {
    entry_relations("rw_catalog", FIRST_ID, ENTRIES)
}

fn text_array() -> DataType {
    DataType::Array(Box::new(DataType::Varchar(None)))
}

fn object_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("id", DataType::Int4),
        ("name", DataType::Varchar(None)),
        ("schema_id", DataType::Int4),
        ("owner", DataType::Int4),
        ("type", DataType::Varchar(None)),
        ("acl", text_array()),
    ]
}

fn relation_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("id", DataType::Int4),
        ("name", DataType::Varchar(None)),
        ("schema_id", DataType::Int4),
        ("owner", DataType::Int4),
        ("definition", DataType::Varchar(None)),
        ("append_only", DataType::Bool),
        ("acl", text_array()),
        ("initialized_at", DataType::Timestamptz),
        ("created_at", DataType::Timestamptz),
    ]
}

fn all_columns() -> Vec<(&'static str, DataType)> {
    let mut columns = relation_columns();
    columns.insert(2, ("relation_type", DataType::Varchar(None)));
    columns
}

fn index_columns() -> Vec<(&'static str, DataType)> {
    let mut columns = relation_columns();
    columns.insert(2, ("primary_table_id", DataType::Int4));
    columns
}

fn schema_columns() -> Vec<(&'static str, DataType)> {
    vec![("id", DataType::Int4), ("name", DataType::Varchar(None)), ("owner", DataType::Int4), ("acl", text_array())]
}

fn database_columns() -> Vec<(&'static str, DataType)> {
    schema_columns()
}

fn ddl_progress_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("ddl_id", DataType::Int8),
        ("ddl_statement", DataType::Varchar(None)),
        ("create_type", DataType::Varchar(None)),
        ("progress", DataType::Varchar(None)),
        ("initialized_at", DataType::Timestamptz),
    ]
}

fn depend_columns() -> Vec<(&'static str, DataType)> {
    vec![("objid", DataType::Int4), ("refobjid", DataType::Int4)]
}

fn user_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("id", DataType::Int4),
        ("name", DataType::Varchar(None)),
        ("is_super", DataType::Bool),
        ("create_db", DataType::Bool),
        ("create_user", DataType::Bool),
        ("can_login", DataType::Bool),
    ]
}

fn column_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("relation_id", DataType::Int4),
        ("name", DataType::Varchar(None)),
        ("position", DataType::Int4),
        ("is_hidden", DataType::Bool),
        ("is_primary_key", DataType::Bool),
        ("is_distribution_key", DataType::Bool),
        ("is_generated", DataType::Bool),
        ("is_nullable", DataType::Bool),
        ("generation_expression", DataType::Varchar(None)),
        ("data_type", DataType::Varchar(None)),
        ("type_oid", DataType::Int4),
        ("type_len", DataType::Int2),
        ("udt_type", DataType::Varchar(None)),
    ]
}

/// Everything that can be selected from, this schema included.
fn every_relation(catalog: &Catalog) -> impl Iterator<Item = RelationRef> + '_ {
    super::system_relations().iter().map(RelationRef::System).chain(catalog.relations())
}

/// A relation as the statement that would make it; the system's have none.
fn definition(catalog: &Catalog, relation: &RelationRef) -> Option<String> {
    let (kind, sql) = match relation {
        RelationRef::Table(table) => return Some(table_definition(catalog, table)),
        RelationRef::View(view) => ("VIEW", &view.sql),
        RelationRef::MaterializedView(view) => ("MATERIALIZED VIEW", &view.sql),
        RelationRef::System(_) => return None,
    };
    let name = format!("{}.{}", quote_identifier(relation.schema()), quote_identifier(relation.name()));
    Some(format!("CREATE {kind} {name} AS {}", sql.trim().trim_end_matches(';')))
}

fn relation_row(catalog: &Catalog, relation: &RelationRef) -> Vec<(&'static str, Value)> {
    vec![
        ("id", relation.id().into()),
        ("name", relation.name().into()),
        ("schema_id", namespace_id(catalog, relation.schema()).into()),
        ("owner", roles::owner_id(relation.owner()).into()),
        ("definition", definition(catalog, relation).into()),
        ("append_only", false.into()),
        ("acl", Vec::<&str>::new().into()),
    ]
}

fn tables(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for table in catalog.tables() {
        out.row(relation_row(catalog, &RelationRef::Table(table.clone())));
    }
}

fn views(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for view in catalog.views() {
        out.row(relation_row(catalog, &RelationRef::View(view.clone())));
    }
}

fn materialized_views(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for view in catalog.materialized_views() {
        out.row(relation_row(catalog, &RelationRef::MaterializedView(view.clone())));
    }
}

fn system_tables(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for relation in super::system_relations() {
        out.row(relation_row(catalog, &RelationRef::System(relation)));
    }
}

fn relations_rows(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for relation in every_relation(catalog) {
        let kind = match &relation {
            RelationRef::System(_) => "system table",
            other => other.kind().description(),
        };
        let mut row = relation_row(catalog, &relation);
        row.push(("relation_type", kind.into()));
        out.row(row);
    }
    for index in all_indexes(catalog) {
        out.row([
            ("id", index.id.into()),
            ("name", (&index.name).into()),
            ("relation_type", "index".into()),
            ("schema_id", namespace_id(catalog, index.relation.schema()).into()),
            ("owner", roles::owner_id(index.relation.owner()).into()),
            ("definition", index_statement(catalog, &index, false, &[]).into()),
            ("append_only", false.into()),
        ]);
    }
}

fn indexes(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for index in all_indexes(catalog) {
        out.row([
            ("id", index.id.into()),
            ("name", (&index.name).into()),
            ("primary_table_id", index.relation.id().into()),
            ("schema_id", namespace_id(catalog, index.relation.schema()).into()),
            ("owner", roles::owner_id(index.relation.owner()).into()),
            ("definition", index_statement(catalog, &index, false, &[]).into()),
        ]);
    }
}

fn schemas(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for namespace in catalog.namespaces() {
        out.row([
            ("id", namespace.id.into()),
            ("name", (&namespace.name).into()),
            ("owner", roles::owner_id(&namespace.owner).into()),
            ("acl", Vec::<&str>::new().into()),
        ]);
    }
}

fn databases(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    out.row([
        ("id", DATABASE_ID.into()),
        ("name", (&context.settings.database).into()),
        ("owner", roles::owner_id("root").into()),
        ("acl", Vec::<&str>::new().into()),
    ]);
}

fn users(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in roles::ROLES.iter().filter(|role| role.superuser) {
        out.row([
            ("id", role.id.into()),
            ("name", role.name.into()),
            ("is_super", true.into()),
            ("create_db", true.into()),
            ("create_user", true.into()),
            ("can_login", true.into()),
        ]);
    }
}

fn ddl_progress(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    for build in context.builds {
        let hundredths = build.rows_done.saturating_mul(10_000) / build.rows_total.max(1);
        out.row([
            ("ddl_id", build.id.into()),
            ("ddl_statement", (&build.statement).into()),
            // RisingWave's word for what the session waits for.
            ("create_type", "FOREGROUND".into()),
            ("progress", format!("{}.{:02}%", hundredths / 100, hundredths % 100).into()),
            ("initialized_at", Value::Datum(Datum::Timestamp(build.begun_micros))),
        ]);
    }
}

fn depend(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for relation in catalog.relations() {
        for &on in relation.depends_on() {
            out.row([("objid", relation.id().into()), ("refobjid", on.into())]);
        }
    }
}

fn columns(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for relation in every_relation(catalog) {
        let key: &[usize] = if let RelationRef::Table(table) = &relation { &table.primary_key } else { &[] };
        for (ordinal, field) in relation.fields().iter().enumerate() {
            let nullable = match &relation {
                RelationRef::Table(table) => !table.columns[ordinal].not_null,
                _ => true,
            };
            out.row([
                ("relation_id", relation.id().into()),
                ("name", (&field.name).into()),
                ("position", (ordinal + 1).into()),
                ("is_hidden", relation.is_hidden(ordinal).into()),
                ("is_primary_key", key.contains(&ordinal).into()),
                ("is_distribution_key", key.contains(&ordinal).into()),
                ("is_generated", false.into()),
                ("is_nullable", nullable.into()),
                ("data_type", field.data_type.sql_name().into()),
                ("type_oid", field.data_type.oid().into()),
                ("udt_type", field.data_type.internal_name().into()),
            ]);
        }
    }
}
