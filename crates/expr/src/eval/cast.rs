//! Conversions of one value.

use super::arithmetic::out_of_range;
use crate::{CastContext, EvalContext};
use headwater_types::datetime;
use headwater_types::{
    ArrayDatum, DataType, Datum, Interval, Numeric, RegKind, Result, SqlError, SqlState, TextContext, apply_typmod,
    datum_to_text, parse_text,
};
use rust_decimal::Decimal;
use std::sync::Arc;

/// The bytes of a `name`, less its terminator.
const NAME_BYTES_MAX: usize = 63;

/// `value` (not NULL) of type `from` as `to`, lengths enforced as `context` asks.
///
/// # Errors
///
/// PostgreSQL's of the cast; 42846 if there is no such cast.
pub(crate) fn cast_datum(
    value: &Datum,
    from: &DataType,
    to: &DataType,
    context: CastContext,
    eval: &EvalContext<'_>,
) -> Result<Datum> {
    if value.is_null() {
        return Ok(Datum::Null);
    }
    let converted = if from.same_base(to) { value.clone() } else { convert(value, from, to, context, eval)? };
    apply_typmod(converted, to, context == CastContext::Explicit)
}

fn convert(
    value: &Datum,
    from: &DataType,
    to: &DataType,
    context: CastContext,
    eval: &EvalContext<'_>,
) -> Result<Datum> {
    use DataType as D;
    match (from, to) {
        (_, D::Text | D::Varchar(_) | D::Char(_) | D::Name | D::InternalChar | D::PgNodeTree | D::AclItem) => {
            let text = match value {
                Datum::Text(text) if !matches!(from, D::Char(_)) => text.clone(),
                _ => Arc::from(text_of(value, from, eval)),
            };
            match to {
                D::Name => Ok(Datum::Text(truncated_bytes(text, NAME_BYTES_MAX))),
                D::InternalChar => internal_char(value, text),
                _ => Ok(Datum::Text(text)),
            }
        }
        (D::InternalChar, D::Int4) => {
            let Datum::Text(text) = value else { return Err(no_cast(from, to)) };
            Ok(Datum::Int4(text.bytes().next().map_or(0, i32::from)))
        }
        (_, D::AnyArray) => Ok(Datum::text(text_of(value, from, eval))),
        (
            D::Text
            | D::Varchar(_)
            | D::Char(_)
            | D::Name
            | D::InternalChar
            | D::Unknown
            | D::PgNodeTree
            | D::AclItem
            | D::AnyArray
            | D::Json,
            _,
        ) => from_text(value, to, context, eval),
        (D::Jsonb, D::Json) => Ok(Datum::text(datum_to_text(value, from, eval.settings))),
        (D::Array(_) | D::Int2Vector | D::OidVector, D::Array(element)) => {
            let Datum::Array(array) = value else { return Err(no_cast(from, to)) };
            let values = array
                .values
                .iter()
                .map(|v| cast_datum(v, &array.element, element, context, eval))
                .collect::<Result<_>>()?;
            Ok(Datum::Array(Arc::new(ArrayDatum { element: (**element).clone(), values })))
        }
        _ => scalar(value, from, to, eval),
    }
}

fn scalar(value: &Datum, from: &DataType, to: &DataType, eval: &EvalContext<'_>) -> Result<Datum> {
    match (value, to) {
        (Datum::Int2(v), _) => integer(i64::from(*v), from, to),
        (Datum::Int4(v), _) => integer(i64::from(*v), from, to),
        (Datum::Int8(v), _) => integer(*v, from, to),
        (Datum::Oid(v), DataType::Oid | DataType::Reg(_)) => Ok(Datum::Oid(*v)),
        (Datum::Oid(v), DataType::Int4) => Ok(Datum::Int4(i32::from_ne_bytes(v.to_ne_bytes()))),
        (Datum::Oid(v), DataType::Int8) => Ok(Datum::Int8(i64::from(*v))),
        (Datum::Bool(v), DataType::Int4) => Ok(Datum::Int4(i32::from(*v))),
        (Datum::Float4(v), DataType::Float8) => Ok(Datum::Float8(f64::from(*v))),
        (Datum::Float4(v), DataType::Numeric(_)) => Numeric::from_f32(*v).map(Datum::Numeric),
        (Datum::Float4(v), _) => float_to_integer(f64::from(*v), from, to),
        (Datum::Float8(v), DataType::Float4) => float8_to_float4(*v).map(Datum::Float4),
        (Datum::Float8(v), DataType::Numeric(_)) => Numeric::from_f64(*v).map(Datum::Numeric),
        (Datum::Float8(v), _) => float_to_integer(*v, from, to),
        (Datum::Numeric(v), DataType::Float8) => Ok(Datum::Float8(v.to_f64())),
        (Datum::Numeric(v), DataType::Float4) => Ok(Datum::Float4(numeric_to_f32(*v))),
        (Datum::Numeric(v), _) => numeric_to_integer(*v, from, to),
        _ => date_time(value, from, to, eval),
    }
}

fn date_time(value: &Datum, from: &DataType, to: &DataType, eval: &EvalContext<'_>) -> Result<Datum> {
    use DataType as D;
    let zone = &eval.settings.time_zone;
    let local = |micros: i64| {
        if *from == D::Timestamptz { datetime::timestamptz_to_timestamp(micros, zone) } else { Ok(micros) }
    };
    Ok(match (value, to) {
        (Datum::Date(days), D::Timestamp) => Datum::Timestamp(datetime::date_to_timestamp(*days)?),
        (Datum::Date(days), D::Timestamptz) => {
            Datum::Timestamp(datetime::timestamp_to_timestamptz(datetime::date_to_timestamp(*days)?, zone)?)
        }
        (Datum::Timestamp(v), D::Timestamptz) => Datum::Timestamp(datetime::timestamp_to_timestamptz(*v, zone)?),
        (Datum::Timestamp(v), D::Timestamp) => Datum::Timestamp(local(*v)?),
        (Datum::Timestamp(v), D::Date) => Datum::Date(datetime::timestamp_to_date(local(*v)?)),
        (Datum::Timestamp(v), D::Time) if datetime::is_finite_timestamp(*v) => {
            Datum::Time(local(*v)?.rem_euclid(Interval::MICROS_PER_DAY))
        }
        (Datum::Timestamp(_), D::Time) => Datum::Null,
        (Datum::Time(v), D::Interval) => Datum::Interval(Interval { micros: *v, ..Interval::default() }),
        (Datum::Interval(v), D::Time) => Datum::Time(v.micros.rem_euclid(Interval::MICROS_PER_DAY)),
        _ => return Err(no_cast(from, to)),
    })
}

/// 42846
pub(crate) fn no_cast(from: &DataType, to: &DataType) -> SqlError {
    SqlError::new(
        SqlState::CannotCoerce,
        format!("cannot cast type {} to {}", from.without_modifier().sql_name(), to.without_modifier().sql_name()),
    )
}

/// The text a cast to `text` gives: as printed, but booleans in full, `char(n)` without its padding, and `reg*` by
/// name.
pub(crate) fn text_of(value: &Datum, from: &DataType, eval: &EvalContext<'_>) -> String {
    match (value, from) {
        (Datum::Text(text), DataType::Char(_)) => text.trim_end_matches(' ').to_owned(),
        (Datum::Text(text), _) => text.as_ref().to_owned(),
        (Datum::Bool(v), _) => v.to_string(),
        (Datum::Oid(oid), DataType::Reg(kind)) => reg_text(*oid, *kind, eval),
        (Datum::Array(array), _) if matches!(array.element, DataType::Reg(_)) => {
            let values = array
                .values
                .iter()
                .map(|v| if v.is_null() { Datum::Null } else { Datum::text(text_of(v, &array.element, eval)) })
                .collect();
            let texts = ArrayDatum { element: DataType::Text, values };
            let as_texts = DataType::Array(Box::new(DataType::Text));
            datum_to_text(&Datum::Array(Arc::new(texts)), &as_texts, eval.settings)
        }
        _ => datum_to_text(value, from, eval.settings),
    }
}

fn reg_text(oid: u32, kind: RegKind, eval: &EvalContext<'_>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let name = eval.catalog.and_then(|catalog| catalog.reg_name(kind, oid, eval.settings));
    name.unwrap_or_else(|| oid.to_string())
}

fn from_text(value: &Datum, to: &DataType, context: CastContext, eval: &EvalContext<'_>) -> Result<Datum> {
    let Datum::Text(text) = value else { return Err(SqlError::internal("a text cast met a value that is no text")) };
    match to {
        DataType::Reg(kind) => reg_value(text, *kind, eval),
        DataType::Array(element) if matches!(**element, DataType::Reg(_)) => {
            let texts = DataType::Array(Box::new(DataType::Text));
            let array = from_text(value, &texts, context, eval)?;
            convert(&array, &texts, to, context, eval)
        }
        _ => parse_text(text, to, &TextContext { settings: eval.settings, now_micros: eval.now_micros }),
    }
}

fn reg_value(text: &str, kind: RegKind, eval: &EvalContext<'_>) -> Result<Datum> {
    let trimmed = text.trim();
    if trimmed == "-" {
        return Ok(Datum::Oid(0));
    }
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit()) {
        return trimmed.parse().map(Datum::Oid).map_err(|_| {
            SqlError::new(SqlState::NumericValueOutOfRange, format!("value \"{trimmed}\" is out of range for type oid"))
        });
    }
    match eval.catalog {
        Some(catalog) => catalog.reg_oid(kind, trimmed, eval.settings).map(Datum::Oid),
        None => Err(SqlError::unsupported("a cast from a name to a catalog object outside a query")),
    }
}

fn internal_char(value: &Datum, text: Arc<str>) -> Result<Datum> {
    if let Datum::Int4(code) = value {
        let byte = u8::try_from(*code).ok().filter(u8::is_ascii).ok_or_else(|| out_of_range("\"char\""))?;
        let text = if byte == 0 { String::new() } else { char::from(byte).to_string() };
        return Ok(Datum::text(text));
    }
    let end = text.char_indices().nth(1).map_or(text.len(), |(at, _)| at);
    Ok(Datum::text(&text[..end]))
}

fn truncated_bytes(text: Arc<str>, bytes: usize) -> Arc<str> {
    if text.len() <= bytes {
        return text;
    }
    Arc::from(&text[..text.floor_char_boundary(bytes)])
}

fn integer(value: i64, from: &DataType, to: &DataType) -> Result<Datum> {
    Ok(match to {
        DataType::Int2 => Datum::Int2(i16::try_from(value).map_err(|_| out_of_range("smallint"))?),
        DataType::Int4 => Datum::Int4(i32::try_from(value).map_err(|_| out_of_range("integer"))?),
        DataType::Int8 => Datum::Int8(value),
        DataType::Float4 => Datum::Float4(int_to_f32(value)),
        DataType::Float8 => Datum::Float8(int_to_f64(value)),
        DataType::Numeric(_) => Datum::Numeric(Numeric::Finite(Decimal::from(value))),
        DataType::Bool if *from == DataType::Int4 => Datum::Bool(value != 0),
        DataType::Oid | DataType::Reg(_) => match i32::try_from(value) {
            // An int4 is an oid bit for bit, as in PostgreSQL.
            Ok(narrow) if *from != DataType::Int8 => Datum::Oid(u32::from_ne_bytes(narrow.to_ne_bytes())),
            _ => Datum::Oid(u32::try_from(value).map_err(|_| out_of_range("OID"))?),
        },
        _ => return Err(no_cast(from, to)),
    })
}

/// The nearest float8.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn int_to_f64(value: i64) -> f64 {
    value as f64
}

/// The nearest float4.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn int_to_f32(value: i64) -> f32 {
    value as f32
}

/// Rounds half to even, as PostgreSQL's `rint`.
///
/// # Errors
///
/// 22003 outside the integer's range, NaN too.
fn float_to_integer(value: f64, from: &DataType, to: &DataType) -> Result<Datum> {
    let rounded = value.round_ties_even();
    let whole = f64_to_i64(rounded);
    Ok(match to {
        DataType::Int2 => {
            Datum::Int2(whole.and_then(|v| i16::try_from(v).ok()).ok_or_else(|| out_of_range("smallint"))?)
        }
        DataType::Int4 => {
            Datum::Int4(whole.and_then(|v| i32::try_from(v).ok()).ok_or_else(|| out_of_range("integer"))?)
        }
        DataType::Int8 => Datum::Int8(whole.ok_or_else(|| out_of_range("bigint"))?),
        _ => return Err(no_cast(from, to)),
    })
}

/// A float without fraction as an integer, if it is in range.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn f64_to_i64(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&value).then_some(value as i64)
}

#[allow(clippy::cast_possible_truncation)]
fn float8_to_float4(value: f64) -> Result<f32> {
    let narrow = value as f32;
    if narrow.is_infinite() && value.is_finite() {
        return Err(SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: overflow"));
    }
    if narrow == 0.0 && value != 0.0 {
        return Err(SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: underflow"));
    }
    Ok(narrow)
}

/// Rounds half away from zero.
fn numeric_to_integer(value: Numeric, from: &DataType, to: &DataType) -> Result<Datum> {
    Ok(match to {
        DataType::Int2 => Datum::Int2(value.to_integer("smallint")?),
        DataType::Int4 => Datum::Int4(value.to_integer("integer")?),
        DataType::Int8 => Datum::Int8(value.to_integer("bigint")?),
        _ => return Err(no_cast(from, to)),
    })
}

/// The nearest float4.
fn numeric_to_f32(value: Numeric) -> f32 {
    match value {
        Numeric::Finite(decimal) => decimal.to_string().parse().expect("a decimal's text is a float's"),
        Numeric::NaN => f32::NAN,
        Numeric::Infinity => f32::INFINITY,
        Numeric::NegInfinity => f32::NEG_INFINITY,
    }
}
