//! A relation's rows at one moment, as a value.

use crate::encoding::{Bound, TextForm};
use crate::gather::{Sources, gather_column};
use crate::segment::Slot;
use arrow_array::{ArrayRef, new_empty_array};
use headwater_types::{Batch, DataType, Result};
use std::sync::Arc;

/// Slots in a page: what a write after a snapshot copies of the slot table.
pub(crate) const PAGE_SLOTS: usize = 64;

type Page = Arc<Vec<Option<Slot>>>;

/// The rows of a [`crate::RowStore`] at one moment. Cloning costs two reference counts; later writes do not show.
#[derive(Debug, Clone)]
pub struct RowSnapshot {
    types: Arc<[DataType]>,
    pub(crate) pages: Arc<Vec<Page>>,
    pub(crate) live: usize,
}

/// A row id's segment and offset.
pub(crate) fn split(row: u32) -> (usize, u32) {
    ((row >> 16) as usize, row & 0xffff)
}

impl RowSnapshot {
    /// No rows of these types.
    #[must_use]
    pub fn empty(types: Arc<[DataType]>) -> Self {
        Self { types, pages: Arc::default(), live: 0 }
    }

    /// The columns' types.
    #[must_use]
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// How many rows are live.
    #[must_use]
    pub fn live_rows(&self) -> usize {
        self.live
    }

    /// The bytes that the rows occupy, deleted ones included until their segment is reclaimed.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.slots().map(|slot| slot.segment.bytes()).sum()
    }

    /// The bytes that each column occupies, deleted rows included.
    pub(crate) fn column_bytes(&self) -> Vec<usize> {
        let mut bytes = vec![0; self.types.len()];
        for chunk in self.slots().flat_map(|slot| slot.segment.chunks()) {
            bytes.iter_mut().enumerate().for_each(|(column, bytes)| *bytes += chunk.column_bytes(column));
        }
        bytes
    }

    /// The bytes that deleted rows occupy, as if all rows of a segment were equally large.
    pub(crate) fn dead_bytes(&self) -> usize {
        self.slots().map(Slot::dead_bytes).sum()
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pages.iter().flat_map(|page| page.iter().flatten())
    }

    pub(crate) fn slot(&self, segment: usize) -> Option<&Slot> {
        self.pages.get(segment / PAGE_SLOTS)?.get(segment % PAGE_SLOTS)?.as_ref()
    }

    pub(crate) fn segments(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE_SLOTS + last.len())
    }

    /// Whether this row exists and is not deleted.
    #[must_use]
    pub fn is_live(&self, row: u32) -> bool {
        let (segment, offset) = split(row);
        self.slot(segment).is_some_and(|slot| slot.is_live(offset))
    }

    /// These columns of these rows, in the order given. Deleted rows can be fetched until their segment is reclaimed.
    ///
    /// # Errors
    ///
    /// 54000 if a column's values exceed what one batch holds (2 GiB of text).
    ///
    /// # Panics
    ///
    /// If a row id was never given out, or its segment is reclaimed.
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        if rows.is_empty() {
            return Ok(columns.iter().map(|&c| new_empty_array(&self.types[c].arrow_type())).collect());
        }
        if columns.is_empty() {
            return Ok(vec![]);
        }
        let mut sources = Sources::default();
        for &row in rows {
            let (segment, offset) = split(row);
            sources.add(segment, offset, || self.slot(segment).expect("a row id in use has a segment"));
        }
        columns.iter().map(|&c| gather_column(&sources, c, &self.types[c])).collect()
    }

    /// The live rows in order of row id, with their ids, at most `batch_rows` at a time.
    #[must_use]
    pub fn scan(&self, columns: &[usize], batch_rows: usize) -> RowScan {
        RowScan {
            rows: self.clone(),
            columns: columns.into(),
            batch_rows: u32::try_from(batch_rows.max(1)).unwrap_or(u32::MAX),
            text: TextForm::Plain,
            bounds: Box::default(),
            end: self.segments(),
            segment: 0,
            chunk: 0,
            offset: 0,
        }
    }
}

/// See [`RowSnapshot::scan`].
#[derive(Debug, Clone)]
pub struct RowScan {
    rows: RowSnapshot,
    columns: Box<[usize]>,
    batch_rows: u32,
    text: TextForm,
    bounds: Box<[Bound]>,
    /// The segment before which the scan ends.
    end: usize,
    segment: usize,
    chunk: usize,
    /// Within the chunk.
    offset: u32,
}

impl RowScan {
    /// The same rows, with text in this form.
    #[must_use]
    pub fn with_text(self, text: TextForm) -> Self {
        Self { text, ..self }
    }

    /// The same rows, or fewer: segments of which no row satisfies all bounds are passed over.
    #[must_use]
    pub fn with_bounds(self, bounds: Vec<Bound>) -> Self {
        Self { bounds: bounds.into(), ..self }
    }

    /// The rows of a scan that has not begun in `parts` scans, to be read one after the other or side by side.
    #[must_use]
    pub fn divided(self, parts: usize) -> Vec<Self> {
        debug_assert!(self.chunk == 0 && self.offset == 0, "the scan has not begun");
        let segments = self.end - self.segment;
        let bound = |part: usize| self.segment + segments * part / parts;
        (0..parts).map(|part| Self { segment: bound(part), end: bound(part + 1), ..self.clone() }).collect()
    }

    fn next_segment(&mut self) {
        self.segment += 1;
        self.chunk = 0;
        self.offset = 0;
    }
}

impl Iterator for RowScan {
    type Item = (Batch, Vec<u32>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.segment < self.end {
            let Some(slot) = self.rows.slot(self.segment).filter(|slot| slot.live_rows() > 0) else {
                self.next_segment();
                continue;
            };
            let Some(chunk) = slot.segment.chunks().get(self.chunk) else {
                self.next_segment();
                continue;
            };
            let chunk_rows = u32::try_from(chunk.rows()).expect("a chunk is at most a segment");
            if self.offset >= chunk_rows || (self.offset == 0 && !chunk.may_match(&self.bounds)) {
                self.chunk += 1;
                self.offset = 0;
                continue;
            }
            let taken = self.batch_rows.min(chunk_rows - self.offset);
            let start = slot.segment.chunk_start(self.chunk);
            let (first, from) = (start + self.offset, self.offset as usize);
            let range = from..from + taken as usize;
            let base = u32::try_from(self.segment).expect("segment numbers have 16 bits") << 16;
            let piece = Batch::new(
                self.columns.iter().map(|&c| chunk.column(c, range.clone(), &self.rows.types[c], self.text)).collect(),
                taken as usize,
            );
            let live = if slot.all_live() { None } else { Some(slot.live_offsets(first, first + taken)) };
            self.offset += taken;
            match live {
                Some(live) if live.is_empty() => {}
                Some(live) if live.len() < taken as usize => {
                    let within: Vec<u32> = live.iter().map(|offset| offset - first).collect();
                    return Some((piece.take(&within), live.iter().map(|offset| base | offset).collect()));
                }
                _ => return Some((piece, (first..first + taken).map(|offset| base | offset).collect())),
            }
        }
        None
    }
}
