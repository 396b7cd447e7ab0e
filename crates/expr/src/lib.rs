//! Scalar expressions, functions, casts and aggregates: what they are, how they are resolved, and their evaluation over
//! columns.

mod aggregate;
mod context;
pub mod registry;
mod scalar;
mod table_function;

pub use aggregate::{Aggregate, AggregateFunction};
pub use context::{CatalogLookup, EvalContext};
pub use scalar::{Cast, CastContext, Column, ColumnOrder, Expr, Leaf, Quantifier, Scalar};
pub use table_function::TableFunction;
