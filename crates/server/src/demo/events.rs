//! Made-up marketing events.

use super::tutorial::CAMPAIGNS;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Users that events come from.
const USERS: u32 = 10_000;

/// Channels with their sources and media.
const CHANNELS: [(&str, &str, &str); 6] = [
    ("email", "newsletter", "email"),
    ("social", "facebook", "cpc"),
    ("social", "linkedin", "organic"),
    ("search", "google", "cpc"),
    ("search", "bing", "organic"),
    ("display", "partners", "banner"),
];

/// The columns an event gives; `timestamp` is left to its DEFAULT.
pub const COLUMNS: &str =
    "event_id, user_id, campaign_id, channel_type, event_type, amount, utm_source, utm_medium, utm_campaign";

/// Runs of this process so far.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A source of events whose ids no other run has: each begins with the run's start, its process and its number there.
pub struct Events {
    run: String,
    next: u64,
    random: SmallRng,
}

impl Events {
    /// A new run.
    pub fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(started.as_micros()).unwrap_or(u64::MAX);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        Self {
            run: format!("demo-{micros:x}-{:x}-{run:x}", std::process::id()),
            next: 1,
            random: SmallRng::seed_from_u64(micros ^ run),
        }
    }

    /// An INSERT of `count` events, and the campaign of the last.
    pub fn insert(&mut self, count: usize) -> (String, &'static str) {
        let mut sql = format!("INSERT INTO marketing_events ({COLUMNS}) VALUES ");
        let mut campaign = CAMPAIGNS[0].id;
        for index in 0..count {
            if index > 0 {
                sql.push_str(", ");
            }
            campaign = self.event(&mut sql);
        }
        (sql, campaign)
    }

    /// Appends one row of literals; its campaign.
    fn event(&mut self, sql: &mut String) -> &'static str {
        let campaign = &CAMPAIGNS[self.random.random_range(0..CAMPAIGNS.len())];
        let (channel, source, medium) = CHANNELS[self.random.random_range(0..CHANNELS.len())];
        let user = self.random.random_range(1..=USERS);
        let (kind, cents) = match self.random.random_range(0..100) {
            0..70 => ("impression", 0),
            70..92 => ("click", 0),
            _ => ("conversion", self.random.random_range(500..50_000)),
        };
        write!(
            sql,
            "('{}-{}', {user}, '{}', '{channel}', '{kind}', {}.{:02}, '{source}', '{medium}', '{}')",
            self.run,
            self.next,
            campaign.id,
            cents / 100,
            cents % 100,
            campaign.utm_campaign,
        )
        .expect("writing to a string does not fail");
        self.next += 1;
        campaign.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_within_a_run_and_between_runs() {
        let ids: Vec<String> = [Events::new(), Events::new()]
            .iter_mut()
            .flat_map(|events| (0..50).map(|_| events.insert(1).0).collect::<Vec<_>>())
            .map(|sql| sql.split('\'').nth(1).expect("the id comes first").to_owned())
            .collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 100);
    }

    #[test]
    fn one_statement_holds_as_many_events_as_asked() {
        let (sql, campaign) = Events::new().insert(3);
        assert_eq!(sql.matches("'demo-").count(), 3);
        assert!(sql.contains(campaign));
    }
}
