//! From a bound query to a dataflow plan: HIR → MIR → LIR, and the rewrites in between.
//!
//! One type per stage, each consuming the last: [`hir`] is what binding produces, [`lir`] what rendering obeys.

pub mod hir;
pub mod hir_visit;
pub mod lir;
