//! GROUP BY.
//!
//! ```text
//!  Δin ─▶ group slots ─▶ [before-image of each group touched for the first time] ─▶ accumulators
//!                                     │                                                  │
//!                                     ▼                                                  ▼
//!                       (key, values before) −1                             (key, values after) +1
//!                                     └──────── where they differ ─▶ mfp ─▶ Δout ───────┘
//! ```
//!
//! # Invariants
//!
//! 1. The outputs so far add up to GROUP BY of the inputs so far.
//! 2. A group that is touched in a step is emitted at most once per step, and only if its row has changed. Of steps that
//!    follow one another at once only the last emits, or one after which [`HELD_GROUPS_MAX`] groups are touched.
//! 3. A group lives as long as it has rows; without key columns there is one group, which lives always and is emitted at
//!    the first step.
//! 4. A group whose values fail (a sum out of range) is an error instead of a row, taken back when the group changes.
//! 5. A step costs O(|Δin|) and nothing per untouched group; array_agg and string_agg cost the touched group.

mod one_shot;

use crate::accumulate::{AggregateState, simplify};
use crate::delta::{Delta, StepContext, StepError};
use crate::group_table::GroupTable;
use crate::map_filter_project::{MapFilterProject, report, without};
use crate::spec::ReducePlan;
use arrow_array::ArrayRef;
use headwater_arrange::gather_batches;
use headwater_expr::{Scalar, evaluate};
use headwater_types::{Batch, DataType, DeltaBatch, Equality, RowEquality, SqlError};
use std::sync::Arc;

/// Groups whose output is made at a time.
const EMITTED_ROWS_MAX: usize = 16_384;
/// Touched groups whose output is held back.
const HELD_GROUPS_MAX: usize = 16_384;

/// See the module.
#[derive(Debug)]
pub struct Reduce {
    key: Vec<usize>,
    groups: GroupTable,
    /// What several aggregates need of a row, computed once.
    shared: Vec<Scalar>,
    aggregates: Vec<AggregateState>,
    /// The key's types, then the aggregates'.
    types: Vec<DataType>,
    mfp: MapFilterProject,
    /// Whether there is one group that lives always.
    global: bool,
    /// Whether that group has been emitted.
    started: bool,
    /// What was before steps whose output is held back.
    before: BeforeImages,
}

/// Rows as they were before the step: batches, and where each group's row is.
#[derive(Debug, Default)]
struct BeforeImages {
    batches: Vec<Batch>,
    errors: Vec<Vec<(u32, SqlError)>>,
    /// Per touched group, in order of touch.
    places: Vec<Option<(usize, usize)>>,
}

impl Reduce {
    /// Groups rows of these types.
    #[must_use]
    pub fn new(plan: &ReducePlan, input: &[DataType]) -> Self {
        let key_types: Vec<DataType> = plan.key.iter().map(|&c| input[c].clone()).collect();
        let types = key_types.iter().cloned().chain(plan.aggregates.iter().map(|a| a.data_type.clone())).collect();
        let (calls, shared) = simplify(&plan.aggregates, input.len());
        Self {
            key: plan.key.clone(),
            shared,
            groups: GroupTable::new("Reduce", &key_types).with_representatives(),
            aggregates: calls.iter().map(AggregateState::new).collect(),
            types,
            mfp: MapFilterProject::new(&plan.mfp),
            global: plan.key.is_empty(),
            started: false,
            before: BeforeImages::default(),
        }
    }

    /// Also without key columns, a group lives only as long as it has rows.
    pub(crate) fn without_global_row(mut self) -> Self {
        self.global = false;
        self
    }

    /// Consumes one step's input delta and returns that step's output delta.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn step(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Delta, StepError> {
        context.touch(input.rows());
        let final_insertions = context.one_shot && !input.has_retractions();
        let mut output = Delta { batches: vec![], errors: input.errors };
        let mut before = std::mem::take(&mut self.before);
        if self.global && !self.started {
            let slots = self.groups.resolve(&[], 1)?;
            self.touch(&slots, &mut before)?;
        }
        for batch in input.batches.into_iter().filter(|batch| !batch.is_empty()) {
            let batch = self.with_shared(batch, context);
            let keys: Vec<ArrayRef> = self.key.iter().map(|&c| Arc::clone(&batch.rows.columns[c])).collect();
            let slots = self.groups.resolve(&keys, batch.rows.rows)?;
            self.touch(&slots, &mut before)?;
            self.groups.add(&slots, &batch.weights, &keys)?;
            for aggregate in &mut self.aggregates {
                aggregate.update(&batch, &slots, context, final_insertions, &mut output.errors)?;
            }
        }
        if context.holds && before.places.len() < HELD_GROUPS_MAX {
            self.before = before;
            return Ok(output);
        }
        let touched = self.groups.take_touched()?;
        self.groups.refresh_representatives()?;
        context.touch(touched.len());
        for (slots, places) in touched.chunks(EMITTED_ROWS_MAX).zip(before.places.chunks(EMITTED_ROWS_MAX)) {
            self.emit(slots, places, &before, context, &mut output)?;
        }
        self.started = true;
        let dead: Vec<u32> = touched.into_iter().filter(|&slot| !self.is_live(slot)).collect();
        for aggregate in &mut self.aggregates {
            for &slot in &dead {
                aggregate.reset(slot);
            }
        }
        self.groups.release(&dead)?;
        Ok(output)
    }

    /// The memory kept, about.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.groups.state_bytes() + self.aggregates.iter().map(AggregateState::state_bytes).sum::<usize>()
    }

    fn is_live(&self, slot: u32) -> bool {
        self.groups.weight(slot) > 0 || (self.global && self.started)
    }

    /// A batch with the columns that several aggregates read.
    fn with_shared(&self, mut batch: DeltaBatch, context: &StepContext<'_>) -> DeltaBatch {
        for scalar in &self.shared {
            // They cannot fail.
            let value = evaluate(scalar, &batch.rows, &context.eval);
            batch.rows.columns.push(value.array);
        }
        batch
    }

    /// Marks groups as touched and remembers the rows of those that are so for the first time.
    fn touch(&mut self, slots: &[u32], before: &mut BeforeImages) -> Result<(), StepError> {
        let fresh = self.groups.touch(slots).to_vec();
        for aggregate in &mut self.aggregates {
            aggregate.grow(self.groups.slots());
        }
        let live: Vec<u32> = fresh.iter().copied().filter(|&slot| self.is_live(slot)).collect();
        let batch = before.batches.len();
        let mut row = 0;
        before.places.extend(fresh.iter().map(|&slot| {
            self.is_live(slot).then(|| {
                row += 1;
                (batch, row - 1)
            })
        }));
        if !live.is_empty() {
            let (rows, errors) = self.rows(&live)?;
            before.batches.push(rows);
            before.errors.push(errors);
        }
        Ok(())
    }

    /// The rows of these groups, and those (by place) that are an error instead.
    fn rows(&self, slots: &[u32]) -> Result<(Batch, Vec<(u32, SqlError)>), StepError> {
        Ok(self.rows_with(self.groups.keys(slots)?, slots))
    }

    /// As [`Reduce::rows`], the key columns being known.
    fn rows_with(&self, keys: Vec<ArrayRef>, slots: &[u32]) -> (Batch, Vec<(u32, SqlError)>) {
        let mut columns = keys;
        let mut errors = vec![];
        for aggregate in &self.aggregates {
            let values = aggregate.values(slots);
            columns.push(values.column);
            errors.extend(values.errors);
        }
        errors.sort();
        errors.dedup_by_key(|(place, _)| *place);
        (Batch::new(columns, slots.len()), errors)
    }

    /// Emits what has changed of these groups, whose former rows are at `places`.
    fn emit(
        &self,
        slots: &[u32],
        places: &[Option<(usize, usize)>],
        before: &BeforeImages,
        context: &StepContext<'_>,
        output: &mut Delta,
    ) -> Result<(), StepError> {
        let held: Vec<(usize, usize)> = places.iter().copied().flatten().collect();
        let batches: Vec<&Batch> = before.batches.iter().collect();
        let old = gather_batches(&batches, &held)?;
        let mut old_errors = vec![];
        for (row, &(batch, place)) in (0u32..).zip(&held) {
            let errors = &before.errors[batch];
            if let Ok(found) = errors.binary_search_by_key(&place, |(p, _)| *p as usize) {
                old_errors.push((row, errors[found].1.clone()));
            }
        }
        // A group without a key lives from its first emission on.
        let lives = |slot: u32| self.groups.weight(slot) > 0 || self.global;
        let live: Vec<u32> = slots.iter().copied().filter(|&slot| lives(slot)).collect();
        // Groups that were and are show the keys that they showed, unless those were the least of several.
        let keys = self.key.len();
        let kept = old.rows == slots.len() && live.len() == slots.len() && !self.groups.has_representatives();
        let (new, new_errors) =
            if kept { self.rows_with(old.columns[..keys].to_vec(), &live) } else { self.rows(&live)? };
        let (mut keep_old, mut keep_new) = (vec![true; old.rows], vec![true; new.rows]);
        let from = if kept { keys } else { 0 };
        // Without old rows there are no columns of them either.
        let old_columns = old.columns.get(from..).unwrap_or_default();
        let same = RowEquality::new(old_columns, &new.columns[from..], &self.types[from..], Equality::Identity);
        // An error's row holds NULL, which is not its value.
        let (sound_old, sound_new) = (without(&old_errors, old.rows), without(&new_errors, new.rows));
        let (mut old_row, mut new_row) = (0, 0);
        for (&slot, place) in slots.iter().zip(places) {
            let (had, has) = (place.is_some(), lives(slot));
            if had && has && sound_old.value(old_row) && sound_new.value(new_row) && same.equal(old_row, new_row) {
                keep_old[old_row] = false;
                keep_new[new_row] = false;
            }
            old_row += usize::from(had);
            new_row += usize::from(has);
        }
        self.send(old, &old_errors, keep_old, -1, context, output);
        self.send(new, &new_errors, keep_new, 1, context, output);
        Ok(())
    }

    fn send(
        &self,
        rows: Batch,
        errors: &[(u32, SqlError)],
        mut keep: Vec<bool>,
        weight: i64,
        context: &StepContext<'_>,
        output: &mut Delta,
    ) {
        let count = rows.rows;
        if count == 0 {
            return;
        }
        let delta = DeltaBatch::new(rows, vec![weight; count]);
        report(errors, &delta.weights, &mut output.errors);
        let sound = without(errors, count);
        for (row, keep) in keep.iter_mut().enumerate() {
            *keep &= sound.value(row);
        }
        let delta = if keep.iter().all(|keep| *keep) { delta } else { delta.filter(&keep.into()) };
        self.mfp.apply(delta, &context.eval, output);
    }
}

#[cfg(test)]
mod tests;
