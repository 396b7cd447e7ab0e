//! The marketing tutorial: after every commit, each view equals its SELECT.

use crate::support::{Home, connect, lines, run, sorted};
use headwater_engine::Session;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const TABLES: &str = include_str!("../../sql/marketing/01_tables.sql");
const VIEWS: &str = include_str!("../../sql/marketing/02_views.sql");

/// Each view and the SELECT that it is.
fn views() -> Vec<(String, String)> {
    let statements = VIEWS.split(';').filter_map(|text| text.split_once("CREATE MATERIALIZED VIEW "));
    statements
        .map(|(_, rest)| {
            let (name, select) = rest.split_once(" AS\n").expect("a view has a query");
            (name.trim().to_owned(), select.to_owned())
        })
        .collect()
}

fn check(session: &mut Session, when: &str) {
    for (name, select) in views() {
        let stored = sorted(session, &format!("SELECT * FROM {name}"));
        let computed = sorted(session, &select);
        assert_eq!(stored, computed, "{name} {when}");
    }
}

#[test]
fn the_tutorials_numbers() {
    let home = Home::on_disk();
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, TABLES);
    run(&mut s, VIEWS);
    run(&mut s, "INSERT INTO campaigns VALUES ('c', 'Camp', 'ab_test', NULL, NULL, 1000, 'all')");
    run(
        &mut s,
        "INSERT INTO ab_test_variants VALUES ('v1', 'c', 'A', 'creative', 'x'), ('v2', 'c', 'A', 'creative', 'y')",
    );
    for i in 0..20 {
        run(
            &mut s,
            &format!(
                "INSERT INTO marketing_events VALUES ('e{i}', {}, 'c', 'email', 'conversion', {}, 'g', 'cpc', 'x', '2026-10-27T21:11:09.699472'::timestamp)",
                i % 7,
                if i == 0 { "5534.39" } else { "0" }
            ),
        );
    }
    assert_eq!(
        lines(&mut s, "SELECT * FROM channel_attribution"),
        ["2026-10-27 21:00:00+00|2026-10-27 22:00:00+00|email|g|cpc|7|20|5534.39|276.7195"]
    );
    assert_eq!(
        lines(
            &mut s,
            "SELECT impressions, clicks, conversions, revenue, ctr, conversion_rate FROM campaign_performance"
        ),
        ["0|0|20|5534.39|NULL|NULL"]
    );
    assert_eq!(
        lines(&mut s, "SELECT conversions, revenue FROM ab_test_results"),
        ["20|11068.78"],
        "two variants of one name double the revenue, not the conversions"
    );
    database.shutdown();
}

/// One random change of the three tables.
fn change(rng: &mut SmallRng) -> String {
    let pick = |rng: &mut SmallRng, of: &[&str]| of[rng.random_range(0..of.len())].to_owned();
    let quoted_or_null = |rng: &mut SmallRng, of: &[&str]| match rng.random_range(0..8) {
        0 => "NULL".to_owned(),
        _ => format!("'{}'", pick(rng, of)),
    };
    let event = rng.random_range(0..40);
    let campaign = rng.random_range(0..4);
    let variant = rng.random_range(0..5);
    match rng.random_range(0..12) {
        0..=4 => {
            let times =
                ["2026-10-27 09:59:59.999999", "2026-10-27 10:00:00", "2026-10-27 10:30:00", "2026-10-26 23:10:00"];
            let amount = match rng.random_range(0..4) {
                0 => "NULL".to_owned(),
                1 => "0".to_owned(),
                _ => format!("{}.{}", rng.random_range(0..500), rng.random_range(0..1000)),
            };
            format!(
                "INSERT INTO marketing_events VALUES ('e{event}', {}, {}, {}, {}, {amount}, {}, {}, 'x', {})",
                rng.random_range(0..5),
                quoted_or_null(rng, &["c0", "c1", "c2", "c3"]),
                quoted_or_null(rng, &["email", "social"]),
                quoted_or_null(rng, &["impression", "click", "conversion"]),
                quoted_or_null(rng, &["google", "meta"]),
                quoted_or_null(rng, &["cpc", "organic"]),
                quoted_or_null(rng, &times),
            )
        }
        5 => format!("DELETE FROM marketing_events WHERE event_id = 'e{event}'"),
        6 => format!(
            "UPDATE marketing_events SET event_type = {}, amount = amount + 1.10 WHERE event_id = 'e{event}'",
            quoted_or_null(rng, &["impression", "click", "conversion"])
        ),
        7 | 8 => format!(
            "INSERT INTO campaigns VALUES ('c{campaign}', 'name {}', '{}', NULL, NULL, 10.50, NULL)",
            rng.random_range(0..3),
            pick(rng, &["regular", "ab_test"]),
        ),
        9 => format!("DELETE FROM campaigns WHERE campaign_id = 'c{campaign}'"),
        10 => format!(
            "INSERT INTO ab_test_variants VALUES ('v{variant}', 'c{campaign}', '{}', 'creative', 'x')",
            pick(rng, &["A", "B"]),
        ),
        _ => format!("DELETE FROM ab_test_variants WHERE variant_id = 'v{variant}'"),
    }
}

fn random_changes(seed: u64, workers: usize) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut home = Home::on_disk();
    home.workers = workers;
    let database = home.open();
    let mut s = connect(&database);
    run(&mut s, TABLES);
    for _ in 0..rng.random_range(0..30) {
        run(&mut s, &change(&mut rng));
    }
    run(&mut s, VIEWS);
    check(&mut s, &format!("made over data (seed {seed})"));
    for step in 0..60 {
        let changes: Vec<String> = (0..rng.random_range(1..4)).map(|_| change(&mut rng)).collect();
        run(&mut s, &changes.join(";\n"));
        check(&mut s, &format!("after step {step} (seed {seed}): {changes:#?}"));
    }
    drop(s);
    database.shutdown();
    drop(database);
    let database = home.open();
    check(&mut connect(&database), &format!("after a restart (seed {seed})"));
    database.shutdown();
}

#[test]
fn views_equal_their_selects_after_every_commit() {
    for seed in 0..6 {
        random_changes(seed, 1);
    }
}

#[test]
fn views_equal_their_selects_with_two_workers() {
    for seed in 100..103 {
        random_changes(seed, 2);
    }
}
