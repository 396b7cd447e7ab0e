//! Conversions of columns: shared memory where only the type's name changes, typed loops for the common ones, a value
//! at a time for the rest.

use super::cast::{cast_datum, int_to_f64};
use super::compare::{numeric_at, wide_ints};
use super::operand::with_nulls;
use super::{Evaluated, RowErrors, row_number};
use crate::functions::datetime::map_timestamps;
use crate::{Cast, CastContext, EvalContext};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, Float64Array};
use arrow_buffer::Buffer;
use headwater_types::datetime;
use headwater_types::{ColumnBuilder, DataType, Datum, NUMERIC_BYTES, Numeric, TimeZone, apply_typmod};
use rust_decimal::Decimal;
use std::sync::Arc;

/// The column converted.
pub(super) fn cast_array(array: &ArrayRef, from: &DataType, cast: &Cast, eval: &EvalContext<'_>) -> Evaluated {
    if is_relabel(array, from, cast) {
        return Evaluated::ok(relabel(array, from, &cast.to));
    }
    match fast(array, from, cast, eval) {
        Some(converted) => converted,
        None => by_value(array, from, cast, eval),
    }
}

/// Whether every value stands as it is.
fn is_relabel(array: &ArrayRef, from: &DataType, cast: &Cast) -> bool {
    use DataType as D;
    if from == &cast.to {
        return true;
    }
    let fits = |length: u32| {
        let texts = array.as_string::<i32>();
        let limit = i32::try_from(length).unwrap_or(i32::MAX);
        texts.value_offsets().windows(2).all(|w| w[1] - w[0] <= limit)
    };
    match (from, &cast.to) {
        (D::Text | D::Varchar(_) | D::Name | D::InternalChar | D::PgNodeTree, D::Text | D::Varchar(None)) => true,
        (D::Text | D::Varchar(_) | D::Name, D::Varchar(Some(length))) => fits(*length),
        (D::Text | D::Varchar(_), D::Char(None)) => true,
        (D::Char(_), D::Char(None)) => true,
        (D::Numeric(_), D::Numeric(None)) => true,
        (D::Oid | D::Reg(_), D::Oid | D::Reg(_)) => true,
        (D::Timestamp, D::Timestamp) => true,
        (a, b) => a.same_base(b) && b == &b.without_modifier(),
    }
}

fn relabel(array: &ArrayRef, from: &DataType, to: &DataType) -> ArrayRef {
    if from.arrow_type() == to.arrow_type() {
        return array.clone();
    }
    let data = array.to_data().into_builder().data_type(to.arrow_type()).build();
    arrow_array::make_array(data.expect("the types have the same layout"))
}

fn fast(array: &ArrayRef, from: &DataType, cast: &Cast, eval: &EvalContext<'_>) -> Option<Evaluated> {
    use DataType as D;
    let converted: ArrayRef = match (from, &cast.to) {
        (D::Int2, D::Int4) => Arc::new(array.as_primitive::<Int16Type>().unary::<_, Int32Type>(i32::from)),
        (D::Int2 | D::Int4, D::Int8) => Arc::new(wide_ints(array)),
        (D::Int2 | D::Int4 | D::Int8, D::Float8) => Arc::new(wide_ints(array).unary::<_, Float64Type>(int_to_f64)),
        (D::Int2 | D::Int4 | D::Int8, D::Numeric(None)) => {
            let values = wide_ints(array);
            let bytes = values.values().iter().flat_map(|v| Numeric::Finite(Decimal::from(*v)).to_bytes()).collect();
            numeric_array(bytes, values.nulls().cloned())
        }
        (D::Numeric(_), D::Float8) => {
            let values = array.as_fixed_size_binary();
            let floats = (0..values.len())
                .map(|i| if values.is_null(i) { 0.0 } else { numeric_at(values.value(i)).to_f64() })
                .collect::<Vec<_>>();
            Arc::new(Float64Array::new(floats.into(), values.nulls().cloned()))
        }
        (D::Numeric(_), D::Numeric(Some((precision, scale)))) => {
            return Some(fit_numerics(array, *precision, *scale));
        }
        (D::Timestamp, D::Timestamptz) | (D::Timestamptz, D::Timestamp) if eval.settings.time_zone == TimeZone::UTC => {
            relabel(array, from, &cast.to)
        }
        (D::Timestamp, D::Timestamptz) => {
            let zone = &eval.settings.time_zone;
            let convert = |micros| datetime::timestamp_to_timestamptz(micros, zone);
            return Some(map_timestamps(array, &cast.to, convert));
        }
        (D::Timestamptz, D::Timestamp) => {
            let zone = &eval.settings.time_zone;
            let convert = |micros| datetime::timestamptz_to_timestamp(micros, zone);
            return Some(map_timestamps(array, &cast.to, convert));
        }
        (D::Oid | D::Reg(_), D::Int8) => {
            let oids = array.as_primitive::<arrow_array::types::UInt32Type>();
            Arc::new(oids.unary::<_, Int64Type>(i64::from))
        }
        _ => return None,
    };
    Some(Evaluated::ok(converted))
}

fn numeric_array(bytes: Vec<u8>, nulls: Option<arrow_buffer::NullBuffer>) -> ArrayRef {
    let width = i32::try_from(NUMERIC_BYTES).expect("16 fits");
    Arc::new(FixedSizeBinaryArray::new(width, Buffer::from_vec(bytes), nulls))
}

fn fit_numerics(array: &ArrayRef, precision: u16, scale: i16) -> Evaluated {
    let values = array.as_fixed_size_binary();
    let mut errors = RowErrors::new();
    let mut bytes = Vec::with_capacity(values.len() * NUMERIC_BYTES);
    for row in 0..values.len() {
        let fitted = if values.is_null(row) {
            [0; NUMERIC_BYTES]
        } else {
            numeric_at(values.value(row)).with_modifier(precision, scale).map_or_else(
                |error| {
                    errors.push((row_number(row), error));
                    [0; NUMERIC_BYTES]
                },
                Numeric::to_bytes,
            )
        };
        bytes.extend_from_slice(&fitted);
    }
    let array = with_nulls(&numeric_array(bytes, None), values.nulls());
    let array = if errors.is_empty() { array } else { super::null_out(&array, &errors) };
    Evaluated { array, errors }
}

fn by_value(array: &ArrayRef, from: &DataType, cast: &Cast, eval: &EvalContext<'_>) -> Evaluated {
    let mut builder = ColumnBuilder::new(&cast.to, array.len());
    let mut errors = RowErrors::new();
    let only_modifier = from.same_base(&cast.to);
    for row in 0..array.len() {
        let value = Datum::from_array(&**array, from, row);
        if value.is_null() {
            builder.append_null();
            continue;
        }
        let converted = if only_modifier {
            apply_typmod(value, &cast.to, cast.context == CastContext::Explicit)
        } else {
            cast_datum(&value, from, &cast.to, cast.context, eval)
        };
        match converted {
            Ok(value) => builder.append(&value),
            Err(error) => {
                builder.append_null();
                errors.push((row_number(row), error));
            }
        }
    }
    Evaluated { array: builder.finish(), errors }
}
