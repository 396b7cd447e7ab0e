//! The operators that only touch weights: UNION ALL and negation.
//!
//! ```text
//!  Δ(A ∪ B) = ΔA + ΔB        Δ(−A) = −ΔA
//! ```
//!
//! Errors are never negated: `A EXCEPT ALL B` fails where B fails, and an error of B must not cancel one of A.

use crate::delta::{Delta, StepContext, StepError};

/// UNION ALL of any number of inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Union;

impl Union {
    /// One output delta of one delta per input.
    #[must_use]
    pub fn step(&mut self, inputs: Vec<Delta>, _context: &StepContext<'_>) -> Delta {
        let mut output = Delta::default();
        for input in inputs {
            output.append(input);
        }
        // Rows of several relations are no longer those of one.
        for batch in &mut output.batches {
            batch.row_ids = None;
        }
        output
    }
}

/// The input's weights negated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Negate;

impl Negate {
    /// The negated delta.
    ///
    /// # Errors
    ///
    /// A weight that has no opposite.
    pub fn step(&mut self, mut input: Delta, _context: &StepContext<'_>) -> Result<Delta, StepError> {
        for batch in &mut input.batches {
            batch.row_ids = None;
            for weight in &mut batch.weights {
                *weight = weight.checked_neg().ok_or(StepError::WeightOverflow { operator: "Negate" })?;
            }
        }
        Ok(input)
    }
}
