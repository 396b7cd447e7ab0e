//! Dates, times and time zones: civil conversions, arithmetic, and PostgreSQL's text forms.
//!
//! Dates are days and timestamps microseconds since 1970-01-01 00:00, in the proleptic Gregorian calendar; the greatest
//! and least values of their integers are ±infinity. Years are astronomical: 0 is 1 BC.
//!
//! # Invariants
//!
//! 1. A finite date lies in [`DATE_MIN`]`..=`[`DATE_MAX`], a finite timestamp in [`TIMESTAMP_MIN`]`..`[`TIMESTAMP_END`];
//!    what leaves them is 22008.
//! 2. No clock is read: `now` is passed in.

mod arithmetic;
mod field;
mod format;
mod interval_text;
mod parse;
mod zone;

pub use arithmetic::{
    add_days, add_interval, age, date_bin, subtract_timestamps, timestamp_to_timestamptz, timestamptz_to_timestamp,
};
pub use field::{
    DateField, extract_from_date, extract_from_interval, extract_from_time, extract_from_timestamp, truncate_interval,
    truncate_timestamp,
};
pub(crate) use format::{push_date, push_interval, push_time, push_timestamp};
pub use interval_text::{IntervalUnit, parse_interval};
pub(crate) use parse::{parse_date, parse_iso_timestamp, parse_time, parse_timestamp};

use crate::{Result, SqlError, SqlState};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// Microseconds in an hour.
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
/// Microseconds in a day of 24 hours.
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// The Julian day of 1970-01-01.
pub const UNIX_EPOCH_JULIAN: i64 = 2_440_588;
/// The first date: Julian day 0, 4714-11-24 BC.
pub const DATE_MIN: i32 = -2_440_588;
/// The last date: 5874897-12-31.
pub const DATE_MAX: i32 = 2_145_042_905;
/// The date `infinity`.
pub const DATE_INFINITY: i32 = i32::MAX;
/// The date `-infinity`.
pub const DATE_NEG_INFINITY: i32 = i32::MIN;
/// The first timestamp: 4714-11-24 00:00 BC.
pub const TIMESTAMP_MIN: i64 = -2_440_588 * MICROS_PER_DAY;
/// The first moment that is not a timestamp any more: 294247-01-01 00:00. PostgreSQL counts from 2000 and goes 30 years
/// further.
pub const TIMESTAMP_END: i64 = 106_751_982 * MICROS_PER_DAY;
/// The timestamp `infinity`.
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// The timestamp `-infinity`.
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// The astronomical year: 0 is 1 BC.
    pub year: i64,
    /// 1–12.
    pub month: i64,
    /// 1–31.
    pub day: i64,
}

impl Civil {
    /// The day with this number (0 is 1970-01-01). After Howard Hinnant's `civil_from_days`.
    #[must_use]
    pub fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// The day's number. After Howard Hinnant's `days_from_civil`.
    #[must_use]
    pub fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// Whether the year has 366 days.
    #[must_use]
    pub fn is_leap(year: i64) -> bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    /// The number of days in a month.
    #[must_use]
    pub fn days_in_month(year: i64, month: i64) -> i64 {
        match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + i64::from(Self::is_leap(year)),
            _ => 31,
        }
    }

    /// This day some months later, at most the last of its month.
    #[must_use]
    pub fn add_months(self, months: i64) -> Self {
        let month = self.year * 12 + (self.month - 1) + months;
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(Self::days_in_month(year, month)) }
    }
}

/// The day of the week: Sunday is 0.
#[must_use]
pub fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// 22008 `timestamp out of range`.
pub(crate) fn timestamp_out_of_range() -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, "timestamp out of range")
}

/// Whether a timestamp is neither `infinity` nor `-infinity`.
#[must_use]
pub fn is_finite_timestamp(micros: i64) -> bool {
    micros != TIMESTAMP_INFINITY && micros != TIMESTAMP_NEG_INFINITY
}

/// Whether a date is neither `infinity` nor `-infinity`.
#[must_use]
pub fn is_finite_date(days: i32) -> bool {
    days != DATE_INFINITY && days != DATE_NEG_INFINITY
}

/// The timestamp, if it is a valid finite one.
///
/// # Errors
///
/// 22008 `timestamp out of range`.
pub fn check_timestamp(micros: i64) -> Result<i64> {
    if (TIMESTAMP_MIN..TIMESTAMP_END).contains(&micros) { Ok(micros) } else { Err(timestamp_out_of_range()) }
}

/// The date of this day number, if it is a valid finite one.
///
/// # Errors
///
/// 22008 `date out of range`.
pub fn check_date(days: i64) -> Result<i32> {
    i32::try_from(days)
        .ok()
        .filter(|days| (DATE_MIN..=DATE_MAX).contains(days))
        .ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range"))
}

/// A timestamp's day number and the microseconds since its midnight.
#[must_use]
pub fn split_timestamp(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))
}

/// A date as the timestamp of its midnight; infinity stays so.
///
/// # Errors
///
/// 22008 `date out of range for timestamp`.
pub fn date_to_timestamp(days: i32) -> Result<i64> {
    match days {
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        DATE_NEG_INFINITY => Ok(TIMESTAMP_NEG_INFINITY),
        days => check_timestamp(i64::from(days).saturating_mul(MICROS_PER_DAY))
            .map_err(|_| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range for timestamp")),
    }
}

/// A timestamp's date; infinity stays so.
#[must_use]
pub fn timestamp_to_date(micros: i64) -> i32 {
    match micros {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        TIMESTAMP_NEG_INFINITY => DATE_NEG_INFINITY,
        micros => i32::try_from(split_timestamp(micros).0).expect("a timestamp's days fit 32 bits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_conversions_are_inverse() {
        for days in (-2_440_588..2_145_042_905i64).step_by(99_991).chain(-800_000..800_000) {
            let civil = Civil::from_days(days);
            assert_eq!(civil.to_days(), days, "{civil:?}");
            assert!((1..=12).contains(&civil.month) && (1..=31).contains(&civil.day), "{civil:?}");
        }
        assert_eq!(Civil::from_days(0), Civil { year: 1970, month: 1, day: 1 });
        assert_eq!(Civil::from_days(i64::from(DATE_MIN)), Civil { year: -4713, month: 11, day: 24 });
        assert_eq!(Civil::from_days(i64::from(DATE_MAX)), Civil { year: 5_874_897, month: 12, day: 31 });
        assert_eq!(TIMESTAMP_END, Civil { year: 294_247, month: 1, day: 1 }.to_days() * MICROS_PER_DAY);
        assert_eq!(day_of_week(0), 4);
    }
}
