//! What the SQL corpora share: statements run on Headwater in this process, or on a PostgreSQL of the test's own.

pub mod headwater;
pub mod postgres;

/// What a statement answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows, as text; `None` is NULL.
    Rows {
        /// A letter for each column's type: `I`nteger, `R`eal or numeric, `T`ext, `?` any other.
        types: String,
        rows: Vec<Vec<Option<String>>>,
    },
    /// No rows, but a number of rows touched.
    Done(u64),
}

/// Why it did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sqlstate}: {message}")]
pub struct Failure {
    pub sqlstate: String,
    pub message: String,
    /// In characters, from 1.
    pub position: Option<u32>,
}
