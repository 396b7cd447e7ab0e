//! Reading the log after a start.
//!
//! What a damaged frame means follows from the log's first invariant: at most the last frame was not yet durable.
//!
//! | what is found | what it means |
//! |---|---|
//! | the file ends inside a frame's header or body | a torn write: cut |
//! | a whole last frame with a wrong body CRC, nothing behind it | a torn write: cut |
//! | a frame with a wrong body CRC, anything behind it | it was durable: [`StorageError::Corrupt`] |
//! | bytes that are no frame header, no valid header anywhere behind | a torn write: cut |
//! | bytes that are no frame header, a valid one behind | it was durable: [`StorageError::Corrupt`] |
//! | any of these in a segment that is not the last | it was durable: [`StorageError::Corrupt`] |
//!
//! A changed byte in the very last frame cannot be told from a torn write, unless the log was sealed; it is cut, and
//! [`Recovery::cut`] says so.

use crate::data_dir::DataDir;
use crate::error::StorageError;
use crate::frame::{FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader, take_record};
use crate::log::Segment;
use crate::vfs::{Access, VfsFile};
use headwater_types::Epoch;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SEGMENT_SUFFIX: &str = ".log";
const TMP_SUFFIX: &str = ".tmp";
const REMEDY: &str = "restore the data directory from a backup; nothing was changed";
/// How much is read at a time when looking for a frame behind damage.
const SEARCH_BYTES: u64 = 1 << 20;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its timestamp, microseconds since 1970 UTC.
    pub timestamp_micros: i64,
    /// What was appended.
    pub body: Vec<u8>,
}

/// What was cut off the log's end: a write that a crash interrupted, so that nobody was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where it was cut, in bytes.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// The log's records, in order of their epochs. Ends after its first error.
#[derive(Debug)]
pub struct Recovery {
    segments: VecDeque<OpenSegment>,
    last: Epoch,
    body: Vec<u8>,
    /// Of `body`, what was given already.
    taken: usize,
    cut: Option<TornTail>,
    failed: bool,
}

#[derive(Debug)]
struct OpenSegment {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    header: SegmentHeader,
    position: u64,
    /// The end of its frames.
    end: u64,
}

/// What is at a position of a segment.
enum Found {
    /// A frame, whole and valid, with its body.
    Frame(FrameHeader, Vec<u8>),
    /// No frame. `behind` tells where a valid one might follow; `proof` that something follows for certain.
    Damage { problem: &'static str, behind: u64, proof: bool },
}

pub(crate) fn segment_name(first: Epoch) -> String {
    format!("{:020}{SEGMENT_SUFFIX}", first.0)
}

/// Opens the log in `log_path`: the segment that takes frames, the newest epoch, and the records.
pub(crate) fn open(directory: &DataDir, log_path: &Path) -> Result<(Option<Segment>, Epoch, Recovery), StorageError> {
    let mut segments = VecDeque::new();
    for name in directory.vfs().list(log_path).map_err(StorageError::io("read", log_path))? {
        let path = log_path.join(&name);
        if name.ends_with(TMP_SUFFIX) {
            directory.vfs().remove(&path).map_err(StorageError::io("remove", &path))?;
        } else if let Some(first) = name.strip_suffix(SEGMENT_SUFFIX).and_then(|first| first.parse().ok()) {
            segments.push_back(OpenSegment::open(directory, path, Epoch(first))?);
        }
    }
    if let Some(first) = segments.front().filter(|segment| segment.header.previous != Epoch(0)) {
        return Err(first.corrupt(0, missing(first.header.previous)));
    }
    let Some(last) = segments.back_mut() else {
        return Ok((None, Epoch(0), Recovery::new(segments, None)));
    };
    let (newest, cut) = last.find_end()?;
    if let Some(cut) = &cut {
        last.file.truncate(cut.offset).map_err(StorageError::io("truncate", &last.path))?;
        last.file.sync().map_err(StorageError::io("sync", &last.path))?;
    }
    let tail = Segment { path: last.path.clone(), file: Arc::clone(&last.file), bytes: last.end };
    Ok((Some(tail), newest, Recovery::new(segments, cut)))
}

fn missing(epoch: Epoch) -> String {
    format!("the segment before it, which ends with epoch {epoch}, is missing")
}

fn bytes_of(length: usize) -> u64 {
    u64::try_from(length).expect("a slice's length fits u64")
}

impl OpenSegment {
    fn open(directory: &DataDir, path: PathBuf, first: Epoch) -> Result<Self, StorageError> {
        let file = directory.vfs().open(&path, Access::Write).map_err(StorageError::io("open", &path))?;
        let end = file.length().map_err(StorageError::io("read", &path))?;
        let position = bytes_of(SEGMENT_HEADER_BYTES);
        let header = SegmentHeader { first, previous: Epoch(0) };
        let mut segment = Self { path, file, header, position, end };
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        if end < position {
            return Err(segment.corrupt(0, "the segment's header is cut off"));
        }
        segment.read(0, &mut bytes)?;
        match SegmentHeader::decode(&bytes) {
            Some(header) if header.first == first => segment.header = header,
            Some(_) => return Err(segment.corrupt(0, "the segment's header does not fit its name")),
            None => return Err(segment.corrupt(0, "the segment's header is damaged")),
        }
        Ok(segment)
    }

    fn corrupt(&self, offset: u64, problem: impl Into<String>) -> StorageError {
        StorageError::Corrupt { path: self.path.clone(), offset, problem: problem.into(), remedy: REMEDY }
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.file.read_at(offset, buffer).map_err(StorageError::io("read", &self.path))
    }

    /// Reads what is at `position`, which is before the end.
    fn look_at(&self, position: u64) -> Result<Found, StorageError> {
        let body_start = position + bytes_of(FRAME_HEADER_BYTES);
        if body_start > self.end {
            return Ok(Found::Damage { problem: "a frame's header is cut off", behind: self.end, proof: false });
        }
        let mut bytes = [0; FRAME_HEADER_BYTES];
        self.read(position, &mut bytes)?;
        let Some(header) = FrameHeader::decode(&bytes) else {
            return Ok(Found::Damage { problem: "a frame's header is damaged", behind: position + 1, proof: false });
        };
        let Some(body_end) = body_start.checked_add(header.body_bytes).filter(|&end| end <= self.end) else {
            return Ok(Found::Damage { problem: "a frame's body is cut off", behind: self.end, proof: false });
        };
        let length = usize::try_from(header.body_bytes)
            .map_err(|_| self.corrupt(position, "a frame's body is larger than this machine's memory"))?;
        let mut body = vec![0; length];
        self.read(body_start, &mut body)?;
        if crc32c::crc32c(&body) != header.body_crc {
            let proof = body_end < self.end;
            return Ok(Found::Damage { problem: "a frame's body is damaged", behind: body_end, proof });
        }
        Ok(Found::Frame(header, body))
    }

    /// Whether a valid frame header that can follow `last` is anywhere from `position` on.
    fn header_behind(&self, mut position: u64, last: Epoch) -> Result<bool, StorageError> {
        let header_bytes = bytes_of(FRAME_HEADER_BYTES);
        while position.saturating_add(header_bytes) <= self.end {
            let length = (self.end - position).min(SEARCH_BYTES + header_bytes);
            let mut bytes = vec![0; usize::try_from(length).expect("bounded by SEARCH_BYTES")];
            self.read(position, &mut bytes)?;
            let found = bytes.windows(FRAME_HEADER_BYTES).any(|window| {
                window.starts_with(&FRAME_MAGIC)
                    && window.first_chunk().and_then(FrameHeader::decode).is_some_and(|header| header.last >= last)
            });
            if found {
                return Ok(true);
            }
            position += length - header_bytes + 1;
        }
        Ok(false)
    }

    /// Walks the last segment: sets its end, and tells the newest epoch and what has to be cut.
    fn find_end(&mut self) -> Result<(Epoch, Option<TornTail>), StorageError> {
        let mut last = self.header.previous;
        let mut position = self.position;
        while position < self.end {
            match self.look_at(position)? {
                Found::Frame(header, _) if header.follows(last) => {
                    last = header.last;
                    position += bytes_of(FRAME_HEADER_BYTES) + header.body_bytes;
                }
                Found::Frame(header, _) => return Err(self.corrupt(position, misplaced(&header, last))),
                Found::Damage { problem, behind, proof } => {
                    if proof || self.header_behind(behind, last)? {
                        return Err(self.corrupt(position, problem));
                    }
                    let cut = TornTail { path: self.path.clone(), offset: position, bytes: self.end - position };
                    self.end = position;
                    return Ok((last, Some(cut)));
                }
            }
        }
        Ok((last, None))
    }
}

fn misplaced(header: &FrameHeader, last: Epoch) -> String {
    format!("a frame of epochs {} to {} follows epoch {last}", header.first, header.last)
}

impl Recovery {
    fn new(segments: VecDeque<OpenSegment>, cut: Option<TornTail>) -> Self {
        Self { segments, last: Epoch(0), body: vec![], taken: 0, cut, failed: false }
    }

    /// What was cut off the log's end, if anything.
    #[must_use]
    pub fn cut(&self) -> Option<&TornTail> {
        self.cut.as_ref()
    }

    /// Loads the next frame; false at the end of the log.
    fn next_frame(&mut self) -> Result<bool, StorageError> {
        loop {
            let Some(segment) = self.segments.front_mut() else { return Ok(false) };
            if segment.position == bytes_of(SEGMENT_HEADER_BYTES) && segment.header.previous != self.last {
                return Err(segment.corrupt(0, missing(segment.header.previous)));
            }
            if segment.position >= segment.end {
                self.segments.pop_front();
                continue;
            }
            match segment.look_at(segment.position)? {
                Found::Frame(header, body) if header.follows(self.last) => {
                    segment.position += bytes_of(FRAME_HEADER_BYTES) + header.body_bytes;
                    (self.body, self.taken) = (body, 0);
                    if header.records > 0 {
                        return Ok(true);
                    }
                }
                Found::Frame(header, _) => {
                    return Err(segment.corrupt(segment.position, misplaced(&header, self.last)));
                }
                Found::Damage { problem, .. } => return Err(segment.corrupt(segment.position, problem)),
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<Record>, StorageError> {
        if self.taken == self.body.len() && !self.next_frame()? {
            return Ok(None);
        }
        let mut rest = &self.body[self.taken..];
        let record = take_record(&mut rest).filter(|(epoch, ..)| *epoch > self.last);
        let Some((epoch, timestamp_micros, body)) = record else {
            let segment = self.segments.front().expect("a frame's segment stays until its records are read");
            return Err(segment.corrupt(segment.position, "the frame before here does not hold its records"));
        };
        let record = Record { epoch, timestamp_micros, body: body.to_vec() };
        self.taken = self.body.len() - rest.len();
        self.last = epoch;
        Ok(Some(record))
    }
}

impl Iterator for Recovery {
    type Item = Result<Record, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.next_record();
        self.failed = record.is_err();
        record.transpose()
    }
}
