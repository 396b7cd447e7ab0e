//! PostgreSQL's `interval`: months, days and microseconds, kept apart.

use crate::{Result, SqlError, SqlState};
use serde::{Deserialize, Serialize};

/// A span of time whose three parts are never merged: a month has no fixed number of days, nor a day of hours.
///
/// Equality and hashing here are *identity* (`24:00:00` is not `1 day`); SQL equality compares [`Interval::sql_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Interval {
    /// Whole months; twelve make a year.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

/// 22008 `interval out of range`.
pub(crate) fn out_of_range() -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, "interval out of range")
}

impl Interval {
    /// Microseconds in a day of 24 hours.
    pub const MICROS_PER_DAY: i64 = 86_400_000_000;
    /// The greatest number of microseconds that a column keeps (292 years of hours): it counts nanoseconds.
    pub const MICROS_MAX: i64 = i64::MAX / 1000;

    /// An interval of these parts.
    ///
    /// # Errors
    ///
    /// 22008 beyond ±[`Interval::MICROS_MAX`].
    pub fn checked(months: i32, days: i32, micros: i64) -> Result<Self> {
        if (-Self::MICROS_MAX..=Self::MICROS_MAX).contains(&micros) {
            Ok(Self { months, days, micros })
        } else {
            Err(out_of_range())
        }
    }

    /// The value SQL comparison uses: microseconds with 30-day months and 24-hour days (`interval_cmp_value`).
    #[must_use]
    pub fn sql_key(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(Self::MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// The sum, part by part.
    ///
    /// # Errors
    ///
    /// 22008 out of range.
    pub fn checked_add(self, other: Self) -> Result<Self> {
        let months = self.months.checked_add(other.months).ok_or_else(out_of_range)?;
        let days = self.days.checked_add(other.days).ok_or_else(out_of_range)?;
        let micros = self.micros.checked_add(other.micros).ok_or_else(out_of_range)?;
        Self::checked(months, days, micros)
    }

    /// The difference, part by part.
    ///
    /// # Errors
    ///
    /// 22008 out of range.
    pub fn checked_sub(self, other: Self) -> Result<Self> {
        self.checked_add(other.checked_neg()?)
    }

    /// The opposite.
    ///
    /// # Errors
    ///
    /// 22008 out of range.
    pub fn checked_neg(self) -> Result<Self> {
        let months = self.months.checked_neg().ok_or_else(out_of_range)?;
        let days = self.days.checked_neg().ok_or_else(out_of_range)?;
        Self::checked(months, days, self.micros.checked_neg().ok_or_else(out_of_range)?)
    }

    /// `interval * double precision`: fractions of months become days, fractions of days become time
    /// (PostgreSQL's `interval_mul`).
    ///
    /// # Errors
    ///
    /// 22008 out of range.
    pub fn checked_mul(self, factor: f64) -> Result<Self> {
        self.scaled(|part| part * factor)
    }

    /// `interval / double precision` (PostgreSQL's `interval_div`).
    ///
    /// # Errors
    ///
    /// 22012 for zero, 22008 out of range.
    pub fn checked_div(self, divisor: f64) -> Result<Self> {
        if divisor == 0.0 {
            return Err(SqlError::new(SqlState::DivisionByZero, "division by zero"));
        }
        self.scaled(|part| part / divisor)
    }

    fn scaled(self, scale: impl Fn(f64) -> f64) -> Result<Self> {
        const DAYS_PER_MONTH: f64 = 30.0;
        const SECONDS_PER_DAY: f64 = 86_400.0;
        const MICROS_PER_SECOND: f64 = 1_000_000.0;
        // PostgreSQL's TSROUND: fractions of a second below a microsecond are noise of the multiplication.
        let round_micros = |seconds: f64| (seconds * MICROS_PER_SECOND).round_ties_even() / MICROS_PER_SECOND;
        let months = scale(f64::from(self.months));
        let days = scale(f64::from(self.days));
        let whole_months = checked_i32(months)?;
        let whole_days = checked_i32(days)?;
        let month_remainder_days = round_micros((months - f64::from(whole_months)) * DAYS_PER_MONTH);
        let mut seconds = round_micros(
            (days - f64::from(whole_days) + month_remainder_days - month_remainder_days.trunc()) * SECONDS_PER_DAY,
        );
        let mut extra_days = 0;
        if seconds.abs() >= SECONDS_PER_DAY {
            extra_days = checked_i32(seconds / SECONDS_PER_DAY)?;
            seconds -= f64::from(extra_days) * SECONDS_PER_DAY;
        }
        let days = whole_days
            .checked_add(extra_days)
            .and_then(|days| days.checked_add(checked_i32(month_remainder_days).ok()?))
            .ok_or_else(out_of_range)?;
        // Exact enough: PostgreSQL multiplies the microseconds as a double too.
        let micros = (scale(self.micros as f64) + seconds * MICROS_PER_SECOND).round_ties_even();
        if micros.is_nan() || micros.abs() > Self::MICROS_MAX as f64 {
            return Err(out_of_range());
        }
        Self::checked(whole_months, days, micros as i64)
    }

    /// `justify_hours`: whole 24 hours become days.
    ///
    /// # Errors
    ///
    /// 22008 out of range.
    pub fn justify_hours(self) -> Result<Self> {
        let whole = i32::try_from(self.micros / Self::MICROS_PER_DAY).map_err(|_| out_of_range())?;
        let mut days = self.days.checked_add(whole).ok_or_else(out_of_range)?;
        let mut micros = self.micros % Self::MICROS_PER_DAY;
        if days > 0 && micros < 0 {
            micros += Self::MICROS_PER_DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= Self::MICROS_PER_DAY;
            days += 1;
        }
        Ok(Self { months: self.months, days, micros })
    }

    /// `justify_days`: whole 30 days become months.
    ///
    /// # Errors
    ///
    /// 22008 out of range.
    pub fn justify_days(self) -> Result<Self> {
        let mut months = self.months.checked_add(self.days / 30).ok_or_else(out_of_range)?;
        let mut days = self.days % 30;
        if months > 0 && days < 0 {
            days += 30;
            months -= 1;
        } else if months < 0 && days > 0 {
            days -= 30;
            months += 1;
        }
        Ok(Self { months, days, micros: self.micros })
    }
}

/// A double truncated to an integer of 32 bits.
fn checked_i32(value: f64) -> Result<i32> {
    let value = value.trunc();
    if value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX) { Ok(value as i32) } else { Err(out_of_range()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(months: i32, days: i32, micros: i64) -> Interval {
        Interval { months, days, micros }
    }

    #[test]
    fn fractions_cascade_as_in_postgresql() {
        // Measured on PostgreSQL: select interval '1 mon' / 2, '1 day' * 1.5, '1 mon 1 day' * 0.5.
        assert_eq!(interval(1, 0, 0).checked_div(2.0), Ok(interval(0, 15, 0)));
        assert_eq!(interval(0, 1, 0).checked_mul(1.5), Ok(interval(0, 1, 43_200_000_000)));
        assert_eq!(interval(1, 1, 0).checked_mul(0.5), Ok(interval(0, 15, 43_200_000_000)));
        assert!(interval(1, 0, 0).checked_div(0.0).is_err());
        assert!(interval(i32::MAX, 0, 0).checked_mul(2.0).is_err());
        assert!(interval(1, 0, 0).checked_mul(f64::NAN).is_err());
    }

    #[test]
    fn sums_are_checked() {
        assert_eq!(interval(1, 2, 3).checked_add(interval(-1, 1, 1)), Ok(interval(0, 3, 4)));
        assert!(interval(i32::MAX, 0, 0).checked_add(interval(1, 0, 0)).is_err());
        assert!(interval(i32::MIN, 0, 0).checked_neg().is_err());
        assert!(Interval::checked(0, 0, i64::MAX).is_err());
    }

    #[test]
    fn justification_moves_whole_units_up() {
        assert_eq!(interval(0, 0, 25 * 3_600_000_000).justify_hours(), Ok(interval(0, 1, 3_600_000_000)));
        assert_eq!(interval(0, 1, -3_600_000_000).justify_hours(), Ok(interval(0, 0, 23 * 3_600_000_000)));
        assert_eq!(interval(0, 35, 0).justify_days(), Ok(interval(1, 5, 0)));
    }
}
