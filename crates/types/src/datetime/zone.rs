//! Time zones: names, and offsets at a moment.

use super::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, day_of_week, split_timestamp};
use crate::{Result, SqlError, SqlState, TimeZone};
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone as _};
use chrono_tz::{OffsetName, Tz};

const SECONDS_PER_HOUR: i32 = 3600;
/// The greatest offset of a POSIX zone, in hours.
const POSIX_HOURS_MAX: i32 = 167;
/// The last year for which the zone database is asked; later ones follow the rules of one like them.
const DATABASE_YEAR_MAX: i64 = 2099;

/// Zone abbreviations that input accepts, with their seconds east (PostgreSQL's `Default` set, the usual ones).
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("acdt", 37800),
    ("acst", 34200),
    ("adt", -10800),
    ("aedt", 39600),
    ("aest", 36000),
    ("akdt", -28800),
    ("akst", -32400),
    ("art", -10800),
    ("ast", -14400),
    ("awst", 28800),
    ("brt", -10800),
    ("bst", 3600),
    ("cdt", -18000),
    ("cest", 7200),
    ("cet", 3600),
    ("cst", -21600),
    ("eat", 10800),
    ("edt", -14400),
    ("eest", 10800),
    ("eet", 7200),
    ("est", -18000),
    ("gmt", 0),
    ("hkt", 28800),
    ("hst", -36000),
    ("idt", 10800),
    ("ist", 7200),
    ("jst", 32400),
    ("kst", 32400),
    ("mdt", -21600),
    ("mest", 7200),
    ("met", 3600),
    ("msk", 10800),
    ("mst", -25200),
    ("ndt", -9000),
    ("npt", 20700),
    ("nst", -12600),
    ("nzdt", 46800),
    ("nzst", 43200),
    ("pdt", -25200),
    ("pkt", 18000),
    ("pst", -28800),
    ("sast", 7200),
    ("sgt", 28800),
    ("uct", 0),
    ("ut", 0),
    ("utc", 0),
    ("west", 3600),
    ("wet", 0),
    ("z", 0),
    ("zulu", 0),
];

/// The offset, in seconds east, of a zone abbreviation (in lower case).
pub(super) fn abbreviation_offset(name: &str) -> Option<i32> {
    let index = ABBREVIATIONS.binary_search_by(|(abbreviation, _)| (*abbreviation).cmp(name)).ok()?;
    Some(ABBREVIATIONS[index].1)
}

impl TimeZone {
    /// A zone by the name that SET takes: IANA (any case), hours east (`+05`, `-5.5`), POSIX (`UTC+3`, `+05:30`,
    /// `<+05>-05`: positive is *west*).
    ///
    /// # Errors
    ///
    /// 22023 `time zone "x" not recognized`.
    pub fn parse(name: &str) -> Result<Self> {
        let name = name.trim();
        if let Ok(hours) = name.parse::<f64>()
            && hours.abs() <= f64::from(POSIX_HOURS_MAX)
            && !name.contains(['e', 'E'])
        {
            // At most 167 hours: the product is a small integer once rounded.
            return Ok(Self::fixed((hours * f64::from(SECONDS_PER_HOUR)).round() as i32));
        }
        Self::by_name(name).ok_or_else(|| {
            SqlError::new(SqlState::InvalidParameterValue, format!("time zone \"{name}\" not recognized"))
        })
    }

    /// A zone by the name that AT TIME ZONE takes: an abbreviation (`PST`), or what SET takes but for bare hours,
    /// which POSIX counts westwards.
    ///
    /// # Errors
    ///
    /// 22023 `time zone "x" not recognized`.
    pub fn parse_at_time_zone(name: &str) -> Result<Self> {
        if let Some(seconds_east) = abbreviation_offset(&name.to_ascii_lowercase()) {
            return Ok(Self::fixed(seconds_east));
        }
        Self::by_name(name).ok_or_else(|| {
            SqlError::new(SqlState::InvalidParameterValue, format!("time zone \"{name}\" not recognized"))
        })
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        Tz::from_str_insensitive(name).ok().map(Self::Named).or_else(|| posix(name))
    }

    /// The zone that is always `seconds_east` of Greenwich.
    #[must_use]
    pub fn fixed(seconds_east: i32) -> Self {
        let (shown, posix) = if seconds_east < 0 { ('-', '+') } else { ('+', '-') };
        let magnitude = seconds_east.unsigned_abs();
        let mut text = format!("{:02}", magnitude / 3600);
        if !magnitude.is_multiple_of(3600) {
            text.push_str(&format!(":{:02}", magnitude % 3600 / 60));
        }
        if !magnitude.is_multiple_of(60) {
            text.push_str(&format!(":{:02}", magnitude % 60));
        }
        Self::Fixed { seconds_east, name: format!("<{shown}{text}>{posix}{text}") }
    }

    /// Whether this is UTC, of which nothing needs to be looked up.
    fn is_utc(&self) -> bool {
        matches!(self, Self::Named(Tz::UTC | Tz::Etc__UTC) | Self::Fixed { seconds_east: 0, .. })
    }

    /// The offset at a moment (microseconds since 1970 UTC), in seconds east.
    #[must_use]
    pub fn offset_at_utc(&self, micros: i64) -> i32 {
        match self {
            _ if self.is_utc() => 0,
            Self::Fixed { seconds_east, .. } => *seconds_east,
            Self::Named(zone) => zone.offset_from_utc_datetime(&naive(micros)).fix().local_minus_utc(),
        }
    }

    /// The moment at which clocks show this time (microseconds since 1970 on the local clock). A time that clocks show
    /// twice is the later moment; one that they skip is counted from before the skip.
    #[must_use]
    pub fn local_to_utc(&self, micros: i64) -> i64 {
        let seconds_east = match self {
            _ if self.is_utc() => return micros,
            Self::Fixed { seconds_east, .. } => *seconds_east,
            Self::Named(zone) => match zone.offset_from_local_datetime(&naive(micros)) {
                chrono::LocalResult::Single(offset) => offset.fix().local_minus_utc(),
                chrono::LocalResult::Ambiguous(_, later) => later.fix().local_minus_utc(),
                chrono::LocalResult::None => self.offset_at_utc(micros.saturating_sub(MICROS_PER_DAY)),
            },
        };
        micros.saturating_sub(i64::from(seconds_east) * MICROS_PER_SECOND)
    }

    /// The local clock at a moment.
    #[must_use]
    pub fn utc_to_local(&self, micros: i64) -> i64 {
        micros.saturating_add(i64::from(self.offset_at_utc(micros)) * MICROS_PER_SECOND)
    }

    /// The abbreviation that clocks go by at a moment: `EST`, `+05`.
    #[must_use]
    pub fn abbreviation_at_utc(&self, micros: i64) -> String {
        match self {
            Self::Named(zone) => {
                let offset = zone.offset_from_utc_datetime(&naive(micros));
                offset.abbreviation().unwrap_or("UTC").to_owned()
            }
            Self::Fixed { name, .. } => match name.strip_prefix('<').and_then(|name| name.split_once('>')) {
                Some((shown, _)) => shown.to_owned(),
                None => name.clone(),
            },
        }
    }
}

/// The clock's reading, moved into the years that the zone database covers. A later year is replaced by one with the
/// same calendar (they repeat every 28 years), so that rules like "second Sunday in March" hold.
fn naive(micros: i64) -> NaiveDateTime {
    let (days, _) = split_timestamp(micros);
    let year = Civil::from_days(days).year;
    let first_day = |year| Civil { year, month: 1, day: 1 }.to_days();
    let alike = |candidate: &i64| {
        Civil::is_leap(*candidate) == Civil::is_leap(year)
            && day_of_week(first_day(*candidate)) == day_of_week(first_day(year))
    };
    let mut seconds = micros.div_euclid(MICROS_PER_SECOND);
    if year > DATABASE_YEAR_MAX {
        let twin = (DATABASE_YEAR_MAX - 27..=DATABASE_YEAR_MAX).find(alike).expect("28 years hold every calendar");
        seconds -= (first_day(year) - first_day(twin)) * (MICROS_PER_DAY / MICROS_PER_SECOND);
    }
    DateTime::from_timestamp(seconds, 0).expect("chrono goes back beyond 4714 BC").naive_utc()
}

/// A POSIX zone without daylight saving: an abbreviation of three letters or more, or in angle brackets, or none
/// before a signed offset; then the offset, positive to the west.
fn posix(name: &str) -> Option<TimeZone> {
    let rest = match name.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => {
            let rest = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let letters = name.len() - rest.len();
            if letters == 0 && !rest.starts_with(['+', '-']) || (1..3).contains(&letters) {
                return None;
            }
            rest
        }
    };
    let (west, digits) = match rest.as_bytes().first()? {
        b'-' => (-1, &rest[1..]),
        b'+' => (1, &rest[1..]),
        _ => (1, rest),
    };
    let mut parts = digits.split(':').map(|part| {
        (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse::<i32>().ok())?
    });
    let hours = parts.next()??;
    let minutes = parts.next().unwrap_or(Some(0))?;
    let seconds = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() || hours > POSIX_HOURS_MAX || minutes > 59 || seconds > 59 {
        return None;
    }
    let seconds_west = west * (hours * SECONDS_PER_HOUR + minutes * 60 + seconds);
    Some(TimeZone::Fixed { seconds_east: -seconds_west, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> i64 {
        Civil { year, month, day }.to_days() * MICROS_PER_DAY + (hour * 60 + minute) * super::super::MICROS_PER_MINUTE
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::parse(name).expect("a zone")
    }

    #[test]
    fn names_are_those_that_set_takes() {
        assert_eq!(zone("america/new_york").to_string(), "America/New_York");
        assert_eq!(zone("utc"), TimeZone::UTC);
        assert_eq!(zone("+05").to_string(), "<+05>-05");
        assert_eq!(zone("-5.5").to_string(), "<-05:30>+05:30");
        assert_eq!(zone("<+05>-05").offset_at_utc(0), 5 * 3600);
        assert_eq!(zone("+05:30").offset_at_utc(0), -(5 * 3600 + 1800));
        assert_eq!(zone("UTC+3").offset_at_utc(0), -3 * 3600);
        assert_eq!(TimeZone::parse_at_time_zone("PST").expect("a zone").offset_at_utc(0), -8 * 3600);
        assert_eq!(zone(&zone("+05").to_string()), TimeZone::fixed(5 * 3600));
        for bad in ["", "nowhere", "NaN", "inf", "1e9", "<+05", "AB+1", "UTC+1:99", "999", "+", "\u{fffd}+1"] {
            let error = TimeZone::parse(bad).expect_err(bad);
            assert_eq!(error.message, format!("time zone \"{bad}\" not recognized"));
        }
    }

    #[test]
    fn offsets_follow_the_rules_of_the_zone() {
        let new_york = zone("America/New_York");
        assert_eq!(new_york.offset_at_utc(micros(2024, 1, 2, 3, 4)), -5 * 3600);
        assert_eq!(new_york.offset_at_utc(micros(2024, 7, 2, 3, 4)), -4 * 3600);
        assert_eq!(new_york.offset_at_utc(micros(2095, 7, 2, 3, 4)), -4 * 3600);
        assert_eq!(new_york.offset_at_utc(micros(290_000, 7, 2, 3, 4)), -4 * 3600);
        assert_eq!(new_york.offset_at_utc(micros(290_000, 1, 2, 3, 4)), -5 * 3600);
        assert!(new_york.offset_at_utc(micros(-4000, 1, 1, 0, 0)) < 0);
        assert_eq!(zone("Asia/Kolkata").offset_at_utc(0), 19_800);
    }

    #[test]
    fn skipped_and_repeated_times_are_resolved_as_in_postgresql() {
        let new_york = zone("America/New_York");
        assert_eq!(new_york.local_to_utc(micros(2024, 3, 10, 2, 30)), micros(2024, 3, 10, 7, 30));
        assert_eq!(new_york.local_to_utc(micros(2024, 11, 3, 1, 30)), micros(2024, 11, 3, 6, 30));
        assert_eq!(new_york.local_to_utc(micros(2024, 7, 1, 0, 0)), micros(2024, 7, 1, 4, 0));
        assert_eq!(new_york.abbreviation_at_utc(micros(2024, 7, 1, 0, 0)), "EDT");
        assert_eq!(zone("+05").abbreviation_at_utc(0), "+05");
    }

    #[test]
    fn abbreviations_are_sorted() {
        assert!(ABBREVIATIONS.is_sorted());
    }
}
