//! Quoting, and `format()`.

use super::text::{output_text, text};
use crate::keywords;
use crate::registry::{Call, Entry, Kernel, function};
use headwater_types::{ArrayDatum, DataType, Datum, Result, SqlError, SqlState};
use std::sync::Arc;

pub(super) const ENTRIES: &[Entry] = &[
    function("format", "text", "text", Kernel::Rows(format_text)).lax().fallible().stable(),
    function("format", "text,variadic any", "text", Kernel::Rows(format_text)).lax().fallible().stable(),
];

/// The widest field of `format()`.
const FIELD_WIDTH_MAX: usize = 1 << 20;

/// An identifier as SQL must write it.
pub(crate) fn quote_identifier(name: &str) -> String {
    let plain =
        name.bytes().enumerate().all(|(at, b)| b.is_ascii_lowercase() || b == b'_' || (at > 0 && b.is_ascii_digit()));
    if plain && !name.is_empty() && !keywords::needs_quotes(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A string literal.
pub(super) fn quote_literal_text(value: &str) -> String {
    let escaped = value.replace('\'', "''");
    if value.contains('\\') { format!("E'{}'", escaped.replace('\\', "\\\\")) } else { format!("'{escaped}'") }
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}

/// One `%` specifier: `%[position][flags][width]type`.
#[derive(Debug, Default)]
struct Specifier {
    position: Option<usize>,
    left: bool,
    width: Option<usize>,
    kind: char,
}

fn format_text(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let template = text(&args[0])?;
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    let mut next = 1;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (specifier, after) = parse_specifier(rest)?;
        rest = after;
        let position = specifier.position.unwrap_or(next);
        next = position + 1;
        let value = args.get(position).ok_or_else(|| invalid("too few arguments for format()"))?;
        let field = field(&specifier, value, &call.arg_types[position], call)?;
        let width = specifier.width.unwrap_or(0);
        let padding = " ".repeat(width.saturating_sub(field.chars().count()));
        if specifier.left {
            out.push_str(&field);
            out.push_str(&padding);
        } else {
            out.push_str(&padding);
            out.push_str(&field);
        }
    }
    out.push_str(rest);
    Ok(Datum::text(out))
}

fn parse_specifier(source: &str) -> Result<(Specifier, &str)> {
    let unterminated = || invalid("unterminated format() type specifier").with_hint("For a single \"%\" use \"%%\".");
    let mut specifier = Specifier::default();
    let mut rest = source;
    let (number, after) = digits(rest)?;
    if let (Some(number), Some(positioned)) = (number, after.strip_prefix('$')) {
        if number == 0 {
            return Err(invalid("format specifies argument 0, but arguments are numbered from 1"));
        }
        specifier.position = Some(number);
        rest = positioned;
    }
    while let Some(after) = rest.strip_prefix('-') {
        specifier.left = true;
        rest = after;
    }
    let (width, after) = digits(rest)?;
    specifier.width = width;
    rest = after;
    if rest.starts_with('*') {
        return Err(SqlError::unsupported("format() with a width from an argument"));
    }
    let kind = rest.chars().next().ok_or_else(unterminated)?;
    if !matches!(kind, 's' | 'I' | 'L') {
        return Err(invalid(format!("unrecognized format() type specifier \"{kind}\""))
            .with_hint("For a single \"%\" use \"%%\"."));
    }
    specifier.kind = kind;
    Ok((specifier, &rest[kind.len_utf8()..]))
}

fn digits(source: &str) -> Result<(Option<usize>, &str)> {
    let end = source.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 {
        return Ok((None, source));
    }
    let number = source[..end].parse::<usize>().ok().filter(|n| *n <= FIELD_WIDTH_MAX);
    let number = number.ok_or_else(|| SqlError::new(SqlState::NumericValueOutOfRange, "number is out of range"))?;
    Ok((Some(number), &source[end..]))
}

fn field(specifier: &Specifier, value: &Datum, data_type: &DataType, call: &Call<'_>) -> Result<String> {
    match (specifier.kind, value) {
        ('s', Datum::Null) => Ok(String::new()),
        ('L', Datum::Null) => Ok("NULL".to_owned()),
        (_, Datum::Null) => {
            Err(SqlError::new(SqlState::NullValueNotAllowed, "null values cannot be formatted as an SQL identifier"))
        }
        ('I', value) => Ok(quote_identifier(&output_text(value, data_type, call))),
        ('L', value) => Ok(quote_literal_text(&output_text(value, data_type, call))),
        (_, value) => Ok(output_text(value, data_type, call)),
    }
}

/// `parse_ident('"A".b')`: the parts of a qualified name.
pub(super) fn parse_ident(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let source = text(&args[0])?;
    let bad = || invalid(format!("string is not a valid identifier: \"{source}\""));
    let mut parts = Vec::new();
    let mut rest = source.trim_start();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut tail = quoted;
            loop {
                let end = tail.find('"').ok_or_else(bad)?;
                name.push_str(&tail[..end]);
                tail = &tail[end + 1..];
                match tail.strip_prefix('"') {
                    Some(after) => {
                        name.push('"');
                        tail = after;
                    }
                    None => break,
                }
            }
            if name.is_empty() {
                return Err(bad());
            }
            parts.push(Datum::text(name));
            rest = tail;
        } else {
            let end = rest
                .char_indices()
                .find(|(at, c)| !(c.is_alphabetic() || *c == '_' || (*at > 0 && (c.is_ascii_digit() || *c == '$'))))
                .map_or(rest.len(), |(at, _)| at);
            if end == 0 {
                return Err(bad());
            }
            parts.push(Datum::text(rest[..end].to_lowercase()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => break,
            None => return Err(bad()),
        }
    }
    Ok(Datum::Array(Arc::new(ArrayDatum { element: DataType::Text, values: parts })))
}
