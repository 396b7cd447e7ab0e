//! DISTINCT inside an aggregate that looks at values whose equals may differ: 1.5 and 1.50 are one value, of which
//! a group shows one.
//!
//! ```text
//!  (group, value, weight) ─▶ the least by identity of the group's equal rows, before and after
//!                              a → b   −a +b        anything else: nothing
//! ```
//!
//! # Invariants
//!
//! 1. The output so far holds, per group and SQL-equal values of positive weight, the least by identity among them:
//!    neither other groups' rows nor the order in which rows come matter.
//! 2. A value is shown or taken back at most once per batch.

use super::Input;
use super::distinct::Appeared;
use crate::delta::StepError;
use crate::group_table::GroupTable;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array, UInt32Array};
use headwater_types::{Batch, DataType, Equality, RowEquality};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct ShownValues {
    /// The group's slot, then the arguments.
    types: Vec<DataType>,
    /// The arguments that the ORDER BY keys are.
    key_args: Vec<usize>,
    values: GroupTable,
}

impl ShownValues {
    pub(super) fn new(args: &[DataType], key_args: Vec<usize>) -> Self {
        let types: Vec<DataType> = [DataType::Int4].into_iter().chain(args.iter().cloned()).collect();
        let values = GroupTable::new("Reduce", &types).with_representatives();
        Self { types, key_args, values }
    }

    /// Adds a batch's weights.
    pub(super) fn apply(&mut self, input: &Input<'_>) -> Result<Appeared, StepError> {
        let (mut rows, mut weights) = (vec![], vec![]);
        input.for_each(|row, _, weight| {
            rows.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
            weights.push(weight);
        });
        let groups: Int32Array = rows.iter().map(|&row| Some(input.slots[row as usize].cast_signed())).collect();
        let rows = UInt32Array::from(rows);
        let args = input
            .args
            .iter()
            .map(|arg| arrow_select::take::take(arg, &rows, None).expect("the rows exist and their bytes fit a batch"));
        let keys: Vec<ArrayRef> = [Arc::new(groups) as ArrayRef].into_iter().chain(args).collect();
        let slots = self.values.resolve(&keys, rows.len())?;
        self.values.touch(&slots);
        let touched = self.values.take_touched_signed();
        let (had, before) = self.shown(&touched)?;
        self.values.add(&slots, &weights, &keys)?;
        self.values.refresh_representatives()?;
        let (has, after) = self.shown(&touched)?;
        let gone: Vec<u32> = touched.into_iter().filter(|&slot| self.values.is_empty(slot)).collect();
        self.values.release(&gone)?;
        Ok(self.changes((&had, before), (&has, after)))
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.values.state_bytes()
    }

    /// Which of these values are shown, and as what.
    fn shown(&self, slots: &[u32]) -> Result<(Vec<bool>, Batch), StepError> {
        let shown: Vec<bool> = slots.iter().map(|&slot| self.values.weight(slot) > 0).collect();
        let live: Vec<u32> = slots.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(&slot, _)| slot).collect();
        Ok((shown, Batch::new(self.values.keys(&live)?, live.len())))
    }

    fn changes(&self, before: (&[bool], Batch), after: (&[bool], Batch)) -> Appeared {
        let ((had, before), (has, after)) = (before, after);
        let same = RowEquality::new(&before.columns, &after.columns, &self.types, Equality::Identity);
        let (mut gone, mut come) = (vec![], vec![]);
        let (mut old, mut new) = (0u32, 0u32);
        for (&had, &has) in had.iter().zip(has) {
            if !(had && has && same.equal(old as usize, new as usize)) {
                gone.extend(had.then_some(old));
                come.extend(has.then_some(new));
            }
            old += u32::from(had);
            new += u32::from(has);
        }
        let weights = gone.iter().map(|_| -1).chain(come.iter().map(|_| 1)).collect();
        let mut columns = Batch::concat(&[before.take(&gone), after.take(&come)]).columns;
        let args = columns.split_off(1);
        let groups = columns[0].as_primitive::<Int32Type>();
        let slots = groups.values().iter().map(|slot| slot.cast_unsigned()).collect();
        let keys = self.key_args.iter().map(|&arg| Arc::clone(&args[arg])).collect();
        Appeared { slots, weights, args, keys }
    }
}
