//! SQL's order of values and rows: NaN greatest, text by bytes, NULLs first or last as asked.

use crate::{DataType, Datum, Interval, Numeric};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, StringArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// One ORDER BY key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnOrder {
    /// The column's ordinal.
    pub column: usize,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST (the default of DESC).
    pub nulls_first: bool,
}

impl ColumnOrder {
    /// ASC NULLS LAST, the default.
    #[must_use]
    pub fn ascending(column: usize) -> Self {
        Self { column, descending: false, nulls_first: false }
    }
}

/// PostgreSQL's order of floats: NaN greatest and equal to itself, −0 equal to 0.
#[must_use]
pub fn float_cmp(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl Datum {
    /// SQL's order of two values of the same type. NULLs, which SQL compares with nothing, are equal to each other and
    /// greater than every value, as ORDER BY has it.
    ///
    /// `character` is compared with its padding, which is the same on both sides.
    ///
    /// # Panics
    ///
    /// If the values are of different types.
    #[must_use]
    pub fn sql_cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int2(a), Self::Int2(b)) => a.cmp(b),
            (Self::Int4(a), Self::Int4(b)) | (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Int8(a), Self::Int8(b))
            | (Self::Time(a), Self::Time(b))
            | (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::Float4(a), Self::Float4(b)) => float_cmp(f64::from(*a), f64::from(*b)),
            (Self::Float8(a), Self::Float8(b)) => float_cmp(*a, *b),
            (Self::Numeric(a), Self::Numeric(b)) => a.sql_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Interval(a), Self::Interval(b)) => a.sql_key().cmp(&b.sql_key()),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Oid(a), Self::Oid(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) => {
                let elements = a.values.iter().zip(&b.values).map(|(a, b)| a.sql_cmp(b));
                elements.fold(Ordering::Equal, Ordering::then).then(a.values.len().cmp(&b.values.len()))
            }
            (a, b) => panic!("values of one type are compared, not {a:?} and {b:?}"),
        }
    }
}

/// A column to sort by, its type resolved once.
enum Kind<'a> {
    Bool(&'a BooleanArray),
    Int2(&'a [i16]),
    Int4(&'a [i32]),
    Int8(&'a [i64]),
    Oid(&'a [u32]),
    Float4(&'a Float32Array),
    Float8(&'a Float64Array),
    Numeric(&'a FixedSizeBinaryArray),
    Uuid(&'a FixedSizeBinaryArray),
    Text(&'a StringArray),
    Padded(&'a StringArray),
    Bytes(&'a BinaryArray),
    Interval(&'a [IntervalMonthDayNano]),
    /// Arrays and void, read value by value.
    Other(&'a dyn Array, DataType),
}

struct SortColumn<'a> {
    kind: Kind<'a>,
    nulls: Option<NullBuffer>,
    descending: bool,
    nulls_first: bool,
}

impl<'a> SortColumn<'a> {
    fn new(array: &'a dyn Array, data_type: &DataType, order: ColumnOrder) -> Self {
        use DataType as D;
        let kind = match data_type {
            D::Bool => Kind::Bool(array.as_boolean()),
            D::Int2 => Kind::Int2(array.as_primitive::<Int16Type>().values()),
            D::Int4 => Kind::Int4(array.as_primitive::<Int32Type>().values()),
            D::Date => Kind::Int4(array.as_primitive::<Date32Type>().values()),
            D::Int8 => Kind::Int8(array.as_primitive::<Int64Type>().values()),
            D::Time => Kind::Int8(array.as_primitive::<Time64MicrosecondType>().values()),
            D::Timestamp | D::Timestamptz => Kind::Int8(array.as_primitive::<TimestampMicrosecondType>().values()),
            D::Oid | D::Xid | D::Reg(_) => Kind::Oid(array.as_primitive::<UInt32Type>().values()),
            D::Float4 => Kind::Float4(array.as_primitive::<Float32Type>()),
            D::Float8 => Kind::Float8(array.as_primitive::<Float64Type>()),
            D::Numeric(_) => Kind::Numeric(array.as_fixed_size_binary()),
            D::Uuid => Kind::Uuid(array.as_fixed_size_binary()),
            D::Char(_) => Kind::Padded(array.as_string()),
            D::Text
            | D::Varchar(_)
            | D::Name
            | D::InternalChar
            | D::Json
            | D::PgNodeTree
            | D::AclItem
            | D::AnyArray
            | D::Unknown => Kind::Text(array.as_string()),
            D::Bytea | D::Jsonb => Kind::Bytes(array.as_binary()),
            D::Interval => Kind::Interval(array.as_primitive::<IntervalMonthDayNanoType>().values()),
            D::Int2Vector | D::OidVector | D::Array(_) | D::Void => Kind::Other(array, data_type.clone()),
        };
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Self { kind, nulls, descending: order.descending, nulls_first: order.nulls_first }
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        if let Some(nulls) = &self.nulls {
            let null_first = |first: bool| if first { Ordering::Less } else { Ordering::Greater };
            match (nulls.is_null(a), nulls.is_null(b)) {
                (true, true) => return Ordering::Equal,
                (true, false) => return null_first(self.nulls_first),
                (false, true) => return null_first(!self.nulls_first),
                (false, false) => {}
            }
        }
        let ordering = match &self.kind {
            Kind::Bool(v) => v.value(a).cmp(&v.value(b)),
            Kind::Int2(v) => v[a].cmp(&v[b]),
            Kind::Int4(v) => v[a].cmp(&v[b]),
            Kind::Int8(v) => v[a].cmp(&v[b]),
            Kind::Oid(v) => v[a].cmp(&v[b]),
            Kind::Float4(v) => float_cmp(f64::from(v.value(a)), f64::from(v.value(b))),
            Kind::Float8(v) => float_cmp(v.value(a), v.value(b)),
            Kind::Numeric(v) => {
                let value = |row| Numeric::from_bytes(crate::column::fixed16(*v, row));
                value(a).sql_cmp(&value(b))
            }
            Kind::Uuid(v) => v.value(a).cmp(v.value(b)),
            Kind::Text(v) => v.value(a).as_bytes().cmp(v.value(b).as_bytes()),
            Kind::Padded(v) => {
                let value = |row| v.value(row).trim_end_matches(' ').as_bytes();
                value(a).cmp(value(b))
            }
            Kind::Bytes(v) => v.value(a).cmp(v.value(b)),
            Kind::Interval(v) => Interval::from_arrow(v[a]).sql_key().cmp(&Interval::from_arrow(v[b]).sql_key()),
            Kind::Other(v, data_type) => {
                Datum::from_array(*v, data_type, a).sql_cmp(&Datum::from_array(*v, data_type, b))
            }
        };
        if self.descending { ordering.reverse() } else { ordering }
    }
}

/// Compares rows of one set of columns by some keys, resolved once for many comparisons.
pub struct RowOrder<'a> {
    columns: Vec<SortColumn<'a>>,
}

impl<'a> RowOrder<'a> {
    /// An order of the rows of `columns`.
    ///
    /// # Panics
    ///
    /// If a column is not of its type, or a key names no column.
    #[must_use]
    pub fn new(columns: &'a [ArrayRef], types: &[DataType], keys: &[ColumnOrder]) -> Self {
        let columns = keys.iter().map(|key| SortColumn::new(&columns[key.column], &types[key.column], *key)).collect();
        Self { columns }
    }

    /// The order of rows `a` and `b`.
    #[must_use]
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        self.columns.iter().map(|column| column.compare(a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// The rows' numbers in the order of these keys; rows with equal keys keep their order.
///
/// # Panics
///
/// If a column is not of its type, or a key names no column.
#[must_use]
pub fn sort_indices(columns: &[ArrayRef], types: &[DataType], keys: &[ColumnOrder]) -> Vec<u32> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut indices: Vec<u32> = (0..u32::try_from(rows).expect("a batch has fewer than 2^32 rows")).collect();
    let order = RowOrder::new(columns, types, keys);
    indices.sort_by(|&a, &b| order.compare(a as usize, b as usize));
    indices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_of;
    use crate::testing::{numeric, samples};

    fn sorted(data_type: &DataType, values: &[Datum], descending: bool, nulls_first: bool) -> Vec<Datum> {
        let columns = [array_of(data_type, values)];
        let keys = [ColumnOrder { column: 0, descending, nulls_first }];
        let indices = sort_indices(&columns, std::slice::from_ref(data_type), &keys);
        indices.iter().map(|&row| values[row as usize].clone()).collect()
    }

    #[test]
    fn columns_and_values_sort_alike() {
        for (data_type, values) in samples() {
            let mut expected = values.clone();
            expected.sort_by(Datum::sql_cmp);
            assert_eq!(sorted(&data_type, &values, false, false), expected, "{data_type:?}");
            expected.reverse();
            assert_eq!(sorted(&data_type, &values, true, true), expected, "{data_type:?}");
        }
    }

    #[test]
    fn special_values_sort_as_in_postgresql() {
        let numerics: Vec<_> =
            ["NaN", "1.5", "Infinity", "-Infinity", "-2"].iter().map(|t| Datum::Numeric(numeric(t))).collect();
        let expected: Vec<_> =
            ["-Infinity", "-2", "1.5", "Infinity", "NaN"].iter().map(|t| Datum::Numeric(numeric(t))).collect();
        assert_eq!(sorted(&DataType::Numeric(None), &numerics, false, false), expected);
        let floats = [f64::NAN, 1.0, f64::INFINITY].map(Datum::Float8);
        assert_eq!(sorted(&DataType::Float8, &floats, false, false), [1.0, f64::INFINITY, f64::NAN].map(Datum::Float8));
        let nulls = [Datum::Int4(2), Datum::Null, Datum::Int4(1)];
        assert_eq!(sorted(&DataType::Int4, &nulls, true, false), [Datum::Int4(2), Datum::Int4(1), Datum::Null]);
        assert_eq!(sorted(&DataType::Int4, &nulls, false, true), [Datum::Null, Datum::Int4(1), Datum::Int4(2)]);
    }

    #[test]
    fn equal_keys_keep_their_order() {
        let columns = [
            array_of(&DataType::Int4, &[2, 1, 2, 1].map(Datum::Int4)),
            array_of(&DataType::Int4, &[4, 3, 2, 1].map(Datum::Int4)),
        ];
        let types = [DataType::Int4, DataType::Int4];
        let by_first = [ColumnOrder::ascending(0)];
        assert_eq!(sort_indices(&columns, &types, &by_first), [1, 3, 0, 2]);
        let by_both = [ColumnOrder::ascending(0), ColumnOrder::ascending(1)];
        assert_eq!(sort_indices(&columns, &types, &by_both), [3, 1, 2, 0]);
    }
}
