//! Expressions over one dictionary column: computed once per value of the dictionary, not once per row.
//!
//! ```text
//!  keys ──────────────────────────────────▶ (result by key) ─▶ result per row
//!  values, NULL ─▶ the expression ─▶ result ───┘
//! ```
//!
//! So a comparison, LIKE, CASE or cast of a text column costs a look-up per row. A column that is used in any other way
//! is made plain first.

use super::{Evaluated, Operand, operand, row_number, take};
use crate::{EvalContext, Scalar, Volatility};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, StringArray, UInt16Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use headwater_types::{Batch, is_dictionary};
use std::sync::Arc;

/// Rows per value of the dictionary below which the rows are cheaper.
const ROWS_PER_VALUE_MIN: usize = 2;

/// The expression by way of its one column's dictionary, if it has one and that pays.
pub(super) fn by_value(expr: &Scalar, batch: &Batch, context: &EvalContext<'_>) -> Option<Operand> {
    let column = first_column(expr)?;
    let array = batch.columns.get(column).filter(|array| is_dictionary(array))?;
    let mut alone = true;
    expr.for_each_leaf(&mut |leaf| alone &= leaf.index == column);
    let dictionary = array.as_dictionary::<UInt16Type>();
    let values = dictionary.values().as_string::<i32>();
    if !alone || expr.volatility() == Volatility::Volatile || values.len() * ROWS_PER_VALUE_MIN > batch.rows {
        return None;
    }
    let rows = values.len() + 1;
    let not_read: ArrayRef = Arc::new(NullArray::new(rows));
    let mut columns = vec![not_read; column + 1];
    columns[column] = Arc::new(values.iter().chain([None]).collect::<StringArray>());
    let result = operand(expr, &Batch::new(columns, rows), context);
    if result.is_constant() {
        return Some(result);
    }
    Some(Operand::of(spread(&result.spread(rows), dictionary.keys())))
}

/// The column of the first leaf: whether any column is a dictionary is asked for every expression.
fn first_column(expr: &Scalar) -> Option<usize> {
    match expr {
        Scalar::Leaf(column) => Some(column.index),
        Scalar::Literal(..) | Scalar::Parameter(..) => None,
        _ => expr.children().into_iter().find_map(first_column),
    }
}

/// The results of the rows from those of the values, the last being NULL's.
fn spread(of_values: &Evaluated, keys: &UInt16Array) -> Evaluated {
    let null = of_values.array.len() - 1;
    let place = |row: usize| if keys.is_null(row) { null } else { usize::from(keys.value(row)) };
    let mut errors = vec![];
    if !of_values.errors.is_empty() {
        let of_value = |value: u32| of_values.errors.binary_search_by_key(&value, |(row, _)| *row);
        for row in 0..keys.len() {
            if let Ok(found) = of_value(row_number(place(row))) {
                errors.push((row_number(row), of_values.errors[found].1.clone()));
            }
        }
    }
    let array: ArrayRef = match of_values.array.as_boolean_opt() {
        Some(truth) => {
            let valid: Vec<bool> = (0..=null).map(|value| truth.is_valid(value)).collect();
            let holds: Vec<bool> = truth.values().iter().collect();
            let nulls = truth.nulls().map(|_| BooleanBuffer::collect_bool(keys.len(), |row| valid[place(row)]));
            let bits = match keys.nulls() {
                None => {
                    let keys = keys.values();
                    BooleanBuffer::collect_bool(keys.len(), |row| holds[usize::from(keys[row])])
                }
                Some(_) => BooleanBuffer::collect_bool(keys.len(), |row| holds[place(row)]),
            };
            let nulls = nulls.map(NullBuffer::new).filter(|nulls| nulls.null_count() > 0);
            Arc::new(BooleanArray::new(bits, nulls))
        }
        None => take(&of_values.array, &(0..keys.len()).map(|row| row_number(place(row))).collect::<Vec<_>>()),
    };
    Evaluated { array, errors }
}
