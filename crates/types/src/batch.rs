//! Columns of rows, with and without weights.

use crate::DataType;
use arrow_array::{ArrayRef, new_empty_array};

/// Rows as columns. Zero columns are possible (`SELECT FROM t`), so the number of rows is kept beside them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// One array per column, each of `rows` values.
    pub columns: Vec<ArrayRef>,
    /// The number of rows.
    pub rows: usize,
}

impl Batch {
    /// A batch of these columns.
    ///
    /// # Panics
    ///
    /// In debug builds, if a column has not `rows` values.
    #[must_use]
    pub fn new(columns: Vec<ArrayRef>, rows: usize) -> Self {
        debug_assert!(columns.iter().all(|column| column.len() == rows), "columns of unequal length");
        Self { columns, rows }
    }

    /// No rows of these types.
    #[must_use]
    pub fn empty(types: &[DataType]) -> Self {
        Self::new(types.iter().map(|t| new_empty_array(&t.arrow_type())).collect(), 0)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Rows `offset .. offset + rows`, sharing the memory.
    #[must_use]
    pub fn slice(&self, offset: usize, rows: usize) -> Self {
        Self::new(self.columns.iter().map(|column| column.slice(offset, rows)).collect(), rows)
    }

    /// These columns, in this order, sharing the memory.
    #[must_use]
    pub fn project(&self, columns: &[usize]) -> Self {
        Self::new(columns.iter().map(|&c| self.columns[c].clone()).collect(), self.rows)
    }
}

/// A change to a relation: rows with signed weights. The order of rows has no meaning.
///
/// `row_ids`, where present, tell each row's place in its base relation's arrangement; they are how an operator's index
/// refers to rows that it does not copy. A batch that has them has weights of +1 and −1 only.
#[derive(Debug, Clone)]
pub struct DeltaBatch {
    /// The rows.
    pub rows: Batch,
    /// One weight per row, never 0 in a consolidated batch.
    pub weights: Vec<i64>,
    /// One row id per row of the base relation, where the rows come straight from one.
    pub row_ids: Option<Vec<u32>>,
}

impl DeltaBatch {
    /// A change without row ids.
    ///
    /// # Panics
    ///
    /// In debug builds, if there is not one weight per row.
    #[must_use]
    pub fn new(rows: Batch, weights: Vec<i64>) -> Self {
        debug_assert_eq!(rows.rows, weights.len(), "one weight per row");
        Self { rows, weights, row_ids: None }
    }

    /// Every row once.
    #[must_use]
    pub fn insertions(rows: Batch) -> Self {
        let weights = vec![1; rows.rows];
        Self::new(rows, weights)
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
