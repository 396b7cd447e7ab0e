//! Type modifiers: `varchar(n)`, `char(n)` and `numeric(p,s)` applied to values.

use crate::{ArrayDatum, DataType, Datum, Result, SqlError, SqlState};
use std::sync::Arc;

/// Makes a value fit its type's modifier. `explicit` is a cast written by the user, which truncates texts; otherwise
/// (assignment, COPY) only trailing blanks are cut.
///
/// # Errors
///
/// 22001 `value too long for type character varying(n)`; 22003 `numeric field overflow`.
pub fn apply_typmod(value: Datum, data_type: &DataType, explicit: bool) -> Result<Datum> {
    match (data_type, value) {
        (DataType::Numeric(Some((precision, scale))), Datum::Numeric(value)) => {
            value.with_modifier(*precision, *scale).map(Datum::Numeric)
        }
        (DataType::Varchar(Some(length)), Datum::Text(text)) => Ok(match fit(&text, *length, data_type, explicit)? {
            Fit::Short { .. } => Datum::Text(text),
            Fit::Cut(bytes) => Datum::text(&text[..bytes]),
        }),
        (DataType::Char(Some(length)), Datum::Text(text)) => Ok(match fit(&text, *length, data_type, explicit)? {
            Fit::Short { missing: 0 } => Datum::Text(text),
            Fit::Short { missing } => Datum::text(format!("{text}{}", " ".repeat(missing))),
            Fit::Cut(bytes) => Datum::text(&text[..bytes]),
        }),
        (DataType::Array(element), Datum::Array(array)) if element.typmod() != -1 => {
            let values = array.values.iter().map(|value| apply_typmod(value.clone(), element, explicit));
            let values = values.collect::<Result<Vec<_>>>()?;
            Ok(Datum::Array(Arc::new(ArrayDatum { element: array.element.clone(), values })))
        }
        (_, value) => Ok(value),
    }
}

/// How a text fits a length in characters.
enum Fit {
    /// It does, with this many characters to spare.
    Short { missing: usize },
    /// Its first bytes do.
    Cut(usize),
}

fn fit(text: &str, length: u32, data_type: &DataType, explicit: bool) -> Result<Fit> {
    let length = usize::try_from(length).expect("32 bits fit usize");
    match text.char_indices().nth(length) {
        None => Ok(Fit::Short { missing: length - text.chars().count() }),
        Some((bytes, _)) if explicit || text[bytes..].bytes().all(|byte| byte == b' ') => Ok(Fit::Cut(bytes)),
        Some(_) => Err(SqlError::new(
            SqlState::StringDataRightTruncation,
            format!("value too long for type {}", data_type.sql_name()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_padded_or_refused() {
        let apply = |text: &str, data_type: DataType, explicit| {
            apply_typmod(Datum::text(text), &data_type, explicit).map_err(|error| error.message)
        };
        assert_eq!(apply("abcdef", DataType::Varchar(Some(3)), true), Ok(Datum::text("abc")));
        assert_eq!(apply("abc  ", DataType::Varchar(Some(3)), false), Ok(Datum::text("abc")));
        assert_eq!(apply("éèê", DataType::Varchar(Some(3)), false), Ok(Datum::text("éèê")));
        assert_eq!(
            apply("abcd", DataType::Varchar(Some(3)), false),
            Err("value too long for type character varying(3)".to_owned())
        );
        assert_eq!(apply("hi", DataType::Char(Some(5)), false), Ok(Datum::text("hi   ")));
        assert_eq!(
            apply("abcd", DataType::Char(Some(3)), false),
            Err("value too long for type character(3)".to_owned())
        );
        let array = Datum::Array(Arc::new(ArrayDatum { element: DataType::Text, values: vec![Datum::text("abcd")] }));
        assert!(apply_typmod(array, &DataType::Array(Box::new(DataType::Varchar(Some(3)))), false).is_err());
    }
}
