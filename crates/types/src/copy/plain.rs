//! Plain records of text and csv: right number of fields, no quotes, no escapes. Nearly all there are.
//!
//! ```text
//! bytes ─▶ positions of delimiters and newlines (structure.rs) ─▶ a block of records ─▶ column by column ─▶ vectors
//! ```
//!
//! What is not plain ends the block and takes the general way (decode.rs), which gives the same rows for plain records,
//! and the errors for wrong ones.

use super::decode::{COPY_BATCH_ROWS_MAX, RowError, State};
use super::structure::Structure;
use super::{CopyFormat, CopyOptions};
use crate::Result;
use crate::text::TextContext;

/// Records of a block: their fields' places stay in the nearest cache.
const BLOCK_RECORDS_MAX: usize = 256;

/// Plain records, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    text: &'a [u8],
    /// Where the first field begins; then, for each field, what is behind its delimiter or newline.
    bounds: &'a [usize],
    /// Fields of a record.
    width: usize,
    /// Records of the block that count.
    pub(super) records: usize,
}

impl<'a> Block<'a> {
    /// A column's fields of the records from `record` on.
    pub(super) fn column(self, column: usize, record: usize) -> impl Iterator<Item = &'a [u8]> {
        let first = (record * self.width + column).min(self.bounds.len());
        let starts = self.bounds[first..].iter().step_by(self.width);
        let ends = self.bounds.get(first + 1..).unwrap_or_default().iter().step_by(self.width);
        let records = self.records - record;
        starts.zip(ends).take(records).map(move |(&start, &end)| &self.text[start..end - 1])
    }

    /// A field as text.
    pub(super) fn field(self, column: usize, record: usize) -> &'a str {
        let bytes = self.column(column, record).next().expect("the record is in the block");
        std::str::from_utf8(bytes).expect("the text was checked, and is cut at ASCII bytes")
    }
}

/// The bytes that structure data with these options; `None` where every record takes the general way.
pub(super) fn structure_of(options: &CopyOptions) -> Option<Structure> {
    match options.format {
        CopyFormat::Binary => None,
        CopyFormat::Csv => Some(Structure { bytes: [options.delimiter, b'\n', b'\r', options.quote] }),
        CopyFormat::Text => Some(Structure { bytes: [options.delimiter, b'\n', b'\r', b'\\'] }),
    }
}

impl State {
    /// Reads the plain records that stand at `start` of `text`, which ends with a newline; where the first other begins.
    ///
    /// # Errors
    ///
    /// Those of values.
    pub(super) fn plain_records(&mut self, text: &[u8], mut start: usize) -> Result<usize> {
        // The first line tells how lines end; with CR LF none is plain.
        let (Some(structure), Some(false), false) = (self.structure, self.crlf, self.header_due) else {
            return Ok(start);
        };
        if self.columns.is_empty() {
            return Ok(start);
        }
        let mut bounds = std::mem::take(&mut self.bounds);
        let mut positions = structure.positions(text, start);
        let mut complete = true;
        while complete && start < text.len() {
            if self.rows >= COPY_BATCH_ROWS_MAX {
                self.seal();
            }
            let limit = (COPY_BATCH_ROWS_MAX - self.rows).min(BLOCK_RECORDS_MAX);
            complete = self.block_bounds(text, start, &mut positions, limit, &mut bounds);
            let records = (bounds.len() - 1) / self.columns.len();
            let end = bounds.last().copied().unwrap_or(start);
            if records > 0 {
                let block = Block { text, bounds: &bounds, width: self.columns.len(), records };
                self.read_block(block, end - start)?;
            }
            start = end;
        }
        self.bounds = bounds;
        Ok(start)
    }

    /// Finds up to `limit` plain records at `start`. False if something else follows them, or nothing.
    fn block_bounds(
        &self,
        text: &[u8],
        start: usize,
        positions: &mut impl Iterator<Item = usize>,
        limit: usize,
        bounds: &mut Vec<usize>,
    ) -> bool {
        let width = self.columns.len();
        let delimiter = self.options.delimiter;
        bounds.clear();
        bounds.push(start);
        let (mut records, mut field) = (0, 0);
        while records < limit {
            let Some(position) = positions.next() else { break };
            let byte = text[position];
            let is_last = field + 1 == width;
            if byte == delimiter && !is_last {
                field += 1;
            } else if byte == b'\n' && is_last && !(width == 1 && &text[bounds[records]..position] == b"\\.") {
                field = 0;
                records += 1;
            } else if byte == b'\\' && self.is_null_marker(text, bounds[bounds.len() - 1], position) {
                continue;
            } else {
                break;
            }
            bounds.push(position + 1);
        }
        bounds.truncate(records * width + 1);
        records == limit
    }

    /// Whether the backslash is that of a whole field `\N` of text, by its usual meaning.
    fn is_null_marker(&self, text: &[u8], field_start: usize, position: usize) -> bool {
        let rest = &text[position..];
        self.options.format == CopyFormat::Text
            && self.options.null == "\\N"
            && position == field_start
            && rest.get(1) == Some(&b'N')
            && rest.get(2).is_some_and(|&byte| byte == b'\n' || byte == self.options.delimiter)
    }

    /// Appends a block's records, column by column. Of several errors the first record's first is told.
    fn read_block(&mut self, mut block: Block<'_>, bytes: usize) -> Result<()> {
        self.make_room(bytes);
        let context = TextContext { settings: &self.settings, now_micros: self.now_micros };
        let null = self.options.null.as_bytes();
        let mut failure = None;
        for (index, column) in self.columns.iter_mut().enumerate() {
            if let Err(wrong) = column.append_block(block, index, null, &context) {
                let (record, error) = *wrong;
                failure = Some((record, index, block.field(index, record), error));
                // What the columns behind have to say matters only if it is about an earlier record.
                block.records = record;
            }
        }
        let records = block.records;
        let line = |records: usize| u64::try_from(records).expect("a block is small");
        if let Some((record, index, value, error)) = failure {
            self.line += line(record) + 1;
            return Err(self.row_error(RowError::Value(index, value.to_owned(), Box::new(error)), ""));
        }
        self.line += line(records);
        self.rows += records;
        Ok(())
    }
}
