//! One side of a join: where its rows are, how they are found by key, and how many matches each has.

use super::SideRelation;
use crate::delta::{Delta, SourceDelta, StepContext, StepError};
use crate::map_filter_project::{MapFilterProject, widen};
use crate::spec::Mfp;
use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use hashbrown::HashMap;
use headwater_arrange::{Moves, MultiIndex, RelationSnapshot, ZSetRelation, gather_batches};
use headwater_expr::Scalar;
use headwater_types::{Batch, DataType, Datum, DeltaBatch, Equality, any_null, hash_keys};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct Side {
    key: Vec<usize>,
    /// The types of `key`.
    pub(super) key_types: Vec<DataType>,
    /// Places in `key` where NULL matches nothing.
    strict: Vec<usize>,
    /// The columns that are fetched: those of pairs, of rows output alone, and of the key.
    pub(super) fetched: Vec<usize>,
    pub(super) width: usize,
    pub(super) rows: Rows,
    pub(super) index: MultiIndex,
    /// Per row id, the number of its matches, where that is not 0; None where nobody asks.
    pub(super) matches: Option<HashMap<u32, i64, ahash::RandomState>>,
}

/// Where a side's rows are.
#[derive(Debug)]
pub(super) enum Rows {
    /// In a stored relation.
    Shared(Box<SharedRows>),
    /// Here.
    Owned(Box<ZSetRelation>),
    /// In a one-shot step's input, of which only the fetched columns are kept: row ids count through the batches.
    Flat { batches: Vec<DeltaBatch>, starts: Vec<u32> },
}

/// Rows in a stored relation.
#[derive(Debug)]
pub(super) struct SharedRows {
    /// What the source does to the relation's rows.
    source: MapFilterProject,
    /// Makes the fetched columns of rows that have passed the source.
    fetch: MapFilterProject,
    /// The relation as of the last step in which it changed.
    snapshot: Option<RelationSnapshot>,
}

/// A side's change, applied.
pub(super) struct Absorbed {
    /// With row ids; retractions of a batch are of rows that were there before it.
    pub(super) batches: Vec<DeltaBatch>,
    pub(super) moves: Option<Moves>,
}

/// Keys of a batch, hashed, and which of them match nothing for a NULL.
pub(super) struct Keys {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) hashes: Vec<u64>,
    pub(super) nulls: Option<BooleanBuffer>,
}

impl Keys {
    pub(super) fn can_match(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| !nulls.value(row))
    }
}

impl Side {
    pub(super) fn new(
        relation: SideRelation,
        key: &[usize],
        null_safe: &[bool],
        fetched: Vec<usize>,
        counts_matches: bool,
    ) -> Self {
        let (types, rows) = match relation {
            SideRelation::Shared { types, mfp } => {
                let fetch = MapFilterProject::new(&fetch_of(&mfp, &fetched));
                (
                    types,
                    Rows::Shared(Box::new(SharedRows { source: MapFilterProject::new(&mfp), fetch, snapshot: None })),
                )
            }
            SideRelation::Owned { types } => {
                let relation = ZSetRelation::new(types.clone(), None);
                (types, Rows::Owned(Box::new(relation)))
            }
        };
        Self::with_rows(&types, rows, key, null_safe, fetched, counts_matches)
    }

    pub(super) fn with_rows(
        types: &[DataType],
        rows: Rows,
        key: &[usize],
        null_safe: &[bool],
        fetched: Vec<usize>,
        counts_matches: bool,
    ) -> Self {
        Self {
            key: key.to_vec(),
            key_types: key.iter().map(|&c| types[c].clone()).collect(),
            strict: (0..key.len()).filter(|&place| !null_safe.get(place).copied().unwrap_or(false)).collect(),
            fetched,
            width: types.len(),
            rows,
            index: MultiIndex::default(),
            // Looked up by row id only: its order is never seen.
            matches: counts_matches.then(|| HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4))),
        }
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        let rows = match &self.rows {
            Rows::Shared(_) => 0,
            Rows::Owned(relation) => relation.snapshot().byte_size(),
            Rows::Flat { batches, .. } => batches.iter().map(|batch| batch.rows.bytes()).sum(),
        };
        rows + self.index.byte_size() + self.matches.as_ref().map_or(0, HashMap::allocation_size)
    }

    pub(super) fn keys(&self, rows: &Batch) -> Keys {
        let columns: Vec<ArrayRef> = self.key.iter().map(|&c| Arc::clone(&rows.columns[c])).collect();
        let hashes = hash_keys(&columns, &self.key_types, rows.rows, Equality::Sql);
        let strict: Vec<ArrayRef> = self.strict.iter().map(|&place| Arc::clone(&columns[place])).collect();
        Keys { hashes, nulls: any_null(&strict), columns }
    }

    /// The key columns of fetched rows.
    pub(super) fn key_of(&self, rows: &Batch) -> Vec<ArrayRef> {
        self.key.iter().map(|&c| Arc::clone(&rows.columns[c])).collect()
    }

    /// A change in the parts in which it is to be absorbed.
    pub(super) fn parts(&self, batches: Vec<DeltaBatch>) -> Result<Vec<Vec<DeltaBatch>>, StepError> {
        match &self.rows {
            Rows::Owned(relation) => {
                let parts = Delta { batches, errors: vec![] }.consolidated_parts(relation.types())?;
                Ok(parts.into_iter().map(|part| vec![part]).collect())
            }
            _ => Ok(vec![batches]),
        }
    }

    /// Takes a part of a change: rows and index are then those after it.
    pub(super) fn absorb(
        &mut self,
        part: Vec<DeltaBatch>,
        source: Option<&SourceDelta>,
        context: &StepContext<'_>,
    ) -> Result<Absorbed, StepError> {
        let absorbed = match &mut self.rows {
            Rows::Shared(shared) => {
                if let Some(source) = source {
                    shared.snapshot = Some(source.after.clone());
                }
                Absorbed { batches: part, moves: source.and_then(|source| source.moves.clone()) }
            }
            Rows::Owned(relation) => {
                let mut absorbed = Absorbed { batches: vec![], moves: None };
                for batch in part {
                    debug_assert!(absorbed.batches.is_empty(), "a part of an owned side is one batch");
                    let (delta, moves) = relation.apply(&batch)?;
                    absorbed = Absorbed { batches: vec![delta], moves };
                }
                absorbed
            }
            Rows::Flat { .. } => unreachable!("a one-shot step builds its side at once"),
        };
        for batch in &absorbed.batches {
            self.reindex(batch)?;
        }
        if let Some(moves) = &absorbed.moves {
            self.move_index(moves, context)?;
        }
        Ok(absorbed)
    }

    pub(super) fn reindex(&mut self, batch: &DeltaBatch) -> Result<(), StepError> {
        let ids = batch.row_ids.as_ref().expect("a side's rows have ids");
        let keys = self.keys(&batch.rows);
        for (row, (&id, &weight)) in ids.iter().zip(&batch.weights).enumerate() {
            if !keys.can_match(row) {
                continue;
            }
            let hash = keys.hashes[row];
            let done = if weight > 0 { self.index.insert(hash, id) } else { self.index.remove(hash, id) };
            if !done {
                return Err(StepError::NegativeWeight { operator: "Join", weight });
            }
        }
        Ok(())
    }

    /// Rows have new ids. Those of a shared relation that the source drops are in no index.
    fn move_index(&mut self, moves: &Moves, context: &StepContext<'_>) -> Result<(), StepError> {
        let relation = self.snapshot().expect("rows that moved are in a relation");
        context.touch(moves.new.len());
        let mut made = Delta::default();
        let batch = |rows: Batch| {
            let places = (0u32..).take(rows.rows).collect();
            DeltaBatch { row_ids: Some(places), ..DeltaBatch::insertions(rows) }
        };
        match &self.rows {
            Rows::Shared(shared) => {
                let source = &shared.source;
                let rows = source.widen(relation.gather(&moves.new, source.required())?, moves.new.len());
                source.apply(batch(rows), &context.eval, &mut made);
            }
            _ => made.push(batch(self.fetch(&Some(relation), &moves.new, context)?)),
        }
        for batch in made.batches {
            let places = batch.row_ids.as_ref().expect("just numbered");
            let keys = self.keys(&batch.rows);
            for (row, &place) in places.iter().enumerate().filter(|&(row, _)| keys.can_match(row)) {
                let place = place as usize;
                self.index.replace(keys.hashes[row], moves.old[place], moves.new[place]);
            }
        }
        Ok(())
    }

    /// Rows have new ids: their match counts too.
    pub(super) fn move_matches(&mut self, moves: Option<&Moves>) {
        let (Some(matches), Some(moves)) = (&mut self.matches, moves) else { return };
        let counts: Vec<(u32, i64)> = moves
            .old
            .iter()
            .zip(&moves.new)
            .filter_map(|(old, &new)| matches.remove(old).map(|count| (new, count)))
            .collect();
        matches.extend(counts);
    }

    /// The rows as they are now. Only sides with rows in their index are asked.
    pub(super) fn snapshot(&self) -> Option<RelationSnapshot> {
        match &self.rows {
            Rows::Shared(shared) => shared.snapshot.clone(),
            Rows::Owned(relation) => Some(relation.snapshot()),
            Rows::Flat { .. } => None,
        }
    }

    /// These rows (at least one), as wide as the input's, of which only the fetched columns have meaning.
    pub(super) fn fetch(
        &self,
        snapshot: &Option<RelationSnapshot>,
        ids: &[u32],
        context: &StepContext<'_>,
    ) -> Result<Batch, StepError> {
        context.touch(ids.len());
        let relation = || snapshot.as_ref().expect("an indexed row has a relation");
        match &self.rows {
            Rows::Shared(shared) => {
                let fetch = &shared.fetch;
                let rows = fetch.widen(relation().gather(ids, fetch.required())?, ids.len());
                let mut made = Delta::default();
                fetch.apply(DeltaBatch::insertions(rows), &context.eval, &mut made);
                let rows = made.batches.pop().expect("no row is dropped").rows;
                assert_eq!(rows.rows, ids.len(), "a row that passed the source once passes it again");
                Ok(widen(self.width, &self.fetched, rows.columns, ids.len()))
            }
            Rows::Owned(_) => {
                let columns = relation().gather(ids, &self.fetched)?;
                Ok(widen(self.width, &self.fetched, columns, ids.len()))
            }
            Rows::Flat { batches, starts } => {
                let places: Vec<(usize, usize)> = ids
                    .iter()
                    .map(|&id| {
                        let batch = starts.partition_point(|&start| start <= id) - 1;
                        (batch, (id - starts[batch]) as usize)
                    })
                    .collect();
                let rows = gather_batches(&batches.iter().map(|batch| &batch.rows).collect::<Vec<_>>(), &places)?;
                Ok(widen(self.width, &self.fetched, rows.columns, ids.len()))
            }
        }
    }

    /// The weights of these rows; None: all 1.
    pub(super) fn weights(
        &self,
        snapshot: &Option<RelationSnapshot>,
        ids: &[u32],
    ) -> Result<Option<Vec<i64>>, StepError> {
        match &self.rows {
            Rows::Flat { batches, starts } => {
                let weight = |id: u32| {
                    let batch = starts.partition_point(|&start| start <= id) - 1;
                    batches[batch].weights[(id - starts[batch]) as usize]
                };
                Ok(Some(ids.iter().map(|&id| weight(id)).collect()))
            }
            _ => Ok(snapshot.as_ref().expect("an indexed row has a relation").gather_weights(ids)?),
        }
    }
}

/// The source's map without its filters, which indexed rows have passed, and without what is not fetched.
fn fetch_of(mfp: &Mfp, fetched: &[usize]) -> Mfp {
    let mut needed = vec![false; mfp.input_arity + mfp.expressions.len()];
    for &column in fetched {
        needed[mfp.projection[column]] = true;
    }
    let mut expressions = mfp.expressions.clone();
    for (place, expression) in expressions.iter_mut().enumerate().rev() {
        if needed[mfp.input_arity + place] {
            expression.for_each_leaf(&mut |column| needed[column.index] = true);
        } else {
            *expression = Scalar::literal(Datum::Null, expression.data_type());
        }
    }
    let projection = fetched.iter().map(|&column| mfp.projection[column]).collect();
    Mfp { input_arity: mfp.input_arity, expressions, predicates: vec![], projection }
}
