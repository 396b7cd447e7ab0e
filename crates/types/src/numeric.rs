//! PostgreSQL's `numeric`, on `rust_decimal`: 96-bit mantissa, scale 0–28, NaN and ±Infinity.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A `numeric` value.
///
/// Derived equality is *identity* (`1.0` is not `1.00`); SQL equality is [`Numeric::sql_cmp`].
#[derive(Debug, Clone, Copy)]
pub enum Numeric {
    /// A finite value with its display scale.
    Finite(Decimal),
    /// Not a number: equal to itself and greater than every other value, as in PostgreSQL.
    NaN,
    /// Positive infinity.
    Infinity,
    /// Negative infinity.
    NegInfinity,
}

/// Bytes of the fixed-size binary form.
pub const NUMERIC_BYTES: usize = 16;

const TAG_NAN: u8 = 0x01;
const TAG_INFINITY: u8 = 0x02;
const TAG_NEG_INFINITY: u8 = 0x03;

impl Numeric {
    /// The 16 bytes kept in a column: `rust_decimal`'s serialisation, with its unused low flag byte telling the
    /// special values.
    #[must_use]
    pub fn to_bytes(self) -> [u8; NUMERIC_BYTES] {
        let mut bytes = [0; NUMERIC_BYTES];
        match self {
            Self::Finite(value) => return value.serialize(),
            Self::NaN => bytes[0] = TAG_NAN,
            Self::Infinity => bytes[0] = TAG_INFINITY,
            Self::NegInfinity => bytes[0] = TAG_NEG_INFINITY,
        }
        bytes
    }

    /// The inverse of [`Numeric::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; NUMERIC_BYTES]) -> Self {
        match bytes[0] {
            TAG_NAN => Self::NaN,
            TAG_INFINITY => Self::Infinity,
            TAG_NEG_INFINITY => Self::NegInfinity,
            _ => Self::Finite(Decimal::deserialize(bytes)),
        }
    }

    /// Mantissa and scale of a finite value, read straight from its bytes.
    #[inline]
    #[must_use]
    pub fn finite_parts(bytes: [u8; NUMERIC_BYTES]) -> Option<(i128, u32)> {
        // The flags' low byte tells special values, the third is the scale, the highest bit the sign.
        let [tag, _, scale, sign, ..] = bytes;
        let mantissa = i128::try_from(u128::from_le_bytes(bytes) >> 32).expect("a mantissa has 96 bits");
        (tag == 0).then_some((if sign >> 7 == 1 { -mantissa } else { mantissa }, u32::from(scale)))
    }

    /// The bytes of `mantissa × 10^-scale`, if 96 bits hold the mantissa; the scale is at most 28.
    #[inline]
    #[must_use]
    pub fn bytes_of_parts(mantissa: i128, scale: u32) -> Option<[u8; NUMERIC_BYTES]> {
        let magnitude = mantissa.unsigned_abs();
        let flags = scale << 16 | u32::from(mantissa < 0) << 31;
        (magnitude >> 96 == 0).then(|| (magnitude << 32 | u128::from(flags)).to_le_bytes())
    }

    /// PostgreSQL's order: −Infinity < finite < Infinity < NaN; `1.0` and `1.00` are equal.
    #[must_use]
    pub fn sql_cmp(&self, other: &Self) -> std::cmp::Ordering {
        fn rank(value: &Numeric) -> u8 {
            match value {
                Numeric::NegInfinity => 0,
                Numeric::Finite(_) => 1,
                Numeric::Infinity => 2,
                Numeric::NaN => 3,
            }
        }
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

/// As its 16 bytes: `rust_decimal`'s own form asks the format what it holds, which compact formats cannot tell.
impl Serialize for Numeric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Numeric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_bytes(<[u8; NUMERIC_BYTES]>::deserialize(deserializer)?))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Numeric {}

impl std::hash::Hash for Numeric {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_value() {
        let max = "79228162514264337593543950335";
        for text in ["0", "0.00", "1.50", "-1.5", max, "-0.0000000000000000000000000001", "123456789012345678901.25"] {
            let value: Decimal = text.parse().expect("a decimal");
            let bytes = Numeric::Finite(value).to_bytes();
            assert_eq!(Numeric::finite_parts(bytes), Some((value.mantissa(), value.scale())), "{text}");
            assert_eq!(Numeric::bytes_of_parts(value.mantissa(), value.scale()), Some(bytes), "{text}");
        }
        for special in [Numeric::NaN, Numeric::Infinity, Numeric::NegInfinity] {
            assert_eq!(Numeric::finite_parts(special.to_bytes()), None);
        }
        assert_eq!(Numeric::bytes_of_parts(1 << 96, 0), None);
    }
}
