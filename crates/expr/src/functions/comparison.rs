//! Comparison operators.

use super::datetime;
use crate::registry::{Call, Comparison, Entry, Kernel, RowFunction, operator};
use headwater_types::{DataType, Datum, Result, SqlError};

/// Types that compare with each other in typed loops; each pair has its own operators in PostgreSQL.
const PAIRS: &[&str] = &[
    "bool,bool",
    "int2,int2",
    "int4,int4",
    "int8,int8",
    "int2,int4",
    "int4,int2",
    "int4,int8",
    "int8,int4",
    "int2,int8",
    "int8,int2",
    "float4,float4",
    "float8,float8",
    "float4,float8",
    "float8,float4",
    "numeric,numeric",
    "text,text",
    "name,name",
    "name,text",
    "text,name",
    "bpchar,bpchar",
    "char,char",
    "bytea,bytea",
    "date,date",
    "time,time",
    "timestamp,timestamp",
    "timestamptz,timestamptz",
    "interval,interval",
    "uuid,uuid",
    "oid,oid",
    "oidvector,oidvector",
    "anyarray,anyarray",
];

/// Types that only `=` and `<>` compare.
const EQUALITY_ONLY: &[&str] = &["xid,xid"];

/// Dates and timestamps of different kinds, compared through the session's time zone where one side has one.
const MIXED_TIMES: &[&str] = &[
    "date,timestamp",
    "timestamp,date",
    "date,timestamptz",
    "timestamptz,date",
    "timestamp,timestamptz",
    "timestamptz,timestamp",
];

const COMPARISONS: [(&str, Comparison, RowFunction); 6] = [
    ("=", Comparison::Eq, |a, c| mixed(a, c, Comparison::Eq)),
    ("<>", Comparison::Ne, |a, c| mixed(a, c, Comparison::Ne)),
    ("<", Comparison::Lt, |a, c| mixed(a, c, Comparison::Lt)),
    ("<=", Comparison::Le, |a, c| mixed(a, c, Comparison::Le)),
    (">", Comparison::Gt, |a, c| mixed(a, c, Comparison::Gt)),
    (">=", Comparison::Ge, |a, c| mixed(a, c, Comparison::Ge)),
];

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (symbol, comparison, across) in COMPARISONS {
        let kernel = Kernel::Compare(comparison);
        entries.extend(PAIRS.iter().map(|pair| operator(symbol, pair, "bool", kernel)));
        if matches!(comparison, Comparison::Eq | Comparison::Ne) {
            entries.extend(EQUALITY_ONLY.iter().map(|pair| operator(symbol, pair, "bool", kernel)));
            entries.push(operator(
                symbol,
                "xid,int4",
                "bool",
                if comparison == Comparison::Eq {
                    Kernel::Rows(|args, _| Ok(Datum::Bool(same_number(args)?)))
                } else {
                    Kernel::Rows(|args, _| Ok(Datum::Bool(!same_number(args)?)))
                },
            ));
        }
        entries.extend(MIXED_TIMES.iter().map(|pair| {
            let entry = operator(symbol, pair, "bool", Kernel::Rows(across));
            if pair.contains("timestamptz") { entry.stable() } else { entry }
        }));
    }
    entries
}

fn same_number(args: &[Datum]) -> Result<bool> {
    match args {
        [Datum::Oid(a), Datum::Int4(b)] => Ok(i64::from(*a) == i64::from(*b)),
        _ => Err(SqlError::internal("xid = int4 met other types")),
    }
}

/// Compares across date, timestamp and timestamptz. A date beyond a timestamp's range keeps its side.
fn mixed(args: &[Datum], call: &Call<'_>, comparison: Comparison) -> Result<Datum> {
    let zoned = call.arg_types.contains(&DataType::Timestamptz);
    let instant = |value: &Datum, data_type: &DataType| datetime::instant(value, data_type, zoned, call.context);
    let left = instant(&args[0], &call.arg_types[0]);
    let right = instant(&args[1], &call.arg_types[1]);
    Ok(Datum::Bool(comparison.holds(left.cmp(&right))))
}
