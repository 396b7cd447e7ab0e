//! PostgreSQL's binary form of every type: send and receive functions.

use crate::{DataType, Datum, Result, SqlError};
use arrow_array::Array;

/// Reads a value as PostgreSQL's receive function of its type.
///
/// # Errors
///
/// 22P03 for a malformed value, 22003 and others as text input has them.
pub fn decode_binary(_bytes: &[u8], data_type: &DataType) -> Result<Datum> {
    Err(SqlError::unsupported(format_args!("binary input of {}", data_type.sql_name())))
}

/// Appends one row's value as PostgreSQL's send function of its type. NULL appends nothing.
pub fn encode_binary(_array: &dyn Array, _data_type: &DataType, _row: usize, _out: &mut Vec<u8>) {}
