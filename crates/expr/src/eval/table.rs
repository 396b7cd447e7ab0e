//! Set-returning functions, for one row of arguments.

use crate::functions::regex;
use crate::{EvalContext, TableFunction};
use headwater_types::{Batch, ColumnBuilder, DataType, Datum, Interval, Numeric, Result, SqlError, SqlState};

/// The rows that one call may return.
pub const TABLE_FUNCTION_ROWS_MAX: usize = 20_000_000;

/// The rows of `function(args)`. `arg_types` are the arguments' types, `types` those of the function's columns.
///
/// # Errors
///
/// The function's own; 54000 beyond [`TABLE_FUNCTION_ROWS_MAX`] rows.
pub fn evaluate_table_function(
    function: TableFunction,
    args: &[Datum],
    types: &[DataType],
    context: &EvalContext<'_>,
) -> Result<Batch> {
    let strict = !matches!(function, TableFunction::PgGetKeywords | TableFunction::PgTimezoneNames);
    if strict && args.iter().any(Datum::is_null) {
        return Ok(Batch::empty(types));
    }
    match function {
        TableFunction::Unnest => {
            let Datum::Array(array) = &args[0] else { return Ok(Batch::empty(types)) };
            one_column(types, array.values.iter().cloned().map(Ok))
        }
        TableFunction::GenerateSeries => series(args, types, context),
        TableFunction::GenerateSubscripts => subscripts(args, types, 1),
        TableFunction::GenerateVectorSubscripts => subscripts(args, types, 0),
        TableFunction::RegexpSplitToTable => {
            one_column(types, regex::split(args)?.into_iter().map(|part| Ok(Datum::text(part))))
        }
        TableFunction::PgPartitionAncestors => Ok(Batch::empty(types)),
        TableFunction::PgGetKeywords => Ok(Batch::from_rows(types, &crate::keywords::rows())),
        TableFunction::PgTimezoneNames => {
            Ok(Batch::from_rows(types, &crate::functions::datetime::zone_rows(context.now_micros)))
        }
    }
}

fn one_column(types: &[DataType], values: impl Iterator<Item = Result<Datum>>) -> Result<Batch> {
    let mut builder = ColumnBuilder::new(&types[0], 0);
    for value in values {
        if builder.len() == TABLE_FUNCTION_ROWS_MAX {
            return Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("a set-returning function may return at most {TABLE_FUNCTION_ROWS_MAX} rows"),
            ));
        }
        builder.append(&value?);
    }
    let rows = builder.len();
    Ok(Batch::new(vec![builder.finish()], rows))
}

/// From `start` to `stop` inclusive; `next` gives the value after, `None` past the type's range.
fn walk<T: Copy>(
    start: T,
    within: impl Fn(&T) -> bool,
    next: impl Fn(T) -> Result<Option<T>>,
    datum: impl Fn(T) -> Datum,
) -> impl Iterator<Item = Result<Datum>> {
    let mut current = Some(Ok(start));
    std::iter::from_fn(move || match current.take()? {
        Ok(value) if within(&value) => {
            current = next(value).transpose();
            Some(Ok(datum(value)))
        }
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

fn zero_step() -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, "step size cannot equal zero")
}

fn series(args: &[Datum], types: &[DataType], context: &EvalContext<'_>) -> Result<Batch> {
    match args {
        [Datum::Int4(start), Datum::Int4(stop), step @ ..] => {
            let step = match step {
                [Datum::Int4(step)] => *step,
                _ => 1,
            };
            if step == 0 {
                return Err(zero_step());
            }
            let within = |v: &i32| if step > 0 { v <= stop } else { v >= stop };
            one_column(types, walk(*start, within, |v| Ok(v.checked_add(step)), Datum::Int4))
        }
        [Datum::Int8(start), Datum::Int8(stop), step @ ..] => {
            let step = match step {
                [Datum::Int8(step)] => *step,
                _ => 1,
            };
            if step == 0 {
                return Err(zero_step());
            }
            let within = |v: &i64| if step > 0 { v <= stop } else { v >= stop };
            one_column(types, walk(*start, within, |v| Ok(v.checked_add(step)), Datum::Int8))
        }
        [Datum::Numeric(start), Datum::Numeric(stop), step @ ..] => {
            let step = match step {
                [Datum::Numeric(step)] => *step,
                _ => Numeric::ONE,
            };
            let checks = [(start, "start value"), (stop, "stop value"), (&step, "step size")];
            for (value, what) in checks {
                if !matches!(value, Numeric::Finite(_)) {
                    let kind = if matches!(value, Numeric::NaN) { "NaN" } else { "infinity" };
                    return Err(SqlError::new(SqlState::InvalidParameterValue, format!("{what} cannot be {kind}")));
                }
            }
            let ascending = step.sql_cmp(&Numeric::ZERO);
            if ascending.is_eq() {
                return Err(zero_step());
            }
            let within =
                |v: &Numeric| if ascending.is_gt() { v.sql_cmp(stop).is_le() } else { v.sql_cmp(stop).is_ge() };
            one_column(types, walk(*start, within, |v| v.checked_add(step).map(Some), Datum::Numeric))
        }
        [Datum::Timestamp(start), Datum::Timestamp(stop), Datum::Interval(step)] => {
            let sign = step.sql_key().cmp(&0);
            if sign.is_eq() {
                return Err(zero_step());
            }
            let zoned = types[0] == DataType::Timestamptz;
            let next = |v: i64| add_interval(v, *step, zoned, context).map(Some);
            let within = |v: &i64| if sign.is_gt() { v <= stop } else { v >= stop };
            one_column(types, walk(*start, within, next, Datum::Timestamp))
        }
        _ => Err(SqlError::internal("generate_series met arguments it was not resolved for")),
    }
}

fn add_interval(value: i64, step: Interval, zoned: bool, context: &EvalContext<'_>) -> Result<i64> {
    crate::functions::datetime::add_interval(value, step, zoned, context)
}

fn subscripts(args: &[Datum], types: &[DataType], first: i32) -> Result<Batch> {
    let [Datum::Array(array), Datum::Int4(dimension)] = args else {
        return Err(SqlError::internal("generate_subscripts met arguments it was not resolved for"));
    };
    if *dimension != 1 {
        return Ok(Batch::empty(types));
    }
    let count = i32::try_from(array.values.len()).unwrap_or(i32::MAX);
    one_column(types, (0..count).map(|i| Ok(Datum::Int4(i + first))))
}
