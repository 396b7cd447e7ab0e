//! Incremental operators and finishing: pure, no I/O, no clock, no threads, no SQL.

pub mod spec;
