//! Byte strings that sort as SQL sorts: the keys of ordered multisets (MIN, MAX, array_agg, top k).
//!
//! ```text
//!  key     [ presence | payload, inverted for DESC ] …        one per ORDER BY key
//!  tie     [ presence | payload | what SQL's = ignores ] …    one per column, so that different rows get different keys
//! ```
//!
//! Payloads are prefix-free: big-endian numbers with the sign bit flipped, or escaped and terminated bytes. A numeric is
//! aligned to 28 decimals, which makes it an integer of 25 bytes.

use arrow_buffer::i256;
use headwater_types::{ColumnOrder, DataType, Datum, Numeric};

const NULL_FIRST: u8 = 0;
const PRESENT: u8 = 1;
const NULL_LAST: u8 = 2;

/// The largest scale of a numeric.
pub(crate) const SCALE_MAX: u32 = 28;

/// Appends an ORDER BY key's value. `order.column` is not used.
pub(crate) fn push_ordered(value: &Datum, order: ColumnOrder, key: &mut Vec<u8>) {
    if value.is_null() {
        key.push(if order.nulls_first { NULL_FIRST } else { NULL_LAST });
        return;
    }
    key.push(PRESENT);
    let start = key.len();
    push_value(value, key);
    if order.descending {
        for byte in &mut key[start..] {
            *byte = !*byte;
        }
    }
}

/// Appends a value such that only identical values have identical bytes: SQL's order first.
pub(crate) fn push_identity(value: &Datum, key: &mut Vec<u8>) {
    if value.is_null() {
        key.push(NULL_LAST);
        return;
    }
    key.push(PRESENT);
    push_value(value, key);
    push_difference(value, key);
}

/// A value in ascending order; equal bytes iff SQL-equal, but for `character`, which is compared with its padding.
fn push_value(value: &Datum, key: &mut Vec<u8>) {
    match value {
        Datum::Null => key.push(NULL_LAST),
        Datum::Bool(v) => key.push(u8::from(*v)),
        Datum::Int2(v) => key.extend((v ^ i16::MIN).to_be_bytes()),
        Datum::Int4(v) | Datum::Date(v) => key.extend((v ^ i32::MIN).to_be_bytes()),
        Datum::Int8(v) | Datum::Time(v) | Datum::Timestamp(v) => key.extend((v ^ i64::MIN).to_be_bytes()),
        Datum::Oid(v) => key.extend(v.to_be_bytes()),
        Datum::Float4(v) => push_float(f64::from(*v), key),
        Datum::Float8(v) => push_float(*v, key),
        Datum::Numeric(v) => push_numeric(v, key),
        Datum::Text(v) => push_bytes(v.as_bytes(), key),
        Datum::Bytes(v) => push_bytes(v, key),
        Datum::Uuid(v) => key.extend(v),
        Datum::Interval(v) => key.extend((v.sql_key() ^ i128::MIN).to_be_bytes()),
        Datum::Array(array) => {
            for element in &array.values {
                // An element, NULL or not, is greater than the end.
                key.push(PRESENT);
                push_ordered(element, ColumnOrder::ascending(0), key);
            }
            key.push(0);
        }
    }
}

/// What tells SQL-equal values apart.
fn push_difference(value: &Datum, key: &mut Vec<u8>) {
    match value {
        Datum::Float4(v) => key.push(u8::from(v.is_sign_negative() && *v == 0.0)),
        Datum::Float8(v) => key.push(u8::from(v.is_sign_negative() && *v == 0.0)),
        Datum::Numeric(Numeric::Finite(v)) => {
            key.push(u8::try_from(v.scale()).expect("a scale is at most 28"));
            key.push(u8::from(v.is_sign_negative()));
        }
        Datum::Interval(v) => {
            key.extend((v.months ^ i32::MIN).to_be_bytes());
            key.extend((v.days ^ i32::MIN).to_be_bytes());
        }
        Datum::Array(array) => {
            for element in array.values.iter().filter(|element| !element.is_null()) {
                push_difference(element, key);
            }
        }
        _ => {}
    }
}

fn push_float(value: f64, key: &mut Vec<u8>) {
    let value = if value.is_nan() {
        f64::NAN.abs()
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = value.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    key.extend(ordered.to_be_bytes());
}

fn push_numeric(value: &Numeric, key: &mut Vec<u8>) {
    match value {
        Numeric::NegInfinity => key.push(0),
        Numeric::Finite(v) => {
            key.push(1);
            let aligned = scaled(v.mantissa(), SCALE_MAX - v.scale());
            let mut bytes = aligned.to_be_bytes();
            // 193 bits suffice; the sign bit is flipped as for any integer.
            bytes[7] ^= 0x80;
            key.extend(&bytes[7..]);
        }
        Numeric::Infinity => key.push(2),
        Numeric::NaN => key.push(3),
    }
}

/// `mantissa × 10^digits`, for at most 28 digits: below 2^190.
pub(crate) fn scaled(mantissa: i128, digits: u32) -> i256 {
    i256::from_i128(mantissa).wrapping_mul(i256::from_i128(10i128.pow(digits)))
}

fn push_bytes(bytes: &[u8], key: &mut Vec<u8>) {
    if bytes.contains(&0) {
        for &byte in bytes {
            key.push(byte);
            if byte == 0 {
                key.push(0xff);
            }
        }
    } else {
        key.extend(bytes);
    }
    key.extend([0, 0]);
}

/// Whether SQL-equal values of this type may differ.
pub(crate) fn equal_may_differ(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float4 | DataType::Float8 | DataType::Numeric(_) | DataType::Interval | DataType::Char(_) => true,
        DataType::Array(element) => equal_may_differ(element),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{ArrayDatum, Interval};
    use std::cmp::Ordering;
    use std::sync::Arc;

    fn key(value: &Datum, descending: bool) -> Vec<u8> {
        let mut bytes = vec![];
        push_ordered(value, ColumnOrder { column: 0, descending, nulls_first: descending }, &mut bytes);
        bytes
    }

    fn numeric(text: &str) -> Datum {
        Datum::Numeric(Numeric::parse(text).expect("a numeric"))
    }

    #[test]
    fn bytes_sort_as_values_do() {
        let array = |values: Vec<Datum>| Datum::Array(Arc::new(ArrayDatum { element: DataType::Int4, values }));
        let groups = [
            vec![Datum::Int4(-5), Datum::Int4(0), Datum::Int4(i32::MAX), Datum::Int4(i32::MIN), Datum::Null],
            ["-0.0", "0", "NaN", "inf", "-inf", "-1.5", "1e-310"]
                .map(|t| Datum::Float8(t.parse().expect("float")))
                .to_vec(),
            [
                "NaN",
                "Infinity",
                "-Infinity",
                "1.0",
                "1.00",
                "-1.01",
                "0.0000000000000000000000000001",
                "79228162514264337593543950335",
                "-79228162514264337593543950335",
            ]
            .map(numeric)
            .to_vec(),
            ["", "a", "ab", "b", "é"].map(Datum::text).to_vec(),
            vec![
                Datum::Bytes(Arc::from([0u8])),
                Datum::Bytes(Arc::from([0u8, 0])),
                Datum::Bytes(Arc::from([0u8, 1])),
                Datum::Bytes(Arc::from([1u8])),
            ],
            vec![
                Datum::Interval(Interval { months: 1, days: 0, micros: 0 }),
                Datum::Interval(Interval { months: 0, days: 30, micros: 0 }),
                Datum::Interval(Interval { months: 0, days: 0, micros: -1 }),
            ],
            vec![
                array(vec![]),
                array(vec![Datum::Int4(1)]),
                array(vec![Datum::Int4(1), Datum::Null]),
                array(vec![Datum::Null]),
            ],
        ];
        for values in groups {
            for a in &values {
                for b in &values {
                    let wanted = a.sql_cmp(b);
                    assert_eq!(key(a, false).cmp(&key(b, false)), wanted, "{a:?} {b:?}");
                    assert_eq!(key(a, true).cmp(&key(b, true)), wanted.reverse(), "{a:?} {b:?}");
                    let (mut ia, mut ib) = (vec![], vec![]);
                    push_identity(a, &mut ia);
                    push_identity(b, &mut ib);
                    assert_eq!(ia == ib, a == b, "{a:?} {b:?}");
                    if wanted != Ordering::Equal {
                        assert_eq!(ia.cmp(&ib), wanted);
                    }
                }
            }
        }
    }
}
