//! What readers see of a table or a view: its rows and its index at one moment.

use crate::encoding::{Bound, TextForm};
use crate::row_snapshot::{RowScan, RowSnapshot};
use crate::unique_index::{HashOrder, UniqueIndex};
use crate::{KeyedRelation, SCAN_BATCH_ROWS_MAX, ZSetRelation};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use headwater_types::{DataType, Datum, DeltaBatch, Equality, Result, RowEquality, array_of, hash_keys};
use std::sync::Arc;

/// The index columns of a relation.
#[derive(Debug, Clone)]
pub(crate) struct Keyed {
    pub(crate) columns: Arc<[usize]>,
    pub(crate) types: Arc<[DataType]>,
    pub(crate) equality: Equality,
}

impl Keyed {
    pub(crate) fn new(columns: Vec<usize>, types: &[DataType], equality: Equality) -> Self {
        let key_types = columns.iter().map(|&c| types[c].clone()).collect();
        Self { columns: columns.into(), types: key_types, equality }
    }

    /// The hash of each row's key, of all columns of a relation.
    pub(crate) fn hashes(&self, columns: &[ArrayRef], rows: usize) -> Vec<u64> {
        let key: Vec<ArrayRef> = self.columns.iter().map(|&c| Arc::clone(&columns[c])).collect();
        self.key_hashes(&key, rows)
    }

    pub(crate) fn key_hashes(&self, key: &[ArrayRef], rows: usize) -> Vec<u64> {
        hash_keys(key, &self.types, rows, self.equality)
    }

    /// For each key, the row that has it. Candidates are fetched together and compared once each.
    pub(crate) fn find(
        &self,
        rows: &RowSnapshot,
        index: &UniqueIndex,
        keys: &[ArrayRef],
        hashes: &[u64],
    ) -> Result<Vec<Option<u32>>> {
        let mut found = vec![None; hashes.len()];
        let mut pairs = vec![];
        index.candidates(&HashOrder::new(hashes), |place, row| pairs.push((row, place)));
        if pairs.is_empty() {
            return Ok(found);
        }
        // In the order of hashes rows are all over memory.
        pairs.sort_unstable();
        let (candidates, probes): (Vec<u32>, Vec<usize>) =
            pairs.into_iter().map(|(row, place)| (row, place as usize)).unzip();
        let fetched = rows.gather(&candidates, &self.columns)?;
        let equality = RowEquality::new(keys, &fetched, &self.types, self.equality);
        for (place, (&probe, &row)) in probes.iter().zip(&candidates).enumerate() {
            if found[probe].is_none() && equality.equal(probe, place) {
                found[probe] = Some(row);
            }
        }
        Ok(found)
    }
}

/// What a relation occupies, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationMemory {
    /// Its rows, deleted ones included until their segment is reclaimed.
    pub rows_bytes: usize,
    /// About how much of that is deleted rows'.
    pub dead_bytes: usize,
    /// Its index.
    pub index_bytes: usize,
    /// `rows_bytes` by column; a view's last is the weight.
    pub column_bytes: Vec<usize>,
}

/// A relation at one moment: a value that later writes do not change. Cheap to clone, and to send to other threads.
#[derive(Debug, Clone)]
pub struct RelationSnapshot {
    rows: RowSnapshot,
    /// The relation's types: those of `rows` without the weight, where there is one.
    types: Arc<[DataType]>,
    index: Option<(Keyed, UniqueIndex)>,
    /// Whether the last column of `rows` is the row's weight.
    weighted: bool,
}

impl RelationSnapshot {
    pub(crate) fn new(
        rows: RowSnapshot,
        types: Arc<[DataType]>,
        index: Option<(Keyed, UniqueIndex)>,
        weighted: bool,
    ) -> Self {
        Self { rows, types, index, weighted }
    }

    /// A relation without rows, key or index.
    #[must_use]
    pub fn empty(types: impl Into<Arc<[DataType]>>) -> Self {
        let types = types.into();
        Self { rows: RowSnapshot::empty(Arc::clone(&types)), types, index: None, weighted: false }
    }

    /// The columns' types.
    #[must_use]
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// How many different rows are live; a row of a view counts once however large its weight.
    #[must_use]
    pub fn live_rows(&self) -> usize {
        self.rows.live_rows()
    }

    /// The bytes that the rows occupy.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.rows.byte_size()
    }

    /// What the relation occupies, by part. Walks all its segments and all nodes of its index.
    #[must_use]
    pub fn memory(&self) -> RelationMemory {
        let column_bytes = self.rows.column_bytes();
        RelationMemory {
            rows_bytes: column_bytes.iter().sum(),
            dead_bytes: self.rows.dead_bytes(),
            index_bytes: self.index.as_ref().map_or(0, |(_, index)| index.byte_size()),
            column_bytes,
        }
    }

    /// About how many rows differ in these columns.
    ///
    /// # Errors
    ///
    /// As [`RowSnapshot::gather`].
    pub fn distinct_estimate(&self, columns: &[usize]) -> Result<usize> {
        self.rows.distinct_estimate(columns)
    }

    /// Whether this row exists.
    #[must_use]
    pub fn is_live(&self, row: u32) -> bool {
        self.rows.is_live(row)
    }

    /// The columns that [`RelationSnapshot::lookup`] takes: none for a view without a known key.
    #[must_use]
    pub fn key(&self) -> Option<&[usize]> {
        let (keyed, _) = self.index.as_ref()?;
        (keyed.equality == Equality::Sql).then_some(&*keyed.columns)
    }

    /// These columns of the rows, with weights and row ids, at most [`SCAN_BATCH_ROWS_MAX`] rows at a time, in order of
    /// row id.
    #[must_use]
    pub fn scan(&self, columns: &[usize]) -> RelationScan {
        self.scan_with(columns, TextForm::Plain)
    }

    /// As [`RelationSnapshot::scan`], with text in this form.
    #[must_use]
    pub fn scan_with(&self, columns: &[usize], text: TextForm) -> RelationScan {
        let mut read = columns.to_vec();
        if self.weighted {
            read.push(self.types.len());
        }
        RelationScan { rows: self.rows.scan(&read, SCAN_BATCH_ROWS_MAX).with_text(text), weighted: self.weighted }
    }

    /// The row with this key, if the relation has a key.
    ///
    /// # Errors
    ///
    /// 54000 if the key's values are absurdly large.
    pub fn lookup(&self, key: &[Datum]) -> Result<Option<u32>> {
        let Some((keyed, _)) = &self.index else { return Ok(None) };
        let keys: Vec<ArrayRef> =
            keyed.types.iter().zip(key).map(|(t, value)| array_of(t, std::slice::from_ref(value))).collect();
        Ok(self.find(&keys, 1)?.pop().flatten())
    }

    /// The rows whose column has this value, in order of row id; `None` if values of its type are not compared so. Reads
    /// one column of the relation.
    #[must_use]
    pub fn rows_equal(&self, column: usize, value: &Datum) -> Option<Vec<u32>> {
        self.rows.rows_equal(column, value)
    }

    /// For each key the row that has it; None everywhere if the relation has no key.
    ///
    /// # Errors
    ///
    /// 54000 if the keys' values are absurdly large.
    pub fn find(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>> {
        match &self.index {
            Some((keyed, index)) if keyed.equality == Equality::Sql => {
                keyed.find(&self.rows, index, keys, &keyed.key_hashes(keys, rows))
            }
            _ => Ok(vec![None; rows]),
        }
    }

    /// These columns of these rows, in the order given.
    ///
    /// # Errors
    ///
    /// As [`RowSnapshot::gather`].
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        self.rows.gather(rows, columns)
    }

    /// The weights of these rows; None if all rows of the relation weigh 1.
    ///
    /// # Errors
    ///
    /// As [`RowSnapshot::gather`].
    pub fn gather_weights(&self, rows: &[u32]) -> Result<Option<Vec<i64>>> {
        if !self.weighted {
            return Ok(None);
        }
        let columns = self.rows.gather(rows, &[self.types.len()])?;
        Ok(Some(weights_of(&columns[0])))
    }
}

pub(crate) fn weights_of(column: &ArrayRef) -> Vec<i64> {
    column.as_primitive::<Int64Type>().values().to_vec()
}

/// See [`RelationSnapshot::scan`].
#[derive(Debug, Clone)]
pub struct RelationScan {
    rows: RowScan,
    weighted: bool,
}

impl RelationScan {
    /// The same rows, or fewer: segments of which no row satisfies all bounds are passed over. What is left still has to
    /// be filtered.
    ///
    /// The bounds' columns are the relation's, whether they are read or not, and their values of the columns' types.
    #[must_use]
    pub fn with_bounds(self, bounds: Vec<Bound>) -> Self {
        Self { rows: self.rows.with_bounds(bounds), ..self }
    }

    /// The rows of a scan that has not begun in `parts` scans, to be read one after the other or side by side.
    #[must_use]
    pub fn divided(self, parts: usize) -> Vec<Self> {
        let weighted = self.weighted;
        self.rows.divided(parts).into_iter().map(|rows| Self { rows, weighted }).collect()
    }
}

impl Iterator for RelationScan {
    type Item = DeltaBatch;

    fn next(&mut self) -> Option<DeltaBatch> {
        let (mut rows, ids) = self.rows.next()?;
        let weights = if self.weighted {
            weights_of(&rows.columns.pop().expect("the weight was asked for"))
        } else {
            vec![1; rows.rows]
        };
        Some(DeltaBatch { rows, weights, row_ids: Some(ids) })
    }
}

impl From<&KeyedRelation> for RelationSnapshot {
    fn from(relation: &KeyedRelation) -> Self {
        relation.snapshot()
    }
}

impl From<&ZSetRelation> for RelationSnapshot {
    fn from(relation: &ZSetRelation) -> Self {
        relation.snapshot()
    }
}
