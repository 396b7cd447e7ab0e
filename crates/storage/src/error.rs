//! What can go wrong with files.

use headwater_types::{Epoch, SqlError, SqlState};
use std::path::PathBuf;

/// Why the store cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused.
    #[error("could not {action} \"{}\": {source}", path.display())]
    Io {
        /// What was tried: "read", "create", …
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process uses the directory.
    #[error("data directory \"{}\" is in use by another process", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds something else.
    #[error("\"{}\" is not a Headwater data directory: it is not empty and has no \"format\" file", path.display())]
    NotHeadwater {
        /// The directory.
        path: PathBuf,
    },
    /// The directory was written by a newer version.
    #[error(
        "data directory \"{}\" has format {found}, and this version of Headwater reads up to {supported}: \
         use the newer version that wrote it", path.display()
    )]
    NewerVersion {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// Bytes that were durable have changed or are gone.
    #[error("corrupt file \"{}\" at offset {offset}: {problem}; {remedy}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A record was appended out of order: a bug of the caller.
    #[error("epoch {epoch} cannot follow epoch {last} in the log")]
    EpochOrder {
        /// The epoch appended.
        epoch: Epoch,
        /// The newest epoch in the log.
        last: Epoch,
    },
    /// An earlier write or fsync failed, so that nobody knows what the disk holds.
    #[error("the log failed earlier and takes no more records: {reason}")]
    Poisoned {
        /// What failed.
        reason: String,
    },
}

impl StorageError {
    /// The error of `action` on `path`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// The code a session's error carries.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => SqlState::DiskFull,
            Self::Io { .. } | Self::Poisoned { .. } => SqlState::IoError,
            Self::Locked { .. } => SqlState::ObjectInUse,
            Self::NotHeadwater { .. } | Self::NewerVersion { .. } => SqlState::ObjectNotInPrerequisiteState,
            Self::Corrupt { .. } => SqlState::DataCorrupted,
            Self::EpochOrder { .. } => SqlState::InternalError,
        }
    }
}

impl From<StorageError> for SqlError {
    fn from(error: StorageError) -> Self {
        Self::new(error.sqlstate(), error.to_string())
    }
}
