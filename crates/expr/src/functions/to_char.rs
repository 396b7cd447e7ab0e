//! `to_char`, `to_timestamp`, `to_date`, `to_number`: values by templates.
//!
//! A template is read once into [`Token`]s; what is no pattern is literal. Patterns that are not here are 0A000.

mod number;
mod template;

use super::text::text;
use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::datetime::{
    self, Civil, DateField, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, split_timestamp,
};
use headwater_types::{DataType, Datum, Interval, Result, SqlError, SqlState};
use template::{Case, Pattern, Token};

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

pub(super) const ENTRIES: &[Entry] = &[
    function("to_char", "timestamp,text", "text", rows!(timestamp_to_char)).fallible(),
    function("to_char", "timestamptz,text", "text", rows!(timestamp_to_char)).fallible().stable(),
    function("to_char", "interval,text", "text", rows!(interval_to_char)).fallible(),
    function("to_char", "int4,text", "text", rows!(number::to_char)).fallible(),
    function("to_char", "int8,text", "text", rows!(number::to_char)).fallible(),
    function("to_char", "float4,text", "text", rows!(number::to_char)).fallible(),
    function("to_char", "float8,text", "text", rows!(number::to_char)).fallible(),
    function("to_char", "numeric,text", "text", rows!(number::to_char)).fallible(),
    function("to_number", "text,text", "numeric", rows!(number::to_number)).fallible(),
    function("to_timestamp", "text,text", "timestamptz", rows!(to_timestamp)).fallible().stable(),
    function("to_date", "text,text", "date", rows!(to_date)).fallible(),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment or an interval, in the parts that templates show.
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// The day number, of a moment.
    days: Option<i64>,
    zone: Option<(String, i64)>,
}

impl Parts {
    fn of_time(micros: i64) -> (i64, i64, i64, i64) {
        (
            micros / MICROS_PER_HOUR,
            micros / MICROS_PER_MINUTE % 60,
            micros / MICROS_PER_SECOND % 60,
            micros % MICROS_PER_SECOND,
        )
    }
}

fn timestamp_to_char(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let Datum::Timestamp(micros) = args[0] else { return Err(super::datetime::mismatch()) };
    if !datetime::is_finite_timestamp(micros) {
        return Ok(Datum::Null);
    }
    let zone = &call.context.settings.time_zone;
    let zoned = call.arg_types[0] == DataType::Timestamptz;
    let local = if zoned { zone.utc_to_local(micros) } else { micros };
    let (days, time) = split_timestamp(local);
    let Civil { year, month, day } = Civil::from_days(days);
    let (hour, minute, second, fraction) = Parts::of_time(time);
    let zone = zoned.then(|| (zone.abbreviation_at_utc(micros), i64::from(zone.offset_at_utc(micros))));
    let parts = Parts { year, month, day, hour, minute, second, micros: fraction, days: Some(days), zone };
    format(&parts, text(&args[1])?)
}

fn interval_to_char(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let Datum::Interval(Interval { months, days, micros }) = args[0] else {
        return Err(super::datetime::mismatch());
    };
    let (hour, minute, second, fraction) = Parts::of_time(micros);
    let months = i64::from(months);
    let parts = Parts {
        year: months / 12,
        month: months % 12,
        day: i64::from(days),
        hour,
        minute,
        second,
        micros: fraction,
        days: None,
        zone: None,
    };
    format(&parts, text(&args[1])?)
}

fn format(parts: &Parts, source: &str) -> Result<Datum> {
    if source.is_empty() {
        return Ok(Datum::Null);
    }
    let mut out = String::with_capacity(source.len() + 8);
    for token in template::tokens(source)? {
        match token {
            Token::Literal(literal) => out.push_str(&literal),
            Token::Pattern { pattern, fill, ordinal, case } => {
                let shown = show(parts, pattern, fill, case)?;
                out.push_str(&shown);
                if let (Some(upper), Ok(number)) = (ordinal, shown.trim().parse::<i64>()) {
                    out.push_str(number::ordinal_suffix(number, upper));
                }
            }
        }
    }
    Ok(Datum::text(out))
}

fn cased(name: &str, case: Case, width: usize) -> String {
    let name = match case {
        Case::Upper => name.to_uppercase(),
        Case::Title => name.to_owned(),
        Case::Lower => name.to_lowercase(),
    };
    format!("{name:<width$}")
}

fn show(parts: &Parts, pattern: Pattern, fill: bool, case: Case) -> Result<String> {
    let padded = |value: i64, width: usize| {
        if !fill {
            value.to_string()
        } else if value < 0 {
            format!("-{:0width$}", value.unsigned_abs())
        } else {
            format!("{value:0width$}")
        }
    };
    let day_number = || {
        parts.days.ok_or_else(|| {
            SqlError::new(SqlState::InvalidDatetimeFormat, "invalid format specification for an interval value")
                .with_hint("Intervals are not tied to specific calendar dates.")
        })
    };
    let field = |field: DateField| -> Result<i64> {
        let midnight = day_number()?.saturating_mul(Interval::MICROS_PER_DAY);
        let value = datetime::extract_from_timestamp(field, midnight, None)?;
        value.map_or(Ok(0), headwater_types::Numeric::to_i64)
    };
    let shown_year = if parts.days.is_some() && parts.year <= 0 { 1 - parts.year } else { parts.year };
    let hour_12 = match parts.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let name_width = |fill: bool| if fill { 9 } else { 0 };
    let place = |value: i64, count: usize| usize::try_from(value).ok().filter(|v| *v < count);
    Ok(match pattern {
        Pattern::Year(digits) => {
            let modulus = 10_i64.pow(digits);
            let width = usize::try_from(digits).expect("at most four digits");
            padded(if digits == 4 { shown_year } else { shown_year % modulus }, width)
        }
        Pattern::YearComma => format!("{},{:03}", shown_year / 1000, shown_year % 1000),
        Pattern::IsoYear => padded(field(DateField::IsoYear)?, 4),
        Pattern::Month => padded(parts.month, 2),
        Pattern::MonthName | Pattern::MonthShort => {
            day_number()?;
            let name = place(parts.month - 1, 12).map_or("", |m| MONTHS[m]);
            if pattern == Pattern::MonthName { cased(name, case, name_width(fill)) } else { cased(&name[..3], case, 0) }
        }
        Pattern::DayName | Pattern::DayShort => {
            let name = place(datetime::day_of_week(day_number()?), 7).map_or("", |d| DAYS[d]);
            if pattern == Pattern::DayName { cased(name, case, name_width(fill)) } else { cased(&name[..3], case, 0) }
        }
        Pattern::Day => padded(parts.day, 2),
        Pattern::DayOfYear => padded(field(DateField::DayOfYear)?, 3),
        Pattern::DayOfWeek => (datetime::day_of_week(day_number()?) + 1).to_string(),
        Pattern::IsoDayOfWeek => field(DateField::IsoDayOfWeek)?.to_string(),
        Pattern::Week => padded((field(DateField::DayOfYear)? - 1) / 7 + 1, 2),
        Pattern::IsoWeek => padded(field(DateField::Week)?, 2),
        Pattern::WeekOfMonth => ((parts.day - 1) / 7 + 1).to_string(),
        Pattern::Quarter => field(DateField::Quarter)?.to_string(),
        Pattern::Century => padded(field(DateField::Century)?, 2),
        Pattern::Julian => padded(day_number()? + datetime::UNIX_EPOCH_JULIAN, 1),
        Pattern::Hour24 => padded(parts.hour, 2),
        Pattern::Hour12 => padded(hour_12, 2),
        Pattern::Minute => padded(parts.minute, 2),
        Pattern::Second => padded(parts.second, 2),
        Pattern::Milliseconds => padded(parts.micros / 1000, 3),
        Pattern::Microseconds => padded(parts.micros, 6),
        Pattern::Fraction(digits) => {
            let width = usize::try_from(digits).expect("at most six digits");
            format!("{:0width$}", parts.micros / 10_i64.pow(6 - digits))
        }
        Pattern::SecondOfDay => (parts.hour * 3600 + parts.minute * 60 + parts.second).to_string(),
        Pattern::Meridiem { dots } => {
            let name = match (parts.hour % 24 >= 12, dots) {
                (false, false) => "AM",
                (true, false) => "PM",
                (false, true) => "A.M.",
                (true, true) => "P.M.",
            };
            if case == Case::Lower { name.to_lowercase() } else { name.to_owned() }
        }
        Pattern::Era { dots } => {
            let name = match (parts.year <= 0, dots) {
                (false, false) => "AD",
                (true, false) => "BC",
                (false, true) => "A.D.",
                (true, true) => "B.C.",
            };
            if case == Case::Lower { name.to_lowercase() } else { name.to_owned() }
        }
        Pattern::Zone => {
            let name = parts.zone.as_ref().map_or("", |(name, _)| name);
            if case == Case::Lower { name.to_lowercase() } else { name.to_owned() }
        }
        Pattern::ZoneOffset => {
            let seconds = parts.zone.as_ref().map_or(0, |(_, seconds)| *seconds);
            let sign = if seconds < 0 { '-' } else { '+' };
            let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
            if minutes == 0 { format!("{sign}{hours:02}") } else { format!("{sign}{hours:02}:{minutes:02}") }
        }
        Pattern::ZoneHours => {
            let seconds = parts.zone.as_ref().map_or(0, |(_, seconds)| *seconds);
            format!("{}{:02}", if seconds < 0 { '-' } else { '+' }, seconds.abs() / 3600)
        }
        Pattern::ZoneMinutes => {
            format!("{:02}", parts.zone.as_ref().map_or(0, |(_, seconds)| seconds.abs() / 60 % 60))
        }
    })
}

fn to_timestamp(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let read = template::read(text(&args[0])?, text(&args[1])?)?;
    let local = read.timestamp()?;
    if let Some(seconds) = read.zone_seconds {
        return datetime::check_timestamp(local - seconds * MICROS_PER_SECOND).map(Datum::Timestamp);
    }
    datetime::timestamp_to_timestamptz(local, &call.context.settings.time_zone).map(Datum::Timestamp)
}

fn to_date(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let read = template::read(text(&args[0])?, text(&args[1])?)?;
    datetime::check_date(read.days()?).map(Datum::Date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use headwater_types::SessionSettings;

    fn shown(template: &str) -> String {
        let settings = SessionSettings::default();
        let context = testing::context(&settings);
        let call =
            Call { context: &context, arg_types: &[DataType::Timestamptz, DataType::Text], data_type: &DataType::Text };
        match timestamp_to_char(&[Datum::Timestamp(testing::NOW_MICROS), Datum::text(template)], &call) {
            Ok(Datum::Text(text)) => text.as_ref().to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn timestamps_print_by_template() {
        assert_eq!(shown("YYYY-MM-DD HH24:MI:SS"), "2024-01-02 03:04:05");
        assert_eq!(shown("HH12:MI AM Dy Mon DD, YYYY"), "03:04 AM Tue Jan 02, 2024");
        assert_eq!(shown("FMDay, FMDD FMMonth"), "Tuesday, 2 January");
        assert_eq!(shown("DAY|Month|"), "TUESDAY  |January  |");
        assert_eq!(shown("MS US Q IW DDD J"), "000 000000 1 01 002 2460312");
        assert_eq!(shown("\"year\" YY TZ OF"), "year 24 UTC +00");
        assert_eq!(shown("DDth"), "02nd");
    }

    #[test]
    fn texts_read_by_template() {
        let read = |text: &str, template: &str| {
            template::read(text, template).and_then(|read| read.timestamp()).map_err(|e| (e.message, e.detail))
        };
        assert_eq!(read("2024-01-02 03:04:05", "YYYY-MM-DD HH24:MI:SS"), Ok(testing::NOW_MICROS));
        assert_eq!(read("02 Jan 2024 03:04:05 AM", "DD Mon YYYY HH12:MI:SS AM"), Ok(testing::NOW_MICROS));
        let (message, detail) = read("x", "YYYY").expect_err("no year");
        assert_eq!(message, "invalid value \"x\" for \"YYYY\"");
        assert_eq!(detail.as_deref(), Some("Value must be an integer."));
    }
}
