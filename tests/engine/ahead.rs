//! Rows of a COPY that get ahead of their commit: nobody sees them before it, and whatever happens instead of it leaves no
//! trace of them.

use crate::support::{Home, connect, lines, run, sorted};
use headwater_engine::{CopyIn, Database, Execution, Session};
use headwater_storage::SimVfs;
use std::fmt::Write;
use std::sync::Arc;

/// Rows of one batch, as COPY gives them to the engine.
const BATCH_ROWS: usize = 65_536;
const SCHEMA: &str = "CREATE TABLE t (k int PRIMARY KEY, g int, v int);
    CREATE TABLE side (g int PRIMARY KEY, name text);
    INSERT INTO side SELECT i, 'g' || i FROM generate_series(0, 9) i;
    CREATE MATERIALIZED VIEW m AS SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g;
    CREATE MATERIALIZED VIEW j AS SELECT name, count(*) AS n, max(v) AS v FROM t JOIN side USING (g) GROUP BY name;
    INSERT INTO t SELECT i, i % 10, 1 FROM generate_series(0, 999) i";

fn begin_copy(session: &mut Session) -> Box<CopyIn> {
    let statements = session.parse("COPY t FROM STDIN (FORMAT csv)").expect("it parses");
    match session.execute_simple(&statements[0], 1).expect("COPY begins") {
        Execution::CopyIn(copy) => copy,
        _ => panic!("COPY takes data"),
    }
}

/// `batches` batches of rows and one more row: keys from `first` on, value `v`.
fn data(first: usize, batches: usize, v: i32) -> Vec<u8> {
    let mut text = String::new();
    for k in first..=first + batches * BATCH_ROWS {
        writeln!(text, "{k},{},{v}", k % 10).expect("a string takes all");
    }
    text.into_bytes()
}

/// The views are what their queries say.
fn check(session: &mut Session) {
    assert_eq!(
        sorted(session, "SELECT g, n, s FROM m"),
        sorted(session, "SELECT g, count(*), sum(v) FROM t GROUP BY g")
    );
    assert_eq!(
        sorted(session, "SELECT name, n, v FROM j"),
        sorted(session, "SELECT name, count(*), max(v) FROM t JOIN side USING (g) GROUP BY name")
    );
}

fn totals(session: &mut Session) -> Vec<String> {
    check(session);
    lines(session, "SELECT sum(n), sum(s) FROM m")
}

/// A database with a thousand rows of value 1, and two sessions.
fn open(home: &Home) -> (Database, Session, Session) {
    let database = home.open();
    let (mut one, two) = (connect(&database), connect(&database));
    run(&mut one, SCHEMA);
    (database, one, two)
}

#[test]
fn rows_ahead_are_seen_with_their_commit_only() {
    let home = Home::on_disk();
    let (database, mut one, mut two) = open(&home);
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(500, 3, 2)).expect("right data");
    assert_eq!(totals(&mut two), ["1000|1000"]);
    copy.finish(&mut one).expect("COPY commits");
    let expected = [format!("{}|{}", 500 + 3 * BATCH_ROWS + 1, 500 + 2 * (3 * BATCH_ROWS + 1))];
    assert_eq!(totals(&mut two), expected);
    database.shutdown();
    drop((one, two, database));
    let database = home.open();
    assert_eq!(totals(&mut connect(&database)), expected, "after a restart");
    database.shutdown();
}

#[test]
fn another_commit_takes_them_back_and_both_hold() {
    let home = Home::on_disk();
    let (database, mut one, mut two) = open(&home);
    let touched = database.rows_touched();
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(500, 2, 2)).expect("right data");
    run(&mut two, "INSERT INTO t VALUES (0, 0, 100), (600, 0, 100)");
    assert_eq!(totals(&mut two), ["1000|1198"], "the rows ahead are gone, those they replaced are back");
    let there_and_back = u64::try_from(2 * 2 * BATCH_ROWS).expect("small");
    assert!(database.rows_touched() - touched >= there_and_back, "rows were ahead, and were taken back");
    copy.write(&mut one, &data(500 + 2 * BATCH_ROWS, 1, 3)).expect("right data");
    run(&mut two, "DELETE FROM t WHERE k = 1");
    assert_eq!(totals(&mut two), ["999|1197"]);
    copy.finish(&mut one).expect("COPY commits");
    // The rows before 500 as they were, but for keys 0 and 1; the row between the two pieces once, as written last.
    let rows = 3 * BATCH_ROWS + 1;
    let expected = [format!("{}|{}", 499 + rows, 498 + 100 + 2 * 2 * BATCH_ROWS + 3 * (BATCH_ROWS + 1))];
    assert_eq!(totals(&mut two), expected);
    // The next COPY does not try; it holds all the same.
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 1)).expect("right data");
    copy.finish(&mut one).expect("COPY commits");
    check(&mut two);
    database.shutdown();
}

#[test]
fn an_abandoned_copy_leaves_nothing() {
    let home = Home::on_disk();
    let (database, mut one, mut two) = open(&home);
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    copy.fail(&mut one, "the client does not want to");
    assert_eq!(totals(&mut two), ["1000|1000"]);
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    copy.write(&mut one, b"1,2\n").expect_err("a column is missing");
    run(&mut two, "INSERT INTO t VALUES (-1, 3, 5)");
    assert_eq!(totals(&mut two), ["1001|1005"]);
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    drop((copy, one));
    run(&mut two, "DELETE FROM t WHERE k = -1");
    assert_eq!(totals(&mut two), ["1000|1000"]);
    database.shutdown();
    drop((two, database));
    let database = home.open();
    assert_eq!(totals(&mut connect(&database)), ["1000|1000"], "after a restart");
    database.shutdown();
}

#[test]
fn a_block_goes_on_after_its_copy() {
    let home = Home::on_disk();
    let (database, mut one, mut two) = open(&home);
    run(&mut one, "BEGIN");
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    copy.finish(&mut one).expect("COPY ends");
    run(&mut one, "UPDATE t SET v = 10 WHERE k < 5; DELETE FROM t WHERE k = 7; INSERT INTO side VALUES (10, 'x')");
    let rows = 2 * BATCH_ROWS;
    let expected = [format!("{rows}|{}", 2 * rows + 5 * 8)];
    assert_eq!(totals(&mut one), expected, "the block sees its own rows");
    assert_eq!(totals(&mut two), ["1000|1000"]);
    run(&mut one, "COMMIT");
    assert_eq!(totals(&mut two), expected);
    run(&mut one, "BEGIN; SAVEPOINT s");
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 7)).expect("right data");
    copy.finish(&mut one).expect("COPY ends");
    run(&mut one, "ROLLBACK TO s; INSERT INTO t VALUES (7, 7, 2); COMMIT");
    assert_eq!(totals(&mut two), [format!("{}|{}", rows + 1, 2 * rows + 5 * 8 + 2)]);
    database.shutdown();
}

#[test]
fn a_block_that_lost_is_taken_back() {
    let home = Home::on_disk();
    let (database, mut one, mut two) = open(&home);
    run(&mut one, "BEGIN; DELETE FROM side WHERE g = 3");
    run(&mut two, "UPDATE side SET name = 'other' WHERE g = 3");
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    copy.finish(&mut one).expect("COPY ends");
    assert_eq!(crate::support::state_of(&mut one, "COMMIT"), "40001");
    assert_eq!(totals(&mut two), ["1000|1000"]);
    database.shutdown();
}

#[test]
fn keys_that_exist_are_told_at_commit() {
    let home = Home::on_disk();
    let database = home.open();
    let mut one = connect(&database);
    run(&mut one, "CREATE TABLE t (k int PRIMARY KEY, g int, v int) WITH (on_conflict = 'error')");
    run(&mut one, "CREATE MATERIALIZED VIEW m AS SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g");
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    copy.write(&mut one, &data(5, 1, 2)).expect("right data");
    assert_eq!(copy.finish(&mut one).expect_err("5 is there").state.code(), "23505");
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    copy.finish(&mut one).expect("COPY commits");
    let rows = 2 * BATCH_ROWS + 1;
    assert_eq!(lines(&mut one, "SELECT sum(n), sum(s) FROM m"), [format!("{rows}|{}", 2 * rows)]);
    database.shutdown();
}

#[test]
fn ddl_makes_them_go_away_first() {
    let home = Home::on_disk();
    let (database, mut one, mut two) = open(&home);
    let mut copy = begin_copy(&mut one);
    copy.write(&mut one, &data(0, 2, 2)).expect("right data");
    run(&mut two, "CREATE MATERIALIZED VIEW late AS SELECT count(*) AS n, sum(v) AS s FROM t");
    assert_eq!(lines(&mut two, "SELECT * FROM late"), ["1000|1000"]);
    copy.finish(&mut one).expect("COPY commits");
    assert_eq!(lines(&mut two, "SELECT * FROM late"), totals(&mut two));
    database.shutdown();
}

#[test]
fn a_crash_forgets_them() {
    for seed in 0..4 {
        let vfs = Arc::new(SimVfs::new());
        let home = Home::on(vfs.clone());
        let (database, mut one, mut two) = open(&home);
        let mut copy = begin_copy(&mut one);
        copy.write(&mut one, &data(0, 2, 2)).expect("right data");
        assert_eq!(totals(&mut two), ["1000|1000"]);
        vfs.crash(Some(seed));
        drop((copy, one, two, database));
        let database = home.open();
        assert_eq!(totals(&mut connect(&database)), ["1000|1000"], "seed {seed}");
        database.shutdown();
    }
}
