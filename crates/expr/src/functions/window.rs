//! Time windows: `tumble_start(time, size [, offset])`, the start of the window that holds a moment.
//!
//! Windows count from 1970-01-01 00:00 (UTC for `timestamptz`), shifted by the offset; a day counts 24 hours. The
//! window ends `size` after its start.

use super::datetime::map_timestamps;
use crate::eval::{Evaluated, Operand, by_rows};
use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::datetime;
use headwater_types::{DataType, Datum, Interval, Result, SqlError, SqlState};

const TUMBLE: Kernel = Kernel::Batch(tumble_batch);

pub(super) const ENTRIES: &[Entry] = &[
    function("tumble_start", "timestamp,interval", "timestamp", TUMBLE).fallible(),
    function("tumble_start", "timestamptz,interval", "timestamptz", TUMBLE).fallible(),
    function("tumble_start", "date,interval", "timestamp", TUMBLE).fallible(),
    function("tumble_start", "timestamp,interval,interval", "timestamp", TUMBLE).fallible(),
    function("tumble_start", "timestamptz,interval,interval", "timestamptz", TUMBLE).fallible(),
    function("tumble_start", "date,interval,interval", "timestamp", TUMBLE).fallible(),
];

/// The length in microseconds of an interval without months.
fn fixed_length(datum: &Datum, what: &str) -> Result<i64> {
    let Datum::Interval(Interval { months, days, micros }) = datum else {
        return Err(SqlError::internal("tumble_start met arguments it was not resolved for"));
    };
    if *months != 0 {
        return Err(SqlError::unsupported(format!("a window {what} in months or years")));
    }
    i64::from(*days)
        .checked_mul(Interval::MICROS_PER_DAY)
        .and_then(|day_micros| day_micros.checked_add(*micros))
        .ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "interval out of range"))
}

/// Size and offset.
fn window(size: &Datum, offset: Option<&Datum>) -> Result<(i64, i64)> {
    let length = fixed_length(size, "size")?;
    if length <= 0 {
        return Err(SqlError::new(SqlState::InvalidParameterValue, "window size must be greater than zero"));
    }
    Ok((length, offset.map_or(Ok(0), |offset| fixed_length(offset, "offset"))?))
}

fn start(micros: i64, (size, offset): (i64, i64)) -> Result<i64> {
    if !datetime::is_finite_timestamp(micros) {
        return Ok(micros);
    }
    // Where the difference fits 64 bits, which it nearly always does, the division is much cheaper.
    let into = match micros.checked_sub(offset) {
        Some(since) => since.rem_euclid(size),
        None => i64::try_from((i128::from(micros) - i128::from(offset)).rem_euclid(i128::from(size)))
            .expect("a remainder is smaller than its divisor"),
    };
    datetime::check_timestamp(micros.saturating_sub(into))
}

fn tumble_batch(args: &[Operand], rows: usize, call: &Call<'_>) -> Evaluated {
    let constant_window = args[1..].iter().all(|arg| arg.is_constant() && !arg.is_null(0));
    if constant_window && !args[0].is_constant() && call.arg_types[0] != DataType::Date {
        let size = args[1].datum(0, &DataType::Interval);
        let offset = args.get(2).map(|offset| offset.datum(0, &DataType::Interval));
        if let Ok(window) = window(&size, offset.as_ref()) {
            return map_timestamps(args[0].array(), call.data_type, |micros| start(micros, window));
        }
    }
    by_rows(true, args, rows, call, |row| {
        let micros = match &row[0] {
            Datum::Timestamp(micros) => *micros,
            Datum::Date(days) => datetime::date_to_timestamp(*days)?,
            _ => return Err(SqlError::internal("tumble_start met arguments it was not resolved for")),
        };
        start(micros, window(&row[1], row.get(2))?).map(Datum::Timestamp)
    })
}
