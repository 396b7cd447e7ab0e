//! `bench reads`: a dashboard's read of one campaign's rows of a view, by both protocols: idle, during a backfill, during
//! a bulk load; beside it PostgreSQL's indexed table of the same rows, by the same client.

use super::Bench;
use super::events::CAMPAIGNS;
use super::pace::{Load, Schedule};
use super::postgres::Postgres;
use super::report::{Table, Times, count, micros_each, rate};
use super::server::Server;
use super::usage::Usage;
use super::wire::{Client, copy_frame, execute_message, query_message};
use super::workload::verify;
use crate::TaskError;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Reads where nothing ends the run.
const SAMPLES: usize = 10_000;

/// Time between two reads beside other work, whatever becomes of them.
const READ_INTERVAL: Duration = Duration::from_millis(1);

/// Events of the bulk load for each of its seconds.
const BULK_EVENTS_PER_SECOND: u64 = 500_000;

/// A view that shares no work with the tutorial's: its windows are half as long.
const BACKFILLED: &str = "CREATE MATERIALIZED VIEW bench_backfill AS \
    SELECT window_start, campaign_id, COUNT(DISTINCT user_id) AS users, SUM(amount) AS revenue \
    FROM TUMBLE(marketing_events, timestamp, INTERVAL '30 MINUTES') GROUP BY window_start, campaign_id";

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// How long reads go on during backfills, at least
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Leave PostgreSQL out
    #[arg(long)]
    no_postgres: bool,
}

/// How the read is sent.
#[derive(Clone, Copy)]
enum Protocol {
    Simple,
    Prepared,
}

const PROTOCOLS: [(Protocol, &str); 2] = [(Protocol::Simple, "simple"), (Protocol::Prepared, "prepared")];

/// Measures each situation by each protocol.
///
/// # Errors
///
/// A statement fails, a read finds nothing, or a view's totals are wrong.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let (server, mut client, mut source) = bench.loaded_server()?;
    let mut table =
        Table::new(&["one campaign's rows, ms", "p50", "p99", "max", "reads/s", "rows", "server CPU µs/read"]);
    for (protocol, name) in PROTOCOLS {
        let mut reads = Reads::new(server.connect()?, protocol)?;
        let cells = reads.measured(&format!("idle, {name}"), None, &|| server.usage(), |reads| reads > SAMPLES)?;
        table.row(cells);
    }
    for (protocol, name) in PROTOCOLS {
        let reads = Reads::new(server.connect()?, protocol)?;
        table.row(during_backfill(&server, reads, name, Duration::from_secs(choice.seconds))?);
    }
    for (protocol, name) in PROTOCOLS {
        let mut reads = Reads::new(server.connect()?, protocol)?;
        let bulk = Load::start(server.address(), &mut source, BULK_EVENTS_PER_SECOND, choice.seconds, false)?;
        let mut cells =
            reads.measured(&format!("during a bulk load, {name}"), Some(READ_INTERVAL), &|| server.usage(), |_| {
                bulk.is_over()
            })?;
        let paced = bulk.finish()?;
        cells[0] = format!("{} of {} rows/s", cells[0], rate(paced.events, paced.elapsed));
        hide_cpu(&mut cells);
        table.row(cells);
    }
    verify(&mut client, source.totals())?;
    let postgres = if choice.no_postgres { None } else { Postgres::start()? };
    if let Some(postgres) = postgres {
        copy_view(&mut client, &mut postgres.connect()?)?;
        for (protocol, name) in PROTOCOLS {
            let mut reads = Reads::new(postgres.connect()?, protocol)?;
            let name = format!("PostgreSQL's table, idle, {name}");
            table.row(reads.measured(&name, None, &|| postgres.usage(), |reads| reads > SAMPLES)?);
        }
    }
    table.print();
    Ok(())
}

/// A connection and the reads of all campaigns.
struct Reads {
    client: Client,
    messages: Vec<Bytes>,
}

impl Reads {
    fn new(mut client: Client, protocol: Protocol) -> Result<Self, TaskError> {
        let names = (0..CAMPAIGNS).map(|campaign| format!("camp_{campaign:03}"));
        let read = "SELECT * FROM campaign_performance WHERE campaign_id =";
        let messages = match protocol {
            Protocol::Simple => names.map(|name| query_message(&format!("{read} '{name}'"))).collect(),
            Protocol::Prepared => {
                client.prepare("read", &format!("{read} $1"))?;
                names.map(|name| execute_message("read", &[&name], false)).collect()
            }
        };
        Ok(Self { client, messages })
    }

    /// Reads until `is_over` of the number of reads, one after the other or at an interval; the cells of its line.
    fn measured(
        &mut self,
        name: &str,
        interval: Option<Duration>,
        usage: &dyn Fn() -> Result<Usage, TaskError>,
        is_over: impl Fn(usize) -> bool,
    ) -> Result<Vec<String>, TaskError> {
        let before = usage()?;
        let started = Instant::now();
        let mut schedule = interval.map(Schedule::every);
        let (mut samples, mut rows) = (Vec::new(), 0);
        for message in self.messages.iter().cycle() {
            let sent = schedule.as_mut().map_or_else(Instant::now, Schedule::next);
            let found = self.client.send(message)?;
            samples.push(sent.elapsed());
            if found == 0 {
                return Err(TaskError::Answer("a campaign has no rows".into()));
            }
            rows += found;
            if is_over(samples.len()) {
                break;
            }
        }
        let (elapsed, after) = (started.elapsed(), usage()?);
        let reads = count(samples.len());
        let mut cells = vec![name.to_owned()];
        cells.extend(Times::new(samples).cells());
        let each = count(rows) / reads;
        cells.extend([rate(reads, elapsed), each.to_string(), micros_each(after.cpu - before.cpu, reads)]);
        Ok(cells)
    }
}

/// Reads while another connection creates and drops a view over all events.
fn during_backfill(
    server: &Server,
    mut reads: Reads,
    protocol: &str,
    at_least: Duration,
) -> Result<Vec<String>, TaskError> {
    let is_over = AtomicBool::new(false);
    let mut ddl = server.connect()?;
    let (cells, backfills) = std::thread::scope(|scope| {
        let backfills = scope.spawn(|| {
            let result = backfill_for(&mut ddl, at_least);
            is_over.store(true, Ordering::Release);
            result
        });
        let name = format!("during backfills, {protocol}");
        let cells = reads.measured(&name, Some(READ_INTERVAL), &|| server.usage(), |_| is_over.load(Ordering::Acquire));
        (cells, backfills.join())
    });
    let each = backfills.unwrap_or_else(|_| Err(TaskError::Answer("the backfills' thread panicked".into())))?;
    let mut cells = cells?;
    cells[0] = format!("{} of {:.2} s each", cells[0], each.as_secs_f64());
    hide_cpu(&mut cells);
    Ok(cells)
}

/// The time of one backfill.
fn backfill_for(client: &mut Client, at_least: Duration) -> Result<Duration, TaskError> {
    let started = Instant::now();
    let mut creating = Duration::ZERO;
    let mut made = 0;
    while started.elapsed() < at_least {
        let begun = Instant::now();
        client.run(BACKFILLED)?;
        creating += begun.elapsed();
        made += 1;
        client.run("DROP MATERIALIZED VIEW bench_backfill")?;
    }
    Ok(creating / made.max(1))
}

/// The server's CPU is not the reads' own while it does something else.
fn hide_cpu(cells: &mut [String]) {
    if let Some(cell) = cells.last_mut() {
        "–".clone_into(cell);
    }
}

/// The view's rows as a table of PostgreSQL's, with the index that the read wants.
fn copy_view(from: &mut Client, to: &mut Client) -> Result<(), TaskError> {
    to.run(
        "CREATE TABLE campaign_performance (window_start timestamptz, window_end timestamptz, campaign_id varchar, \
         campaign_name varchar, campaign_type varchar, impressions bigint, clicks bigint, conversions bigint, \
         revenue numeric, ctr double precision, conversion_rate double precision)",
    )?;
    let rows = from.copy_out("COPY (SELECT * FROM campaign_performance) TO STDOUT")?;
    to.copy_in("COPY campaign_performance FROM STDIN", &[copy_frame(&rows)])?;
    to.run("CREATE INDEX ON campaign_performance (campaign_id)")?;
    to.run("VACUUM ANALYZE campaign_performance")
}
