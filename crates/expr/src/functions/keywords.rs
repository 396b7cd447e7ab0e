//! SQL's key words, as `pg_get_keywords()` lists them and `quote_ident` must know them.
//!
//! `keywords.tsv` is PostgreSQL 15's list: word, category (U, C, T, R), whether it may be a bare label.

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

/// Whether an identifier of this (lower-case) spelling must be quoted.
pub(crate) fn needs_quotes(word: &str) -> bool {
    KEYWORDS.get(word).is_some_and(|keyword| keyword.category != "U")
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
