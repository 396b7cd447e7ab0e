//! `information_schema`: the SQL standard's view of the catalog.
//!
//! As in RisingWave and unlike in PostgreSQL, materialized views are listed too, as `MATERIALIZED VIEW`: tools that read
//! this schema would not find them otherwise.

use super::classes::all_relations;
use super::writer::{Value, Writer};
use super::{Generator, SystemContext};
use crate::catalog::Catalog;
use crate::{RelationKind, RelationRef, view_definition};
use headwater_types::{DataType, Field};

pub(super) const RELATIONS: &[(&str, Generator)] = &[
    ("information_schema.applicable_roles", applicable_roles),
    ("information_schema.character_sets", character_sets),
    ("information_schema.check_constraints", check_constraints),
    ("information_schema.columns", columns),
    ("information_schema.constraint_column_usage", constraint_column_usage),
    ("information_schema.constraint_table_usage", constraint_table_usage),
    ("information_schema.enabled_roles", enabled_roles),
    ("information_schema.information_schema_catalog_name", catalog_name),
    ("information_schema.key_column_usage", key_column_usage),
    ("information_schema.referential_constraints", referential_constraints),
    ("information_schema.role_table_grants", table_privileges),
    ("information_schema.schemata", schemata),
    ("information_schema.table_constraints", table_constraints),
    ("information_schema.table_privileges", table_privileges),
    ("information_schema.tables", tables),
    ("information_schema.view_table_usage", view_table_usage),
    ("information_schema.views", views),
];

/// The standard's booleans.
fn yes_or_no(value: bool) -> Value {
    if value { "YES" } else { "NO" }.into()
}

fn database(context: &SystemContext<'_>) -> Value {
    (&context.settings.database).into()
}

fn catalog_name(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    out.row([("catalog_name", database(context))]);
}

fn enabled_roles(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in crate::roles::ROLES {
        out.row([("role_name", role.name.into())]);
    }
}

fn applicable_roles(out: &mut Writer<'_>, _: &Catalog, _: &SystemContext<'_>) {
    for role in ["pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"] {
        out.row([("grantee", "pg_monitor".into()), ("role_name", role.into()), ("is_grantable", yes_or_no(false))]);
    }
}

fn character_sets(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    out.row([
        ("character_set_name", "UTF8".into()),
        ("character_repertoire", "UCS".into()),
        ("form_of_use", "UTF8".into()),
        ("default_collate_catalog", database(context)),
        ("default_collate_schema", "pg_catalog".into()),
        ("default_collate_name", "default".into()),
    ]);
}

fn schemata(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for namespace in super::instance::shown_namespaces(catalog) {
        out.row([
            ("catalog_name", database(context)),
            ("schema_name", (&namespace.name).into()),
            ("schema_owner", (&namespace.owner).into()),
        ]);
    }
}

fn tables(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for relation in all_relations(catalog) {
        let kind = match relation.kind() {
            RelationKind::View => "VIEW",
            RelationKind::MaterializedView => "MATERIALIZED VIEW",
            RelationKind::Table | RelationKind::Index => "BASE TABLE",
        };
        out.row([
            ("table_catalog", database(context)),
            ("table_schema", relation.schema().into()),
            ("table_name", relation.name().into()),
            ("table_type", kind.into()),
            ("is_insertable_into", yes_or_no(matches!(relation, RelationRef::Table(_)))),
            ("is_typed", yes_or_no(false)),
        ]);
    }
}

fn views(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for relation in all_relations(catalog).filter(|relation| relation.kind() == RelationKind::View) {
        let definition = if let RelationRef::View(view) = &relation { Some(view_definition(&view.sql)) } else { None };
        out.row([
            ("table_catalog", database(context)),
            ("table_schema", relation.schema().into()),
            ("table_name", relation.name().into()),
            ("view_definition", definition.into()),
            ("check_option", "NONE".into()),
            ("is_updatable", yes_or_no(false)),
            ("is_insertable_into", yes_or_no(false)),
            ("is_trigger_updatable", yes_or_no(false)),
            ("is_trigger_deletable", yes_or_no(false)),
            ("is_trigger_insertable_into", yes_or_no(false)),
        ]);
    }
}

/// The lengths and precisions that the standard wants of a type, as PostgreSQL's `_pg_…` functions compute them.
fn type_columns(data_type: &DataType) -> Vec<(&'static str, Value)> {
    const MAX_BYTES_PER_CHARACTER: i64 = 4;
    const UNLIMITED_BYTES: i64 = 1 << 30;
    let number = |precision: i64, radix: i64, scale: Option<i64>| {
        vec![
            ("numeric_precision", precision.into()),
            ("numeric_precision_radix", radix.into()),
            ("numeric_scale", scale.into()),
        ]
    };
    match data_type {
        DataType::Varchar(length) | DataType::Char(length) => {
            let bytes = length.map_or(UNLIMITED_BYTES, |length| i64::from(length) * MAX_BYTES_PER_CHARACTER);
            vec![("character_maximum_length", (*length).into()), ("character_octet_length", bytes.into())]
        }
        DataType::Text => vec![("character_octet_length", UNLIMITED_BYTES.into())],
        DataType::Int2 => number(16, 2, Some(0)),
        DataType::Int4 => number(32, 2, Some(0)),
        DataType::Int8 => number(64, 2, Some(0)),
        DataType::Float4 => number(24, 2, None),
        DataType::Float8 => number(53, 2, None),
        DataType::Numeric(Some((precision, scale))) => number((*precision).into(), 10, Some((*scale).into())),
        DataType::Numeric(None) => vec![("numeric_precision_radix", Value::Int(10))],
        DataType::Date => vec![("datetime_precision", Value::Int(0))],
        DataType::Time | DataType::Timestamp | DataType::Timestamptz | DataType::Interval => {
            vec![("datetime_precision", Value::Int(6))]
        }
        _ => Vec::new(),
    }
}

fn columns(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for relation in all_relations(catalog) {
        let updatable = matches!(relation, RelationRef::Table(_));
        for (ordinal, Field { name, data_type }) in relation.fields().iter().enumerate() {
            if relation.is_hidden(ordinal) {
                continue;
            }
            let (not_null, default) = match &relation {
                RelationRef::Table(table) => {
                    let column = &table.columns[ordinal];
                    (column.not_null, column.default.clone())
                }
                RelationRef::System(system) => (system.not_null[ordinal], None),
                RelationRef::View(_) | RelationRef::MaterializedView(_) => (false, None),
            };
            let sql_name = if matches!(data_type, DataType::Array(_)) {
                "ARRAY".to_owned()
            } else {
                data_type.without_modifier().sql_name()
            };
            let mut row = vec![
                ("table_catalog", database(context)),
                ("table_schema", relation.schema().into()),
                ("table_name", relation.name().into()),
                ("column_name", name.into()),
                ("ordinal_position", (ordinal + 1).into()),
                ("column_default", default.into()),
                ("is_nullable", yes_or_no(!not_null)),
                ("data_type", sql_name.into()),
            ];
            row.extend(type_columns(data_type));
            row.extend([
                ("udt_catalog", database(context)),
                ("udt_schema", "pg_catalog".into()),
                ("udt_name", data_type.internal_name().into()),
                ("dtd_identifier", (ordinal + 1).to_string().into()),
                ("is_self_referencing", yes_or_no(false)),
                ("is_identity", yes_or_no(false)),
                ("identity_cycle", yes_or_no(false)),
                ("is_generated", "NEVER".into()),
                ("is_updatable", yes_or_no(updatable)),
            ]);
            out.row(row);
        }
    }
}

fn table_constraints(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for table in catalog.tables() {
        let mut write = |name: &str, kind: &str, nulls: Value| {
            out.row([
                ("constraint_catalog", database(context)),
                ("constraint_schema", (&table.schema).into()),
                ("constraint_name", name.into()),
                ("table_catalog", database(context)),
                ("table_schema", (&table.schema).into()),
                ("table_name", (&table.name).into()),
                ("constraint_type", kind.into()),
                ("is_deferrable", yes_or_no(false)),
                ("initially_deferred", yes_or_no(false)),
                ("enforced", yes_or_no(true)),
                ("nulls_distinct", nulls),
            ]);
        };
        for (_, name, _, primary) in table.indexes() {
            if primary {
                write(name, "PRIMARY KEY", Value::Null);
            } else {
                write(name, "UNIQUE", yes_or_no(true));
            }
        }
        for check in &table.checks {
            write(&check.name, "CHECK", Value::Null);
        }
        for key in &table.foreign_keys {
            write(&key.name, "FOREIGN KEY", Value::Null);
        }
        // PostgreSQL lists NOT NULL as checks under these names.
        for (ordinal, _) in table.visible_columns().filter(|(_, column)| column.not_null) {
            write(&not_null_name(catalog, table, ordinal), "CHECK", Value::Null);
        }
    }
}

fn check_constraints(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for table in catalog.tables() {
        let mut write = |name: String, clause: String| {
            out.row([
                ("constraint_catalog", database(context)),
                ("constraint_schema", (&table.schema).into()),
                ("constraint_name", name.into()),
                ("check_clause", clause.into()),
            ]);
        };
        for check in &table.checks {
            write(check.name.clone(), format!("({})", check.sql));
        }
        for (ordinal, column) in table.visible_columns().filter(|(_, column)| column.not_null) {
            let name = not_null_name(catalog, table, ordinal);
            write(name, format!("{} IS NOT NULL", column.name));
        }
    }
}

fn key_column_usage(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for table in catalog.tables() {
        let mut write = |name: &str, columns: &[usize], foreign: bool| {
            for (position, &column) in (1_usize..).zip(columns) {
                let Some(column) = table.columns.get(column) else { continue };
                out.row([
                    ("constraint_catalog", database(context)),
                    ("constraint_schema", (&table.schema).into()),
                    ("constraint_name", name.into()),
                    ("table_catalog", database(context)),
                    ("table_schema", (&table.schema).into()),
                    ("table_name", (&table.name).into()),
                    ("column_name", (&column.name).into()),
                    ("ordinal_position", position.into()),
                    ("position_in_unique_constraint", foreign.then_some(position).into()),
                ]);
            }
        };
        for (_, name, columns, _) in table.indexes() {
            write(name, columns, false);
        }
        for key in &table.foreign_keys {
            write(&key.name, &key.columns, true);
        }
    }
}

fn referential_constraints(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for table in catalog.tables() {
        for key in &table.foreign_keys {
            let referenced = catalog.table(key.referenced);
            out.row([
                ("constraint_catalog", database(context)),
                ("constraint_schema", (&table.schema).into()),
                ("constraint_name", (&key.name).into()),
                ("unique_constraint_catalog", database(context)),
                ("unique_constraint_schema", referenced.map(|table| table.schema.clone()).into()),
                ("unique_constraint_name", referenced.and_then(|table| table.primary_key_name.clone()).into()),
                ("match_option", "NONE".into()),
                ("update_rule", "NO ACTION".into()),
                ("delete_rule", "NO ACTION".into()),
            ]);
        }
    }
}

/// (constraint's schema, its name, the table it is about, its columns): foreign keys are about the table they refer to.
fn usages(catalog: &Catalog, mut each: impl FnMut(&str, &str, &crate::Table, &[usize])) {
    for table in catalog.tables() {
        for (_, name, columns, _) in table.indexes() {
            each(&table.schema, name, table, columns);
        }
        for key in &table.foreign_keys {
            if let Some(referenced) = catalog.table(key.referenced) {
                each(&table.schema, &key.name, referenced, &key.referenced_columns);
            }
        }
    }
}

fn constraint_column_usage(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    usages(catalog, |schema, name, table, columns| {
        for column in columns.iter().filter_map(|&column| table.columns.get(column)) {
            out.row([
                ("table_catalog", database(context)),
                ("table_schema", (&table.schema).into()),
                ("table_name", (&table.name).into()),
                ("column_name", (&column.name).into()),
                ("constraint_catalog", database(context)),
                ("constraint_schema", schema.into()),
                ("constraint_name", name.into()),
            ]);
        }
    });
}

fn constraint_table_usage(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    usages(catalog, |schema, name, table, _| {
        out.row([
            ("table_catalog", database(context)),
            ("table_schema", (&table.schema).into()),
            ("table_name", (&table.name).into()),
            ("constraint_catalog", database(context)),
            ("constraint_schema", schema.into()),
            ("constraint_name", name.into()),
        ]);
    });
}

fn table_privileges(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for relation in catalog.relations() {
        for privilege in ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] {
            out.row([
                ("grantor", relation.owner().into()),
                ("grantee", relation.owner().into()),
                ("table_catalog", database(context)),
                ("table_schema", relation.schema().into()),
                ("table_name", relation.name().into()),
                ("privilege_type", privilege.into()),
                ("is_grantable", yes_or_no(true)),
                ("with_hierarchy", yes_or_no(privilege == "SELECT")),
            ]);
        }
    }
}

fn view_table_usage(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for view in catalog.views() {
        for relation in view.depends_on.iter().filter_map(|&id| catalog.relation(id)) {
            out.row([
                ("view_catalog", database(context)),
                ("view_schema", (&view.schema).into()),
                ("view_name", (&view.name).into()),
                ("table_catalog", database(context)),
                ("table_schema", relation.schema().into()),
                ("table_name", relation.name().into()),
            ]);
        }
    }
}

/// The name PostgreSQL's `information_schema` makes up for a column's NOT NULL.
fn not_null_name(catalog: &Catalog, table: &crate::Table, ordinal: usize) -> String {
    format!("{}_{}_{}_not_null", super::classes::namespace_id(catalog, &table.schema), table.id, ordinal + 1)
}
