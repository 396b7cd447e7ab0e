//! How a one-shot result is presented: ORDER BY, OFFSET, LIMIT, projection, in this order.
//!
//! ```text
//!  batches with weights ─▶ sort keys (ties by the other columns) ─▶ skip offset, stop at limit ─▶ each row as often as it weighs
//! ```
//!
//! Rows are repeated while they are read, at most [`FINISHED_BATCH_ROWS_MAX`] at a time: a row of weight 10¹² costs
//! nothing until somebody wants its copies. With a small limit only about limit + offset rows are kept while sorting.

use crate::delta::{Delta, StepError, concat};
use crate::spec::Finishing;
use headwater_arrange::gather_batches;
use headwater_types::{Batch, ColumnOrder, DataType, DeltaBatch, RowOrder, sort_indices};
use std::collections::VecDeque;

/// Rows in a batch of a result.
pub const FINISHED_BATCH_ROWS_MAX: usize = 8192;

/// Rows that are sorted together at least, while looking for the first few.
const PRUNE_ROWS_MIN: usize = 65_536;

/// Rows with equal keys that are put in order together.
const TIED_ROWS_MIN: usize = 65_536;

/// A row's batch and its number there.
type Place = (u32, u32);

/// The rows of a result: an iterator of batches.
#[derive(Debug)]
pub struct Finished {
    batches: Vec<DeltaBatch>,
    /// The rows in order; None: as they come.
    order: Option<Vec<Place>>,
    /// The next row: its place in `order`, or the batch and the row in it.
    next: (usize, usize),
    /// How often that row was returned or skipped already.
    repeated: i64,
    skip: u64,
    left: Option<u64>,
    projection: Vec<usize>,
    /// What did not fit one batch.
    ready: VecDeque<Batch>,
}

/// Presents a result of these types.
///
/// # Errors
///
/// A limit of memory; a row of negative weight, which is a bug of the plan.
pub fn finish(batches: Vec<DeltaBatch>, finishing: &Finishing, types: &[DataType]) -> Result<Finished, StepError> {
    let mut rows = Delta { batches, errors: vec![] };
    rows.batches.retain(|batch| !batch.is_empty());
    if rows.has_retractions() {
        rows = Delta { batches: rows.consolidated_parts(types)?, errors: vec![] };
        if let Some(&weight) = rows.batches.iter().flat_map(|batch| &batch.weights).find(|&&weight| weight < 0) {
            return Err(StepError::NegativeWeight { operator: "Finish", weight });
        }
    }
    let wanted = finishing.limit.and_then(|limit| limit.checked_add(finishing.offset));
    let wanted = wanted.and_then(|wanted| usize::try_from(wanted).ok());
    let (batches, order) = if finishing.order_by.is_empty() {
        (rows.batches, None)
    } else {
        let sorter = Sorter::new(&finishing.order_by, types);
        let batches = sorter.pruned(rows.batches, wanted)?;
        let order = sorter.order(&batches)?;
        (batches, Some(order))
    };
    Ok(Finished {
        batches,
        order,
        next: (0, 0),
        repeated: 0,
        skip: finishing.offset,
        left: finishing.limit,
        projection: finishing.projection.clone(),
        ready: VecDeque::new(),
    })
}

/// Puts rows in order by keys, then by all other columns. Only the keys are brought together.
struct Sorter<'a> {
    types: &'a [DataType],
    /// The key columns, and their order among themselves.
    columns: Vec<usize>,
    keys: Vec<ColumnOrder>,
    /// The order of the other columns, by which ties are broken.
    ties: Vec<ColumnOrder>,
}

impl<'a> Sorter<'a> {
    fn new(order_by: &[ColumnOrder], types: &'a [DataType]) -> Self {
        let columns: Vec<usize> = order_by.iter().map(|key| key.column).collect();
        let keys = (0..).zip(order_by).map(|(column, key)| ColumnOrder { column, ..*key }).collect();
        let ties = (0..types.len()).filter(|c| !columns.contains(c)).map(ColumnOrder::ascending).collect();
        Self { types, columns, keys, ties }
    }

    /// Rows among which the first `wanted` are; few, if these are.
    fn pruned(&self, batches: Vec<DeltaBatch>, wanted: Option<usize>) -> Result<Vec<DeltaBatch>, StepError> {
        let Some(wanted) = wanted else { return Ok(batches) };
        let limit = wanted.saturating_mul(4).max(PRUNE_ROWS_MIN);
        let (mut held, mut rows): (Vec<DeltaBatch>, usize) = (vec![], 0);
        for batch in batches {
            rows += batch.rows.rows;
            held.push(batch);
            if rows > limit {
                let mut order = self.order(&held)?;
                order.truncate(wanted);
                rows = order.len();
                held = vec![gather(&held, &order)?];
            }
        }
        Ok(held)
    }

    fn order(&self, batches: &[DeltaBatch]) -> Result<Vec<Place>, StepError> {
        let key_types: Vec<DataType> = self.columns.iter().map(|&c| self.types[c].clone()).collect();
        let keys = concat(batches.iter().map(|batch| batch.project(&self.columns)).collect(), &key_types)?;
        let places: Vec<Place> = (0u32..)
            .zip(batches)
            .flat_map(|(batch, rows)| (0u32..).take(rows.rows.rows).map(move |row| (batch, row)))
            .collect();
        let indices = sort_indices(&keys.rows.columns, &key_types, &self.keys);
        let mut order: Vec<Place> = indices.iter().map(|&row| places[row as usize]).collect();
        if self.ties.is_empty() {
            return Ok(order);
        }
        let compare = RowOrder::new(&keys.rows.columns, &key_types, &self.keys);
        // Ranges of rows with equal keys, taken together until they are many.
        let (mut ranges, mut tied): (Vec<std::ops::Range<usize>>, usize) = (vec![], 0);
        let mut start = 0;
        for end in 1..=indices.len() {
            let same = |a: u32, b: u32| compare.compare(a as usize, b as usize).is_eq();
            if end < indices.len() && same(indices[start], indices[end]) {
                continue;
            }
            if end - start > 1 {
                tied += end - start;
                ranges.push(start..end);
            }
            start = end;
            if tied >= TIED_ROWS_MIN {
                self.break_ties(batches, &mut order, &std::mem::take(&mut ranges))?;
                tied = 0;
            }
        }
        self.break_ties(batches, &mut order, &ranges)?;
        Ok(order)
    }

    /// Orders the rows within each range.
    fn break_ties(
        &self,
        batches: &[DeltaBatch],
        order: &mut [Place],
        ranges: &[std::ops::Range<usize>],
    ) -> Result<(), StepError> {
        let tied: Vec<Place> = ranges.iter().flat_map(|range| order[range.clone()].iter().copied()).collect();
        if tied.is_empty() {
            return Ok(());
        }
        let rows = gather(batches, &tied)?.rows;
        let compare = RowOrder::new(&rows.columns, self.types, &self.ties);
        let mut from = 0;
        for range in ranges {
            let mut indices: Vec<usize> = (from..from + range.len()).collect();
            indices.sort_by(|&a, &b| compare.compare(a, b));
            from += range.len();
            for (place, index) in range.clone().zip(indices) {
                order[place] = tied[index];
            }
        }
        Ok(())
    }
}

fn gather(batches: &[DeltaBatch], order: &[Place]) -> Result<DeltaBatch, StepError> {
    let rows: Vec<&Batch> = batches.iter().map(|batch| &batch.rows).collect();
    let places: Vec<(usize, usize)> = order.iter().map(|&(batch, row)| (batch as usize, row as usize)).collect();
    let weights = places.iter().map(|&(batch, row)| batches[batch].weights[row]).collect();
    Ok(DeltaBatch::new(gather_batches(&rows, &places)?, weights))
}

impl Finished {
    /// Everything at once.
    #[must_use]
    pub fn into_batches(self) -> Vec<Batch> {
        self.collect()
    }

    /// Makes the rows at these places; in halves where they are too large for one batch.
    fn make(&mut self, places: &[(usize, usize)]) {
        let Some(&(first, _)) = places.first() else { return };
        let project = |batch: &DeltaBatch| batch.rows.project(&self.projection);
        let rows = if self.order.is_none() {
            let local: Vec<(usize, usize)> = places.iter().map(|&(_, row)| (0, row)).collect();
            gather_batches(&[&project(&self.batches[first])], &local)
        } else {
            let batches: Vec<Batch> = self.batches.iter().map(project).collect();
            gather_batches(&batches.iter().collect::<Vec<_>>(), places)
        };
        match rows {
            // Without columns too there are so many rows.
            Ok(rows) => self.ready.push_back(Batch::new(rows.columns, places.len())),
            Err(_) => {
                assert!(places.len() > 1, "a row that is in a batch fits one");
                let (left, right) = places.split_at(places.len() / 2);
                self.make(left);
                self.make(right);
            }
        }
    }

    /// The next row.
    fn place(&mut self) -> Option<(usize, usize)> {
        if let Some(order) = &self.order {
            return order.get(self.next.0).map(|&(batch, row)| (batch as usize, row as usize));
        }
        while self.next.1 >= self.batches.get(self.next.0)?.rows.rows {
            self.next = (self.next.0 + 1, 0);
        }
        Some(self.next)
    }

    fn advance(&mut self) {
        self.repeated = 0;
        if self.order.is_some() {
            self.next.0 += 1;
        } else {
            self.next.1 += 1;
        }
    }
}

impl Iterator for Finished {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if let Some(batch) = self.ready.pop_front() {
            return Some(batch);
        }
        let mut places: Vec<(usize, usize)> = vec![];
        while places.len() < FINISHED_BATCH_ROWS_MAX && self.left != Some(0) {
            let Some(place) = self.place() else { break };
            if self.order.is_none() && places.first().is_some_and(|first| first.0 != place.0) {
                // Rows of one batch are a slice of it.
                break;
            }
            let weight = self.batches[place.0].weights[place.1];
            let copies = u64::try_from(weight - self.repeated).unwrap_or(0);
            let skipped = copies.min(self.skip);
            self.skip -= skipped;
            let free = u64::try_from(FINISHED_BATCH_ROWS_MAX - places.len()).unwrap_or(u64::MAX);
            let given = (copies - skipped).min(free).min(self.left.unwrap_or(u64::MAX));
            if let Some(left) = &mut self.left {
                *left -= given;
            }
            places.extend(std::iter::repeat_n(place, usize::try_from(given).unwrap_or(0)));
            if skipped + given == copies {
                self.advance();
            } else {
                self.repeated += i64::try_from(skipped + given).expect("part of a weight");
            }
        }
        self.make(&places);
        self.ready.pop_front()
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
    fn ties_are_broken_by_the_other_columns() {
        let mut random = crate::testing::Random(3);
        let rows: Vec<(i32, String)> = (0..3000)
            .map(|_| (i32::try_from(random.below(40)).expect("small"), format!("{}", random.below(1000))))
            .collect();
        let order_by = vec![ColumnOrder::ascending(0)];
        for limit in [None, Some(100)] {
            let finishing = Finishing { order_by: order_by.clone(), limit, offset: 7, projection: vec![0, 1] };
            let given: Vec<(i32, &str, i64)> = rows.iter().map(|(a, b)| (*a, b.as_str(), 1)).collect();
            let mut wanted = rows.clone();
            wanted.sort();
            let take = limit.map_or(usize::MAX, |limit| usize::try_from(limit).expect("small"));
            let wanted: Vec<String> = wanted
                .into_iter()
                .skip(7)
                .take(take)
                .map(|(a, b)| format!("{:?}", vec![Datum::Int4(a), Datum::text(b)]))
                .collect();
            assert_eq!(run(&given, &finishing), wanted);
        }
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
