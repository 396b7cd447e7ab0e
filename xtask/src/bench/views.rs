//! `bench views`: what a commit costs with many views, of which it touches none, one or all.
//!
//! ```text
//! watched ──▶ view_0 … view_n       all of them
//! single  ──▶ view_of_single        one
//! other                             none
//! ```
//! No two views group alike, so that none can share another's work.

use super::Bench;
use super::report::{Table, Times, count, mebibytes, micros_each, shown};
use super::server::Server;
use super::wire::{Client, query_message};
use crate::TaskError;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Rows in each table before the first commit.
const LOADED_ROWS: u64 = 100_000;

/// Groups of each view.
const GROUPS: u64 = 100;

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// Views over the watched table
    #[arg(long, value_delimiter = ',', default_values_t = [1, 20, 200])]
    views: Vec<u64>,
    /// One-row commits of each kind
    #[arg(long, default_value_t = 1000)]
    commits: u64,
}

/// Measures each number of views and each kind of commit.
///
/// # Errors
///
/// A statement fails, or a view does not count every row.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let mut table = Table::new(&[
        "one-row commit, ms",
        "views",
        "acked p50",
        "acked p99",
        "visible p50",
        "visible p99",
        "visible max",
        "CPU µs/commit",
        "MiB",
    ]);
    for &views in &choice.views {
        let server = bench.server()?;
        let mut client = server.connect()?;
        create(&mut client, views)?;
        for (name, relation, view) in [
            ("touches none", "other", "other"),
            ("touches one", "single", "view_of_single"),
            ("touches all", "watched", "view_0"),
        ] {
            let mut cells = vec![name.to_owned(), views.to_string()];
            cells.extend(commits(&server, relation, view, choice.commits)?);
            table.row(cells);
        }
        check(&mut client, views, LOADED_ROWS + choice.commits)?;
    }
    table.print();
    Ok(())
}

fn create(client: &mut Client, views: u64) -> Result<(), TaskError> {
    for name in ["watched", "single", "other"] {
        client.run(&format!("CREATE TABLE {name} (id bigint PRIMARY KEY, value bigint)"))?;
        client
            .run(&format!("INSERT INTO {name} SELECT i, i % 1000 FROM generate_series(1, {LOADED_ROWS}) AS t (i)"))?;
    }
    client.run(&definition("view_of_single", "single", 0))?;
    (0..views).try_for_each(|view| client.run(&definition(&format!("view_{view}"), "watched", view)))
}

fn definition(view: &str, relation: &str, number: u64) -> String {
    format!(
        "CREATE MATERIALIZED VIEW {view} AS SELECT (id + {number}) % {GROUPS} AS bucket, COUNT(*) AS rows, \
         SUM(value) AS total FROM {relation} GROUP BY (id + {number}) % {GROUPS}"
    )
}

/// One-row commits, each followed by a read that shows it.
fn commits(server: &Server, relation: &str, view: &str, commits: u64) -> Result<Vec<String>, TaskError> {
    let mut client = server.connect()?;
    client.run("SET synchronous_commit = off")?;
    let message = |commit: u64| {
        let id = LOADED_ROWS + 1 + commit;
        let read = match view {
            "other" => format!("SELECT value FROM other WHERE id = {id}"),
            view => format!("SELECT rows FROM {view} WHERE bucket = {}", id % GROUPS),
        };
        (query_message(&format!("INSERT INTO {relation} VALUES ({id}, {commit})")), query_message(&read))
    };
    let messages: Vec<(Bytes, Bytes)> = (0..commits).map(message).collect();
    let (mut acknowledged, mut visible): (Vec<Duration>, Vec<Duration>) = (vec![], vec![]);
    let before = server.usage()?;
    for (insert, read) in &messages {
        let sent = Instant::now();
        client.send(insert)?;
        acknowledged.push(sent.elapsed());
        if client.send(read)? != 1 {
            return Err(TaskError::Answer(format!("{view} does not show the row just committed")));
        }
        visible.push(sent.elapsed());
    }
    let after = server.usage()?;
    let (acknowledged, visible) = (Times::new(acknowledged), Times::new(visible));
    let mut cells: Vec<String> = [50, 99].map(|percent| shown(acknowledged.percentile(percent))).into();
    cells.extend([50, 99, 100].map(|percent| shown(visible.percentile(percent))));
    cells.push(micros_each(after.cpu - before.cpu, count(visible.len())));
    cells.push(mebibytes(after.resident_bytes));
    Ok(cells)
}

fn check(client: &mut Client, views: u64, expected: u64) -> Result<(), TaskError> {
    let names = (0..views).map(|view| format!("view_{view}")).chain(["view_of_single".to_owned()]);
    for name in names {
        let counted = client.number(&format!("SELECT SUM(rows)::bigint FROM {name}"))?;
        if counted != expected {
            return Err(TaskError::Answer(format!("{name} counts {counted} rows instead of {expected}")));
        }
    }
    Ok(())
}
