//! The functions that read the catalog: `format_type`, `pg_get_viewdef`, `obj_description`, casts of `regclass`, …
//!
//! Their signatures are `headwater_expr`'s; this is what they compute. One entry of a family's `FUNCTIONS` each. An
//! argument that is NULL gives NULL except where PostgreSQL's function is not strict.

mod describe;
mod format_type;
mod instance;
mod privileges;
mod reg;

use crate::{Catalog, SystemContext};
use headwater_expr::CatalogLookup;
use headwater_types::{Datum, RegKind, RelationId, Result, SessionSettings, SqlError, SqlState};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The catalog as expressions see it.
#[derive(Clone, Copy)]
pub struct CatalogFunctions<'a> {
    /// The objects.
    pub catalog: &'a Catalog,
    /// Everything else.
    pub context: SystemContext<'a>,
}

/// One call of a function.
struct Call<'a> {
    catalog: &'a Catalog,
    context: &'a SystemContext<'a>,
    settings: &'a SessionSettings,
    args: &'a [Datum],
}

type Function = fn(&Call<'_>) -> Result<Datum>;

fn functions() -> &'static HashMap<&'static str, Function> {
    static FUNCTIONS: OnceLock<HashMap<&'static str, Function>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        let families = [describe::FUNCTIONS, instance::FUNCTIONS, privileges::FUNCTIONS, reg::FUNCTIONS];
        families.into_iter().flatten().copied().collect()
    })
}

/// Whether [`CatalogFunctions`] computes a function.
#[cfg(test)]
pub(crate) fn is_known(name: &str) -> bool {
    functions().contains_key(name)
}

impl Catalog {
    /// The object that a `reg*` literal names: what binding needs, which has no [`SystemContext`].
    ///
    /// # Errors
    ///
    /// As [`CatalogLookup::reg_oid`].
    pub fn reg_oid(&self, kind: RegKind, name: &str, settings: &SessionSettings) -> Result<u32> {
        reg::oid(self, kind, name, settings)
    }
}

impl CatalogLookup for CatalogFunctions<'_> {
    fn reg_name(&self, kind: RegKind, oid: u32, settings: &SessionSettings) -> Option<String> {
        reg::name(self.catalog, kind, oid, settings)
    }

    fn reg_oid(&self, kind: RegKind, name: &str, settings: &SessionSettings) -> Result<u32> {
        reg::oid(self.catalog, kind, name, settings)
    }

    fn check_interrupt(&self) -> Result<()> {
        self.context.control.check_interrupt()
    }

    fn call(&self, function: &str, args: &[Datum], settings: &SessionSettings) -> Result<Datum> {
        let Some(compute) = functions().get(function) else {
            return Err(SqlError::unsupported(format_args!("function {function}")));
        };
        compute(&Call { catalog: self.catalog, context: &self.context, settings, args })
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.context.setting(name)
    }
}

impl Call<'_> {
    fn search_path(&self) -> &[String] {
        &self.settings.search_path
    }

    /// An argument that is there and not NULL.
    fn arg(&self, index: usize) -> Option<&Datum> {
        self.args.get(index).filter(|datum| !datum.is_null())
    }

    /// An oid, given as such or as an integer.
    fn oid(&self, index: usize) -> Option<u32> {
        match self.arg(index)? {
            Datum::Oid(oid) => Some(*oid),
            Datum::Int2(value) => u32::try_from(*value).ok(),
            Datum::Int4(value) => u32::try_from(*value).ok(),
            Datum::Int8(value) => u32::try_from(*value).ok(),
            _ => None,
        }
    }

    fn id(&self, index: usize) -> Option<RelationId> {
        self.oid(index).map(RelationId)
    }

    fn integer(&self, index: usize) -> Option<i64> {
        match self.arg(index)? {
            Datum::Oid(value) => Some(i64::from(*value)),
            Datum::Int2(value) => Some(i64::from(*value)),
            Datum::Int4(value) => Some(i64::from(*value)),
            Datum::Int8(value) => Some(*value),
            _ => None,
        }
    }

    fn text(&self, index: usize) -> Option<&str> {
        match self.arg(index)? {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    fn flag(&self, index: usize) -> bool {
        matches!(self.arg(index), Some(Datum::Bool(true)))
    }

    /// An object given by oid or by name.
    fn object(&self, index: usize, kind: RegKind) -> Result<Option<u32>> {
        match self.arg(index) {
            Some(Datum::Text(name)) => reg::oid(self.catalog, kind, name, self.settings).map(Some),
            _ => Ok(self.oid(index)),
        }
    }
}

/// Text, or NULL.
fn optional(text: Option<String>) -> Datum {
    text.map_or(Datum::Null, Datum::text)
}

/// The parts of a possibly qualified name: unquoted ones in lower case.
///
/// # Errors
///
/// 42602 `invalid name syntax`.
fn split_name(name: &str) -> Result<Vec<String>> {
    let invalid = || SqlError::new(SqlState::InvalidName, "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next() {
                    Some((_, '"')) if chars.peek().is_some_and(|(_, c)| *c == '"') => {
                        chars.next();
                        part.push('"');
                    }
                    Some((i, '"')) => break i + 1,
                    Some((_, c)) => part.push(c),
                    None => return Err(invalid()),
                }
            };
            parts.push(part);
            rest = quoted[end..].trim_start();
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let part = rest[..end].trim();
            let valid = part.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
            if !valid {
                return Err(invalid());
            }
            parts.push(part.to_lowercase());
            rest = &rest[end..];
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}
