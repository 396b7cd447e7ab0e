//! Reading dates, times and timestamps: PostgreSQL's `ParseDateTime` and `DecodeDateTime`.
//!
//! The text is cut into tokens by their shape (number, date, time, offset, word), each of which fills fields of a
//! [`Draft`]; ambiguous numbers go where DateStyle's order puts them. The usual ISO form has a path of its own,
//! [`parse_iso_timestamp`], that allocates nothing.

use super::format::{MONTHS, Order, order};
use super::zone::abbreviation_offset;
use super::{
    Civil, DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
    TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, check_date, check_timestamp, split_timestamp,
};
use crate::text::TextContext;
use crate::{Result, SqlError, SqlState, TimeZone};

/// Longer inputs are no dates.
const DATETIME_BYTES_MAX: usize = 150;
/// The greatest offset, in hours.
const OFFSET_HOURS_MAX: i64 = 15;

/// Why a text is no date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    BadFormat,
    Overflow,
    /// Month or day out of range: perhaps the fields are in another order.
    MonthDayOverflow,
    OffsetOverflow,
    BadZone(String),
}

impl Fault {
    fn error(self, text: &str, type_name: &str) -> SqlError {
        let out_of_range = || {
            let message = format!("date/time field value out of range: \"{text}\"");
            SqlError::new(SqlState::DatetimeFieldOverflow, message)
        };
        match self {
            Self::BadFormat => SqlError::new(
                SqlState::InvalidDatetimeFormat,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Self::Overflow => out_of_range(),
            Self::MonthDayOverflow => out_of_range().with_hint("Perhaps you need a different \"datestyle\" setting."),
            Self::OffsetOverflow => SqlError::new(
                SqlState::InvalidTimeZoneDisplacementValue,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Self::BadZone(name) => {
                SqlError::new(SqlState::InvalidParameterValue, format!("time zone \"{name}\" not recognized"))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Digits, perhaps with a fraction.
    Number,
    /// Parts joined by `-`, `/` or `.`; or a zone's name.
    Date,
    /// Digits with colons.
    Time,
    /// A sign and digits.
    Signed,
    /// Letters.
    Word,
}

/// Cuts a text into tokens, in lower case.
pub(super) fn tokens(text: &str) -> Result<Vec<(Kind, String)>, Fault> {
    let lower = text.to_ascii_lowercase();
    let bytes = lower.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let run = |mut index: usize, accept: &dyn Fn(u8) -> bool| {
        while index < bytes.len() && accept(bytes[index]) {
            index += 1;
        }
        index
    };
    let digit = |byte: u8| byte.is_ascii_digit();
    let mut found = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let byte = bytes[start];
        let (kind, end) = if byte.is_ascii_whitespace() || byte == b'\x0b' {
            start += 1;
            continue;
        } else if digit(byte) {
            let end = run(start, &digit);
            match at(end) {
                b':' => (Kind::Time, run(end, &|b| digit(b) || b == b':' || b == b'.')),
                delimiter @ (b'-' | b'/' | b'.') => {
                    let next = end + 1;
                    if digit(at(next)) {
                        let second = run(next, &digit);
                        if at(second) == delimiter {
                            (Kind::Date, run(second, &|b| digit(b) || b == delimiter))
                        } else {
                            (if delimiter == b'.' { Kind::Number } else { Kind::Date }, second)
                        }
                    } else if at(next).is_ascii_alphabetic() {
                        (Kind::Date, run(next, &|b| b.is_ascii_alphanumeric() || b == delimiter))
                    } else {
                        (Kind::Number, next)
                    }
                }
                _ => (Kind::Number, end),
            }
        } else if byte == b'.' {
            (Kind::Number, run(start + 1, &digit))
        } else if byte.is_ascii_alphabetic() {
            let end = run(start, &|b| b.is_ascii_alphabetic());
            let zone_like = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/' | b'.' | b'_' | b'+' | b':');
            match at(end) {
                b'-' | b'/' | b'.' => (Kind::Date, run(end, &zone_like)),
                b'+' | b'_' => (Kind::Date, run(end, &zone_like)),
                _ => (Kind::Word, end),
            }
        } else if byte == b'+' || byte == b'-' {
            let sign_end = run(start + 1, &|b| b.is_ascii_whitespace());
            if digit(at(sign_end)) || at(sign_end) == b'.' {
                let end = run(sign_end, &|b| digit(b) || matches!(b, b':' | b'.' | b'-'));
                found.push((Kind::Signed, format!("{}{}", char::from(byte), &lower[sign_end..end])));
                start = end;
                continue;
            }
            if !at(sign_end).is_ascii_alphabetic() {
                return Err(Fault::BadFormat);
            }
            let end = run(sign_end, &|b| b.is_ascii_alphabetic());
            found.push((Kind::Word, format!("{}{}", char::from(byte), &lower[sign_end..end])));
            start = end;
            continue;
        } else if byte.is_ascii_punctuation() {
            start += 1;
            continue;
        } else {
            return Err(Fault::BadFormat);
        };
        found.push((kind, lower[start..end].to_owned()));
        start = end;
    }
    Ok(found)
}

/// Where the text says the time is.
#[derive(Debug, Clone)]
enum Place {
    Offset(i64),
    Zone(TimeZone),
}

/// What a whole text may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Infinity,
    NegInfinity,
    Epoch,
    Now,
}

/// The fields found so far.
#[derive(Debug, Default)]
struct Draft {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// Day number, where it was given whole (`J2451187`, `today`).
    whole_day: Option<i64>,
    text_month: bool,
    two_digit_year: bool,
    time: Option<i64>,
    pm: Option<bool>,
    bc: bool,
    place: Option<Place>,
    special: Option<Special>,
}

fn integer(digits: &str) -> Result<i64, Fault> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::BadFormat);
    }
    digits.parse().map_err(|_| Fault::Overflow)
}

/// A fraction's digits as microseconds, rounded.
pub(super) fn fraction_micros(digits: &str) -> Result<i64, Fault> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::BadFormat);
    }
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + i64::from(digits.as_bytes().get(place).map_or(0, |b| b - b'0'));
    }
    Ok(micros + i64::from(digits.as_bytes().get(6).is_some_and(|b| *b >= b'5')))
}

impl Draft {
    fn has_date(&self) -> bool {
        self.whole_day.is_some() || (self.year.is_some() && self.month.is_some() && self.day.is_some())
    }

    fn set_year(&mut self, digits: &str) -> Result<(), Fault> {
        self.year = Some(integer(digits)?);
        self.two_digit_year = digits.len() <= 2;
        Ok(())
    }

    /// Puts a number into the field that the order of dates wants next (`DecodeNumber`).
    fn number(&mut self, digits: &str, order: Order) -> Result<(), Fault> {
        let value = integer(digits)?;
        let long = digits.len() >= 3;
        match (self.year.is_some(), self.month.is_some(), self.day.is_some()) {
            (false, false, false) if long || order == Order::Ymd => self.set_year(digits)?,
            (false, false, false) if order == Order::Dmy => self.day = Some(value),
            (false, false, false) => self.month = Some(value),
            (true, false, false) => self.month = Some(value),
            (true, true, false) if long && self.two_digit_year => {
                // The first number was the day after all: 02-Jan-2024.
                self.day = self.year;
                self.set_year(digits)?;
            }
            (true, true, false) => self.day = Some(value),
            (false, false, true) => self.month = Some(value),
            (false, true, false) if self.text_month && (long || order == Order::Ymd) => self.set_year(digits)?,
            (false, true, false) => self.day = Some(value),
            (false, true, true) => self.set_year(digits)?,
            (true, false, true) => self.month = Some(value),
            (true, true, true) => return Err(Fault::BadFormat),
        }
        Ok(())
    }

    /// A number that stands alone: a concatenated date or time, or one field.
    fn alone(&mut self, token: &str, after_t: bool, order: Order) -> Result<(), Fault> {
        let (digits, fraction) = token.split_once('.').unwrap_or((token, ""));
        let part = |range: std::ops::Range<usize>| integer(digits.get(range).ok_or(Fault::BadFormat)?);
        let clock = |hour: i64, minute: i64, second: i64| clock(hour, minute, second, fraction_micros(fraction)?);
        if after_t || (self.has_date() && self.time.is_none() && digits.len() >= 4) {
            self.time = Some(match digits.len() {
                6 => clock(part(0..2)?, part(2..4)?, part(4..6)?)?,
                4 if fraction.is_empty() => clock(part(0..2)?, part(2..4)?, 0)?,
                2 if fraction.is_empty() && after_t => clock(part(0..2)?, 0, 0)?,
                _ => return Err(Fault::BadFormat),
            });
            return Ok(());
        }
        if token.contains('.') {
            return Err(Fault::BadFormat);
        }
        let nothing = self.year.is_none() && self.month.is_none() && self.day.is_none();
        match digits.len() {
            8.. if nothing => {
                let (year, rest) = digits.split_at(digits.len() - 4);
                self.set_year(year)?;
                self.month = Some(integer(&rest[..2])?);
                self.day = Some(integer(&rest[2..])?);
            }
            6 if nothing => {
                self.set_year(&digits[..2])?;
                self.month = Some(part(2..4)?);
                self.day = Some(part(4..6)?);
            }
            7 | 5 if nothing => {
                let (year, day) = digits.split_at(digits.len() - 3);
                let year_value = if year.len() == 2 { two_digit(integer(year)?) } else { integer(year)? };
                let first = Civil { year: year_value, month: 1, day: 1 }.to_days();
                let day = integer(day)?;
                if !(1..=365 + i64::from(Civil::is_leap(year_value))).contains(&day) {
                    return Err(Fault::Overflow);
                }
                self.whole_day = Some(first + day - 1);
            }
            _ => self.number(digits, order)?,
        }
        Ok(())
    }

    /// Parts joined by delimiters: a date, perhaps with a month's name; or else a zone.
    fn date(&mut self, token: &str, order: Order) -> Result<(), Fault> {
        let parts: Vec<&str> = token.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()).collect();
        let starts_with_letter = token.starts_with(|c: char| c.is_ascii_alphabetic());
        let named = |part: &&str| month_by_name(part).is_some();
        if starts_with_letter && !parts.iter().any(named) || self.has_date() {
            return self.zone(token);
        }
        if parts.len() > 3 {
            return Err(Fault::BadFormat);
        }
        let mut numbers = Vec::with_capacity(3);
        for part in parts {
            match month_by_name(part) {
                Some(month) if self.month.is_none() => {
                    self.month = Some(month);
                    self.text_month = true;
                }
                Some(_) => return Err(Fault::BadFormat),
                None => numbers.push(part),
            }
        }
        for number in numbers {
            self.number(number, order)?;
        }
        if self.has_date() { Ok(()) } else { Err(Fault::BadFormat) }
    }

    fn zone(&mut self, name: &str) -> Result<(), Fault> {
        if self.place.is_some() {
            return Err(Fault::BadFormat);
        }
        let zone = TimeZone::by_name(name).ok_or_else(|| Fault::BadZone(name.to_owned()))?;
        self.place = Some(Place::Zone(zone));
        Ok(())
    }

    fn word(&mut self, word: &str, context: &TextContext<'_>) -> Result<(), Fault> {
        let today = || split_timestamp(context.settings.time_zone.utc_to_local(context.now_micros)).0;
        if let Some(month) = month_by_name(word) {
            // A number taken for the month was the day: 02 Jan 2024.
            if let (Some(number), None, false) = (self.month, self.day, self.text_month) {
                self.day = Some(number);
            } else if self.month.is_some() {
                return Err(Fault::BadFormat);
            }
            self.month = Some(month);
            self.text_month = true;
            return Ok(());
        }
        match word {
            "infinity" | "+infinity" => self.special = Some(Special::Infinity),
            "-infinity" => self.special = Some(Special::NegInfinity),
            "epoch" => self.special = Some(Special::Epoch),
            "now" => self.special = Some(Special::Now),
            "today" => self.whole_day = Some(today()),
            "tomorrow" => self.whole_day = Some(today() + 1),
            "yesterday" => self.whole_day = Some(today() - 1),
            "allballs" => {
                self.time = Some(0);
                self.place = Some(Place::Offset(0));
            }
            "am" | "pm" if self.pm.is_none() => self.pm = Some(word == "pm"),
            "bc" => self.bc = true,
            "ad" | "at" | "on" => {}
            "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu"
            | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => {}
            word => match abbreviation_offset(word) {
                Some(offset) if self.place.is_none() => self.place = Some(Place::Offset(i64::from(offset))),
                Some(_) => return Err(Fault::BadFormat),
                None => match TimeZone::by_name(word) {
                    Some(zone) if self.place.is_none() => self.place = Some(Place::Zone(zone)),
                    _ => return Err(Fault::BadFormat),
                },
            },
        }
        Ok(())
    }

    /// Reads all tokens.
    fn read(text: &str, context: &TextContext<'_>) -> Result<Self, Fault> {
        if text.len() > DATETIME_BYTES_MAX {
            return Err(Fault::BadFormat);
        }
        let mut draft = Self::default();
        let order = order(context.settings);
        let found = tokens(text)?;
        let mut after_t = false;
        let mut index = 0;
        while let Some((kind, token)) = found.get(index) {
            let follows_t = std::mem::take(&mut after_t);
            match kind {
                Kind::Time if draft.time.is_some() => return Err(Fault::BadFormat),
                Kind::Time => draft.time = Some(time_token(token)?),
                Kind::Signed if draft.place.is_some() => return Err(Fault::BadFormat),
                Kind::Signed => draft.place = Some(Place::Offset(offset_token(token)?)),
                Kind::Number => draft.alone(token, follows_t, order)?,
                Kind::Date => draft.date(token, order)?,
                Kind::Word if token == "t" && index + 1 < found.len() => after_t = true,
                Kind::Word if (token == "j" || token == "jd" || token == "julian") && index + 1 < found.len() => {
                    index += 1;
                    draft.whole_day = Some(integer(&found[index].1)? - super::UNIX_EPOCH_JULIAN);
                }
                Kind::Word => draft.word(token, context)?,
            }
            index += 1;
        }
        if found.is_empty() {
            return Err(Fault::BadFormat);
        }
        Ok(draft)
    }

    /// The day number (`ValidateDate`).
    fn days(&self) -> Result<i64, Fault> {
        if let Some(days) = self.whole_day {
            return Ok(days);
        }
        let (Some(mut year), Some(month), Some(day)) = (self.year, self.month, self.day) else {
            return Err(Fault::BadFormat);
        };
        if self.bc {
            if year <= 0 {
                return Err(Fault::Overflow);
            }
            year = 1 - year;
        } else if self.two_digit_year {
            year = two_digit(year);
        } else if year <= 0 {
            return Err(Fault::Overflow);
        }
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Fault::MonthDayOverflow);
        }
        // Beyond every date and timestamp; keeps what follows in 64 bits.
        const YEARS_MAX: i64 = 6_000_000;
        if day > Civil::days_in_month(year, month) || year.abs() > YEARS_MAX {
            return Err(Fault::Overflow);
        }
        Ok(Civil { year, month, day }.to_days())
    }

    /// Microseconds since midnight, 24:00 included.
    fn time_of_day(&self) -> Result<Option<i64>, Fault> {
        let Some(time) = self.time else {
            return if self.pm.is_some() { Err(Fault::BadFormat) } else { Ok(None) };
        };
        let Some(pm) = self.pm else { return Ok(Some(time)) };
        let hour = time / MICROS_PER_HOUR;
        if hour > 12 {
            return Err(Fault::Overflow);
        }
        let hour_of_day = hour % 12 + if pm { 12 } else { 0 };
        Ok(Some(time + (hour_of_day - hour) * MICROS_PER_HOUR))
    }
}

fn two_digit(year: i64) -> i64 {
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        year => year,
    }
}

fn month_by_name(word: &str) -> Option<i64> {
    const FULL: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    if word == "sept" {
        return Some(9);
    }
    let position = (0..MONTHS.len()).find(|&m| word.eq_ignore_ascii_case(MONTHS[m]) || word == FULL[m])?;
    i64::try_from(position + 1).ok()
}

fn clock(hour: i64, minute: i64, second: i64, fraction: i64) -> Result<i64, Fault> {
    let in_range = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    let micros = hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + second * MICROS_PER_SECOND + fraction;
    if in_range && micros <= MICROS_PER_DAY { Ok(micros) } else { Err(Fault::Overflow) }
}

/// `HH:MM`, `HH:MM:SS`, with a fraction.
fn time_token(token: &str) -> Result<i64, Fault> {
    let mut parts = token.split(':');
    let hour = integer(parts.next().unwrap_or(""))?;
    let minute = integer(parts.next().unwrap_or(""))?;
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
            (integer(whole)?, fraction_micros(fraction)?)
        }
    };
    if parts.next().is_some() {
        return Err(Fault::BadFormat);
    }
    clock(hour, minute, second, fraction)
}

/// `+05`, `-0530`, `+05:30`, `+05:30:15`: seconds east.
fn offset_token(token: &str) -> Result<i64, Fault> {
    let (sign, digits) = match token.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, token.trim_start_matches('+')),
    };
    let mut parts = digits.split(':');
    let first = parts.next().unwrap_or("");
    let (hour, mut minute) = match first.len() {
        1 | 2 => (integer(first)?, 0),
        3 | 4 => {
            let value = integer(first)?;
            (value / 100, value % 100)
        }
        _ => return Err(Fault::BadFormat),
    };
    if let Some(part) = parts.next() {
        if first.len() > 2 {
            return Err(Fault::BadFormat);
        }
        minute = integer(part)?;
    }
    let second = parts.next().map_or(Ok(0), integer)?;
    if parts.next().is_some() {
        return Err(Fault::BadFormat);
    }
    if hour > OFFSET_HOURS_MAX || minute > 59 || second > 59 {
        return Err(Fault::OffsetOverflow);
    }
    Ok(sign * (hour * 3600 + minute * 60 + second))
}

/// Reads a date.
///
/// # Errors
///
/// 22007, 22008, 22009, 22023.
pub(crate) fn parse_date(text: &str, context: &TextContext<'_>) -> Result<i32> {
    let fault = |fault: Fault| fault.error(text, "date");
    let draft = Draft::read(text, context).map_err(fault)?;
    let days = match draft.special {
        Some(Special::Infinity) => return Ok(DATE_INFINITY),
        Some(Special::NegInfinity) => return Ok(DATE_NEG_INFINITY),
        Some(Special::Epoch) => 0,
        Some(Special::Now) => split_timestamp(context.settings.time_zone.utc_to_local(context.now_micros)).0,
        None => draft.days().map_err(fault)?,
    };
    draft.time_of_day().map_err(fault)?;
    check_date(days).map_err(|error| SqlError { message: format!("{}: \"{text}\"", error.message), ..error })
}

/// Reads a time of day; a date and a zone beside it are ignored.
///
/// # Errors
///
/// 22007, 22008, 22009, 22023.
pub(crate) fn parse_time(text: &str, context: &TextContext<'_>) -> Result<i64> {
    let fault = |fault: Fault| fault.error(text, "time");
    // A number alone is a time here, as after the T of an ISO timestamp.
    let bare = text.trim();
    let concatenated = matches!(bare.len(), 4 | 6) && bare.bytes().all(|byte| byte.is_ascii_digit());
    let draft = if concatenated { Draft::read(&format!("t{bare}"), context) } else { Draft::read(text, context) }
        .map_err(fault)?;
    match draft.special {
        Some(Special::Now) => Ok(split_timestamp(context.settings.time_zone.utc_to_local(context.now_micros)).1),
        None => draft.time_of_day().map_err(fault)?.ok_or(Fault::BadFormat).map_err(fault),
        Some(_) => Err(fault(Fault::BadFormat)),
    }
}

/// Reads a timestamp; with a zone, the moment it stands for (in the session's zone where it names none).
///
/// # Errors
///
/// 22007, 22008, 22009, 22023.
pub(crate) fn parse_timestamp(text: &str, with_zone: bool, context: &TextContext<'_>) -> Result<i64> {
    let zone = &context.settings.time_zone;
    if let Some(micros) = parse_iso_timestamp(text.as_bytes(), with_zone, zone) {
        return Ok(micros);
    }
    let fault = |fault: Fault| fault.error(text, if with_zone { "timestamp with time zone" } else { "timestamp" });
    let draft = Draft::read(text, context).map_err(fault)?;
    match draft.special {
        Some(Special::Infinity) => return Ok(TIMESTAMP_INFINITY),
        Some(Special::NegInfinity) => return Ok(TIMESTAMP_NEG_INFINITY),
        Some(Special::Epoch) => return Ok(0),
        Some(Special::Now) if with_zone => return Ok(context.now_micros),
        Some(Special::Now) => return Ok(zone.utc_to_local(context.now_micros)),
        None => {}
    }
    let days = draft.days().map_err(fault)?;
    let time = draft.time_of_day().map_err(fault)?.unwrap_or(0);
    let out_of_range = |error: SqlError| SqlError { message: format!("{}: \"{text}\"", error.message), ..error };
    let local = days.checked_mul(MICROS_PER_DAY).and_then(|midnight| midnight.checked_add(time));
    let local = check_timestamp(local.unwrap_or(i64::MAX)).map_err(out_of_range)?;
    if !with_zone {
        return Ok(local);
    }
    let moment = match draft.place {
        None => zone.local_to_utc(local),
        Some(Place::Zone(zone)) => zone.local_to_utc(local),
        Some(Place::Offset(seconds)) => local.saturating_sub(seconds * MICROS_PER_SECOND),
    };
    check_timestamp(moment).map_err(out_of_range)
}

/// Reads `YYYY-MM-DD[( |T)HH:MM:SS[.ffffff][Z|±HH[[:]MM]]]` and nothing else; `None` for every other text, valid or not.
pub(crate) fn parse_iso_timestamp(bytes: &[u8], with_zone: bool, zone: &TimeZone) -> Option<i64> {
    let two = |at: usize| -> Option<i64> {
        let (tens, ones) = (bytes[at].wrapping_sub(b'0'), bytes[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
    };
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (two(0)? * 100 + two(2)?, two(5)?, two(8)?);
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > Civil::days_in_month(year, month) {
        return None;
    }
    let mut local = Civil { year, month, day }.to_days() * MICROS_PER_DAY;
    let mut at = 10;
    if bytes.len() > 10 {
        if bytes.len() < 19 || !matches!(bytes[10], b' ' | b'T') || bytes[13] != b':' || bytes[16] != b':' {
            return None;
        }
        let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        local += hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + second * MICROS_PER_SECOND;
        at = 19;
        if bytes.get(at) == Some(&b'.') {
            let (mut fraction, mut unit) = (0, MICROS_PER_SECOND);
            at += 1;
            while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
                unit /= 10;
                if unit == 0 {
                    return None;
                }
                fraction += i64::from(digit - b'0') * unit;
                at += 1;
            }
            local += fraction;
        }
    }
    let rest = &bytes[at..];
    let seconds_east = match rest {
        [] => return Some(if with_zone { zone.local_to_utc(local) } else { local }),
        b"Z" => 0,
        [sign @ (b'+' | b'-'), _, _, tail @ ..] => {
            let minutes = match tail {
                [] => 0,
                [b':', _, _] => two(bytes.len() - 2)?,
                [_, _] => two(bytes.len() - 2)?,
                _ => return None,
            };
            let hours = two(at + 1)?;
            if hours > OFFSET_HOURS_MAX || minutes > 59 {
                return None;
            }
            (hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    Some(if with_zone { local - seconds_east * MICROS_PER_SECOND } else { local })
}
