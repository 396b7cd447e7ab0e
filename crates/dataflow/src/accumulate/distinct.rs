//! DISTINCT inside an aggregate: how often each value occurs in each group, and which values come and go.
//!
//! ```text
//!  (group, value, weight) ─▶ weight before, after ─▶ 0 → n  +1
//!                                                    n → 0  −1     anything else: nothing
//! ```
//!
//! Values of a fixed width of at most 8 bytes are their own code; others are interned, once for all groups. An entry is
//! 16 bytes.
//!
//! The first of SQL-equal values to come stands for them, whichever group it came in: see [`super::distinct_shown`] for
//! the aggregates to which that matters.
//!
//! Crossings are counted row by row, so within a step a value may come and go; they add up to the net change.

use super::Input;
use crate::delta::StepError;
use crate::group_table::GroupTable;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef, UInt32Array};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use headwater_types::DataType;

#[derive(Debug)]
struct Pair {
    value: u64,
    slot: u32,
    weight: i32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct DistinctSet {
    codes: Codes,
    pairs: HashTable<Pair>,
    /// Whether the aggregate looks at the values, or only counts them.
    wants_values: bool,
}

#[derive(Debug)]
enum Codes {
    /// Of at most 8 bytes: the value's bits.
    Direct(DataType),
    /// The value's slot; its "rows" are the entries that name it.
    Interned(Box<GroupTable>),
}

/// The values that came (+1) and went (−1).
pub(super) struct Appeared {
    pub(super) slots: Vec<u32>,
    pub(super) weights: Vec<i64>,
    pub(super) args: Vec<ArrayRef>,
    pub(super) keys: Vec<ArrayRef>,
}

impl DistinctSet {
    /// `nulls`: whether NULL is a value.
    pub(super) fn new(types: &[DataType], nulls: bool, wants_values: bool) -> Self {
        let codes = match types {
            [one] if !nulls && is_direct(one) => Codes::Direct(one.clone()),
            _ => Codes::Interned(Box::new(GroupTable::new("Reduce", types))),
        };
        Self { codes, pairs: HashTable::new(), wants_values }
    }

    /// Adds a batch's weights.
    pub(super) fn apply(&mut self, input: &Input<'_>) -> Result<Appeared, StepError> {
        let codes = match &mut self.codes {
            Codes::Direct(data_type) => bits_of(&input.args[0], data_type),
            Codes::Interned(values) => {
                let slots = values.resolve(input.args, input.slots.len())?;
                values.touch(&slots);
                slots.into_iter().map(u64::from).collect()
            }
        };
        let (mut rows, mut slots, mut weights) = (vec![], vec![], vec![]);
        // Entries that came (+1) and went (−1), by their value.
        let (mut named, mut names) = (vec![], vec![]);
        let interned = matches!(self.codes, Codes::Interned(_));
        let mut overflowed = false;
        let pairs = &mut self.pairs;
        input.for_each(|row, _, weight| {
            let (value, slot) = (codes[row], input.slots[row]);
            let (before, after) = add(pairs, value, slot, weight, &mut overflowed);
            if (before > 0) != (after > 0) {
                rows.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
                slots.push(slot);
                weights.push(if after > 0 { 1 } else { -1 });
            }
            if interned && (before == 0) != (after == 0) {
                named.push(code_slot(value));
                names.push(if after == 0 { -1 } else { 1 });
            }
        });
        if overflowed {
            return Err(StepError::WeightOverflow { operator: "Reduce" });
        }
        let rows = UInt32Array::from(rows);
        let args = match &mut self.codes {
            Codes::Interned(values) => {
                // The stored value stands for all its equals, so that what goes is what came.
                let codes: Vec<u32> = rows.values().iter().map(|&row| code_slot(codes[row as usize])).collect();
                let args = values.keys(&codes)?;
                values.add(&named, &names, &[])?;
                let gone = values.take_touched()?.into_iter().filter(|&value| values.weight(value) == 0);
                let gone: Vec<u32> = gone.collect();
                values.release(&gone)?;
                args
            }
            Codes::Direct(_) if self.wants_values => {
                vec![arrow_select::take::take(&input.args[0], &rows, None).expect("rows of this batch")]
            }
            Codes::Direct(_) => vec![],
        };
        let key_of = |key: &ArrayRef| arrow_select::take::take(key, &rows, None).expect("rows of this batch");
        let keys = input.keys.iter().map(key_of).collect();
        Ok(Appeared { slots, weights, args, keys })
    }
}

fn code_slot(code: u64) -> u32 {
    u32::try_from(code).expect("an interned value's code is a slot")
}

fn hash(value: u64, slot: u32) -> u64 {
    // One multiplication folded: both ends of the result depend on all bits.
    let spread = u128::from(u64::from(slot).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let product = (u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * u128::from(0xd1b5_4a32_d192_ed03_u64)) ^ spread;
    let folded = (product as u64) ^ ((product >> 64) as u64);
    let again = u128::from(folded) * u128::from(0x9fb2_1c65_1e98_df25_u64);
    (again as u64) ^ ((again >> 64) as u64)
}

/// The pair's weight before and after.
fn add(pairs: &mut HashTable<Pair>, value: u64, slot: u32, weight: i64, overflowed: &mut bool) -> (i64, i64) {
    let is_it = |pair: &Pair| pair.value == value && pair.slot == slot;
    match pairs.entry(hash(value, slot), is_it, |pair| hash(pair.value, pair.slot)) {
        Entry::Occupied(mut entry) => {
            let before = i64::from(entry.get().weight);
            let after = before.saturating_add(weight);
            match i32::try_from(after) {
                Ok(0) => {
                    entry.remove();
                }
                Ok(kept) => entry.get_mut().weight = kept,
                Err(_) => *overflowed = true,
            }
            (before, after)
        }
        Entry::Vacant(entry) => {
            match i32::try_from(weight) {
                Ok(kept) => {
                    entry.insert(Pair { value, slot, weight: kept });
                }
                Err(_) => *overflowed = true,
            }
            (0, weight)
        }
    }
}

fn is_direct(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Bool
            | DataType::Int2
            | DataType::Int4
            | DataType::Int8
            | DataType::Date
            | DataType::Time
            | DataType::Timestamp
            | DataType::Timestamptz
            | DataType::Oid
    )
}

fn bits_of(array: &ArrayRef, data_type: &DataType) -> Vec<u64> {
    let wide = |values: &[i64]| values.iter().map(|v| v.cast_unsigned()).collect();
    let narrow = |values: &[i32]| values.iter().map(|v| i64::from(*v).cast_unsigned()).collect();
    match data_type {
        DataType::Bool => (0..array.len()).map(|row| u64::from(array.as_boolean().value(row))).collect(),
        DataType::Int2 => {
            array.as_primitive::<Int16Type>().values().iter().map(|v| i64::from(*v).cast_unsigned()).collect()
        }
        DataType::Int4 => narrow(array.as_primitive::<Int32Type>().values()),
        DataType::Date => narrow(array.as_primitive::<Date32Type>().values()),
        DataType::Int8 => wide(array.as_primitive::<Int64Type>().values()),
        DataType::Time => wide(array.as_primitive::<Time64MicrosecondType>().values()),
        DataType::Oid => array.as_primitive::<UInt32Type>().values().iter().map(|v| u64::from(*v)).collect(),
        _ => wide(array.as_primitive::<TimestampMicrosecondType>().values()),
    }
}
