//! Group keys → slots: where Reduce, TopK, Distinct, Threshold and AtMostOne find a group's state.
//!
//! ```text
//!  batch ─hash─▶ distinct keys of the batch ─▶ table: hash → slots ─verify against `keys`─▶ slot per row
//!                                                 └── none: new slot, key row appended
//!  per slot: hash, key row, number of rows             slots of vanished groups are used again
//! ```
//!
//! # Invariants
//!
//! 1. Live slots have pairwise SQL-different keys; NULL equals NULL.
//! 2. The key shown is, where SQL-equal values can differ, the least by identity among the group's rows; the identities
//!    are counted for such columns only.
//! 3. Per row: a hash, a probe of a small table, one comparison. Per distinct key of a batch: one probe of the large one.

use crate::delta::StepError;
use crate::order_key::{equal_may_differ, push_identity};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use headwater_arrange::RowStore;
use headwater_types::{Batch, DataType, Datum, Equality, RowEquality, array_of, hash_keys};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct GroupTable {
    operator: &'static str,
    types: Box<[DataType]>,
    table: HashTable<u32>,
    hashes: Vec<u64>,
    key_rows: Vec<u32>,
    weights: Vec<i64>,
    free: Vec<u32>,
    /// The key columns, then the slot.
    keys: RowStore,
    identities: Option<Identities>,
    touched: Touched,
    scratch: HashTable<u32>,
}

/// The slots touched in a step, each once, in order of first touch.
#[derive(Debug, Default)]
struct Touched {
    marked: Vec<bool>,
    slots: Vec<u32>,
}

impl GroupTable {
    pub(crate) fn new(operator: &'static str, types: &[DataType]) -> Self {
        let stored: Vec<DataType> = types.iter().cloned().chain([DataType::Int4]).collect();
        Self {
            operator,
            types: types.into(),
            table: HashTable::new(),
            hashes: vec![],
            key_rows: vec![],
            weights: vec![],
            free: vec![],
            keys: RowStore::new(stored),
            identities: None,
            touched: Touched::default(),
            scratch: HashTable::new(),
        }
    }

    /// Shows the least of SQL-equal keys, which needs the weights of [`GroupTable::add`].
    pub(crate) fn with_representatives(mut self) -> Self {
        let columns: Vec<usize> = (0..self.types.len()).filter(|&c| equal_may_differ(&self.types[c])).collect();
        if !columns.is_empty() {
            self.identities = Some(Identities { columns, of_slot: vec![], changed: vec![] });
        }
        self
    }

    /// One more than the greatest slot ever used.
    pub(crate) fn slots(&self) -> usize {
        self.hashes.len()
    }

    /// The number of rows in a group.
    pub(crate) fn weight(&self, slot: u32) -> i64 {
        self.weights[slot as usize]
    }

    /// Whether nothing is known of a group any more. With weights of both signs there may be rows left although they add
    /// up to none.
    pub(crate) fn is_empty(&self, slot: u32) -> bool {
        let no_identities = || self.identities.as_ref().is_none_or(|ids| ids.of_slot[slot as usize].is_empty());
        self.weights[slot as usize] == 0 && no_identities()
    }

    /// The slot of every row's group; groups that were not there come to be, with no rows.
    pub(crate) fn resolve(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, StepError> {
        let hashes = hash_keys(keys, &self.types, rows, Equality::Sql);
        let (firsts, members) = self.distinct_keys(keys, &hashes);
        let mut slots = self.find(keys, &hashes, &firsts)?;
        let new: Vec<usize> = (0..firsts.len()).filter(|&group| slots[group].is_none()).collect();
        if !new.is_empty() {
            let rows: Vec<u32> = new.iter().map(|&group| firsts[group]).collect();
            let created = self.create(keys, &hashes, &rows)?;
            for (group, slot) in new.into_iter().zip(created) {
                slots[group] = Some(slot);
            }
        }
        Ok(members.into_iter().map(|group| slots[group as usize].expect("found or created")).collect())
    }

    /// The first row of each distinct key of a batch, and each row's place among them.
    fn distinct_keys(&mut self, keys: &[ArrayRef], hashes: &[u64]) -> (Vec<u32>, Vec<u32>) {
        let same = RowEquality::new(keys, keys, &self.types, Equality::Sql);
        let mut firsts: Vec<u32> = vec![];
        let mut members = Vec::with_capacity(hashes.len());
        self.scratch.clear();
        for (row, &hash) in hashes.iter().enumerate() {
            let first_of = |group: &u32| firsts[*group as usize] as usize;
            let entry = self.scratch.entry(
                hash,
                |group| hashes[first_of(group)] == hash && same.equal(first_of(group), row),
                |group| hashes[first_of(group)],
            );
            match entry {
                Entry::Occupied(entry) => members.push(*entry.get()),
                Entry::Vacant(entry) => {
                    let group = u32::try_from(firsts.len()).expect("a batch has fewer than 2^32 rows");
                    entry.insert(group);
                    firsts.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
                    members.push(group);
                }
            }
        }
        (firsts, members)
    }

    fn find(&self, keys: &[ArrayRef], hashes: &[u64], firsts: &[u32]) -> Result<Vec<Option<u32>>, StepError> {
        let mut found = vec![None; firsts.len()];
        let mut candidates: Vec<(usize, u32)> = vec![];
        for (group, &first) in firsts.iter().enumerate() {
            let hash = hashes[first as usize];
            let same_hash = self.table.iter_hash(hash).filter(|&&slot| self.hashes[slot as usize] == hash);
            candidates.extend(same_hash.map(|&slot| (group, slot)));
        }
        if candidates.is_empty() {
            return Ok(found);
        }
        let stored = self.keys(&candidates.iter().map(|&(_, slot)| slot).collect::<Vec<_>>())?;
        let same = RowEquality::new(keys, &stored, &self.types, Equality::Sql);
        for (place, (group, slot)) in candidates.into_iter().enumerate() {
            if same.equal(firsts[group] as usize, place) {
                found[group] = Some(slot);
            }
        }
        Ok(found)
    }

    fn create(&mut self, keys: &[ArrayRef], hashes: &[u64], rows: &[u32]) -> Result<Vec<u32>, StepError> {
        self.keys.check_room(rows.len())?;
        let mut slots = Vec::with_capacity(rows.len());
        for &row in rows {
            let hash = hashes[row as usize];
            let slot = self.free.pop().unwrap_or_else(|| {
                self.hashes.push(0);
                self.key_rows.push(0);
                self.weights.push(0);
                self.touched.marked.push(false);
                u32::try_from(self.hashes.len() - 1).expect("fewer than 2^32 groups have key rows")
            });
            self.hashes[slot as usize] = hash;
            let hash_of = &self.hashes;
            self.table.insert_unique(hash, slot, |&other| hash_of[other as usize]);
            slots.push(slot);
        }
        let key = Batch::new(keys.to_vec(), hashes.len()).take(rows);
        self.store_keys(key.columns, &slots);
        if let Some(identities) = &mut self.identities {
            identities.of_slot.resize_with(self.hashes.len(), BTreeMap::new);
        }
        Ok(slots)
    }

    fn store_keys(&mut self, mut columns: Vec<ArrayRef>, slots: &[u32]) {
        let numbers: Int32Array = slots.iter().map(|&slot| Some(slot.cast_signed())).collect();
        columns.push(Arc::new(numbers));
        let rows = self.keys.append(&Batch::new(columns, slots.len()));
        for (&slot, row) in slots.iter().zip(rows) {
            self.key_rows[slot as usize] = row;
        }
    }

    /// Adds a batch's weights to its groups and marks them touched. Returns the groups not touched before in this step.
    pub(crate) fn touch(&mut self, slots: &[u32]) -> &[u32] {
        let known = self.touched.slots.len();
        for &slot in slots {
            let marked = &mut self.touched.marked[slot as usize];
            if !*marked {
                *marked = true;
                self.touched.slots.push(slot);
            }
        }
        &self.touched.slots[known..]
    }

    /// Adds a batch's weights to its groups.
    pub(crate) fn add(&mut self, slots: &[u32], weights: &[i64], keys: &[ArrayRef]) -> Result<(), StepError> {
        let mut overflowed = false;
        for (&slot, &weight) in slots.iter().zip(weights) {
            let (sum, overflow) = self.weights[slot as usize].overflowing_add(weight);
            self.weights[slot as usize] = sum;
            overflowed |= overflow;
        }
        if overflowed {
            return Err(StepError::WeightOverflow { operator: self.operator });
        }
        if let Some(identities) = &mut self.identities {
            identities.add(slots, weights, keys, &self.types);
        }
        Ok(())
    }

    /// The groups touched in this step, which ends.
    ///
    /// # Errors
    ///
    /// A group with fewer than no rows.
    pub(crate) fn take_touched(&mut self) -> Result<Vec<u32>, StepError> {
        let slots = self.take_touched_signed();
        for &slot in &slots {
            let weight = self.weights[slot as usize];
            if weight < 0 {
                return Err(StepError::NegativeWeight { operator: self.operator, weight });
            }
        }
        Ok(slots)
    }

    /// As [`GroupTable::take_touched`], where groups may have a negative weight.
    pub(crate) fn take_touched_signed(&mut self) -> Vec<u32> {
        let slots = std::mem::take(&mut self.touched.slots);
        for &slot in &slots {
            self.touched.marked[slot as usize] = false;
        }
        slots
    }

    /// The key columns of these groups.
    pub(crate) fn keys(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, StepError> {
        let rows: Vec<u32> = slots.iter().map(|&slot| self.key_rows[slot as usize]).collect();
        let columns: Vec<usize> = (0..self.types.len()).collect();
        Ok(self.keys.gather(&rows, &columns)?)
    }

    /// Stores the new least keys of the groups where they have changed.
    pub(crate) fn refresh_representatives(&mut self) -> Result<(), StepError> {
        let Some(identities) = &mut self.identities else { return Ok(()) };
        let mut changed = std::mem::take(&mut identities.changed);
        changed.sort_unstable();
        changed.dedup();
        for slot in changed {
            let Some((columns, least)) = self.identities.as_ref().and_then(|identities| identities.least(slot)) else {
                continue;
            };
            let mut key = self.keys(&[slot])?;
            let mut differs = false;
            for (&column, value) in columns.iter().zip(least) {
                let data_type = &self.types[column];
                differs |= Datum::from_array(&*key[column], data_type, 0) != *value;
                key[column] = array_of(data_type, std::slice::from_ref(value));
            }
            if differs {
                self.forget_keys(&[slot])?;
                self.store_keys(key, &[slot]);
            }
        }
        Ok(())
    }

    /// Removes groups that have no rows; their slots will be used again.
    pub(crate) fn release(&mut self, slots: &[u32]) -> Result<(), StepError> {
        if slots.is_empty() {
            return Ok(());
        }
        for &slot in slots {
            let hash = self.hashes[slot as usize];
            let Ok(entry) = self.table.find_entry(hash, |&other| other == slot) else {
                unreachable!("a live slot is in the table");
            };
            entry.remove();
            if let Some(identities) = &mut self.identities {
                identities.of_slot[slot as usize].clear();
            }
        }
        self.forget_keys(slots)?;
        self.free.extend(slots);
        Ok(())
    }

    fn forget_keys(&mut self, slots: &[u32]) -> Result<(), StepError> {
        let rows: Vec<u32> = slots.iter().map(|&slot| self.key_rows[slot as usize]).collect();
        self.keys.delete(&rows);
        if let Some(moves) = self.keys.compact() {
            let column = self.keys.gather(&moves.new, &[self.types.len()])?;
            for (slot, &row) in column[0].as_primitive::<Int32Type>().values().iter().zip(&moves.new) {
                self.key_rows[slot.cast_unsigned() as usize] = row;
            }
        }
        Ok(())
    }
}

/// Identity → (rows, the values of [`Identities::columns`]).
type Counts = BTreeMap<Box<[u8]>, (i64, Vec<Datum>)>;

/// How often each of several SQL-equal keys occurs in a group.
#[derive(Debug)]
struct Identities {
    /// The columns whose SQL-equal values can differ.
    columns: Vec<usize>,
    of_slot: Vec<Counts>,
    changed: Vec<u32>,
}

impl Identities {
    fn add(&mut self, slots: &[u32], weights: &[i64], keys: &[ArrayRef], types: &[DataType]) {
        let mut bytes = vec![];
        for (row, (&slot, &weight)) in slots.iter().zip(weights).enumerate() {
            let values: Vec<Datum> =
                self.columns.iter().map(|&c| Datum::from_array(&*keys[c], &types[c], row)).collect();
            bytes.clear();
            for value in &values {
                push_identity(value, &mut bytes);
            }
            let counts = &mut self.of_slot[slot as usize];
            let (before, after) = match counts.get_mut(&bytes[..]) {
                Some((count, _)) => {
                    let before = *count;
                    // No more than the group's rows, which were added up before.
                    *count = before.wrapping_add(weight);
                    (before, *count)
                }
                None => {
                    counts.insert(bytes.clone().into(), (weight, values));
                    (0, weight)
                }
            };
            if after == 0 {
                counts.remove(&bytes[..]);
            }
            if (before > 0) != (after > 0) {
                self.changed.push(slot);
            }
        }
    }

    /// The columns concerned and their values in the least of a group's rows.
    fn least(&self, slot: u32) -> Option<(&[usize], &[Datum])> {
        let (_, (_, values)) = self.of_slot[slot as usize].iter().find(|(_, (count, _))| *count > 0)?;
        Some((&self.columns, values))
    }
}
