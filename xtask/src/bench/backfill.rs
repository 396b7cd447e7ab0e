//! `bench backfill`: creating the three views over events that are there already, and the commits that go on meanwhile.

use super::Bench;
use super::events::Events;
use super::report::{Table, Times, count, mebibytes, micros_each, rate, shown};
use super::server::Server;
use super::wire::Client;
use super::workload::{create_tables, load, verify, view_statements};
use crate::TaskError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long commits are measured with nothing beside them.
const QUIET: Duration = Duration::from_secs(2);

/// Creates the views one after the other.
///
/// # Errors
///
/// A statement fails, or a view's totals are wrong.
pub fn run(bench: &Bench) -> Result<(), TaskError> {
    let server = bench.server()?;
    let mut client = server.connect()?;
    create_tables(&mut client)?;
    let mut source = bench.source();
    load(&mut client, &mut source, bench.options.events)?;
    let mut table = Table::new(&[
        "backfill",
        "seconds",
        "events/s",
        "CPU µs/event",
        "commits/s meanwhile",
        "p50 ms",
        "p99 ms",
        "max ms",
        "MiB",
    ]);
    let quiet = beside(&server, &mut source, || {
        std::thread::sleep(QUIET);
        Ok(())
    })?;
    table.row(quiet.cells("none: commits alone", None));
    let mut all = Duration::ZERO;
    for statement in view_statements()? {
        let name = statement.split_whitespace().nth(3).unwrap_or("a view").to_owned();
        let stored = source.made();
        let created = beside(&server, &mut source, || client.run(&statement))?;
        all += created.elapsed;
        table.row(created.cells(&name, Some(stored)));
    }
    table.row(vec!["all three".to_owned(), format!("{:.2}", all.as_secs_f64()), rate(source.made(), all)]);
    verify(&mut client, source.totals())?;
    table.print();
    Ok(())
}

/// What happened during a piece of work.
struct Beside {
    elapsed: Duration,
    cpu: Duration,
    resident_bytes: f64,
    commits: Times,
}

impl Beside {
    fn cells(&self, name: &str, events: Option<u64>) -> Vec<String> {
        let each = |show: &dyn Fn(u64) -> String| events.map_or_else(|| "–".to_owned(), show);
        let mut cells = vec![
            name.to_owned(),
            format!("{:.2}", self.elapsed.as_secs_f64()),
            each(&|events| rate(events, self.elapsed)),
            each(&|events| micros_each(self.cpu, events)),
            rate(count(self.commits.len()), self.elapsed),
        ];
        cells.extend([50, 99, 100].map(|percent| shown(self.commits.percentile(percent))));
        cells.push(mebibytes(self.resident_bytes));
        cells
    }
}

/// Does the work while another connection commits single rows.
fn beside(
    server: &Server,
    source: &mut Events,
    work: impl FnOnce() -> Result<(), TaskError>,
) -> Result<Beside, TaskError> {
    let mut committer = server.connect()?;
    let is_over = AtomicBool::new(false);
    let before = server.usage()?;
    let started = Instant::now();
    let (done, elapsed, commits) = std::thread::scope(|scope| {
        let commits = scope.spawn(|| commit_until(&mut committer, source, &is_over));
        let done = work();
        let elapsed = started.elapsed();
        is_over.store(true, Ordering::Release);
        (done, elapsed, commits.join())
    });
    done?;
    let commits = commits.unwrap_or_else(|_| Err(TaskError::Answer("the commits' thread panicked".into())))?;
    let after = server.usage()?;
    let commits = Times::new(commits);
    Ok(Beside { elapsed, cpu: after.cpu - before.cpu, resident_bytes: after.resident_bytes, commits })
}

fn commit_until(client: &mut Client, source: &mut Events, is_over: &AtomicBool) -> Result<Vec<Duration>, TaskError> {
    let mut samples = Vec::new();
    while !is_over.load(Ordering::Acquire) {
        let message = source.insert(1);
        let sent = Instant::now();
        client.send(&message)?;
        samples.push(sent.elapsed());
    }
    Ok(samples)
}
