//! The log: every commit, in order, before anyone is told of it.
//!
//! ```text
//! engine thread  LogWriter::append ──▶ pending (memory)
//! sync thread    LogSyncer::sync  ◀── takes all that is pending ── one write, one fsync ──▶ durable epoch
//! ```
//!
//! # Invariants
//!
//! 1. At most one frame is not yet durable: the next is written only after the fsync of the one before has returned.
//!    Hence a damaged frame with anything valid behind it was durable once, and its damage is an error; only a damaged
//!    last frame can be the trace of a crash, and is cut.
//! 2. A segment under its final name has a durable header, and every segment but the last is wholly durable.
//! 3. After a failed write or fsync nobody knows what the disk holds: every later call fails.
//! 4. Epochs increase. Each segment names the last epoch of the one before, so that a missing segment is noticed.
//!
//! A commit costs one copy into memory and its share of a write and an fsync.

use crate::data_dir::{DataDir, write_file_atomically};
use crate::error::StorageError;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader, record_header};
use crate::recovery::{self, Recovery};
use crate::vfs::{Access, VfsFile};
use bytes::Bytes;
use headwater_types::Epoch;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A segment takes no further frame once it has this many bytes; one frame may be larger.
pub const LOG_SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Copied bytes that are pending, beyond which an append writes and syncs by itself.
pub const LOG_BUFFER_BYTES_MAX: usize = 64 << 20;
/// A buffer larger than this is not kept for the next frame.
const LOG_SPARE_BUFFER_BYTES_MAX: usize = 4 << 20;
const SEGMENT_TMP_FILE: &str = "segment.tmp";

/// The log, for one thread. [`Log::split`] makes it two handles for two.
#[derive(Debug)]
pub struct Log {
    writer: LogWriter,
    syncer: LogSyncer,
}

/// Appends records. One per log.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
    last: Epoch,
}

/// Makes appended records durable.
#[derive(Debug, Clone)]
pub struct LogSyncer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: DataDir,
    log_path: PathBuf,
    segment_bytes_max: u64,
    pending: Mutex<Pending>,
    tail: Mutex<Tail>,
    poison: OnceLock<String>,
}

/// Parts of a body of fewer bytes are copied together; larger ones are kept as they are until they are written.
const SHARED_PART_BYTES_MIN: usize = 4096;

/// A frame in the making: its header's bytes are reserved at the front.
#[derive(Debug)]
struct Pending {
    /// Written parts, in order: copied bytes, each followed by a shared part (the last perhaps by none).
    parts: Vec<(Vec<u8>, Bytes)>,
    /// What follows the parts.
    frame: Vec<u8>,
    /// Bytes in `parts` and `frame`, the frame's header included.
    bytes: usize,
    /// Those of them that are copies.
    copied: usize,
    first: Epoch,
    last: Epoch,
    records: u32,
}

/// The last segment's end.
#[derive(Debug)]
struct Tail {
    segment: Option<Segment>,
    durable: Epoch,
    spare: Vec<u8>,
}

/// The segment that takes frames.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) bytes: u64,
}

impl Pending {
    fn new(mut frame: Vec<u8>) -> Self {
        frame.clear();
        frame.resize(FRAME_HEADER_BYTES, 0);
        let bytes = frame.len();
        Self { parts: vec![], frame, bytes, copied: bytes, first: Epoch(0), last: Epoch(0), records: 0 }
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.frame.extend_from_slice(bytes);
        self.bytes += bytes.len();
        self.copied += bytes.len();
    }

    fn push(&mut self, part: Bytes) {
        if part.len() < SHARED_PART_BYTES_MIN {
            return self.copy(&part);
        }
        self.bytes += part.len();
        self.parts.push((std::mem::take(&mut self.frame), part));
    }

    /// The frame's pieces, in order, its header's place included.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let parts = self.parts.iter().flat_map(|(copied, shared)| [&copied[..], &shared[..]]);
        parts.chain(std::iter::once(&self.frame[..])).filter(|piece| !piece.is_empty())
    }

    /// Where the frame's header goes.
    fn header_mut(&mut self) -> &mut [u8] {
        let first = self.parts.first_mut().map_or(&mut self.frame, |(copied, _)| copied);
        &mut first[..FRAME_HEADER_BYTES]
    }
}

impl Log {
    /// Opens the directory's log, cutting the torn tail a crash may have left, and gives what it holds.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`], [`StorageError::Io`]. Damage in segments before the last is found, and reported, by
    /// the [`Recovery`].
    pub fn open(directory: &DataDir) -> Result<(Self, Recovery), StorageError> {
        Self::open_with(directory, LOG_SEGMENT_BYTES_MAX)
    }

    pub(crate) fn open_with(directory: &DataDir, segment_bytes_max: u64) -> Result<(Self, Recovery), StorageError> {
        let log_path = directory.path().join("log");
        directory.vfs().create_dir(&log_path).map_err(StorageError::io("create", &log_path))?;
        directory.vfs().sync_dir(directory.path()).map_err(StorageError::io("sync", directory.path()))?;
        let (segment, last, recovery) = recovery::open(directory, &log_path)?;
        let shared = Arc::new(Shared {
            directory: directory.clone(),
            log_path,
            segment_bytes_max,
            pending: Mutex::new(Pending::new(vec![])),
            tail: Mutex::new(Tail { segment, durable: last, spare: vec![] }),
            poison: OnceLock::new(),
        });
        let syncer = LogSyncer { shared: Arc::clone(&shared) };
        Ok((Self { writer: LogWriter { shared, last }, syncer }, recovery))
    }

    /// [`LogWriter::append`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn append(&mut self, epoch: Epoch, timestamp_micros: i64, body: Vec<Bytes>) -> Result<(), StorageError> {
        self.writer.append(epoch, timestamp_micros, body)
    }

    /// [`LogSyncer::sync`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn sync(&mut self) -> Result<Epoch, StorageError> {
        self.syncer.sync()
    }

    /// [`LogSyncer::seal`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn seal(&mut self) -> Result<(), StorageError> {
        self.syncer.seal()
    }

    /// The newest epoch appended.
    #[must_use]
    pub fn last_epoch(&self) -> Epoch {
        self.writer.last
    }

    /// A handle that appends and a handle that syncs, for two threads.
    #[must_use]
    pub fn split(self) -> (LogWriter, LogSyncer) {
        (self.writer, self.syncer)
    }
}

impl LogWriter {
    /// Appends a record, in memory; a following [`LogSyncer::sync`] makes it durable. `body` is given in parts, which
    /// are joined; large ones are not copied, and stay in memory until then.
    ///
    /// # Errors
    ///
    /// [`StorageError::EpochOrder`] if `epoch` is not above all before it, [`StorageError::Poisoned`]; and those of
    /// [`LogSyncer::sync`], which an append does itself when [`LOG_BUFFER_BYTES_MAX`] are pending.
    pub fn append(&mut self, epoch: Epoch, timestamp_micros: i64, body: Vec<Bytes>) -> Result<(), StorageError> {
        self.shared.check_poison()?;
        if epoch <= self.last {
            return Err(StorageError::EpochOrder { epoch, last: self.last });
        }
        let length: usize = body.iter().map(Bytes::len).sum();
        let header_length = u64::try_from(length).expect("a slice's length fits u64");
        let copied_bytes = {
            let mut pending = self.shared.pending.lock();
            pending.copy(&record_header(epoch, timestamp_micros, header_length));
            for part in body {
                pending.push(part);
            }
            if pending.records == 0 {
                pending.first = epoch;
            }
            pending.records += 1;
            pending.last = epoch;
            pending.copied
        };
        self.last = epoch;
        if copied_bytes >= LOG_BUFFER_BYTES_MAX {
            self.shared.sync()?;
        }
        Ok(())
    }
}

impl LogSyncer {
    /// Makes everything appended before this call durable, and returns the newest durable epoch.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] if a write or an fsync failed: then, and from then on, [`StorageError::Poisoned`].
    pub fn sync(&self) -> Result<Epoch, StorageError> {
        self.shared.sync()
    }

    /// Makes everything durable and marks it so: from now on damage anywhere before the mark is told from a torn write.
    /// For a clean shutdown.
    ///
    /// # Errors
    ///
    /// As [`LogSyncer::sync`].
    pub fn seal(&self) -> Result<(), StorageError> {
        self.shared.sync()?;
        self.shared.poisoning(|shared| {
            let mut tail = shared.tail.lock();
            let durable = tail.durable;
            let Some(segment) = &mut tail.segment else { return Ok(()) };
            let header = FrameHeader { body_bytes: 0, first: durable, last: durable, records: 0, body_crc: 0 };
            segment.write([&header.encode()[..]].into_iter())
        })
    }
}

impl Segment {
    /// Writes pieces at the end, durably.
    fn write<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> Result<(), StorageError> {
        let mut end = self.bytes;
        for piece in pieces {
            self.file.write_at(end, piece).map_err(StorageError::io("write", &self.path))?;
            end += u64::try_from(piece.len()).expect("a slice's length fits u64");
        }
        self.file.sync().map_err(StorageError::io("sync", &self.path))?;
        self.bytes = end;
        Ok(())
    }

    /// A new, empty segment, durable with its header.
    fn create(directory: &DataDir, log_path: &Path, header: SegmentHeader) -> Result<Self, StorageError> {
        let name = recovery::segment_name(header.first);
        write_file_atomically(directory.vfs(), log_path, SEGMENT_TMP_FILE, &name, &header.encode())?;
        let path = log_path.join(name);
        let file = directory.vfs().open(&path, Access::Write).map_err(StorageError::io("open", &path))?;
        let bytes = u64::try_from(SEGMENT_HEADER_BYTES).expect("a small constant");
        Ok(Self { path, file, bytes })
    }
}

impl Shared {
    fn check_poison(&self) -> Result<(), StorageError> {
        match self.poison.get() {
            Some(reason) => Err(StorageError::Poisoned { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Does `write`; if it fails, nothing else will be done ever after.
    fn poisoning<T>(&self, write: impl FnOnce(&Self) -> Result<T, StorageError>) -> Result<T, StorageError> {
        self.check_poison()?;
        write(self).inspect_err(|error| {
            // The first reason stays; a second failure at the same time has nothing to add.
            let _ = self.poison.set(error.to_string());
        })
    }

    fn sync(&self) -> Result<Epoch, StorageError> {
        self.poisoning(|shared| {
            // The tail's lock is taken first, so that frames are written in the order in which they were taken.
            let mut tail = shared.tail.lock();
            // A sync that failed while this one waited for the lock has lost its records.
            shared.check_poison()?;
            let spare = std::mem::take(&mut tail.spare);
            let mut pending = {
                let mut pending = shared.pending.lock();
                if pending.records == 0 {
                    return Ok(tail.durable);
                }
                std::mem::replace(&mut *pending, Pending::new(spare))
            };
            let frame_bytes = u64::try_from(pending.bytes).expect("a slice's length fits u64");
            let header_bytes = u64::try_from(FRAME_HEADER_BYTES).expect("a small constant");
            // The header's own bytes are still zero, and not covered.
            let mut skipped = FRAME_HEADER_BYTES;
            let body_crc = pending.pieces().fold(0, |crc, piece| {
                let body = &piece[std::mem::take(&mut skipped)..];
                crc32c::crc32c_append(crc, body)
            });
            let header = FrameHeader {
                body_bytes: frame_bytes - header_bytes,
                first: pending.first,
                last: pending.last,
                records: pending.records,
                body_crc,
            };
            pending.header_mut().copy_from_slice(&header.encode());
            let full = tail.segment.as_ref().is_none_or(|segment| {
                let empty = segment.bytes == u64::try_from(SEGMENT_HEADER_BYTES).expect("a small constant");
                !empty && segment.bytes.saturating_add(frame_bytes) > shared.segment_bytes_max
            });
            if full {
                let header = SegmentHeader { first: pending.first, previous: tail.durable };
                tail.segment = Some(Segment::create(&shared.directory, &shared.log_path, header)?);
            }
            let segment = tail.segment.as_mut().expect("created just above where there was none");
            segment.write(pending.pieces())?;
            tail.durable = pending.last;
            if pending.frame.capacity() <= LOG_SPARE_BUFFER_BYTES_MAX {
                tail.spare = pending.frame;
            }
            Ok(tail.durable)
        })
    }
}
