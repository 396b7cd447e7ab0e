//! How a database is opened and connected to.

use headwater_storage::StorageError;
use headwater_types::{SqlError, SqlState};
use std::path::PathBuf;
use std::sync::Arc;

/// The default of [`Config::transaction_bytes_max`]: 2 GiB.
pub const TRANSACTION_BYTES_MAX: usize = 2 << 30;

/// The default of [`Config::sessions_max`].
pub const SESSIONS_MAX: usize = 1000;

/// How a database is opened.
#[derive(Clone)]
pub struct Config {
    /// Where it keeps its files; created if missing.
    pub data_dir: PathBuf,
    /// Worker threads that maintain views.
    pub workers: usize,
    /// Memory that one transaction's changes may take, in bytes; beyond is 54000.
    pub transaction_bytes_max: usize,
    /// Sessions at a time; beyond is 53300.
    pub sessions_max: usize,
    /// Called once with the reason when the database cannot go on. The process should end: recovery decides what holds.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("headwater-data"),
            workers: 1,
            transaction_bytes_max: TRANSACTION_BYTES_MAX,
            sessions_max: SESSIONS_MAX,
            on_fatal: Arc::new(|_| {}),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// Who connects, and with what settings.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// Startup parameters: settings by name.
    pub parameters: Vec<(String, String)>,
    /// The client's address, for `pg_stat_activity`.
    pub client_address: Option<std::net::SocketAddr>,
}

/// Why a database did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its files.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What the files say.
    #[error("{0}")]
    Contents(#[from] SqlError),
}

impl OpenError {
    /// The code.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Storage(error) => error.sqlstate(),
            Self::Contents(error) => error.state,
        }
    }
}
