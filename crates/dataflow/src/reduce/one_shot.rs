//! GROUP BY of rows that all come once: no group is shown before the last row has come.
//!
//! ```text
//!  rows ─▶ collect ┐
//!  rows ─▶ collect ┴▶ absorb ─▶ finish ─▶ (key, values) +1
//! ```
//! So min and max keep one value, nothing is taken back, and parts of the rows can be reduced on threads of their own.

use super::{EMITTED_ROWS_MAX, Reduce};
use crate::delta::{Delta, StepContext, StepError};
use arrow_array::ArrayRef;
use headwater_types::SqlError;
use std::sync::Arc;

impl Reduce {
    /// Whether [`Reduce::absorb`] can add up parts. DISTINCT other than in a count, and keys of which the least of
    /// SQL-equal ones is shown, want all rows in one place.
    #[must_use]
    pub fn is_divisible(&self) -> bool {
        !self.groups.has_representatives() && self.aggregates.iter().all(|aggregate| aggregate.is_divisible())
    }

    /// Takes rows, all of them insertions, and gives the errors of those that failed.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn collect(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Vec<(SqlError, i64)>, StepError> {
        debug_assert!(!input.has_retractions(), "rows that come once are not taken back");
        context.touch(input.rows());
        let mut errors = input.errors;
        for batch in input.batches.into_iter().filter(|batch| !batch.is_empty()) {
            let batch = self.with_shared(batch, context);
            let keys: Vec<ArrayRef> = self.key.iter().map(|&c| Arc::clone(&batch.rows.columns[c])).collect();
            let slots = self.groups.resolve(&keys, batch.rows.rows)?;
            self.enter(&slots, &batch.weights, &keys)?;
            for aggregate in &mut self.aggregates {
                aggregate.update(&batch, &slots, context, true, &mut errors)?;
            }
        }
        Ok(errors)
    }

    /// Adds what another one, which is divisible as this one is, has collected of other rows.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn absorb(&mut self, other: Self) -> Result<(), StepError> {
        let theirs: Vec<u32> = (0u32..).take(other.groups.slots()).collect();
        let mut ours = Vec::with_capacity(theirs.len());
        for slots in theirs.chunks(EMITTED_ROWS_MAX) {
            let keys = other.groups.keys(slots)?;
            let weights: Vec<i64> = slots.iter().map(|&slot| other.groups.weight(slot)).collect();
            let slots = self.groups.resolve(&keys, slots.len())?;
            self.enter(&slots, &weights, &keys)?;
            ours.extend(slots);
        }
        for (mine, theirs) in self.aggregates.iter_mut().zip(other.aggregates) {
            mine.absorb(theirs, &ours)?;
        }
        Ok(())
    }

    /// The groups, in the order in which they came.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn finish(&mut self, context: &StepContext<'_>) -> Result<Delta, StepError> {
        if self.global {
            let slots = self.groups.resolve(&[], 1)?;
            self.enter(&slots, &[0], &[])?;
        }
        let groups = self.groups.take_touched()?;
        self.groups.refresh_representatives()?;
        context.touch(groups.len());
        let mut output = Delta::default();
        for slots in groups.chunks(EMITTED_ROWS_MAX) {
            let (rows, errors) = self.rows(slots)?;
            let keep = vec![true; rows.rows];
            self.send(rows, &errors, keep, 1, context, &mut output);
        }
        Ok(output)
    }

    fn enter(&mut self, slots: &[u32], weights: &[i64], keys: &[ArrayRef]) -> Result<(), StepError> {
        self.groups.touch(slots);
        self.groups.add(slots, weights, keys)?;
        for aggregate in &mut self.aggregates {
            aggregate.grow(self.groups.slots());
        }
        Ok(())
    }
}
