//! Constructors: `make_date`, `make_timestamp`, `make_interval`, `to_timestamp(double precision)`.

use super::mismatch;
use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::datetime::{self, Civil, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use headwater_types::{DataType, Datum, Interval, Result, SqlError, SqlState, TimeZone};

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

pub(super) const ENTRIES: &[Entry] = &[
    function("make_date", "int4,int4,int4", "date", rows!(make_date)).fallible(),
    function("make_time", "int4,int4,float8", "time", rows!(make_time)).fallible(),
    function("make_timestamp", "int4,int4,int4,int4,int4,float8", "timestamp", rows!(make_timestamp)).fallible(),
    function("make_timestamptz", "int4,int4,int4,int4,int4,float8", "timestamptz", rows!(make_timestamp))
        .fallible()
        .stable(),
    function("make_timestamptz", "int4,int4,int4,int4,int4,float8,text", "timestamptz", rows!(make_timestamp))
        .fallible()
        .stable(),
    function("make_interval", "", "interval", rows!(make_interval)),
    function("make_interval", "int4", "interval", rows!(make_interval)).fallible(),
    function("make_interval", "int4,int4", "interval", rows!(make_interval)).fallible(),
    function("make_interval", "int4,int4,int4", "interval", rows!(make_interval)).fallible(),
    function("make_interval", "int4,int4,int4,int4", "interval", rows!(make_interval)).fallible(),
    function("make_interval", "int4,int4,int4,int4,int4", "interval", rows!(make_interval)).fallible(),
    function("make_interval", "int4,int4,int4,int4,int4,int4", "interval", rows!(make_interval)).fallible(),
    function("make_interval", "int4,int4,int4,int4,int4,int4,float8", "interval", rows!(make_interval)).fallible(),
    function("to_timestamp", "float8", "timestamptz", rows!(from_epoch)).fallible(),
];

fn integer(datum: &Datum) -> Result<i64> {
    match datum {
        Datum::Int4(value) => Ok(i64::from(*value)),
        _ => Err(mismatch()),
    }
}

fn seconds(datum: &Datum) -> Result<f64> {
    match datum {
        Datum::Float8(value) => Ok(*value),
        _ => Err(mismatch()),
    }
}

fn field_overflow(message: String) -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, message)
}

/// A date; negative years are BC.
fn day(year: i64, month: i64, day: i64) -> Result<i64> {
    let bad = || field_overflow(format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let civil = Civil { year: if year < 0 { year + 1 } else { year }, month, day };
    if year == 0 || !(1..=12).contains(&month) || day < 1 || day > Civil::days_in_month(civil.year, month) {
        return Err(bad());
    }
    Ok(civil.to_days())
}

fn time(hour: i64, minute: i64, second: f64) -> Result<i64> {
    let bad = || field_overflow(format!("time field value out of range: {hour}:{minute:02}:{second:02}"));
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&second) {
        return Err(bad());
    }
    let micros = crate::eval::cast::f64_to_i64((second * 1e6).round_ties_even()).ok_or_else(bad)?;
    let total = hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + micros;
    if total > Interval::MICROS_PER_DAY { Err(bad()) } else { Ok(total) }
}

fn make_date(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    datetime::check_date(day(integer(&args[0])?, integer(&args[1])?, integer(&args[2])?)?).map(Datum::Date)
}

fn make_time(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    time(integer(&args[0])?, integer(&args[1])?, seconds(&args[2])?).map(Datum::Time)
}

fn make_timestamp(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let days = day(integer(&args[0])?, integer(&args[1])?, integer(&args[2])?)?;
    let time = time(integer(&args[3])?, integer(&args[4])?, seconds(&args[5])?)?;
    let local = datetime::check_timestamp(days.saturating_mul(Interval::MICROS_PER_DAY).saturating_add(time))?;
    if *call.data_type == DataType::Timestamp {
        return Ok(Datum::Timestamp(local));
    }
    let named = match args.get(6) {
        Some(Datum::Text(name)) => Some(TimeZone::parse_at_time_zone(name)?),
        _ => None,
    };
    let zone = named.as_ref().unwrap_or(&call.context.settings.time_zone);
    datetime::timestamp_to_timestamptz(local, zone).map(Datum::Timestamp)
}

fn make_interval(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let part = |place: usize| args.get(place).map_or(Ok(0), integer);
    let range = || field_overflow("interval out of range".to_owned());
    let months = part(0)?.checked_mul(12).and_then(|months| months.checked_add(part(1).ok()?)).ok_or_else(range)?;
    let days = part(2)? * 7 + part(3)?;
    let fraction = args.get(6).map_or(Ok(0.0), seconds)?;
    if !fraction.is_finite() {
        return Err(range());
    }
    let micros = crate::eval::cast::f64_to_i64((fraction * 1e6).round_ties_even()).ok_or_else(range)?;
    let micros = (part(4)? * MICROS_PER_HOUR + part(5)? * MICROS_PER_MINUTE).checked_add(micros).ok_or_else(range)?;
    let (months, days) = (i32::try_from(months).map_err(|_| range())?, i32::try_from(days).map_err(|_| range())?);
    Interval::checked(months, days, micros).map(Datum::Interval)
}

/// Seconds since 1970.
fn from_epoch(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let value = seconds(&args[0])?;
    let bad = || field_overflow(format!("timestamp out of range: \"{value}\""));
    if value.is_nan() {
        return Err(field_overflow("timestamp cannot be NaN".to_owned()));
    }
    if value.is_infinite() {
        return Ok(Datum::Timestamp(if value > 0.0 { i64::MAX } else { i64::MIN }));
    }
    // The whole and the fraction apart, so that the product keeps microseconds.
    let whole = crate::eval::cast::f64_to_i64(value.floor()).ok_or_else(bad)?;
    let fraction = crate::eval::cast::f64_to_i64(((value - value.floor()) * 1e6).round_ties_even()).ok_or_else(bad)?;
    let micros = whole.checked_mul(MICROS_PER_SECOND).and_then(|micros| micros.checked_add(fraction));
    datetime::check_timestamp(micros.ok_or_else(bad)?).map(Datum::Timestamp)
}
