//! `bench nexmark`: the queries of `benches/nexmark/`, each as a view on a server of its own, fed by COPY.
//!
//! A query that the server refuses is listed with the server's own reason. q10 is left out: it is q0 written to files. A
//! view must afterwards hold exactly what its SELECT answers.

mod generator;

use super::Bench;
use super::report::{Table, mebibytes, micros_each, rate};
use super::server::Server;
use super::wire::Client;
use super::workload::batches;
use crate::process::read;
use crate::{TaskError, root};
use generator::{Batch, Generator};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Events of one transaction.
const BATCH_EVENTS: u64 = 10_000;

/// The queries in the order of their numbers.
const QUERIES: [&str; 23] = [
    "q0",
    "q1",
    "q2",
    "q3",
    "q4",
    "q5",
    "q5_written_out",
    "q6",
    "q7",
    "q8",
    "q9",
    "q11",
    "q12",
    "q13",
    "q14",
    "q15",
    "q16",
    "q17",
    "q18",
    "q19",
    "q20",
    "q21",
    "q22",
];

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// The queries to run, such as q3,q7; all of them unless named
    #[arg(long, value_delimiter = ',')]
    queries: Vec<String>,
    /// Do not compare each view with its SELECT
    #[arg(long)]
    no_check: bool,
}

/// Runs every query that the server takes.
///
/// # Errors
///
/// A statement fails that is not a query's CREATE MATERIALIZED VIEW, or a view differs from its SELECT.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let mut generator = Generator::default();
    let events: Vec<Batch> = batches(bench.options.events, BATCH_EVENTS).map(|count| generator.batch(count)).collect();
    let mut table = Table::new(&["query", "events/s in view", "CPU µs/event", "rows", "MiB", "equals its SELECT"]);
    let mut refused = Vec::new();
    for name in QUERIES {
        if !choice.queries.is_empty() && !choice.queries.iter().any(|query| query == name) {
            continue;
        }
        let sql = read(&directory().join(format!("{name}.sql")))?;
        let server = bench.server()?;
        let mut client = server.connect()?;
        client.run(&read(&directory().join("schema.sql"))?)?;
        if let Err(reason) = client.run(&format!("CREATE MATERIALIZED VIEW nexmark AS {sql}")) {
            refused.push(format!("{name}: {reason}"));
            continue;
        }
        let mut cells = vec![name.to_owned()];
        cells.extend(feed(&server, &mut client, &events, bench.options.events)?);
        cells.push(if choice.no_check { "–".into() } else { compared(&mut client, name, &sql)? });
        table.row(cells);
    }
    table.print();
    if !refused.is_empty() {
        println!("\nnot supported:\n  {}", refused.join("\n  "));
    }
    Ok(())
}

fn directory() -> PathBuf {
    root().join("benches").join("nexmark")
}

/// Sends all events, and waits until the view shows them.
fn feed(server: &Server, client: &mut Client, events: &[Batch], count: u64) -> Result<Vec<String>, TaskError> {
    let before = server.usage()?;
    let started = Instant::now();
    for batch in events {
        client.run("BEGIN")?;
        for (table, data) in &batch.tables {
            client.copy_in(&format!("COPY {table} FROM STDIN (FORMAT csv)"), std::slice::from_ref(data))?;
        }
        client.run("COMMIT")?;
    }
    let rows = client.number("SELECT COUNT(*) FROM nexmark")?;
    let elapsed: Duration = started.elapsed();
    let after = server.usage()?;
    Ok(vec![
        rate(count, elapsed),
        micros_each(after.cpu - before.cpu, count),
        rows.to_string(),
        mebibytes(after.resident_bytes),
    ])
}

/// Says how long it takes to find that the view's rows are its SELECT's.
fn compared(client: &mut Client, name: &str, sql: &str) -> Result<String, TaskError> {
    let started = Instant::now();
    for (left, right) in [("SELECT * FROM nexmark", sql), (sql, "SELECT * FROM nexmark")] {
        let missing = client.number(&format!("SELECT COUNT(*) FROM (({left}\n) EXCEPT ALL ({right}\n)) AS missing"))?;
        if missing != 0 {
            return Err(TaskError::Answer(format!("{name}: the view and its SELECT differ in {missing} rows")));
        }
    }
    Ok(format!("yes ({:.1} s)", started.elapsed().as_secs_f64()))
}
