//! Views are built beside the commits: nothing waits for them, and nothing is left of one that is given up.

use crate::support::{Home, connect, lines, run, sorted, try_run};
use headwater_engine::{Database, Session};
use headwater_storage::SimVfs;
use headwater_types::SqlError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// `big` has so many rows, and each is paired with each of `small`.
fn tables(rows: usize) -> String {
    format!(
        "CREATE TABLE big (k int PRIMARY KEY, v int);
         CREATE TABLE small (k int PRIMARY KEY);
         CREATE TABLE live (k int PRIMARY KEY, v int);
         CREATE MATERIALIZED VIEW counts AS SELECT v, count(*) AS n FROM live GROUP BY v;
         INSERT INTO big SELECT i, i % 7 FROM generate_series(1, {rows}) AS i;
         INSERT INTO small SELECT i FROM generate_series(1, 40) AS i"
    )
}

const PAIRS: &str =
    "CREATE MATERIALIZED VIEW pairs AS SELECT v, count(*) AS n FROM big, small WHERE big.k + small.k > 0 GROUP BY v";
/// More than any test waits for.
const ENDLESS_ROWS: usize = 400_000;

/// A session that was busy, and what it was told.
type Ended = (Session, Result<Vec<Vec<String>>, SqlError>);

/// A session that runs a statement, and what a cancel request for it must know.
struct Busy {
    thread: JoinHandle<Ended>,
    pid: i32,
    secret: i32,
}

impl Busy {
    fn run(database: &Database, before: &str, sql: &'static str) -> Self {
        let mut session = connect(database);
        run(&mut session, before);
        let (pid, secret) = (session.pid(), session.secret());
        let thread = std::thread::spawn(move || {
            let result = try_run(&mut session, sql);
            (session, result)
        });
        Self { thread, pid, secret }
    }

    fn end(self) -> Ended {
        self.thread.join().expect("it does not panic")
    }
}

/// Waits until a build runs that has been fed something.
fn wait_for_build(session: &mut Session, busy: &Busy) {
    while lines(session, "SELECT id FROM headwater_catalog.view_builds WHERE rows_done > 0").is_empty() {
        assert!(!busy.thread.is_finished(), "the build has ended too early");
        std::thread::yield_now();
    }
}

#[test]
fn commits_and_reads_go_on_and_a_cancel_leaves_nothing() {
    for workers in [1, 2] {
        let mut home = Home::on_disk();
        home.workers = workers;
        let database = home.open();
        let mut session = connect(&database);
        run(&mut session, &tables(ENDLESS_ROWS));
        let busy = Busy::run(&database, "", PAIRS);
        wait_for_build(&mut session, &busy);
        for i in 0..10 {
            run(&mut session, &format!("INSERT INTO live VALUES ({i}, 1); INSERT INTO small VALUES ({})", 1000 + i));
            assert_eq!(lines(&mut session, "SELECT n FROM counts WHERE v = 1"), [(i + 1).to_string()]);
        }
        run(&mut session, "CREATE TABLE another (k int PRIMARY KEY); DROP TABLE another");
        let shown = lines(&mut session, "SELECT ddl_statement, progress <> '100.00%' FROM rw_catalog.rw_ddl_progress");
        assert!(shown.len() == 1 && shown[0].starts_with("CREATE MATERIALIZED VIEW pairs AS"), "{shown:?}");
        assert!(!busy.thread.is_finished(), "all of this was during the build");
        database.cancel(busy.pid, busy.secret);
        let (mut other, result) = busy.end();
        let error = result.expect_err("it was cancelled");
        assert_eq!(error.state.code(), "57014");
        // The engine has heard of it before it takes another commit.
        run(&mut session, "INSERT INTO live VALUES (100, 2)");
        assert_eq!(lines(&mut session, "SELECT * FROM rw_catalog.rw_ddl_progress"), [] as [&str; 0]);
        assert!(try_run(&mut other, "SELECT * FROM pairs").is_err_and(|error| error.state.code() == "42P01"));
        run(&mut other, "CREATE MATERIALIZED VIEW pairs AS SELECT v, count(*) AS n FROM live GROUP BY v");
        assert_eq!(lines(&mut other, "SELECT n FROM pairs WHERE v = 1"), ["10"]);
        database.shutdown();
    }
}

#[test]
fn a_build_has_the_statements_time_and_ends_with_the_server() {
    let home = Home::on_disk();
    let database = home.open();
    let mut session = connect(&database);
    run(&mut session, &tables(ENDLESS_ROWS));
    let busy = Busy::run(&database, "SET statement_timeout = '300ms'", PAIRS);
    let (mut other, result) = busy.end();
    let error = result.expect_err("its time is over");
    assert_eq!((error.state.code(), &*error.message), ("57014", "canceling statement due to statement timeout"));
    // In a block it is built at COMMIT.
    run(&mut other, &format!("SET statement_timeout = 0; BEGIN; {PAIRS}; ROLLBACK"));
    let busy = Busy::run(&database, &format!("BEGIN; {PAIRS}"), "COMMIT");
    wait_for_build(&mut session, &busy);
    database.shutdown();
    assert!(busy.end().1.is_err_and(|error| error.state.code() == "57P01"));
}

#[test]
fn a_crash_in_the_middle_leaves_nothing() {
    for seed in 0..3 {
        let vfs = Arc::new(SimVfs::new());
        let home = Home::on(vfs.clone());
        {
            let database = home.open();
            let mut session = connect(&database);
            run(&mut session, &tables(ENDLESS_ROWS / 4));
            let busy = Busy::run(&database, "", PAIRS);
            wait_for_build(&mut session, &busy);
            run(&mut session, "INSERT INTO live VALUES (1, 1)");
            vfs.crash(Some(seed));
            database.cancel(busy.pid, busy.secret);
            busy.end().1.expect_err("it was cancelled");
            database.shutdown();
        }
        let database = home.open();
        let mut session = connect(&database);
        assert_eq!(lines(&mut session, "SELECT n FROM counts"), ["1"], "seed {seed}");
        assert!(try_run(&mut session, "SELECT * FROM pairs").is_err(), "seed {seed}");
        database.shutdown();
    }
}

#[test]
fn a_change_of_the_catalog_meanwhile_is_a_conflict() {
    // Until a build takes long enough for the other to come between.
    let conflicts = (0..6).any(|size| {
        let home = Home::on_disk();
        let database = home.open();
        let mut session = connect(&database);
        run(&mut session, &tables(5000 << size));
        let busy = Busy::run(&database, &format!("BEGIN; {PAIRS}"), "COMMIT");
        let mut begun = false;
        while !begun && !busy.thread.is_finished() {
            begun = !lines(&mut session, "SELECT id FROM headwater_catalog.view_builds WHERE rows_done > 0").is_empty();
        }
        run(&mut session, "CREATE TABLE another (k int PRIMARY KEY)");
        let (mut other, result) = busy.end();
        let lost = result.is_err_and(|error| error.state.code() == "40001");
        assert_eq!(try_run(&mut other, "SELECT * FROM pairs").is_err(), lost);
        if lost {
            // Outside a block the statement is bound again by itself.
            run(&mut other, PAIRS);
        }
        let expected = sorted(&mut session, "SELECT v, count(*) FROM big, small WHERE big.k + small.k > 0 GROUP BY v");
        assert_eq!(sorted(&mut other, "SELECT * FROM pairs"), expected);
        database.shutdown();
        lost
    });
    assert!(conflicts);
}

#[test]
fn views_built_under_writers_equal_their_selects() {
    const QUERIES: [(&str, &str); 4] = [
        ("a", "SELECT v, count(*) AS n, sum(k) AS s FROM big GROUP BY v"),
        ("b", "SELECT big.k, big.v, live.v AS w FROM big JOIN live ON big.v = live.k"),
        ("c", "SELECT a.v, a.n, live.v AS w FROM a LEFT JOIN live ON live.k = a.v"),
        ("d", "SELECT v FROM big EXCEPT ALL SELECT v FROM live"),
    ];
    for workers in [1, 2] {
        let mut home = Home::on_disk();
        home.workers = workers;
        let database = home.open();
        let mut session = connect(&database);
        run(&mut session, &tables(30_000));
        let done = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (mut session, done) = (connect(&database), Arc::clone(&done));
            move || {
                let mut i = 0;
                while !done.load(Ordering::Relaxed) {
                    i += 1;
                    let sql = format!(
                        "INSERT INTO big VALUES ({}, {}); DELETE FROM big WHERE k = {}; INSERT INTO live VALUES ({}, {i})",
                        i % 40_000,
                        i % 9,
                        i * 17 % 30_000,
                        i % 9,
                    );
                    run(&mut session, &sql);
                }
            }
        });
        for (name, query) in QUERIES {
            run(&mut session, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        }
        done.store(true, Ordering::Relaxed);
        writer.join().expect("it does not panic");
        for (name, query) in QUERIES {
            let expected = sorted(&mut session, query);
            assert_eq!(sorted(&mut session, &format!("SELECT * FROM {name}")), expected, "{name}, {workers} workers");
        }
        database.shutdown();
    }
}
