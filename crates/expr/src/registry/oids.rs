//! PostgreSQL's OIDs of the functions and operators that are its own.
//!
//! `oids.tsv` is taken from PostgreSQL 15's `pg_proc` and `pg_operator`: key, `pg_proc.oid`, `pg_proc.proname`,
//! `pg_operator.oid` (0 for a function).

use std::collections::HashMap;

/// By key: `name(type,type)`, of a prefix operator `name(,type)`.
pub(super) struct Oids(HashMap<&'static str, (u32, &'static str, u32)>);

impl Oids {
    /// Reads the table.
    ///
    /// # Panics
    ///
    /// If it is malformed: it is part of the program.
    pub(super) fn load() -> Self {
        let mut table = HashMap::new();
        for line in include_str!("oids.tsv").lines() {
            let mut parts = line.split('\t');
            let mut next = || parts.next().expect("oids.tsv has four columns");
            let (kind_and_key, oid, proname, operator) = (next(), next(), next(), next());
            let number = |text: &str| text.parse().expect("oids.tsv holds OIDs");
            table.insert(kind_and_key, (number(oid), proname, number(operator)));
        }
        Self(table)
    }

    /// `pg_proc.oid`, `proname` and `pg_operator.oid`; zeros and the name itself for what PostgreSQL does not have.
    pub(super) fn of(&self, name: &str, is_operator: bool, key: &str) -> (u32, String, u32) {
        match self.0.get(key) {
            Some(&(oid, proname, operator)) if is_operator == (operator != 0) => (oid, proname.to_owned(), operator),
            _ => (0, name.to_owned(), 0),
        }
    }
}
