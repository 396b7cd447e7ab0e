//! The session settings that change what values mean or how they print.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A session's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TimeZone {
    /// A zone of the IANA database.
    Named(Tz),
    /// A fixed offset: seconds east of Greenwich, and the name that SHOW prints (`<+05>-05`).
    Fixed {
        /// Seconds east.
        seconds_east: i32,
        /// As SHOW prints it.
        name: String,
    },
}

impl TimeZone {
    /// UTC.
    pub const UTC: Self = Self::Named(Tz::UTC);
}

impl TryFrom<String> for TimeZone {
    type Error = crate::SqlError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name)
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.to_string()
    }
}

impl std::fmt::Display for TimeZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(zone) => f.write_str(zone.name()),
            Self::Fixed { name, .. } => f.write_str(name),
        }
    }
}

/// The settings that change results.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionSettings {
    /// `TimeZone`.
    pub time_zone: TimeZone,
    /// `DateStyle`, e.g. `ISO, MDY`.
    pub date_style: String,
    /// `IntervalStyle`; only `postgres` is supported.
    pub interval_style: String,
    /// `extra_float_digits`.
    pub extra_float_digits: i32,
    /// `bytea_output`: hex or escape.
    pub bytea_output: String,
    /// `search_path`, as given: schema names in order, without the implicit `pg_catalog`.
    pub search_path: Vec<String>,
    /// The session's user.
    pub user: String,
    /// The database connected to.
    pub database: String,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            time_zone: TimeZone::UTC,
            date_style: "ISO, MDY".to_owned(),
            interval_style: "postgres".to_owned(),
            extra_float_digits: 1,
            bytea_output: "hex".to_owned(),
            search_path: vec!["public".to_owned()],
            user: "root".to_owned(),
            database: "dev".to_owned(),
        }
    }
}
