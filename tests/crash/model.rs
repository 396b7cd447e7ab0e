//! What a writer's transactions do, and what they leave: functions of the writer and of how many there were.
//!
//! Transaction n makes campaign n with its events, and a variant for some; it deletes what transaction n − [`KEPT`] made;
//! and some add to the amounts of the events of the transaction before.

use std::collections::BTreeMap;

/// A writer's newest transactions whose rows are still there.
const KEPT: usize = 12;

/// Rows of all tables: their values as text, by their ids.
pub type Rows = BTreeMap<String, String>;

fn campaign(writer: usize, n: usize) -> String {
    format!("w{writer}-c{n}")
}

fn events(writer: usize, n: usize) -> impl Iterator<Item = (String, &'static str, usize)> {
    (0..1 + n % 4).map(move |j| {
        let kind = ["impression", "click", "conversion"][(n + j) % 3];
        (format!("w{writer}-e{n}-{j}"), kind, n % 50 + j)
    })
}

fn has_variant(n: usize) -> bool {
    n.is_multiple_of(3)
}

fn campaign_type(n: usize) -> &'static str {
    if has_variant(n) { "ab_test" } else { "regular" }
}

/// Whether transaction n adds 1 to the amounts of the one before.
fn adds(n: usize) -> bool {
    n % 5 == 4
}

/// The statements of transaction n.
pub fn transaction(writer: usize, n: usize) -> Vec<String> {
    let own = campaign(writer, n);
    let mut statements = vec![format!(
        "INSERT INTO campaigns VALUES ('{own}', 'name {}', '{}', NULL, NULL, 1, NULL)",
        n % 7,
        campaign_type(n)
    )];
    for (id, kind, amount) in events(writer, n) {
        statements.push(format!(
            "INSERT INTO marketing_events VALUES ('{id}', {}, '{own}', 'email', '{kind}', {amount}, 'g', 'cpc', 'x', \
             '2026-10-27 {:02}:30:00+00')",
            n % 4,
            n % 3
        ));
    }
    if has_variant(n) {
        statements
            .push(format!("INSERT INTO ab_test_variants VALUES ('w{writer}-v{n}', '{own}', 'A', 'creative', 'x')"));
    }
    if adds(n) {
        let before = campaign(writer, n - 1);
        statements.push(format!("UPDATE marketing_events SET amount = amount + 1 WHERE campaign_id = '{before}'"));
    }
    if let Some(old) = n.checked_sub(KEPT) {
        let old = campaign(writer, old);
        for table in ["marketing_events", "ab_test_variants", "campaigns"] {
            statements.push(format!("DELETE FROM {table} WHERE campaign_id = '{old}'"));
        }
    }
    statements
}

/// What the first `count` transactions of a writer leave.
pub fn rows_after(writer: usize, count: usize) -> Rows {
    let mut rows = Rows::new();
    for n in count.saturating_sub(KEPT)..count {
        let own = campaign(writer, n);
        let added = usize::from(n + 1 < count && adds(n + 1));
        for (id, kind, amount) in events(writer, n) {
            rows.insert(id, format!("{own} {kind} {}", amount + added));
        }
        if has_variant(n) {
            rows.insert(format!("w{writer}-v{n}"), format!("{own} A"));
        }
        rows.insert(own, format!("name {} {}", n % 7, campaign_type(n)));
    }
    rows
}
