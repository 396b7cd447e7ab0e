//! CASE and COALESCE: which of several expressions counts in which row.
//!
//! A part that can raise an error, or whose calls count, is computed only for the rows that need it; the others are
//! computed for all rows and chosen from afterwards, which is cheaper than splitting the batch.

use super::compare::masked;
use super::operand::column_too_long;
use super::{Evaluated, Operand, RowErrors, merge_errors, operand, row_number, take_batch};
use crate::registry::Volatility;
use crate::{EvalContext, Scalar};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, FixedSizeBinaryArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use headwater_types::{Batch, DataType, Datum, array_of};
use std::sync::Arc;

/// CASE WHEN … THEN … ELSE … END.
pub(super) fn case(
    branches: &[(Scalar, Scalar)],
    otherwise: &Scalar,
    batch: &Batch,
    context: &EvalContext<'_>,
) -> Operand {
    let data_type = otherwise.data_type();
    let rows = batch.rows;
    let mut undecided = BooleanBuffer::new_set(rows);
    let mut errors = RowErrors::new();
    let mut parts: Vec<(BooleanBuffer, Operand)> = Vec::with_capacity(branches.len() + 1);
    for (condition, result) in branches {
        if undecided.count_set_bits() == 0 {
            break;
        }
        let Evaluated { array, errors: failed } = only_where(condition, &undecided, batch, context).spread(rows);
        let truth = true_bits(array.as_boolean());
        let chosen = &truth & &undecided;
        undecided = without_errors(&(&undecided & &!&chosen), &failed);
        errors.extend(failed);
        if chosen.count_set_bits() > 0 {
            let part = only_where(result, &chosen, batch, context);
            parts.push((chosen, part));
        }
    }
    if undecided.count_set_bits() > 0 {
        let part = only_where(otherwise, &undecided, batch, context);
        parts.push((undecided, part));
    }
    assemble(parts, errors, rows, &data_type)
}

/// The first that is not NULL.
pub(super) fn coalesce(args: &[Scalar], batch: &Batch, context: &EvalContext<'_>) -> Operand {
    let data_type = args[0].data_type();
    let rows = batch.rows;
    let mut undecided = BooleanBuffer::new_set(rows);
    let mut errors = RowErrors::new();
    let mut parts: Vec<(BooleanBuffer, Operand)> = Vec::with_capacity(args.len());
    for arg in args {
        let part = only_where(arg, &undecided, batch, context);
        let found: Vec<(u32, _)> =
            part.errors_of(rows).into_iter().filter(|(row, _)| undecided.value(index(*row))).collect();
        undecided = without_errors(&undecided, &found);
        errors.extend(found);
        let valid = match (part.is_constant(), part.array().logical_nulls()) {
            (_, None) => BooleanBuffer::new_set(rows),
            (true, Some(_)) if part.is_null(0) => BooleanBuffer::new_unset(rows),
            (true, Some(_)) => BooleanBuffer::new_set(rows),
            (false, Some(nulls)) => nulls.inner().clone(),
        };
        let chosen = &valid & &undecided;
        undecided = &undecided & &!&chosen;
        let all = chosen.count_set_bits() == rows;
        if all && errors.is_empty() {
            return part;
        }
        if chosen.count_set_bits() > 0 {
            parts.push((chosen, part));
        }
        if undecided.count_set_bits() == 0 {
            break;
        }
    }
    assemble(parts, errors, rows, &data_type)
}

/// The operand, computed only for the rows of `mask` if computing it for others could matter.
fn only_where(expr: &Scalar, mask: &BooleanBuffer, batch: &Batch, context: &EvalContext<'_>) -> Operand {
    let wanted = mask.count_set_bits();
    let careful = expr.is_fallible() || expr.volatility() == Volatility::Volatile;
    if !careful || wanted == batch.rows {
        return operand(expr, batch, context);
    }
    let rows: Vec<u32> = mask.set_indices().map(row_number).collect();
    let part = operand(expr, &take_batch(batch, &rows), context);
    if part.is_constant() && !part.has_errors() {
        return part;
    }
    let Evaluated { array, errors } = part.spread(rows.len());
    // Scatter back: row `rows[i]` is value `i`; the others are NULL.
    let mut places: Vec<Option<u32>> = vec![None; batch.rows];
    for (place, &row) in rows.iter().enumerate() {
        places[index(row)] = Some(row_number(place));
    }
    let indices = arrow_array::UInt32Array::from(places);
    let array = arrow_select::take::take(&array, &indices, None).expect("the places are within the column");
    let errors = errors.into_iter().map(|(place, error)| (rows[index(place)], error)).collect();
    Operand::of(Evaluated { array, errors })
}

/// One column from the parts, each counting where its mask is set; NULL where none is.
fn assemble(
    mut parts: Vec<(BooleanBuffer, Operand)>,
    mut errors: RowErrors,
    rows: usize,
    data_type: &DataType,
) -> Operand {
    for (mask, part) in &mut parts {
        if part.is_too_long(rows) {
            errors.extend(mask.set_indices().map(|row| (row_number(row), column_too_long())));
            *part = Operand::constant(array_of(data_type, &[Datum::Null]));
        } else if part.has_errors() {
            errors.extend(part.errors_of(rows).into_iter().filter(|(row, _)| mask.value(index(*row))));
        }
    }
    let errors = merge_errors(errors);
    let useful: Vec<&(BooleanBuffer, Operand)> =
        parts.iter().filter(|(_, part)| !(part.is_constant() && part.array().is_null(0))).collect();
    let array = match useful.as_slice() {
        [] => return nothing(errors, rows, data_type),
        [(mask, part)] if errors.is_empty() && mask.count_set_bits() == rows => return part.clone(),
        [(mask, part)] if !part.is_constant() => masked(part.array(), Some(&NullBuffer::new(mask.clone()))),
        [(first, a), (second, b)] if first.count_set_bits() + second.count_set_bits() == rows => zip(first, a, b),
        several => interleave(several, rows, data_type),
    };
    Operand::of(Evaluated { array, errors })
}

fn nothing(errors: RowErrors, rows: usize, data_type: &DataType) -> Operand {
    let null = Operand::constant(array_of(data_type, &[Datum::Null]));
    if errors.is_empty() { null } else { Operand::of(Evaluated { array: null.spread(rows).array, errors }) }
}

/// `a` where the mask is set, `b` elsewhere.
fn zip(mask: &BooleanBuffer, a: &Operand, b: &Operand) -> ArrayRef {
    if let arrow_schema::DataType::FixedSizeBinary(width) = a.array().data_type() {
        return zip_fixed(mask, a, b, *width);
    }
    let mask = BooleanArray::new(mask.clone(), None);
    let scalar = |operand: &Operand| arrow_array::Scalar::new(operand.array().clone());
    let zipped = match (a.is_constant(), b.is_constant()) {
        (true, true) => arrow_select::zip::zip(&mask, &scalar(a), &scalar(b)),
        (true, false) => arrow_select::zip::zip(&mask, &scalar(a), b.array()),
        (false, true) => arrow_select::zip::zip(&mask, a.array(), &scalar(b)),
        (false, false) => arrow_select::zip::zip(&mask, a.array(), b.array()),
    };
    zipped.expect("both sides have the result's type and the mask's length")
}

/// [`zip`] of numerics, whose mask is as random as the data: a copy per row, where Arrow's kernel copies runs.
fn zip_fixed(mask: &BooleanBuffer, a: &Operand, b: &Operand, width: i32) -> ArrayRef {
    let (left, right) = (a.array().as_fixed_size_binary(), b.array().as_fixed_size_binary());
    let bytes_per_value = usize::try_from(width).expect("a width is not negative");
    let mut bytes = Vec::with_capacity(mask.len() * bytes_per_value);
    for (row, chosen) in mask.iter().enumerate() {
        bytes.extend_from_slice(if chosen { left.value(a.index(row)) } else { right.value(b.index(row)) });
    }
    let valid = |operand: &Operand| match operand.array().nulls() {
        None => BooleanBuffer::new_set(mask.len()),
        Some(_) if operand.is_constant() => BooleanBuffer::new_unset(mask.len()),
        Some(nulls) => nulls.inner().clone(),
    };
    let nulls = (left.null_count() + right.null_count() > 0)
        .then(|| NullBuffer::new(&(mask & &valid(a)) | &(&!mask & &valid(b))))
        .filter(|nulls| nulls.null_count() > 0);
    Arc::new(FixedSizeBinaryArray::new(width, Buffer::from_vec(bytes), nulls))
}

fn interleave(parts: &[&(BooleanBuffer, Operand)], rows: usize, data_type: &DataType) -> ArrayRef {
    let null = array_of(data_type, &[Datum::Null]);
    let arrays: Vec<&dyn Array> =
        parts.iter().map(|(_, part)| &**part.array()).chain(std::iter::once(&*null)).collect();
    let mut places = vec![(parts.len(), 0); rows];
    for (number, (mask, part)) in parts.iter().enumerate() {
        for row in mask.set_indices() {
            places[row] = (number, part.index(row));
        }
    }
    arrow_select::interleave::interleave(&arrays, &places).expect("every part has the result's type")
}

fn true_bits(array: &BooleanArray) -> BooleanBuffer {
    match array.nulls() {
        Some(valid) => array.values() & valid.inner(),
        None => array.values().clone(),
    }
}

fn without_errors(mask: &BooleanBuffer, errors: &RowErrors) -> BooleanBuffer {
    if errors.is_empty() {
        return mask.clone();
    }
    let mut bits = arrow_buffer::BooleanBufferBuilder::new(mask.len());
    bits.append_buffer(mask);
    for (row, _) in errors {
        bits.set_bit(index(*row), false);
    }
    bits.finish()
}

fn index(row: u32) -> usize {
    usize::try_from(row).expect("a row number fits a usize")
}
