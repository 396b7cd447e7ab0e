//! Transactions: atomic, isolated, first committer wins.

use crate::support::{Home, connect, lines, run, state_of};
use headwater_engine::TransactionStatus;

#[test]
fn a_rolled_back_transaction_leaves_nothing() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    let mut b = connect(&database);
    run(
        &mut a,
        "CREATE TABLE t (k int PRIMARY KEY, v text); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t",
    );
    run(&mut a, "BEGIN");
    run(&mut a, "INSERT INTO t VALUES (1, 'one')");
    run(&mut a, "CREATE TABLE u (k int PRIMARY KEY)");
    assert_eq!(lines(&mut a, "SELECT * FROM t"), ["1|one"], "own writes are seen");
    assert_eq!(lines(&mut a, "SELECT * FROM n"), ["1"], "through views too");
    assert_eq!(lines(&mut b, "SELECT * FROM t"), [] as [&str; 0], "others see nothing");
    run(&mut a, "ROLLBACK");
    assert_eq!(lines(&mut a, "SELECT * FROM n"), ["0"]);
    assert_eq!(state_of(&mut a, "SELECT * FROM u"), "42P01");
    database.shutdown();
}

#[test]
fn ddl_and_rows_commit_together() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    run(&mut a, "BEGIN");
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    run(&mut a, "INSERT INTO t VALUES (1, 10), (2, 20)");
    run(&mut a, "CREATE MATERIALIZED VIEW s AS SELECT sum(v) AS s FROM t");
    run(&mut a, "INSERT INTO t VALUES (3, 30)");
    assert_eq!(lines(&mut a, "SELECT s FROM s"), ["60"]);
    run(&mut a, "COMMIT");
    assert_eq!(lines(&mut a, "SELECT s FROM s"), ["60"]);
    drop(a);
    database.shutdown();
    drop(database);
    let database = home.open();
    assert_eq!(lines(&mut connect(&database), "SELECT s FROM s"), ["60"], "and after a restart");
    database.shutdown();
}

#[test]
fn the_first_committer_wins() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    let mut b = connect(&database);
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)");
    run(&mut a, "BEGIN; UPDATE t SET v = v + 1 WHERE k = 1");
    run(&mut b, "UPDATE t SET v = v + 10 WHERE k = 1");
    assert_eq!(state_of(&mut a, "COMMIT"), "40001");
    assert_eq!(a.transaction_status(), TransactionStatus::Idle);
    assert_eq!(lines(&mut a, "SELECT v FROM t"), ["10"]);
    database.shutdown();
}

#[test]
fn statements_outside_a_block_are_tried_again() {
    let home = Home::on_disk();
    let database = home.open();
    run(&mut connect(&database), "CREATE TABLE t (k int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let database = database.clone();
            std::thread::spawn(move || {
                let mut session = connect(&database);
                let update = "UPDATE t SET v = v + 1 WHERE k = 1";
                (0..50).filter(|_| crate::support::try_run(&mut session, update).is_ok()).count()
            })
        })
        .collect();
    let done: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    assert_eq!(lines(&mut connect(&database), "SELECT v FROM t"), [done.to_string()], "every success counted once");
    assert!(done > 0);
    database.shutdown();
}

#[test]
fn savepoints_undo_what_came_after() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY)");
    run(&mut a, "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2)");
    assert_eq!(state_of(&mut a, "SELECT 1/0"), "22012");
    assert_eq!(state_of(&mut a, "SELECT 1"), "25P02");
    run(&mut a, "ROLLBACK TO s");
    run(&mut a, "INSERT INTO t VALUES (3)");
    run(&mut a, "COMMIT");
    assert_eq!(lines(&mut a, "SELECT k FROM t ORDER BY k"), ["1", "3"]);
    database.shutdown();
}

#[test]
fn repeatable_read_sees_one_state() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    let mut b = connect(&database);
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t");
    run(&mut a, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(lines(&mut a, "SELECT * FROM n"), ["0"]);
    run(&mut b, "INSERT INTO t VALUES (1)");
    assert_eq!(lines(&mut a, "SELECT * FROM n"), ["0"]);
    assert_eq!(lines(&mut a, "SELECT count(*) FROM t"), ["0"]);
    run(&mut a, "COMMIT");
    assert_eq!(lines(&mut a, "SELECT * FROM n"), ["1"]);
    database.shutdown();
}

#[test]
fn inserts_onto_existing_keys() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    run(
        &mut a,
        "CREATE TABLE t (k int PRIMARY KEY, v int); CREATE TABLE e (k int PRIMARY KEY) WITH (on_conflict = 'error')",
    );
    run(&mut a, "INSERT INTO t VALUES (1, 1), (2, 2), (1, 3)");
    assert_eq!(lines(&mut a, "SELECT * FROM t ORDER BY k"), ["1|3", "2|2"], "the last row of a key stays");
    run(&mut a, "INSERT INTO t VALUES (1, 7), (3, 7) ON CONFLICT (k) DO NOTHING");
    assert_eq!(lines(&mut a, "SELECT * FROM t ORDER BY k"), ["1|3", "2|2", "3|7"]);
    run(&mut a, "INSERT INTO t VALUES (1, 10), (4, 4) ON CONFLICT (k) DO UPDATE SET v = t.v + excluded.v");
    assert_eq!(lines(&mut a, "SELECT * FROM t ORDER BY k"), ["1|13", "2|2", "3|7", "4|4"]);
    run(&mut a, "INSERT INTO e VALUES (1)");
    assert_eq!(state_of(&mut a, "INSERT INTO e VALUES (1)"), "23505");
    assert_eq!(state_of(&mut a, "INSERT INTO t VALUES (NULL, 1)"), "23502");
    database.shutdown();
}

#[test]
fn drops_respect_dependents() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY)");
    run(
        &mut a,
        "CREATE MATERIALIZED VIEW m AS SELECT k FROM t; CREATE MATERIALIZED VIEW n AS SELECT count(*) AS c FROM m",
    );
    assert_eq!(state_of(&mut a, "DROP TABLE t"), "2BP01");
    run(&mut a, "INSERT INTO t VALUES (1)");
    assert_eq!(lines(&mut a, "SELECT * FROM n"), ["1"], "a view on a view");
    run(&mut a, "DROP TABLE t CASCADE");
    assert_eq!(state_of(&mut a, "SELECT * FROM n"), "42P01");
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY)");
    assert_eq!(lines(&mut a, "SELECT * FROM t"), [] as [&str; 0]);
    database.shutdown();
}

/// Commits of some hundred rows are put together for the views; whoever reads gets all that was acknowledged.
#[test]
fn middling_commits_are_seen_by_the_next_read() {
    let home = Home::on_disk();
    let database = home.open();
    let (mut a, mut b) = (connect(&database), connect(&database));
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY, g int)");
    run(&mut a, "CREATE MATERIALIZED VIEW m AS SELECT g, count(*) AS n FROM t GROUP BY g");
    for round in 0..40 {
        run(&mut a, if round % 2 == 0 { "SET synchronous_commit = off" } else { "SET synchronous_commit = on" });
        let commits = round % 5 + 1;
        for commit in 0..commits {
            let first = (round * 5 + commit) * 1000;
            run(&mut a, &format!("INSERT INTO t SELECT i, i % 7 FROM generate_series({first}, {}) i", first + 499));
        }
        let expected = lines(&mut a, "SELECT count(*) FROM t");
        assert_eq!(lines(&mut b, "SELECT sum(n) FROM m"), expected, "round {round}");
    }
    database.shutdown();
}
