//! Everything that outlives the process: the data directory and the log, all files behind one [`Vfs`].
//!
//! ```text
//! headwater-data/
//!   format    "headwater 1": what this directory is; written last when it is created, read first when it is opened
//!   lock      held by the one process that uses the directory
//!   log/      append-only segments, named by the first epoch in them
//! ```
//!
//! Values only pass through: what a record's body means is the engine's business.

mod data_dir;
mod error;
mod frame;
mod log;
mod os_vfs;
mod recovery;
mod sim_vfs;
#[cfg(test)]
mod tests;
mod vfs;

pub use data_dir::DataDir;
pub use error::StorageError;
pub use log::{LOG_BUFFER_BYTES_MAX, LOG_SEGMENT_BYTES_MAX, Log, LogSyncer, LogWriter};
pub use os_vfs::OsVfs;
pub use recovery::{Record, Recovery, TornTail};
pub use sim_vfs::SimVfs;
pub use vfs::{Access, DirectoryLock, Vfs, VfsFile};
