//! `bench inserts`: single-row INSERTs in transactions of their own, from one connection and from many, with and without
//! waiting for the disk; beside them the same client on PostgreSQL, which keeps no view at all.

use super::Bench;
use super::events::Events;
use super::postgres::Postgres;
use super::report::{Table, Times, micros_each, rate};
use super::usage::Usage;
use super::wire::{Address, Client};
use super::workload::{create_tables, load, verify};
use crate::TaskError;
use bytes::Bytes;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// INSERTs of one connection alone.
const ALONE: u64 = 5000;

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// Connections at once
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    connections: Vec<u64>,
    /// Leave PostgreSQL out
    #[arg(long)]
    no_postgres: bool,
}

/// One server under test.
struct Target<'a> {
    name: &'static str,
    address: &'a Address,
    usage: &'a dyn Fn() -> Result<Usage, TaskError>,
}

/// Measures each number of connections and kind of commit, on each server.
///
/// # Errors
///
/// A statement fails, or the totals are wrong.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let mut table =
        Table::new(&["single-row INSERTs", "connections", "rows/s", "CPU µs/row", "p50 ms", "p99 ms", "max ms"]);
    {
        let (server, mut client, mut source) = bench.loaded_server()?;
        let usage = || server.usage();
        let target = Target { name: "Headwater, three views", address: server.address(), usage: &usage };
        measure(&target, &mut source, choice, &mut table)?;
        verify(&mut client, source.totals())?;
    }
    let postgres = if choice.no_postgres { None } else { Postgres::start()? };
    if let Some(server) = postgres {
        let mut client = server.connect()?;
        create_tables(&mut client)?;
        let mut source = bench.source();
        load(&mut client, &mut source, bench.options.events)?;
        client.run("VACUUM ANALYZE marketing_events")?;
        client.run("CHECKPOINT")?;
        let usage = || server.usage();
        let target = Target { name: "PostgreSQL, no view", address: server.address(), usage: &usage };
        measure(&target, &mut source, choice, &mut table)?;
        let stored = client.number("SELECT COUNT(*) FROM marketing_events")?;
        if stored != source.made() {
            return Err(TaskError::Answer(format!("PostgreSQL has {stored} rows instead of {}", source.made())));
        }
    }
    table.print();
    Ok(())
}

fn measure(target: &Target<'_>, source: &mut Events, choice: &Choice, table: &mut Table) -> Result<(), TaskError> {
    for synchronous in ["off", "on"] {
        for &connections in &choice.connections {
            // Many connections share the disk's waits: each sends fewer, so that no run is long.
            let each = (4 * ALONE / connections.max(1)).min(ALONE);
            let mut work = Vec::new();
            for _ in 0..connections {
                let mut client = Client::connect(target.address)?;
                client.run(&format!("SET synchronous_commit = {synchronous}"))?;
                work.push((client, (0..each).map(|_| source.insert(1)).collect()));
            }
            let before = (target.usage)()?;
            let (elapsed, times) = together(&mut work)?;
            let after = (target.usage)()?;
            let rows = each * connections;
            let mut cells = vec![
                format!("{}, synchronous_commit {synchronous}", target.name),
                connections.to_string(),
                rate(rows, elapsed),
                micros_each(after.cpu - before.cpu, rows),
            ];
            cells.extend(times.cells());
            table.row(cells);
        }
    }
    Ok(())
}

/// Runs each connection's statements, all at once.
///
/// The connections stay open: PostgreSQL's process of a closed one ends some time later, and takes its figures along.
fn together(work: &mut [(Client, Vec<Bytes>)]) -> Result<(Duration, Times), TaskError> {
    let barrier = Barrier::new(work.len() + 1);
    let (started, samples) = std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter_mut()
            .map(|(client, messages)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let one = |message: &Bytes| {
                        let sent = Instant::now();
                        client.send(message)?;
                        Ok(sent.elapsed())
                    };
                    messages.iter().map(one).collect::<Result<Vec<Duration>, TaskError>>()
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(TaskError::Answer("a connection's thread panicked".into())))
        });
        (started, joined.collect::<Result<Vec<_>, _>>())
    });
    let elapsed = started.elapsed();
    Ok((elapsed, Times::new(samples?.concat())))
}
