//! PostgreSQL's binary form of every type: send and receive functions.
//!
//! Integers are big-endian; dates and timestamps count from 2000-01-01; a numeric is digits of base 10000.

use crate::column::fixed16;
use crate::datetime::{
    DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, check_date,
    check_timestamp,
};
use crate::{ArrayDatum, DataType, Datum, Interval, Numeric, Result, SqlError, SqlState, json};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef};
use std::sync::Arc;

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * MICROS_PER_DAY;

const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_NAN: u16 = 0xc000;
const NUMERIC_INFINITY: u16 = 0xd000;
const NUMERIC_NEG_INFINITY: u16 = 0xf000;
/// The base of a numeric's digits, and the decimal digits in one.
const BASE: u128 = 10_000;
const BASE_DIGITS: i64 = 4;

/// The version byte before a `jsonb`.
const JSONB_VERSION: u8 = 1;

fn malformed() -> SqlError {
    SqlError::new(SqlState::InvalidBinaryRepresentation, "incorrect binary data format")
}

fn insufficient() -> SqlError {
    SqlError::new(SqlState::ProtocolViolation, "insufficient data left in message")
}

/// Reads a message from its start.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(insufficient)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(insufficient)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// The rest as text.
    fn text(&mut self) -> Result<&'a str> {
        let bytes = std::mem::take(&mut self.0);
        let text = std::str::from_utf8(bytes).map_err(|error| invalid_utf8(bytes, error.valid_up_to()))?;
        match text.find('\0') {
            Some(at) => Err(invalid_utf8(bytes, at)),
            None => Ok(text),
        }
    }
}

/// 22021 `invalid byte sequence for encoding "UTF8": 0xff`.
pub(crate) fn invalid_utf8(bytes: &[u8], at: usize) -> SqlError {
    // As many bytes as the first one announces, as far as there are.
    let length = match bytes.get(at) {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 1,
    };
    let shown: Vec<String> = bytes[at..].iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    SqlError::new(SqlState::CharacterNotInRepertoire, message)
}

/// Reads a value as PostgreSQL's receive function of its type. Type modifiers are not applied.
///
/// # Errors
///
/// 22P03 or 08P01 for a malformed value, 22003, 22008, 22021 and others as text input has them.
pub fn decode_binary(bytes: &[u8], data_type: &DataType) -> Result<Datum> {
    let mut reader = Reader(bytes);
    let value = decode(&mut reader, data_type)?;
    if reader.0.is_empty() { Ok(value) } else { Err(malformed()) }
}

fn decode(reader: &mut Reader<'_>, data_type: &DataType) -> Result<Datum> {
    use DataType as D;
    Ok(match data_type {
        D::Bool => Datum::Bool(reader.array::<1>()?[0] != 0),
        D::Int2 => Datum::Int2(reader.i16()?),
        D::Int4 => Datum::Int4(reader.i32()?),
        D::Int8 => Datum::Int8(reader.i64()?),
        D::Float4 => Datum::Float4(f32::from_be_bytes(reader.array()?)),
        D::Float8 => Datum::Float8(f64::from_be_bytes(reader.array()?)),
        D::Numeric(_) => Datum::Numeric(decode_numeric(reader)?),
        D::Text | D::Varchar(_) | D::Char(_) | D::Unknown | D::Name | D::InternalChar | D::AclItem => {
            Datum::text(reader.text()?)
        }
        D::Bytea => Datum::Bytes(Arc::from(std::mem::take(&mut reader.0))),
        D::Date => Datum::Date(match reader.i32()? {
            i32::MAX => DATE_INFINITY,
            i32::MIN => DATE_NEG_INFINITY,
            days => check_date(i64::from(days) + i64::from(EPOCH_DAYS))?,
        }),
        D::Time => {
            let micros = reader.i64()?;
            if !(0..=MICROS_PER_DAY).contains(&micros) {
                return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "time out of range"));
            }
            Datum::Time(micros)
        }
        D::Timestamp | D::Timestamptz => Datum::Timestamp(match reader.i64()? {
            i64::MAX => TIMESTAMP_INFINITY,
            i64::MIN => TIMESTAMP_NEG_INFINITY,
            micros => check_timestamp(micros.saturating_add(EPOCH_MICROS))?,
        }),
        D::Interval => {
            let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
            Datum::Interval(Interval::checked(months, days, micros)?)
        }
        D::Uuid => Datum::Uuid(reader.array()?),
        D::Json => {
            let text = reader.text()?;
            json::validate(text)?;
            Datum::text(text)
        }
        D::Jsonb => {
            let [version] = reader.array()?;
            if version != JSONB_VERSION {
                let message = format!("unsupported jsonb version number {version}");
                return Err(SqlError::new(SqlState::InternalError, message));
            }
            Datum::Bytes(Arc::from(json::canonical(reader.text()?)?.into_bytes()))
        }
        D::Oid | D::Xid | D::Reg(_) => Datum::Oid(reader.u32()?),
        D::Int2Vector | D::OidVector | D::Array(_) => {
            let element = data_type.element().expect("an array has an element type");
            decode_array(reader, &element)?
        }
        D::Void => {
            reader.0 = &[];
            Datum::Null
        }
        D::PgNodeTree | D::AnyArray => {
            let message = format!("cannot accept a value of type {}", data_type.sql_name());
            return Err(SqlError::new(SqlState::FeatureNotSupported, message));
        }
    })
}

fn decode_array(reader: &mut Reader<'_>, element: &DataType) -> Result<Datum> {
    let (dimensions, _has_nulls, oid) = (reader.i32()?, reader.i32()?, reader.u32()?);
    if oid != element.oid() {
        let (got, expected) = (name_of(oid), element.sql_name());
        let message = format!(
            "binary data has array element type {oid} ({got}) instead of expected {} ({expected})",
            element.oid()
        );
        return Err(SqlError::new(SqlState::DatatypeMismatch, message));
    }
    let mut values = Vec::new();
    match dimensions {
        0 => {}
        1 => {
            let (length, _lower_bound) = (reader.i32()?, reader.i32()?);
            for _ in 0..usize::try_from(length).map_err(|_| malformed())? {
                values.push(match reader.i32()? {
                    -1 => Datum::Null,
                    length => {
                        let bytes = reader.bytes(usize::try_from(length).map_err(|_| malformed())?)?;
                        decode_binary(bytes, element)?
                    }
                });
            }
        }
        2.. => return Err(SqlError::unsupported("a multidimensional array")),
        _ => return Err(malformed()),
    }
    Ok(Datum::Array(Arc::new(ArrayDatum { element: element.clone(), values })))
}

fn name_of(oid: u32) -> String {
    DataType::from_oid(oid, -1).map_or("???".to_owned(), |data_type| data_type.sql_name())
}

fn decode_numeric(reader: &mut Reader<'_>) -> Result<Numeric> {
    let (digits, weight, sign, scale) = (reader.u16()?, reader.i16()?, reader.u16()?, reader.u16()?);
    let negative = match sign {
        0 => false,
        NUMERIC_NEGATIVE => true,
        NUMERIC_NAN => return Ok(Numeric::NaN),
        NUMERIC_INFINITY => return Ok(Numeric::Infinity),
        NUMERIC_NEG_INFINITY => return Ok(Numeric::NegInfinity),
        _ => {
            let message = "invalid sign in external \"numeric\" value";
            return Err(SqlError::new(SqlState::InvalidBinaryRepresentation, message));
        }
    };
    // The value is the digits after a point, shifted by weight + 1 digits; a text of it is parsed with our limits.
    let mut text = String::with_capacity(usize::from(digits) * 4 + 16);
    text.push_str(if negative { "-0." } else { "0." });
    for _ in 0..digits {
        let digit = reader.u16()?;
        if u128::from(digit) >= BASE {
            let message = "invalid digit in external \"numeric\" value";
            return Err(SqlError::new(SqlState::InvalidBinaryRepresentation, message));
        }
        text.push_str(&format!("{digit:04}"));
    }
    text.push_str(&format!("e{}", (i64::from(weight) + 1) * BASE_DIGITS));
    // The last digit's zeros beyond the scale are not part of the value.
    Numeric::parse(&text)?.round(i32::from(scale))
}

fn encode_numeric(out: &mut Vec<u8>, value: Numeric) {
    let header = |out: &mut Vec<u8>, digits: u16, weight: i16, sign: u16, scale: u16| {
        out.extend_from_slice(&digits.to_be_bytes());
        out.extend_from_slice(&weight.to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&scale.to_be_bytes());
    };
    let value = match value {
        Numeric::Finite(value) => value,
        Numeric::NaN => return header(out, 0, 0, NUMERIC_NAN, 0),
        Numeric::Infinity => return header(out, 0, 0, NUMERIC_INFINITY, 0),
        Numeric::NegInfinity => return header(out, 0, 0, NUMERIC_NEG_INFINITY, 0),
    };
    let scale = i64::from(value.scale());
    // Fill the fraction to whole digits of base 10000: at most three zeros more, which 128 bits hold.
    let fill = (BASE_DIGITS - scale % BASE_DIGITS) % BASE_DIGITS;
    let power = 10u128.pow(u32::try_from(fill).expect("0 to 3"));
    let mut rest = value.mantissa().unsigned_abs() * power;
    let mut digits = Vec::new();
    while rest > 0 {
        digits.push(u16::try_from(rest % BASE).expect("below 10000"));
        rest /= BASE;
    }
    let fraction_digits = (scale + fill) / BASE_DIGITS;
    let count = |length: usize| i64::try_from(length).expect("a numeric has few digits");
    let weight = if digits.is_empty() { 0 } else { count(digits.len()) - fraction_digits - 1 };
    let trailing = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[trailing..];
    let small = "a numeric of 96 bits has a small weight, scale and number of digits";
    header(
        out,
        u16::try_from(digits.len()).expect(small),
        i16::try_from(weight).expect(small),
        if value.is_sign_negative() && !digits.is_empty() { NUMERIC_NEGATIVE } else { 0 },
        u16::try_from(scale).expect(small),
    );
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// Appends one row's value as PostgreSQL's send function of its type. NULL appends nothing.
///
/// # Panics
///
/// If the array is not of this type's Arrow type, or has no such row.
pub fn encode_binary(array: &dyn Array, data_type: &DataType, row: usize, out: &mut Vec<u8>) {
    use DataType as D;
    if array.is_null(row) {
        return;
    }
    match data_type {
        D::Bool => out.push(u8::from(array.as_boolean().value(row))),
        D::Int2 => out.extend_from_slice(&array.as_primitive::<Int16Type>().value(row).to_be_bytes()),
        D::Int4 => out.extend_from_slice(&array.as_primitive::<Int32Type>().value(row).to_be_bytes()),
        D::Int8 => out.extend_from_slice(&array.as_primitive::<Int64Type>().value(row).to_be_bytes()),
        D::Float4 => out.extend_from_slice(&array.as_primitive::<Float32Type>().value(row).to_be_bytes()),
        D::Float8 => out.extend_from_slice(&array.as_primitive::<Float64Type>().value(row).to_be_bytes()),
        D::Numeric(_) => encode_numeric(out, Numeric::from_bytes(fixed16(array, row))),
        D::Uuid => out.extend_from_slice(&fixed16(array, row)),
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
        D::Bytea => out.extend_from_slice(array.as_binary::<i32>().value(row)),
        D::Jsonb => {
            out.push(JSONB_VERSION);
            out.extend_from_slice(array.as_binary::<i32>().value(row));
        }
        D::Date => {
            let days = match array.as_primitive::<Date32Type>().value(row) {
                infinite @ (DATE_INFINITY | DATE_NEG_INFINITY) => infinite,
                days => days.saturating_sub(EPOCH_DAYS),
            };
            out.extend_from_slice(&days.to_be_bytes());
        }
        D::Timestamp | D::Timestamptz => {
            let micros = match array.as_primitive::<TimestampMicrosecondType>().value(row) {
                infinite @ (TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY) => infinite,
                micros => micros.saturating_sub(EPOCH_MICROS),
            };
            out.extend_from_slice(&micros.to_be_bytes());
        }
        D::Time | D::Interval => match Datum::from_array(array, data_type, row) {
            Datum::Time(micros) => out.extend_from_slice(&micros.to_be_bytes()),
            Datum::Interval(value) => {
                out.extend_from_slice(&value.micros.to_be_bytes());
                out.extend_from_slice(&value.days.to_be_bytes());
                out.extend_from_slice(&value.months.to_be_bytes());
            }
            other => unreachable!("a time or an interval, not {other:?}"),
        },
        D::Oid | D::Xid | D::Reg(_) => {
            out.extend_from_slice(&array.as_primitive::<UInt32Type>().value(row).to_be_bytes());
        }
        D::Int2Vector | D::OidVector | D::Array(_) => {
            let element = data_type.element().expect("an array has an element type");
            // Vectors are subscripted from 0.
            let lower_bound = i32::from(matches!(data_type, D::Array(_)));
            encode_array(out, &array.as_list::<i32>().value(row), &element, lower_bound);
        }
        D::Void => {}
    }
}

fn encode_array(out: &mut Vec<u8>, elements: &ArrayRef, element: &DataType, lower_bound: i32) {
    let mut int = |value: i32| out.extend_from_slice(&value.to_be_bytes());
    int(i32::from(!elements.is_empty() || lower_bound == 0));
    int(i32::from(elements.null_count() > 0));
    int(element.oid().cast_signed());
    if elements.is_empty() && lower_bound != 0 {
        return;
    }
    int(i32::try_from(elements.len()).expect("a list's offsets are 32 bits"));
    int(lower_bound);
    for row in 0..elements.len() {
        if elements.is_null(row) {
            out.extend_from_slice(&(-1i32).to_be_bytes());
        } else {
            encode_sized(elements, element, row, out);
        }
    }
}

/// Appends a value that is not NULL, after its length in 32 bits.
pub(crate) fn encode_sized(array: &dyn Array, data_type: &DataType, row: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    encode_binary(array, data_type, row, out);
    let length = i32::try_from(out.len() - start - 4).expect("a value is smaller than 2 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_of;
    use crate::testing::{numeric, samples};

    fn encode(data_type: &DataType, value: &Datum) -> Vec<u8> {
        let mut out = Vec::new();
        encode_binary(&array_of(data_type, std::slice::from_ref(value)), data_type, 0, &mut out);
        out
    }

    #[test]
    fn every_value_reads_back_from_its_bytes() {
        for (data_type, values) in samples() {
            for value in values.iter().filter(|value| !value.is_null()) {
                let bytes = encode(&data_type, value);
                assert_eq!(decode_binary(&bytes, &data_type).as_ref(), Ok(value), "{data_type:?} {bytes:?}");
                for length in 0..bytes.len() {
                    // Cut short: an error or another value, never a panic.
                    let _ = decode_binary(&bytes[..length], &data_type);
                }
            }
        }
    }

    #[test]
    fn layouts_are_those_of_postgresql() {
        // Measured with encode(numeric_send(…), 'hex') and its kin.
        let cases: [(DataType, Datum, &[u8]); 6] = [
            (
                DataType::Numeric(None),
                Datum::Numeric(numeric("12345.678")),
                &[0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c],
            ),
            (DataType::Numeric(None), Datum::Numeric(numeric("-0.5")), &[0, 1, 0xff, 0xff, 0x40, 0, 0, 1, 0x13, 0x88]),
            (DataType::Numeric(None), Datum::Numeric(numeric("0.00")), &[0, 0, 0, 0, 0, 0, 0, 2]),
            (DataType::Numeric(None), Datum::Numeric(numeric("10000")), &[0, 1, 0, 1, 0, 0, 0, 0, 0, 1]),
            (DataType::Date, Datum::Date(EPOCH_DAYS + 1), &[0, 0, 0, 1]),
            (DataType::Timestamptz, Datum::Timestamp(EPOCH_MICROS), &[0; 8]),
        ];
        for (data_type, value, expected) in cases {
            assert_eq!(encode(&data_type, &value), expected, "{value:?}");
        }
        let array =
            Datum::Array(Arc::new(ArrayDatum { element: DataType::Int4, values: vec![Datum::Int4(7), Datum::Null] }));
        let int4_array = DataType::Array(Box::new(DataType::Int4));
        let expected =
            [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 255, 255, 255, 255];
        assert_eq!(encode(&int4_array, &array), expected);
        assert_eq!(
            decode_binary(&expected, &DataType::Array(Box::new(DataType::Text))).map_err(|error| error.message),
            Err("binary data has array element type 23 (integer) instead of expected 25 (text)".to_owned())
        );
    }

    #[test]
    fn malformed_values_are_errors() {
        let state = |bytes: &[u8], data_type| decode_binary(bytes, &data_type).map_err(|error| error.state);
        assert_eq!(state(&[0; 5], DataType::Int4), Err(SqlState::InvalidBinaryRepresentation));
        assert_eq!(state(&[0; 3], DataType::Int4), Err(SqlState::ProtocolViolation));
        assert_eq!(state(b"\xff", DataType::Text), Err(SqlState::CharacterNotInRepertoire));
        assert_eq!(state(b"a\0", DataType::Text), Err(SqlState::CharacterNotInRepertoire));
        assert_eq!(
            state(&[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], DataType::Numeric(None)),
            Err(SqlState::InvalidBinaryRepresentation)
        );
        assert_eq!(
            state(&[0, 1, 0x7f, 0xff, 0, 0, 0, 0, 0, 1], DataType::Numeric(None)),
            Err(SqlState::NumericValueOutOfRange)
        );
        assert_eq!(state(&(i64::MAX - 1).to_be_bytes(), DataType::Timestamp), Err(SqlState::DatetimeFieldOverflow));
        let array_of_many = [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1][..]].concat();
        assert_eq!(state(&array_of_many, DataType::Array(Box::new(DataType::Int4))), Err(SqlState::ProtocolViolation));
    }
}
