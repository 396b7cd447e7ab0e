//! `+ − * / %` over columns of numbers, in typed loops.
//!
//! Integers are checked (22003), division by zero is 22012, floats raise 22003 where a finite computation leaves the
//! range. Operands are brought to the result's type first, which never loses anything.

use super::compare::{joint_nulls, numeric_at, wide_floats, wide_ints};
use super::{Evaluated, Operand, RowErrors, row_number};
use crate::registry::{Arithmetic, Call};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, PrimitiveArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use headwater_types::{DataType, NUMERIC_BYTES, Numeric, Result, SqlError, SqlState};
use std::sync::Arc;

/// `left op right` for every row.
pub(super) fn arithmetic(
    operator: Arithmetic,
    left: &Operand,
    right: &Operand,
    rows: usize,
    call: &Call<'_>,
) -> Evaluated {
    let nulls = joint_nulls(&[left, right], rows);
    match call.data_type {
        DataType::Int2 => integers::<Int16Type>(operator, left, right, rows, nulls),
        DataType::Int4 => integers::<Int32Type>(operator, left, right, rows, nulls),
        DataType::Int8 => integers::<Int64Type>(operator, left, right, rows, nulls),
        DataType::Float4 => {
            let (a, b) = (left.array().as_primitive::<Float32Type>(), right.array().as_primitive::<Float32Type>());
            let (a, b) = (a.values(), b.values());
            loop_over::<Float32Type>(rows, nulls, |i| float4(operator, a[left.index(i)], b[right.index(i)]))
        }
        DataType::Float8 => {
            let (a, b) = (wide_floats(left.array()), wide_floats(right.array()));
            let (a, b) = (a.values(), b.values());
            loop_over::<Float64Type>(rows, nulls, |i| float8(operator, a[left.index(i)], b[right.index(i)]))
        }
        _ => numerics(operator, left, right, rows, nulls),
    }
}

/// The checked operations of an integer type.
trait Integer: ArrowPrimitiveType {
    const NAME: &'static str;
    fn narrow(wide: i64) -> Self::Native;
    fn overflowing(operator: Arithmetic, a: Self::Native, b: Self::Native) -> (Self::Native, bool);
    fn checked(operator: Arithmetic, a: Self::Native, b: Self::Native) -> Option<Self::Native>;
    fn is_zero(value: Self::Native) -> bool;
}

macro_rules! integer {
    ($arrow:ty, $native:ty, $name:literal) => {
        impl Integer for $arrow {
            const NAME: &'static str = $name;
            fn narrow(wide: i64) -> $native {
                <$native>::try_from(wide).expect("operands are no wider than the result")
            }
            fn overflowing(operator: Arithmetic, a: $native, b: $native) -> ($native, bool) {
                match operator {
                    Arithmetic::Add => a.overflowing_add(b),
                    Arithmetic::Sub => a.overflowing_sub(b),
                    Arithmetic::Mul => a.overflowing_mul(b),
                    Arithmetic::Div | Arithmetic::Rem => (0, true),
                }
            }
            fn checked(operator: Arithmetic, a: $native, b: $native) -> Option<$native> {
                match operator {
                    Arithmetic::Add => a.checked_add(b),
                    Arithmetic::Sub => a.checked_sub(b),
                    Arithmetic::Mul => a.checked_mul(b),
                    Arithmetic::Div => a.checked_div(b),
                    Arithmetic::Rem => Some(a.wrapping_rem(b)),
                }
            }
            fn is_zero(value: $native) -> bool {
                value == 0
            }
        }
    };
}
integer!(Int16Type, i16, "smallint");
integer!(Int32Type, i32, "integer");
integer!(Int64Type, i64, "bigint");

fn integers<T: Integer>(
    operator: Arithmetic,
    left: &Operand,
    right: &Operand,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Evaluated {
    let (a, b) = (native::<T>(left.array()), native::<T>(right.array()));
    let (a, b) = (a.values(), b.values());
    if matches!(operator, Arithmetic::Add | Arithmetic::Sub | Arithmetic::Mul) {
        let mut overflowed = false;
        let values: ScalarBuffer<T::Native> = (0..rows)
            .map(|i| {
                let (value, overflow) = T::overflowing(operator, a[left.index(i)], b[right.index(i)]);
                overflowed |= overflow;
                value
            })
            .collect();
        if !overflowed {
            return Evaluated::ok(Arc::new(PrimitiveArray::<T>::new(values, nulls)));
        }
    }
    let divides = matches!(operator, Arithmetic::Div | Arithmetic::Rem);
    loop_over::<T>(rows, nulls, |i| {
        let (a, b) = (a[left.index(i)], b[right.index(i)]);
        if divides && T::is_zero(b) {
            return Err(division_by_zero());
        }
        T::checked(operator, a, b).ok_or_else(|| out_of_range(T::NAME))
    })
}

fn native<T: Integer>(array: &ArrayRef) -> PrimitiveArray<T> {
    if array.data_type() == &T::DATA_TYPE {
        array.as_primitive::<T>().clone()
    } else {
        wide_ints(array).unary(T::narrow)
    }
}

/// Computes every row that is not NULL.
fn loop_over<T: ArrowPrimitiveType>(
    rows: usize,
    nulls: Option<NullBuffer>,
    compute: impl Fn(usize) -> Result<T::Native>,
) -> Evaluated {
    let mut errors = RowErrors::new();
    let values: ScalarBuffer<T::Native> = (0..rows)
        .map(|i| {
            if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                return T::default_value();
            }
            compute(i).unwrap_or_else(|error| {
                errors.push((row_number(i), error));
                T::default_value()
            })
        })
        .collect();
    finish(Arc::new(PrimitiveArray::<T>::new(values, nulls)), errors)
}

fn finish(array: ArrayRef, errors: RowErrors) -> Evaluated {
    if errors.is_empty() { Evaluated::ok(array) } else { Evaluated { array: super::null_out(&array, &errors), errors } }
}

fn numerics(
    operator: Arithmetic,
    left: &Operand,
    right: &Operand,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Evaluated {
    let (a, b) = (left.array().as_fixed_size_binary(), right.array().as_fixed_size_binary());
    let mut errors = RowErrors::new();
    let mut values = Vec::with_capacity(rows * NUMERIC_BYTES);
    for i in 0..rows {
        let value = if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            [0; NUMERIC_BYTES]
        } else {
            let result = numeric(operator, numeric_at(a.value(left.index(i))), numeric_at(b.value(right.index(i))));
            result.map_or_else(
                |error| {
                    errors.push((row_number(i), error));
                    [0; NUMERIC_BYTES]
                },
                Numeric::to_bytes,
            )
        };
        values.extend_from_slice(&value);
    }
    let width = i32::try_from(NUMERIC_BYTES).expect("16 fits");
    finish(Arc::new(FixedSizeBinaryArray::new(width, Buffer::from_vec(values), nulls)), errors)
}

/// One operation on numerics.
///
/// # Errors
///
/// 22012; 22003 beyond 96 bits.
pub(crate) fn numeric(operator: Arithmetic, a: Numeric, b: Numeric) -> Result<Numeric> {
    match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Sub => a.checked_sub(b),
        Arithmetic::Mul => a.checked_mul(b),
        Arithmetic::Div => a.checked_div(b),
        Arithmetic::Rem => a.checked_rem(b),
    }
}

/// One operation on float8.
///
/// # Errors
///
/// 22012; 22003 for overflow and underflow of finite operands.
pub(crate) fn float8(operator: Arithmetic, a: f64, b: f64) -> Result<f64> {
    let result = match operator {
        Arithmetic::Add => a + b,
        Arithmetic::Sub => a - b,
        Arithmetic::Mul => a * b,
        Arithmetic::Div | Arithmetic::Rem if b == 0.0 && !a.is_nan() => return Err(division_by_zero()),
        Arithmetic::Div => a / b,
        Arithmetic::Rem => a % b,
    };
    let finite = a.is_finite() && b.is_finite();
    let vanished = match operator {
        Arithmetic::Mul => result == 0.0 && a != 0.0 && b != 0.0,
        Arithmetic::Div => result == 0.0 && a != 0.0 && b.is_finite(),
        _ => false,
    };
    check_range(result.is_infinite() && finite, vanished)?;
    Ok(result)
}

fn float4(operator: Arithmetic, a: f32, b: f32) -> Result<f32> {
    let result = match operator {
        Arithmetic::Add => a + b,
        Arithmetic::Sub => a - b,
        Arithmetic::Mul => a * b,
        Arithmetic::Div | Arithmetic::Rem if b == 0.0 && !a.is_nan() => return Err(division_by_zero()),
        Arithmetic::Div => a / b,
        Arithmetic::Rem => a % b,
    };
    let finite = a.is_finite() && b.is_finite();
    let vanished = match operator {
        Arithmetic::Mul => result == 0.0 && a != 0.0 && b != 0.0,
        Arithmetic::Div => result == 0.0 && a != 0.0 && b.is_finite(),
        _ => false,
    };
    check_range(result.is_infinite() && finite, vanished)?;
    Ok(result)
}

fn check_range(overflowed: bool, vanished: bool) -> Result<()> {
    if overflowed {
        return Err(SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: overflow"));
    }
    if vanished {
        return Err(SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: underflow"));
    }
    Ok(())
}

/// 22012
pub(crate) fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DivisionByZero, "division by zero")
}

/// 22003 `integer out of range`
pub(crate) fn out_of_range(type_name: &str) -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, format!("{type_name} out of range"))
}
