//! Fetching rows from many batches into one.
//!
//! Cost: one map look-up per change of segment while walking the row ids, then one typed loop per column.

use crate::encoding::{Column, TextForm, Texts, by_integer_type, fixed_array, with_time_zone};
use crate::segment::{Chunk, Slot};
use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, PrimitiveArray, UInt32Array};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use hashbrown::HashMap;
use headwater_types::{Batch, DataType, Result, SqlError, SqlState};
use std::sync::Arc;

/// Which chunks a set of row ids lies in, and where.
#[derive(Default)]
pub(crate) struct Sources {
    chunks: Vec<Arc<Chunk>>,
    /// (chunk, row within it) per row.
    places: Vec<(usize, usize)>,
    /// The first of each segment's chunks.
    first_chunk: HashMap<usize, usize, ahash::RandomState>,
    last: Option<(usize, usize)>,
    starts: Vec<u32>,
}

impl Sources {
    /// Adds one row.
    pub(crate) fn add<'a>(&mut self, segment: usize, offset: u32, slot: impl FnOnce() -> &'a Slot) {
        let first = match self.last {
            Some((last, first)) if last == segment => first,
            _ => match self.first_chunk.get(&segment) {
                Some(&first) => first,
                None => {
                    let (first, slot) = (self.chunks.len(), slot());
                    for (place, chunk) in slot.segment.chunks().iter().enumerate() {
                        self.chunks.push(Arc::clone(chunk));
                        self.starts.push(slot.segment.chunk_start(place));
                    }
                    self.first_chunk.insert(segment, first);
                    first
                }
            },
        };
        self.last = Some((segment, first));
        let mut chunk = first;
        // A sealed segment has one chunk; only a tail's are searched.
        if self.starts.get(first + 1).is_some_and(|&next| next != 0 && next <= offset) {
            chunk = first + self.chunk_within(first, offset);
        }
        self.places.push((chunk, (offset - self.starts[chunk]) as usize));
    }

    /// Among the chunks of the segment whose chunks begin at `first`, the one that holds `offset`. A following
    /// segment's chunks begin with a start of 0.
    fn chunk_within(&self, first: usize, offset: u32) -> usize {
        let starts = &self.starts[first..];
        let chunks = starts[1..].iter().position(|&start| start == 0).map_or(starts.len(), |end| end + 1);
        starts[..chunks].partition_point(|&start| start <= offset) - 1
    }
}

/// One column of the rows of `sources`.
pub(crate) fn gather_column(sources: &Sources, column: usize, data_type: &DataType) -> Result<ArrayRef> {
    let plain: Option<Vec<&dyn Array>> = sources.chunks.iter().map(|chunk| plain_column(chunk, column)).collect();
    if let Some(arrays) = plain {
        return gather_arrays(&arrays, &sources.places);
    }
    let places = &sources.places;
    let (first, start) = places[0];
    if places.iter().enumerate().all(|(i, &place)| place == (first, start + i)) {
        return Ok(sources.chunks[first].column(column, start..start + places.len(), data_type, TextForm::Plain));
    }
    let columns: Vec<ColumnView<'_>> = sources.chunks.iter().map(|chunk| ColumnView::new(chunk, column)).collect();
    let nulls = gathered_nulls(&columns, places);
    let arrow = data_type.arrow_type();
    match &arrow {
        ArrowType::Utf8 => {
            let mut texts = Texts::default();
            for &(chunk, row) in places {
                columns[chunk].push_text(row, &mut texts);
            }
            Ok(Arc::new(texts.finish(nulls)?))
        }
        ArrowType::FixedSizeBinary(_) => {
            let mut bytes = Vec::with_capacity(places.len() * 16);
            for &(chunk, row) in places {
                bytes.extend_from_slice(&columns[chunk].fixed(row));
            }
            Ok(fixed_array(bytes, nulls))
        }
        other => {
            let array = by_integer_type!(other, gather_integers(&columns, places, nulls), unreachable!("not encoded"));
            Ok(with_time_zone(array, other))
        }
    }
}

/// A column of a chunk if it is plain Arrow.
fn plain_column(chunk: &Chunk, column: usize) -> Option<&dyn Array> {
    match chunk {
        Chunk::Plain(batch) => Some(&*batch.columns[column]),
        Chunk::Encoded(columns, _) => columns[column].as_plain().map(|array| &**array),
    }
}

/// A column of a chunk, to read rows from.
enum ColumnView<'a> {
    Plain(&'a ArrayRef),
    Encoded(&'a Column),
}

impl<'a> ColumnView<'a> {
    fn new(chunk: &'a Chunk, column: usize) -> Self {
        match chunk {
            Chunk::Plain(batch) => Self::Plain(&batch.columns[column]),
            Chunk::Encoded(columns, _) => match columns[column].as_plain() {
                Some(array) => Self::Plain(array),
                None => Self::Encoded(&columns[column]),
            },
        }
    }

    fn has_nulls(&self) -> bool {
        match self {
            Self::Plain(array) => array.null_count() > 0,
            Self::Encoded(column) => column.has_nulls(),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Plain(array) => array.is_null(row),
            Self::Encoded(column) => column.is_null(row),
        }
    }

    fn push_text(&self, row: usize, texts: &mut Texts) {
        match self {
            Self::Plain(array) => texts.push(array.as_string::<i32>().value(row).as_bytes()),
            Self::Encoded(column) => column.push_text(row, texts),
        }
    }

    fn fixed(&self, row: usize) -> [u8; 16] {
        match self {
            Self::Plain(array) => {
                array.as_fixed_size_binary().value(row).try_into().expect("the column's values are 16 bytes wide")
            }
            Self::Encoded(column) => column.fixed(row),
        }
    }

    fn integer<T: ArrowPrimitiveType>(&self, row: usize) -> T::Native {
        match self {
            Self::Plain(array) => array.as_primitive::<T>().value(row),
            Self::Encoded(column) => column.integer::<T>(row),
        }
    }
}

fn gathered_nulls(columns: &[ColumnView<'_>], places: &[(usize, usize)]) -> Option<NullBuffer> {
    columns.iter().any(ColumnView::has_nulls).then(|| {
        let mut valid = BooleanBufferBuilder::new(places.len());
        for &(chunk, row) in places {
            valid.append(!columns[chunk].is_null(row));
        }
        NullBuffer::new(valid.finish())
    })
}

fn gather_integers<T: ArrowPrimitiveType>(
    columns: &[ColumnView<'_>],
    places: &[(usize, usize)],
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let values: Vec<T::Native> = places.iter().map(|&(chunk, row)| columns[chunk].integer::<T>(row)).collect();
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
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

/// A column of more than 2 GiB.
pub(crate) fn too_large() -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, "values of one batch exceed 2 GiB")
}
