//! Events of a busy day: 100 campaigns, half of them A/B tests with three variants; 10,000 users; 24 hours.
//!
//! The same on every run, so that runs can be compared. What the views must say of them is counted while they are made
//! ([`Totals`]), so that a run can be checked.

use super::wire::{copy_frame, query_message};
use bytes::Bytes;
use std::fmt::Write;

/// The columns of an event.
pub const COLUMNS: &str = "event_id, user_id, campaign_id, channel_type, event_type, amount, utm_source, utm_medium, \
                           utm_campaign, timestamp";

/// Campaigns.
pub const CAMPAIGNS: u64 = 100;
const USERS: u64 = 10_000;
const HOURS: u64 = 24;
const MICROS_PER_HOUR: u64 = 3_600_000_000;
const COPY_FRAME_BYTES: usize = 256 * 1024;
const CHANNELS: [&str; 4] = ["email", "social", "search", "display"];
const SOURCES: [&str; 5] = ["newsletter", "facebook", "google", "bing", "partners"];
const MEDIA: [&str; 4] = ["email", "cpc", "organic", "banner"];
const VARIANTS: [&str; 3] = ["A", "B", "Control"];

/// The order of the events' times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Anywhere in the day: every batch touches most groups.
    Random,
    /// As time goes: a batch touches the groups of an hour.
    Time,
}

/// INSERTs of the campaigns and their variants.
pub fn campaigns() -> String {
    let mut sql = String::new();
    for campaign in 0..CAMPAIGNS {
        let kind = if is_test(campaign) { "ab_test" } else { "regular" };
        writeln!(
            sql,
            "INSERT INTO campaigns (campaign_id, campaign_name, campaign_type, budget) \
             VALUES ('camp_{campaign:03}', 'Campaign {campaign}', '{kind}', 1000);"
        )
        .expect("writing to a string does not fail");
        for variant in VARIANTS.into_iter().filter(|_| is_test(campaign)) {
            writeln!(
                sql,
                "INSERT INTO ab_test_variants (variant_id, campaign_id, variant_name, variant_type) \
                 VALUES ('var_{campaign:03}_{variant}', 'camp_{campaign:03}', '{variant}', 'creative');"
            )
            .expect("writing to a string does not fail");
        }
    }
    sql
}

fn is_test(campaign: u64) -> bool {
    campaign.is_multiple_of(2)
}

/// What the three views must add up to, over all their groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All events, and those of A/B tests.
    pub all: Counts,
    /// Each counted once for each variant.
    pub variants: Counts,
    /// Of each hour and channel, source and medium.
    pub unique_users: u64,
}

/// Of some events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those seen.
    pub impressions: u64,
    /// Those clicked.
    pub clicks: u64,
    /// Those that bought.
    pub conversions: u64,
    /// What they paid.
    pub cents: u64,
}

/// A reproducible source of events.
pub struct Events {
    state: u64,
    order: Order,
    /// How many are spread over the day, in order.
    planned: u64,
    made: u64,
    totals: Totals,
    /// A bit for each user of each group of `channel_attribution`.
    users: Vec<u64>,
}

/// One event.
pub struct Event {
    id: [u64; 2],
    user: u64,
    campaign: u64,
    channel: u64,
    kind: &'static str,
    cents: u64,
    source: u64,
    medium: u64,
    /// Since the day began.
    micros: u64,
    /// The probes' day is one that nothing else touches.
    is_probe: bool,
}

impl Events {
    /// The source, from its beginning, whose first `planned` events fill the day.
    pub fn new(order: Order, planned: u64) -> Self {
        let days = 2;
        let groups = days * HOURS * channels();
        let users = vec![0; index(groups * USERS / 64)];
        Self { state: 0x9e37_79b9_7f4a_7c15, order, planned, made: 0, totals: Totals::default(), users }
    }

    /// How many it has made.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// What the views must say of what it has made.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// `count` events as CSV in frames of COPY data.
    pub fn copy_frames(&mut self, count: u64) -> Vec<Bytes> {
        let mut frames = Vec::new();
        let mut data = String::with_capacity(COPY_FRAME_BYTES + 512);
        for _ in 0..count {
            let event = self.next(false);
            write_csv(&event, &mut data).expect("writing to a string does not fail");
            if data.len() >= COPY_FRAME_BYTES {
                frames.push(copy_frame(data.as_bytes()));
                data.clear();
            }
        }
        frames.push(copy_frame(data.as_bytes()));
        frames
    }

    /// A message that INSERTs `count` events.
    pub fn insert(&mut self, count: u64) -> Bytes {
        let mut sql = format!("INSERT INTO marketing_events ({COLUMNS}) VALUES ");
        for index in 0..count {
            if index > 0 {
                sql.push(',');
            }
            let event = self.next(false);
            write_values(&event, &mut sql).expect("writing to a string does not fail");
        }
        query_message(&sql)
    }

    /// An event of the next day, whose groups no other event touches.
    pub fn probe(&mut self) -> Event {
        self.next(true)
    }

    fn next(&mut self, is_probe: bool) -> Event {
        let (kind, cents) = match self.below(100) {
            0..70 => ("impression", 0),
            70..92 => ("click", 0),
            _ => ("conversion", 500 + self.below(50_000)),
        };
        let day = HOURS * MICROS_PER_HOUR;
        let micros = match self.order {
            Order::Time if !is_probe => self.made % self.planned.max(1) * (day / self.planned.max(1)),
            _ => self.below(day),
        };
        let event = Event {
            id: [self.random(), self.random()],
            user: self.below(USERS),
            campaign: self.below(CAMPAIGNS),
            channel: self.below(CHANNELS.len() as u64),
            kind,
            cents,
            source: self.below(SOURCES.len() as u64),
            medium: self.below(MEDIA.len() as u64),
            micros,
            is_probe,
        };
        self.made += 1;
        self.count(&event);
        event
    }

    fn count(&mut self, event: &Event) {
        let copies = if is_test(event.campaign) { VARIANTS.len() as u64 } else { 0 };
        for (counts, weight) in [(&mut self.totals.all, 1), (&mut self.totals.variants, copies)] {
            match event.kind {
                "impression" => counts.impressions += weight,
                "click" => counts.clicks += weight,
                _ => counts.conversions += weight,
            }
            counts.cents += event.cents * weight;
        }
        let hour = event.hour() + if event.is_probe { HOURS } else { 0 };
        let channel = (event.channel * SOURCES.len() as u64 + event.source) * MEDIA.len() as u64 + event.medium;
        let bit = (hour * channels() + channel) * USERS + event.user;
        let word = &mut self.users[index(bit / 64)];
        self.totals.unique_users += u64::from(*word >> (bit % 64) & 1 == 0);
        *word |= 1 << (bit % 64);
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

impl Event {
    /// Its campaign.
    pub fn campaign_id(&self) -> String {
        format!("camp_{:03}", self.campaign)
    }

    /// The start of its hour.
    pub fn window_start(&self) -> String {
        format!("{} {:02}:00:00+00", self.date(), self.hour())
    }

    /// A message that INSERTs it.
    pub fn insert(&self) -> Bytes {
        let mut sql = format!("INSERT INTO marketing_events ({COLUMNS}) VALUES ");
        write_values(self, &mut sql).expect("writing to a string does not fail");
        query_message(&sql)
    }

    fn hour(&self) -> u64 {
        self.micros / MICROS_PER_HOUR
    }

    fn date(&self) -> &'static str {
        if self.is_probe { "2026-10-28" } else { "2026-10-27" }
    }

    /// An id as long as a UUID.
    fn write_id(&self, out: &mut String) -> std::fmt::Result {
        let [high, low] = self.id;
        let (time, middle, version) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        write!(out, "{time:08x}-{middle:04x}-{version:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }

    fn write_moment(&self, separator: char, out: &mut String) -> std::fmt::Result {
        let (seconds, micros) = (self.micros / 1_000_000, self.micros % 1_000_000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(out, "{}{separator}{hour:02}:{minute:02}:{second:02}.{micros:06}+00", self.date())
    }
}

/// The groups of channel, source and medium.
fn channels() -> u64 {
    (CHANNELS.len() * SOURCES.len() * MEDIA.len()) as u64
}

fn index(position: u64) -> usize {
    usize::try_from(position).expect("the data fits in memory")
}

fn write_csv(event: &Event, out: &mut String) -> std::fmt::Result {
    event.write_id(out)?;
    let Event { user, campaign, kind, cents, .. } = event;
    write!(
        out,
        ",{user},camp_{campaign:03},{},{kind},{}.{:02},{},{},campaign_{campaign},",
        CHANNELS[index(event.channel)],
        cents / 100,
        cents % 100,
        SOURCES[index(event.source)],
        MEDIA[index(event.medium)],
    )?;
    event.write_moment(' ', out)?;
    out.push('\n');
    Ok(())
}

/// As psycopg2 writes Python's values into the text.
fn write_values(event: &Event, out: &mut String) -> std::fmt::Result {
    out.push_str("('");
    event.write_id(out)?;
    let Event { user, campaign, kind, cents, .. } = event;
    write!(
        out,
        "',{user},'camp_{campaign:03}','{}','{kind}',{}.{:02},'{}','{}','campaign_{campaign}','",
        CHANNELS[index(event.channel)],
        cents / 100,
        cents % 100,
        SOURCES[index(event.source)],
        MEDIA[index(event.medium)],
    )?;
    event.write_moment('T', out)?;
    out.push_str(":00'::timestamptz)");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frames: &[Bytes]) -> String {
        let data: Vec<u8> = frames.iter().flat_map(|frame| frame[5..].to_vec()).collect();
        String::from_utf8(data).expect("text")
    }

    #[test]
    fn every_source_makes_the_same_events() {
        let frames = Events::new(Order::Random, 5000).copy_frames(5000);
        assert_eq!(frames, Events::new(Order::Random, 5000).copy_frames(5000));
        let text = text(&frames);
        assert_eq!(text.lines().count(), 5000);
        assert!(text.lines().all(|line| line.split(',').count() == 10));
    }

    #[test]
    fn times_are_in_order_when_asked_for() {
        let text = text(&Events::new(Order::Time, 1000).copy_frames(1000));
        let times: Vec<&str> = text.lines().filter_map(|line| line.rsplit(',').next()).collect();
        assert!(times.is_sorted());
        assert!(times[0].contains(" 00:") && times[999].contains(" 23:"));
    }

    #[test]
    fn totals_are_those_of_the_events() {
        let mut events = Events::new(Order::Random, 1000);
        let text = text(&events.copy_frames(1000));
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let clicks = rows.iter().filter(|row| row[4] == "click").count();
        assert_eq!(events.totals().all.clicks, clicks as u64);
        let groups: std::collections::HashSet<_> =
            rows.iter().map(|row| (row[1], row[3], row[6], row[7], &row[9][..13])).collect();
        assert_eq!(events.totals().unique_users, groups.len() as u64);
        let probe = events.probe();
        assert!(probe.window_start().starts_with("2026-10-28"));
        assert_eq!(events.made(), 1001);
    }
}
