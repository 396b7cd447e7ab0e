//! Frontend messages: framing and decoding.
//!
//! # Invariants
//!
//! 1. A message is decoded from its own bytes only: a wrong length inside one cannot reach into the next.
//! 2. Nothing is allocated on the word of a count or a length; memory follows the bytes that arrived.
//! 3. Every byte sequence gives messages, "more input needed", or a [`ProtocolError`]; never a panic.
//!
//! Text stays bytes here: whether it is valid UTF-8 is a statement's problem (22021), not the connection's.

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::{copy, extendedquery, simplequery, startup, terminate};
use std::ffi::CStr;

/// The longest message, header included: 1 GiB − 1, as in PostgreSQL.
const LARGE_MESSAGE_BYTES_MAX: usize = 0x3fff_ffff;

/// The longest message of a kind that has no reason to be long.
const SMALL_MESSAGE_BYTES_MAX: usize = 10_000;

/// The longest password message.
const PASSWORD_MESSAGE_BYTES_MAX: usize = 65_535;

const FUNCTION_CALL: u8 = b'F';

/// What the client got wrong in the protocol itself. It costs the connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A type byte that no message has.
    #[error("invalid frontend message type {kind}")]
    UnknownType { kind: u8 },
    /// A length below the header's own, or above the limit.
    #[error("invalid message length")]
    InvalidLength,
    /// A body that ends too early, goes on too long, or holds an impossible value.
    #[error("invalid message format")]
    InvalidFormat,
}

/// What Describe and Close are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// A message from the client, after startup.
#[derive(Debug, PartialEq, Eq)]
pub enum Frontend {
    /// A string of statements.
    Query(Bytes),
    /// Prepares a statement.
    Parse { name: Bytes, query: Bytes, parameter_oids: Vec<u32> },
    /// Makes a portal of a statement.
    Bind(Bind),
    /// Asks for types.
    Describe { target: Target, name: Bytes },
    /// Runs a portal, for at most `rows_max` rows where that is positive.
    Execute { portal: Bytes, rows_max: i32 },
    /// Forgets a statement or a portal.
    Close { target: Target, name: Bytes },
    /// Asks for the output so far.
    Flush,
    /// Ends a run of extended-protocol messages.
    Sync,
    /// Says good-bye.
    Terminate,
    /// A piece of COPY input.
    CopyData(Bytes),
    /// The end of COPY input.
    CopyDone,
    /// The client gives COPY up.
    CopyFail(Bytes),
    /// An answer during authentication.
    Password(Bytes),
    /// The fast-path function call, which nobody uses.
    FunctionCall,
}

/// The Bind message.
#[derive(Debug, PartialEq, Eq)]
pub struct Bind {
    /// The portal to make; empty is the unnamed one.
    pub portal: Bytes,
    /// The statement it runs.
    pub statement: Bytes,
    /// None for all text, one for all, or one each: 0 text, 1 binary.
    pub parameter_formats: Vec<i16>,
    /// The values; `None` is NULL.
    pub parameters: Vec<Option<Bytes>>,
    /// As `parameter_formats`, for the result's columns.
    pub result_formats: Vec<i16>,
}

/// Whether `input` starts with a whole message, or with something [`next_message`] will refuse.
pub fn has_message(input: &BytesMut) -> bool {
    header(input).is_err() || header(input).is_ok_and(|header| header.is_some_and(|h| input.len() > h.body_bytes + 4))
}

/// Takes the first message off `input`; `None` if it has not all arrived.
///
/// # Errors
///
/// [`ProtocolError`], after which `input` has no meaning.
pub fn next_message(input: &mut BytesMut) -> Result<Option<Frontend>, ProtocolError> {
    let Some(header) = header(input)? else { return Ok(None) };
    if input.len() < header.body_bytes + 5 {
        return Ok(None);
    }
    input.advance(5);
    let body = input.split_to(header.body_bytes).freeze();
    decode(header.kind, body).map(Some)
}

struct Header {
    kind: u8,
    body_bytes: usize,
}

fn header(input: &BytesMut) -> Result<Option<Header>, ProtocolError> {
    let Some(&kind) = input.first() else { return Ok(None) };
    let limit = bytes_max(kind)?;
    let Some(length) = input.get(1..5) else { return Ok(None) };
    let length = i32::from_be_bytes(length.try_into().expect("four bytes were taken"));
    let length = usize::try_from(length).map_err(|_| ProtocolError::InvalidLength)?;
    if !(4..=limit).contains(&length) {
        return Err(ProtocolError::InvalidLength);
    }
    Ok(Some(Header { kind, body_bytes: length - 4 }))
}

fn bytes_max(kind: u8) -> Result<usize, ProtocolError> {
    match kind {
        simplequery::MESSAGE_TYPE_BYTE_QUERY
        | extendedquery::MESSAGE_TYPE_BYTE_PARSE
        | extendedquery::MESSAGE_TYPE_BYTE_BIND
        | copy::MESSAGE_TYPE_BYTE_COPY_DATA
        | FUNCTION_CALL => Ok(LARGE_MESSAGE_BYTES_MAX),
        startup::MESSAGE_TYPE_BYTE_PASSWORD_MESSAGE_FAMILY => Ok(PASSWORD_MESSAGE_BYTES_MAX),
        extendedquery::MESSAGE_TYPE_BYTE_DESCRIBE
        | extendedquery::MESSAGE_TYPE_BYTE_EXECUTE
        | extendedquery::MESSAGE_TYPE_BYTE_CLOSE
        | extendedquery::MESSAGE_TYPE_BYTE_FLUSH
        | extendedquery::MESSAGE_TYPE_BYTE_SYNC
        | terminate::MESSAGE_TYPE_BYTE_TERMINATE
        | copy::MESSAGE_TYPE_BYTE_COPY_DONE
        | copy::MESSAGE_TYPE_BYTE_COPY_FAIL => Ok(SMALL_MESSAGE_BYTES_MAX),
        kind => Err(ProtocolError::UnknownType { kind }),
    }
}

fn decode(kind: u8, bytes: Bytes) -> Result<Frontend, ProtocolError> {
    let mut body = Body(bytes);
    let message = match kind {
        simplequery::MESSAGE_TYPE_BYTE_QUERY => Frontend::Query(body.text()?),
        extendedquery::MESSAGE_TYPE_BYTE_PARSE => {
            Frontend::Parse { name: body.text()?, query: body.text()?, parameter_oids: body.list(4, Body::u32)? }
        }
        extendedquery::MESSAGE_TYPE_BYTE_BIND => Frontend::Bind(Bind {
            portal: body.text()?,
            statement: body.text()?,
            parameter_formats: body.list(2, Body::format)?,
            parameters: body.list(4, Body::value)?,
            result_formats: body.list(2, Body::format)?,
        }),
        extendedquery::MESSAGE_TYPE_BYTE_DESCRIBE => Frontend::Describe { target: body.target()?, name: body.text()? },
        extendedquery::MESSAGE_TYPE_BYTE_EXECUTE => Frontend::Execute { portal: body.text()?, rows_max: body.i32()? },
        extendedquery::MESSAGE_TYPE_BYTE_CLOSE => Frontend::Close { target: body.target()?, name: body.text()? },
        extendedquery::MESSAGE_TYPE_BYTE_FLUSH => Frontend::Flush,
        extendedquery::MESSAGE_TYPE_BYTE_SYNC => Frontend::Sync,
        terminate::MESSAGE_TYPE_BYTE_TERMINATE => Frontend::Terminate,
        copy::MESSAGE_TYPE_BYTE_COPY_DATA => Frontend::CopyData(body.rest()),
        copy::MESSAGE_TYPE_BYTE_COPY_DONE => Frontend::CopyDone,
        copy::MESSAGE_TYPE_BYTE_COPY_FAIL => Frontend::CopyFail(body.text()?),
        startup::MESSAGE_TYPE_BYTE_PASSWORD_MESSAGE_FAMILY => Frontend::Password(body.rest()),
        FUNCTION_CALL => {
            body.rest();
            Frontend::FunctionCall
        }
        kind => return Err(ProtocolError::UnknownType { kind }),
    };
    if body.0.is_empty() { Ok(message) } else { Err(ProtocolError::InvalidFormat) }
}

/// What is left of a message's body.
struct Body(Bytes);

impl Body {
    fn take(&mut self, bytes: usize) -> Result<Bytes, ProtocolError> {
        if bytes > self.0.len() {
            return Err(ProtocolError::InvalidFormat);
        }
        Ok(self.0.split_to(bytes))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let bytes = self.take(N)?;
        Ok(bytes.as_ref().try_into().expect("exactly N bytes were taken"))
    }

    fn u32(&mut self) -> Result<u32, ProtocolError> {
        self.array().map(u32::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, ProtocolError> {
        self.array().map(i32::from_be_bytes)
    }

    fn format(&mut self) -> Result<i16, ProtocolError> {
        match self.array().map(i16::from_be_bytes)? {
            format @ (0 | 1) => Ok(format),
            _ => Err(ProtocolError::InvalidFormat),
        }
    }

    fn target(&mut self) -> Result<Target, ProtocolError> {
        match self.array()? {
            [extendedquery::TARGET_TYPE_BYTE_STATEMENT] => Ok(Target::Statement),
            [extendedquery::TARGET_TYPE_BYTE_PORTAL] => Ok(Target::Portal),
            _ => Err(ProtocolError::InvalidFormat),
        }
    }

    /// A NUL-terminated string.
    fn text(&mut self) -> Result<Bytes, ProtocolError> {
        let text = CStr::from_bytes_until_nul(&self.0).map_err(|_| ProtocolError::InvalidFormat)?;
        let end = text.count_bytes();
        let text = self.0.split_to(end);
        self.0.advance(1);
        Ok(text)
    }

    /// A parameter's value: a length (−1 is NULL) and that many bytes.
    fn value(&mut self) -> Result<Option<Bytes>, ProtocolError> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| ProtocolError::InvalidFormat)?;
                self.take(length).map(Some)
            }
        }
    }

    /// A 16-bit count and that many items, each of at least `item_bytes_min` bytes.
    fn list<T>(
        &mut self,
        item_bytes_min: usize,
        item: impl Fn(&mut Self) -> Result<T, ProtocolError>,
    ) -> Result<Vec<T>, ProtocolError> {
        let count = usize::from(self.array().map(u16::from_be_bytes)?);
        if count * item_bytes_min > self.0.len() {
            return Err(ProtocolError::InvalidFormat);
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    fn message(kind: u8, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::from(&[kind][..]);
        bytes.extend_from_slice(&u32::try_from(body.len() + 4).expect("short").to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_message_is_taken_only_when_whole() {
        let whole = message(b'Q', b"select 1\0");
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert!(!has_message(&part), "cut at {cut}");
            assert_eq!(next_message(&mut part), Ok(None), "cut at {cut}");
        }
        let mut input = whole;
        input.extend_from_slice(&message(b'S', b""));
        assert!(has_message(&input));
        assert_eq!(next_message(&mut input), Ok(Some(Frontend::Query(Bytes::from_static(b"select 1")))));
        assert_eq!(next_message(&mut input), Ok(Some(Frontend::Sync)));
        assert!(input.is_empty());
    }

    #[test]
    fn a_body_cannot_reach_into_the_next_message() {
        let mut input = message(b'Q', b"select 1");
        input.extend_from_slice(&message(b'Q', b"select 2\0"));
        assert_eq!(next_message(&mut input), Err(ProtocolError::InvalidFormat));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_awaited() {
        for length in [-1_i32, 0, 3, i32::MIN, i32::MAX] {
            let mut input = BytesMut::from(&b"Q"[..]);
            input.extend_from_slice(&length.to_be_bytes());
            assert!(has_message(&input), "{length}");
            assert_eq!(next_message(&mut input), Err(ProtocolError::InvalidLength), "{length}");
        }
        let mut input = BytesMut::from(&b"\xff"[..]);
        assert_eq!(next_message(&mut input), Err(ProtocolError::UnknownType { kind: 255 }));
    }

    #[test]
    fn counts_are_not_believed() {
        for body in [&b"\0\0\xff\xff"[..], b"\0\0\0\0\0\x01\0\0\0\x09ab\0\0", b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"] {
            assert_eq!(next_message(&mut message(b'B', body)), Err(ProtocolError::InvalidFormat), "{body:?}");
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = SmallRng::seed_from_u64(1);
        for _ in 0..20_000 {
            let kind = b"QPBEDCHSXdcfpF"[random.random_range(0..14)];
            let body: Vec<u8> = (0..random.random_range(0..24)).map(|_| random.random_range(0..4)).collect();
            let _ = next_message(&mut message(kind, &body));
        }
    }
}
