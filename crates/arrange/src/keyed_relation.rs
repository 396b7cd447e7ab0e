//! A table: rows, and an index on its key.
//!
//! # Invariants
//!
//! 1. The index has exactly one entry per live row, under the hash of its key.
//! 2. No two live rows have SQL-equal keys; whoever calls [`KeyedRelation::apply`] has made sure of it.
//! 3. A failed call changes nothing.

use crate::relation_snapshot::{Keyed, RelationSnapshot};
use crate::row_store::{Moves, RowStore};
use crate::segment::batch_bytes;
use crate::unique_index::UniqueIndex;
use arrow_array::ArrayRef;
use headwater_types::{Batch, DataType, DeltaBatch, Equality, Result, SqlError, SqlState};
use std::sync::Arc;

/// Rows that one [`KeyedRelation::apply`] deletes and inserts, in bytes: as much as a batch surely holds.
pub const APPLY_BYTES_MAX: usize = 1 << 30;

/// What [`KeyedRelation::apply`] did.
#[derive(Debug, Clone)]
pub struct AppliedDelta {
    /// Retractions, then insertions, with row ids.
    pub delta: DeltaBatch,
    /// Rows that got new ids afterwards.
    pub moves: Option<Moves>,
    /// The ids of the inserted rows, in the order given (before `moves`).
    pub inserted: Vec<u32>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct KeyedRelation {
    types: Arc<[DataType]>,
    rows: RowStore,
    index: Option<(Keyed, UniqueIndex)>,
}

impl KeyedRelation {
    /// An empty table with a key on these columns, if any.
    #[must_use]
    pub fn new(types: impl Into<Arc<[DataType]>>, key: Option<Vec<usize>>) -> Self {
        let types = types.into();
        let index = key.map(|columns| (Keyed::new(columns, &types, Equality::Sql), UniqueIndex::default()));
        Self { rows: RowStore::new(Arc::clone(&types)), types, index }
    }

    /// The columns' types.
    #[must_use]
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The key's columns.
    #[must_use]
    pub fn key(&self) -> Option<&[usize]> {
        self.index.as_ref().map(|(keyed, _)| &*keyed.columns)
    }

    /// How many rows are live.
    #[must_use]
    pub fn live_rows(&self) -> usize {
        self.rows.live_rows()
    }

    /// The hashes that [`KeyedRelation::find`] takes: one per key; empty if there is no key.
    #[must_use]
    pub fn key_hashes(&self, keys: &[ArrayRef], rows: usize) -> Vec<u64> {
        self.index.as_ref().map_or_else(Vec::new, |(keyed, _)| keyed.key_hashes(keys, rows))
    }

    /// For each key, given as key columns and [`KeyedRelation::key_hashes`], the live row that has it.
    ///
    /// # Errors
    ///
    /// 54000 if the keys' values are absurdly large.
    pub fn find(&self, keys: &[ArrayRef], hashes: &[u64]) -> Result<Vec<Option<u32>>> {
        match &self.index {
            Some((keyed, index)) => keyed.find(self.rows.rows(), index, keys, hashes),
            None => Ok(vec![None; hashes.len()]),
        }
    }

    /// These columns of these rows.
    ///
    /// # Errors
    ///
    /// As [`crate::RowSnapshot::gather`].
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        self.rows.gather(rows, columns)
    }

    /// Deletes rows and inserts others, whose keys are then unique.
    ///
    /// # Errors
    ///
    /// 54000 if there is no room, or the rows do not fit one batch ([`APPLY_BYTES_MAX`]). Nothing is changed then.
    ///
    /// # Panics
    ///
    /// If a deleted row is not live.
    pub fn apply(&mut self, deletes: &[u32], inserts: &Batch) -> Result<AppliedDelta> {
        self.rows.check_room(inserts.rows)?;
        let all: Vec<usize> = (0..self.types.len()).collect();
        let deleted = Batch::new(self.rows.gather(deletes, &all)?, deletes.len());
        if batch_bytes(&deleted) + batch_bytes(inserts) > APPLY_BYTES_MAX && deletes.len() + inserts.rows > 1 {
            return Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("a change of a table is larger than {APPLY_BYTES_MAX} bytes"),
            ));
        }
        if let Some((keyed, index)) = &mut self.index {
            for (hash, &row) in keyed.hashes(&deleted.columns, deleted.rows).into_iter().zip(deletes) {
                assert!(index.remove(hash, row), "every live row is indexed");
            }
        }
        self.rows.delete(deletes);
        let inserted = self.rows.append(inserts);
        if let Some((keyed, index)) = &mut self.index {
            index.insert_many(&keyed.hashes(&inserts.columns, inserts.rows), &inserted);
        }
        let moves = self.rows.compact();
        if let (Some(moves), Some((keyed, index))) = (&moves, &mut self.index) {
            let key = self.rows.gather(&moves.new, &keyed.columns)?;
            for (place, hash) in keyed.key_hashes(&key, moves.new.len()).into_iter().enumerate() {
                assert!(index.replace(hash, moves.old[place], moves.new[place]), "every live row is indexed");
            }
        }
        Ok(AppliedDelta { delta: delta_of(deleted, deletes, inserts, &inserted), moves, inserted })
    }

    /// The table's rows as they are now, without the index: enough to fetch rows by id, and cheaper to write after.
    #[must_use]
    pub fn rows_snapshot(&self) -> RelationSnapshot {
        RelationSnapshot::new(self.rows.snapshot(), Arc::clone(&self.types), None, false)
    }

    /// The table as it is now.
    #[must_use]
    pub fn snapshot(&self) -> RelationSnapshot {
        RelationSnapshot::new(self.rows.snapshot(), Arc::clone(&self.types), self.index.clone(), false)
    }
}

fn delta_of(deleted: Batch, deletes: &[u32], inserts: &Batch, inserted: &[u32]) -> DeltaBatch {
    let rows = match (deleted.is_empty(), inserts.is_empty()) {
        (true, _) => inserts.clone(),
        (_, true) => deleted,
        _ => Batch::concat(&[deleted, inserts.clone()]),
    };
    let mut weights = vec![-1; deletes.len()];
    weights.resize(rows.rows, 1);
    DeltaBatch { rows, weights, row_ids: Some([deletes, inserted].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{Datum, array_of};
    use std::collections::BTreeMap;

    fn types() -> Vec<DataType> {
        vec![DataType::Int4, DataType::Text, DataType::Numeric(None)]
    }

    fn row(key: i32, value: u64) -> Vec<Datum> {
        vec![Datum::Int4(key), Datum::text(format!("v{value}")), Datum::Null]
    }

    fn contents(snapshot: &RelationSnapshot) -> BTreeMap<i32, String> {
        let mut seen = BTreeMap::new();
        for batch in snapshot.scan(&[0, 1]) {
            assert!(batch.weights.iter().all(|&w| w == 1));
            for r in batch.rows.to_rows(&types()[..2]) {
                let (Datum::Int4(key), Datum::Text(text)) = (&r[0], &r[1]) else { panic!("types") };
                assert!(seen.insert(*key, text.to_string()).is_none(), "key {key} twice");
            }
        }
        seen
    }

    /// Random upserts and deletes in batches of 1 to 3000 rows, against a map; old snapshots keep their contents.
    #[test]
    fn follows_a_map_and_snapshots_are_values() {
        let mut table = KeyedRelation::new(types(), Some(vec![0]));
        let mut model: BTreeMap<i32, String> = BTreeMap::new();
        let mut frozen = vec![];
        let mut state = 42u64;
        let mut moved = 0;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for step in 0..120 {
            let size = [1, 3, 50, 3000][usize::try_from(random(4)).expect("small")];
            let mut touched: BTreeMap<i32, Option<u64>> = BTreeMap::new();
            for _ in 0..size {
                let key = i32::try_from(random(9000)).expect("small");
                touched.insert(key, (random(3) > 0).then(|| random(1000)));
            }
            let keys: Vec<Datum> = touched.keys().map(|&k| Datum::Int4(k)).collect();
            let keys = [array_of(&DataType::Int4, &keys)];
            let hashes = table.key_hashes(&keys, touched.len());
            let found = table.find(&keys, &hashes).expect("small");
            for (key, row) in touched.keys().zip(&found) {
                assert_eq!(row.is_some(), model.contains_key(key), "step {step} key {key}");
            }
            let deletes: Vec<u32> = found.into_iter().flatten().collect();
            let rows: Vec<Vec<Datum>> = touched.iter().filter_map(|(&k, v)| v.map(|v| row(k, v))).collect();
            let applied = table.apply(&deletes, &Batch::from_rows(&types(), &rows)).expect("room");
            assert_eq!(applied.delta.rows.rows, deletes.len() + rows.len());
            moved += applied.moves.map_or(0, |moves| moves.old.len());
            for (key, value) in touched {
                match value {
                    Some(v) => model.insert(key, format!("v{v}")),
                    None => model.remove(&key),
                };
            }
            if step % 30 == 0 {
                frozen.push((table.snapshot(), model.clone()));
            }
        }
        frozen.push((table.snapshot(), model));
        assert!(moved > 0, "compaction is exercised");
        for (snapshot, model) in frozen {
            assert_eq!(snapshot.live_rows(), model.len());
            assert_eq!(contents(&snapshot), model);
            for key in (0..9000).step_by(97) {
                let row = snapshot.lookup(&[Datum::Int4(key)]).expect("small");
                assert_eq!(row.is_some(), model.contains_key(&key));
            }
        }
    }

    #[test]
    fn large_batches_span_segments() {
        let rows = 150_000;
        let keys: Vec<Datum> = (0..rows).map(Datum::Int4).collect();
        let batch = Batch::new(vec![array_of(&DataType::Int4, &keys)], keys.len());
        let mut table = KeyedRelation::new(vec![DataType::Int4], Some(vec![0]));
        let applied = table.apply(&[], &batch).expect("room");
        let wanted = [149_999, 0, 65_536, 65_535, 7];
        let ids: Vec<u32> = wanted.iter().map(|&i| applied.inserted[i]).collect();
        let fetched = Batch::new(table.gather(&ids, &[0]).expect("small"), ids.len());
        let wanted: Vec<Vec<Datum>> =
            wanted.iter().map(|&i| vec![Datum::Int4(i32::try_from(i).expect("small"))]).collect();
        assert_eq!(fetched.to_rows(&[DataType::Int4]), wanted);
    }
}
