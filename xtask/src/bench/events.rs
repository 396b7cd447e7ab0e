//! Events of a busy day: 100 campaigns, half of them A/B tests with three variants; 100,000 users; 24 hours.
//!
//! The same on every run, so that runs can be compared.

use bytes::{BufMut, Bytes, BytesMut};
use std::collections::HashMap;
use std::fmt::Write;

/// The columns of an event.
pub const COLUMNS: &str = "event_id, user_id, campaign_id, channel_type, event_type, amount, utm_source, utm_medium, \
                           utm_campaign, timestamp";

const CAMPAIGNS: u64 = 100;
const USERS: u64 = 100_000;
const HOURS: u64 = 24;
const COPY_CHUNK_BYTES: usize = 256 * 1024;
const CHANNELS: [&str; 4] = ["email", "social", "search", "display"];
const SOURCES: [&str; 5] = ["newsletter", "facebook", "google", "bing", "partners"];
const MEDIA: [&str; 4] = ["email", "cpc", "organic", "banner"];

/// INSERTs of the campaigns and their variants.
pub fn campaigns() -> String {
    let mut sql = String::new();
    for campaign in 0..CAMPAIGNS {
        let kind = if campaign % 2 == 0 { "ab_test" } else { "regular" };
        writeln!(
            sql,
            "INSERT INTO campaigns (campaign_id, campaign_name, campaign_type, budget) \
             VALUES ('camp_{campaign:03}', 'Campaign {campaign}', '{kind}', 1000);"
        )
        .expect("writing to a string does not fail");
        if campaign % 2 == 0 {
            for variant in ["A", "B", "Control"] {
                writeln!(
                    sql,
                    "INSERT INTO ab_test_variants (variant_id, campaign_id, variant_name, variant_type) \
                     VALUES ('var_{campaign:03}_{variant}', 'camp_{campaign:03}', '{variant}', 'creative');"
                )
                .expect("writing to a string does not fail");
            }
        }
    }
    sql
}

/// A reproducible source of events.
pub struct Events {
    state: u64,
    made: u64,
    last: Group,
    counts: HashMap<Group, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Group {
    campaign: u64,
    hour: u64,
}

struct Event {
    id: [u64; 2],
    user: u64,
    group: Group,
    channel: &'static str,
    kind: &'static str,
    cents: u64,
    source: &'static str,
    medium: &'static str,
    second: u64,
    micros: u64,
}

impl Events {
    /// The source, from its beginning.
    pub fn new() -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, made: 0, last: Group::default(), counts: HashMap::new() }
    }

    /// How many it has made.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// The campaign of the last event.
    pub fn last_campaign(&self) -> String {
        format!("camp_{:03}", self.last.campaign)
    }

    /// The start of the last event's hour.
    pub fn last_window(&self) -> String {
        format!("2026-10-27 {:02}:00:00+00", self.last.hour)
    }

    /// The events so far of the last event's campaign in its hour.
    pub fn last_group_count(&self) -> u64 {
        self.counts.get(&self.last).copied().unwrap_or(0)
    }

    /// `count` events as COPY text.
    pub fn copy_chunks(&mut self, count: u64) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        let mut chunk = BytesMut::with_capacity(COPY_CHUNK_BYTES + 512);
        for _ in 0..count {
            let line = copy_line(&self.next());
            chunk.put_slice(line.as_bytes());
            if chunk.len() >= COPY_CHUNK_BYTES {
                chunks.push(chunk.split().freeze());
                chunk.reserve(COPY_CHUNK_BYTES + 512);
            }
        }
        chunks.push(chunk.freeze());
        chunks
    }

    /// An INSERT of `count` events.
    pub fn insert(&mut self, count: u64) -> String {
        let mut sql = format!("INSERT INTO marketing_events ({COLUMNS}) VALUES ");
        for index in 0..count {
            if index > 0 {
                sql.push_str(", ");
            }
            sql.push_str(&values(&self.next()));
        }
        sql
    }

    fn next(&mut self) -> Event {
        let group = Group { campaign: self.below(CAMPAIGNS), hour: self.below(HOURS) };
        let (kind, cents) = match self.below(100) {
            0..70 => ("impression", 0),
            70..92 => ("click", 0),
            _ => ("conversion", 500 + self.below(50_000)),
        };
        self.made += 1;
        self.last = group;
        *self.counts.entry(group).or_default() += 1;
        Event {
            id: [self.random(), self.random()],
            user: 1 + self.below(USERS),
            group,
            channel: self.pick(&CHANNELS),
            kind,
            cents,
            source: self.pick(&SOURCES),
            medium: self.pick(&MEDIA),
            second: self.below(3600),
            micros: self.below(1_000_000),
        }
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let index = self.below(u64::try_from(from.len()).expect("a short list"));
        from[usize::try_from(index).expect("below the list's length")]
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random() % limit
    }

    /// xorshift64*: enough for a benchmark's data.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// An id as long as a UUID.
fn id(event: &Event) -> String {
    let [high, low] = event.id;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

fn moment(event: &Event) -> String {
    let Event { group, second, micros, .. } = event;
    format!("2026-10-27 {:02}:{:02}:{:02}.{micros:06}+00", group.hour, second / 60, second % 60)
}

fn copy_line(event: &Event) -> String {
    format!(
        "{}\t{}\tcamp_{:03}\t{}\t{}\t{}.{:02}\t{}\t{}\tcampaign_{}\t{}\n",
        id(event),
        event.user,
        event.group.campaign,
        event.channel,
        event.kind,
        event.cents / 100,
        event.cents % 100,
        event.source,
        event.medium,
        event.group.campaign,
        moment(event)
    )
}

fn values(event: &Event) -> String {
    format!(
        "('{}', {}, 'camp_{:03}', '{}', '{}', {}.{:02}, '{}', '{}', 'campaign_{}', '{}')",
        id(event),
        event.user,
        event.group.campaign,
        event.channel,
        event.kind,
        event.cents / 100,
        event.cents % 100,
        event.source,
        event.medium,
        event.group.campaign,
        moment(event)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_makes_the_same_events() {
        let chunks = Events::new().copy_chunks(1000);
        assert_eq!(chunks, Events::new().copy_chunks(1000));
        let text = String::from_utf8(chunks.concat()).expect("text");
        assert_eq!(text.lines().count(), 1000);
        assert!(text.lines().all(|line| line.split('\t').count() == 10));
    }

    #[test]
    fn groups_are_counted_as_a_view_would() {
        let mut events = Events::new();
        let first = events.insert(1);
        assert_eq!(events.last_group_count(), 1);
        assert!(first.contains(&events.last_campaign()));
        assert!(first.contains(&events.last_window()[..13]));
    }
}
