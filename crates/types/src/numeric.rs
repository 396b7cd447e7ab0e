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
