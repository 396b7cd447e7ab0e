//! Values of every type, for the tests of this crate.

use crate::{ArrayDatum, DataType, Datum, Interval, Numeric, RegKind};
use std::sync::Arc;

/// A numeric from its text.
pub fn numeric(text: &str) -> Numeric {
    Numeric::parse(text).expect("a numeric")
}

/// Some values of every type, a NULL among them.
pub fn samples() -> Vec<(DataType, Vec<Datum>)> {
    let texts = || vec![Datum::text("a"), Datum::Null, Datum::text(""), Datum::text("é\\\"{,}\n\tNULL")];
    let array = |element: DataType, values: Vec<Datum>| Datum::Array(Arc::new(ArrayDatum { element, values }));
    vec![
        (DataType::Bool, vec![Datum::Bool(true), Datum::Null, Datum::Bool(false)]),
        (DataType::Int2, vec![Datum::Int2(1), Datum::Null, Datum::Int2(i16::MIN)]),
        (DataType::Int4, vec![Datum::Int4(1), Datum::Null, Datum::Int4(i32::MIN)]),
        (DataType::Int8, vec![Datum::Int8(1), Datum::Null, Datum::Int8(i64::MIN)]),
        (DataType::Float4, vec![Datum::Float4(1.5), Datum::Null, Datum::Float4(f32::NAN), Datum::Float4(-0.0)]),
        (DataType::Float8, vec![Datum::Float8(0.1), Datum::Null, Datum::Float8(f64::INFINITY), Datum::Float8(5e-324)]),
        (
            DataType::Numeric(None),
            [
                "1.50",
                "-0.0000000000000000000000000001",
                "79228162514264337593543950335",
                "0.00",
                "NaN",
                "Infinity",
                "-Infinity",
                "10000",
                "-123456.789",
            ]
            .iter()
            .map(|text| Datum::Numeric(numeric(text)))
            .chain([Datum::Null])
            .collect(),
        ),
        (DataType::Text, texts()),
        (DataType::Varchar(None), texts()),
        (DataType::Char(None), texts()),
        (DataType::Name, texts()),
        (DataType::InternalChar, vec![Datum::text("a"), Datum::Null, Datum::text("")]),
        (DataType::Bytea, vec![Datum::Bytes(Arc::from(*b"\x00\xffA\\")), Datum::Null, Datum::Bytes(Arc::from(*b""))]),
        (DataType::Date, vec![Datum::Date(0), Datum::Null, Datum::Date(i32::MAX), Datum::Date(-800_000)]),
        (DataType::Time, vec![Datum::Time(0), Datum::Null, Datum::Time(86_400_000_000)]),
        (DataType::Timestamp, vec![Datum::Timestamp(1), Datum::Null, Datum::Timestamp(i64::MIN)]),
        (DataType::Timestamptz, vec![Datum::Timestamp(-1), Datum::Null, Datum::Timestamp(i64::MAX)]),
        (
            DataType::Interval,
            vec![
                Datum::Interval(Interval { months: 14, days: -3, micros: 14_706_789_000 }),
                Datum::Null,
                Datum::Interval(Interval { months: 0, days: 0, micros: -1 }),
            ],
        ),
        (DataType::Uuid, vec![Datum::Uuid(*b"0123456789abcdef"), Datum::Null]),
        (DataType::Json, vec![Datum::text("{\"a\": 1}"), Datum::Null]),
        (DataType::Jsonb, vec![Datum::Bytes(Arc::from(*b"{\"a\": 1}")), Datum::Null]),
        (DataType::Oid, vec![Datum::Oid(u32::MAX), Datum::Null]),
        (DataType::Reg(RegKind::Class), vec![Datum::Oid(1259), Datum::Null]),
        (DataType::Int2Vector, vec![array(DataType::Int2, vec![Datum::Int2(1), Datum::Int2(-2)]), Datum::Null]),
        (DataType::OidVector, vec![array(DataType::Oid, vec![]), Datum::Null]),
        (
            DataType::Array(Box::new(DataType::Text)),
            vec![
                array(DataType::Text, vec![Datum::text("a b"), Datum::Null, Datum::text("NULL"), Datum::text("q\"\\")]),
                Datum::Null,
                array(DataType::Text, vec![]),
            ],
        ),
        (
            DataType::Array(Box::new(DataType::Numeric(None))),
            vec![array(DataType::Numeric(None), vec![Datum::Numeric(numeric("1.50")), Datum::Null])],
        ),
    ]
}
