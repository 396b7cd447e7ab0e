//! Five ways to one answer.
//!
//! ```text
//! a query ──▶ SELECT ═ view made before the data ═ view made after ═ naive interpreter ═ PostgreSQL 15
//!             after every batch of changes, and after a restart
//! ```
//!
//! Changes and random queries come from seeds; a message names its seed. Seeds that once failed stay in
//! `seeds.txt` and are run for ever.

mod changes;
mod check;
mod corpus;
mod generate;
#[path = "../support/mod.rs"]
mod support;

use check::{Case, Databases};
use generate::Generator;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Seeds of [`random`] that once failed.
const SEEDS: &str = include_str!("seeds.txt");

/// Random queries that live together.
const QUERIES_PER_SEED: usize = 24;

/// Runs cases over tables that change at random.
fn run(cases: Vec<Case>, seed: u64, workers: usize, batches: usize) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut databases = Databases::new(workers, corpus::DEFINITIONS, corpus::POSTGRES_DEFINITIONS);
    let mut cases: Vec<Case> = cases.into_iter().filter(|case| databases.accept(case, seed)).collect();
    databases.make_views("before", &cases);
    for _ in 0..3 {
        databases.change(&changes::batch(&mut rng, 6));
    }
    databases.make_views("after", &cases);
    databases.check(&mut cases, seed, "over the first rows");
    for batch in 0..batches {
        let changes = changes::batch(&mut rng, 4);
        if rng.random_ratio(1, 5) {
            databases.undo(&changes, &mut cases, seed);
        } else {
            databases.change(&changes);
        }
        databases.check(&mut cases, seed, &format!("after batch {batch}: {changes:#?}"));
    }
    databases.restart();
    databases.check(&mut cases, seed, "after a restart");
    let changes = changes::batch(&mut rng, 6);
    databases.change(&changes);
    databases.check(&mut cases, seed, &format!("after a restart and {changes:#?}"));
    databases.change(&changes::emptying());
    databases.check(&mut cases, seed, "over empty tables");
}

fn random(seed: u64, workers: usize) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let cases = (0..QUERIES_PER_SEED).map(|_| Case::new(&Generator::new(&mut rng).query())).collect();
    run(cases, seed, workers, 4);
}

#[test]
fn the_corpus() {
    run(corpus::cases(), 1, 1, 12);
}

#[test]
fn the_corpus_with_two_workers() {
    run(corpus::cases(), 2, 2, 6);
}

#[test]
fn random_queries() {
    if let Some(seed) = std::env::var("HEADWATER_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return random(seed, 1);
    }
    let failed_once = SEEDS.lines().filter_map(|line| line.split('#').next()?.trim().parse().ok());
    for seed in failed_once.chain(0..8) {
        random(seed, 1);
    }
}

#[test]
fn random_queries_with_two_workers() {
    for seed in 1000..1003 {
        random(seed, 2);
    }
}
