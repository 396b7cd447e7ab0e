//! COPY FROM: chunks to columns.
//!
//! # Invariants
//!
//! 1. Chunks may be cut anywhere; the rows are the same. No byte is scanned again because a chunk ended.
//! 2. What is appended is whole rows, but for the row of an error, after which the decoder is not to be used.
//! 3. No column of a batch reaches 2 GiB: batches are sealed at [`COPY_BATCH_ROWS_MAX`] rows or
//!    [`COPY_BATCH_BYTES_MAX`] bytes of input, and a record has at most [`COPY_RECORD_BYTES_MAX`].
//!
//! # Cost
//!
//! One pass to find what divides fields and records, and one per field to read it (`plain.rs`). What has quotes or escapes
//! takes three passes: to find the record, to split it, to read its fields. Nothing is allocated per row or field but for
//! escapes.

use super::column::CopyColumn;
use super::record::RecordScanner;
use super::structure::Structure;
use super::{CopyFormat, CopyHeader, CopyOptions, bad_format, binary, plain, with_context};
use crate::binary::invalid_utf8;
use crate::text::TextContext;
use crate::{Batch, Field, Result, SessionSettings, SqlError, SqlState};
use std::collections::VecDeque;

/// Rows at which a batch is sealed.
pub(super) const COPY_BATCH_ROWS_MAX: usize = 65_536;
/// Bytes of input at which a batch is sealed.
pub(super) const COPY_BATCH_BYTES_MAX: usize = 256 << 20;
/// Bytes of the longest record.
pub(super) const COPY_RECORD_BYTES_MAX: usize = 1 << 30;
/// Bytes of data that an error's context shows.
const CONTEXT_BYTES_MAX: usize = 100;
/// Rows that the first batch has room for.
const FIRST_CAPACITY_ROWS: usize = 64;

/// Reads COPY data into batches.
pub struct CopyDecoder {
    state: State,
    scanner: RecordScanner,
    /// The record that the last chunk left unfinished.
    pending: Vec<u8>,
    /// The bytes at its start that are known to be valid text.
    checked: usize,
    /// It is known not to be plain.
    not_plain: bool,
    /// The end of data was seen (`\.`, or the binary trailer).
    ended: bool,
}

/// What does not depend on how the data was cut.
pub(super) struct State {
    pub(super) options: CopyOptions,
    pub(super) columns: Vec<CopyColumn>,
    pub(super) settings: SessionSettings,
    pub(super) now_micros: i64,
    /// Records read so far, the header included.
    pub(super) line: u64,
    pub(super) header_due: bool,
    /// Whether lines end in CR LF; known after the first.
    pub(super) crlf: Option<bool>,
    pub(super) structure: Option<Structure>,
    /// The places of a block's fields, between blocks: its memory only.
    pub(super) bounds: Vec<usize>,
    pub(super) rows: usize,
    bytes: usize,
    ready: VecDeque<Batch>,
    /// A field without its escapes.
    scratch: Vec<u8>,
}

impl CopyDecoder {
    /// A decoder of rows of these columns. `now_micros` is the transaction's timestamp.
    #[must_use]
    pub fn new(options: CopyOptions, fields: Vec<Field>, settings: SessionSettings, now_micros: i64) -> Self {
        let flag = |flags: &[bool], index: usize| flags.get(index).copied().unwrap_or(false);
        let column = |(index, field)| {
            let force_null = flag(&options.force_null, index);
            CopyColumn::new(field, force_null, flag(&options.force_not_null, index), FIRST_CAPACITY_ROWS)
        };
        let columns = fields.into_iter().enumerate().map(column).collect();
        Self {
            scanner: RecordScanner::new(&options),
            pending: Vec::new(),
            checked: 0,
            not_plain: false,
            ended: false,
            state: State {
                columns,
                settings,
                now_micros,
                line: 0,
                header_due: options.header != CopyHeader::None && options.format != CopyFormat::Binary,
                crlf: None,
                structure: plain::structure_of(&options),
                bounds: Vec::new(),
                rows: 0,
                bytes: 0,
                ready: VecDeque::new(),
                scratch: Vec::new(),
                options,
            },
        }
    }

    /// Takes the next chunk, cut anywhere.
    ///
    /// # Errors
    ///
    /// 22P04 for bad structure, the input functions' errors for bad values, with PostgreSQL's context. The decoder
    /// must not be used after an error.
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        if self.state.options.format == CopyFormat::Binary {
            return self.push_binary(chunk);
        }
        if self.ended {
            return Ok(());
        }
        if self.pending.is_empty() {
            let consumed = self.consume(chunk, 0)?;
            self.pending.extend_from_slice(&chunk[consumed..]);
        } else {
            let scanned = self.pending.len();
            let mut buffer = std::mem::take(&mut self.pending);
            buffer.extend_from_slice(chunk);
            let consumed = self.consume(&buffer, scanned)?;
            buffer.drain(..consumed);
            self.pending = buffer;
        }
        self.check_pending()
    }

    fn check_pending(&self) -> Result<()> {
        if self.pending.len() <= COPY_RECORD_BYTES_MAX {
            return Ok(());
        }
        let error = SqlError::new(SqlState::ProgramLimitExceeded, "COPY row is too long")
            .with_detail(format!("A row of COPY data may have {COPY_RECORD_BYTES_MAX} bytes."));
        Err(with_context(error, self.state.place(self.state.line + 1)))
    }

    /// Reads the complete records of a buffer whose first `scanned` bytes the scanner has seen. Returns the bytes
    /// read.
    fn consume(&mut self, buffer: &[u8], scanned: usize) -> Result<usize> {
        let checked = std::mem::take(&mut self.checked);
        // Everything up to the last newline is whole characters; check what is new of it at once.
        let Some(last) = memchr::memrchr(b'\n', &buffer[scanned..]) else {
            let end = self.scanner.find(buffer, scanned);
            debug_assert!(end.is_none(), "no newline ends a record");
            self.checked = checked;
            return Ok(0);
        };
        let whole = scanned + last + 1;
        let fresh = &buffer[checked..whole];
        let (valid, fault) = match std::str::from_utf8(fresh) {
            Ok(text) => (text, memchr::memchr(0, fresh)),
            Err(error) => {
                let at = error.valid_up_to();
                let valid = std::str::from_utf8(&fresh[..at]).expect("valid up to there");
                (valid, memchr::memchr(0, &fresh[..at]).or(Some(at)))
            }
        };
        // Rows before a bad byte come first: their errors do, too.
        let end_of_valid = checked + fault.unwrap_or(valid.len());
        let (mut start, mut from) = (0usize, scanned.min(end_of_valid));
        let mut may_be_plain = !std::mem::take(&mut self.not_plain);
        loop {
            if std::mem::replace(&mut may_be_plain, true) {
                start = self.state.plain_records(&buffer[..end_of_valid], start)?;
                from = from.max(start);
            }
            let Some(end) = self.scanner.find(&buffer[..end_of_valid], from) else { break };
            let record = match start.checked_sub(checked) {
                Some(fresh_start) => &valid[fresh_start..end - checked],
                None => std::str::from_utf8(&buffer[start..end]).expect("checked when it came"),
            };
            if self.state.record(record)? {
                self.ended = true;
                return Ok(buffer.len());
            }
            start = end + 1;
            from = start;
        }
        if fault.is_some() {
            self.state.line += 1;
            return Err(self.state.in_line(invalid_utf8(buffer, end_of_valid), None));
        }
        // The scanner has seen up to the last newline; let it see the rest, too.
        let end = self.scanner.find(buffer, whole);
        debug_assert!(end.is_none(), "no newline ends a record");
        self.checked = whole - start;
        // A line that is complete and still no record has quotes or escapes.
        self.not_plain = start < whole;
        Ok(start)
    }

    fn push_binary(&mut self, chunk: &[u8]) -> Result<()> {
        if self.ended {
            if chunk.is_empty() {
                return Ok(());
            }
            return Err(bad_format("received copy data after EOF marker"));
        }
        let mut buffer = std::mem::take(&mut self.pending);
        buffer.extend_from_slice(chunk);
        let progress = binary::consume(&mut self.state, &buffer)?;
        self.ended = progress.ended;
        buffer.drain(..progress.consumed);
        if self.ended && !buffer.is_empty() {
            return Err(bad_format("received copy data after EOF marker"));
        }
        self.pending = buffer;
        self.check_pending()
    }

    /// The data is complete: reads a last line without a newline.
    ///
    /// # Errors
    ///
    /// As [`CopyDecoder::push`], and 22P04 for data cut short.
    pub fn finish(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.pending);
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        if self.state.options.format == CopyFormat::Binary {
            let complete = rest.is_empty() && self.state.line > 0;
            return if complete { Ok(()) } else { Err(bad_format("unexpected EOF in COPY data")) };
        }
        if rest.is_empty() {
            return Ok(());
        }
        let text = match std::str::from_utf8(&rest) {
            Ok(text) if !text.contains('\0') => text,
            text_or_error => {
                let at = match text_or_error {
                    Ok(text) => text.find('\0').unwrap_or(0),
                    Err(error) => error.valid_up_to(),
                };
                self.state.line += 1;
                return Err(self.state.in_line(invalid_utf8(&rest, at), None));
            }
        };
        if self.scanner.in_quotes() {
            self.state.line += 1;
            return Err(self.state.in_line(bad_format("unterminated CSV quoted field"), Some(text)));
        }
        self.state.record(text).map(drop)
    }

    /// A batch, if at least `min_rows` rows are waiting (or a batch was full). Zero means any at all.
    pub fn take_batch(&mut self, min_rows: usize) -> Option<Batch> {
        if self.state.ready.is_empty() && self.state.rows >= min_rows.max(1) {
            self.state.seal();
        }
        self.state.ready.pop_front()
    }

    #[cfg(test)]
    pub(super) fn take_the_general_way(&mut self) {
        self.state.structure = None;
    }

    /// Rows waiting to be taken.
    #[must_use]
    pub fn waiting_rows(&self) -> usize {
        self.state.rows + self.state.ready.iter().map(|batch| batch.rows).sum::<usize>()
    }
}

impl State {
    pub(super) fn seal(&mut self) {
        let columns = self.columns.iter_mut().map(CopyColumn::take).collect();
        self.ready.push_back(Batch::new(columns, std::mem::take(&mut self.rows)));
        self.bytes = 0;
    }

    /// Makes room for a row of this many bytes.
    pub(super) fn begin_row(&mut self, bytes: usize) {
        if self.rows >= COPY_BATCH_ROWS_MAX {
            self.seal();
        }
        self.make_room(bytes);
    }

    /// Makes room for rows of this many bytes.
    pub(super) fn make_room(&mut self, bytes: usize) {
        if self.rows > 0 && self.bytes + bytes > COPY_BATCH_BYTES_MAX {
            self.seal();
        }
        self.bytes += bytes;
    }

    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    pub(super) fn place(&self, line: u64) -> String {
        format!("COPY {}, line {line}", self.options.relation)
    }

    /// An error about this record as a whole.
    fn in_line(&self, error: SqlError, record: Option<&str>) -> SqlError {
        let place = self.place(self.line);
        with_context(
            error,
            match record {
                Some(record) => format!("{place}: \"{}\"", limited(record)),
                None => place,
            },
        )
    }

    /// Reads a record, without its newline. True if it is the end-of-data marker.
    fn record(&mut self, record: &str) -> Result<bool> {
        self.line += 1;
        let line = self.strip_carriage_return(record)?;
        if line == "\\." {
            return Ok(true);
        }
        if std::mem::take(&mut self.header_due) {
            self.header(line)?;
            return Ok(false);
        }
        self.begin_row(line.len());
        match self.fields(line) {
            Ok(()) => {
                self.end_row();
                Ok(false)
            }
            Err(error) => Err(self.row_error(error, line)),
        }
    }

    /// Cuts the CR of a CR LF. Which of the two ends lines, the first one tells; the others must follow it.
    fn strip_carriage_return<'a>(&mut self, record: &'a str) -> Result<&'a str> {
        let stripped = record.strip_suffix('\r');
        let crlf = *self.crlf.get_or_insert(stripped.is_some());
        let csv = self.options.format == CopyFormat::Csv;
        let line = match (crlf, stripped) {
            (true, Some(line)) => line,
            (false, None) => record,
            (true, None) => {
                let (message, hint) = if csv {
                    ("unquoted newline found in data", "Use quoted CSV field to represent newline.")
                } else {
                    ("literal newline found in data", "Use \"\\n\" to represent newline.")
                };
                return Err(self.in_line(bad_format(message).with_hint(hint), None));
            }
            (false, Some(_)) => record,
        };
        if !csv && memchr::memchr(b'\r', line.as_bytes()).is_some() {
            let error = bad_format("literal carriage return found in data")
                .with_hint("Use \"\\r\" to represent carriage return.");
            return Err(self.in_line(error, None));
        }
        Ok(line)
    }

    fn header(&mut self, line: &str) -> Result<()> {
        if self.options.header != CopyHeader::Match {
            return Ok(());
        }
        let mut names = Vec::new();
        let mut splitter = Splitter::new(&self.options, line);
        while let Some(raw) = splitter.next_field() {
            match raw.value(&self.options, &mut self.scratch) {
                Ok(name) => names.push(name.to_owned()),
                Err(error) => return Err(self.in_line(error, None)),
            }
        }
        let mismatch = |message: String| Err(self.in_line(bad_format(message), Some(line)));
        if names.len() != self.columns.len() {
            let (got, expected) = (names.len(), self.columns.len());
            return mismatch(format!("wrong number of fields in header line: got {got}, expected {expected}"));
        }
        for (index, (name, column)) in names.iter().zip(&self.columns).enumerate() {
            if *name != column.field.name {
                let (field, expected) = (index + 1, &column.field.name);
                return mismatch(format!(
                    "column name mismatch in header line field {field}: got \"{name}\", expected \"{expected}\""
                ));
            }
        }
        Ok(())
    }

    /// Appends every field of a row.
    fn fields(&mut self, line: &str) -> Result<(), RowError> {
        let Self { options, columns, settings, now_micros, scratch, .. } = self;
        let context = TextContext { settings, now_micros: *now_micros };
        let mut splitter = Splitter::new(options, line);
        for (index, column) in columns.iter_mut().enumerate() {
            let Some(raw) = splitter.next_field() else { return Err(RowError::Missing(index)) };
            if raw.is_bare_return() {
                return Err(RowError::CarriageReturn);
            }
            if raw.is_null(options, column, scratch) {
                column.append_null();
                continue;
            }
            let value = raw.value(options, scratch).map_err(|error| RowError::Encoding(Box::new(error)))?;
            if let Err(error) = column.append(value, &context) {
                let extra = splitter.remaining_fields() + index + 1 > columns.len();
                return Err(if extra {
                    RowError::Extra
                } else {
                    RowError::Value(index, value.to_owned(), Box::new(error))
                });
            }
        }
        // A table without columns reads empty lines.
        let none_expected = columns.is_empty() && line.is_empty();
        if !splitter.done && !none_expected { Err(RowError::Extra) } else { Ok(()) }
    }

    pub(super) fn row_error(&self, error: RowError, line: &str) -> SqlError {
        let structural = |message: String| self.in_line(bad_format(message), Some(line));
        match error {
            RowError::Extra => structural("extra data after last expected column".to_owned()),
            RowError::Missing(index) => {
                structural(format!("missing data for column \"{}\"", self.columns[index].field.name))
            }
            RowError::Encoding(error) => self.in_line(*error, Some(line)),
            RowError::CarriageReturn => {
                let error = bad_format("unquoted carriage return found in data")
                    .with_hint("Use quoted CSV field to represent carriage return.");
                self.in_line(error, None)
            }
            RowError::Value(index, value, error) => {
                let column = &self.columns[index].field.name;
                let place = self.place(self.line);
                with_context(*error, format!("{place}, column {column}: \"{}\"", limited(&value)))
            }
        }
    }
}

/// What is wrong with a row.
pub(super) enum RowError {
    Extra,
    Missing(usize),
    CarriageReturn,
    /// Escapes that make no character.
    Encoding(Box<SqlError>),
    Value(usize, String, Box<SqlError>),
}

/// A text cut to what a context shows.
fn limited(text: &str) -> String {
    if text.len() <= CONTEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(CONTEXT_BYTES_MAX)])
}

/// A field as it stands in its record.
#[derive(Clone, Copy)]
struct RawField<'a> {
    text: &'a str,
    csv: bool,
    /// It has escapes (text) or quotes (csv).
    marked: bool,
}

impl RawField<'_> {
    /// A csv field outside quotes must not hold a carriage return.
    fn is_bare_return(&self) -> bool {
        self.csv && !self.marked && memchr::memchr(b'\r', self.text.as_bytes()).is_some()
    }

    fn is_null(&self, options: &CopyOptions, column: &CopyColumn, scratch: &mut Vec<u8>) -> bool {
        match (self.csv, self.marked) {
            (false, _) => self.text == options.null,
            (true, false) => self.text == options.null && !column.force_not_null,
            (true, true) => column.force_null && self.value(options, scratch).is_ok_and(|value| value == options.null),
        }
    }

    /// The text without escapes and quotes.
    ///
    /// # Errors
    ///
    /// 22021 if octal or hexadecimal escapes make bytes that are no character.
    fn value<'b>(&'b self, options: &CopyOptions, scratch: &'b mut Vec<u8>) -> Result<&'b str> {
        if !self.marked {
            return Ok(self.text);
        }
        let quote = char::from(options.quote);
        if self.csv {
            let inner = self.text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            if let Some(inner) = inner
                && memchr::memchr2(options.quote, options.escape, inner.as_bytes()).is_none()
            {
                return Ok(inner);
            }
        }
        scratch.clear();
        if self.csv {
            unquote(self.text.as_bytes(), options, scratch);
        } else {
            unescape(self.text.as_bytes(), scratch);
        }
        let text = std::str::from_utf8(scratch).map_err(|error| invalid_utf8(scratch, error.valid_up_to()))?;
        match memchr::memchr(0, scratch) {
            Some(at) => Err(invalid_utf8(scratch, at)),
            None => Ok(text),
        }
    }
}

/// Removes the quotes of a csv field, which may begin and end anywhere in it.
fn unquote(text: &[u8], options: &CopyOptions, out: &mut Vec<u8>) {
    let mut in_quotes = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if in_quotes
            && byte == options.escape
            && text.get(at).is_some_and(|b| *b == options.quote || *b == options.escape)
        {
            out.push(text[at]);
            at += 1;
        } else if byte == options.quote {
            in_quotes = !in_quotes;
        } else {
            out.push(byte);
        }
    }
}

/// Replaces the backslash escapes of a text field.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((&byte, tail)) = rest.split_first() else { return };
        rest = tail;
        let octal = |byte: u8| (b'0'..=b'7').contains(&byte);
        match byte {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(0x0b),
            b'0'..=b'7' => {
                let mut value = byte - b'0';
                for _ in 0..2 {
                    let Some((&digit, tail)) = rest.split_first().filter(|(digit, _)| octal(**digit)) else { break };
                    value = value.wrapping_mul(8).wrapping_add(digit - b'0');
                    rest = tail;
                }
                out.push(value);
            }
            b'x' => {
                let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let mut value = None;
                for _ in 0..2 {
                    let Some((digit, tail)) = rest.split_first().and_then(|(b, tail)| Some((hex(*b)?, tail))) else {
                        break;
                    };
                    value = Some(value.unwrap_or(0) * 16 + digit);
                    rest = tail;
                }
                out.push(value.unwrap_or(b'x'));
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// Cuts a record into fields.
struct Splitter<'a> {
    line: &'a str,
    at: usize,
    done: bool,
    csv: bool,
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
}

impl<'a> Splitter<'a> {
    fn new(options: &CopyOptions, line: &'a str) -> Self {
        Self {
            line,
            at: 0,
            done: false,
            csv: options.format == CopyFormat::Csv,
            delimiter: options.delimiter,
            quote: options.quote,
            escape: (options.escape != options.quote).then_some(options.escape),
        }
    }

    fn next_field(&mut self) -> Option<RawField<'a>> {
        if self.done {
            return None;
        }
        let bytes = self.line.as_bytes();
        let start = self.at;
        let mark = if self.csv { self.quote } else { b'\\' };
        let (mut marked, mut in_quotes) = (false, false);
        let mut at = start;
        let end = loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let found = match self.escape.filter(|_| in_quotes) {
                Some(escape) => memchr::memchr3(self.delimiter, mark, escape, rest),
                None => memchr::memchr2(self.delimiter, mark, rest),
            };
            let Some(position) = found.map(|offset| at + offset) else {
                self.done = true;
                break bytes.len();
            };
            at = position + 1;
            match bytes[position] {
                byte if byte == self.delimiter && !in_quotes => break position,
                byte if self.csv && byte == self.quote => {
                    marked = true;
                    in_quotes = !in_quotes;
                }
                byte if byte == self.delimiter => {}
                // A backslash of text, or an escape inside quotes: the next byte is no delimiter.
                _ => {
                    marked = true;
                    at += 1;
                }
            }
        };
        self.at = end + 1;
        Some(RawField { text: &self.line[start..end], csv: self.csv, marked })
    }

    fn remaining_fields(&mut self) -> usize {
        std::iter::from_fn(|| self.next_field()).count()
    }
}
