//! Comparisons of columns, in typed loops.

use super::operand::with_nulls;
use super::{Evaluated, Operand, merge_errors, null_out};
use crate::registry::Comparison;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float64Array, Int64Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use headwater_types::{DataType, NUMERIC_BYTES, Numeric, float_cmp};
use std::cmp::Ordering;
use std::sync::Arc;

/// `left op right` for every row.
pub(super) fn compare(
    comparison: Comparison,
    left: &Operand,
    right: &Operand,
    rows: usize,
    types: &[DataType],
) -> Evaluated {
    let nulls = joint_nulls(&[left, right], rows);
    if nulls.as_ref().is_some_and(|n| n.null_count() == rows) {
        let none = BooleanArray::new(BooleanBuffer::new_unset(rows), nulls);
        return Evaluated::ok(Arc::new(none));
    }
    let bits = Sides { comparison, left, right, rows }.bits(&types[0], &types[1]);
    Evaluated::ok(Arc::new(BooleanArray::new(bits, nulls)))
}

/// IS NOT DISTINCT FROM: NULL equals NULL.
pub(super) fn not_distinct(left: Operand, right: Operand, data_type: &DataType) -> Operand {
    let constant = left.is_constant() && right.is_constant();
    let rows = if left.is_constant() { right.array().len() } else { left.array().len() };
    let types = [data_type.clone(), data_type.clone()];
    let equal = compare(Comparison::Eq, &left, &right, rows, &types).array;
    let equal = equal.as_boolean();
    let is_true = match equal.nulls() {
        Some(valid) => equal.values() & valid.inner(),
        None => equal.values().clone(),
    };
    let both_null = BooleanBuffer::collect_bool(rows, |row| left.is_null(row) && right.is_null(row));
    let array: ArrayRef = Arc::new(BooleanArray::new(&is_true | &both_null, None));
    let errors = merge_errors(left.errors_of(rows).into_iter().chain(right.errors_of(rows)).collect());
    let array = if errors.is_empty() { array } else { null_out(&array, &errors) };
    let result = Evaluated { array, errors };
    if constant { Operand::constant_of(result) } else { Operand::of(result) }
}

/// The rows in which no operand is NULL; `None` if that is all of them.
pub(super) fn joint_nulls(operands: &[&Operand], rows: usize) -> Option<NullBuffer> {
    let mut joint: Option<NullBuffer> = None;
    for operand in operands {
        let array = operand.array();
        if operand.is_constant() && rows != 1 {
            if array.is_null(0) {
                return Some(NullBuffer::new_null(rows));
            }
        } else {
            joint = NullBuffer::union(joint.as_ref(), array.logical_nulls().as_ref());
        }
    }
    joint.filter(|nulls| nulls.null_count() > 0)
}

struct Sides<'a> {
    comparison: Comparison,
    left: &'a Operand,
    right: &'a Operand,
    rows: usize,
}

impl Sides<'_> {
    fn bits(&self, left_type: &DataType, right_type: &DataType) -> BooleanBuffer {
        use DataType as D;
        match (left_type, right_type) {
            (D::Int2, D::Int2) => self.primitive::<Int16Type>(),
            (D::Int4, D::Int4) => self.primitive::<Int32Type>(),
            (D::Int8, D::Int8) => self.primitive::<Int64Type>(),
            (D::Int2 | D::Int4 | D::Int8, D::Int2 | D::Int4 | D::Int8) => {
                let (left, right) = (wide_ints(self.left.array()), wide_ints(self.right.array()));
                self.by_value(|i| left.value(self.left.index(i)), |i| right.value(self.right.index(i)))
            }
            (D::Float4 | D::Float8, D::Float4 | D::Float8) => {
                let (left, right) = (wide_floats(self.left.array()), wide_floats(self.right.array()));
                self.by_order(|i| float_cmp(left.value(self.left.index(i)), right.value(self.right.index(i))))
            }
            (D::Oid | D::Xid | D::Reg(_), _) => self.primitive::<UInt32Type>(),
            (D::Date, D::Date) => self.primitive::<Date32Type>(),
            (D::Time, D::Time) => self.primitive::<Time64MicrosecondType>(),
            (D::Timestamp, D::Timestamp) | (D::Timestamptz, D::Timestamptz) => {
                self.primitive::<TimestampMicrosecondType>()
            }
            (D::Bool, D::Bool) => {
                let (left, right) = (self.left.array().as_boolean(), self.right.array().as_boolean());
                self.by_value(|i| left.value(self.left.index(i)), |i| right.value(self.right.index(i)))
            }
            (D::Char(_), _) | (_, D::Char(_)) => {
                let (left, right) = (self.left.array().as_string::<i32>(), self.right.array().as_string::<i32>());
                self.by_value(
                    |i| left.value(self.left.index(i)).trim_end_matches(' ').as_bytes(),
                    |i| right.value(self.right.index(i)).trim_end_matches(' ').as_bytes(),
                )
            }
            (D::Bytea, _) => {
                let (left, right) = (self.left.array().as_binary::<i32>(), self.right.array().as_binary::<i32>());
                self.by_value(|i| left.value(self.left.index(i)), |i| right.value(self.right.index(i)))
            }
            (D::Uuid, _) => {
                let (left, right) =
                    (self.left.array().as_fixed_size_binary(), self.right.array().as_fixed_size_binary());
                self.by_value(|i| left.value(self.left.index(i)), |i| right.value(self.right.index(i)))
            }
            (D::Numeric(_), D::Numeric(_)) => {
                let (left, right) =
                    (self.left.array().as_fixed_size_binary(), self.right.array().as_fixed_size_binary());
                self.by_order(|i| numeric_order(left.value(self.left.index(i)), right.value(self.right.index(i))))
            }
            (D::Interval, D::Interval) => {
                let left = self.left.array().as_primitive::<IntervalMonthDayNanoType>();
                let right = self.right.array().as_primitive::<IntervalMonthDayNanoType>();
                let key = |v: arrow_buffer::IntervalMonthDayNano| headwater_types::Interval::from_arrow(v).sql_key();
                self.by_value(|i| key(left.value(self.left.index(i))), |i| key(right.value(self.right.index(i))))
            }
            (a, b) if a.arrow_type() == arrow_schema::DataType::Utf8 && b.arrow_type() == a.arrow_type() => {
                let (left, right) = (self.left.array().as_string::<i32>(), self.right.array().as_string::<i32>());
                self.by_value(
                    |i| left.value(self.left.index(i)).as_bytes(),
                    |i| right.value(self.right.index(i)).as_bytes(),
                )
            }
            _ => self.by_order(|i| {
                let (a, b) = (self.left.datum(i, left_type), self.right.datum(i, right_type));
                if a.is_null() || b.is_null() { Ordering::Equal } else { a.sql_cmp(&b) }
            }),
        }
    }

    fn primitive<T: ArrowPrimitiveType>(&self) -> BooleanBuffer
    where
        T::Native: Ord,
    {
        let left = self.left.array().as_primitive::<T>().values();
        let right = self.right.array().as_primitive::<T>().values();
        match (self.left.is_constant(), self.right.is_constant()) {
            (false, true) => {
                let value = right[0];
                self.by_value(|i| left[i], |_| value)
            }
            (true, false) => {
                let value = left[0];
                self.by_value(|_| value, |i| right[i])
            }
            _ => self.by_value(|i| left[self.left.index(i)], |i| right[self.right.index(i)]),
        }
    }

    fn by_value<T: Ord>(&self, left: impl Fn(usize) -> T, right: impl Fn(usize) -> T) -> BooleanBuffer {
        let rows = self.rows;
        match self.comparison {
            Comparison::Eq => BooleanBuffer::collect_bool(rows, |i| left(i) == right(i)),
            Comparison::Ne => BooleanBuffer::collect_bool(rows, |i| left(i) != right(i)),
            Comparison::Lt => BooleanBuffer::collect_bool(rows, |i| left(i) < right(i)),
            Comparison::Le => BooleanBuffer::collect_bool(rows, |i| left(i) <= right(i)),
            Comparison::Gt => BooleanBuffer::collect_bool(rows, |i| left(i) > right(i)),
            Comparison::Ge => BooleanBuffer::collect_bool(rows, |i| left(i) >= right(i)),
        }
    }

    fn by_order(&self, order: impl Fn(usize) -> Ordering) -> BooleanBuffer {
        BooleanBuffer::collect_bool(self.rows, |i| self.comparison.holds(order(i)))
    }
}

/// Any integer column as 64 bits.
pub(super) fn wide_ints(array: &ArrayRef) -> Int64Array {
    match array.data_type() {
        arrow_schema::DataType::Int16 => array.as_primitive::<Int16Type>().unary(i64::from),
        arrow_schema::DataType::Int32 => array.as_primitive::<Int32Type>().unary(i64::from),
        _ => array.as_primitive::<Int64Type>().clone(),
    }
}

/// Any float column as 64 bits.
pub(super) fn wide_floats(array: &ArrayRef) -> Float64Array {
    match array.data_type() {
        arrow_schema::DataType::Float32 => array.as_primitive::<Float32Type>().unary(f64::from),
        _ => array.as_primitive::<Float64Type>().clone(),
    }
}

/// A numeric from its column bytes. The bytes under NULL are arbitrary and read as some number.
pub(super) fn numeric_at(bytes: &[u8]) -> Numeric {
    let bytes: [u8; NUMERIC_BYTES] = bytes.try_into().expect("numeric columns hold 16 bytes a value");
    Numeric::from_bytes(bytes)
}

fn numeric_order(a: &[u8], b: &[u8]) -> Ordering {
    if a == b { Ordering::Equal } else { numeric_at(a).sql_cmp(&numeric_at(b)) }
}

/// A column with further NULLs.
pub(super) fn masked(array: &ArrayRef, nulls: Option<&NullBuffer>) -> ArrayRef {
    if nulls.is_none() { array.clone() } else { with_nulls(array, nulls) }
}
