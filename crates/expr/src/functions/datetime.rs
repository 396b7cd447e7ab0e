//! temp
use crate::EvalContext;
use headwater_types::{DataType, Datum, Interval, Result, SqlError};
pub(crate) fn zone_rows(_now: i64) -> Vec<Vec<Datum>> {
    vec![]
}
pub(crate) fn add_interval(_v: i64, _s: Interval, _z: bool, _c: &EvalContext<'_>) -> Result<i64> {
    Err(SqlError::unsupported("timestamp series"))
}
pub(super) fn instant(v: &Datum, _t: &DataType, _z: bool, _c: &EvalContext<'_>) -> i64 {
    match v {
        Datum::Timestamp(t) => *t,
        Datum::Date(d) => i64::from(*d),
        _ => 0,
    }
}
