//! Integers and numerics as text, without the formatting machinery: query results and COPY print millions of them.

use crate::Numeric;
use rust_decimal::Decimal;

/// Decimal digits of the greatest mantissa (2⁹⁶), and some to spare.
const DIGITS_MAX: usize = 40;

/// The decimal digits of a number, at least `least` of them, at the end of the buffer. Returns where they start.
fn digits(buffer: &mut [u8; DIGITS_MAX], value: u128, least: usize) -> usize {
    let mut start = buffer.len();
    let mut wide = value;
    // Division of 128 bits is slow: split off what fits 64 bits at a time.
    const CHUNK: u128 = 10u128.pow(18);
    while wide > u128::from(u64::MAX) {
        let mut chunk = u64::try_from(wide % CHUNK).expect("below 10^18");
        wide /= CHUNK;
        for _ in 0..18 {
            start -= 1;
            buffer[start] = b'0' + u8::try_from(chunk % 10).expect("a digit");
            chunk /= 10;
        }
    }
    let mut rest = u64::try_from(wide).expect("below 2^64");
    while rest > 0 || buffer.len() - start < least {
        start -= 1;
        buffer[start] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    start
}

/// Appends an integer.
pub(crate) fn push_integer(out: &mut Vec<u8>, value: i64) {
    let mut buffer = [0; DIGITS_MAX];
    let start = digits(&mut buffer, u128::from(value.unsigned_abs()), 1);
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&buffer[start..]);
}

/// Appends a numeric as `rust_decimal` prints it.
pub(crate) fn push_numeric(out: &mut Vec<u8>, value: Numeric) {
    match value {
        Numeric::Finite(value) => push_decimal(out, value),
        Numeric::NaN => out.extend_from_slice(b"NaN"),
        Numeric::Infinity => out.extend_from_slice(b"Infinity"),
        Numeric::NegInfinity => out.extend_from_slice(b"-Infinity"),
    }
}

fn push_decimal(out: &mut Vec<u8>, value: Decimal) {
    let scale = usize::try_from(value.scale()).expect("a scale is small");
    let mut buffer = [0; DIGITS_MAX];
    let start = digits(&mut buffer, value.mantissa().unsigned_abs(), scale + 1);
    let point = buffer.len() - scale;
    if value.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(&buffer[start..point]);
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(&buffer[point..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_their_display_does() {
        for value in [0, 1, -1, 9, 10, 12345, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            push_integer(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
        }
        let texts = [
            "0",
            "0.00",
            "-0.05",
            "1.50",
            "-12",
            "79228162514264337593543950335",
            "7.9228162514264337593543950335",
            "-0.0000000000000000000000000001",
            "18446744073709551616",
            "1000000000000000000.000",
            "100",
        ];
        for text in texts {
            let value = crate::testing::numeric(text);
            let mut out = Vec::new();
            push_numeric(&mut out, value);
            assert_eq!(String::from_utf8(out), Ok(value.to_string()));
        }
    }
}
