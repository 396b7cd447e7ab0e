//! `bench idle`: the binary's size, and what a server without work uses.

use super::Bench;
use super::report::{Table, mebibytes, shown, to_f64};
use crate::process::output;
use crate::{TaskError, root};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Starts whose median is printed.
const STARTS: usize = 5;

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// How long the server is watched
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Measures the binary and a server on an empty directory.
///
/// # Errors
///
/// The server does not start.
pub fn run(bench: &Bench, choice: &Choice) -> Result<(), TaskError> {
    let mut table = Table::new(&["idle", "figure"]);
    let stripped = stripped_bytes(&bench.binary)?;
    table.row(vec!["binary, stripped, MiB".into(), stripped.map_or_else(|| "no strip here".into(), mebibytes)]);
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let server = bench.server()?;
        server.connect()?.run("SELECT 1")?;
        starts.push(started.elapsed());
    }
    starts.sort_unstable();
    table.row(vec!["exec to first answer, empty directory, ms".into(), shown(starts[STARTS / 2])]);
    let server = bench.server()?;
    let _client = server.connect()?;
    let before = server.usage()?;
    std::thread::sleep(Duration::from_secs(choice.seconds));
    let after = server.usage()?;
    table.row(vec!["resident, MiB".into(), mebibytes(after.resident_bytes)]);
    let cpu = (after.cpu - before.cpu).as_secs_f64() * 1000.0;
    table.row(vec![format!("CPU in {} s, one connection open, ms", choice.seconds), format!("{cpu:.0}")]);
    table.print();
    Ok(())
}

/// The size of the binary without what only a debugger reads, where there is a `strip`.
fn stripped_bytes(binary: &Path) -> Result<Option<f64>, TaskError> {
    let directory = super::server::directory(&root())?;
    let copy = directory.path().join("stripped");
    if output(Command::new("strip").arg("-o").arg(&copy).arg(binary)).is_none() {
        return Ok(None);
    }
    let failed = |source| TaskError::Io { what: copy.display().to_string(), source };
    Ok(Some(to_f64(std::fs::metadata(&copy).map_err(failed)?.len())))
}
