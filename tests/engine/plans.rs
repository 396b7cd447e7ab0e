//! Kept plans: statements of one shape and prepared statements say what they would say if they were bound each time.

use crate::support::{Home, connect, lines, run, state_of, try_run};
use headwater_engine::{Execution, Session};
use headwater_types::Datum;

#[test]
fn statements_of_one_shape_answer_for_their_own_literals() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "CREATE TABLE t (k int PRIMARY KEY, v varchar(3), n numeric(6,2))");
    run(&mut s, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2.50), (3, '''x', NULL)");
    for (k, v) in [(1, "a"), (2, "b"), (1, "a")] {
        assert_eq!(lines(&mut s, &format!("SELECT v FROM t WHERE k = {k}")), [v]);
        assert_eq!(lines(&mut s, &format!("SELECT k FROM t WHERE v = '{v}' AND n >= 1")), [k.to_string()]);
    }
    assert_eq!(lines(&mut s, "SELECT k FROM t WHERE v = '''x'"), ["3"]);
    assert_eq!(lines(&mut s, "SELECT k FROM t WHERE n = 2.5"), ["2"]);
    assert_eq!(lines(&mut s, "SELECT k FROM t WHERE n = 1.0"), ["1"]);
    assert_eq!(lines(&mut s, "SELECT k FROM t WHERE k IN (1, 3) ORDER BY k"), ["1", "3"]);
    assert_eq!(lines(&mut s, "SELECT k FROM t WHERE k IN (2, 9) ORDER BY k"), ["2"]);
    for (k, v) in [(1, "x"), (2, "y")] {
        run(&mut s, &format!("UPDATE t SET v = '{v}' WHERE k = {k}"));
    }
    run(&mut s, "DELETE FROM t WHERE k = 3");
    assert_eq!(lines(&mut s, "SELECT v FROM t ORDER BY k"), ["x", "y"]);
    run(&mut s, "DELETE FROM t WHERE k = 1");
    assert_eq!(lines(&mut s, "SELECT v FROM t ORDER BY k"), ["y"]);
    for text in ["too long", "much too long"] {
        assert_eq!(
            state_of(&mut s, &format!("UPDATE t SET v = '{text}' WHERE k = 7")),
            "22001",
            "though no row has it"
        );
    }
    database.shutdown();
}

#[test]
fn errors_point_at_the_literal_of_this_statement() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "CREATE TABLE t (k int PRIMARY KEY)");
    run(&mut s, "SELECT * FROM t WHERE k = '1'");
    for (sql, position) in [("SELECT * FROM t WHERE k = 'x'", 27), ("  SELECT *  FROM t WHERE k =  'x'", 31)] {
        let error = try_run(&mut s, sql).expect_err("x is no number");
        assert_eq!((error.state.code(), error.position), ("22P02", Some(position)), "{sql}");
    }
    database.shutdown();
}

#[test]
fn a_plan_is_of_its_catalog_and_settings() {
    let home = Home::on_disk();
    let database = home.open();
    let (mut s, mut other) = (connect(&database), connect(&database));
    let query = "SELECT * FROM t WHERE k = 1";
    run(&mut s, "CREATE TABLE t (k int PRIMARY KEY, at timestamptz)");
    run(&mut s, "INSERT INTO t VALUES (1, '2020-06-01 12:00:00+00')");
    assert_eq!(run(&mut s, query)[0].len(), 2);
    run(&mut other, "DROP TABLE t; CREATE TABLE t (k text, v int, w int); INSERT INTO t VALUES ('1', 2, 3)");
    assert_eq!(state_of(&mut s, query), "42883", "text = integer");
    assert_eq!(lines(&mut s, "SELECT v FROM t WHERE k = '1'"), ["2"]);
    run(&mut s, "BEGIN; DROP TABLE t; CREATE TABLE t (k int PRIMARY KEY, at timestamptz)");
    run(&mut s, "INSERT INTO t VALUES (1, '2020-06-01 12:00:00+00')");
    assert_eq!(run(&mut s, query)[0].len(), 2, "the transaction's own table");
    run(&mut s, "COMMIT");
    let noon = "SELECT k FROM t WHERE at = '2020-06-01 12:00:00'";
    assert_eq!(lines(&mut s, noon), ["1"]);
    run(&mut s, "SET TimeZone = 'Europe/Paris'");
    assert_eq!(lines(&mut s, noon), [] as [&str; 0]);
    run(&mut s, "RESET TimeZone");
    assert_eq!(lines(&mut s, noon), ["1"]);
    database.shutdown();
}

#[test]
fn a_transaction_sees_its_own_changes_by_a_kept_plan() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "CREATE TABLE t (k int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 10)");
    run(&mut s, "CREATE MATERIALIZED VIEW m AS SELECT k, sum(v) AS v FROM t GROUP BY k");
    let (table, view) = ("SELECT v FROM t WHERE k = 1", "SELECT v FROM m WHERE k = 1");
    assert_eq!((lines(&mut s, table), lines(&mut s, view)), (vec!["10".to_owned()], vec!["10".to_owned()]));
    run(&mut s, "BEGIN");
    run(&mut s, "UPDATE t SET v = 11 WHERE k = 1");
    assert_eq!((lines(&mut s, table), lines(&mut s, view)), (vec!["11".to_owned()], vec!["11".to_owned()]));
    run(&mut s, "ROLLBACK");
    assert_eq!((lines(&mut s, table), lines(&mut s, view)), (vec!["10".to_owned()], vec!["10".to_owned()]));
    database.shutdown();
}

fn executed(session: &mut Session, value: Datum) -> Vec<Datum> {
    session.bind("", "q", vec![value]).expect("it takes one parameter");
    let Execution::Rows(mut rows) = session.execute_portal("").expect("it runs") else { panic!("it is a query") };
    let types: Vec<_> = rows.columns.iter().map(|column| column.data_type.clone()).collect();
    let mut values = vec![];
    while let Some(batch) = rows.next_batch().expect("it has rows") {
        values.extend((0..batch.rows).flat_map(|row| batch.row(row, &types)));
    }
    session.end_script(true).expect("it commits");
    values
}

#[test]
fn a_prepared_statement_takes_each_value() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    s.prepare("q", "SELECT v FROM t WHERE k = $1 OR v IS NULL", &[]).expect("it parses");
    for (value, expected) in [
        (Datum::Int4(1), vec![Datum::text("a")]),
        (Datum::Int4(2), vec![Datum::text("b")]),
        (Datum::Null, vec![]),
        (Datum::Int4(1), vec![Datum::text("a")]),
    ] {
        assert_eq!(executed(&mut s, value), expected);
    }
    run(&mut s, "INSERT INTO t VALUES (3, NULL)");
    assert_eq!(executed(&mut s, Datum::Int4(9)), [Datum::Null]);
    s.prepare("i", "INSERT INTO t VALUES ($1, $2)", &[]).expect("it parses");
    for k in [7, 8] {
        s.bind("", "i", vec![Datum::Int4(k), Datum::text("new")]).expect("it takes two parameters");
        s.execute_portal("").expect("it runs");
        s.end_script(true).expect("it commits");
    }
    assert_eq!(lines(&mut s, "SELECT k FROM t WHERE v = 'new' ORDER BY k"), ["7", "8"]);
    database.shutdown();
}
