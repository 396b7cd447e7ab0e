//! The tutorial as every benchmark uses it: its tables, its three views, its events, and the check of what came out.

use super::events::{self, Events, Totals};
use super::wire::Client;
use crate::process::read;
use crate::{TaskError, root};
use bytes::Bytes;

/// Events of one COPY where a load is not one transaction.
pub const BATCH_EVENTS: u64 = 50_000;

/// Creates the tutorial's tables with their campaigns.
///
/// # Errors
///
/// A statement fails.
pub fn create_tables(client: &mut Client) -> Result<(), TaskError> {
    client.run(&script("01_tables.sql")?)?;
    client.run(&events::campaigns())
}

/// Creates the tutorial's three views.
///
/// # Errors
///
/// A statement fails.
pub fn create_views(client: &mut Client) -> Result<(), TaskError> {
    view_statements()?.iter().try_for_each(|statement| client.run(statement))
}

/// The tutorial's CREATE MATERIALIZED VIEW statements.
///
/// # Errors
///
/// Their file cannot be read.
pub fn view_statements() -> Result<Vec<String>, TaskError> {
    let text = script("02_views.sql")?;
    let statements = text.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    Ok(statements.map(str::to_owned).collect())
}

fn script(name: &str) -> Result<String, TaskError> {
    read(&root().join("sql").join("marketing").join(name))
}

/// One COPY, in a transaction of its own.
///
/// # Errors
///
/// It fails.
pub fn copy(client: &mut Client, frames: &[Bytes]) -> Result<(), TaskError> {
    client.copy_in(&format!("COPY marketing_events ({}) FROM STDIN (FORMAT csv)", events::COLUMNS), frames)
}

/// Loads events in transactions of [`BATCH_EVENTS`].
///
/// # Errors
///
/// One of them fails.
pub fn load(client: &mut Client, source: &mut Events, count: u64) -> Result<(), TaskError> {
    for batch in batches(count, BATCH_EVENTS) {
        copy(client, &source.copy_frames(batch))?;
    }
    Ok(())
}

/// `count` in parts of at most `size`.
pub fn batches(count: u64, size: u64) -> impl Iterator<Item = u64> {
    (0..count.div_ceil(size)).map(move |index| size.min(count - index * size))
}

/// Reads a figure of each view, which waits until all of them show every commit.
///
/// # Errors
///
/// A query fails.
pub fn wait_for_views(reader: &mut Client) -> Result<(), TaskError> {
    for (view, column) in
        [("campaign_performance", "impressions"), ("channel_attribution", "conversions"), ("ab_test_results", "clicks")]
    {
        reader.number(&format!("SELECT SUM({column}) FROM {view}"))?;
    }
    Ok(())
}

/// Compares what the views add up to with what was sent.
///
/// # Errors
///
/// A query fails, or a total differs.
pub fn verify(reader: &mut Client, expected: &Totals) -> Result<(), TaskError> {
    let sums = "SUM(impressions)::bigint, SUM(clicks)::bigint, SUM(conversions)::bigint, (SUM(revenue) * 100)::bigint";
    let campaigns = numbers(reader, &format!("SELECT {sums} FROM campaign_performance"))?;
    let variants = numbers(reader, &format!("SELECT {sums} FROM ab_test_results"))?;
    let channels = numbers(
        reader,
        "SELECT SUM(unique_users)::bigint, SUM(conversions)::bigint, (SUM(revenue) * 100)::bigint \
         FROM channel_attribution",
    )?;
    let Totals { all, variants: tests, unique_users } = expected;
    let row = |counts: &events::Counts| vec![counts.impressions, counts.clicks, counts.conversions, counts.cents];
    for (view, found, expected) in [
        ("campaign_performance", campaigns, row(all)),
        ("ab_test_results", variants, row(tests)),
        ("channel_attribution", channels, vec![*unique_users, all.conversions, all.cents]),
    ] {
        if found != expected {
            return Err(TaskError::Answer(format!("{view} adds up to {found:?} instead of {expected:?}")));
        }
    }
    eprintln!("  the views add up to what was sent");
    Ok(())
}

fn numbers(reader: &mut Client, query: &str) -> Result<Vec<u64>, TaskError> {
    let row = reader.query_row(query)?;
    let number = |value: Option<String>| value.unwrap_or_else(|| "0".to_owned()).parse().ok();
    let numbers: Option<Vec<u64>> = row.into_iter().map(number).collect();
    numbers.ok_or_else(|| TaskError::Answer(format!("whole numbers were expected from {query}")))
}
