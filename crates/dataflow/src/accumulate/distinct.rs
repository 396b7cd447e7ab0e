//! DISTINCT inside an aggregate: how often each value occurs in each group, and which values come and go.
//!
//! ```text
//!  value ─▶ code, the same in all groups ─▶ (group, code) weight before, after ─▶ 0 → n  +1
//!                                                                                 n → 0  −1   anything else: nothing
//! ```
//!
//! The first of SQL-equal values to come stands for them, whichever group it came in: see [`super::distinct_shown`] for
//! the aggregates to which that matters. A count needs no more than the number of a group's values.
//!
//! Crossings are counted row by row, so within a step a value may come and go; they add up to the net change.

use super::Input;
use super::code_set::{Change, CodeSets};
use crate::delta::StepError;
use crate::group_table::GroupTable;
use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use headwater_types::DataType;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct DistinctSet {
    /// A value's code is its slot; its weight is the number of groups that have it.
    values: GroupTable,
    sets: CodeSets,
}

/// The values that came (+1) and went (−1).
pub(super) struct Appeared {
    pub(super) slots: Vec<u32>,
    pub(super) weights: Vec<i64>,
    pub(super) args: Vec<ArrayRef>,
    pub(super) keys: Vec<ArrayRef>,
}

impl DistinctSet {
    pub(super) fn new(types: &[DataType]) -> Self {
        Self { values: GroupTable::new("Reduce", types), sets: CodeSets::new() }
    }

    /// Makes room for groups below `slots`.
    pub(super) fn grow(&mut self, slots: usize) {
        self.sets.grow(slots);
    }

    /// Gives back the memory of a group without rows.
    pub(super) fn reset(&mut self, slot: usize) {
        self.sets.release(slot);
    }

    /// How many values each of these groups has.
    pub(super) fn counts(&self, slots: &[u32]) -> ArrayRef {
        Arc::new(slots.iter().map(|&slot| Some(i64::from(self.sets.count(slot as usize)))).collect::<Int64Array>())
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, mut other: Self, slots: &[u32]) -> Result<(), StepError> {
        let theirs: Vec<u32> = (0u32..).take(other.values.slots()).collect();
        let codes = self.values.resolve(&other.values.keys(&theirs)?, theirs.len())?;
        let in_use = self.values.slots();
        let (sets, values) = (&mut self.sets, &mut self.values);
        let mut overflowed = false;
        other.sets.drain(|group, code, weight| {
            let code = codes[code as usize];
            match sets.add(slots[group], code, weight, in_use) {
                Ok(Change { before: 0, .. }) => values.refer(code, 1),
                Ok(_) => {}
                Err(_) => overflowed = true,
            }
        });
        if overflowed { Err(StepError::WeightOverflow { operator: "Reduce" }) } else { Ok(()) }
    }

    /// Adds a batch's weights.
    pub(super) fn update(&mut self, input: &Input<'_>) -> Result<(), StepError> {
        let codes = self.add(input, |_, _, _| {})?;
        self.forget_unused(input, &codes)
    }

    /// Adds a batch's weights, and tells what they change.
    pub(super) fn apply(&mut self, input: &Input<'_>) -> Result<Appeared, StepError> {
        let (mut rows, mut slots, mut weights) = (vec![], vec![], vec![]);
        let codes = self.add(input, |row, slot, weight| {
            rows.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
            slots.push(slot);
            weights.push(weight);
        })?;
        // The stored value stands for all its equals, so that what goes is what came.
        let changed: Vec<u32> = rows.iter().map(|&row| codes[row as usize]).collect();
        let args = self.values.keys(&changed)?;
        let rows = UInt32Array::from(rows);
        let key_of = |key: &ArrayRef| arrow_select::take::take(key, &rows, None).expect("rows of this batch");
        let keys = input.keys.iter().map(key_of).collect();
        self.forget_unused(input, &codes)?;
        Ok(Appeared { slots, weights, args, keys })
    }

    /// Adds a batch's weights and calls `crossed(row, slot, ±1)` where a value comes or goes. Returns the rows' codes.
    fn add(&mut self, input: &Input<'_>, mut crossed: impl FnMut(usize, u32, i64)) -> Result<Vec<u32>, StepError> {
        let codes = self.values.resolve(input.args, input.slots.len())?;
        let in_use = self.values.slots();
        let (sets, values) = (&mut self.sets, &mut self.values);
        let mut overflowed = false;
        input.for_each(|row, _, weight| {
            let (code, slot) = (codes[row], input.slots[row]);
            let Ok(Change { before, after }) = sets.add(slot, code, weight, in_use) else {
                overflowed = true;
                return;
            };
            if (before == 0) != (after == 0) {
                values.refer(code, if after == 0 { -1 } else { 1 });
            }
            if (before > 0) != (after > 0) {
                crossed(row, slot, if after > 0 { 1 } else { -1 });
            }
        });
        if overflowed { Err(StepError::WeightOverflow { operator: "Reduce" }) } else { Ok(codes) }
    }

    /// Forgets the values of a batch that no group has.
    fn forget_unused(&mut self, input: &Input<'_>, codes: &[u32]) -> Result<(), StepError> {
        let all_count = input.selected.is_none() && input.weights.iter().all(|&weight| weight > 0);
        if all_count {
            return Ok(());
        }
        let mut unused: Vec<u32> = codes.iter().copied().filter(|&code| self.values.weight(code) == 0).collect();
        unused.sort_unstable();
        unused.dedup();
        self.values.release(&unused)
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.values.state_bytes() + self.sets.state_bytes()
    }
}
