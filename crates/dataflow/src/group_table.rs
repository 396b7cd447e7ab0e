//! Group keys → slots: where Reduce, TopK, Distinct, Threshold and AtMostOne find a group's state.
//!
//! ```text
//!  batch ─▶ keys: packed (numbers, times, texts) or stored (any type) ─▶ slot per row
//!  per slot: its key, the number of its rows               slots of vanished groups are used again
//! ```
//!
//! # Invariants
//!
//! 1. Live slots have pairwise SQL-different keys; NULL equals NULL.
//! 2. The key shown is, where SQL-equal values can differ, the least by identity among the group's rows; the identities
//!    are counted for such columns only.

mod packed;
mod stored;
mod texts;

use crate::delta::{StepError, too_large};
use crate::order_key::{equal_may_differ, push_identity};
use arrow_array::ArrayRef;
use headwater_types::{DataType, Datum, array_of};
use packed::PackedKeys;
use std::collections::BTreeMap;
use stored::StoredKeys;

/// See the module.
#[derive(Debug)]
pub(crate) struct GroupTable {
    operator: &'static str,
    types: Box<[DataType]>,
    keys: Keys,
    numbers: SlotNumbers,
    weights: Vec<i64>,
    identities: Option<Identities>,
    touched: Touched,
}

/// Which key is which slot's.
#[derive(Debug)]
enum Keys {
    Packed(Box<PackedKeys>),
    Stored(Box<StoredKeys>),
}

/// Numbers for groups; those of vanished ones come first.
#[derive(Debug, Default)]
struct SlotNumbers {
    free: Vec<u32>,
    used: u32,
}

impl SlotNumbers {
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.used = self.used.checked_add(1).expect("fewer than 2^32 groups have keys");
            self.used - 1
        })
    }
}

/// The slots touched in a step, each once, in order of first touch.
#[derive(Debug, Default)]
struct Touched {
    marked: Vec<bool>,
    slots: Vec<u32>,
}

impl GroupTable {
    pub(crate) fn new(operator: &'static str, types: &[DataType]) -> Self {
        let keys = match PackedKeys::new(types) {
            Some(packed) => Keys::Packed(Box::new(packed)),
            None => Keys::Stored(Box::new(StoredKeys::new(types))),
        };
        Self {
            operator,
            types: types.into(),
            keys,
            numbers: SlotNumbers::default(),
            weights: vec![],
            identities: None,
            touched: Touched::default(),
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

    /// Whether groups show the least of SQL-equal keys.
    pub(crate) fn has_representatives(&self) -> bool {
        self.identities.is_some()
    }

    /// One more than the greatest slot ever used.
    pub(crate) fn slots(&self) -> usize {
        self.weights.len()
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
        let slots = match &mut self.keys {
            Keys::Packed(packed) => packed.resolve(keys, rows, &mut self.numbers),
            Keys::Stored(stored) => stored.resolve(keys, rows, &mut self.numbers)?,
        };
        let used = self.numbers.used as usize;
        if used > self.weights.len() {
            self.weights.resize(used, 0);
            self.touched.marked.resize(used, false);
            if let Some(identities) = &mut self.identities {
                identities.of_slot.resize_with(used, BTreeMap::new);
            }
        }
        Ok(slots)
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

    /// Adds to one group's weight, where what it counts cannot overflow.
    #[inline]
    pub(crate) fn refer(&mut self, slot: u32, weight: i64) {
        self.weights[slot as usize] += weight;
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
        match &self.keys {
            Keys::Packed(packed) => packed.columns(slots).ok_or_else(too_large),
            Keys::Stored(stored) => stored.columns(slots),
        }
    }

    /// Stores the new least keys of the groups where they have changed.
    pub(crate) fn refresh_representatives(&mut self) -> Result<(), StepError> {
        let Keys::Stored(stored) = &mut self.keys else { return Ok(()) };
        let Some(identities) = &mut self.identities else { return Ok(()) };
        let mut changed = std::mem::take(&mut identities.changed);
        changed.sort_unstable();
        changed.dedup();
        for slot in changed {
            let Some((columns, least)) = identities.least(slot) else { continue };
            let mut key = stored.columns(&[slot])?;
            let mut differs = false;
            for (&column, value) in columns.iter().zip(least) {
                let data_type = &self.types[column];
                differs |= Datum::from_array(&*key[column], data_type, 0) != *value;
                key[column] = array_of(data_type, std::slice::from_ref(value));
            }
            if differs {
                stored.replace(slot, key)?;
            }
        }
        Ok(())
    }

    /// Removes groups that have no rows; their slots will be used again.
    pub(crate) fn release(&mut self, slots: &[u32]) -> Result<(), StepError> {
        if slots.is_empty() {
            return Ok(());
        }
        match &mut self.keys {
            Keys::Packed(packed) => packed.release(slots),
            Keys::Stored(stored) => stored.release(slots)?,
        }
        if let Some(identities) = &mut self.identities {
            for &slot in slots {
                identities.of_slot[slot as usize].clear();
            }
        }
        self.numbers.free.extend(slots);
        Ok(())
    }

    /// The memory kept.
    pub(crate) fn state_bytes(&self) -> usize {
        let keys = match &self.keys {
            Keys::Packed(packed) => packed.state_bytes(),
            Keys::Stored(stored) => stored.state_bytes(),
        };
        keys + self.weights.capacity() * (size_of::<i64>() + size_of::<bool>())
            + (self.numbers.free.capacity() + self.touched.slots.capacity()) * size_of::<u32>()
            + self.identities.as_ref().map_or(0, |identities| identities.of_slot.capacity() * size_of::<Counts>())
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

#[cfg(test)]
mod tests;
