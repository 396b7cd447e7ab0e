//! Keys of any type: kept as rows, found by their hash and compared a column at a time.
//!
//! ```text
//!  batch ─hash─▶ distinct keys of the batch ─▶ table: hash → slots ─verify against `keys`─▶ slot per row
//!                                                 └── none: new slot, key row appended
//! ```
//!
//! # Invariants
//!
//! 1. `key_rows[slot]` is the row of a live slot's key.
//! 2. Per row: a hash, a probe of a small table, one comparison. Per distinct key of a batch: one probe of the large one.

use super::SlotNumbers;
use crate::delta::StepError;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use headwater_arrange::RowStore;
use headwater_types::{Batch, DataType, Equality, RowEquality, flat_column, hash_keys};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct StoredKeys {
    types: Box<[DataType]>,
    table: HashTable<u32>,
    hashes: Vec<u64>,
    key_rows: Vec<u32>,
    /// The key columns, then the slot.
    keys: RowStore,
    scratch: HashTable<u32>,
}

impl StoredKeys {
    pub(super) fn new(types: &[DataType]) -> Self {
        let stored: Vec<DataType> = types.iter().cloned().chain([DataType::Int4]).collect();
        Self {
            types: types.into(),
            table: HashTable::new(),
            hashes: vec![],
            key_rows: vec![],
            keys: RowStore::new(stored),
            scratch: HashTable::new(),
        }
    }

    /// The slot of every row's key; keys that were not there get one.
    pub(super) fn resolve(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        numbers: &mut SlotNumbers,
    ) -> Result<Vec<u32>, StepError> {
        let hashes = hash_keys(keys, &self.types, rows, Equality::Sql);
        let (firsts, members) = self.distinct_keys(keys, &hashes);
        let mut slots = self.find(keys, &hashes, &firsts)?;
        let new: Vec<usize> = (0..firsts.len()).filter(|&group| slots[group].is_none()).collect();
        if !new.is_empty() {
            let rows: Vec<u32> = new.iter().map(|&group| firsts[group]).collect();
            let created = self.create(keys, &hashes, &rows, numbers)?;
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
        let stored = self.columns(&candidates.iter().map(|&(_, slot)| slot).collect::<Vec<_>>())?;
        let same = RowEquality::new(keys, &stored, &self.types, Equality::Sql);
        for (place, (group, slot)) in candidates.into_iter().enumerate() {
            if same.equal(firsts[group] as usize, place) {
                found[group] = Some(slot);
            }
        }
        Ok(found)
    }

    fn create(
        &mut self,
        keys: &[ArrayRef],
        hashes: &[u64],
        rows: &[u32],
        numbers: &mut SlotNumbers,
    ) -> Result<Vec<u32>, StepError> {
        self.keys.check_room(rows.len())?;
        let mut slots = Vec::with_capacity(rows.len());
        for &row in rows {
            let hash = hashes[row as usize];
            let slot = numbers.take();
            if slot as usize == self.hashes.len() {
                self.hashes.push(0);
                self.key_rows.push(0);
            }
            self.hashes[slot as usize] = hash;
            let hash_of = &self.hashes;
            self.table.insert_unique(hash, slot, |&other| hash_of[other as usize]);
            slots.push(slot);
        }
        let key = Batch::new(keys.to_vec(), hashes.len()).take(rows);
        self.store(key.columns.iter().map(flat_column).collect(), &slots);
        Ok(slots)
    }

    fn store(&mut self, mut columns: Vec<ArrayRef>, slots: &[u32]) {
        let numbers: Int32Array = slots.iter().map(|&slot| Some(slot.cast_signed())).collect();
        columns.push(Arc::new(numbers));
        let rows = self.keys.append(&Batch::new(columns, slots.len()));
        for (&slot, row) in slots.iter().zip(rows) {
            self.key_rows[slot as usize] = row;
        }
    }

    /// The key columns of these slots.
    pub(super) fn columns(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, StepError> {
        let rows: Vec<u32> = slots.iter().map(|&slot| self.key_rows[slot as usize]).collect();
        let columns: Vec<usize> = (0..self.types.len()).collect();
        Ok(self.keys.gather(&rows, &columns)?)
    }

    /// Shows another of the SQL-equal keys for a slot.
    pub(super) fn replace(&mut self, slot: u32, key: Vec<ArrayRef>) -> Result<(), StepError> {
        self.forget(&[slot])?;
        self.store(key, &[slot]);
        Ok(())
    }

    /// Forgets slots' keys.
    pub(super) fn release(&mut self, slots: &[u32]) -> Result<(), StepError> {
        for &slot in slots {
            let hash = self.hashes[slot as usize];
            let Ok(entry) = self.table.find_entry(hash, |&other| other == slot) else {
                unreachable!("a live slot is in the table");
            };
            entry.remove();
        }
        self.forget(slots)
    }

    fn forget(&mut self, slots: &[u32]) -> Result<(), StepError> {
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

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.table.allocation_size()
            + self.hashes.capacity() * size_of::<u64>()
            + self.key_rows.capacity() * size_of::<u32>()
            + self.keys.rows().byte_size()
            + self.scratch.allocation_size()
    }
}
