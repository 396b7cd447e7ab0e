//! COPY TO: rows to text, csv or binary.

use super::binary::SIGNATURE;
use super::{CopyFormat, CopyHeader, CopyOptions};
use crate::binary::encode_sized;
use crate::{Field, SessionSettings, format_text};
use arrow_array::{Array, ArrayRef};

/// Writes rows as COPY data.
pub struct CopyEncoder {
    options: CopyOptions,
    fields: Vec<Field>,
    settings: SessionSettings,
    /// A field without its escapes.
    scratch: Vec<u8>,
}

impl CopyEncoder {
    /// An encoder of rows of these columns.
    #[must_use]
    pub fn new(options: CopyOptions, fields: Vec<Field>, settings: SessionSettings) -> Self {
        Self { options, fields, settings, scratch: Vec::new() }
    }

    /// Appends what comes before the rows: the header line, or the binary signature. Perhaps nothing.
    pub fn header(&mut self, out: &mut Vec<u8>) {
        match self.options.format {
            CopyFormat::Binary => {
                out.extend_from_slice(SIGNATURE);
                out.extend_from_slice(&[0; 8]);
            }
            _ if self.options.header == CopyHeader::None => {}
            format => {
                for (index, field) in self.fields.iter().enumerate() {
                    if index > 0 {
                        out.push(self.options.delimiter);
                    }
                    match format {
                        CopyFormat::Csv => push_csv(out, field.name.as_bytes(), &self.options, false, false),
                        _ => push_escaped(out, field.name.as_bytes(), self.options.delimiter),
                    }
                }
                out.push(b'\n');
            }
        }
    }

    /// Appends one row of these columns.
    ///
    /// # Panics
    ///
    /// If the columns are not of the encoder's types.
    pub fn row(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
        if self.options.format == CopyFormat::Binary {
            return self.binary_row(columns, row, out);
        }
        let only = columns.len() == 1;
        for (index, (column, field)) in columns.iter().zip(&self.fields).enumerate() {
            if index > 0 {
                out.push(self.options.delimiter);
            }
            if column.is_null(row) {
                out.extend_from_slice(self.options.null.as_bytes());
                continue;
            }
            self.scratch.clear();
            format_text(column, &field.data_type, row, &self.settings, &mut self.scratch);
            match self.options.format {
                CopyFormat::Csv => {
                    let forced = self.options.force_quote.get(index).copied().unwrap_or(false);
                    push_csv(out, &self.scratch, &self.options, forced, only);
                }
                _ => push_escaped(out, &self.scratch, self.options.delimiter),
            }
        }
        out.push(b'\n');
    }

    fn binary_row(&self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
        let count = i16::try_from(columns.len()).expect("a relation has at most 1600 columns");
        out.extend_from_slice(&count.to_be_bytes());
        for (column, field) in columns.iter().zip(&self.fields) {
            if column.is_null(row) {
                out.extend_from_slice(&(-1i32).to_be_bytes());
            } else {
                encode_sized(column, &field.data_type, row, out);
            }
        }
    }

    /// Appends what comes after the rows: the binary trailer, or nothing.
    pub fn trailer(&mut self, out: &mut Vec<u8>) {
        if self.options.format == CopyFormat::Binary {
            out.extend_from_slice(&(-1i16).to_be_bytes());
        }
    }
}

/// Appends a field of the text format.
fn push_escaped(out: &mut Vec<u8>, text: &[u8], delimiter: u8) {
    for &byte in text {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            byte if byte == delimiter => byte,
            byte => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

/// Appends a field of the csv format, in quotes if it could be misread.
fn push_csv(out: &mut Vec<u8>, text: &[u8], options: &CopyOptions, forced: bool, only: bool) {
    let special = |byte: &u8| matches!(byte, b'\n' | b'\r') || *byte == options.delimiter || *byte == options.quote;
    let quoted = forced || text == options.null.as_bytes() || (only && text == b"\\.") || text.iter().any(special);
    if !quoted {
        return out.extend_from_slice(text);
    }
    out.push(options.quote);
    for &byte in text {
        if byte == options.quote || byte == options.escape {
            out.push(options.escape);
        }
        out.push(byte);
    }
    out.push(options.quote);
}
