//! Hash → number: the table under groups and interned values, which grows without a long pause.
//!
//! ```text
//!  hash ─▶ shard ─▶ entries (32 bits of the hash, number) ─ the caller compares what the number stands for ─▶ number
//!            ├ one, below 65,536 entries
//!            └ then 64, of sizes spread evenly between n and 2n: they double one after the other
//! ```
//!
//! # Invariants
//!
//! 1. Doubling moves the entries of one shard: a 64th of the table, and never a look at what the numbers stand for.
//! 2. Nothing depends on the order of entries: numbers are only found by their hash.

use hashbrown::HashTable;

/// Entries from which on the table is divided.
const UNDIVIDED_ENTRIES_MAX: usize = 1 << 16;
const SHARDS: usize = 64;
/// Shard `i` takes `SHARDS + i` of as many equal parts of the hashes.
const PARTS: usize = SHARDS * SHARDS + SHARDS * (SHARDS - 1) / 2;
const SHARD_OF: [u8; PARTS] = shard_of();

const fn shard_of() -> [u8; PARTS] {
    let mut of = [0; PARTS];
    let (mut shard, mut part) = (0, 0);
    while shard < SHARDS {
        let end = part + SHARDS + shard;
        while part < end {
            of[part] = shard as u8;
            part += 1;
        }
        shard += 1;
    }
    of
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    number: u32,
}

impl Entry {
    /// As the shards' tables want it: both ends depend on all bits.
    fn spread(hash: u32) -> u64 {
        let spread = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        spread ^ (spread >> 32)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ShardedTable {
    /// One or [`SHARDS`].
    shards: Vec<HashTable<Entry>>,
}

impl Default for ShardedTable {
    fn default() -> Self {
        Self { shards: vec![HashTable::new()] }
    }
}

/// The 32 bits of a hash that are kept.
fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl ShardedTable {
    #[inline]
    fn shard(&self, hash: u32) -> usize {
        if self.shards.len() == 1 {
            return 0;
        }
        let part = (u64::from(hash) * PARTS as u64) >> 32;
        usize::from(SHARD_OF[part as usize])
    }

    /// The number entered under this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = short(hash);
        let found = |entry: &Entry| entry.hash == hash && is_it(entry.number);
        self.shards[self.shard(hash)].find(Entry::spread(hash), found).map(|entry| entry.number)
    }

    /// Enters a number that is not there.
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        let hash = short(hash);
        let shard = self.shard(hash);
        let table = &mut self.shards[shard];
        table.insert_unique(Entry::spread(hash), Entry { hash, number }, |entry| Entry::spread(entry.hash));
        if self.shards.len() == 1 && self.shards[0].len() == UNDIVIDED_ENTRIES_MAX {
            self.divide();
        }
    }

    fn divide(&mut self) {
        let whole = std::mem::take(&mut self.shards[0]);
        self.shards.resize_with(SHARDS, HashTable::new);
        for entry in whole {
            let shard = self.shard(entry.hash);
            self.shards[shard].insert_unique(Entry::spread(entry.hash), entry, |entry| Entry::spread(entry.hash));
        }
    }

    /// Removes a number.
    ///
    /// # Panics
    ///
    /// If it is not entered under this hash.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        let hash = short(hash);
        let shard = self.shard(hash);
        let Ok(entry) = self.shards[shard].find_entry(Entry::spread(hash), |entry| entry.number == number) else {
            unreachable!("a number that is removed was entered");
        };
        entry.remove();
    }

    /// The memory kept.
    pub(crate) fn state_bytes(&self) -> usize {
        self.shards.iter().map(HashTable::allocation_size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::hash_words;

    #[test]
    fn finds_what_was_entered_across_the_division() {
        let count = 3 * u32::try_from(UNDIVIDED_ENTRIES_MAX).expect("small");
        let hash = |number: u32| hash_words(&[u64::from(number)]);
        let mut table = ShardedTable::default();
        for number in 0..count {
            table.insert(hash(number), number);
        }
        assert_eq!(table.shards.len(), SHARDS);
        for number in (0..count).step_by(2) {
            table.remove(hash(number), number);
        }
        for number in 0..count {
            let found = table.find(hash(number), |other| other == number);
            assert_eq!(found, (number % 2 == 1).then_some(number));
        }
    }

    /// While the table doubles, no more than a few shards double with the same thousandth of it.
    #[test]
    fn shards_grow_one_after_the_other() {
        let mut table = ShardedTable::default();
        let start = 4 * u32::try_from(UNDIVIDED_ENTRIES_MAX).expect("small");
        let (mut moved, mut worst) = (0, 0);
        for number in 0..2 * start {
            let hash = hash_words(&[u64::from(number)]);
            let shard = table.shard(short(hash));
            let (before, held) = (table.shards[shard].capacity(), table.shards[shard].len());
            table.insert(hash, number);
            if number > start && table.shards.len() > 1 && table.shards[shard].capacity() > before {
                moved += held;
            }
            if number % (start / 1000) == 0 {
                worst = worst.max(moved);
                moved = 0;
            }
        }
        assert!(worst <= usize::try_from(start).expect("small") / 16, "{worst} entries moved at once");
    }
}
