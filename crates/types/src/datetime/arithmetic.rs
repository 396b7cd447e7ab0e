//! Arithmetic of timestamps and intervals.

use super::{
    Civil, MICROS_PER_DAY, check_date, check_timestamp, is_finite_timestamp, split_timestamp, timestamp_out_of_range,
};
use crate::{Interval, Result, SqlError, SqlState, TimeZone};

/// `timestamp + interval`: months first (at most to the end of a month), then days, then time. With a zone it is
/// `timestamptz + interval`: months and days move the local clock. Infinity stays.
///
/// # Errors
///
/// 22008 out of range.
pub fn add_interval(micros: i64, interval: Interval, zone: Option<&TimeZone>) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let mut moment = micros;
    if interval.months != 0 || interval.days != 0 {
        let local = zone.map_or(moment, |zone| zone.utc_to_local(moment));
        let (mut days, time) = split_timestamp(local);
        if interval.months != 0 {
            days = Civil::from_days(days).add_months(i64::from(interval.months)).to_days();
        }
        days += i64::from(interval.days);
        let local = days.checked_mul(MICROS_PER_DAY).and_then(|midnight| midnight.checked_add(time));
        let local = check_timestamp(local.ok_or_else(timestamp_out_of_range)?)?;
        moment = zone.map_or(local, |zone| zone.local_to_utc(local));
    }
    check_timestamp(moment.checked_add(interval.micros).ok_or_else(timestamp_out_of_range)?)
}

/// `timestamp - timestamp`: days and time.
///
/// # Errors
///
/// 22008 for infinite operands, or out of range.
pub fn subtract_timestamps(left: i64, right: i64) -> Result<Interval> {
    if !is_finite_timestamp(left) || !is_finite_timestamp(right) {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "cannot subtract infinite timestamps"));
    }
    let difference = left.checked_sub(right).ok_or_else(crate::interval::out_of_range)?;
    let days = i32::try_from(difference / MICROS_PER_DAY).map_err(|_| crate::interval::out_of_range())?;
    Ok(Interval { months: 0, days, micros: difference % MICROS_PER_DAY })
}

/// `age(left, right)`: the difference in years, months, days and time of the calendar (PostgreSQL's `timestamp_age`).
/// For `timestamptz`, pass local times.
///
/// # Errors
///
/// 22008 for infinite operands.
pub fn age(left: i64, right: i64) -> Result<Interval> {
    if !is_finite_timestamp(left) || !is_finite_timestamp(right) {
        return Err(timestamp_out_of_range());
    }
    let negative = left < right;
    let (later, earlier) = if negative { (right, left) } else { (left, right) };
    let ((later_days, later_time), (earlier_days, earlier_time)) = (split_timestamp(later), split_timestamp(earlier));
    let (to, from) = (Civil::from_days(later_days), Civil::from_days(earlier_days));
    let mut micros = later_time - earlier_time;
    let mut days = to.day - from.day;
    let mut months = (to.year - from.year) * 12 + to.month - from.month;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        // The month that PostgreSQL borrows is the earlier date's.
        days += Civil::days_in_month(from.year, from.month);
        months -= 1;
    }
    let sign = if negative { -1 } else { 1 };
    let part = |value: i64| i32::try_from(sign * value).map_err(|_| crate::interval::out_of_range());
    Ok(Interval { months: part(months)?, days: part(days)?, micros: sign * micros })
}

/// `date_bin(stride, timestamp, origin)`: the start of the window of this length that holds the timestamp.
///
/// # Errors
///
/// 0A000 for a stride with months, 22008 for a stride of zero or less.
pub fn date_bin(stride: Interval, micros: i64, origin: i64) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    if !is_finite_timestamp(origin) {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "origin out of range"));
    }
    if stride.months != 0 {
        let message = "timestamps cannot be binned into intervals containing months or years";
        return Err(SqlError::new(SqlState::FeatureNotSupported, message));
    }
    let length = i64::from(stride.days)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|days| days.checked_add(stride.micros))
        .ok_or_else(crate::interval::out_of_range)?;
    if length <= 0 {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "stride must be greater than zero"));
    }
    let since = micros.checked_sub(origin).ok_or_else(timestamp_out_of_range)?;
    check_timestamp(micros - since.rem_euclid(length))
}

/// The moment at which the zone's clocks show this time; infinity stays.
///
/// # Errors
///
/// 22008 out of range.
pub fn timestamp_to_timestamptz(micros: i64, zone: &TimeZone) -> Result<i64> {
    if is_finite_timestamp(micros) { check_timestamp(zone.local_to_utc(micros)) } else { Ok(micros) }
}

/// What the zone's clocks show at this moment; infinity stays.
///
/// # Errors
///
/// 22008 out of range.
pub fn timestamptz_to_timestamp(micros: i64, zone: &TimeZone) -> Result<i64> {
    if is_finite_timestamp(micros) { check_timestamp(zone.utc_to_local(micros)) } else { Ok(micros) }
}

/// `date + integer`; infinity stays.
///
/// # Errors
///
/// 22008 out of range.
pub fn add_days(days: i32, more: i64) -> Result<i32> {
    if super::is_finite_date(days) { check_date(i64::from(days).saturating_add(more)) } else { Ok(days) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datetime::{MICROS_PER_HOUR, TIMESTAMP_INFINITY};

    fn at(year: i64, month: i64, day: i64, hour: i64) -> i64 {
        Civil { year, month, day }.to_days() * MICROS_PER_DAY + hour * MICROS_PER_HOUR
    }

    fn months(months: i32) -> Interval {
        Interval { months, ..Interval::default() }
    }

    #[test]
    fn months_stop_at_the_end_of_the_month() {
        assert_eq!(add_interval(at(2024, 1, 31, 0), months(1), None), Ok(at(2024, 2, 29, 0)));
        assert_eq!(add_interval(at(2024, 3, 31, 0), months(-1), None), Ok(at(2024, 2, 29, 0)));
        assert_eq!(add_interval(TIMESTAMP_INFINITY, months(1), None), Ok(TIMESTAMP_INFINITY));
        assert!(add_interval(at(2024, 1, 1, 0), months(i32::MAX), None).is_err());
        assert_eq!(add_days(i32::MAX, 1), Ok(i32::MAX));
        assert!(add_days(0, i64::MAX).is_err());
    }

    #[test]
    fn days_move_the_local_clock_and_hours_do_not() {
        let zone = TimeZone::parse("America/New_York").expect("a zone");
        let noon = at(2024, 3, 9, 17); // 12:00 EST, the day before clocks go forward
        let day = Interval { days: 1, ..Interval::default() };
        let hours = Interval { micros: MICROS_PER_DAY, ..Interval::default() };
        assert_eq!(add_interval(noon, day, Some(&zone)), Ok(at(2024, 3, 10, 16)));
        assert_eq!(add_interval(noon, hours, Some(&zone)), Ok(at(2024, 3, 10, 17)));
    }

    #[test]
    fn differences_are_days_and_calendar_ages() {
        let difference = subtract_timestamps(at(2024, 3, 1, 0), at(2024, 2, 1, 12)).expect("in range");
        assert_eq!(difference, Interval { months: 0, days: 28, micros: 12 * MICROS_PER_HOUR });
        assert_eq!(age(at(2024, 3, 1, 0), at(2024, 1, 31, 0)), Ok(Interval { months: 1, days: 1, micros: 0 }));
        assert_eq!(age(at(2024, 1, 31, 0), at(2024, 3, 1, 0)), Ok(Interval { months: -1, days: -1, micros: 0 }));
        assert!(subtract_timestamps(TIMESTAMP_INFINITY, 0).is_err());
    }

    #[test]
    fn bins_hold_their_timestamps() {
        let stride = Interval { micros: 15 * 60_000_000, ..Interval::default() };
        let origin = at(2001, 1, 1, 0);
        assert_eq!(
            date_bin(stride, at(2024, 1, 2, 3) + 22 * 60_000_000, origin),
            Ok(at(2024, 1, 2, 3) + 15 * 60_000_000)
        );
        assert_eq!(date_bin(stride, at(1999, 1, 2, 3) + 1, origin), Ok(at(1999, 1, 2, 3)));
        assert!(date_bin(months(1), 0, origin).is_err());
        assert!(date_bin(Interval::default(), 0, origin).is_err());
    }
}
