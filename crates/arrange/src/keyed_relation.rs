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
        self.rows.delete(deletes);
        let inserted = self.rows.append(inserts);
        if let Some((keyed, index)) = &mut self.index {
            let removed = keyed.hashes(&deleted.columns, deleted.rows);
            let added = keyed.hashes(&inserts.columns, inserts.rows);
            index.change((&removed, deletes), (&added, &inserted));
        }
        let moves = self.rows.compact();
        if let (Some(moves), Some((keyed, index))) = (&moves, &mut self.index) {
            let key = self.rows.gather(&moves.new, &keyed.columns)?;
            let hashes = keyed.key_hashes(&key, moves.new.len());
            index.change((&hashes, &moves.old), (&hashes, &moves.new));
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
    use headwater_types::{Datum, Numeric, array_of};
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

    /// Rows of a table with one column of each encoding, with NULLs in one of them.
    fn encodable(first: usize, count: usize) -> Batch {
        let types = encodable_types();
        let row = |i: usize| {
            let number = i32::try_from(i).expect("small");
            let amount = Numeric::parse(&format!("{}.{}", number % 50, number % 7)).expect("a numeric");
            vec![
                Datum::text(format!("{number:08x}-0000-4000-8000-{:012x}", i * 77)),
                if i.is_multiple_of(5) { Datum::Null } else { Datum::text(format!("camp_{}", i % 90)) },
                Datum::Numeric(amount),
                Datum::Timestamp(1_790_000_000_000_000 + i64::from(number) * 1001),
                Datum::text(format!("{i} {}", i * i)),
                Datum::Float8(f64::from(number) / 3.0),
            ]
        };
        Batch::from_rows(&types, &(first..first + count).map(row).collect::<Vec<_>>())
    }

    fn encodable_types() -> Vec<DataType> {
        use DataType as D;
        vec![D::Varchar(None), D::Text, D::Numeric(None), D::Timestamptz, D::Text, D::Float8]
    }

    /// The rows of a snapshot in order of row id, with the ids.
    fn rows_of(snapshot: &RelationSnapshot) -> Vec<(u32, Vec<Datum>)> {
        let columns: Vec<usize> = (0..snapshot.types().len()).collect();
        let batches = snapshot.scan(&columns).map(|batch| {
            let ids = batch.row_ids.clone().expect("a scan gives row ids");
            ids.into_iter().zip(batch.rows.to_rows(snapshot.types())).collect::<Vec<_>>()
        });
        batches.flatten().collect()
    }

    #[test]
    fn sealed_segments_hold_the_rows_that_came() {
        const SEGMENT: usize = 65_536;
        let mut table = KeyedRelation::new(encodable_types(), Some(vec![0]));
        let first = encodable(0, SEGMENT);
        table.apply(&[], &first).expect("room");
        let plain = table.snapshot();
        let before = rows_of(&plain);
        assert_eq!(before.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>(), first.to_rows(&encodable_types()));
        // Small appends seal the full segment a column at a time; readers see the same rows at any moment.
        let mut seen = vec![];
        for i in 0..8 {
            table.apply(&[], &encodable(SEGMENT + i, 1)).expect("room");
            seen.push(table.snapshot());
        }
        let sizes: Vec<usize> = seen.iter().map(RelationSnapshot::byte_size).collect();
        assert!(sizes[7] < sizes[0] * 2 / 3, "the segment is sealed: {sizes:?}");
        for snapshot in [&plain, &seen[2], &seen[7]] {
            assert_eq!(rows_of(snapshot)[..SEGMENT], before);
        }
        // Rows fetched from sealed and plain segments together, out of order.
        let wanted: Vec<usize> = (0..500).map(|i| i * 7919 % (SEGMENT + 8)).chain([9, 9, 10, 11]).collect();
        let all = rows_of(&seen[7]);
        let ids: Vec<u32> = wanted.iter().map(|&i| all[i].0).collect();
        let columns: Vec<usize> = (0..encodable_types().len()).collect();
        let fetched = Batch::new(seen[7].gather(&ids, &columns).expect("small"), ids.len());
        let expected: Vec<Vec<Datum>> = wanted.iter().map(|&i| all[i].1.clone()).collect();
        assert_eq!(fetched.to_rows(&encodable_types()), expected);
        for &i in wanted.iter().take(50) {
            assert_eq!(seen[7].lookup(&all[i].1[..1]).expect("small"), Some(all[i].0));
        }
        // Compaction of a sealed segment: what is left has moved, and is the same.
        let doomed: Vec<u32> = all[..SEGMENT].iter().filter(|(id, _)| id % 8 != 3).map(|(id, _)| *id).collect();
        let nothing = Batch::empty(&encodable_types());
        let moves = table.apply(&doomed, &nothing).expect("room").moves.expect("it is mostly dead");
        let kept: Vec<&(u32, Vec<Datum>)> =
            all.iter().filter(|(id, _)| *id as usize >= SEGMENT || id % 8 == 3).collect();
        let former: BTreeMap<u32, u32> = moves.new.iter().copied().zip(moves.old).collect();
        let mut left = rows_of(&table.snapshot());
        for (id, _) in &mut left {
            *id = former.get(id).copied().unwrap_or(*id);
        }
        left.sort_by_key(|(id, _)| *id);
        assert_eq!(left.iter().collect::<Vec<_>>(), kept);
        assert_eq!(rows_of(&seen[7]), all, "a snapshot does not change");
    }

    /// Three segments in order of time, the last of them not sealed: a bound on the time passes over those that it can.
    #[test]
    fn scans_pass_over_segments_that_cannot_match() {
        use crate::{Bound, BoundComparison as Is};
        const SEGMENT: usize = 65_536;
        let mut table = KeyedRelation::new(encodable_types(), Some(vec![0]));
        for segment in 0..3 {
            table.apply(&[], &encodable(segment * SEGMENT, SEGMENT)).expect("room");
        }
        let snapshot = table.snapshot();
        let time = |row: usize| Datum::Timestamp(1_790_000_000_000_000 + i64::try_from(row).expect("small") * 1001);
        let segments = |bounds: &[(usize, Is, Datum)]| {
            let bounds = bounds.iter().map(|(column, comparison, value)| Bound {
                column: *column,
                comparison: *comparison,
                value: value.clone(),
            });
            let scan = snapshot.scan(&[1]).with_bounds(bounds.collect());
            let ids = scan.flat_map(|batch| batch.row_ids.expect("a scan gives row ids"));
            let mut segments: Vec<u32> = ids.map(|id| id >> 16).collect();
            segments.dedup();
            segments
        };
        assert_eq!(segments(&[]), [0, 1, 2]);
        assert_eq!(segments(&[(3, Is::Equal, time(SEGMENT))]), [1, 2], "what is not sealed is always read");
        assert_eq!(segments(&[(3, Is::Less, time(SEGMENT))]), [0, 2]);
        assert_eq!(segments(&[(3, Is::Less, time(0))]), [2]);
        assert_eq!(segments(&[(3, Is::GreaterOrEqual, time(10)), (3, Is::LessOrEqual, time(20))]), [0, 2]);
        assert_eq!(segments(&[(1, Is::Equal, Datum::text("camp_17"))]), [0, 1, 2]);
        assert_eq!(segments(&[(1, Is::Equal, Datum::text("camp_17x"))]), [2], "not in any dictionary");
        let uuid = Datum::text(format!("{:08x}-0000-4000-8000-{:012x}", 7, 7 * 77));
        assert_eq!(segments(&[(0, Is::Equal, uuid)]), [0, 2]);
    }

    #[test]
    fn memory_is_told_by_part() {
        let mut table = KeyedRelation::new(encodable_types(), Some(vec![0]));
        let ids = table.apply(&[], &encodable(0, 65_536)).expect("room").inserted;
        table.apply(&[], &encodable(65_536, 65_536)).expect("room");
        let memory = table.snapshot().memory();
        assert_eq!(memory.rows_bytes, table.snapshot().byte_size());
        assert_eq!(memory.rows_bytes, memory.column_bytes.iter().sum::<usize>());
        assert_eq!(memory.dead_bytes, 0);
        // One segment of ids is sealed at 16 bytes a row, the other is text with its offsets.
        assert_eq!(memory.column_bytes[0], 65_536 * (16 + 36 + 4));
        assert!((8..=10).contains(&(memory.index_bytes / 131_072)), "{} bytes of index", memory.index_bytes);
        table.apply(&ids[..1000], &Batch::empty(&encodable_types())).expect("room");
        let dead = table.snapshot().memory().dead_bytes;
        assert!((1000 * 40..1000 * 110).contains(&dead), "{dead} bytes are dead");
    }
}
