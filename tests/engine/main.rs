//! The engine in one process: transactions, views against recomputation, crashes.

mod ahead;
mod builds;
mod crash;
mod damage;
mod memory;
mod plans;
mod sessions;
mod sharing;
mod support;
mod transactions;
mod tutorial;
mod work;
