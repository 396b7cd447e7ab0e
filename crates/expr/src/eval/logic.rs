//! Three-valued logic over bitmaps.

use super::{Evaluated, Operand, RowErrors, merge_errors, operand};
use crate::{EvalContext, Scalar};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use headwater_types::Batch;
use std::sync::Arc;

/// AND or OR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Junction {
    And,
    Or,
}

/// Which rows are known to be true and known to be false; neither is NULL.
struct Truth {
    is_true: BooleanBuffer,
    is_false: BooleanBuffer,
}

impl Truth {
    fn of(array: &BooleanArray) -> Self {
        match array.nulls() {
            None => Self { is_true: array.values().clone(), is_false: !array.values() },
            Some(valid) => Self { is_true: array.values() & valid.inner(), is_false: &!array.values() & valid.inner() },
        }
    }
}

/// n-ary AND or OR. A row that one operand decides (false for AND, true for OR) drops the errors of the others.
pub(super) fn junction(args: &[Scalar], batch: &Batch, context: &EvalContext<'_>, kind: Junction) -> Operand {
    let operands: Vec<Operand> = args.iter().map(|arg| operand(arg, batch, context)).collect();
    let constant = operands.iter().all(Operand::is_constant);
    let rows = if constant { 1 } else { batch.rows };
    let mut errors = RowErrors::new();
    let mut result: Option<Truth> = None;
    for operand in operands {
        let Evaluated { array, errors: found } = operand.spread(rows);
        errors.extend(found);
        let next = Truth::of(array.as_boolean());
        result = Some(match (result, kind) {
            (None, _) => next,
            (Some(so_far), Junction::And) => {
                Truth { is_true: &so_far.is_true & &next.is_true, is_false: &so_far.is_false | &next.is_false }
            }
            (Some(so_far), Junction::Or) => {
                Truth { is_true: &so_far.is_true | &next.is_true, is_false: &so_far.is_false & &next.is_false }
            }
        });
    }
    let Truth { is_true, is_false } = result.expect("AND and OR have operands");
    let decided = if kind == Junction::And { is_false.clone() } else { is_true.clone() };
    errors.retain(|(row, _)| !decided.value(usize::try_from(*row).expect("a row number fits a usize")));
    let valid = NullBuffer::new(&is_true | &is_false);
    let nulls = (valid.null_count() > 0).then_some(valid);
    let array = Arc::new(BooleanArray::new(is_true, nulls));
    let result = Evaluated { array, errors: merge_errors(errors) };
    if constant { Operand::constant_of(result) } else { Operand::of(result) }
}

/// NOT.
pub(super) fn not(input: Operand) -> Operand {
    input.map(|array| {
        let values = array.as_boolean();
        Evaluated::ok(Arc::new(BooleanArray::new(!values.values(), values.nulls().cloned())))
    })
}

/// IS NULL.
pub(super) fn is_null(input: Operand) -> Operand {
    let errors = input.errors_of(input.array().len());
    input.map(|array| {
        let nulls = match array.logical_nulls() {
            Some(valid) => !valid.inner(),
            None => BooleanBuffer::new_unset(array.len()),
        };
        let result: arrow_array::ArrayRef = Arc::new(BooleanArray::new(nulls, None));
        Evaluated::ok(if errors.is_empty() { result } else { super::null_out(&result, &errors) })
    })
}
