//! PostgreSQL's text form of every type: input and output functions.
//!
//! Names in `reg*` input need a catalog and are resolved above; their output prints the number for the same reason.

use crate::column::fixed16;
use crate::datetime::{
    IntervalUnit, parse_date, parse_interval, parse_time, parse_timestamp, push_date, push_interval, push_time,
    push_timestamp,
};
use crate::number_text::{push_integer, push_numeric};
use crate::{
    ArrayDatum, DataType, Datum, NUMERIC_BYTES, Numeric, Result, SessionSettings, SqlError, SqlState, array_text,
    bytea_text, float_text, json,
};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt32Type,
};
use std::sync::Arc;

/// What text input may depend on besides the text.
#[derive(Debug, Clone, Copy)]
pub struct TextContext<'a> {
    /// The session's settings: time zone, date style.
    pub settings: &'a SessionSettings,
    /// The transaction's timestamp, microseconds since 1970 UTC, for `now`, `today` and their kin.
    pub now_micros: i64,
}

/// Bytes of an identifier: longer ones are cut (`NAMEDATALEN` − 1).
const NAME_BYTES_MAX: usize = 63;

/// The type's name in messages of its input function.
pub(crate) fn input_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp => "timestamp".to_owned(),
        DataType::Time => "time".to_owned(),
        other => other.without_modifier().sql_name(),
    }
}

/// 22P02 `invalid input syntax for type …: "…"`.
pub(crate) fn invalid_syntax(data_type: &DataType, text: &str) -> SqlError {
    let message = format!("invalid input syntax for type {}: \"{text}\"", input_name(data_type));
    SqlError::new(SqlState::InvalidTextRepresentation, message)
}

/// The text without what C's `isspace` skips.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b')
}

/// Reads a value as PostgreSQL's input function of its type. Type modifiers are not applied; see
/// [`crate::apply_typmod`].
///
/// # Errors
///
/// 22P02, 22003, 22007, 22008, … with PostgreSQL's texts.
pub fn parse_text(text: &str, data_type: &DataType, context: &TextContext<'_>) -> Result<Datum> {
    use DataType as D;
    Ok(match data_type {
        D::Bool => Datum::Bool(parse_bool(text)?),
        D::Int2 => Datum::Int2(parse_integer(text, data_type)?),
        D::Int4 => Datum::Int4(parse_integer(text, data_type)?),
        D::Int8 => Datum::Int8(parse_integer(text, data_type)?),
        D::Float4 => Datum::Float4(float_text::parse_float4(text)?),
        D::Float8 => Datum::Float8(float_text::parse_float8(text)?),
        D::Numeric(_) => Datum::Numeric(Numeric::parse(text)?),
        D::Text | D::Varchar(_) | D::Char(_) | D::Unknown | D::AclItem => Datum::text(text),
        D::Name => Datum::text(&text[..text.floor_char_boundary(NAME_BYTES_MAX)]),
        D::InternalChar => Datum::text(text.get(..text.ceil_char_boundary(1)).unwrap_or("")),
        D::Bytea => Datum::Bytes(Arc::from(bytea_text::parse(text)?)),
        D::Date => Datum::Date(parse_date(text, context)?),
        D::Time => Datum::Time(parse_time(text, context)?),
        D::Timestamp => Datum::Timestamp(parse_timestamp(text, false, context)?),
        D::Timestamptz => Datum::Timestamp(parse_timestamp(text, true, context)?),
        D::Interval => Datum::Interval(parse_interval(text, IntervalUnit::Second)?),
        D::Uuid => Datum::Uuid(parse_uuid(text)?),
        D::Json => {
            json::validate(text)?;
            Datum::text(text)
        }
        D::Jsonb => Datum::Bytes(Arc::from(json::canonical(text)?.into_bytes())),
        D::Oid | D::Xid => Datum::Oid(parse_oid(text, data_type)?),
        D::Reg(_) => match trim(text) {
            "-" => Datum::Oid(0),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => Datum::Oid(parse_oid(number, data_type)?),
            _ => return Err(SqlError::unsupported(format_args!("a name as {} here", data_type.sql_name()))),
        },
        D::Int2Vector | D::OidVector => {
            let element = data_type.element().expect("a vector has an element type");
            let words = text.split_ascii_whitespace();
            let values = words.map(|word| parse_text(word, &element, context)).collect::<Result<_>>()?;
            Datum::Array(Arc::new(ArrayDatum { element, values }))
        }
        D::Array(element) => Datum::Array(Arc::new(array_text::parse(text, element, context)?)),
        D::Void => Datum::Null,
        D::PgNodeTree | D::AnyArray => {
            let message = format!("cannot accept a value of type {}", data_type.sql_name());
            return Err(SqlError::new(SqlState::FeatureNotSupported, message));
        }
    })
}

/// `true`, `yes`, `on`, `1` and their opposites; words may be cut short.
fn parse_bool(text: &str) -> Result<bool> {
    let word = trim(text).to_ascii_lowercase();
    let means = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if means("true", 1) || means("yes", 1) || means("on", 2) || word == "1" {
        Ok(true)
    } else if means("false", 1) || means("no", 1) || means("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_syntax(&DataType::Bool, text))
    }
}

fn integer_out_of_range(text: &str, data_type: &DataType) -> SqlError {
    let message = format!("value \"{text}\" is out of range for type {}", input_name(data_type));
    SqlError::new(SqlState::NumericValueOutOfRange, message)
}

fn parse_integer<T: std::str::FromStr>(text: &str, data_type: &DataType) -> Result<T> {
    let trimmed = trim(text);
    trimmed.parse().map_err(|_| {
        let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            integer_out_of_range(text, data_type)
        } else {
            invalid_syntax(data_type, text)
        }
    })
}

/// As PostgreSQL's `strtoul`: a negative number counts back from 2³².
fn parse_oid(text: &str, data_type: &DataType) -> Result<u32> {
    let value: i64 = parse_integer(text, data_type)?;
    u32::try_from(value)
        .or_else(|_| i32::try_from(value).map(i32::cast_unsigned))
        .map_err(|_| integer_out_of_range(text, data_type))
}

/// 32 hexadecimal digits, with hyphens between groups of four at will, in braces at will.
fn parse_uuid(text: &str) -> Result<[u8; NUMERIC_BYTES]> {
    let error = || invalid_syntax(&DataType::Uuid, text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(error)?,
        None => text,
    };
    let mut rest = inner.as_bytes();
    let mut bytes = [0; NUMERIC_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let [high, low, tail @ ..] = rest else { return Err(error()) };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or_else(error)?;
        rest = tail;
        if index % 2 == 1 && index < NUMERIC_BYTES - 1 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
    }
    if rest.is_empty() { Ok(bytes) } else { Err(error()) }
}

fn push_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { b't' } else { b'f' });
}

/// Appends one row's value as PostgreSQL's output function of its type. NULL appends nothing.
///
/// # Panics
///
/// If the array is not of this type's Arrow type, or has no such row.
pub fn format_text(array: &dyn Array, data_type: &DataType, row: usize, settings: &SessionSettings, out: &mut Vec<u8>) {
    use DataType as D;
    if array.is_null(row) {
        return;
    }
    match data_type {
        D::Bool => push_bool(out, array.as_boolean().value(row)),
        D::Int2 => push_integer(out, i64::from(array.as_primitive::<Int16Type>().value(row))),
        D::Int4 => push_integer(out, i64::from(array.as_primitive::<Int32Type>().value(row))),
        D::Int8 => push_integer(out, array.as_primitive::<Int64Type>().value(row)),
        D::Float4 => float_text::push_float4(out, array.as_primitive::<Float32Type>().value(row), settings),
        D::Float8 => float_text::push_float8(out, array.as_primitive::<Float64Type>().value(row), settings),
        D::Numeric(_) => push_numeric(out, Numeric::from_bytes(fixed16(array, row))),
        D::Text
        | D::Varchar(_)
        | D::Char(_)
        | D::Name
        | D::InternalChar
        | D::Json
        | D::PgNodeTree
        | D::AclItem
        | D::AnyArray
        | D::Unknown => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        D::Bytea => bytea_text::push(out, array.as_binary::<i32>().value(row), settings),
        D::Jsonb => out.extend_from_slice(array.as_binary::<i32>().value(row)),
        D::Date => push_date(out, array.as_primitive::<Date32Type>().value(row), settings),
        D::Timestamp | D::Timestamptz => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            push_timestamp(out, micros, *data_type == D::Timestamptz, settings);
        }
        D::Oid | D::Xid => push_integer(out, i64::from(array.as_primitive::<UInt32Type>().value(row))),
        D::Time | D::Interval | D::Uuid | D::Reg(_) | D::Int2Vector | D::OidVector | D::Array(_) | D::Void => {
            push_datum(out, &Datum::from_array(array, data_type, row), data_type, settings)
        }
    }
}

/// Appends a value as PostgreSQL's output function of its type. NULL appends nothing.
pub(crate) fn push_datum(out: &mut Vec<u8>, value: &Datum, data_type: &DataType, settings: &SessionSettings) {
    match value {
        Datum::Null => {}
        Datum::Bool(value) => push_bool(out, *value),
        Datum::Int2(value) => push_integer(out, i64::from(*value)),
        Datum::Int4(value) => push_integer(out, i64::from(*value)),
        Datum::Int8(value) => push_integer(out, *value),
        Datum::Float4(value) => float_text::push_float4(out, *value, settings),
        Datum::Float8(value) => float_text::push_float8(out, *value, settings),
        Datum::Numeric(value) => push_numeric(out, *value),
        Datum::Text(value) => out.extend_from_slice(value.as_bytes()),
        Datum::Bytes(value) if *data_type == DataType::Jsonb => out.extend_from_slice(value),
        Datum::Bytes(value) => bytea_text::push(out, value, settings),
        Datum::Date(value) => push_date(out, *value, settings),
        Datum::Time(value) => push_time(out, *value),
        Datum::Timestamp(value) => push_timestamp(out, *value, *data_type == DataType::Timestamptz, settings),
        Datum::Interval(value) => push_interval(out, *value),
        Datum::Uuid(value) => {
            let mut text = uuid::Uuid::encode_buffer();
            out.extend_from_slice(uuid::Uuid::from_bytes(*value).hyphenated().encode_lower(&mut text).as_bytes());
        }
        Datum::Oid(0) if matches!(data_type, DataType::Reg(_)) => out.push(b'-'),
        Datum::Oid(value) => push_integer(out, i64::from(*value)),
        Datum::Array(array) if matches!(data_type, DataType::Int2Vector | DataType::OidVector) => {
            for (index, value) in array.values.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                push_datum(out, value, &array.element, settings);
            }
        }
        Datum::Array(array) => {
            let element = data_type.element().unwrap_or_else(|| array.element.clone());
            array_text::push(out, &array.values, &element, settings);
        }
    }
}

/// A value's text; NULL's is empty.
#[must_use]
pub fn datum_to_text(value: &Datum, data_type: &DataType, settings: &SessionSettings) -> String {
    let mut out = Vec::new();
    push_datum(&mut out, value, data_type, settings);
    String::from_utf8(out).expect("every type prints UTF-8")
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
