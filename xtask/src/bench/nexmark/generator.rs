//! Persons, auctions and bids as Nexmark makes them, the same on every run.
//!
//! ```text
//! event   0       1 2 3     4 … 49        50      51 …
//!       person  auctions     bids       person  auctions
//! ```
//! Proportions, hot auctions, sellers and bidders, the spread of prices and the sizes of rows are those of the
//! generator at github.com/nexmark/nexmark with its default configuration; words and paddings are our own.

use crate::bench::wire::copy_frame;
use bytes::Bytes;
use std::fmt::Write;

/// Events in a cycle, and of them persons and auctions.
const CYCLE: u64 = 50;
const PERSONS: u64 = 1;
const AUCTIONS: u64 = 3;

const FIRST_ID: u64 = 1000;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;
/// Auctions that are bid on at a time, and persons who act.
const AUCTIONS_IN_FLIGHT: u64 = 100;
const ACTIVE_PERSONS: u64 = 1000;
/// One in so many is hot: an id that is a multiple of this.
const HOT_EVERY: u64 = 100;
/// One in so many bids goes to an auction that is not hot, and comes from a bidder who is not.
const COLD_AUCTION_ONE_IN: u64 = 2;
const COLD_PERSON_ONE_IN: u64 = 4;
const COLD_CHANNELS: u64 = 10_000;
/// 10,000 events a second.
const MICROS_BETWEEN_EVENTS: u64 = 100;
/// How long an auction lasts at most.
const AUCTION_MICROS_MAX: u64 = 2_000_000;

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 6] = ["Phoenix", "Los Angeles", "Boise", "Portland", "Seattle", "Kent"];
const NAMES: [&str; 6] = ["Peter Jones", "Paul Smith", "Luke White", "John Abrams", "Saul Noris", "Vicky Walton"];
const CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

/// The rows of some events as COPY data, a table each.
pub struct Batch {
    /// Table and data.
    pub tables: [(&'static str, Bytes); 3],
}

/// A reproducible source of events.
#[derive(Default)]
pub struct Generator {
    made: u64,
    state: u64,
}

impl Generator {
    /// The next `count` events.
    pub fn batch(&mut self, count: u64) -> Batch {
        let (mut persons, mut auctions, mut bids) = (String::new(), String::new(), String::new());
        for _ in 0..count {
            let number = self.made;
            self.made += 1;
            // What an event draws depends on its number alone.
            self.state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let written = match number % CYCLE {
                rank if rank < PERSONS => self.person(number, &mut persons),
                rank if rank < PERSONS + AUCTIONS => self.auction(number, &mut auctions),
                _ => self.bid(number, &mut bids),
            };
            written.expect("writing to a string does not fail");
        }
        let tables = [("person", persons), ("auction", auctions), ("bid", bids)];
        Batch { tables: tables.map(|(table, data)| (table, copy_frame(data.as_bytes()))) }
    }

    fn person(&mut self, number: u64, out: &mut String) -> std::fmt::Result {
        let id = FIRST_ID + last_person(number);
        let (name, place) = (NAMES[self.index(NAMES.len())], self.index(CITIES.len()));
        let (user, card) = (self.below(1_000_000), self.below(10_000_000_000_000_000));
        let (city, state) = (CITIES[place], STATES[place]);
        write!(out, "{id},{name},user{user}@example.com,{card:016},{city},{state},{},", moment(micros(number)))?;
        self.padding(100, out)
    }

    fn auction(&mut self, number: u64, out: &mut String) -> std::fmt::Result {
        let id = FIRST_ID + last_auction(number);
        let seller = FIRST_ID + self.a_person(number);
        let category = FIRST_CATEGORY + self.below(CATEGORIES);
        let first = self.price();
        let reserve = first + self.price();
        let opens = micros(number);
        let closes = opens + 1 + self.below(AUCTION_MICROS_MAX);
        let item = self.below(100_000);
        write!(out, "{id},item {item},")?;
        self.padding_words(100, out)?;
        write!(out, ",{first},{reserve},{},{},{seller},{category},", moment(opens), moment(closes))?;
        self.padding(250, out)
    }

    fn bid(&mut self, number: u64, out: &mut String) -> std::fmt::Result {
        let last = last_auction(number);
        let auction = if self.below(COLD_AUCTION_ONE_IN) > 0 {
            last / HOT_EVERY * HOT_EVERY
        } else {
            last.saturating_sub(self.below(AUCTIONS_IN_FLIGHT))
        };
        let bidder = FIRST_ID + self.a_person(number);
        let price = self.price();
        write!(out, "{},{bidder},{price},", FIRST_ID + auction)?;
        if self.below(2) > 0 {
            let channel = CHANNELS[self.index(CHANNELS.len())];
            write!(out, "{channel},https://www.nexmark.com/{channel}/hot/item.htm?query=1,")?;
        } else {
            let (channel, path) = (self.below(COLD_CHANNELS), self.below(1000));
            write!(
                out,
                "channel-{channel},https://www.nexmark.com/d{}/d{}/d{}/item.htm?query=1&channel_id={channel},",
                path % 10,
                path / 10 % 10,
                path / 100
            )?;
        }
        write!(out, "{},", moment(micros(number)))?;
        self.padding(30, out)
    }

    /// A person who acts: mostly a hot one.
    fn a_person(&mut self, number: u64) -> u64 {
        let last = last_person(number);
        if self.below(COLD_PERSON_ONE_IN) > 0 {
            last / HOT_EVERY * HOT_EVERY
        } else {
            last.saturating_sub(self.below(ACTIVE_PERSONS))
        }
    }

    /// Between 100 and 100,000,000, each power of ten as likely.
    fn price(&mut self) -> u64 {
        let power = u32::try_from(self.below(6)).expect("below 6");
        let scale = 10_u64.pow(power);
        100 * (scale + self.below(9 * scale))
    }

    /// The last column and the line's end.
    fn padding(&mut self, length: u64, out: &mut String) -> std::fmt::Result {
        self.padding_words(length, out)?;
        out.write_char('\n')
    }

    fn padding_words(&mut self, length: u64, out: &mut String) -> std::fmt::Result {
        for _ in 0..length * 3 / 4 + self.below(length / 2) {
            let letter = u8::try_from(self.below(26)).expect("below 26");
            out.write_char(char::from(b'a' + letter))?;
        }
        Ok(())
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a usize")
    }

    fn below(&mut self, limit: u64) -> u64 {
        // splitmix64: good bits from the first draw on, whatever the seed.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }
}

/// The newest person that there is at an event, from 0.
fn last_person(number: u64) -> u64 {
    number / CYCLE
}

/// The newest auction that there is at an event, from 0.
fn last_auction(number: u64) -> u64 {
    let (cycle, rank) = (number / CYCLE, number % CYCLE);
    if rank < PERSONS {
        return (cycle * AUCTIONS).saturating_sub(1);
    }
    cycle * AUCTIONS + (rank - PERSONS).min(AUCTIONS - 1)
}

/// Since the stream's beginning.
fn micros(number: u64) -> u64 {
    number * MICROS_BETWEEN_EVENTS
}

/// The stream begins at midnight, and lasts less than a day below 864 million events.
fn moment(micros: u64) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (day, hour, minute, second) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("2026-10-{:02} {hour:02}:{minute:02}:{second:02}.{micros:06}", 1 + day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(batch: &Batch, table: usize) -> Vec<Vec<String>> {
        let text = String::from_utf8(batch.tables[table].1[5..].to_vec()).expect("text");
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn rows_come_in_their_proportions_however_they_are_cut() {
        let whole = Generator::default().batch(5000);
        assert_eq!([0, 1, 2].map(|table| lines(&whole, table).len()), [100, 300, 4600]);
        let mut generator = Generator::default();
        let (first, second) = (generator.batch(1234), generator.batch(5000 - 1234));
        for table in 0..3 {
            assert_eq!([lines(&first, table), lines(&second, table)].concat(), lines(&whole, table));
        }
    }

    #[test]
    fn ids_are_in_order_and_refer_to_what_is_there() {
        let batch = Generator::default().batch(5000);
        for (table, count) in [(0, 100), (1, 300)] {
            let ids: Vec<u64> = lines(&batch, table).iter().map(|row| row[0].parse().expect("a number")).collect();
            assert_eq!(ids, (FIRST_ID..FIRST_ID + count).collect::<Vec<_>>());
        }
        for bid in lines(&batch, 2) {
            let [auction, bidder] = [0, 1].map(|column| bid[column].parse::<u64>().expect("a number"));
            assert!((FIRST_ID..FIRST_ID + 300).contains(&auction) && (FIRST_ID..FIRST_ID + 100).contains(&bidder));
        }
    }
}
