//! `bytea` as text: the hex and the escape form.

use crate::{Result, SessionSettings, SqlError, SqlState};

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}

/// Reads either form.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex),
        None => parse_escape(text.as_bytes()),
    }
}

fn parse_hex(hex: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut high: Option<u8> = None;
    for character in hex.chars() {
        match character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) {
            Some(digit) => match high.take() {
                None => high = Some(digit),
                Some(first) => bytes.push(first << 4 | digit),
            },
            // Blanks may stand between bytes.
            None if character.is_ascii_whitespace() && high.is_none() => {}
            None => return Err(invalid(format!("invalid hexadecimal digit: \"{character}\""))),
        }
    }
    if high.is_some() {
        return Err(invalid("invalid hexadecimal data: odd number of digits"));
    }
    Ok(bytes)
}

fn parse_escape(text: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        rest = match &rest[at + 1..] {
            [b'\\', tail @ ..] => {
                bytes.push(b'\\');
                tail
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            _ => {
                let message = "invalid input syntax for type bytea";
                return Err(SqlError::new(SqlState::InvalidTextRepresentation, message));
            }
        };
    }
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

/// Appends in the form that `bytea_output` asks for.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8], settings: &SessionSettings) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if settings.bytea_output.eq_ignore_ascii_case("escape") {
        for &byte in bytes {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b' '..=b'~' => out.push(byte),
                _ => {
                    out.extend_from_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
                }
            }
        }
    } else {
        out.extend_from_slice(b"\\x");
        for &byte in bytes {
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
    }
}
