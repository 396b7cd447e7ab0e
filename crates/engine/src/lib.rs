//! The database: commits, transactions, DDL, queries, sessions.
//!
//! ```text
//! session ── bound DML ──▶ engine thread ──▶ log ──▶ sync thread ──▶ acknowledged
//!    │                          └── steps ──▶ views ──▶ marks
//!    └── SELECT: the newest mark that has everything acknowledged
//! ```
//!
//! Synchronous throughout: whoever calls waits. No sockets, no SQL text beyond what `sql` parses.

mod ahead;
mod builds;
mod change;
mod commit;
mod config;
mod database;
mod record;
mod session;
mod step;
mod sync;
mod table;
mod views;
mod visible;

pub use config::{Config, ConnectOptions, OpenError, SESSIONS_MAX, TRANSACTION_BYTES_MAX};
pub use database::Database;
pub use headwater_sql::{Statement, StatementKind};
pub use session::{
    ColumnDescription, CopyIn, CopyOut, Description, Execution, Notice, RowStream, Runnable, Session, TransactionStatus,
};
