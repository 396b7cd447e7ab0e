//! Running dataflow plans: once, over a snapshot ([`local`]), or for as long as a view lives ([`runtime`]).
//!
//! ```text
//!                         lir::Plan
//!                      ┌──────┴──────┐
//!                    local        runtime ── stages: where rows change workers
//!                      │             │       timely: one dataflow per view, one operator per stage
//!                      └──── node ───┘
//!                     dataflow's operators: the same for both
//! ```
//!
//! Timely's one home: no other crate names it.

mod interrupt;
pub mod local;
mod node;
pub mod runtime;
mod stages;
#[cfg(test)]
mod testing;

pub use interrupt::Interrupt;
