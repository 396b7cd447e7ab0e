//! What aggregates above a join make of a partial sum below it: `sum_of_state(state, copies)` is the sum of so many copies
//! of the rows that the state is of, and `state_of_copies` their state; a sum of floats is taken once. Rewrites use them;
//! see [`SumState`].

use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::{Datum, FloatSumState, Result, SqlError, SumState};

pub(super) const ENTRIES: &[Entry] = &[
    function("state_of_copies", "bytea,int8", "bytea", Kernel::Rows(multiplied)).fallible(),
    function("sum_of_state", "bytea,int8", "numeric", Kernel::Rows(sum)).fallible(),
    function("int8_sum_of_state", "bytea,int8", "int8", Kernel::Rows(integer_sum)).fallible(),
    function("avg_of_state", "bytea,int8", "numeric", Kernel::Rows(average)).fallible(),
    function("float4_sum_of_state", "bytea", "float4", Kernel::Rows(single_sum)).fallible(),
    function("float8_sum_of_state", "bytea", "float8", Kernel::Rows(double_sum)).fallible(),
    function("float8_avg_of_state", "bytea", "float8", Kernel::Rows(float_average)).fallible(),
];

fn copies(args: &[Datum]) -> Result<SumState> {
    match args {
        [Datum::Bytes(state), Datum::Int8(copies)] => SumState::decode(state)?.times(*copies),
        _ => Err(unresolved()),
    }
}

fn floats(args: &[Datum]) -> Result<FloatSumState> {
    match args {
        [Datum::Bytes(state)] => FloatSumState::decode(state),
        _ => Err(unresolved()),
    }
}

fn unresolved() -> SqlError {
    SqlError::internal("a function of a sum's state met arguments it was not resolved for")
}

fn multiplied(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Bytes(copies(args)?.encode().into()))
}

fn sum(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    copies(args)?.sum().map(Datum::Numeric)
}

fn integer_sum(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    copies(args)?.integer_sum().map(Datum::Int8)
}

fn average(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    copies(args)?.average().map(Datum::Numeric)
}

fn single_sum(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    floats(args)?.single_sum().map(Datum::Float4)
}

fn double_sum(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    floats(args)?.sum().map(Datum::Float8)
}

fn float_average(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    floats(args)?.average().map(Datum::Float8)
}
