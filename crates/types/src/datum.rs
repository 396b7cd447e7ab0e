//! One value, for literals, parameters and everything that is handled a row at a time.

use crate::{DataType, Interval, Numeric};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One SQL value. Its exact [`DataType`] travels beside it: `Text` serves `text`, `varchar`, `name` and their kin.
///
/// Derived equality is *identity* up to the bits of floats; see [`crate::Numeric`] and [`crate::Interval`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Datum {
    /// NULL of any type.
    Null,
    /// `boolean`
    Bool(bool),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `real`
    Float4(f32),
    /// `double precision`
    Float8(f64),
    /// `numeric`
    Numeric(Numeric),
    /// Every type kept as UTF-8.
    Text(Arc<str>),
    /// `bytea`, `jsonb`
    Bytes(Arc<[u8]>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01 00:00 (UTC for `timestamptz`).
    Timestamp(i64),
    /// `interval`
    Interval(Interval),
    /// `uuid`
    Uuid([u8; 16]),
    /// `oid`, `xid`, `regclass` and its kin.
    Oid(u32),
    /// An array.
    Array(Arc<ArrayDatum>),
}

/// A one-dimensional array value. An empty `values` is PostgreSQL's `{}`, of no dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArrayDatum {
    /// The type of every element.
    pub element: DataType,
    /// The elements, in order.
    pub values: Vec<Datum>,
}

impl Datum {
    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A text value.
    pub fn text(value: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(value.as_ref()))
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int2(a), Self::Int2(b)) => a == b,
            (Self::Int4(a), Self::Int4(b)) | (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Int8(a), Self::Int8(b))
            | (Self::Time(a), Self::Time(b))
            | (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Float4(a), Self::Float4(b)) => a.to_bits() == b.to_bits(),
            (Self::Float8(a), Self::Float8(b)) => a.to_bits() == b.to_bits(),
            (Self::Numeric(a), Self::Numeric(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Interval(a), Self::Interval(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) => a == b,
            (Self::Oid(a), Self::Oid(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Datum {}

impl std::hash::Hash for Datum {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(v) => v.hash(state),
            Self::Int2(v) => v.hash(state),
            Self::Int4(v) | Self::Date(v) => v.hash(state),
            Self::Int8(v) | Self::Time(v) | Self::Timestamp(v) => v.hash(state),
            Self::Float4(v) => v.to_bits().hash(state),
            Self::Float8(v) => v.to_bits().hash(state),
            Self::Numeric(v) => v.hash(state),
            Self::Text(v) => v.hash(state),
            Self::Bytes(v) => v.hash(state),
            Self::Interval(v) => v.hash(state),
            Self::Uuid(v) => v.hash(state),
            Self::Oid(v) => v.hash(state),
            Self::Array(v) => v.hash(state),
        }
    }
}
