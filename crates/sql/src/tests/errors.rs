//! The errors of parsing and binding, as PostgreSQL raises them: SQLSTATE, text, position.

use super::bound;

/// The error as `sqlstate position message`.
fn failure(sql: &str) -> String {
    match bound(sql) {
        Ok(_) => "no error".to_owned(),
        Err(error) => {
            let position = error.position.map_or_else(|| "-".to_owned(), |p| p.to_string());
            format!("{} {position} {}", error.state.code(), error.message)
        }
    }
}

/// As PostgreSQL 15 answers.
#[test]
fn errors_are_postgresqls() {
    let table = include_str!("../../testdata/errors.tsv");
    let mut wrong = Vec::new();
    for line in table.lines() {
        let (expected, sql) = line.split_once('\t').expect("an error and a statement");
        let got = failure(sql);
        if got != expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsupported_features_are_named_with_a_position() {
    for (sql, expected) in [
        ("select row_number() over () from et", "0A000 8 a window function is not supported yet"),
        (
            "with recursive r as (select 1 union all select * from r) select * from r",
            "0A000 6 WITH RECURSIVE is not supported yet",
        ),
        ("select a from et group by rollup (a)", "0A000 27 GROUPING SETS, ROLLUP or CUBE is not supported yet"),
        ("create table w (t timestamp, watermark for t as t)", "0A000 30 WATERMARK FOR is not supported yet"),
        ("select * from hop(et, a, interval '1 h', interval '2 h')", "0A000 15 HOP is not supported yet"),
        ("select * from et for update", "0A000 18 SELECT … FOR UPDATE is not supported yet"),
        ("select et from et", "0A000 8 a reference to a whole row is not supported yet"),
        ("select ctid from et", "0A000 8 the system column ctid is not supported yet"),
        ("create function f() returns int as 'select 1' language sql", "0A000 1 CREATE FUNCTION is not supported yet"),
        ("select a from et emit on window close", "0A000 18 EMIT ON WINDOW CLOSE is not supported yet"),
        ("select 1 emit on window close", "0A000 10 EMIT ON WINDOW CLOSE is not supported yet"),
        (
            "create materialized view m as select a, count(*) from et as x group by a emit on window close",
            "0A000 74 EMIT ON WINDOW CLOSE is not supported yet",
        ),
        (
            "create materialized view m as select window_start from tumble(et, a, interval '1 h') emit on window close",
            "0A000 86 EMIT ON WINDOW CLOSE is not supported yet",
        ),
        ("select count(et.*) from et", "0A000 14 a reference to a whole row is not supported yet"),
        ("listen changes", "0A000 1 LISTEN is not supported yet"),
        ("create table w (a int) append only", "0A000 24 APPEND ONLY is not supported yet"),
        (
            "create table w (a int primary key, b int unique)",
            "0A000 42 UNIQUE constraint \"w_b_key\" beside the primary key is not supported yet",
        ),
        (
            "create table w (a int, constraint u unique (a))",
            "0A000 37 UNIQUE constraint \"u\" beside the primary key is not supported yet",
        ),
        (
            "create unique index on et (a)",
            "0A000 8 unique index \"et_a_idx\" beside the primary key is not supported yet",
        ),
        ("comment on database dev is 'x'", "0A000 1 COMMENT ON DATABASE is not supported yet"),
        (
            "create materialized view m as select a from et where c < now()",
            "0A000 58 now() in a materialized view is not supported yet",
        ),
        (
            "create materialized view m as select current_date",
            "0A000 38 now() in a materialized view is not supported yet",
        ),
        (
            "create materialized view m as select (select count(*) filter (where random() > a) from et)",
            "0A000 69 random() in a materialized view is not supported yet",
        ),
        (
            "create materialized view m as select b::regclass from et",
            "0A000 39 a cast to a registry type in a materialized view is not supported yet",
        ),
        ("select a similar to 'x' from et", "0A000 10 SIMILAR TO is not supported yet"),
    ] {
        assert_eq!(failure(sql), expected, "{sql}");
    }
}

#[test]
fn words_that_begin_a_clause_elsewhere_are_aliases() {
    for sql in
        ["select a emit from et emit", "select emit.a from et emit where emit.a = 1", "unlisten *", "notify c, 'x'"]
    {
        assert_eq!(failure(sql), "no error", "{sql}");
    }
}
