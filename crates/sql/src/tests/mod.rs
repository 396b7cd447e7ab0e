//! Tests of parsing and binding against a small catalog.

mod binding;
mod errors;
mod inserting;
mod parameters;
mod parsing;
mod shapes;

use crate::{BindContext, Bound, BoundStatement, bind, parse_script};
use headwater_catalog::{
    Catalog, CatalogChange, IdAllocator, MaterializedView, OnConflict, Table, TableColumn, UniqueConstraint, View,
};
use headwater_plan::hir::HirQuery;
use headwater_types::{DataType, Field, RelationId, Result, SessionSettings, SqlError};
use std::collections::BTreeMap;

fn table(ids: &mut IdAllocator, name: &str, columns: &[(&str, &str)], key: &[usize]) -> Table {
    let mut columns: Vec<TableColumn> = columns
        .iter()
        .map(|(name, data_type)| TableColumn::new(*name, DataType::from_sql_name(data_type).expect("a type")))
        .collect();
    let hidden_key = key.is_empty();
    if hidden_key {
        columns.push(TableColumn::row_id());
    }
    let primary_key = if hidden_key { vec![columns.len() - 1] } else { key.to_vec() };
    for column in &primary_key {
        columns[*column].not_null = true;
    }
    Table {
        id: ids.next_id(),
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns,
        primary_key,
        hidden_key,
        primary_key_name: (!hidden_key).then(|| format!("{name}_pkey")),
        primary_key_index: ids.next_id(),
        on_conflict: OnConflict::Overwrite,
        checks: vec![],
        unique: vec![],
        foreign_keys: vec![],
        owner: "root".to_owned(),
        comment: None,
        column_comments: BTreeMap::new(),
    }
}

/// The tables of PostgreSQL's error and parameter tables, and the tutorial's.
pub(super) fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    let mut ids = catalog.ids();
    let mut apply = |change| catalog = catalog.apply(&change).expect("the change is valid");
    let mut et = table(
        &mut ids,
        "et",
        &[("a", "int"), ("b", "text"), ("c", "varchar(3)"), ("n", "numeric(4,2)"), ("d", "int")],
        &[0],
    );
    et.unique.push(UniqueConstraint { id: ids.next_id(), name: "et_b_key".to_owned(), columns: vec![1] });
    et.columns[4].default = Some("7".to_owned());
    apply(CatalogChange::CreateTable(et));
    let customers = table(
        &mut ids,
        "customers",
        &[
            ("id", "int"),
            ("name", "varchar(40)"),
            ("email", "text"),
            ("created_at", "timestamptz"),
            ("doc", "jsonb"),
            ("tags", "text[]"),
            ("bal", "numeric(10,2)"),
            ("f8", "double precision"),
        ],
        &[0],
    );
    apply(CatalogChange::CreateTable(customers));
    let mut events = table(
        &mut ids,
        "marketing_events",
        &[
            ("event_id", "varchar"),
            ("user_id", "int"),
            ("campaign_id", "varchar"),
            ("channel_type", "varchar"),
            ("event_type", "varchar"),
            ("amount", "numeric"),
            ("utm_source", "varchar"),
            ("utm_medium", "varchar"),
            ("utm_campaign", "varchar"),
            ("timestamp", "timestamptz"),
        ],
        &[0],
    );
    events.columns[9].default = Some("CURRENT_TIMESTAMP".to_owned());
    apply(CatalogChange::CreateTable(events));
    let campaigns = table(
        &mut ids,
        "campaigns",
        &[("campaign_id", "varchar"), ("campaign_name", "varchar"), ("campaign_type", "varchar")],
        &[0],
    );
    apply(CatalogChange::CreateTable(campaigns));
    apply(CatalogChange::CreateTable(table(&mut ids, "nokey", &[("x", "int"), ("y", "text")], &[])));
    let view = |id: RelationId, name: &str| View {
        id,
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns: vec![Field::new("a", DataType::Int4), Field::new("total", DataType::Int8)],
        sql: "select a, count(*) as total from et group by a".to_owned(),
        depends_on: vec![RelationId::FIRST_USER],
        settings: SessionSettings::default(),
        owner: "root".to_owned(),
        comment: None,
        column_comments: BTreeMap::new(),
    };
    let plain = view(ids.next_id(), "v_orders");
    apply(CatalogChange::CreateView(plain.clone()));
    apply(CatalogChange::CreateMaterializedView(MaterializedView {
        id: ids.next_id(),
        schema: plain.schema,
        name: "mv_totals".to_owned(),
        columns: plain.columns,
        sql: plain.sql,
        depends_on: plain.depends_on,
        settings: plain.settings,
        owner: plain.owner,
        comment: None,
        column_comments: BTreeMap::new(),
        shared: vec![],
        groupings: vec![],
        plan: vec![],
        key: None,
    }));
    catalog
}

/// Binds the last statement of a script.
pub(super) fn bound(sql: &str) -> Result<Bound> {
    let catalog = catalog();
    let settings = SessionSettings::default();
    let context = BindContext { catalog: &catalog, settings: &settings, parameter_types: &[], now_micros: 0 };
    let statements = parse_script(sql)?;
    let mut last = Err(SqlError::internal("no statement"));
    for statement in &statements {
        last = bind(statement, &context);
        if last.is_err() {
            break;
        }
    }
    last
}

pub(super) fn query(sql: &str) -> HirQuery {
    match bound(sql) {
        Ok(Bound { statement: BoundStatement::Query(query), .. }) => query,
        Ok(other) => panic!("{sql}: {other:?}"),
        Err(error) => panic!("{sql}: {error} {error:?}"),
    }
}

/// A query's columns as `name type`.
pub(super) fn columns(sql: &str) -> Vec<String> {
    query(sql).schema.iter().map(|field| format!("{} {}", field.name, field.data_type.sql_name())).collect()
}
