//! Binding: what statements resolve to, and what psql's queries need.

use super::{bound, columns, query};
use crate::BoundStatement;
use headwater_plan::hir::{HirRelation, JoinKind};

#[test]
fn names_and_types() {
    for (sql, expected) in [
        (
            "select 1, 'x', null, true, 1.5, 3000000000",
            "?column? integer, ?column? text, ?column? text, bool boolean, ?column? numeric, ?column? bigint",
        ),
        ("select a, et.b as bb, a + 1, -a from et", "a integer, bb text, ?column? integer, ?column? integer"),
        ("select count(*), sum(a), max(b) from et", "count bigint, sum bigint, max text"),
        ("select a::text, cast(a as int8), date '2024-01-01', interval '1 hour'", ""),
        (
            "select case when a = 1 then b else 'x' end, coalesce(b, 'y'), nullif(a, 2) from et",
            "case text, coalesce text, nullif integer",
        ),
        ("select * from et", "a integer, b text, c character varying(3), n numeric(4,2), d integer"),
        ("select * from nokey", "x integer, y text"),
        (
            "select * from et join nokey on a = x",
            "a integer, b text, c character varying(3), n numeric(4,2), d integer, x integer, y text",
        ),
        ("select * from (select a as x, b as z from et) e join nokey using (x)", "x integer, z text, y text"),
        ("select * from (select a as x from et) e natural full join nokey", "x integer, y text"),
        (
            "select exists (select 1), (select a from et), array(select b from et), array[1, 2.5]",
            "exists boolean, a integer, array text[], array numeric[]",
        ),
        ("values (1, 'a'), (2.5, null)", "column1 numeric, column2 text"),
        ("select 1 as a union all select 2.5", "a numeric"),
        ("select null as a union select 1", "a integer"),
        (
            "select current_date, current_timestamp, now(), current_user",
            "current_date date, current_timestamp timestamp with time zone, now timestamp with time zone, current_user name",
        ),
        (
            "select extract(hour from now()), position('a' in 'b'), trim(' x '), substring('abc' from 2)",
            "extract numeric, position integer, btrim text, substring text",
        ),
        ("select * from generate_series(1, 3) g", "g integer"),
        ("select * from generate_series(1, 3) with ordinality as t(a, b)", "a integer, b bigint"),
        ("select unnest(array[1,2]), generate_series(1,3)", "unnest integer, generate_series integer"),
        ("select v.*, m.total from v_orders v join mv_totals m using (a)", "a integer, total bigint, total bigint"),
        ("with c(x) as (select a from et), d as (select x + 1 as y from c) select * from c, d", "x integer, y integer"),
        (
            "select window_start, me.amount, window_end from tumble(marketing_events, timestamp, interval '1 HOUR') as me",
            "window_start timestamp with time zone, amount numeric, window_end timestamp with time zone",
        ),
        (
            "select a, (a, b) = (1, 'x'), (a, b) in (select a, b from et) from et",
            "a integer, ?column? boolean, ?column? boolean",
        ),
        ("select tags[1], 'x' = any(tags) from customers", "tags text, ?column? boolean"),
        ("select 'et'::regclass, tableoid::regclass from et", "regclass regclass, tableoid regclass"),
        ("select 1 where 'a' like 'b' escape '!'", "?column? integer"),
        ("select s.x from et, lateral (select et.a + 1 as x) s", "x integer"),
        (
            "select * from et e, lateral generate_series(1, e.a) g",
            "a integer, b text, c character varying(3), n numeric(4,2), d integer, g integer",
        ),
    ] {
        if expected.is_empty() {
            continue;
        }
        assert_eq!(columns(sql).join(", "), expected, "{sql}");
    }
}

#[test]
fn the_tutorial_binds() {
    let script = "CREATE MATERIALIZED VIEW campaign_performance AS
        SELECT window_start, window_end, c.campaign_id, c.campaign_name, c.campaign_type,
            COUNT(DISTINCT CASE WHEN event_type = 'impression' THEN me.event_id END) as impressions,
            SUM(CASE WHEN event_type = 'conversion' THEN amount ELSE 0 END) as revenue,
            COUNT(DISTINCT CASE WHEN event_type = 'click' THEN me.event_id END)::float /
                NULLIF(COUNT(DISTINCT CASE WHEN event_type = 'impression' THEN me.event_id END), 0) as ctr
        FROM TUMBLE(marketing_events, timestamp, INTERVAL '1 HOUR') as me
        JOIN campaigns c ON me.campaign_id = c.campaign_id
        GROUP BY window_start, window_end, c.campaign_id, c.campaign_name, c.campaign_type;";
    let BoundStatement::CreateMaterializedView(view) = bound(script).expect("binds").statement else {
        panic!("a materialized view")
    };
    assert_eq!(view.depends_on.len(), 2);
    assert!(view.sql.starts_with("SELECT window_start") && view.sql.ends_with("c.campaign_type"));
    let types: Vec<String> = view.query.schema.iter().map(|f| f.data_type.sql_name()).collect();
    assert_eq!(types[5..], ["bigint", "numeric", "double precision"]);
}

#[test]
fn lateral_is_told_from_plain() {
    fn kind(relation: &HirRelation) -> Option<(JoinKind, bool)> {
        match relation {
            HirRelation::Join { kind, lateral, .. } => Some((*kind, *lateral)),
            HirRelation::Map { input, .. } | HirRelation::Filter { input, .. } | HirRelation::Project { input, .. } => {
                kind(input)
            }
            _ => None,
        }
    }
    for (sql, expected) in [
        ("select 1 from et, generate_series(1, 2) g", (JoinKind::Inner, false)),
        ("select 1 from et, generate_series(1, a) g", (JoinKind::Inner, true)),
        ("select 1 from et left join lateral (select et.a) s on true", (JoinKind::Left, true)),
        ("select 1 from et left join lateral (select 1) s on true", (JoinKind::Left, false)),
    ] {
        assert_eq!(kind(&query(sql).relation), Some(expected), "{sql}");
    }
}

#[test]
fn order_and_distinct() {
    let ordered = query("select b, a from et order by 2 desc, b, a + d nulls first limit 3");
    assert_eq!(ordered.order_by.len(), 3);
    assert_eq!(ordered.projection.len(), 2);
    assert!(ordered.order_by[0].descending && ordered.order_by[0].nulls_first);
    assert!(ordered.order_by[2].nulls_first && !ordered.order_by[2].descending);
    assert_eq!(ordered.order_by[0].column, ordered.projection[1]);
    for sql in [
        "select distinct on (a) a, b from et order by a, d",
        "select distinct a from et order by a",
        "select a as x from et order by x",
        "select a from et group by a, d having count(*) > 1 order by max(b), d",
        "select a, b from et group by a",
        "select a + 1 from et group by a + 1",
        "select date_trunc('day', created_at) d, count(*) from customers group by d order by d",
        "select a from et union select x from nokey order by a",
        "select count(*) filter (where a > 1), array_agg(distinct b order by b) from et",
        "select (select max(x) from nokey where x = e.a) from et e group by e.a",
    ] {
        query(sql);
    }
}

#[test]
fn what_the_parser_lets_through_binds_on_a_small_stack() {
    let depth = 190;
    for sql in [
        format!("select {}1{}", "1 + (".repeat(depth), ")".repeat(depth)),
        format!("select 1{}", " + 1".repeat(depth)),
        format!("select {}1{}", "case when true then ".repeat(depth), " end".repeat(depth)),
        format!("select {}1{}", "(select ".repeat(90), ")".repeat(90)),
        format!("select 1{}", " union all select 1".repeat(depth)),
        format!("select true{}", " or 1 = 1".repeat(20_000)),
    ] {
        query(&sql);
    }
}

#[test]
fn ddl_binds() {
    let sql = "create table t (a int primary key, b varchar(3) not null default 'x', c int check (c > 0), \
               foreign key (c) references et) with (on_conflict = 'error')";
    let BoundStatement::CreateTable(table) = bound(sql).expect("binds").statement else { panic!("a table") };
    assert_eq!(table.primary_key.map(|k| (k.name, k.columns)), Some(("t_pkey".to_owned(), vec![0])));
    assert_eq!((table.checks[0].name.as_str(), table.checks[0].expression.as_str()), ("t_c_check", "c > 0"));
    assert_eq!(table.foreign_keys[0].name, "t_c_fkey");
    assert_eq!(table.on_conflict, crate::ConflictAction::Error);
    let BoundStatement::CreateTable(table) = bound("create table t (a int)").expect("binds").statement else {
        panic!("a table")
    };
    assert!(table.primary_key.is_none() && table.columns[1].hidden);
    let BoundStatement::Drop(drop) = bound("drop table if exists nosuch, et cascade").expect("binds").statement else {
        panic!("a drop")
    };
    assert_eq!(drop.notices, ["table \"nosuch\" does not exist, skipping"]);
    assert_eq!((drop.relations.len(), drop.cascade), (1, true));
}

#[test]
fn psql_statements_bind_but_for_objects_that_are_missing() {
    let mut failures = Vec::new();
    let catalog = super::catalog();
    let settings = headwater_types::SessionSettings::default();
    let context = crate::BindContext { catalog: &catalog, settings: &settings, parameter_types: &[], now_micros: 0 };
    for statement in crate::parse_script(include_str!("../../testdata/psql.sql")).expect("parses") {
        if let Err(error) = crate::bind(&statement, &context) {
            let known = ["add1", "nosuch", "ALTER USER", "relation \"orders\"", "relation \"tt\""];
            if !known.iter().any(|known| error.message.contains(known)) {
                failures.push(format!("{}: {}", error, statement.text()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn show_binds_to_the_catalogs() {
    assert_eq!(columns("show tables"), ["Name character varying"]);
    assert_eq!(columns("describe et").len(), 4);
    assert_eq!(columns("show create table et").len(), 2);
    assert_eq!(columns("show materialized views from public like 'm%'"), ["Name character varying"]);
}
