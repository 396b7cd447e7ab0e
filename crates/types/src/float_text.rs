//! Floats as text: the shortest that reads back the same, in PostgreSQL's layout.

use crate::text::{invalid_syntax, trim};
use crate::{DataType, Result, SessionSettings, SqlError, SqlState};

/// Decimal digits that a float of 64 bits keeps (`DBL_DIG`); from this exponent on, it prints with an exponent.
const FLOAT8_DIGITS: i32 = 15;
/// As [`FLOAT8_DIGITS`], for 32 bits (`FLT_DIG`).
const FLOAT4_DIGITS: i32 = 6;

fn out_of_range(text: &str, data_type: &DataType) -> SqlError {
    let message = format!("\"{text}\" is out of range for type {}", data_type.sql_name());
    SqlError::new(SqlState::NumericValueOutOfRange, message)
}

/// Whether the text says infinity or NaN in letters.
fn is_word(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether a digit before the exponent is not 0.
fn has_digit(text: &str) -> bool {
    text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| (b'1'..=b'9').contains(&byte))
}

/// Reads a `double precision`.
pub(crate) fn parse_float8(text: &str) -> Result<f64> {
    let trimmed = trim(text);
    let value: f64 = trimmed.parse().map_err(|_| invalid_syntax(&DataType::Float8, text))?;
    if (value.is_infinite() && !is_word(trimmed)) || (value == 0.0 && has_digit(trimmed)) {
        return Err(out_of_range(trimmed, &DataType::Float8));
    }
    Ok(value)
}

/// Reads a `real`.
pub(crate) fn parse_float4(text: &str) -> Result<f32> {
    let trimmed = trim(text);
    let value: f32 = trimmed.parse().map_err(|_| invalid_syntax(&DataType::Float4, text))?;
    if (value.is_infinite() && !is_word(trimmed)) || (value == 0.0 && has_digit(trimmed)) {
        return Err(out_of_range(trimmed, &DataType::Float4));
    }
    Ok(value)
}

/// Appends a `double precision`.
pub(crate) fn push_float8(out: &mut Vec<u8>, value: f64, settings: &SessionSettings) {
    if !value.is_finite() {
        return push_special(out, value);
    }
    if settings.extra_float_digits > 0 {
        push_shortest(out, ryu::Buffer::new().format_finite(value), FLOAT8_DIGITS);
    } else {
        push_rounded(out, value, FLOAT8_DIGITS + settings.extra_float_digits);
    }
}

/// Appends a `real`.
pub(crate) fn push_float4(out: &mut Vec<u8>, value: f32, settings: &SessionSettings) {
    if !value.is_finite() {
        return push_special(out, f64::from(value));
    }
    if settings.extra_float_digits > 0 {
        push_shortest(out, ryu::Buffer::new().format_finite(value), FLOAT4_DIGITS);
    } else {
        push_rounded(out, f64::from(value), FLOAT4_DIGITS + settings.extra_float_digits);
    }
}

fn push_special(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    });
}

/// C's `%.<precision>g`.
fn push_rounded(out: &mut Vec<u8>, value: f64, precision: i32) {
    let precision = precision.max(1);
    let decimals = usize::try_from(precision - 1).expect("at least 0");
    push_shortest(out, &format!("{value:.decimals$e}"), precision);
}

/// Lays out a number that was printed in another way: without trailing zeros, with an exponent (of two digits at
/// least) below 10⁻⁴ and from 10^`exponent_from` on.
fn push_shortest(out: &mut Vec<u8>, printed: &str, exponent_from: i32) {
    let (negative, printed) = match printed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, printed),
    };
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((printed, "0"));
    let exponent: i32 = exponent.parse().expect("an exponent is a small integer");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let leading = all.iter().take_while(|&&digit| digit == b'0').count();
    let trailing = all.iter().rev().take_while(|&&digit| digit == b'0').count();
    if negative {
        out.push(b'-');
    }
    if leading == all.len() {
        return out.push(b'0');
    }
    let digits = &all[leading..all.len() - trailing];
    let position = |length: usize| i32::try_from(length).expect("a float has few digits");
    let exponent = exponent + position(whole.len()) - 1 - position(leading);
    if exponent < -4 || exponent >= exponent_from {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        let magnitude = exponent.unsigned_abs();
        if magnitude < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(magnitude.to_string().as_bytes());
    } else if let Ok(point) = usize::try_from(exponent + 1)
        && point > 0
    {
        for place in 0..point.max(digits.len()) {
            if place == point {
                out.push(b'.');
            }
            out.push(digits.get(place).copied().unwrap_or(b'0'));
        }
    } else {
        out.extend_from_slice(b"0.");
        out.extend((exponent + 1..0).map(|_| b'0'));
        out.extend_from_slice(digits);
    }
}
