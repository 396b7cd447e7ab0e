//! INSERT of literals: from the statement's text straight to columns.
//!
//! What does not convert plainly (an error, an unusual type, DEFAULT that is no constant) is `None`: the general path
//! then gives the rows, or the error with its position.

use super::Binder;
use super::dml::{Verb, hidden_key};
use crate::bound::{BoundStatement, Insert, InsertSource, OnConflict};
use crate::fast_insert::{Literal, LiteralInsert, LiteralKind};
use crate::lexer::unescape;
use headwater_catalog::Table;
use headwater_expr::Expr;
use headwater_types::{
    Batch, ColumnBuilder, DataType, Datum, NUMERIC_SCALE_MAX, Result, TextContext, UsualText, apply_typmod, datetime,
    parse_text,
};
use std::borrow::Cow;

impl Binder<'_> {
    /// The INSERT with its rows as columns; `None` if the general path must do it.
    pub(crate) fn literal_insert(&self, insert: &LiteralInsert, text: &str) -> Result<Option<BoundStatement>> {
        let Ok(table) = self.target(&insert.name, Verb::Insert) else { return Ok(None) };
        let Ok(mut columns) = self.table_columns(&table, &insert.columns) else { return Ok(None) };
        let enough =
            if insert.columns.is_empty() { insert.width <= columns.len() } else { insert.width == columns.len() };
        if !enough || insert.width == 0 {
            return Ok(None);
        }
        columns.truncate(insert.width);
        let Some(casts) = insert.casts.iter().map(|cast| cast_type(cast)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let rows = insert.values.len() / insert.width;
        let mut arrays = Vec::with_capacity(columns.len());
        for (index, ordinal) in columns.iter().enumerate() {
            let Some(default) = self.constant_default(&table, *ordinal, insert, index) else { return Ok(None) };
            let target = Target { data_type: &table.columns[*ordinal].data_type, default, casts: &casts, text };
            let Some(column) = self.literal_column(&target, insert, index, rows) else { return Ok(None) };
            arrays.push(column.finish());
        }
        let defaults = table
            .visible_columns()
            .filter(|(ordinal, _)| !columns.contains(ordinal))
            .map(|(ordinal, _)| Ok((ordinal, self.default_value(&table, ordinal)?)))
            .collect::<Result<_>>()?;
        Ok(Some(BoundStatement::Insert(Insert {
            table: table.id,
            source: InsertSource::Batch { columns, rows: Batch::new(arrays, rows), defaults },
            hidden_key: hidden_key(&table),
            on_conflict: OnConflict::TableDefault,
            checks: self.checks(&table)?,
            returning: None,
        })))
    }

    /// One column's values; `None` if one of them does not convert plainly.
    fn literal_column(
        &self,
        target: &Target<'_>,
        insert: &LiteralInsert,
        index: usize,
        rows: usize,
    ) -> Option<ColumnBuilder> {
        let context = TextContext { settings: self.settings, now_micros: self.now_micros };
        let mut builder = ColumnBuilder::new(target.data_type, rows);
        let mut row = 0;
        loop {
            let literals = insert.values.get(row * insert.width + index..).unwrap_or_default();
            let mut literals = literals.iter().step_by(insert.width).map(|literal| target.usual(*literal));
            row += builder.append_usual(&mut literals, &context);
            if row == rows {
                return Some(builder);
            }
            match self.value(target, insert.values[row * insert.width + index])? {
                Datum::Null => builder.append_null(),
                value => builder.append(&value),
            }
            row += 1;
        }
    }

    /// What DEFAULT means in a column; `None` if it is used and no constant.
    fn constant_default(&self, table: &Table, ordinal: usize, insert: &LiteralInsert, index: usize) -> Option<Datum> {
        let used = insert.values.iter().skip(index).step_by(insert.width).any(|v| v.kind == LiteralKind::Default);
        if !used {
            return Some(Datum::Null);
        }
        match self.default_value(table, ordinal) {
            Ok(Expr::Literal(value, _)) => Some(value),
            _ => None,
        }
    }

    fn value(&self, target: &Target<'_>, literal: Literal) -> Option<Datum> {
        let raw = &target.text[range(literal.start)..range(literal.end)];
        let text: Cow<'_, str> = match literal.kind {
            LiteralKind::Null => return Some(Datum::Null),
            LiteralKind::Default => return Some(target.default.clone()),
            LiteralKind::Bool(value) => return (*target.data_type == DataType::Bool).then_some(Datum::Bool(value)),
            LiteralKind::Number => return self.number_value(raw, target.data_type),
            LiteralKind::Plain => Cow::Borrowed(raw),
            LiteralKind::Doubled => Cow::Owned(raw.replace("''", "'")),
            LiteralKind::Escape => Cow::Owned(unescape(raw).ok()?),
        };
        match literal.cast.checked_sub(1) {
            None => self.text_value(&text, target.data_type),
            Some(cast) => {
                let from = &target.casts[usize::from(cast)];
                let value = self.text_value(&text, from)?;
                self.converted(value, from, target.data_type)
            }
        }
    }

    /// A number as written in a column; `None` where the general path's conversions might say something else.
    fn number_value(&self, digits: &str, data_type: &DataType) -> Option<Datum> {
        match data_type {
            DataType::Int2 => digits.parse().ok().map(Datum::Int2),
            DataType::Int4 => digits.parse().ok().map(Datum::Int4),
            DataType::Int8 => digits.parse().ok().map(Datum::Int8),
            DataType::Float8 if is_exact(digits) => digits.parse().ok().map(Datum::Float8),
            DataType::Numeric(_) if is_exact(digits) => {
                let context = TextContext { settings: self.settings, now_micros: self.now_micros };
                let value = parse_text(digits, &DataType::Numeric(None), &context).ok()?;
                apply_typmod(value, data_type, false).ok()
            }
            _ => None,
        }
    }

    fn text_value(&self, text: &str, data_type: &DataType) -> Option<Datum> {
        match data_type {
            DataType::Text | DataType::Varchar(None) => Some(Datum::text(text)),
            DataType::Varchar(Some(length)) if text.len() <= usize::try_from(*length).ok()? => Some(Datum::text(text)),
            DataType::Reg(_) => None,
            _ => {
                let context = TextContext { settings: self.settings, now_micros: self.now_micros };
                let value = parse_text(text, &data_type.without_modifier(), &context).ok()?;
                apply_typmod(value, data_type, false).ok()
            }
        }
    }

    /// The value of a cast literal in its column, for the conversions that generators write.
    fn converted(&self, value: Datum, from: &DataType, to: &DataType) -> Option<Datum> {
        if from.same_base(to) {
            return apply_typmod(value, to, false).ok();
        }
        match (value, to) {
            (Datum::Timestamp(micros), DataType::Timestamptz) if *from == DataType::Timestamp => {
                datetime::timestamp_to_timestamptz(micros, &self.settings.time_zone).ok().map(Datum::Timestamp)
            }
            (value @ Datum::Text(_), DataType::Text | DataType::Varchar(None)) => Some(value),
            _ => None,
        }
    }
}

/// What a column's literals become.
struct Target<'t> {
    data_type: &'t DataType,
    default: Datum,
    casts: &'t [DataType],
    text: &'t str,
}

impl<'t> Target<'t> {
    /// The literal's text where it may be in the usual form that its column's type has for strings.
    fn usual(&self, literal: Literal) -> UsualText<'t> {
        let raw = &self.text[range(literal.start)..range(literal.end)];
        let is_usual = match literal.kind {
            LiteralKind::Null => return UsualText::Null,
            LiteralKind::Plain => literal.cast == 0,
            LiteralKind::Number => match self.data_type {
                DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Numeric(None) => true,
                DataType::Float8 => is_exact(raw),
                _ => false,
            },
            _ => false,
        };
        if is_usual { UsualText::Text(raw.as_bytes()) } else { UsualText::Other }
    }
}

fn range(offset: u32) -> usize {
    usize::try_from(offset).expect("32 bits fit")
}

/// The types that literals may be cast to here.
fn cast_type(name: &str) -> Option<DataType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "text" => DataType::Text,
        "varchar" => DataType::Varchar(None),
        "date" => DataType::Date,
        "timestamp" => DataType::Timestamp,
        "timestamptz" => DataType::Timestamptz,
        "numeric" | "decimal" => DataType::Numeric(None),
        "uuid" => DataType::Uuid,
        "interval" => DataType::Interval,
        "time" => DataType::Time,
        "json" => DataType::Json,
        "jsonb" => DataType::Jsonb,
        _ => return None,
    })
}

/// Whether `numeric` holds the number as written: few digits and no exponent.
fn is_exact(digits: &str) -> bool {
    let limit = usize::try_from(NUMERIC_SCALE_MAX).unwrap_or(0);
    digits.len() <= limit && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-')
}
