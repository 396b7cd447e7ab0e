//! Data types, values, delta batches, epochs, ids and SQLSTATE: the words every other crate speaks.
//!
//! Nothing here performs I/O, reads a clock or knows SQL syntax.

mod array_text;
mod batch;
mod binary;
mod bytea_text;
mod column;
mod copy;
mod data_type;
pub mod datetime;
mod datum;
mod error;
mod float_text;
mod ids;
mod interval;
mod json;
mod key;
mod number_text;
mod numeric;
mod numeric_math;
mod order;
mod pg;
mod settings;
mod sum_state;
#[cfg(test)]
mod testing;
mod text;
mod text_column;
mod typmod;
mod usual_text;

pub use batch::{Batch, DeltaBatch};
pub use binary::{decode_binary, encode_binary};
pub use column::{ColumnBuilder, array_of, constant_array};
pub use copy::{CopyDecoder, CopyEncoder, CopyFormat, CopyHeader, CopyOptions};
pub use data_type::{DataType, Field, RegKind, Schema};
pub use datum::{ArrayDatum, Datum};
pub use error::{ErrorObject, Result, SqlError, SqlState};
pub use ids::{Epoch, RelationId};
pub use interval::Interval;
pub use key::{
    EncodedKeys, Equality, KeyEncoder, RowEquality, any_null, hash_bytes, hash_keys, hash_words, rows_equal,
};
pub use numeric::{NUMERIC_BYTES, Numeric};
pub use numeric_math::NUMERIC_SCALE_MAX;
pub use order::{ColumnOrder, RowOrder, float_cmp, sort_indices};
pub use settings::{SessionSettings, TimeZone};
pub use sum_state::{FloatSumState, SumState};
pub use text::{TextContext, datum_to_text, format_text, parse_text};
pub use text_column::{TextColumn, flat_column, is_dictionary};
pub use typmod::apply_typmod;
pub use usual_text::UsualText;
