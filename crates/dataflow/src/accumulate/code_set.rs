//! How often each value occurs in each group, values being small codes.
//!
//! ```text
//!  a group with few of the codes in use     (code, weight) of 8 bytes, open addressing, linear probing
//!  a group with many of them                pages of a byte per code: 0 … 254 that often, 255: see `exceptions`
//! ```
//!
//! A group takes the form that is smaller, or pages where they are not much larger, and changes it as it fills and as codes
//! come into use.
//!
//! # Invariants
//!
//! 1. `positive` is the number of codes whose weight is positive, `entries` of those whose weight is not 0.
//! 2. A group's memory is proportional to its entries; it never grows by more than one page or by doubling.
//! 3. One access of memory per row where the group has many codes, about one where it has few.

use hashbrown::HashMap;

/// Codes of a page.
const PAGE_CODES: usize = 1 << 16;
/// In a page: the weight is among the exceptions.
const EXCEPTION: u8 = 255;
/// Bytes per entry above which pages are given up.
const PAGE_BYTES_PER_ENTRY_MAX: usize = 64;
/// How much larger pages may be than the entries in their place: they take no search.
const PAGE_BYTES_PER_ENTRY_BYTE_MAX: usize = 2;
/// Bytes of pages that are never too many.
const PAGE_BYTES_MIN: usize = 256;

/// A weight left 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfRange;

/// A code's weight in a group, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) before: i32,
    pub(super) after: i32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct CodeSets {
    groups: Vec<Group>,
    shared: Shared,
}

/// What groups have in common.
#[derive(Debug)]
struct Shared {
    /// (group, code) → weight, where a byte does not hold it.
    exceptions: HashMap<(u32, u32), i32, ahash::RandomState>,
    /// Of all groups' entries and pages.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Group {
    positive: u32,
    entries: u32,
    codes: Codes,
}

#[derive(Debug)]
enum Codes {
    /// A power of two of places, or none; at most three quarters are in use.
    Few(Box<[Entry]>),
    /// A byte per code.
    Many(Vec<Box<[u8]>>),
}

impl Codes {
    fn bytes(&self) -> usize {
        match self {
            Self::Few(entries) => entries.len() * size_of::<Entry>(),
            Self::Many(pages) => pages.iter().map(|page| page.len()).sum(),
        }
    }
}

impl Default for Codes {
    fn default() -> Self {
        Self::Few(Box::default())
    }
}

/// Of weight 0: a free place.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    code: u32,
    weight: i32,
}

impl CodeSets {
    pub(super) fn new() -> Self {
        // Looked up by key only: its order is never seen.
        let exceptions = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
        Self { groups: vec![], shared: Shared { exceptions, bytes: 0 } }
    }

    /// Makes room for groups below `groups`.
    pub(super) fn grow(&mut self, groups: usize) {
        self.groups.resize_with(groups, Group::default);
    }

    /// How many codes have a positive weight in a group.
    pub(super) fn count(&self, group: usize) -> u32 {
        self.groups[group].positive
    }

    /// Adds to the weight of a code in a group; `in_use` is more than any code.
    #[inline]
    pub(super) fn add(&mut self, group: u32, code: u32, weight: i64, in_use: usize) -> Result<Change, OutOfRange> {
        let set = &mut self.groups[group as usize];
        let change = match &mut set.codes {
            Codes::Many(pages) => {
                let place = code as usize % PAGE_CODES;
                match pages.get_mut(code as usize / PAGE_CODES).and_then(|page| page.get_mut(place)) {
                    Some(byte) if *byte != EXCEPTION && weight == 1 && *byte < EXCEPTION - 1 => {
                        *byte += 1;
                        Change { before: i32::from(*byte) - 1, after: i32::from(*byte) }
                    }
                    _ => set.add_to_page(group, code, weight, in_use, &mut self.shared)?,
                }
            }
            Codes::Few(_) => set.add_to_entry(group, code, weight, in_use, &mut self.shared)?,
        };
        set.entries = set.entries + u32::from(change.before == 0) - u32::from(change.after == 0);
        set.positive = set.positive + u32::from(change.after > 0) - u32::from(change.before > 0);
        Ok(change)
    }

    /// Gives back the memory of a group whose codes have gone.
    pub(super) fn release(&mut self, group: usize) {
        let set = &mut self.groups[group];
        if set.entries == 0 {
            self.shared.bytes -= set.codes.bytes();
            set.codes = Codes::default();
        }
    }

    /// Calls `each(group, code, weight)` for all that there is, which goes.
    pub(super) fn drain(&mut self, mut each: impl FnMut(usize, u32, i64)) {
        for (group, set) in std::mem::take(&mut self.groups).iter_mut().enumerate() {
            let number = u32::try_from(group).expect("groups have 32 bits");
            for entry in set.drain(number, &mut self.shared) {
                each(group, entry.code, i64::from(entry.weight));
            }
        }
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.shared.bytes + self.shared.exceptions.allocation_size()
    }
}

fn changed(before: i32, weight: i64) -> Result<Change, OutOfRange> {
    let after = i64::from(before).checked_add(weight).and_then(|after| i32::try_from(after).ok());
    Ok(Change { before, after: after.ok_or(OutOfRange)? })
}

/// Where a code's search begins among a power of two of places.
fn home(code: u32, places: usize) -> usize {
    let spread = code.wrapping_mul(0x9e37_79b1);
    ((u64::from(spread) * places as u64) >> 32) as usize
}

/// The place of a code, or the free one where it would be.
#[inline]
fn find(entries: &[Entry], code: u32) -> usize {
    let mask = entries.len() - 1;
    let mut place = home(code, entries.len());
    while entries[place].weight != 0 && entries[place].code != code {
        place = (place + 1) & mask;
    }
    place
}

/// Frees a place, and moves entries behind it to where they are found without it.
fn remove(entries: &mut [Entry], mut free: usize) {
    let mask = entries.len() - 1;
    entries[free] = Entry::default();
    let mut place = (free + 1) & mask;
    while entries[place].weight != 0 {
        let wanted = home(entries[place].code, entries.len());
        // Whether the search for it passes the free place.
        if place.wrapping_sub(wanted) & mask >= place.wrapping_sub(free) & mask {
            entries[free] = std::mem::take(&mut entries[place]);
            free = place;
        }
        place = (place + 1) & mask;
    }
}

impl Group {
    fn add_to_entry(
        &mut self,
        group: u32,
        code: u32,
        weight: i64,
        in_use: usize,
        shared: &mut Shared,
    ) -> Result<Change, OutOfRange> {
        let Codes::Few(entries) = &mut self.codes else { unreachable!("the caller looked") };
        if weight == 0 && entries.is_empty() {
            return Ok(Change { before: 0, after: 0 });
        }
        if (self.entries as usize + 1) * 4 > entries.len() * 3 {
            let places = (entries.len() * 2).max(4);
            if places * size_of::<Entry>() * PAGE_BYTES_PER_ENTRY_BYTE_MAX > in_use {
                self.use_pages(group, in_use, shared);
                return self.add_to_page(group, code, weight, in_use, shared);
            }
            self.use_entries(group, places, shared);
        }
        let Codes::Few(entries) = &mut self.codes else { unreachable!("they have only grown") };
        let place = find(entries, code);
        let change = changed(entries[place].weight, weight)?;
        if change.after == 0 {
            if change.before != 0 {
                remove(entries, place);
            }
        } else {
            entries[place] = Entry { code, weight: change.after };
        }
        Ok(change)
    }

    fn add_to_page(
        &mut self,
        group: u32,
        code: u32,
        weight: i64,
        in_use: usize,
        shared: &mut Shared,
    ) -> Result<Change, OutOfRange> {
        let Codes::Many(pages) = &mut self.codes else { unreachable!("the caller looked") };
        let (page, place) = (code as usize / PAGE_CODES, code as usize % PAGE_CODES);
        if pages.get(page).is_none_or(|page| page.len() <= place) {
            let grown = page_bytes(page, in_use);
            let held: usize = pages.iter().map(|page| page.len()).sum();
            if held + grown > PAGE_BYTES_MIN + self.entries as usize * PAGE_BYTES_PER_ENTRY_MAX {
                self.use_entries(group, ((self.entries as usize + 1) * 2).next_power_of_two(), shared);
                return self.add_to_entry(group, code, weight, in_use, shared);
            }
            if pages.len() <= page {
                pages.resize_with(page + 1, Box::default);
            }
            shared.bytes += grown - pages[page].len();
            let mut bytes = std::mem::take(&mut pages[page]).into_vec();
            bytes.reserve_exact(grown - bytes.len());
            bytes.resize(grown, 0);
            pages[page] = bytes.into();
        }
        let byte = &mut pages[page][place];
        let before = match *byte {
            EXCEPTION => shared.exceptions[&(group, code)],
            byte => i32::from(byte),
        };
        let change = changed(before, weight)?;
        let held = u8::try_from(change.after).ok().filter(|&after| after != EXCEPTION);
        match held {
            Some(after) => {
                if *byte == EXCEPTION {
                    shared.exceptions.remove(&(group, code));
                }
                *byte = after;
            }
            None => {
                shared.exceptions.insert((group, code), change.after);
                *byte = EXCEPTION;
            }
        }
        Ok(change)
    }

    /// All codes and their weights, which leave the group.
    fn drain(&mut self, group: u32, shared: &mut Shared) -> Vec<Entry> {
        shared.bytes -= self.codes.bytes();
        match std::mem::take(&mut self.codes) {
            Codes::Few(entries) => entries.into_iter().filter(|entry| entry.weight != 0).collect(),
            Codes::Many(pages) => {
                let cells = pages.iter().enumerate().flat_map(|(page, bytes)| {
                    let first = page * PAGE_CODES;
                    bytes.iter().enumerate().map(move |(place, &byte)| (first + place, byte))
                });
                cells
                    .filter(|&(_, byte)| byte != 0)
                    .map(|(code, byte)| {
                        let code = u32::try_from(code).expect("codes have 32 bits");
                        let weight = match byte {
                            EXCEPTION => shared.exceptions.remove(&(group, code)).expect("the page says so"),
                            byte => i32::from(byte),
                        };
                        Entry { code, weight }
                    })
                    .collect()
            }
        }
    }

    fn use_entries(&mut self, group: u32, places: usize, shared: &mut Shared) {
        let mut entries = vec![Entry::default(); places.max(4)].into_boxed_slice();
        for entry in self.drain(group, shared) {
            let place = find(&entries, entry.code);
            entries[place] = entry;
        }
        shared.bytes += entries.len() * size_of::<Entry>();
        self.codes = Codes::Few(entries);
    }

    fn use_pages(&mut self, group: u32, in_use: usize, shared: &mut Shared) {
        let mut pages: Vec<Box<[u8]>> = vec![];
        for Entry { code, weight } in self.drain(group, shared) {
            let page = code as usize / PAGE_CODES;
            if pages.len() <= page {
                pages.resize_with(page + 1, Box::default);
            }
            if pages[page].is_empty() {
                pages[page] = vec![0; page_bytes(page, in_use)].into();
                shared.bytes += pages[page].len();
            }
            pages[page][code as usize % PAGE_CODES] = match u8::try_from(weight) {
                Ok(weight) if weight != EXCEPTION => weight,
                _ => {
                    shared.exceptions.insert((group, code), weight);
                    EXCEPTION
                }
            };
        }
        self.codes = Codes::Many(pages);
    }
}

/// The size of a page where codes below `in_use` are in use, with some room for those that follow.
fn page_bytes(page: usize, in_use: usize) -> usize {
    let wanted = in_use - page * PAGE_CODES;
    (wanted + wanted / 8).next_multiple_of(64).min(PAGE_CODES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;
    use std::collections::BTreeMap;

    fn below(random: &mut Random, limit: u32) -> u32 {
        u32::try_from(random.below(u64::from(limit))).expect("small")
    }

    /// Against a map, with codes that come into use as it runs: groups go from entries to pages and back.
    #[test]
    fn weights_are_those_of_a_map() {
        for seed in 0..3 {
            let mut random = Random(seed);
            let mut sets = CodeSets::new();
            sets.grow(3);
            let mut map: BTreeMap<(u32, u32), i64> = BTreeMap::new();
            let mut in_use = 1;
            let (mut was_many, mut was_few) = (false, false);
            for step in 0..60_000_u32 {
                if step == 30_000 {
                    in_use = 200_000;
                }
                in_use = if step < 30_000 { 1 + step / [8, 200][below(&mut random, 2) as usize] } else { in_use };
                let group = below(&mut random, 3);
                let code = if group == 2 { below(&mut random, in_use.min(2)) } else { below(&mut random, in_use) };
                let weight = i64::from(below(&mut random, 5)) - 1 + i64::from(below(&mut random, 50) / 49) * 1000;
                let before = map.get(&(group, code)).copied().unwrap_or(0);
                let change = sets.add(group, code, weight, in_use as usize).expect("small weights");
                assert_eq!((i64::from(change.before), i64::from(change.after)), (before, before + weight));
                map.insert((group, code), before + weight);
                let few = matches!(sets.groups[0].codes, Codes::Few(_));
                was_few |= few && was_many;
                was_many |= !few;
            }
            assert!(was_many && was_few, "both forms were used, seed {seed}");
            for group in 0..3 {
                let positive = map.iter().filter(|((g, _), weight)| *g == group && **weight > 0).count();
                assert_eq!(sets.count(group as usize) as usize, positive, "seed {seed}");
            }
            for (&(group, code), &weight) in &map {
                sets.add(group, code, -weight, in_use as usize).expect("small weights");
            }
            assert!((0..3).all(|group| sets.count(group) == 0 && sets.groups[group].entries == 0));
            assert!(sets.shared.exceptions.is_empty());
            (0..3).for_each(|group| sets.release(group));
            assert_eq!(sets.shared.bytes, 0);
        }
    }

    #[test]
    fn a_weight_beyond_32_bits_is_an_error() {
        let mut sets = CodeSets::new();
        sets.grow(1);
        assert!(sets.add(0, 0, i64::from(i32::MAX), 1).is_ok());
        assert_eq!(sets.add(0, 0, 1, 1), Err(OutOfRange));
        assert_eq!(sets.add(0, 0, i64::MAX, 1), Err(OutOfRange));
    }

    /// 10,000 values in 100 groups of which each has a twentieth.
    #[test]
    fn memory_is_in_proportion_to_the_entries() {
        let mut sets = CodeSets::new();
        sets.grow(100);
        let mut random = Random(1);
        for _ in 0..50_000 {
            sets.add(below(&mut random, 100), below(&mut random, 10_000), 1, 10_000).expect("small weights");
        }
        let entries: usize = sets.groups.iter().map(|group| group.entries as usize).sum();
        assert!(sets.state_bytes() < 24 * entries, "{} bytes for {entries} entries", sets.state_bytes());
    }
}
