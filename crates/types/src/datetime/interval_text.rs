//! Reading intervals: PostgreSQL's `DecodeInterval` and `DecodeISO8601Interval`.

use super::parse::{Fault, Kind, fraction_micros, tokens};
use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::{Interval, Result, SqlError, SqlState};

/// Longer inputs are no intervals.
const INTERVAL_BYTES_MAX: usize = 500;

/// A unit of an interval's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntervalUnit {
    /// 10⁻⁶ s
    Microsecond,
    /// 10⁻³ s
    Millisecond,
    /// A second.
    Second,
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// A day.
    Day,
    /// 7 days.
    Week,
    /// A month.
    Month,
    /// 3 months.
    Quarter,
    /// 12 months.
    Year,
    /// 10 years.
    Decade,
    /// 100 years.
    Century,
    /// 1000 years.
    Millennium,
}

impl IntervalUnit {
    /// A unit by one of PostgreSQL's names for it, in any case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        // PostgreSQL compares ten characters.
        Some(match name.get(..10).unwrap_or(&name) {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Self::Microsecond,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Self::Millisecond,
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hour,
            "d" | "day" | "days" => Self::Day,
            "w" | "week" | "weeks" => Self::Week,
            "mon" | "mons" | "month" | "months" => Self::Month,
            "qtr" | "quarter" | "quarters" => Self::Quarter,
            "y" | "yr" | "yrs" | "year" | "years" => Self::Year,
            "dec" | "decs" | "decade" | "decades" => Self::Decade,
            "c" | "cent" | "century" | "centuries" => Self::Century,
            "mil" | "mils" | "millennia" | "millennium" => Self::Millennium,
            _ => return None,
        })
    }
}

/// The parts so far. Wide enough that nothing overflows before the end, but for what `add` refuses.
#[derive(Debug, Default)]
struct Sum {
    months: i64,
    days: i64,
    micros: i64,
    /// The units already seen, which may not come twice.
    seen: u16,
}

/// A number's whole part and its fraction, both with the sign.
#[derive(Debug, Clone, Copy)]
struct Amount {
    whole: i64,
    fraction: f64,
}

impl Amount {
    /// Reads `[+-]digits[.digits]`.
    fn parse(text: &str) -> Result<Self, Fault> {
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !numeric(whole) || !numeric(fraction) {
            return Err(Fault::BadFormat);
        }
        let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().map_err(|_| Fault::Overflow)? };
        let fraction = format!("0.{fraction}0").parse::<f64>().map_err(|_| Fault::BadFormat)?;
        Ok(if negative { Self { whole: -whole, fraction: -fraction } } else { Self { whole, fraction } })
    }
}

impl Sum {
    fn see(&mut self, unit: IntervalUnit) -> Result<(), Fault> {
        let bit = 1 << (unit as u16);
        if self.seen & bit != 0 {
            return Err(Fault::BadFormat);
        }
        self.seen |= bit;
        Ok(())
    }

    fn add_micros(&mut self, whole: i64, fraction: f64, unit: i64) -> Result<(), Fault> {
        // A fraction of a unit of at most a month: far below 2^53 microseconds.
        let rounded = (fraction * unit as f64).round_ties_even() as i64;
        let micros = whole.checked_mul(unit).and_then(|micros| micros.checked_add(rounded));
        self.micros = micros.and_then(|micros| self.micros.checked_add(micros)).ok_or(Fault::Overflow)?;
        Ok(())
    }

    fn add_days(&mut self, whole: i64, fraction: f64, unit: i64) -> Result<(), Fault> {
        let fraction_days = fraction * unit as f64;
        let days = whole.checked_mul(unit).and_then(|days| days.checked_add(fraction_days.trunc() as i64));
        self.days = days.and_then(|days| self.days.checked_add(days)).ok_or(Fault::Overflow)?;
        self.add_micros(0, fraction_days.fract(), MICROS_PER_DAY)
    }

    fn add_months(&mut self, whole: i64, fraction: f64, unit: i64) -> Result<(), Fault> {
        let rounded = (fraction * unit as f64).round_ties_even() as i64;
        let months = whole.checked_mul(unit).and_then(|months| months.checked_add(rounded));
        self.months = months.and_then(|months| self.months.checked_add(months)).ok_or(Fault::Overflow)?;
        Ok(())
    }

    /// Adds an amount of a unit. Fractions of years become months; of months, days of a 30-day month; of days, time.
    fn add(&mut self, amount: Amount, unit: IntervalUnit) -> Result<(), Fault> {
        let Amount { whole, fraction } = amount;
        match unit {
            IntervalUnit::Microsecond => self.add_micros(whole, fraction, 1),
            IntervalUnit::Millisecond => self.add_micros(whole, fraction, 1000),
            IntervalUnit::Second => self.add_micros(whole, fraction, MICROS_PER_SECOND),
            IntervalUnit::Minute => self.add_micros(whole, fraction, MICROS_PER_MINUTE),
            IntervalUnit::Hour => self.add_micros(whole, fraction, MICROS_PER_HOUR),
            IntervalUnit::Day => self.add_days(whole, fraction, 1),
            IntervalUnit::Week => self.add_days(whole, fraction, 7),
            IntervalUnit::Month => {
                self.add_months(whole, 0.0, 1)?;
                self.add_days(0, fraction, 30)
            }
            IntervalUnit::Quarter => {
                self.add_months(whole, 0.0, 3)?;
                self.add_days(0, fraction, 90)
            }
            IntervalUnit::Year => self.add_months(whole, fraction, 12),
            IntervalUnit::Decade => self.add_months(whole, fraction, 120),
            IntervalUnit::Century => self.add_months(whole, fraction, 1200),
            IntervalUnit::Millennium => self.add_months(whole, fraction, 12_000),
        }
    }

    /// Adds `[+-]HH:MM[:SS[.f]]` or `MM:SS.f`.
    fn add_time(&mut self, token: &str) -> Result<(), Fault> {
        let (sign, clock) = match token.as_bytes().first() {
            Some(b'-') => (-1, &token[1..]),
            Some(b'+') => (1, &token[1..]),
            _ => (1, token),
        };
        let number = |part: &str| -> Result<i64, Fault> {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Fault::BadFormat);
            }
            part.parse().map_err(|_| Fault::Overflow)
        };
        let parts: Vec<&str> = clock.split(':').collect();
        let (hours, minutes, seconds) = match parts[..] {
            [minutes, seconds] if seconds.contains('.') => (0, number(minutes)?, seconds),
            [hours, minutes] => (number(hours)?, number(minutes)?, "0"),
            [hours, minutes, seconds] => (number(hours)?, number(minutes)?, seconds),
            _ => return Err(Fault::BadFormat),
        };
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let (seconds, fraction) = (number(whole)?, fraction_micros(fraction)?);
        if minutes > 59 || seconds > 60 {
            return Err(Fault::Overflow);
        }
        let micros = hours
            .checked_mul(MICROS_PER_HOUR)
            .and_then(|micros| micros.checked_add(minutes * MICROS_PER_MINUTE + seconds * MICROS_PER_SECOND + fraction))
            .ok_or(Fault::Overflow)?;
        self.micros = self.micros.checked_add(sign * micros).ok_or(Fault::Overflow)?;
        Ok(())
    }

    fn finish(self, negated: bool) -> Result<Interval, Fault> {
        let sign = if negated { -1 } else { 1 };
        let part = |value: i64| i32::try_from(sign * value).map_err(|_| Fault::Overflow);
        let micros = self.micros.checked_mul(sign).ok_or(Fault::Overflow)?;
        Interval::checked(part(self.months)?, part(self.days)?, micros).map_err(|_| Fault::Overflow)
    }
}

/// The units that a time of day stands for.
const CLOCK_UNITS: [IntervalUnit; 3] = [IntervalUnit::Hour, IntervalUnit::Minute, IntervalUnit::Second];

/// PostgreSQL's own syntax, read from its end: each number's unit is the word after it; without one, a day before a
/// time, else the default.
fn traditional(text: &str, default_unit: IntervalUnit) -> Result<Interval, Fault> {
    let mut sum = Sum::default();
    let mut unit = None;
    let mut negated = false;
    let mut any = false;
    for (kind, token) in tokens(text)?.iter().rev() {
        match kind {
            Kind::Time => {
                CLOCK_UNITS.into_iter().try_for_each(|unit| sum.see(unit))?;
                sum.add_time(token)?;
                unit = Some(IntervalUnit::Day);
                any = true;
            }
            Kind::Signed if token.contains(':') => {
                CLOCK_UNITS.into_iter().try_for_each(|unit| sum.see(unit))?;
                sum.add_time(token)?;
                unit = Some(IntervalUnit::Day);
                any = true;
            }
            Kind::Word if token == "ago" && !any && unit.is_none() && !negated => negated = true,
            Kind::Word => unit = Some(IntervalUnit::by_name(token).ok_or(Fault::BadFormat)?),
            Kind::Number | Kind::Date | Kind::Signed => {
                any = true;
                match token.get(1..).and_then(|rest| rest.find('-')) {
                    Some(dash) => {
                        let (years, months) = (&token[..dash + 1], &token[dash + 2..]);
                        let (years, mut months) = (Amount::parse(years)?, Amount::parse(months)?);
                        if months.whole >= 12 {
                            return Err(Fault::Overflow);
                        }
                        if token.starts_with('-') {
                            months.whole = -months.whole;
                        }
                        sum.see(IntervalUnit::Year)?;
                        sum.see(IntervalUnit::Month)?;
                        sum.add(years, IntervalUnit::Year)?;
                        sum.add(months, IntervalUnit::Month)?;
                    }
                    None => {
                        let unit = unit.unwrap_or(default_unit);
                        sum.see(unit)?;
                        sum.add(Amount::parse(token)?, unit)?;
                    }
                }
            }
        }
    }
    if any { sum.finish(negated) } else { Err(Fault::BadFormat) }
}

/// `P1Y2M3W4DT5H6M7.8S`, or `P0001-02-03T04:05:06`.
fn iso_8601(text: &str) -> Result<Interval, Fault> {
    let mut sum = Sum::default();
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    if date.is_empty() && time.is_none_or(str::is_empty) {
        return Err(Fault::BadFormat);
    }
    let alternative_date = !date.is_empty() && !date.contains(|c: char| c.is_ascii_alphabetic());
    if alternative_date {
        let parts: Vec<&str> = date.split('-').collect();
        let [years, months, days] = parts[..] else { return Err(Fault::BadFormat) };
        sum.add(Amount::parse(years)?, IntervalUnit::Year)?;
        sum.add(Amount::parse(months)?, IntervalUnit::Month)?;
        sum.add(Amount::parse(days)?, IntervalUnit::Day)?;
    } else {
        designated(&mut sum, date, |letter| {
            Some(match letter {
                'Y' => IntervalUnit::Year,
                'M' => IntervalUnit::Month,
                'W' => IntervalUnit::Week,
                'D' => IntervalUnit::Day,
                _ => return None,
            })
        })?;
    }
    match time {
        Some(time) if time.contains(':') => sum.add_time(time)?,
        Some(time) => designated(&mut sum, time, |letter| {
            Some(match letter {
                'H' => IntervalUnit::Hour,
                'M' => IntervalUnit::Minute,
                'S' => IntervalUnit::Second,
                _ => return None,
            })
        })?,
        None => {}
    }
    sum.finish(false)
}

/// Numbers, each followed by its unit's letter.
fn designated(sum: &mut Sum, text: &str, unit: impl Fn(char) -> Option<IntervalUnit>) -> Result<(), Fault> {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or(Fault::BadFormat)?;
        let letter = rest[end..].chars().next().ok_or(Fault::BadFormat)?;
        sum.add(Amount::parse(&rest[..end])?, unit(letter).ok_or(Fault::BadFormat)?)?;
        rest = &rest[end + 1..];
    }
    Ok(())
}

/// Reads an interval. A number without a unit is of `default_unit` (seconds, unless the type is `INTERVAL … HOUR` and
/// the like).
///
/// # Errors
///
/// 22007 `invalid input syntax for type interval: "x"`, 22015 `interval field value out of range: "x"`.
pub fn parse_interval(text: &str, default_unit: IntervalUnit) -> Result<Interval> {
    let trimmed = text.trim();
    let parsed = if trimmed.len() > INTERVAL_BYTES_MAX {
        Err(Fault::BadFormat)
    } else if let Some(iso) = trimmed.strip_prefix('P') {
        iso_8601(iso)
    } else {
        traditional(trimmed, default_unit)
    };
    parsed.map_err(|fault| match fault {
        Fault::Overflow | Fault::MonthDayOverflow | Fault::OffsetOverflow => {
            SqlError::new(SqlState::IntervalFieldOverflow, format!("interval field value out of range: \"{text}\""))
        }
        Fault::BadFormat | Fault::BadZone(_) => SqlError::new(
            SqlState::InvalidDatetimeFormat,
            format!("invalid input syntax for type interval: \"{text}\""),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datetime::push_interval;

    fn read(text: &str) -> String {
        match parse_interval(text, IntervalUnit::Second) {
            Ok(interval) => {
                let mut out = Vec::new();
                push_interval(&mut out, interval);
                String::from_utf8(out).expect("ASCII")
            }
            Err(error) => error.state.code().to_owned(),
        }
    }

    #[test]
    fn input_follows_postgresql() {
        let cases = [
            ("1 HOUR", "01:00:00"),
            ("1 day 02:03:04", "1 day 02:03:04"),
            ("1 year 2 months 3 days 04:05:06.789", "1 year 2 mons 3 days 04:05:06.789"),
            ("-1 day +2 hours", "-1 days +02:00:00"),
            ("90 minutes", "01:30:00"),
            ("25 hours", "25:00:00"),
            ("0", "00:00:00"),
            ("1 mon", "1 mon"),
            ("-1 mon", "-1 mons"),
            ("1 day -1 hour", "1 day -01:00:00"),
            ("0.000001 sec", "00:00:00.000001"),
            ("1 mon -1 day", "1 mon -1 days"),
            ("1.5 days", "1 day 12:00:00"),
            ("1.5 months", "1 mon 15 days"),
            ("1.5 years", "1 year 6 mons"),
            ("2 weeks 1.5 hours", "14 days 01:30:00"),
            ("1h30m", "01:30:00"),
            ("@ 1 day ago", "-1 days"),
            ("1-2", "1 year 2 mons"),
            ("-1-2", "-1 years -2 mons"),
            ("1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("1 12:00", "1 day 12:00:00"),
            ("-00:00:01", "-00:00:01"),
            ("100:00:00", "100:00:00"),
            ("01:02.5", "00:01:02.5"),
            ("5", "00:00:05"),
            ("1 quarter", "3 mons"),
            ("500 ms", "00:00:00.5"),
            ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
            ("P2W", "14 days"),
            ("PT1.5H", "01:30:00"),
            ("P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("P-1DT2H", "-1 days +02:00:00"),
            ("1 mons 2 mons", "22007"),
            ("x", "22007"),
            ("", "22007"),
            ("1 fortnight", "22007"),
            ("day", "22007"),
            ("P", "22007"),
            ("P1", "22007"),
            ("P1é", "22007"),
            ("1 é", "22007"),
            ("é é é é é", "22007"),
            ("99999999999 years", "22015"),
            ("9999999999999999999999 days", "22015"),
            ("178956971 years", "22015"),
            ("00:60:00", "22015"),
            ("3000000 hours", "22015"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
        let hours = parse_interval("5", IntervalUnit::Hour).expect("a number");
        assert_eq!(hours.micros, 5 * MICROS_PER_HOUR);
    }
}
