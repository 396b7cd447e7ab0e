//! The demo's progress as lines: for logs and pipes.

use super::progress::Progress;
use super::{DemoError, Facts, views};
use std::fmt::Arguments;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Rows of each view in the summary.
const SUMMARY_ROWS: usize = 6;

/// Prints a line of figures each second; never ends by itself.
///
/// # Errors
///
/// Nobody reads them any more.
pub async fn show(_watcher: &Client, facts: &Facts, progress: &Progress) -> Result<(), DemoError> {
    print_line(format_args!("Headwater demo: {}\n  connect  {}", facts.server, facts.psql))?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        print_line(format_args!("{}", progress.figures(Instant::now())))?;
    }
}

/// Prints the figures and the newest rows of the views.
///
/// # Errors
///
/// Whatever reading the views raises; nobody reads the lines any more.
pub async fn summary(watcher: &Client, progress: &Progress) -> Result<(), DemoError> {
    for view in views::newest(watcher, SUMMARY_ROWS).await? {
        print_line(format_args!("{view}\n"))?;
    }
    print_line(format_args!("{}", progress.figures(Instant::now())))?;
    Ok(())
}

fn print_line(line: Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
