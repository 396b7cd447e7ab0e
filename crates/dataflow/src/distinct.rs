//! SELECT DISTINCT: GROUP BY all columns, without aggregates.
//!
//! ```text
//!  Δin ──▶ (weight before, weight after) ──▶ Δout
//!             0 → n   +1
//!             n → 0   −1        anything else: nothing
//! ```
//!
//! Rows are distinct by SQL equality: of rows that are equal but not identical (1.0 and 1.00), the least by identity is
//! shown. State: one group per distinct row, as in [`Reduce`].

use crate::delta::{Delta, StepContext, StepError};
use crate::reduce::Reduce;
use crate::spec::{Mfp, ReducePlan};
use headwater_types::DataType;

/// See the module.
#[derive(Debug)]
pub struct Distinct {
    groups: Reduce,
}

impl Distinct {
    /// Of rows of these types.
    #[must_use]
    pub fn new(input: &[DataType]) -> Self {
        let plan = ReducePlan { key: (0..input.len()).collect(), aggregates: vec![], mfp: Mfp::identity(input.len()) };
        // Without columns too: DISTINCT of no rows is no row, unlike an aggregate without GROUP BY.
        Self { groups: Reduce::new(&plan, input).without_global_row() }
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
        self.groups.step(input, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bag, Random, Row, check};
    use headwater_types::Datum;
    use std::collections::BTreeMap;

    #[test]
    fn adds_up_to_recomputation() {
        let types = [DataType::Int4, DataType::Numeric(None)];
        let make = |random: &mut Random| vec![random.int(4), random.numeric(&["1", "1.0", "2.50", "2.5", "NaN"])];
        let recompute = |rows: &[Row]| {
            let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
            for row in rows {
                let equal = match &row[1] {
                    Datum::Numeric(headwater_types::Numeric::Finite(v)) => v.normalize().to_string(),
                    other => format!("{other:?}"),
                };
                groups.entry(format!("{:?} {equal}", row[0])).or_default().push(row.clone());
            }
            Bag::of(groups.into_values().map(|mut rows| {
                rows.sort_by_key(|row| format!("{row:?}").len());
                (rows.remove(0), 1)
            }))
        };
        let step =
            |op: &mut Distinct, delta: Delta, context: &StepContext<'_>| op.step(delta, context).expect("no limit");
        check(&types, &types, || Distinct::new(&types), step, make, recompute);
    }

    #[test]
    fn a_relation_without_columns_is_one_row_or_none() {
        let step =
            |op: &mut Distinct, delta: Delta, context: &StepContext<'_>| op.step(delta, context).expect("no limit");
        let recompute = |rows: &[Row]| Bag::of(rows.iter().take(1).map(|row| (row.clone(), 1)));
        check(&[], &[], || Distinct::new(&[]), step, |_| vec![], recompute);
    }

    #[test]
    fn a_negative_weight_is_an_error() {
        let types = [DataType::Int4];
        let delta = Delta::of(headwater_types::DeltaBatch::from_rows(&types, &[(vec![Datum::Int4(1)], -1)]));
        let error = Distinct::new(&types).step(delta, &crate::testing::context(false)).expect_err("negative");
        assert_eq!(error, StepError::NegativeWeight { operator: "Reduce", weight: -1 });
    }
}
