//! Settings: which there are, which values they take, and a session's values of them.
//!
//! ```text
//! built-in default ◀── connection start ◀── SET ◀── SET LOCAL        the last one that is there counts
//! ```
//! [`Parameters`] is a value: the engine keeps a clone from the beginning of a transaction or savepoint and puts it back on
//! ROLLBACK. Those settings that change results are mirrored in [`SessionSettings`] at every change.

mod definition;
mod value;

pub use definition::{
    Parameter, ParameterKind, ParameterScope, SERVER_VERSION, SERVER_VERSION_NUM, parameter, parameters, unrecognized,
    version_text,
};

use crate::quote_identifier;
use headwater_types::{Result, SessionSettings, SqlError, SqlState, TimeZone};
use std::collections::BTreeMap;
use std::time::Duration;

/// A session's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Given when the connection started: what RESET goes back to.
    startup: BTreeMap<String, String>,
    session: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
    settings: SessionSettings,
}

impl Parameters {
    /// The settings of a new session.
    #[must_use]
    pub fn new(user: &str, database: &str) -> Self {
        let settings =
            SessionSettings { user: user.to_owned(), database: database.to_owned(), ..SessionSettings::default() };
        let startup = BTreeMap::from([("session_authorization".to_owned(), user.to_owned())]);
        let mut parameters = Self { startup, session: BTreeMap::new(), local: BTreeMap::new(), settings };
        parameters.refresh();
        parameters
    }

    /// The settings that change results.
    #[must_use]
    pub fn settings(&self) -> &SessionSettings {
        &self.settings
    }

    /// Sets what the startup packet asks for, which RESET then goes back to.
    ///
    /// # Errors
    ///
    /// As [`Self::set`].
    pub fn set_at_startup(&mut self, name: &str, value: &str) -> Result<()> {
        let (key, value) = match parameter(name) {
            Some(parameter) => {
                if parameter.scope != ParameterScope::Connection {
                    parameter.check_settable(name)?;
                }
                (parameter.name.to_owned(), parameter.canonical(name, value, &self.value(parameter))?)
            }
            None => (custom_name(name)?, value.to_owned()),
        };
        self.startup.insert(key, value);
        self.refresh();
        Ok(())
    }

    /// SET: `values` is what the statement lists, `None` is DEFAULT.
    ///
    /// # Errors
    ///
    /// 42704 no such setting, 55P02 not to be changed, 22023 not such a value.
    pub fn set(&mut self, name: &str, values: Option<&[String]>, local: bool) -> Result<()> {
        let Some(values) = values else {
            return if local { self.set_local_default(name) } else { self.reset(name) };
        };
        let known = parameter(name);
        let text = match values {
            list if known.is_some_and(|p| p.name == "search_path") => {
                list.iter().map(|schema| quote_identifier(schema)).collect::<Vec<_>>().join(", ")
            }
            [value] => value.clone(),
            list if known.is_none_or(is_list) => list.join(", "),
            _ => {
                return Err(SqlError::new(
                    SqlState::InvalidParameterValue,
                    format!("SET {name} takes only one argument"),
                ));
            }
        };
        self.set_text(name, &text, local)
    }

    /// `set_config`: lists are written as one text.
    ///
    /// # Errors
    ///
    /// As [`Self::set`].
    pub fn set_text(&mut self, name: &str, value: &str, local: bool) -> Result<()> {
        let (key, value) = match parameter(name) {
            Some(parameter) => {
                parameter.check_settable(name)?;
                (parameter.name.to_owned(), parameter.canonical(name, value, &self.value(parameter))?)
            }
            None => (custom_name(name)?, value.to_owned()),
        };
        if local {
            self.local.insert(key, value);
        } else {
            self.local.remove(&key);
            self.session.insert(key, value);
        }
        self.refresh();
        Ok(())
    }

    fn set_local_default(&mut self, name: &str) -> Result<()> {
        let known = parameter(name).ok_or_else(|| unrecognized(name))?;
        known.check_settable(name)?;
        let value = self.startup.get(known.name).unwrap_or(&known.default).clone();
        self.local.insert(known.name.to_owned(), value);
        self.refresh();
        Ok(())
    }

    /// RESET.
    ///
    /// # Errors
    ///
    /// 42704, 55P02.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        let key = match parameter(name) {
            Some(parameter) => {
                parameter.check_settable(name)?;
                parameter.name.to_owned()
            }
            None => custom_name(name)?,
        };
        self.local.remove(&key);
        self.session.remove(&key);
        self.refresh();
        Ok(())
    }

    /// RESET ALL.
    pub fn reset_all(&mut self) {
        self.local.clear();
        self.session.clear();
        self.refresh();
    }

    /// The end of a transaction: SET LOCAL is forgotten. On ROLLBACK, the clone of its beginning is put back instead.
    pub fn end_transaction(&mut self) {
        if !self.local.is_empty() {
            self.local.clear();
            self.refresh();
        }
    }

    /// SHOW and `current_setting`: `None` if there is no such setting.
    #[must_use]
    pub fn show(&self, name: &str) -> Option<String> {
        match parameter(name) {
            Some(parameter) => Some(parameter.display(&self.value(parameter))),
            None => self.lookup(&name.to_ascii_lowercase()).map(str::to_owned),
        }
    }

    /// A setting's name as SHOW titles it: `datestyle` is `DateStyle`.
    #[must_use]
    pub fn title(name: &str) -> &str {
        parameter(name).map_or(name, |parameter| parameter.name)
    }

    /// SHOW.
    ///
    /// # Errors
    ///
    /// 42704 if there is no such setting.
    pub fn require(&self, name: &str) -> Result<String> {
        self.show(name).ok_or_else(|| unrecognized(name))
    }

    /// SHOW ALL: name, value, description.
    #[must_use]
    pub fn show_all(&self) -> Vec<(String, String, &'static str)> {
        let listed = parameters().iter().filter(|parameter| !parameter.unlisted);
        listed.map(|p| (p.name.to_owned(), p.display(&self.value(p)), p.description)).collect()
    }

    /// `statement_timeout`; `None` is none.
    #[must_use]
    pub fn statement_timeout(&self) -> Option<Duration> {
        // Kept in its base unit.
        let millis = self.lookup("statement_timeout")?.parse().ok().filter(|&millis| millis > 0)?;
        Some(Duration::from_millis(millis))
    }

    /// The settings that clients are told of, and their values.
    #[must_use]
    pub fn reported(&self) -> Vec<(&'static str, String)> {
        parameters().iter().filter(|p| p.reported).map(|p| (p.name, p.display(&self.value(p)))).collect()
    }

    /// Those reported settings that differ from `before`: what `ParameterStatus` must now be sent for.
    #[must_use]
    pub fn changed_reports(&self, before: &Self) -> Vec<(&'static str, String)> {
        if self == before {
            return Vec::new();
        }
        let before = before.reported();
        self.reported().into_iter().filter(|entry| !before.contains(entry)).collect()
    }

    /// The value as kept, in base units.
    pub(crate) fn value(&self, parameter: &Parameter) -> String {
        self.lookup(parameter.name).map_or_else(|| parameter.default.clone(), str::to_owned)
    }

    /// What RESET would go back to, in base units.
    pub(crate) fn reset_value(&self, parameter: &Parameter) -> String {
        self.startup.get(parameter.name).unwrap_or(&parameter.default).clone()
    }

    /// `pg_settings.source`
    pub(crate) fn source(&self, parameter: &Parameter) -> &'static str {
        if self.local.contains_key(parameter.name) || self.session.contains_key(parameter.name) {
            "session"
        } else if self.startup.contains_key(parameter.name) {
            "client"
        } else {
            "default"
        }
    }

    fn lookup(&self, key: &str) -> Option<&str> {
        self.local.get(key).or_else(|| self.session.get(key)).or_else(|| self.startup.get(key)).map(String::as_str)
    }

    fn refresh(&mut self) {
        let value = |name: &str| parameter(name).map(|p| self.value(p)).unwrap_or_default();
        let settings = SessionSettings {
            time_zone: TimeZone::parse(&value("TimeZone")).unwrap_or(TimeZone::UTC),
            date_style: value("DateStyle"),
            interval_style: value("IntervalStyle"),
            extra_float_digits: value("extra_float_digits").parse().unwrap_or(1),
            bytea_output: value("bytea_output"),
            search_path: split_identifiers(&value("search_path")),
            user: self.settings.user.clone(),
            database: self.settings.database.clone(),
        };
        self.settings = settings;
    }
}

/// PostgreSQL's GUC_LIST_INPUT settings among those a session may set.
fn is_list(parameter: &Parameter) -> bool {
    matches!(
        parameter.name,
        "DateStyle" | "search_path" | "temp_tablespaces" | "session_preload_libraries" | "local_preload_libraries"
    )
}

/// A setting of an extension or a user: `prefix.name`.
fn custom_name(name: &str) -> Result<String> {
    if !name.contains('.') {
        return Err(unrecognized(name));
    }
    let valid = name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    });
    if !valid {
        return Err(SqlError::new(SqlState::InvalidName, format!("invalid configuration parameter name \"{name}\""))
            .with_detail("Custom parameter names must be two or more simple identifiers separated by dots."));
    }
    Ok(name.to_ascii_lowercase())
}

/// A comma-separated list of identifiers, quoted or folded to lower case.
fn split_identifiers(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let name;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut chars = quoted.char_indices().peekable();
            let mut end = quoted.len();
            while let Some((i, c)) = chars.next() {
                if c != '"' {
                    text.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == '"') {
                    text.push('"');
                    chars.next();
                } else {
                    end = i + 1;
                    break;
                }
            }
            name = text;
            rest = &quoted[end..];
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            name = rest[..end].trim().to_lowercase();
            rest = &rest[end..];
        }
        if !name.is_empty() {
            names.push(name);
        }
        rest = rest.find(',').map_or("", |comma| rest[comma + 1..].trim_start());
    }
    names
}

#[cfg(test)]
mod tests;
