//! A view's result: rows with weights, and an index by which a row is found again when it is retracted.
//!
//! ```text
//!  store    [ the view's columns … | weight int8 ]
//!  index    hash of the key, or of the whole row ─▶ row ids, verified by identity of the whole row
//! ```
//!
//! # Invariants
//!
//! 1. Every weight is positive; a row of weight 0 is not there, a negative one is a bug upstream and an error.
//! 2. Identical rows are one row with their weights added up.
//! 3. A change of weight gives the row a new id: it is a retraction and an insertion.
//! 4. A failed call changes nothing.

use crate::relation_snapshot::{Keyed, RelationSnapshot, weights_of};
use crate::row_store::{Moves, RowStore};
use crate::unique_index::{HashOrder, UniqueIndex};
use arrow_array::{ArrayRef, Int64Array};
use headwater_types::{Batch, DataType, DeltaBatch, Equality, RowEquality, SqlError};
use std::sync::Arc;

/// Why a delta cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZSetError {
    /// A row was retracted more often than inserted: a bug upstream.
    #[error("a row of a view accumulated to {weight} copies")]
    NegativeWeight {
        /// The sum.
        weight: i64,
    },
    /// A weight does not fit 64 bits.
    #[error("a row of a view has too many copies")]
    WeightOverflow,
    /// The rows concerned cannot be fetched or kept.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl From<ZSetError> for SqlError {
    fn from(error: ZSetError) -> Self {
        match error {
            ZSetError::NegativeWeight { .. } => Self::internal(error.to_string()),
            ZSetError::WeightOverflow => Self::new(headwater_types::SqlState::ProgramLimitExceeded, error.to_string()),
            ZSetError::Sql(error) => error,
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct ZSetRelation {
    types: Arc<[DataType]>,
    rows: RowStore,
    keyed: Keyed,
    index: UniqueIndex,
}

impl ZSetRelation {
    /// An empty result. `key`, where the plan knows one, are columns that determine a row.
    #[must_use]
    pub fn new(types: impl Into<Arc<[DataType]>>, key: Option<Vec<usize>>) -> Self {
        let types: Arc<[DataType]> = types.into();
        let stored: Vec<DataType> = types.iter().cloned().chain([DataType::Int8]).collect();
        let keyed = match key {
            Some(columns) => Keyed::new(columns, &types, Equality::Sql),
            None => Keyed::new((0..types.len()).collect(), &types, Equality::Identity),
        };
        Self { rows: RowStore::new(stored), types, keyed, index: UniqueIndex::default() }
    }

    /// The columns' types.
    #[must_use]
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// How many different rows there are.
    #[must_use]
    pub fn live_rows(&self) -> usize {
        self.rows.live_rows()
    }

    /// Adds a consolidated delta and returns it as changes of stored rows, with row ids: the old row at minus its whole
    /// weight, the new one at plus its whole weight. Rows that moved to new ids come second.
    ///
    /// # Errors
    ///
    /// Any [`ZSetError`]. Nothing is changed then.
    pub fn apply(&mut self, delta: &DeltaBatch) -> Result<(DeltaBatch, Option<Moves>), ZSetError> {
        let changed = self.add(delta)?;
        Ok((changed, self.compact()))
    }

    /// As [`ZSetRelation::apply`], but rows move only when [`ZSetRelation::compact`] is called.
    ///
    /// # Errors
    ///
    /// Any [`ZSetError`]. Nothing is changed then.
    pub fn add(&mut self, delta: &DeltaBatch) -> Result<DeltaBatch, ZSetError> {
        self.rows.check_room(delta.rows.rows)?;
        let hashes = self.keyed.hashes(&delta.rows.columns, delta.rows.rows);
        let found = self.find(delta, &hashes)?;
        let mut deletes = Change::default();
        let mut inserts = Change::default();
        for (place, &weight) in delta.weights.iter().enumerate() {
            let place_u32 = u32::try_from(place).expect("a delta has fewer than 2^32 rows");
            let before = found[place].map_or(0, |(_, before)| before);
            let after = before.checked_add(weight).ok_or(ZSetError::WeightOverflow)?;
            if after < 0 {
                return Err(ZSetError::NegativeWeight { weight: after });
            }
            if after == before {
                continue;
            }
            if let Some((row, before)) = found[place] {
                deletes.places.push(place_u32);
                deletes.rows.push(row);
                deletes.weights.push(-before);
            }
            if after > 0 {
                inserts.places.push(place_u32);
                inserts.weights.push(after);
            }
        }
        Ok(self.commit(&delta.rows, &hashes, deletes, inserts))
    }

    /// The result as it is now.
    #[must_use]
    pub fn snapshot(&self) -> RelationSnapshot {
        let index = Some((self.keyed.clone(), self.index.clone()));
        RelationSnapshot::new(self.rows.snapshot(), Arc::clone(&self.types), index, true)
    }

    /// Each row's stored row and weight.
    fn find(&self, delta: &DeltaBatch, hashes: &[u64]) -> Result<Vec<Option<(u32, i64)>>, SqlError> {
        let mut found = vec![None; hashes.len()];
        let (mut probes, mut candidates) = (vec![], vec![]);
        self.index.candidates(&HashOrder::new(hashes), |place, row| {
            probes.push(place as usize);
            candidates.push(row);
        });
        if candidates.is_empty() {
            return Ok(found);
        }
        let stored: Vec<usize> = (0..=self.types.len()).collect();
        let mut fetched = self.rows.gather(&candidates, &stored)?;
        let weights = weights_of(&fetched.pop().expect("the weight is the last column"));
        let equality = RowEquality::new(&delta.rows.columns, &fetched, &self.types, Equality::Identity);
        for (place, (&probe, &row)) in probes.iter().zip(&candidates).enumerate() {
            if equality.equal(probe, place) {
                found[probe] = Some((row, weights[place]));
            }
        }
        Ok(found)
    }

    fn commit(&mut self, rows: &Batch, hashes: &[u64], deletes: Change, mut inserts: Change) -> DeltaBatch {
        self.rows.delete(&deletes.rows);
        let inserted = take_all(rows, &inserts.places);
        let mut columns = inserted.columns.clone();
        columns.push(Arc::new(Int64Array::from(inserts.weights.clone())) as ArrayRef);
        inserts.rows = self.rows.append(&Batch::new(columns, inserted.rows));
        let hashes_of = |places: &[u32]| places.iter().map(|&place| hashes[place as usize]).collect::<Vec<_>>();
        self.index.change((&hashes_of(&deletes.places), &deletes.rows), (&hashes_of(&inserts.places), &inserts.rows));
        let changed = match (deletes.places.is_empty(), inserted.is_empty()) {
            (true, _) => inserted,
            (_, true) => take_all(rows, &deletes.places),
            _ => rows.take(&[&deletes.places[..], &inserts.places].concat()),
        };
        DeltaBatch {
            rows: changed,
            weights: [deletes.weights, inserts.weights].concat(),
            row_ids: Some([deletes.rows, inserts.rows].concat()),
        }
    }

    /// Rewrites what is mostly dead and tells which rows got new ids.
    pub fn compact(&mut self) -> Option<Moves> {
        let moves = self.rows.compact()?;
        self.reindex(&moves);
        Some(moves)
    }

    fn reindex(&mut self, moves: &Moves) {
        let key = self.rows.gather(&moves.new, &self.keyed.columns).expect("a segment's bytes are bounded");
        let hashes = self.keyed.key_hashes(&key, moves.new.len());
        self.index.change((&hashes, &moves.old), (&hashes, &moves.new));
    }
}

/// One side of a change: places in the delta, stored rows, weights.
#[derive(Default)]
struct Change {
    places: Vec<u32>,
    rows: Vec<u32>,
    weights: Vec<i64>,
}

/// The rows at `places`, which ascend; shares the memory if that is a range.
fn take_all(rows: &Batch, places: &[u32]) -> Batch {
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else { return rows.slice(0, 0) };
    if (last - first) as usize + 1 == places.len() {
        return rows.slice(first as usize, places.len());
    }
    rows.take(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::Datum;
    use std::collections::BTreeMap;

    fn delta(rows: &[(i32, i64)]) -> DeltaBatch {
        let rows: Vec<_> = rows.iter().map(|&(v, w)| (vec![Datum::Int4(v)], w)).collect();
        DeltaBatch::from_rows(&[DataType::Int4], &rows)
    }

    fn contents(view: &ZSetRelation) -> BTreeMap<String, i64> {
        let mut seen = BTreeMap::new();
        for batch in view.snapshot().scan(&[0]) {
            for (row, weight) in batch.to_rows(&[DataType::Int4]) {
                assert!(seen.insert(format!("{row:?}"), weight).is_none());
            }
        }
        seen
    }

    #[test]
    fn adds_weights_up() {
        for key in [None, Some(vec![0])] {
            let mut view = ZSetRelation::new(vec![DataType::Int4], key);
            view.apply(&delta(&[(1, 2), (2, 1)])).expect("positive");
            let (change, _) = view.apply(&delta(&[(1, 1), (2, -1), (3, 1)])).expect("positive");
            assert_eq!(change.weights, [-2, -1, 3, 1]);
            assert_eq!(contents(&view), contents_of(&[(1, 3), (3, 1)]));
            let before = contents(&view);
            let error = view.apply(&delta(&[(4, 1), (1, -4)])).expect_err("negative");
            assert_eq!(error, ZSetError::NegativeWeight { weight: -1 });
            assert_eq!(contents(&view), before, "a failed call changes nothing");
            assert_eq!(
                view.snapshot().key().is_some(),
                view.snapshot().lookup(&[Datum::Int4(3)]).expect("ok").is_some()
            );
        }
    }

    fn contents_of(rows: &[(i32, i64)]) -> BTreeMap<String, i64> {
        rows.iter().map(|&(v, w)| (format!("{:?}", vec![Datum::Int4(v)]), w)).collect()
    }
}
