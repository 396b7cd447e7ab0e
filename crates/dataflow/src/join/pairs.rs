//! One side's change met with the other side's rows.
//!
//! ```text
//!  batch ─hash─▶ other's index ─▶ (row, id) … ≤ 8192 ─▶ fetch ids ─▶ verify key ─▶ residual ─▶ output
//!                                                                        └─▶ matches of both sides
//! ```

use super::side::{Keys, Side};
use super::{Alone, Shape, emits_pairs};
use crate::delta::{Delta, StepContext, StepError, too_large};
use crate::map_filter_project::{report, widen};
use crate::spec::JoinKind;
use arrow_array::{ArrayRef, NullArray, UInt32Array, new_null_array};
use hashbrown::HashMap;
use headwater_arrange::RelationSnapshot;
use headwater_expr::evaluate_predicate;
use headwater_types::{Batch, DeltaBatch, Equality, RowEquality};
use std::sync::Arc;

/// Pairs that are made at a time.
const PAIRS_MAX: usize = 8192;

/// A step's change of one side, being joined with the rows of the other.
pub(super) struct Probe<'a> {
    shape: &'a Shape,
    /// The side that changes: 0 left, 1 right.
    side: usize,
    context: &'a StepContext<'a>,
    /// By how much the other side's rows changed their number of matches.
    changed: HashMap<u32, i64, ahash::RandomState>,
    /// The keys of `changed`, in order of first change.
    order: Vec<u32>,
}

/// Candidates: rows of the batch, ids of the other side.
#[derive(Default)]
struct Pairs {
    rows: Vec<u32>,
    ids: Vec<u32>,
}

impl Pairs {
    /// Keeps the first half and gives the second.
    fn split(&mut self) -> Self {
        let half = self.ids.len() / 2;
        Self { rows: self.rows.split_off(half), ids: self.ids.split_off(half) }
    }

    fn take(&mut self, keep: &[u32]) {
        self.rows = keep.iter().map(|&pair| self.rows[pair as usize]).collect();
        self.ids = keep.iter().map(|&pair| self.ids[pair as usize]).collect();
    }
}

fn overflow() -> StepError {
    StepError::WeightOverflow { operator: "Join" }
}

impl<'a> Probe<'a> {
    pub(super) fn new(shape: &'a Shape, side: usize, context: &'a StepContext<'a>) -> Self {
        let changed = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
        Self { shape, side, context, changed, order: vec![] }
    }

    /// Joins one batch of `own`'s change with the rows that `other` has now.
    pub(super) fn run(
        &mut self,
        batch: &DeltaBatch,
        own: &mut Side,
        other: &Side,
        output: &mut Delta,
    ) -> Result<(), StepError> {
        let keys = own.keys(&batch.rows);
        let snapshot = other.snapshot();
        let alone = self.shape.alone(self.side);
        let mut counts = (alone != Alone::Nothing).then(|| vec![0i64; batch.rows.rows]);
        let mut pairs = Pairs::default();
        for (row, &hash) in keys.hashes.iter().enumerate() {
            if !keys.can_match(row) {
                continue;
            }
            let Some(postings) = other.index.get(hash) else { continue };
            let row = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
            for id in postings.iter() {
                pairs.rows.push(row);
                pairs.ids.push(id);
                if pairs.ids.len() == PAIRS_MAX {
                    self.flush(batch, &keys, std::mem::take(&mut pairs), other, &snapshot, counts.as_mut(), output)?;
                }
            }
        }
        self.flush(batch, &keys, pairs, other, &snapshot, counts.as_mut(), output)?;
        let Some(counts) = counts else { return Ok(()) };
        if let (Some(matches), Some(ids)) = (&mut own.matches, &batch.row_ids) {
            for ((&id, &weight), &count) in ids.iter().zip(&batch.weights).zip(&counts) {
                if weight < 0 {
                    matches.remove(&id);
                } else if count != 0 {
                    matches.insert(id, count);
                }
            }
        }
        let shown: Vec<u32> = (0u32..)
            .zip(&counts)
            .filter(|(_, count)| (**count > 0) == (alone == Alone::Matched))
            .map(|(row, _)| row)
            .collect();
        if shown.is_empty() {
            return Ok(());
        }
        let columns = &self.shape.alone_columns[self.side];
        let rows = take_columns(&batch.rows, columns, &shown)?;
        let weights = shown.iter().map(|&row| batch.weights[row as usize]).collect();
        self.emit_alone(self.side, widen(own.width, columns, rows, shown.len()), weights, output);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one probe, used once")]
    fn flush(
        &mut self,
        batch: &DeltaBatch,
        keys: &Keys,
        mut pairs: Pairs,
        other: &Side,
        snapshot: &Option<RelationSnapshot>,
        mut counts: Option<&mut Vec<i64>>,
        output: &mut Delta,
    ) -> Result<(), StepError> {
        if pairs.ids.is_empty() {
            return Ok(());
        }
        let made = self.fetch_verified(keys, &mut pairs, other, snapshot).and_then(|fetched| match fetched {
            Some(fetched) => self.combine(batch, &pairs, fetched, other).map(Some),
            None => Ok(None),
        });
        let joined = match made {
            Ok(Some(joined)) => joined,
            Ok(None) => return Ok(()),
            // Rows so wide that fewer must be made at a time.
            Err(_) if pairs.ids.len() > 1 => {
                let second = pairs.split();
                self.flush(batch, keys, pairs, other, snapshot, counts.as_deref_mut(), output)?;
                return self.flush(batch, keys, second, other, snapshot, counts, output);
            }
            Err(error) => return Err(error),
        };
        let mut weights = Vec::with_capacity(pairs.ids.len());
        let other_weights = other.weights(snapshot, &pairs.ids)?;
        for (pair, &row) in pairs.rows.iter().enumerate() {
            let other = other_weights.as_ref().map_or(1, |weights| weights[pair]);
            weights.push(batch.weights[row as usize].checked_mul(other).ok_or_else(overflow)?);
        }
        let mut joined = DeltaBatch::new(joined, weights);
        // The place among the pairs travels as the row id.
        joined.row_ids = Some((0u32..).take(pairs.ids.len()).collect());
        for condition in &self.shape.residual {
            let (mask, errors) = evaluate_predicate(condition, &joined.rows, &self.context.eval);
            report(&errors, &joined.weights, &mut output.errors);
            if mask.true_count() < joined.rows.rows {
                joined = joined.filter(&mask);
            }
        }
        let left = joined.row_ids.take().expect("numbered above");
        self.count(batch, &pairs, &left, other_weights.as_deref(), other, counts)?;
        if emits_pairs(self.shape.kind) {
            self.context.touch(left.len());
            self.shape.mfp.apply(joined, &self.context.eval, output);
        }
        Ok(())
    }

    /// The other side's rows of the pairs, which are cut down to those whose keys are equal and not only their hashes.
    fn fetch_verified(
        &self,
        keys: &Keys,
        pairs: &mut Pairs,
        other: &Side,
        snapshot: &Option<RelationSnapshot>,
    ) -> Result<Option<Batch>, StepError> {
        let fetched = other.fetch(snapshot, &pairs.ids, self.context)?;
        if keys.columns.is_empty() {
            return Ok(Some(fetched));
        }
        let other_key = other.key_of(&fetched);
        let same = RowEquality::new(&keys.columns, &other_key, &other.key_types, Equality::Sql);
        let equal: Vec<u32> = (0u32..)
            .zip(&pairs.rows)
            .filter(|&(pair, &row)| same.equal(row as usize, pair as usize))
            .map(|(pair, _)| pair)
            .collect();
        if equal.len() == pairs.ids.len() {
            return Ok(Some(fetched));
        }
        pairs.take(&equal);
        Ok((!equal.is_empty()).then(|| fetched.take(&equal)))
    }

    /// Left's columns, then right's; those that nothing reads are without meaning.
    fn combine(&self, batch: &DeltaBatch, pairs: &Pairs, fetched: Batch, other: &Side) -> Result<Batch, StepError> {
        let rows = pairs.ids.len();
        let columns = &self.shape.pair_columns[self.side];
        let own = widen(batch.rows.columns.len(), columns, take_columns(&batch.rows, columns, &pairs.rows)?, rows);
        let other_columns = &self.shape.pair_columns[1 - self.side];
        let given = other_columns.iter().map(|&c| Arc::clone(&fetched.columns[c])).collect();
        let other = widen(other.width, other_columns, given, rows);
        let (left, right) = if self.side == 0 { (own, other) } else { (other, own) };
        Ok(Batch::new([left.columns, right.columns].concat(), rows))
    }

    /// Counts the pairs that are left as matches of both their rows.
    fn count(
        &mut self,
        batch: &DeltaBatch,
        pairs: &Pairs,
        left: &[u32],
        other_weights: Option<&[i64]>,
        other: &Side,
        counts: Option<&mut Vec<i64>>,
    ) -> Result<(), StepError> {
        if let Some(counts) = counts {
            for &pair in left {
                let weight = other_weights.map_or(1, |weights| weights[pair as usize]);
                let count = &mut counts[pairs.rows[pair as usize] as usize];
                *count = count.checked_add(weight).ok_or_else(overflow)?;
            }
        }
        if other.matches.is_some() {
            for &pair in left {
                let (row, id) = (pairs.rows[pair as usize], pairs.ids[pair as usize]);
                let order = &mut self.order;
                let change = self.changed.entry(id).or_insert_with(|| {
                    order.push(id);
                    0
                });
                *change = change.checked_add(batch.weights[row as usize]).ok_or_else(overflow)?;
            }
        }
        Ok(())
    }

    /// Whether this row of the other side got a match in this step.
    pub(super) fn was_matched(&self, id: u32) -> bool {
        self.changed.get(&id).is_some_and(|&change| change > 0)
    }

    /// Changes the other side's numbers of matches, and outputs its rows that got their first or lost their last.
    pub(super) fn settle(self, other: &mut Side, output: &mut Delta) -> Result<(), StepError> {
        let Some(matches) = &mut other.matches else { return Ok(()) };
        let matched = self.shape.alone(1 - self.side) == Alone::Matched;
        let (mut ids, mut signs) = (vec![], vec![]);
        for id in &self.order {
            let change = self.changed[id];
            let before = matches.get(id).copied().unwrap_or(0);
            let after = before.checked_add(change).ok_or_else(overflow)?;
            match after {
                ..0 => return Err(StepError::NegativeWeight { operator: "Join", weight: after }),
                0 => matches.remove(id),
                _ => matches.insert(*id, after),
            };
            if (before > 0) != (after > 0) {
                ids.push(*id);
                signs.push(if (after > 0) == matched { 1 } else { -1 });
            }
        }
        let snapshot = other.snapshot();
        for (ids, signs) in ids.chunks(PAIRS_MAX).zip(signs.chunks(PAIRS_MAX)) {
            let rows = other.fetch(&snapshot, ids, self.context)?;
            let weights = match other.weights(&snapshot, ids)? {
                Some(weights) => weights.iter().zip(signs).map(|(weight, sign)| weight * sign).collect(),
                None => signs.to_vec(),
            };
            self.emit_alone(1 - self.side, rows, weights, output);
        }
        Ok(())
    }

    /// Outputs rows of one side by themselves, or with NULLs for the other.
    pub(super) fn emit_alone(&self, side: usize, rows: Batch, weights: Vec<i64>, output: &mut Delta) {
        let count = rows.rows;
        if matches!(self.shape.kind, JoinKind::Semi | JoinKind::Anti) {
            self.shape.mfp.apply(DeltaBatch::new(rows, weights), &self.context.eval, output);
            return;
        }
        let absent: ArrayRef = Arc::new(NullArray::new(count));
        let mut nulls = vec![absent; self.shape.types(1 - side).len()];
        for &column in &self.shape.alone_columns[1 - side] {
            nulls[column] = new_null_array(&self.shape.types(1 - side)[column].arrow_type(), count);
        }
        let columns = if side == 0 { [rows.columns, nulls].concat() } else { [nulls, rows.columns].concat() };
        let delta = DeltaBatch::new(Batch::new(columns, count), weights);
        self.shape.mfp.apply(delta, &self.context.eval, output);
    }
}

/// These columns of the rows at `places`, which may repeat.
fn take_columns(rows: &Batch, columns: &[usize], places: &[u32]) -> Result<Vec<ArrayRef>, StepError> {
    let whole = places.len() == rows.rows && (0u32..).zip(places).all(|(i, &place)| i == place);
    if whole {
        return Ok(columns.iter().map(|&c| Arc::clone(&rows.columns[c])).collect());
    }
    let places = UInt32Array::from(places.to_vec());
    let take = |&c: &usize| arrow_select::take::take(&rows.columns[c], &places, None).map_err(|_| too_large());
    columns.iter().map(take).collect()
}
