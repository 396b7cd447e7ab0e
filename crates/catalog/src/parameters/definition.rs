//! The settings there are: PostgreSQL's own, read from its `pg_settings`, with Headwater's values, and a few of RisingWave's.

use crate::system::data;
use headwater_types::{Result, SqlError, SqlState};
use std::sync::OnceLock;

/// What `server_version` reports: the PostgreSQL whose behaviour clients may expect.
pub const SERVER_VERSION: &str = "15.18";
/// The same as `server_version_num` has it.
pub const SERVER_VERSION_NUM: &str = "150018";

/// What `version()` returns. SQLAlchemy, dbt and JDBC parse it.
#[must_use]
pub fn version_text() -> String {
    format!("PostgreSQL {SERVER_VERSION}-RisingWave-2.6.0 (Headwater {})", env!("CARGO_PKG_VERSION"))
}

/// Which values a setting takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterKind {
    /// on, off and their spellings.
    Bool,
    /// A whole number, perhaps with a unit.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// A number, perhaps with a unit.
    Real {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// Anything, or what the setting's own check allows.
    Text,
    /// One of these.
    Enum(Vec<String>),
}

/// Who may change a setting, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterScope {
    /// Nobody.
    Internal,
    /// A restart of the server.
    Restart,
    /// The configuration, while the server runs.
    Reload,
    /// The start of a connection.
    Connection,
    /// Any statement.
    Session,
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, as SHOW ALL spells it.
    pub name: &'static str,
    /// Its value unless something sets it, in base units.
    pub default: String,
    /// The base unit: `ms`, `kB`, `8kB`, …
    pub unit: Option<&'static str>,
    /// Which values it takes.
    pub kind: ParameterKind,
    /// When it may be changed.
    pub scope: ParameterScope,
    /// Clients are told of its value at once (`ParameterStatus`).
    pub reported: bool,
    /// Not in `pg_settings` and SHOW ALL.
    pub unlisted: bool,
    /// `pg_settings.category`
    pub category: &'static str,
    /// `pg_settings.short_desc`: also SHOW ALL's third column.
    pub description: &'static str,
    /// `pg_settings.extra_desc`
    pub extra_description: Option<&'static str>,
    /// `pg_settings.context`
    pub context: &'static str,
    /// `pg_settings.vartype`
    pub value_type: &'static str,
}

/// PostgreSQL's GUC_REPORT settings.
const REPORTED: &[&str] = &[
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// Where Headwater's value is not PostgreSQL's built-in one.
const VALUES: &[(&str, &str)] = &[
    ("TimeZone", "UTC"),
    ("client_encoding", "UTF8"),
    ("default_text_search_config", "pg_catalog.simple"),
    ("jit", "off"),
    ("lc_collate", "C.UTF-8"),
    ("lc_ctype", "C.UTF-8"),
    ("lc_messages", "C.UTF-8"),
    ("lc_monetary", "C.UTF-8"),
    ("lc_numeric", "C.UTF-8"),
    ("lc_time", "C.UTF-8"),
    ("log_timezone", "UTC"),
    ("port", "4566"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", SERVER_VERSION_NUM),
    ("timezone_abbreviations", "Default"),
];

/// Settings that would change results or the meaning of statements, of which only the default is supported.
const FIXED: &[&str] = &[
    "IntervalStyle",
    "array_nulls",
    "backslash_quote",
    "quote_all_identifiers",
    "session_replication_role",
    "standard_conforming_strings",
    "transform_null_equals",
    "xmloption",
];

/// All settings, by name without regard to case.
pub fn parameters() -> &'static [Parameter] {
    static PARAMETERS: OnceLock<Vec<Parameter>> = OnceLock::new();
    PARAMETERS.get_or_init(|| {
        let file = data::file("pg_settings").expect("pg_settings.tsv is compiled in");
        let mut all: Vec<Parameter> = file.rows().map(|row| from_pg_settings(&row)).collect();
        all.extend(extra());
        all.sort_by_key(|parameter| parameter.name.to_ascii_lowercase());
        all
    })
}

/// The setting of this name, in any case.
#[must_use]
pub fn parameter(name: &str) -> Option<&'static Parameter> {
    let name = match name.to_ascii_lowercase().as_str() {
        // RisingWave has both spellings.
        "implicit_flush" => "rw_implicit_flush".to_owned(),
        name => name.to_owned(),
    };
    let all = parameters();
    let index = all.binary_search_by(|parameter| parameter.name.to_ascii_lowercase().as_str().cmp(&name)).ok()?;
    all.get(index)
}

fn from_pg_settings(row: &data::Row<'_>) -> Parameter {
    let text = |column| row.get(column).unwrap_or_default();
    let name = text("name");
    let context = text("context");
    let value_type = text("vartype");
    let kind = match value_type {
        "bool" => ParameterKind::Bool,
        "integer" => ParameterKind::Integer {
            min: text("min_val").parse().unwrap_or(i64::from(i32::MIN)),
            max: text("max_val").parse().unwrap_or(i64::from(i32::MAX)),
        },
        "real" => ParameterKind::Real {
            min: text("min_val").parse().unwrap_or(f64::MIN),
            max: text("max_val").parse().unwrap_or(f64::MAX),
        },
        "enum" => ParameterKind::Enum(data::split_array(text("enumvals")).into_iter().flatten().collect()),
        _ => ParameterKind::Text,
    };
    let value = VALUES.iter().find(|(own, _)| *own == name).map_or(text("boot_val"), |(_, value)| value);
    Parameter {
        name,
        default: value.to_owned(),
        unit: row.get("unit"),
        kind,
        scope: match context {
            "internal" => ParameterScope::Internal,
            "postmaster" => ParameterScope::Restart,
            "sighup" => ParameterScope::Reload,
            "backend" | "superuser-backend" => ParameterScope::Connection,
            _ => ParameterScope::Session,
        },
        reported: REPORTED.contains(&name),
        unlisted: false,
        category: text("category"),
        description: text("short_desc"),
        extra_description: row.get("extra_desc"),
        context,
        value_type,
    }
}

/// Settings that `pg_settings` does not list, and RisingWave's.
fn extra() -> Vec<Parameter> {
    let base = |name, default: &str, kind, description| Parameter {
        name,
        default: default.to_owned(),
        unit: None,
        value_type: match &kind {
            ParameterKind::Bool => "bool",
            ParameterKind::Enum(_) => "enum",
            _ => "string",
        },
        kind,
        scope: ParameterScope::Session,
        reported: REPORTED.contains(&name),
        unlisted: false,
        category: "Customized Options",
        description,
        extra_description: None,
        context: "user",
    };
    let internal = |parameter: Parameter| Parameter {
        scope: ParameterScope::Internal,
        context: "internal",
        unlisted: true,
        ..parameter
    };
    let modes = ["auto", "local", "distributed"].map(str::to_owned).to_vec();
    vec![
        internal(base("session_authorization", "root", ParameterKind::Text, "Sets the session user name.")),
        internal(base("is_superuser", "on", ParameterKind::Bool, "Shows whether the current user is a superuser.")),
        base(
            "rw_implicit_flush",
            "off",
            ParameterKind::Bool,
            "Makes the statements of a transaction block commit one by one, as in RisingWave.",
        ),
        base("query_mode", "auto", ParameterKind::Enum(modes), "Accepted for RisingWave's clients; has no effect."),
        base(
            "streaming_parallelism",
            "default",
            ParameterKind::Text,
            "Accepted for RisingWave's clients; has no effect.",
        ),
    ]
}

/// 42704: there is no such setting.
#[must_use]
pub fn unrecognized(name: &str) -> SqlError {
    SqlError::new(SqlState::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""))
}

impl Parameter {
    /// Whether only the default is supported.
    pub(super) fn is_fixed(&self) -> bool {
        FIXED.contains(&self.name)
    }

    /// Whether a statement may change it; `given` is its name as the user wrote it.
    ///
    /// # Errors
    ///
    /// 55P02.
    pub fn check_settable(&self, given: &str) -> Result<()> {
        let problem = match self.scope {
            ParameterScope::Session => return Ok(()),
            ParameterScope::Internal => "cannot be changed",
            ParameterScope::Restart => "cannot be changed without restarting the server",
            ParameterScope::Reload => "cannot be changed now",
            ParameterScope::Connection => "cannot be set after connection start",
        };
        Err(SqlError::new(SqlState::CantChangeRuntimeParam, format!("parameter \"{given}\" {problem}")))
    }
}
