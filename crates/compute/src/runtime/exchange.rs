//! What travels between stages, and how it is spread over the workers.
//!
//! Within a process a chunk moves as it is. Timely also wants to know how a chunk would travel as bytes; they are rows
//! one by one, which is slow and simple. (Between processes an Arrow IPC form would pay.)

use crate::stages::Stages;
use headwater_dataflow::Delta;
use headwater_types::{Batch, DataType, Datum, DeltaBatch, Equality, SqlError, hash_keys};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::sync::Arc;
use timely::Accountable;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::progress::Stamp;

/// A part of what an edge carries in one step. Never sent empty: timely does not track what has no records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunk {
    /// The edge, by its place in [`Stages::edges`].
    pub(crate) edge: usize,
    pub(crate) delta: Delta,
}

impl Accountable for Chunk {
    fn record_count(&self) -> i64 {
        let rows: usize = self.delta.batches.iter().map(|batch| batch.rows.rows).sum();
        i64::try_from(rows + self.delta.errors.len()).expect("a chunk fits memory")
    }
}

/// A chunk as rows.
#[derive(Serialize, Deserialize)]
struct Flat {
    edge: usize,
    types: Vec<DataType>,
    batches: Vec<FlatBatch>,
    errors: Vec<(SqlError, i64)>,
}

#[derive(Serialize, Deserialize)]
struct FlatBatch {
    /// Kept beside the rows, which may have no columns.
    rows: Vec<Vec<Datum>>,
    weights: Vec<i64>,
    row_ids: Option<Vec<u32>>,
}

/// A chunk that knows its columns' types, as it must to be taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parcel {
    pub(crate) chunk: Chunk,
    types: Arc<[DataType]>,
}

impl Parcel {
    pub(crate) fn new(chunk: Chunk, stages: &Stages) -> Self {
        let types = Arc::clone(&stages.edges[chunk.edge].types);
        Self { chunk, types }
    }

    fn flatten(&self) -> Vec<u8> {
        let batch = |delta: &DeltaBatch| FlatBatch {
            rows: (0..delta.rows.rows).map(|row| delta.rows.row(row, &self.types)).collect(),
            weights: delta.weights.clone(),
            row_ids: delta.row_ids.clone(),
        };
        let flat = Flat {
            edge: self.chunk.edge,
            types: self.types.to_vec(),
            batches: self.chunk.delta.batches.iter().map(batch).collect(),
            errors: self.chunk.delta.errors.clone(),
        };
        let mut bytes = postcard::to_stdvec(&flat).expect("plain data is encodable");
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }
}

impl Accountable for Parcel {
    fn record_count(&self) -> i64 {
        self.chunk.record_count()
    }
}

impl ContainerBytes for Parcel {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        // Behind the value are zeros up to a multiple of 8.
        let (flat, _): (Flat, _) = postcard::take_from_bytes(&bytes).expect("written by `into_bytes`");
        let batch = |batch: FlatBatch| DeltaBatch {
            rows: Batch::from_rows(&flat.types, &batch.rows),
            weights: batch.weights,
            row_ids: batch.row_ids,
        };
        let delta = Delta { batches: flat.batches.into_iter().map(batch).collect(), errors: flat.errors };
        Self { chunk: Chunk { edge: flat.edge, delta }, types: flat.types.into() }
    }

    fn length_in_bytes(&self) -> usize {
        self.flatten().len()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        writer.write_all(&self.flatten()).expect("timely writes to memory");
    }
}

/// Spreads the chunks that cross into one stage over the workers.
pub(crate) struct SpreadByKey {
    pub(crate) stages: Arc<Stages>,
    /// The stage that is entered.
    pub(crate) stage: usize,
    /// This worker.
    pub(crate) worker: usize,
}

/// The worker that a hash belongs to.
fn owner(hash: u64, workers: usize) -> usize {
    let workers = u64::try_from(workers).expect("usize fits u64");
    // The high bits: the low ones choose buckets in the worker's own tables.
    usize::try_from((hash >> 32) % workers).expect("below the number of workers")
}

/// The worker that an error belongs to.
fn owner_of_error(error: &SqlError, workers: usize) -> usize {
    // Fixed seeds: every worker must come to the same result.
    owner(ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(error), workers)
}

/// Splits a change by its key columns: one for each worker.
fn split(delta: Delta, key: &[usize], types: &[DataType], workers: usize) -> Vec<Delta> {
    let mut parts = vec![Delta::default(); workers];
    for batch in delta.batches {
        if key.is_empty() {
            parts[0].batches.push(batch);
            continue;
        }
        let columns: Vec<_> = key.iter().map(|&column| Arc::clone(&batch.rows.columns[column])).collect();
        let key_types: Vec<_> = key.iter().map(|&column| types[column].clone()).collect();
        let mut places: Vec<Vec<u32>> = vec![vec![]; workers];
        for (row, hash) in (0_u32..).zip(hash_keys(&columns, &key_types, batch.rows.rows, Equality::Sql)) {
            places[owner(hash, workers)].push(row);
        }
        for (part, places) in parts.iter_mut().zip(places) {
            if places.len() == batch.rows.rows {
                part.batches.push(batch.clone());
            } else if !places.is_empty() {
                part.batches.push(batch.take(&places));
            }
        }
    }
    for (error, weight) in delta.errors {
        let owner = owner_of_error(&error, workers);
        parts[owner].errors.push((error, weight));
    }
    parts
}

impl Distributor<Parcel> for SpreadByKey {
    fn partition<T: Clone, P: Push<Message<T, Parcel>>>(
        &mut self,
        parcel: &mut Parcel,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        let Parcel { chunk: Chunk { edge, delta }, types } = std::mem::take(parcel);
        let target = &self.stages.edges[edge];
        let parts = match &target.key {
            Some(key) if target.to_stage == self.stage => split(delta, key, &types, pushers.len()),
            _ => {
                let mut parts = vec![Delta::default(); pushers.len()];
                parts[self.worker] = delta;
                parts
            }
        };
        for (delta, pusher) in parts.into_iter().zip(pushers) {
            let mut part = Parcel { chunk: Chunk { edge, delta }, types: Arc::clone(&types) };
            if part.record_count() > 0 {
                Message::push_at(&mut part, stamp.clone(), pusher);
            }
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Parcel>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {
        // Nothing is held back.
    }
}
