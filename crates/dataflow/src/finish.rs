//! How a one-shot result is presented: ORDER BY, OFFSET, LIMIT, projection, in this order.
//!
//! ```text
//!  batches with weights ─▶ sort (ties by the other columns) ─▶ skip offset, stop at limit ─▶ each row as often as it weighs
//! ```
//!
//! Rows are repeated while they are read, at most [`FINISHED_BATCH_ROWS_MAX`] at a time: a row of weight 10¹² costs
//! nothing until somebody wants its copies. With a small limit only about limit + offset rows are kept while sorting.

use crate::delta::{Delta, StepError, concat};
use crate::spec::Finishing;
use headwater_types::{Batch, ColumnOrder, DataType, DeltaBatch, sort_indices};
use std::collections::VecDeque;

/// Rows in a batch of a result.
pub const FINISHED_BATCH_ROWS_MAX: usize = 8192;

/// Rows that are sorted together at least, while looking for the first few.
const PRUNE_ROWS_MIN: usize = 65_536;

/// The rows of a result: an iterator of batches.
#[derive(Debug)]
pub struct Finished {
    batches: VecDeque<DeltaBatch>,
    /// The place in the first batch, and how often its row was returned already.
    row: usize,
    repeated: i64,
    skip: u64,
    left: Option<u64>,
    projection: Vec<usize>,
}

/// Presents a result of these types.
///
/// # Errors
///
/// A limit of memory; a row of negative weight, which is a bug of the plan.
pub fn finish(batches: Vec<DeltaBatch>, finishing: &Finishing, types: &[DataType]) -> Result<Finished, StepError> {
    let mut rows = Delta { batches, errors: vec![] };
    if rows.has_retractions() {
        let consolidated = rows.consolidated(types)?;
        if let Some(&weight) = consolidated.weights.iter().find(|&&weight| weight < 0) {
            return Err(StepError::NegativeWeight { operator: "Finish", weight });
        }
        rows = Delta::of(consolidated);
    }
    let wanted = finishing.limit.and_then(|limit| limit.checked_add(finishing.offset));
    let batches = if finishing.order_by.is_empty() {
        rows.batches
    } else {
        sorted(rows.batches, &finishing.order_by, wanted, types)?
    };
    Ok(Finished {
        batches: batches.into(),
        row: 0,
        repeated: 0,
        skip: finishing.offset,
        left: finishing.limit,
        projection: finishing.projection.clone(),
    })
}

/// The rows in order; only the first `wanted` need be there.
fn sorted(
    batches: Vec<DeltaBatch>,
    order_by: &[ColumnOrder],
    wanted: Option<u64>,
    types: &[DataType],
) -> Result<Vec<DeltaBatch>, StepError> {
    let mut keys = order_by.to_vec();
    let named: Vec<usize> = keys.iter().map(|key| key.column).collect();
    keys.extend((0..types.len()).filter(|c| !named.contains(c)).map(ColumnOrder::ascending));
    let wanted = wanted.and_then(|wanted| usize::try_from(wanted).ok());
    let prune_at = wanted.map(|wanted| wanted.saturating_mul(4).max(PRUNE_ROWS_MIN));
    let sort = |batches: Vec<DeltaBatch>| -> Result<DeltaBatch, StepError> {
        let all = concat(batches, types)?;
        let mut order = sort_indices(&all.rows.columns, types, &keys);
        if all.rows.columns.is_empty() {
            return Ok(all);
        }
        order.truncate(wanted.unwrap_or(usize::MAX));
        Ok(all.take(&order))
    };
    let mut held: Vec<DeltaBatch> = vec![];
    let mut rows = 0;
    for batch in batches {
        rows += batch.rows.rows;
        held.push(batch);
        if prune_at.is_some_and(|limit| rows > limit) {
            let best = sort(held)?;
            rows = best.rows.rows;
            held = vec![best];
        }
    }
    Ok(vec![sort(held)?])
}

impl Finished {
    /// Everything at once.
    #[must_use]
    pub fn into_batches(self) -> Vec<Batch> {
        self.collect()
    }

    fn advance_batch(&mut self) {
        self.batches.pop_front();
        self.row = 0;
        self.repeated = 0;
    }
}

impl Iterator for Finished {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        while self.left != Some(0) {
            let batch = self.batches.front()?;
            let mut places: Vec<u32> = vec![];
            let room = FINISHED_BATCH_ROWS_MAX;
            while places.len() < room && self.row < batch.rows.rows && self.left != Some(0) {
                let copies = u64::try_from(batch.weights[self.row] - self.repeated).unwrap_or(0);
                let skipped = copies.min(self.skip);
                self.skip -= skipped;
                let free = u64::try_from(room - places.len()).unwrap_or(u64::MAX);
                let given = (copies - skipped).min(free).min(self.left.unwrap_or(u64::MAX));
                if let Some(left) = &mut self.left {
                    *left -= given;
                }
                let place = u32::try_from(self.row).expect("a batch has fewer than 2^32 rows");
                places.extend(std::iter::repeat_n(place, usize::try_from(given).unwrap_or(0)));
                if skipped + given == copies {
                    self.row += 1;
                    self.repeated = 0;
                } else {
                    self.repeated += i64::try_from(skipped + given).expect("part of a weight");
                }
            }
            let whole = (0u32..).zip(&places).all(|(i, &place)| place == places[0] + i);
            let result = (!places.is_empty()).then(|| {
                let rows = batch.rows.project(&self.projection);
                if whole { rows.slice(places[0] as usize, places.len()) } else { rows.take(&places) }
            });
            if self.row >= batch.rows.rows {
                self.advance_batch();
            }
            if result.is_some() {
                return result;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::Datum;

    const TYPES: [DataType; 2] = [DataType::Int4, DataType::Text];

    fn run(rows: &[(i32, &str, i64)], finishing: &Finishing) -> Vec<String> {
        let rows: Vec<_> = rows.iter().map(|&(a, b, w)| (vec![Datum::Int4(a), Datum::text(b)], w)).collect();
        let batches: Vec<DeltaBatch> = rows.chunks(2).map(|rows| DeltaBatch::from_rows(&TYPES, rows)).collect();
        let types: Vec<DataType> = finishing.projection.iter().map(|&c| TYPES[c].clone()).collect();
        finish(batches, finishing, &TYPES)
            .expect("fits")
            .flat_map(|batch| batch.to_rows(&types))
            .map(|row| format!("{row:?}"))
            .collect()
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|v| format!("{:?}", vec![Datum::text(v)])).collect()
    }

    #[test]
    fn sorts_skips_stops_and_repeats() {
        let rows = [(3, "c", 1), (1, "b", 2), (1, "a", 1), (2, "z", -1), (2, "z", 1)];
        let mut finishing = Finishing {
            order_by: vec![ColumnOrder { column: 0, descending: true, nulls_first: true }],
            limit: None,
            offset: 0,
            projection: vec![1],
        };
        assert_eq!(run(&rows, &finishing), texts(&["c", "a", "b", "b"]));
        finishing.offset = 2;
        assert_eq!(run(&rows, &finishing), texts(&["b", "b"]));
        finishing.limit = Some(1);
        assert_eq!(run(&rows, &finishing), texts(&["b"]));
        finishing.limit = Some(0);
        assert_eq!(run(&rows, &finishing), texts(&[]));
    }

    #[test]
    fn absurd_weights_cost_nothing_until_read() {
        let finishing = Finishing { order_by: vec![], limit: None, offset: 5, projection: vec![0] };
        let batch = DeltaBatch::from_rows(&TYPES, &[(vec![Datum::Int4(1), Datum::Null], i64::MAX)]);
        let mut rows = finish(vec![batch], &finishing, &TYPES).expect("fits");
        assert_eq!(rows.next().map(|batch| batch.rows), Some(FINISHED_BATCH_ROWS_MAX));
        assert_eq!(rows.next().map(|batch| batch.rows), Some(FINISHED_BATCH_ROWS_MAX));
    }
}
