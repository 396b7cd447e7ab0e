//! `bench tutorial`: what ingest costs with the tutorial's three views live, by COPY and by INSERT.
//!
//! Events are rendered in portions that fit in memory, while the server has nothing to do: the clock of a portion runs
//! from its first byte until the views show its last event.

use super::report::{Table, Times, mebibytes, micros_each, rate, to_f64};
use super::server::Server;
use super::wire::Client;
use super::workload::{BATCH_EVENTS, batches, copy, create_tables, create_views, verify, wait_for_views};
use super::{Bench, Events};
use crate::TaskError;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Events rendered at once, about 650 MB.
const PORTION_EVENTS: u64 = 5_000_000;

/// Rows of one multi-row INSERT.
const INSERT_ROWS: u64 = 1000;

/// Rows that the multi-row INSERTs add at most.
const INSERTED_EVENTS_MAX: u64 = 500_000;

/// Single-row INSERTs.
const SINGLES: u64 = 3000;

/// A way to bring events in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// COPY, all events in one transaction.
    Copy,
    /// COPY, 50,000 events a transaction.
    Batches,
    /// INSERTs of 1000 rows, onto what is there.
    Inserts,
    /// INSERTs of one row, onto what is there, with and without waiting for the disk.
    Singles,
}

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// The ways to bring events in; COPY in one transaction has a server of its own
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Way::Copy, Way::Batches, Way::Inserts, Way::Singles])]
    ways: Vec<Way>,
}

/// A server with the tutorial, and what was sent to it.
struct Ingest<'a> {
    server: Server,
    client: Client,
    reader: Client,
    source: Events,
    table: &'a mut Table,
}

/// Runs the chosen ways.
///
/// # Errors
///
/// A statement fails, or a view's totals are wrong.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let mut table = Table::new(&[
        "phase",
        "rows",
        "rows/s acked",
        "rows/s in views",
        "CPU µs/row",
        "p50 ms",
        "p99 ms",
        "max ms",
        "MiB",
        "peak MiB",
        "peak bytes/event",
    ]);
    let events = bench.options.events;
    let has = |way| choice.ways.contains(&way);
    if has(Way::Copy) {
        let mut ingest = Ingest::start(bench, &mut table)?;
        let frames = ingest.source.copy_frames(events);
        ingest.phase("COPY, one transaction", events, |client| timed([frames], |frames| copy(client, &frames)))?;
        ingest.end()?;
    }
    if [Way::Batches, Way::Inserts, Way::Singles].into_iter().any(has) {
        let mut ingest = Ingest::start(bench, &mut table)?;
        if has(Way::Batches) {
            ingest.batches(events)?;
        }
        if has(Way::Inserts) {
            ingest.inserts(events.min(INSERTED_EVENTS_MAX))?;
        }
        if has(Way::Singles) {
            ingest.singles("off")?;
            ingest.singles("on")?;
        }
        ingest.end()?;
    }
    table.print();
    Ok(())
}

impl<'a> Ingest<'a> {
    fn start(bench: &Bench, table: &'a mut Table) -> Result<Self, TaskError> {
        let server = bench.server()?;
        let (mut client, reader) = (server.connect()?, server.connect()?);
        create_tables(&mut client)?;
        create_views(&mut client)?;
        Ok(Self { server, client, reader, source: bench.source(), table })
    }

    fn batches(&mut self, events: u64) -> Result<(), TaskError> {
        for portion in batches(events, PORTION_EVENTS) {
            let transactions: Vec<Vec<Bytes>> =
                batches(portion, BATCH_EVENTS).map(|batch| self.source.copy_frames(batch)).collect();
            let name = format!("COPY, {BATCH_EVENTS} each, to {} M", to_f64(self.source.made()) / 1e6);
            self.phase(&name, portion, |client| timed(transactions, |frames| copy(client, &frames)))?;
        }
        Ok(())
    }

    fn inserts(&mut self, events: u64) -> Result<(), TaskError> {
        let messages: Vec<Bytes> = batches(events, INSERT_ROWS).map(|rows| self.source.insert(rows)).collect();
        let name = format!("INSERT, {INSERT_ROWS} rows each");
        self.phase(&name, events, |client| timed(messages, |message| client.send(&message).map(drop)))
    }

    fn singles(&mut self, synchronous: &str) -> Result<(), TaskError> {
        self.client.run(&format!("SET synchronous_commit = {synchronous}"))?;
        let messages: Vec<Bytes> = (0..SINGLES).map(|_| self.source.insert(1)).collect();
        let name = format!("INSERT, 1 row, synchronous_commit {synchronous}");
        self.phase(&name, SINGLES, |client| timed(messages, |message| client.send(&message).map(drop)))
    }

    /// Runs a phase and adds its line.
    fn phase(
        &mut self,
        name: &str,
        rows: u64,
        statements: impl FnOnce(&mut Client) -> Result<Vec<Duration>, TaskError>,
    ) -> Result<(), TaskError> {
        let before = self.server.usage()?;
        let started = Instant::now();
        let times = Times::new(statements(&mut self.client)?);
        let acknowledged = started.elapsed();
        wait_for_views(&mut self.reader)?;
        let visible = started.elapsed();
        let after = self.server.usage()?;
        let mut cells = vec![
            name.to_owned(),
            rows.to_string(),
            rate(rows, acknowledged),
            rate(rows, visible),
            micros_each(after.cpu - before.cpu, rows),
        ];
        cells.extend(times.cells());
        cells.push(mebibytes(after.resident_bytes));
        cells.push(mebibytes(after.peak_bytes));
        cells.push(format!("{:.0}", after.peak_bytes / to_f64(self.source.made())));
        self.table.row(cells);
        Ok(())
    }

    fn end(mut self) -> Result<(), TaskError> {
        verify(&mut self.reader, self.source.totals())
    }
}

/// How long each of the statements takes.
fn timed<T>(
    statements: impl IntoIterator<Item = T>,
    mut run: impl FnMut(T) -> Result<(), TaskError>,
) -> Result<Vec<Duration>, TaskError> {
    let time = |statement| {
        let started = Instant::now();
        run(statement)?;
        Ok(started.elapsed())
    };
    statements.into_iter().map(time).collect()
}
