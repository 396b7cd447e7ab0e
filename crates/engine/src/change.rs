//! What a transaction does to a table, and its net effect on the rows that are there.
//!
//! ```text
//! operations, in order ──▶ per key: the row before, the row after ──▶ row ids that go, rows that come
//! ```
//!
//! The same computation serves a commit (over the engine's table) and a transaction's own reads (over a snapshot).
//!
//! # Invariants
//!
//! 1. A net change has at most one deletion and one insertion per key.
//! 2. Nothing is applied here: a change that fails leaves everything as it was.
//! 3. Cost is that of the operations' rows, whatever the table's size.

use crate::table::TableShape;
use arrow_array::ArrayRef;
use headwater_arrange::{HashOrder, KeyedRelation, RelationSnapshot};
use headwater_types::{
    Batch, DataType, Datum, Equality, ErrorObject, KeyEncoder, Result, SessionSettings, SqlError, SqlState,
    datum_to_text, hash_keys, rows_equal,
};
use std::collections::HashMap;

/// Batches of fewer rows are put together before they are applied.
const BATCH_ROWS_MIN: usize = 4096;

/// What an insertion does about a row that has its key already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsertMode {
    /// It is replaced; of several in one operation, the last stays.
    Overwrite,
    /// 23505.
    Unique,
    /// The session saw no such row when it decided to insert: 40001.
    Unseen,
}

/// One statement's effect on one table. Batches have all the table's columns.
#[derive(Debug, Clone)]
pub(crate) enum TableOp {
    /// New rows.
    Insert {
        /// The rows.
        rows: Batch,
        /// What about rows with their keys.
        mode: InsertMode,
    },
    /// Rows that go, as the statement read them.
    Delete {
        /// The rows.
        old: Batch,
    },
    /// Rows that change: as the statement read them, and as it left them, pairwise.
    Update {
        /// Before.
        old: Batch,
        /// After.
        new: Batch,
    },
}

impl TableOp {
    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        let of = |batch: &Batch| batch.columns.iter().map(|c| c.get_array_memory_size()).sum::<usize>();
        match self {
            Self::Insert { rows, .. } => of(rows),
            Self::Delete { old } => of(old),
            Self::Update { old, new } => of(old) + of(new),
        }
    }
}

/// The net effect of a list of operations.
#[derive(Debug, Clone)]
pub(crate) struct NetChange {
    /// Rows of the table that go.
    pub deleted: Vec<u32>,
    /// Rows that come.
    pub inserted: Batch,
}

impl NetChange {
    /// Two changes that come to the same, one after the other; `None` for a single row.
    pub fn halves(&self) -> Option<(Self, Self)> {
        let none = || self.inserted.slice(0, 0);
        if !self.deleted.is_empty() && !self.inserted.is_empty() {
            let deletion = Self { deleted: self.deleted.clone(), inserted: none() };
            return Some((deletion, Self { deleted: vec![], inserted: self.inserted.clone() }));
        }
        let (deleted, inserted) = (self.deleted.len() / 2, self.inserted.rows / 2);
        if deleted == 0 && inserted == 0 {
            return None;
        }
        let first = Self { deleted: self.deleted[..deleted].to_vec(), inserted: self.inserted.slice(0, inserted) };
        let rest = self.inserted.slice(inserted, self.inserted.rows - inserted);
        Some((first, Self { deleted: self.deleted[deleted..].to_vec(), inserted: rest }))
    }
}

/// Rows found by key: a table, or a snapshot of one.
pub(crate) trait KeyedRows {
    /// For each key: the live row that has it.
    fn find_rows(&self, keys: &[ArrayRef], hashes: &[u64]) -> Result<Vec<Option<u32>>>;
    /// All columns of these rows.
    fn gather_rows(&self, row_ids: &[u32]) -> Result<Batch>;
}

impl KeyedRows for KeyedRelation {
    fn find_rows(&self, keys: &[ArrayRef], hashes: &[u64]) -> Result<Vec<Option<u32>>> {
        self.find(keys, hashes)
    }
    fn gather_rows(&self, row_ids: &[u32]) -> Result<Batch> {
        let columns: Vec<usize> = (0..self.types().len()).collect();
        Ok(Batch::new(self.gather(row_ids, &columns)?, row_ids.len()))
    }
}

impl KeyedRows for RelationSnapshot {
    fn find_rows(&self, keys: &[ArrayRef], hashes: &[u64]) -> Result<Vec<Option<u32>>> {
        self.find(keys, hashes.len())
    }
    fn gather_rows(&self, row_ids: &[u32]) -> Result<Batch> {
        let columns: Vec<usize> = (0..self.types().len()).collect();
        Ok(Batch::new(self.gather(row_ids, &columns)?, row_ids.len()))
    }
}

/// The net effect of `ops` on `rows`.
///
/// # Errors
///
/// 23505 and 40001, see [`InsertMode`]; 40001 when a row that is deleted or updated is not there as it was read.
pub(crate) fn net_change(shape: &TableShape, ops: &[TableOp], rows: &impl KeyedRows) -> Result<NetChange> {
    if let [TableOp::Insert { rows: batch, mode: InsertMode::Overwrite }] = ops {
        return overwrite(shape, batch, rows);
    }
    let mut net = Net::new(shape);
    for op in ops {
        match op {
            TableOp::Insert { rows: new, mode } => net.insert(new, *mode, rows)?,
            TableOp::Delete { old } => net.delete(old, rows)?,
            TableOp::Update { old, new } => {
                net.delete(old, rows)?;
                net.insert(new, InsertMode::Unique, rows)?;
            }
        }
    }
    Ok(net.finish())
}

/// The batches of operations that do nothing but insert and overwrite, the small ones put together.
///
/// Such a change cannot fail, so that it need not be computed whole before it is applied: see [`overwrite`].
pub(crate) fn overwriting_batches(ops: &[TableOp]) -> Option<Vec<Batch>> {
    let mut batches: Vec<Batch> = vec![];
    let mut small: Vec<Batch> = vec![];
    for op in ops {
        let TableOp::Insert { rows, mode: InsertMode::Overwrite } = op else { return None };
        if rows.rows >= BATCH_ROWS_MIN {
            put_together(&mut small, &mut batches);
            batches.push(rows.clone());
            continue;
        }
        small.push(rows.clone());
        if small.iter().map(|batch| batch.rows).sum::<usize>() >= BATCH_ROWS_MIN {
            put_together(&mut small, &mut batches);
        }
    }
    put_together(&mut small, &mut batches);
    Some(batches)
}

fn put_together(small: &mut Vec<Batch>, batches: &mut Vec<Batch>) {
    match &small[..] {
        [] => {}
        [one] => batches.push(one.clone()),
        many => batches.push(Batch::concat(many)),
    }
    small.clear();
}

/// The net effect of inserting a batch and overwriting what has its keys: by hashes and columns only.
///
/// # Errors
///
/// 54000 if the rows are too large to compare.
pub(crate) fn overwrite(shape: &TableShape, batch: &Batch, rows: &impl KeyedRows) -> Result<NetChange> {
    let keys = batch.project(&shape.key).columns;
    let hashes = hash_keys(&keys, &shape.key_types, batch.rows, Equality::Sql);
    let (inserted, keys, hashes) = match last_of_each_key(shape, &keys, &hashes) {
        None => (batch.clone(), keys, hashes),
        Some(kept) => {
            let inserted = batch.take(&kept);
            let keys = inserted.project(&shape.key).columns;
            let hashes = kept.iter().map(|&i| hashes[i as usize]).collect();
            (inserted, keys, hashes)
        }
    };
    let mut deleted: Vec<u32> = rows.find_rows(&keys, &hashes)?.into_iter().flatten().collect();
    // As they lie in memory: all their columns are about to be read.
    deleted.sort_unstable();
    Ok(NetChange { deleted, inserted })
}

/// The last row of each key, in order; `None` if no key repeats.
fn last_of_each_key(shape: &TableShape, keys: &[ArrayRef], hashes: &[u64]) -> Option<Vec<u32>> {
    if hashes.len() < 2 {
        return None;
    }
    let same = |a: u32, b: u32| {
        let (a, b) = (a as usize, b as usize);
        hashes[a] == hashes[b] && rows_equal(keys, a, keys, b, &shape.key_types, Equality::Sql)
    };
    let mut superseded = vec![];
    for group in HashOrder::new(hashes).groups() {
        let group: Vec<u32> = group.collect();
        let later = |(place, &row): (usize, &u32)| group[place + 1..].iter().any(|&other| same(row, other));
        superseded.extend(group.iter().enumerate().filter(|&row| later(row)).map(|(_, &row)| row));
    }
    if superseded.is_empty() {
        return None;
    }
    superseded.sort_unstable();
    let rows = u32::try_from(hashes.len()).expect("a batch has fewer than 2^32 rows");
    Some((0..rows).filter(|i| superseded.binary_search(i).is_err()).collect())
}

/// What a key's row is after the operations so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// The table's own row, or none if the table has none.
    Base,
    /// None: deleted.
    Gone,
    /// Row `.1` of batch `.0`.
    New(usize, u32),
}

/// A key's state.
struct Slot {
    base: Option<u32>,
    current: Current,
}

/// The general case, key by key.
struct Net<'a> {
    shape: &'a TableShape,
    encoder: KeyEncoder,
    slots: Vec<Slot>,
    by_key: HashMap<Box<[u8]>, usize>,
    batches: Vec<Batch>,
}

impl<'a> Net<'a> {
    fn new(shape: &'a TableShape) -> Self {
        let encoder = KeyEncoder::new(&shape.key_types, Equality::Sql);
        Self { shape, encoder, slots: vec![], by_key: HashMap::new(), batches: vec![] }
    }

    /// The slot of each row's key.
    fn slots_of(&mut self, batch: &Batch, rows: &impl KeyedRows) -> Result<Vec<usize>> {
        let keys = batch.project(&self.shape.key).columns;
        let hashes = hash_keys(&keys, &self.shape.key_types, batch.rows, Equality::Sql);
        let bases = rows.find_rows(&keys, &hashes)?;
        let encoded = self.encoder.encode(&keys, batch.rows);
        let slot = |i| {
            let slots = &mut self.slots;
            *self.by_key.entry(encoded.row(i).into()).or_insert_with(|| {
                slots.push(Slot { base: bases[i], current: Current::Base });
                slots.len() - 1
            })
        };
        Ok((0..batch.rows).map(slot).collect())
    }

    fn insert(&mut self, new: &Batch, mode: InsertMode, rows: &impl KeyedRows) -> Result<()> {
        let slots = self.slots_of(new, rows)?;
        let batch = self.batches.len();
        for (row, slot) in (0u32..).zip(slots) {
            let slot = &mut self.slots[slot];
            let exists = match slot.current {
                Current::Base => slot.base.is_some(),
                Current::Gone => false,
                Current::New(..) => true,
            };
            match mode {
                InsertMode::Overwrite => {}
                InsertMode::Unique if exists => return Err(unique_violation(self.shape, new, row as usize)),
                InsertMode::Unseen if exists => return Err(concurrent_update()),
                InsertMode::Unique | InsertMode::Unseen => {}
            }
            slot.current = Current::New(batch, row);
        }
        self.batches.push(new.clone());
        Ok(())
    }

    fn delete(&mut self, old: &Batch, rows: &impl KeyedRows) -> Result<()> {
        let slots = self.slots_of(old, rows)?;
        let in_table: Vec<(usize, u32)> = slots
            .iter()
            .enumerate()
            .filter_map(|(i, &slot)| match self.slots[slot] {
                Slot { base: Some(id), current: Current::Base } => Some((i, id)),
                _ => None,
            })
            .collect();
        let ids: Vec<u32> = in_table.iter().map(|&(_, id)| id).collect();
        let stored = rows.gather_rows(&ids)?;
        let mut stored_row = vec![None; old.rows];
        for (place, &(i, _)) in in_table.iter().enumerate() {
            stored_row[i] = Some(place);
        }
        let types = &self.shape.types;
        for (i, &slot) in slots.iter().enumerate() {
            let slot = &mut self.slots[slot];
            let unchanged = match slot.current {
                Current::Gone => false,
                Current::Base => stored_row[i].is_some_and(|place| {
                    rows_equal(&stored.columns, place, &old.columns, i, types, Equality::Identity)
                }),
                Current::New(batch, row) => {
                    rows_equal(&self.batches[batch].columns, row as usize, &old.columns, i, types, Equality::Identity)
                }
            };
            if !unchanged {
                return Err(concurrent_update());
            }
            slot.current = Current::Gone;
        }
        Ok(())
    }

    fn finish(self) -> NetChange {
        let deleted = self.slots.iter().filter(|slot| slot.current != Current::Base).filter_map(|slot| slot.base);
        let deleted = deleted.collect();
        let mut taken: Vec<Vec<u32>> = vec![vec![]; self.batches.len()];
        for slot in &self.slots {
            if let Current::New(batch, row) = slot.current {
                taken[batch].push(row);
            }
        }
        let parts: Vec<Batch> = self
            .batches
            .iter()
            .zip(taken)
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(batch, rows)| if rows.len() == batch.rows { batch.clone() } else { batch.take(&rows) })
            .collect();
        let inserted = if parts.is_empty() { Batch::empty(&self.shape.types) } else { Batch::concat(&parts) };
        NetChange { deleted, inserted }
    }
}

/// 40001: the row is not what the statement read.
pub(crate) fn concurrent_update() -> SqlError {
    SqlError::new(SqlState::SerializationFailure, "could not serialize access due to concurrent update")
}

/// 23505, with the key in the DETAIL.
pub(crate) fn unique_violation(shape: &TableShape, rows: &Batch, row: usize) -> SqlError {
    let settings = SessionSettings::default();
    let text = |column: usize| -> String {
        let data_type: &DataType = &shape.types[column];
        match Datum::from_array(&rows.columns[column], data_type, row) {
            Datum::Null => "null".to_owned(),
            value => datum_to_text(&value, data_type, &settings),
        }
    };
    let names: Vec<&str> = shape.key.iter().map(|&c| shape.names[c].as_str()).collect();
    let values: Vec<String> = shape.key.iter().map(|&c| text(c)).collect();
    let mut error = SqlError::new(
        SqlState::UniqueViolation,
        format!("duplicate key value violates unique constraint \"{}\"", shape.key_name),
    )
    .with_detail(format!("Key ({})=({}) already exists.", names.join(", "), values.join(", ")));
    error.object = Some(Box::new(ErrorObject {
        schema: Some(shape.schema.clone()),
        table: Some(shape.name.clone()),
        constraint: Some(shape.key_name.clone()),
        ..ErrorObject::default()
    }));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_divided_down_to_single_rows() {
        let types = [DataType::Int4];
        let rows: Vec<Vec<Datum>> = (0..5).map(|i| vec![Datum::Int4(i)]).collect();
        let change = NetChange { deleted: vec![3, 1, 4], inserted: Batch::from_rows(&types, &rows) };
        let (mut open, mut deleted, mut inserted) = (vec![change], vec![], vec![]);
        while let Some(part) = open.pop() {
            match part.halves() {
                Some((first, second)) => open.extend([second, first]),
                None => {
                    assert!(inserted.is_empty() || part.deleted.is_empty(), "what goes goes first");
                    deleted.extend(part.deleted);
                    inserted.extend(part.inserted.to_rows(&types));
                }
            }
        }
        assert_eq!((deleted, inserted), (vec![3, 1, 4], rows));
    }
}
