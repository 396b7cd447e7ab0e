//! Relations and what belongs to them: `pg_class`, `pg_attribute`, `pg_index`, `pg_constraint`, `pg_depend` and their kin.

use super::writer::{Value, Writer};
use super::{Generator, SystemContext, file_rows, named, static_relation, system_relations};
use crate::catalog::{Catalog, is_unlisted_schema};
use crate::definition::{IndexInfo, all_indexes};
use crate::{RelationRef, SystemRelation, Table, roles, view_definition};
use headwater_types::{DataType, Datum, RelationId};
use std::collections::HashMap;
use std::sync::OnceLock;

pub(super) const RELATIONS: &[(&str, Generator)] = &[
    ("pg_attrdef", attrdef),
    ("pg_attribute", attribute),
    ("pg_class", class),
    ("pg_constraint", constraint),
    ("pg_depend", depend),
    ("pg_description", description),
    ("pg_index", index),
    ("pg_rewrite", rewrite),
];

/// `pg_class.oid` of the catalogs that other catalogs point into.
mod class_id {
    pub(super) const CLASS: u32 = 1259;
    pub(super) const ATTRDEF: u32 = 2604;
    pub(super) const CONSTRAINT: u32 = 2606;
    pub(super) const NAMESPACE: u32 = 2615;
    pub(super) const REWRITE: u32 = 2618;
}

const HEAP: u32 = 2;
const BTREE: u32 = 403;
const PAGE_BYTES: u64 = 8192;

/// The oid of a schema.
pub(super) fn namespace_id(catalog: &Catalog, name: &str) -> u32 {
    catalog.namespace(name).map_or(0, |namespace| namespace.id.0)
}

/// `pg_class.relkind`
pub(super) fn kind_letter(relation: &RelationRef) -> &'static str {
    match relation {
        RelationRef::Table(_) => "r",
        RelationRef::View(_) => "v",
        RelationRef::MaterializedView(_) => "m",
        RelationRef::System(system) if system.is_view => "v",
        RelationRef::System(_) => "r",
    }
}

/// The relations that PostgreSQL's catalogs show, the system's first.
pub(super) fn all_relations(catalog: &Catalog) -> impl Iterator<Item = RelationRef> + '_ {
    shown_system_relations().map(RelationRef::System).chain(catalog.relations())
}

fn shown_system_relations() -> impl Iterator<Item = &'static SystemRelation> {
    system_relations().iter().filter(|relation| !is_unlisted_schema(relation.schema))
}

/// The number of columns that clients see.
fn visible_columns(relation: &RelationRef) -> usize {
    match relation {
        RelationRef::Table(table) => table.visible_columns().count(),
        RelationRef::View(view) => view.columns.len(),
        RelationRef::MaterializedView(view) => view.columns.len(),
        RelationRef::System(system) => system.columns.len(),
    }
}

fn class(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    let indexes = all_indexes(catalog);
    for relation in all_relations(catalog) {
        let id = relation.id();
        let kind = kind_letter(&relation);
        let stored = kind != "v";
        // PostgreSQL's −1: not known. The system's rows are made when read.
        let (rows, pages) = match &relation {
            RelationRef::Table(_) | RelationRef::MaterializedView(_) => {
                (context.sizes.row_count(id).into(), context.sizes.byte_count(id).div_ceil(PAGE_BYTES))
            }
            RelationRef::View(_) | RelationRef::System(_) => (Value::Int(if stored { -1 } else { 0 }), 0),
        };
        let checks = if let RelationRef::Table(table) = &relation { table.checks.len() } else { 0 };
        let is_system = matches!(relation, RelationRef::System(_));
        out.row([
            ("oid", id.into()),
            ("relname", relation.name().into()),
            ("relnamespace", namespace_id(catalog, relation.schema()).into()),
            ("relowner", roles::owner_id(relation.owner()).into()),
            ("relam", if stored { HEAP } else { 0 }.into()),
            ("relfilenode", if stored && !is_system { id.0 } else { 0 }.into()),
            ("relpages", i32::try_from(pages).unwrap_or(i32::MAX).into()),
            ("reltuples", rows),
            ("relhasindex", indexes.iter().any(|index| index.relation.id() == id).into()),
            ("relpersistence", "p".into()),
            ("relkind", kind.into()),
            ("relnatts", visible_columns(&relation).into()),
            ("relchecks", checks.into()),
            ("relhasrules", matches!(kind, "v" | "m").into()),
            ("relispopulated", true.into()),
            ("relreplident", if is_system || !stored { "n" } else { "d" }.into()),
        ]);
    }
    for index in &indexes {
        out.row([
            ("oid", index.id.into()),
            ("relname", (&index.name).into()),
            ("relnamespace", namespace_id(catalog, index.relation.schema()).into()),
            ("relowner", roles::owner_id(index.relation.owner()).into()),
            ("relam", BTREE.into()),
            ("relfilenode", index.id.into()),
            ("reltuples", context.sizes.row_count(index.relation.id()).into()),
            ("relpersistence", "p".into()),
            ("relkind", "i".into()),
            ("relnatts", index.columns.len().into()),
            ("relispopulated", true.into()),
            ("relreplident", "n".into()),
        ]);
    }
}

/// What `pg_type` says of a type's storage.
struct Storage {
    length: Datum,
    by_value: Datum,
    align: Datum,
    storage: Datum,
    collation: Datum,
}

fn storage(type_oid: u32) -> Option<&'static Storage> {
    static STORAGE: OnceLock<HashMap<u32, Storage>> = OnceLock::new();
    let all = STORAGE.get_or_init(|| {
        let types = static_relation("pg_type");
        let [oid, length, by_value, align, storage, collation] =
            ["oid", "typlen", "typbyval", "typalign", "typstorage", "typcollation"].map(|name| types.column(name));
        let entry = |row: &Vec<Datum>| {
            let Datum::Oid(id) = row[oid] else { return None };
            Some((
                id,
                Storage {
                    length: row[length].clone(),
                    by_value: row[by_value].clone(),
                    align: row[align].clone(),
                    storage: row[storage].clone(),
                    collation: row[collation].clone(),
                },
            ))
        };
        types.static_rows().iter().filter_map(entry).collect()
    });
    all.get(&type_oid)
}

/// The collation of a type's columns: 0 where it has none.
fn collation(data_type: &DataType) -> u32 {
    match storage(data_type.oid()).map(|storage| &storage.collation) {
        Some(Datum::Oid(oid)) => *oid,
        _ => 0,
    }
}

fn write_attribute(
    out: &mut Writer<'_>,
    relation: RelationId,
    number: usize,
    name: &str,
    data_type: &DataType,
    not_null: bool,
    default: bool,
) {
    let oid = data_type.oid();
    let mut row = vec![
        ("attrelid", relation.into()),
        ("attname", name.into()),
        ("atttypid", oid.into()),
        ("attstattarget", Value::Int(-1)),
        ("attnum", number.into()),
        ("attndims", i32::from(matches!(data_type, DataType::Array(_))).into()),
        ("attcacheoff", Value::Int(-1)),
        ("atttypmod", data_type.typmod().into()),
    ];
    if let Some(storage) = storage(oid) {
        row.extend([
            ("attlen", storage.length.clone().into()),
            ("attbyval", storage.by_value.clone().into()),
            ("attalign", storage.align.clone().into()),
            ("attstorage", storage.storage.clone().into()),
            ("attcollation", storage.collation.clone().into()),
        ]);
    }
    row.extend([("attnotnull", not_null.into()), ("atthasdef", default.into()), ("attislocal", true.into())]);
    out.row(row);
}

fn attribute(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    // The system's columns never change.
    static SYSTEM: OnceLock<Vec<Vec<Datum>>> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let mut out = Writer::new(named("pg_catalog", "pg_attribute").expect("it is the one being read"));
        for relation in shown_system_relations() {
            for (number, field) in (1..).zip(&relation.columns) {
                let not_null = relation.not_null[number - 1];
                write_attribute(&mut out, relation.id, number, &field.name, &field.data_type, not_null, false);
            }
        }
        out.finish()
    });
    out.extend(system.iter().cloned());
    for relation in catalog.relations() {
        match &relation {
            RelationRef::Table(table) => {
                for (ordinal, column) in table.visible_columns() {
                    let default = column.default.is_some();
                    let (name, data_type) = (&column.name, &column.data_type);
                    write_attribute(out, table.id, ordinal + 1, name, data_type, column.not_null, default);
                }
            }
            _ => {
                for (number, field) in (1..).zip(relation.fields()) {
                    write_attribute(out, relation.id(), number, &field.name, &field.data_type, false, false);
                }
            }
        }
    }
    for index in all_indexes(catalog) {
        let fields = index.relation.fields();
        for (number, field) in (1..).zip(index.columns.iter().filter_map(|&column| fields.get(column))) {
            write_attribute(out, index.id, number, &field.name, &field.data_type, false, false);
        }
    }
}

/// The default B-tree operator class of a type.
fn operator_class(data_type: &DataType) -> u32 {
    static CLASSES: OnceLock<HashMap<u32, u32>> = OnceLock::new();
    let classes = CLASSES.get_or_init(|| {
        let relation = static_relation("pg_opclass");
        let [oid, method, input, default] =
            ["oid", "opcmethod", "opcintype", "opcdefault"].map(|name| relation.column(name));
        let entry = |row: &Vec<Datum>| match (&row[oid], &row[method], &row[input], &row[default]) {
            (Datum::Oid(oid), Datum::Oid(BTREE), Datum::Oid(input), Datum::Bool(true)) => Some((*input, *oid)),
            _ => None,
        };
        relation.static_rows().iter().filter_map(entry).collect()
    });
    let key = match data_type {
        // Binary-coercible to text.
        DataType::Varchar(_) | DataType::Unknown => DataType::Text.oid(),
        DataType::Array(_) => 2277,
        other => other.oid(),
    };
    classes.get(&key).copied().unwrap_or(0)
}

/// Ordinals as attribute numbers.
fn attribute_numbers(columns: &[usize]) -> Vec<usize> {
    columns.iter().map(|column| column + 1).collect()
}

fn index(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for index in all_indexes(catalog) {
        let IndexInfo { id, relation, columns, unique, primary, .. } = &index;
        let fields = relation.fields();
        let types: Vec<&DataType> = columns.iter().filter_map(|&c| fields.get(c)).map(|f| &f.data_type).collect();
        out.row([
            ("indexrelid", (*id).into()),
            ("indrelid", relation.id().into()),
            ("indnatts", columns.len().into()),
            ("indnkeyatts", columns.len().into()),
            ("indisunique", (*unique).into()),
            ("indisprimary", (*primary).into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", attribute_numbers(columns).into()),
            ("indcollation", types.iter().map(|t| collation(t)).collect::<Vec<_>>().into()),
            ("indclass", types.iter().map(|t| operator_class(t)).collect::<Vec<_>>().into()),
            ("indoption", vec![0_i16; columns.len()].into()),
        ]);
    }
}

/// Tables' constraints: (oid, name, type, key columns, index, text of a CHECK).
fn constraint(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for table in catalog.tables() {
        let mut write = |id: RelationId, name: &str, kind: &str, more: Vec<(&'static str, Value)>| {
            let mut row = vec![
                ("oid", id.into()),
                ("conname", name.into()),
                ("connamespace", namespace_id(catalog, &table.schema).into()),
                ("contype", kind.into()),
                ("convalidated", true.into()),
                ("conrelid", table.id.into()),
                ("confupdtype", " ".into()),
                ("confdeltype", " ".into()),
                ("confmatchtype", " ".into()),
                ("conislocal", true.into()),
                ("connoinherit", matches!(kind, "p" | "u" | "f").into()),
            ];
            row.extend(more);
            out.row(row);
        };
        for (id, name, columns, primary) in table.indexes() {
            let key = attribute_numbers(columns).into();
            write(id, name, if primary { "p" } else { "u" }, vec![("conindid", id.into()), ("conkey", key)]);
        }
        for check in &table.checks {
            write(check.id, &check.name, "c", vec![("conbin", (&check.sql).into())]);
        }
        for key in &table.foreign_keys {
            let referenced_key = catalog.table(key.referenced).map_or(0, |table| table.primary_key_index.0);
            let more = vec![
                ("conindid", referenced_key.into()),
                ("confrelid", key.referenced.into()),
                ("confupdtype", "a".into()),
                ("confdeltype", "a".into()),
                ("confmatchtype", "s".into()),
                ("conkey", attribute_numbers(&key.columns).into()),
                ("confkey", attribute_numbers(&key.referenced_columns).into()),
            ];
            write(key.id, &key.name, "f", more);
        }
    }
}

/// Columns with defaults: (table, attribute number, expression). The position is the row's oid in `pg_attrdef`.
fn defaults(catalog: &Catalog) -> impl Iterator<Item = (&Table, usize, &str)> {
    catalog.tables().flat_map(|table| {
        let columns = table.visible_columns();
        columns.filter_map(move |(ordinal, column)| Some((&**table, ordinal + 1, column.default.as_deref()?)))
    })
}

fn attrdef(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for (oid, (table, number, sql)) in (RelationId::FIRST_USER.0..).zip(defaults(catalog)) {
        out.row([("oid", oid.into()), ("adrelid", table.id.into()), ("adnum", number.into()), ("adbin", sql.into())]);
    }
}

fn description(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    static BUILT_IN: OnceLock<Vec<Vec<Datum>>> = OnceLock::new();
    let own = named("pg_catalog", "pg_description").expect("it is the one being read");
    out.extend(BUILT_IN.get_or_init(|| file_rows("pg_description", &own.columns)).iter().cloned());
    let mut write = |object: RelationId, class: u32, number: usize, text: &String| {
        out.row([
            ("objoid", object.into()),
            ("classoid", class.into()),
            ("objsubid", number.into()),
            ("description", text.into()),
        ]);
    };
    for namespace in catalog.namespaces().filter(|namespace| namespace.id >= RelationId::FIRST_USER) {
        if let Some(text) = &namespace.comment {
            write(namespace.id, class_id::NAMESPACE, 0, text);
        }
    }
    for relation in catalog.relations() {
        let (comment, columns) = match &relation {
            RelationRef::Table(table) => (&table.comment, &table.column_comments),
            RelationRef::View(view) => (&view.comment, &view.column_comments),
            RelationRef::MaterializedView(view) => (&view.comment, &view.column_comments),
            RelationRef::System(_) => continue,
        };
        if let Some(text) = comment {
            write(relation.id(), class_id::CLASS, 0, text);
        }
        for (ordinal, text) in columns {
            write(relation.id(), class_id::CLASS, ordinal + 1, text);
        }
    }
}

/// (oid, query) of every view: each has one `_RETURN` rule, whose oid is the view's own.
fn queries(catalog: &Catalog) -> Vec<(RelationId, String, Vec<RelationId>)> {
    let views = catalog.views().map(|v| (v.id, view_definition(&v.sql), v.depends_on.clone()));
    let mut all: Vec<_> = views.collect();
    all.extend(catalog.materialized_views().map(|v| (v.id, view_definition(&v.sql), v.depends_on.clone())));
    all.sort_by_key(|(id, ..)| *id);
    all
}

fn rewrite(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for (id, sql, _) in queries(catalog) {
        out.row([
            ("oid", id.into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", id.into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
            ("ev_qual", "<>".into()),
            ("ev_action", sql.into()),
        ]);
    }
}

fn depend(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    let mut write = |class: u32, object: RelationId, on_class: u32, on: RelationId, number: usize, kind: &str| {
        out.row([
            ("classid", class.into()),
            ("objid", object.into()),
            ("refclassid", on_class.into()),
            ("refobjid", on.into()),
            ("refobjsubid", number.into()),
            ("deptype", kind.into()),
        ]);
    };
    for relation in catalog.relations() {
        let schema = RelationId(namespace_id(catalog, relation.schema()));
        write(class_id::CLASS, relation.id(), class_id::NAMESPACE, schema, 0, "n");
    }
    for (id, _, depends_on) in queries(catalog) {
        write(class_id::REWRITE, id, class_id::CLASS, id, 0, "i");
        for on in depends_on {
            write(class_id::REWRITE, id, class_id::CLASS, on, 0, "n");
        }
    }
    for (oid, (table, number, _)) in (RelationId::FIRST_USER.0..).zip(defaults(catalog)) {
        write(class_id::ATTRDEF, RelationId(oid), class_id::CLASS, table.id, number, "a");
    }
    for table in catalog.tables() {
        for (id, _, columns, _) in table.indexes() {
            write(class_id::CLASS, id, class_id::CONSTRAINT, id, 0, "i");
            for column in columns {
                write(class_id::CONSTRAINT, id, class_id::CLASS, table.id, column + 1, "a");
            }
        }
        for check in &table.checks {
            write(class_id::CONSTRAINT, check.id, class_id::CLASS, table.id, 0, "a");
        }
        for key in &table.foreign_keys {
            write(class_id::CONSTRAINT, key.id, class_id::CLASS, table.id, 0, "a");
            write(class_id::CONSTRAINT, key.id, class_id::CLASS, key.referenced, 0, "n");
        }
    }
    for index in catalog.indexes() {
        for column in &index.columns {
            write(class_id::CLASS, index.id, class_id::CLASS, index.relation, column + 1, "a");
        }
    }
}
