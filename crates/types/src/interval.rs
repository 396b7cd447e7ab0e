//! PostgreSQL's `interval`: months, days and microseconds, kept apart.

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

impl Interval {
    /// Microseconds in a day of 24 hours.
    pub const MICROS_PER_DAY: i64 = 86_400_000_000;

    /// The value SQL comparison uses: microseconds with 30-day months and 24-hour days (`interval_cmp_value`).
    #[must_use]
    pub fn sql_key(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(Self::MICROS_PER_DAY) + i128::from(self.micros)
    }
}
