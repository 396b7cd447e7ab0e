//! A persistent hash index: 32 bits of a key's hash → row id.
//!
//! ```text
//!  root branch ─ 16 ─▶ branch ─ 16 ─▶ … ▶ leaf                      four bits of the hash per level
//!
//!  leaf   hashes  [ … ≤ 4096 ] rows [ … ]   sorted; shared by a leaf's versions until it is merged
//!         recent  [ hash,row … ]            what came since
//!         gone    [ hash,row … ]            what went of the sorted ones since
//! ```
//!
//! Each node is an `Arc`: cloning the index copies one pointer, and a write after that copies the nodes on its path only,
//! of a leaf only what is recent. There is no table to double, hence no pause: leaves are merged and split one by one,
//! each after a number of changes of its own.
//!
//! A batch is looked up and applied in order of the hashes, so that a leaf is visited once, and copied once. A large index
//! is not in the cache: a look-up waits for memory three times. So a branch's leaves are first touched, all of them and
//! then all places in them where a hash is looked for, before any is searched: memory answers such reads together.
//!
//! # Invariants
//!
//! 1. An entry's path is its hash, four bits a level from the top. Within a leaf, lists ascend by hash and row.
//! 2. What is `gone` is among the sorted entries. An entry that is gone may have come again in `recent`.
//! 3. The index does not know keys: whoever looks up verifies rows, and entries of different keys may share a hash.
//! 4. About 9 bytes an entry: 8 of data, the rest nodes and what has not been merged yet.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;

/// Entries in a leaf before it becomes a branch.
const LEAF_ENTRIES_MAX: usize = 4096;
/// Bits of the hash that a branch decides.
const BRANCH_BITS: u32 = 4;
/// Children of a branch.
const CHILDREN: usize = 1 << BRANCH_BITS;
/// Bits of the hash that are made use of.
const HASH_BITS: u32 = 32;
/// Recent entries that every leaf may have.
const RECENT_ENTRIES_MIN: usize = 16;
/// A leaf is merged when one in so many entries is recent, or twice as many; which of them differs from leaf to leaf.
const RECENT_SHARE: usize = 16;
/// Batches this large are sorted by radix.
const RADIX_ROWS_MIN: usize = 1024;

/// A row under its hash: the high half is 32 bits of the hash, the low half the row id.
type Entry = u64;

fn entry(hash: u64, row: u32) -> Entry {
    hash >> 32 << 32 | u64::from(row)
}

fn joined(hash: u32, row: u32) -> Entry {
    u64::from(hash) << 32 | u64::from(row)
}

fn hash_of(entry: Entry) -> u32 {
    (entry >> 32) as u32
}

fn row_of(entry: Entry) -> u32 {
    (entry & u64::from(u32::MAX)) as u32
}

/// Which child of a branch, below which hashes still differ in `bits` bits.
fn child_of(entry: Entry, bits: u32) -> usize {
    (entry >> 32 >> (bits - BRANCH_BITS)) as usize % CHILDREN
}

/// The places of a batch's rows in order of their hashes.
#[derive(Debug, Clone)]
pub struct HashOrder(Vec<Entry>);

impl HashOrder {
    /// Of rows with these hashes.
    #[must_use]
    pub fn new(hashes: &[u64]) -> Self {
        let mut order: Vec<Entry> = (0..).zip(hashes).map(|(place, &hash)| entry(hash, place)).collect();
        sort(&mut order);
        Self(order)
    }

    /// The places of rows that share 32 bits of their hash with another, in groups of at least two, ascending within a
    /// group.
    pub fn groups(&self) -> impl Iterator<Item = impl Iterator<Item = u32> + '_> + '_ {
        let same = |a: &Entry, b: &Entry| hash_of(*a) == hash_of(*b);
        self.0.chunk_by(same).filter(|group| group.len() > 1).map(|group| group.iter().map(|&entry| row_of(entry)))
    }

    /// The entries of the rows at these places, in order of their hashes.
    fn entries(&self, rows: &[u32]) -> Vec<Entry> {
        let with_row = |&place: &Entry| entry(place, rows[row_of(place) as usize]);
        let mut entries: Vec<Entry> = self.0.iter().map(with_row).collect();
        if !entries.is_sorted() {
            entries.sort_unstable();
        }
        entries
    }
}

/// Sorts by the high half, then by the low one. Low halves that ascend at first need no comparison.
fn sort(entries: &mut Vec<Entry>) {
    const DIGIT_BITS: u32 = 11;
    const DIGITS: usize = 1 << DIGIT_BITS;
    if entries.len() < RADIX_ROWS_MIN {
        entries.sort_unstable();
        return;
    }
    let mut other = vec![0; entries.len()];
    for shift in [32, 32 + DIGIT_BITS, 32 + 2 * DIGIT_BITS] {
        let digit = |entry: Entry| (entry >> shift) as usize % DIGITS;
        let mut place = [0_usize; DIGITS];
        for &entry in entries.iter() {
            place[digit(entry)] += 1;
        }
        let mut sum = 0;
        for count in &mut place {
            sum += std::mem::replace(count, sum);
        }
        for &entry in entries.iter() {
            let slot = &mut place[digit(entry)];
            other[*slot] = entry;
            *slot += 1;
        }
        std::mem::swap(entries, &mut other);
    }
}

#[derive(Debug, Clone, Default)]
struct Leaf {
    hashes: Arc<[u32]>,
    rows: Arc<[u32]>,
    recent: Box<[Entry]>,
    gone: Box<[Entry]>,
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(Arc<Leaf>),
    Branch(Arc<[Node; CHILDREN]>),
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

    /// The bytes that the index occupies.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        size_of::<Node>() + self.root.bytes()
    }

    /// Calls `candidate(place, row)` for every row whose hash may be that of a place; the caller verifies.
    pub fn candidates(&self, order: &HashOrder, mut candidate: impl FnMut(u32, u32)) {
        visit(&self.root, HASH_BITS, &order.0, &mut candidate);
    }

    /// Removes the entries of these rows, then adds those of others, whose keys are not there.
    ///
    /// # Panics
    ///
    /// If there is not one row per hash, or a row that is removed is not there.
    pub fn change(&mut self, removed: (&[u64], &[u32]), added: (&[u64], &[u32])) {
        let entries = |(hashes, rows): (&[u64], &[u32])| {
            assert_eq!(hashes.len(), rows.len(), "one row per hash");
            HashOrder::new(hashes).entries(rows)
        };
        let (removed, added) = (entries(removed), entries(added));
        if removed.is_empty() && added.is_empty() {
            return;
        }
        change(&mut self.root, HASH_BITS, &removed, &added);
        self.entries = self.entries + added.len() - removed.len();
    }
}

impl Node {
    fn bytes(&self) -> usize {
        /// The two counts of an `Arc`.
        const COUNTS: usize = 16;
        match self {
            Self::Leaf(leaf) => {
                let lists = leaf.hashes.len() + leaf.recent.len() + leaf.gone.len();
                3 * COUNTS + size_of::<Leaf>() + lists * size_of::<Entry>()
            }
            Self::Branch(children) => {
                COUNTS + size_of::<[Self; CHILDREN]>() + children.iter().map(Self::bytes).sum::<usize>()
            }
        }
    }
}

/// The leading entries that go to one child of a branch: which child, how many.
fn leading(entries: &[Entry], bits: u32) -> Option<(usize, usize)> {
    let child = child_of(*entries.first()?, bits);
    let mut high = 1;
    while high < entries.len() && child_of(entries[high], bits) == child {
        high *= 2;
    }
    let rest = &entries[high / 2..high.min(entries.len())];
    Some((child, high / 2 + rest.partition_point(|&entry| child_of(entry, bits) == child)))
}

/// The parts of ascending entries that go to the children of a branch.
fn parts(mut entries: &[Entry], bits: u32) -> impl Iterator<Item = (usize, &[Entry])> {
    std::iter::from_fn(move || {
        let (child, count) = leading(entries, bits)?;
        let (here, rest) = entries.split_at(count);
        entries = rest;
        Some((child, here))
    })
}

/// `bits`: in how many bits the hashes below the node differ.
fn visit(node: &Node, bits: u32, probes: &[Entry], candidate: &mut impl FnMut(u32, u32)) {
    match node {
        Node::Leaf(leaf) => {
            probes.iter().for_each(|&probe| leaf.rows_of(hash_of(probe), bits, |row| candidate(row_of(probe), row)));
        }
        Node::Branch(children) => {
            let below = bits - BRANCH_BITS;
            let leaves = || {
                parts(probes, bits).filter_map(|(child, probes)| match &children[child] {
                    Node::Leaf(leaf) => Some((leaf, probes)),
                    Node::Branch(_) => None,
                })
            };
            black_box(leaves().fold(0, |sum, (leaf, _)| sum ^ leaf.hashes.len() ^ leaf.recent.len()));
            black_box(leaves().fold(0, |sum, (leaf, probes)| sum ^ leaf.touch(probes, below)));
            for (child, probes) in parts(probes, bits) {
                visit(&children[child], below, probes, candidate);
            }
        }
    }
}

/// As [`visit`]. Where all bits are decided, a leaf grows as it must.
fn change(node: &mut Node, bits: u32, mut removed: &[Entry], mut added: &[Entry]) {
    match node {
        Node::Leaf(leaf) => {
            let changed = leaf.changed(bits, removed, added);
            let is_large = changed.hashes.len() > LEAF_ENTRIES_MAX && bits > 0;
            *node = if is_large { split(&changed, bits) } else { Node::Leaf(Arc::new(changed)) };
        }
        Node::Branch(children) => {
            let children = Arc::make_mut(children);
            let touched = parts(added, bits).filter_map(|(child, _)| match &children[child] {
                Node::Leaf(leaf) => Some(leaf.hashes.first()? ^ leaf.rows.first()?),
                Node::Branch(_) => None,
            });
            black_box(touched.fold(0, |sum, value| sum ^ value));
            loop {
                let (first_removed, first_added) = (leading(removed, bits), leading(added, bits));
                let Some(child) = first_removed.into_iter().chain(first_added).map(|(child, _)| child).min() else {
                    return;
                };
                let count = |leading: Option<(usize, usize)>| leading.filter(|l| l.0 == child).map_or(0, |l| l.1);
                let (removed_here, removed_rest) = removed.split_at(count(first_removed));
                let (added_here, added_rest) = added.split_at(count(first_added));
                change(&mut children[child], bits - BRANCH_BITS, removed_here, added_here);
                (removed, added) = (removed_rest, added_rest);
            }
        }
    }
}

/// A leaf that has just been merged, as a branch.
fn split(leaf: &Leaf, bits: u32) -> Node {
    let mut start = 0;
    Node::Branch(Arc::new(std::array::from_fn(|child| {
        let rest = &leaf.hashes[start..];
        let end = start + rest.partition_point(|&hash| child_of(u64::from(hash) << 32, bits) <= child);
        let (hashes, rows) = (leaf.hashes[start..end].into(), leaf.rows[start..end].into());
        start = end;
        Node::Leaf(Arc::new(Leaf { hashes, rows, ..Leaf::default() }))
    })))
}

/// Where hashes of at least `target` begin in an ascending list, looked for around a guess.
fn place_near(hashes: &[u32], guess: usize, target: u32) -> usize {
    let mut step = 16;
    let within = if guess < hashes.len() && hashes[guess] < target {
        let mut low = guess + 1;
        loop {
            let high = low + step;
            if high >= hashes.len() {
                break low..hashes.len();
            }
            if hashes[high] >= target {
                break low..high;
            }
            low = high + 1;
            step *= 2;
        }
    } else {
        let mut high = guess.min(hashes.len());
        loop {
            let Some(low) = high.checked_sub(step) else { break 0..high };
            if hashes[low] < target {
                break low + 1..high;
            }
            high = low;
            step *= 2;
        }
    };
    within.start + hashes[within].partition_point(|&hash| hash < target)
}

impl Leaf {
    /// The rows of a hash; hashes in this leaf differ in their low `bits`.
    fn rows_of(&self, hash: u32, bits: u32, mut visit: impl FnMut(u32)) {
        let first = self.place(hash, bits);
        for (_, &row) in self.hashes[first..].iter().zip(&self.rows[first..]).take_while(|(other, _)| **other == hash) {
            if self.gone.is_empty() || self.gone.binary_search(&joined(hash, row)).is_err() {
                visit(row);
            }
        }
        if !self.recent.is_empty() {
            let first = self.recent.partition_point(|&entry| hash_of(entry) < hash);
            self.recent[first..].iter().take_while(|&&entry| hash_of(entry) == hash).for_each(|&e| visit(row_of(e)));
        }
    }

    /// About where a hash is: as far between the least and the greatest possible, since hashes are spread evenly.
    fn guess(&self, hash: u32, bits: u32) -> usize {
        let within = u64::from(hash) & ((1 << bits) - 1);
        ((within * self.hashes.len() as u64) >> bits) as usize
    }

    /// Where a hash begins, or would begin, among the sorted ones.
    fn place(&self, hash: u32, bits: u32) -> usize {
        place_near(&self.hashes, self.guess(hash, bits), hash)
    }

    /// Reads what [`Leaf::rows_of`] of these hashes is likely to read first.
    fn touch(&self, probes: &[Entry], bits: u32) -> usize {
        /// Hashes in a line of the cache.
        const LINE: usize = 16;
        let Some(last) = self.hashes.len().checked_sub(1) else { return 0 };
        let touched = probes.iter().fold(0, |sum, &probe| {
            let guess = self.guess(hash_of(probe), bits);
            sum ^ self.hashes[guess.saturating_sub(LINE)] ^ self.hashes[guess] ^ self.hashes[(guess + LINE).min(last)]
        });
        touched as usize
    }

    /// This leaf without some entries and with others.
    fn changed(&self, bits: u32, removed: &[Entry], added: &[Entry]) -> Self {
        let (mut gone, mut came_and_went) = (vec![], vec![]);
        for &entry in removed {
            if self.recent.binary_search(&entry).is_ok() {
                came_and_went.push(entry);
                continue;
            }
            let first = self.place(hash_of(entry), bits);
            let mut same = self.entries(first).take_while(|&other| hash_of(other) == hash_of(entry));
            assert!(
                same.any(|other| other == entry) && self.gone.binary_search(&entry).is_err(),
                "a row that is removed from an index is there"
            );
            gone.push(entry);
        }
        let gone = union(&self.gone, &gone);
        let kept = without(&self.recent, &came_and_went);
        let recent = union(&kept, added);
        if recent.len() + gone.len() <= self.changes_max() {
            let (hashes, rows) = (Arc::clone(&self.hashes), Arc::clone(&self.rows));
            return Self { hashes, rows, recent: recent.into(), gone: gone.into() };
        }
        self.merged(&recent, &gone)
    }

    /// The sorted entries from a place on.
    fn entries(&self, first: usize) -> impl Iterator<Item = Entry> {
        self.hashes[first..].iter().zip(&self.rows[first..]).map(|(&hash, &row)| joined(hash, row))
    }

    /// A leaf of sorted entries only: those of this one without what is gone, and the recent ones.
    fn merged(&self, recent: &[Entry], gone: &[Entry]) -> Self {
        let mut all = Vec::with_capacity(self.hashes.len() + recent.len() - gone.len());
        let (mut recent, mut gone) = (recent.iter().copied().peekable(), gone.iter().copied().peekable());
        for entry in self.entries(0) {
            while let Some(earlier) = recent.next_if(|&earlier| earlier < entry) {
                all.push(earlier);
            }
            if gone.next_if_eq(&entry).is_none() {
                all.push(entry);
            }
        }
        all.extend(recent);
        Self {
            hashes: all.iter().map(|&entry| hash_of(entry)).collect(),
            rows: all.iter().map(|&entry| row_of(entry)).collect(),
            ..Self::default()
        }
    }

    /// How many changes the leaf takes before it is merged. Leaves differ, so that they do not all come to it at once.
    fn changes_max(&self) -> usize {
        let share = self.hashes.len() / RECENT_SHARE;
        let own = self.hashes.first().map_or(0, |&hash| hash as usize % 64);
        RECENT_ENTRIES_MIN + share + share * own / 64
    }
}

/// Two ascending lists as one.
fn union<'a>(a: &'a [Entry], b: &'a [Entry]) -> Cow<'a, [Entry]> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => return b.into(),
        (_, true) => return a.into(),
        _ => {}
    }
    let mut all = Vec::with_capacity(a.len() + b.len());
    let mut rest = a;
    for &entry in b {
        let (before, after) = rest.split_at(rest.iter().take_while(|&&other| other < entry).count());
        all.extend_from_slice(before);
        all.push(entry);
        rest = after;
    }
    all.extend_from_slice(rest);
    all.into()
}

/// An ascending list without entries that are in it, ascending too.
fn without<'a>(a: &'a [Entry], b: &[Entry]) -> Cow<'a, [Entry]> {
    if b.is_empty() {
        return a.into();
    }
    let mut gone = b.iter().copied().peekable();
    a.iter().copied().filter(|entry| gone.next_if_eq(entry).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn mix(value: u64) -> u64 {
        let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xd1b5_4a32_d192_ed03_u128;
        (product as u64) ^ ((product >> 64) as u64)
    }

    /// The rows that the index has for each of these hashes.
    fn rows_of(index: &UniqueIndex, hashes: &[u64]) -> Vec<Vec<u32>> {
        let mut rows = vec![vec![]; hashes.len()];
        index.candidates(&HashOrder::new(hashes), |place, row| rows[place as usize].push(row));
        rows
    }

    /// Batches of 1 to 5000 changes, many under few hashes, against a map; old versions keep their contents.
    #[test]
    fn behaves_like_a_map_and_clones_do_not_change() {
        let mut index = UniqueIndex::default();
        // Key → row. Of the keys below 1500, multiples of 5 share their hash and those of 7 all but its last bits.
        let mut model: HashMap<u64, u32> = HashMap::new();
        let hash = |key: u64| match key {
            key if key < 1500 && key.is_multiple_of(5) => mix(5),
            key if key < 1500 && key.is_multiple_of(7) => mix(7) ^ (key % 16) << 32,
            key => mix(key),
        };
        let (mut frozen, mut next_row, mut state) = (vec![], 0_u32, 1_u64);
        for step in 0..60 {
            state = mix(state);
            let size = [1, 2, 40, 5000][(state % 4) as usize];
            let keys: std::collections::BTreeSet<u64> = (0..size).map(|i| mix(state ^ i) % 30_000).collect();
            let (mut removed, mut added) = ((vec![], vec![]), (vec![], vec![]));
            for key in keys {
                // One in three of those that are there stays, with another row or the same.
                match model.remove(&key) {
                    Some(row) => {
                        removed.0.push(hash(key));
                        removed.1.push(row);
                        if mix(key ^ state).is_multiple_of(3) {
                            next_row += 1;
                            let row = if key.is_multiple_of(2) { row } else { next_row };
                            added.0.push(hash(key));
                            added.1.push(row);
                            model.insert(key, row);
                        }
                    }
                    None => {
                        next_row += 1;
                        added.0.push(hash(key));
                        added.1.push(next_row);
                        model.insert(key, next_row);
                    }
                }
            }
            index.change((&removed.0, &removed.1), (&added.0, &added.1));
            assert_eq!(index.len(), model.len(), "step {step}");
            if step % 12 == 0 {
                frozen.push((index.clone(), model.clone()));
            }
        }
        frozen.push((index, model));
        for (index, model) in frozen {
            let hashes: Vec<u64> = (0..30_000).map(hash).collect();
            let mut expected: HashMap<u32, Vec<u32>> = HashMap::new();
            for (&key, &row) in &model {
                expected.entry((hash(key) >> 32) as u32).or_default().push(row);
            }
            for (hash, mut rows) in hashes.iter().zip(rows_of(&index, &hashes)) {
                let mut wanted = expected.get(&((hash >> 32) as u32)).cloned().unwrap_or_default();
                rows.sort_unstable();
                wanted.sort_unstable();
                assert_eq!(rows, wanted);
            }
        }
    }

    #[test]
    fn a_batch_is_as_good_as_single_entries_and_takes_little_memory() {
        const ROWS: u32 = 200_000;
        let hashes: Vec<u64> = (0..u64::from(ROWS)).map(mix).collect();
        let rows: Vec<u32> = (0..ROWS).collect();
        let mut whole = UniqueIndex::default();
        whole.change((&[], &[]), (&hashes, &rows));
        let mut pieces = UniqueIndex::default();
        for (hashes, rows) in hashes.chunks(617).zip(rows.chunks(617)) {
            pieces.change((&[], &[]), (hashes, rows));
        }
        for index in [&whole, &pieces] {
            for (row, found) in rows.iter().zip(rows_of(index, &hashes)) {
                assert!(found.contains(row));
            }
            let bytes = index.byte_size() / rows.len();
            assert!(bytes <= 10, "{bytes} bytes an entry");
        }
    }

    #[test]
    fn rows_with_equal_hashes_are_found_in_groups() {
        let mut hashes: Vec<u64> = (0..3000).map(mix).collect();
        (hashes[2000], hashes[2999]) = (hashes[7], hashes[7]);
        let order = HashOrder::new(&hashes);
        let groups: Vec<Vec<u32>> = order.groups().map(Iterator::collect).collect();
        assert_eq!(groups, [vec![7, 2000, 2999]]);
    }

    #[test]
    #[should_panic(expected = "a row that is removed from an index is there")]
    fn only_what_is_there_is_removed() {
        let mut index = UniqueIndex::default();
        index.change((&[], &[]), (&[mix(1)], &[1]));
        index.change((&[mix(1)], &[2]), (&[], &[]));
    }
}
