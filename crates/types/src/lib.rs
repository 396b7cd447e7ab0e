//! Data types, values, delta batches, epochs, ids and SQLSTATE: the words every other crate speaks.
//!
//! Nothing here performs I/O, reads a clock or knows SQL syntax.

mod batch;
mod data_type;
mod datum;
mod error;
mod ids;
mod interval;
mod numeric;
mod settings;

pub use batch::{Batch, DeltaBatch};
pub use data_type::{DataType, Field, RegKind, Schema};
pub use datum::{ArrayDatum, Datum};
pub use error::{ErrorObject, Result, SqlError, SqlState};
pub use ids::{Epoch, RelationId};
pub use interval::Interval;
pub use numeric::{NUMERIC_BYTES, Numeric};
pub use settings::{SessionSettings, TimeZone};
