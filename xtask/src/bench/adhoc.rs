//! `bench adhoc`: the queries of `benches/adhoc.sql`, which no view answers, over all events.
//!
//! `benches/peers` runs the same queries on DuckDB and compares the answers.

use super::Bench;
use super::report::{Table, Times, count, shown, to_f64};
use super::workload::{create_tables, create_views, load, verify};
use crate::process::read;
use crate::{TaskError, root};
use std::time::Instant;

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// Runs of each query; the first is printed by itself
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Create the three views too, as they may help
    #[arg(long)]
    views: bool,
}

/// A query and its name.
struct Named {
    name: String,
    sql: String,
}

/// Runs every query several times.
///
/// # Errors
///
/// A query fails.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let server = bench.server()?;
    let mut client = server.connect()?;
    create_tables(&mut client)?;
    if choice.views {
        create_views(&mut client)?;
    }
    let mut source = bench.source();
    load(&mut client, &mut source, bench.options.events)?;
    if choice.views {
        verify(&mut client, source.totals())?;
    }
    let mut table = Table::new(&["ad-hoc query, ms", "first", "p50", "max", "ns/event", "CPU ms", "rows answered"]);
    for Named { name, sql } in queries(&read(&root().join("benches").join("adhoc.sql"))?) {
        let before = server.usage()?;
        let (mut samples, mut rows) = (Vec::new(), 0);
        for _ in 0..choice.runs.max(1) {
            let sent = Instant::now();
            rows = client.query(&sql)?.len();
            samples.push(sent.elapsed());
        }
        let cpu = (server.usage()?.cpu - before.cpu).as_secs_f64() * 1e3 / to_f64(count(samples.len()));
        let (first, times) = (samples[0], Times::new(samples));
        let median = times.percentile(50);
        table.row(vec![
            name,
            shown(first),
            shown(median),
            shown(times.percentile(100)),
            format!("{:.1}", median.as_secs_f64() * 1e9 / to_f64(source.made())),
            format!("{cpu:.1}"),
            rows.to_string(),
        ]);
    }
    table.print();
    Ok(())
}

/// The queries of a file, each with the comment before it as its name.
fn queries(text: &str) -> Vec<Named> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let named = parts.map(|part| {
        let (comments, lines): (Vec<&str>, Vec<&str>) = part.lines().partition(|line| line.starts_with("--"));
        let name = comments.last().map_or("", |line| line.trim_start_matches("--").trim());
        Named { name: name.to_owned(), sql: lines.join("\n") }
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_named_by_the_comment_before_it() {
        let found = queries("-- About the file.\n-- one\nSELECT 1;\n\n-- two\nSELECT\n2;\n");
        let found: Vec<_> = found.iter().map(|named| (named.name.as_str(), named.sql.trim())).collect();
        assert_eq!(found, [("one", "SELECT 1"), ("two", "SELECT\n2")]);
    }
}
