//! The engine in one process: transactions, views against recomputation, crashes.

mod crash;
mod damage;
mod sessions;
mod support;
mod transactions;
mod tutorial;
mod work;
