//! Arrays as text: `{1,"a b",NULL}`.

use crate::text::{TextContext, parse_text, push_datum};
use crate::{ArrayDatum, DataType, Datum, Result, SessionSettings, SqlError, SqlState};

const DELIMITER: u8 = b',';

fn malformed(text: &str, detail: impl Into<String>) -> SqlError {
    let message = format!("malformed array literal: \"{text}\"");
    SqlError::new(SqlState::InvalidTextRepresentation, message).with_detail(detail)
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

/// Reads an array of one dimension.
pub(crate) fn parse(text: &str, element: &DataType, context: &TextContext<'_>) -> Result<ArrayDatum> {
    let bytes = text.as_bytes();
    let unexpected_end = || malformed(text, "Unexpected end of input.");
    let skip_blanks = |mut at: usize| {
        while bytes.get(at).copied().is_some_and(is_blank) {
            at += 1;
        }
        at
    };
    let mut at = skip_blanks(0);
    match bytes.get(at) {
        Some(b'{') => at = skip_blanks(at + 1),
        Some(b'[') => return Err(SqlError::unsupported("an array literal with dimension bounds")),
        _ => return Err(malformed(text, "Array value must start with \"{\" or dimension information.")),
    }
    let mut values = Vec::new();
    if bytes.get(at) == Some(&b'}') {
        at += 1;
    } else {
        loop {
            at = skip_blanks(at);
            if bytes.get(at) == Some(&b'{') {
                return Err(SqlError::unsupported("a multidimensional array"));
            }
            let (value, end) = parse_element(text, at)?;
            values.push(match value {
                None => Datum::Null,
                Some(value) => parse_text(&value, element, context)?,
            });
            at = end + 1;
            match bytes.get(end) {
                Some(&DELIMITER) => {}
                Some(b'}') => break,
                Some(&other) => {
                    return Err(malformed(text, format!("Unexpected \"{}\" character.", char::from(other))));
                }
                None => return Err(unexpected_end()),
            }
        }
    }
    if skip_blanks(at) < bytes.len() {
        return Err(malformed(text, "Junk after closing right brace."));
    }
    Ok(ArrayDatum { element: element.clone(), values })
}

/// Reads one element from `start`: its text without quotes and escapes (`None` for NULL), and where what follows it is.
fn parse_element(text: &str, start: usize) -> Result<(Option<String>, usize)> {
    let bytes = text.as_bytes();
    let unexpected_end = || malformed(text, "Unexpected end of input.");
    let mut value = Vec::new();
    // Blanks after this length belong to the element: they were quoted or escaped.
    let mut kept = 0;
    let (mut quoted, mut ended_quote) = (false, false);
    let mut at = start;
    loop {
        match *bytes.get(at).ok_or_else(unexpected_end)? {
            b'"' if quoted => return Err(malformed(text, "Unexpected array element.")),
            b'"' => {
                if !value.is_empty() {
                    return Err(malformed(text, "Unexpected array element."));
                }
                quoted = true;
                at += 1;
                loop {
                    match *bytes.get(at).ok_or_else(unexpected_end)? {
                        b'"' => break,
                        b'\\' => {
                            value.push(*bytes.get(at + 1).ok_or_else(unexpected_end)?);
                            at += 2;
                        }
                        byte => {
                            value.push(byte);
                            at += 1;
                        }
                    }
                }
                ended_quote = true;
                kept = value.len();
                at += 1;
            }
            b'\\' => {
                value.push(*bytes.get(at + 1).ok_or_else(unexpected_end)?);
                kept = value.len();
                at += 2;
            }
            DELIMITER | b'}' => break,
            b'{' => return Err(malformed(text, "Unexpected \"{\" character.")),
            byte if ended_quote && !is_blank(byte) => return Err(malformed(text, "Unexpected array element.")),
            byte => {
                value.push(byte);
                at += 1;
            }
        }
    }
    while value.len() > kept && value.last().copied().is_some_and(is_blank) {
        value.pop();
    }
    if value.is_empty() && !quoted {
        return Err(malformed(text, format!("Unexpected \"{}\" character.", char::from(bytes[at]))));
    }
    let escaped = kept > 0;
    if !quoted && !escaped && value.eq_ignore_ascii_case(b"null") {
        return Ok((None, at));
    }
    Ok((Some(String::from_utf8(value).expect("pieces cut at ASCII are UTF-8")), at))
}

/// Appends an array.
pub(crate) fn push(out: &mut Vec<u8>, values: &[Datum], element: &DataType, settings: &SessionSettings) {
    out.push(b'{');
    let mut text = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(DELIMITER);
        }
        if value.is_null() {
            out.extend_from_slice(b"NULL");
            continue;
        }
        text.clear();
        push_datum(&mut text, value, element, settings);
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | &DELIMITER) || is_blank(*byte);
        if text.is_empty() || text.eq_ignore_ascii_case(b"null") || text.iter().any(special) {
            out.push(b'"');
            for &byte in &text {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(&text);
        }
    }
    out.push(b'}');
}
