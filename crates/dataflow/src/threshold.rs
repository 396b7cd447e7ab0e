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

    /// The memory kept.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.rows.state_bytes()
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
        let gone: Vec<u32> = touched.into_iter().filter(|&slot| self.rows.is_empty(slot)).collect();
        self.rows.release(&gone)?;
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bag, Row, check, numeric};
    use headwater_types::{Datum, Numeric};
    use std::collections::BTreeMap;

    const TYPES: [DataType; 1] = [DataType::Numeric(None)];

    /// Negative values are subtracted. SQL-equal rows are the same; the least identity that is left over is shown.
    fn except(rows: &[Row]) -> Bag {
        let mut groups: BTreeMap<String, BTreeMap<(u32, String), i64>> = BTreeMap::new();
        for row in rows {
            let Datum::Numeric(Numeric::Finite(value)) = &row[0] else { panic!("finite") };
            let group = groups.entry(value.abs().normalize().to_string()).or_default();
            let weight = if value.is_sign_negative() { -1 } else { 1 };
            *group.entry((value.scale(), value.abs().to_string())).or_default() += weight;
        }
        let mut bag = Bag::default();
        for group in groups.into_values() {
            let weight: i64 = group.values().sum();
            if let (1.., Some(((_, text), _))) = (weight, group.iter().find(|(_, count)| **count > 0)) {
                bag.add_row(&vec![numeric(text)], weight);
            }
        }
        bag
    }

    /// A negative value stands for its opposite with weight −1.
    fn step(operator: &mut Threshold, input: Delta, context: &StepContext<'_>) -> Delta {
        let mut rows = vec![];
        for batch in &input.batches {
            for (row, weight) in batch.to_rows(&TYPES) {
                let Datum::Numeric(Numeric::Finite(value)) = &row[0] else { panic!("finite") };
                let sign = if value.is_sign_negative() { -1 } else { 1 };
                rows.push((vec![numeric(&value.abs().to_string())], weight * sign));
            }
        }
        operator.step(Delta::of(DeltaBatch::from_rows(&TYPES, &rows)), context).expect("no limit")
    }

    #[test]
    fn adds_up_to_recomputation() {
        let values = ["1", "1.0", "1.00", "2", "-1", "-1.0", "-2", "3.5", "-3.50"];
        let make = |random: &mut crate::testing::Random| {
            vec![random.text(&values)]
                .into_iter()
                .map(|t| match t {
                    Datum::Text(t) => numeric(&t),
                    other => other,
                })
                .collect()
        };
        check(&TYPES, &TYPES, || Threshold::new(&TYPES), step, make, except);
    }
}
