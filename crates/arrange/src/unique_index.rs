//! A persistent hash index: 32 bits of a key's hash → row id.
//!
//! ```text
//!  root branch ─ 16 ─▶ branch ─ 16 ─▶ … ▶ leaf [ (hash, row) … ≤ 64 ]      four bits of the hash per level
//! ```
//!
//! Each node is an `Arc`: cloning the index copies one pointer, and a write after that copies the nodes on its path only
//! (a leaf of at most 512 bytes, branches of 16 pointers). There is no table to double, hence no pause.
//!
//! # Invariants
//!
//! 1. An entry's path is its hash, four bits a level from the top.
//! 2. The index does not know keys: whoever looks up verifies rows, and entries of different keys may share a hash.
//! 3. About 15 bytes an entry: 8 of data, the rest nodes and slack.

use std::sync::Arc;

/// Entries in a leaf before it becomes a branch.
const LEAF_ENTRIES_MAX: usize = 64;
/// Bits of the hash that a branch decides.
const BRANCH_BITS: u32 = 4;
/// The shift of the first level.
const TOP_SHIFT: u32 = 32 - BRANCH_BITS;
/// Batches this large are inserted in order of their hash, which keeps the nodes in cache.
const SORTED_INSERT_ROWS_MIN: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    row: u32,
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(Arc<Vec<Entry>>),
    Branch(Arc<[Node; 16]>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Arc::default())
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct UniqueIndex {
    root: Node,
    entries: usize,
}

fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn child_of(hash: u32, shift: u32) -> usize {
    (hash >> shift) as usize & 0xf
}

impl UniqueIndex {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The rows whose hash may be this one; the caller verifies.
    pub fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let hash = short(hash);
        self.leaf(hash).iter().filter(move |entry| entry.hash == hash).map(|entry| entry.row)
    }

    /// The row of this hash that `is_it`.
    pub fn get(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.candidates(hash).find(|&row| is_it(row))
    }

    fn leaf(&self, hash: u32) -> &[Entry] {
        let (mut node, mut shift) = (&self.root, TOP_SHIFT);
        loop {
            match node {
                Node::Leaf(entries) => return entries,
                Node::Branch(children) => node = &children[child_of(hash, shift)],
            }
            shift = shift.saturating_sub(BRANCH_BITS);
        }
    }

    fn leaf_mut(&mut self, hash: u32) -> &mut Vec<Entry> {
        let (mut node, mut shift) = (&mut self.root, TOP_SHIFT);
        loop {
            match node {
                Node::Leaf(entries) => return Arc::make_mut(entries),
                Node::Branch(children) => node = &mut Arc::make_mut(children)[child_of(hash, shift)],
            }
            shift = shift.saturating_sub(BRANCH_BITS);
        }
    }

    /// Adds an entry. The caller has made sure that its key is not there.
    pub fn insert(&mut self, hash: u64, row: u32) {
        insert_at(&mut self.root, TOP_SHIFT, Entry { hash: short(hash), row });
        self.entries += 1;
    }

    /// Adds one entry per hash; faster than one by one.
    ///
    /// # Panics
    ///
    /// If there is not one row per hash.
    pub fn insert_many(&mut self, hashes: &[u64], rows: &[u32]) {
        assert_eq!(hashes.len(), rows.len(), "one row per hash");
        if hashes.len() < SORTED_INSERT_ROWS_MIN {
            for (&hash, &row) in hashes.iter().zip(rows) {
                self.insert(hash, row);
            }
            return;
        }
        for entry in partitioned(hashes, rows) {
            insert_at(&mut self.root, TOP_SHIFT, entry);
        }
        self.entries += hashes.len();
    }

    /// Removes the entry of this row; false if there is none.
    pub fn remove(&mut self, hash: u64, row: u32) -> bool {
        let hash = short(hash);
        if !self.leaf(hash).iter().any(|entry| entry.hash == hash && entry.row == row) {
            return false;
        }
        let leaf = self.leaf_mut(hash);
        let place = leaf.iter().position(|entry| entry.hash == hash && entry.row == row).expect("just seen");
        leaf.swap_remove(place);
        self.entries -= 1;
        true
    }

    /// The entry of row `old` now names row `new`; false if there is none.
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let hash = short(hash);
        if !self.leaf(hash).iter().any(|entry| entry.hash == hash && entry.row == old) {
            return false;
        }
        let entry = self.leaf_mut(hash).iter_mut().find(|entry| entry.hash == hash && entry.row == old);
        entry.expect("just seen").row = new;
        true
    }
}

/// The entries ordered by the top 12 bits of their hash: one counting sort.
fn partitioned(hashes: &[u64], rows: &[u32]) -> Vec<Entry> {
    const PARTS: usize = 1 << 12;
    let part = |hash: u64| (hash >> 52) as usize;
    let mut place = vec![0usize; PARTS];
    for &hash in hashes {
        place[part(hash)] += 1;
    }
    let mut sum = 0;
    for count in &mut place {
        sum += std::mem::replace(count, sum);
    }
    let mut sorted = vec![Entry { hash: 0, row: 0 }; hashes.len()];
    for (&hash, &row) in hashes.iter().zip(rows) {
        let slot = &mut place[part(hash)];
        sorted[*slot] = Entry { hash: short(hash), row };
        *slot += 1;
    }
    sorted
}

fn insert_at(mut node: &mut Node, mut shift: u32, entry: Entry) {
    // The hash is used up below the level of shift 0: leaves there grow as they must.
    let mut exhausted = false;
    loop {
        if let Node::Leaf(entries) = node {
            if entries.len() < LEAF_ENTRIES_MAX || exhausted {
                Arc::make_mut(entries).push(entry);
                return;
            }
            *node = split(entries, shift);
        }
        let Node::Branch(children) = node else { unreachable!("a full leaf was just split") };
        node = &mut Arc::make_mut(children)[child_of(entry.hash, shift)];
        exhausted = shift == 0;
        shift = shift.saturating_sub(BRANCH_BITS);
    }
}

fn split(entries: &[Entry], shift: u32) -> Node {
    let mut parts: [Vec<Entry>; 16] = Default::default();
    for &entry in entries {
        parts[child_of(entry.hash, shift)].push(entry);
    }
    Node::Branch(Arc::new(parts.map(|part| Node::Leaf(Arc::new(part)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn mix(value: u64) -> u64 {
        let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xd1b5_4a32_d192_ed03_u128;
        (product as u64) ^ ((product >> 64) as u64)
    }

    #[test]
    fn behaves_like_a_map_and_clones_do_not_change() {
        let mut index = UniqueIndex::default();
        let mut model: HashMap<u64, u32> = HashMap::new();
        let mut frozen = vec![];
        for step in 0..20_000u64 {
            let key = mix(step * 7) % 3000;
            // Keys that are multiples of 5 share their whole hash.
            let hash = mix(if key.is_multiple_of(5) { 5 } else { key });
            let row = u32::try_from(key).expect("small");
            if model.remove(&key).is_some() {
                assert!(index.remove(hash, row), "step {step}");
            } else {
                index.insert(hash, row);
                model.insert(key, row);
            }
            if step.is_multiple_of(5000) {
                frozen.push((index.clone(), model.clone()));
            }
        }
        frozen.push((index, model));
        for (index, model) in frozen {
            assert_eq!(index.len(), model.len());
            for key in 0..3000u64 {
                let hash = mix(if key.is_multiple_of(5) { 5 } else { key });
                let wanted = u32::try_from(key).expect("small");
                assert_eq!(index.get(hash, |row| row == wanted), model.get(&key).copied(), "key {key}");
            }
        }
    }

    #[test]
    fn a_batch_is_as_good_as_single_inserts() {
        let hashes: Vec<u64> = (0..100_000).map(mix).collect();
        let rows: Vec<u32> = (0..100_000).collect();
        let mut index = UniqueIndex::default();
        index.insert_many(&hashes, &rows);
        for (&hash, &row) in hashes.iter().zip(&rows) {
            assert_eq!(index.get(hash, |r| r == row), Some(row));
        }
        assert!(index.replace(hashes[7], 7, 100_007));
        assert_eq!(index.get(hashes[7], |r| r == 100_007), Some(100_007));
        assert!(!index.replace(hashes[7], 7, 8));
    }
}
