//! The bytes of the log.
//!
//! ```text
//! segment = segment header, frames…
//! segment header (32)  magic 8 | first epoch 8 | previous epoch 8 | version 4 | CRC32C of the above 4
//! frame                header (40), body
//! frame header         magic 4 | body bytes 8 | first epoch 8 | last epoch 8 | records 4 | body CRC32C 4 | CRC32C of the above 4
//! body                 records…, each: epoch 8 | timestamp µs 8 | bytes 8 | the bytes
//! ```
//!
//! All integers are little-endian. A frame is what one fsync makes durable: the records that piled up during the fsync
//! before it. A frame without records seals what is before it (see [`crate::Log::seal`]).

use headwater_types::Epoch;

/// Bytes of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 32;
/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 40;
/// Bytes of a record's header.
pub const RECORD_HEADER_BYTES: usize = 24;
/// The first bytes of a frame.
pub const FRAME_MAGIC: [u8; 4] = *b"HWf1";
const SEGMENT_MAGIC: [u8; 8] = *b"HWlogseg";
const SEGMENT_VERSION: u32 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The first epoch in it; also its name.
    pub first: Epoch,
    /// The last epoch of the segment before it; 0 where there is none.
    pub previous: Epoch,
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the body.
    pub body_bytes: u64,
    /// The first record's epoch.
    pub first: Epoch,
    /// The last record's epoch.
    pub last: Epoch,
    /// The number of records.
    pub records: u32,
    /// CRC32C of the body.
    pub body_crc: u32,
}

/// Reads little-endian integers off the front of a slice that is long enough.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().expect("headers have fixed sizes");
        self.0 = rest;
        *head
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

impl SegmentHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.previous.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The inverse; `None` if these bytes are none.
    pub fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let magic = reader.take::<8>();
        let header = Self { first: Epoch(reader.u64()), previous: Epoch(reader.u64()) };
        let version = reader.u32();
        let valid = magic == SEGMENT_MAGIC
            && version == SEGMENT_VERSION
            && reader.u32() == crc32c::crc32c(&bytes[..SEGMENT_HEADER_BYTES - 4]);
        valid.then_some(header)
    }
}

impl FrameHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4..12].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.last.0.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.records.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..36]);
        bytes[36..40].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The inverse; `None` if these bytes are none.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let magic = reader.take::<4>();
        let header = Self {
            body_bytes: reader.u64(),
            first: Epoch(reader.u64()),
            last: Epoch(reader.u64()),
            records: reader.u32(),
            body_crc: reader.u32(),
        };
        let valid = magic == FRAME_MAGIC && reader.u32() == crc32c::crc32c(&bytes[..FRAME_HEADER_BYTES - 4]);
        valid.then_some(header)
    }

    /// Whether the epochs can follow `last` in the log.
    pub fn follows(&self, last: Epoch) -> bool {
        match self.records {
            0 => self.first == last && self.last == last && self.body_bytes == 0,
            _ => last < self.first && self.first <= self.last,
        }
    }
}

/// The header of a record, to be followed by its `length` bytes.
pub fn record_header(epoch: Epoch, timestamp_micros: i64, length: u64) -> [u8; RECORD_HEADER_BYTES] {
    let mut bytes = [0; RECORD_HEADER_BYTES];
    bytes[0..8].copy_from_slice(&epoch.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&timestamp_micros.to_le_bytes());
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// Takes one record off the front of a body: `(epoch, timestamp, bytes)`; `None` if the body does not hold one.
pub fn take_record<'a>(body: &mut &'a [u8]) -> Option<(Epoch, i64, &'a [u8])> {
    let (head, rest) = body.split_first_chunk::<RECORD_HEADER_BYTES>()?;
    let mut reader = Reader(head);
    let epoch = Epoch(reader.u64());
    let timestamp_micros = i64::from_le_bytes(reader.take());
    let length = usize::try_from(reader.u64()).ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    *body = rest;
    Some((epoch, timestamp_micros, bytes))
}
