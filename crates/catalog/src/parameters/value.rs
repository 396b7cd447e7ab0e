//! Values of settings: what is accepted, how it is kept (in base units), how SHOW prints it.

use super::definition::{Parameter, ParameterKind};
use headwater_types::{Result, SqlError, SqlState, TimeZone};

/// Units of memory, in bytes, greatest first.
const MEMORY_UNITS: &[(&str, f64)] =
    &[("TB", 1_099_511_627_776.0), ("GB", 1_073_741_824.0), ("MB", 1_048_576.0), ("kB", 1024.0), ("B", 1.0)];
/// Units of time, in microseconds, greatest first.
const TIME_UNITS: &[(&str, f64)] = &[
    ("d", 86_400_000_000.0),
    ("h", 3_600_000_000.0),
    ("min", 60_000_000.0),
    ("s", 1_000_000.0),
    ("ms", 1000.0),
    ("us", 1.0),
];

/// The units a setting in `base` may be given in, and how much of the smallest of them `base` is.
fn units(base: &str) -> Option<(&'static [(&'static str, f64)], f64)> {
    let find =
        |table: &'static [(&'static str, f64)]| table.iter().find(|(name, _)| *name == base).map(|(_, size)| *size);
    if base == "8kB" {
        return Some((MEMORY_UNITS, 8192.0));
    }
    find(MEMORY_UNITS).map(|size| (MEMORY_UNITS, size)).or_else(|| find(TIME_UNITS).map(|size| (TIME_UNITS, size)))
}

fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, format!("invalid value for parameter \"{name}\": \"{value}\""))
}

impl Parameter {
    /// The value as it is kept: in base units, enums and booleans in their canonical spelling. `given` is the setting's
    /// name as the user wrote it, `old` its present value, which a partial DateStyle keeps the rest of.
    ///
    /// # Errors
    ///
    /// 22023 with PostgreSQL's texts; 0A000 where only the default is supported.
    pub fn canonical(&self, given: &str, value: &str, old: &str) -> Result<String> {
        let canonical = self.parse(given, value, old)?;
        if self.is_fixed() && canonical != self.default {
            return Err(SqlError::unsupported(format_args!("{} = {canonical}", self.name)));
        }
        Ok(canonical)
    }

    fn parse(&self, given: &str, value: &str, old: &str) -> Result<String> {
        match &self.kind {
            ParameterKind::Bool => {
                parse_bool(value).map(|on| if on { "on" } else { "off" }.to_owned()).ok_or_else(|| {
                    SqlError::new(
                        SqlState::InvalidParameterValue,
                        format!("parameter \"{given}\" requires a Boolean value"),
                    )
                })
            }
            ParameterKind::Enum(values) => {
                if let Some(found) = values.iter().find(|known| known.eq_ignore_ascii_case(value)) {
                    return Ok(found.clone());
                }
                // Enums that grew out of booleans take all the spellings of on and off.
                let as_bool = parse_bool(value).map(|on| if on { "on" } else { "off" });
                as_bool
                    .filter(|word| values.iter().any(|known| known == word))
                    .map(str::to_owned)
                    .ok_or_else(|| invalid(given, value).with_hint(format!("Available values: {}.", values.join(", "))))
            }
            ParameterKind::Integer { min, max } => self.canonical_integer(given, value, *min, *max),
            ParameterKind::Real { min, max } => self.canonical_real(given, value, *min, *max),
            ParameterKind::Text => self.canonical_text(value, old),
        }
    }

    fn canonical_integer(&self, given: &str, value: &str, min: i64, max: i64) -> Result<String> {
        let number = self.parse_number(given, value)?.round_ties_even();
        // Every i64 bound here is within i32, which f64 holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "bounds fit in 32 bits or are only compared")]
        let (low, high) = (min as f64, max as f64);
        if !(low..=high).contains(&number) {
            return Err(self.out_of_range(&format!("{number}"), &format!("{min} .. {max}")));
        }
        Ok(format!("{number:.0}"))
    }

    fn canonical_real(&self, given: &str, value: &str, min: f64, max: f64) -> Result<String> {
        let number = self.parse_number(given, value)?;
        if !(min..=max).contains(&number) {
            let bound = |v: f64| if v >= 1e300 { "1.79769e+308".to_owned() } else { format!("{v}") };
            return Err(self.out_of_range(&format!("{number}"), &format!("{} .. {}", bound(min), bound(max))));
        }
        Ok(format!("{number}"))
    }

    fn out_of_range(&self, number: &str, range: &str) -> SqlError {
        let unit = self.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        SqlError::new(
            SqlState::InvalidParameterValue,
            format!("{number}{unit} is outside the valid range for parameter \"{}\" ({range})", self.name),
        )
    }

    /// A number with an optional unit, in base units.
    fn parse_number(&self, given: &str, value: &str) -> Result<f64> {
        let text = value.trim();
        let digits = text
            .char_indices()
            .find(|&(i, c)| {
                let exponent =
                    matches!(c, 'e' | 'E') && text[i + 1..].starts_with(|d: char| d.is_ascii_digit() || d == '-');
                let sign = matches!(c, '+' | '-') && (i == 0 || text[..i].ends_with(['e', 'E']));
                !(c.is_ascii_digit() || c == '.' || exponent || sign)
            })
            .map_or(text.len(), |(i, _)| i);
        let (number, unit) = text.split_at(digits);
        let number: f64 = number.parse().map_err(|_| invalid(given, value))?;
        let unit = unit.trim();
        if !number.is_finite() {
            return Err(invalid(given, value));
        }
        if unit.is_empty() {
            return Ok(number);
        }
        let Some((table, base)) = self.unit.and_then(units) else { return Err(invalid(given, value)) };
        match table.iter().find(|(name, _)| *name == unit) {
            Some((_, size)) => Ok(number * size / base),
            None => Err(invalid(given, value).with_hint(if std::ptr::eq(table, MEMORY_UNITS) {
                "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"."
            } else {
                "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"."
            })),
        }
    }

    fn canonical_text(&self, value: &str, old: &str) -> Result<String> {
        match self.name {
            "TimeZone" => Ok(TimeZone::parse(value.trim()).map_err(|_| invalid(self.name, value))?.to_string()),
            "DateStyle" => date_style(value, old),
            "client_encoding" => client_encoding(value),
            "application_name" => {
                // PostgreSQL prints a question mark for each byte that is not printable ASCII.
                Ok(value.bytes().map(|b| if (b' '..=b'~').contains(&b) { char::from(b) } else { '?' }).collect())
            }
            "default_tablespace" if !matches!(value, "" | "pg_default") => {
                Err(invalid(self.name, value).with_detail(format!("Tablespace \"{value}\" does not exist.")))
            }
            _ => Ok(value.to_owned()),
        }
    }

    /// The value as SHOW prints it: with the greatest unit that divides it.
    #[must_use]
    pub fn display(&self, value: &str) -> String {
        let (Some(unit), Ok(number)) = (self.unit, value.parse::<f64>()) else { return value.to_owned() };
        let Some((table, base)) = units(unit) else { return value.to_owned() };
        if number <= 0.0 {
            return value.to_owned();
        }
        let amount = number * base;
        let whole = table.iter().find(|(_, size)| amount % size == 0.0);
        match whole {
            Some((name, size)) => format!("{}{name}", amount / size),
            None => format!("{value}{unit}"),
        }
    }
}

/// PostgreSQL's `parse_bool`: unique prefixes of true, false, yes, no; on, off, 1, 0.
fn parse_bool(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let prefix_of = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    if prefix_of("true", 1) || prefix_of("yes", 1) || value == "on" || value == "1" {
        return Some(true);
    }
    (prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || value == "0").then_some(false)
}

fn date_style(value: &str, old: &str) -> Result<String> {
    let (old_style, old_order) = old.split_once(", ").unwrap_or(("ISO", "MDY"));
    let (mut style, mut order): (Option<&str>, Option<&str>) = (None, None);
    let conflict = || invalid("DateStyle", value).with_detail("Conflicting \"datestyle\" specifications.");
    for word in value.split(',').map(str::trim) {
        let lower = word.to_ascii_lowercase();
        let (new_style, new_order) = match lower.as_str() {
            "iso" => (Some("ISO"), None),
            "sql" => (Some("SQL"), None),
            "german" => (Some("German"), None),
            "default" => (Some("ISO"), Some("MDY")),
            _ if lower.starts_with("postgres") => (Some("Postgres"), None),
            "ymd" => (None, Some("YMD")),
            "dmy" => (None, Some("DMY")),
            _ if lower.starts_with("euro") => (None, Some("DMY")),
            "mdy" | "us" => (None, Some("MDY")),
            _ if lower.starts_with("noneuro") => (None, Some("MDY")),
            _ => {
                return Err(invalid("DateStyle", value).with_detail(format!("Unrecognized key word: \"{lower}\".")));
            }
        };
        for (target, new) in [(&mut style, new_style), (&mut order, new_order)] {
            match (*target, new) {
                (Some(have), Some(new)) if have != new => return Err(conflict()),
                (_, Some(new)) => *target = Some(new),
                (_, None) => {}
            }
        }
    }
    // German dates are day first unless said otherwise.
    let order = order.unwrap_or(if style == Some("German") { "DMY" } else { old_order });
    Ok(format!("{}, {order}", style.unwrap_or(old_style)))
}

/// Headwater sends and takes UTF-8 only; `SQL_ASCII` means "as it is".
fn client_encoding(value: &str) -> Result<String> {
    // asyncpg quotes the name.
    let name: String = value.trim_matches('\'').chars().filter(char::is_ascii_alphanumeric).collect();
    match name.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" => Ok("UTF8".to_owned()),
        "sqlascii" => Ok("SQL_ASCII".to_owned()),
        "latin1" | "iso88591" | "latin9" | "iso885915" | "win1252" | "windows1252" | "eucjp" | "sjis" | "gbk"
        | "big5" => Err(SqlError::unsupported(format_args!("client encoding \"{value}\""))
            .with_hint("Use client_encoding = 'UTF8'.")),
        _ => Err(invalid("client_encoding", value)),
    }
}
