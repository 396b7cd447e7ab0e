//! Evaluation of scalars over a batch.
//!
//! ```text
//! Scalar ──▶ Operand (a column, or one value for all rows; errors by row) ──▶ Evaluated (a column; errors by row)
//! ```
//!
//! # Invariants
//!
//! 1. An error is a value of its row: it never stops the other rows. A row in error holds NULL.
//! 2. Errors that AND, OR, CASE and COALESCE do not need are dropped.
//! 3. Several errors of one row: the least by (SQLSTATE, message) stays, so that argument order and batching never show.
//! 4. What depends on no column and is not volatile is computed once per batch, not per row.
//!
//! A text column may be a dictionary: what reads no other column is then computed once per value.
//!
//! Cost: one pass per node in typed loops for comparisons, arithmetic, logic and common casts; a boxed value per cell
//! for the rest.

pub(crate) mod arithmetic;
mod array;
pub(crate) mod cast;
mod cast_batch;
mod choice;
mod compare;
mod dictionary;
mod fold;
mod logic;
mod operand;
mod table;
#[cfg(test)]
mod tests;

pub use fold::{fold_constants, fold_stable};
pub use operand::{Evaluated, Operand, RowErrors};
pub use table::{TABLE_FUNCTION_ROWS_MAX, evaluate_table_function};

pub(crate) use operand::{merge_errors, null_out};

use crate::registry::{Call, Function, FunctionRef, Kernel, Volatility};
use crate::{CastContext, EvalContext, Scalar};
use arrow_array::{Array, ArrayRef};
use headwater_types::{Batch, ColumnBuilder, DataType, Datum, Result, SqlError, array_of, flat_column};

/// The expression's value for every row of `batch`.
#[must_use]
pub fn evaluate(expr: &Scalar, batch: &Batch, context: &EvalContext<'_>) -> Evaluated {
    operand(expr, batch, context).spread(batch.rows)
}

/// The value of an expression that reads no column.
///
/// # Errors
///
/// The expression's own.
pub fn evaluate_constant(expr: &Scalar, context: &EvalContext<'_>) -> Result<Datum> {
    let result = evaluate(expr, &Batch::new(vec![], 1), context);
    match result.errors.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(Datum::from_array(&*result.array, &expr.data_type(), 0)),
    }
}

/// The rows of `batch` for which `predicate` is true, and the errors of the others.
#[must_use]
pub fn evaluate_predicate(
    predicate: &Scalar,
    batch: &Batch,
    context: &EvalContext<'_>,
) -> (arrow_array::BooleanArray, RowErrors) {
    use arrow_array::cast::AsArray;
    let result = evaluate(predicate, batch, context);
    let truth = result.array.as_boolean();
    let truth = match truth.nulls() {
        Some(nulls) => arrow_array::BooleanArray::new(truth.values() & nulls.inner(), None),
        None => truth.clone(),
    };
    (truth, result.errors)
}

/// A value cast outside a batch: literals, parameters, defaults.
///
/// # Errors
///
/// As the cast.
pub fn cast_value(
    value: &Datum,
    from: &DataType,
    to: &DataType,
    asked: CastContext,
    context: &EvalContext<'_>,
) -> Result<Datum> {
    cast::cast_datum(value, from, to, asked, context)
}

pub(crate) fn operand(expr: &Scalar, batch: &Batch, context: &EvalContext<'_>) -> Operand {
    if let Scalar::Leaf(column) = expr {
        return Operand::column(flat_column(&batch.columns[column.index]));
    }
    if let Some(result) = dictionary::by_value(expr, batch, context) {
        return result;
    }
    match expr {
        Scalar::Leaf(_) => unreachable!("returned above"),
        Scalar::Literal(value, data_type) => Operand::constant(array_of(data_type, std::slice::from_ref(value))),
        Scalar::Parameter(index, data_type) => {
            let error = SqlError::internal(format!("parameter ${} has no value", index + 1));
            let array = array_of(data_type, &[Datum::Null]);
            Operand::constant_of(Evaluated { array, errors: vec![(0, error)] })
        }
        Scalar::Call { function, args, data_type } => {
            let arg_types: Vec<DataType> = args.iter().map(Scalar::data_type).collect();
            let operands: Vec<Operand> = args.iter().map(|arg| operand(arg, batch, context)).collect();
            let call = Call { context, arg_types: &arg_types, data_type };
            call_function(*function, operands, batch.rows, &call)
        }
        Scalar::Cast(input, to) => {
            let from = input.data_type();
            operand(input, batch, context).map(|array| cast_batch::cast_array(array, &from, to, context))
        }
        Scalar::And(args) => logic::junction(args, batch, context, logic::Junction::And),
        Scalar::Or(args) => logic::junction(args, batch, context, logic::Junction::Or),
        Scalar::Not(input) => logic::not(operand(input, batch, context)),
        Scalar::IsNull(input) => logic::is_null(operand(input, batch, context)),
        Scalar::IsNotDistinct(left, right) => {
            let data_type = left.data_type();
            compare::not_distinct(operand(left, batch, context), operand(right, batch, context), &data_type)
        }
        Scalar::Case { branches, otherwise } => choice::case(branches, otherwise, batch, context),
        Scalar::Coalesce(args) => choice::coalesce(args, batch, context),
        Scalar::Quantified { function, left, array, quantifier } => {
            array::quantified(*function, left, array, *quantifier, batch, context)
        }
        Scalar::Array(args, element) => array::construct(args, element, batch, context),
        Scalar::Subscript(array, index) => array::subscript(array, index, batch, context),
    }
}

/// Calls `function` on operands; a constant result where all are constant and calls do not count.
pub(crate) fn call_function(function: FunctionRef, operands: Vec<Operand>, rows: usize, call: &Call<'_>) -> Operand {
    let function = function.0;
    let constant = operands.iter().all(Operand::is_constant) && function.volatility != Volatility::Volatile;
    let rows = if constant { 1 } else { rows };
    let Evaluated { array, errors } = run_kernel(function, &operands, rows, call);
    let inherited = operands.iter().flat_map(|o| o.errors_of(rows)).collect::<Vec<_>>();
    let result = if inherited.is_empty() {
        Evaluated { array, errors }
    } else {
        let errors = merge_errors(errors.into_iter().chain(inherited).collect());
        Evaluated { array: null_out(&array, &errors), errors }
    };
    if constant { Operand::constant_of(result) } else { Operand::of(result) }
}

fn run_kernel(function: &Function, operands: &[Operand], rows: usize, call: &Call<'_>) -> Evaluated {
    match function.kernel {
        Kernel::Rows(kernel) => by_rows(function.strict, operands, rows, call, |args| kernel(args, call)),
        Kernel::Batch(kernel) => kernel(operands, rows, call),
        Kernel::Compare(comparison) => compare::compare(comparison, &operands[0], &operands[1], rows, call.arg_types),
        Kernel::Arithmetic(operator) => arithmetic::arithmetic(operator, &operands[0], &operands[1], rows, call),
        Kernel::Catalog => by_rows(function.strict, operands, rows, call, |args| match call.context.catalog {
            Some(catalog) => catalog.call(function.name, args, call.context.settings),
            None => Err(SqlError::unsupported(format!("{} outside a query", function.name))),
        }),
    }
}

/// Computes a column a row at a time.
pub(crate) fn by_rows(
    strict: bool,
    operands: &[Operand],
    rows: usize,
    call: &Call<'_>,
    mut compute: impl FnMut(&[Datum]) -> Result<Datum>,
) -> Evaluated {
    let mut builder = ColumnBuilder::new(call.data_type, rows);
    let mut errors = RowErrors::new();
    let mut args = vec![Datum::Null; operands.len()];
    let mut bytes = 0_usize;
    for (arg, (operand, data_type)) in args.iter_mut().zip(operands.iter().zip(call.arg_types)) {
        if operand.is_constant() {
            *arg = operand.datum(0, data_type);
        }
    }
    for row in 0..rows {
        for (arg, (operand, data_type)) in args.iter_mut().zip(operands.iter().zip(call.arg_types)) {
            if !operand.is_constant() {
                *arg = operand.datum(row, data_type);
            }
        }
        if strict && args.iter().any(Datum::is_null) {
            builder.append_null();
            continue;
        }
        let computed = compute(&args).and_then(|value| {
            bytes = bytes.saturating_add(match &value {
                Datum::Text(text) => text.len(),
                Datum::Bytes(value) => value.len(),
                _ => 0,
            });
            if bytes > operand::COLUMN_BYTES_MAX { Err(operand::column_too_long()) } else { Ok(value) }
        });
        match computed {
            Ok(value) => builder.append(&value),
            Err(error) => {
                builder.append_null();
                errors.push((row_number(row), error));
            }
        }
    }
    Evaluated { array: builder.finish(), errors }
}

/// A row's number inside a batch.
///
/// # Panics
///
/// On a batch of more than 2³² rows.
pub(crate) fn row_number(row: usize) -> u32 {
    u32::try_from(row).expect("a batch has fewer than 2^32 rows")
}

/// The rows `rows` of a column.
pub(crate) fn take(array: &ArrayRef, rows: &[u32]) -> ArrayRef {
    let indices = arrow_array::UInt32Array::from(rows.to_vec());
    arrow_select::take::take(array, &indices, None).expect("the indices are within the column")
}

/// The rows `rows` of a batch.
pub(crate) fn take_batch(batch: &Batch, rows: &[u32]) -> Batch {
    Batch::new(batch.columns.iter().map(|column| take(column, rows)).collect(), rows.len())
}
