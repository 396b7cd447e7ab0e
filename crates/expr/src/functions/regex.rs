//! POSIX regular expressions: operators and functions.
//!
//! Patterns are PostgreSQL's "advanced" ones, translated by `pattern` to the `regex` crate, whose matching is linear in
//! the text. Back references and look-around, which cannot be, are 0A000. Alternatives prefer the first that matches,
//! not the longest.

mod pattern;

use super::like::{all_failed, subject_nulls};
use super::text::text;
use crate::eval::{Evaluated, Operand, by_rows};
use crate::registry::{Call, Entry, Kernel, function, operator};
use ::regex::{Captures, Regex};
use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;
use arrow_buffer::BooleanBuffer;
use headwater_types::{ArrayDatum, DataType, Datum, Result, SqlError, SqlState};
use std::cell::RefCell;
use std::sync::Arc;

/// Compiled patterns kept per thread.
const COMPILED_PATTERNS_MAX: usize = 32;

macro_rules! family {
    ($symbol:literal, $insensitive:literal, $negated:literal) => {{
        const KERNEL: Kernel = Kernel::Batch(|args, rows, call| matches(args, rows, call, $insensitive, $negated));
        [
            operator($symbol, "text,text", "bool", KERNEL).fallible(),
            operator($symbol, "name,text", "bool", KERNEL).fallible(),
            operator($symbol, "bpchar,text", "bool", KERNEL).fallible(),
        ]
    }};
}

const MATCHES: [Entry; 3] = family!("~", false, false);
const NOT_MATCHES: [Entry; 3] = family!("!~", false, true);
const MATCHES_ANY_CASE: [Entry; 3] = family!("~*", true, false);
const NOT_MATCHES_ANY_CASE: [Entry; 3] = family!("!~*", true, true);

pub(super) const ENTRIES: &[Entry] = &[
    MATCHES[0],
    MATCHES[1],
    MATCHES[2],
    NOT_MATCHES[0],
    NOT_MATCHES[1],
    NOT_MATCHES[2],
    MATCHES_ANY_CASE[0],
    MATCHES_ANY_CASE[1],
    MATCHES_ANY_CASE[2],
    NOT_MATCHES_ANY_CASE[0],
    NOT_MATCHES_ANY_CASE[1],
    NOT_MATCHES_ANY_CASE[2],
    function("regexp_like", "text,text", "bool", Kernel::Rows(like)).fallible(),
    function("regexp_like", "text,text,text", "bool", Kernel::Rows(like)).fallible(),
    function("regexp_count", "text,text", "int4", Kernel::Rows(count)).fallible(),
    function("regexp_match", "text,text", "_text", Kernel::Rows(first_match)).fallible(),
    function("regexp_match", "text,text,text", "_text", Kernel::Rows(first_match)).fallible(),
    function("regexp_replace", "text,text,text", "text", Kernel::Rows(replace)).fallible(),
    function("regexp_replace", "text,text,text,text", "text", Kernel::Rows(replace)).fallible(),
    function("regexp_split_to_array", "text,text", "_text", Kernel::Rows(split_to_array)).fallible(),
    function("regexp_split_to_array", "text,text,text", "_text", Kernel::Rows(split_to_array)).fallible(),
    function("regexp_substr", "text,text", "text", Kernel::Rows(substring)).fallible(),
    function("substring", "text,text", "text", Kernel::Rows(substring)).fallible(),
    function("substring", "text,text,text", "text", Kernel::Rows(substring_similar)).fallible(),
    function("similar_to_escape", "text", "text", Kernel::Rows(similar_to)).fallible(),
    function("similar_to_escape", "text,text", "text", Kernel::Rows(similar_to)).fallible(),
];

/// The compiled pattern; flags are PostgreSQL's letters.
fn compiled(source: &str, flags: &str) -> Result<Regex> {
    thread_local! {
        static CACHE: RefCell<Vec<(String, String, Regex)>> = const { RefCell::new(Vec::new()) };
    }
    let cached = CACHE.with_borrow(|cache| {
        cache.iter().find(|(s, f, _)| s == source && f == flags).map(|(_, _, regex)| regex.clone())
    });
    if let Some(regex) = cached {
        return Ok(regex);
    }
    let regex = pattern::compile(source, flags)?;
    CACHE.with_borrow_mut(|cache| {
        if cache.len() == COMPILED_PATTERNS_MAX {
            cache.remove(0);
        }
        cache.push((source.to_owned(), flags.to_owned(), regex.clone()));
    });
    Ok(regex)
}

fn matches(args: &[Operand], rows: usize, call: &Call<'_>, insensitive: bool, negated: bool) -> Evaluated {
    let (subject, pattern) = (&args[0], &args[1]);
    let flags = if insensitive { "i" } else { "" };
    if !pattern.is_constant() || pattern.is_null(0) {
        return by_rows(true, args, rows, call, |row| {
            Ok(Datum::Bool(compiled(text(&row[1])?, flags)?.is_match(text(&row[0])?) != negated))
        });
    }
    let texts = subject.array().as_string::<i32>();
    let regex = match compiled(pattern.array().as_string::<i32>().value(0), flags) {
        Ok(regex) => regex,
        Err(error) => return all_failed(subject, rows, &error),
    };
    let bits = BooleanBuffer::collect_bool(rows, |row| regex.is_match(texts.value(subject.index(row))) != negated);
    Evaluated::ok(Arc::new(BooleanArray::new(bits, subject_nulls(subject, rows))))
}

fn flags_of(args: &[Datum], place: usize) -> Result<&str> {
    args.get(place).map_or(Ok(""), text)
}

fn like(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Bool(compiled(text(&args[1])?, flags_of(args, 2)?)?.is_match(text(&args[0])?)))
}

fn count(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let found = compiled(text(&args[1])?, "")?.find_iter(text(&args[0])?).count();
    Ok(Datum::Int4(i32::try_from(found).unwrap_or(i32::MAX)))
}

fn texts(values: Vec<Datum>) -> Datum {
    Datum::Array(Arc::new(ArrayDatum { element: DataType::Text, values }))
}

fn first_match(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let flags = flags_of(args, 2)?;
    if flags.contains('g') {
        return Err(SqlError::new(
            SqlState::InvalidParameterValue,
            "regexp_match() does not support the \"global\" option",
        )
        .with_hint("Use the regexp_matches function instead."));
    }
    let regex = compiled(text(&args[1])?, flags)?;
    let Some(found) = regex.captures(text(&args[0])?) else { return Ok(Datum::Null) };
    let group = |i: usize| found.get(i).map_or(Datum::Null, |m| Datum::text(m.as_str()));
    Ok(texts(if found.len() == 1 { vec![group(0)] } else { (1..found.len()).map(group).collect() }))
}

fn replace(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (subject, template) = (text(&args[0])?, text(&args[2])?);
    let flags = flags_of(args, 3)?;
    let regex = compiled(text(&args[1])?, &flags.replace('g', ""))?;
    let limit = usize::from(!flags.contains('g'));
    let replaced = regex.replacen(subject, limit, |found: &Captures<'_>| expand(template, found));
    Ok(Datum::text(replaced))
}

/// `\1` … `\9` and `\&` of a replacement.
fn expand(template: &str, found: &Captures<'_>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut characters = template.chars();
    let group = |i: usize| found.get(i).map_or("", |m| m.as_str());
    while let Some(c) = characters.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match characters.next() {
            Some('&') => out.push_str(group(0)),
            Some(digit @ '1'..='9') => {
                let number = digit.to_digit(10).and_then(|d| usize::try_from(d).ok()).unwrap_or(0);
                out.push_str(group(number));
            }
            Some('\\') => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// The parts between matches. An empty match at the start, at the end or right after another splits nothing.
pub(crate) fn split(args: &[Datum]) -> Result<Vec<String>> {
    let subject = text(&args[0])?;
    let regex = compiled(text(&args[1])?, flags_of(args, 2)?)?;
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(subject) {
        if found.is_empty() && (found.start() == from && from == 0 || found.start() == subject.len()) {
            continue;
        }
        parts.push(subject[from..found.start()].to_owned());
        from = found.end();
    }
    parts.push(subject[from..].to_owned());
    Ok(parts)
}

fn split_to_array(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    Ok(texts(split(args)?.into_iter().map(Datum::text).collect()))
}

/// The first parenthesised group, or the whole match.
fn substring(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let regex = compiled(text(&args[1])?, "")?;
    let found = regex.captures(text(&args[0])?);
    let part = found
        .and_then(|found| if found.len() > 1 { found.get(1) } else { found.get(0) }.map(|m| m.as_str().to_owned()));
    Ok(part.map_or(Datum::Null, Datum::text))
}

/// `substring(text FROM pattern FOR escape)`, of a SIMILAR pattern without the three-part form.
fn substring_similar(args: &[Datum], call: &Call<'_>) -> Result<Datum> {
    let (pattern, escape) = (text(&args[1])?, text(&args[2])?);
    if !escape.is_empty() && pattern.contains(&format!("{escape}\"")) {
        return Err(SqlError::unsupported("substring with a three-part SIMILAR pattern"));
    }
    let regular = similar_to(&[args[1].clone(), args[2].clone()], call)?;
    substring(&[args[0].clone(), regular], call)
}

/// A SIMILAR TO pattern as a regular expression.
fn similar_to(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let source = text(&args[0])?;
    let escape = match args.get(1) {
        None => Some('\\'),
        Some(escape) => text(escape)?.chars().next(),
    };
    let mut out = String::from("^(?:");
    let mut characters = source.chars();
    let mut in_brackets = false;
    while let Some(c) = characters.next() {
        if Some(c) == escape {
            if let Some(next) = characters.next() {
                out.extend(['\\', next]);
            }
            continue;
        }
        match c {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ => {}
        }
        match c {
            _ if in_brackets => out.push(c),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '\\' | '.' | '^' | '$' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(Datum::text(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(subject: &str, source: &str) -> bool {
        compiled(source, "").expect("a good pattern").is_match(subject)
    }

    #[test]
    fn patterns_of_psql_match() {
        assert!(is_match("marketing_events", "^(marketing_events)$"));
        assert!(is_match("pg_toast_1", "^pg_toast"));
        assert!(is_match("a.b", "^(a\\.b)$"));
        assert!(!is_match("axb", "^(a\\.b)$"));
        assert!(is_match("x1", "^(x.*)$"));
    }

    #[test]
    fn replacements_take_groups() {
        let call = |args: &[&str]| {
            let args: Vec<Datum> = args.iter().map(Datum::text).collect();
            let settings = headwater_types::SessionSettings::default();
            let context = crate::testing::context(&settings);
            let call = Call { context: &context, arg_types: &[], data_type: &DataType::Text };
            replace(&args, &call).expect("a good call")
        };
        assert_eq!(call(&["foobarbaz", "b(..)", "X\\1Y", "g"]), Datum::text("fooXarYXazY"));
        assert_eq!(call(&["foobarbaz", "b..", "X"]), Datum::text("fooXbaz"));
    }

    #[test]
    fn splitting_skips_the_empty_ends() {
        let split = |a: &str, b: &str| split(&[Datum::text(a), Datum::text(b)]).expect("a good call");
        assert_eq!(split("a, b,c", ",\\s*"), ["a", "b", "c"]);
        assert_eq!(split("abc", ""), ["a", "b", "c"]);
    }
}
