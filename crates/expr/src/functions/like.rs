//! LIKE and ILIKE: `%` any characters, `_` one character, an escape character (backslash unless given).

use super::text::text;
use crate::eval::{Evaluated, Operand, RowErrors, by_rows, null_out, row_number};
use crate::registry::{Call, Entry, Kernel, function, operator};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use headwater_types::{Datum, Result, SqlError, SqlState};
use std::sync::Arc;

macro_rules! family {
    ($symbol:literal, $insensitive:literal, $negated:literal) => {{
        const KERNEL: Kernel = Kernel::Batch(|args, rows, call| like(args, rows, call, $insensitive, $negated));
        [
            operator($symbol, "text,text", "bool", KERNEL).fallible(),
            operator($symbol, "name,text", "bool", KERNEL).fallible(),
            operator($symbol, "bpchar,text", "bool", KERNEL).fallible(),
        ]
    }};
}

const LIKE: [Entry; 3] = family!("~~", false, false);
const NOT_LIKE: [Entry; 3] = family!("!~~", false, true);
const ILIKE: [Entry; 3] = family!("~~*", true, false);
const NOT_ILIKE: [Entry; 3] = family!("!~~*", true, true);

pub(super) const ENTRIES: &[Entry] = &[
    LIKE[0],
    LIKE[1],
    LIKE[2],
    NOT_LIKE[0],
    NOT_LIKE[1],
    NOT_LIKE[2],
    ILIKE[0],
    ILIKE[1],
    ILIKE[2],
    NOT_ILIKE[0],
    NOT_ILIKE[1],
    NOT_ILIKE[2],
    function("like_escape", "text,text", "text", Kernel::Rows(like_escape)).fallible(),
];

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Literal(char),
    One,
    Many,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
enum Pattern {
    /// No wildcard.
    Equal(String),
    /// `x%`
    Prefix(String),
    /// `%x`
    Suffix(String),
    /// `%x%`
    Contains(String),
    /// Anything else.
    Steps(Vec<Step>),
}

impl Pattern {
    fn compile(pattern: &str, insensitive: bool) -> Result<Self> {
        let mut steps = Vec::with_capacity(pattern.len());
        let mut characters = pattern.chars();
        while let Some(c) = characters.next() {
            match c {
                '%' if steps.last() == Some(&Step::Many) => {}
                '%' => steps.push(Step::Many),
                '_' => steps.push(Step::One),
                '\\' => {
                    let escaped = characters.next().ok_or_else(|| {
                        SqlError::new(
                            SqlState::InvalidEscapeSequence,
                            "LIKE pattern must not end with escape character",
                        )
                    })?;
                    push_literal(&mut steps, escaped, insensitive);
                }
                other => push_literal(&mut steps, other, insensitive),
            }
        }
        let literal = |steps: &[Step]| -> Option<String> {
            steps.iter().map(|s| if let Step::Literal(c) = s { Some(*c) } else { None }).collect()
        };
        Ok(match steps.as_slice() {
            [Step::Many, inner @ .., Step::Many] if literal(inner).is_some() => {
                Self::Contains(literal(inner).unwrap_or_default())
            }
            [inner @ .., Step::Many] if literal(inner).is_some() => Self::Prefix(literal(inner).unwrap_or_default()),
            [Step::Many, inner @ ..] if literal(inner).is_some() => Self::Suffix(literal(inner).unwrap_or_default()),
            all => match literal(all) {
                Some(text) => Self::Equal(text),
                None => Self::Steps(steps),
            },
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equal(wanted) => text == wanted,
            Self::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Self::Contains(wanted) => memchr::memmem::find(text.as_bytes(), wanted.as_bytes()).is_some(),
            Self::Steps(steps) => matches_steps(text, steps),
        }
    }
}

fn push_literal(steps: &mut Vec<Step>, c: char, insensitive: bool) {
    if insensitive {
        steps.extend(c.to_lowercase().map(Step::Literal));
    } else {
        steps.push(Step::Literal(c));
    }
}

/// Greedy matching with one point to go back to: linear in practice, O(text × pattern) at worst.
fn matches_steps(text: &str, steps: &[Step]) -> bool {
    let (mut rest, mut step) = (text, 0);
    let mut retry: Option<(&str, usize)> = None;
    loop {
        let mut ahead = rest.chars();
        let next = ahead.next();
        match (steps.get(step), next) {
            (Some(Step::Many), _) => {
                retry = Some((rest, step + 1));
                step += 1;
                continue;
            }
            (Some(Step::One), Some(_)) => {
                rest = ahead.as_str();
                step += 1;
                continue;
            }
            (Some(Step::Literal(wanted)), Some(found)) if *wanted == found => {
                rest = ahead.as_str();
                step += 1;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((from, after)) = retry else { return false };
        let mut skipped = from.chars();
        if skipped.next().is_none() {
            return false;
        }
        rest = skipped.as_str();
        step = after;
        retry = Some((rest, after));
    }
}

fn like(args: &[Operand], rows: usize, call: &Call<'_>, insensitive: bool, negated: bool) -> Evaluated {
    let (subject, pattern) = (&args[0], &args[1]);
    if !pattern.is_constant() || pattern.is_null(0) {
        return by_rows(true, args, rows, call, |row| {
            let found = matched(text(&row[0])?, &Pattern::compile(text(&row[1])?, insensitive)?, insensitive);
            Ok(Datum::Bool(found != negated))
        });
    }
    let texts = subject.array().as_string::<i32>();
    let compiled = match Pattern::compile(pattern.array().as_string::<i32>().value(0), insensitive) {
        Ok(compiled) => compiled,
        Err(error) => return all_failed(subject, rows, &error),
    };
    let bits = BooleanBuffer::collect_bool(rows, |row| {
        matched(texts.value(subject.index(row)), &compiled, insensitive) != negated
    });
    Evaluated::ok(Arc::new(BooleanArray::new(bits, subject_nulls(subject, rows))))
}

/// The NULLs of the one operand that may have any.
pub(super) fn subject_nulls(subject: &Operand, rows: usize) -> Option<arrow_buffer::NullBuffer> {
    if subject.is_constant() && rows != 1 {
        return subject.is_null(0).then(|| arrow_buffer::NullBuffer::new_null(rows));
    }
    subject.array().nulls().cloned()
}

/// Every row that has a subject fails with the pattern's error.
pub(super) fn all_failed(subject: &Operand, rows: usize, error: &SqlError) -> Evaluated {
    let errors: RowErrors =
        (0..rows).filter(|row| !subject.is_null(*row)).map(|row| (row_number(row), error.clone())).collect();
    let none: ArrayRef = Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows), subject_nulls(subject, rows)));
    Evaluated { array: null_out(&none, &errors), errors }
}

fn matched(subject: &str, pattern: &Pattern, insensitive: bool) -> bool {
    if insensitive { pattern.matches(&subject.to_lowercase()) } else { pattern.matches(subject) }
}

/// LIKE … ESCAPE: the pattern with backslash as its escape character.
fn like_escape(args: &[Datum], _: &Call<'_>) -> Result<Datum> {
    let (pattern, escape) = (text(&args[0])?, text(&args[1])?);
    let mut characters = escape.chars();
    let escape = match (characters.next(), characters.next()) {
        (None, _) => None,
        (Some(c), None) => Some(c),
        _ => {
            return Err(SqlError::new(SqlState::InvalidEscapeSequence, "invalid escape string")
                .with_hint("Escape string must be empty or one character."));
        }
    };
    let mut out = String::with_capacity(pattern.len());
    let mut after_escape = false;
    for c in pattern.chars() {
        if Some(c) == escape && !after_escape {
            out.push('\\');
            after_escape = true;
        } else if c == '\\' && !after_escape {
            out.push_str("\\\\");
        } else {
            out.push(c);
            after_escape = false;
        }
    }
    Ok(Datum::text(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::compile(pattern, false).expect("a good pattern").matches(text)
    }

    #[test]
    fn wildcards_match_as_in_postgresql() {
        assert!(like("abc", "abc"));
        assert!(like("abc", "a%"));
        assert!(like("abc", "%c"));
        assert!(like("abc", "%b%"));
        assert!(like("abc", "_b_"));
        assert!(!like("abc", "_b"));
        assert!(like("a%c", "a\\%c"));
        assert!(!like("abc", "a\\%c"));
        assert!(like("", "%"));
        assert!(!like("", "_"));
        assert!(like("aXbXc", "a%b%c"));
        assert!(like("aab", "%ab"));
        assert!(like("éa", "_a"));
        assert!(Pattern::compile("a\\", false).is_err());
    }

    #[test]
    fn a_hostile_pattern_stays_fast() {
        let text = "a".repeat(5_000);
        assert!(!like(&text, "%a%a%a%a%a%a%a%a%a%b"));
    }
}
