//! Incremental operators and finishing: pure, no I/O, no clock, no threads, no SQL.
//!
//! ```text
//!  Source ─▶ MapFilterProject ─┬─▶ Join ─▶ Reduce ─▶ … ─▶ result          each: step(input deltas) → output delta
//!  Source ─▶ MapFilterProject ─┘
//! ```
//!
//! # Invariants
//!
//! 1. The outputs of all steps so far add up to the operator's definition applied to all inputs so far; how the inputs
//!    were cut into steps and batches does not show.
//! 2. Equal state and equal input give equal output: no hash order, no randomness.
//! 3. A row whose expression fails leaves the rows and becomes a weighted error; a retraction of the row takes it back.
//! 4. A step costs what changes in inputs and outputs, plus touched groups where an operator says so.
//! 5. A [`StepError`] is a limit or a bug: the operator must not be stepped again.
//!
//! Every decision was made in the plan: operators are built from [`spec`] and obey.

mod accumulate;
mod at_most_one;
mod delta;
mod distinct;
mod finish;
mod flat_map;
mod group_table;
mod join;
mod linear;
mod map_filter_project;
mod order_key;
mod reduce;
mod sharded_table;
pub mod spec;
#[cfg(test)]
mod testing;
mod threshold;
mod top_k;

pub use at_most_one::AtMostOne;
pub use delta::{Delta, SourceDelta, StepContext, StepError};
pub use distinct::Distinct;
pub use finish::{FINISHED_BATCH_ROWS_MAX, Finished, finish};
pub use flat_map::FlatMap;
pub use join::{Join, SideInput, SideRelation};
pub use linear::{Negate, Union};
pub use map_filter_project::MapFilterProject;
pub use reduce::Reduce;
pub use threshold::Threshold;
pub use top_k::TopK;
