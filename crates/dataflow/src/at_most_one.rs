//! A scalar subquery's promise: at most one row per group, else error 21000.
//!
//! ```text
//!  Δin ─┬────────────────────────────────────▶ rows, unchanged
//!       └─▶ rows per group ─▶ 1 → 2  error +1      2 → 1  error −1
//! ```
//!
//! The error is data: it is taken back when the group is small again. State: a count per group, no rows.

use crate::delta::{Delta, StepContext, StepError};
use crate::group_table::GroupTable;
use arrow_array::ArrayRef;
use headwater_types::{DataType, SqlError, SqlState};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct AtMostOne {
    key: Vec<usize>,
    groups: GroupTable,
}

impl AtMostOne {
    /// Per group of these columns, of rows of these types.
    #[must_use]
    pub fn new(key: &[usize], input: &[DataType]) -> Self {
        let types: Vec<DataType> = key.iter().map(|&c| input[c].clone()).collect();
        Self { key: key.to_vec(), groups: GroupTable::new("AtMostOne", &types) }
    }

    /// The memory kept.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.groups.state_bytes()
    }

    /// Consumes one step's input delta and returns that step's output delta.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn step(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Delta, StepError> {
        context.touch(input.rows());
        let mut output = input;
        let mut many_before = vec![];
        for batch in output.batches.iter_mut().filter(|batch| !batch.is_empty()) {
            batch.row_ids = None;
            let keys: Vec<ArrayRef> = self.key.iter().map(|&c| Arc::clone(&batch.rows.columns[c])).collect();
            let slots = self.groups.resolve(&keys, batch.rows.rows)?;
            let fresh = self.groups.touch(&slots).to_vec();
            many_before.extend(fresh.into_iter().map(|slot| self.groups.weight(slot) > 1));
            self.groups.add(&slots, &batch.weights, &keys)?;
        }
        let touched = self.groups.take_touched()?;
        for (&slot, many_before) in touched.iter().zip(many_before) {
            let many = self.groups.weight(slot) > 1;
            if many != many_before {
                let message = "more than one row returned by a subquery used as an expression";
                let error = SqlError::new(SqlState::CardinalityViolation, message);
                output.errors.push((error, if many { 1 } else { -1 }));
            }
        }
        let gone: Vec<u32> = touched.into_iter().filter(|&slot| self.groups.weight(slot) == 0).collect();
        self.groups.release(&gone)?;
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bag, Random, Row, check};
    use std::collections::BTreeMap;

    #[test]
    fn adds_up_to_recomputation() {
        let types = [DataType::Int4, DataType::Int4];
        let make = |random: &mut Random| vec![random.int(6), random.int(3)];
        let recompute = |rows: &[Row]| {
            let mut bag = Bag::of(rows.iter().map(|row| (row.clone(), 1)));
            let mut groups: BTreeMap<String, u64> = BTreeMap::new();
            for row in rows {
                *groups.entry(format!("{:?}", row[0])).or_default() += 1;
            }
            for _ in groups.values().filter(|&&count| count > 1) {
                bag.add("error 21000 more than one row returned by a subquery used as an expression".to_owned(), 1);
            }
            bag
        };
        let step =
            |op: &mut AtMostOne, delta: Delta, context: &StepContext<'_>| op.step(delta, context).expect("no limit");
        check(&types, &types, || AtMostOne::new(&[0], &types), step, make, recompute);
    }
}
