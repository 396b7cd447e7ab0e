//! PostgreSQL's wire protocol, version 3.
//!
//! ```text
//! listener ──▶ startup (SSL/GSS refused, cancel, authentication) ──▶ connection (a state machine over one session)
//!                                                                      │  frame: bytes → messages
//!                                                                      │  backend: messages → bytes
//!                                                                      └  rows, parameters, copy: values ↔ bytes
//! ```
//!
//! `pgwire` gives the messages, their encoding and SCRAM. Three things it does not give, and they are ours: decoding
//! that cannot panic, cannot read past its own message and tells invalid UTF-8; rows written a batch at a time straight
//! into the output buffer; and a loop in which results of any size pass through a bounded buffer.

mod auth;
mod backend;
mod connection;
mod copy_out;
mod extended;
mod frame;
mod listener;
mod parameters;
mod rows;
mod startup;

pub use auth::Authentication;
pub use listener::{Listener, Shutdown};

/// Output collected before it is written to the socket.
const OUTPUT_BYTES_FLUSH: usize = 64 * 1024;

/// Input read at once.
const INPUT_BYTES_READ: usize = 64 * 1024;

/// Connections served at once; one more gets 53300.
pub const CONNECTIONS_MAX: usize = 1000;
