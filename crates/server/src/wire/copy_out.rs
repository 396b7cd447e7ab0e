//! COPY output: chunks of rows → one CopyData message per row.
//!
//! The protocol lets a server cut COPY data anywhere; PostgreSQL sends a row per message, and drivers have come to
//! count on it (psycopg 3's `copy.rows()` parses each message as one row).

use super::backend::framed;
use bytes::{BufMut, BytesMut};
use headwater_types::CopyFormat;

/// Cuts COPY data into rows.
pub struct RowSplitter {
    format: CopyFormat,
    /// The first bytes of a row whose end is in a later chunk.
    rest: Vec<u8>,
    /// Binary only: the file's header has been seen.
    started: bool,
}

/// Signature, flags and the length of an empty extension: what a binary COPY begins with.
const BINARY_HEADER_BYTES: usize = 19;

impl RowSplitter {
    /// A splitter of data in this format.
    pub fn new(format: CopyFormat) -> Self {
        Self { format, rest: Vec::new(), started: false }
    }

    /// Writes the rows that end in `chunk`.
    pub fn write(&mut self, chunk: &[u8], output: &mut BytesMut) {
        let joined;
        let mut data = if self.rest.is_empty() {
            chunk
        } else {
            self.rest.extend_from_slice(chunk);
            joined = std::mem::take(&mut self.rest);
            &joined
        };
        while let Some(end) = self.row_end(data) {
            copy_data(&data[..end], output);
            self.started = true;
            data = &data[end..];
        }
        self.rest = data.to_vec();
    }

    /// Writes `chunk` and whatever is left.
    pub fn finish(mut self, chunk: &[u8], output: &mut BytesMut) {
        self.write(chunk, output);
        if !self.rest.is_empty() {
            copy_data(&self.rest, output);
        }
    }

    fn row_end(&self, data: &[u8]) -> Option<usize> {
        match self.format {
            // A newline inside a value is written as an escape.
            CopyFormat::Text => data.iter().position(|&byte| byte == b'\n').map(|newline| newline + 1),
            CopyFormat::Csv => csv_row_end(data),
            CopyFormat::Binary => binary_row_end(data, self.started),
        }
    }
}

/// The end of the line that is not inside quotes. A doubled quote leaves and enters again, which comes to the same.
fn csv_row_end(data: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (index, &byte) in data.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// The end of a row: a 16-bit count (−1 ends the data), and for each value its length (−1 is NULL) and bytes. The
/// header goes with the first row, as PostgreSQL sends it.
fn binary_row_end(data: &[u8], started: bool) -> Option<usize> {
    let mut at = if started { 0 } else { BINARY_HEADER_BYTES };
    let count = i16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?);
    at += 2;
    for _ in 0..count.max(0) {
        let length = i32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?);
        at += 4 + usize::try_from(length).unwrap_or(0);
    }
    (at <= data.len()).then_some(at)
}

fn copy_data(data: &[u8], output: &mut BytesMut) {
    framed(output, b'd', |output| output.put_slice(data));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bodies of the messages that `data` becomes when it arrives in chunks of `chunk` bytes.
    fn messages(format: CopyFormat, data: &[u8], chunk: usize) -> Vec<Vec<u8>> {
        let mut splitter = RowSplitter::new(format);
        let mut output = BytesMut::new();
        for chunk in data.chunks(chunk) {
            splitter.write(chunk, &mut output);
        }
        splitter.finish(b"", &mut output);
        let mut messages = Vec::new();
        while !output.is_empty() {
            let length = u32::from_be_bytes(output[1..5].try_into().expect("four bytes"));
            let message = output.split_to(usize::try_from(length).expect("short") + 1);
            messages.push(message[5..].to_vec());
        }
        messages
    }

    #[test]
    fn each_row_is_a_message_however_the_data_is_cut() {
        let mut header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        header.extend_from_slice(b"\0\x01\0\0\0\x01a");
        let binary = [header, b"\0\x02\xff\xff\xff\xff\0\0\0\x02\nb".to_vec(), b"\xff\xff".to_vec()];
        let cases = [
            (CopyFormat::Text, vec![b"1\tx\\ny\n".to_vec(), b"2\t\\N\n".to_vec()]),
            (CopyFormat::Csv, vec![b"1,\"x\ny\"\n".to_vec(), b"2,\"a\"\"\nb\"\n".to_vec(), b"3,\n".to_vec()]),
            (CopyFormat::Binary, binary.to_vec()),
        ];
        for (format, rows) in cases {
            let data = rows.concat();
            for chunk in 1..=data.len() {
                assert_eq!(messages(format, &data, chunk), rows, "chunks of {chunk}");
            }
        }
    }
}
