//! Arrangements: a relation's rows kept with hash indexes, read through snapshots.
//!
//! ```text
//!  KeyedRelation (tables)     ZSetRelation (view results)     operators' own state
//!        │  UniqueIndex              │  UniqueIndex                  │  MultiIndex
//!        └───────────┬───────────────┴──────────────────────────────┘
//!                 RowStore ── snapshot() ──▶ RowSnapshot (a value: Arc'd, immutable)
//! ```
//!
//! # Why snapshots are values
//!
//! The design's first sketch stamped each row with the epochs of its birth and death and let readers filter. Here a
//! snapshot is a persistent value instead: the writer copies only the nodes it touches (a page of slots, a deletion
//! bitmap, a path of the index's trie) and only while a snapshot still shares them. Readers then need no filter, no
//! watermark and no lock; nothing has to be reclaimed behind a pinned reader; a segment's number can be used again.
//! The price is one copy of a small node per touched segment and commit, measured in hundreds of nanoseconds.
//!
//! Nothing here performs I/O, reads a clock or starts a thread.

mod distinct_estimate;
mod encoding;
mod equal_rows;
mod gather;
mod keyed_relation;
mod multi_index;
mod relation_snapshot;
mod row_snapshot;
mod row_store;
mod segment;
mod unique_index;
mod zset_relation;

pub use encoding::{Bound, BoundComparison, TextForm};
pub use gather::gather_batches;
pub use keyed_relation::{AppliedDelta, KeyedRelation};
pub use multi_index::{MultiIndex, Postings, PostingsIter};
pub use relation_snapshot::{RelationMemory, RelationScan, RelationSnapshot};
pub use row_snapshot::{RowScan, RowSnapshot};
pub use row_store::{Moves, RowStore};
pub use segment::batch_bytes;
pub use unique_index::{HashOrder, UniqueIndex};
pub use zset_relation::{ZSetError, ZSetRelation};

/// Rows in one batch of a scan.
pub const SCAN_BATCH_ROWS_MAX: usize = 8192;
