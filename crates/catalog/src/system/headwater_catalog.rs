//! `headwater_catalog`: what Headwater keeps that neither PostgreSQL nor RisingWave has.
//!
//! One entry each: name, columns, rows. Oids start at [`FIRST_ID`], in a range that PostgreSQL does not use.

use super::writer::{Value, Writer};
use super::{Entry, SystemContext, SystemRelation, entry_relations};
use crate::catalog::Catalog;
use headwater_types::{DataType, Datum};

/// The oid of the first of them.
const FIRST_ID: u32 = 15501;

const ENTRIES: &[Entry] = &[
    Entry { name: "shared_relations", columns: shared_relation_columns, rows: Some(shared_relations) },
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
            ("rows", (context.row_count)(shared.id).into()),
            ("bytes", (context.byte_count)(shared.id).into()),
        ]);
    }
}
