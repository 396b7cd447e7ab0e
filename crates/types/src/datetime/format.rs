//! Dates, times, timestamps and intervals as text, in the session's DateStyle (PostgreSQL's `EncodeDateTime` and
//! `EncodeInterval`).

use super::{
    Civil, DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, TIMESTAMP_INFINITY,
    TIMESTAMP_NEG_INFINITY, day_of_week, split_timestamp,
};
use crate::{Interval, SessionSettings};

pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// How dates print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Iso,
    Sql,
    German,
    Postgres,
}

/// In which order ambiguous dates are read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ymd,
    Dmy,
    Mdy,
}

fn style(settings: &SessionSettings) -> Style {
    let name = settings.date_style.as_bytes();
    let starts = |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if starts(b"SQL") {
        Style::Sql
    } else if starts(b"German") {
        Style::German
    } else if starts(b"Postgres") {
        Style::Postgres
    } else {
        Style::Iso
    }
}

pub(super) fn order(settings: &SessionSettings) -> Order {
    let name = settings.date_style.to_ascii_uppercase();
    if name.contains("YMD") {
        Order::Ymd
    } else if name.contains("DMY") {
        Order::Dmy
    } else {
        Order::Mdy
    }
}

/// Appends an integer with at least `width` digits. The value is not negative.
fn push_padded(out: &mut Vec<u8>, value: i64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut start = digits.len();
    while rest > 0 || digits.len() - start < width {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a fraction of a second without trailing zeros; nothing if there is none.
fn push_fraction(out: &mut Vec<u8>, micros: i64) {
    if micros == 0 {
        return;
    }
    out.push(b'.');
    let (mut rest, mut width) = (micros, 6);
    while rest % 10 == 0 {
        rest /= 10;
        width -= 1;
    }
    push_padded(out, rest, width);
}

/// Appends a time of day (microseconds since midnight): `03:04:05.5`.
pub(crate) fn push_time(out: &mut Vec<u8>, micros: i64) {
    push_padded(out, micros / MICROS_PER_HOUR, 2);
    out.push(b':');
    push_padded(out, micros / MICROS_PER_MINUTE % 60, 2);
    out.push(b':');
    push_padded(out, micros / MICROS_PER_SECOND % 60, 2);
    push_fraction(out, micros % MICROS_PER_SECOND);
}

/// A year as it is written: years before 1 AD count from 1 BC.
fn written_year(year: i64) -> i64 {
    if year > 0 { year } else { 1 - year }
}

fn push_civil(out: &mut Vec<u8>, civil: Civil, style: Style, order: Order) {
    let (first, second) = if order == Order::Dmy { (civil.day, civil.month) } else { (civil.month, civil.day) };
    match style {
        Style::Iso => {
            push_padded(out, written_year(civil.year), 4);
            out.push(b'-');
            push_padded(out, civil.month, 2);
            out.push(b'-');
            push_padded(out, civil.day, 2);
        }
        Style::Sql | Style::Postgres => {
            let separator = if style == Style::Sql { b'/' } else { b'-' };
            push_padded(out, first, 2);
            out.push(separator);
            push_padded(out, second, 2);
            out.push(separator);
            push_padded(out, written_year(civil.year), 4);
        }
        Style::German => {
            push_padded(out, civil.day, 2);
            out.push(b'.');
            push_padded(out, civil.month, 2);
            out.push(b'.');
            push_padded(out, written_year(civil.year), 4);
        }
    }
}

fn push_era(out: &mut Vec<u8>, year: i64) {
    if year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// Appends a date.
pub(crate) fn push_date(out: &mut Vec<u8>, days: i32, settings: &SessionSettings) {
    match days {
        DATE_INFINITY => out.extend_from_slice(b"infinity"),
        DATE_NEG_INFINITY => out.extend_from_slice(b"-infinity"),
        days => {
            let civil = Civil::from_days(i64::from(days));
            match style(settings) {
                Style::Iso => push_civil(out, civil, Style::Iso, Order::Ymd),
                style => push_civil(out, civil, style, order(settings)),
            }
            push_era(out, civil.year);
        }
    }
}

/// Appends a timestamp; with its zone if it is a `timestamptz`.
pub(crate) fn push_timestamp(out: &mut Vec<u8>, micros: i64, with_zone: bool, settings: &SessionSettings) {
    match micros {
        TIMESTAMP_INFINITY => return out.extend_from_slice(b"infinity"),
        TIMESTAMP_NEG_INFINITY => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    let zone = &settings.time_zone;
    let seconds_east = if with_zone { zone.offset_at_utc(micros) } else { 0 };
    let (days, time) = split_timestamp(micros.saturating_add(i64::from(seconds_east) * MICROS_PER_SECOND));
    let civil = Civil::from_days(days);
    match style(settings) {
        Style::Iso => {
            push_civil(out, civil, Style::Iso, Order::Ymd);
            out.push(b' ');
            push_time(out, time);
            if with_zone {
                push_offset(out, seconds_east);
            }
        }
        Style::Postgres => {
            let day = usize::try_from(day_of_week(days)).expect("0 to 6");
            let month = usize::try_from(civil.month - 1).expect("0 to 11");
            out.extend_from_slice(DAYS[day].as_bytes());
            out.push(b' ');
            if order(settings) == Order::Dmy {
                push_padded(out, civil.day, 2);
                out.push(b' ');
                out.extend_from_slice(MONTHS[month].as_bytes());
            } else {
                out.extend_from_slice(MONTHS[month].as_bytes());
                out.push(b' ');
                push_padded(out, civil.day, 2);
            }
            out.push(b' ');
            push_time(out, time);
            out.push(b' ');
            push_padded(out, written_year(civil.year), 4);
            push_abbreviation(out, micros, with_zone, settings);
        }
        style => {
            push_civil(out, civil, style, order(settings));
            out.push(b' ');
            push_time(out, time);
            push_abbreviation(out, micros, with_zone, settings);
        }
    }
    push_era(out, civil.year);
}

fn push_abbreviation(out: &mut Vec<u8>, micros: i64, with_zone: bool, settings: &SessionSettings) {
    if with_zone {
        out.push(b' ');
        out.extend_from_slice(settings.time_zone.abbreviation_at_utc(micros).as_bytes());
    }
}

/// Appends an offset: `+00`, `-05:30`, `+05:53:28`.
fn push_offset(out: &mut Vec<u8>, seconds_east: i32) {
    out.push(if seconds_east < 0 { b'-' } else { b'+' });
    let seconds = i64::from(seconds_east.unsigned_abs());
    push_padded(out, seconds / 3600, 2);
    if seconds % 3600 != 0 {
        out.push(b':');
        push_padded(out, seconds / 60 % 60, 2);
    }
    if seconds % 60 != 0 {
        out.push(b':');
        push_padded(out, seconds % 60, 2);
    }
}

/// Appends an interval in the style `postgres`: `1 year 2 mons -3 days +04:05:06.789`.
pub(crate) fn push_interval(out: &mut Vec<u8>, interval: Interval) {
    let parts = [
        (i64::from(interval.months / 12), "year"),
        (i64::from(interval.months % 12), "mon"),
        (i64::from(interval.days), "day"),
    ];
    let start = out.len();
    let mut after_negative = false;
    for (value, unit) in parts.into_iter().filter(|(value, _)| *value != 0) {
        if out.len() > start {
            out.push(b' ');
        }
        if value < 0 {
            out.push(b'-');
        } else if after_negative {
            out.push(b'+');
        }
        push_padded(out, value.saturating_abs(), 1);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        after_negative = value < 0;
    }
    if interval.micros != 0 || out.len() == start {
        if out.len() > start {
            out.push(b' ');
        }
        if interval.micros < 0 {
            out.push(b'-');
        } else if after_negative {
            out.push(b'+');
        }
        push_time(out, interval.micros.saturating_abs());
    }
}
