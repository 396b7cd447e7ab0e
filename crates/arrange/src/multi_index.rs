//! A hash index of many rows per key: 64 bits of a key's hash → the row ids of its rows.
//!
//! The index does not know keys. Two keys may share a hash (it can be forced by whoever chooses the values), so a probe
//! verifies the key columns of the rows it finds, which it fetches anyway.
//!
//! Cost: about 30 bytes for a key of one row, 4 bytes and less for each further row. The table is split into shards, so
//! that growing moves a 64th at a time.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use roaring::RoaringBitmap;

/// Shards; a power of two.
const SHARDS: usize = 64;
/// Rows of a posting list before it becomes a bitmap.
const FEW_ROWS_MAX: usize = 32;

/// The rows of one hash.
#[derive(Debug, Clone)]
pub enum Postings {
    /// One row.
    One(u32),
    /// Up to 32 rows, in no order.
    Few(Box<Vec<u32>>),
    /// Many.
    Many(Box<RoaringBitmap>),
}

/// The row ids of [`Postings`].
pub enum PostingsIter<'a> {
    /// Of one or few.
    Slice(std::iter::Copied<std::slice::Iter<'a, u32>>),
    /// Of many.
    Bitmap(roaring::bitmap::Iter<'a>),
}

impl Iterator for PostingsIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::Slice(rows) => rows.next(),
            Self::Bitmap(rows) => rows.next(),
        }
    }
}

impl Postings {
    /// The row ids.
    #[must_use]
    pub fn iter(&self) -> PostingsIter<'_> {
        match self {
            Self::One(row) => PostingsIter::Slice(std::slice::from_ref(row).iter().copied()),
            Self::Few(rows) => PostingsIter::Slice(rows.iter().copied()),
            Self::Many(rows) => PostingsIter::Bitmap(rows.iter()),
        }
    }

    /// How many rows there are, at least 1.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Few(rows) => rows.len(),
            Self::Many(rows) => usize::try_from(rows.len()).unwrap_or(usize::MAX),
        }
    }

    fn insert(&mut self, row: u32) -> bool {
        match self {
            Self::One(one) if *one == row => return false,
            Self::One(one) => *self = Self::Few(Box::new(vec![*one, row])),
            Self::Few(rows) if rows.contains(&row) => return false,
            Self::Few(rows) if rows.len() < FEW_ROWS_MAX => rows.push(row),
            Self::Few(rows) => {
                let mut bitmap: RoaringBitmap = rows.iter().copied().collect();
                bitmap.insert(row);
                *self = Self::Many(Box::new(bitmap));
            }
            Self::Many(rows) => return rows.insert(row),
        }
        true
    }

    /// What is left without `row`, and whether it was there.
    fn remove(&mut self, row: u32) -> (bool, bool) {
        match self {
            Self::One(one) => (*one == row, *one == row),
            Self::Few(rows) => match rows.iter().position(|&r| r == row) {
                Some(place) => {
                    rows.swap_remove(place);
                    (true, rows.is_empty())
                }
                None => (false, false),
            },
            Self::Many(rows) => (rows.remove(row), rows.is_empty()),
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    hash: u64,
    rows: Postings,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct MultiIndex {
    shards: Box<[HashTable<Entry>]>,
    rows: usize,
}

impl Default for MultiIndex {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect(), rows: 0 }
    }
}

/// The shard by bits that neither the table's buckets (low) nor its tags (top) use first.
fn shard_of(hash: u64) -> usize {
    (hash >> 48) as usize % SHARDS
}

impl MultiIndex {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many hashes, about as many as keys, there are.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }

    /// The memory kept, about: rows that share a key are taken to need 4 bytes each.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.shards.iter().map(HashTable::allocation_size).sum::<usize>() + (self.rows - self.keys()) * size_of::<u32>()
    }

    /// The rows whose key may have this hash; the caller verifies.
    #[must_use]
    pub fn get(&self, hash: u64) -> Option<&Postings> {
        self.shards[shard_of(hash)].find(hash, |entry| entry.hash == hash).map(|entry| &entry.rows)
    }

    /// Adds a row; false if it was there.
    pub fn insert(&mut self, hash: u64, row: u32) -> bool {
        let shard = &mut self.shards[shard_of(hash)];
        let added = match shard.entry(hash, |entry| entry.hash == hash, |entry| entry.hash) {
            TableEntry::Occupied(mut entry) => entry.get_mut().rows.insert(row),
            TableEntry::Vacant(vacant) => {
                vacant.insert(Entry { hash, rows: Postings::One(row) });
                true
            }
        };
        self.rows += usize::from(added);
        added
    }

    /// Removes a row; false if it was not there.
    pub fn remove(&mut self, hash: u64, row: u32) -> bool {
        let shard = &mut self.shards[shard_of(hash)];
        let Ok(mut entry) = shard.find_entry(hash, |entry| entry.hash == hash) else { return false };
        let (removed, empty) = entry.get_mut().rows.remove(row);
        if empty {
            entry.remove();
        }
        self.rows -= usize::from(removed);
        removed
    }

    /// Row `old` is now row `new`; false, and nothing changes, if `old` was not there.
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        self.remove(hash, old) && self.insert(hash, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn behaves_like_a_map_of_sets() {
        let mut index = MultiIndex::default();
        let mut model: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        let mut state = 1u64;
        for step in 0..50_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let hash = (state >> 40) % 50;
            let row = u32::try_from((state >> 20) % 120).expect("small");
            let rows = model.entry(hash).or_default();
            if (state >> 60) < 9 {
                assert_eq!(index.insert(hash, row), rows.insert(row), "step {step}");
            } else {
                assert_eq!(index.remove(hash, row), rows.remove(&row), "step {step}");
            }
        }
        for (hash, rows) in &model {
            let found: BTreeSet<u32> = index.get(*hash).map(|p| p.iter().collect()).unwrap_or_default();
            assert_eq!(&found, rows);
            assert_eq!(index.get(*hash).map_or(0, Postings::rows), rows.len());
        }
        assert_eq!(index.rows(), model.values().map(BTreeSet::len).sum::<usize>());
        assert_eq!(index.keys(), model.values().filter(|rows| !rows.is_empty()).count());
    }
}
