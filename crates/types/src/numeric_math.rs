//! Reading, printing and computing `numeric`.
//!
//! # Invariants
//!
//! 1. No integer digit is ever lost: what needs more than 96 bits is 22003. Fraction digits beyond what fits are rounded.
//! 2. Zero has no sign.
//! 3. NaN and the infinities follow PostgreSQL's `numeric.c`.

use crate::{Numeric, Result, SqlError, SqlState};
use rust_decimal::{Decimal, RoundingStrategy};
use std::cmp::Ordering;

/// The greatest scale of a value.
pub const NUMERIC_SCALE_MAX: u32 = Decimal::MAX_SCALE;

/// Decimal digits that always fit a `u128`.
const DIGITS_KEPT: u32 = 38;

/// The greatest mantissa: 2⁹⁶ − 1.
const MANTISSA_MAX: u128 = (1 << 96) - 1;

/// 22003: more integer digits than a numeric holds.
pub(crate) fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
        .with_detail("The greatest numeric is 79228162514264337593543950335.")
}

fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DivisionByZero, "division by zero")
}

/// A mantissa and a scale as a value; the scale may be negative or too great, the mantissa too wide.
fn from_mantissa(negative: bool, mantissa: u128, scale: i64) -> Result<Numeric> {
    let mut scale = scale;
    let mut mantissa = mantissa;
    if mantissa == 0 {
        scale = scale.clamp(0, i64::from(NUMERIC_SCALE_MAX));
    }
    if scale < 0 {
        let power = u32::try_from(-scale).ok().and_then(|power| 10u128.checked_pow(power)).ok_or_else(overflow)?;
        mantissa = mantissa.checked_mul(power).ok_or_else(overflow)?;
        scale = 0;
    }
    let mut drop = u32::try_from(scale - i64::from(NUMERIC_SCALE_MAX)).unwrap_or(0);
    let mut rounded = round_off(mantissa, drop);
    while rounded > MANTISSA_MAX {
        drop += 1;
        rounded = round_off(mantissa, drop);
    }
    let scale = u32::try_from(scale - i64::from(drop)).map_err(|_| overflow())?;
    let mantissa = i128::try_from(rounded).expect("a mantissa has 96 bits");
    let value = Decimal::try_from_i128_with_scale(if negative { -mantissa } else { mantissa }, scale)
        .expect("mantissa and scale are in range");
    Ok(Numeric::finite(value))
}

/// `value / 10^digits`, half away from zero.
fn round_off(value: u128, digits: u32) -> u128 {
    match 10u128.checked_pow(digits) {
        None => 0,
        Some(1) => value,
        Some(power) => value / power + u128::from(value % power >= power / 2),
    }
}

impl Numeric {
    /// Zero, of scale 0.
    pub const ZERO: Self = Self::Finite(Decimal::ZERO);
    /// One, of scale 0.
    pub const ONE: Self = Self::Finite(Decimal::ONE);

    /// A finite value; zero loses its sign.
    #[must_use]
    pub fn finite(value: Decimal) -> Self {
        let mut value = value;
        if value.is_zero() {
            value.set_sign_positive(true);
        }
        Self::Finite(value)
    }

    /// `mantissa × 10^−scale`.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn from_parts(mantissa: i128, scale: i64) -> Result<Self> {
        from_mantissa(mantissa < 0, mantissa.unsigned_abs(), scale)
    }

    /// Reads PostgreSQL's input syntax: blanks around, a sign, digits with a point, an exponent; `NaN`, `inf`,
    /// `Infinity` in any case. `None` for anything else. One pass, whatever the length.
    fn scan(text: &str) -> Option<Result<Self>> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if unsigned.eq_ignore_ascii_case("nan") {
            return (unsigned.len() == text.len()).then_some(Ok(Self::NaN));
        }
        if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
            return Some(Ok(if negative { Self::NegInfinity } else { Self::Infinity }));
        }
        let bytes = unsigned.as_bytes();
        let (mut mantissa, mut kept, mut scale) = (0u128, 0u32, 0i64);
        let (mut digits, mut point) = (false, false);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    digits = true;
                    if kept < DIGITS_KEPT {
                        mantissa = mantissa * 10 + u128::from(byte - b'0');
                        kept += u32::from(mantissa != 0);
                        scale += i64::from(point);
                    } else {
                        scale -= i64::from(!point);
                    }
                }
                b'.' if !point => point = true,
                _ => break,
            }
            at += 1;
        }
        if !digits {
            return None;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let exponent = &unsigned[at + 1..];
            let magnitude = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if magnitude.is_empty() || !magnitude.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            // An exponent too great for an integer is out of range either way.
            let exponent =
                exponent.parse::<i32>().unwrap_or(if exponent.starts_with('-') { i32::MIN } else { i32::MAX });
            scale -= i64::from(exponent);
        } else if at < bytes.len() {
            return None;
        }
        Some(from_mantissa(negative, mantissa, scale))
    }

    /// PostgreSQL's `numeric_in`, without a type modifier.
    ///
    /// # Errors
    ///
    /// 22P02 for bad syntax, 22003 if there are more integer digits than fit.
    pub fn parse(text: &str) -> Result<Self> {
        Self::scan(text).unwrap_or_else(|| {
            Err(SqlError::new(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type numeric: \"{text}\""),
            ))
        })
    }

    /// The sum.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => a.checked_add(b).map(Self::finite).ok_or_else(overflow),
            (Self::NaN, _)
            | (_, Self::NaN)
            | (Self::Infinity, Self::NegInfinity)
            | (Self::NegInfinity, Self::Infinity) => Ok(Self::NaN),
            (Self::Finite(_), special) | (special, _) => Ok(special),
        }
    }

    /// The difference.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn checked_sub(self, other: Self) -> Result<Self> {
        self.checked_add(-other)
    }

    /// The product.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn checked_mul(self, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => a.checked_mul(b).map(Self::finite).ok_or_else(overflow),
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (a, b) => Ok(Self::infinity_of(a.signum() * b.signum())),
        }
    }

    /// The quotient, with the digits that `rust_decimal` gives it.
    ///
    /// # Errors
    ///
    /// 22012 for a zero divisor, 22003 if it does not fit.
    pub fn checked_div(self, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (_, Self::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (Self::Finite(a), Self::Finite(b)) => a.checked_div(b).map(Self::finite).ok_or_else(overflow),
            (Self::Finite(_), _) => Ok(Self::ZERO),
            (a, b @ Self::Finite(_)) => Ok(Self::infinity_of(a.signum() * b.signum())),
            _ => Ok(Self::NaN),
        }
    }

    /// The remainder, with the dividend's sign.
    ///
    /// # Errors
    ///
    /// 22012 for a zero divisor.
    pub fn checked_rem(self, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (_, Self::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (Self::Finite(a), Self::Finite(b)) => a.checked_rem(b).map(Self::finite).ok_or_else(overflow),
            (finite @ Self::Finite(_), _) => Ok(finite),
            _ => Ok(Self::NaN),
        }
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(self) -> Self {
        match self {
            Self::Finite(value) => Self::Finite(value.abs()),
            Self::NaN => Self::NaN,
            Self::Infinity | Self::NegInfinity => Self::Infinity,
        }
    }

    /// −1, 0 or 1; 0 for NaN, which the callers have dealt with.
    fn signum(self) -> i32 {
        match self {
            Self::Finite(value) if value.is_zero() => 0,
            Self::Finite(value) if value.is_sign_negative() => -1,
            Self::Finite(_) | Self::Infinity => 1,
            Self::NegInfinity => -1,
            Self::NaN => 0,
        }
    }

    /// `sign`: −1, 0, 1 or NaN.
    #[must_use]
    pub fn sign(self) -> Self {
        if matches!(self, Self::NaN) { Self::NaN } else { Self::finite(Decimal::from(self.signum())) }
    }

    fn infinity_of(sign: i32) -> Self {
        match sign.cmp(&0) {
            Ordering::Less => Self::NegInfinity,
            Ordering::Equal => Self::NaN,
            Ordering::Greater => Self::Infinity,
        }
    }

    /// `round(v, scale)`: half away from zero; exactly `scale` digits of fraction (none if negative), as far as they
    /// fit.
    ///
    /// # Errors
    ///
    /// 22003 if rounding up to a negative scale overflows.
    pub fn round(self, scale: i32) -> Result<Self> {
        self.to_scale(scale, RoundingStrategy::MidpointAwayFromZero)
    }

    /// `trunc(v, scale)`: as [`Numeric::round`], towards zero.
    ///
    /// # Errors
    ///
    /// None: a truncated value fits. Kept a `Result` to be used like `round`.
    pub fn trunc(self, scale: i32) -> Result<Self> {
        self.to_scale(scale, RoundingStrategy::ToZero)
    }

    /// `ceil(v)`.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn ceil(self) -> Result<Self> {
        self.to_scale(0, RoundingStrategy::ToPositiveInfinity)
    }

    /// `floor(v)`.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn floor(self) -> Result<Self> {
        self.to_scale(0, RoundingStrategy::ToNegativeInfinity)
    }

    fn to_scale(self, scale: i32, strategy: RoundingStrategy) -> Result<Self> {
        let Self::Finite(value) = self else { return Ok(self) };
        if let Ok(scale) = u32::try_from(scale) {
            let mut rounded = value.round_dp_with_strategy(scale.min(NUMERIC_SCALE_MAX), strategy);
            // Pads with zeros, as many as fit.
            rounded.rescale(scale.min(NUMERIC_SCALE_MAX));
            return Ok(Self::finite(rounded));
        }
        let digits = scale.unsigned_abs();
        let power = 10i128.checked_pow(digits).and_then(|power| Decimal::try_from_i128_with_scale(power, 0).ok());
        // A unit beyond every value rounds them all to zero, or overflows; the half of 10^29 is within range.
        let Some(power) = power else {
            let half_or_more = digits == 29 && value.abs() >= Decimal::from_i128_with_scale(5 * 10i128.pow(28), 0);
            return match strategy {
                RoundingStrategy::MidpointAwayFromZero if half_or_more => Err(overflow()),
                _ => Ok(Self::ZERO),
            };
        };
        // The remainder is exact where a quotient might be rounded.
        let remainder = value.checked_rem(power).ok_or_else(overflow)?;
        let whole = (value - remainder).round_dp(0);
        let away = strategy == RoundingStrategy::MidpointAwayFromZero && remainder.abs() >= power / Decimal::TWO;
        let step = match (away, value.is_sign_negative()) {
            (false, _) => Decimal::ZERO,
            (true, false) => power,
            (true, true) => -power,
        };
        whole.checked_add(step).map(|value| Self::finite(value.round_dp(0))).ok_or_else(overflow)
    }

    /// Exactly this integer.
    #[must_use]
    pub fn from_i64(value: i64) -> Self {
        Self::Finite(Decimal::from(value))
    }

    /// The nearest integer, half away from zero; `name` is the target type's in messages.
    ///
    /// # Errors
    ///
    /// 22003 `<name> out of range`; 0A000 for NaN and infinity, as PostgreSQL has it.
    pub fn to_integer<T: TryFrom<i128>>(self, name: &str) -> Result<T> {
        let value = match self {
            Self::Finite(value) => value.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero),
            Self::NaN => {
                return Err(SqlError::new(SqlState::FeatureNotSupported, format!("cannot convert NaN to {name}")));
            }
            Self::Infinity | Self::NegInfinity => {
                let message = format!("cannot convert infinity to {name}");
                return Err(SqlError::new(SqlState::FeatureNotSupported, message));
            }
        };
        T::try_from(value.mantissa())
            .map_err(|_| SqlError::new(SqlState::NumericValueOutOfRange, format!("{name} out of range")))
    }

    /// The nearest `bigint`, half away from zero.
    ///
    /// # Errors
    ///
    /// As [`Numeric::to_integer`].
    pub fn to_i64(self) -> Result<i64> {
        self.to_integer("bigint")
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        /// Powers of ten that are exact doubles.
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
            1e19, 1e20, 1e21, 1e22,
        ];
        match self {
            Self::Finite(value) => {
                let mantissa = value.mantissa();
                match POWERS.get(value.scale() as usize) {
                    // Both exact, so that the quotient is rounded once.
                    Some(power) if mantissa.unsigned_abs() < 1 << f64::MANTISSA_DIGITS => mantissa as f64 / power,
                    _ => value.to_string().parse().expect("a decimal's text is a double's"),
                }
            }
            Self::NaN => f64::NAN,
            Self::Infinity => f64::INFINITY,
            Self::NegInfinity => f64::NEG_INFINITY,
        }
    }

    /// The double to 15 significant digits, as PostgreSQL's cast.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn from_f64(value: f64) -> Result<Self> {
        Self::from_float_text(value, &format!("{value:.14e}"))
    }

    /// The float to 6 significant digits, as PostgreSQL's cast.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn from_f32(value: f32) -> Result<Self> {
        Self::from_float_text(f64::from(value), &format!("{value:.5e}"))
    }

    fn from_float_text(value: f64, text: &str) -> Result<Self> {
        if value.is_nan() {
            return Ok(Self::NaN);
        }
        if value.is_infinite() {
            return Ok(if value > 0.0 { Self::Infinity } else { Self::NegInfinity });
        }
        match Self::parse(text)? {
            // %g prints no trailing zeros.
            Self::Finite(value) => Ok(Self::finite(value.normalize())),
            special => Ok(special),
        }
    }

    /// The digits after the point that this value shows.
    #[must_use]
    pub fn scale(self) -> Option<u32> {
        match self {
            Self::Finite(value) => Some(value.scale()),
            _ => None,
        }
    }

    /// Enforces `numeric(precision, scale)`.
    ///
    /// # Errors
    ///
    /// 22003 `numeric field overflow`.
    pub fn with_modifier(self, precision: u16, scale: i16) -> Result<Self> {
        let field_overflow =
            |detail| Err(SqlError::new(SqlState::NumericValueOutOfRange, "numeric field overflow").with_detail(detail));
        match self {
            Self::NaN => Ok(self),
            Self::Infinity | Self::NegInfinity => field_overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            )),
            Self::Finite(_) => {
                let rounded = self.round(i32::from(scale))?;
                let integer_digits = i32::from(precision) - i32::from(scale);
                let fits = match (rounded, u32::try_from(integer_digits)) {
                    (Self::Finite(value), Ok(digits)) => match 10i128.checked_pow(digits) {
                        Some(power) => {
                            Decimal::try_from_i128_with_scale(power, 0).map_or(true, |power| value.abs() < power)
                        }
                        None => true,
                    },
                    // Fewer digits than the scale: the value must be below 10^−n.
                    (Self::Finite(value), Err(_)) => {
                        let places = integer_digits.unsigned_abs();
                        Decimal::try_from_i128_with_scale(1, places).map_or(value.is_zero(), |unit| value.abs() < unit)
                    }
                    _ => true,
                };
                if fits {
                    return Ok(rounded);
                }
                let bound = if integer_digits == 0 { "1".to_owned() } else { format!("10^{integer_digits}") };
                field_overflow(format!(
                    "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
                ))
            }
        }
    }
}

impl std::ops::Neg for Numeric {
    type Output = Self;

    fn neg(self) -> Self {
        match self {
            Self::Finite(value) => Self::finite(-value),
            Self::NaN => Self::NaN,
            Self::Infinity => Self::NegInfinity,
            Self::NegInfinity => Self::Infinity,
        }
    }
}

impl std::fmt::Display for Numeric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finite(value) => value.fmt(f),
            Self::NaN => f.write_str("NaN"),
            Self::Infinity => f.write_str("Infinity"),
            Self::NegInfinity => f.write_str("-Infinity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numeric;

    fn parsed(text: &str) -> String {
        match Numeric::parse(text) {
            Ok(value) => value.to_string(),
            Err(error) => error.state.code().to_owned(),
        }
    }

    #[test]
    fn input_follows_postgresql_within_28_digits() {
        let cases = [
            ("1.50", "1.50"),
            (" -12 ", "-12"),
            ("+.5", "0.5"),
            ("5.", "5"),
            ("-0.0", "0.0"),
            ("1e3", "1000"),
            ("1.50e1", "15.0"),
            ("1e-10", "0.0000000001"),
            ("1E-40", "0.0000000000000000000000000000"),
            ("6252.570015900456", "6252.570015900456"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("79228162514264337593543950336", "22003"),
            ("1e29", "22003"),
            ("1e999999999999", "22003"),
            ("0e999999999999", "0"),
            ("0.12345678901234567890123456785", "0.1234567890123456789012345679"),
            ("7.92281625142643375935439503355", "7.922816251426433759354395034"),
            ("12345678901234567890.123456789012345", "12345678901234567890.123456789"),
            ("nan", "NaN"),
            ("-nan", "22P02"),
            ("-inf", "-Infinity"),
            ("Infinity", "Infinity"),
            ("", "22P02"),
            (".", "22P02"),
            ("1e", "22P02"),
            ("1.2.3", "22P02"),
            ("1_000", "22P02"),
            ("0x1F", "22P02"),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed(text), expected, "{text}");
        }
        let long = format!("0.{}", "1".repeat(1_000_000));
        assert_eq!(parsed(&long), "0.1111111111111111111111111111");
        assert_eq!(parsed(&format!("{}1", "0".repeat(1000))), "1");
        assert_eq!(parsed(&"9".repeat(1000)), "22003");
        assert_eq!(parsed(&format!("1{}e-100", "0".repeat(100))), "1.0000000000000000000000000000");
    }

    #[test]
    fn quotients_print_as_in_the_tutorial() {
        let quotient = |a, b| numeric(a).checked_div(numeric(b)).expect("a quotient").to_string();
        assert_eq!(quotient("5534.39", "20"), "276.7195");
        assert_eq!(quotient("4523.88", "15"), "301.5920");
        assert_eq!(quotient("5004.84", "18"), "278.04666666666666666666666667");
    }

    #[test]
    fn special_values_compute_as_in_postgresql() {
        let compute = |a: &str, operator: &str, b: &str| {
            let (a, b) = (numeric(a), numeric(b));
            let result = match operator {
                "+" => a.checked_add(b),
                "-" => a.checked_sub(b),
                "*" => a.checked_mul(b),
                "/" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            result.map_or_else(|error| error.state.code().to_owned(), |value| value.to_string())
        };
        let cases = [
            ("1.10", "+", "2.2", "3.30"),
            ("1.10", "*", "2.20", "2.4200"),
            ("-1", "*", "0", "0"),
            ("7", "%", "3.5", "0.0"),
            ("-7", "%", "3", "-1"),
            ("79228162514264337593543950335", "+", "1", "22003"),
            ("79228162514264337593543950335", "*", "10", "22003"),
            ("1", "/", "0", "22012"),
            ("1", "%", "0", "22012"),
            ("Infinity", "-", "Infinity", "NaN"),
            ("Infinity", "+", "1", "Infinity"),
            ("Infinity", "*", "-2", "-Infinity"),
            ("Infinity", "*", "0", "NaN"),
            ("Infinity", "/", "-2", "-Infinity"),
            ("Infinity", "/", "0", "22012"),
            ("NaN", "/", "0", "NaN"),
            ("1", "/", "Infinity", "0"),
            ("5", "%", "Infinity", "5"),
            ("Infinity", "%", "5", "NaN"),
        ];
        for (a, operator, b, expected) in cases {
            assert_eq!(compute(a, operator, b), expected, "{a} {operator} {b}");
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero_and_pads() {
        let round = |text, scale| numeric(text).round(scale).map_or("error".to_owned(), |v| v.to_string());
        assert_eq!(round("2.5", 0), "3");
        assert_eq!(round("-2.5", 0), "-3");
        assert_eq!(round("1.005", 2), "1.01");
        assert_eq!(round("1.5", 4), "1.5000");
        assert_eq!(round("1250", -2), "1300");
        assert_eq!(round("-1250.5", -2), "-1300");
        assert_eq!(round("1249.99", -2), "1200");
        assert_eq!(round("5", -50), "0");
        assert_eq!(round("79228162514264337593543950335", 2), "79228162514264337593543950335");
        assert_eq!(round("79228162514264337593543950335", -29), "error");
        assert_eq!(numeric("-1.9").trunc(0).expect("fits").to_string(), "-1");
        assert_eq!(numeric("-1299").trunc(-2).expect("fits").to_string(), "-1200");
        assert_eq!(numeric("-1.1").floor().expect("fits").to_string(), "-2");
        assert_eq!(numeric("-1.9").ceil().expect("fits").to_string(), "-1");
        assert_eq!(numeric("2.5").to_i64(), Ok(3));
        assert_eq!(numeric("-2.5").to_i64(), Ok(-3));
        assert_eq!(numeric("1e20").to_i64().map_err(|e| e.message), Err("bigint out of range".to_owned()));
        assert_eq!(numeric("NaN").to_i64().map_err(|e| e.message), Err("cannot convert NaN to bigint".to_owned()));
    }

    #[test]
    fn modifiers_are_enforced() {
        let cast = |text: &str, precision, scale| match numeric(text).with_modifier(precision, scale) {
            Ok(value) => value.to_string(),
            Err(error) => error.detail.expect("a detail"),
        };
        assert_eq!(cast("1.9999", 3, 1), "2.0");
        assert_eq!(cast("123456", 3, -3), "123000");
        assert_eq!(cast("0.0012", 3, 5), "0.00120");
        assert_eq!(cast("NaN", 3, 1), "NaN");
        assert_eq!(
            cast("123.456", 4, 2),
            "A field with precision 4, scale 2 must round to an absolute value less than 10^2."
        );
        assert_eq!(cast("1", 2, 2), "A field with precision 2, scale 2 must round to an absolute value less than 1.");
        assert_eq!(cast("inf", 2, 2), "A field with precision 2, scale 2 cannot hold an infinite value.");
        assert_eq!(cast("5", 1000, 2), "5.00");
    }

    #[test]
    fn floats_convert_as_in_postgresql() {
        let from = |value| Numeric::from_f64(value).map_or("error".to_owned(), |v| v.to_string());
        assert_eq!(from(0.1 + 0.2), "0.3");
        assert_eq!(from(1e20), "100000000000000000000");
        assert_eq!(from(-0.0), "0");
        assert_eq!(from(1e300), "error");
        assert_eq!(from(f64::NAN), "NaN");
        assert_eq!(Numeric::from_f32(0.1).map(|v| v.to_string()), Ok("0.1".to_owned()));
        assert_eq!(numeric("0.1").to_f64(), 0.1);
        assert_eq!(numeric("79228162514264337593543950335").to_f64(), 7.922_816_251_426_434e28);
        assert_eq!(numeric("1.2345678901234567890123456789").to_f64(), 1.234_567_890_123_456_7);
    }
}
