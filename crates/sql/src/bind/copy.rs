//! COPY.

use super::dml::{Verb, hidden_key};
use super::scope::Env;
use super::{Binder, error, unsupported};
use crate::ast::{self, CopySource, Ident, Name, OptionItem, OptionValue, Pos};
use crate::bound::{BoundStatement, CopyFrom};
use headwater_catalog::RelationRef;
use headwater_plan::hir::{HirQuery, HirRelation};
use headwater_types::{CopyFormat, CopyHeader, CopyOptions, Field, Result, SqlError, SqlState};

/// Options as read, before the columns they name are resolved.
struct Options {
    options: CopyOptions,
    force_quote: Option<Columns>,
    force_not_null: Option<Columns>,
    force_null: Option<Columns>,
}

/// The columns that an option names.
enum Columns {
    All,
    Named(Vec<Ident>),
}

impl Binder<'_> {
    pub(crate) fn copy(&self, copy: &ast::Copy) -> Result<BoundStatement> {
        if let Some(pos) = copy.filter {
            return Err(unsupported("COPY … WHERE", pos));
        }
        match &copy.source {
            CopySource::Table(name, columns) if copy.from => self.copy_from(copy, name, columns),
            source => self.copy_to(copy, source),
        }
    }

    fn copy_from(&self, copy: &ast::Copy, name: &Name, columns: &[Ident]) -> Result<BoundStatement> {
        let options = options(copy, name.last().name.as_str())?;
        let table = self.target(name, Verb::Copy).map_err(super::coerce::without_position)?;
        let columns = self.table_columns(&table, columns).map_err(super::coerce::without_position)?;
        if let Some(pos) = copy.file {
            return Err(unsupported("COPY from a file", pos));
        }
        let fields: Vec<Field> = table.fields();
        let named: Vec<Field> = columns.iter().map(|column| fields[*column].clone()).collect();
        let defaults = table
            .visible_columns()
            .filter(|(ordinal, _)| !columns.contains(ordinal))
            .map(|(ordinal, _)| Ok((ordinal, self.default_value(&table, ordinal)?)))
            .collect::<Result<_>>()?;
        Ok(BoundStatement::CopyFrom(CopyFrom {
            table: table.id,
            options: resolve(options, &named)?,
            defaults,
            hidden_key: hidden_key(&table),
            checks: self.checks(&table)?,
            columns,
        }))
    }

    fn copy_to(&self, copy: &ast::Copy, source: &CopySource) -> Result<BoundStatement> {
        let (query, name) = match source {
            CopySource::Query(query) => (self.query(query, &Env::default())?, String::new()),
            CopySource::Table(name, columns) => (self.table_query(name, columns)?, name.last().name.clone()),
        };
        let options = options(copy, &name)?;
        if let Some(pos) = copy.file {
            return Err(unsupported("COPY to a file", pos));
        }
        let options = resolve(options, &query.schema)?;
        Ok(BoundStatement::CopyTo { query, options })
    }

    /// A table's columns as a query.
    fn table_query(&self, name: &Name, columns: &[Ident]) -> Result<HirQuery> {
        let relation = self.relation(name).map_err(super::coerce::without_position)?;
        if let RelationRef::View(view) = &relation {
            return Err(SqlError::new(SqlState::WrongObjectType, format!("cannot copy from view \"{}\"", view.name))
                .with_hint("Try the COPY (SELECT ...) TO variant."));
        }
        let fields = relation.fields();
        let visible: Vec<usize> = (0..fields.len()).filter(|ordinal| !relation.is_hidden(*ordinal)).collect();
        let projection: Vec<usize> = if columns.is_empty() {
            visible
        } else {
            columns
                .iter()
                .map(|column| {
                    visible.iter().copied().find(|ordinal| fields[*ordinal].name == column.name).ok_or_else(|| {
                        SqlError::new(
                            SqlState::UndefinedColumn,
                            format!("column \"{}\" of relation \"{}\" does not exist", column.name, relation.name()),
                        )
                    })
                })
                .collect::<Result<_>>()?
        };
        Ok(HirQuery {
            relation: HirRelation::Get {
                relation: relation.id(),
                types: fields.iter().map(|field| field.data_type.clone()).collect(),
            },
            order_by: vec![],
            limit: None,
            offset: None,
            schema: projection.iter().map(|ordinal| fields[*ordinal].clone()).collect(),
            origins: vec![None; projection.len()],
            projection,
        })
    }
}

fn text_of(item: &OptionItem) -> Result<(&str, Pos)> {
    match &item.value {
        Some(OptionValue::Text(text, pos)) => Ok((text, *pos)),
        _ => Err(error(SqlState::SyntaxError, format!("{} requires a parameter", item.name.name), item.name.pos)),
    }
}

/// A Boolean option's value: `true`, `on`, `1`, or nothing.
pub(crate) fn flag(item: &OptionItem) -> Result<bool> {
    let Some(value) = &item.value else { return Ok(true) };
    let invalid =
        || error(SqlState::SyntaxError, format!("{} requires a Boolean value", item.name.name), item.name.pos);
    let OptionValue::Text(text, _) = value else { return Err(invalid()) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(invalid()),
    }
}

fn one_byte(item: &OptionItem, what: &str) -> Result<u8> {
    let (text, _) = text_of(item)?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(SqlError::new(
            SqlState::FeatureNotSupported,
            format!("COPY {what} must be a single one-byte character"),
        )),
    }
}

fn columns_of(item: &OptionItem) -> Result<Columns> {
    match &item.value {
        Some(OptionValue::Star) => Ok(Columns::All),
        Some(OptionValue::List(names)) => Ok(Columns::Named(names.clone())),
        _ => Err(error(
            SqlState::InvalidParameterValue,
            format!("argument to option \"{}\" must be a list of column names", item.name.name),
            item.name.pos,
        )),
    }
}

fn options(copy: &ast::Copy, relation: &str) -> Result<Options> {
    let mut format = CopyFormat::Text;
    for (index, item) in copy.options.iter().enumerate() {
        if copy.options[..index].iter().any(|earlier| earlier.name.name == item.name.name) {
            return Err(error(SqlState::SyntaxError, "conflicting or redundant options", item.name.pos));
        }
        if item.name.name == "format" {
            let (text, pos) = text_of(item)?;
            format = match text {
                "text" => CopyFormat::Text,
                "csv" => CopyFormat::Csv,
                "binary" => CopyFormat::Binary,
                other => {
                    return Err(error(
                        SqlState::InvalidParameterValue,
                        format!("COPY format \"{other}\" not recognized"),
                        // PostgreSQL points at the option, not at its value.
                        item.name.pos.min(pos),
                    ));
                }
            };
        }
    }
    let csv = format == CopyFormat::Csv;
    let mut read = Options {
        options: CopyOptions::new(format, relation),
        force_quote: None,
        force_not_null: None,
        force_null: None,
    };
    let csv_only = |name: &str| {
        if csv {
            Ok(())
        } else {
            Err(SqlError::new(SqlState::FeatureNotSupported, format!("COPY {name} available only in CSV mode")))
        }
    };
    let mut escape = None;
    for item in &copy.options {
        let options = &mut read.options;
        let name = item.name.name.as_str();
        if format == CopyFormat::Binary && matches!(name, "delimiter" | "null" | "header") {
            let state = if name == "header" { SqlState::FeatureNotSupported } else { SqlState::SyntaxError };
            return Err(SqlError::new(state, format!("cannot specify {} in BINARY mode", name.to_uppercase())));
        }
        match name {
            "format" => {}
            "freeze" => {
                if flag(item)? {
                    return Err(unsupported("COPY FREEZE", item.name.pos));
                }
            }
            "delimiter" => options.delimiter = one_byte(item, "delimiter")?,
            "null" => text_of(item)?.0.clone_into(&mut options.null),
            "header" => {
                options.header = match &item.value {
                    Some(OptionValue::Text(text, _)) if text.eq_ignore_ascii_case("match") => CopyHeader::Match,
                    _ if flag(item)? => CopyHeader::Line,
                    _ => CopyHeader::None,
                };
            }
            "quote" => {
                csv_only("quote")?;
                options.quote = one_byte(item, "quote")?;
            }
            "escape" => {
                csv_only("escape")?;
                escape = Some(one_byte(item, "escape")?);
            }
            "force_quote" => {
                csv_only("force quote")?;
                read.force_quote = Some(columns_of(item)?);
            }
            "force_not_null" => {
                csv_only("force not null")?;
                read.force_not_null = Some(columns_of(item)?);
            }
            "force_null" => {
                csv_only("force null")?;
                read.force_null = Some(columns_of(item)?);
            }
            "encoding" => {
                let (text, pos) = text_of(item)?;
                if !matches!(text.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode") {
                    return Err(unsupported(&format!("COPY encoding \"{text}\""), pos));
                }
            }
            other => {
                return Err(error(SqlState::SyntaxError, format!("option \"{other}\" not recognized"), item.name.pos));
            }
        }
    }
    read.options.escape = escape.unwrap_or(read.options.quote);
    check(&read.options, csv)?;
    Ok(read)
}

fn check(options: &CopyOptions, csv: bool) -> Result<()> {
    let invalid = |message: &str| Err(SqlError::new(SqlState::InvalidParameterValue, message));
    let forbidden: &[u8] = b"\\.abcdefghijklmnopqrstuvwxyz0123456789";
    if matches!(options.delimiter, b'\r' | b'\n') {
        return invalid("COPY delimiter cannot be newline or carriage return");
    }
    if options.null.contains(['\r', '\n']) {
        return invalid("COPY null representation cannot use newline or carriage return");
    }
    if !csv && forbidden.contains(&options.delimiter) {
        return invalid(&format!("COPY delimiter cannot be \"{}\"", char::from(options.delimiter)));
    }
    if csv && options.delimiter == options.quote {
        return invalid("COPY delimiter and quote must be different");
    }
    if options.null.as_bytes().contains(&options.delimiter) {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            "COPY delimiter must not appear in the NULL specification",
        ));
    }
    if csv && options.null.as_bytes().contains(&options.quote) {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            "CSV quote character must not appear in the NULL specification",
        ));
    }
    Ok(())
}

fn resolve(read: Options, fields: &[Field]) -> Result<CopyOptions> {
    let flags = |columns: Option<Columns>| -> Result<Vec<bool>> {
        match columns {
            None => Ok(vec![]),
            Some(Columns::All) => Ok(vec![true; fields.len()]),
            Some(Columns::Named(names)) => {
                let mut flags = vec![false; fields.len()];
                for name in names {
                    let index = fields.iter().position(|field| field.name == name.name).ok_or_else(|| {
                        error(SqlState::UndefinedColumn, format!("column \"{}\" does not exist", name.name), name.pos)
                    })?;
                    flags[index] = true;
                }
                Ok(flags)
            }
        }
    };
    Ok(CopyOptions {
        force_quote: flags(read.force_quote)?,
        force_not_null: flags(read.force_not_null)?,
        force_null: flags(read.force_null)?,
        ..read.options
    })
}
