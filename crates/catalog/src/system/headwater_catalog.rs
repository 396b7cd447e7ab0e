//! `headwater_catalog`: what Headwater keeps that neither PostgreSQL nor RisingWave has.
//!
//! One entry each: name, columns, rows. Oids start at [`FIRST_ID`], in a range that PostgreSQL does not use.

use super::writer::Writer;
use super::{Entry, SystemContext, SystemRelation, entry_relations};
use crate::catalog::Catalog;
use headwater_types::DataType;

/// The oid of the first of them.
const FIRST_ID: u32 = 15501;

const ENTRIES: &[Entry] =
    &[Entry { name: "shared_relations", columns: shared_relation_columns, rows: Some(shared_relations) }];

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
