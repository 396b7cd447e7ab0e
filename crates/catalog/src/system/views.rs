//! PostgreSQL's views over its catalogs, by kind of relation: `pg_tables`, `pg_views`, `pg_indexes`, …

use super::classes::all_relations;
use super::writer::{Value, Writer};
use super::{Generator, SystemContext};
use crate::catalog::Catalog;
use crate::definition::{all_indexes, index_statement};
use crate::{RelationKind, RelationRef, view_definition};

pub(super) const RELATIONS: &[(&str, Generator)] = &[
    ("pg_indexes", indexes),
    ("pg_matviews", matviews),
    ("pg_stat_all_tables", stat_tables),
    ("pg_stat_user_tables", stat_tables),
    ("pg_statio_all_tables", statio_tables),
    ("pg_statio_user_tables", statio_tables),
    ("pg_tables", tables),
    ("pg_views", views),
];

fn tables(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    let indexed = all_indexes(catalog);
    for relation in all_relations(catalog).filter(|relation| relation.kind() == RelationKind::Table) {
        out.row([
            ("schemaname", relation.schema().into()),
            ("tablename", relation.name().into()),
            ("tableowner", relation.owner().into()),
            ("hasindexes", indexed.iter().any(|index| index.relation.id() == relation.id()).into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
}

fn views(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for relation in all_relations(catalog).filter(|relation| relation.kind() == RelationKind::View) {
        // The system's views have no text here.
        let definition = if let RelationRef::View(view) = &relation { Some(view_definition(&view.sql)) } else { None };
        out.row([
            ("schemaname", relation.schema().into()),
            ("viewname", relation.name().into()),
            ("viewowner", relation.owner().into()),
            ("definition", definition.into()),
        ]);
    }
}

fn matviews(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for view in catalog.materialized_views() {
        out.row([
            ("schemaname", (&view.schema).into()),
            ("matviewname", (&view.name).into()),
            ("matviewowner", (&view.owner).into()),
            ("hasindexes", catalog.indexes().any(|index| index.relation == view.id).into()),
            ("ispopulated", true.into()),
            ("definition", view_definition(&view.sql).into()),
        ]);
    }
}

fn indexes(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for index in all_indexes(catalog) {
        out.row([
            ("schemaname", index.relation.schema().into()),
            ("tablename", index.relation.name().into()),
            ("indexname", (&index.name).into()),
            ("indexdef", index_statement(catalog, &index, false, &[]).into()),
        ]);
    }
}

/// The stored relations of users: what PostgreSQL keeps statistics of.
fn stored(catalog: &Catalog) -> impl Iterator<Item = RelationRef> + '_ {
    catalog.relations().filter(|relation| relation.kind() != RelationKind::View)
}

fn stat_tables(out: &mut Writer<'_>, catalog: &Catalog, context: &SystemContext<'_>) {
    for relation in stored(catalog) {
        out.row([
            ("relid", relation.id().into()),
            ("schemaname", relation.schema().into()),
            ("relname", relation.name().into()),
            ("n_live_tup", context.sizes.row_count(relation.id()).into()),
            ("n_dead_tup", Value::Int(0)),
        ]);
    }
}

fn statio_tables(out: &mut Writer<'_>, catalog: &Catalog, _: &SystemContext<'_>) {
    for relation in stored(catalog) {
        out.row([
            ("relid", relation.id().into()),
            ("schemaname", relation.schema().into()),
            ("relname", relation.name().into()),
        ]);
    }
}
