//! `cargo xtask bench <what>`: whole runs over the wire, each on a server of its own on an empty directory.
//!
//! ```text
//! events (made before the clock runs) ──▶ wire (blocking client) ──▶ server
//!                 │                                                    │ /proc
//!                 └── totals ──▶ workload::verify ◀── views            └──▶ usage ──▶ report
//! ```
//!
//! One file for each subcommand. A phase's time ends when a read of every view shows all of its events, unless the
//! column says otherwise; CPU and memory are the server's; what the views say is checked against what was sent.

mod adhoc;
mod backfill;
mod events;
mod export;
mod freshness;
mod idle;
mod inserts;
mod nexmark;
mod pace;
mod postgres;
mod reads;
mod report;
mod server;
mod tutorial;
mod usage;
mod views;
mod wire;
mod workload;

use crate::{TaskError, root};
use clap::{Args, Parser, Subcommand};
use events::{Events, Order};
use server::Server;
use std::path::PathBuf;
use wire::Client;
use workload::{create_tables, create_views, load, verify};

/// Whole runs over the wire, each on a server of its own.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Command {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum What {
    /// Ingest by COPY (one transaction; 50,000 rows each), INSERTs of 1000 rows, and INSERTs of one
    Tutorial(tutorial::Choice),
    /// From sending a one-row INSERT until a read that shows it is answered, idle and under load
    Freshness(freshness::Choice),
    /// Single-row INSERTs of 1 and 32 connections, beside PostgreSQL without any view
    Inserts(inserts::Choice),
    /// Reads of a view by campaign: idle, during a backfill, during a bulk load
    Reads(reads::Choice),
    /// Aggregates and joins over all events that no view answers
    Adhoc(adhoc::Choice),
    /// How fast all events leave the server: SELECT and COPY
    Export,
    /// What a commit costs with 1, 20 and 200 views, of which it touches none, one or all
    Views(views::Choice),
    /// Creating the three views over stored events, and the commits that go on meanwhile
    Backfill,
    /// The Nexmark queries, fed by COPY
    Nexmark(nexmark::Choice),
    /// The binary's size, and what a server without work uses
    Idle(idle::Choice),
}

/// What every subcommand takes.
#[derive(Args)]
struct Options {
    /// Events to load
    #[arg(long, global = true, default_value_t = 1_000_000)]
    events: u64,
    /// The order of the events' times within their 24 hours
    #[arg(long, global = true, value_enum, default_value_t = Order::Random)]
    order: Order,
    /// The server to measure; without it, the release binary, built now
    #[arg(long, global = true)]
    binary: Option<PathBuf>,
    /// Threads that maintain views
    #[arg(long, global = true, default_value_t = 1)]
    workers: usize,
    /// The server's port; 0 takes any that is free
    #[arg(long, global = true, default_value_t = 0)]
    port: u16,
}

/// A run: its options, and the binary that it measures.
struct Bench {
    options: Options,
    binary: PathBuf,
}

impl Bench {
    /// Starts a server on an empty directory.
    fn server(&self) -> Result<Server, TaskError> {
        Server::start(&root(), &self.binary, self.options.port, self.options.workers)
    }

    /// The events, from the first.
    fn source(&self) -> Events {
        Events::new(self.options.order, self.options.events)
    }

    /// A server with the tables, the three views and all events in them, which was verified; a connection; and where
    /// further events come from.
    fn loaded_server(&self) -> Result<(Server, Client, Events), TaskError> {
        let server = self.server()?;
        let mut client = server.connect()?;
        create_tables(&mut client)?;
        create_views(&mut client)?;
        let mut source = self.source();
        load(&mut client, &mut source, self.options.events)?;
        verify(&mut client, source.totals())?;
        Ok((server, client, source))
    }
}

/// Runs what the command line names.
///
/// # Errors
///
/// The server does not build or start, a statement fails, or a view's totals are wrong.
pub fn run(arguments: &[&str]) -> Result<(), TaskError> {
    let Command { what, options } = match Command::try_parse_from(std::iter::once(&"bench").chain(arguments)) {
        Ok(command) => command,
        Err(error) => error.exit(),
    };
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => server::build(&root())?,
    };
    let bench = Bench { options, binary };
    println!("$ cargo xtask bench {}", arguments.join(" "));
    report::print_machine(server::directory(&root())?.path())?;
    match what {
        What::Tutorial(choice) => tutorial::run(&bench, &choice),
        What::Freshness(choice) => freshness::run(&bench, &choice),
        What::Inserts(choice) => inserts::run(&bench, &choice),
        What::Reads(choice) => reads::run(&bench, &choice),
        What::Adhoc(choice) => adhoc::run(&bench, &choice),
        What::Export => export::run(&bench),
        What::Views(choice) => views::run(&bench, &choice),
        What::Backfill => backfill::run(&bench),
        What::Nexmark(choice) => nexmark::run(&bench, &choice),
        What::Idle(choice) => idle::run(&bench, &choice),
    }
}
