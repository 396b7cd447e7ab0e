//! A file system in memory that forgets, at a crash, what was not synced. For tests.
//!
//! Every file has its durable bytes and the bytes as written; every directory its durable entries and the entries as
//! changed. A crash keeps what is durable, and, given a seed, any subset of the rest that a disk might have kept:
//! some sectors of the unsynced writes, a prefix of the unsynced changes to directories.

use crate::vfs::{Access, DirectoryLock, Vfs, VfsFile};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECTOR_BYTES: usize = 512;

/// A file system in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SimVfs {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    files: HashMap<u64, Content>,
    next_file: u64,
    directories: BTreeSet<PathBuf>,
    entries: BTreeMap<PathBuf, u64>,
    durable_entries: BTreeMap<PathBuf, u64>,
    /// Changes to entries since their directory was synced, in order.
    changes: Vec<Change>,
    locks: BTreeSet<PathBuf>,
    /// Counts down to the sync that fails; after it all do.
    syncs_left: Option<u64>,
    writes_left: Option<u64>,
    syncs: u64,
    /// Counts crashes: a handle from before one is dead.
    life: u64,
}

#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Change {
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// A small generator (splitmix64): good enough to pick sectors.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("usize fits u64").max(1);
        usize::try_from(self.next() % bound).expect("below a usize")
    }
}

impl Change {
    fn apply(&self, entries: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Create(path, file) => {
                entries.insert(path.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = entries.remove(from) {
                    entries.insert(to.clone(), file);
                }
            }
            Self::Remove(path) => {
                entries.remove(path);
            }
        }
    }

    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Create(path, _) | Self::Rename(_, path) | Self::Remove(path) => path.parent(),
        }
    }
}

impl SimVfs {
    /// An empty file system.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The power fails: what is not durable is gone, locks are free, open files are dead. With a seed, some of what is
    /// not durable survives.
    pub fn crash(&self, seed: Option<u64>) {
        let mut disk = self.disk.lock();
        let mut random = seed.map(Random);
        let changes = std::mem::take(&mut disk.changes);
        let survivors = random.as_mut().map_or(0, |random| random.below(changes.len() + 1));
        let mut entries = disk.durable_entries.clone();
        changes[..survivors].iter().for_each(|change| change.apply(&mut entries));
        let mut ids: Vec<_> = disk.files.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let content = disk.files.get_mut(&id).expect("its own key");
            content.bytes = match &mut random {
                Some(random) => content.survivors(random),
                None => content.durable.clone(),
            };
            content.durable = content.bytes.clone();
        }
        disk.entries = entries.clone();
        disk.durable_entries = entries;
        disk.locks.clear();
        disk.syncs_left = None;
        disk.writes_left = None;
        disk.life += 1;
    }

    /// Lets `count` more syncs (of files and directories) succeed; then all fail.
    pub fn fail_syncs_after(&self, count: u64) {
        self.disk.lock().syncs_left = Some(count);
    }

    /// Lets `count` more writes succeed; then all fail for want of space.
    pub fn fail_writes_after(&self, count: u64) {
        self.disk.lock().writes_left = Some(count);
    }

    /// How many syncs there were.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.disk.lock().syncs
    }

    /// A file's bytes as written; `None` if there is none.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.disk.lock();
        disk.entries.get(path).map(|file| disk.files[file].bytes.clone())
    }

    /// Puts a file there, durably.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut disk = self.disk.lock();
        let file = disk.new_file(Content { bytes: bytes.to_vec(), durable: bytes.to_vec() });
        disk.entries.insert(path.to_owned(), file);
        disk.durable_entries.insert(path.to_owned(), file);
    }

    /// A copy of this file system that shares nothing with it.
    #[must_use]
    pub fn fork(&self) -> Self {
        let disk = self.disk.lock();
        Self {
            disk: Arc::new(Mutex::new(Disk {
                files: disk.files.clone(),
                next_file: disk.next_file,
                directories: disk.directories.clone(),
                entries: disk.entries.clone(),
                durable_entries: disk.durable_entries.clone(),
                changes: disk.changes.clone(),
                ..Disk::default()
            })),
        }
    }
}

impl Content {
    /// What a disk may hold after a crash: of each unsynced sector either version, and any length between the two.
    fn survivors(&self, random: &mut Random) -> Vec<u8> {
        let shorter = self.durable.len().min(self.bytes.len());
        let longer = self.durable.len().max(self.bytes.len());
        let length = shorter + random.below(longer - shorter + 1);
        let mut bytes = self.durable.clone();
        bytes.resize(length, 0);
        for start in (0..length).step_by(SECTOR_BYTES) {
            let end = (start + SECTOR_BYTES).min(length).min(self.bytes.len());
            if start < end && random.below(2) == 0 {
                bytes[start..end].copy_from_slice(&self.bytes[start..end]);
            }
        }
        bytes
    }
}

impl Disk {
    fn new_file(&mut self, content: Content) -> u64 {
        self.next_file += 1;
        self.files.insert(self.next_file, content);
        self.next_file
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.entries);
        self.changes.push(change);
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        self.entries.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn spend_sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        match &mut self.syncs_left {
            Some(0) => Err(io::Error::other("injected fsync failure")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn spend_write(&mut self) -> io::Result<()> {
        match &mut self.writes_left {
            Some(0) => Err(ErrorKind::StorageFull.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Vfs for SimVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // Directories are kept at once: losing one is losing all in it, which losing its entries tests as well.
        let mut disk = self.disk.lock();
        disk.directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk.lock();
        if !disk.directories.contains(path) {
            return Err(ErrorKind::NotFound.into());
        }
        let mut names: Vec<_> = (disk.entries.keys().chain(&disk.directories))
            .filter(|entry| entry.parent() == Some(path))
            .filter_map(|entry| Some(entry.file_name()?.to_string_lossy().into_owned()))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        let mut disk = self.disk.lock();
        let file = match (disk.file(path), access) {
            (Ok(file), Access::Create) => {
                disk.files.entry(file).or_default().bytes.clear();
                file
            }
            (Ok(file), _) => file,
            (Err(_), Access::Create) => {
                let file = disk.new_file(Content::default());
                disk.change(Change::Create(path.to_owned(), file));
                file
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Arc::new(SimFile { disk: Arc::clone(&self.disk), file, life: disk.life }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.file(from)?;
        disk.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.file(path)?;
        disk.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.spend_sync()?;
        let changes = std::mem::take(&mut disk.changes);
        let (synced, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.directory() == Some(path));
        synced.iter().for_each(|change| change.apply(&mut disk.durable_entries));
        disk.changes = rest;
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        let mut disk = self.disk.lock();
        let life = disk.life;
        let taken = disk.locks.insert(path.to_owned());
        Ok(taken.then(|| -> DirectoryLock {
            Box::new(SimLock { disk: Arc::clone(&self.disk), path: path.to_owned(), life })
        }))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.life == self.life {
            disk.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: Arc<Mutex<Disk>>,
    file: u64,
    life: u64,
}

impl SimFile {
    fn with<T>(&self, work: impl FnOnce(&mut Disk, u64) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.disk.lock();
        if disk.life != self.life {
            return Err(io::Error::other("this file was open in a process that crashed"));
        }
        work(&mut disk, self.file)
    }
}

fn range(offset: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(|_| ErrorKind::InvalidInput)?;
    let end = start.checked_add(length).ok_or(ErrorKind::InvalidInput)?;
    Ok(start..end)
}

impl VfsFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        self.with(|disk, file| Ok(u64::try_from(disk.files[&file].bytes.len()).expect("usize fits u64")))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = range(offset, buffer.len())?;
        self.with(|disk, file| {
            buffer.copy_from_slice(disk.files[&file].bytes.get(range).ok_or(ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let range = range(offset, bytes.len())?;
        self.with(|disk, file| {
            disk.spend_write()?;
            let content = disk.files.entry(file).or_default();
            if content.bytes.len() < range.end {
                content.bytes.resize(range.end, 0);
            }
            content.bytes[range].copy_from_slice(bytes);
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let length = range(length, 0)?.start;
        self.with(|disk, file| {
            disk.files.entry(file).or_default().bytes.resize(length, 0);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|disk, file| {
            disk.spend_sync()?;
            let content = disk.files.entry(file).or_default();
            content.durable = content.bytes.clone();
            Ok(())
        })
    }
}
