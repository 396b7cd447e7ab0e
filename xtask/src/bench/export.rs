//! `bench export`: how fast all events leave the server, as rows of a SELECT in text and in binary, and by COPY.
//!
//! The client only counts what comes, so that encoding and sending are what is measured.

use super::Bench;
use super::report::{Table, count, micros_each, rate, to_f64};
use super::wire::{Drained, execute_message, query_message};
use super::workload::{create_tables, load};
use crate::TaskError;
use bytes::Bytes;
use std::time::Instant;

/// Runs of each way; the fastest counts, as what disturbs only slows.
const RUNS: usize = 3;

/// Reads the whole table in each way.
///
/// # Errors
///
/// A statement fails, or rows are missing.
pub fn run(bench: &Bench) -> Result<(), TaskError> {
    let server = bench.server()?;
    let mut client = server.connect()?;
    create_tables(&mut client)?;
    let mut source = bench.source();
    load(&mut client, &mut source, bench.options.events)?;
    client.prepare("export", "SELECT * FROM marketing_events")?;
    let mut table = Table::new(&["all events", "rows/s", "MB/s", "CPU µs/row", "bytes/row"]);
    let ways: [(&str, Bytes); 5] = [
        ("SELECT *, text", query_message("SELECT * FROM marketing_events")),
        ("SELECT *, binary", execute_message("export", &[], true)),
        ("COPY, text", query_message("COPY marketing_events TO STDOUT")),
        ("COPY, csv", query_message("COPY marketing_events TO STDOUT (FORMAT csv)")),
        ("COPY, binary", query_message("COPY marketing_events TO STDOUT (FORMAT binary)")),
    ];
    for (name, message) in ways {
        let before = server.usage()?;
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let sent = Instant::now();
            let drained = client.drain(&message)?;
            runs.push((sent.elapsed(), drained));
        }
        let cpu = server.usage()?.cpu - before.cpu;
        let (fastest, Drained { rows, bytes }) = runs[..].iter().copied().min_by_key(|run| run.0).expect("it ran");
        // COPY's binary format has a message for its header and one for its end.
        if rows < source.made() {
            return Err(TaskError::Answer(format!("{name}: {rows} rows instead of {}", source.made())));
        }
        table.row(vec![
            name.to_owned(),
            rate(source.made(), fastest),
            format!("{:.0}", to_f64(bytes) / 1e6 / fastest.as_secs_f64()),
            micros_each(cpu, source.made() * count(RUNS)),
            format!("{:.0}", to_f64(bytes) / to_f64(source.made())),
        ]);
    }
    table.print();
    Ok(())
}
