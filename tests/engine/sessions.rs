//! What sessions do to themselves and to each other: settings by function, cancels, ends, time limits, retries.

use crate::support::{Home, connect, lines, run, state_of, try_run};
use headwater_engine::{Config, Database, Execution, Session};
use headwater_types::Datum;
use std::time::Instant;

#[test]
fn set_config_sets_for_the_session_and_for_the_transaction() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    assert_eq!(lines(&mut s, "SELECT pg_catalog.set_config('search_path', '', false)"), [""]);
    assert_eq!(lines(&mut s, "SHOW search_path"), [""]);
    assert_eq!(
        lines(&mut s, "SELECT set_config('my.own', 'x', false), current_setting('my.own')"),
        ["x|x"],
        "the statement itself sees it"
    );
    run(&mut s, "BEGIN");
    assert_eq!(lines(&mut s, "SELECT set_config('TimeZone', 'Asia/Tokyo', true)"), ["Asia/Tokyo"]);
    assert_eq!(lines(&mut s, "SHOW TimeZone"), ["Asia/Tokyo"]);
    run(&mut s, "COMMIT");
    assert_eq!(lines(&mut s, "SHOW TimeZone"), ["UTC"], "local to the transaction");
    run(&mut s, "BEGIN; SELECT set_config('my.own', 'y', false); ROLLBACK");
    assert_eq!(lines(&mut s, "SHOW my.own"), ["x"], "undone");
    assert_eq!(state_of(&mut s, "SELECT set_config('my.own', 'z', false), 1/0"), "22012");
    assert_eq!(lines(&mut s, "SHOW my.own"), ["x"], "a statement that fails sets nothing");
    assert_eq!(lines(&mut s, "SELECT set_config('TimeZone', NULL, false)"), ["UTC"], "NULL is the default");
    assert_eq!(state_of(&mut s, "SELECT set_config(NULL, 'x', false)"), "22004");
    assert_eq!(state_of(&mut s, "SELECT set_config('no_such_setting', 'x', false)"), "42704");
    assert_eq!(state_of(&mut s, "SELECT set_config('statement_timeout', 'soon', false)"), "22023");
    database.shutdown();
}

#[test]
fn transaction_numbers_grow() {
    let home = Home::on_disk();
    let number = |s: &mut Session| -> i64 { lines(s, "SELECT txid_current()")[0].parse().expect("a number") };
    let database = home.open();
    let (mut a, mut b) = (connect(&database), connect(&database));
    run(&mut a, "BEGIN");
    let first = number(&mut a);
    let other = number(&mut b);
    assert_eq!(number(&mut a), first, "one transaction, one number");
    run(&mut a, "COMMIT");
    let second = number(&mut a);
    assert!(first < other && other < second, "{first} {other} {second}");
    drop((a, b));
    database.shutdown();
    let database = home.open();
    assert!(number(&mut connect(&database)) > second, "and after a restart");
    database.shutdown();
}

/// Starts `sql` on a session of its own, and waits until it runs.
fn start(database: &Database, sql: &'static str) -> (i32, std::thread::JoinHandle<(&'static str, String)>) {
    let mut session = connect(database);
    let pid = session.pid();
    let running = std::thread::spawn(move || {
        let error = try_run(&mut session, sql).expect_err("it is stopped");
        (error.state.code(), error.message)
    });
    let mut watcher = connect(database);
    while lines(&mut watcher, &format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}")) != ["active"] {
        std::thread::yield_now();
    }
    (pid, running)
}

#[test]
fn sessions_cancel_and_end_each_other() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    let (pid, running) = start(&database, "SELECT pg_sleep(60)");
    assert_eq!(lines(&mut s, &format!("SELECT pg_cancel_backend({pid})")), ["t"]);
    assert_eq!(running.join().expect("no panic").0, "57014");

    let mut idle = connect(&database);
    let told = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    idle.on_terminate({
        let told = told.clone();
        move || told.store(true, std::sync::atomic::Ordering::SeqCst)
    });
    run(&mut idle, "BEGIN");
    assert_eq!(lines(&mut s, &format!("SELECT pg_terminate_backend({})", idle.pid())), ["t"]);
    assert!(told.load(std::sync::atomic::Ordering::SeqCst), "whoever holds it hears of it");
    assert_eq!(state_of(&mut idle, "SELECT 1"), "57P01");
    assert_eq!(state_of(&mut idle, "ROLLBACK"), "57P01", "for good");

    s.take_notices();
    assert_eq!(lines(&mut s, "SELECT pg_cancel_backend(999999)"), ["f"]);
    let notices = s.take_notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].error.message, "PID 999999 is not a PostgreSQL backend process");
    assert_eq!(lines(&mut s, "SELECT pg_cancel_backend(NULL)"), ["NULL"]);
    database.shutdown();
}

#[test]
fn a_cancel_before_the_statement_runs_is_not_lost() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "CREATE TABLE t (k int PRIMARY KEY)");
    database.cancel(s.pid(), s.secret());
    run(&mut s, "INSERT INTO t VALUES (1)");
    let statements = s.parse("INSERT INTO t VALUES (2)").expect("it parses");
    database.cancel(s.pid(), s.secret());
    let error = s.execute_simple(&statements[0], 1).err().expect("it is canceled");
    assert_eq!(error.state.code(), "57014");
    s.end_script(false).expect("nothing to undo");
    assert_eq!(lines(&mut s, "SELECT k FROM t"), ["1"], "one that came before the message is late");

    s.prepare("", "INSERT INTO t VALUES (3)", &[]).expect("it parses");
    database.cancel(s.pid(), s.secret());
    s.bind("", "", vec![]).expect("it binds");
    assert_eq!(s.execute_portal("").err().expect("it is canceled").state.code(), "57014");
    s.end_script(false).expect("nothing to undo");
    assert_eq!(lines(&mut s, "SELECT k FROM t"), ["1"]);
    database.shutdown();
}

#[test]
fn a_statement_has_its_time() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "SET statement_timeout = '50ms'");
    let begun = Instant::now();
    for sql in
        ["SELECT pg_sleep(60)", "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"]
    {
        let error = try_run(&mut s, sql).expect_err("it takes too long");
        assert_eq!(
            (error.state.code(), &*error.message),
            ("57014", "canceling statement due to statement timeout"),
            "{sql}"
        );
    }
    assert!(begun.elapsed().as_secs() < 50, "long before it would have ended");
    run(&mut s, "SET statement_timeout = 0");
    assert_eq!(lines(&mut s, "SELECT 1 FROM (SELECT pg_sleep(0.06)) AS s"), ["1"], "the limit is gone");
    database.shutdown();
}

/// Runs one statement as drivers do: Parse, Bind, Execute; Sync is the caller's.
fn extended(session: &mut Session, sql: &str, parameters: Vec<Datum>) -> String {
    session.prepare("", sql, &[]).expect("it parses");
    session.bind("", "", parameters).expect("it binds");
    match session.execute_portal("").expect("it runs") {
        Execution::Command { tag } => tag,
        Execution::Rows(mut rows) => {
            let mut count = 0;
            while let Some(batch) = rows.next_batch().expect("rows come") {
                count += batch.rows as u64;
            }
            rows.tag(count)
        }
        _ => panic!("{sql} is for another helper"),
    }
}

#[test]
fn a_prepared_statement_that_loses_is_run_again_at_sync() {
    let home = Home::on_disk();
    let database = home.open();
    let (mut a, mut b) = (connect(&database), connect(&database));
    run(&mut a, "CREATE TABLE t (k int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)");
    let add = "UPDATE t SET v = v + $1 WHERE k = 1";
    assert_eq!(extended(&mut a, add, vec![Datum::Int4(1)]), "UPDATE 1");
    run(&mut b, "UPDATE t SET v = v + 10 WHERE k = 1");
    a.end_script(true).expect("run again, it wins");
    assert_eq!(lines(&mut b, "SELECT v FROM t WHERE k = 1"), ["11"]);

    // The client has been told of one row; a second run would change none.
    assert_eq!(extended(&mut a, "UPDATE t SET v = 5 WHERE v = 11", vec![]), "UPDATE 1");
    run(&mut b, "UPDATE t SET v = 12 WHERE k = 1");
    assert_eq!(a.end_script(true).map_err(|e| e.state.code()), Err("40001"));

    // It has been told a value.
    assert_eq!(extended(&mut a, "UPDATE t SET v = v + 1 WHERE k = 1 RETURNING v", vec![]), "UPDATE 1");
    run(&mut b, "UPDATE t SET v = 20 WHERE k = 1");
    assert_eq!(a.end_script(true).map_err(|e| e.state.code()), Err("40001"));

    // Two statements are one transaction, and what the second did may follow from the first.
    extended(&mut a, add, vec![Datum::Int4(1)]);
    extended(&mut a, "UPDATE t SET v = 1 WHERE k = 2", vec![]);
    run(&mut b, "UPDATE t SET v = 30 WHERE k = 1");
    assert_eq!(a.end_script(true).map_err(|e| e.state.code()), Err("40001"));
    assert_eq!(lines(&mut a, "SELECT v FROM t ORDER BY k"), ["30", "0"], "nothing of them is left");
    database.shutdown();
}

/// Copies lines of CSV; the command tag.
fn copy(session: &mut Session, table: &str, data: &[u8]) -> Result<String, &'static str> {
    let statements = session.parse(&format!("COPY {table} FROM STDIN (FORMAT csv)")).expect("it parses");
    let Execution::CopyIn(mut copy) = session.execute_simple(&statements[0], 1).expect("COPY begins") else {
        panic!("COPY takes data");
    };
    copy.write(session, data).and_then(|()| copy.finish(session)).map_err(|error| error.state.code())
}

#[test]
fn copy_does_what_its_table_says_about_keys_that_exist() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(
        &mut s,
        "CREATE TABLE ignore (k int PRIMARY KEY, a int, b int) ON CONFLICT DO NOTHING;
         CREATE TABLE fill (k int PRIMARY KEY, a int, b int) ON CONFLICT DO UPDATE IF NOT NULL;
         INSERT INTO ignore VALUES (1, 1, 1); INSERT INTO fill VALUES (1, 1, 1)",
    );
    assert_eq!(copy(&mut s, "ignore", b"1,2,2\n2,2,2\n2,3,3\n"), Ok("COPY 1".to_owned()));
    assert_eq!(lines(&mut s, "SELECT * FROM ignore ORDER BY k"), ["1|1|1", "2|2|2"]);
    assert_eq!(copy(&mut s, "fill", b"1,2,\n1,,3\n2,5,\n2,,6\n1,,\n"), Ok("COPY 2".to_owned()));
    assert_eq!(lines(&mut s, "SELECT * FROM fill ORDER BY k"), ["1|2|3", "2|5|6"], "row by row, into what is there");
    run(&mut s, "INSERT INTO fill VALUES (1, NULL, 7), (1, 8, NULL)");
    assert_eq!(lines(&mut s, "SELECT * FROM fill WHERE k = 1"), ["1|8|7"], "INSERT does the same");
    run(&mut s, "BEGIN; INSERT INTO ignore VALUES (3, 1, 1)");
    assert_eq!(copy(&mut s, "ignore", b"3,9,9\n4,9,9\n"), Ok("COPY 1".to_owned()), "a transaction's own rows count");
    run(&mut s, "COMMIT");
    assert_eq!(lines(&mut s, "SELECT k, a FROM ignore WHERE k > 2 ORDER BY k"), ["3|1", "4|9"]);
    database.shutdown();
}

#[test]
fn a_transaction_beyond_its_limit_leaves_nothing() {
    let home = Home::on_disk();
    let config = Config { data_dir: home.path.clone(), transaction_bytes_max: 64 << 10, ..Config::default() };
    let database = Database::open_on(home.vfs.clone(), config).expect("the database opens");
    let mut s = connect(&database);
    run(
        &mut s,
        "CREATE TABLE t (k int PRIMARY KEY, v text);
         CREATE TABLE ignore (k int PRIMARY KEY, v text) ON CONFLICT DO NOTHING;
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t",
    );
    run(&mut s, "BEGIN; INSERT INTO t VALUES (1, 'small')");
    let large = "INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(2, 2000) g";
    let error = try_run(&mut s, large).expect_err("it is too large");
    assert_eq!((error.state.code(), &*error.message), ("54000", "transaction is larger than 65536 bytes"));
    assert_eq!(state_of(&mut s, "SELECT 1"), "25P02");
    run(&mut s, "COMMIT");
    assert_eq!(state_of(&mut s, large), "54000", "outside a block too");
    let data: String = (0..5000).map(|k| format!("{k},{}\n", "x".repeat(20))).collect();
    assert_eq!(copy(&mut s, "t", data.as_bytes()), Err("54000"));
    assert_eq!(copy(&mut s, "ignore", data.as_bytes()), Err("54000"), "rows held back are counted");
    assert_eq!(lines(&mut s, "SELECT * FROM n"), ["0"]);
    assert_eq!(lines(&mut s, "SELECT count(*) FROM t, ignore"), ["0"]);
    for k in 0..20 {
        run(&mut s, &format!("INSERT INTO t SELECT {k} * 100 + g, repeat('x', 50) FROM generate_series(0, 99) g"));
    }
    assert_eq!(lines(&mut s, "SELECT * FROM n"), ["2000"], "many transactions may hold more than one");
    database.shutdown();
}

#[test]
fn indexes_are_names() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(
        &mut s,
        "CREATE TABLE t (k int PRIMARY KEY, v int); CREATE MATERIALIZED VIEW m AS SELECT v, count(*) AS n FROM t GROUP BY v;
         CREATE INDEX ON t (v); CREATE INDEX by_count ON m (n, v); CREATE INDEX IF NOT EXISTS by_count ON t (k)",
    );
    assert_eq!(state_of(&mut s, "CREATE INDEX by_count ON t (v)"), "42P07");
    let all = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";
    let expected = [
        "by_count|CREATE INDEX by_count ON public.m USING btree (n, v)",
        "t_pkey|CREATE UNIQUE INDEX t_pkey ON public.t USING btree (k)",
        "t_v_idx|CREATE INDEX t_v_idx ON public.t USING btree (v)",
    ];
    assert_eq!(lines(&mut s, all), expected);
    drop(s);
    database.shutdown();
    let database = home.open();
    let mut s = connect(&database);
    assert_eq!(lines(&mut s, all), expected, "after a restart");
    run(&mut s, "BEGIN; DROP INDEX t_v_idx; ROLLBACK; DROP INDEX by_count");
    assert_eq!(lines(&mut s, all), expected[1..]);
    let error = try_run(&mut s, "DROP INDEX t_pkey").expect_err("the key needs it");
    assert_eq!(error.message, "cannot drop index t_pkey because constraint t_pkey on table t requires it");
    assert_eq!(error.state.code(), "2BP01");
    assert_eq!(state_of(&mut s, "DROP INDEX by_count"), "42P01");
    assert_eq!(state_of(&mut s, "CREATE UNIQUE INDEX ON t (v)"), "0A000");
    assert_eq!(state_of(&mut s, "CREATE TABLE u (k int PRIMARY KEY, v int UNIQUE)"), "0A000");
    run(&mut s, "INSERT INTO t VALUES (1, 1); DROP TABLE t CASCADE");
    assert_eq!(lines(&mut s, all), [] as [&str; 0], "indexes go with their table");
    database.shutdown();
}

#[test]
fn a_prepared_execute_is_not_executed() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "PREPARE p AS SELECT 1");
    s.prepare("q", "EXECUTE p", &[]).expect("Parse takes any statement");
    run(&mut s, "DEALLOCATE p");
    s.prepare("p", "EXECUTE q", &[]).expect("and looks at names only");
    assert_eq!(state_of(&mut s, "EXECUTE p"), "0A000", "it would go round for ever");
    assert_eq!(lines(&mut s, "SELECT 2"), ["2"]);
    database.shutdown();
}

#[test]
fn views_and_drops_at_the_same_time_leave_a_database_that_opens() {
    let home = Home::on_disk();
    let database = home.open();
    let mut a = connect(&database);
    let maker = {
        let database = database.clone();
        std::thread::spawn(move || {
            let mut b = connect(&database);
            for i in 0..60 {
                // Whether the table is there at that moment is for the other to say.
                let made = try_run(&mut b, &format!("CREATE MATERIALIZED VIEW v{i} AS SELECT count(*) AS n FROM t"));
                assert!(made.is_ok() || made.is_err_and(|e| matches!(e.state.code(), "42P01" | "40001")));
            }
        })
    };
    for _ in 0..60 {
        run(&mut a, "CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY)");
        run(&mut a, "DROP TABLE t CASCADE");
    }
    maker.join().expect("no panic");
    assert_eq!(database.fatal(), None);
    drop(a);
    database.shutdown();
    drop(database);
    let database = home.open();
    assert_eq!(lines(&mut connect(&database), "SELECT 1"), ["1"]);
    database.shutdown();
}

#[test]
fn a_table_is_truncated_in_a_transaction() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, "CREATE TABLE t (k int PRIMARY KEY); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t");
    run(&mut s, "INSERT INTO t SELECT i FROM generate_series(1, 20000) i");
    run(&mut s, "BEGIN; TRUNCATE t; INSERT INTO t VALUES (7)");
    assert_eq!(lines(&mut s, "SELECT n FROM n"), ["1"]);
    run(&mut s, "ROLLBACK; TRUNCATE t; INSERT INTO t VALUES (7), (8)");
    assert_eq!(lines(&mut s, "SELECT n FROM n"), ["2"]);
    database.shutdown();
}

#[test]
fn explain_analyze_tells_what_each_operator_gave() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(
        &mut s,
        "CREATE TABLE t (k int PRIMARY KEY, g int); INSERT INTO t SELECT i, i % 3 FROM generate_series(1, 30) i",
    );
    let plan = lines(&mut s, "EXPLAIN ANALYZE SELECT g, count(*) FROM t WHERE k > 10 GROUP BY g");
    let line = |operator: &str| {
        let found = plan.iter().find(|line| line.contains(operator));
        found.unwrap_or_else(|| panic!("no {operator} in {plan:#?}"))
    };
    assert!(line("Reduce").contains("actual time=") && line("Reduce").contains(" rows=3)"), "{plan:#?}");
    assert!(line("Source t").contains(" rows=20)"), "{plan:#?}");
    assert!(line("Planning Time: ").ends_with(" ms") && line("Execution Time: ").ends_with(" ms"));
    assert_eq!(state_of(&mut s, "EXPLAIN ANALYZE SELECT 1 / (k - k) FROM t"), "22012", "it runs");
    assert_eq!(state_of(&mut s, "EXPLAIN ANALYZE DELETE FROM t"), "0A000");
    assert_eq!(lines(&mut s, "SELECT count(*) FROM t"), ["30"]);
    database.shutdown();
}
