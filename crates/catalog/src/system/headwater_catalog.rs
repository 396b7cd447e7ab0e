//! `headwater_catalog`: what Headwater keeps that neither PostgreSQL nor RisingWave has.
//!
//! One entry each: name, columns, rows. Oids start at [`FIRST_ID`], in a range that PostgreSQL does not use.

use super::writer::{Value, Writer};
use super::{Entry, SystemContext, SystemRelation, entry_relations};
use crate::catalog::Catalog;
use crate::object::RelationRef;
use headwater_types::{DataType, Datum, RelationId};
use std::collections::HashMap;

/// The oid of the first of them.
const FIRST_ID: u32 = 15501;

const ENTRIES: &[Entry] = &[
    Entry { name: "shared_relations", columns: shared_relation_columns, rows: Some(shared_relations) },
    Entry { name: "relation_memory", columns: relation_memory_columns, rows: Some(relation_memory) },
    Entry { name: "column_memory", columns: column_memory_columns, rows: Some(column_memory) },
    Entry { name: "operator_memory", columns: operator_memory_columns, rows: Some(operator_memory) },
    Entry { name: "view_builds", columns: view_build_columns, rows: Some(view_builds) },
];

/// The relations of `headwater_catalog`.
pub(super) fn relations() -> impl Iterator<Item = SystemRelation> {
    entry_relations("headwater_catalog", FIRST_ID, ENTRIES)
}

fn shared_relation_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("id", DataType::Oid),
        ("relation_id", DataType::Oid),
        ("definition", DataType::Varchar(None)),
        ("read_by", DataType::Array(Box::new(DataType::Varchar(None)))),
        ("rows", DataType::Int8),
        ("bytes", DataType::Int8),
    ]
}

/// What is stored: id, name, kind, columns.
fn stored(catalog: &Catalog) -> impl Iterator<Item = (RelationId, String, &'static str, Vec<String>)> {
    let named = catalog.relations().filter(|relation| !matches!(relation, RelationRef::View(_)));
    let named = named.map(|relation| {
        let kind = relation.kind().description();
        let columns = match &relation {
            RelationRef::Table(table) => table.columns.iter().map(|column| column.name.clone()).collect(),
            other => other.fields().iter().map(|field| field.name.clone()).collect(),
        };
        (relation.id(), relation.name().to_owned(), kind, columns)
    });
    let shared = catalog.shared_relations().map(|shared| {
        let columns = shared.columns.iter().map(|field| field.name.clone()).collect();
        (shared.id, format!("shared relation {}", shared.id), "shared relation", columns)
    });
    named.chain(shared)
}

fn relation_memory_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("relation_id", DataType::Oid),
        ("relation_name", DataType::Varchar(None)),
        ("kind", DataType::Varchar(None)),
        ("rows", DataType::Int8),
        ("row_bytes", DataType::Int8),
        ("dead_bytes", DataType::Int8),
        ("index_bytes", DataType::Int8),
    ]
}

/// What each stored relation occupies. `dead_bytes` is about how much of `row_bytes` is deleted rows'.
fn relation_memory(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for (id, name, kind, _) in stored(catalog) {
        let Some(memory) = context.sizes.memory(id) else { continue };
        out.row([
            ("relation_id", id.into()),
            ("relation_name", name.into()),
            ("kind", kind.into()),
            ("rows", context.sizes.row_count(id).into()),
            ("row_bytes", memory.columns.iter().sum::<u64>().into()),
            ("dead_bytes", memory.dead.into()),
            ("index_bytes", memory.index.into()),
        ]);
    }
}

fn column_memory_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("relation_id", DataType::Oid),
        ("relation_name", DataType::Varchar(None)),
        ("column_name", DataType::Varchar(None)),
        ("bytes", DataType::Int8),
    ]
}

/// What each column of the stored relations occupies; NULL names the rows' weights.
fn column_memory(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for (id, name, _, columns) in stored(catalog) {
        let Some(memory) = context.sizes.memory(id) else { continue };
        for (place, bytes) in memory.columns.into_iter().enumerate() {
            out.row([
                ("relation_id", id.into()),
                ("relation_name", (&name).into()),
                ("column_name", columns.get(place).cloned().into()),
                ("bytes", bytes.into()),
            ]);
        }
    }
}

fn operator_memory_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("relation_id", DataType::Oid),
        ("relation_name", DataType::Varchar(None)),
        ("worker", DataType::Int8),
        ("node", DataType::Int8),
        ("operator", DataType::Varchar(None)),
        ("bytes", DataType::Int8),
    ]
}

/// What the operators of materialized views and shared relations keep besides the rows of their results.
fn operator_memory(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    let names: HashMap<RelationId, String> = stored(catalog).map(|(id, name, ..)| (id, name)).collect();
    for operator in context.operators {
        out.row([
            ("relation_id", operator.relation.into()),
            ("relation_name", names.get(&operator.relation).cloned().into()),
            ("worker", operator.worker.into()),
            ("node", operator.node.into()),
            ("operator", operator.operator.into()),
            ("bytes", operator.bytes.into()),
        ]);
    }
}

fn view_build_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("id", DataType::Int8),
        ("statement", DataType::Varchar(None)),
        ("begun_at", DataType::Timestamptz),
        ("rows_done", DataType::Int8),
        ("rows_total", DataType::Int8),
        ("held_bytes", DataType::Int8),
    ]
}

/// Views that are being built. `held_bytes` are changes that have come meanwhile.
fn view_builds(out: &mut Writer<'_>, _: &Catalog, context: &SystemContext<'_>) {
    for build in context.builds {
        out.row([
            ("id", build.id.into()),
            ("statement", (&build.statement).into()),
            ("begun_at", Value::Datum(Datum::Timestamp(build.begun_micros))),
            ("rows_done", build.rows_done.into()),
            ("rows_total", build.rows_total.into()),
            ("held_bytes", build.held_bytes.into()),
        ]);
    }
}

/// `relation_id` is the relation that the rows are made of; `read_by` are materialized views.
fn shared_relations(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for shared in catalog.shared_relations() {
        let readers = catalog.shared_reader_names(shared.id, &context.settings.search_path);
        out.row([
            ("id", shared.id.into()),
            ("relation_id", shared.grouping.reads.into()),
            ("definition", (&shared.definition).into()),
            ("read_by", readers.into()),
            ("rows", context.sizes.row_count(shared.id).into()),
            ("bytes", context.sizes.byte_count(shared.id).into()),
        ]);
    }
}
