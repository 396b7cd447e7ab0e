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

    /// Consumes one step's input delta and returns that step's output delta.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn step(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Delta, StepError> {
        self.groups.step(input, context)
    }
}
