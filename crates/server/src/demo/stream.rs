//! Sends events at a rate, and times how soon reads see them.
//!
//! A sample: the campaign's count in `campaign_performance` is read on another connection, the events are committed,
//! and the count is read until it has grown by as many. The time runs from the moment COMMIT is sent to the moment the
//! first answer that shows it has come. Others may insert meanwhile, so the count may grow by more.

use super::events::Events;
use super::progress::Progress;
use super::{DemoError, tutorial::CAMPAIGNS};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Transactions per second at most, where a rate is given: beyond, a transaction carries several events.
const TICK_MILLIS_MIN: f64 = 20.0;

/// Events in one transaction at most.
const TRANSACTION_EVENTS_MAX: u64 = 1000;

/// Time between two samples.
const SAMPLE_MILLIS: u64 = 100;

/// Sends events until `events` are sent, for ever if `None`; `rate` per second, 0 for as fast as it goes.
///
/// # Errors
///
/// Whatever a statement raises.
pub async fn stream(
    writer: &Client,
    reader: &Client,
    rate: u32,
    events: Option<u64>,
    progress: &Progress,
) -> Result<(), DemoError> {
    let mut source = Events::new();
    let mut pace = Pace::new(rate);
    let mut sampled: Option<Instant> = None;
    let mut left = events.unwrap_or(u64::MAX);
    while left > 0 {
        let count = pace.next().await.min(left);
        let sample = sampled.is_none_or(|at| at.elapsed() >= Duration::from_millis(SAMPLE_MILLIS));
        if sample {
            sampled = Some(Instant::now());
        }
        send(writer, sample.then_some(reader), &mut source, count, progress).await?;
        left -= count;
    }
    Ok(())
}

/// One transaction of `count` events, timed if there is a `reader`.
async fn send(
    writer: &Client,
    reader: Option<&Client>,
    source: &mut Events,
    count: u64,
    progress: &Progress,
) -> Result<(), DemoError> {
    let rows = usize::try_from(count).expect("a transaction's events are bounded");
    let (insert, campaign) = source.insert(rows);
    writer.batch_execute("BEGIN").await?;
    writer.batch_execute(&insert).await?;
    let Some(reader) = reader else {
        writer.batch_execute("COMMIT").await?;
        progress.committed(count, Instant::now());
        return Ok(());
    };
    // The last event's campaign may not be that of the others: only one more is certain.
    let expected = count_of(reader, campaign).await? + 1;
    let committing = Instant::now();
    writer.batch_execute("COMMIT").await?;
    progress.committed(count, Instant::now());
    while count_of(reader, campaign).await? < expected {}
    progress.seen_after(committing.elapsed());
    Ok(())
}

/// The events of a campaign, as `campaign_performance` has them.
async fn count_of(reader: &Client, campaign: &str) -> Result<u64, DemoError> {
    debug_assert!(CAMPAIGNS.iter().any(|known| known.id == campaign), "a literal of ours");
    let query = format!(
        "SELECT COALESCE(SUM(impressions + clicks + conversions), 0) FROM campaign_performance \
         WHERE campaign_id = '{campaign}'"
    );
    let messages = reader.simple_query(&query).await?;
    let answer = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    let answer = answer.unwrap_or_default();
    answer.parse().map_err(|_| DemoError::Answer { answer })
}

/// When to send, and how many.
struct Pace {
    rate: u32,
    tick: Duration,
    started: Instant,
    sent: u64,
}

impl Pace {
    fn new(rate: u32) -> Self {
        let millis = if rate == 0 { 0.0 } else { (1000.0 / f64::from(rate)).max(TICK_MILLIS_MIN) };
        Self { rate, tick: Duration::from_secs_f64(millis / 1000.0), started: Instant::now(), sent: 0 }
    }

    /// Waits until events are due; how many. After a stall it does not hurry to catch up with more than a transaction.
    async fn next(&mut self) -> u64 {
        if self.rate == 0 {
            return TRANSACTION_EVENTS_MAX;
        }
        loop {
            let due = self.due(self.started.elapsed());
            if due > self.sent {
                let count = (due - self.sent).min(TRANSACTION_EVENTS_MAX);
                self.sent = due;
                return count;
            }
            tokio::time::sleep(self.tick).await;
        }
    }

    /// Events that should have been sent `elapsed` after the start; the first at once.
    fn due(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_micros() * u128::from(self.rate) / 1_000_000 + 1;
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_over_time() {
        let pace = Pace::new(50);
        assert_eq!(pace.tick, Duration::from_millis(20));
        assert_eq!(pace.due(Duration::ZERO), 1);
        assert_eq!(pace.due(Duration::from_secs(10)), 501);
        assert_eq!(Pace::new(1).tick, Duration::from_secs(1));
        assert_eq!(Pace::new(5000).tick, Duration::from_millis(20));
    }
}
