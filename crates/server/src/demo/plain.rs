//! The demo's progress as lines: for logs and pipes.

use super::progress::Progress;
use super::{DemoError, Facts, views};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Rows of each view in the summary.
const SUMMARY_ROWS: usize = 6;

/// Prints a line of figures each second; never ends by itself.
///
/// # Errors
///
/// None so far.
pub async fn show(_watcher: &Client, facts: &Facts, progress: &Progress) -> Result<(), DemoError> {
    println!("Headwater demo: {}\n  connect  {}", facts.server, facts.psql);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        println!("{}", progress.figures(Instant::now()));
    }
}

/// Prints the figures and the newest rows of the views.
///
/// # Errors
///
/// Whatever reading the views raises.
pub async fn summary(watcher: &Client, progress: &Progress) -> Result<(), DemoError> {
    for view in views::newest(watcher, SUMMARY_ROWS).await? {
        println!("{view}\n");
    }
    println!("{}", progress.figures(Instant::now()));
    Ok(())
}
