//! Random changes to the tables of the corpus, over few values, so that rows meet, vanish and come back.

use crate::corpus::{TABLES, Table, Values};
use rand::Rng;
use rand::rngs::SmallRng;

/// One statement. An INSERT onto a key that is there replaces the row: PostgreSQL is told so in its own words.
#[derive(Debug)]
pub struct Change {
    pub headwater: String,
    pub postgres: String,
}

impl Change {
    fn same(sql: String) -> Self {
        Self { headwater: sql.clone(), postgres: sql }
    }
}

/// Up to `max` changes.
pub fn batch(rng: &mut SmallRng, max: usize) -> Vec<Change> {
    let count = rng.random_range(1..=max);
    (0..count).map(|_| change(rng)).collect()
}

/// All rows away.
pub fn emptying() -> Vec<Change> {
    TABLES.iter().map(|table| Change::same(format!("DELETE FROM {}", table.name))).collect()
}

fn change(rng: &mut SmallRng) -> Change {
    let table = &TABLES[rng.random_range(0..TABLES.len())];
    match rng.random_range(0..10) {
        0..=5 => insert(rng, table),
        6 | 7 => Change::same(update(rng, table)),
        8 => Change::same(format!("DELETE FROM {} WHERE {}", table.name, condition(rng, table))),
        _ => Change::same(
            "INSERT INTO log SELECT id, age, name FROM people WHERE id < 4 AND id NOT IN (SELECT a FROM log WHERE a IS NOT NULL)"
                .to_owned(),
        ),
    }
}

fn literal(rng: &mut SmallRng, values: &Values) -> String {
    match values {
        Values::IntKey(count) => rng.random_range(0..*count).to_string(),
        Values::TextKey(prefix, count) => format!("'{prefix}{}'", rng.random_range(0..*count)),
        Values::Of(literals) => literals[rng.random_range(0..literals.len())].to_owned(),
    }
}

fn insert(rng: &mut SmallRng, table: &Table) -> Change {
    let mut rows: Vec<Vec<String>> = vec![];
    for _ in 0..rng.random_range(1..6) {
        let row: Vec<String> = table.columns.iter().map(|(_, values)| literal(rng, values)).collect();
        // PostgreSQL replaces a row but once in a statement.
        if !table.keyed || rows.iter().all(|other| other[0] != row[0]) {
            rows.push(row);
        }
    }
    let values: Vec<String> = rows.iter().map(|row| format!("({})", row.join(", "))).collect();
    let sql = format!("INSERT INTO {} VALUES {}", table.name, values.join(", "));
    if !table.keyed {
        return Change::same(sql);
    }
    let names = table.columns.iter().map(|(name, _)| *name);
    let sets: Vec<String> = names.clone().skip(1).map(|name| format!("{name} = excluded.{name}")).collect();
    let key = table.columns[0].0;
    let upsert = format!("{sql} ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "));
    match rng.random_range(0..6) {
        0 => Change::same(upsert),
        1 => Change::same(format!("{sql} ON CONFLICT ({key}) DO NOTHING")),
        _ => Change { headwater: sql, postgres: upsert },
    }
}

fn update(rng: &mut SmallRng, table: &Table) -> String {
    let others = &table.columns[usize::from(table.keyed)..];
    let (name, values) = &others[rng.random_range(0..others.len())];
    let value = match (*name, rng.random_range(0..2)) {
        ("price" | "amount" | "score", 0) => format!("{name} + 0.25"),
        ("age" | "qty" | "b", 0) => format!("{name} + 1"),
        _ => literal(rng, values),
    };
    format!("UPDATE {} SET {name} = {value} WHERE {}", table.name, condition(rng, table))
}

/// Some rows of a table.
fn condition(rng: &mut SmallRng, table: &Table) -> String {
    let (name, values) =
        &table.columns[if rng.random_bool(0.5) { 0 } else { rng.random_range(0..table.columns.len()) }];
    match literal(rng, values).as_str() {
        "NULL" => format!("{name} IS NULL"),
        literal => format!("{name} = {literal}"),
    }
}
