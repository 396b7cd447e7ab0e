//! Columns of rows, with and without weights.

use crate::key::{Equality, RowEquality, hash_keys};
use crate::{ColumnBuilder, DataType, Datum};
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array};

/// Where a filter keeps at most one in so many rows, they are taken one by one.
const FILTERED_SHARE_MIN: usize = 4;

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

    /// These rows, each of one value per type.
    ///
    /// # Panics
    ///
    /// If a value is not of its column's type.
    #[must_use]
    pub fn from_rows(types: &[DataType], rows: &[Vec<Datum>]) -> Self {
        let columns = types
            .iter()
            .enumerate()
            .map(|(column, data_type)| {
                let mut builder = ColumnBuilder::new(data_type, rows.len());
                for row in rows {
                    builder.append(&row[column]);
                }
                builder.finish()
            })
            .collect();
        Self::new(columns, rows.len())
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// One row's values.
    ///
    /// # Panics
    ///
    /// If there is no such row, or the types are not the columns'.
    #[must_use]
    pub fn row(&self, row: usize, types: &[DataType]) -> Vec<Datum> {
        self.columns.iter().zip(types).map(|(column, data_type)| Datum::from_array(column, data_type, row)).collect()
    }

    /// Every row's values.
    ///
    /// # Panics
    ///
    /// If the types are not the columns'.
    #[must_use]
    pub fn to_rows(&self, types: &[DataType]) -> Vec<Vec<Datum>> {
        (0..self.rows).map(|row| self.row(row, types)).collect()
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

    /// These rows, in this order; a row may be taken more than once.
    ///
    /// # Panics
    ///
    /// If there is no such row, or a column would exceed 2 GiB.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        let indices = UInt32Array::from(rows.to_vec());
        let columns = self
            .columns
            .iter()
            .map(|column| {
                arrow_select::take::take(column, &indices, None).expect("the rows exist and their bytes fit a batch")
            })
            .collect();
        Self::new(columns, rows.len())
    }

    /// The rows where the mask is true (not false, not NULL).
    ///
    /// # Panics
    ///
    /// If the mask has not one value per row.
    #[must_use]
    pub fn filter(&self, mask: &BooleanArray) -> Self {
        debug_assert_eq!(mask.len(), self.rows, "one flag per row");
        self.filter_by(mask, &kept_rows(mask))
    }

    /// [`Batch::filter`], given which rows the mask keeps.
    fn filter_by(&self, mask: &BooleanArray, kept: &[u32]) -> Self {
        if kept.len() <= self.rows / FILTERED_SHARE_MIN {
            return self.take(kept);
        }
        let predicate = arrow_select::filter::FilterBuilder::new(mask).optimize().build();
        let columns = self
            .columns
            .iter()
            .map(|column| predicate.filter(column).expect("the mask is as long as the columns"))
            .collect();
        Self::new(columns, kept.len())
    }

    /// All rows of all batches, in order. No batches give no columns.
    ///
    /// # Panics
    ///
    /// If the batches differ in their columns' types, or a column would exceed 2 GiB.
    #[must_use]
    pub fn concat(batches: &[Self]) -> Self {
        match batches {
            [] => Self::new(Vec::new(), 0),
            [batch] => batch.clone(),
            [first, ..] => {
                let columns = (0..first.columns.len())
                    .map(|c| {
                        let parts: Vec<_> = batches.iter().map(|batch| batch.columns[c].as_ref()).collect();
                        arrow_select::concat::concat(&parts).expect("batches of one type whose bytes fit a batch")
                    })
                    .collect();
                Self::new(columns, batches.iter().map(|batch| batch.rows).sum())
            }
        }
    }

    /// The bytes of memory that the columns refer to. Memory shared with other batches is counted here too.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.get_array_memory_size()).sum()
    }
}

/// A change to a relation: rows with signed weights. The order of rows has no meaning.
///
/// `row_ids`, where present, tell each row's place in its base relation's arrangement; they are how an operator's index
/// refers to rows that it does not copy. Weights are then +1 and −1 for rows of a table; a row of a view comes and goes with
/// its whole weight.
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

    /// Every row once less.
    #[must_use]
    pub fn retractions(rows: Batch) -> Self {
        let weights = vec![-1; rows.rows];
        Self::new(rows, weights)
    }

    /// No change to a relation of these types.
    #[must_use]
    pub fn empty(types: &[DataType]) -> Self {
        Self::new(Batch::empty(types), Vec::new())
    }

    /// These rows with these weights.
    ///
    /// # Panics
    ///
    /// If a value is not of its column's type.
    #[must_use]
    pub fn from_rows(types: &[DataType], rows: &[(Vec<Datum>, i64)]) -> Self {
        let (values, weights): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
        Self::new(Batch::from_rows(types, &values), weights)
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One row's values and weight.
    ///
    /// # Panics
    ///
    /// If there is no such row, or the types are not the columns'.
    #[must_use]
    pub fn row(&self, row: usize, types: &[DataType]) -> (Vec<Datum>, i64) {
        (self.rows.row(row, types), self.weights[row])
    }

    /// Every row's values and weight.
    ///
    /// # Panics
    ///
    /// If the types are not the columns'.
    #[must_use]
    pub fn to_rows(&self, types: &[DataType]) -> Vec<(Vec<Datum>, i64)> {
        (0..self.rows.rows).map(|row| self.row(row, types)).collect()
    }

    /// These columns, in this order, sharing the memory.
    #[must_use]
    pub fn project(&self, columns: &[usize]) -> Self {
        Self { rows: self.rows.project(columns), weights: self.weights.clone(), row_ids: self.row_ids.clone() }
    }

    /// Rows `offset .. offset + rows`.
    #[must_use]
    pub fn slice(&self, offset: usize, rows: usize) -> Self {
        Self {
            rows: self.rows.slice(offset, rows),
            weights: self.weights[offset..offset + rows].to_vec(),
            row_ids: self.row_ids.as_ref().map(|ids| ids[offset..offset + rows].to_vec()),
        }
    }

    /// These rows, in this order, with their weights and row ids.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        let index = |&row: &u32| usize::try_from(row).expect("a row number fits usize");
        Self {
            rows: self.rows.take(rows),
            weights: rows.iter().map(|row| self.weights[index(row)]).collect(),
            row_ids: self.row_ids.as_ref().map(|ids| rows.iter().map(|row| ids[index(row)]).collect()),
        }
    }

    /// The rows where the mask is true (not false, not NULL), with their weights and row ids.
    ///
    /// # Panics
    ///
    /// If the mask has not one value per row.
    #[must_use]
    pub fn filter(&self, mask: &BooleanArray) -> Self {
        fn keep<T: Copy>(values: &[T], kept: &[u32]) -> Vec<T> {
            kept.iter().map(|&row| values[row as usize]).collect()
        }
        let kept = kept_rows(mask);
        Self {
            rows: self.rows.filter_by(mask, &kept),
            weights: keep(&self.weights, &kept),
            row_ids: self.row_ids.as_ref().map(|ids| keep(ids, &kept)),
        }
    }

    /// All rows of all batches, in order. Row ids are kept if every batch has them. No batches give no columns.
    ///
    /// # Panics
    ///
    /// If the batches differ in their columns' types, or a column would exceed 2 GiB.
    #[must_use]
    pub fn concat(batches: &[Self]) -> Self {
        if let [batch] = batches {
            return batch.clone();
        }
        let rows: Vec<Batch> = batches.iter().map(|batch| batch.rows.clone()).collect();
        let ids: Option<Vec<&Vec<u32>>> = batches.iter().map(|batch| batch.row_ids.as_ref()).collect();
        Self {
            rows: Batch::concat(&rows),
            weights: batches.iter().flat_map(|batch| batch.weights.iter().copied()).collect(),
            row_ids: ids.filter(|ids| !ids.is_empty()).map(|ids| ids.into_iter().flatten().copied().collect()),
        }
    }

    /// The same change with each distinct row (by identity) once, in order of first occurrence, without zero weights
    /// and without row ids. O(rows), by hashing.
    ///
    /// # Panics
    ///
    /// If the weights of one row add up to more than an `i64`.
    #[must_use]
    pub fn consolidate(self, types: &[DataType]) -> Self {
        const FREE: u32 = u32::MAX;
        let rows = self.rows.rows;
        if rows == 0 || (rows == 1 && self.weights[0] != 0) {
            return Self::new(self.rows, self.weights);
        }
        let hashes = hash_keys(&self.rows.columns, types, rows, Equality::Identity);
        let equality = RowEquality::new(&self.rows.columns, &self.rows.columns, types, Equality::Identity);
        let mut weights = self.weights;
        let mut slots = vec![FREE; (rows * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        let mut merged = false;
        for row in 0..rows {
            let mut slot = usize::try_from(hashes[row] & u64::try_from(mask).expect("a mask is a u64"))
                .expect("masked below the table's size");
            loop {
                if slots[slot] == FREE {
                    slots[slot] = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
                    break;
                }
                let first = usize::try_from(slots[slot]).expect("a row number fits usize");
                if hashes[first] == hashes[row] && equality.equal(first, row) {
                    weights[first] = weights[first].checked_add(weights[row]).expect("weights add up to an i64");
                    weights[row] = 0;
                    merged = true;
                    break;
                }
                slot = (slot + 1) & mask;
            }
        }
        if !merged && weights.iter().all(|weight| *weight != 0) {
            return Self::new(self.rows, weights);
        }
        let live: Vec<u32> = (0..rows)
            .filter(|&row| weights[row] != 0)
            .map(|row| u32::try_from(row).expect("a batch has fewer than 2^32 rows"))
            .collect();
        weights.retain(|weight| *weight != 0);
        Self::new(self.rows.take(&live), weights)
    }
}

/// The rows that a mask keeps: those for which it is true.
fn kept_rows(mask: &BooleanArray) -> Vec<u32> {
    let bits = match mask.nulls() {
        Some(nulls) => mask.values() & nulls.inner(),
        None => mask.values().clone(),
    };
    bits.set_indices().map(|row| u32::try_from(row).expect("a batch has fewer than 2^32 rows")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numeric;

    fn row(id: i32, name: &str, value: &str) -> Vec<Datum> {
        vec![Datum::Int4(id), Datum::text(name), Datum::Numeric(numeric(value))]
    }

    const TYPES: [DataType; 3] = [DataType::Int4, DataType::Text, DataType::Numeric(None)];

    #[test]
    fn consolidation_adds_weights_by_identity() {
        let nulls = vec![Datum::Null, Datum::Null, Datum::Null];
        let delta = DeltaBatch::from_rows(
            &TYPES,
            &[
                (row(1, "a", "1.0"), 1),
                (row(1, "a", "1.00"), 1),
                (nulls.clone(), 2),
                (row(2, "b", "0"), 1),
                (row(1, "a", "1.0"), 2),
                (row(2, "b", "0"), -1),
                (nulls.clone(), 1),
            ],
        );
        let consolidated = delta.consolidate(&TYPES);
        assert_eq!(consolidated.to_rows(&TYPES), vec![(row(1, "a", "1.0"), 3), (row(1, "a", "1.00"), 1), (nulls, 3)]);
    }

    #[test]
    fn rows_without_columns_consolidate_to_one() {
        let delta = DeltaBatch::new(Batch::new(Vec::new(), 3), vec![1, 1, -1]);
        let consolidated = delta.consolidate(&[]);
        assert_eq!((consolidated.rows.rows, consolidated.weights), (1, vec![1]));
    }

    #[test]
    fn take_filter_and_concat_keep_weights_and_row_ids_together() {
        let mut delta =
            DeltaBatch::from_rows(&TYPES, &[(row(1, "a", "1"), 1), (row(2, "b", "2"), -1), (row(3, "c", "3"), 1)]);
        delta.row_ids = Some(vec![10, 20, 30]);
        let taken = delta.take(&[2, 0]);
        assert_eq!(
            (taken.weights.as_slice(), taken.row_ids.as_deref()),
            ([1, 1].as_slice(), Some([30, 10].as_slice()))
        );
        let filtered = delta.filter(&BooleanArray::from(vec![Some(false), Some(true), None]));
        assert_eq!(filtered.to_rows(&TYPES), vec![(row(2, "b", "2"), -1)]);
        let both = DeltaBatch::concat(&[taken, filtered]);
        assert_eq!(both.row_ids.as_deref(), Some([30, 10, 20].as_slice()));
        assert_eq!(both.rows.rows, 3);
    }
}
