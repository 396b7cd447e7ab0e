//! Date and time templates: reading them, and reading texts by them.

use headwater_types::datetime::{self, Civil, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use headwater_types::{Interval, Result, SqlError, SqlState};

/// What a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    Year(u32),
    YearComma,
    IsoYear,
    Month,
    MonthName,
    MonthShort,
    Day,
    DayName,
    DayShort,
    DayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Week,
    IsoWeek,
    WeekOfMonth,
    Quarter,
    Century,
    Julian,
    Hour24,
    Hour12,
    Minute,
    Second,
    Milliseconds,
    Microseconds,
    Fraction(u32),
    SecondOfDay,
    Meridiem { dots: bool },
    Era { dots: bool },
    Zone,
    ZoneOffset,
    ZoneHours,
    ZoneMinutes,
}

/// How a pattern's own letters are cased, which names copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Title,
    Lower,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Literal(String),
    Pattern {
        pattern: Pattern,
        /// Pad with zeros or blanks; FM turns it off.
        fill: bool,
        /// TH (true) or th (false) follows.
        ordinal: Option<bool>,
        case: Case,
    },
}

/// Longest first where one begins another.
const PATTERNS: &[(&str, Pattern)] = &[
    ("SSSSS", Pattern::SecondOfDay),
    ("SSSS", Pattern::SecondOfDay),
    ("SS", Pattern::Second),
    ("Y,YYY", Pattern::YearComma),
    ("YYYY", Pattern::Year(4)),
    ("YYY", Pattern::Year(3)),
    ("YY", Pattern::Year(2)),
    ("Y", Pattern::Year(1)),
    ("IYYY", Pattern::IsoYear),
    ("IDDD", Pattern::DayOfYear),
    ("ID", Pattern::IsoDayOfWeek),
    ("IW", Pattern::IsoWeek),
    ("MONTH", Pattern::MonthName),
    ("MON", Pattern::MonthShort),
    ("MM", Pattern::Month),
    ("MI", Pattern::Minute),
    ("MS", Pattern::Milliseconds),
    ("DAY", Pattern::DayName),
    ("DDD", Pattern::DayOfYear),
    ("DD", Pattern::Day),
    ("DY", Pattern::DayShort),
    ("D", Pattern::DayOfWeek),
    ("HH24", Pattern::Hour24),
    ("HH12", Pattern::Hour12),
    ("HH", Pattern::Hour12),
    ("US", Pattern::Microseconds),
    ("FF1", Pattern::Fraction(1)),
    ("FF2", Pattern::Fraction(2)),
    ("FF3", Pattern::Fraction(3)),
    ("FF4", Pattern::Fraction(4)),
    ("FF5", Pattern::Fraction(5)),
    ("FF6", Pattern::Fraction(6)),
    ("AM", Pattern::Meridiem { dots: false }),
    ("PM", Pattern::Meridiem { dots: false }),
    ("A.M.", Pattern::Meridiem { dots: true }),
    ("P.M.", Pattern::Meridiem { dots: true }),
    ("AD", Pattern::Era { dots: false }),
    ("BC", Pattern::Era { dots: false }),
    ("A.D.", Pattern::Era { dots: true }),
    ("B.C.", Pattern::Era { dots: true }),
    ("WW", Pattern::Week),
    ("W", Pattern::WeekOfMonth),
    ("Q", Pattern::Quarter),
    ("CC", Pattern::Century),
    ("J", Pattern::Julian),
    ("TZH", Pattern::ZoneHours),
    ("TZM", Pattern::ZoneMinutes),
    ("TZ", Pattern::Zone),
    ("OF", Pattern::ZoneOffset),
];

/// Splits a template.
///
/// # Errors
///
/// 0A000 for the patterns of other locales.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = source;
    let mut fill = true;
    while let Some(first) = rest.chars().next() {
        let starts = |word: &str| {
            rest.len() >= word.len()
                && rest.is_char_boundary(word.len())
                && rest[..word.len()].eq_ignore_ascii_case(word)
        };
        if starts("FM") {
            fill = false;
            rest = &rest[2..];
        } else if starts("FX") {
            rest = &rest[2..];
        } else if starts("TM") {
            return Err(SqlError::unsupported("the TM prefix of a template"));
        } else if first == '"' {
            let (quoted, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            push_literal(&mut tokens, quoted);
            rest = after;
        } else if first == '\\' && rest[1..].starts_with('"') {
            push_literal(&mut tokens, "\"");
            rest = &rest[2..];
        } else if let Some((word, pattern)) = PATTERNS.iter().find(|(word, _)| starts(word)) {
            let case = match rest.as_bytes() {
                [a, b, ..] if a.is_ascii_uppercase() && b.is_ascii_lowercase() => Case::Title,
                [a, ..] if a.is_ascii_lowercase() => Case::Lower,
                _ => Case::Upper,
            };
            rest = &rest[word.len()..];
            let ordinal = if rest.starts_with("TH") {
                Some(true)
            } else if rest.starts_with("th") {
                Some(false)
            } else {
                None
            };
            rest = &rest[if ordinal.is_some() { 2 } else { 0 }..];
            tokens.push(Token::Pattern { pattern: *pattern, fill, ordinal, case });
            fill = true;
        } else {
            push_literal(&mut tokens, &rest[..first.len_utf8()]);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(tokens)
}

fn push_literal(tokens: &mut Vec<Token>, text: &str) {
    match tokens.last_mut() {
        Some(Token::Literal(literal)) => literal.push_str(text),
        _ => tokens.push(Token::Literal(text.to_owned())),
    }
}

/// What a text said.
#[derive(Debug, Default)]
pub(super) struct Reading {
    source: String,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    julian: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    second_of_day: Option<i64>,
    afternoon: Option<bool>,
    before_christ: bool,
    pub(super) zone_seconds: Option<i64>,
}

fn invalid_value(value: &str, pattern: &str, detail: &str) -> SqlError {
    SqlError::new(SqlState::InvalidDatetimeFormat, format!("invalid value \"{value}\" for \"{pattern}\""))
        .with_detail(detail)
}

fn out_of_range(source: &str) -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, format!("date/time field value out of range: \"{source}\""))
}

struct Reader<'a> {
    source: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    /// An integer of at most `width` digits, or of any number where the next pattern cannot be a number.
    fn integer(&mut self, width: usize, pattern: &str, open_ended: bool) -> Result<i64> {
        self.rest = self.rest.trim_start();
        let sign = usize::from(self.rest.starts_with(['-', '+']));
        let limit = if open_ended { 10 } else { width };
        let digits = self.rest[sign..].bytes().take(limit).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            let word: String = self.rest.chars().take(width.max(1)).collect();
            return Err(invalid_value(&word, pattern, "Value must be an integer."));
        }
        let (number, rest) = self.rest.split_at(sign + digits);
        self.rest = rest;
        number.parse().map_err(|_| out_of_range(self.source))
    }

    /// One of these words, by its place.
    fn word(&mut self, words: &[&str], whole: bool, pattern: &str) -> Result<i64> {
        self.rest = self.rest.trim_start();
        for (place, word) in words.iter().enumerate() {
            let word = if whole { word } else { &word[..3] };
            if self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
                self.rest = &self.rest[word.len()..];
                return Ok(i64::try_from(place).expect("a dozen words"));
            }
        }
        let word: String = self.rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        let detail = "The given value did not match any of the allowed values for this field.";
        Err(invalid_value(&word, pattern, detail))
    }

    fn fraction(&mut self, digits: usize, pattern: &str) -> Result<i64> {
        self.rest = self.rest.trim_start();
        let found = self.rest.bytes().take(digits).take_while(u8::is_ascii_digit).count();
        if found == 0 {
            let word: String = self.rest.chars().take(digits).collect();
            return Err(invalid_value(&word, pattern, "Value must be an integer."));
        }
        let value: i64 = self.rest[..found].parse().map_err(|_| out_of_range(self.source))?;
        self.rest = &self.rest[found..];
        Ok(value * 10_i64.pow(u32::try_from(6 - found).expect("at most six digits")))
    }
}

/// Reads a text by a template.
///
/// # Errors
///
/// 22007 where the text does not fit it, 0A000 for patterns that texts are not read by.
pub(super) fn read(source: &str, template: &str) -> Result<Reading> {
    let tokens = tokens(template)?;
    let mut reader = Reader { source, rest: source };
    let mut reading = Reading { source: source.to_owned(), ..Reading::default() };
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Literal(literal) => {
                for c in literal.chars() {
                    // A separator matches any separator, and blanks match any number of them.
                    if c.is_whitespace() {
                        reader.rest = reader.rest.trim_start();
                    } else if let Some(next) = reader.rest.chars().next()
                        && (next == c || !next.is_alphanumeric())
                    {
                        reader.rest = &reader.rest[next.len_utf8()..];
                    }
                }
            }
            Token::Pattern { pattern, ordinal, .. } => {
                let open_ended = !matches!(tokens.get(place + 1), Some(Token::Pattern { .. }));
                reading.take(&mut reader, *pattern, open_ended)?;
                if ordinal.is_some() {
                    let suffix = reader.rest.len().min(2);
                    reader.rest = reader.rest.get(suffix..).unwrap_or("");
                }
            }
        }
        if reader.rest.trim().is_empty() {
            break;
        }
    }
    Ok(reading)
}

impl Reading {
    fn take(&mut self, reader: &mut Reader<'_>, pattern: Pattern, open_ended: bool) -> Result<()> {
        match pattern {
            Pattern::Year(digits) => {
                let width = usize::try_from(digits).expect("at most four digits");
                let name = &"YYYY"[..width];
                let before = reader.rest.trim_start().len();
                let value = reader.integer(width, name, open_ended && digits == 4)?;
                let read = before - reader.rest.len();
                self.year = Some(match read {
                    // PostgreSQL moves short years next to 2020.
                    1 | 2 if digits < 4 => value + if value < 70 { 2000 } else { 1900 },
                    3 if digits < 4 => value + if value < 520 { 2000 } else { 1000 },
                    _ => value,
                });
            }
            Pattern::Month => self.month = Some(reader.integer(2, "MM", open_ended)?),
            Pattern::MonthName => self.month = Some(reader.word(&super::MONTHS, true, "MONTH")? + 1),
            Pattern::MonthShort => self.month = Some(reader.word(&super::MONTHS, false, "MON")? + 1),
            Pattern::Day => self.day = Some(reader.integer(2, "DD", open_ended)?),
            Pattern::DayName => drop(reader.word(&super::DAYS, true, "DAY")?),
            Pattern::DayShort => drop(reader.word(&super::DAYS, false, "DY")?),
            Pattern::DayOfYear => self.day_of_year = Some(reader.integer(3, "DDD", open_ended)?),
            Pattern::DayOfWeek => drop(reader.integer(1, "D", open_ended)?),
            Pattern::Quarter => drop(reader.integer(1, "Q", open_ended)?),
            Pattern::Julian => self.julian = Some(reader.integer(10, "J", open_ended)?),
            Pattern::Hour24 => self.hour = reader.integer(2, "HH24", open_ended)?,
            Pattern::Hour12 => {
                self.hour = reader.integer(2, "HH12", open_ended)?;
                if !(1..=12).contains(&self.hour) {
                    return Err(SqlError::new(
                        SqlState::InvalidDatetimeFormat,
                        format!("hour \"{}\" is invalid for the 12-hour clock", self.hour),
                    )
                    .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
                }
                self.afternoon = self.afternoon.or(Some(false));
            }
            Pattern::Minute => self.minute = reader.integer(2, "MI", open_ended)?,
            Pattern::Second => self.second = reader.integer(2, "SS", open_ended)?,
            Pattern::SecondOfDay => self.second_of_day = Some(reader.integer(5, "SSSSS", open_ended)?),
            Pattern::Milliseconds => self.micros = reader.fraction(3, "MS")?,
            Pattern::Microseconds => self.micros = reader.fraction(6, "US")?,
            Pattern::Fraction(digits) => {
                self.micros = reader.fraction(usize::try_from(digits).expect("at most six"), "FF")?;
            }
            Pattern::Meridiem { dots } => {
                let words: [&str; 2] = if dots { ["A.M.", "P.M."] } else { ["AM", "PM"] };
                self.afternoon = Some(reader.word(&words, true, words[0])? == 1);
            }
            Pattern::Era { dots } => {
                let words: [&str; 2] = if dots { ["A.D.", "B.C."] } else { ["AD", "BC"] };
                self.before_christ = reader.word(&words, true, words[0])? == 1;
            }
            Pattern::ZoneHours => self.zone_seconds = Some(reader.integer(2, "TZH", open_ended)? * 3600),
            Pattern::ZoneMinutes => {
                let hours = self.zone_seconds.unwrap_or(0);
                let minutes = reader.integer(2, "TZM", open_ended)? * 60;
                self.zone_seconds = Some(if hours < 0 { hours - minutes } else { hours + minutes });
            }
            other => return Err(SqlError::unsupported(format!("reading a date by the template pattern {other:?}"))),
        }
        Ok(())
    }

    /// The day number.
    ///
    /// # Errors
    ///
    /// 22008 for a day that is none.
    pub(super) fn days(&self) -> Result<i64> {
        if let Some(julian) = self.julian {
            return Ok(julian - datetime::UNIX_EPOCH_JULIAN);
        }
        let bad = || out_of_range(&self.source);
        let mut year = self.year.unwrap_or(0);
        if self.before_christ && year > 0 {
            year = 1 - year;
        } else if year <= 0 {
            // Without a year PostgreSQL reads 1 BC.
            year = if year < 0 { year + 1 } else { 0 };
        }
        if let Some(day) = self.day_of_year {
            return Ok(Civil { year, month: 1, day: 1 }.to_days() + day - 1);
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if !(1..=12).contains(&month) || day < 1 || day > Civil::days_in_month(year, month) {
            return Err(bad());
        }
        Ok(Civil { year, month, day }.to_days())
    }

    /// The local timestamp.
    ///
    /// # Errors
    ///
    /// 22008 for a field out of its range.
    pub(super) fn timestamp(&self) -> Result<i64> {
        let bad = || out_of_range(&self.source);
        let hour = match self.afternoon {
            Some(true) => self.hour % 12 + 12,
            Some(false) => self.hour % 12,
            None => self.hour,
        };
        if !(0..24).contains(&hour) || !(0..60).contains(&self.minute) || !(0..60).contains(&self.second) {
            return Err(bad());
        }
        let time = match self.second_of_day {
            Some(seconds) if (0..86_400).contains(&seconds) => seconds * MICROS_PER_SECOND,
            Some(_) => return Err(bad()),
            None => hour * MICROS_PER_HOUR + self.minute * MICROS_PER_MINUTE + self.second * MICROS_PER_SECOND,
        };
        let midnight = self.days()?.checked_mul(Interval::MICROS_PER_DAY).ok_or_else(bad)?;
        datetime::check_timestamp(midnight.checked_add(time + self.micros).ok_or_else(bad)?)
    }
}
