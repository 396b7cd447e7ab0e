//! The binary format: a signature, then tuples of sized fields, then −1.

use super::decode::State;
use super::{bad_format, with_context};
use crate::Result;

pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Flags that a reader must understand; there are none now (OIDs were one).
const CRITICAL_FLAGS: u32 = 0xffff_0000;
/// The field count that ends the data.
const TRAILER: i16 = -1;
/// Signature, flags, length of the extension.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;

/// How far a buffer was read.
pub(super) struct Progress {
    pub(super) consumed: usize,
    pub(super) ended: bool,
}

fn be_i32(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn be_i16(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Reads the complete tuples of a buffer. The header counts as line 0, so that `state.line` is 1 after it.
pub(super) fn consume(state: &mut State, buffer: &[u8]) -> Result<Progress> {
    let mut at = 0;
    if state.line == 0 {
        match header(buffer)? {
            None => return Ok(Progress { consumed: 0, ended: false }),
            Some(length) => at = length,
        }
        state.line = 1;
    }
    while let Some(end) = tuple_end(state, buffer, at)? {
        if be_i16(buffer, at) == Some(TRAILER) {
            return Ok(Progress { consumed: end, ended: true });
        }
        tuple(state, &buffer[at..end])?;
        at = end;
    }
    Ok(Progress { consumed: at, ended: false })
}

/// The bytes of the file header; `None` if it is incomplete.
fn header(buffer: &[u8]) -> Result<Option<usize>> {
    let start = &buffer[..buffer.len().min(SIGNATURE.len())];
    if !SIGNATURE.starts_with(start) {
        return Err(bad_format("COPY file signature not recognized"));
    }
    let (Some(flags), Some(extension)) = (be_i32(buffer, SIGNATURE.len()), be_i32(buffer, SIGNATURE.len() + 4)) else {
        return Ok(None);
    };
    if flags.cast_unsigned() & CRITICAL_FLAGS != 0 {
        return Err(bad_format("unrecognized critical flags in COPY file header"));
    }
    let Ok(extension) = usize::try_from(extension) else {
        return Err(bad_format("invalid COPY file header (missing length)"));
    };
    let length = HEADER_BYTES + extension;
    Ok((buffer.len() >= length).then_some(length))
}

/// Where the tuple at `at` ends; `None` if it is incomplete.
fn tuple_end(state: &State, buffer: &[u8], at: usize) -> Result<Option<usize>> {
    let Some(count) = be_i16(buffer, at) else { return Ok(None) };
    let mut end = at + 2;
    if count == TRAILER {
        return Ok(Some(end));
    }
    let expected = state.columns.len();
    if usize::try_from(count) != Ok(expected) {
        let error = bad_format(format!("row field count is {count}, expected {expected}"));
        return Err(with_context(error, state.place(state.line)));
    }
    for column in &state.columns {
        let Some(length) = be_i32(buffer, end) else { return Ok(None) };
        end += 4;
        match (length, usize::try_from(length)) {
            (-1, _) => {}
            (_, Ok(length)) => end += length,
            (_, Err(_)) => {
                let place = format!("{}, column {}", state.place(state.line), column.field.name);
                return Err(with_context(bad_format("invalid field size"), place));
            }
        }
    }
    Ok((end <= buffer.len()).then_some(end))
}

/// Appends a complete tuple.
fn tuple(state: &mut State, bytes: &[u8]) -> Result<()> {
    state.begin_row(bytes.len());
    let mut at = 2;
    for index in 0..state.columns.len() {
        let length = be_i32(bytes, at).expect("the tuple is complete");
        at += 4;
        let Ok(length) = usize::try_from(length) else {
            state.columns[index].append_null();
            continue;
        };
        if let Err(error) = state.columns[index].append_binary(&bytes[at..at + length]) {
            let place = format!("{}, column {}", state.place(state.line), state.columns[index].field.name);
            return Err(with_context(error, place));
        }
        at += length;
    }
    state.end_row();
    state.line += 1;
    Ok(())
}
