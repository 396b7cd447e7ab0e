//! Rows on their way into a table: hidden keys, NOT NULL, CHECK.

use crate::change::unique_violation;
use crate::table::TableShape;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use headwater_expr::{EvalContext, Expr, Scalar, evaluate};
use headwater_plan::hir::{HirLeaf, HirScalar};
use headwater_sql::Check;
use headwater_types::{
    Batch, Datum, Equality, ErrorObject, KeyEncoder, Result, SessionSettings, SqlError, SqlState, constant_array,
    datum_to_text,
};
use std::collections::HashSet;
use std::sync::Arc;

/// The largest hidden row id among these rows, if the table has a hidden key.
pub(crate) fn largest_row_id(shape: &TableShape, rows: &Batch) -> Option<i64> {
    let hidden = hidden_key(shape)?;
    arrow_ids(&rows.columns[hidden]).values().iter().copied().max()
}

/// The ordinal of the table's hidden key.
pub(crate) fn hidden_key(shape: &TableShape) -> Option<usize> {
    match shape.key[..] {
        [column] if !shape.visible.contains(&column) => Some(column),
        _ => None,
    }
}

fn arrow_ids(column: &ArrayRef) -> &Int64Array {
    column.as_primitive::<Int64Type>()
}

/// The rows with their hidden key put in its place: ids from `first`.
pub(crate) fn with_row_ids(mut rows: Batch, hidden: usize, first: i64) -> Batch {
    let ids: Vec<i64> = (first..).take(rows.rows).collect();
    rows.columns.insert(hidden, Arc::new(Int64Array::from(ids)));
    rows
}

/// All the table's columns but the hidden key, from some of them and values for the others.
pub(crate) fn complete_rows(
    shape: &TableShape,
    columns: &[usize],
    rows: Batch,
    defaults: &[(usize, Datum)],
    hidden: Option<usize>,
) -> Batch {
    let count = rows.rows;
    let mut all: Vec<Option<ArrayRef>> = vec![None; shape.types.len()];
    for (&column, array) in columns.iter().zip(rows.columns) {
        all[column] = Some(array);
    }
    for (column, value) in defaults {
        all[*column] = Some(constant_array(&shape.types[*column], value, count));
    }
    let all = all.into_iter().enumerate().filter(|(column, _)| Some(*column) != hidden);
    let given_or_null = |(column, array): (usize, Option<ArrayRef>)| {
        array.unwrap_or_else(|| constant_array(&shape.types[column], &Datum::Null, count))
    };
    Batch::new(all.map(given_or_null).collect(), count)
}

/// A bound scalar without subqueries, over the columns of its own input.
///
/// # Errors
///
/// 0A000 for what is left: subqueries and outer columns.
pub(crate) fn plain_scalar(scalar: HirScalar, place: &str) -> Result<Scalar> {
    scalar.try_map_leaves(&mut |leaf| match leaf {
        HirLeaf::Column { level: 0, index, data_type } => Ok(Expr::column(index, data_type)),
        HirLeaf::Parameter { index, .. } => {
            Err(SqlError::new(SqlState::UndefinedParameter, format!("there is no parameter ${}", index + 1)))
        }
        _ => Err(SqlError::unsupported(format!("a subquery in {place}"))),
    })
}

/// Whether a scalar refers to nothing but its own input.
pub(crate) fn is_plain(scalar: &HirScalar) -> bool {
    let mut plain = true;
    scalar.for_each_leaf(&mut |leaf| plain &= matches!(leaf, HirLeaf::Column { level: 0, .. }));
    plain
}

/// Evaluates scalars over rows; the first error of any row is raised.
pub(crate) fn project(scalars: &[Scalar], rows: &Batch, context: &EvalContext<'_>) -> Result<Batch> {
    let mut columns = vec![];
    for scalar in scalars {
        let evaluated = evaluate(scalar, rows, context);
        if let Some((_, error)) = evaluated.errors.into_iter().next() {
            return Err(error);
        }
        columns.push(evaluated.array);
    }
    Ok(Batch::new(columns, rows.rows))
}

/// Checks NOT NULL, key columns included, and CHECK constraints.
///
/// # Errors
///
/// 23502 and 23514 for the first row that violates one.
pub(crate) fn check_rows(shape: &TableShape, checks: &[Check], rows: &Batch, context: &EvalContext<'_>) -> Result<()> {
    for (column, array) in rows.columns.iter().enumerate() {
        let required = shape.not_null[column] || shape.key.contains(&column);
        if !required || array.null_count() == 0 {
            continue;
        }
        let row = (0..rows.rows).find(|&row| array.is_null(row)).expect("a null was counted");
        let message = format!(
            "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
            shape.names[column], shape.name
        );
        let error = SqlError::new(SqlState::NotNullViolation, message);
        return Err(about_row(error, shape, rows, row, Some(column), None));
    }
    for check in checks {
        let predicate = plain_scalar(check.predicate.clone(), "a check constraint")?;
        let evaluated = evaluate(&predicate, rows, context);
        if let Some((_, error)) = evaluated.errors.into_iter().next() {
            return Err(error);
        }
        let passes = evaluated.array.as_boolean();
        if let Some(row) = (0..rows.rows).find(|&row| passes.is_valid(row) && !passes.value(row)) {
            let message =
                format!("new row for relation \"{}\" violates check constraint \"{}\"", shape.name, check.name);
            let error = SqlError::new(SqlState::CheckViolation, message);
            return Err(about_row(error, shape, rows, row, None, Some(check.name.clone())));
        }
    }
    Ok(())
}

fn about_row(
    error: SqlError,
    shape: &TableShape,
    rows: &Batch,
    row: usize,
    column: Option<usize>,
    constraint: Option<String>,
) -> SqlError {
    let settings = SessionSettings::default();
    let values: Vec<String> = shape
        .visible
        .iter()
        .map(|&c| match Datum::from_array(&rows.columns[c], &shape.types[c], row) {
            Datum::Null => "null".to_owned(),
            value => abbreviated(&datum_to_text(&value, &shape.types[c], &settings)),
        })
        .collect();
    let mut error = error.with_detail(format!("Failing row contains ({}).", values.join(", ")));
    error.object = Some(Box::new(ErrorObject {
        schema: Some(shape.schema.clone()),
        table: Some(shape.name.clone()),
        column: column.map(|c| shape.names[c].clone()),
        constraint,
        data_type: None,
    }));
    error
}

/// PostgreSQL shows no more than 64 bytes of a value in a DETAIL.
fn abbreviated(text: &str) -> String {
    const BYTES_MAX: usize = 64;
    if text.len() <= BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=BYTES_MAX).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    format!("{}...", &text[..end])
}

/// The first row of each key: UPDATE … FROM and DELETE … USING may present a row several times, and change it once.
pub(crate) fn first_of_each_key(shape: &TableShape, old: &Batch) -> Option<Vec<u32>> {
    let keys = old.project(&shape.key).columns;
    let encoded = KeyEncoder::new(&shape.key_types, Equality::Sql).encode(&keys, old.rows);
    let mut seen = HashSet::with_capacity(old.rows);
    let rows = u32::try_from(old.rows).expect("a batch has fewer than 2^32 rows");
    let kept: Vec<u32> = (0..rows).filter(|&i| seen.insert(encoded.row(i as usize).to_vec())).collect();
    (kept.len() < old.rows).then_some(kept)
}

/// 23505 if two of the rows have one key.
pub(crate) fn check_distinct_keys(shape: &TableShape, rows: &Batch) -> Result<()> {
    match first_of_each_key(shape, rows) {
        None => Ok(()),
        Some(kept) => {
            let repeated = (0..rows.rows).find(|&i| u32::try_from(i).is_ok_and(|i| kept.binary_search(&i).is_err()));
            Err(unique_violation(shape, rows, repeated.expect("some row was not kept")))
        }
    }
}
