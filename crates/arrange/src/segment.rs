//! A segment: up to 64 Ki consecutive rows, as a list of immutable chunks, and the set of its dead rows.
//!
//! ```text
//!  tail segment   [ 4096 rows ][ 512 ][ 512 ][ 64 ][ 8 ][ 8 ][ 1 ][ 1 ]     each chunk an Arc'd batch
//!  full           the same, until it is sealed
//!  sealed         [ 65536 rows                                         ]     one chunk, encoded or plain
//! ```
//!
//! # Invariants
//!
//! 1. A row's offset is its place in the concatenation of all chunks: merging chunks keeps it.
//! 2. Of every size class (powers of [`MERGE_RATIO`]) at most `MERGE_RATIO - 1` chunks stand at the end, so a tail has
//!    at most `6 × 7` chunks and each row is copied at most 6 times before it is sealed.
//! 3. A segment of more than one row holds at most [`SEGMENT_BYTES_MAX`] bytes, so that 32-bit text offsets suffice.

use crate::encoding::{Bound, Column, TextForm};
use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_schema::DataType as ArrowType;
use headwater_types::{Batch, DataType};
use std::ops::Range;
use std::sync::Arc;

/// Rows in a segment: a row id's low 16 bits are the offset.
pub(crate) const SEGMENT_ROWS_MAX: u32 = 1 << 16;
/// Bytes in a segment of more than one row.
pub(crate) const SEGMENT_BYTES_MAX: usize = 256 << 20;
/// How many chunks of one size class are merged into one of the next.
const MERGE_RATIO: u32 = 8;

/// Rows that are kept together.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// As they came.
    Plain(Batch),
    /// All rows of a sealed segment.
    Encoded(Vec<Column>, usize),
}

impl Chunk {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Plain(batch) => batch.rows,
            Self::Encoded(_, rows) => *rows,
        }
    }

    /// One column of a range of rows.
    pub(crate) fn column(&self, column: usize, rows: Range<usize>, data_type: &DataType, form: TextForm) -> ArrayRef {
        match self {
            Self::Plain(batch) => batch.columns[column].slice(rows.start, rows.len()),
            Self::Encoded(columns, _) => columns[column].decode(rows, data_type, form),
        }
    }

    /// The bytes that a column occupies.
    pub(crate) fn column_bytes(&self, column: usize) -> usize {
        match self {
            Self::Plain(batch) => array_bytes(&*batch.columns[column]),
            Self::Encoded(columns, _) => columns[column].bytes(),
        }
    }

    /// Whether a row may satisfy all bounds.
    pub(crate) fn may_match(&self, bounds: &[Bound]) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Encoded(columns, _) => bounds.iter().all(|bound| columns[bound.column].may_match(bound)),
        }
    }
}

/// Consecutive rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segment {
    chunks: Vec<Arc<Chunk>>,
    /// The offset of each chunk's first row.
    starts: Vec<u32>,
    rows: u32,
    bytes: usize,
}

impl Segment {
    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    pub(crate) fn chunk_start(&self, chunk: usize) -> u32 {
        self.starts[chunk]
    }

    /// Adds a chunk at the end and merges what has become many.
    pub(crate) fn push(&mut self, batch: Batch, bytes: usize) {
        let rows = u32::try_from(batch.rows).expect("a chunk fits its segment");
        debug_assert!(rows > 0 && rows <= SEGMENT_ROWS_MAX - self.rows, "the caller cuts batches to the room left");
        self.starts.push(self.rows);
        self.chunks.push(Arc::new(Chunk::Plain(batch)));
        self.rows += rows;
        self.bytes += bytes;
        loop {
            let Some(last) = self.chunks.last() else { return };
            let class = size_class(last.rows());
            let run = self.chunks.iter().rev().take_while(|chunk| size_class(chunk.rows()) <= class).count();
            if run < MERGE_RATIO as usize {
                return;
            }
            self.merge_last(run);
        }
    }

    /// All rows' values in these columns, as a sealed segment.
    pub(crate) fn of_columns(columns: Vec<Column>, rows: u32) -> Self {
        let bytes = columns.iter().map(Column::bytes).sum();
        Self { chunks: vec![Arc::new(Chunk::Encoded(columns, rows as usize))], starts: vec![0], rows, bytes }
    }

    /// One column of every chunk of a segment that is not encoded.
    pub(crate) fn plain_column(&self, column: usize) -> Vec<ArrayRef> {
        plain(&self.chunks).map(|batch| Arc::clone(&batch.columns[column])).collect()
    }

    fn merge_last(&mut self, count: usize) {
        let first = self.chunks.len() - count;
        let merged = concat_chunks(&self.chunks[first..]);
        self.chunks.truncate(first);
        self.starts.truncate(first + 1);
        self.chunks.push(Arc::new(Chunk::Plain(merged)));
    }
}

fn plain(chunks: &[Arc<Chunk>]) -> impl Iterator<Item = &Batch> {
    chunks.iter().map(|chunk| match &**chunk {
        Chunk::Plain(batch) => batch,
        Chunk::Encoded(..) => unreachable!("only a sealed segment is encoded, and it takes no rows"),
    })
}

fn size_class(rows: usize) -> u32 {
    rows.max(1).ilog(MERGE_RATIO as usize)
}

fn concat_chunks(chunks: &[Arc<Chunk>]) -> Batch {
    let width = plain(chunks).next().map_or(0, |chunk| chunk.columns.len());
    let columns = (0..width)
        .map(|c| {
            let parts: Vec<&dyn Array> = plain(chunks).map(|chunk| &*chunk.columns[c]).collect();
            arrow_select::concat::concat(&parts).expect("chunks share their types and a segment's bytes are bounded")
        })
        .collect();
    Batch::new(columns, chunks.iter().map(|chunk| chunk.rows()).sum())
}

/// The bytes that a batch's rows occupy: of buffers shared with other batches, what these rows use.
#[must_use]
pub fn batch_bytes(batch: &Batch) -> usize {
    batch.columns.iter().map(|column| array_bytes(&**column)).sum()
}

/// As [`batch_bytes`], of one column.
pub(crate) fn array_bytes(array: &dyn Array) -> usize {
    let span = |offsets: &[i32]| match (offsets.first(), offsets.last()) {
        (Some(&first), Some(&last)) => usize::try_from(last - first).unwrap_or(0),
        _ => 0,
    };
    let rows = array.len();
    let values = match array.data_type() {
        ArrowType::Null => 0,
        ArrowType::Boolean => rows.div_ceil(8),
        ArrowType::Utf8 => span(array.as_string::<i32>().value_offsets()) + rows * 4,
        ArrowType::Binary => span(array.as_binary::<i32>().value_offsets()) + rows * 4,
        ArrowType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let first = offsets.first().map_or(0, |&o| usize::try_from(o).unwrap_or(0));
            array_bytes(&*list.values().slice(first, span(offsets))) + rows * 4
        }
        ArrowType::FixedSizeBinary(_) => rows * 16,
        other => rows * other.primitive_width().unwrap_or(1),
    };
    values + array.nulls().map_or(0, |nulls| nulls.len().div_ceil(8))
}

/// A segment's place in a row store: its rows and which of them are dead.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) segment: Arc<Segment>,
    /// One bit per dead row, as long as the last dead row needs. None: all live.
    dead: Option<Arc<Vec<u64>>>,
    dead_rows: u32,
}

impl Slot {
    pub(crate) fn new() -> Self {
        Self { segment: Arc::new(Segment::default()), dead: None, dead_rows: 0 }
    }

    pub(crate) fn live_rows(&self) -> u32 {
        self.segment.rows() - self.dead_rows
    }

    pub(crate) fn all_live(&self) -> bool {
        self.dead_rows == 0
    }

    /// See [`crate::row_snapshot::RowSnapshot::dead_bytes`].
    pub(crate) fn dead_bytes(&self) -> usize {
        let rows = self.segment.rows().max(1) as usize;
        self.segment.bytes() / rows * self.dead_rows as usize
    }

    pub(crate) fn is_live(&self, offset: u32) -> bool {
        offset < self.segment.rows() && !self.is_dead(offset)
    }

    fn is_dead(&self, offset: u32) -> bool {
        let Some(dead) = &self.dead else { return false };
        dead.get(offset as usize / 64).is_some_and(|word| word >> (offset % 64) & 1 == 1)
    }

    /// Marks a live row dead.
    ///
    /// # Panics
    ///
    /// If the row is not live: a bug of the caller that would corrupt every index.
    pub(crate) fn kill(&mut self, offset: u32) {
        assert!(self.is_live(offset), "row {offset} of a segment deleted twice");
        let words = Arc::make_mut(self.dead.get_or_insert_default());
        let word = offset as usize / 64;
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] |= 1 << (offset % 64);
        self.dead_rows += 1;
    }

    /// The live offsets in `from .. to`, in order.
    pub(crate) fn live_offsets(&self, from: u32, to: u32) -> Vec<u32> {
        self.live_in(from, to).collect()
    }

    /// The live offsets in `from .. to`, in order: a word of dead rows costs no more than one live row.
    pub(crate) fn live_in(&self, from: u32, to: u32) -> impl Iterator<Item = u32> {
        let dead = self.dead.as_deref().map_or(&[][..], Vec::as_slice);
        (from / 64..to.div_ceil(64)).flat_map(move |word| {
            let first = word * 64;
            let mut live = !dead.get(word as usize).copied().unwrap_or(0);
            if first < from {
                live &= u64::MAX << (from - first);
            }
            if to - first < 64 {
                live &= (1 << (to - first)) - 1;
            }
            std::iter::from_fn(move || {
                let bit = (live != 0).then(|| live.trailing_zeros())?;
                live &= live - 1;
                Some(first + bit)
            })
        })
    }
}
