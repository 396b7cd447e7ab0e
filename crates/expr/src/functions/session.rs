//! The session, and odds and ends that need no catalog.

use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::{Datum, Numeric, Result, SqlError, SqlState};
use std::time::Duration;

/// The longest `pg_sleep`, in seconds: it holds a thread.
const SLEEP_SECONDS_MAX: f64 = 60.0;

/// How often a sleeping statement looks whether it is to stop.
const SLEEP_POLL: Duration = Duration::from_millis(10);

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

pub(super) const ENTRIES: &[Entry] = &[
    function("current_user", "", "name", rows!(user)).stable(),
    function("session_user", "", "name", rows!(user)).stable(),
    function("user", "", "name", rows!(user)).stable(),
    function("current_role", "", "name", rows!(user)).stable(),
    function("current_database", "", "name", rows!(database)).stable(),
    function("current_catalog", "", "name", rows!(database)).stable(),
    function("pg_typeof", "any", "regtype", rows!(type_of)).lax().stable(),
    function("pg_sleep", "float8", "void", rows!(sleep)).volatile().fallible(),
    function("pg_advisory_unlock_all", "", "void", rows!(|_, _| Ok(Datum::Null))).volatile(),
    function("pg_size_pretty", "int8", "text", rows!(size_pretty)),
    function("pg_size_pretty", "numeric", "text", rows!(size_pretty)).fallible(),
    function("num_nulls", "variadic any", "int4", rows!(|a, _| count(a, true))).lax(),
    function("num_nonnulls", "variadic any", "int4", rows!(|a, _| count(a, false))).lax(),
];

fn user(_: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(Datum::text(&call.context.settings.user))
}

fn database(_: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(Datum::text(&call.context.settings.database))
}

fn type_of(_: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Oid(call.arg_types[0].oid()))
}

fn count(args: &[Datum], nulls: bool) -> Result<Datum> {
    let count = args.iter().filter(|arg| arg.is_null() == nulls).count();
    Ok(Datum::Int4(i32::try_from(count).unwrap_or(i32::MAX)))
}

fn sleep(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let Datum::Float8(seconds) = args[0] else {
        return Err(SqlError::internal("pg_sleep met arguments it was not resolved for"));
    };
    if seconds > SLEEP_SECONDS_MAX {
        return Err(SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("pg_sleep sleeps at most {SLEEP_SECONDS_MAX} seconds"),
        ));
    }
    // NaN and what is negative do not sleep.
    let mut left = if seconds > 0.0 { Duration::from_secs_f64(seconds) } else { Duration::ZERO };
    while !left.is_zero() {
        call.context.catalog.map_or(Ok(()), |catalog| catalog.check_interrupt())?;
        let nap = left.min(SLEEP_POLL);
        std::thread::sleep(nap);
        left -= nap;
    }
    Ok(Datum::Null)
}

/// Bytes in the unit that leaves fewer than 10240 of it, rounded half away from zero.
fn size_pretty(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let mut size: i128 = match &args[0] {
        Datum::Int8(size) => i128::from(*size),
        Datum::Numeric(value @ Numeric::Finite(_)) => value.trunc(0)?.to_integer("numeric")?,
        _ => return Err(SqlError::unsupported("pg_size_pretty of a special value")),
    };
    let (mut unit, mut limit, mut halved) = (0, 10 * 1024, false);
    while unit + 1 < UNITS.len() && size.abs() >= limit {
        // One bit more is kept than shown, to round by at the end.
        let shift = if unit == 0 { 9 } else { 10 };
        size /= 1 << shift;
        (unit, limit, halved) = (unit + 1, 20 * 1024 - 1, true);
    }
    if halved {
        size = (size + size.signum()) / 2;
    }
    Ok(Datum::text(format!("{size} {}", UNITS[unit])))
}
