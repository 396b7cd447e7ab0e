//! Rows whose weight is positive keep it, others vanish: `A EXCEPT ALL B` is `Threshold(A ∪ −B)`.
//!
//! ```text
//!  Δin ──▶ (weight before, weight after) ──▶ Δout = max(after, 0) − max(before, 0)
//! ```
//!
//! # Invariants
//!
//! 1. Rows are the same by SQL equality; the row shown is the least by identity of those with a positive weight.
//! 2. A step costs O(|Δin|).

use crate::delta::{Delta, StepContext, StepError};
use crate::group_table::GroupTable;
use arrow_array::ArrayRef;
use headwater_types::{Batch, DataType, DeltaBatch};

/// See the module.
#[derive(Debug)]
pub struct Threshold {
    rows: GroupTable,
}

impl Threshold {
    /// Of rows of these types.
    #[must_use]
    pub fn new(input: &[DataType]) -> Self {
        Self { rows: GroupTable::new("Threshold", input).with_representatives() }
    }

    /// Consumes one step's input delta and returns that step's output delta.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn step(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Delta, StepError> {
        context.touch(input.rows());
        let mut old_rows: Vec<Vec<ArrayRef>> = vec![];
        let mut output = Delta { batches: vec![], errors: input.errors };
        let mut retracted = vec![];
        for batch in input.batches.iter().filter(|batch| !batch.is_empty()) {
            let slots = self.rows.resolve(&batch.rows.columns, batch.rows.rows)?;
            let fresh = self.rows.touch(&slots).to_vec();
            let shown: Vec<u32> = fresh.iter().copied().filter(|&slot| self.rows.weight(slot) > 0).collect();
            if !shown.is_empty() {
                retracted.extend(shown.iter().map(|&slot| -self.rows.weight(slot)));
                old_rows.push(self.rows.keys(&shown)?);
            }
            self.rows.add(&slots, &batch.weights, &batch.rows.columns)?;
        }
        let touched = self.rows.take_touched_signed();
        self.rows.refresh_representatives()?;
        let mut weights = retracted.into_iter();
        for columns in old_rows {
            let rows = columns.first().map_or(1, arrow_array::Array::len);
            let weights: Vec<i64> = weights.by_ref().take(rows).collect();
            output.push(DeltaBatch::new(Batch::new(columns, rows), weights));
        }
        let shown: Vec<u32> = touched.iter().copied().filter(|&slot| self.rows.weight(slot) > 0).collect();
        let weights: Vec<i64> = shown.iter().map(|&slot| self.rows.weight(slot)).collect();
        output.push(DeltaBatch::new(Batch::new(self.rows.keys(&shown)?, shown.len()), weights));
        context.touch(output.rows());
        let gone: Vec<u32> = touched.into_iter().filter(|&slot| self.rows.weight(slot) == 0).collect();
        self.rows.release(&gone)?;
        Ok(output)
    }
}
