//! What is known of all values of a column of a segment, so that a scan can pass over the segment.
//!
//! # Invariants
//!
//! 1. [`Zone::may_match`] is false only if no row of the segment can satisfy the bound. Rows that have died since may
//!    make the range wider than need be, never narrower.
//! 2. NULL satisfies no bound.

use headwater_types::{Datum, Numeric, float_cmp};
use std::cmp::Ordering;

/// A comparison with a constant, which a row must satisfy.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The column.
    pub column: usize,
    /// How it compares.
    pub comparison: BoundComparison,
    /// With what: a value of the column's type, or the bound is not made use of.
    pub value: Datum,
}

/// How a column compares with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundComparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Bytes of a text that a zone keeps.
const TEXT_BYTES_MAX: usize = 40;

/// The range of a column's values that are not NULL.
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    /// Nothing is known.
    Unknown,
    /// All are NULL.
    Nulls,
    /// Integers, dates, times, OIDs.
    Integers(i64, i64),
    Numerics(Numeric, Numeric),
    Floats(f64, f64),
    /// The beginnings of the least and of the greatest text.
    Texts(Box<[u8]>, Box<[u8]>),
}

impl BoundComparison {
    /// Whether a value in a range may compare so, given how the range's ends compare with the constant.
    fn possible(self, least: Ordering, greatest: Ordering) -> bool {
        match self {
            Self::Equal => least.is_le() && greatest.is_ge(),
            Self::Less => least.is_lt(),
            Self::LessOrEqual => least.is_le(),
            Self::Greater => greatest.is_gt(),
            Self::GreaterOrEqual => greatest.is_ge(),
        }
    }

    /// Whether a value that compares with the constant like this satisfies the bound.
    pub(super) fn holds(self, value: Ordering) -> bool {
        self.possible(value, value)
    }
}

/// An integer's or a date's 64 bits.
fn integer_of(value: &Datum) -> Option<i64> {
    match value {
        Datum::Int2(v) => Some(i64::from(*v)),
        Datum::Int4(v) | Datum::Date(v) => Some(i64::from(*v)),
        Datum::Int8(v) | Datum::Time(v) | Datum::Timestamp(v) => Some(*v),
        Datum::Oid(v) => Some(i64::from(*v)),
        _ => None,
    }
}

impl Zone {
    /// The zone of texts between these.
    pub(super) fn of_texts(least: &[u8], greatest: &[u8]) -> Self {
        let beginning = |text: &[u8]| text[..text.len().min(TEXT_BYTES_MAX)].into();
        Self::Texts(beginning(least), beginning(greatest))
    }

    /// Whether a row may satisfy a bound.
    pub(crate) fn may_match(&self, comparison: BoundComparison, value: &Datum) -> bool {
        match (self, value) {
            (_, Datum::Null) | (Self::Nulls, _) => false,
            (Self::Integers(least, greatest), value) => {
                integer_of(value).is_none_or(|value| comparison.possible(least.cmp(&value), greatest.cmp(&value)))
            }
            (Self::Numerics(least, greatest), Datum::Numeric(value)) => {
                comparison.possible(least.sql_cmp(value), greatest.sql_cmp(value))
            }
            (Self::Floats(least, greatest), Datum::Float8(value)) => {
                comparison.possible(float_cmp(*least, *value), float_cmp(*greatest, *value))
            }
            (Self::Floats(least, greatest), Datum::Float4(value)) => {
                let value = f64::from(*value);
                comparison.possible(float_cmp(*least, value), float_cmp(*greatest, value))
            }
            (Self::Texts(least, greatest), Datum::Text(value)) => {
                let value = value.as_bytes();
                // What is longer than the beginning that is kept may be greater than it, and still begin so.
                let cut = greatest.len() == TEXT_BYTES_MAX && value.starts_with(greatest);
                let greatest = if cut { Ordering::Greater } else { (**greatest).cmp(value) };
                comparison.possible((**least).cmp(value), greatest)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BoundComparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};

    #[test]
    fn a_zone_excludes_only_what_cannot_match() {
        let zone = Zone::Integers(3, 7);
        for value in 0..10_i32 {
            let any = |holds: &dyn Fn(i32) -> bool| (3..=7).any(holds);
            let datum = Datum::Int4(value);
            assert_eq!(zone.may_match(Equal, &datum), any(&|v| v == value));
            assert_eq!(zone.may_match(Less, &datum), any(&|v| v < value));
            assert_eq!(zone.may_match(LessOrEqual, &datum), any(&|v| v <= value));
            assert_eq!(zone.may_match(Greater, &datum), any(&|v| v > value));
            assert_eq!(zone.may_match(GreaterOrEqual, &datum), any(&|v| v >= value));
        }
        assert!(!zone.may_match(Equal, &Datum::Null));
        assert!(zone.may_match(Equal, &Datum::text("3")), "of another type: nothing is known");
        assert!(!Zone::Nulls.may_match(GreaterOrEqual, &Datum::Int4(0)));
    }

    #[test]
    fn long_texts_are_known_by_their_beginnings() {
        let long = "x".repeat(50);
        let zone = Zone::of_texts(b"b", long.as_bytes());
        for (value, may) in [("a", false), ("b", true), ("x", true), (&long, true), ("y", false)] {
            assert_eq!(zone.may_match(Equal, &Datum::text(value)), may, "{value}");
        }
        assert!(zone.may_match(Greater, &Datum::text("x".repeat(45))));
        assert!(zone.may_match(GreaterOrEqual, &Datum::text("x".repeat(60))), "may be longer than what is kept");
        assert!(!zone.may_match(Less, &Datum::text("b")));
        assert!(zone.may_match(LessOrEqual, &Datum::text("b")));
    }
}
