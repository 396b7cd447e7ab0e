//! Where a record of text or csv ends, found in chunks of any size.

use super::{CopyFormat, CopyOptions};

/// Finds the newlines that end records. It remembers where it stands between calls, so that no byte is looked at twice
/// however small the chunks are.
#[derive(Debug)]
pub(super) struct RecordScanner {
    csv: bool,
    quote: u8,
    /// The escape of csv where it is not the quote itself.
    escape: Option<u8>,
    in_quotes: bool,
    /// The next byte is escaped.
    skip: bool,
}

impl RecordScanner {
    pub(super) fn new(options: &CopyOptions) -> Self {
        Self {
            csv: options.format == CopyFormat::Csv,
            quote: options.quote,
            escape: (options.escape != options.quote).then_some(options.escape),
            in_quotes: false,
            skip: false,
        }
    }

    /// Whether the bytes seen so far end inside quotes.
    pub(super) fn in_quotes(&self) -> bool {
        self.in_quotes
    }

    /// The first newline at `from` or later that ends a record. `from` is where the last call without a result
    /// stopped: the end of what it was given.
    pub(super) fn find(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        if self.skip && at < bytes.len() {
            self.skip = false;
            at += 1;
        }
        loop {
            let rest = bytes.get(at..)?;
            let found = match (self.csv, self.escape) {
                (false, _) => memchr::memchr2(b'\\', b'\n', rest),
                (true, None) => memchr::memchr2(self.quote, b'\n', rest),
                (true, Some(escape)) => memchr::memchr3(self.quote, escape, b'\n', rest),
            };
            let position = at + found?;
            at = position + 1;
            match bytes[position] {
                b'\n' if !self.in_quotes => return Some(position),
                b'\n' => {}
                byte if self.csv && byte == self.quote => self.in_quotes = !self.in_quotes,
                // A backslash of text, or an escape inside quotes.
                _ if !self.csv || self.in_quotes => {
                    self.skip = at >= bytes.len();
                    at += 1;
                }
                _ => {}
            }
        }
    }
}
