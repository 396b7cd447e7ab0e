//! Writing rows of system relations by column name, so that thirty columns are not counted by hand.

use headwater_types::{ArrayDatum, DataType, Datum, RelationId};
use std::sync::Arc;

/// A value on its way into a column, whose type decides how it is kept.
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(Arc<str>),
    /// Elements of an array or vector column.
    List(Vec<Value>),
    Datum(Datum),
}

/// Rows of one system relation.
pub(super) struct Writer<'a> {
    names: Vec<&'a str>,
    types: Vec<DataType>,
    not_null: &'a [bool],
    rows: Vec<Vec<Datum>>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(relation: &'a super::SystemRelation) -> Self {
        Self {
            names: relation.columns.iter().map(|field| field.name.as_str()).collect(),
            types: relation.columns.iter().map(|field| field.data_type.clone()).collect(),
            not_null: &relation.not_null,
            rows: Vec::new(),
        }
    }

    /// One row. Columns that are not mentioned are NULL, or the zero of their type where they are NOT NULL.
    ///
    /// # Panics
    ///
    /// If there is no such column: a mistake in the caller that any test finds.
    pub(super) fn row<'v>(&mut self, values: impl IntoIterator<Item = (&'v str, Value)>) {
        let defaults = self.types.iter().zip(self.not_null);
        let mut row: Vec<Datum> =
            defaults.map(|(data_type, not_null)| if *not_null { zero(data_type) } else { Datum::Null }).collect();
        let mut next = 0;
        for (name, value) in values {
            let rest = self.names[next..].iter().position(|column| *column == name).map(|offset| next + offset);
            let index = rest.or_else(|| self.names.iter().position(|column| *column == name));
            let index = index.unwrap_or_else(|| panic!("system relation has no column {name}"));
            row[index] = value.into_datum(&self.types[index]);
            next = index + 1;
        }
        self.rows.push(row);
    }

    pub(super) fn extend(&mut self, rows: impl IntoIterator<Item = Vec<Datum>>) {
        self.rows.extend(rows);
    }

    pub(super) fn finish(self) -> Vec<Vec<Datum>> {
        self.rows
    }
}

fn zero(data_type: &DataType) -> Datum {
    match data_type {
        DataType::Bool => Datum::Bool(false),
        DataType::Int2
        | DataType::Int4
        | DataType::Int8
        | DataType::Float4
        | DataType::Float8
        | DataType::Oid
        | DataType::Xid
        | DataType::Reg(_) => Value::Int(0).into_datum(data_type),
        DataType::Int2Vector | DataType::OidVector | DataType::Array(_) => {
            Value::List(Vec::new()).into_datum(data_type)
        }
        _ => Datum::text(""),
    }
}

impl Value {
    fn into_datum(self, data_type: &DataType) -> Datum {
        match (self, data_type) {
            (Self::Null, _) => Datum::Null,
            (Self::Bool(value), _) => Datum::Bool(value),
            (Self::Text(text), _) => Datum::Text(text),
            (Self::Datum(datum), _) => datum,
            (Self::List(values), _) => match data_type.element() {
                Some(element) => Datum::Array(Arc::new(ArrayDatum {
                    values: values.into_iter().map(|value| value.into_datum(&element)).collect(),
                    element,
                })),
                None => Datum::Null,
            },
            (Self::Int(value), DataType::Int2) => i16::try_from(value).map_or(Datum::Null, Datum::Int2),
            (Self::Int(value), DataType::Int4) => i32::try_from(value).map_or(Datum::Null, Datum::Int4),
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            (Self::Int(value), DataType::Float4) => Datum::Float4(value as f32),
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            (Self::Int(value), DataType::Float8) => Datum::Float8(value as f64),
            (Self::Int(value), DataType::Oid | DataType::Xid | DataType::Reg(_)) => {
                u32::try_from(value).map_or(Datum::Null, Datum::Oid)
            }
            (Self::Int(value), DataType::Int8) => Datum::Int8(value),
            (Self::Int(value), _) => Datum::text(value.to_string()),
        }
    }
}

macro_rules! from_integer {
    ($($type:ty),*) => { $(impl From<$type> for Value {
        fn from(value: $type) -> Self { Self::Int(i64::from(value)) }
    })* };
}
from_integer!(i16, i32, i64, u32);

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Arc::from(value))
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Arc::from(value))
    }
}
impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Arc::from(value.as_str()))
    }
}
impl From<RelationId> for Value {
    fn from(value: RelationId) -> Self {
        Self::Int(i64::from(value.0))
    }
}
impl From<Datum> for Value {
    fn from(value: Datum) -> Self {
        Self::Datum(value)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}
