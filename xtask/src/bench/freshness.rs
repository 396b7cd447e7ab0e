//! `bench freshness`: from sending a one-row INSERT until a read of a view that shows it is answered.
//!
//! The probes' events are of a day that nothing else touches, so that the count that the read must show is known under
//! any load.

use super::Bench;
use super::events::Events;
use super::pace::{Load, Schedule};
use super::report::{Table, Times, rate, shown};
use super::server::Server;
use super::wire::{Client, query_message};
use super::workload::verify;
use crate::TaskError;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Samples where nothing ends the run.
const SAMPLES: usize = 3000;

/// Time between two INSERTs beside a load, whatever becomes of them.
const PROBE_INTERVAL: Duration = Duration::from_millis(5);

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// Events per second that another connection loads by COPY meanwhile; 0 leaves that part out
    #[arg(long, default_value_t = 200_000)]
    load: u64,
    /// How long each loaded part runs
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Who reads what was written.
#[derive(Clone, Copy)]
enum Reader {
    /// The connection that wrote it.
    Same,
    /// Another one.
    Other,
}

/// The probes so far, by campaign and window.
type Seen = HashMap<(String, String), u64>;

/// Measures each kind of commit and reader, idle and under load.
///
/// # Errors
///
/// A statement fails, a read misses the row, or a view's totals are wrong.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let (server, mut client, mut source) = bench.loaded_server()?;
    let mut table = Table::new(&[
        "one row to visible, ms",
        "p50",
        "p99",
        "max",
        "acked p50",
        "acked p99",
        "samples",
        "late reads",
        "load, events/s",
    ]);
    let mut seen = Seen::new();
    for events_per_second in [0, choice.load].into_iter().take(if choice.load == 0 { 1 } else { 2 }) {
        for (reader, who) in [(Reader::Same, "same connection"), (Reader::Other, "other connection")] {
            for synchronous in ["off", "on"] {
                let name = format!("{who}, synchronous_commit {synchronous}");
                let load = match events_per_second {
                    0 => None,
                    pace => Some(Load::start(server.address(), &mut source, pace, choice.seconds, true)?),
                };
                let probes = probe(&server, &mut source, reader, synchronous, load.as_ref(), &mut seen)?;
                let load = load.map(Load::finish).transpose()?;
                let load = load.map_or_else(|| "–".to_owned(), |paced| rate(paced.events, paced.elapsed));
                table.row(probes.cells(name, load));
            }
        }
    }
    verify(&mut client, source.totals())?;
    table.print();
    Ok(())
}

#[derive(Default)]
struct Probes {
    acknowledged: Vec<Duration>,
    visible: Vec<Duration>,
    /// Reads that did not show the row yet: none where every read sees every acknowledged commit.
    late: u64,
}

impl Probes {
    fn cells(self, name: String, load: String) -> Vec<String> {
        let (visible, acknowledged) = (Times::new(self.visible), Times::new(self.acknowledged));
        let mut cells = vec![name];
        cells.extend(visible.cells());
        cells.extend([50, 99].map(|percent| shown(acknowledged.percentile(percent))));
        cells.extend([visible.len().to_string(), self.late.to_string(), load]);
        cells
    }
}

fn probe(
    server: &Server,
    source: &mut Events,
    reader: Reader,
    synchronous: &str,
    load: Option<&Load>,
    seen: &mut Seen,
) -> Result<Probes, TaskError> {
    let mut writer = server.connect()?;
    let mut other = server.connect()?;
    writer.run(&format!("SET synchronous_commit = {synchronous}"))?;
    let mut probes = Probes::default();
    let mut schedule = load.map(|_| Schedule::every(PROBE_INTERVAL));
    while load.map_or(probes.visible.len() < SAMPLES, |load| !load.is_over()) {
        let event = source.probe();
        let key = (event.campaign_id(), event.window_start());
        let read = format!(
            "SELECT impressions + clicks + conversions FROM campaign_performance \
             WHERE campaign_id = '{}' AND window_start = '{}'",
            key.0, key.1
        );
        let expected = seen.entry(key).and_modify(|count| *count += 1).or_insert(1);
        let (insert, query) = (event.insert(), query_message(&read));
        let sent = schedule.as_mut().map_or_else(Instant::now, Schedule::next);
        writer.send(&insert)?;
        probes.acknowledged.push(sent.elapsed());
        let reader: &mut Client = match reader {
            Reader::Same => &mut writer,
            Reader::Other => &mut other,
        };
        while reader.answer(&query)? != *expected {
            probes.late += 1;
        }
        probes.visible.push(sent.elapsed());
    }
    Ok(probes)
}
