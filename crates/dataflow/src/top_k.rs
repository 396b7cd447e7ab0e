//! ORDER BY … OFFSET … LIMIT per group.
//!
//! ```text
//!  per group   order key + identity ─▶ (row, weight)        a BTreeMap
//!  Δin ─▶ window of each touched group before ─▶ apply ─▶ window after ─▶ Δout = after − before
//! ```
//!
//! # Invariants
//!
//! 1. The outputs so far add up to the windows of the inputs so far.
//! 2. Rows that the order does not tell apart are ordered by identity: the result does not depend on arrival.
//! 3. A step costs O(|Δin| log group + touched groups × (offset + limit)).
//! 4. A one-shot step without retractions keeps the first offset + limit rows of a group only.

use crate::delta::{Delta, StepContext, StepError};
use crate::group_table::GroupTable;
use crate::order_key::{push_identity, push_ordered};
use crate::spec::TopKPlan;
use arrow_array::ArrayRef;
use headwater_arrange::{Moves, RowStore};
use headwater_types::{Batch, ColumnOrder, DataType, Datum, DeltaBatch};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row of a group: its place in the store and its weight.
#[derive(Debug, Clone, Copy)]
struct Held {
    row: u32,
    weight: i64,
}

type Group = BTreeMap<Arc<[u8]>, Held>;

/// The part of a group that is output: order key → (row, weight).
type Window = BTreeMap<Arc<[u8]>, Held>;

/// See the module.
#[derive(Debug)]
pub struct TopK {
    types: Vec<DataType>,
    key: Vec<usize>,
    order_by: Vec<ColumnOrder>,
    limit: Option<u64>,
    offset: u64,
    groups: GroupTable,
    of_slot: Vec<Group>,
    /// Every row of every group, once.
    rows: RowStore,
    /// Rows that left their group in this step.
    dead: Vec<u32>,
    /// Entries whose weight was not positive at some moment of this step.
    suspects: Vec<(u32, Arc<[u8]>)>,
}

impl TopK {
    /// Of rows of these types.
    #[must_use]
    pub fn new(plan: &TopKPlan, input: &[DataType]) -> Self {
        let key_types: Vec<DataType> = plan.key.iter().map(|&c| input[c].clone()).collect();
        Self {
            types: input.to_vec(),
            key: plan.key.clone(),
            order_by: plan.order_by.clone(),
            limit: plan.limit,
            offset: plan.offset,
            groups: GroupTable::new("TopK", &key_types),
            of_slot: vec![],
            rows: RowStore::new(input.to_vec()),
            dead: vec![],
            suspects: vec![],
        }
    }

    /// The memory kept, about: an order key is taken to be twice an entry.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let entries = self.rows.live_rows() * 3 * size_of::<(Arc<[u8]>, Held)>();
        self.groups.state_bytes()
            + self.of_slot.capacity() * size_of::<Group>()
            + entries
            + self.rows.rows().byte_size()
    }

    /// Consumes one step's input delta and returns that step's output delta.
    ///
    /// # Errors
    ///
    /// Any [`StepError`].
    pub fn step(&mut self, input: Delta, context: &StepContext<'_>) -> Result<Delta, StepError> {
        context.touch(input.rows());
        let kept = (context.one_shot && !input.has_retractions())
            .then(|| self.limit.and_then(|limit| limit.checked_add(self.offset)))
            .flatten();
        let mut output = Delta { batches: vec![], errors: input.errors };
        let mut before: Vec<Window> = vec![];
        for batch in input.batches.iter().filter(|batch| !batch.is_empty()) {
            let keys: Vec<ArrayRef> = self.key.iter().map(|&c| Arc::clone(&batch.rows.columns[c])).collect();
            let slots = self.groups.resolve(&keys, batch.rows.rows)?;
            self.of_slot.resize_with(self.groups.slots(), BTreeMap::new);
            let fresh = self.groups.touch(&slots).to_vec();
            before.extend(fresh.into_iter().map(|slot| self.window(slot)));
            self.groups.add(&slots, &batch.weights, &keys)?;
            self.apply(batch, &slots, kept)?;
        }
        let touched = self.groups.take_touched()?;
        let (mut rows, mut weights) = (vec![], vec![]);
        let mut insertions = vec![];
        for (&slot, before) in touched.iter().zip(before) {
            difference(&before, &self.window(slot), &mut rows, &mut weights, &mut insertions);
        }
        for held in insertions {
            rows.push(held.row);
            weights.push(held.weight);
        }
        if !rows.is_empty() {
            let columns: Vec<usize> = (0..self.types.len()).collect();
            let count = rows.len();
            context.touch(count);
            output.push(DeltaBatch::new(Batch::new(self.rows.gather(&rows, &columns)?, count), weights));
        }
        self.sweep(&touched)?;
        Ok(output)
    }

    fn apply(&mut self, batch: &DeltaBatch, slots: &[u32], kept: Option<u64>) -> Result<(), StepError> {
        let mut new: Vec<(u32, Arc<[u8]>, u32)> = vec![];
        let mut key = vec![];
        for (row, (&slot, &weight)) in slots.iter().zip(&batch.weights).enumerate() {
            self.encode(&batch.rows, row, &mut key);
            let group = &mut self.of_slot[slot as usize];
            match group.get_mut(&key[..]) {
                Some(held) => {
                    let sum = held.weight.checked_add(weight);
                    held.weight = sum.ok_or(StepError::WeightOverflow { operator: "TopK" })?;
                    if held.weight <= 0 {
                        self.suspects.push((slot, key[..].into()));
                    }
                }
                None => {
                    // Placed once the row has an id: until then the place in the batch stands for it.
                    let number = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
                    let key: Arc<[u8]> = key[..].into();
                    group.insert(Arc::clone(&key), Held { row: u32::MAX, weight });
                    if weight <= 0 {
                        self.suspects.push((slot, Arc::clone(&key)));
                    }
                    new.push((slot, key, number));
                }
            }
        }
        let places: Vec<u32> = new.iter().map(|(_, _, row)| *row).collect();
        self.rows.check_room(places.len())?;
        let ids = self.rows.append(&batch.rows.take(&places));
        for ((slot, key, ..), id) in new.into_iter().zip(ids) {
            if let Some(held) = self.of_slot[slot as usize].get_mut(&key) {
                held.row = id;
            }
        }
        if let Some(kept) = kept {
            for &slot in slots {
                self.prune(slot, kept);
            }
        }
        Ok(())
    }

    fn encode(&self, rows: &Batch, row: usize, key: &mut Vec<u8>) {
        key.clear();
        for order in &self.order_by {
            let c = order.column;
            push_ordered(&Datum::from_array(&*rows.columns[c], &self.types[c], row), *order, key);
        }
        for (column, data_type) in rows.columns.iter().zip(&self.types) {
            push_identity(&Datum::from_array(&**column, data_type, row), key);
        }
    }

    /// Drops rows that can never be among the first `kept`, if there are many more than that.
    fn prune(&mut self, slot: u32, kept: u64) {
        let group = &mut self.of_slot[slot as usize];
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        if group.len() <= kept.saturating_mul(2).max(64) {
            return;
        }
        while group.len() > kept {
            if let Some((_, held)) = group.pop_last() {
                self.dead.push(held.row);
            }
        }
    }

    fn window(&self, slot: u32) -> Window {
        let mut window = Window::new();
        let mut skip = self.offset;
        let mut left = self.limit.unwrap_or(u64::MAX);
        for (key, held) in &self.of_slot[slot as usize] {
            if left == 0 {
                break;
            }
            let copies = u64::try_from(held.weight).unwrap_or(0);
            let skipped = copies.min(skip);
            skip -= skipped;
            let shown = (copies - skipped).min(left);
            left -= shown;
            if shown > 0 {
                let weight = i64::try_from(shown).expect("no more than a weight");
                window.insert(Arc::clone(key), Held { row: held.row, weight });
            }
        }
        window
    }

    /// Forgets what has no weight any more.
    fn sweep(&mut self, touched: &[u32]) -> Result<(), StepError> {
        for (slot, key) in std::mem::take(&mut self.suspects) {
            let group = &mut self.of_slot[slot as usize];
            match group.get(&key).copied() {
                Some(Held { weight, .. }) if weight < 0 => {
                    return Err(StepError::NegativeWeight { operator: "TopK", weight });
                }
                Some(Held { row, weight: 0 }) => {
                    group.remove(&key);
                    self.dead.push(row);
                }
                _ => {}
            }
        }
        self.rows.delete(&std::mem::take(&mut self.dead));
        if let Some(moves) = self.rows.compact() {
            self.rehome(&moves)?;
        }
        let gone: Vec<u32> = touched.iter().copied().filter(|&slot| self.groups.weight(slot) == 0).collect();
        self.groups.release(&gone)
    }

    /// Tells the groups their rows' new ids.
    fn rehome(&mut self, moves: &Moves) -> Result<(), StepError> {
        let columns: Vec<usize> = (0..self.types.len()).collect();
        let rows = Batch::new(self.rows.gather(&moves.new, &columns)?, moves.new.len());
        let keys: Vec<ArrayRef> = self.key.iter().map(|&c| Arc::clone(&rows.columns[c])).collect();
        let slots = self.groups.resolve(&keys, rows.rows)?;
        let mut key = vec![];
        for (row, (&slot, &id)) in slots.iter().zip(&moves.new).enumerate() {
            self.encode(&rows, row, &mut key);
            self.of_slot[slot as usize].get_mut(&key[..]).expect("a stored row is in its group").row = id;
        }
        Ok(())
    }
}

fn difference(
    before: &Window,
    after: &Window,
    rows: &mut Vec<u32>,
    weights: &mut Vec<i64>,
    insertions: &mut Vec<Held>,
) {
    for (key, held) in before {
        let lost = held.weight - after.get(key).map_or(0, |held| held.weight);
        if lost > 0 {
            rows.push(held.row);
            weights.push(-lost);
        }
    }
    for (key, held) in after {
        let won = held.weight - before.get(key).map_or(0, |held| held.weight);
        if won > 0 {
            insertions.push(Held { row: held.row, weight: won });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bag, Random, Row, check, context};
    use std::cmp::Ordering;

    const TYPES: [DataType; 3] = [DataType::Int4, DataType::Int4, DataType::Text];

    fn make(random: &mut Random) -> Row {
        vec![random.int(3), random.int(5), random.text(&["a", "b", "c"])]
    }

    fn plan(limit: Option<u64>, offset: u64) -> TopKPlan {
        let order_by = vec![ColumnOrder { column: 1, descending: true, nulls_first: false }];
        TopKPlan { key: vec![0], order_by, limit, offset }
    }

    fn order(a: &Row, b: &Row) -> Ordering {
        let keys = match (a[1].is_null(), b[1].is_null()) {
            (false, false) => b[1].sql_cmp(&a[1]),
            (a, b) => a.cmp(&b),
        };
        keys.then_with(|| a[2].sql_cmp(&b[2]))
    }

    fn recompute(rows: &[Row], limit: Option<u64>, offset: u64) -> Bag {
        let mut bag = Bag::default();
        for key in [Datum::Null, Datum::Int4(0), Datum::Int4(1), Datum::Int4(2)] {
            let mut group: Vec<&Row> = rows.iter().filter(|row| row[0] == key).collect();
            group.sort_by(|a, b| order(a, b));
            let offset = usize::try_from(offset).expect("small");
            let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).expect("small"));
            for row in group.into_iter().skip(offset).take(limit) {
                bag.add_row(row, 1);
            }
        }
        bag
    }

    #[test]
    fn adds_up_to_recomputation() {
        for (limit, offset) in [(Some(1), 0), (Some(3), 2), (None, 1), (Some(0), 0)] {
            let new = || TopK::new(&plan(limit, offset), &TYPES);
            let step =
                |op: &mut TopK, delta: Delta, context: &StepContext<'_>| op.step(delta, context).expect("no limit");
            check(&TYPES, &TYPES, new, step, make, |rows| recompute(rows, limit, offset));
        }
    }

    /// Enough rows come and go that the store is compacted, and one-shot groups are pruned.
    #[test]
    fn survives_churn() {
        let mut random = Random(5);
        let row = |n: u64| vec![Datum::Int4(0), Datum::Int4(i32::try_from(n).expect("small")), Datum::text("x")];
        let mut top = TopK::new(&plan(Some(2), 0), &TYPES);
        let mut seen = Bag::default();
        for n in 0..30u64 {
            let mut rows: Vec<(Row, i64)> = (0..400).map(|i| (row(n * 400 + i), 1)).collect();
            if n > 0 {
                rows.extend((0..400).map(|i| (row((n - 1) * 400 + i), -1)));
            }
            let delta = crate::testing::delta_of(&mut random, rows, &TYPES);
            seen.add_delta(&top.step(delta, &context(false)).expect("no limit"), &TYPES);
            assert_eq!(seen, Bag::of([(row(n * 400 + 399), 1), (row(n * 400 + 398), 1)]), "step {n}");
        }
        let all: Vec<(Row, i64)> = (0..5000).map(|n| (row(n), 1)).collect();
        let delta = crate::testing::delta_of(&mut random, all, &TYPES);
        let mut whole = Bag::default();
        let mut top = TopK::new(&plan(Some(2), 1), &TYPES);
        whole.add_delta(&top.step(delta, &context(true)).expect("no limit"), &TYPES);
        assert_eq!(whole, Bag::of([(row(4998), 1), (row(4997), 1)]));
        assert!(top.rows.live_rows() < 200, "a one-shot step keeps no more than it needs");
    }
}
