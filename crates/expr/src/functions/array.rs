//! Array functions. Arrays have one dimension and count from 1; an empty array has none.

use super::text::{int4, output_text, text};
use crate::registry::{Call, Entry, Kernel, function, operator};
use headwater_types::{ArrayDatum, DataType, Datum, Result, SqlError, SqlState};
use std::sync::Arc;

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

pub(super) const ENTRIES: &[Entry] = &[
    operator("||", "anycompatiblearray,anycompatiblearray", "anycompatiblearray", rows!(concatenate)).lax(),
    operator("||", "anycompatiblearray,anycompatible", "anycompatiblearray", rows!(append)).lax(),
    operator("||", "anycompatible,anycompatiblearray", "anycompatiblearray", rows!(prepend)).lax(),
    operator("@>", "anyarray,anyarray", "bool", rows!(|a, _| contains(&a[0], &a[1]))),
    operator("<@", "anyarray,anyarray", "bool", rows!(|a, _| contains(&a[1], &a[0]))),
    operator("&&", "anyarray,anyarray", "bool", rows!(overlap)),
    function("array_length", "anyarray,int4", "int4", rows!(length)),
    function("array_upper", "anyarray,int4", "int4", rows!(upper)),
    function("array_lower", "anyarray,int4", "int4", rows!(lower)),
    function("array_ndims", "anyarray", "int4", rows!(dimensions)),
    function("cardinality", "anyarray", "int4", rows!(|a, _| Ok(count(elements(&a[0])?.len())))),
    function("array_append", "anycompatiblearray,anycompatible", "anycompatiblearray", rows!(append)).lax(),
    function("array_prepend", "anycompatible,anycompatiblearray", "anycompatiblearray", rows!(prepend)).lax(),
    function("array_cat", "anycompatiblearray,anycompatiblearray", "anycompatiblearray", rows!(concatenate)).lax(),
    function("array_remove", "anycompatiblearray,anycompatible", "anycompatiblearray", rows!(remove)).lax(),
    function("array_replace", "anycompatiblearray,anycompatible,anycompatible", "anycompatiblearray", rows!(replace))
        .lax(),
    function("array_position", "anycompatiblearray,anycompatible", "int4", rows!(position)).lax(),
    function("array_position", "anycompatiblearray,anycompatible,int4", "int4", rows!(position)).lax().fallible(),
    function("array_positions", "anycompatiblearray,anycompatible", "_int4", rows!(positions)).lax(),
    function("array_to_string", "anyarray,text", "text", rows!(to_string)).stable(),
    function("array_to_string", "anyarray,text,text", "text", rows!(to_string)).lax().stable(),
    function("string_to_array", "text,text", "_text", rows!(from_string)).lax(),
    function("string_to_array", "text,text,text", "_text", rows!(from_string)).lax(),
    function("trim_array", "anyarray,int4", "anyarray", rows!(trim)).fallible(),
    function("array_fill", "anyelement,_int4", "anyarray", rows!(fill)).lax().fallible(),
];

/// The elements of the largest array that a function builds.
const ARRAY_ELEMENTS_MAX: i32 = 134_217_727;

fn elements(datum: &Datum) -> Result<&[Datum]> {
    match datum {
        Datum::Array(array) => Ok(&array.values),
        _ => Err(SqlError::internal("an array function met another type")),
    }
}

fn count(value: usize) -> Datum {
    Datum::Int4(i32::try_from(value).unwrap_or(i32::MAX))
}

fn array(values: Vec<Datum>, call: &Call<'_>) -> Datum {
    let element = call.data_type.element().unwrap_or(DataType::Text);
    Datum::Array(Arc::new(ArrayDatum { element, values }))
}

/// The subscript of the first element: vectors count from 0.
fn first(data_type: &DataType) -> i32 {
    i32::from(!matches!(data_type, DataType::Int2Vector | DataType::OidVector))
}

fn length(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let length = elements(&args[0])?.len();
    Ok(if length == 0 || int4(&args[1])? != 1 { Datum::Null } else { count(length) })
}

fn upper(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(match length(args, call)? {
        Datum::Int4(length) => Datum::Int4(length - 1 + first(&call.arg_types[0])),
        none => none,
    })
}

fn lower(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let empty = elements(&args[0])?.is_empty() || int4(&args[1])? != 1;
    Ok(if empty { Datum::Null } else { Datum::Int4(first(&call.arg_types[0])) })
}

fn dimensions(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(if elements(&args[0])?.is_empty() { Datum::Null } else { Datum::Int4(1) })
}

fn or_empty(datum: &Datum) -> Result<&[Datum]> {
    if datum.is_null() { Ok(&[]) } else { elements(datum) }
}

fn concatenate(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    match (args[0].is_null(), args[1].is_null()) {
        (true, _) => Ok(args[1].clone()),
        (_, true) => Ok(args[0].clone()),
        _ => Ok(array([elements(&args[0])?, elements(&args[1])?].concat(), call)),
    }
}

fn append(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let mut values = or_empty(&args[0])?.to_vec();
    values.push(args[1].clone());
    Ok(array(values, call))
}

fn prepend(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let mut values = vec![args[0].clone()];
    values.extend_from_slice(or_empty(&args[1])?);
    Ok(array(values, call))
}

/// Equal, NULL to NULL too.
fn same(a: &Datum, b: &Datum) -> bool {
    match (a.is_null(), b.is_null()) {
        (false, false) => a.sql_cmp(b).is_eq(),
        (a, b) => a && b,
    }
}

fn contains(container: &Datum, contained: &Datum) -> Result<Datum> {
    let container = elements(container)?;
    let all = elements(contained)?
        .iter()
        .all(|wanted| !wanted.is_null() && container.iter().any(|v| !v.is_null() && same(v, wanted)));
    Ok(Datum::Bool(all))
}

fn overlap(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let right = elements(&args[1])?;
    let any = elements(&args[0])?.iter().any(|v| !v.is_null() && right.iter().any(|w| !w.is_null() && same(v, w)));
    Ok(Datum::Bool(any))
}

fn remove(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    Ok(array(elements(&args[0])?.iter().filter(|v| !same(v, &args[1])).cloned().collect(), call))
}

fn replace(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let replaced = elements(&args[0])?.iter().map(|v| if same(v, &args[1]) { args[2].clone() } else { v.clone() });
    Ok(array(replaced.collect(), call))
}

fn position(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let from = match args.get(2) {
        None => 1,
        Some(Datum::Null) => {
            return Err(SqlError::new(SqlState::NullValueNotAllowed, "initial position must not be null"));
        }
        Some(from) => int4(from)?,
    };
    let skipped = usize::try_from(from - 1).unwrap_or(0);
    let found = elements(&args[0])?.iter().enumerate().skip(skipped).find(|(_, v)| same(v, &args[1]));
    Ok(found.map_or(Datum::Null, |(at, _)| count(at + 1)))
}

fn positions(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let found = elements(&args[0])?.iter().enumerate().filter(|(_, v)| same(v, &args[1]));
    Ok(array(found.map(|(at, _)| count(at + 1)).collect(), call))
}

fn to_string(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() || args[1].is_null() {
        return Ok(Datum::Null);
    }
    let Datum::Array(source) = &args[0] else { return Ok(Datum::Null) };
    let separator = text(&args[1])?;
    let null_text = match args.get(2) {
        Some(Datum::Text(shown)) => Some(shown.as_ref()),
        _ => None,
    };
    let shown = source.values.iter().filter_map(|value| match value {
        Datum::Null => null_text.map(str::to_owned),
        value => Some(output_text(value, &source.element, call)),
    });
    Ok(Datum::text(shown.collect::<Vec<_>>().join(separator)))
}

fn from_string(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let source = text(&args[0])?;
    let null_text = match args.get(2) {
        Some(Datum::Text(null_text)) => Some(null_text.clone()),
        _ => None,
    };
    let part = |part: &str| if null_text.as_deref() == Some(part) { Datum::Null } else { Datum::text(part) };
    let parts = match &args[1] {
        _ if source.is_empty() => vec![],
        Datum::Null => source.chars().map(|c| part(c.encode_utf8(&mut [0; 4]))).collect(),
        separator => match text(separator)? {
            "" => vec![part(source)],
            separator => source.split(separator).map(part).collect(),
        },
    };
    Ok(array(parts, call))
}

fn trim(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let values = elements(&args[0])?;
    let dropped = usize::try_from(int4(&args[1])?).ok().filter(|n| *n <= values.len());
    let dropped = dropped.ok_or_else(|| {
        SqlError::new(
            SqlState::ArraySubscriptError,
            format!("number of elements to trim must be between 0 and {}", values.len()),
        )
    })?;
    Ok(array(values[..values.len() - dropped].to_vec(), call))
}

fn fill(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let null = || SqlError::new(SqlState::NullValueNotAllowed, "dimension array or low bound array cannot be null");
    if args[1].is_null() {
        return Err(null());
    }
    match elements(&args[1])? {
        [] => Ok(array(vec![], call)),
        [Datum::Int4(length)] => {
            if *length > ARRAY_ELEMENTS_MAX {
                return Err(SqlError::new(
                    SqlState::ProgramLimitExceeded,
                    format!("array size exceeds the maximum allowed ({ARRAY_ELEMENTS_MAX})"),
                ));
            }
            Ok(array(vec![args[0].clone(); usize::try_from(*length).unwrap_or(0)], call))
        }
        [Datum::Null] => Err(SqlError::new(SqlState::NullValueNotAllowed, "dimension values cannot be null")),
        _ => Err(SqlError::unsupported("an array of several dimensions")),
    }
}
