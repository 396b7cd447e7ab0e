//! Scalar expressions, functions, casts and aggregates: what they are, how they are resolved, and their evaluation over
//! columns.

mod aggregate;
mod context;
pub mod eval;
mod functions;
pub mod keywords;
#[cfg(test)]
mod postgres_tests;
pub mod registry;
mod scalar;
mod table_function;
#[cfg(test)]
mod testing;

pub use aggregate::{Aggregate, AggregateFunction};
pub use context::{CatalogLookup, EvalContext};
pub use eval::{
    Evaluated, RowErrors, cast_value, evaluate, evaluate_constant, evaluate_predicate, evaluate_table_function,
    fold_constants, fold_stable,
};
pub use headwater_types::ColumnOrder;
pub use registry::{FunctionRef, Volatility};
pub use scalar::{Cast, CastContext, Column, Expr, Leaf, Quantifier, Scalar};
pub use table_function::TableFunction;
