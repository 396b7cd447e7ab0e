//! Parsing and binding: the tutorial's views, its INSERTs as a driver sends them, and the shape of a dashboard's read.

use criterion::{BenchmarkId, Criterion, Throughput};
use headwater_catalog::{Catalog, CatalogChange, IdAllocator, OnConflict, Table, TableColumn};
use headwater_sql::{BindContext, BoundStatement, CreateTable, Shape, bind, parse_script};
use headwater_types::SessionSettings;
use std::collections::BTreeMap;
use std::hint::black_box;

const TABLES: &str = include_str!("../sql/marketing/01_tables.sql");
const VIEWS: &str = include_str!("../sql/marketing/02_views.sql");

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let (catalog, settings) = (tutorial(), SessionSettings::default());
    views(&mut criterion, &catalog, &settings);
    inserts(&mut criterion, &catalog, &settings);
    reads(&mut criterion, &catalog, &settings);
    criterion.final_summary();
}

fn context<'a>(catalog: &'a Catalog, settings: &'a SessionSettings) -> BindContext<'a> {
    BindContext { catalog, settings, parameter_types: &[], now_micros: 0 }
}

/// A catalog with the tutorial's tables.
fn tutorial() -> Catalog {
    let (mut catalog, settings) = (Catalog::new(), SessionSettings::default());
    for statement in parse_script(TABLES).expect("the tutorial parses") {
        let bound = bind(&statement, &context(&catalog, &settings)).expect("the tutorial binds");
        if let BoundStatement::CreateTable(new) = bound.statement {
            let change = CatalogChange::CreateTable(table(new, &mut catalog.ids()));
            catalog = catalog.apply(&change).expect("the tutorial's names are free");
        }
    }
    catalog
}

/// The catalog's object, of what the tutorial's tables have.
fn table(new: CreateTable, ids: &mut IdAllocator) -> Table {
    let key = new.primary_key.expect("the tutorial's tables have keys");
    let columns = new.columns.into_iter().map(|column| TableColumn {
        name: column.name,
        data_type: column.data_type,
        not_null: column.not_null,
        default: column.default,
        hidden: column.hidden,
    });
    Table {
        id: ids.next_id(),
        schema: new.schema,
        name: new.name,
        columns: columns.collect(),
        primary_key: key.columns,
        hidden_key: false,
        primary_key_name: Some(key.name),
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

fn views(criterion: &mut Criterion, catalog: &Catalog, settings: &SessionSettings) {
    let mut group = criterion.benchmark_group("three views");
    group.bench_function("parse", |bencher| bencher.iter(|| parse_script(black_box(VIEWS)).expect("it parses")));
    let statements = parse_script(VIEWS).expect("the tutorial parses");
    group.bench_function("bind", |bencher| {
        bencher.iter(|| {
            for statement in &statements {
                black_box(bind(statement, &context(catalog, settings)).expect("it binds"));
            }
        });
    });
    group.finish();
}

/// An INSERT as psycopg2 interpolates it. `amount` is each row's: a literal, or what only the general path takes.
fn insert(rows: usize, amount: &str) -> String {
    let row = |i: usize| {
        format!(
            "\n        ('6f1c8d0e-7f5b-4a53-9a57-{i:012x}', {}, 'camp_{:03}', 'email', 'conversion', {amount}, \
             'newsletter', 'email', 'summer_sale', '2026-10-27T21:11:09.699472'::timestamp)",
            i % 5000,
            i % 100
        )
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "\n    INSERT INTO marketing_events\n        (event_id, user_id, campaign_id, channel_type, event_type, amount, \
         utm_source, utm_medium, utm_campaign, timestamp)\n    VALUES {}\n",
        rows.join(",")
    )
}

fn inserts(criterion: &mut Criterion, catalog: &Catalog, settings: &SessionSettings) {
    let mut group = criterion.benchmark_group("insert");
    for (path, amount) in [("literals", "6252.570015900456"), ("expressions", "6252.57 + 1")] {
        for rows in [1, 1000] {
            let text = insert(rows, amount);
            group.throughput(Throughput::Elements(rows.try_into().expect("usize fits u64")));
            group.bench_function(BenchmarkId::new(format!("{path}, parsed only"), rows), |bencher| {
                bencher.iter(|| parse_script(black_box(&text)).expect("it parses"));
            });
            group.bench_function(BenchmarkId::new(path, rows), |bencher| {
                bencher.iter(|| {
                    for statement in parse_script(black_box(&text)).expect("it parses") {
                        black_box(bind(&statement, &context(catalog, settings)).expect("it binds"));
                    }
                });
            });
        }
    }
    group.finish();
}

/// A read whose statement was seen before costs its shape; one that was not costs parsing and binding (and planning).
fn reads(criterion: &mut Criterion, catalog: &Catalog, settings: &SessionSettings) {
    let text =
        "SELECT event_type, amount FROM marketing_events WHERE event_id = '6f1c8d0e-7f5b-4a53-9a57-000000000007'";
    let mut group = criterion.benchmark_group("read");
    group.bench_function("shape", |bencher| bencher.iter(|| Shape::of(black_box(text)).expect("it has one")));
    group.bench_function("parse and bind", |bencher| {
        bencher.iter(|| {
            for statement in parse_script(black_box(text)).expect("it parses") {
                black_box(bind(&statement, &context(catalog, settings)).expect("it binds"));
            }
        });
    });
    group.finish();
}
