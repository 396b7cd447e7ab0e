//! The engine in one process: transactions, views against recomputation, crashes.

mod crash;
mod support;
mod transactions;
mod tutorial;
mod work;
