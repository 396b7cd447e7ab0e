//! Random bound queries over small tables: the plan, with rewrites on, off and at random, gives the oracle's rows.

use crate::generate::Generator;
use crate::run;
use headwater_plan::{PlanOptions, RewriteOptions};
use headwater_types::SqlState;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const SEEDS: u64 = 1500;

fn check(seed: u64) -> bool {
    let mut random = SmallRng::seed_from_u64(seed);
    let tables = run::Tables::random(&mut random);
    let query = Generator::new(&mut random).query();
    // A query that raises may also not raise, as errors of rows that do not count may be lost.
    let Ok(mut expected) = run::oracle(&query, &tables) else { return false };
    expected.sort();
    let random_rewrites = RewriteOptions::from_bits(random.random());
    let explain = |rewrites| run::explained(&query, &tables, &PlanOptions { rewrites, ..PlanOptions::default() });
    for rewrites in [RewriteOptions::none(), RewriteOptions::all(), random_rewrites] {
        let mut found = match run::planned(&query, &tables, &PlanOptions { rewrites, ..PlanOptions::default() }) {
            Ok(found) => found,
            // A subquery that uses nothing from outside is evaluated even if no row asks for it.
            Err(error) if error.state == SqlState::DivisionByZero => continue,
            Err(error) => panic!("seed {seed}, {rewrites:?}: {error}\n{}", explain(rewrites)),
        };
        found.sort();
        assert_eq!(found, expected, "seed {seed}, {rewrites:?}\n{}", explain(rewrites));
    }
    true
}

#[test]
fn plans_give_the_oracles_rows() {
    let first = crate::first_seed();
    let checked = (first..first + SEEDS).filter(|&seed| check(seed)).count();
    assert!(checked > 1000, "only {checked} queries did not raise");
}
