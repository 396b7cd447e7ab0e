//! The data directory: created, recognised, locked.

use crate::error::StorageError;
use crate::vfs::{Access, DirectoryLock, Vfs};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format this version writes, and the newest it reads.
const FORMAT_VERSION: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_TMP_FILE: &str = "format.tmp";
const LOCK_FILE: &str = "lock";
const FORMAT_NAME: &str = "headwater";
const FORMAT_BYTES_MAX: u64 = 256;

/// A data directory that this process has to itself until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct DataDir {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    _lock: Arc<DirectoryLock>,
}

impl DataDir {
    /// Opens `path`, creating it where there is nothing yet, and takes its lock.
    ///
    /// # Errors
    ///
    /// [`StorageError::Locked`], [`StorageError::NotHeadwater`], [`StorageError::NewerVersion`],
    /// [`StorageError::Corrupt`] for an unreadable format file, [`StorageError::Io`].
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path) -> Result<Self, StorageError> {
        let names = match vfs.list(path) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                vfs.create_dir(path).map_err(StorageError::io("create", path))?;
                if let Some(parent) = path.parent() {
                    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                    vfs.sync_dir(parent).map_err(StorageError::io("sync", parent))?;
                }
                vec![]
            }
            Err(error) => return Err(StorageError::io("read", path)(error)),
        };
        // Nothing is touched in a directory that is someone else's.
        let has_format = names.iter().any(|name| name == FORMAT_FILE);
        let unfinished = |name: &String| name == LOCK_FILE || name == FORMAT_TMP_FILE;
        if !has_format && !names.iter().all(unfinished) {
            return Err(StorageError::NotHeadwater { path: path.to_owned() });
        }
        let lock_path = path.join(LOCK_FILE);
        let lock = vfs
            .lock(&lock_path)
            .map_err(StorageError::io("lock", &lock_path))?
            .ok_or_else(|| StorageError::Locked { path: path.to_owned() })?;
        let directory = Self { vfs, path: path.to_owned(), _lock: Arc::new(lock) };
        if has_format {
            directory.check_format()?;
        } else {
            directory.write_file_atomically(FORMAT_TMP_FILE, FORMAT_FILE, format_text().as_bytes())?;
        }
        Ok(directory)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file system it is on.
    pub(crate) fn vfs(&self) -> &dyn Vfs {
        &*self.vfs
    }

    fn check_format(&self) -> Result<(), StorageError> {
        let path = self.path.join(FORMAT_FILE);
        let corrupt = |problem: &str| StorageError::Corrupt {
            path: path.clone(),
            offset: 0,
            problem: problem.to_owned(),
            remedy: "restore the file from a backup, or write \"headwater 1\" into it if this is a Headwater directory",
        };
        let file = self.vfs.open(&path, Access::Read).map_err(StorageError::io("open", &path))?;
        let length = file.length().map_err(StorageError::io("read", &path))?;
        if length > FORMAT_BYTES_MAX {
            return Err(corrupt("the format file is too long"));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("bounded just above")];
        file.read_at(0, &mut bytes).map_err(StorageError::io("read", &path))?;
        let text = String::from_utf8(bytes).map_err(|_| corrupt("the format file is not text"))?;
        let version = text
            .strip_prefix(FORMAT_NAME)
            .and_then(|rest| rest.trim().parse::<u32>().ok())
            .ok_or_else(|| corrupt("the format file does not say \"headwater\" and a number"))?;
        match version {
            0 => Err(corrupt("there is no format 0")),
            1..=FORMAT_VERSION => Ok(()),
            found => Err(StorageError::NewerVersion { path: self.path.clone(), found, supported: FORMAT_VERSION }),
        }
    }

    /// Writes `name` so that after a crash it has all of `bytes` or is not there.
    fn write_file_atomically(&self, temporary: &str, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        write_file_atomically(&*self.vfs, &self.path, temporary, name, bytes)
    }
}

fn format_text() -> String {
    format!("{FORMAT_NAME} {FORMAT_VERSION}\n")
}

/// Writes `directory/name` so that after a crash it has all of `bytes` or is not there.
pub(crate) fn write_file_atomically(
    vfs: &dyn Vfs,
    directory: &Path,
    temporary: &str,
    name: &str,
    bytes: &[u8],
) -> Result<(), StorageError> {
    let (from, to) = (directory.join(temporary), directory.join(name));
    let file = vfs.open(&from, Access::Create).map_err(StorageError::io("create", &from))?;
    file.write_at(0, bytes).map_err(StorageError::io("write", &from))?;
    file.sync().map_err(StorageError::io("sync", &from))?;
    vfs.rename(&from, &to).map_err(StorageError::io("create", &to))?;
    vfs.sync_dir(directory).map_err(StorageError::io("sync", directory))
}
