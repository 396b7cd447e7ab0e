//! Dates, times and intervals: operators, `extract`, `date_trunc`, `AT TIME ZONE`, constructors.
//!
//! The calendar and the zones are `headwater_types::datetime`'s. A function that reads the session's time zone is
//! stable, as in PostgreSQL.

mod clock;
mod make;

pub(crate) use clock::zone_rows;

use super::text::text;
use crate::EvalContext;
use crate::eval::{Evaluated, Operand, RowErrors, by_rows, null_out, row_number};
use crate::registry::{Call, Entry, Kernel, function, operator};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, TimestampMicrosecondArray};
use headwater_types::datetime::{self, DateField};
use headwater_types::{DataType, Datum, Interval, Numeric, Result, SqlError, SqlState, TimeZone};
use std::sync::Arc;

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

const PLUS: Kernel = Kernel::Batch(|args, rows, call| shift_batch(args, rows, call, false));
const MINUS: Kernel = Kernel::Batch(|args, rows, call| shift_batch(args, rows, call, true));
const TRUNCATE: Kernel = Kernel::Batch(truncate_batch);

const ARITHMETIC: &[Entry] = &[
    operator("+", "date,int4", "date", rows!(date_plus)).fallible(),
    operator("+", "int4,date", "date", rows!(|a, c| date_plus(&[a[1].clone(), a[0].clone()], c))).fallible(),
    operator("+", "date,interval", "timestamp", rows!(|a, c| shift(&a[0], &a[1], false, c))).fallible(),
    operator("+", "interval,date", "timestamp", rows!(|a, c| shift(&a[1], &a[0], false, c))).fallible(),
    operator("+", "timestamp,interval", "timestamp", PLUS).fallible(),
    operator("+", "interval,timestamp", "timestamp", rows!(|a, c| shift(&a[1], &a[0], false, c))).fallible(),
    operator("+", "timestamptz,interval", "timestamptz", PLUS).fallible().stable(),
    operator("+", "interval,timestamptz", "timestamptz", rows!(|a, c| shift(&a[1], &a[0], false, c)))
        .fallible()
        .stable(),
    operator("+", "interval,interval", "interval", rows!(interval_plus)).fallible(),
    operator("+", "date,time", "timestamp", rows!(|a, _| at_time(&a[0], &a[1]))).fallible(),
    operator("+", "time,date", "timestamp", rows!(|a, _| at_time(&a[1], &a[0]))).fallible(),
    operator("+", "time,interval", "time", rows!(|a, _| time_shift(&a[0], &a[1], false))),
    operator("+", "interval,time", "time", rows!(|a, _| time_shift(&a[1], &a[0], false))),
    operator("-", "date,int4", "date", rows!(date_minus_days)).fallible(),
    operator("-", "date,date", "int4", rows!(date_minus)).fallible(),
    operator("-", "date,interval", "timestamp", rows!(|a, c| shift(&a[0], &a[1], true, c))).fallible(),
    operator("-", "timestamp,interval", "timestamp", MINUS).fallible(),
    operator("-", "timestamptz,interval", "timestamptz", MINUS).fallible().stable(),
    operator("-", "timestamp,timestamp", "interval", rows!(difference)).fallible(),
    operator("-", "timestamptz,timestamptz", "interval", rows!(difference)).fallible(),
    operator("-", "interval,interval", "interval", rows!(interval_minus)).fallible(),
    operator("-", ",interval", "interval", rows!(interval_negate)).fallible(),
    operator("-", "time,time", "interval", rows!(time_minus)),
    operator("-", "time,interval", "time", rows!(|a, _| time_shift(&a[0], &a[1], true))),
    operator("*", "interval,float8", "interval", rows!(|a, _| scale(&a[0], &a[1]))).fallible(),
    operator("*", "float8,interval", "interval", rows!(|a, _| scale(&a[1], &a[0]))).fallible(),
    operator("/", "interval,float8", "interval", rows!(divide)).fallible(),
];

const FIELDS: &[Entry] = &[
    function("extract", "text,date", "numeric", rows!(extract)).fallible(),
    function("extract", "text,time", "numeric", rows!(extract)).fallible(),
    function("extract", "text,timestamp", "numeric", rows!(extract)).fallible(),
    function("extract", "text,timestamptz", "numeric", rows!(extract)).fallible().stable(),
    function("extract", "text,interval", "numeric", rows!(extract)).fallible(),
    function("date_part", "text,date", "float8", rows!(date_part)).fallible(),
    function("date_part", "text,time", "float8", rows!(date_part)).fallible(),
    function("date_part", "text,timestamp", "float8", rows!(date_part)).fallible(),
    function("date_part", "text,timestamptz", "float8", rows!(date_part)).fallible().stable(),
    function("date_part", "text,interval", "float8", rows!(date_part)).fallible(),
    function("date_trunc", "text,timestamp", "timestamp", TRUNCATE).fallible(),
    function("date_trunc", "text,timestamptz", "timestamptz", TRUNCATE).fallible().stable(),
    function("date_trunc", "text,timestamptz,text", "timestamptz", rows!(truncate_in_zone)).fallible().stable(),
    function("date_trunc", "text,interval", "interval", rows!(truncate_interval)).fallible(),
    function("date_bin", "interval,timestamp,timestamp", "timestamp", rows!(bin)).fallible(),
    function("date_bin", "interval,timestamptz,timestamptz", "timestamptz", rows!(bin)).fallible(),
    function("timezone", "text,timestamp", "timestamptz", rows!(to_zone)).fallible(),
    function("timezone", "text,timestamptz", "timestamp", rows!(to_zone)).fallible(),
    function("timezone", "interval,timestamp", "timestamptz", rows!(to_zone)).fallible(),
    function("timezone", "interval,timestamptz", "timestamp", rows!(to_zone)).fallible(),
    function("age", "timestamp,timestamp", "interval", rows!(age)).fallible(),
    function("age", "timestamptz,timestamptz", "interval", rows!(age)).fallible().stable(),
    function("age", "timestamp", "interval", rows!(age_today)).fallible().stable(),
    function("age", "timestamptz", "interval", rows!(age_today)).fallible().stable(),
    function(
        "justify_days",
        "interval",
        "interval",
        rows!(|a, _| interval(&a[0])?.justify_days().map(Datum::Interval)),
    )
    .fallible(),
    function(
        "justify_hours",
        "interval",
        "interval",
        rows!(|a, _| interval(&a[0])?.justify_hours().map(Datum::Interval)),
    )
    .fallible(),
    function("justify_interval", "interval", "interval", rows!(justify_interval)).fallible(),
    function("isfinite", "date", "bool", rows!(is_finite)),
    function("isfinite", "timestamp", "bool", rows!(is_finite)),
    function("isfinite", "timestamptz", "bool", rows!(is_finite)),
    function("isfinite", "interval", "bool", rows!(is_finite)),
];

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    [ARITHMETIC, FIELDS, clock::ENTRIES, make::ENTRIES].into_iter().flatten().copied()
}

pub(super) fn mismatch() -> SqlError {
    SqlError::internal("a date or time function met a type it was not resolved for")
}

fn interval(datum: &Datum) -> Result<Interval> {
    match datum {
        Datum::Interval(value) => Ok(*value),
        _ => Err(mismatch()),
    }
}

fn timestamp(datum: &Datum) -> Result<i64> {
    match datum {
        Datum::Timestamp(value) => Ok(*value),
        Datum::Date(days) => datetime::date_to_timestamp(*days),
        _ => Err(mismatch()),
    }
}

fn date(datum: &Datum) -> Result<i32> {
    match datum {
        Datum::Date(days) => Ok(*days),
        _ => Err(mismatch()),
    }
}

/// A date or timestamp as one axis: the instant if either side of the comparison is `zoned`, else the wall clock. A
/// date beyond the timestamps stays beyond them.
pub(super) fn instant(value: &Datum, data_type: &DataType, zoned: bool, context: &EvalContext<'_>) -> i64 {
    let local = match value {
        Datum::Date(days) => match datetime::date_to_timestamp(*days) {
            Ok(micros) => micros,
            Err(_) if *days > 0 => i64::MAX - 1,
            Err(_) => i64::MIN + 1,
        },
        Datum::Timestamp(micros) => *micros,
        _ => 0,
    };
    if zoned && *data_type != DataType::Timestamptz && datetime::is_finite_timestamp(local) {
        context.settings.time_zone.local_to_utc(local)
    } else {
        local
    }
}

/// `timestamp + interval`, in the session's zone if `zoned`.
///
/// # Errors
///
/// 22008
pub(crate) fn add_interval(value: i64, step: Interval, zoned: bool, context: &EvalContext<'_>) -> Result<i64> {
    datetime::add_interval(value, step, zoned.then_some(&context.settings.time_zone))
}

fn shift(moment: &Datum, step: &Datum, back: bool, call: &Call<'_>) -> Result<Datum> {
    let step = interval(step)?;
    let step = if back { step.checked_neg()? } else { step };
    let zoned = *call.data_type == DataType::Timestamptz;
    add_interval(timestamp(moment)?, step, zoned, call.context).map(Datum::Timestamp)
}

fn shift_batch(args: &[Operand], rows: usize, call: &Call<'_>, back: bool) -> Evaluated {
    let slow = || by_rows(true, args, rows, call, |row| shift(&row[0], &row[1], back, call));
    if !args[1].is_constant() || args[1].is_null(0) || args[0].is_constant() {
        return slow();
    }
    let Ok(step) = interval(&args[1].datum(0, &DataType::Interval)) else { return slow() };
    let Ok(step) = (if back { step.checked_neg() } else { Ok(step) }) else { return slow() };
    let zone = (*call.data_type == DataType::Timestamptz).then_some(&call.context.settings.time_zone);
    map_timestamps(args[0].array(), call.data_type, |micros| datetime::add_interval(micros, step, zone))
}

/// Converts a column of timestamps in a loop.
pub(crate) fn map_timestamps(
    array: &ArrayRef,
    data_type: &DataType,
    convert: impl Fn(i64) -> Result<i64>,
) -> Evaluated {
    let values = array.as_primitive::<TimestampMicrosecondType>();
    let mut errors = RowErrors::new();
    let converted: Vec<i64> = (0..values.len())
        .map(|row| {
            if values.is_null(row) {
                return 0;
            }
            convert(values.value(row)).unwrap_or_else(|error| {
                errors.push((row_number(row), error));
                0
            })
        })
        .collect();
    let array = TimestampMicrosecondArray::new(converted.into(), values.nulls().cloned());
    let array: ArrayRef = match data_type {
        DataType::Timestamptz => Arc::new(array.with_timezone("UTC")),
        _ => Arc::new(array),
    };
    let array = if errors.is_empty() { array } else { null_out(&array, &errors) };
    Evaluated { array, errors }
}

fn date_plus(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match (&args[0], &args[1]) {
        (Datum::Date(days), Datum::Int4(more)) => datetime::add_days(*days, i64::from(*more)).map(Datum::Date),
        _ => Err(mismatch()),
    }
}

fn date_minus_days(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match (&args[0], &args[1]) {
        (Datum::Date(days), Datum::Int4(less)) => datetime::add_days(*days, -i64::from(*less)).map(Datum::Date),
        _ => Err(mismatch()),
    }
}

fn date_minus(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (left, right) = (date(&args[0])?, date(&args[1])?);
    if !datetime::is_finite_date(left) || !datetime::is_finite_date(right) {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "cannot subtract infinite dates"));
    }
    let days = left.checked_sub(right);
    days.map(Datum::Int4).ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range"))
}

fn at_time(day: &Datum, time: &Datum) -> Result<Datum> {
    let Datum::Time(time) = time else { return Err(mismatch()) };
    let midnight = datetime::date_to_timestamp(date(day)?)?;
    if !datetime::is_finite_timestamp(midnight) {
        return Ok(Datum::Timestamp(midnight));
    }
    datetime::check_timestamp(midnight.saturating_add(*time)).map(Datum::Timestamp)
}

fn time_shift(time: &Datum, step: &Datum, back: bool) -> Result<Datum> {
    let Datum::Time(time) = time else { return Err(mismatch()) };
    let micros = interval(step)?.micros.rem_euclid(Interval::MICROS_PER_DAY);
    let moved = if back { time - micros } else { time + micros };
    Ok(Datum::Time(moved.rem_euclid(Interval::MICROS_PER_DAY)))
}

fn time_minus(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match (&args[0], &args[1]) {
        (Datum::Time(left), Datum::Time(right)) => {
            Ok(Datum::Interval(Interval { months: 0, days: 0, micros: left - right }))
        }
        _ => Err(mismatch()),
    }
}

fn difference(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    datetime::subtract_timestamps(timestamp(&args[0])?, timestamp(&args[1])?).map(Datum::Interval)
}

fn interval_plus(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    interval(&args[0])?.checked_add(interval(&args[1])?).map(Datum::Interval)
}

fn interval_minus(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    interval(&args[0])?.checked_sub(interval(&args[1])?).map(Datum::Interval)
}

fn interval_negate(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    interval(&args[0])?.checked_neg().map(Datum::Interval)
}

fn scale(value: &Datum, factor: &Datum) -> Result<Datum> {
    let Datum::Float8(factor) = factor else { return Err(mismatch()) };
    interval(value)?.checked_mul(*factor).map(Datum::Interval)
}

fn divide(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let Datum::Float8(divisor) = &args[1] else { return Err(mismatch()) };
    interval(&args[0])?.checked_div(*divisor).map(Datum::Interval)
}

fn justify_interval(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let whole = interval(&args[0])?.justify_hours()?.justify_days()?;
    let (mut months, mut days, mut micros) = (i64::from(whole.months), i64::from(whole.days), whole.micros);
    // All three parts get one sign, as far as they can.
    if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
        (months, days) = (months + 1, days - 30);
    }
    if days > 0 && micros < 0 {
        (days, micros) = (days - 1, micros + Interval::MICROS_PER_DAY);
    } else if days < 0 && micros > 0 {
        (days, micros) = (days + 1, micros - Interval::MICROS_PER_DAY);
    }
    let part = |value: i64| {
        i32::try_from(value).map_err(|_| SqlError::new(SqlState::DatetimeFieldOverflow, "interval out of range"))
    };
    Ok(Datum::Interval(Interval { months: part(months)?, days: part(days)?, micros }))
}

fn field_of(args: &[Datum], call: &Call<'_>, data_type: usize) -> Result<DateField> {
    DateField::parse(text(&args[0])?, &call.arg_types[data_type])
}

/// A unit to truncate to: some fields are none.
fn unit_of(args: &[Datum], call: &Call<'_>) -> Result<DateField> {
    let field = field_of(args, call, 1)?;
    match field {
        DateField::DayOfWeek
        | DateField::IsoDayOfWeek
        | DateField::DayOfYear
        | DateField::IsoYear
        | DateField::Julian
        | DateField::Epoch => Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("unit \"{}\" not recognized for type {}", text(&args[0])?, call.arg_types[1].sql_name()),
        )),
        _ => Ok(field),
    }
}

fn extracted(args: &[Datum], call: &Call<'_>) -> Result<Option<Numeric>> {
    let field = field_of(args, call, 1)?;
    match &args[1] {
        Datum::Date(days) => datetime::extract_from_date(field, *days),
        Datum::Time(micros) => datetime::extract_from_time(field, *micros).map(Some),
        Datum::Interval(value) => datetime::extract_from_interval(field, *value).map(Some),
        Datum::Timestamp(micros) => {
            let zone = (call.arg_types[1] == DataType::Timestamptz).then_some(&call.context.settings.time_zone);
            datetime::extract_from_timestamp(field, *micros, zone)
        }
        _ => Err(mismatch()),
    }
}

fn extract(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(extracted(args, call)?.map_or(Datum::Null, Datum::Numeric))
}

fn date_part(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(extracted(args, call)?.map_or(Datum::Null, |value| Datum::Float8(value.to_f64())))
}

fn truncate_batch(args: &[Operand], rows: usize, call: &Call<'_>) -> Evaluated {
    let zone = (*call.data_type == DataType::Timestamptz).then_some(&call.context.settings.time_zone);
    let by_row = |row: &[Datum]| {
        let field = unit_of(row, call)?;
        datetime::truncate_timestamp(field, timestamp(&row[1])?, zone).map(Datum::Timestamp)
    };
    if !args[0].is_constant() || args[0].is_null(0) || args[1].is_constant() {
        return by_rows(true, args, rows, call, by_row);
    }
    let unit = args[0].datum(0, &DataType::Text);
    match unit_of(&[unit], call) {
        Ok(field) => {
            map_timestamps(args[1].array(), call.data_type, |micros| datetime::truncate_timestamp(field, micros, zone))
        }
        Err(_) => by_rows(true, args, rows, call, by_row),
    }
}

fn truncate_in_zone(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let field = unit_of(args, call)?;
    let zone = TimeZone::parse_at_time_zone(text(&args[2])?)?;
    datetime::truncate_timestamp(field, timestamp(&args[1])?, Some(&zone)).map(Datum::Timestamp)
}

fn truncate_interval(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    datetime::truncate_interval(unit_of(args, call)?, interval(&args[1])?).map(Datum::Interval)
}

fn bin(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    datetime::date_bin(interval(&args[0])?, timestamp(&args[1])?, timestamp(&args[2])?).map(Datum::Timestamp)
}

/// AT TIME ZONE: a wall clock of the zone as an instant, an instant as the zone's wall clock.
fn to_zone(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let zone = match &args[0] {
        Datum::Interval(offset) => {
            let seconds = (offset.months == 0 && offset.days == 0)
                .then(|| i32::try_from(offset.micros / datetime::MICROS_PER_SECOND).ok())
                .flatten();
            TimeZone::fixed(seconds.ok_or_else(|| {
                SqlError::new(SqlState::InvalidParameterValue, "interval time zone must not include months or days")
            })?)
        }
        name => TimeZone::parse_at_time_zone(text(name)?)?,
    };
    let micros = timestamp(&args[1])?;
    let converted = if call.arg_types[1] == DataType::Timestamptz {
        datetime::timestamptz_to_timestamp(micros, &zone)
    } else {
        datetime::timestamp_to_timestamptz(micros, &zone)
    };
    converted.map(Datum::Timestamp)
}

/// The wall clock to compute ages with.
fn local(datum: &Datum, data_type: &DataType, call: &Call<'_>) -> Result<i64> {
    let micros = timestamp(datum)?;
    match data_type {
        DataType::Timestamptz => datetime::timestamptz_to_timestamp(micros, &call.context.settings.time_zone),
        _ => Ok(micros),
    }
}

fn age(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let (later, earlier) = (local(&args[0], &call.arg_types[0], call)?, local(&args[1], &call.arg_types[1], call)?);
    datetime::age(later, earlier).map(Datum::Interval)
}

fn age_today(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let now = datetime::timestamptz_to_timestamp(call.context.now_micros, &call.context.settings.time_zone)?;
    let midnight = now - now.rem_euclid(Interval::MICROS_PER_DAY);
    datetime::age(midnight, local(&args[0], &call.arg_types[0], call)?).map(Datum::Interval)
}

fn is_finite(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Bool(match &args[0] {
        Datum::Date(days) => datetime::is_finite_date(*days),
        Datum::Timestamp(micros) => datetime::is_finite_timestamp(*micros),
        _ => true,
    }))
}
