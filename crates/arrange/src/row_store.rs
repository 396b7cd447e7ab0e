//! The rows of one relation, for one writer.
//!
//! ```text
//!  pages  [ slot 0 … 63 ][ slot 64 … 127 ] …        a slot: Arc<Segment>, Option<Arc<deletion bitmap>>
//!  row id = slot << 16 | offset                     the last slot filled is the tail
//! ```
//!
//! # Invariants
//!
//! 1. A row id names the same row until the row is deleted or moved.
//! 2. A snapshot never changes: writers copy a page, a segment's chunk list or a bitmap that a snapshot still shares.
//! 3. Rows of large batches are kept as slices, not copied; those of small ones are copied at most 6 times.
//! 4. A full segment is sealed a column at a time, while rows are appended: no append waits for all of it. Until the
//!    last column is done it stays as it was, and readers never see it half done.
//! 5. A reclaimed segment's number rests until [`FREE_SEGMENTS_HELD`] others are reclaimed, so that within any one step
//!    a row id means one row.

use crate::encoding::Column;
use crate::row_snapshot::{PAGE_SLOTS, RowSnapshot, split};
use crate::segment::{SEGMENT_BYTES_MAX, SEGMENT_ROWS_MAX, Segment, Slot, batch_bytes};
use arrow_array::ArrayRef;
use headwater_types::{Batch, DataType, Result, SqlError, SqlState};
use std::collections::VecDeque;
use std::sync::Arc;

/// Segments that a row id can name.
const SEGMENTS_MAX: usize = 1 << 16;
/// Reclaimed segment numbers that are kept back.
const FREE_SEGMENTS_HELD: usize = 1024;
/// A segment with fewer rows than this is not rewritten before it is full.
const COMPACT_ROWS_MIN: u32 = 4096;

/// Rows that got new ids: row `old[i]` is now row `new[i]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    /// Former row ids.
    pub old: Vec<u32>,
    /// Their new row ids, in the same order.
    pub new: Vec<u32>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct RowStore {
    rows: RowSnapshot,
    tail: Option<usize>,
    free: VecDeque<usize>,
    /// Segments that lost rows since the last compaction, with repetitions.
    thinned: Vec<usize>,
    /// Full segments that are not sealed yet, oldest first.
    full: VecDeque<Full>,
}

/// A full segment on its way to be sealed.
#[derive(Debug, Clone)]
struct Full {
    number: usize,
    segment: Arc<Segment>,
    /// The columns that are encoded.
    done: Vec<Column>,
}

impl RowStore {
    /// No rows of these types.
    #[must_use]
    pub fn new(types: impl Into<Arc<[DataType]>>) -> Self {
        Self {
            rows: RowSnapshot::empty(types.into()),
            tail: None,
            free: VecDeque::new(),
            thinned: vec![],
            full: VecDeque::new(),
        }
    }

    /// The rows as they are now.
    #[must_use]
    pub fn snapshot(&self) -> RowSnapshot {
        self.rows.clone()
    }

    /// The rows as they are now, without keeping them so.
    #[must_use]
    pub fn rows(&self) -> &RowSnapshot {
        &self.rows
    }

    /// How many rows are live.
    #[must_use]
    pub fn live_rows(&self) -> usize {
        self.rows.live_rows()
    }

    /// See [`RowSnapshot::gather`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        self.rows.gather(rows, columns)
    }

    /// Whether `rows` more rows have ids.
    ///
    /// # Errors
    ///
    /// 54000.
    pub fn check_room(&self, rows: usize) -> Result<()> {
        let segments = SEGMENTS_MAX - self.rows.segments() + self.free.len();
        if rows / (SEGMENT_ROWS_MAX as usize / 2) + 16 > segments {
            let message = "a relation cannot have more than 4294967296 rows";
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message));
        }
        Ok(())
    }

    /// Adds rows and returns their ids, in order.
    ///
    /// # Panics
    ///
    /// If all ids are in use: see [`RowStore::check_room`].
    pub fn append(&mut self, batch: &Batch) -> Vec<u32> {
        debug_assert_eq!(batch.columns.len(), self.rows.types().len(), "a batch of this store's types");
        // Twice as much as comes, so that what waits to be sealed does not grow.
        self.seal_some(2 * batch.rows * batch.columns.len());
        let mut ids = Vec::with_capacity(batch.rows);
        let mut from = 0;
        while from < batch.rows {
            let tail = self.open_tail();
            let (tail_rows, tail_bytes) = {
                let segment = &self.rows.slot(tail).expect("the tail is a segment").segment;
                (segment.rows(), segment.bytes())
            };
            let Some((piece, bytes)) = cut(batch, from, SEGMENT_ROWS_MAX - tail_rows, tail_bytes) else {
                self.close(tail);
                continue;
            };
            let base = u32::try_from(tail).expect("segment numbers have 16 bits") << 16;
            let rows = u32::try_from(piece.rows).expect("a piece fits its segment");
            ids.extend((tail_rows..tail_rows + rows).map(|offset| base | offset));
            from += piece.rows;
            self.rows.live += piece.rows;
            Arc::make_mut(&mut self.slot_mut(tail).segment).push(piece, bytes);
            if tail_rows + rows == SEGMENT_ROWS_MAX {
                self.close(tail);
            }
        }
        ids
    }

    /// Deletes live rows.
    ///
    /// # Panics
    ///
    /// If one of them is not live.
    pub fn delete(&mut self, rows: &[u32]) {
        for &row in rows {
            let (segment, offset) = split(row);
            self.slot_mut(segment).kill(offset);
            if self.thinned.last() != Some(&segment) {
                self.thinned.push(segment);
            }
        }
        self.rows.live -= rows.len();
    }

    /// Rewrites the segments that are mostly dead and tells which rows got new ids. At most a third of the rows deleted
    /// since are copied, so the cost is amortised over deletions.
    pub fn compact(&mut self) -> Option<Moves> {
        let mut moves = Moves::default();
        let mut thinned = std::mem::take(&mut self.thinned);
        thinned.sort_unstable();
        thinned.dedup();
        for segment in thinned {
            let slot = self.rows.slot(segment).expect("a segment with rows is there");
            if !is_worn(slot, self.tail == Some(segment)) {
                continue;
            }
            let base = u32::try_from(segment).expect("segment numbers have 16 bits") << 16;
            let live: Vec<u32> =
                slot.live_offsets(0, slot.segment.rows()).into_iter().map(|offset| base | offset).collect();
            let columns: Vec<usize> = (0..self.rows.types().len()).collect();
            let kept = self.rows.gather(&live, &columns).expect("a segment's bytes are bounded");
            if self.tail == Some(segment) {
                self.tail = None;
            }
            self.set_slot(segment, None);
            self.free.push_back(segment);
            self.rows.live -= live.len();
            let new = self.append(&Batch::new(kept, live.len()));
            moves.old.extend(live);
            moves.new.extend(new);
        }
        (!moves.old.is_empty()).then_some(moves)
    }

    /// Encodes about so many values of full segments, but at least a column if there is one to be done: at most
    /// 65,536 values, well under a millisecond.
    fn seal_some(&mut self, values: usize) {
        let mut left = values;
        while let Some(full) = self.full.front_mut() {
            let slot = self.rows.slot(full.number);
            // It may have been rewritten since, or be about to.
            if !slot.is_some_and(|slot| Arc::ptr_eq(&slot.segment, &full.segment) && !is_thin(slot)) {
                self.full.pop_front();
                continue;
            }
            let rows = full.segment.rows();
            if let Some(data_type) = self.rows.types().get(full.done.len()) {
                let parts = full.segment.plain_column(full.done.len());
                full.done.push(Column::encode(&parts, data_type));
            }
            if full.done.len() == self.rows.types().len() {
                let full = self.full.pop_front().expect("just seen");
                self.slot_mut(full.number).segment = Arc::new(Segment::of_columns(full.done, rows));
            }
            if left <= rows as usize {
                return;
            }
            left -= rows as usize;
        }
    }

    fn open_tail(&mut self) -> usize {
        if let Some(tail) = self.tail {
            return tail;
        }
        let fresh = self.rows.segments();
        let segment = if self.free.len() > FREE_SEGMENTS_HELD || fresh == SEGMENTS_MAX {
            self.free.pop_front().expect("callers check that there is room")
        } else {
            let pages = Arc::make_mut(&mut self.rows.pages);
            if fresh.is_multiple_of(PAGE_SLOTS) {
                pages.push(Arc::default());
            }
            Arc::make_mut(pages.last_mut().expect("just ensured")).push(None);
            fresh
        };
        self.set_slot(segment, Some(Slot::new()));
        self.tail = Some(segment);
        segment
    }

    /// Takes no more rows into the tail.
    fn close(&mut self, number: usize) {
        self.tail = None;
        let slot = self.rows.slot(number).expect("the tail is a segment");
        // One that is mostly dead is rewritten instead, when the writer asks for it.
        if is_worn(slot, false) {
            self.thinned.push(number);
        } else {
            let segment = Arc::clone(&slot.segment);
            self.full.push_back(Full { number, segment, done: vec![] });
        }
    }

    fn set_slot(&mut self, segment: usize, slot: Option<Slot>) {
        let page = &mut Arc::make_mut(&mut self.rows.pages)[segment / PAGE_SLOTS];
        Arc::make_mut(page)[segment % PAGE_SLOTS] = slot;
    }

    fn slot_mut(&mut self, segment: usize) -> &mut Slot {
        let page = &mut Arc::make_mut(&mut self.rows.pages)[segment / PAGE_SLOTS];
        Arc::make_mut(page)[segment % PAGE_SLOTS].as_mut().expect("a row id in use has a segment")
    }
}

/// Whether three quarters of a segment's rows are dead and it is worth rewriting.
fn is_worn(slot: &Slot, is_tail: bool) -> bool {
    let rows = slot.segment.rows();
    (!is_tail || rows >= COMPACT_ROWS_MIN) && rows > 0 && slot.live_rows() * 4 < rows
}

/// Whether so many rows are dead that a segment is likely to be rewritten before it has been read often.
fn is_thin(slot: &Slot) -> bool {
    slot.live_rows() < slot.segment.rows() / 2
}

/// The most rows of `batch` from `from` on that fit a segment with `room` rows and `used` bytes, and their bytes; None
/// if the segment must be sealed first.
fn cut(batch: &Batch, from: usize, room: u32, used: usize) -> Option<(Batch, usize)> {
    let mut rows = (batch.rows - from).min(room as usize);
    loop {
        let piece = batch.slice(from, rows);
        let bytes = batch_bytes(&piece);
        if used + bytes <= SEGMENT_BYTES_MAX || (used == 0 && rows == 1) {
            return Some((piece, bytes));
        }
        if rows == 1 {
            return None;
        }
        rows = rows.div_ceil(2);
    }
}
