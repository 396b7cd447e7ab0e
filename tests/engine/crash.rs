//! What survives a crash, on a file system that forgets everything that was not synced.

use crate::support::{Home, connect, lines, run, sorted, try_run};
use headwater_storage::SimVfs;
use std::sync::Arc;

const SCHEMA: &str = "CREATE TABLE t (k int PRIMARY KEY, pair int, v int);
    CREATE MATERIALIZED VIEW m AS SELECT pair, count(*) AS n, sum(v) AS s FROM t GROUP BY pair";

#[test]
fn acknowledged_commits_survive_and_no_half_of_another() {
    for seed in 0..40 {
        let vfs = Arc::new(SimVfs::new());
        let home = Home::on(vfs.clone());
        let mut acknowledged = 0;
        {
            let database = home.open();
            let mut session = connect(&database);
            run(&mut session, SCHEMA);
            for i in 0..(seed % 13) {
                let sql = format!(
                    "BEGIN; INSERT INTO t VALUES ({}, {i}, {i}); INSERT INTO t VALUES ({}, {i}, 1); COMMIT",
                    2 * i,
                    2 * i + 1
                );
                run(&mut session, &sql);
                acknowledged = i + 1;
            }
            run(&mut session, "BEGIN; INSERT INTO t VALUES (-1, -1, -1)");
            vfs.crash(Some(seed));
        }
        let database = home.open();
        let mut session = connect(&database);
        let rows = sorted(&mut session, "SELECT pair, n, s FROM m");
        let expected: Vec<Vec<String>> = {
            let mut all: Vec<_> =
                (0..acknowledged).map(|i| vec![i.to_string(), "2".to_owned(), (i + 1).to_string()]).collect();
            all.sort();
            all
        };
        assert_eq!(rows, expected, "seed {seed}");
        let recomputed = sorted(&mut session, "SELECT pair, count(*), sum(v) FROM t GROUP BY pair");
        assert_eq!(rows, recomputed, "seed {seed}");
        database.shutdown();
    }
}

#[test]
fn a_failed_sync_is_told_and_stops_the_database() {
    let vfs = Arc::new(SimVfs::new());
    let home = Home::on(vfs.clone());
    let database = home.open();
    let mut session = connect(&database);
    run(&mut session, SCHEMA);
    vfs.fail_syncs_after(0);
    let error = try_run(&mut session, "INSERT INTO t VALUES (1, 1, 1)").expect_err("the sync fails");
    assert_eq!(error.state.code(), "08007");
    assert!(database.fatal().is_some(), "the database says why");
    assert!(try_run(&mut session, "INSERT INTO t VALUES (2, 2, 2)").is_err(), "and takes no more");
    database.shutdown();
    drop(session);
    drop(database);
    vfs.crash(None);
    let database = home.open();
    let mut session = connect(&database);
    assert_eq!(lines(&mut session, "SELECT * FROM t WHERE k = 2"), [] as [&str; 0]);
    database.shutdown();
}
