//! Random bound queries over small tables, by the oracle and by the engine.

mod eager;
mod generate;
mod queries;
mod run;
mod views;

/// The first seed, `SEED` in the environment or 0.
fn first_seed() -> u64 {
    std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}
