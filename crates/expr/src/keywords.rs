//! SQL's keywords: the one list, for the parser, for quoting identifiers, and for `pg_get_keywords()`.
//!
//! `keywords.tsv` is PostgreSQL 15's list (`kwlist.h`): word; category (U unreserved, C may name a column or a table but
//! no function or type, T may name a function or type but no column or table, R reserved); whether it may label a column
//! without AS. Words are given in lower case.

use headwater_types::Datum;
use std::collections::HashMap;
use std::sync::LazyLock;

struct Keyword {
    category: &'static str,
    bare_label: bool,
}

static KEYWORDS: LazyLock<HashMap<&'static str, Keyword>> = LazyLock::new(|| lines().collect());

fn lines() -> impl Iterator<Item = (&'static str, Keyword)> {
    include_str!("keywords.tsv").lines().map(|line| {
        let mut parts = line.split('\t');
        let mut next = || parts.next().expect("keywords.tsv has three columns");
        (next(), Keyword { category: next(), bare_label: next() == "t" })
    })
}

/// Whether the word must be quoted to be an identifier everywhere.
#[must_use]
pub fn needs_quotes(word: &str) -> bool {
    KEYWORDS.get(word).is_some_and(|keyword| keyword.category != "U")
}

/// Whether the word may name a column, a table or their alias without quotes.
#[must_use]
pub fn is_column_name(word: &str) -> bool {
    KEYWORDS.get(word).is_none_or(|keyword| matches!(keyword.category, "U" | "C"))
}

/// Whether the word may name a function or a type without quotes.
#[must_use]
pub fn is_function_name(word: &str) -> bool {
    KEYWORDS.get(word).is_none_or(|keyword| matches!(keyword.category, "U" | "T"))
}

/// Whether the word may label a column of a select list without AS.
#[must_use]
pub fn is_bare_label(word: &str) -> bool {
    KEYWORDS.get(word).is_none_or(|keyword| keyword.bare_label)
}

/// The rows of `pg_get_keywords()`.
pub(crate) fn rows() -> Vec<Vec<Datum>> {
    lines()
        .map(|(word, Keyword { category, bare_label })| {
            let description = match category {
                "U" => "unreserved",
                "C" => "unreserved (cannot be function or type name)",
                "T" => "reserved (can be function or type name)",
                _ => "reserved",
            };
            let label = if bare_label { "can be bare label" } else { "requires AS" };
            vec![
                Datum::text(word),
                Datum::text(category),
                Datum::Bool(bare_label),
                Datum::text(description),
                Datum::text(label),
            ]
        })
        .collect()
}
