//! The server as its clients meet it: the binary, over sockets, byte by byte and through tokio-postgres.

mod client;
mod copy;
mod extended;
mod lifecycle;
mod malformed;
mod server;
mod simple;
mod startup;
mod typed;
