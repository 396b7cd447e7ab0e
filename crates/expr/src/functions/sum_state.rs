//! What aggregates above a join make of a partial sum below it: `sum_of_state(state, copies)` is the sum of so many copies
//! of the rows that the state is of. Rewrites use them; see [`SumState`].

use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::{Datum, Result, SqlError, SumState};

pub(super) const ENTRIES: &[Entry] = &[
    function("sum_of_state", "bytea,int8", "numeric", Kernel::Rows(sum)).fallible(),
    function("int8_sum_of_state", "bytea,int8", "int8", Kernel::Rows(integer_sum)).fallible(),
    function("avg_of_state", "bytea,int8", "numeric", Kernel::Rows(average)).fallible(),
];

fn copies(args: &[Datum]) -> Result<SumState> {
    match args {
        [Datum::Bytes(state), Datum::Int8(copies)] => SumState::decode(state)?.times(*copies),
        _ => Err(SqlError::internal("a function of a sum's state met arguments it was not resolved for")),
    }
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
