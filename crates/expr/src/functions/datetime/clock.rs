//! The time: of the transaction, and of the clock on the wall.

use crate::EvalContext;
use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::datetime::{self, MICROS_PER_SECOND};
use headwater_types::{DataType, Datum, Interval, Result, TimeZone};
use std::time::{SystemTime, UNIX_EPOCH};

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

pub(super) const ENTRIES: &[Entry] = &[
    function("now", "", "timestamptz", rows!(now)).stable(),
    function("transaction_timestamp", "", "timestamptz", rows!(now)).stable(),
    function("statement_timestamp", "", "timestamptz", rows!(now)).stable(),
    function("current_timestamp", "", "timestamptz", rows!(now)).stable(),
    function("current_timestamp", "int4", "timestamptz", rows!(now)).stable(),
    function("localtimestamp", "", "timestamp", rows!(now)).stable(),
    function("localtimestamp", "int4", "timestamp", rows!(now)).stable(),
    function("current_date", "", "date", rows!(today)).stable(),
    function("localtime", "", "time", rows!(local_time)).stable(),
    function("clock_timestamp", "", "timestamptz", rows!(clock)).volatile(),
    function("date", "timestamp", "date", rows!(date_of)),
    function("date", "timestamptz", "date", rows!(date_of)).stable(),
];

/// Rounds to the digits of a second that the precision asks for.
fn rounded(micros: i64, args: &[Datum]) -> i64 {
    let Some(Datum::Int4(digits)) = args.first() else { return micros };
    let digits = u32::try_from((*digits).clamp(0, 6)).expect("clamped above zero");
    let unit = 10_i64.pow(6 - digits);
    (micros + unit / 2).div_euclid(unit) * unit
}

fn local_now(context: &EvalContext<'_>) -> i64 {
    context.settings.time_zone.utc_to_local(context.now_micros)
}

fn now(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let micros = if *call.data_type == DataType::Timestamp { local_now(call.context) } else { call.context.now_micros };
    Ok(Datum::Timestamp(rounded(micros, args)))
}

fn today(_: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Date(datetime::timestamp_to_date(local_now(call.context))))
}

fn local_time(_: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Time(local_now(call.context).rem_euclid(Interval::MICROS_PER_DAY)))
}

/// The machine's clock: volatile, so never part of a view.
fn clock(_: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Datum::Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

fn date_of(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let Datum::Timestamp(micros) = args[0] else { return Err(super::mismatch()) };
    let local = match call.arg_types[0] {
        DataType::Timestamptz => datetime::timestamptz_to_timestamp(micros, &call.context.settings.time_zone)?,
        _ => micros,
    };
    Ok(Datum::Date(datetime::timestamp_to_date(local)))
}

/// The rows of `pg_timezone_names()` at a moment.
pub(crate) fn zone_rows(now_micros: i64) -> Vec<Vec<Datum>> {
    chrono_tz::TZ_VARIANTS
        .iter()
        .map(|tz| {
            let zone = TimeZone::Named(*tz);
            let offset = i64::from(zone.offset_at_utc(now_micros));
            // Summer time is the greater of the two offsets around the year.
            let half_year = 182 * Interval::MICROS_PER_DAY;
            let other = i64::from(zone.offset_at_utc(now_micros.saturating_add(half_year)));
            let interval = Interval { months: 0, days: 0, micros: offset * MICROS_PER_SECOND };
            vec![
                Datum::text(tz.name()),
                Datum::text(zone.abbreviation_at_utc(now_micros)),
                Datum::Interval(interval),
                Datum::Bool(offset > other),
            ]
        })
        .collect()
}
