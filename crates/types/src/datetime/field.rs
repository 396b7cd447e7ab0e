//! Fields of dates, times and intervals: `extract`, `date_part` and `date_trunc`.
//!
//! Which field applies to which type, and how it is computed, follows PostgreSQL's `timestamp.c` and `date.c`.

use super::{
    Civil, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, UNIX_EPOCH_JULIAN, check_timestamp,
    day_of_week, is_finite_date, is_finite_timestamp, split_timestamp,
};
use crate::{DataType, Interval, Numeric, Result, SqlError, SqlState, TimeZone};

/// A field of a date, time or interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DateField {
    /// Seconds and their fraction, in microseconds.
    Microseconds,
    /// Seconds and their fraction, in milliseconds.
    Milliseconds,
    /// Seconds and their fraction.
    Second,
    /// 0–59.
    Minute,
    /// 0–23.
    Hour,
    /// Of the month, 1–31; an interval's days.
    Day,
    /// ISO week of the year.
    Week,
    /// 1–12.
    Month,
    /// 1–4.
    Quarter,
    /// There is no year 0.
    Year,
    /// Year / 10.
    Decade,
    /// The first began in year 1.
    Century,
    /// The first began in year 1.
    Millennium,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1, Sunday 7.
    IsoDayOfWeek,
    /// 1–366.
    DayOfYear,
    /// The year that the ISO week belongs to.
    IsoYear,
    /// The Julian day, with the time as its fraction.
    Julian,
    /// Seconds since 1970, or in an interval.
    Epoch,
    /// The offset in seconds east.
    Timezone,
    /// The offset's hours.
    TimezoneHour,
    /// The offset's minutes.
    TimezoneMinute,
}

impl DateField {
    /// A field by one of PostgreSQL's names for it, in any case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            "microseconds" | "microsecond" | "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => {
                Self::Microseconds
            }
            "milliseconds" | "millisecond" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => {
                Self::Milliseconds
            }
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "week" | "weeks" | "w" => Self::Week,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "quarter" | "quarters" | "qtr" => Self::Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "century" | "centuries" | "c" | "cent" => Self::Century,
            "millennium" | "millennia" | "mil" | "mils" => Self::Millennium,
            "dow" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "doy" => Self::DayOfYear,
            "isoyear" => Self::IsoYear,
            "julian" | "jd" | "j" => Self::Julian,
            "epoch" => Self::Epoch,
            "timezone" => Self::Timezone,
            "timezone_hour" | "timezone_h" => Self::TimezoneHour,
            "timezone_minute" | "timezone_m" => Self::TimezoneMinute,
            _ => return None,
        })
    }

    /// The field of this name, for a value of this type.
    ///
    /// # Errors
    ///
    /// 22023 `unit "x" not recognized for type …`.
    pub fn parse(name: &str, data_type: &DataType) -> Result<Self> {
        Self::by_name(name).ok_or_else(|| {
            let message = format!("unit \"{name}\" not recognized for type {}", data_type.sql_name());
            SqlError::new(SqlState::InvalidParameterValue, message)
        })
    }

    /// The name in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "microseconds",
            Self::Milliseconds => "milliseconds",
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::Decade => "decade",
            Self::Century => "century",
            Self::Millennium => "millennium",
            Self::DayOfWeek => "dow",
            Self::IsoDayOfWeek => "isodow",
            Self::DayOfYear => "doy",
            Self::IsoYear => "isoyear",
            Self::Julian => "julian",
            Self::Epoch => "epoch",
            Self::Timezone => "timezone",
            Self::TimezoneHour => "timezone_hour",
            Self::TimezoneMinute => "timezone_minute",
        }
    }

    fn unsupported<T>(self, data_type: &DataType) -> Result<T> {
        let message = format!("unit \"{}\" not supported for type {}", self.name(), data_type.sql_name());
        Err(SqlError::new(SqlState::FeatureNotSupported, message))
    }

    /// Whether the field grows for ever with time, so that that of infinity is infinite.
    fn is_monotonic(self) -> bool {
        matches!(
            self,
            Self::Year | Self::Decade | Self::Century | Self::Millennium | Self::Julian | Self::IsoYear | Self::Epoch
        )
    }
}

/// A number with this many digits after the point.
fn fixed(value: i128, scale: u32) -> Result<Numeric> {
    Numeric::from_parts(value, i64::from(scale))
}

/// The year, counting without a year 0.
fn written_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// The ISO year and week of a day.
fn iso_week(days: i64) -> (i64, i64) {
    // The week belongs to the year of its Thursday.
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let year = Civil::from_days(thursday).year;
    (year, (thursday - Civil { year, month: 1, day: 1 }.to_days()) / 7 + 1)
}

/// A field of a day: those that do not depend on the time.
fn day_field(field: DateField, days: i64) -> Option<i64> {
    let civil = Civil::from_days(days);
    Some(match field {
        DateField::Day => civil.day,
        DateField::Month => civil.month,
        DateField::Quarter => (civil.month - 1) / 3 + 1,
        DateField::Week => iso_week(days).1,
        DateField::Year => written_year(civil.year),
        DateField::Decade => civil.year.div_euclid(10),
        DateField::Century if civil.year > 0 => (civil.year + 99) / 100,
        DateField::Century => -((99 - (civil.year - 1)) / 100),
        DateField::Millennium if civil.year > 0 => (civil.year + 999) / 1000,
        DateField::Millennium => -((999 - (civil.year - 1)) / 1000),
        DateField::IsoYear => written_year(iso_week(days).0),
        DateField::DayOfWeek => day_of_week(days),
        DateField::IsoDayOfWeek => (days + 3).rem_euclid(7) + 1,
        DateField::DayOfYear => days - Civil { year: civil.year, month: 1, day: 1 }.to_days() + 1,
        _ => return None,
    })
}

/// A field of a time of day.
fn time_field(field: DateField, micros: i64) -> Option<Result<Numeric>> {
    let second = i128::from(micros % MICROS_PER_MINUTE);
    Some(match field {
        DateField::Microseconds => fixed(second, 0),
        DateField::Milliseconds => fixed(second, 3),
        DateField::Second => fixed(second, 6),
        DateField::Minute => fixed(i128::from(micros / MICROS_PER_MINUTE % 60), 0),
        DateField::Hour => fixed(i128::from(micros / MICROS_PER_HOUR), 0),
        _ => return None,
    })
}

/// `extract(field from timestamp)`, or from a `timestamptz` with its zone. `None` is NULL.
///
/// # Errors
///
/// 0A000 for a field that the type has not.
pub fn extract_from_timestamp(field: DateField, micros: i64, zone: Option<&TimeZone>) -> Result<Option<Numeric>> {
    let data_type = if zone.is_some() { DataType::Timestamptz } else { DataType::Timestamp };
    let is_zone_field = matches!(field, DateField::Timezone | DateField::TimezoneHour | DateField::TimezoneMinute);
    if is_zone_field && zone.is_none() {
        return field.unsupported(&data_type);
    }
    if !is_finite_timestamp(micros) {
        let infinite = if micros > 0 { Numeric::Infinity } else { Numeric::NegInfinity };
        return Ok(field.is_monotonic().then_some(infinite));
    }
    let seconds_east = zone.map_or(0, |zone| zone.offset_at_utc(micros));
    let (days, time) = split_timestamp(micros.saturating_add(i64::from(seconds_east) * MICROS_PER_SECOND));
    if let Some(value) = day_field(field, days) {
        return Ok(Some(Numeric::from_i64(value)));
    }
    if let Some(value) = time_field(field, time) {
        return value.map(Some);
    }
    let value = match field {
        DateField::Epoch => fixed(i128::from(micros), 6)?,
        DateField::Timezone => Numeric::from_i64(i64::from(seconds_east)),
        DateField::TimezoneHour => Numeric::from_i64(i64::from(seconds_east / 3600)),
        DateField::TimezoneMinute => Numeric::from_i64(i64::from(seconds_east / 60 % 60)),
        _ => {
            let julian = Numeric::from_i64(days + UNIX_EPOCH_JULIAN);
            if time == 0 {
                julian
            } else {
                julian.checked_add(Numeric::from_i64(time).checked_div(Numeric::from_i64(MICROS_PER_DAY))?)?
            }
        }
    };
    Ok(Some(value))
}

/// `extract(field from date)`. `None` is NULL.
///
/// # Errors
///
/// 0A000 for a field that dates have not.
pub fn extract_from_date(field: DateField, days: i32) -> Result<Option<Numeric>> {
    let number = i64::from(days);
    let value = match field {
        DateField::Epoch => number * (MICROS_PER_DAY / MICROS_PER_SECOND),
        DateField::Julian => number + UNIX_EPOCH_JULIAN,
        field => match day_field(field, number) {
            Some(value) => value,
            None => return field.unsupported(&DataType::Date),
        },
    };
    if is_finite_date(days) {
        return Ok(Some(Numeric::from_i64(value)));
    }
    let infinite = if days > 0 { Numeric::Infinity } else { Numeric::NegInfinity };
    Ok(field.is_monotonic().then_some(infinite))
}

/// `extract(field from time)`.
///
/// # Errors
///
/// 0A000 for a field that times have not.
pub fn extract_from_time(field: DateField, micros: i64) -> Result<Numeric> {
    match (time_field(field, micros), field) {
        (Some(value), _) => value,
        (None, DateField::Epoch) => fixed(i128::from(micros), 6),
        (None, field) => field.unsupported(&DataType::Time),
    }
}

/// `extract(field from interval)`.
///
/// # Errors
///
/// 0A000 for a field that intervals have not.
pub fn extract_from_interval(field: DateField, interval: Interval) -> Result<Numeric> {
    let (months, years) = (i64::from(interval.months % 12), i64::from(interval.months / 12));
    let whole = match field {
        DateField::Day => i64::from(interval.days),
        DateField::Month => months,
        DateField::Quarter => months / 3 + 1,
        DateField::Year => years,
        DateField::Decade => years / 10,
        DateField::Century => years / 100,
        DateField::Millennium => years / 1000,
        DateField::Epoch => {
            // A year counts 365.25 days here, a month 30.
            let quarter_days = i128::from(years) * 1461 + i128::from(months * 30 + i64::from(interval.days)) * 4;
            return fixed(quarter_days * i128::from(MICROS_PER_DAY / 4) + i128::from(interval.micros), 6);
        }
        field => match time_field(field, interval.micros) {
            Some(value) => return value,
            None => return field.unsupported(&DataType::Interval),
        },
    };
    Ok(Numeric::from_i64(whole))
}

/// `date_trunc(field, timestamp)`, or of a `timestamptz` with its zone. Infinity stays.
///
/// # Errors
///
/// 0A000 for a field that cannot be truncated to, 22008 out of range.
pub fn truncate_timestamp(field: DateField, micros: i64, zone: Option<&TimeZone>) -> Result<i64> {
    let data_type = if zone.is_some() { DataType::Timestamptz } else { DataType::Timestamp };
    let unit = match field {
        DateField::Microseconds => Some(1),
        DateField::Milliseconds => Some(1000),
        DateField::Second => Some(MICROS_PER_SECOND),
        DateField::Minute => Some(MICROS_PER_MINUTE),
        DateField::Hour => Some(MICROS_PER_HOUR),
        DateField::Day
        | DateField::Week
        | DateField::Month
        | DateField::Quarter
        | DateField::Year
        | DateField::Decade
        | DateField::Century
        | DateField::Millennium => None,
        field => return field.unsupported(&data_type),
    };
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let local = zone.map_or(micros, |zone| zone.utc_to_local(micros));
    if let Some(unit) = unit {
        // The offset of the moment itself holds: an hour that clocks repeat stays apart.
        return check_timestamp(micros - local.rem_euclid(unit));
    }
    let (days, _) = split_timestamp(local);
    let civil = Civil::from_days(days);
    let first_of = |year: i64, month: i64| Civil { year, month, day: 1 }.to_days();
    let first_day = match field {
        DateField::Day => days,
        DateField::Week => days - (days + 3).rem_euclid(7),
        DateField::Month => first_of(civil.year, civil.month),
        DateField::Quarter => first_of(civil.year, (civil.month - 1) / 3 * 3 + 1),
        DateField::Year => first_of(civil.year, 1),
        DateField::Decade => first_of(civil.year.div_euclid(10) * 10, 1),
        // Centuries and millennia begin in years ending in 1.
        DateField::Century => first_of((civil.year - 1).div_euclid(100) * 100 + 1, 1),
        _ => first_of((civil.year - 1).div_euclid(1000) * 1000 + 1, 1),
    };
    let local = check_timestamp(first_day * MICROS_PER_DAY)?;
    check_timestamp(zone.map_or(local, |zone| zone.local_to_utc(local)))
}

/// `date_trunc(field, interval)`.
///
/// # Errors
///
/// 0A000 for a field that intervals cannot be truncated to.
pub fn truncate_interval(field: DateField, interval: Interval) -> Result<Interval> {
    let months = |unit: i32| Interval { months: interval.months / unit * unit, days: 0, micros: 0 };
    let time = |unit: i64| Interval { micros: interval.micros / unit * unit, ..interval };
    Ok(match field {
        DateField::Millennium => months(12_000),
        DateField::Century => months(1200),
        DateField::Decade => months(120),
        DateField::Year => months(12),
        DateField::Quarter => months(3),
        DateField::Month => months(1),
        DateField::Day => Interval { micros: 0, ..interval },
        DateField::Hour => time(MICROS_PER_HOUR),
        DateField::Minute => time(MICROS_PER_MINUTE),
        DateField::Second => time(MICROS_PER_SECOND),
        DateField::Milliseconds => time(1000),
        DateField::Microseconds => interval,
        DateField::Week => {
            return field
                .unsupported(&DataType::Interval)
                .map_err(|error: SqlError| error.with_detail("Months usually have fractional weeks."));
        }
        field => return field.unsupported(&DataType::Interval),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Monday of week 1 of an ISO year.
    fn iso_year_start(year: i64) -> i64 {
        let fourth = Civil { year, month: 1, day: 4 }.to_days();
        fourth - (fourth + 3).rem_euclid(7)
    }

    fn at(year: i64, month: i64, day: i64, micros: i64) -> i64 {
        Civil { year, month, day }.to_days() * MICROS_PER_DAY + micros
    }

    fn extract(name: &str, micros: i64, zone: Option<&TimeZone>) -> String {
        let field = DateField::by_name(name).expect(name);
        match extract_from_timestamp(field, micros, zone) {
            Ok(value) => value.map_or("NULL".to_owned(), |value| value.to_string()),
            Err(error) => error.message,
        }
    }

    #[test]
    fn fields_are_those_of_postgresql() {
        let moment = at(2024, 12, 30, 13 * MICROS_PER_HOUR + 4 * MICROS_PER_MINUTE + 5_500_000);
        let cases = [
            ("dow", "1"),
            ("isodow", "1"),
            ("week", "1"),
            ("isoyear", "2025"),
            ("doy", "365"),
            ("quarter", "4"),
            ("century", "21"),
            ("millennium", "3"),
            ("decade", "202"),
            ("hour", "13"),
            ("minute", "4"),
            ("second", "5.500000"),
            ("milliseconds", "5500.000"),
            ("microseconds", "5500000"),
            ("epoch", "1735563845.500000"),
            ("timezone", "unit \"timezone\" not supported for type timestamp without time zone"),
        ];
        for (name, expected) in cases {
            assert_eq!(extract(name, moment, None), expected, "{name}");
        }
        let zone = TimeZone::parse("Asia/Kolkata").expect("a zone");
        assert_eq!(extract("timezone_hour", moment, Some(&zone)), "5");
        assert_eq!(extract("timezone_minute", moment, Some(&zone)), "30");
        assert_eq!(extract("hour", moment, Some(&zone)), "18");
        assert_eq!(extract("year", at(0, 1, 1, 0), None), "-1");
        assert_eq!(extract("century", at(0, 1, 1, 0), None), "-1");
        assert_eq!(extract("epoch", i64::MAX, None), "Infinity");
        assert_eq!(extract("day", i64::MAX, None), "NULL");
        assert!(DateField::parse("fortnight", &DataType::Date).is_err());
        for year in 1990..2040 {
            assert_eq!(iso_week(iso_year_start(year)), (year, 1), "{year}");
            assert_eq!(iso_week(iso_year_start(year) - 1).0, year - 1, "{year}");
        }
        let month_and_day = Interval { months: 1, days: 1, micros: 0 };
        assert_eq!(
            extract_from_interval(DateField::Epoch, month_and_day).map(|v| v.to_string()),
            Ok("2678400.000000".to_owned())
        );
        assert_eq!(
            extract_from_date(DateField::Hour, 0).map_err(|e| e.message),
            Err("unit \"hour\" not supported for type date".to_owned())
        );
    }

    #[test]
    fn truncation_goes_down_to_the_field() {
        let moment = at(2024, 8, 14, 13 * MICROS_PER_HOUR + 4 * MICROS_PER_MINUTE + 5_500_000);
        let truncate = |name: &str| truncate_timestamp(DateField::by_name(name).expect(name), moment, None);
        assert_eq!(truncate("hour"), Ok(at(2024, 8, 14, 13 * MICROS_PER_HOUR)));
        assert_eq!(truncate("day"), Ok(at(2024, 8, 14, 0)));
        assert_eq!(truncate("week"), Ok(at(2024, 8, 12, 0)));
        assert_eq!(truncate("quarter"), Ok(at(2024, 7, 1, 0)));
        assert_eq!(truncate("decade"), Ok(at(2020, 1, 1, 0)));
        assert_eq!(truncate("century"), Ok(at(2001, 1, 1, 0)));
        assert!(truncate("dow").is_err());
        let zone = TimeZone::parse("America/New_York").expect("a zone");
        assert_eq!(
            truncate_timestamp(DateField::Day, at(2024, 7, 1, 2 * MICROS_PER_HOUR), Some(&zone)),
            Ok(at(2024, 6, 30, 4 * MICROS_PER_HOUR))
        );
        let interval = Interval { months: 14, days: 3, micros: 5_500_000 };
        assert_eq!(truncate_interval(DateField::Year, interval), Ok(Interval { months: 12, days: 0, micros: 0 }));
        assert_eq!(truncate_interval(DateField::Second, interval).map(|i| i.micros), Ok(5_000_000));
    }
}
