//! Between columns and single values: building a column value by value, and reading one value out of a column.
//!
//! A [`ColumnBuilder`] keeps plain vectors, so that a decoder which knows the type can append to them without a
//! [`Datum`] in between.

use crate::{ArrayDatum, DataType, Datum, Interval, NUMERIC_BYTES, Numeric, TextColumn};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, FixedSizeBinaryArray, ListArray, NullArray,
    PrimitiveArray, StringArray, UInt32Array, new_null_array,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, IntervalMonthDayNano, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use std::sync::Arc;

/// Nanoseconds per microsecond: Arrow's intervals count the former, PostgreSQL's the latter.
const NANOS_PER_MICRO: i64 = 1000;

/// Why a value of the wrong kind is a bug of the caller, not of the user.
const WRONG_KIND: &str = "the value has the column's type";

impl Interval {
    /// The value as Arrow keeps it. Microseconds beyond what 64 bits of nanoseconds hold (292 years) are clamped;
    /// [`Interval::checked`] keeps such values out.
    #[must_use]
    pub fn to_arrow(self) -> IntervalMonthDayNano {
        IntervalMonthDayNano::new(self.months, self.days, self.micros.saturating_mul(NANOS_PER_MICRO))
    }

    /// The inverse of [`Interval::to_arrow`].
    #[must_use]
    pub fn from_arrow(value: IntervalMonthDayNano) -> Self {
        Self { months: value.months, days: value.days, micros: value.nanoseconds / NANOS_PER_MICRO }
    }
}

/// The values of a column under construction, by physical representation. NULLs hold a zero or an empty value.
pub(crate) enum Values {
    Bool(BooleanBufferBuilder),
    Int2(Vec<i16>),
    Int4(Vec<i32>),
    Int8(Vec<i64>),
    Float4(Vec<f32>),
    Float8(Vec<f64>),
    /// 16 bytes a value: numeric and uuid.
    Fixed16(Vec<u8>),
    /// UTF-8, or any bytes: offsets (one more than values) and data.
    Bytes {
        offsets: Vec<i32>,
        data: Vec<u8>,
    },
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp(Vec<i64>),
    Interval(Vec<IntervalMonthDayNano>),
    Oid(Vec<u32>),
    List {
        offsets: Vec<i32>,
        elements: Box<ColumnBuilder>,
    },
    Void,
}

/// A column under construction.
pub struct ColumnBuilder {
    pub(crate) data_type: DataType,
    pub(crate) values: Values,
    pub(crate) nulls: NullBufferBuilder,
}

/// An offset into a column's bytes.
///
/// # Panics
///
/// Beyond 2 GiB: batches are sealed by bytes long before.
fn offset(length: usize) -> i32 {
    i32::try_from(length).expect("a batch is sealed before a column holds 2 GiB")
}

impl ColumnBuilder {
    /// An empty column of this type, with room for `capacity` values.
    #[must_use]
    pub fn new(data_type: &DataType, capacity: usize) -> Self {
        fn offsets(capacity: usize) -> Vec<i32> {
            let mut offsets = Vec::with_capacity(capacity + 1);
            offsets.push(0);
            offsets
        }
        use DataType as D;
        let values = match data_type {
            D::Bool => Values::Bool(BooleanBufferBuilder::new(capacity)),
            D::Int2 => Values::Int2(Vec::with_capacity(capacity)),
            D::Int4 => Values::Int4(Vec::with_capacity(capacity)),
            D::Int8 => Values::Int8(Vec::with_capacity(capacity)),
            D::Float4 => Values::Float4(Vec::with_capacity(capacity)),
            D::Float8 => Values::Float8(Vec::with_capacity(capacity)),
            D::Numeric(_) | D::Uuid => Values::Fixed16(Vec::with_capacity(capacity * NUMERIC_BYTES)),
            D::Text
            | D::Varchar(_)
            | D::Char(_)
            | D::Name
            | D::InternalChar
            | D::Json
            | D::PgNodeTree
            | D::AclItem
            | D::AnyArray
            | D::Unknown
            | D::Bytea
            | D::Jsonb => Values::Bytes { offsets: offsets(capacity), data: Vec::with_capacity(capacity * 8) },
            D::Date => Values::Date(Vec::with_capacity(capacity)),
            D::Time => Values::Time(Vec::with_capacity(capacity)),
            D::Timestamp | D::Timestamptz => Values::Timestamp(Vec::with_capacity(capacity)),
            D::Interval => Values::Interval(Vec::with_capacity(capacity)),
            D::Oid | D::Xid | D::Reg(_) => Values::Oid(Vec::with_capacity(capacity)),
            D::Int2Vector | D::OidVector | D::Array(_) => {
                let element = data_type.element().expect("an array has an element type");
                Values::List { offsets: offsets(capacity), elements: Box::new(Self::new(&element, capacity)) }
            }
            D::Void => Values::Void,
        };
        Self { data_type: data_type.clone(), values, nulls: NullBufferBuilder::new(capacity) }
    }

    /// An empty column of the same type, with room for as much as this one holds, and a little more: texts vary.
    #[must_use]
    pub fn successor(&self) -> Self {
        let mut next = Self::new(&self.data_type, self.len());
        if let (Values::Bytes { data, .. }, Values::Bytes { data: next, .. }) = (&self.values, &mut next.values) {
            next.reserve(data.len() + data.len() / 16);
        }
        next
    }

    /// The column's type.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// The number of values so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Whether there is no value yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends NULL.
    pub fn append_null(&mut self) {
        match &mut self.values {
            Values::Bool(values) => values.append(false),
            Values::Int2(values) => values.push(0),
            Values::Int4(values) | Values::Date(values) => values.push(0),
            Values::Int8(values) | Values::Time(values) | Values::Timestamp(values) => values.push(0),
            Values::Float4(values) => values.push(0.0),
            Values::Float8(values) => values.push(0.0),
            Values::Fixed16(values) => values.extend_from_slice(&[0; NUMERIC_BYTES]),
            Values::Bytes { offsets, data } => offsets.push(offset(data.len())),
            Values::Interval(values) => values.push(IntervalMonthDayNano::ZERO),
            Values::Oid(values) => values.push(0),
            Values::List { offsets, elements } => offsets.push(offset(elements.len())),
            Values::Void => {}
        }
        self.nulls.append_null();
    }

    /// Appends a value.
    ///
    /// # Panics
    ///
    /// If the value is not of the column's type.
    pub fn append(&mut self, datum: &Datum) {
        match (&mut self.values, datum) {
            (_, Datum::Null) => return self.append_null(),
            (Values::Bool(values), Datum::Bool(v)) => values.append(*v),
            (Values::Int2(values), Datum::Int2(v)) => values.push(*v),
            (Values::Int4(values), Datum::Int4(v)) | (Values::Date(values), Datum::Date(v)) => values.push(*v),
            (Values::Int8(values), Datum::Int8(v))
            | (Values::Time(values), Datum::Time(v))
            | (Values::Timestamp(values), Datum::Timestamp(v)) => values.push(*v),
            (Values::Float4(values), Datum::Float4(v)) => values.push(*v),
            (Values::Float8(values), Datum::Float8(v)) => values.push(*v),
            (Values::Fixed16(values), Datum::Numeric(v)) => values.extend_from_slice(&v.to_bytes()),
            (Values::Fixed16(values), Datum::Uuid(v)) => values.extend_from_slice(v),
            (Values::Bytes { offsets, data }, Datum::Text(v)) => {
                data.extend_from_slice(v.as_bytes());
                offsets.push(offset(data.len()));
            }
            (Values::Bytes { offsets, data }, Datum::Bytes(v)) => {
                data.extend_from_slice(v);
                offsets.push(offset(data.len()));
            }
            (Values::Interval(values), Datum::Interval(v)) => values.push(v.to_arrow()),
            (Values::Oid(values), Datum::Oid(v)) => values.push(*v),
            (Values::List { offsets, elements }, Datum::Array(v)) => {
                for value in &v.values {
                    elements.append(value);
                }
                offsets.push(offset(elements.len()));
            }
            (_, datum) => panic!("{WRONG_KIND}: {datum:?} into {:?}", self.data_type),
        }
        self.nulls.append_non_null();
    }

    /// The column.
    #[must_use]
    pub fn finish(mut self) -> ArrayRef {
        let rows = self.len();
        let nulls = self.nulls.finish();
        match self.values {
            Values::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int2(values) => primitive::<Int16Type>(values, nulls),
            Values::Int4(values) => primitive::<Int32Type>(values, nulls),
            Values::Int8(values) => primitive::<Int64Type>(values, nulls),
            Values::Float4(values) => primitive::<Float32Type>(values, nulls),
            Values::Float8(values) => primitive::<Float64Type>(values, nulls),
            Values::Date(values) => primitive::<Date32Type>(values, nulls),
            Values::Time(values) => primitive::<Time64MicrosecondType>(values, nulls),
            Values::Interval(values) => primitive::<IntervalMonthDayNanoType>(values, nulls),
            Values::Oid(values) => primitive::<UInt32Type>(values, nulls),
            Values::Timestamp(values) => {
                let values = ScalarBuffer::from(fitted(values));
                let array = PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls);
                if self.data_type == DataType::Timestamptz {
                    Arc::new(array.with_timezone("UTC"))
                } else {
                    Arc::new(array)
                }
            }
            Values::Fixed16(values) => {
                let width = i32::try_from(NUMERIC_BYTES).expect("16 is an i32");
                Arc::new(FixedSizeBinaryArray::new(width, Buffer::from_vec(fitted(values)), nulls))
            }
            Values::Bytes { offsets, data } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(fitted(offsets)));
                let data = fitted(data);
                match self.data_type {
                    DataType::Bytea | DataType::Jsonb => {
                        Arc::new(BinaryArray::new(offsets, Buffer::from_vec(data), nulls))
                    }
                    _ => Arc::new(StringArray::new(offsets, Buffer::from_vec(data), nulls)),
                }
            }
            Values::List { offsets, elements } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let field = arrow_schema::Field::new("item", elements.data_type.arrow_type(), true);
                Arc::new(ListArray::new(Arc::new(field), offsets, elements.finish(), nulls))
            }
            Values::Void => Arc::new(NullArray::new(rows)),
        }
    }
}

/// A column's memory without the room that growing has left, where that is worth a copy: columns live long.
fn fitted<T>(mut values: Vec<T>) -> Vec<T> {
    const SPARE_BYTES_MAX: usize = 4096;
    let spare = values.capacity() - values.len();
    if spare > values.len() / 8 && spare * size_of::<T>() > SPARE_BYTES_MAX {
        values.shrink_to_fit();
    }
    values
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<arrow_buffer::NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(fitted(values)), nulls))
}

/// A column of these values.
///
/// # Panics
///
/// If a value is not of this type.
#[must_use]
pub fn array_of(data_type: &DataType, values: &[Datum]) -> ArrayRef {
    let mut builder = ColumnBuilder::new(data_type, values.len());
    for value in values {
        builder.append(value);
    }
    builder.finish()
}

/// A column of `rows` times the same value.
///
/// # Panics
///
/// If the value is not of this type.
#[must_use]
pub fn constant_array(data_type: &DataType, value: &Datum, rows: usize) -> ArrayRef {
    fn repeat<T: ArrowPrimitiveType>(value: T::Native, rows: usize) -> ArrayRef {
        primitive::<T>(vec![value; rows], None)
    }
    match (data_type, value) {
        (_, Datum::Null) => new_null_array(&data_type.arrow_type(), rows),
        (DataType::Bool, Datum::Bool(v)) => Arc::new(BooleanArray::from(vec![*v; rows])),
        (DataType::Int2, Datum::Int2(v)) => repeat::<Int16Type>(*v, rows),
        (DataType::Int4, Datum::Int4(v)) => repeat::<Int32Type>(*v, rows),
        (DataType::Int8, Datum::Int8(v)) => repeat::<Int64Type>(*v, rows),
        (DataType::Float4, Datum::Float4(v)) => repeat::<Float32Type>(*v, rows),
        (DataType::Float8, Datum::Float8(v)) => repeat::<Float64Type>(*v, rows),
        (DataType::Date, Datum::Date(v)) => repeat::<Date32Type>(*v, rows),
        (DataType::Interval, Datum::Interval(v)) => repeat::<IntervalMonthDayNanoType>(v.to_arrow(), rows),
        _ => {
            let one = array_of(data_type, std::slice::from_ref(value));
            let indices = UInt32Array::from(vec![0; rows]);
            arrow_select::take::take(&one, &indices, None).expect("row 0 exists, and a constant's copies fit a batch")
        }
    }
}

impl Datum {
    /// The value of one row of a column.
    ///
    /// # Panics
    ///
    /// If the array is not of this type's Arrow type, or has no such row.
    #[must_use]
    pub fn from_array(array: &dyn Array, data_type: &DataType, row: usize) -> Self {
        use DataType as D;
        if array.is_null(row) {
            return Self::Null;
        }
        match data_type {
            D::Bool => Self::Bool(array.as_boolean().value(row)),
            D::Int2 => Self::Int2(array.as_primitive::<Int16Type>().value(row)),
            D::Int4 => Self::Int4(array.as_primitive::<Int32Type>().value(row)),
            D::Int8 => Self::Int8(array.as_primitive::<Int64Type>().value(row)),
            D::Float4 => Self::Float4(array.as_primitive::<Float32Type>().value(row)),
            D::Float8 => Self::Float8(array.as_primitive::<Float64Type>().value(row)),
            D::Numeric(_) => Self::Numeric(Numeric::from_bytes(fixed16(array, row))),
            D::Uuid => Self::Uuid(fixed16(array, row)),
            D::Text
            | D::Varchar(_)
            | D::Char(_)
            | D::Name
            | D::InternalChar
            | D::Json
            | D::PgNodeTree
            | D::AclItem
            | D::AnyArray
            | D::Unknown => Self::text(TextColumn::of(array).value(row)),
            D::Bytea | D::Jsonb => Self::Bytes(Arc::from(array.as_binary::<i32>().value(row))),
            D::Date => Self::Date(array.as_primitive::<Date32Type>().value(row)),
            D::Time => Self::Time(array.as_primitive::<Time64MicrosecondType>().value(row)),
            D::Timestamp | D::Timestamptz => {
                Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            D::Interval => {
                Self::Interval(Interval::from_arrow(array.as_primitive::<IntervalMonthDayNanoType>().value(row)))
            }
            D::Oid | D::Xid | D::Reg(_) => Self::Oid(array.as_primitive::<UInt32Type>().value(row)),
            D::Int2Vector | D::OidVector | D::Array(_) => {
                let element = data_type.element().expect("an array has an element type");
                let elements = array.as_list::<i32>().value(row);
                let values = (0..elements.len()).map(|i| Self::from_array(&elements, &element, i)).collect();
                Self::Array(Arc::new(ArrayDatum { element, values }))
            }
            D::Void => Self::Null,
        }
    }
}

/// The 16 bytes of a numeric or a uuid.
pub(crate) fn fixed16(array: &dyn Array, row: usize) -> [u8; NUMERIC_BYTES] {
    array.as_fixed_size_binary().value(row).try_into().expect("the column's values are 16 bytes wide")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn every_type_survives_a_column() {
        for (data_type, values) in testing::samples() {
            let array = array_of(&data_type, &values);
            assert_eq!(array.data_type(), &data_type.arrow_type(), "{data_type:?}");
            let read: Vec<Datum> = (0..array.len()).map(|i| Datum::from_array(&array, &data_type, i)).collect();
            assert_eq!(read, values, "{data_type:?}");
            for value in &values {
                let repeated = constant_array(&data_type, value, 3);
                assert_eq!(repeated.data_type(), &data_type.arrow_type(), "{data_type:?}");
                for row in 0..3 {
                    assert_eq!(&Datum::from_array(&repeated, &data_type, row), value, "{data_type:?}");
                }
            }
        }
    }
}
