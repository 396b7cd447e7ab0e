//! The file system as the store sees it: few operations, each with what makes it durable.
//!
//! # Invariants an implementer keeps
//!
//! 1. Bytes written to a file are durable once `VfsFile::sync` has returned.
//! 2. A file's creation, renaming or removal is durable once `Vfs::sync_dir` of its directory has returned.
//! 3. A rename over an existing file is atomic, also across a crash.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// An empty file, to read and write; one that exists is emptied.
    Create,
}

/// Held as long as the process has the directory to itself.
pub type DirectoryLock = Box<dyn Debug + Send + Sync>;

/// A file system.
pub trait Vfs: Debug + Send + Sync {
    /// Creates a directory and its missing parents. Existing ones are left alone.
    ///
    /// # Errors
    ///
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such directory, and the system's.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such file, and the system's.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>>;

    /// Renames a file over whatever has the new name.
    ///
    /// # Errors
    ///
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    ///
    /// The system's. What is durable is then unknown.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock that `path` stands for, or `None` if another holds it.
    ///
    /// # Errors
    ///
    /// The system's.
    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>>;
}

/// An open file. Positions are given with every call, so that it may be shared.
pub trait VfsFile: Debug + Send + Sync {
    /// The file's length in bytes.
    ///
    /// # Errors
    ///
    /// The system's.
    fn length(&self) -> io::Result<u64>;

    /// Reads at `offset` until `buffer` is full.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file ends before, and the system's.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// The system's. Some of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    ///
    /// The system's.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable.
    ///
    /// # Errors
    ///
    /// The system's. What is durable is then unknown, and trying again would not tell.
    fn sync(&self) -> io::Result<()>;
}
