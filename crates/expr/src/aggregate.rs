//! Aggregate calls.

use crate::scalar::Expr;
use headwater_types::{ColumnOrder, DataType};
use serde::{Deserialize, Serialize};

/// The aggregate functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AggregateFunction {
    /// `count(*)`: no argument.
    CountStar,
    /// `count(x)`
    Count,
    /// `sum(x)`: int2/int4 → int8, int8 → numeric, float4 → float4, float8 → float8, numeric, interval.
    Sum,
    /// `avg(x)`: integers and numeric → numeric, floats → float8, interval.
    Avg,
    /// `min(x)`
    Min,
    /// `max(x)`
    Max,
    /// `bool_and(x)`, `every(x)`
    BoolAnd,
    /// `bool_or(x)`
    BoolOr,
    /// `array_agg(x ORDER BY …)`
    ArrayAgg,
    /// `string_agg(x, separator ORDER BY …)`
    StringAgg,
    /// The state of `sum(x)` and `avg(x)` before rounding, bytea: a [`headwater_types::SumState`] of integers or
    /// numerics, a [`headwater_types::FloatSumState`] of floats; NULL of no value. Of byteas: of all the values that these
    /// `SumState`s are of. Made by rewrites only; `sum_of_state` and its kin read it.
    SumState,
}

/// One aggregate call over the rows of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Aggregate<L> {
    /// Which.
    pub function: AggregateFunction,
    /// Its arguments.
    pub args: Vec<Expr<L>>,
    /// DISTINCT.
    pub distinct: bool,
    /// FILTER (WHERE …).
    pub filter: Option<Expr<L>>,
    /// ORDER BY inside the call: (key, its direction; `ColumnOrder::column` is the key's ordinal in this list).
    pub order_by: Vec<(Expr<L>, ColumnOrder)>,
    /// The result's type.
    pub data_type: DataType,
}
