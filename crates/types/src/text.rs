//! PostgreSQL's text form of every type: input and output functions.

use crate::{DataType, Datum, Result, SessionSettings, SqlError};
use arrow_array::Array;

/// What text input may depend on besides the text.
#[derive(Debug, Clone, Copy)]
pub struct TextContext<'a> {
    /// The session's settings: time zone, date style.
    pub settings: &'a SessionSettings,
    /// The transaction's timestamp, microseconds since 1970 UTC, for `now`, `today` and their kin.
    pub now_micros: i64,
}

/// Reads a value as PostgreSQL's input function of its type. Type modifiers are not applied; see
/// [`crate::apply_typmod`].
///
/// # Errors
///
/// 22P02, 22003, 22007, 22008, … with PostgreSQL's texts.
pub fn parse_text(_text: &str, data_type: &DataType, _context: &TextContext<'_>) -> Result<Datum> {
    Err(SqlError::unsupported(format_args!("text input of {}", data_type.sql_name())))
}

/// Appends one row's value as PostgreSQL's output function of its type. NULL appends nothing.
pub fn format_text(
    _array: &dyn Array,
    _data_type: &DataType,
    _row: usize,
    _settings: &SessionSettings,
    _out: &mut Vec<u8>,
) {
}

/// A value's text; NULL's is empty.
#[must_use]
pub fn datum_to_text(_value: &Datum, _data_type: &DataType, _settings: &SessionSettings) -> String {
    String::new()
}
