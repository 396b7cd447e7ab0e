//! An exact sum of numbers, as a value: what SUM and AVG know of a group before they round.
//!
//! ```text
//!  bytes   [ 7: specials? | 6..0: display scale ] [ count, 8 ] [ NaN, ∞, −∞ counts, 8 each, if any ] [ sum, 1..32 ]
//!  sum     of the finite values in units of 10^-28, two's complement, little-endian, without redundant bytes
//! ```
//! A sum of floats cannot be multiplied exactly once it is rounded, so that its state is the rounded sum, and says whether
//! that is out of range.
//!
//! A group's sum may be out of range although nobody will ask for it: a state never fails, its [`SumState::sum`] does.
//! Multiplied by a count of rows, it is the state of so many copies of the group. Equal states have equal bytes.

use crate::{NUMERIC_SCALE_MAX, Numeric, Result, SqlError, SqlState};
use arrow_buffer::i256;
use rust_decimal::Decimal;

const SPECIALS_BIT: u8 = 0x80;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SumState {
    /// The sum of the finite values in units of 10^-28.
    pub sum: i256,
    /// The largest scale of a value.
    pub scale: u32,
    /// The number of values.
    pub count: i64,
    /// How many of them are NaN, Infinity, −Infinity.
    pub specials: [i64; 3],
}

fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}

impl SumState {
    /// The state as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let special = self.specials != [0; 3];
        let scale = u8::try_from(self.scale).expect("a scale is at most 28");
        let mut bytes = vec![scale | if special { SPECIALS_BIT } else { 0 }];
        bytes.extend(self.count.to_le_bytes());
        if special {
            self.specials.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        }
        let sum = self.sum.to_le_bytes();
        let sign = if self.sum.is_negative() { 0xff } else { 0 };
        let mut length = sum.len();
        // The last byte kept carries the sign.
        while length > 1 && sum[length - 1] == sign && (sum[length - 2] ^ sign) & 0x80 == 0 {
            length -= 1;
        }
        bytes.extend(&sum[..length]);
        bytes
    }

    /// The state that [`SumState::encode`] made.
    ///
    /// # Errors
    ///
    /// 22P03 for bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (&head, mut rest) = bytes.split_first().ok_or_else(invalid)?;
        let scale = u32::from(head & !SPECIALS_BIT);
        let mut int8 = || -> Result<i64> {
            let (first, others) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
            rest = others;
            Ok(i64::from_le_bytes(*first))
        };
        let count = int8()?;
        let specials = if head & SPECIALS_BIT == 0 { [0; 3] } else { [int8()?, int8()?, int8()?] };
        let last = *rest.last().ok_or_else(invalid)?;
        if rest.len() > 32 || scale > NUMERIC_SCALE_MAX {
            return Err(invalid());
        }
        let mut sum = [if last & 0x80 == 0 { 0 } else { 0xff }; 32];
        sum[..rest.len()].copy_from_slice(rest);
        Ok(Self { sum: i256::from_le_bytes(sum), scale, count, specials })
    }

    /// The state of `copies` copies of each value.
    ///
    /// # Errors
    ///
    /// 22003 if it is out of range.
    pub fn times(self, copies: i64) -> Result<Self> {
        if copies == 1 {
            return Ok(self);
        }
        let count = |count: i64| count.checked_mul(copies).ok_or_else(overflow);
        let [nan, infinity, negative] = self.specials;
        Ok(Self {
            sum: self.sum.checked_mul(i256::from_i128(i128::from(copies))).ok_or_else(overflow)?,
            scale: self.scale,
            count: count(self.count)?,
            specials: [count(nan)?, count(infinity)?, count(negative)?],
        })
    }

    /// The sum, with the display scale or as many decimals as fit, rounded once (half away from zero).
    ///
    /// # Errors
    ///
    /// 22003 if its integer part does not fit.
    pub fn sum(&self) -> Result<Numeric> {
        match self.specials {
            [0, 0, 0] => to_numeric(self.sum, self.scale),
            [0, _, 0] => Ok(Numeric::Infinity),
            [0, 0, _] => Ok(Numeric::NegInfinity),
            _ => Ok(Numeric::NaN),
        }
    }

    /// The sum of integers as an int8.
    ///
    /// # Errors
    ///
    /// 22003 if it does not fit.
    pub fn integer_sum(&self) -> Result<i64> {
        let whole = self.sum.wrapping_div(i256::from_i128(10i128.pow(NUMERIC_SCALE_MAX)));
        whole
            .to_i128()
            .and_then(|sum| i64::try_from(sum).ok())
            .ok_or_else(|| SqlError::new(SqlState::NumericValueOutOfRange, "bigint out of range"))
    }

    /// The sum over the count, which must not be 0.
    ///
    /// # Errors
    ///
    /// 22003 if the sum is out of range.
    pub fn average(&self) -> Result<Numeric> {
        self.sum()?.checked_div(Numeric::from_i64(self.count))
    }
}

/// The sum of a group's floats, rounded to either precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatSumState {
    /// The sum as float8.
    pub double: f64,
    /// The sum as float4.
    pub single: f32,
    /// The number of values.
    pub count: i64,
    /// Whether all values are finite: an infinite sum is then out of range.
    pub finite: bool,
}

impl FloatSumState {
    /// The state as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.finite)];
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.double.to_le_bytes());
        bytes.extend(self.single.to_le_bytes());
        bytes
    }

    /// The state that [`FloatSumState::encode`] made.
    ///
    /// # Errors
    ///
    /// 22P03 for bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let parts = || {
            let (&finite, rest) = bytes.split_first()?;
            let (&count, rest) = rest.split_first_chunk()?;
            let (&double, rest) = rest.split_first_chunk()?;
            let single: [u8; 4] = rest.try_into().ok()?;
            let finite = finite != 0;
            let (double, single) = (f64::from_le_bytes(double), f32::from_le_bytes(single));
            Some(Self { double, single, count: i64::from_le_bytes(count), finite })
        };
        parts().ok_or_else(invalid)
    }

    /// The sum as float8.
    ///
    /// # Errors
    ///
    /// 22003 if it is out of range.
    pub fn sum(&self) -> Result<f64> {
        if self.finite && !self.double.is_finite() { Err(float_overflow()) } else { Ok(self.double) }
    }

    /// The sum as float4.
    ///
    /// # Errors
    ///
    /// 22003 if it is out of range.
    pub fn single_sum(&self) -> Result<f32> {
        if self.finite && !self.single.is_finite() { Err(float_overflow()) } else { Ok(self.single) }
    }

    /// The sum over the count.
    ///
    /// # Errors
    ///
    /// 22003 if the sum is out of range.
    #[expect(clippy::cast_precision_loss, reason = "a count of rows is exact up to 2^53, as in PostgreSQL")]
    pub fn average(&self) -> Result<f64> {
        Ok(self.sum()? / self.count as f64)
    }
}

fn float_overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

fn invalid() -> SqlError {
    SqlError::new(SqlState::InvalidBinaryRepresentation, "invalid state of a sum")
}

/// `sum × 10^-28` with `scale` decimals, or as many as 96 bits hold.
fn to_numeric(sum: i256, scale: u32) -> Result<Numeric> {
    for kept in (0..=scale).rev() {
        let mantissa = divide_rounding(sum, 10i128.pow(NUMERIC_SCALE_MAX - kept));
        if let Some(mantissa) = mantissa.to_i128()
            && let Ok(value) = Decimal::try_from_i128_with_scale(mantissa, kept)
        {
            return Ok(Numeric::Finite(value));
        }
    }
    Err(overflow())
}

fn divide_rounding(value: i256, divisor: i128) -> i256 {
    let wide = i256::from_i128(divisor);
    let (quotient, remainder) = (value.wrapping_div(wide), value.wrapping_rem(wide));
    // Twice the remainder is below 2^95.
    let doubled = remainder.wrapping_add(remainder).wrapping_abs();
    if doubled < wide || divisor == 1 {
        return quotient;
    }
    let away = if value.is_negative() { i256::MINUS_ONE } else { i256::ONE };
    quotient.wrapping_add(away)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(hundredths: i128) -> SumState {
        let unit = i256::from_i128(10i128.pow(26));
        SumState { sum: i256::from_i128(hundredths).wrapping_mul(unit), scale: 2, count: 3, specials: [0; 3] }
    }

    #[test]
    fn bytes_give_the_state_back() {
        for hundredths in [0, 1, -1, 127, -128, 12_345_678, -12_345_678, i128::from(i64::MAX) << 20] {
            let state = state(hundredths);
            assert_eq!(SumState::decode(&state.encode()), Ok(state), "{hundredths}");
        }
        for sum in [i256::MAX, i256::MIN, i256::from_i128(255), i256::from_i128(-256)] {
            let state = SumState { sum, scale: 28, count: -1, specials: [0, 5, -7] };
            assert_eq!(SumState::decode(&state.encode()), Ok(state), "{sum}");
        }
        for bad in [&[][..], &[0; 9], &[29, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[0; 42], &[0x80; 20]] {
            assert!(SumState::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn float_states() {
        let state = FloatSumState { double: 1.5, single: 1.5, count: 3, finite: true };
        assert_eq!(FloatSumState::decode(&state.encode()), Ok(state));
        assert_eq!(state.average(), Ok(0.5));
        let too_large = FloatSumState { single: f32::INFINITY, ..state };
        assert_eq!(too_large.sum(), Ok(1.5));
        assert!(too_large.single_sum().is_err());
        let infinite = FloatSumState { double: f64::NEG_INFINITY, ..state };
        assert!(infinite.sum().is_err() && infinite.average().is_err());
        assert_eq!(FloatSumState { finite: false, ..infinite }.sum(), Ok(f64::NEG_INFINITY));
        for bad in [&[][..], &[0; 20], &[0; 22]] {
            assert!(FloatSumState::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn copies_are_summed_before_rounding() {
        assert_eq!(state(150).times(3).and_then(|s| s.sum()).map(|n| n.to_string()).as_deref(), Ok("4.50"));
        assert_eq!(state(150).times(3).map(|s| s.count), Ok(9));
        // A third is rounded when it is read, and not before.
        let third = SumState { sum: i256::from_i128(10i128.pow(28) / 3), scale: 0, count: 1, specials: [0; 3] };
        assert_eq!(third.sum().map(|n| n.to_string()).as_deref(), Ok("0"));
        assert_eq!(third.times(2).and_then(|s| s.sum()).map(|n| n.to_string()).as_deref(), Ok("1"));
        assert_eq!(
            SumState { sum: i256::MAX, ..third }.sum().map_err(|e| e.state),
            Err(SqlState::NumericValueOutOfRange)
        );
        assert!(SumState { sum: i256::MAX, ..third }.times(2).is_err());
        assert_eq!(state(-500).integer_sum(), Ok(-5));
        assert!(SumState { sum: i256::MAX, ..third }.integer_sum().is_err());
        assert_eq!(SumState { specials: [0, 2, 1], ..third }.times(2).and_then(|s| s.sum()), Ok(Numeric::NaN));
        assert_eq!(state(450).average().map(|n| n.to_string()).as_deref(), Ok("1.50"));
    }
}
