//! Text functions. Positions and lengths count characters, from 1.

use super::format::{quote_identifier, quote_literal_text};
use crate::eval::cast::text_of;
use crate::registry::{Call, Entry, Kernel, function, operator};
use headwater_types::{DataType, Datum, Result, SqlError, SqlState};

/// The longest text a function builds, in bytes: PostgreSQL's allocation limit.
pub(super) const TEXT_BYTES_MAX: usize = 0x3fff_ffff;

macro_rules! rows {
    ($f:expr) => {
        Kernel::Rows($f)
    };
}

pub(super) const ENTRIES: &[Entry] = &[
    operator("||", "text,text", "text", rows!(concatenate)).fallible(),
    operator("||", "text,anynonarray", "text", rows!(concatenate)).fallible().stable(),
    operator("||", "anynonarray,text", "text", rows!(concatenate)).fallible().stable(),
    operator("||", "bytea,bytea", "bytea", rows!(concatenate_bytes)),
    operator("^@", "text,text", "bool", rows!(starts_with)),
    function("lower", "text", "text", rows!(|a, _| map(a, str::to_lowercase))),
    function("upper", "text", "text", rows!(|a, _| map(a, str::to_uppercase))),
    function("initcap", "text", "text", rows!(|a, _| map(a, initcap))),
    function("reverse", "text", "text", rows!(|a, _| map(a, |s| s.chars().rev().collect()))),
    function("length", "text", "int4", rows!(length)),
    function("length", "bpchar", "int4", rows!(length)),
    function("length", "bytea", "int4", rows!(octets)),
    function("char_length", "text", "int4", rows!(length)),
    function("char_length", "bpchar", "int4", rows!(length)),
    function("character_length", "text", "int4", rows!(length)),
    function("character_length", "bpchar", "int4", rows!(length)),
    function("octet_length", "text", "int4", rows!(octets)),
    function("octet_length", "bpchar", "int4", rows!(octets)),
    function("octet_length", "bytea", "int4", rows!(octets)),
    function("bit_length", "text", "int4", rows!(bits)),
    function("bit_length", "bytea", "int4", rows!(bits)),
    function("substring", "text,int4", "text", rows!(substring)),
    function("substring", "text,int4,int4", "text", rows!(substring)).fallible(),
    function("substr", "text,int4", "text", rows!(substring)),
    function("substr", "text,int4,int4", "text", rows!(substring)).fallible(),
    function("overlay", "text,text,int4", "text", rows!(overlay)).fallible(),
    function("overlay", "text,text,int4,int4", "text", rows!(overlay)).fallible(),
    function("position", "text,text", "int4", rows!(position)),
    function("strpos", "text,text", "int4", rows!(position)),
    function("replace", "text,text,text", "text", rows!(replace)).fallible(),
    function("translate", "text,text,text", "text", rows!(translate)),
    function("btrim", "text", "text", rows!(|a, _| trim(a, true, true))),
    function("btrim", "text,text", "text", rows!(|a, _| trim(a, true, true))),
    function("ltrim", "text", "text", rows!(|a, _| trim(a, true, false))),
    function("ltrim", "text,text", "text", rows!(|a, _| trim(a, true, false))),
    function("rtrim", "text", "text", rows!(|a, _| trim(a, false, true))),
    function("rtrim", "text,text", "text", rows!(|a, _| trim(a, false, true))),
    function("lpad", "text,int4", "text", rows!(|a, _| pad(a, true))).fallible(),
    function("lpad", "text,int4,text", "text", rows!(|a, _| pad(a, true))).fallible(),
    function("rpad", "text,int4", "text", rows!(|a, _| pad(a, false))).fallible(),
    function("rpad", "text,int4,text", "text", rows!(|a, _| pad(a, false))).fallible(),
    function("left", "text,int4", "text", rows!(left)),
    function("right", "text,int4", "text", rows!(right)),
    function("repeat", "text,int4", "text", rows!(repeat)).fallible(),
    function("split_part", "text,text,int4", "text", rows!(split_part)).fallible(),
    function("starts_with", "text,text", "bool", rows!(starts_with)),
    function("concat", "variadic any", "text", rows!(concat)).lax().fallible().stable(),
    function("concat_ws", "text,variadic any", "text", rows!(concat_ws)).lax().fallible().stable(),
    function("ascii", "text", "int4", rows!(ascii)),
    function("chr", "int4", "text", rows!(chr)).fallible(),
    function("to_hex", "int4", "text", rows!(to_hex)),
    function("to_hex", "int8", "text", rows!(to_hex)),
    function("quote_ident", "text", "text", rows!(|a, _| map(a, quote_identifier))),
    function("quote_literal", "text", "text", rows!(|a, _| map(a, quote_literal_text))),
    function("quote_literal", "anyelement", "text", rows!(quote_literal)).stable(),
    function("quote_nullable", "text", "text", rows!(quote_nullable)).lax(),
    function("quote_nullable", "anyelement", "text", rows!(quote_nullable)).lax().stable(),
    function("md5", "text", "text", rows!(|a, _| Ok(Datum::text(super::digest::md5_hex(text(&a[0])?.as_bytes()))))),
    function("encode", "bytea,text", "text", rows!(super::digest::encode)).fallible(),
    function("decode", "text,text", "bytea", rows!(super::digest::decode)).fallible(),
    function("convert_from", "bytea,name", "text", rows!(super::digest::convert_from)).fallible(),
    function("convert_to", "text,name", "bytea", rows!(super::digest::convert_to)).fallible(),
    function("text", "name", "text", rows!(|a, _| Ok(a[0].clone()))),
    function("parse_ident", "text", "_text", rows!(super::format::parse_ident)).fallible(),
];

/// The text of an argument that resolution made one.
pub(super) fn text(datum: &Datum) -> Result<&str> {
    match datum {
        Datum::Text(text) => Ok(text),
        _ => Err(SqlError::internal("a text function met another type")),
    }
}

/// The int4 of an argument that resolution made one.
pub(super) fn int4(datum: &Datum) -> Result<i32> {
    match datum {
        Datum::Int4(value) => Ok(*value),
        _ => Err(SqlError::internal("a function of int4 met another type")),
    }
}

fn map(args: &[Datum], convert: impl Fn(&str) -> String) -> Result<Datum> {
    Ok(Datum::text(convert(text(&args[0])?)))
}

fn count(value: usize) -> Datum {
    Datum::Int4(i32::try_from(value).unwrap_or(i32::MAX))
}

fn too_long() -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, "requested length too large")
}

/// The text `concat` and `format` see: as printed, so a boolean is `t`; `||` casts instead.
pub(super) fn output_text(value: &Datum, data_type: &DataType, call: &Call<'_>) -> String {
    match value {
        Datum::Bool(v) => if *v { "t" } else { "f" }.to_owned(),
        Datum::Text(text) => text.as_ref().to_owned(),
        _ => text_of(value, data_type, call.context),
    }
}

fn concatenate(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if let (Datum::Text(a), Datum::Text(b)) = (&args[0], &args[1])
        && !call.arg_types.iter().any(|t| matches!(t, DataType::Char(_)))
    {
        if a.len() + b.len() > TEXT_BYTES_MAX {
            return Err(too_long());
        }
        return Ok(Datum::text([a.as_ref(), b.as_ref()].concat()));
    }
    let left = text_of(&args[0], &call.arg_types[0], call.context);
    let right = text_of(&args[1], &call.arg_types[1], call.context);
    if left.len() + right.len() > TEXT_BYTES_MAX { Err(too_long()) } else { Ok(Datum::text(left + &right)) }
}

fn concatenate_bytes(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match (&args[0], &args[1]) {
        (Datum::Bytes(a), Datum::Bytes(b)) => Ok(Datum::Bytes([a.as_ref(), b.as_ref()].concat().into())),
        _ => Err(SqlError::internal("bytea || bytea met another type")),
    }
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric();
    }
    out
}

fn length(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let text = text(&args[0])?;
    let text = if matches!(call.arg_types[0], DataType::Char(_)) { text.trim_end_matches(' ') } else { text };
    Ok(count(text.chars().count()))
}

fn bytes(datum: &Datum) -> Result<&[u8]> {
    match datum {
        Datum::Bytes(bytes) => Ok(bytes),
        other => text(other).map(str::as_bytes),
    }
}

fn octets(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(count(bytes(&args[0])?.len()))
}

fn bits(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(count(bytes(&args[0])?.len().saturating_mul(8)))
}

/// The byte range of characters `from .. to` (0-based, clamped).
fn slice(text: &str, from: i64, to: i64) -> &str {
    let at = |n: i64| -> usize {
        let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
        if text.is_ascii() { n.min(text.len()) } else { text.char_indices().nth(n).map_or(text.len(), |(i, _)| i) }
    };
    if to <= from { "" } else { &text[at(from)..at(to)] }
}

fn substring(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let text = text(&args[0])?;
    let from = i64::from(int4(&args[1])?) - 1;
    let to = match args.get(2) {
        None => i64::MAX,
        Some(length) => {
            let length = i64::from(int4(length)?);
            if length < 0 {
                return Err(SqlError::new(SqlState::SubstringError, "negative substring length not allowed"));
            }
            from + length
        }
    };
    Ok(Datum::text(slice(text, from.max(0), to)))
}

fn overlay(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (target, new) = (text(&args[0])?, text(&args[1])?);
    let from = i64::from(int4(&args[2])?) - 1;
    let length = match args.get(3) {
        Some(length) => i64::from(int4(length)?),
        None => i64::try_from(new.chars().count()).unwrap_or(i64::MAX),
    };
    if from < 0 {
        return Err(SqlError::new(SqlState::SubstringError, "negative substring length not allowed"));
    }
    Ok(Datum::text([slice(target, 0, from), new, slice(target, from + length, i64::MAX)].concat()))
}

fn position(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (text, wanted) = (text(&args[0])?, text(&args[1])?);
    Ok(match text.find(wanted) {
        Some(at) => count(text[..at].chars().count() + 1),
        None => Datum::Int4(0),
    })
}

fn replace(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (text, from, to) = (text(&args[0])?, text(&args[1])?, text(&args[2])?);
    if from.is_empty() {
        return Ok(args[0].clone());
    }
    let growth = text.matches(from).count().saturating_mul(to.len());
    if growth > TEXT_BYTES_MAX { Err(too_long()) } else { Ok(Datum::text(text.replace(from, to))) }
}

fn translate(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (source, from, to) = (text(&args[0])?, text(&args[1])?, text(&args[2])?);
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let translated = source.chars().filter_map(|c| match from.iter().position(|&f| f == c) {
        None => Some(c),
        Some(place) => to.get(place).copied(),
    });
    Ok(Datum::text(translated.collect::<String>()))
}

fn trim(args: &[Datum], start: bool, end: bool) -> Result<Datum> {
    let mut rest = text(&args[0])?;
    let set: Vec<char> = match args.get(1) {
        Some(set) => text(set)?.chars().collect(),
        None => vec![' '],
    };
    if start {
        rest = rest.trim_start_matches(set.as_slice());
    }
    if end {
        rest = rest.trim_end_matches(set.as_slice());
    }
    Ok(Datum::text(rest))
}

fn pad(args: &[Datum], at_start: bool) -> Result<Datum> {
    let source = text(&args[0])?;
    let length = usize::try_from(int4(&args[1])?).unwrap_or(0);
    let fill = match args.get(2) {
        Some(fill) => text(fill)?,
        None => " ",
    };
    let have = source.chars().count();
    if have >= length || fill.is_empty() {
        return Ok(Datum::text(slice(source, 0, i64::try_from(length).unwrap_or(i64::MAX))));
    }
    if length > TEXT_BYTES_MAX / 4 {
        return Err(too_long());
    }
    let padding: String = fill.chars().cycle().take(length - have).collect();
    Ok(Datum::text(if at_start { padding + source } else { source.to_owned() + &padding }))
}

/// The end that a negative count leaves off.
fn signed_count(text: &str, count: i32) -> i64 {
    let count = i64::from(count);
    if count >= 0 { count } else { (i64::try_from(text.chars().count()).unwrap_or(i64::MAX) + count).max(0) }
}

fn left(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let source = text(&args[0])?;
    Ok(Datum::text(slice(source, 0, signed_count(source, int4(&args[1])?))))
}

fn right(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let source = text(&args[0])?;
    let total = i64::try_from(source.chars().count()).unwrap_or(i64::MAX);
    Ok(Datum::text(slice(source, (total - signed_count(source, int4(&args[1])?)).max(0), i64::MAX)))
}

fn repeat(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let source = text(&args[0])?;
    let times = usize::try_from(int4(&args[1])?).unwrap_or(0);
    if source.len().saturating_mul(times) > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Datum::text(source.repeat(times)))
}

fn split_part(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (source, separator, field) = (text(&args[0])?, text(&args[1])?, int4(&args[2])?);
    if field == 0 {
        return Err(SqlError::new(SqlState::InvalidParameterValue, "field position must not be zero"));
    }
    let place = usize::try_from(field.unsigned_abs()).unwrap_or(usize::MAX) - 1;
    let found = if separator.is_empty() {
        (place == 0).then_some(source)
    } else if field > 0 {
        source.split(separator).nth(place)
    } else {
        source.split(separator).collect::<Vec<_>>().into_iter().rev().nth(place)
    };
    Ok(Datum::text(found.unwrap_or("")))
}

fn starts_with(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Bool(text(&args[0])?.starts_with(text(&args[1])?)))
}

fn joined(args: &[Datum], types: &[DataType], separator: &str, call: &Call<'_>) -> Result<Datum> {
    let mut out = String::new();
    let mut first = true;
    for (arg, data_type) in args.iter().zip(types).filter(|(arg, _)| !arg.is_null()) {
        if !first {
            out.push_str(separator);
        }
        first = false;
        out.push_str(&output_text(arg, data_type, call));
        if out.len() > TEXT_BYTES_MAX {
            return Err(too_long());
        }
    }
    Ok(Datum::text(out))
}

fn concat(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    joined(args, call.arg_types, "", call)
}

fn concat_ws(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    match &args[0] {
        Datum::Null => Ok(Datum::Null),
        separator => joined(&args[1..], &call.arg_types[1..], text(separator)?, call),
    }
}

fn ascii(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let code = text(&args[0])?.chars().next().map_or(0, u32::from);
    Ok(Datum::Int4(i32::try_from(code).expect("a character's code fits 21 bits")))
}

fn chr(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let code = int4(&args[0])?;
    let limit = |message: String| Err(SqlError::new(SqlState::ProgramLimitExceeded, message));
    match code {
        0 => limit("null character not permitted".to_owned()),
        ..0 => limit("character number must be positive".to_owned()),
        _ => match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(c) => Ok(Datum::text(c.to_string())),
            None if code > 0x0010_FFFF => limit(format!("requested character too large for encoding: {code}")),
            None => limit(format!("requested character not valid for encoding: {code}")),
        },
    }
}

fn to_hex(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    match &args[0] {
        Datum::Int4(v) => Ok(Datum::text(format!("{v:x}"))),
        Datum::Int8(v) => Ok(Datum::text(format!("{v:x}"))),
        _ => Err(SqlError::internal("to_hex met another type")),
    }
}

fn quote_literal(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    Ok(Datum::text(quote_literal_text(&text_of(&args[0], &call.arg_types[0], call.context))))
}

fn quote_nullable(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() { Ok(Datum::text("NULL")) } else { quote_literal(args, call) }
}
