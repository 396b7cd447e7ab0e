//! Fetching rows from many batches into one.
//!
//! Cost: one map look-up per change of segment while walking the row ids, then one typed loop per column.

use crate::segment::Slot;
use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, UInt32Array};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_schema::DataType as ArrowType;
use hashbrown::HashMap;
use headwater_types::{Batch, Result, SqlError, SqlState};
use std::sync::Arc;

/// Which chunks a set of row ids lies in, and where.
#[derive(Default)]
pub(crate) struct Sources {
    batches: Vec<Arc<Batch>>,
    /// (batch, row within it) per row.
    places: Vec<(usize, usize)>,
    /// The first of each segment's batches.
    first_batch: HashMap<usize, usize, ahash::RandomState>,
    last: Option<(usize, usize)>,
    starts: Vec<u32>,
}

impl Sources {
    /// Adds one row.
    pub(crate) fn add<'a>(&mut self, segment: usize, offset: u32, slot: impl FnOnce() -> &'a Slot) {
        let first = match self.last {
            Some((last, first)) if last == segment => first,
            _ => match self.first_batch.get(&segment) {
                Some(&first) => first,
                None => {
                    let (first, slot) = (self.batches.len(), slot());
                    for (chunk, batch) in slot.segment.chunks().iter().enumerate() {
                        self.batches.push(Arc::clone(batch));
                        self.starts.push(slot.segment.chunk_start(chunk));
                    }
                    self.first_batch.insert(segment, first);
                    first
                }
            },
        };
        self.last = Some((segment, first));
        let mut batch = first;
        // A sealed segment has one chunk; only a tail's are searched.
        if self.starts.get(first + 1).is_some_and(|&next| next != 0 && next <= offset) {
            batch = first + self.chunk_within(first, offset);
        }
        self.places.push((batch, (offset - self.starts[batch]) as usize));
    }

    /// Among the chunks of the segment whose batches begin at `first`, the one that holds `offset`. A following
    /// segment's chunks begin with a start of 0.
    fn chunk_within(&self, first: usize, offset: u32) -> usize {
        let starts = &self.starts[first..];
        let chunks = starts[1..].iter().position(|&start| start == 0).map_or(starts.len(), |end| end + 1);
        starts[..chunks].partition_point(|&start| start <= offset) - 1
    }
}

/// One column of the rows of `sources`.
pub(crate) fn gather_column(sources: &Sources, column: usize) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = sources.batches.iter().map(|batch| &*batch.columns[column]).collect();
    gather_arrays(&arrays, &sources.places)
}

/// The values at `places` (array, index) of arrays of one type.
fn gather_arrays(arrays: &[&dyn Array], places: &[(usize, usize)]) -> Result<ArrayRef> {
    if let Some(array) = single_source(arrays, places) {
        return gather_one(array, places);
    }
    match arrays[0].data_type() {
        ArrowType::FixedSizeBinary(width) => Ok(gather_fixed(arrays, places, *width)),
        _ => arrow_select::interleave::interleave(arrays, places).map_err(|_| too_large()),
    }
}

fn single_source<'a>(arrays: &[&'a dyn Array], places: &[(usize, usize)]) -> Option<&'a dyn Array> {
    let first = places.first()?.0;
    (arrays.len() == 1 || places.iter().all(|&(array, _)| array == first)).then(|| arrays[first])
}

fn gather_one(array: &dyn Array, places: &[(usize, usize)]) -> Result<ArrayRef> {
    let first = places[0].1;
    if places.iter().enumerate().all(|(i, &(_, row))| row == first + i) {
        return Ok(array.slice(first, places.len()));
    }
    let indices: UInt32Array = places.iter().map(|&(_, row)| u32::try_from(row).ok()).collect();
    arrow_select::take::take(array, &indices, None).map_err(|_| too_large())
}

/// Arrow interleaves fixed-size binary through its slow generic path.
fn gather_fixed(arrays: &[&dyn Array], places: &[(usize, usize)], width: i32) -> ArrayRef {
    let typed: Vec<&FixedSizeBinaryArray> = arrays.iter().map(|array| array.as_fixed_size_binary()).collect();
    let mut values = Vec::with_capacity(places.len() * usize::try_from(width).unwrap_or(0));
    for &(array, row) in places {
        values.extend_from_slice(typed[array].value(row));
    }
    let nulls = typed.iter().any(|array| array.null_count() > 0).then(|| {
        let mut valid = BooleanBufferBuilder::new(places.len());
        for &(array, row) in places {
            valid.append(typed[array].is_valid(row));
        }
        NullBuffer::new(valid.finish())
    });
    Arc::new(FixedSizeBinaryArray::new(width, Buffer::from_vec(values), nulls))
}

/// The rows at `places` (batch, row) of batches of the same types.
///
/// # Errors
///
/// 54000 if a column's values exceed what one batch holds.
///
/// # Panics
///
/// If `batches` is empty and `places` is not, or a place does not exist.
pub fn gather_batches(batches: &[&Batch], places: &[(usize, usize)]) -> Result<Batch> {
    let Some(first) = batches.first() else { return Ok(Batch::new(vec![], 0)) };
    if places.is_empty() {
        return Ok(first.slice(0, 0));
    }
    let columns = (0..first.columns.len())
        .map(|c| {
            let arrays: Vec<&dyn Array> = batches.iter().map(|batch| &*batch.columns[c]).collect();
            gather_arrays(&arrays, places)
        })
        .collect::<Result<_>>()?;
    Ok(Batch::new(columns, places.len()))
}

fn too_large() -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, "values of one batch exceed 2 GiB")
}
