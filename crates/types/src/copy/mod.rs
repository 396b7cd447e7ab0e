//! COPY: the text, csv and binary formats, into columns and out of them.
//!
//! ```text
//! chunks of any size ──▶ plain records, in blocks (plain.rs) ──────────────┐
//!                   ├──▶ records (record.rs) ──▶ fields (decode.rs) ──▶ typed columns (column.rs) ──▶ batches
//!                   └──▶ tuples (binary.rs) ───────────────────────────────────┘
//! ```

mod binary;
mod column;
mod decode;
mod encode;
mod plain;
mod record;
mod structure;

pub use decode::CopyDecoder;
pub use encode::CopyEncoder;

use crate::{Result, SqlError, SqlState};

/// The format of COPY data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyFormat {
    /// Lines with backslash escapes.
    Text,
    /// Comma-separated values.
    Csv,
    /// PostgreSQL's `PGCOPY`.
    Binary,
}

/// The HEADER option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyHeader {
    /// No header line.
    None,
    /// A line of names: written, and skipped when read.
    Line,
    /// A line of names, compared with the columns' when read.
    Match,
}

/// The options of a COPY statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// FORMAT
    pub format: CopyFormat,
    /// DELIMITER
    pub delimiter: u8,
    /// NULL
    pub null: String,
    /// HEADER
    pub header: CopyHeader,
    /// QUOTE, of csv.
    pub quote: u8,
    /// ESCAPE, of csv.
    pub escape: u8,
    /// FORCE_QUOTE: one flag per column; empty for none.
    pub force_quote: Vec<bool>,
    /// FORCE_NOT_NULL: one flag per column; empty for none.
    pub force_not_null: Vec<bool>,
    /// FORCE_NULL: one flag per column; empty for none.
    pub force_null: Vec<bool>,
    /// The relation's name in error contexts.
    pub relation: String,
}

impl CopyOptions {
    /// The defaults of a format.
    #[must_use]
    pub fn new(format: CopyFormat, relation: impl Into<String>) -> Self {
        let csv = format == CopyFormat::Csv;
        Self {
            format,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { String::new() } else { "\\N".to_owned() },
            header: CopyHeader::None,
            quote: b'"',
            escape: b'"',
            force_quote: Vec::new(),
            force_not_null: Vec::new(),
            force_null: Vec::new(),
            relation: relation.into(),
        }
    }

    /// Checks that the options go together (PostgreSQL's `ProcessCopyOptions`).
    ///
    /// # Errors
    ///
    /// 22023 and 0A000 with PostgreSQL's texts.
    pub fn check(&self) -> Result<()> {
        let invalid = |message: &str| Err(SqlError::new(SqlState::InvalidParameterValue, message));
        let unsupported = |message: &str| Err(SqlError::new(SqlState::FeatureNotSupported, message));
        let csv = self.format == CopyFormat::Csv;
        if matches!(self.delimiter, b'\r' | b'\n') {
            return invalid("COPY delimiter cannot be newline or carriage return");
        }
        if self.null.contains(['\r', '\n']) {
            return invalid("COPY null representation cannot use newline or carriage return");
        }
        if !csv && (matches!(self.delimiter, b'\\' | b'.') || self.delimiter.is_ascii_alphanumeric()) {
            return invalid(&format!("COPY delimiter cannot be \"{}\"", char::from(self.delimiter)));
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return invalid("COPY delimiter must not appear in the NULL specification");
        }
        if csv && self.delimiter == self.quote {
            return invalid("COPY delimiter and quote must be different");
        }
        if csv && self.null.as_bytes().contains(&self.quote) {
            return invalid("CSV quote character must not appear in the NULL specification");
        }
        if self.header == CopyHeader::Match && self.format == CopyFormat::Binary {
            return unsupported("cannot specify HEADER in BINARY mode");
        }
        if !csv && self.force_quote.contains(&true) {
            return unsupported("COPY force quote available only in CSV mode");
        }
        if !csv && self.force_not_null.contains(&true) {
            return unsupported("COPY force not null available only in CSV mode");
        }
        if !csv && self.force_null.contains(&true) {
            return unsupported("COPY force null available only in CSV mode");
        }
        if !self.delimiter.is_ascii() || !self.quote.is_ascii() || !self.escape.is_ascii() {
            return unsupported("COPY delimiter must be a single one-byte character");
        }
        Ok(())
    }
}

/// 22P04.
fn bad_format(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::BadCopyFileFormat, message)
}

/// Adds a line to an error's context, behind what it says already.
fn with_context(mut error: SqlError, line: String) -> SqlError {
    error.context = Some(match error.context.take() {
        Some(context) => format!("{context}\n{line}"),
        None => line,
    });
    error
}

#[cfg(test)]
mod tests;
