//! The server's process is killed a hundred times under load, always over the same data.
//!
//! ```text
//!  start ──▶ check ──▶ writers run ──▶ SIGKILL at a random moment ──▶ start ──▶ …
//!    └──▶ SIGKILL while the log is replayed
//! ```
//!
//! Each writer's transactions touch all three tables of the tutorial, and what they leave is a function of their number
//! ([`model`]). So a check needs to know only how many of them a writer was told are committed: the tables must hold
//! exactly these, or exactly one more if its COMMIT was on the way; and every view must be its SELECT.

mod model;
mod process;
mod writer;

use model::{Rows, rows_after};
use process::Process;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};
use writer::Writer;

const TABLES: &str = include_str!("../../sql/marketing/01_tables.sql");
const VIEWS: &str = include_str!("../../sql/marketing/02_views.sql");
const KILLS: usize = 100;
const WRITERS: usize = 3;
const SEED: u64 = 4566;
/// A server lives this long under load, in milliseconds.
const LIFE_MILLIS: std::ops::Range<u64> = 50..300;
/// Of so many starts, one is killed before it has finished.
const KILLED_STARTS_ONE_IN: u32 = 8;
/// A start that is killed lives this long, in milliseconds: about as long as a start takes.
const START_MILLIS: std::ops::Range<u64> = 0..100;

#[test]
fn a_hundred_kills_lose_nothing_and_halve_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(kill_and_check());
}

async fn kill_and_check() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let mut kills = 0;
    while kills < KILLS {
        if kills > 0 && rng.random_ratio(1, KILLED_STARTS_ONE_IN) {
            let process = Process::spawn(data.path());
            tokio::time::sleep(Duration::from_millis(rng.random_range(START_MILLIS))).await;
            process.kill();
            kills += 1;
        }
        let mut process = Process::spawn(data.path());
        let address = process.address();
        let client = writer::connect(address).await;
        if kills == 0 {
            client.batch_execute(TABLES).await.expect("the tables");
            client.batch_execute(VIEWS).await.expect("the views");
        }
        check(&client, &mut writers, kills).await;
        let running: Vec<_> = writers.into_iter().map(|writer| tokio::spawn(writer.run(address))).collect();
        tokio::time::sleep(Duration::from_millis(rng.random_range(LIFE_MILLIS))).await;
        process.kill();
        kills += 1;
        writers = vec![];
        for writer in running {
            writers.push(writer.await.expect("a writer ends when its server does"));
        }
    }
    let mut process = Process::spawn(data.path());
    let client = writer::connect(process.address()).await;
    check(&client, &mut writers, kills).await;
    for writer in &writers {
        assert!(writer.committed > KILLS, "writer {} has committed {} transactions", writer.number, writer.committed);
    }
    process.kill();
}

/// Compares the tables with what the writers were told, and the views with the tables.
async fn check(client: &Client, writers: &mut [Writer], kills: usize) {
    let mut found: BTreeMap<String, Rows> = BTreeMap::new();
    for sql in [
        "SELECT event_id, campaign_id || ' ' || event_type || ' ' || amount FROM marketing_events",
        "SELECT campaign_id, campaign_name || ' ' || campaign_type FROM campaigns",
        "SELECT variant_id, campaign_id || ' ' || variant_name FROM ab_test_variants",
    ] {
        for mut row in rows(client, sql).await {
            let (value, id) = (row.pop().flatten(), row.pop().flatten().expect("keys are not NULL"));
            let writer = id.split('-').next().expect("split gives something").to_owned();
            found.entry(writer).or_default().insert(id, value.unwrap_or_default());
        }
    }
    for writer in writers.iter_mut() {
        let found = found.remove(&format!("w{}", writer.number)).unwrap_or_default();
        if writer.in_doubt && found == rows_after(writer.number, writer.committed + 1) {
            writer.committed += 1;
        }
        writer.in_doubt = false;
        let expected = rows_after(writer.number, writer.committed);
        assert_eq!(found, expected, "writer {} after kill {kills} (seed {SEED})", writer.number);
    }
    assert!(found.is_empty(), "rows that nobody wrote: {found:?}");
    for (name, select) in views() {
        let stored = sorted(client, &format!("SELECT * FROM {name}")).await;
        let computed = sorted(client, select).await;
        assert_eq!(stored, computed, "{name} after kill {kills} (seed {SEED})");
    }
}

/// Each view and the SELECT that it is.
fn views() -> impl Iterator<Item = (&'static str, &'static str)> {
    let statements = VIEWS.split(';').filter_map(|text| text.split_once("CREATE MATERIALIZED VIEW "));
    statements.map(|(_, rest)| rest.split_once(" AS\n").expect("a view has a query"))
}

async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
        _ => None,
    });
    rows.collect()
}

async fn sorted(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut rows = rows(client, sql).await;
    rows.sort();
    rows
}
