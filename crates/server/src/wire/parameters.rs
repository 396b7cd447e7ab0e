//! What a client sends as text, and as values of a prepared statement's parameters.

use super::backend::Format;
use super::frame::Bind;
use headwater_types::{DataType, Datum, SqlError, SqlState, TextContext, decode_binary, parse_text};

/// `bytes` as text.
///
/// # Errors
///
/// 22021, showing the offending bytes as PostgreSQL does.
pub fn utf8(bytes: &[u8]) -> Result<&str, SqlError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let rest = &bytes[error.valid_up_to()..];
        let announced = match rest.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            _ => 1,
        };
        let shown: Vec<String> = rest.iter().take(announced).map(|byte| format!("0x{byte:02x}")).collect();
        SqlError::new(
            SqlState::CharacterNotInRepertoire,
            format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
        )
    })
}

/// The format of each of `count` values, from the codes a Bind message gives: none, one for all, or one each.
///
/// # Errors
///
/// 08P01 otherwise; `mismatch` words it.
pub fn formats(codes: &[i16], count: usize, mismatch: impl FnOnce() -> String) -> Result<Vec<Format>, SqlError> {
    match codes {
        [] => Ok(vec![Format::Text; count]),
        [code] => Ok(vec![Format::from_code(*code); count]),
        codes if codes.len() == count => Ok(codes.iter().copied().map(Format::from_code).collect()),
        _ => Err(SqlError::new(SqlState::ProtocolViolation, mismatch())),
    }
}

/// The values of a statement's parameters.
///
/// # Errors
///
/// 08P01 if their number is not that of `types`; 22P02 and its kin, 22P03, 22021 if a value is not one of its type.
pub fn decode(bind: &Bind, types: &[DataType], context: &TextContext<'_>) -> Result<Vec<Datum>, SqlError> {
    let values = &bind.parameters;
    let formats = formats(&bind.parameter_formats, values.len(), || {
        format!("bind message has {} parameter formats but {} parameters", bind.parameter_formats.len(), values.len())
    })?;
    if values.len() != types.len() {
        let statement = utf8(&bind.statement)?;
        return Err(SqlError::new(
            SqlState::ProtocolViolation,
            format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                values.len(),
                types.len()
            ),
        ));
    }
    let decoded = values.iter().zip(types).zip(formats).enumerate().map(|(index, ((value, data_type), format))| {
        let Some(value) = value else { return Ok(Datum::Null) };
        let datum = match format {
            Format::Text => utf8(value).and_then(|text| parse_text(text, data_type, context)),
            Format::Binary => decode_binary(value, data_type),
        };
        datum.map_err(|mut error| {
            error.context.get_or_insert_with(|| where_in(bind, index, format));
            error
        })
    });
    decoded.collect()
}

/// The CONTEXT of a bad parameter, in PostgreSQL's words: it hides the value unless a setting asks for it.
fn where_in(bind: &Bind, index: usize, format: Format) -> String {
    let portal = match bind.portal.as_ref() {
        b"" => "unnamed portal".to_owned(),
        name => format!("portal \"{}\"", String::from_utf8_lossy(name)),
    };
    let value = match format {
        Format::Text => " = '...'",
        Format::Binary => "",
    };
    format!("{portal} parameter ${}{value}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_shows_the_offending_character() {
        let message = |bytes: &[u8]| utf8(bytes).expect_err("not UTF-8").message;
        assert_eq!(message(b"a\xff"), "invalid byte sequence for encoding \"UTF8\": 0xff");
        assert_eq!(message(b"\xe2\x28\xa1"), "invalid byte sequence for encoding \"UTF8\": 0xe2 0x28 0xa1");
        assert_eq!(message(b"\xc3"), "invalid byte sequence for encoding \"UTF8\": 0xc3");
        assert_eq!(utf8("größer".as_bytes()), Ok("größer"));
    }

    #[test]
    fn format_codes_are_none_one_or_one_each() {
        let formats = |codes: &[i16], count| formats(codes, count, String::new).map_err(|error| error.state.code());
        assert_eq!(formats(&[], 2), Ok(vec![Format::Text; 2]));
        assert_eq!(formats(&[1], 2), Ok(vec![Format::Binary; 2]));
        assert_eq!(formats(&[0, 1], 2), Ok(vec![Format::Text, Format::Binary]));
        assert_eq!(formats(&[0, 1], 3), Err("08P01"));
    }
}
