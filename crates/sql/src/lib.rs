//! SQL text → parsed statements → bound statements (HIR).
//!
//! [`parse_script`] splits a script and parses each statement; [`bind`] resolves one against a catalog. Both are pure:
//! no I/O, no clock, no state.
//!
//! The parser is our own, after PostgreSQL's grammar: a general SQL parser accepts what PostgreSQL refuses, knows no
//! operator's place in the text, and its trees overflow the stack on long chains. Error texts, error positions and
//! precedence are PostgreSQL's here because the grammar is.

mod ast;
mod bind;
mod bound;
mod fast_insert;
mod lexer;
mod parse;
mod shape;
mod statement;
#[cfg(test)]
mod tests;

pub use bound::*;
pub use shape::Shape;
pub use statement::{SeenStatement, Statement, StatementKind, parse_script};

use headwater_catalog::Catalog;
use headwater_types::{DataType, Result, SessionSettings};

/// What binding may know.
#[derive(Clone, Copy)]
pub struct BindContext<'a> {
    /// The objects there are.
    pub catalog: &'a Catalog,
    /// The session's settings.
    pub settings: &'a SessionSettings,
    /// The types the client gave for `$1`, `$2`, …; `None` (or too short a list) leaves them to be inferred.
    pub parameter_types: &'a [Option<DataType>],
    /// `now()`, for literals like `'today'`: microseconds since 1970 UTC.
    pub now_micros: i64,
}

/// A bound statement and the types of its parameters.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The statement.
    pub statement: BoundStatement,
    /// The types of `$1`, `$2`, …, given or inferred.
    pub parameter_types: Vec<DataType>,
    /// Whether a literal stands for a moment (`'today'`): bound again, the statement may be another.
    pub reads_clock: bool,
}

/// Resolves a statement's names and types.
///
/// # Errors
///
/// What PostgreSQL raises in parse analysis (42P01, 42703, 42883, …) with its texts and positions, and 0A000 for what
/// is not supported.
pub fn bind(statement: &Statement, context: &BindContext<'_>) -> Result<Bound> {
    bind::bind(statement, context).map_err(|error| statement.place(error))
}
