//! `cargo xtask bench tutorial`: what the tutorial costs, over the wire, on a server of its own.
//!
//! Each phase has the three views live. A phase's time ends when its last COMMIT is acknowledged; reading the views
//! afterwards shows what maintenance was left behind. CPU and memory are the server's, from `/proc`.

mod events;
mod server;

use crate::{TaskError, root};
use bytes::Bytes;
use events::Events;
use futures::SinkExt;
use server::Server;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Events loaded by COPY unless said otherwise.
pub const EVENTS_DEFAULT: u64 = 1_000_000;

/// Rows of one multi-row INSERT.
const INSERT_ROWS: u64 = 1000;

/// Single-row INSERTs, and samples of the time to visible.
const SINGLES: u64 = 2000;

/// Samples of the disk's fsync.
const FSYNC_SAMPLES: usize = 200;

/// Loads the tutorial in three ways and prints what each costs.
///
/// # Errors
///
/// The server does not build or start, or a statement fails.
pub fn tutorial(events: u64) -> Result<(), TaskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| TaskError::Io { what: "the runtime".into(), source })?;
    runtime.block_on(run(events))
}

async fn run(count: u64) -> Result<(), TaskError> {
    let server = Server::start(&root())?;
    let client = server.connect().await?;
    let reader = server.connect().await?;
    for file in ["01_tables.sql", "02_views.sql"] {
        let path = root().join("sql").join("marketing").join(file);
        client.batch_execute(&crate::process::read(&path)?).await?;
    }
    client.batch_execute(&events::campaigns()).await?;
    let mut source = Events::new();
    println!("{:<34} {:>12} {:>10} {:>10} {:>10}", "phase", "rows/s", "seconds", "views +ms", "CPU s");

    let chunks: Vec<Bytes> = source.copy_chunks(count);
    measure(&server, &reader, &format!("COPY, {count} rows"), count, async || copy(&client, &chunks).await).await?;
    drop(chunks);

    let rows = (count / 10).clamp(INSERT_ROWS, 100 * INSERT_ROWS);
    let statements: Vec<String> = (0..rows / INSERT_ROWS).map(|_| source.insert(INSERT_ROWS)).collect();
    let name = format!("INSERT, {INSERT_ROWS} rows each");
    measure(&server, &reader, &name, rows, async || execute(&client, &statements).await).await?;

    let statements: Vec<String> = (0..SINGLES).map(|_| source.insert(1)).collect();
    measure(&server, &reader, "INSERT, 1 row, own transaction", SINGLES, async || execute(&client, &statements).await)
        .await?;

    let visible = visible(&client, &reader, &mut source).await?;
    let fsync = fsync(server.data_dir())?;
    println!();
    print_times("fsync of this disk", fsync);
    print_times("COMMIT acknowledged", visible.iter().map(|sample| sample.acknowledged).collect());
    print_times("INSERT sent to seen in a view", visible.iter().map(|sample| sample.seen).collect());
    let usage = server.usage()?;
    println!();
    println!("{:<34} {:>12.1}", "CPU seconds, server", usage.cpu.as_secs_f64());
    println!("{:<34} {:>12.1}", "peak memory, MB", usage.peak_bytes / 1e6);
    let stored = source.made();
    println!("{:<34} {:>12.0}", "peak memory per event, bytes", usage.peak_bytes / to_f64(stored));
    Ok(())
}

/// Runs a phase and prints its line: rows per second, the wait of the first read after it, CPU.
async fn measure(
    server: &Server,
    reader: &Client,
    name: &str,
    rows: u64,
    phase: impl AsyncFnOnce() -> Result<(), TaskError>,
) -> Result<(), TaskError> {
    let before = server.usage()?;
    let started = Instant::now();
    phase().await?;
    let acknowledged = started.elapsed();
    counted(reader, "campaign_performance", "impressions + clicks + conversions").await?;
    counted(reader, "channel_attribution", "conversions").await?;
    counted(reader, "ab_test_results", "conversions").await?;
    let read = started.elapsed() - acknowledged;
    let after = server.usage()?;
    println!(
        "{name:<34} {:>12.0} {:>10.2} {:>10.1} {:>10.2}",
        to_f64(rows) / acknowledged.as_secs_f64(),
        acknowledged.as_secs_f64(),
        read.as_secs_f64() * 1000.0,
        (after.cpu - before.cpu).as_secs_f64(),
    );
    Ok(())
}

async fn copy(client: &Client, chunks: &[Bytes]) -> Result<(), TaskError> {
    let statement = format!("COPY marketing_events ({}) FROM STDIN", events::COLUMNS);
    let sink = client.copy_in(&statement).await?;
    let mut sink = Box::pin(sink);
    for chunk in chunks {
        sink.send(chunk.clone()).await?;
    }
    sink.as_mut().finish().await?;
    Ok(())
}

async fn execute(client: &Client, statements: &[String]) -> Result<(), TaskError> {
    for statement in statements {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

/// One single-row INSERT.
struct Visible {
    acknowledged: Duration,
    seen: Duration,
}

/// Inserts one row at a time, and after each reads a view on another connection until it has counted the row.
async fn visible(client: &Client, reader: &Client, source: &mut Events) -> Result<Vec<Visible>, TaskError> {
    let mut samples = Vec::new();
    let mut expected = counted(reader, "campaign_performance", "impressions + clicks + conversions").await?;
    for _ in 0..SINGLES {
        let statement = source.insert(1);
        expected += 1;
        let sent = Instant::now();
        client.batch_execute(&statement).await?;
        let acknowledged = sent.elapsed();
        // The group's own row is what a dashboard reads; the sum over all is checked once, at the end.
        let group = format!(
            "SELECT impressions + clicks + conversions FROM campaign_performance WHERE campaign_id = '{}' \
             AND window_start = '{}'",
            source.last_campaign(),
            source.last_window()
        );
        let count = source.last_group_count();
        while number(reader, &group).await? < count {}
        samples.push(Visible { acknowledged, seen: sent.elapsed() });
    }
    let counted = counted(reader, "campaign_performance", "impressions + clicks + conversions").await?;
    if counted != expected {
        return Err(TaskError::Answer(format!("campaign_performance counts {counted} events instead of {expected}")));
    }
    Ok(samples)
}

async fn counted(reader: &Client, view: &str, counts: &str) -> Result<u64, TaskError> {
    number(reader, &format!("SELECT COALESCE(SUM({counts}), 0) FROM {view}")).await
}

async fn number(reader: &Client, query: &str) -> Result<u64, TaskError> {
    let messages = reader.simple_query(query).await?;
    let answer = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    let answer = answer.unwrap_or_else(|| "0".to_owned());
    answer.parse().map_err(|_| TaskError::Answer(format!("a number was expected, not {answer:?}")))
}

/// How long a small write takes to reach the disk that holds the data.
fn fsync(directory: &Path) -> Result<Vec<Duration>, TaskError> {
    let failed = |source| TaskError::Io { what: directory.display().to_string(), source };
    let mut file = tempfile::tempfile_in(directory).map_err(failed)?;
    let mut samples = Vec::new();
    for _ in 0..FSYNC_SAMPLES {
        file.write_all(&[0; 512]).map_err(failed)?;
        let started = Instant::now();
        file.sync_data().map_err(failed)?;
        samples.push(started.elapsed());
    }
    Ok(samples)
}

fn print_times(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = times.len().saturating_sub(1) * percent / 100;
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    println!("{name:<34} p50 {:>8.3} ms   p99 {:>8.3} ms", at(50), at(99));
}

/// Counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
