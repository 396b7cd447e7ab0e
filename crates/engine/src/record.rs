//! The body of a log record: what one commit changed, as values.
//!
//! A commit is its catalog changes followed by, per table, the keys that went and the rows that came. Replaying the
//! bodies in epoch order over an empty database gives the database.
//!
//! A body is a `postcard` description of the columns' Arrow buffers, compacted to the rows meant (a slice writes only
//! itself), followed by the buffers. Arrow IPC was the alternative: its per-batch schema message costs more than a single
//! row's values.

use arrow_array::{Array, ArrayRef, cast::AsArray, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType as ArrowType;
use headwater_catalog::CatalogChange;
use headwater_types::{Batch, DataType, RelationId, SqlError};
use serde::{Deserialize, Serialize};

/// Everything one epoch changed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct CommitBody {
    /// DDL, applied before the writes.
    pub changes: Vec<CatalogChange>,
    /// DML, net per transaction, in order.
    pub writes: Vec<TableWrite>,
}

/// One table's net change.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableWrite {
    /// The table.
    pub table: RelationId,
    /// Key columns of the rows that went.
    pub deleted_keys: StoredBatch,
    /// The rows that came: all columns.
    pub inserted: StoredBatch,
}

/// Columns as bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredBatch {
    rows: usize,
    columns: Vec<StoredColumn>,
}

/// One column's buffers, of exactly the rows stored.
#[derive(Debug, Serialize, Deserialize)]
struct StoredColumn {
    validity: Option<Bytes>,
    buffers: Vec<Bytes>,
    child: Option<(usize, Box<StoredColumn>)>,
}

/// A buffer. Only its length is part of the description; its bytes follow, in the order of the description.
#[derive(Debug, Serialize, Deserialize)]
struct Bytes {
    length: usize,
    #[serde(skip, default = "no_bytes")]
    buffer: Buffer,
}

fn no_bytes() -> Buffer {
    Buffer::from_vec(Vec::<u8>::new())
}

impl Bytes {
    fn new(buffer: Buffer) -> Self {
        Self { length: buffer.len(), buffer }
    }
}

/// An Arrow buffer as the log takes it: shared, not copied.
struct SharedBuffer(Buffer);

impl AsRef<[u8]> for SharedBuffer {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl CommitBody {
    /// The record's body, in parts: a description, and the buffers it describes.
    pub fn encode(&mut self) -> Result<Vec<bytes::Bytes>, SqlError> {
        let description =
            postcard::to_stdvec(self).map_err(|e| SqlError::internal(format!("cannot encode a log record: {e}")))?;
        let mut parts = vec![bytes::Bytes::from(description)];
        self.for_each_bytes(&mut |bytes| {
            parts.push(bytes::Bytes::from_owner(SharedBuffer(bytes.buffer.clone())));
            Ok(())
        })?;
        Ok(parts)
    }

    /// The inverse of [`CommitBody::encode`].
    pub fn decode(body: &[u8]) -> Result<Self, SqlError> {
        let damaged = |what: &dyn std::fmt::Display| SqlError::internal(format!("cannot decode a log record: {what}"));
        let (mut decoded, mut rest) = postcard::take_from_bytes::<Self>(body).map_err(|e| damaged(&e))?;
        decoded.for_each_bytes(&mut |bytes| {
            let (own, others) = rest.split_at_checked(bytes.length).ok_or_else(|| damaged(&"it is too short"))?;
            // A fresh allocation is aligned for every primitive type; a view into the record would not be.
            bytes.buffer = Buffer::from(own);
            rest = others;
            Ok(())
        })?;
        Ok(decoded)
    }

    fn for_each_bytes(&mut self, visit: &mut dyn FnMut(&mut Bytes) -> Result<(), SqlError>) -> Result<(), SqlError> {
        for write in &mut self.writes {
            for column in write.deleted_keys.columns.iter_mut().chain(&mut write.inserted.columns) {
                column.for_each_bytes(visit)?;
            }
        }
        Ok(())
    }
}

impl StoredBatch {
    /// The batch's values.
    pub fn store(batch: &Batch) -> Self {
        Self { rows: batch.rows, columns: batch.columns.iter().map(StoredColumn::store).collect() }
    }

    /// The columns of these types.
    ///
    /// # Errors
    ///
    /// If the bytes are not columns of these types.
    pub fn load(&self, types: &[DataType]) -> Result<Batch, SqlError> {
        if types.len() != self.columns.len() {
            return Err(SqlError::internal("a log record has another number of columns than its table"));
        }
        let columns = self
            .columns
            .iter()
            .zip(types)
            .map(|(column, data_type)| column.load(&data_type.arrow_type(), self.rows))
            .collect::<Result<_, _>>()?;
        Ok(Batch::new(columns, self.rows))
    }
}

impl StoredColumn {
    fn for_each_bytes(&mut self, visit: &mut dyn FnMut(&mut Bytes) -> Result<(), SqlError>) -> Result<(), SqlError> {
        self.validity.iter_mut().chain(&mut self.buffers).try_for_each(&mut *visit)?;
        self.child.as_mut().map_or(Ok(()), |(_, child)| child.for_each_bytes(visit))
    }

    fn store(array: &ArrayRef) -> Self {
        let validity =
            array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| Bytes::new(nulls.inner().sliced()));
        let (buffers, child) = match array.data_type() {
            ArrowType::Null => (vec![], None),
            ArrowType::Boolean => (vec![array.as_boolean().values().sliced()], None),
            ArrowType::Utf8 => {
                let strings = array.as_string::<i32>();
                (offsets_and_values(strings.offsets(), strings.values()), None)
            }
            ArrowType::Binary => {
                let strings = array.as_binary::<i32>();
                (offsets_and_values(strings.offsets(), strings.values()), None)
            }
            ArrowType::List(_) => {
                let list = array.as_list::<i32>();
                let (offsets, range) = rebased(list.offsets());
                let values = list.values().slice(range.start, range.len());
                (vec![offsets], Some((values.len(), Box::new(Self::store(&values)))))
            }
            ArrowType::FixedSizeBinary(width) => {
                let width = usize::try_from(*width).expect("widths are positive");
                let fixed = array.as_fixed_size_binary();
                (vec![fixed.values().slice_with_length(0, fixed.len() * width)], None)
            }
            primitive => {
                let width = primitive.primitive_width().expect("every other column type of ours is primitive");
                let data = array.to_data();
                (vec![data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width)], None)
            }
        };
        Self { validity, buffers: buffers.into_iter().map(Bytes::new).collect(), child }
    }

    fn load(&self, arrow_type: &ArrowType, rows: usize) -> Result<ArrayRef, SqlError> {
        let damaged = |e: &dyn std::fmt::Display| SqlError::internal(format!("a log record's column is damaged: {e}"));
        let nulls =
            self.validity.as_ref().map(|bytes| NullBuffer::new(BooleanBuffer::new(bytes.buffer.clone(), 0, rows)));
        let mut data = arrow_data::ArrayData::builder(arrow_type.clone()).len(rows).nulls(nulls);
        for buffer in &self.buffers {
            data = data.add_buffer(buffer.buffer.clone());
        }
        if let Some((child_rows, child)) = &self.child {
            let ArrowType::List(field) = arrow_type else {
                return Err(damaged(&"a list where none is expected"));
            };
            data = data.add_child_data(child.load(field.data_type(), *child_rows)?.to_data());
        }
        Ok(make_array(data.align_buffers(true).build().map_err(|e| damaged(&e))?))
    }
}

/// Offsets counted from 0, and the range of values that they span.
fn rebased(offsets: &OffsetBuffer<i32>) -> (Buffer, std::ops::Range<usize>) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let range = usize::try_from(first).expect("offsets are not negative")
        ..usize::try_from(last).expect("offsets are not negative");
    let buffer = if first == 0 {
        offsets.inner().inner().clone()
    } else {
        offsets.iter().map(|offset| offset - first).collect::<Vec<i32>>().into()
    };
    (buffer, range)
}

fn offsets_and_values(offsets: &OffsetBuffer<i32>, values: &Buffer) -> Vec<Buffer> {
    let (offsets, range) = rebased(offsets);
    vec![offsets, values.slice_with_length(range.start, range.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::Datum;

    #[test]
    fn slices_survive_a_round_trip() {
        let types = vec![
            DataType::Bool,
            DataType::Int4,
            DataType::Text,
            DataType::Uuid,
            DataType::Timestamptz,
            DataType::Array(Box::new(DataType::Text)),
        ];
        let list = |items: &[&str]| {
            Datum::Array(std::sync::Arc::new(headwater_types::ArrayDatum {
                element: DataType::Text,
                values: items.iter().map(Datum::text).collect(),
            }))
        };
        let rows: Vec<Vec<Datum>> = (0..20)
            .map(|i| {
                if i % 7 == 3 {
                    vec![Datum::Null; 6]
                } else {
                    vec![
                        Datum::Bool(i % 2 == 0),
                        Datum::Int4(i),
                        Datum::text("x".repeat(usize::try_from(i).expect("small"))),
                        Datum::Uuid([u8::try_from(i).expect("small"); 16]),
                        Datum::Timestamp(i64::from(i) * 1_000_000),
                        list(&["a", "bc"][..usize::try_from(i % 3).expect("small")]),
                    ]
                }
            })
            .collect();
        let batch = Batch::from_rows(&types, &rows);
        for (offset, length) in [(0, 20), (3, 9), (19, 1), (5, 0)] {
            let mut body = CommitBody {
                changes: vec![],
                writes: vec![TableWrite {
                    table: RelationId(16384),
                    deleted_keys: StoredBatch::store(&Batch::empty(&types)),
                    inserted: StoredBatch::store(&batch.slice(offset, length)),
                }],
            };
            let bytes = body.encode().expect("encodes").concat();
            let back = CommitBody::decode(&bytes).expect("decodes");
            let loaded = back.writes[0].inserted.load(&types).expect("loads");
            assert_eq!(loaded.rows, length);
            for i in 0..length {
                assert_eq!(loaded.row(i, &types), rows[offset + i], "row {i} of the slice at {offset}");
            }
        }
    }
}
